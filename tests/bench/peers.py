"""make bench-peers: the same records through other delay queues and through ours, round by round in one run. Writes
build/bench/peers.md and "peers" of results.json, whole: rows of different runs cannot be compared."""

import argparse
import contextlib
import dataclasses
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from functools import partial

import rig  # first: it makes the modules of tests/e2e importable

import burst
import pipeline as p
import results
import servers
import stack as s

SIZE, DELAY_S, LONG_DELAY_S = 100, 2, 10
RATES = (1_000, 10_000)
PARTITIONS = 2  # as in latency.py
JUDGED = ("lost", "early", "duplicated")
PERCENTILES = ("p50", "p99", "p99_9", "max")


@dataclasses.dataclass(frozen=True)
class Work:
    seconds: int
    burst: int
    burst_delay_s: int


class Ours:
    """Delayline on a devstack, one of each program."""

    durable = "by AWS and Kafka"

    def __init__(self, path):
        self.name = f"Delayline, {path} path"
        self.short = path == "short"

    def check(self):
        pass

    def steady(self, work):
        # The horizon of s.FAST lies between the two delays.
        delay_s = DELAY_S if self.short else LONG_DELAY_S
        with rig.devstack(delay_partitions=PARTITIONS, target_partitions=PARTITIONS, settings=s.FAST) as dev:
            pipeline = p.Pipeline(dev)
            for rate in RATES:
                records, delay = rate * work.seconds, f"{delay_s}s..{delay_s}s"
                report = pipeline.load(records, rate, delay, SIZE, "--settle", "500ms")
                yield rate, outcome_of_ours(report, delay_s)

    def burst(self, work):
        if self.short:
            report = burst.burst(work.burst, SIZE, work.burst_delay_s, 0)
            yield outcome_of_ours(report, work.burst_delay_s) | {"stored_seconds": report["ingest_s"]}


def outcome_of_ours(report, delay_s):
    """Nothing may be lost: if so, it is the mock cluster that keeps 5 MiB a partition and has forgotten the rest."""
    p.judged(report)
    return outcome(report, delay_s, report["cpu_seconds"]) | {
        "stand_ins_cpu_seconds": report["emulator_cpu_seconds"],
        "emission_error_ms": report["emission_error_ms"],
    }


class Peer:
    """serve: a context manager of servers.py that takes a folder and gives a servers.Serving."""

    def __init__(self, name, durable, programs, serve):
        self.name, self.durable, self.programs, self.serve = name, durable, programs, serve

    def check(self):
        for program in self.programs:
            if shutil.which(program) is None:
                raise servers.Missing(f"{program} is not installed")

    @contextlib.contextmanager
    def served(self):
        # Not in /tmp, which may be memory: what is called durable must come to a disk.
        with tempfile.TemporaryDirectory(prefix="peer-", dir=results.FOLDER) as folder, self.serve(folder) as serving:
            yield serving

    def steady(self, work):
        with self.served() as serving:
            for rate in RATES:
                yield rate, self.load(serving, rate * work.seconds, rate, DELAY_S)

    def burst(self, work):
        with self.served() as serving:
            yield self.load(serving, work.burst, 0, work.burst_delay_s, "--at-once")

    def load(self, serving, records, rate, delay_s, *more):
        before = serving.cpu_seconds()
        command = [s.BIN / "peer", serving.dialect, "--bootstrap", serving.address, "--records", records, "--rate", rate]
        command += ["--delay", f"{delay_s}s..{delay_s}s", "--size", SIZE, "--orders", "--settle", "500ms", "--drain", "60s"]
        report = json.loads(servers.run(*command, *more, timeout=600))
        cpu = {name: seconds - before[name] for name, seconds in serving.cpu_seconds().items()}
        return outcome(report, delay_s, cpu) | {"stored_seconds": report["stored_seconds"]}


def outcome(report, delay_s, cpu):
    wrong = {name: report[name] for name in ("corrupted", "unexpected", "refused", "unanswered") if report.get(name)}
    assert not wrong, wrong
    delivering_s = max(report["seconds"] - delay_s, 0.001)
    return {
        "delivered": report["delivered"],
        "records_per_second": report["delivered"] / delivering_s,
        **{name: report[name] for name in JUDGED},
        "delay_error_ms": report["delay_error_ms"],
        "cpu_seconds": cpu,
    }


BEANSTALKD, REDIS, BULLMQ = ("beanstalkd",), ("redis-server",), ("redis-server", "node", "npm")
SYSTEMS = {
    "delayline": (Ours("short"), Ours("long")),
    "beanstalkd": (
        Peer("beanstalkd, no log", "no", BEANSTALKD, servers.beanstalkd),
        Peer("beanstalkd, fsync every 50 ms", "but for 50 ms", BEANSTALKD, partial(servers.beanstalkd, fsync_ms=50)),
        Peer("beanstalkd, fsync each", "on one disk", BEANSTALKD, partial(servers.beanstalkd, fsync_ms=0)),
    ),
    "redis": (
        Peer("Redis ZSET, no AOF", "no", REDIS, servers.redis),
        Peer("Redis ZSET, AOF everysec", "but for 1 s", REDIS, partial(servers.redis, fsync="everysec")),
        Peer("Redis ZSET, AOF always", "on one disk", REDIS, partial(servers.redis, fsync="always")),
    ),
    "bullmq": (Peer("BullMQ, no AOF", "no", BULLMQ, servers.bullmq),),
}


def row(system, load, outcomes):
    """Medians of the runs; what must not happen is added up."""
    last = outcomes[-1]
    per_100k = 100_000 / max(statistics.median(o["delivered"] for o in outcomes), 1)
    told = {
        "system": system.name,
        "durable": system.durable,
        "load": load,
        "runs": outcomes,
        "delay_error_ms": {p: statistics.median(o["delay_error_ms"][p] for o in outcomes) for p in PERCENTILES},
        "records_per_second": statistics.median(o["records_per_second"] for o in outcomes),
        **{name: sum(o[name] for o in outcomes) for name in JUDGED},
        "cpu_seconds_per_100k": {
            name: per_100k * statistics.median(o["cpu_seconds"][name] for o in outcomes) for name in last["cpu_seconds"]
        },
    }
    if "stand_ins_cpu_seconds" in last:
        told["stand_ins_cpu_seconds_per_100k"] = per_100k * statistics.median(o["stand_ins_cpu_seconds"] for o in outcomes)
        told["emission_error_ms"] = {
            p: statistics.median(o["emission_error_ms"][p] for o in outcomes) for p in PERCENTILES
        }
    if "stored_seconds" in last:
        told["stored_seconds"] = statistics.median(o["stored_seconds"] for o in outcomes)
    return told


def load_name(told):
    """How many a second really came through, where that is less than was asked for."""
    rate = told["load"]
    reached = told["records_per_second"]
    return f"{rate:,}" if reached >= 0.95 * rate else f"{rate:,} (only {results.number(round(reached, -2))})"


def cpu_text(told):
    parts = told["cpu_seconds_per_100k"]
    text = results.number(sum(parts.values()))
    if len(parts) > 1:
        text += f" ({', '.join(f'{name} {results.number(value)}' for name, value in parts.items())})"
    if "stand_ins_cpu_seconds_per_100k" in told:
        text += f"; stand-ins {results.number(told['stand_ins_cpu_seconds_per_100k'])}"
    return text


def errors(told, key="delay_error_ms"):
    return [results.number(told[key][name]) for name in PERCENTILES]


def markdown(rows, conditions, skipped):
    counts = ("lost", "early", "twice", "CPU s per 100,000")
    steady = [("system", "durable", "records/s", "p50 ms", "p99", "p99.9", "max", *counts)]
    burst_rows = [("system", "durable", "p50 ms", "last ms", "stored within s", *counts)]
    for told in rows:
        judged = [results.number(told[name]) for name in JUDGED]
        if told["load"] == "burst":
            error = told["delay_error_ms"]
            cells = [results.number(value) for value in (error["p50"], error["max"], told["stored_seconds"])]
            burst_rows.append((told["system"], told["durable"], *cells, *judged, cpu_text(told)))
        else:
            steady.append((told["system"], told["durable"], load_name(told), *errors(told), *judged, cpu_text(told)))
            if "emission_error_ms" in told:
                at = (told["system"] + ", at emission", "", load_name(told), *errors(told, "emission_error_ms"))
                steady.append((*at, "", "", "", ""))
    c = conditions
    lines = [
        f"Values of {SIZE} B, delay {DELAY_S} s (long path: {LONG_DELAY_S} s), {c['seconds']} s at each rate; medians of "
        f"{c['runs']} runs on {c['cores']} cores ({c['cpu']}), {c['date'][:10]}, commit {c['commit']}; "
        f"fdatasync of 4 KB takes {results.number(c['fdatasync_ms'])} ms.",
        "",
        results.grid(steady),
        f"{c['burst']:,} records for one instant, {c['burst_delay_s']} s after they are created:",
        "",
        results.grid(burst_rows),
    ]
    return "\n".join(lines) + "".join(f"\n{line}\n" for line in skipped)


def fdatasync_ms(folder, count=50):
    """Median: whoever waits for the disk waits for this."""
    times = []
    with tempfile.TemporaryFile(dir=folder, buffering=0) as file:
        for _ in range(count):
            began = time.monotonic()
            file.write(bytes(4096))
            os.fdatasync(file.fileno())
            times.append((time.monotonic() - began) * 1000)
    return statistics.median(times)


def available(names):
    """The systems that can be measured, and a line for each that cannot."""
    found, skipped = [], []
    for name in names:
        try:
            for system in SYSTEMS[name]:
                system.check()
            if name == "bullmq":
                servers.fetch_bullmq()
            found += SYSTEMS[name]
        except servers.Missing as reason:
            skip(skipped, name, reason)
    return found, skipped


def skip(skipped, name, reason):
    skipped.append(f"skipped: {name}, {' '.join(str(reason).split())[-300:]}")
    print(skipped[-1], flush=True)


def measure(system, work):
    """(load, outcome) of each."""
    yield from system.steady(work)
    yield from (("burst", result) for result in system.burst(work))


def all_rounds(found, work, runs, skipped):
    """(system, load) -> an outcome a round. A peer that fails is left out; we may not fail."""
    outcomes = {}
    for number in range(1, runs + 1):
        for system in list(found):
            try:
                for load, result in measure(system, work):
                    outcomes.setdefault((system, load), []).append(result)
                print(f"{number} of {runs}: {system.name}", flush=True)
            except (AssertionError, subprocess.TimeoutExpired) as failure:
                if isinstance(system, Ours):
                    raise
                skip(skipped, system.name, failure)
                found.remove(system)
                outcomes = {key: of_all for key, of_all in outcomes.items() if key[0] is not system}
    return outcomes


def main():
    parser = argparse.ArgumentParser(prog="tests/bench/run peers")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=10, help="at each rate")
    parser.add_argument("--burst", type=int, default=100_000, help="records")
    parser.add_argument("--burst-delay", type=int, default=20, help="seconds; storing should take less")
    parser.add_argument("names", nargs="*", metavar="PEER", help=f"of: {' '.join(SYSTEMS)} (default: all; ours always)")
    options = parser.parse_args()
    if unknown := set(options.names) - set(SYSTEMS):
        parser.error(f"{', '.join(sorted(unknown))}: the peers are {' '.join(SYSTEMS)}")
    report = results.Report(" ".join(["tests/bench/run peers", *sys.argv[1:]]))
    work = Work(options.seconds, options.burst, options.burst_delay)
    found, skipped = available([name for name in SYSTEMS if name in ("delayline", *(options.names or SYSTEMS))])
    conditions = {**report.conditions, **dataclasses.asdict(work), "runs": options.runs}
    conditions["fdatasync_ms"] = fdatasync_ms(results.FOLDER)
    outcomes = all_rounds(found, work, options.runs, skipped)
    loads = (*RATES, "burst")
    rows = [row(*key, outcomes[key]) for key in sorted(outcomes, key=lambda key: loads.index(key[1]))]
    report.replace(peers={"conditions": conditions, "rows": rows, "skipped": skipped})
    text = markdown(rows, conditions, skipped)
    (results.FOLDER / "peers.md").write_text(text)
    print(f"\n{text}\n{(results.FOLDER / 'peers.md').relative_to(s.ROOT)}, and peers of results.json beside it")


if __name__ == "__main__":
    main()
