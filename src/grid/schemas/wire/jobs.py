"""A job as its owner sees it."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, Field, JsonValue, WithJsonSchema

from grid.schemas.jobs import JobStatus, JobVerdict, Reason

MetricValue = float | int | str | bool | None
# A number for each state, which the document of the API says one by one.
StatusCounts = Annotated[
    dict[JobStatus, int],
    WithJsonSchema(
        {
            "type": "object",
            "properties": {state.value: {"type": "integer", "minimum": 0} for state in JobStatus},
            "required": [state.value for state in JobStatus],
            "additionalProperties": False,
        }
    ),
]
VERDICT = "Of the result's own audits: failed where one failed, or took the result away; null without a result"


class AuditOut(BaseModel):
    """One check of the result, made by the run itself."""

    name: str
    verdict: Literal["passed", "failed", "not_applicable"]
    value: float | None = None
    limit: float | None = None
    detail: str = ""


class JobLinks(BaseModel):
    """Links to a job's parts; paths on this server."""

    self: str
    logs: str
    log_stream: str
    artifacts: str
    result: str
    sweep: str | None = None


class JobOut(BaseModel):
    """Everything about one job but its logs and files."""

    id: UUID
    status: JobStatus
    reason: Reason | None = Field(description="Why it ended as it did; null until then")
    message: str = Field(description="The state in one sentence")
    container_image: str | None
    simulation: str | None
    params: dict[str, JsonValue] = Field(description="With defaults filled in")
    metadata: dict[str, JsonValue]
    sweep_id: UUID | None
    sweep_index: int | None
    progress: float = Field(description="Fraction done, 0 to 1")
    priority: int
    attempts: int = Field(description="Runs that ended by their own doing; one that lost its worker is not counted")
    retries: int = Field(description="Further tries it was given for a program that ends with an error")
    worker_losses: int = Field(description="How often its worker went away; the third time is the last")
    timeout_s: float = Field(description="Wall-clock limit of one run [s]")
    created_at: datetime
    available_at: datetime = Field(description="Not started before")
    expires_at: datetime | None = Field(description="Given up when still queued then")
    started_at: datetime | None
    finished_at: datetime | None
    cancel_requested_at: datetime | None
    metrics: dict[str, MetricValue] | None = Field(description="Of a successful run; null where not finite")
    not_finite: list[str] = Field(description="Metrics whose null stands for NaN or an infinity")
    audits: list[AuditOut] | None
    verdict: JobVerdict | None = Field(None, description=VERDICT)
    numerics_version: str | None
    trace_id: str | None = Field(None, description="Of the request that made it, where traces are kept")
    runner: Literal["program", "docker"] | None = Field(
        None, description="Where an image runs: as a local program, or in a container; null for a built-in simulation"
    )
    links: JobLinks


class JobSummaryOut(BaseModel):
    """One row of a list of jobs: `JobOut` without parameters, results, limits and links."""

    id: UUID
    status: JobStatus
    reason: Reason | None
    message: str
    simulation: str | None
    container_image: str | None
    sweep_id: UUID | None
    sweep_index: int | None
    progress: float = Field(description="Fraction done, 0 to 1")
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    metadata: dict[str, JsonValue]
    verdict: JobVerdict | None = Field(None, description=VERDICT)


class Place(BaseModel):
    """Place of a part of a list in it, and where the list goes on."""

    page: int | None = Field(description="The page's number; null where the list is read by cursor")
    size: int = Field(description="Most rows of this answer")
    total: int = Field(description="How many there are; see `total_is_exact`")
    total_is_exact: bool = Field(True, description="False: there are at least that many, and counting stopped")
    pages: int | None = Field(description="How many pages; null where the list is read by cursor")


class JobPage(Place):
    """A part of the list of jobs, newest first."""

    items: list[JobOut]
    next: UUID | None = Field(None, description="Send it as `after` to read on; null at the end")


class JobSummaryPage(Place):
    """A part of the list of jobs with `view=summary`, newest first."""

    items: list[JobSummaryOut]
    next: UUID | None = Field(None, description="Send it as `after` to read on; null at the end")


class Throughput(BaseModel):
    """Jobs that reached a final state."""

    last_minute: int
    last_hour: int
    by_five_minutes: list[int] = Field(description="Those of the last hour in twelve spans, the oldest first")


class JobStats(BaseModel):
    """Your jobs in numbers."""

    total: int
    by_status: StatusCounts
    queue_depth: int = Field(description="Jobs that wait to start")
    running: int = Field(description="Jobs that a worker holds")
    finished: Throughput
    mean_wait_s: float | None = Field(description="From submission to start, of jobs that ended within the hour [s]")
    mean_run_s: float | None = Field(description="From start to end, of jobs that ended within the hour [s]")


class ArtifactOut(BaseModel):
    """One file of a job. `size` and `sha256` are null for a file that is made when it is asked for."""

    name: str
    media_type: str
    size: Annotated[int, Field(ge=0)] | None
    sha256: str | None
    is_stored: bool
    link: str


class ArtifactList(BaseModel):
    """The files of one job, in the order of its zip."""

    items: list[ArtifactOut]


class LabelValueOut(BaseModel):
    """One value of a label."""

    value: str | int | float | bool
    jobs: int = Field(description="Jobs that have it")


class LabelKeyOut(BaseModel):
    """One key of labels, with its most frequent values."""

    key: str
    jobs: int = Field(description="Jobs that have it")
    distinct: int = Field(description="Different values; those that are listed are the most frequent")
    values: list[LabelValueOut]


class LabelList(BaseModel):
    """Labels to filter by, frequent ones first: 50 keys at most with 50 values each, of the newest 50,000 jobs."""

    keys: list[LabelKeyOut]


class AttemptOut(BaseModel):
    """One run of a job, from its claim by a worker to its end."""

    number: int = Field(description="Counted from 1")
    epoch: int = Field(description="Number of the claim, which every write of its worker carries")
    worker: str
    host: str
    started_at: datetime
    ended_at: datetime | None
    outcome: str | None = Field(description="A reason, or why the job went back into the queue; null while it runs")
    reason: Reason | None = Field(description="The outcome, where it is a reason of a job")
    message: str = Field(description="The outcome in one sentence")
    exit_code: int | None = Field(description="Of a program")
    container_id: str | None = Field(None, description="Of a run in a container, once it has ended")
    image_id: str | None = Field(None, description="What ran in the container: the sha256 of its image")


class AttemptList(BaseModel):
    """All runs of a job, the first one first; none where no worker has claimed it yet."""

    items: list[AttemptOut]
