"""Calls about jobs and sweeps beside those of `grid.client.calls`: prices, labels, runs, series, comparisons."""

from collections.abc import Sequence
from typing import Unpack

from grid.client.calls import API, Call, Id, Submission, model, submit
from grid.schemas.wire import (
    AttemptList,
    JobDifferenceOut,
    LabelList,
    PricedSubmissionOut,
    SeriesOut,
    SweepColumnsOut,
    SweepOut,
)


def price_submission(**submission: Unpack[Submission]) -> Call[PricedSubmissionOut]:
    """Check and price every point of a submission (fields of `calls.submit`), and store nothing."""
    call = submit(**submission)
    return Call(call.method, call.path, model(PricedSubmissionOut), query={"dry_run": "true"}, body=call.body)


def list_labels() -> Call[LabelList]:
    """List the labels of your jobs with their numbers."""
    return Call("GET", f"{API}/jobs/labels", model(LabelList))


def list_attempts(job_id: Id) -> Call[AttemptList]:
    """List the runs of a job, the first one first."""
    return Call("GET", f"{API}/jobs/{job_id}/attempts", model(AttemptList))


def get_series(job_id: Id) -> Call[SeriesOut]:
    """Return quantities of a job over the times that its record keeps."""
    return Call("GET", f"{API}/jobs/{job_id}/series", model(SeriesOut))


def compare_jobs(
    job_id: Id, other_id: Id, *, field: str | None = None, time: str | int | None = None
) -> Call[JobDifferenceOut]:
    """Compare two jobs: inputs that differ, metrics, and the difference of a field where one is named."""
    query = {"field": field, "time": time}
    return Call("GET", f"{API}/jobs/{job_id}/diff/{other_id}", model(JobDifferenceOut), query=query)


def sweep_columns(sweep_id: Id, names: Sequence[str] = ()) -> Call[SweepColumnsOut]:
    """Return all points of a sweep as columns, by names such as `params.length` and `metrics.largest_error`."""
    query = {"names": ",".join(names) or None}
    return Call("GET", f"{API}/sweeps/{sweep_id}/columns", model(SweepColumnsOut), query=query)


def rerun_sweep(sweep_id: Id, select: str = "failed", *, idempotency_key: str | None = None) -> Call[SweepOut]:
    """Run the points of a sweep that ended in a state once more, as a new sweep."""
    headers = {"Idempotency-Key": idempotency_key} if idempotency_key else {}
    path = f"{API}/sweeps/{sweep_id}/rerun"
    return Call("POST", path, model(SweepOut), body={"select": select}, headers=headers)
