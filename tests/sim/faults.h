/* What becomes of one call on its way to a service and back, drawn by the options' rates. Once the
 * world has healed nothing does. */
#ifndef TESTS_SIM_FAULTS_H
#define TESTS_SIM_FAULTS_H

#include <stdbool.h>
#include <stdint.h>

#include "common/status.h"
#include "tests/model/kafka_model.h"
#include "tests/sim/sim.h"

enum fault_service { FAULT_SQS, FAULT_DYNAMODB, FAULT_KAFKA };
#define FAULT_SERVICES 3

struct fault_plan {
    bool is_applied;
    int64_t apply_ms;     /* from now */
    int64_t answer_ms;    /* from now if the call failed, else from when it was done */
    bool heard;           /* the answer came from the service, so it has a Date */
    struct error failure; /* kind ERROR_NONE: the service's own answer */
};

/* Of a call to SQS or DynamoDB. writes: a 5xx and a time-out are then unknown. */
void faults_plan(struct sim *sim, enum fault_service service, bool writes, struct fault_plan *ret);

/* Of an entry of a batch that arrived. */
enum fault_entry {
    FAULT_ENTRY_NONE,
    FAULT_ENTRY_FAILED,    /* not done, said so */
    FAULT_ENTRY_THROTTLED, /* the same, as a throttle */
    FAULT_ENTRY_MISSING,   /* not done and not named in the answer */
    FAULT_ENTRY_UNNAMED,   /* done and not named in the answer */
};
enum fault_entry faults_entry(struct sim *sim, enum fault_service service);

/* Of a produce or a commit. */
struct kafka_model_fault faults_kafka(struct sim *sim);
/* One way. */
int64_t faults_latency_ms(struct sim *sim);

#endif
