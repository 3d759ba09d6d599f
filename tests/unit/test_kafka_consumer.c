#include "tests/harness/unit.h"

#include "common/kafka.h"
#include "tests/harness/mock_kafka.h"

#define PARTITIONS   4
#define TOPIC        "delay"
#define CONSUMERS    2
#define HEADERS_SENT 5

struct fixture;

struct member {
    struct fixture *f;
    struct kafka_consumer *consumer;
    struct kafka_partition assigned[PARTITIONS];
    bool has[PARTITIONS];
    int revokes;
    int losses;
    int records;
    bool paused;
    int commits;
    struct error commit_error;
    bool closed;
};

struct fixture {
    struct mock_kafka mock;
    struct kafka_producer *producer;
    struct member members[CONSUMERS];
    struct loop_timer *timer;
    int64_t next_offset[PARTITIONS]; /* of all members together */
    int reports;
    int records;
    bool repeats_allowed;
    bool commits_each; /* record as it comes */
    int repeats;
    void (*on_record)(struct member *m, const struct kafka_record *record);
    bool (*is_done)(const struct fixture *f);
    bool done;
    /* wanted */
    int reports_wanted;
    int records_wanted;
};

static void look(struct fixture *f)
{
    f->done = f->is_done != NULL && f->is_done(f);
    if (f->done)
        loop_stop(f->mock.loop);
}

static void run_until(struct fixture *f, bool (*is_done)(const struct fixture *f))
{
    f->is_done = is_done;
    f->done = is_done(f);
    mock_kafka_run_until(&f->mock, &f->done);
}

/* --- callbacks ------------------------------------------------------------------------------- */

static void on_report(void *ctx, uint64_t id, enum outcome outcome, const struct error *error)
{
    struct fixture *f = ctx;
    (void)id;
    (void)error;
    assert_int_equal(outcome, OUTCOME_DONE);
    f->reports++;
    look(f);
}

static void on_fatal(void *ctx, const struct error *error)
{
    (void)ctx;
    fail_msg("fatal: %s %s", error->code, error->text);
}

static void on_assigned(void *ctx, const struct kafka_partition *partitions, size_t count)
{
    struct member *m = ctx;
    for (size_t i = 0; i < count; i++) {
        int32_t partition = partitions[i].partition;
        assert_slice_equal(partitions[i].topic, TOPIC);
        assert_in_range(partition, 0, PARTITIONS - 1);
        assert_false(m->has[partition]);
        for (int other = 0; other < PARTITIONS; other++)
            assert_false(m->has[other] && m->assigned[other].index == partitions[i].index);
        m->has[partition] = true;
        m->assigned[partition] = partitions[i];
    }
    look(m->f);
}

static void on_revoked(void *ctx, const struct kafka_partition *partitions, size_t count, bool lost)
{
    struct member *m = ctx;
    m->revokes++;
    m->losses += lost;
    for (size_t i = 0; i < count; i++) {
        int32_t partition = partitions[i].partition;
        assert_true(m->has[partition]);
        assert_int_equal(m->assigned[partition].index, partitions[i].index);
        m->has[partition] = false;
    }
    kafka_consumer_release(m->consumer, partitions, count);
    look(m->f);
}

static void on_record(void *ctx, const struct kafka_record *record)
{
    struct member *m = ctx;
    struct fixture *f = m->f;
    assert_false(m->paused);
    assert_true(m->has[record->partition]);
    assert_int_equal(m->assigned[record->partition].index, record->partition_index);
    int64_t *next = &f->next_offset[record->partition];
    if (record->offset < *next) {
        if (!f->repeats_allowed)
            fail_msg("offset %lld of partition %d came again; lost assignments: %d and %d",
                     (long long)record->offset, (int)record->partition, f->members[0].losses,
                     f->members[1].losses);
        f->repeats++;
    } else {
        assert_int_equal(record->offset, *next); /* no gap */
        *next = record->offset + 1;
    }
    m->records++;
    f->records++;
    if (f->commits_each) {
        struct kafka_partition commit = m->assigned[record->partition];
        commit.offset = record->offset + 1;
        assert_status(kafka_consumer_commit(m->consumer, &commit, 1), STATUS_OK);
    }
    if (f->on_record != NULL)
        f->on_record(m, record);
    look(f);
}

static void on_committed(void *ctx, const struct kafka_partition *partitions, size_t count,
                         const struct error *error)
{
    struct member *m = ctx;
    (void)partitions;
    assert_true(count > 0);
    m->commits++;
    memset(&m->commit_error, 0, sizeof(m->commit_error));
    if (error != NULL)
        m->commit_error = *error;
    look(m->f);
}

static void on_closed(void *ctx)
{
    struct member *m = ctx;
    m->closed = true;
    look(m->f);
}

static const struct kafka_consumer_callbacks consumer_callbacks = {
    .on_assigned = on_assigned,
    .on_revoked = on_revoked,
    .on_record = on_record,
    .on_committed = on_committed,
    .on_fatal = on_fatal,
};
static const struct kafka_producer_callbacks producer_callbacks = {.on_report = on_report,
                                                                   .on_fatal = on_fatal};

/* --- fixture --------------------------------------------------------------------------------- */

static int set_up(void **state)
{
    struct fixture *f = test_calloc(1, sizeof(*f));
    struct buf errors;
    buf_init(&errors, 4096);
    mock_kafka_start(&f->mock);
    mock_kafka_topic(&f->mock, TOPIC, PARTITIONS);
    f->producer = kafka_producer_new(f->mock.loop, f->mock.bootstrap, NULL, 0, &producer_callbacks,
                                     f, &errors);
    assert_non_null(f->producer);
    for (int i = 0; i < CONSUMERS; i++)
        f->members[i].f = f;
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    kafka_producer_free(f->producer);
    for (int i = 0; i < CONSUMERS; i++)
        kafka_consumer_free(f->members[i].consumer);
    loop_timer_free(f->timer);
    mock_kafka_stop(&f->mock);
    test_free(f);
    return 0;
}

static void open_consumer_with(struct fixture *f, int number, const struct kafka_property *more)
{
    static const char *const topics[] = {TOPIC};
    const struct kafka_property properties[] = {
        {"session.timeout.ms", "4000"}, {"heartbeat.interval.ms", "100"}, *more};
    struct buf errors;
    buf_init(&errors, 4096);
    f->members[number].consumer =
        kafka_consumer_new(f->mock.loop, f->mock.bootstrap, "group", topics, 1, properties, 3,
                           &consumer_callbacks, &f->members[number], &errors);
    assert_string_equal(buf_text(&errors), "");
    assert_non_null(f->members[number].consumer);
}

static void open_consumer(struct fixture *f, int number)
{
    const struct kafka_property none = {"client.id", "test"};
    open_consumer_with(f, number, &none);
}

static bool all_reported(const struct fixture *f)
{
    return f->reports == f->reports_wanted;
}

static bool all_received(const struct fixture *f)
{
    return f->records == f->records_wanted;
}

static void produce(struct fixture *f, int count)
{
    for (int i = 0; i < count; i++) {
        char key[16];
        snprintf(key, sizeof(key), "key-%d", i);
        const struct kafka_message message = {.topic = SLICE_LITERAL(TOPIC),
                                              .key = slice_from_str(key),
                                              .value = slice_from_str(key),
                                              .id = (uint64_t)i};
        assert_status(kafka_produce(f->producer, &message, NULL), STATUS_OK);
    }
    f->reports_wanted += count;
    f->records_wanted += count;
    run_until(f, all_reported);
}

static bool is_closed(const struct fixture *f)
{
    return f->members[0].closed;
}

static void leave(struct fixture *f)
{
    kafka_consumer_close(f->members[0].consumer, on_closed);
    run_until(f, is_closed);
    kafka_consumer_free(f->members[0].consumer);
    f->members[0].consumer = NULL;
}

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

static void compare_pair(struct member *m, const struct kafka_record *record)
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
    struct fixture *f = ctx;
    struct mono_ms soon = mono_add(loop_now(f->mock.loop).mono, 5);
    loop_timer_set(f->timer, (struct deadline){soon, {TIME_NEVER}});
    look(f);
}

static bool has_no_lag(const struct fixture *f)
{
    return kafka_consumer_lag(f->members[0].consumer) == 0;
}

static void bytes_in_are_bytes_out(void **state)
{
    struct fixture *f = *state;
    for (size_t i = 0; i < ARRAY_LEN(pairs); i++) {
        const struct kafka_message message = {.topic = SLICE_LITERAL(TOPIC),
                                              .key = pairs[i].key,
                                              .value = pairs[i].value,
                                              .headers = headers_sent,
                                              .header_count = HEADERS_SENT,
                                              .timestamp_ms = 1700000000000 + (int64_t)i};
        assert_status(kafka_produce(f->producer, &message, NULL), STATUS_OK);
    }
    f->reports_wanted = f->records_wanted = ARRAY_LEN(pairs);
    f->on_record = compare_pair;
    run_until(f, all_reported);
    open_consumer(f, 0);
    run_until(f, all_received);
    f->timer = loop_timer_new(f->mock.loop, on_poll, f);
    on_poll(f);
    run_until(f, has_no_lag); /* known once every partition has been fetched from */
    leave(f);
}

/* --- pause ----------------------------------------------------------------------------------- */

static void on_resume(void *ctx)
{
    struct fixture *f = ctx;
    f->members[0].paused = false;
    kafka_consumer_pause(f->members[0].consumer, false);
}

static void pause_often(struct member *m, const struct kafka_record *record)
{
    (void)record;
    if (m->records % 97 != 0)
        return;
    m->paused = true;
    kafka_consumer_pause(m->consumer, true);
    struct mono_ms soon = mono_add(loop_now(m->f->mock.loop).mono, m->records % 3);
    loop_timer_set(m->f->timer, (struct deadline){soon, {TIME_NEVER}});
}

static void pause_and_resume_lose_nothing(void **state)
{
    struct fixture *f = *state;
    f->timer = loop_timer_new(f->mock.loop, on_resume, f);
    f->on_record = pause_often;
    produce(f, 3000);
    open_consumer(f, 0);
    run_until(f, all_received);
    produce(f, 3000);
    run_until(f, all_received);
    leave(f);
}

static bool is_assigned(const struct fixture *f)
{
    for (int i = 0; i < PARTITIONS; i++) {
        if (!f->members[0].has[i])
            return false;
    }
    return true;
}

static bool timer_fired;

static void on_timer(void *ctx)
{
    struct fixture *f = ctx;
    timer_fired = true;
    look(f);
}

static bool has_timer_fired(const struct fixture *f)
{
    (void)f;
    return timer_fired;
}

static void a_paused_consumer_still_joins_and_commits(void **state)
{
    struct fixture *f = *state;
    produce(f, 100);
    open_consumer(f, 0);
    f->members[0].paused = true;
    kafka_consumer_pause(f->members[0].consumer, true);
    run_until(f, is_assigned);
    f->timer = loop_timer_new(f->mock.loop, on_timer, f);
    timer_fired = false;
    struct mono_ms soon = mono_add(loop_now(f->mock.loop).mono, 300);
    loop_timer_set(f->timer, (struct deadline){soon, {TIME_NEVER}});
    run_until(f, has_timer_fired);
    assert_int_equal(f->records, 0);
    assert_int_equal(kafka_consumer_lag(f->members[0].consumer), -1);
    on_resume(f);
    run_until(f, all_received);
    leave(f);
}

/* --- commits and rebalances ------------------------------------------------------------------ */

static bool has_committed(const struct fixture *f)
{
    return f->members[0].commits >= 1;
}

static void a_restart_goes_on_from_the_commit(void **state)
{
    struct fixture *f = *state;
    produce(f, 400);
    open_consumer(f, 0);
    run_until(f, all_received);
    struct kafka_partition commits[PARTITIONS];
    int64_t again = 0;
    for (int i = 0; i < PARTITIONS; i++) {
        commits[i] = f->members[0].assigned[i];
        commits[i].offset = f->next_offset[i] / 2;
        again += f->next_offset[i] - commits[i].offset;
    }
    struct kafka_consumer *consumer = f->members[0].consumer;
    assert_status(kafka_consumer_commit(consumer, commits, PARTITIONS), STATUS_OK);
    run_until(f, has_committed);
    assert_int_equal(f->members[0].commit_error.kind, ERROR_NONE);
    leave(f);
    assert_int_equal(f->members[0].revokes, 1);

    for (int i = 0; i < PARTITIONS; i++)
        f->next_offset[i] = commits[i].offset;
    f->records = 0;
    f->records_wanted = (int)again;
    f->members[0].closed = false;
    open_consumer(f, 0);
    run_until(f, all_received);
    leave(f);
}

static void a_refused_commit_is_reported(void **state)
{
    struct fixture *f = *state;
    produce(f, 10);
    open_consumer(f, 0);
    run_until(f, all_received);
    rd_kafka_mock_push_request_errors(f->mock.cluster, API_KEY_OFFSET_COMMIT, 1,
                                      RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED);
    struct kafka_partition commit = f->members[0].assigned[0];
    commit.offset = 1;
    assert_status(kafka_consumer_commit(f->members[0].consumer, &commit, 1), STATUS_OK);
    run_until(f, has_committed);
    assert_int_equal(f->members[0].commit_error.kind, ERROR_AUTH);
    assert_string_equal(f->members[0].commit_error.code, "GROUP_AUTHORIZATION_FAILED");
    leave(f);
}

static int count_assigned(const struct member *m)
{
    int count = 0;
    for (int i = 0; i < PARTITIONS; i++)
        count += m->has[i];
    return count;
}

static bool is_shared(const struct fixture *f)
{
    return count_assigned(&f->members[0]) == 2 && count_assigned(&f->members[1]) == 2;
}

static bool second_has_all(const struct fixture *f)
{
    return count_assigned(&f->members[1]) == PARTITIONS;
}

static bool at_least_received(const struct fixture *f)
{
    int64_t seen = 0;
    for (int i = 0; i < PARTITIONS; i++)
        seen += f->next_offset[i];
    return seen == f->records_wanted;
}

static void share(struct fixture *f, const struct kafka_property *protocol)
{
    f->repeats_allowed = true; /* nobody commits here */
    open_consumer_with(f, 0, protocol);
    produce(f, 200);
    run_until(f, at_least_received);
    open_consumer_with(f, 1, protocol);
    run_until(f, is_shared);
    produce(f, 200);
    run_until(f, at_least_received);
    assert_true(f->members[1].records > 0);
    leave(f);
    assert_true(f->members[0].revokes >= 2);
    run_until(f, second_has_all);
    produce(f, 200);
    run_until(f, at_least_received);
}

static void two_members_share_cooperatively(void **state)
{
    const struct kafka_property none = {"client.id", "test"};
    share(*state, &none);
}

static void two_members_share_eagerly(void **state)
{
    const struct kafka_property eager = {"partition.assignment.strategy", "range"};
    share(*state, &eager);
}

static bool is_unreachable(const struct fixture *f)
{
    return !kafka_consumer_is_reachable(f->members[0].consumer);
}

static bool is_reachable(const struct fixture *f)
{
    return kafka_consumer_is_reachable(f->members[0].consumer);
}

static void it_knows_whether_a_broker_is_there(void **state)
{
    struct fixture *f = *state;
    const struct kafka_property quick = {"statistics.interval.ms", "50"};
    f->timer = loop_timer_new(f->mock.loop, on_poll, f);
    rd_kafka_mock_broker_set_down(f->mock.cluster, 1);
    open_consumer_with(f, 0, &quick);
    on_poll(f);
    run_until(f, is_unreachable);
    rd_kafka_mock_broker_set_up(f->mock.cluster, 1);
    run_until(f, is_reachable);
}

/* While the group rebalances, records go on coming and being committed: no member may lose its
 * assignment by that, and none of them comes again. */
static void joining_and_leaving_repeats_nothing(void **state)
{
    struct fixture *f = *state;
    const struct kafka_property none = {"client.id", "test"};
    f->commits_each = true;
    open_consumer_with(f, 0, &none);
    produce(f, 200);
    run_until(f, at_least_received);
    open_consumer_with(f, 1, &none);
    produce(f, 200);
    run_until(f, at_least_received);
    run_until(f, is_shared);
    produce(f, 200);
    run_until(f, at_least_received);
    leave(f);
    produce(f, 200);
    run_until(f, second_has_all);
    run_until(f, at_least_received);
    assert_int_equal(f->repeats, 0);
    assert_int_equal(f->members[0].losses + f->members[1].losses, 0);
}

/* The final commit of a member that leaves while another joins would wait behind its JoinGroup. */
static void leaving_while_another_joins_repeats_nothing(void **state)
{
    struct fixture *f = *state;
    const struct kafka_property none = {"client.id", "test"};
    f->commits_each = true;
    open_consumer_with(f, 0, &none);
    produce(f, 200);
    run_until(f, at_least_received);
    open_consumer_with(f, 1, &none);
    f->timer = loop_timer_new(f->mock.loop, on_timer, f);
    timer_fired = false;
    /* the first has sent its JoinGroup by now: it heartbeats every 100 ms */
    struct mono_ms soon = mono_add(loop_now(f->mock.loop).mono, 1000);
    loop_timer_set(f->timer, (struct deadline){soon, {TIME_NEVER}});
    run_until(f, has_timer_fired);
    produce(f, 200);
    run_until(f, at_least_received);
    leave(f);
    run_until(f, second_has_all);
    produce(f, 200);
    run_until(f, at_least_received);
    assert_int_equal(f->repeats, 0);
}

static void a_member_that_dies_leaves_no_trace_here(void **state)
{
    struct fixture *f = *state;
    produce(f, 100);
    open_consumer(f, 0);
    run_until(f, all_received);
    kafka_consumer_free(f->members[0].consumer); /* without leaving */
    f->members[0].consumer = NULL;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(bytes_in_are_bytes_out),
        TEST(pause_and_resume_lose_nothing),
        TEST(a_paused_consumer_still_joins_and_commits),
        TEST(a_restart_goes_on_from_the_commit),
        TEST(a_refused_commit_is_reported),
        TEST(two_members_share_cooperatively),
        TEST(two_members_share_eagerly),
        TEST(it_knows_whether_a_broker_is_there),
        TEST(joining_and_leaving_repeats_nothing),
        TEST(leaving_while_another_joins_repeats_nothing),
        TEST(a_member_that_dies_leaves_no_trace_here),
    };
    return run_side_by_side(tests, ARRAY_LEN(tests));
}
