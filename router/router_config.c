#include "router/router_config.h"

#include <stddef.h>

#include "common/limits.h"
#include "common/mem.h"
#include "common/num.h"

#define OPTION(env, kind, member, value, least, most, text)                                        \
    {                                                                                              \
        .name = "DELAYLINE_ROUTER_" env, .programs = CONFIG_ROUTER, .type = (kind),                \
        .offset = offsetof(struct router_config, member), .default_value = (value),                \
        .min = (least), .max = (most), .help = (text)                                              \
    }

static const struct config_option options[] = {
    OPTION("GROUP_ID", CONFIG_TEXT, group_id, "delayline-router", 0, 0,
           "consumer group; replicas of one deployment share it"),
    OPTION("ALLOWED_TARGETS", CONFIG_LIST, allowed_targets, "", 0, 0,
           "globs (* and ?) of topics that records may be sent to; none: all but internal ones, "
           "the delay topics and the dead-letter topic"),
    OPTION("MAX_DELAY", CONFIG_DURATION, delay_max_ms, "366d", 1000, 3660 * MS_PER_DAY,
           "a record due later than this is rejected"),
    OPTION("MAX_RECORD_BYTES", CONFIG_BYTES, record_bytes_max, "8MiB", 1024, RECORD_BYTES_MAX,
           "key, value and headers of a record; a larger one is rejected"),
    OPTION("LINGER_MIN", CONFIG_DURATION, linger_min_ms, "20ms", 0, 1000,
           "an open envelope waits for company for 1 % of the remaining delay, at least this "
           "long, but never for more than half of what remains"),
    OPTION("LINGER_MAX", CONFIG_DURATION, linger_max_ms, "1s", 0, 10000, "and at most this long"),
    OPTION("BATCH_LINGER", CONFIG_DURATION, batch_linger_ms, "5ms", 0, 1000,
           "what has lingered waits so long for others of its call while calls are in flight"),
    OPTION("SQS_CALLS", CONFIG_NUMBER, sqs_calls_max, "8", 1, ROUTER_CALLS_MAX,
           "calls to SQS in flight"),
    OPTION("TABLE_CALLS", CONFIG_NUMBER, table_calls_max, "8", 1, ROUTER_CALLS_MAX,
           "calls to DynamoDB in flight"),
    OPTION("IN_FLIGHT_BYTES", CONFIG_BYTES, in_flight_bytes_max, "64MiB", MIB, 4096LL * MIB,
           "of records taken and not yet stored; at it consuming pauses"),
    OPTION("COMMIT_INTERVAL", CONFIG_DURATION, commit_interval_ms, "500ms", 10, 1000,
           "offsets are committed so long after they have moved"),
    OPTION("REVOKE_GRACE", CONFIG_DURATION, revoke_grace_ms, "5s", 0, MS_PER_MINUTE,
           "for flushing when a partition is taken away"),
    OPTION("RETRY_BASE", CONFIG_DURATION, retry_base_ms, "50ms", 1, 10000,
           "first back-off of a failed send; it doubles"),
    OPTION("RETRY_CAP", CONFIG_DURATION, retry_cap_ms, "5s", 1, MS_PER_MINUTE,
           "longest back-off of a failed send"),
    OPTION("BLOCKED_RETRY", CONFIG_DURATION, blocked_retry_ms, "5s", 10, MS_PER_HOUR,
           "between attempts while a queue or the table refuses everything"),
};

const struct config_table router_config_table = {options, ARRAY_LEN(options)};

struct router_limits router_config_limits(const struct router_config *config)
{
    const struct settings *s = &config->settings;
    struct router_limits limits = router_limits_default();
    limits.shards = (uint32_t)s->shards;
    limits.horizon_ms = s->horizon_ms;
    limits.bucket_ms = s->bucket_ms;
    limits.handoff_ms = s->handoff_ms;
    limits.cutoff_ms = s->cutoff_ms;
    limits.lead_ms = s->lead_ms;
    limits.linger_min_ms = config->linger_min_ms;
    limits.linger_max_ms = config->linger_max_ms;
    limits.batch_linger_ms = config->batch_linger_ms;
    limits.commit_interval_ms = config->commit_interval_ms;
    /* Leaving the group at the end needs time of its own. */
    limits.revoke_grace_ms = MIN(config->revoke_grace_ms, s->stop_grace_ms / 2);
    limits.retry_base_ms = config->retry_base_ms;
    limits.retry_cap_ms = config->retry_cap_ms;
    limits.blocked_retry_ms = config->blocked_retry_ms;
    limits.in_flight_bytes_max = config->in_flight_bytes_max;
    limits.sqs_calls_max = (uint32_t)config->sqs_calls_max;
    limits.table_calls_max = (uint32_t)config->table_calls_max;
    return limits;
}

void router_config_validate(const void *config, struct buf *errors)
{
    const struct router_config *c = config;
    struct router_topics topics;
    router_topics_init(&topics, c, errors);
    router_topics_release(&topics);
    if (c->linger_max_ms < c->linger_min_ms)
        buf_append_str(errors, "DELAYLINE_ROUTER_LINGER_MAX must not be less than "
                               "DELAYLINE_ROUTER_LINGER_MIN\n");
    if (c->retry_cap_ms < c->retry_base_ms)
        buf_append_str(errors, "DELAYLINE_ROUTER_RETRY_CAP must not be less than "
                               "DELAYLINE_ROUTER_RETRY_BASE\n");
}

/* --- topics ---------------------------------------------------------------------------------- */

static struct slice cut(struct slice *rest)
{
    const uint8_t *colon = rest->len == 0 ? NULL : memchr(rest->ptr, ':', rest->len);
    struct slice head = *rest;
    if (colon == NULL) {
        *rest = SLICE_NULL;
        return head;
    }
    head.len = (size_t)(colon - rest->ptr);
    *rest = slice_from(colon + 1, rest->len - head.len - 1);
    return head;
}

static void add_name(struct slice **list, size_t *count, struct slice name)
{
    *list = mem_realloc(*list, (*count + 1) * sizeof(**list));
    (*list)[(*count)++] = name;
}

/* topic[:default-target[:default-delay]] */
static bool parse_topic(struct slice entry, int64_t delay_max_ms, struct router_topic *ret,
                        struct buf *errors)
{
    struct slice rest = entry;
    struct slice name = cut(&rest);
    struct slice target = cut(&rest);
    struct slice delay = rest;
    struct router_topic topic = {.rules = {.default_delay_ms = -1, .delay_max_ms = delay_max_ms}};
    const char *wrong = NULL;
    if (!delay_topic_is_legal(name))
        wrong = "not a legal topic name";
    else if (delay_topic_is_internal(name))
        wrong = "one of Kafka's own topics";
    else if (target.len > 0 && !delay_topic_is_legal(target))
        wrong = "the default target is not a legal topic name";
    else if (!slice_is_null(delay) &&
             num_parse_duration_ms(delay, delay_max_ms, &topic.rules.default_delay_ms) != STATUS_OK)
        wrong = "the default delay is not a duration up to DELAYLINE_ROUTER_MAX_DELAY";
    if (wrong != NULL) {
        buf_printf(errors, "DELAYLINE_DELAY_TOPICS: %.*s: %s\n", SLICE_ARG(entry), wrong);
        return false;
    }
    if (target.len > 0)
        topic.rules.default_target = target;
    topic.name = mem_strndup((const char *)name.ptr, name.len);
    *ret = topic;
    return true;
}

void router_topics_init(struct router_topics *topics, const struct router_config *config,
                        struct buf *errors)
{
    *topics = (struct router_topics){.count = 0};
    struct slice item;
    const char *cursor = config->settings.delay_topics;
    while (cursor != NULL && config_list_next(&cursor, &item)) {
        struct router_topic topic;
        if (!parse_topic(item, config->delay_max_ms, &topic, errors))
            continue;
        if (router_topics_find(topics, slice_from_str(topic.name)) != NULL) {
            buf_printf(errors, "DELAYLINE_DELAY_TOPICS: %s is named twice\n", topic.name);
            mem_free(topic.name);
            continue;
        }
        topics->topics = mem_realloc(topics->topics, (topics->count + 1) * sizeof(topic));
        topics->topics[topics->count++] = topic;
    }
    if (cursor != NULL && topics->count == 0 && errors->len == 0)
        buf_append_str(errors, "DELAYLINE_DELAY_TOPICS: names no topic\n");
    cursor = config->allowed_targets;
    while (cursor != NULL && config_list_next(&cursor, &item))
        add_name(&topics->allow, &topics->allow_count, item);
    struct slice dead_letters = slice_from_str(config->settings.dead_letter_topic);
    if (!delay_topic_is_legal(dead_letters))
        buf_append_str(errors, "DELAYLINE_DEAD_LETTER_TOPIC: not a legal topic name\n");
    if (router_topics_find(topics, dead_letters) != NULL)
        buf_append_str(errors, "DELAYLINE_DEAD_LETTER_TOPIC: is a delay topic: what is rejected "
                               "would come again for ever\n");
    add_name(&topics->forbidden, &topics->forbidden_count, dead_letters);
    for (size_t i = 0; i < topics->count; i++)
        add_name(&topics->forbidden, &topics->forbidden_count,
                 slice_from_str(topics->topics[i].name));
    for (size_t i = 0; i < topics->count; i++) {
        struct delay_rules *rules = &topics->topics[i].rules;
        rules->allow = topics->allow;
        rules->allow_count = topics->allow_count;
        rules->forbidden = topics->forbidden;
        rules->forbidden_count = topics->forbidden_count;
    }
}

void router_topics_release(struct router_topics *topics)
{
    for (size_t i = 0; i < topics->count; i++)
        mem_free(topics->topics[i].name);
    mem_free(topics->topics);
    mem_free(topics->allow);
    mem_free(topics->forbidden);
    *topics = (struct router_topics){.count = 0};
}

const struct router_topic *router_topics_find(const struct router_topics *topics, struct slice name)
{
    for (size_t i = 0; i < topics->count; i++)
        if (slice_equal_str(name, topics->topics[i].name))
            return &topics->topics[i];
    return NULL;
}
