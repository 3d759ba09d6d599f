/* Offsets, commits, rebalances, back-pressure, stop. */
#include "tests/harness/router_rig.h"

static struct rig *start_with(const struct router_limits *limits)
{
    struct rig *rig = rig_start(limits);
    rig_assign(rig, 1);
    return rig;
}

static void an_offset_moves_only_over_durable_records(void **state)
{
    (void)state;
    struct rig *rig = start_with(NULL);
    rig_record(rig, 0, 0, 100);
    rig_record(rig, 0, -1000, 100);
    rig_record(rig, 0, -2000, 100);
    rig_sleep(rig, 5);
    struct rig_call *first = rig_call(rig, ROUTER_SQS); /* offset 0 alone, the others together */
    struct rig_call *second = NULL;
    for (int i = 0; i < RIG_CALLS; i++)
        if (rig->calls[i].open && &rig->calls[i] != first)
            second = &rig->calls[i];
    assert_int_equal(second->count, 2);
    rig_answer(rig, second, ROUTER_RESULT_DONE);
    rig_sleep(rig, 2000);
    assert_int_equal(rig->committed[0], -1); /* 1 and 2 are durable, 0 is not */
    rig_answer(rig, first, ROUTER_RESULT_RETRY);
    rig_sleep(rig, 2000);
    assert_int_equal(rig->committed[0], -1);
    rig_answer(rig, rig_call(rig, ROUTER_SQS), ROUTER_RESULT_DONE);
    rig_sleep(rig, rig->limits.commit_interval_ms);
    assert_int_equal(rig->committed[0], 3);
    rig_end(rig);
}

static void commits_come_in_time_and_one_at_a_time(void **state)
{
    (void)state;
    struct rig *rig = start_with(NULL);
    rig->hold_commits = true;
    rig_record(rig, 0, 0, 100);
    rig_answer(rig, rig_call(rig, ROUTER_SQS), ROUTER_RESULT_DONE);
    rig_sleep(rig, rig->limits.commit_interval_ms - 1);
    assert_int_equal(rig->commit_id, 0);
    rig_sleep(rig, 1);
    assert_int_not_equal(rig->commit_id, 0);
    rig_record(rig, 1, 0, 100);
    rig_answer(rig, rig_call(rig, ROUTER_SQS), ROUTER_RESULT_DONE);
    rig_sleep(rig, RIG_MINUTES(1)); /* the rig fails at a second commit under way */
    assert_int_equal(rig->committed[1], -1);
    rig_commit_ends(rig, true);
    rig->hold_commits = false;
    rig_sleep(rig, rig->limits.commit_interval_ms);
    assert_int_equal(rig->committed[1], 1);
    assert_int_equal(rig->core->stats.commits, 2);
    rig_end(rig);
}

static void nothing_moved_means_no_commit(void **state)
{
    (void)state;
    struct rig *rig = start_with(NULL);
    rig_sleep(rig, RIG_MINUTES(1));
    assert_int_equal(router_core_deadline(rig->core).mono.ms, TIME_NEVER);
    assert_int_equal(rig->core->stats.commits, 0);
    rig_free(rig);
}

static void a_failed_commit_is_repeated(void **state)
{
    (void)state;
    struct rig *rig = start_with(NULL);
    rig->hold_commits = true;
    rig_record(rig, 0, 0, 100);
    rig_answer(rig, rig_call(rig, ROUTER_SQS), ROUTER_RESULT_DONE);
    rig_sleep(rig, rig->limits.commit_interval_ms);
    rig_commit_ends(rig, false);
    assert_int_equal(rig->commit_id, 0);
    rig_sleep(rig, rig->limits.commit_interval_ms);
    assert_int_not_equal(rig->commit_id, 0);
    assert_int_equal(rig->committed[0], 1);
    rig_commit_ends(rig, true);
    assert_int_equal(rig->core->stats.commit_failures, 1);
    rig_end(rig);
}

static void a_replay_is_ignored_and_counted(void **state)
{
    (void)state;
    struct rig *rig = start_with(NULL);
    rig_record(rig, 0, RIG_MINUTES(1), 100);
    rig_record(rig, 0, RIG_MINUTES(1), 100);
    rig->next_offset[0] = 0;
    rig_record(rig, 0, RIG_MINUTES(1), 100);
    rig_record(rig, 0, RIG_MINUTES(1), 100);
    assert_int_equal(rig->core->stats.replays, 2);
    assert_int_equal(rig->core->stats.records_taken, 2);
    rig_record(rig, 0, RIG_MINUTES(1), 100);
    assert_int_equal(rig->core->stats.records_taken, 3);
    rig_end(rig);
}

static void a_gap_in_the_offsets_is_no_obstacle(void **state)
{
    (void)state;
    struct rig *rig = start_with(NULL);
    rig->next_offset[0] = 1000;
    rig_record(rig, 0, 0, 100);
    rig->next_offset[0] = 5000;
    rig_record(rig, 0, 0, 100);
    rig_settle(rig, RIG_MINUTES(1));
    assert_int_equal(rig->committed[0], 5001);
    rig_end(rig);
}

static void a_revoked_partition_is_flushed_committed_released(void **state)
{
    (void)state;
    struct rig *rig = start_with(NULL);
    rig->hold_commits = true;
    rig_record(rig, 0, RIG_MINUTES(10), 100); /* would linger for a second */
    rig_record(rig, 1, RIG_MINUTES(11), 100);
    rig_revoke(rig, 0, false);
    assert_int_equal(rig->sends, 1); /* the other partition's envelope lingers on */
    assert_int_equal(rig->released, 0);
    rig_answer(rig, rig_call(rig, ROUTER_SQS), ROUTER_RESULT_DONE);
    assert_int_equal(rig->committed[0], 1); /* at once */
    assert_int_equal(rig->released, 0);     /* but not before the commit has ended */
    rig_commit_ends(rig, true);
    rig_tick(rig);
    assert_int_equal(rig->released, 1);
    assert_false(rig->assigned[0]);
    assert_true(rig->assigned[1]);
    rig->hold_commits = false;
    rig_end(rig);
}

static void a_clean_partition_is_released_at_once(void **state)
{
    (void)state;
    struct rig *rig = start_with(NULL);
    rig_record(rig, 0, 0, 100);
    rig_settle(rig, RIG_MINUTES(1));
    rig_revoke(rig, 0, false);
    assert_int_equal(rig->released, 1);
    rig_end(rig);
}

static void grace_over_the_rest_is_abandoned(void **state)
{
    (void)state;
    struct rig *rig = start_with(NULL);
    rig->faults = true; /* the next owner will send it too */
    rig_record(rig, 0, 0, 100);
    rig_record(rig, 0, -1000, 100);
    rig_sleep(rig, 5);
    struct rig_call *stuck = rig_call(rig, ROUTER_SQS);
    rig_revoke(rig, 0, false);
    rig_sleep(rig, rig->limits.revoke_grace_ms - 1);
    assert_int_equal(rig->released, 0);
    rig_sleep(rig, 1);
    assert_int_equal(rig->released, 1);
    assert_int_equal(rig->core->stats.abandoned, 2);
    /* It is ours again, from the start, with the old records still under way. */
    rig_assign(rig, 0);
    rig->next_offset[0] = 0;
    rig_record(rig, 0, 0, 100);
    rig_answer(rig, stuck, ROUTER_RESULT_DONE);
    rig_sleep(rig, 1000);
    assert_int_equal(rig->committed[0], -1); /* the late answer moved nothing */
    rig_settle(rig, RIG_MINUTES(1));
    assert_int_equal(rig->committed[0], 1);
    rig_end(rig);
}

static void a_lost_partition_is_released_without_commit(void **state)
{
    (void)state;
    struct rig *rig = start_with(NULL);
    rig_record(rig, 0, 0, 100);
    rig_answer(rig, rig_call(rig, ROUTER_SQS), ROUTER_RESULT_DONE);
    rig_record(rig, 0, 0, 100);
    rig_revoke(rig, 0, true);
    assert_int_equal(rig->released, 1);
    rig_settle(rig, RIG_MINUTES(1));
    assert_int_equal(rig->committed[0], -1);
    rig_end(rig);
}

static void a_revoke_in_mid_batch_leaves_the_other_partition_alone(void **state)
{
    (void)state;
    struct rig *rig = start_with(NULL);
    for (int i = 0; i < 100; i++)
        rig_record(rig, (uint32_t)i % 2, RIG_MINUTES(5) + 500 * i, 100);
    rig_revoke(rig, 1, false);
    rig_settle(rig, RIG_MINUTES(1));
    assert_int_equal(rig->released, 1);
    assert_int_equal(rig->committed[0], 50);
    assert_int_equal(rig->committed[1], 50);
    rig_record(rig, 0, 0, 100);
    rig_end(rig);
}

static void records_of_a_partition_that_is_not_ours_are_left_alone(void **state)
{
    (void)state;
    struct rig *rig = start_with(NULL);
    rig_revoke(rig, 1, false);
    int64_t offset = rig_record(rig, 1, 0, 100);
    rig_ledger(rig, 1, offset)->taken = false;
    assert_int_equal(rig->core->stats.strays, 1);
    rig_end(rig);
}

static void bytes_in_flight_pause_and_resume(void **state)
{
    (void)state;
    struct router_limits limits = rig_limits();
    limits.in_flight_bytes_max = 1 * MIB;
    struct rig *rig = start_with(&limits);
    while (!rig->paused)
        rig_record(rig, 0, RIG_MINUTES(5) + 1000 * rig->next_offset[0], 10000);
    assert_in_range(rig->core->bytes, 1 * MIB, 1 * MIB + 10000);
    while (rig->paused) {
        struct rig_call *call = rig_call(rig, ROUTER_SQS);
        assert_non_null(call); /* nothing lingers while paused */
        rig_answer(rig, call, ROUTER_RESULT_DONE);
    }
    assert_true(rig->core->bytes < 1 * MIB / 4 * 3);
    rig_end(rig);
}

static void a_short_pool_pauses_before_it_is_empty(void **state)
{
    (void)state;
    struct router_limits limits = rig_limits();
    limits.envelopes_max = 32;
    limits.sqs_calls_max = 1;
    struct rig *rig = start_with(&limits);
    for (int i = 0; !rig->paused; i++)
        rig_record(rig, 0, 1000 * i, 100);
    assert_true(router_core_accepts(rig->core));
    rig_end(rig);

    limits = rig_limits();
    limits.nodes_max = 64;
    rig = start_with(&limits);
    while (!rig->paused)
        rig_record(rig, 0, RIG_MINUTES(10), 100);
    assert_true(router_core_accepts(rig->core));
    rig_end(rig);
}

static void a_record_that_was_not_asked_for_ends_the_program(void *ctx)
{
    struct rig *rig = ctx;
    for (;;)
        rig_record(rig, 0, RIG_MINUTES(10), 100);
}

static void an_empty_pool_accepts_nothing(void **state)
{
    (void)state;
    struct router_limits limits = rig_limits();
    limits.nodes_max = 16;
    struct rig *rig = start_with(&limits);
    while (router_core_accepts(rig->core))
        rig_record(rig, 0, RIG_MINUTES(10), 100);
    expect_abort(a_record_that_was_not_asked_for_ends_the_program, rig);
    rig_end(rig);
}

static void stop_takes_nothing_in_and_drains(void **state)
{
    (void)state;
    struct rig *rig = start_with(NULL);
    for (int i = 0; i < 300; i++)
        rig_record(rig, 0, RIG_MINUTES(1) * i, 100);
    assert_false(router_core_idle(rig->core));
    rig_stop(rig);
    assert_true(rig->paused);
    int64_t offset = rig_record(rig, 0, 0, 100);
    rig_ledger(rig, 0, offset)->taken = false;
    assert_int_equal(rig->core->stats.strays, 1);
    int64_t began_ms = rig->now.mono.ms;
    rig_settle(rig, RIG_MINUTES(1));
    assert_int_equal(rig->now.mono.ms, began_ms); /* nothing lingered */
    assert_true(router_core_idle(rig->core));
    assert_int_equal(rig->committed[0], 300);
    rig_revoke(rig, 0, false); /* leaving the group */
    assert_int_equal(rig->released, 1);
    assert_true(router_core_idle(rig->core));
    rig_end(rig);
}

static void stop_with_nothing_to_do_is_idle(void **state)
{
    (void)state;
    struct rig *rig = start_with(NULL);
    rig_stop(rig);
    assert_true(router_core_idle(rig->core));
    rig_end(rig);
}

static void stop_is_not_idle_before_the_commit_has_ended(void **state)
{
    (void)state;
    struct rig *rig = start_with(NULL);
    rig->hold_commits = true;
    rig_record(rig, 0, 0, 100);
    rig_stop(rig);
    rig_answer(rig, rig_call(rig, ROUTER_SQS), ROUTER_RESULT_DONE);
    assert_false(router_core_idle(rig->core));
    rig_commit_ends(rig, true);
    assert_true(router_core_idle(rig->core));
    rig_end(rig);
}

static void a_late_answer_does_not_end_the_call_that_took_its_place(void **state)
{
    (void)state;
    struct rig *rig = start_with(NULL);
    rig_record(rig, 0, 0, 100);
    struct router_event late = {.type = ROUTER_EVENT_SENT};
    late.sent.call = rig_call(rig, ROUTER_SQS)->id;
    rig_answer(rig, rig_call(rig, ROUTER_SQS), ROUTER_RESULT_DONE);
    rig_record(rig, 0, 0, 100);
    assert_int_equal(router_slot(rig_call(rig, ROUTER_SQS)->id), router_slot(late.sent.call));
    rig_step(rig, &late); /* DONE, but of the first call */
    rig_sleep(rig, 1000);
    assert_int_equal(rig->committed[0], 1);
    assert_int_equal(rig->core->stats.foreign, 1);
    rig_end(rig);
}

static void foreign_completions_are_counted_and_change_nothing(void **state)
{
    (void)state;
    struct rig *rig = start_with(NULL);
    rig_record(rig, 0, 0, 100);
    struct rig_call *call = rig_call(rig, ROUTER_SQS);
    uint64_t id = call->id;
    uint64_t envelope = call->entries[0].id;
    rig_answer(rig, call, ROUTER_RESULT_DONE);
    rig_sleep(rig, 1000);
    uint64_t digest = router_core_digest(rig->core);
    struct router_event event = {.type = ROUTER_EVENT_SENT};
    event.sent.call = id;
    rig_step(rig, &event);
    event.sent.call = UINT64_MAX;
    rig_step(rig, &event);
    event = (struct router_event){.type = ROUTER_EVENT_ENCODED};
    event.encoded.id = envelope;
    rig_step(rig, &event);
    event = (struct router_event){.type = ROUTER_EVENT_DEAD_LETTERED};
    event.dead_lettered.id = envelope;
    rig_step(rig, &event);
    event = (struct router_event){.type = ROUTER_EVENT_COMMITTED};
    event.committed.id = 1;
    event.committed.done = true;
    rig_step(rig, &event);
    assert_int_equal(rig->core->stats.foreign, 5);
    assert_true(digest == router_core_digest(rig->core));
    rig_end(rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_offset_moves_only_over_durable_records),
        cmocka_unit_test(commits_come_in_time_and_one_at_a_time),
        cmocka_unit_test(nothing_moved_means_no_commit),
        cmocka_unit_test(a_failed_commit_is_repeated),
        cmocka_unit_test(a_replay_is_ignored_and_counted),
        cmocka_unit_test(a_gap_in_the_offsets_is_no_obstacle),
        cmocka_unit_test(a_revoked_partition_is_flushed_committed_released),
        cmocka_unit_test(a_clean_partition_is_released_at_once),
        cmocka_unit_test(grace_over_the_rest_is_abandoned),
        cmocka_unit_test(a_lost_partition_is_released_without_commit),
        cmocka_unit_test(a_revoke_in_mid_batch_leaves_the_other_partition_alone),
        cmocka_unit_test(records_of_a_partition_that_is_not_ours_are_left_alone),
        cmocka_unit_test(bytes_in_flight_pause_and_resume),
        cmocka_unit_test(a_short_pool_pauses_before_it_is_empty),
        cmocka_unit_test(an_empty_pool_accepts_nothing),
        cmocka_unit_test(stop_takes_nothing_in_and_drains),
        cmocka_unit_test(stop_with_nothing_to_do_is_idle),
        cmocka_unit_test(stop_is_not_idle_before_the_commit_has_ended),
        cmocka_unit_test(a_late_answer_does_not_end_the_call_that_took_its_place),
        cmocka_unit_test(foreign_completions_are_counted_and_change_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
