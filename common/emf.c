#include "common/emf.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "common/check.h"
#include "common/json.h"
#include "common/limits.h"
#include "common/mem.h"

/* What the registry says of a metric, its series folded into one. */
struct reading {
    bool known;
    enum metric_type type;
    double value; /* of a histogram: the sum */
    const double *bounds;
    size_t bound_count;
    uint64_t counts[EMF_VALUES_MAX]; /* histograms, by bound */
};

struct entry {
    const struct emf_metric *metric;
    struct reading before; /* as the last written line left it */
    struct reading now;
};

struct emf {
    const char *name_space;
    size_t count;
    struct entry entries[];
};

struct emf *emf_new(const char *name_space, const struct emf_table *tables, size_t table_count)
{
    size_t count = 0;
    for (size_t t = 0; t < table_count; t++)
        count += tables[t].count;
    CHECK(count <= EMF_METRICS_MAX);
    struct emf *emf = mem_calloc(1, sizeof(*emf) + count * sizeof(emf->entries[0]));
    emf->name_space = name_space;
    for (size_t t = 0; t < table_count; t++)
        for (size_t i = 0; i < tables[t].count; i++)
            emf->entries[emf->count++].metric = &tables[t].metrics[i];
    return emf;
}

void emf_free(struct emf *emf)
{
    mem_free(emf);
}

enum status emf_namespace_check(const char *name_space)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                  ".-_/#: ";
    size_t len = strlen(name_space);
    bool is_aws = strncmp(name_space, "AWS/", 4) == 0; /* AWS's own */
    bool is_legal = len > 0 && len <= EMF_NAMESPACE_BYTES_MAX && name_space[0] != ':' && !is_aws &&
                    strspn(name_space, allowed) == len && strspn(name_space, " ") < len;
    return is_legal ? STATUS_OK : STATUS_INVALID;
}

/* --- reading --------------------------------------------------------------------------------- */

/* label stands in labels at the start or behind a comma. */
static bool has_label(const char *labels, const char *label)
{
    size_t len = strlen(label);
    const char *end = labels + strlen(labels);
    for (const char *at = labels; (at = memmem(at, (size_t)(end - at), label, len)) != NULL;
         at += len) {
        if ((at == labels || at[-1] == ',') && (at[len] == '\0' || at[len] == ','))
            return true;
    }
    return false;
}

static void fold_in(const struct metric_view *series, enum emf_fold fold, struct reading *r)
{
    const struct metric_spec *spec = series->spec;
    if (!r->known)
        *r = (struct reading){true,          spec->type,         series->value,
                              spec->buckets, spec->bucket_count, {0}};
    else if (fold == EMF_LARGEST && spec->type == METRIC_GAUGE)
        r->value = MAX(r->value, series->value);
    else
        r->value += series->value;
    if (spec->type != METRIC_HISTOGRAM)
        return;
    CHECK(spec->bucket_count > 0 && spec->bucket_count <= EMF_VALUES_MAX);
    for (size_t i = 0; i <= spec->bucket_count; i++) /* what is above all bounds goes to the last */
        r->counts[MIN(i, spec->bucket_count - 1)] += series->bucket_counts[i];
}

static struct reading read_family(const struct metrics *metrics, const char *family,
                                  const char *label, enum emf_fold fold)
{
    struct reading r = {.known = false};
    for (const struct metric *series = metrics_first(metrics, family); series != NULL;
         series = metric_next(series)) {
        struct metric_view view = metric_view(series);
        if (label == NULL || has_label(view.labels, label))
            fold_in(&view, fold, &r);
    }
    return r;
}

static struct reading read_metric(const struct metrics *metrics, const struct emf_metric *metric)
{
    struct reading r = read_family(metrics, metric->family, metric->label, metric->fold);
    if (!r.known || metric->whole == NULL)
        return r;
    struct reading whole = read_family(metrics, metric->whole, NULL, EMF_SUM);
    if (!whole.known || whole.value <= 0)
        return (struct reading){.known = false};
    r.value *= 100 / whole.value;
    return r;
}

/* --- differences ----------------------------------------------------------------------------- */

static uint64_t grown_by(const struct entry *e, size_t bucket)
{
    return e->now.counts[bucket] - e->before.counts[bucket];
}

static uint64_t observations(const struct entry *e)
{
    uint64_t count = 0;
    for (size_t i = 0; i < e->now.bound_count; i++)
        count += grown_by(e, i);
    return count;
}

/* Of a histogram: the sum of what was observed. */
static double value_since(const struct entry *e)
{
    return e->now.type == METRIC_GAUGE ? e->now.value : e->now.value - e->before.value;
}

static bool is_told(const struct entry *e, enum emf_part part)
{
    if (!e->now.known || !isfinite(value_since(e)))
        return false;
    switch (e->now.type) {
    case METRIC_COUNTER:
        return part == EMF_ALL || value_since(e) > 0;
    case METRIC_GAUGE:
        return part == EMF_ALL && e->now.value >= 0;
    case METRIC_HISTOGRAM:
        return observations(e) > 0;
    }
    UNREACHABLE();
}

/* --- text ------------------------------------------------------------------------------------ */

static void append_number(struct buf *out, double value)
{
    char text[METRIC_NUMBER_SIZE];
    metric_format(value, text);
    buf_append_str(out, text);
}

/* The members that AWS's own exporters write. CloudWatch adds Counts up by itself. */
static void append_histogram(struct buf *out, const struct entry *e)
{
    double least = -1;
    double most = 0;
    const char *comma = "";
    buf_append_str(out, "{\"Values\":[");
    for (size_t i = 0; i < e->now.bound_count; i++) {
        if (grown_by(e, i) == 0)
            continue;
        most = e->now.bounds[i];
        least = least < 0 ? most : least;
        buf_append_str(out, comma);
        append_number(out, most);
        comma = ",";
    }
    comma = "";
    buf_append_str(out, "],\"Counts\":[");
    for (size_t i = 0; i < e->now.bound_count; i++) {
        if (grown_by(e, i) == 0)
            continue;
        buf_printf(out, "%s%" PRIu64, comma, grown_by(e, i));
        comma = ",";
    }
    buf_append_str(out, "],\"Min\":");
    append_number(out, least);
    buf_append_str(out, ",\"Max\":");
    append_number(out, most);
    buf_printf(out, ",\"Count\":%" PRIu64 ",\"Sum\":", observations(e));
    append_number(out, value_since(e));
    buf_append_byte(out, '}');
}

static void append_directive(struct buf *out, const struct emf *emf, struct wall_ms now,
                             enum emf_part part)
{
    const char *comma = "";
    buf_printf(
        out, ",\"_aws\":{\"Timestamp\":%" PRId64 ",\"CloudWatchMetrics\":[{\"Namespace\":", now.ms);
    json_append_string(out, slice_from_str(emf->name_space));
    buf_append_str(out, ",\"Dimensions\":[[\"program\"]],\"Metrics\":[");
    for (size_t i = 0; i < emf->count; i++) {
        const struct entry *e = &emf->entries[i];
        if (!is_told(e, part))
            continue;
        buf_printf(out, "%s{\"Name\":\"%s\",\"Unit\":\"%s\"}", comma, e->metric->name,
                   e->metric->unit);
        comma = ",";
    }
    buf_append_str(out, "]}]}");
}

static void append_values(struct buf *out, const struct emf *emf, enum emf_part part)
{
    for (size_t i = 0; i < emf->count; i++) {
        const struct entry *e = &emf->entries[i];
        if (!is_told(e, part))
            continue;
        buf_printf(out, ",\"%s\":", e->metric->name);
        if (e->now.type == METRIC_HISTOGRAM)
            append_histogram(out, e);
        else
            append_number(out, value_since(e));
    }
}

bool emf_append(struct emf *emf, const struct metrics *metrics, struct wall_ms now,
                enum emf_part part, struct buf *out)
{
    bool any = false;
    for (size_t i = 0; i < emf->count; i++) {
        struct entry *e = &emf->entries[i];
        e->now = read_metric(metrics, e->metric);
        any |= is_told(e, part);
    }
    if (!any)
        return false;
    append_directive(out, emf, now, part);
    append_values(out, emf, part);
    return true;
}

void emf_written(struct emf *emf)
{
    for (size_t i = 0; i < emf->count; i++)
        emf->entries[i].before = emf->entries[i].now;
}
