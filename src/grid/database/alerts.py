"""Alerts, and the transitions of their rules, which are append-only."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKey,
    Index,
    String,
    Table,
    Text,
    UniqueConstraint,
    func,
    select,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from grid.database.base import Base, Json, Key, one_of, words
from grid.database.record_table import RecordTable
from grid.database.transaction import DatabaseTransaction
from grid.database.windows import Window
from grid.schemas.alerts import ALERT_ACTIVE, AlertState
from grid.schemas.jobs import JsonObject

ACTIVE: Final = "state IN ('firing', 'holding')"


class Alert(Base):
    """One alert: from the moment at which its rule fires to the moment at which it is resolved."""

    __tablename__ = "alerts"
    __table_args__ = (
        UniqueConstraint("run_id", "rule", "number"),
        CheckConstraint(one_of("state", list(AlertState)), name="state_known"),
        CheckConstraint("severity IN ('low', 'medium', 'high', 'critical')", name="severity_known"),
        CheckConstraint("number >= 1 AND rule_version >= 1", name="numbers_sane"),
        Index("ix_alerts_owner", "owner_id", "id"),
        Index("ix_alerts_active", "run_id", sqlite_where=text(ACTIVE), postgresql_where=text(ACTIVE)),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    run_id: Mapped[UUID] = mapped_column(Key(), ForeignKey("live_runs.id", ondelete="CASCADE"))
    owner_id: Mapped[UUID] = mapped_column(Key(), ForeignKey("users.id", ondelete="RESTRICT"))
    rule: Mapped[str] = mapped_column(String(100))
    number: Mapped[int]  # counted from 1 for each rule of a run
    rule_version: Mapped[int]
    definition: Mapped[dict[str, Any] | None] = mapped_column(Json)  # of the rule that fired; None until looked up
    severity: Mapped[str | None] = mapped_column(String(16))
    region: Mapped[str | None] = mapped_column(String(1000))
    state: Mapped[AlertState] = mapped_column(words(AlertState, 16))
    cover: Mapped[str | None] = mapped_column(String(16))  # why the value is not to be trusted
    value: Mapped[float | None]
    threshold: Mapped[float | None]
    first_tick: Mapped[int | None] = mapped_column(BigInteger)  # of the first breach in a row
    first_value: Mapped[float | None]
    fired_tick: Mapped[int] = mapped_column(BigInteger)
    fired_time_s: Mapped[float]
    fired_at: Mapped[datetime]
    ended_tick: Mapped[int | None] = mapped_column(BigInteger)
    ended_at: Mapped[datetime | None]
    ended_by: Mapped[str | None] = mapped_column(String(32))  # value, no_data, end, removed
    acknowledged_by: Mapped[UUID | None]
    acknowledged_at: Mapped[datetime | None]
    note: Mapped[str | None] = mapped_column(Text)
    inhibited_by: Mapped[str | None] = mapped_column(String(200))  # rule of the alert that does
    silence_id: Mapped[UUID | None]  # that hides it now
    incident_id: Mapped[UUID | None]


class AlertTransition(Base):
    """One change of what a rule shows in a run."""

    __tablename__ = "alert_transitions"
    __table_args__ = (
        CheckConstraint("part IN ('value', 'cover')", name="part_known"),
        CheckConstraint("actor IN ('engine', 'service')", name="actor_known"),
        Index(
            "uq_alert_transitions_engine", "run_id", "rule", "tick", "before", "after", unique=True,
            sqlite_where=text("actor = 'engine'"), postgresql_where=text("actor = 'engine'"),
        ),
    )  # fmt: skip

    run_id: Mapped[UUID] = mapped_column(Key(), ForeignKey("live_runs.id", ondelete="CASCADE"), primary_key=True)
    rule: Mapped[str] = mapped_column(String(100), primary_key=True)
    n: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)  # 1, 2, 3, ... of a rule of a run
    tick: Mapped[int] = mapped_column(BigInteger)
    time_s: Mapped[float]
    at: Mapped[datetime]
    alert: Mapped[int]  # number
    part: Mapped[str] = mapped_column(String(8))
    before: Mapped[str] = mapped_column(String(16))
    after: Mapped[str] = mapped_column(String(16))
    cause: Mapped[str] = mapped_column(String(16))
    value: Mapped[float | None]
    value_hex: Mapped[str | None] = mapped_column(String(32))  # to the bit
    threshold: Mapped[float | None]
    rule_version: Mapped[int]
    actor: Mapped[str] = mapped_column(String(8))  # engine: found again by a replay; service: by the wall clock


alerts: Table = Alert.__table__  # type: ignore[assignment]
alert_transitions: Table = AlertTransition.__table__  # type: ignore[assignment]


@dataclass(frozen=True)
class AlertRecord:
    """One row of `alerts`."""

    id: UUID
    run_id: UUID
    owner_id: UUID
    rule: str
    number: int
    rule_version: int
    definition: JsonObject | None
    severity: str | None
    region: str | None
    state: AlertState
    cover: str | None
    value: float | None
    threshold: float | None
    first_tick: int | None
    first_value: float | None
    fired_tick: int
    fired_time_s: float
    fired_at: datetime
    ended_tick: int | None
    ended_at: datetime | None
    ended_by: str | None
    acknowledged_by: UUID | None
    acknowledged_at: datetime | None
    note: str | None
    inhibited_by: str | None
    silence_id: UUID | None
    incident_id: UUID | None

    @property
    def is_loud(self) -> bool:
        """True where it is told: it fires, and neither another alert nor a silence covers it."""
        return self.state.is_active and self.inhibited_by is None and self.silence_id is None

    @property
    def labels(self) -> dict[str, str]:
        """Labels of its rule."""
        return dict((self.definition or {}).get("labels", {}))

    @property
    def metric(self) -> str:
        """Metric of its rule; empty where that is not known yet."""
        return str((self.definition or {}).get("metric", ""))


@dataclass(frozen=True)
class TransitionRecord:
    """One row of `alert_transitions`."""

    run_id: UUID
    rule: str
    n: int
    tick: int
    time_s: float
    at: datetime
    alert: int
    part: str
    before: str
    after: str
    cause: str
    value: float | None
    value_hex: str | None
    threshold: float | None
    rule_version: int
    actor: str


_alert: Final = alerts.c
_transition: Final = alert_transitions.c


class AlertRepository:
    """Adds, reads and changes alerts; adds and reads transitions."""

    def __init__(self, tx: DatabaseTransaction) -> None:
        self._tx = tx
        self._alerts: RecordTable[AlertRecord] = RecordTable(tx, alerts, AlertRecord)
        self._transitions: RecordTable[TransitionRecord] = RecordTable(tx, alert_transitions, TransitionRecord)

    def add(self, values: JsonObject) -> None:
        """Insert an alert; one of that run, rule and number stays as it is."""
        self._alerts.add([values], ignores_known=True)

    def add_transition(self, transition: TransitionRecord) -> bool:
        """Insert a transition; False where the engine has said it before."""
        return self._transitions.add([vars(transition)], ignores_known=True) == 1

    def find(self, alert_id: UUID, owner_id: UUID | None = None, *, is_held: bool = False) -> AlertRecord | None:
        """Read one alert of an owner, or of anybody."""
        return self._alerts.find(_alert.id == alert_id, *_owned(owner_id), is_held=is_held)

    def find_last(self, run_id: UUID, rule: str) -> AlertRecord | None:
        """Read the newest alert of a rule of a run."""
        of_rule = (_alert.run_id == run_id, _alert.rule == rule)
        found = self._alerts.read(*of_rule, order=(_alert.number.desc(),), limit=1)
        return found[0] if found else None

    def change(self, alert_id: UUID, **values: Any) -> None:
        """Change an alert."""
        self._alerts.change(_alert.id == alert_id, **values)

    def active(self, run_ids: Sequence[UUID] | None = None) -> list[AlertRecord]:
        """Read the alerts that are neither resolved nor left behind, of some runs or of all, in order of firing."""
        conditions = [text(f"alerts.{ACTIVE}")] + ([_alert.run_id.in_(run_ids)] if run_ids is not None else [])
        return self._alerts.read(*conditions, order=(_alert.id,))  # type: ignore[arg-type]

    def unknown(self) -> list[AlertRecord]:
        """Read the alerts whose rule has not been looked up."""
        return self._alerts.read(_alert.severity.is_(None), order=(_alert.id,))

    def of_incident(self, incident_id: UUID) -> list[AlertRecord]:
        """Read the alerts of an incident."""
        return self._alerts.read(_alert.incident_id == incident_id, order=(_alert.id,))

    def read_window(
        self, window: Window[UUID], *, owner_id: UUID | None, states: Sequence[AlertState] = (),
        run_id: UUID | None = None, severities: Sequence[str] = (),
    ) -> tuple[list[AlertRecord], UUID | None, int]:  # fmt: skip
        """Read a part of the list, newest first, the cursor behind which it goes on, and how many there are."""
        conditions = _owned(owner_id)
        conditions += [_alert.state.in_(states)] if states else []
        conditions += [_alert.run_id == run_id] if run_id is not None else []
        conditions += [_alert.severity.in_(severities)] if severities else []
        query = window.apply(select(*alerts.c).where(*conditions), _alert.id, is_descending=True)
        items, last = window.split([AlertRecord(*row) for row in self._tx.connection.execute(query)])
        return items, last.id if last is not None else None, self._alerts.count(*conditions)

    def transitions(self, run_id: UUID, rule: str, *, alert: int | None = None) -> list[TransitionRecord]:
        """Read the transitions of a rule of a run in order, or those of one alert."""
        conditions = [_transition.run_id == run_id, _transition.rule == rule]
        conditions += [_transition.alert == alert] if alert is not None else []
        return self._transitions.read(*conditions, order=(_transition.n,), limit=1000)

    def count_active(self) -> dict[str, int]:
        """Count active alerts by severity."""
        query = select(_alert.severity, func.count()).where(_alert.state.in_(ALERT_ACTIVE)).group_by(_alert.severity)
        return {row[0] or "unknown": row[1] for row in self._tx.connection.execute(query)}

    def count_by_owner(self, owner_ids: Collection[UUID]) -> dict[UUID, dict[str, int]]:
        """Count active alerts of owners by severity."""
        counts: dict[UUID, dict[str, int]] = {owner_id: {} for owner_id in owner_ids}
        query = select(_alert.owner_id, _alert.severity, func.count()).where(
            _alert.state.in_(ALERT_ACTIVE), _alert.owner_id.in_(list(owner_ids))
        )
        if owner_ids:
            for owner_id, severity, number in self._tx.connection.execute(
                query.group_by(_alert.owner_id, _alert.severity)
            ):
                counts[owner_id][severity or "unknown"] = number
        return counts

    def count_of_run(self, run_id: UUID) -> int:
        """Count the active alerts of a run."""
        return self._alerts.count(_alert.run_id == run_id, _alert.state.in_(ALERT_ACTIVE))


def _owned(owner_id: UUID | None) -> list[Any]:
    return [] if owner_id is None else [_alert.owner_id == owner_id]
