"""Sweeps of an owner: their counts, the table of their points, and cancelling what is left of one."""

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from grid.core.errors import NotFoundError
from grid.database import job_queries
from grid.database.job_queries import Count
from grid.database.jobs import JobRecord
from grid.database.sweeps import SweepFilter, SweepRecord
from grid.database.uow import Transaction, UnitOfWork
from grid.database.windows import Window
from grid.schemas.jobs import TERMINAL, JobStatus, Reason
from grid.schemas.paths import flatten
from grid.services import ledger
from grid.services.jobs import Page
from grid.services.ports import Doorbell

CSV_PAGE = 1000  # rows of one query
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


@dataclass(frozen=True)
class SweepState:
    """A sweep and the states of its points."""

    record: SweepRecord
    by_state: Mapping[JobStatus, int]

    @property
    def ended(self) -> int:
        """Number of points in a final state."""
        return sum(self.by_state.get(state, 0) for state in TERMINAL)


def get_sweep(uow: UnitOfWork, *, owner_id: UUID | None, sweep_id: UUID) -> SweepState:
    """Read one sweep.

    Raises:
        NotFoundError: There is no such sweep for this owner.
    """
    with uow.read() as tx:
        return _states(tx, [_require_sweep(tx, owner_id, sweep_id)])[0]


def describe_sweeps(tx: Transaction, records: Sequence[SweepRecord]) -> list[SweepState]:
    """Return the states of sweeps that were read in a transaction."""
    return _states(tx, records)


def list_sweeps(uow: UnitOfWork, wanted: SweepFilter, window: Window[UUID]) -> Page[SweepState]:
    """Read a part of the list of sweeps, newest first."""
    with uow.read() as tx:
        records, following, total = tx.sweeps.read_window(wanted, window)
        return Page(_states(tx, records), window, Count(total, True), following)


def read_table(
    uow: UnitOfWork, *, owner_id: UUID | None, sweep_id: UUID, window: Window[int], states: Sequence[JobStatus] = ()
) -> tuple[SweepState, Page[JobRecord]]:
    """Read a sweep with a part of its points, in the order in which they were sent; a point's place is its cursor.

    `states` leaves out points in other states; the window is then one by cursor, since pages are places of the sweep.

    Raises:
        NotFoundError: There is no such sweep for this owner.
    """
    with uow.read() as tx:
        record = _require_sweep(tx, owner_id, sweep_id)
        points, following = _read_points(tx, record, window, states)
        return _states(tx, [record])[0], Page(points, window, Count(record.total, True), following)


def _read_points(
    tx: Transaction, record: SweepRecord, window: Window[int], states: Sequence[JobStatus]
) -> tuple[list[JobRecord], int | None]:
    if window.page is None:
        after = window.after if window.after is not None else -1
        points, last = window.split(tx.jobs.points(record.id, after=after, limit=window.size + 1, states=states))
        return points, last.sweep_index if last is not None else None
    end = window.page * window.size  # of places: removed points leave gaps
    points = tx.jobs.points(record.id, after=end - window.size - 1, limit=window.size)
    return [point for point in points if (point.sweep_index or 0) < end], end - 1 if end < record.total else None


def cancel_sweep(
    uow: UnitOfWork, doorbell: Doorbell, *, actor_id: UUID, owner_id: UUID | None, sweep_id: UUID
) -> SweepState:
    """Cancel every point that has not ended; harmless when repeated.

    Raises:
        NotFoundError: There is no such sweep for this owner.
    """
    with uow.read() as tx:
        _require_sweep(tx, owner_id, sweep_id)
    ledger.cancel_sweep(uow, owner_id=owner_id, sweep_id=sweep_id, by=Reason.CANCELLED_BY_SWEEP, actor_id=actor_id)
    doorbell.ring("work")
    return get_sweep(uow, owner_id=owner_id, sweep_id=sweep_id)


def stream_csv(uow: UnitOfWork, *, owner_id: UUID | None, sweep_id: UUID) -> Iterator[str]:
    """Yield the whole table as CSV, page by page: place, id, state, reason, then parameters and metrics.

    The columns are those of the first page and of the simulation's parameters; a text that a spreadsheet would take
    for a formula is quoted.

    Raises:
        NotFoundError: There is no such sweep for this owner; raised at the first step.
    """
    columns: tuple[list[str], list[str]] | None = None
    after = -1
    while True:
        with uow.read() as tx:
            _require_sweep(tx, owner_id, sweep_id)
            points = tx.jobs.points(sweep_id, after=after, limit=CSV_PAGE)
            if columns is None:
                columns = _columns(points, _any_metrics(tx, sweep_id, points))
                yield _line(["index", "job_id", "status", "reason", *columns[0], *columns[1]])
        if not points:
            return
        yield "".join(_line(_cells(point, *columns)) for point in points)
        after = points[-1].sweep_index or 0


def safe_cell(value: object) -> object:
    """Return a cell that no spreadsheet takes for a formula: such text gets an apostrophe, numbers stay."""
    if isinstance(value, str) and value.startswith(_FORMULA):
        return f"'{value}"
    if isinstance(value, list | dict):
        return json.dumps(value)
    return "" if value is None else value


def _require_sweep(tx: Transaction, owner_id: UUID | None, sweep_id: UUID) -> SweepRecord:
    record = tx.sweeps.find(sweep_id, owner_id)
    if record is None:
        raise NotFoundError("sweep")
    return record


def _states(tx: Transaction, records: Sequence[SweepRecord]) -> list[SweepState]:
    unfinished = [record.id for record in records if record.finished_at is None]
    open_points = job_queries.count_open_points(tx, unfinished) if unfinished else {}
    return [
        SweepState(
            record, {**{state: getattr(record, state.value) for state in TERMINAL}, **open_points.get(record.id, {})}
        )
        for record in records
    ]


def _any_metrics(tx: Transaction, sweep_id: UUID, points: Sequence[JobRecord]) -> list[str]:
    """Name the metrics: those of the first page, else those of the first point that has some."""
    names: dict[str, None] = {}
    for point in points:
        names.update(dict.fromkeys((point.result_manifest or {}).get("metrics", {})))
    return list(names) or job_queries.find_metric_names(tx, sweep_id)


def _columns(points: Iterable[JobRecord], metrics: list[str]) -> tuple[list[str], list[str]]:
    names: dict[str, None] = {}
    for point in points:
        names.update(dict.fromkeys(name for name, _ in flatten(point.params)))
    return list(names), metrics


def _cells(point: JobRecord, params: Sequence[str], metrics: Sequence[str]) -> list[object]:
    values, own = (point.result_manifest or {}).get("metrics", {}), dict(flatten(point.params))
    place = [point.sweep_index, point.id, point.state.value, point.reason.value if point.reason else None]
    return [*place, *(own.get(name) for name in params), *(values.get(name) for name in metrics)]


def _line(cells: Iterable[object]) -> str:
    buffer = io.StringIO()
    csv.writer(buffer).writerow([safe_cell(cell) for cell in cells])
    return buffer.getvalue()
