"""Degraded modes: what each part of the service, and each run, can do at present."""

from grid.api.alert_presenting import present_mode
from grid.api.dependencies import FromDishka, Router
from grid.api.problems import problems
from grid.api.scope import Owner
from grid.database.mode_states import SERVICE
from grid.database.uow import UnitOfWork
from grid.schemas.wire.incidents import ModesOut
from grid.services.mode_board import ModeBoard, list_own_runs

router = Router(prefix="/modes", tags=["modes"], about="What works, and what works with less than usual")


@router.get("", responses=problems(403))
def list_modes(owner_id: Owner, board: FromDishka[ModeBoard], uow: FromDishka[UnitOfWork]) -> ModesOut:
    """List the modes of the service's parts and of your runs: since when, why, by what evidence, and what to do."""
    scopes = {SERVICE} | list_own_runs(uow, owner_id)
    records = [record for record in board.records() if record.scope in scopes]
    return ModesOut(mode=board.describe(), items=[present_mode(record) for record in records])
