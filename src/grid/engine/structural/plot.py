"""Pictures of stresses and safety factors, see `grid.engine.results.plot`."""

import numpy as np

from grid.engine.problem.domain import Domain
from grid.engine.results.plot import SAFE, Picture, plot_panels
from grid.engine.structural.elasticity.fields import StressFields
from grid.engine.values.operations import FloatArray


def plot_stress(
    domain: Domain, von_mises_stress: FloatArray, *, yield_stress: float | FloatArray | None = None
) -> Picture:
    """The von Mises stress over a box, and beside it the safety factor where the yield stress is known.

    Sections of a 3D box go through the least safety factor (without a yield stress: the largest stress), and the title
    says how much and where it is.

    Args:
        domain: The box.
        von_mises_stress: Shape of `domain.cells` [Pa], NaN outside the body.
        yield_stress: One, or one for each cell [Pa].
    """
    stress = np.asarray(von_mises_stress, np.float64)
    panels: dict[str, tuple[FloatArray, str]] = {"von Mises stress": (stress / 1e6, "MPa")}
    if yield_stress is not None:
        with np.errstate(divide="ignore"):
            factor = np.asarray(yield_stress, np.float64) / stress
        panels["safety factor"] = (np.minimum(factor, SAFE), f"yield / von Mises stress, {SAFE:g} where above")
        return plot_panels(domain, panels, worst=("Least safety factor", factor, np.nanargmin(factor)))
    return plot_panels(domain, panels, worst=("Largest von Mises stress [Pa]", stress, np.nanargmax(stress)))


def plot_safety(stress: StressFields) -> Picture:
    """The von Mises stress of a solved body and, where its materials have a yield stress, its safety factor.

    Sections of a 3D body go through its least safety factor, whose value and place the title names.
    """
    body = stress.body
    inside = body.material >= 0
    von_mises = np.where(inside, stress.largest_von_mises, np.nan)
    limits = None if body.yield_stress is None else np.asarray(body.yield_stress)[np.maximum(body.material, 0)]
    return plot_stress(body.domain, von_mises, yield_stress=limits)
