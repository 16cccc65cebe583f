"""Compiled march of modes over many stretches, see `grid.engine.methods.response`. Importing it loads Numba."""

from typing import Any

from numba import njit

Array = Any  # Numba sees the real types; mypy has no stubs for compiled functions


@njit(cache=True, nogil=True)
def march_all(ends: Array, integrals: Array, decay: Array, gain: Array, which: Array, amplitude: Array) -> None:
    """Add to what each stretch makes of its drives what it makes of the amplitudes at its beginning.

    Args:
        ends, integrals: Amplitudes at the ends of stretches and their integrals, of the drives alone; completed in
            place; shape (stretches, modes).
        decay, gain: Factors of an amplitude and its integral for each distinct length, shape (lengths, modes).
        which: Length of each stretch, by its number.
        amplitude: At first, shape (modes,); overwritten.
    """
    for stretch in range(ends.shape[0]):
        kind = which[stretch]
        for mode in range(ends.shape[1]):
            begin = amplitude[mode]
            end = ends[stretch, mode] + decay[kind, mode] * begin
            integrals[stretch, mode] += gain[kind, mode] * begin
            ends[stretch, mode] = end
            amplitude[mode] = end
