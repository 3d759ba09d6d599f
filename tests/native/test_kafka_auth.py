"""Kafka that asks who comes: TLS, SCRAM over TLS, and tokens for MSK IAM that a gate before it judges."""

import subprocess

import msk_iam
import pytest
import stack as s
from authority import server_context
from gate import Gate

pytestmark = pytest.mark.xdist_group("gate")  # which has one port

NEVER_MS = 1 << 50
ASSIGNED = "delayline_kafka_partitions_assigned"


@pytest.fixture(scope="session")
def broker():
    return s.read_env(s.NATIVE_RUN / "servers.env", prefixes=("NATIVE_",))


def tls(broker, at):
    return {
        "KAFKA_BOOTSTRAP_SERVERS": broker[at],
        "KAFKA_PROPERTY_SSL_CA_LOCATION": broker["NATIVE_KAFKA_CA"],
        "KAFKA_PROPERTY_BROKER_ADDRESS_FAMILY": "v4",
        # For sessions of three seconds: else who connects that often is made to wait longer and longer.
        "KAFKA_PROPERTY_RECONNECT_BACKOFF_MAX_MS": "200",
    }


def by_tls(broker):
    return {**tls(broker, "NATIVE_KAFKA_TLS"), "KAFKA_PROPERTY_SECURITY_PROTOCOL": "SSL"}


def by_scram(broker):
    return {
        **tls(broker, "NATIVE_KAFKA_SCRAM"),
        "KAFKA_PROPERTY_SECURITY_PROTOCOL": "SASL_SSL",
        "KAFKA_PROPERTY_SASL_MECHANISM": "SCRAM-SHA-512",
        "KAFKA_PROPERTY_SASL_USERNAME": "delayline",
        "KAFKA_PROPERTY_SASL_PASSWORD": broker["NATIVE_KAFKA_PASSWORD"],
    }


def by_msk_iam(broker):
    return {**tls(broker, "NATIVE_KAFKA_GATE"), "DELAYLINE_KAFKA_AUTHENTICATION": "msk-iam"}


@pytest.fixture
def gate(broker):
    """Tokens are good for three seconds, signed by the keys of deploy/local.env."""
    folder = s.NATIVE_RUN / "kafka"

    def keys_of(access_key):
        if access_key != "000000000000":
            return None
        return {"secret_access_key": "not-a-secret", "session_token": None, "expires_ms": NEVER_MS}

    def judge(token):
        return min(3, msk_iam.judge(token, "eu-west-1", keys_of))

    port = int(broker["NATIVE_KAFKA_GATE"].rsplit(":", 1)[1])
    gate = Gate(broker["NATIVE_KAFKA_GATED"], server_context(folder / "ca.pem", folder / "broker.key"), judge, port)
    yield gate
    gate.stop()


def check(stack, program, settings):
    env = {**stack.env, **settings}
    return subprocess.run([s.BIN / program, "--check"], env=env, capture_output=True, text=True, timeout=30)


@pytest.mark.parametrize("by", [by_tls, by_scram, by_msk_iam], ids=lambda by: by.__name__)
def test_records_pass(new_stack, broker, gate, by):
    stack = new_stack(routers=0, relays=0)
    programs = [stack.start(name, **by(broker)) for name in ("router", "relay")]
    for program in programs:
        program.wait_ready(30)
    s.wait_until("partitions", 30, lambda: s.metrics(programs[0].admin()).get(ASSIGNED, 0) > 0)
    code, report = stack.load(500, 50, "0..12s", "--drain", "60s").verdict()
    assert report["sent"] == 500
    assert code == 0 and s.clean(report), report
    for program in programs:
        code, _ = program.stop()
        assert code == 0, program.log_path.read_text()[-3000:]
        log = program.log_path.read_text()
        assert broker["NATIVE_KAFKA_PASSWORD"] not in log
        assert by is by_tls or "Disconnected" in log, "no session has ended"
    assert gate.refusals == []
    if by is by_msk_iam:
        assert len(gate.tokens) > 3 and gate.ended > 0


def test_the_check_says_why_it_is_not_let_in(new_stack, broker, gate):
    stack = new_stack(routers=0, schedulers=0, relays=0)
    for settings in (by_tls(broker), by_scram(broker), by_msk_iam(broker)):
        answer = check(stack, "relay", settings)
        assert answer.returncode == 0, answer.stderr
    cases = [
        ({**by_scram(broker), "KAFKA_PROPERTY_SASL_PASSWORD": "geheim"}, "invalid credentials"),
        ({**by_scram(broker), "KAFKA_PROPERTY_SASL_MECHANISM": "SCRAM-SHA-256"}, "SCRAM-SHA-256"),
        ({**by_msk_iam(broker), "AWS_SECRET_ACCESS_KEY": "geheim"}, "the signature is of another request"),
        ({**by_tls(broker), "KAFKA_PROPERTY_SSL_CA_LOCATION": "/etc/ssl/certs/ca-certificates.crt"}, "certificate"),
    ]
    for settings, reason in cases:
        answer = check(stack, "relay", settings)
        assert answer.returncode == 69 and reason in answer.stderr, answer.stderr
        assert "geheim" not in answer.stdout + answer.stderr
