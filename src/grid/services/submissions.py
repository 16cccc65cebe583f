"""Submission of jobs and sweeps: everything is checked and priced first, then one transaction stores it or nothing."""

from dataclasses import dataclass
from uuid import UUID

from grid.core import tracing
from grid.core.errors import ConflictError, FieldError, GridError
from grid.core.ids import new_id
from grid.core.settings import Settings
from grid.database.uow import UnitOfWork
from grid.plugins.registry import Registry
from grid.schemas.images import Runner
from grid.schemas.jobs import JsonObject
from grid.schemas.simulations import Simulation
from grid.schemas.wire import SubmissionIn
from grid.services.admission import AdmittedPoint, JobLimits, admit_points, admit_program_points
from grid.services.ports import Doorbell, ImageCatalogue
from grid.services.submission_store import (
    IdempotencyKey,
    KeyInFlightError,
    KeyReusedError,
    PendingSubmission,
    QueueLimits,
    SubmissionResult,
    ValidatedSubmission,
    find_known,
    store_submissions,
)
from grid.services.sweep_points import merge_points, naming_common

__all__ = [
    "IdempotencyKey",
    "KeyInFlightError",
    "KeyReusedError",
    "RunTarget",
    "SandboxUnavailableError",
    "SubmissionResult",
    "SubmissionService",
]

GROUPED_POINTS = 500  # of a submission that shares a transaction with others, which would wait for a longer one

# Images whose parameters are those of a built-in simulation.
PROGRAM_SCHEMAS = {"sim:local": "heat-rod"}


class SandboxUnavailableError(ConflictError):
    """The image cannot run here: there is no sandbox for it, and nothing weaker takes its place."""

    code, title = "sandbox-unavailable", "No sandbox that may run this image is available"

    def __str__(self) -> str:
        return (
            "No sandbox may run the image: it has no digest (`grid images add`), or GRID_RUNNER rules it out; the "
            "built-in simulations need none."
        )


@dataclass(frozen=True)
class RunTarget:
    """What a submission runs.

    Args:
        runs: Its name, part of each point's hash.
        image: The image; None for a built-in simulation.
        simulation: It declares the parameters and prices points; None for a program without a schema.
        runner: Where the image runs.
    """

    runs: str
    image: str | None
    simulation: Simulation | None
    runner: Runner = "program"


@dataclass(frozen=True)
class SubmissionService:
    """Submission of jobs and sweeps.

    Args:
        uow: Where jobs are stored.
        simulations: The installed simulations.
        images: The images that can run here.
        settings: Limits of jobs and queues.
        doorbell: Rung for the workers after the commit.
    """

    uow: UnitOfWork
    simulations: Registry
    images: ImageCatalogue
    settings: Settings
    doorbell: Doorbell

    def find_answer(self, owner_id: UUID, idempotency: IdempotencyKey) -> SubmissionResult | None:
        """Find the answer that was given to the same request before, without decoding it.

        Raises:
            KeyReusedError: The key came with another body.
        """
        with self.uow.read() as tx:
            return find_known(tx, owner_id, idempotency)

    def submit(
        self, owner_id: UUID, submission: SubmissionIn, idempotency: IdempotencyKey | None = None
    ) -> SubmissionResult:
        """Store one job, or one for each point of a sweep; they can be claimed once this returns.

        Raises:
            FieldError, InvalidFieldsError: A field or a parameter is outside its limits; nothing is stored.
            AdmissionError: The estimated memory, work or output of a point is beyond what a job may use.
            SandboxUnavailableError: The image cannot run here.
            TooManyRequestsError: The queue of the owner, or of all owners, would be longer than allowed.
            KeyReusedError, KeyInFlightError: The idempotency key is another request's.
        """
        with tracing.span("job.validate"):
            validated = self.validate(submission)
        limits = QueueLimits(self.settings.grid_queue_limit, self.settings.grid_queue_limit_total)
        pending = PendingSubmission(owner_id, validated, limits, idempotency, tracing.find_context())
        with tracing.span("job.store", **{"grid.jobs": len(validated.points)}):
            return self._store(pending)

    def _store(self, pending: PendingSubmission) -> SubmissionResult:
        is_grouped = len(pending.validated.points) <= GROUPED_POINTS
        if is_grouped:
            return self.uow.group(store_submissions, pending, self._ring)
        result = self._store_alone(pending)
        self._ring(result)
        return result

    def validate(self, submission: SubmissionIn) -> ValidatedSubmission:
        """Check and price a submission and give its jobs their ids; raises as `submit` does. Stores nothing."""
        wall_limit_s, target = self.choose_wall_limit(submission), self.choose_target(submission)
        is_sweep = submission.sweep is not None
        with naming_common(submission):
            points, root = merge_points(submission), "sweep" if is_sweep else "params"
            admitted = self._admit(target, points, root)
        return ValidatedSubmission(
            simulation=submission.simulation,
            image=target.image,
            points=admitted,
            wall_limit_s=wall_limit_s,
            max_attempts=1 + submission.retries,
            priority=submission.priority,
            metadata=submission.metadata,
            result=SubmissionResult(tuple(new_id() for _ in admitted), new_id() if is_sweep else None),
        )

    def choose_wall_limit(self, submission: SubmissionIn) -> float:
        """Return the wall-clock limit of a run [s].

        Raises:
            FieldError: It is beyond the operator's.
        """
        most = self.settings.max_job_timeout
        if (submission.timeout_s or 0.0) > most:
            raise FieldError("timeout_s", f"must be at most {most}")
        return float(submission.timeout_s or most)

    def choose_target(self, submission: SubmissionIn) -> RunTarget:
        """Return what a submission runs.

        Raises:
            FieldError: There is no such simulation, or the image is not on the administrator's list.
            SandboxUnavailableError: The image cannot run here.
        """
        if submission.simulation is not None:
            simulation = _require_simulation(submission.simulation, self.simulations)
            return RunTarget(simulation.name, None, simulation)
        image = submission.container_image or self.settings.default_container_image
        listed = self.images.find(image)
        if listed is None:
            raise FieldError("container_image", "must be on the administrator's list (`grid images list`)")
        if listed.runner is None:
            raise SandboxUnavailableError
        runs = f"image:{image}" if listed.content is None else f"image:{image}@{listed.content}"
        schema = PROGRAM_SCHEMAS.get(image)
        declared = self.simulations.get(schema) if schema is not None else None
        return RunTarget(runs, image, declared, listed.runner)

    def _admit(self, target: RunTarget, points: list[JsonObject], root: str) -> list[AdmittedPoint]:
        if target.simulation is None:
            return admit_program_points(points, runs=target.runs, root=root, slot=target.runner)
        limits = JobLimits.of(self.settings)
        admitted = admit_points(target.simulation, points, limits, runs=target.runs, root=root)
        if target.image is None:
            return admitted
        return [AdmittedPoint(one.params, one.spec_hash, None, target.runner, one.work_s) for one in admitted]

    def _ring(self, result: SubmissionResult) -> None:
        """Tell the workers that there are jobs; once for all that were stored together."""
        self.doorbell.ring("work", result.job_ids[0])

    def _store_alone(self, pending: PendingSubmission) -> SubmissionResult:
        with self.uow.begin() as tx:
            (answer,) = store_submissions(tx, [pending])
        if isinstance(answer, GridError):
            raise answer
        return answer


def _require_simulation(name: str, simulations: Registry) -> Simulation:
    known = simulations.simulations()
    if name not in known:
        raise FieldError("simulation", f"must be one of {', '.join(sorted(known))}")
    return known[name]
