"""Limits of the quantities of structures, in addition to those of `grid.engine.limits`."""

import math

from grid.engine.limits import (
    CONDUCTIVITY,
    POISSON_RATIO,
    THERMAL_EXPANSION,
    YIELD_STRESS,
    YOUNG_MODULUS,
    Limit,
)

STRESS = Limit(-1e15, 1e15, "Pa")
TEMPERATURE_CHANGE = Limit(-1e9, 1e9, "K")
BIOT = Limit(1e-9, 1e6, "1")
STRAIN_RANGE = Limit(0.0, 1e3, "1", exclusive_minimum=True)
CYCLES = Limit(0.0, 1e18, "1")
EXPONENT = Limit(-10.0, -1e-3, "1")  # [-] exponent of a strength or ductility; nearer to 0, lives overflow
DUCTILITY = Limit(0.0, 1e3, "1", exclusive_minimum=True)
PRIMARY_STRESS = Limit(0.0, 1.0, "1")  # a plate under more than its yield stress collapses
SECONDARY_STRESS = Limit(0.0, 1e6, "1")
HISTORY_VALUE = Limit(-1e15, 1e15, "1")
REPEAT = Limit(1.0, 2.0**53, "1")

MATERIAL_LIMITS = {
    "young_modulus": YOUNG_MODULUS,
    "poisson_ratio": POISSON_RATIO,
    "thermal_expansion": THERMAL_EXPANSION,
    "yield_stress": YIELD_STRESS,
    "conductivity": CONDUCTIVITY,
    "volumetric_heat_capacity": Limit(1e-9, 1e15, "J/(m3 K)"),
}
ROUNDING = 64 * math.ulp(1.0)  # [-] slack of comparisons that decide a verdict, such as X + Y <= 1
