"""Long hollow cylinder with a steady radial temperature; ends and surfaces are free.

Timoshenko and Goodier, Theory of Elasticity, 3rd ed., article 151.
"""

import math
from dataclasses import dataclass

from grid.core.errors import FieldError


@dataclass(frozen=True)
class HollowCylinder:
    """A wall between two radii [m]; `stiffness` is E alpha / (1 - nu) [Pa/K], `difference` T_a - T_b [K]."""

    inner_radius: float
    outer_radius: float
    stiffness: float
    difference: float

    def stress_at(self, radius: float, component: str) -> float:
        """`radial`, `hoop` or `axial` stress at a radius [Pa].

        With l = ln(b/a), s = a^2/(b^2 - a^2), K = stiffness difference / (2 l):
        hoop = K (1 - ln(b/r) - s (1 + b^2/r^2) l), radial = K (-ln(b/r) - s (1 - b^2/r^2) l),
        axial = K (1 - 2 ln(b/r) - 2 s l).

        Raises:
            FieldError: The radius is not in the wall, or there is no such component.
        """
        a, b = self.inner_radius, self.outer_radius
        if not a * (1 - 1e-9) <= radius <= b * (1 + 1e-9):
            raise FieldError("at.r", "a radius within the wall [m]")
        wall = math.log(b / a)
        s = a**2 / ((b - a) * (b + a))
        depth, ratio = math.log(b / radius), (b / radius) ** 2
        shapes = {
            "hoop": 1.0 - depth - s * (1.0 + ratio) * wall,
            "radial": -depth - s * (1.0 - ratio) * wall,
            "axial": 1.0 - 2.0 * depth - 2.0 * s * wall,
        }
        if component not in shapes:
            raise FieldError("component", f"one of {', '.join(shapes)}")
        return self.stiffness * self.difference / (2.0 * wall) * shapes[component]
