"""The SQL of the transitions: one guarded statement each, built once for a database and compiled once.

A guard is in the statement itself: the epoch of the claim, and the states that it may leave.
"""

from typing import Any

from sqlalchemy import (
    BindParameter,
    Boolean,
    ColumnElement,
    Float,
    Insert,
    Integer,
    Select,
    Text,
    Update,
    Uuid,
    and_,
    bindparam,
    case,
    func,
    insert,
    null,
    or_,
    select,
    true,
    type_coerce,
    union_all,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY

from grid.database.attempts import job_attempts
from grid.database.base import DatabaseKind, Json, Key, UTCDateTime
from grid.database.bulk_rows import BulkRows, seconds_after
from grid.database.jobs import is_active, is_leased, is_queued, jobs
from grid.database.prepared import prepared, prepared_with_rows
from grid.database.queues import owner_queues
from grid.database.sweeps import sweeps
from grid.database.transition_rows import ClaimedJob, JobChange, LeasedRow, QueueHead
from grid.schemas.jobs import JobStatus, Reason, Share

DEADLINE_WALLS = 4  # the whole time of a job, retries included, in wall limits
OWNERS_TRIED = 8  # owners looked at in one claim: whoever is locked by another worker is passed over
SHORT_WORK_S = 5.0  # estimated; a job of no more may take the slot that long ones cannot

NOW: ColumnElement[Any] = bindparam("now", type_=UTCDateTime())
EMPTY_LEASE: dict[str, Any] = {
    "lease_owner": null(),
    "lease_until": null(),
    "heartbeat_at": null(),
    "batch_id": null(),
}
CHANGE = tuple(jobs.c[name] for name in JobChange._fields)
HEAD = tuple(jobs.c[name] for name in QueueHead._fields)
CLAIMED = tuple(jobs.c[name] for name in ClaimedJob._fields)

SLOTS = tuple(f"of_slot_{place}" for place in range(4))  # parameters: as many as there are kinds of slot
_slots: list[BindParameter[Any]] = [bindparam(name, type_=jobs.c.slot.type) for name in SLOTS]
_runnable = and_(is_queued, jobs.c.available_at <= NOW, jobs.c.expires_at > NOW, jobs.c.slot.in_(_slots))
_below_limit = or_(owner_queues.c.active_limit.is_(None), owner_queues.c.active < owner_queues.c.active_limit)


def _in_share(share: Share) -> ColumnElement[bool]:
    """Return which jobs a claim may take; a program whose work nobody estimated is not short."""
    if share == "short":
        is_estimated = or_(jobs.c.work_s > 0, and_(jobs.c.slot != "program", jobs.c.slot != "docker"))
        return and_(jobs.c.work_s <= SHORT_WORK_S, is_estimated)
    return true()


@prepared
def owners_in_turn(share: Share) -> Select[Any]:
    """Return the owners with runnable jobs in a share, the longest since their last claim first."""
    # The first in order, not merely any: so the planner takes the small index of queued jobs, not the one of all jobs.
    first = (
        select(jobs.c.id)
        .where(jobs.c.owner_id == owner_queues.c.owner_id, _runnable, _in_share(share))
        .order_by(jobs.c.priority, jobs.c.available_at, jobs.c.id)
        .limit(1)
        .scalar_subquery()
    )
    holds_none = owner_queues.c.active == 0
    return (
        select(owner_queues.c.owner_id)
        .where(owner_queues.c.queued > 0, _below_limit, holds_none if share == "guest" else true())
        .where(first.is_not(None))
        .order_by(owner_queues.c.last_claimed_at.nulls_first(), owner_queues.c.owner_id)
        .limit(OWNERS_TRIED)
    )


@prepared
def head_of(share: Share) -> Select[Any]:
    """Return the first runnable job of an owner, locked; jobs that another worker has locked are passed over."""
    return (
        select(*HEAD)
        .where(jobs.c.owner_id == bindparam("of_owner_id"), _runnable, _in_share(share))
        .order_by(jobs.c.priority, jobs.c.available_at, jobs.c.id)
        .limit(1)
        .with_for_update(skip_locked=True)
    )


@prepared
def head_by_id() -> Select[Any]:
    """Return one job where it is runnable and its owner below the limit, locked."""
    allowed = select(1).where(owner_queues.c.owner_id == jobs.c.owner_id, _below_limit).exists()
    return (
        select(*HEAD)
        .where(jobs.c.id == bindparam("of_id"), _runnable, allowed)
        .with_for_update(skip_locked=True, of=jobs)
    )


@prepared
def claim(kind: DatabaseKind, alone: bool, no_sweep: bool) -> Update:
    """Queued becomes starting: the head of the queue and, unless it goes `alone`, jobs of its shape."""
    head: Select[Any] = select(bindparam("head_id", type_=Key()).label("id"))
    chosen = (head if alone else union_all(head, _fitting(no_sweep))).cte("chosen")
    deadline = func.coalesce(jobs.c.deadline_at, seconds_after(kind, NOW, jobs.c.wall_limit_s * DEADLINE_WALLS))
    return (
        update(jobs)
        .where(jobs.c.id == chosen.c.id, is_queued)
        .values(
            state=JobStatus.STARTING,
            version=jobs.c.version + 1,
            epoch=jobs.c.epoch + 1,
            batch_id=bindparam("new_batch_id"),
            lease_owner=bindparam("worker_id"),
            lease_until=bindparam("new_lease_until", type_=UTCDateTime()),
            heartbeat_at=NOW,
            deadline_at=deadline,
            expires_at=deadline,
            message=null(),
        )
        .returning(*CLAIMED)
    )


def _fitting(no_sweep: bool) -> Select[Any]:
    """Select further jobs of the head's shape, in the order of the queue, while their work fills what is left."""
    same_sweep = jobs.c.sweep_id.is_(None) if no_sweep else jobs.c.sweep_id == bindparam("of_sweep_id")
    order = (jobs.c.priority, jobs.c.available_at, jobs.c.id)
    fitting = (
        select(*order, jobs.c.work_s)
        .where(
            is_queued,
            jobs.c.owner_id == bindparam("of_owner_id"),
            jobs.c.batch_key == bindparam("of_batch_key"),
            jobs.c.available_at <= NOW,
            jobs.c.expires_at > NOW,
            same_sweep,
            jobs.c.simulation == bindparam("of_simulation"),
            jobs.c.slot == bindparam("of_slot"),
            jobs.c.worker_losses == 0,
            jobs.c.id != bindparam("head_id", type_=Key()),
        )
        .order_by(*order)
        .limit(bindparam("others"))
        .with_for_update(skip_locked=True)
        .cte("fitting")
    )
    rank = (fitting.c.priority, fitting.c.available_at, fitting.c.id)
    before = (func.sum(fitting.c.work_s).over(order_by=rank, rows=(None, 0)) - fitting.c.work_s).label("before")
    ranked = select(fitting.c.id, before).subquery("ranked")
    return select(ranked.c.id).where(ranked.c.before < bindparam("work_left_s"))


def _claims(kind: DatabaseKind, **further: Any) -> BulkRows:
    return BulkRows(kind, id=Uuid(), epoch=Integer(), **further)


def _is_claim(bulk: BulkRows) -> ColumnElement[bool]:
    return and_(jobs.c.id == bulk.c.id, jobs.c.epoch == bulk.c.epoch)


@prepared_with_rows
def open_attempts(kind: DatabaseKind) -> tuple[Insert, BulkRows]:
    """Insert a row for each new claim."""
    bulk = _claims(kind)
    values = select(
        bulk.c.id,
        bulk.c.epoch,
        bindparam("worker", type_=Text()),
        bindparam("host", type_=Text()),
        bindparam("batch", type_=Uuid()),
        NOW,
    )
    names = ["job_id", "epoch", "owner", "host", "batch_id", "started_at"]
    return insert(job_attempts).from_select(names, values), bulk


@prepared
def lock() -> Select[Any]:
    """Lock rows in the order of their ids, so that two transactions never wait in a circle (PostgreSQL)."""
    wanted = bindparam("ids", type_=ARRAY(Uuid()))
    held = select(jobs.c.id).where(jobs.c.id == func.any(wanted)).order_by(jobs.c.id).with_for_update().cte("held")
    return select(func.count()).select_from(held)


@prepared
def lock_queues() -> Select[Any]:
    """Lock the counters of the owners of points of sweeps, in the order of their ids (PostgreSQL)."""
    wanted = bindparam("ids", type_=ARRAY(Uuid()))
    owners = select(jobs.c.owner_id).where(jobs.c.id == func.any(wanted), jobs.c.sweep_id.is_not(None))
    queue = owner_queues.c
    held = select(queue.owner_id).where(queue.owner_id.in_(owners)).order_by(queue.owner_id)
    return select(func.count()).select_from(held.with_for_update().cte("held"))


@prepared
def lock_sweep() -> Select[Any]:
    """Lock the points of a sweep that wait or run, in the order of their ids (PostgreSQL)."""
    waiting = or_(is_queued, is_active)
    found = select(jobs.c.id).where(jobs.c.sweep_id == bindparam("of_sweep_id"), waiting)
    return select(func.count()).select_from(found.order_by(jobs.c.id).with_for_update().cte("held"))


@prepared_with_rows
def begin(kind: DatabaseKind) -> tuple[Update, BulkRows]:
    """Starting becomes running, from the time of the row on."""
    bulk = _claims(kind, started_at=UTCDateTime())
    statement = (
        update(jobs)
        .where(_is_claim(bulk), jobs.c.state == JobStatus.STARTING)
        .values(
            state=JobStatus.RUNNING,
            version=jobs.c.version + 1,
            started_at=func.coalesce(jobs.c.started_at, bulk.c.started_at),
        )
        .returning(*CHANGE)
    )
    return statement, bulk


@prepared_with_rows
def renew(kind: DatabaseKind) -> tuple[Update, BulkRows]:
    """Prolong the leases that a worker still holds."""
    bulk = _claims(kind)
    statement = (
        update(jobs)
        .where(_is_claim(bulk), is_leased, jobs.c.lease_owner == bindparam("worker"))
        .values(lease_until=bindparam("new_lease_until", type_=UTCDateTime()), heartbeat_at=NOW)
        .returning(jobs.c.id, jobs.c.epoch, jobs.c.state, jobs.c.deadline_at)
    )
    return statement, bulk


@prepared_with_rows
def progress(kind: DatabaseKind) -> tuple[Update, BulkRows]:
    """Raise the fraction done of running jobs; a lower one changes nothing."""
    bulk = _claims(kind, fraction=Float())
    statement = (
        update(jobs)
        .where(_is_claim(bulk), jobs.c.state == JobStatus.RUNNING, bulk.c.fraction > jobs.c.progress)
        .values(progress=bulk.c.fraction, version=jobs.c.version + 1)
        .returning(*CHANGE)
    )
    return statement, bulk


_HELD = (
    *(jobs.c[name] for name in LeasedRow._fields[:-1]),
    type_coerce(sweeps.c.cancel_requested_at.is_not(None), Boolean()).label("sweep_cancelled"),
)
_with_sweep = jobs.outerjoin(sweeps, sweeps.c.id == jobs.c.sweep_id)


@prepared_with_rows
def hold(kind: DatabaseKind) -> tuple[Select[Any], BulkRows]:
    """Return claimed jobs as a decision about them needs them, locked; claims that hold no longer are left out."""
    bulk = _claims(kind)
    source = bulk.rows.join(jobs, _is_claim(bulk)).outerjoin(sweeps, sweeps.c.id == jobs.c.sweep_id)
    statement = select(*_HELD).select_from(source).where(is_leased)
    return statement.order_by(jobs.c.id).with_for_update(of=jobs), bulk


@prepared
def lapsed() -> Select[Any]:
    """Return claimed jobs whose lease or deadline is past, or that stay in cancelling too long, locked."""
    overdue = and_(is_active, jobs.c.deadline_at <= NOW)
    stuck = and_(jobs.c.state == JobStatus.CANCELLING, jobs.c.cancel_requested_at < bindparam("cancel_since"))
    return (
        select(*_HELD)
        .select_from(_with_sweep)
        .where(is_leased, or_(jobs.c.lease_until < NOW, overdue, stuck))
        .order_by(jobs.c.lease_until, jobs.c.id)
        .limit(bindparam("limit"))
        .with_for_update(of=jobs, skip_locked=True)
    )


@prepared_with_rows
def finish(kind: DatabaseKind) -> tuple[Update, BulkRows]:
    """Give claimed jobs the terminal state of their row, and close the lease.

    A job in cancelling becomes cancelled, with the reason that its cancel gave, whatever the row says. Else running
    takes any state but cancelled; starting takes failed and timed out, and any of them where the run had `begun`: then
    it begins and ends in this statement, which counts two versions. A result is kept of success alone.
    """
    bulk = _claims(
        kind,
        state=Text(),
        reason=Text(),
        message=Text(),
        manifest=Text(),
        attempts=Integer(),
        losses=Integer(),
        begun=Integer(),
        started_at=UTCDateTime(),
    )
    cancelling = jobs.c.state == JobStatus.CANCELLING
    begins = and_(jobs.c.state == JobStatus.STARTING, bulk.c.begun == 1)
    fails = or_(bulk.c.state == JobStatus.FAILED.value, bulk.c.state == JobStatus.TIMED_OUT.value)
    won = and_(~cancelling, bulk.c.state == JobStatus.SUCCESS.value)
    allowed = or_(
        cancelling,
        and_(or_(jobs.c.state == JobStatus.RUNNING, begins), bulk.c.state != JobStatus.CANCELLED.value),
        and_(jobs.c.state == JobStatus.STARTING, fails),
    )
    manifest = bulk.c.manifest if kind == "sqlite" else bulk.c.manifest.cast(Json)
    statement = (
        update(jobs)
        .where(_is_claim(bulk), is_leased, allowed)
        .values(
            state=case((cancelling, JobStatus.CANCELLED.value), else_=bulk.c.state),
            reason=case((cancelling, jobs.c.reason), else_=bulk.c.reason),
            message=case((cancelling, null()), else_=bulk.c.message),
            result_manifest=case((won, manifest), else_=null()),
            winning_epoch=case((won, jobs.c.epoch), else_=null()),
            progress=case((won, 1.0), else_=jobs.c.progress),
            attempts_used=jobs.c.attempts_used + case((cancelling, 0), else_=bulk.c.attempts),
            worker_losses=jobs.c.worker_losses + case((cancelling, 0), else_=bulk.c.losses),
            started_at=case((begins, func.coalesce(jobs.c.started_at, bulk.c.started_at)), else_=jobs.c.started_at),
            finished_at=NOW,
            version=jobs.c.version + case((begins, 2), else_=1),  # two transitions in one statement
            **EMPTY_LEASE,
        )
        .returning(*CHANGE)
    )
    return statement, bulk


@prepared_with_rows
def requeue(kind: DatabaseKind) -> tuple[Update, BulkRows]:
    """Starting or running becomes queued, and the lease is given up."""
    bulk = _claims(
        kind, available_at=UTCDateTime(), message=Text(), attempts=Integer(), losses=Integer(), infra=Integer()
    )
    statement = (
        update(jobs)
        .where(_is_claim(bulk), is_active)
        .values(
            state=JobStatus.QUEUED,
            available_at=bulk.c.available_at,
            message=bulk.c.message,
            progress=0.0,
            attempts_used=jobs.c.attempts_used + bulk.c.attempts,
            worker_losses=jobs.c.worker_losses + bulk.c.losses,
            infra_failures=jobs.c.infra_failures + bulk.c.infra,
            version=jobs.c.version + 1,
            **EMPTY_LEASE,
        )
        .returning(*CHANGE)
    )
    return statement, bulk


@prepared_with_rows
def begin_cancel(kind: DatabaseKind) -> tuple[Update, BulkRows]:
    """Starting or running becomes cancelling."""
    bulk = _claims(kind)
    statement = (
        update(jobs)
        .where(_is_claim(bulk), is_active)
        .values(
            state=JobStatus.CANCELLING,
            reason=bindparam("by", type_=jobs.c.reason.type),
            cancel_requested_at=NOW,
            version=jobs.c.version + 1,
        )
        .returning(*CHANGE)
    )
    return statement, bulk


@prepared_with_rows
def close_attempts(kind: DatabaseKind) -> tuple[Update, BulkRows]:
    """End the open rows of claims, each with its outcome."""
    bulk = _claims(kind, outcome=Text(), exit_code=Integer(), oom=Boolean(), usage=Text())
    usage = bulk.c.usage if kind == "sqlite" else bulk.c.usage.cast(Json)
    statement = (
        update(job_attempts)
        .where(
            job_attempts.c.job_id == bulk.c.id,
            job_attempts.c.epoch == bulk.c.epoch,
            job_attempts.c.ended_at.is_(None),
        )
        .values(ended_at=NOW, outcome=bulk.c.outcome, exit_code=bulk.c.exit_code, oom=bulk.c.oom, usage=usage)
    )
    return statement, bulk


def _cancelled_by_state() -> Update:
    """Queued becomes cancelled at once, held becomes cancelling: its worker hears of it with the next heartbeat."""
    by = bindparam("by", type_=jobs.c.reason.type)
    queued = jobs.c.state == JobStatus.QUEUED
    return (
        update(jobs)
        .where(or_(is_queued, is_active))
        .values(
            state=case((queued, JobStatus.CANCELLED.value), else_=JobStatus.CANCELLING.value),
            reason=by,
            message=null(),
            cancel_requested_at=NOW,
            finished_at=case((queued, NOW), else_=null()),
            version=jobs.c.version + 1,
        )
        .returning(*CHANGE)
    )


@prepared
def cancel() -> Update:
    """Cancel one job by its state."""
    return _cancelled_by_state().where(jobs.c.id == bindparam("of_id"))


@prepared
def cancel_sweep() -> Update:
    """Cancel the points of a sweep, each by its state."""
    return _cancelled_by_state().where(jobs.c.sweep_id == bindparam("of_sweep_id"))


@prepared
def expire() -> Update:
    """Queued becomes expired where nobody claimed the job in time, timed out where it had been claimed before."""
    late = (
        select(jobs.c.id)
        .where(is_queued, jobs.c.expires_at <= NOW)
        .order_by(jobs.c.expires_at, jobs.c.id)
        .limit(bindparam("limit"))
        .with_for_update(skip_locked=True)
        .cte("late")
    )
    waited = jobs.c.deadline_at.is_(None)
    return (
        update(jobs)
        .where(jobs.c.id == late.c.id)
        .values(
            state=case((waited, JobStatus.EXPIRED.value), else_=JobStatus.TIMED_OUT.value),
            reason=case((waited, Reason.QUEUE_EXPIRED.value), else_=Reason.WALL_TIMEOUT.value),
            finished_at=NOW,
            version=jobs.c.version + 1,
        )
        .returning(*CHANGE)
    )
