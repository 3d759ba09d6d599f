#include "tests/harness/http_exchange.h"

#include "common/limits.h"

#define TIMEOUT_MS 5000

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

void exchange_init(struct exchange *x, http_script_fn *on_request,
                   const struct http_options *options)
{
    static const struct http_options usual = {.connections_max = 4, .connect_timeout_ms = 2000};
    *x = (struct exchange){.on_request = on_request};
    buf_init(&x->body, 32 * MIB);
    buf_init(&x->request_head, MIB);
    buf_init(&x->request_body, 32 * MIB);
    x->loop = loop_new();
    x->http = http_new(x->loop, options != NULL ? options : &usual);
    x->script = http_script_new(x->loop, on_script, x);
}

void exchange_release(struct exchange *x)
{
    http_free(x->http);
    http_script_free(x->script);
    assert_status(loop_free(x->loop), STATUS_OK);
    buf_release(&x->body);
    buf_release(&x->request_head);
    buf_release(&x->request_body);
}

void exchange_on_done(void *ctx, const struct http_response *response, const struct error *error)
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

struct http_spec exchange_spec(struct exchange *x, const char *method, const char *body)
{
    return (struct http_spec){
        .method = method,
        .url = http_script_url(x->script),
        .body = slice_from_str(body),
        .timeout_ms = TIMEOUT_MS,
        .response_bytes_max = HTTP_RESPONSE_BYTES_MAX,
        .on_done = exchange_on_done,
        .ctx = x,
    };
}

struct http_request *exchange_start(struct exchange *x, const struct http_spec *spec)
{
    unsigned before = x->done;
    struct http_request *request = http_start(x->http, spec);
    assert_int_equal(x->done, before);
    return request;
}

void exchange_wait(struct exchange *x, unsigned wanted)
{
    x->wanted = wanted;
    loop_run(x->loop);
    assert_int_equal(x->done, wanted);
}

void exchange_run(struct exchange *x, const struct http_spec *spec)
{
    exchange_start(x, spec);
    exchange_wait(x, x->done + 1);
}

void exchange_post(struct exchange *x, const char *body)
{
    struct http_spec spec = exchange_spec(x, "POST", body);
    exchange_run(x, &spec);
}

void exchange_expect_error(const struct exchange *x, enum error_kind kind, const char *code)
{
    if (x->error.kind != kind || strcmp(x->error.code, code) != 0)
        fail_msg("%s %s (%s), expected %s %s", error_kind_name(x->error.kind), x->error.code,
                 x->error.text, error_kind_name(kind), code);
}

void exchange_play_ok(void *ctx, const struct http_script_request *request,
                      struct http_script_answer *answer)
{
    (void)ctx;
    (void)request;
    http_script_reply(answer, 200, "X-Test:  some value \r\n", EXCHANGE_OK_BODY);
}

void exchange_play_raw(void *ctx, const struct http_script_request *request,
                       struct http_script_answer *answer)
{
    struct exchange *x = ctx;
    (void)request;
    buf_append_slice(&answer->raw, x->raw);
    answer->close = true;
}

void exchange_play_silence(void *ctx, const struct http_script_request *request,
                           struct http_script_answer *answer)
{
    (void)ctx;
    (void)request;
    answer->silent = true;
}

void exchange_play_ok_if_loud(void *ctx, const struct http_script_request *request,
                              struct http_script_answer *answer)
{
    if (slice_equal_str(request->body, "silent"))
        exchange_play_silence(ctx, request, answer);
    else
        exchange_play_ok(ctx, request, answer);
}
