#include "router/router_metrics.h"

#include <stddef.h>

#include "common/aws_metrics.h"
#include "router/router_shell_internal.h"

#define X(id, kind, text, about) ROUTER_METRIC_##id,
enum router_metric { ROUTER_METRICS(X) ROUTER_METRIC_COUNT };
#undef X

#define X(id, kind, text, about)                                                                   \
    [ROUTER_METRIC_##id] = {.name = (text), .type = METRIC_##kind, .help = (about)},
static const struct metric_spec specs[ROUTER_METRIC_COUNT] = {ROUTER_METRICS(X)};
#undef X

/* A counter of the core and the series that shows it. */
struct series {
    enum router_metric metric;
    const char *labels;
    size_t offset; /* of a uint64_t in struct router_stats */
};

#define PLAIN(id, member)                                                                          \
    {                                                                                              \
        ROUTER_METRIC_##id, "", offsetof(struct router_stats, member)                              \
    }
#define BY_PATH(id, member, outcome)                                                               \
    {ROUTER_METRIC_##id, "path=\"short\",outcome=\"" outcome "\"",                                 \
     offsetof(struct router_stats, member[DELAY_PATH_SHORT])},                                     \
    {                                                                                              \
        ROUTER_METRIC_##id, "path=\"long\",outcome=\"" outcome "\"",                               \
            offsetof(struct router_stats, member[DELAY_PATH_LONG])                                 \
    }
#define BY_SERVICE(id, member, reason)                                                             \
    {ROUTER_METRIC_##id, "service=\"sqs\",reason=\"" reason "\"",                                  \
     offsetof(struct router_stats, member[ROUTER_SQS])},                                           \
    {                                                                                              \
        ROUTER_METRIC_##id, "service=\"dynamodb\",reason=\"" reason "\"",                          \
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
    {ROUTER_METRIC_COMMITS, "outcome=\"done\"", offsetof(struct router_stats, commits)},
    {ROUTER_METRIC_COMMITS, "outcome=\"failed\"", offsetof(struct router_stats, commit_failures)},
    PLAIN(PAUSES, pauses),
    PLAIN(FOREIGN, foreign),
};

static void set(struct router_shell *s, enum router_metric metric, const char *labels, double value)
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
    set(s, ROUTER_METRIC_IN_FLIGHT_RECORDS, "", c->nodes_used);
    set(s, ROUTER_METRIC_IN_FLIGHT_BYTES, "", (double)c->bytes);
    set(s, ROUTER_METRIC_IN_FLIGHT_ENVELOPES, "", c->envelopes_used);
    set(s, ROUTER_METRIC_OPEN_ENVELOPES, "", c->open);
    set(s, ROUTER_METRIC_PAUSED, "", c->paused);
    set(s, ROUTER_METRIC_COMPRESSION, "", c->ratio_permille / 1000.0);
    static const char *const services[ROUTER_SERVICES] = {"service=\"sqs\"",
                                                          "service=\"dynamodb\""};
    for (int i = 0; i < ROUTER_SERVICES; i++) {
        set(s, ROUTER_METRIC_CALLS_IN_FLIGHT, services[i], c->services[i].calls_in_flight);
        set(s, ROUTER_METRIC_BLOCKED, services[i], c->services[i].blocked);
    }
}

static void show_rejections(struct router_shell *s)
{
    CLEANUP(buf_release) struct buf labels;
    buf_init(&labels, KIB);
    for (int code = 1; code <= DELAY_TOO_MANY_HEADERS; code++) {
        buf_clear(&labels);
        metrics_label(&labels, "code", delay_rejection_code((enum delay_rejection)code));
        set(s, ROUTER_METRIC_REJECTED, buf_text(&labels), (double)s->rejected[code]);
    }
}

static void show_aws(struct router_shell *s)
{
    const struct aws_operation_stats *stats;
    size_t count = aws_client_stats(sqs_client(s->sqs), &stats);
    aws_metrics_update(program_metrics(s->program), "sqs", stats, count);
    count = aws_client_stats(dynamodb_client(s->dynamodb), &stats);
    aws_metrics_update(program_metrics(s->program), "dynamodb", stats, count);
}

void router_shell_metrics(void *shell)
{
    struct router_shell *s = shell;
    show_aws(s);
    show_rejections(s);
    struct aws_clock_view clock = aws_client_clock(sqs_client(s->sqs));
    set(s, ROUTER_METRIC_CLOCK_CORRECTION, "", (double)s->clock_correction_ms / 1000);
    if (clock.known) {
        set(s, ROUTER_METRIC_CLOCK_OFFSET_MIN, "", (double)clock.offset_min_ms / 1000);
        set(s, ROUTER_METRIC_CLOCK_OFFSET_MAX, "", (double)clock.offset_max_ms / 1000);
    }
    set(s, ROUTER_METRIC_ASSIGNED, "", s->assigned);
    if (s->consumer == NULL)
        return;
    set(s, ROUTER_METRIC_LAG, "", (double)kafka_consumer_lag(s->consumer));
    show_core(s);
}
