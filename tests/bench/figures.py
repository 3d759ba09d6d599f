"""The figures: what each is, its target, and what stands in the way where it is not reached."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Figure:
    unit: str
    what: str
    target: float | None = None
    better: str = "lower"
    limit: str = ""  # said when the target is not reached

    def reached(self, value):
        if self.target is None:
            return None
        return value <= self.target if self.better == "lower" else value >= self.target


def per_core_second(what, target=None, limit=""):
    return Figure("records/core s", what, target, "higher", limit)


def usd(what, target=None, limit=""):
    return Figure("USD", what, target, limit=limit)


def ms(what, target=None, limit=""):
    return Figure("ms", what, target, limit=limit)


MICRO = {
    "sign": "a request of 1 KB: SHA-256 of it, and its signature",
    "pack": "a record of 1 KB into an envelope of 125, compressed",
    "pack_alone": "a record of 1 KB into an envelope of its own",
    "unpack": "a record of 1 KB out of an envelope of 125",
    "base64": "1 KB encoded and decoded",
    "decide": "a record's headers to its due time",
    "router_core": "a record in the router's core, without the bytes",
    "relay_core": "a record in the relay's core, without the bytes",
    "scheduler_core": "an item in the scheduler's core, without the bytes",
}
PROGRAMS = ("router", "scheduler", "relay")
TWO_CORES = "generator, consumer, Kafka's stand-in, AWS's and all programs share the two cores"

FIGURES = {
    "router_same_delay_records_per_core_second": per_core_second(
        "router alone, 1 KB orders, one delay of 10 min: Kafka to SQS",
        200_000,
        "of some 6 us a record, zstd 2.2 and librdkafka's consumer alone 1.7",
    ),
    "router_random_delay_records_per_core_second": per_core_second(
        "router alone, 1 KB orders, uniform over 7 days: Kafka to DynamoDB, an item a record",
        40_000,
        "zstd takes 8 of some 22 us a record, as it is built anew for each",
    ),
    "scheduler_records_per_core_second": per_core_second(
        "scheduler alone, 1 KB orders of one delay: DynamoDB to SQS",
        500_000,
        "JSON and base64 of the query's answer",
    ),
    "scheduler_lone_records_per_core_second": per_core_second(
        "scheduler alone, 1 KB orders, an item a record, as random delays make them"
    ),
    "relay_records_per_core_second": per_core_second(
        "relay alone, 100 B orders: SQS to Kafka, acks=all", 400_000, "librdkafka alone, from memory, takes two thirds of it"
    ),
    "librdkafka_records_per_core_second": per_core_second(
        "librdkafka alone, from memory: the same records to the same Kafka, a bound for the relay"
    ),
    "usd_per_million_short_1kb": usd("short path, 1 KB orders of one delay, 10,000/s", 0.02),
    "aws_calls_per_million_short_1kb": Figure("calls", "the same", 5_000),
    "usd_per_million_short_unpacked": usd("the same with a message a record, in tens (calculated)"),
    "usd_per_million_long_1kb": usd(
        "long path, 1 KB orders of one delay, 10,000/s", 0.25, "what zstd makes of a record is what DynamoDB bills"
    ),
    "aws_calls_per_million_long_1kb": Figure("calls", "the same"),
    "usd_per_million_long_1kb_random_delay": usd(
        "long path, 1 KB orders, an item a record", 0.70, "a write unit a record is $0.625"
    ),
    "usd_per_million_long_1kb_unpacked": usd("an item a record, deletes paid (calculated)"),
    "usd_per_million_long_dynein": usd("Dynein (calculated)"),
    "usd_per_million_eventbridge_scheduler": usd("EventBridge Scheduler to SQS (calculated)"),
    "usd_per_million_stored_1kb": usd("what the router alone pays, long path, orders of one delay"),
    "router_2_replicas_speedup": Figure("times", "two routers against one, on two cores with Kafka's and AWS's stand-in"),
    "idle_usd_per_month": Figure(
        "USD", "AWS requests without traffic: 1 router, 2 schedulers, 8 shards, 1 relay", 5, limit="long polls and ticks"
    ),
    "e2e_10k_delay_error_p50_ms": ms("at the consumer, 10,000/s, the worse of both paths", 1, TWO_CORES),
    "e2e_10k_delay_error_p99_ms": ms("the same", 5, TWO_CORES),
    "emit_delay_error_p99_ms": ms("at emission, the same runs", 1, TWO_CORES),
    "e2e_10k_100k_pending_delay_error_p99_ms": ms("at the consumer, over 100,000 pending records", None, TWO_CORES),
    "e2e_10k_1m_pending_delay_error_p99_ms": ms("at the consumer, over 1,000,000 pending records", 6, TWO_CORES),
    "early_records": Figure("records", "before their time, over all runs that the generator judged", 0),
    "saturation_100b_records_per_second": Figure("records/s", "short path, p99 within a second, all on two cores"),
    "saturation_1024b_records_per_second": Figure("records/s", "the same, 1 KB"),
    "burst_1m_last_record_late_ms": ms(
        "a million records of 100 B for one millisecond: the last one's emission", 2_000, TWO_CORES
    ),
    "burst_1m_last_record_consumed_late_ms": ms("the same: its receipt by the consumer that compares every byte"),
    "burst_10m_lost": Figure("records", "of ten million of 100 B for one millisecond, created at 40,000/s", 0),
    "burst_10m_minutes_to_ingest": Figure("min", "the same: from the first sent to the last stored", 5),
    "burst_10m_relay_rss_mb": Figure("MB", "the same: the relay's most memory, budget 256 MB", 320),
    "burst_10m_last_record_late_ms": ms("the same: the last one's emission"),
    "relay_bytes_per_held_record": Figure("bytes", "growth of the relay's memory a record of 100 B", 160),
    **{f"{name}_start_to_ready_ms": ms(f"{name}: from its start to the first 200 of /readyz", 50) for name in PROGRAMS},
    **{f"{name}_idle_rss_mb": Figure("MB", f"{name}: resident memory at rest", 16) for name in PROGRAMS},
    **{f"{name}_ns": Figure("ns", what) for name, what in MICRO.items() if not name.endswith("_core")},
    **{f"{name}_instructions": Figure("instructions", what) for name, what in MICRO.items()},
}
