"""The contract of a frame bus, for the real one and its double; and what only sockets can get wrong."""

import asyncio
import contextlib
import gc
import time
import warnings
from dataclasses import dataclass, field
from uuid import uuid4

import numpy as np
import pytest
from tests.doubles.frame_buses import MemoryFrameBus
from tests.support.frame_reader import LIMIT_S, make_picture

from grid.runtime.live import frame_bus
from grid.runtime.live.bus_wire import MOST_BODY, Kind, listen, name_socket, pack_json
from grid.runtime.live.frame_bus import UnixFrameBus
from grid.runtime.live.frame_relay import FrameRelay, RelayedSession
from grid.runtime.live.frames import Stamp, encode_frame
from grid.runtime.live.messages import LiveEvent, Sample
from grid.runtime.live.paired_frames import PairedFrameBus
from grid.runtime.live.publisher import FramePublisher
from grid.runtime.live.redis_frames import RedisFrameBus, end_task
from grid.schemas.frame_requests import FrameRequest
from grid.schemas.frames import decode_frame

# A relay that a test stops may leave a connection to Redis to the garbage collector.
pytestmark = [
    pytest.mark.jit,
    pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture(autouse=True)
def _collected():
    """Collect here what a loop that a test ends leaves of connections to Redis, and not within a later test."""
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


WHOLE = FrameRequest(codec="none")


@dataclass
class Heard:
    """Remembers what it is told."""

    calls: list[tuple] = field(default_factory=list)

    def __getattr__(self, name):
        if not name.startswith("on_"):
            raise AttributeError(name)
        return lambda *given, **named: self.calls.append((name, *given, *named.values()))

    def of(self, name):
        return [call[1:] for call in self.calls if call[0] == name]

    async def until(self, name, count=1):
        end = time.monotonic() + LIMIT_S
        while len(self.of(name)) < count:
            if time.monotonic() > end:
                raise TimeoutError(f"{name}: {self.calls}")
            await asyncio.sleep(0.002)
        return self.of(name)[count - 1]


class UnixOwner:
    """The child of a run."""

    def __init__(self, folder, run_id, epoch):
        self.publisher = FramePublisher(folder / name_socket(run_id, epoch), run_id, epoch)
        self.publisher.start()

    async def show(self, tick, name="temperature"):
        end = time.monotonic() + LIMIT_S
        while name not in self.publisher.wanted(time.monotonic()):
            assert time.monotonic() < end
            await asyncio.sleep(0.002)
        self.publisher.offer(make_picture(tick))

    async def sample(self, tick):
        while not any(link.wants.samples for link in self.publisher._links.values()):
            await asyncio.sleep(0.002)
        self.publisher.offer_sample(Sample(tick, tick, tick / 30, {"mean": (1.0, 1.0, 1.0, 1.0)}))

    def end(self, *, is_final=False):
        self.publisher.close(is_final=is_final)


class MemoryOwner:
    def __init__(self, bus, run_id, epoch):
        self.bus, self.run_id = bus, run_id
        bus.connect(run_id, epoch)

    async def show(self, tick, name="temperature"):
        data = encode_frame(np.full((16, 16), 300.0 + tick), Stamp(tick, tick / 30), name=name)
        self.bus.show(self.run_id, WHOLE, data)

    async def sample(self, tick):
        sample = {"first": tick, "last": tick, "time_s": tick / 30, "values": {"mean": [1.0] * 4}, "pace": {}}
        self.bus.sample(self.run_id, sample)

    def end(self, *, is_final=False):
        self.bus.disconnect(self.run_id, is_final=is_final)


@pytest.fixture(params=["unix", "memory", "redis", "both"])
def make_owner(request, tmp_path):
    """Makes owners of runs, and has the bus that finds them; of `redis` and `both` they are on another machine."""
    owners, memory = [], MemoryFrameBus()
    relay = None
    if request.param in {"redis", "both"}:
        url = request.getfixturevalue("redis_server").url()
        relay = FrameRelay(url, lambda: "here", tmp_path, origin="there")
        relay.start()
        far = RedisFrameBus(url, lambda: "here", origin="here")

    def make(run_id, epoch=1):
        owners.append(
            MemoryOwner(memory, run_id, epoch) if request.param == "memory" else UnixOwner(tmp_path, run_id, epoch)
        )
        return owners[-1]

    make.bus = {
        "unix": lambda: UnixFrameBus(tmp_path),
        "memory": lambda: memory,
        "redis": lambda: far,
        "both": lambda: PairedFrameBus(UnixFrameBus(tmp_path / "nothing"), far),
    }[request.param]()
    yield make
    for owner in owners:
        owner.end()
    if relay is not None:
        relay.stop()
        assert not relay._thread.is_alive()


async def _ended(scenario):
    """Carry a scenario out, and let feeds that it has closed end by themselves, which closes their connections."""
    try:
        await scenario
    finally:
        feeds = [task for task in asyncio.all_tasks() if task.get_name().startswith("redis-frames-")]
        if feeds:
            await asyncio.wait(feeds, timeout=LIMIT_S)


def run(scenario):
    asyncio.run(asyncio.wait_for(_ended(scenario), 2 * LIMIT_S))


# --- the contract


def test_a_run_that_is_followed_shows_what_is_wanted_of_it(make_owner):
    async def scenario():
        run_id, heard, other = uuid4(), Heard(), Heard()
        owner = make_owner(run_id, 3)
        feed, idle = make_owner.bus.follow(run_id, heard), make_owner.bus.follow(run_id, other)
        feed.want({WHOLE: 30.0}, samples=True)
        assert await heard.until("on_connected") == (3,)
        await owner.show(7)
        await owner.sample(8)
        request, data = await heard.until("on_frame")
        assert (request, decode_frame(data).header.tick) == (WHOLE, 7)
        (sample,) = await heard.until("on_sample")
        assert (sample["last"], sample["values"]) == (8, {"mean": [1.0] * 4})
        assert not other.of("on_frame")
        feed.close()
        idle.close()

    run(scenario())


def test_a_run_is_followed_from_epoch_to_epoch_with_the_same_wants(make_owner):
    async def scenario():
        run_id, heard = uuid4(), Heard()
        feed = make_owner.bus.follow(run_id, heard)  # before anybody owns it
        feed.want({WHOLE: 30.0})
        for epoch in (1, 2):
            owner = make_owner(run_id, epoch)
            assert await heard.until("on_connected", epoch) == (epoch,)
            await owner.show(10 * epoch)
            _, data = await heard.until("on_frame", epoch)
            assert decode_frame(data).header.tick == 10 * epoch
            owner.end()
            assert await heard.until("on_lost", epoch) == (False,)
        feed.close()

    run(scenario())


def test_the_end_of_a_run_is_told(make_owner):
    async def scenario():
        run_id, heard = uuid4(), Heard()
        owner = make_owner(run_id)
        feed = make_owner.bus.follow(run_id, heard)
        await heard.until("on_connected")
        owner.end(is_final=True)
        assert await heard.until("on_lost") == (True,)
        feed.close()
        feed.close()

    run(scenario())


def test_nothing_is_told_after_the_end_of_a_feed(make_owner):
    async def scenario():
        run_id, heard, other = uuid4(), Heard(), Heard()
        owner = make_owner(run_id)
        feed, going_on = make_owner.bus.follow(run_id, heard), make_owner.bus.follow(run_id, other)
        for one in (feed, going_on):
            one.want({WHOLE: 30.0})
        await heard.until("on_connected")
        feed.close()
        before = len(heard.calls)
        await owner.show(1)
        await other.until("on_frame")
        assert len(heard.calls) == before
        going_on.close()

    run(scenario())


# --- of sockets


def test_a_newer_epoch_is_taken_though_the_older_owner_is_still_there(tmp_path, monkeypatch):
    monkeypatch.setattr(frame_bus, "LOOK_S", 0.02)

    async def scenario():
        run_id, heard = uuid4(), Heard()
        frozen = UnixOwner(tmp_path, run_id, 1)
        feed = UnixFrameBus(tmp_path).follow(run_id, heard)
        await heard.until("on_connected")
        successor = UnixOwner(tmp_path, run_id, 2)
        assert await heard.until("on_connected", 2) == (2,)
        feed.close()
        for owner in (frozen, successor):
            owner.end()

    run(scenario())


def test_same_pictures_refusals_and_news_of_events_come_through(tmp_path):
    async def scenario():
        run_id, heard = uuid4(), Heard()
        owner = UnixOwner(tmp_path, run_id, 1)
        feed = UnixFrameBus(tmp_path).follow(run_id, heard)
        feed.want({WHOLE: 30.0, FrameRequest(region=((99, 100),)): 30.0}, events=True)
        await owner.show(1)
        await heard.until("on_frame")
        _, reason = await heard.until("on_refused")
        assert reason.startswith("region:")
        picture = make_picture(1)
        owner.publisher.offer(type(picture)(2, 0.1, 0, 2_000, picture.fields))
        assert await heard.until("on_same") == (WHOLE, 2, 2_000)
        owner.publisher.offer_events(LiveEvent(1, 1, 0.0, "yield", "", {}))
        await heard.until("on_events")
        feed.close()
        owner.end()

    run(scenario())


@pytest.mark.parametrize(
    "said",
    [
        pack_json(Kind.HELLO, {"run": "another", "epoch": 1}),
        pack_json(Kind.HELLO, {"epoch": "one"}),
        pack_json(Kind.SAMPLE, {}),
        (MOST_BODY + 1).to_bytes(4, "little") + bytes(4),
        b"\x03\0\0\0\x01\0\0\0abc",
    ],
)
def test_who_does_not_speak_the_language_is_left(tmp_path, said):
    async def scenario():
        run_id, heard, visits = uuid4(), Heard(), []

        async def answer(reader, writer):
            visits.append(True)
            writer.write(said)
            with contextlib.suppress(ConnectionError):
                await reader.read()
            writer.close()

        impostor = await asyncio.start_unix_server(answer, sock=listen(tmp_path / name_socket(run_id, 1), 8))
        feed = UnixFrameBus(tmp_path).follow(run_id, heard)
        while len(visits) < 2:  # it left, and came again
            await asyncio.sleep(0.002)
        feed.close()
        impostor.close()
        await asyncio.sleep(0.02)
        assert heard.calls == []

    run(scenario())


def test_a_big_frame_comes_in_one_piece(tmp_path):
    async def scenario():
        run_id, heard = uuid4(), Heard()
        owner = UnixOwner(tmp_path, run_id, 1)
        feed = UnixFrameBus(tmp_path).follow(run_id, heard)
        feed.want({WHOLE: 30.0})
        values = np.random.default_rng(1).random((1024, 1024))
        while "temperature" not in owner.publisher.wanted(time.monotonic()):
            await asyncio.sleep(0.002)
        owner.publisher.offer(make_picture(1, temperature=values))
        _, data = await heard.until("on_frame")
        assert np.abs(decode_frame(data).values - values).max() < 1e-3
        feed.close()
        owner.end()

    run(scenario())


# --- of Redis


def test_a_run_elsewhere_is_lost_with_redis_and_followed_again_with_the_same_wants(tmp_path, own_redis):
    async def scenario():
        run_id, heard = uuid4(), Heard()
        owner = UnixOwner(tmp_path, run_id, 4)
        relay = FrameRelay(own_redis.url(), lambda: "here", tmp_path)
        relay.start()
        feed = RedisFrameBus(own_redis.url(), lambda: "here").follow(run_id, heard)
        feed.want({WHOLE: 30.0}, samples=True)
        await owner.show(1)
        await heard.until("on_frame")
        own_redis.kill()
        assert await heard.until("on_lost") == (False,)
        own_redis.restart()
        assert await heard.until("on_connected", 2) == (4,)
        await owner.show(2)
        await heard.until("on_frame", 2)
        feed.close()
        owner.end()
        relay.stop()

    run(scenario())


def test_runs_of_this_machine_are_left_to_its_sockets_and_those_of_other_installations_alone(tmp_path, redis_server):
    async def scenario():
        run_id, own, other, elsewhere = uuid4(), Heard(), Heard(), Heard()
        owner, url = UnixOwner(tmp_path, run_id, 1), redis_server.url()
        relay = FrameRelay(url, lambda: "here", tmp_path, origin="a")
        relay.start()
        feeds = [
            RedisFrameBus(url, lambda: "here", origin="a").follow(run_id, own),
            RedisFrameBus(url, lambda: "there", origin="b").follow(run_id, other),
            RedisFrameBus(url, lambda: "here", origin="b").follow(run_id, elsewhere),
        ]
        await elsewhere.until("on_connected")
        assert own.calls == other.calls == []
        for feed in feeds:
            feed.close()
        owner.end()
        relay.stop()

    run(scenario())


def test_what_no_server_says_is_left_and_the_relay_goes_on(tmp_path, redis_server):
    async def scenario():
        run_id, heard = uuid4(), Heard()
        owner = UnixOwner(tmp_path, run_id, 1)
        relay = FrameRelay(redis_server.url(), lambda: "here", tmp_path)
        relay.start()
        feed = RedisFrameBus(redis_server.url(), lambda: "here").follow(run_id, heard)
        await heard.until("on_connected")
        for said in ("", "[]", "{}", '{"session": 1, "origin": "", "wants": "{}", "run": "x"}', "\u2713"):
            redis_server.send("PUBLISH", "grid:here:frames:wants", said)
            redis_server.send("PUBLISH", f"grid:here:frames:{feed._session}", said)
        feed.want({WHOLE: 30.0})
        await owner.show(1)
        await heard.until("on_frame")
        feed.close()
        owner.end()
        relay.stop()

    run(scenario())


class SwallowingClient:
    """A client of Redis that returns what it has sent although it was cancelled, as `wait_for` of Python 3.11 may."""

    def __init__(self):
        self.sends = asyncio.Event()

    async def publish(self, channel, message):
        self.sends.set()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(LIMIT_S)


def test_a_session_ends_although_its_client_swallows_the_cancellation(tmp_path):
    async def scenario():
        client = SwallowingClient()
        session = RelayedSession(client, "channel", UnixFrameBus(tmp_path), uuid4())
        session.on_connected(1)
        await client.sends.wait()
        session.on_events()
        session.close()
        await asyncio.wait_for(session._task, LIMIT_S / 2)

    run(scenario())


def test_a_task_that_swallows_a_cancellation_is_cancelled_again_and_what_it_raises_is_dropped():
    async def scenario():
        client = SwallowingClient()

        async def publish_twice():
            await client.publish("channel", b"")
            await asyncio.sleep(LIMIT_S)

        async def fail():
            raise ConnectionError

        for begun in (publish_twice(), fail()):
            task = asyncio.create_task(begun)
            await asyncio.sleep(0)
            await asyncio.wait_for(end_task(task), LIMIT_S / 2)

    run(scenario())


def test_the_newest_owner_is_told_whichever_bus_has_it():
    near, far, heard, run_id = MemoryFrameBus(), MemoryFrameBus(), Heard(), uuid4()
    feed = PairedFrameBus(near, far).follow(run_id, heard)
    feed.want({WHOLE: 30.0}, samples=True)
    far.connect(run_id, 2)
    near.connect(run_id, 1)  # a worker that has lost the run
    near.show(run_id, WHOLE, b"old")
    far.show(run_id, WHOLE, b"new")
    near.disconnect(run_id)
    near.connect(run_id, 3)  # the run came here
    far.show(run_id, WHOLE, b"old")
    near.sample(run_id, {"last": 7})
    far.disconnect(run_id)
    near.disconnect(run_id, is_final=True)
    feed.close()

    assert heard.calls == [
        ("on_connected", 2), ("on_frame", WHOLE, b"new"), ("on_lost", False), ("on_connected", 3),
        ("on_sample", {"last": 7}), ("on_lost", True),
    ]  # fmt: skip
