"""Calls about alerts, silences, incidents and modes, as values; see `grid.client.calls`."""

from collections.abc import Mapping, Sequence
from typing import Any

import httpx

from grid.client.calls import API, Call, Id, model
from grid.schemas.wire import SubmissionOut
from grid.schemas.wire.alerts import (
    AlertOut,
    AlertPage,
    AlertRuleOut,
    AlertRulePage,
    ExplainedAlertOut,
    RulesTestOut,
    SilenceOut,
    SilencePage,
)
from grid.schemas.wire.incidents import IncidentOut, IncidentPage, ModesOut, StepTakenOut, VerificationOut

ALERTS, RULES, SILENCES = f"{API}/alerts", f"{API}/alert-rules", f"{API}/silences"
INCIDENTS = f"{API}/incidents"
Json = Mapping[str, Any]


def list_alerts(
    *, state: Sequence[str] | None = None, run: Id | None = None, severity: Sequence[str] | None = None,
    after: Id | None = None, limit: int | None = None,
) -> Call[AlertPage]:  # fmt: skip
    """List alerts, newest first."""
    query = {"state": state, "run": _text(run), "severity": severity, "after": _text(after), "limit": limit}
    return Call("GET", ALERTS, model(AlertPage), query=query)


def get_alert(alert: Id) -> Call[ExplainedAlertOut]:
    """Show one alert, and why it is as it is."""
    return Call("GET", f"{ALERTS}/{alert}", model(ExplainedAlertOut))


def acknowledge_alert(alert: Id, note: str | None = None) -> Call[AlertOut]:
    """Say that somebody looks after an alert."""
    return Call("POST", f"{ALERTS}/{alert}/acknowledge", model(AlertOut), body={"note": note})


def add_rule(rule: Json, run: Id | None = None) -> Call[AlertRuleOut]:
    """Keep a rule, for one run or for all."""
    return Call("POST", RULES, model(AlertRuleOut), body={"rule": rule, "run": _text(run)})


def change_rule(rule_id: Id, rule: Json, version: int | None = None) -> Call[AlertRuleOut]:
    """Replace a rule; with a version only where it is still that one."""
    headers = {"If-Match": f'"{version}"'} if version is not None else {}
    return Call("PUT", f"{RULES}/{rule_id}", model(AlertRuleOut), body={"rule": rule}, headers=headers)


def remove_rule(rule_id: Id) -> Call[None]:
    """Remove a rule."""
    return Call("DELETE", f"{RULES}/{rule_id}", read_nothing)


def list_rules(*, after: Id | None = None, limit: int | None = None) -> Call[AlertRulePage]:
    """List rules, newest first."""
    return Call("GET", RULES, model(AlertRulePage), query={"after": _text(after), "limit": limit})


def try_rules(rules: Sequence[Json], run: Id, truth: str | None = None) -> Call[RulesTestOut]:
    """Try rules on the stored samples of a run."""
    body = {"rules": list(rules), "run": str(run), "truth": truth}
    return Call("POST", f"{RULES}/test", model(RulesTestOut), body=body)


def add_silence(matchers: Sequence[Json], reason: str, until: str, below: Json | None = None) -> Call[SilenceOut]:
    """Silence what matches until a time."""
    body = {"matchers": list(matchers), "reason": reason, "until": until, "until_below": below}
    return Call("POST", SILENCES, model(SilenceOut), body=body)


def list_silences(*, living: bool = False, after: Id | None = None, limit: int | None = None) -> Call[SilencePage]:
    """List silences, newest first."""
    query = {"living": "true" if living else None, "after": _text(after), "limit": limit}
    return Call("GET", SILENCES, model(SilencePage), query=query)


def get_silence(silence: Id) -> Call[SilenceOut]:
    """Show a silence, and what it hid."""
    return Call("GET", f"{SILENCES}/{silence}", model(SilenceOut))


def end_silence(silence: Id) -> Call[SilenceOut]:
    """End a silence."""
    return Call("DELETE", f"{SILENCES}/{silence}", model(SilenceOut))


def open_incident(run: Id, title: str, severity: str = "high", runbook: str | None = None) -> Call[IncidentOut]:
    """Open an incident of a run by hand."""
    body = {"run": str(run), "title": title, "severity": severity, "runbook": runbook}
    return Call("POST", INCIDENTS, model(IncidentOut), body=body)


def list_incidents(
    *, state: Sequence[str] | None = None, run: Id | None = None, after: Id | None = None, limit: int | None = None
) -> Call[IncidentPage]:
    """List incidents, newest first."""
    query = {"state": state, "run": _text(run), "after": _text(after), "limit": limit}
    return Call("GET", INCIDENTS, model(IncidentPage), query=query)


def get_incident(incident: Id) -> Call[IncidentOut]:
    """Show an incident with its timeline."""
    return Call("GET", f"{INCIDENTS}/{incident}", model(IncidentOut))


def work_incident(incident: Id, verb: str, body: Json) -> Call[IncidentOut]:
    """Do something with an incident: `notes`, `acknowledge`, `assign` or `resolve`."""
    return Call("POST", f"{INCIDENTS}/{incident}/{verb}", model(IncidentOut), body=body)


def take_step(incident: Id, number: int, *, confirm: bool = False) -> Call[StepTakenOut]:
    """Take a step of the runbook."""
    return Call("POST", f"{INCIDENTS}/{incident}/steps/{number}", model(StepTakenOut), body={"confirm": confirm})


def replay_incident(incident: Id, *, key: str | None = None) -> Call[SubmissionOut]:
    """Submit a job that carries out the run of an incident again."""
    headers = {"Idempotency-Key": key} if key else {}
    return Call("POST", f"{INCIDENTS}/{incident}/replay", model(SubmissionOut), headers=headers)


def verify_incident(incident: Id) -> Call[VerificationOut]:
    """Find entries of a timeline that are not as they were written."""
    return Call("GET", f"{INCIDENTS}/{incident}/verify", model(VerificationOut))


def export_incident(incident: Id, kind: str = "md") -> Call[str]:
    """Read an incident as Markdown or JSON."""
    return Call("GET", f"{INCIDENTS}/{incident}/export", read_text, query={"format": kind})


def list_modes() -> Call[ModesOut]:
    """List the modes of the service's parts, and of one's own runs."""
    return Call("GET", f"{API}/modes", model(ModesOut))


def read_nothing(_response: httpx.Response) -> None:
    """Read an answer that says nothing."""


def read_text(response: httpx.Response) -> str:
    """Read an answer as it is."""
    return response.text


def _text(value: Id | None) -> str | None:
    return None if value is None else str(value)
