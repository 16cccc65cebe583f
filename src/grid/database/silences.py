"""Silences: which alerts are not told, by whose word, why, and until when."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, Table, select, text
from sqlalchemy.orm import Mapped, mapped_column

from grid.database.base import Base, Json, Key
from grid.database.record_table import RecordTable
from grid.database.transaction import DatabaseTransaction
from grid.database.windows import Window
from grid.schemas.jobs import JsonObject

LIVING: Final = "ended_at IS NULL"


class Silence(Base):
    """One silence; it never changes but by ending."""

    __tablename__ = "silences"
    __table_args__ = (
        CheckConstraint("(ended_at IS NULL) = (end_reason IS NULL)", name="reason_when_ended"),
        Index("ix_silences_owner", "owner_id", "id"),
        Index("ix_silences_living", "until", sqlite_where=text(LIVING), postgresql_where=text(LIVING)),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    owner_id: Mapped[UUID] = mapped_column(Key(), ForeignKey("users.id", ondelete="RESTRICT"))
    matchers: Mapped[list[dict[str, str]]] = mapped_column(Json)
    reason: Mapped[str] = mapped_column(String(500))
    created_by: Mapped[UUID | None]
    created_at: Mapped[datetime]
    until: Mapped[datetime]
    until_below: Mapped[dict[str, Any] | None] = mapped_column(Json)  # metric and value
    warned_at: Mapped[datetime | None]
    matched_at: Mapped[datetime | None]  # when it last hid something, to the minute
    hidden: Mapped[list[str]] = mapped_column(Json)  # ids of the alerts that it hid, the newest 200
    ended_at: Mapped[datetime | None]
    ended_by: Mapped[UUID | None]
    end_reason: Mapped[str | None] = mapped_column(String(32))  # expired, ended, below, unmatched


silences: Table = Silence.__table__  # type: ignore[assignment]


@dataclass(frozen=True)
class SilenceRecord:
    """One row of `silences`."""

    id: UUID
    owner_id: UUID
    matchers: list[dict[str, str]]
    reason: str
    created_by: UUID | None
    created_at: datetime
    until: datetime
    until_below: JsonObject | None
    warned_at: datetime | None
    matched_at: datetime | None
    hidden: list[str]
    ended_at: datetime | None
    ended_by: UUID | None
    end_reason: str | None


_silence: Final = silences.c


class SilenceRepository:
    """Adds, reads and ends silences."""

    def __init__(self, tx: DatabaseTransaction) -> None:
        self._tx = tx
        self._rows: RecordTable[SilenceRecord] = RecordTable(tx, silences, SilenceRecord)

    def add(self, silence: SilenceRecord) -> None:
        """Insert a silence."""
        self._rows.add([vars(silence)])

    def find(self, silence_id: UUID, owner_id: UUID | None = None, *, is_held: bool = False) -> SilenceRecord | None:
        """Read one silence of an owner, or of anybody."""
        return self._rows.find(_silence.id == silence_id, *_owned(owner_id), is_held=is_held)

    def living(self) -> list[SilenceRecord]:
        """Read the silences that have not ended, the oldest first."""
        return self._rows.read(_silence.ended_at.is_(None), order=(_silence.id,))

    def count_living(self, owner_id: UUID) -> int:
        """Count the silences of an owner that have not ended."""
        return self._rows.count(_silence.ended_at.is_(None), _silence.owner_id == owner_id)

    def change(self, silence_id: UUID, **values: Any) -> None:
        """Change a silence that has not ended."""
        self._rows.change(_silence.id == silence_id, _silence.ended_at.is_(None), **values)

    def read_window(
        self, window: Window[UUID], *, owner_id: UUID | None, is_living: bool = False
    ) -> tuple[list[SilenceRecord], UUID | None, int]:
        """Read a part of the list, newest first, the cursor behind which it goes on, and how many there are."""
        conditions = _owned(owner_id) + ([_silence.ended_at.is_(None)] if is_living else [])
        query = window.apply(select(*silences.c).where(*conditions), _silence.id, is_descending=True)
        items, last = window.split([SilenceRecord(*row) for row in self._tx.connection.execute(query)])
        return items, last.id if last is not None else None, self._rows.count(*conditions)


def _owned(owner_id: UUID | None) -> list[Any]:
    return [] if owner_id is None else [_silence.owner_id == owner_id]
