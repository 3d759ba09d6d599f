"""SIGTERM under load, twice, and while AWS is away (F33); crash loops (F34)."""

import itertools
import math
import os
import random
import signal

import pytest

import chaos
import stack as s

PROGRAMS = ("router", "scheduler", "relay")
STOP_GRACE_S = 9  # DELAYLINE_STOP_GRACE
CLOSE_S = 2  # PROGRAM_CLOSE_MS
CRASHES_S = int(os.environ.get("CHAOS_CRASHES_S", 0))


def under_load(new_stack, program, **options):
    """A stack, a program of it that has work, and the trial."""
    stack = new_stack(settings=chaos.SETTINGS, **options)
    victim = chaos.start_beside_another(stack, program)
    trial = chaos.Trial(stack, victim=program)
    trial.wait_for_work(victim)
    return stack, victim, trial


def in_hand(program, trial):
    """The most that a router may hold at its end: what it has taken, and takes within a second more."""
    return chaos.records_taken(program) + trial.rate if program.name == "router" else math.inf


def others_once(program):
    return {f"{name}s": 0 if name == program else 1 for name in PROGRAMS}


@pytest.mark.parametrize("program", PROGRAMS)
def test_sigterm(new_stack, program):
    """Costs nothing: what it holds is handed back or finished."""
    _, victim, trial = under_load(new_stack, program)
    with trial.fault(f"SIGTERM to the {program}"):
        code, seconds = victim.stop(seconds=20)
    assert code == 0 and seconds < STOP_GRACE_S, victim.log_path.read_text()[-2000:]
    trial.verdict(f"SIGTERM {program}, gone after {seconds:.1f} s")


@pytest.mark.parametrize("program", PROGRAMS)
def test_sigterm_twice(new_stack, program):
    """The second one ends it at once, as a kill would, but with exit code 0."""
    stack, victim, trial = under_load(new_stack, program)
    begin_ms = s.now_ms()
    victim.process.send_signal(signal.SIGTERM)
    s.wait_until("stopping", 5, lambda: is_stopping(victim), 0.001)
    code, seconds = victim.stop(seconds=20)
    cost, wait_s = chaos.cost_of_death(stack, program, trial.rate)
    trial.note(f"SIGTERM twice to the {program}", begin_ms, s.now_ms(), wait_s, cost)
    assert code == 0 and seconds < CLOSE_S + 1, victim.log_path.read_text()[-2000:]
    trial.verdict(f"SIGTERM twice {program}, gone after {seconds:.1f} s")


def is_stopping(program):
    return program.process.poll() is not None or any(e["event"] == "stopping" for e in program.events())


@pytest.mark.parametrize("program", PROGRAMS)
def test_sigterm_while_aws_is_away(new_stack, program):
    """It keeps its hard deadline, and what it cannot finish comes again."""
    stack, victim, trial = under_load(new_stack, program, **others_once(program))
    begin_ms = s.now_ms()
    chaos.fail(stack, ["*"], action="drop")
    taken = in_hand(victim, trial)
    code, seconds = victim.stop(seconds=20)
    cost, wait_s = chaos.cost_of_death(stack, program, trial.rate, taken)
    # Without AWS a relay deletes nothing for as long as it takes to end, but emits only what it still holds.
    if program == "relay":
        cost += trial.rate * min(seconds, chaos.VISIBILITY_S)
    chaos.heal(stack)
    trial.note(f"SIGTERM to the {program} without AWS", begin_ms, s.now_ms(), wait_s, cost)
    stack.start(program)
    assert code == 0 and seconds < STOP_GRACE_S + CLOSE_S, victim.log_path.read_text()[-2000:]
    trial.verdict(f"SIGTERM {program} without AWS, gone after {seconds:.1f} s")


@pytest.mark.long
@pytest.mark.parametrize("program", PROGRAMS)
def test_crash_loop(new_stack, program):
    """kill -9 every one to three seconds; there is progress, and all is well when it ends. A router's group takes
    seven to notice a death and to be joined, so it lives somewhat longer."""
    chance = random.Random(4)
    least_s, most_s = (6, 9) if program == "router" else (1, 3)
    stack = new_stack(settings=chaos.SETTINGS, **others_once(program))
    loop_s = CRASHES_S or 2 * most_s + 6
    trial = chaos.Trial(stack, seconds=loop_s, victim=program)
    crashes = itertools.count(1)
    began_ms = s.now_ms()
    while s.now_ms() < began_ms + loop_s * 1000:
        victim = stack.start(program)
        chaos.last_for(chance.uniform(least_s, most_s))
        begin_ms = s.now_ms()
        taken = in_hand(victim, trial)
        victim.kill()
        cost, wait_s = chaos.cost_of_death(stack, program, trial.rate, taken)
        if program == "relay":
            # It falls behind in a long loop, since each begins with waiting for what the last one held: that comes
            # again when its turn comes.
            wait_s = max(wait_s, min(CRASHES_S, chaos.WINDOW_S))
        number = next(crashes)
        trial.note(f"crash {number} of the {program}", begin_ms, s.now_ms(), wait_s, cost)
    stack.start(program)
    trial.verdict(f"{number} crashes of the {program}")
