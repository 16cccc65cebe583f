r"""A heat equation projected on a few directions: the space of a shift-and-invert Krylov method, and its small system.

With r = b - L T_0 the heat flow into the cells at a start T_0, and V the directions, the field of a constant linear
problem is sought as T(t) = T_0 + V y(t) with a residual normal to V (Galerkin):

.. math::
    M y' = V^T r - H y, \quad y(0) = 0, \qquad M = V^T C V, \quad H = V^T L V

whose solution and integral are, with the eigenpairs of (H, M), :math:`y = t \varphi_1(-t M^{-1}H) M^{-1} V^T r` and
:math:`\int_0^t y = t^2 \varphi_2(-t M^{-1}H) M^{-1} V^T r`. The directions are those of Krylov's space of
:math:`(C + \gamma L)^{-1} C` from :math:`(C + \gamma L)^{-1} r`, in which functions of the stiff matrix are found after
a number of directions that depends neither on the grid nor on the stiffness (I. Moret, P. Novati, BIT 44, 2004; J. van
den Eshof, M. Hochbruck, SIAM J. Sci. Comput. 27, 2006; S. Guettel, GAMM-Mitt. 36, 2013). They come from systems that
are solved roughly, and may stand in single precision, because M and H are made of them as they are, in double.

A field that is the same everywhere is one of the directions. Its row of the small system is the heat balance of the
body, so heat is conserved whatever the others are (docs/theory/krylov.md).
"""

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from grid.engine.methods import multigrid_kernels
from grid.engine.methods import rational_krylov_kernels as kernels
from grid.engine.methods.multigrid import Iteration, Stop, make_operator
from grid.engine.space import Loads, Space
from grid.engine.values import FloatArray

Field = NDArray[np.floating[Any]]
FIRST_ROWS = 12  # room for directions, doubled when it is full
LOST_SINGLE, LOST = 3e-6, 1e-11  # of a direction left by those before it: it is made of roundings
DEPENDENT = 1e-10  # squared size of what a direction is besides the others, below which it is left out
SERIES_BELOW, SERIES_TERMS = 0.5, 14  # where phi_2 is summed, and how far


@dataclass(frozen=True)
class Motion:
    """Coefficients of the change since the start, and their integrals [s], at some times; shape (directions, times)."""

    change: FloatArray
    integral: FloatArray


@dataclass(frozen=True)
class System:
    """The projected equation: M y' = r - H y."""

    mass: FloatArray
    stiffness: FloatArray
    drive: FloatArray

    @cached_property
    def _places(self) -> FloatArray:
        """Orthonormal combinations of the directions, one in each column: the even one, and what others are besides.

        Where the others nearly make up the even one, as in a body that exchanges little heat, they stand alone.
        """
        even, others = self.mass[0, 1:], self.mass[1:, 1:]
        if even.size and 1.0 - even @ np.linalg.lstsq(others, even)[0] <= DEPENDENT:
            alone = _whiten(others)
            return np.vstack([np.zeros((1, alone.shape[1])), alone])
        besides = _whiten(others - np.multiply.outer(even, even))
        return np.block([[np.ones((1, 1)), -(even @ besides)[None]], [np.zeros((even.size, 1)), besides]])

    @cached_property
    def _modes(self) -> tuple[FloatArray, FloatArray]:
        """Rates [1/s] and modes in the combinations of `_places`."""
        places = self._places
        rates, modes = np.linalg.eigh(places.T @ self.stiffness @ places)
        return np.maximum(rates, 0.0), modes

    def move(self, times: FloatArray) -> Motion:
        """The motion from rest to some times [s]."""
        places, (rates, modes) = self._places, self._modes
        inner = modes.T @ (places.T @ self.drive)
        integral = places @ (modes @ (inner[:, None] * times**2 * phi_2(-np.multiply.outer(rates, times))))
        # the change from the integral, and its first row to the last rounding: the heat balance of the body
        rest = np.multiply.outer(self.drive, times) - self.stiffness @ integral
        change = places @ np.linalg.solve(places.T @ self.mass @ places, places.T @ rest)
        change[0] += (rest[0] - self.mass[0] @ change) / self.mass[0, 0]
        return Motion(change, integral)


def _whiten(mass: FloatArray) -> FloatArray:
    """Orthonormal combinations of some directions, one in each column; what others make up is left out."""
    sizes, turned = np.linalg.eigh(mass)
    kept = sizes > DEPENDENT
    combined: FloatArray = turned[:, kept] / np.sqrt(sizes[kept])
    return combined


def phi_2(x: FloatArray) -> FloatArray:
    """(exp(x) - 1 - x) / x^2 for x <= 0."""
    small = np.minimum(np.abs(x), SERIES_BELOW) * -1.0
    total = np.zeros_like(small)
    for k in range(SERIES_TERMS, -1, -1):
        total = total * small + 1.0 / math.factorial(k + 2)
    far = np.where(-x > SERIES_BELOW, x, -1.0)
    found: FloatArray = np.where(-x > SERIES_BELOW, (np.expm1(far) - far) / far**2, total)
    return found


class Basis:
    """Directions from one start, and the equation projected on them.

    Args:
        space: The discretised problem, linear, with constant loads.
        start: Field at the start, flat.
        gamma: Shift of the systems that are solved [s].
        dtype: Of the directions, and of the iterations that find them.
    """

    def __init__(
        self, space: Space, loads: Loads, start: FloatArray, *, gamma: float, dtype: type[np.floating[Any]]
    ) -> None:
        self.start, self._space = start, space
        self._flow = space.heat_flow(start, loads)
        self._shape, self._faces, self._rest = make_operator(space, loads, shift=0.0, tau=1.0)
        self._edge = np.flatnonzero(self._rest)
        self._capacity = np.ascontiguousarray(space.capacity)
        self.total = space.total_capacity
        self._level = 1.0 / math.sqrt(self.total)  # of the direction that is the same everywhere
        self._iteration = Iteration(
            space, loads, shift=1.0, tau=gamma, idle=_fill_idle(space, gamma, self._faces), dtype=dtype
        )
        self._lost = LOST_SINGLE if dtype is np.float32 else LOST
        self._vectors: Field = np.empty((FIRST_ROWS, start.size), dtype)
        self.count, self.fresh = 0, 1.0
        leak = float(self._rest.reshape(-1)[self._edge].sum())
        generated = self._flow.boundary_in - self._flow.boundary_out + self._flow.generated
        self.system = System(
            np.ones((1, 1)), np.full((1, 1), leak * self._level**2), np.array([generated * self._level])
        )

    @property
    def vectors(self) -> Field:
        """The directions but the first, which is the same everywhere; shape (count, cells)."""
        return self._vectors[: self.count]

    @property
    def iterations(self) -> int:
        """Multigrid cycles so far."""
        return self._iteration.iterations

    def extend(self, energy: float) -> bool:
        """Find another direction.

        Args:
            energy: See `multigrid.Stop`.

        Returns:
            Whether there was one.

        Raises:
            NotConvergedError: The iteration stalls.
        """
        # Where the body exchanges heat with nothing, an even field is a vector of Krylov's space by itself; elsewhere
        # taking it out of the others would leave that space.
        right = self._capacity * self._vectors[self.count - 1] if self.count else self._flow.net
        found = self._iteration.solve(right, Stop(energy=energy))
        if self.count == len(self._vectors):
            grown = np.empty((2 * self.count, self.start.size), self._vectors.dtype)  # no page before it is needed
            grown[: self.count] = self._vectors
            self._vectors = grown
        length, new = self._find_length(found), self._vectors[self.count]
        for _ in range(1 if found.dtype == np.float32 else 2):  # again, where roundings of the first time would show
            sums = kernels.project(self.vectors, found, self._capacity)
            sums[0] *= 0.0 if self._edge.size else self._level
            kernels.combine(new, found, self.vectors, self._in_kelvin(-sums), 1.0)
            found = new
        left = self._find_length(new)
        if not left > self._lost * length:
            return False
        new *= found.dtype.type(1.0 / left)
        self.fresh = left / length
        self.count += 1
        self._project()
        return True

    def _find_length(self, vector: Field) -> float:
        """Its norm, weighted by capacities."""
        return math.sqrt(max(float(kernels.project(vector[None], vector, self._capacity)[1]), 0.0))

    def _in_kelvin(self, coefficients: FloatArray) -> FloatArray:
        """Coefficients with that of the even direction as a temperature."""
        out = coefficients.copy()
        out[0] *= self._level
        return out

    def _project(self) -> None:
        """The row and column of the last direction."""
        vector = self._vectors[self.count - 1].astype(np.float64)
        flow = np.empty_like(vector)
        gx, gy, gz = self._faces
        sums = np.empty(self._shape[0] * self._shape[1])
        shape = self._shape
        multigrid_kernels.apply(flow.reshape(shape), vector.reshape(shape), gx, gy, gz, self._rest, 1.0, sums)
        mass = kernels.project(self.vectors, vector, self._capacity)
        mass[0] *= self._level
        leak = self._level * float(self._rest.reshape(-1)[self._edge] @ vector[self._edge])
        stiffness = np.concatenate([[leak], kernels.project_plain(self.vectors, flow)])
        drive = kernels.project_plain(vector[None], self._flow.net)
        self.system = System(
            _border(self.system.mass, mass), _border(self.system.stiffness, stiffness),
            np.append(self.system.drive, drive),
        )  # fmt: skip

    def field(self, coefficients: FloatArray) -> FloatArray:
        """The start and a change."""
        out = np.empty_like(self.start)
        kernels.combine(out, self.start, self.vectors, self._in_kelvin(coefficients), 1.0)
        return self._space.fill(out)

    def take(self, cells: NDArray[np.intp], coefficients: FloatArray) -> FloatArray:
        """A change at some cells."""
        own = self._in_kelvin(coefficients)
        change: FloatArray = own[0] + np.tensordot(own[1:], self.vectors[:, cells].astype(np.float64), 1)
        return change

    def measure(self, coefficients: FloatArray) -> float:
        """The largest root mean square of changes, weighted by capacities; coefficients as in `Motion`."""
        squares = (coefficients * (self.system.mass @ coefficients)).sum(axis=0)
        return math.sqrt(max(float(squares.max()), 0.0) / self.total)

    def find_largest(self, coefficients: FloatArray) -> float:
        """The largest change of a cell."""
        if self._space.active is not None:  # the directions say nothing of cells outside
            change = self.take(np.flatnonzero(self._space.active), coefficients)
            return float(np.abs(change).max())
        return float(kernels.find_largest(self.vectors, self._in_kelvin(coefficients)))


def _border(matrix: FloatArray, row: FloatArray) -> FloatArray:
    """A symmetric matrix with one more row and column."""
    return np.block([[matrix, row[:-1, None]], [row[None, :-1], row[None, -1:]]])


def _fill_idle(space: Space, gamma: float, faces: tuple[FloatArray, ...]) -> FloatArray | float:
    """What keeps cells outside a masked body as they are."""
    if space.active is None:
        return 0.0
    size = float(space.capacity.max()) + gamma * max(float(g.max()) for g in faces if g.size)
    return np.where(space.active, 0.0, size)
