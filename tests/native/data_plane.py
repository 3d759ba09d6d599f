"""deploy/cloudformation/data.yml as LocalStack's CloudFormation makes it: queues and table of the stacks that tests share."""

import os
import subprocess
import uuid

import boto3
import stack as s

TEMPLATE = s.ROOT / "deploy/cloudformation/data.yml"
HAS_CLOUDFORMATION = os.environ.get("SQS", "localstack") == "localstack"


def credentials():
    """What a client needs, before there is any stack of programs."""
    settings = s.read_env(s.NATIVE_RUN / "servers.env", prefixes=("NATIVE_",))
    shell = f"set -a && . {s.ROOT / 'deploy/local.env'}"
    run = subprocess.run(["bash", "-c", f"{shell} && env -0"], check=True, capture_output=True, env={})
    pairs = (item.split("=", 1) for item in run.stdout.decode().split("\0") if item.startswith("AWS_"))
    return {**dict(pairs), "AWS_ENDPOINT_URL": settings["NATIVE_LOCALSTACK"]}


def client(service):
    env = credentials()
    keys = {name: env[name.upper()] for name in ("aws_access_key_id", "aws_secret_access_key")}
    return boto3.client(service, endpoint_url=env["AWS_ENDPOINT_URL"], region_name=env["AWS_REGION"], **keys)


def make():
    """Settings of a Delayline whose data plane CloudFormation has made; deploy/provision finds queues and table there, and
    refuses what is not as it wants. ElasticMQ has no CloudFormation: there it makes them itself."""
    if not HAS_CLOUDFORMATION:
        return {}
    name = f"cfn-{uuid.uuid4().hex[:6]}"
    cloudformation = client("cloudformation")
    parameters = [{"ParameterKey": "Name", "ParameterValue": name}]
    cloudformation.create_stack(StackName=name, TemplateBody=TEMPLATE.read_text(), Parameters=parameters)

    def ended():
        (stack,) = cloudformation.describe_stacks(StackName=name)["Stacks"]
        return None if stack["StackStatus"].endswith("IN_PROGRESS") else stack

    stack = s.wait_until("CloudFormation", 60, ended, 0.5)
    resources = cloudformation.describe_stack_resources(StackName=name)["StackResources"]
    assert stack["StackStatus"] == "CREATE_COMPLETE", resources
    assert {each["ResourceStatus"] for each in resources} == {"CREATE_COMPLETE"}
    return {
        "DELAYLINE_DELAY_QUEUE": f"{name}-delay",
        "DELAYLINE_READY_QUEUE": f"{name}-ready.fifo",
        "DELAYLINE_TIMER_QUEUE": f"{name}-timer.fifo",
        "DELAYLINE_TABLE": name,
    }
