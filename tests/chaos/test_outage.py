"""A service that is not there for a while (F06, F22, F49)."""

import pytest

import chaos

OUTAGE_S = 6


@pytest.mark.parametrize("operations", [chaos.SQS, chaos.DYNAMODB], ids=["sqs", "dynamodb"])
def test_service_down(new_stack, operations):
    stack = new_stack(settings=chaos.SETTINGS)
    trial = chaos.Trial(stack, seconds=12)
    trial.wait_for_deliveries(300)
    # Of SQS none: the table answers all the while. Of DynamoDB what comes meanwhile, and until a try hits: the waits between
    # them have grown to three seconds by then.
    most = 0 if operations is chaos.SQS else trial.to_table(OUTAGE_S + 3)
    with trial.aws_fault("down", most=most):
        chaos.fail(stack, operations, action="drop")
        chaos.last_for(OUTAGE_S)
        assert any(chaos.heal(stack)), "nobody noticed"
    report = trial.verdict(f"{operations[0]}... down for {OUTAGE_S} s")
    assert report["faults"]["recovered_after_ms"] <= 2 * OUTAGE_S * 1000


def test_broker_down(new_stack):
    stack = new_stack(settings=chaos.SETTINGS)
    trial = chaos.Trial(stack, seconds=9)
    trial.wait_for_deliveries(300)
    with trial.fault("broker down", wait_s=chaos.ROUTER_WAIT_S, records=trial.rate * chaos.UNCOMMITTED_S):
        stack.broker_down()
        chaos.last_for(OUTAGE_S)
        stack.broker_up()
    report = trial.verdict(f"broker down for {OUTAGE_S} s")
    assert report["faults"]["recovered_after_ms"] <= (2 * OUTAGE_S + chaos.REJOIN_S) * 1000
