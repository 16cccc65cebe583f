"""A plate under steady tension and a cyclic temperature gradient: Bree's diagram, and the plate cycled.

J. Bree, Elastic-plastic behaviour of thin tubes subjected to internal pressure and intermittent high-heat fluxes,
J. Strain Analysis 2 (1967) 226-238. X is the mean stress over the yield stress, Y the elastic thermal stress of the
surface over it; the curvature is held at zero. Strains are in yield strains, yield stress over Young's modulus.
"""

import math

import numpy as np

from grid.engine.structural.limits import ROUNDING
from grid.engine.structural.strength.plasticity import Fibres, make_rest, step_free


def compute_growth(mean_stress: float, thermal_stress: float) -> float:
    """Growth of the mean strain in each settled cycle [yield strains], from Bree's diagram.

    With Y (1 - X) >= 1: 2 (X Y - 1), else 2 (Y - 2 sqrt(Y (1 - X))); 0 where that is not positive.
    """
    x, y = mean_stress, thermal_stress
    if _is_elastic(x, y):
        return 0.0
    is_core_plastic = y * (1.0 - x) >= 1.0  # the core alternates between tension and compression
    growth = 2.0 * (x * y - 1.0 if is_core_plastic else y - 2.0 * math.sqrt(y * (1.0 - x)))
    return growth if growth > ROUNDING * max(1.0, y) else 0.0


def find_regime(mean_stress: float, thermal_stress: float) -> str:
    """Find `elastic`, `shakedown`, `plastic cycling` or `ratcheting` in Bree's diagram; edges are of the milder one."""
    x, y = mean_stress, thermal_stress
    if _is_elastic(x, y):
        return "elastic"
    if compute_growth(x, y) > 0.0:
        return "ratcheting"
    return "plastic cycling" if y > 2.0 * (1.0 + ROUNDING) else "shakedown"


def _is_elastic(x: float, y: float) -> bool:
    return x + y <= 1.0 + ROUNDING


def cycle_plate(mean_stress: float, thermal_stress: float, *, fibres: int = 400, cycles: int = 60) -> float:
    """Growth of the mean strain in the last of `cycles` cycles of a plate of fibres [yield strains].

    The closed diagram is the limit of many fibres and cycles. Unit modulus, yield stress and thickness.

    Raises:
        SingularError: `mean_stress` is above 1.
    """
    plate = Fibres(np.full(fibres, 1.0 / fibres), 1.0, 1.0)
    gradient = thermal_stress * (2.0 * (np.arange(fibres) + 0.5) / fibres - 1.0)
    state = step_free(plate, make_rest(plate), 0.0, mean_stress)
    before = state.strain
    for _ in range(cycles):
        before = state.strain
        hot = step_free(plate, state, gradient, mean_stress)
        state = step_free(plate, hot, 0.0, mean_stress)
    return state.strain - before
