/* Records that do not go the plain way: parts of large ones, and those that a service refuses.
 *
 * A refused envelope is split in its slot, so that it needs no other: it sends a window of its
 * first records, half as large at each refusal, until the guilty one stands alone and is
 * dead-lettered; with each success the window grows again. */
#include "router/router_core_internal.h"

#include "common/mark.h"
#include "common/mutant.h"

#define WORD_BITS 64

void router_parts_start(struct router_turn *t, uint32_t slot, uint32_t blob_bytes)
{
    struct router_envelope *e = &t->core->envelopes[slot];
    uint32_t parts = (blob_bytes + BLOB_PART_BYTES_MAX - 1) / BLOB_PART_BYTES_MAX;
    CHECK(parts > 0 && parts <= BLOB_PARTS_MAX);
    e->state = ROUTER_ENVELOPE_PARTS;
    for (uint32_t i = 0; i < parts; i++)
        e->parts_unsent[i / WORD_BITS] |= UINT64_C(1) << i % WORD_BITS;
    for (uint32_t i = 0; i < ARRAY_LEN(e->parts_unacked); i++)
        e->parts_unacked[i] = e->parts_unsent[i];
    router_parts_queue(t, slot, false);
}

static bool any(const uint64_t words[BLOB_PARTS_MAX / WORD_BITS])
{
    for (uint32_t i = 0; i < BLOB_PARTS_MAX / WORD_BITS; i++)
        if (words[i] != 0)
            return true;
    return false;
}

bool router_parts_unsent(const struct router_envelope *e)
{
    return any(e->parts_unsent);
}

uint32_t router_parts_fill(struct router_turn *t, uint32_t slot, struct router_call *call,
                           uint32_t room)
{
    struct router_envelope *e = &t->core->envelopes[slot];
    uint32_t filled = 0;
    for (uint32_t part = 0; part < BLOB_PARTS_MAX && filled < room; part++) {
        uint64_t bit = UINT64_C(1) << part % WORD_BITS;
        if ((e->parts_unsent[part / WORD_BITS] & bit) == 0)
            continue;
        e->parts_unsent[part / WORD_BITS] &= ~bit;
        e->parts_flying++;
        call->entries[call->count].slot = slot;
        call->entries[call->count].part = part;
        call->count++;
        t->out->entries[t->out->entry_count++] = (struct router_send_entry){
            .id = router_envelope_id(t->core, slot),
            .first_due_ms = e->first_due_ms,
            .part = part,
        };
        filled++;
    }
    return filled;
}

void router_parts_settle(struct router_turn *t, uint32_t slot)
{
    struct router_core *c = t->core;
    struct router_envelope *e = &c->envelopes[slot];
    if (!e->refused || e->parts_flying > 0 || e->queued)
        return;
    timer_heap_remove(&c->backoff.heap, slot);
    router_dead_letter(t, slot);
}

/* The part is to be sent again; the envelope comes into the queue, at once or later. */
static void send_again(struct router_turn *t, uint32_t slot, uint32_t part,
                       enum router_result result, bool at_once, int64_t hint_ms)
{
    struct router_core *c = t->core;
    struct router_envelope *e = &c->envelopes[slot];
    e->parts_unsent[part / WORD_BITS] |= UINT64_C(1) << part % WORD_BITS;
    if (e->queued || e->refused)
        return;
    if (at_once) {
        timer_heap_remove(&c->backoff.heap, slot);
        router_parts_queue(t, slot, true);
    } else if (!timer_heap_has(&c->backoff.heap, slot)) {
        router_send_backoff(t, slot, result, hint_ms);
    }
}

static void part_stored(struct router_turn *t, uint32_t slot, uint32_t part)
{
    struct router_envelope *e = &t->core->envelopes[slot];
    t->core->stats.parts_stored++;
    e->parts_unacked[part / WORD_BITS] &= ~(UINT64_C(1) << part % WORD_BITS);
    if (any(e->parts_unacked))
        return;
    e->attempts = 0;
    e->alone = false;
    router_send_queue(t, slot, false);
}

void router_parts_result(struct router_turn *t, uint32_t slot, uint32_t part,
                         enum router_result result, bool in_company, int64_t hint_ms)
{
    struct router_envelope *e = &t->core->envelopes[slot];
    CHECK(e->state == ROUTER_ENVELOPE_PARTS && e->parts_flying > 0);
    e->parts_flying--;
    MARK("router.part_answered");
    if (MUTANT_IS(9) && result != ROUTER_RESULT_DONE)
        result = ROUTER_RESULT_DONE;
    switch (result) {
    case ROUTER_RESULT_DONE:
        part_stored(t, slot, part);
        break;
    case ROUTER_RESULT_RETRY:
    case ROUTER_RESULT_THROTTLED:
    case ROUTER_RESULT_UNKNOWN:
        send_again(t, slot, part, result, false, hint_ms);
        break;
    case ROUTER_RESULT_REFUSED:
        if (in_company)
            e->alone = true;
        else if (router_send_believe_refusal(t, ROUTER_TABLE))
            e->refused = true;
        else
            router_send_block(t, ROUTER_TABLE);
        send_again(t, slot, part, result, true, 0);
        break;
    case ROUTER_RESULT_BLOCKED:
        send_again(t, slot, part, result, true, 0);
        break;
    }
    router_parts_settle(t, slot);
}

/* --- refused records ------------------------------------------------------------------------- */

static void recode(struct router_turn *t, uint32_t slot, uint32_t window)
{
    struct router_core *c = t->core;
    struct router_envelope *e = &c->envelopes[slot];
    e->window = MIN(window, e->records);
    e->alone = true;
    e->is_retry = true;
    e->written_ms = 0; /* another frame: another item */
    router_envelope_encoding(c, e);
    struct router_effect *effect = router_turn_effect(t, ROUTER_EFFECT_RECODE);
    effect->id = router_envelope_id(c, slot);
    effect->first = e->base;
    effect->count = e->window;
}

void router_refused_alone(struct router_turn *t, uint32_t slot, enum router_service service)
{
    struct router_core *c = t->core;
    struct router_envelope *e = &c->envelopes[slot];
    if (e->window > 1) {
        if (!e->split)
            router_envelope_sort(c, slot);
        e->split = true;
        recode(t, slot, e->window / 2);
    } else if (router_send_believe_refusal(t, service)) {
        router_dead_letter(t, slot);
    } else {
        router_send_block(t, service);
        router_send_queue(t, slot, true);
    }
}

void router_envelope_next_window(struct router_turn *t, uint32_t slot, uint32_t window)
{
    if (t->core->envelopes[slot].records == 0)
        router_envelope_free(t, slot);
    else
        recode(t, slot, window);
}

void router_dead_letter(struct router_turn *t, uint32_t slot)
{
    struct router_core *c = t->core;
    struct router_envelope *e = &c->envelopes[slot];
    if (e->state != ROUTER_ENVELOPE_DEAD)
        e->attempts = 0;
    e->state = ROUTER_ENVELOPE_DEAD;
    struct router_effect *effect = router_turn_effect(t, ROUTER_EFFECT_DEAD_LETTER);
    effect->id = router_envelope_id(c, slot);
    effect->first = e->kind == ROUTER_REJECT ? ROUTER_WHOLE : e->base;
}

void router_on_dead_lettered(struct router_turn *t, const struct router_event *event)
{
    struct router_core *c = t->core;
    uint32_t slot = router_slot(event->dead_lettered.id);
    struct router_envelope *e = router_envelope_find(c, event->dead_lettered.id);
    if (e == NULL || e->state != ROUTER_ENVELOPE_DEAD || timer_heap_has(&c->backoff.heap, slot)) {
        c->stats.foreign++;
        return;
    }
    if (event->dead_lettered.outcome != OUTCOME_DONE && !MUTANT_IS(10)) {
        MARK("router.dead_letter_failed");
        c->stats.dead_letter_failures++;
        c->dead_letter_blocked = event->dead_lettered.outcome == OUTCOME_FAILED;
        router_send_backoff(t, slot, ROUTER_RESULT_RETRY, 0);
        return;
    }
    c->stats.dead_lettered++;
    c->dead_letter_blocked = false;
    e->attempts = 0;
    router_envelope_settle(t, slot, 1);
    router_envelope_next_window(t, slot, e->records);
}
