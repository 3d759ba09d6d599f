#include "tests/harness/aws_rig.h"

#include <time.h>

#define SEEN_MAX 8 /* requests that are remembered */

/* What the server saw of a request, as far as cases ask. */
struct seen {
    unsigned connection;
    char target[64];
    char date[32];
    char authorization[512];
    char token[64];
    char attempt[48];
    char invocation[48];
    char query_mode[8];
    char body[128];
};

struct fixture {
    struct aws_rig rig;
    struct aws_client *client;
    struct seen seen[SEEN_MAX];

    unsigned done;
    unsigned wanted;
    unsigned released;
    struct error error;
    bool has_json;
    char text[64]; /* member "a" of the answer */
    size_t body_bytes;
};

static void copy(struct slice from, char *to, size_t size)
{
    snprintf(to, size, "%.*s", SLICE_ARG(from));
}

static void on_script(void *ctx, const struct http_script_request *request,
                      struct http_script_answer *answer)
{
    struct fixture *f = ctx;
    struct seen *seen = &f->seen[MIN(request->number, SEEN_MAX - 1)];
    assert_slice_equal(request->line, "POST / HTTP/1.1");
    seen->connection = request->connection;
    copy(http_script_header(request, "X-Amz-Target"), seen->target, sizeof(seen->target));
    copy(http_script_header(request, "X-Amz-Date"), seen->date, sizeof(seen->date));
    copy(http_script_header(request, "Authorization"), seen->authorization,
         sizeof(seen->authorization));
    copy(http_script_header(request, "X-Amz-Security-Token"), seen->token, sizeof(seen->token));
    copy(http_script_header(request, "amz-sdk-request"), seen->attempt, sizeof(seen->attempt));
    copy(http_script_header(request, "amz-sdk-invocation-id"), seen->invocation,
         sizeof(seen->invocation));
    copy(http_script_header(request, "x-amzn-query-mode"), seen->query_mode,
         sizeof(seen->query_mode));
    copy(request->body, seen->body, sizeof(seen->body));

    aws_rig_play(&f->rig, request, answer);
}

static void new_client(struct fixture *f, enum endpoint_service service)
{
    bool sqs = service == ENDPOINT_SQS;
    aws_client_free(f->client);
    f->client =
        aws_client_new(f->rig.loop, f->rig.http, f->rig.credentials,
                       &(struct aws_client_options){
                           .service = service,
                           .endpoint = sqs ? &f->rig.settings.sqs : &f->rig.settings.dynamodb,
                           .target_prefix = sqs ? "AmazonSQS" : "DynamoDB_20120810",
                           .without_rate = f->rig.settings.without_rate,
                           .seed = 7,
                       });
}

static void fixture_init(struct fixture *f, enum endpoint_service service,
                         const struct aws_play *plays, size_t play_count)
{
    *f = (struct fixture){.wanted = 1};
    aws_rig_init_served(&f->rig, on_script, f);
    f->rig.plays = plays;
    f->rig.play_count = play_count;
    new_client(f, service);
}

static void fixture_end(struct fixture *f)
{
    aws_client_free(f->client);
    aws_rig_release(&f->rig);
}

static void on_release(void *ctx)
{
    struct fixture *f = ctx;
    f->released++;
}

static void on_done(void *ctx, const struct aws_answer *answer, const struct error *error)
{
    struct fixture *f = ctx;
    f->done++;
    f->error = *error;
    f->has_json = answer->json != NULL;
    f->body_bytes = answer->body_bytes;
    copy(json_get_text(answer->json, "a"), f->text, sizeof(f->text));
    if (f->done == f->wanted)
        loop_stop(f->rig.loop);
}

static struct aws_request *start(struct fixture *f, struct aws_call call)
{
    unsigned done_before = f->done;
    call.operation = call.operation == NULL ? "Do" : call.operation;
    call.body = SLICE_LITERAL("{\"q\":1}");
    call.timeout_ms = call.timeout_ms == 0 ? 5000 : call.timeout_ms;
    call.on_done = on_done;
    call.on_release = on_release;
    call.ctx = f;
    struct aws_request *request = aws_client_call(f->client, &call);
    assert_int_equal(f->done, done_before);
    return request;
}

static void run(struct fixture *f, struct aws_call call)
{
    f->wanted = f->done + 1;
    start(f, call);
    loop_run(f->rig.loop);
    assert_int_equal(f->done, f->wanted);
    assert_int_equal(f->released, f->done);
}

static const struct aws_operation_stats *stats(const struct fixture *f)
{
    return aws_rig_stats(f->client);
}

#define OK(text)                                                                                   \
    {                                                                                              \
        .status = 200, .body = "{\"a\":\"" text "\"}"                                              \
    }
#define PLAYS(f, service, ...)                                                                     \
    static const struct aws_play plays_[] = {__VA_ARGS__};                                         \
    fixture_init(&(f), (service), plays_, ARRAY_LEN(plays_))

/* --- what is sent ---------------------------------------------------------------------------- */

static void test_sqs_request(void **state)
{
    (void)state;
    struct fixture f;
    PLAYS(f, ENDPOINT_SQS, OK("b"));
    run(&f, (struct aws_call){.billable_units = 2});
    assert_int_equal(f.error.kind, ERROR_NONE);
    assert_true(f.has_json);
    assert_string_equal(f.text, "b");
    assert_int_equal(f.body_bytes, 9);
    const struct seen *seen = &f.seen[0];
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
    assert_string_equal(stats(&f)->operation, "Do");
    assert_int_equal(stats(&f)->calls, 1);
    assert_int_equal(stats(&f)->retries, 0);
    assert_true(stats(&f)->billable_units == 2.0);
    fixture_end(&f);
}

static void test_dynamodb_request(void **state)
{
    (void)state;
    struct fixture f;
    PLAYS(f, ENDPOINT_DYNAMODB, OK("b"));
    run(&f, (struct aws_call){0});
    assert_string_equal(f.seen[0].target, "DynamoDB_20120810.Do");
    assert_string_equal(f.seen[0].query_mode, "");
    assert_string_equal(f.seen[0].attempt, "attempt=1; max=4");
    fixture_end(&f);
}

/* --- retries --------------------------------------------------------------------------------- */

static void test_transient_failure_is_retried(void **state)
{
    (void)state;
    struct fixture f;
    PLAYS(f, ENDPOINT_SQS, {.status = 503, .body = "<html>"}, {.status = 500, .body = "{}"},
          OK("b"));
    run(&f, (struct aws_call){0});
    assert_int_equal(f.error.kind, ERROR_NONE);
    assert_int_equal(f.rig.requests, 3);
    assert_string_equal(f.seen[2].attempt, "attempt=3; max=3");
    assert_string_equal(f.seen[0].invocation, f.seen[2].invocation);
    assert_int_equal(stats(&f)->calls, 3);
    assert_int_equal(stats(&f)->retries, 2);
    assert_int_equal(stats(&f)->failures, 0);
    fixture_end(&f);
}

static void test_attempts_end(void **state)
{
    (void)state;
    struct fixture f;
    PLAYS(f, ENDPOINT_SQS, {.status = 500, .body = "{\"__type\":\"x#InternalError\"}"});
    run(&f, (struct aws_call){.attempts_max = 2});
    assert_int_equal(f.rig.requests, 2);
    assert_int_equal(f.error.kind, ERROR_RETRY);
    assert_string_equal(f.error.code, "InternalError");
    assert_int_equal(f.error.http_status, 500);
    assert_int_equal(stats(&f)->failures, 1);
    fixture_end(&f);
}

static void test_permanent_failure_is_not_retried(void **state)
{
    (void)state;
    struct fixture f;
    PLAYS(f, ENDPOINT_DYNAMODB,
          {.status = 400,
           .headers = "x-amzn-RequestId: ABC\r\n",
           .body = "{\"__type\":\"com.amazonaws.dynamodb.v20120810#ValidationException\","
                   "\"message\":\"bad\",\"a\":\"more\"}"});
    run(&f, (struct aws_call){0});
    assert_int_equal(f.rig.requests, 1);
    assert_int_equal(f.error.kind, ERROR_PERMANENT);
    assert_string_equal(f.error.code, "ValidationException");
    assert_string_equal(f.error.text, "bad (request ABC)");
    assert_string_equal(f.text, "more"); /* the body of an error is there too */
    fixture_end(&f);
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
        {.status = 200, .headers = "x-amz-crc32: 1\r\n", .body = "{}"},
        {.status = 200, .headers = "x-amz-crc32: x\r\n", .body = "{}"},
        {.close = true},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct fixture f;
        fixture_init(&f, ENDPOINT_DYNAMODB, &cases[i], 1);
        run(&f, (struct aws_call){.writes = true});
        if (f.error.kind != ERROR_UNKNOWN || f.rig.requests != 1)
            fail_msg("case %zu: %s %s, %u requests", i, error_kind_name(f.error.kind), f.error.code,
                     f.rig.requests);
        assert_int_equal(stats(&f)->unknowns, 1);
        assert_true(f.error.code[0] != '\0');
        fixture_end(&f);
    }
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct aws_play plays[] = {cases[i], OK("b")};
        struct fixture f;
        fixture_init(&f, ENDPOINT_DYNAMODB, plays, ARRAY_LEN(plays));
        run(&f, (struct aws_call){0});
        if (f.error.kind != ERROR_NONE || f.rig.requests != 2)
            fail_msg("case %zu, read: %s %s", i, error_kind_name(f.error.kind), f.error.code);
        fixture_end(&f);
    }
}

/* Also on a connection that has been used, where HTTP clients like to repeat without saying so. */
static void test_unanswered_write_is_not_repeated(void **state)
{
    (void)state;
    struct fixture f;
    PLAYS(f, ENDPOINT_SQS, OK("a"), {.close = true}, OK("b"));
    run(&f, (struct aws_call){.writes = true});
    run(&f, (struct aws_call){.writes = true});
    assert_int_equal(f.error.kind, ERROR_UNKNOWN);
    assert_int_equal(f.rig.requests, 2);
    assert_int_equal(f.seen[1].connection, 0);
    fixture_end(&f);
}

static void test_checksum_that_holds(void **state)
{
    (void)state;
    struct fixture f;
    PLAYS(f, ENDPOINT_DYNAMODB,
          {.status = 200,
           .headers = "x-amz-crc32: 4185382651\r\n",
           .body = "{\"UnprocessedItems\":{}}"});
    run(&f, (struct aws_call){.writes = true});
    assert_int_equal(f.error.kind, ERROR_NONE);
    fixture_end(&f);
}

static void test_caller_that_decides_gets_every_failure(void **state)
{
    (void)state;
    struct fixture f;
    PLAYS(f, ENDPOINT_SQS,
          {.status = 403,
           .headers = "x-amz-retry-after: 700\r\n",
           .body = "{\"__type\":\"x#RequestThrottled\"}"});
    run(&f, (struct aws_call){.attempts_max = 1, .writes = true});
    assert_int_equal(f.rig.requests, 1);
    assert_int_equal(f.error.kind, ERROR_THROTTLED);
    assert_int_equal(f.error.retry_after_ms, 700);
    assert_int_equal(stats(&f)->throttles, 1);
    fixture_end(&f);
}

static void test_retries_of_the_caller_use_up_the_quota(void **state)
{
    (void)state;
    struct fixture f;
    PLAYS(f, ENDPOINT_SQS, {.status = 500, .body = ""});
    unsigned sent = 0;
    for (int i = 0; i < 40; i++) {
        run(&f, (struct aws_call){.attempts_max = 1, .is_retry = true, .writes = true});
        sent += f.error.kind == ERROR_UNKNOWN;
    }
    assert_in_range(sent, 500 / 14, 500 / 14 + 3); /* and a probe or two */
    assert_int_equal(f.error.kind, ERROR_THROTTLED);
    assert_string_equal(f.error.code, "RetryQuotaExceeded");
    assert_int_equal(f.rig.requests, sent);
    fixture_end(&f);
}

static void test_throttling_slows_down(void **state)
{
    (void)state;
    struct fixture f;
    PLAYS(f, ENDPOINT_SQS, {.status = 400, .body = "{\"__type\":\"x#ThrottlingException\"}"},
          OK("b"));
    assert_int_equal(aws_client_backpressure_ms(f.client), 0);
    run(&f, (struct aws_call){.attempts_max = 1});
    bool slowed = false;
    for (int i = 0; i < 20 && !slowed; i++) {
        run(&f, (struct aws_call){.attempts_max = 1});
        slowed = f.error.kind == ERROR_THROTTLED;
    }
    assert_true(slowed || aws_client_backpressure_ms(f.client) > 0);
    fixture_end(&f);
}

static void test_standard_mode_does_not_slow_down(void **state)
{
    (void)state;
    struct fixture f;
    PLAYS(f, ENDPOINT_SQS, {.status = 400, .body = "{\"__type\":\"x#ThrottlingException\"}"});
    f.rig.settings.without_rate = true;
    new_client(&f, ENDPOINT_SQS);
    for (unsigned i = 0; i < 20; i++)
        run(&f, (struct aws_call){.attempts_max = 1});
    assert_int_equal(f.rig.requests, 20);
    assert_int_equal(aws_client_backpressure_ms(f.client), 0);
    fixture_end(&f);
}

/* --- put right once -------------------------------------------------------------------------- */

static void test_expired_credentials_are_refreshed_once(void **state)
{
    (void)state;
    struct fixture f;
    PLAYS(f, ENDPOINT_SQS, {.status = 403, .body = "{\"__type\":\"x#ExpiredToken\"}"}, OK("b"));
    run(&f, (struct aws_call){.attempts_max = 1, .writes = true});
    assert_int_equal(f.error.kind, ERROR_NONE);
    assert_int_equal(f.rig.requests, 2);
    fixture_end(&f);

    static const struct aws_play always[] = {
        {.status = 400, .body = "{\"__type\":\"x#UnrecognizedClientException\"}"}};
    fixture_init(&f, ENDPOINT_SQS, always, 1);
    run(&f, (struct aws_call){0});
    assert_int_equal(f.error.kind, ERROR_AUTH);
    assert_int_equal(f.rig.requests, 2);
    fixture_end(&f);
}

static int64_t amz_date_s(const char *date)
{
    int year, month, day, hour, minute, second;
    assert_int_equal(
        sscanf(date, "%4d%2d%2dT%2d%2d%2dZ", &year, &month, &day, &hour, &minute, &second), 6);
    struct tm tm = {.tm_year = year - 1900,
                    .tm_mon = month - 1,
                    .tm_mday = day,
                    .tm_hour = hour,
                    .tm_min = minute,
                    .tm_sec = second};
    return (int64_t)timegm(&tm);
}

static void test_skewed_clock_is_put_right_once(void **state)
{
    (void)state;
    static const char *const codes[] = {
        "{\"__type\":\"x#RequestTimeTooSkewed\"}",
        "{\"__type\":\"x#InvalidSignatureException\",\"message\":\"Signature expired\"}",
    };
    for (size_t i = 0; i < ARRAY_LEN(codes); i++) {
        const struct aws_play plays[] = {{.status = 403, .body = codes[i], .date_off_s = 3600},
                                         OK("b")};
        struct fixture f;
        fixture_init(&f, ENDPOINT_SQS, plays, ARRAY_LEN(plays));
        run(&f, (struct aws_call){.attempts_max = 1, .writes = true});
        assert_int_equal(f.error.kind, ERROR_NONE);
        assert_int_equal(f.rig.requests, 2);
        int64_t moved_s = amz_date_s(f.seen[1].date) - amz_date_s(f.seen[0].date);
        assert_in_range(moved_s, 3597, 3603);
        fixture_end(&f);
    }
}

static void test_wrong_signature_with_a_right_clock_is_final(void **state)
{
    (void)state;
    struct fixture f;
    PLAYS(f, ENDPOINT_SQS,
          {.status = 403, .body = "{\"__type\":\"x#SignatureDoesNotMatch\"}", .date_off_s = 20});
    run(&f, (struct aws_call){0});
    assert_int_equal(f.error.kind, ERROR_AUTH);
    assert_int_equal(f.rig.requests, 1);
    fixture_end(&f);
}

static void test_clock_view(void **state)
{
    (void)state;
    struct fixture f;
    PLAYS(f, ENDPOINT_SQS, {.status = 200, .body = "{}", .date_off_s = -7200});
    assert_false(aws_client_clock(f.client).known);
    run(&f, (struct aws_call){0});
    run(&f, (struct aws_call){0});
    struct aws_clock_view view = aws_client_clock(f.client);
    assert_true(view.known);
    assert_true(view.correction_ms > -7202500 && view.correction_ms <= -7199000);
    assert_true(view.offset_min_ms <= view.offset_max_ms);
    assert_true(view.correction_ms <= view.offset_min_ms);

    /* What was applied does not change what is said of the host's clock. */
    loop_set_wall_correction(f.rig.loop, view.correction_ms);
    run(&f, (struct aws_call){0});
    struct aws_clock_view again = aws_client_clock(f.client);
    assert_true(again.correction_ms != 0);
    assert_true(llabs(again.correction_ms - view.correction_ms) <= 1500);
    fixture_end(&f);
}

/* --- ends of other kinds --------------------------------------------------------------------- */

static void test_cancel_in_every_state(void **state)
{
    (void)state;
    struct fixture f;
    PLAYS(f, ENDPOINT_SQS, {.status = 503, .body = ""});
    aws_request_cancel(start(&f, (struct aws_call){0})); /* on its way */
    assert_int_equal(f.released, 1);
    struct aws_request *waits = start(&f, (struct aws_call){.attempts_max = 20});
    start(&f, (struct aws_call){.attempts_max = 1});
    loop_run(f.rig.loop);
    assert_int_equal(f.done, 1);
    assert_int_equal(f.released, 2);
    aws_request_cancel(waits); /* in its back-off, or under way again */
    assert_int_equal(f.released, 3);
    start(&f, (struct aws_call){0}); /* left to fixture_end */
    fixture_end(&f);
    assert_int_equal(f.released, 4);
    assert_int_equal(f.done, 1);
}

static void on_done_free(void *ctx, const struct aws_answer *answer, const struct error *error)
{
    struct fixture *f = ctx;
    on_done(ctx, answer, error);
    aws_client_free(f->client);
    f->client = NULL;
}

static void test_free_from_a_callback(void **state)
{
    (void)state;
    struct fixture f;
    PLAYS(f, ENDPOINT_SQS, OK("b"));
    struct aws_call call = {
        .operation = "Do",
        .body = SLICE_LITERAL("{}"),
        .timeout_ms = 5000,
        .on_done = on_done_free,
        .on_release = on_release,
        .ctx = &f,
    };
    aws_client_call(f.client, &call);
    aws_client_call(f.client, &call);
    loop_run(f.rig.loop);
    assert_int_equal(f.done, 1);
    assert_int_equal(f.released, 2);
    fixture_end(&f);
}

static void test_unreachable_server_was_not_reached(void **state)
{
    (void)state;
    struct fixture f;
    PLAYS(f, ENDPOINT_SQS, OK("b"));
    http_script_free(f.rig.script);
    f.rig.script = NULL;
    run(&f, (struct aws_call){.writes = true, .billable_units = 1});
    assert_int_equal(f.error.kind, ERROR_RETRY);
    assert_string_equal(f.error.code, "ConnectionFailed");
    assert_int_equal(stats(&f)->calls, 3);
    assert_true(stats(&f)->billable_units == 0.0);
    fixture_end(&f);
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
        cmocka_unit_test(test_expired_credentials_are_refreshed_once),
        cmocka_unit_test(test_skewed_clock_is_put_right_once),
        cmocka_unit_test(test_wrong_signature_with_a_right_clock_is_final),
        cmocka_unit_test(test_clock_view),
        cmocka_unit_test(test_cancel_in_every_state),
        cmocka_unit_test(test_free_from_a_callback),
        cmocka_unit_test(test_unreachable_server_was_not_reached),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
