/* Intake: a record becomes a member of the open envelope of its due second and path, a large record
 * with parts, or a dead letter. Envelopes close when they are large enough, when their linger has
 * passed, or when somebody waits for their records. */
#include "router/router_core_internal.h"

#define RATIO_WEIGHT       8  /* an envelope moves the learnt ratio by an eighth */
#define RATIO_PERMILLE_MIN 10 /* a frame of zeros says nothing about the next */

static int64_t floor_second(int64_t ms)
{
    int64_t rest = ms % ENVELOPE_SPAN_MS;
    return ms - (rest < 0 ? rest + ENVELOPE_SPAN_MS : rest);
}

/* --- the table of open envelopes: linear probing, no tombstones ------------------------------ */

static uint32_t home(int64_t second_ms, enum delay_path path)
{
    uint64_t key = (uint64_t)(second_ms / ENVELOPE_SPAN_MS) * 2 + (uint64_t)path;
    return (uint32_t)(key * UINT64_C(0x9e3779b97f4a7c15) >> 40) & (ROUTER_TABLE_SIZE - 1);
}

static uint32_t home_of(const struct router_core *c, uint32_t slot)
{
    return home(c->envelopes[slot].second_ms, c->envelopes[slot].path);
}

static uint32_t open_find(const struct router_core *c, int64_t second_ms, enum delay_path path)
{
    for (uint32_t i = home(second_ms, path);; i = (i + 1) & (ROUTER_TABLE_SIZE - 1)) {
        if (c->open_table[i] == 0)
            return ROUTER_NONE;
        uint32_t slot = c->open_table[i] - 1;
        if (c->envelopes[slot].second_ms == second_ms && c->envelopes[slot].path == path)
            return slot;
    }
}

static void open_insert(struct router_core *c, uint32_t slot)
{
    uint32_t i = home_of(c, slot);
    while (c->open_table[i] != 0)
        i = (i + 1) & (ROUTER_TABLE_SIZE - 1);
    c->open_table[i] = slot + 1;
    c->open++;
}

static void open_remove(struct router_core *c, uint32_t slot)
{
    uint32_t mask = ROUTER_TABLE_SIZE - 1;
    uint32_t hole = home_of(c, slot);
    while (c->open_table[hole] != slot + 1)
        hole = (hole + 1) & mask;
    for (uint32_t i = (hole + 1) & mask; c->open_table[i] != 0; i = (i + 1) & mask) {
        uint32_t from = home_of(c, c->open_table[i] - 1);
        if (((i - from) & mask) < ((i - hole) & mask))
            continue; /* it would stand before its home */
        c->open_table[hole] = c->open_table[i];
        hole = i;
    }
    c->open_table[hole] = 0;
    c->open--;
}

/* --- opening and closing --------------------------------------------------------------------- */

static int64_t linger(const struct router_core *c, int64_t remaining_ms)
{
    int64_t remaining = MAX(remaining_ms, 0);
    int64_t wait = remaining / 1000 * c->limits.linger_permille +
                   remaining % 1000 * c->limits.linger_permille / 1000;
    wait = MIN(MAX(wait, c->limits.linger_min_ms), c->limits.linger_max_ms);
    return MIN(wait, remaining / 2); /* never most of what is left; due already: this turn */
}

static void choose_shard(struct router_core *c, struct router_envelope *e)
{
    e->shard = c->next_shard;
    c->next_shard = (c->next_shard + 1) % c->limits.shards;
}

static void close_envelope(struct router_turn *t, uint32_t slot)
{
    struct router_core *c = t->core;
    struct router_envelope *e = &c->envelopes[slot];
    CHECK(e->state == ROUTER_ENVELOPE_OPEN && e->records > 0);
    timer_heap_remove(&c->linger[e->path].heap, slot);
    open_remove(c, slot);
    e->window = e->records;
    choose_shard(c, e);
    router_envelope_encoding(c, e);
    c->stats.envelopes_closed[e->path]++;
    router_turn_effect(t, ROUTER_EFFECT_CLOSE)->id = router_envelope_id(c, slot);
}

static void evict(struct router_turn *t)
{
    struct router_core *c = t->core;
    if (c->open == 0 || c->envelopes_used < c->limits.envelopes_max / 8 * 7)
        return;
    struct timer_heap *near = &c->linger[DELAY_PATH_SHORT].heap;
    struct timer_heap *far = &c->linger[DELAY_PATH_LONG].heap;
    bool take_near = timer_heap_next(near) <= timer_heap_next(far);
    uint32_t slot = timer_heap_pop(take_near ? near : far, TIME_NEVER);
    CHECK(slot != TIMER_HEAP_ABSENT);
    c->envelopes[slot].linger_ms = t->now.mono.ms;
    c->stats.envelopes_evicted++;
    close_envelope(t, slot);
}

static uint32_t open_envelope(struct router_turn *t, int64_t second_ms, int64_t due_ms,
                              enum delay_path path)
{
    struct router_core *c = t->core;
    evict(t);
    uint32_t slot = router_envelope_take(c, ROUTER_PACK);
    struct router_envelope *e = &c->envelopes[slot];
    e->path = path;
    e->second_ms = second_ms;
    e->first_due_ms = due_ms;
    e->linger_ms = time_add(t->now.mono.ms, linger(c, time_sub(due_ms, t->now.wall.ms)));
    timer_heap_set(&c->linger[path].heap, slot, e->linger_ms);
    open_insert(c, slot);
    return slot;
}

/* A record that is due before the others takes its time from them. */
static void hurry(struct router_turn *t, uint32_t slot, int64_t due_ms)
{
    struct router_core *c = t->core;
    struct router_envelope *e = &c->envelopes[slot];
    int64_t linger_ms = time_add(t->now.mono.ms, linger(c, time_sub(due_ms, t->now.wall.ms)));
    e->first_due_ms = due_ms;
    if (linger_ms >= e->linger_ms)
        return;
    e->linger_ms = linger_ms;
    timer_heap_set(&c->linger[e->path].heap, slot, linger_ms);
}

static uint64_t estimate(const struct router_core *c, uint64_t raw_bytes)
{
    return raw_bytes * c->ratio_permille / 1000;
}

static bool fits(const struct router_core *c, const struct router_envelope *e, uint32_t bytes)
{
    uint64_t sum = (uint64_t)e->raw_bytes + bytes;
    return e->records < c->limits.records_max && sum <= c->limits.raw_bytes_max &&
           estimate(c, sum) <= c->limits.target_bytes;
}

static bool full(const struct router_core *c, const struct router_envelope *e)
{
    return e->records == c->limits.records_max || e->raw_bytes >= c->limits.raw_bytes_max ||
           estimate(c, e->raw_bytes) >= c->limits.target_bytes;
}

/* --- events ---------------------------------------------------------------------------------- */

static void pack(struct router_turn *t, const struct router_event *event, uint32_t node,
                 enum delay_path path)
{
    struct router_core *c = t->core;
    int64_t due_ms = event->record.due_ms;
    int64_t second_ms = floor_second(due_ms);
    uint32_t slot = open_find(c, second_ms, path);
    if (slot != ROUTER_NONE && !fits(c, &c->envelopes[slot], event->record.bytes)) {
        close_envelope(t, slot);
        slot = ROUTER_NONE;
    }
    if (slot == ROUTER_NONE)
        slot = open_envelope(t, second_ms, due_ms, path);
    struct router_envelope *e = &c->envelopes[slot];
    if (due_ms < e->first_due_ms)
        hurry(t, slot, due_ms);
    c->nodes[node].due_offset_ms = (uint16_t)(due_ms - second_ms);
    router_envelope_add(c, slot, node, event->record.bytes);
    router_turn_effect(t, ROUTER_EFFECT_APPEND)->id = router_envelope_id(c, slot);
    if (full(c, e))
        close_envelope(t, slot);
}

static void store_large(struct router_turn *t, const struct router_event *event, uint32_t node,
                        enum delay_path path)
{
    struct router_core *c = t->core;
    uint32_t slot = router_envelope_take(c, ROUTER_LARGE);
    struct router_envelope *e = &c->envelopes[slot];
    e->path = path;
    e->second_ms = floor_second(event->record.due_ms);
    e->first_due_ms = event->record.due_ms;
    e->window = 1;
    choose_shard(c, e);
    router_envelope_encoding(c, e);
    router_envelope_add(c, slot, node, event->record.bytes);
    c->stats.records_large++;
    c->stats.envelopes_closed[path]++;
    router_turn_effect(t, ROUTER_EFFECT_STORE_LARGE)->id = router_envelope_id(c, slot);
}

static void reject(struct router_turn *t, const struct router_event *event, uint32_t node)
{
    struct router_core *c = t->core;
    uint32_t slot = router_envelope_take(c, ROUTER_REJECT);
    router_envelope_add(c, slot, node, event->record.bytes);
    router_turn_effect(t, ROUTER_EFFECT_KEEP)->id = router_envelope_id(c, slot);
    router_dead_letter(t, slot);
}

void router_on_record(struct router_turn *t, const struct router_event *event)
{
    struct router_core *c = t->core;
    CHECK(event->record.partition < ROUTER_PARTITIONS_MAX);
    const struct router_partition *p = &c->partitions[event->record.partition];
    if (c->stopping || p->state != ROUTER_PARTITION_ASSIGNED) {
        c->stats.strays++;
        return;
    }
    if (event->record.offset <= p->taken) {
        c->stats.replays++;
        return;
    }
    CHECK(router_core_accepts(c));
    uint32_t node = router_offset_take(c, event->record.partition, event->record.offset);
    c->stats.records_taken++;
    c->stats.bytes_taken += event->record.bytes;
    enum delay_path path = delay_path(event->record.due_ms, t->now.wall.ms, c->limits.horizon_ms);
    switch (event->record.verdict) {
    case ROUTER_RECORD_ACCEPTED:
        pack(t, event, node, path);
        return;
    case ROUTER_RECORD_LARGE:
        store_large(t, event, node, path);
        return;
    case ROUTER_RECORD_REJECTED:
        reject(t, event, node);
        return;
    }
    UNREACHABLE();
}

static void learn_ratio(struct router_core *c, uint32_t raw_bytes, uint32_t frame_bytes)
{
    uint64_t seen = (uint64_t)frame_bytes * 1000 / MAX(raw_bytes, 1);
    seen = MIN(MAX(seen, RATIO_PERMILLE_MIN), 1000);
    uint64_t sum = (uint64_t)c->ratio_permille * (RATIO_WEIGHT - 1) + seen;
    c->ratio_permille = (uint32_t)((sum + RATIO_WEIGHT / 2) / RATIO_WEIGHT);
}

void router_envelope_encoding(struct router_core *c, struct router_envelope *e)
{
    e->state = ROUTER_ENVELOPE_ENCODING;
    c->services[router_service_of(e->path)].encoding++;
}

void router_on_encoded(struct router_turn *t, const struct router_event *event)
{
    struct router_core *c = t->core;
    struct router_envelope *e = router_envelope_find(c, event->encoded.id);
    if (e == NULL || e->state != ROUTER_ENVELOPE_ENCODING) {
        c->stats.foreign++;
        return;
    }
    uint32_t slot = router_slot(event->encoded.id);
    c->services[router_service_of(e->path)].encoding--;
    e->frame_bytes = event->encoded.frame_bytes;
    c->stats.frame_bytes += e->frame_bytes;
    if (e->kind == ROUTER_LARGE) {
        router_parts_start(t, slot, event->encoded.blob_bytes);
        return;
    }
    if (!e->split)
        learn_ratio(c, e->raw_bytes, e->frame_bytes);
    router_send_queue(t, slot, e->is_retry);
}

/* While a service can take no more, waiting longer costs nothing and packs better; but a long
 * envelope must come into its queue some time, where its cut-off is watched. */
static bool holds_back(const struct router_core *c, enum delay_path path)
{
    return !c->stopping && !c->revoke.active && router_send_saturated(c, router_service_of(path));
}

static int64_t close_at(const struct router_core *c, enum delay_path path)
{
    int64_t at = timer_heap_next(&c->linger[path].heap);
    if (at == TIME_NEVER)
        return TIME_NEVER;
    if (holds_back(c, path))
        return time_add(at, c->limits.linger_max_ms);
    return c->stopping || c->paused ? INT64_MIN : at;
}

void router_pack_advance(struct router_turn *t)
{
    struct router_core *c = t->core;
    for (int path = 0; path < ROUTER_PATHS; path++) {
        while (close_at(c, (enum delay_path)path) <= t->now.mono.ms) {
            if (!router_turn_has_room(t, 1)) {
                c->more = true;
                return;
            }
            close_envelope(t, timer_heap_pop(&c->linger[path].heap, TIME_NEVER));
        }
    }
}

int64_t router_pack_wake(const struct router_core *c)
{
    return MIN(close_at(c, DELAY_PATH_SHORT), close_at(c, DELAY_PATH_LONG));
}
