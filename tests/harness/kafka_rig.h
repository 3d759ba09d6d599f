/* A mock cluster with one topic, a producer, and members of one group, for tests of
 * kafka_consumer.c. Every callback checks what always holds: partitions come once, go once, records
 * come only to who has their partition, without a gap, and not twice unless that is allowed.
 *
 * What the mock cluster of librdkafka 2.0.2 does with a group, read in its rdkafka_mock_cgrp.c:
 * - The first join waits 3 s for others, a later one the session time-out less 1 s. What a member
 *   sends meanwhile waits behind its JoinGroup, as with Kafka.
 * - A group counts as settled once its leader has sent the assignment. A follower whose SyncGroup
 *   comes after that is refused with INVALID_REQUEST and joins again, and the commit of partitions
 *   that the leader was told to give up is refused then, because the group joins. Kafka does
 *   neither. On a busy machine the two SyncGroups do come in the wrong order. The leader asks for
 *   metadata before it assigns, so a slow broker (kafka_rig_slow) puts the follower first; or a
 *   test does with one member, whom kafka_rig_rebalance makes join again.
 */
#ifndef TESTS_HARNESS_KAFKA_RIG_H
#define TESTS_HARNESS_KAFKA_RIG_H

#include "common/kafka.h"
#include "tests/harness/mock_kafka.h"

#define RIG_PARTITIONS 4
#define RIG_TOPIC      "delay"
#define RIG_MEMBERS    2

struct kafka_rig;

struct kafka_member {
    struct kafka_rig *rig;
    struct kafka_consumer *consumer;
    struct kafka_partition assigned[RIG_PARTITIONS];
    bool has[RIG_PARTITIONS];
    /* Known where the property "debug" is "cgrp". */
    bool is_joining; /* has sent its JoinGroup */
    bool is_steady;  /* neither joins nor changes hands */
    int revokes;
    int losses;
    int records;
    int commits;
    struct error commit_error; /* of the last commit */
    bool paused;
    bool closed;
};

struct kafka_rig {
    struct mock_kafka mock;
    struct kafka_producer *producer;
    struct kafka_member members[RIG_MEMBERS];
    struct loop_timer *timer;            /* a test's own */
    int64_t next_offset[RIG_PARTITIONS]; /* of all members together */
    int sent;
    int reports;
    int records;
    int repeats;
    bool repeats_allowed;
    bool commits_each; /* record as it comes */
    void (*on_record)(struct kafka_member *member, const struct kafka_record *record);
    bool (*is_done)(const struct kafka_rig *rig);
    bool done;
};

/* For cmocka. */
int kafka_rig_set_up(void **state);
int kafka_rig_tear_down(void **state);

/* Runs the loop until is_done, which is asked after every callback; kafka_rig_look asks it now. */
void kafka_rig_run_until(struct kafka_rig *rig, bool (*is_done)(const struct kafka_rig *rig));
void kafka_rig_look(struct kafka_rig *rig);

/* Sends records with keys of their own, and runs until all are reported. */
void kafka_rig_produce(struct kafka_rig *rig, int count);
/* more may be NULL. */
void kafka_rig_join(struct kafka_rig *rig, int number, const struct kafka_property *more);
/* Closes the consumer, waits until it has left, frees it. */
void kafka_rig_leave(struct kafka_rig *rig, int number);
/* When the only member is steady it is told that its group rebalances; returns when it has sent its
 * JoinGroup, to which the answer comes 3 s later. It is the first of members and has joined with
 * the property "debug" "cgrp". */
void kafka_rig_rebalance(struct kafka_rig *rig);
/* Every answer of the broker takes so long from now on. */
void kafka_rig_slow(struct kafka_rig *rig, int round_trip_ms);

int kafka_rig_assigned(const struct kafka_member *member);
/* For kafka_rig_run_until. */
bool kafka_rig_all_reported(const struct kafka_rig *rig);
bool kafka_rig_first_has_all(const struct kafka_rig *rig);
bool kafka_rig_second_has_all(const struct kafka_rig *rig);
bool kafka_rig_is_shared(const struct kafka_rig *rig);
/* Every record that was sent has come at least once. */
bool kafka_rig_all_received(const struct kafka_rig *rig);

#endif
