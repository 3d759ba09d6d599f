"""While SQS throttles, what is held already goes before what could be taken in: no copies, little delay."""

import pytest
import stack as s

QUEUE_CALLS = ("SendMessageBatch", "ReceiveMessage", "DeleteMessageBatch", "ChangeMessageVisibilityBatch")


@pytest.mark.alone
@pytest.mark.embedded("no other server here throttles")
def test_three_of_ten_calls_throttled(new_stack):
    stack = new_stack(settings=None)  # the design's own times: a visibility of 10 s
    faults = [{"operation": name, "per_mille": 300, "action": "throttle"} for name in QUEUE_CALLS]
    stack.emulator("/_emulator/faults", {"seed": 7, "faults": faults}, "POST")
    records, rate = (500, 50) if s.VARIANT != "release" else (2000, 200)
    code, report = stack.load(records, rate, "0..15s").verdict()
    assert code == 0 and s.clean(report), report
    assert report["delay_error_ms"]["p90"] <= 500, report
    relay = s.metrics(stack.admins("relay")[0])
    throttled = sum(v for k, v in relay.items() if k.startswith("delayline_aws_throttles_total"))
    assert throttled > 10
    assert relay["delayline_lapsed_emitted_total"] == 0
