r"""Chebyshev series of the functions of an exponential step.

For a linear problem dT/dt = g + A (T - T_0), with g the rate of change at the start of a step t (M. Hochbruck, A.
Ostermann, Exponential integrators, Acta Numerica 19, 2010, section 2.1),

.. math::
    T(t) = T_0 + t\,\varphi_1(tA)\,g, \qquad
    \frac1t\int_0^t T\,ds = T_0 + t\,\varphi_2(tA)\,g, \qquad
    \varphi_1(x) = \frac{e^x - 1}{x}, \quad \varphi_2(x) = \frac{\varphi_1(x) - 1}{x}.

The spectrum of tA lies in [-z, 0]; there :math:`\varphi_1(x) \approx p(x) = \sum_k c_k T_k(1 + 2x/z)` (L. N. Trefethen,
Approximation Theory and Approximation Practice, 2013, chapters 3 and 4), with all c_k > 0 and falling. p is scaled to
p(0) = 1, so that (p(x) - 1)/x is a polynomial too: with it in the place of phi_2 the heat that the mean temperatures
let through the boundary is exactly the heat that the step stores.
"""

import math

import numpy as np

from grid.engine.values.operations import FloatArray

LEAST_PRODUCTS = 4  # [-] least number of terms of the series


def find_coefficients(z: float, accuracy: float = 1e-16) -> FloatArray:
    """All c_k above `accuracy` of the largest, for a step over which the spectrum reaches -z [-]."""
    count = 32 + int(4.0 * math.sqrt(z * math.log(10.0 / accuracy)))
    angle = np.pi * (np.arange(count) + 0.5) / count
    x = -z * np.sin(0.5 * angle) ** 2
    values = np.divide(np.expm1(x), x, out=np.ones_like(x), where=x != 0.0)
    folded = np.concatenate([values, values[::-1]])  # the cosine transform of type II, by a real Fourier transform
    turn = np.exp(-0.5j * np.pi * np.arange(count) / count)
    found: FloatArray = np.maximum((np.fft.rfft(folded)[:count] * turn).real / count, 0.0)
    found[0] *= 0.5
    floor = max(accuracy, 4.0 * float(np.spacing(1.0))) * float(found.max())
    below = np.flatnonzero(found <= floor)
    return found[: max(int(below[0]) if below.size else count, LEAST_PRODUCTS)]


def count_products(coefficients: FloatArray, z: float, drive: float, span: float | None, budget: float) -> int:
    r"""Count the terms that keep the root mean square of the error of a step below a budget [K].

    What is left out is :math:`r(x) = \sum_{k \ge K} c_k \cos k\theta`, x = -z sin^2(theta/2). Its size is at most the
    sum of the c_k, and, by Abel's summation of falling terms, at most :math:`c_K / \sin(\theta/2)`. With E the distance
    from the start to the steady state, where there is one between the extremes of the data, t g = -tA E, and

    .. math:: \lVert t\,r(tA)\,g \rVert \le c_K \sqrt{z\,\lVert t g \rVert\,\lVert E \rVert}

    by the inequality of Cauchy and Schwarz: a start with a jump at the boundary, whose t g is large, needs few terms
    more than a smooth one.

    Args:
        coefficients: All of them.
        z: Length of the spectrum [-].
        drive: Root mean square of t g [K], weighted by heat capacity.
        span: Bound of the distance to the steady state [K]; None where none is known.
        budget: What the error may be [K].
    """
    left = np.cumsum(coefficients[::-1])[::-1] * drive
    if span is not None:
        left = np.minimum(left, coefficients * math.sqrt(z * drive * span))
    enough = np.flatnonzero(left <= budget)
    return max(int(enough[0]) if enough.size else coefficients.size, LEAST_PRODUCTS)


def bound_error(coefficients: FloatArray, count: int, z: float, drive: float, span: float | None) -> float:
    """The bound of `count_products` for a number of terms [K]."""
    if count >= coefficients.size:
        return 0.0
    left = float(coefficients[count:].sum()) * drive
    return left if span is None else min(left, float(coefficients[count]) * math.sqrt(z * drive * span))


def divide(coefficients: FloatArray, z: float) -> FloatArray:
    r"""Coefficients of (p(x) - p(0))/x.

    With y = 1 + 2x/z and :math:`y T_k = (T_{k+1} + T_{k-1})/2`, comparing coefficients of (y - 1) q(y) = p(y) - p(1)
    gives q_{k-1} = 2 p_k + 2 q_k - q_{k+1}: sums of sums from the end, of terms of one sign.
    """
    tails = np.cumsum(coefficients[::-1])[::-1]
    sums = 2.0 * np.cumsum(tails[::-1])[::-1]
    quotient = np.append(sums[1:], 0.0)
    quotient[0] *= 0.5
    return quotient * (2.0 / z)
