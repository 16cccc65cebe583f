"""Live runs: one row each, the only truth about it; how rows are added, read, held and changed."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from functools import cache
from typing import Any, Final
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKey,
    Index,
    SmallInteger,
    String,
    Table,
    bindparam,
    delete,
    func,
    insert,
    select,
    text,
    update,
)
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.sql.dml import ReturningUpdate

from grid.database.base import Base, Json, Key, one_of, words
from grid.database.transaction import DatabaseTransaction
from grid.database.windows import Window
from grid.schemas.jobs import JsonObject
from grid.schemas.live import Activity, ModelPolicy, OverloadPolicy, RunClaim, RunReason, RunState, Wanted

# Written out, not bound: a planner matches a partial index only with the very text of its predicate.
LIVE_LEASED: Final = "state IN ('starting', 'running', 'paused', 'resuming', 'stopping')"
LIVE_WAITING: Final = "state IN ('queued', 'parked', 'interrupted')"
LIVE_ENDED: Final = "state IN ('stopped', 'failed')"
SUBMISSION_LOCK: Final = 0x67726966  # "grif": the key of PostgreSQL's advisory lock around submissions of live runs


class LiveRun(Base):
    """One live run. What it computes never changes after creation, nor does a terminal state."""

    __tablename__ = "live_runs"
    __table_args__ = (
        CheckConstraint(one_of("state", list(RunState)), name="state_known"),
        CheckConstraint(one_of("reason", list(RunReason)), name="reason_known"),
        CheckConstraint("wanted IN ('run', 'pause', 'stop')", name="wanted_known"),
        CheckConstraint("model_policy IN ('auto', 'lumped', 'diffusive')", name="model_policy_known"),
        CheckConstraint(
            f"({LIVE_LEASED}) = (lease_owner IS NOT NULL) AND ({LIVE_LEASED}) = (lease_until IS NOT NULL) "
            f"AND ({LIVE_LEASED}) = (heartbeat_at IS NOT NULL) AND ({LIVE_LEASED}) = (claimed_at IS NOT NULL)",
            name="lease_when_held",
        ),
        CheckConstraint(f"({LIVE_ENDED}) = (finished_at IS NOT NULL)", name="finished_when_terminal"),
        CheckConstraint(
            "reason IS NOT NULL OR state NOT IN ('stopping', 'stopped', 'failed')", name="reason_when_ending"
        ),
        CheckConstraint(
            "reason IS NULL OR wanted = 'stop' OR state IN ('stopped', 'failed')", name="reason_only_when_ending"
        ),
        CheckConstraint("wanted = 'stop' OR state NOT IN ('stopping', 'stopped')", name="wanted_when_stopping"),
        CheckConstraint(
            "(winning_epoch IS NULL) = (result_manifest IS NULL) AND (winning_epoch IS NULL OR state = 'stopped')",
            name="result_when_stopped",
        ),
        CheckConstraint(
            "epoch >= 0 AND losses BETWEEN 0 AND 3 AND tick >= 0 AND next_seq >= 1 AND next_event >= 1 "
            "AND dropped_events >= 0 AND load_share >= 0 AND steps_per_tick >= 1 AND rate > 0 AND price_s > 0 "
            "AND memory_bytes >= 0 AND threads >= 1",
            name="counts_sane",
        ),
        CheckConstraint("speed IS NULL OR speed BETWEEN 0.1 AND 100", name="speed_in_range"),
        CheckConstraint("(parent_id IS NULL) = (parent_tick IS NULL)", name="parent_place"),
        Index(
            "ix_live_runs_claim", "available_at", "id",
            sqlite_where=text(LIVE_WAITING), postgresql_where=text(LIVE_WAITING),
        ),
        Index("ix_live_runs_lease", "lease_until", sqlite_where=text(LIVE_LEASED), postgresql_where=text(LIVE_LEASED)),
        Index("ix_live_runs_holder", "lease_owner", sqlite_where=text(LIVE_LEASED), postgresql_where=text(LIVE_LEASED)),
        Index("ix_live_runs_owner", "owner_id", "id"),
        Index("ix_live_runs_parent", "parent_id"),
        {"postgresql_with": {"fillfactor": 80}},
    )  # fmt: skip

    id: Mapped[UUID] = mapped_column(primary_key=True)  # UUIDv7: sorts by the time of its making
    owner_id: Mapped[UUID] = mapped_column(Key(), ForeignKey("users.id", ondelete="RESTRICT"))
    name: Mapped[str] = mapped_column(String(100))
    created_at: Mapped[datetime]

    # What to compute: never changes.
    scenario: Mapped[str | None] = mapped_column(String(64))
    params: Mapped[dict[str, Any]] = mapped_column(Json)
    scene: Mapped[dict[str, Any]] = mapped_column(Json)
    body: Mapped[dict[str, Any] | None] = mapped_column(Json)  # of the scene, for lists: `RunBody`
    tick_s: Mapped[str] = mapped_column(String(32))  # [s], as text: read once, never through a database's float
    steps_per_tick: Mapped[int]
    method: Mapped[str] = mapped_column(String(16))
    seed: Mapped[int] = mapped_column(BigInteger)
    rate: Mapped[float]  # ticks a second of wall time at speed 1
    price_s: Mapped[float]  # estimated processor time of a tick
    memory_bytes: Mapped[int] = mapped_column(BigInteger)
    threads: Mapped[int] = mapped_column(SmallInteger)
    spec_hash: Mapped[str] = mapped_column(String(64))
    numerics_version: Mapped[str] = mapped_column(String(64))
    platform: Mapped[str | None] = mapped_column(String(64))  # of its first owner; written once
    parent_id: Mapped[UUID | None]  # no foreign key: a branch outlives its parent
    parent_tick: Mapped[int | None] = mapped_column(BigInteger)
    overload_policy: Mapped[str] = mapped_column(String(16), server_default="slip")  # what it may leave out

    # What is wanted: changed by commands only.
    wanted: Mapped[str] = mapped_column(String(8))
    speed: Mapped[float | None]  # factor on the rate; None: as fast as can be
    model_policy: Mapped[str] = mapped_column(String(16))
    rules_version: Mapped[int]

    # Where it stands.
    state: Mapped[RunState] = mapped_column(words(RunState, 16))
    version: Mapped[int]
    tick: Mapped[int] = mapped_column(BigInteger)  # the largest that anybody was shown; written once a second
    sampled_at: Mapped[datetime | None]
    next_seq: Mapped[int]
    next_event: Mapped[int]
    dropped_events: Mapped[int]
    snapshot_id: Mapped[UUID | None]  # the newest
    load_share: Mapped[float]  # cores
    paced_until: Mapped[datetime]  # theoretical arrival time of the limit on commands (GCRA)
    available_at: Mapped[datetime]
    activity: Mapped[str | None] = mapped_column(String(16))  # what holds up its ticks; None: nothing that is known
    reason: Mapped[RunReason | None] = mapped_column(words(RunReason))
    message: Mapped[str | None] = mapped_column(String(2000))
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]

    # Who holds it. Every write by the holder carries the epoch.
    epoch: Mapped[int]
    lease_owner: Mapped[str | None] = mapped_column(String(200))
    lease_until: Mapped[datetime | None]
    heartbeat_at: Mapped[datetime | None]
    claimed_at: Mapped[datetime | None]
    losses: Mapped[int] = mapped_column(SmallInteger)
    loss_ticks: Mapped[list[int]] = mapped_column(Json)  # the last tick that is known of each loss
    healthy_since: Mapped[datetime | None]

    # What came of it.
    winning_epoch: Mapped[int | None]
    result_manifest: Mapped[dict[str, Any] | None] = mapped_column(Json)


live_runs: Table = LiveRun.__table__  # type: ignore[assignment]


@dataclass(frozen=True)
class NewLiveRun:
    """A validated live run, not yet stored."""

    id: UUID
    owner_id: UUID
    name: str
    scenario: str | None
    params: JsonObject
    scene: JsonObject
    tick_s: str
    steps_per_tick: int
    method: str
    seed: int
    rate: float
    price_s: float
    memory_bytes: int
    threads: int
    spec_hash: str
    numerics_version: str
    wanted: Wanted
    speed: float | None
    model_policy: ModelPolicy
    load_share: float
    body: JsonObject | None = None
    parent_id: UUID | None = None
    parent_tick: int | None = None
    overload_policy: OverloadPolicy = "slip"


@dataclass(frozen=True)
class LiveRunRecord:
    """One row of `live_runs` without parameters and scene, which may be large."""

    id: UUID
    owner_id: UUID
    name: str
    created_at: datetime
    scenario: str | None
    body: JsonObject | None
    tick_s: str
    steps_per_tick: int
    method: str
    seed: int
    rate: float
    price_s: float
    memory_bytes: int
    threads: int
    spec_hash: str
    numerics_version: str
    platform: str | None
    parent_id: UUID | None
    parent_tick: int | None
    overload_policy: OverloadPolicy
    wanted: Wanted
    speed: float | None
    model_policy: ModelPolicy
    rules_version: int
    state: RunState
    version: int
    tick: int
    sampled_at: datetime | None
    next_seq: int
    next_event: int
    dropped_events: int
    snapshot_id: UUID | None
    load_share: float
    paced_until: datetime
    available_at: datetime
    activity: Activity | None
    reason: RunReason | None
    message: str | None
    started_at: datetime | None
    finished_at: datetime | None
    epoch: int
    lease_owner: str | None
    lease_until: datetime | None
    heartbeat_at: datetime | None
    claimed_at: datetime | None
    losses: int
    loss_ticks: list[int]
    healthy_since: datetime | None
    winning_epoch: int | None
    result_manifest: JsonObject | None

    @property
    def claim(self) -> RunClaim:
        """The fencing token of its present owner."""
        return RunClaim(self.id, self.epoch)

    @property
    def time_s(self) -> float:
        """Simulated time at the beginning of its tick [s]."""
        return self.tick * float(self.tick_s)


@dataclass(frozen=True)
class LiveSpec:
    """What a run computes, for whoever carries it out."""

    params: JsonObject
    scene: JsonObject


_COLUMNS: Final = tuple(live_runs.c[field.name] for field in fields(LiveRunRecord))
_BY_ID: Final = select(*_COLUMNS).where(live_runs.c.id == bindparam("of_id"))
_HELD: Final = _BY_ID.with_for_update()
_SPEC: Final = select(live_runs.c.params, live_runs.c.scene).where(live_runs.c.id == bindparam("of_id"))


@cache
def _change(names: tuple[str, ...]) -> ReturningUpdate[Any]:
    """Change these columns of a run that has a version and an epoch; built once for each set of names."""
    run = live_runs.c
    guard = (run.id == bindparam("of_id"), run.version == bindparam("of_version"), run.epoch == bindparam("of_epoch"))
    values = {name: bindparam(f"new_{name}", type_=run[name].type) for name in names}
    return update(live_runs).where(*guard).values(**values).returning(*_COLUMNS)


class LiveRunRepository:
    """Adds, reads, holds and changes live runs; several at once are in `grid.database.live_leases`."""

    def __init__(self, tx: DatabaseTransaction) -> None:
        self._tx = tx

    def lock_submissions(self) -> None:
        """Let no other submission of a live run be counted and stored meanwhile, until the end of the transaction."""
        if self._tx.kind == "postgresql":  # SQLite's writer is alone already
            self._tx.connection.execute(select(func.pg_advisory_xact_lock(SUBMISSION_LOCK)))

    def add(self, run: NewLiveRun, *, next_seq: int = 1, next_event: int = 1) -> LiveRunRecord:
        """Insert a queued run and return it; its first commands and events, if it has any, are the caller's."""
        now = self._tx.now()
        first: dict[str, Any] = {
            "created_at": now,
            "available_at": now,
            "paced_until": now,
            "state": RunState.QUEUED,
            "version": 1,
            "next_seq": next_seq,
            "next_event": next_event,
            "loss_ticks": [],
            **dict.fromkeys(("rules_version", "tick", "dropped_events", "epoch", "losses"), 0),
        }
        statement = insert(live_runs).values(**vars(run), **first).returning(*_COLUMNS)
        return LiveRunRecord(*self._tx.connection.execute(statement).one())

    def find(self, run_id: UUID, owner_id: UUID | None = None) -> LiveRunRecord | None:
        """Read one run; None where it does not exist, or is not the owner's where one is named."""
        row = self._tx.connection.execute(_BY_ID, {"of_id": run_id}).one_or_none()
        return self._owned(row, owner_id)

    def find_spec(self, run_id: UUID) -> LiveSpec | None:
        """Read what a run computes."""
        row = self._tx.connection.execute(_SPEC, {"of_id": run_id}).one_or_none()
        return LiveSpec(*row) if row is not None else None

    def hold(self, run_id: UUID, owner_id: UUID | None = None) -> LiveRunRecord | None:
        """Read one run as `find` does, and keep everybody else from changing it until the end of the transaction."""
        row = self._tx.connection.execute(_HELD, {"of_id": run_id}).one_or_none()
        return self._owned(row, owner_id)

    def hold_claim(self, claim: RunClaim) -> LiveRunRecord | None:
        """Hold a run of which the claim is still good; None where another epoch began, or nobody holds it."""
        run = self.hold(claim.run_id)
        return run if run is not None and run.epoch == claim.epoch and run.state.is_leased else None

    def change(self, run: LiveRunRecord, **values: Any) -> LiveRunRecord:
        """Change a run that is held, and return it as it is then.

        Raises:
            NoResultFound: It is not as it was read, so the caller does not hold it: a fault of the program.
        """
        guard = {"of_id": run.id, "of_version": run.version, "of_epoch": run.epoch}
        call = {**guard, **{f"new_{name}": value for name, value in values.items()}}
        return LiveRunRecord(*self._tx.connection.execute(_change(tuple(sorted(values))), call).one())

    def read_window(
        self, window: Window[UUID], *, owner_id: UUID | None = None, states: Sequence[RunState] = ()
    ) -> tuple[list[LiveRunRecord], UUID | None]:
        """Read a part of the list, newest first, and the cursor behind which it goes on (None at its end)."""
        query = window.apply(
            select(*_COLUMNS).where(*self._conditions(owner_id, states)), live_runs.c.id, is_descending=True
        )
        items, last = window.split([LiveRunRecord(*row) for row in self._tx.connection.execute(query)])
        return items, last.id if last is not None else None

    def count(self, *, owner_id: UUID | None = None, states: Sequence[RunState] = ()) -> int:
        """Count runs: of one owner, or of all; in some states, or in any."""
        query = select(func.count()).select_from(live_runs).where(*self._conditions(owner_id, states))
        return int(self._tx.connection.execute(query).scalar_one())

    def position(self, run: LiveRunRecord) -> int:
        """Count the runs that wait and were there before, and this one."""
        ahead = select(func.count()).select_from(live_runs).where(
            live_runs.c.state.in_([RunState.QUEUED, RunState.INTERRUPTED]), live_runs.c.id < run.id
        )  # fmt: skip
        return int(self._tx.connection.execute(ahead).scalar_one()) + 1

    def remove(self, run_id: UUID) -> bool:
        """Remove a run that has ended with all that belongs to it; False where it is gone or has not ended."""
        gone = delete(live_runs).where(live_runs.c.id == run_id, text(LIVE_ENDED))
        return self._tx.connection.execute(gone).rowcount == 1

    @staticmethod
    def _owned(row: Sequence[Any] | None, owner_id: UUID | None) -> LiveRunRecord | None:
        if row is None:
            return None
        run = LiveRunRecord(*row)
        return run if owner_id is None or run.owner_id == owner_id else None

    @staticmethod
    def _conditions(owner_id: UUID | None, states: Sequence[RunState]) -> list[Any]:
        conditions: list[Any] = [live_runs.c.owner_id == owner_id] if owner_id is not None else []
        return conditions + ([live_runs.c.state.in_(states)] if states else [])
