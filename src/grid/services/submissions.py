"""Submitting: everything is checked and priced first; then one transaction stores all of it, or nothing."""

from dataclasses import dataclass
from uuid import UUID

from grid.core.errors import ConflictError, FieldError, GridError
from grid.core.ids import new_id
from grid.core.settings import Settings
from grid.database.uow import UnitOfWork
from grid.plugins.registry import Registry
from grid.schemas.simulations import Simulation
from grid.schemas.wire import SubmissionIn
from grid.services.accepting import (
    IdempotencyKey,
    KeyInFlightError,
    KeyReusedError,
    Order,
    Plan,
    QueueLimits,
    SubmissionResult,
    find_known,
    store,
)
from grid.services.admission import AdmittedPoint, Limits, admit_points, admit_program_points
from grid.services.merging import merge_points, naming_common
from grid.services.ports import Doorbell, ImageCatalogue

__all__ = [
    "IdempotencyKey",
    "KeyInFlightError",
    "KeyReusedError",
    "Reception",
    "SandboxUnavailableError",
    "SubmissionResult",
    "find_answer",
    "make_plan",
    "submit",
]

GROUPED_POINTS = 500  # a longer sweep takes a transaction of its own: many small ones would wait for it

# Programs that declare the parameters of a built-in simulation.
PROGRAM_SCHEMAS = {"sim:local": "heat-rod"}


class SandboxUnavailableError(ConflictError):
    """The image cannot run here: there is no sandbox for it, and nothing weaker takes its place."""

    code, title = "sandbox-unavailable", "No sandbox that may run this image is available"

    def __str__(self) -> str:
        return "This server has no sandbox that may run the image; sim:local and the built-in simulations need none."


@dataclass(frozen=True)
class Reception:
    """What submitting needs beside the submission, bound once: a route asks for one thing instead of five."""

    uow: UnitOfWork
    simulations: Registry
    images: ImageCatalogue
    settings: Settings
    doorbell: Doorbell

    def find_answer(self, owner_id: UUID, idempotency: IdempotencyKey) -> SubmissionResult | None:
        """Find what was answered to the same request before; see `find_answer`."""
        return find_answer(self.uow, owner_id=owner_id, idempotency=idempotency)

    def submit(
        self, owner_id: UUID, submission: SubmissionIn, idempotency: IdempotencyKey | None = None
    ) -> SubmissionResult:
        """Store a submission; see `submit`."""
        return submit(**vars(self), owner_id=owner_id, submission=submission, idempotency=idempotency)


def find_answer(uow: UnitOfWork, *, owner_id: UUID, idempotency: IdempotencyKey) -> SubmissionResult | None:
    """Find what was answered to the same request before, without decoding it.

    Raises:
        KeyReusedError: The key came with another body.
    """
    with uow.read() as tx:
        return find_known(tx, owner_id, idempotency)


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
    plan = make_plan(submission, simulations, images, settings)
    queue_limits = QueueLimits(settings.grid_queue_limit, settings.grid_queue_limit_total)
    order = Order(owner_id, plan, queue_limits, idempotency)
    result = uow.group(store, order) if len(plan.points) <= GROUPED_POINTS else _store_alone(uow, order)
    doorbell.ring("work", result.job_ids[0])
    return result


def _store_alone(uow: UnitOfWork, order: Order) -> SubmissionResult:
    with uow.begin() as tx:
        (answer,) = store(tx, [order])
    if isinstance(answer, GridError):
        raise answer
    return answer


def make_plan(submission: SubmissionIn, simulations: Registry, images: ImageCatalogue, settings: Settings) -> Plan:
    """Check and price a submission and give its jobs their ids; raises as `submit` does. Stores nothing."""
    wall_limit_s = float(submission.timeout_s or settings.max_job_timeout)
    if wall_limit_s > settings.max_job_timeout:
        raise FieldError("timeout_s", f"must be at most {settings.max_job_timeout}")
    is_sweep = submission.sweep is not None
    root = "sweep" if is_sweep else "params"
    image = None
    with naming_common(submission):
        if submission.simulation is not None:
            simulation = _require_simulation(submission.simulation, simulations)
            points = merge_points(submission)
            admitted = admit_points(simulation, points, Limits.of(settings), runs=simulation.name, root=root)
        else:
            image = submission.container_image or settings.default_container_image
            admitted = _admit_image(image, submission, simulations, images, settings, root)
    result = SubmissionResult(tuple(new_id() for _ in admitted), new_id() if is_sweep else None)
    return Plan(submission.simulation, image, admitted, submission, wall_limit_s, result)


def _require_simulation(name: str, simulations: Registry) -> Simulation:
    known = simulations.simulations()
    if name not in known:
        raise FieldError("simulation", f"must be one of {', '.join(sorted(known))}")
    return known[name]


def _admit_image(
    image: str,
    submission: SubmissionIn,
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
    runs, points = f"image:{image}", merge_points(submission)
    if image not in PROGRAM_SCHEMAS:
        return admit_program_points(points, runs=runs, root=root)
    simulation = simulations.get(PROGRAM_SCHEMAS[image])
    return [
        AdmittedPoint(point.params, point.spec_hash, None, "program", point.work_s)
        for point in admit_points(simulation, points, Limits.of(settings), runs=runs, root=root)
    ]
