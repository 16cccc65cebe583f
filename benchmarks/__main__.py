"""Run the benchmarks of the service: `python -m benchmarks [--only sweep,noop,...] [--database sqlite|postgresql]`."""

import argparse
import os
import platform
import sys
import time

from benchmarks import noop, startup, sweep
from benchmarks.service import running_service
from benchmarks.table import Row, print_table

PARTS = {"startup": startup.measure, "sweep": sweep.measure, "noop": noop.measure, "after": startup.measure_after}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--only", default=",".join(PARTS), help="comma-separated: " + ", ".join(PARTS))
    parser.add_argument("--database", default="sqlite,postgresql", help="sqlite, postgresql, or both")
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    rows: list[Row] = []
    started = time.time()
    load = os.getloadavg()[0]
    for database in options.database.split(","):
        with running_service(database) as service:
            for name in options.only.split(","):
                rows += PARTS[name](service, repeats=options.repeats)
    print_table(rows)
    machine = f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}"
    print(f"\n{machine}; load before {load:.2f}, after {os.getloadavg()[0]:.2f}; {time.time() - started:.0f} s in all.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
