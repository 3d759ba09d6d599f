/* The account of every record: sent, acknowledged, delivered, dead-lettered. Five bytes a record,
 * so that ten million fit in 50 MB. */
#ifndef TESTS_LOAD_LEDGER_H
#define TESTS_LOAD_LEDGER_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "tests/load/histogram.h"

enum ack { ACK_NONE = 0, ACK_YES, ACK_UNKNOWN, ACK_FAILED };

/* A copy beyond the first: of which record, and when it was emitted or, dead-lettered, received. */
struct ledger_copy {
    uint64_t id;
    int64_t at_ms;
};

struct ledger {
    uint64_t records;
    int64_t start_ms;    /* due offsets count from here */
    uint32_t *due_after; /* ms after start_ms */
    uint8_t *state;
    /* Only if times are kept: of the first copy, ms after due and 1 more; 0: none yet. */
    uint32_t *emitted_after;
    struct ledger_copy *copies;
    size_t copy_count;

    uint64_t sent; /* acknowledged by the broker */
    uint64_t failed;
    uint64_t unknown;
    uint64_t delivered;     /* distinct */
    uint64_t dead_lettered; /* distinct */
    uint64_t settled;       /* acknowledged and (delivered or dead-lettered) */
    uint64_t duplicated;
    uint64_t early;
    uint64_t corrupted;
    uint64_t misrouted;
    uint64_t unexpected;
    /* A run that was broken off: when, and the last due time that is judged. Else INT64_MAX. */
    int64_t ended_ms;
    int64_t judged_until_ms;
    struct histogram error;    /* at the consumer */
    struct histogram emission; /* record timestamp - due */
};

void ledger_init(struct ledger *l, uint64_t records, int64_t start_ms);
void ledger_release(struct ledger *l);
/* For faults_judge: nine bytes a record from here on. Before anything is delivered. */
void ledger_keep_times(struct ledger *l);

void ledger_plan(struct ledger *l, uint64_t id, int64_t due_ms); /* before it is sent */
int64_t ledger_due_ms(const struct ledger *l, uint64_t id);
void ledger_acknowledge(struct ledger *l, uint64_t id, enum ack ack);

/* A copy in a target topic. emitted_ms: its timestamp. */
void ledger_deliver(struct ledger *l, uint64_t id, int64_t received_ms, int64_t emitted_ms);
void ledger_dead_letter(struct ledger *l, uint64_t id, int64_t received_ms);
/* When the first copy was emitted; false: there is none, or no times are kept. */
bool ledger_emitted_ms(const struct ledger *l, uint64_t id, int64_t *ret_ms);

/* The run is broken off at now_ms: what was due less than drain_ms ago, or will be, may still come.
 * It is outstanding, not lost. */
void ledger_break_off(struct ledger *l, int64_t now_ms, int64_t drain_ms);
/* Acknowledged, neither delivered nor dead-lettered, and due after due_after_ms. */
uint64_t ledger_outstanding(const struct ledger *l, int64_t due_after_ms);

/* Acknowledged, but neither delivered nor dead-lettered, though it is time. */
uint64_t ledger_lost(const struct ledger *l);
/* "203-291, 400", at most `most` intervals. */
void ledger_print_lost(const struct ledger *l, unsigned most, FILE *out);
/* All of the six are 0 and something was sent. */
bool ledger_is_clean(const struct ledger *l);
bool ledger_is_clean_but_for_duplicates(const struct ledger *l);

#endif
