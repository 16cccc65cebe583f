"""A sweep and its table: parameters, states and metrics of each point."""

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel, Field, JsonValue

from grid.schemas.jobs import JobStatus, Reason
from grid.schemas.wire.jobs import MetricValue


class SweepOut(BaseModel):
    """A sweep in numbers."""

    id: UUID
    container_image: str | None
    simulation: str | None
    metadata: dict[str, JsonValue]
    created_at: datetime
    cancelled_at: datetime | None = Field(description="When cancelling was asked for")
    points: int
    by_status: dict[JobStatus, int]
    is_finished: bool
    progress: float = Field(description="Fraction of points that reached a final state")
    link: str


class SweepPage(BaseModel):
    """One page of sweeps, newest first."""

    items: list[SweepOut]
    page: int
    size: int
    total: int
    total_is_exact: bool = True
    pages: int


class SweepRow(BaseModel):
    """One point of a sweep."""

    index: int
    job_id: UUID
    status: JobStatus
    reason: Reason | None
    params: dict[str, JsonValue]
    metrics: dict[str, MetricValue] | None


class SweepTable(SweepOut):
    """A sweep with one page of its points, in the order in which they were sent."""

    rows: list[SweepRow]
    page: int
    size: int
    total: int
    pages: int
