/* Credentials at hand and the right time, without which there is no signature: put right once. */
#include "tests/harness/client_rig.h"

#include <time.h>

/* --- credentials ----------------------------------------------------------------------------- */

static void test_calls_wait_for_credentials(void **state)
{
    (void)state;
    struct client_rig f;
    CLIENT_RIG_PLAYS(&f, ENDPOINT_SQS, PLAY_OK("b"));
    client_rig_use_container(&f, 200);
    f.wanted = 3;
    for (int i = 0; i < 3; i++)
        client_rig_start(&f, (struct aws_call){0});
    loop_run(f.rig.loop);
    assert_int_equal(f.error.kind, ERROR_NONE);
    assert_int_equal(f.keys_asked, 1);
    assert_int_equal(f.rig.requests, 3);
    assert_non_null(strstr(f.seen[3].authorization, "Credential=AKLATE/"));
    assert_string_equal(f.seen[3].token, "t");
    client_rig_release(&f);
}

static void test_without_credentials_nothing_is_sent(void **state)
{
    (void)state;
    struct client_rig f;
    CLIENT_RIG_PLAYS(&f, ENDPOINT_SQS, PLAY_OK("b"));
    client_rig_use_container(&f, 404);
    client_rig_run(&f, (struct aws_call){.writes = true, .billable_units = 1});
    assert_int_equal(f.error.kind, ERROR_AUTH);
    assert_string_equal(f.error.code, "CredentialsEndpoint");
    assert_false(f.has_json);
    assert_int_equal(f.rig.requests, 0);
    assert_int_equal(client_rig_stats(&f)->calls, 0);
    assert_int_equal(client_rig_stats(&f)->failures, 1);
    assert_true(client_rig_stats(&f)->billable_units == 0.0);
    client_rig_release(&f);
}

static void test_cancel_while_credentials_are_awaited(void **state)
{
    (void)state;
    struct client_rig f;
    CLIENT_RIG_PLAYS(&f, ENDPOINT_SQS, PLAY_OK("b"));
    client_rig_use_container(&f, 0);
    aws_request_cancel(client_rig_start(&f, (struct aws_call){0}));
    assert_int_equal(f.released, 1);
    client_rig_start(&f, (struct aws_call){0}); /* left to fixture_end */
    client_rig_release(&f);
    assert_int_equal(f.released, 2);
    assert_int_equal(f.done, 0);
}

static void test_expired_credentials_are_refreshed_once(void **state)
{
    (void)state;
    struct client_rig f;
    CLIENT_RIG_PLAYS(&f, ENDPOINT_SQS, {.status = 403, .body = "{\"__type\":\"x#ExpiredToken\"}"},
                     PLAY_OK("b"));
    client_rig_run(&f, (struct aws_call){.attempts_max = 1, .writes = true});
    assert_int_equal(f.error.kind, ERROR_NONE);
    assert_int_equal(f.rig.requests, 2);
    client_rig_release(&f);

    static const struct aws_play always[] = {
        {.status = 400, .body = "{\"__type\":\"x#UnrecognizedClientException\"}"}};
    client_rig_init(&f, ENDPOINT_SQS, always, 1);
    client_rig_run(&f, (struct aws_call){0});
    assert_int_equal(f.error.kind, ERROR_AUTH);
    assert_int_equal(f.rig.requests, 2);
    client_rig_release(&f);
}

/* --- clock ----------------------------------------------------------------------------------- */

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
                                         PLAY_OK("b")};
        struct client_rig f;
        client_rig_init(&f, ENDPOINT_SQS, plays, ARRAY_LEN(plays));
        client_rig_run(&f, (struct aws_call){.attempts_max = 1, .writes = true});
        assert_int_equal(f.error.kind, ERROR_NONE);
        assert_int_equal(f.rig.requests, 2);
        int64_t moved_s = amz_date_s(f.seen[1].date) - amz_date_s(f.seen[0].date);
        assert_in_range(moved_s, 3597, 3603);
        client_rig_release(&f);
    }
}

static void test_wrong_signature_with_a_right_clock_is_final(void **state)
{
    (void)state;
    struct client_rig f;
    CLIENT_RIG_PLAYS(
        &f, ENDPOINT_SQS,
        {.status = 403, .body = "{\"__type\":\"x#SignatureDoesNotMatch\"}", .date_off_s = 20});
    client_rig_run(&f, (struct aws_call){0});
    assert_int_equal(f.error.kind, ERROR_AUTH);
    assert_int_equal(f.rig.requests, 1);
    client_rig_release(&f);
}

/* What the host's own clocks show. */
static struct now host_now(struct loop *loop)
{
    struct now now = loop_now(loop);
    now.wall = wall_add(now.wall, -loop_wall_correction(loop));
    return now;
}

static int64_t constant(const void *ctx, struct now host)
{
    (void)host;
    return *(const int64_t *)ctx;
}

static void test_clock_view(void **state)
{
    (void)state;
    struct client_rig f;
    CLIENT_RIG_PLAYS(&f, ENDPOINT_SQS, {.status = 200, .body = "{}", .date_off_s = -7200});
    assert_false(aws_client_clock(f.client, host_now(f.rig.loop)).known);
    client_rig_run(&f, (struct aws_call){0});
    client_rig_run(&f, (struct aws_call){0});
    struct aws_clock_view view = aws_client_clock(f.client, host_now(f.rig.loop));
    assert_true(view.known);
    assert_true(view.correction_ms > -7202500 && view.correction_ms <= -7199000);
    assert_true(view.offset_min_ms <= view.offset_max_ms);
    assert_true(view.correction_ms <= view.offset_min_ms);

    /* What was applied does not change what is said of the host's clock. */
    loop_set_wall_correction(f.rig.loop, constant, &view.correction_ms);
    client_rig_run(&f, (struct aws_call){0});
    struct aws_clock_view again = aws_client_clock(f.client, host_now(f.rig.loop));
    assert_true(again.correction_ms != 0);
    assert_true(llabs(again.correction_ms - view.correction_ms) <= 1500);
    client_rig_release(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_calls_wait_for_credentials),
        cmocka_unit_test(test_without_credentials_nothing_is_sent),
        cmocka_unit_test(test_cancel_while_credentials_are_awaited),
        cmocka_unit_test(test_expired_credentials_are_refreshed_once),
        cmocka_unit_test(test_skewed_clock_is_put_right_once),
        cmocka_unit_test(test_wrong_signature_with_a_right_clock_is_final),
        cmocka_unit_test(test_clock_view),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
