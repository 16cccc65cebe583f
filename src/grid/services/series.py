"""Quantities of finished jobs over time, read from their stored record without solving anything."""

from collections.abc import Sequence
from uuid import UUID

from grid.database.uow import UnitOfWork
from grid.plugins.registry import Registry
from grid.schemas.jobs import JobStatus
from grid.schemas.results import DescribesSeries, SeriesColumn
from grid.services.artifacts import NoResultError
from grid.services.job_records import open_job_record
from grid.services.jobs import get_job
from grid.services.ports import ArtifactStore


def read_series(
    uow: UnitOfWork, registry: Registry, store: ArtifactStore, *, owner_id: UUID | None, job_id: UUID
) -> Sequence[SeriesColumn]:
    """Read the columns of a job, of equal length; none where its simulation names none.

    Raises:
        NotFoundError: There is no such job for this owner.
        NoResultError: The job has not ended with success.
        ResultGoneError: The record is not there, damaged, or of another version.
    """
    job = get_job(uow, owner_id=owner_id, job_id=job_id)
    if job.state is not JobStatus.SUCCESS:
        raise NoResultError(job.state)
    simulation = registry.simulations().get(job.simulation or "")
    entry = (job.result_manifest or {}).get("pack")
    if simulation is None or entry is None or not isinstance(simulation, DescribesSeries):
        return []
    with open_job_record(job, simulation, entry, store) as (params, record):
        return simulation.describe_series(params, record)
