"""Loads of a linear problem as patterns in place times functions of time that are linear between knots.

With films that are constant in time the balance of a linear problem is, over the cells,

    C dT/dt = -L T + b(0) + sum_j b_j (f_j(t) - f_j(0))

b_j is the heat for each unit of one function of time: a table or an expression of time by itself, or one of the
products of which an expression of place and time is made (`grid.engine.values.separation`). Expressions of time are
approximated by straight lines to a share of the tolerance (`grid.engine.values.tabulate`), so a method that has the
modes of a body integrates all loads exactly.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from grid.core.errors import FieldError
from grid.engine.problem.problem import HeatProblem
from grid.engine.space.mesh import cell_volume
from grid.engine.values.expression import Expression
from grid.engine.values.operations import FloatArray, Operand
from grid.engine.values.separation import separate
from grid.engine.values.tabulate import Signal, make_signal
from grid.engine.values.value import Constant, Table, Value

if TYPE_CHECKING:
    from grid.engine.space.laws import Loads
    from grid.engine.space.space import Space

SOURCE = "source_term"
SHARE = 0.05  # [-] times the tolerance: error of an expression that is approximated by straight lines


@dataclass(frozen=True)
class Load:
    """A load that changes in time, or one product of it.

    Args:
        face: Face of the load; `source_term` for the source.
        name: Field of the face's law; empty for the source.
        place: Its function of place.
        signal: Its function of time.
    """

    face: str
    name: str
    place: Value
    signal: Signal


@dataclass(frozen=True)
class Pattern:
    """Heat into cells for each unit of a load.

    Args:
        load: Load of the pattern.
        patch: Index of the patch with this reference or imposed heat; None for the source.
        cells: Flat indices of the cells, no cell twice.
        heat: Heat into each of these cells [W per unit of the load].
        reference: Reference temperature for one unit of the load, for each face; None where it is imposed heat.
    """

    load: Load
    patch: int | None
    cells: NDArray[np.intp]
    heat: FloatArray
    reference: FloatArray | None

    def spread(self, size: int) -> FloatArray:
        """Return the heat into every cell [W per unit], flat."""
        out = np.zeros(size)
        out[self.cells] = self.heat
        return out


def list_changing(problem: HeatProblem) -> list[tuple[str, str, Value]]:
    """List the loads that depend on time: face (or `source_term`), field and value."""
    found = [(SOURCE, "", problem.source_term)] if "t" in problem.source_term.variables else []
    for face, law in problem.boundaries.items():
        found += [(face, name, value) for name, value in law.values.items() if "t" in value.variables]
    return found


def split_loads(problem: HeatProblem, end: float, tolerance: float) -> tuple[Load, ...] | str:
    """Split the loads that change in time into products; or say in words which load cannot be split.

    Args:
        problem: Linear problem.
        end: End of the run [s].
        tolerance: Tolerance of the run.
    """
    found: list[Load] = []
    for face, name, value in list_changing(problem):
        path = f"{face}.{name}" if name else face
        if face in problem.boundaries and name in problem.boundaries[face].films:
            return f"{path} changes in time, and with it the operator"
        products: tuple[tuple[Value, Value], ...] | None = ((Constant(1.0), value),)
        if value.variables != {"t"}:
            parts = separate(value) if isinstance(value, Expression) else None
            products = None if parts is None else tuple((part.place, part.time) for part in parts)
        if products is None:
            return f"{path} is no sum of functions of place times functions of time"
        try:
            found += [
                Load(face, name, place, make_signal(time, end, SHARE * tolerance, path))
                for place, time in products
                if "t" in time.variables
            ]
        except FieldError as error:
            return str(error)
    return tuple(found)


@dataclass
class Signals:
    """The loads of a problem that change in time, on its grid.

    Args:
        space: The discretised problem, linear, with films that are constant in time.
        loads: From `split_loads`.
        end: End of the run [s].
    """

    space: "Space"
    loads: tuple[Load, ...]
    end: float

    def begin(self, time: float) -> "Loads":
        """Compute the loads at the start of a run, from inside.

        Raises:
            FieldError: A load is not finite there, or outside its limits.
        """
        return self.space.loads(self.find_begin(time))

    def find_begin(self, time: float) -> float:
        """Choose the time at which the start of a run is evaluated from inside [s]."""
        if all(isinstance(value, Table) for _, _, value in list_changing(self.space.problem)):
            return time  # a table has its value to the right of a knot there
        return time + max(1e-13 * (self.end - time), 4.0 * float(np.spacing(max(abs(time), self.end))))

    @cached_property
    def patterns(self) -> tuple[Pattern, ...]:
        """Patterns of the loads, one for each load and patch.

        Raises:
            FieldError: A pattern is not finite.
        """
        return tuple(self._make_patterns())

    def _make_patterns(self) -> Iterator[Pattern]:
        space = self.space
        for load in self.loads:
            if load.face == SOURCE:
                heat = _find_source(space, load)
                cells = space.body_cells[heat[space.body_cells] != 0.0]
                yield Pattern(load, None, cells, _require_finite(load, heat[cells]), None)
        face_laws = self.begin(0.0).face_laws if any(load.face != SOURCE for load in self.loads) else ()
        for index, face_law in enumerate(face_laws):
            patch = space.patches[index]
            for load in self.loads:
                if load.face != patch.name:
                    continue
                is_imposed = space.boundaries[index].has_fluxes
                unit = _find_unit(space, index, load)
                share: Operand = face_law.transmittance
                if is_imposed:
                    share = 1.0 - np.asarray(face_law.transmittance) / space.half_conductance[index]
                heat = _require_finite(load, share * unit * patch.area)
                yield Pattern(load, index, patch.cells, heat, None if is_imposed else unit)

    @cached_property
    def knots(self) -> FloatArray:
        """Times from 0 to the end between which every load is linear [s]."""
        inner = [load.signal.knots[1:-1] for load in self.loads]
        return np.unique(np.concatenate([[0.0], *inner, [self.end]]))

    def sample(self, times: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Sample the functions of all patterns at both ends of stretches, shape (patterns, stretches).

        Args:
            times: Increasing times, with all knots that lie between its ends [s].
        """
        known = {id(load): load.signal.sample(times) for load in self.loads}
        shape = (len(self.patterns), times.size - 1)
        low, high = np.zeros(shape), np.zeros(shape)
        for row, pattern in enumerate(self.patterns):
            low[row], high[row] = known[id(pattern.load)]
        return low, high


def _find_source(space: "Space", load: Load) -> FloatArray:
    """Compute the heat into each cell for each unit of a source [W per unit], as `Space.source_heat` does, flat."""
    if isinstance(load.place, Constant):
        return np.full(space.capacity.size, load.place.value * cell_volume(space.problem.domain))
    alone = replace(space, problem=replace(space.problem, source_term=load.place), _constant_loads=None)
    heat = alone.source_heat(0.0)
    return np.zeros(space.capacity.size) if heat is None else heat


def _find_unit(space: "Space", index: int, load: Load) -> FloatArray:
    """Compute a reference temperature or imposed flux at the faces of a patch for each unit, as `Space.law` does."""
    patch, law = space.patches[index], space.boundaries[index]
    if isinstance(load.place, Constant):
        return np.full(patch.cells.shape, load.place.value)
    if not law.has_fluxes:
        with np.errstate(all="ignore"):
            found: Operand = load.place.evaluate(patch.coordinates)
    else:
        laws = {**space.problem.boundaries, load.face: replace(law, value=load.place)}  # type: ignore[call-arg]
        alone = replace(space, problem=replace(space.problem, boundaries=laws), _constant_loads=None)
        found = alone.robin(index, 0.0, 0.0).imposed
    return np.array(np.broadcast_to(np.asarray(found, np.float64), patch.cells.shape))


def _require_finite(load: Load, heat: FloatArray) -> FloatArray:
    if not np.isfinite(heat).all():
        raise FieldError(f"{load.face}.{load.name}" if load.name else load.face, "finite everywhere")
    return heat
