r"""Multigrid-preconditioned conjugate gradients for `shift C + tau L` on large grids.

Each level joins two cells along every axis that couples strongly (cells in pairs along the strong axes alone where
conductances differ between axes), with constant interpolation (`levels`). Every level is again a box with
conductances on its faces, so the memory is that of a few fields. Smoothed by red-black Gauss-Seidel, forwards before
and backwards after the correction, a cycle is symmetric and positive, and preconditions conjugate gradients.

The cycle works in single precision on a matrix scaled to one; the iteration around it in double. Faces of a ring
of an odd number of cells cannot be coloured, so the cycle leaves one of them out.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from grid.engine.errors import NotConvergedError
from grid.engine.linear.multigrid import cycle_kernels as kernels
from grid.engine.linear.multigrid.levels import Level, Single, make_finest, pack, refine
from grid.engine.progress import tick
from grid.engine.space.laws import Loads
from grid.engine.space.space import Space
from grid.engine.values.operations import FloatArray

ITERATIONS = 500  # [-] most iterations of conjugate gradients
# [-] cells of a last axis that counts as short, and ratio of another axis to it from which that one is put last
SHORT, MUCH_LONGER = 24, 4
ROUNDING = 4.0 * float(np.finfo(np.float32).eps)  # [-] rounding of a diagonal on the last level, over it
DIRECT_CELLS = 64  # [-] cells of a last level up to which its matrix is inverted
TWICE = 2  # [-] levels from which the next one is visited twice; with more, measurements showed no fewer iterations
FIRST_RATE = 0.1  # [-] assumed ratio of the squared errors after and before the first turn of an iteration


class Hierarchy:
    """Levels of a matrix, flat and in single precision, and the cycle over them.

    Args:
        conductances, rest, factor: See `levels.make_finest`.
    """

    def __init__(self, conductances: tuple[FloatArray, ...], rest: FloatArray, factor: float = 1.0) -> None:
        finest, self.scale, self._is_open = make_finest(conductances, rest, factor)
        levels, visits = zip(*refine(finest, TWICE, DIRECT_CELLS), strict=True)
        self.levels = len(levels)
        self._direct = _invert(levels[-1])
        visits = (*visits[:-2], 1, 0) if len(visits) > 1 else visits  # the last level is solved, or swept enough times
        self._packed = pack(levels, visits)
        self._u, self._f = np.zeros_like(self._packed.inverse), np.zeros_like(self._packed.inverse)
        self._cells = rest.size

    def take(self, residual: FloatArray, scale: float) -> None:
        """Set `scale` times a flat field as the right-hand side of the next cycle."""
        kernels.hand_over(self.right, residual, scale)

    @property
    def right(self) -> Single:
        """Right-hand side, flat; an iteration may write its residual there."""
        return self._f[: self._cells]

    def run(self) -> Single:
        """Run one cycle from zero; its field times `scale` is the correction. Overwritten by the next one."""
        own, (gx, gy, gz) = self._packed, self._packed.conductances
        kernels.cycle(self._u, self._f, gx, gy, gz, own.inverse, own.spans, own.table, self._direct)
        return self._u[: self._cells]

    @property
    def finest(self) -> tuple[Single, ...] | None:
        """Conductances of the matrix times `scale`; None where a ring was opened, so that one face is missing."""
        if self._is_open:
            return None
        x, y, z = (int(count) for count in self._packed.table[0, :3])
        shapes, faces = ((x + 1 if x > 1 else 0, y, z), (x, y + 1, z), (x, y, z + 1)), self._packed.conductances
        return tuple(g[: math.prod(shape)].reshape(shape) for g, shape in zip(faces, shapes, strict=True))


def _invert(level: Level) -> FloatArray:
    """Invert the matrix of a small level; no rows for a larger one, whose cells are hardly coupled.

    The residual of an insulated body is known to single precision. Its even part would be returned times the inverse of
    the smallest eigenvalue, however small, so the diagonal is raised by what rounding leaves of it.
    """
    if level.rest.size > DIRECT_CELLS:
        return np.zeros((0, 0))
    matrix = level.assemble()
    own = np.diag(matrix)
    matrix[np.diag_indices_from(matrix)] += np.where(own > 0.0, ROUNDING * own, 1.0)  # 1 for cells of nothing
    inverse = np.linalg.inv(matrix)
    symmetric: FloatArray = 0.5 * (inverse + inverse.T)
    return symmetric


def make_operator(
    space: Space, loads: Loads, *, shift: float, tau: float, idle: FloatArray | float = 0.0
) -> tuple[tuple[int, ...], tuple[FloatArray, ...], FloatArray]:
    """Make shape, conductances and rest of `shift C + tau L` on three axes, in the form of `kernels.apply`.

    The rest is the product with a uniform field of ones: capacities and boundaries.
    """
    shape = (1,) * (3 - len(space.shape)) + space.shape
    faces = tuple(np.ascontiguousarray(g) for g in space.conductances)
    if len(faces) == 1:
        faces = (np.zeros((2, shape[2])), faces[0][None])
    if len(faces) == 2:
        faces = (np.zeros((0, *shape[1:])), *(g[None] for g in faces))
    rest: FloatArray = shift * space.capacity + idle
    for patch, face_law in zip(space.patches, loads.face_laws, strict=True):
        np.add.at(rest, patch.cells, (tau * patch.area) * face_law.transmittance)
    return shape, faces, rest.reshape(shape)


@dataclass(frozen=True)
class Arrangement:
    """Order of the three axes in memory: as it is, or with the longest axis last where the last one is short.

    Sweeps run along the last axis; if it has few cells, most of their time goes to the beginnings and ends of rows. The
    shortest axis is in the middle, so that the planes of a sweep stay in the nearest caches.

    Args:
        shape: Cells along the axes in their own order.
        order: Numbers of these axes in memory, from the slowest to the fastest.
    """

    shape: tuple[int, ...]
    order: tuple[int, ...]

    @classmethod
    def of(cls, shape: tuple[int, ...]) -> "Arrangement":
        """Choose the order for a box."""
        longest = int(np.argmax(shape))
        if not (shape[2] < SHORT and shape[longest] >= MUCH_LONGER * shape[2]):
            return cls(shape, (0, 1, 2))
        first, second = (axis for axis in range(3) if axis != longest)
        if 1 < shape[first] < shape[second]:  # an axis of one cell stays the first
            first, second = second, first
        order = (first, second, longest)
        return cls(shape, order)

    @property
    def is_natural(self) -> bool:
        """True where the axes have their own order."""
        return self.order == (0, 1, 2)

    @property
    def own_shape(self) -> tuple[int, ...]:
        """Cells along the axes in the order of memory."""
        return tuple(self.shape[axis] for axis in self.order)

    def turn(self, field: FloatArray) -> FloatArray:
        """Return a field of three axes in the order of memory."""
        return field if self.is_natural else np.ascontiguousarray(field.transpose(self.order))

    def pack(self, field: FloatArray) -> FloatArray:
        """Return a flat field in the order of memory, flat."""
        return field if self.is_natural else self.turn(field.reshape(self.shape)).reshape(-1)

    def unpack(self, field: NDArray[Any]) -> NDArray[Any]:
        """Return a flat field in the order of memory in its own order, flat."""
        if self.is_natural:
            return field
        back = field.reshape(self.own_shape).transpose(np.argsort(self.order))
        return np.ascontiguousarray(back).reshape(-1)


Arranged = tuple[Arrangement, tuple[FloatArray, ...], FloatArray]


def arrange_operator(
    space: Space, loads: Loads, *, shift: float, tau: float, idle: FloatArray | float = 0.0
) -> Arranged:
    """Make the operator of `make_operator` with the axes in the order that suits sweeps."""
    shape, faces, rest = make_operator(space, loads, shift=shift, tau=tau, idle=idle)
    arrangement = Arrangement.of(shape)
    if arrangement.is_natural:
        return arrangement, faces, rest
    turned = tuple(arrangement.turn(faces[axis]) for axis in arrangement.order)
    return arrangement, turned, arrangement.turn(rest)


class Cycle:
    """One cycle for a system without couplings between axes: a fixed preconditioner of another iteration."""

    def __init__(self, space: Space, loads: Loads, *, shift: float, tau: float) -> None:
        self._arrangement, faces, rest = arrange_operator(space, loads, shift=shift, tau=tau)
        self._hierarchy = Hierarchy(faces, rest, tau)

    def solve(self, right: FloatArray) -> FloatArray:
        """Return the correction of one cycle."""
        size = float(np.abs(right).max())
        if size == 0.0:
            return np.zeros_like(right)
        self._hierarchy.take(self._arrangement.pack(right), 1.0 / size)
        found = (size * self._hierarchy.scale) * self._hierarchy.run().astype(np.float64)
        return self._arrangement.unpack(found)


@dataclass(frozen=True)
class Stop:
    """Criterion for the end of an iteration.

    Args:
        residual: Norm of the residual over that of the right-hand side.
        energy: Norm of the error over that of the solution, both weighted by the matrix; estimated from what the last
            two turns gained, as each gains most of the remaining error (Z. Strakos, P. Tichy, ETNA 13, 2002).
    """

    residual: float = 0.0
    energy: float = 0.0


class Iteration:
    """Conjugate gradients on `shift C + tau L`, preconditioned by a cycle; fields in the order of `arrangement`.

    Args:
        dtype: Type of all vectors; single precision halves the memory traffic where a few digits are enough.
        operator: Result of `arrange_operator` for the rest, where it is known.
    """

    def __init__(
        self, space: Space, loads: Loads, *, shift: float, tau: float, idle: FloatArray | float = 0.0,
        dtype: type[np.floating] = np.float64, operator: Arranged | None = None,
    ) -> None:  # fmt: skip
        known = operator or arrange_operator(space, loads, shift=shift, tau=tau, idle=idle)
        self.arrangement, faces, self.rest = known
        self.shape = self.arrangement.own_shape
        self.hierarchy = Hierarchy(faces, self.rest, tau)
        self.dtype, self._factor = dtype, 1.0
        self._tau: Any = dtype(tau)
        self._faces: tuple[NDArray[np.floating], ...] = faces
        self._own: NDArray[np.floating] = self.rest
        if dtype is np.float32:
            self._factor, self._tau = self.hierarchy.scale, dtype(1.0)
            self._faces = self.hierarchy.finest or tuple((self._factor * tau * g).astype(dtype) for g in faces)
            self._own = (self._factor * self.rest).astype(dtype)
        self._sums = np.empty(self.shape[0] * self.shape[1])
        self.iterations = 0

    def apply(self, out: NDArray[np.floating], field: NDArray[np.floating]) -> None:
        """Apply the matrix: out = A field."""
        gx, gy, gz = self._faces
        kernels.apply(out.reshape(self.shape), field.reshape(self.shape), gx, gy, gz, self._own, self._tau, self._sums)

    def solve(self, right: FloatArray, stop: Stop) -> NDArray[np.floating]:
        """Solve until a criterion is met, from zero.

        Raises:
            NotConvergedError: The iteration stalls.
        """
        sums, (gx, gy, gz) = self._sums, self._faces
        number: Any = self.dtype  # a plain float would widen single precision in the kernels
        scale = math.sqrt(kernels.product(right, right, sums))
        residual = ((1.0 / (scale or 1.0)) * right).astype(number)
        solution, direction = np.zeros_like(residual), np.zeros_like(residual)
        if scale == 0.0:
            return solution
        image, hierarchy = np.empty_like(residual), self.hierarchy
        q, p = image.reshape(self.shape), direction.reshape(self.shape)
        factor = hierarchy.scale / self._factor  # scale of a cycle on a residual that is passed unscaled
        hierarchy.take(residual, 1.0)
        before = gained = total = size = math.inf
        for _ in range(ITERATIONS):
            tick()
            self.iterations += 1
            correction = hierarchy.run()
            following = factor * kernels.product(residual, correction, sums)
            share = 0.0 if math.isinf(before) else following / before
            u = correction.reshape(self.shape)
            curvature = kernels.turn_and_apply(
                q, p, u, number(factor), number(share), gx, gy, gz, self._own, self._tau, sums
            )
            length, before = following / curvature, following
            size = math.sqrt(
                kernels.advance(
                    solution, residual, direction, image, hierarchy.right, number(length), number(1.0), sums
                )
            )
            now, last = length * following, gained
            gained, total = now, now if math.isinf(total) else total + now
            rate = min(now / last, 1.0) if math.isfinite(last) else FIRST_RATE
            if size <= stop.residual or rate * now <= stop.energy**2 * total or size == 0.0:
                solution *= number(scale * self._factor)
                return solution
            if not math.isfinite(size):
                break
        cell = int(np.abs(residual).argmax())
        raise NotConvergedError(
            "multigrid conjugate gradients", ITERATIONS, size, stop.residual or stop.energy, cell=cell
        )


class MultigridSolver:
    """A system that is solved to a tolerance, with heat closed.

    Args:
        tolerance: Relative residual at which the iteration stops.
    """

    def __init__(
        self, space: Space, loads: Loads, *, shift: float, tau: float, idle: FloatArray, tolerance: float
    ) -> None:
        self._stop = Stop(residual=tolerance)
        self._iteration = Iteration(space, loads, shift=shift, tau=tau, idle=idle)
        weight = np.ones(space.capacity.size) if space.active is None else space.active.astype(np.float64)
        weight = self._iteration.arrangement.pack(weight)
        self._weight = None if space.active is None else weight
        self._total = float(self._iteration.rest.reshape(-1) @ weight)

    @property
    def iterations(self) -> int:
        """Number of turns so far."""
        return self._iteration.iterations

    def solve(self, right: FloatArray) -> FloatArray:
        """Solve to the tolerance; then the sum of the residual vanishes, so that heat closes.

        Raises:
            NotConvergedError: The iteration stalls.
        """
        arrangement = self._iteration.arrangement
        right = arrangement.pack(right)
        solution = self._iteration.solve(right, self._stop).astype(np.float64, copy=False)
        rest = np.empty_like(right)
        self._iteration.apply(rest, solution)
        np.subtract(right, rest, out=rest)
        if self._weight is None:
            return arrangement.unpack(solution + float(rest.sum()) / self._total)
        left = float(np.einsum("i,i->", rest, self._weight))  # not by a BLAS, whose threads would wait for more work
        return arrangement.unpack(solution + self._weight * (left / self._total))
