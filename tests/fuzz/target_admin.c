/* The admin port: any bytes on a connection of their own, all that comes back is looked at. The
 * port stays open from one input to the next, as it does in a program; connections are no state
 * of it, and one that would not end shows as a time-out. */
#include <sys/socket.h>

#include "common/admin.h"
#include "common/mem.h"
#include "tests/fuzz/fuzz.h"

#define TURNS 6 /* for accepting, reading and answering */

struct server {
    struct loop *loop;
    struct admin *admin;
};

struct client {
    struct server *server;
    uv_tcp_t tcp;
    uv_connect_t connect;
    uv_write_t write;
    uv_shutdown_t shutdown;
    uv_idle_t turns; /* before the shutdown */
    int turns_left;
    uv_buf_t request;
    char chunk[4096];
    struct buf answer;
};

static void on_ready(void *ctx, struct buf *reasons)
{
    (void)ctx;
    buf_append_str(reasons, "not today\n");
}

static void on_metrics(void *ctx, struct buf *out)
{
    (void)ctx;
    buf_append_str(out, "a_metric 1\n");
}

static struct server *open_server(void)
{
    static struct server server;
    const struct admin_callbacks callbacks = {.ready = on_ready, .metrics = on_metrics};
    if (server.loop == NULL) {
        struct error error;
        server.loop = loop_new();
        server.admin = admin_new(server.loop, "127.0.0.1:0", &callbacks, NULL, &error);
        EXPECT(server.admin != NULL);
    }
    return &server;
}

static void on_turns_closed(uv_handle_t *handle)
{
    loop_stop(container_of(handle, struct client, turns)->server->loop);
}

static void on_closed(uv_handle_t *handle)
{
    uv_close((uv_handle_t *)&container_of(handle, struct client, tcp)->turns, on_turns_closed);
}

static void close_client(struct client *c)
{
    if (!uv_is_closing((uv_handle_t *)&c->tcp) &&
        uv_tcp_close_reset(&c->tcp, on_closed) != 0) /* leaves no port behind that waits */
        uv_close((uv_handle_t *)&c->tcp, on_closed);
}

static void on_allocate(uv_handle_t *handle, size_t size, uv_buf_t *buf)
{
    (void)size;
    struct client *c = container_of(handle, struct client, tcp);
    *buf = uv_buf_init(c->chunk, sizeof(c->chunk));
}

static void on_read(uv_stream_t *stream, ssize_t len, const uv_buf_t *buf)
{
    struct client *c = container_of(stream, struct client, tcp);
    if (len > 0)
        buf_append(&c->answer, buf->base, (size_t)len);
    if (len < 0)
        close_client(c);
}

static void on_shut_down(uv_shutdown_t *shutdown, int status)
{
    (void)shutdown;
    (void)status; /* the server may have gone first; reading says so */
}

static void on_turn(uv_idle_t *turns)
{
    struct client *c = container_of(turns, struct client, turns);
    if (--c->turns_left > 0)
        return;
    uv_idle_stop(turns);
    if (!uv_is_closing((uv_handle_t *)&c->tcp))
        (void)uv_shutdown(&c->shutdown, (uv_stream_t *)&c->tcp, on_shut_down);
}

/* libmicrohttpd (0.9.75) does not see an end that comes in one piece with the last bytes, and waits
 * for its time-out then: so the end comes some turns later. */
static void on_connected(uv_connect_t *connect, int status)
{
    struct client *c = container_of(connect, struct client, connect);
    uv_stream_t *stream = (uv_stream_t *)&c->tcp;
    EXPECT(status == 0 && uv_read_start(stream, on_allocate, on_read) == 0);
    EXPECT(uv_write(&c->write, stream, &c->request, 1, NULL) == 0);
    EXPECT(uv_idle_start(&c->turns, on_turn) == 0);
}

static void converse(struct client *c)
{
    struct sockaddr_in address;
    EXPECT(uv_ip4_addr("127.0.0.1", admin_port(c->server->admin), &address) == 0);
    EXPECT(uv_tcp_init(loop_uv(c->server->loop), &c->tcp) == 0);
    EXPECT(uv_idle_init(loop_uv(c->server->loop), &c->turns) == 0);
    c->turns_left = TURNS;
    EXPECT(uv_tcp_connect(&c->connect, &c->tcp, (const struct sockaddr *)&address, on_connected) ==
           0);
    loop_run(c->server->loop);
}

static void check_answer(const struct buf *answer)
{
    static const int known[] = {100, 200, 400, 404, 405, 411, 413,
                                414, 417, 431, 500, 501, 503, 505};
    if (answer->len == 0)
        return;
    EXPECT(answer->len > 12 && memcmp(answer->ptr, "HTTP/1.", 7) == 0);
    int status =
        (answer->ptr[9] - '0') * 100 + (answer->ptr[10] - '0') * 10 + answer->ptr[11] - '0';
    bool is_known = false;
    for (size_t i = 0; i < ARRAY_LEN(known); i++)
        is_known = is_known || status == known[i];
    EXPECT(is_known);
}

static void check_address(struct slice text)
{
    char host[ADMIN_HOST_SIZE];
    const char *port;
    CLEANUP(mem_freep) char *address = fuzz_text(text);
    if (admin_address_split(address, host, &port) != STATUS_OK)
        return;
    EXPECT(strlen(host) < ADMIN_HOST_SIZE && strchr(address, ':') != NULL);
    EXPECT(port > address && port[-1] == ':' && strspn(port, "0123456789") == strlen(port));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    check_address(slice_from(data, size));
    struct client *c = mem_calloc(1, sizeof(*c));
    c->server = open_server();
    buf_init(&c->answer, (size_t)1 << 20);
    CLEANUP(mem_freep) uint8_t *copy = fuzz_copy(slice_from(data, size));
    c->request = uv_buf_init((char *)copy, (unsigned)size);
    converse(c);
    check_answer(&c->answer);
    buf_release(&c->answer);
    mem_free(c);
    return 0;
}
