/* A scheduler as it is commonly made of a Redis ZSET: the score is the due time, and a script pops
 * what is due. It is asked each millisecond, and at once again while answers are full. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/check.h"
#include "tests/bench/peers/dialect.h"

#define POLL_US   1000
#define BATCH_MAX 1000

static const char script[] = "local due = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', ARGV[1], "
                             "'LIMIT', 0, ARGV[2])\n"
                             "if #due > 0 then\n"
                             "  redis.call('ZREMRANGEBYRANK', KEYS[1], 0, #due - 1)\n"
                             "end\n"
                             "return due";

static void add_argument(struct buf *out, struct slice text)
{
    buf_printf(out, "$%zu\r\n", text.len);
    buf_append_slice(out, text);
    buf_append_str(out, "\r\n");
}

static void add_text(struct buf *out, const char *text)
{
    add_argument(out, slice_from((const uint8_t *)text, strlen(text)));
}

static void add_number(struct buf *out, int64_t number)
{
    char text[24];
    snprintf(text, sizeof(text), "%" PRId64, number);
    add_text(out, text);
}

static void start(struct peer *peer)
{
    struct buf *out = &peer->streams[1].out;
    buf_append_str(out, "*3\r\n");
    add_text(out, "SCRIPT");
    add_text(out, "LOAD");
    add_text(out, script);
}

static void put(struct peer *peer, const struct task *task)
{
    struct buf *out = &peer->streams[0].out;
    buf_append_str(out, "*4\r\n");
    add_text(out, "ZADD");
    add_text(out, "delayed");
    add_number(out, task->due_ms);
    add_argument(out, task->body);
}

static void ask(struct peer *peer)
{
    struct buf *out = &peer->streams[1].out;
    buf_append_str(out, "*6\r\n");
    add_text(out, "EVALSHA");
    add_text(out, peer->redis.script);
    add_text(out, "1");
    add_text(out, "delayed");
    add_number(out, wall_ms());
    add_number(out, BATCH_MAX);
    peer->redis.asked = true;
    peer->redis.asked_us = mono_us();
}

static void turn(struct peer *peer)
{
    const struct redis_state *r = &peer->redis;
    if (r->script[0] != '\0' && !r->asked && (r->full || mono_us() - r->asked_us >= POLL_US))
        ask(peer);
}

/* A record, or the script's name. */
static void on_text(struct peer *peer, struct slice text)
{
    struct redis_state *r = &peer->redis;
    if (r->script[0] == '\0') {
        CHECK(text.len == sizeof(r->script) - 1);
        memcpy(r->script, text.ptr, text.len);
        return;
    }
    account_receive(&peer->account, text, wall_ms());
    r->asked = --r->missing > 0;
}

static enum said read_answer(struct peer *peer, struct stream *from)
{
    struct slice line;
    size_t len;
    if (!stream_line(from, &line, &len))
        return SAID_HALF;
    bool puts = from == &peer->streams[0];
    if (puts && line.len > 0 && (line.ptr[0] == ':' || line.ptr[0] == '-')) {
        account_answer(&peer->account, line.ptr[0] == ':');
        stream_take(from, len);
        return SAID_ALL;
    }
    if (puts || line.len < 2 || (line.ptr[0] != '*' && line.ptr[0] != '$'))
        return SAID_NONSENSE;
    size_t number = strtoull((const char *)line.ptr + 1, NULL, 10);
    if (line.ptr[0] == '*') {
        peer->redis.missing = number;
        peer->redis.asked = number > 0;
        peer->redis.full = number == BATCH_MAX;
        stream_take(from, len);
        return SAID_ALL;
    }
    struct slice unread = stream_unread(from);
    if (unread.len - len < number + 2)
        return SAID_HALF;
    on_text(peer, slice_from(unread.ptr + len, number));
    stream_take(from, len + number + 2);
    return SAID_ALL;
}

const struct dialect dialect_redis = {
    .name = "redis", .streams = 2, .start = start, .put = put, .read = read_answer, .turn = turn};
