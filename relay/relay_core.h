/* What the relay decides: which messages to hold, defer, emit, extend, delete, park. Pure: no I/O,
 * no clock, no heap, no randomness but its own. The shell (relay_shell.c) and the simulator turn
 * completions into events and effects into calls; README.md lists both and the rules of order.
 *
 * Bodies, receipt handles and decoded envelopes lie in the caller's slot of the same index. The
 * core says when a slot is free again (RELAY_FREE); what arrives for it later is known by its
 * generation and ignored.
 */
#ifndef RELAY_CORE_H
#define RELAY_CORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/envelope.h"
#include "common/limits.h"
#include "common/prng.h"
#include "common/status.h"
#include "common/timer_heap.h"
#include "common/timeval.h"
#include "relay/relay_core_ids.h"

#define RELAY_SLOTS_MAX     65535 /* a slot fits 16 bits of a Kafka report's id */
#define RELAY_POLLS_MAX     16    /* per queue: bits of a mask */
#define RELAY_POLL_MESSAGES 10
#define RELAY_BATCHES_MAX   32    /* visibility and delete calls under way: bits of a mask */
#define RELAY_DONE_IDS      65536 /* 15 min at 70 envelopes/s, 1 min at the full rate */
#define RELAY_EFFECTS_MAX   64
#define RELAY_PENDING_WORDS (ENVELOPE_RECORDS_MAX / 64)
/* Of a deferral or a delete; after that the message just returns. */
#define RELAY_CALL_TRIES_MAX 6
#define RELAY_RETRY_FIRST_MS 100   /* back-off doubles from here ... */
#define RELAY_RETRY_MOST_MS  10000 /* ... to here */
#define RELAY_FULL_RETRY_MS  5     /* Kafka's queue is full: look again */
/* A record refused in company is tried alone so often before it is held to be the one to blame:
 * others that are tried alone, or new ones, may have met it in one batch. */
#define RELAY_ALONE_TRIES         3
#define RELAY_DEAD_LETTER_GAP_MS  20 /* after a failure, so that each has a batch of its own */
#define RELAY_EMPTY_POLL_PAUSE_MS 10
#define RELAY_THROTTLED_MS        1000 /* a throttle is taken to last so long */
/* A back-off for throttling doubles so often at most: the client's rate falls already, and what SQS
 * holds meanwhile comes late. */
#define RELAY_THROTTLED_DOUBLINGS 2
#define RELAY_GARBLED_RETRIES     5 /* receives of a body with a wrong MD5 before it is parked */

static_assert(RELAY_POLL_MESSAGES <= SQS_BATCH_ENTRIES_MAX, "a poll is one call");
static_assert(ENVELOPE_RECORDS_MAX % 64 == 0, "whole words");

enum relay_queue { RELAY_QUEUE_DELAY, RELAY_QUEUE_READY };
#define RELAY_QUEUES 2

struct relay_limits {
    uint32_t slots;          /* messages in memory; at least RELAY_POLL_MESSAGES */
    uint32_t window_records; /* produced and not reported, or waiting to be produced again */
    uint32_t polls_max;      /* per queue, when busy */
    uint32_t done_ids;       /* delivered envelopes remembered; a power of two */
    int64_t budget_bytes;
    int64_t unpacked_bytes; /* what unpacked envelopes may take of it; one always goes on */
    int64_t poll_bytes;     /* reserved for what a poll may bring */
    int64_t hold_ms;        /* due later than this: defer */
    int64_t lead_ms;        /* deferred to this long before due */
    int64_t unpack_ms;      /* held as they came until this long before due */
    int64_t visibility_ms;  /* whole seconds */
    int64_t margin_ms;      /* a receive counts as run out this long before it does */
    int64_t receive_max_ms; /* extensions end this long after a receive: 12 h less 5 s */
    int64_t linger_ms;      /* for company in a batch */
    int64_t park_ms;        /* whole seconds */
    int64_t park_max_ms;    /* unreadable and sent longer ago than this: dead letter */
    int64_t stop_hold_ms;   /* on stop, what is due later than this is handed back */
    int64_t done_ttl_ms;
};

/* A number and the generation of its use; completions return it unchanged. */
struct relay_ref {
    uint32_t index;
    uint32_t generation;
};

enum relay_verdict {
    RELAY_READABLE,
    RELAY_UNSUPPORTED, /* a newer version */
    RELAY_CORRUPT,     /* no envelope, or a broken one */
    RELAY_GARBLED,     /* the body's MD5 is not what SQS says: damaged on its way */
};

/* Why a record is dead-lettered; the shell spells the codes. */
enum relay_refusal {
    RELAY_REFUSED_NOT,
    RELAY_REFUSED_TARGET_UNKNOWN,
    RELAY_REFUSED_TARGET_UNAUTHORIZED,
    RELAY_REFUSED_TARGET_REFUSED, /* too large, bad timestamp, policy, ... */
    RELAY_REFUSED_UNSUPPORTED,    /* the message as a whole */
    RELAY_REFUSED_CORRUPT,
};
#define RELAY_REFUSALS 6

/* --- events ---------------------------------------------------------------------------------- */

enum relay_event_type {
    RELAY_TICK, /* the deadline has come */
    RELAY_STOP,
    RELAY_RECEIVED,
    RELAY_POLLED,  /* after the RELAY_RECEIVED of its messages */
    RELAY_DECODED, /* answers RELAY_DECODE */
    RELAY_FETCHED, /* answers RELAY_FETCH */
    RELAY_EMITTED, /* answers RELAY_EMIT */
    RELAY_REPORT,  /* one for every record taken, and for every RELAY_DEAD_LETTER */
    RELAY_REPORTS, /* many of those */
    RELAY_CALLED,  /* answers RELAY_CHANGE_VISIBILITY and RELAY_DELETE */
};

struct relay_received {
    uint32_t slot; /* relay_core_free_slot() */
    enum relay_queue queue;
    enum relay_verdict verdict;
    struct envelope_id id; /* this and the next five: readable ones only */
    int64_t first_due_ms;
    uint32_t records;
    bool blob;                  /* its record lies in the table */
    int64_t bytes;              /* of memory that holding it takes */
    int64_t unpacked_bytes;     /* of memory that it takes in addition while it is unpacked */
    struct mono_ms received_at; /* no later than the instant when SQS hid the message */
    int64_t sent_ms;            /* 0: not known */
    uint32_t receive_count;     /* 0: not known */
};

struct relay_polled {
    struct relay_ref poll;
    enum outcome outcome;
    uint32_t messages;
    bool throttled;       /* why it failed */
    int64_t held_back_ms; /* > 0: it failed unsent, for others go first; to be asked again then */
};

struct relay_decoded {
    struct relay_ref slot;
    enum relay_verdict verdict; /* not RELAY_READABLE: the rest is unused */
    uint32_t records;
    int64_t second_ms;
    const uint16_t *due_offsets; /* sorted; lives until RELAY_FREE */
    int64_t bytes;               /* of memory from now on, now known */
    int64_t blob_bytes;          /* > 0: the only record lies in the table */
};

struct relay_fetched {
    struct relay_ref slot;
    bool attached; /* else: a part is missing or cannot be read for now */
};

struct relay_emitted {
    struct relay_ref slot;
    uint32_t taken; /* of the count asked for: from the first on */
    bool full;      /* why the rest was not: Kafka's queue; else its instant has not come */
};

struct relay_report {
    struct relay_ref slot;
    uint32_t record;
    bool dead_letter; /* of a RELAY_DEAD_LETTER */
    enum outcome outcome;
    enum relay_refusal refusal; /* of a record that failed and would always fail; of a dead letter
                                   the one that its effect named, with its detail */
    uint16_t detail;            /* the shell's own number, comes back in RELAY_DEAD_LETTER */
    bool in_company;            /* the refusal is of the batch that it went with: one of those */
    bool full;                  /* a dead letter that found Kafka's queue full: failed, no fault */
};

struct relay_reports {
    const struct relay_report *list; /* lives as long as the step */
    uint32_t count;
};

struct relay_call_result {
    enum outcome outcome;
    enum error_kind kind; /* ERROR_PERMANENT: it would fail again */
    bool receipt_ended;   /* with that: the message has come back or is deleted */
};
struct relay_called {
    struct relay_ref batch;
    uint32_t count; /* that of the effect */
    struct relay_call_result results[SQS_BATCH_ENTRIES_MAX];
};

struct relay_event {
    enum relay_event_type type;
    union {
        struct relay_received received;
        struct relay_polled polled;
        struct relay_decoded decoded;
        struct relay_fetched fetched;
        struct relay_emitted emitted;
        struct relay_report report;
        struct relay_reports reports;
        struct relay_called called;
    };
};

/* --- effects --------------------------------------------------------------------------------- */

enum relay_effect_type {
    RELAY_POLL,        /* receive up to 10 messages; RELAY_POLLED */
    RELAY_HOLD,        /* keep the message as it came */
    RELAY_DECODE,      /* unpack what is held; RELAY_DECODED */
    RELAY_REHANDLE,    /* the slot takes the receipt handle of slot `from`, which is freed next */
    RELAY_FETCH,       /* get the blob and attach it; RELAY_FETCHED */
    RELAY_EMIT,        /* produce records first .. first + count - 1, none before its due instant */
    RELAY_DEAD_LETTER, /* the record, or the raw body if the message is unreadable */
    RELAY_CHANGE_VISIBILITY,
    RELAY_DELETE,
    RELAY_FREE, /* forget the slot's content */
};

struct relay_poll {
    struct relay_ref poll;
    enum relay_queue queue;
};

struct relay_emit {
    struct relay_ref slot;
    uint32_t first;
    uint32_t count;
};

struct relay_dead_letter {
    struct relay_ref slot;
    uint32_t record;
    enum relay_refusal refusal;
    uint16_t detail;
};

struct relay_batch {
    struct relay_ref batch;
    enum relay_queue queue;
    uint32_t count;
    struct relay_ref slots[SQS_BATCH_ENTRIES_MAX];
    int32_t seconds[SQS_BATCH_ENTRIES_MAX]; /* RELAY_CHANGE_VISIBILITY */
};

struct relay_effect {
    enum relay_effect_type type;
    union {
        struct relay_poll poll;
        struct relay_ref slot; /* RELAY_HOLD, RELAY_DECODE, RELAY_FETCH, RELAY_FREE */
        struct {
            struct relay_ref to;
            uint32_t from;
        } rehandle;
        struct relay_emit emit;
        struct relay_dead_letter dead_letter;
        struct relay_batch batch;
    };
};

struct relay_effects {
    uint32_t count;
    struct relay_effect items[RELAY_EFFECTS_MAX];
};

/* --- counters -------------------------------------------------------------------------------- */

#define RELAY_COUNTERS(X)                                                                          \
    X(received, "messages received")                                                               \
    X(deferred, "envelopes whose visibility was set to end shortly before they are due")           \
    X(held, "envelopes taken into memory")                                                         \
    X(delivered, "records confirmed by Kafka")                                                     \
    X(completed, "envelopes of which every record was confirmed")                                  \
    X(deleted, "messages deleted")                                                                 \
    X(duplicates_held, "messages dropped because their envelope is held already")                  \
    X(duplicates_done, "messages only deleted because their envelope was delivered already")       \
    X(parked, "unreadable messages left in the queue for the park time")                           \
    X(garbled, "messages damaged on their way, received again")                                    \
    X(emitted_again, "records produced again after a failed or unknown outcome")                   \
    X(emitted_alone,                                                                               \
      "records produced once more, alone, since the batch that they were in was refused")          \
    X(unknown_reports, "reports that leave open whether the record was written")                   \
    X(dead_lettered, "records and messages confirmed by the dead-letter topic")                    \
    X(dead_letter_failures, "dead letters that the dead-letter topic did not take")                \
    X(lapsed_unemitted, "holds given up because their visibility had run out")                     \
    X(lapsed_emitted, "envelopes whose visibility ran out after emission had begun")               \
    X(lapsed_records, "records of those envelopes: so many may come twice")                        \
    X(extended, "extensions of visibility")                                                        \
    X(capped, "envelopes held for as long as SQS allows")                                          \
    X(extend_failures, "extensions that failed or stayed without answer")                          \
    X(defer_failures, "deferrals given up, so the message came back early or late")                \
    X(delete_failures, "deletes given up, so the message comes back once more")                    \
    X(receipts_ended, "calls for messages that had come back or were deleted meanwhile")           \
    X(no_room, "messages put back for a second because they would not fit the budget")             \
    X(handed_back, "messages handed back on stop")                                                 \
    X(blobs_fetched, "large records fetched from the table")                                       \
    X(blob_failures, "fetches of large records that failed and were tried again")                  \
    X(blobs_late, "large records that were there only after they were due")                        \
    X(kafka_full, "emissions cut short by Kafka's full queue")                                     \
    X(polls, "receive calls")                                                                      \
    X(empty_polls, "receive calls that brought nothing")                                           \
    X(poll_failures, "receive calls that failed")                                                  \
    X(polls_held_back, "receive calls not made since SQS throttles and others go first")           \
    X(stray_completions, "completions for what is no longer there")

struct relay_counters {
#define X(name, help) uint64_t name;
    RELAY_COUNTERS(X)
#undef X
};

/* --- state: private to relay_core*.c --------------------------------------------------------- */

#define RELAY_NONE UINT32_MAX

enum relay_slot_state {
    RELAY_SLOT_FREE,
    RELAY_SLOT_PACKED, /* held as it came, until shortly before it is due */
    RELAY_SLOT_DECODING,
    RELAY_SLOT_BLOB_WAITING, /* for room in the budget, or for its next try */
    RELAY_SLOT_BLOB_FETCHING,
    RELAY_SLOT_HELD,    /* to emit, or waiting for reports */
    RELAY_SLOT_LEAVING, /* visibility is being changed, then it is forgotten */
    RELAY_SLOT_DELETING,
};

/* A chain in one of the core's arrays. */
struct relay_list {
    uint32_t head;
    uint32_t tail;
};

enum relay_leave {
    RELAY_LEAVE_DEFER,
    RELAY_LEAVE_PARK,
    RELAY_LEAVE_GARBLED,
    RELAY_LEAVE_NO_ROOM,
    RELAY_LEAVE_BACK,
};

/* What of a slot counts where in the budget. */
enum relay_packing {
    RELAY_PACKING_NONE,
    RELAY_PACKED, /* room has to be kept for unpacking it */
    RELAY_UNPACKED,
};

enum relay_call { RELAY_CALL_VISIBILITY, RELAY_CALL_DELETE };
#define RELAY_CALLS 2

struct relay_slot {
    struct envelope_id id;
    const uint16_t *due_offsets;
    int64_t second_ms;
    int64_t first_due_ms;
    int64_t bytes; /* counted in the budget */
    int64_t unpacked_bytes;
    int64_t blob_bytes;
    int64_t sent_ms;
    struct wall_ms unpack_at;
    struct mono_ms received_at;
    struct mono_ms visible_at; /* when SQS shows the message again, as far as we know */
    struct mono_ms call_at;    /* queued since, or to be queued at; TIME_NEVER: neither */
    struct mono_ms again_at;   /* of the records in again, or of the next fetch */
    struct mono_ms dead_at;    /* of the records in dead */
    struct mono_ms alone_at;   /* of the next record in suspects */
    uint32_t generation;
    uint32_t receive_count;
    uint32_t records;
    uint32_t next;       /* first record that was never emitted */
    uint32_t settled;    /* reported good, or dead-lettered */
    uint32_t pending;    /* reports to come */
    uint32_t emit_first; /* the emission under way */
    uint32_t emit_count;
    struct relay_list again;    /* in relay_core.records: to be emitted again at again_at */
    struct relay_list dead;     /* in relay_core.records: to be dead-lettered at dead_at */
    struct relay_list suspects; /* in relay_core.records: refused in company, to be emitted alone */
    uint32_t alone;             /* the suspect that is out, and has no report yet */
    uint32_t list_next;         /* queued call, or free */
    uint32_t list_prev;
    uint8_t state;   /* enum relay_slot_state */
    uint8_t queue;   /* enum relay_queue */
    uint8_t leave;   /* enum relay_leave */
    uint8_t packing; /* enum relay_packing */
    uint8_t call_tries;
    uint8_t again_tries; /* of emissions, or of fetches */
    uint8_t dead_tries;
    uint8_t alone_tries; /* of the suspect that is out, this one included */
    bool indexed;        /* its id is in held */
    bool blob_open;      /* counted in blobs */
    bool call_queued;
    bool call_sent;
    bool call_stale; /* the call under way is no longer what the slot wants */
    bool emitting;
    bool emit_again; /* the emission under way is of records from `again` */
    bool lapsed;     /* visibility ran out, but records are out already */
};

/* A record that is to be emitted again, alone or not, or dead-lettered. */
struct relay_record {
    uint32_t record;
    uint32_t next;
    uint16_t detail;
    uint8_t refusal;
    uint8_t tries; /* alone, so far */
};

struct relay_batch_state {
    uint32_t generation;
    uint32_t count;
    enum relay_call call;
    struct mono_ms sent_at;
    struct relay_ref slots[SQS_BATCH_ENTRIES_MAX];
    int32_t seconds[SQS_BATCH_ENTRIES_MAX];
};

struct relay_polls {
    uint32_t out_mask;
    uint32_t out;
    uint32_t want;
    uint32_t failures;
    struct mono_ms not_before;
    uint32_t generations[RELAY_POLLS_MAX];
};

struct relay_core {
    struct relay_limits limits;
    struct relay_counters counters;
    uint64_t dead_letters[RELAY_REFUSALS]; /* decided, by reason */
    struct prng random;
    bool stopping;

    struct relay_slot *slots;
    uint32_t slots_used;
    uint32_t slots_fresh; /* never used from here on: memory is touched only as needed */
    uint32_t slots_free;  /* list */
    struct relay_ids held;
    struct relay_done done;
    uint64_t *pending_bits; /* RELAY_PENDING_WORDS a slot: which reports are to come */

    struct timer_heap unpack; /* wall: packed slots */
    struct timer_heap due;    /* wall: next emission of a slot */
    struct timer_heap wake;   /* mono: calls, retries, dead letters of a slot */
    struct timer_heap fetch;  /* blobs that wait for room, by due time */

    struct relay_record *records; /* window_records: what failed and comes again */
    uint32_t records_fresh;
    uint32_t records_free;
    uint32_t window_used; /* pending + listed */
    bool full;            /* Kafka's queue was full; looks again at full_until */
    struct mono_ms full_until;

    struct relay_polls polls[RELAY_QUEUES];
    uint32_t poll_turn; /* the queue that may poll next when there is room for one poll only */
    struct relay_list calls[RELAY_QUEUES][RELAY_CALLS];
    uint32_t calls_queued[RELAY_QUEUES][RELAY_CALLS];
    struct relay_batch_state batches[RELAY_BATCHES_MAX];
    uint32_t batch_mask;
    struct mono_ms throttled_until; /* fewer and fuller calls until then */

    int64_t bytes;            /* of held messages, unpacked ones included */
    int64_t packed_bytes;     /* what the packed ones will take in addition */
    int64_t unpacked_bytes;   /* what the unpacked ones take */
    uint32_t blobs;           /* fetching or attached */
    uint64_t waiting_records; /* held and not settled */
};

/* --- interface ------------------------------------------------------------------------------- */

/* Bytes of storage that relay_core_init wants for these limits. */
size_t relay_core_storage_bytes(const struct relay_limits *limits);

/* storage: zeroed, aligned for any object, outlives the core. CHECKs the limits. */
void relay_core_init(struct relay_core *c, const struct relay_limits *limits, void *storage,
                     uint64_t seed);

/* Overwrites *out. Effects are to be carried out in order, before the next step. While the deadline
 * is not later than now there is more to do: step again with RELAY_TICK. */
void relay_core_step(struct relay_core *c, const struct relay_event *ev, struct now now,
                     struct relay_effects *out);

/* Every record of it has been reported, after a step with reports: nothing but its receipt is
 * needed any more, and what its envelope took is none of the budget's. The slot has been one of
 * this core. */
bool relay_core_is_settled(const struct relay_core *c, struct relay_ref slot);

/* mono: calls, retries, polls; wall: the next due instant. */
struct deadline relay_core_deadline(const struct relay_core *c);

/* Stopped, and nothing is under way any more. */
bool relay_core_idle(const struct relay_core *c);

uint64_t relay_core_digest(const struct relay_core *c);

/* What is taken of the budget: what is held, and the room that is kept for unpacking it. */
int64_t relay_core_budget_used(const struct relay_core *c);

/* The slot that the next RELAY_RECEIVED must name; there is always one for every message of a
 * poll. */
uint32_t relay_core_free_slot(const struct relay_core *c);
/* What the slot's refs look like at present; those of earlier uses have another generation. */
struct relay_ref relay_core_ref(const struct relay_core *c, uint32_t slot);

#endif
