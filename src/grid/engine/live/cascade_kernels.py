"""Search for the nearest regions that survive, and the shares of a load. Importing this module loads Numba."""

from typing import Any

import numpy as np

from grid.engine.kernel_cache import njit

Array = Any  # Numba sees the real types; mypy has no stubs for compiled functions


@njit(cache=True, nogil=True)
def move_to_nearest(starts: Array, others: Array, units: Array, is_alive: Array, failing: Array, gain: Array) -> int:
    """Move the load of each failing region to the survivors of the nearest ring that has any, in equal parts.

    Args:
        starts, others: Neighbours of region r are `others[starts[r] : starts[r + 1]]`.
        units: Load of each region, in whole units.
        is_alive: Regions that hold, after all failures of the tick.
        failing: Regions whose loads move; their order is of no matter.
        gain: Zeros; what each region receives, in units. The last of a ring takes the rest of a division.

    Returns:
        Units for which no survivor is connected to their region.
    """
    count, shed = is_alive.size, 0
    reached, queue = np.full(count, -1), np.empty(count, np.int64)
    for turn in range(failing.size):
        region, load = failing[turn], units[failing[turn]]
        reached[region], queue[0] = turn, region
        begin, end = 0, 1
        is_moved = False
        while begin < end and not is_moved:
            after, alive = end, 0
            for place in range(begin, end):
                for link in range(starts[queue[place]], starts[queue[place] + 1]):
                    other = others[link]
                    if reached[other] != turn:
                        reached[other], queue[after] = turn, other
                        after += 1
                        alive += 1 if is_alive[other] else 0
            begin, end = end, after
            if alive > 0:
                ring = np.sort(queue[begin:end])
                part, left = load // alive, alive
                for other in ring:
                    if is_alive[other]:
                        left -= 1
                        gain[other] += part if left > 0 else load - part * (alive - 1)
                is_moved = True
        if not is_moved:
            shed += load
    return shed
