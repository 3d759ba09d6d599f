"""What the scenarios share: a run of load with a log of the faults made meanwhile, and what each may cost."""

import contextlib
import json
import math
import os
import pathlib
import re
import signal
import threading
import time

import confluent_kafka
import stack as s

# The design's times in proportion: handoff > visibility > lease. A record due in seven seconds takes the long path.
SETTINGS = {**s.FAST, "DELAYLINE_HORIZON": "7s", "DELAYLINE_HANDOFF": "4s"}
LEASE_S = 2  # half a handoff
VISIBILITY_S = 3  # less than a handoff
DELAY = "0..10s"
LONG_SHARE = 0.3  # of those, with a horizon of 7 s
# Of writes to the table of which three in ten go wrong now and then, so many at most fail in each try that there is time for
# before the cut-off: a second, with waits that begin with 50 ms and double. 0.3 ** 4 is 0.8 %, but they come in batches.
UNLUCKY_SHARE = 0.1
RATE = 100 if s.NATIVE else 300

# A series that says that a replica has its share of the work.
AT_WORK = {
    "router": "delayline_records_taken_total",
    "scheduler": 'delayline_ticks_total{what="received"}',
    "relay": 'delayline_envelopes_total{path="short",outcome="received"}',
}

# An envelope holds the records of one second, and is deleted some time after the last of them.
UNDELETED_S = 1.5
# Offsets are committed twice a second, of what has been packed, sent and answered.
UNCOMMITTED_S = 1
# The mock cluster ends a session after 4 s and holds a join open for 3 s, however short an outage was.
REJOIN_S = 8
# The mock forgets what a leader has assigned to a member whose SyncGroup comes after the leader's (Kafka keeps it). The
# group then joins anew, three seconds each time, until the member is the quicker one. A leader has one more question
# to ask: with a broker so far away it is the later one. 7 s were 46 on a busy machine.
ROUND_TRIP_MS = 200
# How late a copy may come. A router's: a session and a join later; a relay's: a visibility and a poll later.
ROUTER_WAIT_S = 15
RELAY_WAIT_S = VISIBILITY_S + 3
WINDOW_S = 300  # and never later than this after a fault, whatever it was

if s.NATIVE:  # whose servers take their time
    SETTINGS = {**s.FAST}
SETTINGS.update(DELAYLINE_SCHEDULER_LEASE=f"{LEASE_S}s", DELAYLINE_RELAY_VISIBILITY=f"{VISIBILITY_S}s")


def kill_points(program):
    """The names that its sources give."""
    sources = (s.ROOT / program).glob("*.c")
    names = (name for path in sources for name in re.findall(r'KILL_POINT\("([a-z._]+)"\)', path.read_text()))
    return sorted(names)


SQS = ("SendMessageBatch", "ReceiveMessage", "DeleteMessageBatch", "ChangeMessageVisibilityBatch")
DYNAMODB = ("BatchWriteItem", "Query", "UpdateItem", "GetItem", "PutItem")


def fail(stack, operations, **what):
    """Takes the place of the emulator's script of faults."""
    faults = [{"operation": name, **what} for name in operations]
    stack.emulator("/_emulator/faults", {"seed": 1, "faults": faults}, "POST")


def wait_for_calls(stack, operation, count, seconds=30):
    def calls():
        return stack.emulator("/_emulator/stats")["operations"].get(operation, {}).get("calls", 0)

    s.wait_until(f"{count} {operation}", seconds, lambda: calls() >= count, 0.05)


def heal(stack):
    """How often faults have fired; there are none from now on."""
    fired = [fault["fired"] for fault in stack.emulator("/_emulator/stats")["faults"]]
    stack.emulator("/_emulator/faults", method="DELETE")
    return fired


class Watch:
    """How long the machine lets a thread wait that wants nothing of it: bounds of seconds hold if this is little."""

    INTERVAL_S = 0.05

    def __init__(self):
        self.longest_s = 0
        self.over = threading.Event()
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self):
        last = time.monotonic()
        while not self.over.wait(self.INTERVAL_S):
            now = time.monotonic()
            self.longest_s = max(self.longest_s, now - last - self.INTERVAL_S)
            last = now


class Trial:
    """Load on a stack, and the log of faults that its checker reads when it judges."""

    def __init__(self, stack, seconds=6, rate=RATE, delay=DELAY, more=(), victim=""):
        """victim: the program that will be harmed."""
        self.stack, self.rate = stack, rate
        self.fault_log = stack.directory / "faults.jsonl"
        self.fault_log.touch()
        self.records = int(seconds * rate)
        self.watch = Watch()
        settle_s = ROUTER_WAIT_S if victim == "router" else RELAY_WAIT_S  # as long as a copy may yet come
        settle = ("--settle", f"{settle_s}s")
        self.run = stack.load(self.records, rate, delay, "--faults", str(self.fault_log), *settle, *more)

    def note(self, what, begin_ms, end_ms, wait_s, records):
        """A fault and how many records may come twice for it, at most."""
        line = {"what": what, "begin_ms": begin_ms, "end_ms": end_ms, "wait_ms": int(wait_s * 1000)}
        with open(self.fault_log, "a") as log:
            log.write(json.dumps({**line, "records": int(records)}) + "\n")

    @contextlib.contextmanager
    def fault(self, what, wait_s=0, records=0):
        begin_ms = s.now_ms()
        yield
        self.note(what, begin_ms, s.now_ms(), wait_s, records)

    @contextlib.contextmanager
    def aws_fault(self, what, most, wait_s=RELAY_WAIT_S):
        """Of the router's calls. What it wrote to the table and was not told of before the cut-off takes the short path,
        too: those records are its own count, which must not be above `most`."""
        begin_ms = s.now_ms()
        yield
        end_ms = s.now_ms()
        routers = self.routers()
        s.wait_until("everything stored", 40, lambda: self.is_stored(routers), 0.05)
        again = sum(router["delayline_fallback_records_total"] for router in map(s.metrics, routers))
        print(f"{what}: {again:.0f} records decided again")
        assert again <= most, f"{again} records decided again, expected {most} at most"
        self.note(what, begin_ms, end_ms, wait_s, again)

    def to_table(self, seconds):
        """Records that come for the table in so long."""
        return seconds * self.rate * LONG_SHARE

    def routers(self):
        programs = [p for p in self.stack.programs if p.name == "router" and p.process.poll() is None]
        return [*self.stack.admins("router"), *(p.admin() for p in programs)]

    def is_stored(self, routers):
        try:
            seen = [s.metrics(router) for router in routers]
        except OSError:  # no descriptor for who asks, at this instant
            return False
        taken = sum(router["delayline_records_taken_total"] for router in seen)
        return taken >= self.records and not any(router["delayline_in_flight_records"] for router in seen)

    def delivered(self):
        return sum(records(self.stack, "delivered"))

    def wait_for_deliveries(self, count, seconds=30):
        s.wait_until(f"{count} deliveries", seconds, lambda: self.delivered() >= count, 0.05)

    def wait_for_work(self, program):
        """Until it has something to lose."""
        admin = program.admin()
        s.wait_until(f"{program.name} at work", 30, lambda: s.metrics(admin).get(AT_WORK[program.name], 0) > 20, 0.02)

    def verdict(self, title=""):
        """Load's report; fails unless its checker is satisfied."""
        if s.NATIVE:
            self._note_counts()
        code, report = self.run.verdict()
        self.watch.over.set()
        faults = report["faults"]
        print(
            f"{title}: sent {report['sent']}, lost {report['lost']}, early {report['early']}, "
            f"duplicated {report['duplicated']} of at most {faults['bound']}, "
            f"late p99 {report['emission_error_ms']['p99']} max {report['emission_error_ms']['max']} ms, "
            f"the machine itself by {self.watch.longest_s * 1000:.0f}"
        )
        with open(s.ROOT / "build" / "chaos-figures.txt", "a") as figures:
            figures.write(f"{title} {json.dumps(report)}\n")
        assert code == 0, report
        return report


    def _note_counts(self):
        """For what a slow server may repeat, see Stack.may_repeat."""
        self.run.process.wait(timeout=self.run.timeout)
        for program in self.stack.programs:
            if program.process.poll() is None:
                program.metrics_at_stop = s.metrics(program.admin())


LISTENS = "0A"  # in /proc/net/tcp


def listening_address(program):
    """The admin port of one whose log nobody can read."""

    def port():
        own = set()
        for fd in pathlib.Path(f"/proc/{program.process.pid}/fd").iterdir():
            with contextlib.suppress(FileNotFoundError):  # closed meanwhile
                own.add(os.readlink(fd))
        for line in pathlib.Path("/proc/net/tcp").read_text().splitlines()[1:]:
            _, local, _, state, *rest = line.split()
            if state == LISTENS and f"socket:[{rest[5]}]" in own:
                return int(local.split(":")[1], 16)

    return f"127.0.0.1:{s.wait_until('admin port', 10, port, 0.02)}"


def records(stack, outcome):
    """Of each relay that is there, counted under an outcome."""
    programs = [p for p in stack.programs if p.name == "relay" and p.process.poll() is None]
    for admin in [*stack.admins("relay"), *(p.admin() for p in programs)]:
        with contextlib.suppress(OSError):  # it may be dying
            found = s.metrics(admin).items()
            yield sum(v for k, v in found if k.startswith("delayline_records_total") and f'"{outcome}"' in k)


def uncommitted(stack):
    """Records of the delay topic beyond what its group has committed."""
    group = stack.env.get("DELAYLINE_ROUTER_GROUP_ID", "delayline-router")
    consumer = confluent_kafka.Consumer({"bootstrap.servers": stack.bootstrap, "group.id": group})
    try:
        count = int(stack.env["DELAYLINE_STACK_DELAY_PARTITIONS"])
        partitions = [confluent_kafka.TopicPartition(stack.delay_topic, p) for p in range(count)]
        total = 0
        for p in consumer.committed(partitions, timeout=10):
            low, high = consumer.get_watermark_offsets(p, timeout=10)
            total += high - (p.offset if p.offset >= 0 else low)
        return total
    finally:
        consumer.close()


def records_taken(program):
    """Records that a router has taken so far."""
    return s.metrics(program.admin())["delayline_records_taken_total"]


def cost_of_death(stack, program, rate, taken=math.inf):
    """Records that may come twice because one has died just now, and for how long after. A router had no more in hand than
    it had ever taken; what is uncommitted besides, nobody has taken yet."""
    if program == "router":
        return min(uncommitted(stack), taken), ROUTER_WAIT_S
    if program == "relay":
        return rate * UNDELETED_S, RELAY_WAIT_S
    return 0, 0  # FIFO drops what another one repeats


def set_round_trip(stack, rtt_ms):
    stack.emulator("/_emulator/kafka", {"do": "broker_rtt", "broker": 1, "rtt_ms": rtt_ms})


def start_beside_another(stack, name, **settings):
    """A second replica; a router has its partitions then."""
    if name != "router":
        return stack.start(name, **settings)
    set_round_trip(stack, ROUND_TRIP_MS)
    router = stack.start(name, **settings)
    wait_for_partitions(router)
    set_round_trip(stack, 0)
    return router


def wait_for_partitions(router):
    """Until the group has given it its share."""
    admin = router.admin()
    s.wait_until("partitions", 30, lambda: s.metrics(admin).get("delayline_kafka_partitions_assigned", 0) > 0)


def wait_for_death(program, number, seconds):
    """When it was last seen alive."""
    alive_ms = s.now_ms()

    def is_dead():
        nonlocal alive_ms
        now_ms = s.now_ms()
        dead = program.process.poll() is not None
        alive_ms = alive_ms if dead else now_ms
        return dead

    s.wait_until(f"the end of {program.name}", seconds, is_dead, 0.005)
    assert program.process.returncode == -number, (
        f"exit {program.process.returncode}: {program.log_path.read_text()[-2000:]}"
    )
    return alive_ms


def held_shards(scheduler):
    return s.metrics(scheduler.admin()).get("delayline_shards_held", 0)


def is_stopped(pid):
    state = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    assert state != "Z", "it has ended"
    return state == "T"


@contextlib.contextmanager
def suspended(program):
    """SIGSTOP until the block ends."""
    os.kill(program.process.pid, signal.SIGSTOP)
    with suspended_at_point(program):
        yield


@contextlib.contextmanager
def suspended_at_point(program, seconds=30):
    """Until the block ends, from where its kill point stops it."""
    try:
        s.wait_until(f"{program.name} suspended", seconds, lambda: is_stopped(program.process.pid), 0.001)
        yield
    finally:
        os.kill(program.process.pid, signal.SIGCONT)


# As a cgroup's quota of 5 % does: 5 ms of each 100.
QUOTA_MS, PERIOD_MS = 5, 100


def starve(program, seconds):
    """It gets a twentieth of a processor for so long."""
    pid = program.process.pid
    end = time.monotonic() + seconds
    try:
        while time.monotonic() < end:
            os.kill(pid, signal.SIGSTOP)
            time.sleep((PERIOD_MS - QUOTA_MS) / 1000)
            os.kill(pid, signal.SIGCONT)
            time.sleep(QUOTA_MS / 1000)
    finally:
        os.kill(pid, signal.SIGCONT)


def last_for(seconds):
    """A fault's length: not to wait for anything."""
    time.sleep(seconds)
