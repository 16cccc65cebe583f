"""Branches: a run that begins where another one was, with its own log from there on.

The row of a branch carries all that its worker needs, as any run that is taken up again: a copy of a snapshot of the
parent, and copies of the parent's commands. So a branch outlives its parent, and a parent is not touched by it. What
the engine said of the parent up to there is copied as well, alerts among it, and the log of a branch is a whole one.

A snapshot holds commands that are scheduled for later ticks. Where those are not to be taken over, an earlier snapshot
is taken that does not hold them, or none: the branch is then computed from tick 0 on.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Final
from uuid import UUID

from grid.core.errors import FieldError, NotFoundError
from grid.core.ids import new_id
from grid.core.logging import get_logger
from grid.database.idempotency import StoredAnswer
from grid.database.live_events import NewLiveEvent
from grid.database.live_runs import LiveRunRecord, LiveSpec, NewLiveRun
from grid.database.live_snapshots import NewSnapshot, SnapshotRecord
from grid.database.uow import Transaction, UnitOfWork
from grid.schemas.live import RUN_TERMINAL, RunState
from grid.services import audit
from grid.services.live.commands import RunStateError
from grid.services.live.effects import make_announcement, make_state_event
from grid.services.live.limits import LiveLimits, TooManyRunsError, require_affordable
from grid.services.live.log_export import READ_AT_ONCE, find_end
from grid.services.live.rule_transitions import ALERT_EVENT, record_alert_events
from grid.services.live.submission import MOST_NAME, RETRY_AFTER_S, require_speed
from grid.services.ports import ArtifactStore, Doorbell
from grid.services.submission_store import ACCEPTED, IdempotencyKey, KeyInFlightError, KeyReusedError

log = get_logger(__name__)

ROUTE: Final = "POST /api/v1/engine/runs/branches"  # under which keys are kept
COPIED_EPOCH: Final = 1  # of the row of a copied snapshot: no owner of the branch has written it
_OPEN: Final = tuple(state for state in RunState if state not in RUN_TERMINAL)


@dataclass(frozen=True)
class BranchRequest:
    """A branch as somebody asks for it.

    Args:
        at_tick: Boundary at which it leaves its parent; None: that of the snapshot, else where the parent is.
        snapshot_id: A snapshot of the parent; its boundary is meant.
        keeps_commands: Whether the parent's commands for that boundary and later are carried out in the branch too.
        speed: Factor on the rate; None: as fast as can be.
        has_speed: Whether `speed` is given; else it is the parent's.
        is_paused: Whether it pauses there.
        name: For people.
    """

    at_tick: int | None = None
    snapshot_id: UUID | None = None
    keeps_commands: bool = True
    speed: float | None = None
    has_speed: bool = False
    is_paused: bool = False
    name: str = ""


@dataclass(frozen=True)
class _Parent:
    run: LiveRunRecord
    spec: LiveSpec
    snapshots: tuple[SnapshotRecord, ...]
    tick: int


@dataclass(frozen=True)
class LiveBranchService:
    """Branches of live runs.

    Args:
        uow: Where they are stored.
        store: Where their snapshots lie.
        doorbell: Rung for the workers after the commit.
        limits: Of runs.
    """

    uow: UnitOfWork
    store: ArtifactStore
    doorbell: Doorbell
    limits: LiveLimits = field(default_factory=LiveLimits)

    def branch(
        self, request: BranchRequest, *, actor_id: UUID, owner_id: UUID | None, run_id: UUID,
        idempotency: IdempotencyKey | None = None,
    ) -> LiveRunRecord:  # fmt: skip
        """Store a branch of a run; it can be claimed once this returns, and belongs to the owner of its parent.

        Args:
            request: What is asked for.
            actor_id: Who asks.
            owner_id: Whose run it is; None: anybody's, for an administrator who asked for all.
            run_id: The parent.
            idempotency: Of the request; the same one is answered with the branch that it made, as that is now.

        Raises:
            KeyReusedError: The key came with another request.
            KeyInFlightError: A request with the key is being answered.
            NotFoundError: There is no such run, or no such snapshot, for this owner.
            FieldError: The boundary is not one of the run, or a field is outside its limits.
            RunStateError: The run has not ticked yet.
            RunTooDearError: Its ticks cost more than there is time for at this speed.
            TooManyRunsError: The run has too many branches, its owner too many runs, or too many wait.
        """
        if len(request.name) > MOST_NAME:
            raise FieldError("name", f"must be at most {MOST_NAME} characters")
        if request.at_tick is not None and request.snapshot_id is not None:
            raise FieldError("at_tick", "must be given, or a snapshot, and not both")
        if idempotency is not None and (known := self._find_known(actor_id, idempotency)) is not None:
            return known
        parent = self._find_parent(request, owner_id, run_id)
        speed = request.speed if request.has_speed else parent.run.speed
        require_speed(speed)
        share = require_affordable(parent.run.price_s, parent.run.rate, speed, self.limits)
        new = replace(_make_run(parent, request), speed=speed, load_share=share)
        snapshot = self._copy_snapshot(parent, new.id, request)
        try:
            with self.uow.begin() as tx:
                run = self._store(tx, new, parent, snapshot, request, actor_id)
                if idempotency is not None:
                    _remember(tx, actor_id, idempotency, run)
        except BaseException:
            if snapshot is not None:
                self.store.delete(snapshot.key)
            raise
        self.doorbell.ring("live", run.id)
        return run

    def _find_known(self, actor_id: UUID, idempotency: IdempotencyKey) -> LiveRunRecord | None:
        """The branch that the same request has made before."""
        with self.uow.read() as tx:
            stored = tx.idempotency.find(actor_id, ROUTE, idempotency.key)
            if stored is None:
                return None
            if stored.fingerprint != idempotency.fingerprint:
                raise KeyReusedError
            run = tx.live_runs.find(UUID(stored.answer["run"]))
        if run is None:
            raise NotFoundError("live run")  # it was removed since
        return run

    def _find_parent(self, request: BranchRequest, owner_id: UUID | None, run_id: UUID) -> _Parent:
        with self.uow.read() as tx:
            run, spec = tx.live_runs.find(run_id, owner_id), tx.live_runs.find_spec(run_id)
            snapshots = tx.live_snapshots.of_run(run_id)
        if run is None or spec is None:
            raise NotFoundError("live run")
        end = find_end(run)
        if end == 0:
            raise RunStateError(run.state, "it has not ticked yet")
        tick = end if request.at_tick is None else request.at_tick
        if request.snapshot_id is not None:
            chosen = next((one for one in snapshots if one.id == request.snapshot_id), None)
            if chosen is None:
                raise NotFoundError("snapshot")
            tick = chosen.tick
        if not 0 <= tick <= max([end, *(one.tick for one in snapshots if one.id == request.snapshot_id)]):
            raise FieldError("at_tick", f"must be 0 to {end}, where the run is")
        return _Parent(run, spec, tuple(snapshots), tick)

    def _copy_snapshot(self, parent: _Parent, child_id: UUID, request: BranchRequest) -> NewSnapshot | None:
        """Copy the file of the newest snapshot that a branch may begin with; None: there is none that is whole."""
        for snapshot in self._list_usable(parent, request):
            copy_id = new_id()
            key = f"live/{child_id}/branch/{copy_id}"
            try:
                with self.store.open(snapshot.key) as source:
                    size, sha256 = self.store.put(key, source)
            except NotFoundError:  # removed meanwhile, as older snapshots of a running parent are
                continue
            if sha256 == snapshot.sha256:
                return NewSnapshot(copy_id, snapshot.tick, snapshot.applied_seq, key, size, sha256)
            log.warning("live.snapshot_damaged", key=snapshot.key)
            self.store.delete(key)
        return None

    def _list_usable(self, parent: _Parent, request: BranchRequest) -> Iterator[SnapshotRecord]:
        dropped: int | None = None
        if not request.keeps_commands:
            with self.uow.read() as tx:
                dropped = tx.live_branches.find_dropped(parent.run.id, parent.tick)
        for one in parent.snapshots:  # the newest first
            if one.tick <= parent.tick and (dropped is None or one.applied_seq < dropped):
                yield one

    def _store(
        self, tx: Transaction, new: NewLiveRun, parent: _Parent, snapshot: NewSnapshot | None, request: BranchRequest,
        actor_id: UUID,
    ) -> LiveRunRecord:  # fmt: skip
        tx.live_runs.lock_submissions()
        held = tx.live_runs.hold(parent.run.id)
        if held is None:
            raise NotFoundError("live run")
        self._require_room(tx, held)
        run = tx.live_runs.add(new, next_seq=held.next_seq)
        tx.live_branches.copy_commands(
            held.id, run.id, tick=parent.tick, tick_s=float(held.tick_s), has_later=request.keeps_commands
        )
        events = tx.live_branches.copy_events(held.id, run.id, tick=parent.tick)
        values: dict[str, Any] = {"tick": parent.tick, "rules_version": held.rules_version, "next_event": events + 2}
        if snapshot is not None:
            tx.live_snapshots.add(run.id, COPIED_EPOCH, snapshot)
            values["snapshot_id"] = snapshot.id
        run = tx.live_runs.change(run, **values)
        _record_alerts(tx, run)
        tx.live_events.add(run.id, events + 1, [make_state_event(run)])
        tx.outbox.add([make_announcement(run)])
        details = {"parent": str(held.id), "tick": parent.tick, "snapshot": snapshot.tick if snapshot else None}
        audit.record(tx, actor_id=actor_id, action="run.branch", subject=f"run:{run.id}", details=details)
        return run

    def _require_room(self, tx: Transaction, parent: LiveRunRecord) -> None:
        branches = tx.live_branches.count_living(parent.id)
        if branches >= self.limits.branches:
            words = f"The run has {branches} branches of {self.limits.branches}; stop one first"
            raise TooManyRunsError(words, RETRY_AFTER_S)
        own, most = tx.live_runs.count(owner_id=parent.owner_id, states=_OPEN), self.limits.runs_of_owner
        if own >= most + self.limits.branches:
            words = f"There are {own} live runs of {most} and {self.limits.branches} branches; stop one first"
            raise TooManyRunsError(words, RETRY_AFTER_S)
        waiting = tx.live_runs.count(states=(RunState.QUEUED,))
        if waiting >= self.limits.waiting_runs:
            raise TooManyRunsError(f"{waiting} live runs wait for a worker already", RETRY_AFTER_S)


def _remember(tx: Transaction, actor_id: UUID, idempotency: IdempotencyKey, run: LiveRunRecord) -> None:
    """Keep what is answered to a request."""
    stored = StoredAnswer(idempotency.fingerprint, ACCEPTED, {"run": str(run.id)})
    if not tx.idempotency.add(actor_id, ROUTE, idempotency.key, stored):
        raise KeyInFlightError


def _record_alerts(tx: Transaction, run: LiveRunRecord) -> None:
    """Store the alerts that follow from the copied events: what fires in the parent there fires in the branch."""
    after = 0
    while copied := tx.live_events.read(run.id, after=after, limit=READ_AT_ONCE, kinds=(ALERT_EVENT,)):
        told = [NewLiveEvent(one.tick, one.step, one.kind, one.payload, one.key, one.origin) for one in copied]
        record_alert_events(tx, run, told)
        after = copied[-1].n


def _make_run(parent: _Parent, request: BranchRequest) -> NewLiveRun:
    run = parent.run
    return NewLiveRun(
        id=new_id(),
        owner_id=run.owner_id,
        name=request.name or run.name,
        scenario=run.scenario,
        params=parent.spec.params,
        scene=parent.spec.scene,
        body=run.body,
        tick_s=run.tick_s,
        steps_per_tick=run.steps_per_tick,
        method=run.method,
        seed=run.seed,
        rate=run.rate,
        price_s=run.price_s,
        memory_bytes=run.memory_bytes,
        threads=run.threads,
        spec_hash=run.spec_hash,
        numerics_version=run.numerics_version,
        wanted="pause" if request.is_paused else "run",
        speed=run.speed,
        model_policy=run.model_policy,
        load_share=run.load_share,
        parent_id=run.id,
        parent_tick=parent.tick,
        overload_policy=run.overload_policy,
    )
