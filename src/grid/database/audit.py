"""The audit log: append-only rows, hash-chained, written in the transaction of the change they speak of.

Each entry carries the SHA-256 of itself and of the entry before it, and `audit_heads` knows how far each chain goes, so
that a changed, removed or inserted row is found by reading. SQLite, with its one writer, has one chain. PostgreSQL has
several, so that transactions which commit at the same time do not wait for one another: a transaction takes whichever
head is free and keeps it locked until it ends.
"""

import hashlib
import json
import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import BigInteger, Connection, Index, Integer, String, Table, Text, bindparam, event, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Mapped, mapped_column

from grid.core.ids import new_id
from grid.database.base import Base, UTCDateTime
from grid.database.prepared import Prepared
from grid.database.row_insert import RowInsert
from grid.database.transaction import Call, DatabaseTransaction
from grid.database.users import User
from grid.database.windows import Window

CHAINS_ON_POSTGRESQL: Final = 16  # about as many as a server has connections
GENESIS: Final = "0" * 64


class AuditEntry(Base):
    """One thing that was done, by whom, to what."""

    __tablename__ = "audit_entries"
    # Lists are by id, so each filter has it behind its column: no page of a long log is sorted.
    __table_args__ = (
        Index("ix_audit_entries_actor", "actor_id", "id"),
        Index("ix_audit_entries_action", "action", "id"),
        Index("ix_audit_entries_subject", "subject", "id"),
    )

    chain: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    seq: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)  # 1, 2, 3, ... in its chain
    id: Mapped[UUID] = mapped_column(unique=True)  # UUIDv7: the order over all chains
    at: Mapped[datetime] = mapped_column(UTCDateTime)
    actor_id: Mapped[UUID | None]  # None: Grid itself; no foreign key, an entry stands alone
    action: Mapped[str] = mapped_column(String(64))
    subject: Mapped[str] = mapped_column(String(255))
    details: Mapped[str] = mapped_column(Text)  # canonical JSON as text: what was hashed is what is stored, to the byte
    previous: Mapped[str] = mapped_column(String(64))
    hash: Mapped[str] = mapped_column(String(64))


class AuditHead(Base):
    """Head of a chain; its row is the lock under which the chain grows."""

    __tablename__ = "audit_heads"

    chain: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    seq: Mapped[int] = mapped_column(BigInteger)
    hash: Mapped[str] = mapped_column(String(64))


# What makes the table append-only, for `create_all` here and for the migration, which runs the same statements.
APPEND_ONLY: Final[Mapping[str, tuple[str, ...]]] = {
    "sqlite": (
        (
            "CREATE TRIGGER audit_entries_no_update BEFORE UPDATE ON audit_entries "
            "BEGIN SELECT RAISE(ABORT, 'audit_entries is append-only'); END"
        ),
        (
            "CREATE TRIGGER audit_entries_no_delete BEFORE DELETE ON audit_entries "
            "BEGIN SELECT RAISE(ABORT, 'audit_entries is append-only'); END"
        ),
    ),
    "postgresql": (
        (
            "CREATE OR REPLACE FUNCTION refuse_audit_change() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN RAISE EXCEPTION 'audit_entries is append-only'; END $$"
        ),
        (
            "CREATE TRIGGER audit_entries_no_change BEFORE UPDATE OR DELETE ON audit_entries "
            "FOR EACH ROW EXECUTE FUNCTION refuse_audit_change()"
        ),
        (
            "CREATE TRIGGER audit_entries_no_truncate BEFORE TRUNCATE ON audit_entries "
            "FOR EACH STATEMENT EXECUTE FUNCTION refuse_audit_change()"
        ),
    ),
}
# For a downgrade, before the table is dropped (its triggers go with it).
APPEND_ONLY_UNDO: Final[Mapping[str, tuple[str, ...]]] = {
    "sqlite": (),
    "postgresql": ("DROP FUNCTION IF EXISTS refuse_audit_change() CASCADE",),
}


def _install(_table: Table, connection: Connection, **_: Any) -> None:
    for statement in APPEND_ONLY.get(connection.dialect.name, ()):
        connection.exec_driver_sql(statement)


def _uninstall(_table: Table, connection: Connection, **_: Any) -> None:
    for statement in APPEND_ONLY_UNDO.get(connection.dialect.name, ()):
        connection.exec_driver_sql(statement)


event.listen(AuditEntry.__table__, "after_create", _install)
event.listen(AuditEntry.__table__, "after_drop", _uninstall)


@dataclass(frozen=True)
class NewEntry:
    """An entry not yet written: who did what to which subject."""

    actor_id: UUID | None
    action: str
    subject: str
    details: Mapping[str, Any]


@dataclass(frozen=True)
class AuditRecord:
    """One row of `audit_entries`."""

    chain: int
    seq: int
    id: UUID
    at: datetime
    actor_id: UUID | None
    action: str
    subject: str
    details: str
    previous: str
    hash: str

    def compute_hash(self) -> str:
        """Compute what `hash` must be: SHA-256 over every other field, each set off from the next by JSON."""
        actor = str(self.actor_id) if self.actor_id is not None else None
        at = self.at.astimezone(UTC).isoformat(timespec="microseconds")
        fields = [self.chain, self.seq, str(self.id), at, actor, self.action, self.subject, self.details, self.previous]
        return hashlib.sha256(json.dumps(fields, separators=(",", ":")).encode("ascii")).hexdigest()


@dataclass(frozen=True)
class NamedEntry:
    """An entry with the name of its actor today; None where Grid itself acted."""

    entry: AuditRecord
    actor: str | None


_ENTRY: Final = (
    AuditEntry.chain,
    AuditEntry.seq,
    AuditEntry.id,
    AuditEntry.at,
    AuditEntry.actor_id,
    AuditEntry.action,
    AuditEntry.subject,
    AuditEntry.details,
    AuditEntry.previous,
    AuditEntry.hash,
)


_entries: Table = AuditEntry.__table__  # type: ignore[assignment]
_heads: Table = AuditHead.__table__  # type: ignore[assignment]

# Made once: every submission appends an entry, and making a statement costs more than running it.
_ADD: Final = RowInsert(_entries, [column.name for column in _entries.c])
_HEAD: Final = select(_heads.c.chain, _heads.c.seq, _heads.c.hash).order_by(_heads.c.chain).limit(1)
_FREE_HEAD: Final = Prepared(_HEAD.with_for_update(skip_locked=True))  # SQLite has no row locks and leaves it out
_MOVE: Final = Prepared(
    update(_heads)
    .where(_heads.c.chain == bindparam("of_chain"))
    .values(seq=bindparam("new_seq"), hash=bindparam("new_hash"))
)


def _seal(new: NewEntry, chain: int, seq: int, previous: str, at: datetime) -> AuditRecord:
    fields: dict[str, Any] = {
        "chain": chain,
        "seq": seq,
        "id": new_id(),
        "at": at,
        "actor_id": new.actor_id,
        "action": new.action,
        "subject": new.subject,
        "details": json.dumps(new.details, sort_keys=True, separators=(",", ":"), allow_nan=False),
        "previous": previous,
    }
    return AuditRecord(**fields, hash=AuditRecord(**fields, hash="").compute_hash())


class AuditRepository:
    """Statements on `audit_entries` and `audit_heads`, inside the caller's transaction."""

    def __init__(self, tx: DatabaseTransaction) -> None:
        self._tx = tx

    def append(self, entries: Sequence[NewEntry], *, at: datetime) -> list[AuditRecord]:
        """Append entries, one behind the other, to a chain that is free, and move its head."""
        if not entries:
            return []
        chain, seq, previous = self._take_head()
        records = []
        for new in entries:
            seq += 1
            records.append(_seal(new, chain, seq, previous, at))
            previous = records[-1].hash
        self._tx.insert_later(_ADD, [vars(record) for record in records])
        self._tx.run_later(_MOVE, {"of_chain": chain, "new_seq": seq, "new_hash": previous})
        return records

    @staticmethod
    def calls_of_append() -> list[Call]:
        """Return what `append` asks first, for `run_ahead`."""
        return [(_FREE_HEAD, {})]

    def iterate(self, *, batch: int = 1000) -> Iterator[AuditRecord]:
        """Yield every entry, chain by chain, each in the order of its growth."""
        position = (-1, 0)
        while True:
            chain, seq = position
            later = (AuditEntry.chain > chain) | ((AuditEntry.chain == chain) & (AuditEntry.seq > seq))
            query = select(*_ENTRY).where(later).order_by(AuditEntry.chain, AuditEntry.seq).limit(batch)
            rows = self._tx.connection.execute(query).mappings().all()
            yield from (AuditRecord(**row) for row in rows)
            if len(rows) < batch:
                return
            position = (rows[-1]["chain"], rows[-1]["seq"])

    def read_window(
        self,
        window: Window[UUID],
        *,
        actor_id: UUID | None = None,
        action: str | None = None,
        subject: str | None = None,
    ) -> tuple[list[NamedEntry], NamedEntry | None]:
        """Read entries of all chains, newest first, and the last of them where others follow."""
        query = select(*_ENTRY, User.username.label("actor")).outerjoin(User, User.id == AuditEntry.actor_id)
        if actor_id is not None:
            query = query.where(AuditEntry.actor_id == actor_id)
        if action is not None:
            is_whole = "." in action
            query = query.where(
                AuditEntry.action == action if is_whole else AuditEntry.action.startswith(f"{action}.", autoescape=True)
            )
        if subject is not None:
            query = query.where(AuditEntry.subject == subject)
        query = window.apply(query, AuditEntry.__table__.c.id, is_descending=True)
        rows = [dict(row) for row in self._tx.connection.execute(query).mappings()]
        return window.split([NamedEntry(actor=row.pop("actor"), entry=AuditRecord(**row)) for row in rows])

    def heads(self) -> dict[int, tuple[int, str]]:
        """Return the length and the last hash of each chain that has entries."""
        query = select(AuditHead.chain, AuditHead.seq, AuditHead.hash).where(AuditHead.seq > 0)
        return {row.chain: (row.seq, row.hash) for row in self._tx.connection.execute(query)}

    def _take_head(self) -> tuple[int, int, str]:
        """Lock the head of a chain nobody is growing; wait only if all are taken, or being made by the first entry."""
        rows = self._tx.run(_FREE_HEAD, {})
        if rows:
            chain, seq, digest = rows[0]
            return chain, seq, digest
        if self._tx.kind == "sqlite":
            self._make_heads(1)
            return 0, 0, GENESIS
        self._make_heads(CHAINS_ON_POSTGRESQL)
        one = _HEAD.where(_heads.c.chain == secrets.randbelow(CHAINS_ON_POSTGRESQL))
        row = self._tx.connection.execute(one.with_for_update()).one()
        return row.chain, row.seq, row.hash

    def _make_heads(self, count: int) -> None:
        dialect = postgresql if self._tx.kind == "postgresql" else sqlite
        rows = [{"chain": chain, "seq": 0, "hash": GENESIS} for chain in range(count)]
        self._tx.connection.execute(dialect.insert(AuditHead).values(rows).on_conflict_do_nothing())
