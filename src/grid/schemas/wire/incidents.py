"""Incidents and modes as people see them, and the bodies of what people do with them."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from grid.schemas.alerts import IncidentState, SeverityName
from grid.schemas.wire.jobs import Place

Words = Annotated[str, Field(min_length=1, max_length=4000)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class IncidentSummary(BaseModel):
    """One row of the list of incidents."""

    id: UUID
    run: UUID
    title: str
    severity: SeverityName
    state: IncidentState
    opened_at: datetime
    opened_by: UUID | None = Field(description="Null: Grid itself")
    assigned_to: str | None
    resolved_at: datetime | None
    closed_at: datetime | None
    first_tick: int | None = Field(description="Of the first breach")


class IncidentPage(Place):
    """A part of the list of incidents, newest first."""

    items: list[IncidentSummary]
    next: UUID | None = Field(None, description="Send it as `after` to read on; null at the end")


class EntryOut(BaseModel):
    """One entry of a timeline."""

    n: int
    at: datetime
    tick: int | None
    kind: str
    by: str | None = Field(description="Null: Grid itself")
    payload: dict[str, JsonValue]
    hash: str


class StepOut(BaseModel):
    """One step of a runbook."""

    number: int
    kind: Literal["check", "do", "say"]
    title: str
    content: dict[str, JsonValue]
    is_done: bool = Field(description="Whether it was taken, and passed")


class IncidentOut(IncidentSummary):
    """One incident with its timeline."""

    acknowledged_s: float | None = Field(description="From its opening, or reopening, to its acknowledgement [s]")
    resolved_s: float | None = Field(description="Likewise to its resolution [s]")
    snapshot: dict[str, JsonValue] | None = Field(description="Pinned at its opening: id, tick, sha256")
    numerics_version: str
    runbook: str | None
    runbook_text: str | None = Field(description="Markdown")
    steps: list[StepOut]
    entries: list[EntryOut]


class IncidentIn(_Strict):
    """An incident that is opened by hand."""

    run: Annotated[UUID, Field(strict=False)]
    title: Annotated[str, Field(min_length=1, max_length=300)]
    severity: SeverityName = "high"
    runbook: Annotated[str, Field(max_length=100)] | None = None


class NoteIn(_Strict):
    """A note; it is never edited."""

    text: Words


class IncidentAcknowledgeIn(_Strict):
    """Words to an acknowledgement."""

    note: Words | None = None


class AssignIn(_Strict):
    """Who works on an incident."""

    to: Annotated[str, Field(min_length=1, max_length=100)]


class ResolveIn(_Strict):
    """Why an incident is over; needed while an alert of it fires."""

    reason: Words | None = None


class StepIn(_Strict):
    """The confirmation of a step that sends a command."""

    confirm: bool = False


class StepTakenOut(BaseModel):
    """What came of a step."""

    is_done: bool
    entry: EntryOut


class VerificationOut(BaseModel):
    """Whether the timeline is as it was written."""

    is_intact: bool
    entries: int
    head: str = Field(description="Kept elsewhere, it proves the timeline up to now")
    faults: list[str]


class ModeOut(BaseModel):
    """The mode of one part of the service, or of one run."""

    part: str
    run: UUID | None = Field(description="Null: of the service")
    rung: int = Field(description="0: full service")
    name: str
    reason: str
    since: datetime
    evidence: dict[str, JsonValue]
    advice: str = Field(description="What to do")


class ModesOut(BaseModel):
    """The modes of the service's parts, and of the caller's runs."""

    mode: str = Field(description="As the header Grid-Mode says it")
    items: list[ModeOut]
