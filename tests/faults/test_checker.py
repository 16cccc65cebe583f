"""The checker itself: a clean run raises no alarm, and each planted bug is reported by the check that should see it.

The database and the history are those of a real run through the ledger; a bug is planted into a copy of them, behind
the back of the database's own guards.
"""

import json
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest
from tests.support.faults.checker import Sight, check_all, check_recovery
from tests.support.faults.dump import read_dump
from tests.support.faults.history import Entry, History
from tests.support.service import open_service
from tests.support.worker import HandWorker

from grid.core.errors import ConflictError
from grid.runtime.store import LocalArtifactStore
from grid.schemas.jobs import Reason
from grid.services import ledger
from grid.services.outbox import relay

GUARDS = ("jobs_terminal_final", "jobs_spec_final", "jobs_version_grows")


@dataclass
class Run:
    """A run that is over: where its evidence lies."""

    folder: Path
    history: History
    sights: dict[UUID, list[Sight]] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return f"sqlite:///{self.folder / 'grid.db'}"

    @property
    def store(self) -> Path:
        return self.folder / "artifacts"

    def copy_to(self, folder: Path) -> "Run":
        shutil.copytree(self.folder, folder)
        return Run(folder, History(list(self.history.entries)), {job: list(seen) for job, seen in self.sights.items()})

    def change(self, statement: str) -> None:
        """Change the database as no guard would allow."""
        connection = sqlite3.connect(self.folder / "grid.db", isolation_level=None)
        try:
            connection.execute("PRAGMA ignore_check_constraints=ON")
            for guard in GUARDS:
                connection.execute(f"DROP TRIGGER IF EXISTS {guard}")
            assert connection.execute(statement).rowcount > 0, "the bug was not planted"
        finally:
            connection.close()

    def problems(self) -> list[str]:
        expected = {"cancelled": frozenset({"cancelled"}), "late": frozenset({"success"})}
        return check_all(self.history, read_dump(self.url), self.store, self.sights, expected=expected)


def first(run: Run, key: str) -> UUID:
    return next(entry.jobs[0] for entry in run.history.accepted() if entry.key == key)


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A sweep, a job that lost its first worker, one cancelled, one that a cancel missed."""
    run = Run(tmp_path_factory.mktemp("clean") / "run", History())
    run.folder.mkdir()
    with open_service(run.folder) as service:
        worker = HandWorker(service.uow, LocalArtifactStore(run.store))

        def submit(key: str, points: int) -> None:
            run.history.add(Entry(key, "submit", "invoke", points))
            body = {"sweep": [{"payload_bytes": 8 + n} for n in range(points)]} if points > 1 else {"params": {}}
            result = service.submit(simulation="noop", metadata={"key": key}, **body)
            run.history.add(Entry(key, "submit", "ok", points, 202, result.job_ids, result.sweep_id))

        def look() -> None:
            for job in read_dump(run.url).jobs:
                seen, sight = run.sights.setdefault(job.id, []), Sight(job.state, job.version, job.epoch)
                if not seen or seen[-1] != sight:
                    seen.append(sight)

        def cancel(job_id: UUID) -> None:
            try:
                state, kind, status = "cancelled", "ok", 202
                ledger.cancel(service.uow, owner_id=service.alice, job_id=job_id, by=Reason.CANCELLED_BY_USER)
            except ConflictError as error:
                state, kind, status = error.state.value, "fail", 409
            run.history.add(Entry(f"cancel:{job_id}", "cancel", kind, 0, status, (job_id,), None, state))

        submit("cancelled", 1)
        cancel(first(run, "cancelled"))
        submit("lost", 1)
        look()
        lost = worker.start()
        look()
        ledger.conclude(service.uow, [ledger.Returned(claim, "lost", "It went away.") for claim in lost])
        submit("sweep", 3)
        submit("late", 1)
        look()
        while any(job.state == "queued" for job in read_dump(run.url).jobs):
            claims = worker.start()
            look()
            worker.succeed(claims, {"result.bin": f"bytes of {claims[0].job_id}".encode()})
            look()
        cancel(first(run, "late"))
        while relay(service.uow):
            pass
    return run


@pytest.fixture
def copy(clean: Run, tmp_path: Path) -> Iterator[Run]:
    """A copy of the clean run, to plant a bug into."""
    return clean.copy_to(tmp_path / "copy")


def test_a_clean_run_raises_no_alarm(clean: Run):
    dump = read_dump(clean.url)
    ends = sorted(job.finished_at for job in dump.jobs if job.finished_at is not None)

    assert clean.problems() == []
    assert check_recovery(dump, ends[0], (ends[-1] - ends[0]).total_seconds()) == []
    assert {job.state for job in dump.jobs} == {"success", "cancelled"}
    assert {attempt.outcome for attempt in dump.attempts} == {"ok", "worker_lost"}


def of_job(key: str) -> str:
    return f"id = (SELECT id FROM jobs WHERE json_extract(metadata, '$.key') = '{key}' LIMIT 1)"


ALL_COLUMNS = (
    "owner_id, simulation, image, metadata, total, success, failed, cancelled, timed_out, expired, version, "
    "created_at, finished_at, cancel_requested_at, cancel_reason"
)
RESULT_OF_LOST = "SELECT result_manifest FROM jobs WHERE json_extract(metadata, '$.key') = 'lost'"
GHOST = json.dumps({"key": "ghost"})
BAD_HASH = "json_set(result_manifest, '$.files[0].sha256', 'aa')"
LAST_BUT_ONE = "(SELECT max(stream_seq) - 1 FROM stream_events)"
WAS_LOST = "WHERE outcome = 'worker_lost'"

PLANTED_ROWS = [
    # what is planted, the statement that plants it, and words of the report
    ("a lost job", f"DELETE FROM jobs WHERE {of_job('lost')}", "accepted, and not there"),
    ("a lost point of a sweep", f"DELETE FROM jobs WHERE {of_job('sweep')}", "2 jobs for 3 points"),
    ("a job nobody sent", f"UPDATE jobs SET metadata = '{GHOST}' WHERE {of_job('late')}", "nobody submitted: ghost"),
    (
        "a sweep made twice for one key",
        f"INSERT INTO sweeps (id, {ALL_COLUMNS}) SELECT 'ff' || substr(id, 3), {ALL_COLUMNS} FROM sweeps",
        "more than one sweep for one key",
    ),
    ("a job left running", f"UPDATE jobs SET state = 'running' WHERE {of_job('late')}", "not terminal"),
    ("a success made a failure", f"UPDATE jobs SET state = 'failed' WHERE {of_job('late')}", "ended wrongly"),
    ("two attempts that won", "UPDATE job_attempts SET outcome = 'ok'", "won by epochs [1, 2], not [2]"),
    ("a win in another epoch", f"UPDATE jobs SET winning_epoch = 1 WHERE {of_job('lost')}", "winning epoch 1"),
    ("no outcome", f"UPDATE job_attempts SET outcome = NULL, ended_at = NULL {WAS_LOST}", "attempt without an outcome"),
    ("a claim without an attempt", f"DELETE FROM job_attempts {WAS_LOST}", "attempts [2] for 2 claims"),
    ("an attempt back in time", "UPDATE job_attempts SET ended_at = started_at - 1", "ended before it began"),
    (
        "a lease on a terminal job",
        f"UPDATE jobs SET lease_owner = 'w', lease_until = 1e9 WHERE {of_job('late')}",
        "lease on a job that is success",
    ),
    ("an owner's counter", "UPDATE owner_queues SET queued = queued + 1", "counts (1, 0), there are (0, 0)"),
    ("a sweep's counter", "UPDATE sweeps SET success = success - 1, failed = 1", "of 3 counts"),
    ("a sweep without an end", "UPDATE sweeps SET finished_at = NULL", "says it ended at None"),
    ("a lost event", f"DELETE FROM stream_events WHERE stream_seq = {LAST_BUT_ONE}", "gap or copy in the stream"),
    ("an event of a sweep too many", "UPDATE sweeps SET version = version - 1", "it is at"),
    (
        "a cancel told by no event",
        "UPDATE stream_events SET aggregate = 'job:nobody' WHERE kind = 'job.cancelled'",
        "no event tells of an end",
    ),
    ("a bad hash", f"UPDATE jobs SET result_manifest = {BAD_HASH} WHERE {of_job('late')}", "has other bytes"),
    (
        "a success without a result",
        f"UPDATE jobs SET result_manifest = NULL WHERE {of_job('late')}",
        "result of a job that is success",
    ),
    (
        "one result for two jobs",
        f"UPDATE jobs SET result_manifest = ({RESULT_OF_LOST}) WHERE state = 'success'",
        "one result for two jobs",
    ),
    ("a version that went back", "UPDATE jobs SET version = 1 WHERE version > 1", "went back from"),
    (
        "a terminal job that changed",
        f"UPDATE jobs SET state = 'timed_out', version = version + 1 WHERE {of_job('late')}",
        "changed after its end",
    ),
    (
        "an accepted cancel without effect",
        f"UPDATE jobs SET state = 'success' WHERE {of_job('cancelled')}",
        "cancel answered 202 cancelled, and the job is success",
    ),
    (
        "a refused cancel that cancelled",
        f"UPDATE jobs SET state = 'cancelled' WHERE {of_job('late')}",
        "cancel answered 409 success, and the job is cancelled",
    ),
]


@pytest.mark.parametrize(
    ("statement", "words"), [row[1:] for row in PLANTED_ROWS], ids=[row[0] for row in PLANTED_ROWS]
)
def test_a_bug_planted_into_the_database_is_reported(copy: Run, statement: str, words: str):
    copy.change(statement)

    assert any(words in problem for problem in copy.problems()), copy.problems()


def damage_a_file(run: Run) -> None:
    path = next(path for path in sorted(run.store.rglob("result.bin")))
    path.write_bytes(path.read_bytes().swapcase())


def lose_a_file(run: Run) -> None:
    next(path for path in sorted(run.store.rglob("result.bin"))).unlink()


def answer_a_repeated_try_with_other_jobs(run: Run) -> None:
    entry = next(entry for entry in run.history.accepted() if entry.key == "late")
    run.history.add(replace(entry, jobs=(first(run, "lost"),)))


def promise_a_job_that_was_never_stored(run: Run) -> None:
    run.history.add(Entry("ghost", "submit", "invoke", 1))
    run.history.add(Entry("ghost", "submit", "ok", 1, 202, (UUID(int=1),)))


def store_half_of_an_unanswered_sweep(run: Run) -> None:
    run.history.entries = [e for e in run.history.entries if e.key != "sweep"]
    run.history.add(Entry("sweep", "submit", "invoke", 4))
    run.history.add(Entry("sweep", "submit", "unknown", 4))


def see_a_job_that_is_gone(run: Run) -> None:
    run.sights[UUID(int=2)] = [Sight("queued", 1, 0)]


PLANTED_ELSEWHERE: dict[Callable[[Run], None], str] = {
    damage_a_file: "has other bytes",
    lose_a_file: "cannot be read",
    answer_a_repeated_try_with_other_jobs: "answered differently",
    promise_a_job_that_was_never_stored: "accepted, and not there",
    store_half_of_an_unanswered_sweep: "3 jobs for 4 points",
    see_a_job_that_is_gone: "seen, and gone",
}


@pytest.mark.parametrize("plant", PLANTED_ELSEWHERE, ids=lambda plant: plant.__name__)
def test_a_bug_planted_into_store_or_history_is_reported(copy: Run, plant: Callable[[Run], None]):
    plant(copy)

    assert any(PLANTED_ELSEWHERE[plant] in problem for problem in copy.problems()), copy.problems()


def test_a_job_that_ends_too_late_is_reported(clean: Run):
    dump = read_dump(clean.url)
    last = max(job.finished_at for job in dump.jobs if job.finished_at is not None)

    assert check_recovery(dump, last - timedelta(seconds=2), 1.0)
