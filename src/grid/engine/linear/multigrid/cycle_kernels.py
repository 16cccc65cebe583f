r"""Compiled kernels of the multigrid cycle and of the conjugate gradients around it. Importing loads Numba.

Fields are of three axes, (1, x, y) for a plane; conductances are zero on outer faces, so that indices may wrap around
everywhere. Levels are stored one after the other in flat arrays; `table` has, for each, its shape and its offsets in
them. The iteration works in the precision of its vectors, the cycle in single precision.

All on one thread: an iteration is a chain of many short loops, and in measurements threads lost time as soon as another
process ran on the machine.
"""

from typing import Any

import numpy as np

from grid.engine.kernel_cache import njit
from grid.engine.linear.multigrid.sweep_kernels import ascend, descend, make_scratch, smooth

Array = Any  # Numba sees the real types; mypy has no stubs for compiled functions
LAST_SWEEPS = 2  # [-] sweeps of a last level that is not solved directly, because its cells are hardly coupled


@njit(cache=True, nogil=True)
def _solve_directly(x: Array, right: Array, direct: Array) -> None:
    for i in range(x.shape[0]):
        total = 0.0
        for j in range(x.shape[0]):
            total += direct[i, j] * right[j]
        x[i] = total


@njit(cache=True, nogil=True)
def cycle(
    u: Array, f: Array, gx: Array, gy: Array, gz: Array, inverse: Array, spans: Array, table: Array, direct: Array
) -> None:  # fmt: skip
    """Run one multigrid cycle for the first level of `f` into that of `u`, from zero; a symmetric operator.

    Args:
        u, f, inverse: Correction, right-hand side and 1/d of all levels, flat.
        gx, gy, gz: Conductances of all levels, flat.
        spans: For each row of cells of all levels the first cell that is swept, and the number of them; flat, unsigned.
        table: For each level its shape, its offsets in fields and in each of the conductances, the number of visits of
            the next one, and its offset in `spans`; shape (levels, 9), unsigned.
        direct: Inverse of the matrix of the last level; without rows where it is not solved directly.
    """
    last = table.shape[0] - 1
    all_levels = (u, f, gx, gy, gz, inverse, spans)
    row, chosen = make_scratch(table[:, 2].max(), u)
    left = np.zeros(last + 1, np.int64)
    level, is_new = 0, True
    while True:
        here = table[level]
        if level < last:
            descend(all_levels, here, table[level + 1], row, chosen, is_new)
            left[level] = np.int64(here[7]) - 1
            level, is_new = level + 1, True
            continue
        cells = slice(here[3], here[3] + here[0] * here[1] * here[2])
        if direct.shape[0] == u[cells].size:
            _solve_directly(u[cells], f[cells], direct)
        else:
            smooth(all_levels, here, row, chosen, LAST_SWEEPS, is_new)
        while level > 0:
            level -= 1
            if left[level] > 0:
                left[level] -= 1
                level, is_new = level + 1, False
                break
            ascend(all_levels, table[level], table[level + 1], row, chosen)
        if level == 0:
            return


@njit(cache=True, nogil=True, fastmath={"reassoc", "nsz"})
def _product(a: Array, b: Array) -> float:
    """Sum of products, vectorised, in an order that does not depend on the number of threads."""
    total = 0.0
    for i in range(a.shape[0]):
        total += a[i] * b[i]
    return total


@njit(cache=True, nogil=True)
def _total(sums: Array) -> float:
    total = 0.0
    for part in sums:
        total += part
    return total


@njit(cache=True, nogil=True)
def _flow_row(q: Array, p: Array, a: Array, b: Array, ga: Array, gb: Array, g: Array) -> None:
    """Compute q = sum of G (p - p_neighbour) in a plane."""
    n = p.shape[0]
    q[0] = ga[0] * (p[0] - a[0]) + gb[0] * (p[0] - b[0]) + g[0] * (p[0] - p[n - 1]) + g[1] * (p[0] - p[min(1, n - 1)])
    for k in range(1, n - 1):
        q[k] = ga[k] * (p[k] - a[k]) + gb[k] * (p[k] - b[k]) + g[k] * (p[k] - p[k - 1]) + g[k + 1] * (p[k] - p[k + 1])
    if n > 1:
        k = n - 1
        q[k] = ga[k] * (p[k] - a[k]) + gb[k] * (p[k] - b[k]) + g[k] * (p[k] - p[k - 1]) + g[n] * (p[k] - p[0])


@njit(cache=True, nogil=True)
def _add_flow(q: Array, p: Array, a: Array, b: Array, ga: Array, gb: Array) -> None:
    for k in range(q.shape[0]):
        q[k] += ga[k] * (p[k] - a[k]) + gb[k] * (p[k] - b[k])


@njit(cache=True, nogil=True)
def _add_rest(q: Array, p: Array, rest: Array, tau: float) -> None:
    for k in range(q.shape[0]):
        q[k] = rest[k] * p[k] + tau * q[k]


@njit(cache=True, nogil=True)
def _apply_row(out: Array, p: Array, gx: Array, gy: Array, gz: Array, rest: Array, tau: float, i: int, j: int) -> float:
    nx, ny = p.shape[0], p.shape[1]
    before, after = (j - 1 if j > 0 else ny - 1), (j + 1 if j < ny - 1 else 0)
    _flow_row(out[i, j], p[i, j], p[i, before], p[i, after], gy[i, j], gy[i, j + 1], gz[i, j])
    if nx > 1:
        below, above = (i - 1 if i > 0 else nx - 1), (i + 1 if i < nx - 1 else 0)
        _add_flow(out[i, j], p[i, j], p[below, j], p[above, j], gx[i, j], gx[i + 1, j])
    _add_rest(out[i, j], p[i, j], rest[i, j], tau)
    return _product(out[i, j], p[i, j])


@njit(cache=True, nogil=True)
def apply(out: Array, p: Array, gx: Array, gy: Array, gz: Array, rest: Array, tau: float, sums: Array) -> float:
    """Compute out = A p for A u = rest u + tau sum G (u - u_neighbour); return p . A p.

    Summed as flows, so that a uniform field yields its rest to the last bit in any precision.
    """
    for row in range(p.shape[0] * p.shape[1]):
        i, j = row // p.shape[1], row % p.shape[1]
        sums[row] = _apply_row(out, p, gx, gy, gz, rest, tau, i, j)
    return _total(sums)


@njit(cache=True, nogil=True)
def _turn_row(p: Array, u: Array, scale: float, share: float) -> None:
    for k in range(p.shape[0]):
        p[k] = scale * u[k] + share * p[k]


@njit(cache=True, nogil=True)
def _turn(p: Array, u: Array, scale: float, share: float, unit: int) -> None:
    if p.shape[0] == 1:
        _turn_row(p[0, unit], u[0, unit], scale, share)
    else:
        for j in range(p.shape[1]):
            _turn_row(p[unit, j], u[unit, j], scale, share)


@njit(cache=True, nogil=True)
def turn_and_apply(
    out: Array, p: Array, u: Array, scale: float, share: float, gx: Array, gy: Array, gz: Array, rest: Array,
    tau: float, sums: Array,
) -> float:  # fmt: skip
    """Compute p = scale u + share p, and out = A p behind it; return p . A p."""
    ny = p.shape[1]
    units, rows = (ny, 1) if p.shape[0] == 1 else (p.shape[0], ny)
    _turn(p, u, scale, share, 0)
    if units > 1:
        _turn(p, u, scale, share, units - 1)
    for unit in range(units):
        if unit + 1 < units - 1:
            _turn(p, u, scale, share, unit + 1)
        for row in range(unit * rows, (unit + 1) * rows):
            sums[row] = _apply_row(out, p, gx, gy, gz, rest, tau, row // ny, row % ny)
    return _total(sums)


@njit(cache=True, nogil=True)
def _advance_block(x: Array, r: Array, p: Array, q: Array, f: Array, length: float, scale: float) -> float:
    for i in range(x.shape[0]):
        x[i] += length * p[i]
        r[i] -= length * q[i]
        f[i] = r[i] * scale
    return _product(r, r)


@njit(cache=True, nogil=True)
def advance(
    x: Array, r: Array, p: Array, q: Array, f: Array, length: float, scale: float, sums: Array
) -> float:  # fmt: skip
    """Compute x += length p, r -= length q, f = scale r in the precision of the cycle; return r . r."""
    size = -(-x.shape[0] // sums.shape[0])
    for block in range(sums.shape[0]):
        part = slice(block * size, (block + 1) * size)
        sums[block] = _advance_block(x[part], r[part], p[part], q[part], f[part], length, scale)
    return _total(sums)


@njit(cache=True, nogil=True)
def hand_over(f: Array, r: Array, scale: float) -> None:
    """Compute f = scale r, in the precision of the cycle."""
    for i in range(r.shape[0]):
        f[i] = r[i] * scale


@njit(cache=True, nogil=True)
def product(r: Array, u: Array, sums: Array) -> float:
    """Compute r . u of fields of both precisions."""
    size = -(-r.shape[0] // sums.shape[0])
    for block in range(sums.shape[0]):
        part = slice(block * size, (block + 1) * size)
        sums[block] = _product(r[part], u[part])
    return _total(sums)
