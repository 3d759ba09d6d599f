#include "tests/harness/unit.h"

#include "common/kafka_internal.h"
#include "tests/harness/mock_kafka.h"

#define REPORTS_MAX 64

struct report {
    uint64_t id;
    enum outcome outcome;
    struct error error;
};

struct fixture {
    struct mock_kafka mock;
    struct kafka_producer *producer;
    struct loop_timer *timer;
    struct report reports[REPORTS_MAX];
    size_t report_count;
    size_t wanted;
    bool done;
    int fatals;
};

static void on_report(void *ctx, uint64_t id, enum outcome outcome, const struct error *error)
{
    struct fixture *f = ctx;
    assert_true(f->report_count < REPORTS_MAX);
    f->reports[f->report_count++] = (struct report){id, outcome, *error};
    f->done = f->report_count == f->wanted;
    if (f->done)
        loop_stop(f->mock.loop);
}

static void on_fatal(void *ctx, const struct error *error)
{
    struct fixture *f = ctx;
    print_message("fatal: %s %s\n", error->code, error->text);
    f->fatals++;
}

static const struct kafka_producer_callbacks callbacks = {.on_report = on_report,
                                                          .on_fatal = on_fatal};

static int set_up(void **state)
{
    struct fixture *f = test_calloc(1, sizeof(*f));
    mock_kafka_start(&f->mock);
    mock_kafka_topic(&f->mock, "target", 4);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    kafka_producer_free(f->producer);
    mock_kafka_stop(&f->mock);
    assert_int_equal(f->fatals, 0);
    test_free(f);
    return 0;
}

static void open_producer(struct fixture *f, const struct kafka_property *properties, size_t count)
{
    struct buf errors;
    buf_init(&errors, 4096);
    f->producer =
        kafka_producer_new(f->mock.loop, &f->mock.at, properties, count, &callbacks, f, &errors);
    assert_string_equal(buf_text(&errors), "");
    assert_non_null(f->producer);
    buf_release(&errors);
}

static void produce_to(struct fixture *f, const char *topic, uint64_t id)
{
    const struct kafka_message message = {.topic = slice_from_str(topic),
                                          .key = SLICE_LITERAL("key"),
                                          .value = SLICE_LITERAL("value"),
                                          .id = id};
    assert_status(kafka_produce(f->producer, &message, NULL), STATUS_OK);
}

static void run_until_reports(struct fixture *f, size_t count)
{
    f->wanted = count;
    f->done = f->report_count == count;
    mock_kafka_run_until(&f->mock, &f->done);
}

static void every_record_is_reported_once(void **state)
{
    struct fixture *f = *state;
    bool seen[50] = {false};
    open_producer(f, NULL, 0);
    for (uint64_t id = 0; id < 50; id++)
        produce_to(f, "target", id | UINT64_C(0xfedc) << 48);
    assert_int_equal(kafka_producer_pending(f->producer), 50);
    assert_int_equal(f->report_count, 0);
    run_until_reports(f, 50);
    assert_int_equal(kafka_producer_pending(f->producer), 0);
    for (size_t i = 0; i < 50; i++) {
        uint64_t id = f->reports[i].id & 0xff;
        assert_int_equal(f->reports[i].id >> 48, 0xfedc);
        assert_int_equal(f->reports[i].outcome, OUTCOME_DONE);
        assert_int_equal(f->reports[i].error.kind, ERROR_NONE);
        assert_false(seen[id]);
        seen[id] = true;
    }
}

static void expect_report_of(struct fixture *f, rd_kafka_resp_err_t pushed, enum outcome outcome,
                             enum error_kind kind, const char *code)
{
    size_t before = f->report_count;
    rd_kafka_mock_push_request_errors(f->mock.cluster, API_KEY_PRODUCE, 1, pushed);
    produce_to(f, "target", before);
    run_until_reports(f, before + 1);
    const struct report *report = &f->reports[before];
    assert_int_equal(report->id, before);
    assert_string_equal(report->error.code, code);
    assert_int_equal(report->outcome, outcome);
    assert_int_equal(report->error.kind, kind);
}

static void what_the_broker_refuses_is_failed_for_good(void **state)
{
    struct fixture *f = *state;
    open_producer(f, NULL, 0);
    expect_report_of(f, RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE, OUTCOME_FAILED, ERROR_PERMANENT,
                     "MSG_SIZE_TOO_LARGE");
    expect_report_of(f, RD_KAFKA_RESP_ERR_INVALID_RECORD, OUTCOME_FAILED, ERROR_PERMANENT,
                     "INVALID_RECORD");
    expect_report_of(f, RD_KAFKA_RESP_ERR_NO_ERROR, OUTCOME_DONE, ERROR_NONE, "");
    expect_report_of(f, RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED, OUTCOME_FAILED,
                     ERROR_PERMANENT, "TOPIC_AUTHORIZATION_FAILED");
}

static void what_may_have_been_written_is_unknown(void **state)
{
    struct fixture *f = *state;
    open_producer(f, NULL, 0);
    expect_report_of(f, RD_KAFKA_RESP_ERR_UNKNOWN, OUTCOME_UNKNOWN, ERROR_UNKNOWN, "UNKNOWN");
}

static void what_passes_is_tried_again_unseen(void **state)
{
    struct fixture *f = *state;
    const struct kafka_property fast[] = {{"retry.backoff.ms", "10"}};
    open_producer(f, fast, 1);
    expect_report_of(f, RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION, OUTCOME_DONE, ERROR_NONE, "");
    expect_report_of(f, RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS, OUTCOME_DONE, ERROR_NONE, "");
    expect_report_of(f, RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT, OUTCOME_DONE, ERROR_NONE, "");
}

static void never_sent_is_failed_and_may_be_tried_again(void **state)
{
    struct fixture *f = *state;
    const struct kafka_property impatient[] = {{"message.timeout.ms", "500"}};
    open_producer(f, impatient, 1);
    rd_kafka_mock_broker_set_down(f->mock.cluster, 1);
    produce_to(f, "target", 7);
    run_until_reports(f, 1);
    assert_int_equal(f->reports[0].outcome, OUTCOME_FAILED);
    assert_int_equal(f->reports[0].error.kind, ERROR_RETRY);
    assert_string_equal(f->reports[0].error.code, "MSG_TIMED_OUT");
}

static void sent_without_an_answer_is_unknown(void **state)
{
    struct fixture *f = *state;
    const struct kafka_property impatient[] = {{"message.timeout.ms", "1500"}};
    open_producer(f, impatient, 1);
    produce_to(f, "target", 1);
    run_until_reports(f, 1);
    rd_kafka_mock_broker_push_request_error_rtts(f->mock.cluster, 1, API_KEY_PRODUCE, 1,
                                                 RD_KAFKA_RESP_ERR_NO_ERROR, 20000);
    produce_to(f, "target", 2);
    run_until_reports(f, 2);
    assert_int_equal(f->reports[1].outcome, OUTCOME_UNKNOWN);
    assert_int_equal(f->reports[1].error.kind, ERROR_UNKNOWN);
    assert_string_equal(f->reports[1].error.code, "MSG_TIMED_OUT");
}

static void a_full_queue_takes_nothing(void **state)
{
    struct fixture *f = *state;
    const struct kafka_property tiny[] = {{"queue.buffering.max.messages", "2"}};
    struct error error;
    open_producer(f, tiny, 1);
    produce_to(f, "target", 0);
    produce_to(f, "target", 1);
    const struct kafka_message third = {.topic = SLICE_LITERAL("target"), .id = 2};
    assert_status(kafka_produce(f->producer, &third, &error), STATUS_FULL);
    assert_int_equal(kafka_producer_pending(f->producer), 2);
    run_until_reports(f, 2);
    assert_status(kafka_produce(f->producer, &third, &error), STATUS_OK);
    run_until_reports(f, 3);
    assert_int_equal(f->reports[2].id, 2);
}

static void what_cannot_be_taken_is_refused_at_once(void **state)
{
    struct fixture *f = *state;
    const struct kafka_property small[] = {{"message.max.bytes", "2000"}};
    static const uint8_t large[4000];
    struct error error;
    open_producer(f, small, 1);
    struct kafka_message message = {.topic = SLICE_LITERAL("target"),
                                    .value = slice_from(large, sizeof(large))};
    assert_status(kafka_produce(f->producer, &message, &error), STATUS_TOO_LARGE);
    assert_int_equal(error.kind, ERROR_PERMANENT);
    message.value = SLICE_NULL;
    message.topic = SLICE_LITERAL("");
    assert_status(kafka_produce(f->producer, &message, &error), STATUS_INVALID);
    assert_string_equal(error.code, "TOPIC_EXCEPTION");
    message.topic = SLICE_LITERAL("a\0b");
    assert_status(kafka_produce(f->producer, &message, &error), STATUS_INVALID);
    assert_int_equal(kafka_producer_pending(f->producer), 0);
}

static void what_is_refused_makes_no_producer(void **state)
{
    struct fixture *f = *state;
    const struct kafka_property wrong[] = {{"no.such.property", "1"}};
    CLEANUP(buf_release) struct buf errors;
    buf_init(&errors, 4096);
    assert_null(kafka_producer_new(f->mock.loop, &f->mock.at, wrong, 1, &callbacks, f, &errors));
    assert_non_null(strstr(buf_text(&errors), "no.such.property: "));
}

static void properties_come_from_the_environment(void **state)
{
    struct fixture *f = *state;
    struct error error;
    setenv("KAFKA_PROPERTY_QUEUE_BUFFERING_MAX_MESSAGES", "1", 1);
    open_producer(f, NULL, 0);
    unsetenv("KAFKA_PROPERTY_QUEUE_BUFFERING_MAX_MESSAGES");
    produce_to(f, "target", 0);
    const struct kafka_message second = {.topic = SLICE_LITERAL("target"), .id = 1};
    assert_status(kafka_produce(f->producer, &second, &error), STATUS_FULL);
    run_until_reports(f, 1);
}

static void on_poll(void *ctx)
{
    struct fixture *f = ctx;
    bool is_reachable = kafka_producer_is_reachable(f->producer);
    f->done = is_reachable == (f->wanted == 1);
    if (f->done) {
        loop_stop(f->mock.loop);
        return;
    }
    struct mono_ms soon = mono_add(loop_now(f->mock.loop).mono, 5);
    loop_timer_set(f->timer, (struct deadline){soon, {TIME_NEVER}});
}

static void run_until_reachable_is(struct fixture *f, bool wanted)
{
    f->wanted = wanted;
    f->done = false;
    loop_timer_set(f->timer, (struct deadline){loop_now(f->mock.loop).mono, {TIME_NEVER}});
    mock_kafka_run_until(&f->mock, &f->done);
}

static void it_knows_whether_a_broker_is_there(void **state)
{
    struct fixture *f = *state;
    const struct kafka_property quick[] = {{"statistics.interval.ms", "50"},
                                           {"reconnect.backoff.max.ms", "200"}};
    open_producer(f, quick, 2);
    f->timer = loop_timer_new(f->mock.loop, on_poll, f);
    assert_true(kafka_producer_is_reachable(f->producer));
    produce_to(f, "target", 1);
    run_until_reports(f, 1);
    rd_kafka_mock_broker_set_down(f->mock.cluster, 1);
    run_until_reachable_is(f, false);
    rd_kafka_mock_broker_set_up(f->mock.cluster, 1);
    run_until_reachable_is(f, true);
    loop_timer_free(f->timer);
}

static enum status try_to_produce(struct fixture *f, const char *topic, uint64_t id,
                                  struct error *reterr)
{
    const struct kafka_message message = {.topic = slice_from_str(topic), .id = id};
    return kafka_produce(f->producer, &message, reterr);
}

/* Who writes to a delay topic names as many targets as he likes; nobody else's record is refused
 * for it. */
static void however_many_topics_are_named_more_can_be(void **state)
{
    struct fixture *f = *state;
    static const char *const names[] = {"t0", "t1", "t2", "t3", "t4"};
    struct error error;
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        mock_kafka_topic(&f->mock, names[i], 1);
    open_producer(f, NULL, 0);
    kafka_producer_limit_topics(f->producer, 2);
    for (uint64_t id = 0; id < 4; id++) /* the third begins a new client, beside the old one */
        produce_to(f, names[id], id);
    /* That record alone: known topics go on. */
    assert_status(try_to_produce(f, "t4", 4, &error), STATUS_INVALID);
    assert_int_equal(error.kind, ERROR_RETRY);
    produce_to(f, "t3", 5);
    assert_int_equal(kafka_producer_pending(f->producer), 5);
    run_until_reports(f, 5);
    assert_int_equal(kafka_producer_pending(f->producer), 0);
    produce_to(f, "t4", 4);
    for (uint64_t id = 6; id < 10; id++) {
        run_until_reports(f, id);
        produce_to(f, names[id - 6], id);
    }
    run_until_reports(f, 10);
    bool seen[10] = {false};
    for (size_t i = 0; i < ARRAY_LEN(seen); i++) {
        assert_int_equal(f->reports[i].outcome, OUTCOME_DONE);
        assert_false(seen[f->reports[i].id]);
        seen[f->reports[i].id] = true;
    }
}

static void giving_up_on_two_clients_does_not_wait(void **state)
{
    struct fixture *f = *state;
    open_producer(f, NULL, 0);
    kafka_producer_limit_topics(f->producer, 1);
    rd_kafka_mock_broker_set_down(f->mock.cluster, 1);
    produce_to(f, "target", 1);
    produce_to(f, "other", 2);
    kafka_producer_free(f->producer);
    f->producer = NULL;
    mock_kafka_run_out(&f->mock);
    assert_int_equal(f->report_count, 0);
}

static void giving_up_does_not_wait(void **state)
{
    struct fixture *f = *state;
    open_producer(f, NULL, 0);
    rd_kafka_mock_broker_set_down(f->mock.cluster, 1);
    produce_to(f, "target", 1);
    kafka_producer_free(f->producer);
    f->producer = NULL;
    mock_kafka_run_out(&f->mock);
    assert_int_equal(f->report_count, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(every_record_is_reported_once),
        TEST(what_the_broker_refuses_is_failed_for_good),
        TEST(what_may_have_been_written_is_unknown),
        TEST(what_passes_is_tried_again_unseen),
        TEST(never_sent_is_failed_and_may_be_tried_again),
        TEST(sent_without_an_answer_is_unknown),
        TEST(a_full_queue_takes_nothing),
        TEST(what_cannot_be_taken_is_refused_at_once),
        TEST(what_is_refused_makes_no_producer),
        TEST(properties_come_from_the_environment),
        TEST(it_knows_whether_a_broker_is_there),
        TEST(giving_up_does_not_wait),
        TEST(however_many_topics_are_named_more_can_be),
        TEST(giving_up_on_two_clients_does_not_wait),
    };
    return run_side_by_side(tests, ARRAY_LEN(tests));
}
