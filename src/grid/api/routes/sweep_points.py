"""Points of a sweep together: columns of all, fields of some, and another run of those that failed."""

from functools import partial
from typing import Annotated
from uuid import UUID

from fastapi import Header, Path, Query, Request, Response
from fastapi import status as http_status
from starlette.concurrency import run_in_threadpool

from grid.api.dependencies import FromDishka, Router
from grid.api.files import Responses, is_known, not_modified
from grid.api.presenting import present_sweep
from grid.api.problems import problems
from grid.api.reading import FRAMES, respond_frames
from grid.api.scope import Owner
from grid.api.security import CurrentUser
from grid.core.errors import FieldError
from grid.database.uow import UnitOfWork
from grid.plugins.registry import Registry
from grid.schemas.fields import AxisName, FieldRequest, read_time
from grid.schemas.frame_requests import MOST_CELL, FrameCodec
from grid.schemas.wire import ColumnOut, RerunIn, SweepColumnsOut, SweepOut
from grid.services import sweep_columns, sweep_fields
from grid.services import sweeps as sweep_service
from grid.services.ports import ArtifactStore
from grid.services.submissions import SubmissionService
from grid.services.sweep_columns import MOST_NAMES, SweepColumns
from grid.services.sweep_fields import DEFAULT_POINT_CELLS, MOST_POINTS
from grid.services.sweep_reruns import rerun_sweep

router = Router(prefix="/sweeps", tags=["sweeps"])

MOST_NAMES_TEXT = 8192  # characters of a list of names
_UNCHANGED: Responses = {304: {"description": "`If-None-Match` names this state of the points"}}


@router.get("/{sweep_id}/columns", response_model=SweepColumnsOut, responses={**_UNCHANGED, **problems(403, 404)})
def get_sweep_columns(
    sweep_id: UUID,
    request: Request,
    owner_id: Owner,
    uow: FromDishka[UnitOfWork],
    registry: FromDishka[Registry],
    names: Annotated[
        str | None,
        Query(
            max_length=MOST_NAMES_TEXT,
            description=f"Up to {MOST_NAMES}, as `params.length,metrics.largest_error`; a dotted name leads into a "
            "nested problem. Default: parameters that differ, and all metrics",
        ),
    ] = None,
) -> Response:
    """Return all points of a sweep as columns: place, id, state, reason, and parameters and metrics by name."""
    chosen = read_names(names)
    tag = sweep_columns.tag_columns(uow, owner_id=owner_id, sweep_id=sweep_id)
    if is_known(request.headers, tag):
        return not_modified(tag)
    found = sweep_columns.read_columns(uow, registry, owner_id=owner_id, sweep_id=sweep_id, names=chosen)
    headers = {"ETag": f'"{found.tag}"', "Cache-Control": "private, no-cache"}
    return Response(present_columns(found).model_dump_json(), media_type="application/json", headers=headers)


def read_names(text: str | None) -> list[str]:
    """Return the names of a query, each once.

    Raises:
        FieldError: There are more than 64.
    """
    names = list(dict.fromkeys(name for name in (text or "").split(",") if name))
    if len(names) > MOST_NAMES:
        raise FieldError("names", f"at most {MOST_NAMES} names")
    return names


def present_columns(found: SweepColumns) -> SweepColumnsOut:
    """Return columns without checking their values one by one: they come from the ledger."""
    columns = [
        ColumnOut.model_construct(name=one.name, title=one.title, unit=one.unit, values=list(one.values))
        for one in found.columns
    ]
    return SweepColumnsOut.model_construct(
        points=found.record.total,
        version=found.record.version,
        index=[point.place for point in found.points],
        job_id=[point.job_id for point in found.points],
        status=[point.state for point in found.points],
        reason=[point.reason for point in found.points],
        columns=columns,
    )


@router.get("/{sweep_id}/fields/{name}", response_class=Response, responses={**FRAMES, **problems(403, 404, 410, 422)})
async def get_sweep_field(
    sweep_id: UUID,
    name: Annotated[str, Path(min_length=1, max_length=64)],
    request: Request,
    owner_id: Owner,
    uow: FromDishka[UnitOfWork],
    registry: FromDishka[Registry],
    store: FromDishka[ArtifactStore],
    points: Annotated[
        str, Query(max_length=512, description=f"Places of up to {MOST_POINTS} points, as `0,4,9`")
    ] = "0",
    time: Annotated[str, Query(max_length=5, description="`last`, or a place in the list of times")] = "last",
    axis: Annotated[AxisName | None, Query(description="Only the plane normal to this axis")] = None,
    index: Annotated[
        int | None, Query(ge=0, le=MOST_CELL, description="Place of the plane along the axis; default the middle")
    ] = None,
    max_cells: Annotated[int, Query(ge=1, description="Of a frame; a larger field is reduced by means")] = (
        DEFAULT_POINT_CELLS
    ),
    bits: Annotated[int, Query(ge=8, le=16, description="Of a value's code: 8, 12 or 16")] = 16,
    codec: Annotated[FrameCodec, Query(description="none, deflate (raw) or zstd")] = "deflate",
) -> Response:
    """Return a frame of each of some points, in the order of their places; the `epoch` of a frame is its point's place.

    Points without a result, or that were removed, are left out.
    """
    wanted = FieldRequest(read_time(time), axis, index, max_cells, bits, codec)
    found = await run_in_threadpool(
        partial(
            sweep_fields.find_sources,
            uow,
            registry,
            owner_id=owner_id,
            sweep_id=sweep_id,
            places=sweep_fields.read_places(points),
            request=wanted,
        )
    )
    tag = found.tag(name, wanted)
    make = partial(sweep_fields.encode_points, found, store, name, wanted)
    return await respond_frames(request, tag, make)


@router.post(
    "/{sweep_id}/rerun",
    status_code=http_status.HTTP_202_ACCEPTED,
    responses=problems(403, 404, 409, 413, 415, 422, 429, 507),
)
def rerun_points(
    sweep_id: UUID,
    body: RerunIn,
    user: CurrentUser,
    owner_id: Owner,
    uow: FromDishka[UnitOfWork],
    submissions: FromDishka[SubmissionService],
    idempotency_key: Annotated[
        str | None, Header(description="A key of your own; the same request with it is carried out once")
    ] = None,
) -> SweepOut:
    """Run the points of a sweep that ended badly once more, as a new sweep with the label `rerun_of`."""
    result = rerun_sweep(
        submissions,
        actor_id=user.id,
        owner_id=owner_id,
        sweep_id=sweep_id,
        selection=body.select,
        key=idempotency_key,
    )
    return present_sweep(sweep_service.get_sweep(uow, owner_id=user.id, sweep_id=result.require_sweep()))
