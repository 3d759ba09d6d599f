"""What a million records cost in AWS requests: calls and billable units as the emulator counts them, at list prices."""

import time

import pipeline as p
import rig

# us-east-1, November 2026, USD a million.
SQS_STANDARD, SQS_FIFO, WRITE_UNIT, READ_UNIT = 0.40, 0.50, 0.625, 0.125
WRITES = {"BatchWriteItem", "PutItem", "UpdateItem", "DeleteItem"}
READS = {"Query", "GetItem", "BatchGetItem"}
DESCRIPTIONS = {"DescribeTable", "DescribeTimeToLive", "DescribeEndpoints"}
MONTH_S = 730 * 3600

RATE, SIZE = 10_000, 1024


def usd(counts):
    total = 0
    for name, (_, units, fifo_units) in counts.items():
        if name in WRITES:
            total += units * WRITE_UNIT
        elif name in READS:
            total += units * READ_UNIT
        elif name not in DESCRIPTIONS:
            total += (units - fifo_units) * SQS_STANDARD + fifo_units * SQS_FIFO
    return total / 1e6


def per_million(counts, records):
    """Operation: calls and units a million records."""
    return {name: [round(value / records * 1e6, 1) for value in triple[:2]] for name, triple in counts.items()}


def traffic(settings, delay, records, size=SIZE, rate=RATE):
    with rig.devstack(delay_partitions=16, target_partitions=16, settings=settings) as dev:
        report = p.judged(p.Pipeline(dev).load(records, rate, delay, size))
        return report, report["counts"]


def add_path(report, names, settings, delay, records, what):
    """names: of the price, and of the calls (or None)."""
    outcome, counts = traffic(settings, delay, records)
    conditions = {
        "records": records,
        "rate": RATE,
        "value_bytes": SIZE,
        "delay": delay,
        "settings": settings,
        "calls_and_units_per_million": per_million(counts, records),
        "duplicated": outcome["duplicated"],
        "emulator_cpu_seconds": outcome["emulator_cpu_seconds"],
        "what": what,
    }
    report.add(names[0], [usd(counts) / records * 1e6], **conditions)
    if names[1]:
        report.add(names[1], [sum(calls for calls, _, _ in counts.values()) / records * 1e6], **conditions)


def cost_part(report, effort):
    records = effort.records(400_000)
    add_path(report, ("usd_per_million_short_1kb", "aws_calls_per_million_short_1kb"), {}, "30s..30s", records,
             "the default settings")  # fmt: skip
    add_path(report, ("usd_per_million_long_1kb", "aws_calls_per_million_long_1kb"), {**p.FAST, **p.LINGER}, "40s..40s",
             records, "shortened times; linger as of delays over 100 s")  # fmt: skip
    add_path(report, ("usd_per_million_long_1kb_random_delay", None), {**p.FAST, **p.NO_LINGER}, "40s..60s",
             records // 2, "shortened times; no linger, since of delays spread over 7 days no two meet")  # fmt: skip
    for name, (value, calculation) in COMPARISON.items():
        report.add(name, [value], calculated=calculation)


# What others pay, and what this would be without packing: counted by hand from the same prices.
COMPARISON = {
    "usd_per_million_short_unpacked": (
        0.3 * SQS_STANDARD,
        "a message a record, in tens: sent, received and deleted are 0.3 requests",
    ),
    "usd_per_million_long_1kb_unpacked": (
        2 * 2 * WRITE_UNIT + 0.5 * READ_UNIT + 0.3 * SQS_FIFO,
        "a 1.2 KB item a record, put and deleted (2 write units each), read once (0.5), 0.3 FIFO requests",
    ),
    "usd_per_million_long_dynein": (
        3 * SQS_STANDARD + 3 * WRITE_UNIT + 0.15 * READ_UNIT + SQS_STANDARD,
        "Dynein's code: 3 SQS requests in, put and two conditional writes, a read, a send; its consumer is not counted",
    ),
    "usd_per_million_eventbridge_scheduler": (
        1.0 + 0.2 * SQS_STANDARD,
        "an invocation, and its target queue received and deleted in tens",
    ),
}


def idle_part(report, effort):
    """Two schedulers, a router and a relay with nothing to do, over whole minutes."""
    seconds = 60 if effort.quick else 180
    with rig.devstack(delay_partitions=64) as dev:
        p.Pipeline(dev, schedulers=2)
        time.sleep(60)
        before = rig.counts(dev.stats())
        began = time.monotonic()
        time.sleep(seconds)
        counts = rig.difference(rig.counts(dev.stats()), before)
        elapsed = time.monotonic() - began
    calls = {name: round(triple[0] / elapsed * 3600) for name, triple in counts.items()}
    report.add("idle_usd_per_month", [usd(counts) / elapsed * MONTH_S], seconds=seconds, calls_an_hour=calls,
               shards=8, schedulers=2, routers=1, relays=1)  # fmt: skip


PARTS = {"cost": cost_part, "idle": idle_part}
