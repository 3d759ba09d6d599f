#include "tests/model/model_map.h"

#include "common/check.h"
#include "common/mem.h"

#define FIRST_BUCKETS 16

uint64_t model_hash(struct slice key)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < key.len; i++)
        hash = (hash ^ key.ptr[i]) * UINT64_C(0x100000001b3);
    hash ^= hash >> 32; /* FNV mixes upwards only; the table uses the low bits */
    hash *= UINT64_C(0x9e3779b97f4a7c15);
    return hash ^ (hash >> 29);
}

void model_map_init(struct model_map *map)
{
    *map = (struct model_map){.buckets = mem_calloc(FIRST_BUCKETS, sizeof(*map->buckets)),
                              .bucket_count = FIRST_BUCKETS};
}

void model_map_release(struct model_map *map)
{
    mem_free(map->buckets);
    *map = (struct model_map){0};
}

static struct model_map_node **bucket_of(const struct model_map *map, uint64_t hash)
{
    return &map->buckets[hash & (map->bucket_count - 1)];
}

struct model_map_node *model_map_find(const struct model_map *map, struct slice key)
{
    uint64_t hash = model_hash(key);
    for (struct model_map_node *node = *bucket_of(map, hash); node != NULL; node = node->next) {
        if (node->hash == hash && slice_equal(node->key, key))
            return node;
    }
    return NULL;
}

static void grow(struct model_map *map)
{
    struct model_map_node **old = map->buckets;
    size_t old_count = map->bucket_count;
    map->bucket_count *= 2;
    map->buckets = mem_calloc(map->bucket_count, sizeof(*map->buckets));
    for (size_t i = 0; i < old_count; i++) {
        while (old[i] != NULL) {
            struct model_map_node *node = old[i];
            old[i] = node->next;
            struct model_map_node **bucket = bucket_of(map, node->hash);
            node->next = *bucket;
            *bucket = node;
        }
    }
    mem_free(old);
}

void model_map_insert(struct model_map *map, struct model_map_node *node, struct slice key)
{
    if (map->count >= map->bucket_count)
        grow(map);
    node->hash = model_hash(key);
    node->key = key;
    struct model_map_node **bucket = bucket_of(map, node->hash);
    node->next = *bucket;
    *bucket = node;
    map->count++;
}

void model_map_remove(struct model_map *map, struct model_map_node *node)
{
    struct model_map_node **at = bucket_of(map, node->hash);
    while (*at != node) {
        CHECK(*at != NULL);
        at = &(*at)->next;
    }
    *at = node->next;
    map->count--;
}
