"""The queue of each owner: how many jobs wait and run, how many may, and whose turn it is."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, NamedTuple
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Table, bindparam, func, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Mapped, mapped_column

from grid.database.base import Base, Key, UTCDateTime
from grid.database.prepared import Prepared
from grid.database.transaction import Call, DatabaseTransaction
from grid.database.users import User


class OwnerQueue(Base):
    """Exact counts of one owner's jobs, changed in the transaction that changes the jobs."""

    __tablename__ = "owner_queues"
    __table_args__ = (
        CheckConstraint("queued >= 0 AND active >= 0", name="counts_not_negative"),
        CheckConstraint("queue_limit >= 0 AND active_limit >= 0", name="limits_not_negative"),
    )

    owner_id: Mapped[UUID] = mapped_column(Key(), ForeignKey("users.id", ondelete="RESTRICT"), primary_key=True)
    queued: Mapped[int]
    active: Mapped[int]  # starting, running or cancelling
    queue_limit: Mapped[int | None]  # None: what the settings say
    active_limit: Mapped[int | None]  # None: no limit
    last_claimed_at: Mapped[datetime | None]


owner_queues: Table = OwnerQueue.__table__  # type: ignore[assignment]


# Made once: each submission and each claim runs them, and making a statement costs more than running it.
_ONE: Final = select(*owner_queues.c).where(owner_queues.c.owner_id == bindparam("of_owner"))
_ONE_LOCKED: Final = Prepared(_ONE.with_for_update())
_TOTAL: Final = Prepared(select(func.sum(owner_queues.c.queued)))
_CHANGE: Final = Prepared(
    update(owner_queues)
    .where(owner_queues.c.owner_id == bindparam("of_owner"))
    .values(
        queued=owner_queues.c.queued + bindparam("more_queued"), active=owner_queues.c.active + bindparam("more_active")
    )
)
_TAKE_TURN: Final = Prepared(
    update(owner_queues)
    .where(owner_queues.c.owner_id == bindparam("of_owner"))
    .values(last_claimed_at=bindparam("now", type_=UTCDateTime()))
)


class Delta(NamedTuple):
    """Numbers of jobs that came to the queue and to the workers (or left, where negative)."""

    queued: int = 0
    active: int = 0


@dataclass(frozen=True)
class QueueRecord:
    """One row of `owner_queues`."""

    owner_id: UUID
    queued: int
    active: int
    queue_limit: int | None
    active_limit: int | None
    last_claimed_at: datetime | None


@dataclass(frozen=True)
class NamedQueue:
    """The counters of an owner by name; `queue_limit` is None for what the settings say."""

    owner_id: UUID
    username: str
    queued: int
    active: int
    queue_limit: int | None


class QueueRepository:
    """Keeps the counters."""

    def __init__(self, tx: DatabaseTransaction) -> None:
        self._tx = tx

    def lock(self, owner_id: UUID) -> QueueRecord:
        """Read the owner's counters and hold them until the end of the transaction; make the row where there is none.

        Whoever adds jobs checks the quota under this lock.
        """
        call = {"of_owner": owner_id}
        rows = self._tx.run(_ONE_LOCKED, call)
        if not rows:
            insert = sqlite.insert if self._tx.kind == "sqlite" else postgresql.insert
            new = insert(owner_queues).values(owner_id=owner_id, queued=0, active=0).on_conflict_do_nothing()
            self._tx.connection.execute(new)
            rows = self._tx.run(_ONE_LOCKED, call)
        return QueueRecord(*rows[0])

    @staticmethod
    def calls_of_lock(owner_ids: Sequence[UUID]) -> list[Call]:
        """Return what `lock` of each owner and `total_queued` ask, for `run_ahead`."""
        return [*((_ONE_LOCKED, {"of_owner": owner_id}) for owner_id in owner_ids), (_TOTAL, {})]

    def find(self, owner_id: UUID) -> QueueRecord | None:
        """Read the owner's counters."""
        row = self._tx.connection.execute(_ONE, {"of_owner": owner_id}).first()
        return QueueRecord(*row) if row is not None else None

    def numbers_of(self, owner_ids: Collection[UUID]) -> dict[UUID, tuple[int, int]]:
        """Return how many jobs of owners wait, and how many workers hold; owners without a row are left out."""
        queues = owner_queues.c
        query = select(queues.owner_id, queues.queued, queues.active).where(queues.owner_id.in_(list(owner_ids)))
        return {row[0]: (row[1], row[2]) for row in self._tx.connection.execute(query)} if owner_ids else {}

    def totals(self) -> tuple[int, int]:
        """Return how many jobs of all owners wait, and how many workers hold."""
        query = select(func.sum(owner_queues.c.queued), func.sum(owner_queues.c.active))
        queued, active = self._tx.connection.execute(query).one()
        return int(queued or 0), int(active or 0)

    def list_busy(self, *, limit: int) -> list[NamedQueue]:
        """Read the counters of owners whose jobs wait or run, longest queue first."""
        columns = owner_queues.c
        query = (
            select(columns.owner_id, User.username, columns.queued, columns.active, columns.queue_limit)
            .join(User, User.id == columns.owner_id)
            .where((columns.queued > 0) | (columns.active > 0))
            .order_by(columns.queued.desc(), columns.active.desc(), columns.owner_id)
            .limit(limit)
        )
        return [NamedQueue(*row) for row in self._tx.connection.execute(query)]

    def total_queued(self) -> int:
        """Count the queued jobs of all owners."""
        return int(self._tx.run(_TOTAL, {})[0][0] or 0)

    def set_limits(self, owner_id: UUID, *, queue_limit: int | None, active_limit: int | None) -> None:
        """Change what the owner may use; None for the default."""
        self.lock(owner_id)
        self._tx.connection.execute(
            update(owner_queues)
            .where(owner_queues.c.owner_id == owner_id)
            .values(queue_limit=queue_limit, active_limit=active_limit)
        )

    def change(self, deltas: Mapping[UUID, Delta]) -> None:
        """Add to the counters, in one order for everybody, so that two transactions never wait in a circle."""
        for owner_id in sorted(deltas):
            delta = deltas[owner_id]
            if delta.queued or delta.active:
                call = {"of_owner": owner_id, "more_queued": delta.queued, "more_active": delta.active}
                self._tx.run_later(_CHANGE, call)

    def take_turn(self, owner_id: UUID) -> None:
        """Send the owner to the end of the line."""
        self._tx.run_later(_TAKE_TURN, {"of_owner": owner_id, "now": self._tx.now()})
