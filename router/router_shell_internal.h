/* What the files of the shell share. Nobody else includes it. */
#ifndef ROUTER_ROUTER_SHELL_INTERNAL_H
#define ROUTER_ROUTER_SHELL_INTERNAL_H

#include "common/aws_services.h"
#include "common/dependency_check.h"
#include "common/kafka.h"
#include "common/program.h"
#include "common/table.h"
#include "common/table_setup.h"
#include "router/router_bodies.h"
#include "router/router_config.h"
#include "router/router_core.h"

/* An envelope has one event waiting at most; a commit may fail at once too. */
#define ROUTER_PENDING_MAX     (ROUTER_ENVELOPES_MAX + 1)
#define ROUTER_REJECTION_CODES 32
#define ROUTER_DETAIL_SIZE     384

struct router_shell;

/* What a batch call hands back. */
struct router_call_ctx {
    struct router_shell *shell;
    uint64_t call;
    enum router_service service;
};

struct router_shell_partition {
    const struct router_topic *topic;
    struct slice name;
    int32_t partition;
};

/* The check under way. */
/* At most so many lines a second of one kind. */
struct router_log_limit {
    int64_t second;
    uint32_t lines;
};

struct router_shell {
    struct program *program;
    struct loop *loop;
    struct log *log;
    const struct router_config *config;
    struct router_topics topics;
    struct dependency_check check;
    struct dependency_queue delay_queue;

    struct aws_services aws;
    char *delay_queue_url;
    struct kafka_producer *producer;
    struct kafka_consumer *consumer;
    struct table_setup *table_setup;

    struct router_core *core; /* NULL until the table is set up */
    struct router_effects *effects;
    struct router_bodies *bodies;
    struct loop_timer *timer;
    int64_t timer_at_ms;
    bool inside; /* the core: nothing may enter it again */
    bool stopping;
    bool closed;

    struct router_event *pending; /* ring of ROUTER_PENDING_MAX */
    uint32_t pending_first;
    uint32_t pending_count;

    struct router_shell_partition *partitions; /* ROUTER_PARTITIONS_MAX, by index */
    uint32_t assigned;
    struct kafka_partition *revoked; /* to be released together */
    size_t revoked_count;

    /* The record of the event that is being handled. */
    const struct kafka_record *record;
    struct record stripped; /* without the headers that are ours */
    enum delay_rejection rejection;
    char detail[ROUTER_DETAIL_SIZE];
    struct record_header *headers; /* RECORD_HEADERS_MAX */

    struct router_call_ctx calls[ROUTER_SERVICES * ROUTER_CALLS_MAX];
    struct error last_error[ROUTER_SERVICES]; /* of a send; kind ERROR_NONE: the last was good */
    struct error last_dead_letter_error;
    struct error setup_error;
    uint64_t rejected[ROUTER_REJECTION_CODES];
    struct router_log_limit send_log;
    struct router_log_limit record_log;
};

/* One event into the core, its effects, and what follows from them at once. */
void router_shell_run(struct router_shell *s, const struct router_event *event);
/* An event that comes from carrying out an effect: after the step, never within. */
void router_shell_push(struct router_shell *s, const struct router_event *event);
bool router_shell_may_log(struct router_shell *s, struct router_log_limit *limit);

/* --- router_shell_send.c --------------------------------------------------------------------- */

void router_shell_send(struct router_shell *s, const struct router_effect *effect);
void router_shell_dead_letter(struct router_shell *s, const struct router_effect *effect);
void router_shell_on_report(void *ctx, uint64_t id, enum outcome outcome,
                            const struct error *error);

/* --- router_shell_kafka.c -------------------------------------------------------------------- */

/* False and a line in errors for every reason. */
bool router_shell_open_producer(struct router_shell *s, struct buf *errors);
bool router_shell_open_consumer(struct router_shell *s, struct buf *errors);
void router_shell_commit(struct router_shell *s, uint64_t id);
void router_shell_release(struct router_shell *s);

/* --- router_shell_check.c -------------------------------------------------------------------- */

void router_shell_check(void *shell);

/* --- router_shell_metrics.c ------------------------------------------------------------------ */

extern const struct emf_table router_shell_emf;
void router_shell_metrics(void *shell);

#endif
