"""A run of the service, watched and steered: messages of the socket, credit, coming back, refusals by name."""

import asyncio
from contextlib import asynccontextmanager
from uuid import UUID

import pytest
from tests.doubles.live_servers import RUN_ID, LiveServer, make_alert_row, make_row
from tests.doubles.monitor_sources import make_field

from grid.cli.monitor.app import MonitorApp
from grid.cli.monitor.field import FieldView
from grid.cli.monitor.remote import RemoteSource
from grid.cli.monitor.source import Want
from grid.client.errors import ProblemError
from grid.client.frames import decode_frame
from grid.client.live_link import socket_url
from grid.core.errors import GridError
from grid.runtime.live.frames import FrameEncoder, Stamp

pytestmark = pytest.mark.anyio
TOPIC = f"run:{RUN_ID}"
PAUSES = (0.02, 0.1)


@pytest.fixture
def anyio_backend():
    return "asyncio"


@pytest.fixture
async def server():
    async with LiveServer().served() as serving:
        yield serving


@asynccontextmanager
async def opened(server: LiveServer, run: UUID = RUN_ID, **options):
    source = RemoteSource(server.client(), run, pauses=PAUSES, **{"poll_s": 0.05, **options})
    await source.open()
    try:
        yield source
    finally:
        await source.close()


async def first(stream, is_it=lambda _one: True):
    async with asyncio.timeout(10.0):
        async for value in stream:
            if is_it(value):
                return value
    raise AssertionError("the stream ended")


def make_frame(number: int = 1, *, epoch: int = 1, run: bytes = RUN_ID.bytes[:8], tick: int = 10) -> bytes:
    encoder = FrameEncoder("temperature")
    encoder.number = number - 1
    return encoder.quantise(make_field(), Stamp(tick, float(tick), epoch, 1, run)).pack("zstd")


def make_sample(end_tick: int = 10, **metrics) -> dict:
    spans = {name: [value, value, value, value] for name, value in {"highest": 60.0, **metrics}.items()}
    return {"first_tick": end_tick - 1, "end_tick": end_tick, "time_s": float(end_tick), "metrics": spans}


async def subscribed(server: LiveServer) -> tuple[int, int]:
    """Numbers of the subscriptions to events and samples."""
    events = await server.wait_for("sub", topic=f"{TOPIC}:events")
    return events["id"], (await server.wait_for("sub", topic=f"{TOPIC}:metrics"))["id"]


async def test_the_run_is_found_with_its_thresholds_and_a_place_for_a_burst(server):
    async with opened(server) as source:
        run = source._run
        assert (run.id, run.name, run.tick_s, run.rate) == (str(RUN_ID), "burst-0b2f6a4e", 1.0, 15.0)
        assert run.thresholds == {"highest": 52.0}
        assert run.proposal == (0.1, 0.2)


async def test_a_run_that_is_not_there_is_refused(server):
    with pytest.raises(ProblemError, match="No such thing"):
        async with opened(server, UUID(int=9)):
            pass


async def test_frames_are_asked_for_and_acknowledged_when_they_are_shown(server):
    async with opened(server) as source:
        await subscribed(server)
        await source.want(Want("temperature", 1))
        sub = await server.wait_for("sub", topic=f"{TOPIC}:frames")
        assert (sub["field"], sub["level"], sub["max_hz"], sub["codec"]) == ("temperature", 1, 10.0, "zstd")

        await server.tell(make_frame(41))
        stream = source.frames()
        assert decode_frame(await anext(stream)).header.frame == 41
        assert not [one for one in server.messages if one["type"] == "grant"]  # not shown yet
        waiting = asyncio.create_task(anext(stream))
        assert await server.wait_for("grant") == {"type": "grant", "id": sub["id"], "seq": 41}
        await server.tell(make_frame(42))
        assert decode_frame(await waiting).header.frame == 42

        await source.want(Want("stress", 2))
        assert (await server.wait_for("unsub"))["id"] == sub["id"]
        assert (await server.wait_for("sub", field="stress"))["level"] == 2
        await source.want(Want(None))
        await server.wait_for("unsub")


async def test_a_run_that_has_ended_is_shown_by_its_last_frame(server):
    server.row = make_row(status="stopped", message="You stopped it.", finished_at="2026-01-01T00:00:00Z")
    server.last_frame = make_frame(1, epoch=0, tick=9)
    async with opened(server) as source:
        assert decode_frame(await first(source.frames())).header.tick == 9
        status = await first(source.statuses(), lambda one: one.link == "over")
        assert (status.state, status.reason) == ("stopped", "You stopped it.")


async def test_other_viewers_are_counted_until_the_link_is_lost(server):
    async with opened(server) as source:
        await subscribed(server)
        await server.tell({"type": "notice", "sub": 3, "kind": "viewers", "others": 2})
        assert (await first(source.statuses(), lambda one: one.others)).others == 2
        await server.drop()
        assert (await first(source.statuses(), lambda one: one.link == "lost")).others == 0


async def test_frames_of_other_runs_and_older_owners_are_dropped(server):
    async with opened(server) as source:
        await subscribed(server)
        for frame in (make_frame(1, run=b"otherrun"), make_frame(2, epoch=2), make_frame(3, epoch=1), b"GRF1"):
            await server.tell(frame)
        assert decode_frame(await first(source.frames())).header.frame == 2
        await server.tell(make_frame(4, epoch=2))
        assert decode_frame(await first(source.frames())).header.frame == 4


async def test_samples_and_events_are_told(server):
    async with opened(server) as source:
        events, samples = await subscribed(server)
        await server.tell({"type": "event", "sub": samples, "id": 10, "data": make_sample(10, ratio=0.98)})
        reading = await first(source.readings())
        assert (reading.tick, reading.last["ratio"], reading.most["highest"]) == (10, 0.98, 60.0)

        payload = {"seq": 1, "effective": {}}
        event = {"n": 4, "tick": 9, "step": 36, "kind": "applied", "payload": payload, "origin": "engine"}
        await server.tell({"type": "event", "sub": events, "id": 4, "data": event})
        told = await first(source.happenings())
        assert (told.tick, told.kind, told.command["payload"]["power_w"]) == (9, "applied", 5e3)

        await server.tell({"type": "event", "sub": events, "id": 5, "data": {**event, "n": 5, "payload": {"seq": 2}}})
        told = await first(source.happenings())  # a command of somebody else is looked up
        assert told.command == {"kind": "model", "payload": {"model": "lumped"}}


async def test_the_stored_sample_is_told_first(server):
    server.newest = {
        "run": str(RUN_ID), "status": "paused", "message": "The run is paused.", "model": "lumped", "policy": "auto",
        "tick": 40, "tick_s": "1.0", "first_tick": 39, "end_tick": 40, "time_s": 40.0,
        "sampled_at": "2026-01-01T00:00:00Z", "age_s": 3.0, "metrics": {"highest": 61.0, "ratio": None},
    }  # fmt: skip
    async with opened(server) as source:
        reading = await first(source.readings())
        assert (reading.tick, reading.last["highest"], reading.most["ratio"]) == (40, 61.0, None)


async def test_rules_that_wait_in_a_pause_are_not_told_one_by_one(server):
    async with opened(server) as source:
        events, _ = await subscribed(server)
        cover = {"rule": "hot", "part": "cover", "from": "ok", "to": "suspended", "cause": "paused", "value": None}
        event = {"n": 4, "tick": 9, "step": 36, "kind": "alert", "payload": cover, "origin": "wall"}
        await server.tell({"type": "event", "sub": events, "id": 4, "data": event})
        stale = {**event, "n": 5, "payload": {**cover, "to": "stale"}}
        await server.tell({"type": "event", "sub": events, "id": 5, "data": stale})
        assert (await first(source.happenings())).payload["to"] == "stale"
        assert source._last_event == 5


async def test_other_fields_are_offered_once_a_structure_is_seen(server):
    async with opened(server) as source:
        _, samples = await subscribed(server)
        assert source._run.fields == ("temperature",)
        await server.tell({"type": "event", "sub": samples, "id": 10, "data": make_sample(10, peak_stress=1e6)})
        assert "utilisation" in (await first(source.runs())).fields


async def test_a_lost_link_is_told_and_comes_back_behind_what_is_known(server):
    async with opened(server) as source:
        events, samples = await subscribed(server)
        event = {"n": 17, "tick": 9, "step": 36, "kind": "note", "payload": {}, "origin": "wall"}
        await server.tell({"type": "event", "sub": events, "id": 17, "data": event})
        await server.tell({"type": "event", "sub": samples, "id": 33, "data": make_sample(33)})
        await first(source.readings())
        await first(source.happenings())
        await server.drop(1012)
        lost = await first(source.statuses(), lambda one: one.link == "lost")
        assert lost.reason == "The server restarts"

        assert (await server.wait_for("sub", topic=f"{TOPIC}:events"))["after"] == 17
        assert (await server.wait_for("sub", topic=f"{TOPIC}:metrics"))["after"] == 33
        assert (await first(source.statuses())).link == "live"
        assert server.tickets == 2  # each opens one connection


async def test_while_nobody_answers_the_link_is_tried_again(server):
    async with opened(server) as source:
        await subscribed(server)
        server.is_away = True
        await server.drop()
        await first(source.statuses(), lambda one: one.link == "lost" and "does not answer" in one.reason)
        server.is_away = False
        await first(source.statuses(), lambda one: one.link == "live")
        await subscribed(server)


async def test_a_gap_is_told_and_events_are_asked_for_again(server):
    async with opened(server) as source:
        events, _ = await subscribed(server)
        await server.tell({"type": "gap", "sub": events, "after": 3})
        assert (await first(source.happenings())).kind == "gap"
        assert (await server.wait_for("sub", topic=f"{TOPIC}:events"))["id"] != events


async def test_notices_and_the_end_are_told(server):
    async with opened(server, poll_s=60.0) as source:
        await subscribed(server)
        run = {"status": "paused", "reason": None, "message": "The run is paused.", "tick": 9}
        await server.tell({"type": "notice", "sub": 1, "kind": "paused", "run": run})
        await first(source.statuses(), lambda one: one.state == "paused")
        await server.tell({"type": "notice", "sub": 1, "kind": "slow", "level": 2, "max_hz": 5.0, "skipped": 3})
        assert (await first(source.happenings())).kind == "slow"
        await server.tell({"type": "end", "sub": 1, "reason": "invalid", "field": "field", "detail": "field: one of x"})
        assert (await first(source.happenings())).payload == {"reason": "field: one of x"}
        await server.tell({"type": "end", "sub": 1, "reason": "stopped", "run": {**run, "status": "failed"}})
        ended = await first(source.statuses(), lambda one: one.link == "over")
        assert (ended.state, ended.reason) == ("failed", "The run is paused.")


async def test_a_session_near_its_end_gets_a_new_ticket(server):
    async with opened(server):
        await subscribed(server)
        await server.tell({"type": "renew"})
        assert (await server.wait_for("renew"))["ticket"] == "ticket-2"


async def test_the_clocks_are_told_apart(server):
    server.skew_ms = 60_000.0
    async with opened(server) as source:
        skewed = await first(source.statuses(), lambda one: one.skew_s != 0.0)
        assert skewed.skew_s == pytest.approx(60.0, abs=1.0)


async def test_alerts_and_the_degraded_mode_are_looked_at(server):
    server.rules[0]["op"] = "<"
    server.alerts = [make_alert_row(), make_alert_row(2, rule="cold", silence=str(UUID(int=7)), cover="stale")]
    server.mode = "degraded; physics=1"
    async with opened(server) as source:
        hot, cold = await first(source.alerts(), lambda one: len(one) > 0)
        assert (hot.id, hot.state, hot.op, hot.tick, hot.hidden) == (str(UUID(int=1)), "firing", "<", 5, "")
        assert (cold.state, cold.op, cold.hidden) == ("stale", ">", "silenced")
        await first(source.statuses(), lambda one: one.mode == "degraded; physics=1")
        await source.acknowledge(hot)
    assert ("POST", f"/alerts/{UUID(int=1)}/acknowledge", {}) in server.requests


@pytest.mark.parametrize(
    ("told", "unit", "fields"),
    [
        ({"has_structure": True}, "°C", ("temperature", "stress", "utilisation", "damage", "state")),
        ({"temperature_unit": "K"}, "K", ("temperature",)),
        ({"temperature_unit": "relative"}, "", ("temperature",)),
        ({"temperature_unit": None, "cells": None, "has_structure": None}, "", ("temperature",)),
    ],
)
async def test_unit_cells_and_fields_come_with_the_run(server, told, unit, fields):
    server.row = make_row(**told)
    async with opened(server) as source:
        assert (source._run.unit, source._run.fields) == (unit, fields)
        assert source._run.cells == (tuple(server.row["cells"]) if server.row["cells"] else ())


@pytest.mark.parametrize(
    ("level", "shape", "cells"),
    [(0, [1, 128, 96], (1, 128, 96)), (2, [1, 32, 24], (1, 128, 96)), (0, [128], (128,)), (0, [8, 6], (8, 6, 1))],
)
async def test_the_body_is_learnt_from_a_picture(server, level, shape, cells):
    factor = (1, 2, 4)[level]
    server.row = make_row(cells=None)  # of a run of an earlier version
    spacing = [0.01 * factor] * len(cells)
    server.grid = {"level": level, "shape": shape, "origin_m": [0.5] * len(cells), "spacing_m": spacing}
    async with opened(server) as source:
        run = await first(source.runs(), lambda one: bool(one.cells))
        assert run.cells == cells
        assert run.origin == (0.5,) * len(cells)
        assert run.size == pytest.approx([0.01 * count for count in cells])


async def test_a_picture_without_a_place_is_done_without(server):
    server.grid = {"level": 0, "shape": [4, 4]}
    async with opened(server) as source:
        await subscribed(server)
        server.mode = "degraded; store=1"
        await first(source.statuses(), lambda one: one.mode == server.mode)  # it looks on
        assert source._run.size == ()


async def test_every_command_has_its_route(server):
    run = f"/engine/runs/{RUN_ID}"
    event = {"kind": "overload", "power_w": 1.0, "duration_s": 1.0}
    async with opened(server) as source:
        answers = [
            await source.inject(event), await source.choose_model("lumped"), await source.pause(),
            await source.resume(), await source.step(4), await source.set_speed(2.5), await source.set_speed(None),
        ]  # fmt: skip
        branch, replay = await source.branch(), await source.replay()
    bodies = {(method, path): body for method, path, body in server.requests}
    assert all(answer.seq == 9 for answer in answers)
    assert bodies[("POST", f"{run}/events")]["power_w"] == 1.0
    assert bodies[("PUT", f"{run}/model")] == {"model": "lumped"}
    assert bodies[("POST", f"{run}/step")] == {"ticks": 4}
    assert [body for _, path, body in server.requests if path == f"{run}/speed"] == [{"speed": 2.5}, {"speed": "max"}]
    assert {("POST", f"{run}/pause"), ("POST", f"{run}/resume")} <= set(bodies)
    assert "at_tick" in bodies[("POST", f"{run}/branches")]
    assert str(UUID(int=5)) in branch.text
    assert str(UUID(int=6)) in replay.text


async def test_a_refusal_names_field_and_limit(server):
    errors = [{"field": "radius_m", "limit": "above 0"}]
    server.refusal = (
        422,
        {"type": "/problems/invalid-fields", "title": "Fields are outside their limits", "errors": errors},
    )
    async with opened(server) as source:
        with pytest.raises(GridError, match="radius_m: above 0"):
            await source.inject({"kind": "burst"})


async def test_the_monitor_shows_a_run_of_the_service(server):
    app = MonitorApp(RemoteSource(server.client(), RUN_ID, pauses=PAUSES, poll_s=0.05))
    async with app.run_test(size=(120, 36)) as pilot:
        _, samples = await subscribed(server)
        await server.wait_for("sub", topic=f"{TOPIC}:frames")
        await server.tell(make_frame(1))
        await server.tell({"type": "event", "sub": samples, "id": 12, "data": make_sample(12)})
        await server.wait_for("grant", seq=1)
        async with asyncio.timeout(10.0):
            while app.state.tick < 12:
                await pilot.pause(0.02)
        assert app.picture.worst[0] == pytest.approx(540.0, abs=0.1)
        assert "cells" in app._lines("worst").text  # the size of the body is not told

        server.is_away = True
        await server.drop()
        async with asyncio.timeout(10.0):
            while not app.query_one(FieldView).is_grey:
                await pilot.pause(0.02)
        assert "OFFLINE" in app._lines("header").text


@pytest.mark.parametrize(
    ("address", "url"),
    [
        ("http://127.0.0.1:8000", "ws://127.0.0.1:8000/api/v1/live"),
        ("https://grid.example/base/", "wss://grid.example/base/api/v1/live"),
        ("http://[::1]:80", "ws://[::1]:80/api/v1/live"),
    ],
)
async def test_the_socket_is_beside_the_routes(address, url):
    assert socket_url(address) == url
