"""Secrets stay in memory: no core dump holds them, nobody of the same user reads them there, and neither the log, the command
line nor the admin port shows them."""

import os
import pathlib
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
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
    folder = tmp_path / name
    folder.mkdir()
    assert not abort([s.BIN / name], folder, env)
    assert not list(folder.iterdir())
    assert abort([s.BIN / name], folder, {**env, "DELAYLINE_CORE_DUMPS": "true"})
    for core in folder.glob("core*"):  # where they are kept elsewhere, what the kernel said has to do
        assert fast_stack.env["AWS_SECRET_ACCESS_KEY"].encode() in core.read_bytes(), "this is what it is all about"


ORDINARY = 65532  # as in the images
LOOK = """
import sys
for name in ("environ", "maps", "mem"):
    try:
        with open(f"/proc/{sys.argv[1]}/{name}", "rb") as file:
            print(name, "read" if name != "mem" else "opened", len(file.read()) if name != "mem" else "")
    except OSError as error:
        print(name, type(error).__name__)
"""


@pytest.fixture
def as_ordinary():
    """Starts commands as an ordinary user, who may read the folder that comes with it: root reads whatever it likes."""
    user = {"user": ORDINARY, "group": ORDINARY, "extra_groups": []} if os.getuid() == 0 else {}
    folder = pathlib.Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    made = []

    def start(command, **more):
        made.append(subprocess.Popen(command, cwd="/", stdout=subprocess.PIPE, **user, **more))
        return made[-1]

    yield start, folder
    for process in made:
        process.kill()
        process.wait()
        process.stdout.close()
    shutil.rmtree(folder)


@pytest.mark.skipif(SANITIZED, reason="builds for debugging may be looked into")
def test_nobody_of_the_same_user_reads_memory(fast_stack, as_ordinary):
    """Nor the environment, which has the keys where they are given so."""
    start, folder = as_ordinary
    program = shutil.copy(s.BIN / "relay", folder)

    def seen(**settings):
        env = {**os.environ, **fast_stack.env, "DELAYLINE_ADMIN_ADDRESS": "127.0.0.1:0", **settings}
        process = start([program], env=env)
        while b'"started"' not in (line := process.stdout.readline()):
            assert line, "it ended"
        look = start([sys.executable, "-c", LOOK, str(process.pid)])
        return dict(line.split(None, 1) for line in look.communicate(timeout=20)[0].decode().splitlines())

    assert seen() == dict.fromkeys(("environ", "maps", "mem"), "PermissionError")
    assert seen(DELAYLINE_CORE_DUMPS="true")["environ"].startswith("read"), "it would not have been told apart"


@pytest.mark.parametrize("name", PROGRAMS)
def test_nothing_that_is_read_shows_a_secret(fast_stack, name):
    """At the level that tells most, with all that librdkafka has to say."""
    password = "geheimes-kennwort"
    loud = {"DELAYLINE_LOG_LEVEL": "debug", "KAFKA_PROPERTY_DEBUG": "all"}
    process = fast_stack.start(name, KAFKA_PROPERTY_SASL_PASSWORD=password, **loud)
    process.wait_ready()
    arguments = pathlib.Path(f"/proc/{process.process.pid}/cmdline").read_bytes()
    assert arguments == bytes(s.BIN / name) + b"\0"
    assert not pathlib.Path(f"/proc/{process.process.pid}/task/{process.process.pid}/children").read_text()
    for path in ("/healthz", "/readyz", "/metrics"):
        with urllib.request.urlopen(f"http://{process.admin()}{path}", timeout=5) as answer:
            text = answer.read().decode()
        assert password not in text and fast_stack.env["AWS_SECRET_ACCESS_KEY"] not in text
    process.stop()
    assert [e["credentials"] for e in process.events() if e["event"] == "aws_in_use"] == ["environment"]
    log = process.log_path.read_text()
    assert name == "scheduler" or "sasl.password" in log, "librdkafka does not tell its configuration"
    assert password not in log and fast_stack.env["AWS_SECRET_ACCESS_KEY"] not in log


def test_the_log_shows_no_record(new_stack):
    """Neither its key nor its value, nor a header that steers nothing: delivered over both paths, rejected, refused by Kafka."""
    stack = new_stack(settings={**s.FAST, "DELAYLINE_LOG_LEVEL": "debug"})
    kafka = s.Kafka(stack)
    marks = {part: f"geheim-{part}" for part in ("key", "value", "header")}
    to = ("delay-target", stack.target.encode())
    wishes = [[to, ("delay-for", b"1s")], [to, ("delay-for", b"7s")], [to, ("delay-for", b"soon")], [("delay-for", b"1s")]]
    for wish in wishes:
        kafka.send(marks["key"].encode(), marks["value"].encode(), [("own", marks["header"].encode()), *wish])
    assert len(kafka.read(stack.target, 2, 30, lambda m: m.value() == marks["value"].encode())) == 2
    assert len(kafka.read(stack.dead_letter_topic, 2, 30, lambda m: m.value() == marks["value"].encode())) == 2
    logs = {path.name: path.read_text() for path in stack.directory.glob("*-1.log")}
    assert len(logs) == 3 and "record_rejected" in logs["router-1.log"]
    assert not [name for name, text in logs.items() for mark in marks.values() if mark in text]
