#include "common/metrics.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/check.h"
#include "common/mem.h"

struct metric {
    struct metric *next; /* of the same family, in order of arrival */
    const struct metric_spec *spec;
    char *labels;
    double value; /* of a histogram: the sum */
    uint64_t count;
    uint64_t *bucket_counts; /* histograms: not cumulative; the last one is +Inf */
};

struct family {
    struct family *next;
    const struct metric_spec *spec;
    struct metric *first;
    struct metric **end;
};

struct metrics {
    struct family *first;
    struct family **end;
};

struct metrics *metrics_new(void)
{
    struct metrics *metrics = mem_calloc(1, sizeof(*metrics));
    metrics->end = &metrics->first;
    return metrics;
}

static void family_free(struct family *family)
{
    while (family->first != NULL) {
        struct metric *metric = family->first;
        family->first = metric->next;
        mem_free(metric->bucket_counts);
        mem_free(metric->labels);
        mem_free(metric);
    }
    mem_free(family);
}

void metrics_free(struct metrics *metrics)
{
    if (metrics == NULL)
        return;
    while (metrics->first != NULL) {
        struct family *family = metrics->first;
        metrics->first = family->next;
        family_free(family);
    }
    mem_free(metrics);
}

static struct family *get_family(struct metrics *metrics, const struct metric_spec *spec)
{
    for (struct family *family = metrics->first; family != NULL; family = family->next) {
        if (strcmp(family->spec->name, spec->name) == 0)
            return family;
    }
    struct family *family = mem_calloc(1, sizeof(*family));
    family->spec = spec;
    family->end = &family->first;
    *metrics->end = family;
    metrics->end = &family->next;
    return family;
}

struct metric *metrics_get(struct metrics *metrics, const struct metric_spec *spec,
                           const char *labels)
{
    struct family *family = get_family(metrics, spec);
    CHECK(family->spec->type == spec->type && family->spec->bucket_count == spec->bucket_count);
    for (struct metric *metric = family->first; metric != NULL; metric = metric->next) {
        if (strcmp(metric->labels, labels) == 0)
            return metric;
    }
    struct metric *metric = mem_calloc(1, sizeof(*metric));
    metric->spec = spec;
    metric->labels = mem_strdup(labels);
    if (spec->type == METRIC_HISTOGRAM)
        metric->bucket_counts = mem_calloc(spec->bucket_count + 1, sizeof(uint64_t));
    *family->end = metric;
    family->end = &metric->next;
    return metric;
}

void metric_set(struct metric *metric, double value)
{
    CHECK(metric->spec->type != METRIC_HISTOGRAM);
    metric->value = value;
}

void metric_observe(struct metric *metric, double value)
{
    CHECK(metric->spec->type == METRIC_HISTOGRAM);
    size_t i = 0;
    while (i < metric->spec->bucket_count && !(value <= metric->spec->buckets[i]))
        i++;
    metric->bucket_counts[i]++;
    metric->count++;
    metric->value += value;
}

const struct metric *metrics_first(const struct metrics *metrics, const char *family)
{
    const struct family *f = metrics->first;
    while (f != NULL && strcmp(f->spec->name, family) != 0)
        f = f->next;
    return f == NULL ? NULL : f->first;
}

const struct metric *metric_next(const struct metric *metric)
{
    return metric->next;
}

struct metric_view metric_view(const struct metric *metric)
{
    return (struct metric_view){metric->spec, metric->labels, metric->value, metric->bucket_counts};
}

/* --- text format ----------------------------------------------------------------------------- */

static void append_escaped(struct buf *out, const char *text, bool quotes)
{
    for (; *text != '\0'; text++) {
        if (*text == '\n')
            buf_append_str(out, "\\n");
        else if (*text == '\\' || (*text == '"' && quotes))
            buf_printf(out, "\\%c", *text);
        else
            buf_append_byte(out, (uint8_t)*text);
    }
}

void metrics_label(struct buf *out, const char *name, const char *value)
{
    buf_printf(out, "%s%s=\"", out->len > 0 ? "," : "", name);
    append_escaped(out, value, true);
    buf_append_byte(out, '"');
}

void metric_format(double value, char text[METRIC_NUMBER_SIZE])
{
    if (isnan(value)) {
        snprintf(text, METRIC_NUMBER_SIZE, "NaN");
        return;
    }
    if (isinf(value)) {
        snprintf(text, METRIC_NUMBER_SIZE, value > 0 ? "+Inf" : "-Inf");
        return;
    }
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, METRIC_NUMBER_SIZE, "%.*g", digits, value);
        if (strtod(text, NULL) == value)
            return;
    }
}

/* name{labels,le="bound"} value */
static void print_sample(struct buf *out, const struct metric *metric, const char *suffix,
                         const double *bound, double value)
{
    char number[METRIC_NUMBER_SIZE];
    buf_printf(out, "%s%s", metric->spec->name, suffix);
    if (metric->labels[0] != '\0' || bound != NULL) {
        buf_printf(out, "{%s", metric->labels);
        if (bound != NULL) {
            metric_format(*bound, number);
            buf_printf(out, "%sle=\"%s\"", metric->labels[0] != '\0' ? "," : "", number);
        }
        buf_append_byte(out, '}');
    }
    metric_format(value, number);
    buf_printf(out, " %s\n", number);
}

static void print_histogram(struct buf *out, const struct metric *metric)
{
    const double infinity = HUGE_VAL;
    uint64_t cumulative = 0;
    for (size_t i = 0; i < metric->spec->bucket_count; i++) {
        cumulative += metric->bucket_counts[i];
        print_sample(out, metric, "_bucket", &metric->spec->buckets[i], (double)cumulative);
    }
    print_sample(out, metric, "_bucket", &infinity, (double)metric->count);
    print_sample(out, metric, "_sum", NULL, metric->value);
    print_sample(out, metric, "_count", NULL, (double)metric->count);
}

static const char *type_name(enum metric_type type)
{
    switch (type) {
    case METRIC_COUNTER:
        return "counter";
    case METRIC_GAUGE:
        return "gauge";
    case METRIC_HISTOGRAM:
        return "histogram";
    }
    UNREACHABLE();
}

void metrics_print(const struct metrics *metrics, struct buf *out)
{
    for (const struct family *family = metrics->first; family != NULL; family = family->next) {
        const struct metric_spec *spec = family->spec;
        buf_printf(out, "# HELP %s ", spec->name);
        append_escaped(out, spec->help, false);
        buf_printf(out, "\n# TYPE %s %s\n", spec->name, type_name(spec->type));
        for (const struct metric *metric = family->first; metric != NULL; metric = metric->next) {
            if (spec->type == METRIC_HISTOGRAM)
                print_histogram(out, metric);
            else
                print_sample(out, metric, "", NULL, metric->value);
        }
    }
}
