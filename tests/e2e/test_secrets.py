"""Secrets stay in memory: no core dump holds them, and neither the log nor the admin port shows them."""

import os
import resource
import signal
import subprocess
import urllib.request

import pytest
import stack as s

PROGRAMS = ["router", "scheduler", "relay"]
SANITIZED = any(name in str(s.BIN) for name in ("asan", "tsan", "debug"))


def abort(command, folder, env):
    """True if the kernel made a core dump of it."""
    process = subprocess.Popen(
        command,
        cwd=folder,
        env=env,
        stdout=subprocess.PIPE,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CORE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY)),
    )
    while b'"started"' not in (line := process.stdout.readline()):
        assert line, "it ended"
    process.send_signal(signal.SIGABRT)
    _, status = os.waitpid(process.pid, 0)
    process.returncode = status
    process.stdout.close()
    assert os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGABRT
    return os.WCOREDUMP(status)


@pytest.fixture
def dumping_machine(tmp_path):
    """Says nothing about us where nothing dumps core."""
    try:
        if abort(["sh", "-c", "echo '\"started\"'; exec sleep 60"], tmp_path, os.environ):
            return
    except subprocess.SubprocessError:  # the hard limit is 0
        pass
    pytest.skip("this machine makes no core dumps")


@pytest.mark.skipif(SANITIZED, reason="builds for debugging may dump")
@pytest.mark.parametrize("name", PROGRAMS)
def test_no_core_dump(fast_stack, dumping_machine, tmp_path, name):
    env = {**os.environ, **fast_stack.env, "DELAYLINE_ADMIN_ADDRESS": "127.0.0.1:0"}
    assert not abort([s.BIN / name], tmp_path, env)
    assert abort([s.BIN / name], tmp_path, {**env, "DELAYLINE_CORE_DUMPS": "true"})


@pytest.mark.parametrize("name", PROGRAMS)
def test_nothing_that_is_read_shows_a_secret(fast_stack, name):
    password = "geheimes-kennwort"
    process = fast_stack.start(name, KAFKA_PROPERTY_SASL_PASSWORD=password, DELAYLINE_LOG_LEVEL="debug")
    process.wait_ready()
    for path in ("/healthz", "/readyz", "/metrics"):
        with urllib.request.urlopen(f"http://{process.admin()}{path}", timeout=5) as answer:
            text = answer.read().decode()
        assert password not in text and fast_stack.env["AWS_SECRET_ACCESS_KEY"] not in text
    process.stop()
    assert [e["credentials"] for e in process.events() if e["event"] == "aws_in_use"] == ["environment"]
    log = "".join(str(event) for event in process.events())
    assert password not in log and fast_stack.env["AWS_SECRET_ACCESS_KEY"] not in log
