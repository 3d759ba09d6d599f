/* Typed SQS calls. Partial failures are results: each entry ends done, failed or unknown; an Id in
 * neither list of the answer is unknown, an MD5 that differs too. Bodies and attributes are
 * borrowed until the call returns. Callbacks never come before that; results are gone after the
 * callback. */
#ifndef COMMON_SQS_H
#define COMMON_SQS_H

#include <stdbool.h>
#include <stdint.h>

#include "common/aws_client.h"
#include "common/limits.h"

struct sqs;

struct sqs *sqs_new(struct loop *loop, struct http *http, struct aws_credentials *credentials,
                    const struct aws_settings *settings, uint64_t seed);
void sqs_free(struct sqs *sqs); /* cancels without calling back */
struct aws_client *sqs_client(struct sqs *sqs);

struct sqs_entry_result {
    enum outcome outcome;
    struct error error; /* kind and code for those not done */
};
typedef void sqs_batch_fn(void *ctx, const struct sqs_entry_result *results, size_t count);

#define SQS_DELAY_ABSENT (-1)

struct sqs_send_entry {
    struct slice body;     /* characters that SQS admits: base64 or ASCII */
    int32_t delay_seconds; /* 0..900, sent also when 0; SQS_DELAY_ABSENT for FIFO */
    struct slice group_id; /* null on standard queues */
    struct slice deduplication_id;
};
/* 1..10 entries of at most SQS_BATCH_BYTES_MAX together. One attempt: the caller decides anew. */
void sqs_send_batch(struct sqs *sqs, const char *queue_url, const struct sqs_send_entry *entries,
                    size_t count, bool is_retry, sqs_batch_fn *on_done, void *ctx);

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
/* error->kind ERROR_NONE: count may be 0. */
typedef void sqs_receive_fn(void *ctx, const struct sqs_message *messages, size_t count,
                            const struct error *error);
struct sqs_receive_spec {
    const char *queue_url;
    uint32_t messages_max; /* 1..10 */
    int32_t wait_seconds;  /* 0..20 */
    int32_t visibility_seconds;
};
struct aws_request *sqs_receive(struct sqs *sqs, const struct sqs_receive_spec *spec,
                                sqs_receive_fn *on_done, void *ctx);
void sqs_receive_cancel(
    struct aws_request *request); /* what it may have received stays invisible for its time-out */

void sqs_delete_batch(struct sqs *sqs, const char *queue_url, const struct slice *receipt_handles,
                      size_t count, sqs_batch_fn *on_done, void *ctx);

struct sqs_visibility_entry {
    struct slice receipt_handle;
    int32_t visibility_seconds; /* 0..43200 */
};
void sqs_change_visibility_batch(struct sqs *sqs, const char *queue_url,
                                 const struct sqs_visibility_entry *entries, size_t count,
                                 sqs_batch_fn *on_done, void *ctx);

/* What matters of GetQueueAttributes; numbers are -1 where the server left them out. */
struct sqs_queue_attributes {
    bool fifo;
    bool deduplication_per_group; /* DeduplicationScope = messageGroup */
    bool throughput_per_group;    /* FifoThroughputLimit = perMessageGroupId */
    bool redrive_policy;
    int64_t delay_seconds;
    int64_t visibility_seconds;
    int64_t retention_seconds;
    int64_t maximum_message_bytes;
    int64_t visible; /* approximate counts */
    int64_t in_flight;
    int64_t delayed;
};
typedef void sqs_attributes_fn(void *ctx, const struct sqs_queue_attributes *attributes,
                               const struct error *error);
void sqs_get_queue_attributes(struct sqs *sqs, const char *queue_url, sqs_attributes_fn *on_done,
                              void *ctx);

/* A name or a URL -> the URL. */
typedef void sqs_url_fn(void *ctx, const char *queue_url, const struct error *error);
void sqs_get_queue_url(struct sqs *sqs, const char *queue_name, sqs_url_fn *on_done, void *ctx);

#endif
