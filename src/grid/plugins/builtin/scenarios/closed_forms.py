r"""Closed forms behind the expected courses, in the standard library alone."""

import math
from collections.abc import Callable

STEPS = 400  # [-] of an integral; the trapezoidal rule converges faster than any power here
TURNS = 200  # [-] of a bisection; a double has fewer digits


def bisect(function: Callable[[float], float], low: float, high: float) -> float:
    """A zero of a function that changes its sign once between two numbers."""
    is_rising = function(high) > 0.0
    for _ in range(TURNS):
        middle = 0.5 * (low + high)
        if (function(middle) > 0.0) == is_rising:
            high = middle
        else:
            low = middle
    return 0.5 * (low + high)


def find_slowest_root(biot_number: float) -> float:
    """The least z > 0 with z tan z = Bi: slab that is insulated on one side, film on the other.

    H. S. Carslaw, J. C. Jaeger, Conduction of Heat in Solids, 2nd ed., section 3.11.
    """
    return bisect(lambda z: z * math.sin(z) - biot_number * math.cos(z), 0.0, 0.5 * math.pi)


def bessel_k0(argument: float) -> float:
    """Modified Bessel function K_0, the integral of exp(-x cosh t) over t > 0 (DLMF 10.32.9)."""
    last = math.acosh(1.0 + 750.0 / argument)  # exp(-750) is 0 in a double
    width = last / STEPS
    inner = sum(math.exp(-argument * math.cosh(step * width)) for step in range(1, STEPS))
    return width * (0.5 * math.exp(-argument) + inner)


def moving_gaussian(
    along: float, across: float, *, power: float, radius: float, speed: float, thickness: float,
    conductivity: float, diffusivity: float, loss: float,
) -> float:  # fmt: skip
    r"""Steady rise around a Gaussian source that moves through a thin plate [K], outside the source.

    D. Rosenthal (Trans. ASME 68, 1946) for a point: with :math:`\nu = v / 2a` and :math:`\beta^2 = \nu^2 + m`,

    .. math:: T = \frac{P}{2 \pi k d} e^{-\nu\xi} K_0(\beta r), \qquad
        T_s = \frac{P}{2 \pi k d} e^{-\nu\xi} e^{s^2 (\nu^2 + \beta^2)/2} K_0(\beta r')

    the second for a Gaussian of standard deviation s: :math:`e^{\nu\xi} g` is a Gaussian with its centre at
    :math:`s^2 \nu`, from which r' is measured, and a Gaussian mean of K_0 is K_0 times :math:`e^{s^2 \beta^2/2}`.

    Args:
        along, across: From the centre, along and across the path [m].
        power: [W].
        radius: Standard deviation s; 0 for a point [m].
        speed: v [m/s].
        thickness: d [m].
        conductivity: k [W/(m K)].
        diffusivity: a [m2/s].
        loss: m, films of both faces over k d [1/m2].
    """
    nu = 0.5 * speed / diffusivity
    beta = math.sqrt(nu * nu + loss)
    distance = math.hypot(along - radius * radius * nu, across)
    spread = math.exp(0.5 * radius * radius * (nu * nu + beta * beta) - nu * along)
    return power / (2.0 * math.pi * conductivity * thickness) * spread * bessel_k0(beta * distance)
