/* beanstalkd's text protocol. A reservation waits on each stream that takes; a job is deleted as
 * soon as it has come. Delays are whole seconds from when the server reads them, so that records of
 * one instant are put without delay into a tube that is paused until then. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/check.h"
#include "tests/bench/peers/dialect.h"

#define TIME_TO_RUN_S 120

static int64_t whole_seconds(int64_t ms)
{
    CHECK(ms % 1000 == 0);
    return ms / 1000;
}

static void start(struct peer *peer)
{
    const struct options *o = peer->account.options;
    CHECK(o->plan.delay_min_ms == o->plan.delay_max_ms);
    if (o->at_once)
        buf_printf(&peer->streams[0].out, "pause-tube default %" PRId64 "\r\n",
                   whole_seconds(o->plan.delay_min_ms));
    for (size_t i = 1; i < peer->stream_count; i++)
        buf_append_str(&peer->streams[i].out, "reserve\r\n");
}

static void put(struct peer *peer, const struct task *task)
{
    struct buf *out = &peer->streams[0].out;
    bool paused = peer->account.options->at_once;
    int64_t delay_s = paused ? 0 : whole_seconds(task->due_ms - task->sent_ms);
    buf_printf(out, "put 0 %" PRId64 " %d %zu\r\n", delay_s, TIME_TO_RUN_S, task->body.len);
    buf_append_slice(out, task->body);
    buf_append_str(out, "\r\n");
}

static bool begins(struct slice line, const char *word)
{
    return line.len >= strlen(word) && memcmp(line.ptr, word, strlen(word)) == 0;
}

/* "RESERVED <id> <bytes>", and behind it the body and CR LF. */
static enum said read_job(struct peer *peer, struct stream *from, struct slice line, size_t len)
{
    char *end;
    uint64_t job = strtoull((const char *)line.ptr + strlen("RESERVED "), &end, 10);
    size_t bytes = strtoull(end, &end, 10);
    struct slice unread = stream_unread(from);
    if (end != (const char *)line.ptr + line.len)
        return SAID_NONSENSE;
    if (unread.len - len < bytes + 2)
        return SAID_HALF;
    account_receive(&peer->account, slice_from(unread.ptr + len, bytes), wall_ms());
    stream_take(from, len + bytes + 2);
    buf_printf(&from->out, "delete %" PRIu64 "\r\nreserve\r\n", job);
    return SAID_ALL;
}

static enum said read_answer(struct peer *peer, struct stream *from)
{
    struct slice line;
    size_t len;
    if (!stream_line(from, &line, &len))
        return SAID_HALF;
    if (begins(line, "RESERVED "))
        return read_job(peer, from, line, len);
    if (begins(line, "INSERTED "))
        account_answer(&peer->account, true);
    else if (begins(line, "OUT_OF_MEMORY") || begins(line, "BURIED ") || begins(line, "DRAINING"))
        account_answer(&peer->account, false);
    else if (!begins(line, "DELETED") && !begins(line, "PAUSED"))
        return SAID_NONSENSE;
    stream_take(from, len);
    return SAID_ALL;
}

const struct dialect dialect_beanstalkd = {
    .name = "beanstalkd", .streams = 9, .start = start, .put = put, .read = read_answer};
