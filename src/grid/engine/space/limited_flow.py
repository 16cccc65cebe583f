r"""The limited part of a flow: second order where the field is smooth, no oscillations where it is not.

Through the face after the upwind cell j flows, along the flow,

.. math:: |c|\,(T_j + \delta) - G\,(T_{j+1} - T_j), \qquad
          \delta = \tfrac13 (T_{j+1} - T_j) + \tfrac16 (T_j - T_{j-1}),

of third order in what is carried (B. van Leer, J. Comput. Phys. 32, 1979, with kappa = 1/3). :math:`\delta` is limited
to the interval of A. Suresh and H. T. Huynh (J. Comput. Phys. 136, 1997, equations 2.21 to 2.30), which preserves a
monotone field and does not change smooth extremes. The strict interval, between 0 and the smaller of both differences,
lets no local extreme grow (A. Harten, J. Comput. Phys. 49, 1983). The correction is the part of this that is not in the
matrix, see `grid.engine.space.carrying`.

The heat that enters one cell leaves the next, so heat is conserved to rounding.
"""

import math
from typing import Any

import numpy as np

from grid.engine.space.fields import SpaceFields
from grid.engine.space.laws import Correction
from grid.engine.space.limited_flow_kernels import add_limited
from grid.engine.values.operations import FloatArray


def add_correction(space: SpaceFields, correction: Correction, temperature: FloatArray, surfaces: Any) -> FloatArray:
    """Compute the net heat into each cell that the corrections of all axes carry [W], flat.

    Args:
        space: The discretised problem.
        correction: Correction of the space.
        temperature: Flat field [K].
        surfaces: Temperature behind each face of each patch [K].
    """
    net = np.zeros(space.shape)
    for axis, drawn in enumerate(correction.drawn):
        if drawn is not None:
            before, behind = math.prod(space.shape[:axis]), math.prod(space.shape[axis + 1 :])
            lines = (before, space.shape[axis], behind)
            field = temperature.reshape(lines)
            low, high = (_find_end(space, axis, side, field, surfaces) for side in (0, 1))
            add_limited(
                field, np.ascontiguousarray(drawn).reshape(before, -1, behind), low, high, space.carried(axis),
                space.problem.is_periodic[axis], correction.is_strict, net.reshape(lines),
            )  # fmt: skip
    return net.reshape(-1)


def _find_end(space: SpaceFields, axis: int, side: int, field: FloatArray, surfaces: Any) -> FloatArray:
    """Surface temperatures of one end of an axis, those of the cells where no patch is [K].

    Args:
        field: Temperature, shape ``(before, count, behind)`` with the axis in the middle [K].
    """
    for patch, surface in zip(space.patches, surfaces, strict=True):
        if (patch.axis, patch.side) == (axis, side):
            return np.ascontiguousarray(surface).reshape(field.shape[0], field.shape[2])
    return np.ascontiguousarray(field[:, -side, :])
