/* A small world around scheduler cores, in virtual time: a table, a timer queue and a ready queue
 * in memory, calls that take time and fail in every way that the core knows. It checks the order
 * rules of scheduler_core.h (R1..R5) where an effect is decided or applied. */
#ifndef TESTS_HARNESS_SCHEDULER_WORLD_H
#define TESTS_HARNESS_SCHEDULER_WORLD_H

#include "tests/harness/unit.h"

#include "common/prng.h"
#include "scheduler/scheduler_core.h"

#define SCHEDULER_WORLD_ITEMS    4096
#define SCHEDULER_WORLD_MESSAGES 4096
#define SCHEDULER_WORLD_PENDING  1024
#define SCHEDULER_WORLD_READS    4096
#define SCHEDULER_WORLD_NODES    3
#define SCHEDULER_WORLD_SHARDS   8
#define SCHEDULER_WORLD_DEDUP_MS (5 * MS_PER_MINUTE)
#define SCHEDULER_WORLD_EPOCH_MS                                                                   \
    INT64_C(1800000000000) /* wall clock when the monotonic one is at 1000 */
#define SCHEDULER_WORLD_MONO_MS INT64_C(1000)

#define SECOND MS_PER_SECOND
#define MINUTE MS_PER_MINUTE

struct scheduler_world_item {
    uint32_t shard;
    int64_t bucket;
    struct scheduler_item item;
    uint64_t pack; /* id of the message that it went in, 0: not yet */
    int64_t sent_ms;
    uint32_t delivered; /* messages that got past the deduplication */
    bool straggler;     /* came behind the cursor */
};

struct scheduler_world_message {
    uint32_t shard;
    int64_t bucket;
    uint32_t receive_count;
    int64_t sent_at;
    int64_t visible_at;
    bool deleted;
    bool foreign;
};

struct scheduler_world_sent {
    uint64_t pack;
    int64_t at;
};

/* A message as a node holds it. */
struct scheduler_world_handle {
    uint32_t message;
    uint32_t receive_count;
};

/* A bucket that was read to its end. */
struct scheduler_world_read {
    uint32_t shard;
    int64_t bucket;
};

struct scheduler_world_node {
    void *storage;
    struct scheduler_core *core;
    uint32_t life; /* completions of an earlier one are dropped */
    bool paused;
    struct scheduler_world_handle *handles;
    uint32_t *page_items; /* indexes, a row a page */
    uint32_t *page_counts;
    uint64_t *page_calls;
    uint32_t notes[SCHEDULER_NOTE_SHARDS_TOO_MANY + 1];
    bool fenced[SCHEDULER_WORLD_SHARDS]; /* in this life */
    struct scheduler_world_read whole[SCHEDULER_WORLD_READS];
    uint32_t whole_count;
};

enum scheduler_world_stage { SCHEDULER_WORLD_APPLY, SCHEDULER_WORLD_POLL, SCHEDULER_WORLD_ANSWER };

struct scheduler_world_pending {
    int64_t at;
    uint64_t sequence;
    enum scheduler_world_stage stage;
    uint32_t node;
    uint32_t life;
    bool answered; /* an unknown outcome was reported before it is applied */
    int64_t poll_ends;
    struct scheduler_effect effect;
    struct scheduler_event event;
    struct scheduler_message messages[SCHEDULER_BATCH_MAX];
    uint32_t handles[SCHEDULER_BATCH_MAX];
    uint32_t rows[SCHEDULER_PAGE_ITEMS_MAX];
    uint32_t row_count;
};

/* The ways in which a call goes wrong. */
enum scheduler_world_fault {
    SCHEDULER_WORLD_FAILS,
    SCHEDULER_WORLD_THROTTLES,
    SCHEDULER_WORLD_UNKNOWN,      /* not done */
    SCHEDULER_WORLD_UNKNOWN_YET,  /* done a little later */
    SCHEDULER_WORLD_UNKNOWN_DONE, /* of packs: every other one fails */
    SCHEDULER_WORLD_FAULTS,
};

struct scheduler_world {
    struct scheduler_limits limits;
    struct prng random;
    int64_t mono;
    uint32_t shards;
    struct scheduler_world_item items[SCHEDULER_WORLD_ITEMS];
    uint32_t item_count;
    struct scheduler_world_message messages[SCHEDULER_WORLD_MESSAGES];
    uint32_t message_count;
    struct scheduler_world_sent sent[SCHEDULER_WORLD_ITEMS * 4];
    uint32_t sent_count;
    uint32_t repeats;
    struct scheduler_cursor cursors[SCHEDULER_WORLD_SHARDS];
    bool cursor_missing[SCHEDULER_WORLD_SHARDS];
    struct scheduler_world_node nodes[SCHEDULER_WORLD_NODES];
    struct scheduler_world_pending *pending;
    uint32_t pending_count;
    uint64_t sequence;
    struct scheduler_effects effects;
    struct scheduler_item answer_items[SCHEDULER_PAGE_ITEMS_MAX]; /* of the page being answered */
    /* Knobs. */
    struct scheduler_world_planned {
        uint64_t call; /* the call with this number goes wrong, whatever fault_percent; 0: none */
        enum scheduler_world_fault how;
    } planned[2];
    uint32_t page_short; /* pages hold at most so many items; 0: as asked for */
    uint32_t fault_percent;
    int64_t latency_ms;   /* at most, each way */
    int64_t wait_ms;      /* of a long poll */
    int64_t held_back_ms; /* > 0: polls are, for so long each */
    bool ready_down;
    bool table_down;
    bool extend_down;
    bool ticks_down;
    uint32_t receive_max;    /* messages that a receive gives at most; 0: as asked for */
    int64_t send_latency_ms; /* more for calls to the ready queue */
    bool moves_unknown;      /* applied, the answer lost */
    uint64_t calls;          /* of every kind */
    uint32_t caller;         /* who made the last of them */
    uint32_t sends;          /* calls to the ready queue */
    uint32_t polls;
    uint32_t extensions;
    uint32_t fences;
};

struct scheduler_limits scheduler_world_limits(void); /* the design's, one shard */
/* No node runs yet; the cursors stand at minute 0. */
struct scheduler_world *scheduler_world_new(const struct scheduler_limits *limits, uint64_t seed);
void scheduler_world_free(struct scheduler_world *w);

/* --- nodes ----------------------------------------------------------------------------------- */

void scheduler_world_start(struct scheduler_world *w, uint32_t index);
void scheduler_world_stop(struct scheduler_world *w, uint32_t index); /* SIGTERM */
/* The node forgets everything; what its calls do is done all the same. */
void scheduler_world_crash(struct scheduler_world *w, uint32_t index);
/* One event, and its effects under way. */
void scheduler_world_step(struct scheduler_world *w, uint32_t index,
                          const struct scheduler_event *event);
const struct scheduler_counters *scheduler_world_counters(const struct scheduler_world *w,
                                                          uint32_t node);

/* --- table and timer queue ------------------------------------------------------------------- */

/* Adds an item of `bytes` with a random id. Only while no page holds indexes, or at the end. */
struct scheduler_world_item *scheduler_world_add(struct scheduler_world *w, uint32_t shard,
                                                 int64_t due_ms, uint32_t bytes);
/* Sorted order is what queries give; call once after adding. */
void scheduler_world_sort(struct scheduler_world *w);
/* count items of shard 0, `every_ms` apart, the first due at from_ms. */
void scheduler_world_fill(struct scheduler_world *w, int count, int64_t from_ms, int64_t every_ms,
                          uint32_t bytes);
void scheduler_world_send_tick(struct scheduler_world *w, uint32_t shard, int64_t bucket);

/* --- time ------------------------------------------------------------------------------------ */

/* To the next thing that happens, but not beyond `until`. */
bool scheduler_world_turn(struct scheduler_world *w, int64_t until);
void scheduler_world_run(struct scheduler_world *w, int64_t ms);
/* SCHEDULER_WORLD_EPOCH_MS is the start of a bucket: minute 0. */
int64_t scheduler_world_due(int64_t after_epoch_ms);
int64_t scheduler_world_cursor_minute(const struct scheduler_world *w, uint32_t shard);
struct now scheduler_world_now(const struct scheduler_world *w);
/* Fails the test unless every item was delivered exactly once. */
void scheduler_world_check_delivered(const struct scheduler_world *w);

#endif
