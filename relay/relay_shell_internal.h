/* What the files of the relay's shell share. Nobody else includes this. */
#ifndef RELAY_SHELL_INTERNAL_H
#define RELAY_SHELL_INTERNAL_H

#include "common/aws_services.h"
#include "common/dependency_check.h"
#include "common/envelope.h"
#include "common/kafka.h"
#include "common/metrics.h"
#include "common/program.h"
#include "relay/relay_config.h"
#include "relay/relay_core.h"

/* Distinct reasons of Kafka's refusals; the last one stands for more. */
#define RELAY_DETAILS_MAX 64
/* Reports that the core is told of at once. */
#define RELAY_REPORTS_MAX 256
/* Beside a record's own: delay-id, -due, -source, -target, -error, -error-detail. */
#define RELAY_HEADERS_ADDED 6

/* The shell's side of a slot of the core. */
struct relay_held {
    char *receipt; /* keeps its memory for the next message */
    size_t receipt_len;
    size_t receipt_capacity;
    uint8_t *frames; /* as they came; NULL: not held, or decoded */
    size_t frames_len;
    struct envelope *envelope; /* NULL: not decoded, or unreadable */
    struct buf body;           /* of an unreadable message, for the dead-letter topic */
    enum relay_queue queue;
    uint32_t receive_count;
};

struct relay_shell_poll {
    struct relay_shell *shell;
    struct relay_ref ref;
    enum relay_queue queue;
    struct mono_ms started_at;
};

struct relay_shell_batch {
    struct relay_shell *shell;
    struct relay_ref ref;
};

struct relay_shell_queue {
    char *url; /* known after the check */
    struct dependency_queue wanted;
    uint32_t failures;       /* of receiving, in a row */
    struct error last_error; /* of receiving; kind ERROR_NONE: it works */
};

/* A blob on its way from the table. */
struct relay_fetch {
    struct relay_fetch *next;
    struct relay_shell *shell;
    struct relay_ref slot;
    struct envelope_id blob_id;
    uint32_t parts;
    uint32_t parts_got;
    struct buf data;
};

struct relay_event_queue {
    struct relay_event *events;
    size_t capacity;
    size_t first;
    size_t count;
};

struct relay_series; /* relay_shell_metrics.c */

struct relay_shell {
    struct program *program;
    struct loop *loop;
    struct log *log;
    const struct relay_config *config;
    struct relay_limits limits;
    struct dependency_check check;

    struct aws_services aws;
    struct relay_shell_queue queues[RELAY_QUEUES];
    struct kafka_producer *producer;
    struct loop_timer *timer;

    struct relay_core *core;
    void *core_storage;
    struct relay_effects *effects;
    struct relay_event_queue events;
    bool inside; /* the core is at work: events wait */
    bool arming;
    bool started;
    bool stopping;
    bool closed;

    struct relay_held *held;
    struct relay_shell_poll polls[RELAY_QUEUES * RELAY_POLLS_MAX];
    struct relay_shell_batch batches[RELAY_BATCHES_MAX];
    struct relay_fetch *fetches;
    struct buf raw; /* frames of the message at hand */
    struct record_header *headers;
    struct relay_report reports[RELAY_REPORTS_MAX]; /* that the core has not heard of */
    uint32_t reports_count;
    bool telling;                        /* it will soon */
    struct error last_dead_letter_error; /* kind ERROR_NONE: the topic takes them */

    char details[RELAY_DETAILS_MAX][ERROR_CODE_SIZE + ERROR_TEXT_SIZE + 4];
    uint32_t details_used;

    uint64_t emitted[RELAY_QUEUES];
    uint64_t delivered[RELAY_QUEUES];
    uint64_t dead_lettered[RELAY_QUEUES];
    uint64_t received[RELAY_QUEUES];
    struct relay_series *series;
    struct relay_counters alarmed; /* counters as of the last look for alarms */
    int64_t looked_at_ms;
    int64_t log_second;
    unsigned log_lines;
};

/* relay_shell.c */
/* An event for the core: at once, or after what it is doing. */
void relay_shell_feed(struct relay_shell *s, const struct relay_event *event);
/* So that a flood of bad messages is no flood of lines: what is over it is in the counters. */
bool relay_shell_may_log(struct relay_shell *s);
const char *relay_shell_path(enum relay_queue queue);

/* relay_shell_check.c */
void relay_shell_check(void *shell);

/* relay_shell_receive.c */
void relay_shell_poll(struct relay_shell *s, const struct relay_poll *poll);
void relay_shell_hold(struct relay_shell *s, uint32_t slot);
void relay_shell_decode(struct relay_shell *s, struct relay_ref slot);
void relay_shell_rehandle(struct relay_shell *s, uint32_t to, uint32_t from);
void relay_shell_forget(struct relay_shell *s, uint32_t slot);
/* All but the receipt. */
void relay_shell_unload(struct relay_shell *s, uint32_t slot);
void relay_shell_call(struct relay_shell *s, const struct relay_batch *batch, bool is_delete);

/* relay_shell_blob.c */
void relay_shell_fetch(struct relay_shell *s, struct relay_ref slot);
void relay_shell_drop_fetches(struct relay_shell *s);

/* relay_shell_emit.c */
bool relay_shell_open_producer(struct relay_shell *s, struct buf *errors);
void relay_shell_emit(struct relay_shell *s, const struct relay_emit *emit);
void relay_shell_dead_letter(struct relay_shell *s, const struct relay_dead_letter *dead);
const char *relay_shell_refusal_code(enum relay_refusal refusal);

/* relay_shell_metrics.c */
struct relay_series *relay_series_new(struct metrics *metrics);
void relay_series_free(struct relay_series *series);
void relay_series_observe(struct relay_series *series, enum relay_queue queue, int64_t error_ms);
extern const struct emf_table relay_shell_emf;
void relay_shell_metrics(void *shell);
/* Writes a line for every counter that should not move and did, at most once a second. */
void relay_shell_alarms(struct relay_shell *s);

#endif
