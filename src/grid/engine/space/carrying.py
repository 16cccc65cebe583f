r"""Heat that a flow carries through faces, beside what they conduct.

Through a face between L and R, with c = rho c_p v A [W/K] along the axis and G its conductance, flows

.. math:: F = c\,T_L + g\,(T_L - T_R) + a

with g the coefficient that stands in the matrix and a a correction that depends on the field. P = c/G is the cell
Peclet number.

- In transients the temperature of the face is that of the upwind cell and a limited difference to it
  (`grid.engine.space.limited_flow`), of second order at every cell Peclet number, of third in what is carried. The
  matrix has the part of that which makes no extremes: the mean of both cells, g = G - c/2, as long as abs(P) is at most
  2, and beyond that the upwind cell without conduction (the hybrid scheme, S. V. Patankar, Numerical Heat Transfer and
  Fluid Flow, 1980, section 5.2-4). The rest is the correction.
- In steady problems :math:`g = G B(P)`, B(x) = x/(exp(x) - 1), is fitted to the exponential profile between two cells,
  which is exact in 1D at any Peclet number (D. L. Scharfetter, H. K. Gummel, IEEE Trans. Electron Devices 16, 1969). In
  a transient it would add a diffusivity of (P/2 coth(P/2) - 1) times that of the medium.

In a half cell at the boundary the temperature of the face is known, so its flow needs no mean: c T_s + (2 k A/d)
(T_s - T_P); where the flow leaves so fast that this is not monotone, it takes the temperature of the cell with it.
"""

from dataclasses import replace
from typing import TypeVar

import numpy as np

from grid.engine.problem.problem import HeatProblem
from grid.engine.space.fields import SpaceFields
from grid.engine.space.laws import Correction
from grid.engine.space.mesh import Patch
from grid.engine.values.operations import FloatArray

AnySpace = TypeVar("AnySpace", bound=SpaceFields)
LEAST_SHARE = 1e-100  # [-] share of a conductance beside a flow: negligible, but with an inverse


def make_correction(drawn: tuple[FloatArray | None, ...], *, is_strict: bool = False) -> Correction | None:
    """Make the correction of all axes; None where there is no flow, or a steady one."""
    return None if all(part is None for part in drawn) else Correction(drawn, is_strict)


def make_strict(space: AnySpace) -> AnySpace:
    """Make a space whose correction does not let local extremes grow; the space itself where there is none."""
    return space if space.correction is None else replace(space, correction=replace(space.correction, is_strict=True))


def carry(
    problem: HeatProblem, axis: int, conductance: FloatArray, area: float
) -> tuple[FloatArray, FloatArray | None]:
    """Compute g and its difference from the conductances of the faces normal to an axis [W/K].

    Args:
        conductance: G [W/K]; zero where there is no face between two cells.
        area: Area of one face [m2].
    """
    carried = problem.carried(axis) * area
    if carried == 0.0:
        return conductance, None
    is_face = conductance > 0.0
    if problem.steady:
        return conductance * fit(np.divide(carried, conductance, out=np.zeros_like(conductance), where=is_face)), None
    central = conductance - 0.5 * carried
    taken: FloatArray = np.where(is_face, np.maximum(central, max(0.0, -carried)), 0.0)
    drawn: FloatArray = np.minimum(conductance, 0.5 * abs(carried))
    return taken, drawn


def carry_half(problem: HeatProblem, patch: Patch, half: FloatArray) -> FloatArray:
    """Compute the coefficient of T_s - T_P beside the flow through the faces of a patch, from 2 k / d [W/(m2 K)]."""
    carried = inflow(problem, patch)
    if carried == 0.0:
        return half
    if problem.steady:
        return half * fit(carried / half)
    return np.maximum(half, -carried)


def inflow(problem: HeatProblem, patch: Patch) -> float:
    """Heat capacity flow rho c v into the body through the faces of a patch [W/(m2 K)]."""
    return problem.carried(patch.axis) * (1.0 if patch.side == 0 else -1.0)


def fit(peclet: FloatArray) -> FloatArray:
    """Compute B(x) = x / (exp(x) - 1), the share of a conductance that remains beside a flow of cell Peclet number x.

    Never less than `LEAST_SHARE`, so that a half cell always has an inverse.
    """
    with np.errstate(all="ignore"):
        out: FloatArray = np.where(np.abs(peclet) < 1e-8, 1.0 - 0.5 * peclet, peclet / np.expm1(peclet))
    return np.maximum(out, LEAST_SHARE)
