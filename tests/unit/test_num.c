#include "tests/harness/unit.h"

#include <inttypes.h>
#include <time.h>

#include "common/compiler.h"
#include "common/num.h"
#include "common/prng.h"

static void integers_are_strict(void **state)
{
    (void)state;
    uint64_t u = 7;
    assert_status(num_parse_u64(SLICE_LITERAL("0"), 9, &u), STATUS_OK);
    assert_int_equal(u, 0);
    assert_status(num_parse_u64(SLICE_LITERAL("18446744073709551615"), UINT64_MAX, &u), STATUS_OK);
    assert_true(u == UINT64_MAX);
    assert_status(num_parse_u64(SLICE_LITERAL("18446744073709551616"), UINT64_MAX, &u),
                  STATUS_TOO_LARGE);
    assert_status(num_parse_u64(SLICE_LITERAL("99999999999999999999999999999"), UINT64_MAX, &u),
                  STATUS_TOO_LARGE);
    assert_status(num_parse_u64(SLICE_LITERAL("10"), 9, &u), STATUS_TOO_LARGE);
    assert_true(u == UINT64_MAX);
    static const char *const wrong[] = {"",
                                        " ",
                                        "00",
                                        "01",
                                        "-0",
                                        "-1",
                                        "+1",
                                        "1 ",
                                        " 1",
                                        "1.0",
                                        "1e3",
                                        "0x1",
                                        "1\n",
                                        "a",
                                        "1a",
                                        "\xd9\xa1",
                                        "99999999999999999999999999x"};
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
        assert_status(num_parse_u64(slice_from_str(wrong[i]), UINT64_MAX, &u), STATUS_INVALID);
    assert_status(num_parse_u64(SLICE_NULL, UINT64_MAX, &u), STATUS_INVALID);
    assert_status(num_parse_u64(SLICE_LITERAL("1\0"), UINT64_MAX, &u), STATUS_INVALID);

    int64_t s = 7;
    assert_status(num_parse_i64(SLICE_LITERAL("9223372036854775807"), INT64_MAX, &s), STATUS_OK);
    assert_true(s == INT64_MAX);
    assert_status(num_parse_i64(SLICE_LITERAL("9223372036854775808"), INT64_MAX, &s),
                  STATUS_TOO_LARGE);
}

static void durations_have_at_most_one_unit(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t ms;
    } fine[] = {
        {"0", 0},          {"1500", 1500},  {"250ms", 250},
        {"90s", 90000},    {"15m", 900000}, {"36h", 129600000},
        {"7d", 604800000}, {"0s", 0},       {"106751991167d", INT64_C(9223372036828800000)},
    };
    int64_t ms;
    for (size_t i = 0; i < ARRAY_LEN(fine); i++) {
        assert_status(num_parse_duration_ms(slice_from_str(fine[i].text), INT64_MAX, &ms),
                      STATUS_OK);
        assert_int_equal(ms, fine[i].ms);
    }
    static const char *const wrong[] = {"",    "s",  "ms",  "1 s", "1S",  "1.5s", "-1s", "+1s",
                                        "01s", "1w", "1sm", "1s ", " 1s", "1m1s", "1e3", "1us"};
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
        assert_status(num_parse_duration_ms(slice_from_str(wrong[i]), INT64_MAX, &ms),
                      STATUS_INVALID);
    assert_status(num_parse_duration_ms(SLICE_LITERAL("106751991168d"), INT64_MAX, &ms),
                  STATUS_TOO_LARGE);
    assert_status(num_parse_duration_ms(SLICE_LITERAL("9223372036854775808"), INT64_MAX, &ms),
                  STATUS_TOO_LARGE);
    assert_status(num_parse_duration_ms(SLICE_LITERAL("2s"), 1999, &ms), STATUS_TOO_LARGE);
    assert_status(num_parse_duration_ms(SLICE_LITERAL("2s"), 2000, &ms), STATUS_OK);
}

static void rfc3339_is_read(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t ms;
    } fine[] = {
        {"1970-01-01T00:00:00Z", 0},
        {"1985-04-12T23:20:50.52Z", INT64_C(482196050520)},
        {"1996-12-19T16:39:57-08:00", INT64_C(851042397000)},
        {"1990-12-31T23:59:60Z", INT64_C(662688000000)},
        {"1990-12-31T15:59:60-08:00", INT64_C(662688000000)},
        {"1937-01-01T12:00:27.87+00:20", -1},
        {"2024-02-29T12:00:00.001999999Z", INT64_C(1709208000002)},
        {"2026-11-21T22:50:05.123Z", INT64_C(1795301405123)},
        {"2026-11-21T22:50:05.1Z", INT64_C(1795301405100)},
        {"2026-11-21T22:50:05.1234Z", INT64_C(1795301405124)},
        {"2026-11-22T00:50:05-00:00", INT64_C(1795308605000)},
        {"9999-12-31T23:59:59.999Z", INT64_C(253402300799999)},
        {"1970-01-01T01:00:00+01:00", 0},
        {"2026-11-21t22:50:05.123z", INT64_C(1795301405123)},
        {"2026-11-21T22:50:05.123000000000000000000001Z", INT64_C(1795301405124)},
        {"2026-11-21T22:50:05.123000000000000000000000Z", INT64_C(1795301405123)},
        {"2026-11-21T22:50:05.9999Z", INT64_C(1795301406000)},
    };
    for (size_t i = 0; i < ARRAY_LEN(fine); i++) {
        int64_t ms = -1;
        enum status status = num_parse_rfc3339(slice_from_str(fine[i].text), &ms);
        assert_int_equal(ms, fine[i].ms);
        assert_int_equal(status, fine[i].ms == -1 ? STATUS_INVALID : STATUS_OK);
    }
}

static void rfc3339_is_strict(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "",
        "2026",
        "2026-11-21",
        "2026-11-21T22:50:05",
        "2026-11-21 22:50:05Z",
        "2026-11-21T22:50Z",
        "2026-11-21T22:50:05.Z",
        "2026-11-21T22:50:05,1Z",
        "2026-11-21T22:50:05+1:00",
        "2026-11-21T22:50:05+0100",
        "2026-11-21T22:50:05+24:00",
        "2026-11-21T22:50:05+00:60",
        "2026-11-21T24:00:00Z",
        "2026-11-21T22:60:05Z",
        "2026-11-21T22:50:61Z",
        "2026-11-21T22:50:60Z", /* not at midnight */
        "2026-11-21T23:59:60Z", /* not at the end of a month */
        "2026-02-29T00:00:00Z",
        "2100-02-29T00:00:00Z",
        "2026-00-01T00:00:00Z",
        "2026-13-01T00:00:00Z",
        "2026-04-31T00:00:00Z",
        "2026-04-00T00:00:00Z",
        "1969-12-31T23:59:59Z",
        "1970-01-01T00:00:00+00:01",
        "10000-01-01T00:00:00Z",
        "+2026-11-21T22:50:05Z",
        " 2026-11-21T22:50:05Z",
        "2026-11-21T22:50:05Z ",
        "2026-11-21T22:50:05ZZ",
    };
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        int64_t ms = 7;
        if (num_parse_rfc3339(slice_from_str(wrong[i]), &ms) != STATUS_INVALID)
            fail_msg("%s was taken", wrong[i]);
        assert_int_equal(ms, 7);
    }
}

/* Against the C library's calendar. */
static void dates_agree_with_timegm(void **state)
{
    (void)state;
    struct prng random;
    prng_init(&random, 3);
    for (int i = 0; i < 20000; i++) {
        int64_t ms = (int64_t)prng_below(&random, UINT64_C(253402300800000));
        time_t seconds = (time_t)(ms / 1000);
        struct tm tm;
        assert_non_null(gmtime_r(&seconds, &tm));
        char expected[64];
        strftime(expected, sizeof(expected), "%Y-%m-%dT%H:%M:%S", &tm);
        snprintf(expected + 19, sizeof(expected) - 19, ".%03dZ", (int)(ms % 1000));
        char text[NUM_RFC3339_SIZE];
        num_format_rfc3339(ms, text);
        assert_string_equal(text, expected);
        int64_t back;
        assert_status(num_parse_rfc3339(slice_from_str(text), &back), STATUS_OK);
        assert_int_equal(back, ms);
        char http[64];
        strftime(http, sizeof(http), "%a, %d %b %Y %H:%M:%S GMT", &tm);
        assert_status(num_parse_http_date(slice_from_str(http), &back), STATUS_OK);
        assert_int_equal(back, seconds);
    }
}

static void formats_stay_in_their_room(void **state)
{
    (void)state;
    char text[NUM_RFC3339_SIZE];
    num_format_rfc3339(INT64_MAX, text);
    assert_string_equal(text, "9999-12-31T23:59:59.999Z");
    num_format_rfc3339(INT64_MIN, text);
    assert_string_equal(text, "1970-01-01T00:00:00.000Z");
    char amz[NUM_AMZ_DATE_SIZE];
    num_format_amz_date(INT64_C(1440938160999), amz);
    assert_string_equal(amz, "20150830T123600Z");
    num_format_amz_date(INT64_MAX, amz);
    assert_string_equal(amz, "99991231T235959Z");
}

static void http_dates_are_strict(void **state)
{
    (void)state;
    int64_t s;
    assert_status(num_parse_http_date(SLICE_LITERAL("Sun, 06 Nov 1994 08:49:37 GMT"), &s),
                  STATUS_OK);
    assert_int_equal(s, 784111777);
    static const char *const wrong[] = {
        "",
        "Sunday, 06-Nov-94 08:49:37 GMT",
        "Sun Nov  6 08:49:37 1994",
        "Mon, 06 Nov 1994 08:49:37 GMT",
        "Sun, 6 Nov 1994 08:49:37 GMT ",
        "Sun, 06 nov 1994 08:49:37 GMT",
        "Sun, 06 Nov 1994 08:49:37 UTC",
        "Sun, 31 Feb 1994 08:49:37 GMT",
        "Sun, 06 Nov 1994 25:49:37 GMT",
        "Sun, 06 Nov 1994 08:49:37 GMT\n",
    };
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
        assert_status(num_parse_http_date(slice_from_str(wrong[i]), &s), STATUS_INVALID);
    assert_status(num_parse_http_date(SLICE_NULL, &s), STATUS_INVALID);
}

static void decimals_are_written_as_printf_does(void **state)
{
    (void)state;
    static const int64_t values[] = {
        0, 1, -1, 9, 10, -10, 99, 100, 1749629350123, INT64_MAX, INT64_MIN, INT32_MIN};
    for (size_t i = 0; i < ARRAY_LEN(values); i++) {
        char expected[32];
        char out[NUM_DECIMAL_SIZE];
        int len = snprintf(expected, sizeof(expected), "%" PRId64, values[i]);
        assert_int_equal(num_format_i64(values[i], out), len);
        assert_memory_equal(out, expected, (size_t)len);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decimals_are_written_as_printf_does),
        cmocka_unit_test(integers_are_strict),
        cmocka_unit_test(durations_have_at_most_one_unit),
        cmocka_unit_test(rfc3339_is_read),
        cmocka_unit_test(rfc3339_is_strict),
        cmocka_unit_test(dates_agree_with_timegm),
        cmocka_unit_test(formats_stay_in_their_room),
        cmocka_unit_test(http_dates_are_strict),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
