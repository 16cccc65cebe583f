"""A slab of 1 m2 that generates heat evenly, with films on both faces."""

from dataclasses import dataclass

from grid.plugins.builtin.scenarios.bodies import AMBIENT, Json, Metal, make_film


@dataclass(frozen=True)
class Slab:
    """A slab with large faces of 1 m2.

    Args:
        metal: What it is made of.
        thickness: d [m].
        coefficient: h of the films on both faces [W/(m2 K)]; 0 for none.
    """

    metal: Metal
    thickness: float
    coefficient: float

    @property
    def exchange(self) -> float:
        """H, the sum of h A [W/K]."""
        return 2.0 * self.coefficient

    @property
    def capacity(self) -> float:
        """C [J/K]."""
        return self.metal.capacity * self.thickness

    @property
    def biot_number(self) -> float:
        """Bi = h (d/2) / k [-]."""
        return 0.5 * self.coefficient * self.thickness / self.metal.conductivity

    @property
    def time_constant(self) -> float:
        """Corrected time constant (1 + phi) C/H, phi = Bi/3 for the resistance from the mean to the faces [s]."""
        return (1.0 + self.biot_number / 3.0) * self.capacity / self.exchange

    def mean(self, power: float) -> float:
        """Steady mean temperature under a power, T_a + (1 + phi) P/H [degC]."""
        return AMBIENT + (1.0 + self.biot_number / 3.0) * power / self.exchange

    def profile(self, power: float) -> float | Json:
        """Steady temperature as a value of the case format: T_a + q d/(2 h) + q x (d - x)/(2 k), q = P/d."""
        if power == 0.0:
            return AMBIENT
        surface = AMBIENT + power / self.exchange
        curvature = 0.5 * power / self.thickness / self.metal.conductivity
        return {"expression": f"{surface!r} + {curvature!r} * x * ({self.thickness!r} - x)"}

    def faces(self) -> Json:
        """Laws of both faces."""
        return {name: make_film(self.coefficient) for name in ("x_min", "x_max")}
