"""Replays of live runs as jobs: the whole log, or a span of it, with the log in the parameters of the job.

A job holds all that it needs, so a run may go on, be stopped or be removed meanwhile.
"""

from dataclasses import dataclass
from typing import Final
from uuid import UUID

from grid.core.errors import FieldError, NotFoundError
from grid.database.live_runs import LiveRunRecord
from grid.database.uow import UnitOfWork
from grid.schemas.jobs import JsonObject
from grid.schemas.wire import SubmissionIn
from grid.services.live.commands import RunStateError
from grid.services.live.log_export import find_end, read_log
from grid.services.submission_store import IdempotencyKey
from grid.services.submissions import SubmissionResult, SubmissionService

SIMULATION: Final = "live"


@dataclass(frozen=True)
class LiveReplayService:
    """Submission of replays.

    Args:
        uow: Where the runs are.
        submissions: Takes the jobs.
    """

    uow: UnitOfWork
    submissions: SubmissionService

    def replay(
        self,
        *,
        actor_id: UUID,
        owner_id: UUID | None,
        run_id: UUID,
        from_s: float = 0.0,
        to_s: float | None = None,
        kind: str = "replay",
        idempotency: IdempotencyKey | None = None,
    ) -> SubmissionResult:
        """Submit a job that carries out the log of a run again, and compares.

        The job computes from tick 0, whatever the span: a snapshot is too large for the parameters of a job, and the
        bytes are the same.

        Args:
            actor_id: Whose job it is.
            owner_id: Whose run it is; None: anybody's, for an administrator who asked for all.
            run_id: The run.
            from_s: Simulated time from which on metrics and events are kept [s].
            to_s: Simulated time of the end [s]; None: where the run has ended, or has come to by now.
            kind: Written into the labels of the job.
            idempotency: Of the request.

        Raises:
            NotFoundError: There is no such run for this owner.
            RunStateError: It has not ticked yet.
            FieldError: The span is not one of the run.
            AdmissionError: The log, or the work, is more than a job may have.
        """
        if idempotency is not None and (known := self.submissions.find_answer(actor_id, idempotency)) is not None:
            return known
        with self.uow.read() as tx:
            run = tx.live_runs.find(run_id, owner_id)
        if run is None:
            raise NotFoundError("live run")
        if find_end(run) == 0:
            raise RunStateError(run.state, "it has not ticked yet")
        until = _find_boundary(run, to_s)
        params: JsonObject = {"from_s": _require_begin(run, from_s, until)}
        cut = read_log(self.uow, owner_id=owner_id, run_id=run_id, until=until)
        submission = SubmissionIn(
            simulation=SIMULATION, params=params | {"log": cut.document}, metadata={"run": str(run_id), "kind": kind}
        )
        return self.submissions.submit(actor_id, submission, idempotency)


def _find_boundary(run: LiveRunRecord, time_s: float | None) -> int:
    """Return the boundary of a time, rounded down: nothing is replayed that the time does not cover."""
    end, tick = find_end(run), float(run.tick_s)
    if time_s is None:
        return end
    if not 0.0 < time_s <= end * tick * (1.0 + 1e-12):
        raise FieldError("to_s", f"must be above 0 and at most {end * tick:.9g} s, where the run is")
    return min(end, max(1, int(time_s / tick * (1.0 + 1e-12))))


def _require_begin(run: LiveRunRecord, from_s: float, until: int) -> float:
    end_s = until * float(run.tick_s)
    if not 0.0 <= from_s < end_s:
        raise FieldError("from_s", f"must be 0 or more and below {end_s:.9g} s, the end of the span")
    return from_s
