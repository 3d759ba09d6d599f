/* The router's core in a small world of its own: a ledger of every record, bodies as lists of
 * records, calls that wait for the test's answer. Each effect is checked against the order rules of
 * router_core.h as it comes, so that every test checks them. */
#ifndef TESTS_HARNESS_ROUTER_RIG_H
#define TESTS_HARNESS_ROUTER_RIG_H

#include "router/router_core.h"
#include "tests/harness/unit.h"

#define RIG_PARTITIONS 4
#define RIG_OFFSETS    65536 /* per partition */
#define RIG_CALLS      (ROUTER_SERVICES * ROUTER_CALLS_MAX)
#define RIG_WALL_MS    INT64_C(1800000000000) /* a whole hour: all buckets begin evenly */

#define RIG_MINUTES(n) ((n)*MS_PER_MINUTE)

struct rig_record {
    bool taken;
    bool rejected;
    bool guilty;     /* every service refuses an envelope with it */
    uint32_t stored; /* acknowledged copies, in time */
    uint32_t dead;   /* dead-letter reports */
    int64_t due_ms;
    enum delay_path path; /* of the last acknowledgement */
};

struct rig_body {
    bool open;
    bool encoded;
    bool large;
    bool kept;
    uint32_t raw_bytes;
    uint32_t parts; /* of a large record, 0 before */
    uint64_t parts_acked[2];
    uint32_t count;
    uint32_t capacity;
    struct rig_ref {
        uint32_t partition;
        int64_t offset;
        int64_t due_ms;
    } * refs;       /* all of it, in order */
    uint32_t first; /* the frame holds refs[first..first+window) */
    uint32_t window;
};

struct rig_call {
    bool open;
    uint64_t id;
    enum router_service service;
    bool is_retry;
    uint32_t count;
    struct router_send_entry entries[DYNAMODB_BATCH_ITEMS_MAX];
};

struct rig {
    struct router_core *core;
    struct router_effects *out;
    struct router_limits limits;
    struct now now;
    bool hold_encoded; /* ENCODED events wait for rig_encode */
    bool hold_commits; /* COMMITTED waits for rig_commit_ends */
    bool hold_dead;    /* DEAD_LETTERED waits for the test */
    bool faults;       /* copies may be duplicates */
    uint32_t permille; /* frame bytes per raw bytes */
    uint32_t large_bytes;

    struct rig_record *records; /* RIG_PARTITIONS * RIG_OFFSETS */
    int64_t next_offset[RIG_PARTITIONS];
    int64_t committed[RIG_PARTITIONS]; /* -1: never */
    bool assigned[RIG_PARTITIONS];
    struct rig_body *bodies;
    struct rig_call calls[RIG_CALLS];
    uint32_t calls_open;
    uint64_t sends;     /* calls so far */
    uint64_t entries;   /* so far */
    uint64_t commit_id; /* under way, 0: none */
    bool paused;
    uint32_t released; /* RELEASE effects */
    uint64_t dead_ids[1024];
    uint32_t dead_firsts[1024];
    uint32_t dead_count; /* dead letters that wait for a report */
    uint64_t encode_ids[ROUTER_EFFECTS_MAX * 64];
    uint32_t encode_count;
};

struct router_limits rig_limits(void); /* the defaults, with smaller pools */
struct rig *rig_new(const struct router_limits *limits);
void rig_free(struct rig *rig);
/* For most cases: partition 0 assigned, limits NULL: rig_limits(). */
struct rig *rig_start(const struct router_limits *limits);
/* Settles; every record must have ended and the core hold nothing. Frees. */
void rig_end(struct rig *rig);

void rig_step(struct rig *rig, const struct router_event *event);
void rig_tick(struct rig *rig);
/* Lets time pass, waking the core at its deadlines; both clocks move. */
void rig_sleep(struct rig *rig, int64_t ms);

void rig_assign(struct rig *rig, uint32_t partition);
void rig_revoke(struct rig *rig, uint32_t partition, bool lost);
void rig_stop(struct rig *rig);
/* A record at the partition's next offset, which it returns. delay_ms from now. */
int64_t rig_record(struct rig *rig, uint32_t partition, int64_t delay_ms, uint32_t bytes);
int64_t rig_record_verdict(struct rig *rig, uint32_t partition, int64_t delay_ms, uint32_t bytes,
                           enum router_verdict verdict);
struct rig_record *rig_ledger(struct rig *rig, uint32_t partition, int64_t offset);

/* The oldest call without an answer (NULL: none), of one service. */
struct rig_call *rig_call(struct rig *rig, enum router_service service);
/* The same result for every entry, or one each. */
void rig_answer(struct rig *rig, struct rig_call *call, enum router_result result);
void rig_answer_each(struct rig *rig, struct rig_call *call, const enum router_result *results);
/* DONE, but REFUSED for entries that hold a guilty record. */
void rig_answer_honestly(struct rig *rig, struct rig_call *call);
void rig_encode(struct rig *rig); /* those held back */
void rig_commit_ends(struct rig *rig, bool done);
void rig_report_dead(struct rig *rig, enum outcome outcome); /* the oldest */

/* Answers everything honestly and sleeps until nothing is left to do, for at most limit_ms. */
void rig_settle(struct rig *rig, int64_t limit_ms);
/* Every record taken has ended once: durable, or dead-lettered if rejected or guilty. */
void rig_expect_all_ended(const struct rig *rig);

#endif
