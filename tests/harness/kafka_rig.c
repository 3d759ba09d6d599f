#include "tests/harness/kafka_rig.h"

#define API_KEY_HEARTBEAT  12
#define SESSION_TIMEOUT_MS "4000" /* a join takes 1 s less */

/* --- running --------------------------------------------------------------------------------- */

void kafka_rig_look(struct kafka_rig *rig)
{
    rig->done = rig->is_done != NULL && rig->is_done(rig);
    if (rig->done)
        loop_stop(rig->mock.loop);
}

void kafka_rig_run_until(struct kafka_rig *rig, bool (*is_done)(const struct kafka_rig *rig))
{
    rig->is_done = is_done;
    rig->done = is_done(rig);
    mock_kafka_run_until(&rig->mock, &rig->done);
}

/* --- callbacks ------------------------------------------------------------------------------- */

static void on_report(void *ctx, uint64_t id, enum outcome outcome, const struct error *error)
{
    struct kafka_rig *rig = ctx;
    (void)id;
    (void)error;
    assert_int_equal(outcome, OUTCOME_DONE);
    rig->reports++;
    kafka_rig_look(rig);
}

static void on_fatal(void *ctx, const struct error *error)
{
    (void)ctx;
    fail_msg("fatal: %s %s", error->code, error->text);
}

static void on_assigned(void *ctx, const struct kafka_partition *partitions, size_t count)
{
    struct kafka_member *m = ctx;
    for (size_t i = 0; i < count; i++) {
        int32_t partition = partitions[i].partition;
        assert_slice_equal(partitions[i].topic, RIG_TOPIC);
        assert_in_range(partition, 0, RIG_PARTITIONS - 1);
        assert_false(m->has[partition]);
        for (int other = 0; other < RIG_PARTITIONS; other++)
            assert_false(m->has[other] && m->assigned[other].index == partitions[i].index);
        m->has[partition] = true;
        m->assigned[partition] = partitions[i];
    }
    kafka_rig_look(m->rig);
}

static void on_revoked(void *ctx, const struct kafka_partition *partitions, size_t count, bool lost)
{
    struct kafka_member *m = ctx;
    m->revokes++;
    m->losses += lost;
    for (size_t i = 0; i < count; i++) {
        int32_t partition = partitions[i].partition;
        assert_true(m->has[partition]);
        assert_int_equal(m->assigned[partition].index, partitions[i].index);
        m->has[partition] = false;
    }
    kafka_consumer_release(m->consumer, partitions, count);
    kafka_rig_look(m->rig);
}

static void follow_offset(struct kafka_rig *rig, const struct kafka_record *record)
{
    int64_t *next = &rig->next_offset[record->partition];
    if (record->offset < *next) {
        if (!rig->repeats_allowed)
            fail_msg("offset %lld of partition %d came again; lost assignments: %d and %d",
                     (long long)record->offset, (int)record->partition, rig->members[0].losses,
                     rig->members[1].losses);
        rig->repeats++;
        return;
    }
    assert_int_equal(record->offset, *next); /* no gap */
    *next = record->offset + 1;
}

static void on_record(void *ctx, const struct kafka_record *record)
{
    struct kafka_member *m = ctx;
    struct kafka_rig *rig = m->rig;
    assert_false(m->paused);
    assert_true(m->has[record->partition]);
    assert_int_equal(m->assigned[record->partition].index, record->partition_index);
    follow_offset(rig, record);
    m->records++;
    rig->records++;
    if (rig->commits_each) {
        struct kafka_partition commit = m->assigned[record->partition];
        commit.offset = record->offset + 1;
        assert_status(kafka_consumer_commit(m->consumer, &commit, 1), STATUS_OK);
    }
    if (rig->on_record != NULL)
        rig->on_record(m, record);
    kafka_rig_look(rig);
}

static void on_committed(void *ctx, const struct kafka_partition *partitions, size_t count,
                         const struct error *error)
{
    struct kafka_member *m = ctx;
    (void)partitions;
    assert_true(count > 0);
    m->commits++;
    memset(&m->commit_error, 0, sizeof(m->commit_error));
    if (error != NULL)
        m->commit_error = *error;
    kafka_rig_look(m->rig);
}

static void on_log(void *ctx, enum log_level level, const char *facility, const char *text)
{
    struct kafka_member *m = ctx;
    (void)level;
    if (strcmp(facility, "CGRPJOINSTATE") == 0) {
        m->is_joining = strstr(text, "-> wait-join ") != NULL;
        m->is_steady = strstr(text, "-> steady ") != NULL;
        kafka_rig_look(m->rig);
    }
}

static void on_closed(void *ctx)
{
    struct kafka_member *m = ctx;
    m->closed = true;
    kafka_rig_look(m->rig);
}

static const struct kafka_consumer_callbacks consumer_callbacks = {
    .on_assigned = on_assigned,
    .on_revoked = on_revoked,
    .on_record = on_record,
    .on_committed = on_committed,
    .on_fatal = on_fatal,
    .on_log = on_log,
};
static const struct kafka_producer_callbacks producer_callbacks = {.on_report = on_report,
                                                                   .on_fatal = on_fatal};

/* --- life ------------------------------------------------------------------------------------ */

int kafka_rig_set_up(void **state)
{
    struct kafka_rig *rig = test_calloc(1, sizeof(*rig));
    struct buf errors;
    buf_init(&errors, 4096);
    mock_kafka_start(&rig->mock);
    mock_kafka_topic(&rig->mock, RIG_TOPIC, RIG_PARTITIONS);
    rig->producer = kafka_producer_new(rig->mock.loop, &rig->mock.at, NULL, 0, &producer_callbacks,
                                       rig, &errors);
    assert_non_null(rig->producer);
    for (int i = 0; i < RIG_MEMBERS; i++)
        rig->members[i].rig = rig;
    *state = rig;
    return 0;
}

int kafka_rig_tear_down(void **state)
{
    struct kafka_rig *rig = *state;
    kafka_producer_free(rig->producer);
    for (int i = 0; i < RIG_MEMBERS; i++)
        kafka_consumer_free(rig->members[i].consumer);
    loop_timer_free(rig->timer);
    mock_kafka_stop(&rig->mock);
    test_free(rig);
    return 0;
}

/* --- doing ----------------------------------------------------------------------------------- */

void kafka_rig_produce(struct kafka_rig *rig, int count)
{
    for (int i = 0; i < count; i++) {
        char key[16];
        snprintf(key, sizeof(key), "key-%d", i);
        const struct kafka_message message = {.topic = SLICE_LITERAL(RIG_TOPIC),
                                              .key = slice_from_str(key),
                                              .value = slice_from_str(key),
                                              .id = (uint64_t)i};
        assert_status(kafka_produce(rig->producer, &message, NULL), STATUS_OK);
    }
    rig->sent += count;
    kafka_rig_run_until(rig, kafka_rig_all_reported);
}

void kafka_rig_join(struct kafka_rig *rig, int number, const struct kafka_property *more)
{
    static const char *const topics[] = {RIG_TOPIC};
    const struct kafka_property properties[] = {
        {"session.timeout.ms", SESSION_TIMEOUT_MS},
        {"heartbeat.interval.ms", "100"},
        more == NULL ? (struct kafka_property){"client.id", "test"} : *more};
    struct kafka_member *member = &rig->members[number];
    struct buf errors;
    buf_init(&errors, 4096);
    member->closed = false;
    member->consumer =
        kafka_consumer_new(rig->mock.loop, &rig->mock.at, "group", topics, 1, properties,
                           ARRAY_LEN(properties), &consumer_callbacks, member, &errors);
    assert_string_equal(buf_text(&errors), "");
    assert_non_null(member->consumer);
}

static bool who_leaves_has_left(const struct kafka_rig *rig)
{
    for (int i = 0; i < RIG_MEMBERS; i++) {
        if (rig->members[i].closed)
            return true;
    }
    return false;
}

void kafka_rig_leave(struct kafka_rig *rig, int number)
{
    struct kafka_member *member = &rig->members[number];
    kafka_consumer_close(member->consumer, on_closed);
    kafka_rig_run_until(rig, who_leaves_has_left);
    member->closed = false;
    kafka_consumer_free(member->consumer);
    member->consumer = NULL;
}

static bool is_steady(const struct kafka_rig *rig)
{
    return rig->members[0].is_steady;
}

static bool is_joining(const struct kafka_rig *rig)
{
    return rig->members[0].is_joining;
}

void kafka_rig_rebalance(struct kafka_rig *rig)
{
    kafka_rig_run_until(rig, is_steady); /* on the way there the error would be overheard */
    rd_kafka_mock_push_request_errors(rig->mock.cluster, API_KEY_HEARTBEAT, 1,
                                      RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS);
    kafka_rig_run_until(rig, is_joining);
}

void kafka_rig_slow(struct kafka_rig *rig, int round_trip_ms)
{
    assert_int_equal(rd_kafka_mock_broker_set_rtt(rig->mock.cluster, 1, round_trip_ms),
                     RD_KAFKA_RESP_ERR_NO_ERROR);
}

/* --- conditions ------------------------------------------------------------------------------ */

bool kafka_rig_all_reported(const struct kafka_rig *rig)
{
    return rig->reports == rig->sent;
}

int kafka_rig_assigned(const struct kafka_member *member)
{
    int count = 0;
    for (int i = 0; i < RIG_PARTITIONS; i++)
        count += member->has[i];
    return count;
}

bool kafka_rig_first_has_all(const struct kafka_rig *rig)
{
    return kafka_rig_assigned(&rig->members[0]) == RIG_PARTITIONS;
}

bool kafka_rig_second_has_all(const struct kafka_rig *rig)
{
    return kafka_rig_assigned(&rig->members[1]) == RIG_PARTITIONS;
}

bool kafka_rig_is_shared(const struct kafka_rig *rig)
{
    return kafka_rig_assigned(&rig->members[0]) == RIG_PARTITIONS / 2 &&
           kafka_rig_assigned(&rig->members[1]) == RIG_PARTITIONS / 2;
}

bool kafka_rig_all_received(const struct kafka_rig *rig)
{
    int64_t seen = 0;
    for (int i = 0; i < RIG_PARTITIONS; i++)
        seen += rig->next_offset[i];
    return seen == rig->sent;
}
