"""Strips of bonded layers that stretch and bend together under a uniform change of temperature.

Timoshenko, Analysis of bi-metal thermostats, J. Opt. Soc. Am. 11 (1925) 233-255, for any number of layers.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from grid.core.errors import FieldError


@dataclass(frozen=True)
class Layer:
    """One layer: thickness [m], Young's modulus [Pa], thermal expansion [1/K]."""

    thickness: float
    young_modulus: float
    thermal_expansion: float


@dataclass(frozen=True)
class LayeredStrip:
    """Layers upwards from z = 0 under a uniform `temperature_change` [K]; free to stretch and bend.

    xx = E_i (e + kappa (z - z0) - alpha_i dT), z0 the middle of the strip, with e and kappa from zero force and zero
    moment over the section.
    """

    layers: tuple[Layer, ...]
    temperature_change: float

    @cached_property
    def interfaces(self) -> tuple[float, ...]:
        """Heights z of all faces, from 0 to the thickness of the strip [m]."""
        return (0.0, *np.cumsum([layer.thickness for layer in self.layers]).tolist())

    @cached_property
    def strain(self) -> tuple[float, float]:
        """Strain at mid-thickness and curvature [1, 1/m].

        Integrals of E, E s, E s^2 and of the same with the free strain, s from mid-thickness in units of the thickness.
        """
        thickness = self.interfaces[-1]
        s = np.asarray(self.interfaces) / thickness - 0.5
        modulus = np.array([layer.young_modulus for layer in self.layers])
        free = np.array([layer.thermal_expansion for layer in self.layers]) * self.temperature_change
        zeroth, first, second = (np.diff(s**power) / power for power in (1, 2, 3))
        matrix = [[modulus @ zeroth, modulus @ first], [modulus @ first, modulus @ second]]
        e, bend = np.linalg.solve(matrix, [(modulus * free) @ zeroth, (modulus * free) @ first])
        return float(e), float(bend) / thickness

    @property
    def curvature(self) -> float:
        """Curvature kappa, positive when the upper side is the longer one [1/m]."""
        return self.strain[1]

    def stress_at(self, z: float, layer: int) -> float:
        """Stress xx in a layer (1 is the lowest) at a height within it [Pa].

        Raises:
            FieldError: There is no such layer, or the height is not in it.
        """
        if not 1 <= layer <= len(self.layers):
            raise FieldError("layer", f"an integer from 1 to {len(self.layers)}")
        bottom, top = self.interfaces[layer - 1 : layer + 1]
        if not bottom - 1e-9 * self.interfaces[-1] <= z <= top + 1e-9 * self.interfaces[-1]:
            raise FieldError("at.z", "a height within the layer [m]")
        chosen, (e, kappa) = self.layers[layer - 1], self.strain
        free = chosen.thermal_expansion * self.temperature_change
        return chosen.young_modulus * (e + kappa * (z - 0.5 * self.interfaces[-1]) - free)

    def tip_deflection(self, length: float) -> float:
        """Deflection abs(kappa) length^2 / 2 of the free end of a clamped strip [m]."""
        return abs(self.curvature) * length**2 / 2.0

    def axial_growth(self, length: float) -> float:
        """Length times the strain at mid-thickness [m]."""
        return length * self.strain[0]
