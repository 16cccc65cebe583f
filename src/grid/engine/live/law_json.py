"""Conditions of faces and values as JSON of the case format; `grid.engine.problem.case` reads them."""

from typing import Any

from grid.core.errors import FieldError
from grid.engine.problem.boundaries import Boundary
from grid.engine.values.expression import Expression
from grid.engine.values.value import Constant, Table, Value


def law_json(law: Boundary) -> dict[str, Any]:
    """A condition of a face in the case format."""
    known = {name: getattr(type(law), name) for name in law.optional}
    given = {name: value_json(value) for name, value in law.values.items() if known.get(name) != value}
    return {"type": law.type, **given}


def value_json(value: Value) -> Any:
    """A value in the case format.

    Raises:
        FieldError: A number for each cell, or a function of Python, which JSON cannot hold.
    """
    if isinstance(value, Constant):
        return value.value
    if isinstance(value, Expression):
        return {"expression": value.text}
    if isinstance(value, Table):
        pairs = [list(pair) for pair in zip(value.points, value.values, strict=True)]
        return {"table": pairs, "interpolation": value.interpolation, "of": value.of}
    raise FieldError("law", "numbers, expressions and tables, as a case has them")
