#include "tests/harness/unit.h"

#include "common/encode.h"
#include "common/http.h"
#include "common/json.h"
#include "common/limits.h"
#include "common/mem.h"
#include "tests/harness/http_script.h"

#define TIMEOUT_MS 5000

struct exchange {
    struct loop *loop;
    struct http *http;
    struct http_script *script;
    http_script_fn *on_request;
    struct slice raw; /* what play_raw sends */

    unsigned requests; /* seen by the server */
    unsigned done;
    unsigned wanted; /* the loop stops when so many are done */
    unsigned connections_seen[16];
    int status;
    struct error error;
    struct buf body;
    char header[64];
    struct buf request_head;
    struct buf request_body;
};

static void on_script(void *ctx, const struct http_script_request *request,
                      struct http_script_answer *answer)
{
    struct exchange *x = ctx;
    if (request->number < ARRAY_LEN(x->connections_seen))
        x->connections_seen[request->number] = request->connection;
    x->requests++;
    buf_clear(&x->request_head);
    buf_append_slice(&x->request_head, request->line);
    buf_append_str(&x->request_head, "\r\n");
    buf_append_slice(&x->request_head, request->head);
    buf_clear(&x->request_body);
    buf_append_slice(&x->request_body, request->body);
    x->on_request(x, request, answer);
}

static void exchange_init(struct exchange *x, http_script_fn *on_request,
                          const struct http_options *options)
{
    *x = (struct exchange){.on_request = on_request, .wanted = 1};
    buf_init(&x->body, 32 * MIB);
    buf_init(&x->request_head, MIB);
    buf_init(&x->request_body, 32 * MIB);
    x->loop = loop_new();
    x->http = http_new(x->loop, options != NULL ? options
                                                : &(struct http_options){
                                                      .connections_max = 4,
                                                      .connect_timeout_ms = 2000,
                                                  });
    x->script = http_script_new(x->loop, on_script, x);
}

static void exchange_end(struct exchange *x)
{
    http_free(x->http);
    http_script_free(x->script);
    assert_status(loop_free(x->loop), STATUS_OK);
    buf_release(&x->body);
    buf_release(&x->request_head);
    buf_release(&x->request_body);
}

static void on_done(void *ctx, const struct http_response *response, const struct error *error)
{
    struct exchange *x = ctx;
    x->done++;
    x->error = *error;
    x->status = 0;
    buf_clear(&x->body);
    assert_int_equal(response == NULL, error->kind != ERROR_NONE);
    if (response != NULL) {
        x->status = response->status;
        buf_append_slice(&x->body, response->body);
        assert_int_equal(response->body.ptr[response->body.len], '\0');
        struct slice value = http_response_header(response, "x-tEST");
        snprintf(x->header, sizeof(x->header), "%.*s", SLICE_ARG(value));
    }
    if (x->done == x->wanted)
        loop_stop(x->loop);
}

static struct http_request *start(struct exchange *x, const char *body)
{
    unsigned done_before = x->done;
    struct http_header headers[] = {
        {SLICE_LITERAL("Content-Type"), SLICE_LITERAL("application/x-amz-json-1.0")},
        {SLICE_LITERAL("X-Empty"), SLICE_LITERAL("")},
    };
    struct http_request *request =
        http_start(x->http, &(struct http_spec){
                                .method = "POST",
                                .url = http_script_url(x->script),
                                .headers = headers,
                                .header_count = ARRAY_LEN(headers),
                                .body = slice_from_str(body),
                                .timeout_ms = TIMEOUT_MS,
                                .response_bytes_max = HTTP_RESPONSE_BYTES_MAX,
                                .on_done = on_done,
                                .ctx = x,
                            });
    assert_int_equal(x->done, done_before); /* never from within */
    return request;
}

static void post(struct exchange *x, const char *body)
{
    x->wanted = x->done + 1;
    start(x, body);
    loop_run(x->loop);
    assert_int_equal(x->done, x->wanted);
}

/* --- what the server does -------------------------------------------------------------------- */

static void play_ok(void *ctx, const struct http_script_request *request,
                    struct http_script_answer *answer)
{
    (void)ctx;
    (void)request;
    http_script_reply(answer, 200, "X-Test:  some value \r\n", "{\"a\":1}");
}

static void play_raw(void *ctx, const struct http_script_request *request,
                     struct http_script_answer *answer)
{
    struct exchange *x = ctx;
    (void)request;
    buf_append_slice(&answer->raw, x->raw);
    answer->close = true;
}

static void play_silence(void *ctx, const struct http_script_request *request,
                         struct http_script_answer *answer)
{
    (void)ctx;
    (void)request;
    answer->silent = true;
}

static void play_ok_if_loud(void *ctx, const struct http_script_request *request,
                            struct http_script_answer *answer)
{
    if (slice_equal_str(request->body, "silent"))
        play_silence(ctx, request, answer);
    else
        play_ok(ctx, request, answer);
}

/* --- cases ----------------------------------------------------------------------------------- */

static void test_request_on_the_wire(void **state)
{
    (void)state;
    struct exchange x;
    exchange_init(&x, play_ok, NULL);
    post(&x, "{\"q\":\"body\"}");
    assert_int_equal(x.error.kind, ERROR_NONE);
    assert_int_equal(x.status, 200);
    assert_slice_equal(buf_slice(&x.body), "{\"a\":1}");
    assert_string_equal(x.header, "some value");
    assert_slice_equal(buf_slice(&x.request_body), "{\"q\":\"body\"}");

    CLEANUP(buf_release) struct buf expected;
    buf_init(&expected, KIB);
    buf_printf(&expected,
               "POST / HTTP/1.1\r\nHost: %s\r\nAccept: */*\r\n"
               "Content-Type: application/x-amz-json-1.0\r\nX-Empty:\r\n"
               "Accept-Encoding: identity\r\nContent-Length: 12\r\n",
               http_script_url(x.script) + strlen("http://"));
    assert_string_equal(buf_text(&x.request_head), buf_text(&expected));
    exchange_end(&x);
}

static void test_large_body_is_sent_without_expect(void **state)
{
    (void)state;
    struct exchange x;
    exchange_init(&x, play_ok, NULL);
    char *body = mem_alloc(3 * MIB + 1);
    memset(body, 'x', 3 * MIB);
    body[3 * MIB] = '\0';
    post(&x, body);
    assert_int_equal(x.status, 200);
    assert_int_equal(x.request_body.len, 3 * MIB);
    assert_null(strstr(buf_text(&x.request_head), "Expect"));
    mem_free(body);
    exchange_end(&x);
}

static void test_methods_without_body(void **state)
{
    (void)state;
    struct exchange x;
    exchange_init(&x, play_ok, NULL);
    struct http_spec spec = {
        .method = "GET",
        .url = http_script_url(x.script),
        .timeout_ms = TIMEOUT_MS,
        .response_bytes_max = KIB,
        .on_done = on_done,
        .ctx = &x,
    };
    http_start(x.http, &spec);
    loop_run(x.loop);
    assert_memory_equal(buf_text(&x.request_head), "GET / HTTP/1.1\r\n", 16);
    assert_null(strstr(buf_text(&x.request_head), "Content-"));
    spec.method = "PUT";
    x.wanted = 2;
    http_start(x.http, &spec);
    loop_run(x.loop);
    assert_memory_equal(buf_text(&x.request_head), "PUT / HTTP/1.1\r\n", 16);
    assert_non_null(strstr(buf_text(&x.request_head), "Content-Length: 0\r\n"));
    assert_null(strstr(buf_text(&x.request_head), "Content-Type"));
    spec.method = "GET"; /* the handle of the PUT, used again */
    x.wanted = 3;
    http_start(x.http, &spec);
    loop_run(x.loop);
    assert_memory_equal(buf_text(&x.request_head), "GET / HTTP/1.1\r\n", 16);
    assert_null(strstr(buf_text(&x.request_head), "Content-"));
    exchange_end(&x);
}

static void test_connection_is_used_again(void **state)
{
    (void)state;
    struct exchange x;
    exchange_init(&x, play_ok, NULL);
    for (int i = 0; i < 5; i++)
        post(&x, "{}");
    assert_int_equal(http_script_connections(x.script), 1);
    exchange_end(&x);
}

static void test_connections_are_bounded(void **state)
{
    (void)state;
    struct exchange x;
    exchange_init(&x, play_ok, NULL);
    x.wanted = 100;
    for (unsigned i = 0; i < x.wanted; i++)
        start(&x, "{}");
    loop_run(x.loop);
    assert_int_equal(x.done, 100);
    assert_in_range(http_script_connections(x.script), 1, 4);
    exchange_end(&x);
}

static void play_ok_then_close(void *ctx, const struct http_script_request *request,
                               struct http_script_answer *answer)
{
    play_ok(ctx, request, answer);
    answer->close = request->number == 0; /* after saying nothing of it */
}

static void test_stale_connection_is_replaced(void **state)
{
    (void)state;
    struct exchange x;
    exchange_init(&x, play_ok_then_close, NULL);
    post(&x, "{}");
    post(&x, "{}");
    assert_int_equal(x.status, 200);
    assert_int_equal(http_script_connections(x.script), 2);
    exchange_end(&x);
}

static void play_ok_but_close_the_second(void *ctx, const struct http_script_request *request,
                                         struct http_script_answer *answer)
{
    if (request->number == 1)
        answer->close = true;
    else
        play_ok(ctx, request, answer);
}

/* The server may have acted on what it did not answer. */
static void test_unanswered_request_is_repeated_unless_it_must_not(void **state)
{
    (void)state;
    for (int once = 0; once <= 1; once++) {
        struct exchange x;
        exchange_init(&x, play_ok_but_close_the_second, NULL);
        post(&x, "{}");
        x.wanted = 2;
        http_start(x.http, &(struct http_spec){
                               .method = "POST",
                               .url = http_script_url(x.script),
                               .body = SLICE_LITERAL("{}"),
                               .timeout_ms = TIMEOUT_MS,
                               .response_bytes_max = KIB,
                               .once = once == 1,
                               .on_done = on_done,
                               .ctx = &x,
                           });
        loop_run(x.loop);
        assert_int_equal(x.connections_seen[1], 0); /* the first one's connection */
        assert_int_equal(x.requests, once == 1 ? 2 : 3);
        assert_int_equal(x.error.kind, once == 1 ? ERROR_UNKNOWN : ERROR_NONE);
        if (once == 1)
            assert_string_equal(x.error.code, "ConnectionClosed");
        post(&x, "{}");
        assert_int_equal(x.status, 200);
        exchange_end(&x);
    }
}

static void test_header_injection_is_refused(void **state)
{
    (void)state;
    const struct http_header bad[] = {
        {SLICE_LITERAL("X-A"), SLICE_LITERAL("a\r\nX-B: b")},
        {SLICE_LITERAL("X-A"), SLICE_LITERAL("a\nb")},
        {SLICE_LITERAL("X-A"), SLICE_LITERAL("a\0b")},
        {SLICE_LITERAL("X A"), SLICE_LITERAL("a")},
        {SLICE_LITERAL("X-A:"), SLICE_LITERAL("a")},
        {SLICE_LITERAL(""), SLICE_LITERAL("a")},
    };
    struct exchange x;
    exchange_init(&x, play_ok, NULL);
    x.wanted = 0;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        x.wanted++;
        http_start(x.http, &(struct http_spec){
                               .method = "GET",
                               .url = http_script_url(x.script),
                               .headers = &bad[i],
                               .header_count = 1,
                               .timeout_ms = TIMEOUT_MS,
                               .response_bytes_max = KIB,
                               .on_done = on_done,
                               .ctx = &x,
                           });
        assert_int_equal(x.done, i);
        loop_run(x.loop);
        assert_int_equal(x.error.kind, ERROR_PERMANENT);
    }
    assert_int_equal(x.requests, 0);
    exchange_end(&x);
}

static void test_bad_url_is_permanent(void **state)
{
    (void)state;
    struct exchange x;
    exchange_init(&x, play_ok, NULL);
    static const char *const urls[] = {"file:///etc/passwd", "ftp://127.0.0.1/", "http://", "::"};
    x.wanted = 0;
    for (size_t i = 0; i < ARRAY_LEN(urls); i++) {
        x.wanted++;
        http_start(x.http, &(struct http_spec){
                               .method = "GET",
                               .url = urls[i],
                               .timeout_ms = 500,
                               .response_bytes_max = KIB,
                               .on_done = on_done,
                               .ctx = &x,
                           });
        loop_run(x.loop);
        assert_int_not_equal(x.error.kind, ERROR_NONE);
        assert_int_not_equal(x.error.kind, ERROR_UNKNOWN);
    }
    exchange_end(&x);
}

static void test_refused_connection_was_not_sent(void **state)
{
    (void)state;
    struct exchange x;
    exchange_init(&x, play_ok, NULL);
    char url[64];
    snprintf(url, sizeof(url), "%s", http_script_url(x.script));
    http_script_free(x.script);
    x.script = NULL;
    http_start(x.http, &(struct http_spec){
                           .method = "POST",
                           .url = url,
                           .body = SLICE_LITERAL("{}"),
                           .timeout_ms = TIMEOUT_MS,
                           .response_bytes_max = KIB,
                           .on_done = on_done,
                           .ctx = &x,
                       });
    loop_run(x.loop);
    assert_int_equal(x.error.kind, ERROR_RETRY);
    assert_string_equal(x.error.code, "ConnectionFailed");
    exchange_end(&x);
}

static void test_silence_ends_as_unknown(void **state)
{
    (void)state;
    struct exchange x;
    exchange_init(&x, play_silence, NULL);
    http_start(x.http, &(struct http_spec){
                           .method = "POST",
                           .url = http_script_url(x.script),
                           .body = SLICE_LITERAL("{}"),
                           .timeout_ms = 50,
                           .response_bytes_max = KIB,
                           .on_done = on_done,
                           .ctx = &x,
                       });
    loop_run(x.loop);
    assert_int_equal(x.error.kind, ERROR_UNKNOWN);
    assert_string_equal(x.error.code, "RequestTimeout");
    exchange_end(&x);
}

/* A connection that is used again is no proof that nothing was sent. */
static void test_silence_on_a_used_connection_is_unknown(void **state)
{
    (void)state;
    struct exchange x;
    exchange_init(&x, play_ok_if_loud, NULL);
    post(&x, "{}");
    x.wanted = 2;
    http_start(x.http, &(struct http_spec){
                           .method = "POST",
                           .url = http_script_url(x.script),
                           .body = SLICE_LITERAL("silent"),
                           .timeout_ms = 50,
                           .response_bytes_max = KIB,
                           .on_done = on_done,
                           .ctx = &x,
                       });
    loop_run(x.loop);
    assert_int_equal(http_script_connections(x.script), 1);
    assert_int_equal(x.error.kind, ERROR_UNKNOWN);
    assert_string_equal(x.error.code, "RequestTimeout");
    exchange_end(&x);
}

/* A server that speaks no TLS: nothing of the request went out. */
static void test_failed_handshake_was_not_sent(void **state)
{
    (void)state;
    struct exchange x;
    exchange_init(&x, play_ok,
                  &(struct http_options){.connections_max = 1, .connect_timeout_ms = 100});
    char url[64];
    snprintf(url, sizeof(url), "https%s", http_script_url(x.script) + strlen("http"));
    http_start(x.http, &(struct http_spec){
                           .method = "POST",
                           .url = url,
                           .body = SLICE_LITERAL("{}"),
                           .timeout_ms = TIMEOUT_MS,
                           .response_bytes_max = KIB,
                           .on_done = on_done,
                           .ctx = &x,
                       });
    loop_run(x.loop);
    assert_int_equal(x.error.kind, ERROR_RETRY);
    assert_string_equal(x.error.code, "ConnectionTimeout");
    assert_int_equal(x.requests, 0);
    exchange_end(&x);
}

/* What waits for a connection has its deadline too, and was surely not done. */
static void test_waiting_for_a_connection_times_out(void **state)
{
    (void)state;
    struct exchange x;
    exchange_init(&x, play_silence,
                  &(struct http_options){.connections_max = 1, .connect_timeout_ms = 2000});
    x.wanted = 1;
    struct http_request *first = start(&x, "{}");
    http_start(x.http, &(struct http_spec){
                           .method = "POST",
                           .url = http_script_url(x.script),
                           .body = SLICE_LITERAL("{}"),
                           .timeout_ms = 100,
                           .response_bytes_max = KIB,
                           .on_done = on_done,
                           .ctx = &x,
                       });
    loop_run(x.loop);
    assert_int_equal(x.requests, 1);
    assert_int_equal(x.error.kind, ERROR_RETRY);
    assert_string_equal(x.error.code, "ConnectionTimeout");
    http_cancel(first);
    exchange_end(&x);
}

static void test_answer_over_the_limit(void **state)
{
    (void)state;
    struct exchange x;
    exchange_init(&x, play_ok, NULL);
    http_start(x.http, &(struct http_spec){
                           .method = "POST",
                           .url = http_script_url(x.script),
                           .body = SLICE_LITERAL("{}"),
                           .timeout_ms = TIMEOUT_MS,
                           .response_bytes_max = 6,
                           .on_done = on_done,
                           .ctx = &x,
                       });
    loop_run(x.loop);
    assert_int_equal(x.error.kind, ERROR_UNKNOWN);
    assert_string_equal(x.error.code, "ResponseTooLarge");
    post(&x, "{}"); /* the limit was that request's */
    assert_int_equal(x.status, 200);
    exchange_end(&x);
}

static void test_cancel_does_not_call_back(void **state)
{
    (void)state;
    struct exchange x;
    exchange_init(&x, play_ok_if_loud, NULL);
    struct http_request *silent = start(&x, "silent");
    struct http_request *unsent = start(&x, "{}");
    http_cancel(unsent);
    start(&x, "{}");
    loop_run(x.loop);
    http_cancel(silent);
    assert_int_equal(x.done, 1);
    exchange_end(&x);
}

static void on_done_free(void *ctx, const struct http_response *response, const struct error *error)
{
    struct exchange *x = ctx;
    on_done(ctx, response, error);
    http_free(x->http);
    x->http = NULL;
}

static void test_free_from_a_callback(void **state)
{
    (void)state;
    struct exchange x;
    exchange_init(&x, play_ok, NULL);
    struct http_spec spec = {
        .method = "GET",
        .url = http_script_url(x.script),
        .timeout_ms = TIMEOUT_MS,
        .response_bytes_max = KIB,
        .on_done = on_done_free,
        .ctx = &x,
    };
    http_start(x.http, &spec);
    http_start(x.http, &spec);
    loop_run(x.loop);
    assert_int_equal(x.done, 1);
    exchange_end(&x);
}

/* --- hostile answers ------------------------------------------------------------------------- */

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

static void test_hostile_answers(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(hostile); i++) {
        struct exchange x;
        exchange_init(&x, play_raw, NULL);
        x.raw = slice_from_str(hostile[i].raw);
        post(&x, "{}");
        bool ok = x.error.kind == ERROR_NONE;
        if (ok != hostile[i].ok)
            fail_msg("%s: %s, %s", hostile[i].name, error_kind_name(x.error.kind), x.error.text);
        if (ok) {
            assert_slice_equal(buf_slice(&x.body), OK_BODY);
            assert_string_equal(x.header, ""); /* a trailer is no header */
        } else {
            assert_int_equal(x.error.kind, ERROR_UNKNOWN);
        }
        exchange_end(&x);
    }
}

static void play_bodyless_with_body(void *ctx, const struct http_script_request *request,
                                    struct http_script_answer *answer)
{
    if (request->number > 0)
        play_ok(ctx, request, answer);
    else
        buf_append_str(&answer->raw,
                       "HTTP/1.1 204 No Content\r\nContent-Length: 29\r\n\r\n" OK_BODY);
}

static void play_two_answers(void *ctx, const struct http_script_request *request,
                             struct http_script_answer *answer)
{
    play_ok(ctx, request, answer);
    if (request->number == 0)
        buf_append_str(&answer->raw, "HTTP/1.1 500 X\r\nContent-Length: 2\r\n\r\n{}");
}

/* What follows an answer must not become the next one. */
static void test_connections_out_of_step_are_dropped(void **state)
{
    (void)state;
    static http_script_fn *const plays[] = {play_bodyless_with_body, play_two_answers};
    for (size_t i = 0; i < ARRAY_LEN(plays); i++) {
        struct exchange x;
        exchange_init(&x, plays[i], NULL);
        post(&x, "{}");
        assert_int_equal(x.error.kind, ERROR_NONE);
        post(&x, "{}");
        assert_int_equal(x.status, 200);
        assert_slice_equal(buf_slice(&x.body), "{\"a\":1}");
        assert_int_equal(http_script_connections(x.script), 2);
        exchange_end(&x);
    }
}

static void play_redirect(void *ctx, const struct http_script_request *request,
                          struct http_script_answer *answer)
{
    (void)ctx;
    (void)request;
    http_script_reply(answer, 307, "Location: /elsewhere\r\n", "");
}

static void test_redirect_is_not_followed(void **state)
{
    (void)state;
    struct exchange x;
    exchange_init(&x, play_redirect, NULL);
    post(&x, "{}");
    assert_int_equal(x.status, 307);
    assert_int_equal(x.requests, 1);
    exchange_end(&x);
}

/* Every cut of a good answer: never a success, and always an end. */
static void test_every_cut(void **state)
{
    (void)state;
    static const char whole[] =
        "HTTP/1.1 200 OK\r\nX-Test: v\r\nContent-Length: 29\r\n\r\n" OK_BODY;
    struct exchange x;
    exchange_init(&x, play_raw, NULL);
    for (size_t len = 0; len < sizeof(whole) - 1; len++) {
        x.raw = slice_from(whole, len);
        post(&x, "{}");
        if (x.error.kind != ERROR_UNKNOWN)
            fail_msg("cut at %zu: %s", len, error_kind_name(x.error.kind));
    }
    x.raw = slice_from(whole, sizeof(whole) - 1);
    post(&x, "{}");
    assert_int_equal(x.status, 200);
    exchange_end(&x);
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

static void run_vector(const cJSON *json)
{
    struct slice must = json_get_text(json, "must");
    CLEANUP(buf_release) struct buf raw;
    buf_init(&raw, 32 * MIB);
    assert_status(decode_base64(json_get_text(json, "raw_b64"), &raw), STATUS_OK);
    struct exchange x;
    exchange_init(&x, play_raw, NULL);
    x.raw = buf_slice(&raw);
    post(&x, "{}");
    const bool *expected = verdict((const char *)must.ptr);
    if (expected != NULL && *expected != (x.error.kind == ERROR_NONE && x.status == 200))
        fail_msg("%s: %s %s", json_get_text(json, "name").ptr, error_kind_name(x.error.kind),
                 x.error.text);
    exchange_end(&x);
}

static void test_hostile_vectors(void **state)
{
    (void)state;
    const char *path = vectors_path("hostile/http_responses.jsonl");
    if (path == NULL) {
        print_message("skipped: hostile/http_responses.jsonl is not there\n");
        return;
    }
    CLEANUP(buf_release) struct buf file;
    buf_init(&file, 64 * MIB);
    read_whole_file(path, &file);
    struct slice rest = buf_slice(&file);
    unsigned cases = 0;
    while (rest.len > 0) {
        const uint8_t *end = memchr(rest.ptr, '\n', rest.len);
        size_t len = end == NULL ? rest.len : (size_t)(end - rest.ptr);
        CLEANUP(json_freep) cJSON *json = NULL;
        assert_status(json_parse(slice_from(rest.ptr, len), &json, NULL), STATUS_OK);
        run_vector(json);
        cases++;
        size_t step = MIN(len + 1, rest.len);
        rest = slice_from(rest.ptr + step, rest.len - step);
    }
    assert_true(cases > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_request_on_the_wire),
        cmocka_unit_test(test_large_body_is_sent_without_expect),
        cmocka_unit_test(test_methods_without_body),
        cmocka_unit_test(test_connection_is_used_again),
        cmocka_unit_test(test_connections_are_bounded),
        cmocka_unit_test(test_stale_connection_is_replaced),
        cmocka_unit_test(test_unanswered_request_is_repeated_unless_it_must_not),
        cmocka_unit_test(test_header_injection_is_refused),
        cmocka_unit_test(test_bad_url_is_permanent),
        cmocka_unit_test(test_refused_connection_was_not_sent),
        cmocka_unit_test(test_silence_ends_as_unknown),
        cmocka_unit_test(test_silence_on_a_used_connection_is_unknown),
        cmocka_unit_test(test_failed_handshake_was_not_sent),
        cmocka_unit_test(test_waiting_for_a_connection_times_out),
        cmocka_unit_test(test_answer_over_the_limit),
        cmocka_unit_test(test_cancel_does_not_call_back),
        cmocka_unit_test(test_free_from_a_callback),
        cmocka_unit_test(test_hostile_answers),
        cmocka_unit_test(test_connections_out_of_step_are_dropped),
        cmocka_unit_test(test_redirect_is_not_followed),
        cmocka_unit_test(test_every_cut),
        cmocka_unit_test(test_hostile_vectors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
