"""How cost goes with the size of records and the spread of their delays, and speed with the number of replicas."""

import time

import cost
import rig
import stack as s

RATE, SECONDS = 10_000, 8
BYTES_A_SECOND_MAX = 20 << 20
SIZES = (100, 300, 1024, 4096, 16384, 65536)
SPREADS = ("0s", "10s", "1m", "10m", "1h", "1d", "7d")
PATHS = {"short": "10m..10m", "long, one delay": "1h..1h", "long, over 7 days": "1h..169h"}


def storing(size, delay):
    """USD that the router pays to store a million records that come at RATE, or as 20 MiB/s if that is less."""
    rate = min(RATE, BYTES_A_SECOND_MAX // size)
    records = rate * SECONDS
    with rig.devstack(delay_partitions=rig.partitions_for(records, size)) as dev:
        router = dev.start("router")
        router.wait_ready()
        before = rig.counts(dev.stats())
        dev.feed(records, size, delay, "--rate", rate)
        router.wait_for(records, 120, "delayline_records_total", 'outcome="stored"')
        return cost.usd(rig.difference(rig.counts(dev.stats()), before)) / records * 1e6


def shape_part(report, effort):
    sizes = SIZES[::2] if effort.quick else SIZES
    spreads = SPREADS[::3] if effort.quick else SPREADS
    by_size = {path: {size: storing(size, delay) for size in sizes} for path, delay in PATHS.items()}
    by_spread = {spread: storing(1024, f"1h..{seconds(spread) + 3600}s") for spread in spreads}
    report.add("usd_per_million_stored_1kb", [by_spread[spreads[0]]], by_size=by_size, by_spread=by_spread)


def seconds(text):
    return int(text[:-1]) * {"s": 1, "m": 60, "h": 3600, "d": 86400}[text[-1]]


def routers(records, size, replicas):
    """(records a second, records a core second) of so many routers; from the first record stored to the last."""
    with rig.devstack(delay_partitions=rig.partitions_for(records, size)) as dev:
        dev.feed(records, size, "10m..10m")
        programs = [dev.start("router") for _ in range(replicas)]

        def stored():
            return sum(program.total("delayline_records_total", 'outcome="stored"') for program in programs)

        s.wait_until("the first record", 30, stored, 0.02)
        began, already = time.monotonic(), stored()
        s.wait_until("all records", 120, lambda: stored() == records, 0.1)
        elapsed = time.monotonic() - began
        return (records - already) / elapsed, records / sum(program.cpu_seconds() for program in programs)


def replicas_part(report, effort):
    records = effort.records(400_000)
    curve = {count: routers(records, 1024, count) for count in (1, 2, 4)}
    report.add("router_2_replicas_speedup", [curve[2][0] / curve[1][0]], records=records, value_bytes=1024,
               records_per_second={count: pair[0] for count, pair in curve.items()},
               records_per_core_second={count: pair[1] for count, pair in curve.items()})  # fmt: skip


PARTS = {"shape": shape_part, "replicas": replicas_part}
