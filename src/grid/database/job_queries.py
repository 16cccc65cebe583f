"""Questions about many jobs at once: pages, counts that know when to stop, statistics, and news for streams."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    CompoundSelect,
    Float,
    Select,
    and_,
    case,
    delete,
    exists,
    func,
    literal,
    literal_column,
    not_,
    null,
    or_,
    select,
    tuple_,
    type_coerce,
    union_all,
)

from grid.database.base import DatabaseKind
from grid.database.filters import find_conditions
from grid.database.jobs import LEASED, QUEUED, JobRecord, is_queued, is_unsuccessful, jobs
from grid.database.logs import LogRecord, job_log_chunks
from grid.database.transaction import DatabaseTransaction
from grid.database.verdicts import find_verdict, has_verdict
from grid.database.windows import Window
from grid.schemas.jobs import LEASED as LEASED_STATES
from grid.schemas.jobs import TERMINAL, JobStatus, JobVerdict, JsonObject, Reason

JOBS_AT_ONCE: Final = 100  # of one statement; SQLite takes 500 parts
COUNT_LIMIT: Final = 100_000  # a count beyond this says "at least"
SPANS, SPAN_S = 12, 300  # in which the jobs are counted that ended within the hour
_COLUMNS = [jobs.c["metadata" if each.name == "meta" else each.name] for each in fields(JobRecord)]


@dataclass(frozen=True)
class JobFilter:
    """Conditions on jobs; one that is None or empty does not restrict.

    `search` is the beginning of an id, or the value of any label; `is_point` tells points of sweeps from other jobs.
    """

    owner_id: UUID | None = None
    statuses: Sequence[JobStatus] = ()
    reasons: Sequence[Reason] = ()
    verdicts: Sequence[JobVerdict] = ()
    simulation: str | None = None
    sweep_id: UUID | None = None
    is_point: bool | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    created_from: datetime | None = None  # this time or later
    created_to: datetime | None = None  # before this time
    search: str | None = None


@dataclass(frozen=True)
class JobSummary:
    """One row of `jobs` for a list: without parameters, result and whatever a holder writes."""

    id: UUID
    sweep_id: UUID | None
    sweep_index: int | None
    simulation: str | None
    image: str | None
    created_at: datetime
    meta: JsonObject
    state: JobStatus
    started_at: datetime | None
    finished_at: datetime | None
    progress: float
    reason: Reason | None
    message: str | None
    verdict: JobVerdict | None


_SUMMARY_COLUMNS = [jobs.c["metadata" if each.name == "meta" else each.name] for each in fields(JobSummary)[:-1]]


class PointRow(NamedTuple):
    """One point of a sweep for a table of all of them."""

    place: int
    job_id: UUID
    state: JobStatus
    reason: Reason | None
    params: JsonObject
    metrics: JsonObject


class JobMove(NamedTuple):
    """State of a job that has changed, with what its followers know it by."""

    id: UUID
    owner_id: UUID
    sweep_id: UUID | None
    sweep_index: int | None
    state: JobStatus
    reason: Reason | None
    version: int


_MOVE_COLUMNS = [jobs.c[name] for name in JobMove._fields]


class Count(NamedTuple):
    """A count, exact or at least so many."""

    number: int
    is_exact: bool


@dataclass(frozen=True)
class JobNumbers:
    """Jobs of one owner, or of all, in numbers."""

    by_status: Mapping[JobStatus, int]
    finished_last_minute: int
    finished_by_span: Sequence[int]  # of the last hour, in spans of five minutes, the oldest first
    mean_wait_s: float | None
    mean_run_s: float | None

    @property
    def finished_last_hour(self) -> int:
        """Jobs that ended within the hour."""
        return sum(self.finished_by_span)


def read_window(
    tx: DatabaseTransaction, wanted: JobFilter, window: Window[UUID]
) -> tuple[list[JobRecord], UUID | None]:
    """Read a part of the list, newest first, and the cursor behind which it goes on (None at its end)."""
    query = window.apply(select(*_COLUMNS).where(*_conditions(tx, wanted)), jobs.c.id, is_descending=True)
    items, last = window.split([JobRecord(*row) for row in tx.connection.execute(query)])
    return items, last.id if last is not None else None


def read_summaries(
    tx: DatabaseTransaction, wanted: JobFilter, window: Window[UUID]
) -> tuple[list[JobSummary], UUID | None]:
    """Read a part of the list as `read_window` does, in rows of a few columns."""
    columns = (*_SUMMARY_COLUMNS, find_verdict(tx.kind))
    query = window.apply(select(*columns).where(*_conditions(tx, wanted)), jobs.c.id, is_descending=True)
    rows = [(*row[:-1], JobVerdict(row[-1]) if row[-1] is not None else None) for row in tx.connection.execute(query)]
    items, last = window.split([JobSummary(*row) for row in rows])
    return items, last.id if last is not None else None


def read_moves(
    tx: DatabaseTransaction, job_ids: Collection[UUID], *, owners: Collection[UUID] | None, sweeps: Collection[UUID]
) -> list[JobMove]:
    """Read the states of jobs that are of some owners (None: of any), or points of some sweeps."""
    query = select(*_MOVE_COLUMNS).where(jobs.c.id.in_(list(job_ids)))
    if owners is not None:
        query = query.where(or_(jobs.c.owner_id.in_(list(owners)), jobs.c.sweep_id.in_(list(sweeps))))
    return [JobMove(*row) for row in tx.connection.execute(query)] if job_ids else []


def count(tx: DatabaseTransaction, wanted: JobFilter, *, limit: int = COUNT_LIMIT) -> Count:
    """Count jobs, and stop at `limit`."""
    found = select(jobs.c.id).where(*_conditions(tx, wanted)).limit(limit + 1).subquery()
    number = int(tx.connection.execute(select(func.count()).select_from(found)).scalar_one())
    return Count(min(number, limit), number <= limit)


def read_numbers(tx: DatabaseTransaction, owner_id: UUID | None) -> JobNumbers:
    """Count jobs by state, and those that ended lately, in one pass."""
    now = tx.now()
    minute, hour = (_ended_since(now - timedelta(seconds=seconds)) for seconds in (60, SPANS * SPAN_S))
    # the newest span is 0; a row that ended before the hour, which most are, costs one comparison
    later = [(_ended_since(now - timedelta(seconds=(index + 1) * SPAN_S)), index) for index in range(SPANS)]
    span = case((not_(hour), None), *later).label("span")
    query = select(
        jobs.c.state,
        func.count(),
        func.sum(case((minute, 1), else_=0)),
        span,
        func.sum(case((hour, _seconds(tx, jobs.c.created_at, jobs.c.started_at)))),
        func.sum(case((hour, _seconds(tx, jobs.c.started_at, jobs.c.finished_at)))),
        func.sum(case((and_(hour, jobs.c.started_at.is_not(None)), 1), else_=0)),
    ).group_by(jobs.c.state, "span")
    if owner_id is not None:
        query = query.where(jobs.c.owner_id == owner_id)
    rows = tx.connection.execute(query).all()
    started = sum(row[6] for row in rows)
    by_status: dict[JobStatus, int] = {}
    finished = [0] * SPANS
    for row in rows:
        by_status[row[0]] = by_status.get(row[0], 0) + row[1]
        if row[3] is not None:
            finished[SPANS - 1 - row[3]] += row[1]
    return JobNumbers(
        by_status=by_status,
        finished_last_minute=sum(row[2] for row in rows),
        finished_by_span=finished,
        mean_wait_s=float(sum(row[4] or 0 for row in rows)) / started if started else None,
        mean_run_s=float(sum(row[5] or 0 for row in rows)) / started if started else None,
    )


def sum_queued_work(tx: DatabaseTransaction) -> dict[UUID, float]:
    """Sum the estimated work of queued jobs, by owner [s of one core]."""
    query = select(jobs.c.owner_id, func.sum(jobs.c.work_s)).where(is_queued).group_by(jobs.c.owner_id)
    return {row[0]: float(row[1]) for row in tx.connection.execute(query)}


def count_open_points(tx: DatabaseTransaction, sweep_ids: Sequence[UUID]) -> dict[UUID, dict[JobStatus, int]]:
    """Count the points of sweeps that have not ended, by state; those that ended are counted by the sweep itself."""
    states = [state for state in JobStatus if state not in TERMINAL]
    query = (
        select(jobs.c.sweep_id, jobs.c.state, func.count())
        .where(jobs.c.sweep_id.in_(sweep_ids), jobs.c.state.in_(states))
        .group_by(jobs.c.sweep_id, jobs.c.state)
    )
    counts: dict[UUID, dict[JobStatus, int]] = {sweep_id: {} for sweep_id in sweep_ids}
    for sweep_id, state, number in tx.connection.execute(query):
        counts[sweep_id][state] = number
    return counts


def read_points(tx: DatabaseTransaction, sweep_id: UUID, *, params: bool, metrics: bool) -> list[PointRow]:
    """Read the points of a sweep by their places, in a few columns: parameters and metrics where they are wanted."""
    columns: list[ColumnElement[Any]] = [jobs.c.sweep_index, jobs.c.id, jobs.c.state, jobs.c.reason]
    columns.append(jobs.c.params if params else null())
    columns.append(jobs.c.result_manifest["metrics"] if metrics else null())
    query = select(*columns).where(jobs.c.sweep_id == sweep_id).order_by(jobs.c.sweep_index)
    return [
        PointRow(row[0], row[1], row[2], row[3], row[4] or {}, row[5] or {}) for row in tx.connection.execute(query)
    ]


def find_points(tx: DatabaseTransaction, sweep_id: UUID, places: Sequence[int]) -> list[JobRecord]:
    """Read the points of a sweep at some places, in their order; those that were removed are left out."""
    query = select(*_COLUMNS).where(jobs.c.sweep_id == sweep_id, jobs.c.sweep_index.in_(places))
    return [JobRecord(*row) for row in tx.connection.execute(query.order_by(jobs.c.sweep_index))]


def count_points(tx: DatabaseTransaction, sweep_id: UUID) -> int:
    """Count the points of a sweep that were not removed."""
    query = select(func.count()).select_from(jobs).where(jobs.c.sweep_id == sweep_id)
    return int(tx.connection.execute(query).scalar_one())


def read_chunks(tx: DatabaseTransaction, after: Mapping[UUID, tuple[int, int]], *, limit: int) -> list[LogRecord]:
    """Read log chunks of several jobs, each from behind its place (epoch, seq), in order, `limit` in all.

    One statement finds the jobs that have any, one more for each of these reads them: for a single statement with a
    place for each job, SQLite would read the whole table.
    """
    table, found = job_log_chunks.c, list[LogRecord]()
    for job_id in _with_chunks(tx, after) if len(after) > 1 else after:
        query = select(*table).where(_is_behind(job_id, after[job_id])).order_by(table.epoch, table.seq)
        found += [LogRecord(*row) for row in tx.connection.execute(query.limit(limit - len(found)))]
        if len(found) == limit:
            break
    return found


def _with_chunks(tx: DatabaseTransaction, after: Mapping[UUID, tuple[int, int]]) -> list[UUID]:
    """Return the jobs that have chunks behind their places, in order."""
    key, ids = job_log_chunks.c.job_id.type, sorted(after)
    found: list[UUID] = []
    for start in range(0, len(ids), JOBS_AT_ONCE):
        queries = [
            select(literal(job_id, key)).where(exists().where(_is_behind(job_id, after[job_id])))
            for job_id in ids[start : start + JOBS_AT_ONCE]
        ]
        found += tx.connection.execute(union_all(*queries)).scalars()
    return sorted(found)


def _is_behind(job_id: UUID, place: tuple[int, int]) -> ColumnElement[bool]:
    table = job_log_chunks.c
    return and_(table.job_id == job_id, tuple_(table.epoch, table.seq) > place)


def read_last_chunks(tx: DatabaseTransaction, job_id: UUID, *, limit: int) -> list[LogRecord]:
    """Read the last chunks of a job's log, in order."""
    table = job_log_chunks.c
    query = select(*table).where(table.job_id == job_id).order_by(table.epoch.desc(), table.seq.desc()).limit(limit)
    return [LogRecord(*row) for row in tx.connection.execute(query)][::-1]


def find_metric_names(tx: DatabaseTransaction, sweep_id: UUID) -> list[str]:
    """Name the metrics of the first successful point of a sweep; none where no point has succeeded yet."""
    query = select(jobs.c.result_manifest).where(jobs.c.sweep_id == sweep_id, jobs.c.state == JobStatus.SUCCESS)
    manifest = tx.connection.execute(query.order_by(jobs.c.sweep_index).limit(1)).scalar_one_or_none()
    return list((manifest or {}).get("metrics", {}))


def remove(tx: DatabaseTransaction, job_id: UUID) -> bool:
    """Remove a job that has ended, with its attempts, logs and renders; False where it is gone or has not ended."""
    ended = [state.value for state in TERMINAL]
    gone = delete(jobs).where(jobs.c.id == job_id, jobs.c.state.in_(ended))
    return tx.connection.execute(gone).rowcount == 1


def shares_batch(tx: DatabaseTransaction, job: JobRecord) -> bool:
    """Tell whether another job's result lies in the same pack."""
    pack = (job.result_manifest or {}).get("pack")
    if pack is None:
        return False
    key = jobs.c.result_manifest["pack"]["key"].as_string()
    neighbours = select(jobs.c.id).where(
        jobs.c.owner_id == job.owner_id, jobs.c.id != job.id, jobs.c.batch_key == job.batch_key, key == pack["key"]
    )
    return tx.connection.execute(neighbours.limit(1)).first() is not None


def _are_among(kind: DatabaseKind, states: Sequence[JobStatus]) -> list[ColumnElement[bool]]:
    """Return the conditions of these states, by an index where they are none but those that few jobs are in.

    Most jobs have succeeded: a planner that walks along all of them, newest first, reads the whole table for a list of
    those that run. It takes a partial index only for the words of the index.
    """
    conditions: list[ColumnElement[bool]] = [jobs.c.state.in_(states)]
    if frozenset(states) <= TERMINAL - {JobStatus.SUCCESS}:
        conditions.append(is_unsuccessful)
    elif _are_unended(states):
        found = _open_jobs(states)
        if kind == "postgresql" and JobStatus.QUEUED not in states:  # a few ids, read before anything else
            conditions.append(jobs.c.id == func.any(func.array(found.scalar_subquery())))
        else:
            conditions.append(jobs.c.id.in_(found))
    return conditions


def _are_unended(states: Sequence[JobStatus]) -> bool:
    return bool(states) and not TERMINAL.intersection(states)


def _open_jobs(states: Sequence[JobStatus]) -> CompoundSelect[Any] | Select[Any]:
    """Select the ids of all owners' jobs that wait, or that workers hold, as the states say: each by its index."""
    each = jobs.alias("unended")
    parts = [QUEUED] if JobStatus.QUEUED in states else []
    parts += [LEASED] if LEASED_STATES.intersection(states) else []
    selects = [select(each.c.id).where(literal_column(f"unended.{part}")) for part in parts]
    return union_all(*selects) if len(selects) > 1 else selects[0]


def _conditions(tx: DatabaseTransaction, wanted: JobFilter) -> list[ColumnElement[bool]]:
    equal: list[tuple[Any, Any]] = [(jobs.c.simulation, wanted.simulation), (jobs.c.sweep_id, wanted.sweep_id)]
    conditions = [column == value for column, value in equal if value is not None]
    if wanted.statuses:
        conditions += _are_among(tx.kind, wanted.statuses)
    if wanted.reasons:
        conditions.append(jobs.c.reason.in_(wanted.reasons))
    if wanted.verdicts:
        conditions.append(has_verdict(tx.kind, wanted.verdicts))
    if wanted.is_point is not None:
        conditions.append(jobs.c.sweep_id.is_not(None) if wanted.is_point else jobs.c.sweep_id.is_(None))
    owner_id = wanted.owner_id
    if owner_id is not None and tx.kind == "sqlite" and _are_unended(wanted.statuses):
        # Without statistics SQLite would rather walk along all jobs of the owner; the sign keeps it from their index.
        conditions.append(literal_column("+jobs.owner_id", jobs.c.owner_id.type) == owner_id)
        owner_id = None
    return conditions + find_conditions(
        tx.kind,
        jobs,
        owner_id=owner_id,
        labels=wanted.labels,
        created_from=wanted.created_from,
        created_to=wanted.created_to,
        search=wanted.search,
    )


def _ended_since(moment: datetime) -> ColumnElement[bool]:
    return and_(jobs.c.finished_at.is_not(None), jobs.c.finished_at > moment)


def _seconds(tx: DatabaseTransaction, begin: ColumnElement[Any], end: ColumnElement[Any]) -> ColumnElement[Any]:
    if tx.kind == "sqlite":
        return type_coerce(end, Float) - type_coerce(begin, Float)
    return func.extract("epoch", end - begin)
