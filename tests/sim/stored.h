/* What the table itself holds in the end, where custody only knows what was written. */
#ifndef TESTS_SIM_STORED_H
#define TESTS_SIM_STORED_H

#include "common/slice.h"
#include "tests/sim/sim.h"

/* Fails the run unless the item is there and stays until its records are due, each of those, by
 * index in the ledger, is in it as it was produced, and so are all parts of a large one. */
void stored_check(struct sim *sim, struct slice pk, struct slice sk, const uint32_t *indexes,
                  uint32_t count);

#endif
