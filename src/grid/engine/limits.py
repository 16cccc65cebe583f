"""Limits of physical quantities in one table: allowed values, and the words of a refusal.

The outer bounds are far beyond any material or machine; they keep products of a few quantities inside a double.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from numbers import Real
from typing import TypeGuard

from grid.core.errors import FieldError, InvalidFieldsError

MAX_CELLS = 2**27  # [-] cells of a grid; one float64 field of 134 million cells takes 1 GiB
MAX_STEPS = 10_000_000  # [-] time steps of one run that a problem or a plan may ask for
LU_CELLS_3D = 4_000  # [-] cells of a 3D grid; beyond it the fill of an LU costs more than conjugate gradients
MAX_POINTS = 1_000_000  # [-] points of a table
MAX_ERRORS = 20  # [-] errors reported at once; a hostile input may have millions, of which the first ones are enough


@dataclass(frozen=True)
class Limit:
    """An interval of allowed values and its unit."""

    minimum: float
    maximum: float
    unit: str
    exclusive_minimum: bool = False
    exclusive_maximum: bool = False

    def allows(self, value: object) -> bool:
        """Tell whether a value is a number within the interval; False for anything that is not a number."""
        number = find_number(value)
        if number is None:
            return False
        above = number > self.minimum if self.exclusive_minimum else number >= self.minimum
        below = number < self.maximum if self.exclusive_maximum else number <= self.maximum
        return above and below

    def __str__(self) -> str:
        unit = f" {self.unit}" if self.unit != "1" else ""
        low = f"greater than {self.minimum:g}" if self.exclusive_minimum else f"at least {self.minimum:g}"
        high = f"below {self.maximum:g}" if self.exclusive_maximum else f"at most {self.maximum:g}"
        return f"a finite number, {low} and {high}{unit}"


def find_number(value: object) -> float | None:
    """Return a finite real number, of Python or NumPy, as a float; None for anything else, truth values included."""
    return float(value) if is_number(value) and math.isfinite(value) else None


def is_number(value: object) -> TypeGuard[float]:
    """Tell whether a value is a real number that a double can hold, infinities and NaN included, not truth values."""
    if type(value) is float:  # nearly always, and many thousands of times for a long table
        return True
    if isinstance(value, bool) or not isinstance(value, Real):
        return False
    try:
        float(value)
    except OverflowError:
        return False
    return True


# Each limit has the unit of its quantity; temperatures are in kelvin here, see `temperature_limit` for other units.
LENGTH = Limit(1e-12, 1e9, "m")
POSITION = Limit(-1e9, 1e9, "m")
TIME = Limit(0.0, 1e15, "s")
DURATION = Limit(1e-15, 1e15, "s")
CONDUCTIVITY = Limit(1e-12, 1e9, "W/(m K)")
OFF_DIAGONAL = Limit(-1e9, 1e9, "W/(m K)")  # entry of a conductivity tensor, which must be positive definite
DENSITY = Limit(1e-9, 1e9, "kg/m3")
SPECIFIC_HEAT = Limit(1e-9, 1e12, "J/(kg K)")
VOLUMETRIC_HEAT_CAPACITY = Limit(1e-9, 1e15, "J/(m3 K)")
TEMPERATURE = Limit(-1e12, 1e12, "K")
COEFFICIENT = Limit(0.0, 1e12, "W/(m2 K)")
HEAT_FLUX = Limit(-1e15, 1e15, "W/m2")
HEAT_SOURCE = Limit(-1e18, 1e18, "W/m3")
EMISSIVITY = Limit(0.0, 1.0, "1")
STEFAN_BOLTZMANN = Limit(1e-30, 1.0, "W/(m2 K4)")
SECTION = Limit(1e-24, 1e9, "m2 in 1D, m in 2D")
SPEED = Limit(-1e9, 1e9, "m/s")
YOUNG_MODULUS = Limit(1e-9, 1e15, "Pa")
POISSON_RATIO = Limit(-1.0, 0.5, "1", exclusive_minimum=True, exclusive_maximum=True)
THERMAL_EXPANSION = Limit(-1.0, 1.0, "1/K")
YIELD_STRESS = Limit(1e-9, 1e15, "Pa")
THRESHOLD = Limit(0.0, 1e18, "Pa or K", exclusive_minimum=True)
FRACTION = Limit(0.0, 1.0, "1", exclusive_minimum=True)
CONDUCTANCE = Limit(1e-12, 1e12, "W/(m2 K)")
TOLERANCE = Limit(1e-10, 0.1, "of the span of temperatures")


def scale_steps(steps: int, factor: float) -> int:
    """Number of steps of the same size for a run that is longer by a factor."""
    return max(1, math.ceil(steps * factor * (1 - 1e-12)))


def temperature_limit(temperature_unit: str) -> Limit:
    """Limits of the temperatures of a problem: never below absolute zero, unless they are relative."""
    if temperature_unit == "K":
        return Limit(0.0, TEMPERATURE.maximum, "K")
    if temperature_unit == "degC":
        return Limit(-273.15, TEMPERATURE.maximum, "degC")
    return TEMPERATURE


def raise_errors(errors: Iterable[FieldError]) -> None:
    """Raise the errors found: nothing for none, the one `FieldError`, or all of them as `InvalidFieldsError`."""
    found = tuple(errors)
    if len(found) == 1:
        raise found[0]
    if found:
        raise InvalidFieldsError(found[:MAX_ERRORS])
