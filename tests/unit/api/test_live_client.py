"""The verbs of live runs against the application, waited for and awaited."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator

import httpx
import pytest
from tests.support import live_runs as words
from tests.unit.api.test_client import AppTransport

from grid.client import live_calls
from grid.client.client import AsyncGridClient, GridClient
from grid.client.errors import ProblemError, ServerUnreachableError
from grid.database.live_commands import CommandSettlement
from grid.database.live_samples import Sample
from grid.schemas.live import SAMPLE_METRICS
from grid.services import live
from grid.services.live import Look
from grid.services.live.pyramid import MetricSpan, pack_spans

ADDRESS = "http://127.0.0.1:8000"
BURST = {"kind": "burst", "position_m": [0.005, 0.4, 0.5], "radius_m": 0.05, "power_w": 100.0, "duration_s": 5.0}
RULE = {"name": "hot", "metric": "highest", "raise": 400.0, "clear": 350.0}


class AsyncTransport(httpx.AsyncBaseTransport):
    """Hands requests to the application, from a thread."""

    def __init__(self, client):
        self.transport = AppTransport(client)

    async def handle_async_request(self, request):
        content = await request.aread()
        plain = httpx.Request(request.method, request.url, headers=request.headers, content=content)
        return await asyncio.to_thread(self.transport.handle_request, plain)


class Awaited:
    """The asynchronous client, asked as if it were the other: one test says what both do."""

    def __init__(self, client, token):
        self.client = AsyncGridClient(ADDRESS, lambda **_: token, transport=AsyncTransport(client))
        self.engine = self

    def __getattr__(self, verb):
        def call(*args, **options):
            answer = getattr(self.client.engine, verb)(*args, **options)
            if isinstance(answer, AsyncIterator):
                return asyncio.run(collect(answer))
            return asyncio.run(answer)

        return call


async def collect(found):
    return [one async for one in found]


@pytest.fixture(params=["waits", "awaits"])
def engine(request, alice) -> Iterator:
    token = alice.headers["Authorization"].removeprefix("Bearer ")
    if request.param == "waits":
        with GridClient(ADDRESS, lambda **_: token, transport=AppTransport(alice)) as client:
            yield client.engine
    else:
        yield Awaited(alice, token).engine


@pytest.fixture
def run(engine):
    return engine.start("burst", cells=[16, 16], params={"power": 500.0}, name="plate")


def test_a_run_is_priced_started_listed_and_shown(engine, run):
    assert (run.status, run.name, run.scenario, run.commands) == ("queued", "plate", "burst", 2)
    assert engine.price("burst", cells=[16, 16]).cells == 256
    assert engine.show(run.id).message.endswith("number 1 of those that wait.")
    page = engine.list(status=["queued", "running"], limit=1)
    assert ([one.id for one in page.items], page.total) == ([run.id], 1)
    assert engine.list(status="stopped").items == []
    with pytest.raises(ProblemError, match=r"params\.mood"):
        engine.start("burst", params={"mood": 1})


def test_a_run_is_steered(engine, run, uow):
    claim = words.claim(uow).claim
    assert words.begin(uow, claim)
    verbs = [
        lambda: engine.pause(run.id),
        lambda: engine.step(run.id, 3),
        lambda: engine.resume(run.id),
        lambda: engine.speed(run.id, "max"),
        lambda: engine.speed(run.id, 2.0),
        lambda: engine.model(run.id, "diffusive"),
        lambda: engine.checkpoint(run.id),
        lambda: engine.inject(run.id, BURST, at_s=50.0, client_id="mine"),
        lambda: engine.end_event(run.id, 10),
    ]

    assert [verb().seq for verb in verbs] == list(range(3, 12))
    assert [answer.seq for answer in engine.inject_all(run.id, [BURST, {**BURST, "client_id": "b"}])] == [12, 13]
    assert engine.inject(run.id, BURST, at_s=50.0, client_id="mine").seq == 10
    assert engine.set_rules(run.id, [RULE], version=0).seq == 14
    assert (engine.rules(run.id).version, engine.rules(run.id).rules) == (1, [RULE])
    with pytest.raises(ProblemError) as caught:
        engine.set_rules(run.id, [], version=0)
    assert (caught.value.status, caught.value.problem_code) == (412, "rules-changed")
    shown = engine.show(run.id)
    assert (shown.speed, shown.model, shown.commands) == (2.0, "diffusive", 14)
    assert engine.stop(run.id).seq == 15
    with pytest.raises(ProblemError) as caught:
        engine.purge(run.id)
    assert caught.value.status == 409


def test_what_happened_is_read_in_parts_and_a_command_is_waited_for(engine, run, uow, monkeypatch):
    monkeypatch.setattr("grid.client.engine.PART", 2)
    monkeypatch.setattr("grid.client.async_engine.PART", 2)
    claim = words.claim(uow).claim
    assert words.begin(uow, claim)
    seqs = [engine.inject(run.id, BURST).seq for _ in range(3)]
    live.commit_ticks(uow, claim, dict.fromkeys(seqs, 5))
    live.record_events(uow, claim, settlements=[CommandSettlement(3, 5, "applied", {"tick": 5})])

    assert [command.seq for command in engine.commands(run.id)] == [1, 2, 3, 4, 5]
    assert [command.seq for command in engine.commands(run.id, after=3)] == [4, 5]
    assert [event.n for event in engine.events(run.id)] == [1, 2, 3, 4]
    assert [event.payload["state"] for event in engine.events(run.id, after=1, kind="state")] == ["starting", "running"]
    assert engine.command(run.id, 4).tick == 5
    applied = engine.wait_for(run.id, 3)
    assert (applied.outcome, applied.effective) == ("applied", {"tick": 5})
    lines = [json.loads(line) for line in engine.log(run.id).splitlines()]
    assert [line["seq"] for line in lines if "seq" in line] == [1, 2, 3, 4, 5]


def test_metrics_checkpoints_and_scenarios_are_read(engine, run, uow):
    claim = words.claim(uow).claim
    assert words.begin(uow, claim)
    spans = [MetricSpan(1.0, 3.0, 2.0, float(index)) for index in range(len(SAMPLE_METRICS))]
    live.write_looks(
        uow, [Look(claim, tick=2, samples=(Sample(0, 0, pack_spans(spans)), Sample(0, 1, pack_spans(spans))))]
    )
    words.snapshot(uow, claim, tick=2, kind="user", pinned=True)

    shown = engine.metrics(run.id)
    assert (shown.tick, shown.metrics["highest"], shown.time_s) == (2, 1.0, 2.0)
    history = engine.history(run.id, metrics=["highest"], first_tick=1, points=1)
    assert (history.first_tick, history.metrics["highest"].max) == ([0], [3.0])
    assert engine.history_csv(run.id, metrics=["mean"], points=2).splitlines()[1:] == [
        "0,1,1.0,1.0,3.0,2.0,2.0", "1,2,2.0,1.0,3.0,2.0,2.0",
    ]  # fmt: skip
    assert [one.tick for one in engine.checkpoints(run.id)] == [2]
    assert "burst" in [one.name for one in engine.scenarios()]
    assert engine.scenario("burst").defaults["power"] == 800.0


def test_a_run_that_waits_is_stopped_and_removed(engine, run):
    engine.stop(run.id)
    engine.purge(run.id)

    with pytest.raises(ProblemError) as caught:
        engine.show(run.id)
    assert caught.value.status == 404


class Losing(AppTransport):
    """Loses the answer of every other request."""

    count = 0

    def handle_request(self, request):
        answer = super().handle_request(request)
        self.count += 1
        if self.count % 2:
            raise httpx.ReadError("lost", request=request)
        return answer


def test_a_command_whose_answer_is_lost_is_sent_again_and_acts_once(alice):
    token = alice.headers["Authorization"].removeprefix("Bearer ")
    with GridClient(ADDRESS, lambda **_: token, transport=Losing(alice)) as client:
        run = client.engine.start("burst", cells=[16, 16])
        assert [client.engine.inject(run.id, BURST).seq, client.engine.pause(run.id).seq] == [3, 4]
        with pytest.raises(ServerUnreachableError):
            client.engine.show(run.id)
        assert client.send(live_calls.list_runs()).total == 1


def test_waiting_for_a_command_ends(alice):
    token = alice.headers["Authorization"].removeprefix("Bearer ")
    with GridClient(ADDRESS, lambda **_: token, transport=AppTransport(alice)) as client:
        run = client.engine.start("burst", cells=[16, 16])
        with pytest.raises(TimeoutError, match="command 2 has not taken effect"):
            client.engine.wait_for(run.id, 2, timeout_s=0.0)
