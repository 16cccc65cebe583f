"""The newest picture of a live run as a file, or its last: array, numbers, image, heat map; and one value of it."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import Depends, Query, Response
from pydantic import BaseModel, Field
from starlette.concurrency import run_in_threadpool

from grid.api.dependencies import FromDishka, Router
from grid.api.live.asking import ask_frame
from grid.api.live.serving import Hub
from grid.api.problems import problems
from grid.api.scope import Owner
from grid.api.security import CurrentUser
from grid.api.stream_places import StreamPlaces, find_places
from grid.database.live_runs import LiveRunRecord
from grid.database.uow import UnitOfWork
from grid.schemas.frame_requests import MOST_LEVEL, FrameRequest, LiveField
from grid.schemas.jobs import JsonObject
from grid.schemas.media_types import MEDIA_TYPES
from grid.services import live
from grid.services.ports import ArtifactStore

router = Router(prefix="/engine/runs", tags=["live runs"])

MOST_WIDTH = 2_048
PICTURE_BITS = 16  # of a code: the value is within 1/131,068 of the span
Place = Annotated[float, Query(ge=-1e9, le=1e9, allow_inf_nan=False, description="[m]")]
Places = Annotated[StreamPlaces, Depends(find_places)]
_BINARY: dict[str, Any] = {"schema": {"type": "string", "format": "binary"}}
_REFUSALS = problems(403, 404, 409, 422, 429)


class ProbeOut(BaseModel):
    """The value of a field in the cell at a position."""

    field: LiveField
    tick: int
    time_s: float
    cell: list[int]
    value: float | None = Field(description="Null outside the body")
    error: float = Field(description="Largest error of the value by its code")


async def _find(uow: UnitOfWork, owner_id: UUID | None, run_id: UUID) -> tuple[LiveRunRecord, JsonObject]:
    return await run_in_threadpool(live.get_scene, uow, owner_id=owner_id, run_id=run_id)


@router.get(
    "/{run_id}/field",
    response_class=Response,
    responses={200: {"content": dict.fromkeys(("application/x-npy", "application/x-vti"), _BINARY)}, **_REFUSALS},
)
async def get_field(
    run_id: UUID,
    user: CurrentUser,
    owner_id: Owner,
    uow: FromDishka[UnitOfWork],
    hub: Hub,
    places: Places,
    store: FromDishka[ArtifactStore],
    field: Annotated[LiveField, Query(description="Name of the field")] = "temperature",
    level: Annotated[int, Query(ge=0, le=MOST_LEVEL, description="0 for all cells, 1 for half along each axis")] = 0,
    format: Annotated[str, Query(pattern="^(npy|json|vti)$", description="npy, json or vti")] = "json",  # noqa: A002
) -> Response:
    """Return the newest picture of a field, with the tick that it shows; at most 65,536 cells as JSON."""
    run, scene = await _find(uow, owner_id, run_id)
    data = await _ask(hub, places, store, user.id, run, _request(field, level))
    return await run_in_threadpool(_write, data, scene, format)


@router.get(
    "/{run_id}/heatmap.png", response_class=Response, responses={200: {"content": {"image/png": _BINARY}}, **_REFUSALS}
)
async def get_heatmap(
    run_id: UUID,
    user: CurrentUser,
    owner_id: Owner,
    uow: FromDishka[UnitOfWork],
    hub: Hub,
    places: Places,
    store: FromDishka[ArtifactStore],
    field: Annotated[LiveField, Query(description="Name of the field")] = "temperature",
    width: Annotated[int, Query(ge=16, le=MOST_WIDTH, description="Pixels")] = 512,
) -> Response:
    """Draw the newest picture of a field: x to the right, y upwards, the middle plane of a body."""
    run, _ = await _find(uow, owner_id, run_id)
    data = await _ask(hub, places, store, user.id, run, _request(field, 0))
    return await run_in_threadpool(_draw, data, width)


@router.get("/{run_id}/probe", responses=_REFUSALS)
async def probe(
    run_id: UUID,
    user: CurrentUser,
    owner_id: Owner,
    uow: FromDishka[UnitOfWork],
    hub: Hub,
    places: Places,
    store: FromDishka[ArtifactStore],
    x: Place | None = None,
    y: Place | None = None,
    z: Place | None = None,
    field: Annotated[LiveField, Query(description="Name of the field")] = "temperature",
) -> ProbeOut:
    """Return the value of a field in the cell at a position."""
    run, scene = await _find(uow, owner_id, run_id)
    position = tuple(place for place in (x, y, z) if place is not None)
    request = await run_in_threadpool(_aim, scene, position, field)
    data = await _ask(hub, places, store, user.id, run, request)
    return await run_in_threadpool(_probe, data, request)


async def _ask(
    hub: Hub, places: StreamPlaces, store: ArtifactStore, user_id: UUID, run: LiveRunRecord, request: FrameRequest
) -> bytes:
    """The newest frame of a run, or the last of one that has ended with a result."""
    if run.result_manifest is not None:
        return await run_in_threadpool(_encode_result, store, run, request)
    places.take(user_id)  # it holds the run's owner up as a stream does
    try:
        return await ask_frame(hub, run, request)
    finally:
        places.give_back(user_id)


def _encode_result(store: ArtifactStore, run: LiveRunRecord, request: FrameRequest) -> bytes:
    from grid.runtime.live.result_frames import encode_result

    return encode_result(store.open, run.result_manifest or {}, request, run_id=run.id, time_s=run.time_s)


def _request(field: LiveField, level: int) -> FrameRequest:
    return FrameRequest(field, level, None, 8 if field == "state" else PICTURE_BITS, "none")


def _aim(scene: JsonObject, position: tuple[float, ...], field: LiveField) -> FrameRequest:
    from grid.runtime.live.field_files import find_cell

    return FrameRequest(field, 0, find_cell(scene, position), 8 if field == "state" else PICTURE_BITS, "none")


def _write(data: bytes, scene: JsonObject, kind: str) -> Response:
    from grid.runtime.live import field_files
    from grid.schemas.frames import decode_frame

    frame = decode_frame(data)
    if kind == "npy":
        content = field_files.write_npy(frame)
    elif kind == "vti":
        content = field_files.write_vti(frame, scene)
    else:
        content = field_files.write_json(frame, scene)
    return Response(content, media_type=MEDIA_TYPES[f".{kind}"], headers=_headers(field_files.describe(frame)))


def _draw(data: bytes, width: int) -> Response:
    from grid.runtime.live import field_files
    from grid.schemas.frames import decode_frame

    frame = decode_frame(data)
    content = field_files.write_png(frame, width)
    return Response(content, media_type=MEDIA_TYPES[".png"], headers=_headers(field_files.describe(frame)))


def _probe(data: bytes, request: FrameRequest) -> ProbeOut:
    from grid.runtime.live.field_files import describe, read_value
    from grid.schemas.frames import decode_frame

    frame = decode_frame(data)
    said = describe(frame)
    cell = [first for first, _ in request.region or ()]
    return ProbeOut(
        field=request.field, tick=said["tick"], time_s=said["time_s"], cell=cell, value=read_value(frame),
        error=said["error"],
    )  # fmt: skip


def _headers(said: JsonObject) -> dict[str, str]:
    return {"Grid-Tick": str(said["tick"]), "Grid-Time": repr(said["time_s"]), "Grid-Error": repr(said["error"])}
