"""The server's share of keeping house: it goes on, whatever happens to the database."""

import threading
from contextlib import contextmanager

import pytest
from tests.support.service import CountingBell, open_service

from grid.core.errors import UnavailableError
from grid.services import maintenance as module
from grid.services.maintenance import LONGEST_PAUSE_S, Maintenance
from grid.services.reaper import ReapReport

PATIENCE_S = 30.0


@pytest.fixture
def service(tmp_path):
    with open_service(tmp_path) as opened:
        yield opened


@contextmanager
def running(keeper: Maintenance):
    keeper.start()
    try:
        yield
    finally:
        keeper.stop()
    assert not keeper._thread.is_alive()


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
    with running(Maintenance(service.uow, bell)):
        assert bell.rung.wait(PATIENCE_S)

    with service.uow.read() as tx:
        assert tx.outbox.backlog() == 0
        assert [message.aggregate for message in tx.outbox.stream(after=0)] == [f"job:{job_id}"]
    assert bell.rings[0] == ("changes", None)


def test_a_quiet_server_takes_no_write_lock_to_look_for_events(service, monkeypatch):
    keeper = Maintenance(service.uow, CountingBell())
    monkeypatch.setattr(service.uow, "begin", lambda: pytest.fail("a write transaction"))

    keeper.relay_once()


def test_a_full_round_of_the_reaper_is_followed_by_the_next_one(service, monkeypatch):
    rounds = [ReapReport(requeued=100), ReapReport(expired=60, cancelled=40), ReapReport(poisoned=1)]
    seen = []
    monkeypatch.setattr(module, "reap", lambda *_, **__: rounds.pop(0))
    bell = CountingBell()
    Maintenance(service.uow, bell, on_reaped=seen.append).reap_once()

    assert [report.total for report in seen] == [100, 100, 1]
    assert bell.rings == [("work", None)]


@pytest.mark.parametrize("failure", [UnavailableError("away"), RuntimeError("a mistake")])
def test_an_outage_is_survived_and_the_work_is_done_afterwards(service, monkeypatch, failure):
    service.submit(simulation="noop")
    bell, real, calls = SignallingBell(), module.relay, []

    def relay(uow):
        calls.append(1)
        if len(calls) < 3:
            raise failure
        return real(uow)

    monkeypatch.setattr(module, "relay", relay)
    monkeypatch.setattr(module, "RELAY_EVERY_S", 0.001)
    with running(Maintenance(service.uow, bell)):
        assert bell.rung.wait(PATIENCE_S)

    assert len(calls) >= 3


def test_an_outage_is_logged_once_and_its_end_too(service, monkeypatch, caplog):
    caplog.set_level("INFO")
    keeper = Maintenance(service.uow, CountingBell())
    for _ in range(5):
        keeper._failed(UnavailableError("away"))
    keeper._recovered()
    keeper._recovered()

    events = [record.msg["event"] for record in caplog.records if isinstance(record.msg, dict)]
    assert events == ["maintenance_failed", "maintenance_recovered"]


def test_pauses_grow_with_failures_in_a_row_up_to_a_limit(service):
    keeper = Maintenance(service.uow, CountingBell())
    pauses = []
    for _ in range(12):
        pauses.append(keeper.pause_s)
        keeper._failed(UnavailableError("away"))

    assert pauses == sorted(pauses)
    assert pauses[-1] == LONGEST_PAUSE_S
    keeper._recovered()
    assert keeper.pause_s == pauses[0]


def test_stopping_twice_or_before_the_start_is_harmless(service):
    keeper = Maintenance(service.uow, CountingBell())
    keeper.stop()
    keeper.stop()
