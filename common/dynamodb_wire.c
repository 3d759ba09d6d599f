#include "common/dynamodb_wire.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/check.h"
#include "common/digest.h"
#include "common/encode.h"
#include "common/mem.h"
#include "common/num.h"
#include "common/table.h"

static_assert(sizeof(((struct dynamodb_wire_key *)0)->hash) == DIGEST_MD5_SIZE, "by MD5");

/* --- values ---------------------------------------------------------------------------------- */

const struct dynamodb_attribute *dynamodb_item_get(const struct dynamodb_item *item,
                                                   const char *name)
{
    for (size_t i = 0; i < item->count; i++)
        if (strcmp(item->attributes[i].name, name) == 0)
            return &item->attributes[i];
    return NULL;
}

enum status dynamodb_item_get_i64(const struct dynamodb_item *item, const char *name, int64_t *ret)
{
    const struct dynamodb_attribute *attribute = dynamodb_item_get(item, name);
    if (attribute == NULL)
        return STATUS_NOT_FOUND;
    struct slice digits = attribute->value;
    bool negative = digits.len > 1 && digits.ptr[0] == '-';
    if (negative)
        digits = slice_from(digits.ptr + 1, digits.len - 1);
    int64_t value;
    if (attribute->type != DYNAMODB_N || num_parse_i64(digits, INT64_MAX, &value) != STATUS_OK)
        return STATUS_INVALID;
    *ret = negative ? -value : value;
    return STATUS_OK;
}

static void append_text(struct buf *out, const char *text)
{
    json_append_string(out, slice_from_str(text));
}

static void append_value(struct buf *out, const struct dynamodb_attribute *attribute)
{
    switch (attribute->type) {
    case DYNAMODB_S:
        buf_append_str(out, "{\"S\":");
        json_append_string(out, attribute->value);
        buf_append_byte(out, '}');
        return;
    case DYNAMODB_N:
        buf_append_str(out, "{\"N\":");
        json_append_string(out, attribute->value);
        buf_append_byte(out, '}');
        return;
    case DYNAMODB_B:
        buf_append_str(out, "{\"B\":\"");
        encode_base64(attribute->value, out);
        buf_append_str(out, "\"}");
        return;
    }
    UNREACHABLE();
}

size_t dynamodb_wire_item_bytes(const struct dynamodb_item *item)
{
    enum { AROUND = 64 }; /* names and braces */
    size_t bytes = AROUND;
    for (size_t i = 0; i < item->count; i++)
        bytes += AROUND + encode_base64_len(item->attributes[i].value.len);
    return bytes;
}

static void append_item(struct buf *out, const struct dynamodb_item *item)
{
    CHECK(item->count <= DYNAMODB_ATTRIBUTES_MAX);
    buf_append_byte(out, '{');
    for (size_t i = 0; i < item->count; i++) {
        if (i > 0)
            buf_append_byte(out, ',');
        append_text(out, item->attributes[i].name);
        buf_append_byte(out, ':');
        append_value(out, &item->attributes[i]);
    }
    buf_append_byte(out, '}');
}

static void append_key(struct buf *out, struct slice pk, struct slice sk)
{
    struct dynamodb_item key = {
        .attributes = {{TABLE_PK, DYNAMODB_S, pk}, {TABLE_SK, DYNAMODB_S, sk}}, .count = 2};
    append_item(out, &key);
}

/* --- requests -------------------------------------------------------------------------------- */

#define CAPACITY ",\"ReturnConsumedCapacity\":\"TOTAL\"}"

static void open_request(struct buf *out, const char *table)
{
    buf_append_str(out, "{\"TableName\":");
    append_text(out, table);
}

void dynamodb_wire_batch_put(struct buf *out, const char *table, const struct dynamodb_item *items,
                             size_t count)
{
    CHECK(count >= 1 && count <= DYNAMODB_BATCH_ITEMS_MAX);
    buf_append_str(out, "{\"RequestItems\":{");
    append_text(out, table);
    buf_append_str(out, ":[");
    for (size_t i = 0; i < count; i++) {
        buf_append_str(out, i == 0 ? "{\"PutRequest\":{\"Item\":" : ",{\"PutRequest\":{\"Item\":");
        append_item(out, &items[i]);
        buf_append_str(out, "}}");
    }
    buf_append_str(out, "]}" CAPACITY);
}

void dynamodb_wire_get(struct buf *out, const char *table, struct slice pk, struct slice sk)
{
    open_request(out, table);
    buf_append_str(out, ",\"Key\":");
    append_key(out, pk, sk);
    buf_append_str(out, ",\"ConsistentRead\":true" CAPACITY);
}

static bool is_key(const struct dynamodb_attribute *attribute)
{
    return strcmp(attribute->name, TABLE_PK) == 0 || strcmp(attribute->name, TABLE_SK) == 0;
}

/* A comma between members: the first call of a list writes its opening instead. */
static void separate(struct buf *out, const char *opening, bool *opened)
{
    buf_append_str(out, *opened ? "," : opening);
    *opened = true;
}

/* Names stand behind #, as many words are reserved. sets: also those of the attributes to SET. */
static void append_names(struct buf *out, const struct dynamodb_write *write, bool sets)
{
    static const char opening[] = ",\"ExpressionAttributeNames\":{";
    bool opened = false;
    for (size_t i = 0; sets && i < write->item.count; i++) {
        if (is_key(&write->item.attributes[i]))
            continue;
        separate(out, opening, &opened);
        buf_printf(out, "\"#s%zu\":", i);
        append_text(out, write->item.attributes[i].name);
    }
    for (size_t i = 0; i < write->value_count; i++) {
        if (write->values[i].name == NULL || write->values[i].name[0] == '\0')
            continue;
        separate(out, opening, &opened);
        buf_printf(out, "\"#%c\":", (int)('a' + i));
        append_text(out, write->values[i].name);
    }
    if (opened)
        buf_append_byte(out, '}');
}

static void append_values(struct buf *out, const struct dynamodb_write *write, bool sets)
{
    static const char opening[] = ",\"ExpressionAttributeValues\":{";
    bool opened = false;
    for (size_t i = 0; sets && i < write->item.count; i++) {
        if (is_key(&write->item.attributes[i]))
            continue;
        separate(out, opening, &opened);
        buf_printf(out, "\":s%zu\":", i);
        append_value(out, &write->item.attributes[i]);
    }
    for (size_t i = 0; i < write->value_count; i++) {
        separate(out, opening, &opened);
        buf_printf(out, "\":%c\":", (int)('a' + i));
        append_value(out, &write->values[i]);
    }
    if (opened)
        buf_append_byte(out, '}');
}

static void append_condition(struct buf *out, const struct dynamodb_write *write, bool sets)
{
    CHECK(write->value_count <= DYNAMODB_VALUES_MAX);
    append_names(out, write, sets);
    append_values(out, write, sets);
    if (write->condition != NULL) {
        buf_append_str(out, ",\"ConditionExpression\":");
        append_text(out, write->condition);
        buf_append_str(out, ",\"ReturnValuesOnConditionCheckFailure\":\"ALL_OLD\"");
    }
    buf_append_str(out, ",\"ReturnValues\":\"ALL_OLD\"" CAPACITY);
}

void dynamodb_wire_put(struct buf *out, const char *table, const struct dynamodb_write *write)
{
    open_request(out, table);
    buf_append_str(out, ",\"Item\":");
    append_item(out, &write->item);
    append_condition(out, write, false);
}

void dynamodb_wire_update(struct buf *out, const char *table, const struct dynamodb_write *write)
{
    const struct dynamodb_attribute *pk = dynamodb_item_get(&write->item, TABLE_PK);
    const struct dynamodb_attribute *sk = dynamodb_item_get(&write->item, TABLE_SK);
    CHECK(pk != NULL && sk != NULL);
    open_request(out, table);
    buf_append_str(out, ",\"Key\":");
    append_key(out, pk->value, sk->value);
    bool opened = false;
    for (size_t i = 0; i < write->item.count; i++)
        if (!is_key(&write->item.attributes[i])) {
            separate(out, ",\"UpdateExpression\":\"SET ", &opened);
            buf_printf(out, "#s%zu=:s%zu", i, i);
        }
    if (opened)
        buf_append_byte(out, '"');
    append_condition(out, write, true);
}

void dynamodb_wire_query(struct buf *out, const struct dynamodb_query_spec *spec)
{
    struct dynamodb_attribute pk = {"", DYNAMODB_S, spec->pk};
    struct dynamodb_attribute sk = {"", DYNAMODB_S, spec->sk_after};
    open_request(out, spec->table);
    buf_append_str(out, ",\"KeyConditionExpression\":\"" TABLE_PK "=:p");
    if (spec->sk_after.len > 0)
        buf_append_str(out, " AND " TABLE_SK ">:s");
    buf_append_str(out, "\",\"ExpressionAttributeValues\":{\":p\":");
    append_value(out, &pk);
    if (spec->sk_after.len > 0) {
        buf_append_str(out, ",\":s\":");
        append_value(out, &sk);
    }
    buf_append_byte(out, '}');
    if (spec->limit > 0)
        buf_printf(out, ",\"Limit\":%" PRIu32, spec->limit);
    buf_append_str(out, ",\"ConsistentRead\":true" CAPACITY);
}

void dynamodb_wire_describe(struct buf *out, const char *table)
{
    open_request(out, table);
    buf_append_byte(out, '}');
}

/* --- batches --------------------------------------------------------------------------------- */

void dynamodb_wire_key(const char *table, struct slice pk, struct slice sk,
                       struct dynamodb_wire_key *ret)
{
    const size_t lens[] = {strlen(table), pk.len, sk.len};
    size_t bytes = sizeof(lens) + lens[0] + lens[1] + lens[2];
    CLEANUP(buf_release) struct buf text;
    buf_init(&text, bytes);
    CHECK(buf_reserve(&text, bytes) != NULL);
    buf_append(&text, lens, sizeof(lens));
    buf_append_str(&text, table);
    buf_append_slice(&text, pk);
    buf_append_slice(&text, sk);
    digest_md5(buf_slice(&text), ret->hash);
}

static void set_all(enum outcome outcome, const struct error *error, size_t count,
                    struct dynamodb_put_result *results)
{
    for (size_t i = 0; i < count; i++)
        results[i] = (struct dynamodb_put_result){outcome, *error};
}

void dynamodb_wire_fail_batch(const struct error *error, size_t count,
                              struct dynamodb_put_result *results)
{
    set_all(error_outcome(error->kind), error, count, results);
}

/* Marks the entry that the element of UnprocessedItems is about; false if it is none of ours. */
static bool mark_unprocessed(const cJSON *element, const char *table,
                             const struct dynamodb_wire_key *keys, size_t count,
                             struct dynamodb_put_result *results)
{
    const cJSON *item = json_get_object(json_get_object(element, "PutRequest"), "Item");
    struct slice pk = json_get_text(json_get_object(item, TABLE_PK), "S");
    struct slice sk = json_get_text(json_get_object(item, TABLE_SK), "S");
    if (slice_is_null(pk) || slice_is_null(sk))
        return false;
    struct dynamodb_wire_key key;
    dynamodb_wire_key(table, pk, sk, &key);
    for (size_t i = 0; i < count; i++) {
        if (memcmp(key.hash, keys[i].hash, sizeof(key.hash)) != 0)
            continue;
        results[i].outcome = OUTCOME_FAILED;
        error_set(&results[i].error, ERROR_THROTTLED, "UnprocessedItem",
                  "the table took no more just now");
        results[i].error.http_status = 200;
        return true;
    }
    return false;
}

void dynamodb_wire_parse_batch(const cJSON *json, const struct dynamodb_wire_key *keys,
                               size_t count, struct dynamodb_put_result *results,
                               bool *ret_throttled)
{
    CHECK(count <= DYNAMODB_BATCH_ITEMS_MAX);
    struct error unclear;
    error_set(&unclear, ERROR_UNKNOWN, "UnreadableAnswer", "not an answer of BatchWriteItem");
    unclear.http_status = 200;
    *ret_throttled = false;
    const cJSON *tables = json_get_object(json, "UnprocessedItems");
    if (tables == NULL) {
        set_all(OUTCOME_UNKNOWN, &unclear, count, results);
        return;
    }
    set_all(OUTCOME_DONE, &(struct error){0}, count, results);
    const cJSON *table;
    cJSON_ArrayForEach(table, tables)
    {
        bool known = cJSON_IsArray(table);
        const cJSON *element;
        if (known)
            cJSON_ArrayForEach(element, table) known =
                known && mark_unprocessed(element, table->string, keys, count, results);
        if (!known) {
            *ret_throttled = false;
            set_all(OUTCOME_UNKNOWN, &unclear, count, results);
            return;
        }
    }
    for (size_t i = 0; i < count; i++)
        if (results[i].error.kind == ERROR_THROTTLED)
            *ret_throttled = true;
}

/* --- items ----------------------------------------------------------------------------------- */

void dynamodb_wire_items_release(struct dynamodb_wire_items *items)
{
    mem_free(items->items);
    buf_release(&items->bytes);
    *items = (struct dynamodb_wire_items){0};
}

/* Ends in NUL: a name is a string of C elsewhere. */
static const char *keep_name(struct slice name, struct buf *bytes)
{
    size_t start = bytes->len;
    buf_append_slice(bytes, name);
    buf_append_byte(bytes, '\0');
    return (const char *)bytes->ptr + start;
}

/* {"S": ...}, or another type. STATUS_UNSUPPORTED: one that no attribute of ours has. */
static enum status parse_value(const struct json_flat *f, uint32_t value, struct buf *bytes,
                               struct dynamodb_attribute *ret)
{
    uint32_t type = json_flat_first(f, value);
    if (!json_flat_is(f, value, JSON_OBJECT) || type == JSON_ABSENT ||
        json_flat_after(f, value, type) != JSON_ABSENT)
        return STATUS_INVALID;
    struct slice name = json_flat_text(f, type);
    struct slice text = json_flat_text(f, type + 1);
    ret->value = text;
    if (slice_equal_str(name, "S")) {
        ret->type = DYNAMODB_S;
        return slice_is_null(text) ? STATUS_INVALID : STATUS_OK;
    }
    if (slice_equal_str(name, "N")) {
        ret->type = DYNAMODB_N;
        return text.len == 0 ? STATUS_INVALID : STATUS_OK;
    }
    if (!slice_equal_str(name, "B"))
        return STATUS_UNSUPPORTED;
    size_t start = bytes->len;
    ret->type = DYNAMODB_B;
    if (slice_is_null(text) || decode_base64(text, bytes) != STATUS_OK)
        return STATUS_INVALID;
    ret->value = slice_from(bytes->ptr + start, bytes->len - start);
    return STATUS_OK;
}

static enum status parse_item(const struct json_flat *f, uint32_t item, struct buf *bytes,
                              struct dynamodb_item *ret)
{
    ret->count = 0;
    if (!json_flat_is(f, item, JSON_OBJECT))
        return STATUS_INVALID;
    for (uint32_t name = json_flat_first(f, item); name != JSON_ABSENT;
         name = json_flat_after(f, item, name)) {
        struct dynamodb_attribute attribute;
        enum status status = parse_value(f, name + 1, bytes, &attribute);
        if (status == STATUS_UNSUPPORTED || ret->count == DYNAMODB_ATTRIBUTES_MAX)
            continue;
        if (status != STATUS_OK)
            return status;
        attribute.name = keep_name(json_flat_text(f, name), bytes);
        ret->attributes[ret->count++] = attribute;
    }
    return STATUS_OK;
}

/* Room for all that can be decoded, at once: the slices of earlier values must stay. A name with
 * its NUL is shorter than with its quotes, and a value than its base64. */
static void items_init(struct dynamodb_wire_items *items, size_t count, size_t body_bytes)
{
    *items = (struct dynamodb_wire_items){0};
    items->items = mem_calloc(count, sizeof(items->items[0]));
    buf_init(&items->bytes, body_bytes + 1);
    CHECK(buf_reserve(&items->bytes, body_bytes + 1) != NULL);
}

enum status dynamodb_wire_parse_item(const struct json_flat *answer, const char *name,
                                     struct dynamodb_wire_items *ret)
{
    uint32_t item = json_flat_get(answer, JSON_ROOT, name);
    if (item == JSON_ABSENT ||
        (json_flat_is(answer, item, JSON_OBJECT) && json_flat_first(answer, item) == JSON_ABSENT)) {
        *ret = (struct dynamodb_wire_items){0};
        return STATUS_OK;
    }
    struct dynamodb_wire_items items;
    items_init(&items, 1, answer->text.len);
    enum status status = parse_item(answer, item, &items.bytes, &items.items[0]);
    if (status != STATUS_OK) {
        dynamodb_wire_items_release(&items);
        return status;
    }
    items.count = 1;
    *ret = items;
    return STATUS_OK;
}

/* STATUS_INVALID: a key that tells no place. */
static enum status parse_more_after(const struct json_flat *f, struct slice *ret)
{
    uint32_t last = json_flat_get(f, JSON_ROOT, "LastEvaluatedKey");
    *ret = SLICE_NULL;
    if (last == JSON_ABSENT || json_flat_is_null(f, last))
        return STATUS_OK;
    *ret = json_flat_get_text(f, json_flat_get(f, last, TABLE_SK), "S");
    return ret->len == 0 ? STATUS_INVALID : STATUS_OK;
}

enum status dynamodb_wire_parse_query(const struct json_flat *answer,
                                      struct dynamodb_wire_items *ret, struct slice *ret_more_after)
{
    uint32_t list = json_flat_get(answer, JSON_ROOT, "Items");
    struct slice more_after;
    if (parse_more_after(answer, &more_after) != STATUS_OK ||
        !json_flat_is(answer, list, JSON_ARRAY))
        return STATUS_INVALID;
    size_t count = 0;
    uint32_t item;
    for (item = json_flat_first(answer, list); item != JSON_ABSENT;
         item = json_flat_after(answer, list, item))
        count++;
    struct dynamodb_wire_items items;
    items_init(&items, count, answer->text.len);
    for (item = json_flat_first(answer, list); item != JSON_ABSENT;
         item = json_flat_after(answer, list, item)) {
        enum status status = parse_item(answer, item, &items.bytes, &items.items[items.count]);
        if (status != STATUS_OK) {
            dynamodb_wire_items_release(&items);
            return status;
        }
        items.count++;
    }
    *ret = items;
    *ret_more_after = more_after;
    return STATUS_OK;
}

/* --- tables ---------------------------------------------------------------------------------- */

/* True if the list has an element with that name and that value under member. */
static bool lists(const cJSON *list, const char *name, const char *member, const char *value)
{
    const cJSON *element;
    cJSON_ArrayForEach(element, list)
    {
        if (slice_equal_str(json_get_text(element, "AttributeName"), name) &&
            slice_equal_str(json_get_text(element, member), value))
            return true;
    }
    return false;
}

enum status dynamodb_wire_parse_table(const cJSON *json, struct dynamodb_table_info *ret)
{
    const cJSON *table = json_get_object(json, "Table");
    const cJSON *keys = json_get_array(table, "KeySchema");
    const cJSON *types = json_get_array(table, "AttributeDefinitions");
    struct slice state = json_get_text(table, "TableStatus");
    if (keys == NULL || types == NULL || slice_is_null(state))
        return STATUS_INVALID;
    /* A table that is being changed goes on serving. */
    ret->active = slice_equal_str(state, "ACTIVE") || slice_equal_str(state, "UPDATING");
    ret->keys_are_ours =
        cJSON_GetArraySize(keys) == 2 && lists(keys, TABLE_PK, "KeyType", "HASH") &&
        lists(keys, TABLE_SK, "KeyType", "RANGE") && lists(types, TABLE_PK, "AttributeType", "S") &&
        lists(types, TABLE_SK, "AttributeType", "S");
    return STATUS_OK;
}

enum status dynamodb_wire_parse_ttl(const cJSON *json, struct dynamodb_table_info *ret)
{
    const cJSON *ttl = json_get_object(json, "TimeToLiveDescription");
    struct slice state = json_get_text(ttl, "TimeToLiveStatus");
    if (slice_is_null(state))
        return STATUS_INVALID;
    ret->ttl_known = true;
    ret->ttl_enabled = (slice_equal_str(state, "ENABLED") || slice_equal_str(state, "ENABLING")) &&
                       slice_equal_str(json_get_text(ttl, "AttributeName"), TABLE_EXPIRES);
    return STATUS_OK;
}

static double capacity_units(const cJSON *consumed)
{
    const cJSON *units = cJSON_GetObjectItemCaseSensitive(consumed, "CapacityUnits");
    return cJSON_IsNumber(units) && units->valuedouble > 0 ? units->valuedouble : 0;
}

double dynamodb_wire_units(const cJSON *json)
{
    const cJSON *consumed = cJSON_GetObjectItemCaseSensitive(json, "ConsumedCapacity");
    if (!cJSON_IsArray(consumed))
        return capacity_units(consumed);
    double sum = 0;
    const cJSON *element;
    cJSON_ArrayForEach(element, consumed) sum += capacity_units(element);
    return sum;
}

double dynamodb_wire_units_flat(const struct json_flat *answer)
{
    uint32_t consumed = json_flat_get(answer, JSON_ROOT, "ConsumedCapacity");
    double units = json_flat_number(answer, json_flat_get(answer, consumed, "CapacityUnits"));
    return units > 0 ? units : 0;
}
