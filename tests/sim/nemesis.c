#include "tests/sim/nemesis.h"

#include <inttypes.h>

#include "common/check.h"
#include "common/mem.h"
#include "tests/sim/environment.h"
#include "tests/sim/host.h"
#include "tests/sim/world.h"

#define RESTART_LEAST_MS 100
#define RESTART_MOST_MS  5000
#define PAUSE_MOST_MS    60000
#define OUTAGE_MOST_MS   60000
#define STEP_MOST_MS     (20 * MS_PER_MINUTE)
#define DRIFT_MOST_PPM   400 /* what CLOCK_SKEW_DRIFT_MS allows for */
#define EFFECTS_MOST     60

struct nemesis {
    struct sim *sim;
    struct sim_event act;
    struct sim_event heal;
    bool rests;
    enum nemesis_outage outages[FAULT_SERVICES];
    int64_t outage_until_ms[FAULT_SERVICES];
};

enum nemesis_outage nemesis_outage(const struct nemesis *nemesis, enum fault_service service)
{
    bool over = nemesis->sim->now_ms >= nemesis->outage_until_ms[service];
    return over ? NEMESIS_WELL : nemesis->outages[service];
}

/* --- processes ------------------------------------------------------------------------------- */

static void start(void *ctx)
{
    struct host *host = ctx;
    if (host->program == NULL && !host->sim->nemesis->rests)
        host_start(host);
}

void nemesis_start(struct host *host, int64_t delay_ms)
{
    sim_after(host->sim, delay_ms, start, host);
}

void nemesis_process_ended(struct host *host, int exit_code)
{
    struct sim *sim = host->sim;
    if (exit_code > 0 && sim->options.clean)
        sim_fail(sim, "P10 exit", "%s exits with %d without a fault", host->name, exit_code);
    if (!sim->nemesis->rests)
        nemesis_start(host, sim_between(&sim->faults, RESTART_LEAST_MS, RESTART_MOST_MS));
}

static void resume(void *ctx)
{
    host_resume(ctx);
}

static struct host *any_host(struct sim *sim)
{
    return &sim->hosts[prng_below(&sim->faults, sim->host_count)];
}

static void kill_one(struct sim *sim)
{
    host_kill(any_host(sim));
}

static void crash_one(struct sim *sim)
{
    struct host *host = any_host(sim);
    host->crash_after = host->effects + (uint64_t)sim_between(&sim->faults, 1, EFFECTS_MOST);
}

static void pause_one(struct sim *sim)
{
    struct host *host = any_host(sim);
    host_pause(host);
    sim_after(sim, sim_between(&sim->faults, 100, PAUSE_MOST_MS), resume, host);
}

static void stop_one(struct sim *sim)
{
    host_signal(any_host(sim));
}

/* --- clocks ---------------------------------------------------------------------------------- */

static void step_clock(struct sim *sim)
{
    int64_t most_ms = sim_happens(&sim->faults, 500) ? 2000 : STEP_MOST_MS;
    host_step_clock(any_host(sim), sim_between(&sim->faults, -most_ms, most_ms));
}

static void drift_clock(struct sim *sim)
{
    host_set_drift(any_host(sim), sim_between(&sim->faults, -DRIFT_MOST_PPM, DRIFT_MOST_PPM));
}

/* --- services -------------------------------------------------------------------------------- */

static void take_away(struct sim *sim, enum fault_service service, enum nemesis_outage kind)
{
    static const char *const names[FAULT_SERVICES] = {"SQS", "DynamoDB", "Kafka"};
    struct nemesis *n = sim->nemesis;
    n->outages[service] = kind;
    n->outage_until_ms[service] = sim->now_ms + sim_between(&sim->faults, 100, OUTAGE_MOST_MS);
    sim_say(sim, NULL, "%s is away for %" PRId64 " ms (%d)", names[service],
            n->outage_until_ms[service] - sim->now_ms, (int)kind);
}

static void begin_outage(struct sim *sim)
{
    enum fault_service service = (enum fault_service)prng_below(&sim->faults, FAULT_SERVICES);
    static const enum nemesis_outage kinds[] = {NEMESIS_REFUSES_CONNECTIONS, NEMESIS_SILENT,
                                                NEMESIS_UNAVAILABLE};
    take_away(sim, service, kinds[prng_below(&sim->faults, ARRAY_LEN(kinds))]);
}

static void deny(struct sim *sim)
{
    take_away(sim, sim_happens(&sim->faults, 500) ? FAULT_SQS : FAULT_DYNAMODB, NEMESIS_DENIES);
}

static void disturb_brokers(struct sim *sim)
{
    struct kafka_model *kafka = sim->world->kafka;
    int64_t until_ms = sim->now_ms + sim_between(&sim->faults, 100, OUTAGE_MOST_MS);
    int32_t broker = (int32_t)prng_below(&sim->faults, (uint64_t)sim->options.brokers);
    switch (prng_below(&sim->faults, 4)) {
    case 0:
        sim_say(sim, NULL, "broker %d stops", (int)broker);
        kafka_model_stop_broker(kafka, broker, until_ms);
        return;
    case 1:
        sim_say(sim, NULL, "the coordinator moves");
        kafka_model_move_coordinator(kafka, SLICE_LITERAL(SIM_GROUP), broker, until_ms);
        return;
    case 2:
        sim_say(sim, NULL, "a leader moves");
        kafka_model_move_leader(kafka, slice_from_str(world_target(0)), 0, broker, until_ms);
        return;
    default:
        sim_say(sim, NULL, "a leader of the delay topic moves");
        kafka_model_move_leader(kafka, SLICE_LITERAL(SIM_DELAY_TOPIC), 0, broker, until_ms);
        return;
    }
}

static void refuse_target(struct sim *sim)
{
    const char *topic = sim_happens(&sim->faults, 300)
                            ? SIM_DEAD_LETTER_TOPIC
                            : world_target((uint32_t)prng_below(&sim->faults, WORLD_TARGETS));
    sim_say(sim, NULL, "%s has not enough replicas", topic);
    kafka_model_refuse_topic(sim->world->kafka, slice_from_str(topic),
                             KAFKA_MODEL_NOT_ENOUGH_REPLICAS,
                             sim->now_ms + sim_between(&sim->faults, 100, OUTAGE_MOST_MS));
}

/* --- acting ---------------------------------------------------------------------------------- */

static void act(void *ctx)
{
    struct nemesis *n = ctx;
    struct sim *sim = n->sim;
    const struct options_nemesis *o = &sim->options.nemesis;
    const struct {
        uint32_t weight;
        void (*fn)(struct sim *sim);
    } acts[] = {{o->kill, kill_one},          {o->crash_at_effect, crash_one},
                {o->pause, pause_one},        {o->stop, stop_one},
                {o->clock_step, step_clock},  {o->clock_drift, drift_clock},
                {o->outage, begin_outage},    {o->denied, deny},
                {o->broker, disturb_brokers}, {o->target, refuse_target}};
    uint32_t sum = 0;
    for (size_t i = 0; i < ARRAY_LEN(acts); i++)
        sum += acts[i].weight;
    if (sum == 0 || sim->healed)
        return;
    uint64_t dice = prng_below(&sim->faults, sum);
    size_t chosen = 0;
    for (; dice >= acts[chosen].weight; chosen++)
        dice -= acts[chosen].weight;
    acts[chosen].fn(sim);
    sim_set(sim, &n->act, sim->now_ms + sim_between(&sim->faults, 1, 2 * o->every_ms));
}

static void heal(void *ctx)
{
    struct nemesis *n = ctx;
    struct sim *sim = n->sim;
    sim->healed = true;
    sim_say(sim, NULL, "the world heals");
    sim_cancel(sim, &n->act);
    for (int i = 0; i < FAULT_SERVICES; i++)
        n->outage_until_ms[i] = 0;
    for (int32_t i = 0; i < sim->options.brokers; i++)
        kafka_model_stop_broker(sim->world->kafka, i, sim->now_ms);
    kafka_model_move_coordinator(sim->world->kafka, SLICE_LITERAL(SIM_GROUP), 0, sim->now_ms);
    kafka_model_move_leader(sim->world->kafka, slice_from_str(world_target(0)), 0, 0, sim->now_ms);
    kafka_model_move_leader(sim->world->kafka, SLICE_LITERAL(SIM_DELAY_TOPIC), 0, 0, sim->now_ms);
    for (uint32_t i = 0; i < WORLD_TARGETS; i++)
        kafka_model_refuse_topic(sim->world->kafka, slice_from_str(world_target(i)),
                                 KAFKA_MODEL_NOT_ENOUGH_REPLICAS, sim->now_ms);
    kafka_model_refuse_topic(sim->world->kafka, SLICE_LITERAL(SIM_DEAD_LETTER_TOPIC),
                             KAFKA_MODEL_NOT_ENOUGH_REPLICAS, sim->now_ms);
    for (uint32_t i = 0; i < sim->host_count; i++) {
        struct host *host = &sim->hosts[i];
        host->crash_after = 0;
        host_set_drift(host, 0);
        if (host_clock_error_ms(host) != 0)
            host_step_clock(host, -host_clock_error_ms(host));
        host_resume(host);
    }
}

struct nemesis *nemesis_new(struct sim *sim)
{
    struct nemesis *n = mem_calloc(1, sizeof(*n));
    n->sim = sim;
    n->act = (struct sim_event){.fn = act, .ctx = n};
    n->heal = (struct sim_event){.fn = heal, .ctx = n};
    if (sim->options.clean) {
        sim->healed = true; /* from the start */
        return n;
    }
    sim_set(sim, &n->act,
            sim->now_ms + sim_between(&sim->faults, 1, sim->options.nemesis.every_ms));
    sim_set(sim, &n->heal, sim->now_ms + sim->options.faults_ms);
    return n;
}

void nemesis_rest(struct nemesis *n)
{
    n->rests = true;
    sim_cancel(n->sim, &n->act);
    sim_cancel(n->sim, &n->heal);
}

void nemesis_free(struct nemesis *n)
{
    nemesis_rest(n);
    mem_free(n);
}
