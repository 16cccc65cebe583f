"""The monitor with Textual's pilot: every key, hold, offline, small terminals, dialogs with bad values."""

import asyncio
from dataclasses import replace

import pytest
from tests.doubles.monitor_sources import RUN, ScriptedSource, make_alert, make_frame, make_reading
from textual.widgets import Input

from grid.cli.monitor import views
from grid.cli.monitor.app import MonitorApp
from grid.cli.monitor.dialogs import FormDialog, HelpDialog
from grid.cli.monitor.field import FieldView
from grid.cli.monitor.source import Happening, Status, Want
from grid.cli.monitor.state import MonitorState
from grid.core.errors import FieldError, NotFoundError

pytestmark = pytest.mark.anyio
SIZE = (120, 36)


@pytest.fixture
def anyio_backend():
    return "asyncio"


class Clock:
    """Unix time, which the test moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def make_app(source: ScriptedSource | None = None) -> MonitorApp:
    return MonitorApp(source or ScriptedSource(), clock=Clock())


async def settle(pilot, until=lambda: True) -> None:
    """Let tasks and threads come to rest, for at most 3 s until a condition holds."""
    for _ in range(300):
        await pilot.pause()
        if until():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("the condition did not come true")


async def show(pilot, **frame) -> None:
    """Send a frame and wait until it is drawn."""
    app, before = pilot.app, pilot.app.pictures
    app.source.send(frame=make_frame(**frame))
    await settle(pilot, lambda: app.pictures > before)


async def type_into(pilot, name: str, text: str) -> None:
    entry = next(one for one in pilot.app.screen.query(Input) if one.name == name)
    entry.value = text
    await pilot.pause()


async def test_what_is_known_of_the_run_is_shown():
    app = make_app()
    async with app.run_test(size=SIZE) as pilot:
        await show(pilot)
        app.source.send(
            reading=make_reading(5472),
            alerts=(make_alert(),),
            happening=Happening(5310, "switch", {"model": "diffusive", "bound": "1.4", "text": ""}),
        )
        await settle(pilot, lambda: app.state.tick == 5472 and bool(app.state.timeline) and bool(app.state.alerts))
        app._draw_texts()

        shown = (
            "burst-3 RUNNING  t 547.2 s  tick 5,472  1.00x  DIFFUSIVE cert 0.31/1  MODE full  ALERT 1 high  age 0 ms"
        )
        assert app._lines("header").text.strip() == shown
        assert app._lines("range").text.startswith("temperature 300.0 K ▕")
        assert "\u2573 540.0 K @ (0.6328, 0.3203) m" in app._lines("worst").text
        assert app._lines("alerts").text == "▲  HIGH hot 538.2 > 520.0"
        assert "5,310  switch → diffusive at 1.40 of its limit" in app._lines("timeline").text
        assert "538.2 K" in app._lines("trends").text
        assert "9.000 ms" in app._lines("trends").text
        assert "[i]nject" in app._lines("keys").text
    assert app.source.is_closed


async def test_the_level_that_fits_the_terminal_is_asked_for():
    app = make_app(ScriptedSource(replace(RUN, cells=(512, 512))))
    async with app.run_test(size=SIZE) as pilot:
        await settle(pilot, lambda: bool(app.source.wants))
        assert app.source.wants == [Want("temperature", 2)]
        await pilot.resize_terminal(330, 120)
        await settle(pilot, lambda: app.source.wants[-1].level < 2)


async def test_space_holds_the_picture_alone_and_says_not_live():
    app = make_app()
    async with app.run_test(size=SIZE) as pilot:
        await show(pilot)
        await pilot.press("space")
        drawn = app.pictures
        app.source.send(frame=make_frame(900.0, tick=11), reading=make_reading(11))
        await settle(pilot, lambda: app.state.tick == 11)

        assert (app.pictures, app.picture.tick) == (drawn, 10)
        assert app.query_one("#picture").border_title == "HELD: NOT LIVE, tick 10"
        assert app.source.asked == []  # the run goes on

        await pilot.press("space")
        await settle(pilot, lambda: app.picture.tick == 11)
        assert app.query_one("#picture").border_title == "temperature"


async def test_without_the_server_the_last_picture_is_grey_and_its_age_red():
    app = make_app()
    async with app.run_test(size=SIZE) as pilot:
        await show(pilot)
        app.source.tell(Status("running", link="lost", reason="Nobody answers"))
        await settle(pilot, lambda: app.state.status.link == "lost")
        app._clock.now = 1003.0
        app._draw_texts()

        assert app.query_one(FieldView).is_grey
        assert app.query_one("#picture").border_title == "OFFLINE: last picture, tick 10"
        assert app._lines("header").lines[0][-1] == ("OFFLINE age 3.0 s", "bad")
        assert "Nobody answers" in app._lines("message").text

        app.source.tell(Status("running"))
        await settle(pilot, lambda: app.state.status.link == "live")
        assert not app.query_one(FieldView).is_grey


async def test_old_data_of_a_ticking_run_are_told_in_red():
    app = make_app()
    async with app.run_test(size=SIZE) as pilot:
        await show(pilot)
        app._clock.now = 1001.9
        app._draw_texts()
        assert app._lines("header").lines[0][-1] == ("age 1.9 s", "dim")
        app._clock.now = 1002.1
        app._draw_texts()
        assert app._lines("header").lines[0][-1] == ("age 2.1 s", "bad")


async def test_a_small_terminal_shows_a_list_and_wants_no_pictures():
    app = make_app()
    async with app.run_test(size=SIZE) as pilot:
        await show(pilot)
        drawn = app.pictures
        await pilot.resize_terminal(80, 24)
        await settle(pilot, lambda: app.source.wants[-1] == Want(None))
        app.source.send(frame=make_frame(tick=12), reading=make_reading(12), alerts=(make_alert(),))
        await settle(pilot, lambda: app.state.tick == 12 and bool(app.state.alerts))
        app._draw_texts()

        assert app.is_small
        await settle(pilot, lambda: not app.query_one("#main").display)
        text = app._lines("compact").text
        assert all(part in text for part in ("burst-3", "tick 12", "538.2 K", "HIGH hot", "DIFFUSIVE"))
        assert app.pictures == drawn

        await pilot.resize_terminal(*SIZE)
        await settle(pilot, lambda: app.pictures > drawn and app.query_one("#main").display)


@pytest.mark.parametrize(
    ("key", "status", "typed", "asked", "sentence"),
    [
        ("p", "running", {}, ("pause",), "pauses at the next boundary"),
        ("p", "paused", {}, ("resume",), "goes on from tick"),
        (".", "paused", {"ticks": "25"}, ("step", 25), "to tick 35"),
        ("s", "running", {"speed": "2.5"}, ("speed", 2.5), "25 ticks a second"),
        ("s", "running", {"speed": "max"}, ("speed", None), "as fast as it can"),
        ("r", "running", {}, ("replay",), "bytes of the field are compared"),
        ("a", "running", {}, ("acknowledge", "a"), "HIGH hot: highest 538.2 > 520.0 since tick 3"),
    ],
)
async def test_a_key_shows_what_it_will_do_and_takes_enter(key, status, typed, asked, sentence):
    app = make_app(ScriptedSource(status=Status(status)))
    async with app.run_test(size=SIZE) as pilot:
        app.source.send(reading=make_reading(10), alerts=(make_alert(),))
        await settle(pilot, lambda: app.state.tick == 10 and bool(app.state.alerts))
        await pilot.press({".": "full_stop"}.get(key, key))
        await settle(pilot, lambda: isinstance(app.screen, FormDialog) and bool(app.screen.sentence))
        for name, text in typed.items():
            await type_into(pilot, name, text)

        assert sentence in app.screen.sentence
        assert app.source.asked == []
        await pilot.press("enter")
        await settle(pilot, lambda: len(app.screen_stack) == 1)
        assert app.source.asked == [asked]
        assert f"{asked[0]} is sent as #1" in app._lines("message").text


async def test_escape_sends_nothing():
    app = make_app()
    async with app.run_test(size=SIZE) as pilot:
        await settle(pilot, lambda: app.state.run is not None)
        for key in "pisrbm":
            await pilot.press(key)
            await settle(pilot, lambda: isinstance(app.screen, FormDialog))
            await pilot.press("escape")
            await settle(pilot, lambda: len(app.screen_stack) == 1)
        assert app.source.asked == []


async def test_m_chooses_between_the_models():
    app = make_app()
    async with app.run_test(size=SIZE) as pilot:
        await settle(pilot, lambda: app.state.run is not None)
        await pilot.press("m", "down")
        await settle(pilot, lambda: "one temperature" in app.screen.sentence)
        await pilot.press("enter")
        await settle(pilot, lambda: bool(app.source.asked))
        assert app.source.asked == [("model", "lumped")]


async def test_a_refused_command_says_why_and_stays_open():
    app = make_app()
    async with app.run_test(size=SIZE) as pilot:
        await settle(pilot, lambda: app.state.run is not None)
        await pilot.press("b")
        await settle(pilot, lambda: isinstance(app.screen, FormDialog))
        await pilot.press("enter")
        await settle(pilot, lambda: bool(app.screen.refusal))
        assert app.screen.refusal == "! No branch of this run"


async def test_injection_is_described_sent_and_told():
    app = make_app()
    async with app.run_test(size=SIZE) as pilot:
        app.source.send(reading=make_reading(10))
        await settle(pilot, lambda: app.state.tick == 10)
        await pilot.press("i")
        await settle(pilot, lambda: isinstance(app.screen, FormDialog) and bool(app.screen.sentence))
        await type_into(pilot, "power_w", "2e4")
        await type_into(pilot, "position_m", "0.41 0.52")

        assert app.screen.sentence == "burst 20 kW for 1 s at (0.41, 0.52) m, 20 kJ in all, from tick 11 or soon after."
        await pilot.press("enter")
        await settle(pilot, lambda: bool(app.source.asked))
        assert app.source.asked == [
            (
                "inject",
                {"kind": "burst", "position_m": [0.41, 0.52], "radius_m": 0.05, "power_w": 2e4, "duration_s": 1.0},
            )
        ]


async def test_other_events_are_a_key_away_and_what_was_typed_stays():
    app = make_app()
    async with app.run_test(size=SIZE) as pilot:
        await settle(pilot, lambda: app.state.run is not None)
        await pilot.press("i")
        await settle(pilot, lambda: isinstance(app.screen, FormDialog))
        await type_into(pilot, "power_w", "777")
        names = []
        for _ in range(4):
            names.append(app.screen.choice.name)
            await pilot.press("down")
            await settle(pilot, lambda: app.screen.choice.name != names[-1])
        assert names == ["burst", "flow", "overload", "cooling-loss"]
        assert app.screen.values["power_w"] == "777"
        await pilot.press("up")
        await settle(pilot, lambda: app.screen.choice.name == "cooling-loss" and "remaining" in app.screen.values)
        await type_into(pilot, "faces", "x_min, y_max")
        await pilot.press("enter")
        await settle(pilot, lambda: bool(app.source.asked))
        assert app.source.asked[0][1]["faces"] == ["x_min", "y_max"]


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("power_w", "much", "! power_w: a number"),
        ("power_w", "nan", "! power_w: a finite number"),
        ("duration_s", "-inf", "! duration_s: a finite number"),
        ("position_m", "", "! position_m: numbers with commas between them"),
        ("position_m", "0.5, x", "! position_m: a number"),
    ],
)
async def test_bad_numbers_are_refused_before_they_are_sent(name, text, told):
    app = make_app()
    async with app.run_test(size=SIZE) as pilot:
        await settle(pilot, lambda: app.state.run is not None)
        await pilot.press("i")
        await settle(pilot, lambda: isinstance(app.screen, FormDialog))
        await type_into(pilot, name, text)
        await pilot.press("enter")
        await settle(pilot, lambda: bool(app.screen.refusal))

        assert app.screen.refusal == told
        assert app.screen.sentence == ""
        assert app.source.asked == []


async def test_the_limit_that_the_run_names_is_shown():
    app = make_app()
    app.source.refusal = FieldError("radius_m", "above 0, at most 1e+09 m")
    async with app.run_test(size=SIZE) as pilot:
        await settle(pilot, lambda: app.state.run is not None)
        await pilot.press("i")
        await settle(pilot, lambda: isinstance(app.screen, FormDialog))
        await type_into(pilot, "radius_m", "-1")
        await pilot.press("enter")
        await settle(pilot, lambda: bool(app.screen.refusal))
        assert app.screen.refusal == "! radius_m: above 0, at most 1e+09 m"


async def test_f_shows_the_next_field():
    app = make_app()
    async with app.run_test(size=SIZE) as pilot:
        await show(pilot)
        await pilot.press("f")
        await settle(pilot, lambda: app.source.wants[-1].field == "stress")
        assert app.query_one("#picture").border_title == "stress"
        drawn = app.pictures
        app.source.send(frame=make_frame(tick=11))  # the last of the field before
        await asyncio.sleep(0.15)
        assert app.pictures == drawn
        await show(pilot, name="stress", tick=12)
        assert app.query_one(FieldView).map == "viridis"


async def test_arrows_move_a_cursor_that_reads_the_field_and_places_a_burst():
    app = make_app()
    async with app.run_test(size=SIZE) as pilot:
        await show(pilot)
        await pilot.press("shift+right", "up")
        await settle(pilot, lambda: app.picture.probed is not None and "┼" in app._lines("worst").text)
        place = app.picture.probed[1]
        assert place[0] > 0.55
        await pilot.press("i")
        await settle(pilot, lambda: isinstance(app.screen, FormDialog) and bool(app.screen.sentence))
        assert app.screen.values["position_m"] == f"{place[0]:.6g}, {place[1]:.6g}"
        await pilot.press("escape")
        await settle(pilot, lambda: len(app.screen_stack) == 1)
        await pilot.press("escape")
        await settle(pilot, lambda: app.picture.probed is None)


async def test_help_lists_every_key():
    app = make_app()
    async with app.run_test(size=SIZE) as pilot:
        await pilot.press("question_mark")
        await settle(pilot, lambda: isinstance(app.screen, HelpDialog))
        text = str(app.screen.query_one("#help").content)
        assert all(f"\n{key} " in f"\n{text}" for key in ("i", "m", "space", "p", ".", "s", "a", "f", "b", "r", "q"))
        await pilot.press("escape")
        await settle(pilot, lambda: len(app.screen_stack) == 1)


async def test_q_leaves():
    app = make_app()
    async with app.run_test(size=SIZE) as pilot:
        await settle(pilot, lambda: app.state.run is not None)
        await pilot.press("q")
        await pilot.pause()
    assert app.source.is_closed


async def test_nothing_waits_to_be_acknowledged():
    app = make_app()
    async with app.run_test(size=SIZE) as pilot:
        await settle(pilot, lambda: app.state.run is not None)
        await pilot.press("a")
        await pilot.pause()
        assert len(app.screen_stack) == 1
        assert "No alert waits" in app._lines("message").text


async def test_a_broken_frame_is_told_and_the_last_picture_stays():
    app = make_app()
    async with app.run_test(size=SIZE) as pilot:
        await show(pilot)
        app.source.send(frame=b"GRF1" + b"\xff" * 200)
        await settle(pilot, lambda: bool(app._lines("message").text))
        assert app.picture.tick == 10
        await show(pilot, tick=11)


async def test_a_run_that_is_not_found_ends_the_monitor_with_the_reason():
    class Missing(ScriptedSource):
        async def open(self):
            raise NotFoundError("live run")

    app = make_app(Missing())
    async with app.run_test(size=SIZE) as pilot:
        await settle(pilot, lambda: app.failure is not None)
    assert str(app.failure) == "There is no such live run."
    assert app.return_code == 1


async def test_no_color_is_honoured(monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    app = make_app()
    async with app.run_test(size=SIZE) as pilot:
        await show(pilot)
        view = app.query_one(FieldView)
        text = "".join(view.render_line(row).text for row in range(view.content_size.height))
        assert {"░", "▒", "▓"} <= set(text)


async def test_an_ended_run_keeps_its_last_picture():
    app = make_app()
    async with app.run_test(size=SIZE) as pilot:
        await show(pilot)
        app.source.tell(Status("failed", link="over", reason="The solution left the finite numbers"))
        await settle(pilot, lambda: app.state.status.link == "over")
        assert app.query_one("#picture").border_title == "ended: last picture, tick 10"
        assert "finite numbers" in app._lines("message").text
        assert "FAILED" in app._lines("header").text


async def test_pictures_come_ten_times_a_second_at_most():
    app = make_app()
    async with app.run_test(size=SIZE) as pilot:
        await show(pilot)
        before, loop = app.pictures, asyncio.get_running_loop()
        began = loop.time()
        for tick in range(11, 60):
            app.source.send(frame=make_frame(tick=tick))
            await asyncio.sleep(0.01)
        drawn, spent = app.pictures - before, loop.time() - began
        assert 1 <= drawn <= spent * 10.0 + 2  # one at the begin, one that was due
        await settle(pilot, lambda: app.picture.tick == 59)  # the newest comes in the end


async def test_what_does_not_change_is_not_drawn_again():
    app = make_app()
    async with app.run_test(size=SIZE) as pilot:
        app.source.send(frame=make_frame(), reading=make_reading(10), alerts=(make_alert(),))
        await settle(pilot, lambda: app.pictures > 0 and app.state.tick == 10 and bool(app.state.alerts))
        await pilot.pause(0.1)
        drawn, pictures = [], app.pictures
        for name in ("alerts", "timeline", "range", "field", "keys"):
            widget = app.query_one(f"#{name}")
            widget.render_line = lambda y, name=name, render=widget.render_line: drawn.append(name) or render(y)
        for _ in range(3):
            app._draw_texts()
            await pilot.pause()
        app.source.send(frame=make_frame(tick=11))  # the same field, a tick later
        await settle(pilot, lambda: app.pictures > pictures)
        await pilot.pause()
        assert drawn == []

        app.source.send(alerts=(make_alert(), make_alert(id="b", rule="cold", hidden="silenced")))
        await settle(pilot, lambda: len(app.state.alerts) == 2)
        await pilot.pause()
        assert set(drawn) == {"alerts"}
        assert app.query_one("#alerts").border_subtitle == "1 silenced"


def test_the_first_line_counts_other_viewers_where_there_is_room():
    state = MonitorState()
    state.take_run(RUN)
    state.take_status(Status("running", others=2), 1000.0)
    texts = ["".join(part for part, _ in views.header(state, 1000.0, width)) for width in (0, 60)]

    assert ["you+2" in text for text in texts] == [True, False]


@pytest.mark.parametrize("width", [100, 110, 120, 160])
def test_the_age_of_the_data_is_never_cut_from_the_first_line(width):
    state = MonitorState()
    state.take_run(replace(RUN, name="burst-01a22d4d branch@123,456"))
    state.take_status(Status("interrupted", mode="degraded; physics=3; workers=2", link="lost"), 1000.0)
    state.take_reading(make_reading(4_788))
    text = "".join(part for part, _ in views.header(state, 1123.0, width))

    assert len(text) <= width
    assert text.endswith("OFFLINE age 2 min 3 s")
    assert "INTERRUPTED" in text
    assert "MODE physics 3, workers 2" in text
    assert ("DIFFUSIVE" in text) == (width == 160)
