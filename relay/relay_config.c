#include "relay/relay_config.h"

#include <stddef.h>
#include <string.h>

#include "common/delay.h"

#define VISIBILITY_LEAST_MS (2 * MS_PER_SECOND) /* half of it must outlast a call */
#define VISIBILITY_MOST_MS  (10 * MS_PER_SECOND)
#define RECEIVE_MAX_MS      (43195 * MS_PER_SECOND) /* SQS ends a receive after 12 h */
#define DONE_TTL_MS         (15 * MS_PER_MINUTE)
#define STOP_HOLD_MS        MS_PER_SECOND
#define MARGIN_MOST_MS      MS_PER_SECOND
#define UNPACK_MS           MS_PER_SECOND /* a million records of one millisecond take half of it */

#define OPTION(env, kind, member, value, least, most, text)                                        \
    {                                                                                              \
        .name = "DELAYLINE_RELAY_" env, .programs = CONFIG_RELAY, .type = (kind),                  \
        .offset = offsetof(struct relay_config, member), .default_value = (value), .min = (least), \
        .max = (most), .help = (text)                                                              \
    }

static const struct config_option options[] = {
    OPTION("BUDGET", CONFIG_BYTES, budget_bytes, "256MiB", 32 * MIB, (int64_t)64 * 1024 * MIB,
           "memory for envelopes that are held, and again as much for Kafka's queue; when it is "
           "full nothing more is received"),
    OPTION("SLOTS", CONFIG_NUMBER, slots, "16384", RELAY_POLL_MESSAGES * 2, RELAY_SLOTS_MAX,
           "messages in memory at once"),
    OPTION("WINDOW", CONFIG_NUMBER, window_records, "30000", 1, 10000000,
           "records that wait for Kafka's acknowledgement at once"),
    OPTION("POLLS", CONFIG_NUMBER, polls, "4", 1, RELAY_POLLS_MAX,
           "receive calls at once on a busy queue; an idle one has one"),
    OPTION("WAIT", CONFIG_DURATION, wait_ms, "5s", MS_PER_SECOND,
           SQS_WAIT_SECONDS_MAX *MS_PER_SECOND,
           "length of a long poll, whole seconds; a stop waits for those under way"),
    OPTION("VISIBILITY", CONFIG_DURATION, visibility_ms, "0", 0, 10 * MS_PER_MINUTE,
           "a received message is hidden from other relays for this long, whole seconds; 0: 10s, "
           "but less than the handoff"),
    OPTION("HOLD", CONFIG_DURATION, hold_ms, "0", 0, 10 * MS_PER_MINUTE,
           "what is due later than this is deferred by SQS instead of held; 0: the lead and 1s"),
    OPTION("LINGER", CONFIG_DURATION, linger_ms, "50ms", 0, MS_PER_SECOND,
           "a delete or visibility change waits this long for others to share a call with"),
    OPTION("PARK", CONFIG_DURATION, park_ms, "30s", MS_PER_SECOND, 12 * MS_PER_HOUR,
           "an unreadable message is hidden for this long, whole seconds"),
    OPTION("PARK_MAX", CONFIG_DURATION, park_max_ms, "1d", MS_PER_SECOND, 13 * MS_PER_DAY,
           "an unreadable message older than this goes to the dead-letter topic"),
};

const struct config_table relay_config_table = {options, ARRAY_LEN(options)};

static int64_t visibility_of(const struct relay_config *config)
{
    if (config->visibility_ms > 0)
        return config->visibility_ms;
    int64_t under_handoff = (config->settings.handoff_ms - 1) / MS_PER_SECOND * MS_PER_SECOND;
    return MAX(VISIBILITY_LEAST_MS, MIN(under_handoff, VISIBILITY_MOST_MS));
}

static int64_t hold_of(const struct relay_config *config)
{
    return config->hold_ms > 0 ? config->hold_ms : config->settings.lead_ms + MS_PER_SECOND;
}

struct relay_limits relay_config_limits(const struct relay_config *config)
{
    int64_t visibility_ms = visibility_of(config);
    return (struct relay_limits){
        .slots = (uint32_t)config->slots,
        .window_records = (uint32_t)config->window_records,
        .polls_max = (uint32_t)config->polls,
        .done_ids = RELAY_DONE_IDS,
        .budget_bytes = config->budget_bytes,
        .unpacked_bytes = config->budget_bytes / 2,
        .poll_bytes = RELAY_POLL_MESSAGES * SQS_MESSAGE_BYTES_MAX,
        .hold_ms = hold_of(config),
        .lead_ms = config->settings.lead_ms,
        .unpack_ms = UNPACK_MS,
        .visibility_ms = visibility_ms,
        .margin_ms = MIN(MARGIN_MOST_MS, visibility_ms / 5),
        .receive_max_ms = RECEIVE_MAX_MS,
        .linger_ms = config->linger_ms,
        .park_ms = config->park_ms,
        .park_max_ms = config->park_max_ms,
        .stop_hold_ms = STOP_HOLD_MS,
        .done_ttl_ms = DONE_TTL_MS,
    };
}

static void require(bool holds, struct buf *errors, const char *text)
{
    if (!holds)
        buf_printf(errors, "%s\n", text);
}

static bool whole_seconds(int64_t ms)
{
    return ms % MS_PER_SECOND == 0;
}

void relay_config_validate(const void *untyped, struct buf *errors)
{
    const struct relay_config *config = untyped;
    const struct settings *s = &config->settings;
    int64_t visibility_ms = visibility_of(config);
    require(whole_seconds(config->wait_ms), errors,
            "DELAYLINE_RELAY_WAIT must be whole seconds: SQS counts nothing else");
    require(whole_seconds(visibility_ms), errors,
            "DELAYLINE_RELAY_VISIBILITY must be whole seconds: SQS counts nothing else");
    require(whole_seconds(config->park_ms), errors,
            "DELAYLINE_RELAY_PARK must be whole seconds: SQS counts nothing else");
    require(visibility_ms >= VISIBILITY_LEAST_MS, errors,
            "DELAYLINE_RELAY_VISIBILITY must be at least 2s, or there is no time to extend it");
    require(visibility_ms < s->handoff_ms, errors,
            "DELAYLINE_RELAY_VISIBILITY (2s or more) must be less than DELAYLINE_HANDOFF, or the "
            "death of a relay makes records late that were not about to be due");
    require(hold_of(config) >= s->lead_ms + MS_PER_SECOND, errors,
            "DELAYLINE_RELAY_HOLD must be at least DELAYLINE_LEAD + 1s: SQS defers by whole "
            "seconds");
    require(config->linger_ms * 4 <= s->lead_ms, errors,
            "DELAYLINE_RELAY_LINGER must be at most a quarter of DELAYLINE_LEAD");
    require(config->linger_ms * 8 <= visibility_ms, errors,
            "DELAYLINE_RELAY_LINGER must be at most an eighth of DELAYLINE_RELAY_VISIBILITY");
    require(config->wait_ms < s->stop_grace_ms, errors,
            "DELAYLINE_STOP_GRACE must be more than DELAYLINE_RELAY_WAIT: a stop waits for the "
            "polls under way");
    require(s->delay_queue == NULL || s->ready_queue == NULL ||
                strcmp(s->delay_queue, s->ready_queue) != 0,
            errors, "DELAYLINE_DELAY_QUEUE and DELAYLINE_READY_QUEUE must be two queues");
    require(s->dead_letter_topic == NULL ||
                delay_topic_is_legal(slice_from_str(s->dead_letter_topic)),
            errors, "DELAYLINE_DEAD_LETTER_TOPIC: not a legal topic name");
}
