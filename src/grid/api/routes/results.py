"""What jobs leave: logs, as text and as a stream; files, one by one and as a zip."""

import asyncio
import time
from datetime import UTC, datetime
from functools import partial
from typing import Annotated, Any, BinaryIO
from urllib.parse import quote
from uuid import UUID

from fastapi import Depends, Header, Path, Query
from starlette.concurrency import run_in_threadpool
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.types import Receive, Scope, Send

from grid.api.dependencies import FromDishka, Router
from grid.api.presenting import present_artifact
from grid.api.problems import problems
from grid.api.scope import Owner
from grid.api.security import FreshUser, get_claims
from grid.api.streams import JobStreamResponse, OpenStreams
from grid.core.errors import AuthenticationError, UnavailableError
from grid.core.settings import Settings
from grid.core.tokens import Claims
from grid.database.uow import UnitOfWork
from grid.plugins.registry import Registry
from grid.schemas.wire import ArtifactList
from grid.services import artifacts, logs
from grid.services import jobs as job_service
from grid.services.artifacts import Artifact
from grid.services.ports import ArtifactStore, Doorbell
from grid.services.sessions import SessionDirectory
from grid.services.zips import CHUNK_BYTES, ZipMember, stream_zip

router = Router(prefix="/jobs", tags=["jobs"])

RENDER_WAIT_S = 60.0
FIRST_LOOK_S, LONGEST_LOOK_S = 0.03, 0.5  # between looks at a render: soon at first, then less often

Responses = dict[int | str, dict[str, Any]]
_BINARY: dict[str, Any] = {"schema": {"type": "string", "format": "binary"}}
_ZIP: Responses = {200: {"description": "A zip of all files", "content": {"application/zip": _BINARY}}}
_FILE: Responses = {200: {"description": "An attachment", "content": {artifacts.OTHER_MEDIA_TYPE: _BINARY}}}
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
        is_welcome=partial(_is_welcome, sessions, claims),
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
    responses={**_FILE, **problems(403, 404, 409, 410, 422, 503, 507)},
)
async def get_artifact(
    job_id: UUID,
    name: Annotated[str, Path(min_length=1, max_length=255)],
    owner_id: Owner,
    uow: FromDishka[UnitOfWork],
    registry: FromDishka[Registry],
    doorbell: FromDishka[Doorbell],
    store: FromDishka[ArtifactStore],
    settings: FromDishka[Settings],
) -> StreamingResponse:
    """Download one file."""
    files = await _wait_for_files(uow, registry, doorbell, owner_id, job_id, name)
    ((file, source),) = await run_in_threadpool(
        artifacts.open_all, store, files, most_bytes=settings.grid_output_mb * 2**20
    )
    headers = _attachment(file.name) | {"Content-Length": str(file.size), "ETag": f'"{file.sha256}"'}
    return FileStreamResponse(iter(lambda: source.read(CHUNK_BYTES), b""), [source], headers, file.media_type)


@router.get(
    "/{job_id}/result",
    response_class=StreamingResponse,
    responses={**_ZIP, **problems(403, 404, 409, 410, 422, 503, 507)},
)
async def get_result(
    job_id: UUID,
    owner_id: Owner,
    uow: FromDishka[UnitOfWork],
    registry: FromDishka[Registry],
    doorbell: FromDishka[Doorbell],
    store: FromDishka[ArtifactStore],
    settings: FromDishka[Settings],
) -> StreamingResponse:
    """Download all files of a successful job as a zip; 409 with the state where there is no result (yet)."""
    files = await _wait_for_files(uow, registry, doorbell, owner_id, job_id, None)
    opened = await run_in_threadpool(artifacts.open_all, store, files, most_bytes=settings.grid_output_mb * 2**20)
    members = [ZipMember(file.name, file.size or 0, source) for file, source in opened]
    sources = [source for _, source in opened]
    return FileStreamResponse(stream_zip(members), sources, _attachment(f"{job_id}.zip"), "application/zip")


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


async def _is_welcome(sessions: SessionDirectory, claims: Claims) -> bool:
    try:
        await run_in_threadpool(sessions.get, claims)
    except AuthenticationError:
        return False
    except UnavailableError:
        return True  # the database is away for a moment
    return True


def _attachment(name: str) -> dict[str, str]:
    return {
        "Content-Disposition": f"attachment; filename*=UTF-8''{quote(name, safe='')}",
        "X-Content-Type-Options": "nosniff",
        "Accept-Ranges": "none",
        "Cache-Control": "private, no-cache",
    }


class FileStreamResponse(StreamingResponse):
    """A streamed answer that closes its sources however it ends, also where it never began."""

    def __init__(self, content: Any, sources: list[BinaryIO], headers: dict[str, str], media_type: str) -> None:
        super().__init__(content, headers=headers, media_type=media_type)
        self._sources = sources

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the answer."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            for source in self._sources:
                source.close()
