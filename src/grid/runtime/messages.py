"""Messages between the supervisor and its slot children, over one pipe a child: plain, picklable values.

The supervisor sends `Solve`, `Render`, `CancelPoints` and closes the pipe to end a child. A child answers `ChildReady`
once, then for each `Solve`: `SolveStarted`, any number of `SolveProgress`, and one `SolveFinished`; for each `Render`:
one `RenderFinished`. A child that dies sends nothing more: its pipe reaches end of file.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from grid.core.tracing import FinishedSpan
from grid.schemas.jobs import Claim, FileEntry, Manifest, Reason


@dataclass(frozen=True)
class Solve:
    """Solve the points of one batch and put their pack into the artifact store under `pack_key`."""

    batch_id: UUID
    simulation: str
    claims: Sequence[Claim]  # one for each point, in order
    points: Sequence[Mapping[str, Any]]  # validated parameters, as stored in the job's spec
    pack_key: str
    is_traced: bool = False  # send the stages with the answer


@dataclass(frozen=True)
class Render:
    """Write files of a finished job and store them under `key_prefix`."""

    render_id: UUID
    job_id: UUID
    simulation: str
    params: Mapping[str, Any]
    manifest: Manifest
    names: Sequence[str]
    key_prefix: str


@dataclass(frozen=True)
class CancelPoints:
    """Cancelled points: mask them; the other points go on."""

    batch_id: UUID
    job_ids: frozenset[UUID]


@dataclass(frozen=True)
class ChildReady:
    """The child is up and its kernels are loaded."""

    pid: int
    simulations: Mapping[str, str] = field(default_factory=dict)  # name -> numerics_version


@dataclass(frozen=True)
class SolveStarted:
    """The solve has begun: the jobs of the batch are running."""

    batch_id: UUID


@dataclass(frozen=True)
class SolveProgress:
    """A fraction of the batch is done, in [0, 1]."""

    batch_id: UUID
    fraction: float


@dataclass(frozen=True)
class PointResult:
    """The outcome of one point. `manifest` is there exactly when `reason` is OK."""

    claim: Claim
    reason: Reason
    message: str = ""
    manifest: Manifest | None = None
    log: str = ""


@dataclass(frozen=True)
class SolveFinished:
    """The batch is over: its pack, if any point succeeded, is durably stored.

    `failure` is set where the whole batch is lost for a reason that is not the points' own (a full disk, say):
    then `results` is empty and the jobs go back to the queue.
    """

    batch_id: UUID
    results: Sequence[PointResult]
    elapsed_s: float
    max_rss_bytes: int
    failure: str | None = None
    is_storage_full: bool = False
    stages: Sequence[FinishedSpan] = ()


@dataclass(frozen=True)
class RenderFinished:
    """The files are stored, or `failure` says in one sentence why not (`code`: `gone` for another numerics version)."""

    render_id: UUID
    files: Sequence[FileEntry] = ()
    failure: str | None = None
    code: str | None = None
