"""What deploy/RUNBOOK.md says of mishaps, done to a stack: what comes by itself, and what its commands bring back."""

import datetime

import pytest
import runbook
import stack as s
from aws import Aws

COUNT = 10
SETTLE_SECONDS = 2  # a copy that another relay holds comes with the same millisecond, one decided again soon after
# The mock cluster holds a join open for the session time-out less a second.
QUICK_JOINS = {"KAFKA_PROPERTY_SESSION_TIMEOUT_MS": "3000"}
STORED = 'delayline_records_total{{path="{}",outcome="stored"}}'


def send(kafka, delay, count=COUNT):
    for number in range(count):
        headers = [("delay-target", kafka.stack.target.encode()), ("delay-for", delay), ("delay-id", b"%d" % number)]
        kafka.send(b"k", b"v", headers)


def once_and_not_early(kafka, seconds=60):
    found = kafka.read(kafka.stack.target, COUNT, seconds, settle=SETTLE_SECONDS)
    assert sorted(int(s.header(m, "delay-id")) for m, _ in found) == list(range(COUNT))
    assert all(received_ms >= int(s.header(m, "delay-due")) for m, received_ms in found)


def purge(stack, queue):
    aws = Aws(stack.env)
    aws.call("sqs", "PurgeQueue", QueueUrl=aws.queue_url(queue))


def wait_for(admin, series, count):
    s.wait_until(f"{count} {series}", 30, lambda: s.metrics(admin).get(series, 0) >= count)


@pytest.mark.embedded("purges, which others allow once a minute")
def test_a_purged_delay_queue_is_filled_from_the_topic(new_stack):
    """By a group that begins at the beginning: the mock cluster lets nobody move the place of one that it knows."""
    stack = new_stack(routers=0, settings={**s.FAST, **QUICK_JOINS})
    kafka, router = s.Kafka(stack), stack.start("router")
    send(kafka, b"5s")
    wait_for(router.admin(), STORED.format("short"), COUNT)
    purge(stack, "delayline-delay")
    assert router.stop()[0] == 0
    stack.start("router", DELAYLINE_ROUTER_GROUP_ID="from-the-beginning")
    once_and_not_early(kafka)


@pytest.mark.embedded("purges, which others allow once a minute")
def test_a_purged_timer_queue_fills_itself(new_stack):
    stack = new_stack()
    kafka = s.Kafka(stack)
    send(kafka, b"8s")
    wait_for(stack.admins("router")[0], STORED.format("long"), COUNT)
    purge(stack, "delayline-timer.fifo")
    once_and_not_early(kafka)


@pytest.mark.embedded("purges, which others allow once a minute")
def test_cursors_that_are_set_back_hand_over_again(new_stack, tmp_path):
    """A ready queue that was purged, and a table as it was some time ago. FIFO would drop what was sent five minutes ago: so
    what comes after it is another queue here."""
    stack = new_stack(schedulers=0, relays=0)
    aws, kafka, scheduler = Aws(stack.env), s.Kafka(stack), stack.start("scheduler")
    since = datetime.datetime.now(datetime.timezone.utc)
    send(kafka, b"8s")
    wait_for(scheduler.admin(), 'delayline_records_total{path="long",outcome="dispatched"}', COUNT)
    assert scheduler.stop()[0] == 0
    purge(stack, "delayline-ready.fifo")
    runbook.run(stack, "cursors", tmp_path, since=since.strftime("%Y-%m-%dT%H:%M:%SZ"), bucket="1")
    of_ready = aws.call("sqs", "GetQueueAttributes", QueueUrl=aws.queue_url("delayline-ready.fifo"), AttributeNames=["All"])
    fifo = {name: of_ready["Attributes"][name] for name in ("FifoQueue", "DeduplicationScope", "FifoThroughputLimit")}
    aws.call("sqs", "CreateQueue", QueueName="five-minutes-later.fifo", Attributes=fifo)
    later = {"DELAYLINE_READY_QUEUE": "five-minutes-later.fifo"}
    scheduler = stack.start("scheduler", **later)
    stack.start("relay", **later)
    once_and_not_early(kafka)
    metrics = s.metrics(scheduler.admin())
    assert metrics["delayline_fence_refusals_total"] == metrics["delayline_stragglers_total"] == 0
