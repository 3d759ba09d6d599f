#include "router/router_metrics.h"

#include <stddef.h>

#include "router/router_shell_internal.h"

enum family { ROUTER_METRICS(METRICS_ENUM) FAMILY_COUNT };
static const struct metric_spec specs[FAMILY_COUNT] = {ROUTER_METRICS(METRICS_SPEC)};

/* What goes to CloudWatch. */
static const struct emf_metric to_cloudwatch[] = {
    {.name = "RecordsTaken", .unit = "Count", .family = "delayline_records_taken_total"},
    {.name = "DeadLettered", .unit = "Count", .family = "delayline_dead_lettered_total"},
    {.name = "ConsumerLag", .unit = "Count", .family = "delayline_kafka_lag_records"},
};
const struct emf_table router_shell_emf = {to_cloudwatch, ARRAY_LEN(to_cloudwatch)};

/* A counter of the core and the series that shows it. */
struct series {
    enum family metric;
    const char *labels;
    size_t offset; /* of a uint64_t in struct router_stats */
};

#define PLAIN(id, member)                                                                          \
    {                                                                                              \
        FAMILY_##id, "", offsetof(struct router_stats, member)                                     \
    }
#define BY_PATH(id, member, outcome)                                                               \
    {FAMILY_##id, "path=\"short\",outcome=\"" outcome "\"",                                        \
     offsetof(struct router_stats, member[DELAY_PATH_SHORT])},                                     \
    {                                                                                              \
        FAMILY_##id, "path=\"long\",outcome=\"" outcome "\"",                                      \
            offsetof(struct router_stats, member[DELAY_PATH_LONG])                                 \
    }
#define BY_SERVICE(id, member, reason)                                                             \
    {FAMILY_##id, "service=\"sqs\",reason=\"" reason "\"",                                         \
     offsetof(struct router_stats, member[ROUTER_SQS])},                                           \
    {                                                                                              \
        FAMILY_##id, "service=\"dynamodb\",reason=\"" reason "\"",                                 \
            offsetof(struct router_stats, member[ROUTER_TABLE])                                    \
    }

static const struct series all_series[] = {
    BY_PATH(RECORDS, records_stored, "stored"),
    PLAIN(RECORDS_TAKEN, records_taken),
    PLAIN(RECORD_BYTES, bytes_taken),
    PLAIN(DEAD_LETTERED, dead_lettered),
    PLAIN(DEAD_LETTER_FAILURES, dead_letter_failures),
    PLAIN(LARGE, records_large),
    PLAIN(PARTS, parts_stored),
    BY_PATH(ENVELOPES, envelopes_closed, "closed"),
    BY_PATH(ENVELOPES, envelopes_stored, "stored"),
    PLAIN(FRAME_BYTES, frame_bytes),
    PLAIN(EVICTED, envelopes_evicted),
    PLAIN(FALLBACKS, fallbacks),
    PLAIN(FALLBACK_RECORDS, fallback_records),
    PLAIN(LATE_ACKS, late_acks),
    PLAIN(REPLAYS, replays),
    PLAIN(STRAYS, strays),
    PLAIN(ABANDONED, abandoned),
    BY_SERVICE(SENDS_FAILED, retried, "failed"),
    BY_SERVICE(SENDS_FAILED, throttled, "throttled"),
    BY_SERVICE(SENDS_FAILED, unknown, "unknown"),
    BY_SERVICE(SENDS_FAILED, refused, "refused"),
    BY_SERVICE(SENDS_FAILED, blocked, "blocked"),
    {FAMILY_COMMITS, "outcome=\"done\"", offsetof(struct router_stats, commits)},
    {FAMILY_COMMITS, "outcome=\"failed\"", offsetof(struct router_stats, commit_failures)},
    PLAIN(PAUSES, pauses),
    PLAIN(FOREIGN, foreign),
};

static void set(struct router_shell *s, enum family metric, const char *labels, double value)
{
    metric_set(metrics_get(program_metrics(s->program), &specs[metric], labels), value);
}

static void show_core(struct router_shell *s)
{
    const struct router_core *c = s->core;
    for (size_t i = 0; i < ARRAY_LEN(all_series); i++) {
        const uint64_t *value = (const void *)((const uint8_t *)&c->stats + all_series[i].offset);
        set(s, all_series[i].metric, all_series[i].labels, (double)*value);
    }
    set(s, FAMILY_IN_FLIGHT_RECORDS, "", c->nodes_used);
    set(s, FAMILY_IN_FLIGHT_BYTES, "", (double)c->bytes);
    set(s, FAMILY_IN_FLIGHT_ENVELOPES, "", c->envelopes_used);
    set(s, FAMILY_OPEN_ENVELOPES, "", c->open);
    set(s, FAMILY_PAUSED, "", c->paused);
    set(s, FAMILY_COMPRESSION, "", c->ratio_permille / 1000.0);
    static const char *const services[ROUTER_SERVICES] = {"service=\"sqs\"",
                                                          "service=\"dynamodb\""};
    for (int i = 0; i < ROUTER_SERVICES; i++) {
        set(s, FAMILY_CALLS_IN_FLIGHT, services[i], c->services[i].calls_in_flight);
        set(s, FAMILY_BLOCKED, services[i], c->services[i].blocked);
    }
}

static void show_rejections(struct router_shell *s)
{
    CLEANUP(buf_release) struct buf labels;
    buf_init(&labels, KIB);
    for (int code = 1; code <= DELAY_TOO_MANY_HEADERS; code++) {
        buf_clear(&labels);
        metrics_label(&labels, "code", delay_rejection_code((enum delay_rejection)code));
        set(s, FAMILY_DEAD_LETTERS, buf_text(&labels), (double)s->rejected[code]);
    }
}

void router_shell_metrics(void *shell)
{
    struct router_shell *s = shell;
    aws_services_metrics(&s->aws, program_metrics(s->program));
    show_rejections(s);
    set(s, FAMILY_ASSIGNED, "", s->assigned);
    if (s->consumer == NULL)
        return;
    set(s, FAMILY_LAG, "", (double)kafka_consumer_lag(s->consumer));
    show_core(s);
}
