/* peer: the records that `load` would write, put into another delay queue and taken out of it.
 * usage: peer beanstalkd|redis|bullmq --bootstrap HOST:PORT, and load's options; what is about
 * Kafka is ignored. */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/compiler.h"
#include "tests/bench/peers/dialect.h"

#define EXIT_USAGE   64
#define EXIT_NO_PEER 69
#define SEND_BURST   500

static const struct dialect *const dialects[] = {&dialect_beanstalkd, &dialect_redis,
                                                 &dialect_bullmq};

static const struct dialect *find_dialect(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(dialects); i++)
        if (name != NULL && strcmp(name, dialects[i]->name) == 0)
            return dialects[i];
    fprintf(stderr,
            "usage: peer beanstalkd|redis|bullmq --bootstrap HOST:PORT [options of load]\n");
    exit(EXIT_USAGE);
}

/* True if it could send more at once. */
static bool send_some(struct peer *peer, const struct dialect *dialect)
{
    struct task task;
    for (int i = 0; i < SEND_BURST; i++) {
        if (!account_compose(&peer->account, &task))
            return false;
        dialect->put(peer, &task);
    }
    return true;
}

static bool understand(struct peer *peer, const struct dialect *dialect, struct stream *from)
{
    enum said said;
    do
        said = dialect->read(peer, from);
    while (said == SAID_ALL);
    if (said == SAID_NONSENSE) {
        struct slice unread = stream_unread(from);
        fprintf(stderr, "peer: not understood: %.*s\n", (int)MIN(unread.len, 200U),
                (const char *)unread.ptr);
    }
    return said == SAID_HALF;
}

static bool exchange(struct peer *peer, const struct dialect *dialect, int timeout_ms)
{
    struct pollfd fds[PEER_STREAMS_MAX];
    bool ok = true;
    for (size_t i = 0; i < peer->stream_count; i++) {
        struct stream *s = &peer->streams[i];
        ok = stream_write(s) && ok;
        fds[i] =
            (struct pollfd){s->fd, (short)(stream_has_output(s) ? POLLIN | POLLOUT : POLLIN), 0};
    }
    if (poll(fds, peer->stream_count, timeout_ms) < 0)
        return false;
    for (size_t i = 0; ok && i < peer->stream_count; i++)
        if ((fds[i].revents & ~POLLOUT) != 0)
            ok = stream_read(&peer->streams[i]) && understand(peer, dialect, &peer->streams[i]);
    return ok;
}

static bool run(struct peer *peer, const struct dialect *dialect)
{
    bool ok = true;
    dialect->start(peer);
    while (ok && !account_is_over(&peer->account)) {
        bool more = send_some(peer, dialect);
        if (dialect->turn != NULL)
            dialect->turn(peer);
        ok = exchange(peer, dialect, more ? 0 : 1);
    }
    return ok;
}

int main(int argc, char **argv)
{
    const struct dialect *dialect = find_dialect(argc > 1 ? argv[1] : NULL);
    struct options options;
    options_parse(argc - 1, argv + 1, &options);
    static struct peer peer; /* large */
    bool ok = true;
    while (ok && peer.stream_count < dialect->streams)
        ok = stream_open(&peer.streams[peer.stream_count++], options.bootstrap);
    if (ok) {
        account_init(&peer.account, &options);
        ok = run(&peer, dialect);
        if (!ok)
            fprintf(stderr, "peer: %s has closed the connection\n", dialect->name);
        account_print(&peer.account);
        account_release(&peer.account);
    }
    for (size_t i = 0; i < peer.stream_count; i++)
        stream_close(&peer.streams[i]);
    return ok ? EXIT_SUCCESS : EXIT_NO_PEER;
}
