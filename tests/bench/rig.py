"""What every benchmark needs: a devstack of its own, records put into it, programs whose CPU time is read from the
operating system."""

import contextlib
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))
import stack as s

# The mock cluster keeps 5 MiB a partition and forgets what is older.
PARTITION_BYTES = 4 << 20
RECORD_OVERHEAD = 230  # of key, headers and framing that load's records have
PARTITIONS_MAX = 256

# PROFILE=1: with perf over the programs that are measured alone. Their figures are then a little too low.
PROFILES = s.ROOT / "build/bench" if os.environ.get("PROFILE") else None


class Effort:
    """How much work: all of it in five runs, or in one run what shows that the benchmark works."""

    def __init__(self, quick):
        self.quick = quick

    def runs(self, count=5):
        return 1 if self.quick else count

    def records(self, count):
        return count // 4 if self.quick else count


def cpu_seconds(pid):
    """User and system time of all threads of a running process, to the nanosecond (clock_getcpuclockid)."""
    return time.clock_gettime(~pid << 3 | 2)


def rss_mb(pid):
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+) kB", status)[1]) / 1024


def partitions_for(records, size):
    needed = records * (size + RECORD_OVERHEAD) // PARTITION_BYTES + 1
    assert needed <= PARTITIONS_MAX, f"{records} records of {size} bytes do not fit into the mock cluster"
    return max(64, needed)


class Devstack:
    """The emulator and the mock cluster, and nothing else: programs are started one by one."""

    def __init__(self, delay_partitions=64, target_partitions=64, more=None, settings=None):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="bench-"))
        self.programs = []
        foreign = ("AWS_", "DELAYLINE_", "KAFKA_")
        self.base = {k: v for k, v in os.environ.items() if not k.startswith(foreign)} | (settings or {})
        path = self.directory / "env"
        with open(self.directory / "devstack.log", "wb") as log:
            sizes = {"delay": delay_partitions, "orders": target_partitions, **(more or {})}
            topics = ",".join(f"{name}:{partitions}" for name, partitions in sizes.items())
            self.process = subprocess.Popen(
                [s.BIN / "devstack", "--env", path, "--topics", topics], env=self.base, stdout=log, stderr=log
            )
        s.wait_until("devstack", 10, path.exists)
        self.env = {**(settings or {}), **s.read_env(path)}

    def feed(self, records, size, delay, *more):
        """What feed says about itself; returns when the broker has all."""
        return self.put("feed", records, size, delay, *more)

    def put(self, name, records, size, delay, *more):
        command = [s.BIN / name, "--records", records, "--size", size, "--delay", delay, "--orders"]
        command = [str(word) for word in (*command, *(() if "--rate" in more else ("--rate", 0)), *more)]
        run = subprocess.run(command, env={**self.base, **self.env}, capture_output=True, text=True, timeout=300)
        assert run.returncode == 0, run.stdout + run.stderr
        return json.loads(run.stdout)

    def start(self, name, profile=False, **settings):
        program = Measured(name, {**self.env, **settings}, self.directory)
        self.programs.append(program)
        if profile and PROFILES is not None:
            program.profile()
        return program

    def stats(self):
        return s.Stack.emulator(self, "/_emulator/stats")

    def cpu_seconds(self):
        return cpu_seconds(self.process.pid)

    def close(self):
        for program in self.programs:
            program.kill()
        self.process.terminate()
        self.process.wait(timeout=60)
        for path in self.directory.iterdir():
            path.unlink()
        self.directory.rmdir()


@contextlib.contextmanager
def devstack(**options):
    stack = Devstack(**options)
    try:
        yield stack
    finally:
        stack.close()


def report_profile(data):
    """Where the time goes, beside the data: by thread and library, by function, by function with what it calls."""
    common = ["perf", "report", "--stdio", "-i", data, "-g", "none"]
    views = (["--no-children", "--sort", "comm,dso"], ["--no-children", "--sort", "dso,symbol"],
             ["--children", "--sort", "dso,symbol"])  # fmt: skip
    with open(data.with_suffix(".txt"), "w") as out:
        for view in views:
            out.write(f"\n== {' '.join(view)}\n")
            report = subprocess.run([*common, *view, "--percent-limit", "0.5"], capture_output=True, text=True)
            out.writelines(line.rstrip() + "\n" for line in report.stdout.splitlines() if line and line[0] != "#")
    data.unlink()


class Measured(s.Program):
    """A program and its CPU time, from its birth on."""

    def cpu_seconds(self):
        return cpu_seconds(self.process.pid)

    def profile(self):
        data = PROFILES / f"profile-{self.name}.data"
        command = ["perf", "record", "-q", "-F", "997", "--call-graph", "dwarf,8192", "-o", data]
        self.perf = subprocess.Popen([*command, "-p", str(self.process.pid)])

    def stop(self, *args, **more):
        result = super().stop(*args, **more)
        if hasattr(self, "perf"):
            self.perf.wait(timeout=60)
            report_profile(PROFILES / f"profile-{self.name}.data")
        return result

    def total(self, metric, *labels):
        """Sum of a metric's series that have these labels."""
        series = s.metrics(self.admin_address).items()
        of_metric = (item for item in series if item[0].split("{")[0] == metric)
        return sum(value for name, value in of_metric if all(label in name for label in labels))

    @property
    def admin_address(self):
        if not hasattr(self, "_admin_address"):
            self._admin_address = self.admin()
        return self._admin_address

    def wait_for(self, count, seconds, metric, *labels, interval=0.1):
        """Until the metric is count; (CPU seconds, wall seconds since it began to count)."""
        end = time.monotonic() + seconds
        began = None
        while True:
            value = self.total(metric, *labels)
            now = time.monotonic()
            if began is None and value > 0:
                began = now - interval
            if value >= count:
                return self.cpu_seconds(), now - began
            assert now < end, f"{self.name}: {metric} is {value}, not {count}, after {seconds} s"
            time.sleep(interval)


def counts(stats):
    """(calls, billable units, units for FIFO queues) of each operation that the emulator has served."""
    return {name: (op["calls"], op["units"], op["fifo_units"]) for name, op in stats["operations"].items()}


def difference(after, before):
    pairs = {name: (now, before.get(name, (0, 0, 0))) for name, now in after.items()}
    spent = {name: tuple(a - b for a, b in zip(now, then)) for name, (now, then) in pairs.items()}
    return {name: triple for name, triple in spent.items() if any(triple)}
