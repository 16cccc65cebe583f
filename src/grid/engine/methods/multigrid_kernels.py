r"""Compiled kernels of the multigrid preconditioner and of the conjugate gradients around it. Importing loads Numba.

All fields are of three axes, (1, x, y) for a plane. The system is, for each cell,

.. math:: d_i u_i - \sum_j G_{ij} u_j = f_i

with G zero on outer faces, so that indices may wrap around everywhere. Levels are held one after the other in flat
arrays; `table` has, for each, its shape and where it begins in them.

All on one thread: an iteration is a chain of many short loops, and sharing each among threads was measured to lose
as soon as anything else runs on the machine.
"""

from typing import Any

import numpy as np
from numba import njit

Array = Any  # Numba sees the real types; mypy has no stubs for compiled functions
LAST_SWEEPS = 2  # on a last level that is not solved directly, because its cells hardly see each other


@njit(cache=True, nogil=True)
def _relax_row(
    u: Array, a: Array, b: Array, f: Array, ga: Array, gb: Array, g: Array, inverse: Array, start: int
) -> None:
    n = u.shape[0]
    k = start
    if k == 0:
        u[0] = (f[0] + ga[0] * a[0] + gb[0] * b[0] + g[0] * u[n - 1] + g[1] * u[min(1, n - 1)]) * inverse[0]
        k = 2
    while k < n - 1:
        u[k] = (f[k] + ga[k] * a[k] + gb[k] * b[k] + g[k] * u[k - 1] + g[k + 1] * u[k + 1]) * inverse[k]
        k += 2
    if k == n - 1:
        u[k] = (f[k] + ga[k] * a[k] + gb[k] * b[k] + g[k] * u[k - 1] + g[k + 1] * u[0]) * inverse[k]


@njit(cache=True, nogil=True)
def _relax_row_3d(
    u: Array, a: Array, b: Array, c: Array, d: Array, f: Array, ga: Array, gb: Array, gc: Array, gd: Array,
    g: Array, inverse: Array, start: int,
) -> None:  # fmt: skip
    n = u.shape[0]
    k = start
    if k == 0:
        heat = f[0] + ga[0] * a[0] + gb[0] * b[0] + gc[0] * c[0] + gd[0] * d[0]
        u[0] = (heat + g[0] * u[n - 1] + g[1] * u[min(1, n - 1)]) * inverse[0]
        k = 2
    while k < n - 1:
        heat = f[k] + ga[k] * a[k] + gb[k] * b[k] + gc[k] * c[k] + gd[k] * d[k]
        u[k] = (heat + g[k] * u[k - 1] + g[k + 1] * u[k + 1]) * inverse[k]
        k += 2
    if k == n - 1:
        heat = f[k] + ga[k] * a[k] + gb[k] * b[k] + gc[k] * c[k] + gd[k] * d[k]
        u[k] = (heat + g[k] * u[k - 1] + g[k + 1] * u[0]) * inverse[k]


@njit(cache=True, nogil=True)
def _relax_rows(row: int, u: Array, f: Array, gx: Array, gy: Array, gz: Array, inverse: Array, colour: int) -> None:
    nx, ny = u.shape[0], u.shape[1]
    i, j = row // ny, row % ny
    before, after = (j - 1 if j > 0 else ny - 1), (j + 1 if j < ny - 1 else 0)
    start = (i + j + colour) & 1
    if nx == 1:
        _relax_row(u[i, j], u[i, before], u[i, after], f[i, j], gy[i, j], gy[i, j + 1], gz[i, j], inverse[i, j], start)
    else:
        below, above = (i - 1 if i > 0 else nx - 1), (i + 1 if i < nx - 1 else 0)
        _relax_row_3d(
            u[i, j], u[below, j], u[above, j], u[i, before], u[i, after], f[i, j], gx[i, j], gx[i + 1, j],
            gy[i, j], gy[i, j + 1], gz[i, j], inverse[i, j], start,
        )  # fmt: skip


@njit(cache=True, nogil=True)
def relax(u: Array, f: Array, gx: Array, gy: Array, gz: Array, inverse: Array, colour: int) -> None:
    """One half sweep of Gauss-Seidel: all cells of a colour satisfy their equations."""
    for row in range(u.shape[0] * u.shape[1]):
        _relax_rows(row, u, f, gx, gy, gz, inverse, colour)


@njit(cache=True, nogil=True)
def _start_rows(row: int, u: Array, f: Array, inverse: Array) -> None:
    ny, n = u.shape[1], u.shape[2]
    i, j = row // ny, row % ny
    start = (i + j) & 1
    for k in range(start, n, 2):
        u[i, j, k] = f[i, j, k] * inverse[i, j, k]
    for k in range(1 - start, n, 2):
        u[i, j, k] = 0


@njit(cache=True, nogil=True)
def start(u: Array, f: Array, inverse: Array) -> None:
    """The half sweep over the first colour from a field of zeros."""
    for row in range(u.shape[0] * u.shape[1]):
        _start_rows(row, u, f, inverse)


@njit(cache=True, nogil=True)
def _restrict_rows(
    row: int, coarse: Array, u: Array, f: Array, gx: Array, gy: Array, gz: Array, inverse: Array
) -> None:
    nx, ny, nz = u.shape
    sx, sy, sz = _factor(nx, coarse.shape[0]), _factor(ny, coarse.shape[1]), _factor(nz, coarse.shape[2])
    big_i, big_j = row // coarse.shape[1], row % coarse.shape[1]
    out = coarse[big_i, big_j]
    out[:] = 0
    for i in range(sx * big_i, min(sx * big_i + sx, nx)):
        below, above = (i - 1 if i > 0 else nx - 1), (i + 1 if i < nx - 1 else 0)
        for j in range(sy * big_j, min(sy * big_j + sy, ny)):
            before, after = (j - 1 if j > 0 else ny - 1), (j + 1 if j < ny - 1 else 0)
            for k in range((i + j) & 1, nz, 2):
                low, high = (k - 1 if k > 0 else nz - 1), (k + 1 if k < nz - 1 else 0)
                rest = f[i, j, k] - u[i, j, k] / inverse[i, j, k]
                rest += gz[i, j, k] * u[i, j, low] + gz[i, j, k + 1] * u[i, j, high]
                rest += gy[i, j, k] * u[i, before, k] + gy[i, j + 1, k] * u[i, after, k]
                if nx > 1:
                    rest += gx[i, j, k] * u[below, j, k] + gx[i + 1, j, k] * u[above, j, k]
                out[k // sz] += rest


@njit(cache=True, nogil=True)
def _factor(fine: int, coarse: int) -> int:
    return 1 if fine == coarse else 2


@njit(cache=True, nogil=True)
def restrict(coarse: Array, u: Array, f: Array, gx: Array, gy: Array, gz: Array, inverse: Array) -> None:
    """Right-hand side of the next level: the sum of what is left in the children of each cell.

    Cells of the colour swept last have nothing left.
    """
    for row in range(coarse.shape[0] * coarse.shape[1]):
        _restrict_rows(row, coarse, u, f, gx, gy, gz, inverse)


@njit(cache=True, nogil=True)
def _correct_rows(row: int, u: Array, coarse: Array) -> None:
    nx, ny, nz = u.shape
    sx, sy, sz = _factor(nx, coarse.shape[0]), _factor(ny, coarse.shape[1]), _factor(nz, coarse.shape[2])
    i, j = row // ny, row % ny
    fine, add = u[i, j], coarse[i // sx, j // sy]
    for k in range(nz):
        fine[k] += add[k // sz]


@njit(cache=True, nogil=True)
def correct(u: Array, coarse: Array) -> None:
    """Add to each cell the correction of its parent."""
    for row in range(u.shape[0] * u.shape[1]):
        _correct_rows(row, u, coarse)


@njit(cache=True, nogil=True)
def _take(flat: Array, at: int, x: int, y: int, z: int) -> Array:
    return flat[at : at + x * y * z].reshape(x, y, z)


@njit(cache=True, nogil=True)
def _view(u: Array, f: Array, gx: Array, gy: Array, gz: Array, inverse: Array, row: Array) -> Array:
    """The fields and conductances of one level."""
    x, y, z, at = row[0], row[1], row[2], row[3]
    along = x + 1 if x > 1 else 0
    return (
        _take(u, at, x, y, z), _take(f, at, x, y, z), _take(gx, row[4], along, y, z),
        _take(gy, row[5], x, y + 1, z), _take(gz, row[6], x, y, z + 1), _take(inverse, at, x, y, z),
    )  # fmt: skip


@njit(cache=True, nogil=True)
def _begin(u: Array, f: Array, gx: Array, gy: Array, gz: Array, inverse: Array, is_new: bool) -> None:
    """First colour, then second, on the way down."""
    if is_new:
        start(u, f, inverse)
    else:
        relax(u, f, gx, gy, gz, inverse, 0)
    relax(u, f, gx, gy, gz, inverse, 1)


@njit(cache=True, nogil=True)
def _finish(u: Array, f: Array, gx: Array, gy: Array, gz: Array, inverse: Array, direct: Array, is_new: bool) -> None:
    """The last level: by its inverse, or a few symmetric sweeps where there is none."""
    if direct.shape[0] == u.size:
        x, right = u.reshape(-1), f.reshape(-1)
        for i in range(x.shape[0]):
            total = 0.0
            for j in range(x.shape[0]):
                total += direct[i, j] * right[j]
            x[i] = total
        return
    if is_new:
        u[:] = 0
    for _ in range(LAST_SWEEPS):
        relax(u, f, gx, gy, gz, inverse, 0)
        relax(u, f, gx, gy, gz, inverse, 1)
    for _ in range(LAST_SWEEPS):
        relax(u, f, gx, gy, gz, inverse, 1)
        relax(u, f, gx, gy, gz, inverse, 0)


@njit(cache=True, nogil=True)
def cycle(u: Array, f: Array, gx: Array, gy: Array, gz: Array, inverse: Array, table: Array, direct: Array) -> None:
    """One multigrid cycle for the first level of `f` into that of `u`, from zero; a symmetric operator.

    Args:
        u, f, inverse: Correction, right-hand side and 1/d of all levels, flat.
        gx, gy, gz: Conductances of all levels, flat.
        table: For each level its shape, where it begins in fields and in each of the conductances, and how often the
            next one is visited, shape (levels, 8).
        direct: Inverse of the matrix of the last level; of no rows where it has none.
    """
    last = table.shape[0] - 1
    left = np.zeros(last + 1, np.int64)
    level, is_new = 0, True
    while True:
        args = _view(u, f, gx, gy, gz, inverse, table[level])
        if level < last:
            _begin(*args, is_new)  # type: ignore[call-arg]
            below = _view(u, f, gx, gy, gz, inverse, table[level + 1])[1]
            restrict(below, *args)
            left[level] = table[level, 7] - 1
            level, is_new = level + 1, True
            continue
        _finish(*args, direct, is_new)  # type: ignore[call-arg]
        while level > 0:
            level -= 1
            if left[level] > 0:
                left[level] -= 1
                level, is_new = level + 1, False
                break
            _ascend(u, f, gx, gy, gz, inverse, table, level)
        if level == 0:
            return


@njit(cache=True, nogil=True)
def _ascend(u: Array, f: Array, gx: Array, gy: Array, gz: Array, inverse: Array, table: Array, level: int) -> None:
    """Correct a level from the next one, and sweep it in the reverse order."""
    args = _view(u, f, gx, gy, gz, inverse, table[level])
    coarse = _view(u, f, gx, gy, gz, inverse, table[level + 1])[0]
    correct(args[0], coarse)
    relax(*args, 1)  # type: ignore[call-arg]
    relax(*args, 0)  # type: ignore[call-arg]


@njit(cache=True, nogil=True)
def _apply_rows(row: int, out: Array, p: Array, gx: Array, gy: Array, gz: Array, diagonal: Array, tau: float) -> float:
    nx, ny, nz = p.shape
    i, j = row // ny, row % ny
    before, after = (j - 1 if j > 0 else ny - 1), (j + 1 if j < ny - 1 else 0)
    centre, g, d, q = p[i, j], gz[i, j], diagonal[i, j], out[i, j]
    a, b, ga, gb = p[i, before], p[i, after], gy[i, j], gy[i, j + 1]
    for k in range(nz):
        q[k] = d[k] * centre[k] - tau * (ga[k] * a[k] + gb[k] * b[k])
    if nx > 1:
        below, above = (i - 1 if i > 0 else nx - 1), (i + 1 if i < nx - 1 else 0)
        a, b, ga, gb = p[below, j], p[above, j], gx[i, j], gx[i + 1, j]
        for k in range(nz):
            q[k] -= tau * (ga[k] * a[k] + gb[k] * b[k])
    q[0] -= tau * g[0] * centre[nz - 1]
    for k in range(1, nz):
        q[k] -= tau * g[k] * centre[k - 1]
    for k in range(nz - 1):
        q[k] -= tau * g[k + 1] * centre[k + 1]
    q[nz - 1] -= tau * g[nz] * centre[0]
    return _product(q, centre)


@njit(cache=True, nogil=True)
def apply(out: Array, p: Array, gx: Array, gy: Array, gz: Array, diagonal: Array, tau: float, sums: Array) -> float:
    """out = A p, with A = diagonal - tau G; returns p . A p."""
    for row in range(p.shape[0] * p.shape[1]):
        sums[row] = _apply_rows(row, out, p, gx, gy, gz, diagonal, tau)
    return _total(sums)


@njit(cache=True, nogil=True)
def _total(sums: Array) -> float:
    total = 0.0
    for part in sums:
        total += part
    return total


@njit(cache=True, nogil=True, fastmath={"reassoc", "nsz"})
def _product(a: Array, b: Array) -> float:
    """A sum in the order that suits the machine, the same for every number of threads."""
    total = 0.0
    for i in range(a.shape[0]):
        total += a[i] * b[i]
    return total


@njit(cache=True, nogil=True)
def _advance_block(x: Array, r: Array, p: Array, q: Array, length: float) -> float:
    for i in range(x.shape[0]):
        x[i] += length * p[i]
        r[i] -= length * q[i]
    return _product(r, r)


@njit(cache=True, nogil=True)
def advance(x: Array, r: Array, p: Array, q: Array, length: float, sums: Array) -> float:
    """x += length p, r -= length q; returns r . r."""
    size = -(-x.shape[0] // sums.shape[0])
    for block in range(sums.shape[0]):
        part = slice(block * size, (block + 1) * size)
        sums[block] = _advance_block(x[part], r[part], p[part], q[part], length)
    return _total(sums)


@njit(cache=True, nogil=True)
def hand_over(f: Array, r: Array, scale: float) -> None:
    """f = scale r, in the precision of the preconditioner."""
    for i in range(r.shape[0]):
        f[i] = r[i] * scale


@njit(cache=True, nogil=True)
def product(r: Array, u: Array, sums: Array) -> float:
    """r . u of fields of both precisions."""
    size = -(-r.shape[0] // sums.shape[0])
    for block in range(sums.shape[0]):
        part = slice(block * size, (block + 1) * size)
        sums[block] = _product(r[part], u[part])
    return _total(sums)


@njit(cache=True, nogil=True)
def turn(p: Array, u: Array, scale: float, share: float) -> None:
    """p = scale u + share p."""
    for i in range(p.shape[0]):
        p[i] = scale * u[i] + share * p[i]
