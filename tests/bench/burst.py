"""Records created at once with one delay: all due at one millisecond."""

import pathlib
import re
import threading
import time

import pipeline as p
import rig


class Ingest(threading.Thread):
    """Looks on until the router has stored so many."""

    def __init__(self, router, records):
        super().__init__(daemon=True)
        self.router, self.records, self.seconds = router, records, None
        self.began = time.monotonic()

    def run(self):
        while self.router.total("delayline_records_total", 'outcome="stored"') < self.records:
            time.sleep(0.2)
        self.seconds = time.monotonic() - self.began


def peak_rss_mb(program):
    status = pathlib.Path(f"/proc/{program.process.pid}/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) / 1024


def burst(records, size, delay_s, rate):
    """The generator's report, with how long storing took and what the relay's memory came to."""
    partitions = min(rig.PARTITIONS_MAX, records * (size + rig.RECORD_OVERHEAD) // rig.PARTITION_BYTES + 1)
    with rig.devstack(delay_partitions=partitions, target_partitions=partitions) as dev:
        pipeline = p.Pipeline(dev)
        ingest = Ingest(pipeline.router, records)
        ingest.start()
        delay = f"{delay_s}s..{delay_s}s"
        report = pipeline.load(records, rate, delay, size, "--at-once", "--drain", "120s", timeout=delay_s + 900)
        report["ingest_s"] = ingest.seconds
        report["relay_peak_rss_mb"] = peak_rss_mb(pipeline.relay)
        return report


def conditions(reports, records, size, delay_s):
    return {
        "records": records,
        "value_bytes": size,
        "delay_s": delay_s,
        "emitted_ms_after_due": [r["emission_error_ms"] for r in reports],
        "consumed_ms_after_due": [r["delay_error_ms"] for r in reports],
        "duplicated": [r["duplicated"] for r in reports],
        "cpu_seconds": [r["cpu_seconds"] for r in reports],
        "emulator_cpu_seconds": [r["emulator_cpu_seconds"] for r in reports],
    }


def burst_part(report, effort):
    records, size, delay_s = effort.records(1_000_000), 100, 60
    reports = [p.judged(burst(records, size, delay_s, 0)) for _ in range(effort.runs(3))]
    told = conditions(reports, records, size, delay_s)
    report.add("burst_1m_last_record_late_ms", [r["emission_error_ms"]["max"] for r in reports], **told)
    report.add("burst_1m_last_record_consumed_late_ms", [r["delay_error_ms"]["max"] for r in reports], **told)


def burst_10m_part(report, effort):
    """At 40,000/s, since the mock cluster holds 1.3 GB and the input is more."""
    records, size, delay_s = effort.records(10_000_000), 100, 120 if effort.quick else 420
    outcome = burst(records, size, delay_s, 40_000)
    p.tally["judged"] += outcome["delivered"]
    p.tally["early"] += outcome["early"]
    told = conditions([outcome], records, size, delay_s)
    report.add("burst_10m_lost", [outcome["lost"]], **told)
    report.add("burst_10m_minutes_to_ingest", [outcome["ingest_s"] / 60], **told)
    report.add("burst_10m_relay_rss_mb", [outcome["relay_peak_rss_mb"]], **told)
    report.add("burst_10m_last_record_late_ms", [outcome["emission_error_ms"]["max"]], **told)


PARTS = {"burst": burst_part, "burst10m": burst_10m_part}
