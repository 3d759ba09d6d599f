/* The relay's metrics: X(ID, TYPE, name, help). Series and labels stand in relay_shell_metrics.c,
 * with the histogram of the delay error; the core's counters (RELAY_COUNTERS) are
 * delayline_<name>_total each. */
#ifndef RELAY_METRICS_H
#define RELAY_METRICS_H

#define RELAY_METRICS(X)                                                                           \
    X(RECORDS, COUNTER, "delayline_records_total",                                                 \
      "Records by path and outcome: emitted, delivered (confirmed by Kafka), dead_lettered.")      \
    X(ENVELOPES, COUNTER, "delayline_envelopes_total", "Envelopes by path and outcome.")           \
    X(DEAD_LETTERS, COUNTER, "delayline_dead_letters_total",                                       \
      "Records and messages that were refused for good, by code.")                                 \
    X(HELD_ENVELOPES, GAUGE, "delayline_held_envelopes", "Messages in memory.")                    \
    X(HELD_RECORDS, GAUGE, "delayline_held_records",                                               \
      "Records in memory that Kafka has not confirmed.")                                           \
    X(HELD_BYTES, GAUGE, "delayline_held_bytes", "Memory of held envelopes.")                      \
    X(BUDGET_BYTES, GAUGE, "delayline_budget_bytes", "What held envelopes may take.")              \
    X(BUDGET_USED, GAUGE, "delayline_budget_used_bytes",                                           \
      "Memory of held envelopes, and what is kept free for unpacking them.")                       \
    X(IN_FLIGHT, GAUGE, "delayline_in_flight_records",                                             \
      "Records that wait for Kafka's report or for their next try.")                               \
    X(KAFKA_PENDING, GAUGE, "delayline_kafka_pending_records", "Records in Kafka's queue.")        \
    X(KAFKA_FULL, GAUGE, "delayline_kafka_queue_full", "1 while Kafka's queue is full.")           \
    X(POLLS, GAUGE, "delayline_polls", "Receive calls under way, by path.")                        \
    X(QUEUE_FAILING, GAUGE, "delayline_queue_failing",                                             \
      "1 while receiving from the queue fails, by path.")

#endif
