r"""Certificates: error bounds of a lumped model.

With C the heat capacity of a body, H the integral of the film coefficient h over its surface and tau = C/H, the shape
function w of a body that cools slowly is

.. math:: \nabla\cdot(k\nabla w) = -\rho c/\tau, \quad -k\,\partial_n w = h, \quad \int \rho c\, w = 0,
          \qquad \phi = -\frac1H \oint h w = \frac1H \int k |\nabla w|^2

| | bounds | for |
|---|---|---|
| C1 | the mean, rigorously: exp(-t/tau) <= theta_mean <= exp(-t/(kappa tau)) | uniform start, constant h and ambient |
| C2 | the mean, sharply: the worst error is about phi/e; with tau (1 + phi) in place of tau about phi^2/2 | the same |
| C3 | field and stress, by T = Tbar + w (Tbar - ambient) + ... | slow loads |
| C4 | the whole field, rigorously, in the energy norm | any load |
| C5 | what is left of the past: it decays like exp(-lambda t) | after a jump |

C1: theta_mean is convex in the sense of Jensen, and the slowest rate is at least 1/(tau + 1/mu), which splits a field
into its surface mean and the rest. `phi` is the one functional of Y. Kaneko, C. Le Bris and A. T. Patera
(arXiv:2406.12047, 2024) that also gives the correction of R. M. Cotta and M. D. Mikhailov (Heat Conduction: Lumped
Analysis, Integral Transforms, Symbolic Computation, 1997) for walls, cylinders and spheres.
"""

import math
from dataclasses import dataclass

import numpy as np

from grid.engine.lumped.exact_cooling import ConvectiveBody
from grid.engine.values.operations import FloatArray

NAMES = ("C1", "C2")
SCAN = 600  # [-] times at which an error is evaluated
SLACK = 1e-9  # [-] rounding and the truncation of a series, over the initial excess


@dataclass(frozen=True)
class Certificate:
    """Guaranteed error bound of a lumped result.

    Args:
        name: Which bound is active, `C1` to `C5`.
        bound: Largest error of the mean temperature over the initial excess (C1, C2) or over the span (C3); of the
            field, in the mean square over the body, over the span (C4) [1].
        is_rigorous: Whether it is a theorem for this run, or an estimate.
        estimate: What the error is expected to be: C2 under the conditions of C1, else C3 [1].
        biot_number: h V / (A k), the customary one, with the mean film and the least conductivity; None without films.
        internal_resistance_phi: phi; None without films.
        detail: One sentence.
    """

    name: str
    bound: float
    is_rigorous: bool
    estimate: float
    biot_number: float | None
    internal_resistance_phi: float | None
    detail: str


def compute_gap(kappa: float) -> float:
    r"""The largest of exp(-t/(kappa tau)) - exp(-t/tau) over t, :math:`\kappa^{-1/(\kappa-1)} (1 - 1/\kappa)`."""
    excess = max(kappa - 1.0, 0.0)
    if excess == 0.0:
        return 0.0
    return math.exp(-math.log1p(excess) / excess) * excess / kappa


def bound_mean_error(body: ConvectiveBody, name: str) -> float:
    """Certificate `C1` or `C2` of a body, over the initial excess."""
    if name == "C1":
        return compute_gap(body.slowness)
    return body.internal_resistance_phi / math.e


def compute_worst_mean_error(body: ConvectiveBody, *, is_corrected: bool = False) -> float:
    """Largest |theta_mean(t) - exp(-t/tau')| over t [-], with tau' = tau, or tau (1 + phi) if corrected."""
    from scipy.optimize import minimize_scalar

    mean = body.mean()
    tau = body.time_constant * (1.0 + (body.internal_resistance_phi if is_corrected else 0.0))

    def error(times: FloatArray) -> FloatArray:
        return np.abs(mean(times) - np.exp(-times / tau))

    times = _scan_times(body)
    worst = int(np.argmax(error(times)))
    low, high = times[max(worst - 1, 0)], times[min(worst + 1, times.size - 1)]
    found = minimize_scalar(lambda t: -float(error(np.array([t]))[0]), bounds=(low, high), method="bounded")
    return max(-float(found.fun), float(error(times[worst : worst + 1])[0]))


def covers(body: ConvectiveBody, name: str, largest_ratio: float | None = None) -> bool:
    """Tell whether a certificate holds: exp(-t/tau) <= theta_mean(t) always, and the worst error <= the bound.

    Args:
        largest_ratio: The bound must also be no more than so many times the worst error.
    """
    times = _scan_times(body)
    is_above = bool(np.all(body.mean()(times) >= np.exp(-times / body.time_constant) - SLACK))
    worst, bound = compute_worst_mean_error(body), bound_mean_error(body, name)
    is_sharp = largest_ratio is None or bound <= largest_ratio * worst
    return is_above and worst <= bound + SLACK and is_sharp


def _scan_times(body: ConvectiveBody) -> FloatArray:
    """Times from a two-hundredth of the time constant to the end of all decay [s]."""
    slowest = body.time_constant * (1.0 + 2.0 * body.internal_resistance_phi)
    return np.geomspace(5e-3 * body.time_constant, 20.0 * slowest, SCAN)
