#include "tests/bench/peers/stream.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/check.h"

#define BUFFER_MAX ((size_t)256 << 20)
#define READ_BYTES ((size_t)64 << 10)

static int connect_any(const struct addrinfo *found)
{
    for (; found != NULL; found = found->ai_next) {
        int fd = socket(found->ai_family, found->ai_socktype | SOCK_CLOEXEC, found->ai_protocol);
        if (fd >= 0 && connect(fd, found->ai_addr, found->ai_addrlen) == 0)
            return fd;
        if (fd >= 0)
            close(fd);
    }
    return -1;
}

bool stream_open(struct stream *s, const char *address)
{
    char host[256];
    const char *colon = strrchr(address, ':');
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    *s = (struct stream){.fd = -1};
    buf_init(&s->in, BUFFER_MAX);
    buf_init(&s->out, BUFFER_MAX);
    if (colon != NULL && (size_t)(colon - address) < sizeof(host)) {
        snprintf(host, sizeof(host), "%.*s", (int)(colon - address), address);
        if (getaddrinfo(host, colon + 1, &hints, &found) == 0) {
            s->fd = connect_any(found);
            freeaddrinfo(found);
        }
    }
    if (s->fd < 0) {
        fprintf(stderr, "peer: %s cannot be reached\n", address);
        return false;
    }
    int one = 1;
    setsockopt(s->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    return true;
}

void stream_close(struct stream *s)
{
    if (s->fd >= 0)
        close(s->fd);
    buf_release(&s->in);
    buf_release(&s->out);
}

bool stream_write(struct stream *s)
{
    while (stream_has_output(s)) {
        ssize_t n = send(s->fd, s->out.ptr + s->written, s->out.len - s->written,
                         MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n < 0)
            return errno == EAGAIN || errno == EINTR;
        s->written += (size_t)n;
    }
    buf_clear(&s->out);
    s->written = 0;
    return true;
}

bool stream_has_output(const struct stream *s)
{
    CHECK(!s->out.overflow);
    return s->written < s->out.len;
}

/* Moves what is unread to the front. */
static void make_room(struct stream *s)
{
    size_t unread = s->in.len - s->taken;
    if (s->taken == 0)
        return;
    memmove(s->in.ptr, s->in.ptr + s->taken, unread);
    s->in.len = unread;
    s->taken = 0;
}

bool stream_read(struct stream *s)
{
    make_room(s);
    for (;;) {
        uint8_t *room = buf_reserve(&s->in, READ_BYTES);
        CHECK(room != NULL);
        ssize_t n = recv(s->fd, room, READ_BYTES, MSG_DONTWAIT);
        if (n <= 0)
            return n < 0 && (errno == EAGAIN || errno == EINTR);
        buf_commit(&s->in, (size_t)n);
        if ((size_t)n < READ_BYTES)
            return true;
    }
}

struct slice stream_unread(const struct stream *s)
{
    if (s->in.len == s->taken)
        return slice_from((const uint8_t *)"", 0);
    return slice_from(s->in.ptr + s->taken, s->in.len - s->taken);
}

void stream_take(struct stream *s, size_t len)
{
    CHECK(len <= s->in.len - s->taken);
    s->taken += len;
}

bool stream_line(const struct stream *s, struct slice *ret_line, size_t *ret_len)
{
    struct slice unread = stream_unread(s);
    const uint8_t *end = unread.len == 0 ? NULL : memchr(unread.ptr, '\n', unread.len);
    if (end == NULL)
        return false;
    size_t len = (size_t)(end - unread.ptr);
    *ret_len = len + 1;
    if (len > 0 && unread.ptr[len - 1] == '\r')
        len--;
    *ret_line = slice_from(unread.ptr, len);
    return true;
}
