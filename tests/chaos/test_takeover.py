"""How late a death or a stop makes records: the figures of the promise, on a machine that does nothing else."""

import pytest

import chaos

pytestmark = pytest.mark.alone

SLACK_MS = 50
LONG = "7500..12s"
SHORT = "1..6s"  # past no scheduler
CONTROL_RATE = 100
RUNS = 3


def judged_in_quiet(scenario, bound_ms):
    """A run says something if the machine itself makes nothing late: before and after the faults, and meanwhile, if the
    scenario returns besides its report one of load that the faults cannot touch."""
    for _ in range(RUNS):
        report, *untouched = scenario()
        faults = report["faults"]
        noise_ms = max(faults["before_ms"]["max"], faults["after_ms"]["max"])
        noise_ms = max([noise_ms, *(each["emission_error_ms"]["max"] for each in untouched)])
        print(f"late by {faults['during_ms']['max']} ms at most, and without faults by {noise_ms}")
        if faults["during_ms"]["max"] <= bound_ms:
            return report
        assert noise_ms > SLACK_MS, f"{faults['during_ms']['max']} ms late while the machine was quiet"
    pytest.fail(f"the machine was not quiet in any of {RUNS} runs: nothing is known")


def test_a_dead_scheduler_makes_nothing_late(new_stack):
    """Whoever holds the most goes, three times; the handoff hides it. Records of the short path, through the same relay
    at the same time, say how late the machine makes what no scheduler sees."""

    def scenario():
        stack = new_stack(schedulers=0, settings=chaos.SETTINGS)
        schedulers = [stack.start("scheduler") for _ in range(2)]
        trial = chaos.Trial(stack, seconds=16, delay=LONG)
        control = stack.load(22 * CONTROL_RATE, CONTROL_RATE, SHORT)
        trial.wait_for_deliveries(100)
        for number in range(3):
            holder = max(schedulers, key=chaos.held_shards)
            assert chaos.held_shards(holder) > 0
            with trial.fault(f"death {number} of a scheduler", chaos.LEASE_S + 4):
                holder.kill()
                schedulers.remove(holder)
                chaos.last_for(chaos.LEASE_S + 1)
            schedulers.append(stack.start("scheduler"))
        report = trial.verdict("three dead schedulers")
        code, untouched = control.verdict()
        assert code == 0, untouched
        return report, untouched

    judged_in_quiet(scenario, SLACK_MS)


def test_a_dead_relay_costs_its_visibility(new_stack):
    def scenario():
        stack = new_stack(settings=chaos.SETTINGS)
        victims = [stack.start("relay") for _ in range(2)]
        trial = chaos.Trial(stack, seconds=9)
        trial.wait_for_deliveries(300)
        for victim in victims:
            with trial.fault("death of a relay", chaos.RELAY_WAIT_S, trial.rate * chaos.UNDELETED_S):
                victim.kill()
            chaos.last_for(1)
        return (trial.verdict("two dead relays of three"),)

    judged_in_quiet(scenario, chaos.VISIBILITY_S * 1000 + SLACK_MS)


@pytest.mark.parametrize("program", ["relay", "scheduler"])
def test_a_stop_makes_nothing_late(new_stack, program):
    def scenario():
        stack = new_stack(settings=chaos.SETTINGS)
        victims = [stack.start(program) for _ in range(2)]
        trial = chaos.Trial(stack, seconds=9)
        trial.wait_for_deliveries(300)
        for victim in victims:
            with trial.fault(f"stop of a {program}", chaos.VISIBILITY_S):
                code, _ = victim.stop(seconds=20)
            assert code == 0
        return (trial.verdict(f"two of three {program}s stopped"),)

    assert judged_in_quiet(scenario, SLACK_MS)["duplicated"] == 0
