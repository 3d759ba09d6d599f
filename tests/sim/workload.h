/* The producers: records with every kind of delay, header and mistake, appended to the delay topic
 * as time goes on, and entered in the ledger. */
#ifndef TESTS_SIM_WORKLOAD_H
#define TESTS_SIM_WORKLOAD_H

#include "tests/sim/sim.h"

struct workload;

struct workload *workload_new(struct sim *sim);
void workload_free(struct workload *workload);
bool workload_is_done(const struct workload *workload);

#endif
