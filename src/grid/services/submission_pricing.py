"""Price of a submission before it is made: refused points, work, memory, output, and the queue. Nothing is stored."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from grid.core.errors import FieldError
from grid.database.job_queries import sum_queued_work
from grid.schemas.jobs import JsonObject
from grid.schemas.paths import merge_point
from grid.schemas.simulations import Estimate
from grid.schemas.wire import SubmissionIn
from grid.services.admission import JobLimits, place_of, program_errors
from grid.services.point_pricing import Errors, Priced, price_points
from grid.services.submissions import RunTarget, SubmissionService
from grid.services.sweep_points import rename_common, require_small_common

MOST_REFUSED = 100  # points whose errors are told
NO_PRICE = Estimate(memory_bytes=0, cell_steps=0.0, output_bytes=0, work_s=0.0)  # of a program without a schema


@dataclass(frozen=True)
class RefusedPoint:
    """A point for which a submission would be refused."""

    index: int
    errors: Errors


@dataclass(frozen=True)
class SubmissionEstimate:
    """Price of all points that would be taken.

    Args:
        work_s: Seconds of one core.
        least_s: Until the last point ends, where all cores of the workers are free for them [s].
        most_s: The same on one core, behind what waits now [s].
        memory_bytes: Of the largest point.
        output_bytes: Of all files together, if all are asked for.
        cell_steps: Cells times time steps.
    """

    work_s: float
    least_s: float
    most_s: float
    memory_bytes: int
    output_bytes: int
    cell_steps: float


@dataclass(frozen=True)
class QueueState:
    """The queue as it is now.

    Args:
        waiting: Jobs of the owner.
        limit: Most of them.
        has_room: Whether all points fit, also into the queue of all users.
        ahead_s: Until their turn comes, with the cores of the workers that live [s].
        cores: Of these workers; 0 where none lives.
    """

    waiting: int
    limit: int
    has_room: bool
    ahead_s: float
    cores: int


@dataclass(frozen=True)
class PricedSubmission:
    """What a submission would be. `estimate` is None where the program declares no schema, and so no price."""

    points: int
    refused_total: int
    refused: tuple[RefusedPoint, ...]
    estimate: SubmissionEstimate | None
    queue: QueueState


def price_submission(service: SubmissionService, owner_id: UUID, submission: SubmissionIn) -> PricedSubmission:
    """Check and price every point of a submission, whether it would be taken or not.

    Raises:
        FieldError: The submission itself is not valid: an unknown simulation, a time limit beyond the operator's.
        AdmissionError: The common parameters, repeated for each point, are more than a sweep may store.
        SandboxUnavailableError: The image cannot run here.
    """
    service.choose_wall_limit(submission)
    target = service.choose_target(submission)
    refused: list[RefusedPoint] = []
    estimates: list[Estimate] = []
    total = 0
    for index, priced in enumerate(_price_all(service, submission, target)):
        total += 1
        if isinstance(priced, Estimate):
            estimates.append(priced)
        elif len(refused) < MOST_REFUSED:
            refused.append(RefusedPoint(index, rename_common(priced, submission)))
    queue = _look_at_queue(service, owner_id, sum(one.work_s for one in estimates), len(estimates))
    estimate = None if target.simulation is None else _sum_up(estimates, queue)
    return PricedSubmission(total, total - len(estimates), tuple(refused), estimate, queue)


def _price_all(service: SubmissionService, submission: SubmissionIn, target: RunTarget) -> Iterator[Priced]:
    root = "params" if submission.sweep is None else "sweep"
    points = _merge(submission, root)
    if target.simulation is not None:
        yield from price_points(target.simulation, points, JobLimits.of(service.settings), root=root)
        return
    for index, point in enumerate(points):
        yield point if isinstance(point, tuple) else tuple(program_errors(point, place_of(root, index))) or NO_PRICE


def _merge(submission: SubmissionIn, root: str) -> list[JsonObject | Errors]:
    """Return the parameters of each point, or why its dotted names lead nowhere."""
    require_small_common(submission)
    common, points = submission.params or {}, submission.sweep
    merged: list[JsonObject | Errors] = []
    for index, point in enumerate([common] if points is None else points):
        try:
            merged.append(merge_point({} if points is None else common, point))
        except FieldError as error:
            merged.append((FieldError(f"{place_of(root, index)}.{error.field}", error.limit),))
    return merged


def _look_at_queue(service: SubmissionService, owner_id: UUID, work_s: float, count: int) -> QueueState:
    """Read how long the queue is, and how long it takes until the turn of this work has come.

    Owners take turns: of another's queue, no more goes before this work than as much as it is itself.
    """
    settings = service.settings
    with service.uow.read() as tx:
        own = tx.queues.find(owner_id)
        waiting, total = (own.queued if own is not None else 0), tx.queues.total_queued()
        work = sum_queued_work(tx)
        living = tx.workers.living(within=timedelta(seconds=3 * settings.grid_heartbeat_s + 5))
    cores = sum(int(worker.details.get("slots", 0)) for worker in living)
    mine = work.pop(owner_id, 0.0)
    ahead_s = (mine + sum(min(theirs, mine + work_s) for theirs in work.values())) / max(cores, 1)
    limit = settings.grid_queue_limit if own is None or own.queue_limit is None else own.queue_limit
    has_room = waiting + count <= limit and total + count <= settings.grid_queue_limit_total
    return QueueState(waiting, limit, has_room, ahead_s, cores)


def _sum_up(estimates: Sequence[Estimate], queue: QueueState) -> SubmissionEstimate:
    work_s = sum(one.work_s for one in estimates)
    longest_s = max((one.work_s for one in estimates), default=0.0)
    return SubmissionEstimate(
        work_s=work_s,
        least_s=max(longest_s, work_s / max(queue.cores, 1)),
        most_s=queue.ahead_s * max(queue.cores, 1) + work_s,
        memory_bytes=max((one.memory_bytes for one in estimates), default=0),
        output_bytes=sum(one.output_bytes for one in estimates),
        cell_steps=sum(one.cell_steps for one in estimates),
    )
