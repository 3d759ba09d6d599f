/* The scheduler's metric families beyond the core's counters (SCHEDULER_COUNTERS) and those that
 * every program has. X(name of the constant, metric, type, help). */
#ifndef SCHEDULER_METRICS_H
#define SCHEDULER_METRICS_H

#define SCHEDULER_METRICS(X)                                                                       \
    X(SHARDS, "delayline_shards", METRIC_GAUGE, "Shards in use, as far as this scheduler knows")   \
    X(SHARDS_HELD, "delayline_shards_held", METRIC_GAUGE, "Shards whose ticks this one holds")     \
    X(CURSOR_LAG, "delayline_cursor_lag_seconds", METRIC_GAUGE,                                    \
      "How far a held shard is behind its plan")                                                   \
    X(SENDS, "delayline_sends_in_flight", METRIC_GAUGE, "Calls to the ready queue under way")      \
    X(PAGE_BYTES, "delayline_page_bytes", METRIC_GAUGE, "Envelopes read and not yet sent")         \
    X(UNREADABLE, "delayline_unreadable_items_total", METRIC_COUNTER,                              \
      "Envelopes that could not be read and were forwarded as they are")                           \
    X(FOREIGN_ITEMS, "delayline_foreign_items_total", METRIC_COUNTER,                              \
      "Items of buckets that are no envelopes and were left alone")                                \
    X(CLOCK_OFFSET, "delayline_clock_offset_seconds", METRIC_GAUGE,                                \
      "Bounds of true time minus this host's, by the Date of AWS answers")                         \
    X(CLOCK_CORRECTION, "delayline_clock_correction_seconds", METRIC_GAUGE,                        \
      "Added to this host's clock for judging due times")

#endif
