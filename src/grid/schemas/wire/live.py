"""Live runs, their commands and events as their owner sees them, and the bodies that make them."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from grid.schemas.live import (
    Activity,
    CommandKind,
    CommandOutcome,
    EventOrigin,
    ModelPolicy,
    OverloadPolicy,
    RunReason,
    RunState,
    Wanted,
)
from grid.schemas.wire.jobs import Place

MAX_NAME = 100  # characters
MAX_EVENTS = 50  # of one request
Name = Annotated[str, Field(max_length=MAX_NAME)]
Speed = Annotated[float, Field(ge=0.1, le=100)] | Literal["max"]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class LiveRunIn(_Strict):
    """A live run of a scenario with its parameters, or of a scene."""

    scenario: Annotated[str, Field(min_length=1, max_length=64)] | None = Field(None, description="Name of a scenario")
    params: dict[str, JsonValue] = Field(default_factory=dict, description="Of the scenario; others take defaults")
    cells: Annotated[list[Annotated[int, Field(ge=1, le=1_048_576)]], Field(min_length=1, max_length=3)] | None = Field(
        None, description="Numbers of cells along the axes; default: the scenario's"
    )
    scene: dict[str, JsonValue] | None = Field(None, description="`case` in the case format, and `structure`")
    tick_s: Annotated[str, Field(max_length=32, pattern=r"^[0-9.eE+-]+$")] | None = Field(
        None, description="Simulated time of a tick [s], as text"
    )
    rate: Annotated[float, Field(ge=1, le=60)] | None = Field(None, description="Ticks a second at speed 1")
    speed: Speed = Field(1.0, description="Factor on the rate, or max")
    method: Annotated[str, Field(max_length=16)] = Field("auto", description="A live method, or auto")
    model: ModelPolicy = Field("auto", description="Who chooses between the lumped and the diffusive model")
    policy: OverloadPolicy = Field(
        "slip", description="What it may leave out where it cannot keep its pace: nothing, stress, or the field too"
    )
    seed: int = Field(0, ge=0, lt=2**63, description="Of random numbers")
    threads: int = Field(1, ge=1, le=2, description="Of the kernels; the bytes do not depend on it")
    paused: bool = Field(False, description="Pause before the first tick")
    name: Name = ""


class LiveRunOut(BaseModel):
    """Everything about one live run but its scene, commands, events and samples."""

    id: UUID
    name: str
    status: RunState
    reason: RunReason | None = Field(description="Why it ends as it does; null until then")
    message: str = Field(description="The state in one sentence")
    scenario: str | None
    temperature_unit: Literal["degC", "K", "relative"] | None = Field(
        None, description="Of temperatures of its metrics and pictures; null for runs of an earlier version"
    )
    cells: list[int] | None = Field(None, description="Cells along each axis; null for runs of an earlier version")
    has_structure: bool | None = Field(None, description="Whether stress is computed; null as above")
    origin_m: list[float] | None = Field(None, description="Lowest corner of the body [m]; null as above")
    size_m: list[float] | None = Field(None, description="Length of the body along each axis [m]; null as above")
    wanted: Wanted
    speed: float | None = Field(description="Factor on the rate; null: as fast as can be")
    model: ModelPolicy
    policy: OverloadPolicy = Field("slip", description="What it may leave out where it cannot keep its pace")
    activity: Activity | None = Field(None, description="What holds up its ticks: kernels are compiled; null: nothing")
    rules_version: int
    tick: int = Field(description="The largest that was shown, a second old at most")
    time_s: float = Field(description="Simulated time of that tick [s]")
    tick_s: str = Field(description="Simulated time of a tick [s]")
    rate: float = Field(description="Ticks a second at speed 1")
    steps_per_tick: int
    method: str
    price_s: float = Field(description="Estimated processor time of a tick [s]")
    load_share: float = Field(description="Cores that it takes")
    seed: int
    spec_hash: str
    numerics_version: str
    platform: str | None = Field(description="Where the bytes of its fields hold; null until it has begun")
    parent_id: UUID | None
    parent_tick: int | None
    commands: int = Field(description="How many it had")
    events: int = Field(description="How many it has stored")
    dropped_events: int
    losses: int = Field(description="How often its worker or child went away lately; the third time is the last")
    epoch: int
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    sampled_at: datetime | None


class LiveRunPage(Place):
    """A part of the list of live runs, newest first."""

    items: list[LiveRunOut]
    next: UUID | None = Field(None, description="Send it as `after` to read on; null at the end")


class PricedRunOut(BaseModel):
    """What a live run would be, if it were submitted now."""

    method: str
    steps_per_tick: int
    tick_s: str
    rate: float
    cells: int
    price_s: float = Field(description="Estimated processor time of a tick [s]")
    load_share: float = Field(description="Cores that it would take")
    largest_rate: float = Field(description="Ticks a second that fit")
    memory_bytes: int
    place_in_queue: int


class AcceptedOut(BaseModel):
    """A command that is committed."""

    run: UUID
    seq: int
    client_id: str
    state: Literal["committed"] = "committed"


class LiveCommandOut(BaseModel):
    """A command, and what became of it."""

    seq: int
    client_id: str
    kind: CommandKind
    payload: dict[str, JsonValue]
    at_s: float | None = Field(description="Simulated time for which it is scheduled [s]; null: as soon as can be")
    by: UUID | None = Field(description="Who sent it; null: Grid itself")
    created_at: datetime
    tick: int | None = Field(description="At whose beginning it takes effect; null until that is decided")
    outcome: CommandOutcome | None
    reason: str | None = Field(description="Why it was refused")
    effective: dict[str, JsonValue] | None = Field(description="What it did, rounded to ticks")
    applied_at: datetime | None


class LiveCommandList(BaseModel):
    """Commands in the order of their numbers."""

    items: list[LiveCommandOut]
    next: int | None = Field(description="Send it as `after` to read on; null at the end")


class LiveEventOut(BaseModel):
    """An event of a live run."""

    n: int
    tick: int
    step: int
    kind: str
    payload: dict[str, JsonValue]
    origin: EventOrigin
    created_at: datetime


class LiveEventList(BaseModel):
    """Events in the order of their numbers."""

    items: list[LiveEventOut]
    next: int | None = Field(description="Send it as `after` to read on; null at the end")


class StepIn(_Strict):
    """So many ticks of a paused run."""

    ticks: int = Field(1, ge=1, le=10_000)


class SpeedIn(_Strict):
    """How fast a run goes."""

    speed: Speed


class ModelIn(_Strict):
    """Who chooses between the lumped and the diffusive model."""

    model: ModelPolicy
