#include <stdio.h>

#include "common/mem.h"
#include "relay/relay_metrics.h"
#include "relay/relay_shell_internal.h"

static const double error_buckets[] = {0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1,
                                       0.25,  0.5,   1,     2,    5,     30,   300};

static const struct metric_spec delay_error = {
    .name = "delayline_delay_error_seconds",
    .type = METRIC_HISTOGRAM,
    .help = "Instant of emission less due time, by path.",
    .buckets = error_buckets,
    .bucket_count = ARRAY_LEN(error_buckets),
};

enum family { RELAY_METRICS(METRICS_ENUM) FAMILY_COUNT };
static const struct metric_spec specs[FAMILY_COUNT] = {RELAY_METRICS(METRICS_SPEC)};

#define X(counter, about)                                                                          \
    {.name = "delayline_" #counter "_total", .type = METRIC_COUNTER, .help = (about)},
static const struct metric_spec counter_specs[] = {RELAY_COUNTERS(X)};
#undef X

/* What goes to CloudWatch. */
static const struct emf_metric to_cloudwatch[] = {
    {.name = "RecordsDelivered",
     .unit = "Count",
     .family = "delayline_records_total",
     .label = "outcome=\"delivered\""},
    {.name = "DeadLettered", .unit = "Count", .family = "delayline_dead_lettered_total"},
    {.name = "DelayError", .unit = "Seconds", .family = "delayline_delay_error_seconds"},
    {.name = "BudgetUsed",
     .unit = "Percent",
     .family = "delayline_budget_used_bytes",
     .whole = "delayline_budget_bytes"},
};
const struct emf_table relay_shell_emf = {to_cloudwatch, ARRAY_LEN(to_cloudwatch)};

#define LABELS_SIZE 64

/* Looked up once: this one is on the hot path. */
struct relay_series {
    struct metrics *metrics;
    struct metric *delay_error[RELAY_QUEUES];
};

static struct metric *by_path(struct metrics *metrics, const struct metric_spec *spec, int queue)
{
    char labels[LABELS_SIZE];
    snprintf(labels, sizeof(labels), "path=\"%s\"", relay_shell_path((enum relay_queue)queue));
    return metrics_get(metrics, spec, labels);
}

struct relay_series *relay_series_new(struct metrics *metrics)
{
    struct relay_series *series = mem_calloc(1, sizeof(*series));
    series->metrics = metrics;
    for (int q = 0; q < RELAY_QUEUES; q++)
        series->delay_error[q] = by_path(metrics, &delay_error, q);
    return series;
}

void relay_series_free(struct relay_series *series)
{
    mem_free(series);
}

void relay_series_observe(struct relay_series *series, enum relay_queue queue, int64_t error_ms)
{
    metric_observe(series->delay_error[queue], (double)error_ms / 1000.0);
}

static void set_outcome(struct metrics *metrics, enum family family, int queue, const char *outcome,
                        uint64_t count)
{
    char labels[LABELS_SIZE];
    snprintf(labels, sizeof(labels), "path=\"%s\",outcome=\"%s\"",
             relay_shell_path((enum relay_queue)queue), outcome);
    metric_set(metrics_get(metrics, &specs[family], labels), (double)count);
}

static void set_plain(struct metrics *metrics, enum family family, double value)
{
    metric_set(metrics_get(metrics, &specs[family], ""), value);
}

static void set_paths(struct relay_shell *s, struct metrics *metrics)
{
    for (int q = 0; q < RELAY_QUEUES; q++) {
        set_outcome(metrics, FAMILY_RECORDS, q, "emitted", s->emitted[q]);
        set_outcome(metrics, FAMILY_RECORDS, q, "delivered", s->delivered[q]);
        set_outcome(metrics, FAMILY_RECORDS, q, "dead_lettered", s->dead_lettered[q]);
        set_outcome(metrics, FAMILY_ENVELOPES, q, "received", s->received[q]);
        metric_set(by_path(metrics, &specs[FAMILY_POLLS], q), s->core->polls[q].out);
        metric_set(by_path(metrics, &specs[FAMILY_QUEUE_FAILING], q),
                   s->queues[q].last_error.kind != ERROR_NONE);
    }
}

static void set_core(struct relay_shell *s, struct metrics *metrics)
{
    const struct relay_core *c = s->core;
    const uint64_t *counters = (const uint64_t *)(const void *)&c->counters;
    for (size_t i = 0; i < ARRAY_LEN(counter_specs); i++)
        metric_set(metrics_get(metrics, &counter_specs[i], ""), (double)counters[i]);
    for (int r = RELAY_REFUSED_NOT + 1; r < RELAY_REFUSALS; r++) {
        char labels[LABELS_SIZE];
        snprintf(labels, sizeof(labels), "code=\"%s\"",
                 relay_shell_refusal_code((enum relay_refusal)r));
        metric_set(metrics_get(metrics, &specs[FAMILY_DEAD_LETTERS], labels),
                   (double)c->dead_letters[r]);
    }
    set_plain(metrics, FAMILY_HELD_ENVELOPES, c->slots_used);
    set_plain(metrics, FAMILY_HELD_RECORDS, (double)c->waiting_records);
    set_plain(metrics, FAMILY_HELD_BYTES, (double)c->bytes);
    set_plain(metrics, FAMILY_BUDGET_BYTES, (double)c->limits.budget_bytes);
    set_plain(metrics, FAMILY_BUDGET_USED, (double)relay_core_budget_used(c));
    set_plain(metrics, FAMILY_IN_FLIGHT, c->window_used);
    set_plain(metrics, FAMILY_KAFKA_FULL, c->full);
}

void relay_shell_metrics(void *shell)
{
    struct relay_shell *s = shell;
    struct metrics *metrics = s->series->metrics;
    if (s->closed || !s->started)
        return;
    set_paths(s, metrics);
    set_core(s, metrics);
    set_plain(metrics, FAMILY_KAFKA_PENDING, (double)kafka_producer_pending(s->producer));
    aws_services_metrics(&s->aws, metrics);
}

/* --- alarms ---------------------------------------------------------------------------------- */

static void raise_alarm(struct relay_shell *s, const char *name, uint64_t now, uint64_t *before)
{
    if (now != *before)
        log_event(s->log, LOG_WARN, "alarm", LOG_STR("counter", name),
                  LOG_NUMBER("more", now - *before), LOG_NUMBER("total", now));
    *before = now;
}

void relay_shell_alarms(struct relay_shell *s)
{
    int64_t now_ms = loop_now(s->loop).mono.ms;
    if (now_ms - s->looked_at_ms < MS_PER_SECOND)
        return;
    s->looked_at_ms = now_ms;
    aws_services_follow_clock(&s->aws);
    const struct relay_counters *c = &s->core->counters;
    struct relay_counters *before = &s->alarmed;
#define ALARM(name) raise_alarm(s, #name, c->name, &before->name)
    ALARM(lapsed_unemitted);
    ALARM(lapsed_emitted);
    ALARM(capped);
    ALARM(extend_failures);
    ALARM(defer_failures);
    ALARM(delete_failures);
    ALARM(dead_letter_failures);
    ALARM(unknown_reports);
    ALARM(stray_completions);
#undef ALARM
}
