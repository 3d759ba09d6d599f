/* One standard and one FIFO queue, and short ways to send and receive: shared by the tests of the
 * SQS model. */
#ifndef TESTS_UNIT_SQS_MODEL_WORLD_H
#define TESTS_UNIT_SQS_MODEL_WORLD_H

#include "tests/harness/unit.h"

#include "common/mem.h"
#include "common/prng.h"
#include "tests/model/sqs_model.h"

#define T0       INT64_C(1800000000000)
#define SECOND   INT64_C(1000)
#define STANDARD "work"
#define FIFO     "work.fifo"

struct world {
    struct sqs_model *model;
    struct sqs_model_queue *standard;
    struct sqs_model_queue *fifo;
    struct sqs_model_received got[SQS_MODEL_BATCH_MAX];
    size_t count;
    struct model_error error;
};

static inline struct sqs_model_queue *make_queue(struct world *w, const char *name,
                                                 const struct sqs_model_pair *pairs, size_t count)
{
    struct sqs_model_queue *queue = NULL;
    struct model_error error = {0};
    if (!sqs_model_create_queue(w->model, slice_from_str(name), pairs, count, T0, &error) ||
        !sqs_model_find_queue(w->model, slice_from_str(name), &queue, &error))
        fail_msg("%s: %s", name, error.text);
    return queue;
}

static inline struct sqs_model_pair pair(const char *name, const char *value)
{
    return (struct sqs_model_pair){slice_from_str(name), slice_from_str(value)};
}

static inline int set_up(void **state)
{
    struct world *w = mem_calloc(1, sizeof(*w));
    w->model = sqs_model_new(&(struct sqs_model_options){.seed = 7, .in_flight_max = 20});
    w->standard = make_queue(w, STANDARD, NULL, 0);
    struct sqs_model_pair fifo[] = {pair("FifoQueue", "true")};
    w->fifo = make_queue(w, FIFO, fifo, 1);
    *state = w;
    return 0;
}

static inline int tear_down(void **state)
{
    struct world *w = *state;
    sqs_model_free(w->model);
    mem_free(w);
    return 0;
}

static inline struct sqs_model_send message(const char *body)
{
    return (struct sqs_model_send){.body = slice_from_str(body), .delay_seconds = SQS_MODEL_ABSENT};
}

static inline struct sqs_model_send fifo_message(const char *body, const char *group,
                                                 const char *id)
{
    struct sqs_model_send entry = message(body);
    entry.group_id = slice_from_str(group);
    entry.deduplication_id = slice_from_str(id);
    return entry;
}

static inline struct sqs_model_sent send(struct sqs_model_queue *queue, struct sqs_model_send entry,
                                         int64_t now_ms)
{
    struct sqs_model_sent sent;
    sqs_model_send(queue, &entry, now_ms, &sent);
    if (sent.error.http_status != 0)
        fail_msg("send: %s", sent.error.text);
    return sent;
}

static inline void send_fails(struct sqs_model_queue *queue, struct sqs_model_send entry,
                              const char *code)
{
    struct sqs_model_sent sent;
    sqs_model_send(queue, &entry, T0, &sent);
    assert_int_not_equal(sent.error.http_status, 0);
    assert_string_equal(sent.error.query_code, code);
}

static inline struct sqs_model_receive receive_spec(int64_t most, int64_t visibility_seconds)
{
    return (struct sqs_model_receive){.messages_max = most,
                                      .visibility_seconds = visibility_seconds,
                                      .wait_seconds = SQS_MODEL_ABSENT};
}

static inline size_t receive(struct world *w, struct sqs_model_queue *queue, int64_t most,
                             int64_t visibility_seconds, int64_t now_ms)
{
    struct sqs_model_receive spec = receive_spec(most, visibility_seconds);
    if (!sqs_model_receive(queue, &spec, now_ms, w->got, &w->count, &w->error))
        fail_msg("receive: %s", w->error.text);
    return w->count;
}

static inline struct slice handle(const struct world *w, size_t index)
{
    return slice_from_str(w->got[index].receipt_handle);
}

static inline int body_number(const struct world *w, size_t index)
{
    int number = 0;
    for (size_t i = 0; i < w->got[index].body.len; i++)
        number = number * 10 + (w->got[index].body.ptr[i] - '0');
    return number;
}

static inline void delete_ok(struct world *w, struct sqs_model_queue *queue,
                             const char *receipt_handle, int64_t now_ms)
{
    if (!sqs_model_delete(queue, slice_from_str(receipt_handle), now_ms, &w->error))
        fail_msg("delete: %s", w->error.text);
}

static inline void change_ok(struct world *w, struct sqs_model_queue *queue,
                             const char *receipt_handle, int64_t seconds, int64_t now_ms)
{
    if (!sqs_model_change_visibility(queue, slice_from_str(receipt_handle), seconds, now_ms,
                                     &w->error))
        fail_msg("change: %s", w->error.text);
}

static inline void change_fails(struct world *w, struct sqs_model_queue *queue,
                                const char *receipt_handle, int64_t seconds, int64_t now_ms,
                                const char *code)
{
    assert_false(sqs_model_change_visibility(queue, slice_from_str(receipt_handle), seconds, now_ms,
                                             &w->error));
    assert_string_equal(w->error.query_code, code);
}

static inline void set_attribute(struct world *w, struct sqs_model_queue *queue, const char *name,
                                 const char *value, int64_t now_ms)
{
    struct sqs_model_pair pairs[] = {pair(name, value)};
    if (!sqs_model_set_attributes(queue, pairs, 1, now_ms, &w->error))
        fail_msg("set: %s", w->error.text);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

#endif
