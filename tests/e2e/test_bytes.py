"""Bytes in = bytes out, on the short and on the long path."""

import os
import random

import pytest
import stack as s

EVERY_BYTE = bytes(range(256))
RANDOM = random.Random(7)

CASES = {
    "null_key": dict(key=None, value=b"value"),
    "null_value": dict(key=b"key", value=None),
    "null_key_and_value": dict(key=None, value=None),
    "empty_value": dict(key=b"", value=b""),
    "one_mebibyte_random": dict(key=b"big", value=RANDOM.randbytes(1048576)),
    "just_inline": dict(key=b"k", value=RANDOM.randbytes(250000)),
    "just_over_inline": dict(key=b"k", value=RANDOM.randbytes(263000)),
    "every_byte": dict(key=EVERY_BYTE, value=EVERY_BYTE, headers=[("h", EVERY_BYTE), ("empty", b"")]),
    "null_header": dict(value=b"v", headers=[("nothing", None), ("", b"empty name")]),
    "case_matters": dict(value=b"v", headers=[("DELAY-FOR", b"99999"), ("Delay-Until", b"-5")]),
    "our_own_names": dict(value=b"v", headers=[("delay-error", b"kept"), ("Content-Length\r\nX: y", b"\0")]),
    "two_hundred_headers": dict(
        key=b"k",
        value=b"v",
        headers=[(f"name-{i % 50}", RANDOM.randbytes(i)) for i in range(200)],
    ),
    "megabyte_header": dict(value=b"v", headers=[("large", RANDOM.randbytes(900000))]),
}


@pytest.mark.parametrize("path", ["short", "long"])
def test_bytes_in_are_bytes_out(fast_stack, path):
    kafka = s.Kafka(fast_stack)
    sent = {}
    delay = {"short": "1500ms", "long": "8s"}[path]
    for name, case in CASES.items():
        users = [("case", f"{path}-{name}".encode())] + case.get("headers", [])
        # ours stand in the middle: the order of the users' must survive
        steering = [("delay-target", fast_stack.target.encode()), ("delay-for", delay.encode())]
        headers = users[:1] + steering[:1] + users[1:] + steering[1:]
        kafka.send(case.get("key"), case["value"], headers)
        sent[f"{path}-{name}"] = (case, users)

    got = kafka.read(fast_stack.target, len(sent), 40, lambda m: (s.header(m, "case") or "").startswith(path))
    for message, _ in got:
        name = s.header(message, "case")
        case, users = sent.pop(name)
        assert message.key() == case.get("key"), name
        assert message.value() == case["value"], name
        assert message.headers()[: len(users)] == users, name
        added = message.headers()[len(users) :]
        assert sorted(key for key, _ in added) == ["delay-due", "delay-id", "delay-source"], name
        assert message.timestamp()[1] >= int(s.header(message, "delay-due")), f"{name} is early"
    assert not sent


def test_own_headers_cannot_be_spoofed(fast_stack):
    kafka = s.Kafka(fast_stack)
    mark = os.urandom(8).hex().encode()
    kafka.send(
        value=mark,
        headers=[
            ("delay-due", b"1"),
            ("delay-source", b"elsewhere/0/0"),
            ("delay-target", fast_stack.target.encode()),
            ("delay-for", b"0"),
            ("delay-id", b"mine"),
        ],
    )
    [(message, _)] = kafka.read(fast_stack.target, 1, 15, lambda m: m.value() == mark)
    names = [name for name, _ in message.headers()]
    assert sorted(names) == ["delay-due", "delay-id", "delay-source"]
    assert s.header(message, "delay-id") == "mine"
    assert s.header(message, "delay-source").startswith(fast_stack.delay_topic + "/")
    assert int(s.header(message, "delay-due")) > 1
