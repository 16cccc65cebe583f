"""Lists of a million jobs and of a million audit entries, page by page with a cursor, on SQLite and on PostgreSQL.

    python -m benchmarks.long_lists [--jobs 1000000] [--pages 60] [--only WORDS] [--database sqlite,postgresql]

The rows are copies of jobs that the ledger has carried to their ends, under ids of their own. First pages and pages
behind a random cursor are read in turn, through the service's own functions: 50 rows, and the count that an answer has.
Milliseconds; PostgreSQL's statistics are fresh, as autovacuum makes them; SQLite has none, as in a service.
"""

import argparse
import json
import random
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import Any
from uuid import UUID

from tests.support.ledgers import MANIFEST, add_owner, claim, submit

from benchmarks.databases import KINDS, open_databases
from benchmarks.runs import Run
from benchmarks.table import Bar, Row, percentile, render_table
from grid.database.audit import AuditEntry
from grid.database.engine import Database, create_database
from grid.database.job_queries import JobFilter
from grid.database.jobs import jobs
from grid.database.uow import UnitOfWork
from grid.database.windows import Window
from grid.schemas.jobs import JobStatus, Reason
from grid.services import audit, ledger
from grid.services import jobs as job_service
from grid.services.ledger import Failed, Succeeded

FIRST_MS = 1_700_000_000_000  # Unix time of the oldest copy; each later one is made a millisecond later
AT_ONCE = 100_000  # rows of a transaction
SIZE = 50  # rows of a page
LATER = Bar("at most", 1.5)
POINT, FAILED, OTHER, LABELLED, LONE, RARE = range(6)  # what a copy is made of
KIND_OF = (  # of copy number n: one of 100 each but points, and one of 10,000 that timed out
    f"CASE WHEN n % 10000 = 77 THEN {RARE} WHEN n % 100 = 0 THEN {FAILED} WHEN n % 100 = 1 THEN {OTHER} "
    f"WHEN n % 100 = 2 THEN {LABELLED} WHEN n % 100 = 3 THEN {LONE} ELSE {POINT} END"
)

Ask = Callable[[UnitOfWork, UUID | None], object]


def make_id(number: int) -> UUID:
    """Return the id of a copy: a UUIDv7 of the millisecond in which it was made."""
    return UUID(f"{FIRST_MS + number:012x}7{number % 4096:03x}8{number:015x}")


def make_id_sql(kind: str) -> str:
    """Return `make_id` of the column `n` for a database."""
    if kind == "sqlite":
        return f"printf('%012x7%03x8%015x', {FIRST_MS} + n, n % 4096, n)"
    parts = [f"to_hex({FIRST_MS} + n), 12", "to_hex(n % 4096), 3", "to_hex(n), 15"]
    time_, small, whole = (f"lpad({part}, '0')" for part in parts)
    return f"({time_} || '7' || {small} || '8' || {whole})::uuid"


def fill_jobs(database: Database, count: int) -> tuple[UUID, UUID]:
    """Put copies of finished jobs into a database, nine of ten of one owner; return both owners."""
    uow = UnitOfWork(database)
    ada, bob = add_owner(uow, "ada"), add_owner(uow, "bob")
    kinds = make_originals(uow, database, ada)
    columns = [column.name for column in jobs.c]
    values = {
        **{name: f"job.{name}" for name in columns},
        "id": make_id_sql(database.kind),
        "owner_id": f"CASE WHEN n % 10 = 9 THEN {_literal(bob)} ELSE job.owner_id END",
        "sweep_index": "CASE WHEN job.sweep_id IS NULL THEN NULL ELSE n END",
    }
    places = " UNION ALL ".join(f"SELECT {kind} AS kind, {_literal(job)} AS id" for kind, job in enumerate(kinds))
    source = f"series CROSS JOIN ({places}) AS original CROSS JOIN jobs AS job"
    condition = f"original.kind = {KIND_OF} AND job.id = {_cast(database.kind, 'original.id')}"
    _copy(database, count, "jobs", {name: values[name] for name in columns}, f"{source} WHERE {condition}")
    return ada, bob


def make_originals(uow: UnitOfWork, database: Database, owner: UUID) -> list[UUID]:
    """Carry one job of each kind to its end; return their ids by kind."""
    (point,) = submit(uow, owner, 1, is_sweep=True)
    (failed, labelled, lone, rare) = submit(uow, owner, 4)
    (other,) = submit(uow, owner, 1, simulation="noop", batch_key="noop")
    with database.engine.begin() as connection:
        connection.execute(jobs.update().where(jobs.c.id == labelled).values(metadata={"project": "bridge"}))
    claims = []
    while (batch := claim(uow)) is not None:
        claims += [job.claim for job in batch.jobs]
    ends = {failed: (JobStatus.FAILED, Reason.DIVERGED), rare: (JobStatus.TIMED_OUT, Reason.WALL_TIMEOUT)}
    outcomes = [Failed(one, *ends[one.job_id]) if one.job_id in ends else Succeeded(one, MANIFEST) for one in claims]
    ledger.conclude(uow, outcomes, begun=claims)
    return [point, failed, other, labelled, lone, rare]


def fill_audit(database: Database, count: int, actor: UUID) -> None:
    """Put entries into the audit log: of 1,000 one about one user; their hashes are those of nothing."""
    values = {
        "chain": "1000",
        "seq": "n + 1",
        "id": make_id_sql(database.kind),
        "at": "at",
        "actor_id": _cast(database.kind, _literal(actor)),
        "action": "CASE WHEN n % 1000 = 7 THEN 'user.change' ELSE 'job.submit' END",
        "subject": "CASE WHEN n % 1000 = 7 THEN 'user:bob' ELSE 'job:' || n END",
        "details": "'{}'",
        "previous": "'0'",
        "hash": "'0'",
    }
    now = "(SELECT created_at AS at FROM users LIMIT 1)"
    _copy(database, count, AuditEntry.__tablename__, values, f"series CROSS JOIN {now} AS made")


def _literal(identifier: UUID) -> str:
    return f"'{identifier.hex}'"


def _cast(kind: str, value: str) -> str:
    return value if kind == "sqlite" else f"({value})::uuid"


def _copy(database: Database, count: int, table: str, values: Mapping[str, str], source: str) -> None:
    """Insert a row for each number `n` of `series`, from 0 on, in several transactions."""
    insert = f"INSERT INTO {table} ({', '.join(values)}) SELECT {', '.join(values.values())} FROM {source}"  # noqa: S608
    for start in range(0, count, AT_ONCE):
        last = min(start + AT_ONCE, count) - 1
        with database.engine.begin() as connection:
            if database.kind == "sqlite":
                numbers = f"VALUES ({start}) UNION ALL SELECT n + 1 FROM series WHERE n < {last}"  # noqa: S608
                connection.exec_driver_sql(f"WITH RECURSIVE series(n) AS ({numbers}) {insert}")
                continue
            connection.exec_driver_sql("SET LOCAL statement_timeout = 0")
            whole = f"WITH series(n) AS (SELECT generate_series({start}, {last})) {insert}"
            connection.exec_driver_sql(whole.replace("%", "%%"))  # the driver's sign for a parameter


def make_questions(ada: UUID, bob: UUID) -> Mapping[str, Ask]:
    """Return the lists that people and programs ask for."""

    def listing(owner: UUID | None = ada, **conditions: Any) -> Ask:
        wanted = JobFilter(owner, **conditions)
        return lambda uow, after: job_service.list_jobs(uow, wanted, Window(SIZE, None, after))

    def entries(**conditions: str) -> Ask:
        return lambda uow, after: audit.list_entries(uow, after=after, limit=SIZE, **conditions)

    return {
        "jobs of one owner": listing(),
        "jobs of another, one of ten": listing(bob),
        "everybody's jobs": listing(None),
        "failed, 1 %": listing(statuses=[JobStatus.FAILED]),
        "timed out, 0.01 %": listing(statuses=[JobStatus.TIMED_OUT]),
        "running, none": listing(statuses=[JobStatus.RUNNING]),
        "by label, 1 %": listing(labels={"project": "bridge"}),
        "by simulation, 1 %": listing(simulation="noop"),
        "no points of sweeps, 4 %": listing(is_point=False),
        "everybody's, no points": listing(None, is_point=False),
        "audit entries": entries(),
        "audit by subject, 0.1 %": entries(subject="user:bob"),
        "audit by action, 0.1 %": entries(action="user.change"),
        "audit by action, 99.9 %": entries(action="job.submit"),
        "audit by actor, all": entries(actor="ada"),
    }


def measure(database: Database, questions: Mapping[str, Ask], count: int, pages: int) -> Iterator[Row]:
    """Read first pages and pages behind random cursors in turn."""
    uow, chance = UnitOfWork(database), random.Random(1)
    for what, ask in questions.items():
        first, later = [], []
        for turn in range(pages + 1):
            behind = make_id(chance.randrange(count // 20, count))
            times = [_time(ask, uow, after) for after in (None, behind)]
            if turn > 0:  # the first pair compiles the statement
                first.append(times[0])
                later.append(times[1])
        for whose, fraction in (("median", 0.5), ("95th percentile", 0.95)):
            bar = LATER if fraction > 0.5 else None
            sides = [percentile(later, fraction)], [percentile(first, fraction)]
            yield Row(f"{what}: a later page, {whose}", "ms", sides[0], "first page", sides[1], bar, database.kind)


def _time(ask: Ask, uow: UnitOfWork, after: UUID | None) -> float:
    started = time.perf_counter()
    ask(uow, after)
    return (time.perf_counter() - started) * 1e3


def run(kind: str, count: int, pages: int, only: str = "") -> Iterator[Row]:
    """Fill a database and measure the lists whose names hold the words `only`."""
    with open_databases(kind) as databases, closing(create_database(databases.make_migrated())) as database:
        started = time.perf_counter()
        ada, bob = fill_jobs(database, count)
        fill_audit(database, count, ada)
        if kind == "postgresql":
            with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                connection.exec_driver_sql("SET statement_timeout = 0")
                connection.exec_driver_sql("VACUUM ANALYZE")
        print(f"{kind}: {count} jobs and entries after {time.perf_counter() - started:.0f} s", file=sys.stderr)
        questions = {what: ask for what, ask in make_questions(ada, bob).items() if only in what}
        yield from measure(database, questions, count, pages)


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.long_lists",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--jobs", type=int, default=1_000_000)
    parser.add_argument("--pages", type=int, default=60, help="of each kind and list")
    parser.add_argument("--only", default="", help="lists whose names hold these words")
    parser.add_argument("--database", default=",".join(KINDS), help="comma-separated: " + ", ".join(KINDS))
    parser.add_argument("--json", type=Path, help="write the rows into this file as well")
    options = parser.parse_args()
    kinds = options.database.split(",")
    if unknown := [kind for kind in kinds if kind not in KINDS]:
        parser.error(f"unknown: {', '.join(unknown)}")
    whole, rows = Run(), []
    for kind in kinds:
        for row in run(kind, options.jobs, options.pages, options.only):
            print(render_table([row]).splitlines()[-1], file=sys.stderr, flush=True)
            rows.append(row)
    machine = whole.describe(f"{options.jobs} jobs, {', '.join(kinds)}")
    if options.json:
        records = [asdict(row) for row in rows]
        options.json.write_text(json.dumps({"machine": machine, "records": records}), encoding="utf-8")
    print(f"{render_table(rows)}\n\n{machine}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
