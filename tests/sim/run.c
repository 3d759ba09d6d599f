#include "tests/sim/run.h"

#include <inttypes.h>
#include <stdio.h>

#include "common/check.h"
#include "common/mem.h"
#include "tests/sim/custody.h"
#include "tests/sim/host.h"
#include "tests/sim/ledger.h"
#include "tests/sim/nemesis.h"
#include "tests/sim/sim.h"
#include "tests/sim/stand_in_sqs.h"
#include "tests/sim/workload.h"
#include "tests/sim/world.h"

/* From the last due time, or from the healing, whatever is later, until everything has settled: a
 * dead router's session, a visibility or two, the longest back-offs. */
#define SETTLE_MS (10 * MS_PER_MINUTE)
/* Afterwards: deletes, commits, cursors. */
#define REST_MS (10 * MS_PER_MINUTE)
/* SIGTERM to exit: the grace time of all programs and a little. */
#define QUIET_MS    (15 * MS_PER_SECOND)
#define STOP_MS     (30 * MS_PER_SECOND)
#define LOOK_MS     100
#define EVENTS_MAX  3000000 /* a run that takes more does not get anywhere */
#define FAILURE_MAX 512

static void make_hosts(struct sim *sim)
{
    const struct options *o = &sim->options;
    const uint32_t counts[HOST_KINDS] = {o->routers, o->schedulers, o->relays};
    sim->host_count = o->routers + o->schedulers + o->relays;
    sim->hosts = mem_calloc(sim->host_count, sizeof(*sim->hosts));
    uint32_t at = 0;
    for (int kind = 0; kind < HOST_KINDS; kind++) {
        for (uint32_t i = 0; i < counts[kind]; i++) {
            struct host *host = &sim->hosts[at++];
            host_init(host, sim, (enum host_kind)kind, i);
            if (o->clock_error_ms > 0)
                host_step_clock(host,
                                sim_between(&sim->faults, -o->clock_error_ms, o->clock_error_ms));
            nemesis_start(host, sim_between(&sim->faults, 0, 1000));
        }
    }
}

static void begin(struct sim *sim, uint64_t seed, bool tracing)
{
    options_draw(&sim->options, seed);
    sim->now_ms = SIM_START_MS;
    sim->digest = UINT64_C(0xcbf29ce484222325);
    sim->tracing = tracing;
    if (tracing)
        options_print(&sim->options);
    model_heap_init(&sim->events);
    buf_init(&sim->failure, FAILURE_MAX);
    prng_init(&sim->network, seed ^ UINT64_C(0x6e6574));
    prng_init(&sim->faults, seed ^ UINT64_C(0x6661756c74));
    prng_init(&sim->seeds, seed ^ UINT64_C(0x73656564));
    sim->world = world_new(sim);
    sim->custody = custody_new();
    sim->ledger = ledger_new(sim->options.partitions);
    sim->nemesis = nemesis_new(sim);
    sim->workload = workload_new(sim);
    make_hosts(sim);
}

/* Everything that is under way comes to its end; nobody is there any more whom it concerns. */
static void end(struct sim *sim)
{
    nemesis_rest(sim->nemesis);
    for (uint32_t i = 0; i < sim->host_count; i++)
        host_release(&sim->hosts[i]);
    workload_free(sim->workload);
    for (int i = 0; i < WORLD_QUEUES; i++)
        stand_in_sqs_forget(&sim->world->queues[i]);
    while (sim_step(sim, INT64_MAX - 1))
        continue;
    nemesis_free(sim->nemesis);
    model_heap_release(&sim->events);
    mem_free(sim->hosts);
    ledger_free(sim->ledger);
    custody_free(sim->custody);
    world_free(sim->world);
    buf_release(&sim->failure);
}

/* --- phases ---------------------------------------------------------------------------------- */

typedef bool condition_fn(struct sim *sim);

/* False: not so by until_ms. */
static bool run_until(struct sim *sim, int64_t until_ms, condition_fn *is_so)
{
    while (!sim->failed && sim->now_ms < until_ms) {
        int64_t look_ms = MIN(sim->now_ms + LOOK_MS, until_ms);
        while (sim_step(sim, look_ms) && !sim->failed) {
            if (sim->events_run > EVENTS_MAX)
                sim_fail(sim, "P9 spin", "more than %d events", EVENTS_MAX);
        }
        if (is_so(sim))
            return true;
    }
    return false;
}

static bool is_produced(struct sim *sim)
{
    return sim->healed && workload_is_done(sim->workload);
}

static bool is_settled(struct sim *sim)
{
    return sim->ledger->unsettled == 0;
}

static bool is_at_rest(struct sim *sim)
{
    if (custody_items_ahead(sim->custody) > 0 || world_queued(sim) > 0)
        return false;
    for (uint32_t i = 0; i < sim->ledger->count; i++)
        if (!sim->ledger->records[i]->committed)
            return false;
    return true;
}

static bool is_never(struct sim *sim)
{
    (void)sim;
    return false;
}

static bool is_stopped(struct sim *sim)
{
    for (uint32_t i = 0; i < sim->host_count; i++)
        if (sim->hosts[i].program != NULL)
            return false;
    return true;
}

static void say_unsettled(struct sim *sim)
{
    for (uint32_t i = 0; i < sim->ledger->count && !sim->failed; i++) {
        const struct ledger_record *r = sim->ledger->records[i];
        if (r->copies + r->dead == 0 && !r->far)
            sim_fail(sim, "P4 liveness",
                     "record %u is not out %" PRId64 " s after it was due: consumed %u, in delay "
                     "queue %u, table %u, ready queue %u, committed %d",
                     i, (sim->now_ms - r->due_ms) / 1000, r->consumed, r->in_delay_queue,
                     r->in_table, r->in_ready_queue, r->committed);
    }
}

static void phases(struct sim *sim)
{
    const int64_t produced_by_ms = SIM_START_MS + sim->options.faults_ms + MS_PER_HOUR;
    if (!run_until(sim, produced_by_ms, is_produced)) {
        if (!sim->failed)
            sim_fail(sim, "run", "not all records could be produced");
        return;
    }
    int64_t settled_by_ms = MAX(sim->now_ms, sim->ledger->last_due_ms) + SETTLE_MS;
    if (!run_until(sim, settled_by_ms, is_settled)) {
        say_unsettled(sim);
        return;
    }
    /* What was under way when the world healed may still wait for its time-out, or arrive. */
    run_until(sim, sim->now_ms + QUIET_MS, is_never);
    if (!run_until(sim, sim->now_ms + REST_MS, is_at_rest) && !sim->failed) {
        custody_check_residue(sim);
        sim_fail(sim, "P4 liveness", "%zu items are still ahead of their cursors",
                 custody_items_ahead(sim->custody));
    }
    nemesis_rest(sim->nemesis);
    for (uint32_t i = 0; i < sim->host_count; i++)
        host_signal(&sim->hosts[i]);
    if (!run_until(sim, sim->now_ms + STOP_MS, is_stopped) && !sim->failed)
        sim_fail(sim, "P4 stop", "a program does not end");
}

void run_seed(uint64_t seed, bool tracing, struct run_result *ret)
{
    struct sim *sim = mem_calloc(1, sizeof(*sim));
    begin(sim, seed, tracing);
    phases(sim);
    if (!sim->failed) {
        ledger_check(sim);
        custody_check_residue(sim);
    }
    *ret = (struct run_result){
        .failed = sim->failed,
        .digest = sim->digest,
        .events = sim->events_run,
        .records = sim->ledger->count,
        .duplicates = sim->ledger->duplicates,
        .inversions = sim->ledger->inversions,
        .dead_letters = sim->ledger->dead_letters,
        .virtual_ms = sim->now_ms - SIM_START_MS,
        .worst_late_ms = sim->ledger->worst_late_ms,
    };
    snprintf(ret->failure, sizeof(ret->failure), "%s", buf_text(&sim->failure));
    end(sim);
    mem_free(sim);
}
