"""Messages about the past of a live run, between a server and the child that computes it again. Loads no numerics."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal
from uuid import UUID

from grid.runtime.live.messages import LiveCommand, SnapshotFile
from grid.schemas.frame_requests import FrameRequest

Failure = Literal["field", "other_numerics", "diverged"]


@dataclass(frozen=True)
class LookBack:
    """Frames of a run at boundaries that it has passed; answered by `LookedBack`.

    Args:
        run_id: The run.
        scene, tick_s, method, seed: As `grid.runtime.live.messages.StartRun` has them.
        steps_per_tick: Steps that the run has in the ledger.
        numerics_version: Of the run's ticks.
        snapshots: Stored states at or before the first boundary, the newest first.
        log: All commands that have a tick, in the order of their numbers.
        ticks: The boundaries, in order; at each, what happened before it is shown, and nothing of what begins there.
        request: What of it.
        most_ticks: That may be computed again for all of it.
    """

    run_id: UUID
    scene: Mapping[str, Any]
    tick_s: str
    method: str
    seed: int
    steps_per_tick: int
    numerics_version: str
    snapshots: tuple[SnapshotFile, ...]
    log: tuple[LiveCommand, ...]
    ticks: tuple[int, ...]
    request: FrameRequest
    most_ticks: int


@dataclass(frozen=True)
class LookedBack:
    """One frame for each boundary, or why there are none.

    Args:
        frames: In the order of the boundaries.
        computed: Ticks that were computed for them.
        failure: Kind of the failure; None where there are frames.
        detail: In words; of `field` it begins with the name of the field.
    """

    frames: tuple[bytes, ...] = ()
    computed: int = 0
    failure: Failure | None = None
    detail: str = ""
