/* DynamoDB over AWS JSON 1.0: bodies of requests, strict reading of answers. Pure. The plain
 * structs of dynamodb.h live here. */
#ifndef COMMON_DYNAMODB_WIRE_H
#define COMMON_DYNAMODB_WIRE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/compiler.h"
#include "common/json.h"
#include "common/json_flat.h"
#include "common/limits.h"
#include "common/slice.h"
#include "common/status.h"

enum dynamodb_type { DYNAMODB_S, DYNAMODB_N, DYNAMODB_B };

struct dynamodb_attribute {
    const char *name;
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

#define DYNAMODB_VALUES_MAX 4

/* Condition on a put or an update: refused with ERROR_PERMANENT, code
 * "ConditionalCheckFailedException" and the item that stands there. Values are bound as :a, :b, :c,
 * :d in the order given. A name that is a reserved word of DynamoDB cannot stand in a condition:
 * write #a .. #d for the name of values[0] .. values[3]. DynamoDB refuses a value or such a name
 * that the condition does not use. */
struct dynamodb_write {
    struct dynamodb_item item; /* put: the whole item; update: pk, sk and what to SET */
    const char *condition;     /* NULL: none; "attribute_not_exists(pk)", "fence < :a" */
    struct dynamodb_attribute values[DYNAMODB_VALUES_MAX]; /* name: NULL or "" without #a */
    size_t value_count;
};

struct dynamodb_query_spec {
    const char *table;
    struct slice pk;
    struct slice sk_after; /* exclusive; empty: from the start */
    uint32_t limit;        /* items; 0: as many as a page holds */
};

struct dynamodb_table_info {
    bool active;
    bool keys_are_ours; /* pk (S, HASH) and sk (S, RANGE) */
    bool ttl_enabled;   /* on the attribute "expires" */
    bool ttl_known;     /* false: the server does not tell */
};

/* What room to make for an item in a request: about what it takes. */
size_t dynamodb_wire_item_bytes(const struct dynamodb_item *item);

/* Requests: append a whole JSON object. All ask for ConsumedCapacity. */
void dynamodb_wire_batch_put(struct buf *out, const char *table, const struct dynamodb_item *items,
                             size_t count);
void dynamodb_wire_get(struct buf *out, const char *table, struct slice pk, struct slice sk);
void dynamodb_wire_put(struct buf *out, const char *table, const struct dynamodb_write *write);
void dynamodb_wire_update(struct buf *out, const char *table, const struct dynamodb_write *write);
void dynamodb_wire_query(struct buf *out, const struct dynamodb_query_spec *spec);
void dynamodb_wire_describe(struct buf *out, const char *table); /* table or its TTL */

/* The key that an entry was sent with, to know it again among the unprocessed. */
struct dynamodb_wire_key {
    uint8_t hash[16]; /* of table, pk and sk */
};
void dynamodb_wire_key(const char *table, struct slice pk, struct slice sk,
                       struct dynamodb_wire_key *ret);

/* A BatchWriteItem's answer: unprocessed entries are OUTCOME_FAILED, throttled. An answer without
 * the list, or with an item that nobody sent, says nothing for certain: all are OUTCOME_UNKNOWN. */
void dynamodb_wire_parse_batch(const cJSON *json, const struct dynamodb_wire_key *keys,
                               size_t count, struct dynamodb_put_result *results,
                               bool *ret_throttled);
void dynamodb_wire_fail_batch(const struct error *error, size_t count,
                              struct dynamodb_put_result *results);

/* Items out of an answer. Texts point into its text or into flat; names and binary values into
 * bytes. */
struct dynamodb_wire_items {
    struct dynamodb_item *items;
    size_t count;
    struct buf bytes;
};
void dynamodb_wire_items_release(struct dynamodb_wire_items *items); /* fine if all zero */

/* The item under name ("Item", "Attributes"): count is 0 or 1. STATUS_INVALID: not an item.
 * Attributes of other types than S, N and B, and those beyond DYNAMODB_ATTRIBUTES_MAX, are left
 * out: no item of ours has any. */
NODISCARD enum status dynamodb_wire_parse_item(const struct json_flat *answer, const char *name,
                                               struct dynamodb_wire_items *ret);
/* more_after: null at the end of the partition; lives as the texts do. */
NODISCARD enum status dynamodb_wire_parse_query(const struct json_flat *answer,
                                                struct dynamodb_wire_items *ret,
                                                struct slice *ret_more_after);
NODISCARD enum status dynamodb_wire_parse_table(const cJSON *json, struct dynamodb_table_info *ret);
NODISCARD enum status dynamodb_wire_parse_ttl(const cJSON *json, struct dynamodb_table_info *ret);

/* The sum of ConsumedCapacity, 0 if the answer has none. */
double dynamodb_wire_units(const cJSON *json);
double dynamodb_wire_units_flat(const struct json_flat *answer);

#endif
