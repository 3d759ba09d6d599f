"""Answers that end after k bytes, for every k, by FIN and by RST (F08)."""

import os

import pytest

import chaos
import stack as s

OFFSETS = int(os.environ.get("CUT_OFFSETS", 600))
OPERATIONS = (
    "SendMessageBatch",
    "ReceiveMessage",
    "DeleteMessageBatch",
    "ChangeMessageVisibilityBatch",
    "BatchWriteItem",
    "Query",
    "UpdateItem",
    "GetItem",
)
# Nothing waits for company: many small calls.
MANY_CALLS = {
    "DELAYLINE_ROUTER_LINGER_MIN": "0ms",
    "DELAYLINE_ROUTER_LINGER_MAX": "0ms",
    "DELAYLINE_ROUTER_BATCH_LINGER": "0ms",
    "DELAYLINE_SCHEDULER_LINGER": "0ms",
    "DELAYLINE_SCHEDULER_CURSOR_INTERVAL": "0ms",
    "DELAYLINE_RELAY_LINGER": "0ms",
    "DELAYLINE_SHARDS": "32",
}


@pytest.mark.long
def test_cut_at_every_byte(new_stack):
    stack = new_stack(settings={**chaos.SETTINGS, **MANY_CALLS})
    seconds = OFFSETS / 4
    trial = chaos.Trial(stack, seconds=seconds)
    trial.wait_for_deliveries(100)
    faults = [
        {"operation": name, "action": "truncate", "at": 0, "step": 1, "count": OFFSETS, "per_mille": 200, "reset": reset}
        for name in OPERATIONS
        for reset in (False, True)
    ]
    with trial.aws_fault("cut answers", most=trial.to_table(seconds) * chaos.UNLUCKY_SHARE):
        stack.emulator("/_emulator/faults", {"seed": 1, "faults": faults}, "POST")
        s.wait_until("a cut at every offset", 2 * seconds, lambda: is_complete(stack), 0.2)
        fired = chaos.heal(stack)
    trial.verdict(f"{sum(fired)} answers cut, each of {len(OPERATIONS)} operations at {OFFSETS} places in two ways")


def is_complete(stack):
    faults = stack.emulator("/_emulator/stats")["faults"]
    print("cut:", ", ".join(f"{fault['operation']} {fault['fired']}" for fault in faults))
    return min(fault["fired"] for fault in faults) >= OFFSETS
