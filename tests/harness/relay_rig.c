#include "tests/harness/relay_rig.h"

#include "common/mem.h"

const uint16_t relay_rig_at_0[] = {0};
const uint16_t relay_rig_at_three[] = {0, 100, 100};

const struct relay_limits relay_rig_limits = {
    .slots = 200,
    .window_records = 1000,
    .polls_max = 4,
    .done_ids = 64,
    .budget_bytes = 64 * MIB,
    .unpacked_bytes = 32 * MIB,
    .poll_bytes = 1 * MIB,
    .hold_ms = 3000,
    .lead_ms = 2000,
    .unpack_ms = 3000, /* all that is held, at once */
    .visibility_ms = 10000,
    .margin_ms = 1000,
    .receive_max_ms = 43195 * MS_PER_SECOND,
    .linger_ms = 50,
    .park_ms = 30000,
    .park_max_ms = MS_PER_DAY,
    .stop_hold_ms = 1000,
    .done_ttl_ms = 15 * MS_PER_MINUTE,
};

void relay_rig_step(struct relay_rig *rig, const struct relay_event *ev)
{
    relay_core_step(&rig->core, ev, rig->now, &rig->out);
    for (uint32_t i = 0; i < rig->out.count; i++) {
        assert_true(rig->log_len < RELAY_RIG_LOG_MAX);
        rig->log[rig->log_len++] = rig->out.items[i];
    }
}

bool relay_rig_is_due(const struct relay_rig *rig)
{
    struct deadline at = relay_core_deadline(&rig->core);
    return at.mono.ms <= rig->now.mono.ms || at.wall.ms <= rig->now.wall.ms;
}

void relay_rig_feed(struct relay_rig *rig, struct relay_event ev)
{
    relay_rig_step(rig, &ev);
    struct relay_event tick = {.type = RELAY_TICK};
    for (int i = 0; relay_rig_is_due(rig); i++) {
        assert_true(i < 1000); /* the deadline moves */
        relay_rig_step(rig, &tick);
    }
}

static void start(struct relay_rig *rig, const struct relay_limits *limits)
{
    rig->limits = *limits;
    rig->storage = mem_calloc(1, relay_core_storage_bytes(limits));
    rig->now = (struct now){{5000000}, {RELAY_RIG_WALL_MS}};
    rig->log_len = 0;
    relay_core_init(&rig->core, limits, rig->storage, 7);
    relay_rig_feed(rig, (struct relay_event){.type = RELAY_TICK});
}

int relay_rig_set_up(void **state)
{
    struct relay_rig *rig = mem_calloc(1, sizeof(*rig));
    start(rig, &relay_rig_limits);
    *state = rig;
    return 0;
}

int relay_rig_tear_down(void **state)
{
    struct relay_rig *rig = *state;
    mem_free(rig->storage);
    mem_free(rig);
    return 0;
}

void relay_rig_restart(struct relay_rig *rig, const struct relay_limits *limits)
{
    mem_free(rig->storage);
    start(rig, limits);
}

void relay_rig_advance(struct relay_rig *rig, int64_t ms)
{
    int64_t end = rig->now.mono.ms + ms;
    while (rig->now.mono.ms < end) {
        struct deadline at = relay_core_deadline(&rig->core);
        int64_t by_wall = at.wall.ms == TIME_NEVER
                              ? TIME_NEVER
                              : rig->now.mono.ms + at.wall.ms - rig->now.wall.ms;
        int64_t next = MIN(end, MIN(at.mono.ms, by_wall));
        int64_t passed = MAX(next - rig->now.mono.ms, 1);
        rig->now.mono.ms += passed;
        rig->now.wall.ms += passed;
        relay_rig_feed(rig, (struct relay_event){.type = RELAY_TICK});
    }
}

void relay_rig_sleep(struct relay_rig *rig, int64_t ms)
{
    rig->now.mono.ms += ms;
    rig->now.wall.ms += ms;
}

size_t relay_rig_count(const struct relay_rig *rig, enum relay_effect_type type)
{
    size_t count = 0;
    for (size_t i = 0; i < rig->log_len; i++)
        count += rig->log[i].type == type;
    return count;
}

void relay_rig_expect_none(const struct relay_rig *rig, enum relay_effect_type type)
{
    assert_int_equal(relay_rig_count(rig, type), 0);
}

struct relay_effect relay_rig_take(struct relay_rig *rig, enum relay_effect_type type)
{
    for (size_t i = 0; i < rig->log_len; i++) {
        if (rig->log[i].type != type)
            continue;
        struct relay_effect effect = rig->log[i];
        memmove(&rig->log[i], &rig->log[i + 1], (rig->log_len - i - 1) * sizeof(rig->log[0]));
        rig->log_len--;
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

struct relay_event relay_rig_message(const struct relay_rig *rig, enum relay_queue queue,
                                     uint32_t id, int64_t due_ms)
{
    return (struct relay_event){.type = RELAY_RECEIVED,
                                .received = {.slot = relay_core_free_slot(&rig->core),
                                             .queue = queue,
                                             .verdict = RELAY_READABLE,
                                             .id = id_of(id),
                                             .first_due_ms = due_ms,
                                             .records = 1,
                                             .bytes = 1000,
                                             .unpacked_bytes = 500,
                                             .received_at = rig->now.mono,
                                             .sent_ms = RELAY_RIG_WALL_MS - 1000,
                                             .receive_count = 1}};
}

struct relay_ref relay_rig_receive(struct relay_rig *rig, enum relay_queue queue, uint32_t id,
                                   int64_t due_ms)
{
    struct relay_event ev = relay_rig_message(rig, queue, id, due_ms);
    struct relay_ref ref = {ev.received.slot, rig->core.slots[ev.received.slot].generation};
    relay_rig_feed(rig, ev);
    return ref;
}

void relay_rig_decode(struct relay_rig *rig, struct relay_ref slot, int64_t second_ms,
                      const uint16_t *offsets, uint32_t records)
{
    relay_rig_feed(rig, (struct relay_event){.type = RELAY_DECODED,
                                             .decoded = {.slot = slot,
                                                         .verdict = RELAY_READABLE,
                                                         .records = records,
                                                         .second_ms = second_ms,
                                                         .due_offsets = offsets,
                                                         .bytes = 2000}});
}

struct relay_ref relay_rig_hold(struct relay_rig *rig, uint32_t id, const uint16_t *offsets,
                                uint32_t records)
{
    struct relay_ref ref =
        relay_rig_receive(rig, RELAY_QUEUE_DELAY, id, RELAY_RIG_SOON_MS + offsets[0]);
    struct relay_effect effect = relay_rig_take(rig, RELAY_DECODE);
    assert_int_equal(effect.slot.index, ref.index);
    relay_rig_decode(rig, ref, RELAY_RIG_SOON_MS, offsets, records);
    return ref;
}

void relay_rig_emitted(struct relay_rig *rig, struct relay_ref slot, uint32_t taken, bool full)
{
    relay_rig_feed(rig,
                   (struct relay_event){.type = RELAY_EMITTED,
                                        .emitted = {.slot = slot, .taken = taken, .full = full}});
}

void relay_rig_expect_emit(struct relay_rig *rig, struct relay_ref slot, uint32_t first,
                           uint32_t count)
{
    struct relay_effect effect = relay_rig_take(rig, RELAY_EMIT);
    assert_int_equal(effect.emit.slot.index, slot.index);
    assert_int_equal(effect.emit.slot.generation, slot.generation);
    assert_int_equal(effect.emit.first, first);
    assert_int_equal(effect.emit.count, count);
    relay_rig_emitted(rig, slot, count, false);
}

void relay_rig_report_as(struct relay_rig *rig, struct relay_ref slot, uint32_t record,
                         enum outcome outcome, enum relay_refusal refusal)
{
    relay_rig_feed(rig, (struct relay_event){.type = RELAY_REPORT,
                                             .report = {.slot = slot,
                                                        .record = record,
                                                        .outcome = outcome,
                                                        .refusal = refusal,
                                                        .detail = 9}});
}

void relay_rig_report(struct relay_rig *rig, struct relay_ref slot, uint32_t record)
{
    relay_rig_report_as(rig, slot, record, OUTCOME_DONE, RELAY_REFUSED_NOT);
}

void relay_rig_report_dead(struct relay_rig *rig, const struct relay_dead_letter *dead,
                           enum outcome outcome, bool full)
{
    relay_rig_feed(rig, (struct relay_event){.type = RELAY_REPORT,
                                             .report = {.slot = dead->slot,
                                                        .record = dead->record,
                                                        .dead_letter = true,
                                                        .outcome = outcome,
                                                        .refusal = dead->refusal,
                                                        .detail = dead->detail,
                                                        .full = full}});
}

void relay_rig_answer_each(struct relay_rig *rig, const struct relay_batch *batch,
                           enum outcome outcome, enum error_kind kind)
{
    struct relay_event ev = {.type = RELAY_CALLED,
                             .called = {.batch = batch->batch, .count = batch->count}};
    for (uint32_t i = 0; i < batch->count; i++)
        ev.called.results[i] = (struct relay_call_result){.outcome = outcome, .kind = kind};
    relay_rig_feed(rig, ev);
}

void relay_rig_answer(struct relay_rig *rig, const struct relay_effect *effect)
{
    relay_rig_answer_each(rig, &effect->batch, OUTCOME_DONE, ERROR_NONE);
}

void relay_rig_polled(struct relay_rig *rig, struct relay_ref poll, enum outcome outcome,
                      uint32_t messages)
{
    relay_rig_feed(rig, (struct relay_event){
                            .type = RELAY_POLLED,
                            .polled = {.poll = poll, .outcome = outcome, .messages = messages}});
}

void relay_rig_poll_held_back(struct relay_rig *rig, struct relay_ref poll, int64_t held_back_ms)
{
    relay_rig_feed(rig, (struct relay_event){.type = RELAY_POLLED,
                                             .polled = {.poll = poll,
                                                        .outcome = OUTCOME_FAILED,
                                                        .held_back_ms = held_back_ms}});
}

struct relay_ref relay_rig_take_poll(struct relay_rig *rig, enum relay_queue queue)
{
    struct relay_effect poll = relay_rig_take(rig, RELAY_POLL);
    while (poll.poll.queue != queue)
        poll = relay_rig_take(rig, RELAY_POLL);
    return poll.poll.poll;
}

size_t relay_rig_polls_out(const struct relay_rig *rig)
{
    return rig->core.polls[0].out + rig->core.polls[1].out;
}

void relay_rig_report_batch_refused(struct relay_rig *rig, struct relay_ref slot, uint32_t record)
{
    relay_rig_feed(rig, (struct relay_event){.type = RELAY_REPORT,
                                             .report = {.slot = slot,
                                                        .record = record,
                                                        .outcome = OUTCOME_FAILED,
                                                        .refusal = RELAY_REFUSED_TARGET_REFUSED,
                                                        .detail = 9,
                                                        .in_company = true}});
}

void relay_rig_answer_ended(struct relay_rig *rig, const struct relay_effect *effect)
{
    struct relay_event ev = {.type = RELAY_CALLED,
                             .called = {.batch = effect->batch.batch, .count = 1}};
    ev.called.results[0] = (struct relay_call_result){
        .outcome = OUTCOME_FAILED, .kind = ERROR_PERMANENT, .receipt_ended = true};
    relay_rig_feed(rig, ev);
}

void relay_rig_deliver(struct relay_rig *rig, uint32_t id)
{
    struct relay_ref slot = relay_rig_receive(rig, RELAY_QUEUE_DELAY, id, rig->now.wall.ms);
    relay_rig_take(rig, RELAY_DECODE);
    relay_rig_decode(rig, slot, rig->now.wall.ms, relay_rig_at_0, 1);
    relay_rig_expect_emit(rig, slot, 0, 1);
    relay_rig_report(rig, slot, 0);
    relay_rig_advance(rig, 50);
    struct relay_effect delete = relay_rig_take(rig, RELAY_DELETE);
    relay_rig_answer(rig, &delete);
    relay_rig_take(rig, RELAY_FREE);
}

struct relay_ref relay_rig_hold_blob(struct relay_rig *rig, uint32_t id, int64_t bytes)
{
    struct relay_ref slot = relay_rig_receive(rig, RELAY_QUEUE_DELAY, id, RELAY_RIG_SOON_MS);
    relay_rig_take(rig, RELAY_DECODE);
    relay_rig_feed(rig, (struct relay_event){.type = RELAY_DECODED,
                                             .decoded = {.slot = slot,
                                                         .records = 1,
                                                         .second_ms = RELAY_RIG_SOON_MS,
                                                         .due_offsets = relay_rig_at_0,
                                                         .bytes = 10,
                                                         .blob_bytes = bytes}});
    return slot;
}

void relay_rig_fetched(struct relay_rig *rig, struct relay_ref slot, bool attached)
{
    relay_rig_feed(rig, (struct relay_event){.type = RELAY_FETCHED,
                                             .fetched = {.slot = slot, .attached = attached}});
}

struct relay_ref relay_rig_receive_bad(struct relay_rig *rig, enum relay_verdict verdict,
                                       int64_t sent_ms, uint32_t receive_count)
{
    struct relay_event ev = relay_rig_message(rig, RELAY_QUEUE_DELAY, 0, 0);
    ev.received.verdict = verdict;
    ev.received.sent_ms = sent_ms;
    ev.received.receive_count = receive_count;
    struct relay_ref ref = {ev.received.slot, rig->core.slots[ev.received.slot].generation};
    relay_rig_feed(rig, ev);
    return ref;
}
