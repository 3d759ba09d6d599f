/* Every rule of the relay's core as a case, in virtual time. test_relay_core_world.c plays whole
 * lives of messages at random. */
#include "tests/harness/unit.h"

#include "common/mem.h"
#include "relay/relay_core.h"

#define LOG_MAX 4096
#define WALL0   INT64_C(1800000000000)
#define SOON    (WALL0 + 2000)
#define SECOND  MS_PER_SECOND

struct fixture {
    struct relay_core core;
    struct relay_limits limits;
    void *storage;
    struct now now;
    struct relay_effects out;
    struct relay_effect log[LOG_MAX];
    size_t log_len;
};

static const struct relay_limits usual = {
    .slots = 200,
    .window_records = 1000,
    .polls_max = 4,
    .done_ids = 64,
    .budget_bytes = 64 * MIB,
    .poll_bytes = 1 * MIB,
    .hold_ms = 3000,
    .lead_ms = 2000,
    .visibility_ms = 10000,
    .margin_ms = 1000,
    .receive_max_ms = 43195 * SECOND,
    .linger_ms = 50,
    .park_ms = 30000,
    .park_max_ms = MS_PER_DAY,
    .stop_hold_ms = 1000,
    .done_ttl_ms = 15 * MS_PER_MINUTE,
};

static void step(struct fixture *f, const struct relay_event *ev)
{
    relay_core_step(&f->core, ev, f->now, &f->out);
    for (uint32_t i = 0; i < f->out.count; i++) {
        assert_true(f->log_len < LOG_MAX);
        f->log[f->log_len++] = f->out.items[i];
    }
}

static bool is_due(const struct fixture *f)
{
    struct deadline at = relay_core_deadline(&f->core);
    return at.mono.ms <= f->now.mono.ms || at.wall.ms <= f->now.wall.ms;
}

/* An event and everything that is to be done at this instant. */
static void feed(struct fixture *f, struct relay_event ev)
{
    step(f, &ev);
    struct relay_event tick = {.type = RELAY_TICK};
    for (int i = 0; is_due(f); i++) {
        assert_true(i < 1000); /* the deadline moves */
        step(f, &tick);
    }
}

static void start(struct fixture *f, const struct relay_limits *limits)
{
    f->limits = *limits;
    f->storage = mem_calloc(1, relay_core_storage_bytes(limits));
    f->now = (struct now){{5000000}, {WALL0}};
    f->log_len = 0;
    relay_core_init(&f->core, limits, f->storage, 7);
    feed(f, (struct relay_event){.type = RELAY_TICK});
}

static int set_up(void **state)
{
    struct fixture *f = mem_calloc(1, sizeof(*f));
    start(f, &usual);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    mem_free(f->storage);
    mem_free(f);
    return 0;
}

static void restart(struct fixture *f, const struct relay_limits *limits)
{
    mem_free(f->storage);
    start(f, limits);
}

/* Both clocks go on; every deadline on the way is kept to the millisecond. */
static void advance(struct fixture *f, int64_t ms)
{
    int64_t end = f->now.mono.ms + ms;
    while (f->now.mono.ms < end) {
        struct deadline at = relay_core_deadline(&f->core);
        int64_t by_wall =
            at.wall.ms == TIME_NEVER ? TIME_NEVER : f->now.mono.ms + at.wall.ms - f->now.wall.ms;
        int64_t next = MIN(end, MIN(at.mono.ms, by_wall));
        int64_t passed = MAX(next - f->now.mono.ms, 1);
        f->now.mono.ms += passed;
        f->now.wall.ms += passed;
        feed(f, (struct relay_event){.type = RELAY_TICK});
    }
}

/* Time passes and nobody runs: a suspended host. */
static void sleep_through(struct fixture *f, int64_t ms)
{
    f->now.mono.ms += ms;
    f->now.wall.ms += ms;
}

static size_t count_of(const struct fixture *f, enum relay_effect_type type)
{
    size_t count = 0;
    for (size_t i = 0; i < f->log_len; i++)
        count += f->log[i].type == type;
    return count;
}

static void assert_none(const struct fixture *f, enum relay_effect_type type)
{
    assert_int_equal(count_of(f, type), 0);
}

/* The first effect of the type, taken out of the log. */
static struct relay_effect take(struct fixture *f, enum relay_effect_type type)
{
    for (size_t i = 0; i < f->log_len; i++) {
        if (f->log[i].type != type)
            continue;
        struct relay_effect effect = f->log[i];
        memmove(&f->log[i], &f->log[i + 1], (f->log_len - i - 1) * sizeof(f->log[0]));
        f->log_len--;
        return effect;
    }
    fail_msg("no effect of type %d", (int)type);
    return (struct relay_effect){.type = RELAY_FREE};
}

static struct envelope_id id_of(uint32_t number)
{
    struct envelope_id id = {{0}};
    memcpy(id.bytes, &(uint32_t){number * 2654435761u}, 4);
    memcpy(id.bytes + 8, &number, 4);
    return id;
}

static struct relay_event message(const struct fixture *f, enum relay_queue queue, uint32_t id,
                                  int64_t due_ms)
{
    return (struct relay_event){.type = RELAY_RECEIVED,
                                .received = {.slot = relay_core_free_slot(&f->core),
                                             .queue = queue,
                                             .verdict = RELAY_READABLE,
                                             .id = id_of(id),
                                             .first_due_ms = due_ms,
                                             .bytes = 1000,
                                             .received_at = f->now.mono,
                                             .sent_ms = WALL0 - 1000,
                                             .receive_count = 1}};
}

static struct relay_ref receive(struct fixture *f, enum relay_queue queue, uint32_t id,
                                int64_t due_ms)
{
    struct relay_event ev = message(f, queue, id, due_ms);
    struct relay_ref ref = {ev.received.slot, f->core.slots[ev.received.slot].generation};
    feed(f, ev);
    return ref;
}

static void decode(struct fixture *f, struct relay_ref slot, int64_t second_ms,
                   const uint16_t *offsets, uint32_t records)
{
    feed(f, (struct relay_event){.type = RELAY_DECODED,
                                 .decoded = {.slot = slot,
                                             .verdict = RELAY_READABLE,
                                             .records = records,
                                             .second_ms = second_ms,
                                             .due_offsets = offsets,
                                             .bytes = 2000}});
}

/* Received from the delay queue, held and decoded; due at the given offsets of the next-but-one
 * second unless said otherwise. */
static struct relay_ref hold(struct fixture *f, uint32_t id, const uint16_t *offsets,
                             uint32_t records)
{
    struct relay_ref ref = receive(f, RELAY_QUEUE_DELAY, id, SOON + offsets[0]);
    struct relay_effect effect = take(f, RELAY_HOLD);
    assert_int_equal(effect.slot.index, ref.index);
    decode(f, ref, SOON, offsets, records);
    return ref;
}

static void emitted(struct fixture *f, struct relay_ref slot, uint32_t taken, bool full)
{
    feed(f, (struct relay_event){.type = RELAY_EMITTED,
                                 .emitted = {.slot = slot, .taken = taken, .full = full}});
}

/* Takes the next emission, checks it, and says that Kafka took all of it. */
static void expect_emit(struct fixture *f, struct relay_ref slot, uint32_t first, uint32_t count)
{
    struct relay_effect effect = take(f, RELAY_EMIT);
    assert_int_equal(effect.emit.slot.index, slot.index);
    assert_int_equal(effect.emit.slot.generation, slot.generation);
    assert_int_equal(effect.emit.first, first);
    assert_int_equal(effect.emit.count, count);
    emitted(f, slot, count, false);
}

static void report_as(struct fixture *f, struct relay_ref slot, uint32_t record,
                      enum outcome outcome, enum relay_refusal refusal)
{
    feed(f, (struct relay_event){.type = RELAY_REPORT,
                                 .report = {.slot = slot,
                                            .record = record,
                                            .outcome = outcome,
                                            .refusal = refusal,
                                            .detail = 9}});
}

static void report(struct fixture *f, struct relay_ref slot, uint32_t record)
{
    report_as(f, slot, record, OUTCOME_DONE, RELAY_REFUSED_NOT);
}

static void report_dead(struct fixture *f, const struct relay_dead_letter *dead,
                        enum outcome outcome, bool full)
{
    feed(f, (struct relay_event){.type = RELAY_REPORT,
                                 .report = {.slot = dead->slot,
                                            .record = dead->record,
                                            .dead_letter = true,
                                            .outcome = outcome,
                                            .refusal = dead->refusal,
                                            .detail = dead->detail,
                                            .full = full}});
}

static void answer_each(struct fixture *f, const struct relay_batch *batch, enum outcome outcome,
                        enum error_kind kind)
{
    struct relay_event ev = {.type = RELAY_CALLED,
                             .called = {.batch = batch->batch, .count = batch->count}};
    for (uint32_t i = 0; i < batch->count; i++)
        ev.called.results[i] = (struct relay_call_result){.outcome = outcome, .kind = kind};
    feed(f, ev);
}

static void answer(struct fixture *f, const struct relay_effect *effect)
{
    answer_each(f, &effect->batch, OUTCOME_DONE, ERROR_NONE);
}

static void polled(struct fixture *f, struct relay_ref poll, enum outcome outcome,
                   uint32_t messages)
{
    feed(f,
         (struct relay_event){.type = RELAY_POLLED,
                              .polled = {.poll = poll, .outcome = outcome, .messages = messages}});
}

static void poll_held_back(struct fixture *f, struct relay_ref poll, int64_t held_back_ms)
{
    feed(f, (struct relay_event){
                .type = RELAY_POLLED,
                .polled = {.poll = poll, .outcome = OUTCOME_FAILED, .held_back_ms = held_back_ms}});
}

static struct relay_ref take_poll_of(struct fixture *f, enum relay_queue queue)
{
    struct relay_effect poll = take(f, RELAY_POLL);
    while (poll.poll.queue != queue)
        poll = take(f, RELAY_POLL);
    return poll.poll.poll;
}

static size_t polls_out(const struct fixture *f)
{
    return f->core.polls[0].out + f->core.polls[1].out;
}

static const uint16_t at_0[] = {0};
static const uint16_t at_three[] = {0, 100, 100};

/* --- receiving ------------------------------------------------------------------------------- */

static void an_idle_queue_keeps_one_poll(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(count_of(f, RELAY_POLL), 2);
    for (int i = 0; i < 5; i++) {
        struct relay_effect poll = take(f, RELAY_POLL);
        polled(f, poll.poll.poll, OUTCOME_DONE, 0);
        assert_int_equal(polls_out(f), 1); /* not at once: an answer without waiting */
        advance(f, RELAY_EMPTY_POLL_PAUSE_MS);
        assert_int_equal(polls_out(f), 2);
    }
    assert_int_equal(f->core.counters.empty_polls, 5);
}

static void a_busy_queue_gets_more_polls_and_loses_them_again(void **state)
{
    struct fixture *f = *state;
    struct relay_effect first = take(f, RELAY_POLL);
    assert_int_equal(first.poll.queue, RELAY_QUEUE_DELAY);
    take(f, RELAY_POLL); /* the ready queue's stays out */
    polled(f, first.poll.poll, OUTCOME_DONE, 10);
    assert_int_equal(f->core.polls[RELAY_QUEUE_DELAY].out, 2);
    polled(f, take(f, RELAY_POLL).poll.poll, OUTCOME_DONE, 10);
    assert_int_equal(f->core.polls[RELAY_QUEUE_DELAY].out, 4);
    polled(f, take(f, RELAY_POLL).poll.poll, OUTCOME_DONE, 10);
    assert_int_equal(f->core.polls[RELAY_QUEUE_DELAY].out, 4); /* polls_max */
    polled(f, take(f, RELAY_POLL).poll.poll, OUTCOME_DONE, 3);
    assert_int_equal(f->core.polls[RELAY_QUEUE_DELAY].out, 3);
    polled(f, take(f, RELAY_POLL).poll.poll, OUTCOME_DONE, 0);
    polled(f, take(f, RELAY_POLL).poll.poll, OUTCOME_DONE, 0);
    advance(f, 1000);
    assert_int_equal(f->core.polls[RELAY_QUEUE_DELAY].out, 1);
    assert_int_equal(f->core.polls[RELAY_QUEUE_READY].out, 1);
}

static void a_failed_poll_backs_off_and_comes_back(void **state)
{
    struct fixture *f = *state;
    int64_t pause = 0;
    for (int i = 0; i < 8; i++) {
        struct relay_ref poll = take_poll_of(f, RELAY_QUEUE_DELAY);
        polled(f, poll, i % 2 == 0 ? OUTCOME_FAILED : OUTCOME_UNKNOWN, 0);
        assert_int_equal(f->core.polls[RELAY_QUEUE_DELAY].out, 0);
        pause = f->core.polls[RELAY_QUEUE_DELAY].not_before.ms - f->now.mono.ms;
        assert_in_range(pause, 50, RELAY_RETRY_MOST_MS);
        advance(f, pause);
        assert_int_equal(f->core.polls[RELAY_QUEUE_DELAY].out, 1);
    }
    assert_true(pause >= RELAY_RETRY_MOST_MS / 2);
    assert_int_equal(f->core.counters.poll_failures, 8);
}

static void a_poll_that_is_held_back_is_no_failure(void **state)
{
    struct fixture *f = *state;
    struct relay_ref poll = take(f, RELAY_POLL).poll.poll;
    polled(f, poll, OUTCOME_DONE, 10); /* busy: two are wanted */
    assert_int_equal(f->core.polls[RELAY_QUEUE_DELAY].out, 2);
    for (int i = 0; i < 20; i++) {
        while (f->core.polls[RELAY_QUEUE_DELAY].out > 0) {
            poll = take_poll_of(f, RELAY_QUEUE_DELAY);
            poll_held_back(f, poll, 70);
        }
        advance(f, 69);
        assert_int_equal(f->core.polls[RELAY_QUEUE_DELAY].out, 0);
        advance(f, 1); /* as said: it does not back off further */
        assert_int_equal(f->core.polls[RELAY_QUEUE_DELAY].out, 1);
    }
    assert_int_equal(f->core.counters.polls_held_back, 21);
    assert_int_equal(f->core.counters.poll_failures, 0);
}

static void a_throttled_poll_is_soon_back(void **state)
{
    struct fixture *f = *state;
    for (int i = 0; i < 20; i++) {
        struct relay_ref poll = take_poll_of(f, RELAY_QUEUE_DELAY);
        feed(f, (struct relay_event){
                    .type = RELAY_POLLED,
                    .polled = {.poll = poll, .outcome = OUTCOME_FAILED, .throttled = true}});
        assert_int_equal(f->core.polls[RELAY_QUEUE_DELAY].out, 0);
        advance(f, 400);
        assert_int_equal(f->core.polls[RELAY_QUEUE_DELAY].out, 1);
    }
    assert_int_equal(f->core.counters.poll_failures, 20);
}

static void while_sqs_throttles_polls_that_find_little_come_less_often(void **state)
{
    struct fixture *f = *state;
    poll_held_back(f, take_poll_of(f, RELAY_QUEUE_DELAY), 70);
    advance(f, 70);
    polled(f, take_poll_of(f, RELAY_QUEUE_DELAY), OUTCOME_DONE, 10);
    polled(f, take_poll_of(f, RELAY_QUEUE_DELAY), OUTCOME_DONE, 9);
    polled(f, take_poll_of(f, RELAY_QUEUE_DELAY), OUTCOME_DONE, 9);
    advance(f, 249);
    assert_int_equal(f->core.polls[RELAY_QUEUE_DELAY].out, 0);
    advance(f, 1);
    assert_true(f->core.polls[RELAY_QUEUE_DELAY].out > 0);
    advance(f, 1000); /* it is over */
    polled(f, take_poll_of(f, RELAY_QUEUE_DELAY), OUTCOME_DONE, 9);
    assert_true(f->core.polls[RELAY_QUEUE_DELAY].out > 0);
}

/* Calls are few: those that there are go full. What is tried again waits no longer, for its
 * visibility does not either. */
static void while_sqs_throttles_deletes_wait_longer_for_company(void **state)
{
    struct fixture *f = *state;
    poll_held_back(f, take_poll_of(f, RELAY_QUEUE_DELAY), 70);
    struct relay_ref slot = hold(f, 1, at_0, 1);
    advance(f, SOON - f->now.wall.ms - 1);
    poll_held_back(f, take_poll_of(f, RELAY_QUEUE_DELAY), 70);
    advance(f, 1);
    expect_emit(f, slot, 0, 1);
    report(f, slot, 0);
    advance(f, 624);
    assert_none(f, RELAY_DELETE);
    advance(f, 1);
    struct relay_effect delete = take(f, RELAY_DELETE);
    answer_each(f, &delete.batch, OUTCOME_FAILED, ERROR_THROTTLED);
    advance(f, 150);
    delete = take(f, RELAY_DELETE);
    answer(f, &delete);
    assert_int_equal(f->core.slots_used, 0);
}

static void a_throttled_delete_is_not_given_up_while_the_receipt_lasts(void **state)
{
    struct fixture *f = *state;
    struct relay_ref slot = hold(f, 1, at_0, 1);
    advance(f, 2000);
    expect_emit(f, slot, 0, 1);
    report(f, slot, 0);
    int64_t visible_at = f->core.slots[slot.index].visible_at.ms;
    int tries = 0;
    f->log_len = 0;
    while (count_of(f, RELAY_FREE) == 0) {
        advance(f, 10);
        if (count_of(f, RELAY_DELETE) == 0)
            continue;
        struct relay_effect delete = take(f, RELAY_DELETE);
        answer_each(f, &delete.batch, OUTCOME_FAILED, ERROR_THROTTLED);
        assert_true(++tries < 100);
    }
    assert_true(tries > RELAY_CALL_TRIES_MAX);
    assert_true(f->now.mono.ms >= visible_at);
    assert_int_equal(f->core.counters.delete_failures, 1);
}

static void answer_ended(struct fixture *f, const struct relay_effect *effect)
{
    struct relay_event ev = {.type = RELAY_CALLED,
                             .called = {.batch = effect->batch.batch, .count = 1}};
    ev.called.results[0] = (struct relay_call_result){
        .outcome = OUTCOME_FAILED, .kind = ERROR_PERMANENT, .receipt_ended = true};
    feed(f, ev);
}

/* Somebody else has it, or it is gone: expected, and no failure of the call. */
static void a_receipt_that_ended_is_counted_as_that_alone(void **state)
{
    struct fixture *f = *state;
    receive(f, RELAY_QUEUE_DELAY, 1, WALL0 + 60000);
    advance(f, 50);
    struct relay_effect change = take(f, RELAY_CHANGE_VISIBILITY); /* deferral */
    answer_ended(f, &change);
    struct relay_ref slot = hold(f, 2, at_0, 1);
    advance(f, 5050);
    change = take(f, RELAY_CHANGE_VISIBILITY); /* extension */
    expect_emit(f, slot, 0, 1);
    answer_ended(f, &change);
    report(f, slot, 0);
    advance(f, 50);
    struct relay_effect delete = take(f, RELAY_DELETE);
    answer_ended(f, &delete);
    assert_int_equal(f->core.counters.receipts_ended, 3);
    assert_int_equal(f->core.counters.defer_failures, 0);
    assert_int_equal(f->core.counters.extend_failures, 0);
    assert_int_equal(f->core.counters.delete_failures, 0);
    assert_int_equal(f->core.counters.lapsed_emitted, 1);
    assert_int_equal(f->core.slots_used, 0);
}

static void a_poll_completes_once(void **state)
{
    struct fixture *f = *state;
    struct relay_ref poll = take(f, RELAY_POLL).poll.poll;
    polled(f, poll, OUTCOME_DONE, 5);
    polled(f, poll, OUTCOME_DONE, 5);
    polled(f, (struct relay_ref){999, 0}, OUTCOME_DONE, 5);
    assert_int_equal(f->core.counters.stray_completions, 2);
    assert_int_equal(f->core.polls[RELAY_QUEUE_DELAY].out, 1);
}

static void polls_stop_while_the_budget_is_full(void **state)
{
    struct fixture *f = *state;
    struct relay_limits tight = usual;
    tight.budget_bytes = 2 * MIB + 500; /* two polls with nothing held */
    restart(f, &tight);
    assert_int_equal(polls_out(f), 2);
    struct relay_ref slot = hold(f, 1, at_0, 1); /* 2000 bytes */
    polled(f, take(f, RELAY_POLL).poll.poll, OUTCOME_DONE, 1);
    assert_int_equal(polls_out(f), 1);
    polled(f, take(f, RELAY_POLL).poll.poll, OUTCOME_DONE, 0);
    advance(f, 100);
    assert_int_equal(polls_out(f), 1);
    advance(f, SOON - f->now.wall.ms);
    expect_emit(f, slot, 0, 1);
    report(f, slot, 0);
    advance(f, 50);
    struct relay_effect delete = take(f, RELAY_DELETE);
    answer(f, &delete);
    assert_int_equal(polls_out(f), 2);
}

static void one_poll_goes_even_if_the_budget_is_smaller(void **state)
{
    struct fixture *f = *state;
    struct relay_limits tiny = usual;
    tiny.budget_bytes = 10;
    restart(f, &tiny);
    assert_int_equal(polls_out(f), 1);
}

static void with_room_for_one_poll_the_queues_take_turns(void **state)
{
    struct fixture *f = *state;
    struct relay_limits tiny = usual;
    tiny.budget_bytes = 10;
    restart(f, &tiny);
    unsigned polls[RELAY_QUEUES] = {0, 0};
    for (int i = 0; i < 10; i++) {
        struct relay_effect poll = take(f, RELAY_POLL);
        assert_none(f, RELAY_POLL);
        polls[poll.poll.queue]++;
        polled(f, poll.poll.poll, OUTCOME_DONE, 5);
    }
    assert_int_equal(polls[RELAY_QUEUE_DELAY], 5);
    assert_int_equal(polls[RELAY_QUEUE_READY], 5);
}

static void what_does_not_fit_the_budget_comes_again_in_a_second(void **state)
{
    struct fixture *f = *state;
    struct relay_limits tiny = usual;
    tiny.budget_bytes = 2500;
    restart(f, &tiny);
    struct relay_event large = message(f, RELAY_QUEUE_DELAY, 1, SOON);
    large.received.bytes = 9000;
    feed(f, large); /* alone: held, however large */
    take(f, RELAY_HOLD);
    receive(f, RELAY_QUEUE_DELAY, 2, SOON);
    assert_none(f, RELAY_HOLD);
    advance(f, 50);
    struct relay_effect change = take(f, RELAY_CHANGE_VISIBILITY);
    assert_int_equal(change.batch.seconds[0], 1);
    answer(f, &change);
    assert_int_equal(f->core.counters.no_room, 1);
}

static void polls_leave_slots_for_what_they_bring(void **state)
{
    struct fixture *f = *state;
    struct relay_limits tight = usual;
    tight.slots = 20;
    restart(f, &tight);
    assert_int_equal(polls_out(f), 2);
    struct relay_ref poll = take(f, RELAY_POLL).poll.poll;
    for (uint32_t i = 0; i < 10; i++)
        hold(f, i, at_0, 1);
    polled(f, poll, OUTCOME_DONE, 10);
    assert_int_equal(polls_out(f), 1); /* ten slots are left, and they are promised */
}

/* --- triage ---------------------------------------------------------------------------------- */

static void later_than_the_hold_is_deferred_to_the_lead(void **state)
{
    struct fixture *f = *state;
    struct relay_ref slot = receive(f, RELAY_QUEUE_READY, 1, WALL0 + 20000);
    assert_none(f, RELAY_HOLD);
    assert_none(f, RELAY_CHANGE_VISIBILITY); /* waits for company */
    advance(f, 49);
    assert_none(f, RELAY_CHANGE_VISIBILITY);
    advance(f, 1);
    struct relay_effect change = take(f, RELAY_CHANGE_VISIBILITY);
    assert_int_equal(change.batch.queue, RELAY_QUEUE_READY);
    assert_int_equal(change.batch.count, 1);
    assert_int_equal(change.batch.slots[0].index, slot.index);
    assert_int_equal(change.batch.seconds[0], 17); /* 20 - 0.05 - 2, rounded down */
    answer(f, &change);
    assert_int_equal(take(f, RELAY_FREE).slot.index, slot.index);
    assert_int_equal(f->core.counters.deferred, 1);
    assert_int_equal(f->core.slots_used, 0);
}

static void the_hold_is_exact_and_a_deferral_never_late(void **state)
{
    struct fixture *f = *state;
    receive(f, RELAY_QUEUE_DELAY, 1, WALL0 + 3000);
    take(f, RELAY_HOLD);
    receive(f, RELAY_QUEUE_DELAY, 2, WALL0 + 3001);
    assert_none(f, RELAY_HOLD);
    advance(f, 50);
    assert_int_equal(take(f, RELAY_CHANGE_VISIBILITY).batch.seconds[0], 1);
}

static void far_deferral_stays_within_what_sqs_admits(void **state)
{
    struct fixture *f = *state;
    receive(f, RELAY_QUEUE_DELAY, 1, WALL0 + 30 * MS_PER_DAY);
    advance(f, 50);
    assert_in_range(take(f, RELAY_CHANGE_VISIBILITY).batch.seconds[0], 43190, 43195);
}

static void ten_deferrals_go_at_once_as_one_batch(void **state)
{
    struct fixture *f = *state;
    for (uint32_t i = 0; i < 13; i++)
        receive(f, RELAY_QUEUE_DELAY, i, WALL0 + 60000);
    assert_int_equal(count_of(f, RELAY_CHANGE_VISIBILITY), 1);
    assert_int_equal(take(f, RELAY_CHANGE_VISIBILITY).batch.count, 10);
    advance(f, 50);
    assert_int_equal(take(f, RELAY_CHANGE_VISIBILITY).batch.count, 3);
}

static void a_failed_deferral_is_tried_again_with_the_time_that_remains(void **state)
{
    struct fixture *f = *state;
    receive(f, RELAY_QUEUE_DELAY, 1, WALL0 + 3500);
    advance(f, 50);
    struct relay_effect change = take(f, RELAY_CHANGE_VISIBILITY);
    assert_int_equal(change.batch.seconds[0], 1);
    advance(f, 600);
    answer_each(f, &change.batch, OUTCOME_UNKNOWN, ERROR_UNKNOWN);
    advance(f, 200);
    change = take(f, RELAY_CHANGE_VISIBILITY);
    assert_int_equal(change.batch.seconds[0], 0); /* so that it is seen at once, and held */
    answer(f, &change);
    assert_int_equal(f->core.slots_used, 0);
}

static void a_deferral_that_never_works_lets_the_message_return(void **state)
{
    struct fixture *f = *state;
    receive(f, RELAY_QUEUE_DELAY, 1, WALL0 + 60000);
    for (int i = 0; i < RELAY_CALL_TRIES_MAX; i++) {
        advance(f, 9000);
        struct relay_effect change = take(f, RELAY_CHANGE_VISIBILITY);
        answer_each(f, &change.batch, OUTCOME_FAILED, ERROR_THROTTLED);
    }
    take(f, RELAY_FREE);
    assert_int_equal(f->core.counters.defer_failures, 1);
    receive(f, RELAY_QUEUE_DELAY, 2, f->now.wall.ms + 60000);
    advance(f, 50);
    struct relay_effect change = take(f, RELAY_CHANGE_VISIBILITY);
    answer_each(f, &change.batch, OUTCOME_FAILED, ERROR_PERMANENT);
    take(f, RELAY_FREE);
    assert_int_equal(f->core.counters.defer_failures, 2);
}

/* --- emission -------------------------------------------------------------------------------- */

static void each_record_goes_at_its_own_millisecond(void **state)
{
    struct fixture *f = *state;
    struct relay_ref slot = hold(f, 1, at_three, 3);
    advance(f, SOON - f->now.wall.ms - 1);
    assert_none(f, RELAY_EMIT);
    advance(f, 1);
    expect_emit(f, slot, 0, 1);
    advance(f, 99);
    assert_none(f, RELAY_EMIT);
    advance(f, 1);
    expect_emit(f, slot, 1, 2);
}

static void the_deadline_is_the_next_due_instant(void **state)
{
    struct fixture *f = *state;
    hold(f, 1, at_three, 3);
    assert_int_equal(relay_core_deadline(&f->core).wall.ms, SOON);
}

static void overdue_goes_at_once(void **state)
{
    struct fixture *f = *state;
    struct relay_ref slot = receive(f, RELAY_QUEUE_READY, 1, WALL0 - MS_PER_DAY);
    decode(f, slot, WALL0 - MS_PER_DAY, at_three, 3);
    expect_emit(f, slot, 0, 3);
}

static void the_wall_clock_alone_decides_what_is_due(void **state)
{
    struct fixture *f = *state;
    struct relay_ref slot = hold(f, 1, at_0, 1);
    f->now.mono.ms += 4000; /* the wall clock was set back meanwhile */
    feed(f, (struct relay_event){.type = RELAY_TICK});
    assert_none(f, RELAY_EMIT);
    f->now.wall.ms = SOON;
    feed(f, (struct relay_event){.type = RELAY_TICK});
    expect_emit(f, slot, 0, 1);
}

static void what_the_shell_finds_early_is_asked_for_again(void **state)
{
    struct fixture *f = *state;
    struct relay_ref slot = hold(f, 1, at_three, 3);
    advance(f, SOON + 100 - f->now.wall.ms);
    take(f, RELAY_EMIT);
    f->now.wall.ms -= 500; /* stepped back between the turn and the emission */
    emitted(f, slot, 0, false);
    assert_none(f, RELAY_EMIT);
    assert_int_equal(relay_core_deadline(&f->core).wall.ms, SOON);
    advance(f, 400);
    expect_emit(f, slot, 0, 1);
}

static void a_full_queue_stops_emission_and_receiving(void **state)
{
    struct fixture *f = *state;
    static const uint16_t five[] = {0, 0, 0, 0, 0};
    struct relay_ref slot = hold(f, 1, five, 5);
    struct relay_ref poll = take(f, RELAY_POLL).poll.poll;
    advance(f, SOON - f->now.wall.ms);
    take(f, RELAY_EMIT);
    emitted(f, slot, 2, true);
    assert_none(f, RELAY_EMIT);
    polled(f, poll, OUTCOME_DONE, 10);
    assert_int_equal(f->core.polls[RELAY_QUEUE_DELAY].out, 0);
    assert_true(relay_core_deadline(&f->core).wall.ms == TIME_NEVER); /* no spinning */
    advance(f, RELAY_FULL_RETRY_MS);
    expect_emit(f, slot, 2, 3);
    assert_true(f->core.polls[RELAY_QUEUE_DELAY].out > 0);
    assert_int_equal(f->core.counters.kafka_full, 1);
    assert_int_equal(f->core.window_used, 5);
}

static void the_window_bounds_what_is_in_flight(void **state)
{
    struct fixture *f = *state;
    struct relay_limits narrow = usual;
    narrow.window_records = 2;
    restart(f, &narrow);
    static const uint16_t five[] = {0, 0, 0, 0, 0};
    struct relay_ref slot = hold(f, 1, five, 5);
    struct relay_ref poll = take(f, RELAY_POLL).poll.poll;
    advance(f, SOON - f->now.wall.ms);
    expect_emit(f, slot, 0, 2);
    polled(f, poll, OUTCOME_DONE, 1);
    assert_int_equal(f->core.polls[RELAY_QUEUE_DELAY].out, 0);
    assert_true(relay_core_deadline(&f->core).wall.ms == TIME_NEVER);
    report(f, slot, 1);
    expect_emit(f, slot, 2, 1);
    report_as(f, slot, 0, OUTCOME_FAILED, RELAY_REFUSED_NOT); /* keeps its place in the window */
    assert_none(f, RELAY_EMIT);
    report(f, slot, 2);
    expect_emit(f, slot, 3, 1);
    advance(f, 200);
    expect_emit(f, slot, 0, 1);
}

/* --- reports and deletes --------------------------------------------------------------------- */

static void deleted_only_after_the_last_report(void **state)
{
    struct fixture *f = *state;
    struct relay_ref slot = hold(f, 1, at_three, 3);
    advance(f, 2200);
    expect_emit(f, slot, 0, 1);
    expect_emit(f, slot, 1, 2);
    report(f, slot, 2);
    report(f, slot, 0);
    advance(f, 1000);
    assert_none(f, RELAY_DELETE);
    report(f, slot, 1);
    assert_none(f, RELAY_DELETE);
    advance(f, 50);
    struct relay_effect delete = take(f, RELAY_DELETE);
    assert_int_equal(delete.batch.count, 1);
    assert_int_equal(delete.batch.slots[0].index, slot.index);
    assert_none(f, RELAY_FREE);
    answer(f, &delete);
    take(f, RELAY_FREE);
    assert_int_equal(f->core.counters.completed, 1);
    assert_int_equal(f->core.counters.deleted, 1);
    assert_int_equal(f->core.window_used, 0);
    assert_int_equal(f->core.waiting_records, 0);
    assert_int_equal(f->core.bytes, 0);
}

static void a_report_counts_once_and_only_if_it_is_awaited(void **state)
{
    struct fixture *f = *state;
    struct relay_ref slot = hold(f, 1, at_three, 3);
    advance(f, 2200);
    report(f, slot, 0); /* emitted, but the shell has not said so yet: still awaited */
    emitted(f, slot, 1, false);
    report(f, slot, 0);
    report(f, slot, 0);
    report(f, slot, 3);
    report(f, slot, 40000);
    report(f, (struct relay_ref){slot.index, slot.generation + 1}, 0);
    assert_int_equal(f->core.counters.stray_completions, 5);
    advance(f, 100);
    assert_none(f, RELAY_DELETE);
    assert_int_equal(f->core.slots[slot.index].settled, 1);
}

static void a_late_report_means_nothing_to_the_slots_next_message(void **state)
{
    struct fixture *f = *state;
    struct relay_ref before = hold(f, 1, at_0, 1);
    advance(f, 2000);
    expect_emit(f, before, 0, 1);
    report(f, before, 0);
    advance(f, 50);
    struct relay_effect delete = take(f, RELAY_DELETE);
    answer(f, &delete);
    struct relay_ref after = hold(f, 2, at_0, 1);
    assert_int_equal(after.index, before.index);
    expect_emit(f, after, 0, 1);
    report(f, before, 0);
    assert_int_equal(f->core.counters.completed, 1);
    assert_int_equal(f->core.counters.stray_completions, 1);
}

static void failed_and_unknown_records_go_again(void **state)
{
    struct fixture *f = *state;
    struct relay_ref slot = hold(f, 1, at_three, 3);
    advance(f, 2200);
    expect_emit(f, slot, 0, 1);
    expect_emit(f, slot, 1, 2);
    report(f, slot, 0);
    report_as(f, slot, 1, OUTCOME_UNKNOWN, RELAY_REFUSED_NOT);
    report_as(f, slot, 2, OUTCOME_FAILED, RELAY_REFUSED_NOT);
    assert_none(f, RELAY_EMIT);
    advance(f, 100);
    expect_emit(f, slot, 1, 2); /* neighbours together */
    assert_int_equal(f->core.counters.emitted_again, 2);
    assert_int_equal(f->core.counters.unknown_reports, 1);
    report_as(f, slot, 1, OUTCOME_FAILED, RELAY_REFUSED_NOT);
    report(f, slot, 2);
    advance(f, 99);
    assert_none(f, RELAY_EMIT); /* the back-off has doubled */
    advance(f, 101);
    take(f, RELAY_EMIT);
    emitted(f, slot, 0, true); /* full: it stays on the list */
    advance(f, 10);
    expect_emit(f, slot, 1, 1);
    assert_none(f, RELAY_DELETE);
    report(f, slot, 1);
    advance(f, 50);
    take(f, RELAY_DELETE);
    assert_int_equal(f->core.counters.delivered, 3);
}

static void a_refused_record_is_dead_lettered_alone(void **state)
{
    struct fixture *f = *state;
    struct relay_ref slot = hold(f, 1, at_three, 3);
    advance(f, 2200);
    expect_emit(f, slot, 0, 1);
    expect_emit(f, slot, 1, 2);
    report(f, slot, 0);
    report_as(f, slot, 1, OUTCOME_FAILED, RELAY_REFUSED_TARGET_UNKNOWN);
    struct relay_dead_letter dead = take(f, RELAY_DEAD_LETTER).dead_letter;
    assert_int_equal(dead.record, 1);
    assert_int_equal(dead.refusal, RELAY_REFUSED_TARGET_UNKNOWN);
    assert_int_equal(dead.detail, 9);
    report(f, slot, 2);
    advance(f, 1000);
    assert_none(f, RELAY_DELETE);
    report_dead(f, &dead, OUTCOME_DONE, false);
    advance(f, 50);
    take(f, RELAY_DELETE);
    assert_none(f, RELAY_EMIT);
    assert_int_equal(f->core.dead_letters[RELAY_REFUSED_TARGET_UNKNOWN], 1);
    assert_int_equal(f->core.counters.dead_lettered, 1);
    assert_int_equal(f->core.counters.delivered, 2);
}

static void report_batch_refused(struct fixture *f, struct relay_ref slot, uint32_t record)
{
    feed(f, (struct relay_event){.type = RELAY_REPORT,
                                 .report = {.slot = slot,
                                            .record = record,
                                            .outcome = OUTCOME_FAILED,
                                            .refusal = RELAY_REFUSED_TARGET_REFUSED,
                                            .detail = 9,
                                            .in_company = true}});
}

static void of_a_refused_batch_only_the_guilty_record_is_dead_lettered(void **state)
{
    struct fixture *f = *state;
    struct relay_ref slot = hold(f, 1, at_three, 3);
    advance(f, 2200);
    expect_emit(f, slot, 0, 1);
    expect_emit(f, slot, 1, 2);
    for (uint32_t i = 0; i < 3; i++)
        report_batch_refused(f, slot, i);
    assert_none(f, RELAY_DEAD_LETTER);
    assert_none(f, RELAY_EMIT); /* not at once: what else was refused with them comes again too */
    advance(f, 100);
    expect_emit(f, slot, 0, 1);
    advance(f, 100);
    assert_none(f, RELAY_EMIT); /* neighbours, but each by itself */
    report(f, slot, 0);
    take(f, RELAY_EMIT);
    emitted(f, slot, 0, true); /* full: it is the next all the same */
    advance(f, RELAY_FULL_RETRY_MS);
    expect_emit(f, slot, 2, 1);
    report(f, slot, 2);
    expect_emit(f, slot, 1, 1);
    assert_none(f, RELAY_DEAD_LETTER);
    report_batch_refused(f, slot, 1);
    struct relay_dead_letter dead = take(f, RELAY_DEAD_LETTER).dead_letter;
    assert_int_equal(dead.record, 1);
    assert_int_equal(dead.refusal, RELAY_REFUSED_TARGET_REFUSED);
    report_dead(f, &dead, OUTCOME_DONE, false);
    advance(f, 50);
    take(f, RELAY_DELETE);
    assert_int_equal(f->core.counters.emitted_alone, 4);
    assert_int_equal(f->core.counters.delivered, 2);
    assert_int_equal(f->core.window_used, 0);
}

static void a_suspect_without_a_verdict_stays_one(void **state)
{
    struct fixture *f = *state;
    static const uint16_t at_once_and_later[] = {0, 500, 500};
    struct relay_ref slot = hold(f, 1, at_once_and_later, 3);
    advance(f, 2050);
    expect_emit(f, slot, 0, 1);
    report_batch_refused(f, slot, 0);
    advance(f, 100);
    expect_emit(f, slot, 0, 1);
    advance(f, 400); /* the others are due; that Kafka is full for them says nothing of the first */
    take(f, RELAY_EMIT);
    emitted(f, slot, 0, true);
    advance(f, RELAY_FULL_RETRY_MS);
    expect_emit(f, slot, 1, 2);
    report_as(f, slot, 0, OUTCOME_UNKNOWN, RELAY_REFUSED_NOT);
    report(f, slot, 1);
    report(f, slot, 2);
    advance(f, 100);
    expect_emit(f, slot, 0, 1);
    report_batch_refused(f, slot, 0);
    assert_int_equal(take(f, RELAY_DEAD_LETTER).dead_letter.record, 0);
    assert_int_equal(f->core.counters.emitted_again, 0);
}

static void dead_letters_that_failed_go_apart(void **state)
{
    struct fixture *f = *state;
    struct relay_ref slot = hold(f, 1, at_three, 3);
    advance(f, 2200);
    expect_emit(f, slot, 0, 1);
    expect_emit(f, slot, 1, 2);
    for (uint32_t i = 0; i < 3; i++)
        report_as(f, slot, i, OUTCOME_FAILED, RELAY_REFUSED_TARGET_UNKNOWN);
    struct relay_dead_letter dead[3];
    for (uint32_t i = 0; i < 3; i++)
        dead[i] = take(f, RELAY_DEAD_LETTER).dead_letter;
    for (uint32_t i = 0; i < 3; i++)
        report_dead(f, &dead[i], OUTCOME_FAILED, false);
    assert_none(f, RELAY_DEAD_LETTER);
    advance(f, 1000);
    assert_int_equal(count_of(f, RELAY_DEAD_LETTER), 3);
}

static void a_refused_dead_letter_is_kept_and_tried_again(void **state)
{
    struct fixture *f = *state;
    struct relay_ref slot = hold(f, 1, at_three, 3);
    advance(f, 2200);
    expect_emit(f, slot, 0, 1);
    expect_emit(f, slot, 1, 2);
    for (uint32_t i = 0; i < 3; i++)
        report_as(f, slot, i, OUTCOME_FAILED, RELAY_REFUSED_TARGET_UNAUTHORIZED);
    assert_int_equal(count_of(f, RELAY_DEAD_LETTER), 3);
    struct relay_dead_letter first = take(f, RELAY_DEAD_LETTER).dead_letter;
    struct relay_dead_letter second = take(f, RELAY_DEAD_LETTER).dead_letter;
    struct relay_dead_letter third = take(f, RELAY_DEAD_LETTER).dead_letter;
    report_dead(f, &first, OUTCOME_FAILED, false);
    assert_none(f, RELAY_DEAD_LETTER);
    advance(f, 100);
    first = take(f, RELAY_DEAD_LETTER).dead_letter;
    assert_int_equal(first.record, 0);
    assert_int_equal(first.refusal, RELAY_REFUSED_TARGET_UNAUTHORIZED);
    report_dead(f, &second, OUTCOME_FAILED, true); /* no fault: the queue was full */
    advance(f, RELAY_FULL_RETRY_MS);
    second = take(f, RELAY_DEAD_LETTER).dead_letter;
    report_dead(f, &third, OUTCOME_UNKNOWN, false);
    assert_int_equal(f->core.counters.dead_letter_failures, 2);
    advance(f, 300);
    third = take(f, RELAY_DEAD_LETTER).dead_letter;
    report_dead(f, &first, OUTCOME_DONE, false);
    report_dead(f, &second, OUTCOME_DONE, false);
    advance(f, 1000);
    assert_none(f, RELAY_DELETE);
    report_dead(f, &third, OUTCOME_DONE, false);
    advance(f, 50);
    take(f, RELAY_DELETE);
    assert_int_equal(f->core.window_used, 0);
}

static void a_failed_delete_is_tried_again_and_given_up_at_last(void **state)
{
    struct fixture *f = *state;
    for (uint32_t i = 0; i < 2; i++) {
        struct relay_ref slot = hold(f, i, at_0, 1);
        advance(f, i == 0 ? 2000 : 0);
        expect_emit(f, slot, 0, 1);
        report(f, slot, 0);
        advance(f, 50);
        struct relay_effect delete = take(f, RELAY_DELETE);
        if (i == 0) {
            answer_each(f, &delete.batch, OUTCOME_FAILED, ERROR_PERMANENT); /* handle expired */
            assert_int_equal(f->core.counters.delete_failures, 1);
            continue;
        }
        for (int tries = 1; tries < RELAY_CALL_TRIES_MAX; tries++) {
            answer_each(f, &delete.batch, OUTCOME_UNKNOWN, ERROR_UNKNOWN);
            advance(f, 9000);
            delete = take(f, RELAY_DELETE);
        }
        answer_each(f, &delete.batch, OUTCOME_FAILED, ERROR_RETRY);
        assert_int_equal(f->core.counters.delete_failures, 2);
    }
    assert_int_equal(f->core.slots_used, 0);
}

static void a_batch_may_fail_in_part(void **state)
{
    struct fixture *f = *state;
    for (uint32_t i = 0; i < 10; i++)
        receive(f, RELAY_QUEUE_DELAY, i, WALL0 + 60000);
    struct relay_effect change = take(f, RELAY_CHANGE_VISIBILITY);
    struct relay_event ev = {.type = RELAY_CALLED,
                             .called = {.batch = change.batch.batch, .count = 10}};
    ev.called.results[3] =
        (struct relay_call_result){.outcome = OUTCOME_FAILED, .kind = ERROR_RETRY};
    feed(f, ev);
    assert_int_equal(count_of(f, RELAY_FREE), 9);
    feed(f, ev); /* completes once */
    assert_int_equal(f->core.counters.stray_completions, 1);
    advance(f, 200);
    struct relay_effect again = take(f, RELAY_CHANGE_VISIBILITY);
    assert_int_equal(again.batch.count, 1);
    assert_int_equal(again.batch.slots[0].index, change.batch.slots[3].index);
}

/* --- duplicates ------------------------------------------------------------------------------ */

static void the_newest_handle_of_a_held_envelope_counts(void **state)
{
    struct fixture *f = *state;
    struct relay_ref slot = hold(f, 1, at_0, 1);
    advance(f, 1000);
    struct relay_ref twin = receive(f, RELAY_QUEUE_READY, 1, SOON);
    struct relay_effect effect = take(f, RELAY_REHANDLE);
    assert_int_equal(effect.rehandle.to.index, slot.index);
    assert_int_equal(effect.rehandle.from, twin.index);
    assert_int_equal(take(f, RELAY_FREE).slot.index, twin.index);
    assert_int_equal(f->core.counters.duplicates_held, 1);
    advance(f, 1000);
    expect_emit(f, slot, 0, 1);
    report(f, slot, 0);
    advance(f, 50);
    assert_int_equal(take(f, RELAY_DELETE).batch.queue, RELAY_QUEUE_READY);
    assert_none(f, RELAY_EMIT);
}

static void a_new_handle_during_an_extension_starts_anew(void **state)
{
    struct fixture *f = *state;
    struct relay_ref slot = hold(f, 1, at_0, 1);
    advance(f, 2000);
    expect_emit(f, slot, 0, 1);
    advance(f, 3050); /* half of the visibility, and the linger */
    struct relay_effect change = take(f, RELAY_CHANGE_VISIBILITY);
    receive(f, RELAY_QUEUE_DELAY, 1, SOON);
    take(f, RELAY_REHANDLE);
    int64_t visible_at = f->core.slots[slot.index].visible_at.ms;
    assert_int_equal(visible_at, f->now.mono.ms + 10000);
    answer_each(f, &change.batch, OUTCOME_FAILED, ERROR_PERMANENT); /* of the old handle */
    assert_int_equal(f->core.slots[slot.index].visible_at.ms, visible_at);
    advance(f, 5049);
    assert_none(f, RELAY_CHANGE_VISIBILITY);
    advance(f, 1);
    take(f, RELAY_CHANGE_VISIBILITY);
    assert_int_equal(f->core.counters.lapsed_emitted, 0);
}

static void deliver(struct fixture *f, uint32_t id)
{
    struct relay_ref slot = receive(f, RELAY_QUEUE_DELAY, id, f->now.wall.ms);
    take(f, RELAY_HOLD);
    decode(f, slot, f->now.wall.ms, at_0, 1);
    expect_emit(f, slot, 0, 1);
    report(f, slot, 0);
    advance(f, 50);
    struct relay_effect delete = take(f, RELAY_DELETE);
    answer(f, &delete);
    take(f, RELAY_FREE);
}

static void what_was_delivered_lately_is_only_deleted(void **state)
{
    struct fixture *f = *state;
    deliver(f, 1);
    receive(f, RELAY_QUEUE_READY, 1, WALL0);
    assert_none(f, RELAY_HOLD);
    advance(f, 50);
    struct relay_effect delete = take(f, RELAY_DELETE);
    assert_int_equal(delete.batch.queue, RELAY_QUEUE_READY);
    answer(f, &delete);
    assert_int_equal(f->core.counters.duplicates_done, 1);
    assert_int_equal(f->core.counters.completed, 1);
}

static void what_was_delivered_is_remembered_for_a_time_and_a_number(void **state)
{
    struct fixture *f = *state;
    deliver(f, 1);
    advance(f, usual.done_ttl_ms);
    deliver(f, 1); /* forgotten: held and emitted again */
    for (uint32_t i = 100; i < 100 + usual.done_ids - 1; i++)
        deliver(f, i);
    receive(f, RELAY_QUEUE_DELAY, 1, WALL0);
    assert_none(f, RELAY_HOLD); /* 64 ids are known */
    deliver(f, 999);
    receive(f, RELAY_QUEUE_DELAY, 1, WALL0);
    take(f, RELAY_HOLD); /* the 65th pushed it out */
}

/* --- visibility ------------------------------------------------------------------------------ */

static void visibility_is_extended_at_half_time_until_the_reports_are_in(void **state)
{
    struct fixture *f = *state;
    struct relay_ref slot = hold(f, 1, at_0, 1);
    advance(f, 2000);
    expect_emit(f, slot, 0, 1);
    for (int i = 0; i < 5; i++) {
        size_t waited = 0;
        while (count_of(f, RELAY_CHANGE_VISIBILITY) == 0) {
            advance(f, 10);
            assert_true(++waited < 600);
        }
        struct relay_effect change = take(f, RELAY_CHANGE_VISIBILITY);
        assert_int_equal(change.batch.seconds[0], 10);
        int64_t sent_at = f->now.mono.ms;
        assert_true(sent_at < f->core.slots[slot.index].visible_at.ms - usual.margin_ms);
        advance(f, 30);
        answer(f, &change);
        assert_in_range(f->core.slots[slot.index].visible_at.ms, sent_at + 9990, sent_at + 10000);
    }
    assert_int_equal(f->core.counters.extended, 5);
    report(f, slot, 0);
    advance(f, 50);
    take(f, RELAY_DELETE);
}

static void a_delete_waits_for_the_extension_under_way(void **state)
{
    struct fixture *f = *state;
    struct relay_ref slot = hold(f, 1, at_0, 1);
    advance(f, 5050);
    expect_emit(f, slot, 0, 1);
    struct relay_effect change = take(f, RELAY_CHANGE_VISIBILITY);
    report(f, slot, 0);
    advance(f, 200);
    assert_none(f, RELAY_DELETE);
    answer(f, &change);
    advance(f, 50);
    take(f, RELAY_DELETE);
}

static void a_hold_that_ran_out_before_emission_is_given_up(void **state)
{
    struct fixture *f = *state;
    struct relay_ref slot = hold(f, 1, at_0, 1);
    sleep_through(f, 9000); /* the limit: visibility less margin */
    feed(f, (struct relay_event){.type = RELAY_TICK});
    assert_none(f, RELAY_EMIT);
    assert_int_equal(take(f, RELAY_FREE).slot.index, slot.index);
    assert_int_equal(f->core.counters.lapsed_unemitted, 1);
    assert_int_equal(f->core.waiting_records, 0);
}

static void nor_is_it_emitted_while_its_extension_has_no_answer(void **state)
{
    struct fixture *f = *state;
    struct relay_limits wide = usual;
    wide.hold_ms = 9500;
    restart(f, &wide);
    struct relay_ref slot = receive(f, RELAY_QUEUE_DELAY, 1, WALL0 + 9100);
    decode(f, slot, WALL0 + 9000, (const uint16_t[]){100}, 1);
    advance(f, 5050);
    take(f, RELAY_CHANGE_VISIBILITY);
    advance(f, 5000);
    assert_none(f, RELAY_EMIT);
    take(f, RELAY_FREE);
    assert_int_equal(f->core.counters.lapsed_unemitted, 1);
}

static void just_inside_the_visibility_it_is_emitted(void **state)
{
    struct fixture *f = *state;
    struct relay_ref slot = hold(f, 1, at_0, 1);
    sleep_through(f, 8999);
    feed(f, (struct relay_event){.type = RELAY_TICK});
    expect_emit(f, slot, 0, 1);
}

static void a_pause_gives_up_every_stale_hold_without_a_storm(void **state)
{
    struct fixture *f = *state;
    for (uint32_t i = 0; i < 150; i++)
        hold(f, i, at_three, 3);
    sleep_through(f, 10 * MS_PER_MINUTE);
    feed(f, (struct relay_event){.type = RELAY_TICK});
    assert_none(f, RELAY_EMIT);
    assert_none(f, RELAY_CHANGE_VISIBILITY);
    assert_int_equal(count_of(f, RELAY_FREE), 150);
}

static void a_partly_emitted_envelope_goes_on_after_its_visibility(void **state)
{
    struct fixture *f = *state;
    struct relay_ref slot = hold(f, 1, at_three, 3);
    advance(f, 2000);
    expect_emit(f, slot, 0, 1);
    sleep_through(f, MS_PER_MINUTE);
    feed(f, (struct relay_event){.type = RELAY_TICK});
    expect_emit(f, slot, 1, 2);
    assert_int_equal(f->core.counters.lapsed_emitted, 1);
    for (uint32_t i = 0; i < 3; i++)
        report(f, slot, i);
    advance(f, 50);
    take(f, RELAY_DELETE);
    assert_none(f, RELAY_CHANGE_VISIBILITY);
}

static void failing_extensions_are_tried_again_until_it_runs_out(void **state)
{
    struct fixture *f = *state;
    struct relay_ref slot = receive(f, RELAY_QUEUE_DELAY, 1, SOON);
    take(f, RELAY_HOLD);
    feed(f, (struct relay_event){.type = RELAY_DECODED,
                                 .decoded = {.slot = slot,
                                             .records = 1,
                                             .second_ms = SOON,
                                             .due_offsets = at_0,
                                             .bytes = 10,
                                             .blob_bytes = 10}}); /* not emitted: no blob */
    int failures = 0;
    while (count_of(f, RELAY_FREE) == 0) {
        advance(f, 10);
        if (count_of(f, RELAY_CHANGE_VISIBILITY) > 0) {
            struct relay_effect change = take(f, RELAY_CHANGE_VISIBILITY);
            answer_each(f, &change.batch, OUTCOME_FAILED, ERROR_RETRY);
            failures++;
        }
        assert_true(failures < 20);
    }
    assert_true(failures >= 3);
    assert_int_equal(f->now.mono.ms, 5000000 + 9000);
    assert_int_equal(f->core.counters.lapsed_unemitted, 1);
}

static void an_expired_handle_ends_the_hold_at_once(void **state)
{
    struct fixture *f = *state;
    struct relay_limits wide = usual;
    wide.hold_ms = 8000;
    restart(f, &wide);
    struct relay_ref slot = receive(f, RELAY_QUEUE_DELAY, 1, WALL0 + 8000);
    decode(f, slot, WALL0 + 8000, at_0, 1);
    advance(f, 5050);
    struct relay_effect change = take(f, RELAY_CHANGE_VISIBILITY);
    answer_each(f, &change.batch, OUTCOME_FAILED, ERROR_PERMANENT);
    take(f, RELAY_FREE);
    assert_int_equal(f->core.counters.lapsed_unemitted, 1);
}

static void after_twelve_hours_the_hold_ends(void **state)
{
    struct fixture *f = *state;
    struct relay_ref slot = receive(f, RELAY_QUEUE_DELAY, 1, SOON);
    take(f, RELAY_HOLD);
    feed(f, (struct relay_event){.type = RELAY_DECODED,
                                 .decoded = {.slot = slot,
                                             .records = 1,
                                             .second_ms = SOON,
                                             .due_offsets = at_0,
                                             .bytes = 10,
                                             .blob_bytes = 10}});
    int64_t received = f->now.mono.ms;
    while (count_of(f, RELAY_FREE) == 0) {
        advance(f, 50);
        if (count_of(f, RELAY_CHANGE_VISIBILITY) > 0) {
            struct relay_effect change = take(f, RELAY_CHANGE_VISIBILITY);
            int64_t end = f->now.mono.ms + change.batch.seconds[0] * SECOND;
            assert_true(end <= received + usual.receive_max_ms);
            answer(f, &change);
        }
        assert_true(f->now.mono.ms < received + 13 * MS_PER_HOUR);
    }
    assert_in_range(f->now.mono.ms - received, 43180 * SECOND, 43195 * SECOND);
    assert_int_equal(f->core.counters.capped, 1);
}

/* --- blobs ----------------------------------------------------------------------------------- */

static struct relay_ref hold_blob(struct fixture *f, uint32_t id, int64_t bytes)
{
    struct relay_ref slot = receive(f, RELAY_QUEUE_DELAY, id, SOON);
    take(f, RELAY_HOLD);
    feed(f, (struct relay_event){.type = RELAY_DECODED,
                                 .decoded = {.slot = slot,
                                             .records = 1,
                                             .second_ms = SOON,
                                             .due_offsets = at_0,
                                             .bytes = 10,
                                             .blob_bytes = bytes}});
    return slot;
}

static void fetched(struct fixture *f, struct relay_ref slot, bool attached)
{
    feed(f, (struct relay_event){.type = RELAY_FETCHED,
                                 .fetched = {.slot = slot, .attached = attached}});
}

static void a_blob_is_fetched_ahead_and_emitted_on_time(void **state)
{
    struct fixture *f = *state;
    struct relay_ref slot = hold_blob(f, 1, 5000);
    assert_int_equal(take(f, RELAY_FETCH).slot.index, slot.index);
    assert_int_equal(f->core.bytes, 5010);
    advance(f, 500);
    fetched(f, slot, true);
    advance(f, 1499);
    assert_none(f, RELAY_EMIT);
    advance(f, 1);
    expect_emit(f, slot, 0, 1);
    assert_int_equal(f->core.counters.blobs_late, 0);
    report(f, slot, 0);
    advance(f, 50);
    struct relay_effect delete = take(f, RELAY_DELETE);
    answer(f, &delete);
    assert_int_equal(f->core.blobs, 0);
    assert_int_equal(f->core.bytes, 0);
}

static void a_missing_part_means_no_emission_no_delete_and_another_try(void **state)
{
    struct fixture *f = *state;
    struct relay_ref slot = hold_blob(f, 1, 5000);
    for (int i = 0; i < 4; i++) {
        take(f, RELAY_FETCH);
        fetched(f, slot, false);
        assert_none(f, RELAY_FETCH);
        advance(f, 1000);
    }
    assert_none(f, RELAY_EMIT);
    assert_none(f, RELAY_DELETE);
    take(f, RELAY_FETCH);
    fetched(f, slot, true);
    expect_emit(f, slot, 0, 1);
    assert_int_equal(f->core.counters.blob_failures, 4);
    assert_int_equal(f->core.counters.blobs_late, 1);
}

static void blobs_wait_for_room_but_one_always_goes_on(void **state)
{
    struct fixture *f = *state;
    struct relay_limits tight = usual;
    tight.budget_bytes = 3 * MIB;
    restart(f, &tight);
    struct relay_ref large = hold_blob(f, 1, 5 * MIB);
    take(f, RELAY_FETCH); /* larger than the budget, but alone */
    fetched(f, large, false);
    restart(f, &tight);
    large = hold_blob(f, 1, 2 * MIB);
    take(f, RELAY_FETCH);
    struct relay_ref other = hold_blob(f, 2, 2 * MIB);
    assert_none(f, RELAY_FETCH);
    fetched(f, large, true);
    advance(f, 2000);
    expect_emit(f, large, 0, 1);
    report(f, large, 0);
    advance(f, 50);
    struct relay_effect delete = take(f, RELAY_DELETE);
    answer(f, &delete);
    assert_int_equal(take(f, RELAY_FETCH).slot.index, other.index);
}

/* --- unreadable messages --------------------------------------------------------------------- */

static struct relay_ref receive_bad(struct fixture *f, enum relay_verdict verdict, int64_t sent_ms,
                                    uint32_t receive_count)
{
    struct relay_event ev = message(f, RELAY_QUEUE_DELAY, 0, 0);
    ev.received.verdict = verdict;
    ev.received.sent_ms = sent_ms;
    ev.received.receive_count = receive_count;
    struct relay_ref ref = {ev.received.slot, f->core.slots[ev.received.slot].generation};
    feed(f, ev);
    return ref;
}

static void the_unreadable_is_parked_not_dropped(void **state)
{
    struct fixture *f = *state;
    const enum relay_verdict verdicts[] = {RELAY_UNSUPPORTED, RELAY_CORRUPT};
    for (size_t i = 0; i < ARRAY_LEN(verdicts); i++) {
        receive_bad(f, verdicts[i], WALL0 - MS_PER_HOUR, 100);
        advance(f, 50);
        struct relay_effect change = take(f, RELAY_CHANGE_VISIBILITY);
        assert_int_equal(change.batch.seconds[0], 30);
        answer(f, &change);
    }
    assert_none(f, RELAY_DELETE);
    assert_none(f, RELAY_DEAD_LETTER);
    assert_int_equal(f->core.counters.parked, 2);
}

static void a_body_that_only_decoding_finds_broken_is_parked_too(void **state)
{
    struct fixture *f = *state;
    struct relay_ref slot = receive(f, RELAY_QUEUE_DELAY, 1, SOON);
    take(f, RELAY_HOLD);
    feed(f, (struct relay_event){.type = RELAY_DECODED,
                                 .decoded = {.slot = slot, .verdict = RELAY_CORRUPT}});
    advance(f, 50);
    struct relay_effect change = take(f, RELAY_CHANGE_VISIBILITY);
    assert_int_equal(change.batch.seconds[0], 30);
    receive(f, RELAY_QUEUE_DELAY, 1, SOON); /* its id is not taken for held */
    take(f, RELAY_HOLD);
}

static void the_unreadable_of_yesterday_is_dead_lettered_whole_then_deleted(void **state)
{
    struct fixture *f = *state;
    struct relay_ref slot = receive_bad(f, RELAY_UNSUPPORTED, WALL0 - MS_PER_DAY - 1, 9);
    struct relay_dead_letter dead = take(f, RELAY_DEAD_LETTER).dead_letter;
    assert_int_equal(dead.slot.index, slot.index);
    assert_int_equal(dead.refusal, RELAY_REFUSED_UNSUPPORTED);
    advance(f, 5050);
    struct relay_effect change = take(f, RELAY_CHANGE_VISIBILITY); /* kept meanwhile */
    answer(f, &change);
    assert_none(f, RELAY_DELETE);
    report_dead(f, &dead, OUTCOME_DONE, false);
    advance(f, 50);
    struct relay_effect delete = take(f, RELAY_DELETE);
    answer(f, &delete);
    assert_int_equal(f->core.counters.dead_lettered, 1);
    assert_int_equal(f->core.counters.completed, 0);
    assert_int_equal(f->core.slots_used, 0);
    assert_int_equal(f->core.window_used, 0);
    receive_bad(f, RELAY_CORRUPT, WALL0 - MS_PER_DAY, 9);
    assert_int_equal(take(f, RELAY_DEAD_LETTER).dead_letter.refusal, RELAY_REFUSED_CORRUPT);
}

static void the_garbled_is_received_again_at_once_and_parked_if_it_stays_so(void **state)
{
    struct fixture *f = *state;
    receive_bad(f, RELAY_GARBLED, WALL0 - 1000, RELAY_GARBLED_RETRIES);
    advance(f, 50);
    assert_int_equal(take(f, RELAY_CHANGE_VISIBILITY).batch.seconds[0], 1);
    receive_bad(f, RELAY_GARBLED, WALL0 - 1000, RELAY_GARBLED_RETRIES + 1);
    advance(f, 50);
    assert_int_equal(take(f, RELAY_CHANGE_VISIBILITY).batch.seconds[0], 30);
}

/* --- stop ------------------------------------------------------------------------------------ */

static void stop_hands_back_what_is_later_and_finishes_the_rest(void **state)
{
    struct fixture *f = *state;
    struct relay_ref soon = hold(f, 1, at_three, 3);
    struct relay_ref later = receive(f, RELAY_QUEUE_READY, 2, SOON + 900);
    static const uint16_t at_900[] = {900};
    take(f, RELAY_HOLD);
    decode(f, later, SOON, at_900, 1);
    struct relay_ref blob = hold_blob(f, 3, 100);
    take(f, RELAY_FETCH);
    fetched(f, blob, false); /* failing: not worth waiting for */
    struct relay_ref poll = take(f, RELAY_POLL).poll.poll;
    advance(f, 1000);
    f->log_len = 0;
    feed(f, (struct relay_event){.type = RELAY_STOP});
    polled(f, poll, OUTCOME_DONE, 0);
    advance(f, 50);
    assert_none(f, RELAY_POLL);
    for (int i = 0; i < 2; i++) {
        struct relay_effect change = take(f, RELAY_CHANGE_VISIBILITY);
        assert_int_equal(change.batch.seconds[0], 0);
        assert_int_equal(change.batch.count, 1);
        assert_int_equal(change.batch.slots[0].index,
                         change.batch.queue == RELAY_QUEUE_READY ? later.index : blob.index);
        answer(f, &change);
    }
    assert_int_equal(f->core.counters.handed_back, 2);
    advance(f, 950);
    expect_emit(f, soon, 0, 1);
    advance(f, 100);
    expect_emit(f, soon, 1, 2);
    for (uint32_t i = 0; i < 3; i++)
        report(f, soon, i);
    advance(f, 50);
    assert_false(relay_core_idle(&f->core));
    struct relay_effect delete = take(f, RELAY_DELETE);
    answer(f, &delete);
    assert_false(relay_core_idle(&f->core)); /* a poll is still out */
    polled(f, (struct relay_ref){RELAY_POLLS_MAX, 0}, OUTCOME_DONE, 0);
    assert_true(relay_core_idle(&f->core));
}

static void stop_hands_back_nothing_of_which_a_record_is_out(void **state)
{
    struct fixture *f = *state;
    struct relay_ref slot = hold(f, 1, at_three, 3);
    advance(f, 2000);
    expect_emit(f, slot, 0, 1);
    f->now.wall.ms -= 5000; /* the clock was put right: it looks later again */
    feed(f, (struct relay_event){.type = RELAY_STOP});
    advance(f, 1000);
    assert_none(f, RELAY_CHANGE_VISIBILITY);
    advance(f, 4100);
    expect_emit(f, slot, 1, 2);
}

static void what_late_polls_bring_is_handed_back(void **state)
{
    struct fixture *f = *state;
    feed(f, (struct relay_event){.type = RELAY_STOP});
    receive(f, RELAY_QUEUE_DELAY, 1, WALL0);
    receive(f, RELAY_QUEUE_DELAY, 2, WALL0 + 60000);
    receive_bad(f, RELAY_CORRUPT, WALL0 - 2 * MS_PER_DAY, 3);
    assert_none(f, RELAY_HOLD);
    assert_none(f, RELAY_DEAD_LETTER);
    advance(f, 50);
    struct relay_effect change = take(f, RELAY_CHANGE_VISIBILITY);
    assert_int_equal(change.batch.count, 3);
    for (uint32_t i = 0; i < 3; i++)
        assert_int_equal(change.batch.seconds[i], 0);
    answer(f, &change);
    polled(f, take(f, RELAY_POLL).poll.poll, OUTCOME_DONE, 3);
    polled(f, take(f, RELAY_POLL).poll.poll, OUTCOME_DONE, 0);
    assert_true(relay_core_idle(&f->core));
}

static void what_is_decoded_after_the_stop_is_no_longer_wanted(void **state)
{
    struct fixture *f = *state;
    struct relay_ref slot = receive(f, RELAY_QUEUE_DELAY, 1, SOON);
    take(f, RELAY_HOLD);
    feed(f, (struct relay_event){.type = RELAY_STOP});
    decode(f, slot, SOON, at_0, 1);
    advance(f, 50);
    struct relay_effect change = take(f, RELAY_CHANGE_VISIBILITY);
    answer(f, &change);
    take(f, RELAY_FREE);
    assert_none(f, RELAY_EMIT);
}

/* --- the core as such ------------------------------------------------------------------------ */

static void same_history_same_digest(void **state)
{
    struct fixture *f = *state;
    uint64_t digests[3];
    for (int run = 0; run < 3; run++) {
        restart(f, &usual);
        struct relay_ref slot = hold(f, 1, at_three, 3);
        advance(f, 2200);
        expect_emit(f, slot, 0, 1);
        report_as(f, slot, 0, run == 2 ? OUTCOME_DONE : OUTCOME_UNKNOWN, RELAY_REFUSED_NOT);
        digests[run] = relay_core_digest(&f->core);
    }
    assert_true(digests[0] == digests[1]);
    assert_true(digests[0] != digests[2]);
}

static void more_than_fits_a_step_is_done_in_further_steps(void **state)
{
    struct fixture *f = *state;
    for (uint32_t i = 0; i < 150; i++)
        hold(f, i, at_0, 1);
    advance(f, SOON - 1 - f->now.wall.ms);
    sleep_through(f, 1);
    step(f, &(struct relay_event){.type = RELAY_TICK});
    assert_true(f->out.count <= RELAY_EFFECTS_MAX);
    assert_true(is_due(f));
    feed(f, (struct relay_event){.type = RELAY_TICK});
    assert_int_equal(count_of(f, RELAY_EMIT), 150);
}

static void take_a_foreign_slot(void *ctx)
{
    struct fixture *f = ctx;
    struct relay_event ev = message(f, RELAY_QUEUE_DELAY, 1, WALL0);
    ev.received.slot += 5;
    feed(f, ev);
}

static void a_message_takes_the_slot_that_was_offered(void **state)
{
    expect_abort(take_a_foreign_slot, *state);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(an_idle_queue_keeps_one_poll),
        CASE(a_busy_queue_gets_more_polls_and_loses_them_again),
        CASE(a_failed_poll_backs_off_and_comes_back),
        CASE(a_poll_that_is_held_back_is_no_failure),
        CASE(a_throttled_poll_is_soon_back),
        CASE(while_sqs_throttles_polls_that_find_little_come_less_often),
        CASE(while_sqs_throttles_deletes_wait_longer_for_company),
        CASE(a_throttled_delete_is_not_given_up_while_the_receipt_lasts),
        CASE(a_receipt_that_ended_is_counted_as_that_alone),
        CASE(a_poll_completes_once),
        CASE(polls_stop_while_the_budget_is_full),
        CASE(one_poll_goes_even_if_the_budget_is_smaller),
        CASE(with_room_for_one_poll_the_queues_take_turns),
        CASE(what_does_not_fit_the_budget_comes_again_in_a_second),
        CASE(polls_leave_slots_for_what_they_bring),
        CASE(later_than_the_hold_is_deferred_to_the_lead),
        CASE(the_hold_is_exact_and_a_deferral_never_late),
        CASE(far_deferral_stays_within_what_sqs_admits),
        CASE(ten_deferrals_go_at_once_as_one_batch),
        CASE(a_failed_deferral_is_tried_again_with_the_time_that_remains),
        CASE(a_deferral_that_never_works_lets_the_message_return),
        CASE(each_record_goes_at_its_own_millisecond),
        CASE(the_deadline_is_the_next_due_instant),
        CASE(overdue_goes_at_once),
        CASE(the_wall_clock_alone_decides_what_is_due),
        CASE(what_the_shell_finds_early_is_asked_for_again),
        CASE(a_full_queue_stops_emission_and_receiving),
        CASE(the_window_bounds_what_is_in_flight),
        CASE(deleted_only_after_the_last_report),
        CASE(a_report_counts_once_and_only_if_it_is_awaited),
        CASE(a_late_report_means_nothing_to_the_slots_next_message),
        CASE(failed_and_unknown_records_go_again),
        CASE(a_refused_record_is_dead_lettered_alone),
        CASE(of_a_refused_batch_only_the_guilty_record_is_dead_lettered),
        CASE(a_suspect_without_a_verdict_stays_one),
        CASE(dead_letters_that_failed_go_apart),
        CASE(a_refused_dead_letter_is_kept_and_tried_again),
        CASE(a_failed_delete_is_tried_again_and_given_up_at_last),
        CASE(a_batch_may_fail_in_part),
        CASE(the_newest_handle_of_a_held_envelope_counts),
        CASE(a_new_handle_during_an_extension_starts_anew),
        CASE(what_was_delivered_lately_is_only_deleted),
        CASE(what_was_delivered_is_remembered_for_a_time_and_a_number),
        CASE(visibility_is_extended_at_half_time_until_the_reports_are_in),
        CASE(a_delete_waits_for_the_extension_under_way),
        CASE(a_hold_that_ran_out_before_emission_is_given_up),
        CASE(nor_is_it_emitted_while_its_extension_has_no_answer),
        CASE(just_inside_the_visibility_it_is_emitted),
        CASE(a_pause_gives_up_every_stale_hold_without_a_storm),
        CASE(a_partly_emitted_envelope_goes_on_after_its_visibility),
        CASE(failing_extensions_are_tried_again_until_it_runs_out),
        CASE(an_expired_handle_ends_the_hold_at_once),
        CASE(after_twelve_hours_the_hold_ends),
        CASE(a_blob_is_fetched_ahead_and_emitted_on_time),
        CASE(a_missing_part_means_no_emission_no_delete_and_another_try),
        CASE(blobs_wait_for_room_but_one_always_goes_on),
        CASE(the_unreadable_is_parked_not_dropped),
        CASE(a_body_that_only_decoding_finds_broken_is_parked_too),
        CASE(the_unreadable_of_yesterday_is_dead_lettered_whole_then_deleted),
        CASE(the_garbled_is_received_again_at_once_and_parked_if_it_stays_so),
        CASE(stop_hands_back_what_is_later_and_finishes_the_rest),
        CASE(stop_hands_back_nothing_of_which_a_record_is_out),
        CASE(what_late_polls_bring_is_handed_back),
        CASE(what_is_decoded_after_the_stop_is_no_longer_wanted),
        CASE(same_history_same_digest),
        CASE(more_than_fits_a_step_is_done_in_further_steps),
        CASE(a_message_takes_the_slot_that_was_offered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
