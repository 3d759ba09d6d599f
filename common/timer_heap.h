/* A binary heap of deadlines over slots that the caller owns: O(log n) insert, move and remove,
 * because the heap tells each slot its place. Ties go by sequence number, so that replays agree. */
#ifndef COMMON_TIMER_HEAP_H
#define COMMON_TIMER_HEAP_H

#include <stdbool.h>
#include <stdint.h>

#define TIMER_HEAP_ABSENT UINT32_MAX

struct timer_heap_entry {
    int64_t at;
    uint64_t sequence;
    uint32_t slot;
};

/* entries[capacity] and places[slots] belong to the caller and outlive the heap; places[slot] is
 * where the slot stands in the heap, or TIMER_HEAP_ABSENT. */
struct timer_heap {
    struct timer_heap_entry *entries;
    uint32_t *places;
    uint32_t len;
    uint32_t capacity;
    uint64_t next_sequence;
};

void timer_heap_init(struct timer_heap *h, struct timer_heap_entry *entries, uint32_t *places,
                     uint32_t capacity);

/* Puts the slot at a time, or moves it there if it is in the heap already. slot < capacity. */
void timer_heap_set(struct timer_heap *h, uint32_t slot, int64_t at);
void timer_heap_remove(struct timer_heap *h, uint32_t slot); /* absent is fine */

/* The earliest deadline, TIME_NEVER if there is none. */
int64_t timer_heap_next(const struct timer_heap *h);

/* Removes and returns the earliest slot due at or before `at`; TIMER_HEAP_ABSENT if none. */
uint32_t timer_heap_pop(struct timer_heap *h, int64_t at);

static inline bool timer_heap_has(const struct timer_heap *h, uint32_t slot)
{
    return h->places[slot] != TIMER_HEAP_ABSENT;
}

#endif
