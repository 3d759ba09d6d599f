/* The core as such, and how it stops. Its rules by subject: test_relay_core_*.c; whole lives of
 * messages at random: test_relay_core_world.c. */
#include "tests/harness/relay_rig.h"

static void stop_hands_back_what_is_later_and_finishes_the_rest(void **state)
{
    struct relay_rig *rig = *state;
    struct relay_ref soon = relay_rig_hold(rig, 1, relay_rig_at_three, 3);
    struct relay_ref later = relay_rig_receive(rig, RELAY_QUEUE_READY, 2, RELAY_RIG_SOON_MS + 900);
    static const uint16_t at_900[] = {900};
    relay_rig_take(rig, RELAY_DECODE);
    relay_rig_decode(rig, later, RELAY_RIG_SOON_MS, at_900, 1);
    struct relay_ref blob = relay_rig_hold_blob(rig, 3, 100);
    relay_rig_take(rig, RELAY_FETCH);
    relay_rig_fetched(rig, blob, false); /* failing: not worth waiting for */
    struct relay_ref poll = relay_rig_take(rig, RELAY_POLL).poll.poll;
    relay_rig_advance(rig, 1000);
    rig->log_len = 0;
    relay_rig_feed(rig, (struct relay_event){.type = RELAY_STOP});
    relay_rig_polled(rig, poll, OUTCOME_DONE, 0);
    relay_rig_advance(rig, 50);
    relay_rig_expect_none(rig, RELAY_POLL);
    for (int i = 0; i < 2; i++) {
        struct relay_effect change = relay_rig_take(rig, RELAY_CHANGE_VISIBILITY);
        assert_int_equal(change.batch.seconds[0], 0);
        assert_int_equal(change.batch.count, 1);
        assert_int_equal(change.batch.slots[0].index,
                         change.batch.queue == RELAY_QUEUE_READY ? later.index : blob.index);
        relay_rig_answer(rig, &change);
    }
    assert_int_equal(rig->core.counters.handed_back, 2);
    relay_rig_advance(rig, 950);
    relay_rig_expect_emit(rig, soon, 0, 1);
    relay_rig_advance(rig, 100);
    relay_rig_expect_emit(rig, soon, 1, 2);
    for (uint32_t i = 0; i < 3; i++)
        relay_rig_report(rig, soon, i);
    relay_rig_advance(rig, 50);
    assert_false(relay_core_idle(&rig->core));
    struct relay_effect delete = relay_rig_take(rig, RELAY_DELETE);
    relay_rig_answer(rig, &delete);
    assert_false(relay_core_idle(&rig->core)); /* a poll is still out */
    relay_rig_polled(rig, (struct relay_ref){RELAY_POLLS_MAX, 0}, OUTCOME_DONE, 0);
    assert_true(relay_core_idle(&rig->core));
}

static void stop_hands_back_nothing_of_which_a_record_is_out(void **state)
{
    struct relay_rig *rig = *state;
    struct relay_ref slot = relay_rig_hold(rig, 1, relay_rig_at_three, 3);
    relay_rig_advance(rig, 2000);
    relay_rig_expect_emit(rig, slot, 0, 1);
    rig->now.wall.ms -= 5000; /* the clock was put right: it looks later again */
    relay_rig_feed(rig, (struct relay_event){.type = RELAY_STOP});
    relay_rig_advance(rig, 1000);
    relay_rig_expect_none(rig, RELAY_CHANGE_VISIBILITY);
    relay_rig_advance(rig, 4100);
    relay_rig_expect_emit(rig, slot, 1, 2);
}

static void what_late_polls_bring_is_handed_back(void **state)
{
    struct relay_rig *rig = *state;
    relay_rig_feed(rig, (struct relay_event){.type = RELAY_STOP});
    relay_rig_receive(rig, RELAY_QUEUE_DELAY, 1, RELAY_RIG_WALL_MS);
    relay_rig_receive(rig, RELAY_QUEUE_DELAY, 2, RELAY_RIG_WALL_MS + 60000);
    relay_rig_receive_bad(rig, RELAY_CORRUPT, RELAY_RIG_WALL_MS - 2 * MS_PER_DAY, 3);
    relay_rig_expect_none(rig, RELAY_DECODE);
    relay_rig_expect_none(rig, RELAY_DEAD_LETTER);
    relay_rig_advance(rig, 50);
    struct relay_effect change = relay_rig_take(rig, RELAY_CHANGE_VISIBILITY);
    assert_int_equal(change.batch.count, 3);
    for (uint32_t i = 0; i < 3; i++)
        assert_int_equal(change.batch.seconds[i], 0);
    relay_rig_answer(rig, &change);
    relay_rig_polled(rig, relay_rig_take(rig, RELAY_POLL).poll.poll, OUTCOME_DONE, 3);
    relay_rig_polled(rig, relay_rig_take(rig, RELAY_POLL).poll.poll, OUTCOME_DONE, 0);
    assert_true(relay_core_idle(&rig->core));
}

static void what_is_decoded_after_the_stop_is_no_longer_wanted(void **state)
{
    struct relay_rig *rig = *state;
    struct relay_ref slot = relay_rig_receive(rig, RELAY_QUEUE_DELAY, 1, RELAY_RIG_SOON_MS);
    relay_rig_take(rig, RELAY_DECODE);
    relay_rig_feed(rig, (struct relay_event){.type = RELAY_STOP});
    relay_rig_decode(rig, slot, RELAY_RIG_SOON_MS, relay_rig_at_0, 1);
    relay_rig_advance(rig, 50);
    struct relay_effect change = relay_rig_take(rig, RELAY_CHANGE_VISIBILITY);
    relay_rig_answer(rig, &change);
    relay_rig_take(rig, RELAY_FREE);
    relay_rig_expect_none(rig, RELAY_EMIT);
}

static void same_history_same_digest(void **state)
{
    struct relay_rig *rig = *state;
    uint64_t digests[3];
    for (int run = 0; run < 3; run++) {
        relay_rig_restart(rig, &relay_rig_limits);
        struct relay_ref slot = relay_rig_hold(rig, 1, relay_rig_at_three, 3);
        relay_rig_advance(rig, 2200);
        relay_rig_expect_emit(rig, slot, 0, 1);
        relay_rig_report_as(rig, slot, 0, run == 2 ? OUTCOME_DONE : OUTCOME_UNKNOWN,
                            RELAY_REFUSED_NOT);
        digests[run] = relay_core_digest(&rig->core);
    }
    assert_true(digests[0] == digests[1]);
    assert_true(digests[0] != digests[2]);
}

static void more_than_fits_a_step_is_done_in_further_steps(void **state)
{
    struct relay_rig *rig = *state;
    for (uint32_t i = 0; i < 150; i++)
        relay_rig_hold(rig, i, relay_rig_at_0, 1);
    relay_rig_advance(rig, RELAY_RIG_SOON_MS - 1 - rig->now.wall.ms);
    relay_rig_sleep(rig, 1);
    relay_rig_step(rig, &(struct relay_event){.type = RELAY_TICK});
    assert_true(rig->out.count <= RELAY_EFFECTS_MAX);
    assert_true(relay_rig_is_due(rig));
    relay_rig_feed(rig, (struct relay_event){.type = RELAY_TICK});
    assert_int_equal(relay_rig_count(rig, RELAY_EMIT), 150);
}

static void take_a_foreign_slot(void *ctx)
{
    struct relay_rig *rig = ctx;
    struct relay_event ev = relay_rig_message(rig, RELAY_QUEUE_DELAY, 1, RELAY_RIG_WALL_MS);
    ev.received.slot += 5;
    relay_rig_feed(rig, ev);
}

static void a_message_takes_the_slot_that_was_offered(void **state)
{
    expect_abort(take_a_foreign_slot, *state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RELAY_CASE(stop_hands_back_what_is_later_and_finishes_the_rest),
        RELAY_CASE(stop_hands_back_nothing_of_which_a_record_is_out),
        RELAY_CASE(what_late_polls_bring_is_handed_back),
        RELAY_CASE(what_is_decoded_after_the_stop_is_no_longer_wanted),
        RELAY_CASE(same_history_same_digest),
        RELAY_CASE(more_than_fits_a_step_is_done_in_further_steps),
        RELAY_CASE(a_message_takes_the_slot_that_was_offered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
