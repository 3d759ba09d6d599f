#include "common/sqs.h"

#include <stdlib.h>
#include <string.h>

#include "common/aws_error.h"
#include "common/check.h"
#include "common/encode.h"
#include "common/mem.h"
#include "tests/sim/custody.h"
#include "tests/sim/stand_in_sqs_internal.h"

#define URL_PREFIX "https://sqs.sim/"

struct sqs *sqs_new(struct loop *loop, struct http *http, struct aws_credentials *credentials,
                    const struct aws_settings *settings, uint64_t seed)
{
    struct sqs *sqs = mem_calloc(1, sizeof(*sqs));
    (void)http;
    (void)credentials;
    (void)settings;
    (void)seed;
    sqs->client = stand_in_client_new(loop);
    return sqs;
}

void sqs_free(struct sqs *sqs)
{
    if (sqs == NULL)
        return;
    stand_in_client_close(sqs->client);
    mem_free(sqs);
}

struct aws_client *sqs_client(struct sqs *sqs)
{
    return sqs->client;
}

struct world_queue_state *stand_in_sqs_queue(struct sim *sim, const char *queue_url)
{
    const char *name = queue_url;
    if (strncmp(name, URL_PREFIX, strlen(URL_PREFIX)) == 0)
        name += strlen(URL_PREFIX);
    for (int i = 0; i < WORLD_QUEUES; i++)
        if (strcmp(sim->world->queues[i].name, name) == 0)
            return &sim->world->queues[i];
    return NULL;
}

enum world_queue stand_in_sqs_which(struct sim *sim, const struct world_queue_state *queue)
{
    return (enum world_queue)(queue - sim->world->queues);
}

/* --- calls ----------------------------------------------------------------------------------- */

static struct stand_in_sqs_call *call_of(struct stand_in_call *call)
{
    return container_of(call, struct stand_in_sqs_call, call);
}

static void release(struct stand_in_call *base)
{
    struct stand_in_sqs_call *call = call_of(base);
    for (size_t i = 0; i < call->count; i++) {
        mem_free(call->entries[i].body);
        mem_free(call->entries[i].group_id);
        mem_free(call->entries[i].deduplication_id);
    }
    mem_free(call->url);
    mem_free(call);
}

static struct stand_in_sqs_call *call_new(struct sqs *sqs, const char *operation,
                                          const char *queue_url, void *ctx)
{
    struct stand_in_sqs_call *call = mem_calloc(1, sizeof(*call));
    call->call.client = sqs->client;
    call->call.operation = operation;
    call->call.release = release;
    call->sim = sqs->client->host->sim;
    call->queue = stand_in_sqs_queue(call->sim, queue_url);
    call->ctx = ctx;
    return call;
}

static void answer_batch(struct stand_in_call *base, const struct error *failure)
{
    struct stand_in_sqs_call *call = call_of(base);
    if (failure->kind != ERROR_NONE)
        sqs_wire_fail_batch(failure, call->count, call->results);
    call->on_done.batch(call->ctx, call->results, call->count);
}

/* --- batches --------------------------------------------------------------------------------- */

static void refuse_entry(struct sqs_entry_result *result, const struct model_error *error)
{
    const char *code = error->query_code != NULL ? error->query_code : error->code;
    aws_error_read_entry(slice_from_str(code), slice_from_str(error->text), error->sender_fault,
                         &result->error);
    result->outcome = error_outcome(result->error.kind);
}

static void leave_open(struct sqs_entry_result *result)
{
    error_set(&result->error, ERROR_UNKNOWN, "NotInAnswer", "its Id is in neither list");
    result->outcome = OUTCOME_UNKNOWN;
}

/* What the dice say about the entry; false: it is not to be done. */
static bool may_be_done(struct stand_in_sqs_call *call, size_t i, bool *ret_named)
{
    static const struct model_error failed = {.code = "InternalFailure", .text = "partial"};
    static const struct model_error throttled = {
        .code = "RequestThrottled", .sender_fault = true, .text = "partial"};
    *ret_named = true;
    switch (faults_entry(call->sim, FAULT_SQS)) {
    case FAULT_ENTRY_NONE:
        return true;
    case FAULT_ENTRY_FAILED:
        refuse_entry(&call->results[i], &failed);
        return false;
    case FAULT_ENTRY_THROTTLED:
        refuse_entry(&call->results[i], &throttled);
        return false;
    case FAULT_ENTRY_MISSING:
        leave_open(&call->results[i]);
        return false;
    case FAULT_ENTRY_UNNAMED:
        leave_open(&call->results[i]);
        *ret_named = false;
        return true;
    }
    UNREACHABLE();
}

static void send_one(struct stand_in_sqs_call *call, size_t i)
{
    struct sim *sim = call->sim;
    const struct stand_in_sqs_entry *entry = &call->entries[i];
    const struct sqs_model_send send = {
        .body = slice_from(entry->body, entry->len),
        .delay_seconds = entry->seconds == SQS_DELAY_ABSENT ? SQS_MODEL_ABSENT : entry->seconds,
        .group_id = slice_from_str(entry->group_id),
        .deduplication_id = slice_from_str(entry->deduplication_id),
    };
    struct sqs_model_sent sent;
    bool named;
    if (!may_be_done(call, i, &named))
        return;
    sqs_model_send(call->queue->model, &send, sim->now_ms, &sent);
    if (sent.error.http_status != 0) {
        refuse_entry(&call->results[i], &sent.error);
        return;
    }
    enum world_queue which = stand_in_sqs_which(sim, call->queue);
    sim_say(sim, call->call.client->host, "%s <- %.8s (%zu bytes, delay %d)%s", call->queue->name,
            sent.message_id, entry->len, entry->seconds, sent.duplicate ? " again" : "");
    custody_sent(sim, which, sent.message_id, send.body, send.deduplication_id, sent.duplicate);
    if (which == WORLD_DELAY_QUEUE && (!named || call->call.plan.failure.kind != ERROR_NONE))
        custody_unsure_send(sim, send.body);
}

static void apply_send(struct stand_in_call *base)
{
    struct stand_in_sqs_call *call = call_of(base);
    CHECK(call->queue != NULL);
    for (size_t i = 0; i < call->count; i++)
        send_one(call, i);
    stand_in_sqs_serve(call->sim, call->queue);
    stand_in_call_answer(base);
}

static char *copy(struct slice text)
{
    return slice_is_null(text) ? NULL : mem_strndup((const char *)text.ptr, text.len);
}

static struct slice as_sent(const struct sqs_send_entry *entry, struct buf *base64)
{
    buf_init(base64, SQS_BATCH_BYTES_MAX);
    if (!entry->base64)
        return entry->body;
    encode_base64(entry->body, base64);
    CHECK(!base64->overflow);
    return buf_slice(base64);
}

void sqs_send_batch(struct sqs *sqs, const char *queue_url, const struct sqs_send_entry *entries,
                    size_t count, bool is_retry, sqs_batch_fn *on_done, void *ctx)
{
    struct stand_in_sqs_call *call = call_new(sqs, "SendMessageBatch", queue_url, ctx);
    size_t bytes = 0;
    (void)is_retry;
    CHECK(count >= 1 && count <= SQS_BATCH_ENTRIES_MAX);
    call->count = count;
    call->on_done.batch = on_done;
    call->call.apply = apply_send;
    call->call.answer = answer_batch;
    for (size_t i = 0; i < count; i++) {
        CLEANUP(buf_release) struct buf base64;
        struct slice body = as_sent(&entries[i], &base64);
        call->entries[i] =
            (struct stand_in_sqs_entry){.body = copy(body),
                                        .len = body.len,
                                        .seconds = entries[i].delay_seconds,
                                        .group_id = copy(entries[i].group_id),
                                        .deduplication_id = copy(entries[i].deduplication_id)};
        bytes += body.len;
    }
    if (bytes > SQS_BATCH_BYTES_MAX)
        sim_fail(call->sim, "P9 batch", "%zu bytes in one send", bytes);
    stand_in_call_start(&call->call, FAULT_SQS, true);
}

/* --- receipts -------------------------------------------------------------------------------- */

static size_t depth_of(struct stand_in_sqs_call *call)
{
    struct sqs_model_depth depth = sqs_model_depth(call->queue->model, call->sim->now_ms);
    return depth.visible + depth.in_flight + depth.delayed;
}

static void delete_one(struct stand_in_sqs_call *call, size_t i)
{
    struct sim *sim = call->sim;
    struct slice handle = slice_from(call->entries[i].body, call->entries[i].len);
    struct model_error error;
    bool named;
    if (!may_be_done(call, i, &named))
        return;
    size_t before = depth_of(call);
    if (!sqs_model_delete(call->queue->model, handle, sim->now_ms, &error))
        refuse_entry(&call->results[i], &error);
    else if (depth_of(call) < before)
        custody_deleted(sim, stand_in_sqs_which(sim, call->queue), handle);
}

static void change_one(struct stand_in_sqs_call *call, size_t i)
{
    struct slice handle = slice_from(call->entries[i].body, call->entries[i].len);
    struct model_error error;
    bool named;
    if (may_be_done(call, i, &named) &&
        !sqs_model_change_visibility(call->queue->model, handle, call->entries[i].seconds,
                                     call->sim->now_ms, &error))
        refuse_entry(&call->results[i], &error);
}

static void apply_receipts(struct stand_in_call *base)
{
    struct stand_in_sqs_call *call = call_of(base);
    bool deletes = strcmp(base->operation, "DeleteMessageBatch") == 0;
    for (size_t i = 0; i < call->count; i++) {
        if (deletes)
            delete_one(call, i);
        else
            change_one(call, i);
    }
    sim_say(call->sim, base->client->host, "%s %s %zu", call->queue->name,
            deletes ? "deletes" : "changes visibility of", call->count);
    stand_in_sqs_serve(call->sim, call->queue);
    stand_in_call_answer(base);
}

static void start_receipts(struct stand_in_sqs_call *call, size_t count, sqs_batch_fn *on_done)
{
    CHECK(count >= 1 && count <= SQS_BATCH_ENTRIES_MAX && call->queue != NULL);
    call->on_done.batch = on_done;
    call->call.apply = apply_receipts;
    call->call.answer = answer_batch;
    stand_in_call_start(&call->call, FAULT_SQS, true);
}

void sqs_delete_batch(struct sqs *sqs, const char *queue_url, const struct slice *receipt_handles,
                      size_t count, sqs_batch_fn *on_done, void *ctx)
{
    struct stand_in_sqs_call *call = call_new(sqs, "DeleteMessageBatch", queue_url, ctx);
    call->count = count;
    for (size_t i = 0; i < count; i++)
        call->entries[i] = (struct stand_in_sqs_entry){.body = copy(receipt_handles[i]),
                                                       .len = receipt_handles[i].len};
    start_receipts(call, count, on_done);
}

void sqs_change_visibility_batch(struct sqs *sqs, const char *queue_url,
                                 const struct sqs_visibility_entry *entries, size_t count,
                                 sqs_batch_fn *on_done, void *ctx)
{
    struct stand_in_sqs_call *call = call_new(sqs, "ChangeMessageVisibilityBatch", queue_url, ctx);
    call->count = count;
    for (size_t i = 0; i < count; i++)
        call->entries[i] = (struct stand_in_sqs_entry){.body = copy(entries[i].receipt_handle),
                                                       .len = entries[i].receipt_handle.len,
                                                       .seconds = entries[i].visibility_seconds};
    start_receipts(call, count, on_done);
}

/* --- questions ------------------------------------------------------------------------------- */

static void apply_question(struct stand_in_call *base)
{
    stand_in_call_answer(base);
}

static void on_attribute(void *ctx, const char *name, const char *value)
{
    struct sqs_queue_attributes *attributes = ctx;
    long long number = strtoll(value, NULL, 10);
    if (strcmp(name, "DelaySeconds") == 0)
        attributes->delay_seconds = number;
    else if (strcmp(name, "VisibilityTimeout") == 0)
        attributes->visibility_seconds = number;
    else if (strcmp(name, "MessageRetentionPeriod") == 0)
        attributes->retention_seconds = number;
    else if (strcmp(name, "MaximumMessageSize") == 0)
        attributes->maximum_message_bytes = number;
    else if (strcmp(name, "FifoQueue") == 0)
        attributes->fifo = strcmp(value, "true") == 0;
    else if (strcmp(name, "DeduplicationScope") == 0)
        attributes->deduplication_per_group = strcmp(value, "messageGroup") == 0;
    else if (strcmp(name, "FifoThroughputLimit") == 0)
        attributes->throughput_per_group = strcmp(value, "perMessageGroupId") == 0;
}

static void answer_attributes(struct stand_in_call *base, const struct error *failure)
{
    struct stand_in_sqs_call *call = call_of(base);
    struct sqs_queue_attributes attributes = {.throughput_known = true};
    struct model_error error;
    struct slice all = SLICE_LITERAL("All");
    CHECK(sqs_model_get_attributes(call->queue->model, &all, 1, call->sim->now_ms, on_attribute,
                                   &attributes, &error));
    call->on_done.attributes(call->ctx, failure->kind == ERROR_NONE ? &attributes : NULL, failure);
}

void sqs_get_queue_attributes(struct sqs *sqs, const char *queue_url, sqs_attributes_fn *on_done,
                              void *ctx)
{
    struct stand_in_sqs_call *call = call_new(sqs, "GetQueueAttributes", queue_url, ctx);
    CHECK(call->queue != NULL);
    call->on_done.attributes = on_done;
    call->call.apply = apply_question;
    call->call.answer = answer_attributes;
    stand_in_call_start(&call->call, FAULT_SQS, false);
}

static void answer_url(struct stand_in_call *base, const struct error *failure)
{
    struct stand_in_sqs_call *call = call_of(base);
    call->on_done.url(call->ctx, failure->kind == ERROR_NONE ? call->url : NULL, failure);
}

void sqs_get_queue_url(struct sqs *sqs, const char *queue_name, sqs_url_fn *on_done, void *ctx)
{
    struct stand_in_sqs_call *call = call_new(sqs, "GetQueueUrl", queue_name, ctx);
    CLEANUP(buf_release) struct buf url;
    buf_init(&url, KIB);
    buf_printf(&url, "%s%s", URL_PREFIX, queue_name);
    call->url = mem_strdup(buf_text(&url));
    call->on_done.url = on_done;
    call->call.apply = apply_question;
    call->call.answer = answer_url;
    stand_in_call_start(&call->call, FAULT_SQS, false);
}
