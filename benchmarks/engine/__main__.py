"""Run the engine beside its peers and print the table: `python -m benchmarks.engine [--only P1,P3] [--json FILE]`.

Each tool runs in a process and an environment of its own, one after the other, in one run; peers are installed under
`.bench/peers` when they are first needed. `--table FILE ...` prints the table of earlier runs' files instead.
`--only planning` compares the planner's estimates with measured times, see `benchmarks.engine.planning`.
"""

import argparse
import json
import sys
from pathlib import Path

from benchmarks.engine.planning import measure as measure_planning
from benchmarks.engine.planning import render as render_planning
from benchmarks.engine.table import render
from benchmarks.engine.tools import GRID, PEERS, TOOLS, Record, run
from benchmarks.runs import Run, print_earlier


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.engine", description=__doc__)
    parser.add_argument(
        "--only", default=",".join(TOOLS), help="comma-separated: " + ", ".join(TOOLS) + "; or planning"
    )
    parser.add_argument("--peers", default=",".join(PEERS), help="comma-separated: " + ", ".join(PEERS))
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json", type=Path, help="keep the records in this file")
    parser.add_argument("--table", type=Path, nargs="+", help="print the table of these files and measure nothing")
    options = parser.parse_args()
    if options.table:
        print_earlier(options.table, render)
        return 0
    if options.only == "planning":
        print(render_planning(list(measure_planning())))
        return 0
    peers = {name.casefold() for name in [GRID, *options.peers.split(",")]}
    problems = list(dict.fromkeys("P1L" if name == "P6" else name for name in options.only.split(",")))
    if unknown := [name for name in problems if name not in TOOLS]:
        parser.error(f"unknown: {', '.join(unknown)}")
    records: list[Record] = []
    run_now = Run()
    for problem in problems:
        for record in run(
            [tool for tool in TOOLS[problem] if tool.peer.casefold() in peers], options.repeats, options.threads
        ):
            print(json.dumps(record)[:200], file=sys.stderr, flush=True)
            records.append(record)
    machine = run_now.describe(f"{', '.join(problems)}, {options.threads} threads")
    if options.json:
        options.json.write_text(json.dumps({"machine": machine, "records": records}, indent=1), encoding="utf-8")
    print(f"{render(records)}\n\n{machine}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
