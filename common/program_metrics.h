/* What every program says about itself on /metrics: build, memory, descriptors, CPU, loop lag,
 * dropped log lines. Private to program.c. */
#ifndef COMMON_PROGRAM_METRICS_H
#define COMMON_PROGRAM_METRICS_H

#include <stdbool.h>

#include "common/log.h"
#include "common/loop.h"
#include "common/metrics.h"

struct program_metrics;

struct program_metrics *program_metrics_new(struct metrics *metrics, const char *program,
                                            const char *version);
void program_metrics_free(struct program_metrics *m);

/* Reads everything anew, and begins to measure the loop's lag anew. */
void program_metrics_update(struct program_metrics *m, struct loop *loop, const struct log *log);
void program_metrics_set_ready(struct program_metrics *m, bool ready);

#endif
