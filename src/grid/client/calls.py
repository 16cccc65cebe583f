"""Every call that the service offers, as a value: what to send, and how to read the answer.

The synchronous and the asynchronous client send the same calls, so a path or a field is written down once.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Generic, TypedDict, TypeVar, Unpack
from uuid import UUID

import httpx
from pydantic import BaseModel

from grid.client.errors import ProblemError
from grid.schemas.identity import MeOut, ProofOut, TokenOut, UserOut, UserPage
from grid.schemas.wire import (
    ArtifactList,
    JobOut,
    JobPage,
    JobStats,
    JobSummaryPage,
    SimulationList,
    SimulationOut,
    SubmissionOut,
    SweepOut,
    SweepPage,
    SweepTable,
)
from grid.schemas.wire.images import ImagesOut

T = TypeVar("T")
M = TypeVar("M", bound=BaseModel)
API = "/api/v1"
Id = UUID | str


class Submission(TypedDict, total=False):
    """Fields of a submission; None leaves one to the server."""

    simulation: str | None
    image: str | None
    params: Mapping[str, Any] | None  # of the job, or common to all points of the sweep
    sweep: Sequence[Mapping[str, Any]] | None
    metadata: Mapping[str, Any] | None
    retries: int | None
    timeout_s: float | None
    priority: int | None
    idempotency_key: str | None


class Filters(TypedDict, total=False):
    """Conditions on the rows of a list of jobs or sweeps; None does not restrict."""

    simulation: str | None
    metadata: Mapping[str, str] | None  # labels, all of which a row has to have
    created_from: datetime | None  # made at this time or later; with its zone
    created_to: datetime | None  # made before this time
    q: str | None  # the beginning of an id, or the value of a label


class SweepFilters(Filters, total=False):
    """Conditions on the rows of a list of sweeps: of one of their points."""

    status: str | Sequence[str] | None  # one of these
    reason: str | Sequence[str] | None  # one of these
    verdict: str | Sequence[str] | None  # one of these


class JobFilters(SweepFilters, total=False):
    """Conditions on the rows of a list of jobs."""

    sweep: Id | None


@dataclass(frozen=True)
class Call(Generic[T]):
    """One request, and the reader of its answer."""

    method: str
    path: str
    read: Callable[[httpx.Response], T]
    query: Mapping[str, Any] = field(default_factory=dict)
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    is_open: bool = False  # needs no token
    is_secret: bool = False  # carries a password or a refresh token: for a server that has shown who it is

    def request_options(self) -> dict[str, Any]:
        """Return the keyword arguments of `httpx`'s `request`."""
        options: dict[str, Any] = {"headers": dict(self.headers)}
        if self.query:
            options["params"] = {key: value for key, value in self.query.items() if value is not None}
        if self.body is not None:
            options["content"] = json.dumps(self.body, allow_nan=False).encode()
            options["headers"]["Content-Type"] = "application/json"
        return options


def require_success(response: httpx.Response) -> httpx.Response:
    """Return a good answer.

    Raises:
        ProblemError: The server refused; its problem document is in the error.
    """
    if response.is_success:
        return response
    try:
        problem = response.json()
    except ValueError:
        problem = {}
    raise ProblemError(response.status_code, problem if isinstance(problem, dict) else {})


def model(kind: type[M]) -> Callable[[httpx.Response], M]:
    """Return a reader of one model."""
    return lambda response: kind.model_validate_json(response.content)


def _nothing(_response: httpx.Response) -> None:
    return None


def _text(response: httpx.Response) -> str:
    return response.text


def _document(response: httpx.Response) -> dict[str, Any]:
    document = response.json()
    return document if isinstance(document, dict) else {"value": document}


# --- jobs ---


def submit(**submission: Unpack[Submission]) -> Call[SubmissionOut]:
    """Submit one job (`params`) or one for each point of a `sweep`."""
    key = submission.get("idempotency_key")
    body = {
        "container_image" if name == "image" else name: value
        for name, value in submission.items()
        if name != "idempotency_key" and value is not None
    }
    headers = {"Idempotency-Key": key} if key else {}
    return Call("POST", f"{API}/jobs", model(SubmissionOut), body=body, headers=headers)


def list_jobs(
    *,
    page: int | None = None,
    size: int | None = None,
    after: Id | None = None,
    limit: int | None = None,
    **filters: Unpack[JobFilters],
) -> Call[JobPage]:
    """List jobs, newest first: a page (`page`, `size`), or what is behind a cursor (`after`, `limit`)."""
    query = {**_place_query(page, size, after, limit), **_filter_query(filters)}
    return Call("GET", f"{API}/jobs", model(JobPage), query=query)


def list_job_summaries(
    *,
    page: int | None = None,
    size: int | None = None,
    after: Id | None = None,
    limit: int | None = None,
    **filters: Unpack[JobFilters],
) -> Call[JobSummaryPage]:
    """List jobs as `list_jobs`, in short rows: without parameters, results, limits and links."""
    query = {**_place_query(page, size, after, limit), **_filter_query(filters), "view": "summary"}
    return Call("GET", f"{API}/jobs", model(JobSummaryPage), query=query)


def _place_query(page: int | None, size: int | None, after: Id | None, limit: int | None) -> dict[str, Any]:
    return {"page": page, "size": size, "limit": limit, "after": str(after) if after else None}


def _filter_query(filters: Mapping[str, Any]) -> dict[str, Any]:
    """Return filters as a query carries them: times with their zone, ids as text, a name for each label."""
    query = {name: _as_text(value) for name, value in filters.items() if name != "metadata"}
    query.update({f"metadata.{key}": value for key, value in (filters.get("metadata") or {}).items()})
    return query


def _as_text(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value) if isinstance(value, UUID) else value


def get_job(job_id: Id) -> Call[JobOut]:
    """Show one job."""
    return Call("GET", f"{API}/jobs/{job_id}", model(JobOut))


def job_stats() -> Call[JobStats]:
    """Count jobs by status."""
    return Call("GET", f"{API}/jobs/stats", model(JobStats))


def cancel_job(job_id: Id) -> Call[JobOut]:
    """Cancel a job."""
    return Call("DELETE", f"{API}/jobs/{job_id}", model(JobOut))


def purge_job(job_id: Id) -> Call[None]:
    """Remove a finished job and its files."""
    return Call("POST", f"{API}/jobs/{job_id}/purge", _nothing)


def job_logs(job_id: Id, *, tail: int | None = None) -> Call[str]:
    """Return the log as text."""
    return Call("GET", f"{API}/jobs/{job_id}/logs", _text, query={"tail": tail})


def list_artifacts(job_id: Id) -> Call[ArtifactList]:
    """List the files of a job."""
    return Call("GET", f"{API}/jobs/{job_id}/artifacts", model(ArtifactList))


# --- sweeps and simulations ---


def get_sweep(sweep_id: Id) -> Call[SweepOut]:
    """Show a sweep: counts by state."""
    return Call("GET", f"{API}/sweeps/{sweep_id}", model(SweepOut), query={"size": 1})


def list_sweeps(
    *,
    page: int | None = None,
    size: int | None = None,
    after: Id | None = None,
    limit: int | None = None,
    **filters: Unpack[SweepFilters],
) -> Call[SweepPage]:
    """List sweeps, newest first: a page (`page`, `size`), or what is behind a cursor (`after`, `limit`)."""
    query = {**_place_query(page, size, after, limit), **_filter_query(filters)}
    return Call("GET", f"{API}/sweeps", model(SweepPage), query=query)


def sweep_table(
    sweep_id: Id,
    *,
    page: int | None = None,
    size: int | None = None,
    after: int | None = None,
    limit: int | None = None,
    status: Sequence[str] | None = None,
) -> Call[SweepTable]:
    """Show a part of a sweep's points: a page (`page`, `size`), or those behind a place (`after`, `limit`).

    With `limit`, only the points in one of the states of `status`.
    """
    query = {"page": page, "size": size, "after": after, "limit": limit, "status": list(status) if status else None}
    return Call("GET", f"{API}/sweeps/{sweep_id}", model(SweepTable), query=query)


def cancel_sweep(sweep_id: Id) -> Call[SweepOut]:
    """Cancel what is left of a sweep."""
    return Call("DELETE", f"{API}/sweeps/{sweep_id}", model(SweepOut))


def list_simulations() -> Call[SimulationList]:
    """List the simulations that the server offers."""
    return Call("GET", f"{API}/simulations", model(SimulationList))


def list_images() -> Call[ImagesOut]:
    """List the container images that jobs may name."""
    return Call("GET", f"{API}/images", model(ImagesOut))


def get_simulation(name: str) -> Call[SimulationOut]:
    """Show one simulation: its schema with units and defaults."""
    return Call("GET", f"{API}/simulations/{name}", model(SimulationOut))


# --- identity ---


def login(username: str, password: str) -> Call[TokenOut]:
    """Exchange a password for an access and a refresh token."""
    body = {"username": username, "password": password}
    return Call("POST", f"{API}/auth/login", model(TokenOut), body=body, is_open=True, is_secret=True)


def refresh(refresh_token: str) -> Call[TokenOut]:
    """Exchange a refresh token for new tokens."""
    body = {"refresh_token": refresh_token}
    return Call("POST", f"{API}/auth/refresh", model(TokenOut), body=body, is_open=True, is_secret=True)


def prove(nonce: str) -> Call[ProofOut]:
    """Ask the server to show that it has the key of its data folder."""
    return Call("GET", f"{API}/auth/proof", model(ProofOut), query={"nonce": nonce}, is_open=True)


def who_am_i() -> Call[MeOut]:
    """Show the calling user."""
    return Call("GET", f"{API}/users/me", model(MeOut))


def list_users() -> Call[UserPage]:
    """List the users (administrator)."""
    return Call("GET", f"{API}/users", model(UserPage))


def add_user(username: str, password: str, role: str) -> Call[UserOut]:
    """Add a user (administrator)."""
    body = {"username": username, "password": password, "role": role}
    return Call("POST", f"{API}/users", model(UserOut), body=body, is_secret=True)


# --- the service itself ---


def ready() -> Call[dict[str, Any]]:
    """Show the parts of the service and their states."""
    return Call("GET", "/ready", _document, is_open=True)
