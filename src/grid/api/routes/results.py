"""Results of jobs: logs, as text and as a stream; files, one by one and as a zip."""

import asyncio
import time
from contextlib import ExitStack
from datetime import UTC, datetime
from functools import partial
from typing import Annotated, Any
from uuid import UUID

from fastapi import Depends, Header, Path, Query, Request, Response
from starlette.concurrency import run_in_threadpool
from starlette.responses import PlainTextResponse, StreamingResponse

from grid.api.dependencies import FromDishka, Router
from grid.api.files import PARTIAL, FileResponse, Responses, choose_span, cut, file_headers, is_known, not_modified
from grid.api.presenting import present_artifact
from grid.api.problems import problems
from grid.api.scope import Owner
from grid.api.security import FreshUser, get_claims, is_welcome
from grid.api.streams import JobStreamResponse, OpenStreams
from grid.core.errors import UnavailableError
from grid.core.settings import Settings
from grid.core.tokens import Claims
from grid.database.uow import UnitOfWork
from grid.plugins.registry import Registry
from grid.schemas.media_types import OTHER_MEDIA_TYPE
from grid.schemas.wire import ArtifactList
from grid.services import artifacts, logs
from grid.services import jobs as job_service
from grid.services.artifacts import Artifact
from grid.services.ports import ArtifactStore, Doorbell
from grid.services.sessions import SessionDirectory
from grid.services.zips import CHUNK_BYTES, ZipMember, measure_zip, stream_zip, tag_zip

router = Router(prefix="/jobs", tags=["jobs"])

RENDER_WAIT_S = 60.0  # [s] an answer is waited for: as long as most proxies wait
FIRST_LOOK_S, LONGEST_LOOK_S = 0.03, 0.5  # between looks at a render: soon at first, then less often

_BINARY: dict[str, Any] = {"schema": {"type": "string", "format": "binary"}}
_ZIP: Responses = {200: {"description": "A zip of all files", "content": {"application/zip": _BINARY}}}
_FILE: Responses = {200: {"description": "An attachment", "content": {OTHER_MEDIA_TYPE: _BINARY}}}
_EVENTS: Responses = {200: {"description": "Events", "content": {"text/event-stream": {"schema": {"type": "string"}}}}}


@router.get("/{job_id}/logs", response_class=PlainTextResponse, responses=problems(403, 404))
def get_job_logs(
    job_id: UUID,
    owner_id: Owner,
    uow: FromDishka[UnitOfWork],
    tail: Annotated[int | None, Query(ge=0, le=1_000_000, description="Only the last lines")] = None,
) -> str:
    """Show the log as text."""
    return logs.read_log(uow, owner_id=owner_id, job_id=job_id, tail=tail)


@router.get("/{job_id}/logs/stream", response_class=StreamingResponse, responses={**_EVENTS, **problems(403, 404, 429)})
async def stream_job_logs(
    job_id: UUID,
    user: FreshUser,
    owner_id: Owner,
    uow: FromDishka[UnitOfWork],
    streams: OpenStreams,
    claims: Annotated[Claims, Depends(get_claims)],
    sessions: FromDishka[SessionDirectory],
    last_event_id: Annotated[str | None, Header(max_length=64, description="Where to go on")] = None,
) -> JobStreamResponse:
    """Follow a job (server-sent events): `log` and `status` as they come, at last one `end`."""
    await run_in_threadpool(job_service.get_job, uow, owner_id=owner_id, job_id=job_id)
    subscription = streams.open(user.id, job_id)
    events = streams.events(
        subscription,
        last_event_id=last_event_id,
        expires_at=time.monotonic() + (user.expires_at - datetime.now(UTC)).total_seconds(),
        is_welcome=partial(is_welcome, sessions, claims),
    )
    return JobStreamResponse(streams, subscription, events)


@router.get("/{job_id}/artifacts", responses=problems(403, 404))
def list_artifacts(
    job_id: UUID, owner_id: Owner, uow: FromDishka[UnitOfWork], registry: FromDishka[Registry]
) -> ArtifactList:
    """List the files of a job. Those of a built-in simulation are made when they are asked for."""
    files = artifacts.list_artifacts(uow, registry, owner_id=owner_id, job_id=job_id)
    return ArtifactList(items=[present_artifact(job_id, file) for file in files])


@router.get(
    "/{job_id}/artifacts/{name}",
    response_class=StreamingResponse,
    responses={**_FILE, **PARTIAL, **problems(403, 404, 409, 410, 416, 422, 503, 507)},
)
async def get_artifact(
    job_id: UUID,
    name: Annotated[str, Path(min_length=1, max_length=255)],
    request: Request,
    owner_id: Owner,
    uow: FromDishka[UnitOfWork],
    registry: FromDishka[Registry],
    doorbell: FromDishka[Doorbell],
    store: FromDishka[ArtifactStore],
    settings: FromDishka[Settings],
) -> Response:
    """Download one file: whole, or the part that `Range` names, or not again where `If-None-Match` names it."""
    files = await _wait_for_files(uow, registry, doorbell, owner_id, job_id, name)
    tag, size = files[0].sha256 or "", files[0].size or 0
    if is_known(request.headers, tag):
        return not_modified(tag)
    span = choose_span(request.headers, size=size, tag=tag)
    ((file, source),) = await run_in_threadpool(
        artifacts.open_all, store, files, most_bytes=settings.grid_output_mb * 2**20
    )
    source.seek(span.start)
    blocks = cut(iter(lambda: source.read(CHUNK_BYTES), b""), 0, span.length)
    return FileResponse(blocks, span, [source], file_headers(file.name, tag), file.media_type)


@router.get(
    "/{job_id}/result",
    response_class=StreamingResponse,
    responses={**_ZIP, **PARTIAL, **problems(403, 404, 409, 410, 416, 422, 503, 507)},
)
async def get_result(
    job_id: UUID,
    request: Request,
    owner_id: Owner,
    uow: FromDishka[UnitOfWork],
    registry: FromDishka[Registry],
    doorbell: FromDishka[Doorbell],
    store: FromDishka[ArtifactStore],
    settings: FromDishka[Settings],
) -> Response:
    """Download all files of a successful job as a zip; 409 with the state where there is no result (yet).

    Equal files give equal bytes, so a download that broke off goes on with `Range` (and `If-Range`).
    """
    files = await _wait_for_files(uow, registry, doorbell, owner_id, job_id, None)
    tag = tag_zip((file.name, file.sha256 or "") for file in files)
    if is_known(request.headers, tag):
        return not_modified(tag)
    opened = await run_in_threadpool(artifacts.open_all, store, files, most_bytes=settings.grid_output_mb * 2**20)
    members = [ZipMember(file.name, file.size or 0, source) for file, source in opened]
    with ExitStack() as stack:
        for _, source in opened:
            stack.callback(source.close)
        size = await run_in_threadpool(measure_zip, members, tag)
        span = choose_span(request.headers, size=size, tag=tag)
        stack.pop_all()
    blocks = cut(stream_zip(members), span.start, span.stop)
    sources = [source for _, source in opened]
    return FileResponse(blocks, span, sources, file_headers(f"{job_id}.zip", tag), "application/zip")


async def _wait_for_files(
    uow: UnitOfWork, registry: Registry, doorbell: Doorbell, owner_id: UUID | None, job_id: UUID, name: str | None
) -> list[Artifact]:
    """Return stored files, after a worker has made them where they were not there.

    Raises:
        UnavailableError: They were not made within a minute; they may be on their way.
    """
    request = await run_in_threadpool(
        artifacts.request_files, uow, registry, doorbell, owner_id=owner_id, job_id=job_id, name=name
    )
    if request.render_id is None:
        return list(request.files)
    pause_s, deadline = FIRST_LOOK_S, time.monotonic() + RENDER_WAIT_S
    while time.monotonic() < deadline:
        files = await run_in_threadpool(artifacts.find_files, uow, registry, request.render_id, request.simulation)
        if files is not None:
            return files
        await asyncio.sleep(pause_s)
        pause_s = min(1.4 * pause_s, LONGEST_LOOK_S)
    raise UnavailableError("The files are still being made; ask again in a moment. Is a worker running?")
