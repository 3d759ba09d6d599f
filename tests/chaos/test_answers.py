"""What AWS may answer, at rates up to all of the calls (F01..F07, F09, F10, F16, F19, F20)."""

import pytest

import chaos

HTML = {"action": "raw", "status": 200, "content_type": "text/html", "body": "<html>busy</html>"}
SENDS = ("SendMessageBatch",)
BATCHES = ("SendMessageBatch", "DeleteMessageBatch", "ChangeMessageVisibilityBatch")
EVERYTHING = chaos.SQS + ("BatchWriteItem", "Query", "UpdateItem", "GetItem")
NOT_DONE, DONE = False, True

# What goes wrong with which calls; whether what was asked for may have been done all the same.
ANSWERS = {
    "500": (EVERYTHING, {"action": "error", "status": 500, "code": "InternalFailure"}, NOT_DONE),
    "503-retry-after": (EVERYTHING, {"action": "error", "status": 503, "retry_after_ms": 300}, NOT_DONE),
    "throttled": (EVERYTHING, {"action": "throttle"}, NOT_DONE),
    "denied": (EVERYTHING, {"action": "error", "status": 400, "code": "AccessDeniedException"}, NOT_DONE),
    "html": (EVERYTHING, HTML, NOT_DONE),
    "empty": (EVERYTHING, {**HTML, "body": ""}, NOT_DONE),
    "dropped": (EVERYTHING, {"action": "drop"}, NOT_DONE),
    "applied-and-dropped": (EVERYTHING, {"action": "apply_then_drop"}, DONE),
    "applied-and-500": (EVERYTHING, {"action": "apply_then_error", "status": 500, "code": "InternalFailure"}, DONE),
    "cut": (EVERYTHING, {"action": "truncate", "at": 200}, DONE),
    "wrong-crc": (chaos.DYNAMODB, {"action": "corrupt_crc"}, DONE),
    "wrong-md5": (("SendMessageBatch", "ReceiveMessage"), {"action": "corrupt_md5"}, DONE),
    "unprocessed": (("BatchWriteItem",), {"action": "unprocessed", "entries": [0, 2]}, NOT_DONE),
    "failed-entries": (BATCHES, {"action": "fail_entries", "entries": [0, 3, 4]}, NOT_DONE),
    "failed-but-done": (BATCHES, {"action": "fail_entries", "entries": [0, 3], "applied": True}, DONE),
    "missing-entries": (BATCHES, {"action": "omit_entries", "entries": [1, 2]}, DONE),
    "twice": (("ReceiveMessage",), {"action": "duplicate"}, DONE),
    "empty-receives": (("ReceiveMessage",), {"action": "empty_receive"}, NOT_DONE),
    "empty-pages": (("Query",), {"action": "empty_page"}, NOT_DONE),
}


@pytest.mark.parametrize("per_mille", [300, 1000])
@pytest.mark.parametrize("name", ANSWERS)
def test_answers(new_stack, name, per_mille):
    operations, what, applied = ANSWERS[name]
    stack = new_stack(settings=chaos.SETTINGS)
    trial = chaos.Trial(stack, seconds=6)
    trial.wait_for_deliveries(100)
    with trial.fault(name, wait_s=chaos.RELAY_WAIT_S):
        chaos.fail(stack, operations, per_mille=per_mille, **what)
        chaos.last_for(5 if per_mille < 1000 else 3)
        fired = chaos.heal(stack)
    # When all fail, what follows from others is not even tried.
    assert all(fired) if per_mille < 1000 else sum(map(bool, fired)) * 2 > len(fired), f"too few came: {fired}"
    trial.verdict(f"{name} in {per_mille} of 1000 calls, {sum(fired)} times")
