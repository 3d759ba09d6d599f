#include "tests/unit/scheduler_world.h"

static void what_comes_behind_the_cursor_is_sent_and_counted(void **state)
{
    (void)state;
    struct scheduler_limits limits = world_limits();
    struct world *w = world_new(&limits, 1);
    world_fill(w, 200, 25 * SECOND, 100, 100);
    world_start(w, 0);
    world_run(w, MINUTE + 30 * SECOND);
    world_check_delivered(w);
    /* Written long ago, says the item: only the memory of what was sent can tell. */
    struct world_item *late = world_add(w, 0, world_due(30 * SECOND + 1), 100);
    late->straggler = true;
    char sk[TABLE_KEY_SIZE];
    memcpy(sk, late->item.sk, sizeof(sk));
    world_sort(w);
    world_run(w, 4 * MINUTE);
    world_check_delivered(w);
    for (uint32_t i = 0; i < w->item_count; i++) {
        if (memcmp(w->items[i].item.sk, sk, sizeof(sk)) == 0)
            assert_in_range(w->items[i].sent_ms, world_due(3 * MINUTE - limits.handoff_ms),
                            world_due(3 * MINUTE - limits.handoff_ms + 100));
    }
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
    world_fill(w, 200, 25 * SECOND, 100, 100);
    world_start(w, 0);
    world_run(w, MINUTE + 30 * SECOND);
    world_crash(w, 0);
    struct world_item *late = world_add(w, 0, world_due(30 * SECOND), 100);
    late->straggler = true;
    late->item.written_ms = world_due(-limits.handoff_ms - limits.cutoff_ms + 1);
    world_sort(w);
    world_start(w, 1);
    world_run(w, 4 * MINUTE);
    world_check_delivered(w);
    assert_int_equal(world_counters(w, 1)->stragglers, 1);
    world_free(w);
}

/* What a node remembers of a bucket that another has finished says nothing. */
static void half_a_history_is_no_history(void **state)
{
    (void)state;
    struct scheduler_limits limits = world_limits();
    limits.page_items = 20;
    struct world *w = world_new(&limits, 1);
    world_fill(w, 200, 25 * SECOND, 100, 20 * KIB);
    world_start(w, 0);
    world_run(w, 10 * SECOND);
    world_start(w, 1);
    w->nodes[0].paused = true;
    world_run(w, 25 * SECOND);
    w->nodes[0].paused = false;
    world_run(w, 10 * SECOND);
    assert_true(world_counters(w, 1)->packs_sent > 0);
    world_crash(w, 1);
    world_run(w, 4 * MINUTE);
    world_check_delivered(w);
    assert_int_equal(world_counters(w, 0)->stragglers, 0);
    world_free(w);
}

static void every_bucket_is_passed_once_also_when_behind(void **state)
{
    (void)state;
    struct scheduler_limits limits = world_limits();
    struct world *w = world_new(&limits, 1);
    w->cursors[0].position.bucket -= 20;
    for (int i = 0; i < 400; i++)
        world_add(w, 0, world_due(-i * 3 * SECOND - SECOND), 100);
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
    world_fill(w, 200, 25 * SECOND, 100, 100);
    world_start(w, 0);
    world_run(w, 5 * MINUTE);
    world_check_delivered(w);
    assert_int_equal(world_counters(w, 0)->stragglers, 0);
    assert_int_equal(world_counters(w, 0)->histories_lost, 1);
    world_free(w);
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
