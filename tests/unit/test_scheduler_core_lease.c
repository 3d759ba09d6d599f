#include "tests/harness/scheduler_world.h"

/* --- lease and fence ------------------------------------------------------------------------- */

static void a_lease_is_extended_while_the_shard_is_held(void **state)
{
    (void)state;
    struct scheduler_limits limits = scheduler_world_limits();
    struct scheduler_world *w = scheduler_world_new(&limits, 1);
    scheduler_world_add(w, 0, scheduler_world_due(59 * SECOND), 100);
    scheduler_world_start(w, 0);
    scheduler_world_run(w, 39 * SECOND - 100);
    assert_int_equal(w->messages[0].receive_count, 1);
    assert_in_range(w->extensions, 12, 14);
    scheduler_world_run(w, 200);
    scheduler_world_check_delivered(w);
    scheduler_world_free(w);
}

/* The client's rate has no room for polls: neither a failure nor a reason to wait longer. */
static void a_poll_that_is_held_back_asks_again_when_told(void **state)
{
    (void)state;
    struct scheduler_limits limits = scheduler_world_limits();
    struct scheduler_world *w = scheduler_world_new(&limits, 1);
    scheduler_world_add(w, 0, scheduler_world_due(59 * SECOND), 100);
    w->held_back_ms = 500;
    scheduler_world_start(w, 0);
    scheduler_world_run(w, 10 * SECOND);
    assert_in_range(scheduler_world_counters(w, 0)->polls_held_back, 19, 20);
    assert_int_equal(scheduler_core_failing_ms(w->nodes[0].core, SCHEDULER_DEPENDS_TIMER_QUEUE,
                                               scheduler_world_now(w)),
                     0);
    assert_false(scheduler_core_holds(w->nodes[0].core, 0));
    w->held_back_ms = 0;
    scheduler_world_run(w, 600);
    assert_true(scheduler_core_holds(w->nodes[0].core, 0));
    scheduler_world_free(w);
}

/* A FIFO queue with too much in flight, a server without long polls. */
static void empty_answers_that_come_at_once_do_not_make_it_spin(void **state)
{
    (void)state;
    struct scheduler_limits limits = scheduler_world_limits();
    struct scheduler_world *w = scheduler_world_new(&limits, 1);
    w->wait_ms = 0;
    w->latency_ms = 1;
    scheduler_world_start(w, 0);
    scheduler_world_run(w, 5 * SECOND);
    assert_in_range(w->polls, 50, 5 * SECOND / SCHEDULER_EMPTY_POLL_PAUSE_MS);
    scheduler_world_free(w);
}

/* Expected where a lease lapses or a delete overtakes an extension: a count of its own. */
static void calls_for_what_came_back_are_counted(void **state)
{
    (void)state;
    struct scheduler_limits limits = scheduler_world_limits();
    struct scheduler_world *w = scheduler_world_new(&limits, 1);
    scheduler_world_add(w, 0, scheduler_world_due(59 * SECOND), 100);
    scheduler_world_start(w, 0);
    scheduler_world_run(w, 5 * SECOND);
    assert_int_equal(scheduler_world_counters(w, 0)->receipts_ended, 0);
    w->wait_ms = 100000;
    w->messages[0].receive_count++; /* somebody else has it */
    scheduler_world_run(w, 3 * SECOND);
    assert_int_equal(scheduler_world_counters(w, 0)->receipts_ended, 1);
    assert_int_equal(scheduler_world_counters(w, 0)->leases_lost, 1);
    scheduler_world_free(w);
}

static void a_lease_that_ends_loses_the_shard_in_time(void **state)
{
    (void)state;
    struct scheduler_limits limits = scheduler_world_limits();
    struct scheduler_world *w = scheduler_world_new(&limits, 1);
    scheduler_world_add(w, 0, scheduler_world_due(59 * SECOND), 100);
    scheduler_world_start(w, 0);
    scheduler_world_run(w, 100);
    w->extend_down = true;
    w->wait_ms = 100000; /* no more receives to take it again */
    w->messages[0].visible_at = 60 * SECOND;
    scheduler_world_run(w, 9800);
    assert_true(scheduler_core_holds(w->nodes[0].core, 0));
    scheduler_world_run(w, 200);
    assert_false(scheduler_core_holds(w->nodes[0].core, 0));
    assert_int_equal(scheduler_world_counters(w, 0)->leases_lost, 1);
    scheduler_world_run(w, 35 * SECOND);
    assert_int_equal(w->sends, 0);
    scheduler_world_free(w);
}

static void a_dead_holder_is_replaced_before_anything_is_late(void **state)
{
    (void)state;
    struct scheduler_limits limits = scheduler_world_limits();
    limits.shards = 4;
    struct scheduler_world *w = scheduler_world_new(&limits, 1);
    w->shards = 4;
    for (int i = 0; i < 400; i++)
        scheduler_world_add(w, (uint32_t)i % 4, scheduler_world_due(30 * SECOND + i * 300), 2000);
    scheduler_world_sort(w);
    scheduler_world_start(w, 0);
    scheduler_world_run(w, 20 * SECOND);
    scheduler_world_start(w, 1);
    scheduler_world_run(w, 5 * SECOND);
    scheduler_world_crash(w, 0);
    scheduler_world_run(w, 3 * MINUTE);
    scheduler_world_check_delivered(w);
    assert_true(scheduler_world_counters(w, 1)->takeovers > 0);
    for (uint32_t i = 0; i < w->item_count; i++)
        assert_true(w->items[i].sent_ms <= w->items[i].item.due_ms - 8 * SECOND);
    scheduler_world_free(w);
}

/* F31: asleep past its lease, another goes on, the first wakes up with work in hand. */
static void a_holder_that_slept_is_fenced_off(void **state)
{
    (void)state;
    struct scheduler_limits limits = scheduler_world_limits();
    struct scheduler_world *w = scheduler_world_new(&limits, 1);
    scheduler_world_fill(w, 200, 25 * SECOND, 150, 30 * KIB);
    scheduler_world_start(w, 0);
    scheduler_world_run(w, 10 * SECOND);
    scheduler_world_start(w, 1);
    w->nodes[0].paused = true;
    scheduler_world_run(w, 15 * SECOND);
    assert_int_equal(scheduler_world_counters(w, 1)->takeovers, 1);
    w->nodes[0].paused = false;
    uint64_t sent = scheduler_world_counters(w, 0)->packs_sent;
    scheduler_world_run(w, MINUTE);
    assert_int_equal(scheduler_world_counters(w, 0)->leases_lost, 1);
    assert_in_range(scheduler_world_counters(w, 0)->packs_sent, sent,
                    sent + 40); /* answers on their way */
    scheduler_world_check_delivered(w);
    scheduler_world_free(w);
}

/* The lease looks alive (the clock of the holder stood still), but the cursor says otherwise. */
static void a_refused_fence_ends_the_shard(void **state)
{
    (void)state;
    struct scheduler_limits limits = scheduler_world_limits();
    struct scheduler_world *w = scheduler_world_new(&limits, 1);
    scheduler_world_fill(w, 100, 25 * SECOND, 200, 30 * KIB);
    scheduler_world_start(w, 0);
    scheduler_world_run(w, 10 * SECOND);
    struct scheduler_position before = w->cursors[0].position;
    w->messages[0].receive_count += 1;
    assert_status(table_fence(SLICE_LITERAL("1000"), 9, w->cursors[0].fence), STATUS_OK);
    scheduler_world_run(w, 3 * SECOND);
    assert_int_equal(scheduler_world_counters(w, 0)->fence_refusals, 1);
    assert_memory_equal(&w->cursors[0].position, &before, sizeof(before));
    assert_false(w->messages[0].deleted);
    uint32_t sends = w->sends;
    scheduler_world_run(w, 3 * SECOND);
    assert_int_equal(w->sends, sends);
    scheduler_world_free(w);
}

static void a_move_without_an_answer_is_read_back(void **state)
{
    (void)state;
    struct scheduler_limits limits = scheduler_world_limits();
    struct scheduler_world *w = scheduler_world_new(&limits, 1);
    scheduler_world_fill(w, 100, 25 * SECOND, 200, 30 * KIB);
    w->moves_unknown = true;
    scheduler_world_start(w, 0);
    scheduler_world_run(w, MINUTE + 30 * SECOND);
    scheduler_world_check_delivered(w);
    assert_true(scheduler_world_counters(w, 0)->cursor_unknown > 10);
    assert_int_equal(scheduler_world_counters(w, 0)->fence_refusals, 0);
    assert_int_equal(scheduler_world_cursor_minute(w, 0), 2);
    assert_true(w->messages[0].deleted);
    scheduler_world_free(w);
}

/* The lease counts from before the poll was sent, however long it waited for the message. */
static void a_lease_counts_from_before_the_request(void **state)
{
    (void)state;
    struct scheduler_limits limits = scheduler_world_limits();
    limits.shards = 0;
    struct scheduler_world *w = scheduler_world_new(&limits, 1);
    scheduler_world_add(w, 0, scheduler_world_due(59 * SECOND), 100);
    w->extend_down = true;
    scheduler_world_start(w, 0);
    scheduler_world_run(w, 4 * SECOND);
    scheduler_world_send_tick(w, 0, SCHEDULER_WORLD_EPOCH_MS / MINUTE);
    scheduler_world_run(w, SECOND);
    assert_true(scheduler_core_holds(w->nodes[0].core, 0));
    scheduler_world_run(w, 4900);
    assert_true(scheduler_core_holds(w->nodes[0].core, 0));
    scheduler_world_run(w, 200);
    assert_false(scheduler_core_holds(w->nodes[0].core, 0));
    scheduler_world_free(w);
}

static void a_poll_that_took_too_long_is_extended_first(void **state)
{
    (void)state;
    struct scheduler_limits limits = scheduler_world_limits();
    limits.shards = 0;
    struct scheduler_world *w = scheduler_world_new(&limits, 1);
    w->wait_ms = 30 * SECOND;
    scheduler_world_start(w, 0);
    scheduler_world_run(w, 20 * SECOND);
    scheduler_world_send_tick(w, 0, SCHEDULER_WORLD_EPOCH_MS / MINUTE);
    scheduler_world_run(w, 10 * SECOND);
    assert_int_equal(scheduler_world_counters(w, 0)->leases_lost, 0);
    assert_int_equal(scheduler_world_counters(w, 0)->ticks_finished, 1);
    scheduler_world_free(w);
}

/* The server thinks that our lease ended, we do not: the same tick comes once more. */
static void a_tick_that_is_held_already_starts_afresh(void **state)
{
    (void)state;
    struct scheduler_limits limits = scheduler_world_limits();
    struct scheduler_world *w = scheduler_world_new(&limits, 1);
    scheduler_world_fill(w, 100, 25 * SECOND, 300, 30 * KIB);
    scheduler_world_start(w, 0);
    scheduler_world_run(w, 10 * SECOND);
    w->messages[0].visible_at = w->mono;
    scheduler_world_run(w, 2 * SECOND);
    assert_int_equal(scheduler_world_counters(w, 0)->leases_lost, 1);
    assert_int_equal(w->messages[0].receive_count, 2);
    scheduler_world_run(w, MINUTE);
    scheduler_world_check_delivered(w);
    assert_int_equal(scheduler_world_counters(w, 0)->fence_refusals, 0);
    scheduler_world_free(w);
}

static void a_newer_fence_is_respected_before_dispatch(void **state)
{
    (void)state;
    struct scheduler_limits limits = scheduler_world_limits();
    struct scheduler_world *w = scheduler_world_new(&limits, 1);
    scheduler_world_fill(w, 10, 25 * SECOND, 300, 30 * KIB);
    assert_status(table_fence(SLICE_LITERAL("1000"), 5, w->cursors[0].fence), STATUS_OK);
    scheduler_world_start(w, 0);
    scheduler_world_run(w, 9 * SECOND);
    assert_int_equal(scheduler_world_counters(w, 0)->fence_refusals, 1);
    assert_false(scheduler_core_holds(w->nodes[0].core, 0));
    assert_int_equal(w->sends, 0);
    scheduler_world_run(w, 2 * MINUTE); /* by then the receive count has outgrown it */
    scheduler_world_check_delivered(w);
    scheduler_world_free(w);
}

static bool waits_for(const struct scheduler_world *w, enum scheduler_effect_kind kind)
{
    for (uint32_t i = 0; i < w->pending_count; i++) {
        if (w->pending[i].effect.kind == kind && w->pending[i].stage == SCHEDULER_WORLD_APPLY)
            return true;
    }
    return false;
}

static void what_the_last_holder_moved_meanwhile_counts(void **state)
{
    (void)state;
    struct scheduler_limits limits = scheduler_world_limits();
    struct scheduler_world *w = scheduler_world_new(&limits, 1);
    scheduler_world_fill(w, 20, SECOND, 100, 30 * KIB);
    scheduler_world_start(w, 0);
    while (!waits_for(w, SCHEDULER_EFFECT_WRITE_FENCE))
        assert_true(scheduler_world_turn(w, w->mono + SECOND));
    for (uint32_t i = 0; i < 10; i++)
        w->items[i].delivered = 1;
    memcpy(w->cursors[0].position.place, w->items[9].item.sk, TABLE_KEY_SIZE);
    scheduler_world_run(w, MINUTE);
    scheduler_world_check_delivered(w);
    scheduler_world_free(w);
}

/* Answers to sends of an earlier life of the shard say nothing about its packs of now. */
static void late_answers_of_a_left_shard_change_nothing(void **state)
{
    (void)state;
    struct scheduler_limits limits = scheduler_world_limits();
    struct scheduler_world *w = scheduler_world_new(&limits, 1);
    scheduler_world_fill(w, 30, SECOND, 100, 30 * KIB);
    w->send_latency_ms = 6 * SECOND;
    scheduler_world_start(w, 0);
    scheduler_world_run(w, 2 * SECOND);
    w->messages[0].visible_at = w->mono;
    scheduler_world_run(w, MINUTE);
    assert_int_equal(scheduler_world_counters(w, 0)->leases_lost, 1);
    scheduler_world_check_delivered(w);
    assert_int_equal(scheduler_world_cursor_minute(w, 0), 2);
    scheduler_world_free(w);
}

/* --- stop ------------------------------------------------------------------------------------ */

static void a_stop_moves_the_cursor_and_hands_back(void **state)
{
    (void)state;
    struct scheduler_limits limits = scheduler_world_limits();
    limits.cursor_every_ms = MINUTE;
    struct scheduler_world *w = scheduler_world_new(&limits, 1);
    scheduler_world_fill(w, 100, 25 * SECOND, 300, 30 * KIB);
    scheduler_world_start(w, 0);
    scheduler_world_run(w, 15 * SECOND);
    assert_int_equal(w->cursors[0].position.place[0], '\0');
    scheduler_world_stop(w, 0);
    int64_t stopped_at = w->mono;
    while (!scheduler_core_idle(w->nodes[0].core)) {
        scheduler_world_run(w, 10);
        assert_true(w->mono - stopped_at < 6 * SECOND);
    }
    assert_int_not_equal(w->cursors[0].position.place[0], '\0');
    assert_false(scheduler_core_holds(w->nodes[0].core, 0));
    assert_true(w->messages[0].visible_at <= w->mono);
    /* Twice, if our own last poll was the first to see it. */
    assert_in_range(scheduler_world_counters(w, 0)->ticks_handed_back, 1, 2);
    scheduler_world_crash(w, 0);
    scheduler_world_start(w, 1);
    scheduler_world_run(w, MINUTE);
    scheduler_world_check_delivered(w);
    assert_int_equal(w->repeats, 0);
    scheduler_world_free(w);
}

static void a_stop_waits_for_sends_in_flight(void **state)
{
    (void)state;
    struct scheduler_limits limits = scheduler_world_limits();
    struct scheduler_world *w = scheduler_world_new(&limits, 1);
    scheduler_world_fill(w, 30, SECOND, 100, 30 * KIB);
    w->send_latency_ms = 2 * SECOND;
    scheduler_world_start(w, 0);
    scheduler_world_run(w, SECOND);
    assert_true(scheduler_core_sends_in_flight(w->nodes[0].core) > 0);
    scheduler_world_stop(w, 0);
    scheduler_world_run(w, 6 * SECOND);
    assert_true(scheduler_core_idle(w->nodes[0].core));
    scheduler_world_crash(w, 0);
    w->send_latency_ms = 0;
    scheduler_world_start(w, 1);
    scheduler_world_run(w, MINUTE);
    scheduler_world_check_delivered(w);
    assert_int_equal(w->repeats, 0);
    scheduler_world_free(w);
}

static void a_stop_while_all_is_down_ends_too(void **state)
{
    (void)state;
    struct scheduler_limits limits = scheduler_world_limits();
    limits.shards = 4;
    struct scheduler_world *w = scheduler_world_new(&limits, 1);
    for (int i = 0; i < 100; i++)
        scheduler_world_add(w, (uint32_t)i % 4, scheduler_world_due(25 * SECOND + i * 100),
                            30 * KIB);
    scheduler_world_sort(w);
    scheduler_world_start(w, 0);
    scheduler_world_run(w, 10 * SECOND);
    w->ready_down = true;
    w->table_down = true;
    w->extend_down = true;
    scheduler_world_run(w, SECOND);
    scheduler_world_stop(w, 0);
    scheduler_world_run(w, 6 * SECOND);
    assert_true(scheduler_core_idle(w->nodes[0].core));
    struct deadline d = scheduler_core_deadline(w->nodes[0].core);
    assert_true(d.mono.ms == TIME_NEVER && d.wall.ms == TIME_NEVER);
    scheduler_world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_lease_is_extended_while_the_shard_is_held),
        cmocka_unit_test(a_poll_that_is_held_back_asks_again_when_told),
        cmocka_unit_test(empty_answers_that_come_at_once_do_not_make_it_spin),
        cmocka_unit_test(calls_for_what_came_back_are_counted),
        cmocka_unit_test(a_lease_that_ends_loses_the_shard_in_time),
        cmocka_unit_test(a_dead_holder_is_replaced_before_anything_is_late),
        cmocka_unit_test(a_holder_that_slept_is_fenced_off),
        cmocka_unit_test(a_refused_fence_ends_the_shard),
        cmocka_unit_test(a_move_without_an_answer_is_read_back),
        cmocka_unit_test(a_stop_moves_the_cursor_and_hands_back),
        cmocka_unit_test(a_stop_while_all_is_down_ends_too),
        cmocka_unit_test(a_lease_counts_from_before_the_request),
        cmocka_unit_test(a_poll_that_took_too_long_is_extended_first),
        cmocka_unit_test(a_tick_that_is_held_already_starts_afresh),
        cmocka_unit_test(a_newer_fence_is_respected_before_dispatch),
        cmocka_unit_test(what_the_last_holder_moved_meanwhile_counts),
        cmocka_unit_test(late_answers_of_a_left_shard_change_nothing),
        cmocka_unit_test(a_stop_waits_for_sends_in_flight),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
