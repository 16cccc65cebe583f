"""Fields of several points of a sweep in one answer, read from their records."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from grid.core.errors import FieldError, NotFoundError
from grid.database import job_queries
from grid.database.uow import UnitOfWork
from grid.plugins.registry import Registry
from grid.schemas.fields import MOST_CELLS_IN_ALL, FieldRequest
from grid.schemas.jobs import JobStatus
from grid.services.fields import FieldSource, encode_field, make_source
from grid.services.ports import ArtifactStore

MOST_POINTS = 64  # of an answer
DEFAULT_POINT_CELLS = 4096


@dataclass(frozen=True)
class SweepFieldSources:
    """The points of a sweep that have a result, of those that were asked for; in the order of their places."""

    sources: Sequence[FieldSource]

    def tag(self, name: str, request: FieldRequest) -> str:
        """Identify the bytes of frames, before they are made."""
        tags = "".join(source.tag(name, request) for source in self.sources)
        return hashlib.sha256(f"points {tags}".encode()).hexdigest()


def read_places(text: str) -> list[int]:
    """Read places of points, `0,4,9`.

    Raises:
        FieldError: There are none, more than 64, one twice, or something else among them.
    """
    parts = text.split(",")
    if not all(part.isascii() and part.isdigit() and len(part) <= 6 for part in parts):
        raise FieldError("points", "places of points, counted from 0: 0,4,9")
    places = sorted({int(part) for part in parts})
    if len(places) != len(parts):
        raise FieldError("points", "each place once")
    if len(places) > MOST_POINTS:
        raise FieldError("points", f"at most {MOST_POINTS} places")
    return places


def find_sources(
    uow: UnitOfWork,
    registry: Registry,
    *,
    owner_id: UUID | None,
    sweep_id: UUID,
    places: Sequence[int],
    request: FieldRequest,
) -> SweepFieldSources:
    """Find the points of a sweep at these places; those without a result, or removed, are left out.

    Raises:
        NotFoundError: There is no such sweep for this owner.
        FieldError: The sweep has no such place, all times are asked for, or the frames are too large together.
    """
    if request.time == "all":
        raise FieldError("time", "last, or a place in the list of times")
    if len(places) * request.max_cells > MOST_CELLS_IN_ALL:
        raise FieldError("max_cells", f"at most {MOST_CELLS_IN_ALL // len(places)} for {len(places)} points")
    with uow.read() as tx:
        record = tx.sweeps.find(sweep_id, owner_id)
        if record is None:
            raise NotFoundError("sweep")
        if places[-1] >= record.total:
            raise FieldError("points", f"places of this sweep: 0 to {record.total - 1}")
        jobs = job_queries.find_points(tx, sweep_id, places)
    return SweepFieldSources([make_source(registry, job) for job in jobs if job.state is JobStatus.SUCCESS])


def encode_points(found: SweepFieldSources, store: ArtifactStore, name: str, request: FieldRequest) -> bytes:
    """Encode a frame of each point behind each other; the `epoch` of a frame is the place of its point.

    Raises:
        NotFoundError: A point has no such field.
        FieldError: There is no such time, axis or place along it.
        ResultGoneError: A record is not there, damaged, or of another version.
    """
    frames = [encode_field(one, store, name, request, epoch=one.job.sweep_index or 0) for one in found.sources]
    return b"".join(frames)
