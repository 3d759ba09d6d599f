#include "tests/harness/aws_rig.h"

#include "common/aws_services.h"
#include "common/readiness.h"
#include "tests/harness/aws_environment.h"

struct fixture {
    struct aws_rig rig;
    struct log *log;
    struct aws_services aws;
};

static void fixture_init(struct fixture *f, const struct aws_play *play)
{
    *f = (struct fixture){.log = log_new("test", LOG_ERROR)};
    aws_rig_init(&f->rig, play, 1);
    setenv("AWS_REGION", "eu-west-1", 1);
    setenv("AWS_ENDPOINT_URL", http_script_url(f->rig.script), 1);
    CLEANUP(buf_release) struct buf errors;
    buf_init(&errors, 4096);
    aws_services_open(&f->aws, f->rig.loop, f->log, 1, &errors);
    assert_string_equal(buf_text(&errors), "");
}

static void fixture_release(struct fixture *f)
{
    aws_services_close(&f->aws);
    aws_services_close(&f->aws);
    aws_rig_release(&f->rig);
    log_free(f->log);
    aws_environment_clear();
}

static void on_url(void *ctx, const char *url, const struct error *error)
{
    struct fixture *f = ctx;
    (void)url;
    (void)error;
    aws_rig_end_call(&f->rig);
}

static void ask(struct fixture *f)
{
    sqs_get_queue_url(f->aws.sqs, "q", on_url, f);
    aws_rig_run(&f->rig);
    aws_services_follow_clock(&f->aws);
}

static void mistakes_leave_it_closed(void **state)
{
    (void)state;
    struct aws_services aws = {.http = NULL};
    CLEANUP(buf_release) struct buf text;
    buf_init(&text, 4096);
    aws_environment_clear();
    setenv("AWS_REGION", "eu-west-1", 1);
    setenv("AWS_MAX_ATTEMPTS", "many", 1);
    aws_services_open(&aws, NULL, NULL, 1, &text);
    assert_non_null(strstr(buf_text(&text), "AWS_MAX_ATTEMPTS=many"));
    struct metrics *metrics = metrics_new();
    aws_services_metrics(&aws, metrics);
    buf_clear(&text);
    metrics_print(metrics, &text);
    aws_services_ready(&aws, &text);
    assert_string_equal(buf_text(&text), "");
    metrics_free(metrics);
    aws_services_close(&aws);
    aws_environment_clear();
}

static void both_services_are_shown(void **state)
{
    (void)state;
    struct fixture f;
    CLEANUP(buf_release) struct buf text;
    buf_init(&text, 64 * 1024);
    fixture_init(&f, &(const struct aws_play){200, .body = "{\"QueueUrl\":\"u\"}"});
    ask(&f);
    struct metrics *metrics = metrics_new();
    aws_services_metrics(&f.aws, metrics);
    metrics_print(metrics, &text);
    static const char *const lines[] = {
        "delayline_aws_backpressure_seconds{service=\"sqs\"} 0\n",
        "delayline_aws_backpressure_seconds{service=\"dynamodb\"} 0\n",
        "delayline_aws_calls_total{service=\"sqs\",operation=\"GetQueueUrl\"",
        "delayline_clock_correction_seconds 0\n",
    };
    for (size_t i = 0; i < ARRAY_LEN(lines); i++)
        if (strstr(buf_text(&text), lines[i]) == NULL)
            fail_msg("no %s in: %s", lines[i], buf_text(&text));
    metrics_free(metrics);
    fixture_release(&f);
}

static void a_wrong_clock_is_followed_and_told(void **state)
{
    (void)state;
    struct fixture f;
    CLEANUP(buf_release) struct buf reasons;
    buf_init(&reasons, 4096);
    fixture_init(&f, &(const struct aws_play){200, .body = "{}", .date_off_s = 3600});
    aws_services_ready(&f.aws, &reasons);
    assert_int_equal(reasons.len, 0);
    for (int answers = 0; answers < 5 && f.aws.clock_correction_ms == 0; answers++)
        ask(&f); /* one answer alone proves nothing */
    assert_in_range(f.aws.clock_correction_ms, 3590000, 3610000);
    aws_services_ready(&f.aws, &reasons);
    assert_non_null(strstr(buf_text(&reasons), "clock is wrong"));
    fixture_release(&f);
}

static void on_item(void *ctx, const struct dynamodb_item *item, const struct error *error)
{
    struct fixture *f = ctx;
    (void)item;
    (void)error;
    aws_rig_end_call(&f->rig);
}

/* Queues given as URLs: one answer of SQS, which proves nothing, must not hide what the table's
 * say. */
static void either_service_may_tell_of_a_wrong_clock(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f, &(const struct aws_play){200, .body = "{}", .date_off_s = 3600});
    ask(&f);
    for (int answers = 0; answers < 5 && f.aws.clock_correction_ms == 0; answers++) {
        dynamodb_get(f.aws.dynamodb, "t", SLICE_LITERAL("p"), SLICE_LITERAL("s"), on_item, &f);
        aws_rig_run(&f.rig);
        aws_services_follow_clock(&f.aws);
    }
    assert_in_range(f.aws.clock_correction_ms, 3590000, 3610000);
    fixture_release(&f);
}

static void readiness_has_a_line_or_none(void **state)
{
    (void)state;
    CLEANUP(buf_release) struct buf reasons;
    buf_init(&reasons, 4096);
    struct error error = {.kind = ERROR_NONE};
    readiness_kafka(&reasons, true, "b:1");
    readiness_dead_letters(&reasons, &error);
    assert_int_equal(reasons.len, 0);
    error_set(&error, ERROR_PERMANENT, "CODE", "text");
    readiness_kafka(&reasons, false, "b:1");
    readiness_dead_letters(&reasons, &error);
    assert_string_equal(buf_text(&reasons), "no Kafka broker of b:1 can be reached\n"
                                            "the dead-letter topic refuses records: CODE: text\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mistakes_leave_it_closed),
        cmocka_unit_test(both_services_are_shown),
        cmocka_unit_test(a_wrong_clock_is_followed_and_told),
        cmocka_unit_test(either_service_may_tell_of_a_wrong_clock),
        cmocka_unit_test(readiness_has_a_line_or_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
