"""Names and values made to break out of a log line or a request, and bytes that are no text (F53, F54); much poison (F50)."""

import json
import os

import pytest
import stack as s

NASTY = '\r\nX-Amz-Target: AmazonSQS.PurgeQueue\r\n\0"}\n{"event":"forged"}\x1b[2J\u2028\ufffe'
NOT_UTF8 = b"\xff\xfe\x00\xc3\x28\xed\xa0\x80\xf4\x90\x80\x80\xef\xbf\xbe"


def hostile(target):
    """Headers of records that are delivered, and of records that are refused."""
    to, soon = ("delay-target", target.encode()), ("delay-for", b"300ms")
    long_path = ("delay-for", b"8s")
    names = [("X-Amz-Date", b"19700101T000000Z"), ("Authorization", b"none"), ("Host", b"elsewhere")]
    delivered = {
        "names": [to, soon, *names, (NASTY.replace("\0", ""), NASTY.encode())],
        "names-stored": [to, long_path, *names, (NASTY.replace("\0", ""), NASTY.encode())],
        "bytes": [to, soon, ("b", NOT_UTF8), ("c", None)],
        "bytes-stored": [to, long_path, ("b", NOT_UTF8), ("c", None)],
        "a-thousand": [to, soon, *[(f"h{i}", bytes([i % 256])) for i in range(1000)]],
        "ours": [to, soon, ("delay-due", b"1"), ("delay-source", b"x/0/0"), ("DELAY-ID", b"kept")],
    }
    refused = {
        "target": [("delay-target", NASTY.encode()), soon],
        "target-path": [("delay-target", b"../../" + target.encode()), soon],
        "target-internal": [("delay-target", b"__consumer_offsets"), soon],
        "target-bytes": [("delay-target", NOT_UTF8), soon],
        "time": [to, ("delay-for", NASTY.encode())],
        "time-bytes": [to, ("delay-until", NOT_UTF8)],
        "id": [to, soon, ("delay-id", NASTY.encode())],
        "id-bytes": [to, soon, ("delay-id", NOT_UTF8)],
    }
    return delivered, refused


OURS = ("delay-due", "delay-source", "delay-id", "delay-target", "delay-for", "delay-until")


def test_nothing_breaks_out(new_stack):
    stack = new_stack()
    kafka = s.Kafka(stack)
    delivered, refused = hostile(stack.target)
    for name, headers in {**delivered, **refused}.items():
        kafka.send(NOT_UTF8 + name.encode(), NOT_UTF8, [("case", name.encode()), *headers])
    for message, _ in kafka.read(stack.target, len(delivered), 30):
        name = s.header(message, "case")
        users = [pair for pair in delivered.pop(name) if pair[0] not in OURS]
        assert message.headers()[: len(users) + 1] == [("case", name.encode()), *users]
        assert (message.key(), message.value()) == (NOT_UTF8 + name.encode(), NOT_UTF8)
        assert int(s.header(message, "delay-due")) > 1
        assert s.header(message, "delay-source").startswith(stack.delay_topic + "/")
    for message, _ in kafka.read(stack.dead_letter_topic, len(refused), 30):
        headers = refused.pop(s.header(message, "case"))
        assert message.headers()[1 : len(headers) + 1] == headers
        assert (s.header(message, "delay-error-detail") or "").isprintable()
    assert not delivered and not refused
    for log in stack.directory.glob("r*-1.log"):
        for line in log.read_bytes().split(b"\n")[:-1]:
            assert json.loads(line)["event"] != "forged", line
    for admin in (each for kind in stack.replicas for each in stack.admins(kind)):
        assert not [series for series in s.metrics(admin) if "forged" in series or stack.target in series]
    for request in [] if s.NATIVE else stack.emulator("/_emulator/requests")["requests"]:
        assert request["operation"] != "PurgeQueue"


@pytest.mark.alone
@pytest.mark.embedded("judges times")
def test_a_tenth_is_poison(new_stack):
    """Every one is dead-lettered with its reason, and the good ones are as punctual as without."""
    stack = new_stack()
    records, rate = (600, 100) if s.VARIANT != "release" else (2000, 250)
    late = {}
    for per_mille in ("0", "100"):
        seed = str(int.from_bytes(os.urandom(4), "big"))
        code, report = stack.load(records, rate, "0..9s", "--poison", per_mille, "--seed", seed).verdict()
        assert code == 0 and s.clean(report), report
        late[per_mille] = report["emission_error_ms"]["p90"]
        dead = report["dead_lettered"]
    print(f"p90 late by {late}, {dead} dead-lettered")
    assert dead > records // 20
    assert late["100"] <= max(50, 3 * late["0"])


@pytest.mark.alone
@pytest.mark.embedded("judges times")
def test_a_hot_instant(new_stack):
    """Nine of ten records have one key, one target and one due instant (F48); the others are as punctual as ever."""
    stack = new_stack()
    kafka = s.Kafka(stack)
    due_ms = s.now_ms() + 9000
    hot, others = 2700, 300
    for number in range(hot + others):
        is_hot = number % 10 != 0
        own_ms = due_ms if is_hot else due_ms - 1500 + 10 * (number // 10)
        headers = [
            ("delay-target", stack.target.encode() if is_hot else b"quiet"),
            ("delay-until", str(own_ms).encode()),
        ]
        kafka.producer.produce(stack.delay_topic, key=b"one", value=b"v%d" % number, headers=headers)
        kafka.producer.poll(0)
    assert kafka.producer.flush(10) == 0

    def lateness(topic, count):
        got = [message for message, _ in kafka.read(topic, count, 40)]
        assert len({message.value() for message in got}) == count
        return sorted(message.timestamp()[1] - int(s.header(message, "delay-due")) for message in got)

    late = {topic: lateness(topic, count) for topic, count in ((stack.target, hot), ("quiet", others))}
    print({topic: (ms[len(ms) // 2], ms[-1]) for topic, ms in late.items()})
    assert all(ms[0] >= 0 for ms in late.values()), "early"
    assert late["quiet"][len(late["quiet"]) * 9 // 10] <= 500
