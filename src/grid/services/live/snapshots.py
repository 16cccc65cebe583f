"""Snapshots of live runs: their rows, which of them stay, and what goes where an owner has too many bytes."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from grid.core.errors import NotFoundError
from grid.database.live_snapshots import NewSnapshot, SnapshotRecord
from grid.database.uow import Transaction, UnitOfWork
from grid.schemas.live import RunClaim
from grid.services.live.effects import make_wall_event
from grid.services.live.limits import LiveLimits

NEWEST: Final = 3  # that always stay
FIRST_AGE: Final = timedelta(minutes=1)  # end of the first span of ages, of which one stays; each later one is twice


@dataclass(frozen=True)
class StoredSnapshot:
    """The rows that are gone since a snapshot was stored: their files are the caller's to remove, after the commit."""

    removed: tuple[SnapshotRecord, ...]


def add_snapshot(
    uow: UnitOfWork, claim: RunClaim, snapshot: NewSnapshot, *, limits: LiveLimits | None = None
) -> StoredSnapshot | None:
    """Store the row of a file that is written; None where the run is another owner's: then the file is garbage.

    Rows beyond the rule of `choose_kept`, and the oldest unpinned ones of an owner with too many bytes, are removed.
    """
    with uow.begin() as tx:
        run = tx.live_runs.hold_claim(claim)
        if run is None:
            return None
        tx.live_snapshots.add(run.id, run.epoch, snapshot)
        events = []
        if snapshot.kind != "auto":
            payload = {"id": str(snapshot.id), "tick": snapshot.tick, "sha256": snapshot.sha256, "for": snapshot.kind}
            events = [make_wall_event(run, "snapshot", str(snapshot.id), payload)]
        tx.live_events.add(run.id, run.next_event, events)
        tx.live_runs.change(run, snapshot_id=snapshot.id, next_event=run.next_event + len(events))
        removed = _prune(tx, run.id, run.owner_id, (limits or LiveLimits()).snapshot_bytes)
    return StoredSnapshot(tuple(removed))


def list_snapshots(uow: UnitOfWork, *, owner_id: UUID | None, run_id: UUID) -> list[SnapshotRecord]:
    """Read the snapshots of a run, the newest first.

    Raises:
        NotFoundError: There is no such run for this owner.
    """
    with uow.read() as tx:
        if tx.live_runs.find(run_id, owner_id) is None:
            raise NotFoundError("live run")
        return tx.live_snapshots.of_run(run_id)


def pin_snapshot(
    uow: UnitOfWork, *, owner_id: UUID | None, run_id: UUID, snapshot_id: UUID, pinned: bool = True
) -> None:
    """Pin a snapshot, so that it stays until it is released, or release it.

    Raises:
        NotFoundError: There is no such run, or it has no such snapshot, for this owner.
    """
    with uow.begin() as tx:
        if tx.live_runs.find(run_id, owner_id) is None:
            raise NotFoundError("live run")
        if not tx.live_snapshots.pin(run_id, snapshot_id, pinned=pinned):
            raise NotFoundError("snapshot")


def choose_kept(snapshots: Sequence[SnapshotRecord], now: datetime) -> set[UUID]:
    """Choose the snapshots of a run that stay: the last three, one for each doubling of age, all that are pinned.

    Of the ages below a minute, from one to two, from two to four and so on the oldest stays, which is the next to enter
    the span behind.
    """
    ordered = sorted(snapshots, key=lambda one: (one.created_at, one.id))
    kept = {one.id for one in ordered[-NEWEST:]} | {one.id for one in ordered if one.pinned}
    spans: set[int] = set()
    for one in ordered:
        span = int((now - one.created_at) / FIRST_AGE).bit_length()
        if span not in spans:
            spans.add(span)
            kept.add(one.id)
    return kept


def _prune(tx: Transaction, run_id: UUID, owner_id: UUID, most_bytes: int) -> list[SnapshotRecord]:
    of_run = tx.live_snapshots.of_run(run_id)
    kept = choose_kept(of_run, tx.now())
    removed = [one for one in of_run if one.id not in kept]
    tx.live_snapshots.remove([one.id for one in removed])
    excess = tx.live_snapshots.bytes_of(owner_id) - most_bytes
    if excess > 0:
        for one in tx.live_snapshots.unpinned_of(owner_id):
            if excess <= 0:
                break
            tx.live_snapshots.remove([one.id])
            removed.append(one)
            excess -= one.bytes
    return removed
