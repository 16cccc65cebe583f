"""A scenario in this process, watched and steered: the burst is seen in the picture, commands do what they say."""

import asyncio
from contextlib import asynccontextmanager

import numpy as np
import pytest
from textual.widgets import Input

from grid.cli.monitor.app import MonitorApp
from grid.cli.monitor.dialogs import FormDialog
from grid.cli.monitor.local import LocalSource
from grid.cli.monitor.palette import STEPS
from grid.cli.monitor.picture import WORST, Key
from grid.cli.monitor.source import NotOfferedError, Want
from grid.client.frames import FrameFlag, decode_frame
from grid.core.errors import ConflictError, FieldError, GridError
from grid.engine.live import Burst, Session, plan_clock
from grid.plugins.registry import load_registry

pytestmark = pytest.mark.anyio
CELLS = (16, 16)


@pytest.fixture
def anyio_backend():
    return "asyncio"


def make_source(name="burst", **options) -> LocalSource:
    scenario = load_registry().get_scenario(name)
    cells = options.pop("cells", CELLS)
    return LocalSource(scenario, scenario.params_model(), cells, **options)


@asynccontextmanager
async def opened(source):
    await source.open()
    try:
        yield source
    finally:
        await source.close()


async def first(stream, is_it, *, seconds=20.0):
    """The first value of a stream that is meant."""
    async with asyncio.timeout(seconds):
        async for value in stream:
            if is_it(value):
                return value
    raise AssertionError("the stream ended")


async def test_the_burst_is_seen_in_the_picture():
    app = MonitorApp(make_source(cells=(32, 32), speed="max"))
    async with app.run_test(size=(120, 40)) as pilot:
        async with asyncio.timeout(30.0):
            while app.picture is None or app.picture.tick <= 45 or app.picture.is_even:
                await asyncio.sleep(0.02)
                await pilot.pause()
        shown = app.picture.keys
        codes = np.array([[Key.of(int(key)).upper for key in row] for row in shown])
        row, column = next(place for place, key in np.ndenumerate(shown) if Key.of(int(key)).mark == WORST)

        body = codes[:, (codes < STEPS).any(axis=0)]
        middle, left = shown.shape[0] // 2, np.flatnonzero((codes < STEPS).any(axis=0))[0]
        assert abs(row - middle) <= 1
        assert abs(column - left - body.shape[1] // 2) <= 2
        assert codes[row, column] > codes[middle, left] + 3  # the centre is hotter than the edge
        assert "burst 800 W for 60 s" in app._lines("timeline").text
        assert "switch → diffusive" in app._lines("timeline").text
        assert app.picture.worst[1] == pytest.approx((0.005, 0.5, 0.5), abs=0.04)


async def test_an_injected_burst_is_in_the_field_as_in_a_notebook():
    source = make_source(is_paused=True)
    event = {"kind": "burst", "position_m": [0.005, 0.25, 0.75], "radius_m": 0.05, "power_w": 500.0, "duration_s": 4.0}
    async with opened(source):
        await first(source.statuses(), lambda one: one.state == "paused")
        await source.want(Want("temperature", max_hz=1000.0))
        answer = await source.inject(event)
        await source.step(9)
        applied = await first(source.happenings(), lambda one: one.kind == "applied")
        frame = decode_frame(await first(source.frames(), lambda one: decode_frame(one).header.tick == 9))

    scenario = load_registry().get_scenario("burst")
    scene = source._scene
    session = Session(scene, plan_clock(scene, scenario.timing(scenario.params_model()).tick_s))
    session.advance(applied.tick)
    session.apply(Burst((0.005, 0.25, 0.75), 0.05, 4.0, power=500.0))
    session.advance(9 - applied.tick)
    assert answer.seq == applied.payload["seq"]
    assert applied.command == {"kind": "event", "payload": event}
    assert np.abs(frame.values - session.field()).max() <= frame.header.error * 1.001
    assert frame.header.flags & FrameFlag.PAUSED


async def test_pause_speed_model_and_step_are_told():
    source = make_source(speed=5)
    async with opened(source):
        await source.pause()
        paused = await first(source.statuses(), lambda one: one.state == "paused")
        await source.set_speed(None)
        await first(source.statuses(), lambda one: one.speed is None)
        await source.choose_model("diffusive")
        await source.step(3)
        stepped = await first(source.statuses(), lambda one: one.tick >= paused.tick + 3 and one.model == "diffusive")
        assert stepped.state == "paused"
        await source.resume()
        await first(source.statuses(), lambda one: one.state == "running" and one.tick > stepped.tick)
        with pytest.raises(ConflictError, match="pause it first"):
            await source.step(1)


async def test_alerts_of_the_scenario_fire_and_can_be_acknowledged():
    source = make_source("overload", cells=(8, 8), speed="max")
    async with opened(source):
        firing = await first(source.alerts(), lambda alerts: any(one.is_firing for one in alerts))
        await source.acknowledge(firing[0])
        seen = await first(source.alerts(), lambda alerts: bool(alerts) and alerts[0].is_acknowledged)
        assert seen[0].rule == firing[0].rule
        assert firing[0].threshold in source._run.thresholds.values()


async def test_a_branch_goes_on_alone_and_the_run_waits():
    source = make_source(speed="max")
    async with opened(source):
        await first(source.statuses(), lambda one: one.tick > 5)
        await source.branch()
        shown = await first(source.runs(), lambda _one: True)
        at = int(shown.name.rpartition("@")[2].replace(",", ""))
        await first(source.statuses(), lambda one: one.tick > at + 5)
        await source.choose_model("diffusive")
        answer = await source.branch()  # of a branch: back to where it left
        assert "dropped" in answer.text
        assert (await first(source.runs(), lambda _one: True)).name == "burst"
        await source.resume()
        await first(source.happenings(), lambda one: one.kind == "state" and one.command["kind"] == "resume")


async def test_a_replay_of_the_log_has_the_same_bytes():
    source = make_source(speed="max")
    async with opened(source):
        await first(source.statuses(), lambda one: one.tick > 60)
        await source.pause()
        answer = await source.replay()
        assert answer.text.startswith("Replay identical: 1 commands")


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"position_m": [0.005, 5.0, 0.5]}, "position_m"),
        ({"position_m": [0.5]}, "position_m"),
        ({"radius_m": 0.0}, "radius_m"),
        ({"power_w": 1e99}, "power_w"),
        ({"duration_s": -1.0}, "duration_s"),
        ({"kind": "magic"}, "kind"),
    ],
)
async def test_events_outside_their_limits_are_refused_by_name(changes, told):
    event = {"kind": "burst", "position_m": [0.005, 0.5, 0.5], "radius_m": 0.1, "power_w": 1.0, "duration_s": 1.0}
    async with opened(make_source(is_paused=True)) as source:
        with pytest.raises(GridError, match=told):
            await source.inject({**event, **changes})


async def test_other_numbers_outside_their_limits_are_refused_by_name():
    async with opened(make_source(is_paused=True)) as source:
        for refused, told in (
            (source.set_speed(1000.0), "speed: 0.1 to 100"),
            (source.step(0), "ticks: 1 to 10000"),
            (source.choose_model("best"), "model: one of auto"),
            (source.want(Want("colour")), "field: one of temperature"),
        ):
            with pytest.raises(FieldError, match=told):
                await refused
    with pytest.raises(FieldError, match="cells"):
        make_source(cells=(2, 2))


async def test_a_refusal_of_the_scene_is_read_in_the_dialog():
    app = MonitorApp(make_source(is_paused=True))
    async with app.run_test(size=(120, 40)) as pilot:
        async with asyncio.timeout(20.0):
            while app.state.run is None:
                await pilot.pause(0.02)
            await pilot.press("i")
            while not (isinstance(app.screen, FormDialog) and app.screen.sentence):
                await pilot.pause(0.02)
            next(one for one in app.screen.query(Input) if one.name == "position_m").value = "0.005, 7, 0.5"
            await pilot.press("enter")
            while not app.screen.refusal:
                await pilot.pause(0.02)
        assert app.screen.refusal.startswith("! position_m")


async def test_a_run_that_cannot_begin_says_why(monkeypatch):
    def refuse(*_arguments):
        raise FieldError("scene", "something that this machine can run")

    monkeypatch.setattr("grid.cli.monitor.local.LiveLoop", refuse)
    async with opened(make_source()) as source:
        status = await first(source.statuses(), lambda one: one.link == "over")
        assert status.state == "failed"
        assert status.reason == "scene: something that this machine can run"
        with pytest.raises(NotOfferedError):
            await source.pause()


async def test_frames_are_made_only_when_wanted():
    source = make_source(speed="max")
    async with opened(source):
        await first(source.statuses(), lambda one: one.tick > 10)
        assert source._frames._value is None
        await source.want(Want("utilisation", 1))
        frame = decode_frame(await first(source.frames(), lambda _one: True))
        assert (frame.header.level, frame.codes.shape) == (1, (1, 8, 8))
        assert frame.header.flags & FrameFlag.ESTIMATE
