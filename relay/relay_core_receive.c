/* What comes in: messages, their decoding, their blobs, and how many polls are out. */
#include "common/check.h"
#include "common/mark.h"
#include "common/mutant.h"
#include "relay/relay_core_internal.h"

/* --- messages -------------------------------------------------------------------------------- */

/* Puts back what the shell cannot read, or dead-letters it when it is old. */
static void reject(struct relay_core *c, struct relay_slot *s, enum relay_verdict verdict,
                   struct now now)
{
    relay_slot_unindex(c, s);
    if (c->stopping) {
        relay_slot_leave(c, s, RELAY_LEAVE_BACK, now);
        return;
    }
    if (verdict == RELAY_GARBLED && s->receive_count <= RELAY_GARBLED_RETRIES) {
        relay_slot_leave(c, s, RELAY_LEAVE_GARBLED, now);
        return;
    }
    bool old = s->sent_ms > 0 && time_sub(now.wall.ms, s->sent_ms) > c->limits.park_max_ms;
    if (old && c->window_used < c->limits.window_records)
        relay_dead_letter_whole(
            c, s, verdict == RELAY_UNSUPPORTED ? RELAY_REFUSED_UNSUPPORTED : RELAY_REFUSED_CORRUPT,
            now);
    else
        relay_slot_leave(c, s, RELAY_LEAVE_PARK, now);
}

static struct relay_slot *held_with_id(struct relay_core *c, const struct envelope_id *id)
{
    uint32_t slot = relay_ids_find(&c->held, id);
    return slot == RELAY_IDS_ABSENT ? NULL : &c->slots[slot];
}

static void drop_duplicate(struct relay_core *c, struct relay_slot *held, struct relay_slot *s,
                           const struct relay_received *ev, struct relay_effects *out)
{
    struct relay_effect *effect = relay_effect_add(out, RELAY_REHANDLE);
    effect->rehandle.to = relay_slot_ref(c, held);
    effect->rehandle.from = relay_slot_index(c, s);
    relay_slot_rehandle(c, held, ev);
    relay_slot_release(c, s, out);
    c->counters.duplicates_held++;
}

void relay_on_received(struct relay_core *c, const struct relay_received *ev, struct now now,
                       struct relay_effects *out)
{
    struct relay_slot *s = relay_slot_take(c, ev->slot);
    c->counters.received++;
    s->queue = (uint8_t)ev->queue;
    s->received_at = ev->received_at;
    s->visible_at = mono_add(ev->received_at, c->limits.visibility_ms);
    s->sent_ms = ev->sent_ms;
    s->receive_count = ev->receive_count;
    if (ev->verdict != RELAY_READABLE) {
        reject(c, s, ev->verdict, now);
        return;
    }
    s->id = ev->id;
    s->first_due_ms = ev->first_due_ms;
    if (relay_done_has(&c->done, &s->id, now.mono) && !MUTANT_IS(30)) {
        MARK("relay.delivered_already");
        c->counters.duplicates_done++;
        relay_slot_delete(c, s, now);
        return;
    }
    struct relay_slot *held = held_with_id(c, &s->id);
    if (held != NULL && !MUTANT_IS(31)) {
        MARK("relay.held_already");
        drop_duplicate(c, held, s, ev, out);
        return;
    }
    if (c->stopping) {
        relay_slot_leave(c, s, RELAY_LEAVE_BACK, now);
        return;
    }
    if (time_sub(s->first_due_ms, now.wall.ms) > c->limits.hold_ms) {
        relay_slot_leave(c, s, RELAY_LEAVE_DEFER, now);
        return;
    }
    bool alone = c->bytes == 0;
    relay_bytes_set(c, s, ev->bytes);
    relay_packing_set(c, s, RELAY_PACKED, ev->unpacked_bytes);
    /* Polls reserve room for what they bring as it comes; unpacked it may be far more. */
    if (!alone && relay_core_budget_used(c) > c->limits.budget_bytes) {
        relay_bytes_set(c, s, 0);
        relay_slot_leave(c, s, RELAY_LEAVE_NO_ROOM, now);
        return;
    }
    c->counters.held++;
    s->state = RELAY_SLOT_PACKED;
    s->records = ev->records;
    c->waiting_records += s->records;
    /* A blob is to be fetched yet, which takes its time. */
    s->unpack_at.ms = ev->blob ? INT64_MIN : time_sub(s->first_due_ms, c->limits.unpack_ms);
    relay_ids_put(&c->held, &s->id, ev->slot);
    s->indexed = true;
    relay_slot_keep(c, s);
    relay_slot_arm(c, s);
    relay_effect_add(out, RELAY_HOLD)->slot = relay_slot_ref(c, s);
}

/* --- unpacking ------------------------------------------------------------------------------- */

/* While Kafka takes no more, what is unpacked could not go out either. */
bool relay_unpack_has_room(const struct relay_core *c)
{
    if (c->unpack.len == 0 || c->full || c->window_used >= c->limits.window_records)
        return false;
    const struct relay_slot *s = &c->slots[c->unpack.entries[0].slot];
    return c->unpacked_bytes == 0 ||
           c->unpacked_bytes + s->unpacked_bytes <= c->limits.unpacked_bytes;
}

/* One a step: it takes a while, and what falls due meanwhile goes out in between. */
void relay_unpack_next(struct relay_core *c, struct now now, struct relay_effects *out)
{
    if (!relay_room(out) || !relay_unpack_has_room(c))
        return;
    uint32_t slot = timer_heap_pop(&c->unpack, now.wall.ms);
    if (slot == TIMER_HEAP_ABSENT)
        return;
    struct relay_slot *s = &c->slots[slot];
    s->state = RELAY_SLOT_DECODING;
    relay_bytes_set(c, s, s->bytes + s->unpacked_bytes);
    relay_packing_set(c, s, RELAY_UNPACKED, s->unpacked_bytes);
    relay_slot_arm(c, s);
    relay_effect_add(out, RELAY_DECODE)->slot = relay_slot_ref(c, s);
}

void relay_on_decoded(struct relay_core *c, const struct relay_decoded *ev, struct now now)
{
    struct relay_slot *s = relay_slot_find(c, ev->slot);
    if (s == NULL || s->state != RELAY_SLOT_DECODING)
        return;
    if (ev->verdict != RELAY_READABLE) {
        reject(c, s, ev->verdict, now);
        return;
    }
    CHECK(ev->records > 0 && ev->records <= ENVELOPE_RECORDS_MAX);
    c->waiting_records -= s->records;
    c->waiting_records += ev->records;
    s->records = ev->records;
    s->second_ms = ev->second_ms;
    s->due_offsets = ev->due_offsets;
    s->first_due_ms = s->second_ms + s->due_offsets[0];
    s->blob_bytes = ev->blob_bytes;
    relay_bytes_set(c, s, ev->bytes);
    relay_packing_set(c, s, RELAY_UNPACKED, ev->bytes);
    uint64_t *bits = &c->pending_bits[(size_t)ev->slot.index * RELAY_PENDING_WORDS];
    for (uint32_t w = 0; w < (s->records + 63) / 64; w++)
        bits[w] = 0;
    s->state = s->blob_bytes > 0 ? RELAY_SLOT_BLOB_WAITING : RELAY_SLOT_HELD;
    relay_slot_arm(c, s);
}

/* --- blobs ----------------------------------------------------------------------------------- */

/* One at a time always goes on, however small the budget. */
bool relay_fetch_has_room(const struct relay_core *c)
{
    if (c->fetch.len == 0)
        return false;
    const struct relay_slot *s = &c->slots[c->fetch.entries[0].slot];
    return c->blobs == 0 || relay_core_budget_used(c) + s->blob_bytes <= c->limits.budget_bytes;
}

void relay_fetches_start(struct relay_core *c, struct relay_effects *out)
{
    while (relay_room(out) && relay_fetch_has_room(c)) {
        struct relay_slot *s = &c->slots[timer_heap_pop(&c->fetch, TIME_NEVER)];
        s->state = RELAY_SLOT_BLOB_FETCHING;
        c->blobs++;
        s->blob_open = true;
        relay_bytes_set(c, s, s->bytes + s->blob_bytes);
        relay_effect_add(out, RELAY_FETCH)->slot = relay_slot_ref(c, s);
        relay_slot_arm(c, s);
    }
}

void relay_on_fetched(struct relay_core *c, const struct relay_fetched *ev, struct now now)
{
    struct relay_slot *s = relay_slot_find(c, ev->slot);
    if (s == NULL || s->state != RELAY_SLOT_BLOB_FETCHING)
        return;
    if (ev->attached) {
        c->counters.blobs_fetched++;
        if (now.wall.ms > s->first_due_ms)
            c->counters.blobs_late++;
        s->state = RELAY_SLOT_HELD;
        s->again_tries = 0;
    } else {
        MARK("relay.blob_failed");
        c->counters.blob_failures++;
        c->blobs--;
        s->blob_open = false;
        relay_bytes_set(c, s, s->bytes - s->blob_bytes);
        s->state = RELAY_SLOT_BLOB_WAITING;
        s->again_at = mono_add(now.mono, relay_backoff_ms(c, s->again_tries));
        s->again_tries = relay_one_more(s->again_tries);
        if (c->stopping)
            relay_slot_leave(c, s, RELAY_LEAVE_BACK, now);
    }
    relay_slot_arm(c, s);
}

/* --- polls ----------------------------------------------------------------------------------- */

static uint32_t polls_out(const struct relay_core *c)
{
    return c->polls[RELAY_QUEUE_DELAY].out + c->polls[RELAY_QUEUE_READY].out;
}

/* Room for whatever one more poll may bring. With nothing in memory one may always go. */
static bool room_for_poll(const struct relay_core *c)
{
    uint32_t out = polls_out(c);
    uint32_t slots_free = c->limits.slots - c->slots_used;
    int64_t bytes = relay_core_budget_used(c) + ((int64_t)out + 1) * c->limits.poll_bytes;
    return slots_free >= (out + 1) * RELAY_POLL_MESSAGES &&
           (bytes <= c->limits.budget_bytes || (out == 0 && c->bytes == 0));
}

static bool wants_poll(const struct relay_core *c, const struct relay_polls *p)
{
    return !c->stopping && !c->full && c->window_used < c->limits.window_records &&
           p->out < p->want && room_for_poll(c);
}

static void start_poll(struct relay_core *c, uint32_t queue, struct relay_effects *out)
{
    struct relay_polls *p = &c->polls[queue];
    uint32_t index = 0;
    while ((p->out_mask & (1u << index)) != 0)
        index++;
    p->out_mask |= 1u << index;
    p->out++;
    c->counters.polls++;
    relay_effect_add(out, RELAY_POLL)->poll = (struct relay_poll){
        .poll = {queue * RELAY_POLLS_MAX + index, p->generations[index]},
        .queue = (enum relay_queue)queue,
    };
}

/* The queues take turns, so that neither starves when there is room for one poll only. */
void relay_polls_start(struct relay_core *c, struct now now, struct relay_effects *out)
{
    for (uint32_t refused = 0; refused < RELAY_QUEUES && relay_room(out);) {
        uint32_t queue = c->poll_turn;
        const struct relay_polls *p = &c->polls[queue];
        c->poll_turn = (queue + 1) % RELAY_QUEUES;
        if (now.mono.ms >= p->not_before.ms && wants_poll(c, p)) {
            start_poll(c, queue, out);
            refused = 0;
        } else {
            refused++;
        }
    }
}

struct mono_ms relay_polls_deadline(const struct relay_core *c)
{
    struct mono_ms at = {TIME_NEVER};
    for (int q = 0; q < RELAY_QUEUES; q++)
        if (wants_poll(c, &c->polls[q]))
            at.ms = MIN(at.ms, c->polls[q].not_before.ms);
    return at;
}

/* Full answers ask for more polls, poor ones for fewer: an idle queue costs one. */
static void adapt(struct relay_core *c, struct relay_polls *p, uint32_t messages)
{
    if (messages == RELAY_POLL_MESSAGES)
        p->want = MIN(p->want * 2, c->limits.polls_max);
    else if (messages == 0)
        p->want = 1;
    else if (messages < RELAY_POLL_MESSAGES / 2 && p->want > 1)
        p->want--;
}

void relay_on_polled(struct relay_core *c, const struct relay_polled *ev, struct now now)
{
    uint32_t queue = ev->poll.index / RELAY_POLLS_MAX;
    uint32_t index = ev->poll.index % RELAY_POLLS_MAX;
    struct relay_polls *p = &c->polls[MIN(queue, RELAY_QUEUES - 1u)];
    if (queue >= RELAY_QUEUES || (p->out_mask & (1u << index)) == 0 ||
        p->generations[index] != ev->poll.generation) {
        c->counters.stray_completions++;
        return;
    }
    p->out_mask &= ~(1u << index);
    p->generations[index]++;
    p->out--;
    if (ev->outcome == OUTCOME_DONE) {
        p->failures = 0;
        adapt(c, p, ev->messages);
        if (ev->messages == 0) {
            c->counters.empty_polls++;
            /* A server that answers at once with nothing must not make us spin. */
            p->not_before = mono_add(now.mono, RELAY_EMPTY_POLL_PAUSE_MS);
        }
        /* Messages come well ahead of their time: the next poll may wait until it finds more. */
        if (ev->messages < RELAY_POLL_MESSAGES && now.mono.ms < c->throttled_until.ms)
            p->not_before = mono_add(now.mono, c->limits.lead_ms / 8);
    } else if (ev->held_back_ms > 0) {
        c->counters.polls_held_back++;
        relay_note_throttle(c, now);
        p->want = 1;
        p->not_before = mono_add(now.mono, ev->held_back_ms);
    } else {
        MARK("relay.poll_failed");
        c->counters.poll_failures++;
        p->want = 1;
        p->not_before =
            mono_add(now.mono, ev->throttled ? relay_throttled_backoff_ms(c, p->failures, now)
                                             : relay_backoff_ms(c, p->failures));
        p->failures += p->failures < UINT8_MAX;
    }
}
