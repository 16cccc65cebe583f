"""The points of a sweep as they are checked and stored: each over what all share, with dotted names put into place."""

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from grid.core.errors import AdmissionError, FieldError, InvalidFieldsError
from grid.schemas.jobs import JsonObject
from grid.schemas.parameter_errors import MAX_ERRORS, ParameterError
from grid.schemas.paths import is_path, merge_point
from grid.schemas.wire import SubmissionIn

MAX_COMMON_BYTES = 32 * 2**20  # of common parameters, written once for each point: twice the largest body


def merge_points(submission: SubmissionIn) -> list[JsonObject]:
    """Return the parameters of each job.

    Raises:
        AdmissionError: The common parameters, repeated for each point, are more than a sweep may store.
        InvalidFieldsError: A dotted name leads nowhere, with the point it belongs to; 20 at most.
    """
    common, points = submission.params or {}, submission.sweep
    if points is None:
        points, common = [common], {}
    if not common and not any(is_path(name) for point in points for name in point):
        return list(points)
    require_small_common(submission)
    merged: list[JsonObject] = []
    errors: list[FieldError] = []
    for index, point in enumerate(points):
        try:
            merged.append(merge_point(common, point))
        except FieldError as error:
            place = "params" if submission.sweep is None else f"sweep[{index}]"
            errors.append(FieldError(f"{place}.{error.field}", error.limit))
            if len(errors) == MAX_ERRORS:
                break
    if errors:
        raise InvalidFieldsError(tuple(errors))
    return merged


def require_small_common(submission: SubmissionIn) -> None:
    """Refuse common parameters that are too large to be written once for each point.

    Raises:
        AdmissionError: They are.
    """
    if submission.sweep is None or not submission.params:
        return
    size = len(json.dumps(submission.params)) * len(submission.sweep) / 2**20
    if size > MAX_COMMON_BYTES / 2**20:
        raise AdmissionError("params, repeated for each point of sweep", size, MAX_COMMON_BYTES / 2**20, "MiB")


@contextmanager
def naming_common(submission: SubmissionIn) -> Iterator[None]:
    """Let an error in a parameter that all points share name `params` once, not each point."""
    try:
        yield
    except InvalidFieldsError as error:
        raise InvalidFieldsError(rename_common(error.errors, submission)) from error


def rename_common(errors: Iterable[FieldError], submission: SubmissionIn) -> tuple[FieldError, ...]:
    """Return errors with those in parameters that all points share named `params`, each once."""
    if submission.sweep is None or not submission.params:
        return tuple(errors)
    renamed = (_rename(one, submission.params, submission.sweep) for one in errors)
    return tuple({one.field: one for one in renamed}.values())


def _rename(error: FieldError, common: JsonObject, sweep: list[JsonObject]) -> FieldError:
    """Return an error of `sweep[17].length` as one of `params.length`, where the point itself does not set it."""
    place, dot, path = error.field.partition("].")
    index = place.removeprefix("sweep[")
    if not dot or not index.isdecimal():
        return error
    first = path.partition(".")[0].partition("[")[0]
    own = {name.partition(".")[0].partition("[")[0] for name in sweep[int(index)]}
    if first not in common or first in own:
        return error
    return ParameterError(f"params.{path}", error.limit, getattr(error, "unit", None))
