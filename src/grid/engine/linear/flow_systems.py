"""Systems with a flow, whose matrix is not symmetric: tridiagonal, factorised, or iterated where a factor would fill.

Measured on steps of a hundredth of a residence time and on steady states in boxes of up to 64,000 cells at cell Peclet
numbers from 0.1 to 1e5 and conductivities 100:1: BiCGStab with the diagonal as its preconditioner takes 8 to 54
iterations a step and 60 to 230 for a steady state, less time than the set-up of an incomplete factorisation
(`scipy.sparse.linalg.spilu`) or of PyAMG's methods for advection, which it falls back to the first of where it stalls.
"""

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy.sparse import linalg

from grid.engine.errors import NotConvergedError, SingularError
from grid.engine.limits import LU_CELLS_3D
from grid.engine.values.operations import FloatArray

LU_CELLS_2D = 100_000  # [-] cells of a plane in a time step; a steady state is solved once or twice
# [-] residual, relative to the right-hand side: of a step, which an iteration corrects, and of a steady state
STEP_TOLERANCE, TOLERANCE = 1e-7, 1e-13
SWEEPS, MOST_ITERATIONS = 8, 2_000  # [-] refinements with the exact residual, and BiCGStab iterations in each
# [-] drop tolerance and fill factor of the incomplete factorisation, see `scipy.sparse.linalg.spilu`
DROPPED, FILL = 1e-3, 8.0


def must_iterate(shape: tuple[int, ...], *, is_step: bool) -> bool:
    """Tell whether a system with a flow is iterated rather than factorised."""
    count = math.prod(shape)
    return (len(shape) == 3 and count > LU_CELLS_3D) or (len(shape) == 2 and is_step and count > LU_CELLS_2D)


class PivotingLU:
    """SuperLU with row exchanges: the matrix of a flow with a full tensor has no large diagonal."""

    def __init__(self, matrix: Any) -> None:
        try:
            self._factors = linalg.splu(matrix)
        except RuntimeError as error:  # SuperLU's error for an exactly singular matrix
            raise SingularError("the body exchanges heat with nothing that has a temperature") from error

    def solve(self, right: FloatArray) -> FloatArray:
        """Solve for one right-hand side."""
        solution: FloatArray = self._factors.solve(right)
        return solution


@dataclass
class FlowSolver:
    """BiCGStab (H. A. van der Vorst, SIAM J. Sci. Stat. Comput. 13, 1992), refined with the exact residual.

    Args:
        matrix: Sparse, square matrix.
        tolerance: Relative residual.
    """

    matrix: Any
    tolerance: float
    _inverse: Any = field(init=False, repr=False)
    _is_factor: bool = field(default=False, init=False, repr=False)

    def __post_init__(self) -> None:
        self.matrix = self.matrix.tocsr()
        diagonal = self.matrix.diagonal()
        weights = 1.0 / np.where(diagonal != 0.0, diagonal, 1.0)
        self._inverse = linalg.LinearOperator(self.matrix.shape, matvec=lambda x: weights * x, dtype=np.float64)

    def solve(self, right: FloatArray) -> FloatArray:
        """Solve to `tolerance`, or as far as rounding allows.

        Raises:
            NotConvergedError: The iteration stalls with either preconditioner.
        """
        solution, residual, scale = np.zeros_like(right), right, float(np.linalg.norm(right))
        size, before = scale, math.inf
        for _ in range(SWEEPS if scale > 0.0 else 0):
            aim = max(0.3 * self.tolerance * scale / size, 1e-9)
            step, _ = linalg.bicgstab(self.matrix, residual, rtol=aim, maxiter=MOST_ITERATIONS, M=self._inverse)
            trial = right - self.matrix @ (solution + step)
            reached = float(np.linalg.norm(trial))
            if reached < size:
                solution, residual, before, size = solution + step, trial, size, reached
            if size <= self.tolerance * scale:
                return solution
            if not reached < 0.1 * before and not self._is_factor:
                self._factorise()
        if scale > 0.0 and not size <= 1e3 * max(self.tolerance, 1e-13) * scale:
            cell = int(np.abs(residual).argmax())
            raise NotConvergedError("BiCGStab for a flow", MOST_ITERATIONS, size / scale, self.tolerance, cell=cell)
        return solution

    def _factorise(self) -> None:
        """Precondition by an incomplete factorisation from now on, if there is one."""
        self._is_factor = True
        try:
            factors = linalg.spilu(self.matrix.tocsc(), drop_tol=DROPPED, fill_factor=FILL)
        except (RuntimeError, MemoryError):  # singular in the retained part
            return
        self._inverse = linalg.LinearOperator(self.matrix.shape, matvec=factors.solve, dtype=np.float64)


def make_flow_solver(matrix: Any, *, is_step: bool) -> FlowSolver:
    """Prepare the iteration of a system with a flow."""
    return FlowSolver(matrix, STEP_TOLERANCE if is_step else TOLERANCE)
