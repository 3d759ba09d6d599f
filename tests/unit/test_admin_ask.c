#include "tests/harness/unit.h"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/admin.h"

/* The one who asks blocks, so it has a thread of its own while the loop turns. */
struct fixture {
    struct loop *loop;
    struct admin *admin;
    const char *reasons;
    uv_thread_t thread;
    uv_async_t done;
    char address[64];
    const char *path;
    bool is_well;
    struct buf answer;
};

static void on_ready(void *ctx, struct buf *reasons)
{
    struct fixture *f = ctx;
    buf_append_str(reasons, f->reasons);
}

static void on_metrics(void *ctx, struct buf *out)
{
    (void)ctx;
    for (int i = 0; i < 20000; i++)
        buf_append_str(out, "a_metric 1\n");
}

static int set_up(void **state)
{
    static const struct admin_callbacks callbacks = {.ready = on_ready, .metrics = on_metrics};
    struct fixture *f = test_calloc(1, sizeof(*f));
    struct error error;
    f->loop = loop_new();
    f->reasons = "";
    f->admin = admin_new(f->loop, "0.0.0.0:0", &callbacks, f, &error);
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

static void run_thread(void *arg)
{
    struct fixture *f = arg;
    f->is_well = admin_ask(f->address, f->path, &f->answer);
    uv_async_send(&f->done);
}

static void on_async_closed(uv_handle_t *handle)
{
    loop_stop(container_of(handle, struct fixture, done)->loop);
}

static void on_done(uv_async_t *done)
{
    uv_close((uv_handle_t *)done, on_async_closed);
}

static bool ask(struct fixture *f, const char *host, const char *path)
{
    snprintf(f->address, sizeof(f->address), "%s:%u", host, admin_port(f->admin));
    f->path = path;
    buf_clear(&f->answer);
    assert_int_equal(uv_async_init(loop_uv(f->loop), &f->done, on_done), 0);
    assert_int_equal(uv_thread_create(&f->thread, run_thread, f), 0);
    loop_run(f->loop);
    assert_int_equal(uv_thread_join(&f->thread), 0);
    return f->is_well;
}

static void well_by_every_name_of_this_host(void **state)
{
    struct fixture *f = *state;
    static const char *const hosts[] = {"127.0.0.1", "0.0.0.0", "", "localhost"};
    for (size_t i = 0; i < ARRAY_LEN(hosts); i++) {
        assert_true(ask(f, hosts[i], "/healthz"));
        assert_string_equal(buf_text(&f->answer), "ok\n");
    }
}

static void not_ready_gives_the_reasons(void **state)
{
    struct fixture *f = *state;
    assert_true(ask(f, "127.0.0.1", "/readyz"));
    f->reasons = "queue: gone\nKafka: no partitions\n";
    assert_false(ask(f, "127.0.0.1", "/readyz"));
    assert_string_equal(buf_text(&f->answer), f->reasons);
    assert_true(ask(f, "127.0.0.1", "/healthz"));
}

static void other_pages_are_not_well(void **state)
{
    assert_false(ask(*state, "127.0.0.1", "/elsewhere"));
}

/* More than is wanted is cut, and no reason to call a process ill. */
static void a_long_answer_is_an_answer(void **state)
{
    struct fixture *f = *state;
    assert_true(ask(f, "127.0.0.1", "/metrics"));
    assert_true(f->answer.len > 4096);
}

static void addresses_that_cannot_be_asked(void **state)
{
    struct fixture *f = *state;
    static const char *const wrong[] = {"127.0.0.1", "127.0.0.1:0", ":x", "256.0.0.1:80"};
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        buf_clear(&f->answer);
        assert_false(admin_ask(wrong[i], "/healthz", &f->answer));
        assert_true(f->answer.len > 0);
    }
}

/* Bound to a port of its own; who listens gets connections, and never says a word. */
static uint16_t bind_socket(bool listens, int *ret_fd)
{
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(name);
    *ret_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(*ret_fd >= 0);
    assert_int_equal(bind(*ret_fd, (const struct sockaddr *)&name, sizeof(name)), 0);
    if (listens)
        assert_int_equal(listen(*ret_fd, 1), 0);
    assert_int_equal(getsockname(*ret_fd, (struct sockaddr *)&name, &len), 0);
    return ntohs(name.sin_port);
}

static void nobody_listens_or_nobody_answers(void **state)
{
    struct fixture *f = *state;
    static const char *const reasons[] = {"Connection refused", "no whole answer"};
    for (int listens = 0; listens < 2; listens++) {
        int fd;
        snprintf(f->address, sizeof(f->address), "127.0.0.1:%u", bind_socket(listens == 1, &fd));
        buf_clear(&f->answer);
        assert_false(admin_ask(f->address, "/healthz", &f->answer));
        assert_non_null(strstr(buf_text(&f->answer), reasons[listens]));
        close(fd);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(well_by_every_name_of_this_host), TEST(not_ready_gives_the_reasons),
        TEST(other_pages_are_not_well),        TEST(a_long_answer_is_an_answer),
        TEST(addresses_that_cannot_be_asked),  TEST(nobody_listens_or_nobody_answers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
