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
        assert_int_equal(rate_take(&rate, RATE_ORDINARY, now), 0);
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
        int64_t asked_ms = rate_wait_ms(&rate, RATE_ORDINARY, now);
        int64_t wait_ms = rate_take(&rate, RATE_ORDINARY, now);
        assert_int_equal(wait_ms, asked_ms);
        assert_true(wait_ms >= last_ms);
        last_ms = wait_ms;
    }
    /* 200 calls at 70 a second. */
    assert_in_range(last_ms, 2700, 3000);
    now.ms += last_ms;
    assert_in_range(rate_wait_ms(&rate, RATE_ORDINARY, now), 0, 20);
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
    assert_in_range(rate_wait_ms(&rate, RATE_ORDINARY, now), 0, 2001);
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
    assert_int_equal(rate_take(&rate, RATE_ORDINARY, now), 0);
}

/* Throttled at 40 a second: 28 are left, a bucket of 28 that is empty. */
static struct mono_ms throttle_to_28(struct rate *rate)
{
    struct mono_ms now = START;
    rate_init(rate, 0.5, now);
    rate->measured_per_s = 40;
    rate_throttle(rate, now);
    assert_true(near(rate->fill_per_s, 28, 1e-9));
    return now;
}

static void test_spare_calls_leave_room_for_the_others(void **state)
{
    (void)state;
    struct rate rate;
    struct mono_ms now = throttle_to_28(&rate);
    assert_true(rate_take(&rate, RATE_SPARE, now) > 0);
    assert_true(near(rate.tokens, 0, 1e-9)); /* sent away: it took nothing */
    now.ms += 1000;
    unsigned went = 0;
    while (rate_take(&rate, RATE_SPARE, now) == 0)
        went++;
    assert_int_equal(went, 21);
    for (int i = 0; i < 7; i++)
        assert_int_equal(rate_take(&rate, RATE_ORDINARY, now), 0);
    assert_true(rate_take(&rate, RATE_ORDINARY, now) > 0);
}

static void test_a_spare_call_that_asks_again_in_time_goes(void **state)
{
    (void)state;
    struct rate rate;
    struct mono_ms now = throttle_to_28(&rate);
    int64_t wait_ms = rate_take(&rate, RATE_SPARE, now);
    assert_in_range(wait_ms, 250, 300); /* a quarter of a second, and one */
    now.ms += wait_ms;
    assert_int_equal(rate_take(&rate, RATE_SPARE, now), 0);
}

static void test_one_spare_call_a_second_goes_whatever_the_others_do(void **state)
{
    (void)state;
    struct rate rate;
    struct mono_ms now = throttle_to_28(&rate);
    unsigned went = 0;
    for (int ms = 0; ms < 10000; ms += 10, now.ms += 10) {
        while (rate_wait_ms(&rate, RATE_ORDINARY, now) < 500)
            rate_take(&rate, RATE_ORDINARY, now);
        went += rate_take(&rate, RATE_SPARE, now) == 0;
    }
    assert_in_range(went, 9, 10);
}

static void test_urgent_calls_overtake_by_a_second_at_most(void **state)
{
    (void)state;
    struct rate rate;
    struct mono_ms now = throttle_to_28(&rate);
    for (int i = 0; i < 14; i++) /* half a second of promises */
        rate_take(&rate, RATE_ORDINARY, now);
    for (int i = 0; i < 14; i++)
        assert_int_equal(rate_take(&rate, RATE_URGENT, now), 0);
    assert_in_range(rate_take(&rate, RATE_URGENT, now), 1, 40);
    assert_in_range(rate_take(&rate, RATE_ORDINARY, now), 1000, 1100); /* these pay for it */
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
        cmocka_unit_test(test_spare_calls_leave_room_for_the_others),
        cmocka_unit_test(test_a_spare_call_that_asks_again_in_time_goes),
        cmocka_unit_test(test_one_spare_call_a_second_goes_whatever_the_others_do),
        cmocka_unit_test(test_urgent_calls_overtake_by_a_second_at_most),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
