"""Envelopes of a version that is newer than the programs, as an update that goes on or was taken back leaves them (F39): kept as
they are, counted, told, and delivered by who can read them."""

import base64

import pytest
import runbook
import stack as s
from aws import Aws

AT_VERSION = 4  # common/envelope.h


def of_version(by, frames):
    changed = bytearray(frames)
    changed[AT_VERSION] += by
    return bytes(changed)


def newer(body):
    return base64.b64encode(of_version(1, base64.b64decode(body))).decode()


def readable(body):
    return base64.b64encode(of_version(-1, base64.b64decode(body))).decode()


def rewrite_item(aws, table):
    """The only envelope in the table, once it is there; its body as a relay will get it."""

    def envelopes():
        return [item for item in aws.call("dynamodb", "Scan", TableName=table)["Items"] if "e" in item]

    s.wait_until("an envelope in the table", 10, envelopes)
    (item,) = envelopes()
    item["e"] = {"B": newer(item["e"]["B"])}
    aws.call("dynamodb", "PutItem", TableName=table, Item=item)
    return item["e"]["B"]


def rewrite_message(aws, queue_url):
    (body,) = aws.receive(queue_url)
    aws.call("sqs", "SendMessage", QueueUrl=queue_url, MessageBody=newer(body))
    return newer(body)


def value(program, series):
    return s.metrics(program.admin()).get(series, 0)


@pytest.mark.embedded("puts a newer version into queue and table by hand, and waits for nothing longer than a second")
def test_a_newer_version_is_kept_for_who_can_read_it(new_stack, tmp_path):
    stack = new_stack(relays=0)
    aws, kafka = Aws(stack.env), s.Kafka(stack)
    delay_queue = aws.queue_url("delayline-delay")
    target = ("delay-target", stack.target.encode())
    kafka.send(b"k", b"long", [target, ("delay-for", b"9s")])
    kafka.send(b"k", b"short", [target, ("delay-for", b"2s")])
    bodies = {rewrite_item(aws, "delayline"), rewrite_message(aws, delay_queue)}

    # A relay that is older: both stay where they are, and what it can read passes.
    old = stack.start("relay", DELAYLINE_RELAY_PARK="1s")
    kafka.send(value=b"readable", headers=[target, ("delay-for", b"1s")])
    kafka.read(stack.target, 1, 20, lambda m: m.value() == b"readable")
    scheduler = stack.admins("scheduler")[0]
    forwarded = "delayline_unreadable_items_total"
    s.wait_until("the long one handed over as it is", 20, lambda: s.metrics(scheduler).get(forwarded, 0) == 1)
    unreadable = lambda: {e["message_id"] for e in old.events() if e["event"] == "message_unreadable"}  # noqa: E731
    s.wait_until("both seen", 20, lambda: len(unreadable()) == 2)
    seen = value(old, "delayline_parked_total")
    s.wait_until("both seen again", 20, lambda: value(old, "delayline_parked_total") >= seen + 2)
    assert value(old, "delayline_dead_lettered_total") == 0
    assert {e["reason"] for e in old.events() if e["event"] == "message_unreadable"} == {"unsupported"}
    assert old.stop()[0] == 0

    # For longer than DELAYLINE_RELAY_PARK_MAX: dead letters, whole, which the runbook puts back into a queue.
    old = stack.start("relay", DELAYLINE_RELAY_PARK="1s", DELAYLINE_RELAY_PARK_MAX="1s")
    letters = [message for message, _ in kafka.read(stack.dead_letter_topic, 2, 30)]
    assert {message.value().decode() for message in letters} == bodies
    assert {s.header(message, "delay-error") for message in letters} == {"envelope-unsupported"}
    s.wait_until("both deleted", 20, lambda: value(old, "delayline_deleted_total") == 2)
    assert old.stop()[0] == 0
    runbook.run(stack, "dead-messages", tmp_path)
    back = aws.receive(delay_queue)
    assert set(back) == bodies and len(back) == 2

    # A relay that can read them: here the bodies are made what it can read.
    for body in back:
        aws.call("sqs", "SendMessage", QueueUrl=delay_queue, MessageBody=readable(body))
    new = stack.start("relay")
    found = [m for m, _ in kafka.read(stack.target, 2, 20, lambda m: m.value() != b"readable")]
    assert {(m.key(), m.value()) for m in found} == {(b"k", b"short"), (b"k", b"long")}
    s.wait_until("both deleted", 20, lambda: value(new, "delayline_deleted_total") == 2)
    assert value(new, 'delayline_records_total{path="short",outcome="delivered"}') == 2
