r"""Modes driven by loads that are linear in time between knots: exact, whatever the stretch.

For a mode of rate :math:`\lambda` and a drive g + s t over a stretch h,

.. math::
    y(h) = e^{-\lambda h} y_0 + h\,\varphi_1 g + h^2 \varphi_2 s, \qquad
    \int_0^h y = h\,\varphi_1 y_0 + h^2 \varphi_2 g + h^3 \varphi_3 s

with :math:`\varphi_k = \varphi_k(-\lambda h)`, :math:`\varphi_0 = e^z` and
:math:`\varphi_{k+1}(z) = (\varphi_k(z) - 1/k!)/z` (M. Hochbruck, A. Ostermann, Exponential integrators, Acta Numerica
19, 2010, section 2). Importing this module loads Numba.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from grid.engine.methods.driven import response_kernels as kernels
from grid.engine.values.operations import FloatArray

DIGITS = 13  # [-] digits in which the lengths of equal stretches agree


def compute_phi(z: FloatArray) -> FloatArray:
    r""":math:`\varphi_0` to :math:`\varphi_3` at numbers z <= 0, shape (4, numbers)."""
    out = np.empty((4, z.size))
    kernels.fill_phi(out, z)
    return out


@dataclass(frozen=True)
class Motion:
    """Modes that loads drive from rest.

    Args:
        ends: Amplitudes at the output times [K], shape (asked, modes).
        sums: Their integrals from the start to the output times [K s], same shape.
        integrals: Over each stretch [K s], shape (stretches, modes).
    """

    ends: FloatArray
    sums: FloatArray
    integrals: FloatArray


def march(
    rates: FloatArray, lengths: FloatArray, drives: FloatArray, low: FloatArray, high: FloatArray,
    asked: NDArray[np.intp], *, is_booked: bool = True,
) -> Motion:  # fmt: skip
    """The motion of modes from rest over stretches in a row.

    Args:
        rates: Of the modes, none negative [1/s], shape (modes,).
        lengths: Of the stretches [s], shape (stretches,).
        drives: Of the modes, constant and by a unit of each load [K/s], shape (1 + loads, modes).
        low, high: Loads at both ends of each stretch, shape (stretches, loads).
        asked: Numbers of stretches after which amplitudes are wanted, increasing, from 1.
        is_booked: Whether the integrals over each stretch are wanted.
    """
    digits = 10.0 ** (DIGITS - np.floor(np.log10(lengths)))  # lengths that differ by rounding are one
    distinct, which = np.unique(np.round(lengths * digits) / digits, return_inverse=True)
    factors = np.empty((5, distinct.size, rates.size))
    kernels.fill_factors(factors, rates, distinct)
    ends, sums = np.empty((asked.size, rates.size)), np.empty((asked.size, rates.size))
    integrals = np.empty((lengths.size if is_booked else 1, rates.size))
    own, one, other = (np.ascontiguousarray(part) for part in (drives, low, high))
    kernels.march_all(ends, sums, integrals, factors, which, asked, own, one, other)
    return Motion(ends, sums, integrals)
