"""Submitting: everything is checked and priced first; then one transaction stores all of it, or nothing."""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import groupby
from uuid import UUID

from grid.core.errors import ConflictError, FieldError, InputError, TooManyRequestsError
from grid.core.ids import new_id
from grid.core.settings import Settings
from grid.database.idempotency import StoredAnswer
from grid.database.jobs import NewJob, NewJobs
from grid.database.outbox import Event
from grid.database.queues import Delta
from grid.database.uow import Transaction, UnitOfWork
from grid.plugins.registry import Registry
from grid.schemas.jobs import JsonObject
from grid.schemas.simulations import Simulation
from grid.schemas.wire import SubmissionIn
from grid.services import audit
from grid.services.admission import AdmittedPoint, Limits, admit_points, admit_program_points
from grid.services.ports import Doorbell, ImageCatalogue

ROUTE = "POST /api/v1/jobs"
ACCEPTED = 202
QUEUE_LIFE = timedelta(days=7)
RETRY_AFTER_S = 10.0  # a full queue of small jobs is drained in about this time

# Programs that declare the parameters of a built-in simulation.
PROGRAM_SCHEMAS = {"sim:local": "heat-rod"}

_KEY = re.compile(r"[\x21-\x7e]{1,255}")


class SandboxUnavailableError(ConflictError):
    """The image cannot run here: there is no sandbox for it, and nothing weaker takes its place."""

    code, title = "sandbox_unavailable", "No sandbox that may run this image is available"

    def __str__(self) -> str:
        return "This server has no sandbox that may run the image; sim:local and the built-in simulations need none."


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
    def of(cls, key: str, body: bytes) -> "IdempotencyKey":
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


@dataclass(frozen=True)
class _Plan:
    """A submission that is known to be sound, with ids, ready to be stored."""

    simulation: str | None
    image: str | None
    points: Sequence[AdmittedPoint]
    submission: SubmissionIn
    wall_limit_s: float
    result: SubmissionResult


def find_answer(uow: UnitOfWork, *, owner_id: UUID, idempotency: IdempotencyKey) -> SubmissionResult | None:
    """Find what was answered to the same request before, without decoding it.

    Raises:
        KeyReusedError: The key came with another body.
    """
    with uow.read() as tx:
        return _find_answer(tx, owner_id, idempotency)


def submit(
    uow: UnitOfWork,
    *,
    owner_id: UUID,
    submission: SubmissionIn,
    simulations: Registry,
    images: ImageCatalogue,
    settings: Settings,
    doorbell: Doorbell,
    idempotency: IdempotencyKey | None = None,
) -> SubmissionResult:
    """Store one job, or one for each point of a sweep; they can be claimed once this returns.

    Raises:
        FieldError, InvalidFieldsError: A field or a parameter is outside its limits; nothing is stored.
        AdmissionError: The estimated memory, work or output of a point is beyond what a job may use.
        SandboxUnavailableError: The image cannot run here.
        TooManyRequestsError: The queue of the owner, or of all owners, would be longer than allowed.
        KeyReusedError, KeyInFlightError: The idempotency key is another request's.
    """
    plan = _plan(submission, simulations, images, settings)

    def store(tx: Transaction) -> SubmissionResult:
        return _store(tx, owner_id, plan, settings, idempotency)

    result = uow.group(store)
    doorbell.ring("work", result.job_ids[0])
    return result


def _plan(submission: SubmissionIn, simulations: Registry, images: ImageCatalogue, settings: Settings) -> _Plan:
    wall_limit_s = float(submission.timeout_s or settings.max_job_timeout)
    if wall_limit_s > settings.max_job_timeout:
        raise FieldError("timeout_s", f"must be at most {settings.max_job_timeout}")
    is_sweep = submission.sweep is not None
    points = submission.sweep if submission.sweep is not None else [submission.params or {}]
    root = "sweep" if is_sweep else "params"
    image = None
    if submission.simulation is not None:
        simulation = _require_simulation(submission.simulation, simulations)
        admitted = admit_points(simulation, points, Limits.of(settings), runs=simulation.name, root=root)
    else:
        image = submission.container_image or settings.default_container_image
        admitted = _admit_image(image, points, simulations, images, settings, root)
    result = SubmissionResult(tuple(new_id() for _ in admitted), new_id() if is_sweep else None)
    return _Plan(submission.simulation, image, admitted, submission, wall_limit_s, result)


def _require_simulation(name: str, simulations: Registry) -> Simulation:
    known = simulations.simulations()
    if name not in known:
        raise FieldError("simulation", f"must be one of {', '.join(sorted(known))}")
    return known[name]


def _admit_image(
    image: str,
    points: Sequence[JsonObject],
    simulations: Registry,
    images: ImageCatalogue,
    settings: Settings,
    root: str,
) -> list[AdmittedPoint]:
    # Without a sandbox no image but the listed local programs can run, so that is said first, of any image.
    if images.kind_of(image) is None:
        raise SandboxUnavailableError
    if image not in settings.grid_images:
        raise FieldError("container_image", "must be on the administrator's list (GRID_IMAGES)")
    runs = f"image:{image}"
    if image not in PROGRAM_SCHEMAS:
        return admit_program_points(points, runs=runs, root=root)
    simulation = simulations.get(PROGRAM_SCHEMAS[image])
    return [
        AdmittedPoint(point.params, point.spec_hash, None, "program", point.work_s)
        for point in admit_points(simulation, points, Limits.of(settings), runs=runs, root=root)
    ]


def _store(
    tx: Transaction, owner_id: UUID, plan: _Plan, settings: Settings, idempotency: IdempotencyKey | None
) -> SubmissionResult:
    queue = tx.queues.lock(owner_id)  # first, so that a repeated request waits for the one before it
    if idempotency is not None and (known := _find_answer(tx, owner_id, idempotency)) is not None:
        return known
    count = len(plan.points)
    limit = settings.grid_queue_limit if queue.queue_limit is None else queue.queue_limit
    _require_room("Your queue", queue.queued, count, limit)
    _require_room("The queue of all users", tx.queues.total_queued(), count, settings.grid_queue_limit_total)
    _insert(tx, owner_id, plan)
    tx.queues.change({owner_id: Delta(queued=count)})
    subject = f"sweep:{plan.result.sweep_id}" if plan.result.sweep_id else f"job:{plan.result.job_ids[0]}"
    noun = subject.partition(":")[0]
    runs = {"simulation": plan.simulation, "image": plan.image, "jobs": count}
    tx.outbox.add([Event(subject, 1, f"{noun}.queued", {**runs, "owner": str(owner_id)})])
    if idempotency is not None:
        answer = {
            "jobs": [str(job_id) for job_id in plan.result.job_ids],
            "sweep": str(plan.result.sweep_id) if plan.result.sweep_id else None,
        }
        stored = StoredAnswer(idempotency.fingerprint, ACCEPTED, answer)
        if not tx.idempotency.add(owner_id, ROUTE, idempotency.key, stored):
            raise KeyInFlightError
    audit.record(tx, actor_id=owner_id, action=f"{noun}.submit", subject=subject, details=runs)
    return plan.result


def _require_room(whose: str, queued: int, count: int, limit: int) -> None:
    if queued + count > limit:
        raise TooManyRequestsError(f"{whose} holds {queued} jobs of {limit}; {count} more do not fit", RETRY_AFTER_S)


def _insert(tx: Transaction, owner_id: UUID, plan: _Plan) -> None:
    submission, result = plan.submission, plan.result
    if result.sweep_id is not None:
        tx.sweeps.add(
            result.sweep_id,
            owner_id=owner_id,
            total=len(plan.points),
            simulation=plan.simulation,
            image=plan.image,
            meta=submission.metadata,
        )
    now = tx.now()
    numbered = list(zip(range(len(plan.points)), plan.points, result.job_ids, strict=True))
    for slot, group in groupby(sorted(numbered, key=lambda one: one[1].slot), key=lambda one: one[1].slot):
        shared = NewJobs(
            owner_id=owner_id,
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
        tx.jobs.add(
            shared,
            [
                NewJob(
                    id=job_id,
                    params=point.params,
                    spec_hash=point.spec_hash,
                    batch_key=point.batch_key or f"program:{job_id}",
                    work_s=point.work_s,
                    sweep_index=index if result.sweep_id is not None else None,
                )
                for index, point, job_id in group
            ],
        )


def _find_answer(tx: Transaction, owner_id: UUID, idempotency: IdempotencyKey) -> SubmissionResult | None:
    stored = tx.idempotency.find(owner_id, ROUTE, idempotency.key)
    if stored is None:
        return None
    if stored.fingerprint != idempotency.fingerprint:
        raise KeyReusedError
    sweep = stored.answer["sweep"]
    return SubmissionResult(tuple(UUID(job) for job in stored.answer["jobs"]), UUID(sweep) if sweep else None)
