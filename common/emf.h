/* CloudWatch's embedded metric format: members of a JSON log line that CloudWatch makes metrics of,
 * with nothing but the log to send them. Pure.
 *
 * What goes there is chosen, a table a program, because each metric is paid for by the month. It is
 * read from the registry, so /metrics tells the same:
 *
 *   a counter    what it has grown by since the last line
 *   a gauge      as it is; left out while it is negative, which means unknown
 *   a histogram  {"Values": bounds, "Counts": ...} since the last line, so that CloudWatch's
 *                percentiles are true over all tasks. An observation counts as the upper bound of
 *                its bucket, one above them all as the last bound. Left out if there is none.
 *
 * The only dimension is the member "program", which every log line has: tasks are not told apart,
 * and a metric is one metric however many there are. */
#ifndef COMMON_EMF_H
#define COMMON_EMF_H

#include <stdbool.h>
#include <stddef.h>

#include "common/buf.h"
#include "common/compiler.h"
#include "common/metrics.h"
#include "common/status.h"
#include "common/timeval.h"

enum emf_fold { EMF_SUM, EMF_LARGEST }; /* of what series say; histograms are always summed */

struct emf_metric {
    const char *name;   /* in CloudWatch: "RecordsTaken" */
    const char *unit;   /* as CloudWatch spells it: "Count", "Seconds", "Percent" */
    const char *family; /* where it comes from; left out while the registry does not know it */
    const char *label;  /* only series with this one, as in outcome="stored"; NULL: all */
    const char *whole;  /* a gauge is given in percent of this other one; NULL: as it is */
    enum emf_fold fold;
};

struct emf_table {
    const struct emf_metric *metrics;
    size_t count;
};

enum emf_part {
    EMF_ALL,
    EMF_LAST, /* at the end: what has been counted since, if there was any; gauges mean no more */
};

struct emf;

/* Everything is borrowed; together the tables have at most EMF_METRICS_MAX, each name once. */
struct emf *emf_new(const char *name_space, const struct emf_table *tables, size_t table_count);
void emf_free(struct emf *emf);

/* Appends the members for an object that has others: `,"_aws":{...},"RecordsTaken":12`. False:
 * there is nothing to tell, and nothing was appended. out may overflow, and is then of no use. */
NODISCARD bool emf_append(struct emf *emf, const struct metrics *metrics, struct wall_ms now,
                          enum emf_part part, struct buf *out);
/* What was appended last has been written: counting goes on from there. Otherwise the next line
 * tells of it, too. */
void emf_written(struct emf *emf);

/* STATUS_INVALID: not a namespace that CloudWatch takes from us. */
NODISCARD enum status emf_namespace_check(const char *name_space);

#endif
