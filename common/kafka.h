/* Kafka on the uv loop: librdkafka's threads end at an event queue that wakes the loop by an
 * eventfd. No callback ever comes from another thread, or before the call that caused it returns.
 *
 * The happy path is: consumer joins, on_assigned, on_records with what has come, commit; producer
 * takes a record, its report comes as on_report. The failure modes are: rebalances (on_revoked
 * waits for kafka_consumer_release), reports that say "timed out" (unknown), a full queue
 * (STATUS_FULL: stop taking in), fatal errors (on_fatal; the program stops and is restarted).
 */
#ifndef COMMON_KAFKA_H
#define COMMON_KAFKA_H

#include <stdbool.h>
#include <stdint.h>

#include "common/aws_credentials.h"
#include "common/buf.h"
#include "common/envelope.h" /* struct record_header */
#include "common/log.h"      /* enum log_level */
#include "common/loop.h"
#include "common/slice.h"
#include "common/status.h"

/* Properties for librdkafka: our defaults first, then the caller's, then those of the environment:
 * KAFKA_PROPERTY_<NAME>, in upper case with _ for '.', so KAFKA_PROPERTY_SECURITY_PROTOCOL sets
 * security.protocol; one that librdkafka has for consumers only goes to consumers only. What the
 * guarantees stand on (acks, idempotence, no automatic commits) cannot be set from outside. */
struct kafka_property {
    const char *name;
    const char *value;
};

/* librdkafka gave up for good: end the program. */
typedef void kafka_fatal_fn(void *ctx, const struct error *error);
/* A line of librdkafka, or an error that it goes on from by itself; at most a few a second, but for
 * those of LOG_DEBUG, which the property "debug" brings. May be NULL. */
typedef void kafka_log_fn(void *ctx, enum log_level level, const char *facility, const char *text);

/* The brokers, and as whom clients come to them. A client borrows all of it for its life. */
struct kafka_cluster {
    const char *bootstrap_servers;
    /* MSK's own way: clients come as this AWS identity, over TLS, with tokens that are signed for
     * iam_region and renewed in the background before they or the keys end. Properties that say
     * otherwise are refused. NULL: as the properties say. */
    struct aws_credentials *iam;
    const char *iam_region;
};

/* A line in errors for every KAFKA_PROPERTY_ of the environment that librdkafka does not take, or
 * that contradicts the way clients come: iam, as above. */
void kafka_properties_check(bool iam, struct buf *errors);

/* --- producer -------------------------------------------------------------------------------- */

struct kafka_producer;

/* outcome FAILED: surely not written (error.kind tells whether trying again may help: ERROR_RETRY,
 * or never: ERROR_PERMANENT); UNKNOWN: sent, and no answer that says. error is of
 * kind ERROR_NONE if DONE. */
typedef void kafka_report_fn(void *ctx, uint64_t id, enum outcome outcome,
                             const struct error *error);

struct kafka_producer_callbacks {
    kafka_report_fn *on_report;
    kafka_fatal_fn *on_fatal;
    kafka_log_fn *on_log;
};

/* Idempotent, acks=all, Java's murmur2 partitioner. errors gets a line for every refused property.
 * NULL then. */
struct kafka_producer *kafka_producer_new(struct loop *loop, const struct kafka_cluster *cluster,
                                          const struct kafka_property *properties,
                                          size_t property_count,
                                          const struct kafka_producer_callbacks *callbacks,
                                          void *ctx, struct buf *errors);

struct kafka_message {
    struct slice topic;
    struct slice key;   /* null: null */
    struct slice value; /* null: null */
    const struct record_header *headers;
    size_t header_count;
    int64_t timestamp_ms;
    uint64_t id; /* comes back in on_report */
};
/* Copies. STATUS_FULL: nothing was taken, since the queue is full. STATUS_INVALID or
 * STATUS_TOO_LARGE: refused, reterr says why, with ERROR_RETRY if so many topics are new that
 * reports have to come before another can be kept, else for good; no report follows. STATUS_OK:
 * exactly one report will come. */
NODISCARD enum status kafka_produce(struct kafka_producer *producer,
                                    const struct kafka_message *message, struct error *reterr);
/* Records that wait for a report. */
size_t kafka_producer_pending(const struct kafka_producer *producer);
/* false: no broker has been connected for the last seconds; for /readyz. true until the first try
 * has failed. */
bool kafka_producer_is_reachable(const struct kafka_producer *producer);
/* Does not block: librdkafka's threads are ended aside, and the loop runs on until they have. Call
 * it when nothing is pending or when giving up; no report comes any more. Accepts NULL. */
void kafka_producer_free(struct kafka_producer *producer);

/* --- consumer -------------------------------------------------------------------------------- */

struct kafka_consumer;

struct kafka_partition {
    struct slice topic;
    int32_t partition;
    uint32_t index; /* small number given by this module at assignment, unique while assigned,
                       reused later; commit and release need topic and partition only */
    int64_t offset; /* where consuming starts, or what to commit; -1: none */
};

/* A record as it came; slices and headers are gone after the callback (the topic
 * stays as long as the consumer). */
struct kafka_record {
    uint32_t partition_index;
    struct slice topic;
    int32_t partition;
    int64_t offset;
    int64_t timestamp_ms; /* -1: none */
    struct slice key;
    struct slice value;
    const struct record_header *headers;
    size_t header_count;
};

struct kafka_consumer_callbacks {
    void (*on_assigned)(void *ctx, const struct kafka_partition *partitions, size_t count);
    /* Flush or abandon, then call kafka_consumer_release with the same partitions; the group waits
     * for that. lost: they belong to somebody else already, committing is of no use. */
    void (*on_revoked)(void *ctx, const struct kafka_partition *partitions, size_t count,
                       bool lost);
    void (*on_record)(void *ctx, const struct kafka_record *record);
    /* A commit that librdkafka sent has ended; error NULL: done. */
    void (*on_committed)(void *ctx, const struct kafka_partition *partitions, size_t count,
                         const struct error *error);
    kafka_fatal_fn *on_fatal;
    kafka_log_fn *on_log;
};

/* Cooperative rebalancing, no automatic commits, a group without offsets starts at the earliest. In
 * one assignment a partition's offsets only rise. NULL and a line in errors for every refused
 * property. */
struct kafka_consumer *
kafka_consumer_new(struct loop *loop, const struct kafka_cluster *cluster, const char *group_id,
                   const char *const *topics, size_t topic_count,
                   const struct kafka_property *properties, size_t property_count,
                   const struct kafka_consumer_callbacks *callbacks, void *ctx, struct buf *errors);
/* No record comes while paused. What librdkafka has fetched waits in its queue, which is bounded,
 * and comes after the resume; rebalances, commits and heartbeats go on. Costs nothing. */
void kafka_consumer_pause(struct kafka_consumer *consumer, bool paused);
/* Hands over up to where every record is taken care of: offset is the next to read. librdkafka
 * sends it to the group within KAFKA_COMMIT_INTERVAL_MS while the group is steady, when the
 * partition is released and when the group is left; on_committed tells how that ended. Not by a
 * request of our own: one that waits behind a JoinGroup comes back as ILLEGAL_GENERATION, and then
 * the whole assignment is lost (librdkafka 2.0.2, rd_kafka_cgrp_op_handle_OffsetCommit).
 * STATUS_INVALID: a partition that is not assigned. */
#define KAFKA_COMMIT_INTERVAL_MS "500"
NODISCARD enum status kafka_consumer_commit(struct kafka_consumer *consumer,
                                            const struct kafka_partition *partitions, size_t count);
void kafka_consumer_release(struct kafka_consumer *consumer,
                            const struct kafka_partition *partitions, size_t count);
/* High-water mark minus position, summed over assigned partitions; -1 while unknown: before the
 * first fetch, and where nothing has come yet because of a pause. */
int64_t kafka_consumer_lag(const struct kafka_consumer *consumer);
/* As kafka_producer_is_reachable. */
bool kafka_consumer_is_reachable(const struct kafka_consumer *consumer);
/* Leaves the group when what was handed over has been committed, or after 7.5 s; on_closed (with
 * the callbacks' ctx) comes when it has been left, if the broker answers at all: have a time limit.
 * No record comes any more; on_revoked does, once, if anything is assigned. */
void kafka_consumer_close(struct kafka_consumer *consumer, loop_fn *on_closed);
/* As kafka_producer_free; without a close before, the group finds out by its session time-out. */
void kafka_consumer_free(struct kafka_consumer *consumer);

/* --- looking --------------------------------------------------------------------------------- */

/* Blocks up to timeout_ms, so for --check and start-up only: reaches a broker and looks for topics
 * (partitions -1: does not exist). Not aside, in a thread: librdkafka 2.0.2 cannot be interrupted
 * while it asks, and who is stopped meanwhile must be gone within PROGRAM_CLOSE_MS. Nothing is in
 * flight before the start; what waits is /healthz, and a signal. The reason in reterr is the
 * broker's own where it gave one. With iam, keys must be at hand: ask after AWS has answered. */
NODISCARD enum status kafka_check(struct loop *loop, const struct kafka_cluster *cluster,
                                  const struct kafka_property *properties, size_t property_count,
                                  const char *const *topics, int32_t *ret_partitions,
                                  size_t topic_count, int64_t timeout_ms, struct error *reterr);

#endif
