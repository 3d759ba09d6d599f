/* librdkafka's mock cluster for tests of kafka_*.c, and a loop that runs until a test has seen what
 * it waits for. */
#ifndef TESTS_HARNESS_MOCK_KAFKA_H
#define TESTS_HARNESS_MOCK_KAFKA_H

#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>
#include <stdbool.h>

#include "common/kafka.h"
#include "common/loop.h"
#include "tests/harness/unit.h"

#define API_KEY_PRODUCE       0
#define API_KEY_OFFSET_COMMIT 8

struct mock_kafka {
    struct loop *loop;
    rd_kafka_t *handle;
    rd_kafka_mock_cluster_t *cluster;
    const char *bootstrap;
    struct kafka_cluster at; /* the same, for clients of ours */
};

/* One broker; topics are made by the tests. */
void mock_kafka_start(struct mock_kafka *mock);
/* Fails the test if a handle was left open. */
void mock_kafka_stop(struct mock_kafka *mock);
void mock_kafka_topic(struct mock_kafka *mock, const char *topic, int partitions);

/* Runs the loop until *done is true; fails the test after 30 s. Whoever sets it calls loop_stop. */
void mock_kafka_run_until(struct mock_kafka *mock, const bool *done);
/* Runs the loop until nothing is left to wait for. */
void mock_kafka_run_out(struct mock_kafka *mock);

/* Runs each test in a process of its own, all at once, and prints what they said one after the
 * other: a group of the mock cluster takes 3 s to form, and that is most of what such a test does.
 * Returns what main returns. */
int run_side_by_side(const struct CMUnitTest *tests, size_t count);

#endif
