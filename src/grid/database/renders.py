"""Files of finished jobs, made on request: a small queue beside the jobs, with leases and epochs like theirs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final, NamedTuple
from uuid import UUID

from sqlalchemy import (
    CheckConstraint,
    ForeignKey,
    Index,
    Row,
    String,
    UniqueConstraint,
    Update,
    delete,
    insert,
    select,
    update,
)
from sqlalchemy.orm import Mapped, mapped_column

from grid.core.ids import new_id
from grid.database.base import Base, Json, UTCDateTime, words
from grid.database.prepared import Prepared
from grid.database.transaction import Call, DatabaseTransaction


class RenderState(StrEnum):
    """State of a request for files. `ready` and `failed` are its ends, until the files are asked for again."""

    REQUESTED = "requested"
    RENDERING = "rendering"
    READY = "ready"
    FAILED = "failed"


class RenderClaim(NamedTuple):
    """A request for files as one worker holds it: every write by the worker carries the epoch."""

    render_id: UUID
    epoch: int


class Render(Base):
    """One request for some files of one finished job. Equal requests share a row, which caches the files' places."""

    __tablename__ = "renders"
    __table_args__ = (
        UniqueConstraint("job_id", "names"),
        CheckConstraint("(state = 'rendering') = (lease_owner IS NOT NULL)", name="lease_when_rendering"),
        CheckConstraint("(state = 'rendering') = (lease_until IS NOT NULL)", name="end_when_rendering"),
        CheckConstraint("(state = 'ready') = (files IS NOT NULL)", name="files_when_ready"),
        Index("ix_renders_open", "state", "requested_at"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    job_id: Mapped[UUID] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"))
    names: Mapped[str] = mapped_column(String(1024))  # sorted, comma-separated: names hold no comma
    state: Mapped[RenderState] = mapped_column(words(RenderState), default=RenderState.REQUESTED)
    epoch: Mapped[int] = mapped_column(default=0)
    losses: Mapped[int] = mapped_column(default=0)
    lease_owner: Mapped[str | None] = mapped_column(String(255))
    lease_until: Mapped[datetime | None] = mapped_column(UTCDateTime)
    requested_at: Mapped[datetime] = mapped_column(UTCDateTime)
    finished_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    files: Mapped[list[dict[str, Any]] | None] = mapped_column(Json)
    failure: Mapped[str | None] = mapped_column(String(1000))
    code: Mapped[str | None] = mapped_column(String(32))


@dataclass(frozen=True)
class RenderRecord:
    """One row of `renders`, as readers see it."""

    id: UUID
    job_id: UUID
    names: tuple[str, ...]
    state: RenderState
    epoch: int
    requested_at: datetime
    files: Sequence[Mapping[str, Any]]
    failure: str | None
    code: str | None


_COLUMNS: Final = (
    Render.id,
    Render.job_id,
    Render.names,
    Render.state,
    Render.epoch,
    Render.requested_at,
    Render.files,
    Render.failure,
    Render.code,
)
_WAITING: Final = (  # the first in turn
    select(Render.id).where(Render.state == RenderState.REQUESTED).order_by(Render.requested_at, Render.id).limit(1)
)
_IS_WAITING: Final = Prepared(_WAITING)  # every claim of a worker looks for it
_FREE: Final = _WAITING.with_for_update(skip_locked=True)  # SQLite has no row locks and leaves it out
_NO_LEASE: Final = {"lease_owner": None, "lease_until": None}


class RenderRepository:
    """Statements on `renders`, inside the caller's transaction."""

    def __init__(self, tx: DatabaseTransaction) -> None:
        self._tx = tx

    def find(self, render_id: UUID) -> RenderRecord | None:
        """Find a request."""
        row = self._tx.connection.execute(select(*_COLUMNS).where(Render.id == render_id)).first()
        return None if row is None else _record(row)

    def find_equal(self, job_id: UUID, names: str) -> RenderRecord | None:
        """Find the request for the same files of the same job."""
        query = select(*_COLUMNS).where(Render.job_id == job_id, Render.names == names)
        row = self._tx.connection.execute(query).first()
        return None if row is None else _record(row)

    def add(self, job_id: UUID, names: str) -> UUID:
        """Put a new request into the queue."""
        render_id = new_id()
        values = {"id": render_id, "job_id": job_id, "names": names, "requested_at": self._tx.now()}
        self._tx.connection.execute(insert(Render).values(**values))
        return render_id

    def repeat(self, render_id: UUID) -> None:
        """Note that ready files are wanted again (they are kept longer); put a failed request back into the queue."""
        is_failed = Render.state == RenderState.FAILED
        anew = {"state": RenderState.REQUESTED, "failure": None, "code": None, "losses": 0, "finished_at": None}
        statement = update(Render).where(Render.id == render_id)
        self._tx.connection.execute(statement.values(requested_at=self._tx.now()))
        self._tx.connection.execute(statement.where(is_failed).values(**anew))

    def has_waiting(self) -> bool:
        """Return whether a request waits to be claimed."""
        return bool(self._tx.run(_IS_WAITING, {}))

    @staticmethod
    def calls_of_look() -> list[Call]:
        """Return what `has_waiting` asks, for `run_ahead`."""
        return [(_IS_WAITING, {})]

    def claim(self, worker_id: str, lease_s: float) -> RenderRecord | None:
        """Take the request that waits longest, under a new epoch."""
        statement = (
            update(Render)
            .where(Render.id == _FREE.scalar_subquery(), Render.state == RenderState.REQUESTED)
            .values(
                state=RenderState.RENDERING,
                epoch=Render.epoch + 1,
                lease_owner=worker_id,
                lease_until=self._tx.now() + timedelta(seconds=lease_s),
            )
            .returning(*_COLUMNS)
        )
        row = self._tx.connection.execute(statement).first()
        return None if row is None else _record(row)

    def renew(self, worker_id: str, claim: RenderClaim, lease_s: float) -> bool:
        """Prolong a lease; False where it is no longer held."""
        until = self._tx.now() + timedelta(seconds=lease_s)
        statement = self._held(claim).where(Render.lease_owner == worker_id).values(lease_until=until)
        return self._tx.connection.execute(statement).rowcount == 1

    def finish(self, claim: RenderClaim, files: Sequence[Mapping[str, Any]]) -> bool:
        """Record the files; False where the claim is no longer held."""
        values = {"state": RenderState.READY, "files": list(files), "finished_at": self._tx.now(), **_NO_LEASE}
        return self._tx.connection.execute(self._held(claim).values(**values)).rowcount == 1

    def fail(self, claim: RenderClaim, failure: str, code: str | None) -> bool:
        """Record why there are no files; False where the claim is no longer held."""
        values = {"state": RenderState.FAILED, "failure": failure[:1000], "code": code, **_NO_LEASE}
        statement = self._held(claim).values(**values, finished_at=self._tx.now())
        return self._tx.connection.execute(statement).rowcount == 1

    def give_back(self, claim: RenderClaim, *, is_loss: bool, most_losses: int, failure: str) -> bool:
        """Put a claimed request back into the queue, or end it at the last loss; False where it is no longer held."""
        if is_loss and self._end_hopeless(self._held(claim), most_losses, failure):
            return True
        values = {"state": RenderState.REQUESTED, "losses": Render.losses + int(is_loss), **_NO_LEASE}
        return self._tx.connection.execute(self._held(claim).values(**values)).rowcount == 1

    def requeue_expired(self, most_losses: int, failure: str) -> int:
        """Put requests whose worker went away back into the queue, or end them at the last loss; return how many."""
        expired = update(Render).where(Render.state == RenderState.RENDERING, Render.lease_until < self._tx.now())
        ended = self._end_hopeless(expired, most_losses, failure)
        values = {"state": RenderState.REQUESTED, "losses": Render.losses + 1, **_NO_LEASE}
        return ended + self._tx.connection.execute(expired.values(**values)).rowcount

    def _end_hopeless(self, held: Update, most_losses: int, failure: str) -> int:
        values = {"failure": failure, "code": "poison", "finished_at": self._tx.now(), **_NO_LEASE}
        statement = held.where(Render.losses + 1 >= most_losses)
        statement = statement.values(state=RenderState.FAILED, losses=Render.losses + 1, **values)
        return self._tx.connection.execute(statement).rowcount

    def expire(self, unused_for: timedelta, *, limit: int) -> list[RenderRecord]:
        """Forget requests that ended and were not asked for again for so long; return them, for their files."""
        old = (
            select(Render.id)
            .where(
                Render.state.in_((RenderState.READY, RenderState.FAILED)),
                Render.requested_at < self._tx.now() - unused_for,
            )
            .order_by(Render.requested_at)
            .limit(limit)
        )
        statement = delete(Render).where(Render.id.in_(old)).returning(*_COLUMNS)
        return [_record(row) for row in self._tx.connection.execute(statement)]

    @staticmethod
    def _held(claim: RenderClaim) -> Update:
        return update(Render).where(
            Render.id == claim.render_id, Render.epoch == claim.epoch, Render.state == RenderState.RENDERING
        )


def _record(row: Row[Any]) -> RenderRecord:
    return RenderRecord(
        id=row.id,
        job_id=row.job_id,
        names=tuple(row.names.split(",")),
        state=RenderState(row.state),
        epoch=row.epoch,
        requested_at=row.requested_at,
        files=tuple(row.files or ()),
        failure=row.failure,
        code=row.code,
    )
