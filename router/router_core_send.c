/* Sending: queues, batches, calls, what their results mean, retries. A long envelope is decided
 * anew at every attempt: past its bucket's cut-off it takes the short path. */
#include "router/router_core_internal.h"

#include "common/encode.h"
#include "common/mark.h"
#include "common/mutant.h"
#include "common/table.h"

#define SWEEP_MS          1000
#define BACKOFF_SHIFT_MAX 20
/* While SQS throttles, the client's rate is what slows us down; an envelope that is unlucky again
 * and again, be it only with the retry quota, must not on top of that come late by its back-off. */
#define THROTTLED_SHIFT_MAX 3
#define HINT_EXTRA_MS       5000 /* of a server's hint, over our own back-off */

static uint32_t calls_max(const struct router_core *c, enum router_service service)
{
    return service == ROUTER_SQS ? c->limits.sqs_calls_max : c->limits.table_calls_max;
}

static uint32_t entries_max(const struct router_core *c, enum router_service service)
{
    return service == ROUTER_SQS ? c->limits.sqs_entries_max : c->limits.table_items_max;
}

bool router_send_saturated(const struct router_core *c, enum router_service service)
{
    const struct router_service_state *s = &c->services[service];
    uint32_t ready = s->fresh.count + s->retry.count + s->encoding;
    uint32_t batches = calls_max(c, service) - s->calls_in_flight + 1;
    return ready >= batches * entries_max(c, service);
}

/* May it still be written to its bucket? Nobody has begun to read that before its handoff. */
static bool table_allowed(const struct router_core *c, const struct router_envelope *e,
                          int64_t now_ms)
{
    if (MUTANT_IS(4))
        return true;
    int64_t bucket = table_bucket(e->first_due_ms, c->limits.bucket_ms);
    int64_t start_ms = bucket * c->limits.bucket_ms;
    return now_ms < time_sub(time_sub(start_ms, c->limits.handoff_ms), c->limits.cutoff_ms);
}

static void queue_push(struct router_turn *t, enum router_service service, uint32_t slot,
                       bool is_retry)
{
    struct router_service_state *s = &t->core->services[service];
    struct router_envelope *e = &t->core->envelopes[slot];
    e->is_retry = is_retry;
    e->ready_ms = t->now.mono.ms;
    if (service == ROUTER_TABLE && s->fresh.count + s->retry.count == 0)
        t->core->sweep_at_ms = time_add(t->now.mono.ms, SWEEP_MS);
    router_queue_push(t->core, is_retry ? &s->retry : &s->fresh, slot);
}

void router_send_queue(struct router_turn *t, uint32_t slot, bool is_retry)
{
    struct router_envelope *e = &t->core->envelopes[slot];
    e->state = ROUTER_ENVELOPE_READY;
    queue_push(t, router_service_of(e->path), slot, is_retry);
}

void router_parts_queue(struct router_turn *t, uint32_t slot, bool is_retry)
{
    t->core->envelopes[slot].queued = true;
    queue_push(t, ROUTER_TABLE, slot, is_retry);
}

static void fall_back(struct router_turn *t, uint32_t slot)
{
    struct router_core *c = t->core;
    struct router_envelope *e = &c->envelopes[slot];
    MARK("router.falls_back_to_the_short_path");
    e->path = DELAY_PATH_SHORT;
    e->attempts = 0;
    c->stats.fallbacks++;
    c->stats.fallback_records += e->window;
    router_send_queue(t, slot, false);
}

void router_send_backoff(struct router_turn *t, uint32_t slot, enum router_result result,
                         int64_t hint_ms)
{
    struct router_core *c = t->core;
    struct router_envelope *e = &c->envelopes[slot];
    bool throttled = result == ROUTER_RESULT_THROTTLED && router_service_of(e->path) == ROUTER_SQS;
    uint32_t shift = MIN(e->attempts, throttled ? THROTTLED_SHIFT_MAX : BACKOFF_SHIFT_MAX);
    e->attempts++;
    int64_t whole = MIN(c->limits.retry_base_ms << shift, c->limits.retry_cap_ms);
    int64_t wait = whole / 2 + (int64_t)prng_below(&c->random, (uint64_t)(whole - whole / 2) + 1);
    wait = MAX(wait, MIN(hint_ms, wait + HINT_EXTRA_MS));
    timer_heap_set(&c->backoff.heap, slot, time_add(t->now.mono.ms, wait));
}

void router_send_block(struct router_turn *t, enum router_service service)
{
    struct router_service_state *s = &t->core->services[service];
    s->blocked = true;
    s->blocked_until_ms =
        MUTANT_IS(8) ? TIME_NEVER : time_add(t->now.mono.ms, t->core->limits.blocked_retry_ms);
}

bool router_send_believe_refusal(struct router_turn *t, enum router_service service)
{
    struct router_service_state *s = &t->core->services[service];
    if (s->refusals_in_row >= ROUTER_REFUSALS_MAX && t->now.mono.ms < s->refusal_after_ms)
        return false;
    if (++s->refusals_in_row >= ROUTER_REFUSALS_MAX)
        s->refusal_after_ms = time_add(t->now.mono.ms, t->core->limits.blocked_retry_ms);
    return true;
}

/* --- results --------------------------------------------------------------------------------- */

static void stored(struct router_turn *t, uint32_t slot)
{
    struct router_core *c = t->core;
    struct router_envelope *e = &c->envelopes[slot];
    c->stats.envelopes_stored[e->path]++;
    c->stats.records_stored[e->path] += e->window;
    e->attempts = 0;
    router_envelope_settle(t, slot, e->window);
    router_envelope_next_window(t, slot, e->window * 2);
}

static void refused(struct router_turn *t, uint32_t slot, enum router_service service,
                    bool in_company)
{
    struct router_envelope *e = &t->core->envelopes[slot];
    if (in_company) {
        e->alone = true;
        router_send_queue(t, slot, true);
        return;
    }
    router_refused_alone(t, slot, service);
}

static void whole_result(struct router_turn *t, uint32_t slot, enum router_result result,
                         bool in_company, int64_t hint_ms)
{
    struct router_core *c = t->core;
    struct router_envelope *e = &c->envelopes[slot];
    enum router_service service = router_service_of(e->path);
    CHECK(e->state == ROUTER_ENVELOPE_SENDING);
    if ((MUTANT_IS(5) && result == ROUTER_RESULT_UNKNOWN) ||
        (MUTANT_IS(6) && result == ROUTER_RESULT_THROTTLED) ||
        (MUTANT_IS(7) && result == ROUTER_RESULT_RETRY))
        result = ROUTER_RESULT_DONE;
    switch (result) {
    case ROUTER_RESULT_DONE:
        if (service == ROUTER_TABLE && !table_allowed(c, e, t->now.wall.ms)) {
            MARK("router.late_acknowledgement");
            c->stats.late_acks++;
            fall_back(t, slot);
            return;
        }
        stored(t, slot);
        return;
    case ROUTER_RESULT_RETRY:
    case ROUTER_RESULT_THROTTLED:
    case ROUTER_RESULT_UNKNOWN:
        e->state = ROUTER_ENVELOPE_BACKOFF;
        router_send_backoff(t, slot, result, hint_ms);
        return;
    case ROUTER_RESULT_REFUSED:
        refused(t, slot, service, in_company);
        return;
    case ROUTER_RESULT_BLOCKED:
        MARK("router.path_blocked");
        router_send_queue(t, slot, true);
        return;
    }
    UNREACHABLE();
}

static void count_result(struct router_turn *t, enum router_service service,
                         enum router_result result)
{
    struct router_stats *stats = &t->core->stats;
    struct router_service_state *s = &t->core->services[service];
    switch (result) {
    case ROUTER_RESULT_DONE:
        s->blocked = false;
        s->refusals_in_row = 0;
        return;
    case ROUTER_RESULT_RETRY:
        stats->retried[service]++;
        return;
    case ROUTER_RESULT_THROTTLED:
        stats->throttled[service]++;
        return;
    case ROUTER_RESULT_UNKNOWN:
        stats->unknown[service]++;
        return;
    case ROUTER_RESULT_REFUSED:
        stats->refused[service]++;
        return;
    case ROUTER_RESULT_BLOCKED:
        stats->blocked[service]++;
        router_send_block(t, service);
        return;
    }
    UNREACHABLE();
}

static uint64_t call_id(enum router_service service, uint32_t index, uint32_t generation)
{
    return (uint64_t)generation << 32 | (uint32_t)service * ROUTER_CALLS_MAX | index;
}

void router_on_sent(struct router_turn *t, const struct router_event *event)
{
    struct router_core *c = t->core;
    uint32_t low = router_slot(event->sent.call);
    if (low >= ROUTER_SERVICES * ROUTER_CALLS_MAX) {
        c->stats.foreign++;
        return;
    }
    enum router_service service = (enum router_service)(low / ROUTER_CALLS_MAX);
    struct router_service_state *s = &c->services[service];
    struct router_call *call = &s->calls[low % ROUTER_CALLS_MAX];
    if (call->count == 0 || call->generation != event->sent.call >> 32) {
        c->stats.foreign++;
        return;
    }
    uint32_t count = call->count;
    call->count = 0;
    s->calls_in_flight--;
    for (uint32_t i = 0; i < count; i++)
        count_result(t, service, event->sent.results[i]);
    for (uint32_t i = 0; i < count; i++) {
        enum router_result result = event->sent.results[i];
        uint32_t slot = call->entries[i].slot;
        uint32_t part = call->entries[i].part;
        if (part == ROUTER_WHOLE)
            whole_result(t, slot, result, count > 1, event->sent.retry_after_ms);
        else
            router_parts_result(t, slot, part, result, count > 1, event->sent.retry_after_ms);
    }
}

/* --- batches --------------------------------------------------------------------------------- */

static void add_entry(struct router_turn *t, struct router_call *call, uint32_t slot)
{
    struct router_core *c = t->core;
    struct router_envelope *e = &c->envelopes[slot];
    int64_t now_ms = t->now.wall.ms;
    e->state = ROUTER_ENVELOPE_SENDING;
    if (e->path == DELAY_PATH_LONG && e->written_ms == 0)
        e->written_ms = MAX(now_ms, 1);
    call->entries[call->count].slot = slot;
    call->entries[call->count].part = ROUTER_WHOLE;
    call->count++;
    t->out->entries[t->out->entry_count++] = (struct router_send_entry){
        .id = router_envelope_id(c, slot),
        .first_due_ms = e->first_due_ms,
        .written_ms = e->written_ms,
        .delay_seconds = e->path == DELAY_PATH_SHORT
                             ? delay_seconds(e->first_due_ms, now_ms, c->limits.lead_ms)
                             : 0,
        .shard = e->shard,
        .part = ROUTER_WHOLE,
    };
}

static void fill_sqs(struct router_turn *t, struct router_queue *q, struct router_call *call)
{
    struct router_core *c = t->core;
    size_t bytes = 0;
    while (q->head != ROUTER_NONE && call->count < c->limits.sqs_entries_max) {
        const struct router_envelope *e = &c->envelopes[q->head];
        bytes += encode_base64_len(e->frame_bytes);
        if (call->count > 0 && (e->alone || bytes > SQS_BATCH_BYTES_MAX))
            return;
        add_entry(t, call, router_queue_pop(c, q));
        if (e->alone)
            return;
    }
}

/* Returns false when the call takes no more. */
static bool fill_table_parts(struct router_turn *t, struct router_queue *q,
                             struct router_call *call)
{
    struct router_core *c = t->core;
    uint32_t slot = q->head;
    struct router_envelope *e = &c->envelopes[slot];
    if (!e->refused) {
        if (call->count > 0 && e->alone)
            return false;
        router_parts_fill(t, slot, call, e->alone ? 1 : c->limits.table_items_max - call->count);
        if (router_parts_unsent(e))
            return false;
    }
    router_queue_pop(c, q);
    e->queued = false;
    router_parts_settle(t, slot);
    return !e->alone && !e->refused; /* settling takes an effect: one a call */
}

static void fill_table(struct router_turn *t, struct router_queue *q, struct router_call *call)
{
    struct router_core *c = t->core;
    while (q->head != ROUTER_NONE && call->count < c->limits.table_items_max) {
        const struct router_envelope *e = &c->envelopes[q->head];
        if (e->state == ROUTER_ENVELOPE_PARTS) {
            if (!fill_table_parts(t, q, call))
                return;
            continue;
        }
        if (!table_allowed(c, e, t->now.wall.ms)) {
            fall_back(t, router_queue_pop(c, q));
            continue;
        }
        if (call->count > 0 && e->alone)
            return;
        add_entry(t, call, router_queue_pop(c, q));
        if (e->alone)
            return;
    }
}

static void send(struct router_turn *t, enum router_service service, struct router_queue *q)
{
    struct router_core *c = t->core;
    struct router_service_state *s = &c->services[service];
    uint32_t index = 0;
    while (s->calls[index].count > 0)
        index++;
    CHECK(index < ROUTER_CALLS_MAX);
    struct router_call *call = &s->calls[index];
    uint32_t first = t->out->entry_count;
    bool is_retry = q == &s->retry;
    if (service == ROUTER_SQS)
        fill_sqs(t, q, call);
    else
        fill_table(t, q, call);
    if (q->count < entries_max(c, service)) /* else the next call is worth while anyway */
        router_queue_recount(c, q);
    if (call->count == 0)
        return; /* all of them took the short path */
    call->generation++;
    s->calls_in_flight++;
    struct router_effect *effect = router_turn_effect(t, ROUTER_EFFECT_SEND);
    effect->id = call_id(service, index, call->generation);
    effect->service = service;
    effect->first = first;
    effect->count = call->count;
    effect->is_retry = is_retry;
}

/* When the queue is worth a call: at once if it fills one or somebody waits for it, else when one
 * of its envelopes has lingered (what was full before may wait for company as long as those that
 * are open), and while calls are under way a little later. */
static int64_t worth_at(const struct router_core *c, enum router_service service,
                        const struct router_queue *q)
{
    if (q->count == 0)
        return TIME_NEVER;
    const struct router_envelope *head = &c->envelopes[q->head];
    bool bytes_full = service == ROUTER_SQS && encode_base64_len(q->bytes) >= SQS_BATCH_BYTES_MAX;
    if (q->count >= entries_max(c, service) || bytes_full || c->stopping || c->paused ||
        c->revoke.active || head->kind == ROUTER_LARGE)
        return INT64_MIN;
    int64_t lingered_ms = head->is_retry ? INT64_MIN : q->lingered_ms;
    if (c->services[service].calls_in_flight == 0)
        return lingered_ms;
    return MAX(lingered_ms, time_add(head->ready_ms, c->limits.batch_linger_ms));
}

/* TIME_NEVER: only the end of a call can change anything. */
static int64_t send_at(const struct router_core *c, enum router_service service)
{
    const struct router_service_state *s = &c->services[service];
    if (s->fresh.count + s->retry.count == 0 || s->calls_in_flight >= calls_max(c, service))
        return TIME_NEVER;
    if (s->blocked)
        return s->calls_in_flight > 0 ? TIME_NEVER : s->blocked_until_ms;
    return MIN(worth_at(c, service, &s->retry), worth_at(c, service, &s->fresh));
}

static void dispatch(struct router_turn *t, enum router_service service)
{
    struct router_core *c = t->core;
    struct router_service_state *s = &c->services[service];
    while (send_at(c, service) <= t->now.mono.ms) {
        uint32_t entries = t->out->entry_count + entries_max(c, service);
        if (!router_turn_has_room(t, 2) || entries > ROUTER_ENTRIES_MAX) {
            c->more = true;
            return;
        }
        bool retry =
            worth_at(c, service, &s->retry) <= t->now.mono.ms || (s->blocked && s->retry.count > 0);
        send(t, service, retry ? &s->retry : &s->fresh);
    }
}

/* --- time ------------------------------------------------------------------------------------ */

static void end_backoffs(struct router_turn *t)
{
    struct router_core *c = t->core;
    while (timer_heap_next(&c->backoff.heap) <= t->now.mono.ms) {
        if (!router_turn_has_room(t, 1)) {
            c->more = true;
            return;
        }
        uint32_t slot = timer_heap_pop(&c->backoff.heap, t->now.mono.ms);
        struct router_envelope *e = &c->envelopes[slot];
        if (e->state == ROUTER_ENVELOPE_DEAD) {
            router_dead_letter(t, slot);
        } else if (e->state == ROUTER_ENVELOPE_PARTS) {
            router_parts_queue(t, slot, true);
        } else {
            CHECK(e->state == ROUTER_ENVELOPE_BACKOFF);
            router_send_queue(t, slot, true);
        }
    }
}

static void sweep_queue(struct router_turn *t, struct router_queue *q)
{
    struct router_core *c = t->core;
    for (uint32_t left = q->count; left > 0; left--) {
        uint32_t slot = router_queue_pop(c, q);
        const struct router_envelope *e = &c->envelopes[slot];
        if (e->state == ROUTER_ENVELOPE_PARTS || table_allowed(c, e, t->now.wall.ms))
            router_queue_push(c, q, slot);
        else
            fall_back(t, slot);
    }
}

static bool table_waits(const struct router_core *c)
{
    const struct router_service_state *s = &c->services[ROUTER_TABLE];
    return s->fresh.count + s->retry.count > 0;
}

void router_send_advance(struct router_turn *t)
{
    struct router_core *c = t->core;
    end_backoffs(t);
    if (table_waits(c) && t->now.mono.ms >= c->sweep_at_ms) {
        sweep_queue(t, &c->services[ROUTER_TABLE].retry);
        sweep_queue(t, &c->services[ROUTER_TABLE].fresh);
        c->sweep_at_ms = time_add(t->now.mono.ms, SWEEP_MS);
    }
    dispatch(t, ROUTER_TABLE);
    dispatch(t, ROUTER_SQS);
}

int64_t router_send_wake(const struct router_core *c)
{
    int64_t wake = timer_heap_next(&c->backoff.heap);
    wake = MIN(wake, MIN(send_at(c, ROUTER_SQS), send_at(c, ROUTER_TABLE)));
    return table_waits(c) ? MIN(wake, c->sweep_at_ms) : wake;
}
