"""results.json and the table. A run replaces the figures that it measured and leaves the others."""

import datetime
import json
import os
import pathlib
import platform
import statistics
import subprocess

import capacity
import figures
import plot
import stack as s

# What --publish replaces in README.md.
TABLE, PEERS = ("<!-- table -->", "<!-- end -->"), ("<!-- peers -->", "<!-- end of peers -->")
FOLDER = s.ROOT / "build/bench"
RUNBOOK = s.ROOT / "deploy/RUNBOOK.md"


def first_line(command):
    return subprocess.run(command, cwd=s.ROOT, capture_output=True, text=True).stdout.strip()


def processor():
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.machine()


class Report:
    def __init__(self, command):
        self.path = FOLDER / "results.json"
        FOLDER.mkdir(parents=True, exist_ok=True)
        self.conditions = {
            "commit": first_line(["git", "describe", "--always", "--dirty"]),
            "command": command,
            "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
            "cores": len(os.sched_getaffinity(0)),
            "cpu": processor(),
            "kernel": platform.release(),
        }

    def add(self, name, runs, **conditions):
        """runs: a value each; the figure is their median. Written at once."""
        figure = figures.FIGURES[name]
        value = statistics.median(runs)
        reached = figure.reached(value)
        known = self.read()
        known[name] = {
            "name": name,
            "value": value,
            "unit": figure.unit,
            "what": figure.what,
            "runs": list(runs),
            "target": figure.target,
            "reached": reached,
            "limit": figure.limit if reached is False else "",
            "conditions": {**self.conditions, **conditions},
        }
        self.write(known)
        print(f"{name} {number(value)} {figure.unit}  [{', '.join(number(run) for run in runs)}]", flush=True)

    def publish(self, folder):
        """The tables as they stand into README.md and the runbook, and all plots."""
        known = self.read()
        ordered = [known[name] for name in figures.FIGURES if name in known]
        readme = folder / "README.md"
        told = readme.read_text()
        if ordered:
            told = between(told, TABLE, table(ordered))
        if (FOLDER / "peers.md").exists():
            told = between(told, PEERS, (FOLDER / "peers.md").read_text())
        readme.write_text(told)
        if (of := capacity.figures_of(known)) is not None:
            RUNBOOK.write_text(between(RUNBOOK.read_text(), capacity.MARKS, capacity.text(of)))
        (folder / "plots").mkdir(exist_ok=True)
        plot.draw(known, folder / "plots")

    def read(self):
        """From the file each time: parts may be measured by several runs at once."""
        return {figure["name"]: figure for figure in self.document().get("figures", [])}

    def document(self):
        return json.loads(self.path.read_text()) if self.path.exists() else {}

    def replace(self, **parts):
        """Of the document; what is not named stays."""
        temporary = self.path.with_suffix(".new")
        temporary.write_text(json.dumps({**self.document(), **parts}, indent=2) + "\n")
        temporary.rename(self.path)

    def write(self, known):
        ordered = [known[name] for name in figures.FIGURES if name in known]
        self.replace(figures=ordered)
        (FOLDER / "table.md").write_text(table(ordered))


def number(value):
    if value is None:
        return ""
    if value == 0 or abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}" if abs(value) < 100 else f"{value:.0f}"


def between(text, marks, new):
    head, rest = text.split(marks[0] + "\n")
    return head + marks[0] + "\n" + new + marks[1] + rest.split(marks[1])[1]


def table(ordered):
    rows = [("figure", "value", "target", "", "unit", "runs", "what, and what limits it")]
    for f in ordered:
        mark = {True: "yes", False: "no", None: ""}[f["reached"]]
        what = f["what"] + (f". Limited by: {f['limit']}" if f["limit"] else "")
        runs = f"{number(min(f['runs']))} .. {number(max(f['runs']))} ({len(f['runs'])})" if len(f["runs"]) > 1 else "1"
        rows.append((f"`{f['name']}`", number(f["value"]), number(f["target"]), mark, f["unit"], runs, what))
    return grid(rows)


def grid(rows):
    """As Markdown; the first row is the head, the last column is as wide as it is."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]) - 1)]
    lines = []
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row, widths)]
        lines.append("| " + " | ".join([*cells, row[-1]]) + " |")
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|---|")
    return "\n".join(lines) + "\n"
