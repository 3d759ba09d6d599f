"""Reads and writes that move one byte, waits that are interrupted (F46); threads that cannot be had (F45)."""

import time

import pytest
import stack as s

pytestmark = [
    pytest.mark.skipif(s.VARIANT not in ("release", "debug", "chaos"), reason="a sanitizer wants to be first"),
    pytest.mark.embedded("a byte at a time takes long enough"),
]
PROGRAMS = ("router", "scheduler", "relay")


@pytest.mark.alone
def test_one_byte_at_a_time(new_stack, shim):
    stack = new_stack(routers=0, schedulers=0, relays=0)
    programs = [stack.start(name, **shim) for name in PROGRAMS]
    for program in programs:
        program.wait_ready(30)
        assert "shim is there" in program.log_path.read_text()
    code, report = stack.load(200, 50, "0..9s").verdict()
    assert code == 0 and s.clean(report), report
    for program in programs:
        assert program.stop(seconds=20)[0] == 0


@pytest.mark.parametrize("threads", range(5))
@pytest.mark.parametrize("name", PROGRAMS)
def test_few_threads(fast_stack, shim, name, threads):
    """It says so and ends, or waits without being ready, or has enough of them; it never crashes."""
    program = fast_stack.start(name, **shim, THREADS_MAX=str(threads))
    end = time.monotonic() + 3
    while program.process.poll() is None and time.monotonic() < end:
        time.sleep(0.02)
    code = program.process.poll()
    if code is None:
        code, _ = program.stop(seconds=15)
        assert code == 0, program.log_path.read_text()[-2000:]
    else:
        assert 0 < code < 100, program.log_path.read_text()[-2000:]
        assert any("thread" in str(event) for event in program.events()), program.log_path.read_text()[-2000:]
