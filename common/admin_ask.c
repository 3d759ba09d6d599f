#include <errno.h>
#include <netdb.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "common/admin.h"
#include "common/limits.h"

#define ANSWER_BYTES_MAX ((size_t)16 * KIB)
/* Connecting, sending, the answer and its end may take so long each. */
#define STEP_MS (ADMIN_ASK_MS / 4)

static const char ok_1_0[] = "HTTP/1.0 200 ";
static const char ok_1_1[] = "HTTP/1.1 200 ";

static int connect_to(const struct addrinfo *found)
{
    const struct timeval step = {.tv_sec = STEP_MS / 1000, .tv_usec = (STEP_MS % 1000) * 1000};
    for (const struct addrinfo *a = found; a != NULL; a = a->ai_next) {
        int fd = socket(a->ai_family, a->ai_socktype | SOCK_CLOEXEC, 0);
        if (fd < 0)
            continue;
        if (setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &step, sizeof(step)) == 0 &&
            setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &step, sizeof(step)) == 0 &&
            connect(fd, a->ai_addr, a->ai_addrlen) == 0)
            return fd;
        int reason = errno;
        close(fd);
        errno = reason;
    }
    return -1;
}

static int open_connection(const char *address, struct buf *answer)
{
    char host[ADMIN_HOST_SIZE];
    const char *port;
    if (admin_address_split(address, host, &port) != STATUS_OK || strcmp(port, "0") == 0) {
        buf_printf(answer, "%s: no address that can be asked\n", address);
        return -1;
    }
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
    struct addrinfo *found = NULL;
    int failed = getaddrinfo(host[0] == '\0' ? NULL : host, port, &hints, &found);
    if (failed != 0) {
        buf_printf(answer, "%s: %s\n", address, gai_strerror(failed));
        return -1;
    }
    int fd = connect_to(found);
    if (fd < 0)
        buf_printf(answer, "%s: %s\n", address, strerrordesc_np(errno));
    freeaddrinfo(found);
    return fd;
}

/* The server closes when it has said all: HTTP/1.0. False if it was cut off or took too long. */
static bool converse(int fd, const char *path, struct buf *text)
{
    char extra;
    buf_printf(text, "GET %s HTTP/1.0\r\n\r\n", path);
    bool is_sent = send(fd, text->ptr, text->len, MSG_NOSIGNAL) == (ssize_t)text->len;
    buf_clear(text);
    if (!is_sent)
        return false;
    uint8_t *room = buf_reserve(text, ANSWER_BYTES_MAX);
    ssize_t got = recv(fd, room, ANSWER_BYTES_MAX, MSG_WAITALL);
    if (got <= 0)
        return false;
    buf_commit(text, (size_t)got);
    return (size_t)got == ANSWER_BYTES_MAX || recv(fd, &extra, 1, 0) == 0;
}

static bool starts_with(const struct buf *text, const char *start)
{
    return text->len >= strlen(start) && memcmp(text->ptr, start, strlen(start)) == 0;
}

bool admin_ask(const char *address, const char *path, struct buf *answer)
{
    CLEANUP(buf_release) struct buf text;
    buf_init(&text, 2 * ANSWER_BYTES_MAX);
    int fd = open_connection(address, answer);
    if (fd < 0)
        return false;
    bool whole = converse(fd, path, &text);
    close(fd);
    const char *body = strstr(buf_text(&text), "\r\n\r\n");
    if (!whole || body == NULL) {
        buf_printf(answer, "%s: no whole answer\n", address);
        return false;
    }
    buf_append_str(answer, body + strlen("\r\n\r\n"));
    return starts_with(&text, ok_1_0) || starts_with(&text, ok_1_1);
}
