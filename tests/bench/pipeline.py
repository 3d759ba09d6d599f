"""All three programs and the load generator: what comes out when, and what AWS would have been asked for."""

import json
import subprocess

import rig
import stack as s

# Both paths within seconds. An envelope lingers for 1 % of the delay, up to 1 s: of delays as short as here that would be
# next to nothing, so whoever wants the packs of real delays says so with LINGER.
FAST = {
    "DELAYLINE_HORIZON": "20s",
    "DELAYLINE_BUCKET": "10s",
    "DELAYLINE_HANDOFF": "5s",
    "DELAYLINE_CUTOFF": "2s",
}
LINGER = {"DELAYLINE_ROUTER_LINGER_MIN": "1s", "DELAYLINE_ROUTER_LINGER_MAX": "1s"}
NO_LINGER = {"DELAYLINE_ROUTER_LINGER_MIN": "0ms", "DELAYLINE_ROUTER_LINGER_MAX": "0ms"}


class Pipeline:
    """One router, schedulers and a relay, ready and at rest."""

    def __init__(self, dev, schedulers=1):
        self.dev = dev
        self.router = dev.start("router")
        self.schedulers = [dev.start("scheduler") for _ in range(schedulers)]
        self.relay = dev.start("relay")
        self.programs = [self.router, *self.schedulers, self.relay]
        for program in self.programs:
            program.wait_ready()
        partitions = int(dev.env["DELAYLINE_STACK_DELAY_PARTITIONS"])
        s.wait_until(
            "partitions assigned",
            20,
            lambda: self.router.total("delayline_kafka_partitions_assigned") == partitions,
            0.1,
        )

    def load(self, records, rate, delay, size, *more, timeout=400):
        """The generator's report, with what the run cost: calls, units, CPU seconds."""
        before = rig.counts(self.dev.stats())
        cpu = {program: program.cpu_seconds() for program in self.programs}
        emulator = self.dev.cpu_seconds()
        path = self.dev.directory / "report.json"
        command = [s.BIN / "load", "--records", records, "--rate", rate, "--delay", delay, "--size", size, "--orders"]
        command = [str(word) for word in (*command, "--drain", "60s", "--report", path, *more)]
        env = {**self.dev.base, **self.dev.env}
        run = subprocess.run(command, env=env, capture_output=True, text=True, timeout=timeout)
        assert path.exists(), run.stdout + run.stderr
        report = json.loads(path.read_text())
        report["counts"] = rig.difference(rig.counts(self.dev.stats()), before)
        report["cpu_seconds"] = {p.name: p.cpu_seconds() - cpu[p] for p in self.programs}
        report["emulator_cpu_seconds"] = self.dev.cpu_seconds() - emulator
        return report


# Over all runs of this process.
tally = {"judged": 0, "early": 0}


def judged(report):
    """Early ones are counted; nothing else may be wrong, or figures would be of something else."""
    wrong = {name: report[name] for name in ("lost", "corrupted", "misrouted", "unexpected") if report[name]}
    assert not wrong, wrong
    tally["judged"] += report["delivered"]
    tally["early"] += report["early"]
    return report
