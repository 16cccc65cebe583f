"""Modes of the service's parts: one row for each part that was ever looked at, and each scope of it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import CheckConstraint, String, Table
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Mapped, mapped_column

from grid.database.base import Base, Json
from grid.database.record_table import RecordTable
from grid.database.transaction import DatabaseTransaction
from grid.schemas.jobs import JsonObject

SERVICE: Final = "service"  # the scope of what is not one run's


class ModeStateRow(Base):
    """The rung of a part, and the timers of its ladder."""

    __tablename__ = "mode_states"
    __table_args__ = (CheckConstraint("rung >= 0", name="rung_counts"),)

    part: Mapped[str] = mapped_column(String(16), primary_key=True)
    scope: Mapped[str] = mapped_column(String(64), primary_key=True)  # `service`, or a run's id
    rung: Mapped[int]
    since: Mapped[datetime]
    reason: Mapped[str] = mapped_column(String(200))
    evidence: Mapped[dict[str, Any]] = mapped_column(Json)
    timers: Mapped[dict[str, Any]] = mapped_column(Json)
    changes: Mapped[int]  # how often the rung has changed
    updated_at: Mapped[datetime]


mode_states: Table = ModeStateRow.__table__  # type: ignore[assignment]


@dataclass(frozen=True)
class ModeRecord:
    """One row of `mode_states`."""

    part: str
    scope: str
    rung: int
    since: datetime
    reason: str
    evidence: JsonObject
    timers: JsonObject
    changes: int
    updated_at: datetime


_mode: Final = mode_states.c


class ModeRepository:
    """Reads and writes modes."""

    def __init__(self, tx: DatabaseTransaction) -> None:
        self._tx = tx
        self._rows: RecordTable[ModeRecord] = RecordTable(tx, mode_states, ModeRecord)

    def read(self, *, scope: str | None = None) -> list[ModeRecord]:
        """Read the modes, of one scope or of all."""
        conditions = [] if scope is None else [_mode.scope == scope]
        return self._rows.read(*conditions, order=(_mode.scope, _mode.part))

    def put(self, mode: ModeRecord) -> None:
        """Write the mode of a part."""
        dialect = postgresql if self._tx.kind == "postgresql" else sqlite
        statement = dialect.insert(mode_states).values(**vars(mode))
        changed = {name: value for name, value in vars(mode).items() if name not in {"part", "scope"}}
        self._tx.connection.execute(statement.on_conflict_do_update(index_elements=["part", "scope"], set_=changed))

    def forget(self, scope: str) -> None:
        """Remove the modes of a scope that is no more."""
        self._rows.remove(_mode.scope == scope)
