/* Preloaded into a program. By default (F46) reads and writes of a client's sockets move one byte,
 * every third says that it would block, every fifth wait is interrupted. THREADS_MAX=n (F45): no
 * thread more than n. WALL_AHEAD_S=n (F36): the wall clock is so far ahead. A server's sockets are
 * left alone: with edge-triggered polls a short read means that nothing is left. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

static atomic_uint calls;
static atomic_uint waits;
static atomic_long threads;
static long threads_max = -1;
static bool short_io = true;
static long ahead_s;

__attribute__((constructor)) static void begin(void)
{
    static const char line[] = "shim is there\n";
    const char *most = getenv("THREADS_MAX");
    if (most != NULL) {
        threads_max = strtol(most, NULL, 10);
        short_io = false;
    }
    const char *ahead = getenv("WALL_AHEAD_S");
    if (ahead != NULL) {
        ahead_s = strtol(ahead, NULL, 10);
        short_io = false;
    }
    syscall(SYS_write, STDERR_FILENO, line, sizeof(line) - 1);
}

#define FDS_MAX 4096
static atomic_bool is_client[FDS_MAX];

static void note(int fd, bool client)
{
    if (fd >= 0 && fd < FDS_MAX)
        atomic_store(&is_client[fd], client);
}

int connect(int fd, const struct sockaddr *address, socklen_t len)
{
    note(fd, true);
    return (int)syscall(SYS_connect, fd, address, len);
}

int accept4(int fd, struct sockaddr *address, socklen_t *len, int flags)
{
    int accepted = (int)syscall(SYS_accept4, fd, address, len, flags);
    note(accepted, false);
    return accepted;
}

static bool blocks(void)
{
    return atomic_fetch_add(&calls, 1) % 3 == 2;
}

static bool is_shortened(int fd)
{
    return short_io && fd >= 0 && fd < FDS_MAX && atomic_load(&is_client[fd]);
}

static size_t least(size_t len)
{
    return len > 1 ? 1 : len;
}

ssize_t recv(int fd, void *buf, size_t len, int flags)
{
    if (is_shortened(fd)) {
        if (blocks()) {
            errno = EAGAIN;
            return -1;
        }
        len = least(len);
    }
    return syscall(SYS_recvfrom, fd, buf, len, flags, NULL, NULL);
}

ssize_t send(int fd, const void *buf, size_t len, int flags)
{
    if (is_shortened(fd)) {
        if (blocks()) {
            errno = EAGAIN;
            return -1;
        }
        len = least(len);
    }
    return syscall(SYS_sendto, fd, buf, len, flags, NULL, 0);
}

/* The first part that holds anything, and of it one byte. */
static struct msghdr shortened(const struct msghdr *message, struct iovec *part)
{
    struct msghdr one = *message;
    size_t i = 0;
    while (i < message->msg_iovlen && message->msg_iov[i].iov_len == 0)
        i++;
    if (i < message->msg_iovlen) {
        *part = (struct iovec){message->msg_iov[i].iov_base, 1};
        one.msg_iov = part;
        one.msg_iovlen = 1;
    }
    return one;
}

static ssize_t move(long number, int fd, const struct msghdr *message, int flags)
{
    struct iovec part;
    if (!is_shortened(fd))
        return syscall(number, fd, message, flags);
    if (blocks()) {
        errno = EAGAIN;
        return -1;
    }
    struct msghdr one = shortened(message, &part);
    ssize_t moved = syscall(number, fd, &one, flags);
    return moved;
}

ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
    return move(SYS_sendmsg, fd, message, flags);
}

ssize_t recvmsg(int fd, struct msghdr *message, int flags)
{
    return move(SYS_recvmsg, fd, message, flags);
}

ssize_t read(int fd, void *buf, size_t len)
{
    if (is_shortened(fd))
        return recv(fd, buf, len, 0);
    return syscall(SYS_read, fd, buf, len);
}

/* To files and pipes too: the log. What fits into a pipe's page goes whole or not at all. */
ssize_t write(int fd, const void *buf, size_t len)
{
    if (is_shortened(fd))
        len = least(len);
    else if (short_io && len > PIPE_BUF)
        len /= 2;
    return syscall(SYS_write, fd, buf, len);
}

static bool interrupted(void)
{
    return short_io && atomic_fetch_add(&waits, 1) % 5 == 4;
}

int poll(struct pollfd *fds, nfds_t count, int timeout_ms)
{
    if (interrupted()) {
        errno = EINTR;
        return -1;
    }
    return (int)syscall(SYS_poll, fds, count, timeout_ms);
}

int epoll_pwait(int fd, struct epoll_event *events, int count, int timeout_ms, const sigset_t *mask)
{
    if (interrupted()) {
        errno = EINTR;
        return -1;
    }
    return (int)syscall(SYS_epoll_pwait, fd, events, count, timeout_ms, mask, 8);
}

int epoll_wait(int fd, struct epoll_event *events, int count, int timeout_ms)
{
    return epoll_pwait(fd, events, count, timeout_ms, NULL);
}

int pthread_create(pthread_t *ret, const pthread_attr_t *attributes, void *(*run)(void *),
                   void *ctx)
{
    if (threads_max >= 0 && atomic_fetch_add(&threads, 1) >= threads_max)
        return EAGAIN;
    int (*real)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
    void *found = dlsym(RTLD_NEXT, "pthread_create");
    memcpy(&real, &found, sizeof(real));
    return real(ret, attributes, run, ctx);
}

int clock_gettime(clockid_t clock, struct timespec *ret)
{
    long result = syscall(SYS_clock_gettime, clock, ret);
    if (clock == CLOCK_REALTIME)
        ret->tv_sec += ahead_s;
    return (int)result;
}
