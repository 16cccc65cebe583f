"""Compiled steps of a rod's excess temperature; see `grid.engine.rods.rods` for the scheme. Importing this loads Numba.

No fast maths: NumPy and these kernels round alike, operation by operation. The loops run over views of equal length,
which LLVM turns into vector instructions.
"""

import numpy as np
import numpy.typing as npt

from grid.engine.kernel_cache import njit

FloatArray = npt.NDArray[np.float64]


@njit(nogil=True, cache=True)
def advance(state: FloatArray, current: int, mesh_fourier: float, sub_steps: int, lost: FloatArray) -> int:
    """Advance the level `state[current]`, shape ``(2, n)``, by `sub_steps`; return the index of the new level.

    Adds to ``lost[0]`` what leaves through both ends, in units of the span times the spacing.
    """
    last = state.shape[1] - 1
    heat = lost[0]
    for _ in range(sub_steps):
        level = state[current]
        left, centre, right = level[: last - 1], level[1:last], level[2:]
        out = state[1 - current][1:last]
        heat += mesh_fourier * (level[1] + level[last - 1])
        for i in range(last - 1):
            out[i] = centre[i] + mesh_fourier * (left[i] - 2.0 * centre[i] + right[i])
        current = 1 - current
    lost[0] = heat
    return current


@njit(nogil=True, cache=True)
def advance_rows(
    state: FloatArray,
    current: int,
    mesh_fourier: float,
    sub_steps: int,
    lost: FloatArray,
    boundary: float,
    span: float,
    rows: FloatArray,
    lowest: FloatArray,
    highest: FloatArray,
) -> int:
    """Fill `rows`, shape ``(m, n)``, with the next m results as temperatures, `sub_steps` apart.

    `lowest` and `highest`, shape ``(n,)``, follow the extremes of the excess at each node.
    """
    for row in range(rows.shape[0]):
        current = advance(state, current, mesh_fourier, sub_steps, lost)
        level, out = state[current], rows[row]
        for i in range(level.shape[0]):
            value = level[i]
            out[i] = boundary + span * value
            lowest[i] = min(lowest[i], value)
            highest[i] = max(highest[i], value)
    return current
