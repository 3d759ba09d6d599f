#include "tests/harness/credentials_world.h"

#define CONTAINER_URL "http://127.0.0.1:1/keys"

static void start_with_container(struct world *w)
{
    setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", CONTAINER_URL, 1);
    world_start(w);
}

static void respond_keys(struct world *w, const char *id, int64_t life_ms)
{
    char body[WORLD_KEYS_SIZE];
    world_expect_request(w, "GET", CONTAINER_URL);
    world_keys_json(body, id, w->loop.now.wall.ms + life_ms);
    world_respond(w, 200, body);
}

/* Fresh keys look so on a host whose clock is two hours ahead. Where they really have expired, the
 * server's refusal leads to the next refresh. */
static void keys_that_came_expired_are_tried(void **state)
{
    struct world *w = *state;
    start_with_container(w);
    world_get(w);
    respond_keys(w, "AK1", -3600000);
    assert_string_equal(w->answer.id, "AK1");
    aws_credentials_invalidate(w->credentials, aws_credentials_peek(w->credentials));
    assert_null(aws_credentials_peek(w->credentials));
    world_advance(w, 250);
    world_get(w);
    respond_keys(w, "AK2", 3600000);
    assert_string_equal(w->answer.id, "AK2");
}

/* --- environment and files ------------------------------------------------------------------- */

static void environment_comes_first(void **state)
{
    struct world *w = *state;
    setenv("AWS_ACCESS_KEY_ID", " AKID\n", 1);
    setenv("AWS_SECRET_ACCESS_KEY", "secret", 1);
    setenv("AWS_SESSION_TOKEN", "token", 1);
    setenv("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/never", 1);
    temp_dir_write(&w->root, ".aws/config", "= broken\n");
    world_start(w);
    assert_string_equal(aws_credentials_source(w->credentials), "none");
    struct aws_identity *identity = aws_credentials_peek(w->credentials);
    assert_non_null(identity);
    assert_string_equal(identity->access_key_id, "AKID");
    world_get(w);
    assert_int_equal(w->answer.count, 1);
    assert_string_equal(w->answer.secret, "secret");
    assert_string_equal(w->answer.token, "token");
    assert_true(w->answer.expires_ms == TIME_NEVER);
    assert_string_equal(aws_credentials_source(w->credentials), "environment");
}

static void half_a_pair_is_a_mistake(void **state)
{
    struct world *w = *state;
    setenv("AWS_ACCESS_KEY_ID", "AKID", 1);
    setenv("AWS_SECRET_ACCESS_KEY", "  ", 1);
    world_expect_failure(w, "AWS_SECRET_ACCESS_KEY is not");
}

static void keys_that_would_break_a_header_are_refused(void **state)
{
    struct world *w = *state;
    setenv("AWS_ACCESS_KEY_ID", "AKID\r\nX-Evil: 1", 1);
    setenv("AWS_SECRET_ACCESS_KEY", "secret", 1);
    world_expect_failure(w, "characters");
}

static void keys_that_have_expired_are_an_error(void **state)
{
    struct world *w = *state;
    setenv("AWS_ACCESS_KEY_ID", "AKID", 1);
    setenv("AWS_SECRET_ACCESS_KEY", "secret", 1);
    setenv("AWS_CREDENTIAL_EXPIRATION", "2020-01-01T00:00:00Z", 1);
    world_expect_failure(w, "expired");
}

static void nothing_configured_names_the_sources(void **state)
{
    struct world *w = *state;
    setenv("AWS_EC2_METADATA_DISABLED", "True", 1);
    world_expect_failure(w, "no AWS credentials");
}

static void a_profile_gives_static_keys(void **state)
{
    struct world *w = *state;
    temp_dir_write(&w->root, ".aws/config",
                   "[profile ops]\nregion = eu-west-1\naws_access_key_id = OLD\n");
    temp_dir_write(&w->root, ".aws/credentials",
                   "[ops]\naws_access_key_id = AKOPS\naws_secret_access_key = ops#1\n");
    setenv("AWS_PROFILE", "ops", 1);
    world_start(w);
    world_get(w);
    assert_string_equal(w->answer.id, "AKOPS");
    assert_string_equal(w->answer.secret, "ops#1");
    assert_string_equal(aws_credentials_source(w->credentials), "profile");
}

static void a_profile_that_is_not_there_is_a_mistake(void **state)
{
    struct world *w = *state;
    setenv("AWS_PROFILE", "opz", 1);
    world_expect_failure(w, "opz");
}

static void a_broken_file_is_a_mistake_with_its_line(void **state)
{
    struct world *w = *state;
    temp_dir_write(&w->root, ".aws/config", "[default]\n= us-east-1\n");
    world_expect_failure(w, "line 2");
}

static void a_profile_we_cannot_follow_says_so(void **state)
{
    struct world *w = *state;
    temp_dir_write(&w->root, ".aws/config",
                   "[default]\nrole_arn = arn:aws:iam::1:role/r\n"
                   "source_profile = base\n");
    world_expect_failure(w, "role_arn, which is not supported");
}

static void a_file_that_was_named_must_be_readable(void **state)
{
    struct world *w = *state;
    setenv("AWS_SHARED_CREDENTIALS_FILE", w->root.path, 1); /* a folder */
    world_expect_failure(w, "AWS_SHARED_CREDENTIALS_FILE");
}

/* --- container ------------------------------------------------------------------------------- */

static void one_flight_serves_everybody(void **state)
{
    struct world *w = *state;
    struct world_answer other = {.count = 0};
    struct world_answer forgotten = {.count = 0};
    start_with_container(w);
    assert_null(aws_credentials_peek(w->credentials));
    world_get(w);
    aws_credentials_get(w->credentials, world_on_answer, &forgotten);
    aws_credentials_get(w->credentials, world_on_answer, &other);
    aws_credentials_forget(w->credentials, &forgotten);
    world_run_due(w);
    assert_int_equal(w->answer.count + other.count, 0);
    respond_keys(w, "AK1", 3600000);
    assert_int_equal(w->answer.count, 1);
    assert_int_equal(other.count, 1);
    assert_int_equal(forgotten.count, 0);
    assert_string_equal(other.id, "AK1");
    assert_string_equal(other.token, "t-AK1");
    assert_int_equal(w->http.started, 1);
    assert_string_equal(aws_credentials_source(w->credentials), "container");
}

static void keys_that_live_seconds_are_never_missing(void **state)
{
    struct world *w = *state;
    char id[16];
    unsigned keys = 0;
    start_with_container(w);
    world_get(w);
    for (int64_t ms = 0; ms < 120000; ms += 100) {
        if (w->http.pending != NULL) {
            snprintf(id, sizeof(id), "AK%u", keys++);
            respond_keys(w, id, 4000);
        }
        struct aws_identity *identity = aws_credentials_peek(w->credentials);
        assert_non_null(identity);
        assert_true(identity->expires_ms > w->loop.now.wall.ms);
        world_advance(w, 100);
    }
    assert_in_range(keys, 50, 65);
}

static void old_keys_are_used_while_the_endpoint_is_down(void **state)
{
    struct world *w = *state;
    start_with_container(w);
    world_get(w);
    respond_keys(w, "AK1", 3600000);
    int64_t end_ms = 3600000 - 2000;
    while (w->loop.now.mono.ms < end_ms) {
        assert_non_null(aws_credentials_peek(w->credentials));
        if (w->http.pending != NULL)
            world_respond(w, 503, "");
        world_advance(w, 500);
    }
    assert_null(aws_credentials_peek(w->credentials));
    assert_in_range(w->http.started, 20, 900);
    world_get(w);
    while (w->answer.count == 1) {
        if (w->http.pending != NULL)
            world_respond_never(w, ERROR_UNKNOWN);
        world_advance(w, 500);
    }
    assert_string_equal(w->answer.id, "");
    assert_int_equal(w->answer.error.kind, ERROR_RETRY); /* not unknown: nothing was sent */
}

static void who_can_wait_waits_when_it_is_urgent(void **state)
{
    struct world *w = *state;
    start_with_container(w);
    world_get(w);
    respond_keys(w, "AK1", 3600000);
    world_advance(w, 3600000 - 12 * 60000); /* due, not urgent: the old ones at once */
    world_get(w);
    assert_int_equal(w->answer.count, 2);
    assert_string_equal(w->answer.id, "AK1");
    assert_non_null(w->http.pending);
    world_advance(w, 4 * 60000);
    world_get(w);
    assert_int_equal(w->answer.count, 2);
    respond_keys(w, "AK2", 3600000);
    assert_int_equal(w->answer.count, 3);
    assert_string_equal(w->answer.id, "AK2");
}

static void a_refusal_by_the_server_refreshes_once(void **state)
{
    struct world *w = *state;
    start_with_container(w);
    world_get(w);
    respond_keys(w, "AK1", 3600000);
    struct aws_identity *old = aws_identity_ref(aws_credentials_peek(w->credentials));
    world_advance(w, 1000);
    aws_credentials_invalidate(w->credentials, old);
    aws_credentials_invalidate(w->credentials, old);
    assert_null(aws_credentials_peek(w->credentials));
    world_get(w);
    respond_keys(w, "AK2", 3600000);
    assert_string_equal(w->answer.id, "AK2");
    aws_credentials_invalidate(w->credentials, old); /* of an older snapshot: nothing to do */
    assert_non_null(aws_credentials_peek(w->credentials));
    assert_int_equal(w->http.started, 2);
    assert_string_equal(old->access_key_id, "AK1");
    aws_identity_unref(old);
}

static void the_token_file_is_read_anew(void **state)
{
    struct world *w = *state;
    temp_dir_write(&w->root, "token", "first");
    setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN", "beaten", 1);
    setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", world_path(w, "token"), 1);
    start_with_container(w);
    world_get(w);
    assert_non_null(strstr(w->http.pending->headers, "Authorization: first\n"));
    assert_non_null(strstr(w->http.pending->headers, "Accept: application/json\n"));
    respond_keys(w, "AK1", 10000);
    temp_dir_write(&w->root, "token", "second");
    world_advance(w, 6000);
    assert_non_null(aws_credentials_peek(w->credentials));
    assert_non_null(strstr(w->http.pending->headers, "Authorization: second\n"));
    respond_keys(w, "AK2", 10000);
    assert_string_equal(aws_credentials_peek(w->credentials)->access_key_id, "AK2");
}

static void a_token_with_a_line_break_is_not_sent(void **state)
{
    struct world *w = *state;
    temp_dir_write(&w->root, "token", "first\r\nX-Evil: 1");
    setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", world_path(w, "token"), 1);
    setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", CONTAINER_URL, 1);
    world_expect_failure(w, "line break");
}

static void an_empty_token_file_is_a_failure(void **state)
{
    struct world *w = *state;
    temp_dir_write(&w->root, "token", "");
    setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", world_path(w, "token"), 1);
    setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", CONTAINER_URL, 1);
    world_expect_failure(w, "empty or cannot be read");
}

static void an_endpoint_is_tried_three_times(void **state)
{
    struct world *w = *state;
    start_with_container(w);
    world_get(w);
    world_respond(w, 500, "");
    assert_null(w->http.pending);
    world_advance(w, 1000);
    world_respond_never(w, ERROR_RETRY);
    world_advance(w, 1000);
    world_respond(w, 503, "");
    assert_int_equal(w->answer.count, 1);
    assert_string_equal(w->answer.id, "");
    assert_non_null(strstr(w->answer.error.text, "503"));
    assert_int_equal(w->http.started, 3);
    world_get(w); /* backing off: the same error, and no request */
    assert_int_equal(w->answer.count, 2);
    assert_int_equal(w->http.started, 3);
    world_advance(w, 1000);
    world_get(w);
    respond_keys(w, "AK1", 60000);
    assert_string_equal(w->answer.id, "AK1");
}

static void answers_without_keys_are_errors(void **state)
{
    static const struct {
        int status;
        const char *body;
    } answers[] = {
        {200, ""},
        {200, "<html>"},
        {200, "[]"},
        {200, "{\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"b\",\"Token\":\"c\"}"},
        {200, "{\"AccessKeyId\":\"A\",\"Token\":\"c\",\"Expiration\":\"2030-01-01T00:00:00Z\"}"},
        {200, "{\"AccessKeyId\":\"A B\",\"SecretAccessKey\":\"b\",\"Token\":\"c\","
              "\"Expiration\":\"2030-01-01T00:00:00Z\"}"},
        {200, "{\"Code\":\"AssumeRoleUnauthorizedAccess\",\"Message\":\"no\"}"},
        {302, ""},
        {403, "{}"},
    };
    struct world *w = *state;
    start_with_container(w);
    for (size_t i = 0; i < ARRAY_LEN(answers); i++) {
        world_get(w);
        world_respond(w, answers[i].status, answers[i].body);
        assert_int_equal(w->answer.count, i + 1);
        if (w->answer.id[0] != '\0')
            fail_msg("answer %zu gave keys", i);
        world_advance(w, 10000);
    }
}

static void stopping_cancels_what_is_under_way(void **state)
{
    struct world *w = *state;
    start_with_container(w);
    world_get(w);
    assert_non_null(w->http.pending);
    aws_credentials_free(w->credentials);
    w->credentials = NULL;
    assert_int_equal(w->http.cancelled, 1);
    world_run_due(w);
    assert_int_equal(w->answer.count, 0);
}

/* --- web identity and IMDS ------------------------------------------------------------------- */

static const char sts_answer[] =
    "<?xml version=\"1.0\"?>\n"
    "<AssumeRoleWithWebIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">"
    "<AssumeRoleWithWebIdentityResult><Credentials><AccessKeyId>ASIA1</AccessKeyId>"
    "<SecretAccessKey>a&amp;b</SecretAccessKey><SessionToken>tok==</SessionToken>"
    "<Expiration>2023-11-14T23:13:20Z</Expiration></Credentials>"
    "</AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>";

static void web_identity_asks_sts(void **state)
{
    struct world *w = *state;
    temp_dir_write(&w->root, "token.jwt", "jwt.one\n");
    setenv("AWS_WEB_IDENTITY_TOKEN_FILE", world_path(w, "token.jwt"), 1);
    setenv("AWS_ROLE_ARN", "arn:aws:iam::1:role/r", 1);
    setenv("AWS_ROLE_SESSION_NAME", "me", 1);
    setenv("AWS_REGION", "eu-west-1", 1);
    world_start(w);
    world_get(w);
    struct http_request *request =
        world_expect_request(w, "POST", "https://sts.eu-west-1.amazonaws.com/");
    assert_string_equal(request->body,
                        "Action=AssumeRoleWithWebIdentity&Version=2011-06-15&RoleArn=arn%3Aaws%"
                        "3Aiam%3A%3A1%3Arole%2Fr&RoleSessionName=me&WebIdentityToken=jwt.one");
    world_respond(
        w, 400,
        "<ErrorResponse><Error><Code>ExpiredTokenException</Code><Message>old &lt;token&gt;"
        "</Message></Error></ErrorResponse>");
    assert_non_null(strstr(w->answer.error.text, "ExpiredTokenException: old <token>"));
    assert_int_equal(w->answer.error.kind, ERROR_AUTH);

    temp_dir_write(&w->root, "token.jwt", "jwt.two");
    world_advance(w, 1000);
    world_get(w);
    assert_non_null(strstr(w->http.pending->body, "WebIdentityToken=jwt.two"));
    world_respond(w, 200, sts_answer);
    assert_string_equal(w->answer.id, "ASIA1");
    assert_string_equal(w->answer.secret, "a&b");
    assert_true(w->answer.expires_ms == START_MS + 3600000);
}

static void web_identity_uses_a_configured_endpoint(void **state)
{
    struct world *w = *state;
    temp_dir_write(&w->root, "token.jwt", "jwt");
    setenv("AWS_WEB_IDENTITY_TOKEN_FILE", world_path(w, "token.jwt"), 1);
    setenv("AWS_ROLE_ARN", "arn:aws:iam::1:role/r", 1);
    setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:2", 1);
    setenv("AWS_ENDPOINT_URL_STS", "http://127.0.0.1:1/", 1);
    world_start(w);
    world_get(w);
    world_expect_request(w, "POST", "http://127.0.0.1:1/");
    world_respond(w, 200, sts_answer);
    assert_string_equal(w->answer.id, "ASIA1");
}

static void web_identity_without_a_role_is_a_mistake(void **state)
{
    struct world *w = *state;
    setenv("AWS_WEB_IDENTITY_TOKEN_FILE", world_path(w, "token.jwt"), 1);
    setenv("AWS_REGION", "eu-west-1", 1);
    world_expect_failure(w, "AWS_ROLE_ARN");
}

#define IMDS "http://169.254.169.254"

static void imds_gives_the_keys_of_the_role(void **state)
{
    struct world *w = *state;
    char body[WORLD_KEYS_SIZE];
    world_start(w);
    world_get(w);
    struct http_request *request = world_expect_request(w, "PUT", IMDS "/latest/api/token");
    assert_string_equal(request->headers, "X-aws-ec2-metadata-token-ttl-seconds: 21600\n");
    world_respond(w, 200, "tok==");
    request = world_expect_request(w, "GET", IMDS "/latest/meta-data/iam/security-credentials/");
    assert_string_equal(request->headers, "X-aws-ec2-metadata-token: tok==\n");
    world_respond(w, 200, "my-role\n");
    request =
        world_expect_request(w, "GET", IMDS "/latest/meta-data/iam/security-credentials/my-role");
    assert_string_equal(request->headers, "X-aws-ec2-metadata-token: tok==\n");
    world_keys_json(body, "AKI", START_MS + 3600000);
    world_respond(w, 200, body);
    assert_string_equal(w->answer.id, "AKI");
    assert_string_equal(aws_credentials_source(w->credentials), "instance metadata");
}

static void imds_without_session_tokens_is_asked_the_old_way(void **state)
{
    struct world *w = *state;
    world_start(w);
    for (int i = 0; i < 2; i++) {
        world_get(w);
        world_expect_request(w, "PUT", IMDS "/latest/api/token");
        if (i == 0)
            world_respond(w, 404, "");
        else
            world_respond_never(w, ERROR_UNKNOWN); /* timed out */
        struct http_request *request =
            world_expect_request(w, "GET", IMDS "/latest/meta-data/iam/security-credentials/");
        assert_string_equal(request->headers, "");
        world_respond(w, 404, "");
        assert_non_null(strstr(w->answer.error.text, "no role"));
        world_advance(w, 2000);
    }
    setenv("AWS_EC2_METADATA_V1_DISABLED", "true", 1);
    world_advance(w, 60000);
    world_get(w);
    world_respond(w, 405, "");
    assert_non_null(strstr(w->answer.error.text, "disabled"));
}

/* The service cannot get new keys: the old ones go on, since AWS may still take them. */
static void imds_keys_that_have_expired_are_tried_on(void **state)
{
    static const int64_t left_ms[] = {-3600000, -1, 0};
    struct world *w = *state;
    char body[WORLD_KEYS_SIZE];
    world_start(w);
    for (size_t i = 0; i < ARRAY_LEN(left_ms); i++) {
        world_get(w);
        world_respond(w, 200, "tok");
        world_respond(w, 200, "my-role");
        int64_t now_ms = w->loop.now.wall.ms;
        world_keys_json(body, "AKOLD", now_ms + left_ms[i]);
        world_respond(w, 200, body);
        assert_string_equal(w->answer.id, "AKOLD");
        int64_t life_ms = w->answer.expires_ms - now_ms;
        assert_in_range(life_ms, 17 * MS_PER_MINUTE, 25 * MS_PER_MINUTE);
        world_advance(w, life_ms);
    }
    world_get(w);
    world_respond(w, 200, "tok");
    world_respond(w, 200, "my-role");
    world_keys_json(body, "AKNEW", w->loop.now.wall.ms + 1);
    world_respond(w, 200, body);
    assert_int_equal(w->answer.expires_ms, w->loop.now.wall.ms + 1);
}

static void off_ec2_it_gives_up_after_one_try(void **state)
{
    struct world *w = *state;
    world_start(w);
    world_get(w);
    world_respond_never(w, ERROR_RETRY);
    assert_int_equal(w->answer.count, 1);
    assert_string_equal(w->answer.id, "");
    assert_int_equal(w->http.started, 1);
}

static void imds_must_not_lead_elsewhere(void **state)
{
    static const char *const roles[] = {"", "a b", "../../x", "r?x=1", "r\tx", "a/b"};
    struct world *w = *state;
    world_start(w);
    for (size_t i = 0; i < ARRAY_LEN(roles); i++) {
        world_get(w);
        world_respond(w, 200, "tok");
        world_respond(w, 200, roles[i]);
        assert_int_equal(w->answer.count, i + 1);
        assert_string_equal(w->answer.id, "");
        world_advance(w, 10000);
    }
    world_get(w);
    world_respond(w, 200, "to\r\nk");
    assert_string_equal(w->answer.id, "");
}

static void imds_endpoint_from_environment_and_profile(void **state)
{
    struct world *w = *state;
    temp_dir_write(&w->root, ".aws/config",
                   "[default]\nec2_metadata_service_endpoint_mode = ipV6\n");
    world_start(w);
    world_get(w);
    world_expect_request(w, "PUT", "http://[fd00:ec2::254]/latest/api/token");
    world_respond_never(w, ERROR_RETRY);
    setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://127.0.0.1:1/", 1);
    world_advance(w, 10000);
    world_get(w);
    world_expect_request(w, "PUT", "http://127.0.0.1:1/latest/api/token");
    world_respond_never(w, ERROR_RETRY);
    setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE", "IPv7", 1);
    world_advance(w, 10000);
    world_get(w);
    assert_non_null(strstr(w->answer.error.text, "IPv4"));
    assert_null(w->http.pending);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(environment_comes_first),
        CASE(half_a_pair_is_a_mistake),
        CASE(keys_that_would_break_a_header_are_refused),
        CASE(keys_that_came_expired_are_tried),
        CASE(keys_that_have_expired_are_an_error),
        CASE(nothing_configured_names_the_sources),
        CASE(a_profile_gives_static_keys),
        CASE(a_profile_that_is_not_there_is_a_mistake),
        CASE(a_broken_file_is_a_mistake_with_its_line),
        CASE(a_profile_we_cannot_follow_says_so),
        CASE(a_file_that_was_named_must_be_readable),
        CASE(one_flight_serves_everybody),
        CASE(keys_that_live_seconds_are_never_missing),
        CASE(old_keys_are_used_while_the_endpoint_is_down),
        CASE(who_can_wait_waits_when_it_is_urgent),
        CASE(a_refusal_by_the_server_refreshes_once),
        CASE(the_token_file_is_read_anew),
        CASE(a_token_with_a_line_break_is_not_sent),
        CASE(an_empty_token_file_is_a_failure),
        CASE(an_endpoint_is_tried_three_times),
        CASE(answers_without_keys_are_errors),
        CASE(stopping_cancels_what_is_under_way),
        CASE(web_identity_asks_sts),
        CASE(web_identity_uses_a_configured_endpoint),
        CASE(web_identity_without_a_role_is_a_mistake),
        CASE(imds_gives_the_keys_of_the_role),
        CASE(imds_without_session_tokens_is_asked_the_old_way),
        CASE(imds_keys_that_have_expired_are_tried_on),
        CASE(off_ec2_it_gives_up_after_one_try),
        CASE(imds_must_not_lead_elsewhere),
        CASE(imds_endpoint_from_environment_and_profile),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
