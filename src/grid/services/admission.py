"""Admission: every point is checked against its simulation's schema and priced, before anything is written."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from itertools import islice
from typing import Any

from pydantic import BaseModel, TypeAdapter, ValidationError

from grid.core.errors import AdmissionError, FieldError, InvalidFieldsError
from grid.core.settings import Settings
from grid.schemas.jobs import JsonObject, SlotKind
from grid.schemas.parameter_errors import (
    MAX_ERRORS,
    PLAIN_NAME,
    SPARE_NAMES,
    describe_error,
    move_error,
)
from grid.schemas.simulations import Estimate, Simulation

MAX_CELL_STEPS = 1e12  # of one job: half an hour of one core at half a nanosecond each
MEMORY_FRACTION = 0.6  # of a job's memory; the rest is for the interpreter and its libraries
MAX_PROGRAM_PARAMS_BYTES = 64 * 1024  # of one point, as JSON
MAX_POINT_BYTES = 4 * 2**20  # of one point, as JSON
_CHUNK = 500  # points checked in one call, so that a sweep of mistakes is refused early
_canonical = json.JSONEncoder(sort_keys=True, separators=(",", ":"), allow_nan=False).encode


@dataclass(frozen=True)
class AdmittedPoint:
    """One point as the ledger stores it: parameters with defaults, price and batch key."""

    params: JsonObject
    spec_hash: str  # sha256 of what is run and its parameters
    batch_key: str | None  # None: never batched, as programs are not
    slot: SlotKind
    work_s: float


@dataclass(frozen=True)
class JobLimits:
    """Largest memory, output and work of one job."""

    memory_bytes: float
    output_bytes: float
    cell_steps: float = MAX_CELL_STEPS

    @classmethod
    def of(cls, settings: Settings) -> "JobLimits":
        """Return the operator's limits."""
        return cls(
            memory_bytes=MEMORY_FRACTION * settings.grid_job_memory_mb * 2**20,
            output_bytes=settings.grid_output_mb * 2.0**20,
        )


def admit_points(
    simulation: Simulation, points: Sequence[JsonObject], limits: JobLimits, *, runs: str, root: str
) -> list[AdmittedPoint]:
    """Check and price the points of one submission.

    Args:
        simulation: Declares the parameters.
        points: As they were sent.
        limits: Of one job.
        runs: What is run (`heat-rod`, `image:sim:local`); part of each point's hash.
        root: `params` or `sweep`, for the names of fields in errors.

    Raises:
        InvalidFieldsError: At most 20 fields, each with its limit and unit; values are never repeated.
        AdmissionError: A point is estimated beyond what a job may use.
    """
    valid = _iterate_valid(simulation.params_model, points, root=root)
    return [
        _admit(simulation, model, params, limits, runs=runs, where=place_of(root, index))
        for index, (model, params) in enumerate(valid)
    ]


def _admit(
    simulation: Simulation, model: BaseModel, params: JsonObject, limits: JobLimits, *, runs: str, where: str
) -> AdmittedPoint:
    with _named(where):
        estimate = simulation.estimate(model)
        batch_key = simulation.batch_key(model)
    require_affordable(estimate, limits, where=where)
    return AdmittedPoint(params, hash_spec(runs, params), batch_key, estimate.slot, estimate.work_s)


@contextmanager
def _named(where: str) -> Iterator[None]:
    """Let a simulation's own errors name the point of the submission, not only the field of the point."""
    try:
        yield
    except InvalidFieldsError as error:
        raise InvalidFieldsError(tuple(move_error(one, where) for one in error.errors[:MAX_ERRORS])) from error
    except FieldError as error:
        raise InvalidFieldsError((move_error(error, where),)) from error
    except AdmissionError as error:
        raise AdmissionError(f"{error.resource} of {where}", error.estimate, error.limit, error.unit) from error


@cache
def list_adapter(model: type[BaseModel]) -> TypeAdapter[list[Any]]:
    """Make the reader of a list of points once: that takes longer than reading one."""
    return TypeAdapter(list[model])  # type: ignore[valid-type]


def validate_points(
    model: type[BaseModel], points: Sequence[JsonObject], *, root: str
) -> tuple[list[Any], list[JsonObject]]:
    """Return the points as models, and as JSON objects with defaults filled in.

    Raises:
        InvalidFieldsError: At most 20 fields, each with its limit and unit; values are never repeated.
    """
    pairs = list(_iterate_valid(model, points, root=root))
    return [each for each, _ in pairs], [params for _, params in pairs]


def _iterate_valid(
    model: type[BaseModel], points: Sequence[JsonObject], *, root: str
) -> Iterator[tuple[Any, JsonObject]]:
    """Yield each point as a model and as a JSON object with defaults filled in, until there is one that is not valid.

    They are read in JSON mode, as the worker reads them back, and many at once: a call for each point would cost a
    sweep of 10,000 a noticeable part of a second. But not all at once: a model may hold much more than its point, such
    as a heat problem that was read, and is needed only until the point is priced.
    """
    adapter = list_adapter(model)
    errors: list[FieldError] = []
    for start, chunk in _chunks(points, len(model.model_fields) + SPARE_NAMES, root=root):
        try:
            models = adapter.validate_json(chunk)
        except ValidationError as error:
            errors.extend(field_errors(error, model, root=root, offset=start, room=MAX_ERRORS - len(errors)))
            if len(errors) >= MAX_ERRORS:
                break
        else:
            if not errors:
                yield from zip(models, adapter.dump_python(models, mode="json"), strict=True)
            del models
    if errors:
        raise InvalidFieldsError(tuple(errors))


def _chunks(points: Sequence[JsonObject], most_names: int, *, root: str) -> Iterator[tuple[int, str]]:
    """Yield points as JSON texts of `MAX_POINT_BYTES` at most, each with the index of its first point.

    Raises:
        InvalidFieldsError: A point is longer by itself, or has so many names that an error for each would cost more
            than the point.
    """
    for index, point in enumerate(points):
        if len(point) > most_names:
            raise InvalidFieldsError(
                (FieldError(place_of(root, index), f"should have at most {most_names} parameters"),)
            )
    waiting = [range(start, min(start + _CHUNK, len(points))) for start in range(0, len(points), _CHUNK)][::-1]
    while waiting:
        part = waiting.pop()
        chunk = json.dumps(points[part.start : part.stop])
        if len(chunk) <= MAX_POINT_BYTES:
            yield part.start, chunk
        elif len(part) > 1:
            middle = (part.start + part.stop) // 2
            waiting += [range(middle, part.stop), range(part.start, middle)]
        else:
            raise InvalidFieldsError(
                (FieldError(place_of(root, part.start), f"should be at most {MAX_POINT_BYTES} bytes of JSON"),)
            )


def field_errors(
    error: ValidationError, model: type[BaseModel], *, root: str, offset: int, room: int
) -> Iterator[FieldError]:
    """Yield at most `room` errors of a list of points, named by their path."""
    details = error.errors(include_url=False, include_input=False, include_context=False)
    for detail in details[:room]:
        index, *path = detail["loc"]
        place = place_of(root, offset + int(index))
        yield describe_error(detail, model, path, place)


def require_affordable(estimate: Estimate, limits: JobLimits, *, where: str) -> None:
    """Refuse a point beyond the limits by its estimate, before anything is allocated."""
    for resource, amount, limit, unit in (
        ("memory", estimate.memory_bytes / 2**20, limits.memory_bytes / 2**20, "MiB"),
        ("work", estimate.cell_steps, limits.cell_steps, "cell steps"),
        ("output", estimate.output_bytes / 2**20, limits.output_bytes / 2**20, "MiB"),
    ):
        if not amount <= limit:  # NaN fails the comparison, so it is refused as well
            raise AdmissionError(f"{resource} of {where}", amount, limit, unit)


def admit_program_points(
    points: Sequence[JsonObject], *, runs: str, root: str, slot: SlotKind = "program"
) -> list[AdmittedPoint]:
    """Check the points of a program that declares no schema: they become flags, so plain names and plain values."""
    errors = (error for index, point in enumerate(points) for error in program_errors(point, place_of(root, index)))
    first = tuple(islice(errors, MAX_ERRORS))
    if first:
        raise InvalidFieldsError(first)
    return [AdmittedPoint(dict(point), hash_spec(runs, point), None, slot, 0.0) for point in points]


def hash_spec(runs: str, params: JsonObject) -> str:
    """Return the sha256 of what is run and its parameters, in one canonical form."""
    return hashlib.sha256(_canonical([runs, params]).encode()).hexdigest()


def program_errors(point: JsonObject, place: str) -> Iterator[FieldError]:
    """Yield what is wrong with a point of a program that declares no schema."""
    for name, value in point.items():
        if not PLAIN_NAME.fullmatch(name):
            yield FieldError(place, "a parameter's name is a letter or _, then at most 63 letters, digits, _ or -")
        elif not isinstance(value, str | int | float | bool):
            yield FieldError(f"{place}.{name}", "should be a string, a number or a boolean")
    if len(json.dumps(point).encode()) > MAX_PROGRAM_PARAMS_BYTES:
        yield FieldError(place, f"should be at most {MAX_PROGRAM_PARAMS_BYTES} bytes of JSON")


def place_of(root: str, index: int) -> str:
    """Return where a point stands in a submission: `params`, or `sweep[17]`."""
    return root if root == "params" else f"{root}[{index}]"
