"""Equations of elasticity on a grid: assembly, supports and solution."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from grid.engine.errors import NotConvergedError, SingularError
from grid.engine.structural.elasticity.rigid import choose_pins, find_free_motions, make_rigid_modes
from grid.engine.values.operations import FloatArray

# [-] freedoms by dimension, beyond which the fill of a factorisation costs more than the iteration
DIRECT_FREEDOMS = {2: 400_000, 3: 15_000}
TOLERANCE = 1e-9  # [-] residual of the iteration over the forces
MAX_ITERATIONS = 400  # [-] iterations at most
DIRECT_LIMIT = 1e-6  # [-] residual over the forces, beyond which the equations are singular
MECHANISM = ("a part of the body can move freely", "support it or join it")


@dataclass(frozen=True)
class Mesh:
    """Nodes of the body.

    Args:
        coordinates: Shape (nodes, d) [m].
        elements: Nodes of each element, shape (elements, nodes of one).
        part: Connected part of each node.
    """

    coordinates: FloatArray
    elements: NDArray[np.intp]
    part: NDArray[np.intp]

    @property
    def dimension(self) -> int:
        """Number of axes."""
        return int(self.coordinates.shape[1])

    @property
    def freedoms(self) -> NDArray[np.intp]:
        """Freedoms of each element, shape (elements, nodes d): axes within nodes."""
        d = self.dimension
        out: NDArray[np.intp] = (self.elements[:, :, None] * d + np.arange(d)).reshape(self.elements.shape[0], -1)
        return out


def assemble(mesh: Mesh, matrices: FloatArray, kind: NDArray[np.intp], scale: FloatArray) -> Any:
    """Sum of scale times the matrix of its kind over all elements, as CSR.

    Args:
        matrices: One for each kind, shape (kinds, n, n).
        kind, scale: Of each element.
    """
    from scipy import sparse

    size, freedoms = mesh.coordinates.size, mesh.freedoms.astype(np.int32)
    n = freedoms.shape[1]
    total = sparse.csr_matrix((size, size))
    block = max(1, 8_000_000 // n**2)  # entries before duplicates are added, so that memory stays near the sum's
    for start in range(0, freedoms.shape[0], block):
        part = slice(start, start + block)
        rows = np.repeat(freedoms[part], n, axis=1).reshape(-1)
        columns = np.tile(freedoms[part], (1, n)).reshape(-1)
        entries = (scale[part, None, None] * matrices[kind[part]]).reshape(-1)
        total = total + sparse.csr_matrix((entries, (rows, columns)), shape=(size, size))
    return total


class Equations:
    """Assembled equations, ready for any number of loads.

    Held freedoms are 0; rigid motions that the supports leave are no stress and are taken out of displacements.

    Args:
        mesh: The nodes.
        matrix: From `assemble`.
        is_held: Freedoms that the supports hold.

    Raises:
        SingularError: The body is a mechanism.
    """

    def __init__(self, mesh: Mesh, matrix: Any, is_held: NDArray[np.bool_]) -> None:
        self._matrix, self._is_held = matrix, is_held
        modes = make_rigid_modes(mesh.coordinates, mesh.part)
        self._motions = find_free_motions(modes, is_held)
        if mesh.coordinates.size <= DIRECT_FREEDOMS[mesh.dimension]:
            self._invert = self._factorise()
        else:
            self._invert = self._make_iteration(mesh.dimension, modes)

    def solve(self, force: FloatArray) -> FloatArray:
        """Displacements of all freedoms under nodal forces that balance wherever the body is free [m].

        Raises:
            SingularError: The body is a mechanism.
            NotConvergedError: The iteration stops short.
        """
        force = np.where(self._is_held, 0.0, force)
        force = force - self._motions @ (self._motions.T @ force)  # what is left of a balanced load is rounding
        size = float(np.linalg.norm(force))
        if size == 0.0:
            return np.zeros_like(force)
        found = self._invert(force / size)  # sizes far from 1 would meet the iteration's own limits
        out: FloatArray = size * (found - self._motions @ (self._motions.T @ found))
        return out

    def _factorise(self) -> Callable[[FloatArray], FloatArray]:
        """A sparse factorisation, with as many freedoms pinned as there are free motions."""
        from scipy.sparse.linalg import splu

        pinned = self._is_held.copy()
        if self._motions.shape[1]:
            pinned[choose_pins(self._motions)] = True
        kept = np.flatnonzero(~pinned)
        reduced = self._matrix[kept][:, kept].tocsc()
        options = {"SymmetricMode": True}
        try:
            factors = splu(reduced, permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options=options)
        except RuntimeError as error:
            raise SingularError(*MECHANISM) from error

        def invert(force: FloatArray) -> FloatArray:
            found = np.zeros_like(force)
            found[kept] = factors.solve(force[kept])
            residual = float(np.linalg.norm((self._matrix @ found - force)[~self._is_held]))
            if not residual <= DIRECT_LIMIT:
                raise SingularError(*MECHANISM)
            return found

        return invert

    def _make_iteration(self, dimension: int, modes: FloatArray) -> Callable[[FloatArray], FloatArray]:
        """Conjugate gradients, preconditioned by smoothed aggregation with the rigid modes (Vanek et al. 1996).

        Free motions stay in: the load does not excite them, and the coarsest level is solved by a pseudo-inverse.
        """
        import pyamg
        from scipy import sparse
        from scipy.sparse.linalg import cg

        free = sparse.diags_array((~self._is_held).astype(np.float64))
        diagonal = sparse.diags_array(np.where(self._is_held, self._matrix.diagonal(), 0.0))
        held = (free @ self._matrix @ free + diagonal).tobsr(blocksize=(dimension, dimension))
        near_null = np.where(self._is_held[:, None], 0.0, modes)
        smoother = ("block_gauss_seidel", {"sweep": "symmetric"})
        levels = pyamg.smoothed_aggregation_solver(
            held, B=near_null, max_coarse=300, presmoother=smoother, postsmoother=smoother
        )
        preconditioner = levels.aspreconditioner()

        def invert(force: FloatArray) -> FloatArray:
            found, failure = cg(held, force, rtol=TOLERANCE, maxiter=MAX_ITERATIONS, M=preconditioner)
            if failure:
                residual = float(np.linalg.norm(held @ found - force))
                raise NotConvergedError("conjugate gradients of the displacements", failure, residual, TOLERANCE)
            return np.where(self._is_held, 0.0, found)

        return invert
