"""Live runs through a whole worker, on both databases: commands, pace, snapshots, ends, and killed children."""

import random
from pathlib import Path

import numpy as np
import pytest
from tests.doubles.bells import MemoryDoorbell
from tests.support.ledgers import add_owner
from tests.support.live_worker import BURST, CASE, OVERLOAD, RATE, LiveRunProbe, kill_child
from tests.support.workers import wait_until, working

from grid.database.uow import UnitOfWork
from grid.schemas.live import CommandKind, PlannedCommand, RunReason, RunState
from grid.services import live


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


def test_a_run_ticks_takes_commands_pauses_steps_and_ends_with_the_field_of_its_replay(uow: UnitOfWork, home: Path):
    with working(uow, home) as worker:
        first = (PlannedCommand(CommandKind.EVENT, OVERLOAD, 0.0), PlannedCommand(CommandKind.EVENT, BURST, 2.0))
        run = LiveRunProbe.submit(uow, worker.bell, add_owner(uow), commands=first)
        run.wait_for(RunState.RUNNING)
        assert run.wait_for_effect(1).tick == 0  # of the scenario: before the first tick
        assert run.wait_for_effect(2).tick == 8
        burst = run.wait_for_effect(run.send(CommandKind.EVENT, BURST))
        assert burst.outcome == "applied"
        assert burst.effective is not None
        assert burst.effective["energy_j"] == pytest.approx(5e3)

        paused = run.wait_for_effect(run.send(CommandKind.PAUSE))
        run.wait_for(RunState.PAUSED)
        assert run.wait_for_effect(run.send(CommandKind.STEP, {"ticks": 3})).outcome == "applied"
        assert paused.effective is not None
        wait_until(lambda: run.row().tick >= paused.tick + 3, "the steps were taken")
        kept = run.send(CommandKind.CHECKPOINT)
        run.wait_for_effect(run.send(CommandKind.EVENT, OVERLOAD))  # in a pause: at the tick that comes next
        run.send(CommandKind.RESUME)
        run.wait_for(RunState.RUNNING)
        run.send(CommandKind.SPEED, {"speed": "max"})
        run.wait_for_tick(400)

        ended = run.stop()
        assert (ended.state, ended.reason) == (RunState.STOPPED, RunReason.STOPPED_BY_USER)
        assert ended.result_manifest is not None
        assert ended.result_manifest["field_sha256"] == run.replay()
        (file,) = ended.result_manifest["files"]
        with worker.store.open(file["key"]) as stored:
            field = np.load(stored, allow_pickle=False)
        assert field.shape == tuple(CASE["resolution"]["cells"])
        (snapshot,) = [one for one in live.list_snapshots(uow, owner_id=None, run_id=run.run_id) if one.kind == "user"]
        assert snapshot.tick == run.wait_for_effect(kept).tick
        assert [event.n for event in run.events()] == list(range(1, len(run.events()) + 1))
        history = live.read_history(uow, owner_id=None, run_id=run.run_id, points=1)
        assert history.samples[0].ticks.start == 0


def test_a_run_whose_child_is_killed_goes_on_from_where_it_was_and_loses_nothing(uow: UnitOfWork, home: Path):
    draw = random.Random(3)
    with working(uow, home, grid_live_heartbeat_s=0.2) as worker:
        run = LiveRunProbe.submit(uow, worker.bell, add_owner(uow), rate=40.0)
        run.wait_for(RunState.RUNNING)
        for kill in range(2):
            run.wait_for_effect(run.send(CommandKind.EVENT, BURST))
            if kill:
                run.wait_for_effect(run.send(CommandKind.CHECKPOINT))
            before = run.row().tick
            run.send(CommandKind.EVENT, {**OVERLOAD, "power_w": draw.uniform(10.0, 90.0)})
            kill_child(worker, run.run_id)
            wait_until(lambda: len(run.events("resumed")) == kill + 1, "the run had gone on")  # noqa: B023
            run.wait_for(RunState.RUNNING)
            run.wait_for_tick(before + 10)
        ended = run.stop()
    assert ended.state is RunState.STOPPED
    assert (ended.losses, ended.epoch) == (2, 3)
    assert ended.result_manifest is not None
    assert ended.result_manifest["field_sha256"] == run.replay()
    resumed = run.events("resumed")[-1].payload
    assert resumed["from_tick"] <= resumed["to_tick"]


def test_a_worker_that_ends_in_order_gives_its_runs_to_the_next_without_a_loss(uow: UnitOfWork, home: Path):
    owner = add_owner(uow)
    with working(uow, home) as worker:
        run = LiveRunProbe.submit(uow, worker.bell, owner, rate=40.0)
        run.wait_for(RunState.RUNNING)
        run.wait_for_effect(run.send(CommandKind.EVENT, BURST))
        still = LiveRunProbe.submit(uow, worker.bell, owner, is_paused=True)
        still.wait_for(RunState.PAUSED)
    assert run.row().state is RunState.INTERRUPTED
    assert still.row().state is RunState.PARKED
    with working(uow, home) as worker:
        run.bell = worker.bell
        run.wait_for(RunState.RUNNING)
        assert still.row().state is RunState.PARKED  # until somebody resumes it
        ended = run.stop()
    assert ended.losses == 0
    assert ended.result_manifest is not None
    assert ended.result_manifest["field_sha256"] == run.replay()


def test_a_run_of_other_numerics_fails_and_says_why(uow: UnitOfWork, home: Path):
    with working(uow, home) as worker:
        owner = add_owner(uow)
        other = LiveRunProbe.submit(uow, worker.bell, owner, numerics_version="another")
        failed = other.wait_for(RunState.FAILED)
        assert failed.reason is RunReason.INFRA
        assert "another" in (failed.message or "")


def test_runs_wait_where_the_worker_has_no_room_and_start_when_there_is(uow: UnitOfWork, home: Path):
    with working(uow, home, grid_live_runs=1) as worker:
        owner = add_owner(uow)
        first = LiveRunProbe.submit(uow, worker.bell, owner)
        first.wait_for(RunState.RUNNING)
        second = LiveRunProbe.submit(uow, worker.bell, owner, rate=RATE)
        wait_until(lambda: first.row().tick > 5, "the first ticked")
        assert second.row().state is RunState.QUEUED
        first.stop()
        second.wait_for(RunState.RUNNING)
        second.stop()


def test_a_paused_run_costs_no_core_and_a_resumed_one_no_slip(uow: UnitOfWork, home: Path):
    with working(uow, home) as worker:
        run = LiveRunProbe.submit(uow, worker.bell, add_owner(uow))
        run.wait_for(RunState.RUNNING)
        assert worker.supervisor._live is not None
        assert worker.supervisor._live.cores > 0.0
        run.send(CommandKind.PAUSE)
        run.wait_for(RunState.PAUSED)
        assert worker.supervisor._live.cores == 0.0
        run.send(CommandKind.RESUME)
        run.wait_for(RunState.RUNNING)
        run.stop()
        assert run.events("slip") == []


def test_a_bell_that_is_lost_costs_a_second_at_most(uow: UnitOfWork, home: Path):
    with working(uow, home):
        deaf = MemoryDoorbell()
        run = LiveRunProbe.submit(uow, deaf, add_owner(uow))
        run.wait_for(RunState.RUNNING)
        assert run.wait_for_effect(run.send(CommandKind.EVENT, BURST)).outcome == "applied"
        run.stop()
