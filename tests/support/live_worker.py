"""Live runs through a whole worker: a small scene, runs and commands, and the replay that they are held to."""

import json
import os
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from tests.doubles.bells import MemoryDoorbell
from tests.support.workers import RunningWorker, wait_until

from grid.database.live_commands import LiveCommandRecord
from grid.database.live_events import LiveEventRecord
from grid.database.live_runs import LiveRunRecord
from grid.database.uow import UnitOfWork
from grid.engine.live.clock import Clock, plan_clock
from grid.engine.live.commands import make_header, read_commands
from grid.engine.live.scene import Scene
from grid.engine.live.session import replay
from grid.engine.version import compute_numerics_version
from grid.schemas.jobs import JsonObject
from grid.schemas.live import CommandKind, PlannedCommand, PlannedRun, RunBody, RunSpec, RunState
from grid.services import live
from grid.services.live import CommandRequest, LiveCommandService, LiveLimits, LiveSubmissionService

CASE: JsonObject = {
    "domain": {"size": [1.0, 0.8], "section": 0.01},
    "material": {"conductivity": 50.0, "density": 7800.0, "specific_heat": 470.0},
    "initial": 300.0,
    "boundaries": {"x_min": {"type": "convection", "coefficient": 20.0, "ambient": 290.0}},
    "resolution": {"cells": [16, 12]},
    "temperature_unit": "K",
}
BURST: JsonObject = {
    "kind": "burst", "position_m": [0.4, 0.4], "radius_m": 0.05, "energy_j": 5e3, "duration_s": 1.0,
}  # fmt: skip
OVERLOAD: JsonObject = {"kind": "overload", "power_w": 50.0}
TICK, RATE = "0.25", 20.0
LIMITS = LiveLimits(runs_of_owner=100, waiting_runs=100, commands_per_s=1e4, command_burst=1000)


@dataclass(frozen=True)
class ScenePlanner:
    """Plans one scene by the engine, without a registry."""

    commands: tuple[PlannedCommand, ...] = ()
    numerics_version: str = ""

    def plan(self, spec: RunSpec) -> PlannedRun:
        scene = Scene.from_json(spec.scene)
        clock = plan_clock(scene, float(spec.tick_s or TICK), method=spec.method)
        header = make_header(scene, clock, spec.seed)
        return PlannedRun(
            scene=json.loads(json.dumps(spec.scene)),
            tick_s=spec.tick_s or TICK,
            rate=spec.rate or RATE,
            method=clock.method,
            steps_per_tick=clock.steps,
            price_s=clock.price,
            memory_bytes=clock.memory_bytes,
            cells=scene.problem.domain.cell_count,
            body=RunBody(
                scene.problem.temperature_unit, scene.problem.domain.cells, has_structure=scene.structure is not None
            ),
            spec_hash=header.spec_hash,
            numerics_version=self.numerics_version or compute_numerics_version(),
            commands=self.commands,
        )

    def check_command(self, scene: JsonObject, kind: CommandKind, payload: JsonObject, **_: Any) -> None:
        """Take whatever the session takes."""


@dataclass
class LiveRunProbe:
    """One run, as a test steers and reads it."""

    uow: UnitOfWork
    bell: MemoryDoorbell
    run_id: UUID
    scene: JsonObject

    @classmethod
    def submit(
        cls, worker_uow: UnitOfWork, bell: MemoryDoorbell, owner: UUID, *, scene: JsonObject | None = None,
        commands: Sequence[PlannedCommand] = (), numerics_version: str = "", **spec: Any,
    ) -> "LiveRunProbe":  # fmt: skip
        chosen = scene or {"case": CASE}
        service = LiveSubmissionService(worker_uow, ScenePlanner(tuple(commands), numerics_version), bell, LIMITS)
        run = service.submit(owner, RunSpec(scene=chosen, tick_s=spec.pop("tick_s", TICK), **spec))
        return cls(worker_uow, bell, run.id, chosen)

    def send(self, kind: CommandKind, payload: Mapping[str, Any] | None = None, **further: Any) -> int:
        """Accept a command; return its number."""
        service = LiveCommandService(self.uow, ScenePlanner(), self.bell, LIMITS)
        request = CommandRequest(kind, dict(payload or {}), **further)
        return service.accept([request], actor_id=None, owner_id=None, run_id=self.run_id)[0].seq

    def row(self) -> LiveRunRecord:
        with self.uow.read() as tx:
            found = tx.live_runs.find(self.run_id)
        assert found is not None
        return found

    def command(self, seq: int) -> LiveCommandRecord:
        return live.get_command(self.uow, owner_id=None, run_id=self.run_id, seq=seq)

    def events(self, kind: str | None = None) -> list[LiveEventRecord]:
        kinds = (kind,) if kind else ()
        return live.read_events(self.uow, owner_id=None, run_id=self.run_id, limit=10_000, kinds=kinds)

    def wait_for(self, *states: RunState) -> LiveRunRecord:
        wait_until(lambda: self.row().state in states, f"the run was one of {states}")
        return self.row()

    def wait_for_tick(self, tick: int) -> None:
        wait_until(lambda: self.row().tick >= tick or self.row().state.is_terminal, f"the run was at tick {tick}")

    def wait_for_effect(self, seq: int) -> LiveCommandRecord:
        wait_until(lambda: self.command(seq).outcome is not None, f"command {seq} had taken effect")
        return self.command(seq)

    def stop(self) -> LiveRunRecord:
        self.send(CommandKind.STOP)
        return self.wait_for(RunState.STOPPED, RunState.FAILED)

    def replay(self) -> str:
        """Hash of the field that the exported log leads to, in this process."""
        lines = [json.loads(line) for line in live.export_log(self.uow, owner_id=None, run_id=self.run_id)]
        header, *commands, end = lines
        run = self.row()
        scene = Scene.from_json(self.scene)
        clock: Clock = plan_clock(scene, float(header["tick_s"]), method=run.method)
        keys = ("seq", "kind", "payload", "tick")
        log = list(read_commands([{key: line[key] for key in keys} for line in commands if "seq" in line]))
        return replay(scene, clock, log, end["end"]["tick"], seed=header["seed"]).hash()


def kill_child(worker: RunningWorker, run_id: UUID) -> None:
    """Kill the child of a run."""
    live_runs = worker.supervisor._live
    assert live_runs is not None
    for run in live_runs._held.all():
        if run.claim.run_id == run_id and run.child is not None:
            os.kill(run.child.pid, signal.SIGKILL)
            return
    raise AssertionError("the run has no child")
