"""Storage of validated submissions, any number of them in one transaction.

Everything that can refuse a submission is checked before its first row is written, so that a refused one leaves no row
and the others of its transaction are stored.
"""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any
from uuid import UUID

from grid.core.errors import ConflictError, FieldError, GridError, InputError, TooManyRequestsError
from grid.database.audit import NewEntry
from grid.database.idempotency import StoredAnswer
from grid.database.jobs import NewJob, NewJobs
from grid.database.outbox import Event
from grid.database.queues import Delta, QueueRecord
from grid.database.uow import Transaction
from grid.schemas.jobs import JsonObject
from grid.services import audit
from grid.services.admission import AdmittedPoint

ROUTE = "POST /api/v1/jobs"
ACCEPTED = 202  # HTTP status that is stored with an answer
QUEUE_LIFE = timedelta(days=7)  # of a queued job that nobody starts; then it is `expired`
RETRY_AFTER_S = 10.0  # [s] a full queue of small jobs is drained in about this time

_KEY = re.compile(r"[\x21-\x7e]{1,255}")


class KeyReusedError(InputError):
    """The idempotency key belongs to another request."""

    code, title = "idempotency-key-reused", "The Idempotency-Key was used for another request"

    def __str__(self) -> str:
        return "Send another Idempotency-Key with another body; a key is kept for 24 hours."


class KeyInFlightError(ConflictError):
    """A request with the same idempotency key is being answered."""

    code, title = "idempotency-key-in-flight", "A request with this Idempotency-Key is being answered"

    def __str__(self) -> str:
        return "Wait for the first request, or send this one again in a moment."


@dataclass(frozen=True)
class IdempotencyKey:
    """Identity of a request: the caller's key, and a fingerprint of the bytes as they came."""

    key: str
    fingerprint: str

    @classmethod
    def of(cls, key: str, body: bytes | bytearray) -> "IdempotencyKey":
        """Check a key and take the fingerprint of its request.

        Raises:
            FieldError: The key is not 1 to 255 visible ASCII characters.
        """
        require_key(key)
        return cls(key, hashlib.sha256(body).hexdigest())


def require_key(key: str) -> None:
    """Refuse a key that is not 1 to 255 visible ASCII characters.

    Raises:
        FieldError: It is not.
    """
    if not _KEY.fullmatch(key):
        raise FieldError("Idempotency-Key", "must be 1 to 255 visible ASCII characters")


@dataclass(frozen=True)
class SubmissionResult:
    """The jobs of one submission, in the order of its points, and the sweep they belong to."""

    job_ids: tuple[UUID, ...]
    sweep_id: UUID | None

    def require_sweep(self) -> UUID:
        """Return the sweep.

        Raises:
            ValueError: It is a job alone.
        """
        if self.sweep_id is None:
            raise ValueError("a job alone has no sweep")
        return self.sweep_id

    @property
    def noun(self) -> str:
        """Return `job` or `sweep`, after what was submitted."""
        return "sweep" if self.sweep_id is not None else "job"

    @property
    def subject(self) -> str:
        """Return `job:<id>` or `sweep:<id>`, the name in events and the audit log."""
        return f"{self.noun}:{self.sweep_id or self.job_ids[0]}"


@dataclass(frozen=True)
class ValidatedSubmission:
    """A submission that passed every check, with ids, ready to be stored."""

    simulation: str | None
    image: str | None
    points: Sequence[AdmittedPoint]
    wall_limit_s: float
    max_attempts: int
    priority: int  # the higher, the earlier
    metadata: dict[str, Any]  # labels, as they were typed
    result: SubmissionResult

    @property
    def summary(self) -> JsonObject:
        """Describe in a few values what is run, for events and the audit log."""
        return {"simulation": self.simulation, "image": self.image, "jobs": len(self.points)}


@dataclass(frozen=True)
class QueueLimits:
    """Largest numbers of queued jobs: of one owner who has no limit of their own, and of all owners."""

    of_owner: int
    of_all: int


@dataclass(frozen=True)
class PendingSubmission:
    """A validated submission to store: its owner, its queue limits, and the key that identifies a repetition.

    `traceparent` is the context of its request, where that is traced.
    """

    owner_id: UUID
    validated: ValidatedSubmission
    limits: QueueLimits
    idempotency: IdempotencyKey | None = None
    traceparent: str | None = None


@dataclass
class _QueueCounts:
    """Lengths of the queues with the submissions that were accepted so far."""

    queues: dict[UUID, QueueRecord]
    total: int
    added: dict[UUID, int] = field(default_factory=dict)

    def require_room(self, pending: PendingSubmission) -> None:
        """Refuse a submission that would make a queue longer than allowed."""
        count, queue = len(pending.validated.points), self.queues[pending.owner_id]
        limit = pending.limits.of_owner if queue.queue_limit is None else queue.queue_limit
        _require_room("Your queue", queue.queued + self.added.get(pending.owner_id, 0), count, limit)
        _require_room("The queue of all users", self.total + sum(self.added.values()), count, pending.limits.of_all)

    def add(self, pending: PendingSubmission) -> None:
        """Count an accepted submission."""
        self.added[pending.owner_id] = self.added.get(pending.owner_id, 0) + len(pending.validated.points)


def store_submissions(tx: Transaction, submissions: Sequence[PendingSubmission]) -> list[SubmissionResult | GridError]:
    """Store submissions; return for each its result, or why it was refused, in their order.

    Queues are locked first, in one order for everybody, so that a repeated request waits for the one before it and no
    two transactions wait for each other in a circle. What is written then takes a few statements, however many there
    are.
    """
    owners = sorted({pending.owner_id for pending in submissions})
    tx.run_ahead([*tx.queues.calls_of_lock(owners), *tx.audit.calls_of_append()])
    queues = {owner_id: tx.queues.lock(owner_id) for owner_id in owners}
    counts = _QueueCounts(queues, tx.queues.total_queued())
    answers: list[SubmissionResult | GridError] = []
    accepted: list[PendingSubmission] = []
    for pending in submissions:
        try:
            known = _accept(tx, counts, pending)
        except GridError as error:
            answers.append(error)
            continue
        if known is None:
            accepted.append(pending)
        answers.append(known or pending.validated.result)
    if accepted:
        _write(tx, accepted, counts.added)
    return answers


def find_known(tx: Transaction, owner_id: UUID, idempotency: IdempotencyKey) -> SubmissionResult | None:
    """Find the answer that was given to the same request before.

    Raises:
        KeyReusedError: The key came with another body.
    """
    stored = tx.idempotency.find(owner_id, ROUTE, idempotency.key)
    if stored is None:
        return None
    if stored.fingerprint != idempotency.fingerprint:
        raise KeyReusedError
    sweep = stored.answer["sweep"]
    return SubmissionResult(tuple(UUID(job) for job in stored.answer["jobs"]), UUID(sweep) if sweep else None)


def _accept(tx: Transaction, counts: _QueueCounts, pending: PendingSubmission) -> SubmissionResult | None:
    """Accept a submission into the counts, or return the answer that was given to it before."""
    idempotency, result = pending.idempotency, pending.validated.result
    if idempotency is not None and (known := find_known(tx, pending.owner_id, idempotency)) is not None:
        return known
    counts.require_room(pending)
    if idempotency is not None:
        sweep = str(result.sweep_id) if result.sweep_id else None
        answer = {"jobs": [str(job_id) for job_id in result.job_ids], "sweep": sweep}
        stored = StoredAnswer(idempotency.fingerprint, ACCEPTED, answer)
        if not tx.idempotency.add(pending.owner_id, ROUTE, idempotency.key, stored):
            raise KeyInFlightError
    counts.add(pending)
    return None


def _require_room(whose: str, queued: int, count: int, limit: int) -> None:
    if queued + count > limit:
        raise TooManyRequestsError(f"{whose} holds {queued} jobs of {limit}; {count} more do not fit", RETRY_AFTER_S)


def _write(tx: Transaction, submissions: Sequence[PendingSubmission], added: dict[UUID, int]) -> None:
    """Write the rows of accepted submissions, with counters, events and the audit log."""
    _add_jobs(tx, submissions)
    tx.queues.change({owner_id: Delta(queued=count) for owner_id, count in added.items()})
    tx.outbox.add([_event(pending) for pending in submissions])
    audit.record_all(tx, [_entry(pending) for pending in submissions])


def _event(pending: PendingSubmission) -> Event:
    result = pending.validated.result
    return Event(
        result.subject, 1, f"{result.noun}.queued", {**pending.validated.summary, "owner": str(pending.owner_id)}
    )


def _entry(pending: PendingSubmission) -> NewEntry:
    result = pending.validated.result
    return NewEntry(pending.owner_id, f"{result.noun}.submit", result.subject, pending.validated.summary)


def _add_jobs(tx: Transaction, submissions: Sequence[PendingSubmission]) -> None:
    """Insert jobs: one statement for all that share everything but their point."""
    kinds: list[tuple[NewJobs, list[NewJob]]] = []
    for pending in submissions:
        if pending.validated.result.sweep_id is not None:
            _add_sweep(tx, pending, pending.validated.result.sweep_id)
        for shared, points in _rows(pending, tx.now()):
            like = next((known for kind, known in kinds if kind == shared), None)
            if like is None:
                kinds.append((shared, points))
            else:
                like.extend(points)
    for shared, points in kinds:
        tx.jobs.add(shared, points)


def _add_sweep(tx: Transaction, pending: PendingSubmission, sweep_id: UUID) -> None:
    validated = pending.validated
    tx.sweeps.add(
        sweep_id,
        owner_id=pending.owner_id,
        total=len(validated.points),
        simulation=validated.simulation,
        image=validated.image,
        meta=validated.metadata,
    )


def _rows(pending: PendingSubmission, now: datetime) -> list[tuple[NewJobs, list[NewJob]]]:
    """Return the rows of a submission's jobs, grouped by the kind of slot that they need."""
    validated, result = pending.validated, pending.validated.result
    numbered = list(zip(range(len(validated.points)), validated.points, result.job_ids, strict=True))
    rows = []
    for slot, group in groupby(sorted(numbered, key=lambda one: one[1].slot), key=lambda one: one[1].slot):
        shared = NewJobs(
            owner_id=pending.owner_id,
            simulation=validated.simulation,
            image=validated.image,
            slot=slot,
            wall_limit_s=validated.wall_limit_s,
            available_at=now,
            expires_at=now + QUEUE_LIFE,
            sweep_id=result.sweep_id,
            max_attempts=validated.max_attempts,
            priority=-validated.priority,  # stored the other way round: the lower, the earlier
            meta=validated.metadata,
            traceparent=pending.traceparent,
        )
        rows.append((shared, [_row(point, job_id, index, result) for index, point, job_id in group]))
    return rows


def _row(point: AdmittedPoint, job_id: UUID, index: int, result: SubmissionResult) -> NewJob:
    return NewJob(
        id=job_id,
        params=point.params,
        spec_hash=point.spec_hash,
        batch_key=point.batch_key or f"program:{job_id}",
        work_s=point.work_s,
        sweep_index=index if result.sweep_id is not None else None,
    )
