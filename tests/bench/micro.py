"""The hot paths one by one: nanoseconds of CPU time, and instructions as callgrind counts them, which hardly vary."""

import re
import subprocess

import stack as s

# Of how many to take the difference. Cores: what is done within the step alone, not what the rig does around it.
COUNTS = {
    "sign": (100, 1100),
    "pack": (250, 2000),
    "pack_alone": (100, 1100),
    "unpack": (250, 2000),
    "base64": (64, 640),
    "decide": (100, 2100),
    "router_core": (2000, 12000),
    "relay_core": (2000, 12000),
    "scheduler_core": (500, 4000),
}
TIMED = {"sign": 20_000, "pack": 50_000, "pack_alone": 20_000, "unpack": 100_000, "base64": 100_000, "decide": 500_000}


def run(*words):
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, f"{words}: {done.stdout[-500:]}{done.stderr[-1500:]}"
    return done


def collected(name, count):
    toggle = [f"--toggle-collect={name}_step"] if name.endswith("_core") else []
    command = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", *toggle, s.BIN / "micro", name, count]
    return int(re.search(r"Collected : (\d+)", run(*command).stderr)[1])


def instructions(name):
    first, last = COUNTS[name]
    return (collected(name, last) - collected(name, first)) / (last - first)


def micro_part(report, effort):
    for name in COUNTS:
        if name in TIMED:
            times = [float(run(s.BIN / "micro", name, TIMED[name]).stdout) for _ in range(effort.runs())]
            report.add(f"{name}_ns", times, count=TIMED[name])
        report.add(f"{name}_instructions", [instructions(name)], counts=COUNTS[name])


PARTS = {"micro": micro_part}
