/* Envelope ids -> numbers in fixed storage (open addressing), and the memory of what was delivered
 * lately. Ids are halves of SHA-256, so their first bytes are hash enough; a foreign id chosen to
 * collide costs probes, never correctness. */
#ifndef RELAY_CORE_IDS_H
#define RELAY_CORE_IDS_H

#include <stdbool.h>
#include <stdint.h>

#include "common/envelope.h"
#include "common/timeval.h"

#define RELAY_IDS_ABSENT UINT32_MAX

struct relay_ids_cell {
    struct envelope_id id;
    uint32_t value_plus_one; /* 0: empty */
};

/* Zeroed cells are an empty table; at most half of them may be in use. */
struct relay_ids {
    struct relay_ids_cell *cells;
    uint32_t mask; /* cells - 1, cells a power of two */
};

uint32_t relay_ids_find(const struct relay_ids *t, const struct envelope_id *id);
/* Adds, or replaces the value of an id that is there. */
void relay_ids_put(struct relay_ids *t, const struct envelope_id *id, uint32_t value);
void relay_ids_remove(struct relay_ids *t, const struct envelope_id *id); /* absent is fine */

struct relay_done_entry {
    struct envelope_id id;
    struct mono_ms at;
};

/* The newest `capacity` ids, each for ttl_ms; when full the oldest is forgotten, which can only
 * cost a duplicate. */
struct relay_done {
    struct relay_ids ids;
    struct relay_done_entry *ring;
    uint32_t capacity;
    uint32_t oldest;
    uint32_t count;
    int64_t ttl_ms;
};

void relay_done_add(struct relay_done *d, const struct envelope_id *id, struct mono_ms now);
bool relay_done_has(const struct relay_done *d, const struct envelope_id *id, struct mono_ms now);

#endif
