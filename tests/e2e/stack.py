"""Stacks for end-to-end tests: starts them by the scripts of make up, talks Kafka to them.

STACK_SERVERS=native: on the servers that tests/native/up has started, each stack with names of its own."""

import json
import os
import pathlib
import re
import signal
import subprocess
import time
import urllib.request
import uuid
import warnings

import confluent_kafka

ROOT = pathlib.Path(__file__).resolve().parents[2]
VARIANT = os.environ.get("VARIANT", "release")
BIN = ROOT / "build" / VARIANT

NATIVE = os.environ.get("STACK_SERVERS") == "native"
NATIVE_RUN = pathlib.Path(os.environ.get("NATIVE_RUN", ROOT / "build/native"))


def settings_of(path):
    """What a file of `export NAME=${NAME:-value}` sets where nobody else has."""
    return dict(re.findall(r"export (\w+)=\$\{\w+:-(\w+)\}", (ROOT / path).read_text()))


# The design's times made short.
FAST = settings_of("tests/stack/fast.env")
if NATIVE:
    FAST.update(settings_of("tests/native/fast.env"))


def wait_until(what, seconds, condition, interval=0.02):
    """Polls until condition() is true; its value is the result."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < end, f"{what}: not within {seconds} s"
        time.sleep(interval)


def read_env(path, prefixes=("AWS_", "KAFKA_", "DELAYLINE_")):
    """NAME=value of the export lines that a stack wrote."""
    shell = f". {path} && env -0"
    output = subprocess.run(["bash", "-c", shell], check=True, capture_output=True, env={}).stdout
    pairs = (item.split("=", 1) for item in output.decode().split("\0") if "=" in item)
    return {name: value for name, value in pairs if name.startswith(prefixes)}


class Program:
    """One replica that the test itself holds, so that its exit code can be seen."""

    def __init__(self, name, env, directory, stdout=None):
        """stdout: a file descriptor in the place of the log."""
        self.name = name
        self.log_path = directory / f"{name}-{uuid.uuid4().hex[:8]}.log"
        self.started = time.monotonic()
        self.metrics_at_stop = {}
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen(
                [BIN / name],
                env={**os.environ, **env, "DELAYLINE_ADMIN_ADDRESS": "127.0.0.1:0"},
                stdout=log if stdout is None else stdout,
                stderr=log,
                stdin=subprocess.DEVNULL,
            )

    def events(self):
        lines = self.log_path.read_text(errors="replace").splitlines()
        return [json.loads(line) for line in lines if line.startswith("{") and line.endswith("}")]

    def admin(self):
        def port():
            assert self.process.poll() is None, self.log_path.read_text()[-2000:]
            return next((e["port"] for e in self.events() if e["event"] == "admin_listening"), None)

        return f"127.0.0.1:{wait_until('admin port', 10, port, 0.005)}"

    def wait_ready(self, seconds=10):
        admin = self.admin()
        wait_until("ready", seconds, lambda: is_ready(admin), 0.005)
        return time.monotonic() - self.started

    def stop(self, number=signal.SIGTERM, seconds=10):
        """Exit code and how long it took."""
        if NATIVE:
            self.metrics_at_stop = metrics(self.admin())
        began = time.monotonic()
        self.process.send_signal(number)
        code = self.process.wait(timeout=seconds)
        return code, time.monotonic() - began

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


def is_ready(admin):
    try:
        with urllib.request.urlopen(f"http://{admin}/readyz", timeout=2) as answer:
            return answer.status == 200
    except OSError:
        return False


def metrics(admin):
    with urllib.request.urlopen(f"http://{admin}/metrics", timeout=5) as answer:
        text = answer.read().decode()
    values = {}
    for line in text.splitlines():
        if not line.startswith("#"):
            series, value = line.rsplit(" ", 1)
            values[series] = float(value)
    return values


class Stack:
    """make up in a folder of its own."""

    def __init__(self, directory, routers=1, schedulers=1, relays=1, settings=None):
        self.directory = directory
        self.replicas = {"router": routers, "scheduler": schedulers, "relay": relays}
        self.shell_env = {
            **os.environ,
            **(settings or {}),
            "VARIANT": VARIANT,
            "RUN_DIR": str(directory),
            "ROUTERS": str(routers),
            "SCHEDULERS": str(schedulers),
            "RELAYS": str(relays),
            "NATIVE_ID": uuid.uuid4().hex[:6],
        }
        self.programs = []
        up = subprocess.run(
            [ROOT / "tests/stack/up"], env=self.shell_env, capture_output=True, text=True, timeout=90
        )
        assert up.returncode == 0, up.stdout + up.stderr
        self.env = read_env(directory / "env")
        self.bootstrap = self.env["KAFKA_BOOTSTRAP_SERVERS"]
        self.delay_topic = self.env["DELAYLINE_STACK_DELAY_TOPIC"]
        self.target = self.env["DELAYLINE_STACK_TARGET_TOPIC"]
        self.dead_letter_topic = self.env.get("DELAYLINE_DEAD_LETTER_TOPIC", "delay-dead-letter")
        self.sqs_endpoint = self.env.get("AWS_ENDPOINT_URL_SQS") or self.env["AWS_ENDPOINT_URL"]
        self.dynamodb_endpoint = self.env.get("AWS_ENDPOINT_URL_DYNAMODB") or self.env["AWS_ENDPOINT_URL"]

    def down(self):
        for program in self.programs:
            program.kill()
        down = subprocess.run(
            [ROOT / "tests/stack/down"], env=self.shell_env, capture_output=True, text=True, timeout=90
        )
        assert down.returncode == 0, down.stdout + down.stderr
        for log in self.directory.glob("*.log"):
            text = log.read_text(errors="replace")
            assert "ERROR: AddressSanitizer" not in text and "runtime error:" not in text, f"{log}: {text[-3000:]}"
            assert "check failed" not in text, f"{log}: {text[-3000:]}"

    def start(self, name, stdout=None, **settings):
        program = Program(name, {**self.env, **settings}, self.directory, stdout)
        self.programs.append(program)
        return program

    def admins(self, name):
        return [self.env[f"DELAYLINE_STACK_ADMIN_{name.upper()}_{i + 1}"] for i in range(self.replicas[name])]

    def load(self, records, rate, delay, *more, timeout=180):
        """Runs the load generator; its exit code and report."""
        report = self.directory / f"report-{uuid.uuid4().hex[:8]}.json"
        command = [BIN / "load", "--records", str(records), "--rate", str(rate), "--delay", delay]
        run = subprocess.Popen(
            [*command, "--report", str(report), *more],
            env={**os.environ, **self.env},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        return LoadRun(self, run, report, timeout)

    def may_repeat(self):
        """Records of which a program has counted why they may come twice."""
        everybody = [metrics(admin) for kind in self.replicas for admin in self.admins(kind)]
        everybody += [program.metrics_at_stop for program in self.programs]
        return sum(each.get(name, 0) for each in everybody for name in MAY_REPEAT)

    def broker_down(self):
        if NATIVE:
            native_broker("stop")
        else:
            self.emulator("/_emulator/kafka", {"do": "broker_down", "broker": 1})

    def broker_up(self):
        if NATIVE:
            native_broker("start")
        else:
            self.emulator("/_emulator/kafka", {"do": "broker_up", "broker": 1})

    def emulator(self, path, body=None, method=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.env["AWS_ENDPOINT_URL"] + path, data=data, method=method)
        with urllib.request.urlopen(request, timeout=5) as answer:
            text = answer.read()
        return json.loads(text) if text else None


def native_broker(verb):
    run = subprocess.run([ROOT / "tests/native/broker", verb], capture_output=True, text=True, timeout=100)
    assert run.returncode == 0, run.stdout + run.stderr


# Records whose table write was decided again, records whose message another relay may have got while one held it.
MAY_REPEAT = ("delayline_fallback_records_total", "delayline_lapsed_records_total")


NOT_CLEAN = 1  # load's exit code


class LoadRun:
    def __init__(self, stack, process, report, timeout):
        self.stack, self.process, self.report, self.timeout = stack, process, report, timeout

    def verdict(self):
        output, _ = self.process.communicate(timeout=self.timeout)
        assert self.report.exists(), output
        report = json.loads(self.report.read_text())
        print(output)
        code = self.process.returncode
        # What the programs count must not explain whatever happens: a tenth of the records at most.
        if NATIVE and 0 < report["duplicated"] <= (bound := min(self.stack.may_repeat(), report["sent"] // 10)):
            # A fault in the design's words: servers in Python and Java, all on the cores that build and test, too.
            warnings.warn(f"{report['duplicated']} duplicates of {bound:.0f} records with an answer that came too late")
            report["duplicated_after_faults"], report["duplicated"] = report["duplicated"], 0
            code = 0 if code == NOT_CLEAN and clean(report) else code
        return code, report


def clean(report):
    """The six that must be 0."""
    names = ("lost", "duplicated", "early", "corrupted", "misrouted", "unexpected")
    return {name: report[name] for name in names if report[name] != 0} == {}


class Kafka:
    """A producer and a reader of whole topics for tests that look at single records."""

    def __init__(self, stack):
        self.stack = stack
        self.producer = confluent_kafka.Producer(
            {"bootstrap.servers": stack.bootstrap, "message.max.bytes": 10000000, "linger.ms": 1}
        )

    def send(self, key=None, value=b"v", headers=(), timestamp_ms=None, topic=None):
        failures = []
        self.producer.produce(
            topic or self.stack.delay_topic,
            key=key,
            value=value,
            headers=list(headers),
            on_delivery=lambda error, _: error and failures.append(error),
            **({} if timestamp_ms is None else {"timestamp": timestamp_ms}),
        )
        self.producer.flush(10)
        assert not failures, failures

    def read(self, topic, wanted, seconds, match=lambda message: True, settle=0):
        """Messages of the topic from its beginning until `wanted` matched, and what matches within `settle` seconds more;
        fails if they do not come."""
        consumer = confluent_kafka.Consumer(
            {
                "bootstrap.servers": self.stack.bootstrap,
                "group.id": uuid.uuid4().hex,
                "enable.auto.commit": False,
                "fetch.wait.max.ms": 5,
                "fetch.message.max.bytes": 10000000,
            }
        )
        try:
            partitions = consumer.list_topics(topic, timeout=10).topics[topic].partitions
            start = confluent_kafka.OFFSET_BEGINNING
            consumer.assign([confluent_kafka.TopicPartition(topic, p, start) for p in partitions])
            found = []
            end = time.monotonic() + (seconds if wanted else settle)
            while time.monotonic() < end:
                message = consumer.poll(0.05)
                if message is not None and message.error() is None and match(message):
                    found.append((message, time.time() * 1000))
                    if len(found) == wanted:
                        end = time.monotonic() + settle
            assert len(found) >= wanted, f"{topic}: {len(found)} of {wanted} within {seconds} s"
            return found
        finally:
            consumer.close()


def header(message, name):
    values = [value for key, value in message.headers() or [] if key == name]
    return values[-1].decode() if values else None


def now_ms():
    return int(time.time() * 1000)
