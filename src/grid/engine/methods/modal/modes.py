r"""Modes of a body that loads drive: all of a small one, or those of a Krylov space.

With u the change since the start T_0, r the heat flow there, and f_j the changes of the loads since then,

.. math:: C u' = -L u + r + \sum_j b_j f_j(t), \qquad u(0) = 0

All modes of a small body are the eigenvectors of the pair (L, C), which is symmetric (G. H. Golub, C. F. Van Loan,
Matrix Computations, 2013, section 8.7). Of a larger body a Krylov space is made from r and every b_j, with shifts that
suit the times between changes of the loads and output times (S. Guettel, GAMM-Mitt. 36, 2013).
"""

import numpy as np
from numpy.typing import NDArray

from grid.engine.loads.signals import Signals
from grid.engine.methods.driven import vector_kernels as kernels
from grid.engine.space.laws import Loads
from grid.engine.space.space import Space
from grid.engine.values.operations import FloatArray


class FullModes:
    """All modes of a small body.

    Args:
        space: The discretised problem, linear.
        loads: At the start.
        start: Field at the start, flat.
        signals: The loads that change.
    """

    def __init__(self, space: Space, loads: Loads, start: FloatArray, signals: Signals) -> None:
        self._space, self._start, self._body = space, start, space.body_cells
        root = np.sqrt(space.capacity[self._body])
        self.rates, own = _decompose(space, loads, root)
        self._vectors = np.ascontiguousarray(own.T / root)  # one mode in each row
        heat = [space.heat_flow(start, loads).net, *(item.spread(start.size) for item in signals.patterns)]
        self.drives = np.stack([one[self._body] for one in heat]) @ self._vectors.T
        self._given = np.array([float(one[self._body].sum()) for one in heat])
        leak = np.zeros(start.size)
        for patch, face_law in zip(space.patches, loads.face_laws, strict=True):
            np.add.at(leak, patch.cells, patch.area * face_law.transmittance)
        self._leak, self._heat = self._vectors @ leak[self._body], self._vectors @ space.capacity[self._body]

    def find_fields(self, amplitudes: FloatArray) -> FloatArray:
        """Find the flat fields of the start and some changes, shape (changes, cells)."""
        change = np.empty((len(amplitudes), self._body.size))
        kernels.combine_all(change, self._start[self._body], self._vectors, np.zeros(len(amplitudes)), amplitudes)
        return self._space.spread(change)

    def look(self, amplitudes: FloatArray, cells: NDArray[np.intp]) -> FloatArray:
        """Find some changes at some cells, shape (changes, cells)."""
        out, coordinates = np.empty((len(amplitudes), cells.size)), np.searchsorted(self._body, cells)
        kernels.combine_at(out, self._vectors, coordinates, np.zeros(len(amplitudes)), amplitudes)
        return out

    def close(self, amplitudes: FloatArray, integrals: FloatArray, given: FloatArray) -> FloatArray:
        """Correct amplitudes so that their heat is the heat that came in, to the last rounding."""
        # slow modes lose digits in the rounding of fast ones; what heat that leaves out warms all cells alike
        missing = given @ self._given - integrals @ self._leak - amplitudes @ self._heat
        out: FloatArray = amplitudes + np.multiply.outer(missing / self._space.total_capacity, self._heat)
        return out

    def estimate_error(self) -> float:
        """Return zero: all modes are known to rounding."""
        return 0.0


def _decompose(space: Space, loads: Loads, root: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Rates and orthonormal vectors of C^-1/2 L C^-1/2 on the cells of the body, vectors in columns."""
    if len(space.shape) == 1 and not space.problem.is_periodic[0] and root.size == space.shape[0] and root.size > 1:
        from scipy.linalg import eigh_tridiagonal

        diagonal = space.diagonal(loads) / root**2
        rates, vectors = eigh_tridiagonal(diagonal, -space.conductances[0][1:-1] / (root[:-1] * root[1:]))
    else:
        from grid.engine.linear.systems import assemble_body

        matrix = assemble_body(space, loads).toarray() / np.multiply.outer(root, root)
        rates, vectors = np.linalg.eigh(0.5 * (matrix + matrix.T))
    return np.maximum(rates, 0.0), vectors
