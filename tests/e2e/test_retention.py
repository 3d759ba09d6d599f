"""What a group has committed is no longer there when it comes back (F28)."""

import os

import confluent_kafka
import pytest
import stack as s

VALUE_BYTES = 200_000
PARTITION = 0
RECORDS = 40  # more than the 5 MiB that the mock cluster keeps of a partition


def watermarks(stack):
    consumer = confluent_kafka.Consumer({"bootstrap.servers": stack.bootstrap, "group.id": "watermarks"})
    try:
        return consumer.get_watermark_offsets(confluent_kafka.TopicPartition(stack.delay_topic, PARTITION), timeout=10)
    finally:
        consumer.close()


@pytest.mark.embedded("its brokers forget what is older than 5 MiB at once")
def test_what_retention_took_is_said_and_nothing_else_is_left_out(new_stack):
    stack = new_stack(routers=0)
    kafka = s.Kafka(stack)

    def send(number, value):
        headers = [("delay-target", stack.target), ("delay-for", "100ms")]
        kafka.producer.produce(stack.delay_topic, key=str(number), value=value, headers=headers, partition=PARTITION)
        assert kafka.producer.flush(10) == 0

    router = stack.start("router")
    send(0, b"first")
    kafka.read(stack.target, 1, 30)
    assert router.stop()[0] == 0  # 1 is committed
    for number in range(1, RECORDS + 1):
        send(number, os.urandom(VALUE_BYTES))
    low, high = watermarks(stack)
    assert 1 < low < high == RECORDS + 1, "nothing was taken away, or all"

    router = stack.start("router")
    found = kafka.read(stack.target, high - low, 60, match=lambda message: message.key() != b"0")
    sources = sorted(s.header(message, "delay-source") for message, _ in found)
    assert sources == sorted(f"{stack.delay_topic}/{PARTITION}/{offset}" for offset in range(low, high))
    log = router.log_path.read_text()
    assert "offset reset (at offset 1," in log and f"BEGINNING offset {low}" in log, log[-2000:]
