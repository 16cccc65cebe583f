"""Alert rules of owners, and what is known of every rule in every live run: definition, value and cover."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, String, Table, select, text
from sqlalchemy.orm import Mapped, mapped_column

from grid.database.base import Base, Json, Key
from grid.database.live_commands import live_commands
from grid.database.record_table import RecordTable
from grid.database.transaction import DatabaseTransaction
from grid.database.windows import Window
from grid.schemas.jobs import JsonObject
from grid.schemas.live import CommandKind


class AlertRule(Base):
    """A rule that an owner keeps, for one run or for all; each change counts its version up."""

    __tablename__ = "alert_rules"
    __table_args__ = (
        CheckConstraint("version >= 1", name="version_counts"),
        Index(
            "uq_alert_rules_of_owner", "owner_id", "name", unique=True,
            sqlite_where=text("run_id IS NULL"), postgresql_where=text("run_id IS NULL"),
        ),
        Index(
            "uq_alert_rules_of_run", "run_id", "name", unique=True,
            sqlite_where=text("run_id IS NOT NULL"), postgresql_where=text("run_id IS NOT NULL"),
        ),
    )  # fmt: skip

    id: Mapped[UUID] = mapped_column(primary_key=True)
    owner_id: Mapped[UUID] = mapped_column(Key(), ForeignKey("users.id", ondelete="RESTRICT"))
    run_id: Mapped[UUID | None] = mapped_column(Key(), ForeignKey("live_runs.id", ondelete="CASCADE"))  # None: all runs
    name: Mapped[str] = mapped_column(String(100))
    version: Mapped[int]
    definition: Mapped[dict[str, Any]] = mapped_column(Json)  # as it was written, with its version
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class RuleStateRow(Base):
    """A rule in a run. `value` is its owner's, `cover` the maintenance loop's: two writers, two columns."""

    __tablename__ = "rule_states"
    __table_args__ = (
        CheckConstraint("value IN ('ok', 'pending', 'firing', 'holding')", name="value_known"),
        CheckConstraint("cover IN ('stale', 'no_data', 'suspended', 'closed')", name="cover_known"),
        CheckConstraint("metric_cover IN ('stale', 'no_data', 'closed')", name="metric_cover_known"),
        CheckConstraint("next_n >= 1 AND alert >= 0 AND version >= 1", name="numbers_sane"),
    )

    run_id: Mapped[UUID] = mapped_column(Key(), ForeignKey("live_runs.id", ondelete="CASCADE"), primary_key=True)
    rule: Mapped[str] = mapped_column(String(100), primary_key=True)
    version: Mapped[int]
    definition: Mapped[dict[str, Any] | None] = mapped_column(Json)  # None until the loop has looked it up
    origin: Mapped[str | None] = mapped_column(String(16))
    value: Mapped[str] = mapped_column(String(16))
    metric_cover: Mapped[str | None] = mapped_column(String(16))  # the metric itself has no value
    cover: Mapped[str | None] = mapped_column(String(16))
    beneath: Mapped[str | None] = mapped_column(String(16))  # the cover to which the end of a pause returns
    counted_from: Mapped[datetime | None]  # end of the last pause: missing samples count from there
    alert: Mapped[int]  # number of its last alert; 0: none
    machine: Mapped[dict[str, Any] | None] = mapped_column(Json)  # of rules in wall time, as `RuleState.pack` writes it
    next_n: Mapped[int]  # number of its next transition
    changed_at: Mapped[datetime]
    tick: Mapped[int] = mapped_column(BigInteger)  # of the last transition


alert_rules: Table = AlertRule.__table__  # type: ignore[assignment]
rule_states: Table = RuleStateRow.__table__  # type: ignore[assignment]


@dataclass(frozen=True)
class AlertRuleRecord:
    """One row of `alert_rules`."""

    id: UUID
    owner_id: UUID
    run_id: UUID | None
    name: str
    version: int
    definition: JsonObject
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True)
class RuleStateRecord:
    """One row of `rule_states`."""

    run_id: UUID
    rule: str
    version: int
    definition: JsonObject | None
    origin: str | None
    value: str
    metric_cover: str | None
    cover: str | None
    beneath: str | None
    counted_from: datetime | None
    alert: int
    machine: JsonObject | None
    next_n: int
    changed_at: datetime
    tick: int

    @property
    def shown(self) -> str:
        """The cover, if there is one, else the value."""
        return self.cover or self.metric_cover or self.value


_rule: Final = alert_rules.c
_state: Final = rule_states.c


class AlertRuleRepository:
    """Rules of owners, and states of rules in runs."""

    def __init__(self, tx: DatabaseTransaction) -> None:
        self._tx = tx
        self.states: RecordTable[RuleStateRecord] = RecordTable(tx, rule_states, RuleStateRecord)
        self._rules: RecordTable[AlertRuleRecord] = RecordTable(tx, alert_rules, AlertRuleRecord)

    def add(self, rule: AlertRuleRecord) -> bool:
        """Insert a rule; False where its owner, or its run, has one of that name."""
        return self._rules.add([vars(rule)], ignores_known=True) == 1

    def find(self, rule_id: UUID, owner_id: UUID | None, *, is_held: bool = False) -> AlertRuleRecord | None:
        """Read one rule of an owner, or of anybody."""
        return self._rules.find(_rule.id == rule_id, *_owned(owner_id), is_held=is_held)

    def read_window(
        self, window: Window[UUID], owner_id: UUID | None
    ) -> tuple[list[AlertRuleRecord], UUID | None, int]:
        """Read a part of the list, newest first, the cursor behind which it goes on, and how many there are."""
        query = window.apply(select(*alert_rules.c).where(*_owned(owner_id)), _rule.id, is_descending=True)
        items, last = window.split([AlertRuleRecord(*row) for row in self._tx.connection.execute(query)])
        return items, last.id if last is not None else None, self._rules.count(*_owned(owner_id))

    def of_run(self, owner_id: UUID, run_id: UUID) -> list[AlertRuleRecord]:
        """Read the rules that apply to a run: those for all runs of its owner first, then its own."""
        applies = (_rule.owner_id == owner_id, (_rule.run_id.is_(None)) | (_rule.run_id == run_id))
        return self._rules.read(*applies, order=(_rule.run_id.is_not(None), _rule.name))

    def count(self, owner_id: UUID) -> int:
        """Count the rules of an owner."""
        return self._rules.count(_rule.owner_id == owner_id)

    def change(self, rule_id: UUID, *, version: int, definition: JsonObject, updated_at: datetime) -> None:
        """Replace the definition of a rule that is held."""
        self._rules.change(_rule.id == rule_id, version=version, definition=definition, updated_at=updated_at)

    def remove(self, rule_id: UUID) -> None:
        """Remove a rule."""
        self._rules.remove(_rule.id == rule_id)

    def find_state(self, run_id: UUID, rule: str) -> RuleStateRecord | None:
        """Read what is known of a rule in a run."""
        return self.states.find(_state.run_id == run_id, _state.rule == rule)

    def states_of(self, run_ids: Sequence[UUID]) -> list[RuleStateRecord]:
        """Read what is known of all rules in some runs, by run and name."""
        return self.states.read(_state.run_id.in_(run_ids), order=(_state.run_id, _state.rule)) if run_ids else []

    def change_state(self, run_id: UUID, rule: str, **values: Any) -> None:
        """Change what is known of a rule in a run."""
        self.states.change(_state.run_id == run_id, _state.rule == rule, **values)

    def open_runs(self) -> list[UUID]:
        """Return the runs of which a rule is not closed."""
        query = select(_state.run_id).where(_state.cover.is_distinct_from("closed")).distinct()
        return list(self._tx.connection.execute(query).scalars())

    def find_sent_rules(self, run_id: UUID) -> list[JsonObject] | None:
        """Return the rules that the last command `rules` of a run has brought; None where there was none."""
        command = live_commands.c
        query = (
            select(command.payload)
            .where(
                command.run_id == run_id, command.kind == CommandKind.RULES, command.outcome.is_distinct_from("refused")
            )
            .order_by(command.seq.desc())
            .limit(1)
        )
        payload: JsonObject | None = self._tx.connection.execute(query).scalar_one_or_none()
        return None if payload is None else list(payload.get("rules", ()))


def _owned(owner_id: UUID | None) -> list[Any]:
    return [] if owner_id is None else [_rule.owner_id == owner_id]
