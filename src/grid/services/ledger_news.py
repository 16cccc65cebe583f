"""News of the ledger for many followers at once: jobs of owners, and sweeps, wherever the stream of events names them.

The stream tells which rows have changed. What is told of a row is its state when it is read, so a follower that hears
of it twice hears the same, or what is newer.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple
from uuid import UUID

from grid.database import job_queries
from grid.database.job_queries import JobMove
from grid.database.outbox import OutboxMessage
from grid.database.sweeps import SweepRecord
from grid.database.uow import Transaction, UnitOfWork
from grid.services.sweeps import SweepState, describe_sweeps

EVENTS_AT_ONCE: Final = 200  # of one look
JOBS_AT_ONCE: Final = 500  # of one look
MOST_BEHIND: Final = 2_000  # events; whoever is further behind reads the lists again
MOST_POINTS: Final = 500  # of a sweep that one answer names


@dataclass(frozen=True)
class Interest:
    """Rows that are followed.

    Args:
        owners: Whose jobs and sweeps; None: everybody's.
        sweeps: Sweeps whose points and counts are followed.
    """

    owners: frozenset[UUID] | None = frozenset()
    sweeps: frozenset[UUID] = frozenset()

    def __or__(self, other: "Interest") -> "Interest":
        """What either follows."""
        owners = None if self.owners is None or other.owners is None else self.owners | other.owners
        return Interest(owners, self.sweeps | other.sweeps)


class SweepNews(NamedTuple):
    """A sweep that has changed: its state, the version of its last event, and the points that changed.

    `is_complete` is False where more points changed than are named.
    """

    state: SweepState
    version: int
    points: tuple[JobMove, ...]
    is_complete: bool

    @property
    def is_final(self) -> bool:
        """True where every point has ended, and every event of the sweep is known."""
        return self.state.record.finished_at is not None and self.version >= self.state.record.version


@dataclass(frozen=True)
class LedgerNews:
    """Changes of rows that are followed, behind one event of the stream and up to another.

    Args:
        after: Number of the event behind which they begin.
        last: Number of the last event that is in them.
        jobs: That have changed.
        sweeps: Of which points have changed.
        crowds: Owners of whom more jobs have changed than are named.
        followed: News of sweeps that are followed by themselves.
        has_gap: The events behind `after` are not there, or too many: what follows begins behind `last`.
        has_more: Another look finds more at once.
    """

    after: int
    last: int
    jobs: Sequence[JobMove] = ()
    sweeps: Sequence[SweepRecord] = ()
    crowds: frozenset[UUID] = frozenset()
    followed: Mapping[UUID, SweepNews] = field(default_factory=dict)
    has_gap: bool = False
    has_more: bool = False


@dataclass
class _Named:
    """Rows that some events name."""

    jobs: set[UUID] = field(default_factory=set)
    sweeps: dict[UUID, int] = field(default_factory=dict)  # with the version of the last event
    crowded_sweeps: set[UUID] = field(default_factory=set)
    crowded_owners: set[UUID] = field(default_factory=set)

    def add(self, event: OutboxMessage) -> None:
        """Take the rows of one event; one that is about neither jobs nor sweeps has none."""
        noun, _, name = event.aggregate.partition(":")
        if noun == "job":
            self.jobs.add(UUID(name))
        elif noun == "sweep":
            self.sweeps[UUID(name)] = event.version
            if not self._add_listed(event):
                self.crowded_sweeps.add(UUID(name))
        elif noun == "batch" and not self._add_listed(event):
            self.crowded_owners |= {UUID(owner) for owner in event.payload.get("owners", ())}

    def _add_listed(self, event: OutboxMessage) -> bool:
        listed = event.payload.get("jobs")
        if not isinstance(listed, list):
            return False
        self.jobs |= {UUID(one["id"]) for one in listed}
        return True


def find_place(uow: UnitOfWork) -> int:
    """Return the number of the newest event of the stream."""
    with uow.read() as tx:
        return tx.outbox.last_seq()


def read_ledger_news(uow: UnitOfWork, after: int, interest: Interest) -> LedgerNews:
    """Read what has changed behind an event, of everything that is followed, in a few statements."""
    with uow.read() as tx:
        last = tx.outbox.last_seq()
        events = tx.outbox.stream(after=after, limit=EVENTS_AT_ONCE) if 0 <= last - after <= MOST_BEHIND else []
        is_there = events[0].stream_seq == after + 1 if events else last == after
        if not is_there:
            followed = {sweep_id: _read_sweep(tx, sweep_id, None) for sweep_id in interest.sweeps}
            known = {sweep_id: news for sweep_id, news in followed.items() if news is not None}
            return LedgerNews(after, last, followed=known, has_gap=True)
        named = _Named()
        for taken, event in enumerate(events, start=1):  # noqa: B007 - read behind the loop
            named.add(event)
            if len(named.jobs) >= JOBS_AT_ONCE:
                break
        if not events:
            return LedgerNews(after, last)
        reached = events[taken - 1].stream_seq
        return _look_up(tx, named, interest, LedgerNews(after, reached, has_more=reached < last))


def read_sweep_news(uow: UnitOfWork, sweep_id: UUID, after: int | None) -> SweepNews | None:
    """Read a sweep, with the points that changed behind a version of it; None where there is no such sweep.

    `after` None: its state alone. A version of which the events are not there, or too many, makes it incomplete.
    """
    with uow.read() as tx:
        return _read_sweep(tx, sweep_id, after)


def _look_up(tx: Transaction, named: _Named, interest: Interest, news: LedgerNews) -> LedgerNews:
    moves = job_queries.read_moves(tx, named.jobs, owners=interest.owners, sweeps=interest.sweeps)
    wanted = named.sweeps if interest.owners is None or interest.owners else interest.sweeps & named.sweeps.keys()
    records = tx.sweeps.find_many(wanted)
    states = describe_sweeps(tx, [record for record in records if record.id in interest.sweeps])
    by_sweep: dict[UUID, list[JobMove]] = {state.record.id: [] for state in states}
    for move in moves:
        if move.sweep_id in by_sweep:
            by_sweep[move.sweep_id].append(move)
    followed = {}
    for state in states:
        one = state.record.id
        points = tuple(sorted(by_sweep[one], key=lambda move: move.sweep_index or 0))
        followed[one] = SweepNews(state, named.sweeps[one], points, one not in named.crowded_sweeps)
    crowds = named.crowded_owners | {record.owner_id for record in records if record.id in named.crowded_sweeps}
    return LedgerNews(
        news.after, news.last, moves, records, frozenset(crowds), followed, has_more=news.has_more
    )  # fmt: skip


def _read_sweep(tx: Transaction, sweep_id: UUID, after: int | None) -> SweepNews | None:
    record = tx.sweeps.find(sweep_id)
    if record is None:
        return None
    aggregate = f"sweep:{sweep_id}"
    version = tx.outbox.last_version(aggregate)
    if after is None or after == version:
        return SweepNews(describe_sweeps(tx, [record])[0], version, (), after is not None)
    events = tx.outbox.of_aggregate(aggregate, after=after, limit=EVENTS_AT_ONCE)
    named = _Named()
    for event in events:
        named.add(event)
    is_complete = (
        bool(events) and events[0].version == after + 1 and events[-1].version == version
        and not named.crowded_sweeps and len(named.jobs) <= MOST_POINTS
    )  # fmt: skip
    moves = job_queries.read_moves(tx, named.jobs, owners=(), sweeps=(sweep_id,)) if is_complete else []
    points = tuple(sorted(moves, key=lambda move: move.sweep_index or 0))
    return SweepNews(describe_sweeps(tx, [record])[0], version, points, is_complete)
