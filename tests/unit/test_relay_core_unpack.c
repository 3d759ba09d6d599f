/* When what is held is unpacked, and what of the budget is taken meanwhile. */
#include "tests/harness/relay_rig.h"

static void restart(struct relay_rig *rig, int64_t unpacked_bytes)
{
    struct relay_limits limits = relay_rig_limits;
    limits.unpack_ms = 500;
    limits.unpacked_bytes = unpacked_bytes;
    relay_rig_restart(rig, &limits);
}

static void unpacked_shortly_before_it_is_due(void **state)
{
    struct relay_rig *rig = *state;
    restart(rig, MIB);
    struct relay_ref slot = relay_rig_receive(rig, RELAY_QUEUE_DELAY, 1, RELAY_RIG_SOON_MS + 7);
    assert_int_equal(relay_rig_take(rig, RELAY_HOLD).slot.index, slot.index);
    assert_int_equal(rig->core.waiting_records, 1);
    relay_rig_advance(rig, 2007 - 501);
    relay_rig_expect_none(rig, RELAY_DECODE);
    relay_rig_advance(rig, 1);
    assert_int_equal(relay_rig_take(rig, RELAY_DECODE).slot.index, slot.index);
    static const uint16_t at_7[] = {7};
    relay_rig_decode(rig, slot, RELAY_RIG_SOON_MS, at_7, 1);
    assert_int_equal(rig->core.bytes, 2000);
    assert_int_equal(rig->core.waiting_records, 1);
    relay_rig_advance(rig, 499);
    relay_rig_expect_none(rig, RELAY_EMIT);
    relay_rig_advance(rig, 1);
    relay_rig_expect_emit(rig, slot, 0, 1);
}

static void a_reference_is_unpacked_at_once(void **state)
{
    struct relay_rig *rig = *state;
    restart(rig, MIB);
    struct relay_event ev = relay_rig_message(rig, RELAY_QUEUE_READY, 1, RELAY_RIG_SOON_MS);
    ev.received.blob = true;
    relay_rig_feed(rig, ev);
    relay_rig_take(rig, RELAY_DECODE);
}

static void the_earliest_first_and_the_rest_as_room_comes(void **state)
{
    struct relay_rig *rig = *state;
    restart(rig, 2500);
    struct relay_ref later = relay_rig_receive(rig, RELAY_QUEUE_DELAY, 1, RELAY_RIG_SOON_MS + 1);
    struct relay_ref first = relay_rig_receive(rig, RELAY_QUEUE_DELAY, 2, RELAY_RIG_SOON_MS);
    relay_rig_advance(rig, 1600);
    assert_int_equal(relay_rig_take(rig, RELAY_DECODE).slot.index, first.index);
    relay_rig_decode(rig, first, RELAY_RIG_SOON_MS, relay_rig_at_0, 1); /* 2000 bytes, 500 wait */
    assert_int_equal(relay_rig_take(rig, RELAY_DECODE).slot.index, later.index);
    relay_rig_decode(rig, later, RELAY_RIG_SOON_MS + 1000, relay_rig_at_0, 1);
    struct relay_ref third = relay_rig_receive(rig, RELAY_QUEUE_DELAY, 3, RELAY_RIG_SOON_MS);
    relay_rig_advance(rig, 400);
    relay_rig_expect_none(rig, RELAY_DECODE);
    relay_rig_expect_emit(rig, first, 0, 1);
    assert_false(relay_core_is_settled(&rig->core, first));
    relay_rig_report(rig, first, 0);
    /* Delivered is enough, whatever becomes of its delete. */
    assert_true(relay_core_is_settled(&rig->core, first));
    assert_int_equal(relay_rig_take(rig, RELAY_DECODE).slot.index, third.index);
}

static void one_always_goes_on(void **state)
{
    struct relay_rig *rig = *state;
    restart(rig, 100);
    struct relay_ref slot = relay_rig_receive(rig, RELAY_QUEUE_DELAY, 1, RELAY_RIG_WALL_MS);
    relay_rig_receive(rig, RELAY_QUEUE_DELAY, 2, RELAY_RIG_WALL_MS);
    assert_int_equal(relay_rig_take(rig, RELAY_DECODE).slot.index, slot.index);
    relay_rig_expect_none(rig, RELAY_DECODE);
}

static void one_a_step_and_what_is_due_before_it(void **state)
{
    struct relay_rig *rig = *state;
    restart(rig, MIB);
    struct relay_ref due = relay_rig_receive(rig, RELAY_QUEUE_DELAY, 9, RELAY_RIG_SOON_MS);
    relay_rig_advance(rig, 1500);
    relay_rig_decode(rig, due, RELAY_RIG_SOON_MS, relay_rig_at_0, 1);
    for (uint32_t i = 0; i < 3; i++)
        relay_rig_receive(rig, RELAY_QUEUE_DELAY, i, RELAY_RIG_SOON_MS + 500);
    relay_rig_sleep(rig, 500);
    rig->log_len = 0;
    relay_rig_step(rig, &(struct relay_event){.type = RELAY_TICK});
    assert_int_equal(rig->log_len, 2);
    assert_int_equal(rig->log[0].type, RELAY_EMIT);
    assert_int_equal(rig->log[1].type, RELAY_DECODE);
    assert_true(relay_rig_is_due(rig));
    relay_rig_feed(rig, (struct relay_event){.type = RELAY_TICK});
    assert_int_equal(relay_rig_count(rig, RELAY_DECODE), 3);
}

static void nothing_is_unpacked_that_could_not_go_out(void **state)
{
    struct relay_rig *rig = *state;
    struct relay_limits limits = relay_rig_limits;
    limits.window_records = 1;
    relay_rig_restart(rig, &limits);
    struct relay_ref slot = relay_rig_receive(rig, RELAY_QUEUE_DELAY, 1, RELAY_RIG_WALL_MS);
    relay_rig_take(rig, RELAY_DECODE);
    relay_rig_decode(rig, slot, RELAY_RIG_WALL_MS, relay_rig_at_0, 1);
    relay_rig_receive(rig, RELAY_QUEUE_DELAY, 2, RELAY_RIG_WALL_MS);
    relay_rig_expect_none(rig, RELAY_DECODE); /* the window is full */
    relay_rig_emitted(rig, slot, 0, true);
    relay_rig_expect_none(rig, RELAY_DECODE); /* Kafka's queue is */
    relay_rig_advance(rig, RELAY_FULL_RETRY_MS);
    relay_rig_emitted(rig, slot, 1, false);
    relay_rig_report(rig, slot, 0);
    relay_rig_take(rig, RELAY_DECODE);
}

static void room_for_unpacking_is_kept(void **state)
{
    struct relay_rig *rig = *state;
    struct relay_limits limits = relay_rig_limits;
    limits.unpack_ms = 500;
    limits.budget_bytes = 5000;
    limits.unpacked_bytes = 1200;
    relay_rig_restart(rig, &limits);
    for (uint32_t i = 0; i < 3; i++)
        relay_rig_receive(rig, RELAY_QUEUE_DELAY, i, RELAY_RIG_SOON_MS);
    assert_int_equal(relay_rig_count(rig, RELAY_HOLD), 3);
    assert_int_equal(rig->core.bytes, 3000);
    assert_int_equal(relay_core_budget_used(&rig->core), 4200); /* not 4500 */
    relay_rig_receive(rig, RELAY_QUEUE_DELAY, 3, RELAY_RIG_SOON_MS);
    assert_int_equal(relay_rig_count(rig, RELAY_HOLD), 3);
    assert_int_equal(relay_core_budget_used(&rig->core), 4200);
    relay_rig_advance(rig, 1500);
    assert_int_equal(relay_rig_count(rig, RELAY_DECODE), 2);
    assert_int_equal(rig->core.bytes, 4000);
    assert_int_equal(relay_core_budget_used(&rig->core), 4200);
}

static void what_is_packed_can_be_let_go(void **state)
{
    struct relay_rig *rig = *state;
    restart(rig, MIB);
    struct relay_ref slot = relay_rig_receive(rig, RELAY_QUEUE_DELAY, 1, RELAY_RIG_SOON_MS);
    relay_rig_sleep(rig, 9500);
    relay_rig_feed(rig, (struct relay_event){.type = RELAY_TICK});
    assert_int_equal(relay_rig_take(rig, RELAY_FREE).slot.index, slot.index);
    assert_int_equal(rig->core.counters.lapsed_unemitted, 1);
    relay_rig_receive(rig, RELAY_QUEUE_DELAY, 2, rig->now.wall.ms + 2000);
    struct relay_ref soon = relay_rig_receive(rig, RELAY_QUEUE_DELAY, 3, rig->now.wall.ms + 900);
    relay_rig_feed(rig, (struct relay_event){.type = RELAY_STOP});
    relay_rig_advance(rig, 50);
    struct relay_effect change = relay_rig_take(rig, RELAY_CHANGE_VISIBILITY);
    assert_int_equal(change.batch.count, 1);
    assert_int_equal(change.batch.seconds[0], 0);
    relay_rig_answer(rig, &change);
    assert_int_equal(rig->core.waiting_records, 1);
    assert_int_equal(rig->core.packed_bytes, 500);
    relay_rig_advance(rig, 350);
    assert_int_equal(relay_rig_take(rig, RELAY_DECODE).slot.index, soon.index);
    relay_rig_expect_none(rig, RELAY_DECODE);
}

static void what_does_not_unpack_leaves_nothing_behind(void **state)
{
    struct relay_rig *rig = *state;
    restart(rig, MIB);
    struct relay_event ev = relay_rig_message(rig, RELAY_QUEUE_DELAY, 1, RELAY_RIG_WALL_MS);
    ev.received.records = 70;
    ev.received.sent_ms = RELAY_RIG_WALL_MS - 2 * MS_PER_DAY;
    struct relay_ref slot = relay_core_ref(&rig->core, ev.received.slot);
    relay_rig_feed(rig, ev);
    relay_rig_take(rig, RELAY_DECODE);
    assert_int_equal(rig->core.waiting_records, 70);
    relay_rig_feed(rig, (struct relay_event){.type = RELAY_DECODED,
                                             .decoded = {.slot = slot, .verdict = RELAY_CORRUPT}});
    assert_int_equal(rig->core.waiting_records, 1); /* the message, as a dead letter */
    struct relay_dead_letter dead = relay_rig_take(rig, RELAY_DEAD_LETTER).dead_letter;
    relay_rig_report_dead(rig, &dead, OUTCOME_DONE, false);
    relay_rig_advance(rig, 50);
    struct relay_effect delete = relay_rig_take(rig, RELAY_DELETE);
    relay_rig_answer(rig, &delete);
    assert_int_equal(rig->core.waiting_records, 0);
    assert_int_equal(relay_core_budget_used(&rig->core), 0);
    assert_int_equal(rig->core.unpacked_bytes, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RELAY_CASE(unpacked_shortly_before_it_is_due),
        RELAY_CASE(a_reference_is_unpacked_at_once),
        RELAY_CASE(the_earliest_first_and_the_rest_as_room_comes),
        RELAY_CASE(one_always_goes_on),
        RELAY_CASE(one_a_step_and_what_is_due_before_it),
        RELAY_CASE(nothing_is_unpacked_that_could_not_go_out),
        RELAY_CASE(room_for_unpacking_is_kept),
        RELAY_CASE(what_is_packed_can_be_let_go),
        RELAY_CASE(what_does_not_unpack_leaves_nothing_behind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
