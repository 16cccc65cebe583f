"""Streams of jobs: complete, resumable, bounded, and shared by one tailer."""

import asyncio
import threading
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest
from tests.support.worker import HandWorker

from grid.api import stream_places
from grid.api import streams as streams_module
from grid.api.stream_places import MAX_STREAMS_PER_USER
from grid.api.streams import QUEUE_MESSAGES, JobStreamResponse, JobStreams
from grid.core.errors import TooManyRequestsError, UnavailableError
from grid.database.logs import LogRecord
from grid.services.logs import JobNews, LogCursor
from grid.services.ports import ArtifactStore

JOBS = "/api/v1/jobs"
JOB, USER = uuid4(), uuid4()
FOREVER = float("inf")


def parse(text):
    """Return (kind, data, id) of each event, and ids that stand alone as ("", "", id)."""
    events = []
    for block in text.strip().split("\n\n"):
        lines = [line.partition(": ") for line in block.split("\n") if not line.startswith(":")]
        fields = {"event": "", "data": [], "id": None}
        for name, _, value in lines:
            if name == "data":
                fields["data"].append(value)
            else:
                fields[name] = value
        if fields["event"] or fields["id"]:
            events.append((fields["event"], "\n".join(fields["data"]), fields["id"]))
    return events


@dataclass
class Tables:
    """What a stream reads, in memory; counts the looks."""

    chunks: list[tuple[int, int, str]] = field(default_factory=list)
    version: int = 1
    status: str = "running"
    page: int = 1000
    looks: int = 0
    is_away: bool = False

    def read(self, cursors, limit=64):
        self.looks += 1
        if self.is_away:
            raise UnavailableError("away")
        return {job_id: self._news(job_id, cursor) for job_id, cursor in cursors.items() if job_id == JOB}

    def _news(self, job_id, cursor):
        new = [chunk for chunk in sorted(self.chunks) if chunk[:2] > tuple(cursor)]
        shown = [LogRecord(job_id, *chunk, datetime.now(UTC)) for chunk in new[: self.page]]
        has_more = len(new) > self.page
        place = LogCursor(shown[-1].epoch, shown[-1].seq) if shown else cursor
        is_final = self.status == "success" and not has_more
        return JobNews(place, self.version, is_final, {"status": self.status}, shown, has_more)


async def always():
    return True


async def collect(streams, *, last_event_id=None, expires_at=FOREVER, on_event=None, is_welcome=always):
    subscription = streams.open(USER, JOB)
    parts = []
    try:
        async for part in streams.events(
            subscription, last_event_id=last_event_id, expires_at=expires_at, is_welcome=is_welcome
        ):
            parts.append(part.decode())
            if on_event is not None:
                on_event(part.decode())
    finally:
        streams.leave(subscription)
    return "".join(parts)


def run(coroutine):
    return asyncio.run(asyncio.wait_for(coroutine, 30))


def test_a_finished_job_is_told_from_the_tables_log_first_then_its_state():
    tables = Tables([(1, 0, "a\n"), (1, 1, "b\nc\n"), (2, 0, "again\n")], version=7, status="success", page=1)

    events = parse(run(collect(JobStreams(tables.read))))

    assert [event[::2] for event in events] == [
        ("log", "1:0"), ("log", "1:1"), ("log", "2:0"), ("status", "job:7"), ("", "2:0"), ("end", None),
    ]  # fmt: skip
    assert events[1][1] == "b\nc"


@pytest.mark.parametrize("place", [0, 1, 2, 3])
def test_a_stream_goes_on_behind_the_last_event_id(place):
    chunks = [(1, 0, "a\n"), (1, 1, "b\n"), (2, 0, "c\n")]
    tables = Tables(chunks, status="success")
    last = None if place == 0 else f"{chunks[place - 1][0]}:{chunks[place - 1][1]}"

    events = parse(run(collect(JobStreams(tables.read), last_event_id=last)))

    assert [data for kind, data, _ in events if kind == "log"] == [text.strip() for *_, text in chunks[place:]]
    assert [kind for kind, *_ in events][-1] == "end"


@pytest.mark.parametrize(
    "last", ["", "nonsense", "1:", ":1", "-1:3", "\u0663:\u0661", "9" * 40 + ":1", "job:x", "\x00:1"]
)
def test_an_id_that_is_not_ours_starts_at_the_beginning(last):
    tables = Tables([(1, 0, "a\n")], status="success")

    assert parse(run(collect(JobStreams(tables.read), last_event_id=last)))[0][0] == "log"


def test_a_state_that_was_told_is_not_told_again():
    tables = Tables(version=4, status="success")

    events = parse(run(collect(JobStreams(tables.read), last_event_id="job:4")))

    assert [kind for kind, *_ in events] == ["end"]


def test_what_comes_later_is_told_once_to_every_reader_and_read_once_for_all():
    tables = Tables([(1, 0, "first\n")])

    def go_on(part):
        if "first" in part and tables.version == 1:
            tables.version = 2
            tables.chunks += [(1, place, f"line {place}\n") for place in range(1, 50)]
        elif "line 49" in part:
            tables.version, tables.status = 3, "success"

    async def scenario():
        streams = JobStreams(tables.read, poll_s=0.01)
        return await asyncio.gather(*[collect(streams, on_event=go_on) for _ in range(5)])

    for text in run(scenario()):
        ids = [event[2] for event in parse(text) if event[0] == "log"]
        assert ids == [f"1:{place}" for place in range(50)]
        assert [kind for kind, *_ in parse(text)][-1] == "end"
    assert tables.looks < 5 * 10


def test_a_reader_that_falls_behind_gets_a_gap_and_can_come_back():
    tables = Tables([(1, 0, "first\n")])

    async def scenario():
        streams = JobStreams(tables.read, poll_s=0.001)
        subscription = streams.open(USER, JOB)
        events = streams.events(subscription, last_event_id=None, expires_at=FOREVER, is_welcome=always)
        seen = [await anext(events) for _ in range(4)]  # retry, log, status, id: the past
        tables.chunks.append((1, 1, "live\n"))
        seen.append(await anext(events))  # from here on the reader takes nothing
        tables.chunks += [(1, place, "x\n") for place in range(2, 2 * QUEUE_MESSAGES)]
        while not subscription.is_overfull:
            await asyncio.sleep(0.01)
        seen += [event async for event in events]
        streams.leave(subscription)
        tables.status = "success"
        rest = await collect(streams, last_event_id="1:1")
        return b"".join(seen).decode(), rest

    text, rest = run(scenario())
    assert parse(text)[-1][0] == "gap"
    assert len([kind for kind, *_ in parse(rest) if kind == "log"]) == 2 * QUEUE_MESSAGES - 2


def test_streams_of_a_user_are_limited_and_places_are_given_back():
    async def scenario():
        streams = JobStreams(Tables().read)
        opened = [streams.open(USER, JOB) for _ in range(MAX_STREAMS_PER_USER)]
        with pytest.raises(TooManyRequestsError):
            streams.open(USER, JOB)
        other = streams.open(uuid4(), JOB)
        streams.leave(opened[0])
        streams.leave(opened[0])  # harmless
        opened.append(streams.open(USER, JOB))
        with pytest.raises(TooManyRequestsError):
            streams.open(USER, JOB)
        for subscription in [*opened, other]:
            streams.leave(subscription)
        await streams.close()

    run(scenario())


def test_all_streams_together_are_limited(monkeypatch):
    monkeypatch.setattr(stream_places, "MAX_STREAMS", 3)

    async def scenario():
        streams = JobStreams(Tables().read)
        for _ in range(3):
            streams.open(uuid4(), JOB)
        with pytest.raises(TooManyRequestsError):
            streams.open(uuid4(), JOB)
        await streams.close()

    run(scenario())


def test_a_stream_ends_with_its_readers_token():
    text = run(collect(JobStreams(Tables().read), expires_at=time.monotonic() + 0.05))

    assert [kind for kind, *_ in parse(text)] == ["status"]


def test_a_stream_ends_when_its_readers_session_does(monkeypatch):
    monkeypatch.setattr(streams_module, "PING_S", 0.02)
    asked = []

    async def is_welcome():
        asked.append(True)
        return len(asked) < 3

    text = run(collect(JobStreams(Tables().read), is_welcome=is_welcome))

    assert len(asked) == 3
    assert ": ping" in text


def test_a_quiet_stream_is_pinged(monkeypatch):
    monkeypatch.setattr(streams_module, "PING_S", 0.02)

    text = run(collect(JobStreams(Tables().read), expires_at=time.monotonic() + 0.2))

    assert ": ping" in text


def test_a_database_that_is_away_for_a_moment_does_not_end_a_stream():
    tables = Tables()

    def go_on(part):
        tables.is_away = "status" in part

    async def scenario():
        streams = JobStreams(tables.read, poll_s=0.01)
        reading = asyncio.ensure_future(collect(streams, on_event=go_on))
        while tables.looks < 4:
            await asyncio.sleep(0.01)
        tables.is_away, tables.status, tables.version = False, "success", 2
        return await reading

    assert [kind for kind, *_ in parse(run(scenario()))][-1] == "end"


def test_a_job_that_is_removed_ends_its_streams():
    tables = Tables()

    async def scenario():
        streams = JobStreams(lambda cursors, **_: {} if tables.looks else tables.read(cursors), poll_s=0.01)
        return await collect(streams)

    assert parse(run(scenario()))[-1][0] == "end"


def test_closing_ends_every_stream_and_the_tailer():
    async def scenario():
        streams = JobStreams(Tables().read, poll_s=0.01)
        reading = asyncio.ensure_future(collect(streams))
        await asyncio.sleep(0.05)
        await streams.close()
        return await reading

    assert parse(run(scenario()))[-1][0] == "gap"


def test_a_reader_that_takes_nothing_is_dropped_and_its_place_given_back(monkeypatch):
    monkeypatch.setattr(streams_module, "STALLED_S", 0.05)

    async def scenario():
        streams = JobStreams(Tables().read)
        subscription = streams.open(USER, JOB)
        events = streams.events(subscription, last_event_id=None, expires_at=FOREVER, is_welcome=always)
        response = JobStreamResponse(streams, subscription, events)

        async def send(message):
            await asyncio.sleep(3600)

        async def receive():
            await asyncio.sleep(3600)

        await response({"type": "http", "asgi": {"spec_version": "2.3"}}, receive, send)
        for _ in range(MAX_STREAMS_PER_USER):
            streams.open(USER, JOB)
        await streams.close()

    run(scenario())


def test_over_http_a_job_is_followed_from_queue_to_end(alice, uow, container):
    worker = HandWorker(uow, container.get(ArtifactStore))
    job_id = alice.post(JOBS, json={"params": {}}).json()["jobs"][0]

    def work():
        time.sleep(0.1)
        claims = worker.start()
        worker.log(UUID(job_id), 0, "step 1\nstep 2\n")
        time.sleep(0.1)
        worker.succeed(claims, {})

    thread = threading.Thread(target=work)
    thread.start()
    answer = alice.get(f"{JOBS}/{job_id}/logs/stream")
    thread.join()

    assert answer.headers["content-type"].startswith("text/event-stream")
    assert "no-store" in answer.headers["cache-control"]
    events = parse(answer.text)
    assert ("log", "step 1\nstep 2", "1:0") in events
    assert events[-1][0] == "end"
    assert '"status": "success"' in events[-1][1]
    versions = [int(event[2].removeprefix("job:")) for event in events if event[0] == "status"]
    assert versions == sorted(set(versions))
    assert all('"message": "The' in event[1] for event in events if event[0] == "status")

    resumed = parse(alice.get(f"{JOBS}/{job_id}/logs/stream", headers={"Last-Event-ID": "1:0"}).text)
    assert [kind for kind, *_ in resumed if kind] == ["status", "end"]


def test_over_http_a_stream_ends_soon_after_its_reader_logs_out(alice, monkeypatch):
    monkeypatch.setattr(streams_module, "PING_S", 0.05)
    job_id = alice.post(JOBS, json={"simulation": "noop"}).json()["jobs"][0]

    def log_out():
        time.sleep(0.2)
        assert alice.post("/api/v1/auth/logout").status_code == 204

    thread = threading.Thread(target=log_out)
    thread.start()
    answer = alice.get(f"{JOBS}/{job_id}/logs/stream")
    thread.join()

    assert [kind for kind, *_ in parse(answer.text)] == ["status"]
