/* What a Kafka cluster does, in memory: topics, partitions, idempotent producers, fetches, consumer
 * groups. Time is an argument (any one scale in ms that never goes back), faults are input; there
 * is no clock, no I/O and no chance: the same calls give the same answers and the same digest.
 *
 * A call takes effect at its now_ms or not at all. What the client sees of it is the answer: an
 * error code and the instant at which it arrives, which the caller carries out. A request that is
 * late on its way there is made later by the caller.
 *
 * Every call first lets time pass up to now_ms: members die, rebalances end. kafka_model_next_ms
 * tells when that would happen next.
 */
#ifndef TESTS_MODEL_KAFKA_MODEL_H
#define TESTS_MODEL_KAFKA_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/compiler.h"
#include "common/slice.h"

#define KAFKA_MODEL_MESSAGE_BYTES_MAX 1048588 /* a broker's default of message.max.bytes */
#define KAFKA_MODEL_SEQUENCE_GAP_MAX  1048576
#define KAFKA_MODEL_NO_PRODUCER       0
#define KAFKA_MODEL_NO_MEMBER         0
#define KAFKA_MODEL_NO_OFFSET         (-1)
#define KAFKA_MODEL_NEVER             INT64_MAX

/* Kafka's codes and names. Below zero, as in librdkafka, what no broker says: UNANSWERED, the
 * request went out and nothing came back; TRANSPORT, it could not even be sent. */
#define KAFKA_MODEL_ERRORS(X)                                                                      \
    X(TRANSPORT, -195)                                                                             \
    X(UNANSWERED, -185)                                                                            \
    X(NONE, 0)                                                                                     \
    X(OFFSET_OUT_OF_RANGE, 1)                                                                      \
    X(UNKNOWN_TOPIC_OR_PARTITION, 3)                                                               \
    X(NOT_LEADER_OR_FOLLOWER, 6)                                                                   \
    X(REQUEST_TIMED_OUT, 7)                                                                        \
    X(MESSAGE_TOO_LARGE, 10)                                                                       \
    X(COORDINATOR_NOT_AVAILABLE, 15)                                                               \
    X(NOT_COORDINATOR, 16)                                                                         \
    X(INVALID_TOPIC_EXCEPTION, 17)                                                                 \
    X(NOT_ENOUGH_REPLICAS, 19)                                                                     \
    X(NOT_ENOUGH_REPLICAS_AFTER_APPEND, 20)                                                        \
    X(ILLEGAL_GENERATION, 22)                                                                      \
    X(INCONSISTENT_GROUP_PROTOCOL, 23)                                                             \
    X(UNKNOWN_MEMBER_ID, 25)                                                                       \
    X(REBALANCE_IN_PROGRESS, 27)                                                                   \
    X(TOPIC_AUTHORIZATION_FAILED, 29)                                                              \
    X(GROUP_AUTHORIZATION_FAILED, 30)                                                              \
    X(TOPIC_ALREADY_EXISTS, 36)                                                                    \
    X(OUT_OF_ORDER_SEQUENCE_NUMBER, 45)                                                            \
    X(SASL_AUTHENTICATION_FAILED, 58)                                                              \
    X(UNKNOWN_PRODUCER_ID, 59)                                                                     \
    X(INVALID_RECORD, 87)

enum kafka_model_error {
#define X(name, code) KAFKA_MODEL_##name = (code),
    KAFKA_MODEL_ERRORS(X)
#undef X
};

const char *kafka_model_error_name(enum kafka_model_error error); /* without the prefix; static */
/* After this error of a produce or commit it may have been done all the same. */
bool kafka_model_error_is_unknown(enum kafka_model_error error);

struct kafka_model;

struct kafka_model_options {
    int32_t brokers;            /* 0: 1 */
    int32_t auto_create;        /* partitions of a topic that its first use makes; 0: none is */
    int64_t first_rebalance_ms; /* an empty group waits so long for more members */
    int64_t sync_ms;            /* from a new generation to its assignment */
    bool sequence_gaps;         /* take sequence numbers in any order (within
                                   KAFKA_MODEL_SEQUENCE_GAP_MAX); else as a broker */
};

struct kafka_model *kafka_model_new(const struct kafka_model_options *options);
void kafka_model_free(struct kafka_model *model); /* accepts NULL */
void kafka_model_advance(struct kafka_model *model, int64_t now_ms);
/* The next instant at which a group changes by itself; KAFKA_MODEL_NEVER: none. */
int64_t kafka_model_next_ms(const struct kafka_model *model);
/* Of all that calls can tell later: equal histories, equal digests. Costs by topics, partitions and
 * members, not by records. */
uint64_t kafka_model_digest(const struct kafka_model *model);

/* --- topics ---------------------------------------------------------------------------------- */

struct kafka_model_topic_options {
    int32_t partitions;         /* 0: 1 */
    uint32_t message_bytes_max; /* 0: KAFKA_MODEL_MESSAGE_BYTES_MAX */
    int64_t retention_ms;       /* by record timestamp; 0: for ever */
    bool compacted;             /* refuses null keys; kafka_model_compact does the work */
};

enum kafka_model_error kafka_model_create_topic(struct kafka_model *model, struct slice topic,
                                                const struct kafka_model_topic_options *options);
/* With its records and all groups' offsets in it. */
enum kafka_model_error kafka_model_delete_topic(struct kafka_model *model, struct slice topic);
/* Only upwards; groups take them up at their next rebalance. */
enum kafka_model_error kafka_model_add_partitions(struct kafka_model *model, struct slice topic,
                                                  int32_t partitions);
/* What a client's metadata request tells; creates the topic if options say so. */
enum kafka_model_error kafka_model_metadata(struct kafka_model *model, struct slice topic,
                                            int32_t *ret_partitions);
/* Java's default for a key: murmur2. */
int32_t kafka_model_partition_of(struct slice key, int32_t partitions);

/* --- faults that last ------------------------------------------------------------------------ */

/* Brokers are 0..brokers-1. Whatever the broker leads or coordinates is TRANSPORT before until_ms;
 * an instant that has passed brings it back. */
void kafka_model_stop_broker(struct kafka_model *model, int32_t broker, int64_t until_ms);
/* The partition is another broker's from now on; NOT_LEADER_OR_FOLLOWER before until_ms. */
enum kafka_model_error kafka_model_move_leader(struct kafka_model *model, struct slice topic,
                                               int32_t partition, int32_t broker, int64_t until_ms);
/* The same for a group: NOT_COORDINATOR. Its members and offsets move with it; makes the group. */
void kafka_model_move_coordinator(struct kafka_model *model, struct slice group, int32_t broker,
                                  int64_t until_ms);
/* Replicas lag: what is appended before until_ms is not readable, nor acknowledged, before then. */
enum kafka_model_error kafka_model_hold_watermark(struct kafka_model *model, struct slice topic,
                                                  int32_t partition, int64_t now_ms,
                                                  int64_t until_ms);
/* Every produce and fetch of the topic is refused so before until_ms: authorization, replicas. */
enum kafka_model_error kafka_model_refuse_topic(struct kafka_model *model, struct slice topic,
                                                enum kafka_model_error error, int64_t until_ms);

/* --- faults of one request ------------------------------------------------------------------- */

enum kafka_model_fault_type {
    KAFKA_MODEL_FAULT_NONE,
    KAFKA_MODEL_FAULT_REFUSE,       /* not done, answered with the error */
    KAFKA_MODEL_FAULT_REFUSE_DONE,  /* done, and answered with the error */
    KAFKA_MODEL_FAULT_LOSE_ANSWER,  /* done: UNANSWERED */
    KAFKA_MODEL_FAULT_LOSE_REQUEST, /* not done: UNANSWERED */
};

/* Zeroed: no fault. */
struct kafka_model_fault {
    enum kafka_model_fault_type type;
    enum kafka_model_error error; /* of the REFUSEs */
    int64_t delay_ms;             /* of the answer, whatever it says */
};

/* --- producing ------------------------------------------------------------------------------- */

struct kafka_model_header {
    struct slice name;
    struct slice value; /* null: null */
};

/* A producer id; never KAFKA_MODEL_NO_PRODUCER. */
uint64_t kafka_model_init_producer(struct kafka_model *model);

struct kafka_model_produce {
    struct slice topic;
    int32_t partition;
    struct slice key; /* null: null */
    struct slice value;
    const struct kafka_model_header *headers;
    size_t header_count;
    int64_t timestamp_ms;
    uint64_t producer; /* KAFKA_MODEL_NO_PRODUCER: not idempotent, sequence unused */
    int64_t sequence;  /* from 0, of this producer in this partition */
    struct kafka_model_fault fault;
};

struct kafka_model_produced {
    enum kafka_model_error error;
    int64_t answer_ms; /* KAFKA_MODEL_NEVER: UNANSWERED */
    int64_t offset;    /* NO_OFFSET unless error is NONE */
    bool duplicate;    /* was there already: nothing was appended, offset is that of then */
};

/* acks=all, a record at a time. A sequence number that was seen is never appended again, however
 * long ago that was (brokers remember five batches); one ahead of the next is
 * OUT_OF_ORDER_SEQUENCE_NUMBER. A refused record uses up no number. */
void kafka_model_produce(struct kafka_model *model, const struct kafka_model_produce *record,
                         int64_t now_ms, struct kafka_model_produced *ret);
/* Size of the record alone in a batch (format 2, uncompressed): what message.max.bytes bounds. */
size_t kafka_model_record_bytes(const struct kafka_model_produce *record);

/* --- the log --------------------------------------------------------------------------------- */

struct kafka_model_offsets {
    int64_t log_start;
    int64_t high_watermark; /* the first that cannot be read yet */
    int64_t log_end;
};
enum kafka_model_error kafka_model_offsets(struct kafka_model *model, struct slice topic,
                                           int32_t partition, int64_t now_ms,
                                           struct kafka_model_offsets *ret);

/* Slices are valid until records of the partition are taken away. */
struct kafka_model_record {
    int64_t offset;
    int64_t timestamp_ms;
    struct slice key;
    struct slice value;
    const struct kafka_model_header *headers;
    size_t header_count;
};

struct kafka_model_fetch {
    struct slice topic;
    int32_t partition;
    int64_t offset;
    size_t records_max; /* room in ret_records */
    size_t bytes_max;   /* of keys, values and headers; the first record comes even if larger */
    struct kafka_model_fault fault;
};

struct kafka_model_fetched {
    enum kafka_model_error error;
    int64_t answer_ms;
    size_t count;
    int64_t next_offset;                /* where to go on: behind gaps too; as asked on an error */
    struct kafka_model_offsets offsets; /* also with OFFSET_OUT_OF_RANGE */
};

/* From the first record at or behind the offset. OFFSET_OUT_OF_RANGE: before the start of the log
 * or behind its end. */
void kafka_model_fetch(struct kafka_model *model, const struct kafka_model_fetch *spec,
                       int64_t now_ms, struct kafka_model_record *ret_records,
                       struct kafka_model_fetched *ret);

/* Retention or DeleteRecords: the log starts at offset, at most at its end. */
enum kafka_model_error kafka_model_delete_before(struct kafka_model *model, struct slice topic,
                                                 int32_t partition, int64_t offset);
/* Of each key only the newest record stays, tombstones go; offsets stay as they are. */
enum kafka_model_error kafka_model_compact(struct kafka_model *model, struct slice topic,
                                           int32_t partition);
/* So many offsets are taken by what no reader sees: control batches, aborted transactions. */
enum kafka_model_error kafka_model_skip_offsets(struct kafka_model *model, struct slice topic,
                                                int32_t partition, int64_t count);

/* --- consumer groups ------------------------------------------------------------------------- */

/* JoinGroup and SyncGroup are one thing here: a member joins, then asks kafka_model_assignment
 * until that is no longer pending. A new generation begins when every member has joined again;
 * whoever has not within its rebalance time-out is out. A member heartbeats, and on
 * REBALANCE_IN_PROGRESS joins again; on ILLEGAL_GENERATION or UNKNOWN_MEMBER_ID it has lost what it
 * had. Every call may also be TRANSPORT or NOT_COORDINATOR and has then done nothing. Cooperative:
 * a partition that is to move is first taken from its holder and given to nobody; when the holder
 * has handed it back by joining again, the next generation gives it away. Eager: joining again
 * hands back everything. Two members of a group never hold a partition, except that one who is out
 * may not know it yet. */

struct kafka_model_join {
    struct slice group;
    uint64_t member;            /* KAFKA_MODEL_NO_MEMBER: a new one */
    const struct slice *topics; /* that exist, now or at a later rebalance */
    size_t topic_count;
    int64_t session_timeout_ms;
    int64_t rebalance_timeout_ms; /* max.poll.interval.ms */
    bool eager;                   /* as all members, else INCONSISTENT_GROUP_PROTOCOL */
    bool abandons;                /* has dropped what it held */
};

/* Any join starts a rebalance. ret_member: for all other calls. */
enum kafka_model_error kafka_model_join(struct kafka_model *model,
                                        const struct kafka_model_join *spec, int64_t now_ms,
                                        uint64_t *ret_member);

enum kafka_model_claim_type {
    KAFKA_MODEL_CLAIM_KEPT,
    KAFKA_MODEL_CLAIM_ADDED,
    KAFKA_MODEL_CLAIM_REVOKED, /* hand it back: finish, commit, join again */
};

struct kafka_model_claim {
    struct slice topic;
    int32_t partition;
    enum kafka_model_claim_type type;
};
typedef void kafka_model_claim_fn(void *ctx, const struct kafka_model_claim *claim);

struct kafka_model_membership {
    bool pending;       /* ask again, after kafka_model_next_ms or another member's call */
    int32_t generation; /* 0: of no use yet */
};

/* What this generation gives and takes, against what the member was told last: by creation of
 * topics, then partition; nothing while pending. on_claim must not call the model. A heartbeat too.
 * REBALANCE_IN_PROGRESS: join again. */
enum kafka_model_error kafka_model_assignment(struct kafka_model *model, struct slice group,
                                              uint64_t member, int64_t now_ms,
                                              kafka_model_claim_fn *on_claim, void *ctx,
                                              struct kafka_model_membership *ret);
enum kafka_model_error kafka_model_heartbeat(struct kafka_model *model, struct slice group,
                                             uint64_t member, int32_t generation, int64_t now_ms);
/* Also what a client does whose poll interval is exceeded. */
enum kafka_model_error kafka_model_leave(struct kafka_model *model, struct slice group,
                                         uint64_t member, int64_t now_ms);

struct kafka_model_position {
    struct slice topic;
    int32_t partition;
    int64_t offset; /* the next to read */
};

struct kafka_model_commit {
    struct slice group;
    uint64_t member; /* NO_MEMBER: from outside, for groups without members */
    int32_t generation;
    const struct kafka_model_position *positions;
    size_t count;
    struct kafka_model_fault fault;
};

struct kafka_model_committed {
    enum kafka_model_error error;
    int64_t answer_ms;
};

/* All or nothing; counts as a heartbeat. Taken while members are joining, REBALANCE_IN_PROGRESS
 * while the assignment is missing. As on Kafka, nobody looks whether the member holds the
 * partitions, or whether the offset goes back. */
void kafka_model_commit(struct kafka_model *model, const struct kafka_model_commit *spec,
                        int64_t now_ms, struct kafka_model_committed *ret);
/* KAFKA_MODEL_NO_OFFSET: none. */
enum kafka_model_error kafka_model_fetch_committed(struct kafka_model *model, struct slice group,
                                                   struct slice topic, int32_t partition,
                                                   int64_t now_ms, int64_t *ret_offset);
/* offsets.retention.minutes is over: the group forgets all its offsets. */
void kafka_model_forget_offsets(struct kafka_model *model, struct slice group);

#endif
