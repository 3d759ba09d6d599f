/* What the two files that stand in for kafka_consumer.c share. */
#ifndef TESTS_SIM_STAND_IN_CONSUMER_INTERNAL_H
#define TESTS_SIM_STAND_IN_CONSUMER_INTERNAL_H

#include "common/kafka.h"
#include "tests/sim/environment.h"
#include "tests/sim/stand_in.h"
#include "tests/sim/stand_in_consumer.h"

#define PARTITIONS_MAX 16

enum member_state {
    MEMBER_OUT,     /* is to join */
    MEMBER_JOINING, /* has joined, waits for the assignment */
    MEMBER_STABLE,
    MEMBER_REVOKING, /* waits for the release */
    MEMBER_LEFT,
};

enum partition_state { PARTITION_FREE, PARTITION_ACTIVE, PARTITION_REVOKED };

struct assignment {
    enum partition_state state;
    int32_t partition;
    int64_t position;
    int64_t stored;    /* -1: none */
    int64_t committed; /* -1: none */
};

struct kafka_consumer {
    struct kafka_consumer *next; /* of the world */
    struct host *host;
    struct sim *sim;
    uint64_t life;
    struct kafka_consumer_callbacks callbacks;
    void *ctx;

    enum member_state state;
    uint64_t member;
    int32_t generation;
    bool abandons;        /* the next join: what was held is gone */
    int64_t heartbeat_ms; /* next */
    int64_t commit_ms;    /* next */
    struct sim_event work;
    struct sim_event fetch;
    bool fetching; /* a turn for records is on its way */

    struct assignment assignments[PARTITIONS_MAX];
    int32_t added[PARTITIONS_MAX]; /* by the assignment at hand, until they are handed over */
    uint32_t added_count;
    int32_t revoked[PARTITIONS_MAX];
    uint32_t revoked_count;
    bool lost;
    uint32_t unreleased;

    bool paused;
    bool leaves;
    bool leaving; /* the last revoke is under way */
    int64_t leave_by_ms;
    loop_fn *on_closed;
    bool closed;
    uint32_t refs;
};

static const struct slice stand_in_topic = {(const uint8_t *)SIM_DELAY_TOPIC,
                                            sizeof(SIM_DELAY_TOPIC) - 1};
static const struct slice stand_in_group = {(const uint8_t *)SIM_GROUP, sizeof(SIM_GROUP) - 1};

/* --- stand_in_consumer.c --------------------------------------------------------------------- */

/* The program has freed it, or its process has ended. */
bool stand_in_consumer_is_gone(const struct kafka_consumer *c);
/* fn, which ends with an unref, in a turn of the process. */
void stand_in_consumer_post(struct kafka_consumer *c, sim_fn *fn);
void stand_in_consumer_unref(struct kafka_consumer *c);
/* Looks for records after this time. */
void stand_in_consumer_fetch(struct kafka_consumer *c, int64_t delay_ms);

/* --- stand_in_member.c ----------------------------------------------------------------------- */

/* What librdkafka's threads do next; ctx: the consumer. */
void stand_in_member_work(void *ctx);
void stand_in_member_wake(struct kafka_consumer *c, int64_t delay_ms);

#endif
