"""The ledger of live runs as a small model: its rules in plain Python, for the property test to compare."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from grid.schemas.live import RUN_LEASED, RUN_TERMINAL, RUN_TRANSITIONS, RunClaim, RunReason, RunState

S = RunState
LEASE_S, START_S, HEALTHY_S = 10.0, 360.0, 600.0


@dataclass
class ModelCommand:
    """What the ledger should hold about one command."""

    seq: int
    kind: str
    client_id: str
    tick: int | None = None
    outcome: str | None = None

    @property
    def is_physical(self) -> bool:
        return self.kind == "event"


@dataclass
class ModelRun:
    """What the ledger should hold about one run."""

    id: UUID
    owner: UUID
    wanted: str = "run"
    share: float = 0.3
    state: RunState = S.QUEUED
    version: int = 1
    epoch: int = 0
    tick: int = 0
    reason: RunReason | None = None
    losses: list[int] = field(default_factory=list)
    healthy: datetime | None = None
    lease_owner: str | None = None
    lease_until: datetime | None = None
    claimed: datetime | None = None
    available: datetime | None = None
    winner: int | None = None
    has_snapshot: bool = False
    commands: list[ModelCommand] = field(default_factory=list)
    said: dict[int, int] = field(default_factory=dict)  # an event of the engine at a tick, and its value
    events: int = 1  # of all origins


class LiveModel:
    """All runs, and every move that the ledger may make. A refused move changes nothing."""

    def __init__(self) -> None:
        self.runs: dict[UUID, ModelRun] = {}
        self.moves: Counter[tuple[RunState, RunState]] = Counter()

    def submit(self, run_id: UUID, owner: UUID, is_paused: bool, now: datetime) -> None:
        self.runs[run_id] = ModelRun(run_id, owner, "pause" if is_paused else "run", available=now)

    def claim(self, worker: str, cores: float, most: int, now: datetime) -> ModelRun | None:
        held = [run for run in self.runs.values() if run.lease_owner == worker]
        free = cores - sum(run.share for run in held if run.state is not S.PAUSED)
        if len(held) >= most:
            return None
        waiting = [
            run
            for run in self.runs.values()
            if (run.state in {S.QUEUED, S.INTERRUPTED} or (run.state is S.PARKED and run.wanted == "run"))
            and run.available <= now
            and (run.wanted == "pause" or run.share <= free)
        ]
        if not waiting:
            return None
        busy = Counter(run.owner for run in self.runs.values() if run.state in RUN_LEASED)
        run = min(waiting, key=lambda one: (busy[one.owner], one.available, one.id))
        self._go(run, S.STARTING if run.state is S.QUEUED else S.RESUMING)
        self._take(run, worker, now)
        return run

    def begin(self, claim: RunClaim, is_paused: bool, now: datetime) -> bool:
        run = self.holder(claim)
        if run is None or run.state not in {S.STARTING, S.RESUMING}:
            return False
        self._go(run, S.PAUSED if is_paused else S.RUNNING)
        run.healthy = now
        return True

    def switch(self, claim: RunClaim, before: RunState, after: RunState) -> bool:
        run = self.holder(claim)
        if run is None or run.state is not before:
            return False
        self._go(run, after)
        return True

    def park(self, claim: RunClaim, now: datetime) -> bool:
        run = self.holder(claim)
        if run is None or not self._may_park(run):
            return False
        self._go(run, S.PARKED)
        run.available = now
        return True

    def hand_back(self, claim: RunClaim, now: datetime) -> bool:
        run = self.holder(claim)
        if run is None:
            return False
        self._go(run, S.PARKED if self._may_park(run) else S.INTERRUPTED)
        run.available = now
        return True

    def restart(self, claim: RunClaim, worker: str, now: datetime) -> bool:
        run = self.holder(claim)
        if run is None or run.lease_owner != worker or not self._lose(run, now):
            return False
        self._go(run, S.INTERRUPTED)
        run.events -= 1  # one event for the way through
        self._go(run, S.RESUMING)
        self._take(run, worker, now)
        return True

    def begin_stop(self, claim: RunClaim) -> bool:
        run = self.holder(claim)
        if run is None or run.state is not S.RUNNING:
            return False
        run.wanted, run.reason = "stop", RunReason.OK
        self._go(run, S.STOPPING)
        return True

    def resume_stop(self, claim: RunClaim) -> bool:
        run = self.holder(claim)
        if run is None or run.state is not S.RESUMING or run.wanted != "stop":
            return False
        self._go(run, S.STOPPING)
        return True

    def conclude(self, claim: RunClaim, tick: int) -> bool:
        run = self.holder(claim)
        if run is None or run.state is not S.STOPPING:
            return False
        run.tick, run.winner = max(run.tick, tick), run.epoch
        self._go(run, S.STOPPED)
        return True

    def fail(self, claim: RunClaim, reason: RunReason) -> bool:
        run = self.holder(claim)
        if run is None:
            return False
        run.reason = reason
        self._go(run, S.FAILED)
        return True

    def renew(self, worker: str, claim: RunClaim, now: datetime) -> bool:
        run = self.holder(claim)
        if run is None or run.lease_owner != worker:
            return False
        run.lease_until = now + timedelta(seconds=LEASE_S)
        return True

    def look(self, claim: RunClaim, tick: int) -> bool:
        run = self.holder(claim)
        if run is None:
            return False
        run.tick = max(run.tick, tick)
        return True

    def reap(self, now: datetime) -> Counter[str]:
        ends: Counter[str] = Counter()
        for run in self.runs.values():
            if run.state not in RUN_LEASED:
                continue
            if run.lease_until < now:
                if self._lose(run, now):
                    self._go(run, S.INTERRUPTED)
                    run.available = now
                ends["poison" if run.state is S.FAILED else "interrupted"] += 1
            elif run.state is S.STARTING and run.tick == 0 and run.claimed < now - timedelta(seconds=START_S):
                run.reason = RunReason.START_TIMEOUT
                self._go(run, S.FAILED)
                ends["start_timeout"] += 1
        return ends

    def send(self, run: ModelRun, kind: str, client_id: str, by: RunReason, now: datetime) -> int | None:
        """Return the command's number, or None where the state refuses it."""
        known = next((one for one in run.commands if one.client_id == client_id), None)
        if known is not None:
            return known.seq
        if run.state in RUN_TERMINAL | {S.STOPPING} or (run.wanted == "stop" and kind != "stop"):
            return None
        command = ModelCommand(len(run.commands) + 1, kind, client_id)
        run.commands.append(command)
        if kind in {"pause", "resume"}:
            run.wanted = "pause" if kind == "pause" else "run"
            run.version += 1
        if kind == "stop":
            run.wanted, run.reason = "stop", run.reason or by
            if run.state in {S.QUEUED, S.PARKED, S.INTERRUPTED}:
                command.tick, command.outcome = run.tick, "applied"
                self._go(run, S.STOPPED)
            else:
                self._go(run, S.STOPPING)
        return command.seq

    def commit(self, claim: RunClaim, ticks: dict[int, int]) -> bool:
        run = self.holder(claim)
        if run is None:
            return False
        for seq, tick in ticks.items():
            command = run.commands[seq - 1]
            command.tick = command.tick if command.tick is not None else tick
        return True

    def record(self, claim: RunClaim, ticks: dict[int, int], settled: dict[int, int]) -> str:
        """Events of the engine by tick, and commands applied at theirs: kept, lost, or conflict."""
        run = self.holder(claim)
        if run is None:
            return "lost"
        if any(run.said.get(tick, value) != value for tick, value in ticks.items()):
            run.reason = RunReason.INFRA
            for seq, tick in settled.items():
                self._settle(run, seq, tick)
            self._go(run, S.FAILED)
            return "conflict"
        for seq, tick in settled.items():
            run.events += self._settle(run, seq, tick)
        run.events += sum(tick not in run.said for tick in ticks)
        run.said |= ticks
        return "kept"

    def holder(self, claim: RunClaim) -> ModelRun | None:
        run = self.runs[claim.run_id]
        return run if run.epoch == claim.epoch and run.state in RUN_LEASED else None

    @staticmethod
    def _settle(run: ModelRun, seq: int, tick: int) -> bool:
        command = run.commands[seq - 1]
        if command.outcome is not None:
            return False
        command.tick, command.outcome = tick, "applied"
        return True

    @staticmethod
    def _may_park(run: ModelRun) -> bool:
        return run.state is S.PAUSED and run.wanted == "pause" and run.has_snapshot

    def _take(self, run: ModelRun, worker: str, now: datetime) -> None:
        run.epoch += 1
        run.lease_owner, run.lease_until = worker, now + timedelta(seconds=LEASE_S)
        run.claimed = now

    def _lose(self, run: ModelRun, now: datetime) -> bool:
        """Count a loss; False where it was the last."""
        if run.healthy is not None and now - run.healthy >= timedelta(seconds=HEALTHY_S):
            run.losses = []
        run.losses = [*run.losses, run.tick]
        run.healthy = None
        if len(run.losses) < 3:
            return True
        run.reason = RunReason.POISON
        self._go(run, S.FAILED)
        return False

    def _go(self, run: ModelRun, state: RunState) -> None:
        assert state in RUN_TRANSITIONS[run.state], (run.state, state)
        self.moves[run.state, state] += 1
        run.state, run.version, run.events = state, run.version + 1, run.events + 1
        if state not in RUN_LEASED:
            run.lease_owner = run.lease_until = run.claimed = None
        if state in RUN_TERMINAL:
            for command in run.commands:
                if command.outcome is None:
                    command.outcome = "refused"
                    command.tick = run.tick if command.tick is None else command.tick
