"""SIGSTOP past lease, visibility and session while another replica works, then SIGCONT (F31)."""

import pytest

import chaos
import stack as s

PAST = {"router": 7, "scheduler": chaos.LEASE_S + 2, "relay": chaos.VISIBILITY_S + 2}

# Between a decision and what comes of it.
POINTS = {
    "router.taken": 300,
    "router.sqs_send": 5,
    "router.sqs_answered": 5,
    "router.table_send": 3,
    "router.table_answered": 3,
    "scheduler.fence_write": 4,
    "scheduler.page_read": 4,
    "scheduler.packs_send": 4,
    "scheduler.cursor_move": 4,
    "scheduler.ticks_delete": 4,
    "relay.message_taken": 10,
    "relay.held": 5,
    "relay.emit": 100,
    "relay.produced": 200,
    "relay.delete": 3,
}


@pytest.mark.parametrize("point", POINTS)
def test_suspended(new_stack, point):
    program = point.split(".")[0]
    stack = new_stack(settings=chaos.SETTINGS)
    victim = chaos.start_beside_another(stack, program, KILL_POINT=f"{point}:{POINTS[point]}:stop")
    trial = chaos.Trial(stack, seconds=9, victim=program)
    begin_ms = s.now_ms()
    with chaos.suspended_at_point(victim):
        cost, wait_s = chaos.cost_of_death(stack, program, trial.rate)
        if program == "router":  # it will join again
            chaos.set_round_trip(stack, chaos.ROUND_TRIP_MS)
        chaos.last_for(PAST[program])
    trial.note(f"SIGSTOP at {point}", begin_ms, s.now_ms(), wait_s, cost)
    trial.verdict(f"stop {point}")
    assert victim.process.poll() is None, victim.log_path.read_text()[-2000:]
    assert has_noticed(victim), "it has not lost what it held"


# Counters that say that what was held belongs to somebody else.
NOTICED = {
    "scheduler": ("delayline_leases_lost_total", "delayline_fence_refusals_total"),
    "relay": (
        "delayline_lapsed_unemitted_total",
        "delayline_lapsed_emitted_total",
        "delayline_receipts_ended_total",
    ),
}


def has_noticed(victim):
    if victim.name == "router":
        return any(e["event"] == "partitions_revoked" and e["lost"] for e in victim.events())
    counted = s.metrics(victim.admin())
    return sum(counted[name] for name in NOTICED[victim.name]) > 0
