"""Numbers, texts and arrays read as values."""

from typing import Any

import numpy as np

from grid.engine.limits import is_number
from grid.engine.values.expression import Expression
from grid.engine.values.phase_change import ByPhase, HeatCapacity
from grid.engine.values.value import Constant, Gridded, Table

VALUES = (Constant, Table, Expression, Gridded, ByPhase, HeatCapacity)
NO_VALUE = "a number, an expression, a table or an array with a number for each cell"


def as_value(value: object) -> Any:
    """Read a number as a `Constant`, a text as an `Expression` and an array as `Gridded`; values pass through.

    Other objects pass as well, to be refused by a check that knows the name of the field.

    Raises:
        ExpressionError: A text is outside the grammar.
    """
    if isinstance(value, np.ndarray) and value.ndim:
        return Gridded(value) if value.dtype.kind in "fiub" and value.size else value
    value = value.item() if isinstance(value, np.ndarray) else value
    if isinstance(value, str):
        return Expression(value)
    return Constant(float(value)) if is_number(value) else value


def as_expression(value: object) -> Any:
    """Read a text as an `Expression`; other objects pass."""
    return Expression(value) if isinstance(value, str) else value


def is_value(value: object) -> bool:
    """Tell whether an object is a value of the case format."""
    return isinstance(value, VALUES)
