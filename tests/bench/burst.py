"""Records created at once with one delay: all due at one millisecond."""

import pipeline as p
import rig


def burst(records, size, delay_s, rate=0, **settings):
    partitions = rig.partitions_for(records, size)
    with rig.devstack(delay_partitions=partitions, target_partitions=partitions, settings=settings) as dev:
        pipeline = p.Pipeline(dev)
        report = pipeline.load(records, rate, f"{delay_s}s..{delay_s}s", size, "--at-once", "--drain", "120s")
        return p.judged(report)


def burst_1m_part(report, effort):
    records, size, delay_s = effort.records(1_000_000), 100, 60
    reports = [burst(records, size, delay_s) for _ in range(effort.runs(3))]
    conditions = {
        "records": records,
        "value_bytes": size,
        "delay_s": delay_s,
        "emitted_ms_after_due": [r["emission_error_ms"] for r in reports],
        "consumed_ms_after_due": [r["delay_error_ms"] for r in reports],
        "duplicated": [r["duplicated"] for r in reports],
        "cpu_seconds": reports[0]["cpu_seconds"],
        "emulator_cpu_seconds": reports[0]["emulator_cpu_seconds"],
    }
    report.add("burst_1m_last_record_late_ms", [r["emission_error_ms"]["max"] for r in reports], **conditions)
    report.add("burst_1m_last_record_consumed_late_ms", [r["delay_error_ms"]["max"] for r in reports], **conditions)


PARTS = {"burst": burst_1m_part}
