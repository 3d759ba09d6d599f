/* What the files of the DynamoDB model share; nobody else includes it. */
#ifndef TESTS_MODEL_DYNAMODB_MODEL_INTERNAL_H
#define TESTS_MODEL_DYNAMODB_MODEL_INTERNAL_H

#include "common/prng.h"
#include "tests/model/ddb_index.h"
#include "tests/model/dynamodb_model.h"
#include "tests/model/model_arena.h"
#include "tests/model/model_heap.h"
#include "tests/model/model_list.h"
#include "tests/model/model_map.h"

struct ddb_item {
    struct model_heap_node expiry;
    struct ddb_value *map; /* owned; the node's key points into it */
    size_t bytes;
    struct ddb_node node;
    struct ddb_node *levels[];
};

struct ddb_table {
    struct model_list_node by_creation;
    struct model_map_node by_name;
    struct dynamodb_model *model;
    struct ddb_schema schema; /* names point behind the struct */
    struct ddb_index index;
    struct model_heap expiries; /* empty while TTL is off */
    bool ttl_enabled;
    char *ttl_attribute; /* owned; NULL: never enabled */
    int64_t ttl_changed_ms;
    int64_t created_ms;
    uint64_t bytes;
    uint64_t expired;
    struct slice name;
};

struct dynamodb_model {
    struct prng random;
    struct model_map by_name;
    struct model_list tables;
    struct model_arena scratch; /* what one call gives back */
    struct ddb_value *retired;  /* the item that the last call replaced */
};

/* Begins a call: forgets what the last one gave back, lets items expire. */
void ddb_table_begin(struct ddb_table *table, int64_t now_ms);

/* A map of exactly the key attributes, of the right types and sizes -> a key. */
NODISCARD bool ddb_check_key(const struct ddb_table *table, const struct ddb_value *map,
                             struct ddb_key *ret, struct model_error *reterr);

static inline struct ddb_item *ddb_item_of(struct ddb_node *node)
{
    return node == NULL ? NULL : container_of(node, struct ddb_item, node);
}

#endif
