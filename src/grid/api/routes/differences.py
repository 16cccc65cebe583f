"""Two jobs side by side: what differs in their inputs, their metrics, and a field."""

from functools import partial
from typing import Annotated
from urllib.parse import quote
from uuid import UUID

from fastapi import Path, Query, Request, Response
from starlette.concurrency import run_in_threadpool

from grid.api.dependencies import FromDishka, Router
from grid.api.presenting import API, present_axis
from grid.api.problems import problems
from grid.api.reading import FRAMES, read_in_turn, respond_frames
from grid.api.scope import Owner
from grid.database.uow import UnitOfWork
from grid.plugins.registry import Registry
from grid.schemas.fields import DEFAULT_CELLS, FieldRequest, read_time
from grid.schemas.frame_requests import FrameCodec
from grid.schemas.wire import ComparedMetricOut, DifferentInputOut, JobDifferenceOut, LargestOut, NormsOut
from grid.services import differences
from grid.services.differences import Compared, ComparedField, JobDifference
from grid.services.ports import ArtifactStore

router = Router(prefix="/jobs", tags=["jobs"])

FieldTime = Annotated[
    str, Query(max_length=5, description="`last` of both, or a place in the list of the first job's times")
]


@router.get("/{job_id}/diff/{other_id}", responses=problems(403, 404, 409, 410, 413))
async def compare_jobs(
    job_id: UUID,
    other_id: UUID,
    request: Request,
    owner_id: Owner,
    uow: FromDishka[UnitOfWork],
    registry: FromDishka[Registry],
    store: FromDishka[ArtifactStore],
    field: Annotated[
        str | None, Query(min_length=1, max_length=64, description="A field of both results, as `temperature`")
    ] = None,
    time: FieldTime = "last",
) -> JobDifferenceOut:
    """Compare two jobs: inputs that differ, metrics of both, and where a field is named its difference, b - a.

    Fields on different grids are compared on the coarser one along each axis, by conservative restriction.
    """
    chosen = differences.require_one_time(read_time(time))
    link = f"{API}/jobs/{job_id}/diff/{other_id}/fields/{quote(field or '', safe='')}?time={chosen}"

    def compare() -> JobDifferenceOut:
        pair = (job_id, other_id)
        found = differences.compare_jobs(uow, registry, store, owner_id=owner_id, job_ids=pair, name=field, time=chosen)
        return present_difference(found, link)  # reads whole arrays, so it belongs into the thread

    return await (run_in_threadpool(compare) if field is None else read_in_turn(request, compare))


@router.get(
    "/{job_id}/diff/{other_id}/fields/{name}",
    response_class=Response,
    responses={**FRAMES, **problems(403, 404, 409, 410, 413, 422)},
)
async def get_field_difference(
    job_id: UUID,
    other_id: UUID,
    name: Annotated[str, Path(min_length=1, max_length=64)],
    request: Request,
    owner_id: Owner,
    uow: FromDishka[UnitOfWork],
    registry: FromDishka[Registry],
    store: FromDishka[ArtifactStore],
    time: FieldTime = "last",
    max_cells: Annotated[
        int, Query(ge=1, description="Of the frame; a larger difference is reduced by means")
    ] = DEFAULT_CELLS,
    bits: Annotated[int, Query(ge=8, le=16, description="Of a value's code: 8, 12 or 16")] = 16,
    codec: Annotated[FrameCodec, Query(description="none, deflate (raw) or zstd")] = "deflate",
) -> Response:
    """Return the difference of a field, of the second job less the first, as one frame."""
    wanted = FieldRequest(differences.require_one_time(read_time(time)), max_cells=max_cells, bits=bits, codec=codec)
    pair = (job_id, other_id)
    tag = await run_in_threadpool(
        partial(differences.tag_difference, uow, registry, owner_id=owner_id, job_ids=pair, name=name, request=wanted)
    )

    def make() -> bytes:
        found = differences.compare_fields(
            uow, registry, store, owner_id=owner_id, job_ids=pair, name=name, time=wanted.time
        )
        return differences.encode_difference(found, pair, wanted)

    return await respond_frames(request, tag, make)


def present_difference(found: JobDifference, link: str) -> JobDifferenceOut:
    """Return a comparison, with the address of the frame where there is one."""
    base = JobDifferenceOut(
        inputs=[
            DifferentInputOut(name=one.name, title=one.title, unit=one.unit, a=one.first, b=one.second)
            for one in found.inputs
        ],
        inputs_total=found.inputs_total,
        inputs_equal=found.inputs_equal,
        metrics=[_present_metric(one) for one in found.metrics],
        reason=found.reason,
    )
    return base if found.field is None else base.model_copy(update=_field_members(found.field, link))


def _present_metric(one: Compared) -> ComparedMetricOut:
    return ComparedMetricOut(name=one.name, title=one.title, unit=one.unit, a=one.first, b=one.second)


def _field_members(field: ComparedField, link: str) -> dict[str, object]:
    difference, place = field.difference, field.difference.largest
    where = None
    if place is not None:
        values = {"a": difference.first, "b": difference.second, "difference": difference.values}
        where = LargestOut(
            index=list(place),
            at=difference.position(place),
            **{name: float(array[place]) for name, array in values.items()},
        )
    return {
        "unit": difference.unit,
        "norms": NormsOut(max=None if where is None else abs(where.difference), l2=difference.root_mean_square),
        "where": where,
        "axes": [present_axis(axis) for axis in difference.axes],
        "time_s": field.first_s,
        "other_time_s": field.second_s,
        "field": link,
    }
