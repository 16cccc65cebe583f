"""Files of finished jobs: listed from the manifest and opened by its entries alone; workers make those on request.

A name that a caller sends is only ever compared with names that Grid wrote down; it never becomes a path or a key.
"""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, BinaryIO
from uuid import UUID

from grid.core.errors import AdmissionError, GoneError, GridError, NotFoundError, UnavailableError
from grid.database.jobs import JobRecord
from grid.database.renders import RenderRecord, RenderState
from grid.database.uow import UnitOfWork
from grid.plugins.registry import Registry
from grid.schemas.jobs import JobStatus
from grid.schemas.media_types import OTHER_MEDIA_TYPE, find_media_type, require_harmless
from grid.services.ports import ArtifactStore, Doorbell
from grid.services.renders import NotRenderableError, find_render, request_render


class NoResultError(NotRenderableError):
    """The job has no files: it has not ended, or not with success."""

    def __str__(self) -> str:
        then = "it never will have files" if self.state.is_terminal else "wait until it is success"
        return f"The job is {self.state.value}; {then}."


class ResultGoneError(GoneError):
    """The files cannot be made any more: the numerics have changed since."""

    code, title = "result-gone", "The files of this result cannot be made any more"

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return self.reason


@dataclass(frozen=True)
class Artifact:
    """One file of a job; `key` is None for a file that is made when it is asked for."""

    name: str
    media_type: str
    size: int | None
    sha256: str | None
    key: str | None

    @property
    def is_stored(self) -> bool:
        """True where the file is in the store."""
        return self.key is not None


@dataclass(frozen=True)
class FileRequest:
    """Requested files: those that are stored, or the render that makes them."""

    files: Sequence[Artifact]
    render_id: UUID | None = None
    simulation: str | None = None


def list_artifacts(uow: UnitOfWork, registry: Registry, *, owner_id: UUID | None, job_id: UUID) -> list[Artifact]:
    """List the files of a job, in the order of its zip. A job without a result has none.

    Raises:
        NotFoundError: There is no such job for this owner.
    """
    job = _require_job(uow, owner_id, job_id)
    return _artifacts(job, registry) if job.state is JobStatus.SUCCESS else []


def request_files(
    uow: UnitOfWork,
    registry: Registry,
    doorbell: Doorbell,
    *,
    owner_id: UUID | None,
    job_id: UUID,
    name: str | None = None,
) -> FileRequest:
    """Ask for all files of a job, or for one: either they are stored, or a worker is asked to make them.

    Raises:
        NotFoundError: There is no such job for this owner, or no such file.
        NoResultError: The job has not ended with success.
    """
    job = _require_job(uow, owner_id, job_id)
    if job.state is not JobStatus.SUCCESS:
        raise NoResultError(job.state)
    wanted = [file for file in _artifacts(job, registry) if name is None or file.name == name]
    if not wanted:
        raise NotFoundError("file")
    if all(file.is_stored for file in wanted):
        return FileRequest(wanted)
    return FileRequest((), request_render(uow, doorbell, job_id, [file.name for file in wanted]), job.simulation)


def find_files(uow: UnitOfWork, registry: Registry, render_id: UUID, simulation: str | None) -> list[Artifact] | None:
    """Find the files of a render, in the order in which the simulation names them; None while they are being made.

    Raises:
        ResultGoneError: They cannot be made any more.
        UnavailableError: They could not be made.
        NotFoundError: The job was removed meanwhile.
    """
    render = find_render(uow, render_id)
    if render is None:
        raise NotFoundError("job")
    if render.state is RenderState.FAILED:
        raise _render_error(render)
    if render.state is not RenderState.READY:
        return None
    known = registry.simulations().get(simulation or "")
    order = {name: place for place, name in enumerate(known.files)} if known is not None else {}
    return sorted(map(_stored, render.files), key=lambda file: (order.get(file.name, len(order)), file.name))


def open_all(store: ArtifactStore, files: Sequence[Artifact], *, most_bytes: int) -> list[tuple[Artifact, BinaryIO]]:
    """Open stored files, all or none; the caller closes them.

    Raises:
        AdmissionError: They are larger together than one answer may be.
        ResultGoneError: One of them is not in the store any more.
    """
    total = sum(file.size or 0 for file in files)
    if total > most_bytes:
        raise AdmissionError("files", total / 2**20, most_bytes / 2**20, "MiB")
    with ExitStack() as stack:
        opened = []
        for file in files:
            if file.key is None:
                raise NotFoundError("file")
            try:
                opened.append((file, stack.enter_context(store.open(file.key))))
            except NotFoundError as error:
                raise ResultGoneError("A file of this result is not in the store any more.") from error
        stack.pop_all()
    return opened


def _require_job(uow: UnitOfWork, owner_id: UUID | None, job_id: UUID) -> JobRecord:
    with uow.read() as tx:
        job = tx.jobs.find(job_id, owner_id)
    if job is None:
        raise NotFoundError("job")
    return job


def _artifacts(job: JobRecord, registry: Registry) -> list[Artifact]:
    manifest = job.result_manifest or {}
    if "files" in manifest:
        return sorted((_stored(entry) for entry in manifest["files"]), key=lambda file: file.name)
    simulation = registry.simulations().get(job.simulation or "")
    names = simulation.files if simulation is not None else ()
    return [Artifact(name, find_media_type(name) or OTHER_MEDIA_TYPE, None, None, None) for name in names]


def _stored(entry: Mapping[str, Any]) -> Artifact:
    media_type = require_harmless(str(entry["media_type"]))
    return Artifact(str(entry["name"]), media_type, int(entry["size"]), str(entry["sha256"]), str(entry["key"]))


def _render_error(render: RenderRecord) -> GridError:
    reason = render.failure or "The files could not be made."
    return ResultGoneError(reason) if render.code == "gone" else UnavailableError(reason)
