"""What people do with incidents: open, note, acknowledge, assign, resolve, take steps of a runbook."""

from dataclasses import dataclass
from typing import Final
from uuid import UUID

from grid.core.errors import ConflictError, FieldError, NotFoundError
from grid.core.storable import storable_text
from grid.database.incidents import IncidentEntryRecord, IncidentRecord, NewIncidentEntry
from grid.database.job_queries import Count
from grid.database.uow import Transaction, UnitOfWork
from grid.database.windows import Window
from grid.schemas.alerts import SEVERITIES, IncidentState
from grid.schemas.jobs import JsonObject
from grid.schemas.live import CommandKind
from grid.services import audit
from grid.services.alerts.metrics import read_run_metrics
from grid.services.incidents.following import IncidentFollower, announce, open_incident
from grid.services.incidents.runbooks import RunbookFolder, is_met
from grid.services.jobs import Page
from grid.services.live.commands import CommandRequest, LiveCommandService

MOST_TEXT: Final = 4000  # characters of a note or reason
MOST_PERSON: Final = 100  # characters


class IncidentStateError(ConflictError):
    """The state of the incident does not allow this."""

    code, title = "incident-state", "The state of the incident does not allow this"

    def __init__(self, state: str, needed: str) -> None:
        super().__init__(state, needed)
        self.incident_state, self.needed = state, needed

    def __str__(self) -> str:
        return f"The incident is {self.incident_state}; {self.needed}."


@dataclass(frozen=True)
class IncidentView:
    """An incident with its entries, and the times that follow from them.

    Args:
        record: The incident.
        entries: In order.
        acknowledged_s: From its opening, or its last reopening, to the first acknowledgement [s]; None before that.
        resolved_s: To its resolution, likewise.
    """

    record: IncidentRecord
    entries: tuple[IncidentEntryRecord, ...]
    acknowledged_s: float | None
    resolved_s: float | None


@dataclass(frozen=True)
class StepOutcome:
    """What came of a step of a runbook."""

    entry: IncidentEntryRecord
    is_done: bool


@dataclass(frozen=True)
class IncidentService:
    """Work on incidents. `owner_id` is None only for an administrator who asked for everybody's.

    Args:
        uow: Where they are.
        commands: The door through which commands go, with the rights of whoever sends them.
        runbooks: That incidents opened by hand may name.
    """

    uow: UnitOfWork
    commands: LiveCommandService
    runbooks: RunbookFolder

    def open(
        self, *, actor_id: UUID, owner_id: UUID | None, run_id: UUID, title: str, severity: str = "high",
        runbook: str | None = None,
    ) -> IncidentView:  # fmt: skip
        """Open an incident by hand.

        Raises:
            NotFoundError: There is no such run, or runbook, for this owner.
            FieldError: The title is empty, or the severity none.
        """
        words = _require_text("title", title, 300)
        if severity not in SEVERITIES:
            raise FieldError("severity", f"must be one of {', '.join(SEVERITIES)}")
        if runbook is not None and self.runbooks.find(runbook) is None:
            raise NotFoundError("runbook")
        with self.uow.begin() as tx:
            run = tx.live_runs.hold(run_id, owner_id)
            if run is None:
                raise NotFoundError("live run")
            cause = NewIncidentEntry("opened", {"by": "hand", "title": words}, run.tick, str(actor_id))
            incident = open_incident(
                tx, run, group_key=f"{run_id}:hand", title=words, severity=severity, opened_by=actor_id,
                first_tick=run.tick, cause=cause, runbook=IncidentFollower(self.runbooks).find_runbook(runbook),
            )  # fmt: skip
            audit.record(tx, actor_id=actor_id, action="incident.open", subject=f"incident:{incident.id}")
        return self.get(owner_id=owner_id, incident_id=incident.id)

    def get(self, *, owner_id: UUID | None, incident_id: UUID) -> IncidentView:
        """Read an incident with its timeline.

        Raises:
            NotFoundError: There is no such incident for this owner.
        """
        with self.uow.read() as tx:
            incident = _find(tx, owner_id, incident_id)
            entries = tx.incidents.entries(incident_id)
        return IncidentView(incident, tuple(entries), *measure_times(entries))

    def list(
        self, window: Window[UUID], *, owner_id: UUID | None, states: tuple[IncidentState, ...] = (),
        run_id: UUID | None = None,
    ) -> Page[IncidentRecord]:  # fmt: skip
        """Read a part of the list of incidents, newest first."""
        with self.uow.read() as tx:
            items, following, total = tx.incidents.read_window(window, owner_id=owner_id, states=states, run_id=run_id)
        return Page(items, window, Count(total, True), following)

    def note(self, *, actor_id: UUID, owner_id: UUID | None, incident_id: UUID, text: str) -> IncidentView:
        """Add a note; it is never edited, a wrong one is answered by another.

        Raises:
            NotFoundError: There is no such incident for this owner.
            FieldError: The note is empty.
            IncidentStateError: It is closed.
        """
        words = _require_text("text", text)
        with self.uow.begin() as tx:
            self._hold(tx, owner_id, incident_id)
            tx.incidents.append(incident_id, [NewIncidentEntry("note", {"text": words}, actor=str(actor_id))])
        return self.get(owner_id=owner_id, incident_id=incident_id)

    def acknowledge(
        self, *, actor_id: UUID, owner_id: UUID | None, incident_id: UUID, note: str | None = None
    ) -> IncidentView:
        """Take an incident on; its alerts are acknowledged with it. A repetition changes nothing.

        Raises:
            NotFoundError: There is no such incident for this owner.
            IncidentStateError: It is resolved or closed.
        """
        content: JsonObject = {} if note is None else {"text": _require_text("note", note)}
        with self.uow.begin() as tx:  # run, alerts, incident: everybody who holds several holds them in this order
            run = tx.live_runs.hold(_find(tx, owner_id, incident_id).run_id)
            alerts = [tx.alerts.find(one.id, is_held=True) for one in tx.alerts.of_incident(incident_id)]
            incident = self._hold(tx, owner_id, incident_id)
            if not incident.state.is_living:
                raise IncidentStateError(incident.state.value, "only an open one is acknowledged")
            if incident.state is IncidentState.OPEN:
                tx.incidents.append(incident_id, [NewIncidentEntry("acknowledge", content, actor=str(actor_id))])
                tx.incidents.change(incident_id, state=IncidentState.ACKNOWLEDGED)
                for alert in alerts:
                    if alert is not None and alert.acknowledged_at is None:
                        tx.alerts.change(alert.id, acknowledged_by=actor_id, acknowledged_at=tx.now())
                announce(tx, run, incident, IncidentState.ACKNOWLEDGED)
                audit.record(tx, actor_id=actor_id, action="incident.acknowledge", subject=f"incident:{incident_id}")
        return self.get(owner_id=owner_id, incident_id=incident_id)

    def assign(self, *, actor_id: UUID, owner_id: UUID | None, incident_id: UUID, to: str) -> IncidentView:
        """Say who works on an incident.

        Raises:
            NotFoundError: There is no such incident for this owner.
            FieldError: The name is empty.
            IncidentStateError: It is closed.
        """
        person = _require_text("to", to, MOST_PERSON)
        with self.uow.begin() as tx:
            self._hold(tx, owner_id, incident_id)
            tx.incidents.append(incident_id, [NewIncidentEntry("assign", {"to": person}, actor=str(actor_id))])
            tx.incidents.change(incident_id, assigned_to=person)
        return self.get(owner_id=owner_id, incident_id=incident_id)

    def resolve(
        self, *, actor_id: UUID, owner_id: UUID | None, incident_id: UUID, reason: str | None = None
    ) -> IncidentView:
        """Resolve an incident: none of its alerts fires any more, or a reason says why that does not matter.

        Raises:
            NotFoundError: There is no such incident for this owner.
            IncidentStateError: It is resolved or closed, or an alert fires and there is no reason.
        """
        with self.uow.begin() as tx:
            run = tx.live_runs.hold(_find(tx, owner_id, incident_id).run_id)
            incident = self._hold(tx, owner_id, incident_id)
            if not incident.state.is_living:
                raise IncidentStateError(incident.state.value, "only an open one is resolved")
            firing = [alert.rule for alert in tx.alerts.of_incident(incident_id) if alert.state.is_active]
            if firing and not (reason or "").strip():
                raise IncidentStateError(incident.state.value, f"{', '.join(firing[:5])} fires: give a reason")
            content: JsonObject = {"firing": firing}
            content |= {"reason": _require_text("reason", reason)} if reason is not None else {}
            tx.incidents.append(incident_id, [NewIncidentEntry("resolve", content, actor=str(actor_id))])
            tx.incidents.change(incident_id, state=IncidentState.RESOLVED, resolved_at=tx.now())
            announce(tx, run, incident, IncidentState.RESOLVED)
            audit.record(tx, actor_id=actor_id, action="incident.resolve", subject=f"incident:{incident_id}")
        return self.get(owner_id=owner_id, incident_id=incident_id)

    def take_step(
        self, *, actor_id: UUID, owner_id: UUID | None, incident_id: UUID, number: int, is_confirmed: bool = False
    ) -> StepOutcome:
        """Take a step of the runbook, and note what came of it.

        A check reads its metric now; a command goes through the door of all commands, with the rights of whoever
        confirms it, and has one effect however often the step is taken; words are ticked.

        Raises:
            NotFoundError: There is no such incident, or its runbook no such step, for this owner.
            FieldError: The step sends a command and is not confirmed.
            IncidentStateError: It is closed.
            GridError: The command is refused, as the run's own routes refuse it.
        """
        with self.uow.read() as tx:
            incident = _find(tx, owner_id, incident_id)
            steps = list((incident.runbook or {}).get("steps", []))
            if not 1 <= number <= len(steps):
                raise NotFoundError("step")
            step = steps[number - 1]
            content: JsonObject = {"step": number, "kind": step["kind"], "title": step["title"]}
            if step["kind"] == "check":
                content |= _check(tx, incident, step["content"])
        if incident.state is IncidentState.CLOSED:
            raise IncidentStateError(incident.state.value, "it takes no more steps")
        if step["kind"] == "do":
            if not is_confirmed:
                raise FieldError("confirm", "must be true: the step sends a command to the run")
            content["seq"] = self._send(incident, number, step["content"], actor_id, owner_id)
        with self.uow.begin() as tx:
            self._hold(tx, owner_id, incident_id)
            entries = [NewIncidentEntry("runbook", content, actor=str(actor_id))]
            (entry,) = tx.incidents.append(incident_id, entries)
        return StepOutcome(entry, bool(content.get("passed", True)))

    def _send(
        self, incident: IncidentRecord, number: int, command: JsonObject, actor_id: UUID, owner_id: UUID | None
    ) -> int:
        request = CommandRequest(
            CommandKind(command["kind"]), dict(command["payload"]), f"incident:{incident.id}:{number}"
        )
        (answer,) = self.commands.accept([request], actor_id=actor_id, owner_id=owner_id, run_id=incident.run_id)
        return answer.seq

    def _hold(self, tx: Transaction, owner_id: UUID | None, incident_id: UUID) -> IncidentRecord:
        incident = _find(tx, owner_id, incident_id, is_held=True)
        if incident.state is IncidentState.CLOSED:
            raise IncidentStateError(incident.state.value, "nothing is added to it any more")
        return incident


def measure_times(entries: list[IncidentEntryRecord]) -> tuple[float | None, float | None]:
    """Return the times to acknowledge and to resolve since an incident was opened last [s]; None where not yet."""
    opened = next((entry for entry in reversed(entries) if entry.kind in ("opened", "reopened")), None)
    if opened is None:
        return None, None
    later = [entry for entry in entries if entry.n > opened.n]

    def measure(kind: str) -> float | None:
        found = next((entry for entry in later if entry.kind == kind), None)
        return (found.at - opened.at).total_seconds() if found is not None else None

    return measure("acknowledge"), measure("resolve")


def _check(tx: Transaction, incident: IncidentRecord, check: JsonObject) -> JsonObject:
    run = tx.live_runs.find(incident.run_id)
    value = read_run_metrics(tx, run).last(str(check["metric"])) if run is not None else None
    return {**check, "found": value, "passed": value is not None and is_met(check, value)}


def _find(tx: Transaction, owner_id: UUID | None, incident_id: UUID, *, is_held: bool = False) -> IncidentRecord:
    incident = tx.incidents.find(incident_id, owner_id, is_held=is_held)
    if incident is None:
        raise NotFoundError("incident")
    return incident


def _require_text(field: str, text: str | None, most: int = MOST_TEXT) -> str:
    words = storable_text((text or "").strip(), most + 1)
    if not 1 <= len(words) <= most:
        raise FieldError(field, f"must be 1 to {most} characters")
    return words
