"""Values of the case format that are not expressions: a number, a table, and a number for each cell.

Every value has the same members (`Value`) and is evaluated element by element on arrays. It is frozen, compares
by content and pickles.
"""

from dataclasses import dataclass
from functools import cached_property
from os import PathLike
from typing import Any, Literal, Protocol, Self

import numpy as np

from grid.core.errors import FieldError
from grid.engine.arguments import as_tuple, find_floats, require_number
from grid.engine.values.operations import FloatArray, Operand

Argument = Literal["t", "x", "y", "z", "T"]
ARGUMENTS: tuple[Argument, ...] = ("t", "x", "y", "z", "T")


class Value(Protocol):
    """A property, a load or a field of a problem; hashable, and compared by content."""

    def __hash__(self) -> int: ...

    @property
    def variables(self) -> frozenset[str]:
        """Variables that the value depends on, of `ARGUMENTS`."""

    @property
    def breakpoints(self) -> tuple[float, ...]:
        """Times at which the value bends or jumps, as far as they are listed [s]."""

    def evaluate(self, coordinates: dict[str, Operand], /) -> Operand:
        """Evaluate the value, element by element.

        Args:
            coordinates: Value of each variable by its name, scalars or arrays that broadcast; `cells` indexes the
                cells of a `Gridded`.
        """


@dataclass(frozen=True)
class Constant:
    """The same number everywhere and always."""

    value: float

    @property
    def variables(self) -> frozenset[str]:
        """Empty: a number depends on nothing."""
        return frozenset()

    @property
    def breakpoints(self) -> tuple[float, ...]:
        """Empty: a number never changes."""
        return ()

    def evaluate(self, _places: dict[str, Operand], /) -> Operand:
        """Return the number, whatever the places."""
        return np.float64(self.value)


@dataclass(frozen=True)
class Table:
    """A function of time, of temperature or of one coordinate, through points.

    Args:
        times: Arguments, increasing: times [s], coordinates [m], or temperatures in the unit of the problem;
            `points` is another name for them.
        values: Values at the points, in SI units; temperatures in the unit of the problem.
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
        return type(self), (self.times, self.values, self.interpolation, self.of)  # a copy computes its arrays anew

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
        """Read two columns of a text file with a value for each point, see `csv_columns.read_columns`.

        Args:
            path: The file; fields are separated by commas, semicolons or tabulators.
            argument, value: Names of the columns in the first row; without them, the first and the second column.
            of: The argument of the table.
            interpolation: As of the table.
            argument_scale, argument_offset, value_scale, value_offset: Conversion of numbers of the file to those of
                the problem, `scale * number + offset`: `value_scale=1e3` for kJ/(kg K), `argument_offset=273.15` for
                degrees Celsius in a problem in kelvin.

        Raises:
            FieldError: No such file or column, or a row without two finite numbers; names the line.
        """
        from grid.engine.values.csv_columns import read_columns

        points, values = read_columns(path, argument, value)
        scales = {"argument_scale": argument_scale, "argument_offset": argument_offset}
        scales |= {"value_scale": value_scale, "value_offset": value_offset}
        a, b, c, d = (require_number(name, number) for name, number in scales.items())
        return cls(tuple(a * at + b for at in points), tuple(c * number + d for number in values), interpolation, of)

    @property
    def points(self) -> tuple[float, ...]:
        """Arguments of the points, in the order of `values`."""
        return self.times

    @property
    def variables(self) -> frozenset[str]:
        """The argument of the table."""
        return frozenset((self.of,))

    @property
    def breakpoints(self) -> tuple[float, ...]:
        """Times at which a table of time bends or jumps: a step ends exactly there."""
        return self.times if self.of == "t" else ()

    @cached_property
    def arrays(self) -> tuple[FloatArray, FloatArray]:
        """`points` and `values` as arrays, not to be written to."""
        return np.array(self.times, np.float64), np.array(self.values, np.float64)

    def evaluate(self, coordinates: dict[str, Operand], /) -> Operand:
        """Evaluate the table at any number of arguments, each on its own."""
        at, (points, values) = coordinates[self.of], self.arrays
        if self.interpolation == "linear" and points.size > 1:  # NaN stays NaN, but not in `interp` of one point
            return np.interp(at, points, values)
        found = values[np.maximum(np.searchsorted(points, at, side="right") - 1, 0)]
        return np.where(np.isnan(at), np.nan, found) if np.ndim(at) else np.float64(found)


@dataclass(frozen=True, eq=False)
class Gridded:
    """One number for each cell: a property, a source or an initial field that is known on the grid alone.

    Only in the Python interface; the case format has expressions. The numbers are copied and cannot be written to.
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
        """Place, represented by the coordinate that every problem has."""
        return frozenset("x")  # it depends on the place, of which every problem has x

    @property
    def breakpoints(self) -> tuple[float, ...]:
        """Empty: the numbers do not change in time."""
        return ()

    def evaluate(self, coordinates: dict[str, Operand], /) -> Operand:
        """Return all cells, or those that `places["cells"]` indexes."""
        index = coordinates.get("cells")
        return self.cells if index is None else self.cells[index]
