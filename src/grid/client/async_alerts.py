"""Verbs of alerts, rules, silences, incidents and modes, to await: see `grid.client.alerts`."""

from collections.abc import AsyncIterator, Sequence
from uuid import UUID

from grid.client import alert_calls
from grid.client.alert_calls import Json
from grid.client.alerts import PART
from grid.client.async_engine import AsyncSender
from grid.client.calls import Id
from grid.client.engine import new_key
from grid.client.sender import LONG
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


class AsyncAlerts:
    """Alerts of live runs.

    Args:
        sender: Sends the calls.
    """

    def __init__(self, sender: AsyncSender) -> None:
        self._sender = sender

    async def list(
        self, *, state: Sequence[str] | None = None, run: Id | None = None, severity: Sequence[str] | None = None,
        after: Id | None = None, limit: int | None = None,
    ) -> AlertPage:  # fmt: skip
        """List alerts, newest first: those behind `after`, which is the `next` of the answer before."""
        call = alert_calls.list_alerts(state=state, run=run, severity=severity, after=after, limit=limit)
        return await self._sender.send(call)

    async def iterate(
        self, *, state: Sequence[str] | None = None, run: Id | None = None, severity: Sequence[str] | None = None
    ) -> AsyncIterator[AlertOut]:
        """Yield every alert, newest first."""
        after: Id | None = None
        while True:
            found = await self.list(state=state, run=run, severity=severity, after=after, limit=PART)
            for alert in found.items:
                yield alert
            if (after := found.next) is None:
                return

    async def show(self, alert: Id) -> ExplainedAlertOut:
        """Show one alert with its transitions, and why it is as it is."""
        return await self._sender.send(alert_calls.get_alert(alert))

    async def acknowledge(self, alert: Id, note: str | None = None) -> AlertOut:
        """Say that somebody looks after an alert."""
        return await self._sender.send(alert_calls.acknowledge_alert(alert, note))


class AsyncAlertRules:
    """Alert rules that are kept, for one run or for all.

    Args:
        sender: Sends the calls.
    """

    def __init__(self, sender: AsyncSender) -> None:
        self._sender = sender

    async def add(self, rule: Json, run: Id | None = None) -> AlertRuleOut:
        """Keep a rule, for one run or for all."""
        return await self._sender.send(alert_calls.add_rule(rule, run))

    async def list(self, *, after: Id | None = None, limit: int | None = None) -> AlertRulePage:
        """List rules, newest first."""
        return await self._sender.send(alert_calls.list_rules(after=after, limit=limit))

    async def change(self, rule_id: Id, rule: Json, *, version: int | None = None) -> AlertRuleOut:
        """Replace a rule; with a version only where nobody has changed it since."""
        return await self._sender.send(alert_calls.change_rule(rule_id, rule, version))

    async def remove(self, rule_id: Id) -> None:
        """Remove a rule."""
        await self._sender.send(alert_calls.remove_rule(rule_id))

    async def test(self, rules: Sequence[Json], run: Id, *, truth: str | None = None) -> RulesTestOut:
        """Try rules on the stored samples of a run."""
        return await self._sender.send(alert_calls.try_rules(rules, run, truth), timeout=LONG)


class AsyncSilences:
    """Silences of alerts.

    Args:
        sender: Sends the calls.
    """

    def __init__(self, sender: AsyncSender) -> None:
        self._sender = sender

    async def add(self, matchers: Sequence[Json], reason: str, until: str, *, below: Json | None = None) -> SilenceOut:
        """Silence what matches until a time (ISO 8601), or until a metric is below a value."""
        return await self._sender.send(alert_calls.add_silence(matchers, reason, until, below))

    async def list(self, *, living: bool = False, after: Id | None = None, limit: int | None = None) -> SilencePage:
        """List silences, newest first; with `living` those that have not ended."""
        return await self._sender.send(alert_calls.list_silences(living=living, after=after, limit=limit))

    async def show(self, silence: Id) -> SilenceOut:
        """Show a silence, and what it hid."""
        return await self._sender.send(alert_calls.get_silence(silence))

    async def end(self, silence: Id) -> SilenceOut:
        """End a silence."""
        return await self._sender.send(alert_calls.end_silence(silence))


class AsyncIncidents:
    """Incidents of live runs.

    Args:
        sender: Sends the calls.
    """

    def __init__(self, sender: AsyncSender) -> None:
        self._sender = sender

    async def open(self, run: Id, title: str, *, severity: str = "high", runbook: str | None = None) -> IncidentOut:
        """Open an incident of a run by hand."""
        return await self._sender.send(alert_calls.open_incident(run, title, severity, runbook))

    async def list(
        self, *, state: Sequence[str] | None = None, run: Id | None = None, after: Id | None = None,
        limit: int | None = None,
    ) -> IncidentPage:  # fmt: skip
        """List incidents, newest first."""
        return await self._sender.send(alert_calls.list_incidents(state=state, run=run, after=after, limit=limit))

    async def show(self, incident: Id) -> IncidentOut:
        """Show an incident with its timeline and runbook."""
        return await self._sender.send(alert_calls.get_incident(incident))

    async def note(self, incident: Id, text: str) -> IncidentOut:
        """Add a note. It is never edited: a wrong one is answered by another."""
        return await self._sender.send(alert_calls.work_incident(incident, "notes", {"text": text}))

    async def acknowledge(self, incident: Id, note: str | None = None) -> IncidentOut:
        """Take an incident on; its alerts are acknowledged with it."""
        return await self._sender.send(alert_calls.work_incident(incident, "acknowledge", {"note": note}))

    async def assign(self, incident: Id, to: str) -> IncidentOut:
        """Say who works on an incident."""
        return await self._sender.send(alert_calls.work_incident(incident, "assign", {"to": to}))

    async def resolve(self, incident: Id, reason: str | None = None) -> IncidentOut:
        """Resolve an incident; a reason is needed while an alert of it fires."""
        return await self._sender.send(alert_calls.work_incident(incident, "resolve", {"reason": reason}))

    async def take_step(self, incident: Id, number: int, *, confirm: bool = False) -> StepTakenOut:
        """Take a step of the runbook; one that sends a command needs `confirm`."""
        return await self._sender.send(alert_calls.take_step(incident, number, confirm=confirm))

    async def verify(self, incident: Id) -> VerificationOut:
        """Find entries of the timeline that are not as they were written."""
        return await self._sender.send(alert_calls.verify_incident(incident))

    async def export(self, incident: Id, kind: str = "md") -> str:
        """Return an incident as Markdown (`md`) or, with all its hashes, as JSON (`json`)."""
        return await self._sender.send(alert_calls.export_incident(incident, kind))

    async def replay(self, incident: Id) -> UUID:
        """Submit a job that carries out the run again up to the alert, and compares; return its id."""
        call = alert_calls.replay_incident(incident, key=new_key())
        return (await self._sender.send(call, timeout=LONG)).jobs[0]


class AsyncModes:
    """Degraded modes of the service and of the caller's runs.

    Args:
        sender: Sends the calls.
    """

    def __init__(self, sender: AsyncSender) -> None:
        self._sender = sender

    async def list(self) -> ModesOut:
        """List the modes: since when, why, by what evidence, and what to do."""
        return await self._sender.send(alert_calls.list_modes())
