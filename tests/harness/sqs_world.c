#include "tests/harness/sqs_world.h"

#include "common/mem.h"

struct sqs_model_queue *sqs_world_make_queue(struct sqs_world *w, const char *name,
                                             const struct sqs_model_pair *pairs, size_t count)
{
    struct sqs_model_queue *queue = NULL;
    struct model_error error = {0};
    if (!sqs_model_create_queue(w->model, slice_from_str(name), pairs, count, T0, &error) ||
        !sqs_model_find_queue(w->model, slice_from_str(name), &queue, &error))
        fail_msg("%s: %s", name, error.text);
    return queue;
}

struct sqs_model_pair sqs_world_pair(const char *name, const char *value)
{
    return (struct sqs_model_pair){slice_from_str(name), slice_from_str(value)};
}

int sqs_world_set_up(void **state)
{
    struct sqs_world *w = mem_calloc(1, sizeof(*w));
    w->model = sqs_model_new(&(struct sqs_model_options){.seed = 7, .in_flight_max = 20});
    w->standard = sqs_world_make_queue(w, STANDARD, NULL, 0);
    struct sqs_model_pair fifo[] = {sqs_world_pair("FifoQueue", "true")};
    w->fifo = sqs_world_make_queue(w, FIFO, fifo, 1);
    *state = w;
    return 0;
}

int sqs_world_tear_down(void **state)
{
    struct sqs_world *w = *state;
    sqs_model_free(w->model);
    mem_free(w);
    return 0;
}

struct sqs_model_send sqs_world_message(const char *body)
{
    return (struct sqs_model_send){.body = slice_from_str(body), .delay_seconds = SQS_MODEL_ABSENT};
}

struct sqs_model_send sqs_world_fifo_message(const char *body, const char *group, const char *id)
{
    struct sqs_model_send entry = sqs_world_message(body);
    entry.group_id = slice_from_str(group);
    entry.deduplication_id = slice_from_str(id);
    return entry;
}

struct sqs_model_sent sqs_world_send(struct sqs_model_queue *queue, struct sqs_model_send entry,
                                     int64_t now_ms)
{
    struct sqs_model_sent sent;
    sqs_model_send(queue, &entry, now_ms, &sent);
    if (sent.error.http_status != 0)
        fail_msg("send: %s", sent.error.text);
    return sent;
}

void sqs_world_send_fails(struct sqs_model_queue *queue, struct sqs_model_send entry,
                          const char *code)
{
    struct sqs_model_sent sent;
    sqs_model_send(queue, &entry, T0, &sent);
    assert_int_not_equal(sent.error.http_status, 0);
    assert_string_equal(sent.error.query_code, code);
}

struct sqs_model_receive sqs_world_receive_spec(int64_t most, int64_t visibility_seconds)
{
    return (struct sqs_model_receive){.messages_max = most,
                                      .visibility_seconds = visibility_seconds,
                                      .wait_seconds = SQS_MODEL_ABSENT};
}

size_t sqs_world_receive(struct sqs_world *w, struct sqs_model_queue *queue, int64_t most,
                         int64_t visibility_seconds, int64_t now_ms)
{
    struct sqs_model_receive spec = sqs_world_receive_spec(most, visibility_seconds);
    if (!sqs_model_receive(queue, &spec, now_ms, w->got, &w->count, &w->error))
        fail_msg("receive: %s", w->error.text);
    return w->count;
}

struct slice sqs_world_handle(const struct sqs_world *w, size_t index)
{
    return slice_from_str(w->got[index].receipt_handle);
}

int sqs_world_body_number(const struct sqs_world *w, size_t index)
{
    int number = 0;
    for (size_t i = 0; i < w->got[index].body.len; i++)
        number = number * 10 + (w->got[index].body.ptr[i] - '0');
    return number;
}

void sqs_world_delete_ok(struct sqs_world *w, struct sqs_model_queue *queue,
                         const char *receipt_handle, int64_t now_ms)
{
    if (!sqs_model_delete(queue, slice_from_str(receipt_handle), now_ms, &w->error))
        fail_msg("delete: %s", w->error.text);
}

void sqs_world_change_ok(struct sqs_world *w, struct sqs_model_queue *queue,
                         const char *receipt_handle, int64_t seconds, int64_t now_ms)
{
    if (!sqs_model_change_visibility(queue, slice_from_str(receipt_handle), seconds, now_ms,
                                     &w->error))
        fail_msg("change: %s", w->error.text);
}

void sqs_world_change_fails(struct sqs_world *w, struct sqs_model_queue *queue,
                            const char *receipt_handle, int64_t seconds, int64_t now_ms,
                            const char *code)
{
    assert_false(sqs_model_change_visibility(queue, slice_from_str(receipt_handle), seconds, now_ms,
                                             &w->error));
    assert_string_equal(w->error.query_code, code);
}

void sqs_world_set_attribute(struct sqs_world *w, struct sqs_model_queue *queue, const char *name,
                             const char *value, int64_t now_ms)
{
    struct sqs_model_pair pairs[] = {sqs_world_pair(name, value)};
    if (!sqs_model_set_attributes(queue, pairs, 1, now_ms, &w->error))
        fail_msg("set: %s", w->error.text);
}
