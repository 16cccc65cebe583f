r"""Modes driven by loads that are linear in time between knots: exact, whatever the stretch.

For a mode of rate :math:`\lambda` and a drive g + s t over a stretch h,

.. math::
    y(h) = e^{-\lambda h} y_0 + h\,\varphi_1 g + h^2 \varphi_2 s, \qquad
    \int_0^h y = h\,\varphi_1 y_0 + h^2 \varphi_2 g + h^3 \varphi_3 s

with :math:`\varphi_k = \varphi_k(-\lambda h)`, :math:`\varphi_0 = e^z` and
:math:`\varphi_{k+1}(z) = (\varphi_k(z) - 1/k!)/z` (M. Hochbruck, A. Ostermann, Exponential integrators, Acta Numerica
19, 2010, section 2).
"""

import math
from dataclasses import dataclass

import numpy as np

from grid.engine.values import FloatArray

TERMS = 18  # of the series below 1, to rounding
COMPILED = 200_000  # modes times stretches from which the march is compiled
DIGITS = 13  # of the length of a stretch
DISTINCT = 64  # lengths of stretches whose functions are kept at once


def compute_phi(z: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    r""":math:`\varphi_0` to :math:`\varphi_3` at z <= 0; by recurrence where that loses nothing, else by the series."""
    near = np.abs(z) < 1.0
    far = np.where(near, -1.0, z)
    zero = np.exp(z)
    one = np.expm1(far) / far
    two = (one - 1.0) / far
    three = (two - 0.5) / far
    small = np.where(near, z, 0.0)
    one, two, three = (
        np.where(near, _sum_series(small, order), other) for order, other in enumerate((one, two, three), start=1)
    )
    return zero, one, two, three


def _sum_series(z: FloatArray, order: int) -> FloatArray:
    total = np.zeros_like(z)
    for k in range(TERMS, -1, -1):
        total = total * z + 1.0 / math.factorial(k + order)
    return total


@dataclass(frozen=True)
class Motion:
    """Modes at the ends of stretches and their integrals over them, shape (stretches, modes)."""

    ends: FloatArray
    integrals: FloatArray


def march(rates: FloatArray, lengths: FloatArray, low: FloatArray, high: FloatArray, start: FloatArray) -> Motion:
    """Amplitudes of modes from a start over stretches in a row.

    Args:
        rates: Of the modes, none negative [1/s], shape (modes,).
        lengths: Of the stretches [s], shape (stretches,).
        low, high: Drives of all modes at both ends of each stretch [K/s], shape (stretches, modes).
        start: Amplitudes at first [K], shape (modes,).
    """
    ends, integrals = np.empty_like(low), np.empty_like(low)
    digits = 10.0 ** (DIGITS - np.floor(np.log10(lengths)))  # lengths that differ by rounding are one
    distinct, which = np.unique(np.round(lengths * digits) / digits, return_inverse=True)
    factors = np.empty((distinct.size, rates.size)), np.empty((distinct.size, rates.size))
    for group in range(0, distinct.size, DISTINCT):
        part = slice(group, group + DISTINCT)
        h = distinct[part, None]
        zero, one, two, three = compute_phi(-h * rates)
        factors[0][part], factors[1][part] = zero, h * one
        at = np.flatnonzero((which >= group) & (which < group + DISTINCT))
        own, h = which[at] - group, lengths[at, None]
        slope = high[at] - low[at]
        ends[at] = h * (one[own] * low[at] + two[own] * slope)
        integrals[at] = h * h * (two[own] * low[at] + three[own] * slope)
    decay, gain = factors
    amplitude = start.copy()
    if low.size >= COMPILED:
        from grid.engine.methods.response_kernels import march_all

        march_all(ends, integrals, decay, gain, which, amplitude)
        return Motion(ends, integrals)
    begins = np.empty_like(low)
    for index, kind in enumerate(which.tolist()):
        begins[index] = amplitude
        np.multiply(decay[kind], amplitude, out=amplitude)
        amplitude += ends[index]
        ends[index] = amplitude
    integrals += gain[which] * begins
    return Motion(ends, integrals)
