"""Materials and bodies of the scenarios, as the case format has them. Importing this loads no NumPy."""

import math
from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]

SIDE = 1.0  # [m] side of a plate, and of the large faces of a slab
AMBIENT = 20.0  # [degC]
CENTRE = 0.5 * SIDE
ROUND = (1.0, 2.0, 5.0, 10.0)  # [-] leading digits of a tick


@dataclass(frozen=True)
class Metal:
    """A material with constant properties.

    Args:
        conductivity: [W/(m K)].
        density: [kg/m3].
        specific_heat: [J/(kg K)].
        young_modulus, poisson_ratio, thermal_expansion, yield_stress: [Pa, 1, 1/K, Pa].
    """

    conductivity: float
    density: float
    specific_heat: float
    young_modulus: float
    poisson_ratio: float
    thermal_expansion: float
    yield_stress: float

    @property
    def capacity(self) -> float:
        """Heat capacity of a volume [J/(m3 K)]."""
        return self.density * self.specific_heat

    @property
    def diffusivity(self) -> float:
        """[m2/s]."""
        return self.conductivity / self.capacity

    @property
    def stress_per_kelvin(self) -> float:
        """Stress of a plate whose strain is suppressed, E alpha / (1 - nu) [Pa/K]."""
        return self.young_modulus * self.thermal_expansion / (1.0 - self.poisson_ratio)

    def to_json(self) -> Json:
        """The material of a case."""
        return {
            "conductivity": self.conductivity,
            "density": self.density,
            "specific_heat": self.specific_heat,
            "young_modulus": self.young_modulus,
            "poisson_ratio": self.poisson_ratio,
            "thermal_expansion": self.thermal_expansion,
            "yield_stress": self.yield_stress,
        }


# Carbon steel and aluminium 6061-T6 near 20 degC, rounded: F. P. Incropera, D. P. DeWitt, Fundamentals of Heat and Mass
# Transfer, table A.1; elastic constants and yield stresses as in design codes (EN 1993, EN 1999).
STEEL = Metal(50.0, 7800.0, 470.0, 2.1e11, 0.3, 1.2e-5, 2.5e8)
ALUMINIUM = Metal(167.0, 2700.0, 896.0, 6.9e10, 0.33, 2.3e-5, 2.4e8)


def make_plate(metal: Metal, thickness: float, cells: tuple[int, ...], coefficient: float, **changes: Any) -> Json:
    """The case of a square plate of one cell through its thickness, which lies along x.

    Args:
        metal: What it is made of.
        thickness: [m].
        cells: Along both sides.
        coefficient: Of the film on both large faces [W/(m2 K)]; 0 for none.
        changes: Other fields of the case.
    """
    faces = {name: make_film(coefficient) for name in ("x_min", "x_max")} if coefficient > 0.0 else {}
    case = {
        "dimension": 3,
        "domain": {"size": [thickness, SIDE, SIDE]},
        "material": metal.to_json(),
        "initial": AMBIENT,
        "boundaries": faces,
        "resolution": {"cells": [1, *cells]},
        "temperature_unit": "degC",
    }
    return case | changes


def make_slab(metal: Metal, thickness: float, cells: tuple[int, ...], faces: Json, **changes: Any) -> Json:
    """The case of a slab with large faces of 1 m2, whose thickness lies along x, in one to three dimensions.

    Args:
        metal: What it is made of.
        thickness: [m].
        cells: Along the thickness, and along as many of the sides as there are more numbers.
        faces: Laws of `x_min` and `x_max`.
        changes: Other fields of the case.
    """
    case = {
        "dimension": len(cells),
        "domain": {"size": [thickness, *(SIDE for _ in cells[1:])]},
        "material": metal.to_json(),
        "initial": AMBIENT,
        "boundaries": faces,
        "resolution": {"cells": list(cells)},
        "temperature_unit": "degC",
    }
    return case | changes


def make_film(coefficient: float, ambient: float = AMBIENT) -> Json:
    """The law of a face with a film."""
    return {"type": "convection", "coefficient": coefficient, "ambient": ambient}


def round_tick(longest: float) -> float:
    """The longest time of 1, 2 or 5 times a power of ten that is at most another [s]."""
    power = 10.0 ** math.floor(math.log10(longest) + 1e-12)
    leading = max(digit for digit in ROUND[:3] if digit * power <= longest * (1.0 + 1e-9))
    # a power of ten below 1 is no double; the quotient is the double that its decimals mean
    return leading * power if power >= 1.0 else leading / round(1.0 / power)


def round_up(time: float, tick: float) -> float:
    """The first whole number of ticks at or after a time, as time [s]."""
    return math.ceil(time / tick * (1.0 - 1e-12)) * tick
