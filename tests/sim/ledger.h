/* Every record that was produced, and every copy of it that came out. */
#ifndef TESTS_SIM_LEDGER_H
#define TESTS_SIM_LEDGER_H

#include <stdbool.h>
#include <stdint.h>

#include "common/kafka.h"
#include "common/slice.h"
#include "tests/model/kafka_model.h"
#include "tests/sim/sim.h"

#define LEDGER_NONE UINT32_MAX

struct ledger_record {
    uint32_t index;
    int32_t partition;
    int64_t offset;
    int64_t produced_ms;
    int64_t due_ms;
    const char *target;
    const char *poison; /* the code that it must be dead-lettered with; NULL: a good one */
    bool far;           /* due after the end of the run: it must stand in the table then */
    struct kafka_model_header *headers; /* as produced, those that steer left out */
    size_t header_count;
    struct slice delay_id; /* null: none given */
    struct slice key;
    struct slice value;

    /* Holders now. */
    uint32_t in_delay_queue;
    uint32_t in_ready_queue;
    uint32_t in_table; /* items that no cursor has passed */
    bool committed;
    /* So far. */
    uint32_t consumed;     /* times a router was given it */
    uint32_t stored;       /* messages of the delay queue, and items */
    uint32_t items;        /* of them, items */
    uint32_t handed_over;  /* messages of the ready queue */
    uint32_t handed_again; /* of them, after FIFO's five minutes */
    uint32_t unsure_sends;
    uint32_t held;               /* lives of relays that received a message with it, each message */
    uint32_t refused_in_company; /* though it was not to blame */
    uint32_t unsure_emits;       /* produced, and not reported as done */
    uint32_t copies;
    uint32_t dead;
};

struct ledger {
    struct ledger_record **records;
    uint32_t count;
    uint32_t capacity;
    uint32_t unsettled; /* neither delivered nor dead-lettered */
    uint64_t duplicates;
    uint64_t dead_letters;
    int64_t last_due_ms;
    int64_t worst_late_ms;
    int64_t newest_due_ms; /* of what is out */
    uint64_t inversions;   /* P7, reported only: out after something that was due later */
    uint32_t **by_offset;  /* of each partition */
    int64_t *offsets;      /* their lengths */
    int32_t partitions;
    int64_t *read; /* how far the observer has read each partition of each topic */
};

struct ledger *ledger_new(int32_t partitions);
void ledger_free(struct ledger *ledger);

/* Takes everything in *record but what it counts; copies what it points to. */
void ledger_add(struct ledger *ledger, const struct ledger_record *record);
/* NULL: nobody produced it. */
struct ledger_record *ledger_find(const struct ledger *ledger, int32_t partition, int64_t offset);

/* P3: a relay lets a record go to Kafka, now. */
void ledger_emits(struct sim *sim, const struct host *host, const struct kafka_message *message);

/* Who produced a record with these headers was told that nobody knows what became of it. */
void ledger_unsure(struct sim *sim, const struct kafka_model_header *headers, size_t count);

/* A record with these headers was refused for what another of its batch is. */
void ledger_refused_in_company(struct sim *sim, const struct kafka_model_header *headers,
                               size_t count);

/* Reads what has been appended to targets and dead letters since the last time, and judges it: P5's
 * identity, P6, P8. host: who has just produced. */
void ledger_observe(struct sim *sim, const struct host *host);

/* At the end: P1, P5, P8. */
void ledger_check(struct sim *sim);

#endif
