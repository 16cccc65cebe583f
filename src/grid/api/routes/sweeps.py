"""Sweeps: progress, the table of points, and cancelling what is left."""

from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import Query
from fastapi import status as http_status
from starlette.responses import StreamingResponse

from grid.api.dependencies import FromDishka, Router
from grid.api.listing import ById, CommonFilters, PageNumber, choose_window
from grid.api.presenting import place_members, present_point, present_sweep, sweep_members
from grid.api.problems import problems
from grid.api.scope import Owner
from grid.api.security import CurrentUser
from grid.core.errors import FieldError
from grid.database.sweeps import SweepFilter
from grid.database.uow import UnitOfWork
from grid.schemas.jobs import JobStatus, JobVerdict, Reason
from grid.schemas.wire import MAX_SWEEP_POINTS, SweepOut, SweepPage, SweepTable
from grid.services import sweeps as sweep_service
from grid.services.ports import Doorbell

router = Router(prefix="/sweeps", tags=["sweeps"], about="Many points as one: progress and the table")

TABLE_SIZE = 100  # points of an answer
TableSize = Annotated[int | None, Query(ge=1, le=1000, description=f"Most rows of the answer; default: {TABLE_SIZE}")]
_CSV: dict[int | str, dict[str, Any]] = {200: {"content": {"text/csv": {"schema": {"type": "string"}}}}}


@router.get("", responses=problems(403))
def list_sweeps(
    uow: FromDishka[UnitOfWork],
    common: CommonFilters,
    window: ById,
    status: Annotated[
        list[JobStatus] | None, Query(description="Only sweeps with a point in this state; repeatable")
    ] = None,
    reason: Annotated[
        list[Reason] | None, Query(description="Only sweeps with a point that ended so; repeatable")
    ] = None,
    verdict: Annotated[
        list[JobVerdict] | None, Query(description="Only sweeps with a point whose audits say so; repeatable")
    ] = None,
    simulation: Annotated[str | None, Query(max_length=100, pattern=r"^[a-z0-9\-]+$")] = None,
) -> SweepPage:
    """List sweeps, newest first; filter as jobs, by state, reason and verdict of one of their points."""
    wanted = SweepFilter(
        **common._asdict(),
        simulation=simulation,
        statuses=status or (),
        reasons=reason or (),
        verdicts=verdict or (),
    )
    found = sweep_service.list_sweeps(uow, wanted, window)
    return SweepPage(items=[present_sweep(sweep) for sweep in found.items], **place_members(found))


@router.get("/{sweep_id}", response_model=SweepTable, responses={**_CSV, **problems(403, 404)})
def get_sweep(
    sweep_id: UUID,
    owner_id: Owner,
    uow: FromDishka[UnitOfWork],
    page: PageNumber = None,
    size: TableSize = None,
    after: Annotated[int | None, Query(ge=0, le=MAX_SWEEP_POINTS, description="Points behind this place")] = None,
    limit: TableSize = None,
    status: Annotated[
        list[JobStatus] | None, Query(description="Only points in this state; repeatable. By cursor alone")
    ] = None,
    format: Annotated[Literal["json", "csv"], Query(description="csv: the whole table at once")] = "json",  # noqa: A002
) -> SweepTable | StreamingResponse:
    """Show a sweep: counts by state, and parameters, states and metrics of its points, part by part."""
    if format == "csv":
        if any(choice is not None for choice in (page, size, after, limit, status)):
            raise FieldError("format", "csv is the whole table: leave out page, size, after, limit and status")
        sweep_service.get_sweep(uow, owner_id=owner_id, sweep_id=sweep_id)  # not found is said before the answer begins
        lines = sweep_service.stream_csv(uow, owner_id=owner_id, sweep_id=sweep_id)
        disposition = {"Content-Disposition": f'attachment; filename="{sweep_id}.csv"'}
        return StreamingResponse(lines, media_type="text/csv", headers=disposition)
    window = choose_window(page, size, after, limit, default_size=TABLE_SIZE)
    if status and window.page is not None:
        raise FieldError("status", "goes with limit and after, not with pages, whose rows are places of the sweep")
    sweep, table = sweep_service.read_table(
        uow, owner_id=owner_id, sweep_id=sweep_id, window=window, states=status or ()
    )
    rows = [present_point(job) for job in table.items]
    return SweepTable(**sweep_members(sweep), rows=rows, **place_members(table))


@router.delete("/{sweep_id}", status_code=http_status.HTTP_202_ACCEPTED, responses=problems(403, 404, 507))
def cancel_sweep(
    sweep_id: UUID, user: CurrentUser, owner_id: Owner, uow: FromDishka[UnitOfWork], doorbell: FromDishka[Doorbell]
) -> SweepOut:
    """Cancel every point that has not ended; harmless when repeated."""
    sweep = sweep_service.cancel_sweep(uow, doorbell, actor_id=user.id, owner_id=owner_id, sweep_id=sweep_id)
    return present_sweep(sweep)
