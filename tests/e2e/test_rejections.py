"""What breaks the contract goes to the dead-letter topic, unchanged, with a stable code; the rest is unaffected."""

import stack as s

FOR = ("delay-for", b"1s")


def cases(target, delay_topic, dead_letter_topic):
    to = ("delay-target", target)
    return {
        "no-target": ([FOR], "target-missing"),
        "internal-target": ([("delay-target", b"__consumer_offsets"), FOR], "target-forbidden"),
        "delay-topic-target": ([("delay-target", delay_topic), FOR], "target-forbidden"),
        "dead-letter-target": ([("delay-target", dead_letter_topic), FOR], "target-forbidden"),
        "outside-allow-list": ([("delay-target", b"secret-topic"), FOR], "target-forbidden"),
        "illegal-target": ([("delay-target", b"../../etc"), FOR], "target-invalid"),
        "empty-target": ([("delay-target", b""), FOR], "target-invalid"),
        "null-target": ([("delay-target", None), FOR], "target-invalid"),
        "no-time": ([to], "time-missing"),
        "both-times": ([to, FOR, ("delay-until", b"1")], "time-ambiguous"),
        "not-a-number": ([to, ("delay-for", b"soon")], "for-invalid"),
        "fraction": ([to, ("delay-for", b"1.5s")], "for-invalid"),
        "negative": ([to, ("delay-for", b"-1")], "for-invalid"),
        "negative-until": ([to, ("delay-until", b"-1")], "until-invalid"),
        "leading-zero": ([to, ("delay-for", b"010")], "for-invalid"),
        "null-time": ([to, ("delay-for", None)], "for-invalid"),
        "bad-date": ([to, ("delay-until", b"2026-02-30T00:00:00Z")], "until-invalid"),
        "bad-month": ([to, ("delay-until", b"2026-13-01T00:00:00Z")], "until-invalid"),
        "local-date": ([to, ("delay-until", b"2026-12-01T00:00:00")], "until-invalid"),
        "too-long": ([to, ("delay-for", b"367d")], "delay-too-long"),
        "far-future": ([to, ("delay-until", b"9999-12-31T23:59:59Z")], "delay-too-long"),
        "space-in-id": ([to, FOR, ("delay-id", b"two words")], "id-invalid"),
        "empty-id": ([to, FOR, ("delay-id", b"")], "id-invalid"),
        "long-id": ([to, FOR, ("delay-id", b"x" * 129)], "id-invalid"),
        "conflict": ([to, FOR, ("delay-for", b"2s")], "header-conflict"),
        "target-conflict": ([to, ("delay-target", b"other"), FOR], "header-conflict"),
    }


LARGE = 1024  # with key and headers more than what is allowed
OVERFLOWS = [b"9223372036854775808", b"18446744073709551615", b"9" * 400, b"106751991168d"]


def test_every_code(new_stack):
    limits = {"DELAYLINE_ROUTER_ALLOWED_TARGETS": "orders*,*-events", "DELAYLINE_ROUTER_MAX_RECORD_BYTES": "1KiB"}
    stack = new_stack(settings={**s.FAST, **limits})
    kafka = s.Kafka(stack)
    all_cases = cases(stack.target.encode(), stack.delay_topic.encode(), stack.dead_letter_topic.encode())
    for i, text in enumerate(OVERFLOWS):
        headers = [("delay-target", stack.target.encode()), ("delay-for", text)]
        all_cases[f"overflow-{i}"] = (headers, ("time-overflow", "delay-too-long", "for-invalid"))
    all_cases["x" * LARGE] = ([("delay-target", stack.target.encode()), FOR], "record-too-large")
    good = 0
    for name, (headers, _) in all_cases.items():
        kafka.send(b"key", name.encode(), [("x", b"\0\xff"), *headers])
        # a good one between the bad ones, each with a repeated header that agrees
        kafka.send(b"g", b"good", [("delay-target", stack.target.encode()), FOR, FOR])
        good += 1

    for message, _ in kafka.read(stack.dead_letter_topic, len(all_cases), 20):
        headers, code = all_cases.pop(message.value().decode())
        assert message.key() == b"key"
        assert message.headers()[: len(headers) + 1] == [("x", b"\0\xff"), *headers]
        assert s.header(message, "delay-error") in (code if isinstance(code, tuple) else (code,)), (
            message.value(),
            s.header(message, "delay-error"),
        )
        assert s.header(message, "delay-error-detail")
    assert not all_cases
    assert len(kafka.read(stack.target, good, 20, lambda m: m.value() == b"good")) == good


def test_defaults_of_a_delay_topic(new_stack):
    settings = {**s.FAST, "DELAYLINE_DELAY_TOPICS": "delay:orders:1500ms"}
    stack = new_stack(settings=settings)
    kafka = s.Kafka(stack)
    kafka.send(value=b"bare")
    [(message, received_ms)] = kafka.read("orders", 1, 20, lambda m: m.value() == b"bare")
    assert received_ms >= int(s.header(message, "delay-due"))
    assert s.header(message, "delay-id") == s.header(message, "delay-source")
