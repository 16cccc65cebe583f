"""Sweeps: progress, the table of points, and cancelling what is left."""

from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import Query, status
from starlette.responses import StreamingResponse

from grid.api.dependencies import FromDishka, Router
from grid.api.presenting import present_point, present_sweep, sweep_members
from grid.api.problems import problems
from grid.api.routes.jobs import Page, PageSize
from grid.api.scope import Owner
from grid.api.security import CurrentUser
from grid.database.uow import UnitOfWork
from grid.schemas.wire import SweepOut, SweepPage, SweepTable
from grid.services import sweeps as sweep_service
from grid.services.ports import Doorbell

router = Router(prefix="/sweeps", tags=["sweeps"])

TableSize = Annotated[int, Query(ge=1, le=1000)]
_CSV: dict[int | str, dict[str, Any]] = {200: {"content": {"text/csv": {"schema": {"type": "string"}}}}}


@router.get("", responses=problems(403))
def list_sweeps(owner_id: Owner, uow: FromDishka[UnitOfWork], page: Page = 1, size: PageSize = 50) -> SweepPage:
    """List sweeps, newest first."""
    found = sweep_service.list_sweeps(uow, owner_id=owner_id, page=page, size=size)
    items = [present_sweep(sweep) for sweep in found.items]
    return SweepPage(items=items, page=page, size=size, total=found.count.number, pages=found.pages)


@router.get("/{sweep_id}", response_model=SweepTable, responses={**_CSV, **problems(403, 404)})
def get_sweep(
    sweep_id: UUID,
    owner_id: Owner,
    uow: FromDishka[UnitOfWork],
    page: Page = 1,
    size: TableSize = 100,
    format: Annotated[Literal["json", "csv"], Query(description="csv: the whole table at once")] = "json",  # noqa: A002
) -> SweepTable | StreamingResponse:
    """Show a sweep: counts by state, and parameters, states and metrics of its points, page by page."""
    if format == "csv":
        sweep_service.get_sweep(uow, owner_id=owner_id, sweep_id=sweep_id)  # not found is said before the answer begins
        lines = sweep_service.stream_csv(uow, owner_id=owner_id, sweep_id=sweep_id)
        disposition = {"Content-Disposition": f'attachment; filename="{sweep_id}.csv"'}
        return StreamingResponse(lines, media_type="text/csv", headers=disposition)
    sweep, table = sweep_service.read_table(uow, owner_id=owner_id, sweep_id=sweep_id, page=page, size=size)
    return SweepTable(
        **sweep_members(sweep),
        rows=[present_point(job) for job in table.items],
        page=page,
        size=size,
        total=table.count.number,
        pages=table.pages,
    )


@router.delete("/{sweep_id}", status_code=status.HTTP_202_ACCEPTED, responses=problems(403, 404, 507))
def cancel_sweep(
    sweep_id: UUID, user: CurrentUser, owner_id: Owner, uow: FromDishka[UnitOfWork], doorbell: FromDishka[Doorbell]
) -> SweepOut:
    """Cancel every point that has not ended; harmless when repeated."""
    sweep = sweep_service.cancel_sweep(uow, doorbell, actor_id=user.id, owner_id=owner_id, sweep_id=sweep_id)
    return present_sweep(sweep)
