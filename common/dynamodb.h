/* Typed DynamoDB calls, as far as Delayline uses the table. Unprocessed items are results (failed,
 * throttled), the rest as in sqs.h: borrowed until the call returns, results gone after the
 * callback. */
#ifndef COMMON_DYNAMODB_H
#define COMMON_DYNAMODB_H

#include <stdbool.h>
#include <stdint.h>

#include "common/aws_client.h"
#include "common/dynamodb_wire.h"

struct dynamodb;

struct dynamodb *dynamodb_new(struct loop *loop, struct http *http,
                              struct aws_credentials *credentials,
                              const struct aws_settings *settings, uint64_t seed);
void dynamodb_free(struct dynamodb *dynamodb);
struct aws_client *dynamodb_client(struct dynamodb *dynamodb);

typedef void dynamodb_batch_fn(void *ctx, const struct dynamodb_put_result *results, size_t count);
/* 1..25 puts with distinct keys. One attempt: the caller decides anew. */
void dynamodb_batch_put(struct dynamodb *dynamodb, const char *table,
                        const struct dynamodb_item *items, size_t count, bool is_retry,
                        dynamodb_batch_fn *on_done, void *ctx);

/* The item as it was, or as it blocks; NULL: none. */
typedef void dynamodb_item_fn(void *ctx, const struct dynamodb_item *item,
                              const struct error *error);
/* Strongly consistent. error ERROR_NONE with item NULL: there is none. */
void dynamodb_get(struct dynamodb *dynamodb, const char *table, struct slice pk, struct slice sk,
                  dynamodb_item_fn *on_done, void *ctx);

void dynamodb_put(struct dynamodb *dynamodb, const char *table, const struct dynamodb_write *write,
                  dynamodb_item_fn *on_done, void *ctx);
void dynamodb_update(struct dynamodb *dynamodb, const char *table,
                     const struct dynamodb_write *write, dynamodb_item_fn *on_done, void *ctx);

/* Strongly consistent, in sk order. more: there may be further items after the last one, or, if the
 * page is empty, after more_after. */
typedef void dynamodb_query_fn(void *ctx, const struct dynamodb_item *items, size_t count,
                               bool more, struct slice more_after, const struct error *error);
void dynamodb_query(struct dynamodb *dynamodb, const struct dynamodb_query_spec *spec,
                    dynamodb_query_fn *on_done, void *ctx);

typedef void dynamodb_table_fn(void *ctx, const struct dynamodb_table_info *info,
                               const struct error *error);
void dynamodb_describe(struct dynamodb *dynamodb, const char *table, dynamodb_table_fn *on_done,
                       void *ctx);

#endif
