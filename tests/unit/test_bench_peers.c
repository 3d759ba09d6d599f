/* What peers answer, a byte at a time, is understood and counted; what they are told is their
 * protocol. No sockets: dialects write to buffers and read from them. */
#include "tests/harness/unit.h"

#include <inttypes.h>

#include "tests/bench/peers/dialect.h"

#define RECORDS  3
#define DELAY_MS 2000

struct rig {
    struct options options;
    struct peer peer;
    const struct dialect *dialect;
    struct task tasks[RECORDS];
    char bodies[RECORDS][200];
    struct buf text; /* of an answer */
};

static void rig_init(struct rig *r, const struct dialect *dialect, bool at_once)
{
    *r = (struct rig){.dialect = dialect, .options = {.at_once = at_once, .settle_ms = 0}};
    r->options.plan = (struct plan){.run = "0123456789abcdef",
                                    .records = RECORDS,
                                    .delay_min_ms = DELAY_MS,
                                    .delay_max_ms = DELAY_MS,
                                    .value_bytes = 100,
                                    .orders = true,
                                    .targets = 1,
                                    .target_base = "orders"};
    account_init(&r->peer.account, &r->options);
    r->peer.stream_count = dialect->streams;
    for (size_t i = 0; i < r->peer.stream_count; i++) {
        r->peer.streams[i].fd = -1;
        buf_init(&r->peer.streams[i].in, 1 << 20);
        buf_init(&r->peer.streams[i].out, 1 << 20);
    }
    buf_init(&r->text, 1 << 20);
    dialect->start(&r->peer);
    for (size_t i = 0; i < RECORDS; i++) {
        assert_true(account_compose(&r->peer.account, &r->tasks[i]));
        dialect->put(&r->peer, &r->tasks[i]);
        snprintf(r->bodies[i], sizeof(r->bodies[i]), "%.*s", SLICE_ARG(r->tasks[i].body));
    }
    assert_false(account_compose(&r->peer.account, &(struct task){.id = 0}));
}

static void rig_release(struct rig *r)
{
    account_release(&r->peer.account);
    for (size_t i = 0; i < r->peer.stream_count; i++)
        stream_close(&r->peer.streams[i]);
    buf_release(&r->text);
}

/* What is in r->text comes on a stream, a byte at a time. */
static void hear(struct rig *r, size_t stream)
{
    struct stream *s = &r->peer.streams[stream];
    for (size_t i = 0; i < r->text.len; i++) {
        enum said said;
        buf_append_byte(&s->in, r->text.ptr[i]);
        do
            said = r->dialect->read(&r->peer, s);
        while (said == SAID_ALL);
        assert_int_equal(said, SAID_HALF);
    }
    assert_int_equal(stream_unread(s).len, 0);
    buf_clear(&r->text);
}

static void hear_text(struct rig *r, size_t stream, const char *text)
{
    buf_append_str(&r->text, text);
    hear(r, stream);
}

static void assert_nonsense(struct rig *r, const char *text)
{
    struct stream *s = &r->peer.streams[0];
    buf_append_str(&s->in, text);
    assert_int_equal(r->dialect->read(&r->peer, s), SAID_NONSENSE);
}

static void assert_told(struct rig *r, size_t stream, const char *text)
{
    struct buf *out = &r->peer.streams[stream].out;
    assert_slice_equal(buf_slice(out), text);
    buf_clear(out);
}

static void beanstalkd_is_spoken(void **state)
{
    (void)state;
    struct rig r;
    rig_init(&r, &dialect_beanstalkd, false);
    for (size_t i = 0; i < RECORDS; i++)
        buf_printf(&r.text, "put 0 2 120 %zu\r\n%s\r\n", strlen(r.bodies[i]), r.bodies[i]);
    assert_told(&r, 0, buf_text(&r.text));
    buf_clear(&r.text);
    assert_told(&r, 8, "reserve\r\n");
    buf_clear(&r.peer.streams[1].out);

    hear_text(&r, 0, "INSERTED 7\r\nBURIED 8\r\nINSERTED 9\r\n");
    assert_int_equal(r.peer.account.ledger.sent, 2);
    assert_int_equal(r.peer.account.ledger.failed, 1);
    buf_printf(&r.text, "RESERVED 7 %zu\r\n%s\r\nDELETED\r\n", strlen(r.bodies[0]), r.bodies[0]);
    hear(&r, 1);
    assert_told(&r, 1, "delete 7\r\nreserve\r\n");
    assert_int_equal(r.peer.account.ledger.delivered, 1);
    assert_int_equal(ledger_lost(&r.peer.account.ledger), 1);
    assert_nonsense(&r, "INTERNAL_ERROR\r\n");
    rig_release(&r);
}

static void beanstalkd_holds_a_burst_in_a_paused_tube(void **state)
{
    (void)state;
    struct rig r;
    rig_init(&r, &dialect_beanstalkd, true);
    buf_append_str(&r.text, "pause-tube default 2\r\n");
    for (size_t i = 0; i < RECORDS; i++) {
        buf_printf(&r.text, "put 0 0 120 %zu\r\n%s\r\n", strlen(r.bodies[i]), r.bodies[i]);
        assert_int_equal(r.tasks[i].due_ms, r.peer.account.start_ms + DELAY_MS);
    }
    assert_told(&r, 0, buf_text(&r.text));
    buf_clear(&r.text);
    hear_text(&r, 0, "PAUSED\r\nINSERTED 1\r\nINSERTED 2\r\nINSERTED 3\r\n");
    assert_int_equal(r.peer.account.ledger.sent, RECORDS);
    rig_release(&r);
}

static void redis_is_spoken(void **state)
{
    (void)state;
    struct rig r;
    rig_init(&r, &dialect_redis, false);
    for (size_t i = 0; i < RECORDS; i++)
        buf_printf(&r.text,
                   "*4\r\n$4\r\nZADD\r\n$7\r\ndelayed\r\n$13\r\n%" PRId64 "\r\n$%zu\r\n%s\r\n",
                   r.tasks[i].due_ms, strlen(r.bodies[i]), r.bodies[i]);
    assert_told(&r, 0, buf_text(&r.text));
    buf_clear(&r.text);
    buf_clear(&r.peer.streams[1].out);
    r.dialect->turn(&r.peer);
    assert_told(&r, 1, ""); /* it has not said yet what the script is called */

    hear_text(&r, 0, ":1\r\n:1\r\n-OOM command not allowed\r\n");
    assert_int_equal(r.peer.account.ledger.sent, 2);
    assert_int_equal(r.peer.account.ledger.failed, 1);
    hear_text(&r, 1, "$40\r\n0123456789012345678901234567890123456789\r\n");
    r.dialect->turn(&r.peer);
    assert_true(r.peer.redis.asked);
    assert_non_null(strstr(buf_text(&r.peer.streams[1].out), "EVALSHA"));
    buf_printf(&r.text, "*2\r\n$%zu\r\n%s\r\n", strlen(r.bodies[0]), r.bodies[0]);
    hear(&r, 1);
    assert_true(r.peer.redis.asked);
    buf_printf(&r.text, "$%zu\r\n%s\r\n", strlen(r.bodies[1]), r.bodies[1]);
    hear(&r, 1);
    assert_false(r.peer.redis.asked);
    assert_int_equal(r.peer.account.ledger.delivered, 2);
    assert_nonsense(&r, "+OK\r\n");
    rig_release(&r);
}

/* An empty answer is followed by a pause, a full one is not. */
static void redis_asks_at_once_after_a_full_answer(void **state)
{
    (void)state;
    struct rig r;
    rig_init(&r, &dialect_redis, false);
    hear_text(&r, 1, "$40\r\n0123456789012345678901234567890123456789\r\n*0\r\n");
    r.peer.redis.asked_us = mono_us() + 1000000;
    r.dialect->turn(&r.peer);
    assert_false(r.peer.redis.asked);
    r.peer.redis.full = true;
    r.dialect->turn(&r.peer);
    assert_true(r.peer.redis.asked);
    rig_release(&r);
}

static void bullmq_is_spoken(void **state)
{
    (void)state;
    struct rig r;
    rig_init(&r, &dialect_bullmq, false);
    for (size_t i = 0; i < RECORDS; i++)
        buf_printf(&r.text, "%" PRId64 " %" PRId64 " %s\n", r.tasks[i].sent_ms, r.tasks[i].due_ms,
                   r.bodies[i]);
    assert_told(&r, 0, buf_text(&r.text));
    buf_clear(&r.text);
    hear_text(&r, 0, "+1\n+2\n");
    assert_int_equal(r.peer.account.ledger.sent, RECORDS);
    for (size_t i = 0; i < RECORDS; i++)
        buf_printf(&r.text, "=%" PRId64 " %s\n", r.tasks[i].due_ms - (i == 2), r.bodies[i]);
    hear(&r, 0);
    const struct ledger *l = &r.peer.account.ledger;
    assert_int_equal(l->delivered, RECORDS);
    assert_int_equal(l->early, 1);
    assert_int_equal(l->duplicated + l->corrupted + l->unexpected, 0);
    assert_true(account_is_over(&r.peer.account));
    assert_nonsense(&r, "?\n");
    rig_release(&r);
}

static void another_body_is_corrupted_and_a_foreign_one_unexpected(void **state)
{
    (void)state;
    struct rig r;
    rig_init(&r, &dialect_bullmq, false);
    buf_printf(&r.text, "+3\n=1 %sx\n=1 someone else's\n", r.bodies[0]);
    hear(&r, 0);
    assert_int_equal(r.peer.account.ledger.corrupted, 1);
    assert_int_equal(r.peer.account.ledger.unexpected, 1);
    assert_int_equal(r.peer.account.ledger.delivered, 1);
    rig_release(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(beanstalkd_is_spoken),
        cmocka_unit_test(beanstalkd_holds_a_burst_in_a_paused_tube),
        cmocka_unit_test(redis_is_spoken),
        cmocka_unit_test(redis_asks_at_once_after_a_full_answer),
        cmocka_unit_test(bullmq_is_spoken),
        cmocka_unit_test(another_body_is_corrupted_and_a_foreign_one_unexpected),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
