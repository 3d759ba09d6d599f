/* Tokens of MSK IAM as librdkafka asks for them. Brokers with TLS are for the end-to-end tests. */
#include "tests/harness/unit.h"

#include "common/aws_credentials_source.h"
#include "common/kafka_internal.h"
#include "tests/harness/aws_environment.h"
#include "tests/harness/http_script.h"
#include "tests/harness/mock_kafka.h"

#define BOOTSTRAP "127.0.0.1:1" /* nobody there */

struct world {
    struct mock_kafka mock; /* for its loop */
    struct http *http;
    struct http_script *script;
    struct aws_credentials *credentials;
    struct kafka_cluster cluster;
    unsigned asked;
    bool silent; /* the credentials' endpoint: takes requests and does not answer */
    bool done;
    char line[256];
};

static void on_request(void *ctx, const struct http_script_request *request,
                       struct http_script_answer *answer)
{
    struct world *w = ctx;
    (void)request;
    w->asked++;
    if (w->silent) {
        w->done = true;
        loop_stop(w->mock.loop);
        return;
    }
    http_script_reply(answer, 403, "", "");
}

static int set_up(void **state)
{
    struct world *w = test_calloc(1, sizeof(*w));
    aws_environment_clear();
    unsetenv("HOME");
    mock_kafka_start(&w->mock);
    w->http = http_new(w->mock.loop,
                       &(struct http_options){.connections_max = 4, .connect_timeout_ms = 2000});
    w->script = http_script_new(w->mock.loop, on_request, w);
    w->credentials = aws_credentials_new(w->mock.loop, w->http, "eu-west-1");
    w->cluster = (struct kafka_cluster){
        .bootstrap_servers = BOOTSTRAP, .iam = w->credentials, .iam_region = "eu-west-1"};
    setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", http_script_url(w->script), 1);
    *state = w;
    return 0;
}

static int tear_down(void **state)
{
    struct world *w = *state;
    aws_credentials_free(w->credentials);
    http_free(w->http);
    http_script_free(w->script);
    mock_kafka_stop(&w->mock);
    test_free(w);
    return 0;
}

static void on_fatal(void *ctx, const struct error *error)
{
    (void)ctx;
    fail_msg("%s", error->text);
}

static void on_log(void *ctx, enum log_level level, const char *facility, const char *text)
{
    struct world *w = ctx;
    if (strcmp(facility, "MSK_IAM") != 0)
        return;
    assert_int_equal(level, LOG_WARN);
    snprintf(w->line, sizeof(w->line), "%s", text);
    w->done = true;
    loop_stop(w->mock.loop);
}

static struct kafka_producer *open_producer(struct world *w)
{
    static const struct kafka_producer_callbacks callbacks = {.on_fatal = on_fatal,
                                                              .on_log = on_log};
    CLEANUP(buf_release) struct buf errors;
    buf_init(&errors, 4096);
    struct kafka_producer *producer =
        kafka_producer_new(w->mock.loop, &w->cluster, NULL, 0, &callbacks, w, &errors);
    assert_string_equal(buf_text(&errors), "");
    assert_non_null(producer);
    return producer;
}

/* An idle producer asks at once, and hears why there is no token. */
static void without_keys_the_reason_is_logged(void **state)
{
    struct world *w = *state;
    struct kafka_producer *producer = open_producer(w);
    assert_int_equal(w->asked, 0);
    mock_kafka_run_until(&w->mock, &w->done);
    assert_true(w->asked > 0);
    assert_non_null(strstr(w->line, "container: "));
    assert_non_null(strstr(w->line, "403"));
    kafka_producer_free(producer);
}

static void closes_while_keys_are_on_their_way(void **state)
{
    struct world *w = *state;
    w->silent = true;
    struct kafka_producer *producer = open_producer(w);
    mock_kafka_run_until(&w->mock, &w->done);
    kafka_producer_free(producer);
}

static struct aws_identity *identity_until(int64_t expires_ms)
{
    struct error error;
    struct aws_identity *identity = aws_identity_new(SLICE_LITERAL("AKID"), SLICE_LITERAL("secret"),
                                                     SLICE_LITERAL("token"), expires_ms, &error);
    assert_non_null(identity);
    return identity;
}

static void librdkafka_takes_the_token(void **state)
{
    struct world *w = *state;
    const struct kafka_settings settings = {.bootstrap_servers = BOOTSTRAP, .iam = true};
    CLEANUP(buf_release) struct buf errors;
    buf_init(&errors, 4096);
    rd_kafka_t *rk = kafka_handle_new(RD_KAFKA_PRODUCER, &settings, 0, &errors);
    assert_non_null(rk);
    struct error error;
    int64_t now_ms = loop_now(w->mock.loop).wall.ms;
    const struct {
        int64_t expires_ms;
        const char *region;
        enum status status;
    } cases[] = {
        {TIME_NEVER, "eu-west-1", STATUS_OK},
        {now_ms + 60000, "eu-west-1", STATUS_OK},
        {now_ms - 1, "eu-west-1", STATUS_INVALID},
        {TIME_NEVER, "eu west", STATUS_INVALID},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct aws_identity *identity = identity_until(cases[i].expires_ms);
        assert_status(kafka_iam_set_token(rk, w->mock.loop, cases[i].region, identity, &error),
                      cases[i].status);
        aws_identity_unref(identity);
    }
    assert_non_null(strstr(error.text, "eu west"));
    rd_kafka_destroy(rk);
}

static void the_check_wants_keys(void **state)
{
    struct world *w = *state;
    static const char *const topics[] = {"delay"};
    int32_t partitions[1];
    struct error error;
    assert_status(
        kafka_check(w->mock.loop, &w->cluster, NULL, 0, topics, partitions, 1, 100, &error),
        STATUS_IO);
    assert_int_equal(error.kind, ERROR_RETRY);
    assert_string_equal(error.code, "NO_CREDENTIALS");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(without_keys_the_reason_is_logged, set_up, tear_down),
        cmocka_unit_test_setup_teardown(closes_while_keys_are_on_their_way, set_up, tear_down),
        cmocka_unit_test_setup_teardown(librdkafka_takes_the_token, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_check_wants_keys, set_up, tear_down),
    };
    return run_side_by_side(tests, ARRAY_LEN(tests));
}
