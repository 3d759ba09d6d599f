#include "relay/relay_core_ids.h"

#include <string.h>

static uint32_t home(const struct relay_ids *t, const struct envelope_id *id)
{
    uint32_t hash;
    memcpy(&hash, id->bytes, sizeof(hash));
    return hash & t->mask;
}

static bool same_id(const struct envelope_id *a, const struct envelope_id *b)
{
    return memcmp(a->bytes, b->bytes, ENVELOPE_ID_SIZE) == 0;
}

/* The cell of the id, or the empty one where it would go. */
static uint32_t probe(const struct relay_ids *t, const struct envelope_id *id)
{
    uint32_t at = home(t, id);
    while (t->cells[at].value_plus_one != 0 && !same_id(&t->cells[at].id, id))
        at = (at + 1) & t->mask;
    return at;
}

uint32_t relay_ids_find(const struct relay_ids *t, const struct envelope_id *id)
{
    uint32_t value = t->cells[probe(t, id)].value_plus_one;
    return value == 0 ? RELAY_IDS_ABSENT : value - 1;
}

void relay_ids_put(struct relay_ids *t, const struct envelope_id *id, uint32_t value)
{
    t->cells[probe(t, id)] = (struct relay_ids_cell){.id = *id, .value_plus_one = value + 1};
}

void relay_ids_remove(struct relay_ids *t, const struct envelope_id *id)
{
    uint32_t hole = probe(t, id);
    if (t->cells[hole].value_plus_one == 0)
        return;
    /* Moves back whatever the hole would cut off from its home: no tombstones to clean up. */
    for (uint32_t at = (hole + 1) & t->mask; t->cells[at].value_plus_one != 0;
         at = (at + 1) & t->mask) {
        uint32_t from_home = (at - home(t, &t->cells[at].id)) & t->mask;
        uint32_t from_hole = (at - hole) & t->mask;
        if (from_home >= from_hole) {
            t->cells[hole] = t->cells[at];
            hole = at;
        }
    }
    t->cells[hole] = (struct relay_ids_cell){.value_plus_one = 0};
}

static void forget_oldest(struct relay_done *d)
{
    const struct envelope_id *id = &d->ring[d->oldest].id;
    if (relay_ids_find(&d->ids, id) == d->oldest) /* else it was added again since */
        relay_ids_remove(&d->ids, id);
    d->oldest = (d->oldest + 1) % d->capacity;
    d->count--;
}

void relay_done_add(struct relay_done *d, const struct envelope_id *id, struct mono_ms now)
{
    while (d->count > 0 &&
           (d->count == d->capacity || time_sub(now.ms, d->ring[d->oldest].at.ms) >= d->ttl_ms))
        forget_oldest(d);
    uint32_t at = (d->oldest + d->count) % d->capacity;
    d->ring[at] = (struct relay_done_entry){.id = *id, .at = now};
    d->count++;
    relay_ids_put(&d->ids, id, at);
}

bool relay_done_has(const struct relay_done *d, const struct envelope_id *id, struct mono_ms now)
{
    uint32_t at = relay_ids_find(&d->ids, id);
    return at != RELAY_IDS_ABSENT && time_sub(now.ms, d->ring[at].at.ms) < d->ttl_ms;
}
