#include "tests/harness/scheduler_world.h"

static int64_t elapsed(const struct scheduler_world *w)
{
    return w->mono - SCHEDULER_WORLD_MONO_MS;
}

static uint32_t ticks_of(const struct scheduler_world *w, int64_t minute)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < w->message_count; i++)
        count += w->messages[i].bucket == SCHEDULER_WORLD_EPOCH_MS / MINUTE + minute;
    return count;
}

/* --- ticks ----------------------------------------------------------------------------------- */

static void ticks_go_out_at_start_and_ahead_of_every_bucket(void **state)
{
    (void)state;
    struct scheduler_limits limits = scheduler_world_limits();
    limits.shards = 3;
    struct scheduler_world *w = scheduler_world_new(&limits, 1);
    scheduler_world_start(w, 0);
    scheduler_world_run(w, 100);
    assert_int_equal(ticks_of(w, 0), 3);
    assert_int_equal(w->message_count, 3);
    scheduler_world_run(w, 29 * SECOND);
    assert_int_equal(w->message_count, 3);
    scheduler_world_run(w, 1 * SECOND);
    assert_int_equal(ticks_of(w, 1), 3);
    scheduler_world_run(w, 5 * MINUTE);
    for (int64_t minute = 0; minute <= 6; minute++)
        assert_int_equal(ticks_of(w, minute), 3);
    assert_int_equal(w->message_count, 21); /* the last ones wait for their handoff */
    assert_int_equal(scheduler_world_counters(w, 0)->ticks_finished, 18);
    scheduler_world_free(w);
}

static void ticks_that_did_not_go_out_are_sent_again(void **state)
{
    (void)state;
    struct scheduler_limits limits = scheduler_world_limits();
    limits.shards = 8;
    struct scheduler_world *w = scheduler_world_new(&limits, 1);
    w->ticks_down = true;
    scheduler_world_start(w, 0);
    scheduler_world_run(w, 20 * SECOND);
    assert_int_equal(w->message_count, 0);
    assert_true(scheduler_core_failing_ms(w->nodes[0].core, SCHEDULER_DEPENDS_TIMER_QUEUE,
                                          scheduler_world_now(w)) >= 0);
    w->ticks_down = false;
    scheduler_world_run(w, 6 * SECOND);
    assert_int_equal(ticks_of(w, 0), 8);
    scheduler_world_free(w);
}

static void raised_shards_are_noticed_with_the_next_bucket(void **state)
{
    (void)state;
    struct scheduler_limits limits = scheduler_world_limits();
    struct scheduler_world *w = scheduler_world_new(&limits, 1);
    scheduler_world_start(w, 0);
    scheduler_world_run(w, 10 * SECOND);
    w->shards = 4;
    scheduler_world_run(w, 25 * SECOND);
    assert_int_equal(ticks_of(w, 0), 1);
    assert_int_equal(ticks_of(w, 1), 4);
    assert_int_equal(scheduler_core_shards(w->nodes[0].core), 4);
    w->shards = 1000; /* more than this program can hold: those it can */
    scheduler_world_run(w, 60 * SECOND);
    assert_int_equal(ticks_of(w, 2), SCHEDULER_WORLD_SHARDS);
    assert_true(w->nodes[0].notes[SCHEDULER_NOTE_SHARDS_TOO_MANY] > 0);
    scheduler_world_free(w);
}

static void a_clock_that_jumps_sends_the_newest_tick_only(void **state)
{
    (void)state;
    struct scheduler_limits limits = scheduler_world_limits();
    struct scheduler_world *w = scheduler_world_new(&limits, 1);
    scheduler_world_start(w, 0);
    scheduler_world_run(w, 10);
    w->nodes[0].paused = true;
    scheduler_world_run(w, 1440 * MINUTE);
    w->nodes[0].paused = false;
    scheduler_world_run(w, 10 * SECOND);
    assert_int_equal(ticks_of(w, 1440), 1);
    assert_int_equal(w->message_count, 2);
    /* Everything between was gone through, from the cursor to that tick. */
    scheduler_world_run(w, 10 * MINUTE);
    assert_int_equal(scheduler_world_cursor_minute(w, 0), 1451);
    scheduler_world_free(w);
}

/* --- dispatch -------------------------------------------------------------------------------- */

static void packs_leave_at_due_minus_handoff(void **state)
{
    (void)state;
    struct scheduler_limits limits = scheduler_world_limits();
    struct scheduler_world *w = scheduler_world_new(&limits, 1);
    for (int64_t second = 0; second < 240; second += 7)
        scheduler_world_add(w, 0, scheduler_world_due(second * SECOND + 123), 1000);
    scheduler_world_sort(w);
    scheduler_world_start(w, 0);
    scheduler_world_run(w, 5 * MINUTE);
    scheduler_world_check_delivered(w);
    for (uint32_t i = 0; i < w->item_count; i++) {
        int64_t planned = w->items[i].item.due_ms - limits.handoff_ms;
        if (planned < SCHEDULER_WORLD_EPOCH_MS)
            assert_true(w->items[i].sent_ms < SCHEDULER_WORLD_EPOCH_MS + SECOND);
        else
            assert_in_range(w->items[i].sent_ms, planned, planned + 20);
    }
    assert_int_equal(w->repeats, 0);
    scheduler_world_free(w);
}

static void neighbours_of_a_second_leave_together(void **state)
{
    (void)state;
    struct scheduler_limits limits = scheduler_world_limits();
    struct scheduler_world *w = scheduler_world_new(&limits, 1);
    for (int i = 0; i < 100; i++)
        scheduler_world_add(w, 0, scheduler_world_due(50 * SECOND + i), 100);
    scheduler_world_add(w, 0, scheduler_world_due(50 * SECOND + 200), 40 * KIB);
    scheduler_world_sort(w);
    scheduler_world_start(w, 0);
    scheduler_world_run(w, MINUTE);
    scheduler_world_check_delivered(w);
    assert_int_equal(scheduler_world_counters(w, 0)->packs_sent, 2);
    assert_int_equal(scheduler_world_counters(w, 0)->items_joined, 100);
    scheduler_world_free(w);
}

static void short_and_empty_pages_change_nothing(void **state)
{
    (void)state;
    struct scheduler_limits limits = scheduler_world_limits();
    struct scheduler_world *w = scheduler_world_new(&limits, 1);
    for (int i = 0; i < 300; i++)
        scheduler_world_add(w, 0, scheduler_world_due(50 * SECOND + i % 60), 100);
    scheduler_world_sort(w);
    w->page_short = 3;
    scheduler_world_start(w, 0);
    scheduler_world_run(w, MINUTE);
    scheduler_world_check_delivered(w);
    assert_int_equal(scheduler_world_counters(w, 0)->packs_sent, 3); /* 128 + 128 + 44 */
    scheduler_world_free(w);
}

static void small_packs_of_several_shards_share_a_call(void **state)
{
    (void)state;
    struct scheduler_limits limits = scheduler_world_limits();
    limits.shards = 8;
    limits.send_linger_ms = 50;
    struct scheduler_world *w = scheduler_world_new(&limits, 1);
    for (uint32_t shard = 0; shard < 8; shard++)
        scheduler_world_add(w, shard, scheduler_world_due(50 * SECOND + shard), 100);
    scheduler_world_sort(w);
    scheduler_world_start(w, 0);
    scheduler_world_run(w, MINUTE);
    scheduler_world_check_delivered(w);
    assert_int_equal(w->sends, 1);
    scheduler_world_free(w);
}

static void overdue_buckets_go_at_once_oldest_first(void **state)
{
    (void)state;
    struct scheduler_limits limits = scheduler_world_limits();
    struct scheduler_world *w = scheduler_world_new(&limits, 1);
    w->cursors[0].position.bucket -= 60;
    for (int i = 0; i < 600; i++)
        scheduler_world_add(w, 0, scheduler_world_due(-i * 6 * SECOND - SECOND), 1000);
    scheduler_world_sort(w);
    scheduler_world_start(w, 0);
    assert_int_equal(scheduler_core_lag_ms(w->nodes[0].core, 0, (struct now){{0}, {0}}), 0);
    scheduler_world_run(w, 200);
    struct now now = scheduler_world_now(w);
    assert_true(scheduler_core_lag_ms(w->nodes[0].core, 0, now) > 50 * MINUTE);
    scheduler_world_run(w, 5 * SECOND);
    scheduler_world_check_delivered(w);
    now = scheduler_world_now(w);
    assert_in_range(scheduler_core_lag_ms(w->nodes[0].core, 0, now), 0, 0);
    for (uint32_t i = 1; i < w->item_count; i++)
        assert_true(w->items[i].bucket <= w->items[i - 1].bucket ||
                    w->items[i].sent_ms >= w->items[i - 1].sent_ms);
    scheduler_world_free(w);
}

static void the_cursor_moves_once_a_second_and_at_the_end(void **state)
{
    (void)state;
    struct scheduler_limits limits = scheduler_world_limits();
    struct scheduler_world *w = scheduler_world_new(&limits, 1);
    scheduler_world_fill(w, 400, 40 * SECOND, 50, 30 * KIB);
    scheduler_world_start(w, 0);
    scheduler_world_run(w, MINUTE + 30 * SECOND);
    scheduler_world_check_delivered(w);
    assert_in_range(scheduler_world_counters(w, 0)->cursor_moves, 19, 24);
    assert_int_equal(scheduler_world_cursor_minute(w, 0),
                     2); /* the next bucket was empty: read, passed */
    scheduler_world_free(w);
}

static void a_stale_tick_costs_one_read(void **state)
{
    (void)state;
    struct scheduler_limits limits = scheduler_world_limits();
    struct scheduler_world *w = scheduler_world_new(&limits, 1);
    w->cursors[0].position.bucket += 2;
    scheduler_world_start(w, 0);
    scheduler_world_run(w, 10 * SECOND);
    assert_int_equal(scheduler_world_counters(w, 0)->ticks_stale, 1);
    assert_int_equal(scheduler_world_counters(w, 0)->ticks_finished, 1);
    assert_int_equal(scheduler_world_counters(w, 0)->pages_read, 0);
    assert_int_equal(w->cursors[0].fence[0], '\0');
    scheduler_world_free(w);
}

static void several_ticks_of_a_shard_are_one_run(void **state)
{
    (void)state;
    struct scheduler_limits limits = scheduler_world_limits();
    struct scheduler_world *w = scheduler_world_new(&limits, 1);
    w->cursors[0].position.bucket -= 5;
    for (int64_t i = 5; i > 0; i--)
        scheduler_world_send_tick(w, 0, SCHEDULER_WORLD_EPOCH_MS / MINUTE - i);
    for (int i = 0; i < 5; i++)
        scheduler_world_add(w, 0, scheduler_world_due(-i * MINUTE - SECOND), 1000);
    scheduler_world_sort(w);
    scheduler_world_start(w, 0);
    scheduler_world_run(w, 10 * SECOND);
    scheduler_world_check_delivered(w);
    assert_int_equal(scheduler_world_counters(w, 0)->ticks_finished, 6);
    assert_in_range(w->fences, 1, 2); /* the tick of the running bucket may come a moment later */
    scheduler_world_free(w);
}

static void foreign_messages_are_left_where_they_are(void **state)
{
    (void)state;
    struct scheduler_limits limits = scheduler_world_limits();
    struct scheduler_world *w = scheduler_world_new(&limits, 1);
    scheduler_world_send_tick(w, 5, 1);
    w->messages[0].foreign = true;
    scheduler_world_start(w, 0);
    scheduler_world_run(w, MINUTE);
    assert_in_range(scheduler_world_counters(w, 0)->messages_foreign, 2, 12);
    assert_false(w->messages[0].deleted);
    assert_int_equal(scheduler_world_cursor_minute(w, 0), 2);
    scheduler_world_free(w);
}

static void a_shard_without_a_cursor_is_left(void **state)
{
    (void)state;
    struct scheduler_limits limits = scheduler_world_limits();
    struct scheduler_world *w = scheduler_world_new(&limits, 1);
    w->cursor_missing[0] = true;
    scheduler_world_start(w, 0);
    scheduler_world_run(w, 35 * SECOND);
    assert_in_range(scheduler_world_counters(w, 0)->cursors_missing, 2, 5);
    assert_int_equal(scheduler_world_counters(w, 0)->ticks_finished, 0);
    w->cursor_missing[0] = false;
    scheduler_world_run(w, 15 * SECOND);
    assert_int_equal(scheduler_world_cursor_minute(w, 0), 1 + (elapsed(w) >= 40 * SECOND));
    scheduler_world_free(w);
}

/* The world checks what a call may carry. */
static void large_packs_are_spread_over_calls(void **state)
{
    (void)state;
    struct scheduler_limits limits = scheduler_world_limits();
    struct scheduler_world *w = scheduler_world_new(&limits, 1);
    scheduler_world_fill(w, 20, 30 * SECOND, 0, 300 * KIB);
    scheduler_world_start(w, 0);
    scheduler_world_run(w, MINUTE);
    scheduler_world_check_delivered(w);
    assert_in_range(w->sends, 10, 20);
    scheduler_world_free(w);
}

static void a_pack_waits_for_company_no_longer_than_the_linger(void **state)
{
    (void)state;
    struct scheduler_limits limits = scheduler_world_limits();
    limits.send_linger_ms = 200;
    struct scheduler_world *w = scheduler_world_new(&limits, 1);
    scheduler_world_fill(w, 12, 30 * SECOND, 1000, 100);
    scheduler_world_start(w, 0);
    scheduler_world_run(w, MINUTE);
    scheduler_world_check_delivered(w);
    for (uint32_t i = 0; i < w->item_count; i++) {
        int64_t planned = w->items[i].item.due_ms - limits.handoff_ms;
        assert_in_range(w->items[i].sent_ms, planned + 200, planned + 220);
    }
    assert_int_equal(w->sends, 12);
    scheduler_world_free(w);
}

/* --- trouble --------------------------------------------------------------------------------- */

static void a_ready_queue_that_is_down_skips_nothing(void **state)
{
    (void)state;
    struct scheduler_limits limits = scheduler_world_limits();
    struct scheduler_world *w = scheduler_world_new(&limits, 1);
    scheduler_world_fill(w, 100, 25 * SECOND, 200, 30 * KIB);
    w->ready_down = true;
    scheduler_world_start(w, 0);
    scheduler_world_run(w, 50 * SECOND);
    assert_int_equal(scheduler_world_cursor_minute(w, 0), 0);
    assert_true(scheduler_core_holds(w->nodes[0].core, 0));
    assert_true(w->sends == 0);
    struct now now = scheduler_world_now(w);
    assert_true(scheduler_core_failing_ms(w->nodes[0].core, SCHEDULER_DEPENDS_READY_QUEUE, now) >
                30 * SECOND);
    assert_true(scheduler_world_counters(w, 0)->packs_failed < 1000);
    w->ready_down = false;
    scheduler_world_run(w, 10 * SECOND);
    scheduler_world_check_delivered(w);
    now = scheduler_world_now(w);
    assert_int_equal(
        scheduler_core_failing_ms(w->nodes[0].core, SCHEDULER_DEPENDS_READY_QUEUE, now), 0);
    scheduler_world_free(w);
}

static void a_table_that_is_down_is_waited_for(void **state)
{
    (void)state;
    struct scheduler_limits limits = scheduler_world_limits();
    struct scheduler_world *w = scheduler_world_new(&limits, 1);
    scheduler_world_fill(w, 100, 45 * SECOND, 1000, 30 * KIB);
    scheduler_world_start(w, 0);
    scheduler_world_run(w, 10 * SECOND);
    w->table_down = true;
    scheduler_world_run(w, MINUTE);
    w->table_down = false;
    scheduler_world_run(w, 2 * MINUTE);
    scheduler_world_check_delivered(w);
    assert_int_equal(scheduler_world_cursor_minute(w, 0), 4);
    scheduler_world_free(w);
}

static void prefetching_keeps_to_its_memory(void **state)
{
    (void)state;
    struct scheduler_limits limits = scheduler_world_limits();
    limits.memory_bytes = 1;
    limits.page_items = 10;
    struct scheduler_world *w = scheduler_world_new(&limits, 1);
    scheduler_world_fill(w, 300, 25 * SECOND, 100, 30 * KIB);
    scheduler_world_start(w, 0);
    for (int i = 0; i < 600; i++) {
        scheduler_world_run(w, 100);
        assert_true(scheduler_core_page_bytes(w->nodes[0].core) <= 2 * 10 * 30 * KIB);
    }
    scheduler_world_check_delivered(w);
    scheduler_world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ticks_go_out_at_start_and_ahead_of_every_bucket),
        cmocka_unit_test(raised_shards_are_noticed_with_the_next_bucket),
        cmocka_unit_test(a_clock_that_jumps_sends_the_newest_tick_only),
        cmocka_unit_test(packs_leave_at_due_minus_handoff),
        cmocka_unit_test(neighbours_of_a_second_leave_together),
        cmocka_unit_test(short_and_empty_pages_change_nothing),
        cmocka_unit_test(small_packs_of_several_shards_share_a_call),
        cmocka_unit_test(overdue_buckets_go_at_once_oldest_first),
        cmocka_unit_test(the_cursor_moves_once_a_second_and_at_the_end),
        cmocka_unit_test(a_stale_tick_costs_one_read),
        cmocka_unit_test(several_ticks_of_a_shard_are_one_run),
        cmocka_unit_test(foreign_messages_are_left_where_they_are),
        cmocka_unit_test(a_shard_without_a_cursor_is_left),
        cmocka_unit_test(a_ready_queue_that_is_down_skips_nothing),
        cmocka_unit_test(a_table_that_is_down_is_waited_for),
        cmocka_unit_test(prefetching_keeps_to_its_memory),
        cmocka_unit_test(ticks_that_did_not_go_out_are_sent_again),
        cmocka_unit_test(large_packs_are_spread_over_calls),
        cmocka_unit_test(a_pack_waits_for_company_no_longer_than_the_linger),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
