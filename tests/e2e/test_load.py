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


def without(headers, name):
    return [(n, v) for n, v in headers if n != name]


# What a broken Delayline might emit: changes of (topic, key, value, headers), and as what a copy so changed counts.
WRONG = {
    "a copy": (lambda t, k, v, h: (t, k, v, h), ()),
    "another value": (lambda t, k, v, h: (t, k, v[:-1] + b"?", h), ("corrupted",)),
    "a value cut short": (lambda t, k, v, h: (t, k, v[:-1], h), ("corrupted",)),
    "another key": (lambda t, k, v, h: (t, b"another", v, h), ("corrupted",)),
    "headers in another order": (lambda t, k, v, h: (t, k, v, h[::-1]), ("corrupted",)),
    "a header too many": (lambda t, k, v, h: (t, k, v, [*h, ("delay-for", b"1s")]), ("corrupted",)),
    "no source": (lambda t, k, v, h: (t, k, v, without(h, "delay-source")), ("corrupted",)),
    "another due time": (
        lambda t, k, v, h: (t, k, v, [(n, b"1" if n == "delay-due" else x) for n, x in h]),
        ("corrupted",),
    ),
    "another target": (lambda t, k, v, h: ("orders-1" if t == "orders-0" else "orders-0", k, v, h), ("misrouted",)),
    "a good one refused": (lambda t, k, v, h: ("dead-letter", k, v, [*h, ("delay-error", b"target-refused")]), ("unexpected",)),
    "no reason": (lambda t, k, v, h: ("dead-letter", k, v, h), ("unexpected",)),
}


@pytest.mark.embedded("its targets are made when they are asked for")
def test_it_sees_whatever_is_wrong(fast_stack):
    """One bad copy of each kind beside the right ones."""
    run = fast_stack.load(60, 600, "0..200ms", "--targets", "2", "--poison", "100", "--settle", "3s", "--seed", "1")
    name = re.search(r"run (\w+)", run.process.stdout.readline())[1]
    kafka = s.Kafka(fast_stack)

    def is_of_this_run(message):
        return (s.header(message, "load-id") or "").startswith(name + ":") and message.value()

    good = [each for topic in ("orders-0", "orders-1") for each in kafka.read(topic, 10, 20, is_of_this_run)]
    poison = [message for message, _ in kafka.read(fast_stack.dead_letter_topic, 2, 20, is_of_this_run)]
    expected = {"corrupted": 0, "misrouted": 0, "unexpected": 0}
    for (message, _), (change, counts) in zip(good, WRONG.values()):
        topic, key, value, headers = change(message.topic(), message.key(), message.value(), message.headers())
        topic = fast_stack.dead_letter_topic if topic == "dead-letter" else topic
        kafka.send(key, value, headers, topic=topic)
        for count in counts:
            expected[count] += 1
    # What breaks the contract: delivered, without the headers that are compared and perhaps to another target; and with
    # another reason.
    kafka.send(poison[0].key(), poison[0].value(), poison[0].headers(), topic="orders-0")
    other = [*without(poison[1].headers(), "delay-error"), ("delay-error", b"another")]
    kafka.send(poison[1].key(), poison[1].value(), other, topic=fast_stack.dead_letter_topic)
    code, report = run.verdict()
    assert code == 1 and report["duplicated"] == len(WRONG) + 2 and report["lost"] == 0
    assert report["corrupted"] == expected["corrupted"] + 1 and report["unexpected"] == expected["unexpected"] + 2, report
    assert report["misrouted"] - expected["misrouted"] in (0, 1), report


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
