"""Alerts, rules and silences as their owner sees them, and the bodies that make them."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, JsonValue

from grid.schemas.alerts import AlertState, SeverityName
from grid.schemas.wire.jobs import Place

MOST_NOTE = 1000  # characters


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class AlertOut(BaseModel):
    """One alert."""

    id: UUID
    run: UUID
    rule: str
    number: int = Field(description="Counted from 1 for each rule of a run")
    rule_version: int
    severity: SeverityName | None = Field(description="Null for a second, until its rule is looked up")
    state: AlertState
    cover: str | None = Field(description="Why the value is not to be trusted: stale, no_data or suspended")
    metric: str
    region: str | None
    value: float | None = Field(description="The last sample that decided")
    threshold: float | None
    first_tick: int | None = Field(description="Of the first breach in a row")
    first_value: float | None
    fired_tick: int
    fired_time_s: float = Field(description="Simulated time [s]")
    fired_at: datetime
    ended_tick: int | None
    ended_at: datetime | None
    ended_by: str | None = Field(description="value, no_data, end (of the run) or removed (the rule)")
    acknowledged_at: datetime | None
    acknowledged_by: UUID | None
    note: str | None
    inhibited_by: str | None = Field(description="The rule, or the region, that explains it")
    silence: UUID | None = Field(description="That hides it now")
    incident: UUID | None
    summary: str
    labels: dict[str, str]
    runbook: str | None


class AlertPage(Place):
    """A part of the list of alerts, newest first."""

    items: list[AlertOut]
    next: UUID | None = Field(None, description="Send it as `after` to read on; null at the end")


class TransitionOut(BaseModel):
    """One change of what a rule shows."""

    n: int
    tick: int
    time_s: float
    at: datetime
    part: str = Field(description="value: by samples; cover: by the service's clock")
    before: str
    after: str
    cause: str
    value: float | None
    value_hex: str | None = Field(description="The value to the bit")
    threshold: float | None
    rule_version: int
    actor: str = Field(description="engine: found again by a replay; service: by the wall clock")


class ExplainedAlertOut(AlertOut):
    """One alert, with its transitions, its rule, and why it is as it is."""

    explain: list[str] = Field(description="Sentences")
    transitions: list[TransitionOut]
    definition: dict[str, JsonValue] | None = Field(description="The rule that fired")


class AcknowledgeIn(_Strict):
    """Words to an acknowledgement."""

    note: str | None = Field(None, max_length=MOST_NOTE)


class AlertRuleIn(_Strict):
    """A rule, for one run or for all of its owner's."""

    rule: dict[str, JsonValue] = Field(description="name, metric, raise, clear, ...; thresholds may have a unit")
    run: Annotated[UUID, Field(strict=False)] | None = Field(None, description="Only this run; null: every run")


class RuleChangeIn(_Strict):
    """What a rule is to be from now on."""

    rule: dict[str, JsonValue]


class AlertRuleOut(BaseModel):
    """A rule that an owner keeps."""

    id: UUID
    run: UUID | None
    name: str
    version: int = Field(description="Its `ETag`")
    rule: dict[str, JsonValue] = Field(description="As it was written; each run has it in the units of its scene")
    created_at: datetime
    updated_at: datetime


class AlertRulePage(Place):
    """A part of the list of rules, newest first."""

    items: list[AlertRuleOut]
    next: UUID | None = Field(None, description="Send it as `after` to read on; null at the end")


class RulesTestIn(_Strict):
    """Rules to be tried on a recorded run."""

    rules: list[dict[str, JsonValue]] = Field(min_length=1, max_length=50)
    run: Annotated[UUID, Field(strict=False)]
    truth: str | None = Field(None, max_length=200, description="As `highest > 540 K`; default: the first failed cell")


class RuleScoreOut(BaseModel):
    """What a rule would have done."""

    rule: str
    fired: int
    false_alarms: int
    missed: int
    flaps: int
    delay_s: float | None = Field(description="From the truth to the alert, at the longest [s]")
    warning_s: float | None = Field(description="From the alert to the truth, at the shortest [s]")


class RulesTestOut(BaseModel):
    """A back-test on stored samples, each of which covers several ticks: `grid alerts test` sees every tick."""

    resolution_s: float = Field(description="Simulated time of a sample [s]")
    length_s: float = Field(description="Simulated time that the samples cover [s]")
    truths: int
    scores: list[RuleScoreOut]


class MatcherIn(_Strict):
    """One condition on an alert."""

    name: Annotated[str, Field(max_length=70)] = Field(description="rule, run, severity, metric, region or label.NAME")
    op: Literal["=", "!="] = "="
    value: Annotated[str, Field(min_length=1, max_length=1000)]


class BelowIn(_Strict):
    """A metric and a value: a silence ends as well when the metric of its run is below."""

    metric: Annotated[str, Field(min_length=1, max_length=100)]
    value: float = Field(allow_inf_nan=False)


class SilenceIn(_Strict):
    """Alerts that are not to be told for a while, and why."""

    matchers: list[MatcherIn] = Field(min_length=1, max_length=10)
    reason: str = Field(min_length=1, max_length=500)
    until: Annotated[AwareDatetime, Field(strict=False)] = Field(description="At most 7 days ahead")
    until_below: BelowIn | None = None


class SilenceOut(BaseModel):
    """One silence."""

    id: UUID
    matchers: list[dict[str, str]]
    reason: str
    by: UUID | None
    created_at: datetime
    until: datetime
    until_below: dict[str, JsonValue] | None
    ended_at: datetime | None
    end_reason: str | None = Field(description="expired, ended, below or unmatched (for an hour)")
    hidden: list[UUID] = Field(description="Alerts that it hid, the newest 200")


class SilencePage(Place):
    """A part of the list of silences, newest first."""

    items: list[SilenceOut]
    next: UUID | None = Field(None, description="Send it as `after` to read on; null at the end")
