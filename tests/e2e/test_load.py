"""load, when it is not left to finish: it tells what was outstanding and claims no loss."""

import fcntl
import os
import pty
import re
import signal
import struct
import subprocess
import termios

import pytest
import stack as s


def arguments(records, delay):
    return [s.BIN / "load", "--records", str(records), "--rate", "500", "--delay", delay]


def taken(stack):
    return sum(
        value
        for admin in stack.admins("router")
        for name, value in s.metrics(admin).items()
        if name.startswith("delayline_records_taken_total")
    )


@pytest.mark.parametrize("number,code", [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_interrupted(fast_stack, number, code):
    before = taken(fast_stack)
    run = fast_stack.load(2000, 500, "3s..5s")
    s.wait_until("records are taken", 20, lambda: taken(fast_stack) > before + 100)
    run.process.send_signal(number)
    output, _ = run.process.communicate(timeout=20)
    assert run.process.returncode == code, output
    outstanding = re.search(r"interrupted by (\w+): (\d+) of 2000 records were sent; outstanding (\d+)", output)
    assert outstanding and outstanding[1] == number.name and int(outstanding[3]) > 0, output
    assert "lost 0," in output and "NOT CLEAN" not in output, output


def test_on_a_terminal(fast_stack):
    """The line of progress is drawn over and over, and stays within the window."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 60, 0, 0))
    run = subprocess.Popen(
        arguments(300, "0..2s"), env={**os.environ, **fast_stack.env}, stdout=slave, stderr=slave, stdin=slave
    )
    os.close(slave)
    text = b""
    while True:
        try:
            part = os.read(master, 4096)
        except OSError:  # the other end is closed
            break
        text += part
    os.close(master)
    assert run.wait(timeout=20) == 0, text
    lines = text.decode().replace("\r\n", "\n").split("\n")
    drawn = next(line for line in lines if "\r" in line)
    assert all(len(frame) < 60 for frame in drawn.split("\r")), drawn
    assert "\x1b" not in drawn and "delivered 300" in drawn.split("\r")[-1]
    assert "verdict: clean" in lines


@pytest.mark.parametrize(
    "wrong,code,text",
    [
        (["--records"], 64, "a value is missing after: --records"),
        (["--wreckords", "1"], 64, "unknown option: --wreckords"),
        (["--report", "/nowhere/report.json"], 73, "/nowhere/report.json: No such file"),
    ],
)
def test_wrong_arguments(wrong, code, text):
    run = subprocess.run(
        [*arguments(1, "0..1s"), "--bootstrap", "127.0.0.1:1", *wrong], capture_output=True, text=True, timeout=10
    )
    assert run.returncode == code and text in run.stderr, run.stderr
