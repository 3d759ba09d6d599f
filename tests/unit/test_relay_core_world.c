#include "tests/harness/relay_world.h"

static const struct relay_world_faults none = {.blob = 50};

static void without_faults_everything_comes_once_and_on_time(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 30; seed++) {
        struct relay_world *w = relay_world_new(seed, &none);
        relay_world_run_until(w, 70000);
        relay_world_check_done(w, true);
        assert_int_equal(w->worst_late_ms, 0);
        for (uint32_t i = 0; i < RELAY_WORLD_NODES; i++)
            assert_int_equal(w->nodes[i].core.counters.stray_completions, 0);
        relay_world_free(w);
    }
}

static void a_stop_loses_nothing_and_doubles_nothing(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 30; seed++) {
        struct relay_world *w = relay_world_new(seed, &none);
        for (int round = 0; round < 8; round++) {
            relay_world_run_until(w, w->mono + relay_world_between(w, 500, 7000));
            uint32_t node = (uint32_t)prng_below(&w->random, RELAY_WORLD_NODES);
            relay_world_stop(w, node);
            int64_t end = w->mono + 8000;
            while (!relay_core_idle(&w->nodes[node].core) && w->mono < end)
                relay_world_run_until(w, w->mono + 10);
            assert_true(relay_core_idle(&w->nodes[node].core));
            relay_world_begin_life(w, node);
        }
        relay_world_run_until(w, MAX(w->mono, 60000) + 20000);
        relay_world_check_done(w, true);
        relay_world_free(w);
    }
}

static void with_any_faults_nothing_is_lost_early_or_deleted_too_soon(void **state)
{
    (void)state;
    uint64_t extra = 0;
    uint64_t lapsed = 0;
    uint64_t again = 0;
    uint64_t held_back = 0;
    for (uint64_t seed = 1; seed <= 100; seed++) {
        struct relay_world_faults faults = relay_world_draw_faults(seed);
        struct relay_world *w = relay_world_new(seed, &faults);
        relay_world_run_until(w, 90000);
        /* The target goes on refusing, the rest heals. */
        w->faults = (struct relay_world_faults){0};
        relay_world_run_until(w, 250000);
        struct relay_world_tally t = relay_world_count(w);
        if (t.missing + t.undeleted > 0)
            fail_msg("seed %lu: %u records missing, %u messages left", (unsigned long)seed,
                     t.missing, t.undeleted);
        relay_world_check_done(w, false);
        extra += t.extra;
        for (uint32_t i = 0; i < RELAY_WORLD_NODES; i++) {
            lapsed += w->nodes[i].core.counters.lapsed_unemitted;
            again += w->nodes[i].core.counters.emitted_again;
            held_back += w->nodes[i].core.counters.polls_held_back;
        }
        relay_world_free(w);
    }
    /* The faults did happen. */
    assert_true(extra > 0);
    assert_true(lapsed > 0);
    assert_true(again > 0);
    assert_true(held_back > 0);
}

/* Faults that leave no doubt about what was written make no duplicates. */
static void failures_that_are_certain_double_nothing(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 60; seed++) {
        struct relay_world_faults faults = {.report_failed = 200,
                                            .refused = 100,
                                            .full = 300,
                                            .unreadable = 100,
                                            .blob = 100,
                                            .blob_failed = 200};
        struct relay_world *w = relay_world_new(seed, &faults);
        relay_world_run_until(w, 200000);
        relay_world_check_done(w, true);
        relay_world_free(w);
    }
}

static uint64_t history(uint64_t seed)
{
    struct relay_world_faults faults = relay_world_draw_faults(seed);
    struct relay_world *w = relay_world_new(seed, &faults);
    relay_world_run_until(w, 40000);
    uint64_t digest = relay_core_digest(&w->nodes[0].core) ^ relay_core_digest(&w->nodes[1].core);
    relay_world_free(w);
    return digest;
}

static void the_same_seed_lives_the_same_life(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 10; seed++) {
        assert_true(history(seed) == history(seed));
        assert_true(history(seed) != history(seed + 1000));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_faults_everything_comes_once_and_on_time),
        cmocka_unit_test(a_stop_loses_nothing_and_doubles_nothing),
        cmocka_unit_test(failures_that_are_certain_double_nothing),
        cmocka_unit_test(with_any_faults_nothing_is_lost_early_or_deleted_too_soon),
        cmocka_unit_test(the_same_seed_lives_the_same_life),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
