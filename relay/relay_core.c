#include "relay/relay_core.h"

#include <string.h>

#include "common/check.h"
#include "relay/relay_core_internal.h"

/* --- storage --------------------------------------------------------------------------------- */

static uint32_t power_of_two_above(uint32_t n)
{
    uint32_t power = 1;
    while (power < n)
        power *= 2;
    return power;
}

/* Hands out pieces of one block; with base NULL it only measures. */
struct carver {
    char *base;
    size_t at;
};

static void *carve(struct carver *carver, size_t count, size_t size)
{
    size_t start = (carver->at + 15) & ~(size_t)15;
    carver->at = start + count * size;
    return carver->base == NULL ? NULL : carver->base + start;
}

static void carve_heap(struct carver *carver, struct timer_heap *h, uint32_t slots)
{
    struct timer_heap_entry *entries = carve(carver, slots, sizeof(*entries));
    uint32_t *places = carve(carver, slots, sizeof(*places));
    if (carver->base != NULL)
        timer_heap_init(h, entries, places, slots);
}

static void carve_ids(struct carver *carver, struct relay_ids *t, uint32_t most)
{
    uint32_t cells = power_of_two_above(2 * most);
    t->cells = carve(carver, cells, sizeof(*t->cells));
    t->mask = cells - 1;
}

static void carve_all(struct carver *carver, const struct relay_limits *l, struct relay_core *c)
{
    c->slots = carve(carver, l->slots, sizeof(*c->slots));
    c->pending_bits = carve(carver, l->slots, RELAY_PENDING_WORDS * sizeof(*c->pending_bits));
    c->records = carve(carver, l->window_records, sizeof(*c->records));
    carve_heap(carver, &c->unpack, l->slots);
    carve_heap(carver, &c->due, l->slots);
    carve_heap(carver, &c->wake, l->slots);
    carve_heap(carver, &c->fetch, l->slots);
    carve_ids(carver, &c->held, l->slots);
    c->done.ring = carve(carver, l->done_ids, sizeof(*c->done.ring));
    carve_ids(carver, &c->done.ids, l->done_ids);
}

size_t relay_core_storage_bytes(const struct relay_limits *limits)
{
    struct relay_core measured;
    memset(&measured, 0, sizeof(measured));
    struct carver carver = {NULL, 0};
    carve_all(&carver, limits, &measured);
    return carver.at;
}

void relay_core_init(struct relay_core *c, const struct relay_limits *limits, void *storage,
                     uint64_t seed)
{
    CHECK(limits->slots >= RELAY_POLL_MESSAGES && limits->slots <= RELAY_SLOTS_MAX);
    CHECK(limits->window_records > 0 && limits->done_ids > 0);
    CHECK(limits->polls_max > 0 && limits->polls_max <= RELAY_POLLS_MAX);
    CHECK(limits->visibility_ms >= 2 * MS_PER_SECOND);
    CHECK(limits->margin_ms < limits->visibility_ms / 2);
    CHECK(limits->hold_ms >= limits->lead_ms + MS_PER_SECOND);

    memset(c, 0, sizeof(*c));
    c->limits = *limits;
    prng_init(&c->random, seed);
    struct carver carver = {storage, 0};
    carve_all(&carver, limits, c);
    c->done.capacity = limits->done_ids;
    c->done.ttl_ms = limits->done_ttl_ms;
    c->slots_free = RELAY_NONE;
    c->records_free = RELAY_NONE;
    for (int q = 0; q < RELAY_QUEUES; q++) {
        c->polls[q].want = 1;
        for (int call = 0; call < RELAY_CALLS; call++)
            c->calls[q][call] = (struct relay_list){RELAY_NONE, RELAY_NONE};
    }
}

/* --- slots ----------------------------------------------------------------------------------- */

struct relay_effect *relay_effect_add(struct relay_effects *out, enum relay_effect_type type)
{
    CHECK(out->count < RELAY_EFFECTS_MAX);
    struct relay_effect *effect = &out->items[out->count++];
    effect->type = type;
    return effect;
}

uint32_t relay_core_free_slot(const struct relay_core *c)
{
    if (c->slots_free != RELAY_NONE)
        return c->slots_free;
    CHECK(c->slots_fresh < c->limits.slots);
    return c->slots_fresh;
}

struct relay_ref relay_core_ref(const struct relay_core *c, uint32_t slot)
{
    CHECK(slot < c->limits.slots);
    return relay_slot_ref(c, &c->slots[slot]);
}

bool relay_core_is_settled(const struct relay_core *c, struct relay_ref ref)
{
    const struct relay_slot *s = &c->slots[ref.index];
    return s->generation == ref.generation && s->state == RELAY_SLOT_DELETING &&
           s->settled == s->records;
}

struct relay_slot *relay_slot_find(struct relay_core *c, struct relay_ref ref)
{
    if (ref.index < c->slots_fresh) {
        struct relay_slot *s = &c->slots[ref.index];
        if (s->generation == ref.generation && s->state != RELAY_SLOT_FREE)
            return s;
    }
    c->counters.stray_completions++;
    return NULL;
}

struct relay_slot *relay_slot_take(struct relay_core *c, uint32_t slot)
{
    CHECK(slot == relay_core_free_slot(c));
    struct relay_slot *s = &c->slots[slot];
    if (slot == c->slots_fresh)
        c->slots_fresh++;
    else
        c->slots_free = s->list_next;
    c->slots_used++;
    uint32_t generation = s->generation;
    *s = (struct relay_slot){
        .generation = generation,
        .visible_at = {TIME_NEVER},
        .call_at = {TIME_NEVER},
        .again_at = {TIME_NEVER},
        .dead_at = {TIME_NEVER},
        .alone_at = {TIME_NEVER},
        .again = {RELAY_NONE, RELAY_NONE},
        .dead = {RELAY_NONE, RELAY_NONE},
        .suspects = {RELAY_NONE, RELAY_NONE},
        .alone = RELAY_NONE,
        .list_next = RELAY_NONE,
        .list_prev = RELAY_NONE,
    };
    return s;
}

void relay_bytes_set(struct relay_core *c, struct relay_slot *s, int64_t bytes)
{
    c->bytes += bytes - s->bytes;
    s->bytes = bytes;
}

void relay_packing_set(struct relay_core *c, struct relay_slot *s, enum relay_packing packing,
                       int64_t unpacked_bytes)
{
    if (s->packing == RELAY_PACKED)
        c->packed_bytes -= s->unpacked_bytes;
    else if (s->packing == RELAY_UNPACKED)
        c->unpacked_bytes -= s->unpacked_bytes;
    if (packing == RELAY_PACKED)
        c->packed_bytes += unpacked_bytes;
    else if (packing == RELAY_UNPACKED)
        c->unpacked_bytes += unpacked_bytes;
    s->packing = (uint8_t)packing;
    s->unpacked_bytes = unpacked_bytes;
}

int64_t relay_core_budget_used(const struct relay_core *c)
{
    int64_t room = MAX(c->limits.unpacked_bytes - c->unpacked_bytes, 0);
    return c->bytes + MIN(c->packed_bytes, room);
}

void relay_slot_unindex(struct relay_core *c, struct relay_slot *s)
{
    if (s->indexed)
        relay_ids_remove(&c->held, &s->id);
    s->indexed = false;
}

void relay_slot_release(struct relay_core *c, struct relay_slot *s, struct relay_effects *out)
{
    uint32_t index = relay_slot_index(c, s);
    relay_effect_add(out, RELAY_FREE)->slot = relay_slot_ref(c, s);
    relay_slot_unindex(c, s);
    if (s->call_queued)
        relay_call_unqueue(c, s);
    /* What has been emitted stays until it is settled. */
    CHECK(s->pending == 0 && relay_list_empty(&s->again) && relay_list_empty(&s->dead) &&
          relay_list_empty(&s->suspects));
    c->waiting_records -= s->records - s->settled;
    c->blobs -= s->blob_open;
    relay_bytes_set(c, s, 0);
    relay_packing_set(c, s, RELAY_PACKING_NONE, 0);
    s->state = RELAY_SLOT_FREE;
    s->generation++;
    relay_slot_arm(c, s);
    s->list_next = c->slots_free;
    c->slots_free = index;
    c->slots_used--;
}

static void heap_put(struct timer_heap *h, uint32_t slot, int64_t at)
{
    if (at == TIME_NEVER)
        timer_heap_remove(h, slot);
    else if (!timer_heap_has(h, slot) || h->entries[h->places[slot]].at != at)
        timer_heap_set(h, slot, at);
}

void relay_slot_arm(struct relay_core *c, struct relay_slot *s)
{
    int64_t unpack = s->state == RELAY_SLOT_PACKED ? s->unpack_at.ms : TIME_NEVER;
    int64_t due = TIME_NEVER;
    int64_t wake = TIME_NEVER;
    int64_t fetch = TIME_NEVER;
    if (s->state != RELAY_SLOT_FREE && !s->call_queued && !s->call_sent)
        wake = s->call_at.ms;
    if (s->state == RELAY_SLOT_HELD && !s->emitting) {
        if (s->next < s->records)
            due = s->second_ms + s->due_offsets[s->next];
        if (!relay_list_empty(&s->again))
            wake = MIN(wake, s->again_at.ms);
        if (relay_suspect_waits(s))
            wake = MIN(wake, s->alone_at.ms);
    }
    if (s->state == RELAY_SLOT_HELD && !relay_list_empty(&s->dead))
        wake = MIN(wake, s->dead_at.ms);
    if (s->state == RELAY_SLOT_BLOB_WAITING) {
        if (s->again_at.ms == TIME_NEVER)
            fetch = s->first_due_ms;
        else
            wake = MIN(wake, s->again_at.ms);
    }
    uint32_t index = relay_slot_index(c, s);
    heap_put(&c->unpack, index, unpack);
    heap_put(&c->due, index, due);
    heap_put(&c->wake, index, wake);
    heap_put(&c->fetch, index, fetch);
}

int64_t relay_backoff_ms(struct relay_core *c, uint32_t tries)
{
    int64_t most = RELAY_RETRY_FIRST_MS;
    for (uint32_t i = 0; i < tries && most < RELAY_RETRY_MOST_MS; i++)
        most *= 2;
    most = MIN(most, RELAY_RETRY_MOST_MS);
    return most / 2 + (int64_t)prng_below(&c->random, (uint64_t)(most / 2) + 1);
}

int64_t relay_throttled_backoff_ms(struct relay_core *c, uint32_t tries, struct now now)
{
    relay_note_throttle(c, now);
    return relay_backoff_ms(c, MIN(tries, RELAY_THROTTLED_DOUBLINGS));
}

/* --- the pump: what time and room allow ------------------------------------------------------ */

static void wake_slot(struct relay_core *c, struct relay_slot *s, struct now now,
                      struct relay_effects *out)
{
    if (!s->call_queued && !s->call_sent && s->call_at.ms <= now.mono.ms &&
        !relay_slot_call_due(c, s, now, out))
        return;
    if (s->state == RELAY_SLOT_HELD) {
        if (!s->emitting && !relay_list_empty(&s->again) && s->again_at.ms <= now.mono.ms)
            relay_emit_again(c, s, now, out);
        if (!s->emitting && relay_suspect_waits(s) && s->alone_at.ms <= now.mono.ms)
            relay_emit_alone(c, s, now, out);
        if (!relay_list_empty(&s->dead) && s->dead_at.ms <= now.mono.ms)
            relay_dead_letter_next(c, s, now, out);
    } else if (s->state == RELAY_SLOT_BLOB_WAITING && s->again_at.ms <= now.mono.ms) {
        s->again_at = (struct mono_ms){TIME_NEVER};
    }
    relay_slot_arm(c, s);
}

/* Calls and retries first: after a pause, holds that ran out are given up before anything is
 * emitted. */
static void pump(struct relay_core *c, bool tick, struct now now, struct relay_effects *out)
{
    if (c->full && now.mono.ms >= c->full_until.ms)
        c->full = false;
    while (relay_room(out)) {
        uint32_t slot = timer_heap_pop(&c->wake, now.mono.ms);
        if (slot == TIMER_HEAP_ABSENT)
            break;
        wake_slot(c, &c->slots[slot], now, out);
    }
    relay_fetches_start(c, out);
    relay_emit_due(c, now, out);
    /* What unpacking answers would ask for the next, and nobody would look at the network. */
    if (tick)
        relay_unpack_next(c, now, out);
    relay_calls_flush(c, now, out);
    relay_polls_start(c, now, out);
}

static void on_stop(struct relay_core *c, struct now now)
{
    c->stopping = true;
    for (uint32_t i = 0; i < c->slots_fresh; i++) {
        struct relay_slot *s = &c->slots[i];
        bool blob = s->state == RELAY_SLOT_BLOB_WAITING || s->state == RELAY_SLOT_BLOB_FETCHING;
        bool held = s->state == RELAY_SLOT_PACKED || s->state == RELAY_SLOT_DECODING ||
                    s->state == RELAY_SLOT_HELD || blob;
        bool later = s->first_due_ms > time_add(now.wall.ms, c->limits.stop_hold_ms);
        bool failing = blob && s->again_tries > 0;
        if (held && s->indexed && relay_slot_untouched(s) && !s->emitting && (later || failing))
            relay_slot_leave(c, s, RELAY_LEAVE_BACK, now);
    }
}

void relay_core_step(struct relay_core *c, const struct relay_event *ev, struct now now,
                     struct relay_effects *out)
{
    out->count = 0;
    switch (ev->type) {
    case RELAY_TICK:
        break;
    case RELAY_STOP:
        on_stop(c, now);
        break;
    case RELAY_RECEIVED:
        relay_on_received(c, &ev->received, now, out);
        break;
    case RELAY_POLLED:
        relay_on_polled(c, &ev->polled, now);
        break;
    case RELAY_DECODED:
        relay_on_decoded(c, &ev->decoded, now);
        break;
    case RELAY_FETCHED:
        relay_on_fetched(c, &ev->fetched, now);
        break;
    case RELAY_EMITTED:
        relay_on_emitted(c, &ev->emitted, now);
        break;
    case RELAY_REPORT:
        relay_on_report(c, &ev->report, now);
        break;
    case RELAY_REPORTS:
        for (uint32_t i = 0; i < ev->reports.count; i++)
            relay_on_report(c, &ev->reports.list[i], now);
        break;
    case RELAY_CALLED:
        relay_on_called(c, &ev->called, now, out);
        break;
    }
    pump(c, ev->type == RELAY_TICK, now, out);
}

struct deadline relay_core_deadline(const struct relay_core *c)
{
    struct deadline at = DEADLINE_NEVER;
    at.mono.ms = timer_heap_next(&c->wake);
    if (c->full)
        at.mono.ms = MIN(at.mono.ms, c->full_until.ms);
    else if (c->window_used < c->limits.window_records)
        at.wall.ms = timer_heap_next(&c->due);
    if (relay_unpack_has_room(c))
        at.wall.ms = MIN(at.wall.ms, timer_heap_next(&c->unpack));
    if (relay_fetch_has_room(c))
        at.mono.ms = INT64_MIN;
    at.mono.ms = MIN(at.mono.ms, relay_calls_deadline(c).ms);
    at.mono.ms = MIN(at.mono.ms, relay_polls_deadline(c).ms);
    return at;
}

bool relay_core_idle(const struct relay_core *c)
{
    return c->stopping && c->slots_used == 0 && c->polls[RELAY_QUEUE_DELAY].out == 0 &&
           c->polls[RELAY_QUEUE_READY].out == 0;
}

/* --- digest ---------------------------------------------------------------------------------- */

static uint64_t mix(uint64_t hash, uint64_t value)
{
    hash ^= value;
    hash *= UINT64_C(0x9e3779b97f4a7c15);
    return hash ^ (hash >> 29);
}

static uint64_t mix_slot(uint64_t hash, const struct relay_slot *s)
{
    for (size_t i = 0; i < ENVELOPE_ID_SIZE; i++)
        hash = mix(hash, s->id.bytes[i]);
    const int64_t times[] = {s->second_ms,     s->first_due_ms, s->bytes,        s->received_at.ms,
                             s->visible_at.ms, s->call_at.ms,   s->again_at.ms,  s->dead_at.ms,
                             s->alone_at.ms,   s->blob_bytes,   s->unpack_at.ms, s->unpacked_bytes};
    for (size_t i = 0; i < ARRAY_LEN(times); i++)
        hash = mix(hash, (uint64_t)times[i]);
    const uint32_t numbers[] = {
        s->generation, s->records, s->next,        s->settled,     s->pending,    s->emit_first,
        s->emit_count, s->state,   s->queue,       s->leave,       s->call_tries, s->again_tries,
        s->dead_tries, s->indexed, s->call_queued, s->call_sent,   s->call_stale, s->emitting,
        s->emit_again, s->lapsed,  s->alone,       s->alone_tries, s->packing};
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++)
        hash = mix(hash, numbers[i]);
    return hash;
}

uint64_t relay_core_digest(const struct relay_core *c)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (uint32_t i = 0; i < c->slots_fresh; i++) {
        hash = mix_slot(hash, &c->slots[i]);
        const uint64_t *bits = &c->pending_bits[(size_t)i * RELAY_PENDING_WORDS];
        for (uint32_t w = 0; w < (c->slots[i].records + 63) / 64; w++)
            hash = mix(hash, bits[w]);
    }
    for (int q = 0; q < RELAY_QUEUES; q++) {
        hash = mix(hash, c->polls[q].out_mask);
        hash = mix(hash, c->polls[q].want);
        hash = mix(hash, (uint64_t)c->polls[q].not_before.ms);
    }
    const uint64_t *counters = (const uint64_t *)(const void *)&c->counters;
    for (size_t i = 0; i < sizeof(c->counters) / sizeof(*counters); i++)
        hash = mix(hash, counters[i]);
    for (size_t i = 0; i < ARRAY_LEN(c->random.s); i++)
        hash = mix(hash, c->random.s[i]);
    hash = mix(hash, c->window_used);
    hash = mix(hash, c->batch_mask);
    hash = mix(hash, (uint64_t)c->throttled_until.ms);
    hash = mix(hash, c->done.count);
    hash = mix(hash, (uint64_t)c->packed_bytes);
    hash = mix(hash, (uint64_t)c->unpacked_bytes);
    return mix(hash, (uint64_t)c->bytes);
}
