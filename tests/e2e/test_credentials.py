"""AWS credentials as Fargate, EKS and EC2 give them, with keys that end every few seconds under load."""

import collections

import pytest
import stack as s

CONTAINER_TOKEN = "devstack-container-token"
SESSION_SECONDS = 4
STATIC = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")


def task_role(stack):
    return {
        "AWS_CONTAINER_CREDENTIALS_FULL_URI": stack.env["AWS_ENDPOINT_URL"] + "/credentials",
        "AWS_CONTAINER_AUTHORIZATION_TOKEN": CONTAINER_TOKEN,
    }


def pod_identity(stack):
    token = stack.directory / "pod-token"
    token.write_text(CONTAINER_TOKEN)
    return {
        "AWS_CONTAINER_CREDENTIALS_FULL_URI": stack.env["AWS_ENDPOINT_URL"] + "/credentials",
        "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": str(token),
    }


def web_identity(stack):
    token = stack.directory / "web-token"
    token.write_text("a-token-of-the-cluster")
    return {
        "AWS_ROLE_ARN": "arn:aws:iam::000000000000:role/delayline",
        "AWS_WEB_IDENTITY_TOKEN_FILE": str(token),
        "AWS_ENDPOINT_URL_STS": stack.env["AWS_ENDPOINT_URL"],
    }


def instance_metadata(stack):
    return {"AWS_EC2_METADATA_SERVICE_ENDPOINT": stack.env["AWS_ENDPOINT_URL"]}


# How a program names the source, what the emulator is asked for, and who comes by it: two programs by each.
SOURCES = {
    task_role: ("container", "container", ("router", "relay")),
    pod_identity: ("container", "container", ("scheduler", "relay")),
    web_identity: ("web identity", "AssumeRoleWithWebIdentity", ("router", "relay")),
    instance_metadata: ("instance metadata", "imds", ("scheduler", "relay")),
}


@pytest.mark.embedded("the endpoints are the emulator's")
def test_keys_end_under_load(new_stack):
    """All at work on the same records."""
    stack = new_stack(routers=0, schedulers=0, relays=0)
    stack.emulator("/_emulator/sessions", {"seconds": SESSION_SECONDS})
    since = stack.emulator("/_emulator/requests")["next"]
    programs = {}
    for source, (_, _, names) in SOURCES.items():
        settings = {**dict.fromkeys(STATIC, ""), **source(stack)}
        for name in names:
            programs[source, name] = stack.start(name, **settings)
    routers = [program.admin() for (_, name), program in programs.items() if name == "router"]
    for program in programs.values():
        program.wait_ready(30)
    partitions = int(stack.env["DELAYLINE_STACK_DELAY_PARTITIONS"])
    assigned = "delayline_kafka_partitions_assigned"

    def settled():
        own = [s.metrics(admin).get(assigned, 0) for admin in routers]
        return sum(own) == partitions and min(own) > 0

    s.wait_until("every router has partitions", 30, settled)
    code, report = stack.load(500, 125, "0..7s", "--drain", "30s").verdict()
    assert code == 0 and s.clean(report), report
    assert report["sent"] == report["delivered"] == 500

    issued = collections.defaultdict(set)  # by what was asked for; then who worked with them
    used = collections.Counter()
    for each in stack.emulator(f"/_emulator/requests?since={since}")["requests"]:
        if each["operation"] in ("container", "imds", "AssumeRoleWithWebIdentity"):
            issued[each["operation"]].add(each["access_key"])
        else:
            used[each["access_key"]] += 1
    keys = set().union(*issued.values())
    assert stack.env["AWS_ACCESS_KEY_ID"] not in used, "the keys of the stack's own environment"
    for source, (named, operation, names) in SOURCES.items():
        assert len(issued[operation] & set(used)) > 2 * 3, f"{operation}: keys were not renewed"
        for name in names:
            program = programs[source, name]
            assert [e["credentials"] for e in program.events() if e["event"] == "aws_in_use"] == [named]
            code, _ = program.stop()
            assert code == 0, program.log_path.read_text()[-3000:]
            log = program.log_path.read_text()
            assert CONTAINER_TOKEN not in log and "a-token-of-the-cluster" not in log
    assert set(used) <= keys
