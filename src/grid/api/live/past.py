"""Frames of the past of a run for requests that want some of it: planned by a service, computed in a child."""

import math
from collections.abc import Sequence
from typing import Final
from uuid import UUID

from grid.core.errors import FieldError, UnavailableError
from grid.database.live_commands import LiveCommandRecord
from grid.database.uow import UnitOfWork
from grid.runtime.live.messages import LiveCommand, SnapshotFile
from grid.runtime.live.past_messages import LookBack
from grid.schemas.frame_requests import FrameRequest
from grid.schemas.jobs import JsonObject
from grid.services.live.past import PastGoneError, PastView, plan_past
from grid.services.ports import PastComputer

MOST_BYTES: Final = 32 * 2**20  # of the codes of all frames of one answer


def ask_past(
    computer: PastComputer, uow: UnitOfWork, request: FrameRequest, *, owner_id: UUID | None, run_id: UUID,
    ticks: Sequence[int],
) -> tuple[bytes, ...]:  # fmt: skip
    """Return the frames of a run at boundaries that it has passed, in order.

    Raises:
        NotFoundError: There is no such run for this owner.
        FieldError: The run does not have the field, the region or level is outside of it, or it costs too much.
        PastGoneError: It cannot be computed again here.
        TooManyRequestsError: Others wait already.
        UnavailableError: It cannot be computed now.
    """
    view = plan_past(uow, owner_id=owner_id, run_id=run_id, ticks=ticks)
    found = computer.look_back(_make_message(view, request))
    if found.failure == "field":
        field, _, limit = found.detail.partition(": ")
        raise FieldError(field, limit)
    if found.failure is not None:
        raise PastGoneError(found.detail)
    if len(found.frames) != len(view.ticks):
        raise UnavailableError("Not every frame was computed; ask again.")
    return found.frames


def require_few_bytes(scene: JsonObject, request: FrameRequest, count: int) -> None:
    """Refuse more frames than one answer may hold.

    Raises:
        FieldError: Their codes have more than 32 MiB together.
    """
    from grid.engine.live.scene import Scene

    cells = math.prod(-(-size >> request.level) for size in Scene.from_json(scene).problem.domain.cells)
    size = cells * (1 if request.bits == 8 else 2)
    most = max(1, MOST_BYTES // size)
    if count > most:
        raise FieldError("count", f"1 to {most} frames of {size} bytes at level {request.level}")


def _make_message(view: PastView, request: FrameRequest) -> LookBack:
    run = view.run
    return LookBack(
        run_id=run.id,
        scene=view.spec.scene,
        tick_s=run.tick_s,
        method=run.method,
        seed=run.seed,
        steps_per_tick=run.steps_per_tick,
        numerics_version=run.numerics_version,
        snapshots=tuple(SnapshotFile(one.key, one.tick, one.sha256) for one in view.snapshots),
        log=tuple(_make_command(command) for command in view.commands),
        ticks=view.ticks,
        request=request,
        most_ticks=view.most_ticks,
    )


def _make_command(record: LiveCommandRecord) -> LiveCommand:
    return LiveCommand(record.seq, record.kind.value, record.payload, record.tick, record.at_s, record.known)
