"""The proof that nobody has changed the timeline of an incident, and its export."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from grid.core.errors import NotFoundError
from grid.database.incidents import GENESIS, IncidentEntryRecord, IncidentHeadRecord
from grid.database.uow import UnitOfWork
from grid.schemas.jobs import JsonObject
from grid.services.incidents.working import IncidentView


@dataclass(frozen=True)
class IncidentFault:
    """One entry that is not as it was written."""

    n: int
    what: str


@dataclass(frozen=True)
class IncidentReport:
    """The outcome of a verification."""

    entries: int
    head: str
    faults: tuple[IncidentFault, ...]

    @property
    def is_intact(self) -> bool:
        """True where every entry is there and as it was written."""
        return not self.faults


def verify_incident(uow: UnitOfWork, *, owner_id: UUID | None, incident_id: UUID) -> IncidentReport:
    """Read the whole chain of an incident, and find every entry that was changed, removed, inserted or reordered.

    Raises:
        NotFoundError: There is no such incident for this owner.
    """
    with uow.read() as tx:
        if tx.incidents.find(incident_id, owner_id) is None:
            raise NotFoundError("incident")
        entries, head = tx.incidents.entries(incident_id), tx.incidents.head(incident_id)
    return IncidentReport(len(entries), head.hash if head is not None else "", tuple(find_faults(entries, head)))


def find_faults(entries: list[IncidentEntryRecord], head: IncidentHeadRecord | None) -> list[IncidentFault]:
    """Return what is wrong with a chain; its head, which is kept apart, tells of the last entry."""
    faults, n, previous = list[IncidentFault](), 0, GENESIS
    for entry in entries:
        if entry.n != n + 1:
            faults.append(IncidentFault(entry.n, f"follows {n}: entries between are missing"))
        if entry.previous != previous:
            faults.append(IncidentFault(entry.n, "does not continue the entry before it"))
        if entry.hash != entry.compute_hash():
            faults.append(IncidentFault(entry.n, "was changed after it was written"))
        n, previous = entry.n, entry.hash
    if head is None or (head.n, head.hash) != (n, previous):
        faults.append(IncidentFault(n, "is not where the chain ended: later entries are missing or added"))
    return faults


def export_json(view: IncidentView, report: IncidentReport) -> JsonObject:
    """Return an incident as JSON with all that its hashes cover."""
    record: dict[str, Any] = {
        name: value if isinstance(value, int | dict | None) else str(value) for name, value in vars(view.record).items()
    }
    return {
        "incident": record,
        "acknowledged_s": view.acknowledged_s,
        "resolved_s": view.resolved_s,
        "head": report.head,
        "is_intact": report.is_intact,
        "entries": [
            {
                "n": entry.n,
                "at": entry.at.isoformat(timespec="microseconds"),
                "tick": entry.tick,
                "kind": entry.kind,
                "actor": entry.actor,
                "payload": entry.payload,
                "previous": entry.previous,
                "hash": entry.hash,
            }
            for entry in view.entries
        ],
    }


def export_markdown(view: IncidentView, report: IncidentReport, curve: list[tuple[int, float]], metric: str) -> str:
    """Return an incident as Markdown: what it is, its times, the metric around the breach, its timeline.

    Args:
        view: The incident.
        report: Of its chain.
        curve: Ticks and values of the metric around the breach.
        metric: Name of the metric; empty where there is none.
    """
    record = view.record
    lines = [
        f"# {_plain(record.title)}", "",
        f"- incident `{record.id}`, {record.severity}, {record.state.value}",
        f"- run `{record.run_id}`, numerics {record.numerics_version}",
        f"- opened {record.opened_at.isoformat(timespec='seconds')}" + (" by Grid" if record.opened_by is None else ""),
        f"- acknowledged after {_seconds(view.acknowledged_s)}, resolved after {_seconds(view.resolved_s)}",
        f"- first breach at tick {record.first_tick}; snapshot {_snapshot(record.snapshot)}",
        f"- chain of {report.entries} entries {'intact' if report.is_intact else 'CHANGED'}, head `{report.head}`", "",
    ]  # fmt: skip
    if curve:
        lines += [f"## {metric}", "", "```", *draw_curve(curve), "```", ""]
        lines += [f"All of it: `/api/v1/engine/runs/{record.run_id}/metrics/history?format=csv`", ""]
    lines += ["## Timeline", "", "| n | at | tick | what | by | |", "|---|---|---|---|---|---|"]
    for entry in view.entries:
        tick = "" if entry.tick is None else f"{entry.tick}"
        at = entry.at.isoformat(timespec="milliseconds")
        lines.append(
            f"| {entry.n} | {at} | {tick} | {entry.kind} | {entry.actor or 'Grid'} | {_plain(entry.payload)[:300]} |"
        )
    return "\n".join(lines) + "\n"


def draw_curve(curve: list[tuple[int, float]], width: int = 60) -> list[str]:
    """Return a curve as text: one line a point, thinned to 24."""
    step = max(1, len(curve) // 24)
    points = curve[::step]
    low, high = min(value for _, value in points), max(value for _, value in points)
    span = (high - low) or 1.0
    return [
        f"{tick:>10} {value:12.6g} {'#' * (1 + round((value - low) / span * (width - 1)))}" for tick, value in points
    ]


def _plain(text: str) -> str:
    """Return text that Markdown shows as it is."""
    return text.replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;").replace("\n", " ").replace("`", "'")


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f} s"


def _snapshot(snapshot: JsonObject | None) -> str:
    return "none" if snapshot is None else f"`{snapshot['id']}` of tick {snapshot['tick']}"
