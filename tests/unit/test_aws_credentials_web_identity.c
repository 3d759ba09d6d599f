#include "tests/harness/credentials_world.h"

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

static void set_role(struct world *w)
{
    setenv("AWS_WEB_IDENTITY_TOKEN_FILE", world_path(w, "token.jwt"), 1);
    setenv("AWS_ROLE_ARN", "arn:aws:iam::1:role/r", 1);
}

static void a_profile_can_ask_for_it(void **state)
{
    struct world *w = *state;
    char config[TEMP_PATH_SIZE + 128];
    temp_dir_write(&w->root, "token.jwt", "jwt");
    snprintf(
        config, sizeof(config),
        "[default]\nregion = eu-central-1\nrole_arn = of-profile\nweb_identity_token_file = %s\n"
        "role_session_name = me\n",
        world_path(w, "token.jwt"));
    temp_dir_write(&w->root, ".aws/config", config);
    world_start(w);
    world_get(w);
    struct http_request *request =
        world_expect_request(w, "POST", "https://sts.eu-central-1.amazonaws.com/");
    assert_non_null(strstr(request->body, "RoleArn=of-profile&RoleSessionName=me&"));
    world_respond(w, 200, sts_answer);
    assert_string_equal(w->answer.id, "ASIA1");
}

static void a_session_without_a_name_gets_one(void **state)
{
    struct world *w = *state;
    temp_dir_write(&w->root, "token.jwt", "jwt");
    set_role(w);
    setenv("AWS_ENDPOINT_URL_STS", "http://127.0.0.1:1", 1);
    world_start(w);
    world_get(w);
    char expected[64];
    snprintf(expected, sizeof(expected), "RoleSessionName=delayline-%lld&", (long long)START_MS);
    assert_non_null(strstr(w->http.pending->body, expected));
    world_respond(w, 200, sts_answer);
}

static void a_configured_endpoint_can_be_ignored(void **state)
{
    struct world *w = *state;
    temp_dir_write(&w->root, "token.jwt", "jwt");
    set_role(w);
    setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:2", 1);
    setenv("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "true", 1);
    setenv("AWS_REGION", "eu-west-1", 1);
    world_start(w);
    world_get(w);
    world_expect_request(w, "POST", "https://sts.eu-west-1.amazonaws.com/");
    world_respond(w, 200, sts_answer);
}

/* Kubernetes rotates the file: it may be missing or empty for a moment. */
static void a_token_file_that_is_missing_or_blank_is_a_failure(void **state)
{
    struct world *w = *state;
    set_role(w);
    setenv("AWS_REGION", "eu-west-1", 1);
    world_start(w);
    world_get(w);
    world_expect_error(w, 1, "missing, empty");
    temp_dir_write(&w->root, "token.jwt", " \n");
    world_advance(w, 1000);
    world_get(w);
    world_expect_error(w, 2, "missing, empty");
    temp_dir_write(&w->root, "token.jwt", "jwt");
    world_advance(w, 10000);
    world_get(w);
    world_respond(w, 200, sts_answer);
    assert_string_equal(w->answer.id, "ASIA1");
}

static void without_region_and_endpoint_it_cannot_be_asked(void **state)
{
    struct world *w = *state;
    temp_dir_write(&w->root, "token.jwt", "jwt");
    set_role(w);
    world_expect_failure(w, "region");
}

static void silence_is_tried_three_times(void **state)
{
    struct world *w = *state;
    temp_dir_write(&w->root, "token.jwt", "jwt");
    set_role(w);
    setenv("AWS_REGION", "eu-west-1", 1);
    world_start(w);
    world_get(w);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(w->answer.count, 0);
        assert_non_null(strstr(w->http.pending->body, "WebIdentityToken=jwt"));
        world_respond_never(w, ERROR_UNKNOWN);
        world_advance(w, 1000);
    }
    world_expect_error(w, 1, "nobody there");
    assert_int_equal(w->answer.error.kind, ERROR_RETRY);
}

static void an_answer_that_is_no_success_is_told(void **state)
{
    struct world *w = *state;
    temp_dir_write(&w->root, "token.jwt", "jwt");
    set_role(w);
    setenv("AWS_REGION", "eu-west-1", 1);
    static const struct {
        int status;
        const char *body;
        const char *text;
    } cases[] = {
        {200, "", ""},
        {200, "<AssumeRoleWithWebIdentityResponse/>", ""},
        {302, "", "302"},
        {403, "<html>", "403"},
    };
    world_start(w);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        world_get(w);
        world_respond(w, cases[i].status, cases[i].body);
        world_expect_error(w, (unsigned)i + 1, cases[i].text);
        world_advance(w, 60000);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(web_identity_asks_sts),
        CASE(web_identity_uses_a_configured_endpoint),
        CASE(web_identity_without_a_role_is_a_mistake),
        CASE(a_profile_can_ask_for_it),
        CASE(a_session_without_a_name_gets_one),
        CASE(a_configured_endpoint_can_be_ignored),
        CASE(a_token_file_that_is_missing_or_blank_is_a_failure),
        CASE(without_region_and_endpoint_it_cannot_be_asked),
        CASE(silence_is_tried_three_times),
        CASE(an_answer_that_is_no_success_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
