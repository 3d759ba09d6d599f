/* Records, envelopes and queues: fixed arrays with free lists. What was never used is not touched,
 * so that an idle router is small. */
#include "router/router_core_internal.h"

#define SORT_RUNS_MAX 32 /* 2^32 records */

bool router_turn_has_room(const struct router_turn *t, uint32_t effects)
{
    return t->out->count + effects <= ROUTER_EFFECTS_MAX;
}

struct router_effect *router_turn_effect(struct router_turn *t, enum router_effect_type type)
{
    CHECK(router_turn_has_room(t, 1));
    struct router_effect *effect = &t->out->effects[t->out->count++];
    *effect = (struct router_effect){.type = type};
    return effect;
}

uint32_t router_node_take(struct router_core *c)
{
    CHECK(c->nodes_used < c->limits.nodes_max);
    c->nodes_used++;
    uint32_t node = c->nodes_free;
    if (node == ROUTER_NONE)
        node = c->nodes_fresh++;
    else
        c->nodes_free = c->nodes[node].next_in_envelope;
    c->nodes[node] = (struct router_node){
        .partition = ROUTER_NONE,
        .next_in_partition = ROUTER_NONE,
        .next_in_envelope = ROUTER_NONE,
        .envelope = ROUTER_NONE,
    };
    return node;
}

void router_node_free(struct router_core *c, uint32_t node)
{
    CHECK(c->nodes_used > 0);
    c->nodes_used--;
    c->nodes[node].next_in_envelope = c->nodes_free;
    c->nodes_free = node;
}

uint32_t router_envelope_take(struct router_core *c, enum router_envelope_kind kind)
{
    CHECK(c->envelopes_used < c->limits.envelopes_max);
    c->envelopes_used++;
    uint32_t slot = c->envelopes_free;
    if (slot == ROUTER_NONE)
        slot = c->envelopes_fresh++;
    else
        c->envelopes_free = c->envelopes[slot].next;
    struct router_envelope *e = &c->envelopes[slot];
    uint32_t generation = e->generation + 1;
    *e = (struct router_envelope){
        .state = ROUTER_ENVELOPE_OPEN,
        .kind = kind,
        .generation = generation,
        .head = ROUTER_NONE,
        .tail = ROUTER_NONE,
        .next = ROUTER_NONE,
    };
    return slot;
}

void router_envelope_free(struct router_turn *t, uint32_t slot)
{
    struct router_core *c = t->core;
    struct router_envelope *e = &c->envelopes[slot];
    CHECK(e->state != ROUTER_ENVELOPE_FREE && e->head == ROUTER_NONE);
    router_turn_effect(t, ROUTER_EFFECT_FREE)->id = router_envelope_id(c, slot);
    CHECK(c->bytes >= e->raw_bytes);
    c->bytes -= e->raw_bytes;
    c->envelopes_used--;
    e->state = ROUTER_ENVELOPE_FREE;
    e->next = c->envelopes_free;
    c->envelopes_free = slot;
}

uint64_t router_envelope_id(const struct router_core *c, uint32_t slot)
{
    return (uint64_t)c->envelopes[slot].generation << 32 | slot;
}

struct router_envelope *router_envelope_find(struct router_core *c, uint64_t id)
{
    uint32_t slot = router_slot(id);
    if (slot >= c->envelopes_fresh)
        return NULL;
    struct router_envelope *e = &c->envelopes[slot];
    bool same = e->state != ROUTER_ENVELOPE_FREE && router_envelope_id(c, slot) == id;
    return same ? e : NULL;
}

void router_envelope_add(struct router_core *c, uint32_t slot, uint32_t node, uint32_t bytes)
{
    struct router_envelope *e = &c->envelopes[slot];
    c->nodes[node].envelope = slot;
    if (e->tail == ROUTER_NONE)
        e->head = node;
    else
        c->nodes[e->tail].next_in_envelope = node;
    e->tail = node;
    e->records++;
    e->raw_bytes += bytes;
    c->bytes += bytes;
}

void router_envelope_settle(struct router_turn *t, uint32_t slot, uint32_t count)
{
    struct router_core *c = t->core;
    struct router_envelope *e = &c->envelopes[slot];
    CHECK(count <= e->records);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t node = e->head;
        e->head = c->nodes[node].next_in_envelope;
        router_offset_durable(t, node);
    }
    if (e->head == ROUTER_NONE)
        e->tail = ROUTER_NONE;
    e->records -= count;
    e->base += count;
}

/* Both lists end with ROUTER_NONE and stand in order; ties: a first. */
static uint32_t merge(struct router_core *c, uint32_t a, uint32_t b)
{
    uint32_t head = ROUTER_NONE;
    uint32_t *last = &head;
    while (a != ROUTER_NONE && b != ROUTER_NONE) {
        bool take_b = c->nodes[b].due_offset_ms < c->nodes[a].due_offset_ms;
        uint32_t *from = take_b ? &b : &a;
        *last = *from;
        last = &c->nodes[*from].next_in_envelope;
        *from = *last;
    }
    *last = a != ROUTER_NONE ? a : b;
    return head;
}

/* Bottom-up merge sort: run i holds 2^i records or none, earlier ones in higher runs. */
void router_envelope_sort(struct router_core *c, uint32_t slot)
{
    struct router_envelope *e = &c->envelopes[slot];
    uint32_t runs[SORT_RUNS_MAX];
    for (int i = 0; i < SORT_RUNS_MAX; i++)
        runs[i] = ROUTER_NONE;
    for (uint32_t node = e->head, next; node != ROUTER_NONE; node = next) {
        next = c->nodes[node].next_in_envelope;
        c->nodes[node].next_in_envelope = ROUTER_NONE;
        uint32_t list = node;
        int i = 0;
        for (; runs[i] != ROUTER_NONE; i++) {
            list = merge(c, runs[i], list);
            runs[i] = ROUTER_NONE;
        }
        runs[i] = list;
    }
    uint32_t all = ROUTER_NONE;
    for (int i = 0; i < SORT_RUNS_MAX; i++)
        all = merge(c, runs[i], all);
    e->head = all;
    for (uint32_t node = all; node != ROUTER_NONE; node = c->nodes[node].next_in_envelope)
        e->tail = node;
}

void router_queue_push(struct router_core *c, struct router_queue *q, uint32_t slot)
{
    c->envelopes[slot].next = ROUTER_NONE;
    if (q->tail == ROUTER_NONE)
        q->head = slot;
    else
        c->envelopes[q->tail].next = slot;
    int64_t linger_ms = c->envelopes[slot].linger_ms;
    q->lingered_ms = q->count == 0 ? linger_ms : MIN(q->lingered_ms, linger_ms);
    q->tail = slot;
    q->count++;
    q->bytes += c->envelopes[slot].frame_bytes;
}

uint32_t router_queue_pop(struct router_core *c, struct router_queue *q)
{
    uint32_t slot = q->head;
    CHECK(slot != ROUTER_NONE);
    q->head = c->envelopes[slot].next;
    if (q->head == ROUTER_NONE)
        q->tail = ROUTER_NONE;
    c->envelopes[slot].next = ROUTER_NONE;
    q->count--;
    q->bytes -= c->envelopes[slot].frame_bytes;
    return slot;
}

void router_queue_recount(const struct router_core *c, struct router_queue *q)
{
    q->lingered_ms = TIME_NEVER;
    for (uint32_t slot = q->head; slot != ROUTER_NONE; slot = c->envelopes[slot].next)
        q->lingered_ms = MIN(q->lingered_ms, c->envelopes[slot].linger_ms);
}
