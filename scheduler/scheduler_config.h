/* The scheduler's own settings, DELAYLINE_SCHEDULER_*, on top of those that the programs share. */
#ifndef SCHEDULER_CONFIG_H
#define SCHEDULER_CONFIG_H

#include <stdint.h>

#include "common/settings.h"
#include "scheduler/scheduler_core.h"

/* Times that are 0 follow from the shared ones, so that a deployment with short buckets needs no
 * more than those; scheduler_config_resolve tells what they are then. */
struct scheduler_config {
    struct settings settings;
    int64_t tick_ahead_ms;
    int64_t lease_ms;
    int64_t extend_ms;
    int64_t wait_ms;
    int64_t straggler_delay_ms;
    int64_t cursor_interval_ms;
    int64_t linger_ms;
    int64_t memory_bytes;
    int64_t receives;
    int64_t sends;
    int64_t page_items;
    int64_t ready_lag_ms;
};

extern const struct config_table scheduler_config_table;

/* For struct program_ops. */
void scheduler_config_validate(const void *config, struct buf *errors);

/* The core's limits, with nothing left at 0 that must not be. */
struct scheduler_limits scheduler_config_limits(const struct scheduler_config *config);
/* Of a long poll; whole seconds. */
int64_t scheduler_config_wait_ms(const struct scheduler_config *config);

#endif
