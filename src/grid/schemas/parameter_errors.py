"""Errors of a parameter model in Grid's words: which parameter, which limit, in which unit. No value is repeated."""

import re
from collections.abc import Iterator, Sequence
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from grid.core.errors import FieldError

MAX_ERRORS = 20  # of one answer
SPARE_NAMES = 16  # beyond those that a model knows: each unknown one is named in an error, but not thousands
PLAIN_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_\-]{0,63}")


class ParameterError(FieldError):
    """A parameter outside its limits, in the unit that its model declares for it."""

    def __init__(self, field: str, limit: str, unit: str | None = None) -> None:
        Exception.__init__(self, field, limit, unit)
        self.field, self.limit, self.unit = field, limit, unit

    def __str__(self) -> str:
        return f"{self.field}: {self.limit}" + (f" (unit: {self.unit})" if self.unit else "")


def move_error(error: FieldError, where: str) -> ParameterError:
    """Return the error of a field that stands below another place."""
    return ParameterError(f"{where}.{error.field}", error.limit, getattr(error, "unit", None))


def list_errors(error: ValidationError, model: type[BaseModel], *, root: str, room: int) -> Iterator[ParameterError]:
    """Yield at most `room` errors of one set of parameters, named by their path."""
    for detail in error.errors(include_url=False, include_input=False, include_context=False)[:room]:
        yield describe_error(detail, model, detail["loc"], root)


def describe_error(
    detail: ErrorDetails, model: type[BaseModel], path: Sequence[str | int], place: str
) -> ParameterError:
    """Return one error of pydantic's as that of a parameter.

    Args:
        detail: The error.
        model: Of the parameters.
        path: Below the parameters.
        place: Where they stand, such as `params` or `sweep[17]`.
    """
    return ParameterError(place + "".join(map(_step, path)), _limit(detail), find_unit(model, path))


def find_unit(model: type[BaseModel], path: Sequence[str | int]) -> str | None:
    """Find the unit that the schema declares for a field, following nested models."""
    info = find_field(model, path)
    extra = None if info is None else info.json_schema_extra
    unit = extra.get("unit") if isinstance(extra, dict) else None
    return str(unit) if unit is not None else None


def find_field(model: type[BaseModel], path: Sequence[str | int]) -> FieldInfo | None:
    """Find the declaration of a field, following nested models; that of a list for what stands in it."""
    found: FieldInfo | None = None
    current: Any = model
    for part in path:
        fields = getattr(current, "model_fields", None)
        if fields is None and isinstance(part, int):
            continue  # an element of a list is in the list's unit
        if fields is None or part not in fields:
            return None
        found = fields[part]
        current = found.annotation
    return found


def _step(part: str | int) -> str:
    """Return one step of a path; a name that a caller made up and that is not a plain one is not repeated."""
    if isinstance(part, int):
        return f"[{part}]"
    return f".{part}" if PLAIN_NAME.fullmatch(part) else ".(unnamed)"


def _limit(detail: ErrorDetails) -> str:
    """Return the limit of the parameter; a message about unparsable text may quote it, and is not used."""
    if detail["type"] == "extra_forbidden":
        return "is not a known parameter"
    if detail["type"].endswith("_parsing"):
        return "is not valid"
    message = detail["msg"].removeprefix("Value error, ").removeprefix("Input ")
    return "is required" if detail["type"] == "missing" else message
