"""Effects of every transition, in its transaction: exact counters, and one event for each statement."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from uuid import UUID

from grid.core.ids import new_id
from grid.database.outbox import Event
from grid.database.queues import Delta
from grid.database.transition_rows import JobChange
from grid.database.uow import Transaction
from grid.schemas.jobs import JobStatus, JsonObject

IDS_IN_EVENT = 100  # of more jobs an event only gives the counts: readers look into the table


def settle(tx: Transaction, changes: Sequence[JobChange], *, queued: int = 0, active: int = 0) -> None:
    """Count `changes` for their owners and sweeps and announce them.

    Where it changes counters of owners, the caller holds those of owners of sweeps already (`lock_queues`).

    Args:
        tx: The transaction that made the changes.
        changes: Jobs after one statement, each moved the same way.
        queued: What each move adds to its owner's count of queued jobs.
        active: What each move adds to its owner's count of jobs held by workers.
    """
    if not changes:
        return
    sweeps: defaultdict[UUID, list[JobChange]] = defaultdict(list)
    single: list[JobChange] = []
    for change in changes:
        if change.sweep_id is not None:
            sweeps[change.sweep_id].append(change)
        else:
            single.append(change)
    counts = {sweep_id: Counter(change.state for change in moved) for sweep_id, moved in sweeps.items()}
    versions = tx.sweeps.count(counts)
    events = [_of_sweep(sweep_id, versions[sweep_id], sweeps[sweep_id]) for sweep_id in sorted(sweeps)]
    events.extend(_of_jobs(single))
    tx.outbox.add(events)
    if queued or active:
        owners = Counter(change.owner_id for change in changes)
        tx.queues.change({owner: Delta(queued * count, active * count) for owner, count in owners.items()})


def _of_sweep(sweep_id: UUID, version: int, moved: Sequence[JobChange]) -> Event:
    payload = {"sweep": str(sweep_id), **_counts(moved), **_list(moved)}
    return Event(f"sweep:{sweep_id}", version, _kind("sweep", moved), payload)


def _of_jobs(moved: Sequence[JobChange]) -> list[Event]:
    if not moved:
        return []
    if len(moved) == 1:
        job = moved[0]
        return [Event(f"job:{job.id}", job.version, _kind("job", moved), _describe(job))]
    owners = sorted({str(job.owner_id) for job in moved})
    payload = {**_counts(moved), **(_list(moved) or {"owners": owners})}
    return [Event(f"batch:{new_id()}", 1, _kind("batch", moved), payload)]


def _kind(noun: str, moved: Sequence[JobChange]) -> str:
    """Return `job.success` and the like; `changed` where the jobs went different ways."""
    states = {change.state for change in moved}
    return f"{noun}.{states.pop() if len(states) == 1 else 'changed'}"


def _counts(moved: Sequence[JobChange]) -> JsonObject:
    states: Counter[JobStatus] = Counter(change.state for change in moved)
    return {"counts": {state.value: count for state, count in states.items()}}


def _list(moved: Sequence[JobChange]) -> JsonObject:
    return {"jobs": [_describe(change) for change in moved]} if len(moved) <= IDS_IN_EVENT else {}


def _describe(change: JobChange) -> JsonObject:
    return {
        "id": str(change.id),
        "version": change.version,
        "status": change.state.value,
        "reason": change.reason.value if change.reason is not None else None,
    }
