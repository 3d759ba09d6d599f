#include "tests/harness/unit.h"

#include "common/rate.h"

#define START ((struct mono_ms){1000000})

static bool near(double a, double b, double tolerance)
{
    return a - b <= tolerance && b - a <= tolerance;
}

static void test_open_until_the_first_throttle(void **state)
{
    (void)state;
    struct rate rate;
    struct mono_ms now = START;
    rate_init(&rate, 0.5, now);
    for (int i = 0; i < 10000; i++) {
        assert_int_equal(rate_take(&rate, now), 0);
        rate_update(&rate, false, now);
        now.ms += i % 3;
    }
    assert_false(rate.limits);
}

/* The published numbers: throttled at 8 a second gives 5.6, and the cubic's recovery time. */
static void test_cubic(void **state)
{
    (void)state;
    struct rate rate;
    struct mono_ms now = START;
    rate_init(&rate, 0.5, now);
    rate.measured_per_s = 8;
    rate_update(&rate, true, now);
    assert_true(near(rate.fill_per_s, 5.6, 1e-9));
    assert_true(near(rate.highest_per_s, 8, 1e-9));
    assert_true(near(rate.recovery_s, 1.8171205928321397, 1e-6));

    rate.measured_per_s = 1000; /* the cubic alone limits */
    struct mono_ms at = now;
    at.ms = now.ms + 1817;
    rate_update(&rate, false, at);
    assert_true(near(rate.fill_per_s, 8, 0.01)); /* where it was */
    rate.measured_per_s = 1000;
    at.ms = now.ms + 3817;
    rate_update(&rate, false, at);
    assert_true(near(rate.fill_per_s, 8 + 0.4 * 8, 0.05)); /* two seconds on: 0.4 * 2^3 */
}

static void test_rate_grows_to_twice_the_measured_at_most(void **state)
{
    (void)state;
    struct rate rate;
    struct mono_ms now = START;
    rate_init(&rate, 0.5, now);
    rate.measured_per_s = 10;
    rate_update(&rate, true, now);
    rate.measured_per_s = 3;
    now.ms += 400;
    rate.bucket = now.ms / 500;
    rate.bucket_calls = 0;
    rate_update(&rate, false, now);
    assert_true(rate.fill_per_s <= 6.000001);
}

static void test_waits_are_promised_in_order(void **state)
{
    (void)state;
    struct rate rate;
    struct mono_ms now = START;
    rate_init(&rate, 0.5, now);
    rate.measured_per_s = 100;
    rate_update(&rate, true, now);
    assert_true(rate.limits);
    int64_t last_ms = 0;
    for (int i = 0; i < 200; i++) {
        int64_t asked_ms = rate_wait_ms(&rate, now);
        int64_t wait_ms = rate_take(&rate, now);
        assert_int_equal(wait_ms, asked_ms);
        assert_true(wait_ms >= last_ms);
        last_ms = wait_ms;
    }
    /* 200 calls at 70 a second. */
    assert_in_range(last_ms, 2700, 3000);
    now.ms += last_ms;
    assert_in_range(rate_wait_ms(&rate, now), 0, 20);
}

static void test_first_throttle_early_is_no_standstill(void **state)
{
    (void)state;
    struct rate rate;
    struct mono_ms now = START;
    rate_init(&rate, 0.5, now);
    for (int i = 0; i < 100; i++)
        rate_update(&rate, false, now);
    rate_update(&rate, true, now); /* within the first half second */
    assert_true(rate.fill_per_s > 100);
}

static void test_never_stops(void **state)
{
    (void)state;
    struct rate rate;
    struct mono_ms now = START;
    rate_init(&rate, 0.5, now);
    for (int i = 0; i < 1000; i++) {
        rate_update(&rate, true, now);
        now.ms += 7;
    }
    assert_true(rate.fill_per_s >= 0.5);
    assert_in_range(rate_wait_ms(&rate, now), 0, 2001);
}

static void test_forgets(void **state)
{
    (void)state;
    struct rate rate;
    struct mono_ms now = START;
    rate_init(&rate, 0.5, now);
    rate_update(&rate, true, now);
    now.ms += RATE_FORGET_MS - 1;
    rate_update(&rate, false, now);
    assert_true(rate.limits);
    now.ms += 1;
    rate_update(&rate, false, now);
    assert_false(rate.limits);
    assert_int_equal(rate_take(&rate, now), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_open_until_the_first_throttle),
        cmocka_unit_test(test_cubic),
        cmocka_unit_test(test_rate_grows_to_twice_the_measured_at_most),
        cmocka_unit_test(test_waits_are_promised_in_order),
        cmocka_unit_test(test_first_throttle_early_is_no_standstill),
        cmocka_unit_test(test_never_stops),
        cmocka_unit_test(test_forgets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
