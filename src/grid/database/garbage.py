"""References of the ledger to stored outputs; what it does not refer to may be removed."""

from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Select, and_, delete, or_, select, tuple_

from grid.database.attempts import job_attempts
from grid.database.jobs import jobs
from grid.database.live_runs import LiveRun
from grid.database.live_snapshots import LiveSnapshot
from grid.database.logs import job_log_chunks
from grid.database.renders import Render
from grid.database.transaction import DatabaseTransaction
from grid.schemas.jobs import LEASED, Claim, JobStatus

ROWS_AT_ONCE: Final = 1000  # of a whole table that is read


class ReferenceRepository:
    """Reads references to outputs, inside the caller's transaction."""

    def __init__(self, tx: DatabaseTransaction) -> None:
        self._tx = tx

    def packs(self, batch_ids: Sequence[UUID]) -> set[UUID]:
        """Return the batches of which a job won, or may still win: their packs are kept."""
        attempt, job = job_attempts.c, jobs.c
        query = (
            select(attempt.batch_id)
            .join(jobs, job.id == attempt.job_id)
            .where(
                attempt.batch_id.in_(batch_ids),
                or_(
                    and_(job.state == JobStatus.SUCCESS, job.winning_epoch == attempt.epoch),
                    and_(job.state.in_(LEASED), job.epoch == attempt.epoch),
                ),
            )
            .distinct()
        )
        return set(self._tx.connection.execute(query).scalars())

    def winning(self, claims: Sequence[Claim]) -> set[Claim]:
        """Return the claims that won their job."""
        query = select(jobs.c.id, jobs.c.winning_epoch).where(jobs.c.id.in_({claim.job_id for claim in claims}))
        won = {Claim(row.id, row.winning_epoch) for row in self._tx.connection.execute(query)}
        return won.intersection(claims)

    def undecided(self, job_ids: Sequence[UUID], *, for_less_than: timedelta) -> set[UUID]:
        """Return the jobs that have not ended, or ended less than so long ago."""
        since = self._tx.now() - for_less_than
        query = select(jobs.c.id).where(
            jobs.c.id.in_(job_ids), or_(jobs.c.finished_at.is_(None), jobs.c.finished_at > since)
        )
        return set(self._tx.connection.execute(query).scalars())

    def renders(self, render_ids: Sequence[UUID]) -> set[UUID]:
        """Return the requests for files that are known."""
        return set(self._tx.connection.execute(select(Render.id).where(Render.id.in_(render_ids))).scalars())

    def iterate_keys(self) -> Iterator[str]:
        """Yield the key of every blob that a result, a file made of one or a live run refers to; some twice."""
        files = (
            select(jobs.c.result_manifest).where(jobs.c.result_manifest.is_not(None)),
            select(LiveRun.result_manifest).where(LiveRun.result_manifest.is_not(None)),
            select(Render.files).where(Render.files.is_not(None)),
        )
        for statement in files:
            for manifest in self._stream(statement):
                entries = manifest if isinstance(manifest, list) else [*manifest.get("files", ()), manifest.get("pack")]
                yield from (entry["key"] for entry in entries if entry)
        yield from self._stream(select(LiveSnapshot.key))

    def _stream(self, statement: Select[Any]) -> Iterator[Any]:
        options = {"yield_per": ROWS_AT_ONCE}
        with self._tx.connection.execute(statement, execution_options=options) as result:
            yield from result.scalars()

    def remove_losing_logs(self, *, older_than: timedelta) -> int:
        """Remove logs of attempts that did not decide how a job ended long ago; return how many rows."""
        chunk = job_log_chunks.c
        losing = (
            select(chunk.job_id, chunk.epoch)
            .join(jobs, jobs.c.id == chunk.job_id)
            .where(jobs.c.finished_at < self._tx.now() - older_than, chunk.epoch < jobs.c.epoch)
            .distinct()
            .limit(1000)
        )
        rows = [(row.job_id, row.epoch) for row in self._tx.connection.execute(losing)]
        if not rows:
            return 0
        statement = delete(job_log_chunks).where(tuple_(chunk.job_id, chunk.epoch).in_(rows))
        return self._tx.connection.execute(statement).rowcount
