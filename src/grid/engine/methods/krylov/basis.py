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
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from grid.engine.methods.driven import vector_kernels as kernels
from grid.engine.methods.krylov.operators import MultigridOperator, Operator
from grid.engine.progress import tick
from grid.engine.space.laws import Loads
from grid.engine.space.space import Space
from grid.engine.values.operations import FloatArray

Field = NDArray[np.floating[Any]]
FIRST_ROWS = 12  # [-] directions for which memory is allocated at first; doubled when it is full
# [-] share of a direction that is independent of those before it, below which it is rounding
LOST_SINGLE, LOST = 3e-6, 1e-11
DEPENDENT = 1e-10  # [-] squared size of the independent part of a direction, below which it is left out
SERIES_BELOW, SERIES_TERMS = 0.5, 14  # [-] argument below which phi_2 is summed as a series, and the last power of it


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
        """Orthonormal combinations of the directions, one a column: the even one, and independent parts of the others.

        Where the others nearly make up the even one, as in a body that exchanges little heat, they stand alone.
        """
        even, others = self.mass[0, 1:], self.mass[1:, 1:]
        if even.size and 1.0 - even @ np.linalg.lstsq(others, even)[0] <= DEPENDENT:
            alone = _whiten(others)
            return np.vstack([np.zeros((1, alone.shape[1])), alone])
        besides = _whiten(others - np.multiply.outer(even, even))
        coordinates = np.zeros((1 + even.size, 1 + besides.shape[1]))
        coordinates[0, 0], coordinates[0, 1:], coordinates[1:, 1:] = 1.0, -(even @ besides), besides
        return coordinates

    @cached_property
    def _modes(self) -> tuple[FloatArray, FloatArray]:
        """Rates [1/s] and modes in the combinations of `_places`."""
        coordinates = self._places
        rates, modes = np.linalg.eigh(coordinates.T @ self.stiffness @ coordinates)
        return np.maximum(rates, 0.0), modes

    def find_modes(self) -> tuple[FloatArray, FloatArray]:
        """Rates [1/s] of the projected equation, and its modes as coefficients of the directions, in columns."""
        rates, modes = self._modes
        return rates, self._places @ modes

    def move(self, times: FloatArray) -> Motion:
        """The motion from rest to some times [s]."""
        coordinates, (rates, modes) = self._places, self._modes
        inner = modes.T @ (coordinates.T @ self.drive)
        integral = coordinates @ (modes @ (inner[:, None] * times**2 * phi_2(-np.multiply.outer(rates, times))))
        # the change from the integral, and its first row to the last rounding: the heat balance of the body
        rest = np.multiply.outer(self.drive, times) - self.stiffness @ integral
        change = coordinates @ np.linalg.solve(coordinates.T @ self.mass @ coordinates, coordinates.T @ rest)
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
        operator: Capacities and conductances of the cells, with the systems that are solved.
        space: The discretised problem, linear.
        start: Field at the start, flat.
        drives: Heat that sets the body in motion [W], each a field of cells as the operator has them: at first the
            heat flow at the start, then that of each unit of a load that changes in time.
        totals: Their sums over the body [W].
        chains: Combinations of the drives from which directions begin, shape (chains, drives).
        dtype: Of the directions, and of the iterations that find them.
    """

    def __init__(
        self, operator: Operator, space: Space, start: FloatArray, drives: Sequence[FloatArray],
        totals: Sequence[float], chains: FloatArray, *, dtype: type[np.floating[Any]],
    ) -> None:  # fmt: skip
        self.start, self._space, self._operator = start, space, operator
        self._given, self._chains = tuple(drives), chains
        self._edge = np.flatnonzero(operator.leak)
        self.total = space.total_capacity
        self._level = 1.0 / math.sqrt(self.total)  # of the direction that is the same everywhere
        self._lost = LOST_SINGLE if dtype is np.float32 else LOST
        self._vectors: Field = np.empty((FIRST_ROWS, operator.capacity.size), dtype)
        self._ends = dict[int, int]()  # the last direction of each chain
        self.count, self.fresh = 0, 1.0
        leak = float(operator.leak[self._edge].sum())
        self.drives: FloatArray = np.array([totals], np.float64) * self._level  # shape (directions, drives)
        self.system = System(np.ones((1, 1)), np.full((1, 1), leak * self._level**2), self.drives[:, 0])

    @classmethod
    def of(
        cls, space: Space, loads: Loads, start: FloatArray, *, gamma: float, dtype: type[np.floating[Any]]
    ) -> "Basis":
        """The basis of constant loads, with one shift [s]."""
        flow = space.heat_flow(start, loads)
        operator = MultigridOperator(space, loads, (gamma,), dtype)
        total = flow.boundary_in - flow.boundary_out + flow.generated
        return cls(operator, space, start, (flow.net,), (total,), np.ones((1, 1)), dtype=dtype)

    @property
    def vectors(self) -> Field:
        """The directions but the first, which is the same everywhere; shape (count, cells)."""
        return self._vectors[: self.count]

    @property
    def iterations(self) -> int:
        """Multigrid cycles so far."""
        return self._operator.iterations

    def extend(self, energy: float, *, chain: int = 0, shift: int = 0, gamma: float | None = None) -> bool:
        """Find another direction.

        Args:
            energy: See `multigrid.Stop`.
            chain: Number of the chain, whose directions follow one from the other.
            shift: Number of the system that is solved.
            gamma: Its shift [s]; then what the directions so far make up of the solution is taken out before the
                solve, which need not be as exact for the rest.

        Returns:
            Whether there was one.

        Raises:
            NotConvergedError: The iteration stalls.
        """
        # Where the body exchanges heat with nothing, an even field is a vector of Krylov's space by itself; elsewhere
        # taking it out of the others would leave that space.
        tick()
        last, capacity = self._ends.get(chain), self._operator.capacity
        right = self._begin(chain) if last is None else capacity * self._vectors[last]
        if gamma is not None and self.count:
            right = self._deflate(right, chain, last, gamma)
        found = self._operator.solve(right, shift, energy)
        if self.count == len(self._vectors):
            grown = np.empty((2 * self.count, capacity.size), self._vectors.dtype)  # no page before it is needed
            grown[: self.count] = self._vectors
            self._vectors = grown
        length, new = self._find_length(found), self._vectors[self.count]
        for _ in range(1 if found.dtype == np.float32 else 2):  # again, where roundings of the first time would show
            sums = kernels.project(self.vectors, found, capacity)
            sums[0] *= 0.0 if self._edge.size else self._level
            kernels.combine(new, found, self.vectors, self._in_kelvin(-sums), 1.0)
            found = new
        left = self._find_length(new)
        if not left > self._lost * length:
            return False
        new *= found.dtype.type(1.0 / left)
        self.fresh = left / length
        self._ends[chain] = self.count
        self.count += 1
        self._project()
        return True

    def _begin(self, chain: int) -> FloatArray:
        """The heat from which a chain begins [W]."""
        parts = [share * self._given[drive] for drive, share in enumerate(self._chains[chain]) if share]
        heat: FloatArray = parts[0] if len(parts) == 1 else np.sum(parts, axis=0)
        return heat

    def _deflate(self, right: FloatArray, chain: int, last: int | None, gamma: float) -> FloatArray:
        """Residual of a right-hand side after Galerkin's solution on the directions so far, the even one excepted."""
        known = self.drives[1:] @ self._chains[chain] if last is None else self.system.mass[1:, 1 + last]
        small = np.linalg.lstsq((self.system.mass + gamma * self.system.stiffness)[1:, 1:], known)[0]
        guess = np.empty_like(right)
        kernels.combine(guess, self._nothing, self.vectors, np.append(0.0, small), 1.0)
        kernels.take_out(right, self._operator.capacity, guess, gamma, self._operator.apply(guess))
        return right

    def _find_length(self, vector: Field) -> float:
        """Norm of a vector, weighted by capacities."""
        return math.sqrt(max(float(kernels.project(vector[None], vector, self._operator.capacity)[1]), 0.0))

    def _in_kelvin(self, coefficients: FloatArray) -> FloatArray:
        """Coefficients with that of the even direction as a temperature."""
        out = coefficients.copy()
        out[0] *= self._level
        return out

    def _part(self, coefficients: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Split several changes into the even part as a temperature and the coefficients of the other directions."""
        return self._level * coefficients[:, 0], np.ascontiguousarray(coefficients[:, 1:])

    def _project(self) -> None:
        """The row and column of the last direction."""
        vector, operator = self._vectors[self.count - 1].astype(np.float64), self._operator
        flow = operator.apply(vector)
        mass, stiffness = kernels.project_both(self.vectors, vector, operator.capacity, flow)
        mass[0] *= self._level
        stiffness[0] = self._level * float(np.einsum("i,i->", operator.leak[self._edge], vector[self._edge]))
        row = [float(np.einsum("i,i->", vector[cells], heat)) for cells, heat in self._touched]
        self.drives = np.vstack([self.drives, row])
        self.system = System(
            _border(self.system.mass, mass), _border(self.system.stiffness, stiffness), self.drives[:, 0]
        )

    def find_fields(self, coefficients: FloatArray) -> FloatArray:
        """The start and some changes, shape (changes, cells)."""
        begin = self._operator.pack(self.start)
        out = np.empty((len(coefficients), begin.size))
        kernels.combine_all(out, begin, self.vectors, *self._part(coefficients))
        return self._operator.unpack_all(out)

    def find_extremes(self, coefficients: FloatArray) -> tuple[float, float]:
        """The lowest and the highest temperature of the start and of the fields after some changes."""
        begin = self._operator.pack(self.start)
        low, high = kernels.find_extremes(begin, self.vectors, *self._part(coefficients), self._inside)
        return float(low), float(high)

    def look(self, coefficients: FloatArray, cells: NDArray[np.intp]) -> FloatArray:
        """Some changes at some cells, shape (changes, cells)."""
        out = np.empty((len(coefficients), cells.size))
        kernels.combine_at(out, self.vectors, self._operator.coordinates(cells), *self._part(coefficients))
        return out

    def measure(self, coefficients: FloatArray) -> float:
        """The largest root mean square of changes, weighted by capacities; coefficients as in `Motion`."""
        squares = (coefficients * (self.system.mass @ coefficients)).sum(axis=0)
        return math.sqrt(max(float(squares.max()), 0.0) / self.total)

    def find_largest(self, coefficients: FloatArray) -> float:
        """The largest change of a cell, of some changes."""
        return float(kernels.find_largest(self.vectors, *self._part(coefficients), self._inside))

    @cached_property
    def _nothing(self) -> FloatArray:
        return np.zeros(self._operator.capacity.size)

    @cached_property
    def _touched(self) -> list[tuple[NDArray[np.intp] | slice, FloatArray]]:
        """Cells that each drive heats, and their heat; all cells where it heats most of them."""
        found: list[tuple[NDArray[np.intp] | slice, FloatArray]] = []
        for drive in self._given:
            cells = np.flatnonzero(drive)
            found.append((slice(None), drive) if 4 * cells.size > drive.size else (cells, drive[cells]))
        return found

    @cached_property
    def _inside(self) -> NDArray[np.bool_]:
        """Mask of the cells that count, as the directions do not describe those outside; empty where all count."""
        if self._space.active is None or not self._operator.has_idle:
            return np.ones(0, np.bool_)
        return self._operator.pack(self._space.active.astype(np.float64)) > 0.0


def _border(matrix: FloatArray, row: FloatArray) -> FloatArray:
    """A symmetric matrix with one more row and column."""
    grown = np.empty((row.size, row.size))
    grown[:-1, :-1], grown[:-1, -1], grown[-1] = matrix, row[:-1], row
    return grown
