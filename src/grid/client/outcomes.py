"""Outcomes that somebody has waited for: good, or an error that says how they were not."""

from grid.client.errors import JobUnsuccessfulError, SweepUnsuccessfulError
from grid.schemas.jobs import JobStatus
from grid.schemas.wire import JobOut, SweepOut


def require_successful_job(job: JobOut) -> JobOut:
    """Return a job that has ended with success.

    Raises:
        JobUnsuccessfulError: It ended otherwise.
    """
    if job.status != JobStatus.SUCCESS:
        raise JobUnsuccessfulError(str(job.id), str(job.status), job.message or "")
    return job


def require_successful_sweep(sweep: SweepOut) -> SweepOut:
    """Return a sweep of which every point has ended with success.

    Raises:
        SweepUnsuccessfulError: A point ended otherwise.
    """
    if sweep.by_status.get(JobStatus.SUCCESS, 0) != sweep.points:
        raise SweepUnsuccessfulError(str(sweep.id), {str(status): n for status, n in sweep.by_status.items()})
    return sweep
