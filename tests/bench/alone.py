"""Each program alone at full speed: its input lies ready, its output goes to the emulator in another process.

Records a core second = records / CPU seconds of the whole process (all threads, user and system) from its birth until
the last record is stored, dispatched or confirmed. So start-up and waiting for the first rebalance are in it, and
neither the generator nor the emulator."""

import time

import rig
import stack as s

TABLE_TIMES = {**s.FAST, "DELAYLINE_HORIZON": "6s"}


def measured(records, program, dev, cpu_before, outcome):
    cpu, wall = outcome
    code, _ = program.stop()
    assert code == 0, program.log_path.read_text()[-2000:]
    return {
        "value": records / cpu,
        "cpu_seconds": cpu,
        "wall_seconds": wall,
        "emulator_cpu_seconds": dev.cpu_seconds() - cpu_before,
    }


def router(records, size, delay):
    """Records in Kafka -> acknowledged by SQS or DynamoDB."""
    with rig.devstack(delay_partitions=rig.partitions_for(records, size)) as dev:
        dev.feed(records, size, delay)
        before = dev.cpu_seconds()
        program = dev.start("router", profile=True)
        outcome = program.wait_for(records, 120, "delayline_records_total", 'outcome="stored"')
        return measured(records, program, dev, before, outcome)


def store(dev, records, size, delay, metric_path, **settings):
    """Feeds through a router that then ends; when the last record is due, epoch seconds."""
    program = dev.start("router", **settings)
    program.wait_ready()
    fed = dev.feed(records, size, delay)
    program.wait_for(records, 120, "delayline_records_total", f'path="{metric_path}"', 'outcome="stored"')
    assert program.stop()[0] == 0
    return fed["end_ms"] / 1000


def scheduler(records, size, delay_s, linger="1s"):
    """Envelopes in the table, all overdue -> acknowledged by the ready queue."""
    partitions = rig.partitions_for(records, size)
    with rig.devstack(delay_partitions=partitions, settings=TABLE_TIMES) as dev:
        lingers = {"DELAYLINE_ROUTER_LINGER_MIN": linger, "DELAYLINE_ROUTER_LINGER_MAX": linger}
        end_s = store(dev, records, size, f"{delay_s}s..{delay_s}s", "long", **lingers)
        items = dev.stats()["tables"]["delayline"]["items"]
        time.sleep(max(0, end_s + delay_s + 0.5 - time.time()))
        before = dev.cpu_seconds()
        program = dev.start("scheduler", profile=True)
        outcome = program.wait_for(records, 120, "delayline_records_total", 'outcome="dispatched"')
        return {**measured(records, program, dev, before, outcome), "items": items}


def relay(records, size, delay_s):
    """Envelopes in the delay queue, all overdue -> confirmed by Kafka."""
    partitions = rig.partitions_for(records, size)
    with rig.devstack(delay_partitions=partitions, target_partitions=partitions) as dev:
        end_s = store(dev, records, size, f"{delay_s}s..{delay_s}s", "short")
        messages = sum(dev.stats()["queues"]["delayline-delay"].values())
        time.sleep(max(0, end_s + delay_s + 0.5 - time.time()))
        before = dev.cpu_seconds()
        program = dev.start("relay", profile=True)
        outcome = program.wait_for(records, 120, "delayline_records_total", 'outcome="delivered"')
        return {**measured(records, program, dev, before, outcome), "messages": messages}


def librdkafka(records, size):
    """The relay's output without a relay: what no relay that stands on librdkafka can pass."""
    with rig.devstack(target_partitions=rig.partitions_for(records, size)) as dev:
        before = dev.cpu_seconds()
        cpu = dev.put("emit", records, size, "0s..0s")["cpu_seconds"]
        return {"value": records / cpu, "cpu_seconds": cpu, "emulator_cpu_seconds": dev.cpu_seconds() - before}


def repeat(report, effort, name, measure, records, **conditions):
    """The figure is the median; CPU and wall time beside it are of the median run."""
    count = effort.records(records)
    runs = sorted((measure(count) for _ in range(effort.runs())), key=lambda run: run["value"])
    median = {key: value for key, value in runs[len(runs) // 2].items() if key != "value"}
    report.add(name, [run["value"] for run in runs], records=count, **conditions, **median)


def router_part(report, effort):
    size, same, spread = 1024, "10m..10m", "1h..7d"
    repeat(report, effort, "router_same_delay_records_per_core_second", lambda n: router(n, size, same), 300_000,
           value_bytes=size, delay=same)  # fmt: skip
    repeat(report, effort, "router_random_delay_records_per_core_second", lambda n: router(n, size, spread), 120_000,
           value_bytes=size, delay=spread)  # fmt: skip


def scheduler_part(report, effort):
    size, delay_s = 1024, 30
    repeat(report, effort, "scheduler_records_per_core_second", lambda n: scheduler(n, size, delay_s), 200_000,
           value_bytes=size)  # fmt: skip
    repeat(report, effort, "scheduler_lone_records_per_core_second", lambda n: scheduler(n, size, delay_s, "0ms"), 80_000,
           value_bytes=size)  # fmt: skip


def relay_part(report, effort):
    size = 100
    repeat(report, effort, "relay_records_per_core_second", lambda n: relay(n, size, 20), 500_000, value_bytes=size)
    repeat(report, effort, "librdkafka_records_per_core_second", lambda n: librdkafka(n, size), 500_000,
           value_bytes=size)  # fmt: skip


PARTS = {"router": router_part, "scheduler": scheduler_part, "relay": relay_part}
