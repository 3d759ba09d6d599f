/* What goes out, byte by byte, and what is refused before anything does. */
#include "tests/harness/http_exchange.h"

#include "common/limits.h"
#include "common/mem.h"

/* Lives as long as the block it stands in. */
#define PLAIN_HEADERS                                                                              \
    ((const struct http_header[]){                                                                 \
        {SLICE_LITERAL("Content-Type"), SLICE_LITERAL("application/x-amz-json-1.0")},              \
        {SLICE_LITERAL("X-Empty"), SLICE_LITERAL("")},                                             \
    })

static void expect_head(const struct exchange *x, const char *method, const char *headers)
{
    CLEANUP(buf_release) struct buf expected;
    buf_init(&expected, KIB);
    buf_printf(&expected, "%s / HTTP/1.1\r\nHost: %s\r\nAccept: */*\r\n%s", method,
               http_script_url(x->script) + strlen("http://"), headers);
    assert_string_equal(buf_text(&x->request_head), buf_text(&expected));
}

static void a_request_is_what_was_asked_for(void **state)
{
    (void)state;
    struct exchange x;
    exchange_init(&x, exchange_play_ok, NULL);
    struct http_spec spec = exchange_spec(&x, "POST", "{\"q\":\"body\"}");
    spec.headers = PLAIN_HEADERS;
    spec.header_count = 2;
    exchange_run(&x, &spec);
    assert_int_equal(x.error.kind, ERROR_NONE);
    assert_int_equal(x.status, 200);
    assert_slice_equal(buf_slice(&x.body), EXCHANGE_OK_BODY);
    assert_string_equal(x.header, "some value");
    assert_slice_equal(buf_slice(&x.request_body), "{\"q\":\"body\"}");
    expect_head(&x, "POST",
                "Content-Type: application/x-amz-json-1.0\r\nX-Empty:\r\n"
                "Accept-Encoding: identity\r\nContent-Length: 12\r\n");
    exchange_release(&x);
}

static void a_large_body_is_sent_without_expect(void **state)
{
    (void)state;
    struct exchange x;
    exchange_init(&x, exchange_play_ok, NULL);
    char *body = mem_calloc(1, 3 * MIB + 1);
    memset(body, 'x', 3 * MIB);
    exchange_post(&x, body);
    assert_int_equal(x.status, 200);
    assert_int_equal(x.request_body.len, 3 * MIB);
    assert_null(strstr(buf_text(&x.request_head), "Expect"));
    mem_free(body);
    exchange_release(&x);
}

/* Requests are pooled: nothing of one may show in the next, whatever their methods are. */
static void nothing_of_a_request_is_in_the_next(void **state)
{
    (void)state;
    static const struct {
        const char *method;
        const char *body;
        bool headers;
        const char *expected;
    } cases[] = {
        {"GET", NULL, false, "Accept-Encoding: identity\r\n"},
        {"PUT", NULL, false, "Accept-Encoding: identity\r\nContent-Length: 0\r\n"},
        {"GET", NULL, false, "Accept-Encoding: identity\r\n"},
        {"POST", "{}", true,
         "Content-Type: application/x-amz-json-1.0\r\nX-Empty:\r\n"
         "Accept-Encoding: identity\r\nContent-Length: 2\r\n"},
        {"POST", "", false, "Accept-Encoding: identity\r\nContent-Length: 0\r\n"},
        {"GET", NULL, true,
         "Content-Type: application/x-amz-json-1.0\r\nX-Empty:\r\n"
         "Accept-Encoding: identity\r\n"},
        {"PUT", "x", false, "Accept-Encoding: identity\r\nContent-Length: 1\r\n"},
        {"GET", NULL, false, "Accept-Encoding: identity\r\n"},
    };
    struct exchange x;
    exchange_init(&x, exchange_play_ok, NULL);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct http_spec spec = exchange_spec(&x, cases[i].method, cases[i].body);
        spec.headers = PLAIN_HEADERS;
        spec.header_count = cases[i].headers ? 2 : 0;
        exchange_run(&x, &spec);
        expect_head(&x, cases[i].method, cases[i].expected);
        assert_slice_equal(buf_slice(&x.request_body), cases[i].body == NULL ? "" : cases[i].body);
    }
    assert_int_equal(http_script_connections(x.script), 1);
    exchange_release(&x);
}

/* What was copied, so that the caller's memory may go. */
static void the_spec_is_copied_but_for_its_body(void **state)
{
    (void)state;
    struct exchange x;
    exchange_init(&x, exchange_play_ok, NULL);
    char value[] = "value";
    char url[64];
    snprintf(url, sizeof(url), "%s", http_script_url(x.script));
    struct http_header header = {SLICE_LITERAL("X-A"), slice_from_str(value)};
    struct http_spec spec = exchange_spec(&x, "POST", "body");
    spec.url = url;
    spec.headers = &header;
    spec.header_count = 1;
    exchange_start(&x, &spec);
    memset(value, '?', sizeof(value) - 1);
    memset(url, '?', sizeof(url) - 1);
    exchange_wait(&x, 1);
    assert_slice_equal(buf_slice(&x.request_body), "body");
    assert_non_null(strstr(buf_text(&x.request_head), "X-A: value\r\n"));
    exchange_release(&x);
}

static void header_injection_is_refused(void **state)
{
    (void)state;
    const struct http_header bad[] = {
        {SLICE_LITERAL("X-A"), SLICE_LITERAL("a\r\nX-B: b")},
        {SLICE_LITERAL("X-A"), SLICE_LITERAL("a\nb")},
        {SLICE_LITERAL("X-A"), SLICE_LITERAL("a\rb")},
        {SLICE_LITERAL("X-A"), SLICE_LITERAL("a\0b")},
        {SLICE_LITERAL("X A"), SLICE_LITERAL("a")},
        {SLICE_LITERAL("X\tA"), SLICE_LITERAL("a")},
        {SLICE_LITERAL("X-A:"), SLICE_LITERAL("a")},
        {SLICE_LITERAL("X-A;"), SLICE_LITERAL("a")},
        {SLICE_LITERAL("X-\x7f"), SLICE_LITERAL("a")},
        {SLICE_LITERAL("X-\xc3\xa4"), SLICE_LITERAL("a")},
        {SLICE_LITERAL(""), SLICE_LITERAL("a")},
    };
    struct exchange x;
    exchange_init(&x, exchange_play_ok, NULL);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct http_spec spec = exchange_spec(&x, "GET", NULL);
        spec.headers = &bad[i];
        spec.header_count = 1;
        exchange_run(&x, &spec);
        exchange_expect_error(&x, ERROR_PERMANENT, "InvalidRequest");
    }
    assert_int_equal(x.requests, 0);
    exchange_post(&x, "{}"); /* a handle that was refused is good for the next */
    assert_int_equal(x.status, 200);
    exchange_release(&x);
}

static char *repeated(char c, size_t len)
{
    char *text = mem_calloc(1, len + 1);
    memset(text, c, len);
    return text;
}

static void what_is_over_a_limit_is_refused(void **state)
{
    (void)state;
    struct exchange x;
    exchange_init(&x, exchange_play_ok, NULL);
    char *long_text = repeated('v', HTTP_HEADER_BYTES_MAX);
    char *body = repeated('b', HTTP_REQUEST_BYTES_MAX + 1);
    struct http_header header = {SLICE_LITERAL("X-A"), slice_from_str(long_text)};
    CLEANUP(buf_release) struct buf url;
    buf_init(&url, MIB);
    buf_printf(&url, "%s/%s", http_script_url(x.script), long_text);

    struct http_spec specs[3];
    for (size_t i = 0; i < ARRAY_LEN(specs); i++)
        specs[i] = exchange_spec(&x, "POST", "{}");
    specs[0].headers = &header;
    specs[0].header_count = 1;
    specs[1].url = buf_text(&url);
    specs[2].body = slice_from_str(body);
    for (size_t i = 0; i < ARRAY_LEN(specs); i++) {
        exchange_run(&x, &specs[i]);
        exchange_expect_error(&x, ERROR_PERMANENT, "InvalidRequest");
    }
    assert_int_equal(x.requests, 0);

    specs[2].body.len = HTTP_REQUEST_BYTES_MAX;
    exchange_run(&x, &specs[2]);
    assert_int_equal(x.status, 200);
    assert_int_equal(x.request_body.len, HTTP_REQUEST_BYTES_MAX);
    mem_free(long_text);
    mem_free(body);
    exchange_release(&x);
}

static void a_bad_url_was_not_sent(void **state)
{
    (void)state;
    static const char *const urls[] = {
        "file:///etc/passwd",       "ftp://127.0.0.1/",        "http://", "",
        "http://host with blanks/", "http://127.0.0.1:99999/",
    };
    struct exchange x;
    exchange_init(&x, exchange_play_ok, NULL);
    for (size_t i = 0; i < ARRAY_LEN(urls); i++) {
        struct http_spec spec = exchange_spec(&x, "GET", NULL);
        spec.url = urls[i];
        exchange_run(&x, &spec);
        exchange_expect_error(&x, ERROR_PERMANENT, "InvalidUrl");
    }
    exchange_release(&x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_is_what_was_asked_for),
        cmocka_unit_test(a_large_body_is_sent_without_expect),
        cmocka_unit_test(nothing_of_a_request_is_in_the_next),
        cmocka_unit_test(the_spec_is_copied_but_for_its_body),
        cmocka_unit_test(header_injection_is_refused),
        cmocka_unit_test(what_is_over_a_limit_is_refused),
        cmocka_unit_test(a_bad_url_was_not_sent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
