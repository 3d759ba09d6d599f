/* What becomes of a message that comes in: deferred, held, fetched, parked, or only deleted. */
#include "tests/harness/relay_rig.h"

static void later_than_the_hold_is_deferred_to_the_lead(void **state)
{
    struct relay_rig *rig = *state;
    struct relay_ref slot = relay_rig_receive(rig, RELAY_QUEUE_READY, 1, RELAY_RIG_WALL_MS + 20000);
    relay_rig_expect_none(rig, RELAY_DECODE);
    relay_rig_expect_none(rig, RELAY_CHANGE_VISIBILITY); /* waits for company */
    relay_rig_advance(rig, 49);
    relay_rig_expect_none(rig, RELAY_CHANGE_VISIBILITY);
    relay_rig_advance(rig, 1);
    struct relay_effect change = relay_rig_take(rig, RELAY_CHANGE_VISIBILITY);
    assert_int_equal(change.batch.queue, RELAY_QUEUE_READY);
    assert_int_equal(change.batch.count, 1);
    assert_int_equal(change.batch.slots[0].index, slot.index);
    assert_int_equal(change.batch.seconds[0], 17); /* 20 - 0.05 - 2, rounded down */
    relay_rig_answer(rig, &change);
    assert_int_equal(relay_rig_take(rig, RELAY_FREE).slot.index, slot.index);
    assert_int_equal(rig->core.counters.deferred, 1);
    assert_int_equal(rig->core.slots_used, 0);
}

/* Rounded down to SQS's whole seconds, never under one, never over what SQS admits. */
static void a_deferral_is_never_late(void **state)
{
    struct relay_rig *rig = *state;
    static const struct {
        int64_t due_in_ms;
        bool held;
        int32_t least_s;
        int32_t most_s;
    } cases[] = {
        {2999, true, 0, 0},     {3000, true, 0, 0},
        {3001, false, 1, 1},    {5049, false, 2, 2},
        {5050, false, 3, 3}, /* 5.05 - 0.05 of linger - 2 of lead */
        {20000, false, 17, 17}, {30 * MS_PER_DAY, false, 43190, 43195},
    };
    for (uint32_t i = 0; i < ARRAY_LEN(cases); i++) {
        relay_rig_restart(rig, &relay_rig_limits);
        relay_rig_receive(rig, RELAY_QUEUE_DELAY, i, RELAY_RIG_WALL_MS + cases[i].due_in_ms);
        relay_rig_advance(rig, 50);
        assert_int_equal(relay_rig_count(rig, RELAY_DECODE), cases[i].held);
        assert_int_equal(relay_rig_count(rig, RELAY_CHANGE_VISIBILITY), !cases[i].held);
        if (!cases[i].held)
            assert_in_range(relay_rig_take(rig, RELAY_CHANGE_VISIBILITY).batch.seconds[0],
                            cases[i].least_s, cases[i].most_s);
    }
}

static void ten_deferrals_go_at_once_as_one_batch(void **state)
{
    struct relay_rig *rig = *state;
    for (uint32_t i = 0; i < 13; i++)
        relay_rig_receive(rig, RELAY_QUEUE_DELAY, i, RELAY_RIG_WALL_MS + 60000);
    assert_int_equal(relay_rig_count(rig, RELAY_CHANGE_VISIBILITY), 1);
    assert_int_equal(relay_rig_take(rig, RELAY_CHANGE_VISIBILITY).batch.count, 10);
    relay_rig_advance(rig, 50);
    assert_int_equal(relay_rig_take(rig, RELAY_CHANGE_VISIBILITY).batch.count, 3);
}

static void a_failed_deferral_is_tried_again_with_the_time_that_remains(void **state)
{
    struct relay_rig *rig = *state;
    relay_rig_receive(rig, RELAY_QUEUE_DELAY, 1, RELAY_RIG_WALL_MS + 3500);
    relay_rig_advance(rig, 50);
    struct relay_effect change = relay_rig_take(rig, RELAY_CHANGE_VISIBILITY);
    assert_int_equal(change.batch.seconds[0], 1);
    relay_rig_advance(rig, 600);
    relay_rig_answer_each(rig, &change.batch, OUTCOME_UNKNOWN, ERROR_UNKNOWN);
    relay_rig_advance(rig, 200);
    change = relay_rig_take(rig, RELAY_CHANGE_VISIBILITY);
    assert_int_equal(change.batch.seconds[0], 0); /* so that it is seen at once, and held */
    relay_rig_answer(rig, &change);
    assert_int_equal(rig->core.slots_used, 0);
}

static void a_deferral_that_never_works_lets_the_message_return(void **state)
{
    struct relay_rig *rig = *state;
    relay_rig_receive(rig, RELAY_QUEUE_DELAY, 1, RELAY_RIG_WALL_MS + 60000);
    for (int i = 0; i < RELAY_CALL_TRIES_MAX; i++) {
        relay_rig_advance(rig, 9000);
        struct relay_effect change = relay_rig_take(rig, RELAY_CHANGE_VISIBILITY);
        relay_rig_answer_each(rig, &change.batch, OUTCOME_FAILED, ERROR_THROTTLED);
    }
    relay_rig_take(rig, RELAY_FREE);
    assert_int_equal(rig->core.counters.defer_failures, 1);
    relay_rig_receive(rig, RELAY_QUEUE_DELAY, 2, rig->now.wall.ms + 60000);
    relay_rig_advance(rig, 50);
    struct relay_effect change = relay_rig_take(rig, RELAY_CHANGE_VISIBILITY);
    relay_rig_answer_each(rig, &change.batch, OUTCOME_FAILED, ERROR_PERMANENT);
    relay_rig_take(rig, RELAY_FREE);
    assert_int_equal(rig->core.counters.defer_failures, 2);
}

static void what_does_not_fit_the_budget_comes_again_in_a_second(void **state)
{
    struct relay_rig *rig = *state;
    struct relay_limits tiny = relay_rig_limits;
    tiny.budget_bytes = 2500;
    relay_rig_restart(rig, &tiny);
    struct relay_event large = relay_rig_message(rig, RELAY_QUEUE_DELAY, 1, RELAY_RIG_SOON_MS);
    large.received.bytes = 9000;
    relay_rig_feed(rig, large); /* alone: held, however large */
    relay_rig_take(rig, RELAY_DECODE);
    relay_rig_receive(rig, RELAY_QUEUE_DELAY, 2, RELAY_RIG_SOON_MS);
    relay_rig_expect_none(rig, RELAY_DECODE);
    relay_rig_advance(rig, 50);
    struct relay_effect change = relay_rig_take(rig, RELAY_CHANGE_VISIBILITY);
    assert_int_equal(change.batch.seconds[0], 1);
    relay_rig_answer(rig, &change);
    assert_int_equal(rig->core.counters.no_room, 1);
}

static void the_newest_handle_of_a_held_envelope_counts(void **state)
{
    struct relay_rig *rig = *state;
    struct relay_ref slot = relay_rig_hold(rig, 1, relay_rig_at_0, 1);
    relay_rig_advance(rig, 1000);
    struct relay_ref twin = relay_rig_receive(rig, RELAY_QUEUE_READY, 1, RELAY_RIG_SOON_MS);
    struct relay_effect effect = relay_rig_take(rig, RELAY_REHANDLE);
    assert_int_equal(effect.rehandle.to.index, slot.index);
    assert_int_equal(effect.rehandle.from, twin.index);
    assert_int_equal(relay_rig_take(rig, RELAY_FREE).slot.index, twin.index);
    assert_int_equal(rig->core.counters.duplicates_held, 1);
    relay_rig_advance(rig, 1000);
    relay_rig_expect_emit(rig, slot, 0, 1);
    relay_rig_report(rig, slot, 0);
    relay_rig_advance(rig, 50);
    assert_int_equal(relay_rig_take(rig, RELAY_DELETE).batch.queue, RELAY_QUEUE_READY);
    relay_rig_expect_none(rig, RELAY_EMIT);
}

static void a_new_handle_during_an_extension_starts_anew(void **state)
{
    struct relay_rig *rig = *state;
    struct relay_ref slot = relay_rig_hold(rig, 1, relay_rig_at_0, 1);
    relay_rig_advance(rig, 2000);
    relay_rig_expect_emit(rig, slot, 0, 1);
    relay_rig_advance(rig, 3050); /* half of the visibility, and the linger */
    struct relay_effect change = relay_rig_take(rig, RELAY_CHANGE_VISIBILITY);
    relay_rig_receive(rig, RELAY_QUEUE_DELAY, 1, RELAY_RIG_SOON_MS);
    relay_rig_take(rig, RELAY_REHANDLE);
    int64_t visible_at = rig->core.slots[slot.index].visible_at.ms;
    assert_int_equal(visible_at, rig->now.mono.ms + 10000);
    relay_rig_answer_each(rig, &change.batch, OUTCOME_FAILED,
                          ERROR_PERMANENT); /* of the old handle */
    assert_int_equal(rig->core.slots[slot.index].visible_at.ms, visible_at);
    relay_rig_advance(rig, 5049);
    relay_rig_expect_none(rig, RELAY_CHANGE_VISIBILITY);
    relay_rig_advance(rig, 1);
    relay_rig_take(rig, RELAY_CHANGE_VISIBILITY);
    assert_int_equal(rig->core.counters.lapsed_emitted, 0);
}

static void what_was_delivered_lately_is_only_deleted(void **state)
{
    struct relay_rig *rig = *state;
    relay_rig_deliver(rig, 1);
    relay_rig_receive(rig, RELAY_QUEUE_READY, 1, RELAY_RIG_WALL_MS);
    relay_rig_expect_none(rig, RELAY_DECODE);
    relay_rig_advance(rig, 50);
    struct relay_effect delete = relay_rig_take(rig, RELAY_DELETE);
    assert_int_equal(delete.batch.queue, RELAY_QUEUE_READY);
    relay_rig_answer(rig, &delete);
    assert_int_equal(rig->core.counters.duplicates_done, 1);
    assert_int_equal(rig->core.counters.completed, 1);
}

static void what_was_delivered_is_remembered_for_a_time_and_a_number(void **state)
{
    struct relay_rig *rig = *state;
    relay_rig_deliver(rig, 1);
    relay_rig_advance(rig, relay_rig_limits.done_ttl_ms);
    relay_rig_deliver(rig, 1); /* forgotten: held and emitted again */
    for (uint32_t i = 100; i < 100 + relay_rig_limits.done_ids - 1; i++)
        relay_rig_deliver(rig, i);
    relay_rig_receive(rig, RELAY_QUEUE_DELAY, 1, RELAY_RIG_WALL_MS);
    relay_rig_expect_none(rig, RELAY_DECODE); /* 64 ids are known */
    relay_rig_deliver(rig, 999);
    relay_rig_receive(rig, RELAY_QUEUE_DELAY, 1, RELAY_RIG_WALL_MS);
    relay_rig_take(rig, RELAY_DECODE); /* the 65th pushed it out */
}

static void a_blob_is_fetched_ahead_and_emitted_on_time(void **state)
{
    struct relay_rig *rig = *state;
    struct relay_ref slot = relay_rig_hold_blob(rig, 1, 5000);
    assert_int_equal(relay_rig_take(rig, RELAY_FETCH).slot.index, slot.index);
    assert_int_equal(rig->core.bytes, 5010);
    relay_rig_advance(rig, 500);
    relay_rig_fetched(rig, slot, true);
    relay_rig_advance(rig, 1499);
    relay_rig_expect_none(rig, RELAY_EMIT);
    relay_rig_advance(rig, 1);
    relay_rig_expect_emit(rig, slot, 0, 1);
    assert_int_equal(rig->core.counters.blobs_late, 0);
    relay_rig_report(rig, slot, 0);
    relay_rig_advance(rig, 50);
    struct relay_effect delete = relay_rig_take(rig, RELAY_DELETE);
    relay_rig_answer(rig, &delete);
    assert_int_equal(rig->core.blobs, 0);
    assert_int_equal(rig->core.bytes, 0);
}

static void a_missing_part_means_no_emission_no_delete_and_another_try(void **state)
{
    struct relay_rig *rig = *state;
    struct relay_ref slot = relay_rig_hold_blob(rig, 1, 5000);
    for (int i = 0; i < 4; i++) {
        relay_rig_take(rig, RELAY_FETCH);
        relay_rig_fetched(rig, slot, false);
        relay_rig_expect_none(rig, RELAY_FETCH);
        relay_rig_advance(rig, 1000);
    }
    relay_rig_expect_none(rig, RELAY_EMIT);
    relay_rig_expect_none(rig, RELAY_DELETE);
    relay_rig_take(rig, RELAY_FETCH);
    relay_rig_fetched(rig, slot, true);
    relay_rig_expect_emit(rig, slot, 0, 1);
    assert_int_equal(rig->core.counters.blob_failures, 4);
    assert_int_equal(rig->core.counters.blobs_late, 1);
}

static void blobs_wait_for_room_but_one_always_goes_on(void **state)
{
    struct relay_rig *rig = *state;
    struct relay_limits tight = relay_rig_limits;
    tight.budget_bytes = 3 * MIB;
    relay_rig_restart(rig, &tight);
    struct relay_ref large = relay_rig_hold_blob(rig, 1, 5 * MIB);
    relay_rig_take(rig, RELAY_FETCH); /* larger than the budget, but alone */
    relay_rig_fetched(rig, large, false);
    relay_rig_restart(rig, &tight);
    large = relay_rig_hold_blob(rig, 1, 2 * MIB);
    relay_rig_take(rig, RELAY_FETCH);
    struct relay_ref other = relay_rig_hold_blob(rig, 2, 2 * MIB);
    relay_rig_expect_none(rig, RELAY_FETCH);
    relay_rig_fetched(rig, large, true);
    relay_rig_advance(rig, 2000);
    relay_rig_expect_emit(rig, large, 0, 1);
    relay_rig_report(rig, large, 0);
    relay_rig_advance(rig, 50);
    struct relay_effect delete = relay_rig_take(rig, RELAY_DELETE);
    relay_rig_answer(rig, &delete);
    assert_int_equal(relay_rig_take(rig, RELAY_FETCH).slot.index, other.index);
}

static void the_unreadable_is_parked_not_dropped(void **state)
{
    struct relay_rig *rig = *state;
    const enum relay_verdict verdicts[] = {RELAY_UNSUPPORTED, RELAY_CORRUPT};
    for (size_t i = 0; i < ARRAY_LEN(verdicts); i++) {
        relay_rig_receive_bad(rig, verdicts[i], RELAY_RIG_WALL_MS - MS_PER_HOUR, 100);
        relay_rig_advance(rig, 50);
        struct relay_effect change = relay_rig_take(rig, RELAY_CHANGE_VISIBILITY);
        assert_int_equal(change.batch.seconds[0], 30);
        relay_rig_answer(rig, &change);
    }
    relay_rig_expect_none(rig, RELAY_DELETE);
    relay_rig_expect_none(rig, RELAY_DEAD_LETTER);
    assert_int_equal(rig->core.counters.parked, 2);
}

static void a_body_that_only_decoding_finds_broken_is_parked_too(void **state)
{
    struct relay_rig *rig = *state;
    struct relay_ref slot = relay_rig_receive(rig, RELAY_QUEUE_DELAY, 1, RELAY_RIG_SOON_MS);
    relay_rig_take(rig, RELAY_DECODE);
    relay_rig_feed(rig, (struct relay_event){.type = RELAY_DECODED,
                                             .decoded = {.slot = slot, .verdict = RELAY_CORRUPT}});
    relay_rig_advance(rig, 50);
    struct relay_effect change = relay_rig_take(rig, RELAY_CHANGE_VISIBILITY);
    assert_int_equal(change.batch.seconds[0], 30);
    relay_rig_receive(rig, RELAY_QUEUE_DELAY, 1,
                      RELAY_RIG_SOON_MS); /* its id is not taken for held */
    relay_rig_take(rig, RELAY_DECODE);
}

static void the_unreadable_of_yesterday_is_dead_lettered_whole_then_deleted(void **state)
{
    struct relay_rig *rig = *state;
    struct relay_ref slot =
        relay_rig_receive_bad(rig, RELAY_UNSUPPORTED, RELAY_RIG_WALL_MS - MS_PER_DAY - 1, 9);
    struct relay_dead_letter dead = relay_rig_take(rig, RELAY_DEAD_LETTER).dead_letter;
    assert_int_equal(dead.slot.index, slot.index);
    assert_int_equal(dead.refusal, RELAY_REFUSED_UNSUPPORTED);
    relay_rig_advance(rig, 5050);
    struct relay_effect change = relay_rig_take(rig, RELAY_CHANGE_VISIBILITY); /* kept meanwhile */
    relay_rig_answer(rig, &change);
    relay_rig_expect_none(rig, RELAY_DELETE);
    relay_rig_report_dead(rig, &dead, OUTCOME_DONE, false);
    relay_rig_advance(rig, 50);
    struct relay_effect delete = relay_rig_take(rig, RELAY_DELETE);
    relay_rig_answer(rig, &delete);
    assert_int_equal(rig->core.counters.dead_lettered, 1);
    assert_int_equal(rig->core.counters.completed, 0);
    assert_int_equal(rig->core.slots_used, 0);
    assert_int_equal(rig->core.window_used, 0);
    relay_rig_receive_bad(rig, RELAY_CORRUPT, RELAY_RIG_WALL_MS - MS_PER_DAY, 9);
    assert_int_equal(relay_rig_take(rig, RELAY_DEAD_LETTER).dead_letter.refusal,
                     RELAY_REFUSED_CORRUPT);
}

static void the_garbled_is_received_again_at_once_and_parked_if_it_stays_so(void **state)
{
    struct relay_rig *rig = *state;
    relay_rig_receive_bad(rig, RELAY_GARBLED, RELAY_RIG_WALL_MS - 1000, RELAY_GARBLED_RETRIES);
    relay_rig_advance(rig, 50);
    assert_int_equal(relay_rig_take(rig, RELAY_CHANGE_VISIBILITY).batch.seconds[0], 1);
    relay_rig_receive_bad(rig, RELAY_GARBLED, RELAY_RIG_WALL_MS - 1000, RELAY_GARBLED_RETRIES + 1);
    relay_rig_advance(rig, 50);
    assert_int_equal(relay_rig_take(rig, RELAY_CHANGE_VISIBILITY).batch.seconds[0], 30);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RELAY_CASE(later_than_the_hold_is_deferred_to_the_lead),
        RELAY_CASE(a_deferral_is_never_late),
        RELAY_CASE(ten_deferrals_go_at_once_as_one_batch),
        RELAY_CASE(a_failed_deferral_is_tried_again_with_the_time_that_remains),
        RELAY_CASE(a_deferral_that_never_works_lets_the_message_return),
        RELAY_CASE(what_does_not_fit_the_budget_comes_again_in_a_second),
        RELAY_CASE(the_newest_handle_of_a_held_envelope_counts),
        RELAY_CASE(a_new_handle_during_an_extension_starts_anew),
        RELAY_CASE(what_was_delivered_lately_is_only_deleted),
        RELAY_CASE(what_was_delivered_is_remembered_for_a_time_and_a_number),
        RELAY_CASE(a_blob_is_fetched_ahead_and_emitted_on_time),
        RELAY_CASE(a_missing_part_means_no_emission_no_delete_and_another_try),
        RELAY_CASE(blobs_wait_for_room_but_one_always_goes_on),
        RELAY_CASE(the_unreadable_is_parked_not_dropped),
        RELAY_CASE(a_body_that_only_decoding_finds_broken_is_parked_too),
        RELAY_CASE(the_unreadable_of_yesterday_is_dead_lettered_whole_then_deleted),
        RELAY_CASE(the_garbled_is_received_again_at_once_and_parked_if_it_stays_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
