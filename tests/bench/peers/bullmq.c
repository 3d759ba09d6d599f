/* The lines of bullmq.js, which has the library. Records go as "<sent ms> <due ms> <body>"; there
 * comes "+<n>", n more are stored, and "=<received ms> <body>". */
#include <inttypes.h>
#include <stdlib.h>

#include "tests/bench/peers/dialect.h"

static void start(struct peer *peer)
{
    (void)peer;
}

static void put(struct peer *peer, const struct task *task)
{
    struct buf *out = &peer->streams[0].out;
    buf_printf(out, "%" PRId64 " %" PRId64 " ", task->sent_ms, task->due_ms);
    buf_append_slice(out, task->body);
    buf_append_byte(out, '\n');
}

static enum said read_answer(struct peer *peer, struct stream *from)
{
    struct slice line;
    size_t len;
    if (!stream_line(from, &line, &len))
        return SAID_HALF;
    if (line.len < 2 || (line.ptr[0] != '+' && line.ptr[0] != '='))
        return SAID_NONSENSE;
    char *end;
    long long number = strtoll((const char *)line.ptr + 1, &end, 10);
    if (line.ptr[0] == '+') {
        while (number-- > 0)
            account_answer(&peer->account, true);
    } else {
        const uint8_t *body = (const uint8_t *)end + 1;
        account_receive(&peer->account, slice_from(body, (size_t)(line.ptr + line.len - body)),
                        number);
    }
    stream_take(from, len);
    return SAID_ALL;
}

const struct dialect dialect_bullmq = {
    .name = "bullmq", .streams = 1, .start = start, .put = put, .read = read_answer};
