"""Messages between the supervisor and its slot children, over one pipe a child: plain, picklable values.

The supervisor sends `Solve`, `Render`, `CancelPoints` and closes the pipe to end a child. A child answers `ChildReady`
once, then for each `Solve`: `SolveStarted`, any number of `SolveProgress`, and one `SolveFinished`; for each `Render`:
one `RenderFinished`. A child that dies sends nothing more: its pipe reaches end of file.

A child neither knows the artifact store nor holds its credentials: what it reads was put into the spool, what it writes
is left there under its key, and the supervisor moves it to and fro (`grid.runtime.spool`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from grid.core.tracing import FinishedSpan
from grid.schemas.jobs import Claim, FileEntry, Manifest, Reason


@dataclass(frozen=True)
class Solve:
    """Solve the points of one batch and leave their pack in the spool under `pack_key`."""

    batch_id: UUID
    simulation: str
    claims: Sequence[Claim]  # one for each point, in order
    points: Sequence[Mapping[str, Any]]  # validated parameters, as stored in the job's spec
    pack_key: str
    is_traced: bool = False  # send the stages with the answer


@dataclass(frozen=True)
class Render:
    """Write files of a finished job and leave them in the spool under `key_prefix`; so is the record in `manifest`."""

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
class SpooledFile:
    """A finished file in the spool, and what it must be in the store: nothing is stored under its key before."""

    key: str
    size: int
    sha256: str | None = None


@dataclass(frozen=True)
class SolveFinished:
    """The batch is over: its pack, if any point succeeded and left a record, is in the spool.

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
    pack: SpooledFile | None = None


@dataclass(frozen=True)
class RenderFinished:
    """The files are in the spool, or `failure` says why not in one sentence; `code` `gone`: other numerics are here."""

    render_id: UUID
    files: Sequence[FileEntry] = ()
    failure: str | None = None
    code: str | None = None
