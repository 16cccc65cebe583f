"""Samples of live runs: metrics as a pyramid, where row `place` of level L covers 2^L ticks."""

from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKey,
    LargeBinary,
    SmallInteger,
    Table,
    bindparam,
    delete,
    func,
    literal,
    select,
    union_all,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Mapped, mapped_column

from grid.database.base import Base, Key
from grid.database.transaction import DatabaseTransaction

MOST_LEVEL: Final = 40  # 2^40 ticks: more than a run may have
MOST_BYTES: Final = 2048  # of a row; 22 metrics of four doubles are 704


class LiveSample(Base):
    """One row: of each metric the least, the largest, the mean and the last value over the ticks that it covers."""

    __tablename__ = "live_samples"
    __table_args__ = (
        CheckConstraint(f"level BETWEEN 0 AND {MOST_LEVEL} AND place >= 0", name="numbers_sane"),
        CheckConstraint(f"length(metrics) BETWEEN 32 AND {MOST_BYTES}", name="metrics_within_cap"),
    )

    run_id: Mapped[UUID] = mapped_column(Key(), ForeignKey("live_runs.id", ondelete="CASCADE"), primary_key=True)
    level: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    place: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    metrics: Mapped[bytes] = mapped_column(LargeBinary)  # little-endian doubles; NaN where a metric has no value


live_samples: Table = LiveSample.__table__  # type: ignore[assignment]


class Sample(NamedTuple):
    """One row of a run."""

    level: int
    place: int
    metrics: bytes

    @property
    def ticks(self) -> range:
        """Ticks that it covers."""
        return range(self.place << self.level, (self.place + 1) << self.level)


class LevelExtent(NamedTuple):
    """First and last place of a level, and its number of rows."""

    level: int
    first: int
    last: int
    rows: int


_sample = live_samples.c


def _upsert(insert: Any) -> Any:
    statement = insert(live_samples)
    return statement.on_conflict_do_update(
        index_elements=["run_id", "level", "place"], set_={"metrics": statement.excluded.metrics}
    )


_PUT: Final = {"sqlite": _upsert(sqlite.insert), "postgresql": _upsert(postgresql.insert)}


def _last_places() -> Any:
    """Select the last place of every level there may be: a look at the key for each, however many rows there are."""
    last = func.max(_sample.place)
    levels = (
        select(literal(level), select(last).where(_sample.run_id == bindparam("of_run"), _sample.level == level)
               .scalar_subquery())
        for level in range(MOST_LEVEL + 1)
    )  # fmt: skip
    return union_all(*levels)


_LAST_PLACES: Final = _last_places()


class LiveSampleRepository:
    """Writes and reads samples. A row that is there already is written anew: ticks may be computed again."""

    def __init__(self, tx: DatabaseTransaction) -> None:
        self._tx = tx

    def put(self, run_id: UUID, samples: Sequence[Sample]) -> None:
        """Write rows."""
        rows = [{"run_id": run_id, **sample._asdict()} for sample in samples]
        if rows:
            self._tx.connection.execute(_PUT[self._tx.kind], rows)

    def find(self, run_id: UUID, level: int, places: Iterable[int]) -> list[Sample]:
        """Read rows of a level by their places; those that are not there are left out."""
        query = select(_sample.level, _sample.place, _sample.metrics).where(
            _sample.run_id == run_id, _sample.level == level, _sample.place.in_(list(places))
        )
        return [Sample(*row) for row in self._tx.connection.execute(query.order_by(_sample.place))]

    def newest(self, run_id: UUID) -> Sample | None:
        """Read the row that ends last, the finest of those; None where there is none."""
        rows = self._tx.connection.execute(_LAST_PLACES, {"of_run": run_id})
        ends = [((place + 1) << level, -level, place) for level, place in rows if place is not None]
        if not ends:
            return None
        _, level, place = max(ends)
        return next(iter(self.find(run_id, -level, [place])), None)

    def extents(self, run_id: UUID, *, first_tick: int = 0, last_tick: int | None = None) -> list[LevelExtent]:
        """Return the levels that have rows within a span of ticks, the finest first."""
        found = []
        for level in self._levels(run_id):
            query = select(func.min(_sample.place), func.max(_sample.place), func.count()).where(
                *self._within(run_id, level, first_tick, last_tick)
            )
            row = self._tx.connection.execute(query).one()
            if row[2]:
                found.append(LevelExtent(level, *row))
        return found

    def read(
        self, run_id: UUID, level: int, *, first_tick: int = 0, last_tick: int | None = None, limit: int = 10_000
    ) -> list[Sample]:
        """Read the rows of a level that cover ticks of a span, in order."""
        query = select(_sample.level, _sample.place, _sample.metrics).where(
            *self._within(run_id, level, first_tick, last_tick)
        )
        return [Sample(*row) for row in self._tx.connection.execute(query.order_by(_sample.place).limit(limit))]

    def prune(self, run_id: UUID, *, keep: int) -> int:
        """Remove all but the newest `keep` places of each level, and nothing of the coarsest; return how many rows."""
        removed = 0
        for extent in self.extents(run_id)[:-1]:
            if extent.first <= extent.last - keep:
                gone = delete(live_samples).where(
                    _sample.run_id == run_id, _sample.level == extent.level, _sample.place <= extent.last - keep
                )
                removed += self._tx.connection.execute(gone).rowcount
        return removed

    def _levels(self, run_id: UUID) -> list[int]:
        query = select(_sample.level).where(_sample.run_id == run_id).distinct().order_by(_sample.level)
        return list(self._tx.connection.execute(query).scalars())

    @staticmethod
    def _within(run_id: UUID, level: int, first_tick: int, last_tick: int | None) -> list[Any]:
        conditions: list[Any] = [
            _sample.run_id == run_id, _sample.level == level, _sample.place >= first_tick >> level
        ]  # fmt: skip
        return conditions if last_tick is None else [*conditions, _sample.place <= last_tick >> level]
