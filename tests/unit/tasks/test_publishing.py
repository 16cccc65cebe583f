"""The publisher of units: behind the relay, in order, patient with its broker, and silent where nobody watches."""

from collections.abc import Iterator, Sequence
from datetime import timedelta
from threading import Event
from uuid import UUID

import pytest
from tests.support.workers import wait_until

from grid.core.errors import ConfigurationError
from grid.core.settings import Settings
from grid.services.units import Publication, Unit
from grid.tasks import publishing
from grid.tasks.publishing import CeleryLook, UnitPublisher, start_publisher


class Broker:
    """Takes publications, unless a test says otherwise."""

    def __init__(self) -> None:
        self.taken: list[int] = []
        self.failures = 0
        self.is_free = Event()
        self.is_free.set()

    def send(self, publications: Sequence[Publication]) -> None:
        self.is_free.wait(30)
        if self.failures:
            self.failures -= 1
            raise ConnectionError
        self.taken += [each.number for each in publications]


def find(numbers: range) -> list[Publication]:
    return [Publication(Unit(UUID(int=number)), "small", number) for number in numbers]


@pytest.fixture
def broker() -> Broker:
    return Broker()


@pytest.fixture
def publisher(broker: Broker, monkeypatch: pytest.MonkeyPatch) -> Iterator[UnitPublisher]:
    monkeypatch.setattr(publishing, "FIRST_PAUSE_S", 0.001)
    made = UnitPublisher(find, broker.send, lambda: True)
    made.start()
    yield made
    made.stop()
    assert not made.is_alive()


def test_units_are_published_in_the_order_of_their_events(broker: Broker, publisher: UnitPublisher):
    for numbers in (range(1, 3), range(3, 4), range(4, 7)):
        publisher.publish(numbers)
    wait_until(lambda: len(broker.taken) == 6, "all were sent")

    assert broker.taken == [1, 2, 3, 4, 5, 6]


def test_a_broker_that_hangs_does_not_hold_the_relay_up_and_the_newest_events_stay(
    broker: Broker, publisher: UnitPublisher, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(publishing, "MOST_RANGES", 5)
    broker.is_free.clear()
    publisher.publish(range(1))
    wait_until(lambda: not publisher._ranges, "the first was on its way")
    for number in range(1, 101):
        publisher.publish(range(number, number + 1))
    broker.is_free.set()
    wait_until(lambda: 100 in broker.taken, "the last was sent")

    assert broker.taken == [0, 96, 97, 98, 99, 100]
    assert publisher.dropped == 95


def test_what_a_broker_did_not_take_is_sent_when_it_is_back(broker: Broker, publisher: UnitPublisher):
    broker.failures = 4
    publisher.publish(range(1, 3))
    publisher.publish(range(3, 4))
    wait_until(lambda: 3 in broker.taken, "all were sent")

    assert broker.taken == [1, 2, 3]


def test_a_publisher_whose_broker_is_away_ends_when_it_is_told_to(broker: Broker):
    broker.failures = 10**9
    made = UnitPublisher(find, broker.send, lambda: True)
    made.start()
    made.publish(range(1, 2))
    wait_until(lambda: made._failures, "it had tried")
    made.stop(30)

    assert not made.is_alive()


def test_nothing_is_sent_where_nobody_watches(broker: Broker):
    answers = iter([False, True])
    made = UnitPublisher(find, broker.send, lambda: next(answers))
    made.start()
    made.publish(range(1, 2))
    made.publish(range(2, 3))
    wait_until(lambda: broker.taken, "the second was sent")
    made.stop()

    assert broker.taken == [2]


def test_somebody_watches_while_a_worker_under_celery_is_alive(uow, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(publishing, "LOOK_EVERY_S", -1.0)
    look = CeleryLook(uow, timedelta(seconds=20))

    def beat(name: str, *, celery: bool) -> None:
        with uow.begin() as tx:
            tx.workers.beat(name, host="here", pid=1, details={"celery": celery})

    assert not look()
    beat("plain", celery=False)
    assert not look()
    beat("watched", celery=True)
    assert look()
    with uow.begin() as tx:
        tx.workers.stop("watched")
    assert not look()


@pytest.mark.parametrize(
    "values",
    [{}, {"redis_url": "redis://host", "grid_bell": "unix"}, {"redis_url": "redis://host", "grid_bell": "redis"}],
)
def test_without_celery_nothing_is_published(uow, tmp_path, values):
    assert start_publisher(Settings(_env_file=None, grid_home=tmp_path, **values), uow) is None


def test_celery_that_is_asked_for_and_not_installed_is_refused(uow, tmp_path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(publishing, "find_spec", lambda _: None)
    settings = Settings(_env_file=None, grid_home=tmp_path, redis_url="redis://host", grid_bell="celery")

    with pytest.raises(ConfigurationError, match=r"grid-throughput\[scale\]"):
        start_publisher(settings, uow)
