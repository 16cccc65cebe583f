r"""Compiled kernels of the explicit method. Importing this module loads Numba.

One sub-step of the forward Euler form of the balance (grid.engine.space), fused into one pass,

.. math:: T'_i = T_i + \frac{\Delta t}{C_i} \Big(\sum_j G_{ij} (T_j - T_i) + V q_i\Big),

and after it the boundary faces, which also fill the heat ledger. Fields carry one layer of ghosts; conductances are
zero towards ghosts that do not exist. 1D problems run as one row of the 2D kernel.

Serial and parallel functions are separate by name, because Numba's cache does not distinguish them otherwise. Rows are
independent of each other and sums are taken in a fixed order, so both give the same bytes.
"""

from typing import Any

import numpy as np
from numba import prange

from grid.engine.kernel_cache import njit

Array = Any  # Numba sees the real types; mypy has no stubs for compiled functions


@njit(cache=True, nogil=True)
def _row(
    out: Array,
    before: Array,
    centre: Array,
    after: Array,
    rate: Array,
    g_before: Array,
    g_after: Array,
    g_along: Array,
    source: Array,
    step: float,
) -> None:
    for j in range(rate.shape[0]):
        c = centre[j + 1]
        heat = g_before[j] * (before[j + 1] - c) + g_after[j] * (after[j + 1] - c)
        heat += g_along[j] * (centre[j] - c) + g_along[j + 1] * (centre[j + 2] - c)
        out[j + 1] = c + step * rate[j] * (heat + source[j])


@njit(cache=True, nogil=True)
def _row_3d(
    out: Array,
    centre: Array,
    x_before: Array,
    x_after: Array,
    y_before: Array,
    y_after: Array,
    rate: Array,
    gx_before: Array,
    gx_after: Array,
    gy_before: Array,
    gy_after: Array,
    g_along: Array,
    source: Array,
    step: float,
) -> None:
    for k in range(rate.shape[0]):
        c = centre[k + 1]
        heat = gx_before[k] * (x_before[k + 1] - c) + gx_after[k] * (x_after[k + 1] - c)
        heat += gy_before[k] * (y_before[k + 1] - c) + gy_after[k] * (y_after[k + 1] - c)
        heat += g_along[k] * (centre[k] - c) + g_along[k + 1] * (centre[k + 2] - c)
        out[k + 1] = c + step * rate[k] * (heat + source[k])


@njit(cache=True, nogil=True)
def _faces(
    field: Array,
    out: Array,
    rate: Array,
    padded: Array,
    cells: Array,
    loss: Array,
    gain: Array,
    step: float,
    heat_balance: Array,
) -> None:
    """Add the heat of all boundary faces to their cells and to the ledger (into, out) [J]."""
    flat, out_flat, rate_flat = field.reshape(-1), out.reshape(-1), rate.reshape(-1)
    into, away = 0.0, 0.0
    for f in range(cells.shape[0]):
        heat = gain[f] - loss[f] * flat[padded[f]]
        out_flat[padded[f]] += step * rate_flat[cells[f]] * heat
        if heat > 0.0:
            into += heat
        else:
            away -= heat
    heat_balance[0] += step * into
    heat_balance[1] += step * away


@njit(cache=True, nogil=True)
def _wrap_2d(field: Array, wrap_x: bool, wrap_y: bool) -> None:
    if wrap_x:
        field[0, :] = field[-2, :]
        field[-1, :] = field[1, :]
    if wrap_y:
        field[:, 0] = field[:, -2]
        field[:, -1] = field[:, 1]


@njit(cache=True, nogil=True)
def _wrap_3d(field: Array, wrap_x: bool, wrap_y: bool, wrap_z: bool) -> None:
    if wrap_x:
        field[0, :, :] = field[-2, :, :]
        field[-1, :, :] = field[1, :, :]
    if wrap_y:
        field[:, 0, :] = field[:, -2, :]
        field[:, -1, :] = field[:, 1, :]
    if wrap_z:
        field[:, :, 0] = field[:, :, -2]
        field[:, :, -1] = field[:, :, 1]


@njit(cache=True, nogil=True)
def advance_2d(
    field: Array,
    spare: Array,
    rate: Array,
    gx: Array,
    gy: Array,
    source: Array,
    padded: Array,
    cells: Array,
    loss: Array,
    gain: Array,
    wrap_x: bool,
    wrap_y: bool,
    step: float,
    count: int,
    heat_balance: Array,
) -> None:
    """Advance by `count` steps of `step` seconds; the result is in `field` if `count` is even, else in `spare`."""
    a, b = field, spare
    rows = source.shape[0] - 1  # a source of one row stands for all
    for _ in range(count):
        _wrap_2d(a, wrap_x, wrap_y)
        for i in range(rate.shape[0]):
            _row(b[i + 1], a[i], a[i + 1], a[i + 2], rate[i], gx[i], gx[i + 1], gy[i], source[min(i, rows)], step)
        _faces(a, b, rate, padded, cells, loss, gain, step, heat_balance)
        a, b = b, a


@njit(cache=True, nogil=True, parallel=True)
def advance_2d_parallel(
    field: Array,
    spare: Array,
    rate: Array,
    gx: Array,
    gy: Array,
    source: Array,
    padded: Array,
    cells: Array,
    loss: Array,
    gain: Array,
    wrap_x: bool,
    wrap_y: bool,
    step: float,
    count: int,
    heat_balance: Array,
) -> None:
    """`advance_2d` with the rows shared among threads; the same bytes."""
    rows = source.shape[0] - 1
    for turn in range(count):
        a, b = (field, spare) if turn % 2 == 0 else (spare, field)
        _wrap_2d(a, wrap_x, wrap_y)
        for i in prange(rate.shape[0]):
            row = np.int64(i)  # a parallel index is unsigned, and unsigned with signed would make a float
            _row(b[i + 1], a[i], a[i + 1], a[i + 2], rate[i], gx[i], gx[i + 1], gy[i], source[min(row, rows)], step)
        _faces(a, b, rate, padded, cells, loss, gain, step, heat_balance)


@njit(cache=True, nogil=True)
def _plane(
    b: Array, a: Array, i: int, rate: Array, gx: Array, gy: Array, gz: Array, source: Array, planes: int, step: float
) -> None:
    for j in range(rate.shape[1]):
        _row_3d(
            b[i + 1, j + 1], a[i + 1, j + 1], a[i, j + 1], a[i + 2, j + 1], a[i + 1, j], a[i + 1, j + 2],
            rate[i, j], gx[i, j], gx[i + 1, j], gy[i, j], gy[i, j + 1], gz[i, j],
            source[min(i, planes), min(j, source.shape[1] - 1)], step,
        )  # fmt: skip


@njit(cache=True, nogil=True)
def advance_3d(
    field: Array,
    spare: Array,
    rate: Array,
    gx: Array,
    gy: Array,
    gz: Array,
    source: Array,
    padded: Array,
    cells: Array,
    loss: Array,
    gain: Array,
    wrap_x: bool,
    wrap_y: bool,
    wrap_z: bool,
    step: float,
    count: int,
    heat_balance: Array,
) -> None:
    """Advance by `count` steps of `step` seconds; the result is in `field` if `count` is even, else in `spare`."""
    a, b = field, spare
    for _ in range(count):
        _wrap_3d(a, wrap_x, wrap_y, wrap_z)
        for i in range(rate.shape[0]):
            _plane(b, a, i, rate, gx, gy, gz, source, source.shape[0] - 1, step)
        _faces(a, b, rate, padded, cells, loss, gain, step, heat_balance)
        a, b = b, a


@njit(cache=True, nogil=True, parallel=True)
def advance_3d_parallel(
    field: Array,
    spare: Array,
    rate: Array,
    gx: Array,
    gy: Array,
    gz: Array,
    source: Array,
    padded: Array,
    cells: Array,
    loss: Array,
    gain: Array,
    wrap_x: bool,
    wrap_y: bool,
    wrap_z: bool,
    step: float,
    count: int,
    heat_balance: Array,
) -> None:
    """`advance_3d` with the planes shared among threads; the same bytes."""
    for turn in range(count):
        a, b = (field, spare) if turn % 2 == 0 else (spare, field)
        _wrap_3d(a, wrap_x, wrap_y, wrap_z)
        for i in prange(rate.shape[0]):
            _plane(b, a, np.int64(i), rate, gx, gy, gz, source, source.shape[0] - 1, step)  # type: ignore[arg-type]
        _faces(a, b, rate, padded, cells, loss, gain, step, heat_balance)
