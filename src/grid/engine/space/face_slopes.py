r"""Derivatives of the heat through faces by both cells' temperatures, where conductivities depend on temperature.

The heat through a face is :math:`(A/d)\int_{T_i}^{T_j} k\,dT`, so its derivatives are k at the temperatures of the
cells themselves: no difference of two evaluations is needed. Where the conductivity depends on the place as well, the
conductance times k over its mean in the half cell stands for them.
"""

import numpy as np

from grid.engine.space.mesh import after_first, before_last, cell_volume, first, inner, last
from grid.engine.space.space import Space
from grid.engine.values.operations import FloatArray


def has_face_slopes(space: Space) -> bool:
    """Tell whether the derivatives are known directly; with a flow the share of conduction depends on k too."""
    return bool(space.face_means) and not space.problem.has_flow


def find_face_slopes(space: Space) -> tuple[tuple[FloatArray, ...], tuple[FloatArray, ...]]:
    r"""Compute for each axis and face :math:`(T_{high} - T_{low})\,dG/dT` of the cells below and above [W/K].

    Args:
        space: Space with its coefficients at the temperatures.
    """
    lows, highs = list[FloatArray](), list[FloatArray]()
    for axis, (g, means) in enumerate(zip(space.conductances, space.face_means, strict=True)):
        own = np.broadcast_to(space.conductivity[axis], space.shape)
        above, below = own / means.high, own / means.low  # ratios to the conduction of each cell at its own temperature
        low, high = np.zeros(g.shape), np.zeros(g.shape)
        low[inner(axis)], high[inner(axis)] = above[before_last(axis)], below[after_first(axis)]
        if space.problem.is_periodic[axis]:
            low[first(axis)], high[first(axis)] = above[last(axis)], below[first(axis)]
        low, high = g * (1.0 - low), g * (high - 1.0)
        if means.slopes is not None:
            area = cell_volume(space.problem.domain) / space.problem.domain.spacing[axis]
            faces = np.unravel_index(means.slopes.joints.high, space.shape)  # the low face of the cell above
            low[faces], high[faces] = g[faces] - area * means.slopes.low, area * means.slopes.high - g[faces]
        lows.append(low)
        highs.append(high)
    return tuple(lows), tuple(highs)
