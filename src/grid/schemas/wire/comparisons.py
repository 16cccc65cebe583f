"""Points of a sweep as columns, and two jobs side by side."""

from typing import Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from grid.schemas.jobs import JobStatus, Reason
from grid.schemas.wire.fields import FieldAxisOut
from grid.schemas.wire.jobs import MetricValue


class ColumnOut(BaseModel):
    """One parameter or metric of all points."""

    name: str = Field(description="`params.NAME` or `metrics.NAME`")
    title: str = Field(description="For people")
    unit: str | None = Field(description="Null where it is not known, or not the same in all points")
    values: list[JsonValue] = Field(description="One for each point; null where a point has none")


class SweepColumnsOut(BaseModel):
    """The points of a sweep as columns of equal length, in the order in which they were sent."""

    points: int = Field(description="Points of the sweep, those that were removed among them")
    version: int = Field(description="Goes up with every change of a point")
    index: list[int] = Field(description="Place of each point")
    job_id: list[UUID]
    status: list[JobStatus]
    reason: list[Reason | None]
    columns: list[ColumnOut]


class RerunIn(BaseModel):
    """Points of a sweep that are to be run again, by the state in which they ended."""

    model_config = ConfigDict(extra="forbid", strict=True)

    select: Literal["failed", "timed_out", "expired", "cancelled", "unsuccessful"] = Field(
        "failed", description="unsuccessful: all of these"
    )


class DifferentInputOut(BaseModel):
    """An input in which two jobs differ; null where one has none."""

    name: str = Field(description="`simulation`, or `params.NAME`")
    title: str = Field(description="For people")
    unit: str | None
    a: JsonValue
    b: JsonValue


class ComparedMetricOut(BaseModel):
    """A metric of two jobs; null where one has none, or it is not finite."""

    name: str
    title: str = Field(description="For people")
    unit: str | None
    a: MetricValue
    b: MetricValue


class NormsOut(BaseModel):
    """Sizes of a difference, in its unit; null where no cell has a value in both."""

    max: float | None = Field(description="Largest distance from 0")
    l2: float | None = Field(description="Root of the mean square over the body")


class LargestOut(BaseModel):
    """Place of the largest difference."""

    index: list[int] = Field(description="Along the axes")
    at: dict[str, float] = Field(description="Position by the names of the axes [m]")
    a: float
    b: float
    difference: float


class JobDifferenceOut(BaseModel):
    """What differs between two jobs: the second, b, against the first, a."""

    inputs: list[DifferentInputOut] = Field(description="Those that differ, 500 at most")
    inputs_total: int = Field(description="How many differ")
    inputs_equal: int
    metrics: list[ComparedMetricOut]
    unit: str | None = Field(None, description="Of the difference b - a of the field; null without one")
    norms: NormsOut | None = None
    where: LargestOut | None = None
    axes: list[FieldAxisOut] | None = Field(None, description="Grid of the difference: the coarser one along each axis")
    time_s: float | None = Field(None, description="Simulated time of the first [s]")
    other_time_s: float | None = Field(None, description="Of the second, the nearest that is kept [s]")
    field: str | None = Field(None, description="Address of the difference as a frame")
    reason: str | None = Field(None, description="Why the field cannot be compared")
