#include <string.h>

#include "common/check.h"
#include "scheduler/scheduler_core_state.h"

#define ROUNDS_BEHIND_MAX 8    /* further behind (host asleep, clock set): only the newest counts */
#define ROUND_PATIENCE_MS 1000 /* a round that cannot be sent for so long gives way to the next */

static bool has(const uint64_t *set, uint32_t shard)
{
    return (set[shard / 64] >> (shard % 64) & 1) != 0;
}

static void put(uint64_t *set, uint32_t shard, bool value)
{
    uint64_t bit = UINT64_C(1) << (shard % 64);
    set[shard / 64] = value ? set[shard / 64] | bit : set[shard / 64] & ~bit;
}

static bool round_is_complete(const struct tick_round *round)
{
    uint64_t any = 0;
    for (size_t i = 0; i < SHARD_WORDS; i++)
        any |= round->unsent[i] | round->sending[i];
    return any == 0;
}

static int64_t bucket_at(int64_t wall_ms, int64_t bucket_ms)
{
    int64_t bucket = wall_ms / bucket_ms;
    return wall_ms % bucket_ms < 0 ? bucket - 1 : bucket;
}

static void begin_round(struct step *s, int64_t bucket)
{
    struct tick_round *round = &s->c->round;
    round->begun = true;
    round->bucket = bucket;
    round->begun_at = s->now.mono.ms;
    round->retry_at = s->now.mono.ms;
    round->failures = 0;
    memset(round->unsent, 0, sizeof(round->unsent));
    memset(round->sending, 0, sizeof(round->sending));
    for (uint32_t i = 0; i < s->c->shard_count; i++)
        put(round->unsent, i, true);
    round->meta_wanted = true;
    round->meta_retry_at = s->now.mono.ms;
}

/* A tick stands for everything up to its bucket, so an old round that cannot be sent, or that the
 * clock has left behind, may be given up for a newer one. A clock that was set back sends again:
 * what is known already is dropped as a repeat, or costs a read. */
static void choose_round(struct step *s)
{
    struct scheduler_core *c = s->c;
    struct tick_round *round = &c->round;
    int64_t newest =
        bucket_at(time_add(s->now.wall.ms, c->limits.tick_ahead_ms), c->limits.bucket_ms);
    if (!round->begun) {
        begin_round(s, bucket_at(s->now.wall.ms, c->limits.bucket_ms));
    } else if (round->bucket != newest) {
        int64_t patience_ends = time_add(round->begun_at, ROUND_PATIENCE_MS);
        bool near = newest > round->bucket && newest - round->bucket <= ROUNDS_BEHIND_MAX;
        if (round_is_complete(round) || patience_ends <= s->now.mono.ms)
            begin_round(s, near ? round->bucket + 1 : newest);
        else
            scheduler_step_wake_mono(s, patience_ends);
    }
    int64_t next = newest + 1;
    int64_t next_starts;
    if (!__builtin_mul_overflow(next, c->limits.bucket_ms, &next_starts))
        scheduler_step_wake_wall(s, time_sub(next_starts, c->limits.tick_ahead_ms));
}

static struct tick_send *free_send(struct scheduler_core *c, uint32_t *ret_slot)
{
    for (uint32_t i = 0; i < TICK_SENDS_MAX; i++) {
        if (c->tick_sends[i].id == 0) {
            *ret_slot = i;
            return &c->tick_sends[i];
        }
    }
    return NULL;
}

/* False: nothing to send, or no way to send it now. */
static bool send_batch(struct step *s)
{
    struct scheduler_core *c = s->c;
    struct tick_round *round = &c->round;
    struct tick_send batch = {.bucket = round->bucket};
    for (uint32_t i = 0; i < c->shard_count && batch.count < SCHEDULER_BATCH_MAX; i++) {
        if (has(round->unsent, i))
            batch.shards[batch.count++] = i;
    }
    if (batch.count == 0)
        return false;
    if (round->retry_at > s->now.mono.ms) {
        scheduler_step_wake_mono(s, round->retry_at);
        return false;
    }
    uint32_t slot = 0;
    struct tick_send *send = free_send(c, &slot);
    if (send == NULL)
        return false; /* the next completion comes by here */
    if (scheduler_step_room(s) == 0) {
        scheduler_step_wake_now(s);
        return false;
    }
    struct scheduler_effect *effect = scheduler_step_emit(s, SCHEDULER_EFFECT_SEND_TICKS, slot, 0);
    effect->count = batch.count;
    effect->is_retry = round->failures > 0;
    effect->send_ticks.bucket = batch.bucket;
    memcpy(effect->send_ticks.shards, batch.shards, sizeof(batch.shards));
    batch.id = effect->id;
    *send = batch;
    for (uint32_t i = 0; i < batch.count; i++) {
        put(round->unsent, batch.shards[i], false);
        put(round->sending, batch.shards[i], true);
    }
    return true;
}

static void read_meta(struct step *s)
{
    struct tick_round *round = &s->c->round;
    if (!round->meta_wanted || round->meta_call != 0)
        return;
    if (round->meta_retry_at > s->now.mono.ms) {
        scheduler_step_wake_mono(s, round->meta_retry_at);
        return;
    }
    if (scheduler_step_room(s) == 0) {
        scheduler_step_wake_now(s);
        return;
    }
    round->meta_wanted = false;
    round->meta_call = scheduler_step_emit(s, SCHEDULER_EFFECT_READ_META, 0, 0)->id;
}

void scheduler_ticks_advance(struct step *s)
{
    if (s->c->stopping)
        return;
    choose_round(s);
    read_meta(s);
    while (send_batch(s))
        ;
}

bool scheduler_ticks_idle(const struct scheduler_core *c)
{
    for (uint32_t i = 0; i < TICK_SENDS_MAX; i++) {
        if (c->tick_sends[i].id != 0)
            return false;
    }
    return true;
}

void scheduler_ticks_on_sent(struct step *s, const struct scheduler_event *event)
{
    struct scheduler_core *c = s->c;
    struct tick_round *round = &c->round;
    uint32_t slot = scheduler_id_slot(event->id);
    if (event->id == 0 || slot >= TICK_SENDS_MAX || c->tick_sends[slot].id != event->id)
        return;
    struct tick_send send = c->tick_sends[slot];
    c->tick_sends[slot].id = 0;
    uint32_t good = 0;
    for (uint32_t i = 0; i < send.count; i++) {
        bool done = event->entries[i] == SCHEDULER_DONE;
        good += done;
        if (send.bucket != round->bucket || !has(round->sending, send.shards[i]))
            continue;
        put(round->sending, send.shards[i], false);
        put(round->unsent, send.shards[i], !done);
    }
    c->counters.ticks_sent += good;
    scheduler_step_dependency(s, SCHEDULER_DEPENDS_TIMER_QUEUE, good > 0);
    if (good == send.count) {
        round->failures = 0;
        return;
    }
    round->failures++;
    round->retry_at = time_add(s->now.mono.ms, scheduler_step_backoff_ms(s, round->failures));
}

void scheduler_ticks_on_meta(struct step *s, const struct scheduler_event *event)
{
    struct scheduler_core *c = s->c;
    struct tick_round *round = &c->round;
    if (event->id == 0 || event->id != round->meta_call)
        return;
    round->meta_call = 0;
    scheduler_step_dependency(s, SCHEDULER_DEPENDS_TABLE, event->result == SCHEDULER_DONE);
    if (event->result != SCHEDULER_DONE) {
        round->meta_failures++;
        round->meta_wanted = true;
        round->meta_retry_at =
            time_add(s->now.mono.ms, scheduler_step_backoff_ms(s, round->meta_failures));
        return;
    }
    round->meta_failures = 0;
    uint32_t shards = event->shards_most;
    if (shards > c->limits.shards_max) {
        scheduler_step_note(s, SCHEDULER_NOTE_SHARDS_TOO_MANY, 0, round->bucket, shards);
        shards = c->limits.shards_max;
    }
    if (shards <= c->shard_count)
        return; /* what was in use once is read for ever: it only grows */
    scheduler_step_note(s, SCHEDULER_NOTE_SHARDS_RAISED, 0, round->bucket, shards);
    for (uint32_t i = c->shard_count; i < shards; i++)
        put(round->unsent, i, true);
    c->shard_count = shards;
}
