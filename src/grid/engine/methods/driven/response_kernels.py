"""Compiled march of modes over many stretches, see `grid.engine.methods.driven.response`. Importing it loads Numba."""

import math
from typing import Any

import numpy as np

from grid.engine.kernel_cache import njit

Array = Any  # Numba sees the real types; mypy has no stubs for compiled functions
TERMS = 18  # [-] terms of the series for arguments below 1, enough for rounding
# [-] inverse factorials, the coefficients of the series of phi_1 to phi_3
INVERSES = tuple(tuple(1.0 / math.factorial(k + order) for k in range(TERMS + 1)) for order in range(1, 4))
ONE, TWO, THREE = (np.array(part) for part in INVERSES)


@njit(cache=True, nogil=True)
def find_phi(z: float) -> Any:
    """phi_0 to phi_3 at z <= 0; by recurrence where that loses nothing, else by the series."""
    if abs(z) < 1.0:
        one, two, three = ONE[TERMS], TWO[TERMS], THREE[TERMS]
        for k in range(TERMS - 1, -1, -1):
            one, two, three = one * z + ONE[k], two * z + TWO[k], three * z + THREE[k]
    else:
        one = math.expm1(z) / z
        two = (one - 1.0) / z
        three = (two - 0.5) / z
    return math.exp(z), one, two, three


@njit(cache=True, nogil=True)
def fill_phi(out: Array, z: Array) -> None:
    """phi_0 to phi_3 of many numbers, shape (4, numbers)."""
    for i in range(z.shape[0]):
        out[0, i], out[1, i], out[2, i], out[3, i] = find_phi(z[i])


@njit(cache=True, nogil=True)
def fill_factors(factors: Array, rates: Array, lengths: Array) -> None:
    """Compute the factors of an amplitude and of its drive over a stretch, for each distinct length and mode.

    Args:
        factors: phi_0, h phi_1, h phi_2, h^2 phi_2 and h^2 phi_3; shape (5, lengths, modes).
        rates: [1/s], shape (modes,).
        lengths: h [s].
    """
    for kind in range(lengths.shape[0]):
        h = lengths[kind]
        for mode in range(rates.shape[0]):
            zero, one, two, three = find_phi(-h * rates[mode])
            factors[0, kind, mode], factors[1, kind, mode], factors[2, kind, mode] = zero, h * one, h * two
            factors[3, kind, mode], factors[4, kind, mode] = h * h * two, h * h * three


@njit(cache=True, nogil=True)
def _add(out: Array, values: Array, factor: float) -> None:
    for i in range(out.shape[0]):
        out[i] += factor * values[i]


@njit(cache=True, nogil=True)
def _cross(amplitude: Array, integral: Array, factors: Array, kind: int, begin: Array, slope: Array) -> None:
    """Carry amplitudes over a stretch, and note their integrals over it."""
    decay, gain, ramp = factors[0, kind], factors[1, kind], factors[2, kind]
    gains, ramps = factors[3, kind], factors[4, kind]
    for mode in range(amplitude.shape[0]):
        before = amplitude[mode]
        amplitude[mode] = gain[mode] * begin[mode] + ramp[mode] * slope[mode] + decay[mode] * before
        integral[mode] = gains[mode] * begin[mode] + ramps[mode] * slope[mode] + gain[mode] * before


@njit(cache=True, nogil=True)
def march_all(
    ends: Array, sums: Array, integrals: Array, factors: Array, which: Array, asked: Array, drives: Array, low: Array,
    high: Array,
) -> None:  # fmt: skip
    """Modes from rest over stretches in a row.

    Args:
        ends, sums: Amplitudes, and their integrals since the start, after some of the stretches; shape (asked, modes).
        integrals: Over each stretch, shape (stretches, modes); of one row where they are not used.
        factors: See `fill_factors`.
        which: Length of each stretch, by its number.
        asked: After how many stretches, increasing.
        drives: Constant, and of each load; shape (1 + loads, modes).
        low, high: Loads at both ends of each stretch, shape (stretches, loads).
    """
    modes = drives.shape[1]
    amplitude, total, begin, slope = np.zeros(modes), np.zeros(modes), np.empty(modes), np.empty(modes)
    row = 0
    for stretch in range(which.shape[0]):
        begin[:] = drives[0]
        slope[:] = 0.0
        for load in range(low.shape[1]):
            one, other = low[stretch, load], high[stretch, load]
            if one != 0.0:
                _add(begin, drives[1 + load], one)
            if other != one:
                _add(slope, drives[1 + load], other - one)
        integral = integrals[min(stretch, integrals.shape[0] - 1)]
        _cross(amplitude, integral, factors, which[stretch], begin, slope)
        _add(total, integral, 1.0)
        while row < asked.shape[0] and asked[row] == stretch + 1:
            ends[row], sums[row] = amplitude, total
            row += 1
