/* SQS over AWS JSON 1.0: bodies of requests, strict reading of answers, partial failures. Pure. The
 * plain structs of sqs.h live here. */
#ifndef COMMON_SQS_WIRE_H
#define COMMON_SQS_WIRE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/compiler.h"
#include "common/digest.h"
#include "common/json.h"
#include "common/json_flat.h"
#include "common/limits.h"
#include "common/slice.h"
#include "common/status.h"

struct sqs_entry_result {
    enum outcome outcome;
    struct error error; /* kind and code for those not done */
};

#define SQS_DELAY_ABSENT (-1)

struct sqs_send_entry {
    struct slice body; /* characters that SQS admits; with base64 any bytes, encoded on the way */
    bool base64;
    int32_t delay_seconds; /* 0..900, sent also when 0; SQS_DELAY_ABSENT for FIFO */
    struct slice group_id; /* null on standard queues */
    struct slice deduplication_id;
};

struct sqs_message {
    struct slice message_id;
    struct slice receipt_handle;
    struct slice body;
    struct slice sequence_number; /* FIFO only, else null */
    struct slice group_id;
    uint32_t receive_count; /* 0 if the server did not say */
    int64_t sent_ms;        /* 0 if the server did not say */
    bool body_md5_matches;
};

struct sqs_receive_spec {
    const char *queue_url;
    uint32_t messages_max; /* 1..10 */
    int32_t wait_seconds;  /* 0..20 */
    int32_t visibility_seconds;
};

struct sqs_visibility_entry {
    struct slice receipt_handle;
    int32_t visibility_seconds; /* 0..43200 */
};

/* What matters of GetQueueAttributes; numbers are -1 where the server left them out. */
struct sqs_queue_attributes {
    bool fifo;
    bool deduplication_per_group; /* DeduplicationScope = messageGroup */
    bool throughput_per_group;    /* FifoThroughputLimit = perMessageGroupId */
    bool throughput_known;        /* the two were there: ElasticMQ has neither */
    bool redrive_policy;
    int64_t delay_seconds;
    int64_t visibility_seconds;
    int64_t retention_seconds;
    int64_t maximum_message_bytes;
    int64_t visible; /* approximate counts */
    int64_t in_flight;
    int64_t delayed;
};

/* Requests: append a whole JSON object. Entries get the Ids "0".."9". */
/* Of the body as it is sent. */
size_t sqs_wire_body_bytes(const struct sqs_send_entry *entry);
/* ret_bodies: each body as it is sent, in out or where the entry has it. */
void sqs_wire_send_batch(struct buf *out, const char *queue_url,
                         const struct sqs_send_entry *entries, size_t count,
                         struct slice ret_bodies[SQS_BATCH_ENTRIES_MAX]);
void sqs_wire_receive(struct buf *out, const struct sqs_receive_spec *spec);
void sqs_wire_delete_batch(struct buf *out, const char *queue_url,
                           const struct slice *receipt_handles, size_t count);
void sqs_wire_change_visibility_batch(struct buf *out, const char *queue_url,
                                      const struct sqs_visibility_entry *entries, size_t count);
void sqs_wire_get_queue_attributes(struct buf *out, const char *queue_url);
void sqs_wire_get_queue_url(struct buf *out, const char *queue_name);

/* What SQS bills for a payload: 64 KiB each, at least one. */
double sqs_wire_units(size_t payload_bytes);

/* The answer of a batch, for entries "0".."count-1". body_md5: of each body that was sent; NULL for
 * batches without bodies. An Id in neither list, in both or twice is OUTCOME_UNKNOWN, and so is one
 * whose MD5 or message id is wrong or missing; Ids that nobody sent are left out. throttled: at
 * least one entry was. */
struct sqs_wire_md5 {
    uint8_t bytes[DIGEST_MD5_SIZE];
};
void sqs_wire_parse_batch(const cJSON *json, const struct sqs_wire_md5 *body_md5, size_t count,
                          struct sqs_entry_result *results, bool *ret_throttled);

/* Every entry ends as the whole call did. */
void sqs_wire_fail_batch(const struct error *error, size_t count, struct sqs_entry_result *results);

/* STATUS_INVALID: not an answer of ReceiveMessage, or more messages than asked for. Slices point
 * into the answer's text or into flat. */
NODISCARD enum status sqs_wire_parse_receive(const struct json_flat *answer, uint32_t messages_max,
                                             struct sqs_message messages[SQS_BATCH_ENTRIES_MAX],
                                             size_t *ret_count);
NODISCARD enum status sqs_wire_parse_attributes(const cJSON *json,
                                                struct sqs_queue_attributes *ret);
/* Points into json. */
NODISCARD enum status sqs_wire_parse_queue_url(const cJSON *json, const char **ret);

/* Of a visibility change or a delete that failed: the receipt handle stands for nothing any more,
 * since the message has become visible again, was received again or is deleted. */
bool sqs_wire_receipt_ended(const struct error *error);

#endif
