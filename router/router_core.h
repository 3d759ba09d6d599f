/* What the router decides: packing, paths, batches, retries, offsets, back-pressure. Decisions
 * only: no I/O, no clock, no heap, no globals. Bodies stay in the shell, in slots of the same
 * index.
 *
 * Order rules, checked by the simulator:
 * - an offset is committed only when every taken record before it is durable: named by an
 *   acknowledgement of SQS or DynamoDB, or reported by the dead-letter topic;
 * - a large record's envelope is sent only after every one of its parts was acknowledged;
 * - a long envelope is sent to the table only before its bucket's cut-off, and an acknowledgement
 *   after that counts as unknown: the short path follows;
 * - partitions are released after their final commit has ended, or when the grace is over;
 * - effects of one step are carried out in their order, before the next event.
 */
#ifndef ROUTER_ROUTER_CORE_H
#define ROUTER_ROUTER_CORE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/compiler.h"
#include "common/delay.h"
#include "common/limits.h"
#include "common/prng.h"
#include "common/status.h"
#include "common/timer_heap.h"
#include "common/timeval.h"

/* 64 MiB of 256-byte records; 8 MiB of nodes when all are used. */
#define ROUTER_RECORDS_MAX    262144
#define ROUTER_ENVELOPES_MAX  8192  /* open and in flight; a second of far apart due times */
#define ROUTER_PARTITIONS_MAX 4096  /* as many as a replica may be assigned */
#define ROUTER_CALLS_MAX      64    /* in flight per service */
#define ROUTER_TABLE_SIZE     16384 /* open addressing, at most half full */
#define ROUTER_EFFECTS_MAX    96    /* two for each of 25 results, and what follows from them */
#define ROUTER_ENTRIES_MAX    (4 * DYNAMODB_BATCH_ITEMS_MAX) /* of all sends of a step */
#define ROUTER_REFUSALS_MAX   8 /* lone refusals in a row before the path is held to be at fault */

static_assert(ROUTER_TABLE_SIZE >= 2 * ROUTER_ENVELOPES_MAX, "probing ends");
static_assert((ROUTER_TABLE_SIZE & (ROUTER_TABLE_SIZE - 1)) == 0, "a mask is taken");
static_assert(DYNAMODB_BATCH_ITEMS_MAX * (DYNAMODB_ITEM_BYTES_MAX + 0LL) <=
                  DYNAMODB_BATCH_BYTES_MAX,
              "a batch is bounded by its items alone");

#define ROUTER_NONE UINT32_MAX

/* Copied by init. Those with a maximum may be set lower by tests, never to 0. */
struct router_limits {
    uint32_t shards;
    int64_t horizon_ms;
    int64_t bucket_ms;
    int64_t handoff_ms;
    int64_t cutoff_ms;
    int64_t lead_ms;
    int64_t linger_min_ms;
    int64_t linger_max_ms;
    int64_t linger_permille; /* of the remaining delay */
    int64_t batch_linger_ms; /* what has lingered waits so long while calls are in flight */
    int64_t commit_interval_ms;
    int64_t revoke_grace_ms;
    int64_t retry_base_ms;
    int64_t retry_cap_ms;
    int64_t blocked_retry_ms;    /* between probes of a path that is at fault as a whole */
    int64_t in_flight_bytes_max; /* pause at it, resume under three quarters */
    uint32_t sqs_calls_max;      /* up to ROUTER_CALLS_MAX */
    uint32_t table_calls_max;
    uint32_t sqs_entries_max; /* up to SQS_BATCH_ENTRIES_MAX */
    uint32_t table_items_max; /* up to DYNAMODB_BATCH_ITEMS_MAX */
    uint32_t target_bytes;    /* of an encoded frame */
    uint32_t raw_bytes_max;
    uint32_t records_max;   /* of an envelope */
    uint32_t nodes_max;     /* up to ROUTER_RECORDS_MAX, at least 16 */
    uint32_t envelopes_max; /* up to ROUTER_ENVELOPES_MAX, at least 16 */
};

/* As design.md has it; the shell puts the configuration over it. */
struct router_limits router_limits_default(void);

enum router_service { ROUTER_SQS, ROUTER_TABLE };
#define ROUTER_SERVICES 2
#define ROUTER_PATHS    2 /* of enum delay_path */

/* --- events ---------------------------------------------------------------------------------- */

enum router_event_type {
    ROUTER_EVENT_TICK, /* the deadline was reached */
    ROUTER_EVENT_ASSIGNED,
    ROUTER_EVENT_REVOKED,
    ROUTER_EVENT_RECORD,
    ROUTER_EVENT_ENCODED,
    ROUTER_EVENT_SENT,
    ROUTER_EVENT_DEAD_LETTERED,
    ROUTER_EVENT_COMMITTED,
    ROUTER_EVENT_STOP,
};

enum router_verdict {
    ROUTER_RECORD_ACCEPTED,
    ROUTER_RECORD_LARGE,    /* accepted, too large for an envelope */
    ROUTER_RECORD_REJECTED, /* breaks the contract */
};

/* How an entry of a send ended. */
enum router_result {
    ROUTER_RESULT_DONE,
    ROUTER_RESULT_RETRY,     /* surely not done */
    ROUTER_RESULT_THROTTLED, /* surely not done */
    ROUTER_RESULT_UNKNOWN,
    ROUTER_RESULT_REFUSED, /* this entry, for good */
    ROUTER_RESULT_BLOCKED, /* the queue or table as a whole: permissions, existence */
};

struct router_event {
    enum router_event_type type;
    union {
        struct {
            uint32_t partition; /* index under ROUTER_PARTITIONS_MAX */
        } assigned;
        struct {
            const uint32_t *partitions; /* borrowed */
            uint32_t count;
            bool lost; /* somebody else's already: no commit, release at once */
        } revoked;
        struct {
            uint32_t partition;
            enum router_verdict verdict;
            uint32_t bytes; /* what it adds to a payload, or occupies if rejected */
            int64_t offset;
            int64_t due_ms; /* unused if rejected */
        } record;
        struct {
            uint64_t id;
            uint32_t frame_bytes; /* raw, before base64 */
            uint32_t blob_bytes;  /* 0 but for a large record */
        } encoded;
        struct {
            uint64_t call;
            int64_t retry_after_ms; /* the server's hint, 0: none */
            enum router_result results[DYNAMODB_BATCH_ITEMS_MAX];
        } sent;
        struct {
            uint64_t id;
            enum outcome outcome;
        } dead_lettered;
        struct {
            uint64_t id;
            bool done;
        } committed;
    };
};

/* --- effects --------------------------------------------------------------------------------- */

enum router_effect_type {
    ROUTER_EFFECT_APPEND,      /* the record of this event to the builder of slot(id) */
    ROUTER_EFFECT_CLOSE,       /* finish that builder to a frame; ENCODED follows */
    ROUTER_EFFECT_STORE_LARGE, /* record of this event: blob, frame with its reference; ENCODED */
    ROUTER_EFFECT_KEEP,        /* the rejected record of this event, in slot(id) */
    ROUTER_EFFECT_RECODE, /* frame of records first..first+count of the slot; ENCODED follows */
    ROUTER_EFFECT_SEND,   /* one call; SENT follows */
    ROUTER_EFFECT_DEAD_LETTER, /* the kept record, or record `first` of the slot; DEAD_LETTERED */
    ROUTER_EFFECT_FREE,        /* the slot's bodies are needed no more */
    ROUTER_EFFECT_COMMIT,      /* effects.commits; COMMITTED follows */
    ROUTER_EFFECT_RELEASE,     /* the partitions of the last REVOKED */
    ROUTER_EFFECT_PAUSE,
    ROUTER_EFFECT_RESUME,
};

#define ROUTER_WHOLE UINT32_MAX /* not a part: the envelope itself */

struct router_send_entry {
    uint64_t id;
    int64_t first_due_ms;
    int64_t written_ms;    /* of a table item: the first try */
    int32_t delay_seconds; /* of an SQS message */
    uint32_t shard;
    uint32_t part; /* of a blob, or ROUTER_WHOLE */
};

struct router_effect {
    enum router_effect_type type;
    uint64_t id; /* slot and generation of an envelope, a call or a commit */
    /* RECODE: records in due order, ties as appended; DEAD_LETTER: `first`, ROUTER_WHOLE if kept;
     * SEND: effects.entries[first..first+count). */
    uint32_t first;
    uint32_t count;
    enum router_service service; /* SEND */
    bool is_retry;               /* SEND */
};

struct router_commit {
    uint32_t partition;
    int64_t offset; /* the next to read */
};

struct router_effects {
    uint32_t count;
    struct router_effect effects[ROUTER_EFFECTS_MAX];
    uint32_t entry_count;
    struct router_send_entry entries[ROUTER_ENTRIES_MAX];
    uint32_t commit_count; /* at most one COMMIT a step */
    struct router_commit commits[ROUTER_PARTITIONS_MAX];
};

static inline uint32_t router_slot(uint64_t id)
{
    return (uint32_t)id;
}

/* --- state ----------------------------------------------------------------------------------- */

struct router_stats {
    uint64_t records_taken;
    uint64_t records_large;
    uint64_t records_stored[ROUTER_PATHS];
    uint64_t bytes_taken;
    uint64_t envelopes_closed[ROUTER_PATHS]; /* by the path decided at intake */
    uint64_t envelopes_stored[ROUTER_PATHS]; /* by the path that was acknowledged */
    uint64_t envelopes_evicted;              /* closed early because the pool was short */
    uint64_t frame_bytes;
    uint64_t parts_stored;
    uint64_t fallbacks; /* long envelopes that took the short path after all */
    uint64_t fallback_records;
    uint64_t late_acks; /* of those, acknowledged after the cut-off: possible duplicates */
    uint64_t replays;   /* records that came again within an assignment */
    uint64_t strays;    /* records of partitions that are not ours, or after stop */
    uint64_t retried[ROUTER_SERVICES];
    uint64_t throttled[ROUTER_SERVICES];
    uint64_t unknown[ROUTER_SERVICES];
    uint64_t refused[ROUTER_SERVICES];
    uint64_t blocked[ROUTER_SERVICES];
    uint64_t dead_lettered;
    uint64_t dead_letter_failures;
    uint64_t abandoned; /* records in flight when their partition went */
    uint64_t commits;
    uint64_t commit_failures;
    uint64_t pauses;
    uint64_t foreign; /* completions of a call, envelope or commit that we do not wait for */
};

struct router_node {
    int64_t offset;
    uint32_t partition; /* ROUTER_NONE: abandoned */
    uint32_t next_in_partition;
    uint32_t next_in_envelope; /* in the free list too */
    uint32_t envelope;
    uint16_t due_offset_ms; /* within the envelope's second */
    bool done;
};

enum router_partition_state {
    ROUTER_PARTITION_FREE,
    ROUTER_PARTITION_ASSIGNED,
    ROUTER_PARTITION_REVOKING,
};

struct router_partition {
    enum router_partition_state state;
    bool dirty;      /* position is to be committed */
    bool committing; /* part of the commit under way */
    uint32_t head;   /* nodes in order of offset */
    uint32_t tail;
    int64_t taken;    /* the last offset taken, -1: none */
    int64_t position; /* everything taken before it is durable */
};

enum router_envelope_kind { ROUTER_PACK, ROUTER_LARGE, ROUTER_REJECT };

enum router_envelope_state {
    ROUTER_ENVELOPE_FREE,
    ROUTER_ENVELOPE_OPEN,     /* in the table of open ones and a linger heap */
    ROUTER_ENVELOPE_ENCODING, /* waits for ENCODED */
    ROUTER_ENVELOPE_PARTS,    /* large: parts are stored */
    ROUTER_ENVELOPE_READY,    /* in a queue */
    ROUTER_ENVELOPE_SENDING,  /* in a call */
    ROUTER_ENVELOPE_BACKOFF,  /* in the backoff heap */
    ROUTER_ENVELOPE_DEAD,     /* its first record is being dead-lettered, or waits to be again */
};

struct router_envelope {
    enum router_envelope_state state;
    enum router_envelope_kind kind;
    enum delay_path path;
    uint32_t generation;
    int64_t second_ms;
    int64_t first_due_ms;
    int64_t written_ms; /* 0: never tried */
    int64_t linger_ms;  /* monotonic: until then it waits for company, open or in the queue */
    int64_t ready_ms;   /* monotonic: in the queue since */
    uint32_t head;      /* records that are not durable yet */
    uint32_t tail;
    uint32_t records;
    uint32_t window; /* the first so many of them are in the frame */
    uint32_t base;   /* records that were before head, once split */
    uint32_t raw_bytes;
    uint32_t frame_bytes;
    uint32_t shard;
    uint32_t next; /* in a queue, in the free list */
    uint32_t attempts;
    bool is_retry;
    bool alone; /* was refused in company: shares no call */
    bool split;
    bool queued;  /* parts: in the table's queue */
    bool refused; /* parts: one was, for good */
    uint32_t parts_flying;
    uint64_t parts_unsent[BLOB_PARTS_MAX / 64];
    uint64_t parts_unacked[BLOB_PARTS_MAX / 64];
};

struct router_queue {
    uint32_t head;
    uint32_t tail;
    uint32_t count;
    uint64_t bytes;      /* of frames */
    int64_t lingered_ms; /* monotonic: when the first of them has lingered, or earlier */
};

struct router_call {
    uint32_t generation;
    uint32_t count; /* 0: free */
    struct {
        uint32_t slot;
        uint32_t part;
    } entries[DYNAMODB_BATCH_ITEMS_MAX];
};

struct router_service_state {
    struct router_queue fresh;
    struct router_queue retry;
    uint32_t encoding; /* envelopes that will stand in a queue as soon as they are encoded */
    uint32_t calls_in_flight;
    bool blocked;
    int64_t blocked_until_ms;
    uint32_t refusals_in_row; /* of lone records since the last success */
    int64_t refusal_after_ms; /* the next may be believed then */
    struct router_call calls[ROUTER_CALLS_MAX];
};

struct router_heap {
    struct timer_heap heap;
    struct timer_heap_entry entries[ROUTER_ENVELOPES_MAX];
    uint32_t places[ROUTER_ENVELOPES_MAX];
};

/* About 11 MiB, mostly untouched. Plain data: it may be copied, and copies go on alike. */
struct router_core {
    struct router_limits limits;
    struct prng random;
    struct router_stats stats;

    bool stopping;
    bool paused;
    bool more; /* effects ran out of room */
    bool dead_letter_blocked;
    int64_t wake_ms;
    uint64_t bytes;          /* of everything that is not durable yet */
    uint32_t ratio_permille; /* encoded size of raw bytes, learnt */
    uint32_t next_shard;

    struct {
        bool active;
        int64_t until_ms;
        uint32_t busy; /* partitions that have records outstanding */
    } revoke;
    struct {
        bool in_flight;
        uint32_t generation;
        uint32_t dirty; /* partitions */
        int64_t at_ms;
        int64_t not_before_ms;
    } commit;
    int64_t sweep_at_ms; /* looks for queued long envelopes that are past their cut-off */

    uint32_t nodes_used;
    uint32_t nodes_listed; /* in a partition's list */
    uint32_t nodes_fresh;  /* never used from here on */
    uint32_t nodes_free;   /* list */
    uint32_t envelopes_used;
    uint32_t envelopes_fresh;
    uint32_t envelopes_free;
    uint32_t open;
    uint32_t partitions_high; /* indices in use are below it */

    struct router_heap linger[ROUTER_PATHS];
    struct router_heap backoff;
    struct router_service_state services[ROUTER_SERVICES];
    struct router_partition partitions[ROUTER_PARTITIONS_MAX];
    uint32_t open_table[ROUTER_TABLE_SIZE]; /* slot + 1, 0: empty */
    struct router_envelope envelopes[ROUTER_ENVELOPES_MAX];
    struct router_node nodes[ROUTER_RECORDS_MAX];
};

/* --- interface ------------------------------------------------------------------------------- */

/* The storage must be all zeros (calloc: pages that are never used stay untouched). */
void router_core_init(struct router_core *c, const struct router_limits *limits, uint64_t seed);

/* May a RECORD event come? Asked before each; CHECKed there. False when a pool has no room. */
bool router_core_accepts(const struct router_core *c);

/* Overwrites *out. */
void router_core_step(struct router_core *c, const struct router_event *event, struct now now,
                      struct router_effects *out);
/* Valid after init or a step. */
struct deadline router_core_deadline(const struct router_core *c);
/* After STOP: everything taken in is durable and committed. */
bool router_core_idle(const struct router_core *c);
uint64_t router_core_digest(const struct router_core *c);

#endif
