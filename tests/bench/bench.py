"""make bench: measures, writes build/bench/results.json and table.md. Arguments: names of parts, --quick."""

import argparse
import pathlib
import sys

import rig  # first: it makes the modules of tests/e2e importable

import alone
import burst
import cost
import latency
import micro
import pipeline
import plot
import resources
import shape
import results

MODULES = (alone, cost, resources, latency, burst, shape, micro)
PARTS = {name: part for module in MODULES for name, part in module.PARTS.items()}
HERE = pathlib.Path(__file__).parent


def main():
    parser = argparse.ArgumentParser(prog="tests/bench/run")
    parser.add_argument("--quick", action="store_true", help="less work, one run each")
    parser.add_argument("--publish", action="store_true", help="bring README.md and plots/ beside it up to date")
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of: {' '.join(PARTS)} (default: all)")
    options = parser.parse_args()
    if unknown := set(options.parts) - set(PARTS):
        parser.error(f"{', '.join(sorted(unknown))}: the parts are {' '.join(PARTS)}")
    report = results.Report(" ".join(["tests/bench/run", *sys.argv[1:]]))
    effort = rig.Effort(quick=options.quick)
    for name in options.parts or (() if options.publish else PARTS):
        PARTS[name](report, effort)
    if pipeline.tally["judged"] > 0:
        report.add("early_records", [pipeline.tally["early"]], records=pipeline.tally["judged"])
    plot.draw(report.read(), results.FOLDER)
    if options.publish:
        report.publish(HERE)
    if (results.FOLDER / "table.md").exists():
        print(f"\n{(results.FOLDER / 'table.md').read_text()}\n{results.FOLDER.relative_to(rig.s.ROOT)}/results.json")


if __name__ == "__main__":
    main()
