#include "tests/model/dynamodb_model.h"

#include <string.h>

#include "common/check.h"
#include "common/mem.h"
#include "common/timeval.h"
#include "tests/model/ddb_number.h"
#include "tests/model/dynamodb_model_internal.h"

#define INVALID            400, "ValidationException", NULL
#define TTL_CHANGE_WAIT_MS MS_PER_HOUR
#define TTL_IGNORED_AGE_MS (5 * INT64_C(365) * MS_PER_DAY) /* AWS leaves older stamps alone */
#define SECONDS_DIGITS_MAX 12

struct dynamodb_model *dynamodb_model_new(uint64_t seed)
{
    struct dynamodb_model *model = mem_alloc(sizeof(*model));
    *model = (struct dynamodb_model){0};
    prng_init(&model->random, seed);
    model_map_init(&model->by_name);
    model_list_init(&model->tables);
    model_arena_init(&model->scratch);
    return model;
}

void dynamodb_model_free(struct dynamodb_model *model)
{
    if (model == NULL)
        return;
    struct ddb_table *table;
    while ((table = dynamodb_model_next_table(model, NULL)) != NULL)
        dynamodb_model_delete_table(model, table);
    model_map_release(&model->by_name);
    model_arena_release(&model->scratch);
    mem_free(model->retired);
    mem_free(model);
}

/* --- tables ---------------------------------------------------------------------------------- */

static bool is_key_type(enum ddb_type type)
{
    return type == DDB_S || type == DDB_N || type == DDB_B;
}

static bool table_name_is_valid(struct slice name)
{
    for (size_t i = 0; i < name.len; i++) {
        uint8_t c = name.ptr[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
              c == '_' || c == '-' || c == '.'))
            return false;
    }
    return name.len >= 3 && name.len <= 255;
}

static struct slice copy_slice(struct slice from, uint8_t **at)
{
    if (slice_is_null(from))
        return SLICE_NULL;
    struct slice copy = slice_from(*at, from.len);
    memcpy(*at, from.ptr, from.len);
    *at += from.len;
    return copy;
}

bool dynamodb_model_create_table(struct dynamodb_model *model, struct slice name,
                                 const struct ddb_schema *schema, int64_t now_ms,
                                 struct ddb_table **ret, struct model_error *reterr)
{
    if (!table_name_is_valid(name))
        return model_refuse(reterr, INVALID,
                            "1 validation error detected: Value at 'tableName' failed to satisfy "
                            "constraint: [a-zA-Z0-9_.-]+, length 3 to 255");
    if (!is_key_type(schema->hash_type) ||
        (!slice_is_null(schema->range_name) && !is_key_type(schema->range_type)))
        return model_refuse(reterr, INVALID,
                            "One or more parameter values were invalid: key attributes must be S, "
                            "N or B");
    if (model_map_find(&model->by_name, name) != NULL)
        return model_refuse(reterr, 400, "ResourceInUseException", NULL,
                            "Table already exists: %.*s", SLICE_ARG(name));
    struct ddb_table *table =
        mem_alloc(sizeof(*table) + name.len + schema->hash_name.len + schema->range_name.len);
    *table = (struct ddb_table){.model = model,
                                .schema = *schema,
                                .created_ms = now_ms,
                                .ttl_changed_ms = now_ms - TTL_CHANGE_WAIT_MS};
    uint8_t *at = (uint8_t *)(table + 1);
    table->name = copy_slice(name, &at);
    table->schema.hash_name = copy_slice(schema->hash_name, &at);
    table->schema.range_name = copy_slice(schema->range_name, &at);
    ddb_index_init(&table->index, prng_next(&model->random));
    model_heap_init(&table->expiries);
    model_map_insert(&model->by_name, &table->by_name, table->name);
    model_list_append(&model->tables, &table->by_creation);
    *ret = table;
    return true;
}

bool dynamodb_model_find_table(struct dynamodb_model *model, struct slice name,
                               struct ddb_table **ret, struct model_error *reterr)
{
    struct model_map_node *node = model_map_find(&model->by_name, name);
    if (node == NULL)
        return model_refuse(reterr, 400, "ResourceNotFoundException", NULL,
                            "Requested resource not found: Table: %.*s not found",
                            (int)MIN(name.len, (size_t)255),
                            name.ptr == NULL ? "" : (const char *)name.ptr);
    *ret = container_of(node, struct ddb_table, by_name);
    return true;
}

static void remove_item(struct ddb_table *table, struct ddb_item *item)
{
    ddb_index_remove(&table->index, &item->node);
    model_heap_remove(&table->expiries, &item->expiry);
    table->bytes -= item->bytes;
    mem_free(item);
}

void dynamodb_model_delete_table(struct dynamodb_model *model, struct ddb_table *table)
{
    struct ddb_node *node;
    while ((node = ddb_index_first(&table->index)) != NULL) {
        struct ddb_item *item = ddb_item_of(node);
        mem_free(item->map);
        item->map = NULL;
        struct ddb_node *next = ddb_index_next(node);
        model_heap_remove(&table->expiries, &item->expiry);
        /* From the front, level by level: no keys are compared, their values are gone. */
        for (int level = 0; level < node->levels; level++)
            table->index.head.next[level] = node->next[level];
        if (next != NULL)
            next->previous = &table->index.head;
        mem_free(item);
    }
    model_heap_release(&table->expiries);
    model_map_remove(&model->by_name, &table->by_name);
    model_list_remove(&table->by_creation);
    mem_free(table->ttl_attribute);
    mem_free(table);
}

struct ddb_table *dynamodb_model_next_table(struct dynamodb_model *model,
                                            const struct ddb_table *after)
{
    struct model_list_node *node = after == NULL
                                       ? model_list_first(&model->tables)
                                       : model_list_next(&model->tables, &after->by_creation);
    return node == NULL ? NULL : container_of(node, struct ddb_table, by_creation);
}

struct ddb_table_info dynamodb_model_table_info(struct ddb_table *table, int64_t now_ms)
{
    ddb_table_begin(table, now_ms);
    return (struct ddb_table_info){.name = table->name,
                                   .schema = &table->schema,
                                   .created_ms = table->created_ms,
                                   .items = table->index.count,
                                   .bytes = table->bytes,
                                   .expired = table->expired,
                                   .ttl_enabled = table->ttl_enabled,
                                   .ttl_attribute = slice_from_str(table->ttl_attribute)};
}

/* --- time to live ---------------------------------------------------------------------------- */

/* INT64_MAX: never. */
static int64_t expiry_of(const struct ddb_table *table, const struct ddb_value *map, int64_t now_ms)
{
    const struct ddb_value *value = ddb_value_get(map, slice_from_str(table->ttl_attribute));
    if (value == NULL || value->type != DDB_N)
        return INT64_MAX;
    int64_t seconds = 0;
    for (size_t i = 0; i < value->bytes.len; i++) {
        uint8_t c = value->bytes.ptr[i];
        if (c == '.') /* parts of a second do not count */
            break;
        if (c < '0' || c > '9' || i >= SECONDS_DIGITS_MAX)
            return INT64_MAX;
        seconds = seconds * 10 + (c - '0');
    }
    int64_t at_ms = seconds * MS_PER_SECOND;
    return at_ms < now_ms - TTL_IGNORED_AGE_MS ? INT64_MAX : at_ms;
}

static void set_expiry(struct ddb_table *table, struct ddb_item *item, int64_t now_ms)
{
    int64_t at_ms = table->ttl_enabled ? expiry_of(table, item->map, now_ms) : INT64_MAX;
    if (at_ms == INT64_MAX)
        model_heap_remove(&table->expiries, &item->expiry);
    else
        model_heap_set(&table->expiries, &item->expiry, at_ms);
}

bool dynamodb_model_set_ttl(struct ddb_table *table, struct slice attribute, bool enabled,
                            int64_t now_ms, struct model_error *reterr)
{
    ddb_table_begin(table, now_ms);
    if (enabled == table->ttl_enabled)
        return model_refuse(reterr, INVALID, "TimeToLive is already %s",
                            enabled ? "enabled" : "disabled");
    if (now_ms < table->ttl_changed_ms + TTL_CHANGE_WAIT_MS)
        return model_refuse(reterr, INVALID,
                            "Time to live has been modified multiple times within a fixed "
                            "interval");
    if (!enabled && !slice_equal_str(attribute, table->ttl_attribute))
        return model_refuse(reterr, INVALID, "TimeToLive is active on a different AttributeName");
    if (attribute.len == 0 || attribute.len > 255)
        return model_refuse(reterr, INVALID, "AttributeName must be 1 to 255 in length");
    mem_free(table->ttl_attribute);
    table->ttl_attribute = mem_strndup((const char *)attribute.ptr, attribute.len);
    table->ttl_enabled = enabled;
    table->ttl_changed_ms = now_ms;
    for (struct ddb_node *node = ddb_index_first(&table->index); node != NULL;
         node = ddb_index_next(node))
        set_expiry(table, ddb_item_of(node), now_ms);
    return true;
}

void ddb_table_begin(struct ddb_table *table, int64_t now_ms)
{
    model_arena_release(&table->model->scratch);
    mem_free(table->model->retired);
    table->model->retired = NULL;
    struct model_heap_node *due;
    while ((due = model_heap_pop(&table->expiries, now_ms)) != NULL) {
        struct ddb_item *item = container_of(due, struct ddb_item, expiry);
        struct ddb_value *map = item->map;
        remove_item(table, item);
        mem_free(map);
        table->expired++;
    }
}

/* --- checks ---------------------------------------------------------------------------------- */

static bool check_key_value(struct slice name, enum ddb_type type, size_t bytes_max,
                            const struct ddb_value *map, bool whole_item,
                            const struct ddb_value **ret, struct model_error *reterr)
{
    const struct ddb_value *value = ddb_value_get(map, name);
    if (value == NULL && whole_item)
        return model_refuse(reterr, INVALID,
                            "One or more parameter values were invalid: Missing the key %.*s in "
                            "the item",
                            SLICE_ARG(name));
    if (value != NULL && value->type != type && whole_item)
        return model_refuse(reterr, INVALID,
                            "One or more parameter values were invalid: Type mismatch for key "
                            "%.*s expected: %s actual: %s",
                            SLICE_ARG(name), ddb_type_name(type), ddb_type_name(value->type));
    if (value == NULL || value->type != type)
        return model_refuse(reterr, INVALID, "The provided key element does not match the schema");
    if (value->bytes.len == 0)
        return model_refuse(reterr, INVALID,
                            "One or more parameter values are not valid. The AttributeValue for a "
                            "key attribute cannot contain an empty string value. Key: %.*s",
                            SLICE_ARG(name));
    if (value->bytes.len > bytes_max)
        return model_refuse(reterr, INVALID,
                            "One or more parameter values were invalid: Size of key %.*s has "
                            "exceeded the maximum size limit of %zu bytes",
                            SLICE_ARG(name), bytes_max);
    *ret = value;
    return true;
}

static bool check_keys(const struct ddb_table *table, const struct ddb_value *map, bool whole_item,
                       struct ddb_key *ret, struct model_error *reterr)
{
    const struct ddb_schema *schema = &table->schema;
    const struct ddb_value *hash = NULL;
    const struct ddb_value *range = NULL;
    if (!check_key_value(schema->hash_name, schema->hash_type, DDB_HASH_KEY_BYTES_MAX, map,
                         whole_item, &hash, reterr))
        return false;
    if (!slice_is_null(schema->range_name) &&
        !check_key_value(schema->range_name, schema->range_type, DDB_RANGE_KEY_BYTES_MAX, map,
                         whole_item, &range, reterr))
        return false;
    *ret = ddb_key_make(hash, range);
    return true;
}

bool ddb_check_key(const struct ddb_table *table, const struct ddb_value *map, struct ddb_key *ret,
                   struct model_error *reterr)
{
    size_t expected = slice_is_null(table->schema.range_name) ? 1 : 2;
    if (map->count != expected)
        return model_refuse(reterr, INVALID, "The provided key element does not match the schema");
    return check_keys(table, map, false, ret, reterr);
}

static bool check_item_size(const struct ddb_value *map, const char *what,
                            struct model_error *reterr)
{
    if (ddb_item_size(map) <= DDB_ITEM_BYTES_MAX)
        return true;
    return model_refuse(reterr, INVALID, "%s has exceeded the maximum allowed size", what);
}

static bool check_write(const struct ddb_table *table, const struct ddb_write *write,
                        struct ddb_key *ret, struct model_error *reterr)
{
    if (write->kind != DDB_PUT)
        return ddb_check_key(table, write->item, ret, reterr);
    return check_keys(table, write->item, true, ret, reterr) &&
           check_item_size(write->item, "Item size", reterr);
}

bool dynamodb_model_check_batch(struct ddb_table *const *tables, const struct ddb_write *writes,
                                size_t count, struct model_error *reterr)
{
    struct ddb_key keys[DDB_BATCH_WRITE_MAX];
    if (count == 0 || count > DDB_BATCH_WRITE_MAX)
        return model_refuse(reterr, INVALID, "%s",
                            count == 0 ? "The batch write request list cannot be empty"
                                       : "Too many items requested for the BatchWriteItem call");
    size_t bytes = 0;
    for (size_t i = 0; i < count; i++) {
        if (!check_write(tables[i], &writes[i], &keys[i], reterr))
            return false;
        bytes += ddb_item_size(writes[i].item);
        for (size_t k = 0; k < i; k++) {
            if (tables[k] == tables[i] && ddb_key_compare(&keys[k], &keys[i]) == 0)
                return model_refuse(reterr, INVALID,
                                    "Provided list of item keys contains duplicates");
        }
    }
    if (bytes > DDB_BATCH_WRITE_BYTES_MAX)
        return model_refuse(reterr, INVALID, "Collective size of items in the batch exceeds 16 MB");
    return true;
}

/* --- writing --------------------------------------------------------------------------------- */

static uint64_t write_units(size_t before, size_t after)
{
    size_t bytes = MAX(before, after);
    return bytes == 0 ? 1 : (bytes + 1023) / 1024;
}

static struct ddb_item *new_item(struct ddb_table *table)
{
    int levels = ddb_index_draw_levels(&table->index);
    struct ddb_item *item = mem_calloc(1, sizeof(*item) + (size_t)levels * sizeof(item->levels[0]));
    item->node.levels = levels;
    item->node.next = item->levels;
    return item;
}

/* Puts a copy of map in the place of there (NULL: a new item). */
static void store(struct ddb_table *table, struct ddb_item *there, const struct ddb_value *map,
                  int64_t now_ms, struct ddb_written *ret)
{
    struct ddb_item *item = there == NULL ? new_item(table) : there;
    table->model->retired = item->map; /* lives on until the next call: ret->old_item */
    table->bytes -= item->bytes;
    item->map = ddb_value_copy(map);
    item->bytes = ddb_item_size(map);
    table->bytes += item->bytes;
    const struct ddb_schema *schema = &table->schema;
    item->node.key = ddb_key_make(
        ddb_value_get(item->map, schema->hash_name),
        slice_is_null(schema->range_name) ? NULL : ddb_value_get(item->map, schema->range_name));
    if (there == NULL)
        ddb_index_insert(&table->index, &item->node);
    set_expiry(table, item, now_ms);
    ret->new_item = item->map;
}

static bool updated_item(struct ddb_table *table, const struct ddb_update *update,
                         const struct ddb_value *base, struct ddb_value *ret,
                         struct model_error *reterr)
{
    struct slice names[2] = {table->schema.hash_name, table->schema.range_name};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (!slice_is_null(names[i]) && ddb_update_touches(update, names[i]))
            return model_refuse(reterr, INVALID,
                                "One or more parameter values were invalid: Cannot update "
                                "attribute %.*s. This attribute is part of the key",
                                SLICE_ARG(names[i]));
    }
    ddb_update_apply(update, base, &table->model->scratch, ret);
    return check_item_size(ret, "Item size to update", reterr);
}

bool dynamodb_model_write(struct ddb_table *table, const struct ddb_write *write, int64_t now_ms,
                          struct ddb_written *ret, struct model_error *reterr)
{
    *ret = (struct ddb_written){0};
    ddb_table_begin(table, now_ms);
    struct ddb_scope none = {0};
    struct ddb_scope *scope = write->scope == NULL ? &none : write->scope;
    struct model_arena *scratch = &table->model->scratch;
    const struct ddb_condition *condition;
    const struct ddb_update *update = NULL;
    struct ddb_key key;
    if (!check_write(table, write, &key, reterr) ||
        !ddb_condition_parse("ConditionExpression", write->condition, scope, scratch, &condition,
                             reterr) ||
        (write->kind == DDB_UPDATE &&
         !ddb_update_parse(write->update, scope, scratch, &update, reterr)) ||
        !ddb_scope_check_all_used(scope, reterr))
        return false;

    struct ddb_item *there = ddb_item_of(ddb_index_find(&table->index, &key));
    size_t before = there == NULL ? 0 : there->bytes;
    const struct ddb_value *after = write->kind == DDB_DELETE ? NULL : write->item;
    struct ddb_value updated;
    if (update != NULL) {
        if (!updated_item(table, update, there == NULL ? write->item : there->map, &updated,
                          reterr))
            return false;
        after = &updated;
    }
    ret->old_item = there == NULL ? NULL : there->map;
    if (!ddb_condition_holds(condition, ret->old_item)) {
        ret->write_units = write_units(before, 0);
        return model_refuse(reterr, 400, "ConditionalCheckFailedException", NULL,
                            "The conditional request failed");
    }
    ret->write_units = write_units(before, after == NULL ? 0 : ddb_item_size(after));
    if (after != NULL) {
        store(table, there, after, now_ms, ret);
    } else if (there != NULL) {
        table->model->retired = there->map;
        remove_item(table, there);
    }
    return true;
}
