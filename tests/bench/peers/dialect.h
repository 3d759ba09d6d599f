/* How a peer is spoken to. A dialect writes to streams' buffers and reads from them; the sockets
 * are peer.c's. */
#ifndef TESTS_BENCH_PEERS_DIALECT_H
#define TESTS_BENCH_PEERS_DIALECT_H

#include <stdbool.h>
#include <stddef.h>

#include "tests/bench/peers/account.h"
#include "tests/bench/peers/stream.h"

#define PEER_STREAMS_MAX 9

struct peer {
    struct account account;
    struct stream streams[PEER_STREAMS_MAX]; /* the first puts, the others take */
    size_t stream_count;

    struct redis_state {
        char script[41]; /* its SHA-1; empty until the server has told it */
        bool asked;
        size_t missing; /* records of the answer that are still to come */
        bool full;      /* it has as many as one may have */
        int64_t asked_us;
    } redis;
};

enum said { SAID_ALL, SAID_HALF, SAID_NONSENSE };

struct dialect {
    const char *name;
    size_t streams;
    void (*start)(struct peer *peer);
    void (*put)(struct peer *peer, const struct task *task);
    /* Understands one answer and takes it. SAID_HALF: it has not come whole, nothing is taken.
     * SAID_NONSENSE: the peer says what it should not; nothing is taken. */
    enum said (*read)(struct peer *peer, struct stream *from);
    void (*turn)(struct peer *peer); /* NULL, or called at least once a millisecond */
};

extern const struct dialect dialect_beanstalkd, dialect_redis, dialect_bullmq;

#endif
