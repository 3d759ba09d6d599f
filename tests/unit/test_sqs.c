#include "tests/harness/unit.h"

#include "common/sqs.h"
#include "tests/harness/http_script.h"

#define HELLO_MD5 "5d41402abc4b2a76b9719d911017c592"

struct fixture {
    struct loop *loop;
    struct http *http;
    struct aws_credentials *credentials;
    struct sqs *sqs;
    struct http_script *script;
    int status;
    const char *answer;
    char target[64];
    struct buf request;
    unsigned requests;

    unsigned done;
    struct sqs_entry_result results[SQS_BATCH_ENTRIES_MAX];
    size_t count;
    struct error error;
    char text[128];
};

static void on_script(void *ctx, const struct http_script_request *request,
                      struct http_script_answer *answer)
{
    struct fixture *f = ctx;
    f->requests++;
    snprintf(f->target, sizeof(f->target), "%.*s",
             SLICE_ARG(http_script_header(request, "X-Amz-Target")));
    buf_clear(&f->request);
    buf_append_slice(&f->request, request->body);
    http_script_reply(answer, f->status, "", f->answer);
}

static void fixture_init(struct fixture *f, int status, const char *answer)
{
    *f = (struct fixture){.status = status, .answer = answer};
    buf_init(&f->request, 8 * MIB);
    setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE", 1);
    setenv("AWS_SECRET_ACCESS_KEY", "secret", 1);
    f->loop = loop_new();
    f->http =
        http_new(f->loop, &(struct http_options){.connections_max = 8, .connect_timeout_ms = 2000});
    f->credentials = aws_credentials_new(f->loop, f->http, "eu-west-1");
    f->script = http_script_new(f->loop, on_script, f);
    struct aws_settings settings = {.attempts_max = 1};
    struct endpoint_query query = {
        .service = ENDPOINT_SQS,
        .region = SLICE_LITERAL("eu-west-1"),
        .custom_url = slice_from_str(http_script_url(f->script)),
    };
    assert_status(endpoint_resolve(&query, &settings.sqs, NULL), STATUS_OK);
    f->sqs = sqs_new(f->loop, f->http, f->credentials, &settings, 1);
}

static void fixture_end(struct fixture *f)
{
    sqs_free(f->sqs);
    aws_credentials_free(f->credentials);
    http_free(f->http);
    http_script_free(f->script);
    assert_status(loop_free(f->loop), STATUS_OK);
    buf_release(&f->request);
}

static void end(struct fixture *f)
{
    f->done++;
    loop_stop(f->loop);
}

static void run(struct fixture *f)
{
    unsigned before = f->done;
    loop_run(f->loop);
    assert_int_equal(f->done, before + 1);
}

static double units(const struct fixture *f)
{
    const struct aws_operation_stats *stats;
    assert_int_equal(aws_client_stats(sqs_client(f->sqs), &stats), 1);
    return stats->billable_units;
}

static void on_batch(void *ctx, const struct sqs_entry_result *results, size_t count)
{
    struct fixture *f = ctx;
    memcpy(f->results, results, count * sizeof(results[0]));
    f->count = count;
    end(f);
}

static const struct sqs_send_entry *hello_entries(void)
{
    static struct sqs_send_entry entries[2];
    entries[0] = (struct sqs_send_entry){.body = SLICE_LITERAL("hello")};
    entries[1] = (struct sqs_send_entry){.body = SLICE_LITERAL("other"), .delay_seconds = 3};
    return entries;
}

static void test_send_batch(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f, 200,
                 "{\"Successful\":["
                 "{\"Id\":\"1\",\"MessageId\":\"b\",\"MD5OfMessageBody\":\"" HELLO_MD5 "\"},"
                 "{\"Id\":\"0\",\"MessageId\":\"a\",\"MD5OfMessageBody\":\"" HELLO_MD5 "\"}]}");
    sqs_send_batch(f.sqs, "http://elsewhere/q", hello_entries(), 2, false, on_batch, &f);
    run(&f);
    assert_string_equal(f.target, "AmazonSQS.SendMessageBatch");
    assert_int_equal(f.count, 2);
    assert_int_equal(f.results[0].outcome, OUTCOME_DONE);
    assert_int_equal(f.results[1].outcome, OUTCOME_UNKNOWN); /* the MD5 of another body */
    assert_string_equal(f.results[1].error.code, "Md5Mismatch");
    assert_true(units(&f) == 1.0);
    fixture_end(&f);
}

static void test_large_batch_is_billed_by_its_bytes(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f, 200, "{}");
    struct sqs_send_entry entries[10];
    CLEANUP(buf_release) struct buf body;
    buf_init(&body, 100 * KIB);
    while (body.len < 100 * KIB)
        buf_append_str(&body, "QUJD");
    for (size_t i = 0; i < ARRAY_LEN(entries); i++)
        entries[i] = (struct sqs_send_entry){.body = buf_slice(&body)};
    sqs_send_batch(f.sqs, "q", entries, 10, false, on_batch, &f);
    run(&f);
    assert_true(units(&f) == 16.0);
    assert_true(f.request.len > 10 * 100 * KIB);
    fixture_end(&f);
}

static void test_failed_call_fails_every_entry(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f, 500, "{\"__type\":\"x#InternalError\"}");
    sqs_send_batch(f.sqs, "q", hello_entries(), 2, false, on_batch, &f);
    run(&f);
    assert_int_equal(f.results[0].outcome, OUTCOME_UNKNOWN);
    assert_int_equal(f.results[1].outcome, OUTCOME_UNKNOWN);
    f.status = 400;
    f.answer = "{\"__type\":\"com.amazonaws.sqs#BatchRequestTooLong\"}";
    sqs_send_batch(f.sqs, "q", hello_entries(), 2, false, on_batch, &f);
    run(&f);
    assert_int_equal(f.results[1].outcome, OUTCOME_FAILED);
    assert_int_equal(f.results[1].error.kind, ERROR_PERMANENT);
    fixture_end(&f);
}

static void test_throttled_entry_slows_the_client(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f, 200,
                 "{\"Failed\":[{\"Id\":\"0\",\"Code\":\"RequestThrottled\","
                 "\"SenderFault\":true}]}");
    const struct sqs_visibility_entry entry = {SLICE_LITERAL("r"), 10};
    const struct aws_operation_stats *stats;
    for (int i = 0; i < 3; i++) {
        sqs_change_visibility_batch(f.sqs, "q", &entry, 1, on_batch, &f);
        run(&f);
        assert_int_equal(f.results[0].error.kind, ERROR_THROTTLED);
    }
    assert_int_equal(aws_client_stats(sqs_client(f.sqs), &stats), 1);
    assert_in_range(stats->throttles, 1, 3); /* the client may have held one back itself */
    assert_true(aws_client_backpressure_ms(sqs_client(f.sqs)) > 0);
    fixture_end(&f);
}

static void on_receive(void *ctx, const struct sqs_message *messages, size_t count,
                       const struct error *error)
{
    struct fixture *f = ctx;
    f->error = *error;
    f->count = count;
    if (count > 0)
        snprintf(f->text, sizeof(f->text), "%.*s", SLICE_ARG(messages[0].body));
    end(f);
}

static const struct sqs_receive_spec receive_spec = {"q", 10, 0, 10};

static void test_receive(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f, 200,
                 "{\"Messages\":[{\"MessageId\":\"m\",\"ReceiptHandle\":\"r\",\"Body\":\"hello\","
                 "\"MD5OfBody\":\"" HELLO_MD5 "\"}]}");
    sqs_receive(f.sqs, &receive_spec, on_receive, &f);
    run(&f);
    assert_int_equal(f.error.kind, ERROR_NONE);
    assert_int_equal(f.count, 1);
    assert_string_equal(f.text, "hello");
    f.answer = "{\"Messages\":[{}]}";
    sqs_receive(f.sqs, &receive_spec, on_receive, &f);
    run(&f);
    assert_int_equal(f.error.kind, ERROR_RETRY);
    assert_int_equal(f.count, 0);
    assert_true(units(&f) == 2.0);
    sqs_receive(f.sqs, &receive_spec, on_receive, &f); /* still under way at the end */
    fixture_end(&f);
    assert_int_equal(f.done, 2);
}

static void on_attributes(void *ctx, const struct sqs_queue_attributes *attributes,
                          const struct error *error)
{
    struct fixture *f = ctx;
    f->error = *error;
    f->count = attributes != NULL && attributes->fifo;
    end(f);
}

static void on_url(void *ctx, const char *queue_url, const struct error *error)
{
    struct fixture *f = ctx;
    f->error = *error;
    snprintf(f->text, sizeof(f->text), "%s", queue_url == NULL ? "none" : queue_url);
    end(f);
}

static void test_queues(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f, 200, "{\"Attributes\":{\"FifoQueue\":\"true\"}}");
    sqs_get_queue_attributes(f.sqs, "q", on_attributes, &f);
    run(&f);
    assert_int_equal(f.error.kind, ERROR_NONE);
    assert_int_equal(f.count, 1);
    f.answer = "{\"QueueUrl\":\"http://there/q\"}";
    sqs_get_queue_url(f.sqs, "q", on_url, &f);
    run(&f);
    assert_string_equal(f.text, "http://there/q");
    f.answer = "{}";
    sqs_get_queue_url(f.sqs, "q", on_url, &f);
    run(&f);
    assert_int_equal(f.error.kind, ERROR_RETRY);
    assert_string_equal(f.text, "none");
    f.status = 400;
    f.answer = "{\"__type\":\"com.amazonaws.sqs#QueueDoesNotExist\"}";
    sqs_get_queue_url(f.sqs, "q", on_url, &f);
    run(&f);
    assert_int_equal(f.error.kind, ERROR_PERMANENT);
    fixture_end(&f);
}

static void test_known_urls_need_no_server(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f, 500, "");
    sqs_get_queue_url(f.sqs, "https://sqs.eu-west-1.amazonaws.com/1/a", on_url, &f);
    sqs_get_queue_url(f.sqs, "https://sqs.eu-west-1.amazonaws.com/1/b", on_url, &f);
    assert_int_equal(f.done, 0);
    while (f.done < 2)
        loop_run(f.loop);
    assert_string_equal(f.text, "https://sqs.eu-west-1.amazonaws.com/1/b");
    assert_int_equal(f.requests, 0);
    sqs_get_queue_url(f.sqs, "https://sqs.eu-west-1.amazonaws.com/1/c", on_url, &f);
    fixture_end(&f); /* with one on its way */
    assert_int_equal(f.done, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_send_batch),
        cmocka_unit_test(test_large_batch_is_billed_by_its_bytes),
        cmocka_unit_test(test_failed_call_fails_every_entry),
        cmocka_unit_test(test_throttled_entry_slows_the_client),
        cmocka_unit_test(test_receive),
        cmocka_unit_test(test_queues),
        cmocka_unit_test(test_known_urls_need_no_server),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
