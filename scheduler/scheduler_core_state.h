/* The state of scheduler_core, shared by its files and nobody else.
 *
 *   scheduler_core.c            life cycle, step, deadline, digest
 *   scheduler_core_ticks.c      sending ticks, how many shards there are
 *   scheduler_core_lease.c      receiving ticks, keeping, deleting and handing them back
 *   scheduler_core_cursor.c     reading, fencing and moving cursors
 *   scheduler_core_read.c       buckets: pages, prefetch, completion
 *   scheduler_core_pack.c       what is joined with what
 *   scheduler_core_send.c       packs to the ready queue
 *   scheduler_core_straggler.c  what was sent, and the second reading
 */
#ifndef SCHEDULER_CORE_STATE_H
#define SCHEDULER_CORE_STATE_H

#include "scheduler/scheduler_core.h"

#define ABSENT            UINT32_MAX
#define BACKOFF_FIRST_MS  100
#define BACKOFF_MOST_MS   5000
#define LEASE_RETRY_MS    300 /* lease extensions are retried fast: there is little time */
#define LEASE_FIRST_MS    500
#define TICK_SENDS_MAX    4  /* batches of ticks in flight */
#define TICK_CALLS_MAX    64 /* extensions, deletions and hand-backs in flight */
#define TICK_TRIES_MAX    5  /* deletions; after that it comes back and costs one read */
#define SHARD_WORDS       (SHARDS_MAX / 64)
#define PAGE_CARRY_MAX    ENVELOPE_FRAMES_MAX /* items of an open pack: each has a frame or more */
#define EFFECTS_OF_A_LOSS (SCHEDULER_PAGES_A_SHARD + 1)
#define EFFECTS_OF_A_READ 10 /* at most this many in one turn of read_advance */

static_assert(SHARDS_MAX % 64 == 0, "shard sets are whole words");
static_assert(EFFECTS_OF_A_LOSS * SCHEDULER_BATCH_MAX <= SCHEDULER_EFFECTS_MAX,
              "one received batch may cost as many shards");

enum tick_state {
    TICK_FREE,
    TICK_RESERVED, /* for a poll in flight */
    TICK_HELD,     /* in its shard's queue, lease kept */
    TICK_DELETING,
    TICK_HANDING_BACK,
};

struct tick {
    enum tick_state state;
    uint32_t serial; /* tells this use of the slot from earlier ones */
    uint32_t next;   /* in the free list, the shard's queue or the list of those that leave */
    uint32_t shard;
    uint32_t receive_count;
    uint32_t tries;
    bool busy; /* deletion or hand-back in flight */
    int64_t bucket;
    int64_t lease_ends; /* monotonic, counted from before the request was sent */
    int64_t act_at;     /* monotonic: next extension or next try */
    char fence[TABLE_FENCE_SIZE];
};

struct tick_list {
    uint32_t head;
    uint32_t tail;
};

struct poll {
    uint64_t id; /* 0: not in flight */
    int64_t sent_at;
    int64_t retry_at;
    uint32_t failures;
    uint32_t slots[SCHEDULER_BATCH_MAX];
};

/* An extension, deletion or hand-back in flight. */
struct tick_call {
    uint64_t id;
    int64_t sent_at;
    enum tick_state purpose; /* HELD: extension */
    uint32_t count;
    uint32_t slots[SCHEDULER_BATCH_MAX];
    uint32_t serials[SCHEDULER_BATCH_MAX];
};

struct tick_send {
    uint64_t id;
    int64_t bucket;
    uint32_t count;
    uint32_t shards[SCHEDULER_BATCH_MAX];
};

/* Sending the ticks of one bucket. */
struct tick_round {
    bool begun;
    int64_t bucket;
    int64_t begun_at;
    int64_t retry_at;
    uint32_t failures;
    uint64_t unsent[SHARD_WORDS];  /* nor in flight */
    uint64_t sending[SHARD_WORDS]; /* in flight */
    bool meta_wanted;
    uint64_t meta_call;
    int64_t meta_retry_at;
    uint32_t meta_failures;
};

enum pack_state { PACK_WAITING, PACK_PICKED, PACK_SENDING, PACK_ACKED };

struct pack {
    enum pack_state state;
    uint32_t first;
    uint32_t count;
    uint32_t tries;
    int64_t bytes;
    int64_t release_ms; /* wall: first due - handoff */
    int64_t retry_at;   /* monotonic */
};

struct page {
    uint32_t serial;
    bool used;
    bool more;
    uint64_t call; /* query in flight */
    int64_t retry_at;
    uint32_t failures;
    bool loaded; /* no query is in flight or to be repeated */
    uint32_t item_count;
    uint32_t packed; /* items in closed packs */
    uint32_t pack_count;
    uint32_t acked;  /* packs acknowledged without a gap */
    uint32_t unsent; /* first pack that was never sent */
    uint32_t failed; /* packs before that which wait for another try */
    uint32_t sending;
    int64_t bytes;
    char after[TABLE_KEY_SIZE];
    uint32_t carry_page; /* of the query to come */
    uint32_t carry_first;
    uint32_t carry_count;
};

/* What this core knows of a bucket that it dispatched. */
struct history_bucket {
    int64_t bucket;
    uint64_t begin; /* its ids are number begin .. end - 1 of all the shard ever had */
    uint64_t end;
    bool complete;
    char from[TABLE_KEY_SIZE]; /* what lies up to here somebody else dispatched */
};

struct history {
    uint64_t ids_total;
    uint64_t buckets_total; /* the newest stands at (buckets_total - 1) % SCHEDULER_HISTORY_MAX */
    struct history_bucket buckets[SCHEDULER_HISTORY_MAX];
};

enum pass_state { PASS_DONE, PASS_READING };

struct pass {
    enum pass_state state;
    int64_t bucket;
    const struct history_bucket *known; /* NULL: somebody else's, or more than is remembered */
    uint64_t next;                      /* id expected next */
    uint64_t found;
};

enum shard_phase {
    SHARD_FREE,
    SHARD_READING_CURSOR,
    SHARD_FENCING,
    SHARD_ACTIVE,
};

enum cursor_call {
    CURSOR_CALL_NONE,
    CURSOR_CALL_READ,
    CURSOR_CALL_FENCE,
    CURSOR_CALL_FENCE_CONFIRM, /* reads back what an unknown outcome left */
    CURSOR_CALL_MOVE,
    CURSOR_CALL_MOVE_CONFIRM,
};

struct shard {
    struct tick_list ticks; /* held, in the order in which they came */
    enum shard_phase phase;
    /* A run goes through all buckets up to the last of its ticks: when behind, ten ticks cost no
     * more than one. Its fence is the least among them, so that whoever comes to hold any of them
     * after us stands above it. Ticks that come later wait for the next run. */
    int64_t last_bucket;
    uint32_t receive_count;
    char fence[TABLE_FENCE_SIZE];
    enum cursor_call call;
    uint64_t call_id;
    bool confirm_wanted; /* the outcome of the last write is to be read back */
    int64_t cursor_retry_at;
    uint32_t cursor_failures;
    int64_t moved_at;
    bool final_move_made;             /* of a stop */
    struct scheduler_position stored; /* as far as the table is known to say */
    struct scheduler_position safe;   /* acknowledged */
    struct scheduler_position moving;
    bool opened;      /* safe.bucket is being read */
    uint32_t current; /* which of the first two pages is being sent */
    struct pass pass;
};

struct send_entry {
    uint32_t page;
    uint32_t serial;
    uint32_t pack;
};

struct send {
    uint64_t id;
    uint32_t count;
    struct send_entry entries[SCHEDULER_BATCH_MAX];
};

struct scheduler_core {
    struct scheduler_limits limits;
    struct prng random;
    uint64_t next_sequence;
    struct deadline wake;
    bool stopping;
    uint32_t shard_count; /* shards that ticks are sent to: 0 .. shard_count - 1 */
    uint32_t shard_top;   /* shards from here on were never held */
    uint32_t held;
    uint32_t rotor; /* shard that is asked first for packs */
    uint32_t send_failures;
    int64_t send_pause_ends;
    uint32_t sends_in_flight;
    int64_t page_bytes;
    int64_t failing_since[SCHEDULER_DEPENDENCIES];
    struct tick_round round;
    struct tick_send tick_sends[TICK_SENDS_MAX];
    struct poll polls[SCHEDULER_POLLS_MAX];
    struct tick_call tick_calls[TICK_CALLS_MAX];
    struct send sends[SCHEDULER_SENDS_MAX];
    uint32_t free_ticks;
    uint32_t free_tick_count;
    struct tick_list leaving; /* deleting and handing back */
    struct scheduler_counters counters;
    /* In the same storage. */
    struct tick *ticks;
    struct shard *shards;
    struct history *histories;
    uint64_t *history_ids;        /* limits.history_ids a shard, a ring each */
    struct page *pages;           /* SCHEDULER_PAGES_A_SHARD a shard; the last is the pass's */
    struct scheduler_item *items; /* page_capacity a page */
    struct pack *packs;           /* page_capacity a page */
    uint32_t page_capacity;
};

/* What a step works with. */
struct step {
    struct scheduler_core *c;
    struct now now;
    struct scheduler_effects *out;
};

/* --- scheduler_core.c ------------------------------------------------------------------------ */

static inline uint32_t scheduler_step_room(const struct step *s)
{
    return SCHEDULER_EFFECTS_MAX - s->out->count;
}
/* The next effect, zeroed but for kind, id and shard; there must be room. slot tells the call's
 * place in its table and comes back out of the id. */
struct scheduler_effect *scheduler_step_emit(struct step *s, enum scheduler_effect_kind kind,
                                             uint32_t slot, uint32_t shard);
static inline uint32_t scheduler_id_slot(uint64_t id)
{
    return (uint32_t)(id & 0xffff);
}
/* Dropped when there is no room. */
void scheduler_step_note(struct step *s, enum scheduler_note what, uint32_t shard, int64_t bucket,
                         int64_t detail);
void scheduler_step_wake_mono(struct step *s, int64_t at);
void scheduler_step_wake_wall(struct step *s, int64_t at);
/* There is more to do than the effects hold. */
void scheduler_step_wake_now(struct step *s);
/* Jittered, doubling, capped; failures counts from 1. */
int64_t scheduler_step_backoff_ms(struct step *s, uint32_t failures);
void scheduler_step_dependency(struct step *s, enum scheduler_dependency which, bool good);

/* --- scheduler_core_ticks.c ------------------------------------------------------------------ */

void scheduler_ticks_on_sent(struct step *s, const struct scheduler_event *event);
void scheduler_ticks_on_meta(struct step *s, const struct scheduler_event *event);
void scheduler_ticks_advance(struct step *s);
bool scheduler_ticks_idle(const struct scheduler_core *c);

/* --- scheduler_core_lease.c ------------------------------------------------------------------ */

void scheduler_lease_init(struct scheduler_core *c);
void scheduler_lease_on_received(struct step *s, const struct scheduler_event *event);
void scheduler_lease_on_called(struct step *s, const struct scheduler_event *event);
/* Leaves shards whose lease has ended. False: not all of them yet, for want of room. */
bool scheduler_lease_expire(struct step *s);
void scheduler_lease_keep(struct step *s);    /* extensions: before anything else takes the room */
void scheduler_lease_advance(struct step *s); /* the rest */
bool scheduler_lease_idle(const struct scheduler_core *c);
/* Deletes the ticks whose buckets the stored cursor has passed. When the run is at its end: begins
 * another with what is left, or releases the shard. */
void scheduler_lease_settle(struct step *s, uint32_t shard);
/* Gives all ticks of the shard back at once. */
void scheduler_lease_hand_back(struct step *s, uint32_t shard);
/* Forgets the shard and its ticks; they come back to somebody. Needs room for EFFECTS_OF_A_LOSS. */
void scheduler_lease_leave(struct step *s, uint32_t shard, enum scheduler_note why);

/* --- scheduler_core_cursor.c ----------------------------------------------------------------- */

void scheduler_cursor_begin(struct step *s, uint32_t shard);
void scheduler_cursor_on_read(struct step *s, const struct scheduler_event *event);
void scheduler_cursor_on_written(struct step *s, const struct scheduler_event *event);
void scheduler_cursor_advance(struct step *s, uint32_t shard);

/* --- scheduler_core_read.c ------------------------------------------------------------------- */

static inline uint32_t scheduler_page_index(uint32_t shard, uint32_t which)
{
    return shard * SCHEDULER_PAGES_A_SHARD + which;
}
#define PAGE_OF_PASS (SCHEDULER_PAGES_A_SHARD - 1)
int64_t scheduler_bucket_opens_ms(const struct scheduler_core *c, int64_t bucket);
struct scheduler_item *scheduler_page_items(const struct scheduler_core *c, uint32_t page);
struct pack *scheduler_page_packs(const struct scheduler_core *c, uint32_t page);
bool scheduler_page_finished(const struct page *page); /* loaded, and every pack acknowledged */
void scheduler_page_add_pack(struct step *s, uint32_t page, uint32_t first, uint32_t count);
void scheduler_page_on_read(struct step *s, const struct scheduler_event *event);
/* Asks for what follows `after`; a page that has none in flight. Retries itself. */
void scheduler_page_query(struct step *s, uint32_t page, const char *after);
void scheduler_page_free(struct step *s, uint32_t page);
void scheduler_read_advance(struct step *s, uint32_t shard);
void scheduler_read_settle(struct step *s, uint32_t shard); /* brings `safe` up to date */
void scheduler_read_stop(struct step *s, uint32_t shard);   /* frees the shard's pages */

/* --- scheduler_core_pack.c ------------------------------------------------------------------- */

struct pack_span {
    uint32_t first;
    uint32_t count;
};
/* Greedy, in order: how many of items[0..count) make the first pack. 0: it cannot be told yet,
 * since more items follow which might still join. Depends on nothing but the items. */
uint32_t scheduler_pack_first(const struct scheduler_item *items, uint32_t count, bool more,
                              int64_t target_bytes);

/* --- scheduler_core_send.c ------------------------------------------------------------------- */

void scheduler_send_on_sent(struct step *s, const struct scheduler_event *event);
void scheduler_send_advance(struct step *s);

/* --- scheduler_core_straggler.c -------------------------------------------------------------- */

void scheduler_history_open(struct scheduler_core *c, uint32_t shard, int64_t bucket,
                            const char *from);
void scheduler_history_add(struct scheduler_core *c, uint32_t shard, uint64_t id_hash);
void scheduler_history_close(struct step *s, uint32_t shard); /* the bucket was dispatched */
void scheduler_history_abandon(struct scheduler_core *c,
                               uint32_t shard); /* somebody else goes on */
void scheduler_straggler_begin(struct step *s, uint32_t shard, int64_t dispatched_bucket);
void scheduler_straggler_on_page(struct step *s, uint32_t shard, uint32_t first_item);
void scheduler_straggler_advance(struct step *s, uint32_t shard);

#endif
