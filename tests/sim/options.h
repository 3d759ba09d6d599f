/* What a seed draws before a run begins: the deployment, the programs' settings, the records, and
 * which faults there are and how strong. Swarm testing: most runs have few kinds of faults, so that
 * none hides another. */
#ifndef TESTS_SIM_OPTIONS_H
#define TESTS_SIM_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "common/prng.h"

/* Of one service, per thousand calls. Kafka knows neither late ones, nor throttles, nor entries. */
struct options_calls {
    uint32_t lost_request; /* never arrives: unknown */
    uint32_t lost_answer;  /* done, and nobody is told */
    uint32_t overtaken;    /* done after the caller has given up */
    uint32_t throttled;
    uint32_t server_error; /* a 5xx, done or not */
    uint32_t partial;      /* of the entries of a batch: failed, throttled or not named */
};

/* What the nemesis does, as weights; 0: never. */
struct options_nemesis {
    uint32_t kill;
    uint32_t crash_at_effect; /* at the n-th effect from then on */
    uint32_t pause;
    uint32_t stop; /* SIGTERM, and started again */
    uint32_t clock_step;
    uint32_t clock_drift;
    uint32_t outage;  /* of SQS, DynamoDB or all brokers */
    uint32_t denied;  /* permissions or existence are gone for a while */
    uint32_t broker;  /* one broker, a leader, the coordinator */
    uint32_t target;  /* a target topic refuses for a while */
    int64_t every_ms; /* between two acts, on average */
};

struct options {
    uint64_t seed;

    uint32_t routers, schedulers, relays;
    int32_t partitions;
    int32_t brokers;
    uint32_t records;
    uint32_t poison_per_mille;
    uint32_t large_per_mille;
    int64_t produce_ms; /* records come for so long */
    int64_t delay_max_ms;
    int64_t faults_ms; /* then the world heals */

    /* Settings; 0 where the program's default holds. */
    uint32_t shards;
    int64_t horizon_ms, bucket_ms, handoff_ms, cutoff_ms, lead_ms;
    uint32_t router_calls; /* in flight, of each service */
    uint32_t page_items;
    uint32_t relay_slots, relay_window;
    int64_t message_timeout_ms; /* of the relay's producer */
    int64_t session_ms;         /* of the routers' group */

    int64_t latency_least_ms, latency_most_ms; /* one way */
    int64_t clock_error_ms;                    /* of a host at its start, at most, either way */

    struct options_calls sqs, dynamodb, kafka;
    uint32_t received_twice; /* standard queue: a message stays visible though received */
    uint32_t disorder;
    uint32_t empty_page;
    struct options_nemesis nemesis;
    bool clean; /* no fault of any kind: nothing may come twice, or late */
};

void options_draw(struct options *options, uint64_t seed);
/* As one line a group, for the head of a trace. */
void options_print(const struct options *options);

#endif
