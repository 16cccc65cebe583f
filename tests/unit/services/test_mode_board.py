"""Modes of the service and of runs: advanced by signals, kept in rows, told on timelines, shown without a database."""

import shutil
from datetime import timedelta

import pytest
from tests.support import live_runs as words
from tests.support.alert_stage import staged
from tests.support.ledgers import add_owner

from grid.core.errors import UnavailableError
from grid.core.ids import new_id
from grid.database.mode_states import SERVICE
from grid.database.outbox import Event
from grid.schemas.live import CommandKind
from grid.services import live
from grid.services.incidents.following import IncidentFollower
from grid.services.incidents.runbooks import RunbookFolder
from grid.services.incidents.working import IncidentService
from grid.services.live import LiveLimits
from grid.services.mode_board import ModeBoard, ModeLoop
from grid.services.outbox import relay


class Service:
    """Modes of a stage, with signals that the test sets."""

    def __init__(self, stage, folder):
        self.stage, self.rings, self.commit_s, self.readings = stage, True, 0.01, 0
        self.folder, self.stores = folder, True
        self.restart()

    def restart(self):
        self.board = ModeBoard(self.stage.uow)
        self.loop = ModeLoop(
            self.stage.uow,
            self.board,
            self.folder,
            lambda: self.rings,
            timedelta(seconds=20),
            can_store=lambda: self.stores,
            clock=self.clock,
        )

    def clock(self):
        """Each reading is later than the one before by what a commit takes."""
        self.readings += 1
        return self.readings * self.commit_s

    def turn(self, seconds=1, **sample):
        for _ in range(seconds):
            self.stage.clock.advance(1.0)
            with self.stage.uow.begin() as tx:
                tx.workers.beat("worker-1", host="here", pid=1, details={})
            if sample:
                self.stage.sample(**sample)
            self.loop.take_turn()

    def rung(self, part, scope=SERVICE):
        return {(one.part, one.scope): one.rung for one in self.board.records()}.get((part, scope))


@pytest.fixture
def service(sqlite_maker, tmp_path):
    with staged(sqlite_maker, tmp_path, follow=IncidentFollower(RunbookFolder(tmp_path))) as stage:
        yield Service(stage, tmp_path)


@pytest.fixture
def service_anywhere(database_maker, tmp_path):
    """The same on either database, for what asks it the most."""
    with staged(database_maker, tmp_path, follow=IncidentFollower(RunbookFolder(tmp_path))) as stage:
        yield Service(stage, tmp_path)


def test_full_service_is_full(service):
    service.turn(3, ratio=1.0)

    assert service.board.describe() == "full"
    assert service.board.describe(service.stage.held.run_id) == "full"
    assert {one.part for one in service.board.records()} == {
        "store", "workers", "bell", "notices", "artifacts", "physics", "stream",
    }  # fmt: skip


def test_a_slow_run_is_its_own_and_comes_back_later(service_anywhere):
    service = service_anywhere
    run_id = service.stage.held.run_id
    service.turn(2, ratio=1.0)
    service.turn(5, ratio=0.6)

    assert service.rung("physics", str(run_id)) == 1
    assert service.board.describe(run_id) == "degraded; physics=1"
    assert service.board.describe(new_id()) == service.board.describe() == "full"
    service.turn(10, ratio=1.0)
    assert service.rung("physics", str(run_id)) == 1
    service.turn(7, ratio=1.0)
    assert service.rung("physics", str(run_id)) == 0
    events = live.read_events(service.stage.uow, owner_id=None, run_id=run_id, kinds=("mode",))
    assert [(event.payload["part"], event.payload["rung"]) for event in events] == [("physics", 1), ("physics", 0)]


def test_a_run_that_is_not_heard_of_is_frozen_and_a_paused_one_is_not(service):
    run_id = service.stage.held.run_id
    service.turn(2, ratio=1.0)
    service.turn(7)
    assert service.rung("physics", str(run_id)) == 3
    service.turn(2, ratio=1.0)
    assert service.rung("physics", str(run_id)) == 0

    words.send(service.stage.uow, run_id, CommandKind.PAUSE)
    live.pause_run(service.stage.uow, service.stage.held)
    service.turn(20)
    assert service.rung("physics", str(run_id)) == 0


def test_a_slow_commit_holds_the_store_and_the_service_says_so(service):
    service.turn(2, ratio=1.0)
    service.commit_s = 1.5
    service.turn(1, ratio=1.0)
    assert service.board.describe() == "degraded; store=1"
    record = next(one for one in service.board.records() if one.part == "store")
    assert record.evidence["commit_s"] > 1.0
    assert "slow" in record.reason
    service.commit_s = 0.01
    service.turn(9, ratio=1.0)
    assert service.rung("store") == 1
    service.turn(3, ratio=1.0)
    assert service.rung("store") == 0


def test_a_bell_that_does_not_ring_and_no_worker(service):
    service.turn(1, ratio=1.0)
    service.rings = False
    service.turn(4, ratio=1.0)
    assert service.rung("bell") == 1
    service.stage.clock.advance(60.0)
    service.loop.take_turn()
    assert service.rung("workers") == 2
    assert "workers=2" in service.board.describe()
    service.rings = True
    service.turn(12, ratio=1.0)
    assert (service.rung("bell"), service.rung("workers")) == (0, 0)


def test_results_that_cannot_be_stored_are_told_until_they_can(service):
    service.turn(1, ratio=1.0)
    service.stores = False
    service.turn(1, ratio=1.0)
    assert service.rung("artifacts") == 1
    assert "artifacts=1" in service.board.describe()
    service.stores = None  # not known: neither
    service.turn(12, ratio=1.0)
    assert service.rung("artifacts") == 1
    service.stores = True
    service.turn(12, ratio=1.0)
    assert service.rung("artifacts") == 0


def test_runs_that_wait_say_that_workers_are_full(service):
    service.turn(1, ratio=1.0)
    words.submissions(service.stage.uow, LiveLimits(runs_of_owner=9, waiting_runs=9)).submit(
        add_owner(service.stage.uow, "bob"), words.SPEC
    )
    service.turn(5, ratio=1.0)
    assert service.rung("workers") == 1
    assert words.claim(service.stage.uow, "worker-2") is not None
    service.turn(6, ratio=1.0)
    assert service.rung("workers") == 0


def test_timers_survive_a_restart(service_anywhere):
    service = service_anywhere
    run_id = str(service.stage.held.run_id)
    service.turn(2, ratio=1.0)
    for _ in range(4):
        service.restart()
        service.turn(1, ratio=0.6)
    assert service.rung("physics", run_id) == 1
    since = next(one for one in service.board.records() if one.scope == run_id).since
    service.restart()
    service.turn(3, ratio=0.6)
    assert next(one for one in service.board.records() if one.scope == run_id).since == since


def test_a_change_is_on_the_timeline_of_every_open_incident(service):
    stage = service.stage
    service.turn(1, ratio=1.0)
    incidents = IncidentService(stage.uow, words.commands(stage.uow), RunbookFolder(service.folder))
    opened = incidents.open(actor_id=stage.owner, owner_id=stage.owner, run_id=stage.held.run_id, title="x")
    service.rings = False
    service.turn(4, ratio=1.0)

    view = incidents.get(owner_id=stage.owner, incident_id=opened.record.id)
    (entry,) = [entry for entry in view.entries if entry.kind == "mode"]
    assert (entry.content["part"], entry.content["rung"]) == ("bell", 1)


def test_a_database_that_is_away_is_shown(sqlite_maker, tmp_path, monkeypatch):
    with staged(sqlite_maker, tmp_path) as stage:
        service = Service(stage, tmp_path)
        service.turn(1, ratio=1.0)

        def refuse(*_args):
            raise UnavailableError("away")

        monkeypatch.setattr(type(stage.uow), "begin", refuse)
        monkeypatch.setattr(type(stage.uow), "read", refuse)
        with pytest.raises(UnavailableError):
            service.loop.take_turn()

        assert service.board.describe() == "degraded; store=1"
        assert next(one for one in service.board.records() if one.part == "store").evidence == {"commit_s": "inf"}


def test_a_run_that_has_ended_has_no_mode_any_more(service):
    service.turn(1, ratio=1.0)
    words.send(service.stage.uow, service.stage.held.run_id, CommandKind.STOP)
    live.conclude_run(service.stage.uow, service.stage.held, {"files": []}, tick=service.stage.tick)
    service.turn(1)

    assert service.rung("physics", str(service.stage.held.run_id)) is None


def test_pictures_that_cost_too_much_or_do_not_come_are_the_runs_own(service):
    run_id = str(service.stage.held.run_id)
    fine = {"ratio": 1.0, "encode_share": 0.05, "frames_stopped": 0.0, "has_frames": 1.0}
    service.turn(2, **fine)
    assert service.rung("stream", run_id) == 0
    service.turn(2, **fine | {"encode_share": 0.5})
    assert service.rung("stream", run_id) == 1
    service.turn(1, **fine | {"encode_share": 12.0, "frames_stopped": 1.0})
    assert service.rung("stream", run_id) == 2
    service.turn(3, **fine | {"has_frames": 0.0})
    assert service.rung("stream", run_id) == 3
    service.turn(33, **fine)
    assert service.rung("stream", run_id) == 0
    events = live.read_events(service.stage.uow, owner_id=None, run_id=service.stage.held.run_id, kinds=("mode",))
    assert [event.payload["rung"] for event in events if event.payload["part"] == "stream"] == [1, 2, 3, 2, 1, 0]


def test_a_lease_that_is_not_renewed_fences_the_store_until_the_next_claim(service):
    stage, run_id = service.stage, service.stage.held.run_id
    live.renew_leases(stage.uow, [stage.held], worker_id="worker-1", lease_s=10.0)
    service.turn(7, ratio=1.0)
    assert service.rung("store") == 0
    service.turn(2, ratio=1.0)
    assert service.rung("store") == 3
    service.turn(3, ratio=1.0)
    assert live.reap_runs(stage.uow).interrupted == 1
    service.turn(2)
    assert service.rung("store") == 3
    again = live.claim_run(stage.uow, worker_id="worker-2", cores=4.0, lease_s=1e6)
    assert again is not None
    assert again.claim.run_id == run_id
    service.turn(1)
    assert service.rung("store") == 0


def test_a_run_that_is_given_back_in_order_is_not_fenced(service):
    service.turn(1, ratio=1.0)
    live.hand_back_runs(service.stage.uow, [service.stage.held])
    service.turn(3)
    assert service.rung("store") == 0


def test_a_full_disk_makes_the_store_read_only(service, monkeypatch):
    usage = shutil.disk_usage(service.folder)
    service.turn(1, ratio=1.0)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=int(0.04 * usage.total)))
    service.turn(1, ratio=1.0)
    assert service.board.describe() == "degraded; store=2"
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=int(0.5 * usage.total)))
    service.turn(31, ratio=1.0)
    assert service.rung("store") == 0


def test_notices_that_wait_are_told_until_they_have_been_sent_for_a_while(service):
    stage = service.stage
    relay(stage.uow)
    service.turn(1, ratio=1.0)
    with stage.uow.begin() as tx:
        tx.outbox.add([Event("x", 1, "x", {})])
    stage.clock.advance(59.0)
    service.turn(1, ratio=1.0)
    assert service.rung("notices") == 0
    service.turn(1, ratio=1.0)
    assert service.rung("notices") == 1
    rungs = []
    for _ in range(5):
        relay(stage.uow)
        stage.clock.advance(14.0)
        service.turn(1, ratio=1.0)
        rungs.append(service.rung("notices"))
    assert rungs == [1, 1, 1, 1, 0]
