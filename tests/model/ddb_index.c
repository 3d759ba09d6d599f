#include "tests/model/ddb_index.h"

#include "common/check.h"
#include "tests/model/model_map.h"

struct ddb_key ddb_key_make(const struct ddb_value *hash, const struct ddb_value *range)
{
    return (struct ddb_key){.hash_of_hash = model_hash(hash->bytes), .hash = hash, .range = range};
}

/* Keys of one table have one type, so a comparison always has an answer. */
static int compare_values(const struct ddb_value *a, const struct ddb_value *b)
{
    int order = 0;
    CHECK(ddb_value_compare(a, b, &order));
    return order;
}

int ddb_key_compare(const struct ddb_key *a, const struct ddb_key *b)
{
    if (a->hash_of_hash != b->hash_of_hash)
        return a->hash_of_hash < b->hash_of_hash ? -1 : 1;
    int order = compare_values(a->hash, b->hash);
    if (order != 0)
        return order;
    if (a->behind_all || b->behind_all)
        return a->behind_all - b->behind_all;
    if (a->range == NULL || b->range == NULL)
        return (a->range != NULL) - (b->range != NULL);
    return compare_values(a->range, b->range);
}

void ddb_index_init(struct ddb_index *index, uint64_t seed)
{
    *index = (struct ddb_index){0};
    prng_init(&index->random, seed);
    index->head.levels = DDB_INDEX_LEVELS;
    index->head.next = index->head_next;
    index->last = &index->head;
}

int ddb_index_draw_levels(struct ddb_index *index)
{
    uint64_t random = prng_next(&index->random);
    int levels = 1;
    for (; levels < DDB_INDEX_LEVELS && (random & 3) == 0; levels++)
        random >>= 2;
    return levels;
}

/* before[l] is the last node of level l whose key is before the key (or, if after, not behind). */
static void find_before(struct ddb_index *index, const struct ddb_key *key, bool after,
                        struct ddb_node *before[DDB_INDEX_LEVELS])
{
    struct ddb_node *node = &index->head;
    for (int level = DDB_INDEX_LEVELS - 1; level >= 0; level--) {
        while (node->next[level] != NULL) {
            int order = ddb_key_compare(&node->next[level]->key, key);
            if (order > 0 || (order == 0 && !after))
                break;
            node = node->next[level];
        }
        before[level] = node;
    }
}

void ddb_index_insert(struct ddb_index *index, struct ddb_node *node)
{
    struct ddb_node *before[DDB_INDEX_LEVELS];
    find_before(index, &node->key, false, before);
    node->previous = before[0];
    for (int level = 0; level < node->levels; level++) {
        node->next[level] = before[level]->next[level];
        before[level]->next[level] = node;
    }
    if (node->next[0] == NULL)
        index->last = node;
    else
        node->next[0]->previous = node;
    index->count++;
}

void ddb_index_remove(struct ddb_index *index, struct ddb_node *node)
{
    struct ddb_node *before[DDB_INDEX_LEVELS];
    find_before(index, &node->key, false, before);
    CHECK(before[0]->next[0] == node);
    for (int level = 0; level < node->levels; level++)
        before[level]->next[level] = node->next[level];
    if (node->next[0] == NULL)
        index->last = before[0];
    else
        node->next[0]->previous = before[0];
    index->count--;
}

struct ddb_node *ddb_index_seek(struct ddb_index *index, const struct ddb_key *key, bool after)
{
    struct ddb_node *before[DDB_INDEX_LEVELS];
    find_before(index, key, after, before);
    return before[0]->next[0];
}

struct ddb_node *ddb_index_find(struct ddb_index *index, const struct ddb_key *key)
{
    struct ddb_node *node = ddb_index_seek(index, key, false);
    return node != NULL && ddb_key_compare(&node->key, key) == 0 ? node : NULL;
}

struct ddb_node *ddb_index_first(const struct ddb_index *index)
{
    return index->head.next[0];
}

struct ddb_node *ddb_index_next(const struct ddb_node *node)
{
    return node->next[0];
}

struct ddb_node *ddb_index_previous(const struct ddb_index *index, const struct ddb_node *node)
{
    struct ddb_node *previous = node == NULL ? index->last : node->previous;
    return previous == &index->head ? NULL : previous;
}
