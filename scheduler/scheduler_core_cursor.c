#include <string.h>

#include "common/check.h"
#include "common/mark.h"
#include "common/mutant.h"
#include "scheduler/scheduler_core_state.h"

static int position_compare(const struct scheduler_position *a, const struct scheduler_position *b)
{
    if (a->bucket != b->bucket)
        return a->bucket < b->bucket ? -1 : 1;
    return memcmp(a->place, b->place, sizeof(a->place));
}

static int fence_compare(const char *a, const char *b)
{
    return memcmp(a, b, TABLE_FENCE_SIZE);
}

void scheduler_cursor_begin(struct step *s, uint32_t index)
{
    struct shard *shard = &s->c->shards[index];
    CHECK(shard->call == CURSOR_CALL_NONE && shard->ticks.head != ABSENT);
    shard->phase = SHARD_READING_CURSOR;
    shard->last_bucket = s->c->ticks[shard->ticks.head].bucket;
    shard->confirm_wanted = false;
    shard->cursor_failures = 0;
    shard->cursor_retry_at = s->now.mono.ms;
}

/* Of the ticks that are held now. */
static void begin_run(struct step *s, uint32_t index)
{
    struct scheduler_core *c = s->c;
    struct shard *shard = &c->shards[index];
    const struct tick *least = &c->ticks[shard->ticks.head];
    shard->last_bucket = least->bucket;
    for (uint32_t at = least->next; at != ABSENT; at = c->ticks[at].next) {
        const struct tick *tick = &c->ticks[at];
        shard->last_bucket = MAX(shard->last_bucket, tick->bucket);
        if (fence_compare(tick->fence, least->fence) < 0)
            least = tick;
    }
    memcpy(shard->fence, least->fence, sizeof(shard->fence));
    shard->receive_count = least->receive_count;
}

static void begin_dispatch(struct step *s, uint32_t index)
{
    struct scheduler_core *c = s->c;
    struct shard *shard = &c->shards[index];
    shard->phase = SHARD_ACTIVE;
    if (MUTANT_IS(23))
        shard->stored.bucket = MAX(shard->stored.bucket, shard->last_bucket);
    shard->safe = shard->stored;
    shard->opened = false;
    shard->moved_at = s->now.mono.ms;
    bool taken_over = shard->receive_count > 1;
    if (taken_over)
        MARK("scheduler.takes_over");
    c->counters.takeovers += taken_over;
    scheduler_step_note(s, taken_over ? SCHEDULER_NOTE_TAKEN_OVER : SCHEDULER_NOTE_SHARD_TAKEN,
                        index, shard->last_bucket, shard->receive_count);
    scheduler_lease_settle(s, index);
}

static void leave_refused(struct step *s, uint32_t index)
{
    MARK("scheduler.fence_refused");
    s->c->counters.fence_refusals++;
    scheduler_lease_leave(s, index, SCHEDULER_NOTE_FENCE_REFUSED);
}

/* --- calls ----------------------------------------------------------------------------------- */

static void call(struct step *s, uint32_t index, enum cursor_call what,
                 enum scheduler_effect_kind kind)
{
    struct scheduler_core *c = s->c;
    struct shard *shard = &c->shards[index];
    if (scheduler_step_room(s) == 0) {
        scheduler_step_wake_now(s);
        return;
    }
    struct scheduler_effect *effect = scheduler_step_emit(s, kind, index, index);
    memcpy(effect->cursor.fence, shard->fence, TABLE_FENCE_SIZE);
    if (what == CURSOR_CALL_MOVE) {
        shard->moving = shard->safe;
        effect->cursor.position = shard->safe;
    }
    effect->is_retry = shard->cursor_failures > 0;
    shard->call = what;
    shard->call_id = effect->id;
}

/* A busy shard moves now and then, one that has come to the end of its run at once. */
static int64_t move_at(const struct step *s, const struct shard *shard)
{
    if (position_compare(&shard->safe, &shard->stored) <= 0)
        return TIME_NEVER;
    if (s->c->stopping)
        return shard->final_move_made ? TIME_NEVER : INT64_MIN;
    if (shard->safe.bucket > shard->last_bucket)
        return shard->cursor_retry_at;
    return MAX(time_add(shard->moved_at, s->c->limits.cursor_every_ms), shard->cursor_retry_at);
}

static void advance_active(struct step *s, uint32_t index)
{
    struct shard *shard = &s->c->shards[index];
    int64_t at = shard->confirm_wanted ? shard->cursor_retry_at : move_at(s, shard);
    if (shard->confirm_wanted && s->c->stopping)
        return; /* whoever comes next reads it */
    if (at > s->now.mono.ms) {
        scheduler_step_wake_mono(s, at);
        return;
    }
    if (shard->confirm_wanted) {
        call(s, index, CURSOR_CALL_MOVE_CONFIRM, SCHEDULER_EFFECT_READ_CURSOR);
        return;
    }
    shard->final_move_made = s->c->stopping;
    call(s, index, CURSOR_CALL_MOVE, SCHEDULER_EFFECT_MOVE_CURSOR);
}

void scheduler_cursor_advance(struct step *s, uint32_t index)
{
    struct shard *shard = &s->c->shards[index];
    if (shard->call != CURSOR_CALL_NONE)
        return;
    if (shard->phase == SHARD_ACTIVE) {
        advance_active(s, index);
        return;
    }
    if (shard->cursor_retry_at > s->now.mono.ms) {
        scheduler_step_wake_mono(s, shard->cursor_retry_at);
        return;
    }
    if (shard->phase == SHARD_READING_CURSOR)
        call(s, index, CURSOR_CALL_READ, SCHEDULER_EFFECT_READ_CURSOR);
    else if (shard->confirm_wanted)
        call(s, index, CURSOR_CALL_FENCE_CONFIRM, SCHEDULER_EFFECT_READ_CURSOR);
    else
        call(s, index, CURSOR_CALL_FENCE, SCHEDULER_EFFECT_WRITE_FENCE);
}

/* --- completions ----------------------------------------------------------------------------- */

/* The call that this event completes, CURSOR_CALL_NONE if none does. */
static enum cursor_call completed(struct step *s, const struct scheduler_event *event,
                                  uint32_t *ret_index)
{
    uint32_t index = scheduler_id_slot(event->id);
    if (event->id == 0 || index >= s->c->limits.shards_max)
        return CURSOR_CALL_NONE;
    struct shard *shard = &s->c->shards[index];
    if (shard->call == CURSOR_CALL_NONE || shard->call_id != event->id)
        return CURSOR_CALL_NONE;
    enum cursor_call what = shard->call;
    shard->call = CURSOR_CALL_NONE;
    *ret_index = index;
    return what;
}

static void retry_later(struct step *s, uint32_t index)
{
    struct shard *shard = &s->c->shards[index];
    shard->cursor_failures++;
    shard->cursor_retry_at =
        time_add(s->now.mono.ms, scheduler_step_backoff_ms(s, shard->cursor_failures));
}

static void confirm_later(struct step *s, uint32_t index)
{
    MARK("scheduler.cursor_write_unknown");
    s->c->counters.cursor_unknown++;
    s->c->shards[index].confirm_wanted = true;
    retry_later(s, index);
}

static void succeeded(struct shard *shard)
{
    shard->cursor_failures = 0;
    shard->confirm_wanted = false;
}

/* Before the fence is written. Ticks that are behind the cursor already say nothing about who holds
 * the shard: they go first. */
static void on_seen(struct step *s, uint32_t index, const struct scheduler_cursor *cursor)
{
    struct shard *shard = &s->c->shards[index];
    succeeded(shard);
    shard->stored = cursor->position;
    shard->last_bucket = TIME_NEVER;
    scheduler_lease_settle(s, index);
    if (shard->phase == SHARD_FREE)
        return;
    begin_run(s, index);
    if (fence_compare(cursor->fence, shard->fence) < 0)
        shard->phase = SHARD_FENCING;
    else
        leave_refused(s, index); /* equal: the same message was handed out twice */
}

/* After a fence write that was refused or that nobody knows the end of. */
static void on_seen_after_fence(struct step *s, uint32_t index,
                                const struct scheduler_cursor *cursor)
{
    struct shard *shard = &s->c->shards[index];
    int newer = fence_compare(cursor->fence, shard->fence);
    shard->confirm_wanted = false;
    shard->stored = cursor->position;
    if (newer > 0) {
        leave_refused(s, index);
    } else if (newer < 0) {
        retry_later(s, index);
    } else {
        succeeded(shard);
        begin_dispatch(s, index);
    }
}

/* After a move that was refused or whose outcome is unknown. */
static void on_seen_after_move(struct step *s, uint32_t index,
                               const struct scheduler_cursor *cursor)
{
    struct scheduler_core *c = s->c;
    struct shard *shard = &c->shards[index];
    if (fence_compare(cursor->fence, shard->fence) != 0) {
        leave_refused(s, index);
        return;
    }
    succeeded(shard);
    shard->stored = cursor->position;
    c->counters.cursor_moves += position_compare(&shard->stored, &shard->moving) == 0;
    scheduler_lease_settle(s, index);
}

void scheduler_cursor_on_read(struct step *s, const struct scheduler_event *event)
{
    uint32_t index = 0;
    enum cursor_call what = completed(s, event, &index);
    if (what == CURSOR_CALL_NONE)
        return;
    bool good = event->result == SCHEDULER_DONE;
    scheduler_step_dependency(s, SCHEDULER_DEPENDS_TABLE, good);
    if (!good) {
        retry_later(s, index);
    } else if (!event->cursor.present) {
        /* Every writer makes the cursor before it writes: so this is a tick that nobody should have
         * sent, or a cursor that somebody removed. It comes back with its lease. */
        s->c->counters.cursors_missing++;
        scheduler_lease_leave(s, index, SCHEDULER_NOTE_CURSOR_MISSING);
    } else if (what == CURSOR_CALL_MOVE_CONFIRM) {
        on_seen_after_move(s, index, &event->cursor.cursor);
    } else if (what == CURSOR_CALL_FENCE_CONFIRM) {
        on_seen_after_fence(s, index, &event->cursor.cursor);
    } else {
        on_seen(s, index, &event->cursor.cursor);
    }
}

static void on_fence_written(struct step *s, uint32_t index, const struct scheduler_event *event)
{
    struct shard *shard = &s->c->shards[index];
    switch (event->result) {
    case SCHEDULER_DONE:
        succeeded(shard);
        /* The holder before us may have moved it since we read it. */
        if (event->cursor.present)
            shard->stored = event->cursor.cursor.position;
        begin_dispatch(s, index);
        break;
    case SCHEDULER_REFUSED:
        if (event->cursor.present)
            on_seen_after_fence(s, index, &event->cursor.cursor);
        else
            confirm_later(s, index);
        break;
    case SCHEDULER_UNKNOWN:
        confirm_later(s, index);
        break;
    case SCHEDULER_FAILED:
    case SCHEDULER_THROTTLED:
        retry_later(s, index);
        break;
    }
}

static void on_moved(struct step *s, uint32_t index, const struct scheduler_event *event)
{
    struct shard *shard = &s->c->shards[index];
    shard->moved_at = s->now.mono.ms;
    switch (event->result) {
    case SCHEDULER_DONE:
        succeeded(shard);
        shard->stored = shard->moving;
        s->c->counters.cursor_moves++;
        scheduler_lease_settle(s, index);
        break;
    case SCHEDULER_REFUSED:
        if (event->cursor.present)
            on_seen_after_move(s, index, &event->cursor.cursor);
        else
            confirm_later(s, index);
        break;
    case SCHEDULER_UNKNOWN:
        confirm_later(s, index);
        break;
    case SCHEDULER_FAILED:
    case SCHEDULER_THROTTLED:
        retry_later(s, index);
        break;
    }
}

void scheduler_cursor_on_written(struct step *s, const struct scheduler_event *event)
{
    uint32_t index = 0;
    enum cursor_call what = completed(s, event, &index);
    if (what == CURSOR_CALL_NONE)
        return;
    scheduler_step_dependency(s, SCHEDULER_DEPENDS_TABLE,
                              event->result == SCHEDULER_DONE ||
                                  event->result == SCHEDULER_REFUSED);
    if (what == CURSOR_CALL_FENCE)
        on_fence_written(s, index, event);
    else
        on_moved(s, index, event);
}
