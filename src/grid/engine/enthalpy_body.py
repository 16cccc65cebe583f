r"""Phase change on the cells of a body whose conductances are constant: stages of TR-BDF2 by compiled turns of Newton.

The matrix of a turn, :math:`dH/dT + \tau L`, is a symmetric M-matrix: metal couples its cells strongly, what melts
hardly at all. Its factor keeps the entries that matter: a complete factor of the body with its least heat capacities
tells which, once for each power of four of :math:`\tau`. It serves conjugate gradients, which leave as much of a
residual as the turn is worth; both follow from the state alone, so that a run that goes on gives the same bytes.
"""

import itertools
import math
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from grid.engine import enthalpy_kernels as kernels
from grid.engine.enthalpy_store import Store
from grid.engine.linear import assemble_body
from grid.engine.mesh import cell_volume
from grid.engine.space import Closure, HeatFlow, Loads, Space, split_signs
from grid.engine.state import Bounds
from grid.engine.values import FloatArray

DROPPED = 3e-3  # least entry of the complete factor, with ones on its diagonal, that the incomplete one keeps
LADDER = 4.0  # ratio of the steps that share a pattern
AIM, TIGHTEST, LOOSEST = 1e-2, 1e-11, 1e-5  # of the tolerance: what a stage may leave of its largest change
FORCING = 1e-2  # of a residual that a correction may leave
FILTERED = 1e-1  # of an error that its filter may leave
MOST_TURNS = 200
Indices = NDArray[Any]


@dataclass(frozen=True)
class Surroundings:
    """The loads of a body at one time, over all its boundary faces one after the other.

    Args:
        loads: See `Space.loads`.
        films, references, imposed: Of the closures, for each face.
        own: Conductance of each cell to what is around the body [W/K], in the order of elimination.
        given: Heat into each cell at 0 degrees [W], likewise.
    """

    loads: Loads
    films: FloatArray
    references: FloatArray
    imposed: FloatArray
    own: FloatArray
    given: FloatArray


@dataclass
class ConstantBody:
    """The cells of a body in the order in which they are eliminated, with all that does not change.

    Args:
        store: Of the enthalpies.
        tolerance: Of the run; a stage is solved to a share of it.
    """

    store: Store
    tolerance: float
    _patterns: dict[int, tuple[Indices, Indices]] = field(default_factory=dict, repr=False)
    _known: dict[int, Closure] = field(default_factory=dict, repr=False)

    @property
    def space(self) -> Space:
        return self.store.space

    @property
    def aim(self) -> float:
        """Share of the largest change of a stage that it may leave."""
        return min(max(AIM * self.tolerance, TIGHTEST), LOOSEST)

    @cached_property
    def order(self) -> Indices:
        """Flat indices of the cells of the body, as a minimum-degree ordering eliminates them."""
        from scipy.sparse import linalg

        matrix = self._uncoupled + _diagonal_matrix(np.full(self.space.body_cells.size, 1.0))
        factor = linalg.splu(
            matrix.tocsc(), permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options={"SymmetricMode": True}
        )
        return self.space.body_cells[np.argsort(factor.perm_c)]

    @cached_property
    def _uncoupled(self) -> Any:
        """L without what is around the body; on its cells in their own order, CSC."""
        nothing = Loads(tuple(Closure(0.0, 0.0, 0.0) for _ in self.space.patches), None, b"")
        return assemble_body(self.space, nothing)

    @cached_property
    def places(self) -> Indices:
        """Where in `order` a cell of the grid stands; of no meaning outside the body."""
        out = np.zeros(self.space.capacity.size, np.int64)
        out[self.order] = np.arange(self.order.size)
        return out

    @cached_property
    def neighbours(self) -> tuple[Indices, Indices, FloatArray]:
        """Starts, cells and conductances [W/K] of the neighbours of each cell."""
        at = np.searchsorted(self.space.body_cells, self.order)
        ordered = self._uncoupled[at][:, at].tocsr()
        ordered.setdiag(0.0)
        ordered.eliminate_zeros()
        ordered.sort_indices()
        return ordered.indptr.astype(np.int32), ordered.indices.astype(np.int32), -ordered.data

    @cached_property
    def laws(self) -> tuple[Indices, Indices, FloatArray, FloatArray]:
        """First and last entry of each cell's law, and the laws one after the other: T, and H V [J]."""
        firsts, lasts = (np.zeros(self.space.capacity.size, np.int32) for _ in range(2))
        nodes, contents = list[float](), list[float]()
        for law, inside in self.store.parts:
            firsts[inside], lasts[inside] = len(nodes), len(nodes) + len(law.temperatures)
            nodes += law.temperatures
            contents += law.contents
        volume = cell_volume(self.space.problem.domain)
        return firsts[self.order], lasts[self.order], np.array(nodes), np.array(contents) * volume

    def pattern(self, tau: float) -> tuple[Indices, Indices]:
        """Which entries of a factor matter, by rows."""
        step = math.ceil(math.log(tau) / math.log(LADDER))
        if step not in self._patterns:
            self._patterns[step] = self._find_pattern(LADDER**step)
        return self._patterns[step]

    def _find_pattern(self, tau: float) -> tuple[Indices, Indices]:
        from scipy import sparse
        from scipy.sparse import linalg

        starts, cells, faces = self.neighbours
        shape = (self.order.size,) * 2
        beside = sparse.csr_matrix((-tau * faces, cells, starts), shape)
        least = np.zeros(self.space.capacity.size)
        for law, inside in self.store.parts:
            rises = np.diff(law.contents) / np.maximum(np.diff(law.temperatures), 1e-300)
            least[inside] = rises.min() * cell_volume(self.space.problem.domain)
        diagonal = least[self.order] - np.asarray(beside.sum(axis=1)).ravel()
        factor = linalg.splu(
            (beside + _diagonal_matrix(diagonal)).tocsc(), permc_spec="NATURAL", diag_pivot_thresh=0.0,
            options={"SymmetricMode": True},
        )  # fmt: skip
        matters = factor.L.copy()
        matters.data = np.where(np.abs(matters.data) > DROPPED, 1.0, 0.0)
        own = sparse.csr_matrix((np.ones(cells.size), cells, starts), shape)
        found = sparse.tril(matters + own, -1).tocsr()
        found.eliminate_zeros()
        found.sort_indices()
        return found.indptr.astype(np.int32), found.indices.astype(np.int32)

    @cached_property
    def boundary_faces(self) -> tuple[Indices, Indices, FloatArray, FloatArray]:
        """Of all boundary faces: the cells behind, their places, areas and half conductances."""
        cells = list[Indices]([np.empty(0, np.intp)])
        areas, halves = list[FloatArray]([np.empty(0)]), list[FloatArray]([np.empty(0)])
        for patch, half in zip(self.space.patches, self.space.half_conductance, strict=True):
            cells.append(patch.cells.ravel())
            areas.append(np.full(patch.cells.size, patch.area))
            halves.append(np.broadcast_to(half, patch.cells.shape).ravel())
        behind = np.concatenate(cells)
        return behind, self.places[behind], np.concatenate(areas), np.concatenate(halves)

    def loads(self, time: float) -> Loads:
        """The loads at a time; laws that do not know it are evaluated once."""
        space = self.space
        if space.has_constant_loads:
            return space.loads(time)
        closures = list[Closure]()
        for index, law in enumerate(space.boundaries):
            if any("t" in value.variables for value in law.values.values()):
                closures.append(space.closure(index, time))
                continue
            if index not in self._known:
                self._known[index] = space.closure(index, time)
            closures.append(self._known[index])
        return Loads(tuple(closures), space.source_heat(time), b"", space.prescribed(time))

    def surroundings(self, time: float) -> Surroundings:
        """The loads of a time, over all faces."""
        loads, count = self.loads(time), self.order.size
        _, places, areas, _ = self.boundary_faces
        parts = np.zeros((3, places.size))
        for piece, closure in zip(self._pieces, loads.closures, strict=True):
            for part, values in zip(parts, (closure.transmittance, closure.reference, closure.imposed), strict=True):
                part[piece] = values
        films, references, imposed = parts
        own = np.bincount(places, films * areas, count).astype(np.float64)
        given = np.bincount(places, (films * references + imposed) * areas, count).astype(np.float64)
        if loads.source is not None:
            given = given + loads.source[self.order]
        return Surroundings(loads, films, references, imposed, own, given)

    @cached_property
    def _pieces(self) -> list[slice]:
        """Where the faces of each patch stand."""
        ends = np.cumsum([0, *(patch.cells.size for patch in self.space.patches)])
        return [slice(int(low), int(high)) for low, high in itertools.pairwise(ends)]

    def include(self, bounds: Bounds, around: Surroundings) -> Bounds:
        """The bounds of the maximum principle with what is around the body."""
        holds = around.references[around.films != 0.0]
        return bounds.include(holds) if holds.size else bounds

    def spread(self, values: FloatArray, *, mean: bool = False) -> FloatArray:
        """Values of the cells of the body on the whole grid, with zeros outside or their mean."""
        out = np.full(self.space.capacity.size, float(values.mean()) if mean else 0.0)
        out[self.order] = values
        return out

    def at(self, content: FloatArray, time: float) -> "ConstantMoment":
        """What follows from enthalpies of the grid at a time."""
        own = content[self.order]
        temperature, slope = self._temperatures(own)
        flow, around = np.empty_like(own), self.surroundings(time)
        kernels.find_flow(temperature, *self.neighbours, around.own, around.given, flow)
        total = self._total(temperature, flow, around)
        return ConstantMoment(self, content, temperature, slope, total, around)

    def _temperatures(self, content: FloatArray) -> tuple[FloatArray, FloatArray]:
        temperature, slope = np.empty_like(content), np.empty_like(content)
        kernels.find_temperatures(content, *self.laws, temperature, slope, np.empty(content.size, np.int64))
        return temperature, slope

    def _total(self, temperature: FloatArray, flow: FloatArray, around: Surroundings) -> HeatFlow:
        _, places, areas, _ = self.boundary_faces
        heat = (around.films * (around.references - temperature[places]) + around.imposed) * areas
        source = around.loads.source
        generated = 0.0 if source is None else float(source.sum())
        return HeatFlow(self.spread(flow), *split_signs(heat), generated, (heat,), around.loads.prescribed)

    def solve_stage(
        self, base: FloatArray, known: FloatArray, guess: FloatArray, tau: float, time: float
    ) -> "ConstantMoment | None":
        """The enthalpies with H - base = known + tau f(T(H)); None where Newton's method stalls."""
        around, pattern = self.surroundings(time), self.pattern(tau)
        content = guess[self.order]
        temperature, slope, flow = (np.empty_like(content) for _ in range(3))
        turns = kernels.settle(
            content, base[self.order], known[self.order], tau, self.aim, FORCING, MOST_TURNS, *self.laws,
            *self.neighbours, around.own, around.given, *pattern, np.empty(pattern[1].size), np.empty_like(content),
            temperature, slope, flow,
        )  # fmt: skip
        if turns < 0:
            return None
        total = self._total(temperature, flow, around)
        return ConstantMoment(self, self.spread(content), *self._temperatures(content), total, around)


@dataclass(frozen=True)
class ConstantMoment:
    """Enthalpies at one time with everything that follows from them; arrays of `body` run over its cells.

    Args:
        body: On whose cells.
        content: [J], flat over the grid.
        own_temperature, own_slope: Of the cells, in the order of elimination.
        flow: Of heat, with the faces of all patches in one.
        around: The loads.
    """

    body: ConstantBody
    content: FloatArray
    own_temperature: FloatArray
    own_slope: FloatArray
    flow: HeatFlow
    around: Surroundings

    @cached_property
    def temperature(self) -> FloatArray:
        return self.body.spread(self.own_temperature, mean=True)

    @cached_property
    def slope(self) -> FloatArray:
        """dT/dH [K/J], flat over the grid; 0 outside the body."""
        return self.body.spread(self.own_slope)

    def include(self, bounds: Bounds) -> Bounds:
        return self.body.include(bounds, self.around)

    def surfaces(self) -> tuple[float, float]:
        """Extremes of the surface temperatures."""
        _, places, areas, halves = self.body.boundary_faces
        if not places.size:
            return math.inf, -math.inf
        surface = self.own_temperature[places] + self.flow.faces[0] / (areas * halves)
        return float(surface.min()), float(surface.max())

    def make_solver(self, tau: float) -> "Filter":
        return Filter(self, tau)


@dataclass
class Filter:
    """Solves (I + tau L D) x = right for heat, as well as an estimate needs."""

    moment: ConstantMoment
    tau: float

    @cached_property
    def _factor(self) -> tuple[FloatArray, Indices, Indices, FloatArray, FloatArray]:
        body, moment = self.moment.body, self.moment
        starts, cells, faces = body.neighbours
        rows, columns = body.pattern(self.tau)
        diagonal, pivots = np.empty_like(moment.own_slope), np.empty_like(moment.own_slope)
        lower = np.empty(columns.size)
        kernels.find_diagonal(moment.own_slope, self.tau, starts, faces, moment.around.own, diagonal)
        kernels.factorise(
            diagonal, self.tau, starts, cells, faces, rows, columns, lower, pivots, np.zeros_like(diagonal)
        )
        return diagonal, rows, columns, lower, pivots

    def solve(self, right: FloatArray) -> FloatArray:
        body, slope = self.moment.body, self.moment.own_slope
        own = right[body.order]
        diagonal, rows, columns, lower, pivots = self._factor
        starts, cells, faces = body.neighbours
        aim = FILTERED * float(np.abs(own).max(initial=0.0))
        theta, flow = np.empty_like(own), np.empty_like(own)
        kernels.correct(
            own, diagonal, self.tau, aim, kernels.MOST_TURNS, starts, cells, faces, rows, columns, lower, pivots, theta
        )
        kernels.find_flow(theta, starts, cells, faces, self.moment.around.own, np.zeros_like(own), flow)
        return body.spread(np.where(slope > 0.0, theta / np.where(slope > 0.0, slope, 1.0), own + self.tau * flow))


def _diagonal_matrix(values: FloatArray) -> Any:
    from scipy import sparse

    return sparse.diags(values)
