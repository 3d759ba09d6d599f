#include "tests/unit/scheduler_world.h"

#define SECOND MS_PER_SECOND
#define MINUTE MS_PER_MINUTE

/* WORLD_EPOCH_MS is the start of a bucket: it runs from 0 to MINUTE, the next one from there. */
static int64_t due(int64_t after_epoch_ms)
{
    return WORLD_EPOCH_MS + after_epoch_ms;
}

static int64_t elapsed(const struct world *w)
{
    return w->mono - WORLD_MONO_MS;
}

static int64_t cursor_minute(const struct world *w, uint32_t shard)
{
    return w->cursors[shard].position.bucket - WORLD_EPOCH_MS / MINUTE;
}

static uint32_t ticks_of(const struct world *w, int64_t minute)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < w->message_count; i++)
        count += w->messages[i].bucket == WORLD_EPOCH_MS / MINUTE + minute;
    return count;
}

/* --- ticks ------------------------------------------------------------------------------------ */

static void ticks_go_out_at_start_and_ahead_of_every_bucket(void **state)
{
    (void)state;
    struct scheduler_limits limits = world_limits();
    limits.shards = 3;
    struct world *w = world_new(&limits, 1);
    world_start(w, 0);
    world_run(w, 100);
    assert_int_equal(ticks_of(w, 0), 3);
    assert_int_equal(w->message_count, 3);
    world_run(w, 29 * SECOND);
    assert_int_equal(w->message_count, 3);
    world_run(w, 1 * SECOND);
    assert_int_equal(ticks_of(w, 1), 3);
    world_run(w, 5 * MINUTE);
    for (int64_t minute = 0; minute <= 6; minute++)
        assert_int_equal(ticks_of(w, minute), 3);
    assert_int_equal(w->message_count, 21); /* the last ones wait for their handoff */
    assert_int_equal(world_counters(w, 0)->ticks_finished, 18);
    world_free(w);
}

static void raised_shards_are_noticed_with_the_next_bucket(void **state)
{
    (void)state;
    struct scheduler_limits limits = world_limits();
    struct world *w = world_new(&limits, 1);
    world_start(w, 0);
    world_run(w, 10 * SECOND);
    w->shards = 4;
    world_run(w, 25 * SECOND);
    assert_int_equal(ticks_of(w, 0), 1);
    assert_int_equal(ticks_of(w, 1), 4);
    assert_int_equal(scheduler_core_shards(w->nodes[0].core), 4);
    w->shards = 1000; /* more than this program can hold: those it can */
    world_run(w, 60 * SECOND);
    assert_int_equal(ticks_of(w, 2), WORLD_SHARDS);
    assert_true(w->nodes[0].notes[SCHEDULER_NOTE_SHARDS_TOO_MANY] > 0);
    world_free(w);
}

static void a_clock_that_jumps_sends_the_newest_tick_only(void **state)
{
    (void)state;
    struct scheduler_limits limits = world_limits();
    struct world *w = world_new(&limits, 1);
    world_start(w, 0);
    world_run(w, 10);
    w->nodes[0].paused = true;
    world_run(w, 1440 * MINUTE);
    w->nodes[0].paused = false;
    world_run(w, 10 * SECOND);
    assert_int_equal(ticks_of(w, 1440), 1);
    assert_int_equal(w->message_count, 2);
    /* Everything between was gone through, from the cursor to that tick. */
    world_run(w, 10 * MINUTE);
    assert_int_equal(cursor_minute(w, 0), 1451);
    world_free(w);
}

/* --- dispatch --------------------------------------------------------------------------------- */

static void packs_leave_at_due_minus_handoff(void **state)
{
    (void)state;
    struct scheduler_limits limits = world_limits();
    struct world *w = world_new(&limits, 1);
    for (int64_t second = 0; second < 240; second += 7)
        world_add(w, 0, due(second * SECOND + 123), 1000);
    world_sort(w);
    world_start(w, 0);
    world_run(w, 5 * MINUTE);
    world_check_delivered(w);
    for (uint32_t i = 0; i < w->item_count; i++) {
        int64_t planned = w->items[i].item.due_ms - limits.handoff_ms;
        if (planned < WORLD_EPOCH_MS)
            assert_true(w->items[i].sent_ms < WORLD_EPOCH_MS + SECOND);
        else
            assert_in_range(w->items[i].sent_ms, planned, planned + 20);
    }
    assert_int_equal(w->repeats, 0);
    world_free(w);
}

static void neighbours_of_a_second_leave_together(void **state)
{
    (void)state;
    struct scheduler_limits limits = world_limits();
    struct world *w = world_new(&limits, 1);
    for (int i = 0; i < 100; i++)
        world_add(w, 0, due(50 * SECOND + i), 100);
    world_add(w, 0, due(50 * SECOND + 200), 40 * KIB);
    world_sort(w);
    world_start(w, 0);
    world_run(w, MINUTE);
    world_check_delivered(w);
    assert_int_equal(world_counters(w, 0)->packs_sent, 2);
    assert_int_equal(world_counters(w, 0)->items_joined, 100);
    world_free(w);
}

static void short_and_empty_pages_change_nothing(void **state)
{
    (void)state;
    struct scheduler_limits limits = world_limits();
    struct world *w = world_new(&limits, 1);
    for (int i = 0; i < 300; i++)
        world_add(w, 0, due(50 * SECOND + i % 60), 100);
    world_sort(w);
    w->page_short = 3;
    world_start(w, 0);
    world_run(w, MINUTE);
    world_check_delivered(w);
    assert_int_equal(world_counters(w, 0)->packs_sent, 3); /* 128 + 128 + 44 */
    world_free(w);
}

static void small_packs_of_several_shards_share_a_call(void **state)
{
    (void)state;
    struct scheduler_limits limits = world_limits();
    limits.shards = 8;
    limits.send_linger_ms = 50;
    struct world *w = world_new(&limits, 1);
    for (uint32_t shard = 0; shard < 8; shard++)
        world_add(w, shard, due(50 * SECOND + shard), 100);
    world_sort(w);
    world_start(w, 0);
    world_run(w, MINUTE);
    world_check_delivered(w);
    assert_int_equal(w->sends, 1);
    world_free(w);
}

static void overdue_buckets_go_at_once_oldest_first(void **state)
{
    (void)state;
    struct scheduler_limits limits = world_limits();
    struct world *w = world_new(&limits, 1);
    w->cursors[0].position.bucket -= 60;
    for (int i = 0; i < 600; i++)
        world_add(w, 0, due(-i * 6 * SECOND - SECOND), 1000);
    world_sort(w);
    world_start(w, 0);
    assert_int_equal(scheduler_core_lag_ms(w->nodes[0].core, 0, (struct now){{0}, {0}}), 0);
    world_run(w, 200);
    struct now now = {{w->mono}, {world_wall(w)}};
    assert_true(scheduler_core_lag_ms(w->nodes[0].core, 0, now) > 50 * MINUTE);
    world_run(w, 5 * SECOND);
    world_check_delivered(w);
    now = (struct now){{w->mono}, {world_wall(w)}};
    assert_in_range(scheduler_core_lag_ms(w->nodes[0].core, 0, now), 0, 0);
    for (uint32_t i = 1; i < w->item_count; i++)
        assert_true(w->items[i].bucket <= w->items[i - 1].bucket ||
                    w->items[i].sent_ms >= w->items[i - 1].sent_ms);
    world_free(w);
}

static void the_cursor_moves_once_a_second_and_at_the_end(void **state)
{
    (void)state;
    struct scheduler_limits limits = world_limits();
    struct world *w = world_new(&limits, 1);
    for (int i = 0; i < 400; i++)
        world_add(w, 0, due(40 * SECOND + i * 50), 30 * KIB);
    world_sort(w);
    world_start(w, 0);
    world_run(w, MINUTE + 30 * SECOND);
    world_check_delivered(w);
    assert_in_range(world_counters(w, 0)->cursor_moves, 19, 24);
    assert_int_equal(cursor_minute(w, 0), 2); /* the next bucket was empty: read, passed */
    world_free(w);
}

static void a_stale_tick_costs_one_read(void **state)
{
    (void)state;
    struct scheduler_limits limits = world_limits();
    struct world *w = world_new(&limits, 1);
    w->cursors[0].position.bucket += 2;
    world_start(w, 0);
    world_run(w, 10 * SECOND);
    assert_int_equal(world_counters(w, 0)->ticks_stale, 1);
    assert_int_equal(world_counters(w, 0)->ticks_finished, 1);
    assert_int_equal(world_counters(w, 0)->pages_read, 0);
    assert_int_equal(w->cursors[0].fence[0], '\0');
    world_free(w);
}

static void several_ticks_of_a_shard_are_taken_in_turn(void **state)
{
    (void)state;
    struct scheduler_limits limits = world_limits();
    struct world *w = world_new(&limits, 1);
    w->cursors[0].position.bucket -= 5;
    for (int64_t i = 5; i > 0; i--)
        world_send_tick(w, 0, WORLD_EPOCH_MS / MINUTE - i);
    for (int i = 0; i < 5; i++)
        world_add(w, 0, due(-i * MINUTE - SECOND), 1000);
    world_sort(w);
    world_start(w, 0);
    world_run(w, 10 * SECOND);
    world_check_delivered(w);
    assert_int_equal(world_counters(w, 0)->ticks_finished, 6);
    world_free(w);
}

static void foreign_messages_are_left_where_they_are(void **state)
{
    (void)state;
    struct scheduler_limits limits = world_limits();
    struct world *w = world_new(&limits, 1);
    world_send_tick(w, 5, 1);
    w->messages[0].foreign = true;
    world_start(w, 0);
    world_run(w, MINUTE);
    assert_in_range(world_counters(w, 0)->messages_foreign, 2, 12);
    assert_false(w->messages[0].deleted);
    assert_int_equal(cursor_minute(w, 0), 2);
    world_free(w);
}

static void a_shard_without_a_cursor_is_left(void **state)
{
    (void)state;
    struct scheduler_limits limits = world_limits();
    struct world *w = world_new(&limits, 1);
    w->cursor_missing[0] = true;
    world_start(w, 0);
    world_run(w, 35 * SECOND);
    assert_in_range(world_counters(w, 0)->cursors_missing, 2, 5);
    assert_int_equal(world_counters(w, 0)->ticks_finished, 0);
    w->cursor_missing[0] = false;
    world_run(w, 15 * SECOND);
    assert_int_equal(cursor_minute(w, 0), 1 + (elapsed(w) >= 40 * SECOND));
    world_free(w);
}

/* --- lease and fence -------------------------------------------------------------------------- */

static void a_lease_is_extended_while_the_shard_is_held(void **state)
{
    (void)state;
    struct scheduler_limits limits = world_limits();
    struct world *w = world_new(&limits, 1);
    world_add(w, 0, due(59 * SECOND), 100);
    world_start(w, 0);
    world_run(w, 39 * SECOND - 100);
    assert_int_equal(w->messages[0].receive_count, 1);
    assert_in_range(w->extensions, 12, 14);
    world_run(w, 200);
    world_check_delivered(w);
    world_free(w);
}

static void a_lease_that_ends_loses_the_shard_in_time(void **state)
{
    (void)state;
    struct scheduler_limits limits = world_limits();
    struct world *w = world_new(&limits, 1);
    world_add(w, 0, due(59 * SECOND), 100);
    world_start(w, 0);
    world_run(w, 100);
    w->extend_down = true;
    w->wait_ms = 100000; /* no more receives to take it again */
    w->messages[0].visible_at = 60 * SECOND;
    world_run(w, 9800);
    assert_true(scheduler_core_holds(w->nodes[0].core, 0));
    world_run(w, 200);
    assert_false(scheduler_core_holds(w->nodes[0].core, 0));
    assert_int_equal(world_counters(w, 0)->leases_lost, 1);
    world_run(w, 35 * SECOND);
    assert_int_equal(w->sends, 0);
    world_free(w);
}

static void a_dead_holder_is_replaced_before_anything_is_late(void **state)
{
    (void)state;
    struct scheduler_limits limits = world_limits();
    limits.shards = 4;
    struct world *w = world_new(&limits, 1);
    w->shards = 4;
    for (int i = 0; i < 400; i++)
        world_add(w, (uint32_t)i % 4, due(30 * SECOND + i * 300), 2000);
    world_sort(w);
    world_start(w, 0);
    world_run(w, 20 * SECOND);
    world_start(w, 1);
    world_run(w, 5 * SECOND);
    world_crash(w, 0);
    world_run(w, 3 * MINUTE);
    world_check_delivered(w);
    assert_true(world_counters(w, 1)->takeovers > 0);
    for (uint32_t i = 0; i < w->item_count; i++)
        assert_true(w->items[i].sent_ms <= w->items[i].item.due_ms - 8 * SECOND);
    world_free(w);
}

/* F31: asleep past its lease, another goes on, the first wakes up with work in hand. */
static void a_holder_that_slept_is_fenced_off(void **state)
{
    (void)state;
    struct scheduler_limits limits = world_limits();
    struct world *w = world_new(&limits, 1);
    for (int i = 0; i < 200; i++)
        world_add(w, 0, due(25 * SECOND + i * 150), 30 * KIB);
    world_sort(w);
    world_start(w, 0);
    world_run(w, 10 * SECOND);
    world_start(w, 1);
    w->nodes[0].paused = true;
    world_run(w, 15 * SECOND);
    assert_int_equal(world_counters(w, 1)->takeovers, 1);
    w->nodes[0].paused = false;
    uint64_t sent = world_counters(w, 0)->packs_sent;
    world_run(w, MINUTE);
    assert_int_equal(world_counters(w, 0)->leases_lost, 1);
    assert_in_range(world_counters(w, 0)->packs_sent, sent, sent + 40); /* answers on their way */
    world_check_delivered(w);
    world_free(w);
}

/* The lease looks alive (the clock of the holder stood still), but the cursor says otherwise. */
static void a_refused_fence_ends_the_shard(void **state)
{
    (void)state;
    struct scheduler_limits limits = world_limits();
    struct world *w = world_new(&limits, 1);
    for (int i = 0; i < 100; i++)
        world_add(w, 0, due(25 * SECOND + i * 200), 30 * KIB);
    world_sort(w);
    world_start(w, 0);
    world_run(w, 10 * SECOND);
    struct scheduler_position before = w->cursors[0].position;
    w->messages[0].receive_count += 1;
    assert_status(table_fence(SLICE_LITERAL("1000"), 9, w->cursors[0].fence), STATUS_OK);
    world_run(w, 3 * SECOND);
    assert_int_equal(world_counters(w, 0)->fence_refusals, 1);
    assert_memory_equal(&w->cursors[0].position, &before, sizeof(before));
    assert_false(w->messages[0].deleted);
    uint32_t sends = w->sends;
    world_run(w, 3 * SECOND);
    assert_int_equal(w->sends, sends);
    world_free(w);
}

static void a_move_without_an_answer_is_read_back(void **state)
{
    (void)state;
    struct scheduler_limits limits = world_limits();
    struct world *w = world_new(&limits, 1);
    for (int i = 0; i < 100; i++)
        world_add(w, 0, due(25 * SECOND + i * 200), 30 * KIB);
    world_sort(w);
    w->moves_unknown = true;
    world_start(w, 0);
    world_run(w, MINUTE + 30 * SECOND);
    world_check_delivered(w);
    assert_true(world_counters(w, 0)->cursor_unknown > 10);
    assert_int_equal(world_counters(w, 0)->fence_refusals, 0);
    assert_int_equal(cursor_minute(w, 0), 2);
    assert_true(w->messages[0].deleted);
    world_free(w);
}

/* --- trouble ---------------------------------------------------------------------------------- */

static void a_ready_queue_that_is_down_skips_nothing(void **state)
{
    (void)state;
    struct scheduler_limits limits = world_limits();
    struct world *w = world_new(&limits, 1);
    for (int i = 0; i < 100; i++)
        world_add(w, 0, due(25 * SECOND + i * 200), 30 * KIB);
    world_sort(w);
    w->ready_down = true;
    world_start(w, 0);
    world_run(w, 50 * SECOND);
    assert_int_equal(cursor_minute(w, 0), 0);
    assert_true(scheduler_core_holds(w->nodes[0].core, 0));
    assert_true(w->sends == 0);
    struct now now = {{w->mono}, {world_wall(w)}};
    assert_true(scheduler_core_failing_ms(w->nodes[0].core, SCHEDULER_DEPENDS_READY_QUEUE, now) >
                30 * SECOND);
    assert_true(world_counters(w, 0)->packs_failed < 1000);
    w->ready_down = false;
    world_run(w, 10 * SECOND);
    world_check_delivered(w);
    now = (struct now){{w->mono}, {world_wall(w)}};
    assert_int_equal(
        scheduler_core_failing_ms(w->nodes[0].core, SCHEDULER_DEPENDS_READY_QUEUE, now), 0);
    world_free(w);
}

static void a_table_that_is_down_is_waited_for(void **state)
{
    (void)state;
    struct scheduler_limits limits = world_limits();
    struct world *w = world_new(&limits, 1);
    for (int i = 0; i < 100; i++)
        world_add(w, 0, due(45 * SECOND + i * 1000), 30 * KIB);
    world_sort(w);
    world_start(w, 0);
    world_run(w, 10 * SECOND);
    w->table_down = true;
    world_run(w, MINUTE);
    w->table_down = false;
    world_run(w, 2 * MINUTE);
    world_check_delivered(w);
    assert_int_equal(cursor_minute(w, 0), 4);
    world_free(w);
}

static void prefetching_keeps_to_its_memory(void **state)
{
    (void)state;
    struct scheduler_limits limits = world_limits();
    limits.memory_bytes = 1;
    limits.page_items = 10;
    struct world *w = world_new(&limits, 1);
    for (int i = 0; i < 300; i++)
        world_add(w, 0, due(25 * SECOND + i * 100), 30 * KIB);
    world_sort(w);
    world_start(w, 0);
    for (int i = 0; i < 600; i++) {
        world_run(w, 100);
        assert_true(scheduler_core_page_bytes(w->nodes[0].core) <= 2 * 10 * 30 * KIB);
    }
    world_check_delivered(w);
    world_free(w);
}

/* --- stragglers ------------------------------------------------------------------------------- */

static void what_comes_behind_the_cursor_is_sent_and_counted(void **state)
{
    (void)state;
    struct scheduler_limits limits = world_limits();
    struct world *w = world_new(&limits, 1);
    for (int i = 0; i < 200; i++)
        world_add(w, 0, due(25 * SECOND + i * 100), 100);
    world_sort(w);
    world_start(w, 0);
    world_run(w, MINUTE + 30 * SECOND);
    world_check_delivered(w);
    /* Written long ago, says the item: only the memory of what was sent can tell. */
    world_add(w, 0, due(30 * SECOND), 100)->straggler = true;
    world_sort(w);
    world_run(w, 4 * MINUTE);
    world_check_delivered(w);
    assert_int_equal(world_counters(w, 0)->stragglers, 1);
    assert_int_equal(w->nodes[0].notes[SCHEDULER_NOTE_STRAGGLERS], 1);
    assert_int_equal(w->repeats, 0);
    world_free(w);
}

static void after_a_takeover_written_tells_stragglers(void **state)
{
    (void)state;
    struct scheduler_limits limits = world_limits();
    struct world *w = world_new(&limits, 1);
    for (int i = 0; i < 200; i++)
        world_add(w, 0, due(25 * SECOND + i * 100), 100);
    world_sort(w);
    world_start(w, 0);
    world_run(w, MINUTE + 30 * SECOND);
    world_crash(w, 0);
    struct world_item *late = world_add(w, 0, due(30 * SECOND), 100);
    late->straggler = true;
    late->item.written_ms = due(-limits.handoff_ms - limits.cutoff_ms + 1);
    world_sort(w);
    world_start(w, 1);
    world_run(w, 4 * MINUTE);
    world_check_delivered(w);
    assert_int_equal(world_counters(w, 1)->stragglers, 1);
    world_free(w);
}

static void every_bucket_is_passed_once_also_when_behind(void **state)
{
    (void)state;
    struct scheduler_limits limits = world_limits();
    struct world *w = world_new(&limits, 1);
    w->cursors[0].position.bucket -= 20;
    for (int i = 0; i < 400; i++)
        world_add(w, 0, due(-i * 3 * SECOND - SECOND), 100);
    world_sort(w);
    world_start(w, 0);
    world_run(w, 5 * MINUTE);
    world_check_delivered(w);
    assert_int_equal(world_counters(w, 0)->straggler_passes, 26);
    assert_int_equal(world_counters(w, 0)->stragglers, 0);
    world_free(w);
}

static void more_ids_than_remembered_fall_back_to_written(void **state)
{
    (void)state;
    struct scheduler_limits limits = world_limits();
    limits.history_ids = 64;
    struct world *w = world_new(&limits, 1);
    for (int i = 0; i < 200; i++)
        world_add(w, 0, due(25 * SECOND + i * 100), 100);
    world_sort(w);
    world_start(w, 0);
    world_run(w, 5 * MINUTE);
    world_check_delivered(w);
    assert_int_equal(world_counters(w, 0)->stragglers, 0);
    assert_int_equal(world_counters(w, 0)->histories_lost, 1);
    world_free(w);
}

/* --- stop ------------------------------------------------------------------------------------- */

static void a_stop_moves_the_cursor_and_hands_back(void **state)
{
    (void)state;
    struct scheduler_limits limits = world_limits();
    limits.cursor_every_ms = MINUTE;
    struct world *w = world_new(&limits, 1);
    for (int i = 0; i < 100; i++)
        world_add(w, 0, due(25 * SECOND + i * 300), 30 * KIB);
    world_sort(w);
    world_start(w, 0);
    world_run(w, 15 * SECOND);
    assert_int_equal(w->cursors[0].position.place[0], '\0');
    world_stop(w, 0);
    int64_t stopped_at = w->mono;
    while (!scheduler_core_idle(w->nodes[0].core)) {
        world_run(w, 10);
        assert_true(w->mono - stopped_at < 6 * SECOND);
    }
    assert_int_not_equal(w->cursors[0].position.place[0], '\0');
    assert_false(scheduler_core_holds(w->nodes[0].core, 0));
    assert_true(w->messages[0].visible_at <= w->mono);
    /* Twice, if our own last poll was the first to see it. */
    assert_in_range(world_counters(w, 0)->ticks_handed_back, 1, 2);
    world_crash(w, 0);
    world_start(w, 1);
    world_run(w, MINUTE);
    world_check_delivered(w);
    assert_int_equal(w->repeats, 0);
    world_free(w);
}

static void a_stop_while_all_is_down_ends_too(void **state)
{
    (void)state;
    struct scheduler_limits limits = world_limits();
    limits.shards = 4;
    struct world *w = world_new(&limits, 1);
    for (int i = 0; i < 100; i++)
        world_add(w, (uint32_t)i % 4, due(25 * SECOND + i * 100), 30 * KIB);
    world_sort(w);
    world_start(w, 0);
    world_run(w, 10 * SECOND);
    w->ready_down = true;
    w->table_down = true;
    w->extend_down = true;
    world_run(w, SECOND);
    world_stop(w, 0);
    world_run(w, 6 * SECOND);
    assert_true(scheduler_core_idle(w->nodes[0].core));
    struct deadline d = scheduler_core_deadline(w->nodes[0].core);
    assert_true(d.mono.ms == TIME_NEVER && d.wall.ms == TIME_NEVER);
    world_free(w);
}

/* --- properties ------------------------------------------------------------------------------- */

static struct world *random_world(uint64_t seed)
{
    struct prng random;
    prng_init(&random, seed * 77 + 5);
    struct scheduler_limits limits = world_limits();
    limits.shards = 1 + (uint32_t)prng_below(&random, 4);
    limits.page_items = 1 + (uint32_t)prng_below(&random, 60);
    limits.sends = 1 + (uint32_t)prng_below(&random, 4);
    limits.polls = 1 + (uint32_t)prng_below(&random, 3);
    limits.send_linger_ms = (int64_t)prng_below(&random, 100);
    limits.memory_bytes = prng_below(&random, 2) == 0 ? 0 : 8 * MIB;
    struct world *w = world_new(&limits, seed);
    w->latency_ms = 1 + (int64_t)prng_below(&random, 40);
    w->page_short = (uint32_t)prng_below(&random, 3) * 7;
    int64_t from = -(int64_t)prng_below(&random, 4) * MINUTE;
    for (uint32_t i = 0; i < WORLD_SHARDS; i++)
        w->cursors[i].position.bucket += from / MINUTE;
    uint32_t count = 50 + (uint32_t)prng_below(&random, 300);
    for (uint32_t i = 0; i < count; i++) {
        int64_t at = from + (int64_t)prng_below(&random, (uint64_t)(3 * MINUTE - from));
        if (prng_below(&random, 2) == 0)
            at -= at % (10 * SECOND); /* many at one instant */
        uint32_t bytes = prng_below(&random, 10) == 0 ? 200 * KIB : 4000;
        struct world_item *item = world_add(w, (uint32_t)prng_below(&random, limits.shards),
                                            due(at), 1 + (uint32_t)prng_below(&random, bytes));
        item->item.alone = prng_below(&random, 20) == 0;
    }
    world_sort(w);
    return w;
}

/* Crashes and stops at any moment, calls that fail in every way, two or three at once: each item
 * gets past the deduplication once, never early, always in the same pack. */
static void whatever_happens_each_item_goes_once(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 300; seed++) {
        struct world *w = random_world(seed);
        w->fault_percent = (uint32_t)(seed % 4) * 8;
        world_start(w, 0);
        world_start(w, 1);
        for (int i = 0; i < 12; i++) {
            world_run(w, (int64_t)prng_below(&w->random, 20 * SECOND));
            uint32_t victim = (uint32_t)prng_below(&w->random, 2);
            switch (prng_below(&w->random, 4)) {
            case 0:
                world_crash(w, victim);
                world_run(w, (int64_t)prng_below(&w->random, 5 * SECOND));
                world_start(w, victim);
                break;
            case 1:
                world_stop(w, victim);
                world_run(w, (int64_t)prng_below(&w->random, 9 * SECOND));
                world_crash(w, victim);
                world_start(w, victim);
                break;
            case 2:
                w->nodes[victim].paused = true;
                world_run(w, (int64_t)prng_below(&w->random, 15 * SECOND));
                w->nodes[victim].paused = false;
                break;
            default:
                break;
            }
        }
        w->fault_percent = 0;
        world_run(w, 2 * MINUTE);
        world_check_delivered(w);
        world_free(w);
    }
}

static void the_same_seed_makes_the_same_run(void **state)
{
    (void)state;
    uint64_t digests[2];
    for (int i = 0; i < 2; i++) {
        struct world *w = random_world(11);
        w->fault_percent = 10;
        world_start(w, 0);
        world_run(w, MINUTE + 7 * SECOND);
        digests[i] = scheduler_core_digest(w->nodes[0].core);
        world_free(w);
    }
    assert_true(digests[0] == digests[1]);
}

static void late_and_foreign_completions_are_ignored(void **state)
{
    (void)state;
    struct world *w = random_world(3);
    world_start(w, 0);
    world_run(w, 5 * SECOND);
    for (int kind = SCHEDULER_EVENT_META_READ; kind <= SCHEDULER_EVENT_PACKS_SENT; kind++) {
        for (uint64_t id = 0; id < 70000; id += 997) {
            struct scheduler_event event = {.kind = (enum scheduler_event_kind)kind, .id = id};
            world_step(w, 0, &event);
        }
        world_step(
            w, 0,
            &(struct scheduler_event){.kind = (enum scheduler_event_kind)kind, .id = UINT64_MAX});
    }
    world_run(w, 5 * MINUTE);
    world_check_delivered(w);
    world_free(w);
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
        cmocka_unit_test(several_ticks_of_a_shard_are_taken_in_turn),
        cmocka_unit_test(foreign_messages_are_left_where_they_are),
        cmocka_unit_test(a_shard_without_a_cursor_is_left),
        cmocka_unit_test(a_lease_is_extended_while_the_shard_is_held),
        cmocka_unit_test(a_lease_that_ends_loses_the_shard_in_time),
        cmocka_unit_test(a_dead_holder_is_replaced_before_anything_is_late),
        cmocka_unit_test(a_holder_that_slept_is_fenced_off),
        cmocka_unit_test(a_refused_fence_ends_the_shard),
        cmocka_unit_test(a_move_without_an_answer_is_read_back),
        cmocka_unit_test(a_ready_queue_that_is_down_skips_nothing),
        cmocka_unit_test(a_table_that_is_down_is_waited_for),
        cmocka_unit_test(prefetching_keeps_to_its_memory),
        cmocka_unit_test(what_comes_behind_the_cursor_is_sent_and_counted),
        cmocka_unit_test(after_a_takeover_written_tells_stragglers),
        cmocka_unit_test(every_bucket_is_passed_once_also_when_behind),
        cmocka_unit_test(more_ids_than_remembered_fall_back_to_written),
        cmocka_unit_test(a_stop_moves_the_cursor_and_hands_back),
        cmocka_unit_test(a_stop_while_all_is_down_ends_too),
        cmocka_unit_test(whatever_happens_each_item_goes_once),
        cmocka_unit_test(the_same_seed_makes_the_same_run),
        cmocka_unit_test(late_and_foreign_completions_are_ignored),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
