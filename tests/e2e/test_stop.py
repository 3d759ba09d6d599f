"""SIGTERM under load: drains, exits 0 within 10 s, nothing lost, nothing duplicated."""

import signal

import pytest
import stack as s


# A series that says that a replica has its share of the work.
AT_WORK = {
    "router": "delayline_kafka_partitions_assigned",
    "scheduler": 'delayline_ticks_total{what="received"}',
    "relay": 'delayline_envelopes_total{path="short",outcome="received"}',
}


@pytest.mark.parametrize("name", AT_WORK)
def test_sigterm_under_load(new_stack, name):
    stack = new_stack()
    replica = stack.start(name)
    replica.wait_ready()
    rate = 1000 if s.VARIANT == "release" else 200
    run = stack.load(rate * 15, rate, "0..10s")
    admin = replica.admin()
    s.wait_until(f"the second {name} at work", 20, lambda: s.metrics(admin).get(AT_WORK[name], 0) > 0)
    code, seconds = replica.stop()
    assert code == 0, replica.log_path.read_text()[-3000:]
    assert seconds < 10
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
