"""Live runs of a worker whose children live in the test: ends, deaths, leases, and what reaches the ledger."""

import hashlib
import io
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.doubles.artifacts import MemoryArtifactStore
from tests.doubles.bells import MemoryDoorbell
from tests.doubles.children import MemoryChild, MemoryFactory
from tests.support import live_runs as words
from tests.support.ledgers import add_owner
from tests.support.workers import wait_until

from grid.core.errors import UnavailableError
from grid.database.live_commands import NewLiveCommand
from grid.database.live_runs import LiveRunRecord
from grid.database.live_snapshots import SnapshotRecord
from grid.database.uow import UnitOfWork
from grid.runtime.live.messages import (
    CaughtUp,
    Committed,
    Compiling,
    Control,
    LiveEvent,
    Looked,
    NeedsRenewal,
    Propose,
    Proposed,
    RunEnded,
    RunStarted,
    Sample,
    SampleRow,
    Snapshotted,
    StartRun,
    StoredFile,
    name_drafts,
)
from grid.runtime.processes import ExitReason
from grid.runtime.spool import Spool
from grid.schemas.live import SAMPLE_METRICS, CommandKind, RunReason, RunState
from grid.services import live
from grid.services.live import CommandRequest
from grid.tasks.live import faults, supervisor
from grid.tasks.live.ledger import LiveLedger
from grid.tasks.live.supervisor import LiveSupervisor


class Worker:
    """A supervisor of live runs with children in memory."""

    def __init__(self, uow: UnitOfWork, folder: Path, *, lease_s: float = 10.0, heartbeat_s: float = 0.2) -> None:
        self.uow, self.bell, self.factory = uow, MemoryDoorbell(), MemoryFactory()
        self.store, self.spool = MemoryArtifactStore(), Spool(folder / "spool")
        self.ledger = LiveLedger(uow, self.store, "worker-1", 4.0, lease_s, 8)
        self.supervisor = LiveSupervisor(
            self.ledger, self.factory, self.bell.listen("live"),
            spool=self.spool, socket_of=lambda _: "", heartbeat_s=heartbeat_s,
        )  # fmt: skip
        self.owner = add_owner(uow)
        self.run = words.submit(uow, self.owner)

    def row(self) -> LiveRunRecord:
        with self.uow.read() as tx:
            found = tx.live_runs.find(self.run.id)
        assert found is not None
        return found

    def child(self, number: int = 0) -> MemoryChild:
        wait_until(lambda: len(self.factory.children) > number, f"child {number} was started")
        return self.factory.children[number]

    def leave(self, name: str) -> StoredFile:
        """Leave a file in the spool, as a child of the first claim does."""
        key, data = f"live/{self.run.id}/1/1-{name}", name.encode()
        self.spool.put(key, io.BytesIO(data))
        return StoredFile(name, key, len(data), hashlib.sha256(data).hexdigest())

    def told(self, child: MemoryChild, kind: type) -> list[Any]:
        return [message for message in child.sent if isinstance(message, kind)]

    def begin(self, number: int = 0) -> MemoryChild:
        """Let a child come up to its first tick."""
        child = self.child(number)
        child.be_ready()
        wait_until(lambda: self.told(child, StartRun), "the child was told what to run")
        child.say(RunStarted(0, "rkl2", 64, 0.01, {}, "cpu-1"), CaughtUp(0, False))
        wait_until(lambda: self.row().state is RunState.RUNNING, "the run ran")
        return child

    def begin_paused(self, number: int) -> MemoryChild:
        """Let a child come up to where the run is paused."""
        child = self.child(number)
        wait_until(lambda: self.told(child, StartRun), "the child was told what to run")
        child.say(RunStarted(0, "rkl2", 64, 0.01, {}, "cpu-1"), CaughtUp(0, True))
        return child

    def send(self, kind: CommandKind, payload: dict[str, Any] | None = None) -> int:
        service = words.commands(self.uow)
        request = CommandRequest(kind, payload or {})
        (answer,) = service.accept([request], actor_id=self.owner, owner_id=self.owner, run_id=self.run.id)
        self.bell.ring("live", self.run.id)
        return answer.seq

    def wait_for(self, state: RunState) -> LiveRunRecord:
        wait_until(lambda: self.row().state is state, f"the run was {state}")
        return self.row()


@pytest.fixture(autouse=True)
def without_last_snapshots(monkeypatch: pytest.MonkeyPatch) -> None:
    """Do not wait for what these children never store."""
    monkeypatch.setattr(supervisor, "SNAPSHOT_TIMEOUT_S", 0.05)


@pytest.fixture
def worker(sqlite_uow: UnitOfWork, tmp_path: Path) -> Iterator[Worker]:
    with working(sqlite_uow, tmp_path) as found:
        yield found


@contextmanager
def working(uow: UnitOfWork, folder: Path, **settings: float) -> Iterator[Worker]:
    worker = Worker(uow, folder, **settings)
    worker.supervisor.start()
    try:
        yield worker
    finally:
        worker.supervisor.drain()
        worker.supervisor.join(5.0)
        assert worker.supervisor.is_over


def test_a_physical_command_gets_its_tick_committed_before_the_child_may_use_it(worker: Worker):
    child = worker.begin()
    seq = worker.send(CommandKind.EVENT, words.BURST)
    wait_until(lambda: worker.told(child, Propose), "the command was proposed")
    child.say(Proposed({seq: 7}))
    wait_until(lambda: worker.told(child, Committed), "its tick was committed")
    assert live.get_command(worker.uow, owner_id=None, run_id=worker.run.id, seq=seq).tick == 7
    worker.bell.ring("live")
    worker.bell.ring("live")
    time.sleep(0.1)
    assert len(worker.told(child, Propose)) == 1  # what a child has it is not given again


def test_what_a_child_says_is_stored_once_in_order_with_outcomes_and_samples(worker: Worker):
    child = worker.begin()
    seq = worker.send(CommandKind.PAUSE)
    wait_until(lambda: worker.told(child, Control), "the pause was handed on")
    state = {"seq": seq, "kind": "pause", "paused": True, "speed": 1.0}
    switch = LiveEvent(3, 192, 0.1, "switch", "diffusive", {"reason": "stress"})
    values = tuple((1.0, 2.0, 1.5, 2.0) for _ in SAMPLE_METRICS)
    sample = Sample(1, 4, 0.125, {}, {})
    child.say(
        Looked((switch, LiveEvent(4, 256, 0.125, "state", str(seq), state, "wall")), sample, (SampleRow(2, 0, values),))
    )
    worker.wait_for(RunState.PAUSED)
    wait_until(lambda: worker.row().tick == 4, "its tick was written")
    command = live.get_command(worker.uow, owner_id=None, run_id=worker.run.id, seq=seq)
    assert (command.outcome, command.tick) == ("applied", 4)
    kinds = [event.kind for event in live.read_events(worker.uow, owner_id=None, run_id=worker.run.id)]
    assert kinds.count("switch") == 1
    history = live.read_history(worker.uow, owner_id=None, run_id=worker.run.id, points=1)
    assert [sample.place for sample in history.samples] == [0]
    child.say(Looked((switch,), None))  # a tick that was computed again
    child.say(Looked((LiveEvent(5, 320, 0.156, "note", "a", {}, "wall"),), None))
    wait_until(lambda: "note" in _kinds(worker), "later events were stored")
    assert _kinds(worker).count("switch") == 1


@pytest.mark.parametrize(
    ("reason", "expected"),
    [("diverged", RunReason.DIVERGED), ("bad_input", RunReason.INFRA), ("storage_full", RunReason.STORAGE_FULL)],
)
def test_a_run_that_cannot_go_on_fails_with_its_reason(worker: Worker, reason: Any, expected: RunReason):
    child = worker.begin()
    child.say(RunEnded(9, reason, "It is so.", "ab"))
    row = worker.wait_for(RunState.FAILED)
    assert (row.reason, row.message) == (expected, "It is so.")


def test_a_tick_that_says_something_else_than_before_fails_the_run(worker: Worker):
    child = worker.begin()
    for reason in ("stress", "another"):
        child.say(Looked((LiveEvent(3, 192, 0.1, "switch", "diffusive", {"reason": reason}),), None))
    row = worker.wait_for(RunState.FAILED)
    assert row.reason is RunReason.INFRA
    wait_until(lambda: child.was_killed, "its child was ended")


def test_a_child_that_dies_is_replaced_under_the_next_epoch_and_the_third_death_is_the_last(worker: Worker):
    for death in range(3):
        child = worker.begin(death)
        assert worker.row().epoch == death + 1
        child.die(ExitReason(signal=11))
        if death < 2:
            start = _start_of(worker, death + 1)
            assert start.epoch == death + 2
    row = worker.wait_for(RunState.FAILED)
    assert (row.reason, row.losses) == (RunReason.POISON, 3)


def test_a_child_over_its_memory_is_ended_and_the_run_fails(worker: Worker):
    child = worker.begin()
    child.is_over_limit = True
    assert worker.wait_for(RunState.FAILED).reason is RunReason.OOM
    assert child.was_killed


def test_a_child_that_the_kernel_ended_for_memory_fails_the_run(worker: Worker):
    worker.begin().die(ExitReason(signal=9, is_oom=True))
    assert worker.wait_for(RunState.FAILED).reason is RunReason.OOM


def test_a_silent_child_is_taken_for_frozen_and_replaced_but_not_in_a_pause(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("grid.tasks.live.run.FROZEN_S", 0.3)
    monkeypatch.setattr("grid.tasks.live.run.FROZEN_INTERVALS", 0.0)
    monkeypatch.setattr("grid.tasks.live.run.QUIET_S", 0.2)
    monkeypatch.setattr(faults, "find_cpu_seconds", lambda _: 1.0)
    child = worker.begin()
    wait_until(lambda: len(worker.factory.children) == 2, "another child was started")
    assert child.was_killed
    again = worker.begin(1)
    seq = worker.send(CommandKind.PAUSE)
    wait_until(lambda: worker.told(again, Control), "the pause was handed on")
    again.say(Looked((LiveEvent(4, 256, 0.1, "state", str(seq), {"seq": seq, "paused": True}, "wall"),), None))
    worker.wait_for(RunState.PAUSED)
    time.sleep(0.8)
    assert not again.was_killed


def test_a_start_has_a_limit(worker: Worker, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(faults, "START_LIMIT_S", 0.2)
    worker.child().be_ready()
    assert worker.wait_for(RunState.FAILED).reason is RunReason.START_TIMEOUT


def test_a_pause_that_lasts_gives_the_process_back(worker: Worker, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(faults, "PARK_AFTER_S", 0.2)
    child = worker.begin()
    seq = worker.send(CommandKind.PAUSE)
    child.say(Looked((LiveEvent(4, 256, 0.1, "state", str(seq), {"seq": seq, "paused": True}, "wall"),), None))
    wait_until(lambda: _asked_for_snapshot(child), "its state was asked for")
    file = worker.leave("state-4")
    child.say(Snapshotted(0, 4, seq, file))
    worker.wait_for(RunState.PARKED)
    wait_until(lambda: child.was_killed, "its child was ended")
    worker.send(CommandKind.RESUME)
    start = _start_of(worker, 1)
    assert [one.tick for one in start.snapshots] == [4]


def test_a_worker_that_cannot_renew_its_lease_ends_its_children_before_the_lease_does(
    sqlite_uow: UnitOfWork, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    with working(sqlite_uow, tmp_path, lease_s=4.0) as worker:
        child = worker.begin()

        def fail(*_: object) -> None:
            raise UnavailableError("The database is away.")

        monkeypatch.setattr(LiveLedger, "renew", fail)
        began = time.monotonic()
        wait_until(lambda: child.was_killed, "its child was ended")
        assert time.monotonic() - began < 4.0
        assert worker.supervisor.runs == 0
    assert worker.row().state is RunState.RUNNING  # the reaper takes it back


def test_a_run_that_another_took_is_let_go(worker: Worker):
    child = worker.begin()
    with worker.uow.begin() as tx:
        run = tx.live_runs.find(worker.run.id)
        assert run is not None
        tx.live_runs.change(run, lease_owner="worker-2")
    wait_until(lambda: child.was_killed, "its child was ended")
    assert worker.row().lease_owner == "worker-2"


def test_a_command_waits_while_the_database_is_away_and_is_committed_when_it_is_back(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
):
    child = worker.begin()
    real, failures = LiveLedger.commit_ticks, [UnavailableError("It is away."), UnavailableError("It is away.")]

    def commit(self: LiveLedger, claim: Any, ticks: Any) -> Any:
        if failures:
            raise failures.pop()
        return real(self, claim, ticks)

    monkeypatch.setattr(LiveLedger, "commit_ticks", commit)
    seq = worker.send(CommandKind.EVENT, words.BURST)
    wait_until(lambda: worker.told(child, Propose), "the command was proposed")
    child.say(Proposed({seq: 7}))
    wait_until(lambda: worker.told(child, Committed), "its tick was committed")
    assert failures == []


def _kinds(worker: Worker) -> list[str]:
    return [event.kind for event in live.read_events(worker.uow, owner_id=None, run_id=worker.run.id)]


def _start_of(worker: Worker, number: int) -> StartRun:
    child = worker.child(number)
    if not worker.told(child, StartRun):
        child.be_ready()
    wait_until(lambda: worker.told(child, StartRun), "the child was told what to run")
    found: StartRun = worker.told(child, StartRun)[0]
    return found


def _asked_for_snapshot(child: MemoryChild) -> bool:
    return any(isinstance(one, Control) and one.command.kind == "checkpoint" for one in child.sent)


def test_a_run_without_a_pace_counts_for_a_fixed_share_and_a_paused_one_for_none(worker: Worker):
    child = worker.begin()
    (held,) = worker.supervisor._held.all()
    assert worker.supervisor.cores == held.claimed.run.load_share
    held.measure(10.0, 1.0)
    held.measure(70.0, 31.0)
    assert worker.supervisor.cores == 0.5
    worker.send(CommandKind.SPEED, {"speed": "max"})
    wait_until(lambda: held.speed is None, "the next heartbeat told the speed")
    held.measure(130.0, 91.0)
    assert worker.supervisor.cores == 0.25
    seq = worker.send(CommandKind.PAUSE)
    child.say(Looked((LiveEvent(4, 256, 0.1, "state", str(seq), {"seq": seq, "paused": True}, "wall"),), None))
    worker.wait_for(RunState.PAUSED)
    assert worker.supervisor.cores == 0.0


def test_a_stop_that_a_child_took_up_before_it_died_is_told_to_the_next_one(worker: Worker):
    child = worker.begin()
    seq = worker.send(CommandKind.STOP)
    wait_until(lambda: worker.told(child, Control), "the stop was handed on")
    state = {"seq": seq, "kind": "stop", "paused": False, "speed": 1.0}
    child.say(Looked((LiveEvent(4, 256, 0.1, "state", str(seq), state, "wall"),), None))
    wait_until(lambda: _outcome(worker, seq) == ("applied", None), "the stop had its outcome")
    child.die()
    _start_of(worker, 1)
    again = worker.child(1)
    wait_until(lambda: worker.told(again, Control), "the stop was handed on again")
    assert [one.command.kind for one in worker.told(again, Control)] == ["stop"]
    again.say(RunStarted(4, "rkl2", 64, 0.01, {}, "cpu-1"), CaughtUp(4, False), RunEnded(4, "stopped_by_user", "", "a"))
    assert worker.wait_for(RunState.STOPPED).reason is RunReason.STOPPED_BY_USER


def test_a_child_that_is_frozen_in_a_pause_is_replaced_once_it_leaves_a_command_unanswered(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
):
    child = worker.begin()
    seq = worker.send(CommandKind.PAUSE)
    wait_until(lambda: worker.told(child, Control), "the pause was handed on")
    child.say(Looked((LiveEvent(4, 256, 0.1, "state", str(seq), {"seq": seq, "paused": True}, "wall"),), None))
    worker.wait_for(RunState.PAUSED)
    monkeypatch.setattr("grid.tasks.live.run.FROZEN_S", 0.3)
    monkeypatch.setattr("grid.tasks.live.run.FROZEN_INTERVALS", 0.0)
    monkeypatch.setattr("grid.tasks.live.run.QUIET_S", 0.2)
    monkeypatch.setattr(faults, "find_cpu_seconds", lambda _: 1.0)
    time.sleep(0.5)
    assert not child.was_killed
    worker.send(CommandKind.RESUME)
    assert not _start_of(worker, 1).is_paused
    assert child.was_killed


def test_a_checkpoint_has_its_outcome_when_it_is_stored_or_could_not_be(worker: Worker):
    child = worker.begin()
    seqs = [worker.send(CommandKind.CHECKPOINT) for _ in range(2)]
    for seq in seqs:
        state = {"seq": seq, "kind": "checkpoint", "paused": False, "speed": 1.0}
        child.say(Looked((LiveEvent(4, 256, 0.1, "state", str(seq), state, "wall"),), None))
    file = worker.leave("state-4")
    child.say(Snapshotted(seqs[0], 4, 0, file), Snapshotted(seqs[1], 4, 0, None, "No space is left."))
    wait_until(lambda: _outcome(worker, seqs[1]) == ("refused", "No space is left."), "the second was refused")
    assert _outcome(worker, seqs[0]) == ("applied", None)
    assert [event.key for event in _events(worker, "refused")] == [str(seqs[1])]


def test_what_a_run_has_said_is_stored_before_its_end_though_a_write_is_under_way(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
):
    child = worker.begin()
    seq = worker.send(CommandKind.STOP)
    wait_until(lambda: worker.told(child, Control), "the stop was handed on")
    real = LiveLedger.record

    def record(self: LiveLedger, *given: Any) -> Any:
        time.sleep(0.2)  # a database that is busy
        return real(self, *given)

    monkeypatch.setattr(LiveLedger, "record", record)
    state = {"seq": seq, "kind": "stop", "paused": False, "speed": 1.0}
    child.say(
        Looked((LiveEvent(3, 192, 0.1, "switch", "lumped", {"reason": "calm"}),), None),
        Looked((LiveEvent(4, 256, 0.1, "state", str(seq), state, "wall"),), None),
        RunEnded(4, "stopped_by_user", "", "ab"),
    )
    worker.wait_for(RunState.STOPPED)
    assert _outcome(worker, seq) == ("applied", None)


def test_no_socket_of_a_child_that_was_killed_is_left(worker: Worker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    sockets = {epoch: tmp_path / f"{epoch}.sock" for epoch in (1, 2)}
    monkeypatch.setattr(worker.supervisor._held, "_socket_of", lambda claim: str(sockets[claim.epoch]))
    sockets[1].touch()
    worker.begin().die()
    _start_of(worker, 1)
    assert not sockets[1].exists()
    sockets[1].touch()  # as a worker leaves it that was killed
    sockets[2].touch()
    worker.supervisor.drain()
    wait_until(lambda: not sockets[2].exists(), "its child was ended")
    assert sockets[1].exists()  # that of another epoch is left to the next owner


def _outcome(worker: Worker, seq: int) -> tuple[str | None, str | None]:
    command = live.get_command(worker.uow, owner_id=None, run_id=worker.run.id, seq=seq)
    return command.outcome, command.reason


def _events(worker: Worker, kind: str) -> list[Any]:
    return list(live.read_events(worker.uow, owner_id=None, run_id=worker.run.id, kinds=[kind]))


def test_a_silent_child_that_computes_is_let_be_for_a_while(worker: Worker, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("grid.tasks.live.run.FROZEN_S", 0.2)
    monkeypatch.setattr("grid.tasks.live.run.FROZEN_INTERVALS", 0.0)
    monkeypatch.setattr("grid.tasks.live.run.QUIET_S", 0.2)
    monkeypatch.setattr(faults, "find_cpu_seconds", lambda _: time.monotonic())
    child = worker.begin()
    time.sleep(1.5)
    assert not child.was_killed
    monkeypatch.setattr("grid.tasks.live.run.LONGEST_SILENCE_S", 0.5)
    wait_until(lambda: child.was_killed, "it was replaced after all")


def test_steps_are_taken_once_they_are_stored_and_the_next_child_takes_those_that_are_left(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
):
    child = worker.begin()
    pause = worker.send(CommandKind.PAUSE)
    child.say(Looked((LiveEvent(4, 256, 0.1, "state", str(pause), {"seq": pause, "paused": True}, "wall"),), None))
    worker.wait_for(RunState.PAUSED)
    step = worker.send(CommandKind.STEP, {"ticks": 50})
    wait_until(lambda: len(worker.told(child, Control)) == 2, "the steps were handed on")
    real, is_away = LiveLedger.record, True

    def record(self: LiveLedger, *given: Any) -> Any:
        if is_away:
            raise UnavailableError("The database is away.")
        return real(self, *given)

    monkeypatch.setattr(LiveLedger, "record", record)
    state = {"seq": step, "kind": "step", "paused": True, "speed": 1.0, "until": 54}
    child.say(Looked((LiveEvent(4, 256, 0.1, "state", str(step), state, "wall"),), None))
    time.sleep(0.3)
    assert not worker.told(child, Committed)
    is_away = False
    wait_until(lambda: worker.told(child, Committed) == [Committed((step,))], "the steps may be taken")
    assert _outcome(worker, step) == ("applied", None)
    child.die()  # before it has taken one
    start = _start_of(worker, 1)
    assert (start.is_paused, start.steps_until) == (True, 54)


def test_steps_whose_outcome_was_not_stored_are_asked_for_again_and_only_then_taken(worker: Worker):
    child = worker.begin()
    worker.send(CommandKind.PAUSE)
    wait_until(lambda: worker.told(child, Control), "the pause was handed on")
    child.say(
        Looked((LiveEvent(4, 256, 0.1, "state", "1", {"seq": 1, "kind": "pause", "paused": True}, "wall"),), None)
    )
    worker.wait_for(RunState.PAUSED)
    step = worker.send(CommandKind.STEP, {"ticks": 5})
    wait_until(lambda: len(worker.told(child, Control)) == 2, "the steps were handed on")
    child.die()
    assert _start_of(worker, 1).steps_until == 0
    again = worker.begin_paused(1)
    wait_until(lambda: [one.command.seq for one in worker.told(again, Control)] == [step], "they were handed on again")


def test_a_pause_behind_steps_has_put_them_off(worker: Worker):
    child = worker.begin()
    for seq, kind, more in ((1, "pause", {}), (2, "step", {"until": 54}), (3, "pause", {})):
        worker.send(CommandKind(kind), {"ticks": 50} if kind == "step" else None)
        payload = {"seq": seq, "kind": kind, "paused": True, "speed": 1.0, **more}
        wait_until(lambda seq=seq: len(worker.told(child, Control)) == seq, "it was handed on")  # type: ignore[misc]
        child.say(Looked((LiveEvent(4, 256, 0.1, "state", str(seq), payload, "wall"),), None))
        wait_until(lambda seq=seq: _outcome(worker, seq)[0] == "applied", "its outcome was stored")  # type: ignore[misc]
        worker.wait_for(RunState.PAUSED)
    child.die()
    assert _start_of(worker, 1).steps_until == 0


def test_a_run_that_has_begun_before_is_tried_again_where_its_next_child_shows_nothing(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
):
    worker.begin().die()
    again = worker.child(1)
    again.be_ready()
    monkeypatch.setattr(faults, "START_LIMIT_S", 0.2)
    wait_until(lambda: len(worker.factory.children) == 3, "a third was tried")
    monkeypatch.setattr(faults, "START_LIMIT_S", 300.0)
    assert again.was_killed
    row = worker.row()
    assert (row.state, row.reason, row.losses) == (RunState.RESUMING, None, 2)
    worker.begin(2)


def test_a_run_of_which_no_child_comes_up_blames_no_command(sqlite_uow: UnitOfWork, tmp_path: Path):
    with working(sqlite_uow, tmp_path) as worker:
        rules = NewLiveCommand("x", "ab" * 32, CommandKind.RULES, {"rules": []}, None, tick=0)
        with sqlite_uow.begin() as tx:
            run = tx.live_runs.hold(worker.run.id)
            assert run is not None
            tx.live_commands.add(run.id, run.next_seq, [rules])
            tx.live_runs.change(run, next_seq=run.next_seq + 1)
        for number in range(3):
            worker.child(number).die()
        row = worker.wait_for(RunState.FAILED)
    assert row.reason is RunReason.POISON
    assert row.message is not None
    assert "no process" in row.message
    assert "command" not in row.message


def test_compiling_is_told_in_the_detail_of_the_run_until_it_is_over_or_its_child_is(worker: Worker):
    child = worker.child()
    child.be_ready()
    wait_until(lambda: worker.told(child, StartRun), "the child was told what to run")
    child.say(Compiling(is_on=True))
    wait_until(lambda: worker.row().activity == "compiling", "it was told")
    assert "compiling kernels" in live.describe_run(worker.row())
    child.say(RunStarted(0, "rkl2", 64, 0.01, {}, "cpu-1"), CaughtUp(0, False), Compiling(is_on=False))
    wait_until(lambda: worker.row().state is RunState.RUNNING and worker.row().activity is None, "it was over")
    child.say(Compiling(is_on=True))
    wait_until(lambda: worker.row().activity == "compiling", "it was told again")
    child.die()
    _start_of(worker, 1)
    assert worker.row().activity is None


def test_no_draft_of_a_child_that_was_killed_is_left(worker: Worker):
    drafts = [worker.spool.root / ".staging" / f"{name_drafts(worker.run.id, epoch)}-ab" for epoch in (1, 2, 10)]
    child = worker.begin()
    for draft in drafts:
        draft.write_bytes(b"half of it")
    child.die()
    worker.begin(1)
    wait_until(lambda: not drafts[0].exists(), "its draft was removed")
    assert drafts[1].exists()
    assert drafts[2].exists()


def test_a_child_that_cannot_have_its_priority_back_is_replaced_after_a_snapshot_and_that_is_no_loss(worker: Worker):
    child = worker.begin()
    child.say(NeedsRenewal())
    wait_until(lambda: _asked_for_snapshot(child), "its state was asked for")
    assert not child.was_killed
    child.say(Snapshotted(0, 40, 0, worker.leave("state-40")))
    start = _start_of(worker, 1)
    assert child.was_killed
    assert [one.tick for one in start.snapshots] == [40]
    assert worker.row().losses == 0


def test_a_silent_child_that_says_that_it_compiles_is_let_be_on_a_busy_machine_too(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
):
    child = worker.begin()
    child.say(Compiling(is_on=True))
    wait_until(lambda: worker.row().activity == "compiling", "it was told")
    monkeypatch.setattr("grid.tasks.live.run.FROZEN_S", 0.2)
    monkeypatch.setattr("grid.tasks.live.run.FROZEN_INTERVALS", 0.0)
    monkeypatch.setattr("grid.tasks.live.run.QUIET_S", 0.2)
    monkeypatch.setattr(faults, "find_cpu_seconds", lambda _: 1.0)  # it gets no processor
    time.sleep(0.8)
    assert not child.was_killed
    child.say(Compiling(is_on=False))
    wait_until(lambda: child.was_killed, "it was replaced")


def test_a_state_is_stored_before_its_row_and_fetched_for_the_child_that_goes_on_from_it(worker: Worker):
    child = worker.begin()
    file = worker.leave("state-4")
    child.say(Snapshotted(0, 4, 0, file))
    wait_until(lambda: file.key in worker.store.blobs, "it was stored")
    assert list(worker.spool.keys()) == []
    wait_until(lambda: len(_snapshots(worker)) == 1, "its row was written")
    child.die()
    start = _start_of(worker, 1)
    assert [one.key for one in start.snapshots] == [file.key]
    with worker.spool.open(file.key) as fetched:
        assert fetched.read() == b"state-4"
    worker.begin(1)
    wait_until(lambda: list(worker.spool.keys()) == [], "what was fetched was removed")


def test_a_state_that_the_store_refuses_is_reported_as_not_stored(worker: Worker):
    child = worker.begin()
    seq = worker.send(CommandKind.CHECKPOINT)
    state = {"seq": seq, "kind": "checkpoint", "paused": False, "speed": 1.0}
    worker.store.is_full = True
    child.say(
        Looked((LiveEvent(4, 256, 0.1, "state", str(seq), state, "wall"),), None),
        Snapshotted(seq, 4, 0, worker.leave("state-4")),
    )
    wait_until(lambda: _outcome(worker, seq) == ("refused", "The double is full."), "it was refused")
    assert list(worker.spool.keys()) == []


def test_the_files_of_a_result_are_stored_before_the_run_ends_with_them(worker: Worker):
    child = worker.begin()
    files = (worker.leave("temperature.npy"), worker.leave("stress.npy"))
    last = Snapshotted(0, 9, 0, worker.leave("state-9"))
    child.say(RunEnded(9, "ok", "", "ab", files, last))
    row = worker.wait_for(RunState.STOPPED)
    assert set(worker.store.blobs) == {*(file.key for file in files), last.file.key}  # type: ignore[union-attr]
    assert row.tick == 9


def test_a_result_without_room_ends_the_run_and_one_that_cannot_be_stored_now_is_made_again(worker: Worker):
    child = worker.begin()
    real, refusals = worker.store.adopt, [ValueError("a defect")]

    def adopt(key: str, path: Path, *, sha256: str | None = None) -> int:
        if refusals:
            raise refusals.pop()
        return real(key, path, sha256=sha256)

    worker.store.adopt = adopt  # type: ignore[method-assign]
    child.say(RunEnded(9, "ok", "", "ab", (worker.leave("temperature.npy"),)))
    again = worker.begin(1)
    assert worker.row().losses == 0
    worker.store.is_full = True
    again.say(RunEnded(9, "ok", "", "ab", (worker.leave("temperature.npy"),)))
    assert worker.wait_for(RunState.FAILED).reason is RunReason.STORAGE_FULL


def test_files_of_states_that_are_not_kept_any_longer_are_removed_and_a_store_that_is_away_holds_up_nothing(
    worker: Worker,
):
    child = worker.begin()
    kept = [worker.leave(f"state-{tick}") for tick in range(1, 9)]
    for tick, file in enumerate(kept, start=1):
        child.say(Snapshotted(0, tick, 0, file))
    wait_until(lambda: len(kept) in {one.tick for one in _snapshots(worker)}, "the newest was recorded")
    wait_until(lambda: len(_snapshots(worker)) < len(kept), "older ones went")
    wait_until(lambda: len(worker.store.blobs) == len(_snapshots(worker)), "and their files")

    def refuse(key: str) -> None:
        raise UnavailableError("away")

    worker.store.delete = refuse  # type: ignore[method-assign]
    child.say(Snapshotted(0, 20, 0, worker.leave("state-20")), Snapshotted(0, 21, 0, worker.leave("state-21")))
    wait_until(lambda: 21 in {one.tick for one in _snapshots(worker)}, "new ones were recorded")


def _snapshots(worker: Worker) -> list[SnapshotRecord]:
    with worker.uow.read() as tx:
        return list(tx.live_snapshots.of_run(worker.run.id))
