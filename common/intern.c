#include "common/intern.h"

#include <string.h>

#include "common/check.h"
#include "common/mem.h"

#define FIRST_CAPACITY 8
/* So many are compared before any is hashed: most tables hold no more. */
#define COMPARED_MAX 4

void intern_init(struct intern *t)
{
    *t = (struct intern){.count = 0};
    buf_init(&t->bytes, UINT32_MAX);
}

void intern_release(struct intern *t)
{
    buf_release(&t->bytes);
    mem_free(t->entries);
    mem_free(t->slots);
    intern_init(t);
}

void intern_clear(struct intern *t)
{
    buf_clear(&t->bytes);
    if (t->count > 0)
        memset(t->slots, 0, t->slot_count * sizeof(*t->slots));
    t->count = 0;
}

static uint64_t fnv1a(struct slice key)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < key.len; i++)
        hash = (hash ^ key.ptr[i]) * UINT64_C(0x100000001b3);
    return hash ^ hash >> 32;
}

static void insert_slot(struct intern *t, uint32_t number)
{
    uint32_t mask = t->slot_count - 1;
    uint32_t slot = (uint32_t)t->entries[number].hash & mask;
    while (t->slots[slot] != 0)
        slot = (slot + 1) & mask;
    t->slots[slot] = number + 1;
}

/* Half of the slots at most are taken, so a search always finds a free one. */
static void grow(struct intern *t)
{
    t->capacity = t->capacity == 0 ? FIRST_CAPACITY : t->capacity * 2;
    CHECK(t->capacity <= UINT32_MAX / 4);
    t->entries = mem_realloc(t->entries, t->capacity * sizeof(*t->entries));
    mem_free(t->slots);
    t->slot_count = 2 * t->capacity;
    t->slots = mem_calloc(t->slot_count, sizeof(*t->slots));
    for (uint32_t i = 0; i < t->count; i++)
        insert_slot(t, i);
}

struct slice intern_get(const struct intern *t, uint32_t number)
{
    CHECK(number < t->count);
    return slice_from(buf_slice(&t->bytes).ptr + t->entries[number].start, t->entries[number].len);
}

static bool find(const struct intern *t, uint64_t hash, struct slice key, uint32_t *ret_number)
{
    if (t->count == 0)
        return false;
    uint32_t mask = t->slot_count - 1;
    for (uint32_t slot = (uint32_t)hash & mask; t->slots[slot] != 0; slot = (slot + 1) & mask) {
        uint32_t number = t->slots[slot] - 1;
        if (t->entries[number].hash == hash && slice_equal(intern_get(t, number), key)) {
            *ret_number = number;
            return true;
        }
    }
    return false;
}

uint32_t intern_put(struct intern *t, struct slice key)
{
    for (uint32_t i = 0; i < MIN(t->count, COMPARED_MAX); i++) {
        if (slice_equal(intern_get(t, i), key))
            return i;
    }
    uint64_t hash = fnv1a(key);
    uint32_t number;
    if (find(t, hash, key, &number))
        return number;
    if (t->count == t->capacity)
        grow(t);
    number = t->count++;
    t->entries[number] = (struct intern_entry){
        .hash = hash, .start = (uint32_t)t->bytes.len, .len = (uint32_t)key.len};
    buf_append_slice(&t->bytes, key);
    CHECK(!t->bytes.overflow);
    insert_slot(t, number);
    return number;
}
