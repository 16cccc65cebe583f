"""Ways to solve a sparse symmetric positive definite system, each as one who knows SciPy and PyAMG would set it up."""

from collections.abc import Callable

import numpy as np
from scipy import sparse
from scipy.sparse.linalg import cg, splu

from benchmarks.engineers.finite_volumes import FloatArray

Solve = Callable[[FloatArray, FloatArray], FloatArray]  # of right side and guess
MakeSolver = Callable[[sparse.csc_matrix], Solve]


def factor_colamd(system: sparse.csc_matrix) -> Solve:
    """SuperLU with its default ordering."""
    factor = splu(system.tocsc())
    return lambda right, _guess: factor.solve(right)


def factor_symmetric(system: sparse.csc_matrix) -> Solve:
    """SuperLU ordered for a symmetric matrix, without pivoting: about half the fill in two and three dimensions."""
    factor = splu(system.tocsc(), permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options={"SymmetricMode": True})
    return lambda right, _guess: factor.solve(right)


def multigrid(tolerance: float, kind: str = "smoothed_aggregation") -> MakeSolver:
    """Conjugate gradients preconditioned by PyAMG; the hierarchy is kept with the matrix."""

    def make(system: sparse.csc_matrix) -> Solve:
        import pyamg

        rows = system.tocsr()
        rows.indices, rows.indptr = rows.indices.astype(np.int32), rows.indptr.astype(np.int32)
        setup = pyamg.smoothed_aggregation_solver if kind == "smoothed_aggregation" else pyamg.ruge_stuben_solver
        preconditioner = setup(rows, max_coarse=500).aspreconditioner()
        return _iterate(rows, preconditioner, tolerance)

    return make


def jacobi(tolerance: float) -> MakeSolver:
    """Conjugate gradients preconditioned by the diagonal: enough where the step is short."""

    def make(system: sparse.csc_matrix) -> Solve:
        inverse = 1.0 / system.diagonal()
        scale = sparse.linalg.LinearOperator(system.shape, matvec=lambda right: inverse * right, dtype=float)
        return _iterate(system.tocsr(), scale, tolerance)

    return make


def _iterate(rows: sparse.csr_matrix, preconditioner: sparse.linalg.LinearOperator, tolerance: float) -> Solve:
    def solve(right: FloatArray, guess: FloatArray) -> FloatArray:
        found, failed = cg(rows, right, x0=guess, rtol=tolerance, atol=0.0, maxiter=1000, M=preconditioner)
        if failed:
            raise RuntimeError("conjugate gradients did not converge")
        return np.asarray(found)

    return solve
