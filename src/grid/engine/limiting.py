r"""The limited part of a flow: second order where the field is smooth, no oscillations where it is not.

Through the face after the upwind cell j flows, along the flow,

.. math:: |c|\,(T_j + \delta) - G\,(T_{j+1} - T_j), \qquad
          \delta = \tfrac13 (T_{j+1} - T_j) + \tfrac16 (T_j - T_{j-1}),

of third order in what is carried (B. van Leer, J. Comput. Phys. 32, 1979, with kappa = 1/3). :math:`\delta` is kept
within the interval of A. Suresh and H. T. Huynh (J. Comput. Phys. 136, 1997, equations 2.21 to 2.30), which keeps a
monotone field monotone and leaves smooth extremes alone. The strict interval, between 0 and the smaller of both
differences, lets no local extreme grow (A. Harten, J. Comput. Phys. 49, 1983). The correction is what of this is not in
the matrix, see `grid.engine.carrying`.

What enters one cell leaves the next, so heat is conserved to rounding.
"""

from typing import TYPE_CHECKING, Any

import numpy as np

from grid.engine.values import FloatArray

if TYPE_CHECKING:
    from grid.engine.carrying import Correction
    from grid.engine.space import Space

STEEPEST = 2.0  # differences with the cell behind that a face value may be ahead of its cell


def add_correction(space: "Space", correction: "Correction", temperature: FloatArray, surfaces: Any) -> FloatArray:
    """Net heat into each cell that the corrections of all axes carry [W], flat.

    Args:
        space: The discretised problem.
        correction: Of the space.
        temperature: Flat field [K].
        surfaces: Temperature behind each face of each patch [K].
    """
    field, net = temperature.reshape(space.shape), np.zeros(space.shape)
    for axis, drawn in enumerate(correction.drawn):
        if drawn is None:
            continue
        carried, is_periodic = space.carried(axis), space.problem.is_periodic[axis]
        lines, into, faces = (np.moveaxis(part, axis, 0) for part in (field, net, drawn))
        ends = [_find_end(space, axis, side, surfaces) for side in (0, 1)]
        if carried < 0.0:  # along the flow
            lines, into, faces, ends = lines[::-1], into[::-1], faces[::-1], ends[::-1]
        wide = _widen(lines, ends, is_periodic)
        # the faces after each cell; of a ring the last one joins its ends
        heat = _limit(wide, faces[1:], abs(carried), is_strict=correction.is_strict)
        if not is_periodic:
            heat[-1] = 0.0  # a face of the boundary
        into -= heat
        into[1:] += heat[:-1]
        if is_periodic:
            into[0] += heat[-1]
    return net.reshape(-1)


def _find_end(space: "Space", axis: int, side: int, surfaces: Any) -> FloatArray | None:
    """Surface temperatures of one end of an axis, shape of a layer; None where the axis is periodic."""
    shape = tuple(count for other, count in enumerate(space.shape) if other != axis)
    for patch, surface in zip(space.patches, surfaces, strict=True):
        if (patch.axis, patch.side) == (axis, side):
            layer: FloatArray = surface.reshape(shape)
            return layer
    return None


def _widen(lines: FloatArray, ends: list[FloatArray | None], is_periodic: bool) -> FloatArray:
    """Two layers more at either end: those of the other end, or the straight line through the surface."""
    wide = np.empty((lines.shape[0] + 4, *lines.shape[1:]))
    wide[2:-2] = lines
    if is_periodic:
        count = lines.shape[0]
        wide[:2], wide[-2:] = lines[np.array([-2, -1]) % count], lines[np.array([0, 1]) % count]
        return wide
    for end, (near, beyond, far) in zip(ends, ((2, 1, 0), (-3, -2, -1)), strict=True):
        step = np.zeros_like(wide[near]) if end is None else 2.0 * (end - wide[near])
        wide[beyond], wide[far] = wide[near] + step, wide[near] + 2.0 * step
    return wide


def _limit(wide: FloatArray, drawn: FloatArray, carried: float, *, is_strict: bool) -> FloatArray:
    """The correction of the face after each cell along the flow [W]."""
    ahead, behind = wide[3:-1] - wide[2:-2], wide[2:-2] - wide[1:-3]
    wanted = (2.0 * ahead + behind) / 6.0
    if is_strict:
        bound = _minmod(ahead, behind)
        low, high = np.minimum(bound, 0.0), np.maximum(bound, 0.0)
    else:
        low, high = _find_interval(wide, ahead, behind)
    heat: FloatArray = carried * np.minimum(np.maximum(wanted, low), high) - drawn * ahead
    return heat


def _find_interval(wide: FloatArray, ahead: FloatArray, behind: FloatArray) -> tuple[FloatArray, FloatArray]:
    """How far the temperature of a face may be from that of the upwind cell (Suresh and Huynh, equation 2.24)."""
    bend = wide[2:] - 2.0 * wide[1:-1] + wide[:-2]  # second difference of each cell, one more at either end
    joint = _minmod(
        _minmod(4.0 * bend[:-1] - bend[1:], 4.0 * bend[1:] - bend[:-1]), _minmod(bend[:-1], bend[1:])
    )  # of each face
    middle = 0.5 * (ahead - joint[1:])
    steep, curved = STEEPEST * behind, 0.5 * behind + 4.0 / 3.0 * joint[:-1]
    low = np.maximum(np.minimum(np.minimum(0.0, ahead), middle), np.minimum(np.minimum(0.0, steep), curved))
    high = np.minimum(np.maximum(np.maximum(0.0, ahead), middle), np.maximum(np.maximum(0.0, steep), curved))
    return low, high


def _minmod(a: FloatArray, b: FloatArray) -> FloatArray:
    """The smaller of two numbers where they have one sign, else 0."""
    out: FloatArray = 0.5 * (np.sign(a) + np.sign(b)) * np.minimum(np.abs(a), np.abs(b))
    return out
