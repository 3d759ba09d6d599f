/* status and timeval. */
#include "tests/harness/unit.h"

#include "common/timeval.h"

static void an_error_is_cut_to_fit(void **state)
{
    (void)state;
    char text[2 * ERROR_TEXT_SIZE];
    struct error error;
    memset(text, 'x', sizeof(text));
    text[sizeof(text) - 1] = '\0';
    error_set(&error, ERROR_THROTTLED, "SlowDown", "%s", text);
    assert_string_equal(error.code, "SlowDown");
    assert_int_equal(strlen(error.text), ERROR_TEXT_SIZE - 1);
    assert_int_equal(error.http_status, 0);
    error_set(NULL, ERROR_RETRY, "x", "nobody asks");
}

static void unknown_is_not_failed(void **state)
{
    (void)state;
    assert_int_equal(error_outcome(ERROR_NONE), OUTCOME_DONE);
    assert_int_equal(error_outcome(ERROR_UNKNOWN), OUTCOME_UNKNOWN);
    assert_int_equal(error_outcome(ERROR_RETRY), OUTCOME_FAILED);
    assert_int_equal(error_outcome(ERROR_THROTTLED), OUTCOME_FAILED);
    assert_int_equal(error_outcome(ERROR_AUTH), OUTCOME_FAILED);
    assert_int_equal(error_outcome(ERROR_PERMANENT), OUTCOME_FAILED);
}

static void every_value_has_a_name_of_its_own(void **state)
{
    (void)state;
    for (int a = STATUS_OK; a <= STATUS_IO; a++)
        for (int b = STATUS_OK; b < a; b++)
            assert_string_not_equal(status_name((enum status)a), status_name((enum status)b));
    for (int a = ERROR_NONE; a <= ERROR_UNKNOWN; a++)
        for (int b = ERROR_NONE; b < a; b++)
            assert_string_not_equal(error_kind_name((enum error_kind)a),
                                    error_kind_name((enum error_kind)b));
    assert_string_equal(outcome_name(OUTCOME_DONE), "done");
    assert_string_equal(outcome_name(OUTCOME_FAILED), "failed");
    assert_string_equal(outcome_name(OUTCOME_UNKNOWN), "unknown");
}

static void times_saturate(void **state)
{
    (void)state;
    assert_int_equal(time_add(TIME_NEVER, -1000), TIME_NEVER);
    assert_int_equal(time_add(INT64_MAX - 5, 10), INT64_MAX);
    assert_int_equal(time_add(INT64_MIN + 5, -10), INT64_MIN);
    assert_int_equal(time_sub(INT64_MIN, 1), INT64_MIN);
    assert_int_equal(time_sub(INT64_MAX, -1), INT64_MAX);
    assert_int_equal(wall_add((struct wall_ms){5}, 6).ms, 11);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_error_is_cut_to_fit),
        cmocka_unit_test(unknown_is_not_failed),
        cmocka_unit_test(every_value_has_a_name_of_its_own),
        cmocka_unit_test(times_saturate),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
