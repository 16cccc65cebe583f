"""Maintenance of the ledger: the reaper and the outbox relay, which go on whatever happens to the database."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from tests.doubles.bells import MemoryDoorbell
from tests.support.ledgers import add_owner, claim, get_job, submit
from tests.support.service import CountingBell, open_service
from tests.support.workers import wait_until

from grid.core.errors import UnavailableError
from grid.database.uow import UnitOfWork
from grid.services import ledger
from grid.services import maintenance as module
from grid.services.maintenance import make_outbox_relay, make_reaper
from grid.services.outbox import relay as relay_once
from grid.services.periodic import PeriodicTask
from grid.services.reaper import ReapReport

PATIENCE_S = 30.0


@pytest.fixture
def service(tmp_path):
    with open_service(tmp_path) as opened:
        yield opened


@contextmanager
def running(task: PeriodicTask) -> Iterator[None]:
    task.start()
    try:
        yield
    finally:
        task.stop(PATIENCE_S)
    assert not task.is_alive()


class SignallingBell(CountingBell):
    """A bell that lets a test wait for a ring."""

    def __init__(self) -> None:
        super().__init__()
        self.rung = threading.Event()

    def ring(self, topic, hint=None) -> None:
        super().ring(topic, hint)
        self.rung.set()


def test_what_was_committed_is_announced_without_a_worker(service):
    job_id = service.submit(simulation="noop").job_ids[0]
    bell = SignallingBell()
    with running(make_outbox_relay(service.uow, bell)):
        assert bell.rung.wait(PATIENCE_S)

    with service.uow.read() as tx:
        assert tx.outbox.backlog() == 0
        assert [message.aggregate for message in tx.outbox.stream(after=0)] == [f"job:{job_id}"]
    assert bell.rings[0] == ("changes", None)


def test_an_idle_relay_takes_no_write_lock_to_look_for_events(service, monkeypatch):
    bell = CountingBell()
    task = make_outbox_relay(service.uow, bell)
    monkeypatch.setattr(service.uow, "begin", lambda: pytest.fail("a write transaction"))

    task._action()

    assert bell.rings == []


def test_the_relay_empties_the_outbox_and_rings_for_each_group(sqlite_uow: UnitOfWork, monkeypatch: pytest.MonkeyPatch):
    uow, bell, owner = sqlite_uow, MemoryDoorbell(), add_owner(sqlite_uow)
    monkeypatch.setattr(module, "RELAY_LIMIT", 2)
    for job in [submit(uow, owner)[0] for _ in range(5)]:
        ledger.cancel(uow, owner_id=owner, job_id=job, by="cancelled_by_user")  # type: ignore[arg-type]

    make_outbox_relay(uow, bell)._action()

    with uow.read() as tx:
        assert (tx.outbox.backlog(), len(tx.outbox.stream(after=0))) == (0, 5)
    assert bell.rings == [("changes", None)] * 3


def test_a_group_that_is_not_full_ends_the_turn_of_the_relay(service, monkeypatch):
    service.submit(simulation="noop")
    groups = []

    def relay(uow, *, limit):
        groups.append(relay_once(uow, limit=limit))
        service.submit(simulation="noop")  # somebody goes on submitting
        return groups[-1]

    monkeypatch.setattr(module, "relay", relay)
    make_outbox_relay(service.uow, CountingBell())._action()

    assert [len(group) for group in groups] == [1]


def test_a_full_round_of_the_reaper_is_followed_by_the_next_one(service, monkeypatch):
    rounds = [ReapReport(requeued=100), ReapReport(expired=60, cancelled=40), ReapReport(poisoned=1)]
    seen = []
    monkeypatch.setattr(module, "reap", lambda *_, **__: rounds.pop(0))
    bell = CountingBell()
    make_reaper(service.uow, bell, on_reaped=seen.append)._action()

    assert [report.total for report in seen] == [100, 100, 1]
    assert bell.rings == [("work", None)]


def test_the_reaper_rings_when_it_requeued_something(sqlite_uow: UnitOfWork):
    uow, bell = sqlite_uow, MemoryDoorbell()
    (job_id,) = submit(uow, add_owner(uow))
    task = make_reaper(uow, bell)
    task._action()
    assert bell.rings == []
    assert claim(uow, lease_s=0.01)
    wait_until(lambda: task._action() or bell.rings, "the lease was over")
    assert bell.rings == [("work", None)]
    assert get_job(uow, job_id).worker_losses == 1


@pytest.mark.parametrize("failure", [UnavailableError("away"), RuntimeError("a mistake")])
def test_an_outage_is_survived_and_the_work_is_done_afterwards(service, monkeypatch, failure):
    service.submit(simulation="noop")
    bell, calls = SignallingBell(), []

    def relay(uow, *, limit):
        calls.append(1)
        if len(calls) < 3:
            raise failure
        return relay_once(uow, limit=limit)

    monkeypatch.setattr(module, "relay", relay)
    with running(make_outbox_relay(service.uow, bell, every_s=0.001)):
        assert bell.rung.wait(PATIENCE_S)

    assert len(calls) >= 3
