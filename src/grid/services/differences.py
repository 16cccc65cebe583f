"""Two jobs side by side: inputs and metrics that differ, and the difference of a field."""

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal
from uuid import UUID

from grid.core.errors import ConflictError, FieldError
from grid.database.jobs import JobRecord
from grid.database.uow import UnitOfWork
from grid.plugins.registry import Registry
from grid.schemas.fields import FieldRequest
from grid.schemas.paths import flatten
from grid.schemas.results import ParameterGuide
from grid.schemas.simulations import Simulation
from grid.services.fields import FieldSource, find_field, find_source, open_fields
from grid.services.jobs import get_job
from grid.services.naming import describe_metric, describe_parameter
from grid.services.ports import ArtifactStore

if TYPE_CHECKING:  # the server loads NumPy with the first field that somebody asks for
    from grid.runtime.field_difference import FieldDifference, Sampled

MOST_INPUTS = 500  # that are listed


class IncomparableFieldsError(ConflictError):
    """The difference of two fields has no meaning."""

    code, title = "incomparable-fields", "The fields cannot be compared"

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return self.reason


@dataclass(frozen=True)
class Compared:
    """A value that two jobs have, or one of them. `unit` is None where it has none, or another one in each job."""

    name: str
    title: str
    unit: str | None
    first: Any
    second: Any


@dataclass(frozen=True)
class ComparedField:
    """The difference of a field, and the times at which it is taken [s]."""

    difference: "FieldDifference"
    first_s: float
    second_s: float


@dataclass(frozen=True)
class JobDifference:
    """What differs between two jobs.

    Args:
        inputs: Those that differ, 500 at most.
        inputs_total: How many differ.
        inputs_equal: How many are equal.
        metrics: All of both.
        field: Where one was asked for and both results have it.
        reason: Why there is no difference of the field, in a sentence.
    """

    inputs: Sequence[Compared]
    inputs_total: int
    inputs_equal: int
    metrics: Sequence[Compared]
    field: ComparedField | None = None
    reason: str | None = None


def compare_jobs(
    uow: UnitOfWork,
    registry: Registry,
    store: ArtifactStore,
    *,
    owner_id: UUID | None,
    job_ids: tuple[UUID, UUID],
    name: str | None,
    time: str | int = "last",
) -> JobDifference:
    """Compare two jobs in their inputs and metrics, and in a field where one is named.

    Raises:
        NotFoundError: There is no such job for this owner, or one of them has no such field.
        NoResultError: A field is asked for, and one of them has not ended with success.
        FieldError: There is no such time.
        ResultGoneError: A record is not there, damaged, or of another version.
    """
    first, second = (get_job(uow, owner_id=owner_id, job_id=job_id) for job_id in job_ids)
    inputs, equal = _compare_inputs(registry, first, second)
    metrics = _compare_metrics(registry, first, second)
    if name is None:
        return JobDifference(inputs[:MOST_INPUTS], len(inputs), equal, metrics)
    try:
        compared = compare_fields(uow, registry, store, owner_id=owner_id, job_ids=job_ids, name=name, time=time)
    except IncomparableFieldsError as error:
        return JobDifference(inputs[:MOST_INPUTS], len(inputs), equal, metrics, reason=str(error))
    return JobDifference(inputs[:MOST_INPUTS], len(inputs), equal, metrics, compared)


def compare_fields(
    uow: UnitOfWork,
    registry: Registry,
    store: ArtifactStore,
    *,
    owner_id: UUID | None,
    job_ids: tuple[UUID, UUID],
    name: str,
    time: str | int,
) -> ComparedField:
    """Subtract a field of the first job from that of the second: both at their ends, or the second near a time.

    Raises:
        IncomparableFieldsError: The fields differ in axes, size or meaning.
        NotFoundError, NoResultError, FieldError, ResultGoneError: As `compare_jobs`.
    """
    from grid.runtime.field_difference import IncomparableError, subtract

    sources = [find_source(uow, registry, owner_id=owner_id, job_id=job_id) for job_id in job_ids]
    with _sampled(sources[0], store, name, time) as first:
        near_s = None if time == "last" else first.time_s
        with _sampled(sources[1], store, name, time, near_s) as second:
            try:
                return ComparedField(subtract(first, second), first.time_s, second.time_s)
            except IncomparableError as error:
                raise IncomparableFieldsError(str(error)) from error


def require_one_time(time: str | int) -> Literal["last"] | int:
    """Return the time of a comparison.

    Raises:
        FieldError: All times are asked for.
    """
    match time:
        case "last" | int():
            return time
    raise FieldError("time", "last, or a place in the list of times")


@contextmanager
def _sampled(
    source: FieldSource, store: ArtifactStore, name: str, time: str | int, near_s: float | None = None
) -> "Iterator[Sampled]":
    from grid.runtime.field_difference import choose_part, sample

    with open_fields(source, store) as (record, fields):
        found = find_field(fields, name)
        yield sample(record, found, choose_part(found, time, near_s))


def encode_difference(compared: ComparedField, job_ids: tuple[UUID, UUID], request: FieldRequest) -> bytes:
    """Encode the difference of a field as one frame, of the second job less the first."""
    from grid.runtime.field_frames import encode_values
    from grid.runtime.live.frames import Stamp
    from grid.schemas.frames import FrameFlag

    stamp = Stamp(0, compared.first_s, 0, 0, job_ids[0].bytes[:8], int(FrameFlag.NOT_LIVE))
    return encode_values(compared.difference.values, stamp, request)


def tag_difference(
    uow: UnitOfWork,
    registry: Registry,
    *,
    owner_id: UUID | None,
    job_ids: tuple[UUID, UUID],
    name: str,
    request: FieldRequest,
) -> str:
    """Identify the frame of a difference before it is made.

    Raises:
        NotFoundError, NoResultError: As `compare_jobs`.
    """
    sources = [find_source(uow, registry, owner_id=owner_id, job_id=job_id) for job_id in job_ids]
    return hashlib.sha256("less".join(source.tag(name, request) for source in sources).encode()).hexdigest()


def _compare_inputs(registry: Registry, first: JobRecord, second: JobRecord) -> tuple[list[Compared], int]:
    """Return the inputs that differ, and the number of those that do not."""
    runs = [Compared("simulation", "Simulation", None, *(job.simulation or job.image for job in (first, second)))]
    a, b = (dict(flatten(job.params)) for job in (first, second))
    params = []
    for name in {**a, **b}:
        path = name.split(".")
        having = [job for job, values in ((first, a), (second, b)) if name in values]
        guides = [describe_parameter(_simulation(registry, job), path, job.params) for job in having]
        params.append(_compare(f"params.{name}", guides, a.get(name), b.get(name)))
    different = [one for one in [*runs, *params] if one.first != one.second or type(one.first) is not type(one.second)]
    return different, 1 + len(params) - len(different)


def _compare_metrics(registry: Registry, first: JobRecord, second: JobRecord) -> list[Compared]:
    a, b = ((job.result_manifest or {}).get("metrics", {}) for job in (first, second))
    found = []
    for name in {**a, **b}:
        having = [job for job, values in ((first, a), (second, b)) if name in values]
        guides = [describe_metric(_simulation(registry, job), name, job.params) for job in having]
        found.append(_compare(name, guides, a.get(name), b.get(name)))
    return found


def _compare(name: str, guides: Sequence[ParameterGuide], first: Any, second: Any) -> Compared:
    """Return a value of one job or two, by its title in the first that has it."""
    units = {guide.unit for guide in guides}
    return Compared(name, guides[0].title, guides[0].unit if len(units) == 1 else None, first, second)


def _simulation(registry: Registry, job: JobRecord) -> Simulation | None:
    return registry.simulations().get(job.simulation or "")
