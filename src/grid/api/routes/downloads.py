"""Downloads by a link that is used once, for browsers: following a link sends no header."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import Depends, Path, Request, Response, status
from starlette.concurrency import run_in_threadpool
from starlette.responses import StreamingResponse

from grid.api.anonymous import mark_known
from grid.api.dependencies import FromDishka, Router
from grid.api.files import PARTIAL
from grid.api.problems import problems
from grid.api.routes.incidents import export_incident
from grid.api.routes.results import get_artifact, get_result
from grid.api.routes.sweeps import get_sweep
from grid.api.security import FreshUser
from grid.core.settings import Settings
from grid.database.uow import UnitOfWork
from grid.plugins.registry import Registry
from grid.schemas.media_types import OTHER_MEDIA_TYPE
from grid.schemas.wire.downloads import DownloadIn, DownloadOut
from grid.services import artifacts, downloads
from grid.services import sweeps as sweep_service
from grid.services.downloads import IncidentExport, JobFile, JobResult, SweepCsv, Target
from grid.services.incidents.working import IncidentService
from grid.services.ports import ArtifactStore, Doorbell

router = Router(prefix="/downloads", tags=["downloads"], about="Files by a link that is used once, for browsers")

_BINARY: Final[dict[str, Any]] = {"schema": {"type": "string", "format": "binary"}}
_FILE: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "An attachment",
        "content": dict.fromkeys(
            (OTHER_MEDIA_TYPE, "application/zip", "text/csv", "text/markdown", "application/json"), _BINARY
        ),
    }
}


@router.post("", status_code=status.HTTP_201_CREATED, responses=problems(401, 403, 404, 409, 422, 429, 507))
def make_download(
    body: DownloadIn,
    user: FreshUser,
    uow: FromDishka[UnitOfWork],
    registry: FromDishka[Registry],
    doorbell: FromDishka[Doorbell],
    incidents: FromDishka[IncidentService],
) -> DownloadOut:
    """Make a link to a file of yours, which needs no header: it is used once, within 60 seconds.

    Files that are made when they are asked for are begun now. What is not yours is not found, as at its own address.
    """
    target = downloads.read_path(body.path)
    owner_id = target.find_owner(user)
    if isinstance(target.file, SweepCsv):
        sweep_service.get_sweep(uow, owner_id=owner_id, sweep_id=target.file.sweep_id)
    elif isinstance(target.file, IncidentExport):
        incidents.get(owner_id=owner_id, incident_id=target.file.incident_id)
    else:
        name = target.file.name if isinstance(target.file, JobFile) else None
        artifacts.request_files(uow, registry, doorbell, owner_id=owner_id, job_id=target.file.job_id, name=name)
    link = downloads.make_download_link(uow, user, body.path)
    return DownloadOut(url=f"/api/v1/downloads/{link.token}", expires_in=link.expires_in)


Send = Callable[[Target, UUID | None], Awaitable[Response]]


def find_sender(
    request: Request,
    uow: FromDishka[UnitOfWork],
    registry: FromDishka[Registry],
    doorbell: FromDishka[Doorbell],
    store: FromDishka[ArtifactStore],
    settings: FromDishka[Settings],
    incidents: FromDishka[IncidentService],
) -> Send:
    """Return what answers with a file as the file's own address does, Range and conditions included."""

    async def send(target: Target, owner_id: UUID | None) -> Response:
        parts = (request, owner_id, uow, registry, doorbell, store, settings)
        match target.file:
            case JobResult(job_id):
                return await get_result(job_id, *parts)
            case JobFile(job_id, name):
                return await get_artifact(job_id, name, *parts)
            case SweepCsv(sweep_id):
                table = await run_in_threadpool(get_sweep, sweep_id, owner_id, uow, format="csv")
                assert isinstance(table, StreamingResponse)  # noqa: S101 - what it answers in this format
                return table
            case IncidentExport(incident_id, format_):
                return await run_in_threadpool(export_incident, incident_id, owner_id, incidents, uow, format_)

    return send


@router.get(
    "/{token}",
    response_class=StreamingResponse,
    responses={**_FILE, **PARTIAL, **problems(403, 404, 409, 410, 416, 422, 503, 507)},
)
async def download(
    token: Annotated[str, Path(min_length=1, max_length=256)],
    request: Request,
    uow: FromDishka[UnitOfWork],
    send: Annotated[Send, Depends(find_sender)],
) -> Response:
    """Download the file of a link, as an attachment, once; `Range` goes on with what an earlier link began."""
    user, target = await run_in_threadpool(downloads.use_download_link, uow, token)
    mark_known(request.scope)
    return await send(target, target.find_owner(user))
