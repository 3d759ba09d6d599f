/* What the world asks of stand_in_sqs.c. */
#ifndef TESTS_SIM_STAND_IN_SQS_H
#define TESTS_SIM_STAND_IN_SQS_H

#include "tests/sim/world.h"

/* Long polls that wait at this queue are answered from now on. */
void stand_in_sqs_watch(struct world_queue_state *queue);
/* Of a world that ends. */
void stand_in_sqs_forget(struct world_queue_state *queue);

#endif
