"""Watchers of units: answered by what the ledger says, all at the end, and by nothing else."""

from collections.abc import Callable, Collection, Iterator
from threading import Thread
from typing import Any
from uuid import UUID

import pytest
from tests.doubles.bells import MemoryDoorbell
from tests.support.workers import wait_until

from grid.core.errors import UnavailableError
from grid.services.units import Unit, UnitState
from grid.tasks.watching import UnitWatch

JOB, OTHER = UUID(int=1), UUID(int=2)


class Ledger:
    """States by unit, as a test sets them."""

    def __init__(self) -> None:
        self.states: dict[Unit, UnitState] = {}
        self.looks: list[set[Unit]] = []
        self.failures: list[Exception] = []

    def read(self, units: Collection[Unit]) -> dict[Unit, UnitState]:
        self.looks.append(set(units))
        if self.failures:
            raise self.failures.pop()
        return {unit: self.states[unit] for unit in units if unit in self.states}


class Waiting:
    """A watcher in a thread of its own."""

    def __init__(self, watch: UnitWatch, name: object, queue: object = "small") -> None:
        self.answer: dict[str, Any] | None = None
        self._thread = Thread(target=lambda: setattr(self, "answer", watch.watch(name, queue)), daemon=True)
        self._thread.start()

    def join(self) -> dict[str, Any]:
        self._thread.join(30)
        assert self.answer is not None, "the watcher was not answered"
        return self.answer


@pytest.fixture
def ledger() -> Ledger:
    return Ledger()


@pytest.fixture
def bell() -> MemoryDoorbell:
    return MemoryDoorbell()


@pytest.fixture
def watch(ledger: Ledger, bell: MemoryDoorbell, monkeypatch: pytest.MonkeyPatch) -> Iterator[UnitWatch]:
    monkeypatch.setattr("grid.tasks.watching.LEAST_GAP_S", 0.01)
    monkeypatch.setattr("grid.tasks.watching.LOOK_EVERY_S", 0.05)
    watching = UnitWatch(ledger.read, bell.ring, bell.listen("changes"))
    watching.start()
    yield watching
    watching.stop()
    assert not watching.is_alive()


def test_a_watcher_is_answered_when_its_unit_has_ended_and_not_before(ledger: Ledger, watch: UnitWatch):
    ledger.states[Unit(JOB)] = UnitState("running")
    waiting = Waiting(watch, str(JOB))
    wait_until(lambda: len(ledger.looks) > 3, "it had looked")
    assert waiting.answer is None

    ledger.states[Unit(JOB)] = UnitState("failed", "diverged", is_ended=True)
    assert waiting.join() == {"id": str(JOB), "status": "failed", "reason": "diverged"}


def test_the_workers_of_the_machine_are_rung_with_the_hint(ledger: Ledger, watch: UnitWatch, bell: MemoryDoorbell):
    ledger.states[Unit(JOB)] = UnitState("success", "ok", is_ended=True)
    ledger.states[Unit(OTHER, is_run=True)] = UnitState("stopped", "ok", is_ended=True)
    Waiting(watch, str(JOB)).join()
    Waiting(watch, str(OTHER), "live").join()

    assert bell.rings == [("work", JOB), ("live", OTHER)]


def test_one_look_is_for_all_watchers(ledger: Ledger, watch: UnitWatch):
    units = [Unit(UUID(int=number)) for number in range(20)]
    ledger.states.update(dict.fromkeys(units, UnitState("running")))
    waiting = [Waiting(watch, unit.name) for unit in units]
    wait_until(lambda: any(look == set(units) for look in ledger.looks), "all were looked for at once")
    ledger.states.update(dict.fromkeys(units, UnitState("success", "ok", is_ended=True)))

    assert {each.join()["status"] for each in waiting} == {"success"}


@pytest.mark.parametrize(
    ("name", "queue"), [("nonsense", "small"), (str(JOB), "other"), (None, None), ({"id": str(JOB)}, "small")]
)
def test_what_is_no_unit_is_answered_without_a_look(ledger, watch, bell, name, queue):
    assert Waiting(watch, name, queue).join() == {"id": None, "status": "unknown", "reason": None}
    assert bell.rings == []


def test_a_unit_that_there_is_not_is_answered_so(watch: UnitWatch):
    assert Waiting(watch, str(JOB)).join() == {"id": str(JOB), "status": "unknown", "reason": None}


@pytest.mark.parametrize(
    ("state", "status"),
    [
        (UnitState("running", is_held=True), "running"),
        (UnitState("parked", is_ended=True), "parked"),
        (UnitState("stopped", "ok", is_ended=True, is_held=True), "stopped"),
    ],
)
def test_a_live_run_is_watched_until_a_worker_has_it(ledger: Ledger, watch: UnitWatch, state: UnitState, status: str):
    ledger.states[Unit(JOB, is_run=True)] = UnitState("queued")
    waiting = Waiting(watch, str(JOB), "live")
    wait_until(lambda: len(ledger.looks) > 2, "it had looked")
    assert waiting.answer is None

    ledger.states[Unit(JOB, is_run=True)] = state
    assert waiting.join()["status"] == status


def test_a_late_unit_is_watched_no_longer(ledger: Ledger, watch: UnitWatch):
    ledger.states[Unit(JOB)] = UnitState("queued", is_late=True)

    assert Waiting(watch, str(JOB)).join()["status"] == "unwatched"


@pytest.mark.parametrize("end", [UnitWatch.hand_back, UnitWatch.stop])
def test_at_the_end_everybody_is_handed_back_and_who_comes_later_at_once(
    ledger: Ledger, watch: UnitWatch, end: Callable[[UnitWatch], None]
):
    units = [Unit(UUID(int=number)) for number in range(10)]
    ledger.states.update(dict.fromkeys(units, UnitState("running")))
    waiting = [Waiting(watch, unit.name) for unit in units]
    wait_until(lambda: ledger.looks and len(ledger.looks[-1]) == 10, "all were watched")
    end(watch)

    assert {each.join()["status"] for each in waiting} == {"handed-back"}
    assert Waiting(watch, str(JOB)).join()["status"] == "handed-back"


def test_a_unit_that_is_published_again_is_watched_once(ledger: Ledger, watch: UnitWatch):
    ledger.states[Unit(JOB)] = UnitState("running")
    first = Waiting(watch, str(JOB))
    wait_until(lambda: ledger.looks, "it was watched")
    second = Waiting(watch, str(JOB))

    assert first.join()["status"] == "handed-back"
    ledger.states[Unit(JOB)] = UnitState("success", "ok", is_ended=True)
    assert second.join()["status"] == "success"


@pytest.mark.parametrize("failure", [UnavailableError("The database is away."), ValueError("A defect.")])
def test_a_look_that_fails_answers_nobody_and_the_next_one_does(ledger: Ledger, watch: UnitWatch, failure: Exception):
    ledger.failures = [failure] * 3
    ledger.states[Unit(JOB)] = UnitState("success", "ok", is_ended=True)

    assert Waiting(watch, str(JOB)).join()["status"] == "success"
    assert len(ledger.looks) >= 4
