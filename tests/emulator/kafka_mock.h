/* librdkafka's mock cluster as a thing of its own, for other processes to connect to.
 *
 * What it does not do, read in librdkafka 2.0.2: a partition keeps its newest 5 MiB or 100,000
 * message sets, and drops older ones without a word (rdkafka_mock.c, msgset_new): whoever reads
 * must keep up, or meets an offset out of range. More partitions keep more. A topic that is asked
 * for and does not exist is made with 4 partitions. The first join of a group waits 3 s for others;
 * a later one at most the session time-out less 1 s. A fetch that finds nothing is answered when
 * fetch.wait.max.ms is over, whatever comes meanwhile (handle_Fetch): consumers here want it small.
 * Produce times are those of the producer. There is no authentication, no compaction, no
 * transactions beyond the protocol.
 */
#ifndef TESTS_EMULATOR_KAFKA_MOCK_H
#define TESTS_EMULATOR_KAFKA_MOCK_H

#include <cjson/cJSON.h>
#include <stdbool.h>

#include "common/buf.h"
#include "common/compiler.h"

struct kafka_mock;

/* NULL: librdkafka refuses, errors says why. Starts threads: set up signals before. */
struct kafka_mock *kafka_mock_new(int brokers, struct buf *errors);
void kafka_mock_free(struct kafka_mock *mock);
const char *kafka_mock_bootstrap_servers(const struct kafka_mock *mock);
NODISCARD bool kafka_mock_create_topic(struct kafka_mock *mock, const char *name, int partitions,
                                       struct buf *errors);

/* The control route's JSON, see the README: broker down, up and rtt, topic errors, request errors,
 * leaders and coordinators. False: errors says why. */
NODISCARD bool kafka_mock_control(struct kafka_mock *mock, const cJSON *command,
                                  struct buf *errors);

#endif
