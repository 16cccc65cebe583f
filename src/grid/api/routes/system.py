"""The service at this moment, for administrators: which part is ill, and who waits for what."""

from datetime import UTC, datetime
from typing import Any, Final

from grid import __version__
from grid.api.alert_presenting import present_mode
from grid.api.dependencies import FromDishka, Router
from grid.api.problems import problems
from grid.api.security import Administrator
from grid.core.settings import Settings
from grid.database.mode_states import SERVICE
from grid.database.uow import UnitOfWork
from grid.database.workers import WorkerRecord
from grid.schemas.wire.system import DatabaseOut, QueueOut, StoreOut, SystemOut, WorkerOut
from grid.services.mode_board import ModeBoard
from grid.services.ports import ArtifactStore
from grid.services.system import read_system

router = Router(prefix="/system", tags=["system"], about="The service and its audit log (administrator)")

STARTED_AT: Final = datetime.now(UTC)  # when this process loaded its routes


@router.get("", responses=problems(401, 403))
def show_system(
    _administrator: Administrator,
    uow: FromDishka[UnitOfWork],
    store: FromDishka[ArtifactStore],
    settings: FromDishka[Settings],
    board: FromDishka[ModeBoard],
) -> SystemOut:
    """Show versions, workers, queues, disk and degraded modes (administrator)."""
    state = read_system(uow, store, settings)
    return SystemOut(
        version=__version__,
        started_at=STARTED_AT,
        database=DatabaseOut(kind=uow.database.kind, outbox_backlog=state.outbox_backlog),
        workers=[_worker(record) for record in state.workers],
        queues=[
            QueueOut(
                user_id=queue.owner_id,
                user=queue.username,
                queued=queue.queued,
                running=queue.active,
                queue_limit=queue.queue_limit if queue.queue_limit is not None else settings.grid_queue_limit,
            )
            for queue in state.queues
        ],
        store=StoreOut(
            kind=store.kind,
            free_bytes=state.disk.free if state.disk is not None else None,
            used_bytes=state.disk.used if state.disk is not None else None,
        ),
        modes=[present_mode(record) for record in board.records() if record.scope == SERVICE],
    )


def _worker(record: WorkerRecord) -> WorkerOut:
    """Return a worker with what it says of itself, as far as it is of the form that this version expects."""
    said = record.details
    simulations = said.get("simulations")
    return WorkerOut(
        id=record.id,
        host=record.host,
        version=_said(said, "version", str),
        started_at=record.started_at,
        seen_at=record.last_seen_at,
        polled_at=record.last_poll_at,
        slots=_said(said, "slots", int),
        busy=_said(said, "busy", int),
        live_runs=_said(said, "live_runs", int),
        draining=_said(said, "draining", bool),
        simulations={str(name): str(version) for name, version in simulations.items()}
        if isinstance(simulations, dict)
        else {},
    )


def _said(details: dict[str, Any], name: str, kind: type[Any]) -> Any:
    value = details.get(name)
    return value if type(value) is kind else None
