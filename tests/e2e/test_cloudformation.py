"""deploy/cloudformation against the code: roles against calls, queues and table against provision and --check."""

import importlib.machinery
import importlib.util
import json
import os
import re
import subprocess

import pytest
import stack as s
from template import Template

FOLDER = s.ROOT / "deploy/cloudformation"
PARAMETERS = json.loads((FOLDER / "parameters.json").read_text())["Parameters"]
PROGRAMS = ["router", "scheduler", "relay"]
WITH_SASL = {"KafkaSecurityProtocol": "SASL_SSL", "KafkaCredentials": "arn:aws:secretsmanager:eu-west-1:000000000000:secret:k"}

WITH_MSK_IAM = {
    "KafkaSecurityProtocol": "SASL_SSL",
    "KafkaSaslMechanism": "AWS_MSK_IAM",
    "KafkaCluster": "events/0a1b-2c3d",
    "DelayTopicPattern": "delay-*",
    "TargetTopicPattern": "orders-*",
}


def data(**values):
    return Template(FOLDER / "data.yml", {**PARAMETERS, **values})


def services(**values):
    return Template(FOLDER / "services.yml", {**PARAMETERS, **values})


def watch(**values):
    return Template(FOLDER / "watch.yml", {**PARAMETERS, **values})


def load_provision():
    loader = importlib.machinery.SourceFileLoader("provision", str(s.ROOT / "deploy/provision"))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("provision", loader))
    loader.exec_module(module)
    return module


provision = load_provision()


def container(template, program):
    definitions = template.resources[f"{program.capitalize()}Task"]["Properties"]["ContainerDefinitions"]
    assert len(definitions) == 1
    return definitions[0]


def environment(template, program):
    return {entry["Name"]: str(entry["Value"]) for entry in container(template, program)["Environment"]}


def names(template, program):
    """The queues and the table, as the task is told of them."""
    return {k: v for k, v in environment(template, program).items() if re.fullmatch(r"DELAYLINE_(\w+_QUEUE|TABLE)", k)}


def run(program, flag, env):
    path = {"PATH": os.environ["PATH"]}
    return subprocess.run([s.BIN / program, flag], env={**path, **env}, capture_output=True, text=True, timeout=30)


# --- roles and calls ----------------------------------------------------------------------------

BATCHES = {name + "Batch": name for name in ("SendMessage", "DeleteMessage", "ChangeMessageVisibility")}
CONTAINER_TOKEN = "devstack-container-token"


def listed(value):
    return value if isinstance(value, list) else [value]


def granted(program):
    """(action, queue or table) of the task's role."""
    properties = services().resources[f"{program.capitalize()}Role"]["Properties"]
    assert "ManagedPolicyArns" not in properties
    pairs = set()
    for statement in (each for policy in properties["Policies"] for each in policy["PolicyDocument"]["Statement"]):
        assert statement["Effect"] == "Allow"
        for action in listed(statement["Action"]):
            for arn in listed(statement["Resource"]):
                service, name = re.fullmatch(r"arn:aws:(\w+):eu-west-1:000000000000:(?:table/)?([\w.-]+)", arn).groups()
                assert action.startswith(service + ":")
                pairs.add((action, name))
    return pairs


def test_roles_for_msk_iam():
    """What MSK's reference of kafka-cluster: actions wants for these requests. No emulator asks for it."""
    cluster = "cluster/events/0a1b-2c3d"
    idempotent = {("Connect", cluster), ("WriteDataIdempotently", cluster)}
    topic, group = "topic/events/0a1b-2c3d/", "group/events/0a1b-2c3d/"
    wanted = {
        "router": idempotent
        | {(action, topic + "delay-*") for action in ("DescribeTopic", "ReadData")}
        | {(action, topic + "delay-dead-letter") for action in ("DescribeTopic", "WriteData")}
        | {(action, group + "delayline-router") for action in ("DescribeGroup", "AlterGroup")},
        "relay": idempotent
        | {(action, topic + name) for action in ("DescribeTopic", "WriteData") for name in ("orders-*", "delay-dead-letter")},
        "scheduler": set(),
    }
    prefix = "arn:aws:kafka:eu-west-1:000000000000:"
    for program, pairs in wanted.items():
        policies = services(**WITH_MSK_IAM).resources[f"{program.capitalize()}Role"]["Properties"]["Policies"]
        got = [
            (action.removeprefix("kafka-cluster:"), resource.removeprefix(prefix))
            for policy in policies if policy["PolicyName"] == "kafka"
            for statement in policy["PolicyDocument"]["Statement"]
            for action in statement["Action"]
            for resource in listed(statement["Resource"])
        ]
        assert sorted(got) == sorted(pairs), program


class Recorded:
    """What the emulator has seen of each program. As on Fargate each gets keys of its own by the container endpoint,
    and by those it is told apart."""

    def __init__(self, stack):
        self.stack = stack
        self.program_of = {}
        self.role = {
            "AWS_ACCESS_KEY_ID": "",
            "AWS_SECRET_ACCESS_KEY": "",
            "AWS_CONTAINER_CREDENTIALS_FULL_URI": stack.env["AWS_ENDPOINT_URL"] + "/credentials",
            "AWS_CONTAINER_AUTHORIZATION_TOKEN": CONTAINER_TOKEN,
        }

    def requests(self, since=0):
        return self.stack.emulator(f"/_emulator/requests?since={since}")

    def settings(self, program):
        return {**self.role, **names(services(), program)}

    def learn_key(self, program, action):
        since = self.requests()["next"]
        result = action()
        keys = {each["access_key"] for each in self.requests(since)["requests"] if each["operation"] == "container"}
        new = keys - set(self.program_of)
        assert len(new) == 1, f"keys fetched while only {program} started: {keys}"
        self.program_of[new.pop()] = program
        return result

    def check(self, program):
        env = {**self.stack.env, **self.settings(program)}
        answer = self.learn_key(program, lambda: run(program, "--check", env))
        assert answer.returncode == 0, answer.stderr

    def start(self, program, **settings):
        def ready():
            replica = self.stack.start(program, **self.settings(program), **settings)
            replica.wait_ready()
            return replica

        return self.learn_key(program, ready)

    def called(self, program):
        """(action, queue or table) of its calls. GetQueueUrl is recorded without its queue: it was for those whose
        attributes were asked for then."""
        pairs, urls = set(), False
        for each in self.requests()["requests"]:
            if self.program_of.get(each["access_key"]) != program or each["operation"] == "container":
                continue
            operation = BATCHES.get(each["operation"], each["operation"])
            if operation == "GetQueueUrl":
                urls = True
                continue
            service = "sqs" if "Queue" in operation or "Message" in operation else "dynamodb"
            pairs.add((f"{service}:{operation}", each["resource"]))
        queues = {name for action, name in pairs if action == "sqs:GetQueueAttributes"}
        return pairs | ({("sqs:GetQueueUrl", name) for name in queues} if urls else set())


@pytest.mark.embedded("reads what the emulator has recorded")
def test_a_role_grants_what_its_program_calls(new_stack):
    """Nothing missing, nothing extra: at --check, at start, when shards are raised, and on every path of a record."""
    stack = new_stack(routers=0, schedulers=0, relays=0)
    recorded = Recorded(stack)
    for program in PROGRAMS:
        recorded.check(program)
    # The scheduler sets the empty table up, the router raises the shards. It lets SQS hand out early, so that the relay
    # has something to defer; the scheduler always does.
    recorded.start("scheduler", DELAYLINE_SHARDS="1")
    router = recorded.start("router", DELAYLINE_SHARDS="2", DELAYLINE_LEAD="2900ms")
    recorded.start("relay")
    assigned = "delayline_kafka_partitions_assigned"
    s.wait_until("partitions", 30, lambda: s.metrics(router.admin()).get(assigned, 0) > 0)
    kafka = s.Kafka(stack)
    target = ("delay-target", stack.target.encode())
    kafka.send(value=b"short", headers=[target, ("delay-for", b"5500ms")])
    kafka.send(value=b"long", headers=[target, ("delay-for", b"9s")])
    kafka.send(value=os.urandom(1 << 20), headers=[target, ("delay-for", b"2s")])
    kafka.read(stack.target, 3, 40)

    def differences():
        return {
            program: {"missing": sorted(called - granted(program)), "extra": sorted(granted(program) - called)}
            for program in PROGRAMS
            if (called := recorded.called(program)) != granted(program)
        }

    try:  # calls that follow the delivery
        s.wait_until("agreement", 15, lambda: not differences(), 0.2)
    except AssertionError:
        assert differences() == {}


# --- queues and table ---------------------------------------------------------------------------

# Beyond provision's: AWS's default now, but named; and what local servers do without.
OURS_ALONE = {"MaximumMessageSize": "1048576", "SqsManagedSseEnabled": "true"}


def attributes(queue):
    """Properties as SQS's API spells them."""
    return {k: str(v).lower() if isinstance(v, bool) else str(v) for k, v in queue.items() if k != "QueueName"}


def test_data_is_what_provision_makes():
    template = data()
    queues = {each["QueueName"]: attributes(each) for each in template.of_type("AWS::SQS::Queue").values()}
    wanted = {
        name: {"MessageRetentionPeriod": provision.FOURTEEN_DAYS, **own, **OURS_ALONE}
        for _, name, own in provision.QUEUES
    }
    assert queues == wanted
    (table,) = template.of_type("AWS::DynamoDB::Table").values()
    assert table["TableName"] == "delayline" and table["BillingMode"] == "PAY_PER_REQUEST"
    assert [(key["AttributeName"], key["KeyType"]) for key in table["KeySchema"]] == provision.KEYS
    assert {each["AttributeName"]: each["AttributeType"] for each in table["AttributeDefinitions"]} == {"pk": "S", "sk": "S"}
    assert table["TimeToLiveSpecification"] == {"AttributeName": provision.EXPIRES, "Enabled": True}
    assert table["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
    assert table["DeletionProtectionEnabled"] is True


def test_data_is_kept_and_refuses_plain_http():
    template = data()
    for name, resource in template.resources.items():
        if resource["Type"] in ("AWS::SQS::Queue", "AWS::SQS::QueuePolicy", "AWS::DynamoDB::Table"):
            assert resource["DeletionPolicy"] == resource["UpdateReplacePolicy"] == "Retain", name
    refused = set()
    for policy in template.of_type("AWS::SQS::QueuePolicy").values():
        (statement,) = policy["PolicyDocument"]["Statement"]
        assert (statement["Effect"], statement["Principal"], statement["Action"]) == ("Deny", "*", "sqs:*")
        assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
        assert policy["Queues"] == [statement["Resource"].removesuffix(".Arn")]
        refused.update(policy["Queues"])
    assert refused == set(template.of_type("AWS::SQS::Queue"))


@pytest.mark.embedded("SQS of others does not know every attribute")
def test_check_accepts_what_data_makes(fast_stack, monkeypatch):
    for name, value in fast_stack.env.items():
        if name.startswith("AWS_"):
            monkeypatch.setenv(name, value)
    aws = provision.Aws()
    template = data(Name="cfn")
    for queue in template.of_type("AWS::SQS::Queue").values():
        aws.call("sqs", "CreateQueue", QueueName=queue["QueueName"], Attributes=attributes(queue))
    (table,) = template.of_type("AWS::DynamoDB::Table").values()
    made = ("TableName", "KeySchema", "AttributeDefinitions", "BillingMode")
    aws.call("dynamodb", "CreateTable", **{name: table[name] for name in made})
    specification = table["TimeToLiveSpecification"]
    aws.call("dynamodb", "UpdateTimeToLive", TableName=table["TableName"], TimeToLiveSpecification=specification)
    for program in PROGRAMS:
        env = {**fast_stack.env, **names(services(Name="cfn"), program)}
        answer = run(program, "--check", env)
        assert answer.returncode == 0, f"{program}: {answer.stderr}"
        assert "queue_" not in answer.stdout, "a warning about a queue"


# --- services -----------------------------------------------------------------------------------


@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize("kafka", [{}, WITH_SASL, WITH_MSK_IAM], ids=["ssl", "sasl", "msk-iam"])
def test_a_task_is_configured_as_its_program_wants(program, kafka):
    template = services(**kafka)
    env = environment(template, program)
    secrets = {each["Name"]: "not-a-secret" for each in container(template, program).get("Secrets", [])}
    assert sorted(secrets) == (
        ["KAFKA_PROPERTY_SASL_PASSWORD", "KAFKA_PROPERTY_SASL_USERNAME"] if kafka is WITH_SASL and program != "scheduler" else []
    )
    answer = run(program, "--print-config", {**env, **secrets})
    assert answer.returncode == 0, answer.stderr
    printed = dict(line.split("=", 1) for line in answer.stdout.splitlines() if "=" in line)
    for name, value in env.items():
        assert printed[name].upper() == value.upper(), name
    grace_s = int(re.fullmatch(r"(\d+)s", printed["DELAYLINE_STOP_GRACE"])[1])
    assert grace_s + 1 < container(template, program)["StopTimeout"] <= 120


def test_the_router_may_be_another_user_of_kafka():
    common = WITH_SASL["KafkaCredentials"]
    for own, given in ((common, {}), (common + "-router", {"RouterKafkaCredentials": common + "-router"})):
        template = services(**WITH_SASL, **given)
        for program, secret in (("router", own), ("relay", common)):
            used = [each["ValueFrom"] for each in container(template, program)["Secrets"]]
            assert used == [f"{secret}:username::", f"{secret}:password::"]
        (policy,) = template.resources["ExecutionRole"]["Properties"]["Policies"]
        assert set(policy["PolicyDocument"]["Statement"][0]["Resource"]) == {own, common}


def test_another_table_and_an_older_router():
    """What the runbook sets when the table was restored, and when the writers alone go back."""
    template = services(Table="restored", RouterImageTag="v0")
    for program in PROGRAMS:
        assert names(template, program)["DELAYLINE_TABLE"] == "restored"
        role = json.dumps(template.resources[f"{program.capitalize()}Role"])
        assert ":table/restored\"" in role and ":table/delayline" not in role
        assert container(template, program)["Image"].endswith(f"{program}:{'v0' if program == 'router' else 'v1'}")


def test_readers_are_updated_before_writers():
    resources = services().resources
    assert resources["RouterService"]["DependsOn"] == "SchedulerService"
    assert resources["SchedulerService"]["DependsOn"] == "RelayService"


def test_two_delaylines_share_no_group():
    """On one Kafka cluster each would otherwise get a part of the other's records."""
    for name in ("delayline", "another"):
        template = services(**WITH_MSK_IAM, Name=name)
        assert environment(template, "router")["DELAYLINE_ROUTER_GROUP_ID"] == f"{name}-router"
        assert f"group/events/0a1b-2c3d/{name}-router" in json.dumps(template.resources["RouterRole"])


def test_health_checks_are_those_of_the_images():
    text = (s.ROOT / "deploy/Dockerfile").read_text()
    for program in PROGRAMS:
        command = container(services(), program)["HealthCheck"]["Command"]
        assert command[0] == "CMD" and json.dumps(command[1:]) in text


# As Fargate pairs them: MiB by CPU units.
MEMORY = {256: (512, 2048), 512: (1024, 4096), 1024: (2048, 8192), 2048: (4096, 16384), 4096: (8192, 30720)}


def test_parameters_fit_the_templates():
    known = {**data().parameters, **services().parameters}
    assert set(PARAMETERS) == set(known)
    for template in (data(), watch()):
        for name in set(template.parameters) & set(services().parameters):
            one, other = ({**t.parameters[name], "Description": ""} for t in (template, services()))
            assert one == other, name
    assert set(watch().parameters) <= set(known)
    for name, definition in known.items():
        value = PARAMETERS[name]
        assert value in map(str, definition.get("AllowedValues", [value])), name
        assert re.fullmatch(definition.get("AllowedPattern", ".*"), value), name
        if definition["Type"] == "Number":
            assert definition.get("MinValue", 0) <= int(value) <= definition.get("MaxValue", 1 << 30), name
    for program in ("Router", "Scheduler", "Relay"):
        least, most = MEMORY[int(PARAMETERS[f"{program}Cpu"])]
        assert least <= int(PARAMETERS[f"{program}Memory"]) <= most
