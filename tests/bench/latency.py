"""How late records are, with the whole pipeline and the generator on the same cores: at the consumer (its wall clock on
receipt) and at emission (the record's timestamp)."""

import contextlib

import pipeline as p
import rig
import stack as s

SIZE, SECONDS = 1024, 15
PATHS = {"short": "1s..4s", "long": "8s..11s"}  # the horizon of s.FAST lies between


# The mock cluster gives one message set of each partition a fetch, and looks for it from the first one on: in few
# partitions sets are larger, and at 5 MiB each old ones go, so that it stays fast. At 10,000/s of 1 KB the consumer's p99
# was 10 ms with 2 partitions, 25 with 8, 71 with 32. What is pending comes through a topic of its own.
PARTITIONS = 2
TOPICS = {"DELAYLINE_DELAY_TOPICS": "delay,pending"}


@contextlib.contextmanager
def pipeline_over(pending):
    """So many records of 100 B wait in the table already, due in an hour to 7 days."""
    more = {"pending": rig.partitions_for(pending, 100)} if pending else {}
    settings = s.FAST | (TOPICS if pending else {})
    with rig.devstack(delay_partitions=PARTITIONS, target_partitions=PARTITIONS, more=more, settings=settings) as dev:
        pipeline = p.Pipeline(dev)
        if pending:
            dev.feed(pending, 100, "1h..7d", "--topic", "pending")
            pipeline.router.wait_for(pending, 300, "delayline_records_total", 'outcome="stored"')
        yield pipeline


def measure(pipeline, rate, delay, size=SIZE, seconds=SECONDS):
    """Percentiles in ms, and CPU seconds."""
    report = p.judged(pipeline.load(rate * seconds, rate, delay, size, "--settle", "1s"))
    return {
        "consumer": report["delay_error_ms"],
        "emit": report["emission_error_ms"],
        "duplicated": report["duplicated"],
        "cpu_seconds": report["cpu_seconds"],
        "emulator_cpu_seconds": report["emulator_cpu_seconds"],
    }


def e2e(report, effort, pending, names):
    """names: figure -> (where, percentile); each the worse of the two paths, the median of the runs."""
    runs = []
    with pipeline_over(pending) as pipeline:
        for _ in range(effort.runs()):
            runs.append({path: measure(pipeline, 10_000, delay) for path, delay in PATHS.items()})
    conditions = {"rate": 10_000, "value_bytes": SIZE, "seconds": SECONDS, "pending": pending, "paths": runs}
    for name, (where, percentile) in names.items():
        report.add(name, [max(run[path][where][percentile] for path in PATHS) for run in runs], **conditions)


def latency_part(report, effort):
    e2e(report, effort, 0, {
        "e2e_10k_delay_error_p50_ms": ("consumer", "p50"),
        "e2e_10k_delay_error_p99_ms": ("consumer", "p99"),
        "emit_delay_error_p99_ms": ("emit", "p99"),
    })  # fmt: skip


def pending_part(report, effort):
    for name, pending in (("100k", 100_000), ("1m", 1_000_000)):
        count = effort.records(pending)
        e2e(report, effort, count, {f"e2e_10k_{name}_pending_delay_error_p99_ms": ("consumer", "p99")})


def load_part(report, effort):
    """The error against the rate, up to what two cores take with everything on them."""
    rates = (1_000, 10_000) if effort.quick else (1_000, 5_000, 10_000, 20_000, 30_000, 40_000)
    for size in (100, SIZE):
        curve = []
        with pipeline_over(0) as pipeline:
            for rate in rates:
                outcome = measure(pipeline, rate, PATHS["short"], size, 10)
                curve.append({"rate": rate, **outcome})
        within = [point["rate"] for point in curve if point["consumer"]["p99"] <= 1000]
        report.add(f"saturation_{size}b_records_per_second", [max(within, default=0)], value_bytes=size, curve=curve)


PARTS = {"latency": latency_part, "pending": pending_part, "load": load_part}
