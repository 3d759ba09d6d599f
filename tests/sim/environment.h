/* The run's settings as the programs read them: environment variables. */
#ifndef TESTS_SIM_ENVIRONMENT_H
#define TESTS_SIM_ENVIRONMENT_H

#include "tests/sim/options.h"

#define SIM_DELAY_TOPIC       "delay"
#define SIM_DEAD_LETTER_TOPIC "delay-dead-letter"
#define SIM_DELAY_QUEUE       "delayline-delay"
#define SIM_READY_QUEUE       "delayline-ready.fifo"
#define SIM_TIMER_QUEUE       "delayline-timer.fifo"
#define SIM_TABLE             "delayline"
#define SIM_GROUP             "delayline-router"

/* Nothing of the developer's own environment is left. */
void environment_set(const struct options *options);

#endif
