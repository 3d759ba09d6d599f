#include "tests/emulator/http_server.h"

#include <string.h>

#include "common/check.h"
#include "common/mem.h"
#include "tests/model/model_list.h"

#define READ_CHUNK        65536
#define IN_BYTES_KEPT     (1024 * 1024)
#define BACKLOG           512
#define REQUEST_BYTES_MAX (HTTP_REQUEST_HEAD_BYTES_MAX + HTTP_REQUEST_BODY_BYTES_MAX)

struct http_server {
    uv_tcp_t listener;
    uv_loop_t *loop;
    http_request_fn *on_request;
    void *ctx;
    struct model_list connections;
    bool closing;
    bool listener_closed;
};

enum phase {
    PHASE_HEAD,   /* reading up to the empty line */
    PHASE_BODY,   /* reading Content-Length bytes */
    PHASE_WAIT,   /* the exchange is the handler's */
    PHASE_ANSWER, /* writing */
    PHASE_CLOSED,
};

/* A connection has at most one request in work, so the exchange is the connection. */
struct http_exchange {
    struct model_list_node by_server;
    struct http_server *server;
    uv_tcp_t tcp;
    uv_write_t write;
    enum phase phase;
    bool parsing; /* in the loop of serve(): an answer at once must not start a second one */
    bool close_after;
    bool reset;
    struct buf in;    /* the request; must not move while it is worked on */
    struct buf spill; /* what comes meanwhile */
    size_t scanned;   /* of the head */
    size_t head_len;
    size_t body_len;
    struct http_request request;
    http_gone_fn *on_gone;
    void *gone_ctx;
    struct buf head;
    struct buf body;
};

static void serve(struct http_exchange *x);

const struct http_request *http_exchange_request(const struct http_exchange *x)
{
    return &x->request;
}

void http_exchange_on_gone(struct http_exchange *x, http_gone_fn *on_gone, void *ctx)
{
    x->on_gone = on_gone;
    x->gone_ctx = ctx;
}

/* --- closing --------------------------------------------------------------------------------- */

static void free_if_done(struct http_server *server)
{
    if (server->closing && server->listener_closed &&
        model_list_first(&server->connections) == NULL)
        mem_free(server);
}

static void on_connection_closed(uv_handle_t *handle)
{
    struct http_exchange *x = container_of(handle, struct http_exchange, tcp);
    struct http_server *server = x->server;
    model_list_remove(&x->by_server);
    buf_release(&x->in);
    buf_release(&x->spill);
    buf_release(&x->head);
    buf_release(&x->body);
    mem_free(x);
    free_if_done(server);
}

static void close_connection(struct http_exchange *x, bool reset)
{
    if (x->phase == PHASE_CLOSED)
        return;
    x->phase = PHASE_CLOSED;
    if (reset && uv_tcp_close_reset(&x->tcp, on_connection_closed) == 0)
        return;
    uv_close((uv_handle_t *)&x->tcp, on_connection_closed);
}

static void client_gone(struct http_exchange *x)
{
    http_gone_fn *on_gone = x->phase == PHASE_WAIT ? x->on_gone : NULL;
    void *ctx = x->gone_ctx;
    close_connection(x, false);
    if (on_gone != NULL)
        on_gone(ctx);
}

/* --- answering ------------------------------------------------------------------------------- */

static void on_written(uv_write_t *write, int status)
{
    struct http_exchange *x = container_of(write, struct http_exchange, write);
    if (x->phase == PHASE_CLOSED)
        return;
    if (status < 0 || x->close_after) {
        close_connection(x, x->reset);
        return;
    }
    buf_clear(&x->head);
    buf_release(&x->body); /* megabytes now and then: not kept for idle connections */
    size_t used = x->head_len + x->body_len;
    memmove(x->in.ptr, x->in.ptr + used, x->in.len - used);
    x->in.len -= used;
    if (x->in.len == 0 && x->in.capacity > IN_BYTES_KEPT)
        buf_release(&x->in);
    buf_append_slice(&x->in, buf_slice(&x->spill));
    buf_clear(&x->spill);
    x->phase = PHASE_HEAD;
    x->scanned = 0;
    serve(x);
}

static const char *reason_of(int status)
{
    switch (status) {
    case 200:
        return "OK";
    case 400:
        return "Bad Request";
    case 403:
        return "Forbidden";
    case 404:
        return "Not Found";
    case 500:
        return "Internal Server Error";
    case 503:
        return "Service Unavailable";
    }
    return "Status";
}

static void start_write(struct http_exchange *x, size_t cut_at)
{
    size_t head = MIN(x->head.len, cut_at);
    size_t body = MIN(x->body.len, cut_at - head);
    uv_buf_t parts[2] = {uv_buf_init((char *)x->head.ptr, (unsigned)head),
                         uv_buf_init((char *)x->body.ptr, (unsigned)body)};
    x->phase = PHASE_ANSWER;
    if (head == 0 ||
        uv_write(&x->write, (uv_stream_t *)&x->tcp, parts, body == 0 ? 1 : 2, on_written) != 0)
        close_connection(x, x->reset);
}

void http_exchange_answer(struct http_exchange *x, const struct http_answer *answer)
{
    CHECK(x->phase == PHASE_WAIT);
    x->on_gone = NULL;
    if (answer->body != NULL) {
        buf_release(&x->body);
        x->body = *answer->body;
        buf_init(answer->body, answer->body->max);
    }
    buf_printf(&x->head, "HTTP/1.1 %d %s\r\n%sContent-Length: %zu\r\n\r\n", answer->status,
               reason_of(answer->status), answer->headers == NULL ? "" : answer->headers,
               x->body.len);
    if (answer->cut_at != HTTP_ANSWER_WHOLE) {
        x->close_after = true;
        x->reset = answer->reset;
    }
    start_write(x, answer->cut_at);
}

static void refuse(struct http_exchange *x, int status)
{
    x->phase = PHASE_WAIT;
    x->close_after = true;
    http_exchange_answer(x, &(struct http_answer){.status = status,
                                                  .headers = "Connection: close\r\n",
                                                  .cut_at = HTTP_ANSWER_WHOLE});
}

/* --- parsing --------------------------------------------------------------------------------- */

/* 0, or the status to refuse it with. */
static int parse_head(struct http_exchange *x)
{
    return http_request_parse(slice_from(x->in.ptr, x->head_len), &x->request, &x->body_len);
}

static bool head_complete(struct http_exchange *x)
{
    size_t from = x->scanned < 3 ? 0 : x->scanned - 3;
    const uint8_t *end =
        x->in.len - from < 4 ? NULL : memmem(x->in.ptr + from, x->in.len - from, "\r\n\r\n", 4);
    x->scanned = x->in.len;
    if (end == NULL)
        return false;
    x->head_len = (size_t)(end - x->in.ptr) + 4;
    return true;
}

static void send_continue(struct http_exchange *x)
{
    static char line[] = "HTTP/1.1 100 Continue\r\n\r\n";
    uv_buf_t part = uv_buf_init(line, sizeof(line) - 1);
    (void)uv_try_write((uv_stream_t *)&x->tcp, &part, 1); /* a few bytes on an idle socket fit */
}

static void finish_head(struct http_exchange *x)
{
    int refused = parse_head(x);
    if (refused != 0) {
        refuse(x, refused);
        return;
    }
    struct slice expect = http_request_header(&x->request, "expect");
    if (!slice_is_null(expect) && x->in.len == x->head_len)
        send_continue(x);
    x->phase = PHASE_BODY;
}

/* The buffer may have moved while the body came: slices are taken once it is whole. */
static void finish_body(struct http_exchange *x)
{
    CHECK(parse_head(x) == 0);
    x->request.body = slice_from(x->in.ptr + x->head_len, x->body_len);
    struct slice connection = http_request_header(&x->request, "connection");
    if (connection.len == 5 && strncasecmp((const char *)connection.ptr, "close", 5) == 0)
        x->close_after = true;
    x->phase = PHASE_WAIT;
    x->server->on_request(x->server->ctx, x);
}

static void serve(struct http_exchange *x)
{
    if (x->parsing)
        return;
    x->parsing = true;
    for (;;) {
        if (x->phase == PHASE_HEAD && head_complete(x)) {
            finish_head(x);
        } else if (x->phase == PHASE_HEAD && x->in.len > HTTP_REQUEST_HEAD_BYTES_MAX) {
            refuse(x, 431);
        } else if (x->phase == PHASE_BODY && x->in.len - x->head_len >= x->body_len) {
            finish_body(x);
        } else {
            break;
        }
    }
    x->parsing = false;
}

/* --- reading --------------------------------------------------------------------------------- */

static struct buf *reading_into(struct http_exchange *x)
{
    return x->phase == PHASE_HEAD || x->phase == PHASE_BODY ? &x->in : &x->spill;
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *ret)
{
    (void)suggested;
    struct http_exchange *x = container_of(handle, struct http_exchange, tcp);
    uint8_t *room = buf_reserve(reading_into(x), READ_CHUNK);
    *ret = uv_buf_init((char *)room, room == NULL ? 0 : READ_CHUNK); /* 0: UV_ENOBUFS */
}

static void on_read(uv_stream_t *stream, ssize_t got, const uv_buf_t *chunk)
{
    (void)chunk;
    struct http_exchange *x = container_of(stream, struct http_exchange, tcp);
    if (got < 0) {
        client_gone(x);
        return;
    }
    if (got == 0)
        return;
    buf_commit(reading_into(x), (size_t)got);
    serve(x);
}

static void on_connection(uv_stream_t *listener, int status)
{
    struct http_server *server = container_of(listener, struct http_server, listener);
    if (status < 0 || server->closing)
        return;
    struct http_exchange *x = mem_calloc(1, sizeof(*x));
    x->server = server;
    buf_init(&x->in, REQUEST_BYTES_MAX + READ_CHUNK);
    buf_init(&x->spill, REQUEST_BYTES_MAX + READ_CHUNK);
    buf_init(&x->head, HTTP_REQUEST_HEAD_BYTES_MAX);
    buf_init(&x->body, SIZE_MAX / 2);
    CHECK(uv_tcp_init(server->loop, &x->tcp) == 0);
    model_list_append(&server->connections, &x->by_server);
    if (uv_accept(listener, (uv_stream_t *)&x->tcp) != 0 ||
        uv_read_start((uv_stream_t *)&x->tcp, on_alloc, on_read) != 0) {
        close_connection(x, false);
        return;
    }
    (void)uv_tcp_nodelay(&x->tcp, 1);
}

/* --- life ------------------------------------------------------------------------------------ */

struct http_server *http_server_new(uv_loop_t *loop, int port, http_request_fn *on_request,
                                    void *ctx, int *ret_error)
{
    struct http_server *server = mem_calloc(1, sizeof(*server));
    server->loop = loop;
    server->on_request = on_request;
    server->ctx = ctx;
    model_list_init(&server->connections);
    struct sockaddr_in address;
    CHECK(uv_tcp_init(loop, &server->listener) == 0);
    CHECK(uv_ip4_addr("127.0.0.1", port, &address) == 0);
    int error = uv_tcp_bind(&server->listener, (const struct sockaddr *)&address, 0);
    if (error == 0)
        error = uv_listen((uv_stream_t *)&server->listener, BACKLOG, on_connection);
    if (error == 0)
        return server;
    *ret_error = error;
    http_server_close(server);
    return NULL;
}

int http_server_port(const struct http_server *server)
{
    struct sockaddr_in address;
    int len = (int)sizeof(address);
    CHECK(uv_tcp_getsockname(&server->listener, (struct sockaddr *)&address, &len) == 0);
    return ntohs(address.sin_port);
}

static void on_listener_closed(uv_handle_t *handle)
{
    struct http_server *server = container_of(handle, struct http_server, listener);
    server->listener_closed = true;
    free_if_done(server);
}

void http_server_close(struct http_server *server)
{
    server->closing = true;
    struct model_list_node *node = model_list_first(&server->connections);
    for (; node != NULL; node = model_list_next(&server->connections, node))
        close_connection(container_of(node, struct http_exchange, by_server), false);
    uv_close((uv_handle_t *)&server->listener, on_listener_closed);
}
