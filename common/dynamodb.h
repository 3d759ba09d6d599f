/* Typed DynamoDB calls, as far as Delayline uses the table. Unprocessed items are results (failed,
 * throttled), the rest as in sqs.h: borrowed until the call returns, results gone after the
 * callback. */
#ifndef COMMON_DYNAMODB_H
#define COMMON_DYNAMODB_H

#include <stdbool.h>
#include <stdint.h>

#include "common/aws_client.h"
#include "common/limits.h"

struct dynamodb;

struct dynamodb *dynamodb_new(struct loop *loop, struct http *http,
                              struct aws_credentials *credentials,
                              const struct aws_settings *settings, uint64_t seed);
void dynamodb_free(struct dynamodb *dynamodb);
struct aws_client *dynamodb_client(struct dynamodb *dynamodb);

enum dynamodb_type { DYNAMODB_S, DYNAMODB_N, DYNAMODB_B };

struct dynamodb_attribute {
    const char *name; /* of one of our own names; others in an answer are left out */
    enum dynamodb_type type;
    struct slice value; /* text of S and N, raw bytes of B */
};

#define DYNAMODB_ATTRIBUTES_MAX 8
struct dynamodb_item {
    struct dynamodb_attribute attributes[DYNAMODB_ATTRIBUTES_MAX];
    size_t count;
};
/* NULL if absent. */
const struct dynamodb_attribute *dynamodb_item_get(const struct dynamodb_item *item,
                                                   const char *name);
/* STATUS_NOT_FOUND: absent; STATUS_INVALID: not an N that fits. */
NODISCARD enum status dynamodb_item_get_i64(const struct dynamodb_item *item, const char *name,
                                            int64_t *ret);

struct dynamodb_put_result {
    enum outcome outcome;
    struct error error;
};
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

/* Condition on a put or an update: refused with ERROR_PERMANENT, code
 * "ConditionalCheckFailedException" and the item that stands there. Values are bound as :a, :b, :c,
 * :d in the order given; names must not be reserved words, write #n for conditions[n].name where
 * they are. */
struct dynamodb_write {
    struct dynamodb_item item;           /* put: the whole item; update: pk, sk and what to SET */
    const char *condition;               /* NULL: none; "attribute_not_exists(pk)", "fence < :a" */
    struct dynamodb_attribute values[4]; /* name unused */
    size_t value_count;
};
void dynamodb_put(struct dynamodb *dynamodb, const char *table, const struct dynamodb_write *write,
                  dynamodb_item_fn *on_done, void *ctx);
void dynamodb_update(struct dynamodb *dynamodb, const char *table,
                     const struct dynamodb_write *write, dynamodb_item_fn *on_done, void *ctx);

struct dynamodb_query_spec {
    const char *table;
    struct slice pk;
    struct slice sk_after; /* exclusive; empty: from the start */
    uint32_t limit;        /* items; 0: as many as a page holds */
};
/* Strongly consistent, in sk order. more: there may be further items after the last one, or, if the
 * page is empty, after more_after. */
typedef void dynamodb_query_fn(void *ctx, const struct dynamodb_item *items, size_t count,
                               bool more, struct slice more_after, const struct error *error);
void dynamodb_query(struct dynamodb *dynamodb, const struct dynamodb_query_spec *spec,
                    dynamodb_query_fn *on_done, void *ctx);

struct dynamodb_table_info {
    bool active;
    bool keys_are_ours; /* pk (S, HASH) and sk (S, RANGE) */
    bool ttl_enabled;   /* on the attribute "expires" */
    bool ttl_known;     /* false: the server does not tell */
};
typedef void dynamodb_table_fn(void *ctx, const struct dynamodb_table_info *info,
                               const struct error *error);
void dynamodb_describe(struct dynamodb *dynamodb, const char *table, dynamodb_table_fn *on_done,
                       void *ctx);

#endif
