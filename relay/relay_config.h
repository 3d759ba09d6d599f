/* The relay's own settings, beside those of common/settings.h. */
#ifndef RELAY_CONFIG_H
#define RELAY_CONFIG_H

#include "common/config.h"
#include "common/settings.h"
#include "relay/relay_core.h"

struct relay_config {
    struct settings settings;
    int64_t budget_bytes;
    int64_t slots;
    int64_t window_records;
    int64_t polls;
    int64_t wait_ms;
    int64_t visibility_ms; /* 0: chosen after the handoff */
    int64_t hold_ms;       /* 0: chosen after the lead */
    int64_t linger_ms;
    int64_t park_ms;
    int64_t park_max_ms;
};

extern const struct config_table relay_config_table;

void relay_config_validate(const void *config, struct buf *errors);

/* What the core wants to know; zeros of the configuration replaced by what was chosen. */
struct relay_limits relay_config_limits(const struct relay_config *config);

#endif
