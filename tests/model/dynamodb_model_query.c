#include <string.h>

#include "common/check.h"
#include "common/mem.h"
#include "tests/model/dynamodb_model_internal.h"

#define INVALID         400, "ValidationException", NULL
#define READ_UNIT_BYTES 4096

uint64_t dynamodb_model_read_half_units(size_t bytes, bool consistent)
{
    uint64_t units = bytes == 0 ? 1 : (bytes + READ_UNIT_BYTES - 1) / READ_UNIT_BYTES;
    return consistent ? 2 * units : units;
}

bool dynamodb_model_get(struct ddb_table *table, const struct ddb_value *key, int64_t now_ms,
                        const struct ddb_value **ret_item, struct model_error *reterr)
{
    ddb_table_begin(table, now_ms);
    struct ddb_key wanted;
    if (!ddb_check_key(table, key, &wanted, reterr))
        return false;
    struct ddb_item *item = ddb_item_of(ddb_index_find(&table->index, &wanted));
    *ret_item = item == NULL ? NULL : item->map;
    return true;
}

/* Where a walk begins, which way it goes, and what it must not leave. */
struct walk {
    struct ddb_table *table;
    bool scan;
    bool backward;
    struct ddb_key partition; /* of a query */
    struct ddb_key_condition condition;
};

/* Before (-1), in (0) or beyond (1) the range, in the order of sort keys. */
static int place_in_range(const struct ddb_key_condition *c, const struct ddb_value *range)
{
    int order = 0;
    int end = 0;
    if (c->range_operator == DDB_KEY_ANY)
        return 0;
    CHECK(ddb_value_compare(range, c->range, &order));
    switch (c->range_operator) {
    case DDB_KEY_ANY:
        return 0;
    case DDB_KEY_EQ:
        return order;
    case DDB_KEY_LT:
        return order < 0 ? 0 : 1;
    case DDB_KEY_LE:
        return order <= 0 ? 0 : 1;
    case DDB_KEY_GT:
        return order > 0 ? 0 : -1;
    case DDB_KEY_GE:
        return order >= 0 ? 0 : -1;
    case DDB_KEY_BETWEEN:
        CHECK(ddb_value_compare(range, c->range_end, &end));
        return order < 0 ? -1 : end > 0;
    case DDB_KEY_BEGINS_WITH:
        if (range->bytes.len >= c->range->bytes.len &&
            memcmp(range->bytes.ptr, c->range->bytes.ptr, c->range->bytes.len) == 0)
            return 0;
        return order;
    }
    UNREACHABLE();
}

static bool in_partition(const struct walk *walk, const struct ddb_node *node)
{
    int order = 0;
    return node->key.hash_of_hash == walk->partition.hash_of_hash &&
           ddb_value_compare(node->key.hash, walk->partition.hash, &order) && order == 0;
}

static struct ddb_node *step(const struct walk *walk, const struct ddb_node *node)
{
    return walk->backward ? ddb_index_previous(&walk->table->index, node) : ddb_index_next(node);
}

/* NULL at the end of what the query asks for. */
static struct ddb_node *settle(const struct walk *walk, struct ddb_node *node)
{
    if (walk->scan)
        return node;
    int beyond = walk->backward ? -1 : 1;
    while (node != NULL && in_partition(walk, node)) {
        int place = node->key.range == NULL ? 0 : place_in_range(&walk->condition, node->key.range);
        if (place == 0)
            return node;
        if ((place > 0) == (beyond > 0))
            return NULL;
        node = step(walk, node);
    }
    return NULL;
}

static struct ddb_node *first_node(const struct walk *walk)
{
    struct ddb_index *index = &walk->table->index;
    if (walk->scan)
        return ddb_index_first(index);
    const struct ddb_key_condition *c = &walk->condition;
    struct ddb_key key = walk->partition;
    if (!walk->backward) {
        bool bounded = c->range_operator == DDB_KEY_EQ || c->range_operator == DDB_KEY_GT ||
                       c->range_operator == DDB_KEY_GE || c->range_operator == DDB_KEY_BETWEEN ||
                       c->range_operator == DDB_KEY_BEGINS_WITH;
        key.range = bounded ? c->range : NULL;
        return settle(walk, ddb_index_seek(index, &key, c->range_operator == DDB_KEY_GT));
    }
    bool bounded = c->range_operator == DDB_KEY_EQ || c->range_operator == DDB_KEY_LT ||
                   c->range_operator == DDB_KEY_LE || c->range_operator == DDB_KEY_BETWEEN;
    key.range = c->range_operator == DDB_KEY_BETWEEN ? c->range_end : c->range;
    key.behind_all = !bounded;
    struct ddb_node *above = ddb_index_seek(index, &key, c->range_operator != DDB_KEY_LT);
    return settle(walk, ddb_index_previous(index, above));
}

static struct ddb_node *node_after(const struct walk *walk, const struct ddb_key *start)
{
    struct ddb_index *index = &walk->table->index;
    if (!walk->backward)
        return settle(walk, ddb_index_seek(index, start, true));
    return settle(walk, ddb_index_previous(index, ddb_index_seek(index, start, false)));
}

static const struct ddb_value *key_map(struct ddb_table *table, const struct ddb_value *hash,
                                       const struct ddb_value *range)
{
    struct model_arena *scratch = &table->model->scratch;
    struct ddb_pair *pairs = model_arena_take(scratch, 2 * sizeof(*pairs));
    struct ddb_value *map = model_arena_take(scratch, sizeof(*map));
    pairs[0] = (struct ddb_pair){table->schema.hash_name, *hash};
    if (range != NULL)
        pairs[1] = (struct ddb_pair){table->schema.range_name, *range};
    *map = (struct ddb_value){.type = DDB_M, .pairs = pairs, .count = range == NULL ? 1 : 2};
    return map;
}

/* A key just before the node, so that going on from it gives the node: its sort key without the
 * last byte. The start key where that would go back behind it. */
static const struct ddb_value *key_before(const struct walk *walk, const struct ddb_query *query,
                                          const struct ddb_key *start, const struct ddb_node *node)
{
    const struct ddb_value *range = node->key.range;
    if (range == NULL || range->type == DDB_N || range->bytes.len < 2 || walk->backward)
        return query->start_key;
    struct ddb_value *shorter = model_arena_take(&walk->table->model->scratch, sizeof(*shorter));
    *shorter = *range;
    shorter->bytes.len--;
    struct ddb_key key = ddb_key_make(node->key.hash, shorter);
    if (query->start_key != NULL && ddb_key_compare(&key, start) <= 0)
        return query->start_key;
    if (!walk->scan && place_in_range(&walk->condition, shorter) != 0)
        return query->start_key;
    return key_map(walk->table, node->key.hash, shorter);
}

static bool refuse_filter_on_keys(const struct ddb_table *table, const struct ddb_query *query,
                                  const struct ddb_condition *filter, struct model_error *reterr)
{
    struct slice names[2] = {table->schema.hash_name, table->schema.range_name};
    for (size_t i = 0; i < ARRAY_LEN(names) && !query->scan; i++) {
        if (!slice_is_null(names[i]) && ddb_condition_names(filter, names[i]))
            return model_refuse(reterr, INVALID,
                                "Filter Expression can only contain non-primary key attributes: "
                                "Primary key attribute: %.*s",
                                SLICE_ARG(names[i]));
    }
    return true;
}

static bool check_range_types(const struct ddb_table *table, const struct ddb_key_condition *c,
                              struct model_error *reterr)
{
    bool valid = c->hash->type == table->schema.hash_type && c->hash->bytes.len > 0 &&
                 (c->range == NULL || c->range->type == table->schema.range_type) &&
                 (c->range_end == NULL || c->range_end->type == table->schema.range_type) &&
                 !(c->range_operator == DDB_KEY_BEGINS_WITH && c->range->type == DDB_N);
    if (!valid)
        return model_refuse(reterr, INVALID,
                            "One or more parameter values were invalid: Condition parameter type "
                            "does not match schema type");
    int order = 0;
    if (c->range_end != NULL && ddb_value_compare(c->range, c->range_end, &order) && order > 0)
        return model_refuse(reterr, INVALID,
                            "Invalid KeyConditionExpression: The BETWEEN operator requires upper "
                            "bound to be greater than or equal to lower bound");
    return true;
}

static void collect(const struct walk *walk, const struct ddb_query *query,
                    const struct ddb_condition *filter, struct ddb_node *node, struct ddb_page *ret)
{
    struct model_arena *scratch = &walk->table->model->scratch;
    size_t capacity = 64;
    const struct ddb_value **items = model_arena_take(scratch, capacity * sizeof(*items));
    size_t bytes = 0;
    struct ddb_node *last = NULL;
    for (; node != NULL; node = settle(walk, step(walk, node))) {
        const struct ddb_item *item = ddb_item_of(node);
        bytes += item->bytes;
        ret->scanned++;
        last = node;
        if (ddb_condition_holds(filter, item->map)) {
            if (ret->count == capacity) {
                const struct ddb_value **more =
                    model_arena_take(scratch, 2 * capacity * sizeof(*more));
                memcpy(more, items, capacity * sizeof(*more));
                items = more;
                capacity *= 2;
            }
            items[ret->count++] = item->map;
        }
        /* As AWS: the item that fills the page is in it, and a full page or Limit gives a last key
         * although nothing may follow it. */
        if (bytes >= DDB_PAGE_BYTES_MAX ||
            (query->limit > 0 && ret->scanned == (size_t)query->limit))
            break;
    }
    if (node != NULL && last != NULL)
        ret->last_key = key_map(walk->table, last->key.hash, last->key.range);
    ret->items = items;
    ret->read_half_units = dynamodb_model_read_half_units(bytes, query->consistent);
}

bool dynamodb_model_query(struct ddb_table *table, const struct ddb_query *query, int64_t now_ms,
                          struct ddb_page *ret, struct model_error *reterr)
{
    *ret = (struct ddb_page){0};
    ddb_table_begin(table, now_ms);
    struct model_arena *scratch = &table->model->scratch;
    struct ddb_scope none = {0};
    struct ddb_scope *scope = query->scope == NULL ? &none : query->scope;
    struct walk walk = {.table = table, .scan = query->scan, .backward = query->backward};
    const struct ddb_condition *filter;
    struct ddb_key start = {0};
    if (query->limit < 0)
        return model_refuse(reterr, INVALID, "Limit must be greater than or equal to 1");
    if (!query->scan && (!ddb_key_condition_parse(query->key_condition, table->schema.hash_name,
                                                  table->schema.range_name, scope, scratch,
                                                  &walk.condition, reterr) ||
                         !check_range_types(table, &walk.condition, reterr)))
        return false;
    if (!ddb_condition_parse("FilterExpression", query->filter, scope, scratch, &filter, reterr) ||
        !ddb_projection_parse(query->projection, scope, scratch, &ret->projection, reterr) ||
        !ddb_scope_check_all_used(scope, reterr) ||
        !refuse_filter_on_keys(table, query, filter, reterr))
        return false;
    if (query->start_key != NULL && !ddb_check_key(table, query->start_key, &start, reterr))
        return model_refuse(reterr, INVALID, "The provided starting key is invalid");
    if (!query->scan) {
        walk.partition = ddb_key_make(walk.condition.hash, NULL);
        struct ddb_node probe = {.key = start};
        if (query->start_key != NULL &&
            (!in_partition(&walk, &probe) ||
             (start.range != NULL && place_in_range(&walk.condition, start.range) != 0)))
            return model_refuse(reterr, INVALID,
                                "The provided starting key is outside query boundaries based on "
                                "provided conditions");
    }
    struct ddb_node *node =
        query->start_key == NULL ? first_node(&walk) : node_after(&walk, &start);
    if (query->fault_empty_page && node != NULL) {
        ret->last_key = key_before(&walk, query, &start, node);
        ret->read_half_units = dynamodb_model_read_half_units(0, query->consistent);
        if (ret->last_key != NULL)
            return true;
    }
    collect(&walk, query, filter, node, ret);
    return true;
}
