/* What goes out, when, and what its reports mean. */
#include "tests/harness/relay_rig.h"

static void each_record_goes_at_its_own_millisecond(void **state)
{
    struct relay_rig *rig = *state;
    struct relay_ref slot = relay_rig_hold(rig, 1, relay_rig_at_three, 3);
    relay_rig_advance(rig, RELAY_RIG_SOON_MS - rig->now.wall.ms - 1);
    relay_rig_expect_none(rig, RELAY_EMIT);
    relay_rig_advance(rig, 1);
    relay_rig_expect_emit(rig, slot, 0, 1);
    relay_rig_advance(rig, 99);
    relay_rig_expect_none(rig, RELAY_EMIT);
    relay_rig_advance(rig, 1);
    relay_rig_expect_emit(rig, slot, 1, 2);
}

static void the_deadline_is_the_next_due_instant(void **state)
{
    struct relay_rig *rig = *state;
    relay_rig_hold(rig, 1, relay_rig_at_three, 3);
    assert_int_equal(relay_core_deadline(&rig->core).wall.ms, RELAY_RIG_SOON_MS);
}

static void overdue_goes_at_once(void **state)
{
    struct relay_rig *rig = *state;
    struct relay_ref slot =
        relay_rig_receive(rig, RELAY_QUEUE_READY, 1, RELAY_RIG_WALL_MS - MS_PER_DAY);
    relay_rig_decode(rig, slot, RELAY_RIG_WALL_MS - MS_PER_DAY, relay_rig_at_three, 3);
    relay_rig_expect_emit(rig, slot, 0, 3);
}

static void the_wall_clock_alone_decides_what_is_due(void **state)
{
    struct relay_rig *rig = *state;
    struct relay_ref slot = relay_rig_hold(rig, 1, relay_rig_at_0, 1);
    rig->now.mono.ms += 4000; /* the wall clock was set back meanwhile */
    relay_rig_feed(rig, (struct relay_event){.type = RELAY_TICK});
    relay_rig_expect_none(rig, RELAY_EMIT);
    rig->now.wall.ms = RELAY_RIG_SOON_MS;
    relay_rig_feed(rig, (struct relay_event){.type = RELAY_TICK});
    relay_rig_expect_emit(rig, slot, 0, 1);
}

static void what_the_shell_finds_early_is_asked_for_again(void **state)
{
    struct relay_rig *rig = *state;
    struct relay_ref slot = relay_rig_hold(rig, 1, relay_rig_at_three, 3);
    relay_rig_advance(rig, RELAY_RIG_SOON_MS + 100 - rig->now.wall.ms);
    relay_rig_take(rig, RELAY_EMIT);
    rig->now.wall.ms -= 500; /* stepped back between the turn and the emission */
    relay_rig_emitted(rig, slot, 0, false);
    relay_rig_expect_none(rig, RELAY_EMIT);
    assert_int_equal(relay_core_deadline(&rig->core).wall.ms, RELAY_RIG_SOON_MS);
    relay_rig_advance(rig, 400);
    relay_rig_expect_emit(rig, slot, 0, 1);
}

static void a_full_queue_stops_emission_and_receiving(void **state)
{
    struct relay_rig *rig = *state;
    static const uint16_t five[] = {0, 0, 0, 0, 0};
    struct relay_ref slot = relay_rig_hold(rig, 1, five, 5);
    struct relay_ref poll = relay_rig_take(rig, RELAY_POLL).poll.poll;
    relay_rig_advance(rig, RELAY_RIG_SOON_MS - rig->now.wall.ms);
    relay_rig_take(rig, RELAY_EMIT);
    relay_rig_emitted(rig, slot, 2, true);
    relay_rig_expect_none(rig, RELAY_EMIT);
    relay_rig_polled(rig, poll, OUTCOME_DONE, 10);
    assert_int_equal(rig->core.polls[RELAY_QUEUE_DELAY].out, 0);
    assert_true(relay_core_deadline(&rig->core).wall.ms == TIME_NEVER); /* no spinning */
    relay_rig_advance(rig, RELAY_FULL_RETRY_MS);
    relay_rig_expect_emit(rig, slot, 2, 3);
    assert_true(rig->core.polls[RELAY_QUEUE_DELAY].out > 0);
    assert_int_equal(rig->core.counters.kafka_full, 1);
    assert_int_equal(rig->core.window_used, 5);
}

static void the_window_bounds_what_is_in_flight(void **state)
{
    struct relay_rig *rig = *state;
    struct relay_limits narrow = relay_rig_limits;
    narrow.window_records = 2;
    relay_rig_restart(rig, &narrow);
    static const uint16_t five[] = {0, 0, 0, 0, 0};
    struct relay_ref slot = relay_rig_hold(rig, 1, five, 5);
    struct relay_ref poll = relay_rig_take(rig, RELAY_POLL).poll.poll;
    relay_rig_advance(rig, RELAY_RIG_SOON_MS - rig->now.wall.ms);
    relay_rig_expect_emit(rig, slot, 0, 2);
    relay_rig_polled(rig, poll, OUTCOME_DONE, 1);
    assert_int_equal(rig->core.polls[RELAY_QUEUE_DELAY].out, 0);
    assert_true(relay_core_deadline(&rig->core).wall.ms == TIME_NEVER);
    relay_rig_report(rig, slot, 1);
    relay_rig_expect_emit(rig, slot, 2, 1);
    relay_rig_report_as(rig, slot, 0, OUTCOME_FAILED,
                        RELAY_REFUSED_NOT); /* keeps its place in the window */
    relay_rig_expect_none(rig, RELAY_EMIT);
    relay_rig_report(rig, slot, 2);
    relay_rig_expect_emit(rig, slot, 3, 1);
    relay_rig_advance(rig, 200);
    relay_rig_expect_emit(rig, slot, 0, 1);
}

static void reports_may_come_many_at_once(void **state)
{
    struct relay_rig *rig = *state;
    struct relay_ref slot = relay_rig_hold(rig, 1, relay_rig_at_three, 3);
    relay_rig_advance(rig, 2100);
    relay_rig_expect_emit(rig, slot, 0, 1);
    relay_rig_expect_emit(rig, slot, 1, 2);
    const struct relay_report reports[] = {
        {.slot = slot, .record = 2, .outcome = OUTCOME_DONE},
        {.slot = slot, .record = 2, .outcome = OUTCOME_DONE},
        {.slot = slot, .record = 0, .outcome = OUTCOME_UNKNOWN},
        {.slot = slot, .record = 1, .outcome = OUTCOME_DONE},
    };
    relay_rig_feed(
        rig, (struct relay_event){.type = RELAY_REPORTS, .reports = {reports, ARRAY_LEN(reports)}});
    assert_int_equal(rig->core.counters.delivered, 2);
    assert_int_equal(rig->core.counters.stray_completions, 1);
    relay_rig_advance(rig, RELAY_RETRY_FIRST_MS);
    relay_rig_expect_emit(rig, slot, 0, 1);
    relay_rig_expect_none(rig, RELAY_DELETE);
    relay_rig_feed(rig, (struct relay_event){.type = RELAY_REPORTS,
                                             .reports = {&(struct relay_report){.slot = slot}, 1}});
    relay_rig_advance(rig, 50);
    relay_rig_take(rig, RELAY_DELETE);
}

static void deleted_only_after_the_last_report(void **state)
{
    struct relay_rig *rig = *state;
    struct relay_ref slot = relay_rig_hold(rig, 1, relay_rig_at_three, 3);
    relay_rig_advance(rig, 2200);
    relay_rig_expect_emit(rig, slot, 0, 1);
    relay_rig_expect_emit(rig, slot, 1, 2);
    relay_rig_report(rig, slot, 2);
    relay_rig_report(rig, slot, 0);
    relay_rig_advance(rig, 1000);
    relay_rig_expect_none(rig, RELAY_DELETE);
    relay_rig_report(rig, slot, 1);
    relay_rig_expect_none(rig, RELAY_DELETE);
    relay_rig_advance(rig, 50);
    struct relay_effect delete = relay_rig_take(rig, RELAY_DELETE);
    assert_int_equal(delete.batch.count, 1);
    assert_int_equal(delete.batch.slots[0].index, slot.index);
    relay_rig_expect_none(rig, RELAY_FREE);
    relay_rig_answer(rig, &delete);
    relay_rig_take(rig, RELAY_FREE);
    assert_int_equal(rig->core.counters.completed, 1);
    assert_int_equal(rig->core.counters.deleted, 1);
    assert_int_equal(rig->core.window_used, 0);
    assert_int_equal(rig->core.waiting_records, 0);
    assert_int_equal(rig->core.bytes, 0);
}

static void a_report_counts_once_and_only_if_it_is_awaited(void **state)
{
    struct relay_rig *rig = *state;
    struct relay_ref slot = relay_rig_hold(rig, 1, relay_rig_at_three, 3);
    relay_rig_advance(rig, 2200);
    relay_rig_report(rig, slot, 0); /* emitted, but the shell has not said so yet: still awaited */
    relay_rig_emitted(rig, slot, 1, false);
    relay_rig_report(rig, slot, 0);
    relay_rig_report(rig, slot, 0);
    relay_rig_report(rig, slot, 3);
    relay_rig_report(rig, slot, 40000);
    relay_rig_report(rig, (struct relay_ref){slot.index, slot.generation + 1}, 0);
    assert_int_equal(rig->core.counters.stray_completions, 5);
    relay_rig_advance(rig, 100);
    relay_rig_expect_none(rig, RELAY_DELETE);
    assert_int_equal(rig->core.slots[slot.index].settled, 1);
}

static void a_late_report_means_nothing_to_the_slots_next_message(void **state)
{
    struct relay_rig *rig = *state;
    struct relay_ref before = relay_rig_hold(rig, 1, relay_rig_at_0, 1);
    relay_rig_advance(rig, 2000);
    relay_rig_expect_emit(rig, before, 0, 1);
    relay_rig_report(rig, before, 0);
    relay_rig_advance(rig, 50);
    struct relay_effect delete = relay_rig_take(rig, RELAY_DELETE);
    relay_rig_answer(rig, &delete);
    struct relay_ref after = relay_rig_hold(rig, 2, relay_rig_at_0, 1);
    assert_int_equal(after.index, before.index);
    relay_rig_expect_emit(rig, after, 0, 1);
    relay_rig_report(rig, before, 0);
    assert_int_equal(rig->core.counters.completed, 1);
    assert_int_equal(rig->core.counters.stray_completions, 1);
}

static void failed_and_unknown_records_go_again(void **state)
{
    struct relay_rig *rig = *state;
    struct relay_ref slot = relay_rig_hold(rig, 1, relay_rig_at_three, 3);
    relay_rig_advance(rig, 2200);
    relay_rig_expect_emit(rig, slot, 0, 1);
    relay_rig_expect_emit(rig, slot, 1, 2);
    relay_rig_report(rig, slot, 0);
    relay_rig_report_as(rig, slot, 1, OUTCOME_UNKNOWN, RELAY_REFUSED_NOT);
    relay_rig_report_as(rig, slot, 2, OUTCOME_FAILED, RELAY_REFUSED_NOT);
    relay_rig_expect_none(rig, RELAY_EMIT);
    relay_rig_advance(rig, 100);
    relay_rig_expect_emit(rig, slot, 1, 2); /* neighbours together */
    assert_int_equal(rig->core.counters.emitted_again, 2);
    assert_int_equal(rig->core.counters.unknown_reports, 1);
    relay_rig_report_as(rig, slot, 1, OUTCOME_FAILED, RELAY_REFUSED_NOT);
    relay_rig_report(rig, slot, 2);
    relay_rig_advance(rig, 99);
    relay_rig_expect_none(rig, RELAY_EMIT); /* the back-off has doubled */
    relay_rig_advance(rig, 101);
    relay_rig_take(rig, RELAY_EMIT);
    relay_rig_emitted(rig, slot, 0, true); /* full: it stays on the list */
    relay_rig_advance(rig, 10);
    relay_rig_expect_emit(rig, slot, 1, 1);
    relay_rig_expect_none(rig, RELAY_DELETE);
    relay_rig_report(rig, slot, 1);
    relay_rig_advance(rig, 50);
    relay_rig_take(rig, RELAY_DELETE);
    assert_int_equal(rig->core.counters.delivered, 3);
}

static void a_refused_record_is_dead_lettered_alone(void **state)
{
    struct relay_rig *rig = *state;
    struct relay_ref slot = relay_rig_hold(rig, 1, relay_rig_at_three, 3);
    relay_rig_advance(rig, 2200);
    relay_rig_expect_emit(rig, slot, 0, 1);
    relay_rig_expect_emit(rig, slot, 1, 2);
    relay_rig_report(rig, slot, 0);
    relay_rig_report_as(rig, slot, 1, OUTCOME_FAILED, RELAY_REFUSED_TARGET_UNKNOWN);
    struct relay_dead_letter dead = relay_rig_take(rig, RELAY_DEAD_LETTER).dead_letter;
    assert_int_equal(dead.record, 1);
    assert_int_equal(dead.refusal, RELAY_REFUSED_TARGET_UNKNOWN);
    assert_int_equal(dead.detail, 9);
    relay_rig_report(rig, slot, 2);
    relay_rig_advance(rig, 1000);
    relay_rig_expect_none(rig, RELAY_DELETE);
    relay_rig_report_dead(rig, &dead, OUTCOME_DONE, false);
    relay_rig_advance(rig, 50);
    relay_rig_take(rig, RELAY_DELETE);
    relay_rig_expect_none(rig, RELAY_EMIT);
    assert_int_equal(rig->core.dead_letters[RELAY_REFUSED_TARGET_UNKNOWN], 1);
    assert_int_equal(rig->core.counters.dead_lettered, 1);
    assert_int_equal(rig->core.counters.delivered, 2);
}

static void of_a_refused_batch_only_the_guilty_record_is_dead_lettered(void **state)
{
    struct relay_rig *rig = *state;
    struct relay_ref slot = relay_rig_hold(rig, 1, relay_rig_at_three, 3);
    relay_rig_advance(rig, 2200);
    relay_rig_expect_emit(rig, slot, 0, 1);
    relay_rig_expect_emit(rig, slot, 1, 2);
    for (uint32_t i = 0; i < 3; i++)
        relay_rig_report_batch_refused(rig, slot, i);
    relay_rig_expect_none(rig, RELAY_DEAD_LETTER);
    relay_rig_expect_none(
        rig, RELAY_EMIT); /* not at once: what else was refused with them comes again too */
    relay_rig_advance(rig, 100);
    relay_rig_expect_emit(rig, slot, 0, 1);
    relay_rig_advance(rig, 100);
    relay_rig_expect_none(rig, RELAY_EMIT); /* neighbours, but each by itself */
    relay_rig_report(rig, slot, 0);
    relay_rig_take(rig, RELAY_EMIT);
    relay_rig_emitted(rig, slot, 0, true); /* full: it is the next all the same */
    relay_rig_advance(rig, RELAY_FULL_RETRY_MS);
    relay_rig_expect_emit(rig, slot, 2, 1);
    relay_rig_report(rig, slot, 2);
    for (int i = 0; i < RELAY_ALONE_TRIES; i++) { /* it may have met another that is to blame */
        relay_rig_expect_emit(rig, slot, 1, 1);
        relay_rig_expect_none(rig, RELAY_DEAD_LETTER);
        relay_rig_report_batch_refused(rig, slot, 1);
        relay_rig_advance(rig, 400);
    }
    struct relay_dead_letter dead = relay_rig_take(rig, RELAY_DEAD_LETTER).dead_letter;
    assert_int_equal(dead.record, 1);
    assert_int_equal(dead.refusal, RELAY_REFUSED_TARGET_REFUSED);
    relay_rig_report_dead(rig, &dead, OUTCOME_DONE, false);
    relay_rig_advance(rig, 50);
    relay_rig_take(rig, RELAY_DELETE);
    assert_int_equal(rig->core.counters.emitted_alone, 3 + RELAY_ALONE_TRIES);
    assert_int_equal(rig->core.counters.delivered, 2);
    assert_int_equal(rig->core.window_used, 0);
}

static void a_suspect_without_a_verdict_stays_one(void **state)
{
    struct relay_rig *rig = *state;
    static const uint16_t at_once_and_later[] = {0, 500, 500};
    struct relay_ref slot = relay_rig_hold(rig, 1, at_once_and_later, 3);
    relay_rig_advance(rig, 2050);
    relay_rig_expect_emit(rig, slot, 0, 1);
    relay_rig_report_batch_refused(rig, slot, 0);
    relay_rig_advance(rig, 100);
    relay_rig_expect_emit(rig, slot, 0, 1);
    relay_rig_advance(
        rig, 400); /* the others are due; that Kafka is full for them says nothing of the first */
    relay_rig_take(rig, RELAY_EMIT);
    relay_rig_emitted(rig, slot, 0, true);
    relay_rig_advance(rig, RELAY_FULL_RETRY_MS);
    relay_rig_expect_emit(rig, slot, 1, 2);
    relay_rig_report_as(rig, slot, 0, OUTCOME_UNKNOWN, RELAY_REFUSED_NOT);
    relay_rig_report(rig, slot, 1);
    relay_rig_report(rig, slot, 2);
    relay_rig_advance(rig, 100);
    for (int i = 0; i < RELAY_ALONE_TRIES; i++) {
        relay_rig_expect_emit(rig, slot, 0, 1);
        relay_rig_report_batch_refused(rig, slot, 0);
        relay_rig_advance(rig, 400);
    }
    assert_int_equal(relay_rig_take(rig, RELAY_DEAD_LETTER).dead_letter.record, 0);
    assert_int_equal(rig->core.counters.emitted_again, 0);
}

static void dead_letters_that_failed_go_apart(void **state)
{
    struct relay_rig *rig = *state;
    struct relay_ref slot = relay_rig_hold(rig, 1, relay_rig_at_three, 3);
    relay_rig_advance(rig, 2200);
    relay_rig_expect_emit(rig, slot, 0, 1);
    relay_rig_expect_emit(rig, slot, 1, 2);
    for (uint32_t i = 0; i < 3; i++)
        relay_rig_report_as(rig, slot, i, OUTCOME_FAILED, RELAY_REFUSED_TARGET_UNKNOWN);
    struct relay_dead_letter dead[3];
    for (uint32_t i = 0; i < 3; i++)
        dead[i] = relay_rig_take(rig, RELAY_DEAD_LETTER).dead_letter;
    for (uint32_t i = 0; i < 3; i++)
        relay_rig_report_dead(rig, &dead[i], OUTCOME_FAILED, false);
    relay_rig_expect_none(rig, RELAY_DEAD_LETTER);
    relay_rig_advance(rig, 1000);
    assert_int_equal(relay_rig_count(rig, RELAY_DEAD_LETTER), 3);
}

static void a_refused_dead_letter_is_kept_and_tried_again(void **state)
{
    struct relay_rig *rig = *state;
    struct relay_ref slot = relay_rig_hold(rig, 1, relay_rig_at_three, 3);
    relay_rig_advance(rig, 2200);
    relay_rig_expect_emit(rig, slot, 0, 1);
    relay_rig_expect_emit(rig, slot, 1, 2);
    for (uint32_t i = 0; i < 3; i++)
        relay_rig_report_as(rig, slot, i, OUTCOME_FAILED, RELAY_REFUSED_TARGET_UNAUTHORIZED);
    assert_int_equal(relay_rig_count(rig, RELAY_DEAD_LETTER), 3);
    struct relay_dead_letter first = relay_rig_take(rig, RELAY_DEAD_LETTER).dead_letter;
    struct relay_dead_letter second = relay_rig_take(rig, RELAY_DEAD_LETTER).dead_letter;
    struct relay_dead_letter third = relay_rig_take(rig, RELAY_DEAD_LETTER).dead_letter;
    relay_rig_report_dead(rig, &first, OUTCOME_FAILED, false);
    relay_rig_expect_none(rig, RELAY_DEAD_LETTER);
    relay_rig_advance(rig, 100);
    first = relay_rig_take(rig, RELAY_DEAD_LETTER).dead_letter;
    assert_int_equal(first.record, 0);
    assert_int_equal(first.refusal, RELAY_REFUSED_TARGET_UNAUTHORIZED);
    relay_rig_report_dead(rig, &second, OUTCOME_FAILED, true); /* no fault: the queue was full */
    relay_rig_advance(rig, RELAY_FULL_RETRY_MS);
    second = relay_rig_take(rig, RELAY_DEAD_LETTER).dead_letter;
    relay_rig_report_dead(rig, &third, OUTCOME_UNKNOWN, false);
    assert_int_equal(rig->core.counters.dead_letter_failures, 2);
    relay_rig_advance(rig, 300);
    third = relay_rig_take(rig, RELAY_DEAD_LETTER).dead_letter;
    relay_rig_report_dead(rig, &first, OUTCOME_DONE, false);
    relay_rig_report_dead(rig, &second, OUTCOME_DONE, false);
    relay_rig_advance(rig, 1000);
    relay_rig_expect_none(rig, RELAY_DELETE);
    relay_rig_report_dead(rig, &third, OUTCOME_DONE, false);
    relay_rig_advance(rig, 50);
    relay_rig_take(rig, RELAY_DELETE);
    assert_int_equal(rig->core.window_used, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RELAY_CASE(each_record_goes_at_its_own_millisecond),
        RELAY_CASE(the_deadline_is_the_next_due_instant),
        RELAY_CASE(overdue_goes_at_once),
        RELAY_CASE(the_wall_clock_alone_decides_what_is_due),
        RELAY_CASE(what_the_shell_finds_early_is_asked_for_again),
        RELAY_CASE(a_full_queue_stops_emission_and_receiving),
        RELAY_CASE(the_window_bounds_what_is_in_flight),
        RELAY_CASE(deleted_only_after_the_last_report),
        RELAY_CASE(reports_may_come_many_at_once),
        RELAY_CASE(a_report_counts_once_and_only_if_it_is_awaited),
        RELAY_CASE(a_late_report_means_nothing_to_the_slots_next_message),
        RELAY_CASE(failed_and_unknown_records_go_again),
        RELAY_CASE(a_refused_record_is_dead_lettered_alone),
        RELAY_CASE(of_a_refused_batch_only_the_guilty_record_is_dead_lettered),
        RELAY_CASE(a_suspect_without_a_verdict_stays_one),
        RELAY_CASE(dead_letters_that_failed_go_apart),
        RELAY_CASE(a_refused_dead_letter_is_kept_and_tried_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
