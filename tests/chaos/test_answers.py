"""What AWS may answer, at rates up to all of the calls (F01..F07, F09, F10, F16, F19, F20)."""

import pytest

import chaos

HTML = {"action": "raw", "status": 200, "content_type": "text/html", "body": "<html>busy</html>"}
SENDS = ("SendMessageBatch",)
BATCHES = ("SendMessageBatch", "DeleteMessageBatch", "ChangeMessageVisibilityBatch")
DYNAMODB = ("BatchWriteItem", "Query", "UpdateItem", "GetItem")  # nothing else is asked all the time
EVERYTHING = chaos.SQS + DYNAMODB
BLOCKED_S = 5  # DELAYLINE_ROUTER_BLOCKED_RETRY

# What goes wrong with which calls.
ANSWERS = {
    "500": (EVERYTHING, {"action": "error", "status": 500, "code": "InternalFailure"}),
    "503-retry-after": (EVERYTHING, {"action": "error", "status": 503, "retry_after_ms": 300}),
    "throttled": (EVERYTHING, {"action": "throttle"}),
    "denied": (EVERYTHING, {"action": "error", "status": 400, "code": "AccessDeniedException"}),
    "html": (EVERYTHING, HTML),
    "empty": (EVERYTHING, {**HTML, "body": ""}),
    "dropped": (EVERYTHING, {"action": "drop"}),
    "applied-and-dropped": (EVERYTHING, {"action": "apply_then_drop"}),
    "applied-and-500": (EVERYTHING, {"action": "apply_then_error", "status": 500, "code": "InternalFailure"}),
    "cut": (EVERYTHING, {"action": "truncate", "at": 200}),
    "wrong-crc": (DYNAMODB, {"action": "corrupt_crc"}),
    "wrong-md5": (("SendMessageBatch", "ReceiveMessage"), {"action": "corrupt_md5"}),
    "unprocessed": (("BatchWriteItem",), {"action": "unprocessed", "entries": [0, 2]}),
    "failed-entries": (BATCHES, {"action": "fail_entries", "entries": [0, 3, 4]}),
    "failed-but-done": (BATCHES, {"action": "fail_entries", "entries": [0, 3], "applied": True}),
    "missing-entries": (BATCHES, {"action": "omit_entries", "entries": [1, 2]}),
    "twice": (("ReceiveMessage",), {"action": "duplicate"}),
    "empty-receives": (("ReceiveMessage",), {"action": "empty_receive"}),
    "empty-pages": (("Query",), {"action": "empty_page"}),
}


POLLS_A_SECOND_MAX = 1000  # of both programs that receive; 330 were counted


def at_most_again(trial, name, per_mille, seconds):
    """Records that may miss their cut-off: none if the table's writes are not touched; else, if all fail, what comes until
    one hits again, and if some do, those whose tries all fail."""
    operations, _ = ANSWERS[name]
    if "BatchWriteItem" not in operations:
        return 0
    if name == "denied":  # once is enough to leave the path alone for a while
        return trial.to_table(seconds + BLOCKED_S)
    return trial.to_table(seconds + 1) if per_mille == 1000 else trial.to_table(seconds) * chaos.UNLUCKY_SHARE


@pytest.mark.parametrize("per_mille", [300, 1000])
@pytest.mark.parametrize("name", ANSWERS)
def test_answers(new_stack, name, per_mille):
    operations, what = ANSWERS[name]
    stack = new_stack(settings=chaos.SETTINGS)
    trial = chaos.Trial(stack, seconds=9)
    trial.wait_for_deliveries(100)
    seconds = 5 if per_mille < 1000 else 3
    most = at_most_again(trial, name, per_mille, seconds)
    with trial.aws_fault(name, most=most):
        chaos.fail(stack, operations, per_mille=per_mille, **what)
        chaos.last_for(seconds)
        fired = chaos.heal(stack)
    # When all fail, what follows from others is not even tried.
    assert all(fired) if per_mille < 1000 else sum(map(bool, fired)) * 2 > len(fired), f"too few came: {fired}"
    if name == "empty-receives":  # F18: answered at once, they were 4,000 a second
        assert sum(fired) < POLLS_A_SECOND_MAX * seconds
    trial.verdict(f"{name} in {per_mille} of 1000 calls, {sum(fired)} times")
