#include "tests/harness/credentials_world.h"

static void the_token_file_is_read_anew(void **state)
{
    struct world *w = *state;
    temp_dir_write(&w->root, "token", "first");
    setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN", "beaten", 1);
    setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", world_path(w, "token"), 1);
    world_start_with_container(w);
    world_get(w);
    assert_non_null(strstr(w->http.pending->headers, "Authorization: first\n"));
    assert_non_null(strstr(w->http.pending->headers, "Accept: application/json\n"));
    world_respond_keys(w, "AK1", 10000);
    temp_dir_write(&w->root, "token", "second");
    world_advance(w, 6000);
    assert_non_null(aws_credentials_peek(w->credentials));
    assert_non_null(strstr(w->http.pending->headers, "Authorization: second\n"));
    world_respond_keys(w, "AK2", 10000);
    assert_string_equal(aws_credentials_peek(w->credentials)->access_key_id, "AK2");
}

static void a_token_with_a_line_break_is_not_sent(void **state)
{
    struct world *w = *state;
    temp_dir_write(&w->root, "token", "first\r\nX-Evil: 1");
    setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", world_path(w, "token"), 1);
    setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", WORLD_CONTAINER_URL, 1);
    world_expect_failure(w, "line break");
}

static void an_empty_token_file_is_a_failure(void **state)
{
    struct world *w = *state;
    temp_dir_write(&w->root, "token", "");
    setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", world_path(w, "token"), 1);
    setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", WORLD_CONTAINER_URL, 1);
    world_expect_failure(w, "empty or cannot be read");
}

static void an_endpoint_is_tried_three_times(void **state)
{
    struct world *w = *state;
    world_start_with_container(w);
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
    world_respond_keys(w, "AK1", 60000);
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
    world_start_with_container(w);
    for (size_t i = 0; i < ARRAY_LEN(answers); i++) {
        world_get(w);
        world_respond(w, answers[i].status, answers[i].body);
        assert_int_equal(w->answer.count, i + 1);
        if (w->answer.id[0] != '\0')
            fail_msg("answer %zu gave keys", i);
        world_advance(w, 10000);
    }
}

static void a_relative_uri_beats_a_full_one(void **state)
{
    struct world *w = *state;
    setenv("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/v2/keys", 1);
    setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN", "a token", 1);
    world_start_with_container(w);
    world_get(w);
    struct http_request *request = world_expect_request(w, "GET", "http://169.254.170.2/v2/keys");
    assert_string_equal(request->headers, "Accept: application/json\nAuthorization: a token\n");
    assert_int_equal(request->timeout_ms, 2000);
    world_respond_never(w, ERROR_RETRY);
    world_advance(w, 1000);
    world_respond_never(w, ERROR_UNKNOWN);
    world_advance(w, 1000);
    world_respond_never(w, ERROR_UNKNOWN);
    world_expect_error(w, 1, "nobody there");
}

static void a_host_that_must_not_have_the_token_is_not_asked(void **state)
{
    struct world *w = *state;
    setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://192.168.0.1/keys", 1);
    setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN", "token", 1);
    world_start(w);
    world_get(w);
    assert_int_equal(w->answer.error.kind, ERROR_AUTH);
    assert_int_equal(w->http.started, 0);
}

static void a_token_file_that_is_missing_is_a_failure(void **state)
{
    struct world *w = *state;
    setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", world_path(w, "nowhere"), 1);
    setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", WORLD_CONTAINER_URL, 1);
    world_expect_failure(w, "empty or cannot be read");
}

static void without_a_token_there_is_no_authorization(void **state)
{
    struct world *w = *state;
    world_start_with_container(w);
    world_get(w);
    assert_string_equal(w->http.pending->headers, "Accept: application/json\n");
    world_respond_keys(w, "AK1", 3600000);
    assert_string_equal(w->answer.id, "AK1");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(the_token_file_is_read_anew),
        CASE(a_token_with_a_line_break_is_not_sent),
        CASE(an_empty_token_file_is_a_failure),
        CASE(an_endpoint_is_tried_three_times),
        CASE(answers_without_keys_are_errors),
        CASE(a_relative_uri_beats_a_full_one),
        CASE(a_host_that_must_not_have_the_token_is_not_asked),
        CASE(a_token_file_that_is_missing_is_a_failure),
        CASE(without_a_token_there_is_no_authorization),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
