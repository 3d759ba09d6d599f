#include "tests/harness/scheduler_world.h"

static void what_comes_behind_the_cursor_is_sent_and_counted(void **state)
{
    (void)state;
    struct scheduler_limits limits = scheduler_world_limits();
    struct scheduler_world *w = scheduler_world_new(&limits, 1);
    scheduler_world_fill(w, 200, 25 * SECOND, 100, 100);
    scheduler_world_start(w, 0);
    scheduler_world_run(w, MINUTE + 30 * SECOND);
    scheduler_world_check_delivered(w);
    /* Written long ago, says the item: only the memory of what was sent can tell. */
    struct scheduler_world_item *late =
        scheduler_world_add(w, 0, scheduler_world_due(30 * SECOND + 1), 100);
    late->straggler = true;
    char sk[TABLE_KEY_SIZE];
    memcpy(sk, late->item.sk, sizeof(sk));
    scheduler_world_sort(w);
    scheduler_world_run(w, 4 * MINUTE);
    scheduler_world_check_delivered(w);
    for (uint32_t i = 0; i < w->item_count; i++) {
        if (memcmp(w->items[i].item.sk, sk, sizeof(sk)) == 0)
            assert_in_range(w->items[i].sent_ms,
                            scheduler_world_due(3 * MINUTE - limits.handoff_ms),
                            scheduler_world_due(3 * MINUTE - limits.handoff_ms + 100));
    }
    assert_int_equal(scheduler_world_counters(w, 0)->stragglers, 1);
    assert_int_equal(w->nodes[0].notes[SCHEDULER_NOTE_STRAGGLERS], 1);
    assert_int_equal(w->repeats, 0);
    scheduler_world_free(w);
}

static void after_a_takeover_written_tells_stragglers(void **state)
{
    (void)state;
    struct scheduler_limits limits = scheduler_world_limits();
    struct scheduler_world *w = scheduler_world_new(&limits, 1);
    scheduler_world_fill(w, 200, 25 * SECOND, 100, 100);
    scheduler_world_start(w, 0);
    scheduler_world_run(w, MINUTE + 30 * SECOND);
    scheduler_world_crash(w, 0);
    struct scheduler_world_item *late =
        scheduler_world_add(w, 0, scheduler_world_due(30 * SECOND), 100);
    late->straggler = true;
    late->item.written_ms = scheduler_world_due(-limits.handoff_ms - limits.cutoff_ms + 1);
    scheduler_world_sort(w);
    scheduler_world_start(w, 1);
    scheduler_world_run(w, 4 * MINUTE);
    scheduler_world_check_delivered(w);
    assert_int_equal(scheduler_world_counters(w, 1)->stragglers, 1);
    scheduler_world_free(w);
}

/* What a node remembers of a bucket that another has finished says nothing. */
static void half_a_history_is_no_history(void **state)
{
    (void)state;
    struct scheduler_limits limits = scheduler_world_limits();
    limits.page_items = 20;
    struct scheduler_world *w = scheduler_world_new(&limits, 1);
    scheduler_world_fill(w, 200, 25 * SECOND, 100, 20 * KIB);
    scheduler_world_start(w, 0);
    scheduler_world_run(w, 10 * SECOND);
    scheduler_world_start(w, 1);
    w->nodes[0].paused = true;
    scheduler_world_run(w, 25 * SECOND);
    w->nodes[0].paused = false;
    scheduler_world_run(w, 10 * SECOND);
    assert_true(scheduler_world_counters(w, 1)->packs_sent > 0);
    scheduler_world_crash(w, 1);
    scheduler_world_run(w, 4 * MINUTE);
    scheduler_world_check_delivered(w);
    assert_int_equal(scheduler_world_counters(w, 0)->stragglers, 0);
    scheduler_world_free(w);
}

static void every_bucket_is_passed_once_also_when_behind(void **state)
{
    (void)state;
    struct scheduler_limits limits = scheduler_world_limits();
    struct scheduler_world *w = scheduler_world_new(&limits, 1);
    w->cursors[0].position.bucket -= 20;
    for (int i = 0; i < 400; i++)
        scheduler_world_add(w, 0, scheduler_world_due(-i * 3 * SECOND - SECOND), 100);
    scheduler_world_sort(w);
    scheduler_world_start(w, 0);
    scheduler_world_run(w, 5 * MINUTE);
    scheduler_world_check_delivered(w);
    assert_int_equal(scheduler_world_counters(w, 0)->straggler_passes, 26);
    assert_int_equal(scheduler_world_counters(w, 0)->stragglers, 0);
    scheduler_world_free(w);
}

static void more_ids_than_remembered_fall_back_to_written(void **state)
{
    (void)state;
    struct scheduler_limits limits = scheduler_world_limits();
    limits.history_ids = 64;
    struct scheduler_world *w = scheduler_world_new(&limits, 1);
    scheduler_world_fill(w, 200, 25 * SECOND, 100, 100);
    scheduler_world_start(w, 0);
    scheduler_world_run(w, 5 * MINUTE);
    scheduler_world_check_delivered(w);
    assert_int_equal(scheduler_world_counters(w, 0)->stragglers, 0);
    assert_int_equal(scheduler_world_counters(w, 0)->histories_lost, 1);
    scheduler_world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_comes_behind_the_cursor_is_sent_and_counted),
        cmocka_unit_test(after_a_takeover_written_tells_stragglers),
        cmocka_unit_test(every_bucket_is_passed_once_also_when_behind),
        cmocka_unit_test(more_ids_than_remembered_fall_back_to_written),
        cmocka_unit_test(half_a_history_is_no_history),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
