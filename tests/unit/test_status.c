/* status, check and mem: what a failure says, and that our own bugs end the process. */
#include "tests/harness/unit.h"

#include "common/check.h"
#include "common/mem.h"
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

static void break_an_invariant(void *ctx)
{
    CHECK(ctx != NULL);
}

static void want_everything(void *ctx)
{
    (void)ctx;
    volatile size_t everything = SIZE_MAX / 2;
    mem_free(mem_alloc(everything));
}

static void our_bugs_and_no_memory_end_the_process(void **state)
{
    (void)state;
    expect_abort(break_an_invariant, NULL);
#ifndef __SANITIZE_ADDRESS__ /* which has an opinion of its own of such sizes */
    expect_abort(want_everything, NULL);
#else
    (void)want_everything;
    printf("skipped: no memory: AddressSanitizer ends the process itself\n");
#endif
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
        cmocka_unit_test(our_bugs_and_no_memory_end_the_process),
        cmocka_unit_test(times_saturate),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
