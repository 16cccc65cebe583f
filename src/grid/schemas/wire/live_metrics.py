"""Metrics of a live run: what the newest sample shows, and their history; its checkpoints and alert rules."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from grid.schemas.live import ModelPolicy, RunState, SnapshotKind

MAX_POINTS = 2000  # rows of a history that may be asked for
MAX_RULES = 50  # of one run


class MetricsOut(BaseModel):
    """The newest metrics of a run."""

    run: UUID
    status: RunState
    message: str = Field(description="The state in one sentence")
    model: Literal["lumped", "diffusive"] | None = Field(description="Of the newest sample; null before the first")
    policy: ModelPolicy = Field(description="Who chooses the model")
    tick: int = Field(description="The largest that was shown")
    tick_s: str = Field(description="Simulated time of a tick [s]")
    first_tick: int | None = Field(description="The first tick that the sample covers")
    end_tick: int | None = Field(description="The tick behind the last that it covers")
    time_s: float | None = Field(description="Simulated time at the end of the sample [s]")
    sampled_at: datetime | None
    age_s: float | None = Field(description="Time since the run was sampled [s]; a run that is paused is not sampled")
    metrics: dict[str, float | None] = Field(description="The last value of each; null where there is none")


class MetricColumns(BaseModel):
    """One metric over the rows of a history; null where it has no value."""

    min: list[float | None]
    max: list[float | None]
    mean: list[float | None]
    last: list[float | None]


class MetricHistoryOut(BaseModel):
    """A span of a run's metrics by columns, from a level of the pyramid: a row covers 2^level ticks.

    Where that level has no rows, because the run had another speed there or they are too old, rows of other levels take
    their place: `first_tick` and `end_tick` say what each covers.
    """

    run: UUID
    level: int
    ticks_of_a_row: int = Field(description="Of the level; a row of another one covers more or fewer")
    tick_s: str = Field(description="Simulated time of a tick [s]")
    first_tick: list[int] = Field(description="The first tick of each row")
    end_tick: list[int] = Field(description="The tick behind the last of each row")
    time_s: list[float] = Field(description="Simulated time at the end of each row [s]")
    metrics: dict[str, MetricColumns]


class CheckpointOut(BaseModel):
    """A snapshot of a run, from which it can go on, or branch."""

    id: UUID
    tick: int
    time_s: float = Field(description="Simulated time of that tick [s]")
    kind: SnapshotKind = Field(description="user: asked for; auto: made for a resume, and removed with age")
    pinned: bool = Field(description="Whether it stays")
    bytes: int
    sha256: str
    created_at: datetime


class CheckpointList(BaseModel):
    """All snapshots of a run, the newest first."""

    items: list[CheckpointOut]


class RulesIn(BaseModel):
    """Alert rules of a run in simulation time, all of them: they take the place of those it has."""

    model_config = ConfigDict(extra="forbid", strict=True)

    rules: list[dict[str, JsonValue]] = Field(max_length=MAX_RULES)


class RulesOut(BaseModel):
    """Alert rules of a run; `version` is the `ETag` of the answer, which `If-Match` of a change names."""

    version: int
    rules: list[dict[str, JsonValue]]
