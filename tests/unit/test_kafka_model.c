#include "tests/unit/kafka_model_world.h"

static int set_up(void **state)
{
    *state = make_model(1);
    return 0;
}

static void test_topics(void **state)
{
    struct kafka_model *model = *state;
    int32_t partitions = 0;
    struct kafka_model_topic_options options = {.partitions = 2};
    assert_kafka(kafka_model_create_topic(model, TOPIC, &options), TOPIC_ALREADY_EXISTS);
    assert_kafka(kafka_model_create_topic(model, SLICE_LITERAL("a b"), &options),
                 INVALID_TOPIC_EXCEPTION);
    assert_kafka(kafka_model_metadata(model, SLICE_LITERAL("absent"), &partitions),
                 UNKNOWN_TOPIC_OR_PARTITION);
    assert_kafka(kafka_model_add_partitions(model, TOPIC, 3), NONE);
    assert_kafka(kafka_model_metadata(model, TOPIC, &partitions), NONE);
    assert_int_equal(partitions, 3);
    struct kafka_model_produce third = record("k", "v");
    third.partition = 3;
    assert_kafka(produce(model, third, T0).error, UNKNOWN_TOPIC_OR_PARTITION);
    assert_kafka(kafka_model_delete_topic(model, TOPIC), NONE);
    assert_kafka(produce(model, record("k", "v"), T0).error, UNKNOWN_TOPIC_OR_PARTITION);
}

static void test_first_use_creates_a_topic_if_allowed(void **state)
{
    (void)state;
    struct kafka_model *model = kafka_model_new(&(struct kafka_model_options){.auto_create = 4});
    int32_t partitions = 0;
    assert_kafka(produce(model, record("k", "v"), T0).error, NONE);
    assert_kafka(kafka_model_metadata(model, TOPIC, &partitions), NONE);
    assert_int_equal(partitions, 4);
    assert_kafka(kafka_model_metadata(model, SLICE_LITERAL(".."), &partitions),
                 INVALID_TOPIC_EXCEPTION);
    kafka_model_free(model);
}

/* Numbers of Kafka's own UtilsTest.testMurmur2. */
static void test_keys_choose_partitions_as_java(void **state)
{
    (void)state;
    static const struct {
        const char *key;
        int32_t hash;
    } cases[] = {{"21", -973932308},
                 {"foobar", -790332482},
                 {"a-little-bit-long-string", -985981536},
                 {"a-little-bit-longer-string", -1486304829},
                 {"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971},
                 {"abc", 479470107}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        assert_int_equal(kafka_model_partition_of(slice_from_str(cases[i].key), INT32_MAX),
                         (cases[i].hash & INT32_MAX) % INT32_MAX);
}

static void test_bytes_come_back(void **state)
{
    struct kafka_model *model = *state;
    struct kafka_model_header headers[] = {{SLICE_LITERAL("a"), SLICE_LITERAL("\0\xff")},
                                           {SLICE_LITERAL("a"), SLICE_NULL},
                                           {SLICE_LITERAL(""), SLICE_LITERAL("")}};
    struct kafka_model_produce sent = record(NULL, "");
    sent.headers = headers;
    sent.header_count = 3;
    assert_kafka(produce(model, sent, T0).error, NONE);
    assert_kafka(produce(model, record("", NULL), T0).error, NONE);
    struct kafka_model_record got[3];
    struct kafka_model_fetched fetched = fetch(model, 0, T0, got, 3);
    assert_int_equal(fetched.count, 2);
    assert_int_equal(fetched.next_offset, 2);
    assert_true(slice_is_null(got[0].key));
    assert_false(slice_is_null(got[0].value));
    assert_int_equal(got[0].timestamp_ms, T0);
    assert_int_equal(got[0].header_count, 3);
    assert_true(slice_equal(got[0].headers[0].value, headers[0].value));
    assert_true(slice_is_null(got[0].headers[1].value));
    assert_false(slice_is_null(got[0].headers[2].value));
    assert_false(slice_is_null(got[1].key));
    assert_true(slice_is_null(got[1].value));
}

static void test_size_limit(void **state)
{
    struct kafka_model *model = *state;
    /* 61 of the batch, 2 of length, 3 of attributes and differences, null key, value, headers */
    uint8_t value[100] = {0};
    struct kafka_model_produce sent = record(NULL, NULL);
    sent.topic = SLICE_LITERAL("small");
    sent.value = slice_from(value, sizeof(value));
    size_t bytes = 61 + 2 + 3 + 1 + 2 + 100 + 1;
    assert_int_equal(kafka_model_record_bytes(&sent), bytes);
    struct kafka_model_topic_options options = {.message_bytes_max = (uint32_t)bytes};
    assert_kafka(kafka_model_create_topic(model, sent.topic, &options), NONE);
    assert_kafka(produce(model, sent, T0).error, NONE);
    sent.key = SLICE_LITERAL("k");
    assert_kafka(produce(model, sent, T0).error, MESSAGE_TOO_LARGE);
}

static void test_retries_are_not_appended_twice(void **state)
{
    struct kafka_model *model = *state;
    struct kafka_model_produce sent = record("k", "v");
    sent.producer = kafka_model_init_producer(model);
    for (; sent.sequence < 10; sent.sequence++)
        assert_int_equal(produce(model, sent, T0).offset, sent.sequence);
    sent.sequence = 11;
    assert_kafka(produce(model, sent, T0).error, OUT_OF_ORDER_SEQUENCE_NUMBER);
    sent.sequence = 0;
    struct kafka_model_produced again = produce(model, sent, T0);
    assert_kafka(again.error, NONE);
    assert_true(again.duplicate);
    assert_int_equal(again.offset, 0);
    sent.producer = kafka_model_init_producer(model);
    assert_int_equal(produce(model, sent, T0).offset, 10); /* numbers are each producer's own */
    sent.producer++;
    assert_kafka(produce(model, sent, T0).error, UNKNOWN_PRODUCER_ID);
}

static void test_sequence_gaps_where_allowed(void **state)
{
    (void)state;
    struct kafka_model *model =
        kafka_model_new(&(struct kafka_model_options){.auto_create = 1, .sequence_gaps = true});
    struct kafka_model_produce sent = record("k", "v");
    sent.producer = kafka_model_init_producer(model);
    sent.sequence = 5;
    assert_int_equal(produce(model, sent, T0).offset, 0);
    sent.sequence = 2;
    assert_int_equal(produce(model, sent, T0).offset, 1);
    sent.sequence = 5;
    assert_true(produce(model, sent, T0).duplicate);
    kafka_model_free(model);
}

static void test_faults_of_one_produce(void **state)
{
    struct kafka_model *model = *state;
    static const struct {
        enum kafka_model_fault_type type;
        enum kafka_model_error error;
        enum kafka_model_error answer;
        bool is_written;
    } cases[] = {{KAFKA_MODEL_FAULT_NONE, 0, KAFKA_MODEL_NONE, true},
                 {KAFKA_MODEL_FAULT_REFUSE, KAFKA_MODEL_NOT_ENOUGH_REPLICAS,
                  KAFKA_MODEL_NOT_ENOUGH_REPLICAS, false},
                 {KAFKA_MODEL_FAULT_REFUSE_DONE, KAFKA_MODEL_REQUEST_TIMED_OUT,
                  KAFKA_MODEL_REQUEST_TIMED_OUT, true},
                 {KAFKA_MODEL_FAULT_LOSE_ANSWER, 0, KAFKA_MODEL_UNANSWERED, true},
                 {KAFKA_MODEL_FAULT_LOSE_REQUEST, 0, KAFKA_MODEL_UNANSWERED, false}};
    struct kafka_model_produce sent = record("k", "v");
    sent.producer = kafka_model_init_producer(model);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct kafka_model_offsets before;
        struct kafka_model_offsets after;
        assert_kafka(kafka_model_offsets(model, TOPIC, 0, T0, &before), NONE);
        sent.fault = (struct kafka_model_fault){
            .type = cases[i].type, .error = cases[i].error, .delay_ms = 50};
        struct kafka_model_produced produced = produce(model, sent, T0);
        assert_int_equal(produced.error, cases[i].answer);
        assert_int_equal(produced.answer_ms,
                         cases[i].answer == KAFKA_MODEL_UNANSWERED ? KAFKA_MODEL_NEVER : T0 + 50);
        assert_kafka(kafka_model_offsets(model, TOPIC, 0, T0, &after), NONE);
        assert_int_equal(after.log_end - before.log_end, cases[i].is_written);
        sent.fault = (struct kafka_model_fault){0};
        produced = produce(model, sent, T0);
        assert_int_equal(produced.duplicate, cases[i].is_written);
        assert_int_equal(produced.offset, before.log_end);
        sent.sequence++;
    }
    assert_true(kafka_model_error_is_unknown(KAFKA_MODEL_UNANSWERED));
    assert_false(kafka_model_error_is_unknown(KAFKA_MODEL_TRANSPORT));
}

static void test_faults_that_last(void **state)
{
    struct kafka_model *model = *state;
    for (int32_t i = 0; i < 3; i++)
        kafka_model_stop_broker(model, i, T0 + 60 * SECOND);
    assert_kafka(produce(model, record("k", "v"), T0).error, TRANSPORT);
    assert_kafka(fetch(model, 0, T0, NULL, 0).error, TRANSPORT);
    assert_kafka(produce(model, record("k", "v"), T0 + 60 * SECOND).error, NONE);

    kafka_model_stop_broker(model, 1, KAFKA_MODEL_NEVER);
    assert_kafka(kafka_model_move_leader(model, TOPIC, 0, 1, T0), NONE);
    assert_kafka(produce(model, record("k", "v"), T0 + 70 * SECOND).error, TRANSPORT);
    assert_kafka(kafka_model_move_leader(model, TOPIC, 0, 2, T0 + 80 * SECOND), NONE);
    assert_kafka(produce(model, record("k", "v"), T0 + 80 * SECOND - 1).error,
                 NOT_LEADER_OR_FOLLOWER);
    assert_kafka(produce(model, record("k", "v"), T0 + 80 * SECOND).error, NONE);

    assert_kafka(kafka_model_refuse_topic(model, TOPIC, KAFKA_MODEL_TOPIC_AUTHORIZATION_FAILED,
                                          T0 + 90 * SECOND),
                 NONE);
    assert_kafka(produce(model, record("k", "v"), T0 + 90 * SECOND - 1).error,
                 TOPIC_AUTHORIZATION_FAILED);
    assert_kafka(produce(model, record("k", "v"), T0 + 90 * SECOND).error, NONE);
}

static void test_a_held_watermark_hides_and_delays(void **state)
{
    struct kafka_model *model = *state;
    assert_kafka(produce(model, record("k", "v"), T0).error, NONE);
    assert_kafka(kafka_model_hold_watermark(model, TOPIC, 0, T0, T0 + 5 * SECOND), NONE);
    assert_int_equal(produce(model, record("k", "w"), T0 + 1).answer_ms, T0 + 5 * SECOND);
    struct kafka_model_record got[2];
    struct kafka_model_fetched fetched = fetch(model, 0, T0 + 5 * SECOND - 1, got, 2);
    assert_int_equal(fetched.count, 1);
    assert_int_equal(fetched.offsets.high_watermark, 1);
    assert_int_equal(fetched.next_offset, 1);
    assert_int_equal(fetch(model, 2, T0 + 2, got, 2).count, 0); /* behind it, but in the log */
    assert_int_equal(fetch(model, 0, T0 + 5 * SECOND, got, 2).count, 2);
}

static void test_fetch_limits_and_ranges(void **state)
{
    struct kafka_model *model = *state;
    struct kafka_model_record got[10];
    for (int i = 0; i < 10; i++)
        assert_kafka(produce(model, record("k", "12345"), T0).error, NONE);
    assert_int_equal(fetch(model, 3, T0, got, 4).next_offset, 7);
    assert_int_equal(got[0].offset, 3);
    struct kafka_model_fetch spec = {
        .topic = TOPIC, .offset = 2, .records_max = 10, .bytes_max = 13};
    struct kafka_model_fetched fetched;
    kafka_model_fetch(model, &spec, T0, got, &fetched);
    assert_int_equal(fetched.count, 2);
    spec.bytes_max = 1;
    kafka_model_fetch(model, &spec, T0, got, &fetched);
    assert_int_equal(fetched.count, 1);
    assert_kafka(fetch(model, 10, T0, got, 10).error, NONE);
    fetched = fetch(model, 11, T0, got, 10);
    assert_kafka(fetched.error, OFFSET_OUT_OF_RANGE);
    assert_int_equal(fetched.offsets.log_end, 10);
    assert_kafka(kafka_model_delete_before(model, TOPIC, 0, 6), NONE);
    fetched = fetch(model, 5, T0, got, 10);
    assert_kafka(fetched.error, OFFSET_OUT_OF_RANGE);
    assert_int_equal(fetched.offsets.log_start, 6);
    assert_int_equal(fetched.next_offset, 5);
    assert_int_equal(fetch(model, 6, T0, got, 10).count, 4);
    spec.offset = 6;
    spec.fault.type = KAFKA_MODEL_FAULT_LOSE_ANSWER;
    kafka_model_fetch(model, &spec, T0, got, &fetched);
    assert_kafka(fetched.error, UNANSWERED);
    assert_int_equal(fetched.count, 0);
}

static void test_retention_by_time(void **state)
{
    struct kafka_model *model = *state;
    assert_kafka(kafka_model_delete_topic(model, TOPIC), NONE);
    struct kafka_model_topic_options options = {.retention_ms = 10 * SECOND};
    assert_kafka(kafka_model_create_topic(model, TOPIC, &options), NONE);
    for (int i = 0; i < 4; i++) {
        struct kafka_model_produce sent = record("k", "v");
        sent.timestamp_ms = T0 + i * SECOND;
        assert_kafka(produce(model, sent, sent.timestamp_ms).error, NONE);
    }
    struct kafka_model_offsets offsets;
    assert_kafka(kafka_model_offsets(model, TOPIC, 0, T0 + 11 * SECOND - 1, &offsets), NONE);
    assert_int_equal(offsets.log_start, 1);
    assert_kafka(kafka_model_offsets(model, TOPIC, 0, T0 + 60 * SECOND, &offsets), NONE);
    assert_int_equal(offsets.log_start, 4);
}

static void test_gaps(void **state)
{
    struct kafka_model *model = *state;
    static const char *const sent[][2] = {{"a", "1"}, {"b", "1"},  {"a", "2"},
                                          {"c", "1"}, {"b", NULL}, {NULL, "x"}};
    for (size_t i = 0; i < ARRAY_LEN(sent); i++)
        assert_kafka(produce(model, record(sent[i][0], sent[i][1]), T0).error, NONE);
    assert_kafka(kafka_model_compact(model, TOPIC, 0), NONE);
    assert_kafka(kafka_model_skip_offsets(model, TOPIC, 0, 2), NONE);
    struct kafka_model_record got[6];
    struct kafka_model_fetched fetched = fetch(model, 0, T0, got, 6);
    assert_int_equal(fetched.count, 3);
    assert_int_equal(got[0].offset, 2);
    assert_int_equal(got[1].offset, 3);
    assert_int_equal(got[2].offset, 5);
    assert_int_equal(fetched.next_offset, 8);
    assert_int_equal(produce(model, record("d", "1"), T0).offset, 8);

    struct kafka_model_topic_options options = {.compacted = true};
    struct kafka_model_produce keyless = record(NULL, "v");
    keyless.topic = SLICE_LITERAL("table");
    assert_kafka(kafka_model_create_topic(model, keyless.topic, &options), NONE);
    assert_kafka(produce(model, keyless, T0).error, INVALID_RECORD);
}

static uint64_t digest_after(const char *last, bool remove)
{
    struct kafka_model *model = make_model(1);
    struct kafka_model_produce sent = record("k", "v");
    sent.producer = kafka_model_init_producer(model);
    assert_kafka(produce(model, sent, T0).error, NONE);
    assert_kafka(produce(model, record("k", last), T0).error, NONE);
    if (remove)
        assert_kafka(kafka_model_delete_before(model, TOPIC, 0, 1), NONE);
    uint64_t digest = kafka_model_digest(model);
    kafka_model_free(model);
    return digest;
}

static void test_digest(void **state)
{
    (void)state;
    assert_true(digest_after("x", false) == digest_after("x", false));
    assert_true(digest_after("x", false) != digest_after("y", false));
    assert_true(digest_after("", false) != digest_after(NULL, false));
    assert_true(digest_after("x", false) != digest_after("x", true));
}

static void test_a_million_records(void **state)
{
    struct kafka_model *model = *state;
    struct kafka_model_produce sent = record("key", "some value");
    sent.producer = kafka_model_init_producer(model);
    for (; sent.sequence < 1000000; sent.sequence++)
        assert_int_equal(produce(model, sent, T0).offset, sent.sequence);
    struct kafka_model_record got[100];
    int64_t at = 0;
    for (int i = 0; i < 10000; i++)
        at = fetch(model, at, T0, got, ARRAY_LEN(got)).next_offset;
    assert_int_equal(at, 1000000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_topics, set_up, tear_down),
        cmocka_unit_test(test_first_use_creates_a_topic_if_allowed),
        cmocka_unit_test(test_keys_choose_partitions_as_java),
        cmocka_unit_test_setup_teardown(test_bytes_come_back, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_size_limit, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_retries_are_not_appended_twice, set_up, tear_down),
        cmocka_unit_test(test_sequence_gaps_where_allowed),
        cmocka_unit_test_setup_teardown(test_faults_of_one_produce, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_faults_that_last, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_held_watermark_hides_and_delays, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_fetch_limits_and_ranges, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_retention_by_time, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_gaps, set_up, tear_down),
        cmocka_unit_test(test_digest),
        cmocka_unit_test_setup_teardown(test_a_million_records, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
