"""Notices: groups of alerts with what was last told of each, and the messages that have not arrived yet."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, Table, Text, cast, func, select, text
from sqlalchemy.orm import Mapped, mapped_column

from grid.database.base import Base, Json, Key
from grid.database.record_table import RecordTable
from grid.database.transaction import DatabaseTransaction
from grid.schemas.jobs import JsonObject

WAITING: Final = "sent_at IS NULL AND failed_at IS NULL"


class NoticeGroup(Base):
    """Alerts of one run, severity and region, which are told together."""

    __tablename__ = "notice_groups"
    __table_args__ = (CheckConstraint("version >= 0", name="version_counts"),)

    key: Mapped[str] = mapped_column(String(200), primary_key=True)
    run_id: Mapped[UUID] = mapped_column(Key(), ForeignKey("live_runs.id", ondelete="CASCADE"), index=True)
    version: Mapped[int]  # of the last notice
    told: Mapped[list[str]] = mapped_column(Json)  # ids of the alerts that fired in the last notice
    changed_at: Mapped[datetime | None]  # since when the group differs from what was told
    told_at: Mapped[datetime | None]


class NoticeRow(Base):
    """One notice on its way by one notifier; written with the change that it tells."""

    __tablename__ = "notices"
    __table_args__ = (
        Index("ix_notices_waiting", "next_at", sqlite_where=text(WAITING), postgresql_where=text(WAITING)),
        CheckConstraint("attempts >= 0", name="attempts_count"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    group_key: Mapped[str] = mapped_column(String(200))
    version: Mapped[int]
    notifier: Mapped[str] = mapped_column(String(64))
    payload: Mapped[dict[str, Any]] = mapped_column(Json)
    created_at: Mapped[datetime]
    next_at: Mapped[datetime]
    attempts: Mapped[int]
    sent_at: Mapped[datetime | None]
    failed_at: Mapped[datetime | None]
    error: Mapped[str | None] = mapped_column(Text)


notice_groups: Table = NoticeGroup.__table__  # type: ignore[assignment]
notices: Table = NoticeRow.__table__  # type: ignore[assignment]


@dataclass(frozen=True)
class NoticeGroupRecord:
    """One row of `notice_groups`."""

    key: str
    run_id: UUID
    version: int
    told: list[str]
    changed_at: datetime | None
    told_at: datetime | None


@dataclass(frozen=True)
class NoticeRecord:
    """One row of `notices`."""

    id: UUID
    group_key: str
    version: int
    notifier: str
    payload: JsonObject
    created_at: datetime
    next_at: datetime
    attempts: int
    sent_at: datetime | None
    failed_at: datetime | None
    error: str | None


_group: Final = notice_groups.c
_notice: Final = notices.c
_waits: Final = (_notice.sent_at.is_(None), _notice.failed_at.is_(None))


class NoticeRepository:
    """Reads and changes groups; adds, takes and settles notices."""

    def __init__(self, tx: DatabaseTransaction) -> None:
        self._tx = tx
        self._groups: RecordTable[NoticeGroupRecord] = RecordTable(tx, notice_groups, NoticeGroupRecord)
        self._rows: RecordTable[NoticeRecord] = RecordTable(tx, notices, NoticeRecord)

    def open_groups(self) -> dict[str, NoticeGroupRecord]:
        """Read the groups that have something to tell, or told of alerts that fire."""
        is_told = func.length(cast(_group.told, Text)) > len("[]")
        found = self._groups.read(is_told | _group.changed_at.is_not(None), order=(_group.key,))
        return {group.key: group for group in found}

    def find_group(self, key: str) -> NoticeGroupRecord | None:
        """Read one group."""
        return self._groups.find(_group.key == key)

    def add_group(self, group: NoticeGroupRecord) -> None:
        """Insert a group."""
        self._groups.add([vars(group)], ignores_known=True)

    def change_group(self, key: str, **values: Any) -> None:
        """Change a group."""
        self._groups.change(_group.key == key, **values)

    def add(self, rows: Sequence[NoticeRecord]) -> None:
        """Insert notices; they leave when the transaction is committed, and not otherwise."""
        self._rows.add([vars(row) for row in rows])

    def take(self, *, limit: int, retry_after: timedelta) -> list[NoticeRecord]:
        """Return notices that are due, and put their next try off, so that others leave them alone meanwhile."""
        now = self._tx.now()
        due = self._rows.read(*_waits, _notice.next_at <= now, order=(_notice.next_at, _notice.id), limit=limit)
        for one in due:
            self._rows.change(_notice.id == one.id, next_at=now + retry_after, attempts=one.attempts + 1)
        return due

    def settle(self, notice_id: UUID, **values: Any) -> None:
        """Note what became of a notice that has not arrived before."""
        self._rows.change(_notice.id == notice_id, *_waits, **values)

    def all_of_run(self, run_id: UUID) -> list[NoticeRecord]:
        """Read the notices about a run, in order."""
        return self._rows.read(_notice.group_key.startswith(f"{run_id}:"), order=(_notice.created_at, _notice.version))

    def is_due(self) -> bool:
        """Tell whether a notice waits to be sent now."""
        return self._rows.count(*_waits, _notice.next_at <= self._tx.now()) > 0

    def oldest_waiting(self) -> datetime | None:
        """Return when the oldest notice that waits was made."""
        return self._tx.connection.execute(select(func.min(_notice.created_at)).where(*_waits)).scalar_one_or_none()

    def count_waiting(self) -> int:
        """Count the notices that wait."""
        return self._rows.count(*_waits)

    def purge(self, *, older_than: timedelta) -> int:
        """Remove notices that have arrived, or were given up, for so long."""
        before = self._tx.now() - older_than
        return self._rows.remove((_notice.sent_at < before) | (_notice.failed_at < before))
