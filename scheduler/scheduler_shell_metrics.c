#include <stdio.h>

#include "scheduler/scheduler_metrics.h"
#include "scheduler/scheduler_shell_internal.h"

#define READY_FAILING_MS 10000 /* a dependency may fail for so long before /readyz says so */

enum family { SCHEDULER_METRICS(METRICS_ENUM) FAMILY_COUNT };
static const struct metric_spec specs[FAMILY_COUNT] = {SCHEDULER_METRICS(METRICS_SPEC)};

/* What goes to CloudWatch. */
static const struct emf_metric to_cloudwatch[] = {
    {.name = "RecordsDispatched",
     .unit = "Count",
     .family = "delayline_records_total",
     .label = "outcome=\"dispatched\""},
    {.name = "Stragglers", .unit = "Count", .family = "delayline_stragglers_total"},
    {.name = "CursorLag",
     .unit = "Seconds",
     .family = "delayline_cursor_lag_seconds",
     .fold = EMF_LARGEST},
};
const struct emf_table scheduler_shell_emf = {to_cloudwatch, ARRAY_LEN(to_cloudwatch)};

static void set(struct scheduler_shell *shell, enum family family, const char *labels, double value)
{
    metric_set(metrics_get(program_metrics(shell->program), &specs[family], labels), value);
}

static void set_counters(struct scheduler_shell *shell)
{
    static const struct scheduler_counters none;
    const struct scheduler_counters *counters =
        shell->core == NULL ? &none : scheduler_core_counters(shell->core);
    struct metrics *metrics = program_metrics(shell->program);
#define X(member, metric, labels, help)                                                            \
    {                                                                                              \
        static const struct metric_spec spec = {metric, METRIC_COUNTER, help, NULL, 0};            \
        metric_set(metrics_get(metrics, &spec, labels), (double)counters->member);                 \
    }
    SCHEDULER_COUNTERS(X)
#undef X
}

static void set_shards(struct scheduler_shell *shell)
{
    struct now now = loop_now(shell->loop);
    uint32_t held = 0;
    uint32_t shards = scheduler_core_shards(shell->core);
    for (uint32_t i = 0; i < shards; i++) {
        char labels[32];
        snprintf(labels, sizeof(labels), "shard=\"%u\"", i);
        held += scheduler_core_holds(shell->core, i) ? 1 : 0;
        set(shell, FAMILY_CURSOR_LAG, labels,
            (double)scheduler_core_lag_ms(shell->core, i, now) / 1e3);
    }
    set(shell, FAMILY_SHARDS, "", shards);
    set(shell, FAMILY_SHARDS_HELD, "", held);
    set(shell, FAMILY_CALLS_IN_FLIGHT, "service=\"sqs\"",
        scheduler_core_sends_in_flight(shell->core));
    set(shell, FAMILY_PAGE_BYTES, "", (double)scheduler_core_page_bytes(shell->core));
}

void scheduler_shell_metrics(void *untyped)
{
    struct scheduler_shell *shell = untyped;
    set_counters(shell);
    if (shell->core != NULL)
        set_shards(shell);
    set(shell, FAMILY_UNREADABLE, "", (double)shell->items_unreadable);
    set(shell, FAMILY_FOREIGN_ITEMS, "", (double)shell->items_foreign);
    aws_services_metrics(&shell->aws, program_metrics(shell->program));
}

/* --- readiness ------------------------------------------------------------------------------- */

static void add_lags(struct scheduler_shell *shell, struct now now, struct buf *reasons)
{
    for (uint32_t i = 0; i < scheduler_core_shards(shell->core); i++) {
        int64_t lag_ms = scheduler_core_lag_ms(shell->core, i, now);
        if (lag_ms > shell->config->ready_lag_ms)
            buf_printf(reasons, "shard %u is %lld ms behind\n", i, (long long)lag_ms);
    }
}

void scheduler_shell_ready(void *untyped, struct buf *reasons)
{
    static const char *const dependencies[] = {
        [SCHEDULER_DEPENDS_READY_QUEUE] = "ready queue",
        [SCHEDULER_DEPENDS_TIMER_QUEUE] = "timer queue",
        [SCHEDULER_DEPENDS_TABLE] = "table",
    };
    struct scheduler_shell *shell = untyped;
    struct now now = loop_now(shell->loop);
    if (shell->core == NULL) {
        buf_printf(reasons, "setting up the table: %s\n", shell->setup_error.text);
        return;
    }
    for (int i = 0; i < SCHEDULER_DEPENDENCIES; i++) {
        int64_t failing_ms =
            scheduler_core_failing_ms(shell->core, (enum scheduler_dependency)i, now);
        if (failing_ms > READY_FAILING_MS)
            buf_printf(reasons, "the %s has failed for %lld ms\n", dependencies[i],
                       (long long)failing_ms);
    }
    add_lags(shell, now, reasons);
    aws_services_ready(&shell->aws, reasons);
}
