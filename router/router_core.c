#include "router/router_core.h"

#include "router/router_core_internal.h"

struct router_limits router_limits_default(void)
{
    return (struct router_limits){
        .shards = 8,
        .horizon_ms = 15 * MS_PER_MINUTE,
        .bucket_ms = MS_PER_MINUTE,
        .handoff_ms = 20 * MS_PER_SECOND,
        .cutoff_ms = MS_PER_MINUTE,
        .lead_ms = 2 * MS_PER_SECOND,
        .linger_min_ms = 20,
        .linger_max_ms = MS_PER_SECOND,
        .linger_permille = 10,
        .batch_linger_ms = 5,
        .commit_interval_ms = 500,
        .revoke_grace_ms = 5 * MS_PER_SECOND,
        .retry_base_ms = 50,
        .retry_cap_ms = 5 * MS_PER_SECOND,
        .blocked_retry_ms = 5 * MS_PER_SECOND,
        .in_flight_bytes_max = 64 * MIB,
        .sqs_calls_max = 8,
        .table_calls_max = 8,
        .sqs_entries_max = SQS_BATCH_ENTRIES_MAX,
        .table_items_max = DYNAMODB_BATCH_ITEMS_MAX,
        .target_bytes = ENVELOPE_TARGET_BYTES,
        .raw_bytes_max = ENVELOPE_RAW_BYTES_MAX,
        .records_max = ENVELOPE_RECORDS_MAX,
        .nodes_max = ROUTER_RECORDS_MAX,
        .envelopes_max = ROUTER_ENVELOPES_MAX,
    };
}

static void check_limits(const struct router_limits *l)
{
    CHECK(l->shards >= 1 && l->shards <= SHARDS_MAX);
    CHECK(l->bucket_ms > 0 && l->horizon_ms > l->bucket_ms + l->handoff_ms + l->cutoff_ms);
    CHECK(l->retry_base_ms > 0 && l->retry_base_ms <= MS_PER_HOUR);
    CHECK(l->sqs_calls_max >= 1 && l->sqs_calls_max <= ROUTER_CALLS_MAX);
    CHECK(l->table_calls_max >= 1 && l->table_calls_max <= ROUTER_CALLS_MAX);
    CHECK(l->sqs_entries_max >= 1 && l->sqs_entries_max <= SQS_BATCH_ENTRIES_MAX);
    CHECK(l->table_items_max >= 1 && l->table_items_max <= DYNAMODB_BATCH_ITEMS_MAX);
    CHECK(l->records_max >= 1 && l->records_max <= ENVELOPE_RECORDS_MAX);
    CHECK(l->raw_bytes_max <= ENVELOPE_RAW_BYTES_MAX);
    CHECK(l->nodes_max >= 16 && l->nodes_max <= ROUTER_RECORDS_MAX);
    CHECK(l->envelopes_max >= 16 && l->envelopes_max <= ROUTER_ENVELOPES_MAX);
}

static void heap_init(struct router_heap *h, uint32_t capacity)
{
    timer_heap_init(&h->heap, h->entries, h->places, capacity);
}

void router_core_init(struct router_core *c, const struct router_limits *limits, uint64_t seed)
{
    check_limits(limits);
    c->limits = *limits;
    prng_init(&c->random, seed);
    c->ratio_permille = 1000;
    c->next_shard = (uint32_t)prng_below(&c->random, limits->shards);
    c->wake_ms = TIME_NEVER;
    c->nodes_free = ROUTER_NONE;
    c->envelopes_free = ROUTER_NONE;
    for (int path = 0; path < ROUTER_PATHS; path++)
        heap_init(&c->linger[path], limits->envelopes_max);
    heap_init(&c->backoff, limits->envelopes_max);
    for (int service = 0; service < ROUTER_SERVICES; service++) {
        struct router_queue empty = {.head = ROUTER_NONE, .tail = ROUTER_NONE};
        c->services[service].fresh = empty;
        c->services[service].retry = empty;
    }
}

bool router_core_accepts(const struct router_core *c)
{
    return c->nodes_used < c->limits.nodes_max && c->envelopes_used < c->limits.envelopes_max;
}

static bool over(const struct router_core *c, uint32_t sixteenths)
{
    return c->nodes_used >= c->limits.nodes_max / 16 * sixteenths ||
           c->envelopes_used >= c->limits.envelopes_max / 16 * sixteenths;
}

static void press_back(struct router_turn *t)
{
    struct router_core *c = t->core;
    uint64_t bytes_max = (uint64_t)c->limits.in_flight_bytes_max;
    if (!router_turn_has_room(t, 1)) {
        c->more = true;
        return;
    }
    if (!c->paused && (c->stopping || c->bytes >= bytes_max || over(c, 15))) {
        c->paused = true;
        c->stats.pauses++;
        router_turn_effect(t, ROUTER_EFFECT_PAUSE);
    } else if (c->paused && !c->stopping && c->bytes < bytes_max / 4 * 3 && !over(c, 14)) {
        c->paused = false;
        router_turn_effect(t, ROUTER_EFFECT_RESUME);
    }
}

static void handle(struct router_turn *t, const struct router_event *event)
{
    switch (event->type) {
    case ROUTER_EVENT_TICK:
        return;
    case ROUTER_EVENT_ASSIGNED:
        router_on_assigned(t, event->assigned.partition);
        return;
    case ROUTER_EVENT_REVOKED:
        router_on_revoked(t, event);
        return;
    case ROUTER_EVENT_RECORD:
        router_on_record(t, event);
        return;
    case ROUTER_EVENT_ENCODED:
        router_on_encoded(t, event);
        return;
    case ROUTER_EVENT_SENT:
        router_on_sent(t, event);
        return;
    case ROUTER_EVENT_DEAD_LETTERED:
        router_on_dead_lettered(t, event);
        return;
    case ROUTER_EVENT_COMMITTED:
        router_on_committed(t, event->committed.id, event->committed.done);
        return;
    case ROUTER_EVENT_STOP:
        t->core->stopping = true;
        return;
    }
    UNREACHABLE();
}

/* A copied core's heaps would still point into the original. */
static void own_heaps(struct router_core *c)
{
    struct router_heap *heaps[] = {&c->linger[0], &c->linger[1], &c->backoff};
    for (size_t i = 0; i < ARRAY_LEN(heaps); i++) {
        heaps[i]->heap.entries = heaps[i]->entries;
        heaps[i]->heap.places = heaps[i]->places;
    }
}

void router_core_step(struct router_core *c, const struct router_event *event, struct now now,
                      struct router_effects *out)
{
    struct router_turn turn = {.core = c, .now = now, .out = out};
    own_heaps(c);
    out->count = 0;
    out->entry_count = 0;
    out->commit_count = 0;
    c->more = false;
    handle(&turn, event);
    router_pack_advance(&turn);
    router_send_advance(&turn);
    router_offsets_advance(&turn);
    press_back(&turn);
    int64_t wake = MIN(router_pack_wake(c), MIN(router_send_wake(c), router_offsets_wake(c)));
    c->wake_ms = c->more ? now.mono.ms : wake;
}

struct deadline router_core_deadline(const struct router_core *c)
{
    return (struct deadline){{c->wake_ms}, {TIME_NEVER}};
}

bool router_core_idle(const struct router_core *c)
{
    return c->stopping && c->nodes_used == 0 && c->envelopes_used == 0 && c->commit.dirty == 0 &&
           !c->commit.in_flight && !c->revoke.active;
}

/* --- digest ---------------------------------------------------------------------------------- */

static uint64_t mix(uint64_t h, uint64_t value)
{
    h = (h ^ value) * UINT64_C(0x9e3779b97f4a7c15);
    return h ^ h >> 29;
}

static uint64_t digest_envelope(uint64_t h, const struct router_core *c, uint32_t slot)
{
    const struct router_envelope *e = &c->envelopes[slot];
    h = mix(h, router_envelope_id(c, slot));
    h = mix(h, (uint64_t)e->state << 16 | (uint64_t)e->kind << 8 | (uint64_t)e->path);
    h = mix(h, (uint64_t)e->first_due_ms);
    h = mix(h, (uint64_t)e->written_ms);
    h = mix(h, (uint64_t)e->window << 32 | e->base);
    h = mix(h, (uint64_t)e->raw_bytes << 32 | e->frame_bytes);
    h = mix(h, (uint64_t)e->shard << 32 | e->attempts);
    for (uint32_t i = 0; i < ARRAY_LEN(e->parts_unacked); i++)
        h = mix(mix(h, e->parts_unsent[i]), e->parts_unacked[i]);
    for (uint32_t n = e->head; n != ROUTER_NONE; n = c->nodes[n].next_in_envelope)
        h = mix(mix(h, c->nodes[n].partition), (uint64_t)c->nodes[n].offset);
    return h;
}

static uint64_t digest_queue(uint64_t h, const struct router_core *c, const struct router_queue *q)
{
    h = mix(h, q->count);
    for (uint32_t slot = q->head; slot != ROUTER_NONE; slot = c->envelopes[slot].next)
        h = mix(h, slot);
    return h;
}

uint64_t router_core_digest(const struct router_core *c)
{
    uint64_t h = mix(0, (uint64_t)c->wake_ms);
    for (uint32_t slot = 0; slot < c->envelopes_fresh; slot++)
        if (c->envelopes[slot].state != ROUTER_ENVELOPE_FREE)
            h = digest_envelope(h, c, slot);
    for (uint32_t i = 0; i < c->partitions_high; i++) {
        const struct router_partition *p = &c->partitions[i];
        h = mix(h, (uint64_t)p->state << 2 | (uint64_t)p->dirty << 1 | p->committing);
        h = mix(mix(h, (uint64_t)p->taken), (uint64_t)p->position);
    }
    for (int i = 0; i < ROUTER_SERVICES; i++) {
        const struct router_service_state *s = &c->services[i];
        h = digest_queue(digest_queue(h, c, &s->fresh), c, &s->retry);
        h = mix(mix(h, s->calls_in_flight), s->blocked);
    }
    h = mix(mix(h, c->bytes), (uint64_t)c->ratio_permille << 32 | c->next_shard);
    h = mix(mix(h, c->nodes_used), (uint64_t)c->stopping << 1 | c->paused);
    return mix(h, c->random.s[0]);
}
