"""With the real horizon a record goes where the design says; DelaySeconds stays within 0..900."""

import json
import subprocess

import stack as s

HORIZON_MS = 15 * 60 * 1000


def inspect_delay(*arguments):
    output = subprocess.run([s.BIN / "inspect", "delay", *arguments], capture_output=True, text=True, timeout=10)
    return json.loads(output.stdout)


def test_boundary_to_the_millisecond():
    now = 1_700_000_000_123
    for offset, path in ((-1, "short"), (0, "short"), (1, "long")):
        answer = inspect_delay("--until", str(now + HORIZON_MS + offset), "--now", str(now))
        assert answer["path"] == path and answer["due_ms"] == now + HORIZON_MS + offset
        answer = inspect_delay("--for", str(HORIZON_MS + offset), "--timestamp", str(now), "--now", str(now))
        assert answer["path"] == path


def test_what_is_stored_where(real_stack):
    kafka = s.Kafka(real_stack)
    for delay_ms in (HORIZON_MS - 5000, HORIZON_MS - 1, HORIZON_MS + 60000):
        headers = [("delay-target", real_stack.target.encode()), ("delay-for", str(delay_ms).encode())]
        kafka.send(value=b"x", headers=headers, timestamp_ms=s.now_ms())
    admin = real_stack.admins("router")[0]

    def stored():
        got = s.metrics(admin)
        short = sum(v for k, v in got.items() if k.startswith("delayline_records_total") and "short" in k and "stored" in k)
        long = sum(v for k, v in got.items() if k.startswith("delayline_records_total") and "long" in k and "stored" in k)
        return short == 2 and long == 1

    s.wait_until("two on the short path, one on the long", 15, stored)
