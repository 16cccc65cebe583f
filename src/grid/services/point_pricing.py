"""Prices of the points of a submission, one by one: a point that would be refused says why, and stops no other."""

import json
from collections.abc import Iterator, Sequence

from pydantic import BaseModel, ValidationError

from grid.core.errors import AdmissionError, FieldError, InputError, InvalidFieldsError
from grid.schemas.jobs import JsonObject
from grid.schemas.parameter_errors import MAX_ERRORS, SPARE_NAMES, move_error
from grid.schemas.simulations import Estimate, Simulation
from grid.services.admission import (
    MAX_POINT_BYTES,
    JobLimits,
    field_errors,
    list_adapter,
    place_of,
    require_affordable,
)

SLICE = 500  # points read in one call, as in an admission

Errors = tuple[FieldError, ...]
Priced = Estimate | Errors  # of one point


def price_points(
    simulation: Simulation, points: Sequence[JsonObject | Errors], limits: JobLimits, *, root: str
) -> Iterator[Priced]:
    """Yield the estimate of each point, or the errors for which a submission would be refused, 20 at most.

    Args:
        simulation: Declares the parameters.
        points: As they were sent, merged with what all share; or why that cannot be done.
        limits: Of one job.
        root: `params` or `sweep`, for the names of fields in errors.
    """
    for start in range(0, len(points), SLICE):
        part = points[start : start + SLICE]
        for index, model in enumerate(_read_all(simulation.params_model, part, root, start), start=start):
            yield _price(simulation, model, limits, place_of(root, index)) if isinstance(model, BaseModel) else model


def _price(simulation: Simulation, model: BaseModel, limits: JobLimits, place: str) -> Priced:
    try:
        estimate = simulation.estimate(model)
        require_affordable(estimate, limits, where=place)
    except InvalidFieldsError as error:
        return tuple(move_error(one, place) for one in error.errors[:MAX_ERRORS])
    except FieldError as error:
        return (move_error(error, place),)
    except (AdmissionError, InputError) as error:  # too large, or beyond this version
        return (FieldError(place, str(error)),)
    return estimate


def _read_all(
    model: type[BaseModel], points: Sequence[JsonObject | Errors], root: str, offset: int
) -> Sequence[BaseModel | Errors]:
    """Read points in one call; where that is refused, one by one."""
    most_names = len(model.model_fields) + SPARE_NAMES
    if all(isinstance(point, dict) and len(point) <= most_names for point in points):
        text = json.dumps(points)
        if len(text) <= MAX_POINT_BYTES:
            try:
                return list_adapter(model).validate_json(text)
            except ValidationError:
                pass  # each point is asked why
    return [
        _read_one(model, point, root, index) if isinstance(point, dict) else point
        for index, point in enumerate(points, start=offset)
    ]


def _read_one(model: type[BaseModel], point: JsonObject, root: str, index: int) -> BaseModel | Errors:
    most_names = len(model.model_fields) + SPARE_NAMES
    if len(point) > most_names:
        return (FieldError(place_of(root, index), f"should have at most {most_names} parameters"),)
    text = json.dumps([point])
    if len(text) > MAX_POINT_BYTES:
        return (FieldError(place_of(root, index), f"should be at most {MAX_POINT_BYTES} bytes of JSON"),)
    try:
        read: BaseModel = list_adapter(model).validate_json(text)[0]
    except ValidationError as error:
        return tuple(field_errors(error, model, root=root, offset=index, room=MAX_ERRORS))
    return read
