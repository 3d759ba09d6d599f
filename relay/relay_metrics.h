/* The relay's metrics: X(id, type, name, help). Series and labels stand in relay_shell_metrics.c;
 * the core's counters (RELAY_COUNTERS) are delayline_relay_<name>_total each. */
#ifndef RELAY_METRICS_H
#define RELAY_METRICS_H

#define RELAY_METRICS(X)                                                                           \
    X(RECORDS, COUNTER, "delayline_records_total",                                                 \
      "Records by path and outcome: emitted, delivered (confirmed by Kafka), dead_lettered.")      \
    X(ENVELOPES, COUNTER, "delayline_envelopes_total", "Messages received, by path.")              \
    X(DELAY_ERROR, HISTOGRAM, "delayline_delay_error_seconds",                                     \
      "Instant of emission less due time, by path.")                                               \
    X(DEAD_LETTERS, COUNTER, "delayline_dead_letters_total",                                       \
      "Records and messages that were refused for good, by code.")                                 \
    X(HELD_ENVELOPES, GAUGE, "delayline_held_envelopes", "Messages in memory.")                    \
    X(HELD_RECORDS, GAUGE, "delayline_held_records",                                               \
      "Records in memory that Kafka has not confirmed.")                                           \
    X(HELD_BYTES, GAUGE, "delayline_held_bytes", "Memory of held envelopes.")                      \
    X(BUDGET_BYTES, GAUGE, "delayline_budget_bytes", "What held envelopes may take.")              \
    X(IN_FLIGHT, GAUGE, "delayline_in_flight_records",                                             \
      "Records that wait for Kafka's report or for their next try.")                               \
    X(KAFKA_PENDING, GAUGE, "delayline_kafka_pending_records", "Records in Kafka's queue.")        \
    X(KAFKA_FULL, GAUGE, "delayline_kafka_queue_full", "1 while Kafka's queue is full.")           \
    X(POLLS, GAUGE, "delayline_polls", "Receive calls under way, by path.")                        \
    X(QUEUE_FAILING, GAUGE, "delayline_queue_failing",                                             \
      "1 while receiving from the queue fails, by path.")                                          \
    X(CLOCK_CORRECTION, GAUGE, "delayline_clock_correction_seconds",                               \
      "Added to the host's clock, which is wrong by more than 3 s.")                               \
    X(CLOCK_OFFSET_MIN, GAUGE, "delayline_clock_offset_min_seconds",                               \
      "Least that true time can be ahead of the host's clock, by AWS's answers.")                  \
    X(CLOCK_OFFSET_MAX, GAUGE, "delayline_clock_offset_max_seconds",                               \
      "Most that true time can be ahead of the host's clock, by AWS's answers.")

#endif
