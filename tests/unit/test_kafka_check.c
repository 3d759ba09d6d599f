#include "tests/harness/unit.h"

#include "common/kafka.h"
#include "tests/harness/mock_kafka.h"

#define LONG_MS  10000
#define SHORT_MS 300

static int set_up(void **state)
{
    struct mock_kafka *mock = test_calloc(1, sizeof(*mock));
    mock_kafka_start(mock);
    mock_kafka_topic(mock, "delay", 4);
    mock_kafka_topic(mock, "orders", 1);
    *state = mock;
    return 0;
}

static int tear_down(void **state)
{
    struct mock_kafka *mock = *state;
    mock_kafka_stop(mock);
    test_free(mock);
    return 0;
}

static void partitions_are_counted(void **state)
{
    const struct mock_kafka *mock = *state;
    const char *const topics[] = {"orders", "absent", "delay"};
    int32_t partitions[3] = {0, 0, 0};
    struct error error;
    /* The mock cluster makes every topic that is asked for. */
    rd_kafka_mock_topic_set_error(mock->cluster, "absent", RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART);
    assert_status(
        kafka_check(mock->loop, &mock->at, NULL, 0, topics, partitions, 3, LONG_MS, &error),
        STATUS_OK);
    assert_int_equal(partitions[0], 1);
    assert_int_equal(partitions[1], -1);
    assert_int_equal(partitions[2], 4);
}

static void nobody_answers(void **state)
{
    const struct mock_kafka *mock = *state;
    const char *const topics[] = {"delay"};
    int32_t partitions[1];
    struct error error;
    rd_kafka_mock_broker_set_down(mock->cluster, 1);
    assert_status(
        kafka_check(mock->loop, &mock->at, NULL, 0, topics, partitions, 1, SHORT_MS, &error),
        STATUS_IO);
    assert_int_equal(error.kind, ERROR_RETRY);
}

static void a_topic_that_may_not_be_seen(void **state)
{
    const struct mock_kafka *mock = *state;
    const char *const topics[] = {"delay", "orders"};
    int32_t partitions[2];
    struct error error;
    rd_kafka_mock_topic_set_error(mock->cluster, "orders",
                                  RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED);
    assert_status(
        kafka_check(mock->loop, &mock->at, NULL, 0, topics, partitions, 2, LONG_MS, &error),
        STATUS_INVALID);
    assert_int_equal(error.kind, ERROR_AUTH);
    assert_string_equal(error.code, "TOPIC_AUTHORIZATION_FAILED");
}

static void a_topic_without_leaders_is_there(void **state)
{
    const struct mock_kafka *mock = *state;
    const char *const topics[] = {"delay"};
    int32_t partitions[1] = {0};
    struct error error;
    rd_kafka_mock_partition_set_leader(mock->cluster, "delay", 0, -1);
    assert_status(
        kafka_check(mock->loop, &mock->at, NULL, 0, topics, partitions, 1, LONG_MS, &error),
        STATUS_OK);
    assert_int_equal(partitions[0], 4);
}

static void what_is_no_name_is_refused(void **state)
{
    const struct mock_kafka *mock = *state;
    char name[600] = "";
    const char *const topics[] = {name};
    int32_t partitions[1];
    struct error error;
    memset(name, 'a', sizeof(name) - 1);
    assert_status(
        kafka_check(mock->loop, &mock->at, NULL, 0, topics, partitions, 1, LONG_MS, &error),
        STATUS_INVALID);
    assert_int_equal(error.kind, ERROR_PERMANENT);
}

static void refused_properties_are_mistakes(void **state)
{
    const struct mock_kafka *mock = *state;
    const struct kafka_property wrong[] = {{"security.protocol", "smoke"}};
    const char *const topics[] = {"delay"};
    int32_t partitions[1];
    struct error error;
    assert_status(
        kafka_check(mock->loop, &mock->at, wrong, 1, topics, partitions, 1, LONG_MS, &error),
        STATUS_INVALID);
    assert_int_equal(error.kind, ERROR_PERMANENT);
    assert_string_equal(error.code, "INVALID_CONFIG");
    assert_non_null(strstr(error.text, "security.protocol"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(partitions_are_counted),       TEST(nobody_answers),
        TEST(a_topic_that_may_not_be_seen), TEST(a_topic_without_leaders_is_there),
        TEST(what_is_no_name_is_refused),   TEST(refused_properties_are_mistakes),
    };
    return run_side_by_side(tests, ARRAY_LEN(tests));
}
