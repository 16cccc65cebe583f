"""The equations of elasticity on a grid: assembled, held and solved."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from grid.engine.errors import NotConvergedError, SingularError
from grid.engine.structural.rigid import choose_pins, find_free_motions, make_rigid_modes
from grid.engine.values import FloatArray

DIRECT_FREEDOMS = {2: 400_000, 3: 25_000}  # beyond them the fill of a factorisation costs more than the iteration
TOLERANCE = 1e-9  # of the forces, for the iteration
MAX_ITERATIONS = 400
DIRECT_LIMIT = 1e-6  # of the forces: a residual beyond it means that the equations are singular


@dataclass(frozen=True)
class Mesh:
    """Nodes of the body.

    Args:
        places: Shape (nodes, d) [m].
        elements: Nodes of each element, shape (elements, nodes of one).
        part: Connected part of each node.
    """

    places: FloatArray
    elements: NDArray[np.intp]
    part: NDArray[np.intp]

    @property
    def dimension(self) -> int:
        return int(self.places.shape[1])

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

    size, freedoms = mesh.places.size, mesh.freedoms.astype(np.int32)
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


def solve(mesh: Mesh, matrix: Any, force: FloatArray, is_held: NDArray[np.bool_]) -> FloatArray:
    """Displacements of all freedoms [m]; held ones are 0, and rigid motions that the supports leave are taken out.

    Raises:
        SingularError: The body is a mechanism.
        NotConvergedError: The iteration stops short.
    """
    modes = make_rigid_modes(mesh.places, mesh.part)
    motions = find_free_motions(modes, is_held)
    force = np.where(is_held, 0.0, force)
    force = force - motions @ (motions.T @ force)  # what is left of a balanced load is rounding
    if not np.any(force):
        return np.zeros_like(force)
    if mesh.places.size <= DIRECT_FREEDOMS[mesh.dimension]:
        found = _solve_direct(matrix, force, is_held, motions)
    else:
        found = _solve_iteratively(mesh.dimension, matrix, force, is_held, modes)
    out: FloatArray = found - motions @ (motions.T @ found)
    return out


def _hold(matrix: Any, is_held: NDArray[np.bool_]) -> Any:
    """Rows and columns of held freedoms replaced by their diagonal."""
    from scipy import sparse

    free = sparse.diags_array((~is_held).astype(np.float64))
    held = sparse.diags_array(np.where(is_held, matrix.diagonal(), 0.0))
    return (free @ matrix @ free + held).tocsr()


def _solve_direct(matrix: Any, force: FloatArray, is_held: NDArray[np.bool_], motions: FloatArray) -> FloatArray:
    from scipy.sparse.linalg import splu

    pinned = is_held.copy()
    if motions.shape[1]:
        pinned[choose_pins(motions)] = True
    kept = np.flatnonzero(~pinned)
    reduced = matrix[kept][:, kept].tocsc()
    try:
        factors = splu(reduced, permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options={"SymmetricMode": True})
    except RuntimeError as error:
        raise SingularError("a part of the body can move freely; support it or join it.") from error
    found = np.zeros_like(force)
    found[kept] = factors.solve(force[kept])
    residual = float(np.linalg.norm((matrix @ found - force)[~is_held]) / np.linalg.norm(force))
    if not residual <= DIRECT_LIMIT:
        raise SingularError("a part of the body can move freely; support it or join it.")
    return found


def _solve_iteratively(
    dimension: int, matrix: Any, force: FloatArray, is_held: NDArray[np.bool_], modes: FloatArray
) -> FloatArray:
    """Conjugate gradients, preconditioned by smoothed aggregation with the rigid modes (Vanek et al. 1996).

    Free motions stay in: the load does not excite them, and the coarsest level is solved by a pseudo-inverse.
    """
    import pyamg
    from scipy.sparse.linalg import cg

    held = _hold(matrix, is_held).tobsr(blocksize=(dimension, dimension))
    smoother = ("block_gauss_seidel", {"sweep": "symmetric"})
    levels = pyamg.smoothed_aggregation_solver(
        held, B=np.where(is_held[:, None], 0.0, modes), max_coarse=300, presmoother=smoother, postsmoother=smoother
    )
    count = 0

    def note(_: FloatArray) -> None:
        nonlocal count
        count += 1

    found, failure = cg(held, force, rtol=TOLERANCE, maxiter=MAX_ITERATIONS, M=levels.aspreconditioner(), callback=note)
    if failure:
        residual = float(np.linalg.norm(held @ found - force) / np.linalg.norm(force))
        raise NotConvergedError("conjugate gradients of the displacements", count, residual, TOLERANCE)
    return np.where(is_held, 0.0, found)
