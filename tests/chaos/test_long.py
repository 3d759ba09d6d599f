"""Outages at a rate that counts (F49), and a soak (F44). Lengths and rates by CHAOS_OUTAGE_S, CHAOS_OUTAGE_RATE,
CHAOS_SOAK_S, CHAOS_SOAK_RATE; make chaos-full takes those of the promise."""

import os
import pathlib
import statistics
import time

import pytest

import chaos
import stack as s

pytestmark = pytest.mark.alone

OUTAGE_S = int(os.environ.get("CHAOS_OUTAGE_S", 12))
OUTAGE_RATE = int(os.environ.get("CHAOS_OUTAGE_RATE", 500))
SOAK_S = int(os.environ.get("CHAOS_SOAK_S", 60))
SOAK_RATE = int(os.environ.get("CHAOS_SOAK_RATE", 1000))
STEADY_S = 10
CALLS_TIMES = 1.5
GOODPUT_LEAST = 0.95


class Calls:
    """How many calls a second the emulator has been asked, second by second."""

    def __init__(self, stack):
        self.stack, self.seen = stack, []

    def watch(self, seconds):
        """The calls a second meanwhile."""
        before, began = self.total(), time.monotonic()
        chaos.last_for(seconds)
        return (self.total() - before) / (time.monotonic() - began)

    def watch_peak(self, done):
        """The busiest second until done."""
        peak = 0
        while not done():
            peak = max(peak, self.watch(1))
        return peak

    def total(self):
        operations = self.stack.emulator("/_emulator/stats")["operations"]
        return sum(each["calls"] for each in operations.values())


@pytest.mark.parametrize("what", ["sqs", "dynamodb", "kafka"])
def test_outage(new_stack, what):
    stack = new_stack(settings=chaos.SETTINGS)
    seconds = 2 * STEADY_S + 4 * OUTAGE_S
    trial = chaos.Trial(stack, seconds=seconds, rate=OUTAGE_RATE)
    trial.wait_for_deliveries(OUTAGE_RATE * 2)
    calls = Calls(stack)
    chaos.last_for(STEADY_S)
    steady = calls.watch(STEADY_S)
    cost = OUTAGE_RATE * chaos.UNCOMMITTED_S if what == "kafka" else 0
    with trial.fault(f"{what} down", chaos.ROUTER_WAIT_S, cost):
        down = interrupt(stack, what, calls)
    end = time.monotonic() + 2 * OUTAGE_S
    busiest = calls.watch_peak(lambda: time.monotonic() > end)
    report = trial.verdict(
        f"{what} down for {OUTAGE_S} s at {OUTAGE_RATE}/s: calls/s steady {steady:.0f}, down {down:.0f}, "
        f"after at most {busiest:.0f}"
    )
    assert report["faults"]["recovered_after_ms"] <= 2 * OUTAGE_S * 1000
    assert max(down, busiest) <= CALLS_TIMES * steady
    assert report["faults"]["after_ms"]["p99"] <= max(50, 2 * report["faults"]["before_ms"]["p99"])


def interrupt(stack, what, calls):
    """The calls a second during an outage."""
    if what == "kafka":
        stack.broker_down()
    else:
        chaos.fail(stack, chaos.SQS if what == "sqs" else chaos.DYNAMODB, action="error", status=503)
    down = calls.watch(OUTAGE_S)
    if what == "kafka":
        stack.broker_up()
    else:
        chaos.heal(stack)
    return down


def sizes(pid):
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    resident = int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1])
    return resident, len(os.listdir(f"/proc/{pid}/fd"))


def test_soak(new_stack):
    """Resident memory and descriptors of the first third against the last."""
    stack = new_stack(settings=chaos.SETTINGS)
    pids = {name: int((stack.directory / f"{name}-1.pid").read_text()) for name in ("router", "scheduler", "relay")}
    warm_s = 15  # the longest delay, and what is read ahead
    trial = chaos.Trial(stack, seconds=SOAK_S + warm_s, rate=SOAK_RATE)
    chaos.last_for(warm_s)
    samples = {name: [] for name in pids}
    end = time.monotonic() + SOAK_S
    while time.monotonic() < end:
        for name, pid in pids.items():
            samples[name].append(sizes(pid))
        chaos.last_for(0.5)
    report = trial.verdict(f"soak of {SOAK_S} s at {SOAK_RATE}/s")
    assert report["duplicated"] == 0
    grown = []
    for name, seen in samples.items():
        third = len(seen) // 3
        for index, unit in enumerate(("KiB", "descriptors")):
            first = statistics.mean(sample[index] for sample in seen[:third])
            last = statistics.mean(sample[index] for sample in seen[-third:])
            print(f"{name}: {first:.0f} {unit}, then {last:.0f}")
            if last > 1.05 * first:
                grown.append(f"{name}: {first:.0f} to {last:.0f} {unit}")
    assert not grown
