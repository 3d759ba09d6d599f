"""A task that dies is replaced by a new one that comes by the same role, as ECS does it: nothing lost, nothing early, and copies
only as a death may cost them."""

import sys

import pytest
import stack as s

sys.path.append(str(s.ROOT / "tests/chaos"))
import chaos  # noqa: E402

PROGRAMS = ("relay", "scheduler", "router")


@pytest.mark.embedded("the role is the emulator's")
def test_a_killed_task_is_replaced_under_its_role(new_stack):
    stack = new_stack(routers=0, schedulers=0, relays=0, settings=chaos.SETTINGS)
    role = {
        "AWS_ACCESS_KEY_ID": "",
        "AWS_SECRET_ACCESS_KEY": "",
        "AWS_CONTAINER_CREDENTIALS_FULL_URI": stack.env["AWS_ENDPOINT_URL"] + "/credentials",
        "AWS_CONTAINER_AUTHORIZATION_TOKEN": "devstack-container-token",
    }
    since = stack.emulator("/_emulator/requests")["next"]
    first = {name: stack.start(name, **role) for name in PROGRAMS}
    chaos.wait_for_partitions(first["router"])
    trial = chaos.Trial(stack, seconds=6, rate=100, delay="0..8s")
    for name, program in first.items():
        trial.wait_for_work(program)
        begin_ms = s.now_ms()
        program.kill()
        cost, wait_s = chaos.cost_of_death(stack, name, trial.rate)
        stack.start(name, **role)
        trial.note(f"death of a {name}", begin_ms, s.now_ms(), wait_s, cost)
    report = trial.verdict("a death of each, replaced")
    assert report["lost"] == report["early"] == 0 and report["delivered"] >= report["sent"] == trial.records

    asked = stack.emulator(f"/_emulator/requests?since={since}")["requests"]
    issued = {each["access_key"] for each in asked if each["operation"] == "container"}
    used = {each["access_key"] for each in asked} - {stack.env["AWS_ACCESS_KEY_ID"]}
    assert len(issued) == 2 * len(PROGRAMS) and used == issued, "each of the six by keys of its own, and by no others"
    assert stack.env["AWS_ACCESS_KEY_ID"] not in {each["access_key"] for each in asked}
