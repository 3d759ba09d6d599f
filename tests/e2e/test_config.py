"""Mistakes are refused at start, all of them in one go: 78 for configuration, 69 for what cannot be reached."""

import os
import subprocess

import pytest
import stack as s

PROGRAMS = ["router", "scheduler", "relay"]


def run(name, *flags, env=None, **settings):
    base = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "KAFKA_", "DELAYLINE_"))}
    return subprocess.run(
        [s.BIN / name, *flags],
        env={**base, **(env or {}), "DELAYLINE_ADMIN_ADDRESS": "127.0.0.1:0", **settings},
        capture_output=True,
        text=True,
        timeout=30,
    )


@pytest.mark.parametrize("name", PROGRAMS)
def test_help_and_version(name):
    for flag in ("--help", "--version"):
        answer = run(name, flag)
        assert answer.returncode == 0 and name in answer.stdout
    assert "DELAYLINE_HORIZON" in run(name, "--help").stdout


@pytest.mark.parametrize("name", PROGRAMS)
def test_every_mistake_is_named_at_once(name):
    answer = run(name, AWS_REGION="eu-west-1", DELAYLINE_HORIZON="soon", DELAYLINE_STOP_GRACE="-1", DELAYLINE_HOIRZON="3s")
    assert answer.returncode == 78, answer.stderr
    expected = ["DELAYLINE_HORIZON", "DELAYLINE_STOP_GRACE", "DELAYLINE_HOIRZON"]
    if name != "scheduler":
        expected.append("KAFKA_BOOTSTRAP_SERVERS")
    for text in expected:
        assert text in answer.stderr, (text, answer.stderr)


@pytest.mark.parametrize("name", PROGRAMS)
def test_mistakes_outside_the_tables_are_named_with_the_others(name):
    """Admin address, AWS and librdkafka's own properties."""
    answer = run(
        name,
        DELAYLINE_ADMIN_ADDRESS="nonsense",
        DELAYLINE_HORIZON="soon",
        KAFKA_PROPERTY_NO_SUCH="1",
        KAFKA_BOOTSTRAP_SERVERS="127.0.0.1:9",
        AWS_MAX_ATTEMPTS="many",
    )
    assert answer.returncode == 78, answer.stderr
    expected = ["DELAYLINE_ADMIN_ADDRESS=nonsense", "DELAYLINE_HORIZON", "AWS_REGION", "AWS_MAX_ATTEMPTS"]
    if name != "scheduler":
        expected.append("KAFKA_PROPERTY_NO_SUCH")
    for text in expected:
        assert text in answer.stderr, (text, answer.stderr)


@pytest.mark.parametrize("name", ["router", "scheduler"])
def test_broken_relations(fast_stack, name):
    answer = run(name, env=fast_stack.env, DELAYLINE_HORIZON="4s", DELAYLINE_BUCKET="7s")
    assert answer.returncode == 78
    assert "DELAYLINE_HORIZON must be more than" in answer.stderr and "divide a day" in answer.stderr


@pytest.mark.parametrize("name", ["router", "scheduler"])
@pytest.mark.parametrize("flags", [[], ["--check"]])
def test_another_bucket_than_the_table_was_set_up_with(fast_stack, name, flags):
    assert run(name, "--check", env=fast_stack.env).returncode == 0
    right = fast_stack.env["DELAYLINE_BUCKET"]
    answer = run(name, *flags, env=fast_stack.env, DELAYLINE_BUCKET="1500ms")
    assert answer.returncode == 78, answer.stdout + answer.stderr
    assert "DELAYLINE_BUCKET=1500ms: " in answer.stderr and f"set DELAYLINE_BUCKET={right}" in answer.stderr


@pytest.mark.parametrize("name", PROGRAMS)
def test_print_config_masks_nothing_that_is_not_secret(fast_stack, name):
    answer = run(
        name,
        "--print-config",
        env=fast_stack.env,
        KAFKA_PROPERTY_LINGER_MS="3",
        KAFKA_PROPERTY_SASL_PASSWORD="geheim",
    )
    if name != "scheduler":
        assert "KAFKA_PROPERTY_LINGER_MS=3\nKAFKA_PROPERTY_SASL_PASSWORD=***" in answer.stdout
    assert "geheim" not in answer.stdout
    assert f"AWS_ENDPOINT_URL_SQS={fast_stack.sqs_endpoint}\n" in answer.stdout
    assert answer.returncode == 0, answer.stderr
    assert f"DELAYLINE_HORIZON={s.FAST['DELAYLINE_HORIZON']}" in answer.stdout, answer.stdout
    assert fast_stack.env["AWS_SECRET_ACCESS_KEY"] not in answer.stdout


@pytest.mark.parametrize("name", PROGRAMS)
def test_check_is_fine(fast_stack, name):
    answer = run(name, "--check", env=fast_stack.env)
    assert answer.returncode == 0, answer.stdout + answer.stderr


WRONG = {
    "router": [
        ("DELAYLINE_DELAY_QUEUE", "no-such-queue"),
        ("DELAYLINE_DELAY_QUEUE", "delayline-ready.fifo"),
        ("DELAYLINE_TABLE", "no-such-table"),
    ],
    "scheduler": [
        ("DELAYLINE_READY_QUEUE", "delayline-delay"),
        ("DELAYLINE_TIMER_QUEUE", "no-such-queue.fifo"),
        ("DELAYLINE_TABLE", "no-such-table"),
    ],
    "relay": [
        ("DELAYLINE_READY_QUEUE", "delayline-delay"),
        ("DELAYLINE_DELAY_QUEUE", "delayline-ready.fifo"),
        ("DELAYLINE_TABLE", "no-such-table"),
    ],
}


@pytest.mark.parametrize("name,variable,value", [(n, *w) for n, all_wrong in WRONG.items() for w in all_wrong])
@pytest.mark.parametrize("flags", [[], ["--check"]])
def test_wrong_queue_or_table(fast_stack, name, variable, value, flags):
    answer = run(name, *flags, env=fast_stack.env, **{variable: value})
    assert answer.returncode == 78, answer.stdout + answer.stderr
    assert value in answer.stdout + answer.stderr


@pytest.mark.parametrize("name", PROGRAMS)
def test_unreachable(fast_stack, name):
    nowhere = {f"AWS_ENDPOINT_URL{service}": "http://127.0.0.1:9" for service in ("", "_SQS", "_DYNAMODB")}
    answer = run(name, "--check", env=fast_stack.env, **nowhere)
    assert answer.returncode == 69, answer.stdout + answer.stderr
    if name != "scheduler":
        answer = run(name, "--check", env=fast_stack.env, KAFKA_BOOTSTRAP_SERVERS="127.0.0.1:9")
        assert answer.returncode == 69, answer.stdout + answer.stderr


@pytest.mark.embedded("no other server here checks signatures")
@pytest.mark.parametrize("name", PROGRAMS)
def test_wrong_keys(fast_stack, name):
    answer = run(name, "--check", env=fast_stack.env, AWS_SECRET_ACCESS_KEY="wrong")
    assert answer.returncode in (69, 78)
    assert "SignatureDoesNotMatch" in answer.stdout + answer.stderr
    assert "wrong" not in (answer.stdout + answer.stderr).replace("wrong ", "")
