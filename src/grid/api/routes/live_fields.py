"""A picture of a live run as a file: array, numbers, image, heat map, frames; and one value of it.

The newest, the last of one that has ended, or that of any tick that the run has passed (`grid.services.live.past`).
"""

from dataclasses import dataclass
from typing import Annotated, Any
from uuid import UUID

from fastapi import Depends, Query, Response
from pydantic import BaseModel, Field
from starlette.concurrency import run_in_threadpool

from grid.api.dependencies import FromDishka, Router
from grid.api.live.asking import ask_frame
from grid.api.live.hub import LiveHub
from grid.api.live.past import ask_past, require_few_bytes
from grid.api.live.serving import Hub
from grid.api.problems import problems
from grid.api.scope import Owner
from grid.api.security import CurrentUser
from grid.api.stream_places import StreamPlaces, find_places
from grid.core.errors import FieldError
from grid.database.live_runs import LiveRunRecord
from grid.database.uow import UnitOfWork
from grid.schemas.frame_requests import MOST_LEVEL, FrameCodec, FrameRequest, LiveField
from grid.schemas.jobs import JsonObject
from grid.schemas.media_types import FRAMES_MEDIA_TYPE, MEDIA_TYPES
from grid.services import live
from grid.services.live.log_export import find_end
from grid.services.live.past import MOST_FRAMES, find_tick, spread_ticks
from grid.services.ports import ArtifactStore, PastComputer

router = Router(prefix="/engine/runs", tags=["live runs"])

MOST_WIDTH = 2_048
MOST_TICK = 2**53
PICTURE_BITS = 16  # of a code: the value is within 1/131,068 of the span
AtTick = Annotated[int | None, Query(ge=0, le=MOST_TICK, description="A tick of the past; default the newest picture")]
AtTime = Annotated[
    float | None, Query(ge=0, le=1e15, allow_inf_nan=False, alias="t", description="As `tick`, by simulated time [s]")
]
Place = Annotated[float, Query(ge=-1e9, le=1e9, allow_inf_nan=False, description="[m]")]
Places = Annotated[StreamPlaces, Depends(find_places)]
Level = Annotated[int, Query(ge=0, le=MOST_LEVEL, description="0 for all cells, 1 for half along each axis")]
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


@dataclass(frozen=True)
class Moment:
    """A tick of the past, by its number or its simulated time; neither: the newest picture."""

    tick: AtTick = None
    time_s: AtTime = None


@dataclass(frozen=True)
class PictureAsker:
    """Gets pictures of runs, wherever they are.

    Args:
        hub: Asks the owners of runs.
        places: Of open streams.
        store: Where results are.
        computer: Computes the past.
        uow: Where runs are.
        user_id: Who asks.
        owner_id: Whose runs it may see; None: everybody's.
    """

    hub: LiveHub
    places: StreamPlaces
    store: ArtifactStore
    computer: PastComputer
    uow: UnitOfWork
    user_id: UUID
    owner_id: UUID | None

    async def ask(self, run: LiveRunRecord, request: FrameRequest, moment: Moment) -> bytes:
        """The frame of a run at a moment of its past; else the newest, or the last of one that ended with a result."""
        tick = find_tick(run, tick=moment.tick, time_s=moment.time_s)
        if tick is not None:
            return (await self.ask_past(run, request, (tick,)))[0]
        if run.result_manifest is not None:
            return await run_in_threadpool(_encode_result, self.store, run, request)
        self.places.take(self.user_id)  # it holds the run's owner up as a stream does
        try:
            return await ask_frame(self.hub, run, request)
        finally:
            self.places.give_back(self.user_id)

    async def ask_past(self, run: LiveRunRecord, request: FrameRequest, ticks: tuple[int, ...]) -> tuple[bytes, ...]:
        """The frames of a run at boundaries that it has passed."""
        self.places.take(self.user_id)  # nobody has all that are computed
        try:
            return await run_in_threadpool(
                ask_past, self.computer, self.uow, request, owner_id=self.owner_id, run_id=run.id, ticks=ticks
            )
        finally:
            self.places.give_back(self.user_id)


async def find_asker(
    user: CurrentUser,
    owner_id: Owner,
    hub: Hub,
    places: Places,
    store: FromDishka[ArtifactStore],
    computer: FromDishka[PastComputer],
    uow: FromDishka[UnitOfWork],
) -> PictureAsker:
    """Return what gets pictures for the caller."""
    return PictureAsker(hub, places, store, computer, uow, user.id, owner_id)


Asks = Annotated[PictureAsker, Depends(find_asker)]
At = Annotated[Moment, Depends()]


@router.get(
    "/{run_id}/frames",
    response_class=Response,
    responses={200: {"content": {FRAMES_MEDIA_TYPE: _BINARY}}, **_REFUSALS},
)
async def get_frames(
    run_id: UUID,
    owner_id: Owner,
    uow: FromDishka[UnitOfWork],
    asker: Asks,
    moment: At,
    from_tick: Annotated[int | None, Query(ge=0, le=MOST_TICK, description="First tick of several")] = None,
    to_tick: Annotated[int | None, Query(ge=0, le=MOST_TICK, description="Last; default where the run is")] = None,
    count: Annotated[int, Query(ge=1, le=MOST_FRAMES, description="Frames, spread evenly, both ends included")] = 1,
    field: Annotated[LiveField, Query(description="Name of the field")] = "temperature",
    level: Level = 0,
    bits: Annotated[int | None, Query(ge=8, le=16, description="Of a code: 8, 12 or 16")] = None,
    codec: Annotated[FrameCodec, Query(description="none, deflate (raw) or zstd")] = "deflate",
) -> Response:
    """Return frames of the past of a run behind each other, as the WebSocket sends them, marked as not live.

    One at `tick` or `t`, or `count` from `from_tick` to `to_tick`; without any of these the newest picture.
    """
    run, scene = await _find(uow, owner_id, run_id)
    request = FrameRequest(field, level, None, bits or (8 if field == "state" else 12), codec)
    if from_tick is None:
        return _send_frames((await asker.ask(run, request, moment),))
    if moment != Moment():
        raise FieldError("from_tick", "not given together with tick or t")
    ticks = spread_ticks(run, from_tick, find_end(run) if to_tick is None else to_tick, count)
    await run_in_threadpool(require_few_bytes, scene, request, len(ticks))
    return _send_frames(await asker.ask_past(run, request, ticks))


def _send_frames(frames: tuple[bytes, ...]) -> Response:
    return Response(b"".join(frames), media_type=FRAMES_MEDIA_TYPE, headers={"Grid-Frames": str(len(frames))})


@router.get(
    "/{run_id}/field",
    response_class=Response,
    responses={200: {"content": dict.fromkeys(("application/x-npy", "application/x-vti"), _BINARY)}, **_REFUSALS},
)
async def get_field(
    run_id: UUID,
    owner_id: Owner,
    uow: FromDishka[UnitOfWork],
    asker: Asks,
    moment: At,
    field: Annotated[LiveField, Query(description="Name of the field")] = "temperature",
    level: Level = 0,
    format: Annotated[str, Query(pattern="^(npy|json|vti)$", description="npy, json or vti")] = "json",  # noqa: A002
) -> Response:
    """Return the picture of a field, with the tick that it shows; at most 65,536 cells as JSON."""
    run, scene = await _find(uow, owner_id, run_id)
    data = await asker.ask(run, _request(field, level), moment)
    return await run_in_threadpool(_write, data, scene, format)


@router.get(
    "/{run_id}/heatmap.png", response_class=Response, responses={200: {"content": {"image/png": _BINARY}}, **_REFUSALS}
)
async def get_heatmap(
    run_id: UUID,
    owner_id: Owner,
    uow: FromDishka[UnitOfWork],
    asker: Asks,
    moment: At,
    field: Annotated[LiveField, Query(description="Name of the field")] = "temperature",
    width: Annotated[int, Query(ge=16, le=MOST_WIDTH, description="Pixels")] = 512,
) -> Response:
    """Draw the picture of a field: x to the right, y upwards, the middle plane of a body."""
    run, _ = await _find(uow, owner_id, run_id)
    data = await asker.ask(run, _request(field, 0), moment)
    return await run_in_threadpool(_draw, data, width)


@router.get("/{run_id}/probe", responses=_REFUSALS)
async def probe(
    run_id: UUID,
    owner_id: Owner,
    uow: FromDishka[UnitOfWork],
    asker: Asks,
    moment: At,
    x: Place | None = None,
    y: Place | None = None,
    z: Place | None = None,
    field: Annotated[LiveField, Query(description="Name of the field")] = "temperature",
) -> ProbeOut:
    """Return the value of a field in the cell at a position."""
    run, scene = await _find(uow, owner_id, run_id)
    position = tuple(place for place in (x, y, z) if place is not None)
    request = await run_in_threadpool(_aim, scene, position, field)
    data = await asker.ask(run, request, moment)
    return await run_in_threadpool(_probe, data, request)


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
