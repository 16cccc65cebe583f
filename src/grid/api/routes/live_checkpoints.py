"""Checkpoints of live runs: asked for by a command, listed with the snapshots that a run makes by itself."""

from uuid import UUID

from fastapi import status as http_status

from grid.api.dependencies import FromDishka, Router
from grid.api.live_commands import COMMAND_PROBLEMS, Commands
from grid.api.live_presenting import present_checkpoint
from grid.api.problems import problems
from grid.api.scope import Owner
from grid.database.uow import UnitOfWork
from grid.schemas.live import CommandKind
from grid.schemas.wire.live import AcceptedOut
from grid.schemas.wire.live_metrics import CheckpointList
from grid.services import live

router = Router(prefix="/engine/runs", tags=["live runs"])


@router.post("/{run_id}/checkpoints", status_code=http_status.HTTP_202_ACCEPTED, responses=COMMAND_PROBLEMS)
def add_checkpoint(run_id: UUID, commands: Commands) -> AcceptedOut:
    """Store the state of a run at the next boundary, and keep it; the event `snapshot` says its id, tick and hash."""
    return commands.send(run_id, CommandKind.CHECKPOINT)


@router.get("/{run_id}/checkpoints", responses=problems(403, 404))
def list_checkpoints(run_id: UUID, owner_id: Owner, uow: FromDishka[UnitOfWork]) -> CheckpointList:
    """List the snapshots of a run, the newest first."""
    run, _ = live.get_run(uow, owner_id=owner_id, run_id=run_id)
    found = live.list_snapshots(uow, owner_id=owner_id, run_id=run_id)
    return CheckpointList(items=[present_checkpoint(run, snapshot) for snapshot in found])
