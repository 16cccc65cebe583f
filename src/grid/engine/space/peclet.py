"""Cell Peclet number of a flow, and the warning of a plan where the grid does not resolve the flow's layers."""

from collections.abc import Iterator

import numpy as np

from grid.engine.problem.domain import AXES
from grid.engine.space.fields import SpaceFields

RESOLVED = 2.0  # [-] largest cell Peclet number at which the grid resolves a front or a layer of its own width


def find_cell_peclet(space: SpaceFields, axis: int) -> float:
    """Find the largest rho c_p abs(v) d / k along an axis, with the conductivities of the start."""
    carried = abs(space.problem.carried(axis))
    if carried == 0.0:
        return 0.0
    k = np.broadcast_to(space.conductivity[axis], space.shape)
    least = float(k.min() if space.active is None else k.reshape(-1)[space.active].min())
    return carried * space.problem.domain.spacing[axis] / least


def warn_of_fast_flow(space: SpaceFields) -> Iterator[str]:
    """Warn of each axis along which the cell Peclet number is above 2, in one sentence."""
    for axis in range(space.problem.dimension):
        found = find_cell_peclet(space, axis)
        if found > RESOLVED:
            many = int(np.ceil(space.shape[axis] * min(found / RESOLVED, 1e6)))
            name = AXES[axis]
            yield (
                f"the cell Peclet number along {name} is {found:.3g} (velocity {space.problem.velocity[axis]:g} m/s): "
                f"fronts and layers thinner than a cell are spread over one or two; take at least {many} cells along "
                f"{name}, or look at space_error of solve(richardson=True)"
            )
