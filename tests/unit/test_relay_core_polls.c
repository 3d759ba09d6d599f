/* How many polls are out, and when. */
#include "tests/harness/relay_rig.h"

static void an_idle_queue_keeps_one_poll(void **state)
{
    struct relay_rig *rig = *state;
    assert_int_equal(relay_rig_count(rig, RELAY_POLL), 2);
    for (int i = 0; i < 5; i++) {
        struct relay_effect poll = relay_rig_take(rig, RELAY_POLL);
        relay_rig_polled(rig, poll.poll.poll, OUTCOME_DONE, 0);
        assert_int_equal(relay_rig_polls_out(rig), 1); /* not at once: an answer without waiting */
        relay_rig_advance(rig, RELAY_EMPTY_POLL_PAUSE_MS);
        assert_int_equal(relay_rig_polls_out(rig), 2);
    }
    assert_int_equal(rig->core.counters.empty_polls, 5);
}

static void a_busy_queue_gets_more_polls_and_loses_them_again(void **state)
{
    struct relay_rig *rig = *state;
    struct relay_effect first = relay_rig_take(rig, RELAY_POLL);
    assert_int_equal(first.poll.queue, RELAY_QUEUE_DELAY);
    relay_rig_take(rig, RELAY_POLL); /* the ready queue's stays out */
    relay_rig_polled(rig, first.poll.poll, OUTCOME_DONE, 10);
    assert_int_equal(rig->core.polls[RELAY_QUEUE_DELAY].out, 2);
    relay_rig_polled(rig, relay_rig_take(rig, RELAY_POLL).poll.poll, OUTCOME_DONE, 10);
    assert_int_equal(rig->core.polls[RELAY_QUEUE_DELAY].out, 4);
    relay_rig_polled(rig, relay_rig_take(rig, RELAY_POLL).poll.poll, OUTCOME_DONE, 10);
    assert_int_equal(rig->core.polls[RELAY_QUEUE_DELAY].out, 4); /* polls_max */
    relay_rig_polled(rig, relay_rig_take(rig, RELAY_POLL).poll.poll, OUTCOME_DONE, 3);
    assert_int_equal(rig->core.polls[RELAY_QUEUE_DELAY].out, 3);
    relay_rig_polled(rig, relay_rig_take(rig, RELAY_POLL).poll.poll, OUTCOME_DONE, 0);
    relay_rig_polled(rig, relay_rig_take(rig, RELAY_POLL).poll.poll, OUTCOME_DONE, 0);
    relay_rig_advance(rig, 1000);
    assert_int_equal(rig->core.polls[RELAY_QUEUE_DELAY].out, 1);
    assert_int_equal(rig->core.polls[RELAY_QUEUE_READY].out, 1);
}

static void a_failed_poll_backs_off_and_comes_back(void **state)
{
    struct relay_rig *rig = *state;
    int64_t pause = 0;
    for (int i = 0; i < 8; i++) {
        struct relay_ref poll = relay_rig_take_poll(rig, RELAY_QUEUE_DELAY);
        relay_rig_polled(rig, poll, i % 2 == 0 ? OUTCOME_FAILED : OUTCOME_UNKNOWN, 0);
        assert_int_equal(rig->core.polls[RELAY_QUEUE_DELAY].out, 0);
        pause = rig->core.polls[RELAY_QUEUE_DELAY].not_before.ms - rig->now.mono.ms;
        assert_in_range(pause, 50, RELAY_RETRY_MOST_MS);
        relay_rig_advance(rig, pause);
        assert_int_equal(rig->core.polls[RELAY_QUEUE_DELAY].out, 1);
    }
    assert_true(pause >= RELAY_RETRY_MOST_MS / 2);
    assert_int_equal(rig->core.counters.poll_failures, 8);
}

static void a_poll_completes_once(void **state)
{
    struct relay_rig *rig = *state;
    struct relay_ref poll = relay_rig_take(rig, RELAY_POLL).poll.poll;
    relay_rig_polled(rig, poll, OUTCOME_DONE, 5);
    relay_rig_polled(rig, poll, OUTCOME_DONE, 5);
    relay_rig_polled(rig, (struct relay_ref){999, 0}, OUTCOME_DONE, 5);
    assert_int_equal(rig->core.counters.stray_completions, 2);
    assert_int_equal(rig->core.polls[RELAY_QUEUE_DELAY].out, 1);
}

static void polls_stop_while_the_budget_is_full(void **state)
{
    struct relay_rig *rig = *state;
    struct relay_limits tight = relay_rig_limits;
    tight.budget_bytes = 2 * MIB + 500; /* two polls with nothing held */
    relay_rig_restart(rig, &tight);
    assert_int_equal(relay_rig_polls_out(rig), 2);
    struct relay_ref slot = relay_rig_hold(rig, 1, relay_rig_at_0, 1); /* 2000 bytes */
    relay_rig_polled(rig, relay_rig_take(rig, RELAY_POLL).poll.poll, OUTCOME_DONE, 1);
    assert_int_equal(relay_rig_polls_out(rig), 1);
    relay_rig_polled(rig, relay_rig_take(rig, RELAY_POLL).poll.poll, OUTCOME_DONE, 0);
    relay_rig_advance(rig, 100);
    assert_int_equal(relay_rig_polls_out(rig), 1);
    relay_rig_advance(rig, RELAY_RIG_SOON_MS - rig->now.wall.ms);
    relay_rig_expect_emit(rig, slot, 0, 1);
    relay_rig_report(rig, slot, 0);
    relay_rig_advance(rig, 50);
    struct relay_effect delete = relay_rig_take(rig, RELAY_DELETE);
    relay_rig_answer(rig, &delete);
    assert_int_equal(relay_rig_polls_out(rig), 2);
}

static void one_poll_goes_even_if_the_budget_is_smaller(void **state)
{
    struct relay_rig *rig = *state;
    struct relay_limits tiny = relay_rig_limits;
    tiny.budget_bytes = 10;
    relay_rig_restart(rig, &tiny);
    assert_int_equal(relay_rig_polls_out(rig), 1);
}

static void with_room_for_one_poll_the_queues_take_turns(void **state)
{
    struct relay_rig *rig = *state;
    struct relay_limits tiny = relay_rig_limits;
    tiny.budget_bytes = 10;
    relay_rig_restart(rig, &tiny);
    unsigned polls[RELAY_QUEUES] = {0, 0};
    for (int i = 0; i < 10; i++) {
        struct relay_effect poll = relay_rig_take(rig, RELAY_POLL);
        relay_rig_expect_none(rig, RELAY_POLL);
        polls[poll.poll.queue]++;
        relay_rig_polled(rig, poll.poll.poll, OUTCOME_DONE, 5);
    }
    assert_int_equal(polls[RELAY_QUEUE_DELAY], 5);
    assert_int_equal(polls[RELAY_QUEUE_READY], 5);
}

static void polls_leave_slots_for_what_they_bring(void **state)
{
    struct relay_rig *rig = *state;
    struct relay_limits tight = relay_rig_limits;
    tight.slots = 20;
    relay_rig_restart(rig, &tight);
    assert_int_equal(relay_rig_polls_out(rig), 2);
    struct relay_ref poll = relay_rig_take(rig, RELAY_POLL).poll.poll;
    for (uint32_t i = 0; i < 10; i++)
        relay_rig_hold(rig, i, relay_rig_at_0, 1);
    relay_rig_polled(rig, poll, OUTCOME_DONE, 10);
    assert_int_equal(relay_rig_polls_out(rig), 1); /* ten slots are left, and they are promised */
}

static void a_poll_that_is_held_back_is_no_failure(void **state)
{
    struct relay_rig *rig = *state;
    struct relay_ref poll = relay_rig_take(rig, RELAY_POLL).poll.poll;
    relay_rig_polled(rig, poll, OUTCOME_DONE, 10); /* busy: two are wanted */
    assert_int_equal(rig->core.polls[RELAY_QUEUE_DELAY].out, 2);
    for (int i = 0; i < 20; i++) {
        while (rig->core.polls[RELAY_QUEUE_DELAY].out > 0) {
            poll = relay_rig_take_poll(rig, RELAY_QUEUE_DELAY);
            relay_rig_poll_held_back(rig, poll, 70);
        }
        relay_rig_advance(rig, 69);
        assert_int_equal(rig->core.polls[RELAY_QUEUE_DELAY].out, 0);
        relay_rig_advance(rig, 1); /* as said: it does not back off further */
        assert_int_equal(rig->core.polls[RELAY_QUEUE_DELAY].out, 1);
    }
    assert_int_equal(rig->core.counters.polls_held_back, 21);
    assert_int_equal(rig->core.counters.poll_failures, 0);
}

static void a_throttled_poll_is_soon_back(void **state)
{
    struct relay_rig *rig = *state;
    for (int i = 0; i < 20; i++) {
        struct relay_ref poll = relay_rig_take_poll(rig, RELAY_QUEUE_DELAY);
        relay_rig_feed(rig,
                       (struct relay_event){
                           .type = RELAY_POLLED,
                           .polled = {.poll = poll, .outcome = OUTCOME_FAILED, .throttled = true}});
        assert_int_equal(rig->core.polls[RELAY_QUEUE_DELAY].out, 0);
        relay_rig_advance(rig, 400);
        assert_int_equal(rig->core.polls[RELAY_QUEUE_DELAY].out, 1);
    }
    assert_int_equal(rig->core.counters.poll_failures, 20);
}

static void while_sqs_throttles_polls_that_find_little_come_less_often(void **state)
{
    struct relay_rig *rig = *state;
    relay_rig_poll_held_back(rig, relay_rig_take_poll(rig, RELAY_QUEUE_DELAY), 70);
    relay_rig_advance(rig, 70);
    relay_rig_polled(rig, relay_rig_take_poll(rig, RELAY_QUEUE_DELAY), OUTCOME_DONE, 10);
    relay_rig_polled(rig, relay_rig_take_poll(rig, RELAY_QUEUE_DELAY), OUTCOME_DONE, 9);
    relay_rig_polled(rig, relay_rig_take_poll(rig, RELAY_QUEUE_DELAY), OUTCOME_DONE, 9);
    relay_rig_advance(rig, 249);
    assert_int_equal(rig->core.polls[RELAY_QUEUE_DELAY].out, 0);
    relay_rig_advance(rig, 1);
    assert_true(rig->core.polls[RELAY_QUEUE_DELAY].out > 0);
    relay_rig_advance(rig, 1000); /* it is over */
    relay_rig_polled(rig, relay_rig_take_poll(rig, RELAY_QUEUE_DELAY), OUTCOME_DONE, 9);
    assert_true(rig->core.polls[RELAY_QUEUE_DELAY].out > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RELAY_CASE(an_idle_queue_keeps_one_poll),
        RELAY_CASE(a_busy_queue_gets_more_polls_and_loses_them_again),
        RELAY_CASE(a_failed_poll_backs_off_and_comes_back),
        RELAY_CASE(a_poll_completes_once),
        RELAY_CASE(polls_stop_while_the_budget_is_full),
        RELAY_CASE(one_poll_goes_even_if_the_budget_is_smaller),
        RELAY_CASE(with_room_for_one_poll_the_queues_take_turns),
        RELAY_CASE(polls_leave_slots_for_what_they_bring),
        RELAY_CASE(a_poll_that_is_held_back_is_no_failure),
        RELAY_CASE(a_throttled_poll_is_soon_back),
        RELAY_CASE(while_sqs_throttles_polls_that_find_little_come_less_often),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
