"""SIGTERM under load: drains, exits 0 within 10 s, nothing lost, nothing duplicated."""

import signal

import pytest
import stack as s


# A series that says that a replica has its share of the work.
AT_WORK = {
    "router": "delayline_records_taken_total",
    "scheduler": 'delayline_ticks_total{what="received"}',
    "relay": 'delayline_envelopes_total{path="short",outcome="received"}',
}
SHARE = "delayline_kafka_partitions_assigned"

# A join of the mock cluster takes the session time-out less 1 s, and two follow each other.
QUICK_JOINS = {"KAFKA_PROPERTY_SESSION_TIMEOUT_MS": "3000"}
# The mock cluster refuses a follower whose SyncGroup comes after the leader's, and then commits, too
# (tests/harness/kafka_rig.h). The leader has one more question to ask: with a slow broker it is the later one.
ROUND_TRIP_MS = 150


def value(admin, series):
    return s.metrics(admin).get(series, 0)


def set_round_trip(stack, rtt_ms):
    if not s.NATIVE:
        stack.emulator("/_emulator/kafka", {"do": "broker_rtt", "broker": 1, "rtt_ms": rtt_ms})


def start_beside_another(stack, name):
    """A second replica; of routers, one that has its partitions: no record has come until then."""
    set_round_trip(stack, ROUND_TRIP_MS)
    replica = stack.start(name)
    replica.wait_ready(20)
    if name == "router":
        admin = replica.admin()
        s.wait_until("a share for the second router", 30, lambda: value(admin, SHARE) > 0)
    set_round_trip(stack, 0)
    return replica


@pytest.mark.parametrize("name", AT_WORK)
def test_sigterm_under_load(new_stack, name):
    stack = new_stack()
    replica = start_beside_another(stack, name)
    rate = 1000 if s.VARIANT == "release" else 200
    run = stack.load(rate * 15, rate, "0..10s")
    admin = replica.admin()
    s.wait_until(f"the second {name} at work", 20, lambda: value(admin, AT_WORK[name]) > 0)
    code, seconds = replica.stop()
    assert code == 0, replica.log_path.read_text()[-3000:]
    assert seconds < 10
    code, report = run.verdict()
    assert code == 0 and s.clean(report), report


def join_state(router):
    """What librdkafka last said about the router's place in its group; needs KAFKA_PROPERTY_DEBUG=cgrp."""
    changes = (e["text"] for e in router.events() if e["event"] == "kafka" and e["facility"] == "CGRPJOINSTATE")
    return next((text.split(" -> ")[1].split(" ")[0] for text in reversed(list(changes))), None)


@pytest.mark.embedded("it makes the broker slow; tests/native/test_kafka.py has the real one")
def test_sigterm_of_a_router_while_another_joins(new_stack):
    """What has been stored is committed although the group is between two generations."""
    stack = new_stack(settings={**s.FAST, **QUICK_JOINS, "KAFKA_PROPERTY_DEBUG": "cgrp", "DELAYLINE_LOG_LEVEL": "debug"})
    router = start_beside_another(stack, "router")
    s.wait_until("a settled group", 20, lambda: join_state(router) == "steady")
    rate = 500 if s.VARIANT == "release" else 200
    run = stack.load(rate * 12, rate, "0..8s")
    s.wait_until("records", 20, lambda: value(router.admin(), AT_WORK["router"]) > rate)
    set_round_trip(stack, ROUND_TRIP_MS)
    another = stack.start("router")
    s.wait_until("its own JoinGroup", 20, lambda: join_state(router) == "wait-join", 0.005)
    code, seconds = router.stop()
    assert code == 0, router.log_path.read_text()[-3000:]
    assert seconds < 10
    staying = [*stack.admins("router"), another.admin()]
    everything = int(stack.env["DELAYLINE_STACK_DELAY_PARTITIONS"])
    s.wait_until(
        "a router for every partition", 30, lambda: sum(value(a, SHARE) for a in staying) == everything
    )
    set_round_trip(stack, 0)
    code, report = run.verdict()
    assert code == 0 and s.clean(report), report


@pytest.mark.parametrize("name", ["router", "scheduler", "relay"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_idle_stop_is_clean(fast_stack, name, number):
    replica = fast_stack.start(name)
    replica.wait_ready()
    code, seconds = replica.stop(number)
    assert code == 0, replica.log_path.read_text()[-3000:]
    assert seconds < 10
