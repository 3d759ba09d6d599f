/* Numbers distinct byte strings 0, 1, 2, ... in the order in which they are first seen. */
#ifndef COMMON_INTERN_H
#define COMMON_INTERN_H

#include <stdint.h>

#include "common/buf.h"
#include "common/slice.h"

struct intern_entry {
    uint64_t hash;
    uint32_t start; /* in bytes */
    uint32_t len;
};

struct intern {
    struct buf bytes; /* of all strings, one after the other */
    struct intern_entry *entries;
    uint32_t count;
    uint32_t capacity;
    uint32_t *slots; /* open addressing: number + 1; 0 is free */
    uint32_t slot_count;
};

void intern_init(struct intern *t);
void intern_release(struct intern *t);
void intern_clear(struct intern *t); /* keeps the memory */

/* The number of key, which is copied if it is new. */
uint32_t intern_put(struct intern *t, struct slice key);
/* Valid until the next put. */
struct slice intern_get(const struct intern *t, uint32_t number);

#endif
