"""What only a real broker does: it restarts with its data, rebalances a loaded group step by step, and has transactions."""

import time
import uuid

import confluent_kafka
import pytest
import stack as s

PARTITIONS = "delayline_kafka_partitions_assigned"


def assigned(admin):
    return s.metrics(admin).get(PARTITIONS, 0)


def settled(admins, partitions):
    own = [assigned(admin) for admin in admins]
    return sum(own) == partitions and min(own) > 0


def delivered(stack):
    return sum(
        value
        for admin in stack.admins("relay")
        for name, value in s.metrics(admin).items()
        if name.startswith("delayline_records_total") and "delivered" in name
    )


@pytest.mark.alone  # it is everyone's broker
def test_the_broker_restarts_in_mid_run(new_stack):
    stack = new_stack(routers=2, schedulers=2, relays=2)
    run = stack.load(4000, 200, "0..12s", "--targets", "3", "--drain", "60s")
    s.wait_until("records are delivered", 30, lambda: delivered(stack) > 500)
    stack.broker_down()
    stack.broker_up()
    code, report = run.verdict()
    assert report["sent"] == 4000
    assert code == 0 and s.clean(report), report


@pytest.mark.parametrize("after", [0, 3.5])
def test_a_router_leaves_while_it_joins(new_stack, after):
    """Whatever it had by then, the group does not wait for the end of its session (45 s)."""
    stack = new_stack()
    run = stack.load(1000, 100, "0..2s")
    router = stack.start("router")
    router.wait_ready()
    time.sleep(after)
    code, seconds = router.stop()
    assert code == 0 and seconds < 8, router.log_path.read_text()[-3000:]
    code, report = run.verdict()
    assert code == 0 and s.clean(report), report
    assert report["delay_error_ms"]["max"] < 10000, report
    began = time.monotonic()
    stack.down()
    assert time.monotonic() - began < 5, "the router that stays takes long to stop"


def test_routers_join_and_leave_under_load(new_stack):
    """Cooperative: who stays keeps what it has, but for what the newcomer gets; a clean leave repeats nothing."""
    stack = new_stack(routers=2, relays=2)
    partitions = int(stack.env["DELAYLINE_STACK_DELAY_PARTITIONS"])
    run = stack.load(8000, 500, "0..10s")
    s.wait_until("records are delivered", 30, lambda: delivered(stack) > 500)
    third = stack.start("router")
    everyone = [*stack.admins("router"), third.admin()]
    s.wait_until("three share", 30, lambda: settled(everyone, partitions))
    assert all(assigned(admin) == partitions / 3 for admin in everyone)
    code, _ = third.stop()
    assert code == 0, third.log_path.read_text()[-3000:]
    s.wait_until("two share", 30, lambda: settled(stack.admins("router"), partitions))
    code, report = run.verdict()
    assert report["sent"] == 8000
    assert code == 0 and s.clean(report), report


def test_a_third_router_joins_while_one_of_two_stops(new_stack):
    """The group is between two generations when the stop commits."""
    stack = new_stack(routers=1, relays=2)
    partitions = int(stack.env["DELAYLINE_STACK_DELAY_PARTITIONS"])
    old = stack.start("router")
    old.wait_ready()
    s.wait_until("two share", 30, lambda: settled([*stack.admins("router"), old.admin()], partitions))
    run = stack.load(8000, 500, "0..10s")
    s.wait_until("records are delivered", 30, lambda: delivered(stack) > 500)
    third = stack.start("router")
    third.wait_ready()
    code, seconds = old.stop()
    assert code == 0 and seconds < 10, old.log_path.read_text()[-3000:]
    s.wait_until("two share again", 30, lambda: settled([*stack.admins("router"), third.admin()], partitions))
    code, report = run.verdict()
    assert report["sent"] == 8000
    assert code == 0 and s.clean(report), report


def test_only_committed_transactions_are_delayed(new_stack):
    """Aborted records and the control batches that end a transaction are gaps in the offsets, no more (F28)."""
    stack = new_stack()
    kafka = s.Kafka(stack)
    producer = confluent_kafka.Producer(
        {"bootstrap.servers": stack.bootstrap, "transactional.id": uuid.uuid4().hex, "linger.ms": 5}
    )
    producer.init_transactions(30)
    expected = []
    for number in range(12):
        producer.begin_transaction()
        for letter in "abc":
            value = b"%d%s" % (number, letter.encode())
            headers = [("delay-target", stack.target), ("delay-for", "1s")]
            producer.produce(stack.delay_topic, value=value, headers=headers, partition=0)
        producer.flush(30)
        if number % 3 == 1:
            producer.abort_transaction(30)
        else:
            producer.commit_transaction(30)
            expected += [b"%d%s" % (number, letter.encode()) for letter in "abc"]
    kafka.send(value=b"last", headers=[("delay-target", stack.target), ("delay-for", "4s")])
    got = [message.value() for message, _ in kafka.read(stack.target, len(expected) + 1, 40)]
    assert sorted(got) == sorted([*expected, b"last"])
