"""Commands to live runs: numbered rows whose payload never changes, and whose tick is written once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
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
    bindparam,
    func,
    insert,
    literal,
    select,
    text,
    update,
)
from sqlalchemy.orm import Mapped, mapped_column

from grid.database.base import Base, Json, Key, UTCDateTime, one_of, words
from grid.database.transaction import DatabaseTransaction
from grid.schemas.jobs import JsonObject
from grid.schemas.live import PHYSICAL, CommandKind, CommandOutcome

UNPROPOSED: Final = "tick IS NULL"


class LiveCommand(Base):
    """One command; `seq` counts from 1 without gaps, in the order of commit."""

    __tablename__ = "live_commands"
    __table_args__ = (
        UniqueConstraint("run_id", "client_id"),
        CheckConstraint(one_of("kind", list(CommandKind)), name="kind_known"),
        CheckConstraint("outcome IN ('applied', 'refused')", name="outcome_known"),
        CheckConstraint("seq >= 1 AND (tick IS NULL OR tick >= 0)", name="numbers_sane"),
        CheckConstraint("(outcome IS NULL) = (applied_at IS NULL)", name="time_when_settled"),
        CheckConstraint("outcome IS NULL OR tick IS NOT NULL", name="tick_when_settled"),
        CheckConstraint("reason IS NULL OR (outcome IS NOT NULL AND outcome = 'refused')", name="reason_when_refused"),
        Index(
            "ix_live_commands_waiting", "run_id", "seq",
            sqlite_where=text(UNPROPOSED), postgresql_where=text(UNPROPOSED),
        ),
    )  # fmt: skip

    run_id: Mapped[UUID] = mapped_column(Key(), ForeignKey("live_runs.id", ondelete="CASCADE"), primary_key=True)
    seq: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    client_id: Mapped[str] = mapped_column(String(255))
    fingerprint: Mapped[str] = mapped_column(String(64))
    kind: Mapped[CommandKind] = mapped_column(words(CommandKind, 16))
    payload: Mapped[dict[str, Any]] = mapped_column(Json)
    at_s: Mapped[float | None]  # simulated time for which it is scheduled; None: as soon as can be
    actor_id: Mapped[UUID | None]  # None: Grid itself; no foreign key, the log stands alone
    created_at: Mapped[datetime]
    tick: Mapped[int | None] = mapped_column(BigInteger)  # at whose beginning it takes effect; written once
    outcome: Mapped[str | None] = mapped_column(String(16))
    reason: Mapped[str | None] = mapped_column(Text)
    effective: Mapped[dict[str, Any] | None] = mapped_column(Json)
    applied_at: Mapped[datetime | None]


live_commands: Table = LiveCommand.__table__  # type: ignore[assignment]


@dataclass(frozen=True)
class NewLiveCommand:
    """A validated command, not yet stored; its tick only where it is known before the run begins."""

    client_id: str
    fingerprint: str
    kind: CommandKind
    payload: JsonObject
    actor_id: UUID | None
    at_s: float | None = None
    tick: int | None = None


@dataclass(frozen=True)
class LiveCommandRecord:
    """One row of `live_commands`."""

    run_id: UUID
    seq: int
    client_id: str
    fingerprint: str
    kind: CommandKind
    payload: JsonObject
    at_s: float | None
    actor_id: UUID | None
    created_at: datetime
    tick: int | None
    outcome: CommandOutcome | None
    reason: str | None
    effective: JsonObject | None
    applied_at: datetime | None

    @property
    def known(self) -> int | None:
        """Tick from which on the run prepares for it: 0 for what its scenario scheduled, None for what came later."""
        return 0 if self.actor_id is None and self.at_s is not None else None


@dataclass(frozen=True)
class CommandSettlement:
    """Effect of a command at its tick: `effective` where it was applied, `reason` where it was refused."""

    seq: int
    tick: int
    outcome: CommandOutcome
    effective: JsonObject | None = None
    reason: str | None = None


_COLUMNS: Final = tuple(live_commands.c[field.name] for field in fields(LiveCommandRecord))
_command = live_commands.c

# Made once: each command that is accepted runs them, and making a statement costs more than running it.
_ADD: Final = insert(live_commands)
_OF_RUN: Final = select(*_COLUMNS).where(_command.run_id == bindparam("of_run"))
_ONE: Final = _OF_RUN.where(_command.seq == bindparam("of_seq"))
_KNOWN: Final = _OF_RUN.where(_command.client_id.in_(bindparam("client_ids", expanding=True)))
_WAITING: Final = _OF_RUN.where(text(f"live_commands.{UNPROPOSED}")).order_by(_command.seq).limit(bindparam("most"))
_OPEN_EVENTS: Final = (
    select(func.count())
    .select_from(live_commands)
    .where(_command.run_id == bindparam("of_run"), _command.kind == CommandKind.EVENT, _command.outcome.is_(None))
    .where(_command.actor_id.is_not(None))
)
_IMMEDIATE_TICK: Final = select(func.max(_command.tick)).where(
    _command.run_id == bindparam("of_run"),
    _command.seq < bindparam("before"),
    _command.at_s.is_(None),
    _command.kind.in_(list(PHYSICAL)),
)
_TICKS: Final = select(_command.seq, _command.tick).where(
    _command.run_id == bindparam("of_run"), _command.seq.in_(bindparam("seqs", expanding=True))
)
_SET_TICK: Final = (
    update(live_commands)
    .where(_command.run_id == bindparam("of_run"), _command.seq == bindparam("of_seq"), _command.tick.is_(None))
    .values(tick=bindparam("new_tick", type_=BigInteger()))
)
_SETTLE: Final = (
    update(live_commands)
    .where(_command.run_id == bindparam("of_run"), _command.seq == bindparam("of_seq"), _command.outcome.is_(None))
    .where(func.coalesce(_command.tick, bindparam("at_tick", type_=BigInteger())) == bindparam("at_tick"))
    .values(
        tick=bindparam("at_tick", type_=BigInteger()),
        outcome=bindparam("new_outcome"),
        reason=bindparam("new_reason", type_=Text()),
        effective=bindparam("new_effective", type_=Json),
        applied_at=bindparam("now", type_=UTCDateTime()),
    )
    .returning(_command.seq)
)


class LiveCommandRepository:
    """Adds and reads commands, and writes their ticks. The run's row is held by the caller."""

    def __init__(self, tx: DatabaseTransaction) -> None:
        self._tx = tx

    def add(self, run_id: UUID, first_seq: int, commands: Sequence[NewLiveCommand]) -> None:
        """Insert commands with the numbers from `first_seq` on."""
        if commands:
            now = self._tx.now()
            rows = [
                {"run_id": run_id, "seq": first_seq + index, "created_at": now, **vars(command)}
                for index, command in enumerate(commands)
            ]
            self._tx.connection.execute(_ADD, rows)

    def find(self, run_id: UUID, seq: int) -> LiveCommandRecord | None:
        """Read one command."""
        row = self._tx.connection.execute(_ONE, {"of_run": run_id, "of_seq": seq}).one_or_none()
        return LiveCommandRecord(*row) if row is not None else None

    def find_known(self, run_id: UUID, client_ids: Sequence[str]) -> dict[str, LiveCommandRecord]:
        """Read the commands that came with these ids of clients."""
        rows = self._tx.connection.execute(_KNOWN, {"of_run": run_id, "client_ids": list(client_ids)})
        return {row.client_id: LiveCommandRecord(*row) for row in rows}

    def read(self, run_id: UUID, *, after: int = 0, limit: int = 1000) -> list[LiveCommandRecord]:
        """Read commands in the order of their numbers, from behind `after` on."""
        query = select(*_COLUMNS).where(_command.run_id == run_id, _command.seq > after)
        return self._records(query.order_by(_command.seq).limit(limit))

    def read_from_tick(self, run_id: UUID, tick: int) -> list[LiveCommandRecord]:
        """Read commands that take effect at a tick or later, in the order of their numbers: what a resume repeats."""
        query = select(*_COLUMNS).where(_command.run_id == run_id, _command.tick >= tick)
        return self._records(query.order_by(_command.seq))

    def read_waiting(self, run_id: UUID, *, limit: int = 1000) -> list[LiveCommandRecord]:
        """Read commands without a tick, in the order of their numbers."""
        rows = self._tx.connection.execute(_WAITING, {"of_run": run_id, "most": limit})
        return [LiveCommandRecord(*row) for row in rows]

    def last_rules(self, run_id: UUID) -> LiveCommandRecord | None:
        """Read the command that brought the alert rules of a run: the last one that was not refused."""
        query = select(*_COLUMNS).where(_command.run_id == run_id, _command.kind == CommandKind.RULES)
        query = query.where(func.coalesce(_command.outcome, "applied") == "applied")
        found = self._records(query.order_by(_command.seq.desc()).limit(1))
        return found[0] if found else None

    def read_kind(self, run_id: UUID, kind: CommandKind) -> list[LiveCommandRecord]:
        """Read the commands of one kind, in the order of their numbers."""
        query = select(*_COLUMNS).where(_command.run_id == run_id, _command.kind == kind)
        return self._records(query.order_by(_command.seq))

    def last_applied(self, run_id: UUID, kinds: Sequence[CommandKind]) -> LiveCommandRecord | None:
        """Read the last command of some kinds that has taken effect."""
        query = select(*_COLUMNS).where(_command.run_id == run_id, _command.kind.in_(list(kinds)))
        query = query.where(_command.outcome == "applied").order_by(_command.seq.desc()).limit(1)
        found = self._records(query)
        return found[0] if found else None

    def count_open_events(self, run_id: UUID) -> int:
        """Count events of people that have not taken effect yet: those of a scenario are no reason to refuse theirs."""
        return int(self._tx.connection.execute(_OPEN_EVENTS, {"of_run": run_id}).scalar_one())

    def last_immediate_tick(self, run_id: UUID, *, before: int) -> int | None:
        """Return the largest tick of physical commands before a number that were not scheduled for a time."""
        call = {"of_run": run_id, "before": before}
        tick: int | None = self._tx.connection.execute(_IMMEDIATE_TICK, call).scalar_one()
        return tick

    def last_tick(self, run_id: UUID) -> int | None:
        """Return the largest tick of any physical command that was not scheduled for a time."""
        return self.last_immediate_tick(run_id, before=2**31 - 1)

    def last_before(self, run_id: UUID, tick: int) -> LiveCommandRecord | None:
        """Return the physical command applied last, at a tick or before."""
        query = select(*_COLUMNS).where(
            _command.run_id == run_id, _command.tick <= tick, _command.kind.in_(list(PHYSICAL))
        )
        found = self._records(query.order_by(_command.tick.desc(), _command.seq.desc()).limit(1))
        return found[0] if found else None

    def set_ticks(self, run_id: UUID, ticks: Mapping[int, int]) -> dict[int, int]:
        """Write the ticks of commands that have none; return the tick that each of these commands has now."""
        rows = [{"of_run": run_id, "of_seq": seq, "new_tick": tick} for seq, tick in sorted(ticks.items())]
        if rows:
            self._tx.connection.execute(_SET_TICK, rows)
        known = self._tx.connection.execute(_TICKS, {"of_run": run_id, "seqs": list(ticks)})
        return {row.seq: row.tick for row in known}

    def settle(self, run_id: UUID, settlements: Sequence[CommandSettlement]) -> list[int]:
        """Write outcomes of commands that have none and whose tick is that one, or none; return their numbers."""
        now, settled = self._tx.now(), list[int]()
        for one in settlements:
            call = {
                "of_run": run_id, "of_seq": one.seq, "at_tick": one.tick, "new_outcome": one.outcome,
                "new_reason": one.reason, "new_effective": one.effective, "now": now,
            }  # fmt: skip
            settled += self._tx.connection.execute(_SETTLE, call).scalars()
        return settled

    def close(self, run_id: UUID, *, tick: int, reason: str) -> int:
        """Refuse all commands that have not taken effect, because the run has ended; return how many."""
        statement = (
            update(live_commands)
            .where(_command.run_id == run_id, _command.outcome.is_(None))
            .values(
                tick=func.coalesce(_command.tick, literal(tick, BigInteger())),
                outcome="refused",
                reason=reason,
                applied_at=self._tx.now(),
            )
        )
        return self._tx.connection.execute(statement).rowcount

    def _records(self, query: Any) -> list[LiveCommandRecord]:
        return [LiveCommandRecord(*row) for row in self._tx.connection.execute(query)]
