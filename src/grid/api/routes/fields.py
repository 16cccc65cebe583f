"""Fields of finished jobs: what there is, and frames of the format of live runs, without a worker."""

from functools import partial
from typing import Annotated
from uuid import UUID

from fastapi import Path, Query, Request, Response
from starlette.concurrency import run_in_threadpool

from grid.api.dependencies import FromDishka, Router
from grid.api.presenting import present_axis, present_column
from grid.api.problems import problems
from grid.api.reading import FRAMES, read_in_turn, respond_frames
from grid.api.scope import Owner
from grid.database.uow import UnitOfWork
from grid.plugins.registry import Registry
from grid.schemas.fields import DEFAULT_CELLS, MOST_CELLS, AxisName, FieldRequest, read_time
from grid.schemas.frame_requests import MOST_CELL, FrameCodec
from grid.schemas.wire import FieldList, FieldOut, SeriesOut
from grid.services import fields, series
from grid.services.fields import MeasuredField
from grid.services.ports import ArtifactStore

router = Router(prefix="/jobs", tags=["jobs"])


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
    found = await read_in_turn(request, partial(fields.list_fields, source, store))
    return FieldList(items=[_present(one) for one in found])


@router.get(
    "/{job_id}/fields/{name}", response_class=Response, responses={**FRAMES, **problems(403, 404, 409, 410, 422)}
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
    return await respond_frames(request, tag, partial(fields.encode_field, source, store, name, wanted))


@router.get("/{job_id}/series", responses=problems(403, 404, 409, 410))
async def get_job_series(
    job_id: UUID,
    request: Request,
    owner_id: Owner,
    uow: FromDishka[UnitOfWork],
    registry: FromDishka[Registry],
    store: FromDishka[ArtifactStore],
) -> SeriesOut:
    """Return quantities of a job over the times that its record keeps; none where its simulation names none."""
    columns = await read_in_turn(
        request, partial(series.read_series, uow, registry, store, owner_id=owner_id, job_id=job_id)
    )
    return SeriesOut(columns=[present_column(column) for column in columns])


def _present(one: MeasuredField) -> FieldOut:
    field, figures = one.field, one.figures
    return FieldOut(
        name=field.name,
        title=field.title,
        unit=field.unit,
        map=field.map,
        axes=[present_axis(axis) for axis in field.axes],
        times=[part.time_s for part in field.parts],
        kept="all" if field.is_complete else "snapshots",
        min=figures.low,
        max=figures.high,
        sha256=figures.sha256,
    )
