r"""A linear steady field on a large grid by iteration, to a given tolerance and with a closed heat balance.

The field is improved in rounds: each solves for what the last one left, with the residual in double precision, to a
fifth in the norm of the energy. So the largest change of a round is the error of the field before it to about a
fifth (iterative refinement: N. J. Higham, Accuracy and Stability of Numerical Algorithms, 2002, chapter 12), and the
field after it is the better one. At the end the body is warmed as a whole by what closes its heat.
Importing this module loads SciPy.
"""

from dataclasses import dataclass

import numpy as np

from grid.engine.linear.multigrid import cycle_kernels as kernels
from grid.engine.linear.multigrid.solver import Iteration, Stop, arrange_operator
from grid.engine.linear.systems import is_for_multigrid, prefers_factors
from grid.engine.methods.bounds import reason_without_bounds, tolerance_scale
from grid.engine.space.laws import Loads
from grid.engine.space.space import Space
from grid.engine.values.operations import FloatArray

FIRST = 1.0  # [-] error of the first round over the tolerance, in the norm of the energy
ROUND = 0.2  # [-] error of each later round over the remaining error, in the same norm
ROUNDS = 12  # [-] rounds at most
LEFT = 0.5  # [-] stated error of the field over the change by the last round
SINGLE_TOLERANCE = 2e-5  # [-] tolerance below which the iterations are in double precision
LEAST_TOLERANCE = 1e-8  # [-] tolerance below which the field is solved for to rounding, as where none is given


@dataclass(frozen=True)
class Found:
    """A steady field, flat, and its largest error [K]."""

    temperature: FloatArray
    error: float


def can_iterate(space: Space, loads: Loads, tolerance: float | None) -> bool:
    """Tell whether a field is found in rounds: where multigrid solves for it, and not to rounding.

    Where the maximum principle bounds temperatures, every cell is to keep it to more digits than a tolerance has.
    """
    if tolerance is None or tolerance < LEAST_TOLERANCE or reason_without_bounds(space.problem) is None:
        return False
    if space.couplings or prefers_factors(space) or not is_for_multigrid(space, few_solves=True):
        return False
    return any(bool(np.any(face_law.transmittance)) for face_law in loads.face_laws)


def find_steady(space: Space, loads: Loads, start: FloatArray, tolerance: float) -> Found | None:
    """Field at which every cell balances; None where the rounds do not converge.

    Args:
        space: The discretised problem, linear.
        loads: Constant.
        start: Where the iteration begins, flat.
        tolerance: Largest error of a cell over the span of temperatures.

    Raises:
        NotConvergedError: The iteration stalls.
    """
    outside = 0.0 if space.active is None else np.where(space.active, 0.0, float(space.diagonal(loads).max()))
    arrangement, faces, rest = operator = arrange_operator(space, loads, shift=0.0, tau=1.0, idle=outside)
    dtype = np.float32 if tolerance >= SINGLE_TOLERANCE else np.float64
    iteration = Iteration(space, loads, shift=0.0, tau=1.0, dtype=dtype, operator=operator)
    shape, (gx, gy, gz) = arrangement.own_shape, faces
    right, sums = arrangement.pack(space.heat_flow(start, loads).net), np.empty(shape[0] * shape[1])
    change, flow, begin = np.zeros_like(right), np.empty_like(right), arrangement.pack(start)
    inside = slice(None) if space.active is None else arrangement.pack(space.active.astype(np.float64)) > 0.0
    for number in range(ROUNDS):
        kernels.apply(flow.reshape(shape), change.reshape(shape), gx, gy, gz, rest, 1.0, sums)
        step = iteration.solve(right - flow, Stop(energy=ROUND if number else FIRST * tolerance))
        change += step
        now = (begin + change)[inside]
        span = tolerance_scale(float(now.min()), float(now.max()), tolerance)
        error = LEFT * float(np.abs(step[inside]).max())
        if number and error <= LEFT * tolerance * span:
            return Found(start + arrangement.unpack(change), error)
    return None


def close_heat(space: Space, loads: Loads, temperature: FloatArray) -> FloatArray:
    """Field warmed as a whole by its imbalance over the conductance of its faces."""
    out = sum(
        float(np.broadcast_to(face_law.transmittance, patch.cells.shape).sum()) * patch.area
        for patch, face_law in zip(space.patches, loads.face_laws, strict=True)
    )
    missing = float(space.heat_flow(temperature, loads).net.sum())
    return temperature + missing / out
