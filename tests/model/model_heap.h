/* A growing heap of deadlines whose nodes their owners embed; a node knows its place, so that it
 * can be moved or removed in O(log n). Ties go by the order of setting. */
#ifndef TESTS_MODEL_MODEL_HEAP_H
#define TESTS_MODEL_MODEL_HEAP_H

#include <stddef.h>
#include <stdint.h>

struct model_heap_node {
    int64_t at_ms;
    uint64_t order;
    size_t place; /* 1 + index in the heap; 0: not in it (so zeroed memory is a valid node) */
};

struct model_heap {
    struct model_heap_node **nodes;
    size_t len;
    size_t capacity;
    uint64_t next_order;
};

void model_heap_init(struct model_heap *heap);
void model_heap_release(struct model_heap *heap);
/* Puts the node at a time, or moves it there. */
void model_heap_set(struct model_heap *heap, struct model_heap_node *node, int64_t at_ms);
void model_heap_remove(struct model_heap *heap, struct model_heap_node *node); /* absent is fine */
/* INT64_MAX when empty. */
int64_t model_heap_next_ms(const struct model_heap *heap);
/* The earliest node that is due at now_ms, removed; NULL if none is. */
struct model_heap_node *model_heap_pop(struct model_heap *heap, int64_t now_ms);

#endif
