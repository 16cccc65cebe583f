r"""Conduction in a body that melts by one potential, whose flow through each face is linear.

With :math:`k_s` and :math:`k_l` the conductivities of the phases and :math:`T_m` where they meet, Kirchhoff's transform

.. math:: U = T_m + \int_{T_m}^T k\,dT / k_s

makes the heat between two cells :math:`G_s (U_j - U_i)`, G_s that of the solid: the mean of k over the temperatures
between both is in U already. As U rises with T in straight pieces, U(H) is as simple as T(H). A film outside holds the
temperature of the surface, so that its flow has one straight piece in U for each phase of the surface.
"""

from dataclasses import dataclass, replace

import numpy as np

from grid.engine.problem.boundaries import Robin
from grid.engine.problem.problem import HeatProblem
from grid.engine.space.nonlinear import find_variation
from grid.engine.space.space import Space
from grid.engine.values.operations import FloatArray
from grid.engine.values.phase_change import ByPhase
from grid.engine.values.value import Constant, Value


@dataclass(frozen=True)
class Conduction:
    """Conductances that serve all temperatures.

    Args:
        space: With those of the solid.
        ratio: Conductivity of the liquid over that of the solid; 1 where nothing depends on the phase.
        melting_temperature: Where U is T.
    """

    space: Space
    ratio: float = 1.0
    melting_temperature: float = 0.0

    def potential(self, temperature: FloatArray) -> FloatArray:
        """U of temperatures."""
        return self._scale(temperature, self.ratio)

    def restore(self, potential: FloatArray) -> FloatArray:
        """The temperatures of potentials."""
        return self._scale(potential, 1.0 / self.ratio)

    def _scale(self, values: FloatArray, factor: float) -> FloatArray:
        if factor == 1.0:
            return values
        return values + (factor - 1.0) * np.maximum(values - self.melting_temperature, 0.0)

    def rate(self, potential: FloatArray) -> FloatArray:
        """dU/dT, on the corner that of the liquid."""
        return np.where(potential >= self.melting_temperature, self.ratio, 1.0)

    def transform(self, law: Robin) -> list[Robin]:
        """A law for potentials in place of temperatures: of a solid surface, and of a liquid one where that differs."""
        if self.ratio == 1.0:
            return [law]
        film, reference = np.asarray(law.film, np.float64), np.asarray(law.reference, np.float64)
        is_held = np.isinf(film)
        held = self.potential(reference)
        beyond = self.melting_temperature + self.ratio * (reference - self.melting_temperature)
        return [
            Robin(film, np.where(is_held, held, reference), law.imposed),
            Robin(film / self.ratio, np.where(is_held, held, beyond), law.imposed),
        ]

    def find_thresholds(self, law: Robin, half: FloatArray) -> FloatArray:
        """Potentials of the cells behind faces from which on their surfaces are liquid."""
        film = np.asarray(law.film, np.float64)
        finite = np.where(np.isinf(film), 0.0, film)  # of a held surface both pieces are the same
        heat = finite * (np.asarray(law.reference, np.float64) - self.melting_temperature) + law.imposed
        out: FloatArray = self.melting_temperature - np.broadcast_to(heat, half.shape) / half
        return out


def find_conduction(space: Space) -> Conduction | None:
    """Conduction in two or three dimensions with loads that do not depend on T; None where no potential has it."""
    problem, varies = space.problem, find_variation(space)
    laws = space.boundaries
    knows = any("T" in value.variables for law in laws for value in law.values.values())
    if (len(space.shape) == 1 and not problem.is_periodic[0]) or varies.loads_of_temperature or knows:
        return None
    if not all(law.is_linear for law in laws):
        return None
    if not varies.conductivity:
        return Conduction(space)
    found = None if space.couplings else find_ratio(problem)
    if found is None:
        return None
    from grid.engine.space.discretise import discretise

    ratio, solids = found
    [material] = problem.materials
    melting = 0.0 if material.enthalpy is None else material.enthalpy.melting_temperature
    plain = replace(problem, materials=(replace(material, conductivity=solids),))
    return Conduction(discretise(plain), ratio, melting or 0.0)


def find_ratio(problem: HeatProblem) -> tuple[float, tuple[Value, ...]] | None:
    """Conductivity of the liquid over that of the solid, and those of the solid, of one material; None if none serves.

    All axes need the same ratio.
    """
    ratios, solids = set[float](), list[Value]()
    for value in problem.materials[0].conductivity:
        if not isinstance(value, ByPhase):
            return None
        solid, liquid = value.solid, value.liquid
        if not isinstance(solid, Constant) or not isinstance(liquid, Constant):
            return None
        if not (solid.value > 0.0 and liquid.value > 0.0):
            return None
        ratios.add(liquid.value / solid.value)
        solids.append(solid)
    return (ratios.pop(), tuple(solids)) if len(ratios) == 1 and len(problem.materials) == 1 else None
