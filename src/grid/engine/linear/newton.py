r"""Newton's matrix for coefficients that depend on temperature.

Through the face between cells i and j flows :math:`G (T_j - T_i)`, so its derivative has the parts
:math:`(T_j - T_i)\,\partial G/\partial T_i` and :math:`(T_j - T_i)\,\partial G/\partial T_j`, which follow from the
conductivities of the cells themselves (`grid.engine.space.face_slopes`). The changes of boundary heat and sources for a
small rise of all temperatures give their derivatives, because each depends on the temperatures of its own place alone.
With a flow the derivatives of conductances are found so too: G depends on both temperatures beside a face, so the cells
rise in two groups like the fields of a chessboard. The heat capacity at the end of the step is that of the iterate.

Larger grids in 3D and full tensors go without the derivative of the conductivity (Picard's matrix), whose solvers are
faster by more than the additional turns cost.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from grid.engine.costs.runs import uses_iteration
from grid.engine.errors import SingularError
from grid.engine.linear.systems import BodyLU, LinearSolver, TridiagonalLU, assemble_body, make_solver, prefers_factors
from grid.engine.space.face_slopes import find_face_slopes, has_face_slopes
from grid.engine.space.laws import FaceLaw, Loads
from grid.engine.space.mesh import after_first, before_last, first, inner, last
from grid.engine.space.nonlinear import find_variation, freeze, freeze_loads
from grid.engine.space.space import Space
from grid.engine.values.operations import FloatArray

RISE = 1e-6  # [-] relative to the largest temperature: rise of the differences
MOST_CELLS = 40_000  # [-] cells of a grid up to which a direct factorisation is made in each turn


@dataclass(frozen=True)
class Slopes:
    r"""Derivative of the heat flow f(T) with its sign reversed, as a matrix over the cells.

    Args:
        diagonal: -df/dT of each cell, without the changes of conductances between cells [W/K], flat.
        low, high: For each axis and face :math:`(T_{high} - T_{low})\,dG/dT` of the cell on either side [W/K].
    """

    diagonal: FloatArray
    low: tuple[FloatArray, ...]
    high: tuple[FloatArray, ...]


def can_differentiate(space: Space) -> bool:
    """Tell whether the full Newton matrix is worth its factorisation."""
    is_small = not uses_iteration(space.shape) and space.capacity.size <= MOST_CELLS
    return not space.couplings and (is_small or prefers_factors(space))


def must_differentiate(space: Space) -> bool:
    """Tell whether Newton's matrix differs from the matrix of frozen coefficients.

    It does not where only heat capacities and radiation depend on temperature, because the laws of faces are tangents.
    """
    varies = find_variation(space)
    return varies.conductivity_of_temperature or varies.loads_of_temperature


def make_newton_solver(
    frozen: Space, loads: Loads, temperature: FloatArray, time: float, *, shift: float, tau: float
) -> LinearSolver:
    """Prepare the system (shift C - tau df/dT) x = right at a field and the coefficients frozen there.

    Raises:
        SingularError: The system has no unique solution.
        FieldError: A coefficient is not physical a little above the field.
    """
    if not must_differentiate(frozen):
        return make_solver(frozen, loads, shift=shift, tau=tau, is_rough=True)
    rises = np.full(temperature.shape, RISE * find_scale(frozen, loads, temperature))
    if not can_differentiate(frozen):
        return _make_cooling_solver(frozen, loads, temperature, time, rises, shift=shift, tau=tau)
    slopes = differentiate(frozen, loads, temperature, time, rises)
    idle = 0.0 if frozen.active is None else np.where(frozen.active, 0.0, 1.0)
    ones = np.ones_like(temperature)
    return factorise(frozen, slopes, shift * frozen.capacity + idle, tau * ones)


def find_body_matrix(frozen: Space, loads: Loads, temperature: FloatArray, time: float) -> Any:
    """Compute -df/dT at a field and the coefficients frozen there [W/K], over the body's cells in their order; CSC.

    Raises:
        FieldError: A coefficient is not physical a little above the field.
    """
    if not must_differentiate(frozen):
        return assemble_body(frozen, loads)
    rises = np.full(temperature.shape, RISE * find_scale(frozen, loads, temperature))
    slopes = differentiate(frozen, loads, temperature, time, rises)
    return _assemble(frozen, slopes, np.zeros_like(temperature), np.ones_like(temperature))


def _make_cooling_solver(
    frozen: Space, loads: Loads, temperature: FloatArray, time: float, rises: FloatArray, *, shift: float, tau: float
) -> LinearSolver:
    """Picard's matrix with the derivatives of those sources and faces that cool warmer cells, like a capacity.

    Raises:
        SingularError: A steady state whose temperature neither faces nor sources determine.
    """
    if not find_variation(frozen).loads_of_temperature:
        return make_solver(frozen, loads, shift=shift, tau=tau, is_rough=True)
    warmer = temperature + rises
    after, after_loads = freeze(frozen, warmer, time)
    cooling = np.zeros_like(temperature)
    if loads.source is not None and after_loads.source is not None:
        cooling -= (after_loads.source - loads.source) / rises
    for index, patch in enumerate(frozen.patches):
        change = _patch_heat(after, after_loads, index, warmer) - _patch_heat(frozen, loads, index, temperature)
        held = np.asarray(loads.face_laws[index].transmittance, np.float64) * patch.area
        cooling[patch.cells] -= change / rises[patch.cells] + held
    cooling = np.maximum(cooling, 0.0)
    is_tied = any(np.any(face_law.transmittance) for face_law in loads.face_laws)
    if shift == 0.0 and not is_tied and not np.any(cooling > 0.0):
        raise SingularError(
            "the body exchanges heat with nothing that has a temperature, and no source falls as it warms",
            "let a face hold or exchange a temperature, or start from a guess at which a source falls",
        )
    weighted = replace(frozen, capacity=shift * frozen.capacity + tau * cooling)
    return make_solver(weighted, loads, shift=1.0, tau=tau, is_rough=True)


def differentiate(
    frozen: Space,
    loads: Loads,
    temperature: FloatArray,
    time: float,
    rises: FloatArray,
    group: NDArray[np.intp] | None = None,
) -> Slopes:
    """Compute the slopes of the heat flow at a field and the coefficients frozen there, by differences.

    Args:
        rises: Rise or fall of each cell, flat [K].
        group: Number of the evaluation in which each cell rises; chosen if None.
    """
    field = temperature.reshape(frozen.shape)
    diagonal = _conduction_diagonal(frozen, loads)
    before = [_patch_heat(frozen, loads, index, temperature) for index in range(len(frozen.patches))]
    if has_face_slopes(frozen):
        _add_load_slopes(diagonal, frozen, loads, temperature, time, rises, before)
        return Slopes(diagonal, *find_face_slopes(frozen))
    if group is None:
        has_two = find_variation(frozen).conductivity_of_temperature
        group = chequer(frozen.shape) if has_two else np.zeros(temperature.shape, np.intp)
    low, high = ([np.zeros(g.shape) for g in frozen.conductances] for _ in range(2))
    for number in range(int(group.max()) + 1):
        moves = group == number
        warmer = temperature + np.where(moves, rises, 0.0)
        after, after_loads = freeze(frozen, warmer, time)
        for index, patch in enumerate(frozen.patches):
            change = _patch_heat(after, after_loads, index, warmer) - before[index]
            diagonal[patch.cells] -= np.where(moves[patch.cells], change / rises[patch.cells], 0.0)
        if loads.source is not None and after_loads.source is not None:
            diagonal -= np.where(moves, (after_loads.source - loads.source) / rises, 0.0)
        for axis in range(len(frozen.shape)):
            change = after.conductances[axis] - frozen.conductances[axis]
            for one, other, face in find_pairs(frozen, axis):
                own, beside = moves.reshape(frozen.shape)[one], moves.reshape(frozen.shape)[other]
                part = change[face] * (field[other] - field[one]) * np.where(own & beside, 0.5, 1.0)
                low[axis][face] += np.where(own, part / rises.reshape(frozen.shape)[one], 0.0)
                high[axis][face] += np.where(beside, part / rises.reshape(frozen.shape)[other], 0.0)
    return Slopes(diagonal, tuple(low), tuple(high))


def _add_load_slopes(
    diagonal: FloatArray,
    frozen: Space,
    loads: Loads,
    temperature: FloatArray,
    time: float,
    rises: FloatArray,
    before: list[FloatArray],
) -> None:
    """Subtract the derivatives of boundary heat and sources from the diagonal [W/K]."""
    warmer = temperature + rises
    after, after_loads = freeze_loads(frozen, warmer, time)
    for index, patch in enumerate(frozen.patches):
        diagonal[patch.cells] -= (_patch_heat(after, after_loads, index, warmer) - before[index]) / rises[patch.cells]
    if loads.source is not None and after_loads.source is not None:
        diagonal -= (after_loads.source - loads.source) / rises


def find_frozen_slopes(space: Space, loads: Loads) -> Slopes:
    """Compute the slopes where no coefficient depends on temperature."""
    nothing = tuple(np.broadcast_to(0.0, g.shape) for g in space.conductances)
    return Slopes(space.diagonal(loads), nothing, nothing)


def chequer(shape: tuple[int, ...]) -> NDArray[np.intp]:
    """0 and 1 alternating along every axis like the fields of a chessboard, flat."""
    total: NDArray[np.intp] = np.indices(shape).sum(axis=0).reshape(-1) % 2
    return total


def find_pairs(space: Space, axis: int) -> list[tuple[Any, Any, Any]]:
    """Cells below and above the faces along an axis, and these faces; twice where a ring is closed."""
    pairs = [(before_last(axis), after_first(axis), inner(axis))]
    return [*pairs, (last(axis), first(axis), first(axis))] if space.problem.is_periodic[axis] else pairs


def find_scale(space: Space, loads: Loads, temperature: FloatArray) -> float:
    """Size of the temperatures of the field and of those that it exchanges heat with, from absolute zero in degC."""
    zero = 273.15 if space.problem.temperature_unit == "degC" else 0.0
    return zero + max(find_largest(temperature, loads), 1e-3)


def find_largest(temperature: FloatArray, loads: Loads) -> float:
    """Largest absolute temperature of the field and of those that it exchanges heat with."""
    references = (face_law.reference for face_law in loads.face_laws)
    return max(float(np.abs(values).max()) for values in (temperature, *references) if np.size(values))


def _conduction_diagonal(space: Space, loads: Loads) -> FloatArray:
    """Sum of the conductances to neighbours and of the heat that the flow carries away, without the boundaries."""
    insulated = Loads(tuple(FaceLaw(0.0, 0.0, 0.0) for _ in loads.face_laws), None, b"")
    diagonal = space.diagonal(insulated)
    for patch in space.patches:
        diagonal[patch.cells] += space.problem.carried(patch.axis) * (1.0 if patch.side == 0 else -1.0) * patch.area
    return diagonal


def _patch_heat(space: Space, loads: Loads, index: int, temperature: FloatArray) -> FloatArray:
    """Heat into the cells behind a patch [W]."""
    patch = space.patches[index]
    conducted, rise = space.boundary_flux(index, temperature, loads.face_laws[index])
    inflow = space.problem.carried(patch.axis) * (1.0 if patch.side == 0 else -1.0)
    heat: FloatArray = (conducted + inflow * (temperature[patch.cells] + rise)) * patch.area
    return heat


def factorise(space: Space, slopes: Slopes, own: FloatArray, scale: FloatArray) -> LinearSolver:
    """Prepare the system with `own` on the diagonal and every column of the slopes multiplied by its `scale`."""
    if len(space.shape) == 1 and not space.problem.is_periodic[0]:
        g, low, high = space.conductances[0][1:-1], slopes.low[0][1:-1], slopes.high[0][1:-1]
        diagonal = slopes.diagonal.copy()
        diagonal[:-1] -= low
        diagonal[1:] += high
        below = scale[:-1] * (low - g - space.carried(0))
        return TridiagonalLU(below, own + scale * diagonal, -scale[1:] * (g + high))
    return BodyLU(_assemble(space, slopes, own, scale), space)


def _assemble(space: Space, slopes: Slopes, own: FloatArray, scale: FloatArray) -> Any:
    from scipy import sparse

    body = space.body_cells
    count, number = body.size, np.full(own.size, -1, np.int32)
    number[body] = np.arange(count, dtype=np.int32)
    index, cells = number.reshape(space.shape), number[body]
    own, scale = own[body], scale[body]
    rows, columns, values = [cells], [cells], [slopes.diagonal[body]]
    for axis, g in enumerate(space.conductances):
        for one, other, face in find_pairs(space, axis):
            joined = (index[one] >= 0) & (index[other] >= 0)
            low, high, straight = (part[face][joined] for part in (slopes.low[axis], slopes.high[axis], g))
            low_cells, high_cells = index[one][joined], index[other][joined]
            rows += [low_cells, low_cells, high_cells, high_cells]
            columns += [low_cells, high_cells, low_cells, high_cells]
            values += [-low, -straight - high, -straight + low - space.carried(axis), high]
    at = np.concatenate(columns)
    entries = (np.concatenate(values) * scale[at], (np.concatenate(rows), at))
    return (sparse.coo_matrix(entries, shape=(count, count)) + sparse.diags(own)).tocsc()
