r"""Plates and strips with a temperature through the thickness, held or free to stretch and to bend.

.. math:: \sigma(s) = -E' \alpha (\theta - [\text{stretch free}]\, m - [\text{bend free}]\, \tfrac{12}{h^3} s M)

with s measured from the middle, theta the temperature above the stress-free one, m its mean over the thickness h, M the
integral of theta s ds; E' = E/(1 - nu) for a plate (xx = yy), E for a strip (xx alone). Timoshenko and Goodier, Theory
of Elasticity, 3rd ed., article 150; Boley and Weiner, Theory of Thermal Stresses, chapter 9.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike

from grid.core.errors import FieldError
from grid.engine.structural.closed_forms.quadrature import find_largest, find_sign_changes, integrate
from grid.engine.values.operations import FloatArray


@dataclass(frozen=True)
class Profile:
    """Stress through the thickness of a plate or a strip.

    Args:
        excess: Temperature above the stress-free one, a function of the coordinate [K].
        low, high: Coordinates of the two faces [m].
        stiffness: E' alpha [Pa/K].
        is_expansion_free, is_bending_free: Whether the mean strain and the curvature adjust themselves.
    """

    excess: Callable[[FloatArray], FloatArray]
    low: float
    high: float
    stiffness: float
    is_expansion_free: bool
    is_bending_free: bool

    @cached_property
    def mean(self) -> float:
        """Mean m of the excess [K]."""
        return integrate(self.excess, self.low, self.high) / (self.high - self.low)

    @cached_property
    def moment(self) -> float:
        """Moment M of the excess about the middle [K m2]."""
        middle = 0.5 * (self.low + self.high)
        return integrate(lambda s: self.excess(s) * (s - middle), self.low, self.high)

    def stress_at(self, place: ArrayLike) -> FloatArray:
        """Stress xx, and yy of a plate, at coordinates through the thickness [Pa]."""
        s = np.asarray(place, dtype=np.float64)
        strain = self.excess(s.reshape(-1)).reshape(s.shape)
        if self.is_expansion_free:
            strain = strain - self.mean
        if self.is_bending_free:
            thickness = self.high - self.low
            strain = strain - 12.0 / thickness**3 * (s - 0.5 * (self.low + self.high)) * self.moment
        out: FloatArray = -self.stiffness * strain
        return out

    @cached_property
    def largest_von_mises(self) -> float:
        """Largest von Mises stress over the thickness [Pa]; the absolute value of equal biaxial or uniaxial stress."""
        return find_largest(lambda s: np.abs(self.stress_at(s)), self.low, self.high)

    def net_force(self) -> float:
        """Integral of the stress over the thickness [N/m]."""
        return integrate(self.stress_at, self.low, self.high)

    def zero_stress_position(self) -> float:
        """Smallest coordinate that is not negative at which the stress changes sign [m].

        Raises:
            FieldError: It changes sign nowhere.
        """
        slack = 1e-9 * (self.high - self.low)
        for place in find_sign_changes(self.stress_at, self.low, self.high):
            if place >= -slack:
                return max(place, 0.0)
        raise FieldError("quantity", "a sign change at a coordinate of at least 0; the stress has none")

    def face_difference(self) -> float:
        """Absolute difference of the temperatures of the two faces [K]."""
        bottom, top = self.excess(np.array([self.low, self.high]))
        return abs(float(top) - float(bottom))


def compute_flux_temperature(
    place: FloatArray, thickness: float, flux: float, conductivity: float, face: str
) -> FloatArray:
    """Temperature of a plate heated on one face and insulated on the other, long after the start [K].

    flux s^2 / (2 k L) over a uniform rise that is left out, s the distance from the insulated face (Boley and Weiner,
    Theory of Thermal Stresses, section 9.7).
    """
    distance = thickness - place if face == "z_min" else place
    return flux * distance**2 / (2.0 * conductivity * thickness)
