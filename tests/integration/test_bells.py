"""The contract of a doorbell, for those of one machine, that over Redis, and both together; and Redis in trouble."""

import select
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from tests.doubles.bells import MemoryDoorbell
from tests.support.faults.broker import BrokerHistory, Ring
from tests.support.faults.task_checker import check_rings
from tests.support.redis import RedisServer

from grid.cli import doctor
from grid.core.errors import UnavailableError
from grid.core.settings import Settings
from grid.runtime.bus import UnixBellListener, UnixDoorbell
from grid.runtime.paired_bells import PairedDoorbell, PairedListener
from grid.runtime.redis_bus import MOST_WAITING, RedisBellListener, RedisDoorbell
from grid.services.ports import BellListener, Doorbell

PATIENCE_S = 60.0  # turns a hang into a failure


def wait_until(condition: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain until {what}"
        time.sleep(0.005)


def identify() -> str:
    return "here"


@dataclass
class Bell:
    doorbell: Doorbell
    listen: Callable[[str], BellListener]


def listen_to_redis(url: str, topic: str, origin: str = "") -> RedisBellListener:
    """Listen, and wait until that has begun."""
    listener = RedisBellListener(url, identify, topic, origin=origin)
    wait_until(lambda: listener.subscriptions, "it was listening")
    return listener


@pytest.fixture(params=["unix", "memory", "redis", "both", "other-machine"])
def bell(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bell]:
    """A bell of each kind; the listener of `both` leaves rings of its own machine to sockets."""
    kind, opened = request.param, []
    unix, memory = UnixDoorbell(tmp_path), MemoryDoorbell()
    if kind in {"unix", "memory"}:
        doorbell: Doorbell = unix if kind == "unix" else memory
        make = partial(UnixBellListener, tmp_path) if kind == "unix" else memory.listen
    else:
        url = request.getfixturevalue("redis_server").url()
        far = RedisDoorbell(url, identify, origin="a")
        opened.append(far)
        folder = tmp_path if kind == "both" else tmp_path / "other"
        doorbell = far if kind == "redis" else PairedDoorbell(unix, far)

        def make(topic: str) -> BellListener:
            if kind == "redis":
                return listen_to_redis(url, topic)
            origin = "a" if kind == "both" else "b"
            return PairedListener(lambda: UnixBellListener(folder, topic), lambda: listen_to_redis(url, topic, origin))

    def listen(topic: str) -> BellListener:
        opened.append(make(topic))
        return opened[-1]

    yield Bell(doorbell, listen)
    for each in opened:
        each.close()


def hear(listener: BellListener, least: int = 1) -> int:
    """Wait for so many rings and return how many came."""
    count, deadline = 0, time.monotonic() + PATIENCE_S
    while count < least:
        assert time.monotonic() < deadline, f"heard {count} rings of {least}"
        select.select([listener], [], [], 1.0)
        count += listener.drain()
    return count


def is_readable(listener: BellListener) -> bool:
    return bool(select.select([listener], [], [], 0)[0])


# --- the contract


def test_a_ring_makes_the_listener_readable_until_it_is_drained(bell: Bell):
    listener = bell.listen("work")
    assert not is_readable(listener)
    bell.doorbell.ring("work")
    bell.doorbell.ring("work", uuid4())

    assert hear(listener, 2) == 2
    assert not is_readable(listener)
    assert listener.drain() == 0


def test_everybody_who_listens_to_the_topic_hears_it_and_nobody_else(bell: Bell):
    workers, server = [bell.listen("work") for _ in range(5)], bell.listen("changes")
    bell.doorbell.ring("work")

    assert [hear(worker) for worker in workers] == [1] * 5
    assert server.drain() == 0


def test_a_ring_that_nobody_hears_is_silent(bell: Bell):
    bell.doorbell.ring("work", UUID(int=1))


def test_a_listener_that_never_drains_does_not_hold_the_ringer_up(bell: Bell):
    deaf, awake = bell.listen("work"), bell.listen("work")
    for place in range(10_000):  # more than a socket of datagrams holds
        bell.doorbell.ring("work")
        if place % 100 == 0:
            assert hear(awake) > 0

    assert hear(deaf) > 0


def test_a_closed_listener_is_no_longer_rung(bell: Bell):
    listener = bell.listen("work")
    listener.close()
    listener.close()

    bell.doorbell.ring("work")


def test_the_hint_is_kept(bell: Bell):
    listener = bell.listen("work")
    bell.doorbell.ring("work", hint := uuid4())
    hear(listener)

    assert listener.last_hint == hint


# --- Redis


@pytest.fixture
def doorbell(own_redis: RedisServer) -> Iterator[RedisDoorbell]:
    ringer = RedisDoorbell(own_redis.url(), identify)
    yield ringer
    ringer.close()


@pytest.fixture
def listener(own_redis: RedisServer) -> Iterator[RedisBellListener]:
    listening = listen_to_redis(own_redis.url(), "work")
    yield listening
    listening.close()


def test_rings_are_heard_again_whenever_redis_comes_back(
    own_redis: RedisServer, doorbell: RedisDoorbell, listener: RedisBellListener
):
    rung, heard, away = [], [], []
    for round_ in range(5):
        rung.append(Ring("work", time.time()))
        doorbell.ring("work", UUID(int=round_))
        hear(listener)
        heard.append(Ring("work", time.time(), "listener"))
        began, before = time.time(), listener.subscriptions
        own_redis.kill()
        rung.append(Ring("work", time.time()))
        doorbell.ring("work")
        wait_until(lambda: doorbell.problem, "the trouble was told")
        own_redis.restart()
        wait_until(lambda before=before: listener.subscriptions > before, "it listened again")
        hear(listener)  # what may have been missed is looked for once
        doorbell.ring("work")
        wait_until(lambda: not doorbell.problem, "the trouble was over")
        away.append((began, time.time()))
        hear(listener)

    assert doorbell.lost > 0
    history = BrokerHistory(rung=rung, heard=heard, listeners={"work": ("listener",)}, away=away)
    assert check_rings(history) == []


def test_a_redis_that_hangs_holds_no_ringer_up_and_the_newest_rings_stay(
    own_redis: RedisServer, doorbell: RedisDoorbell, listener: RedisBellListener
):
    own_redis.process.send_signal(signal.SIGSTOP)
    for number in range(10_000):  # a ring that waited for an answer would never return
        doorbell.ring("work", UUID(int=number))
    wait_until(lambda: doorbell.problem, "the trouble was told")

    assert doorbell.problem == "Redis does not answer."
    assert doorbell.lost >= 10_000 - MOST_WAITING - 2
    own_redis.process.send_signal(signal.SIGCONT)
    wait_until(lambda: listener.drain() and listener.last_hint == UUID(int=9_999), "the last ring was heard")


def test_equal_rings_that_wait_become_one(own_redis: RedisServer, doorbell: RedisDoorbell):
    own_redis.process.send_signal(signal.SIGSTOP)
    for _ in range(1000):
        doorbell.ring("work")

    assert doorbell.lost <= 2


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("redis://nowhere.invalid/1", "Redis cannot be reached."),
        ("redis://127.0.0.1:1/1", "Redis cannot be reached."),
        ("redis://:wrong@127.0.0.1:{port}/1", "Redis refuses the name or the password in REDIS_URL."),
    ],
)
def test_a_redis_that_cannot_be_used_is_a_sentence_without_its_address(redis_server, url: str, problem: str):
    ringer = RedisDoorbell(url.format(port=redis_server.port), identify)
    listening = RedisBellListener(url.format(port=redis_server.port), identify, "work")
    ringer.start()
    wait_until(lambda: ringer.problem and listening.problem, "the trouble was told")

    assert (ringer.problem, listening.problem) == (problem, problem)
    assert listening.drain() == 0
    ringer.close()
    listening.close()


def test_a_user_without_the_right_to_the_channels_is_told(redis_server: RedisServer):
    assert redis_server.send("ACL", "SETUSER", "poor", "on", ">poor", "+@all", "resetchannels") == b"+OK\r\n"
    ringer = RedisDoorbell(f"redis://poor:poor@127.0.0.1:{redis_server.port}/1", identify)
    ringer.ring("work")
    wait_until(lambda: ringer.problem, "the trouble was told")

    assert ringer.problem == "The user in REDIS_URL may not use the channels grid:*."
    ringer.close()


def test_two_installations_on_one_redis_do_not_hear_each_other(redis_server: RedisServer):
    here = listen_to_redis(redis_server.url(), "work")
    other = RedisDoorbell(redis_server.url(2), lambda: "there")
    own = RedisDoorbell(redis_server.url(3), identify)  # publications cross the numbered databases
    other.ring("work", UUID(int=1))
    wait_until(lambda: not other._waiting, "the other ring was on its way")
    other.close()
    own.ring("work", UUID(int=2))

    assert hear(here) == 1
    assert here.last_hint == UUID(int=2)
    own.close()
    here.close()


def test_rings_wait_until_the_installation_is_known(redis_server: RedisServer, listener: RedisBellListener):
    answers = iter([UnavailableError("The database is away."), "here"])

    def find() -> str:
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    ringer = RedisDoorbell(redis_server.url(), find)
    ringer.start()
    ringer.ring("work")  # lost with the first try
    wait_until(lambda: ringer.problem, "the trouble was told")
    ringer.ring("work", UUID(int=4))

    assert hear(listener) == 1
    wait_until(lambda: ringer.problem == "", "the trouble was over")  # noted behind the publication that was heard
    ringer.close()


def test_what_others_publish_is_a_ring_without_a_hint(redis_server: RedisServer, listener: RedisBellListener):
    for words in ("nonsense", "a:nonsense", ":", "\u2713:00"):
        redis_server.send("PUBLISH", "grid:here:bell:work", words)

    assert hear(listener, 4) == 4
    assert listener.last_hint is None


def test_a_closed_listener_ends_its_thread(redis_server: RedisServer):
    closed = listen_to_redis(redis_server.url(), "work")
    closed.close()
    closed.thread.join(PATIENCE_S)

    assert not closed.thread.is_alive()
    assert closed.drain() == 0


# --- grid doctor


def find_verdicts(url: str, tmp_path: Path) -> list[tuple[str, str]]:
    settings = Settings(_env_file=None, grid_home=tmp_path, redis_url=url)
    return [(finding.verdict, finding.sentence) for finding in doctor._broker(settings)]


def test_doctor_says_how_redis_does(own_redis: RedisServer, tmp_path: Path):
    url = own_redis.url()
    assert find_verdicts(url, tmp_path) == [("good", "Redis answers.")]

    own_redis.send("CONFIG", "SET", "maxmemory-policy", "volatile-lru")
    ((verdict, sentence),) = find_verdicts(url, tmp_path)
    own_redis.send("CONFIG", "SET", "maxmemory-policy", "noeviction")
    assert (verdict, "volatile-lru" in sentence) == ("note", True)
    ((verdict, sentence),) = find_verdicts(own_redis.url(password="wrong"), tmp_path)
    assert (verdict, "wrong" in sentence) == ("note", False)
    own_redis.kill()
    assert find_verdicts(url, tmp_path)[0][1].startswith("Redis cannot be reached.")


def test_doctor_refuses_a_cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, redis_server: RedisServer):
    monkeypatch.setattr("redis.Redis.info", lambda _: {"cluster_enabled": 1})

    assert find_verdicts(redis_server.url(), tmp_path)[0][0] == "unsafe"


def test_doctor_says_nothing_of_a_redis_that_is_not_used(tmp_path: Path):
    assert list(doctor._broker(Settings(_env_file=None, grid_home=tmp_path))) == []
