#include "tests/sim/faults.h"

#include "common/aws_error.h"
#include "common/check.h"
#include "common/timeval.h"
#include "tests/sim/nemesis.h"
#include "tests/sim/stand_in.h"

/* What aws_client.c waits for an answer, from sqs.c and dynamodb.c. */
#define CALL_TIMEOUT_MS (10 * MS_PER_SECOND)
/* How long a request may be under way after its caller has given up. */
#define OVERTAKEN_MS (20 * MS_PER_SECOND)

static const struct options_calls *rates(const struct sim *sim, enum fault_service service)
{
    switch (service) {
    case FAULT_SQS:
        return &sim->options.sqs;
    case FAULT_DYNAMODB:
        return &sim->options.dynamodb;
    case FAULT_KAFKA:
        return &sim->options.kafka;
    }
    UNREACHABLE();
}

int64_t faults_latency_ms(struct sim *sim)
{
    int64_t most_ms = sim->healed ? sim->options.latency_least_ms : sim->options.latency_most_ms;
    return sim_between(&sim->network, sim->options.latency_least_ms, most_ms);
}

static void time_out(struct fault_plan *plan, bool writes)
{
    plan->answer_ms = CALL_TIMEOUT_MS;
    plan->heard = false;
    error_set(&plan->failure, writes ? ERROR_UNKNOWN : ERROR_RETRY, "TimedOut", "no answer");
}

static void refuse(struct sim *sim, struct fault_plan *plan, int status, const char *code,
                   bool writes)
{
    plan->answer_ms = 2 * faults_latency_ms(sim);
    stand_in_error(&plan->failure, status, code, NULL, "by the simulator", writes);
}

static void outage(struct sim *sim, enum fault_service service, bool writes,
                   struct fault_plan *plan)
{
    plan->is_applied = false;
    switch (nemesis_outage(sim->nemesis, service)) {
    case NEMESIS_REFUSES_CONNECTIONS:
        plan->heard = false;
        plan->answer_ms = faults_latency_ms(sim);
        error_set(&plan->failure, ERROR_RETRY, "CouldNotConnect", "refused");
        return;
    case NEMESIS_SILENT:
        time_out(plan, writes);
        return;
    case NEMESIS_UNAVAILABLE:
        refuse(sim, plan, 503, "ServiceUnavailable", writes);
        return;
    case NEMESIS_DENIES:
        refuse(sim, plan, service == FAULT_SQS ? 403 : 400,
               service == FAULT_SQS ? "AccessDenied" : "AccessDeniedException", writes);
        return;
    case NEMESIS_WELL:
        break;
    }
    UNREACHABLE();
}

static void throttle(struct sim *sim, enum fault_service service, struct fault_plan *plan)
{
    plan->is_applied = false;
    if (service == FAULT_DYNAMODB)
        refuse(sim, plan, 400, "ProvisionedThroughputExceededException", false);
    else
        refuse(sim, plan, 403, "RequestThrottled", false);
}

void faults_plan(struct sim *sim, enum fault_service service, bool writes, struct fault_plan *ret)
{
    *ret = (struct fault_plan){.is_applied = true,
                               .apply_ms = faults_latency_ms(sim),
                               .answer_ms = faults_latency_ms(sim),
                               .heard = true};
    if (sim->healed)
        return;
    if (nemesis_outage(sim->nemesis, service) != NEMESIS_WELL) {
        outage(sim, service, writes, ret);
        return;
    }
    const struct options_calls *rate = rates(sim, service);
    struct prng *random = &sim->faults;
    if (sim_happens(random, rate->lost_request)) {
        ret->is_applied = false;
        time_out(ret, writes);
    } else if (sim_happens(random, rate->lost_answer)) {
        time_out(ret, writes);
        ret->answer_ms = sim_between(random, ret->apply_ms, CALL_TIMEOUT_MS);
    } else if (writes && sim_happens(random, rate->overtaken)) {
        time_out(ret, writes);
        ret->apply_ms = sim_between(random, CALL_TIMEOUT_MS, CALL_TIMEOUT_MS + OVERTAKEN_MS);
    } else if (sim_happens(random, rate->throttled)) {
        throttle(sim, service, ret);
    } else if (sim_happens(random, rate->server_error)) {
        ret->is_applied = sim_happens(random, 500);
        refuse(sim, ret, 500, "InternalError", writes);
        ret->answer_ms += ret->apply_ms;
    }
}

enum fault_entry faults_entry(struct sim *sim, enum fault_service service)
{
    if (sim->healed || !sim_happens(&sim->faults, rates(sim, service)->partial))
        return FAULT_ENTRY_NONE;
    static const enum fault_entry kinds[] = {FAULT_ENTRY_FAILED, FAULT_ENTRY_THROTTLED,
                                             FAULT_ENTRY_MISSING, FAULT_ENTRY_UNNAMED};
    return kinds[prng_below(&sim->faults, ARRAY_LEN(kinds))];
}

struct kafka_model_fault faults_kafka(struct sim *sim)
{
    struct kafka_model_fault fault = {.type = KAFKA_MODEL_FAULT_NONE};
    const struct options_calls *rate = &sim->options.kafka;
    fault.delay_ms = faults_latency_ms(sim);
    if (sim->healed)
        return fault;
    if (sim_happens(&sim->faults, rate->lost_request)) {
        fault.type = KAFKA_MODEL_FAULT_LOSE_REQUEST;
    } else if (sim_happens(&sim->faults, rate->lost_answer)) {
        fault.type = KAFKA_MODEL_FAULT_LOSE_ANSWER;
    } else if (sim_happens(&sim->faults, rate->server_error)) {
        fault.type = sim_happens(&sim->faults, 500) ? KAFKA_MODEL_FAULT_REFUSE
                                                    : KAFKA_MODEL_FAULT_REFUSE_DONE;
        fault.error = KAFKA_MODEL_REQUEST_TIMED_OUT;
    }
    return fault;
}
