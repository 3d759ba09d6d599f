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

#include "common/buf.h"
#include "common/envelope.h" /* struct record_header */
#include "common/loop.h"
#include "common/slice.h"
#include "common/status.h"

/* Properties for librdkafka: ours first, then those of the environment: KAFKA_PROPERTY_<NAME>, in
 * upper case with _ for '.', so KAFKA_PROPERTY_SECURITY_PROTOCOL sets security.protocol. */
struct kafka_property {
    const char *name;
    const char *value;
};

/* --- producer -------------------------------------------------------------------------------- */

struct kafka_producer;

/* outcome FAILED: the broker or librdkafka refused for good or before sending (error.kind tells
 * whether trying again may help: ERROR_RETRY, or never: ERROR_PERMANENT); UNKNOWN: timed out. */
typedef void kafka_report_fn(void *ctx, uint64_t id, enum outcome outcome,
                             const struct error *error);
typedef void kafka_fatal_fn(void *ctx, const struct error *error);

struct kafka_producer_callbacks {
    kafka_report_fn *on_report;
    kafka_fatal_fn *on_fatal;
};

/* Idempotent, acks=all, Java's murmur2 partitioner. errors gets a line for every refused property.
 * NULL then. */
struct kafka_producer *kafka_producer_new(struct loop *loop, const char *bootstrap_servers,
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
/* Copies. STATUS_FULL: the queue is full, nothing was taken. STATUS_INVALID or STATUS_TOO_LARGE:
 * refused for good, reterr says why; no report follows. STATUS_OK: exactly one report will come. */
NODISCARD enum status kafka_produce(struct kafka_producer *producer,
                                    const struct kafka_message *message, struct error *reterr);
/* Records that wait for a report. */
size_t kafka_producer_pending(const struct kafka_producer *producer);
/* No blocking: call only when nothing is pending or when giving up. The rest ends after the loop.
 */
void kafka_producer_free(struct kafka_producer *producer);

/* --- consumer -------------------------------------------------------------------------------- */

struct kafka_consumer;

struct kafka_partition {
    struct slice topic;
    int32_t partition;
    uint32_t index; /* small number given by this module at assignment, unique while assigned,
                       reused later */
    int64_t offset; /* where consuming starts, or what to commit; -1: none */
};

/* A record as it came; slices and headers are gone after the callback unless kept
 * (kafka_record_keep). */
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
    void *handle; /* opaque */
};

struct kafka_consumer_callbacks {
    void (*on_assigned)(void *ctx, const struct kafka_partition *partitions, size_t count);
    /* Flush or abandon, then call kafka_consumer_release with the same partitions; the group waits
     * for that. lost: they belong to somebody else already, committing is of no use. */
    void (*on_revoked)(void *ctx, const struct kafka_partition *partitions, size_t count,
                       bool lost);
    void (*on_record)(void *ctx, const struct kafka_record *record);
    /* The commit that was asked for ended; error NULL: done. */
    void (*on_committed)(void *ctx, const struct kafka_partition *partitions, size_t count,
                         const struct error *error);
    kafka_fatal_fn *on_fatal;
};

struct kafka_consumer *
kafka_consumer_new(struct loop *loop, const char *bootstrap_servers, const char *group_id,
                   const char *const *topics, size_t topic_count,
                   const struct kafka_property *properties, size_t property_count,
                   const struct kafka_consumer_callbacks *callbacks, void *ctx, struct buf *errors);
/* Keeps the record's memory alive beyond on_record; give it back with kafka_record_done. */
void *kafka_record_keep(const struct kafka_record *record);
void kafka_record_done(void *kept);

/* Stops fetching while paused; what librdkafka had fetched comes again after the resume. Rebalances
 * go on. */
void kafka_consumer_pause(struct kafka_consumer *consumer, bool paused);
/* offset is the next to read. One commit under way at a time: STATUS_FULL while another is. */
NODISCARD enum status kafka_consumer_commit(struct kafka_consumer *consumer,
                                            const struct kafka_partition *partitions, size_t count);
void kafka_consumer_release(struct kafka_consumer *consumer,
                            const struct kafka_partition *partitions, size_t count);
/* High-water mark minus position, summed over assigned partitions; -1 while unknown. */
int64_t kafka_consumer_lag(const struct kafka_consumer *consumer);
/* Leaves the group; on_closed comes when it has been left. No record comes any more; on_revoked
 * does, once. */
void kafka_consumer_close(struct kafka_consumer *consumer, loop_fn *on_closed);
void kafka_consumer_free(struct kafka_consumer *consumer);

/* --- looking --------------------------------------------------------------------------------- */

/* Blocks up to timeout_ms, so for --check and start-up only: reaches a broker and looks for topics
 * (partitions -1: does not exist). */
NODISCARD enum status kafka_check(const char *bootstrap_servers,
                                  const struct kafka_property *properties, size_t property_count,
                                  const char *const *topics, int32_t *ret_partitions,
                                  size_t topic_count, int64_t timeout_ms, struct error *reterr);

#endif
