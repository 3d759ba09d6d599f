/* The scheduler's metrics beyond the core's counters (SCHEDULER_COUNTERS): X(ID, TYPE, name, help).
 * Series and labels stand in scheduler_shell_metrics.c. */
#ifndef SCHEDULER_METRICS_H
#define SCHEDULER_METRICS_H

#define SCHEDULER_METRICS(X)                                                                       \
    X(SHARDS, GAUGE, "delayline_shards", "Shards in use, as far as this scheduler knows.")         \
    X(SHARDS_HELD, GAUGE, "delayline_shards_held", "Shards whose ticks this one holds.")           \
    X(CURSOR_LAG, GAUGE, "delayline_cursor_lag_seconds",                                           \
      "How far a held shard is behind its plan.")                                                  \
    X(CALLS_IN_FLIGHT, GAUGE, "delayline_calls_in_flight", "Calls without an answer, by service.") \
    X(PAGE_BYTES, GAUGE, "delayline_page_bytes", "Envelopes read and not yet sent.")               \
    X(UNREADABLE, COUNTER, "delayline_unreadable_items_total",                                     \
      "Envelopes that could not be read and were forwarded as they are.")                          \
    X(FOREIGN_ITEMS, COUNTER, "delayline_foreign_items_total",                                     \
      "Items of buckets that are no envelopes and were left alone.")

#endif
