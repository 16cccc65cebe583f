r"""Loads of the regions of a body, and where they go when regions fail.

All regions that fail at one tick are found first; then each of their loads goes to survivors in equal parts: of the
regions that share an edge with it, else of the nearest ring of neighbours with a survivor (`local`: a fibre bundle with
local load sharing, S. Sinha, J. T. Kjellstadli, A. Hansen, arXiv:1501.02489), or of all (`equal`: H. E. Daniels, Proc.
R. Soc. A 183, 1945: strengths that are uniform on [0, 1] carry at most 1/4 of their number). Without a survivor it is
shed.

Loads are whole multiples of a quantum, 2^-50 of the power of two above their sum, so every sum of them is exact in any
order: the invariant :math:`\sum P + P_{shed} = P_0` holds to the last bit.
"""

import math
from dataclasses import dataclass
from typing import Literal, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from grid.engine.values.operations import FloatArray

Sharing = Literal["local", "equal"]
BITS = 50  # [-] binary digits of the sum of all loads
Indices = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class RegionGraph:
    """Neighbours of each region, which share an edge (a face in 3D) of cells with it.

    Args:
        starts, others: Neighbours of region r are `others[starts[r] : starts[r + 1]]`, increasing.
    """

    starts: Indices
    others: Indices

    @classmethod
    def of_cells(cls, owner: NDArray[np.integer], count: int) -> Self:
        """The graph of regions that own cells.

        Args:
            owner: Number of the region of each cell, -1 for none, shape `cells`.
            count: Regions.
        """
        pairs = [np.empty(0, np.int64)]
        for axis in range(owner.ndim):
            low = np.moveaxis(owner, axis, 0)[:-1].reshape(-1).astype(np.int64)
            high = np.moveaxis(owner, axis, 0)[1:].reshape(-1).astype(np.int64)
            joined = (low != high) & (low >= 0) & (high >= 0)
            low, high = low[joined], high[joined]
            pairs += [low * count + high, high * count + low]
        each = np.unique(np.concatenate(pairs))
        starts = np.searchsorted(each // max(count, 1), np.arange(count + 1)).astype(np.int64)
        return cls(starts, each % max(count, 1))

    def neighbours(self, region: int) -> Indices:
        """Numbers of the regions beside one."""
        return self.others[self.starts[region] : self.starts[region + 1]]


@dataclass(frozen=True, eq=False)
class RegionLoads:
    """Loads of all regions at a tick. Replaced, never written to.

    Args:
        loads: [W], shape (regions,); 0 for a region that has failed.
        failed: Shape (regions,).
        shed: Load that no region carries any more [W].
        total: Sum of the loads and of what was shed [W], as it was brought in.
        quantum: Power of two of which every load is a whole multiple [W].
    """

    loads: FloatArray
    failed: NDArray[np.bool_]
    shed: float
    total: float
    quantum: float

    @classmethod
    def of(cls, loads: ArrayLike, *, failed: NDArray[np.bool_] | None = None, shed: float = 0.0) -> Self:
        """Loads rounded to whole multiples of a quantum that follows from their sum."""
        given = np.asarray(loads, np.float64)
        _, exponent = math.frexp(float(np.abs(given).sum()) + abs(shed))
        quantum = math.ldexp(1.0, exponent - BITS)
        whole, kept = np.rint(given / quantum) * quantum, round(shed / quantum) * quantum
        failed = np.zeros(given.size, bool) if failed is None else failed.copy()
        return cls(whole, failed, kept, float(whole.sum()) + kept, quantum)

    def with_loads(self, loads: ArrayLike) -> Self:
        """The same regions under other loads, as an event brings them; the sum to be held is then theirs."""
        return type(self).of(loads, failed=self.failed, shed=self.shed)

    @property
    def residual(self) -> float:
        """Audit of a tick: sum of the loads and of what was shed, less the total [W]; 0.0 exactly."""
        return (float(self.loads.sum()) + self.shed) - self.total


def redistribute(graph: RegionGraph, loads: RegionLoads, failing: ArrayLike, sharing: Sharing) -> RegionLoads:
    """Move the loads of the regions that fail at one tick, all together; the result does not depend on their order.

    Args:
        graph: Neighbours of the regions.
        loads: Before the move.
        failing: Numbers of regions; those that had failed before are passed over.
        sharing: `local` or `equal`.
    """
    new = np.unique(np.asarray(failing, np.int64).reshape(-1))
    new = new[~loads.failed[new]]
    failed = loads.failed.copy()
    failed[new] = True
    units, gain = np.rint(loads.loads / loads.quantum).astype(np.int64), np.zeros(failed.size, np.int64)
    if sharing == "local":
        from grid.engine.live.cascade_kernels import move_to_nearest

        shed = int(move_to_nearest(graph.starts, graph.others, units, ~failed, new, gain))
    else:
        shed = _share_among_all(units, new, np.flatnonzero(~failed), gain)
    units[new] = 0
    after = (units + gain).astype(np.float64) * loads.quantum
    return RegionLoads(after, failed, loads.shed + shed * loads.quantum, loads.total, loads.quantum)


def _share_among_all(units: Indices, failing: Indices, alive: NDArray[np.intp], gain: Indices) -> int:
    """Share the sum of loads among all survivors; return what is shed because there are none."""
    moved = int(units[failing].sum())
    if not alive.size:
        return moved
    part = moved // alive.size
    gain[alive] = part
    gain[alive[-1]] += moved - part * alive.size
    return 0
