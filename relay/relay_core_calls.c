/* Visibility and deletes: which message gets which call when, in batches of ten. A message has at
 * most one call under way; what it wants next waits for that. */
#include "common/check.h"
#include "common/mark.h"
#include "relay/relay_core_internal.h"

/* --- the queues of calls --------------------------------------------------------------------- */

static enum relay_call call_of(const struct relay_slot *s)
{
    return s->state == RELAY_SLOT_DELETING ? RELAY_CALL_DELETE : RELAY_CALL_VISIBILITY;
}

static void call_queue(struct relay_core *c, struct relay_slot *s, struct now now)
{
    uint32_t index = relay_slot_index(c, s);
    enum relay_call call = call_of(s);
    struct relay_list *l = &c->calls[s->queue][call];
    s->list_prev = l->tail;
    s->list_next = RELAY_NONE;
    if (relay_list_empty(l))
        l->head = index;
    else
        c->slots[l->tail].list_next = index;
    l->tail = index;
    c->calls_queued[s->queue][call]++;
    s->call_queued = true;
    s->call_at = now.mono;
}

/* Before the state changes: it tells which queue of calls the slot is in. */
void relay_call_unqueue(struct relay_core *c, struct relay_slot *s)
{
    enum relay_call call = call_of(s);
    struct relay_list *l = &c->calls[s->queue][call];
    if (s->list_prev == RELAY_NONE)
        l->head = s->list_next;
    else
        c->slots[s->list_prev].list_next = s->list_next;
    if (s->list_next == RELAY_NONE)
        l->tail = s->list_prev;
    else
        c->slots[s->list_next].list_prev = s->list_prev;
    s->list_next = RELAY_NONE;
    s->list_prev = RELAY_NONE;
    c->calls_queued[s->queue][call]--;
    s->call_queued = false;
}

/* --- what a slot wants ----------------------------------------------------------------------- */

static void want_call(struct relay_core *c, struct relay_slot *s, enum relay_slot_state state,
                      struct now now)
{
    if (s->call_queued)
        relay_call_unqueue(c, s);
    s->state = (uint8_t)state;
    s->call_tries = 0;
    if (s->call_sent)
        s->call_stale = true; /* its answer starts the new call */
    else
        call_queue(c, s, now);
    relay_slot_arm(c, s);
}

void relay_slot_leave(struct relay_core *c, struct relay_slot *s, enum relay_leave leave,
                      struct now now)
{
    relay_slot_unindex(c, s);
    if (s->packing == RELAY_PACKED)
        relay_packing_set(c, s, RELAY_PACKING_NONE, 0);
    c->blobs -= s->blob_open;
    s->blob_open = false;
    s->leave = (uint8_t)leave;
    want_call(c, s, RELAY_SLOT_LEAVING, now);
}

void relay_slot_delete(struct relay_core *c, struct relay_slot *s, struct now now)
{
    want_call(c, s, RELAY_SLOT_DELETING, now);
}

void relay_slot_keep(struct relay_core *c, struct relay_slot *s)
{
    s->call_at.ms = time_sub(s->visible_at.ms, c->limits.visibility_ms / 2);
}

void relay_slot_rehandle(struct relay_core *c, struct relay_slot *s,
                         const struct relay_received *ev)
{
    if (s->call_queued)
        relay_call_unqueue(c, s);
    s->call_stale = s->call_sent;
    s->queue = (uint8_t)ev->queue;
    s->received_at = ev->received_at;
    s->visible_at = mono_add(ev->received_at, c->limits.visibility_ms);
    s->lapsed = false;
    relay_slot_keep(c, s);
    relay_slot_arm(c, s);
}

static bool holding(const struct relay_slot *s)
{
    return s->state != RELAY_SLOT_LEAVING && s->state != RELAY_SLOT_DELETING;
}

void relay_slot_lapse(struct relay_core *c, struct relay_slot *s)
{
    if (s->lapsed)
        return;
    s->lapsed = true;
    c->counters.lapsed_emitted++;
    c->counters.lapsed_records += s->records;
}

bool relay_slot_call_due(struct relay_core *c, struct relay_slot *s, struct now now,
                         struct relay_effects *out)
{
    if (!holding(s)) {
        call_queue(c, s, now);
        return true;
    }
    if (relay_slot_ran_out(c, s, now)) {
        s->call_at.ms = TIME_NEVER;
        if (relay_slot_untouched(s) && !s->emitting) {
            MARK("relay.lapsed_unemitted");
            c->counters.lapsed_unemitted++;
            relay_slot_release(c, s, out);
            return false;
        }
        relay_slot_lapse(c, s);
        return true;
    }
    int64_t last = time_add(s->received_at.ms, c->limits.receive_max_ms);
    int64_t reach = MIN(time_add(now.mono.ms, c->limits.visibility_ms), last);
    if (reach < time_add(s->visible_at.ms, MS_PER_SECOND)) {
        c->counters.capped++;
        s->call_at.ms = time_sub(s->visible_at.ms, c->limits.margin_ms);
        return true;
    }
    call_queue(c, s, now);
    return true;
}

static int32_t whole_seconds(int64_t ms, int32_t least)
{
    int64_t seconds = ms < 0 ? 0 : ms / MS_PER_SECOND;
    return (int32_t)MAX(MIN(seconds, SQS_VISIBILITY_SECONDS_MAX), least);
}

static int32_t seconds_wanted(const struct relay_core *c, const struct relay_slot *s,
                              struct now now)
{
    int64_t left = s->received_at.ms + c->limits.receive_max_ms - now.mono.ms;
    if (s->state != RELAY_SLOT_LEAVING)
        return whole_seconds(MIN(c->limits.visibility_ms, left), 1);
    switch ((enum relay_leave)s->leave) {
    case RELAY_LEAVE_DEFER: {
        MARK("relay.defers");
        int64_t until = time_sub(s->first_due_ms, time_add(now.wall.ms, c->limits.lead_ms));
        /* On a later try it may be time to see it at once. */
        return whole_seconds(MIN(until, left), s->call_tries == 0 ? 1 : 0);
    }
    case RELAY_LEAVE_PARK:
        return whole_seconds(c->limits.park_ms, 1);
    case RELAY_LEAVE_GARBLED:
    case RELAY_LEAVE_NO_ROOM:
        return 1;
    case RELAY_LEAVE_BACK:
        return 0;
    }
    UNREACHABLE();
}

/* --- batches --------------------------------------------------------------------------------- */

static void send_batch(struct relay_core *c, enum relay_queue queue, enum relay_call call,
                       struct now now, struct relay_effects *out)
{
    uint32_t index = 0;
    while ((c->batch_mask & (UINT32_C(1) << index)) != 0)
        index++;
    c->batch_mask |= UINT32_C(1) << index;
    struct relay_batch_state *b = &c->batches[index];
    b->call = call;
    b->sent_at = now.mono;
    b->count = 0;
    struct relay_list *l = &c->calls[queue][call];
    while (b->count < SQS_BATCH_ENTRIES_MAX && !relay_list_empty(l)) {
        struct relay_slot *s = &c->slots[l->head];
        relay_call_unqueue(c, s);
        s->call_sent = true;
        b->slots[b->count] = relay_slot_ref(c, s);
        b->seconds[b->count] = call == RELAY_CALL_DELETE ? 0 : seconds_wanted(c, s, now);
        b->count++;
        relay_slot_arm(c, s);
    }
    struct relay_effect *effect =
        relay_effect_add(out, call == RELAY_CALL_DELETE ? RELAY_DELETE : RELAY_CHANGE_VISIBILITY);
    effect->batch =
        (struct relay_batch){.batch = {index, b->generation}, .queue = queue, .count = b->count};
    for (uint32_t i = 0; i < b->count; i++) {
        effect->batch.slots[i] = b->slots[i];
        effect->batch.seconds[i] = b->seconds[i];
    }
}

/* While SQS throttles, deletes wait longer for each other: nobody waits for them as long as their
 * visibility lasts, and each call that is saved is a poll. */
static int64_t linger_ms(const struct relay_core *c, const struct relay_slot *first, int call)
{
    bool throttled = first->call_at.ms < c->throttled_until.ms;
    if (call == RELAY_CALL_DELETE && throttled && first->call_tries == 0 && !c->stopping)
        return MAX(c->limits.linger_ms, c->limits.visibility_ms / 16);
    return c->limits.linger_ms;
}

/* When the calls of this kind are to go: a full batch at once, others after their linger. */
static struct mono_ms flush_at(const struct relay_core *c, int queue, int call)
{
    const struct relay_list *l = &c->calls[queue][call];
    if (relay_list_empty(l) || c->batch_mask == UINT32_MAX)
        return (struct mono_ms){TIME_NEVER};
    if (c->calls_queued[queue][call] >= SQS_BATCH_ENTRIES_MAX)
        return (struct mono_ms){INT64_MIN};
    const struct relay_slot *first = &c->slots[l->head];
    return mono_add(first->call_at, linger_ms(c, first, call));
}

void relay_calls_flush(struct relay_core *c, struct now now, struct relay_effects *out)
{
    for (int q = 0; q < RELAY_QUEUES; q++)
        for (int call = 0; call < RELAY_CALLS; call++)
            while (relay_room(out) && flush_at(c, q, call).ms <= now.mono.ms)
                send_batch(c, (enum relay_queue)q, (enum relay_call)call, now, out);
}

struct mono_ms relay_calls_deadline(const struct relay_core *c)
{
    struct mono_ms at = {TIME_NEVER};
    for (int q = 0; q < RELAY_QUEUES; q++)
        for (int call = 0; call < RELAY_CALLS; call++)
            at.ms = MIN(at.ms, flush_at(c, q, call).ms);
    return at;
}

/* --- answers --------------------------------------------------------------------------------- */

static void count_left(struct relay_core *c, const struct relay_slot *s)
{
    switch ((enum relay_leave)s->leave) {
    case RELAY_LEAVE_DEFER:
        c->counters.deferred++;
        break;
    case RELAY_LEAVE_PARK:
        c->counters.parked++;
        break;
    case RELAY_LEAVE_GARBLED:
        c->counters.garbled++;
        break;
    case RELAY_LEAVE_NO_ROOM:
        c->counters.no_room++;
        break;
    case RELAY_LEAVE_BACK:
        MARK("relay.hands_back");
        c->counters.handed_back++;
        break;
    }
}

/* A throttle says nothing about the message: it is worth calling again while the receipt lasts. */
static bool is_hopeless(const struct relay_slot *s, const struct relay_call_result *result,
                        struct now now)
{
    if (result->kind == ERROR_PERMANENT)
        return true;
    bool lasts = result->kind == ERROR_THROTTLED && now.mono.ms < s->visible_at.ms;
    return s->call_tries >= RELAY_CALL_TRIES_MAX && !lasts;
}

/* Nothing is lost when a deferral or a delete is given up: the message only comes back. */
static void on_last_call(struct relay_core *c, struct relay_slot *s,
                         const struct relay_call_result *result, struct now now,
                         struct relay_effects *out)
{
    bool deleting = s->state == RELAY_SLOT_DELETING;
    if (result->outcome == OUTCOME_DONE) {
        if (deleting)
            c->counters.deleted++;
        else
            count_left(c, s);
        relay_slot_release(c, s, out);
        return;
    }
    s->call_tries = relay_one_more(s->call_tries);
    if (is_hopeless(s, result, now)) {
        if (result->receipt_ended)
            c->counters.receipts_ended++;
        else if (deleting)
            c->counters.delete_failures++;
        else
            c->counters.defer_failures++;
        relay_slot_release(c, s, out);
        return;
    }
    uint32_t tries = s->call_tries - 1u;
    s->call_at = mono_add(now.mono, result->kind == ERROR_THROTTLED
                                        ? relay_throttled_backoff_ms(c, tries, now)
                                        : relay_backoff_ms(c, tries));
    relay_slot_arm(c, s);
}

static void on_extension(struct relay_core *c, struct relay_slot *s,
                         const struct relay_call_result *result, struct mono_ms sent_at,
                         int32_t seconds, struct now now)
{
    if (result->outcome == OUTCOME_DONE) {
        c->counters.extended++;
        s->visible_at = mono_add(sent_at, seconds * MS_PER_SECOND);
        relay_slot_keep(c, s);
    } else {
        if (result->receipt_ended)
            c->counters.receipts_ended++;
        else
            c->counters.extend_failures++;
        if (result->kind == ERROR_PERMANENT)
            s->visible_at = now.mono; /* the handle is worth nothing: it ran out */
        s->call_at.ms = MIN(time_add(now.mono.ms, c->limits.visibility_ms / 16),
                            time_sub(s->visible_at.ms, c->limits.margin_ms));
    }
    relay_slot_arm(c, s);
}

void relay_on_called(struct relay_core *c, const struct relay_called *ev, struct now now,
                     struct relay_effects *out)
{
    uint32_t index = ev->batch.index;
    if (index >= RELAY_BATCHES_MAX || (c->batch_mask & (UINT32_C(1) << index)) == 0 ||
        c->batches[index].generation != ev->batch.generation) {
        c->counters.stray_completions++;
        return;
    }
    struct relay_batch_state *b = &c->batches[index];
    CHECK(ev->count == b->count);
    c->batch_mask &= ~(UINT32_C(1) << index);
    b->generation++;
    for (uint32_t i = 0; i < b->count; i++) {
        struct relay_slot *s = relay_slot_find(c, b->slots[i]);
        if (s == NULL)
            continue;
        s->call_sent = false;
        if (ev->results[i].kind == ERROR_THROTTLED)
            relay_note_throttle(c, now);
        if (!s->call_stale) {
            if (holding(s))
                on_extension(c, s, &ev->results[i], b->sent_at, b->seconds[i], now);
            else
                on_last_call(c, s, &ev->results[i], now, out);
            continue;
        }
        s->call_stale = false;
        if (!holding(s))
            call_queue(c, s, now);
        relay_slot_arm(c, s);
    }
}
