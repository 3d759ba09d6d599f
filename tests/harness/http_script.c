#include "tests/harness/http_script.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/check.h"
#include "common/mem.h"
#include "common/num.h"

#define REQUEST_BYTES_MAX (32U << 20)

struct connection {
    struct http_script *script;
    unsigned number;
    uv_tcp_t tcp;
    uv_timer_t timer;
    uv_write_t write;
    bool writing;
    struct buf in;
    size_t answered; /* bytes of in that belong to the request being answered; 0: none */
    struct http_script_answer answer;
    unsigned open_handles;
    struct connection *next;
    struct connection *previous;
};

struct http_script {
    uv_loop_t *uv;
    uv_tcp_t listener;
    char url[64];
    unsigned accepted;
    unsigned requests;
    struct connection *connections;
    http_script_fn *on_request;
    void *ctx;
    bool closing;
    bool holds;
};

static void answer_next(struct connection *c);

struct slice http_script_header(const struct http_script_request *request, const char *name)
{
    struct slice head = request->head;
    size_t name_len = strlen(name);
    while (head.len > 0) {
        const uint8_t *end = memmem(head.ptr, head.len, "\r\n", 2);
        size_t len = end == NULL ? head.len : (size_t)(end - head.ptr);
        if (len > name_len && head.ptr[name_len] == ':' &&
            strncasecmp((const char *)head.ptr, name, name_len) == 0) {
            size_t start = name_len + 1;
            while (start < len && head.ptr[start] == ' ')
                start++;
            return slice_from(head.ptr + start, len - start);
        }
        size_t step = MIN(len + 2, head.len);
        head = slice_from(head.ptr + step, head.len - step);
    }
    return SLICE_NULL;
}

void http_script_reply(struct http_script_answer *answer, int status, const char *headers,
                       const char *body)
{
    buf_printf(&answer->raw, "HTTP/1.1 %d X\r\n%sContent-Length: %zu\r\n\r\n", status, headers,
               strlen(body));
    buf_append_str(&answer->raw, body);
}

/* --- connections ----------------------------------------------------------------------------- */

static void connection_closed(struct connection *c)
{
    if (--c->open_handles > 0)
        return;
    buf_release(&c->in);
    buf_release(&c->answer.raw);
    mem_free(c);
}

static void on_tcp_closed(uv_handle_t *handle)
{
    connection_closed(container_of(handle, struct connection, tcp));
}

static void on_timer_closed(uv_handle_t *handle)
{
    connection_closed(container_of(handle, struct connection, timer));
}

static void connection_close(struct connection *c)
{
    if (uv_is_closing((uv_handle_t *)&c->timer))
        return;
    struct http_script *script = c->script;
    if (c->previous == NULL)
        script->connections = c->next;
    else
        c->previous->next = c->next;
    if (c->next != NULL)
        c->next->previous = c->previous;
    uv_close((uv_handle_t *)&c->timer, on_timer_closed);
    if (!c->answer.reset || uv_tcp_close_reset(&c->tcp, on_tcp_closed) != 0)
        uv_close((uv_handle_t *)&c->tcp, on_tcp_closed);
}

static void on_written(uv_write_t *write, int status)
{
    struct connection *c = container_of(write, struct connection, write);
    c->writing = false;
    if (uv_is_closing((uv_handle_t *)&c->timer))
        return;
    if (status != 0 || c->answer.close || c->answer.reset) {
        connection_close(c);
        return;
    }
    memmove(c->in.ptr, c->in.ptr + c->answered, c->in.len - c->answered);
    c->in.len -= c->answered;
    c->answered = 0;
    answer_next(c);
}

static void on_answer_time(uv_timer_t *timer)
{
    struct connection *c = container_of(timer, struct connection, timer);
    uv_buf_t bytes = uv_buf_init((char *)c->answer.raw.ptr, (unsigned)c->answer.raw.len);
    if (c->answer.raw.len == 0) {
        connection_close(c);
        return;
    }
    c->writing = true;
    CHECK(uv_write(&c->write, (uv_stream_t *)&c->tcp, &bytes, 1, on_written) == 0);
}

/* The first whole request of what has come; false if there is none yet. */
static bool split_request(struct connection *c, struct http_script_request *ret)
{
    const uint8_t *end = c->in.len == 0 ? NULL : memmem(c->in.ptr, c->in.len, "\r\n\r\n", 4);
    if (end == NULL)
        return false;
    const uint8_t *line_end = memmem(c->in.ptr, c->in.len, "\r\n", 2);
    ret->line = slice_from(c->in.ptr, (size_t)(line_end - c->in.ptr));
    ret->head = slice_from(line_end + 2, (size_t)(end + 2 - line_end - 2));
    size_t head_len = (size_t)(end + 4 - c->in.ptr);
    uint64_t body_len = 0;
    struct slice length = http_script_header(ret, "Content-Length");
    if (!slice_is_null(length))
        CHECK(num_parse_u64(length, REQUEST_BYTES_MAX, &body_len) == STATUS_OK);
    if (c->in.len - head_len < body_len)
        return false;
    ret->body = slice_from(c->in.ptr + head_len, (size_t)body_len);
    ret->connection = c->number;
    c->answered = head_len + (size_t)body_len;
    return true;
}

static void send_answer(struct connection *c)
{
    CHECK(uv_timer_start(&c->timer, on_answer_time, (uint64_t)c->answer.delay_ms, 0) == 0);
}

static void answer_next(struct connection *c)
{
    struct http_script_request request;
    if (c->answered > 0 || !split_request(c, &request))
        return;
    request.number = c->script->requests++;
    buf_clear(&c->answer.raw);
    struct buf raw = c->answer.raw;
    c->answer = (struct http_script_answer){.raw = raw};
    c->script->on_request(c->script->ctx, &request, &c->answer);
    if (!c->answer.silent && !c->script->holds)
        send_answer(c);
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *ret)
{
    struct connection *c = container_of(handle, struct connection, tcp);
    uint8_t *room = buf_reserve(&c->in, suggested);
    *ret = uv_buf_init((char *)room, room == NULL ? 0 : (unsigned)suggested);
}

static void on_read(uv_stream_t *stream, ssize_t got, const uv_buf_t *bytes)
{
    struct connection *c = container_of(stream, struct connection, tcp);
    (void)bytes;
    if (got < 0) {
        connection_close(c);
        return;
    }
    buf_commit(&c->in, (size_t)got);
    answer_next(c);
}

static void on_connection(uv_stream_t *listener, int status)
{
    struct http_script *script = container_of(listener, struct http_script, listener);
    CHECK(status == 0);
    struct connection *c = mem_calloc(1, sizeof(*c));
    c->script = script;
    c->number = script->accepted++;
    c->open_handles = 2;
    buf_init(&c->in, REQUEST_BYTES_MAX);
    buf_init(&c->answer.raw, REQUEST_BYTES_MAX);
    CHECK(uv_tcp_init(script->uv, &c->tcp) == 0);
    CHECK(uv_timer_init(script->uv, &c->timer) == 0);
    CHECK(uv_accept(listener, (uv_stream_t *)&c->tcp) == 0);
    uv_tcp_nodelay(&c->tcp, 1);
    c->next = script->connections;
    if (c->next != NULL)
        c->next->previous = c;
    script->connections = c;
    CHECK(uv_read_start((uv_stream_t *)&c->tcp, on_alloc, on_read) == 0);
}

/* --- life ------------------------------------------------------------------------------------ */

struct http_script *http_script_new(struct loop *loop, http_script_fn *on_request, void *ctx)
{
    struct http_script *script = mem_calloc(1, sizeof(*script));
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    int len = sizeof(address);
    script->uv = loop_uv(loop);
    script->on_request = on_request;
    script->ctx = ctx;
    CHECK(uv_tcp_init(script->uv, &script->listener) == 0);
    CHECK(uv_tcp_bind(&script->listener, (struct sockaddr *)&address, 0) == 0);
    CHECK(uv_listen((uv_stream_t *)&script->listener, 128, on_connection) == 0);
    CHECK(uv_tcp_getsockname(&script->listener, (struct sockaddr *)&address, &len) == 0);
    snprintf(script->url, sizeof(script->url), "http://127.0.0.1:%u",
             (unsigned)ntohs(address.sin_port));
    return script;
}

static void on_listener_closed(uv_handle_t *handle)
{
    mem_free(container_of(handle, struct http_script, listener));
}

void http_script_free(struct http_script *script)
{
    if (script == NULL)
        return;
    while (script->connections != NULL)
        connection_close(script->connections);
    uv_close((uv_handle_t *)&script->listener, on_listener_closed);
}

void http_script_hold(struct http_script *script, bool holds)
{
    bool go = script->holds && !holds;
    script->holds = holds;
    for (struct connection *c = script->connections; go && c != NULL; c = c->next)
        if (c->answered > 0 && !c->answer.silent && !c->writing)
            send_answer(c);
}

const char *http_script_url(const struct http_script *script)
{
    return script->url;
}

unsigned http_script_connections(const struct http_script *script)
{
    return script->accepted;
}
