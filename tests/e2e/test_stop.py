"""SIGTERM under load: drains, exits 0 within 10 s, nothing lost, nothing duplicated."""

import signal
import time

import pytest
import stack as s


@pytest.mark.parametrize("name", ["router", "scheduler", "relay"])
def test_sigterm_under_load(new_stack, name):
    stack = new_stack()
    replica = stack.start(name)
    replica.wait_ready()
    rate = 1000 if s.VARIANT == "release" else 200
    run = stack.load(rate * 12, rate, "0..10s")
    s.wait_until("load under way", 20, lambda: replica_is_busy(stack, name))
    time.sleep(4)  # the load's own time, in which both replicas work
    code, seconds = replica.stop()
    assert code == 0, replica.log_path.read_text()[-3000:]
    assert seconds < 10
    code, report = run.verdict()
    assert code == 0 and s.clean(report), report


def replica_is_busy(stack, name):
    return sum(s.metrics(a).get("process_cpu_seconds_total", 1) for a in stack.admins(name)) > 0


@pytest.mark.parametrize("name", ["router", "scheduler", "relay"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_idle_stop_is_clean(fast_stack, name, number):
    replica = fast_stack.start(name)
    replica.wait_ready()
    code, seconds = replica.stop(number)
    assert code == 0, replica.log_path.read_text()[-3000:]
    assert seconds < 10
