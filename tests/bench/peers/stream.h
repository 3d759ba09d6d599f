/* A TCP connection that never blocks, with what has come and what is still to go. */
#ifndef TESTS_BENCH_PEERS_STREAM_H
#define TESTS_BENCH_PEERS_STREAM_H

#include <stdbool.h>
#include <stddef.h>

#include "common/buf.h"
#include "common/slice.h"

struct stream {
    int fd;
    struct buf in;
    size_t taken; /* of `in` */
    struct buf out;
    size_t written; /* of `out` */
};

/* address: HOST:PORT. False, with a message on standard error. */
NODISCARD bool stream_open(struct stream *s, const char *address);
void stream_close(struct stream *s);

/* What the kernel takes or has now. False: the other side has closed, or the connection failed. */
NODISCARD bool stream_write(struct stream *s);
NODISCARD bool stream_read(struct stream *s);
bool stream_has_output(const struct stream *s);

/* What has come and is not taken yet; valid until the next stream_read. */
struct slice stream_unread(const struct stream *s);
void stream_take(struct stream *s, size_t len);
/* The line that unread bytes begin with, without its LF or CR LF; *ret_len: with it. False: it is
 * not whole. */
bool stream_line(const struct stream *s, struct slice *ret_line, size_t *ret_len);

#endif
