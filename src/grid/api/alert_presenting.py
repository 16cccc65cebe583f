"""Records of alerts, rules, silences, incidents and modes as the wire models of the answer."""

from typing import Any
from uuid import UUID

from grid.database.alert_rules import AlertRuleRecord
from grid.database.alerts import AlertRecord, TransitionRecord
from grid.database.incidents import IncidentEntryRecord, IncidentRecord
from grid.database.mode_states import SERVICE, ModeRecord
from grid.database.silences import SilenceRecord
from grid.schemas.wire.alerts import AlertOut, AlertRuleOut, ExplainedAlertOut, SilenceOut, TransitionOut
from grid.schemas.wire.incidents import EntryOut, IncidentOut, IncidentSummary, ModeOut, StepOut
from grid.services.alerts.alerts import ExplainedAlert
from grid.services.incidents.working import IncidentView
from grid.services.mode_board import find_advice, read_mode


def _alert_values(alert: AlertRecord) -> dict[str, Any]:
    names = (
        "id", "rule", "number", "rule_version", "severity", "state", "cover", "metric", "region", "value", "threshold",
        "first_tick", "first_value", "fired_tick", "fired_time_s", "fired_at", "ended_tick", "ended_at", "ended_by",
        "acknowledged_at", "acknowledged_by", "note", "inhibited_by", "labels",
    )  # fmt: skip
    definition = alert.definition or {}
    return {name: getattr(alert, name) for name in names} | {
        "run": alert.run_id,
        "silence": alert.silence_id,
        "incident": alert.incident_id,
        "summary": definition.get("summary", ""),
        "runbook": definition.get("runbook"),
    }


def present_alert(alert: AlertRecord) -> AlertOut:
    """Return an alert as its owner sees it."""
    return AlertOut(**_alert_values(alert))


def present_explained(found: ExplainedAlert) -> ExplainedAlertOut:
    """Return an alert with its transitions and why it is as it is."""
    return ExplainedAlertOut(
        **_alert_values(found.alert),
        explain=list(found.explanation),
        transitions=[_present_transition(one) for one in found.transitions],
        definition=found.alert.definition,
    )


def _present_transition(one: TransitionRecord) -> TransitionOut:
    return TransitionOut(**{name: value for name, value in vars(one).items() if name in TransitionOut.model_fields})


def present_rule(rule: AlertRuleRecord) -> AlertRuleOut:
    """Return a rule as its owner sees it."""
    return AlertRuleOut(
        id=rule.id, run=rule.run_id, name=rule.name, version=rule.version, rule=rule.definition,
        created_at=rule.created_at, updated_at=rule.updated_at,
    )  # fmt: skip


def present_silence(silence: SilenceRecord) -> SilenceOut:
    """Return a silence as its owner sees it."""
    return SilenceOut(
        id=silence.id, matchers=silence.matchers, reason=silence.reason, by=silence.created_by,
        created_at=silence.created_at, until=silence.until, until_below=silence.until_below,
        ended_at=silence.ended_at, end_reason=silence.end_reason, hidden=[UUID(one) for one in silence.hidden],
    )  # fmt: skip


def _incident_values(record: IncidentRecord) -> dict[str, Any]:
    names = (
        "id", "title", "severity", "state", "opened_at", "opened_by", "assigned_to", "resolved_at", "closed_at",
        "first_tick",
    )  # fmt: skip
    return {name: getattr(record, name) for name in names} | {"run": record.run_id}


def present_incident_summary(record: IncidentRecord) -> IncidentSummary:
    """Return one row of the list of incidents."""
    return IncidentSummary(**_incident_values(record))


def present_incident(view: IncidentView) -> IncidentOut:
    """Return an incident with its timeline."""
    record, runbook = view.record, view.record.runbook or {}
    return IncidentOut(
        **_incident_values(record),
        acknowledged_s=view.acknowledged_s,
        resolved_s=view.resolved_s,
        snapshot=record.snapshot,
        numerics_version=record.numerics_version,
        runbook=runbook.get("name"),
        runbook_text=runbook.get("text"),
        steps=_present_steps(view),
        entries=[present_entry(entry) for entry in view.entries],
    )


def _present_steps(view: IncidentView) -> list[StepOut]:
    taken = [entry.content for entry in view.entries if entry.kind == "runbook"]
    done = {content["step"] for content in taken if content.get("passed", True)}
    steps = (view.record.runbook or {}).get("steps", [])
    return [StepOut(number=place, is_done=place in done, **step) for place, step in enumerate(steps, start=1)]


def present_entry(entry: IncidentEntryRecord) -> EntryOut:
    """Return one entry of a timeline."""
    return EntryOut(
        n=entry.n, at=entry.at, tick=entry.tick, kind=entry.kind, by=entry.actor, payload=entry.content, hash=entry.hash
    )


def present_mode(record: ModeRecord) -> ModeOut:
    """Return the mode of one part."""
    return ModeOut(
        part=record.part,
        run=None if record.scope == SERVICE else UUID(record.scope),
        rung=record.rung,
        name=read_mode(record).name,
        reason=record.reason,
        since=record.since,
        evidence=record.evidence,
        advice=find_advice(record.part, record.rung),
    )
