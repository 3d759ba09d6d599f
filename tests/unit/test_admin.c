#include "tests/harness/unit.h"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/admin.h"

struct fixture {
    struct loop *loop;
    struct admin *admin;
    const char *reasons;
    int metrics_asked;
    uv_tcp_t client;
    uv_connect_t connect;
    uv_write_t write;
    char chunk[65536];
    struct buf answer;
};

static void on_ready(void *ctx, struct buf *reasons)
{
    struct fixture *f = ctx;
    buf_append_str(reasons, f->reasons);
}

static void on_metrics(void *ctx, struct buf *out)
{
    struct fixture *f = ctx;
    f->metrics_asked++;
    for (int i = 0; i < 20000; i++)
        buf_append_str(out, "a_metric 1\n");
}

static const struct admin_callbacks callbacks = {.ready = on_ready, .metrics = on_metrics};

static int set_up(void **state)
{
    struct fixture *f = test_calloc(1, sizeof(*f));
    struct error error;
    f->loop = loop_new();
    f->reasons = "";
    f->admin = admin_new(f->loop, "127.0.0.1:0", &callbacks, f, &error);
    assert_non_null(f->admin);
    buf_init(&f->answer, (size_t)1 << 20);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    admin_free(f->admin);
    assert_status(loop_free(f->loop), STATUS_OK);
    buf_release(&f->answer);
    test_free(f);
    return 0;
}

static void on_allocate(uv_handle_t *handle, size_t size, uv_buf_t *buf)
{
    struct fixture *f = container_of(handle, struct fixture, client);
    (void)size;
    *buf = uv_buf_init(f->chunk, sizeof(f->chunk));
}

static void on_closed(uv_handle_t *handle)
{
    loop_stop(container_of(handle, struct fixture, client)->loop);
}

static void on_read(uv_stream_t *stream, ssize_t len, const uv_buf_t *buf)
{
    struct fixture *f = container_of(stream, struct fixture, client);
    if (len > 0)
        buf_append(&f->answer, buf->base, (size_t)len);
    if (len < 0) {
        assert_int_equal(len, UV_EOF);
        uv_close((uv_handle_t *)stream, on_closed);
    }
}

static void on_connected(uv_connect_t *connect, int status)
{
    struct fixture *f = container_of(connect, struct fixture, connect);
    assert_int_equal(status, 0);
    assert_int_equal(uv_read_start((uv_stream_t *)&f->client, on_allocate, on_read), 0);
}

/* Sends a request on a connection of its own and gives the whole answer. */
static const char *ask(struct fixture *f, const char *request)
{
    struct sockaddr_in address;
    char copy[1024];
    snprintf(copy, sizeof(copy), "%s\r\nHost: x\r\nConnection: close\r\n\r\n", request);
    uv_buf_t text = uv_buf_init(copy, (unsigned)strlen(copy));
    buf_clear(&f->answer);
    assert_int_equal(uv_ip4_addr("127.0.0.1", admin_port(f->admin), &address), 0);
    assert_int_equal(uv_tcp_init(loop_uv(f->loop), &f->client), 0);
    assert_int_equal(
        uv_tcp_connect(&f->connect, &f->client, (const struct sockaddr *)&address, on_connected),
        0);
    assert_int_equal(uv_write(&f->write, (uv_stream_t *)&f->client, &text, 1, NULL), 0);
    loop_run(f->loop);
    return buf_text(&f->answer);
}

static void assert_answer(const char *answer, const char *status, const char *body)
{
    assert_int_equal(strncmp(answer, "HTTP/1.1 ", 9), 0);
    assert_int_equal(strncmp(answer + 9, status, strlen(status)), 0);
    const char *start = strstr(answer, "\r\n\r\n");
    assert_non_null(start);
    assert_string_equal(start + 4, body);
}

static void health_says_that_the_loop_turns(void **state)
{
    assert_answer(ask(*state, "GET /healthz HTTP/1.1"), "200", "ok\n");
}

static void ready_gives_the_reasons(void **state)
{
    struct fixture *f = *state;
    assert_answer(ask(f, "GET /readyz HTTP/1.1"), "200", "ready\n");
    f->reasons = "queue: gone\nKafka: no partitions\n";
    assert_answer(ask(f, "GET /readyz?verbose=1 HTTP/1.1"), "503", f->reasons);
}

static void metrics_of_any_size(void **state)
{
    struct fixture *f = *state;
    const char *answer = ask(f, "GET /metrics HTTP/1.1");
    assert_non_null(strstr(answer, "Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n"));
    assert_non_null(strstr(answer, "Content-Length: 220000\r\n"));
    assert_int_equal(strlen(strstr(answer, "\r\n\r\n") + 4), 220000);
    assert_int_equal(f->metrics_asked, 1);
}

static void head_has_no_body(void **state)
{
    const char *answer = ask(*state, "HEAD /healthz HTTP/1.1");
    assert_non_null(strstr(answer, "Content-Length: 3\r\n"));
    assert_answer(answer, "200", "");
}

static void other_pages_and_methods_are_refused(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(strncmp(ask(f, "GET / HTTP/1.1"), "HTTP/1.1 404 ", 13), 0);
    assert_int_equal(strncmp(ask(f, "POST /healthz/ HTTP/1.1"), "HTTP/1.1 404 ", 13), 0);
    const char *answer = ask(f, "DELETE /metrics HTTP/1.1");
    assert_int_equal(strncmp(answer, "HTTP/1.1 405 ", 13), 0);
    assert_non_null(strstr(answer, "Allow: GET, HEAD\r\n"));
    answer = ask(f, "POST /readyz HTTP/1.1\r\nContent-Length: 4\r\nX: y\r\n\r\nbody");
    assert_int_equal(strncmp(answer, "HTTP/1.1 405 ", 13), 0);
    assert_int_equal(f->metrics_asked, 0);
}

static void nonsense_does_no_harm(void **state)
{
    struct fixture *f = *state;
    ask(f, "\x16\x03\x01 nonsense");
    assert_answer(ask(f, "GET /healthz HTTP/1.1"), "200", "ok\n");
}

static void addresses_that_cannot_be_had(void **state)
{
    struct fixture *f = *state;
    static const char *const wrong[] = {"127.0.0.1",       "127.0.0.1:", "127.0.0.1:x",
                                        "127.0.0.1:99999", "::1:80",     "256.0.0.1:0"};
    struct error error;
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        assert_null(admin_new(f->loop, wrong[i], &callbacks, f, &error));
        assert_int_equal(error.kind, ERROR_PERMANENT);
    }
    char taken[32];
    snprintf(taken, sizeof(taken), "127.0.0.1:%u", admin_port(f->admin));
    assert_null(admin_new(f->loop, taken, &callbacks, f, &error));
    assert_non_null(strstr(error.text, "Address already in use"));
}

static void all_forms_of_addresses(void **state)
{
    struct fixture *f = *state;
    static const char *const right[] = {":0", "0.0.0.0:0", "localhost:0"};
    struct error error;
    for (size_t i = 0; i < ARRAY_LEN(right); i++) {
        struct admin *admin = admin_new(f->loop, right[i], &callbacks, f, &error);
        assert_non_null(admin);
        assert_true(admin_port(admin) > 0);
        admin_free(admin);
    }
    int probe = socket(AF_INET6, SOCK_STREAM, 0);
    if (probe >= 0) { /* a host may have no IPv6 */
        struct sockaddr_in6 loopback = {.sin6_family = AF_INET6, .sin6_addr = in6addr_loopback};
        bool usable = bind(probe, (const struct sockaddr *)&loopback, sizeof(loopback)) == 0;
        close(probe);
        struct admin *admin = admin_new(f->loop, "[::1]:0", &callbacks, f, &error);
        assert_int_equal(admin != NULL, usable);
        admin_free(admin);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(health_says_that_the_loop_turns),
        TEST(ready_gives_the_reasons),
        TEST(metrics_of_any_size),
        TEST(head_has_no_body),
        TEST(other_pages_and_methods_are_refused),
        TEST(nonsense_does_no_harm),
        TEST(addresses_that_cannot_be_had),
        TEST(all_forms_of_addresses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
