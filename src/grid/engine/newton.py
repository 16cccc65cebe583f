r"""Newton's matrix for coefficients that depend on temperature.

Through the face between cells i and j flows :math:`G (T_j - T_i)` with G at their mean temperature, so its derivative
has the part :math:`\tfrac12 G' (T_j - T_i)` with respect to both. What a boundary, a source and a conductance change by
for a small common rise of all temperatures gives all of these derivatives at once, because each depends on the
temperatures of its own place alone. The heat capacity of the end of the step is that of the iterate already.

Larger grids in 3D and full tensors go without the derivative of the conductivity (Picard's matrix), whose solvers are
faster by more than the turns they need.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.linalg import LinAlgError, solve_banded

from grid.engine.costs import uses_iteration
from grid.engine.errors import SingularError
from grid.engine.linear import LinearSolver, SparseLU, make_solver
from grid.engine.mesh import after_first, before_last, first, inner, last
from grid.engine.space import Closure, Loads, Space
from grid.engine.values import FloatArray
from grid.engine.varying import freeze

RISE = 1e-6  # of the largest temperature or the span: step of the differences
MOST_CELLS = 40_000  # for which a direct factorisation is made in each turn


def can_differentiate(space: Space) -> bool:
    """Whether the full Newton matrix is worth its factorisation."""
    return not space.couplings and not uses_iteration(space.shape) and space.capacity.size <= MOST_CELLS


def make_newton_solver(
    frozen: Space, loads: Loads, temperature: FloatArray, time: float, *, shift: float, tau: float
) -> LinearSolver:
    """Prepare the system (shift C - tau df/dT) x = right at a field and the coefficients frozen there.

    Raises:
        SingularError: It has no unique solution.
        FieldError: A coefficient is not physical a little above the field.
    """
    if not can_differentiate(frozen):
        return make_solver(frozen, loads, shift=shift, tau=tau, is_rough=True)
    rise = RISE * _scale(frozen, loads, temperature)
    warmer, warmer_loads = freeze(frozen, temperature + rise, time)
    slopes = tuple((after - g) / rise for after, g in zip(warmer.conductances, frozen.conductances, strict=True))
    diagonal = _conduction_diagonal(frozen, loads)
    for index, patch in enumerate(frozen.patches):
        before = _patch_heat(frozen, loads, index, temperature)
        after = _patch_heat(warmer, warmer_loads, index, temperature + rise)
        diagonal[patch.cells] -= (after - before) / rise
    if loads.source is not None and warmer_loads.source is not None:
        diagonal -= (warmer_loads.source - loads.source) / rise
    idle = 0.0 if frozen.active is None else np.where(frozen.active, 0.0, 1.0)
    diagonal = shift * frozen.capacity + tau * diagonal + idle
    if len(frozen.shape) == 1 and not frozen.problem.is_periodic[0]:
        return _banded(frozen, diagonal, 0.5 * slopes[0][1:-1] * np.diff(temperature), tau)
    return SparseLU(_assemble(frozen, diagonal, temperature, slopes, tau))


def _scale(space: Space, loads: Loads, temperature: FloatArray) -> float:
    """Size of the temperatures of the field and of what it exchanges heat with, from absolute zero in degC."""
    sizes = [
        float(np.abs(values).max())
        for values in (temperature, *(c.reference for c in loads.closures))
        if np.size(values)
    ]
    zero = 273.15 if space.problem.temperature_unit == "degC" else 0.0
    return zero + max(*sizes, 1e-3)


def _conduction_diagonal(space: Space, loads: Loads) -> FloatArray:
    """Sum of the conductances to neighbours and of what the flow carries away, without the boundaries."""
    insulated = Loads(tuple(Closure(0.0, 0.0, 0.0) for _ in loads.closures), None, b"")
    diagonal = space.diagonal(insulated)
    for patch in space.patches:
        diagonal[patch.cells] += space.problem.carried(patch.axis) * (1.0 if patch.side == 0 else -1.0) * patch.area
    return diagonal


def _patch_heat(space: Space, loads: Loads, index: int, temperature: FloatArray) -> FloatArray:
    """Heat into the cells behind a patch [W]."""
    patch = space.patches[index]
    conducted, rise = space.boundary_flux(index, temperature, loads.closures[index])
    inflow = space.problem.carried(patch.axis) * (1.0 if patch.side == 0 else -1.0)
    heat: FloatArray = (conducted + inflow * (temperature[patch.cells] + rise)) * patch.area
    return heat


@dataclass(frozen=True)
class _Banded:
    bands: FloatArray

    def solve(self, right: FloatArray) -> FloatArray:
        if self.bands.shape[1] == 1 and self.bands[1, 0] == 0.0:  # which SciPy divides by
            raise SingularError("the body exchanges heat with nothing that has a temperature")
        try:
            out: FloatArray = solve_banded((1, 1), self.bands, right, check_finite=False)
        except LinAlgError as error:
            raise SingularError("the body exchanges heat with nothing that has a temperature") from error
        return out


def _banded(space: Space, diagonal: FloatArray, skew: FloatArray, tau: float) -> LinearSolver:
    g, carried = space.conductances[0][1:-1], space.carried(0)
    bands = np.zeros((3, diagonal.size))
    bands[0, 1:] = -tau * (g + skew)
    bands[1] = diagonal
    bands[1, :-1] -= tau * skew
    bands[1, 1:] += tau * skew
    bands[2, :-1] = -tau * (g + carried - skew)
    return _Banded(bands)


def _assemble(
    space: Space, diagonal: FloatArray, temperature: FloatArray, slopes: tuple[FloatArray, ...], tau: float
) -> Any:
    from scipy import sparse

    count, field = diagonal.size, temperature.reshape(space.shape)
    index = np.arange(count).reshape(space.shape)
    rows, columns, values = [np.arange(count)], [np.arange(count)], [diagonal]
    for axis, (g, slope) in enumerate(zip(space.conductances, slopes, strict=True)):
        pairs = [(before_last(axis), after_first(axis), inner(axis))]
        if space.problem.is_periodic[axis]:
            pairs.append((last(axis), first(axis), first(axis)))
        for low, high, face in pairs:
            skew = tau * (0.5 * slope[face] * (field[high] - field[low])).ravel()
            straight = tau * g[face].ravel()
            low_cells, high_cells = index[low].ravel(), index[high].ravel()
            rows += [low_cells, low_cells, high_cells, high_cells]
            columns += [low_cells, high_cells, low_cells, high_cells]
            values += [-skew, -straight - skew, -straight + skew - tau * space.carried(axis), skew]
    entries = (np.concatenate(values), (np.concatenate(rows), np.concatenate(columns)))
    return sparse.coo_matrix(entries, shape=(count, count)).tocsc()
