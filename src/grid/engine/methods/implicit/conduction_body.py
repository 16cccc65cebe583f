r"""Stages of the implicit method on the cells of a body whose conductivities or films depend on temperature.

The heat flow of a field is found by compiled loops over the cells and faces of the body alone, see
`grid.engine.space.conduction_kernels`. A stage is corrected by a matrix that was factorised for other temperatures and
for a
step nearby: with the true Jacobian :math:`C + \tau L \,\mathrm{diag}(k)` and the kept one
:math:`C + \tau_0 L\,\mathrm{diag}(k_0)`, every correction leaves the share :math:`|1 - \tau k/(\tau_0 k_0)|` of the
error at most, and by the factor :math:`2/(1 + \tau/\tau_0)` less where only the step differs.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from grid.engine import limits
from grid.engine.limits import Limit
from grid.engine.linear.balance import BalanceSolution
from grid.engine.linear.cholesky import Cholesky, Elimination, find_places
from grid.engine.linear.newton import find_body_matrix
from grid.engine.linear.systems import BodyFactors, BodyLU, LinearSolver
from grid.engine.space import conduction_kernels as kernels
from grid.engine.space.conduction_faces import (
    Behind,
    Joined,
    find_behind,
    find_joined,
    find_neighbours,
    find_space_curves,
)
from grid.engine.space.laws import FaceLaw, HeatFlow, Loads, split_signs
from grid.engine.space.mesh import cell_volume
from grid.engine.space.nonlinear import freeze, freeze_start
from grid.engine.space.space import CELSIUS_ZERO, Space
from grid.engine.values.operations import FloatArray

Indices = NDArray[Any]
# [-] turns at most, matrices of a stage at most, and expected turns from which on a new matrix saves time
TURNS, REFRESHED, MANY = 40, 4, 8.0
# [-] ratio of successive corrections from which on a matrix is renewed, and that assumed where it is unknown
SLOW, UNKNOWN = 0.5, 0.999
ROUNDING = 1e-14  # [-] share of the largest entry by which both triangles of a symmetric matrix may differ
ROUNDINGS = 8.0  # [-] error of a correction, in units in the last place of the largest temperature
# [-] capacity over a diagonal from which on single precision is used; the share of an error that it leaves
LEAST_TIE, ROUGH = 1e-4, 1e-3
KEPT_LOADS = 4  # [-] times whose loads are stored
WARM = 100.0  # [K] absolute temperature at which the strength of radiation is computed from its law


@dataclass(frozen=True)
class Around:
    """Boundary laws, loads and sources that act on a body at one time.

    Args:
        laws: Of all faces, see `conduction_kernels.cross_faces`.
        loads: With the temperatures that bound those of the body, as closures, source and prescribed loads.
        source: Of the cells of the body [W]; None where there is none.
        generated: Their sum [W].
    """

    laws: FloatArray
    loads: Loads
    source: FloatArray | None
    generated: float


class RoughLU(BodyLU):
    """Factorisation in single precision: half of the memory to read, for solutions that are corrected anyway."""

    def __init__(self, matrix: Any, space: Space) -> None:
        self._scale = 1.0 / float(np.abs(matrix.diagonal()).max())
        super().__init__((matrix * self._scale).astype(np.float32), space)

    def solve_own(self, right: FloatArray) -> FloatArray:
        """Solve for the cells of the body; accurate to single precision."""
        size = float(np.abs(right).max(initial=0.0))
        if not size > 0.0:
            return np.zeros_like(right)
        found: FloatArray = self._factors.solve((right / size).astype(np.float32)).astype(np.float64)
        return found * (size * self._scale)

    def solve(self, right: FloatArray) -> FloatArray:
        """Solve for the cells of the grid; zero outside the body."""
        solution = np.zeros(self._size)
        solution[self._body] = self.solve_own(right[self._body])
        return solution


@dataclass
class ConductionBody:
    """Cells of a body with all data that do not change.

    Args:
        space: The problem, for which `is_compiled` holds.
    """

    space: Space
    _around: dict[float, Around] = field(default_factory=dict, repr=False)
    _source: FloatArray | None = None

    def __post_init__(self) -> None:
        found = find_space_curves(self.space)
        if found is None:
            raise ValueError("a property has no curve")
        curves, conductivities, capacities = found
        self.curves = curves.lay_out()
        region = self.space.region
        own = np.zeros(self.cells.size, np.intp) if region is None else region.reshape(-1)[self.cells].astype(np.intp)
        self.cell_curves, self.heat_curves = np.array(conductivities)[own], np.array(capacities)[own]
        self.capacity = np.ascontiguousarray(self.space.capacity[self.cells])
        self.volume = cell_volume(self.space.problem.domain)
        self.offset = CELSIUS_ZERO if self.space.problem.temperature_unit == "degC" else 0.0
        self.has_capacities = bool((self.heat_curves >= 0).any())

    @property
    def cells(self) -> Indices:
        """Flat indices of the cells of the body."""
        return self.space.body_cells

    @cached_property
    def neighbours(self) -> tuple[Indices, Indices, FloatArray]:
        """Neighbours of the cells, see `conduction_faces.find_neighbours`."""
        return find_neighbours(self.space, self.cell_curves)

    @cached_property
    def joined(self) -> Joined:
        """Joined faces, see `conduction_faces.find_joined`."""
        return find_joined(self.space, self.cell_curves)

    @cached_property
    def behind(self) -> Behind:
        """Cells behind the faces of the boundary, see `conduction_faces.find_behind`."""
        return find_behind(self.space, self.cell_curves)

    def join(self, flow: HeatFlow) -> HeatFlow:
        """Heat flow of the space with its faces as in this body."""
        parts = np.concatenate([np.zeros(0), *(np.ravel(part) for part in flow.faces)])
        faces = np.bincount(self.behind.groups, parts, self.behind.cells.size).astype(np.float64)
        return replace(flow, faces=(faces,))

    def around(self, time: float) -> Around:
        """Laws and loads that act on the body at a time [s].

        Raises:
            FieldError: A value that is used there is not finite or outside its limits.
        """
        if time not in self._around:
            while len(self._around) >= KEPT_LOADS:
                self._around.pop(next(iter(self._around)))
            self._around[time] = self._read(time)
        return self._around[time]

    def _read(self, time: float) -> Around:
        space, timed = self.space, self._timed
        laws, lowest, highest = self._laws_at_start
        if timed:
            laws = laws.copy()
        for index in timed:
            merged, own = self._merged[index]
            part = self._read_law(index, time)[:, own]
            laws[:, merged] = part
            low, high = _find_extremes(part)
            lowest, highest = min(lowest, low), max(highest, high)
        source = self._source
        if space.has_source and (source is None or "t" in space.problem.source_term.variables):
            heat = space.source_heat(time)
            source = self._source = None if heat is None else heat[self.cells]
        face_laws = (FaceLaw(1.0, np.array([lowest, highest]), 0.0),) if lowest <= highest else ()
        loads = Loads(face_laws, None, b"", space.prescribed(time))
        return Around(laws, loads, source, 0.0 if source is None else float(source.sum()))

    @cached_property
    def _timed(self) -> list[int]:
        """The patches whose laws depend on time."""
        return [
            index
            for index, law in enumerate(self.space.boundaries)
            if any("t" in value.variables for value in law.values.values())
        ]

    @cached_property
    def _merged(self) -> list[tuple[Indices, Indices]]:
        """For each patch, the faces of `behind` with laws of that patch, and the patch's own faces that give them."""
        behind = self.behind
        found = []
        for piece in behind.pieces:
            here = np.flatnonzero((behind.firsts >= piece.start) & (behind.firsts < piece.stop))
            found.append((here, behind.firsts[here] - piece.start))
        return found

    @cached_property
    def _laws_at_start(self) -> tuple[FloatArray, float, float]:
        """Laws of all faces that do not depend on time, and the extremes of the temperatures that bound the body's."""
        laws = np.zeros((4, self.behind.cells.size))
        lowest, highest = math.inf, -math.inf
        for index, (merged, own) in enumerate(self._merged):
            if index in self._timed:
                continue
            part = self._read_law(index, 0.0)[:, own]
            laws[:, merged] = part
            low, high = _find_extremes(part)
            lowest, highest = min(lowest, low), max(highest, high)
        return laws, lowest, highest

    def _read_law(self, index: int, time: float) -> FloatArray:
        """The law of a patch: film, reference, imposed flux and strength of radiation, see `cross_faces`."""
        size = self.space.patches[index].cells.size
        law = self.space.law(index, time)
        cold = law(-self.offset)
        parts = [
            np.broadcast_to(np.asarray(part, np.float64), size) for part in (cold.film, cold.reference, cold.imposed)
        ]
        strength = np.zeros(size)
        if not self.space.boundaries[index].is_linear:
            warm = np.broadcast_to(np.asarray(law(WARM - self.offset).film, np.float64), size)
            strength = (warm - parts[0]) / (4.0 * WARM**3)
        return np.stack([*parts, strength])

    def find_flow(self, temperature: FloatArray, time: float) -> "Moment | None":
        """The heat flow of a flat field at a time [s]; None where a property is not physical there."""
        return self._at(np.ascontiguousarray(temperature[self.cells]), self.around(time))

    def _at(self, own: FloatArray, around: Around) -> "Moment | None":
        potential, slope, net = (np.empty_like(own) for _ in range(3))
        least, largest = kernels.find_potentials(own, self.cell_curves, *self.curves, potential, slope)
        if not _allows(limits.CONDUCTIVITY, least, largest):
            return None
        kernels.conduct(potential, *self.neighbours, net)
        joined, behind = self.joined, self.behind
        if joined.low.size and not kernels.cross_joints(
            own, joined.low, joined.high, joined.factors, joined.areas, joined.resistances, joined.curves,
            joined.constants, *self.curves, net,
        ):  # fmt: skip
            return None
        heats, slopes = np.empty(behind.cells.size), np.empty(behind.cells.size)
        if not kernels.cross_faces(
            own, potential, slope, behind.cells, behind.factors, behind.areas, behind.curves, behind.constants,
            around.laws, self.offset, *self.curves, net, heats, slopes,
        ):  # fmt: skip
            return None
        if around.source is not None:
            net += around.source
        return Moment(self, own, slope, net, heats, slopes, around)

    def spread(self, values: FloatArray, outside: float = 0.0) -> FloatArray:
        """Values of the cells of the body on the whole grid, and another outside."""
        if self.space.active is None:
            return values
        out = np.full(self.space.capacity.size, outside)
        out[self.cells] = values
        return out

    def settle(
        self, fields: tuple[FloatArray, FloatArray, FloatArray], tau: float, time: float,
        reference: tuple[LinearSolver, float], make_solver: Callable[[FloatArray], LinearSolver], tolerance: float,
    ) -> BalanceSolution | None:  # fmt: skip
        """Find the field T with (heat stored from `base` to T) = known + tau f(T).

        See `grid.engine.linear.iteration.solve_balance`.

        Args:
            fields: `base`, `known` and the guess, flat [K], [J], [K].
            reference: A system solved nearby, and its tau.
            make_solver: Prepares Newton's system at a field, for where that does not do.
            tolerance: Of what the last correction leaves, over the span of temperatures.

        Returns:
            None where it does not settle.
        """
        base, known, guess = (np.ascontiguousarray(part[self.cells]) for part in fields)
        around, stage, largest = self.around(time), (base, self._contents(base), known), float(np.abs(base).max())
        solver, scale, own, fresh = reference[0], 2.0 / (1.0 + tau / reference[1]), guess, 0
        previous, capacity, residual = math.inf, np.empty_like(own), np.empty_like(own)
        for turn in range(1, TURNS + 1):
            moment = self._at(own, around)
            if moment is None or not self._find_residual(moment, stage, tau, capacity, residual):
                return None
            if turn == 1:
                drift = abs(scale - 1.0) + self._find_drift(moment) + ROUGH
                if drift > SLOW:
                    solver, scale, fresh = make_solver(self.spread(own, float(own.mean()))), 1.0, 1
            correction = scale * self._solve(solver, residual)
            size = float(np.abs(correction).max())
            is_first = previous == math.inf
            ratio = size / previous if not is_first else drift if self._is_mild and not fresh else UNKNOWN
            low, high = float(own.min()), float(own.max())
            allowed = tolerance * (high - low + size) + ROUNDINGS * float(np.spacing(max(-low, high, largest)))
            if size * min(1.0, ratio / (1.0 - ratio) if ratio < 1.0 else 1.0) <= allowed:
                return self._close(moment, correction, stage, tau, solver, turn)
            if not is_first and _is_slow(size, ratio, allowed):
                if fresh == REFRESHED:
                    return None
                own = own if ratio < 1.0 else guess
                solver, scale, fresh = make_solver(self.spread(own, float(own.mean()))), 1.0, fresh + 1
                previous = math.inf
                continue
            own, previous = own + correction, size
        return None

    def make_reference(self, tau: float) -> LinearSolver:
        """Prepare the system (C + tau K) x = right with the derivatives of the heat flow at the start of the run."""
        own, is_tied = _tie(*self._at_start, tau)
        if (elimination := self._elimination) is None:
            return (RoughLU if is_tied else BodyLU)(own, self.space)
        return BodyFactors(Cholesky(own, elimination, np.float32 if is_tied else np.float64), self.space)

    def make_solver(self, temperature: FloatArray, time: float, tau: float) -> LinearSolver:
        """Prepare the same system with the derivatives at a flat field."""
        frozen, loads = freeze(self.space, temperature, time)
        own, is_tied = _tie(find_body_matrix(frozen, loads, temperature, time), frozen.capacity[self.cells], tau)
        return (RoughLU if is_tied else BodyLU)(own, self.space)

    @cached_property
    def _elimination(self) -> Elimination | None:
        """Of the matrix of the start; None where it is not symmetric, as where that field drives heat."""
        matrix, _ = self._at_start
        largest, unlike = (float(np.abs(part.data).max(initial=0.0)) for part in (matrix, matrix - matrix.T))
        return Elimination.of(matrix, find_places(self.space)) if unlike <= ROUNDING * largest else None

    @cached_property
    def _at_start(self) -> tuple[Any, FloatArray]:
        """-df/dT [W/K] at the start of the run, CSC over the cells of the body, and their heat capacities [J/K]."""
        start = self.space.initial_temperature()
        frozen, loads = freeze_start(self.space)
        return find_body_matrix(frozen, loads, start, 0.0), frozen.capacity[self.cells]

    def _solve(self, solver: LinearSolver, right: FloatArray) -> FloatArray:
        if isinstance(solver, BodyFactors):
            return solver.solve_own(right)
        return solver.solve(self.spread(right))[self.cells]

    def _find_drift(self, moment: "Moment") -> float:
        """The largest relative change of a conductivity since the start."""
        return float(np.abs(moment.slope / self._slope_at_start - 1.0).max())

    @cached_property
    def _is_mild(self) -> bool:
        """Tell whether nothing but conductivities depends on temperature."""
        return not self.has_capacities and all(law.is_linear for law in self.space.boundaries)

    @cached_property
    def _slope_at_start(self) -> FloatArray:
        own = self.space.initial_temperature()[self.cells]
        slope = np.empty_like(own)
        kernels.find_potentials(own, self.cell_curves, *self.curves, np.empty_like(own), slope)
        return slope

    def _contents(self, base: FloatArray) -> FloatArray:
        """The integral of the heat capacity of each cell up to a field [J/m3]."""
        if not self.has_capacities:
            return base
        contents, slope = np.empty_like(base), np.empty_like(base)
        kernels.find_potentials(base, self.heat_curves, *self.curves, contents, slope)
        return contents

    def _find_residual(
        self, moment: "Moment", stage: tuple[FloatArray, FloatArray, FloatArray], tau: float, capacity: FloatArray,
        out: FloatArray,
    ) -> bool:  # fmt: skip
        """Write the residual of a stage and the heat capacities; False where these are not physical."""
        base, contents, known = stage
        found = kernels.find_residual(
            moment.own, base, contents, known, tau, 1.0, self.capacity, self.heat_curves, self.volume, *self.curves,
            moment.net, capacity, out,
        )  # fmt: skip
        return _allows(limits.VOLUMETRIC_HEAT_CAPACITY, *found)

    def _close(
        self, before: "Moment", correction: FloatArray, stage: tuple[FloatArray, FloatArray, FloatArray], tau: float,
        solver: LinearSolver, turns: int,
    ) -> BalanceSolution | None:  # fmt: skip
        """Field after the last correction, warmed as a whole so that the heat balance is closed.

        What flows into a cell is what it stored over tau, so that the equation of the stage holds to rounding; what
        flows through faces follows their tangents, as the correction did.
        """
        base, contents, known = stage
        own, capacity, left = before.own + correction, np.empty_like(correction), np.empty_like(correction)
        heats = before.heats - before.slopes * correction[self.behind.cells]
        nothing = np.zeros_like(own)
        found = kernels.find_residual(
            own, base, contents, known, tau, 1.0, self.capacity, self.heat_curves, self.volume, *self.curves, nothing,
            capacity, left,
        )  # fmt: skip
        if not _allows(limits.VOLUMETRIC_HEAT_CAPACITY, *found):
            return None
        missing = float(left.sum()) + tau * (float(heats.sum()) + before.around.generated)
        rise = missing / (float(capacity.sum()) + tau * float(before.slopes.sum()))
        own, net = own + rise, (capacity * rise - left) / tau
        heats = heats - before.slopes * rise
        space, loads = self.space, before.around.loads
        if self.has_capacities:
            space = replace(space, capacity=self.spread(capacity), _constant_loads=None)
        flow = HeatFlow(self.spread(net), *split_signs(heats), before.around.generated, (heats,), loads.prescribed)
        return BalanceSolution(self.spread(own, float(own.mean())), flow, loads, space, solver, turns)


@dataclass(frozen=True)
class Moment:
    """Field at one time with its heat flows.

    Args:
        body: On whose cells.
        own: Temperatures of its cells [K].
        slope: Their conductivities where these depend on temperature, else 1.
        net: Net heat into each of them [W].
        heats, slopes: Of the boundary faces, see `conduction_kernels.cross_faces`.
        around: What acts on it.
    """

    body: ConductionBody
    own: FloatArray
    slope: FloatArray
    net: FloatArray
    heats: FloatArray
    slopes: FloatArray
    around: Around

    @property
    def flow(self) -> HeatFlow:
        """Heat flow of the grid at this field."""
        into, out = split_signs(self.heats)
        net, around = self.body.spread(self.net), self.around
        return HeatFlow(net, into, out, around.generated, (self.heats,), around.loads.prescribed)


def _tie(matrix: Any, capacity: FloatArray, tau: float) -> tuple[Any, bool]:
    """Compute C + tau K over the cells of a body, and tell whether each cell's capacity counts in single precision."""
    own = tau * matrix
    own.setdiag(own.diagonal() + capacity)
    return own, float(capacity.min()) >= LEAST_TIE * float(own.diagonal().max())


def _is_slow(size: float, ratio: float, allowed: float) -> bool:
    """Tell whether corrections that shrink by a ratio are still far from convergence."""
    return ratio > SLOW or (ratio > 0.0 and math.log(allowed / size) / math.log(ratio) > MANY)


def _find_extremes(laws: FloatArray) -> tuple[float, float]:
    """Least and largest of the temperatures with which faces exchange heat."""
    holds = laws[1][(laws[0] > 0.0) | (laws[3] > 0.0)]
    return (float(holds.min()), float(holds.max())) if holds.size else (math.inf, -math.inf)


def _allows(limit: Limit, least: float, largest: float) -> bool:
    """Tell whether values from the least to the largest are physical; infinite ones belong to constant properties."""
    if least == math.inf:
        return True
    return limit.minimum < least and largest <= limit.maximum
