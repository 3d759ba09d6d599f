#include "tests/harness/unit.h"

#include "common/http_answer.h"

static struct http_header headers[HTTP_HEADERS_MAX];

static void headers_are_split_and_trimmed(void **state)
{
    (void)state;
    size_t count = 0;
    struct slice block =
        SLICE_LITERAL("Date:  today \r\nX-Amzn-RequestId:1\nnonsense\r\n folded: no\r\n");
    assert_status(http_answer_split(block, headers, &count), STATUS_OK);
    assert_int_equal(count, 2);
    struct http_response response = {.status = 200, .headers = headers, .header_count = count};
    assert_slice_equal(http_response_header(&response, "DATE"), "today");
    assert_slice_equal(http_response_header(&response, "x-amzn-requestid"), "1");
    assert_true(slice_is_null(http_response_header(&response, "absent")));
}

static void too_many_headers_are_refused(void **state)
{
    (void)state;
    struct buf block;
    size_t count = 0;
    buf_init(&block, 1 << 20);
    for (int i = 0; i <= HTTP_HEADERS_MAX; i++)
        buf_printf(&block, "h%d: v\r\n", i);
    assert_status(http_answer_split(buf_slice(&block), headers, &count), STATUS_TOO_LARGE);
    buf_release(&block);
}

static const char *flaw(int status, const char *header_block, const char *body, bool whole)
{
    size_t count = 0;
    assert_status(http_answer_split(slice_from_str(header_block), headers, &count), STATUS_OK);
    struct http_response response = {
        .status = status, .body = slice_from_str(body), .headers = headers, .header_count = count};
    return http_answer_flaw(&response, whole);
}

static void whole_is_what_can_be_proven(void **state)
{
    (void)state;
    assert_null(flaw(200, "Content-Length: 2\r\n", "{}", true));
    assert_non_null(flaw(200, "Content-Length: 2\r\n", "{}", false));
    assert_non_null(flaw(200, "Content-Length: 3\r\n", "{}", true));
    assert_non_null(flaw(200, "Content-Length: 99999999999999999999\r\n", "{}", true));
    assert_non_null(flaw(200, "Content-Length: -2\r\n", "{}", true));
    assert_null(flaw(200, "Transfer-Encoding: chunked\r\n", "{}", true));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(headers_are_split_and_trimmed),
        cmocka_unit_test(too_many_headers_are_refused),
        cmocka_unit_test(whole_is_what_can_be_proven),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
