"""The words of the job ledger: states, reasons, and what a run hands back. Plain values, shared by every room above."""

from collections.abc import Sequence
from enum import StrEnum
from typing import Any, Literal, NamedTuple, NotRequired, TypedDict
from uuid import UUID


class JobStatus(StrEnum):
    """The public `status` of a job. The last five are terminal: they never change again."""

    QUEUED = "queued"
    STARTING = "starting"
    RUNNING = "running"
    CANCELLING = "cancelling"
    SUCCESS = "success"
    FAILED = "failed"
    CANCELLED = "cancelled"
    TIMED_OUT = "timed_out"
    EXPIRED = "expired"

    @property
    def is_terminal(self) -> bool:
        """True for a final state."""
        return self in TERMINAL

    @property
    def is_leased(self) -> bool:
        """True where a worker holds the job."""
        return self in LEASED


TERMINAL = frozenset({JobStatus.SUCCESS, JobStatus.FAILED, JobStatus.CANCELLED, JobStatus.TIMED_OUT, JobStatus.EXPIRED})
LEASED = frozenset({JobStatus.STARTING, JobStatus.RUNNING, JobStatus.CANCELLING})

# Who may follow whom; the ledger's property test walks every pair, allowed or not.
TRANSITIONS: dict[JobStatus, frozenset[JobStatus]] = {
    JobStatus.QUEUED: frozenset({JobStatus.STARTING, JobStatus.CANCELLED, JobStatus.EXPIRED, JobStatus.TIMED_OUT}),
    JobStatus.STARTING: frozenset(
        {JobStatus.RUNNING, JobStatus.QUEUED, JobStatus.CANCELLING, JobStatus.FAILED, JobStatus.TIMED_OUT}
    ),
    JobStatus.RUNNING: frozenset(
        {JobStatus.SUCCESS, JobStatus.FAILED, JobStatus.TIMED_OUT, JobStatus.QUEUED, JobStatus.CANCELLING}
    ),
    JobStatus.CANCELLING: frozenset({JobStatus.CANCELLED}),
    **{status: frozenset() for status in TERMINAL},
}


class Reason(StrEnum):
    """Reason of a job's end: a closed list of codes, each with one sentence for people."""

    OK = "ok"
    NONZERO_EXIT = "nonzero_exit"
    DIVERGED = "diverged"
    OOM = "oom"
    WALL_TIMEOUT = "wall_timeout"
    CPU_TIMEOUT = "cpu_timeout"
    START_TIMEOUT = "start_timeout"
    OUTPUT_TOO_LARGE = "output_too_large"
    BAD_OUTPUT = "bad_output"
    IMAGE_UNAVAILABLE = "image_unavailable"
    SANDBOX_UNAVAILABLE = "sandbox_unavailable"
    INFRA = "infra"
    WORKER_LOST = "worker_lost"
    POISON = "poison"
    CANCELLED_BY_USER = "cancelled_by_user"
    CANCELLED_BY_ADMIN = "cancelled_by_admin"
    CANCELLED_BY_SWEEP = "cancelled_by_sweep"
    QUOTA = "quota"
    QUEUE_EXPIRED = "queue_expired"

    @property
    def sentence(self) -> str:
        """One sentence that tells a user what happened."""
        return REASON_SENTENCES[self]


REASON_SENTENCES: dict[Reason, str] = {
    Reason.OK: "The simulation ended and its result is stored.",
    Reason.NONZERO_EXIT: "The program ended with an error; its log says which.",
    Reason.DIVERGED: "The solution left the finite numbers or the bounds of the equation, or an audit rejected it.",
    Reason.OOM: "The run needed more memory than a job may use.",
    Reason.WALL_TIMEOUT: "The run took longer than its time limit.",
    Reason.CPU_TIMEOUT: "The run used more processor time than its limit.",
    Reason.START_TIMEOUT: "The run did not start within its limit.",
    Reason.OUTPUT_TOO_LARGE: "The run wrote more than a job may store.",
    Reason.BAD_OUTPUT: "The run wrote a file that may not be stored, or left out one that it promised.",
    Reason.IMAGE_UNAVAILABLE: "The image is not present on the worker.",
    Reason.SANDBOX_UNAVAILABLE: "No sandbox that may run this image is available.",
    Reason.INFRA: "The service could not run the job after several tries; it is not the job's fault.",
    Reason.WORKER_LOST: "The worker that ran the job went away.",
    Reason.POISON: "The job took its worker down three times and is not tried again.",
    Reason.CANCELLED_BY_USER: "You cancelled the job.",
    Reason.CANCELLED_BY_ADMIN: "An administrator cancelled the job.",
    Reason.CANCELLED_BY_SWEEP: "The sweep that the job belongs to was cancelled.",
    Reason.QUOTA: "The owner's quota did not allow the job to run.",
    Reason.QUEUE_EXPIRED: "The job waited in the queue longer than it may.",
}


class JobVerdict(StrEnum):
    """Verdict of a job's own audits on its result: that a run ended well does not say that its numbers are right."""

    PASSED = "passed"
    FAILED = "failed"
    NOT_APPLICABLE = "not_applicable"


# small: a forkserver child with serial kernels; large: a spawned child with threads; program: one process a job;
# docker: one container a job
SlotKind = Literal["small", "large", "program", "docker"]


# Whose jobs a claim may take. any: whose turn it is; guest: an owner's of whom no job is held anywhere; short: one of
# little estimated work. The last two are for a worker whose core tokens are all held.
Share = Literal["any", "guest", "short"]


class Claim(NamedTuple):
    """A job as one worker holds it: every write by the worker carries the epoch."""

    job_id: UUID
    epoch: int


class FileEntry(TypedDict):
    """One stored file of a job; `key` is its place in the artifact store, never a path from a user."""

    name: str
    size: int
    sha256: str
    media_type: str
    key: str


class PackEntry(TypedDict):
    """One record of a result pack: `size` bytes at `offset` of the file at `key`.

    They are record number `index` of the NPY array whose header is at `block`; without it, at the beginning.
    """

    key: str
    index: int
    offset: int
    size: int
    sha256: str
    block: NotRequired[int]


class Audit(TypedDict):
    """One check of a result: `verdict` is passed, failed or not_applicable."""

    name: str
    verdict: Literal["passed", "failed", "not_applicable"]
    value: float | None
    limit: float | None
    detail: str


class Manifest(TypedDict, total=False):
    """Result of a successful run, as the ledger stores it (`jobs.result_manifest`). Exactly one of pack and files."""

    pack: PackEntry
    files: list[FileEntry]
    metrics: dict[str, float | int | str | bool | None]
    audits: list[Audit]
    field_sha256: str  # of the full field's bytes, which are recomputed when asked for
    numerics_version: str


JsonObject = dict[str, Any]


def judge_result(state: JobStatus, reason: Reason | None, audits: Sequence[Audit]) -> JobVerdict | None:
    """Return the verdict on a job: failed where an audit failed, or took the result away; None without a result.

    Args:
        state, reason: Of the job.
        audits: Of its result; none where it has no result.
    """
    if reason is Reason.DIVERGED:
        return JobVerdict.FAILED
    if state is not JobStatus.SUCCESS:
        return None
    verdicts = {audit["verdict"] for audit in audits}
    return next(
        (one for one in (JobVerdict.FAILED, JobVerdict.PASSED) if one.value in verdicts), JobVerdict.NOT_APPLICABLE
    )
