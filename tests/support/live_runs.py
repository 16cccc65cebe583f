"""Small words for tests of live runs: a planner without numerics, runs in each state, commands and claims."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from uuid import UUID

from tests.support.service import CountingBell

from grid.core.errors import FieldError
from grid.core.ids import new_id
from grid.database.live_runs import LiveRunRecord
from grid.database.live_samples import Sample
from grid.database.live_snapshots import NewSnapshot
from grid.database.uow import UnitOfWork
from grid.schemas.live import CommandKind, PlannedRun, RunBody, RunClaim, RunReason, RunSpec, RunState
from grid.services import live
from grid.services.live import ClaimedRun, CommandRequest, LiveCommandService, LiveLimits, LiveSubmissionService
from grid.services.live.pyramid import MetricSpan, pack_spans

SPEC = RunSpec(scene={"case": {"name": "plate"}}, tick_s="0.03125", rate=30.0)
PLANNED = PlannedRun(
    scene={"case": {"name": "plate"}},
    tick_s="0.03125",
    rate=30.0,
    method="explicit",
    steps_per_tick=64,
    price_s=0.01,
    memory_bytes=10_000_000,
    cells=4096,
    body=RunBody("K", (64, 64), has_structure=False),
    spec_hash="ab" * 32,
    numerics_version="1",
)
BURST = {"kind": "burst", "position_m": [0.4, 0.5], "radius_m": 0.02, "power_w": 2e4, "duration_s": 2.0}
LEASE_S = 10.0
WIDE = LiveLimits(runs_of_owner=1000, waiting_runs=1000)


@dataclass
class Planner:
    """Plans what it was told to, and refuses events outside a box of one metre."""

    planned: PlannedRun = PLANNED
    checked: list[CommandKind] = field(default_factory=list)

    def plan(self, spec: RunSpec) -> PlannedRun:
        return replace(self.planned, rate=spec.rate or self.planned.rate)

    def check_command(self, scene, kind, payload, *, tick_s) -> None:
        assert (scene, tick_s) == (self.planned.scene, self.planned.tick_s)
        self.checked.append(kind)
        if any(not 0 <= place <= 1 for place in payload.get("position_m", ())):
            raise FieldError("position_m", "must be in the box")


def submissions(uow: UnitOfWork, limits: LiveLimits = WIDE, **planned) -> LiveSubmissionService:
    return LiveSubmissionService(uow, Planner(replace(PLANNED, **planned)), CountingBell(), limits)


def commands(uow: UnitOfWork, limits: LiveLimits | None = None) -> LiveCommandService:
    return LiveCommandService(uow, Planner(), CountingBell(), limits or LiveLimits())


def submit(uow: UnitOfWork, owner: UUID, **spec) -> LiveRunRecord:
    """Store a run that waits."""
    return submissions(uow).submit(owner, replace(SPEC, **spec))


def claim(uow: UnitOfWork, worker: str = "worker-1", cores: float = 4.0) -> ClaimedRun | None:
    return live.claim_run(uow, worker_id=worker, cores=cores, lease_s=LEASE_S)


def begin(uow: UnitOfWork, held: RunClaim, *, is_paused: bool = False) -> bool:
    return live.begin_run(uow, held, platform="cpu-1", is_paused=is_paused)


def start(uow: UnitOfWork, owner: UUID, **spec) -> RunClaim:
    """Store a run and have a worker run it."""
    submit(uow, owner, **spec)
    held = claim(uow)
    assert held is not None
    assert begin(uow, held.claim, is_paused=spec.get("is_paused", False))
    return held.claim


def send(
    uow: UnitOfWork, run_id: UUID, kind: CommandKind = CommandKind.EVENT, payload=None, *, actor: UUID | None = None,
    limits: LiveLimits | None = None, **more,
) -> int:  # fmt: skip
    """Send one command and return its number."""
    filled = BURST if payload is None and kind is CommandKind.EVENT else payload or {}
    (answer,) = commands(uow, limits).accept(
        [CommandRequest(kind, filled, **more)], actor_id=actor, owner_id=None, run_id=run_id
    )
    return answer.seq


def get(uow: UnitOfWork, run_id: UUID) -> LiveRunRecord:
    with uow.read() as tx:
        run = tx.live_runs.find(run_id)
    assert run is not None
    return run


def new_snapshot(held: RunClaim, tick: int = 0, **more) -> NewSnapshot:
    """The row of a file of 1000 bytes."""
    one = new_id()
    return NewSnapshot(one, tick, 0, f"live/{held.run_id}/{held.epoch}/{one}", 1000, "cd" * 32, **more)


def snapshot(uow: UnitOfWork, held: RunClaim, tick: int = 0, **more):
    """Store the row of a snapshot; return its id, and the answer."""
    new = new_snapshot(held, tick, **more)
    return new.id, live.add_snapshot(uow, held, new)


def into(uow: UnitOfWork, owner: UUID, state: RunState) -> RunClaim:
    """Make a run in a state, and return its last claim (of epoch 0 where it had none)."""
    if state is RunState.QUEUED:
        return submit(uow, owner).claim
    if state is RunState.STARTING:
        submit(uow, owner)
        held = claim(uow)
        assert held is not None
        return held.claim
    held = start(uow, owner)
    after: dict[RunState, Callable[[], object]] = {
        RunState.RUNNING: lambda: None,
        RunState.PAUSED: lambda: live.pause_run(uow, held),
        RunState.PARKED: lambda: _park(uow, held),
        RunState.INTERRUPTED: lambda: live.hand_back_runs(uow, [held]),
        RunState.RESUMING: lambda: live.restart_run(uow, held, worker_id="worker-1", lease_s=LEASE_S),
        RunState.STOPPING: lambda: send(uow, held.run_id, CommandKind.STOP),
        RunState.STOPPED: lambda: _conclude(uow, held),
        RunState.FAILED: lambda: live.fail_run(uow, held, RunReason.DIVERGED),
    }
    after[state]()
    run = get(uow, held.run_id)
    assert run.state is state
    return run.claim


def _park(uow: UnitOfWork, held: RunClaim) -> None:
    send(uow, held.run_id, CommandKind.PAUSE)
    live.pause_run(uow, held)
    snapshot(uow, held)
    live.park_run(uow, held)


def _conclude(uow: UnitOfWork, held: RunClaim) -> None:
    send(uow, held.run_id, CommandKind.STOP)
    live.conclude_run(uow, held, {"files": []}, tick=100)


def sample(level: int, place: int, value: float = 1.0, metrics: int = 2) -> Sample:
    """A row of samples whose metrics have one value all over the ticks that it covers."""
    return Sample(level, place, pack_spans([MetricSpan(value, value, value, value)] * metrics))
