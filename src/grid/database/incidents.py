"""Incidents with their entries: append-only and hash-chained, the head of each chain kept apart."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, String, Table, Text, func, select
from sqlalchemy.orm import Mapped, mapped_column

from grid.database.base import Base, Json, Key, one_of, words
from grid.database.record_table import RecordTable
from grid.database.transaction import DatabaseTransaction
from grid.database.windows import Window
from grid.schemas.alerts import INCIDENT_LIVING, IncidentState
from grid.schemas.jobs import JsonObject

GENESIS: Final = "0" * 64


class Incident(Base):
    """One incident; what happened in it are its entries."""

    __tablename__ = "incidents"
    __table_args__ = (
        CheckConstraint(one_of("state", list(IncidentState)), name="state_known"),
        CheckConstraint("severity IN ('low', 'medium', 'high', 'critical')", name="severity_known"),
        Index("ix_incidents_owner", "owner_id", "id"),
        Index("ix_incidents_group", "group_key", "state"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    owner_id: Mapped[UUID] = mapped_column(Key(), ForeignKey("users.id", ondelete="RESTRICT"))
    run_id: Mapped[UUID] = mapped_column(index=True)  # no foreign key: an incident outlives its run
    group_key: Mapped[str] = mapped_column(String(200))
    title: Mapped[str] = mapped_column(String(300))
    severity: Mapped[str] = mapped_column(String(16))
    state: Mapped[IncidentState] = mapped_column(words(IncidentState, 16))
    opened_at: Mapped[datetime]
    opened_by: Mapped[UUID | None]
    assigned_to: Mapped[str | None] = mapped_column(String(100))
    resolved_at: Mapped[datetime | None]
    closed_at: Mapped[datetime | None]
    first_tick: Mapped[int | None] = mapped_column(BigInteger)  # of the first breach
    snapshot: Mapped[dict[str, Any] | None] = mapped_column(Json)  # pinned: id, tick, sha256
    numerics_version: Mapped[str] = mapped_column(String(64))
    runbook: Mapped[dict[str, Any] | None] = mapped_column(Json)  # as it was at the opening
    event_cursor: Mapped[int]  # number of the last event of the run that is among the entries, or before the opening


class IncidentHead(Base):
    """Head of an incident's chain; its row is the lock under which the chain grows."""

    __tablename__ = "incident_heads"

    incident_id: Mapped[UUID] = mapped_column(Key(), ForeignKey("incidents.id", ondelete="RESTRICT"), primary_key=True)
    n: Mapped[int]
    hash: Mapped[str] = mapped_column(String(64))


class IncidentEntry(Base):
    """One thing that happened, with the hash of all before it."""

    __tablename__ = "incident_entries"

    incident_id: Mapped[UUID] = mapped_column(Key(), ForeignKey("incidents.id", ondelete="RESTRICT"), primary_key=True)
    n: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    at: Mapped[datetime]
    tick: Mapped[int | None] = mapped_column(BigInteger)
    kind: Mapped[str] = mapped_column(String(32))
    actor: Mapped[str | None] = mapped_column(String(64))  # id of a user; None: Grid itself
    payload: Mapped[str] = mapped_column(Text)  # canonical JSON as text: what was hashed is what is stored
    previous: Mapped[str] = mapped_column(String(64))
    hash: Mapped[str] = mapped_column(String(64))


incidents: Table = Incident.__table__  # type: ignore[assignment]
incident_heads: Table = IncidentHead.__table__  # type: ignore[assignment]
incident_entries: Table = IncidentEntry.__table__  # type: ignore[assignment]


@dataclass(frozen=True)
class IncidentRecord:
    """One row of `incidents`."""

    id: UUID
    owner_id: UUID
    run_id: UUID
    group_key: str
    title: str
    severity: str
    state: IncidentState
    opened_at: datetime
    opened_by: UUID | None
    assigned_to: str | None
    resolved_at: datetime | None
    closed_at: datetime | None
    first_tick: int | None
    snapshot: JsonObject | None
    numerics_version: str
    runbook: JsonObject | None
    event_cursor: int


@dataclass(frozen=True)
class NewIncidentEntry:
    """An entry, not yet numbered; without a time it is of now."""

    kind: str
    payload: Mapping[str, Any]
    tick: int | None = None
    actor: str | None = None
    at: datetime | None = None


@dataclass(frozen=True)
class IncidentEntryRecord:
    """One row of `incident_entries`."""

    incident_id: UUID
    n: int
    at: datetime
    tick: int | None
    kind: str
    actor: str | None
    payload: str
    previous: str
    hash: str

    def compute_hash(self) -> str:
        """Compute what `hash` must be: SHA-256 over every other field as canonical JSON."""
        at = self.at.astimezone(UTC).isoformat(timespec="microseconds")
        fields = [str(self.incident_id), self.n, at, self.tick, self.kind, self.actor, self.payload, self.previous]
        return hashlib.sha256(json.dumps(fields, separators=(",", ":")).encode("ascii")).hexdigest()

    @property
    def content(self) -> JsonObject:
        """The payload, read."""
        content: JsonObject = json.loads(self.payload)
        return content


@dataclass(frozen=True)
class IncidentHeadRecord:
    """One row of `incident_heads`."""

    incident_id: UUID
    n: int
    hash: str


_incident: Final = incidents.c
_entry: Final = incident_entries.c
_head: Final = incident_heads.c


class IncidentRepository:
    """Adds, reads and changes incidents; appends and reads entries."""

    def __init__(self, tx: DatabaseTransaction) -> None:
        self._tx = tx
        self._rows: RecordTable[IncidentRecord] = RecordTable(tx, incidents, IncidentRecord)
        self._entries: RecordTable[IncidentEntryRecord] = RecordTable(tx, incident_entries, IncidentEntryRecord)
        self._heads: RecordTable[IncidentHeadRecord] = RecordTable(tx, incident_heads, IncidentHeadRecord)

    def add(self, incident: IncidentRecord) -> None:
        """Insert an incident with an empty chain."""
        self._rows.add([vars(incident)])
        self._heads.add([{"incident_id": incident.id, "n": 0, "hash": GENESIS}])

    def find(self, incident_id: UUID, owner_id: UUID | None = None, *, is_held: bool = False) -> IncidentRecord | None:
        """Read one incident of an owner, or of anybody."""
        return self._rows.find(_incident.id == incident_id, *_owned(owner_id), is_held=is_held)

    def find_last(self, group_key: str) -> IncidentRecord | None:
        """Read the newest incident of a group."""
        found = self._rows.read(_incident.group_key == group_key, order=(_incident.id.desc(),), limit=1)
        return found[0] if found else None

    def in_states(self, *states: IncidentState) -> list[IncidentRecord]:
        """Read the incidents in some states, the oldest first."""
        return self._rows.read(_incident.state.in_(states), order=(_incident.id,))

    def change(self, incident_id: UUID, **values: Any) -> None:
        """Change an incident."""
        self._rows.change(_incident.id == incident_id, **values)

    def append(self, incident_id: UUID, entries: Sequence[NewIncidentEntry]) -> list[IncidentEntryRecord]:
        """Append entries, one behind the other, and move the head."""
        if not entries:
            return []
        head = self._heads.find(_head.incident_id == incident_id, is_held=True)
        if head is None:
            raise ValueError("there is no such incident")
        n, previous, sealed = head.n, head.hash, list[IncidentEntryRecord]()
        for new in entries:
            n += 1
            text = json.dumps(new.payload, sort_keys=True, separators=(",", ":"), allow_nan=False, default=str)
            at = new.at or self._tx.now()
            record = IncidentEntryRecord(incident_id, n, at, new.tick, new.kind, new.actor, text, previous, "")
            record = replace(record, hash=record.compute_hash())
            sealed.append(record)
            previous = record.hash
        self._entries.add([vars(record) for record in sealed])
        self._heads.change(_head.incident_id == incident_id, n=n, hash=previous)
        return sealed

    def entries(self, incident_id: UUID) -> list[IncidentEntryRecord]:
        """Read the entries of an incident in order."""
        return self._entries.read(_entry.incident_id == incident_id, order=(_entry.n,))

    def head(self, incident_id: UUID) -> IncidentHeadRecord | None:
        """Read how far the chain of an incident goes."""
        return self._heads.find(_head.incident_id == incident_id)

    def read_window(
        self, window: Window[UUID], *, owner_id: UUID | None, states: Sequence[IncidentState] = (),
        run_id: UUID | None = None,
    ) -> tuple[list[IncidentRecord], UUID | None, int]:  # fmt: skip
        """Read a part of the list, newest first, the cursor behind which it goes on, and how many there are."""
        conditions = _owned(owner_id) + ([_incident.state.in_(states)] if states else [])
        conditions += [_incident.run_id == run_id] if run_id is not None else []
        query = window.apply(select(*incidents.c).where(*conditions), _incident.id, is_descending=True)
        items, last = window.split([IncidentRecord(*row) for row in self._tx.connection.execute(query)])
        return items, last.id if last is not None else None, self._rows.count(*conditions)

    def count_living(self) -> int:
        """Count the incidents with which somebody has to do something."""
        query = select(func.count()).select_from(incidents).where(_incident.state.in_(INCIDENT_LIVING))
        return int(self._tx.connection.execute(query).scalar_one())


def _owned(owner_id: UUID | None) -> list[Any]:
    return [] if owner_id is None else [_incident.owner_id == owner_id]
