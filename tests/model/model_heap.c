#include "tests/model/model_heap.h"

#include <stdbool.h>

#include "common/mem.h"

#define FIRST_CAPACITY 16

void model_heap_init(struct model_heap *heap)
{
    *heap = (struct model_heap){0};
}

void model_heap_release(struct model_heap *heap)
{
    mem_free(heap->nodes);
    *heap = (struct model_heap){0};
}

static bool earlier(const struct model_heap_node *a, const struct model_heap_node *b)
{
    return a->at_ms != b->at_ms ? a->at_ms < b->at_ms : a->order < b->order;
}

static void put(struct model_heap *heap, size_t index, struct model_heap_node *node)
{
    heap->nodes[index] = node;
    node->place = index + 1;
}

static void sift_up(struct model_heap *heap, size_t index)
{
    struct model_heap_node *node = heap->nodes[index];
    while (index > 0) {
        size_t parent = (index - 1) / 2;
        if (!earlier(node, heap->nodes[parent]))
            break;
        put(heap, index, heap->nodes[parent]);
        index = parent;
    }
    put(heap, index, node);
}

static void sift_down(struct model_heap *heap, size_t index)
{
    struct model_heap_node *node = heap->nodes[index];
    for (;;) {
        size_t child = 2 * index + 1;
        if (child >= heap->len)
            break;
        if (child + 1 < heap->len && earlier(heap->nodes[child + 1], heap->nodes[child]))
            child++;
        if (!earlier(heap->nodes[child], node))
            break;
        put(heap, index, heap->nodes[child]);
        index = child;
    }
    put(heap, index, node);
}

void model_heap_set(struct model_heap *heap, struct model_heap_node *node, int64_t at_ms)
{
    model_heap_remove(heap, node);
    if (heap->len == heap->capacity) {
        heap->capacity = heap->capacity == 0 ? FIRST_CAPACITY : 2 * heap->capacity;
        heap->nodes = mem_realloc(heap->nodes, heap->capacity * sizeof(*heap->nodes));
    }
    node->at_ms = at_ms;
    node->order = heap->next_order++;
    put(heap, heap->len++, node);
    sift_up(heap, heap->len - 1);
}

void model_heap_remove(struct model_heap *heap, struct model_heap_node *node)
{
    if (node->place == 0)
        return;
    size_t index = node->place - 1;
    node->place = 0;
    struct model_heap_node *last = heap->nodes[--heap->len];
    if (last == node)
        return;
    put(heap, index, last);
    sift_up(heap, index);
    sift_down(heap, last->place - 1);
}

int64_t model_heap_next_ms(const struct model_heap *heap)
{
    return heap->len == 0 ? INT64_MAX : heap->nodes[0]->at_ms;
}

struct model_heap_node *model_heap_pop(struct model_heap *heap, int64_t now_ms)
{
    if (heap->len == 0 || heap->nodes[0]->at_ms > now_ms)
        return NULL;
    struct model_heap_node *node = heap->nodes[0];
    model_heap_remove(heap, node);
    return node;
}
