/* What SQS does, in memory: standard and FIFO queues, with time as an argument in epoch
 * milliseconds, and faults and chance as input. The emulator serves it over HTTP, the simulator
 * calls it. No clock, no I/O; the same calls with the same seed give the same answers.
 *
 * Where AWS leaves room, the model takes the strict side: attribute changes and counts take effect
 * at once, visibility and delay end on the millisecond, stale receipt handles do nothing, a FIFO
 * group is blocked while any of its messages is in flight. Redrive policies are kept but not
 * applied.
 *
 * Calls that can be refused return false and fill *reterr. Every call first lets time pass up to
 * now_ms, which must not go back by more than the caller can bear: nothing is undone.
 */
#ifndef TESTS_MODEL_SQS_MODEL_H
#define TESTS_MODEL_SQS_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/slice.h"
#include "tests/model/model_error.h"

#define SQS_MODEL_BATCH_MAX         10
#define SQS_MODEL_MESSAGE_BYTES_MAX 1048576
#define SQS_MODEL_IN_FLIGHT_MAX     120000
#define SQS_MODEL_DEDUPLICATION_MS  (5 * 60 * 1000)
#define SQS_MODEL_RECREATE_WAIT_MS  (60 * 1000)
#define SQS_MODEL_ATTRIBUTES_MAX    10 /* of a message */
#define SQS_MODEL_ABSENT            INT64_MIN
#define SQS_MODEL_HANDLE_SIZE       80
#define SQS_MODEL_MESSAGE_ID_SIZE   37
#define SQS_MODEL_SEQUENCE_SIZE     32
#define SQS_MODEL_MD5_SIZE          33

struct sqs_model;
struct sqs_model_queue;

struct sqs_model_options {
    uint64_t seed;          /* message ids and receipt handles */
    uint32_t in_flight_max; /* 0: SQS_MODEL_IN_FLIGHT_MAX */
};

struct sqs_model *sqs_model_new(const struct sqs_model_options *options);
void sqs_model_free(struct sqs_model *model);

/* --- queues ---------------------------------------------------------------------------------- */

struct sqs_model_pair {
    struct slice name;
    struct slice value;
};

/* Creating it again with equal attributes is fine. */
NODISCARD bool sqs_model_create_queue(struct sqs_model *model, struct slice name,
                                      const struct sqs_model_pair *attributes, size_t count,
                                      int64_t now_ms, struct model_error *reterr);
NODISCARD bool sqs_model_find_queue(struct sqs_model *model, struct slice name,
                                    struct sqs_model_queue **ret, struct model_error *reterr);
void sqs_model_delete_queue(struct sqs_model *model, struct sqs_model_queue *queue, int64_t now_ms);
NODISCARD bool sqs_model_purge_queue(struct sqs_model_queue *queue, int64_t now_ms,
                                     struct model_error *reterr);
/* In order of creation; NULL: the first, and NULL behind the last. */
struct sqs_model_queue *sqs_model_next_queue(struct sqs_model *model,
                                             const struct sqs_model_queue *after);
struct slice sqs_model_queue_name(const struct sqs_model_queue *queue); /* also NUL-terminated */
/* Of a receive that names none. */
int64_t sqs_model_queue_wait_seconds(const struct sqs_model_queue *queue);

NODISCARD bool sqs_model_set_attributes(struct sqs_model_queue *queue,
                                        const struct sqs_model_pair *attributes, size_t count,
                                        int64_t now_ms, struct model_error *reterr);
/* Names may hold "All". The emulator adds QueueArn itself. */
typedef void sqs_model_attribute_fn(void *ctx, const char *name, const char *value);
NODISCARD bool sqs_model_get_attributes(struct sqs_model_queue *queue, const struct slice *names,
                                        size_t count, int64_t now_ms,
                                        sqs_model_attribute_fn *on_attribute, void *ctx,
                                        struct model_error *reterr);

struct sqs_model_depth {
    size_t visible; /* as ApproximateNumberOfMessages: a blocked FIFO group counts too */
    size_t in_flight;
    size_t delayed;
};
struct sqs_model_depth sqs_model_depth(struct sqs_model_queue *queue, int64_t now_ms);
/* The next instant at which a message may become visible by itself; INT64_MAX: none. */
int64_t sqs_model_next_ms(const struct sqs_model_queue *queue);

/* --- sending --------------------------------------------------------------------------------- */

struct sqs_model_message_attribute {
    struct slice name;
    struct slice data_type;
    struct slice value; /* raw bytes if binary */
    bool binary;
};

struct sqs_model_send {
    struct slice id;       /* of the batch entry; unused otherwise */
    struct slice body;     /* null: absent */
    int64_t delay_seconds; /* SQS_MODEL_ABSENT: the queue's */
    struct slice group_id; /* null: absent */
    struct slice deduplication_id;
    const struct sqs_model_message_attribute *attributes;
    size_t attribute_count;
};

struct sqs_model_sent {
    struct model_error error; /* http_status 0: sent */
    char message_id[SQS_MODEL_MESSAGE_ID_SIZE];
    char body_md5[SQS_MODEL_MD5_SIZE];
    char attributes_md5[SQS_MODEL_MD5_SIZE];       /* empty without attributes */
    char sequence_number[SQS_MODEL_SEQUENCE_SIZE]; /* empty on standard queues */
    bool duplicate;                                /* FIFO: taken for one sent before */
};

/* MD5OfMessageAttributes in lower-case hex; at most SQS_MODEL_ATTRIBUTES_MAX. */
void sqs_model_attributes_md5(const struct sqs_model_message_attribute *attributes, size_t count,
                              char out[SQS_MODEL_MD5_SIZE]);

/* Bytes of body and message attributes, as limits and bills count them. */
size_t sqs_model_send_bytes(const struct sqs_model_send *entry);

void sqs_model_send(struct sqs_model_queue *queue, const struct sqs_model_send *entry,
                    int64_t now_ms, struct sqs_model_sent *ret);
/* What refuses a batch as a whole; entries are then sent one by one with sqs_model_send. */
NODISCARD bool sqs_model_check_send_batch(const struct sqs_model_queue *queue,
                                          const struct sqs_model_send *entries, size_t count,
                                          struct model_error *reterr);
/* The same for batches of handles; element is the name of an entry in AWS's message. */
NODISCARD bool sqs_model_check_batch_ids(const struct slice *ids, size_t count, const char *element,
                                         struct model_error *reterr);

/* --- receiving ------------------------------------------------------------------------------- */

struct sqs_model_receive {
    int64_t messages_max;       /* SQS_MODEL_ABSENT: 1 */
    int64_t visibility_seconds; /* SQS_MODEL_ABSENT: the queue's */
    int64_t wait_seconds;       /* only checked: who waits calls again */
    struct slice attempt_id;    /* null: absent */
    bool duplicate;             /* fault: standard messages stay visible although received */
    uint32_t skip;              /* fault: pass over so many visible ones (disorder) */
};

/* Slices are valid until the next call on this queue. */
struct sqs_model_received {
    char message_id[SQS_MODEL_MESSAGE_ID_SIZE];
    char receipt_handle[SQS_MODEL_HANDLE_SIZE];
    char body_md5[SQS_MODEL_MD5_SIZE];
    char attributes_md5[SQS_MODEL_MD5_SIZE];
    char sequence_number[SQS_MODEL_SEQUENCE_SIZE];
    struct slice body;
    struct slice group_id;         /* null without one */
    struct slice deduplication_id; /* FIFO only */
    const struct sqs_model_message_attribute *attributes;
    size_t attribute_count;
    uint32_t receive_count;
    int64_t sent_ms;
    int64_t first_receive_ms;
};

/* At most SQS_MODEL_BATCH_MAX into ret; *ret_count may be 0. */
NODISCARD bool sqs_model_receive(struct sqs_model_queue *queue,
                                 const struct sqs_model_receive *spec, int64_t now_ms,
                                 struct sqs_model_received *ret, size_t *ret_count,
                                 struct model_error *reterr);

NODISCARD bool sqs_model_delete(struct sqs_model_queue *queue, struct slice receipt_handle,
                                int64_t now_ms, struct model_error *reterr);
NODISCARD bool sqs_model_change_visibility(struct sqs_model_queue *queue,
                                           struct slice receipt_handle, int64_t visibility_seconds,
                                           int64_t now_ms, struct model_error *reterr);

#endif
