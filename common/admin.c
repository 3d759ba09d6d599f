#include "common/admin.h"

#include <errno.h>
#include <microhttpd.h>
#include <netdb.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/check.h"
#include "common/limits.h"
#include "common/mem.h"
#include "common/num.h"

#define CONNECTIONS_MAX      32U
#define CONNECTION_BYTES     ((size_t)16 * KIB)
#define CONNECTION_TIMEOUT_S 10U
#define BACKLOG              16
#define PAGE_BYTES_MAX       ((size_t)4 * MIB)

struct admin {
    struct admin_callbacks callbacks;
    void *ctx;
    struct MHD_Daemon *daemon;
    uv_poll_t poll;
    uv_timer_t timer;
    uint16_t port;
    unsigned open_handles;
};

/* --- requests -------------------------------------------------------------------------------- */

static enum MHD_Result reply(struct MHD_Connection *connection, unsigned code, const char *type,
                             struct slice body)
{
    /* The const is lost on the way in only: MHD copies. */
    struct MHD_Response *response = MHD_create_response_from_buffer(
        body.len, (void *)(uintptr_t)body.ptr, MHD_RESPMEM_MUST_COPY);
    if (response == NULL)
        mem_exhausted("MHD_create_response_from_buffer", body.len);
    MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type);
    MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
    if (code == MHD_HTTP_METHOD_NOT_ALLOWED)
        MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, "GET, HEAD");
    enum MHD_Result queued = MHD_queue_response(connection, code, response);
    MHD_destroy_response(response);
    return queued;
}

static enum MHD_Result reply_text(struct MHD_Connection *connection, unsigned code,
                                  struct slice body)
{
    return reply(connection, code, "text/plain; charset=utf-8", body);
}

static enum MHD_Result serve_health(struct admin *admin, struct MHD_Connection *connection)
{
    (void)admin;
    return reply_text(connection, MHD_HTTP_OK, SLICE_LITERAL("ok\n"));
}

static enum MHD_Result serve_ready(struct admin *admin, struct MHD_Connection *connection)
{
    CLEANUP(buf_release) struct buf reasons;
    buf_init(&reasons, PAGE_BYTES_MAX);
    admin->callbacks.ready(admin->ctx, &reasons);
    if (reasons.len == 0)
        return reply_text(connection, MHD_HTTP_OK, SLICE_LITERAL("ready\n"));
    return reply_text(connection, MHD_HTTP_SERVICE_UNAVAILABLE, buf_slice(&reasons));
}

static enum MHD_Result serve_metrics(struct admin *admin, struct MHD_Connection *connection)
{
    CLEANUP(buf_release) struct buf page;
    buf_init(&page, PAGE_BYTES_MAX);
    admin->callbacks.metrics(admin->ctx, &page);
    if (page.overflow)
        return reply_text(connection, MHD_HTTP_INTERNAL_SERVER_ERROR,
                          SLICE_LITERAL("too many metrics for a page\n"));
    return reply(connection, MHD_HTTP_OK, "text/plain; version=0.0.4; charset=utf-8",
                 buf_slice(&page));
}

static const struct page {
    const char *url;
    enum MHD_Result (*serve)(struct admin *admin, struct MHD_Connection *connection);
} pages[] = {
    {"/healthz", serve_health},
    {"/readyz", serve_ready},
    {"/metrics", serve_metrics},
};

static enum MHD_Result on_request(void *ctx, struct MHD_Connection *connection, const char *url,
                                  const char *method, const char *version, const char *upload,
                                  size_t *upload_len, void **request)
{
    static const char seen[] = "headers seen";
    struct admin *admin = ctx;
    (void)version;
    (void)upload;
    /* The first call has the headers only, then come those with a body, then one with none. */
    if (*request == NULL) {
        *request = (void *)(uintptr_t)seen;
        return MHD_YES;
    }
    if (*upload_len > 0) {
        *upload_len = 0;
        return MHD_YES;
    }
    for (size_t i = 0; i < ARRAY_LEN(pages); i++) {
        if (strcmp(url, pages[i].url) != 0)
            continue;
        if (strcmp(method, MHD_HTTP_METHOD_GET) != 0 && strcmp(method, MHD_HTTP_METHOD_HEAD) != 0)
            return reply_text(connection, MHD_HTTP_METHOD_NOT_ALLOWED,
                              SLICE_LITERAL("GET and HEAD only\n"));
        return pages[i].serve(admin, connection);
    }
    return reply_text(connection, MHD_HTTP_NOT_FOUND,
                      SLICE_LITERAL("/healthz, /readyz, /metrics\n"));
}

/* --- on the loop ----------------------------------------------------------------------------- */

static void on_timer(uv_timer_t *timer);

static void run_daemon(struct admin *admin)
{
    MHD_UNSIGNED_LONG_LONG timeout_ms;
    MHD_run(admin->daemon);
    if (MHD_get_timeout(admin->daemon, &timeout_ms) == MHD_YES)
        uv_timer_start(&admin->timer, on_timer, timeout_ms, 0);
    else
        uv_timer_stop(&admin->timer);
}

static void on_timer(uv_timer_t *timer)
{
    run_daemon(container_of(timer, struct admin, timer));
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
    (void)status;
    (void)events;
    run_daemon(container_of(poll, struct admin, poll));
}

/* --- life ------------------------------------------------------------------------------------ */

enum status admin_address_split(const char *address, char host[ADMIN_HOST_SIZE],
                                const char **ret_port)
{
    const char *colon = strrchr(address, ':');
    uint64_t port;
    if (colon == NULL || num_parse_u64(slice_from_str(colon + 1), UINT16_MAX, &port) != STATUS_OK)
        return STATUS_INVALID;
    size_t len = (size_t)(colon - address);
    if (len >= 2 && address[0] == '[' && colon[-1] == ']') {
        address++;
        len -= 2;
    } else if (memchr(address, ':', len) != NULL) {
        return STATUS_INVALID;
    }
    if (len >= ADMIN_HOST_SIZE)
        return STATUS_INVALID;
    memcpy(host, address, len);
    host[len] = '\0';
    *ret_port = colon + 1;
    return STATUS_OK;
}

enum status admin_address_check(const char *address)
{
    char host[ADMIN_HOST_SIZE];
    const char *port;
    return admin_address_split(address, host, &port);
}

static int listen_on(const struct addrinfo *address)
{
    const int on = 1;
    int fd = socket(address->ai_family, address->ai_socktype | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0 &&
        bind(fd, address->ai_addr, address->ai_addrlen) == 0 && listen(fd, BACKLOG) == 0)
        return fd;
    int reason = errno;
    close(fd);
    errno = reason;
    return -1;
}

static int open_listener(const char *address, struct error *reterr)
{
    char host[ADMIN_HOST_SIZE];
    const char *port;
    if (admin_address_split(address, host, &port) != STATUS_OK) {
        error_set(reterr, ERROR_PERMANENT, "admin_address", "not host:port or [host]:port: %s",
                  address);
        return -1;
    }
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM,
                                   .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    struct addrinfo *found = NULL;
    int failed = getaddrinfo(host[0] == '\0' ? NULL : host, port, &hints, &found);
    if (failed != 0) {
        error_set(reterr, ERROR_PERMANENT, "admin_address", "%s: %s", address,
                  gai_strerror(failed));
        return -1;
    }
    int fd = listen_on(found);
    if (fd < 0)
        error_set(reterr, ERROR_PERMANENT, "admin_address", "cannot listen on %s: %s", address,
                  strerrordesc_np(errno));
    freeaddrinfo(found);
    return fd;
}

struct admin *admin_new(struct loop *loop, const char *address,
                        const struct admin_callbacks *callbacks, void *ctx, struct error *reterr)
{
    int fd = open_listener(address, reterr);
    if (fd < 0)
        return NULL;
    struct admin *admin = mem_calloc(1, sizeof(*admin));
    admin->callbacks = *callbacks;
    admin->ctx = ctx;
    /* MHD owns the socket from here on. */
    admin->daemon = MHD_start_daemon(
        MHD_USE_EPOLL, 0, NULL, NULL, on_request, admin, MHD_OPTION_LISTEN_SOCKET, fd,
        MHD_OPTION_CONNECTION_LIMIT, CONNECTIONS_MAX, MHD_OPTION_CONNECTION_TIMEOUT,
        CONNECTION_TIMEOUT_S, MHD_OPTION_CONNECTION_MEMORY_LIMIT, CONNECTION_BYTES,
        MHD_OPTION_SIGPIPE_HANDLED_BY_APP, 1, MHD_OPTION_END);
    if (admin->daemon == NULL)
        mem_exhausted("MHD_start_daemon", sizeof(*admin));
    int epoll_fd = MHD_get_daemon_info(admin->daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;
    admin->port = MHD_get_daemon_info(admin->daemon, MHD_DAEMON_INFO_BIND_PORT)->port;
    CHECK(uv_poll_init(loop_uv(loop), &admin->poll, epoll_fd) == 0);
    CHECK(uv_timer_init(loop_uv(loop), &admin->timer) == 0);
    CHECK(uv_poll_start(&admin->poll, UV_READABLE, on_readable) == 0);
    admin->open_handles = 2;
    return admin;
}

uint16_t admin_port(const struct admin *admin)
{
    return admin->port;
}

static void on_closed(struct admin *admin)
{
    admin->open_handles--;
    if (admin->open_handles == 0)
        mem_free(admin);
}

static void on_poll_closed(uv_handle_t *handle)
{
    on_closed(container_of(handle, struct admin, poll));
}

static void on_timer_closed(uv_handle_t *handle)
{
    on_closed(container_of(handle, struct admin, timer));
}

void admin_free(struct admin *admin)
{
    if (admin == NULL)
        return;
    uv_close((uv_handle_t *)&admin->poll, on_poll_closed);
    uv_close((uv_handle_t *)&admin->timer, on_timer_closed);
    MHD_stop_daemon(admin->daemon);
    admin->daemon = NULL;
}
