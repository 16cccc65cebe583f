"""Thermo-elasticity on the cells of a grid: plane stress, plane strain and 3D, with a free strain as the load.

    div sigma = 0,    sigma = C (eps(u) - e I)

Finite elements on the cells (`elements.py`): order 2 where they are few, else order 1 with incompatible modes.
Bodies may be masked and heterogeneous. Equations: docs/theory/structure.md.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from grid.core.errors import UnsupportedError
from grid.engine.structural.elasticity.body import ElasticBody, find_held, make_mesh
from grid.engine.structural.elasticity.elements import Element, Stiffness, corner_points, gauss_points, middle_points
from grid.engine.structural.elasticity.free_strain import FreeStrain
from grid.engine.structural.elasticity.recovery import Samples
from grid.engine.structural.elasticity.solution import StressSolution
from grid.engine.structural.elasticity.system import Equations, assemble
from grid.engine.structural.strength import integrity
from grid.engine.values.operations import FloatArray

QUADRATIC_CELLS = {2: 30_000, 3: 512}  # [-] cells by dimension, beyond which elements of order 1 are used
MAX_CELLS = {2: 1_000_000, 3: 300_000}  # [-] cells of a body by dimension at most: about 5 GB
SIX = {2: (0, 1, 3), 3: (0, 1, 2, 3, 4, 5)}  # [-] positions of the components of an element among the six, by dimension


def solve_elasticity(body: ElasticBody, strain: FreeStrain, *, order: int | None = None) -> StressSolution:
    """Displacements and stresses under a free strain; see `ElasticSystem` for many strains of one body."""
    return ElasticSystem(body, order=order).solve(strain)


class ElasticSystem:
    """The equations of a body, assembled and factorised once for any number of free strains.

    Args:
        body: What is strained.
        order: Of the elements, 1 or 2; chosen by size without it.

    Raises:
        SingularError: The body is a mechanism.
        UnsupportedError: More cells than memory is planned for.
    """

    def __init__(self, body: ElasticBody, *, order: int | None = None) -> None:
        cells = np.flatnonzero(body.material.reshape(-1) >= 0)
        if cells.size > MAX_CELLS[body.domain.dimension]:
            raise UnsupportedError(f"elasticity on more than {MAX_CELLS[body.domain.dimension]} cells")
        if order is None:
            order = 2 if cells.size <= QUADRATIC_CELLS[body.domain.dimension] else 1
        self.body, self.cells, self.order = body, cells, order
        self._element = Element(order, body.domain.spacing, body.plane == "stress")
        self._mesh, self._node_numbers = make_mesh(body, cells, order)
        ratios = np.asarray(body.poisson_ratio)[body.material.reshape(-1)[cells]]
        kinds, self._kind = np.unique(ratios, return_inverse=True)
        self._stiffnesses = [self._element.stiffness(float(nu)) for nu in kinds]
        self._modulus = np.asarray(body.young_modulus)[body.material.reshape(-1)[cells]]
        matrices = np.stack([part.matrix for part in self._stiffnesses])
        matrix = assemble(self._mesh, matrices, self._kind, self._modulus)
        self._equations = Equations(self._mesh, matrix, find_held(body, self._mesh))

    def solve(self, strain: FreeStrain) -> StressSolution:
        """Displacements and stresses under a free strain over the cells of the body, in the order of their indices.

        Raises:
            SingularError: The body is a mechanism.
            NotConvergedError: The iteration stops short.
        """
        mesh, kind, modulus = self._mesh, self._kind, self._modulus
        loads, modes = _loads(self._element, self._stiffnesses, kind, strain)
        forces = (modulus[:, None] * loads).reshape(-1)
        force = np.bincount(mesh.freedoms.reshape(-1), forces, mesh.coordinates.size).astype(np.float64)
        found = self._equations.solve(force)
        state = _State(self.body, self.cells, self._stiffnesses, kind, modulus, found[mesh.freedoms], modes, strain)
        return _measure(state, self.order, _displacement(self.body, self.order, self._node_numbers, found))


def _loads(
    element: Element, stiffnesses: list[Stiffness], kind: NDArray[np.intp], strain: FreeStrain
) -> tuple[FloatArray, FloatArray]:
    """Nodal forces for E = 1, and the loads on the modes; cells that an edge cuts are divided into 8^d parts."""
    d = element.dimension
    loads = np.zeros((kind.size, element.nodal_freedoms))
    modes = np.zeros((kind.size, stiffnesses[0].inverse.shape[0]))
    for number, part in enumerate(stiffnesses):
        for is_cut, rule in ((False, gauss_points(3, d)), (True, middle_points(8, d))):
            chosen = np.flatnonzero((kind == number) & (strain.is_cut == is_cut))
            if chosen.size:
                loads[chosen], modes[chosen] = part.load(*rule, strain.sample(rule[0], chosen))
    return loads, modes


@dataclass(frozen=True)
class _State:
    """Displacements and strains from which stresses in the elements are computed."""

    body: ElasticBody
    cells: NDArray[np.intp]
    stiffnesses: list[Stiffness]
    kind: NDArray[np.intp]
    modulus: FloatArray
    displacement: FloatArray
    modes: FloatArray
    strain: FreeStrain

    def stress(self, points: FloatArray) -> FloatArray:
        """All six components at reference points of each cell, shape (6, cells, points) [Pa]."""
        d = self.body.domain.dimension
        out = np.zeros((6, self.cells.size, points.shape[0]))
        free = self._strain_at(points)
        for number, part in enumerate(self.stiffnesses):
            chosen = np.flatnonzero(self.kind == number)
            found = part.stress(points, self.displacement[chosen], self.modes[chosen], free[chosen])
            for row, component in enumerate(SIX[d]):
                out[component, chosen] = self.modulus[chosen, None] * found[row]
        if self.body.plane == "strain":
            nu = np.asarray(self.body.poisson_ratio)[self.body.material.reshape(-1)[self.cells]][:, None]
            out[2] = nu * (out[0] + out[1]) - self.modulus[:, None] * free
        return out

    def _strain_at(self, points: FloatArray) -> FloatArray:
        """Free strain at points of the elements, shape (cells, points).

        Elements of order 1 strain linearly: what a free strain bends beyond that would be left over as stress, so the
        line of its mean and mean slopes is taken. At the Gauss points of order 2 a parabola is its own line.
        """
        everywhere = np.arange(self.cells.size)
        if self.stiffnesses[0].element.order == 2:
            return self.strain.sample(points, everywhere)
        nodes, weights = gauss_points(2, points.shape[1])
        free = self.strain.sample(nodes, everywhere) * weights
        out: FloatArray = free.sum(axis=1)[:, None] + 3.0 * (free @ nodes) @ points.T
        return out


def _measure(state: _State, order: int, displacement: FloatArray) -> StressSolution:
    body, d = state.body, state.body.domain.dimension
    points = gauss_points(2, d)[0] if order == 2 else np.zeros((1, d))
    sampled = state.stress(points)
    corners = _extrapolate(sampled, d) if order == 2 else state.stress(corner_points(d))
    centre = sampled.mean(axis=2)
    largest = np.maximum(integrity.compute_von_mises(corners).max(axis=1), integrity.compute_von_mises(centre))
    stress, peak = np.zeros((6, body.material.size)), np.zeros(body.material.size)
    stress[:, state.cells], peak[state.cells] = centre, largest
    samples = Samples(body.domain, order, state.cells, points, sampled, _groups(state), state.strain.regions)
    shape = body.domain.cells
    return StressSolution(body, displacement, stress.reshape(6, *shape), peak.reshape(shape), order, samples)


def _extrapolate(sampled: FloatArray, dimension: int) -> FloatArray:
    """Corner values of the multilinear function through the Gauss points of each cell."""
    along: FloatArray = 0.5 * np.array([[1 + np.sqrt(3.0), 1 - np.sqrt(3.0)], [1 - np.sqrt(3.0), 1 + np.sqrt(3.0)]])
    full = along
    for _ in range(dimension - 1):
        full = np.asarray(np.kron(full, along), dtype=np.float64)
    out: FloatArray = sampled @ full.T
    return out


def _groups(state: _State) -> NDArray[np.intp]:
    material = state.body.material.reshape(-1)[state.cells]
    marks = np.concatenate([material[None], state.strain.regions.astype(np.intp)])
    group = np.unique(marks, axis=1, return_inverse=True)[1].reshape(-1)
    return np.where(state.strain.is_cut, -1, group)


def _displacement(body: ElasticBody, order: int, numbers: NDArray[np.intp], found: FloatArray) -> FloatArray:
    """Displacement at the corners of all cells, 0 outside the body."""
    d = body.domain.dimension
    full = np.zeros((numbers.size, d))
    full[numbers >= 0] = found.reshape(-1, d)[numbers[numbers >= 0]]
    grid = full.T.reshape(d, *(order * count + 1 for count in body.domain.cells))
    return np.ascontiguousarray(grid[(slice(None), *([slice(None, None, order)] * d))])
