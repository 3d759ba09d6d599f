#include "tests/harness/unit.h"

#include "common/credentials_policy.h"

#define START_MS INT64_C(1700000000000)

/* Both clocks move together; wall is START_MS when mono is 0. */
static struct now at(int64_t ms)
{
    return (struct now){{ms}, {START_MS + ms}};
}

static struct credentials_policy with_keys(int64_t life_ms)
{
    struct credentials_policy p;
    credentials_policy_init(&p, 7);
    assert_true(credentials_policy_begin(&p, at(0)));
    credentials_policy_succeeded(&p, life_ms == TIME_NEVER ? TIME_NEVER : START_MS + life_ms,
                                 at(0));
    return p;
}

/* The first millisecond, in steps, at which a refresh begins. */
static int64_t begins_at(struct credentials_policy p, int64_t from_ms, int64_t step_ms)
{
    int64_t ms = from_ms;
    for (int i = 0; i < 1000000; i++, ms += step_ms)
        if (credentials_policy_begin(&p, at(ms)))
            return ms;
    return TIME_NEVER;
}

static void begins_once(void **state)
{
    (void)state;
    struct credentials_policy p;
    credentials_policy_init(&p, 7);
    assert_false(credentials_policy_usable(&p, at(0)));
    assert_true(credentials_policy_begin(&p, at(0)));
    assert_false(credentials_policy_begin(&p, at(0)));
    assert_false(credentials_policy_begin(&p, at(MS_PER_DAY)));
    credentials_policy_succeeded(&p, TIME_NEVER, at(0));
    assert_true(credentials_policy_usable(&p, at(100 * 365 * MS_PER_DAY)));
    assert_false(credentials_policy_urgent(&p, at(100 * 365 * MS_PER_DAY)));
    assert_false(credentials_policy_begin(&p, at(100 * 365 * MS_PER_DAY)));
}

static void refreshes_fifteen_minutes_ahead(void **state)
{
    (void)state;
    struct credentials_policy p = with_keys(6 * MS_PER_HOUR);
    int64_t due = 6 * MS_PER_HOUR - 15 * MS_PER_MINUTE;
    assert_int_equal(begins_at(p, 0, 1000), due);
    assert_false(credentials_policy_begin(&p, at(due - 1)));
    assert_false(credentials_policy_urgent(&p, at(due)));
    assert_true(credentials_policy_urgent(&p, at(due + 5 * MS_PER_MINUTE)));
    assert_true(credentials_policy_usable(&p, at(6 * MS_PER_HOUR - 2001)));
    assert_false(credentials_policy_usable(&p, at(6 * MS_PER_HOUR - 2000)));
}

static void scales_down_for_keys_that_live_seconds(void **state)
{
    (void)state;
    for (int64_t life = 1000; life <= 30000; life += 1000) {
        struct credentials_policy p = with_keys(life);
        assert_int_equal(begins_at(p, 0, 1), life / 2);
        assert_true(credentials_policy_usable(&p, at(life / 2)));
        assert_false(credentials_policy_urgent(&p, at(life / 2)));
        assert_true(credentials_policy_urgent(&p, at(life * 2 / 3 + 1)));
        assert_true(credentials_policy_usable(&p, at(life * 3 / 4)));
        assert_false(credentials_policy_usable(&p, at(life)));
    }
}

static void uses_old_keys_while_refreshing_fails(void **state)
{
    (void)state;
    const int64_t life = MS_PER_HOUR;
    struct credentials_policy p = with_keys(life);
    int64_t ms = begins_at(p, 0, 1000);
    unsigned tries = 0;
    while (ms < life - 2000) {
        if (credentials_policy_begin(&p, at(ms))) {
            tries++;
            assert_true(credentials_policy_usable(&p, at(ms)));
            credentials_policy_failed(&p, at(ms));
            assert_false(credentials_policy_begin(&p, at(ms)));
        }
        ms += 100;
    }
    assert_in_range(tries, 15, 300);
    assert_false(credentials_policy_usable(&p, at(life)));
    assert_true(begins_at(p, life, 100) <= life + 10000);
}

static void backs_off_without_keys(void **state)
{
    (void)state;
    struct credentials_policy p;
    credentials_policy_init(&p, 9);
    int64_t ms = 0;
    int64_t last = 0;
    for (int i = 0; i < 12; i++) {
        assert_true(credentials_policy_begin(&p, at(ms)));
        credentials_policy_failed(&p, at(ms));
        last = ms;
        ms = begins_at(p, ms, 1);
        int64_t full = i < 4 ? 1000 << i : 10000;
        assert_in_range(ms - last, full / 2, full);
    }
}

static void a_refusal_refreshes_at_once_but_not_for_ever(void **state)
{
    (void)state;
    struct credentials_policy p = with_keys(TIME_NEVER);
    credentials_policy_refused(&p, at(10));
    assert_false(credentials_policy_usable(&p, at(10)));
    assert_true(credentials_policy_begin(&p, at(10)));
    credentials_policy_succeeded(&p, TIME_NEVER, at(20));
    assert_true(credentials_policy_usable(&p, at(20)));

    credentials_policy_refused(&p, at(30)); /* the same keys again: too soon to count */
    assert_true(credentials_policy_usable(&p, at(30)));

    unsigned refreshes = 0;
    for (int64_t ms = 30; ms < 10 * MS_PER_MINUTE; ms += 20) {
        credentials_policy_refused(&p, at(ms));
        if (credentials_policy_begin(&p, at(ms))) {
            refreshes++;
            credentials_policy_succeeded(&p, TIME_NEVER, at(ms));
        }
    }
    assert_in_range(refreshes, 10, 40);
}

static void a_refusal_without_a_refresh_keeps_them_unusable(void **state)
{
    (void)state;
    struct credentials_policy p = with_keys(MS_PER_HOUR);
    credentials_policy_refused(&p, at(1000));
    assert_true(credentials_policy_begin(&p, at(1000)));
    credentials_policy_failed(&p, at(1000));
    assert_false(credentials_policy_usable(&p, at(1000)));
    int64_t again = begins_at(p, 1000, 1);
    assert_in_range(again, 1500, 2000);
}

static void an_endpoint_that_repeats_itself_is_not_hammered(void **state)
{
    (void)state;
    const int64_t life = 10000;
    struct credentials_policy p = with_keys(life);
    unsigned refreshes = 0;
    for (int64_t ms = 1; ms < life; ms++)
        if (credentials_policy_begin(&p, at(ms))) {
            refreshes++;
            credentials_policy_succeeded(&p, START_MS + life, at(ms));
        }
    assert_in_range(refreshes, 3, 12);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(begins_once),
        cmocka_unit_test(refreshes_fifteen_minutes_ahead),
        cmocka_unit_test(scales_down_for_keys_that_live_seconds),
        cmocka_unit_test(uses_old_keys_while_refreshing_fails),
        cmocka_unit_test(backs_off_without_keys),
        cmocka_unit_test(a_refusal_refreshes_at_once_but_not_for_ever),
        cmocka_unit_test(a_refusal_without_a_refresh_keeps_them_unusable),
        cmocka_unit_test(an_endpoint_that_repeats_itself_is_not_hammered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
