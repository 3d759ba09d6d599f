"""Other people's clients: the Java console producer and consumer, and boto3 on our queues and our table."""

import base64
import datetime
import json
import os
import subprocess
import uuid

import boto3
import pytest
import runbook
import stack as s


def java_command(main):
    cache = s.read_env(s.NATIVE_RUN / "servers.env", prefixes=("NATIVE_",))["NATIVE_CACHE"]
    return ["java", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xmx96m", "-cp", f"{cache}/kafka/*", main]


def java(main, *arguments, text=None):
    run = subprocess.run([*java_command(main), *arguments], input=text, capture_output=True, text=True, timeout=60)
    assert run.returncode == 0, run.stdout + run.stderr
    return run.stdout


def client(stack, service):
    endpoint = {"sqs": stack.sqs_endpoint, "dynamodb": stack.dynamodb_endpoint}[service]
    session = boto3.session.Session(
        aws_access_key_id=stack.env["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=stack.env["AWS_SECRET_ACCESS_KEY"],
        region_name=stack.env["AWS_REGION"],
    )
    return session.client(service, endpoint_url=endpoint)


def queue_url(stack, which):
    return client(stack, "sqs").get_queue_url(QueueName=stack.env[f"DELAYLINE_{which}_QUEUE"])["QueueUrl"]


def send_delayed(stack, value, delay):
    s.Kafka(stack).send(value=value, headers=[("delay-target", stack.target.encode()), ("delay-for", delay)])


def arrived(stack, value, seconds):
    return s.Kafka(stack).read(stack.target, 1, seconds, lambda m: m.value() == value)[0]


def test_java_console_clients(fast_stack):
    mark = uuid.uuid4().hex
    java(
        "kafka.tools.ConsoleProducer", "--bootstrap-server", fast_stack.bootstrap, "--topic", fast_stack.delay_topic,
        "--property", "parse.headers=true", "--property", "parse.key=true",
        text=f"delay-target:{fast_stack.target},delay-for:3s,who:java\tkey-{mark}\t{{\"order\":17}}\n",
    )  # fmt: skip
    message, _ = s.Kafka(fast_stack).read(fast_stack.target, 1, 30, lambda m: m.key() == f"key-{mark}".encode())[0]
    assert message.timestamp()[1] >= int(s.header(message, "delay-due"))
    output = java(
        "org.apache.kafka.tools.consumer.ConsoleConsumer", "--bootstrap-server", fast_stack.bootstrap,
        "--topic", fast_stack.target, "--from-beginning", "--timeout-ms", "5000",
        "--property", "print.headers=true", "--property", "print.key=true",
    )  # fmt: skip
    line = next(line for line in output.splitlines() if f"key-{mark}" in line)
    headers, key, value = line.split("\t")
    assert key == f"key-{mark}" and value == '{"order":17}'
    assert headers.startswith("who:java,") and "delay-due:" in headers and "delay-target" not in headers


def test_attributes_of_the_queues(fast_stack):
    sqs = client(fast_stack, "sqs")

    def attributes(which):
        return sqs.get_queue_attributes(QueueUrl=queue_url(fast_stack, which), AttributeNames=["All"])["Attributes"]

    for which in ("READY", "TIMER"):
        got = attributes(which)
        assert got["FifoQueue"] == "true" and got.get("DelaySeconds", "0") == "0" and "RedrivePolicy" not in got
    assert "FifoQueue" not in attributes("DELAY") or attributes("DELAY")["FifoQueue"] == "false"

    mark = uuid.uuid4().bytes
    send_delayed(fast_stack, mark, b"6s")
    s.wait_until(
        "a delayed message is counted", 5,
        lambda: int(attributes("DELAY")["ApproximateNumberOfMessagesDelayed"]) > 0, 0.1,
    )  # fmt: skip
    arrived(fast_stack, mark, 20)


def scan_table(stack):
    pages = client(stack, "dynamodb").get_paginator("scan").paginate(TableName=stack.env["DELAYLINE_TABLE"])
    return [item for page in pages for item in page["Items"]]


def test_items_of_the_table(fast_stack):
    """Ours are as the design says, and inspect reads what boto3 got."""
    mark = uuid.uuid4().hex.encode()
    send_delayed(fast_stack, mark, b"1h")

    def found():
        due = [i for i in scan_table(fast_stack) if "#" in i["pk"]["S"] and i["pk"]["S"][0].isdigit()]
        return max(due, key=lambda i: i["sk"]["S"], default=None)

    item = s.wait_until("the item", 10, found, 0.1)
    [body] = [value["B"] for value in item.values() if "B" in value]
    shown = subprocess.run([s.BIN / "inspect", "envelope"], input=body, capture_output=True, timeout=10)
    assert shown.returncode == 0, shown.stderr
    due_ms = int(item["sk"]["S"].split("#")[0])
    assert abs(due_ms - s.now_ms() - 3600000) < 60000
    assert int(item["expires"]["N"]) > due_ms / 1000 + 6 * 86400
    assert mark.decode() in json.dumps(json.loads(shown.stdout)) or base64.b64encode(mark) in shown.stdout, shown.stdout
    assert {"meta", "cursor#0"} <= {i["pk"]["S"] for i in scan_table(fast_stack)}


def test_a_handmade_message_on_the_ready_queue(fast_stack):
    """Nonsense is parked and blocks nobody; an envelope that somebody sends again comes out once."""
    sqs, ready = client(fast_stack, "sqs"), queue_url(fast_stack, "READY")
    for body in ("hello", base64.b64encode(os.urandom(200)).decode(), "{}"):
        unique = uuid.uuid4().hex
        sqs.send_message(QueueUrl=ready, MessageBody=body, MessageGroupId=unique, MessageDeduplicationId=unique)

    mark = uuid.uuid4().hex.encode()
    send_delayed(fast_stack, mark, b"12s")

    def item():
        for i in scan_table(fast_stack):
            body = next((value["B"] for value in i.values() if "B" in value), b"")
            shown = subprocess.run([s.BIN / "inspect", "envelope"], input=body, capture_output=True, timeout=10)
            if mark in shown.stdout or base64.b64encode(mark) in shown.stdout:
                return body
        return None

    body = s.wait_until("the item", 8, item, 0.2)
    sqs.send_message(
        QueueUrl=ready, MessageBody=base64.b64encode(body).decode(), MessageGroupId="by-hand",
        MessageDeduplicationId=uuid.uuid4().hex,
    )  # fmt: skip
    message, _ = arrived(fast_stack, mark, 40)
    assert message.timestamp()[1] >= int(s.header(message, "delay-due"))
    # What comes after it has come: the scheduler's own of the same record would have, too.
    later = uuid.uuid4().hex.encode()
    send_delayed(fast_stack, later, b"9s")
    arrived(fast_stack, later, 40)
    kafka = s.Kafka(fast_stack)
    with pytest.raises(AssertionError):
        kafka.read(fast_stack.target, 2, 2, lambda m: m.value() == mark)
    [admin] = fast_stack.admins("relay")
    assert s.metrics(admin)["delayline_parked_total"] >= 3


def test_a_group_goes_back_in_the_topic(new_stack, tmp_path):
    """As deploy/RUNBOOK.md has it."""
    stack = new_stack(routers=0)
    begin = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(seconds=1)
    taken, count = "delayline_records_taken_total", 5

    def routed():
        router = stack.start("router")
        s.wait_until(f"{count} records taken", 60, lambda: s.metrics(router.admin()).get(taken, 0) == count, 0.1)
        assert router.stop()[0] == 0

    for number in range(count):
        send_delayed(stack, b"%d" % number, b"1s")
    routed()
    tool = java_command("org.apache.kafka.tools.consumer.group.ConsumerGroupCommand")
    tools = {"kafka-consumer-groups.sh": " ".join(f"'{word}'" for word in tool)}
    place = {"group": stack.env["DELAYLINE_ROUTER_GROUP_ID"], "topic": stack.delay_topic}
    runbook.run(stack, "offsets", tmp_path, tools, since=begin.strftime("%Y-%m-%dT%H:%M:%S.000"), **place)
    routed()
