"""How late a death or a stop makes records: the figures of the promise, on a machine that does nothing else."""

import pytest

import chaos

pytestmark = pytest.mark.alone

SLACK_MS = 50
LONG = "7500..12s"


def test_a_dead_scheduler_makes_nothing_late(new_stack):
    """Whoever holds the most goes, three times; the handoff hides it."""
    stack = new_stack(schedulers=0, settings=chaos.SETTINGS)
    schedulers = [stack.start("scheduler") for _ in range(2)]
    trial = chaos.Trial(stack, seconds=14, delay=LONG)
    trial.wait_for_deliveries(100)
    for number in range(3):
        holder = max(schedulers, key=chaos.held_shards)
        assert chaos.held_shards(holder) > 0
        with trial.fault(f"death {number} of a scheduler"):
            holder.kill()
            schedulers.remove(holder)
            chaos.last_for(chaos.LEASE_S + 1)
        schedulers.append(stack.start("scheduler"))
    report = trial.verdict("three dead schedulers")
    assert report["emission_error_ms"]["max"] <= SLACK_MS


def test_a_dead_relay_costs_its_visibility(new_stack):
    stack = new_stack(settings=chaos.SETTINGS)
    victims = [stack.start("relay") for _ in range(2)]
    trial = chaos.Trial(stack, seconds=9)
    trial.wait_for_deliveries(300)
    for victim in victims:
        with trial.fault("death of a relay", chaos.RELAY_WAIT_S, trial.rate * chaos.UNDELETED_S):
            victim.kill()
        chaos.last_for(1)
    report = trial.verdict("two dead relays of three")
    assert report["emission_error_ms"]["max"] <= chaos.VISIBILITY_S * 1000 + SLACK_MS


@pytest.mark.parametrize("program", ["relay", "scheduler"])
def test_a_stop_makes_nothing_late(new_stack, program):
    stack = new_stack(settings=chaos.SETTINGS)
    victims = [stack.start(program) for _ in range(2)]
    trial = chaos.Trial(stack, seconds=9)
    trial.wait_for_deliveries(300)
    for victim in victims:
        with trial.fault(f"stop of a {program}"):
            code, _ = victim.stop(seconds=20)
        assert code == 0
    report = trial.verdict(f"two of three {program}s stopped")
    assert report["duplicated"] == 0 and report["emission_error_ms"]["max"] <= SLACK_MS
