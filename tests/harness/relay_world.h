/* Whole lives of messages, at random, in virtual time: a small SQS (visibility, redelivery, stale
 * handles, throttling), a small Kafka (done, failed, unknown, full), relays that crash, sleep and
 * stop. It checks the order rules of the relay's core wherever an effect is applied: nothing is
 * emitted early, nothing deleted before every record is delivered or dead-lettered. */
#ifndef TESTS_HARNESS_RELAY_WORLD_H
#define TESTS_HARNESS_RELAY_WORLD_H

#include "common/prng.h"
#include "relay/relay_core.h"
#include "tests/harness/unit.h"

#define RELAY_WORLD_WALL_MS  INT64_C(1800000000000)
#define RELAY_WORLD_MESSAGES 60
#define RELAY_WORLD_RECORDS  12 /* of a message, at most */
#define RELAY_WORLD_NODES    2
#define RELAY_WORLD_QUEUED   8192
#define RELAY_WORLD_SLOTS    64

/* Per mille of the occasions. */
struct relay_world_faults {
    uint32_t report_failed;
    uint32_t report_unknown;
    uint32_t refused; /* records whose target refuses them for good */
    uint32_t full;
    uint32_t call_failed;
    uint32_t call_unknown;
    uint32_t throttled; /* polls held back, calls refused for the moment */
    uint32_t twice;     /* a receive that leaves the message visible */
    uint32_t unreadable;
    uint32_t blob;
    uint32_t blob_failed;
    uint32_t crash; /* per second and relay */
    uint32_t sleep;
};

struct relay_world_message {
    struct envelope_id id;
    int64_t second_ms;
    uint16_t due_offsets[RELAY_WORLD_RECORDS];
    uint32_t records;
    uint32_t delivered[RELAY_WORLD_RECORDS];
    uint32_t dead[RELAY_WORLD_RECORDS];
    bool refused[RELAY_WORLD_RECORDS];
    bool unreadable;
    bool blob;
    bool deleted;
    enum relay_queue queue;
    int64_t visible_at; /* mono */
    int64_t sent_at;    /* mono */
    uint32_t receives;  /* the newest handle */
};

struct relay_world_node {
    struct relay_core core;
    void *storage;
    size_t storage_bytes;
    uint32_t life; /* events of earlier lives are void */
    int64_t asleep_until;
    bool stopping;
    struct {
        struct relay_world_message *message;
        uint32_t handle;
    } slots[RELAY_WORLD_SLOTS];
};

struct relay_world_queued {
    int64_t at;
    uint64_t sequence;
    uint32_t node;
    uint32_t life;
    bool is_poll;
    int64_t poll_until;
    enum relay_queue queue;
    struct relay_event event;
};

struct relay_world {
    struct prng random;
    struct relay_world_faults faults;
    /* Not by chance: of all occasions of the faults that exist, these alone; numbers from 1. */
    bool enumerate;
    uint64_t occasions; /* so far */
    uint64_t fires[2];
    int64_t mono;
    struct relay_world_message messages[RELAY_WORLD_MESSAGES];
    struct relay_world_node nodes[RELAY_WORLD_NODES];
    struct relay_world_queued queue[RELAY_WORLD_QUEUED];
    size_t queue_len;
    uint64_t sequence;
    int64_t worst_late_ms;
    struct relay_effects out;
};

/* What has become of the messages. */
struct relay_world_tally {
    uint32_t missing;
    uint32_t extra;
    uint32_t both;
    uint32_t undeleted;
};

struct relay_world *relay_world_new(uint64_t seed, const struct relay_world_faults *faults);
void relay_world_free(struct relay_world *w);
/* Which faults exist, and how strong, drawn from the seed. */
struct relay_world_faults relay_world_draw_faults(uint64_t seed);
/* From the world's own chance, both ends included. */
int64_t relay_world_between(struct relay_world *w, int64_t least, int64_t most);

/* Before anything runs: only the first `count` messages exist, of at most `records` each. */
void relay_world_keep(struct relay_world *w, uint32_t count, uint32_t records);

void relay_world_run_until(struct relay_world *w, int64_t end); /* monotonic ms */
/* The node forgets everything and starts: after a crash or a stop. */
void relay_world_begin_life(struct relay_world *w, uint32_t node);
void relay_world_stop(struct relay_world *w, uint32_t node);

/* Fails the test where a refused record was delivered, or a good one dead-lettered. */
struct relay_world_tally relay_world_count(const struct relay_world *w);
/* Fails the test unless every record came out, exactly once if `once`, every message is deleted and
 * no relay holds anything any more. */
void relay_world_check_done(const struct relay_world *w, bool once);

#endif
