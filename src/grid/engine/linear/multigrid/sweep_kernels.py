r"""Compiled sweeps of a multigrid cycle over one level, each in one pass through memory. Importing loads Numba.

All fields are of three axes, (1, x, y) for a plane. The system of a level is, for each cell,

.. math:: d_i u_i - \sum_j G_{ij} u_j = f_i

with G zero on outer faces, so that indices may wrap around everywhere. A *unit* is a row of a plane, or a plane of a
body: the stages of a sweep run through the units one behind the other, so that each finds its cells in the cache.
Descending, unit i + 1 is swept in the first colour, i in the second, and the residual of i - 1 is summed for the next
level; ascending, i + 1 is corrected, i swept in the second colour and i - 1 in the first. Every stage reads the same
neighbour values as whole sweeps one after the other would, so the order changes no byte. Rows are processed in all
their cells at a time, which vectorises better than every second cell.

All levels are stored one after the other in flat arrays; a row of the table has the shape of a level and its offsets in
fields and in the conductances along each axis. In each row a sweep works on the cells from the first to the last one
that exchange heat with others; cells outside that span, as outside a masked body, are solved by 1/d when a field
begins. Places are unsigned, so that no sign is checked before an access; with views of rows instead, making the views
took most of the time on small levels.
"""

from typing import Any

import numpy as np

from grid.engine.kernel_cache import njit

Array = Any  # Numba sees the real types; mypy has no stubs for compiled functions
Place = Any  # an unsigned integer
# [-] constants of the unsigned type of places; with signed ones Numba would promote places to floats
NONE, ONE, TWO = np.uint64(0), np.uint64(1), np.uint64(2)


@njit(cache=True, nogil=True)
def _inflow_row(
    row: Array, u: Array, f: Array, gy: Array, gz: Array, o: Place, a: Place, b: Place, y: Place, c: Place, z: Place,
    n: Place,
) -> None:  # fmt: skip
    """Compute f + sum G u of the neighbours in a plane, for n cells from o on.

    Args:
        a, b, y, c: Offsets of their neighbours in the rows beside them, and of the faces between.
        z: Offset of their faces along the row.
    """
    last = n - ONE
    after = ONE if n > ONE else NONE
    row[0] = f[o] + gy[y] * u[a] + gy[c] * u[b] + gz[z] * u[o + last] + gz[z + ONE] * u[o + after]
    for k in range(ONE, last):
        row[k] = (
            f[o + k]
            + gy[y + k] * u[a + k]
            + gy[c + k] * u[b + k]
            + gz[z + k] * u[o + k - ONE]
            + gz[z + k + ONE] * u[o + k + ONE]
        )
    if n > ONE:
        row[last] = (
            f[o + last]
            + gy[y + last] * u[a + last]
            + gy[c + last] * u[b + last]
            + gz[z + last] * u[o + last - ONE]
            + gz[z + n] * u[o]
        )


@njit(cache=True, nogil=True)
def _add_inflow(row: Array, u: Array, gx: Array, a: Place, b: Place, x: Place, above: Place, n: Place) -> None:
    for k in range(n):
        row[k] += gx[x + k] * u[a + k] + gx[above + k] * u[b + k]


@njit(cache=True, nogil=True)
def _find_span(level: Array, here: Array, i: Place, j: Place) -> Any:
    """Find the first cell of a row that is swept, an even one, and the number of them."""
    at = here[8] + TWO * (i * here[1] + j)
    return level[6][at], level[6][at + ONE]


@njit(cache=True, nogil=True)
def _inflow(level: Array, here: Array, row: Array, i: Place, j: Place, start: Place, count: Place) -> Place:
    """Compute f + sum G u of all neighbours of some cells of a row; return where they begin.

    Faces at the ends of the span of a row conduct nothing, or close a ring, so that indices wrap around there.
    """
    u, f, gx, gy, gz, _, _ = level
    nx, ny, n, at = here[0], here[1], here[2], here[3] + start
    before, after = (j - ONE if j > NONE else ny - ONE), (j + ONE if j + ONE < ny else NONE)
    o = at + (i * ny + j) * n
    a, b = at + (i * ny + before) * n, at + (i * ny + after) * n
    y, z = here[5] + start + (i * (ny + ONE) + j) * n, here[6] + start + (i * ny + j) * (n + ONE)
    _inflow_row(row, u, f, gy, gz, o, a, b, y, y + n, z, count)
    if nx > ONE:
        below, above = (i - ONE if i > NONE else nx - ONE), (i + ONE if i + ONE < nx else NONE)
        x = here[4] + start + (i * ny + j) * n
        _add_inflow(row, u, gx, at + (below * ny + j) * n, at + (above * ny + j) * n, x, x + ny * n, count)
    return o


@njit(cache=True, nogil=True)
def _choose(u: Array, row: Array, inverse: Array, chosen: Array, o: Place, n: Place) -> None:
    for k in range(n):
        u[o + k] = row[k] * inverse[o + k] if chosen[k] else u[o + k]


@njit(cache=True, nogil=True)
def _relax(level: Array, here: Array, row: Array, chosen: Array, unit: Place, colour: Place) -> None:
    """Solve the equations of one colour of a unit."""
    for at in range(NONE, ONE if here[0] == ONE else here[1]):
        i, j = (NONE, unit) if here[0] == ONE else (unit, at)
        start, count = _find_span(level, here, i, j)
        if count > NONE:
            o = _inflow(level, here, row, i, j, start, count)
            _choose(level[0], row, level[5], chosen[(i + j + colour) & ONE], o, count)


@njit(cache=True, nogil=True)
def _begin(level: Array, here: Array, row: Array, chosen: Array, unit: Place, is_new: bool) -> None:
    """Solve the first colour of a unit; in a field of zeros the other colour may be undefined, as it is swept next."""
    if not is_new:
        _relax(level, here, row, chosen, unit, NONE)
        return
    u, f, inverse = level[0], level[1], level[5]
    count = here[2] if here[0] == ONE else here[1] * here[2]
    for k in range(here[3] + unit * count, here[3] + (unit + ONE) * count):
        u[k] = f[k] * inverse[k]


@njit(cache=True, nogil=True)
def _leave(row: Array, u: Array, inverse: Array, o: Place, n: Place) -> None:
    for k in range(n):
        row[k] -= u[o + k] / inverse[o + k]


@njit(cache=True, nogil=True)
def _gather(f: Array, row: Array, to: Place, start: Place, n: Place, is_joined: bool) -> None:
    """Add the residual of every second cell from the first one on."""
    count = (n - start + ONE) // TWO
    if is_joined:
        for k in range(count):
            f[to + k] += row[TWO * k + start]
    else:
        for k in range(count):
            f[to + TWO * k + start] += row[TWO * k + start]


@njit(cache=True, nogil=True)
def _find_parent(here: Array, there: Array, i: Place, j: Place) -> Place:
    """Index at which the row of the next level begins that a row is joined into."""
    big_i = i if there[0] == here[0] else i // TWO
    big_j = j if there[1] == here[1] else j // TWO
    return there[3] + (big_i * there[1] + big_j) * there[2]


@njit(cache=True, nogil=True)
def _restrict(level: Array, here: Array, there: Array, row: Array, unit: Place) -> None:
    """Sum the residual in the first colour of a unit; cells of the colour swept last have none."""
    for at in range(NONE, ONE if here[0] == ONE else here[1]):
        i, j = (NONE, unit) if here[0] == ONE else (unit, at)
        start, count = _find_span(level, here, i, j)
        if count > NONE:
            o, is_joined = _inflow(level, here, row, i, j, start, count), there[2] != here[2]
            _leave(row, level[0], level[5], o, count)
            to = _find_parent(here, there, i, j) + (start // TWO if is_joined else start)
            _gather(level[1], row, to, (i + j) & ONE, count, is_joined)


@njit(cache=True, nogil=True)
def _correct_row(u: Array, o: Place, parent: Place, n: Place, is_joined: bool) -> None:
    if not is_joined:
        for k in range(n):
            u[o + k] += u[parent + k]
        return
    for k in range(n // TWO):
        u[o + TWO * k] += u[parent + k]
        u[o + TWO * k + ONE] += u[parent + k]
    if n % TWO == ONE:
        u[o + n - ONE] += u[parent + n // TWO]


@njit(cache=True, nogil=True)
def _correct(level: Array, here: Array, there: Array, unit: Place) -> None:
    """Add to each cell of a unit the correction of its parent."""
    n, is_joined = here[2], there[2] != here[2]
    for at in range(NONE, ONE if here[0] == ONE else here[1]):
        i, j = (NONE, unit) if here[0] == ONE else (unit, at)
        start, count = _find_span(level, here, i, j)
        o = here[3] + (i * here[1] + j) * n + start
        parent = _find_parent(here, there, i, j) + (start // TWO if is_joined else start)
        _correct_row(level[0], o, parent, count, is_joined)


@njit(cache=True, nogil=True)
def make_scratch(longest: int, like: Array) -> Any:
    """Make a working row, and masks of its cells in the colour of an even and of an odd row."""
    chosen = np.zeros((2, longest), np.bool_)
    chosen[0, 0::2] = True
    chosen[1, 1::2] = True
    return np.empty(longest, like.dtype), chosen


@njit(cache=True, nogil=True)
def descend(level: Array, here: Array, there: Array, row: Array, chosen: Array, is_new: bool) -> None:
    """Sweep both colours, and sum the residual in the children of each cell as right-hand side of the next level.

    Args:
        level: u, f, conductances along three axes, 1/d, and what is swept of each row, of all levels.
        here, there: Rows of the table, of this level and the next.
        row, chosen: See `make_scratch`.
        is_new: True where the field counts as zero.
    """
    f = level[1]
    units = here[1] if here[0] == ONE else here[0]
    for k in range(there[3], there[3] + there[0] * there[1] * there[2]):
        f[k] = 0
    _begin(level, here, row, chosen, NONE, is_new)
    if units > ONE:
        _begin(level, here, row, chosen, units - ONE, is_new)
    for unit in range(NONE, units):
        if unit + TWO < units:
            _begin(level, here, row, chosen, unit + ONE, is_new)
        _relax(level, here, row, chosen, unit, ONE)
        if unit >= TWO:
            _restrict(level, here, there, row, unit - ONE)
    if units > ONE:
        _restrict(level, here, there, row, units - ONE)
    _restrict(level, here, there, row, NONE)


@njit(cache=True, nogil=True)
def ascend(level: Array, here: Array, there: Array, row: Array, chosen: Array) -> None:
    """Correct a level by the field of the next one, and sweep both colours in the reverse order."""
    units = here[1] if here[0] == ONE else here[0]
    _correct(level, here, there, NONE)
    if units > ONE:
        _correct(level, here, there, units - ONE)
    for unit in range(NONE, units):
        if unit + TWO < units:
            _correct(level, here, there, unit + ONE)
        _relax(level, here, row, chosen, unit, ONE)
        if unit >= TWO:
            _relax(level, here, row, chosen, unit - ONE, NONE)
    if units > ONE:
        _relax(level, here, row, chosen, units - ONE, NONE)
    _relax(level, here, row, chosen, NONE, NONE)


@njit(cache=True, nogil=True)
def _clear(level: Array, here: Array) -> None:
    """A field of zeros, with the solution in cells that are not swept."""
    u, f, inverse = level[0], level[1], level[5]
    for i in range(here[0]):
        for j in range(here[1]):
            start, count = _find_span(level, here, i, j)
            o = here[3] + (i * here[1] + j) * here[2]
            for k in range(here[2]):
                u[o + k] = f[o + k] * inverse[o + k] if k < start or k >= start + count else np.float32(0.0)


@njit(cache=True, nogil=True)
def smooth(level: Array, here: Array, row: Array, chosen: Array, sweeps: int, is_new: bool) -> None:
    """Sweep a last level that is not solved directly, symmetrically."""
    units = here[1] if here[0] == ONE else here[0]
    if is_new:
        _clear(level, here)
    for sweep in range(2 * sweeps):
        for colour in range(NONE, TWO):
            for unit in range(NONE, units):
                _relax(level, here, row, chosen, unit, colour if sweep < sweeps else ONE - colour)
