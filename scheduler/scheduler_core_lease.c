#include <string.h>

#include "common/check.h"
#include "common/mutant.h"
#include "scheduler/scheduler_core_state.h"

/* --- slots and lists ------------------------------------------------------------------------- */

static void list_add(struct scheduler_core *c, struct tick_list *list, uint32_t slot)
{
    c->ticks[slot].next = ABSENT;
    if (list->head == ABSENT)
        list->head = slot;
    else
        c->ticks[list->tail].next = slot;
    list->tail = slot;
}

static uint32_t list_pop(struct scheduler_core *c, struct tick_list *list)
{
    uint32_t slot = list->head;
    if (slot != ABSENT)
        list->head = c->ticks[slot].next;
    return slot;
}

static void list_remove(struct scheduler_core *c, struct tick_list *list, uint32_t slot)
{
    uint32_t before = ABSENT;
    for (uint32_t at = list->head; at != slot; at = c->ticks[at].next) {
        CHECK(at != ABSENT);
        before = at;
    }
    if (before == ABSENT)
        list->head = c->ticks[slot].next;
    else
        c->ticks[before].next = c->ticks[slot].next;
    if (list->tail == slot)
        list->tail = before;
}

static uint32_t slot_take(struct scheduler_core *c)
{
    uint32_t slot = c->free_ticks;
    CHECK(slot != ABSENT);
    c->free_ticks = c->ticks[slot].next;
    c->free_tick_count--;
    c->ticks[slot].state = TICK_RESERVED;
    c->ticks[slot].serial++;
    return slot;
}

static void slot_free(struct scheduler_core *c, uint32_t slot)
{
    c->ticks[slot].state = TICK_FREE;
    c->ticks[slot].next = c->free_ticks;
    c->free_ticks = slot;
    c->free_tick_count++;
}

void scheduler_lease_init(struct scheduler_core *c)
{
    c->free_ticks = ABSENT;
    for (uint32_t i = scheduler_core_ticks(&c->limits); i-- > 0;)
        slot_free(c, i);
    c->leaving = (struct tick_list){ABSENT, ABSENT};
    for (uint32_t i = 0; i < c->limits.shards_max; i++)
        c->shards[i].ticks = (struct tick_list){ABSENT, ABSENT};
}

/* --- leaving a shard ------------------------------------------------------------------------- */

static void release_shard(struct step *s, uint32_t index)
{
    struct scheduler_core *c = s->c;
    struct shard *shard = &c->shards[index];
    scheduler_read_stop(s, index);
    scheduler_history_abandon(c, index);
    *shard = (struct shard){.ticks = {ABSENT, ABSENT}};
    c->held--;
}

void scheduler_lease_leave(struct step *s, uint32_t index, enum scheduler_note why)
{
    struct scheduler_core *c = s->c;
    struct shard *shard = &c->shards[index];
    int64_t bucket = shard->last_bucket;
    for (uint32_t slot; (slot = list_pop(c, &shard->ticks)) != ABSENT;)
        slot_free(c, slot);
    release_shard(s, index);
    scheduler_step_note(s, why, index, bucket, 0);
}

static void leave_by(struct step *s, uint32_t slot, enum tick_state state)
{
    struct tick *tick = &s->c->ticks[slot];
    tick->state = state;
    tick->busy = false;
    tick->tries = 0;
    tick->act_at = s->now.mono.ms;
    list_add(s->c, &s->c->leaving, slot);
}

void scheduler_lease_settle(struct step *s, uint32_t index)
{
    struct scheduler_core *c = s->c;
    struct shard *shard = &c->shards[index];
    struct tick_list left = {ABSENT, ABSENT};
    for (uint32_t slot; (slot = list_pop(c, &shard->ticks)) != ABSENT;) {
        if (c->ticks[slot].bucket >= shard->stored.bucket && !MUTANT_IS(19)) {
            list_add(c, &left, slot);
            continue;
        }
        c->counters.ticks_stale += shard->phase == SHARD_READING_CURSOR;
        leave_by(s, slot, TICK_DELETING);
    }
    shard->ticks = left;
    if (left.head == ABSENT)
        release_shard(s, index);
    else if (shard->stored.bucket > shard->last_bucket)
        scheduler_cursor_begin(s, index);
}

void scheduler_lease_hand_back(struct step *s, uint32_t index)
{
    struct scheduler_core *c = s->c;
    struct shard *shard = &c->shards[index];
    for (uint32_t slot; (slot = list_pop(c, &shard->ticks)) != ABSENT;)
        leave_by(s, slot, TICK_HANDING_BACK);
    release_shard(s, index);
}

bool scheduler_lease_expire(struct step *s)
{
    struct scheduler_core *c = s->c;
    for (uint32_t i = 0; i < c->shard_top; i++) {
        struct shard *shard = &c->shards[i];
        if (shard->phase == SHARD_FREE)
            continue;
        /* The ticks of a shard are extended together; one that ended tells of a gap in which
         * somebody else may have taken the shard. */
        bool ended = false;
        for (uint32_t at = shard->ticks.head; at != ABSENT; at = c->ticks[at].next)
            ended = ended || c->ticks[at].lease_ends <= s->now.mono.ms;
        if (!ended)
            continue;
        if (scheduler_step_room(s) < EFFECTS_OF_A_LOSS)
            return false;
        c->counters.leases_lost++;
        scheduler_lease_leave(s, i, SCHEDULER_NOTE_LEASE_LOST);
    }
    return true;
}

/* --- receiving ------------------------------------------------------------------------------- */

static bool holds_bucket(const struct scheduler_core *c, const struct shard *shard, int64_t bucket)
{
    for (uint32_t at = shard->ticks.head; at != ABSENT; at = c->ticks[at].next) {
        if (c->ticks[at].bucket == bucket)
            return true;
    }
    return false;
}

static void hold(struct step *s, uint32_t slot)
{
    struct scheduler_core *c = s->c;
    struct tick *tick = &c->ticks[slot];
    struct shard *shard = &c->shards[tick->shard];
    /* The tick that we hold, handed out again: our lease on it must have ended unnoticed. */
    if (shard->phase != SHARD_FREE && holds_bucket(c, shard, tick->bucket)) {
        c->counters.leases_lost++;
        scheduler_lease_leave(s, tick->shard, SCHEDULER_NOTE_LEASE_LOST);
    }
    tick->state = TICK_HELD;
    tick->busy = false;
    tick->tries = 0;
    list_add(c, &shard->ticks, slot);
    if (shard->phase != SHARD_FREE)
        return;
    c->held++;
    c->shard_top = MAX(c->shard_top, tick->shard + 1);
    scheduler_cursor_begin(s, tick->shard);
}

static void take_in(struct step *s, uint32_t slot, const struct scheduler_message *message,
                    int64_t asked_at)
{
    struct scheduler_core *c = s->c;
    if (!message->is_tick || message->shard >= c->limits.shards_max) {
        c->counters.messages_foreign++;
        scheduler_step_note(s, SCHEDULER_NOTE_FOREIGN_MESSAGE, 0, 0, 0);
        slot_free(c, slot);
        return;
    }
    struct tick *tick = &c->ticks[slot];
    tick->shard = message->shard;
    tick->bucket = message->bucket;
    tick->receive_count = message->receive_count;
    memcpy(tick->fence, message->fence, sizeof(tick->fence));
    /* A receive that was repeated below us may have been asked for long ago: then there is a moment
     * to find out, by extending, whether the lease still stands. The fence is what keeps us safe.
     */
    tick->lease_ends =
        MAX(time_add(asked_at, c->limits.lease_ms), time_add(s->now.mono.ms, LEASE_FIRST_MS));
    tick->act_at = time_add(asked_at, c->limits.extend_every_ms);
    c->counters.ticks_received++;
    if (c->stopping)
        leave_by(s, slot, TICK_HANDING_BACK);
    else
        hold(s, slot);
}

/* Those that nothing came for. */
static void free_slots(struct scheduler_core *c, const struct poll *poll, uint32_t used)
{
    for (uint32_t i = used; i < SCHEDULER_BATCH_MAX; i++)
        slot_free(c, poll->slots[i]);
}

void scheduler_lease_on_received(struct step *s, const struct scheduler_event *event)
{
    struct scheduler_core *c = s->c;
    uint32_t index = scheduler_id_slot(event->id);
    if (event->id == 0 || index >= SCHEDULER_POLLS_MAX || c->polls[index].id != event->id)
        return;
    struct poll *poll = &c->polls[index];
    poll->id = 0;
    if (event->received.held_back_ms > 0) {
        free_slots(c, poll, 0);
        c->counters.polls_held_back++;
        poll->retry_at = time_add(s->now.mono.ms, event->received.held_back_ms);
        return;
    }
    bool good = event->result == SCHEDULER_DONE;
    scheduler_step_dependency(s, SCHEDULER_DEPENDS_TIMER_QUEUE, good);
    uint32_t count = good ? event->received.count : 0;
    CHECK(count <= SCHEDULER_BATCH_MAX);
    for (uint32_t i = 0; i < count; i++)
        take_in(s, poll->slots[i], &event->received.messages[i], poll->sent_at);
    free_slots(c, poll, count);
    poll->failures = good ? 0 : poll->failures + 1;
    int64_t pause_ms = count > 0 ? 0 : SCHEDULER_EMPTY_POLL_PAUSE_MS;
    poll->retry_at =
        time_add(s->now.mono.ms, good ? pause_ms : scheduler_step_backoff_ms(s, poll->failures));
}

static void begin_polls(struct step *s)
{
    struct scheduler_core *c = s->c;
    for (uint32_t i = 0; i < c->limits.polls; i++) {
        struct poll *poll = &c->polls[i];
        if (poll->id != 0)
            continue;
        if (poll->retry_at > s->now.mono.ms) {
            scheduler_step_wake_mono(s, poll->retry_at);
            continue;
        }
        if (c->free_tick_count < SCHEDULER_BATCH_MAX)
            continue; /* full: take nothing in; a slot comes free with a completion */
        if (scheduler_step_room(s) == 0) {
            scheduler_step_wake_now(s);
            return;
        }
        struct scheduler_effect *effect = scheduler_step_emit(s, SCHEDULER_EFFECT_RECEIVE, i, 0);
        poll->id = effect->id;
        poll->sent_at = s->now.mono.ms;
        effect->count = SCHEDULER_BATCH_MAX;
        for (uint32_t k = 0; k < SCHEDULER_BATCH_MAX; k++) {
            poll->slots[k] = slot_take(c);
            effect->ticks.slots[k] = poll->slots[k];
        }
    }
}

/* --- extending, deleting, handing back ------------------------------------------------------- */

static void call_add(struct tick_call *call, const struct scheduler_core *c, uint32_t slot)
{
    call->slots[call->count] = slot;
    call->serials[call->count] = c->ticks[slot].serial;
    call->count++;
}

/* False: there is no room for it now. */
static bool call_emit(struct step *s, const struct tick_call *wanted)
{
    struct scheduler_core *c = s->c;
    uint32_t slot = 0;
    while (slot < TICK_CALLS_MAX && c->tick_calls[slot].id != 0)
        slot++;
    if (slot == TICK_CALLS_MAX)
        return false; /* the next completion comes by here */
    if (scheduler_step_room(s) == 0) {
        scheduler_step_wake_now(s);
        return false;
    }
    bool deletes = wanted->purpose == TICK_DELETING;
    struct scheduler_effect *effect = scheduler_step_emit(
        s, deletes ? SCHEDULER_EFFECT_DELETE_TICKS : SCHEDULER_EFFECT_SET_VISIBILITY, slot, 0);
    effect->count = wanted->count;
    memcpy(effect->ticks.slots, wanted->slots, sizeof(wanted->slots));
    effect->ticks.visibility_ms = wanted->purpose == TICK_HELD ? c->limits.lease_ms : 0;
    c->tick_calls[slot] = *wanted;
    c->tick_calls[slot].id = effect->id;
    c->tick_calls[slot].sent_at = s->now.mono.ms;
    return true;
}

static void extend(struct step *s, const struct tick_call *call)
{
    if (!call_emit(s, call))
        return;
    /* Not waiting for the answer: one that does not come must not cost the lease. */
    for (uint32_t i = 0; i < call->count; i++)
        s->c->ticks[call->slots[i]].act_at = time_add(s->now.mono.ms, s->c->limits.extend_every_ms);
}

/* With one that is due go those that will be soon: one call for all, again and again. */
static int64_t extend_up_to(const struct step *s)
{
    const struct scheduler_core *c = s->c;
    for (uint32_t i = 0; i < c->shard_top; i++) {
        for (uint32_t at = c->shards[i].ticks.head; at != ABSENT; at = c->ticks[at].next) {
            if (c->ticks[at].act_at <= s->now.mono.ms)
                return time_add(s->now.mono.ms, c->limits.extend_every_ms / 2);
        }
    }
    return INT64_MIN;
}

static void extend_leases(struct step *s)
{
    struct scheduler_core *c = s->c;
    struct tick_call call = {.purpose = TICK_HELD};
    int64_t up_to = extend_up_to(s);
    for (uint32_t i = 0; i < c->shard_top && up_to != INT64_MIN; i++) {
        for (uint32_t at = c->shards[i].ticks.head; at != ABSENT; at = c->ticks[at].next) {
            if (c->ticks[at].act_at > up_to)
                continue;
            call_add(&call, c, at);
            if (call.count == SCHEDULER_BATCH_MAX) {
                extend(s, &call);
                call.count = 0;
            }
        }
    }
    if (call.count > 0)
        extend(s, &call);
}

static void wake_for_leases(struct step *s)
{
    struct scheduler_core *c = s->c;
    for (uint32_t i = 0; i < c->shard_top; i++) {
        for (uint32_t at = c->shards[i].ticks.head; at != ABSENT; at = c->ticks[at].next) {
            /* One that could not be asked for now waits for a completion, not for the past. */
            if (c->ticks[at].act_at > s->now.mono.ms)
                scheduler_step_wake_mono(s, c->ticks[at].act_at);
            scheduler_step_wake_mono(s, c->ticks[at].lease_ends);
        }
    }
}

/* False: no room for more. */
static bool send_batch_away(struct step *s, const struct tick_call *call)
{
    if (!call_emit(s, call))
        return false;
    for (uint32_t i = 0; i < call->count; i++)
        s->c->ticks[call->slots[i]].busy = true;
    return true;
}

static void send_away(struct step *s, enum tick_state purpose)
{
    struct scheduler_core *c = s->c;
    struct tick_call call = {.purpose = purpose};
    for (uint32_t at = c->leaving.head; at != ABSENT; at = c->ticks[at].next) {
        const struct tick *tick = &c->ticks[at];
        if (tick->state != purpose || tick->busy)
            continue;
        if (tick->act_at > s->now.mono.ms) {
            scheduler_step_wake_mono(s, tick->act_at);
            continue;
        }
        call_add(&call, c, at);
        if (call.count < SCHEDULER_BATCH_MAX)
            continue;
        if (!send_batch_away(s, &call))
            return;
        call.count = 0;
    }
    if (call.count > 0)
        send_batch_away(s, &call);
}

void scheduler_lease_keep(struct step *s)
{
    extend_leases(s);
    wake_for_leases(s);
}

void scheduler_lease_advance(struct step *s)
{
    send_away(s, TICK_DELETING);
    send_away(s, TICK_HANDING_BACK);
    if (!s->c->stopping)
        begin_polls(s);
}

static void on_extended(struct step *s, const struct tick_call *call, uint32_t i,
                        enum scheduler_result result)
{
    struct tick *tick = &s->c->ticks[call->slots[i]];
    switch (result) {
    case SCHEDULER_DONE:
        tick->lease_ends = MAX(tick->lease_ends, time_add(call->sent_at, s->c->limits.lease_ms));
        break;
    case SCHEDULER_REFUSED: /* not in flight any more: ended; lease_expire comes next */
        tick->lease_ends = s->now.mono.ms;
        break;
    case SCHEDULER_FAILED:
    case SCHEDULER_THROTTLED:
    case SCHEDULER_UNKNOWN:
        tick->act_at = MIN(tick->act_at, time_add(s->now.mono.ms, LEASE_RETRY_MS));
        break;
    }
}

static void on_sent_away(struct step *s, const struct tick_call *call, uint32_t i,
                         enum scheduler_result result)
{
    struct scheduler_core *c = s->c;
    uint32_t slot = call->slots[i];
    struct tick *tick = &c->ticks[slot];
    tick->busy = false;
    tick->tries++;
    if (result == SCHEDULER_DONE) {
        if (call->purpose == TICK_DELETING)
            c->counters.ticks_finished++;
        else
            c->counters.ticks_handed_back++;
    }
    bool again = result != SCHEDULER_DONE && result != SCHEDULER_REFUSED &&
                 call->purpose == TICK_DELETING && !c->stopping && tick->tries < TICK_TRIES_MAX &&
                 tick->lease_ends > s->now.mono.ms;
    if (again) {
        tick->act_at = time_add(s->now.mono.ms, scheduler_step_backoff_ms(s, tick->tries));
        return;
    }
    list_remove(c, &c->leaving, slot);
    slot_free(c, slot);
}

void scheduler_lease_on_called(struct step *s, const struct scheduler_event *event)
{
    struct scheduler_core *c = s->c;
    uint32_t index = scheduler_id_slot(event->id);
    if (event->id == 0 || index >= TICK_CALLS_MAX || c->tick_calls[index].id != event->id)
        return;
    struct tick_call call = c->tick_calls[index];
    c->tick_calls[index].id = 0;
    bool good = false;
    for (uint32_t i = 0; i < call.count; i++) {
        const struct tick *tick = &c->ticks[call.slots[i]];
        good = good || event->entries[i] == SCHEDULER_DONE;
        c->counters.receipts_ended += event->entries[i] == SCHEDULER_REFUSED;
        if (tick->serial != call.serials[i] || tick->state != call.purpose)
            continue;
        if (call.purpose == TICK_HELD)
            on_extended(s, &call, i, event->entries[i]);
        else
            on_sent_away(s, &call, i, event->entries[i]);
    }
    scheduler_step_dependency(s, SCHEDULER_DEPENDS_TIMER_QUEUE, good);
}

bool scheduler_lease_idle(const struct scheduler_core *c)
{
    for (uint32_t i = 0; i < SCHEDULER_POLLS_MAX; i++) {
        if (c->polls[i].id != 0)
            return false;
    }
    return c->leaving.head == ABSENT;
}
