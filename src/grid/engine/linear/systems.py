"""Linear systems of the implicit and the steady method: tridiagonal, sparse LU, multigrid for larger grids.

The matrix is `shift * C + tau * L`, with L the conduction, flow and boundary part: an M-matrix, symmetric without flow,
positive definite as soon as there is a capacity or a boundary that holds a temperature.
"""

from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
from scipy import sparse
from scipy.linalg import lapack
from scipy.sparse import linalg

from grid.engine.costs.runs import FACTOR_SECONDS, MASKED_FACTOR_SECONDS, factor_seconds, uses_iteration, uses_multigrid
from grid.engine.errors import NotConvergedError, SingularError
from grid.engine.limits import LU_CELLS_3D
from grid.engine.linear.flow_systems import PivotingLU, make_flow_solver, must_iterate
from grid.engine.problem.problem import HeatProblem
from grid.engine.space.laws import Loads
from grid.engine.space.mesh import Patch, after_first, before_last, first, inner, last
from grid.engine.space.space import Space
from grid.engine.values.operations import FloatArray

CG_TOLERANCE = 1e-13  # [-] residual of conjugate gradients, relative to the right-hand side
CG_ITERATIONS = 2_000  # [-] most iterations of conjugate gradients
# [-] relative residual of multigrid in a time step, and where it corrects an iterate
STEP_TOLERANCE, ROUGH_STEP = 1e-10, 1e-4
COUPLED_LU_CELLS = 40_000  # [-] cells of a plane with a full tensor, up to which its matrix is factorised
PROBED_CELLS = 100  # [-] cells up to which a matrix that serves once is found by applying the scheme, and factorised
# [-] ratio of conductances up to which the nearest homogeneous box is the better preconditioner
SEPARABLE_CONTRAST = 3.0
COUPLED_REMEDY = (
    "let the tensor change less steeply with temperature, or start without a jump of the temperature beside a face"
)
# [-] relative residual of GMRES, and where it corrects an iterate; vectors of its basis; refinements
GMRES_TOLERANCE, ROUGH_TOLERANCE, GMRES_BASIS, REFINEMENTS = 1e-13, 1e-5, 30, 12


# [-] columns of a panel of SuperLU; for these sparse factors its default of 20 takes 1.1 to 1.7 times as long
PANEL = 2


class LinearSolver(Protocol):
    """Solver of one fixed system for many right-hand sides."""

    def solve(self, right: FloatArray) -> FloatArray:
        """Solve for one right-hand side, flat."""


def assemble(space: Space, loads: Loads) -> Any:
    """Assemble the matrix L [W/K] of conduction and boundaries, so that heat flow = known part - L T; CSC."""
    count = space.capacity.size
    index = np.arange(count).reshape(space.shape)
    rows, columns, values = [np.arange(count)], [np.arange(count)], [space.diagonal(loads)]
    for axis, conductance in enumerate(space.conductances):
        pairs = [(index[before_last(axis)], index[after_first(axis)], conductance[inner(axis)])]
        if space.problem.is_periodic[axis]:
            pairs.append((index[last(axis)], index[first(axis)], conductance[first(axis)]))
        for low, high, g in pairs:
            rows += [low.ravel(), high.ravel()]
            columns += [high.ravel(), low.ravel()]
            values += [-g.ravel(), -g.ravel() - space.carried(axis)]
    entries = (np.concatenate(values), (np.concatenate(rows), np.concatenate(columns)))
    return sparse.coo_matrix(entries, shape=(count, count)).tocsc()


def assemble_body(space: Space, loads: Loads) -> Any:
    """Assemble the matrix of `assemble` on the cells of the body alone, in the order of `Space.body_cells`; CSC."""
    body = space.body_cells
    number = np.full(space.capacity.size, -1, np.int32)
    number[body] = np.arange(body.size, dtype=np.int32)
    index = number.reshape(space.shape)
    own = np.arange(body.size, dtype=np.int32)
    rows, columns, values = [own], [own], [space.diagonal(loads)[body]]
    for axis, conductance in enumerate(space.conductances):
        pairs = [(index[before_last(axis)], index[after_first(axis)], conductance[inner(axis)])]
        if space.problem.is_periodic[axis]:
            pairs.append((index[last(axis)], index[first(axis)], conductance[first(axis)]))
        for low, high, g in pairs:
            joined = (low >= 0) & (high >= 0)
            one, other, heat = low[joined], high[joined], g[joined]
            rows += [one, other]
            columns += [other, one]
            values += [-heat, -heat - space.carried(axis)]
    entries = (np.concatenate(values), (np.concatenate(rows), np.concatenate(columns)))
    return sparse.coo_matrix(entries, shape=(body.size, body.size)).tocsc()


def make_solver(space: Space, loads: Loads, *, shift: float, tau: float, is_rough: bool = False) -> LinearSolver:
    """Prepare the system `(shift C + tau L) x = right`.

    Args:
        is_rough: True where a few digits are enough, because the solution corrects an iterate; for iterative solvers.

    Raises:
        SingularError: The system has no unique solution.
    """
    if space.couplings:
        return _make_coupled_solver(space, loads, shift=shift, tau=tau, is_rough=is_rough)
    return _make_plain_solver(space, loads, shift=shift, tau=tau, is_rough=is_rough)


def _make_coupled_solver(space: Space, loads: Loads, *, shift: float, tau: float, is_rough: bool) -> LinearSolver:
    """Prepare the system with the whole tensor: factorised if it is constant or very small, else solved by GMRES."""
    tolerance = ROUGH_TOLERANCE if is_rough else GMRES_TOLERANCE
    count = space.capacity.size
    if not has_constant_operator(space.problem) and count <= PROBED_CELLS:
        from grid.engine.space.tensor_matrix import probe, without_loads

        matrix = (tau * probe(space, without_loads(loads)) + sparse.diags(shift * space.capacity)).tocsc()
        return CoupledSolver(matrix, SparseLU(matrix), tolerance)
    if not has_constant_operator(space.problem):
        plain = _make_plain_solver(space, loads, shift=shift, tau=tau, is_rough=is_rough)
        return CoupledSolver(coupled_operator(space, loads, shift=shift, tau=tau), plain, tolerance)
    from grid.engine.space.tensor_matrix import assemble_coupled

    matrix = (tau * assemble_coupled(space, loads) + sparse.diags(shift * space.capacity)).tocsr()
    if count <= (COUPLED_LU_CELLS if len(space.shape) == 2 else LU_CELLS_3D):
        if space.problem.has_flow:
            return PivotingLU(matrix.tocsc())
        return CoupledSolver(matrix, SparseLU(matrix.tocsc()), tolerance)
    if space.problem.has_flow:
        return make_flow_solver(matrix, is_step=shift > 0.0)
    from grid.engine.linear.multigrid.solver import Cycle

    return CoupledSolver(matrix, Cycle(space, loads, shift=shift, tau=tau), tolerance)


def has_constant_operator(problem: HeatProblem) -> bool:
    """Tell whether conductivities and films depend on neither time nor temperature."""
    laws = problem.boundaries.values()
    films = [film for law in laws for film in law.film_values]
    values = [*films, *(value for material in problem.materials for value in material.conductivity)]
    return all(law.is_linear for law in laws) and not any(value.variables & {"t", "T"} for value in values)


def _make_plain_solver(space: Space, loads: Loads, *, shift: float, tau: float, is_rough: bool) -> LinearSolver:
    """Prepare the system without the off-diagonal part of a conductivity tensor."""
    idle = np.zeros_like(space.capacity) if space.active is None else np.where(space.active, 0.0, 1.0)
    idle *= shift * float(space.capacity.max()) + tau * float(
        space.diagonal(loads).max()
    )  # cells outside stay as they are
    if len(space.shape) == 1 and space.shape[0] > 1 and not (space.problem.is_periodic[0] or space.problem.has_flow):
        diagonal = shift * space.capacity + tau * space.diagonal(loads) + idle
        return Tridiagonal(diagonal, -tau * space.conductances[0][1:-1])
    if prefers_factors(space):
        matrix = (tau * assemble_body(space, loads) + sparse.diags(shift * space.capacity[space.body_cells])).tocsc()
        return BodyLU(matrix, space) if shift == 0.0 else make_body_factors(matrix, space)
    if is_for_multigrid(space, few_solves=is_rough or shift == 0.0):
        from grid.engine.linear.multigrid.solver import Cycle, MultigridSolver

        if space.couplings:
            return Cycle(space, loads, shift=shift, tau=tau)
        tolerance = CG_TOLERANCE if shift == 0.0 else ROUGH_STEP if is_rough else STEP_TOLERANCE
        return MultigridSolver(space, loads, shift=shift, tau=tau, idle=idle, tolerance=tolerance)
    operator = assemble(space, loads)
    matrix = (tau * operator + sparse.diags(shift * space.capacity + idle)).tocsc()
    if space.problem.has_flow and must_iterate(space.shape, is_step=shift > 0.0):
        return make_flow_solver(matrix, is_step=shift > 0.0)
    if uses_iteration(space.shape):
        return ConjugateGradients(matrix, SeparableInverse.of(space, loads, shift=shift, tau=tau))
    return SparseLU(matrix)


def prefers_factors(space: Space) -> bool:
    """Tell whether the cells of a 3D body are factorised although a box of as many cells would be solved by iteration.

    A masked body that is thin everywhere, such as fins, is as cheap to factorise as a plane.
    """
    if space.couplings or space.problem.has_flow or not uses_iteration(space.shape):
        return False
    most = MASKED_FACTOR_SECONDS if space.active is not None else FACTOR_SECONDS
    return factor_seconds(space.shape, space.body_count) <= most


def is_for_multigrid(space: Space, *, few_solves: bool) -> bool:
    """Tell whether a system on a space is solved by multigrid; see `grid.engine.costs.runs.uses_multigrid`."""
    if len(space.shape) == 1 or space.problem.has_flow:
        return False
    is_homogeneous = space.active is None and _contrast(space) <= SEPARABLE_CONTRAST
    return uses_multigrid(space.shape, few_solves=few_solves, is_homogeneous=is_homogeneous)


def _contrast(space: Space) -> float:
    """Largest ratio of conductances along one axis."""
    inside = [g[inner(axis)] for axis, g in enumerate(space.conductances)]
    return max((float(g.max()) / max(float(g.min()), 1e-300) for g in inside if g.size), default=1.0)


class Tridiagonal:
    """L D L^T of a symmetric tridiagonal matrix (LAPACK pttrf, pttrs): all of 1D except periodic bodies."""

    def __init__(self, diagonal: FloatArray, beside: FloatArray) -> None:
        self._diagonal, self._beside, info = lapack.dpttrf(diagonal, beside)
        if info != 0:
            raise SingularError("the body exchanges heat with nothing that has a temperature")

    def solve(self, right: FloatArray) -> FloatArray:
        """Solve for one right-hand side."""
        solution: FloatArray = lapack.dpttrs(self._diagonal, self._beside, right)[0]
        return solution


class TridiagonalLU:
    """LU of a tridiagonal matrix that is not symmetric (LAPACK gttrf, gttrs)."""

    def __init__(self, below: FloatArray, diagonal: FloatArray, above: FloatArray) -> None:
        if diagonal.size < 3:  # LAPACK's interface needs at least three
            ends = np.zeros(3 - diagonal.size)
            below, above = np.append(below, ends), np.append(above, ends)
            diagonal = np.append(diagonal, ends + 1.0)
        *self._factors, info = lapack.dgttrf(below, diagonal, above)
        if info != 0:
            raise SingularError("the body exchanges heat with nothing that has a temperature")

    def solve(self, right: FloatArray) -> FloatArray:
        """Solve for one right-hand side."""
        padded = np.append(right, np.zeros(3 - right.size)) if right.size < 3 else right
        solution: FloatArray = lapack.dgttrs(*self._factors, padded)[0]
        return solution[: right.size]


class BodyFactors:
    """Factorisation over the cells of the body; the solution outside is 0.

    Args:
        factors: Factors of a matrix over the cells of the body, in their order.
        space: The discretised problem.
    """

    def __init__(self, factors: LinearSolver, space: Space) -> None:
        self._factors = factors
        self._body, self._size = space.body_cells, space.capacity.size

    def solve(self, right: FloatArray) -> FloatArray:
        """Solve for one right-hand side over all cells."""
        if self._body.size == self._size:
            return self._factors.solve(right)
        solution = np.zeros(self._size)
        solution[self._body] = self._factors.solve(right[self._body])
        return solution

    def solve_own(self, right: FloatArray) -> FloatArray:
        """Solve for the cells of the body alone, in their order."""
        return self._factors.solve(right)


class BodyLU(BodyFactors):
    """Factors of a matrix over the cells of the body that need be neither symmetric nor definite."""

    def __init__(self, matrix: Any, space: Space) -> None:
        super().__init__(SparseLU(matrix), space)


def make_body_factors(matrix: Any, space: Space) -> BodyFactors:
    """Factorise a symmetric positive definite matrix over the cells of the body.

    Raises:
        SingularError: The matrix is not positive definite.
    """
    from grid.engine.linear.cholesky import Cholesky, Elimination, find_places

    return BodyFactors(Cholesky(matrix, Elimination.of(matrix, find_places(space))), space)


class SparseLU:
    """SuperLU with a symmetric minimum-degree ordering."""

    def __init__(self, matrix: Any) -> None:
        try:
            self._factors = linalg.splu(
                matrix,
                permc_spec="MMD_AT_PLUS_A",
                diag_pivot_thresh=0.0,
                options={"SymmetricMode": True},
                panel_size=PANEL,
            )
        except RuntimeError as error:  # SuperLU's error for an exactly singular matrix
            raise SingularError("the body exchanges heat with nothing that has a temperature") from error

    @property
    def entries(self) -> int:
        """Number of entries of both factors."""
        return int(self._factors.nnz)

    def solve(self, right: FloatArray) -> FloatArray:
        """Solve for one right-hand side."""
        solution: FloatArray = self._factors.solve(right)
        return solution


@dataclass
class CoupledSolver:
    """GMRES for a conductivity tensor, preconditioned by the system without the off-diagonal part.

    The preconditioner is spectrally equivalent, with a ratio that depends on the tensor and not on the grid (Y. Saad,
    Iterative Methods for Sparse Linear Systems, 2003, alg. 9.4); refined until the residual is at rounding.
    """

    operator: Any
    plain: LinearSolver
    tolerance: float

    def solve(self, right: FloatArray) -> FloatArray:
        """Solve to a relative residual of `tolerance`, or as far as rounding allows.

        Raises:
            NotConvergedError: The iteration stalls.
        """
        inverse = linalg.LinearOperator(self.operator.shape, matvec=self.plain.solve, dtype=np.float64)
        solution: FloatArray
        solution, residual, size, scale = np.zeros_like(right), right, 1.0, float(np.linalg.norm(right))
        for _ in range(REFINEMENTS if scale > 0.0 else 0):
            aim = max(1e-7, 0.1 * self.tolerance / size)
            step, _ = linalg.gmres(self.operator, residual, rtol=aim, restart=GMRES_BASIS, maxiter=5, M=inverse)
            solution = solution + step
            residual = right - self.operator @ solution
            size = float(np.linalg.norm(residual)) / scale
            if size <= self.tolerance:
                return solution
        if scale > 0.0 and not size <= 1e3 * self.tolerance:
            cell = int(np.abs(residual).argmax())
            what = "GMRES for a conductivity tensor"
            raise NotConvergedError(what, REFINEMENTS, size, self.tolerance, COUPLED_REMEDY, cell=cell)
        return solution


def coupled_operator(space: Space, loads: Loads, *, shift: float, tau: float) -> Any:
    """Make `shift C + tau L` with the whole tensor as an operator, without assembling it."""
    from grid.engine.space.tensor_matrix import without_loads

    homogeneous, space = without_loads(loads), replace(space, correction=None)

    def apply(x: FloatArray) -> FloatArray:
        return shift * space.capacity * x - tau * space.heat_flow(x, homogeneous).net

    return linalg.LinearOperator((space.capacity.size,) * 2, matvec=apply, dtype=np.float64)


@dataclass
class SeparableInverse:
    """Inverse of the homogeneous box nearest to the problem, by fast diagonalisation along each axis.

    Exact for a homogeneous body whose faces are uniform; otherwise a preconditioner whose quality depends on the
    contrast of the coefficients and not on the grid (R. E. Lynch, J. R. Rice, D. H. Thomas, Numer. Math. 6, 1964).
    """

    vectors: tuple[FloatArray, ...]
    values: FloatArray

    @classmethod
    def of(cls, space: Space, loads: Loads, *, shift: float, tau: float) -> "SeparableInverse":
        """Make the inverse of the box with the mean coefficients of a space."""
        pairs = [np.linalg.eigh(_mean_operator(space, loads, axis)) for axis in range(len(space.shape))]
        total = np.full(space.shape, shift * float(space.capacity.mean()))
        for axis, (rates, _) in enumerate(pairs):
            shape = [1] * len(space.shape)
            shape[axis] = -1
            total += tau * np.maximum(rates, 0.0).reshape(shape)
        smallest = 1e-14 * float(total.max())
        return cls(tuple(vectors for _, vectors in pairs), np.maximum(total, smallest))

    def apply(self, right: FloatArray) -> FloatArray:
        """Apply the inverse to a flat field."""
        field = right.reshape(self.values.shape)
        for axis, vectors in enumerate(self.vectors):
            field = np.moveaxis(np.tensordot(vectors, field, axes=(0, axis)), 0, axis)
        field = field / self.values
        for axis, vectors in enumerate(self.vectors):
            field = np.moveaxis(np.tensordot(vectors, field, axes=(1, axis)), 0, axis)
        return np.ascontiguousarray(field).reshape(-1)


def _mean_operator(space: Space, loads: Loads, axis: int) -> FloatArray:
    """One-dimensional operator along an axis with the mean conductances of each layer of faces."""
    count = space.shape[axis]
    others = tuple(other for other in range(len(space.shape)) if other != axis)
    g = space.conductances[axis].mean(axis=others)
    matrix = np.diag(g[:-1] + g[1:]) - np.diag(g[1:-1], 1) - np.diag(g[1:-1], -1)
    if space.problem.is_periodic[axis] and count > 1:
        matrix[0, -1] -= g[0]
        matrix[-1, 0] -= g[0]
    for patch, face_law in zip(space.patches, loads.face_laws, strict=True):
        if patch.axis == axis:
            matrix[_end(patch), _end(patch)] += float(np.mean(face_law.transmittance)) * patch.area
    return matrix


def _end(patch: Patch) -> int:
    return 0 if patch.side == 0 else -1


class ConjugateGradients:
    """Preconditioned conjugate gradients (Y. Saad, Iterative Methods for Sparse Linear Systems, 2003, alg. 9.1)."""

    def __init__(self, matrix: Any, preconditioner: SeparableInverse) -> None:
        self._matrix = matrix.tocsr()
        self._preconditioner = preconditioner
        ones = np.ones(matrix.shape[0])
        self._column_sums: FloatArray = self._matrix @ ones
        self._total = float(self._column_sums.sum())

    def solve(self, right: FloatArray) -> FloatArray:
        """Solve to a relative residual of `CG_TOLERANCE`; then the sum of the residual vanishes, so that heat closes.

        Raises:
            NotConvergedError: The iteration stalls.
        """
        solution = np.zeros_like(right)
        residual = right.copy()
        scale = float(np.linalg.norm(right))
        if scale == 0.0:
            return solution
        direction = z = self._preconditioner.apply(residual)
        product = float(residual @ z)
        for _ in range(CG_ITERATIONS):
            image = self._matrix @ direction
            length = product / float(direction @ image)
            solution += length * direction
            residual -= length * image
            norm = float(np.linalg.norm(residual))
            if norm <= CG_TOLERANCE * scale:
                break
            z = self._preconditioner.apply(residual)
            following = float(residual @ z)
            direction = z + (following / product) * direction
            product = following
        else:
            cell = int(np.abs(residual).argmax())
            raise NotConvergedError("conjugate gradients", CG_ITERATIONS, norm / scale, CG_TOLERANCE, cell=cell)
        residual = right - self._matrix @ solution
        solution += float(residual.sum()) / self._total
        return solution
