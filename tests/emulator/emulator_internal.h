/* What the files of the emulator share; nobody else includes it. */
#ifndef TESTS_EMULATOR_EMULATOR_INTERNAL_H
#define TESTS_EMULATOR_EMULATOR_INTERNAL_H

#include <cjson/cJSON.h>

#include "tests/emulator/emulator.h"
#include "tests/emulator/faults.h"
#include "tests/emulator/http_server.h"
#include "tests/emulator/json_out.h"
#include "tests/emulator/kafka_mock.h"
#include "tests/model/dynamodb_model.h"
#include "tests/model/model_arena.h"
#include "tests/model/model_list.h"
#include "tests/model/sqs_model.h"
#include "tests/model/sts_model.h"

#define EMULATOR_ANSWER_BYTES_MAX (64 * 1024 * 1024)
#define EMULATOR_LOG_ENTRIES      65536
#define EMULATOR_OUTCOME_SIZE     48
#define SQS_UNIT_BYTES            65536

enum service {
    SERVICE_SQS,
    SERVICE_DYNAMODB,
};

struct call;

enum progress {
    CALL_DONE,   /* answer or error stand in the call */
    CALL_PARKED, /* call_finish comes later */
};

typedef enum progress operation_fn(struct call *call);

struct operation {
    enum service service;
    const char *name;
    operation_fn *run;
};

struct operation_stats {
    uint64_t calls;           /* that were signed well */
    uint64_t applied;         /* that took effect */
    uint64_t errors;          /* refused by the model */
    uint64_t throttled;       /* refused by a throttle fault */
    uint64_t faults;          /* hit by any fault */
    uint64_t half_units;      /* billable: SQS requests of 64 KB, read and write units */
    uint64_t fifo_half_units; /* of them, those of FIFO queues, which cost more */
};

/* One request to SQS or DynamoDB, from its signature to its answer. */
struct call {
    struct model_list_node by_emulator;
    struct emulator *emulator;
    struct http_exchange *exchange; /* NULL: the client has gone */
    const struct operation *operation;
    cJSON *input;
    struct model_arena arena; /* what the input was turned into */
    struct buf body;
    struct json_out out; /* writes to body */
    struct model_error error;
    struct fault_effect fault;
    struct slice resource; /* queue or table name, in the input */
    char access_key_id[STS_ACCESS_KEY_SIZE];
    uint64_t half_units;
    uv_timer_t delay;
    struct buf headers;
    struct http_answer answer;

    /* A long poll that waits. */
    struct model_list_node waiting;
    struct sqs_model_queue *queue;
    struct sqs_model_receive receive;
    int64_t deadline_ms;
};

/* Long polls of one queue, the longest waiting first. */
struct watch {
    struct model_list_node by_age;
    struct sqs_model_queue *queue;
    struct model_list calls;
};

struct log_entry {
    uint64_t n;
    int64_t at_ms;
    const char *operation;
    char access_key_id[STS_ACCESS_KEY_SIZE];
    char resource[80];
    char outcome[EMULATOR_OUTCOME_SIZE];
};

struct emulator {
    uv_loop_t *loop;
    struct http_server *server;
    int port;
    char base_url[64];
    char region[32];
    char container_token[80];
    char imds_token[64];
    int64_t session_ms;
    int64_t clock_offset_ms; /* of Date and of the signature check only */
    int64_t last_now_ms;
    struct sqs_model *sqs;
    struct dynamodb_model *dynamodb;
    struct sts_model *keys;
    struct faults *faults;
    struct kafka_mock *kafka;
    struct operation_stats *stats; /* one an operation */
    uint64_t refused_signatures;
    struct log_entry *log;
    uint64_t log_next;
    uint64_t next_request_id;
    struct model_list calls; /* all that are not answered */
    struct model_list watches;
    uv_poll_t wake;
    int wake_fd;
    int64_t wake_at_ms;
    bool closing;
};

/* emulator.c */
int64_t emulator_now_ms(struct emulator *emulator); /* wall clock, never going back */
void emulator_answer_plain(struct emulator *emulator, struct http_exchange *exchange, int status,
                           const char *content_type, struct buf *body);
void emulator_log(struct emulator *emulator, const char *operation, const char *access_key_id,
                  struct slice resource, const char *outcome);

/* call.c */
void call_begin(struct emulator *emulator, struct http_exchange *exchange);
void call_finish(struct call *call);              /* answers and frees */
void call_abandon_all(struct emulator *emulator); /* when the emulator closes */
size_t call_operation_count(void);
const struct operation *call_operation(size_t index);
const struct operation *call_find_operation(enum service service, struct slice name);

/* json_in.c: members of the input; false fills call->error with SerializationException. Absent and
 * null are the same: SLICE_NULL, SQS_MODEL_ABSENT, NULL. */
NODISCARD bool in_string(struct call *call, const cJSON *object, const char *name,
                         struct slice *ret);
NODISCARD bool in_i64(struct call *call, const cJSON *object, const char *name, int64_t *ret);
NODISCARD bool in_bool(struct call *call, const cJSON *object, const char *name, bool *ret);
NODISCARD bool in_array(struct call *call, const cJSON *object, const char *name,
                        const cJSON **ret);
NODISCARD bool in_object(struct call *call, const cJSON *object, const char *name,
                         const cJSON **ret);
/* An array of strings in the call's arena. */
NODISCARD bool in_strings(struct call *call, const cJSON *object, const char *name,
                          const struct slice **ret, size_t *ret_count);
NODISCARD bool in_base64(struct call *call, struct slice text, struct slice *ret);
bool in_refuse(struct call *call, const char *what); /* always false */

/* serve_sqs.c, serve_sqs_messages.c, serve_sqs_wait.c */
extern const struct operation sqs_operations[];
extern const size_t sqs_operation_count;
NODISCARD bool sqs_call_queue(struct call *call, struct sqs_model_queue **ret);
void sqs_bill(struct call *call, size_t bytes);
operation_fn sqs_run_send, sqs_run_send_batch, sqs_run_receive, sqs_run_delete,
    sqs_run_delete_batch, sqs_run_change, sqs_run_change_batch;
/* Writes what a receive got into the call's body. */
void sqs_write_received(struct call *call, const struct sqs_model_received *messages, size_t count);

/* Parks a receive that got nothing until deadline_ms. */
void sqs_wait(struct call *call);
void sqs_wait_queue_gone(struct emulator *emulator, struct sqs_model_queue *queue);
/* After anything that may have made a message of the queue visible. */
void sqs_wait_serve(struct emulator *emulator, struct sqs_model_queue *queue);
void sqs_wait_start(struct emulator *emulator); /* sets up the timer */
void sqs_wait_stop(struct emulator *emulator);

/* serve_dynamodb.c, serve_dynamodb_batch.c */
extern const struct operation dynamodb_operations[];
extern const size_t dynamodb_operation_count;
NODISCARD bool ddb_call_table(struct call *call, struct slice name, struct ddb_table **ret);
void ddb_out_capacity(struct call *call, struct slice table, uint64_t half_units);
operation_fn ddb_run_batch_write, ddb_run_batch_get;

/* ddb_json.c */
NODISCARD bool ddb_in_map(struct call *call, const cJSON *object, struct ddb_value *ret);
NODISCARD bool ddb_in_member_map(struct call *call, const cJSON *object, const char *name,
                                 const struct ddb_value **ret); /* absent: NULL */
NODISCARD bool ddb_in_scope(struct call *call, const cJSON *object, struct ddb_scope *ret);
/* projection count 0: all attributes. */
void ddb_out_map(struct json_out *out, const struct ddb_value *map,
                 const struct ddb_projection *projection);

/* serve_credentials.c: true if the request was one of theirs, and is answered. */
NODISCARD bool credentials_serve(struct emulator *emulator, struct http_exchange *exchange);

/* serve_control.c: /_emulator/... */
NODISCARD bool control_serve(struct emulator *emulator, struct http_exchange *exchange);

#endif
