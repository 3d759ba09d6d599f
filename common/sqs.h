/* Typed SQS calls, one attempt each but for the two that ask about a queue: when, and whether, to
 * call again is the caller's decision, by what has become of the message meanwhile. While SQS
 * throttles, visibility goes first, then sends and deletes; receives get what is left.
 *
 * Partial failures are results: each entry ends done, failed or unknown; an Id in
 * neither list of the answer is unknown, an MD5 that differs too. Bodies and attributes are
 * borrowed until the call returns. Callbacks never come before that; results are gone after the
 * callback. */
#ifndef COMMON_SQS_H
#define COMMON_SQS_H

#include <stdbool.h>
#include <stdint.h>

#include "common/aws_client.h"
#include "common/sqs_wire.h"

struct sqs;

struct sqs *sqs_new(struct loop *loop, struct http *http, struct aws_credentials *credentials,
                    const struct aws_settings *settings, uint64_t seed);
void sqs_free(struct sqs *sqs); /* cancels without calling back */
struct aws_client *sqs_client(struct sqs *sqs);

typedef void sqs_batch_fn(void *ctx, const struct sqs_entry_result *results, size_t count);

/* 1..10 entries of at most SQS_BATCH_BYTES_MAX together. */
void sqs_send_batch(struct sqs *sqs, const char *queue_url, const struct sqs_send_entry *entries,
                    size_t count, bool is_retry, sqs_batch_fn *on_done, void *ctx);

/* error->kind ERROR_NONE: count may be 0. A receive for which there is no room at present fails as
 * aws_client_held_back says, at once and without a call. */
typedef void sqs_receive_fn(void *ctx, const struct sqs_message *messages, size_t count,
                            const struct error *error);
void sqs_receive(struct sqs *sqs, const struct sqs_receive_spec *spec, sqs_receive_fn *on_done,
                 void *ctx);

void sqs_delete_batch(struct sqs *sqs, const char *queue_url, const struct slice *receipt_handles,
                      size_t count, sqs_batch_fn *on_done, void *ctx);

void sqs_change_visibility_batch(struct sqs *sqs, const char *queue_url,
                                 const struct sqs_visibility_entry *entries, size_t count,
                                 sqs_batch_fn *on_done, void *ctx);

typedef void sqs_attributes_fn(void *ctx, const struct sqs_queue_attributes *attributes,
                               const struct error *error);
void sqs_get_queue_attributes(struct sqs *sqs, const char *queue_url, sqs_attributes_fn *on_done,
                              void *ctx);

/* A name or a URL -> the URL. */
typedef void sqs_url_fn(void *ctx, const char *queue_url, const struct error *error);
void sqs_get_queue_url(struct sqs *sqs, const char *queue_name, sqs_url_fn *on_done, void *ctx);

#endif
