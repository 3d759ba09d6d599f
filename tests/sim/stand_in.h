/* What stands in for the programs' I/O modules. The shells and cores of the product run unchanged
 * over these; each file implements a header of common/ word for word:
 *
 * - stand_in_loop.c: loop.h; turns in virtual time, a host's own clocks
 * - stand_in_program.c: program.h, log.h; check, start, stop, close
 * - stand_in_client.c: aws_client.h as far as aws_services.c needs it; a call's way there and back
 * - stand_in_sqs.c, stand_in_receive.c: sqs.h over tests/model/sqs_model.h
 * - stand_in_dynamodb.c: dynamodb.h over tests/model/dynamodb_model.h
 * - stand_in_producer.c, stand_in_consumer.c, stand_in_member.c: kafka.h over
 *   tests/model/kafka_model.h
 *
 * Here is what they offer to hosts, and to each other.
 */
#ifndef TESTS_SIM_STAND_IN_H
#define TESTS_SIM_STAND_IN_H

#include <stdbool.h>

#include "common/aws_client.h"
#include "common/clock_skew.h"
#include "common/kafka.h"
#include "common/loop.h"
#include "common/program.h"
#include "tests/model/kafka_model.h"
#include "tests/sim/faults.h"
#include "tests/sim/host.h"

/* --- loop and program ------------------------------------------------------------------------ */

struct loop *stand_in_loop_new(struct host *host);
void stand_in_loop_free(struct loop *loop);
struct host *stand_in_loop_host(const struct loop *loop);
/* fn, and then all that is deferred. */
void stand_in_loop_turn(struct program *program, sim_fn *fn, void *ctx);
/* Timers that wait for a wall time look again within a second. */
void stand_in_loop_clock_changed(struct program *program);

/* With the settings of the run, as environment variables. */
struct program *stand_in_program_new(struct host *host);
void stand_in_program_begin(struct program *program);
void stand_in_program_signal(struct program *program);
bool stand_in_program_has_ended(const struct program *program, int *ret_exit_code);
void stand_in_program_free(struct program *program);

/* --- calls to AWS ---------------------------------------------------------------------------- */

/* What sqs.h and dynamodb.h have in common on a host: a client that may be freed while its calls
 * are under way. */
struct aws_client {
    struct host *host;
    uint64_t life;
    struct loop *loop;
    uint32_t refs; /* the handle itself and each call */
    bool closed;
    struct clock_skew skew;
};

/* A call on its way, embedded by a typed one. */
struct stand_in_call {
    struct aws_client *client;
    const char *operation;
    struct fault_plan plan;
    struct mono_ms sent;
    int64_t date_s; /* of the answer */
    /* Does it to the model. Afterwards the call holds the answer. */
    void (*apply)(struct stand_in_call *call);
    /* In a turn of the host: calls back. failure->kind ERROR_NONE: what apply has left. */
    void (*answer)(struct stand_in_call *call, const struct error *failure);
    void (*release)(struct stand_in_call *call);
    uint32_t refs;
};

struct aws_client *stand_in_client_new(struct loop *loop);
void stand_in_client_close(struct aws_client *client);
void stand_in_client_unref(struct aws_client *client);

/* Takes the call; it is released when it has been done and answered, or neither can come. */
void stand_in_call_start(struct stand_in_call *call, enum fault_service service, bool writes);
/* For calls that wait at the server: apply has left it open, and now it may be answered. */
void stand_in_call_answer(struct stand_in_call *call);

/* As aws_client.c would name it: status and code of an answer that is no success. */
void stand_in_error(struct error *ret, int http_status, const char *code, const char *query_code,
                    const char *text, bool writes);

/* --- Kafka ----------------------------------------------------------------------------------- */

/* Named as librdkafka names it. */
void stand_in_kafka_error(struct error *ret, enum error_kind kind, enum kafka_model_error error);

#endif
