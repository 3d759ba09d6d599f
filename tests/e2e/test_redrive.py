"""deploy/redrive: dead letters go to the delay topic again, as they were, once."""

import re

import pytest
import stack as s
from runbook import TEXT, redrive

KEPT = [("x", b"\0\xff"), ("x", None), ("who", b"producer")]
PRODUCE = 0  # Kafka's number of the request


def lines(stack):
    shown = redrive(stack)
    assert shown.returncode == 0, shown.stderr
    return dict(line.split(": ", 1) for line in shown.stdout.splitlines())


def sent(stack, *arguments):
    done = redrive(stack, *arguments)
    assert done.returncode == 0, done.stderr
    return int(re.search(r"redrive: (\d+) records", done.stdout)[1])


def test_what_broke_the_contract_goes_again_corrected(new_stack):
    stack = new_stack()
    kafka = s.Kafka(stack)
    target = ("delay-target", stack.target.encode())
    kafka.send(b"k", b"no target", [*KEPT, ("delay-for", b"1s")])
    kafka.send(None, None, [target, ("delay-for", b"soon"), ("delay-id", b"mine")])
    kafka.send(b"k", b"twice", [target, ("delay-for", b"1s"), ("delay-until", b"1")])
    letters = {s.header(m, "delay-error"): m for m, _ in kafka.read(stack.dead_letter_topic, 3, 20)}
    assert all(text.startswith("1, not sent again 1;") for text in lines(stack).values())
    assert set(lines(stack)) == {"target-missing", "for-invalid", "time-ambiguous"}

    to_target = ("target-missing", "--set", f"delay-target={stack.target}")
    assert sent(stack, *to_target, "--dry-run") == 1
    assert sent(stack, *to_target) == 1
    assert sent(stack, "for-invalid", "--set", "delay-for=10ms") == 1
    assert sent(stack, "time-ambiguous", "--drop", "delay-until") == 1
    assert sent(stack, *to_target) == 0, "what was sent is not sent again"
    assert all(text.startswith("1, not sent again 0;") for text in lines(stack).values())

    arrived = [m for m, _ in kafka.read(stack.target, 3, 20, settle=1)]
    found = {m.value(): m for m in arrived}
    assert len(arrived) == len(found) == 3
    again = found[b"no target"]
    letter = letters["target-missing"]
    assert again.key() == b"k" and again.headers()[:3] == KEPT
    assert s.header(again, "delay-id") == f"{letter.topic()}/{letter.partition()}/{letter.offset()}"
    # Counted from the record's own timestamp, which it has kept.
    assert int(s.header(again, "delay-due")) == letter.timestamp()[1] + 1000
    assert found[None].key() is None and s.header(found[None], "delay-id") == "mine"
    for message in found.values():
        assert not {name for name, _ in message.headers()} & {"delay-error", "delay-error-detail", "delay-for", "delay-until"}


@pytest.mark.embedded("the mock cluster refuses what it is told to")
def test_what_a_target_refused_goes_again_under_its_id(new_stack):
    stack = new_stack()
    kafka = s.Kafka(stack)
    kafka.send(b"k", b"v", [*KEPT, ("delay-target", stack.target.encode()), ("delay-for", b"3s")])
    router = stack.admins("router")[0]
    stored = 'delayline_records_total{path="short",outcome="stored"}'
    s.wait_until("it is stored", 20, lambda: s.metrics(router).get(stored, 0) == 1)
    refusal = {"do": "request_errors", "api_key": PRODUCE, "errors": ["TOPIC_AUTHORIZATION_FAILED"]}
    stack.emulator("/_emulator/kafka", refusal, "POST")
    ((letter, _),) = kafka.read(stack.dead_letter_topic, 1, 20)
    assert s.header(letter, "delay-error") == "target-unauthorized"
    assert sent(stack, "target-unauthorized") == 1
    ((again, _),) = kafka.read(stack.target, 1, 20, settle=1)
    assert (again.key(), again.value(), again.headers()[:3]) == (b"k", b"v", KEPT)
    for name in ("delay-id", "delay-due"):
        assert s.header(again, name) == s.header(letter, name)
    assert not any(name.startswith("delay-error") for name, _ in again.headers())


def test_the_runbook_uses_it_as_it_is(fast_stack):
    commands = [line.split("#")[0].split() for line in TEXT.splitlines() if line.startswith("deploy/redrive")]
    assert len(commands) > 3
    for _, *arguments in commands:
        done = redrive(fast_stack, *arguments, *([] if not arguments or "--dry-run" in arguments else ["--dry-run"]))
        assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "arguments,reason",
    [(["envelope-corrupt"], "deploy/RUNBOOK.md"), (["x", "--set", "novalue"], "NAME=VALUE"), (["x", "--nonsense"], "--nonsense")],
)
def test_wrong_usage_is_one_line(fast_stack, arguments, reason):
    done = redrive(fast_stack, *arguments)
    assert done.returncode == 64 and reason in done.stderr and len(done.stderr.splitlines()) == 1
