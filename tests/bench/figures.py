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


FIGURES = {
    "router_same_delay_records_per_core_second": per_core_second(
        "router alone, 1 KB orders, one delay of 10 min: Kafka to SQS", 200_000, "zstd takes half of the time"
    ),
    "router_random_delay_records_per_core_second": per_core_second(
        "router alone, 1 KB orders, uniform over 7 days: Kafka to DynamoDB, an item a record",
        40_000,
        "zstd and a frame for each record",
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
        "relay alone, 100 B orders: SQS to Kafka, acks=all", 400_000, "librdkafka's work for each message"
    ),
}
