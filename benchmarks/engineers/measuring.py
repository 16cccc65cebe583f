"""A process for each side of a row, asked in turn, so that both sides see the same minutes of the machine."""

import json
import os
import select
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from typing import Any, Self

from benchmarks.engine.environments import OWN, PLACE, ROOT, EnvironmentMissingError, prepare
from benchmarks.engine.tools import GRID
from benchmarks.engineers.cases import ROWS, load_reference

Record = dict[str, Any]
LIMIT = 300.0  # s of the wall for one run
ENOUGH = 90.0  # s of processor time in all, after which a side is not run again


class Side:
    """A worker process; a context manager that ends it."""

    def __init__(self, row: str, name: str) -> None:
        self.row, self.name = row, name
        self._process: subprocess.Popen[bytes] | None = None
        self._said = tempfile.TemporaryFile()  # noqa: SIM115 a pipe that nobody reads would fill
        self.failed: str | None = None

    def __enter__(self) -> Self:
        own = self.name == GRID
        try:
            environment = prepare(OWN if own else ROWS[self.row].peers[self.name].environment)
        except EnvironmentMissingError as error:
            self.failed = str(error)
            return self
        count = "2" if own else "1"  # threads would cost the peers' small products of matrices more than they bring
        variables = {
            **os.environ, **environment.variables, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "src")]),
            "OMP_NUM_THREADS": count, "OPENBLAS_NUM_THREADS": count, "NUMBA_NUM_THREADS": "2",
            "BENCH_REFERENCES": str(PLACE / "references"),
        }  # fmt: skip
        command = [str(environment.python), "-m", "benchmarks.engineers.worker", self.row, self.name]
        self._process = subprocess.Popen(
            command, cwd=ROOT, env=variables, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._said
        )
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
        self._said.close()

    def ask(self, limit: float = LIMIT) -> Record | None:
        """One run; None where it fails or passes the limit, after which the side is not asked again."""
        process = self._process
        if self.failed is not None or process is None or process.stdin is None or process.stdout is None:
            return None
        try:
            process.stdin.write(b"run\n")
            process.stdin.flush()
        except BrokenPipeError:
            return self._fail()
        ready, _, _ = select.select([process.stdout], [], [], limit)
        if not ready:
            self.failed = f"stopped after {limit:g} s"
            return None
        line = process.stdout.readline()
        return json.loads(line) if line else self._fail()

    def _fail(self) -> None:
        self._said.seek(0)
        said = self._said.read().decode(errors="replace")
        self.failed = said.strip().splitlines()[-1][:400] if said.strip() else "ended without a word"


def measure(row: str, repeats: int, limit: float = LIMIT, only: Sequence[str] | None = None) -> list[Record]:
    """Run Grid and all peers of a row in turn; one record each, with all runs or with `failed`.

    The first run of each process is its warm-up and shown as `cold`; later ones are `processor` and `wall`.
    """
    load_reference(row)
    names = [name for name in (GRID, *ROWS[row].peers) if only is None or name in only]
    sides = [Side(row, name) for name in names]
    records: list[Record] = []
    try:
        for side in sides:
            side.__enter__()
            record = {"row": row, "side": side.name, "processor": [], "wall": [], "load": os.getloadavg()[0]}
            if (cold := side.ask(limit)) is not None:
                record |= {name: value for name, value in cold.items() if name not in ("processor", "wall")}
                record["cold"] = {name: cold[name] for name in ("processor", "wall")}
            records.append(record)
        for _ in range(repeats):
            for side, record in zip(sides, records, strict=True):
                if sum(record["processor"]) <= ENOUGH and (found := side.ask(limit)) is not None:
                    record["processor"].append(found["processor"])
                    record["wall"].append(found["wall"])
                    record["error"] = max(record["error"], found["error"])
    finally:
        for side in sides:
            side.__exit__()
    for side, record in zip(sides, records, strict=True):
        if side.failed is not None:
            record["failed"] = side.failed
        print(json.dumps(record), file=sys.stderr, flush=True)
    return records
