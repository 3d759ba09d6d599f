#include "tests/harness/unit.h"

#include "tests/harness/kafka_rig.h"

#define HEADERS_SENT 5

/* --- bytes ----------------------------------------------------------------------------------- */

static const uint8_t binary[] = {0, 1, 0xff, 0, 0x80};
static const struct record_header headers_sent[HEADERS_SENT] = {
    {{(const uint8_t *)"a", 1}, {(const uint8_t *)"1", 1}},
    {{(const uint8_t *)"binary", 6}, {binary, sizeof(binary)}},
    {{(const uint8_t *)"a", 1}, {NULL, 0}},
    {{(const uint8_t *)"", 0}, {(const uint8_t *)"", 0}},
    {{(const uint8_t *)"a", 1}, {(const uint8_t *)"2", 1}},
};

static bool same(struct slice a, struct slice b)
{
    return slice_equal(a, b) && slice_is_null(a) == slice_is_null(b);
}

static void assert_headers(const struct kafka_record *record)
{
    assert_int_equal(record->header_count, HEADERS_SENT);
    for (size_t i = 0; i < HEADERS_SENT; i++) {
        assert_true(same(record->headers[i].name, headers_sent[i].name));
        assert_true(same(record->headers[i].value, headers_sent[i].value));
    }
}

static const struct {
    struct slice key;
    struct slice value;
} pairs[] = {
    {{NULL, 0}, {NULL, 0}},
    {{(const uint8_t *)"", 0}, {(const uint8_t *)"", 0}},
    {{binary, sizeof(binary)}, {NULL, 0}},
    {{NULL, 0}, {binary, sizeof(binary)}},
};

static void compare_pair(struct kafka_member *m, const struct kafka_record *record)
{
    size_t which = (size_t)(record->timestamp_ms - 1700000000000);
    (void)m;
    assert_true(which < ARRAY_LEN(pairs));
    assert_true(same(record->key, pairs[which].key));
    assert_true(same(record->value, pairs[which].value));
    assert_headers(record);
}

static void on_poll(void *ctx)
{
    struct kafka_rig *rig = ctx;
    struct mono_ms soon = mono_add(loop_now(rig->mock.loop).mono, 5);
    loop_timer_set(rig->timer, (struct deadline){soon, {TIME_NEVER}});
    kafka_rig_look(rig);
}

static bool has_no_lag(const struct kafka_rig *rig)
{
    return kafka_consumer_lag(rig->members[0].consumer) == 0;
}

static void bytes_in_are_bytes_out(void **state)
{
    struct kafka_rig *rig = *state;
    for (size_t i = 0; i < ARRAY_LEN(pairs); i++) {
        const struct kafka_message message = {.topic = SLICE_LITERAL(RIG_TOPIC),
                                              .key = pairs[i].key,
                                              .value = pairs[i].value,
                                              .headers = headers_sent,
                                              .header_count = HEADERS_SENT,
                                              .timestamp_ms = 1700000000000 + (int64_t)i};
        assert_status(kafka_produce(rig->producer, &message, NULL), STATUS_OK);
    }
    rig->sent = ARRAY_LEN(pairs);
    rig->on_record = compare_pair;
    kafka_rig_run_until(rig, kafka_rig_all_reported);
    kafka_rig_join(rig, 0, NULL);
    kafka_rig_run_until(rig, kafka_rig_all_received);
    rig->timer = loop_timer_new(rig->mock.loop, on_poll, rig);
    on_poll(rig);
    kafka_rig_run_until(rig, has_no_lag); /* known once every partition has been fetched from */
    kafka_rig_leave(rig, 0);
}

/* --- pause ----------------------------------------------------------------------------------- */

static void on_resume(void *ctx)
{
    struct kafka_rig *rig = ctx;
    rig->members[0].paused = false;
    kafka_consumer_pause(rig->members[0].consumer, false);
}

static void hold(struct kafka_rig *rig)
{
    rig->members[0].paused = true;
    kafka_consumer_pause(rig->members[0].consumer, true);
}

static void pause_often(struct kafka_member *m, const struct kafka_record *record)
{
    (void)record;
    if (m->records % 97 != 0)
        return;
    hold(m->rig);
    struct mono_ms soon = mono_add(loop_now(m->rig->mock.loop).mono, m->records % 3);
    loop_timer_set(m->rig->timer, (struct deadline){soon, {TIME_NEVER}});
}

static void pause_and_resume_lose_nothing(void **state)
{
    struct kafka_rig *rig = *state;
    rig->timer = loop_timer_new(rig->mock.loop, on_resume, rig);
    rig->on_record = pause_often;
    kafka_rig_produce(rig, 3000);
    kafka_rig_join(rig, 0, NULL);
    kafka_rig_run_until(rig, kafka_rig_all_received);
    kafka_rig_produce(rig, 3000);
    kafka_rig_run_until(rig, kafka_rig_all_received);
    kafka_rig_leave(rig, 0);
}

static bool has_committed(const struct kafka_rig *rig)
{
    return rig->members[0].commits >= 1;
}

static void a_paused_consumer_still_joins_and_commits(void **state)
{
    struct kafka_rig *rig = *state;
    kafka_rig_produce(rig, 100);
    kafka_rig_join(rig, 0, NULL);
    hold(rig);
    kafka_rig_run_until(rig, kafka_rig_first_has_all);
    assert_int_equal(rig->records, 0);
    assert_int_equal(kafka_consumer_lag(rig->members[0].consumer), -1);
    on_resume(rig);
    kafka_rig_run_until(rig, kafka_rig_all_received);

    hold(rig);
    kafka_rig_produce(rig, 100);
    struct kafka_partition commit = rig->members[0].assigned[0];
    commit.offset = rig->next_offset[0];
    assert_status(kafka_consumer_commit(rig->members[0].consumer, &commit, 1), STATUS_OK);
    kafka_rig_run_until(rig, has_committed);
    assert_int_equal(rig->members[0].commit_error.kind, ERROR_NONE);
    assert_int_equal(rig->records, 100);
    on_resume(rig);
    kafka_rig_run_until(rig, kafka_rig_all_received);
    kafka_rig_leave(rig, 0);
}

/* --- commits --------------------------------------------------------------------------------- */

static void a_restart_goes_on_from_the_commit(void **state)
{
    struct kafka_rig *rig = *state;
    kafka_rig_produce(rig, 400);
    kafka_rig_join(rig, 0, NULL);
    kafka_rig_run_until(rig, kafka_rig_all_received);
    struct kafka_partition commits[RIG_PARTITIONS];
    int64_t again = 0;
    for (int i = 0; i < RIG_PARTITIONS; i++) {
        commits[i] = rig->members[0].assigned[i];
        commits[i].offset = rig->next_offset[i] / 2;
        again += rig->next_offset[i] - commits[i].offset;
    }
    struct kafka_consumer *consumer = rig->members[0].consumer;
    assert_status(kafka_consumer_commit(consumer, commits, RIG_PARTITIONS), STATUS_OK);
    kafka_rig_run_until(rig, has_committed);
    assert_int_equal(rig->members[0].commit_error.kind, ERROR_NONE);
    kafka_rig_leave(rig, 0);
    assert_int_equal(rig->members[0].revokes, 1);

    for (int i = 0; i < RIG_PARTITIONS; i++)
        rig->next_offset[i] = commits[i].offset;
    kafka_rig_join(rig, 0, NULL);
    kafka_rig_run_until(rig, kafka_rig_all_received);
    assert_int_equal(rig->records, 400 + again);
    kafka_rig_leave(rig, 0);
}

static void commit_one_more(struct kafka_rig *rig, int partitions, int64_t offset)
{
    struct kafka_partition commits[RIG_PARTITIONS];
    for (int i = 0; i < partitions; i++) {
        commits[i] = rig->members[0].assigned[i];
        commits[i].offset = offset;
    }
    rig->members[0].commits = 0;
    assert_status(kafka_consumer_commit(rig->members[0].consumer, commits, (size_t)partitions),
                  STATUS_OK);
    kafka_rig_run_until(rig, has_committed);
}

/* librdkafka's answer names every partition, those that had nothing new without an offset. */
static void what_was_committed_before_delays_no_leaving(void **state)
{
    struct kafka_rig *rig = *state;
    kafka_rig_produce(rig, 400);
    kafka_rig_join(rig, 0, NULL);
    kafka_rig_run_until(rig, kafka_rig_all_received);
    commit_one_more(rig, RIG_PARTITIONS, 1);
    commit_one_more(rig, 1, 2);
    struct mono_ms before = loop_now(rig->mock.loop).mono;
    kafka_rig_leave(rig, 0);
    assert_in_range(loop_now(rig->mock.loop).mono.ms - before.ms, 0, 3000);
}

static void a_refused_commit_is_reported(void **state)
{
    struct kafka_rig *rig = *state;
    kafka_rig_produce(rig, 10);
    kafka_rig_join(rig, 0, NULL);
    kafka_rig_run_until(rig, kafka_rig_all_received);
    rd_kafka_mock_push_request_errors(rig->mock.cluster, API_KEY_OFFSET_COMMIT, 1,
                                      RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED);
    struct kafka_partition commit = rig->members[0].assigned[0];
    commit.offset = 1;
    assert_status(kafka_consumer_commit(rig->members[0].consumer, &commit, 1), STATUS_OK);
    kafka_rig_run_until(rig, has_committed);
    assert_int_equal(rig->members[0].commit_error.kind, ERROR_AUTH);
    assert_string_equal(rig->members[0].commit_error.code, "GROUP_AUTHORIZATION_FAILED");
    kafka_rig_leave(rig, 0);
}

static void what_is_not_assigned_is_not_committed(void **state)
{
    struct kafka_rig *rig = *state;
    const struct kafka_partition foreign = {.topic = SLICE_LITERAL(RIG_TOPIC), .partition = 0};
    kafka_rig_join(rig, 0, NULL);
    assert_status(kafka_consumer_commit(rig->members[0].consumer, &foreign, 1), STATUS_INVALID);
    kafka_rig_run_until(rig, kafka_rig_first_has_all);
    assert_status(kafka_consumer_commit(rig->members[0].consumer, &foreign, 1), STATUS_OK);
    kafka_rig_leave(rig, 0);
}

static void what_is_refused_makes_no_consumer(void **state)
{
    struct kafka_rig *rig = *state;
    const char *const topics[] = {RIG_TOPIC};
    const struct kafka_property wrong[] = {{"session.timeout.ms", "soon"}};
    const struct kafka_consumer_callbacks none = {NULL};
    CLEANUP(buf_release) struct buf errors;
    buf_init(&errors, 4096);
    assert_null(kafka_consumer_new(rig->mock.loop, &rig->mock.at, "group", topics, 1, wrong, 1,
                                   &none, rig, &errors));
    assert_non_null(strstr(buf_text(&errors), "session.timeout.ms: "));
}

/* --- brokers --------------------------------------------------------------------------------- */

static bool is_unreachable(const struct kafka_rig *rig)
{
    return !kafka_consumer_is_reachable(rig->members[0].consumer);
}

static bool is_reachable(const struct kafka_rig *rig)
{
    return kafka_consumer_is_reachable(rig->members[0].consumer);
}

static void it_knows_whether_a_broker_is_there(void **state)
{
    struct kafka_rig *rig = *state;
    const struct kafka_property quick = {"statistics.interval.ms", "50"};
    rig->timer = loop_timer_new(rig->mock.loop, on_poll, rig);
    rd_kafka_mock_broker_set_down(rig->mock.cluster, 1);
    kafka_rig_join(rig, 0, &quick);
    on_poll(rig);
    kafka_rig_run_until(rig, is_unreachable);
    rd_kafka_mock_broker_set_up(rig->mock.cluster, 1);
    kafka_rig_run_until(rig, is_reachable);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, kafka_rig_set_up, kafka_rig_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(bytes_in_are_bytes_out),
        TEST(pause_and_resume_lose_nothing),
        TEST(a_paused_consumer_still_joins_and_commits),
        TEST(a_restart_goes_on_from_the_commit),
        TEST(what_was_committed_before_delays_no_leaving),
        TEST(a_refused_commit_is_reported),
        TEST(what_is_not_assigned_is_not_committed),
        TEST(what_is_refused_makes_no_consumer),
        TEST(it_knows_whether_a_broker_is_there),
    };
    return run_side_by_side(tests, ARRAY_LEN(tests));
}
