"""Start-up, memory at rest, memory of a record that a relay holds."""

import statistics
import time

import alone
import rig

# All records are held within the lead.
LONG_LEAD = {"DELAYLINE_LEAD": "50s", "DELAYLINE_HANDOFF": "2m"}
PROGRAMS = ("router", "scheduler", "relay")


def start_part(report, effort):
    """From the start of the process to the first 200 of /readyz; memory some seconds later."""
    with rig.devstack() as dev:
        for name in PROGRAMS:
            starts, sizes = [], []
            for _ in range(effort.runs()):
                program = dev.start(name)
                starts.append(program.wait_ready() * 1000)
                time.sleep(3)
                sizes.append(rig.rss_mb(program.process.pid))
                program.stop(seconds=30)
            report.add(f"{name}_start_to_ready_ms", starts)
            report.add(f"{name}_idle_rss_mb", sizes)


def held_part(report, effort):
    """Records of 100 B that all lie in the relay's memory: what it has grown by, and what it says of itself."""
    records, size, delay_s = effort.records(500_000), 100, 45
    partitions = rig.partitions_for(records, size)
    runs, said = [], []
    for _ in range(effort.runs(3)):
        with rig.devstack(delay_partitions=partitions, settings=LONG_LEAD) as dev:
            alone.store(dev, records, size, f"{delay_s}s..{delay_s}s", "short")
            program = dev.start("relay", DELAYLINE_RELAY_HOLD="100s")
            program.wait_ready()
            at_rest = rig.rss_mb(program.process.pid)
            program.wait_for(records, delay_s, "delayline_held_records")
            runs.append((rig.rss_mb(program.process.pid) - at_rest) * 2**20 / records)
            said.append(program.total("delayline_held_bytes") / records)
    report.add("relay_bytes_per_held_record", runs, records=records, value_bytes=size,
               by_its_own_account=statistics.median(said))  # fmt: skip


PARTS = {"start": start_part, "held": held_part}
