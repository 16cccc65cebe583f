"""The operator of a Krylov method: capacities, conductances, and systems C + gamma L that are solved for some shifts.

Two forms of one thing. By multigrid on the cells of the whole box, where a factorisation would cost more than cycles;
by factorisations on the cells of the body alone, where it costs less: of a small body, or of one that is thin
everywhere, such as fins and boards.
"""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from grid.engine.linear.multigrid import cycle_kernels as multigrid_kernels
from grid.engine.linear.multigrid.solver import Iteration, Stop, arrange_operator
from grid.engine.space.laws import Loads
from grid.engine.space.space import Space
from grid.engine.values.operations import FloatArray

Field = NDArray[np.floating[Any]]
MOST_FILMS = 8  # [-] films of a body whose matrices are stored for the runs of a batch


class Operator(Protocol):
    """Cells in the order that suits the solver; `pack` and `unpack_all` convert to it and back."""

    capacity: FloatArray  # C [J/K]
    leak: FloatArray  # what a field that is 1 everywhere loses [W/K]
    has_idle: bool  # whether cells outside a masked body are among them

    @property
    def iterations(self) -> int:
        """Multigrid cycles so far."""

    def apply(self, field: FloatArray) -> FloatArray:
        """L times a field [W]."""

    def solve(self, right: FloatArray, shift: int, energy: float) -> Field:
        """The solution of the system of a shift, by its number.

        Args:
            right: Heat [J] or its rate [W].
            energy: Error that is allowed, see `multigrid.Stop`; a factorisation makes none.
        """

    def pack(self, field: FloatArray) -> FloatArray:
        """A flat field of the box in the order of this operator."""

    def unpack_all(self, fields: FloatArray) -> FloatArray:
        """Fields in the order of this operator as those of the box, shape (fields, cells); outside is their mean."""

    def coordinates(self, cells: NDArray[np.intp]) -> NDArray[np.intp]:
        """Positions of cells of the box in the order of this operator."""


class MultigridOperator:
    """The whole box, solved by conjugate gradients with a multigrid cycle.

    Args:
        space: The discretised problem.
        loads: With the films.
        shifts: gamma [s] of each system.
        dtype: Of the iterations.
    """

    has_idle = True

    def __init__(self, space: Space, loads: Loads, shifts: Sequence[float], dtype: type[np.floating[Any]]) -> None:
        self._space = space
        self._arrangement, self._faces, self._rest = arrange_operator(space, loads, shift=0.0, tau=1.0)
        self._shape = self._arrangement.own_shape
        self._sums = np.empty(self._shape[0] * self._shape[1])
        self.capacity, self.leak = np.ascontiguousarray(self.pack(space.capacity)), self._rest.reshape(-1)
        self._iterations = tuple(
            Iteration(space, loads, shift=1.0, tau=gamma, idle=_fill_idle(space, gamma, self._faces), dtype=dtype)
            for gamma in shifts
        )

    @property
    def iterations(self) -> int:
        """Number of multigrid cycles so far."""
        return sum(iteration.iterations for iteration in self._iterations)

    def apply(self, field: FloatArray) -> FloatArray:
        """Apply L to a field [W]."""
        out, shape = np.empty_like(field), self._shape
        gx, gy, gz = self._faces
        rest, sums = self._rest, self._sums
        multigrid_kernels.apply(out.reshape(shape), field.reshape(shape), gx, gy, gz, rest, 1.0, sums)
        return out

    def solve(self, right: FloatArray, shift: int, energy: float) -> Field:
        """Solve the system of a shift by conjugate gradients with multigrid."""
        return self._iterations[shift].solve(right, Stop(energy=energy))

    def pack(self, field: FloatArray) -> FloatArray:
        """Order a flat field of the box as this operator does."""
        return self._arrangement.pack(field)

    def unpack_all(self, fields: FloatArray) -> FloatArray:
        """Order fields as those of the box, shape (fields, cells); outside is their mean."""
        out = fields if self._arrangement.is_natural else np.empty_like(fields)
        for row, one in enumerate(fields):
            out[row] = self._space.fill(self._arrangement.unpack(one))
        return out

    def coordinates(self, cells: NDArray[np.intp]) -> NDArray[np.intp]:
        """Positions of cells of the box in the order of this operator."""
        if self._arrangement.is_natural:
            return cells
        at = np.unravel_index(cells, self._arrangement.shape)
        return np.ravel_multi_index(tuple(at[axis] for axis in self._arrangement.order), self._shape)


class Factors(Protocol):
    """A factorised system."""

    def solve(self, right: FloatArray) -> FloatArray:
        """Solve for a right-hand side."""


@dataclass(frozen=True)
class _Parts:
    """Matrix L of a body with its films, CSR; what a field that is 1 everywhere loses; keys of factors by shifts."""

    matrix: Any
    leak: FloatArray
    keys: dict[float, bytes] = field(default_factory=dict)


def _find_parts(space: Space, loads: Loads) -> _Parts:
    """Make the parts of a body with its films; runs of one batch with the same body and films share them."""
    if not space.is_shared:
        return _make_parts(space, loads)
    known: OrderedDict[bytes, _Parts] = space.shared.setdefault(_make_parts, OrderedDict())
    parts = known.pop(loads.operator_key, None) or _make_parts(space, loads)
    known[loads.operator_key] = parts  # most recent last
    while len(known) > MOST_FILMS:
        known.popitem(last=False)
    return parts


def _make_parts(space: Space, loads: Loads) -> _Parts:
    from grid.engine.linear.systems import assemble_body

    leak, body = np.zeros(space.body_count), space.body_cells
    for patch, face_law in zip(space.patches, loads.face_laws, strict=True):
        np.add.at(leak, np.searchsorted(body, patch.cells), patch.area * face_law.transmittance)
    return _Parts(assemble_body(space, loads).tocsr(), leak)


class DirectOperator:
    """The cells of the body, factorised once for each shift; see `MultigridOperator` for the arguments."""

    has_idle = False
    iterations = 0

    def __init__(self, space: Space, loads: Loads, shifts: Sequence[float]) -> None:
        self._space, self._body = space, space.body_cells
        self.capacity = np.ascontiguousarray(space.capacity[self._body])
        self._parts = _find_parts(space, loads)
        self._matrix, self.leak = self._parts.matrix, self._parts.leak
        self._shifts, self._factors = tuple(shifts), dict[int, Factors]()

    def apply(self, field: FloatArray) -> FloatArray:
        """Apply L to a field [W]."""
        out: FloatArray = self._matrix @ field
        return out

    def solve(self, right: FloatArray, shift: int, energy: float) -> Field:  # noqa: ARG002 exact
        """Solve the system of a shift by its factorisation, made at the first call."""
        if shift not in self._factors:  # not before one is needed
            self._factors[shift] = self._factorise(self._shifts[shift])
        return self._factors[shift].solve(right)

    def _factorise(self, gamma: float) -> Factors:
        """Factorise C + gamma L, or recall the factors that another run of the batch has made of it."""
        from scipy import sparse

        from grid.engine.linear.factor_sharing import factorise, find_key, recall

        if (found := recall(self._parts.keys.get(gamma))) is not None:
            return found
        matrix = (sparse.diags(self.capacity) + gamma * self._matrix).tocsc()
        factors = factorise(matrix, self._space)
        if (key := find_key()) is not None:
            self._parts.keys[gamma] = key
        return factors

    def pack(self, field: FloatArray) -> FloatArray:
        """Select the cells of the body from a flat field of the box."""
        return field[self._body]

    def unpack_all(self, fields: FloatArray) -> FloatArray:
        """Spread fields over the box, shape (fields, cells); outside is their mean."""
        return self._space.spread(fields)

    def coordinates(self, cells: NDArray[np.intp]) -> NDArray[np.intp]:
        """Positions of cells of the box among those of the body."""
        return np.searchsorted(self._body, cells)


def _fill_idle(space: Space, gamma: float, faces: tuple[FloatArray, ...]) -> FloatArray | float:
    """Diagonal entries that keep cells outside a masked body at their values."""
    if space.active is None:
        return 0.0
    size = float(space.capacity.max()) + gamma * max(float(g.max()) for g in faces if g.size)
    return np.where(space.active, 0.0, size)
