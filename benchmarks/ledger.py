"""What the ledger costs: bulk and single submissions, claims and conclusions, on SQLite and on PostgreSQL.

    python -m benchmarks.ledger [--jobs 10000] [--singles 500] [--json]

Durable settings on both: each commit is on the disk before it is counted. Wall-clock seconds, beside the processor
seconds of this process, which tell how busy the machine was with other things.
"""

import argparse
import json
import platform
import time
from collections.abc import Callable
from contextlib import closing
from uuid import UUID

from tests.support.ledgers import MANIFEST, add_owner, claim, submit
from tests.support.postgres import PostgresMissingError

from benchmarks.databases import KINDS, open_databases
from grid.core.ids import new_id
from grid.database.engine import create_database
from grid.database.uow import UnitOfWork
from grid.schemas.jobs import Claim
from grid.services import ledger
from grid.services.ledger import Succeeded

BATCH = 2_500
CONCLUDED_AT_ONCE = 1_000


class Figures:
    """Named measurements of one database, printed as they come."""

    def __init__(self, kind: str, *, quiet: bool) -> None:
        self.kind, self._quiet = kind, quiet
        self.rows: list[dict[str, object]] = []

    def measure(self, name: str, count: int, work: Callable[[], object]) -> object:
        wall, cpu = time.perf_counter(), time.process_time()
        result = work()
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        row = {"database": self.kind, "what": name, "jobs": count, "wall_s": round(wall, 4), "cpu_s": round(cpu, 4),
               "per_s": round(count / wall)}  # fmt: skip
        self.rows.append(row)
        if not self._quiet:
            print(f"{self.kind:<11} {name:<34} {count:>6}  {wall:8.3f} s  {cpu:8.3f} s cpu  {row['per_s']:>8}/s")
        return result


def measure_bulk(figures: Figures, uow: UnitOfWork, owner: UUID, count: int) -> None:
    """Measure one sweep, from its submission to its end."""
    figures.measure("insert one sweep", count, lambda: submit(uow, owner, count, is_sweep=True, work_s=0.0005))
    claims: list[Claim] = []
    while len(claims) < count:
        size = min(BATCH, count - len(claims))
        batch = figures.measure(f"claim {size}", size, lambda: claim(uow, max_jobs=BATCH, work_budget_s=2.0))
        claims.extend(job.claim for job in batch.jobs)  # type: ignore[attr-defined]
    held = claims[:BATCH]
    renew = lambda: ledger.renew(uow, worker_id="worker-1", claims=held, lease_s=30)  # noqa: E731
    figures.measure("renew one batch", len(held), renew)

    def conclude_all() -> None:
        for start in range(0, count, CONCLUDED_AT_ONCE):
            part = claims[start : start + CONCLUDED_AT_ONCE]
            accepted = ledger.conclude(uow, [Succeeded(one, MANIFEST) for one in part], begun=part)
            assert len(accepted) == len(part)

    figures.measure("begin and conclude, 1,000 at once", count, conclude_all)


def measure_singles(figures: Figures, uow: UnitOfWork, owner: UUID, count: int) -> None:
    """Measure jobs that come, are claimed and end one by one."""
    figures.measure(
        "submit, one by one", count, lambda: [submit(uow, owner, batch_key=str(new_id())) for _ in range(count)]
    )
    claims = figures.measure("claim, one by one", count, lambda: [claim(uow).jobs[0].claim for _ in range(count)])  # type: ignore[union-attr]
    figures.measure(
        "conclude, one by one",
        count,
        lambda: [ledger.conclude(uow, [Succeeded(one, MANIFEST)], begun=[one]) for one in claims],  # type: ignore[attr-defined]
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=10_000)
    parser.add_argument("--singles", type=int, default=500)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    rows: list[dict[str, object]] = []
    for kind in KINDS:
        figures = Figures(kind, quiet=options.json)
        try:
            with open_databases(kind) as databases, closing(create_database(databases.make_migrated())) as database:
                uow = UnitOfWork(database)
                owner = add_owner(uow)
                measure_singles(figures, uow, owner, 20)  # compiles the statements
                figures.rows.clear()
                measure_bulk(figures, uow, owner, options.jobs)
                measure_singles(figures, uow, owner, options.singles)
        except PostgresMissingError as error:
            print(f"left out: PostgreSQL is not available here ({error})")
        rows.extend(figures.rows)
    if options.json:
        print(json.dumps({"machine": platform.platform(), "python": platform.python_version(), "rows": rows}))


if __name__ == "__main__":
    main()
