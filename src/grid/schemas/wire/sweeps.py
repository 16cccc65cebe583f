"""A sweep and its table: parameters, states and metrics of each point."""

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel, Field, JsonValue

from grid.schemas.jobs import JobStatus, Reason
from grid.schemas.wire.jobs import MetricValue, Place, StatusCounts


class SweepOut(BaseModel):
    """A sweep in numbers."""

    id: UUID
    container_image: str | None
    simulation: str | None
    metadata: dict[str, JsonValue]
    created_at: datetime
    cancelled_at: datetime | None = Field(description="When cancelling was asked for")
    finished_at: datetime | None = Field(None, description="When its last point ended")
    points: int
    by_status: StatusCounts
    is_finished: bool
    progress: float = Field(description="Fraction of points that reached a final state")
    link: str


class SweepPage(Place):
    """A part of the list of sweeps, newest first."""

    items: list[SweepOut]
    next: UUID | None = Field(None, description="Send it as `after` to read on; null at the end")


class SweepRow(BaseModel):
    """One point of a sweep."""

    index: int
    job_id: UUID
    status: JobStatus
    reason: Reason | None
    message: str = Field("", description="The state in one sentence; why, where the point failed")
    params: dict[str, JsonValue]
    metrics: dict[str, MetricValue] | None


class SweepTable(SweepOut, Place):
    """A sweep with a part of its points, in the order in which they were sent."""

    rows: list[SweepRow]
    next: int | None = Field(None, description="Send it as `after` to read on; null at the end")
