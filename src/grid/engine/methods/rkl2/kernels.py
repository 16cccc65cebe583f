r"""Compiled stages of RKL2 where one polynomial of temperature scales all conductivities. Importing this loads Numba.

The flow through a face between temperatures u and w is :math:`G\,\bar s\,(u - w)`, with :math:`\bar s` the mean between
them of a cubic s, :math:`s(m) + \delta^2 (s_2/3 + s_3 m)` with m = (u + w)/2, :math:`\delta = (u - w)/2` (Kirchhoff's
transformation). Fields are padded (`grid.engine.methods.padded.grid`); rows are independent of each other, so threads
do not change a byte. Where s is linear, rows go by fours through `rkl2_rows`: a stage of 256 x 256 cells takes 90 us on
one core instead of 160.
"""

from typing import Any

import numpy as np
from numba import prange

from grid.engine.kernel_cache import njit
from grid.engine.methods.padded.rows import ROW_BLOCK, address_of
from grid.engine.methods.rkl2.rows import advance_block, advance_row

Array = Any  # Numba sees the real types; mypy has no stubs for compiled functions
SURFACE_TURNS = 50  # [-] turns of the iteration for a surface temperature at most


@njit(cache=True, nogil=True, forceinline=True)
def _find_mean(u: float, w: float, s0: float, s1: float, s2: float, s3: float) -> float:
    """The mean of a cubic between two temperatures."""
    m, way = 0.5 * (u + w), 0.5 * (u - w)
    return s0 + m * (s1 + m * (s2 + m * s3)) + way * way * (s2 / 3.0 + m * s3)


@njit(cache=True, nogil=True)
def _pair(heat: Array, x: Array, low: Array, high: Array, before: Array, after: Array, law: Array) -> None:
    """Add the heat flows from the two neighbours of each cell along one axis [W]."""
    s0, s1, s2, s3 = law[0], law[1], law[2], law[3]
    if s2 == 0.0 and s3 == 0.0:
        for j in range(heat.shape[0]):
            enter = before[j] * (s0 + 0.5 * s1 * (low[j] + x[j])) * (low[j] - x[j])
            heat[j] += enter - after[j] * (s0 + 0.5 * s1 * (high[j] + x[j])) * (x[j] - high[j])
        return
    for j in range(heat.shape[0]):
        enter = before[j] * _find_mean(low[j], x[j], s0, s1, s2, s3) * (low[j] - x[j])
        heat[j] += enter - after[j] * _find_mean(high[j], x[j], s0, s1, s2, s3) * (x[j] - high[j])


@njit(cache=True, nogil=True)
def _combine(out: Array, x: Array, start: Array, first: Array, change: Array, rate: Array, weights: Array) -> None:
    mu, nu, kappa, forward, backward = weights[0], weights[1], weights[2], weights[3], weights[4]
    for j in range(out.shape[0]):
        out[j] = mu * x[j] + nu * out[j] + kappa * start[j] + forward * (rate[j] * change[j]) + backward * first[j]


@njit(cache=True, nogil=True)
def _one_row(
    row: int, out: Array, x: Array, start: Array, first: Array, depth: Array, grid: Array, source: Array, law: Array,
    weights: Array,
) -> None:  # fmt: skip
    _, across, along, rate, sizes = grid
    rows, n, stride, plane = sizes[1], sizes[2], sizes[3], sizes[4]
    at = sizes[6] + (row // rows) * plane + (row % rows) * stride
    end = at + n
    c, heat = x[at:end], source[at:end].copy()
    _pair(heat, c, x[at - 1 : end - 1], x[at + 1 : end + 1], along[at:end], along[at + 1 : end + 1], law)
    above, below = x[at - stride : end - stride], x[at + stride : end + stride]
    _pair(heat, c, above, below, across[at:end], across[at + stride : end + stride], law)
    if depth is not None:
        before, behind = x[at - plane : end - plane], x[at + plane : end + plane]
        _pair(heat, c, before, behind, depth[at:end], depth[at + plane : end + plane], law)
    _combine(out[at:end], c, start[at:end], first[at:end], heat, rate[at:end], weights)


@njit(cache=True, nogil=True, forceinline=True)
def find_surface(near: float, half: float, face: tuple[float, ...], law: tuple[float, ...]) -> float:
    """The surface temperature at which the half cell conducts what the law of the boundary gives, by Newton's method.

    Args:
        near: At the centre of the cell.
        half: 2 k / d at s = 1 [W/(m2 K)].
        face: Film, reference, strength of radiation e sigma, surroundings to the fourth, imposed flux, what makes
            temperatures absolute, and 1 where the reference is the surface temperature.
        law: Coefficients of s.
    """
    if face[6] == 1.0:
        return face[1]
    surface = near
    for _ in range(SURFACE_TURNS):
        s = _find_mean(near, surface, law[0], law[1], law[2], law[3])
        end = law[0] + surface * (law[1] + surface * (law[2] + surface * law[3]))  # of the integral of s, its slope
        hot = max(surface + face[5], 0.0)
        rest = half * s * (surface - near) - face[0] * (face[1] - surface) - face[2] * (face[3] - hot**4) - face[4]
        steep = half * end + face[0] + 4.0 * face[2] * hot**3
        step = rest / steep if steep > 0.0 else 0.0
        surface -= step
        if abs(step) <= 1e-14 * abs(surface):
            break
    return surface


@njit(cache=True, nogil=True, forceinline=True)
def _find_heat(
    f: int, x: Array, coordinates: Array, half: Array, area: Array, laws: Array, law: tuple[float, ...]
) -> float:
    """Heat flow from a face of the boundary into its cell [W]."""
    if half[f] == 0.0:
        return area[f] * laws[f, 4]  # type: ignore[no-any-return]
    near = x[coordinates[f]]
    face = (laws[f, 0], laws[f, 1], laws[f, 2], laws[f, 3], laws[f, 4], laws[f, 5], laws[f, 6])
    surface = find_surface(near, half[f], face, law)
    s = _find_mean(near, surface, law[0], law[1], law[2], law[3])
    return area[f] * half[f] * s * (surface - near)  # type: ignore[no-any-return]


@njit(cache=True, nogil=True)
def _add_heats(out: Array, rate: Array, coordinates: Array, heats: Array, forward: float, flows: Array) -> None:
    """Add the heat of all faces to their cells, and the heat into and out of the body to `flows` [W]."""
    into, away = 0.0, 0.0
    for f in range(coordinates.shape[0]):
        heat = heats[f]
        out[coordinates[f]] += forward * (rate[coordinates[f]] * heat)
        if heat > 0.0:
            into += heat
        else:
            away -= heat
    flows[0], flows[1] = into, away


@njit(cache=True, nogil=True)
def _join_one(x: Array, to: int, source: int, count: int) -> None:
    for i in range(count):
        x[to + i] = x[source + i]


@njit(cache=True, nogil=True)
def join(x: Array, sizes: Array, is_3d: bool) -> None:
    """Ghosts of the axes whose ends are joined."""
    rows, n, stride, plane, begin = sizes[1], sizes[2], sizes[3], sizes[4], sizes[6] - sizes[7]
    planes = sizes[0] if is_3d else 1
    for p in range(planes):
        base = begin + p * plane
        if sizes[8] == 1:
            for i in range(rows):
                at = base + i * stride + sizes[7]
                x[at - 1], x[at + n] = x[at + n - 1], x[at]
        if sizes[9] == 1:
            _join_one(x, base - stride, base + (rows - 1) * stride, stride)
            _join_one(x, base + rows * stride, base, stride)
    if is_3d and sizes[10] == 1:
        _join_one(x, begin - stride - plane, begin - stride + (planes - 1) * plane, plane)
        _join_one(x, begin - stride + planes * plane, begin - stride, plane)


@njit(cache=True, nogil=True)
def _find_addresses(out: Array, x: Array, start: Array, first: Array, grid: Array, source: Array) -> Array:
    depth, across, along, rate, _ = grid
    fields = (address_of(x), address_of(out), address_of(start), address_of(first))
    conductances = (address_of(depth), address_of(across), address_of(along))
    return (*fields, *conductances, address_of(rate), address_of(source))


@njit(cache=True, nogil=True)
def _prepare(
    out: Array, x: Array, start: Array, first: Array, grid: Array, source: Array, weights: Array, rows: int
) -> Array:
    """The number of blocks of rows in all planes, addresses, and weights as a tuple."""
    height = grid[4][1]
    blocks = (rows // height) * ((height + ROW_BLOCK - 1) // ROW_BLOCK)
    parts = (weights[0], weights[1], weights[2], weights[3], weights[4])
    return blocks, _find_addresses(out, x, start, first, grid, source), parts


@njit(cache=True, nogil=True)
def _linear_block(
    block: int, arrays: Array, rows: int, stride: int, plane: int, vectors: int, begin: int, weights: Array, s0: float,
    half_s1: float,
) -> None:  # fmt: skip
    """A stage of `ROW_BLOCK` rows, or what is left of a plane, by the number of the block."""
    x, out, start, first, depth, across, along, rate, source = arrays
    mu, nu, kappa, forward, backward = weights
    blocks = (rows + ROW_BLOCK - 1) // ROW_BLOCK
    low = (block % blocks) * ROW_BLOCK
    at = begin + (block // blocks) * plane + low * stride
    if low + ROW_BLOCK <= rows:
        advance_block(
            x, out, start, first, depth, across, along, rate, source, at, stride, plane, vectors, mu, nu, kappa,
            forward, backward, s0, half_s1,
        )  # fmt: skip
        return
    for _ in range(low, rows):
        advance_row(
            x, out, start, first, depth, across, along, rate, source, at, stride, plane, vectors, mu, nu, kappa,
            forward, backward, s0, half_s1,
        )  # fmt: skip
        at += stride


@njit(cache=True, nogil=True)
def advance_stage(
    out: Array, x: Array, start: Array, first: Array, grid: Array, source: Array, faces: Array, law: Array,
    weights: Array, flows: Array, rows: int,
) -> None:  # fmt: skip
    """One stage: out = mu x + nu out + kappa start + forward f(x) + backward first, f the rate of change [K/s].

    Args:
        out: The stage before the last, overwritten by the new one.
        x: The last stage, ghosts set.
        start: The field at the start of the step; `first` its rate of change.
        grid: Conductances across planes (None in 2D), across rows and along rows, 1/C, and the sizes of the layout.
        source: [W].
        faces: Cells behind boundary faces, their half conductances, areas and laws (`find_surface`).
        law: The polynomial.
        weights: mu, nu, kappa, forward and backward.
        flows: Heat into and out of the body at x [W]; written.
        rows: In all planes.
    """
    if law[2] == 0.0 and law[3] == 0.0:
        s, (blocks, arrays, parts) = grid[4], _prepare(out, x, start, first, grid, source, weights, rows)
        for block in range(blocks):
            _linear_block(block, arrays, s[1], s[3], s[4], s[5], s[6], parts, law[0], 0.5 * law[1])
    else:
        for row in range(rows):
            _one_row(row, out, x, start, first, grid[0], grid, source, law, weights)
    coordinates, half, area, given = faces
    count, shape = coordinates.shape[0], (law[0], law[1], law[2], law[3])
    heats = np.empty(count)
    for f in range(count):
        heats[f] = _find_heat(f, x, coordinates, half, area, given, shape)
    _add_heats(out, grid[3], coordinates, heats, weights[3], flows)


@njit(cache=True, nogil=True, parallel=True)
def advance_stage_parallel(
    out: Array, x: Array, start: Array, first: Array, grid: Array, source: Array, faces: Array, law: Array,
    weights: Array, flows: Array, rows: int,
) -> None:  # fmt: skip
    """`advance_stage` with the rows shared among threads; the same bytes."""
    coordinates, half, area, given = faces
    count, shape = coordinates.shape[0], (law[0], law[1], law[2], law[3])
    heats = np.empty(count)
    if law[2] == 0.0 and law[3] == 0.0:
        s, (blocks, arrays, parts) = grid[4], _prepare(out, x, start, first, grid, source, weights, rows)
        height, stride, plane, vectors, begin, s0, half_s1 = s[1], s[3], s[4], s[5], s[6], law[0], 0.5 * law[1]
        for part in prange(blocks):
            block: Any = np.int64(part)
            _linear_block(block, arrays, height, stride, plane, vectors, begin, parts, s0, half_s1)
            for f in range(block, count, blocks):  # faces of one side, which cost alike, to all threads
                heats[f] = _find_heat(f, x, coordinates, half, area, given, shape)
    else:
        for part in prange(rows):
            row: Any = np.int64(part)
            _one_row(row, out, x, start, first, grid[0], grid, source, law, weights)
            for f in range(row, count, rows):
                heats[f] = _find_heat(f, x, coordinates, half, area, given, shape)
    _add_heats(out, grid[3], coordinates, heats, weights[3], flows)
