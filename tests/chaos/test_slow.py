"""Answers that crawl, stop, never begin or never end (F11), for AWS's calls and for credentials; keys that expire in
flight (F14)."""

import pytest

import chaos
from proxy import Proxy

PROGRAMS = ("router", "scheduler", "relay")
BAD_S = 6


@pytest.fixture
def new_proxy():
    made = []

    def make(url):
        made.append(Proxy(url))
        return made[-1]

    yield make
    for proxy in made:
        proxy.stop()


@pytest.mark.parametrize("mode", Proxy.MODES)
@pytest.mark.parametrize("program", PROGRAMS)
def test_answers(new_stack, new_proxy, program, mode):
    """One program's calls all hang for six seconds."""
    stack = new_stack(**{f"{name}s": 0 if name == program else 1 for name in PROGRAMS}, settings=chaos.SETTINGS)
    proxy = new_proxy(stack.env["AWS_ENDPOINT_URL"])
    one = stack.start(program, AWS_ENDPOINT_URL=proxy.url)
    if program == "router":
        chaos.wait_for_partitions(one)
    trial = chaos.Trial(stack, seconds=9)
    trial.wait_for_work(one)
    most = trial.to_table(BAD_S + 1) if program == "router" else 0
    with trial.aws_fault(f"{mode} answers to the {program}", most=most):
        proxy.set_mode(mode)
        chaos.last_for(BAD_S)
        proxy.set_mode("pass")
    assert proxy.held > 0, "nobody asked meanwhile"
    trial.verdict(f"{mode} answers to the {program}, {proxy.held} of them")


CONTAINER_TOKEN = "devstack-container-token"


def start_with_sessions(stack, url):
    """The three programs, with keys from the container endpoint."""
    env = {
        "AWS_ACCESS_KEY_ID": "",
        "AWS_SECRET_ACCESS_KEY": "",
        "AWS_CONTAINER_CREDENTIALS_FULL_URI": url,
        "AWS_CONTAINER_AUTHORIZATION_TOKEN": CONTAINER_TOKEN,
    }
    programs = [stack.start(name, **env) for name in PROGRAMS]
    chaos.wait_for_partitions(programs[0])


def test_keys_expire_in_flight(new_stack):
    """Sessions of four seconds, one after the other."""
    stack = new_stack(routers=0, schedulers=0, relays=0, settings=chaos.SETTINGS)
    stack.emulator("/_emulator/sessions", {"seconds": 4}, "POST")
    start_with_sessions(stack, stack.env["AWS_ENDPOINT_URL"] + "/credentials")
    trial = chaos.Trial(stack)
    trial.verdict("keys of four seconds")
    keys = {r["access_key"] for r in stack.emulator("/_emulator/requests")["requests"]}
    assert len(keys) > 9, f"{len(keys)} keys were used"


@pytest.mark.parametrize("mode", Proxy.MODES)
def test_no_new_keys_for_a_while(new_stack, new_proxy, mode):
    """The last keys expire while there are no others to be had; consuming pauses, nothing is lost."""
    stack = new_stack(routers=0, schedulers=0, relays=0, settings=chaos.SETTINGS)
    stack.emulator("/_emulator/sessions", {"seconds": 4}, "POST")
    proxy = new_proxy(stack.env["AWS_ENDPOINT_URL"] + "/credentials")
    start_with_sessions(stack, proxy.url)
    trial = chaos.Trial(stack)
    trial.wait_for_deliveries(100)
    with trial.fault(f"credentials {mode}", wait_s=chaos.RELAY_WAIT_S):
        proxy.set_mode(mode)
        chaos.last_for(BAD_S + 4)
        proxy.set_mode("pass")
    assert proxy.held > 0, "nobody asked meanwhile"
    trial.verdict(f"credentials {mode} for {BAD_S + 4} s")
