"""The past of live runs: which stored state a boundary is computed from, and whether that costs too much.

What is between two stored states follows from the log, so every boundary that a run has passed can be shown again, to
the same bytes. What it costs is bounded; beyond it the nearest stored states are named.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from grid.core.errors import ConflictError, FieldError, NotFoundError
from grid.database.live_commands import LiveCommandRecord
from grid.database.live_runs import LiveRunRecord, LiveSpec
from grid.database.live_snapshots import SnapshotRecord
from grid.database.uow import UnitOfWork
from grid.services.live.log_export import find_end

MOST_WORK_S: Final = 20.0  # [s] of one core, by the price of a tick, that are computed again for one answer
MOST_FRAMES: Final = 120  # boundaries of one answer


class PastGoneError(ConflictError):
    """The run cannot be computed again here."""

    code, title = "past-gone", "The past of this run cannot be computed again here"

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail

    def __str__(self) -> str:
        return self.detail


@dataclass(frozen=True)
class PastView:
    """What boundaries of a run are computed from.

    Args:
        run: The run.
        spec: Its scene.
        ticks: The boundaries, in order.
        snapshots: Stored states at or before the first of them, the newest first.
        commands: All that have a tick and change physics, in the order of their numbers.
        most_ticks: That may be computed again.
    """

    run: LiveRunRecord
    spec: LiveSpec
    ticks: tuple[int, ...]
    snapshots: tuple[SnapshotRecord, ...]
    commands: tuple[LiveCommandRecord, ...]
    most_ticks: int

    @property
    def begin(self) -> int:
        """The boundary that is nearest before the first."""
        return self.snapshots[0].tick if self.snapshots else 0


def find_tick(run: LiveRunRecord, *, tick: int | None, time_s: float | None) -> int | None:
    """Return the boundary that is asked for by its number or its simulated time; None where neither is given.

    Raises:
        FieldError: Both are given, or it is not one that the run has passed.
    """
    end = find_end(run)
    if time_s is not None:
        if tick is not None:
            raise FieldError("t", "not given together with tick")
        length = float(run.tick_s)
        if not 0.0 <= time_s <= end * length * (1.0 + 1e-12):
            raise FieldError("t", f"0 to {end * length:.9g} s, where the run is")
        return min(end, math.floor(time_s / length * (1.0 + 1e-12)))
    if tick is not None and not 0 <= tick <= end:
        raise FieldError("tick", f"0 to {end}, where the run is")
    return tick


def spread_ticks(run: LiveRunRecord, first: int, last: int, count: int) -> tuple[int, ...]:
    """Return boundaries that are spread evenly between two of a run, both included; each once.

    Raises:
        FieldError: They are not boundaries that the run has passed, or too many.
    """
    end = find_end(run)
    if not 1 <= count <= MOST_FRAMES:
        raise FieldError("count", f"1 to {MOST_FRAMES}")
    if not 0 <= first <= end:
        raise FieldError("from_tick", f"0 to {end}, where the run is")
    if not first <= last <= end:
        raise FieldError("to_tick", f"{first} to {end}, where the run is")
    if count == 1:
        return (first,)
    return tuple(sorted({first + place * (last - first) // (count - 1) for place in range(count)}))


def plan_past(uow: UnitOfWork, *, owner_id: UUID | None, run_id: UUID, ticks: Sequence[int]) -> PastView:
    """Find what boundaries of a run are computed from.

    Args:
        uow: Opens the transaction.
        owner_id: Whose run it is; None: anybody's, for an administrator who asked for all.
        run_id: The run.
        ticks: The boundaries, in order.

    Raises:
        NotFoundError: There is no such run for this owner.
        FieldError: Too many ticks would have to be computed; the nearest stored ones are named.
    """
    with uow.read() as tx:
        run, spec = tx.live_runs.find(run_id, owner_id), tx.live_runs.find_spec(run_id)
        if run is None or spec is None:
            raise NotFoundError("live run")
        kept = tx.live_snapshots.of_run(run_id)
        commands = tx.live_commands.read_from_tick(run_id, 0)
    usable = tuple(one for one in kept if one.tick <= ticks[0])
    physical = tuple(command for command in commands if command.kind.is_physical)
    most_ticks = max(1, math.floor(MOST_WORK_S / run.price_s)) if run.price_s > 0.0 else 10**6
    view = PastView(run, spec, tuple(ticks), usable, physical, most_ticks)
    if ticks[-1] - view.begin > most_ticks:
        later = min((one.tick for one in kept if one.tick > ticks[0]), default=None)
        nearest = f"{view.begin}" if later is None else f"{view.begin} or {later}"
        raise FieldError("tick", f"at most {most_ticks} ticks behind a kept one; the nearest kept is {nearest}")
    return view
