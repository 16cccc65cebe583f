"""Run the benchmarks of live runs and print their tables.

`python -m benchmarks.live [--only tick] [--cells 512 1024] [--repeats 15] [--no-peers]`
"""

import argparse
import os
import statistics
import sys

from benchmarks.live import tick
from benchmarks.runs import Run

PARTS = ("tick",)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.live", description=__doc__)
    parser.add_argument("--only", default=",".join(PARTS), help=f"comma-separated: {', '.join(PARTS)}")
    parser.add_argument("--cells", type=int, nargs="+", default=[512, 1024], help="along each side of the plate")
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--no-peers", action="store_true", help="leave py-pde out")
    options = parser.parse_args()
    if unknown := [name for name in options.only.split(",") if name not in PARTS]:
        parser.error(f"unknown: {', '.join(unknown)}")
    run = Run()
    for cells in options.cells:
        found = tick.measure(cells, options.repeats, with_pypde=cells <= 512 and not options.no_peers)
        print_ticks(found)
    print(f"\n{run.describe(f'{options.only}: {options.cells}')}; load {os.getloadavg()[0]:.2f}")
    return 0


def print_ticks(found: dict[str, object]) -> None:
    """Print the seconds of a tick by each side, and how much dearer each is than the whole tick."""
    seconds, methods = found["seconds"], found["methods"]
    assert isinstance(seconds, dict)
    assert isinstance(methods, dict)
    base = statistics.median(seconds["tick"])
    print(f"\n| a tick at {found['cells']} x {found['cells']} | processor time | spread | over the whole tick | |")
    print("|---|---|---|---|---|")
    for name, values in seconds.items():
        middle = statistics.median(values)
        spread = f"{min(values) * 1e3:.1f} .. {max(values) * 1e3:.1f} ms"
        print(f"| {name} | {middle * 1e3:.1f} ms | {spread} | {middle / base:.2f} | {methods.get(name, '')} |")


if __name__ == "__main__":
    sys.exit(main())
