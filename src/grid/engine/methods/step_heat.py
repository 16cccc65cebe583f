"""The heat that a step from one time to another moves, from the mean temperatures behind the faces."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from grid.engine.methods.state import HeatBalance
from grid.engine.space.laws import Loads
from grid.engine.space.space import Space
from grid.engine.values.operations import FloatArray


@dataclass(frozen=True)
class Heat:
    """Heat moved over a step [J]: through the boundary, and by sources, with and without their signs."""

    into: float
    out: float
    generated: float
    absolute: float

    def book(self, heat_balance: HeatBalance) -> HeatBalance:
        """Return the heat balance with this heat added."""
        after = heat_balance.add(self.into, self.out, self.generated)
        return replace(after, generated_absolute=heat_balance.generated_absolute + self.absolute)


def count_heat(space: Space, loads: Loads, step: float, find_mean: Callable[[NDArray[np.intp]], FloatArray]) -> Heat:
    """Heat of a step with constant linear loads: that which the mean temperatures over it drive through each face.

    Args:
        space: The discretised problem.
        loads: Those of the step.
        step: Its length [s].
        find_mean: Gives the mean temperatures of some cells [K]; called for cells behind faces that exchange heat only.
    """
    into = out = generated = absolute = 0.0
    for patch, face_law in zip(space.patches, loads.face_laws, strict=True):
        near = find_mean(patch.cells) if np.any(face_law.transmittance) else np.zeros(patch.cells.shape)
        heat = face_law.heat_flux(near) * (patch.area * step)
        into += float(np.maximum(heat, 0.0).sum())
        out -= float(np.minimum(heat, 0.0).sum())
    if loads.source is not None:
        source = loads.source if space.active is None else loads.source[space.active]
        generated, absolute = float(source.sum()) * step, float(np.abs(source).sum()) * step
    return Heat(into, out, generated, absolute)
