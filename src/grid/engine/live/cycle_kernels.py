"""Rainflow cycles of every cell, counted as they come. Importing this module loads Numba.

Each cell has the last extreme of its stress, the direction in which it moves, and a stack of the turning points that no
cycle has closed yet. A change of direction by more than the gate makes the last extreme a turning point. By the
three-point rule of ASTM E1049-85, section 5.4.4, a range counts when the next one is at least as large, whole unless
it holds the oldest point, then half; the next one is that up to the last extreme, so a range counts as soon as the
stress passes the point where it began, which each cell keeps beside its last extreme. A fifth point makes the oldest
range count half and leave. What is still on the stack is not counted: at the end of a history it would count half.

Smooth runs are the rule, so a strip of cells is first moved on by vector code that counts the cells that turned, and
searched only if there are any.
"""

from typing import Any

import numpy as np

from grid.engine.kernel_cache import njit

Array = Any  # Numba sees the real types; mypy has no stubs for compiled functions
POINTS = 4  # [-] turning points that a cell keeps


@njit(cache=True, nogil=True)
def _share(first: float, second: float, scale: float, power: float) -> float:
    """Miner's share of half a cycle between two points."""
    return float((scale * abs(np.float64(second) - np.float64(first))) ** power)


@njit(cache=True, nogil=True)
def close_cycles(stack: Array, depth: int, extreme: float, scale: float, power: float) -> Any:
    """Count the ranges of a stack that the one up to the last extreme closes.

    Args:
        stack: Turning points of a cell, oldest first, `POINTS` of them; changed.
        depth: Those in use.
        extreme: The last one.
        scale, power: Life under ranges: 1 / N = 2 (scale range)^power.

    Returns:
        The new depth, and Miner's sum of what was counted.
    """
    damage = 0.0
    while depth >= 2:
        top, below = np.float64(stack[depth - 1]), np.float64(stack[depth - 2])
        if abs(np.float64(extreme) - top) < abs(top - below):
            break
        share = _share(below, top, scale, power)
        if depth == 2:  # the range holds the oldest point
            damage += share
            stack[0] = stack[1]
            depth = 1
        else:
            damage += 2.0 * share
            depth -= 2
    return depth, damage


@njit(cache=True, nogil=True)
def add_point(stack: Array, depth: int, point: float, scale: float, power: float) -> Any:
    """Put a turning point on a stack; return the new depth, and Miner's sum of what has no room any more."""
    damage = 0.0
    if depth == POINTS:
        damage = _share(stack[0], stack[1], scale, power)
        for place in range(POINTS - 1):
            stack[place] = stack[place + 1]
        depth -= 1
    stack[depth] = point
    return depth + 1, damage


@njit(cache=True, nogil=True)
def move_on(stress: Array, gate: Array, last: Array, direction: Array, closing: Array) -> int:
    """Move the last extreme of each cell along its direction; count the cells that turned, or that close a range.

    Args:
        stress: Of this tick, single precision.
        gate: Changes against the direction up to this one are noise.
        last: Extremes; moved.
        direction: 1, -1, or 0 before the first change.
        closing: Stress at which the range before the last one is closed; infinite, along the direction, without one.
    """
    noted = 0
    for j in range(last.size):
        way = np.float32(direction[j])
        change = stress[j] - last[j]
        along = change * way
        is_first = (direction[j] == 0) & (abs(change) > gate[j])
        last[j] = stress[j] if along > np.float32(0.0) else last[j]
        is_closing = (direction[j] > 0) & (last[j] >= closing[j]) | (direction[j] < 0) & (last[j] <= closing[j])
        noted += 1 if (along < -gate[j]) | is_first | is_closing else 0
    return noted


@njit(cache=True, nogil=True)
def take_turns(
    stress: Array, gate: Array, last: Array, direction: Array, closing: Array, stacks: Array, depths: Array,
    damage: Array, scale: Array, power: Array,
) -> None:  # fmt: skip
    """Count the cycles of the cells of a strip that `move_on` has noted.

    Args:
        stress, gate, last, direction, closing: See `move_on`.
        stacks: Turning points, shape (cells, POINTS).
        depths: Points in use.
        damage: Miner's sum of each cell; added to.
        scale, power: Of the law of life of each cell, see `close_cycles`; a scale of 0 for no law.
    """
    for j in range(last.size):
        change, way = stress[j] - last[j], direction[j]
        along = change * way
        if way == 0:
            if abs(change) <= gate[j]:
                continue
            way = 1 if change > 0.0 else -1
            last[j] = stress[j]
        elif along < -gate[j]:
            depths[j], more = add_point(stacks[j], depths[j], last[j], scale[j], power[j])
            damage[j] += more
            way = -way
            last[j] = stress[j]
        elif (last[j] < closing[j] and way > 0) or (last[j] > closing[j] and way < 0):
            continue
        direction[j] = way
        depths[j], more = close_cycles(stacks[j], depths[j], last[j], scale[j], power[j])
        damage[j] += more
        closing[j] = stacks[j, depths[j] - 2] if depths[j] >= 2 else np.float32(np.inf) * way
