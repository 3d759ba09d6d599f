/* The order of a table: a skip list by (hash of the partition key, partition key, sort key). One
 * partition is a run in sort-key order, and a scan walks the whole. */
#ifndef TESTS_MODEL_DDB_INDEX_H
#define TESTS_MODEL_DDB_INDEX_H

#include <stdbool.h>
#include <stdint.h>

#include "common/prng.h"
#include "tests/model/ddb_value.h"

#define DDB_INDEX_LEVELS 20 /* 4^20 items: more than memory holds */

/* Borrowed values; range NULL sorts before every sort key and is the key of a table without one. */
struct ddb_key {
    uint64_t hash_of_hash; /* ddb_key_make fills it in */
    const struct ddb_value *hash;
    const struct ddb_value *range;
    bool behind_all; /* for seeking: behind every sort key of the partition */
};
struct ddb_key ddb_key_make(const struct ddb_value *hash, const struct ddb_value *range);
int ddb_key_compare(const struct ddb_key *a, const struct ddb_key *b);

struct ddb_node {
    struct ddb_key key; /* its values live as long as the node */
    struct ddb_node *previous;
    int levels;
    struct ddb_node **next; /* room for levels, the owner's */
};

struct ddb_index {
    struct prng random;
    struct ddb_node head; /* a node of all levels without a key: an index must not be moved */
    struct ddb_node *head_next[DDB_INDEX_LEVELS];
    struct ddb_node *last;
    uint64_t count;
};

void ddb_index_init(struct ddb_index *index, uint64_t seed);

/* How many levels the next node should have; the owner allocates it. */
int ddb_index_draw_levels(struct ddb_index *index);
void ddb_index_insert(struct ddb_index *index,
                      struct ddb_node *node); /* its key is not there yet */
void ddb_index_remove(struct ddb_index *index, struct ddb_node *node);

struct ddb_node *ddb_index_find(struct ddb_index *index, const struct ddb_key *key);
/* The first node whose key is not before (after == false) or is behind (after == true) the key;
 * NULL: none. */
struct ddb_node *ddb_index_seek(struct ddb_index *index, const struct ddb_key *key, bool after);
struct ddb_node *ddb_index_first(const struct ddb_index *index);
struct ddb_node *ddb_index_next(const struct ddb_node *node);
/* node NULL: the last one. */
struct ddb_node *ddb_index_previous(const struct ddb_index *index, const struct ddb_node *node);

#endif
