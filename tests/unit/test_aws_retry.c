#include "tests/harness/unit.h"

#include "common/aws_error.h"
#include "common/aws_retry.h"
#include "common/limits.h"
#include "common/num.h"
#include "tests/harness/vectors.h"

#define LONGEST UINT32_MAX /* rand() = 1 */

static const struct aws_retry_failure transient = {.retryable = true};
static const struct aws_retry_failure throttle = {.retryable = true, .throttled = true};

static void test_delays_double_up_to_the_cap(void **state)
{
    (void)state;
    struct aws_retry_policy policy = aws_retry_standard_2026;
    policy.attempts_max = 12;
    static const int64_t expected_ms[] = {50,   100,  200,   400,   800,  1600,
                                          3200, 6400, 12800, 20000, 20000};
    struct aws_retry_quota quota;
    struct aws_retry_call call = {0};
    aws_retry_quota_init(&quota);
    for (size_t i = 0; i < ARRAY_LEN(expected_ms); i++) {
        struct aws_retry_decision d =
            aws_retry_decide(&policy, &quota, &call, &transient, false, LONGEST);
        assert_int_equal(d.verdict, AWS_RETRY_AGAIN);
        assert_int_equal(d.delay_ms, expected_ms[i]);
    }
    struct aws_retry_decision d =
        aws_retry_decide(&policy, &quota, &call, &transient, false, LONGEST);
    assert_int_equal(d.verdict, AWS_RETRY_ATTEMPTS_ENDED);
    assert_int_equal(quota.tokens, 500 - 11 * 14);
}

static void test_random_shortens(void **state)
{
    (void)state;
    struct aws_retry_quota quota;
    aws_retry_quota_init(&quota);
    static const struct {
        uint32_t random;
        int64_t delay_ms;
    } cases[] = {{0, 0}, {UINT32_MAX / 2, 500}, {UINT32_MAX, 1000}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct aws_retry_call call = {0};
        struct aws_retry_decision d = aws_retry_decide(&aws_retry_standard_2026, &quota, &call,
                                                       &throttle, false, cases[i].random);
        assert_int_equal(d.delay_ms, cases[i].delay_ms);
    }
}

static void test_not_retryable_costs_nothing(void **state)
{
    (void)state;
    struct aws_retry_quota quota;
    struct aws_retry_call call = {0};
    aws_retry_quota_init(&quota);
    struct aws_retry_decision d =
        aws_retry_decide(&aws_retry_standard_2026, &quota, &call,
                         &(struct aws_retry_failure){.hint_ms = 100}, true, LONGEST);
    assert_int_equal(d.verdict, AWS_RETRY_NEVER);
    assert_int_equal(d.delay_ms, 0);
    assert_int_equal(quota.tokens, 500);
}

static void test_success_without_retry_adds_one(void **state)
{
    (void)state;
    struct aws_retry_quota quota = {.tokens = 498};
    struct aws_retry_call call = {0};
    for (int i = 0; i < 5; i++)
        aws_retry_succeeded(&quota, &call);
    assert_int_equal(quota.tokens, 500);
}

static void test_older_rules_charge_time_outs_double(void **state)
{
    (void)state;
    struct aws_retry_quota quota;
    struct aws_retry_call call = {0};
    aws_retry_quota_init(&quota);
    struct aws_retry_failure late = {.retryable = true, .timed_out = true, .hint_ms = 9000};
    struct aws_retry_decision d =
        aws_retry_decide(&aws_retry_standard_2025, &quota, &call, &late, false, LONGEST);
    assert_int_equal(quota.tokens, 490);
    assert_int_equal(d.delay_ms, 1000); /* and know no hints */
}

/* A caller whose every call is a retry must find a way out of an empty quota. */
static void test_draw_and_probe(void **state)
{
    (void)state;
    const struct aws_retry_policy *policy = &aws_retry_standard_2026;
    struct aws_retry_quota quota = {.tokens = 20};
    struct aws_retry_call first = {0};
    struct aws_retry_call second = {0};
    struct aws_retry_call third = {0};
    struct mono_ms now = {10000};
    assert_true(aws_retry_draw(policy, &quota, &first, now));
    assert_int_equal(quota.tokens, 6);
    assert_true(aws_retry_draw(policy, &quota, &second, now)); /* a probe */
    assert_int_equal(quota.tokens, 6);
    assert_false(aws_retry_draw(policy, &quota, &third, now));
    now.ms += AWS_RETRY_PROBE_INTERVAL_MS - 1;
    assert_false(aws_retry_draw(policy, &quota, &third, now));
    now.ms += 1;
    assert_true(aws_retry_draw(policy, &quota, &third, now));
    aws_retry_succeeded(&quota, &third);
    assert_int_equal(quota.tokens, 20);
    struct aws_retry_call fourth = {0};
    assert_true(aws_retry_draw(policy, &quota, &fourth, now));
}

/* --- vectors --------------------------------------------------------------------------------- */

static int64_t to_ms(const cJSON *seconds)
{
    return (int64_t)(seconds->valuedouble * 1000 + 0.5);
}

static void apply_given(const cJSON *given, struct aws_retry_policy *policy,
                        struct aws_retry_quota *quota, bool *ret_long_poll)
{
    policy->attempts_max = (uint32_t)vectors_i64_or(given, "max_attempts", policy->attempts_max);
    quota->tokens = (int32_t)vectors_i64_or(given, "initial_retry_tokens", quota->tokens);
    const cJSON *cap = cJSON_GetObjectItemCaseSensitive(given, "max_backoff_time");
    if (cap != NULL)
        policy->cap_ms = to_ms(cap);
    *ret_long_poll = json_get_bool(given, "long_polling", false);
}

static const char *verdict_name(enum aws_retry_verdict verdict)
{
    switch (verdict) {
    case AWS_RETRY_AGAIN:
        return "retry_request";
    case AWS_RETRY_NEVER:
        return "fail_request";
    case AWS_RETRY_ATTEMPTS_ENDED:
        return "max_attempts_exceeded";
    case AWS_RETRY_QUOTA_EMPTY:
        return "retry_quota_exceeded";
    }
    return "?";
}

/* One answer of a vector through aws_error and aws_retry together. */
static void step(const char *name, const cJSON *vector, const struct aws_retry_policy *policy,
                 struct aws_retry_quota *quota, struct aws_retry_call *call, bool long_poll)
{
    const cJSON *response = json_get_object(vector, "response");
    const cJSON *expected = json_get_object(vector, "expected");
    const cJSON *headers = json_get_object(response, "headers");
    int64_t status = vectors_i64(response, "status_code");
    const char *outcome = "success";
    struct aws_retry_decision decision = {0};
    if (status == 200) {
        aws_retry_succeeded(quota, call);
        *call = (struct aws_retry_call){0}; /* the next one is another invocation */
    } else {
        struct error e;
        struct aws_error_answer answer = {
            .status = (int)status,
            .error_type = json_get_text(response, "error_code"),
            .retry_after_ms = json_get_text(headers, "x-amz-retry-after"),
        };
        enum aws_error_class class = aws_error_read(&answer, false, &e);
        struct aws_retry_failure failure = {
            .retryable = class == AWS_ERROR_TRANSIENT || class == AWS_ERROR_THROTTLING,
            .throttled = class == AWS_ERROR_THROTTLING,
            .hint_ms = e.retry_after_ms,
        };
        decision = aws_retry_decide(policy, quota, call, &failure, long_poll, LONGEST);
        outcome = verdict_name(decision.verdict);
    }
    if (!slice_equal_str(json_get_text(expected, "outcome"), outcome))
        fail_msg("%s: %s", name, outcome);
    if (vectors_i64_or(expected, "retry_quota", quota->tokens) != quota->tokens)
        fail_msg("%s: %d tokens", name, (int)quota->tokens);
    const cJSON *delay = cJSON_GetObjectItemCaseSensitive(expected, "delay");
    if ((delay == NULL ? 0 : to_ms(delay)) != decision.delay_ms &&
        (delay != NULL || decision.verdict != AWS_RETRY_AGAIN))
        fail_msg("%s: waits %lld ms", name, (long long)decision.delay_ms);
}

static void run_cases(const cJSON *cases, const struct aws_retry_policy *standard)
{
    const cJSON *vector;
    unsigned count = 0;
    cJSON_ArrayForEach(vector, cases)
    {
        struct aws_retry_policy policy = *standard;
        struct aws_retry_quota quota;
        struct aws_retry_call call = {0};
        bool long_poll;
        aws_retry_quota_init(&quota);
        apply_given(json_get_object(vector, "given"), &policy, &quota, &long_poll);
        const cJSON *response;
        cJSON_ArrayForEach(response, json_get_array(vector, "responses"))
            step((const char *)json_get_text(vector, "name").ptr, response, &policy, &quota, &call,
                 long_poll);
        count++;
    }
    assert_true(count > 0);
}

static void test_vectors_before_2026(void **state)
{
    (void)state;
    CLEANUP(json_freep) cJSON *json = vectors_load("retry/standard_mode_v1.json");
    if (json != NULL)
        run_cases(json_get_array(json, "cases"), &aws_retry_standard_2025);
}

static void test_vectors_of_2026(void **state)
{
    (void)state;
    CLEANUP(json_freep) cJSON *json = vectors_load("retry/standard_mode_v2_1.json");
    if (json == NULL)
        return;
    const cJSON *groups = json_get_object(json, "groups");
    run_cases(json_get_array(groups, "newStandardRetryIntegrationTestCases"),
              &aws_retry_standard_2026);
    run_cases(json_get_array(groups, "newStandardRetryLongPollingTestCases"),
              &aws_retry_standard_2026);
    run_cases(json_get_array(groups, "newStandardRetryMultiInvocationTestCases"),
              &aws_retry_standard_2026);
}

/* Two calls in flight share the quota: 1, 1, 2, 1 (done), 2 (done). */
static void test_vector_of_two_at_once(void **state)
{
    (void)state;
    CLEANUP(json_freep) cJSON *json = vectors_load("retry/standard_mode_v2_1.json");
    if (json == NULL)
        return;
    static const int order[][2] = {{0, 0}, {0, 1}, {1, 0}, {1, 1}, {0, 2}};
    const cJSON *vector = cJSON_GetArrayItem(
        json_get_array(json_get_object(json, "groups"), "newStandardRetryMultiThreadedTestCases"),
        0);
    const cJSON *threads = json_get_array(vector, "threads");
    struct aws_retry_policy policy = aws_retry_standard_2026;
    struct aws_retry_quota quota;
    struct aws_retry_call calls[2] = {{0}, {0}};
    bool long_poll;
    aws_retry_quota_init(&quota);
    apply_given(json_get_object(vector, "given"), &policy, &quota, &long_poll);
    for (size_t i = 0; i < ARRAY_LEN(order); i++) {
        const cJSON *turn =
            cJSON_GetArrayItem(cJSON_GetArrayItem(threads, order[i][0]), order[i][1]);
        struct aws_retry_call *call = &calls[order[i][0]];
        if (vectors_i64(json_get_object(turn, "response"), "status_code") == 200)
            aws_retry_succeeded(&quota, call);
        else
            assert_int_equal(
                aws_retry_decide(&policy, &quota, call, &transient, false, LONGEST).verdict,
                AWS_RETRY_AGAIN);
        assert_int_equal(quota.tokens,
                         vectors_i64(json_get_object(turn, "expected"), "retry_quota"));
    }
    assert_int_equal(quota.tokens, vectors_i64(vector, "expected_final_quota"));
}

static void test_vector_of_dynamodb(void **state)
{
    (void)state;
    CLEANUP(json_freep) cJSON *json = vectors_load("retry/botocore_tables.json");
    if (json == NULL)
        return;
    struct aws_retry_quota quota;
    struct aws_retry_call call = {0};
    aws_retry_quota_init(&quota);
    const cJSON *row;
    cJSON_ArrayForEach(row, json_get_array(json_get_object(json, "dynamodb_v2_1"), "rows"))
    {
        struct aws_retry_decision d =
            aws_retry_decide(&aws_retry_dynamodb_2026, &quota, &call, &transient, false, LONGEST);
        const cJSON *delay = cJSON_GetObjectItemCaseSensitive(row, "delay");
        assert_int_equal(quota.tokens, vectors_i64(row, "quota"));
        assert_int_equal(d.delay_ms, delay == NULL ? 0 : to_ms(delay));
        assert_int_equal(d.verdict, delay == NULL ? AWS_RETRY_ATTEMPTS_ENDED : AWS_RETRY_AGAIN);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_delays_double_up_to_the_cap),
        cmocka_unit_test(test_random_shortens),
        cmocka_unit_test(test_not_retryable_costs_nothing),
        cmocka_unit_test(test_success_without_retry_adds_one),
        cmocka_unit_test(test_older_rules_charge_time_outs_double),
        cmocka_unit_test(test_draw_and_probe),
        cmocka_unit_test(test_vectors_before_2026),
        cmocka_unit_test(test_vectors_of_2026),
        cmocka_unit_test(test_vector_of_two_at_once),
        cmocka_unit_test(test_vector_of_dynamodb),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
