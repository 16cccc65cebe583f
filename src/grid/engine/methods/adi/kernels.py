r"""Compiled kernels of the alternating directions: many tridiagonal systems at once. Importing loads Numba.

Each line of cells along an axis is a symmetric system with the diagonal :math:`C_k + \tau L_{kk}` and, beside it,
:math:`-\tau G_k`. Its pivots are stored; forwards and backwards are then one multiplication more than the matrix itself
(L. H. Thomas's elimination). Lines are worked through in blocks beside each other, so that the innermost loop is over
lines: those along the last axis are turned into a small buffer first.
"""

from typing import Any

import numpy as np

from grid.engine.kernel_cache import njit

Array = Any  # Numba sees the real types; mypy has no stubs for compiled functions
BLOCK = 64  # [-] lines side by side; they stay in the cache between the forward and the backward pass
BUFFER = 16  # [-] lines along the last axis that are transposed at once


@njit(cache=True, nogil=True)
def factorise(pivots: Array, diagonal: Array, g: Array, tau: float) -> None:
    """Inverse pivots of all lines along the middle axis.

    Args:
        pivots: Out, shape (planes, n, lines).
        diagonal: C + tau L_kk, same shape [J/K].
        g: Conductances of the faces, shape (planes, n + 1, lines) [W/K].
        tau: [s].
    """
    planes, n, lines = pivots.shape
    for b in range(planes):
        for j in range(lines):
            pivots[b, 0, j] = 1.0 / diagonal[b, 0, j]
        for k in range(1, n):
            for j in range(lines):
                e = tau * g[b, k, j]
                pivots[b, k, j] = 1.0 / (diagonal[b, k, j] - e * e * pivots[b, k - 1, j])


@njit(cache=True, nogil=True)
def _solve_lines(x: Array, pivots: Array, g: Array, tau: float) -> None:
    n, lines = x.shape
    for k in range(1, n):
        now, before, p, e = x[k], x[k - 1], pivots[k - 1], g[k]
        for j in range(lines):
            now[j] += tau * e[j] * p[j] * before[j]
    last, p = x[n - 1], pivots[n - 1]
    for j in range(lines):
        last[j] *= p[j]
    for k in range(n - 2, -1, -1):
        now, after, p, e = x[k], x[k + 1], pivots[k], g[k + 1]
        for j in range(lines):
            now[j] = (now[j] + tau * e[j] * after[j]) * p[j]


@njit(cache=True, nogil=True)
def sweep_across(x: Array, pivots: Array, g: Array, tau: float) -> None:
    """Solve all lines along the middle axis in place, shapes as in `factorise`."""
    planes, _, lines = x.shape
    for b in range(planes):
        for low in range(0, lines, BLOCK):
            part = slice(low, min(low + BLOCK, lines))
            _solve_lines(x[b, :, part], pivots[b, :, part], g[b, :, part], tau)


@njit(cache=True, nogil=True)
def sweep_along(x: Array, pivots: Array, g: Array, tau: float) -> None:
    """Solve all lines along the last axis in place.

    Args:
        x: Shape (lines, n).
        pivots, g: Of the same lines, but line last: shapes (1, n, lines) and (1, n + 1, lines).
        tau: [s].
    """
    lines, n = x.shape
    buffer = np.empty((n, BUFFER), x.dtype)
    for low in range(0, lines, BUFFER):
        high = min(low + BUFFER, lines)
        turned = buffer[:, : high - low]
        for r in range(high - low):
            for k in range(n):
                turned[k, r] = x[low + r, k]
        _solve_lines(turned, pivots[0, :, low:high], g[0, :, low:high], tau)
        for r in range(high - low):
            for k in range(n):
                x[low + r, k] = turned[k, r]
