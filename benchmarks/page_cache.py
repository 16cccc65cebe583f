"""What SQLite's page cache of each connection is worth: no-op jobs, and lists and counts over 100,000 jobs.

    python -m benchmarks.page_cache [--sizes 128,512,2048,16384] [--jobs 100000] [--repeats 5]

All sizes (KiB) are measured in turn on the same file. Reads are those of a connection that has just been opened (as a
server opens one under load) and of one that has read the same before. Milliseconds, medians; the system's own cache
holds the file, as it does for a service that is in use.
"""

import argparse
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from statistics import median
from unittest import mock
from uuid import UUID

from tests.support.ledgers import MANIFEST, add_owner, claim, submit

from benchmarks.databases import open_databases
from benchmarks.statements import GroupSizes, Process, Sample, make_schedule
from grid.database import engine
from grid.database.engine import create_database
from grid.database.job_queries import JobFilter
from grid.database.uow import UnitOfWork
from grid.database.windows import Window
from grid.schemas.jobs import JobStatus, Reason
from grid.services import jobs as job_service
from grid.services import ledger
from grid.services.ledger import Failed, Succeeded

SIZES = GroupSizes(stored=6, claimed=12, concluded=12)
SAMPLE = Sample({"payload_bytes": 1024}, MANIFEST, {"batch_jobs": 12}, "noop: slept 0 s\n")
NOOPS = 240  # of one measurement
AT_ONCE = 2_500


@contextmanager
def page_cache(kib: int) -> Iterator[None]:
    """Let connections that are opened within the block have a page cache of that size."""
    pragmas = tuple(
        f"PRAGMA cache_size = -{kib}" if "cache_size" in pragma else pragma for pragma in engine.SQLITE_PRAGMAS
    )
    with mock.patch.object(engine, "SQLITE_PRAGMAS", pragmas):
        yield


def fill(url: str, count: int) -> UUID:
    """Put finished jobs of one owner into a database, every tenth of which failed; return the owner."""
    with closing(create_database(url)) as database:
        uow = UnitOfWork(database)
        owner = add_owner(uow, "bob")
        for _ in range(count // AT_ONCE):
            submit(uow, owner, AT_ONCE, work_s=1e-6)
            batch = claim(uow, max_jobs=AT_ONCE)
            if batch is None:
                raise RuntimeError("there were jobs to claim")
            claims = [job.claim for job in batch.jobs]
            failed = [Failed(one, JobStatus.FAILED, Reason.DIVERGED) for one in claims[::10]]
            ended = {each.claim for each in failed}
            succeeded = [Succeeded(one, MANIFEST) for one in claims if one not in ended]
            ledger.conclude(uow, [*failed, *succeeded], begun=claims)
    return owner


def make_reads(owner: UUID, count: int) -> dict[str, Callable[[UnitOfWork], object]]:
    """Return the questions that a page or a client asks."""

    def listing(wanted: JobFilter, window: Window[UUID]) -> Callable[[UnitOfWork], object]:
        return lambda uow: job_service.list_jobs(uow, wanted, window)

    return {
        "first page of 50": listing(JobFilter(owner), Window(50)),
        "page in the middle": listing(JobFilter(owner), Window(50, count // 100)),
        "200 by cursor": listing(JobFilter(owner), Window(200, None)),
        "failed, first page": listing(JobFilter(owner, [JobStatus.FAILED]), Window(50)),
        "counts by state": lambda uow: job_service.read_stats(uow, owner_id=owner),
    }


def measure(url: str, owner: UUID, count: int, repeats: int, sizes: Sequence[int]) -> dict[str, dict[int, list[float]]]:
    """Return the milliseconds of every question and of a no-op job, by size."""
    found: dict[str, dict[int, list[float]]] = defaultdict(lambda: defaultdict(list))
    for repeat in range(repeats):
        for kib in sizes:
            with page_cache(kib), closing(create_database(url)) as database:
                uow = UnitOfWork(database)
                for what, ask in make_reads(owner, count).items():
                    database.engine.dispose()
                    for state in ("new connection", "again"):
                        found[f"{what}, {state}"][kib].append(_time(ask, uow))
                process = Process(database, SAMPLE, owner=f"carol-{repeat}-{kib}")
                submissions = iter(process.make_submissions(NOOPS))
                wall, processor = time.perf_counter(), time.process_time()
                process.run(make_schedule(NOOPS, SIZES), submissions)
                wall, processor = time.perf_counter() - wall, time.process_time() - processor
                found["no-op job, one process"][kib].append(wall / NOOPS * 1e3)
                found["no-op job, processor time"][kib].append(processor / NOOPS * 1e3)
    return found


def _time(ask: Callable[[UnitOfWork], object], uow: UnitOfWork) -> float:
    started = time.process_time()
    ask(uow)
    return (time.process_time() - started) * 1e3


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.page_cache",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--sizes", default="128,512,2048,16384", help="KiB, comma-separated")
    parser.add_argument("--jobs", type=int, default=100_000)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    sizes = [int(size) for size in options.sizes.split(",")]
    with open_databases("sqlite") as databases:
        url = databases.make_migrated()
        owner = fill(url, options.jobs)
        found = measure(url, owner, options.jobs, options.repeats, sizes)
    print(f"| ms | {' | '.join(f'{size} KiB' for size in sizes)} |")
    print(f"|---|{'---|' * len(sizes)}")
    for what, by_size in found.items():
        cells = [
            f"{median(by_size[size]):.3g} ({min(by_size[size]):.3g} .. {max(by_size[size]):.3g})" for size in sizes
        ]
        print(f"| {what} | {' | '.join(cells)} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
