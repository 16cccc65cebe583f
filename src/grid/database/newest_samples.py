"""The newest sample of a live run, at the finest level that is written at present."""

from uuid import UUID

from sqlalchemy import func, select

from grid.database.live_samples import Sample, live_samples
from grid.database.transaction import DatabaseTransaction

_sample = live_samples.c


def find_newest_sample(tx: DatabaseTransaction, run_id: UUID) -> Sample | None:
    """Read the sample that reaches furthest, of several the one over the fewest ticks; None before the first."""
    query = select(_sample.level, func.max(_sample.place)).where(_sample.run_id == run_id).group_by(_sample.level)
    ends = [(((place + 1) << level), -level, place) for level, place in tx.connection.execute(query)]
    if not ends:
        return None
    _, level, place = max(ends)
    row = select(_sample.level, _sample.place, _sample.metrics).where(
        _sample.run_id == run_id, _sample.level == -level, _sample.place == place
    )
    return Sample(*tx.connection.execute(row).one())
