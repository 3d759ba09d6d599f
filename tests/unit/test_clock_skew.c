#include "tests/harness/unit.h"

#include "common/clock_skew.h"
#include "common/prng.h"

/* True time is TRUE_BASE_MS + monotonic time; the host's wall clock is off by so much. */
#define TRUE_BASE_MS INT64_C(1800000000000)

static struct now host(int64_t mono_ms, int64_t off_ms)
{
    return (struct now){{mono_ms}, {TRUE_BASE_MS + mono_ms + off_ms}};
}

/* A server that is right answers within a call from mono_ms on, after `there` and `back` ms. */
static void answer(struct clock_skew *skew, int64_t mono_ms, int64_t there_ms, int64_t back_ms)
{
    int64_t date_s = (TRUE_BASE_MS + mono_ms + there_ms) / 1000;
    clock_skew_observe(skew, date_s, (struct mono_ms){mono_ms},
                       (struct mono_ms){mono_ms + there_ms + back_ms});
}

static void test_nothing_known(void **state)
{
    (void)state;
    struct clock_skew skew;
    clock_skew_init(&skew);
    struct clock_skew_view view = clock_skew_view(&skew, host(5000, 0));
    assert_false(view.known);
    assert_int_equal(view.correction_ms, 0);
    assert_int_equal(clock_skew_signing_ms(&skew, host(5000, 77)), TRUE_BASE_MS + 5077);
}

/* Whatever the clock's error and the network's delays: the bounds hold the truth, and the corrected
 * clock never runs ahead of true time, nor more than the bounds' width and rounding behind. */
static void test_bounds_hold_the_truth(void **state)
{
    (void)state;
    struct prng prng;
    prng_init(&prng, 42);
    for (int run = 0; run < 2000; run++) {
        int64_t off_ms = (int64_t)prng_below(&prng, 20000) - 10000;
        if (run % 3 == 0)
            off_ms *= 1000;
        struct clock_skew skew;
        clock_skew_init(&skew);
        int64_t mono_ms = 1000 + (int64_t)prng_below(&prng, 100000);
        for (int i = 0; i < 20; i++) {
            answer(&skew, mono_ms, (int64_t)prng_below(&prng, 300),
                   (int64_t)prng_below(&prng, 300));
            mono_ms += (int64_t)prng_below(&prng, 5000);
        }
        struct now now = host(mono_ms, off_ms);
        struct clock_skew_view view = clock_skew_view(&skew, now);
        assert_true(view.known);
        assert_true(view.offset_min_ms <= -off_ms && -off_ms <= view.offset_max_ms);
        int64_t error_ms = now.wall.ms + view.correction_ms - (TRUE_BASE_MS + mono_ms);
        if (view.correction_ms != 0) {
            assert_true(error_ms <= 0);
            assert_true(error_ms > -1800);
            assert_true(off_ms > CLOCK_SKEW_LARGE_MS || off_ms < -CLOCK_SKEW_LARGE_MS);
        } else {
            assert_true(error_ms <= CLOCK_SKEW_LARGE_MS + 1800);
        }
        int64_t signing_error_ms = clock_skew_signing_ms(&skew, now) - (TRUE_BASE_MS + mono_ms);
        assert_true(signing_error_ms < 2000 && signing_error_ms > -2000);
    }
}

static void test_small_errors_are_left_alone(void **state)
{
    (void)state;
    static const int64_t offs_ms[] = {0, 900, -900, 2999, -2999};
    for (size_t i = 0; i < ARRAY_LEN(offs_ms); i++) {
        struct clock_skew skew;
        clock_skew_init(&skew);
        for (int64_t mono_ms = 1000; mono_ms < 20000; mono_ms += 777)
            answer(&skew, mono_ms, 5, 5);
        assert_int_equal(clock_skew_view(&skew, host(20000, offs_ms[i])).correction_ms, 0);
    }
}

static void test_large_errors_are_corrected_late(void **state)
{
    (void)state;
    static const int64_t offs_ms[] = {3600000, -3600000, 4500, -4500};
    for (size_t i = 0; i < ARRAY_LEN(offs_ms); i++) {
        struct clock_skew skew;
        clock_skew_init(&skew);
        answer(&skew, 1500, 5, 5);
        assert_int_equal(clock_skew_view(&skew, host(2000, offs_ms[i])).correction_ms, 0);
        for (int64_t mono_ms = 2000; mono_ms < 20000; mono_ms += 777)
            answer(&skew, mono_ms, 5, 5);
        int64_t correction_ms = clock_skew_view(&skew, host(20000, offs_ms[i])).correction_ms;
        assert_true(correction_ms <= -offs_ms[i]);
        assert_true(correction_ms > -offs_ms[i] - 400);
        assert_int_equal(correction_ms % CLOCK_SKEW_ROUND_MS, 0);
    }
}

static void test_one_wrong_answer_changes_nothing_for_long(void **state)
{
    (void)state;
    struct clock_skew skew;
    clock_skew_init(&skew);
    for (int64_t mono_ms = 1000; mono_ms < 20000; mono_ms += 777)
        answer(&skew, mono_ms, 5, 5);
    clock_skew_observe(&skew, 12345, (struct mono_ms){20000}, (struct mono_ms){20010});
    assert_int_equal(clock_skew_view(&skew, host(20020, 0)).correction_ms, 0);
    answer(&skew, 20030, 5, 5);
    answer(&skew, 20060, 5, 5);
    struct clock_skew_view view = clock_skew_view(&skew, host(20100, 0));
    assert_true(view.offset_min_ms <= 0 && view.offset_max_ms >= 0);
    assert_int_equal(view.correction_ms, 0);
}

static void test_stepping_the_wall_clock_loses_nothing(void **state)
{
    (void)state;
    struct clock_skew skew;
    clock_skew_init(&skew);
    for (int64_t mono_ms = 1000; mono_ms < 20000; mono_ms += 777)
        answer(&skew, mono_ms, 5, 5);
    assert_int_equal(clock_skew_view(&skew, host(20000, 0)).correction_ms, 0);
    int64_t correction_ms = clock_skew_view(&skew, host(20001, 86400000)).correction_ms;
    assert_true(correction_ms <= -86400000 && correction_ms > -86400000 - 300);
}

static void test_old_observations_age_out(void **state)
{
    (void)state;
    struct clock_skew skew;
    clock_skew_init(&skew);
    /* The monotonic clock runs 100 ppm fast: over an hour that is 360 ms. */
    int64_t mono_ms = 1000;
    for (; mono_ms < 3600000; mono_ms += 10007) {
        int64_t true_ms = TRUE_BASE_MS + mono_ms - mono_ms / 10000;
        clock_skew_observe(&skew, true_ms / 1000, (struct mono_ms){mono_ms},
                           (struct mono_ms){mono_ms + 3});
    }
    struct clock_skew_view view = clock_skew_view(&skew, host(mono_ms, 0));
    int64_t truth_ms = -mono_ms / 10000;
    assert_true(view.offset_min_ms <= truth_ms + 1 && truth_ms - 1 <= view.offset_max_ms);
    assert_true(view.offset_max_ms - view.offset_min_ms < 1500);
}

static void test_absurd_dates(void **state)
{
    (void)state;
    struct clock_skew skew;
    clock_skew_init(&skew);
    clock_skew_observe(&skew, INT64_MAX, (struct mono_ms){1}, (struct mono_ms){2});
    clock_skew_observe(&skew, 1, (struct mono_ms){2}, (struct mono_ms){1});
    assert_false(clock_skew_view(&skew, host(5, 0)).known);
    clock_skew_observe(&skew, INT64_MAX / 1000, (struct mono_ms){1}, (struct mono_ms){2});
    clock_skew_observe(&skew, INT64_MAX / 1000, (struct mono_ms){1}, (struct mono_ms){2});
    clock_skew_view(&skew, host(5, 0));
    clock_skew_signing_ms(&skew, host(5, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_known),
        cmocka_unit_test(test_bounds_hold_the_truth),
        cmocka_unit_test(test_small_errors_are_left_alone),
        cmocka_unit_test(test_large_errors_are_corrected_late),
        cmocka_unit_test(test_one_wrong_answer_changes_nothing_for_long),
        cmocka_unit_test(test_stepping_the_wall_clock_loses_nothing),
        cmocka_unit_test(test_old_observations_age_out),
        cmocka_unit_test(test_absurd_dates),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
