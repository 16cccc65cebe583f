"""The monitor: a live run in a terminal, watched and steered.

Every stream of the source has a task. Frames are decoded and reduced to the terminal in a thread, at most ten a second;
trends and the header are drawn four times a second; lists when they change. Nothing is drawn that is not shown.
"""

import asyncio
import time
from collections.abc import Callable
from typing import ClassVar

from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.events import Resize
from textual.geometry import Size

from grid.cli.monitor import forms, layout, views
from grid.cli.monitor.dialogs import Choice, FormDialog, HelpDialog
from grid.cli.monitor.field import FieldView
from grid.cli.monitor.lines import LinesView
from grid.cli.monitor.picture import Picture, View, draw
from grid.cli.monitor.source import PICTURES_A_SECOND, Answer, MonitorSource, Status, Want
from grid.cli.monitor.state import MonitorState
from grid.client.frames import FrameError, decode_frame
from grid.core.errors import GridError
from grid.schemas.frames import FIELDS, LEVELS

LEAST_WIDTH, LEAST_HEIGHT = 100, 30  # below, a list is shown
TREND_S = 0.25
MESSAGE_S = 8.0  # for which an answer is shown
PARTS = {  # of lines, with their classes
    "header": "", "range": "", "worst": "", "alerts": "list", "timeline": "list", "compact": "", "trends": "",
    "message": "", "keys": "",
}  # fmt: skip
STEP, LEAP = 1, 10  # characters that an arrow moves the cursor


class MonitorApp(App[None]):
    """The monitor of one run.

    Args:
        source: Of the run.
        clock: Unix time [s].
    """

    TITLE = "grid monitor"
    ENABLE_COMMAND_PALETTE = False
    CSS = layout.CSS
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("i", "inject", "inject"),
        Binding("m", "model", "model"),
        Binding("space", "hold", "hold"),
        Binding("p", "pause", "pause"),
        Binding("full_stop", "step", "step"),
        Binding("s", "speed", "speed"),
        Binding("a", "acknowledge", "acknowledge"),
        Binding("f", "field", "field"),
        Binding("b", "branch", "branch"),
        Binding("r", "replay", "replay"),
        Binding("question_mark", "help", "help"),
        Binding("q", "quit", "quit"),
        Binding("escape", "drop_cursor", show=False),
        *(Binding(key, f"move({x}, {y})", show=False) for key, x, y in (
            ("left", -STEP, 0), ("right", STEP, 0), ("up", 0, STEP), ("down", 0, -STEP),
            ("shift+left", -LEAP, 0), ("shift+right", LEAP, 0), ("shift+up", 0, LEAP), ("shift+down", 0, -LEAP),
        )),
    ]  # fmt: skip

    def __init__(self, source: MonitorSource, *, clock: Callable[[], float] = time.time) -> None:
        super().__init__()
        self.source, self.state, self._clock = source, MonitorState(), clock
        self.failure: GridError | None = None  # why the run could not be watched at all
        self.field, self.is_held, self.picture = "temperature", False, None
        self._frame: bytes | None = None
        self._wanted = Want(None)
        self._cursor: tuple[float, float] | None = None
        self._draw_lock = asyncio.Lock()
        self._message, self._message_until = "", 0.0
        self._counts = self._picture_name = ""
        # Held here, since tasks may draw while the screen is being taken apart, and would find nothing there.
        self.view = FieldView(id="field", has_colours=not self.no_color)
        self._box = Vertical(id="picture")
        self._views = {name: LinesView(id=name, classes=classes) for name, classes in PARTS.items()}
        self.pictures = 0  # drawn, ever
        self._room = Size(LEAST_WIDTH, LEAST_HEIGHT)

    picture: Picture | None

    def compose(self) -> ComposeResult:
        """The parts of the screen."""
        yield self._lines("header")
        with Horizontal(id="main"):
            with self._box:
                yield self._lines("range")
                yield self.view
                yield self._lines("worst")
            with Vertical(id="side"):
                yield self._lines("alerts")
                yield self._lines("timeline")
        for name in ("compact", "trends", "message", "keys"):
            yield self._lines(name)

    def on_mount(self) -> None:
        """Begin to watch."""
        self._lines("alerts").border_title, self._lines("timeline").border_title = "alerts", "timeline"
        self._room = self.size
        self._draw_texts()
        self._arrange()
        self.set_interval(TREND_S, self._draw_texts)
        self.run_worker(self._watch(), name="watch")

    async def on_unmount(self) -> None:
        """Stop listening."""
        await self.source.close()

    def on_resize(self, event: Resize) -> None:
        """Choose between the picture and the list."""
        self._room = event.size  # Textual's own size follows later
        self._arrange()

    async def on_field_view_resized(self, _message: FieldView.Resized) -> None:
        """Draw the picture for its new place."""
        await self._update_want()
        self._redraw()

    @property
    def is_small(self) -> bool:
        """True where there is no room for a picture."""
        return self._room.width < LEAST_WIDTH or self._room.height < LEAST_HEIGHT

    # Reading

    async def _watch(self) -> None:
        try:
            self.state.take_run(await self.source.open())
        except GridError as error:
            self.failure = error
            self.exit(return_code=1)
            return
        await self._update_want()
        self._draw_texts()
        readers = (
            self._read_runs(), self._read_statuses(), self._read_frames(), self._read_readings(),
            self._read_happenings(), self._read_alerts(),
        )  # fmt: skip
        async with asyncio.TaskGroup() as group:
            for reader in readers:
                group.create_task(reader)

    async def _read_runs(self) -> None:
        async for run in self.source.runs():
            self.state.take_run(run)
            await self._update_want()
            self._draw_texts()

    async def _read_statuses(self) -> None:
        async for status in self.source.statuses():
            self._take_status(status)

    async def _read_frames(self) -> None:
        """Draw the newest frame, ten a second at most; a held picture stays, and the newest frame waits."""
        async for data in self.source.frames():
            began = asyncio.get_running_loop().time()
            self._frame = data
            if not self.is_held and not self.is_small:
                await self._draw()
            spent = asyncio.get_running_loop().time() - began
            await asyncio.sleep(max(0.0, 1.0 / PICTURES_A_SECOND - spent))

    async def _read_readings(self) -> None:
        async for reading in self.source.readings():
            self.state.take_reading(reading)

    async def _read_happenings(self) -> None:
        async for happening in self.source.happenings():
            self.state.take_happening(happening)
            self._draw_timeline()

    async def _read_alerts(self) -> None:
        async for alerts in self.source.alerts():
            self.state.take_alerts(alerts)
            self._draw_alerts()

    def _take_status(self, status: Status) -> None:
        was = self.state.status.link
        self.state.take_status(status, self._clock())
        if status.link != was:
            self.view.turn_grey(is_grey=status.link != "live")
            self._draw_range()
            self._name_picture()
        if status.reason and status.link != "live":
            self._say(status.reason)
        self._draw_texts()

    # Drawing

    async def _draw(self) -> None:
        """Decode the newest frame and draw it: the numbers in a thread, the lines here."""
        async with self._draw_lock:
            data, view = self._frame, self._view()
            if data is None or view is None:
                return
            try:
                picture = await asyncio.to_thread(_draw_bytes, data, view)
            except FrameError as error:
                self._say(str(error))
                return
            if picture.field != self.field or not self.is_running:
                return  # another field is wanted meanwhile
            self.picture = picture
            self.pictures += 1
            self.view.show(picture, is_grey=self.state.status.link != "live")
            self._draw_range()
            self.state.take_frame(picture.tick, picture.time_s, picture.computed_ms)
            self._name_picture()

    def _draw_range(self) -> None:
        """Draw the lines above and below the picture."""
        picture, run = self.picture, self.state.run
        if picture is not None and run is not None:
            is_grey = self.state.status.link != "live"
            self._lines("range").show([views.range_line(picture, run.unit, is_grey=is_grey)])
            self._lines("worst").show([views.worst_line(picture, run)])

    def _redraw(self) -> None:
        """Draw the newest frame again, for another view."""
        if self._frame is not None and not self.is_held and not self.is_small:
            self.run_worker(self._draw(), group="draw", exclusive=True)

    def _view(self) -> View | None:
        size, run = self.view.content_size, self.state.run
        if run is None or size.width < 2 or size.height < 1:
            return None
        threshold = self.state.find_threshold(self.field)
        return View(size.width, size.height, run.size, run.origin, threshold, self._cursor)

    def _draw_texts(self) -> None:
        """Draw what changes with time."""
        now = self._clock()
        message = self._lines("message")
        message.show([((f" {self._message}", "accent"),)] if now < self._message_until else [])
        if self.is_small:
            view = self._lines("compact")
            view.show(views.compact(self.state, now, self._room.width, view.content_size.height))
            return
        self._lines("header").show([views.header(self.state, now, self._room.width)])
        self._lines("trends").show([views.trends(self.state, self._room.width)])
        self._draw_alerts()  # their values; only lines that changed are drawn

    def _draw_alerts(self) -> None:
        view = self._lines("alerts")
        view.show(views.alerts(self.state))
        counts = views.alert_counts(self.state)
        if self._counts != counts:  # a border is drawn again by being named
            self._counts = view.border_subtitle = counts

    def _draw_timeline(self) -> None:
        view = self._lines("timeline")
        view.show(views.timeline(self.state, max(1, self._room.height)))

    def _name_picture(self) -> None:
        """Say in the frame of the picture what is not as usual."""
        box, link = self._box, self.state.status.link
        box.set_class(self.is_held and link == "live", "held")
        box.set_class(link == "lost", "offline")
        tick = "" if self.picture is None else f", tick {self.picture.tick:,}"
        if link == "lost":
            name = f"OFFLINE: last picture{tick}"
        elif self.is_held:
            name = f"HELD: NOT LIVE{tick}"
        else:
            name = self.field if link == "live" else f"ended: last picture{tick}"
        if self._picture_name != name:
            self._picture_name = name
            box.border_title = name

    def _say(self, text: str) -> None:
        self._message, self._message_until = text, self._clock() + MESSAGE_S
        if self.is_running:
            self._lines("message").show([((f" {text}", "accent"),)])

    def _lines(self, name: str) -> LinesView:
        return self._views[name]

    def _arrange(self) -> None:
        """Show the picture, or a list where there is no room for it."""
        self.screen_stack[0].set_class(self.is_small, "small")
        self._lines("keys").show([views.keys(self._room.width)])
        self._draw_texts()
        self._draw_timeline()
        self.call_later(self._update_want)
        self._redraw()

    async def _update_want(self) -> None:
        """Ask the source for the level that fits the terminal; for nothing where no picture is shown."""
        if self.state.run is None:
            return
        want = Want(None) if self.is_small else Want(self.field, self._find_level())
        if want != self._wanted:
            self._wanted = want
            try:
                await self.source.want(want)
            except GridError as error:
                self._say(str(error))

    def _find_level(self) -> int:
        """The coarsest level that has a cell for each column and row of the picture."""
        size, run = self.view.content_size, self.state.run
        if run is None or not run.cells:
            return 0
        cells = sorted(run.cells)[-2:]
        room = [2 * size.height, size.width] if len(cells) > 1 else [size.width]
        fitting = min(room)
        return max(
            (level for level, factor in enumerate(LEVELS) if min(cells) // factor >= fitting), default=0
        )  # fmt: skip

    # Keys

    def action_hold(self) -> None:
        """Hold the picture, or let it follow the run again; the run goes on in either case."""
        self.is_held = not self.is_held
        self._name_picture()
        self._redraw()

    async def action_field(self) -> None:
        """Show the next field."""
        run = self.state.run
        if run is None:
            return
        names = [name for name in FIELDS if name in run.fields]
        self.field = names[(names.index(self.field) + 1) % len(names)] if self.field in names else names[0]
        if len(names) == 1:
            self._say("This run has one field, temperature: its scene has no structure")
        self.is_held = False
        self._name_picture()
        await self._update_want()

    def action_move(self, right: int, up: int) -> None:
        """Move the cursor by characters."""
        size = self.view.content_size
        x, y = self._cursor or (0.5, 0.5)
        x, y = x + right / max(1, size.width), y + up / max(1, size.height)
        self._cursor = min(max(x, 0.0), 1.0), min(max(y, 0.0), 1.0)
        self._redraw()

    def action_drop_cursor(self) -> None:
        """Remove the cursor."""
        self._cursor = None
        self._redraw()

    def action_inject(self) -> None:
        """Ask what to inject."""
        run = self.state.run
        if run is None:
            return
        if self.picture is not None and self.picture.probed is not None and run.size:
            place = self.picture.probed[1]
        else:
            middle = tuple(start + 0.5 * side for start, side in zip(run.origin, run.size, strict=False))
            place = run.proposal or middle
        self._ask("inject", forms.make_injections(self.source, run, place, self._tick))

    def action_model(self) -> None:
        """Ask which model."""
        policy = self.state.status.model
        chosen = forms.POLICIES.index(policy) if policy in forms.POLICIES else 0
        self._ask("model", forms.make_models(self.source), chosen)

    def action_pause(self) -> None:
        """Ask whether to pause the run, or to resume it."""
        if self.state.status.state in ("paused", "parked"):
            sentence = f"The run goes on from tick {self.state.tick:,}."
            choice = forms.make_plain("resume", sentence, self.source.resume)
        else:
            sentence = (
                f"The run pauses at the next boundary, tick {self.state.tick + 1:,} or soon after, for everybody."
            )
            choice = forms.make_plain("pause", sentence, self.source.pause)
        self._ask(f"{choice.name} the run", [choice])

    def action_step(self) -> None:
        """Ask how many ticks a paused run is to take."""
        self._ask("step", [forms.make_step(self.source, self._tick)])

    def action_speed(self) -> None:
        """Ask for another speed."""
        rate = 1.0 if self.state.run is None else self.state.run.rate
        self._ask("speed", [forms.make_speed(self.source, self.state.status.speed, rate)])

    def action_acknowledge(self) -> None:
        """Ask whether the worst alert that nobody has seen is acknowledged."""
        alert = self.state.waiting
        if alert is None:
            self._say("No alert waits to be acknowledged")
            return
        value = self.state.find_value(alert)
        self._ask("acknowledge", [forms.make_acknowledgement(self.source, alert, value)])

    def action_branch(self) -> None:
        """Ask whether to branch."""
        sentence = f"Another run begins with the state of tick {self.state.tick:,} or the next; this one keeps its log."
        if self.source.can_return and self.state.run is not None and " branch@" in self.state.run.name:
            sentence = "The branch is dropped, and the run that it left is shown again where it was paused."
        self._ask("branch", [forms.make_plain("branch", sentence, self.source.branch)])

    def action_replay(self) -> None:
        """Ask whether to replay."""
        sentence = f"The log is run again from tick 0 to {self.state.tick:,}, and the bytes of the field are compared."
        self._ask("replay", [forms.make_plain("replay", sentence, self.source.replay)])

    def action_help(self) -> None:
        """Show the keys."""
        self.push_screen(HelpDialog(layout.HELP_KEYS, layout.HELP_SIGNS))

    def _ask(self, title: str, choices: list[Choice], chosen: int = 0) -> None:
        if len(self.screen_stack) == 1:
            self.push_screen(FormDialog(title, choices, chosen), self._answered)

    def _answered(self, answer: Answer | None) -> None:
        if answer is not None:
            self._say(answer.text)

    def _tick(self) -> int:
        return self.state.tick


def _draw_bytes(data: bytes, view: View) -> Picture:
    return draw(decode_frame(data), view)


def run_monitor(source: MonitorSource) -> None:
    """Run the monitor until it is left.

    Raises:
        GridError: The run cannot be watched.
    """
    app = MonitorApp(source)
    app.run()
    if app.failure is not None:
        raise app.failure
