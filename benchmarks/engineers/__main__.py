"""Run engineers' problems beside peers by hand.

    python -m benchmarks.engineers [--only E1 E3] [--repeats 5] [--json FILE]

Every side of a row runs in a process of its own; sides take turns. `--converge` runs each peer once at each setting of
its study instead, `--only estimates` compares estimates with measured times on 200 random problems, `--only E7` is the
sweep through the service. `--only estimates --fit` prints the constants of the cost model that suit measured runs best.
`--table FILE ...` prints the table of earlier runs.
"""

import argparse
import json
import os
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.engineers.cases import ROWS
from benchmarks.engineers.estimates import measure as measure_estimates
from benchmarks.engineers.estimates import render as render_estimates
from benchmarks.engineers.measuring import LIMIT, measure
from benchmarks.engineers.random_problems import COUNT
from benchmarks.engineers.sweep import measure as measure_sweep
from benchmarks.engineers.sweep import render as render_sweep
from benchmarks.engineers.table import render
from benchmarks.runs import Run, print_earlier

ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1"}
EXTRA = ("E7", "estimates")
FAMILIES = ("E4", "E5")  # of which a name stands for all their rows


def choose(names: list[str]) -> list[str]:
    """The rows that the names stand for."""
    return [row for name in names for row in ROWS if row == name or (name in FAMILIES and row.startswith(name))]


def fit_estimates(count: int, file: Path | None) -> str:
    """The fitted constants; the runs are kept in a file."""
    from benchmarks.engineers.fitting import describe, fit
    from benchmarks.engineers.fitting import measure as measure_runs

    runs = list(measure_runs(count))
    if file is not None:
        file.write_text(json.dumps([asdict(run) for run in runs], indent=1), encoding="utf-8")
    return describe(runs, fit(runs))


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.engineers", description=__doc__)
    parser.add_argument("--only", nargs="+", default=[*ROWS, *EXTRA], help=", ".join([*ROWS, *EXTRA]))
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--count", type=int, default=COUNT, help="problems of `estimates`")
    parser.add_argument("--sides", nargs="+", help="only these, such as Grid or SciPy")
    parser.add_argument("--limit", type=float, default=LIMIT, help="seconds of the wall for one run")
    parser.add_argument("--converge", action="store_true", help="the convergence study of the peers")
    parser.add_argument("--fit", action="store_true", help="the constants of the cost model, with --only estimates")
    parser.add_argument("--json", type=Path, help="keep the records in this file")
    parser.add_argument("--table", type=Path, nargs="+", help="print the table of these files and measure nothing")
    options = parser.parse_args()
    if options.table:
        print_earlier(options.table, render)
        return 0
    rows = choose(options.only)
    if unknown := [name for name in options.only if name not in EXTRA and not choose([name])]:
        parser.error(f"unknown: {', '.join(unknown)}")
    # as the measured peers run, and the service's children
    is_alone = options.converge or options.only == ["estimates"]
    if is_alone and os.environ.get("OPENBLAS_NUM_THREADS") != "1":
        again = [sys.executable, "-m", "benchmarks.engineers", *sys.argv[1:]]
        return subprocess.run(again, env={**os.environ, **ONE_THREAD}, check=False).returncode
    if options.converge:
        from benchmarks.engineers.converging import study

        for row in rows:
            study(row)
        return 0
    if options.fit:
        print(fit_estimates(options.count, options.json))
        return 0
    run = Run()
    records: list[dict[str, Any]] = []
    for row in rows:
        records += measure(row, options.repeats, options.limit, options.sides)
    sweep = measure_sweep(options.repeats) if "E7" in options.only else None
    estimates = list(measure_estimates(options.count)) if "estimates" in options.only else []
    machine = run.describe(", ".join(options.only))
    if options.json:
        options.json.write_text(
            json.dumps(
                {
                    "machine": machine,
                    "records": records,
                    "sweep": sweep,
                    "estimates": [asdict(one) for one in estimates],
                },
                indent=1,
            ),
            encoding="utf-8",
        )
    parts = [render(records)] if rows else []
    parts += [render_sweep(sweep)] if sweep is not None else []
    parts += [render_estimates(estimates)] if estimates else []
    print("\n\n".join([*parts, machine]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
