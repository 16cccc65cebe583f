r"""Stress, cycles, life and failures of every cell at a tick, in two passes. Importing this module loads Numba.

With E' = E / (1 - nu) by material, damage D, and phi = 0 in a failed cell, else 1, for each cell i:

.. math::
    w_i &= \varphi_i (1 - D_i) E'_i, \qquad
    \varepsilon = \frac{\sum w \alpha (T - T_{ref})}{\sum w} \text{ in a free plate, 0 in a held one}

    \tilde\sigma_i &= \varphi_i E'_i (\varepsilon - \alpha_i (T_i - T_{ref})), \qquad
    \sigma_i = (1 - D_i) \tilde\sigma_i, \qquad
    u_i = |\tilde\sigma_i| / \sigma_{yield}

What counts for yielding and for life is the effective stress (L. M. Kachanov, 1958), that of the sound part of a cell.

Rows go by strips of `STRIP` columns with a row of numbers for each of their properties, which are filled anew for every
strip only where the body is not uniform. As in `look_kernels`, loops without a reduction are vectorised, extremes are
counted and a strip is searched only where there are any.
"""

from typing import Any

import numpy as np

from grid.engine.kernel_cache import njit
from grid.engine.live.cycle_kernels import move_on, take_turns

Array = Any  # Numba sees the real types; mypy has no stubs for compiled functions
STRIP = 256  # [-] columns of a strip
MIXED = -2  # in the place of the material of a strip with several
# [-] columns of the laws of materials, and rows of the numbers of a strip
MODULUS, EXPANSION, INVERSE_YIELD, GATE, ULTIMATE, LIMIT, SCALE, POWER = range(8)
LAWS = 8  # [-] columns of the laws of materials
SOUND, WHOLE, STRESS, USE, FLOW, WEIGHT = range(LAWS, LAWS + 6)  # [-] further rows of a strip
ROWS = LAWS + 6
PEAK, USED, WEAKEST, YIELDING, DAMAGE, NEW = range(6)  # [-] entries of what is found
SOUND_CELL, FAILED, BY_DAMAGE, BY_STRESS, BY_TEMPERATURE = range(5)  # [-] states of a cell; the last three are new
IS_UNIFORM, IS_DAMAGED, HAS_LIFE, HAS_CREEP, IS_FIRST = range(5)  # [-] entries of the options
REFERENCE, STRAIN, TICK, KELVIN = range(4)  # [-] entries of the numbers: [temperature, 1, s, K]


@njit(cache=True, nogil=True)
def make_rows(laws: Array) -> Any:
    """Numbers of a strip of the first material, all sound, shape (ROWS, STRIP), and its index for `_fill_laws`."""
    rows = np.ones((ROWS, STRIP))
    for law in range(LAWS):
        rows[law, :] = laws[0, law]
    return rows, np.int64(0)  # a plain 0 would be a type of its own, for which everything is compiled once more


@njit(cache=True, nogil=True)
def _fill_laws(rows: Array, laws: Array, own: Array, filled: int) -> int:
    """Fill the laws of a strip, unless they are of one material and there from the strip before.

    Args:
        own: Material of each cell.
        filled: Material whose laws fill the rows; `MIXED` for several.

    Returns:
        The same for what is there now.
    """
    kind, others = own[0], 0
    for j in range(own.size):
        others += 1 if own[j] != kind else 0
    if others > 0:
        for law in range(LAWS):
            row = rows[law]
            for j in range(own.size):
                row[j] = laws[own[j], law]
        return MIXED
    if kind != filled:
        for law in range(LAWS):
            rows[law, :] = laws[kind, law]
    return int(kind)


@njit(cache=True, nogil=True)
def fill_rows(
    rows: Array, laws: Array, region: Array, stiffness: Array, damage: Array, failed: Array, options: Array, cell: int,
    count: int, filled: int,
) -> int:  # fmt: skip
    """Fill the numbers of a strip, as far as they are not there; `filled` as in `_fill_laws`, and what is returned."""
    own = slice(cell, cell + count)
    if not options[IS_UNIFORM]:
        filled = _fill_laws(rows, laws, region[own], filled)
        if stiffness.size > 0:
            factor, row = stiffness[own], rows[MODULUS]
            for j in range(count):
                row[j] *= factor[j]
            filled = MIXED
    if options[IS_DAMAGED]:
        done, is_failed, sound, whole = damage[own], failed[own], rows[SOUND], rows[WHOLE]
        for j in range(count):
            whole[j] = 1.0 if is_failed[j] == 0 else 0.0
            sound[j] = (1.0 - done[j]) * whole[j]
    return filled


@njit(cache=True, nogil=True)
def _add_strains(rows: Array, part: Array, reference: float) -> None:
    """Add the stiffness of each cell of a strip, and its stiffness times its free strain, to the sums of its column."""
    sound, modulus, expansion, flow, weight = rows[SOUND], rows[MODULUS], rows[EXPANSION], rows[FLOW], rows[WEIGHT]
    for j in range(part.size):
        stiffness = sound[j] * modulus[j]
        weight[j] += stiffness
        flow[j] += stiffness * (expansion[j] * (part[j] - reference))


@njit(cache=True, nogil=True)
def _add(total: float, lost: float, value: float) -> Any:
    """Neumaier's compensated addition."""
    after = total + value
    lost += (total - after) + value if abs(total) >= abs(value) else (value - after) + total
    return after, lost


@njit(cache=True, nogil=True)
def find_strain(
    values: Array, window: Any, laws: Array, region: Array, stiffness: Array, damage: Array, failed: Array,
    options: Array, numbers: Array,
) -> float:  # fmt: skip
    """Common strain of a free plate, from which no force remains; 0 where nothing is stiff; see `observe_cells`."""
    planes, rows_, columns, plane, row, start = window
    rows, filled = make_rows(laws)
    rows[FLOW, :], rows[WEIGHT, :] = 0.0, 0.0
    force, force_lost, stiff, stiff_lost = 0.0, 0.0, 0.0, 0.0
    for p in range(planes):
        for r in range(rows_):
            for c in range(0, columns, STRIP):
                count = min(STRIP, columns - c)
                at, cell = start + p * plane + r * row + c, (p * rows_ + r) * columns + c
                filled = fill_rows(rows, laws, region, stiffness, damage, failed, options, cell, count, filled)
                _add_strains(rows, values[at : at + count], numbers[REFERENCE])
        for j in range(STRIP):
            force, force_lost = _add(force, force_lost, rows[FLOW, j])
            stiff, stiff_lost = _add(stiff, stiff_lost, rows[WEIGHT, j])
        rows[FLOW, :], rows[WEIGHT, :] = 0.0, 0.0
    total = stiff + stiff_lost
    return (force + force_lost) / total if total > 0.0 else 0.0


@njit(cache=True, nogil=True)
def find_stresses(rows: Array, single: Array, part: Array, reference: float, strain: float) -> None:
    """Stress, utilisation, and effective stress in single precision, of each cell of a strip."""
    modulus, expansion, inverse = rows[MODULUS], rows[EXPANSION], rows[INVERSE_YIELD]
    sound, whole, stress, use = rows[SOUND], rows[WHOLE], rows[STRESS], rows[USE]
    for j in range(part.size):
        free = modulus[j] * (strain - expansion[j] * (part[j] - reference))
        stress[j] = sound[j] * free
        free *= whole[j]
        single[j] = np.float32(free)
        use[j] = abs(free) * inverse[j]


@njit(cache=True, nogil=True)
def _count(rows: Array, part: Array, found: Array) -> Any:
    """Count the cells of a strip that yield, that exceed the peaks so far, and that must fail."""
    stress, use, whole, ultimate, limit = rows[STRESS], rows[USE], rows[WHOLE], rows[ULTIMATE], rows[LIMIT]
    peak, used = found[PEAK], found[USED]
    yielding, beyond, failing = 0, 0, 0
    for j in range(part.size):
        yielding += 1 if use[j] > 1.0 else 0
        beyond += 1 if use[j] > used or abs(stress[j]) > peak else 0
        failing += 1 if use[j] >= ultimate[j] or (part[j] >= limit[j] and whole[j] > 0.0) else 0
    return yielding, beyond, failing


@njit(cache=True, nogil=True)
def _search(rows: Array, found: Array, cell: int, count: int) -> None:
    """Find the peaks of stress and of utilisation in a strip; of equal ones the first counts."""
    for j in range(count):
        if abs(rows[STRESS, j]) > found[PEAK]:
            found[PEAK] = abs(rows[STRESS, j])
        if rows[USE, j] > found[USED] and rows[INVERSE_YIELD, j] > 0.0:  # 0 outside the body
            found[USED], found[WEAKEST] = rows[USE, j], cell + j


@njit(cache=True, nogil=True)
def _use_up(
    part: Array, region: Array, rates: Array, starts: Array, steps: Array, failed: Array, damage: Array, kelvin: float,
    tick: float,
) -> None:  # fmt: skip
    """Add the share of its life at high temperature to the damage of each cell of a strip that is sound."""
    last = rates.shape[1] - 1
    for j in range(part.size):
        kind = region[j]
        if kind < 0 or steps[kind] == 0.0 or failed[j] != 0:
            continue
        place = (part[j] + kelvin - starts[kind]) / steps[kind]
        if place >= 0.0:
            index = min(int(min(place, float(last))), last - 1)
            share = min(place - index, 1.0)
            rate = rates[kind, index] + share * (rates[kind, index + 1] - rates[kind, index])
            damage[j] += tick * rate


@njit(cache=True, nogil=True)
def _count_damage(damage: Array, failed: Array, worst: float) -> Any:
    """Count the cells of a strip with more damage than the worst so far, and those whose life has just ended."""
    beyond, spent = 0, 0
    for j in range(damage.size):
        beyond += 1 if damage[j] > worst else 0
        spent += 1 if damage[j] >= 1.0 and failed[j] == 0 else 0
    return beyond, spent


@njit(cache=True, nogil=True)
def _find_worst(damage: Array, found: Array) -> None:
    """Find the largest damage in a strip."""
    for j in range(damage.size):
        if damage[j] > found[DAMAGE]:
            found[DAMAGE] = damage[j]


@njit(cache=True, nogil=True)
def _fail(rows: Array, part: Array, failed: Array, damage: Array, found: Array) -> None:
    """Mark the cells of a strip that fail at this tick with their reason."""
    for j in range(part.size):
        if failed[j] != 0:
            continue
        if damage[j] >= 1.0:
            failed[j], damage[j] = BY_DAMAGE, 1.0
        elif rows[USE, j] >= rows[ULTIMATE, j]:
            failed[j] = BY_STRESS
        elif part[j] >= rows[LIMIT, j]:
            failed[j] = BY_TEMPERATURE
        found[NEW] += 1 if failed[j] != 0 else 0


@njit(cache=True, nogil=True)
def _begin(single: Array, last: Array, stacks: Array, depths: Array) -> None:
    """The first stress of each cell of a strip is its first turning point; its direction is still 0."""
    for j in range(last.size):
        last[j], stacks[j, 0] = single[j], single[j]
        depths[j] = 1


@njit(cache=True, nogil=True)
def _count_cycles(
    rows: Array, gates: Array, single: Array, cells: Any, cycles: Any, damage: Array, is_first: bool
) -> int:
    """Follow the stresses of a strip; return the number of cells whose cycles have changed."""
    low, high = cells
    count = high - low
    last, direction, closing, points, depth = cycles
    stress, mine, way, ends, gate = (
        single[:count],
        last[low:high],
        direction[low:high],
        closing[low:high],
        gates[:count],
    )
    stacks, depths = points[low:high], depth[low:high]
    if is_first:
        _begin(stress, mine, stacks, depths)
        return 0
    for j in range(count):
        gate[j] = np.float32(rows[GATE, j])
    noted = move_on(stress, gate, mine, way, ends)
    if noted > 0:
        take_turns(stress, gate, mine, way, ends, stacks, depths, damage[low:high], rows[SCALE], rows[POWER])
    return noted


@njit(cache=True, nogil=True)
def observe_cells(
    values: Array, window: Any, laws: Array, region: Array, stiffness: Array, creep: Any, damage: Array, failed: Array,
    cycles: Any, options: Array, numbers: Array, found: Array,
) -> None:  # fmt: skip
    """Stress, cycles, life and failures of all cells at a tick; the arrays of the state are written to.

    Args:
        values: Flat, with the cells at the places of the window.
        window: Planes, rows, columns, the steps from one plane and one row to the next, the place of the first cell.
        laws: See `MODULUS`, a row for each material and a last one for cells outside the body.
        region: Material of each cell, -1 outside the body.
        stiffness: Factor of the modulus of each cell; empty where none has one.
        creep: Rates (materials, entries) over absolute temperature, first temperatures and steps; a step of 0 for none.
        damage: Of each cell.
        failed: See `SOUND_CELL`.
        cycles: Last extreme, direction, closing stress, turning points and their number of each cell.
        options: See `IS_UNIFORM`.
        numbers: See `REFERENCE`.
        found: See `PEAK`.
    """
    planes, rows_, columns, plane, row, start = window
    rates, starts, steps = creep
    rows, filled = make_rows(laws)
    single, gates = np.empty(STRIP, np.float32), np.empty(STRIP, np.float32)
    found[:] = 0.0
    found[USED] = -1.0
    for p in range(planes):
        for r in range(rows_):
            for c in range(0, columns, STRIP):
                count = min(STRIP, columns - c)
                at, cell = start + p * plane + r * row + c, (p * rows_ + r) * columns + c
                part, own = values[at : at + count], slice(cell, cell + count)
                filled = fill_rows(rows, laws, region, stiffness, damage, failed, options, cell, count, filled)
                find_stresses(rows, single, part, numbers[REFERENCE], numbers[STRAIN])
                yielding, beyond, failing = _count(rows, part, found)
                found[YIELDING] += yielding
                if beyond > 0:
                    _search(rows, found, cell, count)
                is_touched = options[IS_DAMAGED]
                if options[HAS_LIFE]:
                    is_first = options[IS_FIRST] != 0
                    ends = (cell, cell + count)
                    if _count_cycles(rows, gates, single, ends, cycles, damage, is_first) > 0:
                        is_touched = 1
                if options[HAS_CREEP]:
                    kelvin, tick = numbers[KELVIN], numbers[TICK]
                    _use_up(part, region[own], rates, starts, steps, failed[own], damage[own], kelvin, tick)
                    is_touched = 1
                if is_touched:
                    more, spent = _count_damage(damage[own], failed[own], found[DAMAGE])
                    failing += spent
                    if more > 0:
                        _find_worst(damage[own], found)
                if failing > 0:
                    _fail(rows, part, failed[own], damage[own], found)


@njit(cache=True, nogil=True)
def read_cells(
    values: Array, window: Any, laws: Array, region: Array, stiffness: Array, damage: Array, failed: Array,
    options: Array, numbers: Array, stress: Array, use: Array,
) -> None:  # fmt: skip
    """Signed stress and utilisation of every cell, for pictures; arguments as those of `observe_cells`."""
    planes, rows_, columns, plane, row, start = window
    (rows, filled), single = make_rows(laws), np.empty(STRIP, np.float32)
    for p in range(planes):
        for r in range(rows_):
            for c in range(0, columns, STRIP):
                count = min(STRIP, columns - c)
                at, cell = start + p * plane + r * row + c, (p * rows_ + r) * columns + c
                filled = fill_rows(rows, laws, region, stiffness, damage, failed, options, cell, count, filled)
                find_stresses(rows, single, values[at : at + count], numbers[REFERENCE], numbers[STRAIN])
                stress[cell : cell + count] = rows[STRESS, :count]
                use[cell : cell + count] = rows[USE, :count]


@njit(cache=True, nogil=True)
def sum_regions(values: Array, window: Any, owner: Array, sums: Array) -> None:
    """Add the temperatures of the cells of each region to its sum.

    Args:
        owner: Number of the region of each cell, -1 for none.
        sums: Zeros, one for each region.
    """
    planes, rows_, columns, plane, row, start = window
    for p in range(planes):
        for r in range(rows_):
            at, cell = start + p * plane + r * row, (p * rows_ + r) * columns
            part, own = values[at : at + columns], owner[cell : cell + columns]
            for j in range(columns):
                if own[j] >= 0:
                    sums[own[j]] += part[j]
