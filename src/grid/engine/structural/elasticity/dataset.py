"""Stresses as labelled arrays."""

from typing import TYPE_CHECKING, Any

import numpy as np

from grid.engine.problem.domain import AXES
from grid.engine.space.mesh import centres
from grid.engine.structural.strength.integrity import COMPONENTS

if TYPE_CHECKING:
    import xarray as xr

    from grid.engine.structural.elasticity.fields import StressFields


def to_xarray(solution: "StressFields") -> "xr.Dataset":
    """Everything of a stress solution, labelled, NaN outside a masked body.

    Returns:
        `stress` (component, x, y, z), `von_mises_stress` and `largest_von_mises_stress` at cell centres;
        `safety_factor` where all materials have a yield stress; `displacement` (direction, x_node, y_node, z_node) at
        the corners of the cells.
    """
    import xarray as xr

    body, domain = solution.body, solution.body.domain
    axes, inside = AXES[: domain.dimension], solution.body.material >= 0
    pascal = {"units": "Pa"}
    variables: dict[str, Any] = {
        "stress": (("component", *axes), np.where(inside, solution.stress, np.nan), pascal | {"long_name": "stress"}),
        "von_mises_stress": (
            tuple(axes),
            np.where(inside, solution.von_mises, np.nan),
            pascal | {"long_name": "von Mises stress at the centre of the cell"},
        ),
        "largest_von_mises_stress": (
            tuple(axes),
            np.where(inside, solution.largest_von_mises, np.nan),
            pascal | {"long_name": "largest von Mises stress of the cell"},
        ),
        "displacement": (
            ("direction", *(f"{axis}_node" for axis in axes)),
            solution.displacement,
            {"units": "m", "long_name": "displacement"},
        ),
    }
    if body.yield_stress is not None:
        factor = np.where(inside, solution.safety_factor, np.nan)
        variables["safety_factor"] = (tuple(axes), factor, {"units": "1", "long_name": "yield over von Mises stress"})
    coordinates: dict[str, Any] = {"component": list(COMPONENTS), "direction": list(axes)}
    for number, axis in enumerate(axes):
        nodes = np.linspace(0.0, domain.size[number], domain.cells[number] + 1) + domain.origin[number]
        coordinates[axis] = (axis, centres(domain, number), {"units": "m", "long_name": f"{axis} of the cell centres"})
        coordinates[f"{axis}_node"] = (
            f"{axis}_node",
            nodes,
            {"units": "m", "long_name": f"{axis} of the cell corners"},
        )
    return xr.Dataset(variables, coordinates, {"notes": " ".join(solution.notes)} if solution.notes else None)
