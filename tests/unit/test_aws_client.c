/* What is sent, what is tried again, and how a call ends. */
#include "tests/harness/client_rig.h"

/* --- what is sent ---------------------------------------------------------------------------- */

static void test_sqs_request(void **state)
{
    (void)state;
    struct client_rig f;
    CLIENT_RIG_PLAYS(&f, ENDPOINT_SQS, PLAY_OK("b"));
    client_rig_run(&f, (struct aws_call){.billable_units = 2});
    assert_int_equal(f.error.kind, ERROR_NONE);
    assert_true(f.has_json);
    assert_string_equal(f.text, "b");
    assert_int_equal(f.body_bytes, 9);
    const struct client_seen *seen = &f.seen[0];
    assert_string_equal(seen->target, "AmazonSQS.Do");
    assert_string_equal(seen->query_mode, "true");
    assert_string_equal(seen->token, "the-token");
    assert_string_equal(seen->attempt, "attempt=1; max=3");
    assert_int_equal(strlen(seen->invocation), 36);
    assert_string_equal(seen->body, "{\"q\":1}");
    assert_non_null(strstr(seen->authorization, "/eu-west-1/sqs/aws4_request, "));
    assert_non_null(strstr(seen->authorization,
                           "SignedHeaders=content-type;host;x-amz-date;x-amz-security-token;"
                           "x-amz-target;x-amzn-query-mode, "));
    assert_string_equal(client_rig_stats(&f)->operation, "Do");
    assert_int_equal(client_rig_stats(&f)->calls, 1);
    assert_int_equal(client_rig_stats(&f)->retries, 0);
    assert_true(client_rig_stats(&f)->billable_units == 2.0);
    client_rig_release(&f);
}

static void test_dynamodb_request(void **state)
{
    (void)state;
    struct client_rig f;
    CLIENT_RIG_PLAYS(&f, ENDPOINT_DYNAMODB, PLAY_OK("b"));
    client_rig_run(&f, (struct aws_call){0});
    assert_string_equal(f.seen[0].target, "DynamoDB_20120810.Do");
    assert_string_equal(f.seen[0].query_mode, "");
    assert_string_equal(f.seen[0].attempt, "attempt=1; max=4");
    client_rig_release(&f);
}

/* --- retries --------------------------------------------------------------------------------- */

static void test_transient_failure_is_retried(void **state)
{
    (void)state;
    struct client_rig f;
    CLIENT_RIG_PLAYS(&f, ENDPOINT_SQS, {.status = 503, .body = "<html>"},
                     {.status = 500, .body = "{}"}, PLAY_OK("b"));
    client_rig_run(&f, (struct aws_call){0});
    assert_int_equal(f.error.kind, ERROR_NONE);
    assert_int_equal(f.rig.requests, 3);
    assert_string_equal(f.seen[2].attempt, "attempt=3; max=3");
    assert_string_equal(f.seen[0].invocation, f.seen[2].invocation);
    assert_int_equal(client_rig_stats(&f)->calls, 3);
    assert_int_equal(client_rig_stats(&f)->retries, 2);
    assert_int_equal(client_rig_stats(&f)->failures, 0);
    client_rig_release(&f);
}

static void test_attempts_end(void **state)
{
    (void)state;
    struct client_rig f;
    CLIENT_RIG_PLAYS(&f, ENDPOINT_SQS, {.status = 500, .body = "{\"__type\":\"x#InternalError\"}"});
    client_rig_run(&f, (struct aws_call){.attempts_max = 2});
    assert_int_equal(f.rig.requests, 2);
    assert_int_equal(f.error.kind, ERROR_RETRY);
    assert_string_equal(f.error.code, "InternalError");
    assert_int_equal(f.error.http_status, 500);
    assert_int_equal(client_rig_stats(&f)->failures, 1);
    client_rig_release(&f);
}

static void test_permanent_failure_is_not_retried(void **state)
{
    (void)state;
    struct client_rig f;
    CLIENT_RIG_PLAYS(&f, ENDPOINT_DYNAMODB,
                     {.status = 400,
                      .headers = "x-amzn-RequestId: ABC\r\n",
                      .body =
                          "{\"__type\":\"com.amazonaws.dynamodb.v20120810#ValidationException\","
                          "\"message\":\"bad\",\"a\":\"more\"}"});
    client_rig_run(&f, (struct aws_call){0});
    assert_int_equal(f.rig.requests, 1);
    assert_int_equal(f.error.kind, ERROR_PERMANENT);
    assert_string_equal(f.error.code, "ValidationException");
    assert_string_equal(f.error.text, "bad (request ABC)");
    assert_string_equal(f.text, "more"); /* the body of an error is there too */
    client_rig_release(&f);
}

static void test_writes_end_as_unknown(void **state)
{
    (void)state;
    static const struct aws_play cases[] = {
        {.status = 500, .body = "{\"__type\":\"x#InternalFailure\"}"},
        {.status = 503, .body = ""},
        {.status = 200, .body = ""},
        {.status = 200, .body = "[]"},
        {.status = 200, .body = "{\"a\":"},
        {.status = 200, .body = "{} {}"},
        {.status = 204, .body = ""},
        {.status = 200, .headers = "Content-Encoding: gzip\r\n", .body = "\x1f\x8b\x08"},
        {.status = 200, .headers = "x-amz-crc32: 1\r\n", .body = "{}"},
        {.status = 200, .headers = "x-amz-crc32: x\r\n", .body = "{}"},
        {.close = true},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct client_rig f;
        client_rig_init(&f, ENDPOINT_DYNAMODB, &cases[i], 1);
        client_rig_run(&f, (struct aws_call){.writes = true});
        if (f.error.kind != ERROR_UNKNOWN || f.rig.requests != 1)
            fail_msg("case %zu: %s %s, %u requests", i, error_kind_name(f.error.kind), f.error.code,
                     f.rig.requests);
        assert_int_equal(client_rig_stats(&f)->unknowns, 1);
        assert_true(f.error.code[0] != '\0');
        client_rig_release(&f);
    }
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct aws_play plays[] = {cases[i], PLAY_OK("b")};
        struct client_rig f;
        client_rig_init(&f, ENDPOINT_DYNAMODB, plays, ARRAY_LEN(plays));
        client_rig_run(&f, (struct aws_call){0});
        if (f.error.kind != ERROR_NONE || f.rig.requests != 2)
            fail_msg("case %zu, read: %s %s", i, error_kind_name(f.error.kind), f.error.code);
        client_rig_release(&f);
    }
}

/* Also on a connection that has been used, where HTTP clients like to repeat without saying so. */
static void test_unanswered_write_is_not_repeated(void **state)
{
    (void)state;
    struct client_rig f;
    CLIENT_RIG_PLAYS(&f, ENDPOINT_SQS, PLAY_OK("a"), {.close = true}, PLAY_OK("b"));
    client_rig_run(&f, (struct aws_call){.writes = true});
    client_rig_run(&f, (struct aws_call){.writes = true});
    assert_int_equal(f.error.kind, ERROR_UNKNOWN);
    assert_int_equal(f.rig.requests, 2);
    assert_int_equal(f.seen[1].connection, 0);
    client_rig_release(&f);
}

static void test_checksum_that_holds(void **state)
{
    (void)state;
    struct client_rig f;
    CLIENT_RIG_PLAYS(&f, ENDPOINT_DYNAMODB,
                     {.status = 200,
                      .headers = "x-amz-crc32: 4185382651\r\n",
                      .body = "{\"UnprocessedItems\":{}}"});
    client_rig_run(&f, (struct aws_call){.writes = true});
    assert_int_equal(f.error.kind, ERROR_NONE);
    client_rig_release(&f);
}

static void test_caller_that_decides_gets_every_failure(void **state)
{
    (void)state;
    struct client_rig f;
    CLIENT_RIG_PLAYS(&f, ENDPOINT_SQS,
                     {.status = 403,
                      .headers = "x-amz-retry-after: 700\r\n",
                      .body = "{\"__type\":\"x#RequestThrottled\"}"});
    client_rig_run(&f, (struct aws_call){.attempts_max = 1, .writes = true});
    assert_int_equal(f.rig.requests, 1);
    assert_int_equal(f.error.kind, ERROR_THROTTLED);
    assert_int_equal(f.error.retry_after_ms, 700);
    assert_int_equal(client_rig_stats(&f)->throttles, 1);
    client_rig_release(&f);
}

static void test_retries_of_the_caller_use_up_the_quota(void **state)
{
    (void)state;
    struct client_rig f;
    CLIENT_RIG_PLAYS(&f, ENDPOINT_SQS, {.status = 500, .body = ""});
    unsigned sent = 0;
    for (int i = 0; i < 40; i++) {
        client_rig_run(&f, (struct aws_call){.attempts_max = 1, .is_retry = true, .writes = true});
        sent += f.error.kind == ERROR_UNKNOWN;
    }
    assert_in_range(sent, 500 / 14, 500 / 14 + 3); /* and a probe or two */
    assert_int_equal(f.error.kind, ERROR_THROTTLED);
    assert_string_equal(f.error.code, "RetryQuotaExceeded");
    assert_int_equal(f.rig.requests, sent);
    client_rig_release(&f);
}

static void test_throttling_slows_down(void **state)
{
    (void)state;
    struct client_rig f;
    CLIENT_RIG_PLAYS(&f, ENDPOINT_SQS,
                     {.status = 400, .body = "{\"__type\":\"x#ThrottlingException\"}"},
                     PLAY_OK("b"));
    assert_int_equal(aws_client_backpressure_ms(f.client), 0);
    client_rig_run(&f, (struct aws_call){.attempts_max = 1});
    bool slowed = false;
    for (int i = 0; i < 20 && !slowed; i++) {
        client_rig_run(&f, (struct aws_call){.attempts_max = 1});
        slowed = f.error.kind == ERROR_THROTTLED;
    }
    assert_true(slowed || aws_client_backpressure_ms(f.client) > 0);
    client_rig_release(&f);
}

static void test_standard_mode_does_not_slow_down(void **state)
{
    (void)state;
    struct client_rig f;
    CLIENT_RIG_PLAYS(&f, ENDPOINT_SQS,
                     {.status = 400, .body = "{\"__type\":\"x#ThrottlingException\"}"});
    f.rig.settings.without_rate = true;
    client_rig_new_client(&f, ENDPOINT_SQS);
    for (unsigned i = 0; i < 20; i++)
        client_rig_run(&f, (struct aws_call){.attempts_max = 1});
    assert_int_equal(f.rig.requests, 20);
    assert_int_equal(aws_client_backpressure_ms(f.client), 0);
    client_rig_release(&f);
}

/* What cannot go out within half a second fails at once: its caller decides anew. */
static void test_a_burst_after_a_throttle_fails_unsent(void **state)
{
    (void)state;
    struct client_rig f;
    CLIENT_RIG_PLAYS(&f, ENDPOINT_SQS,
                     {.status = 400, .body = "{\"__type\":\"x#ThrottlingException\"}"},
                     PLAY_OK("b"));
    client_rig_run(&f, (struct aws_call){.attempts_max = 1});
    f.wanted = 101;
    for (int i = 0; i < 100; i++)
        client_rig_start(&f,
                         (struct aws_call){.attempts_max = 1, .writes = true, .billable_units = 1});
    loop_run(f.rig.loop);
    assert_in_range(f.rig.requests, 2, 60);
    assert_int_equal(client_rig_stats(&f)->calls, f.rig.requests);
    assert_int_equal(client_rig_stats(&f)->unknowns, 0); /* surely not done */
    assert_int_equal(client_rig_stats(&f)->failures, 102 - f.rig.requests);
    assert_int_equal(f.released, 101);
    client_rig_release(&f);
}

/* --- ends of other kinds --------------------------------------------------------------------- */

static void test_cancel_in_every_state(void **state)
{
    (void)state;
    struct client_rig f;
    CLIENT_RIG_PLAYS(&f, ENDPOINT_SQS, {.status = 503, .body = ""});
    aws_request_cancel(client_rig_start(&f, (struct aws_call){0})); /* on its way */
    assert_int_equal(f.released, 1);
    struct aws_request *waits = client_rig_start(&f, (struct aws_call){.attempts_max = 20});
    client_rig_start(&f, (struct aws_call){.attempts_max = 1});
    loop_run(f.rig.loop);
    assert_int_equal(f.done, 1);
    assert_int_equal(f.released, 2);
    aws_request_cancel(waits); /* in its back-off, or under way again */
    assert_int_equal(f.released, 3);
    client_rig_start(&f, (struct aws_call){0}); /* left to fixture_end */
    client_rig_release(&f);
    assert_int_equal(f.released, 4);
    assert_int_equal(f.done, 1);
}

static void on_done_free(void *ctx, const struct aws_answer *answer, const struct error *error)
{
    struct client_rig *f = ctx;
    client_rig_on_done(ctx, answer, error);
    aws_client_free(f->client);
    f->client = NULL;
}

static void test_free_from_a_callback(void **state)
{
    (void)state;
    struct client_rig f;
    CLIENT_RIG_PLAYS(&f, ENDPOINT_SQS, PLAY_OK("b"));
    struct buf body;
    buf_init(&body, HTTP_REQUEST_BYTES_MAX);
    struct aws_call call = {
        .operation = "Do",
        .body = &body,
        .timeout_ms = 5000,
        .on_done = on_done_free,
        .on_release = client_rig_on_release,
        .ctx = &f,
    };
    for (int i = 0; i < 2; i++) {
        buf_append_str(&body, "{}");
        aws_client_call(f.client, &call);
        assert_int_equal(body.len, 0); /* taken */
    }
    loop_run(f.rig.loop);
    assert_int_equal(f.done, 1);
    assert_int_equal(f.released, 2);
    client_rig_release(&f);
}

static void test_unreachable_server_was_not_reached(void **state)
{
    (void)state;
    struct client_rig f;
    CLIENT_RIG_PLAYS(&f, ENDPOINT_SQS, PLAY_OK("b"));
    http_script_free(f.rig.script);
    f.rig.script = NULL;
    client_rig_run(&f, (struct aws_call){.writes = true, .billable_units = 1});
    assert_int_equal(f.error.kind, ERROR_RETRY);
    assert_string_equal(f.error.code, "ConnectionFailed");
    assert_int_equal(client_rig_stats(&f)->calls, 3);
    assert_true(client_rig_stats(&f)->billable_units == 0.0);
    client_rig_release(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sqs_request),
        cmocka_unit_test(test_dynamodb_request),
        cmocka_unit_test(test_transient_failure_is_retried),
        cmocka_unit_test(test_attempts_end),
        cmocka_unit_test(test_permanent_failure_is_not_retried),
        cmocka_unit_test(test_writes_end_as_unknown),
        cmocka_unit_test(test_unanswered_write_is_not_repeated),
        cmocka_unit_test(test_checksum_that_holds),
        cmocka_unit_test(test_caller_that_decides_gets_every_failure),
        cmocka_unit_test(test_retries_of_the_caller_use_up_the_quota),
        cmocka_unit_test(test_throttling_slows_down),
        cmocka_unit_test(test_standard_mode_does_not_slow_down),
        cmocka_unit_test(test_a_burst_after_a_throttle_fails_unsent),
        cmocka_unit_test(test_cancel_in_every_state),
        cmocka_unit_test(test_free_from_a_callback),
        cmocka_unit_test(test_unreachable_server_was_not_reached),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
