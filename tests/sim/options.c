#include "tests/sim/options.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/timeval.h"
#include "tests/sim/sim.h"

#define SECONDS(n) ((n)*MS_PER_SECOND)

static bool one_in(struct prng *random, uint64_t n)
{
    return prng_below(random, n) == 0;
}

/* Relations: horizon > bucket + handoff + cutoff; handoff > lead, relay's visibility and leases. */
static void draw_times(struct options *o, struct prng *random)
{
    static const int64_t buckets_ms[] = {SECONDS(1), SECONDS(2), SECONDS(5), SECONDS(10)};
    if (one_in(random, 3)) { /* as the defaults are */
        o->horizon_ms = 15 * MS_PER_MINUTE;
        o->bucket_ms = MS_PER_MINUTE;
        o->handoff_ms = SECONDS(20);
        o->cutoff_ms = MS_PER_MINUTE;
        o->lead_ms = SECONDS(2);
        return;
    }
    o->bucket_ms = buckets_ms[prng_below(random, 4)];
    o->handoff_ms = sim_between(random, 3, 20) * MS_PER_SECOND;
    o->cutoff_ms = sim_between(random, 1, 20) * MS_PER_SECOND;
    o->lead_ms = sim_between(random, 500, 2000);
    o->horizon_ms = o->bucket_ms + o->handoff_ms + o->cutoff_ms + sim_between(random, 1000, 60000);
}

static void draw_deployment(struct options *o, struct prng *random)
{
    o->routers = (uint32_t)sim_between(random, 1, 3);
    o->schedulers = (uint32_t)sim_between(random, 1, 3);
    o->relays = (uint32_t)sim_between(random, 1, 3);
    o->partitions = (int32_t)sim_between(random, 1, 4);
    o->brokers = (int32_t)sim_between(random, 1, 3);
    o->shards = (uint32_t)sim_between(random, 1, 4);
    o->session_ms = sim_between(random, 6, 30) * MS_PER_SECOND;
    /* Tiny limits now and then, one at a time or together. */
    o->router_calls = one_in(random, 4) ? 1 : 8;
    o->page_items = one_in(random, 3) ? (uint32_t)sim_between(random, 1, 5) : 500;
    o->relay_slots = one_in(random, 4) ? 20 : 2000;
    o->relay_window = one_in(random, 4) ? (uint32_t)sim_between(random, 1, 20) : 100000;
    o->message_timeout_ms = one_in(random, 2) ? sim_between(random, 2, 30) * MS_PER_SECOND : 0;
}

static void draw_records(struct options *o, struct prng *random)
{
    o->records = (uint32_t)sim_between(random, 20, 300);
    o->produce_ms = SECONDS(sim_between(random, 1, 60));
    o->poison_per_mille = one_in(random, 2) ? (uint32_t)sim_between(random, 10, 200) : 0;
    o->large_per_mille = one_in(random, 8) ? 10 : 0;
    /* Ticks cost, so the longer way to go has the wider buckets. */
    o->delay_max_ms = o->horizon_ms + o->bucket_ms * sim_between(random, 2, 30);
    if (one_in(random, 20))
        o->delay_max_ms += o->bucket_ms * sim_between(random, 100, 400);
}

static uint32_t rate(struct prng *random, uint32_t most)
{
    return one_in(random, 3) ? (uint32_t)sim_between(random, 1, most) : 0;
}

static void draw_calls(struct options_calls *calls, struct prng *random)
{
    calls->lost_request = rate(random, 150);
    calls->lost_answer = rate(random, 150);
    calls->overtaken = rate(random, 50);
    calls->throttled = rate(random, 300);
    calls->server_error = rate(random, 200);
    calls->partial = rate(random, 200);
}

static uint32_t weight(struct prng *random)
{
    return one_in(random, 3) ? (uint32_t)sim_between(random, 1, 10) : 0;
}

static void draw_nemesis(struct options_nemesis *n, struct prng *random)
{
    n->kill = weight(random);
    n->crash_at_effect = weight(random);
    n->pause = weight(random);
    n->stop = weight(random);
    n->clock_step = weight(random);
    n->clock_drift = weight(random);
    n->outage = weight(random);
    n->denied = weight(random);
    n->broker = weight(random);
    n->target = weight(random);
}

/* A cut-off shorter than the clocks are apart, which is not allowed: what is written late is the
 * straggler pass's. It promises to find that only for the holder that dispatched the bucket, so
 * nothing else goes wrong that could take the shard from it. */
static void draw_stragglers(struct options *o)
{
    o->bucket_ms = SECONDS(1);
    o->cutoff_ms = SECONDS(1);
    o->horizon_ms = o->bucket_ms + o->handoff_ms + o->cutoff_ms + SECONDS(1);
    o->delay_max_ms = o->horizon_ms + SECONDS(60);
    o->schedulers = 1;
    o->sqs = o->dynamodb = (struct options_calls){0};
    o->nemesis = (struct options_nemesis){
        .every_ms = o->nemesis.every_ms, .broker = o->nemesis.broker, .target = o->nemesis.target};
}

/* Two hosts may each be wrong by 3 s and a Date's second unnoticed. */
static void allow_for_clocks(struct options *o)
{
    int64_t more_ms = MAX(SECONDS(10) - o->cutoff_ms, 0);
    o->cutoff_ms += more_ms;
    o->horizon_ms += more_ms;
}

void options_draw(struct options *o, uint64_t seed)
{
    struct prng random;
    prng_init(&random, seed);
    memset(o, 0, sizeof(*o));
    o->seed = seed;
    draw_times(o, &random);
    draw_deployment(o, &random);
    draw_records(o, &random);
    o->latency_least_ms = 1;
    o->latency_most_ms = one_in(&random, 3) ? 500 : 20;
    o->clean = one_in(&random, 5);
    o->faults_ms = o->produce_ms + o->delay_max_ms * sim_between(&random, 20, 90) / 100;
    if (o->clean)
        return;
    draw_calls(&o->sqs, &random);
    draw_calls(&o->dynamodb, &random);
    draw_calls(&o->kafka, &random);
    o->received_twice = rate(&random, 200);
    o->disorder = rate(&random, 500);
    o->empty_page = rate(&random, 300);
    draw_nemesis(&o->nemesis, &random);
    o->nemesis.every_ms = MAX(o->faults_ms / sim_between(&random, 3, 20), 500);
    if (one_in(&random, 3))
        o->clock_error_ms = one_in(&random, 2) ? 2000 : 20 * MS_PER_MINUTE;
    if (o->clock_error_ms == 2000 && one_in(&random, 2))
        draw_stragglers(o);
    else if (o->clock_error_ms > 0 || o->nemesis.clock_step > 0 || o->nemesis.clock_drift > 0)
        allow_for_clocks(o);
}

static void print_calls(const char *name, const struct options_calls *c)
{
    printf("# %s per mille: lost requests %u, lost answers %u, overtaken %u, throttled %u, 5xx %u, "
           "partial %u\n",
           name, c->lost_request, c->lost_answer, c->overtaken, c->throttled, c->server_error,
           c->partial);
}

void options_print(const struct options *o)
{
    printf("# seed %" PRIu64 "%s\n", o->seed, o->clean ? ", without faults" : "");
    printf("# %u routers, %u schedulers, %u relays, %d partitions, %d brokers, %u shards\n",
           o->routers, o->schedulers, o->relays, o->partitions, o->brokers, o->shards);
    printf("# horizon %" PRId64 ", bucket %" PRId64 ", handoff %" PRId64 ", cutoff %" PRId64
           ", lead %" PRId64 " ms\n",
           o->horizon_ms, o->bucket_ms, o->handoff_ms, o->cutoff_ms, o->lead_ms);
    printf("# %u records within %" PRId64 " ms, delays to %" PRId64 " ms, poison %u, large %u per "
           "mille\n",
           o->records, o->produce_ms, o->delay_max_ms, o->poison_per_mille, o->large_per_mille);
    printf("# calls %u, page items %u, slots %u, window %u, message time-out %" PRId64 " ms\n",
           o->router_calls, o->page_items, o->relay_slots, o->relay_window, o->message_timeout_ms);
    if (o->clean)
        return;
    print_calls("SQS", &o->sqs);
    print_calls("DynamoDB", &o->dynamodb);
    printf("# Kafka per mille: lost requests %u, lost answers %u, errors %u\n",
           o->kafka.lost_request, o->kafka.lost_answer, o->kafka.server_error);
    printf("# received twice %u, disorder %u, empty pages %u; clocks off by up to %" PRId64 " ms\n",
           o->received_twice, o->disorder, o->empty_page, o->clock_error_ms);
    const struct options_nemesis *n = &o->nemesis;
    printf("# nemesis every %" PRId64 " ms until %" PRId64 " ms: kill %u, crash %u, pause %u, stop "
           "%u, step %u, drift %u, outage %u, denied %u, broker %u, target %u\n",
           n->every_ms, o->faults_ms, n->kill, n->crash_at_effect, n->pause, n->stop, n->clock_step,
           n->clock_drift, n->outage, n->denied, n->broker, n->target);
}
