#include "tests/harness/unit.h"

#include "common/aws_answer.h"
#include "common/digest.h"

#define HEADERS_MAX 3

struct answer {
    struct http_header headers[HEADERS_MAX];
    struct http_response response;
    struct aws_answer_body body;
    struct error error;
    enum aws_error_class class;
};

static void add_header(struct answer *a, const char *name, const char *value)
{
    assert_true(a->response.header_count < HEADERS_MAX);
    a->headers[a->response.header_count++] =
        (struct http_header){slice_from_str(name), slice_from_str(value)};
}

static void answer_init(struct answer *a, int status, const char *body)
{
    *a = (struct answer){.response = {.status = status, .body = slice_from_str(body)}};
    a->response.headers = a->headers;
}

/* What stood in json and error before must not show. */
static void read_answer_as(struct answer *a, bool writes, enum aws_answer_form form)
{
    static cJSON garbage;
    a->body = (struct aws_answer_body){.json = &garbage, .flat = {.text = SLICE_LITERAL("x")}};
    error_set(&a->error, ERROR_AUTH, "Garbage", "garbage");
    a->error.http_status = 999;
    a->error.retry_after_ms = 999;
    a->class = aws_answer_read(&a->response, writes, form, &a->body, &a->error);
}

static void read_answer(struct answer *a, bool writes)
{
    read_answer_as(a, writes, AWS_ANSWER_TREE);
    assert_true(slice_is_null(a->body.flat.text));
}

static void a_good_answer_is_an_object_with_its_checksum(void **state)
{
    (void)state;
    static const char *const bodies[] = {"{}", " {\"a\":[1]} "};
    for (size_t i = 0; i < ARRAY_LEN(bodies); i++) {
        for (int checksum = 0; checksum <= 1; checksum++) {
            struct answer a;
            char crc[16];
            answer_init(&a, 200, bodies[i]);
            snprintf(crc, sizeof(crc), "%u", digest_crc32(0, a.response.body));
            if (checksum == 1)
                add_header(&a, "X-Amz-Crc32", crc);
            read_answer(&a, true);
            assert_int_equal(a.error.kind, ERROR_NONE);
            assert_int_equal(a.error.http_status, 0);
            assert_int_equal(a.error.retry_after_ms, 0);
            assert_string_equal(a.error.code, "");
            assert_true(cJSON_IsObject(a.body.json));
            aws_answer_body_release(&a.body);
        }
    }
}

static void a_success_that_cannot_be_read_is_unknown_for_writes(void **state)
{
    (void)state;
    static const struct {
        int status;
        const char *body;
        const char *crc32;
        const char *code;
        bool has_json;
    } cases[] = {
        {200, "", NULL, "UnreadableAnswer", false},
        {200, "[]", NULL, "UnreadableAnswer", false},
        {200, "null", NULL, "UnreadableAnswer", false},
        {200, "{", NULL, "UnreadableAnswer", false},
        {200, "{} {}", NULL, "UnreadableAnswer", false},
        {200, "{\"a\":1,\"a\":2}", NULL, "UnreadableAnswer", false},
        {201, "{}", NULL, "UnexpectedStatus", true},
        {204, "", NULL, "UnexpectedStatus", false},
        {299, "{}", NULL, "UnexpectedStatus", true},
        {200, "{}", "1", "ChecksumMismatch", true},
        {200, "{}", "", "ChecksumMismatch", true},
        {200, "{}", "x", "ChecksumMismatch", true},
        {200, "{}", "-1", "ChecksumMismatch", true},
        {200, "{}", "99999999999", "ChecksumMismatch", true},
        {400, "{\"__type\":\"x#ValidationException\"}", "1", "ChecksumMismatch", true},
        {503, "", "1", "ChecksumMismatch", false},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        for (int writes = 0; writes <= 1; writes++) {
            struct answer a;
            answer_init(&a, cases[i].status, cases[i].body);
            if (cases[i].crc32 != NULL)
                add_header(&a, "x-amz-crc32", cases[i].crc32);
            read_answer(&a, writes == 1);
            if (a.error.kind != (writes == 1 ? ERROR_UNKNOWN : ERROR_RETRY) ||
                strcmp(a.error.code, cases[i].code) != 0 || a.class != AWS_ERROR_TRANSIENT ||
                a.error.http_status != cases[i].status)
                fail_msg("case %zu: %s %s, status %d", i, error_kind_name(a.error.kind),
                         a.error.code, a.error.http_status);
            assert_int_equal(a.body.json != NULL, cases[i].has_json);
            assert_true(a.error.text[0] != '\0');
            aws_answer_body_release(&a.body);
            enum error_kind kind = a.error.kind;
            read_answer_as(&a, writes == 1, AWS_ANSWER_FLAT);
            assert_int_equal(a.error.kind, kind);
            assert_string_equal(a.error.code, cases[i].code);
            aws_answer_body_release(&a.body);
        }
    }
}

static void a_success_is_flat_where_that_was_asked_for(void **state)
{
    (void)state;
    struct answer a;
    answer_init(&a, 200, "{\"a\":\"b\"}");
    read_answer_as(&a, false, AWS_ANSWER_FLAT);
    assert_int_equal(a.error.kind, ERROR_NONE);
    assert_null(a.body.json);
    assert_slice_equal(json_flat_get_text(&a.body.flat, JSON_ROOT, "a"), "b");
    aws_answer_body_release(&a.body);

    answer_init(&a, 400, "{\"__type\":\"x#ValidationException\"}");
    read_answer_as(&a, false, AWS_ANSWER_FLAT);
    assert_int_equal(a.error.kind, ERROR_PERMANENT);
    assert_non_null(a.body.json);
    aws_answer_body_release(&a.body);
}

static void a_failure_keeps_its_body_and_names_the_request(void **state)
{
    (void)state;
    struct answer a;
    answer_init(&a, 400,
                "{\"__type\":\"com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException\","
                "\"message\":\"no\",\"Item\":{}}");
    add_header(&a, "x-amzn-requestid", "ABC-1");
    read_answer(&a, true);
    assert_int_equal(a.error.kind, ERROR_PERMANENT);
    assert_int_equal(a.error.http_status, 400);
    assert_int_equal(a.error.retry_after_ms, 0);
    assert_string_equal(a.error.code, "ConditionalCheckFailedException");
    assert_string_equal(a.error.text, "no (request ABC-1)");
    assert_non_null(json_get_object(a.body.json, "Item"));
    aws_answer_body_release(&a.body);
}

static void a_failure_without_json_is_told_by_its_headers(void **state)
{
    (void)state;
    struct answer a;
    answer_init(&a, 400, "<html>");
    add_header(&a, "X-Amzn-ErrorType", "ThrottlingException:http://x");
    add_header(&a, "x-amz-retry-after", "700");
    read_answer(&a, true);
    assert_int_equal(a.error.kind, ERROR_THROTTLED);
    assert_int_equal(a.class, AWS_ERROR_THROTTLING);
    assert_int_equal(a.error.retry_after_ms, 700);
    assert_string_equal(a.error.code, "ThrottlingException");
    assert_null(a.body.json);

    answer_init(&a, 500, "");
    read_answer(&a, true);
    assert_int_equal(a.error.kind, ERROR_UNKNOWN);
    read_answer(&a, false);
    assert_int_equal(a.error.kind, ERROR_RETRY);
    assert_int_equal(a.error.http_status, 500);
}

/* The id is added whole or not at all, whatever the server makes of it. */
static void a_long_request_id_fits_or_is_left_out(void **state)
{
    (void)state;
    static const char frame[] = " (request )";
    const size_t room = ERROR_TEXT_SIZE - 1 - strlen("no") - strlen(frame);
    char id[2 * ERROR_TEXT_SIZE];
    for (size_t len = room - 2; len <= room + 2; len++) {
        struct answer a;
        memset(id, 'i', len);
        id[len] = '\0';
        answer_init(&a, 400, "{\"__type\":\"x#ValidationException\",\"message\":\"no\"}");
        add_header(&a, "x-amzn-RequestId", id);
        read_answer(&a, false);
        size_t with = strlen("no") + strlen(frame) + len;
        assert_int_equal(strlen(a.error.text), len <= room ? with : strlen("no"));
        aws_answer_body_release(&a.body);
    }
}

/* A header may hold any byte; texts go on to logs, standard error and metrics. */
static void a_request_id_that_is_no_plain_text_is_left_out(void **state)
{
    (void)state;
    static const char *const ids[] = {"\xe9", "a\x1b[2J", "a b", "\x7f"};
    for (size_t i = 0; i < ARRAY_LEN(ids); i++) {
        struct answer a;
        answer_init(&a, 400, "{\"__type\":\"x#ValidationException\",\"message\":\"no\"}");
        add_header(&a, "x-amzn-RequestId", ids[i]);
        read_answer(&a, false);
        assert_string_equal(a.error.text, "no");
        aws_answer_body_release(&a.body);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_good_answer_is_an_object_with_its_checksum),
        cmocka_unit_test(a_success_that_cannot_be_read_is_unknown_for_writes),
        cmocka_unit_test(a_failure_keeps_its_body_and_names_the_request),
        cmocka_unit_test(a_success_is_flat_where_that_was_asked_for),
        cmocka_unit_test(a_failure_without_json_is_told_by_its_headers),
        cmocka_unit_test(a_long_request_id_fits_or_is_left_out),
        cmocka_unit_test(a_request_id_that_is_no_plain_text_is_left_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
