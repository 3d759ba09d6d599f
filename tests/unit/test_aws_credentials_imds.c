#include "tests/harness/credentials_world.h"

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

/* Each step has its own refusal, and an error of one ends the flight. */
static void every_refusal_is_told(void **state)
{
    static const struct {
        int statuses[3]; /* 0: that far it does not come */
        const char *text;
        enum error_kind kind;
    } cases[] = {
        {{400, 0, 0}, "the session token answered 400", ERROR_AUTH},
        {{200, 403, 0}, "the role's name answered 403", ERROR_AUTH},
        {{200, 404, 0}, "no role", ERROR_AUTH},
        {{200, 200, 404}, "the role's credentials answered 404", ERROR_AUTH},
        {{200, 200, 301}, "the role's credentials answered 301", ERROR_AUTH},
    };
    struct world *w = *state;
    world_start(w);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        world_get(w);
        for (size_t step = 0; step < 3 && cases[i].statuses[step] != 0; step++)
            world_respond(w, cases[i].statuses[step], step == 0 ? "tok" : "my-role");
        world_expect_error(w, (unsigned)i + 1, cases[i].text);
        assert_int_equal(w->answer.error.kind, cases[i].kind);
        world_advance(w, 60000);
    }
}

static void a_5xx_is_tried_again_at_every_step(void **state)
{
    struct world *w = *state;
    char body[WORLD_KEYS_SIZE];
    world_keys_json(body, "AKI", START_MS + 3600000);
    const char *const answers[] = {"tok", "my-role", body};
    world_start(w);
    world_get(w);
    for (size_t step = 0; step < ARRAY_LEN(answers); step++) {
        world_respond(w, 503, "");
        world_advance(w, 1000);
        world_respond(w, 500, "");
        world_advance(w, 1000);
        world_respond(w, 200, answers[step]);
    }
    assert_string_equal(w->answer.id, "AKI");
    world_advance(w, 0);

    world_advance(w, 3600000);
    world_get(w);
    for (int attempt = 0; attempt < 3; attempt++) {
        world_respond(w, 500, "");
        world_advance(w, 1000);
    }
    world_expect_error(w, 2, "answered 500");
    assert_int_equal(w->answer.error.kind, ERROR_RETRY);
}

/* After the first step the service is known to be there: silence is an error, but one try each. */
static void silence_after_the_token_ends_it(void **state)
{
    struct world *w = *state;
    world_start(w);
    for (unsigned steps = 1; steps <= 2; steps++) {
        world_get(w);
        world_respond(w, 200, "tok");
        if (steps == 2)
            world_respond(w, 200, "my-role");
        world_respond_never(w, ERROR_UNKNOWN);
        world_expect_error(w, steps, "nobody there");
        world_advance(w, 60000);
    }
}

static void time_out_and_attempts_can_be_set(void **state)
{
    struct world *w = *state;
    setenv("AWS_METADATA_SERVICE_TIMEOUT", "7", 1);
    setenv("AWS_METADATA_SERVICE_NUM_ATTEMPTS", "2", 1);
    world_start(w);
    world_get(w);
    assert_int_equal(w->http.pending->timeout_ms, 7000);
    world_respond(w, 500, "");
    world_advance(w, 1000);
    world_respond(w, 500, "");
    world_expect_error(w, 1, "500");
    static const char *const wrong[] = {"0", "-1", "x", "1.5", "61"};
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        world_advance(w, 60000);
        setenv("AWS_METADATA_SERVICE_TIMEOUT", wrong[i], 1);
        world_get(w);
        world_expect_error(w, (unsigned)i + 2, "AWS_METADATA_SERVICE_TIMEOUT is not a number");
    }
    setenv("AWS_METADATA_SERVICE_TIMEOUT", "60", 1);
    setenv("AWS_METADATA_SERVICE_NUM_ATTEMPTS", "11", 1);
    world_advance(w, 60000);
    world_get(w);
    world_expect_error(w, ARRAY_LEN(wrong) + 2, "AWS_METADATA_SERVICE_NUM_ATTEMPTS");
    assert_int_equal(w->http.started, 2);
}

static void an_endpoint_that_is_no_url_is_a_mistake(void **state)
{
    struct world *w = *state;
    setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", "169.254.169.254", 1);
    world_expect_failure(w, "");
    assert_int_equal(w->answer.error.kind, ERROR_AUTH);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(imds_gives_the_keys_of_the_role),
        CASE(imds_without_session_tokens_is_asked_the_old_way),
        CASE(imds_keys_that_have_expired_are_tried_on),
        CASE(off_ec2_it_gives_up_after_one_try),
        CASE(imds_must_not_lead_elsewhere),
        CASE(imds_endpoint_from_environment_and_profile),
        CASE(every_refusal_is_told),
        CASE(a_5xx_is_tried_again_at_every_step),
        CASE(silence_after_the_token_ends_it),
        CASE(time_out_and_attempts_can_be_set),
        CASE(an_endpoint_that_is_no_url_is_a_mistake),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
