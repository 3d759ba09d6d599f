#include "common/timer_heap.h"

#include "common/check.h"
#include "common/timeval.h"

void timer_heap_init(struct timer_heap *h, struct timer_heap_entry *entries, uint32_t *places,
                     uint32_t capacity)
{
    *h = (struct timer_heap){.entries = entries, .places = places, .capacity = capacity};
    for (uint32_t i = 0; i < capacity; i++)
        places[i] = TIMER_HEAP_ABSENT;
}

static bool earlier(const struct timer_heap_entry *a, const struct timer_heap_entry *b)
{
    return a->at != b->at ? a->at < b->at : a->sequence < b->sequence;
}

static void place(struct timer_heap *h, uint32_t index, struct timer_heap_entry entry)
{
    h->entries[index] = entry;
    h->places[entry.slot] = index;
}

static void sift_up(struct timer_heap *h, uint32_t index)
{
    struct timer_heap_entry entry = h->entries[index];
    while (index > 0) {
        uint32_t parent = (index - 1) / 2;
        if (!earlier(&entry, &h->entries[parent]))
            break;
        place(h, index, h->entries[parent]);
        index = parent;
    }
    place(h, index, entry);
}

static void sift_down(struct timer_heap *h, uint32_t index)
{
    struct timer_heap_entry entry = h->entries[index];
    for (;;) {
        uint32_t child = 2 * index + 1;
        if (child >= h->len)
            break;
        if (child + 1 < h->len && earlier(&h->entries[child + 1], &h->entries[child]))
            child++;
        if (!earlier(&h->entries[child], &entry))
            break;
        place(h, index, h->entries[child]);
        index = child;
    }
    place(h, index, entry);
}

void timer_heap_set(struct timer_heap *h, uint32_t slot, int64_t at)
{
    CHECK(slot < h->capacity);
    timer_heap_remove(h, slot);
    struct timer_heap_entry entry = {.at = at, .sequence = h->next_sequence++, .slot = slot};
    place(h, h->len, entry);
    sift_up(h, h->len++);
}

void timer_heap_remove(struct timer_heap *h, uint32_t slot)
{
    uint32_t index = h->places[slot];
    if (index == TIMER_HEAP_ABSENT)
        return;
    h->places[slot] = TIMER_HEAP_ABSENT;
    h->len--;
    if (index == h->len)
        return;
    place(h, index, h->entries[h->len]);
    sift_down(h, index);
    sift_up(h, index);
}

int64_t timer_heap_next(const struct timer_heap *h)
{
    return h->len == 0 ? TIME_NEVER : h->entries[0].at;
}

uint32_t timer_heap_pop(struct timer_heap *h, int64_t at)
{
    if (h->len == 0 || h->entries[0].at > at)
        return TIMER_HEAP_ABSENT;
    uint32_t slot = h->entries[0].slot;
    timer_heap_remove(h, slot);
    return slot;
}
