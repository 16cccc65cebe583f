"""A live run carried out in this process: the loop of a child on a clock of the test, with the ledger of a worker."""

import io
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

from tests.support import live_runs as words
from tests.support.service import CountingBell

from grid.core.ids import new_id
from grid.database.live_snapshots import NewSnapshot
from grid.database.uow import UnitOfWork
from grid.engine.live.session import Session
from grid.plugins.registry import load_registry
from grid.runtime.live.loop import LiveLoop
from grid.runtime.live.messages import (
    CaughtUp,
    Committed,
    Control,
    LiveCommand,
    Looked,
    Propose,
    Proposed,
    RunEnded,
    SnapshotFile,
    Snapshotted,
    StoredFile,
)
from grid.runtime.live.planning import LivePlanner
from grid.runtime.live.snapshots import read_state
from grid.schemas.live import CommandKind, RunSpec
from grid.services import live
from grid.services.live import ClaimedRun, CommandRequest, LiveCommandService, LiveSubmissionService, Look
from grid.services.ports import ArtifactStore
from grid.tasks.live.run import list_steps, make_command, make_event, make_sample, make_settlement, make_start

PLANNER = LivePlanner(load_registry())
Step = tuple[int, CommandRequest | Callable[[], object]]


def submit(uow: UnitOfWork, owner: UUID, scenario: str, **spec: Any) -> UUID:
    """Store a run of a scenario."""
    service = LiveSubmissionService(uow, PLANNER, CountingBell(), words.WIDE)
    return service.submit(owner, RunSpec(scenario=scenario, **spec)).id


@dataclass
class Carrier:
    """One claimed run from its claim to its end.

    Args:
        uow: The ledger.
        store: Where snapshots lie.
        claimed: The run.
        until: Boundary at which it is stopped, or a little later.
        steps: Commands, and other things, each done at a boundary or a little later.
    """

    uow: UnitOfWork
    store: ArtifactStore
    claimed: ClaimedRun
    until: int
    steps: Sequence[Step] = ()
    now: float = 0.0
    is_stopped: bool = False
    inbox: deque[object] = field(default_factory=deque)

    def run(self) -> RunEnded:
        """Carry the run out; its end is in the ledger when this returns."""
        claim = self.claimed.claim
        log = live.read_resume_log(self.uow, claim, from_tick=0)
        start = make_start(self.claimed, log, live.read_waiting(self.uow, claim), "")
        saved, _ = read_state(
            self.store, [SnapshotFile(one.key, one.tick, one.sha256) for one in self.claimed.snapshots]
        )
        self._steps = deque(sorted(self.steps, key=lambda step: step[0]))
        self._sent = {command.seq for command in start.waiting}
        self.loop = LiveLoop(replace(start, saved=saved, speed=1.0), self, self.clock, Keeper(self))
        self.begun_at = self.loop.session.tick
        ended = self.loop.run()
        live.begin_stop(self.uow, claim)
        manifest = {"files": [], "field_sha256": ended.field_sha256, "tick": ended.tick}
        assert live.conclude_run(self.uow, claim, manifest, tick=ended.tick)
        return ended

    def clock(self) -> float:
        self.now += 1e-4
        return self.now

    def receive(self, timeout: float) -> object | None:
        self.now += timeout
        tick = self.loop.session.tick
        while self._steps and self._steps[0][0] <= tick and not self.inbox:
            self._do(self._steps.popleft()[1])
        if tick >= self.until and not self.inbox and not self.is_stopped:
            self.is_stopped = True
            return Control(LiveCommand(0, "stop", {}))
        return self.inbox.popleft() if self.inbox else None

    def send(self, message: object) -> None:
        claim = self.claimed.claim
        if isinstance(message, CaughtUp):
            assert live.begin_run(self.uow, claim, platform=self.loop.session.header.platform, is_paused=False)
        elif isinstance(message, Proposed):
            assert live.commit_ticks(self.uow, claim, dict(message.ticks)) is not None
            self.inbox.append(Committed(tuple(message.ticks)))
        elif isinstance(message, Looked):
            settled = [one for event in message.events if (one := make_settlement(event)) is not None]
            events = [make_event(event) for event in message.events if make_settlement(event) is None]
            live.record_events(self.uow, claim, events, settlements=settled)
            if steps := list_steps(settled):
                self.inbox.append(Committed(steps))
            rows = tuple(make_sample(row) for row in message.rows)
            live.write_looks(self.uow, [Look(claim, self.loop.session.tick, samples=rows)])

    def _do(self, action: CommandRequest | Callable[[], object]) -> None:
        if not isinstance(action, CommandRequest):
            action()
            return
        run = self.claimed.run
        service = LiveCommandService(self.uow, PLANNER, CountingBell(), words.WIDE)
        actor = None if action.kind is CommandKind.MODE else run.owner_id  # Grid alone degrades a run
        service.accept([action], actor_id=actor, owner_id=None, run_id=run.id)
        new = [one for one in live.read_waiting(self.uow, self.claimed.claim) if one.seq not in self._sent]
        self._sent |= {one.seq for one in new}
        for command in map(make_command, new):
            physical = command.kind in {"event", "end-event", "model", "rules", "mode"}
            self.inbox.append(Propose((command,), lead=2) if physical else Control(command))


@dataclass
class Keeper:
    """Stores a state where somebody asks for it."""

    carrier: Carrier

    def is_due(self, _now: float) -> bool:
        return False

    def keep(self, session: Session, _seq: int) -> None:
        claim, one = self.carrier.claimed.claim, new_id()
        key = f"live/{claim.run_id}/{claim.epoch}/{one}"
        size, sha256 = self.carrier.store.put(key, io.BytesIO(session.save()))
        applied = max((command.seq for command in session.commands), default=0)
        live.add_snapshot(self.carrier.uow, claim, NewSnapshot(one, session.tick, applied, key, size, sha256))

    def finish(self, _session: Session, *, is_result: bool) -> tuple[tuple[StoredFile, ...], Snapshotted | None]:
        return (), None
