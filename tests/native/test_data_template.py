"""What LocalStack has made of deploy/cloudformation/data.yml, on which the shared stacks of this run live.

Point-in-time recovery and deletion protection it does not know and leaves out without a word;
tests/e2e/test_cloudformation.py sees that they are in the template."""

import subprocess

import pytest
import stack as s
from data_plane import HAS_CLOUDFORMATION, TEMPLATE, client

pytestmark = [
    pytest.mark.alone,  # its stack is one
    pytest.mark.skipif(not HAS_CLOUDFORMATION, reason="CloudFormation is LocalStack's"),
]


def test_it_is_all_there(fast_stack):
    sqs, dynamodb = client("sqs"), client("dynamodb")
    made = fast_stack.env["DELAYLINE_TABLE"]
    for name in ("delay", "ready.fifo", "timer.fifo"):
        url = sqs.get_queue_url(QueueName=f"{made}-{name}")["QueueUrl"]
        attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
        assert attributes["MaximumMessageSize"] == "1048576" and attributes["MessageRetentionPeriod"] == "1209600"
        assert attributes["SqsManagedSseEnabled"] == "true" and "RedrivePolicy" not in attributes
        assert '"aws:SecureTransport": "false"' in attributes["Policy"]
    assert dynamodb.describe_time_to_live(TableName=made)["TimeToLiveDescription"]["TimeToLiveStatus"] == "ENABLED"
    names = [each["AlarmName"] for each in client("cloudwatch").describe_alarms()["MetricAlarms"]]
    assert len([name for name in names if name.startswith(f"{made}-")]) == TEMPLATE.read_text().count("AWS::CloudWatch::Alarm")


@pytest.mark.parametrize("program", ["router", "scheduler", "relay"])
def test_the_check_accepts_it(fast_stack, program):
    answer = subprocess.run([s.BIN / program, "--check"], env=fast_stack.env, capture_output=True, text=True, timeout=30)
    assert answer.returncode == 0, answer.stderr


def test_records_come_out_over_both_paths(fast_stack):
    code, report = fast_stack.load(600, 60, "0..14s", "--drain", "60s").verdict()
    assert code == 0 and s.clean(report), report
    assert report["sent"] == 600
