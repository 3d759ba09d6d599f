/* A hash map of nodes that their owners embed. Iteration is not offered: a model that walked in
 * hash order could not be replayed. */
#ifndef TESTS_MODEL_MODEL_MAP_H
#define TESTS_MODEL_MODEL_MAP_H

#include <stddef.h>
#include <stdint.h>

#include "common/slice.h"

struct model_map_node {
    struct model_map_node *next;
    uint64_t hash;
    struct slice key; /* bytes belong to the owner of the node and outlive it */
};

struct model_map {
    struct model_map_node **buckets;
    size_t bucket_count;
    size_t count;
};

void model_map_init(struct model_map *map);
void model_map_release(struct model_map *map); /* the table only; nodes belong to their owners */

struct model_map_node *model_map_find(const struct model_map *map, struct slice key);
/* The key must not be there. */
void model_map_insert(struct model_map *map, struct model_map_node *node, struct slice key);
void model_map_remove(struct model_map *map, struct model_map_node *node);

/* The hash that the map uses: equal on every host. */
uint64_t model_hash(struct slice key);

#endif
