"""Events and metrics of a live run by server-sent events: complete, resumable, bounded."""

import asyncio
import json
import threading
import time
from uuid import uuid4

import pytest
from tests.support import live_runs
from tests.unit.api.test_streams import parse

from grid.api import stream_places
from grid.api.live import readers, sse
from grid.api.live.hub import LiveHub
from grid.api.live.sse import Welcome, stream_events, stream_samples
from grid.api.live.tailer import RunTailer
from grid.api.live.updates import EventItem, RunUpdate
from grid.core.errors import UnavailableError
from grid.database.live_events import NewLiveEvent
from grid.schemas.live import CommandKind, RunState
from grid.services import live
from grid.services.live import RecentSamples

RUNS = "/api/v1/engine/runs"
RUN = uuid4()
FOREVER = float("inf")


class Tables:
    """What a stream reads, in memory; counts the looks."""

    def __init__(self, events=0, state=RunState.RUNNING):
        self.events, self.state, self.version = [], state, 1
        self.page, self.looks, self.is_away = 100, 0, False
        self.happen(events)

    def happen(self, count, size=10):
        start = len(self.events)
        self.events += [EventItem(start + k + 1, "yield", json.dumps("x" * size)) for k in range(count)]

    def finish(self):
        self.state, self.version = RunState.STOPPED, self.version + 1

    def read(self, cursors):
        self.looks += 1
        if self.is_away:
            raise UnavailableError("away")
        return {run_id: self._read(cursor) for run_id, cursor in cursors.items()}

    def _read(self, cursor):
        new = [] if cursor is None else [event for event in self.events if event.n > cursor]
        return RunUpdate(
            self.state, self.version, {"status": self.state.value}, tuple(new[: self.page]), len(new) > self.page
        )


class Feed:
    def want(self, *given, **named):
        pass

    def close(self):
        pass


class Bus:
    """Brings nothing by itself."""

    def follow(self, run_id, listener):
        self.listener = listener
        return Feed()


async def always():
    return True


def make_hub(tables, bus=None):
    return LiveHub(bus or Bus(), RunTailer(tables.read, poll_s=0.01), lambda *_: RecentSamples((), False))


async def follow(hub, *, after=0, welcome=None, on_part=None):
    topic = hub.hold(RUN, "0.03125")
    parts = []
    async for part in stream_events(topic, hub, after=after, welcome=welcome or Welcome(FOREVER, always)):
        parts.append(part.decode())
        if on_part is not None:
            on_part(part.decode())
    topic.release()
    return parse("".join(parts))


def run(coroutine):
    return asyncio.run(asyncio.wait_for(coroutine, 30))


@pytest.mark.parametrize("after", [0, 1, 249, 250])
def test_a_finished_run_is_told_from_the_tables_behind_the_last_known_event(after):
    tables = Tables(250, RunState.STOPPED)

    async def scenario():
        return await follow(make_hub(tables), after=after)

    events = run(scenario())
    assert [int(event[2]) for event in events[:-1]] == list(range(after + 1, 251))
    assert events[-1][0] == "end"


def test_what_comes_later_is_told_once_to_every_reader_and_read_once_for_all():
    tables = Tables(3)

    def go_on(part):
        if "id: 3\n" in part and len(tables.events) == 3:
            tables.happen(40)
        elif "id: 43\n" in part and not tables.state.is_terminal:
            tables.finish()

    async def scenario():
        hub = make_hub(tables)
        return await asyncio.gather(*(follow(hub, on_part=go_on) for _ in range(5)))

    for events in run(scenario()):
        assert [int(event[2]) for event in events[:-1]] == list(range(1, 44))
        assert events[-1][0] == "end"
    assert tables.looks < 5 * 10


@pytest.mark.parametrize(("count", "size"), [(readers.QUEUE_EVENTS + 1, 10), (80, readers.QUEUE_BYTES // 50)])
def test_a_reader_that_falls_behind_gets_a_gap_and_can_come_back(count, size):
    tables = Tables(1)
    tables.page = 60

    async def scenario():
        hub = make_hub(tables)
        topic = hub.hold(RUN, "0.03125")
        stream = stream_events(topic, hub, after=0, welcome=Welcome(FOREVER, always))
        seen = [await anext(stream) for _ in range(2)]
        tables.happen(1)
        seen.append(await anext(stream))  # from here on the reader takes nothing
        tables.happen(count, size)
        (reader,) = hub.tailer._topics[RUN].watchers
        while not reader.is_overfull:
            await asyncio.sleep(0.002)
        seen += [part async for part in stream]
        topic.release()
        tables.finish()
        return parse(b"".join(seen).decode()), await follow(hub, after=2)

    told, rest = run(scenario())
    assert told[-1][0] == "gap"
    assert [int(event[2]) for event in rest[:-1]] == list(range(3, 3 + count))


def test_a_stream_ends_with_its_readers_token_and_session(monkeypatch):
    monkeypatch.setattr(sse, "PING_S", 0.02)
    asked = []

    async def ask():
        asked.append(True)
        return len(asked) < 3

    async def scenario():
        hub = make_hub(Tables(1))
        expired = await follow(hub, welcome=Welcome(time.monotonic() + 0.03, always))
        return expired, await follow(hub, welcome=Welcome(FOREVER, ask))

    expired, logged_out = run(scenario())
    assert [event[0] for event in expired] == ["yield"]
    assert [event[0] for event in logged_out] == ["yield"]
    assert len(asked) == 3


def test_a_database_that_is_away_for_a_moment_does_not_end_a_stream():
    tables = Tables(1)

    def go_on(part):
        tables.is_away = "id: 1\n" in part

    async def scenario():
        reading = asyncio.ensure_future(follow(make_hub(tables), on_part=go_on))
        while tables.looks < 4:
            await asyncio.sleep(0.002)
        tables.is_away = False
        tables.finish()
        return await reading

    assert [event[0] for event in run(scenario())] == ["yield", "end"]


def test_news_on_the_bus_make_the_tailer_look_soon():
    tables, bus = Tables(1), Bus()

    async def scenario():
        hub = LiveHub(bus, RunTailer(tables.read, poll_s=30.0), lambda *_: RecentSamples((), False))

        def go_on(part):
            tables.finish()
            bus.listener.on_events()

        return await follow(hub, on_part=go_on)

    assert [event[0] for event in run(scenario())] == ["yield", "end"]


def test_closing_ends_every_stream():
    async def scenario():
        hub = make_hub(Tables(1))
        reading = asyncio.ensure_future(follow(hub))
        topic = hub.hold(RUN, "0.03125")
        samples = stream_samples(topic, hub, after=None, hz=2.0, welcome=Welcome(FOREVER, always))
        assert await anext(samples) == sse.RETRY
        last = asyncio.ensure_future(anext(samples, None))
        await asyncio.sleep(0.02)
        await hub.close()
        return await reading, await last

    events, last = run(scenario())
    assert events[-1][0] == "gap"
    assert last is None


# --- over HTTP


def test_over_http_a_run_is_followed_from_its_first_event_to_its_end(alice, uow, claim):
    def work():
        time.sleep(0.1)
        live.record_events(uow, claim, [NewLiveEvent(7, 448, "yield", {"cell": [3, 4]}, "a")])
        live_runs.send(uow, claim.run_id, CommandKind.STOP)
        live.conclude_run(uow, claim, {"files": []}, tick=100)

    thread = threading.Thread(target=work)
    thread.start()
    answer = alice.get(f"{RUNS}/{claim.run_id}/events/stream")
    thread.join()

    assert answer.headers["content-type"].startswith("text/event-stream")
    assert "no-store" in answer.headers["cache-control"]
    events = parse(answer.text)
    rows = live.read_events(uow, owner_id=None, run_id=claim.run_id)
    assert [int(event[2]) for event in events[:-1]] == [row.n for row in rows]
    assert [event[0] for event in events[:-1]] == [row.kind for row in rows]
    (happened,) = (json.loads(event[1]) for event in events if event[0] == "yield")
    assert (happened["tick"], happened["payload"]) == (7, {"cell": [3, 4]})
    assert json.loads(events[-1][1])["status"] == "stopped"

    last = events[-2][2]
    resumed = parse(alice.get(f"{RUNS}/{claim.run_id}/events/stream", headers={"Last-Event-ID": last}).text)
    assert [event[0] for event in resumed] == ["end"]


def test_an_id_that_is_not_ours_starts_at_the_beginning(alice, uow, claim):
    live.fail_run(uow, claim, live_runs.RunReason.DIVERGED)
    for last in ("", "nonsense", "-1", "1.5", "\u0663", "9" * 40):
        headers = {"Last-Event-ID": last.encode()}
        events = parse(alice.get(f"{RUNS}/{claim.run_id}/events/stream", headers=headers).text)
        assert events[0][2] == "1", last


def test_over_http_metrics_come_as_they_are_sampled_and_what_was_missed_from_rows(alice, uow, claim, owner):
    rows = tuple(live_runs.sample(5, place, float(place)) for place in range(4, 8))
    live.write_looks(uow, [live.Look(claim, 255, samples=rows)])

    def work():
        owner.sample(300, mean=5.0)
        time.sleep(0.15)
        live.fail_run(uow, claim, live_runs.RunReason.DIVERGED)

    thread = threading.Thread(target=work)
    thread.start()
    answer = alice.get(f"{RUNS}/{claim.run_id}/metrics/stream?hz=10", headers={"Last-Event-ID": "160"})
    thread.join()

    events = parse(answer.text)
    assert [(kind, number) for kind, _, number in events] == [
        ("sample", "192"), ("sample", "224"), ("sample", "256"), ("sample", "300"), ("end", None),
    ]  # fmt: skip
    assert json.loads(events[3][1])["metrics"]["mean"] == [5.0] * 4


def test_metrics_of_which_nothing_is_left_begin_with_a_gap(alice, uow, claim):
    live.write_looks(uow, [live.Look(claim, 255, samples=(live_runs.sample(5, 7, 1.0),))])
    live.fail_run(uow, claim, live_runs.RunReason.DIVERGED)
    answer = alice.get(f"{RUNS}/{claim.run_id}/metrics/stream", headers={"Last-Event-ID": "100"})

    events = parse(answer.text)
    assert [kind for kind, *_ in events] == ["gap", "sample", "end"]
    assert json.loads(events[0][1]) == {"after": 100, "next": 224}


def test_a_rate_outside_its_limits_is_refused(alice, claim):
    for hz in ("0", "11", "nan", "fast"):
        answer = alice.get(f"{RUNS}/{claim.run_id}/metrics/stream", params={"hz": hz})
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "hz"), hz


def test_streams_of_every_kind_are_counted_together(alice, uow, claim, view, monkeypatch):
    monkeypatch.setattr(stream_places, "MAX_STREAMS_PER_USER", 1)
    live.fail_run(uow, claim, live_runs.RunReason.DIVERGED)
    path = f"{RUNS}/{claim.run_id}/events/stream"
    with view(alice):
        assert alice.get(path).status_code == 429
    assert alice.get(path).status_code == 200
    assert alice.get(path).status_code == 200  # its place was given back
