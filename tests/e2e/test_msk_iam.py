"""MSK IAM: tokens as botocore presigns them, and programs that reach brokers by nothing else."""

import json
import random
import subprocess
import urllib.error

import msk_iam
import pytest
import stack as s
from authority import Authority
from gate import Gate

CONTAINER_TOKEN = "devstack-container-token"
CASES = 200


def test_tokens_are_those_of_botocore():
    source = random.Random(20261122)
    cases = [msk_iam.random_case(source) for _ in range(CASES)]
    lines = "".join(json.dumps(case) + "\n" for case in cases)
    run = subprocess.run([s.BIN / "inspect", "msk-iam"], input=lines, capture_output=True, text=True, timeout=60)
    assert run.returncode == 0, run.stderr
    tokens = run.stdout.splitlines()
    assert len(tokens) == CASES
    for case, token in zip(cases, tokens):
        place, got = msk_iam.parts(msk_iam.decode(token))
        assert got.pop("User-Agent") == "delayline"
        assert (place, got) == msk_iam.parts(msk_iam.presigned(case)), case


def judge_of(stack):
    """By the keys that the emulator has issued."""

    def keys_of(access_key):
        try:
            return stack.emulator(f"/_emulator/keys?access_key={access_key}")
        except urllib.error.HTTPError:
            return None

    return lambda token: msk_iam.judge(token, stack.env["AWS_REGION"], keys_of)


@pytest.fixture
def gated(new_stack, tmp_path):
    """A stack of servers alone, a gate before its broker, and the settings of programs that are to go through it."""
    stack = new_stack(routers=0, schedulers=0, relays=0)
    authority = Authority(tmp_path, "trusted")
    gate = Gate(stack.bootstrap, authority.certify("broker"), judge_of(stack))
    stack.gate = gate
    stack.through = {
        "KAFKA_BOOTSTRAP_SERVERS": gate.bootstrap,
        "KAFKA_PROPERTY_SSL_CA_LOCATION": str(authority.pem),
        "KAFKA_PROPERTY_BROKER_ADDRESS_FAMILY": "v4",
        # Who connects every few seconds would be made to wait longer and longer.
        "KAFKA_PROPERTY_RECONNECT_BACKOFF_MAX_MS": "200",
        "DELAYLINE_KAFKA_AUTHENTICATION": "msk-iam",
    }
    stack.role = {
        "AWS_ACCESS_KEY_ID": "",
        "AWS_SECRET_ACCESS_KEY": "",
        "AWS_CONTAINER_CREDENTIALS_FULL_URI": stack.env["AWS_ENDPOINT_URL"] + "/credentials",
        "AWS_CONTAINER_AUTHORIZATION_TOKEN": CONTAINER_TOKEN,
    }
    yield stack
    gate.stop()


def check(stack, program, **settings):
    env = {**stack.env, **stack.through, **stack.role, **settings}
    return subprocess.run([s.BIN / program, "--check"], env=env, capture_output=True, text=True, timeout=30)


@pytest.mark.embedded("the keys are the emulator's")
def test_records_pass_while_tokens_end_every_few_seconds(gated):
    gated.emulator("/_emulator/sessions", {"seconds": 3})
    programs = [gated.start(name, **gated.through, **gated.role) for name in ("router", "relay")]
    programs.append(gated.start("scheduler", **gated.role))
    for program in programs:
        program.wait_ready(20)
    assigned = "delayline_kafka_partitions_assigned"
    s.wait_until("partitions", 30, lambda: s.metrics(programs[0].admin()).get(assigned, 0) > 0)
    code, report = gated.load(400, 80, "0..7s", "--drain", "30s").verdict()
    assert code == 0 and s.clean(report), report
    assert report["sent"] == 400
    # The router's producer has had nothing to send so far, and its session is long over.
    kafka = s.Kafka(gated)
    gated.gate.cut()
    kafka.send(value=b"no target", headers=[("delay-for", b"1s")])
    ((message, _),) = kafka.read(gated.dead_letter_topic, 1, 20)
    assert s.header(message, "delay-error") == "target-missing"
    # librdkafka looks once a second whether it is time for a new token, which is late for one that lives for three.
    assert set(gated.gate.refusals) <= {"expired"}
    assert len(set(gated.gate.tokens)) > 3 and gated.gate.ended > 0
    for program in programs:
        code, _ = program.stop()
        assert code == 0
        log = program.log_path.read_text()
        assert "X-Amz" not in log and not any(token[100:140] in log for token in gated.gate.tokens)
        assert "Failed to acquire" not in log


@pytest.mark.embedded("the keys are the emulator's")
def test_the_check_says_why_it_is_not_let_in(gated):
    assert check(gated, "router").returncode == 0 and check(gated, "relay").returncode == 0
    cases = [
        ("router", {"AWS_REGION": "eu-west-1"}, "the signature is of another request"),
        ("relay", {"AWS_CONTAINER_AUTHORIZATION_TOKEN": "wrong"}, "no AWS credentials to authenticate with"),
        ("relay", {"KAFKA_PROPERTY_SSL_CA_LOCATION": "/etc/ssl/certs/ca-certificates.crt"}, "certificate"),
    ]
    for program, settings, reason in cases:
        answer = check(gated, program, **settings)
        assert answer.returncode == 69 and reason in answer.stderr, answer.stderr


@pytest.mark.embedded("the keys are the emulator's")
def test_redrive_comes_by_a_token_too(gated):
    kafka = s.Kafka(gated)
    kafka.send(value=b"v", headers=[("delay-error", b"target-missing")], topic=gated.dead_letter_topic)
    keys = {name: value for name, value in gated.role.items() if value}
    env = {name: value for name, value in gated.env.items() if name not in gated.role}
    command = [s.ROOT / "deploy/redrive", "target-missing"]
    done = subprocess.run(command, env={**env, **gated.through, **keys}, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    ((message, _),) = kafka.read(gated.delay_topic, 1, 20)
    assert message.value() == b"v" and s.header(message, "delay-error") is None
    assert gated.gate.tokens and not gated.gate.refusals


@pytest.mark.parametrize(
    "settings,named",
    [
        ({"DELAYLINE_KAFKA_AUTHENTICATION": "iam"}, "DELAYLINE_KAFKA_AUTHENTICATION must be properties or msk-iam"),
        ({"KAFKA_PROPERTY_SECURITY_PROTOCOL": "SSL"}, "KAFKA_PROPERTY_SECURITY_PROTOCOL: "),
        ({"KAFKA_PROPERTY_SASL_MECHANISM": "SCRAM-SHA-512"}, "KAFKA_PROPERTY_SASL_MECHANISM: "),
        ({"KAFKA_PROPERTY_SASL_PASSWORD": "geheim"}, "KAFKA_PROPERTY_SASL_PASSWORD: "),
        (
            {"DELAYLINE_KAFKA_AUTHENTICATION": "", "KAFKA_PROPERTY_SASL_MECHANISM": "OAUTHBEARER"},
            "DELAYLINE_KAFKA_AUTHENTICATION=msk-iam",
        ),
    ],
)
def test_what_contradicts_is_named(settings, named):
    env = {
        "AWS_REGION": "eu-west-1",
        "KAFKA_BOOTSTRAP_SERVERS": "b-1.example:9098",
        "DELAYLINE_KAFKA_AUTHENTICATION": "msk-iam",
        **settings,
    }
    for program in ("router", "relay"):
        run = subprocess.run([s.BIN / program, "--print-config"], env=env, capture_output=True, text=True, timeout=20)
        assert run.returncode == 78 and named in run.stderr and "geheim" not in run.stderr, run.stderr
