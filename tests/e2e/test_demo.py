"""make demo ends what it started, also on Ctrl-C."""

import os
import signal
import subprocess

import pytest
import stack as s

PROGRAMS = ("devstack", "router-1", "scheduler-1", "relay-1")


class Demo:
    def __init__(self, directory):
        self.directory = directory
        self.output = directory / "output"
        with open(self.output, "wb") as output:
            self.process = subprocess.Popen(
                [s.ROOT / "tests/stack/demo"],
                env={**os.environ, "VARIANT": s.VARIANT, "RUN_DIR": str(directory), "DEMO_SECONDS": "3"},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def pids(self):
        files = [self.directory / f"{name}.pid" for name in PROGRAMS]
        return [int(file.read_text()) for file in files]

    def wait_under_load(self):
        s.wait_until("records under way", 60, lambda: "sent 1" in self.output.read_text(), 0.1)


def is_running(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.fixture
def demo(tmp_path):
    demo = Demo(tmp_path)
    yield demo
    if demo.process.poll() is None:
        os.killpg(demo.process.pid, signal.SIGTERM)
        demo.process.wait(timeout=60)


@pytest.mark.embedded("it is what make demo starts")
@pytest.mark.parametrize("times", [1, 2])
def test_ctrl_c_leaves_nothing_behind(demo, times):
    demo.wait_under_load()
    pids = demo.pids()
    assert all(is_running(pid) for pid in pids)
    for _ in range(times):
        os.killpg(demo.process.pid, signal.SIGINT)
    assert demo.process.wait(timeout=60) == 130, demo.output.read_text()
    assert [pid for pid in pids if is_running(pid)] == []
