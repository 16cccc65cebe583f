"""Run the benchmarks of the service and print their table, each figure beside one that the same run measured:

    python -m benchmarks [--only startup,sweep,noop,after] [--database sqlite,postgresql] [--repeats 3] [--json FILE]

`--table FILE ...` prints the table of earlier runs instead.
"""

import argparse
import json
import signal
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, replace
from pathlib import Path

from benchmarks import noop, startup, sweep
from benchmarks.databases import KINDS, open_databases
from benchmarks.runs import Run, print_earlier
from benchmarks.service import running_service
from benchmarks.table import Bar, Row, render_table

PARTS: dict[str, Callable[..., list[Row]]] = {
    "startup": startup.measure,
    "sweep": sweep.measure,
    "noop": noop.measure,
    "throughput": noop.measure_throughput,
    "submits": noop.measure_submits,
    "starts": noop.measure_starts,
    "after": startup.measure_after,
}
WHOLE = ("startup", "sweep", "noop", "after")


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", default=",".join(WHOLE), help="comma-separated: " + ", ".join(PARTS))
    parser.add_argument("--database", default=",".join(KINDS), help="comma-separated: " + ", ".join(KINDS))
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--json", type=Path, help="write the rows into this file as well")
    parser.add_argument("--table", type=Path, nargs="+", help="print the table of these files and measure nothing")
    options = parser.parse_args()
    if options.table:
        print_earlier(options.table, lambda records: render_table(read_rows(records)))
        return 0
    parts, kinds = options.only.split(","), options.database.split(",")
    if unknown := [name for name in parts if name not in PARTS] + [kind for kind in kinds if kind not in KINDS]:
        parser.error(f"unknown: {', '.join(unknown)}")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # the service is stopped then, too
    run = Run()
    rows = [row for kind in kinds for row in measure(kind, parts, options.repeats)]
    machine = run.describe(f"{', '.join(kinds)}: {', '.join(parts)}")
    if options.json:
        options.json.write_text(
            json.dumps({"machine": machine, "records": [asdict(row) for row in rows]}), encoding="utf-8"
        )
    print(f"{render_table(rows)}\n\n{machine}")
    return 0


def measure(kind: str, parts: Sequence[str], repeats: int) -> Iterable[Row]:
    """Run parts on one service."""
    with open_databases(kind) as databases, running_service(databases) as service:
        for name in parts:
            for row in (replace(row, database=kind) for row in PARTS[name](service, repeats=repeats)):
                print(render_table([row]).splitlines()[-1], file=sys.stderr, flush=True)
                yield row


def read_rows(records: Iterable[dict[str, object]]) -> list[Row]:
    """Return rows that `--json` has written."""
    return [Row(**{**record, "bar": Bar(**record["bar"]) if record["bar"] else None}) for record in records]  # type: ignore[arg-type]


if __name__ == "__main__":
    sys.exit(main())
