#include "scheduler/scheduler_config.h"

#include <stddef.h>
#include <string.h>

#define LEASE_LEAST_MS (2 * MS_PER_SECOND) /* a long poll of a second, and one to extend it in */
#define LEASE_MOST_MS  (10 * MS_PER_SECOND)
#define WAIT_MOST_MS   (5 * MS_PER_SECOND)

#define OPTION(env, kind, member, value, least, most, text)                                        \
    {                                                                                              \
        .name = (env), .programs = CONFIG_SCHEDULER, .type = (kind),                               \
        .offset = offsetof(struct scheduler_config, member), .default_value = (value),             \
        .min = (least), .max = (most), .help = (text)                                              \
    }

static const struct config_option options[] = {
    OPTION("DELAYLINE_SCHEDULER_TICK_AHEAD", CONFIG_DURATION, tick_ahead_ms, "0", 0, MS_PER_HOUR,
           "ticks are sent this long before their bucket starts; 0: one and a half handoffs"),
    OPTION("DELAYLINE_SCHEDULER_LEASE", CONFIG_DURATION, lease_ms, "0", 0, 10 * MS_PER_MINUTE,
           "visibility of a tick: after this a dead holder is replaced; 0: half a handoff, 2s to "
           "10s"),
    OPTION("DELAYLINE_SCHEDULER_EXTEND", CONFIG_DURATION, extend_ms, "0", 0, 5 * MS_PER_MINUTE,
           "how often leases are extended; 0: three tenths of a lease"),
    OPTION("DELAYLINE_SCHEDULER_WAIT", CONFIG_DURATION, wait_ms, "0", 0,
           SQS_WAIT_SECONDS_MAX *MS_PER_SECOND,
           "length of a long poll for ticks; 0: half a lease, at most 5s"),
    OPTION("DELAYLINE_SCHEDULER_STRAGGLER_DELAY", CONFIG_DURATION, straggler_delay_ms, "0", 0,
           MS_PER_HOUR,
           "a bucket is read again for stragglers this long after its dispatch; 0: two buckets"),
    OPTION("DELAYLINE_SCHEDULER_CURSOR_INTERVAL", CONFIG_DURATION, cursor_interval_ms, "1s", 0,
           MS_PER_MINUTE, "a busy shard moves its cursor at most this often"),
    OPTION("DELAYLINE_SCHEDULER_LINGER", CONFIG_DURATION, linger_ms, "100ms", 0, MS_PER_MINUTE,
           "an envelope waits this long for others to share a call with"),
    OPTION("DELAYLINE_SCHEDULER_MEMORY", CONFIG_BYTES, memory_bytes, "64MiB", MIB,
           (int64_t)64 * 1024 * MIB,
           "envelopes read ahead; above this only the first page of each shard is read"),
    OPTION("DELAYLINE_SCHEDULER_RECEIVES", CONFIG_NUMBER, receives, "2", 1, SCHEDULER_POLLS_MAX,
           "long polls for ticks at once"),
    OPTION("DELAYLINE_SCHEDULER_SENDS", CONFIG_NUMBER, sends, "16", 1, SCHEDULER_SENDS_MAX,
           "calls to the ready queue at once"),
    OPTION("DELAYLINE_SCHEDULER_PAGE_ITEMS", CONFIG_NUMBER, page_items, "500", 1,
           SCHEDULER_PAGE_ITEMS_MAX, "items read by one query"),
    OPTION("DELAYLINE_SCHEDULER_READY_LAG", CONFIG_DURATION, ready_lag_ms, "1m", 100, MS_PER_DAY,
           "/readyz fails while a cursor is further behind than this"),
};

const struct config_table scheduler_config_table = {options, ARRAY_LEN(options)};

static int64_t whole_seconds(int64_t ms)
{
    return ms - ms % MS_PER_SECOND;
}

static int64_t between(int64_t least, int64_t value, int64_t most)
{
    return MAX(least, MIN(value, most));
}

static int64_t lease_of(const struct scheduler_config *config)
{
    if (config->lease_ms > 0)
        return config->lease_ms;
    return between(LEASE_LEAST_MS, whole_seconds(config->settings.handoff_ms / 2), LEASE_MOST_MS);
}

int64_t scheduler_config_wait_ms(const struct scheduler_config *config)
{
    if (config->wait_ms > 0)
        return config->wait_ms;
    return between(MS_PER_SECOND, whole_seconds(lease_of(config) / 2), WAIT_MOST_MS);
}

static int64_t or_else(int64_t value, int64_t otherwise)
{
    return value > 0 ? value : otherwise;
}

struct scheduler_limits scheduler_config_limits(const struct scheduler_config *config)
{
    const struct settings *s = &config->settings;
    int64_t lease_ms = lease_of(config);
    return (struct scheduler_limits){
        .bucket_ms = s->bucket_ms,
        .handoff_ms = s->handoff_ms,
        .cutoff_ms = s->cutoff_ms,
        .tick_ahead_ms = or_else(config->tick_ahead_ms, s->handoff_ms * 3 / 2),
        .lease_ms = lease_ms,
        .extend_every_ms = or_else(config->extend_ms, lease_ms * 3 / 10),
        .cursor_every_ms = config->cursor_interval_ms,
        .straggler_delay_ms = or_else(config->straggler_delay_ms, 2 * s->bucket_ms),
        .send_linger_ms = config->linger_ms,
        .memory_bytes = config->memory_bytes,
        .shards_max = SHARDS_MAX,
        .shards = (uint32_t)s->shards,
        .polls = (uint32_t)config->receives,
        .sends = (uint32_t)config->sends,
        .page_items = (uint32_t)config->page_items,
        .history_ids = SCHEDULER_HISTORY_IDS,
    };
}

static void require(bool holds, struct buf *errors, const char *text)
{
    if (!holds)
        buf_printf(errors, "%s\n", text);
}

void scheduler_config_validate(const void *untyped, struct buf *errors)
{
    const struct scheduler_config *config = untyped;
    const struct settings *s = &config->settings;
    const struct scheduler_limits limits = scheduler_config_limits(config);
    int64_t wait_ms = scheduler_config_wait_ms(config);
    require(limits.lease_ms % MS_PER_SECOND == 0, errors,
            "DELAYLINE_SCHEDULER_LEASE must be whole seconds: SQS counts nothing else");
    require(wait_ms % MS_PER_SECOND == 0, errors,
            "DELAYLINE_SCHEDULER_WAIT must be whole seconds: SQS counts nothing else");
    require(limits.lease_ms <= s->handoff_ms, errors,
            "DELAYLINE_SCHEDULER_LEASE (2s or more) must not be more than DELAYLINE_HANDOFF, or "
            "the death of a scheduler makes records late");
    require(limits.lease_ms >= wait_ms + MS_PER_SECOND, errors,
            "DELAYLINE_SCHEDULER_LEASE must be more than DELAYLINE_SCHEDULER_WAIT by 1s or more, "
            "or a tick could come when its lease is over");
    require(limits.extend_every_ms * 2 <= limits.lease_ms, errors,
            "DELAYLINE_SCHEDULER_EXTEND must be at most half of DELAYLINE_SCHEDULER_LEASE, or one "
            "failure costs the lease");
    require(limits.tick_ahead_ms >= s->handoff_ms, errors,
            "DELAYLINE_SCHEDULER_TICK_AHEAD must be at least DELAYLINE_HANDOFF, or a bucket is "
            "started late");
    require(limits.send_linger_ms * 4 <= s->handoff_ms, errors,
            "DELAYLINE_SCHEDULER_LINGER must be at most a quarter of DELAYLINE_HANDOFF");
    require(wait_ms < s->stop_grace_ms, errors,
            "DELAYLINE_STOP_GRACE must be more than DELAYLINE_SCHEDULER_WAIT: a stop waits for "
            "the polls under way");
    require(s->ready_queue == NULL || s->timer_queue == NULL ||
                strcmp(s->ready_queue, s->timer_queue) != 0,
            errors, "DELAYLINE_READY_QUEUE and DELAYLINE_TIMER_QUEUE must be two queues");
}
