/* One standard and one FIFO queue, and short ways to send and receive: shared by the tests of the
 * SQS model. */
#ifndef TESTS_HARNESS_SQS_WORLD_H
#define TESTS_HARNESS_SQS_WORLD_H

#include "tests/harness/unit.h"

#include "common/prng.h"
#include "tests/model/sqs_model.h"

#define T0       INT64_C(1800000000000)
#define SECOND   INT64_C(1000)
#define STANDARD "work"
#define FIFO     "work.fifo"

struct sqs_world {
    struct sqs_model *model;
    struct sqs_model_queue *standard;
    struct sqs_model_queue *fifo;
    struct sqs_model_received got[SQS_MODEL_BATCH_MAX];
    size_t count;
    struct model_error error;
};

/* What these do fails the test unless the model takes it; `_fails` the other way round. */
struct sqs_model_queue *sqs_world_make_queue(struct sqs_world *w, const char *name,
                                             const struct sqs_model_pair *pairs, size_t count);
struct sqs_model_pair sqs_world_pair(const char *name, const char *value);
int sqs_world_set_up(void **state);
int sqs_world_tear_down(void **state);
struct sqs_model_send sqs_world_message(const char *body);
struct sqs_model_send sqs_world_fifo_message(const char *body, const char *group, const char *id);
struct sqs_model_sent sqs_world_send(struct sqs_model_queue *queue, struct sqs_model_send entry,
                                     int64_t now_ms);
void sqs_world_send_fails(struct sqs_model_queue *queue, struct sqs_model_send entry,
                          const char *code);
struct sqs_model_receive sqs_world_receive_spec(int64_t most, int64_t visibility_seconds);
/* Into w->got; returns w->count. */
size_t sqs_world_receive(struct sqs_world *w, struct sqs_model_queue *queue, int64_t most,
                         int64_t visibility_seconds, int64_t now_ms);
struct slice sqs_world_handle(const struct sqs_world *w, size_t index);
/* Of a body of digits. */
int sqs_world_body_number(const struct sqs_world *w, size_t index);
void sqs_world_delete_ok(struct sqs_world *w, struct sqs_model_queue *queue,
                         const char *receipt_handle, int64_t now_ms);
void sqs_world_change_ok(struct sqs_world *w, struct sqs_model_queue *queue,
                         const char *receipt_handle, int64_t seconds, int64_t now_ms);
void sqs_world_change_fails(struct sqs_world *w, struct sqs_model_queue *queue,
                            const char *receipt_handle, int64_t seconds, int64_t now_ms,
                            const char *code);
void sqs_world_set_attribute(struct sqs_world *w, struct sqs_model_queue *queue, const char *name,
                             const char *value, int64_t now_ms);

#define CASE(name) cmocka_unit_test_setup_teardown(name, sqs_world_set_up, sqs_world_tear_down)

#endif
