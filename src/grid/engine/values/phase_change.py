r"""Phase change: heat stored by a material at each temperature, and properties that differ between solid and liquid.

The volumetric enthalpy H(T) [J/m3] is piecewise linear: the entries of a table, or for a sharp melting temperature
:math:`H = C_s (T - T_m)` below it, :math:`H = \Lambda + C_l (T - T_m)` above, and anything from 0 to :math:`\Lambda` at
it, with the liquid fraction :math:`H / \Lambda` (V. R. Voller, C. R. Swaminathan, Numer. Heat Transfer B 19, 1991).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from grid.engine.values.operations import FloatArray
from grid.engine.values.value import Value


@dataclass(frozen=True)
class Enthalpy:
    """Volumetric enthalpy through points, linear between and beyond them.

    Args:
        temperatures: Rising; the melting temperature stands twice.
        contents: H at these temperatures [J/m3], rising.
        melting_temperature: Temperature at which the solid ends and the liquid begins; None for a table.
    """

    temperatures: tuple[float, ...]
    contents: tuple[float, ...]
    melting_temperature: float | None = None

    @classmethod
    def melting(cls, temperature: float, latent_heat: float, solid: float, liquid: float) -> "Enthalpy":
        """Make an enthalpy with a sharp melting temperature from latent heat [J/m3] and heat capacities [J/(m3 K)]."""
        temperatures = (temperature - 1.0, temperature, temperature, temperature + 1.0)
        return cls(temperatures, (-solid, 0.0, latent_heat, latent_heat + liquid), temperature)

    @property
    def latent_heat(self) -> float:
        """Latent heat at the melting temperature [J/m3]; 0 for a table."""
        return self.contents[2] - self.contents[1] if self.melting_temperature is not None else 0.0

    def content_at(self, temperature: FloatArray, *, is_liquid: bool = True) -> FloatArray:
        """Compute H [J/m3]; at the melting temperature with or without the latent heat."""
        nodes, contents = np.array(self.temperatures), np.array(self.contents)
        piece = self._piece(nodes, temperature, "right" if is_liquid else "left")
        rise = (contents[piece + 1] - contents[piece]) / (nodes[piece + 1] - nodes[piece])
        out: FloatArray = contents[piece] + rise * (temperature - nodes[piece])
        return out

    def temperature_at(self, content: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Compute T and dT/dH [m3 K/J]."""
        nodes, contents = np.array(self.temperatures), np.array(self.contents)
        piece = self._piece(contents, content, "right")
        slope = (nodes[piece + 1] - nodes[piece]) / (contents[piece + 1] - contents[piece])
        return nodes[piece] + slope * (content - contents[piece]), slope

    def capacity_at(self, temperature: FloatArray) -> FloatArray:
        """Compute dH/dT [J/(m3 K)], without the latent heat of a sharp melting temperature."""
        nodes, contents = np.array(self.temperatures), np.array(self.contents)
        piece = self._piece(nodes, temperature, "right")
        out: FloatArray = (contents[piece + 1] - contents[piece]) / (nodes[piece + 1] - nodes[piece])
        return out

    @staticmethod
    def _piece(nodes: FloatArray, at: FloatArray, side: Any) -> NDArray[np.intp]:
        return np.clip(np.searchsorted(nodes, at, side=side) - 1, 0, nodes.size - 2)


@dataclass(frozen=True)
class HeatCapacity:
    """Volumetric heat capacity rho c as a value: the slope of an enthalpy."""

    enthalpy: Enthalpy

    @property
    def variables(self) -> frozenset[str]:
        """Temperature."""
        return frozenset("T")

    @property
    def breakpoints(self) -> tuple[float, ...]:
        """Empty: it does not depend on time."""
        return ()

    def evaluate(self, coordinates: dict[str, Any], /) -> Any:
        """Evaluate dH/dT [J/(m3 K)] at the temperatures of the places."""
        return self.enthalpy.capacity_at(np.asarray(coordinates["T"], np.float64))


@dataclass(frozen=True)
class ByPhase:
    """A property of the solid below a temperature and of the liquid above it.

    Across a stretch from `T_low` to `T_high` (where the places have them) it is the mean over the temperatures between,
    as Kirchhoff's transformation requires, so that it changes steadily as a front moves.
    """

    melting_temperature: float
    solid: Value
    liquid: Value

    @property
    def variables(self) -> frozenset[str]:
        """Temperature, and the variables of both phases."""
        return frozenset("T") | self.solid.variables | self.liquid.variables

    @property
    def breakpoints(self) -> tuple[float, ...]:
        """Empty: no times are listed."""
        return ()

    def evaluate(self, coordinates: dict[str, Any], /) -> Any:
        """Evaluate the property; across a stretch of temperatures its mean, weighted by the share of each phase."""
        low, high = (np.asarray(coordinates.get(name, coordinates["T"]), np.float64) for name in ("T_low", "T_high"))
        span = high - low
        share = np.divide(high - self.melting_temperature, span, out=np.zeros_like(span), where=span > 0)
        liquid = np.where(span > 0, np.clip(share, 0.0, 1.0), low >= self.melting_temperature)
        return liquid * self.liquid.evaluate(coordinates) + (1.0 - liquid) * self.solid.evaluate(coordinates)
