/* Extensions and deletes: when they go, and what their failures mean. */
#include "tests/harness/relay_rig.h"

static void visibility_is_extended_at_half_time_until_the_reports_are_in(void **state)
{
    struct relay_rig *rig = *state;
    struct relay_ref slot = relay_rig_hold(rig, 1, relay_rig_at_0, 1);
    relay_rig_advance(rig, 2000);
    relay_rig_expect_emit(rig, slot, 0, 1);
    for (int i = 0; i < 5; i++) {
        size_t waited = 0;
        while (relay_rig_count(rig, RELAY_CHANGE_VISIBILITY) == 0) {
            relay_rig_advance(rig, 10);
            assert_true(++waited < 600);
        }
        struct relay_effect change = relay_rig_take(rig, RELAY_CHANGE_VISIBILITY);
        assert_int_equal(change.batch.seconds[0], 10);
        int64_t sent_at = rig->now.mono.ms;
        assert_true(sent_at <
                    rig->core.slots[slot.index].visible_at.ms - relay_rig_limits.margin_ms);
        relay_rig_advance(rig, 30);
        relay_rig_answer(rig, &change);
        assert_in_range(rig->core.slots[slot.index].visible_at.ms, sent_at + 9990, sent_at + 10000);
    }
    assert_int_equal(rig->core.counters.extended, 5);
    relay_rig_report(rig, slot, 0);
    relay_rig_advance(rig, 50);
    relay_rig_take(rig, RELAY_DELETE);
}

static void a_delete_waits_for_the_extension_under_way(void **state)
{
    struct relay_rig *rig = *state;
    struct relay_ref slot = relay_rig_hold(rig, 1, relay_rig_at_0, 1);
    relay_rig_advance(rig, 5050);
    relay_rig_expect_emit(rig, slot, 0, 1);
    struct relay_effect change = relay_rig_take(rig, RELAY_CHANGE_VISIBILITY);
    relay_rig_report(rig, slot, 0);
    relay_rig_advance(rig, 200);
    relay_rig_expect_none(rig, RELAY_DELETE);
    relay_rig_answer(rig, &change);
    relay_rig_advance(rig, 50);
    relay_rig_take(rig, RELAY_DELETE);
}

static void a_hold_that_ran_out_before_emission_is_given_up(void **state)
{
    struct relay_rig *rig = *state;
    struct relay_ref slot = relay_rig_hold(rig, 1, relay_rig_at_0, 1);
    relay_rig_sleep(rig, 9000); /* the limit: visibility less margin */
    relay_rig_feed(rig, (struct relay_event){.type = RELAY_TICK});
    relay_rig_expect_none(rig, RELAY_EMIT);
    assert_int_equal(relay_rig_take(rig, RELAY_FREE).slot.index, slot.index);
    assert_int_equal(rig->core.counters.lapsed_unemitted, 1);
    assert_int_equal(rig->core.waiting_records, 0);
}

static void nor_is_it_emitted_while_its_extension_has_no_answer(void **state)
{
    struct relay_rig *rig = *state;
    struct relay_limits wide = relay_rig_limits;
    wide.hold_ms = 9500;
    wide.unpack_ms = 9500;
    relay_rig_restart(rig, &wide);
    struct relay_ref slot = relay_rig_receive(rig, RELAY_QUEUE_DELAY, 1, RELAY_RIG_WALL_MS + 9100);
    relay_rig_decode(rig, slot, RELAY_RIG_WALL_MS + 9000, (const uint16_t[]){100}, 1);
    relay_rig_advance(rig, 5050);
    relay_rig_take(rig, RELAY_CHANGE_VISIBILITY);
    relay_rig_advance(rig, 5000);
    relay_rig_expect_none(rig, RELAY_EMIT);
    relay_rig_take(rig, RELAY_FREE);
    assert_int_equal(rig->core.counters.lapsed_unemitted, 1);
}

static void just_inside_the_visibility_it_is_emitted(void **state)
{
    struct relay_rig *rig = *state;
    struct relay_ref slot = relay_rig_hold(rig, 1, relay_rig_at_0, 1);
    relay_rig_sleep(rig, 8999);
    relay_rig_feed(rig, (struct relay_event){.type = RELAY_TICK});
    relay_rig_expect_emit(rig, slot, 0, 1);
}

static void a_pause_gives_up_every_stale_hold_without_a_storm(void **state)
{
    struct relay_rig *rig = *state;
    for (uint32_t i = 0; i < 150; i++)
        relay_rig_hold(rig, i, relay_rig_at_three, 3);
    relay_rig_sleep(rig, 10 * MS_PER_MINUTE);
    relay_rig_feed(rig, (struct relay_event){.type = RELAY_TICK});
    relay_rig_expect_none(rig, RELAY_EMIT);
    relay_rig_expect_none(rig, RELAY_CHANGE_VISIBILITY);
    assert_int_equal(relay_rig_count(rig, RELAY_FREE), 150);
}

static void a_partly_emitted_envelope_goes_on_after_its_visibility(void **state)
{
    struct relay_rig *rig = *state;
    struct relay_ref slot = relay_rig_hold(rig, 1, relay_rig_at_three, 3);
    relay_rig_advance(rig, 2000);
    relay_rig_expect_emit(rig, slot, 0, 1);
    relay_rig_sleep(rig, MS_PER_MINUTE);
    relay_rig_feed(rig, (struct relay_event){.type = RELAY_TICK});
    relay_rig_expect_emit(rig, slot, 1, 2);
    assert_int_equal(rig->core.counters.lapsed_emitted, 1);
    assert_int_equal(rig->core.counters.lapsed_records, 3);
    for (uint32_t i = 0; i < 3; i++)
        relay_rig_report(rig, slot, i);
    relay_rig_advance(rig, 50);
    relay_rig_take(rig, RELAY_DELETE);
    relay_rig_expect_none(rig, RELAY_CHANGE_VISIBILITY);
}

static void failing_extensions_are_tried_again_until_it_runs_out(void **state)
{
    struct relay_rig *rig = *state;
    relay_rig_hold_blob(rig, 1, 10); /* not emitted: the blob does not come */
    int failures = 0;
    while (relay_rig_count(rig, RELAY_FREE) == 0) {
        relay_rig_advance(rig, 10);
        if (relay_rig_count(rig, RELAY_CHANGE_VISIBILITY) > 0) {
            struct relay_effect change = relay_rig_take(rig, RELAY_CHANGE_VISIBILITY);
            relay_rig_answer_each(rig, &change.batch, OUTCOME_FAILED, ERROR_RETRY);
            failures++;
        }
        assert_true(failures < 20);
    }
    assert_true(failures >= 3);
    assert_int_equal(rig->now.mono.ms, 5000000 + 9000);
    assert_int_equal(rig->core.counters.lapsed_unemitted, 1);
}

static void an_expired_handle_ends_the_hold_at_once(void **state)
{
    struct relay_rig *rig = *state;
    struct relay_limits wide = relay_rig_limits;
    wide.hold_ms = 8000;
    relay_rig_restart(rig, &wide);
    struct relay_ref slot = relay_rig_receive(rig, RELAY_QUEUE_DELAY, 1, RELAY_RIG_WALL_MS + 8000);
    relay_rig_decode(rig, slot, RELAY_RIG_WALL_MS + 8000, relay_rig_at_0, 1);
    relay_rig_advance(rig, 5050);
    struct relay_effect change = relay_rig_take(rig, RELAY_CHANGE_VISIBILITY);
    relay_rig_answer_each(rig, &change.batch, OUTCOME_FAILED, ERROR_PERMANENT);
    relay_rig_take(rig, RELAY_FREE);
    assert_int_equal(rig->core.counters.lapsed_unemitted, 1);
}

static void after_twelve_hours_the_hold_ends(void **state)
{
    struct relay_rig *rig = *state;
    relay_rig_hold_blob(rig, 1, 10); /* not emitted: the blob does not come */
    int64_t received = rig->now.mono.ms;
    while (relay_rig_count(rig, RELAY_FREE) == 0) {
        relay_rig_advance(rig, 50);
        if (relay_rig_count(rig, RELAY_CHANGE_VISIBILITY) > 0) {
            struct relay_effect change = relay_rig_take(rig, RELAY_CHANGE_VISIBILITY);
            int64_t end = rig->now.mono.ms + change.batch.seconds[0] * MS_PER_SECOND;
            assert_true(end <= received + relay_rig_limits.receive_max_ms);
            relay_rig_answer(rig, &change);
        }
        assert_true(rig->now.mono.ms < received + 13 * MS_PER_HOUR);
    }
    assert_in_range(rig->now.mono.ms - received, 43180 * MS_PER_SECOND, 43195 * MS_PER_SECOND);
    assert_int_equal(rig->core.counters.capped, 1);
}

static void a_failed_delete_is_tried_again_and_given_up_at_last(void **state)
{
    struct relay_rig *rig = *state;
    for (uint32_t i = 0; i < 2; i++) {
        struct relay_ref slot = relay_rig_hold(rig, i, relay_rig_at_0, 1);
        relay_rig_advance(rig, i == 0 ? 2000 : 0);
        relay_rig_expect_emit(rig, slot, 0, 1);
        relay_rig_report(rig, slot, 0);
        relay_rig_advance(rig, 50);
        struct relay_effect delete = relay_rig_take(rig, RELAY_DELETE);
        if (i == 0) {
            relay_rig_answer_each(rig, &delete.batch, OUTCOME_FAILED,
                                  ERROR_PERMANENT); /* handle expired */
            assert_int_equal(rig->core.counters.delete_failures, 1);
            continue;
        }
        for (int tries = 1; tries < RELAY_CALL_TRIES_MAX; tries++) {
            relay_rig_answer_each(rig, &delete.batch, OUTCOME_UNKNOWN, ERROR_UNKNOWN);
            relay_rig_advance(rig, 9000);
            delete = relay_rig_take(rig, RELAY_DELETE);
        }
        relay_rig_answer_each(rig, &delete.batch, OUTCOME_FAILED, ERROR_RETRY);
        assert_int_equal(rig->core.counters.delete_failures, 2);
    }
    assert_int_equal(rig->core.slots_used, 0);
}

static void a_batch_may_fail_in_part(void **state)
{
    struct relay_rig *rig = *state;
    for (uint32_t i = 0; i < 10; i++)
        relay_rig_receive(rig, RELAY_QUEUE_DELAY, i, RELAY_RIG_WALL_MS + 60000);
    struct relay_effect change = relay_rig_take(rig, RELAY_CHANGE_VISIBILITY);
    struct relay_event ev = {.type = RELAY_CALLED,
                             .called = {.batch = change.batch.batch, .count = 10}};
    ev.called.results[3] =
        (struct relay_call_result){.outcome = OUTCOME_FAILED, .kind = ERROR_RETRY};
    relay_rig_feed(rig, ev);
    assert_int_equal(relay_rig_count(rig, RELAY_FREE), 9);
    relay_rig_feed(rig, ev); /* completes once */
    assert_int_equal(rig->core.counters.stray_completions, 1);
    relay_rig_advance(rig, 200);
    struct relay_effect again = relay_rig_take(rig, RELAY_CHANGE_VISIBILITY);
    assert_int_equal(again.batch.count, 1);
    assert_int_equal(again.batch.slots[0].index, change.batch.slots[3].index);
}

/* Calls are few: those that there are go full. What is tried again waits no longer, for its
 * visibility does not either. */
static void while_sqs_throttles_deletes_wait_longer_for_company(void **state)
{
    struct relay_rig *rig = *state;
    relay_rig_poll_held_back(rig, relay_rig_take_poll(rig, RELAY_QUEUE_DELAY), 70);
    struct relay_ref slot = relay_rig_hold(rig, 1, relay_rig_at_0, 1);
    relay_rig_advance(rig, RELAY_RIG_SOON_MS - rig->now.wall.ms - 1);
    relay_rig_poll_held_back(rig, relay_rig_take_poll(rig, RELAY_QUEUE_DELAY), 70);
    relay_rig_advance(rig, 1);
    relay_rig_expect_emit(rig, slot, 0, 1);
    relay_rig_report(rig, slot, 0);
    relay_rig_advance(rig, 624);
    relay_rig_expect_none(rig, RELAY_DELETE);
    relay_rig_advance(rig, 1);
    struct relay_effect delete = relay_rig_take(rig, RELAY_DELETE);
    relay_rig_answer_each(rig, &delete.batch, OUTCOME_FAILED, ERROR_THROTTLED);
    relay_rig_advance(rig, 150);
    delete = relay_rig_take(rig, RELAY_DELETE);
    relay_rig_answer(rig, &delete);
    assert_int_equal(rig->core.slots_used, 0);
}

static void a_throttled_delete_is_not_given_up_while_the_receipt_lasts(void **state)
{
    struct relay_rig *rig = *state;
    struct relay_ref slot = relay_rig_hold(rig, 1, relay_rig_at_0, 1);
    relay_rig_advance(rig, 2000);
    relay_rig_expect_emit(rig, slot, 0, 1);
    relay_rig_report(rig, slot, 0);
    int64_t visible_at = rig->core.slots[slot.index].visible_at.ms;
    int tries = 0;
    rig->log_len = 0;
    while (relay_rig_count(rig, RELAY_FREE) == 0) {
        relay_rig_advance(rig, 10);
        if (relay_rig_count(rig, RELAY_DELETE) == 0)
            continue;
        struct relay_effect delete = relay_rig_take(rig, RELAY_DELETE);
        relay_rig_answer_each(rig, &delete.batch, OUTCOME_FAILED, ERROR_THROTTLED);
        assert_true(++tries < 100);
    }
    assert_true(tries > RELAY_CALL_TRIES_MAX);
    assert_true(rig->now.mono.ms >= visible_at);
    assert_int_equal(rig->core.counters.delete_failures, 1);
}

/* Somebody else has it, or it is gone: expected, and no failure of the call. */
static void a_receipt_that_ended_is_counted_as_that_alone(void **state)
{
    struct relay_rig *rig = *state;
    relay_rig_receive(rig, RELAY_QUEUE_DELAY, 1, RELAY_RIG_WALL_MS + 60000);
    relay_rig_advance(rig, 50);
    struct relay_effect change = relay_rig_take(rig, RELAY_CHANGE_VISIBILITY); /* deferral */
    relay_rig_answer_ended(rig, &change);
    struct relay_ref slot = relay_rig_hold(rig, 2, relay_rig_at_0, 1);
    relay_rig_advance(rig, 5050);
    change = relay_rig_take(rig, RELAY_CHANGE_VISIBILITY); /* extension */
    relay_rig_expect_emit(rig, slot, 0, 1);
    relay_rig_answer_ended(rig, &change);
    relay_rig_report(rig, slot, 0);
    relay_rig_advance(rig, 50);
    struct relay_effect delete = relay_rig_take(rig, RELAY_DELETE);
    relay_rig_answer_ended(rig, &delete);
    assert_int_equal(rig->core.counters.receipts_ended, 3);
    assert_int_equal(rig->core.counters.defer_failures, 0);
    assert_int_equal(rig->core.counters.extend_failures, 0);
    assert_int_equal(rig->core.counters.delete_failures, 0);
    assert_int_equal(rig->core.counters.lapsed_emitted, 1);
    assert_int_equal(rig->core.slots_used, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RELAY_CASE(visibility_is_extended_at_half_time_until_the_reports_are_in),
        RELAY_CASE(a_delete_waits_for_the_extension_under_way),
        RELAY_CASE(a_hold_that_ran_out_before_emission_is_given_up),
        RELAY_CASE(nor_is_it_emitted_while_its_extension_has_no_answer),
        RELAY_CASE(just_inside_the_visibility_it_is_emitted),
        RELAY_CASE(a_pause_gives_up_every_stale_hold_without_a_storm),
        RELAY_CASE(a_partly_emitted_envelope_goes_on_after_its_visibility),
        RELAY_CASE(failing_extensions_are_tried_again_until_it_runs_out),
        RELAY_CASE(an_expired_handle_ends_the_hold_at_once),
        RELAY_CASE(after_twelve_hours_the_hold_ends),
        RELAY_CASE(a_failed_delete_is_tried_again_and_given_up_at_last),
        RELAY_CASE(a_batch_may_fail_in_part),
        RELAY_CASE(while_sqs_throttles_deletes_wait_longer_for_company),
        RELAY_CASE(a_throttled_delete_is_not_given_up_while_the_receipt_lasts),
        RELAY_CASE(a_receipt_that_ended_is_counted_as_that_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
