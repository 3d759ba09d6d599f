/* What the world asks of stand_in_consumer.c. */
#ifndef TESTS_SIM_STAND_IN_CONSUMER_H
#define TESTS_SIM_STAND_IN_CONSUMER_H

#include "tests/sim/sim.h"

/* Records have been appended to the delay topic. */
void stand_in_consumers_wake(struct sim *sim);

#endif
