#include "tests/harness/unit.h"

#include "common/sqs_wire.h"
#include "tests/harness/vectors.h"

#define QUEUE "https://sqs.eu-west-1.amazonaws.com/1/q"

static cJSON *parse(const char *text)
{
    cJSON *json = NULL;
    assert_status(json_parse(slice_from_str(text), &json, NULL), STATUS_OK);
    return json;
}

static struct json_flat flat(const char *text)
{
    struct json_flat json;
    assert_status(json_flat_parse(slice_from_str(text), &json, NULL), STATUS_OK);
    return json;
}

/* --- requests -------------------------------------------------------------------------------- */

static void test_send_batch_request(void **state)
{
    (void)state;
    CLEANUP(buf_release) struct buf out;
    buf_init(&out, 64 * KIB);
    const struct sqs_send_entry entries[] = {
        {.body = SLICE_LITERAL("abcd"), .base64 = true, .delay_seconds = 0},
        {.body = SLICE_LITERAL("a\"b\\c\n"), .delay_seconds = 900},
        {.body = SLICE_LITERAL("x"),
         .delay_seconds = SQS_DELAY_ABSENT,
         .group_id = SLICE_LITERAL("g"),
         .deduplication_id = SLICE_LITERAL("d")},
    };
    struct slice bodies[SQS_BATCH_ENTRIES_MAX];
    sqs_wire_send_batch(&out, QUEUE, entries, ARRAY_LEN(entries), bodies);
    assert_string_equal(buf_text(&out),
                        "{\"QueueUrl\":\"" QUEUE "\",\"Entries\":["
                        "{\"Id\":\"0\",\"MessageBody\":\"YWJjZA==\",\"DelaySeconds\":0},"
                        "{\"Id\":\"1\",\"MessageBody\":\"a\\\"b\\\\c\\n\",\"DelaySeconds\":900},"
                        "{\"Id\":\"2\",\"MessageBody\":\"x\",\"MessageGroupId\":\"g\","
                        "\"MessageDeduplicationId\":\"d\"}]}");
    assert_true(slice_equal_str(bodies[0], "YWJjZA=="));
    assert_int_equal(sqs_wire_body_bytes(&entries[0]), 8);
    assert_true(slice_equal_str(bodies[1], "a\"b\\c\n")); /* as it is, not as JSON has it */
    assert_int_equal(sqs_wire_body_bytes(&entries[1]), 6);
}

static void test_other_requests(void **state)
{
    (void)state;
    CLEANUP(buf_release) struct buf out;
    buf_init(&out, 64 * KIB);
    const struct slice handles[] = {SLICE_LITERAL("AQEB+/=="), SLICE_LITERAL("h1")};
    sqs_wire_delete_batch(&out, QUEUE, handles, 2);
    assert_string_equal(buf_text(&out), "{\"QueueUrl\":\"" QUEUE "\",\"Entries\":["
                                        "{\"Id\":\"0\",\"ReceiptHandle\":\"AQEB+/==\"},"
                                        "{\"Id\":\"1\",\"ReceiptHandle\":\"h1\"}]}");
    buf_clear(&out);
    const struct sqs_visibility_entry entries[] = {{SLICE_LITERAL("r"), 0},
                                                   {SLICE_LITERAL("r2"), 43200}};
    sqs_wire_change_visibility_batch(&out, QUEUE, entries, 2);
    assert_string_equal(buf_text(&out),
                        "{\"QueueUrl\":\"" QUEUE "\",\"Entries\":["
                        "{\"Id\":\"0\",\"ReceiptHandle\":\"r\",\"VisibilityTimeout\":0},"
                        "{\"Id\":\"1\",\"ReceiptHandle\":\"r2\",\"VisibilityTimeout\":43200}]}");
    buf_clear(&out);
    sqs_wire_get_queue_attributes(&out, QUEUE);
    assert_string_equal(buf_text(&out),
                        "{\"QueueUrl\":\"" QUEUE "\",\"AttributeNames\":[\"All\"]}");
    buf_clear(&out);
    sqs_wire_get_queue_url(&out, "a.fifo");
    assert_string_equal(buf_text(&out), "{\"QueueName\":\"a.fifo\"}");
}

static void test_receive_request(void **state)
{
    (void)state;
    CLEANUP(buf_release) struct buf out;
    buf_init(&out, 64 * KIB);
    sqs_wire_receive(&out, &(struct sqs_receive_spec){QUEUE, 10, 20, 10});
    CLEANUP(json_freep) cJSON *json = parse(buf_text(&out));
    assert_int_equal(vectors_i64(json, "MaxNumberOfMessages"), 10);
    assert_int_equal(vectors_i64(json, "WaitTimeSeconds"), 20);
    assert_int_equal(vectors_i64(json, "VisibilityTimeout"), 10);
    assert_int_equal(cJSON_GetArraySize(json_get_array(json, "MessageSystemAttributeNames")), 4);
    assert_int_equal(cJSON_GetArraySize(json_get_array(json, "AttributeNames")), 4);
}

static void test_units(void **state)
{
    (void)state;
    assert_true(sqs_wire_units(0) == 1.0);
    assert_true(sqs_wire_units(65536) == 1.0);
    assert_true(sqs_wire_units(65537) == 2.0);
    assert_true(sqs_wire_units(1048576) == 16.0);
}

/* --- batches --------------------------------------------------------------------------------- */

/* MD5 of "hello". */
static const struct sqs_wire_md5 hello = {{0x5d, 0x41, 0x40, 0x2a, 0xbc, 0x4b, 0x2a, 0x76, 0xb9,
                                           0x71, 0x9d, 0x91, 0x10, 0x17, 0xc5, 0x92}};
#define HELLO_HEX "5d41402abc4b2a76b9719d911017c592"

struct batch_case {
    const char *body;
    enum outcome outcome[3];
    enum error_kind kind[3];
};

#define GOOD(id) "{\"Id\":\"" id "\",\"MessageId\":\"m\",\"MD5OfMessageBody\":\"" HELLO_HEX "\"}"
#define BAD(id, code, fault)                                                                       \
    "{\"Id\":\"" id "\",\"Code\":\"" code "\",\"SenderFault\":" fault ",\"Message\":\"why\"}"
#define D OUTCOME_DONE
#define F OUTCOME_FAILED
#define U OUTCOME_UNKNOWN

static const struct batch_case batch_cases[] = {
    {"{\"Successful\":[" GOOD("0") "," GOOD("1") "," GOOD("2") "],\"Failed\":[]}",
     {D, D, D},
     {ERROR_NONE, ERROR_NONE, ERROR_NONE}},
    {"{\"Successful\":[" GOOD("2") "," GOOD("0") "," GOOD("1") "]}",
     {D, D, D},
     {ERROR_NONE, ERROR_NONE, ERROR_NONE}},
    {"{\"Successful\":[" GOOD("1") "],\"Failed\":[" BAD("0", "InternalError", "false") "," BAD(
         "2", "InvalidMessageContents", "true") "]}",
     {F, D, F},
     {ERROR_RETRY, ERROR_NONE, ERROR_PERMANENT}},
    {"{\"Failed\":[" BAD("0", "RequestThrottled", "true") "," BAD(
         "1", "KMS.ThrottlingException", "true") "," BAD("2", "AccessDenied", "true") "]}",
     {F, F, F},
     {ERROR_THROTTLED, ERROR_THROTTLED, ERROR_AUTH}},
    /* Named nowhere, twice, in both lists. */
    {"{\"Successful\":[" GOOD("0") "]}", {D, U, U}, {ERROR_NONE, ERROR_UNKNOWN, ERROR_UNKNOWN}},
    {"{\"Successful\":[" GOOD("0") "," GOOD("1") "," GOOD("0") "]}",
     {U, D, U},
     {ERROR_UNKNOWN, ERROR_NONE, ERROR_UNKNOWN}},
    {"{\"Successful\":[" GOOD("0") "],\"Failed\":[" BAD("0", "InternalError", "false") "]}",
     {U, U, U},
     {ERROR_UNKNOWN, ERROR_UNKNOWN, ERROR_UNKNOWN}},
    {"{\"Failed\":[" BAD("1", "X", "true") "," BAD("1", "X", "true") "," BAD("1", "X", "true") "]}",
     {U, U, U},
     {ERROR_UNKNOWN, ERROR_UNKNOWN, ERROR_UNKNOWN}},
    /* Ids that nobody sent. */
    {"{\"Successful\":[" GOOD("3") "," GOOD("") "," GOOD("00") "," GOOD("-") "," GOOD(
         "/") "],\"Failed\":[" BAD("9", "X", "true") "," BAD(":", "X", "true") "]}",
     {U, U, U},
     {ERROR_UNKNOWN, ERROR_UNKNOWN, ERROR_UNKNOWN}},
    /* Success that proves nothing. */
    {"{\"Successful\":[{\"Id\":\"0\"},{\"Id\":\"1\",\"MessageId\":\"m\"},"
     "{\"Id\":\"2\",\"MessageId\":\"m\",\"MD5OfMessageBody\":"
     "\"00000000000000000000000000000000\"}]}",
     {U, U, U},
     {ERROR_UNKNOWN, ERROR_UNKNOWN, ERROR_UNKNOWN}},
    {"{\"Successful\":[{\"Id\":\"0\",\"MessageId\":\"\",\"MD5OfMessageBody\":\"" HELLO_HEX
     "\"},{\"Id\":\"1\",\"MessageId\":7,\"MD5OfMessageBody\":\"" HELLO_HEX "\"}]}",
     {U, U, U},
     {ERROR_UNKNOWN, ERROR_UNKNOWN, ERROR_UNKNOWN}},
    /* Of other types. */
    {"{\"Successful\":{\"0\":1},\"Failed\":null}",
     {U, U, U},
     {ERROR_UNKNOWN, ERROR_UNKNOWN, ERROR_UNKNOWN}},
    {"{\"Successful\":[0,\"0\",null,[],{\"Id\":0}]}",
     {U, U, U},
     {ERROR_UNKNOWN, ERROR_UNKNOWN, ERROR_UNKNOWN}},
    {"{}", {U, U, U}, {ERROR_UNKNOWN, ERROR_UNKNOWN, ERROR_UNKNOWN}},
    {"{\"Failed\":[{\"Id\":\"0\"}]}", {F, U, U}, {ERROR_RETRY, ERROR_UNKNOWN, ERROR_UNKNOWN}},
};

static void test_batch_answers(void **state)
{
    (void)state;
    const struct sqs_wire_md5 md5[3] = {hello, hello, hello};
    for (size_t i = 0; i < ARRAY_LEN(batch_cases); i++) {
        const struct batch_case *c = &batch_cases[i];
        CLEANUP(json_freep) cJSON *json = parse(c->body);
        struct sqs_entry_result results[3];
        bool throttled;
        bool expected_throttled = false;
        sqs_wire_parse_batch(json, md5, 3, results, &throttled);
        for (size_t k = 0; k < 3; k++) {
            if (results[k].outcome != c->outcome[k] || results[k].error.kind != c->kind[k])
                fail_msg("case %zu, entry %zu: %s, %s %s", i, k, outcome_name(results[k].outcome),
                         error_kind_name(results[k].error.kind), results[k].error.code);
            assert_int_equal(results[k].outcome, error_outcome(results[k].error.kind));
            assert_int_equal(results[k].error.code[0] != '\0', c->kind[k] != ERROR_NONE);
            expected_throttled = expected_throttled || c->kind[k] == ERROR_THROTTLED;
        }
        assert_int_equal(throttled, expected_throttled);
    }
}

static void test_batch_without_bodies(void **state)
{
    (void)state;
    CLEANUP(json_freep)
    cJSON *json = parse("{\"Successful\":[{\"Id\":\"0\"}],\"Failed\":["
                        "{\"Id\":\"1\",\"Code\":\"ReceiptHandleIsInvalid\","
                        "\"SenderFault\":true}]}");
    struct sqs_entry_result results[2];
    bool throttled;
    sqs_wire_parse_batch(json, NULL, 2, results, &throttled);
    assert_int_equal(results[0].outcome, OUTCOME_DONE);
    assert_int_equal(results[1].outcome, OUTCOME_FAILED);
    assert_int_equal(results[1].error.kind, ERROR_PERMANENT);
}

static void test_whole_call_failed(void **state)
{
    (void)state;
    struct error error;
    struct sqs_entry_result results[2];
    error_set(&error, ERROR_THROTTLED, "X", "y");
    sqs_wire_fail_batch(&error, 2, results);
    assert_int_equal(results[1].outcome, OUTCOME_FAILED);
    error_set(&error, ERROR_UNKNOWN, "X", "y");
    sqs_wire_fail_batch(&error, 2, results);
    assert_int_equal(results[0].outcome, OUTCOME_UNKNOWN);
    assert_int_equal(results[1].outcome, OUTCOME_UNKNOWN);
}

/* --- other answers --------------------------------------------------------------------------- */

static void test_receive_answer(void **state)
{
    (void)state;
    CLEANUP(json_flat_release)
    struct json_flat json =
        flat("{\"Messages\":[{\"MessageId\":\"m\",\"ReceiptHandle\":\"r\",\"Body\":\"hello\","
             "\"MD5OfBody\":\"" HELLO_HEX "\",\"Attributes\":{\"ApproximateReceiveCount\":\"3\","
             "\"SentTimestamp\":\"1749629350000\",\"SequenceNumber\":\"18870000000000000000\","
             "\"MessageGroupId\":\"g\"}},"
             "{\"MessageId\":\"n\",\"ReceiptHandle\":\"s\",\"Body\":\"\",\"MD5OfBody\":\"x\"}]}");
    struct sqs_message messages[SQS_BATCH_ENTRIES_MAX];
    size_t count;
    assert_status(sqs_wire_parse_receive(&json, 10, messages, &count), STATUS_OK);
    assert_int_equal(count, 2);
    assert_slice_equal(messages[0].message_id, "m");
    assert_slice_equal(messages[0].receipt_handle, "r");
    assert_slice_equal(messages[0].body, "hello");
    assert_true(messages[0].body_md5_matches);
    assert_int_equal(messages[0].receive_count, 3);
    assert_int_equal(messages[0].sent_ms, INT64_C(1749629350000));
    assert_slice_equal(messages[0].sequence_number, "18870000000000000000");
    assert_slice_equal(messages[0].group_id, "g");
    assert_false(messages[1].body_md5_matches);
    assert_int_equal(messages[1].receive_count, 0);
    assert_int_equal(messages[1].sent_ms, 0);
    assert_true(slice_is_null(messages[1].sequence_number));
    assert_status(sqs_wire_parse_receive(&json, 1, messages, &count), STATUS_INVALID);
}

static void test_receive_answers_without_messages(void **state)
{
    (void)state;
    static const char *const empty[] = {"{}", "{\"Messages\":[]}", "{\"Messages\":null}"};
    static const char *const broken[] = {
        "{\"Messages\":{}}",
        "{\"Messages\":\"\"}",
        "{\"Messages\":[null]}",
        "{\"Messages\":[{}]}",
        "{\"Messages\":[{\"MessageId\":\"m\",\"ReceiptHandle\":\"r\"}]}",
        "{\"Messages\":[{\"MessageId\":\"m\",\"Body\":\"b\"}]}",
        "{\"Messages\":[{\"MessageId\":\"m\",\"ReceiptHandle\":\"\",\"Body\":\"b\"}]}",
        "{\"Messages\":[{\"MessageId\":\"m\",\"ReceiptHandle\":\"r\",\"Body\":1}]}",
    };
    struct sqs_message messages[SQS_BATCH_ENTRIES_MAX];
    for (size_t i = 0; i < ARRAY_LEN(empty); i++) {
        CLEANUP(json_flat_release) struct json_flat json = flat(empty[i]);
        size_t count = 99;
        assert_status(sqs_wire_parse_receive(&json, 10, messages, &count), STATUS_OK);
        assert_int_equal(count, 0);
    }
    for (size_t i = 0; i < ARRAY_LEN(broken); i++) {
        CLEANUP(json_flat_release) struct json_flat json = flat(broken[i]);
        size_t count = 99;
        assert_status(sqs_wire_parse_receive(&json, 10, messages, &count), STATUS_INVALID);
        assert_int_equal(count, 99);
    }
}

static void test_attributes_answer(void **state)
{
    (void)state;
    CLEANUP(json_freep)
    cJSON *json =
        parse("{\"Attributes\":{\"FifoQueue\":\"true\",\"DeduplicationScope\":\"messageGroup\","
              "\"FifoThroughputLimit\":\"perMessageGroupId\",\"DelaySeconds\":\"0\","
              "\"VisibilityTimeout\":\"30\",\"MessageRetentionPeriod\":\"1209600\","
              "\"MaximumMessageSize\":\"1048576\",\"ApproximateNumberOfMessages\":\"7\","
              "\"RedrivePolicy\":\"{}\",\"ApproximateNumberOfMessagesDelayed\":\"x\"}}");
    struct sqs_queue_attributes a;
    assert_status(sqs_wire_parse_attributes(json, &a), STATUS_OK);
    assert_true(a.fifo && a.deduplication_per_group && a.throughput_per_group && a.redrive_policy);
    assert_int_equal(a.delay_seconds, 0);
    assert_int_equal(a.visibility_seconds, 30);
    assert_int_equal(a.retention_seconds, 1209600);
    assert_int_equal(a.maximum_message_bytes, 1048576);
    assert_int_equal(a.visible, 7);
    assert_int_equal(a.in_flight, -1);
    assert_int_equal(a.delayed, -1);

    CLEANUP(json_freep) cJSON *standard = parse("{\"Attributes\":{}}");
    assert_status(sqs_wire_parse_attributes(standard, &a), STATUS_OK);
    assert_false(a.fifo || a.deduplication_per_group || a.throughput_per_group || a.redrive_policy);
    CLEANUP(json_freep) cJSON *nothing = parse("{}");
    assert_status(sqs_wire_parse_attributes(nothing, &a), STATUS_INVALID);
}

static void test_queue_url_answer(void **state)
{
    (void)state;
    CLEANUP(json_freep) cJSON *json = parse("{\"QueueUrl\":\"" QUEUE "\"}");
    CLEANUP(json_freep) cJSON *other = parse("{\"QueueUrl\":1}");
    const char *url;
    assert_status(sqs_wire_parse_queue_url(json, &url), STATUS_OK);
    assert_string_equal(url, QUEUE);
    assert_status(sqs_wire_parse_queue_url(other, &url), STATUS_INVALID);
}

static void test_receipts_that_ended(void **state)
{
    (void)state;
    static const struct {
        enum error_kind kind;
        const char *code;
        const char *text;
        bool ended;
    } cases[] = {
        {ERROR_PERMANENT, "ReceiptHandleIsInvalid", "The input receipt handle is invalid", true},
        {ERROR_PERMANENT, "AWS.SimpleQueueService.MessageNotInflight", "", true},
        {ERROR_PERMANENT, "MessageNotInflight", "", true},
        {ERROR_PERMANENT, "InvalidParameterValue",
         "Value AQEB for parameter ReceiptHandle is invalid. Reason: The receipt handle has "
         "expired.",
         true},
        {ERROR_PERMANENT, "InvalidParameterValueException", "Value AQEBzbVv...", true}, /* cut */
        {ERROR_PERMANENT, "InvalidParameterValue",
         "Value 43201 for parameter VisibilityTimeout is invalid.", false},
        {ERROR_PERMANENT, "InvalidAddress", "", false},
        {ERROR_AUTH, "QueueDoesNotExist", "", false},
        {ERROR_THROTTLED, "RequestThrottled", "", false},
        {ERROR_NONE, "", "", false},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct error error;
        error_set(&error, cases[i].kind, cases[i].code, "%s", cases[i].text);
        assert_int_equal(sqs_wire_receipt_ended(&error), cases[i].ended);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_send_batch_request),
        cmocka_unit_test(test_other_requests),
        cmocka_unit_test(test_receive_request),
        cmocka_unit_test(test_units),
        cmocka_unit_test(test_batch_answers),
        cmocka_unit_test(test_batch_without_bodies),
        cmocka_unit_test(test_whole_call_failed),
        cmocka_unit_test(test_receive_answer),
        cmocka_unit_test(test_receive_answers_without_messages),
        cmocka_unit_test(test_attributes_answer),
        cmocka_unit_test(test_queue_url_answer),
        cmocka_unit_test(test_receipts_that_ended),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
