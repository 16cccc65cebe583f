"""Claimed work in a worker: jobs of a batch that are still open, and the outcomes of its end."""

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from grid.core.tracing import FinishedSpan, SpanEvent
from grid.runtime.messages import PointResult, Solve, SolveFinished
from grid.runtime.processes import ExitReason
from grid.runtime.solve_stages import Stage
from grid.schemas.jobs import Claim, JobStatus, JsonObject, Manifest, Reason, Share
from grid.services.ledger import ClaimedBatch, ClaimedJob, Failed, LogChunk, Outcome, Returned, Stopped, Succeeded
from grid.services.renders import ClaimedRender
from grid.tasks.log_chunks import LogChunker

_TIMED_OUT = frozenset({Reason.WALL_TIMEOUT, Reason.CPU_TIMEOUT, Reason.START_TIMEOUT})
_STOPPED = frozenset({Reason.CANCELLED_BY_USER, Reason.CANCELLED_BY_ADMIN, Reason.CANCELLED_BY_SWEEP})


@dataclass
class AttemptNotes:
    """Times within a traced attempt: its end (monotonic) [s], its progress, and the stages that its child sent."""

    ended_at: float | None = None
    progress: Stage = field(default_factory=lambda: Stage("program", {}))
    stages: Sequence[FinishedSpan] = ()

    @property
    def events(self) -> Sequence[SpanEvent]:
        """The progress of a program."""
        return self.progress.events


@dataclass(eq=False)
class Run:
    """A claimed batch. Times are monotonic; `open` holds the claims without an outcome so far."""

    batch: ClaimedBatch
    lease_ok_at: float  # when the claim, or the last renewal that the ledger granted, was sent
    claimed_at: float
    open: dict[Claim, ClaimedJob] = field(init=False)
    started_at: float | None = None  # handed to a child, or its program started
    begun_at: float | None = None  # the child said that the solve began
    progress_at: float = 0.0  # last progress that was written
    extra_share: Share | None = None  # runs without core tokens, as a guest or because it is short
    notes: AttemptNotes | None = None  # of a run that is traced

    def __post_init__(self) -> None:
        self.open = {Claim(job.id, job.epoch): job for job in self.batch.jobs}

    @property
    def is_alone(self) -> bool:
        """True for a batch of one job, which then is the cause of whatever happens to its process."""
        return len(self.batch.jobs) == 1

    @property
    def wall_limit_s(self) -> float:
        """The longest limit among the jobs."""
        return max(job.wall_limit_s for job in self.batch.jobs)

    def solve(self, pack_key: str) -> Solve:
        """Return the message for a child: the jobs that are still open, in order."""
        jobs = self.open
        return Solve(
            self.batch.batch_id,
            self.batch.simulation or "",
            tuple(jobs),
            tuple(job.params for job in jobs.values()),
            pack_key,
            is_traced=self.notes is not None,
        )

    def note_end(self, stages: Sequence[FinishedSpan] = ()) -> None:
        """Note that the run itself is over, and what its child says of it; only what is traced is noted."""
        if self.notes is not None:
            self.notes.ended_at, self.notes.stages = time.monotonic(), stages

    def note_progress(self, fraction: float) -> None:
        """Note the progress of a program; only what is traced is noted."""
        if self.notes is not None:
            self.notes.progress.note_progress(fraction)

    def remove(self, claims: Iterable[Claim]) -> list[Claim]:
        """Remove claims from `open`; return those that were open."""
        return [claim for claim in claims if self.open.pop(claim, None) is not None]

    def return_lost(self, message: str) -> list[Outcome]:
        """Return every open job as lost with its process: each is claimed alone next, at most twice more."""
        return [Returned(claim, "lost", message) for claim in self.remove(list(self.open))]

    def return_open(self, why: str, message: str) -> list[Outcome]:
        """Return every open job to the queue without a loss: `drain` at once, `infra` after a pause."""
        return [Returned(claim, why, message) for claim in self.remove(list(self.open))]  # type: ignore[arg-type]

    def fail(self, reason: Reason, message: str = "", exit_code: int | None = None) -> list[Outcome]:
        """End every open job with one reason."""
        return [failed(claim, reason, message, exit_code) for claim in self.remove(list(self.open))]

    def end_with_process(self, exit_reason: ExitReason | None) -> list[Outcome]:
        """End every open job after its process died by itself or was killed for its memory."""
        if self.is_alone and exit_reason is not None and exit_reason.is_oom:
            return self.fail(Reason.OOM)
        return self.return_lost(exit_reason.sentence if exit_reason is not None else "The simulation process ended.")

    def end_at_start(self) -> list[Outcome]:
        """End after the limit to begin: alone, it is the job's own; of several, each is tried alone."""
        if self.is_alone:
            return self.fail(Reason.START_TIMEOUT)
        return self.return_lost("A batch that the job belonged to did not begin in time.")

    def end_at_wall(self) -> list[Outcome]:
        """End after the wall limit: alone, it is the job's own; of several, each is tried alone with its own limit."""
        if self.is_alone:
            return self.fail(Reason.WALL_TIMEOUT)
        return self.return_lost("A batch that the job was solved in took longer than its time limit.")

    def make_outcomes(self, solved: SolveFinished) -> tuple[list[Outcome], list[LogChunk]]:
        """Return the outcomes and log rows of the jobs that are still open, from a child's answer."""
        if solved.failure is not None:
            return self.return_open("infra", solved.failure), []
        usage = {"batch_elapsed_s": solved.elapsed_s, "batch_jobs": len(self.batch.jobs)}
        if solved.max_rss_bytes:
            usage["max_rss_bytes"] = solved.max_rss_bytes
        still_open = [result for result in solved.results if self.open.pop(result.claim, None) is not None]
        outcomes = [_outcome(result, usage) for result in still_open]
        outcomes += self.return_open("infra", "The simulation process left out the job's result.")
        return outcomes, list(_logs(still_open))


@dataclass(eq=False)
class RenderRun:
    """A claimed request for files."""

    claimed: ClaimedRender
    lease_ok_at: float
    started_at: float | None = None
    manifest: Manifest | None = None  # by which a child finds the record in the spool


def failed(
    claim: Claim, reason: Reason, message: str = "", exit_code: int | None = None, usage: JsonObject | None = None
) -> Failed:
    """Return the outcome of a run that ended with `reason`; the message defaults to the reason's sentence."""
    state = JobStatus.TIMED_OUT if reason in _TIMED_OUT else JobStatus.FAILED
    return Failed(claim, state, reason, message or reason.sentence, exit_code, usage or {})


def _outcome(result: PointResult, usage: JsonObject) -> Outcome:
    if result.reason is Reason.OK and result.manifest is not None:
        return Succeeded(result.claim, result.manifest, usage)
    if result.reason in _STOPPED:
        return Stopped(result.claim)
    return failed(result.claim, result.reason, result.message, usage=usage)


def _logs(results: Iterable[PointResult]) -> Iterator[LogChunk]:
    for result in results:
        if result.log:
            yield from LogChunker(result.claim).chunks(result.log)
