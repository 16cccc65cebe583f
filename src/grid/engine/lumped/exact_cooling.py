r"""Bodies whose exact cooling is known: walls, boxes, cylinders, spheres and layers in a constant ambient.

A body starts uniform; theta is its excess temperature over the initial one. The exact heat-weighted mean is a sum of
decaying modes with shares that are positive and add up to one,

.. math:: \bar\theta(t) = \sum_n s_n e^{-r_n t}, \qquad s_n > 0,

(F. P. Incropera, D. P. DeWitt, Fundamentals of Heat and Mass Transfer, 4th ed., sections 5.5 to 5.8; H. S. Carslaw,
J. C. Jaeger, Conduction of Heat in Solids, 1959). A box is the product of its walls; layers are expanded numerically.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from grid.core.errors import FieldError
from grid.engine.values.operations import FloatArray

BISECTIONS = 90  # [-] halvings of a bracket of a root, down to the last bit
# [-] modes at a Biot number of 0, at most, and at most for Bessel functions
MODES, MAX_MODES, MAX_BESSEL_MODES = 60, 6_000, 1_000
LAYER_CELLS = 800  # [-] cells of a stack, at least 8 in each layer
# [-] rate times tau up to which modes of layers count; faster ones decay before the lumped model has an error
FASTEST = 2e4


@dataclass(frozen=True)
class Layer:
    """One layer of a stack: thickness [m], k [W/(m K)], rho c [J/(m3 K)]."""

    thickness: float
    conductivity: float
    volumetric_heat_capacity: float


@dataclass(frozen=True)
class Modes:
    """Rates [1/s] and shares of the modes of a mean; shares that were left out are counted to the fastest."""

    rates: FloatArray
    shares: FloatArray

    @classmethod
    def of(cls, rates: FloatArray, shares: FloatArray) -> "Modes":
        """Make modes whose shares add up to one; the rest is counted to the fastest rate."""
        rest = 1.0 - float(shares.sum())
        return cls(np.append(rates, rates[-1]), np.append(shares, rest))

    def mean(self, times: FloatArray) -> FloatArray:
        """theta_mean at times [s], shape (times,)."""
        out: FloatArray = np.exp(-np.multiply.outer(times, self.rates)) @ self.shares
        return out


@dataclass(frozen=True)
class ConvectiveBody:
    """A body that exchanges heat with a constant ambient over its whole surface.

    Args:
        name: How a case calls it.
        shape: `wall`, `box`, `cylinder`, `sphere` or `layers`.
        sizes: Half thickness, half sizes or radius [m]; empty for layers.
        conductivity: One for each of `sizes` [W/(m K)].
        volumetric_heat_capacity: [J/(m3 K)].
        coefficient: h [W/(m2 K)].
        layers: From the insulated face to the exposed one.
    """

    name: str
    shape: str
    coefficient: float
    sizes: tuple[float, ...] = ()
    conductivity: tuple[float, ...] = ()
    volumetric_heat_capacity: float = 1.0
    layers: tuple[Layer, ...] = ()

    @property
    def time_constant(self) -> float:
        """Time constant tau = C / H [s]."""
        h, c = self.coefficient, self.volumetric_heat_capacity
        if self.shape == "layers":
            return sum(layer.thickness * layer.volumetric_heat_capacity for layer in self.layers) / h
        if self.shape in ("cylinder", "sphere"):
            return c * self.sizes[0] / (h * (2.0 if self.shape == "cylinder" else 3.0))
        return c / (h * sum(1.0 / size for size in self.sizes))

    @property
    def biot_numbers(self) -> tuple[float, ...]:
        """Biot numbers h L / k along each of `sizes` [-]."""
        return tuple(self.coefficient * size / k for size, k in zip(self.sizes, self.conductivity, strict=True))

    @property
    def internal_resistance_phi(self) -> float:
        r"""Internal resistance phi = -(1/H) surface integral of h w [-], in closed form.

        Wall h L / (3 k); box (h/3) sum(1/k_i) / sum(1/L_i); cylinder h R / (4 k); sphere h R / (5 k); layers
        :math:`h \int F^2/k\,dx`, F the share of the heat capacity below x, linear within each layer.
        """
        h = self.coefficient
        if self.shape == "layers":
            return h * _layer_resistance(self.layers)
        if self.shape in ("cylinder", "sphere"):
            return self.biot_numbers[0] / (4.0 if self.shape == "cylinder" else 5.0)
        return h / 3.0 * sum(1.0 / k for k in self.conductivity) / sum(1.0 / size for size in self.sizes)

    @property
    def slowness(self) -> float:
        r"""Slowness kappa of certificate C1 [-]: a lower bound of the slowest rate is 1 / (kappa tau).

        For a box the sum over its axes of the bounds of its walls, 1 / (rho c L/h + 4 L^2 rho c / (pi^2 k)). Else
        1 + 1/(mu tau), with mu the slowest rate of the body with its surface held; for cylinder and sphere the least
        zero of J0 and pi over the radius, since the field depends on the radius alone.
        """
        h, c = self.coefficient, self.volumetric_heat_capacity
        if self.shape in ("wall", "box"):
            pairs = zip(self.sizes, self.conductivity, strict=True)
            rate = sum(1.0 / (c * size / h + 4.0 * size**2 * c / (math.pi**2 * k)) for size, k in pairs)
            return 1.0 / (rate * self.time_constant)
        if self.shape == "layers":
            rates, _ = _layer_modes(self.layers, math.inf, 0.0)
            return 1.0 + 1.0 / (float(rates[0]) * self.time_constant)
        zero, count = (2.404825557695773, 2.0) if self.shape == "cylinder" else (math.pi, 3.0)
        return 1.0 + count * self.biot_numbers[0] / zero**2

    @property
    def centre_to_surface_spread(self) -> float:
        """1 - theta_surface / theta_centre at late times: 1 - cos z, z tan z = Bi.

        Raises:
            FieldError: Not a wall.
        """
        if self.shape != "wall":
            raise FieldError("body", "a wall, for centre_to_surface_spread")
        return 1.0 - math.cos(float(_wall_roots(self.biot_numbers[0], 1)[0]))

    def mean(self) -> Callable[[FloatArray], FloatArray]:
        """The exact theta_mean, as a function of an array of times [s]."""
        parts = self._modes()
        return lambda times: np.prod([part.mean(times) for part in parts], axis=0)

    def _modes(self) -> tuple[Modes, ...]:
        c = self.volumetric_heat_capacity
        if self.shape == "layers":
            return (Modes.of(*_layer_modes(self.layers, self.coefficient, FASTEST / self.time_constant)),)
        series = {"cylinder": _cylinder_series, "sphere": _sphere_series}.get(self.shape, _wall_series)
        found = []
        for size, k, biot in zip(self.sizes, self.conductivity, self.biot_numbers, strict=True):
            roots, shares = series(biot, _count_modes(biot))
            found.append(Modes.of(roots**2 * k / (c * size**2), shares))
        return tuple(found)


def _count_modes(biot: float) -> int:
    """Number of modes that resolve the mean from a hundredth of the time constant on."""
    return int(min(MODES + math.sqrt(5e3 * biot), MAX_MODES))


def _bisect(claim: Callable[[FloatArray], FloatArray], low: FloatArray, high: FloatArray) -> FloatArray:
    """The roots of a function that is negative at `low` and positive at `high`, entry by entry."""
    for _ in range(BISECTIONS):
        middle = 0.5 * (low + high)
        is_above = claim(middle) > 0.0
        low, high = np.where(is_above, low, middle), np.where(is_above, middle, high)
    return 0.5 * (low + high)


def _wall_roots(biot: float, count: int) -> FloatArray:
    """Positive roots of z tan z = Bi [-], in increasing order."""
    base = np.arange(count, dtype=np.float64) * math.pi
    sign = np.where(np.arange(count) % 2 == 0, 1.0, -1.0)
    return _bisect(lambda z: sign * (z * np.sin(z) - biot * np.cos(z)), base, base + 0.5 * math.pi)


def _wall_series(biot: float, count: int) -> tuple[FloatArray, FloatArray]:
    """Shares 2 Bi^2 / (z^2 (z^2 + Bi^2 + Bi)) [-] of the modes of a wall."""
    z = _wall_roots(biot, count)
    return z, 2.0 * biot**2 / (z**2 * (z**2 + biot**2 + biot))


def _sphere_series(biot: float, count: int) -> tuple[FloatArray, FloatArray]:
    """Roots of 1 - z cot z = Bi and shares 6 Bi^2 / (z^2 (z^2 + Bi^2 - Bi)) [-]."""
    base = np.arange(count, dtype=np.float64) * math.pi
    sign = np.where(np.arange(count) % 2 == 0, 1.0, -1.0)
    low = np.maximum(base, 1e-12)
    z = _bisect(lambda z: sign * ((1.0 - biot) * np.sin(z) - z * np.cos(z)), low, base + math.pi)
    return z, 6.0 * biot**2 / (z**2 * (z**2 + biot**2 - biot))


def _cylinder_series(biot: float, count: int) -> tuple[FloatArray, FloatArray]:
    """Roots of z J1(z) = Bi J0(z) and shares 4 Bi^2 / (z^2 (z^2 + Bi^2)) [-]."""
    from scipy import special

    count = min(count, MAX_BESSEL_MODES)
    high = special.jn_zeros(0, count)
    low = np.concatenate(([0.0], special.jn_zeros(1, count - 1)))
    sign = np.where(np.arange(count) % 2 == 0, 1.0, -1.0)
    z = _bisect(lambda z: sign * (z * special.j1(z) - biot * special.j0(z)), low, high)
    return z, 4.0 * biot**2 / (z**2 * (z**2 + biot**2))


def _layer_resistance(layers: tuple[Layer, ...]) -> float:
    r"""Resistance :math:`\int F^2/k\,dx` [m2 K/W]."""
    total = sum(layer.thickness * layer.volumetric_heat_capacity for layer in layers)
    below, found = 0.0, 0.0
    for layer in layers:
        above = below + layer.thickness * layer.volumetric_heat_capacity / total
        found += layer.thickness / layer.conductivity * (below**2 + below * above + above**2) / 3.0
        below = above
    return found


def _layer_modes(layers: tuple[Layer, ...], coefficient: float, fastest: float) -> tuple[FloatArray, FloatArray]:
    """Rates and shares of the modes of a stack, by finite volumes; an infinite coefficient fixes the far face.

    Args:
        fastest: Rate up to which modes are wanted [1/s]; the slowest one is always among them.
    """
    from scipy.linalg import eigh_tridiagonal

    thickness = sum(layer.thickness for layer in layers)
    counts = [max(8, round(LAYER_CELLS * layer.thickness / thickness)) for layer in layers]
    pairs = list(zip(layers, counts, strict=True))
    capacity = np.concatenate([np.full(n, layer.thickness / n * layer.volumetric_heat_capacity) for layer, n in pairs])
    half = np.concatenate([np.full(n, 0.5 * layer.thickness / n / layer.conductivity) for layer, n in pairs])
    between = 1.0 / (half[:-1] + half[1:])
    diagonal = np.zeros_like(capacity)
    diagonal[:-1] += between
    diagonal[1:] += between
    outwards = 1.0 / (half[-1] + (0.0 if math.isinf(coefficient) else 1.0 / coefficient))
    diagonal[-1] += outwards
    beside = -between / np.sqrt(capacity[:-1] * capacity[1:])
    first, _ = eigh_tridiagonal(diagonal / capacity, beside, select="i", select_range=(0, 0))
    slack = 1e-6 * abs(float(first[0])) + 16.0 * math.ulp(float(np.max(diagonal / capacity)))  # it may round below zero
    limits = min(0.0, float(first[0]) - slack), max(fastest, float(first[0]) + slack)
    _, vectors = eigh_tridiagonal(diagonal / capacity, beside, select="v", select_range=limits)
    fields = vectors / np.sqrt(capacity)[:, None]  # their Rayleigh quotients keep the digits of the slowest rate
    rates = between @ np.diff(fields, axis=0) ** 2 + outwards * fields[-1] ** 2
    shares = (np.sqrt(capacity) @ vectors) ** 2 / capacity.sum()
    return rates, shares
