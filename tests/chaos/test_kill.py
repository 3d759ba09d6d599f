"""kill -9 at every named point of each program (F30, F35); another one is started, as a service would be."""

import signal

import pytest

import chaos
import stack as s

# How often a point is passed before it kills: in the middle of the work where it is passed often.
PASSES = {
    "relay.change_visibility": 4,
    "relay.dead_letter_produced": 1,
    "relay.dead_letter_reported": 1,
    "relay.decoded": 10,
    "relay.delete": 3,
    "relay.deleted": 3,
    "relay.emit": 200,
    "relay.emitted": 200,
    "relay.held": 10,
    "relay.message_taken": 20,
    "relay.poll_noted": 10,
    "relay.produced": 500,
    "relay.received": 10,
    "relay.report_noted": 20,
    "relay.reported": 500,
    "relay.started": 1,
    "relay.stopping": 1,
    "relay.visibility_changed": 4,
    "router.assigned": 1,
    "router.committed": 3,
    "router.dead_letter_produced": 5,
    "router.dead_letter_reported": 5,
    "router.envelope_closed": 30,
    "router.left_group": 1,
    "router.offsets_stored": 5,
    "router.polled": 500,
    "router.released": 1,
    "router.revoked": 1,
    "router.sqs_answered": 10,
    "router.sqs_noted": 10,
    "router.sqs_send": 10,
    "router.stopping": 1,
    "router.table_answered": 5,
    "router.table_noted": 5,
    "router.table_send": 5,
    "router.table_set_up": 1,
    "router.taken": 500,
    "scheduler.cursor_move": 5,
    "scheduler.cursor_moved": 5,
    "scheduler.cursor_read": 8,
    "scheduler.fence_write": 8,
    "scheduler.fence_written": 8,
    "scheduler.lease_extended": 3,
    "scheduler.meta_read": 3,
    "scheduler.packs_send": 4,
    "scheduler.packs_sent": 4,
    "scheduler.page_read": 4,
    "scheduler.stopping": 1,
    "scheduler.table_set_up": 1,
    "scheduler.ticks_delete": 4,
    "scheduler.ticks_deleted": 4,
    "scheduler.ticks_received": 5,
    "scheduler.ticks_send": 5,
    "scheduler.ticks_sent": 5,
}
AT_START = ("router.assigned", "router.table_set_up")
AFTER_SIGTERM = (
    "relay.stopping",
    "router.left_group",
    "router.released",
    "router.revoked",
    "router.stopping",
    "scheduler.stopping",
)
POISON = ("router.dead_letter_produced", "router.dead_letter_reported")
REFUSED = ("relay.dead_letter_produced", "relay.dead_letter_reported")
REFUSED_MOST = "20"  # requests refused until it dies, of one record or a few each
PRODUCE = 0  # Kafka's number of the request
PROGRAMS = ("router", "scheduler", "relay")
LATE_MS = chaos.VISIBILITY_S * 1000 + 1000  # P4: a dead relay costs at most its visibility and a second


def test_every_point_has_a_case():
    assert sorted(PASSES) == sorted(name for program in PROGRAMS for name in chaos.kill_points(program))
    for program in PROGRAMS:
        assert len(chaos.kill_points(program)) >= 12


@pytest.mark.parametrize("point", PASSES)
def test_killed(new_stack, point):
    program = point.split(".")[0]
    replicas = {f"{name}s": 0 if name == program else 1 for name in PROGRAMS}
    stack = new_stack(**replicas, settings=chaos.SETTINGS)
    more = ("--poison", "50") if point in POISON else ("--refused", REFUSED_MOST) if point in REFUSED else ()
    victim = stack.start(program, KILL_POINT=f"{point}:{PASSES[point]}")
    if program == "router" and point not in AT_START:
        chaos.wait_for_partitions(victim)
    trial = chaos.Trial(stack, more=more, victim=program)
    if point in AFTER_SIGTERM:
        victim.wait_ready(20)
        trial.wait_for_work(victim)
        victim.process.send_signal(signal.SIGTERM)
    if point in REFUSED:
        refuse_until_it_dies(stack, trial, victim)
    begin_ms = chaos.wait_for_death(victim, signal.SIGKILL, 30)
    cost, wait_s = chaos.cost_of_death(stack, program, trial.rate)
    trial.note(f"kill -9 at {point}", begin_ms, s.now_ms(), wait_s, cost)
    stack.start(program)
    report = trial.verdict(point)
    if program != "router":
        assert report["emission_error_ms"]["max"] <= LATE_MS


def refuse_until_it_dies(stack, trial, victim):
    """Produce requests are refused for good now and then, once load makes none any more."""
    refusal = {"do": "request_errors", "api_key": PRODUCE, "errors": ["TOPIC_AUTHORIZATION_FAILED"]}
    admin = stack.admins("router")[0]
    taken = "delayline_records_taken_total"
    s.wait_until("all records taken", 30, lambda: s.metrics(admin).get(taken, 0) >= trial.records, 0.05)

    def has_ended():
        stack.emulator("/_emulator/kafka", refusal, "POST")
        return victim.process.poll() is not None

    s.wait_until("a record refused", 30, has_ended, 0.5)
    stack.emulator("/_emulator/kafka", {"do": "clear_request_errors", "api_key": PRODUCE}, "POST")
