"""Interface between a live run and the methods that advance its field by a tick."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from grid.engine.space.laws import Loads
from grid.engine.values.operations import FloatArray

if TYPE_CHECKING:
    from grid.engine.space.space import Space


class Window(NamedTuple):
    """Positions of the cells of a box in a flat array, for compiled loops.

    The cell (p, r, c) stands at ``first + p * plane + r * row + c``; boxes of fewer than three axes have one plane, and
    one row in 1D.
    """

    planes: int
    rows: int
    columns: int
    plane: int
    row: int
    first: int

    @classmethod
    def of_padded(cls, shape: tuple[int, ...], ghosts: int = 0) -> "Window":
        """The window of a C-contiguous array with so many ghosts on either side of every axis of a box."""
        planes, rows, columns = (1, 1, *shape)[-3:]
        axes = len(shape)
        row = columns + 2 * ghosts
        plane = (rows + (2 * ghosts if axes > 1 else 0)) * row
        first = ghosts + (ghosts * row if axes > 1 else 0) + (ghosts * plane if axes > 2 else 0)
        return cls(planes, rows, columns, plane, row, first)


@dataclass(frozen=True)
class TickField:
    """The temperatures of a run at a tick, in the form in which a method stores them. Not to be written to.

    Args:
        values: Flat array that holds the cells at the places of the stepper's window, and ghosts between them [K].
        before: Array like it with the field one step earlier, where the method has it: the last change of each cell.
        rate: Rate of change of the cells at this field [K/s], in the form of the method, where it keeps one.
        rate_of: The stepper and the loads for which `rate` holds; under others it is computed again, to the bytes that
            it has for equal ones.
        content: Enthalpy of each cell [J], flat, where a material melts.
    """

    values: FloatArray
    before: FloatArray | None = None
    rate: FloatArray | None = None
    rate_of: tuple[object, Loads] | None = None
    content: FloatArray | None = None


@dataclass(frozen=True)
class ActingLoads(Loads):
    """Loads of a method that evaluates them at its own temperatures.

    Args:
        space: The body with all that acts on it; its laws of faces stand for `face_laws`.
    """

    space: "Space | None" = None


class TickHeat(NamedTuple):
    """Heat of one tick [J per unit of section], as the scheme applied it, and the largest error of the tick [K]."""

    boundary_in: float
    boundary_out: float
    generated: float
    error: float
    substeps: int = 1


class TickStepper(Protocol):
    """A method with the same work every tick. It holds coefficients that follow from the plan, and no state of a run.

    Loads are constant within a tick. The same field and loads give the same bytes whatever was advanced before, and
    whatever the number of threads.
    """

    name: str

    @property
    def window(self) -> Window:
        """Places of the cells in the arrays of its fields."""

    def wrap(self, temperature: FloatArray, content: FloatArray | None = None) -> TickField:
        """A flat field in the form of the method; the array is copied.

        Args:
            temperature: Of each cell.
            content: Enthalpy of each cell [J] where a material melts; that of cells that never have if None.
        """

    def unwrap(self, field: TickField) -> FloatArray:
        """The flat field, C order, copied."""

    def advance(self, field: TickField, loads: Loads, tick: float, substeps: int = 1) -> tuple[TickField, TickHeat]:
        """Advance by a tick [s] under constant loads; `field` is left as it was.

        Args:
            field: At the beginning of the tick.
            loads: Laws of the faces (transmittance, reference, imposed) and the source V q [W] of each cell, flat.
            tick: Length [s].
            substeps: Super-steps into which the tick is cut, where the method takes them.
        """

    def release(self, field: TickField) -> None:
        """Take the arrays of a field that nobody needs any more, to use them again."""

    def find_rise(self, field: TickField, pivot: float) -> float | None:
        """Heat above a temperature [J]; None where heat capacities are constant, so that a look at the field tells."""


def find_cell(window: Window, place: int) -> tuple[int, int, int]:
    """Plane, row and column of the cell at a position in the flat array."""
    plane, rest = divmod(place - window.first, window.plane)
    row, column = divmod(rest, window.row)
    return plane, row, column


def take_cells(window: Window, values: FloatArray) -> FloatArray:
    """The cells of a flat array, shape (planes, rows, columns); a view."""
    item = values.itemsize
    view: NDArray[np.float64] = np.lib.stride_tricks.as_strided(
        values[window.first :],
        (window.planes, window.rows, window.columns),
        (window.plane * item, window.row * item, item),
        writeable=False,
    )
    return view
