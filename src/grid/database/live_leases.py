"""Leases of live runs: the run whose turn it is, renewal and progress of all runs of a worker, and lapsed leases.

Rows of several runs are locked in the order of their ids, so that two transactions never wait for each other in a
circle; SQLite has one writer.
"""

from collections.abc import Sequence
from dataclasses import fields
from datetime import datetime
from functools import cache
from typing import Any, Final, NamedTuple

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Float,
    Integer,
    Update,
    Uuid,
    and_,
    bindparam,
    case,
    func,
    literal_column,
    or_,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY

from grid.database.base import DatabaseKind, UTCDateTime
from grid.database.bulk_rows import BulkRows
from grid.database.live_runs import LIVE_LEASED, LIVE_WAITING, LiveRunRecord, live_runs
from grid.database.transaction import DatabaseTransaction
from grid.schemas.live import RunClaim, RunState, Wanted

_COLUMNS: Final = tuple(live_runs.c[field.name] for field in fields(LiveRunRecord))
_NOW: ColumnElement[Any] = bindparam("now", type_=UTCDateTime())
_is_leased: Final[ColumnElement[bool]] = literal_column(f"(live_runs.{LIVE_LEASED})")
_is_waiting: Final[ColumnElement[bool]] = literal_column(f"(live_runs.{LIVE_WAITING})")


class WorkerLoad(NamedTuple):
    """Runs that a worker holds: how many, and cores of those that tick."""

    runs: int
    cores: float


class RenewedLease(NamedTuple):
    """A run whose lease was prolonged, with what its owner has to know."""

    claim: RunClaim
    state: RunState
    wanted: Wanted
    speed: float | None
    version: int


class Progress(NamedTuple):
    """Tick of a run, and the measured share of a core that it takes (None: as it was)."""

    claim: RunClaim
    tick: int
    load_share: float | None = None


class LiveLeaseRepository:
    """Reads and writes leases."""

    def __init__(self, tx: DatabaseTransaction) -> None:
        self._tx = tx
        self._kind = tx.kind

    def load_of(self, worker_id: str) -> WorkerLoad:
        """Return what a worker holds."""
        share = case((live_runs.c.state == RunState.PAUSED, 0.0), else_=live_runs.c.load_share)
        query = select(func.count(), func.coalesce(func.sum(share), 0.0)).where(
            _is_leased, live_runs.c.lease_owner == worker_id
        )
        return WorkerLoad(*self._tx.connection.execute(query).one())

    def next_in_turn(self, *, most_cores: float) -> LiveRunRecord | None:
        """Return the run whose turn it is, held: of the owner with the fewest held runs, of those that fit.

        Runs that another worker is claiming are passed over.
        """
        row = self._tx.connection.execute(_next(), {"now": self._tx.now(), "most": most_cores}).one_or_none()
        return LiveRunRecord(*row) if row is not None else None

    def is_any_claimable(self) -> bool:
        """Return whether a run waits for a worker, whatever it needs; it holds nothing."""
        return bool(self._tx.connection.execute(_is_any(), {"now": self._tx.now()}).scalar_one())

    def lock(self, claims: Sequence[RunClaim]) -> None:
        """Hold the rows of claims until the end of the transaction, in the order of their ids."""
        if self._kind == "postgresql":
            self._tx.connection.execute(_lock(), {"ids": [claim.run_id for claim in claims]})

    def renew(self, claims: Sequence[RunClaim], *, worker_id: str, lease_until: datetime) -> list[RenewedLease]:
        """Prolong leases; return those that still hold."""
        statement, bulk = _renew(self._kind)
        call = {**bulk.bind(claims), "worker": worker_id, "until": lease_until, "now": self._tx.now()}
        rows = self._tx.connection.execute(statement, call)
        return [RenewedLease(RunClaim(row.id, row.epoch), *row[2:]) for row in rows]

    def progress(self, rows: Sequence[Progress]) -> list[RunClaim]:
        """Raise the ticks of runs, which never fall; return the claims that still hold."""
        statement, bulk = _progress(self._kind)
        values = [(*row.claim, row.tick, row.load_share) for row in rows]
        changed = self._tx.connection.execute(statement, {**bulk.bind(values), "now": self._tx.now()})
        return [RunClaim(*row) for row in changed]

    def lapsed(self, *, limit: int, started_before: datetime) -> list[LiveRunRecord]:
        """Read and hold runs whose lease has ended, or which have been starting since before that time."""
        call = {"now": self._tx.now(), "limit": limit, "before": started_before}
        return [LiveRunRecord(*row) for row in self._tx.connection.execute(_lapsed(), call)]


@cache
def _next() -> Any:
    other = live_runs.alias("held_runs")
    is_held: ColumnElement[bool] = literal_column(f"(held_runs.{LIVE_LEASED})")
    held = (
        select(func.count()).select_from(other)
        .where(other.c.owner_id == live_runs.c.owner_id, is_held).scalar_subquery()
    )  # fmt: skip
    fits = or_(live_runs.c.wanted == "pause", live_runs.c.load_share <= bindparam("most", type_=Float()))
    return (
        select(*_COLUMNS)
        .where(_is_waiting, live_runs.c.available_at <= _NOW, fits)
        .where(or_(live_runs.c.state != RunState.PARKED, live_runs.c.wanted == "run"))
        .order_by(held, live_runs.c.available_at, live_runs.c.id)
        .limit(1)
        .with_for_update(skip_locked=True, of=live_runs)
    )


@cache
def _is_any() -> Any:
    waits = select(live_runs.c.id).where(_is_waiting, live_runs.c.available_at <= _NOW)
    return select(waits.where(or_(live_runs.c.state != RunState.PARKED, live_runs.c.wanted == "run")).exists())


@cache
def _lock() -> Any:
    wanted = bindparam("ids", type_=ARRAY(Uuid()))
    held = select(live_runs.c.id).where(live_runs.c.id == func.any(wanted)).order_by(live_runs.c.id)
    return select(func.count()).select_from(held.with_for_update().cte("held"))


def _claims(kind: DatabaseKind, **further: Any) -> BulkRows:
    return BulkRows(kind, id=Uuid(), epoch=Integer(), **further)


def _is_claim(bulk: BulkRows) -> ColumnElement[bool]:
    return and_(live_runs.c.id == bulk.c.id, live_runs.c.epoch == bulk.c.epoch, _is_leased)


@cache
def _renew(kind: DatabaseKind) -> tuple[Update, BulkRows]:
    bulk = _claims(kind)
    run = live_runs.c
    statement = (
        update(live_runs)
        .where(_is_claim(bulk), run.lease_owner == bindparam("worker"))
        .values(lease_until=bindparam("until", type_=UTCDateTime()), heartbeat_at=_NOW)
        .returning(run.id, run.epoch, run.state, run.wanted, run.speed, run.version)
    )
    return statement, bulk


@cache
def _progress(kind: DatabaseKind) -> tuple[Update, BulkRows]:
    bulk = _claims(kind, tick=BigInteger(), load_share=Float())
    run = live_runs.c
    statement = (
        update(live_runs)
        .where(_is_claim(bulk))
        .values(
            tick=case((bulk.c.tick > run.tick, bulk.c.tick), else_=run.tick),
            load_share=func.coalesce(bulk.c.load_share, run.load_share),
            sampled_at=_NOW,
        )
        .returning(run.id, run.epoch)
    )
    return statement, bulk


@cache
def _lapsed() -> Any:
    run = live_runs.c
    # A branch begins with the ticks of its parent, which may take longer; its worker sees whether they come.
    is_late = and_(
        run.state == RunState.STARTING, run.tick == 0, run.claimed_at < bindparam("before", type_=UTCDateTime())
    )
    return (
        select(*_COLUMNS)
        .where(_is_leased, or_(run.lease_until < _NOW, is_late))
        .order_by(run.id)
        .limit(bindparam("limit"))
        .with_for_update(skip_locked=True)
    )
