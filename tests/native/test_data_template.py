"""deploy/cloudformation/data.yml as LocalStack's CloudFormation makes it, and end-to-end tests on what it made.

Point-in-time recovery and deletion protection it does not know and leaves out without a word;
tests/e2e/test_cloudformation.py sees that they are in the template."""

import os
import subprocess
import uuid

import boto3
import pytest
import stack as s
from test_bytes import test_bytes_in_are_bytes_out  # noqa: F401 (on the fast_stack of this file)

pytestmark = [
    pytest.mark.alone,  # its stack is one
    pytest.mark.skipif(os.environ.get("SQS", "localstack") != "localstack", reason="CloudFormation is LocalStack's"),
]

TEMPLATE = s.ROOT / "deploy/cloudformation/data.yml"


def client(service, env):
    keys = {name: env[name.upper()] for name in ("aws_access_key_id", "aws_secret_access_key")}
    return boto3.client(service, endpoint_url=env["AWS_ENDPOINT_URL"], region_name=env["AWS_REGION"], **keys)


@pytest.fixture(scope="session")
def aws():
    """What a client needs, before there is any stack of programs."""
    settings = s.read_env(s.NATIVE_RUN / "servers.env", prefixes=("NATIVE_",))
    shell = f"set -a && . {s.ROOT / 'deploy/local.env'}"
    run = subprocess.run(["bash", "-c", f"{shell} && env -0"], check=True, capture_output=True, env={})
    pairs = (item.split("=", 1) for item in run.stdout.decode().split("\0") if item.startswith("AWS_"))
    return {**dict(pairs), "AWS_ENDPOINT_URL": settings["NATIVE_LOCALSTACK"]}


@pytest.fixture(scope="session")
def made(aws):
    """Name of a Delayline whose data plane CloudFormation has made."""
    name = f"cfn-{uuid.uuid4().hex[:6]}"
    cloudformation = client("cloudformation", aws)
    parameters = [{"ParameterKey": "Name", "ParameterValue": name}]
    cloudformation.create_stack(StackName=name, TemplateBody=TEMPLATE.read_text(), Parameters=parameters)

    def ended():
        (stack,) = cloudformation.describe_stacks(StackName=name)["Stacks"]
        return None if stack["StackStatus"].endswith("IN_PROGRESS") else stack

    stack = s.wait_until("CloudFormation", 60, ended, 0.5)
    resources = cloudformation.describe_stack_resources(StackName=name)["StackResources"]
    assert stack["StackStatus"] == "CREATE_COMPLETE", resources
    assert {each["ResourceStatus"] for each in resources} == {"CREATE_COMPLETE"}
    return name


@pytest.fixture(scope="session")
def fast_stack(made, tmp_path_factory):
    """One replica of each program; deploy/provision finds queues and table there, and refuses what is not as it wants."""
    settings = {
        **s.FAST,
        "DELAYLINE_DELAY_QUEUE": f"{made}-delay",
        "DELAYLINE_READY_QUEUE": f"{made}-ready.fifo",
        "DELAYLINE_TIMER_QUEUE": f"{made}-timer.fifo",
        "DELAYLINE_TABLE": made,
    }
    running = s.Stack(tmp_path_factory.mktemp("cfn"), settings=settings)
    yield running
    running.down()


def test_it_is_all_there(made, aws):
    sqs, dynamodb = client("sqs", aws), client("dynamodb", aws)
    for name in ("delay", "ready.fifo", "timer.fifo"):
        url = sqs.get_queue_url(QueueName=f"{made}-{name}")["QueueUrl"]
        attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
        assert attributes["MaximumMessageSize"] == "1048576" and attributes["MessageRetentionPeriod"] == "1209600"
        assert attributes["SqsManagedSseEnabled"] == "true" and "RedrivePolicy" not in attributes
        assert '"aws:SecureTransport": "false"' in attributes["Policy"]
    assert dynamodb.describe_time_to_live(TableName=made)["TimeToLiveDescription"]["TimeToLiveStatus"] == "ENABLED"
    names = [each["AlarmName"] for each in client("cloudwatch", aws).describe_alarms()["MetricAlarms"]]
    assert len([name for name in names if name.startswith(f"{made}-")]) == TEMPLATE.read_text().count("AWS::CloudWatch::Alarm")


@pytest.mark.parametrize("program", ["router", "scheduler", "relay"])
def test_the_check_accepts_it(fast_stack, program):
    answer = subprocess.run([s.BIN / program, "--check"], env=fast_stack.env, capture_output=True, text=True, timeout=30)
    assert answer.returncode == 0, answer.stderr


def test_records_come_out_over_both_paths(fast_stack):
    code, report = fast_stack.load(600, 60, "0..14s", "--drain", "60s").verdict()
    assert code == 0 and s.clean(report), report
    assert report["sent"] == 600
