"""Units of work, for those who watch the service from elsewhere: what is published of them, and how they stand.

A unit is a job, a live run, or a stretch of at most 1,000 consecutive points of one sweep, whatever claims group later.
It decides nothing: who runs what is the ledger's business alone.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final, Literal, Self, get_args
from uuid import UUID

from grid.database.outbox import OutboxMessage
from grid.database.units import STRETCH, JobPlace
from grid.database.uow import Transaction, UnitOfWork
from grid.schemas.jobs import JobStatus
from grid.schemas.live import RUN_CLAIMABLE, RunState

Queue = Literal["small", "large", "program", "docker", "live"]
QUEUES: Final[tuple[Queue, ...]] = get_args(Queue)
LATE: Final = timedelta(seconds=60)  # behind its deadline, after which nobody waits for the end of a unit
_QUEUED, _RUN_WAITS = JobStatus.QUEUED.value, frozenset({f"run.{RunState.QUEUED}", f"run.{RunState.INTERRUPTED}"})
_NAME: Final = re.compile(r"(?P<id>[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})(?:/(?P<first>\d{1,9}))?", re.ASCII)


@dataclass(frozen=True)
class Unit:
    """One unit of work. `first` is the index of a stretch's first point; None for jobs and runs."""

    id: UUID
    first: int | None = None
    is_run: bool = False

    @classmethod
    def parse(cls, name: object, queue: object) -> Self | None:
        """Read the name of a unit in a queue; None where it is none."""
        found = _NAME.fullmatch(name) if isinstance(name, str) else None
        if found is None or queue not in QUEUES:
            return None
        first = int(found["first"]) if found["first"] is not None else None
        if first is not None and (first % STRETCH or queue == "live"):
            return None
        return cls(UUID(found["id"]), first, queue == "live")

    @property
    def name(self) -> str:
        """The name by which the unit is published."""
        return str(self.id) if self.first is None else f"{self.id}/{self.first}"


@dataclass(frozen=True)
class Publication:
    """One publication of a unit. `number` grows with each, and is the same however often one is repeated."""

    unit: Unit
    queue: Queue
    number: int

    @property
    def task_id(self) -> str:
        """The name of this publication."""
        return f"{self.unit.name}:{self.number}"


@dataclass(frozen=True)
class UnitState:
    """Where a unit stands.

    Args:
        status: State of the job or run; of a stretch that of all its points, `ended` where they ended differently.
        reason: Why it ended.
        counts: Points of a stretch by state.
        is_ended: Whether nothing will change until it is published again.
        is_held: Whether a worker has a live run.
        is_late: Whether its deadline is long past.
    """

    status: str
    reason: str | None = None
    counts: Mapping[str, int] = field(default_factory=dict)
    is_ended: bool = False
    is_held: bool = False
    is_late: bool = False

    def describe(self, unit: Unit) -> dict[str, Any]:
        """Return the state as a document, without anything of what is computed."""
        document: dict[str, Any] = {"id": unit.name, "status": self.status, "reason": self.reason}
        return {**document, "counts": dict(self.counts)} if self.counts else document


def find_publications(uow: UnitOfWork, numbers: range) -> list[Publication]:
    """Find which units became runnable by events of the stream, each once.

    Args:
        uow: Of the ledger.
        numbers: Of the events.
    """
    found: dict[Unit, Publication] = {}
    with uow.read() as tx:
        events = tx.outbox.stream(after=numbers.start - 1, limit=len(numbers)) if numbers else []
        events = [event for event in events if event.stream_seq in numbers]
        for version, place in _places(tx, events):
            unit = _unit_of(place)
            if unit not in found or found[unit].number < version:
                found[unit] = Publication(unit, place.slot, version)
        for event in events:
            if event.kind in _RUN_WAITS:
                unit = Unit(UUID(event.aggregate.partition(":")[2]), is_run=True)
                found[unit] = Publication(unit, "live", event.version)
    return list(found.values())


def _places(tx: Transaction, events: Iterable[OutboxMessage]) -> Iterable[tuple[int, JobPlace]]:
    """Yield the queued jobs that events name, or the first points of all stretches where one names none.

    Each comes with the version of the job, or of the sweep that it belongs to.
    """
    named: dict[UUID, int] = {}
    for event in events:
        noun, _, name = event.aggregate.partition(":")
        if noun == "sweep" and _is_about_all(event):
            for place in tx.units.firsts(UUID(name)):
                yield event.version, place
        elif noun == "job" and event.kind == f"job.{_QUEUED}":
            named[UUID(name)] = event.version
        elif noun in {"sweep", "batch"}:
            for job in _named_jobs(event):
                if job["status"] == _QUEUED:
                    named[UUID(job["id"])] = event.version if noun == "sweep" else job["version"]
    for place in tx.units.places(list(named)) if named else ():
        yield named[place.id], place


def _is_about_all(event: OutboxMessage) -> bool:
    """Tell whether an event queued points of a sweep without naming them: at its submission, or too many."""
    if _named_jobs(event):
        return False
    return event.kind == f"sweep.{_QUEUED}" or event.payload.get("counts", {}).get(_QUEUED, 0) > 0


def _named_jobs(event: OutboxMessage) -> list[dict[str, Any]]:
    """Return the jobs that an event names; that of a submission has their number instead."""
    jobs = event.payload.get("jobs")
    return jobs if isinstance(jobs, list) else []


def _unit_of(place: JobPlace) -> Unit:
    if place.sweep_id is None or place.sweep_index is None:
        return Unit(place.id)
    return Unit(place.sweep_id, place.sweep_index // STRETCH * STRETCH)


def read_states(uow: UnitOfWork, units: Collection[Unit]) -> dict[Unit, UnitState]:
    """Read where units stand, all at one moment; those that there are not are left out."""
    jobs = {unit.id for unit in units if unit.first is None and not unit.is_run}
    sweeps = {unit.id for unit in units if unit.first is not None}
    runs = {unit.id for unit in units if unit.is_run}
    states: dict[Unit, UnitState] = {}
    with uow.read() as tx:
        now = tx.now()
        for job in tx.units.jobs(jobs) if jobs else ():
            reason = job.reason.value if job.reason is not None else None
            is_late = job.until + LATE < now
            states[Unit(job.id)] = UnitState(job.state.value, reason, is_ended=job.state.is_terminal, is_late=is_late)
        if sweeps:
            states |= _read_stretches(tx, sweeps, now)
        for run in tx.units.runs(runs) if runs else ():
            states[Unit(run.id, is_run=True)] = UnitState(
                run.state.value,
                run.reason.value if run.reason is not None else None,
                is_ended=run.state.is_terminal or run.state is RunState.PARKED,
                is_held=run.state not in RUN_CLAIMABLE,
            )
    return {unit: states[unit] for unit in units if unit in states}


def _read_stretches(tx: Transaction, sweeps: Collection[UUID], now: datetime) -> dict[Unit, UnitState]:
    counts: defaultdict[Unit, Counter[JobStatus]] = defaultdict(Counter)
    late: defaultdict[Unit, bool] = defaultdict(bool)
    for row in tx.units.stretches(sweeps):
        unit = Unit(row.sweep_id, row.stretch * STRETCH)
        counts[unit][row.state] += row.count
        late[unit] |= row.until + LATE < now
    return {
        unit: UnitState(
            next(iter(found)).value if len(found) == 1 else "ended",
            counts={state.value: count for state, count in sorted(found.items())},
            is_ended=all(state.is_terminal for state in found),
            is_late=late[unit],
        )
        for unit, found in counts.items()
    }
