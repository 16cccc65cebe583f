"""Integrity of the structure of a live run, tick by tick: stress, damage, failed cells and loads of regions.

`make_state` makes the arrays of a run, and `observe` writes a tick into them. The equations and their sources are in
`grid.engine.live.structure_kernels`, `cycle_kernels`, `creep` and `cascade`.

Cycles and failures by stress go by the plate's estimate, which is a safe peak and no map; where the structure has the
level `potential`, failures by stress go by the potential alone, at the ticks at which one takes effect.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from grid.engine.live.cascade import RegionLoads, redistribute
from grid.engine.live.look import FieldLook
from grid.engine.live.stepping import Window
from grid.engine.live.structure import as_many
from grid.engine.live.structure_body import Cells, StructureBody
from grid.engine.values.operations import FloatArray

REASONS = ("damage", "stress", "temperature")  # of a failure, in the order of their codes
SOUND, YIELDING, FAILED = range(3)  # [-] states of a cell in `read_states`
NO_FACTORS, NO_CELLS, NO_REASONS = np.empty(0), np.empty(0, np.int64), np.empty(0, np.uint8)


@dataclass(eq=False)
class StructureState:
    """Arrays of a run, written to by every tick, 35 bytes a cell; `copy` before they are to be kept.

    Args:
        last: Last extreme of the effective stress [Pa].
        direction: In which it moves: 1, -1, or 0 before its first change.
        closing: Stress at which the range before the last one is closed; infinite without one [Pa].
        points: Turning points whose cycles are open, oldest first, shape (cells, 4) [Pa].
        depth: Those in use.
        damage: Miner's and Robinson's sum.
        failed: 1 in failed cells.
        stiffness: Factor of Young's modulus of each cell; None where no event has lowered one.
        loads: Of the regions; None without regions.
        strain: Common strain of the plate at the last tick.
        ticks: Observed so far.
        failed_cells: Number of failed cells.
        is_worn: True where some cell is damaged or has failed.
    """

    last: NDArray[np.float32]
    direction: NDArray[np.int8]
    closing: NDArray[np.float32]
    points: NDArray[np.float32]
    depth: NDArray[np.int8]
    damage: FloatArray
    failed: NDArray[np.uint8]
    stiffness: FloatArray | None = None
    loads: RegionLoads | None = None
    strain: float = 0.0
    ticks: int = 0
    failed_cells: int = 0
    is_worn: bool = False

    def copy(self) -> Self:
        """The state, with arrays of its own."""
        return self.unpack({name: array.copy() for name, array in self.pack().items()})

    def pack(self) -> dict[str, NDArray[Any]]:
        """Arrays by name, without a copy."""
        packed: dict[str, NDArray[Any]] = {
            "last": self.last,
            "direction": self.direction,
            "closing": self.closing,
            "points": self.points,
            "depth": self.depth,
            "damage": self.damage,
            "failed": self.failed,
            "numbers": np.array([self.strain, float(self.ticks), float(self.failed_cells), float(self.is_worn)]),
        }
        if self.stiffness is not None:
            packed["stiffness"] = self.stiffness
        if self.loads is not None:
            packed["region_loads"], packed["region_failed"] = self.loads.loads, self.loads.failed
            packed["region_numbers"] = np.array([self.loads.shed, self.loads.total, self.loads.quantum])
        return packed

    @classmethod
    def unpack(cls, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """The state of packed arrays, which are taken without a copy where they can be written to."""
        own = {name: array if array.flags.writeable else array.copy() for name, array in arrays.items()}
        loads = None
        if "region_loads" in own:
            shed, total, quantum = (float(number) for number in own["region_numbers"])
            loads = RegionLoads(own["region_loads"], own["region_failed"], shed, total, quantum)
        strain, ticks, failed, is_worn = (float(number) for number in own["numbers"])
        return cls(
            last=own["last"],
            direction=own["direction"],
            closing=own["closing"],
            points=own["points"],
            depth=own["depth"],
            damage=own["damage"],
            failed=own["failed"],
            stiffness=own.get("stiffness"),
            loads=loads,
            strain=strain,
            ticks=int(ticks),
            failed_cells=int(failed),
            is_worn=bool(is_worn),
        )


class StructureLook(NamedTuple):
    """Structure at a tick; stresses are estimates.

    Args:
        peak_stress: Largest stress, in size [Pa].
        utilisation: Largest share of the yield stress.
        weakest: Flat index of its cell.
        damage: Largest sum of a cell.
        failed_cells: In all.
        yielding_cells: Above their yield stress at this tick.
        new_failures: Flat indices of the cells that failed at this tick, rising.
        reasons: Of each of them, as index of `REASONS`.
        new_regions: Numbers of the regions that failed at this tick, rising; their loads have moved.
        failed_regions: In all.
        shed: Load that no region carries any more [W].
        load_residual: Audit of the loads of regions [W]; 0.0 exactly.
    """

    peak_stress: float
    utilisation: float
    weakest: int
    damage: float
    failed_cells: int
    yielding_cells: int
    new_failures: Cells
    reasons: NDArray[np.uint8]
    new_regions: tuple[int, ...] = ()
    failed_regions: int = 0
    shed: float = 0.0
    load_residual: float = 0.0

    @property
    def safety_factor(self) -> float:
        """Yield stress over stress, the lowest; infinite without stress."""
        return 1.0 / self.utilisation if self.utilisation > 0.0 else np.inf


def make_state(body: StructureBody) -> StructureState:
    """The state of a run before its first tick."""
    cells, regions = body.region.size, body.structure.regions
    return StructureState(
        last=np.zeros(cells, np.float32),
        direction=np.zeros(cells, np.int8),
        closing=np.full(cells, np.inf, np.float32),
        points=np.zeros((cells, 4), np.float32),
        depth=np.zeros(cells, np.int8),
        damage=np.zeros(cells),
        failed=np.zeros(cells, np.uint8),
        loads=None if regions is None else RegionLoads.of(regions.loads),
    )


def observe(
    body: StructureBody,
    state: StructureState,
    window: Window,
    values: FloatArray,
    look: FieldLook,
    tick: float,
    potential: FloatArray | None = None,
) -> StructureLook:
    """Write the end of a tick into a state: cycles, life, failures of cells and of regions.

    Args:
        body: Of the structure.
        state: Written to.
        window: Places of the cells in `values`.
        values: Temperatures at the end of the tick; finite, and only read.
        look: At these temperatures.
        tick: Length [s].
        potential: Von Mises stress of each cell by the potential that takes effect at this tick, flat [Pa].
    """
    from grid.engine.live import structure_kernels as kernels

    options, numbers = (
        _choose(body, state, look),
        np.array([body.structure.reference_temperature, 0.0, tick, body.kelvin]),
    )
    places, stiffness = tuple(window), NO_FACTORS if state.stiffness is None else state.stiffness
    cells = body.laws, body.region, stiffness
    if body.structure.support == "free":
        numbers[kernels.STRAIN] = kernels.find_strain(
            values, places, *cells, state.damage, state.failed, options, numbers
        )
    state.strain = float(numbers[kernels.STRAIN])
    creep = body.rates, body.rate_starts, body.rate_steps
    cycles = state.last, state.direction, state.closing, state.points, state.depth
    found = np.empty(6)
    kernels.observe_cells(values, places, *cells, creep, state.damage, state.failed, cycles, options, numbers, found)
    state.ticks += 1
    state.is_worn |= bool(found[kernels.DAMAGE] > 0.0)
    is_failing = found[kernels.NEW] > 0
    if potential is not None:
        is_failing |= _fail_by_potential(body, state, potential)
    new, reasons = _settle_failures(state) if is_failing else (NO_CELLS, NO_REASONS)
    failing = _observe_regions(body, state, window, values, bool(new.size))
    loads = state.loads
    return StructureLook(
        float(found[kernels.PEAK]),
        float(found[kernels.USED]),
        int(found[kernels.WEAKEST]),
        min(1.0, float(found[kernels.DAMAGE])),
        state.failed_cells,
        int(found[kernels.YIELDING]),
        new,
        reasons,
        failing,
        0 if loads is None else int(np.count_nonzero(loads.failed)),
        0.0 if loads is None else loads.shed,
        0.0 if loads is None else loads.residual,
    )


def _choose(body: StructureBody, state: StructureState, look: FieldLook) -> NDArray[np.uint8]:
    """Options of the kernels for a tick: what may be left out of it."""
    starts = body.rate_starts[body.rate_steps > 0.0]
    is_hot = starts.size > 0 and look.highest + body.kelvin > starts.min()
    is_uniform = body.is_uniform and state.stiffness is None
    return np.array([is_uniform, state.is_worn, body.has_life, is_hot, state.ticks == 0], np.uint8)


def _fail_by_potential(body: StructureBody, state: StructureState, potential: FloatArray) -> bool:
    """Mark sound cells whose stress by the potential is the ultimate one; tell whether there are any."""
    from grid.engine.live.structure_kernels import BY_STRESS, INVERSE_YIELD, SOUND_CELL

    ratio = as_many(body.structure.ultimate_ratio, 1)[0]
    beyond = (potential * body.laws[0, INVERSE_YIELD] >= ratio) & (state.failed == SOUND_CELL)
    state.failed[beyond] = BY_STRESS
    return bool(beyond.any())


def _settle_failures(state: StructureState) -> tuple[Cells, NDArray[np.uint8]]:
    """Cells that were marked at this tick, with their reasons; they are followed no longer."""
    from grid.engine.live.structure_kernels import BY_DAMAGE, FAILED

    new = np.flatnonzero(state.failed >= BY_DAMAGE)
    reasons = state.failed[new] - np.uint8(BY_DAMAGE)
    state.failed[new] = FAILED
    state.last[new], state.direction[new], state.depth[new] = 0.0, 0, 0
    state.failed_cells += int(new.size)
    state.is_worn = True
    return new.astype(np.int64), reasons


def _observe_regions(
    body: StructureBody, state: StructureState, window: Window, values: FloatArray, is_failing: bool
) -> tuple[int, ...]:
    """Find the regions that fail at this tick, and move their loads; return their numbers."""
    regions, capacity = body.regions, body.structure.capacity
    if regions is None or capacity is None or state.loads is None:
        return ()
    if capacity.measure == "failed_share":
        if not is_failing:
            return ()
        owned = regions.owner[(state.failed > 0) & (regions.owner >= 0)]
        reached = np.bincount(owned, minlength=len(regions.names)).astype(np.float64)
    else:
        from grid.engine.live.structure_kernels import sum_regions

        reached = np.zeros(len(regions.names))
        sum_regions(values, tuple(window), regions.owner, reached)
    is_over = (reached >= regions.capacity * regions.counts) & (regions.counts > 0) & ~state.loads.failed
    if not is_over.any():
        return ()
    failing = np.flatnonzero(is_over)
    state.loads = redistribute(regions.graph, state.loads, failing, body.structure.sharing)
    return tuple(failing.tolist())


def weaken(state: StructureState, cells: NDArray[np.bool_], *, damage: float = 0.0, stiffness: float = 1.0) -> None:
    """Damage cells from outside, and lower their stiffness; both only downwards, never back.

    Args:
        state: Written to.
        cells: True in the cells of the body that are meant, flat.
        damage: Each has this at least; at 1 it fails at the end of the tick.
        stiffness: Factor of Young's modulus of each, at most.
    """
    if damage > 0.0:
        state.damage[cells] = np.maximum(state.damage[cells], damage)
        state.is_worn = True
    if stiffness < 1.0:
        if state.stiffness is None:
            state.stiffness = np.ones(state.damage.size)
        state.stiffness[cells] = np.minimum(state.stiffness[cells], stiffness)


def read_stress(
    body: StructureBody, state: StructureState, window: Window, values: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Signed stress [Pa] and utilisation of each cell, flat, at the strain of the last tick; 0 outside the body."""
    from grid.engine.live.structure_kernels import read_cells

    numbers = np.array([body.structure.reference_temperature, state.strain, 0.0, body.kelvin])
    options = np.array([body.is_uniform and state.stiffness is None, state.is_worn, 0, 0, 0], np.uint8)
    stress, use = np.empty(state.damage.size), np.empty(state.damage.size)
    stiffness = NO_FACTORS if state.stiffness is None else state.stiffness
    read_cells(
        values, tuple(window), body.laws, body.region, stiffness, state.damage, state.failed, options, numbers,
        stress, use,
    )  # fmt: skip
    return stress, use


def read_states(state: StructureState, utilisation: FloatArray) -> NDArray[np.uint8]:
    """State of each cell, flat: 0 sound, 1 yielding, 2 failed.

    Args:
        state: Of the structure.
        utilisation: Of `read_stress`.
    """
    states = np.where(utilisation > 1.0, YIELDING, SOUND).astype(np.uint8)
    states[state.failed > 0] = FAILED
    return states


def read_field(name: str, body: StructureBody, state: StructureState, window: Window, values: FloatArray) -> FloatArray:
    """Signed `stress` [Pa], `utilisation`, `damage` or `state` (0, 1, 2) of each cell, flat."""
    if name == "damage":
        return state.damage.copy()
    stress, use = read_stress(body, state, window, values)
    if name == "state":
        return read_states(state, use).astype(np.float64)
    return stress if name == "stress" else use
