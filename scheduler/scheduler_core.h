/* scheduler_core: decisions only. Which ticks to send, which shards to hold, what to read of the
 * table, what to send to the ready queue and when, and how far a cursor may move. No I/O, no clock,
 * no heap, no globals: (state, event, now) -> effects.
 *
 * The happy path is: a tick is received; the cursor of its shard is read, our fence is written into
 * it; at bucket start - handoff the bucket is read page by page; each pack is sent at due -
 * handoff; the cursor follows what was acknowledged; when it has passed the tick's bucket the tick
 * is deleted. The failure modes are: a lease that could not be extended in time and a fence that
 * was refused (the shard is left, nothing more is sent for it), an unknown outcome (read back, or
 * done again under the same id), a queue or table that refuses (back-off, nothing is skipped).
 *
 * Order rules, which the simulator checks:
 *   R1 nothing of a shard is sent before its fence was written, nor after its lease ended;
 *   R2 a cursor moves only over packs that were acknowledged, and stands only behind whole packs;
 *   R3 a tick is deleted only when the cursor in the table stands behind its bucket;
 *   R4 a bucket is read only from bucket start - handoff on, a pack sent only from its first due -
 *      handoff on;
 *   R5 a cursor passes a bucket only when the straggler pass that rides on it is complete.
 */
#ifndef SCHEDULER_CORE_H
#define SCHEDULER_CORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/limits.h"
#include "common/prng.h"
#include "common/table.h"
#include "common/timeval.h"

#define SCHEDULER_BATCH_MAX      SQS_BATCH_ENTRIES_MAX
#define SCHEDULER_POLLS_MAX      8    /* long polls at once: each holds a connection */
#define SCHEDULER_SENDS_MAX      64   /* batches to the ready queue in flight */
#define SCHEDULER_PAGE_ITEMS_MAX 1000 /* items of one query */
#define SCHEDULER_EFFECTS_MAX    64   /* of one step; more to do: a deadline in the past */
#define SCHEDULER_PAGES_A_SHARD  3   /* being sent, being prefetched, being passed for stragglers */
#define SCHEDULER_TICKS_A_SHARD  10  /* FIFO hands out at most a batch of one group */
#define SCHEDULER_HISTORY_MAX    128 /* buckets a shard remembers for the straggler pass */
#define SCHEDULER_HISTORY_IDS    32768 /* items a shard remembers for it: 256 KiB, touched as used */

/* After a poll that brought nothing: a server that answers at once must not make us spin. */
#define SCHEDULER_EMPTY_POLL_PAUSE_MS 10

/* Fixed for the life of a core. Times in ms. */
struct scheduler_limits {
    int64_t bucket_ms;
    int64_t handoff_ms;
    int64_t cutoff_ms;
    int64_t tick_ahead_ms;      /* ticks are sent this long before their bucket starts */
    int64_t lease_ms;           /* visibility of a tick; a whole number of seconds */
    int64_t extend_every_ms;    /* how often a lease is extended */
    int64_t cursor_every_ms;    /* a busy shard's cursor moves at most this often */
    int64_t straggler_delay_ms; /* from a bucket's dispatch to its second reading, at least */
    int64_t send_linger_ms;     /* a pack waits this long for others to share a call with */
    int64_t memory_bytes;       /* prefetching stops above this; a shard's first page never waits */
    uint32_t shards_max;        /* capacity: shards 0 .. shards_max - 1 */
    uint32_t shards;            /* sent ticks until meta has been read */
    uint32_t polls;             /* 1 .. SCHEDULER_POLLS_MAX */
    uint32_t sends;             /* 1 .. SCHEDULER_SENDS_MAX */
    uint32_t page_items;        /* 1 .. SCHEDULER_PAGE_ITEMS_MAX */
    uint32_t history_ids;       /* ids of sent items that a shard remembers */
};

/* How a call, or an entry of a batch, ended. */
enum scheduler_result {
    SCHEDULER_DONE,
    SCHEDULER_FAILED,    /* surely not done */
    SCHEDULER_THROTTLED, /* surely not done, fewer calls are wanted */
    SCHEDULER_REFUSED,   /* surely not done, and the same call never will be: a condition failed */
    SCHEDULER_UNKNOWN,   /* may have been done */
};

/* Where a shard has been dispatched to: the sort key of the last item, "" at a bucket's start.
 * Zero-padded, so that memcmp orders it. */
struct scheduler_position {
    int64_t bucket;
    char place[TABLE_KEY_SIZE];
};

struct scheduler_cursor {
    struct scheduler_position position;
    char fence[TABLE_FENCE_SIZE]; /* zero-padded; "" before the first holder */
};

/* A received message of the timer queue. */
struct scheduler_message {
    bool is_tick; /* false: none of ours; it is left where it is */
    uint32_t shard;
    int64_t bucket;
    uint32_t receive_count;
    char fence[TABLE_FENCE_SIZE]; /* zero-padded */
};

/* An item of a bucket as the core sees it; the bytes stay in the shell's slot of the same index. */
struct scheduler_item {
    char sk[TABLE_KEY_SIZE]; /* zero-padded */
    int64_t due_ms;          /* of the sort key */
    int64_t written_ms;      /* 0: the item does not say */
    uint64_t id_hash;        /* first 8 bytes of the id in the sort key */
    uint32_t bytes;          /* stored */
    uint32_t raw_bytes;      /* when unpacked */
    uint32_t records;
    uint32_t frames;
    bool alone; /* never joined: a reference to a blob, or nothing that we can read */
};

enum scheduler_event_kind {
    SCHEDULER_EVENT_WAKE, /* the first step, and whenever the deadline has come */
    SCHEDULER_EVENT_META_READ,
    SCHEDULER_EVENT_TICKS_SENT,
    SCHEDULER_EVENT_RECEIVED,
    SCHEDULER_EVENT_VISIBILITY_SET,
    SCHEDULER_EVENT_TICKS_DELETED,
    SCHEDULER_EVENT_CURSOR_READ,
    SCHEDULER_EVENT_CURSOR_WRITTEN, /* fence or move */
    SCHEDULER_EVENT_PAGE_READ,
    SCHEDULER_EVENT_PACKS_SENT,
    SCHEDULER_EVENT_STOP,
};

/* id is that of the effect it completes; late and foreign ids are ignored. Pointers are borrowed
 * for the step. */
struct scheduler_event {
    enum scheduler_event_kind kind;
    uint64_t id;
    enum scheduler_result result; /* of META_READ, RECEIVED, CURSOR_*, PAGE_READ */
    union {
        uint32_t shards_most;                               /* META_READ */
        enum scheduler_result entries[SCHEDULER_BATCH_MAX]; /* TICKS_SENT, VISIBILITY_SET,
                                                               TICKS_DELETED, PACKS_SENT: in the
                                                               order of the effect */
        struct {
            const struct scheduler_message *messages;
            uint32_t count;
            int64_t held_back_ms; /* > 0: it failed unsent, for others go first; ask again then */
        } received;
        struct {
            bool present; /* READ done: there is a cursor. WRITTEN: the cursor as it was before the
                             write, or as it stands against it, is known */
            struct scheduler_cursor cursor;
        } cursor;
        struct {
            const struct scheduler_item *items; /* in sk order, at most the limit asked for */
            uint32_t count;
            bool more;
            char after[TABLE_KEY_SIZE]; /* where to go on if more; zero-padded */
        } page;
    };
};

enum scheduler_effect_kind {
    SCHEDULER_EFFECT_READ_META,
    SCHEDULER_EFFECT_SEND_TICKS,
    SCHEDULER_EFFECT_RECEIVE,        /* message i goes with tick slot ticks[i] */
    SCHEDULER_EFFECT_SET_VISIBILITY, /* of the messages of these tick slots */
    SCHEDULER_EFFECT_DELETE_TICKS,   /* R3 */
    SCHEDULER_EFFECT_READ_CURSOR,
    SCHEDULER_EFFECT_WRITE_FENCE, /* if the fence there is less */
    SCHEDULER_EFFECT_MOVE_CURSOR, /* if the fence there is ours; R2, R5 */
    SCHEDULER_EFFECT_READ_PAGE,   /* R4 */
    SCHEDULER_EFFECT_FREE_PAGE,   /* no completion: its bytes are not needed any more */
    SCHEDULER_EFFECT_SEND_PACKS,  /* R1, R4 */
    SCHEDULER_EFFECT_NOTE,        /* no completion: for the log */
};

enum scheduler_note {
    SCHEDULER_NOTE_FOREIGN_MESSAGE, /* in the timer queue; left there */
    SCHEDULER_NOTE_SHARD_TAKEN,     /* detail: receive count of the tick */
    SCHEDULER_NOTE_TAKEN_OVER,      /* the same, from a holder that died or handed back */
    SCHEDULER_NOTE_LEASE_LOST,
    SCHEDULER_NOTE_FENCE_REFUSED,
    SCHEDULER_NOTE_CURSOR_MISSING,
    SCHEDULER_NOTE_STRAGGLERS,    /* detail: how many */
    SCHEDULER_NOTE_HISTORY_LOST,  /* more ids than remembered: the pass goes by written */
    SCHEDULER_NOTE_SHARDS_RAISED, /* detail: shards now */
    SCHEDULER_NOTE_SHARDS_TOO_MANY,
};

/* Items [first, first + count) of a page, one after the other, as one message. */
struct scheduler_pack_ref {
    uint32_t page;
    uint32_t first;
    uint32_t count;
};

struct scheduler_effect {
    enum scheduler_effect_kind kind;
    uint64_t id;
    uint32_t shard;
    uint32_t count; /* entries of a batch */
    bool is_retry;
    union {
        struct {
            int64_t bucket;
            uint32_t shards[SCHEDULER_BATCH_MAX];
        } send_ticks;
        struct {
            uint32_t slots[SCHEDULER_BATCH_MAX];
            int64_t visibility_ms; /* SET_VISIBILITY: the lease, or 0 to hand back */
        } ticks;
        struct scheduler_cursor cursor; /* WRITE_FENCE: fence; MOVE_CURSOR: both */
        struct {
            uint32_t page; /* new items go behind those that it has */
            int64_t bucket;
            char after[TABLE_KEY_SIZE]; /* exclusive; "": from the start */
            uint32_t limit;
            uint32_t carry_page; /* first move carry_count items, from carry_first, from there */
            uint32_t carry_first;
            uint32_t carry_count;
        } read;
        uint32_t free_page;
        struct scheduler_pack_ref packs[SCHEDULER_BATCH_MAX];
        struct {
            enum scheduler_note what;
            int64_t bucket;
            int64_t detail;
        } note;
    };
};

/* To be carried out in order. */
struct scheduler_effects {
    uint32_t count;
    struct scheduler_effect list[SCHEDULER_EFFECTS_MAX];
};

/* Only ever grow; the shell prints them. X(member, metric, labels, help). */
#define SCHEDULER_COUNTERS(X)                                                                      \
    X(ticks_sent, "delayline_ticks_total", "what=\"sent\"", "Ticks by what became of them")        \
    X(ticks_received, "delayline_ticks_total", "what=\"received\"", "")                            \
    X(ticks_finished, "delayline_ticks_total", "what=\"finished\"", "")                            \
    X(ticks_stale, "delayline_ticks_total", "what=\"stale\"", "")                                  \
    X(ticks_handed_back, "delayline_ticks_total", "what=\"handed_back\"", "")                      \
    X(receipts_ended, "delayline_receipts_ended_total", "",                                        \
      "Calls for ticks that had come back or were deleted meanwhile")                              \
    X(polls_held_back, "delayline_polls_held_back_total", "",                                      \
      "Receive calls not made since SQS throttles and others go first")                            \
    X(messages_foreign, "delayline_foreign_messages_total", "",                                    \
      "Messages of the timer queue that are no ticks")                                             \
    X(takeovers, "delayline_takeovers_total", "", "Shards taken from another holder")              \
    X(leases_lost, "delayline_leases_lost_total", "", "Shards left because a lease ended")         \
    X(fence_refusals, "delayline_fence_refusals_total", "",                                        \
      "Shards left because a newer holder has fenced them")                                        \
    X(cursors_missing, "delayline_cursors_missing_total", "", "Ticks of shards without a cursor")  \
    X(cursor_moves, "delayline_cursor_moves_total", "", "Cursor moves confirmed")                  \
    X(cursor_unknown, "delayline_cursor_unknown_total", "",                                        \
      "Cursor writes whose outcome had to be read back")                                           \
    X(pages_read, "delayline_pages_total", "", "Pages of buckets read")                            \
    X(items_read, "delayline_items_total", "", "Items of buckets read for dispatch")               \
    X(packs_sent, "delayline_packs_total", "outcome=\"sent\"", "Packs by outcome of a send")       \
    X(packs_failed, "delayline_packs_total", "outcome=\"failed\"", "")                             \
    X(packs_unknown, "delayline_packs_total", "outcome=\"unknown\"", "")                           \
    X(items_joined, "delayline_joined_items_total", "", "Items that left together with others")    \
    X(records_sent, "delayline_records_total", "path=\"long\",outcome=\"dispatched\"",             \
      "Records by path and outcome")                                                               \
    X(straggler_passes, "delayline_straggler_passes_total", "", "Buckets read a second time")      \
    X(stragglers, "delayline_stragglers_total", "",                                                \
      "Items found behind a cursor; should never move")                                            \
    X(histories_lost, "delayline_histories_lost_total", "",                                        \
      "Buckets with more items than the straggler pass remembers")

struct scheduler_counters {
#define X(member, metric, labels, help) uint64_t member;
    SCHEDULER_COUNTERS(X)
#undef X
};

enum scheduler_dependency {
    SCHEDULER_DEPENDS_READY_QUEUE,
    SCHEDULER_DEPENDS_TIMER_QUEUE,
    SCHEDULER_DEPENDS_TABLE,
    SCHEDULER_DEPENDENCIES,
};

struct scheduler_core; /* laid out in scheduler_core_state.h, for the core's own files */

/* Bytes of storage that a core with these limits needs; CHECKs the limits. */
size_t scheduler_core_bytes(const struct scheduler_limits *limits);

/* Page slots, and tick slots, that the shell must have. */
uint32_t scheduler_core_pages(const struct scheduler_limits *limits);
uint32_t scheduler_core_ticks(const struct scheduler_limits *limits);

/* Lays a core out in storage of scheduler_core_bytes, zeroed and aligned as by calloc, which stays
 * the caller's and outlives it. Untouched parts stay untouched: unused shards cost no memory. */
struct scheduler_core *scheduler_core_init(void *storage, const struct scheduler_limits *limits,
                                           uint64_t seed);

/* Fills *out from scratch. The first event is WAKE. */
void scheduler_core_step(struct scheduler_core *c, const struct scheduler_event *event,
                         struct now now, struct scheduler_effects *out);
struct deadline scheduler_core_deadline(const struct scheduler_core *c);

/* After STOP: nothing is held and nothing in flight. */
bool scheduler_core_idle(const struct scheduler_core *c);
uint64_t scheduler_core_digest(const struct scheduler_core *c);

/* --- for metrics and readiness --------------------------------------------------------------- */

const struct scheduler_counters *scheduler_core_counters(const struct scheduler_core *c);
uint32_t scheduler_core_shards(const struct scheduler_core *c); /* in use, as far as we know */
bool scheduler_core_holds(const struct scheduler_core *c, uint32_t shard);
/* How far behind its plan a held shard is; 0: on time, or not held. */
int64_t scheduler_core_lag_ms(const struct scheduler_core *c, uint32_t shard, struct now now);
uint32_t scheduler_core_sends_in_flight(const struct scheduler_core *c);
int64_t scheduler_core_page_bytes(const struct scheduler_core *c);
/* Since when every call has failed; 0: the last one was good, or there was none. */
int64_t scheduler_core_failing_ms(const struct scheduler_core *c, enum scheduler_dependency which,
                                  struct now now);

#endif
