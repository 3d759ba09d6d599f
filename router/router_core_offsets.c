/* Partitions: which records were taken and are durable, what is committed, how a partition is given
 * back. A partition's records stand in a list by offset; durable ones leave it from its head only,
 * so that the position never moves over one that is not. */
#include "router/router_core_internal.h"

#include "common/mark.h"
#include "common/mutant.h"

#define COMMIT_RETRY_MS 200

void router_on_assigned(struct router_turn *t, uint32_t partition)
{
    struct router_core *c = t->core;
    CHECK(partition < ROUTER_PARTITIONS_MAX);
    struct router_partition *p = &c->partitions[partition];
    CHECK(p->state == ROUTER_PARTITION_FREE);
    *p = (struct router_partition){
        .state = ROUTER_PARTITION_ASSIGNED,
        .head = ROUTER_NONE,
        .tail = ROUTER_NONE,
        .taken = -1,
        .position = -1,
    };
    if (partition >= c->partitions_high)
        c->partitions_high = partition + 1;
}

uint32_t router_offset_take(struct router_core *c, uint32_t partition, int64_t offset)
{
    struct router_partition *p = &c->partitions[partition];
    uint32_t node = router_node_take(c);
    c->nodes[node].offset = offset;
    c->nodes[node].partition = partition;
    if (p->tail == ROUTER_NONE)
        p->head = node;
    else
        c->nodes[p->tail].next_in_partition = node;
    p->tail = node;
    p->taken = offset;
    c->nodes_listed++;
    return node;
}

static void mark_dirty(struct router_turn *t, struct router_partition *p)
{
    struct router_core *c = t->core;
    if (p->dirty)
        return;
    p->dirty = true;
    if (c->commit.dirty++ == 0)
        c->commit.at_ms = time_add(t->now.mono.ms, c->limits.commit_interval_ms);
}

static void mark_clean(struct router_core *c, struct router_partition *p)
{
    if (p->dirty)
        c->commit.dirty--;
    p->dirty = false;
}

void router_offset_durable(struct router_turn *t, uint32_t node)
{
    struct router_core *c = t->core;
    uint32_t partition = c->nodes[node].partition;
    if (partition == ROUTER_NONE) {
        router_node_free(c, node);
        return;
    }
    struct router_partition *p = &c->partitions[partition];
    c->nodes[node].done = true;
    c->nodes[node].envelope = ROUTER_NONE;
    if (p->head != node) {
        MARK("router.durable_out_of_order");
        if (MUTANT_IS(1)) {
            p->position = c->nodes[node].offset + 1;
            mark_dirty(t, p);
        }
        return;
    }
    while (p->head != ROUTER_NONE && c->nodes[p->head].done) {
        uint32_t first = p->head;
        p->head = c->nodes[first].next_in_partition;
        p->position = c->nodes[first].offset + 1 + MUTANT_IS(2);
        c->nodes_listed--;
        router_node_free(c, first);
    }
    mark_dirty(t, p);
    if (p->head == ROUTER_NONE) {
        p->tail = ROUTER_NONE;
        if (p->state == ROUTER_PARTITION_REVOKING)
            c->revoke.busy--;
    }
}

/* Its records go on to where they were going, but move no offset any more. */
static void abandon(struct router_core *c, struct router_partition *p)
{
    for (uint32_t node = p->head, next; node != ROUTER_NONE; node = next) {
        next = c->nodes[node].next_in_partition;
        c->nodes_listed--;
        c->nodes[node].partition = ROUTER_NONE;
        c->nodes[node].next_in_partition = ROUTER_NONE;
        if (c->nodes[node].done) {
            router_node_free(c, node);
        } else {
            MARK("router.abandons");
            c->stats.abandoned++;
        }
    }
    p->head = ROUTER_NONE;
    p->tail = ROUTER_NONE;
}

static void close_soon(struct router_turn *t, const struct router_partition *p)
{
    struct router_core *c = t->core;
    for (uint32_t n = p->head; n != ROUTER_NONE; n = c->nodes[n].next_in_partition) {
        if (c->nodes[n].done)
            continue;
        uint32_t slot = c->nodes[n].envelope;
        struct router_envelope *e = &c->envelopes[slot];
        if (e->state != ROUTER_ENVELOPE_OPEN || e->linger_ms <= t->now.mono.ms)
            continue;
        e->linger_ms = t->now.mono.ms;
        timer_heap_set(&c->linger[e->path].heap, slot, e->linger_ms);
    }
}

void router_on_revoked(struct router_turn *t, const struct router_event *event)
{
    struct router_core *c = t->core;
    if (!c->revoke.active)
        c->revoke.until_ms = time_add(t->now.mono.ms, c->limits.revoke_grace_ms);
    c->revoke.active = true;
    for (uint32_t i = 0; i < event->revoked.count; i++) {
        uint32_t partition = event->revoked.partitions[i];
        CHECK(partition < ROUTER_PARTITIONS_MAX);
        struct router_partition *p = &c->partitions[partition];
        if (p->state != ROUTER_PARTITION_ASSIGNED)
            continue;
        p->state = ROUTER_PARTITION_REVOKING;
        if (event->revoked.lost) {
            MARK("router.partition_lost");
            abandon(c, p);
            mark_clean(c, p);
            p->committing = false;
        } else if (p->head != ROUTER_NONE) {
            c->revoke.busy++;
            close_soon(t, p);
        }
    }
}

static void commit(struct router_turn *t)
{
    struct router_core *c = t->core;
    struct router_effect *effect = router_turn_effect(t, ROUTER_EFFECT_COMMIT);
    c->commit.in_flight = true;
    c->commit.generation++;
    effect->id = c->commit.generation;
    for (uint32_t i = 0; i < c->partitions_high; i++) {
        struct router_partition *p = &c->partitions[i];
        if (!p->dirty)
            continue;
        mark_clean(c, p);
        p->committing = true;
        t->out->commits[t->out->commit_count++] = (struct router_commit){i, p->position};
    }
}

void router_on_committed(struct router_turn *t, uint64_t id, bool done)
{
    struct router_core *c = t->core;
    if (!c->commit.in_flight || id != c->commit.generation) {
        c->stats.foreign++;
        return;
    }
    c->commit.in_flight = false;
    if (done)
        c->stats.commits++;
    else
        c->stats.commit_failures++;
    for (uint32_t i = 0; i < c->partitions_high; i++) {
        struct router_partition *p = &c->partitions[i];
        if (p->committing && !done && p->state != ROUTER_PARTITION_FREE)
            mark_dirty(t, p);
        p->committing = false;
    }
    c->commit.not_before_ms = done ? 0 : time_add(t->now.mono.ms, COMMIT_RETRY_MS);
}

static bool commit_is_urgent(const struct router_core *c, int64_t now_ms)
{
    if (c->revoke.active && (c->revoke.busy == 0 || now_ms >= c->revoke.until_ms))
        return true;
    return c->stopping && c->nodes_listed == 0;
}

static bool revoke_may_end(const struct router_core *c)
{
    if (MUTANT_IS(3))
        return true;
    if (c->revoke.busy > 0)
        return false;
    for (uint32_t i = 0; i < c->partitions_high; i++) {
        const struct router_partition *p = &c->partitions[i];
        if (p->state == ROUTER_PARTITION_REVOKING && (p->dirty || p->committing))
            return false;
    }
    return true;
}

static void release(struct router_turn *t)
{
    struct router_core *c = t->core;
    for (uint32_t i = 0; i < c->partitions_high; i++) {
        struct router_partition *p = &c->partitions[i];
        if (p->state != ROUTER_PARTITION_REVOKING)
            continue;
        abandon(c, p);
        mark_clean(c, p);
        p->committing = false;
        p->state = ROUTER_PARTITION_FREE;
    }
    c->revoke.active = false;
    c->revoke.busy = 0;
    router_turn_effect(t, ROUTER_EFFECT_RELEASE);
}

void router_offsets_advance(struct router_turn *t)
{
    struct router_core *c = t->core;
    int64_t now_ms = t->now.mono.ms;
    if (!router_turn_has_room(t, 2)) {
        c->more = true;
        return;
    }
    bool may_commit = c->commit.dirty > 0 && !c->commit.in_flight &&
                      now_ms >= c->commit.not_before_ms && t->out->commit_count == 0;
    if (may_commit && (now_ms >= c->commit.at_ms || commit_is_urgent(c, now_ms)))
        commit(t);
    if (c->revoke.active && (now_ms >= c->revoke.until_ms || revoke_may_end(c)))
        release(t);
}

int64_t router_offsets_wake(const struct router_core *c)
{
    int64_t wake = c->revoke.active ? c->revoke.until_ms : TIME_NEVER;
    if (c->commit.dirty > 0 && !c->commit.in_flight) {
        bool drained =
            (c->revoke.active && c->revoke.busy == 0) || (c->stopping && c->nodes_listed == 0);
        int64_t at =
            drained ? c->commit.not_before_ms : MAX(c->commit.at_ms, c->commit.not_before_ms);
        wake = MIN(wake, at);
    }
    return wake;
}
