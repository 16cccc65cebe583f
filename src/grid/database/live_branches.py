"""Branches of live runs: what a run takes over from its parent, copied within the database."""

from typing import Any, Final
from uuid import UUID

from sqlalchemy import Float, and_, case, func, insert, literal, or_, select

from grid.database.live_commands import live_commands
from grid.database.live_events import live_events
from grid.database.live_runs import live_runs
from grid.database.transaction import DatabaseTransaction
from grid.schemas.live import PHYSICAL, RUN_TERMINAL, CommandKind, EventOrigin
from grid.schemas.live_log import AT_BEGIN, AT_END

_command, _event = live_commands.c, live_events.c
_COPIED: Final = ("seq", "client_id", "fingerprint", "kind", "payload", "actor_id", "created_at", "tick")
_OUTCOME: Final = ("outcome", "reason", "effective", "applied_at")
_EVENT: Final = ("tick", "step", "kind", "key", "payload", "origin", "created_at")


class LiveBranchRepository:
    """Copies commands and events of one run to another, and counts branches. The caller holds both rows."""

    def __init__(self, tx: DatabaseTransaction) -> None:
        self._tx = tx

    def count_living(self, parent_id: UUID) -> int:
        """Count the branches of a run that have not ended."""
        query = select(func.count()).where(
            live_runs.c.parent_id == parent_id, live_runs.c.state.not_in(list(RUN_TERMINAL))
        )
        return int(self._tx.connection.execute(query).scalar_one())

    def find_dropped(self, parent_id: UUID, tick: int) -> int | None:
        """Return the least number of a physical command that takes effect at a tick or later; None: there is none."""
        query = select(func.min(_command.seq)).where(
            _command.run_id == parent_id, _command.kind.in_(list(PHYSICAL)), _command.tick >= tick
        )
        found: int | None = self._tx.connection.execute(query).scalar_one()
        return found

    def copy_commands(self, parent_id: UUID, child_id: UUID, *, tick: int, tick_s: float, has_later: bool) -> None:
        """Copy the commands of a parent that change physics, with their numbers and ticks.

        Those before the tick of the branch keep their outcomes. Later ones count as scheduled for their ticks, or a new
        command could not take effect before them; but how the parent was degraded later is not the branch's.

        Args:
            parent_id, child_id: The runs.
            tick: Of the branch.
            tick_s: Length of a tick [s].
            has_later: Whether those at that tick and later are copied too.
        """
        is_before = _command.tick < tick
        is_later = and_(_command.tick.is_not(None), _command.kind != CommandKind.MODE)
        scheduled = func.coalesce(_command.at_s, _command.tick * literal(tick_s, Float()))
        source = select(
            literal(child_id, live_runs.c.id.type),
            *(_command[name] for name in _COPIED),
            case((is_before, _command.at_s), else_=scheduled),
            *(case((is_before, _command[name])) for name in _OUTCOME),  # null for those that are still to come
        ).where(
            _command.run_id == parent_id,
            _command.kind.in_(list(PHYSICAL)),
            or_(is_before, is_later) if has_later else is_before,
        )  # fmt: skip
        names = ["run_id", *_COPIED, "at_s", *_OUTCOME]
        self._tx.connection.execute(insert(live_commands).from_select(names, source))

    def copy_events(self, parent_id: UUID, child_id: UUID, *, tick: int) -> int:
        """Copy what the engine has said of a parent up to the tick of the branch, numbered from 1; return how many."""
        source = self._select_events(parent_id, child_id, tick)
        names = ["run_id", "n", *_EVENT]
        self._tx.connection.execute(insert(live_events).from_select(names, source))
        count = select(func.count()).where(
            _event.run_id == child_id
        )  # not every driver tells how many such an insert makes
        return int(self._tx.connection.execute(count).scalar_one())

    @staticmethod
    def _select_events(parent_id: UUID, child_id: UUID, tick: int) -> Any:
        number = func.row_number().over(order_by=_event.n)
        return select(
            literal(child_id, live_runs.c.id.type), number, *(_event[name] for name in _EVENT)
        ).where(
            _event.run_id == parent_id,
            _event.origin == EventOrigin.ENGINE,
            or_(
                and_(_event.kind.in_(AT_BEGIN), _event.tick < tick),
                and_(_event.kind.in_(AT_END), _event.tick <= tick),
            ),
        )  # fmt: skip
