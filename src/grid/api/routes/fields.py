"""Fields of finished jobs: what there is, and frames of the format of live runs, without a worker."""

from collections.abc import Callable
from functools import partial
from typing import Annotated, Any, TypeVar
from uuid import UUID

from anyio import CapacityLimiter
from anyio.to_thread import run_sync
from fastapi import Path, Query, Request, Response
from starlette.concurrency import run_in_threadpool

from grid.api.dependencies import FromDishka, Router
from grid.api.files import Responses, is_known, not_modified
from grid.api.problems import problems
from grid.api.scope import Owner
from grid.database.uow import UnitOfWork
from grid.plugins.registry import Registry
from grid.schemas.fields import DEFAULT_CELLS, MOST_CELLS, AxisName, FieldAxis, FieldRequest, read_time
from grid.schemas.frame_requests import MOST_CELL, FrameCodec
from grid.schemas.media_types import FRAMES_MEDIA_TYPE
from grid.schemas.wire import FieldAxisOut, FieldList, FieldOut
from grid.services import fields
from grid.services.fields import MeasuredField
from grid.services.ports import ArtifactStore

router = Router(prefix="/jobs", tags=["jobs"])

READERS = 2  # at once: each holds tens of megabytes at most, and keeps a core busy
T = TypeVar("T")
_FRAMES: Responses = {
    200: {
        "description": "One frame, or one for each time behind each other",
        "content": {FRAMES_MEDIA_TYPE: {"schema": {"type": "string", "format": "binary"}}},
    },
    304: {"description": "`If-None-Match` names these frames: they have not changed"},
}


@router.get("/{job_id}/fields", responses=problems(403, 404, 409, 410))
async def list_job_fields(
    job_id: UUID,
    request: Request,
    owner_id: Owner,
    uow: FromDishka[UnitOfWork],
    registry: FromDishka[Registry],
    store: FromDishka[ArtifactStore],
) -> FieldList:
    """List the fields that the result of a job holds; none where its simulation names none."""
    source = await run_in_threadpool(fields.find_source, uow, registry, owner_id=owner_id, job_id=job_id)
    found = await _read(request, partial(fields.list_fields, source, store))
    return FieldList(items=[_present(one) for one in found])


@router.get(
    "/{job_id}/fields/{name}", response_class=Response, responses={**_FRAMES, **problems(403, 404, 409, 410, 422)}
)
async def get_job_field(
    job_id: UUID,
    name: Annotated[str, Path(min_length=1, max_length=64)],
    request: Request,
    owner_id: Owner,
    uow: FromDishka[UnitOfWork],
    registry: FromDishka[Registry],
    store: FromDishka[ArtifactStore],
    time: Annotated[str, Query(max_length=5, description="`last`, `all`, or a place in the list of times")] = "last",
    axis: Annotated[AxisName | None, Query(description="Only the plane normal to this axis")] = None,
    index: Annotated[
        int | None, Query(ge=0, le=MOST_CELL, description="Place of the plane along the axis; default the middle")
    ] = None,
    max_cells: Annotated[
        int, Query(ge=1, le=MOST_CELLS, description="Of a frame; a larger field is reduced by means")
    ] = DEFAULT_CELLS,
    bits: Annotated[int, Query(ge=8, le=16, description="Of a value's code: 8, 12 or 16")] = 16,
    codec: Annotated[FrameCodec, Query(description="none, deflate (raw) or zstd")] = "deflate",
) -> Response:
    """Return frames of a field: of the last time, of one, or of all that are kept.

    Each has the field 0, the place of its time as `tick`, the epoch 0, and the beginning of the job's id.
    """
    wanted = FieldRequest(read_time(time), axis, index, max_cells, bits, codec)
    source = await run_in_threadpool(fields.find_source, uow, registry, owner_id=owner_id, job_id=job_id)
    tag = source.tag(name, wanted)
    is_any = request.headers.get("if-none-match", "").strip() == "*"  # names frames that can be made, whatever they are
    if not is_any and is_known(request.headers, tag):
        return not_modified(tag)
    data = await _read(request, partial(fields.encode_field, source, store, name, wanted))
    if is_any:
        return not_modified(tag)
    headers = {"ETag": f'"{tag}"', "Cache-Control": "private, no-cache", "X-Content-Type-Options": "nosniff"}
    return Response(data, media_type=FRAMES_MEDIA_TYPE, headers=headers)


async def _read(request: Request, work: Callable[[], T]) -> T:
    """Read a record in a thread, a few at once in a server."""
    state: Any = request.app.state
    if not hasattr(state, "field_readers"):
        state.field_readers = CapacityLimiter(READERS)
    return await run_sync(work, limiter=state.field_readers)


def _present(one: MeasuredField) -> FieldOut:
    field, figures = one.field, one.figures
    return FieldOut(
        name=field.name,
        title=field.title,
        unit=field.unit,
        map=field.map,
        axes=[_present_axis(axis) for axis in field.axes],
        times=[part.time_s for part in field.parts],
        kept="all" if field.is_complete else "snapshots",
        min=figures.low,
        max=figures.high,
        sha256=figures.sha256,
    )


def _present_axis(axis: FieldAxis) -> FieldAxisOut:
    values = None if axis.values is None else list(axis.values)
    return FieldAxisOut(
        name=axis.name,
        unit=axis.unit,
        at=axis.at,
        count=axis.count,
        origin=axis.origin,
        spacing=axis.spacing,
        values=values,
    )
