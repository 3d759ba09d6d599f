/* What stands around the hosts: queues, table, brokers, all of tests/model/. Made as a user is told
 * to make them. */
#ifndef TESTS_SIM_WORLD_H
#define TESTS_SIM_WORLD_H

#include "tests/model/dynamodb_model.h"
#include "tests/model/kafka_model.h"
#include "tests/model/sqs_model.h"
#include "tests/sim/sim.h"

enum world_queue { WORLD_DELAY_QUEUE, WORLD_READY_QUEUE, WORLD_TIMER_QUEUE };
#define WORLD_QUEUES 3

#define WORLD_TARGETS 3 /* that exist and take what they get */

struct stand_in_receive; /* a long poll that waits; stand_in_sqs.c */

struct world_queue_state {
    struct sqs_model_queue *model;
    const char *name;
    struct stand_in_receive *waiting; /* in order of arrival */
    struct stand_in_receive **waiting_end;
    struct sim_event look; /* when a message may become visible by itself */
};

struct stand_in_consumer_group;
struct kafka_consumer;
struct kafka_producer;

struct world {
    struct sqs_model *sqs;
    struct world_queue_state queues[WORLD_QUEUES];
    struct dynamodb_model *dynamodb;
    struct ddb_table *table;
    struct kafka_model *kafka;
    struct kafka_consumer *consumers; /* that live, for whom a new record is news */
};

/* "target0" ..; then two that refuse: one that nobody has made, one compacted (no null keys). */
#define WORLD_TARGET_MISSING   "target-missing"
#define WORLD_TARGET_COMPACTED "target-compacted"
const char *world_target(uint32_t index);

struct world *world_new(struct sim *sim);
void world_free(struct world *world);
/* Messages of all three queues, ticks left out. */
size_t world_queued(struct sim *sim);

#endif
