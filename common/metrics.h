/* A registry of counters, gauges and histograms, and Prometheus' text format 0.0.4. Pure. */
#ifndef COMMON_METRICS_H
#define COMMON_METRICS_H

#include <stdint.h>

#include "common/buf.h"
#include "common/compiler.h"

enum metric_type { METRIC_COUNTER, METRIC_GAUGE, METRIC_HISTOGRAM };

/* A family as the tables (X-macro, x_metrics.h) define it. */
struct metric_spec {
    const char *name; /* delayline_records_total */
    enum metric_type type;
    const char *help;
    const double *buckets; /* histograms: upper bounds, ascending, without +Inf */
    size_t bucket_count;
};

/* The tables of all programs have one shape, #define SOME_METRICS(X) X(ID, TYPE, name, help) ...,
 * and become
 *
 *   enum family { SOME_METRICS(METRICS_ENUM) FAMILY_COUNT };
 *   static const struct metric_spec specs[FAMILY_COUNT] = {SOME_METRICS(METRICS_SPEC)};
 *
 * What is the same thing in two programs has the same name there. */
#define METRICS_ENUM(id, kind, text, about) FAMILY_##id,
#define METRICS_SPEC(id, kind, text, about)                                                        \
    [FAMILY_##id] = {.name = (text), .type = METRIC_##kind, .help = (about)},

struct metrics;
struct metric; /* one series */

struct metrics *metrics_new(void);
void metrics_free(struct metrics *metrics);

/* labels: "path=\"short\",outcome=\"delivered\"" or "" (already escaped; constant text or
 * metrics_label; copied). Asking again for the same (name, labels) gives the same series; it is
 * searched for, so keep the pointer where it counts. Valid as long as the registry; spec and what
 * it points to must live as long. */
RETURNS_NONNULL struct metric *metrics_get(struct metrics *metrics, const struct metric_spec *spec,
                                           const char *labels);
void metric_set(struct metric *metric, double value); /* gauges, and counters kept elsewhere */
void metric_observe(struct metric *metric, double value);

/* To read the registry otherwise than as text: the series of a family in order of arrival. NULL: no
 * such family, no more of it. */
const struct metric *metrics_first(const struct metrics *metrics, const char *family);
const struct metric *metric_next(const struct metric *metric);
struct metric_view {
    const struct metric_spec *spec;
    const char *labels;
    double value; /* of a histogram: the sum */
    const uint64_t
        *bucket_counts; /* histograms: not cumulative, bucket_count and +Inf; else NULL */
};
/* As it is now; points into the registry. */
struct metric_view metric_view(const struct metric *metric);

/* The shortest text that reads back as the same number. */
#define METRIC_NUMBER_SIZE 32
void metric_format(double value, char text[METRIC_NUMBER_SIZE]);

/* Appends name="value", escaped, with a comma before it unless out is empty. */
void metrics_label(struct buf *out, const char *name, const char *value);
void metrics_print(const struct metrics *metrics, struct buf *out);

#endif
