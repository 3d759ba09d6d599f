/* sqs_receive: long polls that wait at their queue. */
#include <stdio.h>
#include <string.h>

#include "common/check.h"
#include "common/mem.h"
#include "tests/sim/custody.h"
#include "tests/sim/stand_in_sqs_internal.h"

struct stand_in_receive {
    struct stand_in_call call;
    struct sim *sim;
    struct world_queue_state *queue;
    struct stand_in_receive *next; /* waiting */
    bool waits;
    int64_t until_ms;
    struct sim_event over;
    struct sqs_receive_spec spec;
    sqs_receive_fn *on_done;
    void *ctx;
    size_t count;
    struct sqs_message messages[SQS_BATCH_ENTRIES_MAX];
};

static struct stand_in_receive *receive_of(struct stand_in_call *call)
{
    return container_of(call, struct stand_in_receive, call);
}

/* --- answers --------------------------------------------------------------------------------- */

static void free_slice(struct slice text)
{
    mem_free((void *)(uintptr_t)text.ptr);
}

static void release(struct stand_in_call *base)
{
    struct stand_in_receive *receive = receive_of(base);
    for (size_t i = 0; i < receive->count; i++) {
        free_slice(receive->messages[i].message_id);
        free_slice(receive->messages[i].receipt_handle);
        free_slice(receive->messages[i].body);
        free_slice(receive->messages[i].sequence_number);
    }
    mem_free(receive);
}

static void answer(struct stand_in_call *base, const struct error *failure)
{
    struct stand_in_receive *receive = receive_of(base);
    receive->on_done(receive->ctx, receive->messages,
                     failure->kind == ERROR_NONE ? receive->count : 0, failure);
}

static struct slice copy(const char *text, size_t len)
{
    return slice_from(mem_strndup(text, len), len);
}

static void keep(struct stand_in_receive *receive, const struct sqs_model_received *from)
{
    receive->messages[receive->count++] = (struct sqs_message){
        .message_id = copy(from->message_id, strlen(from->message_id)),
        .receipt_handle = copy(from->receipt_handle, strlen(from->receipt_handle)),
        .body = copy((const char *)from->body.ptr, from->body.len),
        .sequence_number = from->sequence_number[0] == '\0'
                               ? SLICE_NULL
                               : copy(from->sequence_number, strlen(from->sequence_number)),
        .receive_count = from->receive_count,
        .sent_ms = from->sent_ms,
        .body_md5_matches = true,
    };
}

/* True: there was something, or its time is over. */
static bool try(struct stand_in_receive *receive)
{
    struct sim *sim = receive->sim;
    struct sqs_model_received received[SQS_BATCH_ENTRIES_MAX];
    struct model_error error;
    size_t count = 0;
    const struct options *o = &sim->options;
    bool standard = stand_in_sqs_which(sim, receive->queue) == WORLD_DELAY_QUEUE;
    const struct sqs_model_receive spec = {
        .messages_max = receive->spec.messages_max,
        .visibility_seconds = receive->spec.visibility_seconds,
        .wait_seconds = receive->spec.wait_seconds,
        .duplicate = standard && !sim->healed && sim_happens(&sim->faults, o->received_twice),
        .skip = !sim->healed && sim_happens(&sim->faults, o->disorder)
                    ? (uint32_t)prng_below(&sim->faults, 4)
                    : 0,
    };
    CHECK(sqs_model_receive(receive->queue->model, &spec, sim->now_ms, received, &count, &error));
    for (size_t i = 0; i < count; i++) {
        keep(receive, &received[i]);
        custody_received(sim, stand_in_sqs_which(sim, receive->queue), receive->call.client->host,
                         received[i].message_id, received[i].receipt_handle);
        sim_say(sim, receive->call.client->host, "%s -> %.8s (receive %u)%s", receive->queue->name,
                received[i].message_id, received[i].receive_count, spec.duplicate ? " twice" : "");
    }
    return count > 0 || sim->now_ms >= receive->until_ms;
}

/* --- waiting --------------------------------------------------------------------------------- */

static void look_later(struct sim *sim, struct world_queue_state *queue)
{
    int64_t next_ms = sqs_model_next_ms(queue->model);
    if (queue->waiting == NULL || next_ms == INT64_MAX)
        sim_cancel(sim, &queue->look);
    else
        sim_set(sim, &queue->look, next_ms);
}

static void leave(struct stand_in_receive *receive)
{
    struct world_queue_state *queue = receive->queue;
    struct stand_in_receive **link = &queue->waiting;
    while (*link != receive)
        link = &(*link)->next;
    *link = receive->next;
    if (queue->waiting_end == &receive->next)
        queue->waiting_end = link;
    sim_cancel(receive->sim, &receive->over);
    receive->waits = false;
}

/* Its holder is no more, or it has been served. */
static void end(struct stand_in_receive *receive)
{
    leave(receive);
    stand_in_call_answer(&receive->call);
}

void stand_in_sqs_serve(struct sim *sim, struct world_queue_state *queue)
{
    struct stand_in_receive *next;
    for (struct stand_in_receive *receive = queue->waiting; receive != NULL; receive = next) {
        const struct aws_client *client = receive->call.client;
        next = receive->next;
        bool is_open = !client->closed && client->host->life == client->life;
        if (!is_open || try(receive))
            end(receive);
    }
    look_later(sim, queue);
}

static void on_look(void *ctx)
{
    struct world_queue_state *queue = ctx;
    if (queue->waiting != NULL)
        stand_in_sqs_serve(queue->waiting->sim, queue);
}

static void on_over(void *ctx)
{
    struct stand_in_receive *receive = ctx;
    stand_in_sqs_serve(receive->sim, receive->queue);
}

static void arrive(struct stand_in_call *base)
{
    struct stand_in_receive *receive = receive_of(base);
    struct sim *sim = receive->sim;
    receive->until_ms = sim->now_ms + receive->spec.wait_seconds * MS_PER_SECOND;
    /* When its answer will be lost it takes what is there, and hides it. */
    if (try(receive) || base->plan.failure.kind != ERROR_NONE) {
        stand_in_call_answer(base);
        look_later(sim, receive->queue);
        return;
    }
    receive->waits = true;
    *receive->queue->waiting_end = receive;
    receive->queue->waiting_end = &receive->next;
    sim_set(sim, &receive->over, receive->until_ms);
    look_later(sim, receive->queue);
}

void sqs_receive(struct sqs *sqs, const struct sqs_receive_spec *spec, sqs_receive_fn *on_done,
                 void *ctx)
{
    struct stand_in_receive *receive = mem_calloc(1, sizeof(*receive));
    struct aws_client *client = sqs->client;
    *receive = (struct stand_in_receive){
        .call = {.client = client,
                 .operation = "ReceiveMessage",
                 .apply = arrive,
                 .answer = answer,
                 .release = release},
        .sim = client->host->sim,
        .queue = stand_in_sqs_queue(client->host->sim, spec->queue_url),
        .over = {.fn = on_over, .ctx = receive},
        .spec = *spec,
        .on_done = on_done,
        .ctx = ctx,
    };
    CHECK(receive->queue != NULL);
    stand_in_call_start(&receive->call, FAULT_SQS, false);
}

void stand_in_sqs_forget(struct world_queue_state *queue)
{
    while (queue->waiting != NULL)
        end(queue->waiting);
}

void stand_in_sqs_watch(struct world_queue_state *queue)
{
    queue->look = (struct sim_event){.fn = on_look, .ctx = queue};
}
