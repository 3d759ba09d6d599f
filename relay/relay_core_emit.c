/* What goes out: records at their instant, again after a failure, to the dead-letter topic, and the
 * reports that settle them. */
#include "common/check.h"
#include "common/mark.h"
#include "common/mutant.h"
#include "relay/relay_core_internal.h"

/* --- the window: records that wait for a report or for their next try ------------------------ */

static void list_add(struct relay_core *c, struct relay_list *l, struct relay_record record)
{
    uint32_t at = c->records_free;
    if (at != RELAY_NONE) {
        c->records_free = c->records[at].next;
    } else {
        CHECK(c->records_fresh < c->limits.window_records); /* window_used bounds it */
        at = c->records_fresh++;
    }
    record.next = RELAY_NONE;
    c->records[at] = record;
    if (relay_list_empty(l))
        l->head = at;
    else
        c->records[l->tail].next = at;
    l->tail = at;
}

static struct relay_record list_pop(struct relay_core *c, struct relay_list *l)
{
    uint32_t at = l->head;
    struct relay_record record = c->records[at];
    l->head = record.next;
    c->records[at].next = c->records_free;
    c->records_free = at;
    return record;
}

static uint64_t *pending_word(struct relay_core *c, const struct relay_slot *s, uint32_t record)
{
    return &c->pending_bits[(size_t)relay_slot_index(c, s) * RELAY_PENDING_WORDS + record / 64];
}

static void pending_set(struct relay_core *c, struct relay_slot *s, uint32_t record)
{
    *pending_word(c, s, record) |= UINT64_C(1) << (record % 64);
    s->pending++;
}

static bool pending_clear(struct relay_core *c, struct relay_slot *s, uint32_t record)
{
    if (record >= s->records)
        return false;
    uint64_t bit = UINT64_C(1) << (record % 64);
    uint64_t *word = pending_word(c, s, record);
    if ((*word & bit) == 0)
        return false;
    *word &= ~bit;
    s->pending--;
    return true;
}

/* --- emission -------------------------------------------------------------------------------- */

static void emit(struct relay_core *c, struct relay_slot *s, uint32_t first, uint32_t count,
                 bool again, struct relay_effects *out)
{
    for (uint32_t i = first; i < first + count; i++)
        pending_set(c, s, i);
    s->emitting = true;
    s->emit_again = again;
    s->emit_first = first;
    s->emit_count = count;
    relay_effect_add(out, RELAY_EMIT)->emit =
        (struct relay_emit){relay_slot_ref(c, s), first, count};
}

static uint32_t count_due(const struct relay_slot *s, int64_t wall_ms, uint32_t most)
{
    uint32_t count = 0;
    while (count < most && s->next + count < s->records &&
           s->second_ms + s->due_offsets[s->next + count] <= wall_ms + MUTANT_IS(24))
        count++;
    return count;
}

/* False: given up, since somebody else may hold it by now. */
static bool may_emit(struct relay_core *c, struct relay_slot *s, struct now now,
                     struct relay_effects *out)
{
    if (!relay_slot_ran_out(c, s, now))
        return true;
    if (relay_slot_untouched(s)) {
        c->counters.lapsed_unemitted++;
        relay_slot_release(c, s, out);
        return false;
    }
    MARK("relay.lapsed_though_emitted");
    relay_slot_lapse(c, s);
    return true;
}

void relay_emit_due(struct relay_core *c, struct now now, struct relay_effects *out)
{
    while (relay_room(out) && !c->full && c->window_used < c->limits.window_records) {
        uint32_t slot = timer_heap_pop(&c->due, now.wall.ms);
        if (slot == TIMER_HEAP_ABSENT)
            return;
        struct relay_slot *s = &c->slots[slot];
        if (!may_emit(c, s, now, out))
            continue;
        uint32_t count = count_due(s, now.wall.ms, c->limits.window_records - c->window_used);
        emit(c, s, s->next, count, false, out);
        c->window_used += count;
        s->next += count;
        relay_slot_arm(c, s);
    }
}

static void note_lapse(struct relay_core *c, struct relay_slot *s, struct now now)
{
    if (relay_slot_ran_out(c, s, now))
        relay_slot_lapse(c, s);
}

/* The longest run of neighbours at the head of the list goes out as one effect. */
void relay_emit_again(struct relay_core *c, struct relay_slot *s, struct now now,
                      struct relay_effects *out)
{
    if (c->full) {
        s->again_at = c->full_until;
        return;
    }
    note_lapse(c, s, now);
    uint32_t first = list_pop(c, &s->again).record;
    uint32_t count = 1;
    while (!relay_list_empty(&s->again) && c->records[s->again.head].record == first + count) {
        list_pop(c, &s->again);
        count++;
    }
    c->counters.emitted_again += count;
    emit(c, s, first, count, true, out);
}

void relay_emit_alone(struct relay_core *c, struct relay_slot *s, struct now now,
                      struct relay_effects *out)
{
    if (c->full) {
        s->alone_at = c->full_until;
        return;
    }
    note_lapse(c, s, now);
    struct relay_record record = list_pop(c, &s->suspects);
    s->alone = record.record;
    s->alone_tries = (uint8_t)(record.tries + 1);
    MARK("relay.emits_alone");
    c->counters.emitted_alone++;
    emit(c, s, s->alone, 1, true, out);
}

/* tries: how often it was refused alone. */
static void suspect(struct relay_core *c, struct relay_slot *s, uint32_t record, uint8_t tries,
                    struct mono_ms not_before)
{
    s->alone_at = relay_list_empty(&s->suspects)
                      ? not_before
                      : (struct mono_ms){MAX(s->alone_at.ms, not_before.ms)};
    list_add(c, &s->suspects, (struct relay_record){.record = record, .tries = tries});
}

static void again(struct relay_core *c, struct relay_slot *s, uint32_t record, struct now now)
{
    if (relay_list_empty(&s->again)) {
        s->again_at = mono_add(now.mono, relay_backoff_ms(c, s->again_tries));
        s->again_tries = relay_one_more(s->again_tries);
    }
    list_add(c, &s->again, (struct relay_record){.record = record});
}

static void became_full(struct relay_core *c, struct now now)
{
    c->counters.kafka_full++;
    c->full = true;
    c->full_until = mono_add(now.mono, RELAY_FULL_RETRY_MS);
}

void relay_on_emitted(struct relay_core *c, const struct relay_emitted *ev, struct now now)
{
    struct relay_slot *s = relay_slot_find(c, ev->slot);
    if (s == NULL)
        return;
    if (!s->emitting || ev->taken > s->emit_count) {
        c->counters.stray_completions++;
        return;
    }
    s->emitting = false;
    if (ev->full)
        became_full(c, now);
    uint32_t end = s->emit_first + s->emit_count;
    bool alone = s->emit_first == s->alone;
    struct mono_ms later = mono_add(now.mono, RELAY_FULL_RETRY_MS);
    for (uint32_t i = s->emit_first + ev->taken; i < end; i++) {
        CHECK(pending_clear(c, s, i));
        if (alone)
            suspect(c, s, i, (uint8_t)(s->alone_tries - 1), later);
        else if (s->emit_again)
            list_add(c, &s->again, (struct relay_record){.record = i});
        else
            c->window_used--;
    }
    if (!s->emit_again)
        s->next = s->emit_first + ev->taken;
    else if (ev->taken < s->emit_count && !alone)
        s->again_at = later;
    else if (ev->taken < s->emit_count)
        s->alone = RELAY_NONE;
    relay_slot_arm(c, s);
}

/* --- reports --------------------------------------------------------------------------------- */

static void settle(struct relay_core *c, struct relay_slot *s, struct now now)
{
    c->window_used--;
    c->waiting_records--;
    s->settled++;
    if (s->settled + MUTANT_IS(25) < s->records)
        return;
    relay_bytes_set(c, s, 0);
    relay_packing_set(c, s, RELAY_PACKING_NONE, 0);
    if (s->indexed) {
        c->counters.completed++;
        relay_done_add(&c->done, &s->id, now.mono);
        relay_slot_unindex(c, s);
    }
    relay_slot_delete(c, s, now);
}

static struct relay_record refused_record(const struct relay_report *ev)
{
    return (struct relay_record){
        .record = ev->record, .detail = ev->detail, .refusal = (uint8_t)ev->refusal};
}

static void on_record_report(struct relay_core *c, struct relay_slot *s,
                             const struct relay_report *ev, struct now now)
{
    bool alone = ev->record == s->alone;
    if (alone)
        s->alone = RELAY_NONE;
    if (ev->outcome == OUTCOME_DONE || (MUTANT_IS(26) && ev->outcome == OUTCOME_UNKNOWN)) {
        c->counters.delivered++;
        settle(c, s, now);
        return;
    }
    /* A refused batch takes all its records with it; each goes again, where hardly a neighbour can
     * be to blame, before it is believed to be the one. */
    uint8_t tries = alone ? s->alone_tries : MUTANT_IS(27) * RELAY_ALONE_TRIES;
    if (ev->outcome == OUTCOME_FAILED && ev->in_company && tries < RELAY_ALONE_TRIES) {
        suspect(c, s, ev->record, tries, mono_add(now.mono, relay_backoff_ms(c, tries)));
        return;
    }
    if (ev->outcome == OUTCOME_FAILED && ev->refusal != RELAY_REFUSED_NOT) {
        c->dead_letters[ev->refusal]++;
        if (relay_list_empty(&s->dead))
            s->dead_at = now.mono;
        list_add(c, &s->dead, refused_record(ev));
        return;
    }
    if (ev->outcome == OUTCOME_UNKNOWN) {
        MARK("relay.report_unknown");
        c->counters.unknown_reports++;
    }
    if (alone)
        suspect(c, s, ev->record, (uint8_t)(tries - 1), mono_add(now.mono, relay_backoff_ms(c, 0)));
    else
        again(c, s, ev->record, now);
}

static void on_dead_letter_report(struct relay_core *c, struct relay_slot *s,
                                  const struct relay_report *ev, struct now now)
{
    if (ev->outcome == OUTCOME_DONE || MUTANT_IS(28)) {
        c->counters.dead_lettered++;
        settle(c, s, now);
        return;
    }
    if (ev->full) {
        became_full(c, now);
        s->dead_at = c->full_until;
    } else {
        MARK("relay.dead_letter_failed");
        c->counters.dead_letter_failures++;
        s->dead_at = mono_add(now.mono, relay_backoff_ms(c, s->dead_tries));
        s->dead_tries = relay_one_more(s->dead_tries);
    }
    list_add(c, &s->dead, refused_record(ev));
}

void relay_on_report(struct relay_core *c, const struct relay_report *ev, struct now now)
{
    struct relay_slot *s = relay_slot_find(c, ev->slot);
    if (s == NULL)
        return;
    if (s->state != RELAY_SLOT_HELD || ev->record >= s->records ||
        !pending_clear(c, s, ev->record)) {
        c->counters.stray_completions++;
        return;
    }
    bool plain = ev->outcome == OUTCOME_DONE && ev->record != s->alone;
    if (ev->dead_letter)
        on_dead_letter_report(c, s, ev, now);
    else
        on_record_report(c, s, ev, now);
    if (!plain) /* else nothing waits for it but the delete, which is armed already */
        relay_slot_arm(c, s);
}

/* --- dead letters ---------------------------------------------------------------------------- */

void relay_dead_letter_next(struct relay_core *c, struct relay_slot *s, struct now now,
                            struct relay_effects *out)
{
    if (c->full) {
        s->dead_at = c->full_until;
        return;
    }
    struct relay_record record = list_pop(c, &s->dead);
    pending_set(c, s, record.record);
    /* Of those that failed together one may be to blame: apart, the others get through. */
    s->dead_at = s->dead_tries == 0 ? now.mono : mono_add(now.mono, RELAY_DEAD_LETTER_GAP_MS);
    relay_effect_add(out, RELAY_DEAD_LETTER)->dead_letter = (struct relay_dead_letter){
        relay_slot_ref(c, s), record.record, (enum relay_refusal)record.refusal, record.detail};
}

void relay_dead_letter_whole(struct relay_core *c, struct relay_slot *s, enum relay_refusal refusal,
                             struct now now)
{
    s->state = RELAY_SLOT_HELD;
    c->waiting_records -= s->records;
    c->waiting_records++;
    s->records = 1;
    s->next = 1;
    c->window_used++;
    c->dead_letters[refusal]++;
    *pending_word(c, s, 0) = 0;
    s->dead_at = now.mono;
    list_add(c, &s->dead, (struct relay_record){.refusal = (uint8_t)refusal});
    relay_slot_keep(c, s);
    relay_slot_arm(c, s);
}
