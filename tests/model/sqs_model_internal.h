/* What the files of the SQS model share; nobody else includes it. */
#ifndef TESTS_MODEL_SQS_MODEL_INTERNAL_H
#define TESTS_MODEL_SQS_MODEL_INTERNAL_H

#include "common/prng.h"
#include "tests/model/model_heap.h"
#include "tests/model/model_list.h"
#include "tests/model/model_map.h"
#include "tests/model/sqs_model.h"

#define SQS_MODEL_VISIBILITY_MS_MAX (INT64_C(43200) * 1000)

/* Names that queues know; the rules stand in sqs_model_attributes.c. */
enum sqs_model_attribute {
    SQS_MODEL_ATTRIBUTE_VISIBILITY,
    SQS_MODEL_ATTRIBUTE_DELAY,
    SQS_MODEL_ATTRIBUTE_RETENTION,
    SQS_MODEL_ATTRIBUTE_WAIT,
    SQS_MODEL_ATTRIBUTE_MAXIMUM_SIZE,
    SQS_MODEL_ATTRIBUTE_FIFO,
    SQS_MODEL_ATTRIBUTE_CONTENT_DEDUPLICATION,
    SQS_MODEL_ATTRIBUTE_DEDUPLICATION_SCOPE,
    SQS_MODEL_ATTRIBUTE_THROUGHPUT_LIMIT,
    SQS_MODEL_ATTRIBUTE_POLICY,
    SQS_MODEL_ATTRIBUTE_REDRIVE_POLICY,
    SQS_MODEL_ATTRIBUTE_REDRIVE_ALLOW_POLICY,
    SQS_MODEL_ATTRIBUTE_KMS_KEY,
    SQS_MODEL_ATTRIBUTE_KMS_REUSE,
    SQS_MODEL_ATTRIBUTE_MANAGED_SSE,
    SQS_MODEL_ATTRIBUTE_COUNT,
};

enum sqs_model_message_state {
    SQS_MODEL_DELAYED,
    SQS_MODEL_VISIBLE,
    SQS_MODEL_IN_FLIGHT,
};

struct sqs_model_group {
    struct model_map_node by_id;
    struct model_list_node ready; /* linked while a receive may take from it */
    struct model_list messages;   /* in order of sending */
    char id[];
};

struct sqs_model_message {
    struct model_list_node by_age;
    struct model_list_node place;  /* standard: in queue->ready while visible; FIFO: in its group */
    struct model_heap_node wake;   /* delayed and in flight: when that ends */
    struct sqs_model_group *group; /* FIFO only */
    enum sqs_model_message_state state;
    uint32_t slot;
    uint32_t receipt; /* number of the newest receive; 0: never */
    uint32_t touches; /* visibility changes since then: an attempt id is then stale */
    uint64_t number;  /* unique in the model */
    int64_t sent_ms;
    int64_t received_ms; /* newest receive: the 12 hours count from here */
    int64_t first_receive_ms;
    uint32_t receive_count;
    char message_id[SQS_MODEL_MESSAGE_ID_SIZE];
    char body_md5[SQS_MODEL_MD5_SIZE];
    char attributes_md5[SQS_MODEL_MD5_SIZE];
    char sequence_number[SQS_MODEL_SEQUENCE_SIZE];
    struct slice body; /* this and the following point behind the struct */
    struct slice group_id;
    struct slice deduplication_id;
    struct sqs_model_message_attribute *attributes;
    size_t attribute_count;
};

/* One send of the last five minutes. */
struct sqs_model_deduplication {
    struct model_map_node by_key;
    struct model_list_node by_age;
    int64_t expires_ms;
    char message_id[SQS_MODEL_MESSAGE_ID_SIZE];
    char sequence_number[SQS_MODEL_SEQUENCE_SIZE];
    char key[];
};

/* One receive of the last five minutes that named an attempt id. */
struct sqs_model_attempt {
    struct model_map_node by_id;
    struct model_list_node by_age;
    int64_t expires_ms;
    size_t count;
    struct {
        uint32_t slot;
        uint32_t receipt;
        uint64_t number;
    } messages[SQS_MODEL_BATCH_MAX];
    char id[];
};

struct sqs_model_queue {
    struct model_list_node by_creation;
    struct model_map_node by_name;
    struct sqs_model *model;
    uint32_t id;
    bool fifo;
    bool deduplicates_per_group; /* settled at creation: later changes have no effect, as on AWS */
    char *texts[SQS_MODEL_ATTRIBUTE_COUNT]; /* as set; NULL: the default */
    int64_t numbers[SQS_MODEL_ATTRIBUTE_COUNT];
    int64_t created_ms;
    int64_t modified_ms;
    int64_t purged_ms;

    struct model_list by_age; /* all messages, for retention */
    struct model_heap wake;
    struct model_list ready; /* standard: messages; FIFO: groups */
    struct model_map groups;
    struct model_map deduplications;
    struct model_list deduplications_by_age;
    struct model_map attempts;
    struct model_list attempts_by_age;

    struct sqs_model_message **slots;
    uint32_t *free_slots;
    uint32_t slot_count;
    uint32_t slot_capacity;
    uint32_t free_count;
    struct sqs_model_depth depth;
    char name[];
};

/* A name that was deleted less than a minute ago. */
struct sqs_model_tombstone {
    struct model_list_node by_age;
    int64_t deleted_ms;
    char name[];
};

struct sqs_model {
    struct prng random;
    uint64_t handle_key; /* receipt handles of other models and forged ones do not verify */
    uint32_t in_flight_max;
    uint32_t next_queue_id;
    uint64_t next_number;
    struct model_map by_name;
    struct model_list queues;
    struct model_list tombstones;
};

/* sqs_model_attributes.c */
NODISCARD bool sqs_model_attributes_create(struct sqs_model_queue *queue,
                                           const struct sqs_model_pair *attributes, size_t count,
                                           struct model_error *reterr);
/* Whether creating the queue again with these is a repetition. */
NODISCARD bool sqs_model_attributes_equal(const struct sqs_model_queue *queue,
                                          const struct sqs_model_pair *attributes, size_t count,
                                          struct model_error *reterr);
void sqs_model_attributes_release(struct sqs_model_queue *queue);

/* sqs_model_check.c: the rules for what one send, receive or name may hold. */
NODISCARD bool sqs_model_check_queue_name(struct slice name, bool fifo, struct model_error *reterr);
NODISCARD bool sqs_model_check_send(const struct sqs_model_queue *queue,
                                    const struct sqs_model_send *entry, struct model_error *reterr);
NODISCARD bool sqs_model_check_receive(const struct sqs_model_queue *queue,
                                       const struct sqs_model_receive *spec,
                                       struct model_error *reterr);
NODISCARD bool sqs_model_check_number(const char *parameter, int64_t value, int64_t least,
                                      int64_t most, const char *reason, struct model_error *reterr);

/* sqs_model_digest.c: lower-case hex. */
void sqs_model_md5(struct slice data, char out[SQS_MODEL_MD5_SIZE]);
#define SQS_MODEL_SHA256_SIZE 65
void sqs_model_sha256(struct slice data, char out[SQS_MODEL_SHA256_SIZE]);

/* sqs_model_store.c: messages, their states, what time does to them. */
void sqs_model_store_init(struct sqs_model_queue *queue);
void sqs_model_store_release(struct sqs_model_queue *queue);
void sqs_model_store_advance(struct sqs_model_queue *queue, int64_t now_ms);
/* Room for a message with copies of what the entry holds; state and place are the caller's. */
struct sqs_model_message *sqs_model_store_add(struct sqs_model_queue *queue,
                                              const struct sqs_model_send *entry,
                                              struct slice deduplication_id, int64_t now_ms);
void sqs_model_store_remove(struct sqs_model_queue *queue, struct sqs_model_message *message);
void sqs_model_store_remove_all(struct sqs_model_queue *queue);
/* New state, with heap, lists, counts and its group kept in step. until_ms: of the two that end. */
void sqs_model_store_set_state(struct sqs_model_queue *queue, struct sqs_model_message *message,
                               enum sqs_model_message_state state, int64_t until_ms);
/* Out of flight: visible, or delayed once more where a FIFO queue's delay has not passed. */
void sqs_model_store_hand_back(struct sqs_model_queue *queue, struct sqs_model_message *message,
                               int64_t now_ms);
/* A FIFO queue's delay was changed: it holds for what is queued too. */
void sqs_model_store_apply_fifo_delay(struct sqs_model_queue *queue, int64_t now_ms);

#endif
