/* The router's metrics: X(ID, TYPE, name, help). Series and their labels stand in
 * router_shell_metrics.c. */
#ifndef ROUTER_ROUTER_METRICS_H
#define ROUTER_ROUTER_METRICS_H

#define ROUTER_METRICS(X)                                                                          \
    X(RECORDS, COUNTER, "delayline_records_total",                                                 \
      "Records by path and outcome: stored is acknowledged by SQS or DynamoDB.")                   \
    X(RECORDS_TAKEN, COUNTER, "delayline_records_taken_total", "Records taken in.")                \
    X(RECORD_BYTES, COUNTER, "delayline_record_bytes_total",                                       \
      "Bytes of records taken in, as packed before compression.")                                  \
    X(DEAD_LETTERS, COUNTER, "delayline_dead_letters_total",                                       \
      "Records and messages that were refused for good, by code.")                                 \
    X(DEAD_LETTERED, COUNTER, "delayline_dead_lettered_total",                                     \
      "Records that the dead-letter topic has confirmed.")                                         \
    X(DEAD_LETTER_FAILURES, COUNTER, "delayline_dead_letter_failures_total",                       \
      "Attempts to dead-letter that failed or have an unknown outcome.")                           \
    X(LARGE, COUNTER, "delayline_large_records_total", "Records stored in parts.")                 \
    X(PARTS, COUNTER, "delayline_blob_parts_stored_total", "Parts of large records stored.")       \
    X(ENVELOPES, COUNTER, "delayline_envelopes_total", "Envelopes by path and outcome.")           \
    X(FRAME_BYTES, COUNTER, "delayline_frame_bytes_total", "Bytes of frames after compression.")   \
    X(EVICTED, COUNTER, "delayline_envelopes_evicted_total",                                       \
      "Envelopes closed early because too many were open.")                                        \
    X(FALLBACKS, COUNTER, "delayline_fallback_envelopes_total",                                    \
      "Long envelopes that took the short path because their bucket had come too near.")           \
    X(FALLBACK_RECORDS, COUNTER, "delayline_fallback_records_total", "Records in those.")          \
    X(LATE_ACKS, COUNTER, "delayline_late_acknowledgements_total",                                 \
      "Of those, acknowledged by the table after the cut-off: possible duplicates.")               \
    X(REPLAYS, COUNTER, "delayline_replayed_records_total",                                        \
      "Records that came again within an assignment and were ignored.")                            \
    X(STRAYS, COUNTER, "delayline_stray_records_total",                                            \
      "Records of partitions that are not ours, or after the stop; left to others.")               \
    X(ABANDONED, COUNTER, "delayline_abandoned_records_total",                                     \
      "Records in flight when their partition went: possible duplicates.")                         \
    X(SENDS_FAILED, COUNTER, "delayline_send_failures_total",                                      \
      "Entries of sends that were not acknowledged, by service and reason.")                       \
    X(COMMITS, COUNTER, "delayline_commits_total", "Offset commits by outcome.")                   \
    X(PAUSES, COUNTER, "delayline_pauses_total", "Times that consuming was paused.")               \
    X(FOREIGN, COUNTER, "delayline_foreign_completions_total",                                     \
      "Completions that nobody waited for; should hardly ever happen.")                            \
    X(IN_FLIGHT_RECORDS, GAUGE, "delayline_in_flight_records",                                     \
      "Records taken whose offset cannot be committed yet.")                                       \
    X(IN_FLIGHT_BYTES, GAUGE, "delayline_in_flight_bytes", "Bytes of records not stored yet.")     \
    X(IN_FLIGHT_ENVELOPES, GAUGE, "delayline_in_flight_envelopes", "Open and unstored envelopes.") \
    X(OPEN_ENVELOPES, GAUGE, "delayline_open_envelopes", "Envelopes that wait for company.")       \
    X(CALLS_IN_FLIGHT, GAUGE, "delayline_calls_in_flight", "Calls without an answer, by service.") \
    X(BLOCKED, GAUGE, "delayline_path_blocked",                                                    \
      "1 while a service refuses everything, by service.")                                         \
    X(PAUSED, GAUGE, "delayline_paused", "1 while consuming is paused.")                           \
    X(COMPRESSION, GAUGE, "delayline_compression_ratio",                                           \
      "Encoded size of a raw byte, as learnt for packing.")                                        \
    X(ASSIGNED, GAUGE, "delayline_kafka_partitions_assigned", "Partitions of the delay topics.")   \
    X(LAG, GAUGE, "delayline_kafka_lag_records",                                                   \
      "Records of assigned partitions that were not consumed yet; -1: unknown.")

#endif
