"""How late each SQS hands out what was delayed, hidden, or sent: measured, for the README and DELAYLINE_LEAD."""

import os
import threading
import time
import uuid

import pytest
import test_clients

MESSAGES = 20
HIDDEN_SECONDS = 10


def receive_all(sqs, url, due, wanted, seconds):
    """Lateness of each message in seconds; `due` is a time by body."""
    late = []
    end = time.monotonic() + seconds
    while len(late) < wanted and time.monotonic() < end:
        got = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=1, VisibilityTimeout=60)
        now = time.time()
        for message in got.get("Messages", []):
            if message["Body"] in due:
                late.append(now - due[message["Body"]])
                sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    return sorted(late)


@pytest.fixture
def say(capsys):
    def to_the_log(*words):
        with capsys.disabled():
            print("\n" + os.environ.get("SQS", "localstack") + ":", *words)

    return to_the_log


def show(say, what, late):
    assert len(late) == MESSAGES, f"{what}: {len(late)} of {MESSAGES} came"
    say(f"{what}: late by {late[0] * 1000:.0f} .. {late[-1] * 1000:.0f} ms, median {late[len(late) // 2] * 1000:.0f}")


@pytest.fixture
def queue(fast_stack):
    sqs = test_clients.client(fast_stack, "sqs")
    made = []

    def create(suffix="", **attributes):
        made.append(sqs.create_queue(QueueName=f"ticks-{uuid.uuid4().hex}{suffix}", Attributes=attributes)["QueueUrl"])
        return sqs, made[-1]

    yield create
    for url in made:
        sqs.delete_queue(QueueUrl=url)


def test_delay_seconds(queue, say):
    sqs, url = queue()
    due = {}
    for _ in range(MESSAGES):
        body = uuid.uuid4().hex
        sqs.send_message(QueueUrl=url, MessageBody=body, DelaySeconds=2)
        due[body] = time.time() + 2
        time.sleep(0.07)  # all phases of a tick of a second
    late = receive_all(sqs, url, due, MESSAGES, 10)
    show(say, "DelaySeconds", late)
    assert -1.1 < late[0] and late[-1] < 2


@pytest.mark.parametrize("suffix", ["", ".fifo"])
def test_visibility(queue, say, suffix):
    fifo = {"FifoQueue": "true", "ContentBasedDeduplication": "true"} if suffix else {}
    sqs, url = queue(suffix, **fifo)
    due = {}
    for _ in range(MESSAGES):
        body = uuid.uuid4().hex
        sqs.send_message(QueueUrl=url, MessageBody=body, **({"MessageGroupId": body} if suffix else {}))
        due[body] = None
    hidden = 0
    while hidden < MESSAGES:
        for message in sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=2, WaitTimeSeconds=1).get("Messages", []):
            sqs.change_message_visibility(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=3)
            due[message["Body"]] = time.time() + 3
            hidden += 1
            time.sleep(0.05)
    late = receive_all(sqs, url, due, MESSAGES, 12)
    show(say, f"visibility {'FIFO' if suffix else 'standard'}", late)
    assert -1.1 < late[0] and late[-1] < 2.5


def test_beside_a_group_that_is_hidden_for_long(queue, say):
    """LocalStack: FIFO requeue stops at the first message that is still hidden. Deferral rests on other groups coming."""
    sqs, url = queue(".fifo", FifoQueue="true", ContentBasedDeduplication="true")
    for body in ("long", "short"):
        sqs.send_message(QueueUrl=url, MessageBody=body, MessageGroupId=body)
    seen = 0
    while seen < 2:
        for message in sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=1).get("Messages", []):
            seconds = HIDDEN_SECONDS if message["Body"] == "long" else 1
            sqs.change_message_visibility(
                QueueUrl=url, ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=seconds
            )
            seen += 1
    began = time.time()
    got = receive_all(sqs, url, {"short": began + 1}, 1, 25)
    assert len(got) == 1
    say(f"FIFO, another group hidden for {HIDDEN_SECONDS} s: late by {got[0]:.1f} s")


def test_a_long_poll_is_woken(queue, say):
    """A message that is sent during a long poll comes at once, not with the next tick."""
    sqs, url = queue()
    body = uuid.uuid4().hex
    sent = {}

    def send():
        time.sleep(1.3)
        sent[body] = time.time()
        sqs.send_message(QueueUrl=url, MessageBody=body)

    thread = threading.Thread(target=send)
    thread.start()
    got = sqs.receive_message(QueueUrl=url, WaitTimeSeconds=10)["Messages"]
    took = time.time() - sent[body]
    thread.join()
    assert got[0]["Body"] == body
    say(f"long poll: woken after {took * 1000:.0f} ms")
    assert took < 1
