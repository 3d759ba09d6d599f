"""docker-compose.yml without an engine: the same binaries, commands and environment, only the places differ."""

import os
import subprocess

import confluent_kafka.admin
import pytest
import stack as s
import yaml

PROGRAMS = ["router", "scheduler", "relay"]
SERVICES = yaml.safe_load((s.ROOT / "docker-compose.yml").read_text())["services"]
NAMES = ("DELAYLINE_DELAY_QUEUE", "DELAYLINE_READY_QUEUE", "DELAYLINE_TIMER_QUEUE", "DELAYLINE_TABLE")


def shared():
    lines = (s.ROOT / "deploy/local.env").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def environment(service, places=None):
    """As the container would have it; places: where things are here, and keys that the emulator knows."""
    own = SERVICES[service].get("environment", {})
    elsewhere = {name for name in own if not name.startswith("DELAYLINE_")}
    assert places is None or elsewhere <= set(places), "a place that the test does not replace"
    path = {"PATH": os.environ["PATH"]}
    return {**path, **shared(), **{k: str(v) for k, v in own.items()}, **(places or {})}


def run(command, env, seconds=30):
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=seconds)


def provision(env, *arguments):
    return run([s.ROOT / "deploy/provision", *arguments], env, 60)


@pytest.fixture(scope="module")
def places(fast_stack):
    if not s.NATIVE:
        make_topics(fast_stack)
    there = {k: v for k, v in fast_stack.env.items() if k.startswith(("AWS_", "KAFKA_"))}
    return {"AWS_ENDPOINT_URL": fast_stack.sqs_endpoint, **there}  # ElasticMQ: one for each service besides


def make_topics(stack):
    """The mock cluster makes them by its control route only."""
    there = confluent_kafka.admin.AdminClient({"bootstrap.servers": stack.bootstrap}).list_topics(timeout=5).topics
    wanted = provision(environment("provision"), "--print-topics").stdout.strip()
    for name, partitions in (item.split(":") for item in wanted.split(",")):
        if name not in there:
            stack.emulator("/_emulator/kafka", {"do": "topic_create", "topic": name, "partitions": int(partitions)})


@pytest.fixture(scope="module")
def fresh():
    """Names that the stack has not made already."""
    return {name: f"compose-{shared()[name]}" for name in NAMES}


def test_every_setting_is_known_to_a_program():
    printed = {}
    for name in PROGRAMS:
        answer = run([s.BIN / name, "--print-config"], environment(name))
        assert answer.returncode == 0, answer.stderr
        printed.update(line.split("=", 1) for line in answer.stdout.splitlines())
    for name, value in shared().items():
        if name.startswith("DELAYLINE_") and not name.startswith("DELAYLINE_STACK_"):
            assert printed[name] == value
    assert printed["KAFKA_BOOTSTRAP_SERVERS"] == SERVICES["router"]["environment"]["KAFKA_BOOTSTRAP_SERVERS"]


def test_broker_settings_are_no_settings_of_the_programs():
    """The image of Kafka makes a property of every KAFKA_ variable, the programs of every KAFKA_PROPERTY_ one."""
    names = [name for name in shared() if name.startswith("KAFKA_")]
    assert names and not [name for name in names if name.startswith("KAFKA_PROPERTY_")]


def test_provision_makes_what_check_wants(places, fresh):
    env = {**environment("provision", places), **fresh}
    for _ in range(2):  # what is there already is kept
        answer = provision(env, *SERVICES["provision"]["command"])
        assert answer.returncode == 0, answer.stderr
    for name in PROGRAMS:
        answer = run([s.BIN / name, "--check"], {**environment(name, places), **fresh})
        assert answer.returncode == 0, f"{name}: {answer.stderr}"


@pytest.mark.skipif(os.environ.get("SQS") == "elasticmq", reason="ElasticMQ does not tell what would be different")
def test_provision_refuses_a_queue_that_is_different(places, fresh):
    env = {**environment("provision", places), **fresh}
    assert provision(env, "--wait", "20").returncode == 0
    answer = provision({**env, "DELAYLINE_READY_QUEUE": env["DELAYLINE_TIMER_QUEUE"]}, "--wait", "20")
    assert answer.returncode == 78 and env["DELAYLINE_TIMER_QUEUE"] in answer.stderr


def test_provision_refuses_topics_that_are_smaller(places):
    env = {**environment("provision", places), "DELAYLINE_STACK_TARGET_PARTITIONS": "99"}
    answer = provision(env, "--wait", "20")
    assert answer.returncode == 78 and "fewer partitions than wanted: orders" in answer.stderr


def test_provision_says_what_does_not_come(places):
    nowhere = {name: "http://127.0.0.1:1" for name in places if name.startswith("AWS_ENDPOINT_URL")}
    answer = provision({**environment("provision", places), **nowhere}, "--wait", "0.3")
    assert answer.returncode == 69 and "http://127.0.0.1:1" in answer.stderr


@pytest.mark.parametrize("name", PROGRAMS)
def test_healthchecks(fast_stack, name):
    replica = fast_stack.start(name)
    replica.wait_ready()
    env = {**environment(name), **fast_stack.env, "DELAYLINE_ADMIN_ADDRESS": replica.admin()}
    check = SERVICES[name]["healthcheck"]["test"]
    assert check[:2] == ["CMD", f"/usr/local/bin/{name}"]
    for flag in [*check[2:], "--health"]:
        answer = run([s.BIN / name, flag], env)
        assert answer.returncode == 0, answer.stderr
    assert replica.stop()[0] == 0
    answer = run([s.BIN / name, "--health"], env)
    assert answer.returncode == 69 and "refused" in answer.stderr


@pytest.mark.skipif(s.VARIANT != "release", reason="takes the time of its delays; once is enough")
def test_demo_command(new_stack):
    """Fewer records, everything else as in the demo profile: both paths, three targets, poison."""
    own = {k: v for k, v in environment("router").items() if k.startswith("DELAYLINE_") and k not in NAMES}
    running = new_stack(settings=own)
    command = SERVICES["load"]["command"]
    options = dict(zip(command[::2], command[1::2]))
    for name in ("--records", "--rate", "--delay"):
        del options[name]
    rest = [word for pair in options.items() for word in pair]
    code, report = running.load(1000, 250, "0..30s", *rest, "--poison", "20").verdict()
    assert code == 0 and s.clean(report) and report["dead_lettered"] > 0
