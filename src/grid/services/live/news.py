"""News of live runs for those who follow them: states and events since a place, and samples since a tick."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from grid.database.live_events import LiveEventRecord
from grid.database.live_runs import LiveRunRecord
from grid.database.live_samples import LevelExtent, Sample
from grid.database.uow import UnitOfWork
from grid.services.live.queries import read_joined

EVENTS_AT_ONCE: Final = 100  # of one run
MOST_SAMPLES: Final = 600  # of what a reader missed: ten minutes at one a second


@dataclass(frozen=True)
class RunNews:
    """State of a run, and its events behind a place.

    Args:
        run: None where the run is gone.
        events: In the order of their numbers.
        has_more: Whether there are more events.
    """

    run: LiveRunRecord | None
    events: tuple[LiveEventRecord, ...] = ()
    has_more: bool = False

    @property
    def is_final(self) -> bool:
        """True where nothing will follow."""
        return self.run is None or (self.run.state.is_terminal and not self.has_more)


@dataclass(frozen=True)
class RecentSamples:
    """Samples behind a tick, of the finest level that has few enough, and of others where it has none.

    Args:
        samples: In the order of their ticks.
        has_gap: Whether ticks before the first of them are not covered any more.
    """

    samples: tuple[Sample, ...]
    has_gap: bool


def read_news(
    uow: UnitOfWork, cursors: Mapping[UUID, int | None], *, limit: int = EVENTS_AT_ONCE
) -> dict[UUID, RunNews]:
    """Read what is new of several runs, in one snapshot.

    Args:
        uow: Opens the transaction.
        cursors: Number of the last known event of each run; None where only the state is wanted.
        limit: Most events of a run.
    """
    news = {}
    with uow.read() as tx:
        for run_id, cursor in cursors.items():
            run = tx.live_runs.find(run_id)
            events: list[LiveEventRecord] = []
            if run is not None and cursor is not None and run.next_event - 1 > cursor:
                events = tx.live_events.read(run_id, after=cursor, limit=limit + 1)
            news[run_id] = RunNews(run, tuple(events[:limit]), len(events) > limit)
    return news


def read_recent_samples(uow: UnitOfWork, run_id: UUID, *, after: int, limit: int = MOST_SAMPLES) -> RecentSamples:
    """Read the samples that cover ticks from `after` on.

    Args:
        uow: Opens the transaction.
        run_id: Of a run that the caller may see.
        after: The tick behind the last that is known.
        limit: Most samples.
    """
    with uow.read() as tx:
        extents = tx.live_samples.extents(run_id, first_tick=after)
        if not extents:
            return RecentSamples((), has_gap=False)
        extent = _choose(extents, after, limit)
        first = max(after, (extent.last + 1 - limit) << extent.level)
        rows = read_joined(tx, run_id, extents, extent.level, first_tick=first)[-limit:]
    return RecentSamples(tuple(rows), bool(rows) and rows[0].ticks.start > after)


def _choose(extents: list[LevelExtent], after: int, limit: int) -> LevelExtent:
    """The finest level that covers all with few enough rows; else the one that reaches furthest back."""
    for extent in extents:
        if extent.rows <= limit and extent.first << extent.level <= after:
            return extent
    return min(extents, key=lambda extent: (extent.first << extent.level, extent.level))
