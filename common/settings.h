/* The settings that more than one program reads, and the relations between them. A program's own
 * struct begins with this one. */
#ifndef COMMON_SETTINGS_H
#define COMMON_SETTINGS_H

#include "common/buf.h"
#include "common/config.h"
#include "common/status.h"

struct settings {
    char *bootstrap_servers; /* KAFKA_BOOTSTRAP_SERVERS: router, relay */
    char *kafka_authentication;
    char *delay_topics; /* list */
    char *dead_letter_topic;
    char *delay_queue; /* names or URLs */
    char *ready_queue;
    char *timer_queue;
    char *table;
    int64_t shards;
    int64_t horizon_ms;    /* due later than this: the table */
    int64_t bucket_ms;     /* what a bucket spans: a minute */
    int64_t handoff_ms;    /* the scheduler sends this long before due */
    int64_t cutoff_ms;     /* no write to a bucket counts later than this before its handoff */
    int64_t lead_ms;       /* SQS hands an envelope to a relay this long before due */
    int64_t retention_ms;  /* items outlive their due time by this */
    int64_t stop_grace_ms; /* from SIGTERM to giving up */
    char *admin_address;
    char *log_level;
    char *emf_namespace; /* empty: no metrics in the log */
    int64_t emf_interval_ms;
    bool core_dumps;
};

extern const struct config_table settings_table;

/* A line in errors for every relation that does not hold, naming both sides and saying what would
 * be right: horizon > bucket + handoff + cutoff; handoff > lead; horizon <= 15 min; ... */
NODISCARD enum status settings_check(const struct settings *s, enum config_program program,
                                     struct buf *errors);

/* DELAYLINE_KAFKA_AUTHENTICATION=msk-iam; else as Kafka's properties say. */
bool settings_want_msk_iam(const struct settings *s);

/* Exit codes, as sysexits.h names them. */
enum exit_code {
    EXIT_CODE_OK = 0,
    EXIT_CODE_USAGE = 64,       /* unknown option */
    EXIT_CODE_UNAVAILABLE = 69, /* a dependency cannot be reached */
    EXIT_CODE_SOFTWARE = 70,    /* handles left open at the end, fatal errors of our own */
    EXIT_CODE_CONFIG = 78,
};

#endif
