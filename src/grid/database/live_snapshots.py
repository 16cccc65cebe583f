"""Snapshots of live runs: where the whole state of a tick is stored, and what it belongs to."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKey,
    Index,
    String,
    Table,
    UniqueConstraint,
    delete,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.orm import Mapped, mapped_column

from grid.database.base import Base, Key
from grid.database.live_runs import live_runs
from grid.database.transaction import DatabaseTransaction
from grid.schemas.live import SnapshotKind


class LiveSnapshot(Base):
    """One snapshot; nothing of it changes but whether it is pinned."""

    __tablename__ = "live_snapshots"
    __table_args__ = (
        UniqueConstraint("key"),
        CheckConstraint("kind IN ('auto', 'user', 'final', 'incident')", name="kind_known"),
        CheckConstraint("tick >= 0 AND epoch >= 1 AND applied_seq >= 0 AND bytes >= 0", name="numbers_sane"),
        Index("ix_live_snapshots_run", "run_id", "tick"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)  # UUIDv7: sorts by the time of its making
    run_id: Mapped[UUID] = mapped_column(Key(), ForeignKey("live_runs.id", ondelete="CASCADE"))
    tick: Mapped[int] = mapped_column(BigInteger)
    epoch: Mapped[int]
    applied_seq: Mapped[int]  # largest number of a command in it; 0: none
    key: Mapped[str] = mapped_column(String(255))  # in the artifact store; contains the epoch
    bytes: Mapped[int] = mapped_column(BigInteger)
    sha256: Mapped[str] = mapped_column(String(64))
    kind: Mapped[str] = mapped_column(String(16))
    pinned: Mapped[bool]
    created_at: Mapped[datetime]


live_snapshots: Table = LiveSnapshot.__table__  # type: ignore[assignment]


@dataclass(frozen=True)
class NewSnapshot:
    """A stored file, whose row is not there yet."""

    id: UUID
    tick: int
    applied_seq: int
    key: str
    bytes: int
    sha256: str
    kind: SnapshotKind = "auto"
    pinned: bool = False


@dataclass(frozen=True)
class SnapshotRecord:
    """One row of `live_snapshots`."""

    id: UUID
    run_id: UUID
    tick: int
    epoch: int
    applied_seq: int
    key: str
    bytes: int
    sha256: str
    kind: SnapshotKind
    pinned: bool
    created_at: datetime


_COLUMNS: Final = tuple(live_snapshots.c[field.name] for field in fields(SnapshotRecord))
_snapshot = live_snapshots.c


class LiveSnapshotRepository:
    """Adds, reads, pins and removes rows; files are the caller's."""

    def __init__(self, tx: DatabaseTransaction) -> None:
        self._tx = tx

    def add(self, run_id: UUID, epoch: int, snapshot: NewSnapshot) -> None:
        """Insert a row."""
        values = {"run_id": run_id, "epoch": epoch, "created_at": self._tx.now(), **vars(snapshot)}
        self._tx.connection.execute(insert(live_snapshots).values(**values))

    def find(self, run_id: UUID, snapshot_id: UUID) -> SnapshotRecord | None:
        """Read one snapshot of a run."""
        query = select(*_COLUMNS).where(_snapshot.run_id == run_id, _snapshot.id == snapshot_id)
        row = self._tx.connection.execute(query).one_or_none()
        return SnapshotRecord(*row) if row is not None else None

    def of_run(self, run_id: UUID) -> list[SnapshotRecord]:
        """Read the snapshots of a run, the one of the latest tick first: in this order a resume tries them."""
        query = select(*_COLUMNS).where(_snapshot.run_id == run_id)
        rows = self._tx.connection.execute(query.order_by(_snapshot.tick.desc(), _snapshot.id.desc()))
        return [SnapshotRecord(*row) for row in rows]

    def bytes_of(self, owner_id: UUID) -> int:
        """Add up the sizes of all snapshots of an owner."""
        query = (
            select(func.coalesce(func.sum(_snapshot.bytes), 0))
            .join(live_runs, live_runs.c.id == _snapshot.run_id)
            .where(live_runs.c.owner_id == owner_id)
        )
        return int(self._tx.connection.execute(query).scalar_one())

    def unpinned_of(self, owner_id: UUID) -> list[SnapshotRecord]:
        """Read what may go of an owner, the oldest first: not the pinned, and of no run the newest."""
        query = (
            select(*_COLUMNS)
            .join(live_runs, live_runs.c.id == _snapshot.run_id)
            .where(
                live_runs.c.owner_id == owner_id,
                _snapshot.pinned.is_(False),
                live_runs.c.snapshot_id.is_distinct_from(_snapshot.id),
            )
            .order_by(_snapshot.id)
        )
        return [SnapshotRecord(*row) for row in self._tx.connection.execute(query)]

    def known_keys(self, keys: Sequence[str]) -> set[str]:
        """Return those of the keys that a snapshot has."""
        return set(self._tx.connection.execute(select(_snapshot.key).where(_snapshot.key.in_(keys))).scalars())

    def pin(self, run_id: UUID, snapshot_id: UUID, *, pinned: bool) -> bool:
        """Pin a snapshot, or release it; False where there is none."""
        statement = (
            update(live_snapshots)
            .where(_snapshot.run_id == run_id, _snapshot.id == snapshot_id)
            .values(pinned=pinned)
            .returning(_snapshot.id)
        )
        return self._tx.connection.execute(statement).first() is not None

    def remove(self, snapshot_ids: Sequence[UUID]) -> int:
        """Remove rows that are not pinned; return how many."""
        if not snapshot_ids:
            return 0
        gone = delete(live_snapshots).where(_snapshot.id.in_(snapshot_ids), _snapshot.pinned.is_(False))
        return self._tx.connection.execute(gone).rowcount
