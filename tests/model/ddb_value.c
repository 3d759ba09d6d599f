#include "tests/model/ddb_value.h"

#include <string.h>

#include "common/check.h"
#include "common/mem.h"
#include "tests/model/ddb_number.h"

const char *ddb_type_name(enum ddb_type type)
{
    static const char *const names[] = {
        [DDB_S] = "S", [DDB_N] = "N", [DDB_B] = "B",   [DDB_BOOL] = "BOOL", [DDB_NULL] = "NULL",
        [DDB_L] = "L", [DDB_M] = "M", [DDB_SS] = "SS", [DDB_NS] = "NS",     [DDB_BS] = "BS",
    };
    return names[type];
}

/* Room for structs first, then for bytes: one pass counts, one copies. */
struct room {
    size_t structs;
    size_t bytes;
};

static void count_room(const struct ddb_value *value, struct room *room)
{
    room->bytes += value->bytes.len;
    if (value->elements != NULL)
        room->structs += value->count * sizeof(struct ddb_value);
    if (value->pairs != NULL)
        room->structs += value->count * sizeof(struct ddb_pair);
    for (size_t i = 0; i < value->count; i++) {
        if (value->pairs != NULL) {
            room->bytes += value->pairs[i].name.len;
            count_room(&value->pairs[i].value, room);
        } else {
            count_room(&value->elements[i], room);
        }
    }
}

struct cursor {
    uint8_t *structs;
    uint8_t *bytes;
};

static struct slice copy_bytes(struct slice from, struct cursor *to)
{
    if (slice_is_null(from))
        return SLICE_NULL;
    struct slice copy = slice_from(to->bytes, from.len);
    if (from.len > 0)
        memcpy(to->bytes, from.ptr, from.len);
    to->bytes += from.len;
    return copy;
}

static void copy_into(struct ddb_value *target, const struct ddb_value *from, struct cursor *to)
{
    *target = *from;
    target->bytes = copy_bytes(from->bytes, to);
    if (from->pairs != NULL) {
        struct ddb_pair *pairs = (struct ddb_pair *)(void *)to->structs;
        to->structs += from->count * sizeof(*pairs);
        for (size_t i = 0; i < from->count; i++) {
            pairs[i].name = copy_bytes(from->pairs[i].name, to);
            copy_into(&pairs[i].value, &from->pairs[i].value, to);
        }
        target->pairs = pairs;
    } else if (from->elements != NULL) {
        struct ddb_value *elements = (struct ddb_value *)(void *)to->structs;
        to->structs += from->count * sizeof(*elements);
        for (size_t i = 0; i < from->count; i++)
            copy_into(&elements[i], &from->elements[i], to);
        target->elements = elements;
    }
}

struct ddb_value *ddb_value_copy(const struct ddb_value *value)
{
    struct room room = {.structs = sizeof(*value)};
    count_room(value, &room);
    struct ddb_value *copy = mem_alloc(room.structs + room.bytes);
    struct cursor to = {(uint8_t *)(copy + 1), (uint8_t *)copy + room.structs};
    copy_into(copy, value, &to);
    return copy;
}

const struct ddb_value *ddb_value_get(const struct ddb_value *map, struct slice name)
{
    for (size_t i = 0; map != NULL && i < map->count; i++) {
        if (slice_equal(map->pairs[i].name, name))
            return &map->pairs[i].value;
    }
    return NULL;
}

static bool sets_equal(const struct ddb_value *a, const struct ddb_value *b)
{
    for (size_t i = 0; i < a->count; i++) {
        bool found = false;
        for (size_t k = 0; k < b->count && !found; k++)
            found = ddb_value_equal(&a->elements[i], &b->elements[k]);
        if (!found)
            return false;
    }
    return true;
}

bool ddb_value_equal(const struct ddb_value *a, const struct ddb_value *b)
{
    if (a->type != b->type || a->count != b->count)
        return false;
    switch (a->type) {
    case DDB_S:
    case DDB_N:
    case DDB_B:
        return slice_equal(a->bytes, b->bytes);
    case DDB_BOOL:
        return a->flag == b->flag;
    case DDB_NULL:
        return true;
    case DDB_SS:
    case DDB_NS:
    case DDB_BS:
        return sets_equal(a, b);
    case DDB_L:
        for (size_t i = 0; i < a->count; i++) {
            if (!ddb_value_equal(&a->elements[i], &b->elements[i]))
                return false;
        }
        return true;
    case DDB_M:
        for (size_t i = 0; i < a->count; i++) {
            const struct ddb_value *other = ddb_value_get(b, a->pairs[i].name);
            if (other == NULL || !ddb_value_equal(&a->pairs[i].value, other))
                return false;
        }
        return true;
    }
    UNREACHABLE();
}

bool ddb_value_compare(const struct ddb_value *a, const struct ddb_value *b, int *ret_order)
{
    if (a->type != b->type)
        return false;
    if (a->type == DDB_S || a->type == DDB_B)
        *ret_order = slice_compare(a->bytes, b->bytes);
    else if (a->type == DDB_N)
        *ret_order = ddb_number_compare(a->bytes, b->bytes);
    else
        return false;
    return true;
}

static size_t value_size(const struct ddb_value *value)
{
    size_t size = 0;
    switch (value->type) {
    case DDB_S:
    case DDB_B:
        return value->bytes.len;
    case DDB_N:
        return ddb_number_size(value->bytes);
    case DDB_BOOL:
    case DDB_NULL:
        return 1;
    case DDB_SS:
    case DDB_NS:
    case DDB_BS:
        for (size_t i = 0; i < value->count; i++)
            size += value_size(&value->elements[i]);
        return size;
    case DDB_L:
        size = 3;
        for (size_t i = 0; i < value->count; i++)
            size += 1 + value_size(&value->elements[i]);
        return size;
    case DDB_M:
        return 3 + value->count + ddb_item_size(value);
    }
    UNREACHABLE();
}

size_t ddb_item_size(const struct ddb_value *map)
{
    size_t size = 0;
    for (size_t i = 0; i < map->count; i++)
        size += map->pairs[i].name.len + value_size(&map->pairs[i].value);
    return size;
}
