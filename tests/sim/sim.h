/* One run of the simulator: true time, an event heap, chance, the trace and its digest.
 *
 * Everything in a run follows from its seed: one thread, no clock, no addresses in any decision.
 * Time jumps from event to event. What happens is said in words (sim_say); the digest is that of
 * the words, so two runs with equal digests have equal traces.
 */
#ifndef TESTS_SIM_SIM_H
#define TESTS_SIM_SIM_H

#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/compiler.h"
#include "common/prng.h"
#include "tests/model/model_heap.h"
#include "tests/sim/options.h"

#define SIM_START_MS INT64_C(1800000000000) /* a whole hour: all buckets begin evenly */

struct host;

typedef void sim_fn(void *ctx);

/* Embedded by its owner, zeroed; set anew it moves. */
struct sim_event {
    struct model_heap_node node;
    sim_fn *fn;
    void *ctx;
    bool once; /* of sim_after: freed by the loop */
};

struct sim {
    struct options options;
    int64_t now_ms; /* true time, epoch ms */
    struct model_heap events;
    uint64_t events_run;
    uint64_t digest;
    bool tracing;
    bool failed;
    struct buf failure; /* the first violation, in words */
    bool healed;        /* faults are over, everything must settle */

    /* Apart, so that a fault more does not change all that is drawn elsewhere. */
    struct prng network;
    struct prng faults;
    struct prng seeds; /* of the programs' own generators */

    struct world *world;
    struct custody *custody;
    struct ledger *ledger;
    struct nemesis *nemesis;
    struct workload *workload;
    struct host *hosts;
    uint32_t host_count;
    struct host *inside; /* whose turn it is; NULL: nobody's */
};

/* At an instant of true time, which may have passed: then next. */
void sim_set(struct sim *sim, struct sim_event *event, int64_t at_ms);
void sim_cancel(struct sim *sim, struct sim_event *event); /* unset is fine */
void sim_after(struct sim *sim, int64_t delay_ms, sim_fn *fn, void *ctx);

/* Runs the next event; false: there is none before until_ms, which it is then. */
bool sim_step(struct sim *sim, int64_t until_ms);

/* A line of the trace. host NULL: the world. */
void sim_say(struct sim *sim, const struct host *host, const char *format, ...) PRINTF_LIKE(3, 4);
/* A promise is broken; rule is its number and name: "P2 cursor". The first ends the run. */
void sim_fail(struct sim *sim, const char *rule, const char *format, ...) PRINTF_LIKE(3, 4);

/* least..most, both included. */
int64_t sim_between(struct prng *random, int64_t least, int64_t most);
bool sim_happens(struct prng *random, uint32_t per_mille);

#endif
