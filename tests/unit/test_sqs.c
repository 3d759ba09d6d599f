#include "tests/harness/aws_rig.h"

#define HELLO_MD5 "5d41402abc4b2a76b9719d911017c592"

struct fixture {
    struct aws_rig rig;
    struct sqs *sqs;
    struct sqs_entry_result results[SQS_BATCH_ENTRIES_MAX];
    size_t count;
    struct error error;
    char text[128];
};

#define PLAYS(f, ...)                                                                              \
    *(f) = (struct fixture){0};                                                                    \
    AWS_RIG_PLAYS(&(f)->rig, __VA_ARGS__);                                                         \
    (f)->sqs = (f)->rig.sqs

static void on_batch(void *ctx, const struct sqs_entry_result *results, size_t count)
{
    struct fixture *f = ctx;
    memcpy(f->results, results, count * sizeof(results[0]));
    f->count = count;
    aws_rig_end_call(&f->rig);
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
    PLAYS(&f,
          {.status = 200,
           .body = "{\"Successful\":["
                   "{\"Id\":\"1\",\"MessageId\":\"b\",\"MD5OfMessageBody\":\"" HELLO_MD5 "\"},"
                   "{\"Id\":\"0\",\"MessageId\":\"a\",\"MD5OfMessageBody\":\"" HELLO_MD5 "\"}]}"});
    sqs_send_batch(f.sqs, "http://elsewhere/q", hello_entries(), 2, false, on_batch, &f);
    aws_rig_run(&f.rig);
    assert_string_equal(f.rig.targets[0], "AmazonSQS.SendMessageBatch");
    assert_int_equal(f.count, 2);
    assert_int_equal(f.results[0].outcome, OUTCOME_DONE);
    assert_int_equal(f.results[1].outcome, OUTCOME_UNKNOWN); /* the MD5 of another body */
    assert_string_equal(f.results[1].error.code, "Md5Mismatch");
    assert_true(aws_rig_stats(sqs_client(f.sqs))->billable_units == 1.0);
    aws_rig_release(&f.rig);
}

static void test_large_batch_is_billed_by_its_bytes(void **state)
{
    (void)state;
    struct fixture f;
    PLAYS(&f, {.status = 200, .body = "{}"});
    struct sqs_send_entry entries[10];
    CLEANUP(buf_release) struct buf body;
    buf_init(&body, 100 * KIB);
    while (body.len < 100 * KIB)
        buf_append_str(&body, "QUJD");
    for (size_t i = 0; i < ARRAY_LEN(entries); i++)
        entries[i] = (struct sqs_send_entry){.body = buf_slice(&body)};
    sqs_send_batch(f.sqs, "q", entries, 10, false, on_batch, &f);
    aws_rig_run(&f.rig);
    assert_true(aws_rig_stats(sqs_client(f.sqs))->billable_units == 16.0);
    assert_true(f.rig.request_body.len > 10 * 100 * KIB);
    aws_rig_release(&f.rig);
}

static void test_failed_call_fails_every_entry(void **state)
{
    (void)state;
    struct fixture f;
    PLAYS(&f, {.status = 500, .body = "{\"__type\":\"x#InternalError\"}"});
    sqs_send_batch(f.sqs, "q", hello_entries(), 2, false, on_batch, &f);
    aws_rig_run(&f.rig);
    assert_int_equal(f.results[0].outcome, OUTCOME_UNKNOWN);
    assert_int_equal(f.results[1].outcome, OUTCOME_UNKNOWN);
    aws_rig_set_play(&f.rig, &(struct aws_play){
                                 .status = 400,
                                 .body = "{\"__type\":\"com.amazonaws.sqs#BatchRequestTooLong\"}"});
    sqs_send_batch(f.sqs, "q", hello_entries(), 2, false, on_batch, &f);
    aws_rig_run(&f.rig);
    assert_int_equal(f.results[1].outcome, OUTCOME_FAILED);
    assert_int_equal(f.results[1].error.kind, ERROR_PERMANENT);
    aws_rig_release(&f.rig);
}

static void test_throttled_entry_slows_the_client(void **state)
{
    (void)state;
    struct fixture f;
    PLAYS(&f, {.status = 200,
               .body = "{\"Failed\":[{\"Id\":\"0\",\"Code\":\"RequestThrottled\","
                       "\"SenderFault\":true}]}"});
    const struct sqs_visibility_entry entry = {SLICE_LITERAL("r"), 10};
    for (int i = 0; i < 3; i++) {
        sqs_change_visibility_batch(f.sqs, "q", &entry, 1, on_batch, &f);
        aws_rig_run(&f.rig);
        assert_int_equal(f.results[0].error.kind, ERROR_THROTTLED);
    }
    assert_in_range(aws_rig_stats(sqs_client(f.sqs))->throttles, 1,
                    3); /* the client may have held one back itself */
    assert_true(aws_client_backpressure_ms(sqs_client(f.sqs)) > 0);
    aws_rig_release(&f.rig);
}

/* Each operation has its own name and body; the answers have one form. */
static void test_deletes_and_changes(void **state)
{
    (void)state;
    struct fixture f;
    PLAYS(&f, {.status = 200,
               .body = "{\"Successful\":[{\"Id\":\"0\"}],\"Failed\":[{\"Id\":\"1\","
                       "\"Code\":\"ReceiptHandleIsInvalid\",\"SenderFault\":true}]}"});
    const struct slice handles[] = {SLICE_LITERAL("r0"), SLICE_LITERAL("r1"), SLICE_LITERAL("r2")};
    sqs_delete_batch(f.sqs, "q", handles, 3, on_batch, &f);
    aws_rig_run(&f.rig);
    assert_string_equal(f.rig.targets[0], "AmazonSQS.DeleteMessageBatch");
    assert_non_null(strstr(buf_text(&f.rig.request_body), "\"ReceiptHandle\":\"r2\""));
    const struct sqs_visibility_entry entries[] = {
        {handles[0], 0}, {handles[1], 43200}, {handles[2], 1}};
    sqs_change_visibility_batch(f.sqs, "q", entries, 3, on_batch, &f);
    for (int turn = 0; turn < 2; turn++) {
        assert_int_equal(f.count, 3);
        assert_int_equal(f.results[0].outcome, OUTCOME_DONE);
        assert_int_equal(f.results[1].outcome, OUTCOME_FAILED);
        assert_int_equal(f.results[1].error.kind, ERROR_PERMANENT);
        assert_int_equal(f.results[2].outcome, OUTCOME_UNKNOWN); /* not in the answer */
        memset(f.results, 0, sizeof(f.results));
        if (turn == 0)
            aws_rig_run(&f.rig);
    }
    assert_string_equal(f.rig.targets[1], "AmazonSQS.ChangeMessageVisibilityBatch");
    assert_non_null(strstr(buf_text(&f.rig.request_body), "\"VisibilityTimeout\":43200"));
    aws_rig_release(&f.rig);
}

static void on_receive(void *ctx, const struct sqs_message *messages, size_t count,
                       const struct error *error)
{
    struct fixture *f = ctx;
    f->error = *error;
    f->count = count;
    if (count > 0)
        snprintf(f->text, sizeof(f->text), "%.*s", SLICE_ARG(messages[0].body));
    aws_rig_end_call(&f->rig);
}

static const struct sqs_receive_spec receive_spec = {"q", 10, 0, 10};

static void test_receive(void **state)
{
    (void)state;
    struct fixture f;
    PLAYS(&f,
          {.status = 200,
           .body = "{\"Messages\":[{\"MessageId\":\"m\",\"ReceiptHandle\":\"r\",\"Body\":\"hello\","
                   "\"MD5OfBody\":\"" HELLO_MD5 "\"}]}"});
    sqs_receive(f.sqs, &receive_spec, on_receive, &f);
    aws_rig_run(&f.rig);
    assert_int_equal(f.error.kind, ERROR_NONE);
    assert_int_equal(f.count, 1);
    assert_string_equal(f.text, "hello");
    aws_rig_set_play(&f.rig, &(struct aws_play){.status = 200, .body = "{\"Messages\":[{}]}"});
    sqs_receive(f.sqs, &receive_spec, on_receive, &f);
    aws_rig_run(&f.rig);
    assert_int_equal(f.error.kind, ERROR_RETRY);
    assert_int_equal(f.count, 0);
    assert_true(aws_rig_stats(sqs_client(f.sqs))->billable_units == 2.0);
    sqs_receive(f.sqs, &receive_spec, on_receive, &f); /* still under way at the end */
    aws_rig_release(&f.rig);
    assert_int_equal(f.rig.done, 2);
}

static const struct aws_operation_stats *stats_of(const struct fixture *f, const char *operation)
{
    const struct aws_operation_stats *stats;
    size_t count = aws_client_stats(sqs_client(f->sqs), &stats);
    for (size_t i = 0; i < count; i++)
        if (strcmp(stats[i].operation, operation) == 0)
            return &stats[i];
    fail_msg("no call of %s", operation);
    return NULL;
}

/* Throttled, a few calls are left: those for what is held already, before those for more. */
static void test_receives_step_back_while_throttled(void **state)
{
    (void)state;
    struct fixture f;
    PLAYS(&f, {.status = 400, .body = "{\"__type\":\"com.amazonaws.sqs#RequestThrottled\"}"});
    sqs_receive(f.sqs, &receive_spec, on_receive, &f);
    aws_rig_run(&f.rig);
    assert_int_equal(f.error.kind, ERROR_THROTTLED);
    assert_false(aws_client_held_back(&f.error));
    aws_rig_set_play(
        &f.rig, &(struct aws_play){.status = 200, .body = "{\"Successful\":[{\"Id\":\"0\"}]}"});
    const struct sqs_visibility_entry entry = {SLICE_LITERAL("r"), 10};
    for (int i = 0; i < 10; i++) {
        sqs_receive(f.sqs, &receive_spec, on_receive, &f);
        aws_rig_run(&f.rig);
        assert_true(aws_client_held_back(&f.error));
        assert_in_range(f.error.retry_after_ms, 1, RATE_SPARE_PATIENCE_MS);
        sqs_change_visibility_batch(f.sqs, "q", &entry, 1, on_batch, &f);
        aws_rig_run(&f.rig);
        assert_int_equal(f.results[0].outcome, OUTCOME_DONE);
    }
    assert_int_equal(stats_of(&f, "ReceiveMessage")->calls, 1);
    assert_int_equal(stats_of(&f, "ChangeMessageVisibilityBatch")->calls, 10);
    aws_rig_release(&f.rig);
}

static void on_attributes(void *ctx, const struct sqs_queue_attributes *attributes,
                          const struct error *error)
{
    struct fixture *f = ctx;
    f->error = *error;
    f->count = attributes != NULL && attributes->fifo;
    aws_rig_end_call(&f->rig);
}

static void on_url(void *ctx, const char *queue_url, const struct error *error)
{
    struct fixture *f = ctx;
    f->error = *error;
    snprintf(f->text, sizeof(f->text), "%s", queue_url == NULL ? "none" : queue_url);
    aws_rig_end_call(&f->rig);
}

static void test_queues(void **state)
{
    (void)state;
    struct fixture f;
    PLAYS(&f, {.status = 200, .body = "{\"Attributes\":{\"FifoQueue\":\"true\"}}"},
          {.status = 200, .body = "{\"QueueUrl\":\"http://there/q\"}"},
          {.status = 200, .body = "{}"},
          {.status = 400, .body = "{\"__type\":\"com.amazonaws.sqs#QueueDoesNotExist\"}"});
    sqs_get_queue_attributes(f.sqs, "q", on_attributes, &f);
    aws_rig_run(&f.rig);
    assert_int_equal(f.error.kind, ERROR_NONE);
    assert_int_equal(f.count, 1);
    sqs_get_queue_url(f.sqs, "q", on_url, &f);
    aws_rig_run(&f.rig);
    assert_string_equal(f.text, "http://there/q");
    sqs_get_queue_url(f.sqs, "q", on_url, &f);
    aws_rig_run(&f.rig);
    assert_int_equal(f.error.kind, ERROR_RETRY);
    assert_string_equal(f.text, "none");
    sqs_get_queue_url(f.sqs, "q", on_url, &f);
    aws_rig_run(&f.rig);
    assert_int_equal(f.error.kind, ERROR_PERMANENT);
    aws_rig_release(&f.rig);
}

static void test_known_urls_need_no_server(void **state)
{
    (void)state;
    struct fixture f;
    PLAYS(&f, {.status = 500, .body = ""});
    sqs_get_queue_url(f.sqs, "https://sqs.eu-west-1.amazonaws.com/1/a", on_url, &f);
    sqs_get_queue_url(f.sqs, "https://sqs.eu-west-1.amazonaws.com/1/b", on_url, &f);
    assert_int_equal(f.rig.done, 0);
    while (f.rig.done < 2)
        loop_run(f.rig.loop);
    assert_string_equal(f.text, "https://sqs.eu-west-1.amazonaws.com/1/b");
    assert_int_equal(f.rig.requests, 0);
    sqs_get_queue_url(f.sqs, "https://sqs.eu-west-1.amazonaws.com/1/c", on_url, &f);
    aws_rig_release(&f.rig); /* with one on its way */
    assert_int_equal(f.rig.done, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_send_batch),
        cmocka_unit_test(test_large_batch_is_billed_by_its_bytes),
        cmocka_unit_test(test_failed_call_fails_every_entry),
        cmocka_unit_test(test_throttled_entry_slows_the_client),
        cmocka_unit_test(test_deletes_and_changes),
        cmocka_unit_test(test_receive),
        cmocka_unit_test(test_receives_step_back_while_throttled),
        cmocka_unit_test(test_queues),
        cmocka_unit_test(test_known_urls_need_no_server),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
