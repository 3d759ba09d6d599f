"""kcat as producer and consumer, as the README shows it."""

import subprocess

import stack as s


def test_kcat_round_trip(fast_stack):
    due_ms = s.now_ms() + 2500
    subprocess.run(
        ["kcat", "-P", "-b", fast_stack.bootstrap, "-t", fast_stack.delay_topic, "-k", "k",
         "-H", f"delay-target={fast_stack.target}", "-H", f"delay-until={due_ms}", "-H", "who=kcat"],
        input=b"from kcat", check=True, timeout=20,
    )
    kafka = s.Kafka(fast_stack)
    [(message, received_ms)] = kafka.read(fast_stack.target, 1, 20, lambda m: m.value() == b"from kcat")
    assert received_ms >= due_ms and message.timestamp()[1] >= due_ms
    output = subprocess.run(
        ["kcat", "-C", "-e", "-q", "-b", fast_stack.bootstrap, "-t", fast_stack.target, "-o", "beginning", "-f", "%k|%s|%h\n"],
        capture_output=True, check=True, timeout=20, text=True, errors="replace",
    ).stdout
    line = next(line for line in output.splitlines() if line.startswith("k|from kcat|"))
    assert f"delay-due={due_ms}" in line and "who=kcat" in line
