"""Outcomes of claims, as a worker reports them."""

from dataclasses import dataclass, field
from typing import Literal

from grid.schemas.jobs import Claim, JobStatus, JsonObject, Manifest, Reason


@dataclass(frozen=True)
class Succeeded:
    """The result is stored where `manifest` says."""

    claim: Claim
    manifest: Manifest
    usage: JsonObject = field(default_factory=dict)


@dataclass(frozen=True)
class Failed:
    """The run itself failed or ran out of time: `failed` or `timed_out`.

    With `nonzero_exit`, a job whose user asked for retries goes back to the queue instead.
    """

    claim: Claim
    state: JobStatus
    reason: Reason
    message: str = ""
    exit_code: int | None = None
    usage: JsonObject = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.state not in (JobStatus.FAILED, JobStatus.TIMED_OUT):
            raise ValueError(f"{self.state} is not how a run fails")


@dataclass(frozen=True)
class Returned:
    """The run did not end, for a reason outside it.

    `drain`: the worker stops; the job can be claimed at once. `infra`: something the run needs did not work; after a
    pause, ten times at most. `lost`: the process under the run died; at once, three times at most, and alone.
    """

    claim: Claim
    why: Literal["drain", "infra", "lost"]
    message: str = ""


@dataclass(frozen=True)
class Stopped:
    """The run was stopped because its job is being cancelled."""

    claim: Claim


Outcome = Succeeded | Failed | Returned | Stopped


@dataclass(frozen=True)
class LogChunk:
    """A piece of the log of one attempt; `seq` counts from 0."""

    claim: Claim
    seq: int
    text: str
