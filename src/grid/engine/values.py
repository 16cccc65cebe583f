"""Values of the case format: a number, an expression in place, time and temperature, or a table of one of them.

All three answer the same questions (`variables`, `breakpoints`) and are evaluated element by element on arrays.
A value is frozen, compares by content and pickles.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from os import PathLike
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

from grid.core.errors import FieldError
from grid.engine.arguments import as_tuple, find_floats, require_number
from grid.engine.expression_parser import COMPARISONS, FUNCTION_ARITY, Instruction, Kind, parse
from grid.engine.limits import is_number
from grid.engine.phases import ByPhase, HeatCapacity

FloatArray = NDArray[np.float64]
Operand = Any  # float64 scalar or array, or truth values of the same shape

BINARY: dict[str, Callable[[Operand, Operand], Operand]] = {
    "+": np.add,
    "-": np.subtract,
    "*": np.multiply,
    "/": np.divide,
    "<": np.less,
    "<=": np.less_equal,
    ">": np.greater,
    ">=": np.greater_equal,
    "==": np.equal,
    "!=": np.not_equal,
    "&": np.logical_and,
    "|": np.logical_or,
}
_FUNCTIONS: dict[str, Callable[..., Operand]] = {
    name: getattr(np, name) for name in FUNCTION_ARITY if name not in ("erf", "erfc")
}
Argument = Literal["t", "x", "y", "z", "T"]
ARGUMENTS: tuple[Argument, ...] = ("t", "x", "y", "z", "T")
MANY_CELLS = 100_000  # with fewer, NumPy's temporaries stay in the caches and its passes are the faster ones


@dataclass(frozen=True)
class Constant:
    """The same number everywhere and always."""

    value: float

    @property
    def variables(self) -> frozenset[str]:
        return frozenset()

    @property
    def breakpoints(self) -> tuple[float, ...]:
        return ()

    def evaluate(self, _places: dict[str, Operand], /) -> Operand:
        return np.float64(self.value)


@dataclass(frozen=True)
class Table:
    """A function of time, of temperature or of one coordinate, through points.

    Args:
        times: Where the points are, increasing: times [s], coordinates [m], or temperatures in the unit of the problem;
            `points` is another name for them.
        values: At the points, in SI units; temperatures in the unit of the problem.
        interpolation: `linear` holds its ends; `previous` keeps the value of the point before (before the first, its
            own).
        of: The argument: `t`, `x`, `y`, `z` or `T`, the local temperature.
    """

    times: tuple[float, ...]
    values: tuple[float, ...]
    interpolation: Literal["linear", "previous"] = "linear"
    of: Argument = "t"

    def __post_init__(self) -> None:
        for name in ("times", "values"):
            object.__setattr__(self, name, as_tuple(getattr(self, name)))

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.times, self.values, self.interpolation, self.of)  # arrays are made again

    @classmethod
    def from_csv(
        cls,
        path: str | PathLike[str],
        argument: str | None = None,
        value: str | None = None,
        *,
        of: Argument,
        interpolation: Literal["linear", "previous"] = "linear",
        argument_scale: float = 1.0,
        argument_offset: float = 0.0,
        value_scale: float = 1.0,
        value_offset: float = 0.0,
    ) -> Self:
        """Read two columns of a text file with a value for each point, see `grid.engine.io.tables.read_columns`.

        Args:
            path: The file; fields are parted by commas, semicolons or tabulators.
            argument, value: Names of the columns in the first row; without them, the first and the second column.
            of: The argument of the table.
            interpolation: As of the table.
            argument_scale, argument_offset, value_scale, value_offset: What makes the numbers of the file those of the
                problem, `scale * number + offset`: `value_scale=1e3` for kJ/(kg K), `argument_offset=273.15` for
                degrees Celsius in a problem in kelvin.

        Raises:
            FieldError: No such file or column, or a row without two finite numbers; names the line.
        """
        from grid.engine.io.tables import read_columns

        points, values = read_columns(path, argument, value)
        scales = {"argument_scale": argument_scale, "argument_offset": argument_offset}
        scales |= {"value_scale": value_scale, "value_offset": value_offset}
        a, b, c, d = (require_number(name, number) for name, number in scales.items())
        return cls(tuple(a * at + b for at in points), tuple(c * number + d for number in values), interpolation, of)

    @property
    def points(self) -> tuple[float, ...]:
        """Where the values are: arguments in the order of `values`."""
        return self.times

    @property
    def variables(self) -> frozenset[str]:
        return frozenset((self.of,))

    @property
    def breakpoints(self) -> tuple[float, ...]:
        """Times at which a table of time bends or jumps: a step ends exactly there."""
        return self.times if self.of == "t" else ()

    @cached_property
    def arrays(self) -> tuple[FloatArray, FloatArray]:
        """`points` and `values` as arrays, not to be written to."""
        return np.array(self.times, np.float64), np.array(self.values, np.float64)

    def evaluate(self, places: dict[str, Operand], /) -> Operand:
        """The values at any number of arguments, each on its own."""
        at, (points, values) = places[self.of], self.arrays
        if self.interpolation == "linear" and points.size > 1:  # NaN stays NaN, but not in `interp` of one point
            return np.interp(at, points, values)
        found = values[np.maximum(np.searchsorted(points, at, side="right") - 1, 0)]
        return np.where(np.isnan(at), np.nan, found) if np.ndim(at) else np.float64(found)


@dataclass(frozen=True, eq=False)
class Gridded:
    """One number for each cell: a property, a source or an initial field that is known on the grid alone.

    Of the Python interface; the case format has expressions. The numbers are copied and cannot be written to.
    """

    cells: FloatArray

    def __post_init__(self) -> None:
        own = find_floats(self.cells)
        if own is None:
            raise FieldError("cells", "an array of numbers, one for each cell")
        own.setflags(write=False)
        object.__setattr__(self, "cells", own)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Gridded) and np.array_equal(self.cells, other.cells)

    def __hash__(self) -> int:
        return hash((self.cells.shape, self.cells.tobytes()))

    @property
    def variables(self) -> frozenset[str]:
        return frozenset("x")  # it depends on the place, of which every problem has x

    @property
    def breakpoints(self) -> tuple[float, ...]:
        return ()

    def evaluate(self, places: dict[str, Operand], /) -> Operand:
        """All cells, or those that `places["cells"]` indexes."""
        index = places.get("cells")
        return self.cells if index is None else self.cells[index]


@dataclass(frozen=True)
class Expression:
    """A parsed expression.

    Raises:
        ExpressionError: The text is outside the grammar.
        FieldError: It is no text.
    """

    text: str
    code: tuple[Instruction, ...] = field(init=False, repr=False, compare=False)
    kind: Kind = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not isinstance(self.text, str):
            raise FieldError("expression", "a text")
        code, kind = parse(self.text)
        object.__setattr__(self, "code", code)
        object.__setattr__(self, "kind", kind)

    @property
    def variables(self) -> frozenset[str]:
        return frozenset(str(argument) for operation, argument in self.code if operation == "variable")

    @property
    def breakpoints(self) -> tuple[float, ...]:
        return ()

    def evaluate(self, places: dict[str, Operand], /) -> Operand:
        """Run the code on a stack of arrays; what is not finite in a branch that is not picked does no harm.

        On many cells a compiled stack machine runs what concerns every cell, to the same bytes.
        """
        shape = np.broadcast_shapes(*(np.shape(places[name]) for name in self.variables))
        if len(shape) <= 3 and math.prod(shape) >= MANY_CELLS:
            from grid.engine.expression_blocks import evaluate_blocks

            return evaluate_blocks(self.code, self.kind, places, shape)
        return run_code(self.code, places)


def run_code(code: tuple[Instruction, ...], places: dict[str, Operand], *, compare_at: int | None = None) -> Operand:
    """The value of postfix code on a stack of arrays.

    Args:
        code: Of an expression.
        places: Value of each variable.
        compare_at: Index along the first axis at which comparisons are made for all; None where each is made.
    """
    stack: list[Operand] = []
    with np.errstate(all="ignore"):  # the caller refuses what it would use and is not finite
        for operation, argument in code:
            if operation == "constant":
                stack.append(np.float64(argument))
            elif operation == "variable":
                stack.append(places[str(argument)])
            elif operation == "negate":
                stack.append(np.negative(stack.pop()))
            elif operation == "binary":
                right = stack.pop()
                apply = apply_power if argument == "**" else BINARY[str(argument)]
                found = apply(stack.pop(), right)
                if compare_at is not None and argument in COMPARISONS and np.ndim(found):
                    found = np.broadcast_to(found[compare_at], np.shape(found))
                stack.append(found)
            else:
                count = FUNCTION_ARITY[str(argument)]
                operands = stack[-count:]
                del stack[-count:]
                stack.append(apply_call(str(argument), *operands))
    return stack.pop()


def apply_power(base: Operand, exponent: Operand) -> Operand:
    """`base ** exponent`; a square, the most frequent one, is a product."""
    return np.multiply(base, base) if np.ndim(exponent) == 0 and exponent == 2.0 else np.power(base, exponent)


def apply_call(name: str, *operands: Operand) -> Operand:
    """The value of a function of the grammar."""
    if name in ("erf", "erfc"):
        from scipy import special  # NumPy has no error function; only expressions that ask for it pay the import

        return getattr(special, name)(*operands)
    return _FUNCTIONS[name](*operands)


Value = Constant | Table | Expression | Gridded | ByPhase | HeatCapacity


def as_value(value: object) -> Any:
    """Read a number as a `Constant`, a text as an `Expression` and an array as `Gridded`; values pass through.

    What is none of these passes as well, to be refused by a check that knows its name.

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
    """A text as an `Expression`; anything else passes."""
    return Expression(value) if isinstance(value, str) else value


def is_value(value: object) -> bool:
    """Whether something is a value of the case format."""
    return isinstance(value, VALUES)


VALUES = (Constant, Table, Expression, Gridded, ByPhase, HeatCapacity)
NO_VALUE = "a number, an expression, a table or an array with a number for each cell"
