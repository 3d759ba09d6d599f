/* The router's settings: those that all programs share, and its own. */
#ifndef ROUTER_ROUTER_CONFIG_H
#define ROUTER_ROUTER_CONFIG_H

#include "common/delay.h"
#include "common/settings.h"
#include "router/router_core.h"

struct router_config {
    struct settings settings;
    char *group_id;
    char *allowed_targets;
    int64_t delay_max_ms;
    int64_t record_bytes_max;
    int64_t linger_min_ms;
    int64_t linger_max_ms;
    int64_t batch_linger_ms;
    int64_t sqs_calls_max;
    int64_t table_calls_max;
    int64_t in_flight_bytes_max;
    int64_t commit_interval_ms;
    int64_t revoke_grace_ms;
    int64_t retry_base_ms;
    int64_t retry_cap_ms;
    int64_t blocked_retry_ms;
};

extern const struct config_table router_config_table;

void router_config_validate(const void *config, struct buf *errors);
struct router_limits router_config_limits(const struct router_config *config);

/* One entry of DELAYLINE_DELAY_TOPICS and what holds for its records. */
struct router_topic {
    char *name;
    struct delay_rules rules;
};

/* DELAYLINE_DELAY_TOPICS and the lists beside it, taken apart. Borrows from the configuration. */
struct router_topics {
    struct router_topic *topics;
    size_t count;
    struct slice *allow;
    size_t allow_count;
    struct slice *forbidden;
    size_t forbidden_count;
};

/* A line in errors for every entry that is wrong; those are left out. Release in any case. */
void router_topics_init(struct router_topics *topics, const struct router_config *config,
                        struct buf *errors);
void router_topics_release(struct router_topics *topics);
/* NULL: not a delay topic. */
const struct router_topic *router_topics_find(const struct router_topics *topics,
                                              struct slice name);

#endif
