"""Accepting: submissions that are known to be sound are stored, any number of them in one transaction.

Whatever can refuse one of them is asked before its first row is written, so that a refused one leaves nothing behind
and its neighbours are stored.
"""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import groupby
from uuid import UUID

from grid.core.errors import ConflictError, FieldError, GridError, InputError, TooManyRequestsError
from grid.database.audit import NewEntry
from grid.database.idempotency import StoredAnswer
from grid.database.jobs import NewJob, NewJobs
from grid.database.outbox import Event
from grid.database.queues import Delta, QueueRecord
from grid.database.uow import Transaction
from grid.schemas.jobs import JsonObject
from grid.schemas.wire import SubmissionIn
from grid.services import audit
from grid.services.admission import AdmittedPoint

ROUTE = "POST /api/v1/jobs"
ACCEPTED = 202
QUEUE_LIFE = timedelta(days=7)
RETRY_AFTER_S = 10.0  # a full queue of small jobs is drained in about this time

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
    """What makes a repeated request known: the caller's key, and a fingerprint of the bytes as they came."""

    key: str
    fingerprint: str

    @classmethod
    def of(cls, key: str, body: bytes | bytearray) -> "IdempotencyKey":
        """Check a key and take the fingerprint of its request.

        Raises:
            FieldError: The key is not 1 to 255 visible ASCII characters.
        """
        if not _KEY.fullmatch(key):
            raise FieldError("Idempotency-Key", "must be 1 to 255 visible ASCII characters")
        return cls(key, hashlib.sha256(body).hexdigest())


@dataclass(frozen=True)
class SubmissionResult:
    """The jobs of one submission, in the order of its points, and the sweep they belong to."""

    job_ids: tuple[UUID, ...]
    sweep_id: UUID | None

    @property
    def noun(self) -> str:
        """What was submitted: a job or a sweep."""
        return "sweep" if self.sweep_id is not None else "job"

    @property
    def subject(self) -> str:
        """Return `job:<id>` or `sweep:<id>`, as events and the audit log name it."""
        return f"{self.noun}:{self.sweep_id or self.job_ids[0]}"


@dataclass(frozen=True)
class Plan:
    """A submission that is known to be sound, with ids, ready to be stored."""

    simulation: str | None
    image: str | None
    points: Sequence[AdmittedPoint]
    submission: SubmissionIn
    wall_limit_s: float
    result: SubmissionResult

    @property
    def summary(self) -> JsonObject:
        """Say in a few words what is run."""
        return {"simulation": self.simulation, "image": self.image, "jobs": len(self.points)}


@dataclass(frozen=True)
class QueueLimits:
    """How many jobs may wait: of one owner where the owner has no limit of their own, and of all."""

    of_owner: int
    of_all: int


@dataclass(frozen=True)
class Order:
    """One submission to store: whose, what, under which limits, and the key that makes a repetition known."""

    owner_id: UUID
    plan: Plan
    limits: QueueLimits
    idempotency: IdempotencyKey | None = None


@dataclass
class _Ledger:
    """The queues as they are after the orders that were accepted so far."""

    queues: dict[UUID, QueueRecord]
    total: int
    added: dict[UUID, int] = field(default_factory=dict)

    def require_room(self, order: Order) -> None:
        """Refuse an order that would make a queue longer than allowed."""
        count, queue = len(order.plan.points), self.queues[order.owner_id]
        limit = order.limits.of_owner if queue.queue_limit is None else queue.queue_limit
        _require_room("Your queue", queue.queued + self.added.get(order.owner_id, 0), count, limit)
        _require_room("The queue of all users", self.total + sum(self.added.values()), count, order.limits.of_all)

    def add(self, order: Order) -> None:
        """Count an accepted order."""
        self.added[order.owner_id] = self.added.get(order.owner_id, 0) + len(order.plan.points)


def store(tx: Transaction, orders: Sequence[Order]) -> list[SubmissionResult | GridError]:
    """Store submissions; return for each its result, or why it was refused, in their order.

    Queues are locked first, in one order for everybody, so that a repeated request waits for the one before it and no
    two transactions wait for each other in a circle. What is written then takes a few statements, however many there
    are.
    """
    owners = sorted({order.owner_id for order in orders})
    queues = {owner_id: tx.queues.lock(owner_id) for owner_id in owners}
    ledger = _Ledger(queues, tx.queues.total_queued())
    answers: list[SubmissionResult | GridError] = []
    accepted: list[Order] = []
    for order in orders:
        try:
            known = _accept(tx, ledger, order)
        except GridError as error:
            answers.append(error)
            continue
        if known is None:
            accepted.append(order)
        answers.append(known or order.plan.result)
    if accepted:
        _write(tx, accepted, ledger.added)
    return answers


def find_known(tx: Transaction, owner_id: UUID, idempotency: IdempotencyKey) -> SubmissionResult | None:
    """Find what was answered to the same request before.

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


def _accept(tx: Transaction, ledger: _Ledger, order: Order) -> SubmissionResult | None:
    """Accept an order into the ledger, or return what was answered to it before."""
    idempotency, result = order.idempotency, order.plan.result
    if idempotency is not None and (known := find_known(tx, order.owner_id, idempotency)) is not None:
        return known
    ledger.require_room(order)
    if idempotency is not None:
        sweep = str(result.sweep_id) if result.sweep_id else None
        answer = {"jobs": [str(job_id) for job_id in result.job_ids], "sweep": sweep}
        stored = StoredAnswer(idempotency.fingerprint, ACCEPTED, answer)
        if not tx.idempotency.add(order.owner_id, ROUTE, idempotency.key, stored):
            raise KeyInFlightError
    ledger.add(order)
    return None


def _require_room(whose: str, queued: int, count: int, limit: int) -> None:
    if queued + count > limit:
        raise TooManyRequestsError(f"{whose} holds {queued} jobs of {limit}; {count} more do not fit", RETRY_AFTER_S)


def _write(tx: Transaction, orders: Sequence[Order], added: dict[UUID, int]) -> None:
    """Write the rows of accepted orders, with counters, events and the audit log."""
    _add_jobs(tx, orders)
    tx.queues.change({owner_id: Delta(queued=count) for owner_id, count in added.items()})
    tx.outbox.add([_event(order) for order in orders])
    audit.record_all(tx, [_entry(order) for order in orders])


def _event(order: Order) -> Event:
    result = order.plan.result
    return Event(result.subject, 1, f"{result.noun}.queued", {**order.plan.summary, "owner": str(order.owner_id)})


def _entry(order: Order) -> NewEntry:
    result = order.plan.result
    return NewEntry(order.owner_id, f"{result.noun}.submit", result.subject, order.plan.summary)


def _add_jobs(tx: Transaction, orders: Sequence[Order]) -> None:
    """Insert jobs: one statement for all that share everything but their point."""
    kinds: list[tuple[NewJobs, list[NewJob]]] = []
    for order in orders:
        if order.plan.result.sweep_id is not None:
            _add_sweep(tx, order, order.plan.result.sweep_id)
        for shared, points in _rows(order, tx.now()):
            like = next((known for kind, known in kinds if kind == shared), None)
            if like is None:
                kinds.append((shared, points))
            else:
                like.extend(points)
    for shared, points in kinds:
        tx.jobs.add(shared, points)


def _add_sweep(tx: Transaction, order: Order, sweep_id: UUID) -> None:
    plan = order.plan
    tx.sweeps.add(
        sweep_id,
        owner_id=order.owner_id,
        total=len(plan.points),
        simulation=plan.simulation,
        image=plan.image,
        meta=plan.submission.metadata,
    )


def _rows(order: Order, now: datetime) -> list[tuple[NewJobs, list[NewJob]]]:
    """Return an order's jobs, apart by the kind of slot that they need."""
    plan, submission, result = order.plan, order.plan.submission, order.plan.result
    numbered = list(zip(range(len(plan.points)), plan.points, result.job_ids, strict=True))
    rows = []
    for slot, group in groupby(sorted(numbered, key=lambda one: one[1].slot), key=lambda one: one[1].slot):
        shared = NewJobs(
            owner_id=order.owner_id,
            simulation=plan.simulation,
            image=plan.image,
            slot=slot,
            wall_limit_s=plan.wall_limit_s,
            available_at=now,
            expires_at=now + QUEUE_LIFE,
            sweep_id=result.sweep_id,
            max_attempts=1 + submission.retries,
            priority=-submission.priority,  # stored the other way round: the lower, the earlier
            meta=submission.metadata,
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
