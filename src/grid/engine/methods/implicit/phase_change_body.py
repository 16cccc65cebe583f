r"""Phase change on the cells of a body whose conductances are constant: stages of TR-BDF2 by compiled turns of Newton.

The matrix of a turn, :math:`dH/dT + \tau L`, is a symmetric M-matrix: metal couples its cells strongly, what melts
hardly at all. Its factor keeps the entries that matter: a complete factor of the body with its least heat capacities
tells which, once for each power of four of :math:`\tau`. It serves conjugate gradients, which leave as much of a
residual as the turn is worth; both follow from the state alone, so that a resumed run gives the same bytes.
"""

import itertools
import math
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from grid.engine.linear.systems import assemble_body
from grid.engine.methods.implicit import phase_change_kernels as kernels
from grid.engine.methods.implicit.phase_change_store import EnthalpyModel
from grid.engine.methods.implicit.phase_conduction import Conduction
from grid.engine.methods.state import Bounds
from grid.engine.space.laws import FaceLaw, HeatFlow, Loads, eliminate_surface, split_signs
from grid.engine.space.mesh import cell_volume
from grid.engine.space.space import Space
from grid.engine.values.operations import FloatArray

DROPPED = 3e-3  # [-] least entry of the complete factor, with ones on its diagonal, that the incomplete one keeps
LADDER = 4.0  # [-] ratio of the steps that share a pattern
# [-] residual of a stage over its largest change: share of the tolerance, least, and largest
AIM, TIGHTEST, LOOSEST = 3e-2, 1e-11, 1e-4
FORCING = 1e-2  # [-] residual after a correction over that before it
FILTERED = 1e-1  # [-] residual of the filter of an error, over the error
MOST_TURNS = 200  # [-] turns of Newton's method at most
# properties of a body that loads do not change
GEOMETRY = frozenset({"order", "_uncoupled", "coordinates", "neighbours", "laws", "boundary_faces", "_pieces"})
INDEX = np.uint32  # of cells: compiled code tests whether a signed index counts from the end
Indices = NDArray[Any]


@dataclass(frozen=True)
class Surroundings:
    """Loads of a body at one time; arrays of faces hold all its boundary faces one after the other.

    The heat into a cell through a face at its potential U [K] is `heats - films U`, of liquid surfaces from the cell's
    potential `thresholds` on `liquid_heats - liquid_films U`.

    Args:
        faces: Heat and films of each face: `films` [W/K], `heats` [W], and where the phases differ in what they conduct
            `liquid_films`, `liquid_heats` and `thresholds` [K]; else these three are empty.
        references: Temperatures around the body, not a number where there is none.
        own: Conductance of each cell to what is around the body [W/K] where its surface is solid, in the order of
            elimination.
        given: Heat into each cell at the potential 0 [W], likewise.
        sources: Of them what no face gives.
        generated: Heat of all sources [W].
        prescribed: See `Loads.prescribed`.
    """

    faces: tuple[FloatArray, ...]
    references: FloatArray
    own: FloatArray
    given: FloatArray
    sources: FloatArray
    generated: float
    prescribed: tuple[float, ...]

    def heat(self, potential: FloatArray) -> FloatArray:
        """Heat through the faces [W] from the potentials of the cells behind them."""
        films, heats, liquid_films, liquid_heats, thresholds = self.faces
        out: FloatArray = heats - films * potential
        return (
            out
            if not thresholds.size
            else np.where(potential < thresholds, out, liquid_heats - liquid_films * potential)
        )


@dataclass
class ConstantBody:
    """Cells of a body in the order in which they are eliminated, with all data that do not change.

    Args:
        store: Of the enthalpies.
        conduction: By one potential, which stands for the temperature in all that follows.
        tolerance: Of the run; a stage is solved to a share of it.
    """

    store: EnthalpyModel
    conduction: Conduction
    tolerance: float
    _patterns: dict[int, tuple[Indices, Indices]] = field(default_factory=dict, repr=False)

    def under(self, store: EnthalpyModel, conduction: Conduction) -> "ConstantBody":
        """The same cells under other loads: what follows from conductances and enthalpies alone is taken over."""
        other = ConstantBody(store, conduction, self.tolerance, self._patterns)
        for name in GEOMETRY & self.__dict__.keys():
            other.__dict__[name] = self.__dict__[name]
        return other

    @property
    def space(self) -> Space:
        """Discretised problem of the store."""
        return self.store.space

    @property
    def aim(self) -> float:
        """Residual that a stage may leave, as a share of its largest change."""
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
        """Matrix L of the body without its surroundings; on its cells in their own order, CSC."""
        nothing = Loads(tuple(FaceLaw(0.0, 0.0, 0.0) for _ in self.space.patches), None, b"")
        return assemble_body(self.conduction.space, nothing)

    @cached_property
    def coordinates(self) -> Indices:
        """Position of each cell of the grid in `order`; of no meaning outside the body."""
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
        return ordered.indptr.astype(INDEX), ordered.indices.astype(INDEX), -ordered.data

    @cached_property
    def laws(self) -> tuple[Indices, Indices, FloatArray, FloatArray]:
        """First and last entry of each cell's law, and the laws one after the other: U [K], and H V [J]."""
        firsts, lasts = (np.zeros(self.space.capacity.size, np.int32) for _ in range(2))
        nodes, contents = list[float](), list[float]()
        for law, inside in self.store.parts:
            firsts[inside], lasts[inside] = len(nodes), len(nodes) + len(law.temperatures)
            nodes += self.conduction.potential(np.array(law.temperatures)).tolist()
            contents += law.contents
        volume = cell_volume(self.space.problem.domain)
        return firsts[self.order], lasts[self.order], np.array(nodes), np.array(contents) * volume

    def pattern(self, tau: float) -> tuple[Indices, Indices]:
        """Entries of a factor that matter, by rows."""
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
            steps = np.diff(self.conduction.potential(np.array(law.temperatures)))
            with np.errstate(over="ignore"):  # nothing conducts in a part where the potential does not rise
                rises = np.diff(law.contents) / np.maximum(steps, 1e-300)
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
        return found.indptr.astype(INDEX), found.indices.astype(INDEX)

    @cached_property
    def boundary_faces(self) -> tuple[Indices, Indices, FloatArray, FloatArray]:
        """Data of all boundary faces: the cells behind, their places, areas and half conductances."""
        cells = list[Indices]([np.empty(0, np.intp)])
        areas, halves = list[FloatArray]([np.empty(0)]), list[FloatArray]([np.empty(0)])
        for patch, half in zip(self.space.patches, self.conduction.space.half_conductance, strict=True):
            cells.append(patch.cells.ravel())
            areas.append(np.full(patch.cells.size, patch.area))
            halves.append(np.broadcast_to(half, patch.cells.shape).ravel())
        behind = np.concatenate(cells)
        return behind, self.coordinates[behind], np.concatenate(areas), np.concatenate(halves)

    def surroundings(self, time: float) -> Surroundings:
        """The loads of a time; loads that do not depend on it are evaluated once."""
        space, known = self.space, self._unchanged
        if space.problem.has_constant_loads:
            return known
        faces, references = tuple(part.copy() for part in known.faces), known.references.copy()
        coordinates, own, given, sources = self.boundary_faces[1], known.own, known.given, known.sources
        for index in self._changing:
            piece = self._pieces[index]
            parts, references[piece] = self._read(index, time)
            for whole, part in zip(faces, parts, strict=True):
                whole[piece if whole.size else slice(0)] = part
            own = own + np.bincount(coordinates[piece], parts[0], own.size)
            given = given + np.bincount(coordinates[piece], parts[1], own.size)
        generated = known.generated
        if self._source_changes:
            sources, generated = self._read_source(time)
            given = given + sources
        return Surroundings(faces, references, own, given, sources, generated, space.prescribed(time))

    @cached_property
    def _source_changes(self) -> bool:
        return "t" in self.space.problem.source_term.variables

    @cached_property
    def _changing(self) -> tuple[int, ...]:
        """The patches whose law depends on time."""
        laws = enumerate(self.space.boundaries)
        return tuple(index for index, law in laws if any("t" in value.variables for value in law.values.values()))

    @cached_property
    def _unchanged(self) -> Surroundings:
        """The loads that do not depend on time; the other patches have nothing."""
        coordinates, count = self.boundary_faces[1], self.order.size
        sizes = (coordinates.size,) * 2 + (0 if self.conduction.ratio == 1.0 else coordinates.size,) * 3
        faces, references = tuple(np.zeros(size) for size in sizes), np.full(coordinates.size, np.nan)
        for index in set(range(len(self.space.patches))) - set(self._changing):
            piece = self._pieces[index]
            parts, references[piece] = self._read(index, 0.0)
            for whole, part in zip(faces, parts, strict=True):
                whole[piece if whole.size else slice(0)] = part
        own, given = (np.bincount(coordinates, part, count).astype(np.float64) for part in faces[:2])
        sources, generated = (np.zeros(count), 0.0) if self._source_changes else self._read_source(0.0)
        return Surroundings(faces, references, own, given + sources, sources, generated, ())

    def _read_source(self, time: float) -> tuple[FloatArray, float]:
        heat = self.space.source_heat(time)
        return (np.zeros(self.order.size), 0.0) if heat is None else (heat[self.order], float(heat.sum()))

    def _read(self, index: int, time: float) -> tuple[tuple[FloatArray, ...], FloatArray]:
        """The parts of `Surroundings.faces` for a patch, and the temperatures around it."""
        conduction, patch = self.conduction, self.space.patches[index]
        law, half = conduction.space.robin(index, time, 0.0), conduction.space.half_conductance[index]
        laws = [eliminate_surface(part, half) for part in conduction.transform(law)]
        parts = list[FloatArray](np.zeros((5, *half.shape)))
        for number, face_law in enumerate(laws):
            parts[2 * number] += face_law.transmittance * patch.area
            parts[2 * number + 1] += (face_law.transmittance * face_law.reference + face_law.imposed) * patch.area
        if len(laws) == 1:
            parts[2:] = list[FloatArray]([np.empty(0)]) * 3
        else:
            parts[4] += conduction.find_thresholds(law, half)
        references = np.where(parts[0] != 0.0, law.reference, np.nan)
        return tuple(part.ravel() for part in parts), np.broadcast_to(references, half.shape).ravel()

    @cached_property
    def _pieces(self) -> list[slice]:
        """Range of the faces of each patch."""
        ends = np.cumsum([0, *(patch.cells.size for patch in self.space.patches)])
        return [slice(int(low), int(high)) for low, high in itertools.pairwise(ends)]

    def include(self, bounds: Bounds, around: Surroundings) -> Bounds:
        """The bounds of the maximum principle with what is around the body."""
        holds = around.references[~np.isnan(around.references)]
        return bounds.include(holds) if holds.size else bounds

    def spread(self, values: FloatArray, *, mean: bool = False) -> FloatArray:
        """Values of the cells of the body on the whole grid, with zeros outside or their mean."""
        out = np.full(self.space.capacity.size, float(values.mean()) if mean else 0.0)
        out[self.order] = values
        return out

    def at(self, content: FloatArray, time: float) -> "ConstantMoment":
        """Temperatures and heat flows that follow from enthalpies of the grid at a time."""
        own, around = content[self.order], self.surroundings(time)
        potential, slope = self._potentials(own)
        films, given, flow = around.own.copy(), around.given.copy(), np.empty_like(own)
        kernels.choose_films(potential, *self._find_surfaces(around), films, given)
        kernels.find_flow(potential, *self.neighbours, films, given, flow)
        return self._make_moment(content, potential, (potential, slope), flow, films, around)

    def _potentials(self, content: FloatArray) -> tuple[FloatArray, FloatArray]:
        potential, slope = np.empty_like(content), np.empty_like(content)
        kernels.find_temperatures(content, *self.laws, potential, slope, np.empty(content.size, np.int64))
        return potential, slope

    def _find_surfaces(self, around: Surroundings) -> kernels.Surfaces:
        """Arguments of `kernels.choose_films`; no faces where both phases have the same conductivity."""
        films, heats, liquid_films, liquid_heats, thresholds = around.faces
        behind = self.boundary_faces[1].astype(INDEX)[: thresholds.size]
        return behind, thresholds, films, heats, liquid_films, liquid_heats, around.sources

    def solve_stage(
        self, base: FloatArray, known: FloatArray, guess: FloatArray, tau: float, time: float
    ) -> "ConstantMoment | None":
        """The enthalpies with H - base = known + tau f(T(H)); None where Newton's method stalls."""
        around, pattern = self.surroundings(time), self.pattern(tau)
        content = guess[self.order]
        potential, slope, flow = (np.empty_like(content) for _ in range(3))
        films, given = around.own.copy(), around.given.copy()
        turns = kernels.settle(
            content, base[self.order], known[self.order], tau, self.aim, FORCING, MOST_TURNS, *self.laws,
            *self.neighbours, self._find_surfaces(around), films, given, *pattern, np.empty(pattern[1].size),
            np.empty_like(content), potential, slope, flow,
        )  # fmt: skip
        if turns < 0:
            return None
        return self._make_moment(self.spread(content), potential, self._potentials(content), flow, films, around)

    def _make_moment(
        self, content: FloatArray, before: FloatArray, state: tuple[FloatArray, FloatArray], flow: FloatArray,
        films: FloatArray, around: Surroundings,
    ) -> "ConstantMoment":  # fmt: skip
        """A moment whose flow is that of the potentials `before`."""
        heat = around.heat(before[self.boundary_faces[1]])
        total = HeatFlow(self.spread(flow), *split_signs(heat), around.generated, (heat,), around.prescribed)
        return ConstantMoment(self, content, *state, total, films, around)


@dataclass(frozen=True)
class ConstantMoment:
    """Enthalpies at one time with everything that follows from them; arrays of `body` run over its cells.

    Args:
        body: On whose cells.
        content: [J], flat over the grid.
        potential, own_slope: Of the cells, in the order of elimination: U [K] and dU/dH [K/J].
        flow: Of heat, with the faces of all patches in one.
        films: Conductance of each cell to what is around the body [W/K].
        around: The loads.
    """

    body: ConstantBody
    content: FloatArray
    potential: FloatArray
    own_slope: FloatArray
    flow: HeatFlow
    films: FloatArray
    around: Surroundings

    @cached_property
    def temperature(self) -> FloatArray:
        """Temperatures of the grid, flat; the mean outside the body."""
        return self.body.spread(self.body.conduction.restore(self.potential), mean=True)

    @cached_property
    def slope(self) -> FloatArray:
        """dT/dH [K/J], flat over the grid; 0 outside the body."""
        return self.body.spread(self.own_slope / self.body.conduction.rate(self.potential))

    def include(self, bounds: Bounds) -> Bounds:
        """Widen the bounds of the maximum principle by the surroundings of the body."""
        return self.body.include(bounds, self.around)

    def surfaces(self) -> tuple[float, float]:
        """Extremes of the surface temperatures."""
        _, coordinates, areas, halves = self.body.boundary_faces
        if not coordinates.size:
            return math.inf, -math.inf
        surface = self.body.conduction.restore(self.potential[coordinates] + self.flow.faces[0] / (areas * halves))
        return float(surface.min()), float(surface.max())

    def make_solver(self, tau: float) -> "Filter":
        """Make the filter of errors for a step."""
        return Filter(self, tau)


@dataclass
class Filter:
    """Solver of (I + tau L D) x = right for heat, to the accuracy of an estimate."""

    moment: ConstantMoment
    tau: float

    @cached_property
    def _factor(self) -> tuple[FloatArray, Indices, Indices, FloatArray, FloatArray]:
        body, moment = self.moment.body, self.moment
        starts, cells, faces = body.neighbours
        rows, columns = body.pattern(self.tau)
        diagonal, pivots = np.empty_like(moment.own_slope), np.empty_like(moment.own_slope)
        lower = np.empty(columns.size)
        kernels.find_diagonal(moment.own_slope, self.tau, starts, faces, moment.films, diagonal)
        kernels.factorise(
            diagonal, self.tau, starts, cells, faces, rows, columns, lower, pivots, np.zeros_like(diagonal)
        )
        return diagonal, rows, columns, lower, pivots

    def solve(self, right: FloatArray) -> FloatArray:
        """Solve for a heat of each cell of the grid [J]; zero outside the body."""
        body, slope = self.moment.body, self.moment.own_slope
        own = right[body.order]
        diagonal, rows, columns, lower, pivots = self._factor
        starts, cells, faces = body.neighbours
        aim = FILTERED * float(np.abs(own).max(initial=0.0))
        theta, flow = np.empty_like(own), np.empty_like(own)
        kernels.correct(
            own, diagonal, self.tau, aim, kernels.MOST_TURNS, starts, cells, faces, rows, columns, lower, pivots, theta
        )
        kernels.find_flow(theta, starts, cells, faces, self.moment.films, np.zeros_like(own), flow)
        return body.spread(np.where(slope > 0.0, theta / np.where(slope > 0.0, slope, 1.0), own + self.tau * flow))


def _diagonal_matrix(values: FloatArray) -> Any:
    from scipy import sparse

    return sparse.diags(values)
