/* DynamoDB's attribute values. A tree that borrows, or (by ddb_value_copy) one that owns itself. */
#ifndef TESTS_MODEL_DDB_VALUE_H
#define TESTS_MODEL_DDB_VALUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/slice.h"

enum ddb_type {
    DDB_S,
    DDB_N, /* canonical text: see ddb_number.h */
    DDB_B,
    DDB_BOOL,
    DDB_NULL,
    DDB_L,
    DDB_M,
    DDB_SS,
    DDB_NS,
    DDB_BS,
};

struct ddb_pair;

struct ddb_value {
    enum ddb_type type;
    bool flag;                        /* BOOL */
    struct slice bytes;               /* S, N, B */
    const struct ddb_value *elements; /* L and the sets */
    const struct ddb_pair *pairs;     /* M */
    size_t count;                     /* of elements or pairs */
};

struct ddb_pair {
    struct slice name;
    struct ddb_value value;
};

/* "S", "NULL", ... */
const char *ddb_type_name(enum ddb_type type);

/* One block of memory, to be freed with mem_free. */
struct ddb_value *ddb_value_copy(const struct ddb_value *value);

/* Of a map; NULL if it is not there. */
const struct ddb_value *ddb_value_get(const struct ddb_value *map, struct slice name);

/* Types equal and content equal; sets and maps whatever their order. */
bool ddb_value_equal(const struct ddb_value *a, const struct ddb_value *b);
/* Of two values of one type among S, N, B; otherwise false. */
bool ddb_value_compare(const struct ddb_value *a, const struct ddb_value *b, int *ret_order);

/* Bytes as DynamoDB bills and limits them; of an item's map: names and values. */
size_t ddb_item_size(const struct ddb_value *map);

#endif
