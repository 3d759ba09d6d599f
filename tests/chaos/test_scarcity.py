"""A full disk and a blocked reader behind the log (F43), few descriptors (F42), little memory (F44), little of the processor (F45)."""

import fcntl
import os
import pathlib
import resource
import select

import pytest

import chaos
import stack as s

PROGRAMS = ("router", "scheduler", "relay")
TALKATIVE = {"DELAYLINE_LOG_LEVEL": "debug", "KAFKA_PROPERTY_DEBUG": "all"}


def alone(new_stack, program):
    """A stack in which the test starts the only one."""
    return new_stack(**{f"{name}s": 0 if name == program else 1 for name in PROGRAMS}, settings=chaos.SETTINGS)


def start_mute(stack, program, stdout, **settings):
    """One whose log goes where it cannot be read."""
    one = stack.start(program, stdout=stdout, **TALKATIVE, **settings)
    one.admin = lambda: chaos.listening_address(one)
    return one


@pytest.mark.parametrize("program", PROGRAMS)
def test_disk_full(new_stack, program):
    stack = alone(new_stack, program)
    full = os.open("/dev/full", os.O_WRONLY)
    one = start_mute(stack, program, full)
    os.close(full)
    chaos.Trial(stack).verdict(f"{program} on a full disk")
    code, seconds = one.stop(seconds=20)
    assert code == 0 and seconds < 10


@pytest.mark.parametrize("program", PROGRAMS)
def test_blocked_reader(new_stack, program):
    stack = alone(new_stack, program)
    reader, writer = os.pipe()
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
    one = start_mute(stack, program, writer)
    report = chaos.Trial(stack).verdict(f"{program} with a blocked reader")
    assert not select.select([], [writer], [], 0)[1], "the pipe is not full: it said too little"
    # The router joins its group after the load has begun.
    if program != "router":
        assert report["emission_error_ms"]["p99"] < 1000
    code, seconds = one.stop(seconds=20)
    os.close(reader)
    os.close(writer)
    assert code == 0 and seconds < 10


DROPS_S = 4


def descriptors(program):
    return len(os.listdir(f"/proc/{program.process.pid}/fd"))


@pytest.mark.parametrize("limit", [64, None], ids=["64", "four-more"])
@pytest.mark.parametrize("program", PROGRAMS)
def test_few_descriptors(new_stack, program, limit):
    """64, or four more than it has when it is idle; connections are cut over and over, so that new ones are wanted all
    the time."""
    stack = alone(new_stack, program)
    one = stack.start(program)
    one.wait_ready(20)
    if program == "router":
        chaos.wait_for_partitions(one)
    limit = limit or descriptors(one) + 4
    resource.prlimit(one.process.pid, resource.RLIMIT_NOFILE, (limit, limit))
    trial = chaos.Trial(stack)
    if not s.NATIVE:
        cut_connections(stack, trial)
    trial.verdict(f"{program} with {limit} descriptors")
    assert one.process.poll() is None
    assert descriptors(one) <= limit


def cut_connections(stack, trial):
    chaos.wait_for_calls(stack, "DeleteMessageBatch", 5)  # the admin port may not get a descriptor
    with trial.aws_fault("drops", most=trial.to_table(DROPS_S) * chaos.UNLUCKY_SHARE):
        chaos.fail(stack, chaos.SQS + chaos.DYNAMODB, per_mille=300, action="drop")
        chaos.last_for(DROPS_S)
        assert any(chaos.heal(stack)), "no connection was cut"


MIB = 1 << 20
MEMORY = 160 * MIB
SMALL = {
    "DELAYLINE_RELAY_BUDGET": "32MiB",
    "DELAYLINE_ROUTER_IN_FLIGHT_BYTES": "8MiB",
    "DELAYLINE_SCHEDULER_MEMORY": "8MiB",
    "MALLOC_ARENA_MAX": "2",
}
LARGE_RECORDS = ("--size", "200000")


def peak_bytes(program):
    status = pathlib.Path(f"/proc/{program.process.pid}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1]) * 1024


@pytest.mark.parametrize("program", PROGRAMS)
def test_little_memory(new_stack, program):
    """Large records for a budget of 32 MiB: what does not fit waits where it is."""
    stack = alone(new_stack, program)
    limit = MEMORY
    one = stack.start(program, **SMALL)
    resource.prlimit(one.process.pid, resource.RLIMIT_DATA, (limit, limit))
    trial = chaos.Trial(stack, rate=100, more=LARGE_RECORDS)
    trial.verdict(f"{program} in {limit // MIB} MiB")
    print(f"peak {peak_bytes(one) // MIB} MiB")
    assert one.process.poll() is None, one.log_path.read_text()[-2000:]


STARVED_S = 6  # while records come
CPU = "process_cpu_seconds_total"


@pytest.mark.parametrize("program", PROGRAMS)
def test_little_processor(new_stack, program):
    """A twentieth of one: later, but never early or wrong. Twice comes only what the program itself has counted: decided
    again after the cut-off, or held for longer than it was its own."""
    stack = alone(new_stack, program)
    one = stack.start(program)
    one.wait_ready(20)
    if program == "router":
        chaos.wait_for_partitions(one)
    trial = chaos.Trial(stack)
    trial.wait_for_work(one)
    begin_ms, admin = s.now_ms(), one.admin()
    used_s = s.metrics(admin)[CPU]
    chaos.starve(one, STARVED_S)
    counts = s.metrics(admin)
    used_s = counts[CPU] - used_s
    again = sum(counts.get(name, 0) for name in s.MAY_REPEAT)
    trial.note("little of the processor", begin_ms, s.now_ms(), chaos.RELAY_WAIT_S, again)
    trial.verdict(f"{program} with {used_s / STARVED_S:.1%} of a processor, {again:.0f} may come twice")
    assert again <= trial.rate, "more than one second's"
    assert one.stop(seconds=20)[0] == 0


def start_all(new_stack, stdout, limits, **settings):
    stack = new_stack(routers=0, schedulers=0, relays=0, settings=chaos.SETTINGS)
    programs = [start_mute(stack, name, stdout, **settings) for name in PROGRAMS]
    for one in programs:
        for what, limit in limits.items():
            resource.prlimit(one.process.pid, what, (limit, limit))
    chaos.wait_for_partitions(programs[0])
    return stack, programs


def stop_all(programs):
    for one in programs:
        code, seconds = one.stop(seconds=20)
        assert code == 0 and seconds < 10, one.name


# All three programs at once, two scarcities at a time: these run on the native stack, too.


def test_all_on_a_full_disk_in_little_memory(new_stack):
    full = os.open("/dev/full", os.O_WRONLY)
    stack, programs = start_all(new_stack, full, {resource.RLIMIT_DATA: MEMORY}, **SMALL)
    os.close(full)
    trial = chaos.Trial(stack, seconds=3 if s.NATIVE else 6, rate=20, more=LARGE_RECORDS)
    trial.verdict(f"all on a full disk in {MEMORY // MIB} MiB")
    print("peak", *(f"{one.name} {peak_bytes(one) // MIB} MiB" for one in programs))
    stop_all(programs)


def test_all_with_a_blocked_reader_and_few_descriptors(new_stack):
    reader, writer = os.pipe()
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
    stack, programs = start_all(new_stack, writer, {resource.RLIMIT_NOFILE: 64})
    chaos.Trial(stack, seconds=3 if s.NATIVE else 6).verdict("all with a blocked reader and 64 descriptors")
    assert not select.select([], [writer], [], 0)[1], "the pipe is not full: they said too little"
    for one in programs:
        assert descriptors(one) <= 64
    stop_all(programs)
    os.close(reader)
    os.close(writer)
