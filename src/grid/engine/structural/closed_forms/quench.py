r"""Surface stress over time of a wall quenched on both faces.

.. math:: S(Fo) = \sum_n A_n e^{-z_n^2 Fo},\quad z_n \tan z_n = Bi,\quad
   A_n = \frac{4 \sin z_n}{2 z_n + \sin 2 z_n}\left(\frac{\sin z_n}{z_n} - \cos z_n\right)

is the mean temperature minus that of the surface over the drop, from the exact transient of the wall (Carslaw and
Jaeger, Conduction of Heat in Solids, 1959, section 3.11); the surface of a plate free to expand has a stress of
E alpha / (1 - nu) times the drop times that.
"""

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from grid.engine.values.operations import FloatArray

FORGOTTEN = 40.0  # [-] z^2 Fo beyond which a mode is below a rounding of the sum
SMALL_ROOT = 1e-2  # [-] root below which sin z / z - cos z is computed from its series


@dataclass(frozen=True)
class QuenchPeak:
    """Highest surface stress as a share of E alpha dT / (1 - nu), and its time k t / (rho c L^2)."""

    share: float
    fourier_number: float


def find_roots(biot: float, count: int) -> FloatArray:
    """The first `count` positive roots of z tan z = Bi, bisecting z sin z - Bi cos z in ((n-1) pi, (n-1/2) pi)."""
    low = np.arange(count) * np.pi
    high = low + 0.5 * np.pi
    sign = np.where(np.arange(count) % 2 == 0, 1.0, -1.0)  # makes the function rise through each root
    for _ in range(64):
        middle = 0.5 * (low + high)
        rises = sign * (middle * np.sin(middle) - biot * np.cos(middle)) < 0.0
        low, high = np.where(rises, middle, low), np.where(rises, high, middle)
    out: FloatArray = 0.5 * (low + high)
    return out


def compute_stress_share(biot: float, fourier_number: float) -> float:
    """Share S(Fo): surface stress over E alpha dT / (1 - nu)."""
    roots, amplitudes = _modes(biot, _mode_count(fourier_number))
    return float(amplitudes @ np.exp(-np.minimum(roots**2 * fourier_number, 700.0)))


@lru_cache(maxsize=64)
def find_peak(biot: float) -> QuenchPeak:
    """Time at which dS/dFo vanishes, found between a thousandth of the earliest possible peak and 20."""
    from scipy.optimize import brentq

    earliest = 1e-3 / (2.0 * (1.0 + biot))  # a fast quench peaks at Fo = 1/(2 Bi)
    roots, amplitudes = _modes(biot, _mode_count(earliest))

    def slope(log_fourier: float) -> float:
        decay = roots**2 * math.exp(log_fourier)
        return float((amplitudes * roots**2) @ np.exp(-np.minimum(decay, 700.0)))

    fourier = math.exp(brentq(slope, math.log(earliest), math.log(20.0), xtol=1e-13))
    return QuenchPeak(compute_stress_share(biot, fourier), fourier)


def _mode_count(fourier_number: float) -> int:
    return max(8, math.ceil(math.sqrt(FORGOTTEN / max(fourier_number, 1e-14)) / math.pi) + 2)


@lru_cache(maxsize=8)
def _modes(biot: float, count: int) -> tuple[FloatArray, FloatArray]:
    z = find_roots(biot, count)
    with np.errstate(invalid="ignore", divide="ignore"):
        lag = np.where(z < SMALL_ROOT, z**2 / 3.0 - z**4 / 30.0, np.sin(z) / z - np.cos(z))
    return z, 4.0 * np.sin(z) / (2.0 * z + np.sin(2.0 * z)) * lag
