/* Answers that are cut, contradict themselves, or are followed by something: a success is only what
 * is proven whole. */
#include <zlib.h>

#include "tests/harness/http_exchange.h"

#include "common/encode.h"
#include "common/limits.h"
#include "tests/harness/vectors.h"

struct hostile {
    const char *name;
    const char *raw;
    bool ok;
};

#define OK_BODY "{\"Successful\":[],\"Failed\":[]}"

static const struct hostile hostile[] = {
    {"plain", "HTTP/1.1 200 OK\r\nContent-Length: 29\r\n\r\n" OK_BODY, true},
    {"1xx first", "HTTP/1.1 100 C\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 29\r\n\r\n" OK_BODY,
     true},
    {"chunked",
     "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1d\r\n" OK_BODY "\r\n0\r\n\r\n", true},
    {"chunked, trailer",
     "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1d\r\n" OK_BODY
     "\r\n0\r\nX-Test: trailer\r\n\r\n",
     true},
    {"chunked, no end",
     "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1d\r\n" OK_BODY "\r\n", false},
    {"nothing", "", false},
    {"half a status line", "HTTP/1.1 20", false},
    {"closed after the status line", "HTTP/1.1 200 OK\r\n", false},
    {"closed within a header", "HTTP/1.1 200 OK\r\nContent-Le", false},
    {"closed between headers", "HTTP/1.1 200 OK\r\nX-A: 1\r\n", false},
    {"closed after 100", "HTTP/1.1 100 Continue\r\n\r\n", false},
    {"closed after the headers", "HTTP/1.1 200 OK\r\nContent-Length: 29\r\n\r\n", false},
    {"body too short", "HTTP/1.1 200 OK\r\nContent-Length: 30\r\n\r\n" OK_BODY, false},
    {"length overflows", "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n" OK_BODY,
     false},
    {"length of 2^63", "HTTP/1.1 200 OK\r\nContent-Length: 9223372036854775808\r\n\r\n" OK_BODY,
     false},
    {"length negative", "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n" OK_BODY, false},
    {"length with text", "HTTP/1.1 200 OK\r\nContent-Length: 29x\r\n\r\n" OK_BODY, false},
    {"two lengths", "HTTP/1.1 200 OK\r\nContent-Length: 29\r\nContent-Length: 5\r\n\r\n" OK_BODY,
     false},
    {"HTTP/0.9", OK_BODY, false},
};

static void hostile_answers_are_unknown(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(hostile); i++) {
        struct exchange x;
        exchange_init(&x, exchange_play_raw, NULL);
        x.raw = slice_from_str(hostile[i].raw);
        exchange_post(&x, "{}");
        bool ok = x.error.kind == ERROR_NONE;
        if (ok != hostile[i].ok)
            fail_msg("%s: %s, %s", hostile[i].name, error_kind_name(x.error.kind), x.error.text);
        if (ok) {
            assert_slice_equal(buf_slice(&x.body), OK_BODY);
            assert_string_equal(x.header, ""); /* a trailer is no header */
        } else {
            assert_int_equal(x.error.kind, ERROR_UNKNOWN);
        }
        exchange_release(&x);
    }
}

static void play_bodyless_with_body(void *ctx, const struct http_script_request *request,
                                    struct http_script_answer *answer)
{
    if (request->number > 0)
        exchange_play_ok(ctx, request, answer);
    else
        buf_append_str(&answer->raw,
                       "HTTP/1.1 204 No Content\r\nContent-Length: 29\r\n\r\n" OK_BODY);
}

static void play_two_answers(void *ctx, const struct http_script_request *request,
                             struct http_script_answer *answer)
{
    exchange_play_ok(ctx, request, answer);
    if (request->number == 0)
        buf_append_str(&answer->raw, "HTTP/1.1 500 X\r\nContent-Length: 2\r\n\r\n{}");
}

/* What follows an answer must not become the next one. */
static void connections_out_of_step_are_dropped(void **state)
{
    (void)state;
    static http_script_fn *const plays[] = {play_bodyless_with_body, play_two_answers};
    for (size_t i = 0; i < ARRAY_LEN(plays); i++) {
        struct exchange x;
        exchange_init(&x, plays[i], NULL);
        exchange_post(&x, "{}");
        assert_int_equal(x.error.kind, ERROR_NONE);
        exchange_post(&x, "{}");
        assert_int_equal(x.status, 200);
        assert_slice_equal(buf_slice(&x.body), EXCHANGE_OK_BODY);
        assert_int_equal(http_script_connections(x.script), 2);
        exchange_release(&x);
    }
}

static const int redirects[] = {300, 301, 302, 303, 305, 307, 308, 421};

static void play_redirect(void *ctx, const struct http_script_request *request,
                          struct http_script_answer *answer)
{
    (void)ctx;
    http_script_reply(answer, redirects[request->number], "Location: /elsewhere\r\n", "");
}

static void a_redirect_is_not_followed(void **state)
{
    (void)state;
    struct exchange x;
    exchange_init(&x, play_redirect, NULL);
    for (unsigned i = 0; i < ARRAY_LEN(redirects); i++) {
        exchange_post(&x, "{}");
        assert_int_equal(x.error.kind, ERROR_NONE);
        assert_int_equal(x.status, redirects[i]);
        assert_int_equal(x.requests, i + 1);
    }
    exchange_release(&x);
}

static void play_squeezed(void *ctx, const struct http_script_request *request,
                          struct http_script_answer *answer)
{
    struct exchange *x = ctx;
    assert_slice_equal(http_script_header(request, "Accept-Encoding"), "identity");
    buf_printf(&answer->raw,
               "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %zu\r\n\r\n",
               x->raw.len);
    buf_append_slice(&answer->raw, x->raw);
}

/* We ask for none of it; who sends it all the same has its bytes taken as they are. */
static void a_gzip_bomb_stays_small(void **state)
{
    (void)state;
    static uint8_t zeros[16 * MIB];
    static uint8_t bomb[64 * KIB];
    z_stream z = {
        .next_in = zeros, .avail_in = sizeof(zeros), .next_out = bomb, .avail_out = sizeof(bomb)};
    assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, 16 + MAX_WBITS, 9, Z_DEFAULT_STRATEGY), Z_OK);
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    struct exchange x;
    exchange_init(&x, play_squeezed, NULL);
    x.raw = slice_from(bomb, z.total_out);
    struct http_spec spec = exchange_spec(&x, "POST", "{}");
    spec.response_bytes_max = sizeof(bomb);
    exchange_run(&x, &spec);
    assert_int_equal(x.error.kind, ERROR_NONE);
    assert_true(slice_equal(buf_slice(&x.body), x.raw));
    assert_int_equal(deflateEnd(&z), Z_OK);
    exchange_release(&x);
}

/* The limit on a body is the request's own; those on headers are everybody's. */
static void an_answer_over_a_limit_is_unknown(void **state)
{
    (void)state;
    struct exchange x;
    exchange_init(&x, exchange_play_ok, NULL);
    struct http_spec spec = exchange_spec(&x, "POST", "{}");
    spec.response_bytes_max = strlen(EXCHANGE_OK_BODY) - 1;
    exchange_run(&x, &spec);
    exchange_expect_error(&x, ERROR_UNKNOWN, "ResponseTooLarge");
    spec.response_bytes_max++;
    exchange_run(&x, &spec);
    assert_int_equal(x.status, 200);

    CLEANUP(buf_release) struct buf raw;
    buf_init(&raw, MIB);
    x.on_request = exchange_play_raw;
    for (unsigned many = 0; many <= 1; many++) {
        buf_clear(&raw);
        buf_append_str(&raw, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n");
        unsigned count = many == 0 ? HTTP_HEADERS_MAX : HTTP_HEADERS_MAX / 2;
        for (unsigned i = 0; i < count; i++)
            buf_printf(&raw, "X-%u: %0*u\r\n", i, many == 0 ? 1 : HTTP_HEADER_BYTES_MAX / 32, i);
        buf_append_str(&raw, "\r\n");
        x.raw = buf_slice(&raw);
        exchange_post(&x, "{}");
        exchange_expect_error(&x, ERROR_UNKNOWN, "ResponseTooLarge");
    }
    exchange_release(&x);
}

/* Every cut of a good answer: never a success, and always an end. */
static void every_cut_is_unknown(void **state)
{
    (void)state;
    static const char whole[] =
        "HTTP/1.1 200 OK\r\nX-Test: v\r\nContent-Length: 29\r\n\r\n" OK_BODY;
    struct exchange x;
    exchange_init(&x, exchange_play_raw, NULL);
    for (size_t len = 0; len < sizeof(whole) - 1; len++) {
        x.raw = slice_from(whole, len);
        exchange_post(&x, "{}");
        if (x.error.kind != ERROR_UNKNOWN)
            fail_msg("cut at %zu: %s", len, error_kind_name(x.error.kind));
    }
    x.raw = slice_from(whole, sizeof(whole) - 1);
    exchange_post(&x, "{}");
    assert_int_equal(x.status, 200);
    exchange_release(&x);
}

/* must of the vectors, as far as this layer decides it: NULL means that either way is right. */
static const bool *verdict(const char *must)
{
    static const bool good = true;
    static const bool bad = false;
    if (strcmp(must, "ok") == 0)
        return &good;
    if (strcmp(must, "error") == 0)
        return &bad;
    return NULL;
}

static void check_vector(const cJSON *json, struct slice line, void *ctx)
{
    (void)line;
    (void)ctx;
    assert_non_null(json);
    CLEANUP(buf_release) struct buf raw;
    buf_init(&raw, 32 * MIB);
    assert_status(decode_base64(json_get_text(json, "raw_b64"), &raw), STATUS_OK);
    struct exchange x;
    exchange_init(&x, exchange_play_raw, NULL);
    x.raw = buf_slice(&raw);
    exchange_post(&x, "{}");
    const bool *expected = verdict(vectors_text(json, "must"));
    if (expected != NULL && *expected != (x.error.kind == ERROR_NONE && x.status == 200))
        fail_msg("%s: %s %s", vectors_text(json, "name"), error_kind_name(x.error.kind),
                 x.error.text);
    exchange_release(&x);
}

static void agrees_with_the_vectors(void **state)
{
    (void)state;
    const char *path = vectors_path("hostile/http_responses.jsonl");
    if (path != NULL)
        assert_true(vectors_each_line(path, check_vector, NULL) > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hostile_answers_are_unknown),
        cmocka_unit_test(connections_out_of_step_are_dropped),
        cmocka_unit_test(a_redirect_is_not_followed),
        cmocka_unit_test(a_gzip_bomb_stays_small),
        cmocka_unit_test(an_answer_over_a_limit_is_unknown),
        cmocka_unit_test(every_cut_is_unknown),
        cmocka_unit_test(agrees_with_the_vectors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
