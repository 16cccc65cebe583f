"""One look at a live run as lines of text, for any terminal, a pipe or a file."""

from typing import Final

from rich.console import Console
from rich.style import Style
from rich.text import Text

from grid.cli.monitor import characters, views
from grid.cli.monitor.looking import Look
from grid.cli.monitor.palette import MAP_OF_FIELD, OUTSIDE
from grid.cli.monitor.picture import BASE, ISO, MARKS, WORST, Keys, Picture, View, draw
from grid.cli.monitor.spans import Line, Span, cut
from grid.cli.monitor.state import TRENDS, MonitorState
from grid.cli.monitor.texts import NOTHING, field_value, number

MOST_WIDTH, PICTURE_ROWS, ROD_ROWS = 100, 20, 2  # characters of a picture
LEAST_ROWS, OTHER_ROWS = 6, 16  # of a picture in a low terminal; what else is printed
MOST_EVENTS = 8
RAMP: Final = ".:-=+*#%@"  # from the lowest value to the highest, where there are no colours
PLAIN_MARKS: Final = ("", "o", "X", "+")  # none, iso-line, worst cell, cursor
COLOURS: Final = ("256", "truecolor")  # colour systems that can show 32 steps
NOTHING_KEY: Final = OUTSIDE * BASE + OUTSIDE
STYLES: Final = {  # by names of colours, since the background is not known here
    "strong": "bold", "accent": "cyan", "good": "green", "critical": "bold reverse red", "high": "bold red",
    "medium": "yellow", "low": "blue", "stale": "italic", "bad": "bold red",
}  # fmt: skip
PLAIN_SIGNS: Final = str.maketrans(
    dict(zip(MARKS[ISO:], PLAIN_MARKS[ISO:], strict=True))
    | {"▲": "^", "◆": "*", "●": "o", "■": "#", "◌": "-", "→": "->", NOTHING: "-",
     "°": "", "²": "2", "…": "..."}
)  # fmt: skip


def print_look(look: Look, console: Console, now: float) -> None:
    """Print a look: first line, picture, numbers, alerts, last events.

    Args:
        look: What was found.
        console: Whose width, colours and encoding are kept.
        now: Unix time [s].
    """
    printer = _Printer(console)
    state, width = look.state, console.width
    printer.line(views.header(state, now, width))
    if state.status.link == "over":
        printer.line(((f"  {state.status.reason} This is its last state.", "dim"),))
    elif state.status.reason:
        printer.line((("  " + state.status.reason, "dim"),))
    printer.line(())
    _print_picture(look, printer)
    printer.line(numbers(state))
    counts = views.alert_counts(state)
    printer.line(())
    printer.line((("alerts", "strong"), (f"  {counts}" if counts else "", "dim")))
    for line in views.alerts(state) if look.has_alerts else [(("not known", "bad"),)]:
        printer.line((("  ", ""), *line))
    printer.line(())
    printer.line((("last events", "strong"),))
    for line in views.timeline(state, MOST_EVENTS) or [(("none", "dim"),)]:
        printer.line((("  ", ""), *line))


def numbers(state: MonitorState) -> Line:
    """The newest values of the trends."""
    spans: list[Span] = []
    for trend in TRENDS:
        values = state.trends[trend.metric]
        unit = (state.run.unit if state.run is not None else "") if trend.unit == "temperature" else trend.unit
        newest = f"{number(values[-1])} {unit}".rstrip() if values else NOTHING
        spans += [(f"{trend.label} ", "dim"), (newest, ""), ("   ", "")]
    return tuple(spans[:-1])


class _Printer:
    """Lines on a console, with what it can show."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.has_colours = console.is_terminal and not console.no_color and console.color_system in COLOURS
        self.encoding = console.encoding
        self.is_plain = not console.encoding.lower().startswith("utf")

    def line(self, line: Line) -> None:
        """Print a line, cut to the width."""
        shown = [(self.encode(text), style) for text, style in cut(line, self.console.width)]
        self.texts([(text, Style.parse(_find_style(style))) for text, style in shown])

    def texts(self, parts: list[tuple[str, Style]]) -> None:
        """Print styled texts as one line."""
        found = Text.assemble(*parts, no_wrap=True, end="")
        if not self.has_colours:
            found.rstrip()
        self.console.print(found, soft_wrap=True)

    def encode(self, text: str) -> str:
        """A text in signs that the console's encoding has."""
        if not self.is_plain:
            return text
        return text.translate(PLAIN_SIGNS).encode(self.encoding, "replace").decode(self.encoding)


def _find_style(name: str) -> str:
    if name.startswith("#"):
        return name
    return "dim" if name == "dim" else STYLES.get(name, "none")


def _print_picture(look: Look, printer: _Printer) -> None:
    frame, run = look.frame, look.state.run
    if frame is None or run is None:
        is_over = look.state.status.link == "over"
        printer.line((("no picture: the run has ended" if is_over else "no picture yet", "dim"),))
        return
    console = printer.console
    is_rod = sum(cells > 1 for cells in frame.values.shape) < 2
    free = console.height - OTHER_ROWS if console.is_terminal else PICTURE_ROWS
    rows = ROD_ROWS if is_rod else max(LEAST_ROWS, min(PICTURE_ROWS, free))
    threshold = look.state.find_threshold("temperature")
    picture = draw(frame, View(min(console.width, MOST_WIDTH), rows, run.size, run.origin, threshold))
    style = characters.PictureStyle(
        MAP_OF_FIELD.get(picture.field, "viridis"), look.state.status.link != "live", printer.has_colours, RAMP,
        MARKS if printer.has_colours else PLAIN_MARKS,
    )  # fmt: skip
    printer.line(_range(picture, run.unit, has_colours=printer.has_colours, is_grey=style.is_grey))
    for line in trim(picture.keys):
        printer.texts(list(characters.style_line(line, style)))
    worst = views.worst_line(picture, run)
    if not printer.has_colours:
        worst = tuple((text.replace(MARKS[WORST], PLAIN_MARKS[WORST]), name) for text, name in worst)
    printer.line(worst)


def _range(picture: Picture, unit: str, *, has_colours: bool, is_grey: bool) -> Line:
    if has_colours or picture.is_even:
        return views.range_line(picture, unit, is_grey=is_grey)
    low, high = (field_value(picture.field, value, unit) for value in (picture.low, picture.high))
    return ((f"{picture.field} ", "strong"), (f"{low} |{RAMP}| {high}", ""))


def trim(keys: Keys) -> Keys:
    """A picture without the empty columns and rows around it."""
    is_full = keys != NOTHING_KEY
    rows, columns = is_full.any(axis=1).nonzero()[0], is_full.any(axis=0).nonzero()[0]
    return keys[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1] if rows.size else keys[:0]
