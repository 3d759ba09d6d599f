"""The commands of deploy/RUNBOOK.md as they stand there, run against a stack."""

import os
import re
import subprocess

import stack as s

TEXT = (s.ROOT / "deploy/RUNBOOK.md").read_text()
HERE = s.ROOT / "tests/e2e"


def block(name):
    found = re.findall(rf"<!-- run: {name} -->\n```\n(.*?)```\n", TEXT, re.S)
    assert len(found) == 1, f"{len(found)} blocks of commands named {name}"
    return found[0]


def run(stack, name, directory, tools=None, **settings):
    """settings: what somebody who follows the runbook would write in the place of NAME=VALUE of its first line. tools: what stands
    in for a command."""
    first, rest = block(name).split("\n", 1)
    for key, value in settings.items():
        first, count = re.subn(rf"\b{key}=\S+", f"{key}={value}", first)
        assert count == 1, f"{name}: its first line does not set {key}"
    for tool, command in {"aws": f"/usr/bin/python3 {HERE}/aws.py", **(tools or {})}.items():
        (directory / tool).write_text(f'#!/bin/sh\nexec {command} "$@"\n')
        (directory / tool).chmod(0o755)
    env = {**os.environ, **stack.env, "PATH": f"{directory}:{os.environ['PATH']}"}
    script = f"set -euo pipefail\n{first}\n{rest}"
    done = subprocess.run(["bash", "-c", script], env=env, capture_output=True, text=True, timeout=60, cwd=s.ROOT)
    assert done.returncode == 0, done.stderr
    return done.stdout


def redrive(stack, *arguments):
    env = {"PATH": os.environ["PATH"], **stack.env}
    command = [s.ROOT / "deploy/redrive", *arguments]
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=60)
