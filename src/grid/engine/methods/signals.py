"""Loads of a linear problem as patterns in place times functions of time that are linear between knots.

With films that are constant in time the balance of a linear problem is, over the cells,

    C dT/dt = -L T + b_0 + sum_j b_j f_j(t)

b_0 is the heat that constant loads bring [W], b_j the heat for each unit of a load that is one number at a time (a
table of time): the reference temperature or the imposed heat of one face, or the source. Between the knots of all
tables each f_j is linear, so a method that knows the modes of the body integrates it exactly.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from grid.engine.mesh import cell_volume
from grid.engine.problem import HeatProblem
from grid.engine.values import FloatArray, Operand, Table, Value

if TYPE_CHECKING:
    from grid.engine.space import Space

FILMS = ("coefficient",)  # names of values that are part of the operator


@dataclass(frozen=True)
class Pattern:
    """Heat into cells for each unit of a load.

    Args:
        value: The load, a function of time alone.
        patch: Index of the patch whose reference or imposed heat it is; None for the source.
        cells: Flat indices of the cells, no cell twice.
        heat: Heat into each of them [W per unit of the load].
        reference: For each face of the patch, how many units of the reference temperature one unit is (0 or 1).
    """

    value: Value
    patch: int | None
    cells: NDArray[np.intp]
    heat: FloatArray
    reference: float

    def spread(self, size: int) -> FloatArray:
        """The heat into every cell [W per unit], flat."""
        out = np.zeros(size)
        out[self.cells] = self.heat
        return out


def list_changing(problem: HeatProblem) -> list[tuple[str, str, Value]]:
    """Loads that depend on time: face (or `source_term`), field and value."""
    found = [("source_term", "", problem.source_term)] if "t" in problem.source_term.variables else []
    for face, law in problem.boundaries.items():
        found += [(face, name, value) for name, value in law.values.items() if "t" in value.variables]
    return found


def find_obstacle(problem: HeatProblem) -> str | None:
    """Reason why the loads are no functions of time that are linear between knots; None if they are."""
    for face, name, value in list_changing(problem):
        path = f"{face}.{name}" if name else face
        if name in FILMS:
            return f"{path} changes in time, and with it the operator"
        if not isinstance(value, Table):
            return f"{path} depends on time otherwise than by a table"
    return None


def count_changing(problem: HeatProblem) -> int:
    """Loads that depend on time, those of one internal law of a masked body counted for each of its patches."""
    return sum(2 * problem.dimension if face == "internal" else 1 for face, _, _ in list_changing(problem))


@dataclass
class Signals:
    """The loads of a problem that depend on time, over its patches.

    Args:
        space: The discretised problem, linear, with films that are constant in time.
        end: Of the run [s].
    """

    space: "Space"
    end: float

    @cached_property
    def patterns(self) -> tuple[Pattern, ...]:
        """One for each patch and each load that depends on time."""
        return tuple(self._patterns())

    def _patterns(self) -> Iterable[Pattern]:
        space, problem = self.space, self.space.problem
        if "t" in problem.source_term.variables:
            active = np.arange(space.capacity.size) if space.active is None else np.flatnonzero(space.active)
            heat = np.full(active.shape, cell_volume(problem.domain))
            yield Pattern(problem.source_term, None, active, heat, 0.0)
        for index, (patch, law) in enumerate(zip(space.patches, space.boundaries, strict=True)):
            for name, value in law.values.items():
                if "t" not in value.variables:
                    continue
                closure = space.loads(0.0).closures[index]
                share = np.asarray(closure.transmittance, np.float64) / space.half_conductance[index]
                is_imposed = law.type == "flux"
                unit: Operand = (1.0 - share) if is_imposed else closure.transmittance
                heat = np.broadcast_to(np.asarray(unit, np.float64) * patch.area, patch.cells.shape)
                yield Pattern(value, index, patch.cells, np.array(heat), 0.0 if is_imposed else 1.0)

    @cached_property
    def knots(self) -> FloatArray:
        """Times from 0 to the end between which every load is linear [s]."""
        inner = [time for pattern in self.patterns for time in pattern.value.breakpoints if 0.0 < time < self.end]
        return np.unique(np.array([0.0, *inner, self.end]))

    def sample(self, times: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Values at the beginning and at the end of each stretch between times, shape (patterns, stretches).

        Args:
            times: Increasing, with all knots that lie between its ends [s].
        """
        shape = (len(self.patterns), times.size - 1)
        low, high = np.zeros(shape), np.zeros(shape)
        for row, pattern in enumerate(self.patterns):
            low[row], high[row] = sample_table(pattern.value, times)
        return low, high


def sample_table(value: Value, times: FloatArray) -> tuple[FloatArray, FloatArray]:
    """A table at the beginning and at the end of each stretch between times, as it is seen from inside."""
    if not isinstance(value, Table):
        raise TypeError("a load that is linear between knots is a table")
    if value.interpolation == "linear":
        at = np.interp(times, value.times, value.values)
        return at[:-1], at[1:]
    entries = np.maximum(np.searchsorted(value.times, times[:-1], side="right") - 1, 0)
    held = np.asarray(value.values)[entries]
    return held, held
