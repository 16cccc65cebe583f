"""Fields of finished jobs: named by their simulation, and read from their stored record without solving anything."""

import hashlib
import json
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import astuple, dataclass
from typing import TYPE_CHECKING
from uuid import UUID

from grid import __version__
from grid.core.errors import NotFoundError
from grid.database.jobs import JobRecord
from grid.database.uow import UnitOfWork
from grid.plugins.registry import Registry
from grid.schemas.fields import DescribesFields, FieldRequest, RecordField
from grid.schemas.jobs import JobStatus, PackEntry
from grid.schemas.simulations import Simulation
from grid.services.artifacts import NoResultError
from grid.services.job_records import open_job_record
from grid.services.jobs import get_job
from grid.services.ports import ArtifactStore

if TYPE_CHECKING:  # the server loads NumPy with the first field that somebody asks for
    from grid.runtime.field_frames import FieldFigures
    from grid.runtime.records import RecordReader

ENCODING = 1  # goes up when equal requests may give other bytes


@dataclass(frozen=True)
class FieldSource:
    """A finished job whose fields are asked for.

    Args:
        job: With its result.
        simulation: That names fields; None where it names none.
        entry: Its record; None where it left files.
    """

    job: JobRecord
    simulation: Simulation | None
    entry: PackEntry | None

    def tag(self, name: str, request: FieldRequest) -> str:
        """Identify the bytes of frames, before they are made."""
        record = None if self.entry is None else self.entry["sha256"]
        numerics = None if self.simulation is None else self.simulation.numerics_version
        version = (__version__, ENCODING, numerics, zlib.ZLIB_RUNTIME_VERSION)
        text = json.dumps([str(self.job.id), record, name, *astuple(request), *version])
        return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True)
class MeasuredField:
    """A field, and what its values are."""

    field: RecordField
    figures: "FieldFigures"


def find_source(uow: UnitOfWork, registry: Registry, *, owner_id: UUID | None, job_id: UUID) -> FieldSource:
    """Find a finished job.

    Raises:
        NotFoundError: There is no such job for this owner.
        NoResultError: The job has not ended with success.
    """
    job = get_job(uow, owner_id=owner_id, job_id=job_id)
    if job.state is not JobStatus.SUCCESS:
        raise NoResultError(job.state)
    return make_source(registry, job)


def make_source(registry: Registry, job: JobRecord) -> FieldSource:
    """Return where the fields of a job with a result are."""
    simulation = registry.simulations().get(job.simulation or "")
    entry = (job.result_manifest or {}).get("pack")
    return FieldSource(job, simulation if isinstance(simulation, DescribesFields) else None, entry)


def list_fields(source: FieldSource, store: ArtifactStore) -> list[MeasuredField]:
    """List the fields in the record of a job; none where its simulation names none.

    Raises:
        ResultGoneError: The record is not there, damaged, or of another version.
    """
    if source.simulation is None or source.entry is None:
        return []
    from grid.runtime.field_frames import measure_field

    with open_fields(source, store) as (record, fields):
        return [MeasuredField(field, measure_field(record, field)) for field in fields]


def encode_field(
    source: FieldSource, store: ArtifactStore, name: str, request: FieldRequest, *, epoch: int = 0
) -> bytes:
    """Encode frames of a field behind each other, each with the number `epoch`.

    Raises:
        NotFoundError: The job has no such field.
        FieldError: There is no such time, axis or place along it, or the frames are too large.
        ResultGoneError: The record is not there, damaged, or of another version.
    """
    if source.simulation is None or source.entry is None:
        raise NotFoundError("field")
    from grid.runtime import field_frames

    finished = source.job.finished_at
    computed_ms = 0 if finished is None else int(finished.timestamp() * 1000)
    with open_fields(source, store) as (record, fields):
        found = find_field(fields, name)
        run = source.job.id.bytes[:8]
        return field_frames.encode_field(record, found, request, run=run, computed_ms=computed_ms, epoch=epoch)


@contextmanager
def open_fields(source: FieldSource, store: ArtifactStore) -> "Iterator[tuple[RecordReader, Sequence[RecordField]]]":
    """Open the record of a job with the fields that its simulation names.

    Raises:
        NotFoundError: It has no record, or its simulation names no fields.
        ResultGoneError: The record is not there, damaged, or of another version.
    """
    from grid.runtime.field_frames import require_readable

    simulation, entry = source.simulation, source.entry
    if entry is None or simulation is None or not isinstance(simulation, DescribesFields):
        raise NotFoundError("field")
    with open_job_record(source.job, simulation, entry, store) as (params, record):
        fields = simulation.describe_fields(params, record)
        for field in fields:
            require_readable(record, field)
        yield record, fields


def find_field(fields: "Sequence[RecordField]", name: str) -> RecordField:
    """Return the field of a name.

    Raises:
        NotFoundError: There is none.
    """
    found = next((field for field in fields if field.name == name), None)
    if found is None:
        raise NotFoundError("field")
    return found
