"""Lines of the monitor's parts, from what is known of the run."""

from collections.abc import Sequence
from typing import Final

from grid.cli.monitor.palette import MAP_OF_FIELD, STEPS, colours
from grid.cli.monitor.picture import CURSOR, MARKS, WORST, Picture
from grid.cli.monitor.source import Run
from grid.cli.monitor.spans import Line, Span
from grid.cli.monitor.state import TRENDS, MonitorState, Trend
from grid.cli.monitor.texts import (
    NOTHING,
    age_text,
    alert_mark,
    alert_text,
    clean,
    field_value,
    happening_text,
    number,
    place_text,
    sparkline,
)

GAP: Final[Span] = ("  ", "")
STATE_STYLES: Final = {"running": "good", "paused": "medium", "failed": "bad", "stopped": "dim"}
ALARMS: Final = frozenset({"refused", "failed-cell", "failed-region", "behind", "gap", "not-shown"})
STYLE_OF_KIND: Final = {"switch": "accent", "yield": "high", "slip": "medium", "mode": "high"}
BAR: Final = 16  # characters of the bar of the range
LABEL: Final = 5  # characters of a trend's name
COMPACT: Final = 48  # columns of a trend in a list
VALUE: Final = 10  # characters of its newest value
KEYS: Final = (
    ("i", "nject"), ("m", "odel"), ("space", " hold"), ("p", "ause"), (".", " step"), ("s", "peed"), ("a", "ck"),
    ("f", "ield"), ("b", "ranch"), ("r", "eplay"), ("?", " help"), ("q", "uit"),
)  # fmt: skip


def header(state: MonitorState, now: float, width: int = 0) -> Line:
    """The line at the top: run, state, time, tick, ratio, model, mode, alerts, age of the data.

    Where they do not fit a width, the least important ones are left out, the age of the data never.
    """
    run, status = state.run, state.status
    name = "…" if run is None else clean(run.name)
    degraded = mode_text(status.mode)
    parts: list[tuple[int, Span]] = [  # the larger the number, the sooner it is left out
        (0, (f"{name} ", "strong")), (0, (status.state.upper(), STATE_STYLES.get(status.state, "accent"))),
        (5, (f"t {number(state.time_s)} s", "")), (2, (f"tick {state.tick:,}", "")), (4, (ratio_text(state), "")),
        (3, (model_text(state), "")),
        (1 if degraded else 7, (f"MODE {degraded or 'full'}", "high" if degraded else "dim")),
        (1 if any(one.is_firing for one in state.alerts) else 6, alert_span(state)), (0, age_span(state, now)),
    ]  # fmt: skip
    if status.others:
        parts.insert(-1, (8, (f"you+{status.others}", "dim")))
    while width and sum(len(text) + len(GAP[0]) for _, (text, _) in parts) > width and max(parts)[0] > 0:
        parts.remove(max(parts, key=lambda part: part[0]))
    (_, first), *others = parts
    spans: list[Span] = [(" ", ""), first, others[0][1]]
    for _, span in others[1:]:
        spans += [GAP, span]
    return tuple(spans)


def mode_text(mode: str) -> str:
    """The degraded mode in short, `physics 3, workers 2`; empty where everything works."""
    parts = [part.strip().replace("=", " ") for part in clean(mode).split(";")]
    shown = [part for part in parts if part not in ("degraded", "full", "")]
    return ", ".join(shown) or ("" if mode == "full" else clean(mode))


def ratio_text(state: MonitorState) -> str:
    """The real-time ratio, or the speed where there is none."""
    ratio = None if state.reading is None else state.reading.last.get("ratio")
    speed = "max" if state.status.speed is None else f"{state.status.speed:g}x"
    if ratio is None or state.is_quiet:
        return f"speed {speed}"
    return f"{ratio:.2f}x" if state.status.speed == 1.0 else f"{ratio:.2f}x of {speed}"


def model_text(state: MonitorState) -> str:
    """The model and its certificate as a share of its limit."""
    last = {} if state.reading is None else state.reading.last
    lumped = last.get("is_lumped")
    model = f"MODEL {NOTHING}" if lumped is None else "LUMPED" if lumped else "DIFFUSIVE"
    share = last.get("share")
    forced = "" if state.status.model == "auto" else " forced"
    return f"{model}{forced}" + ("" if share is None else f" cert {number(share, 2)}/1")


def alert_span(state: MonitorState) -> Span:
    """How many alerts fire, and the worst."""
    firing = [one for one in state.alerts if one.is_firing and not one.hidden]
    if not firing:
        return "ALERT none", "dim"
    worst = firing[0].severity
    return f"ALERT {len(firing)} {worst}", worst


def age_span(state: MonitorState, now: float) -> Span:
    """The age of the data, in red where they are too old; of a paused run for how long."""
    age = state.age(now)
    if state.status.link == "lost":
        return f"OFFLINE age {age_text(age)}", "bad"
    if state.is_quiet:
        return f"{state.status.state} for {age_text(age)}", "dim"
    return f"age {age_text(age)}", "bad" if state.is_stale(now) else "dim"


def range_line(picture: Picture, unit: str, *, is_grey: bool = False) -> Line:
    """Field, unit, range of the colours, and the worst value with its place."""
    low, high = (field_value(picture.field, value, unit) for value in (picture.low, picture.high))
    spans: list[Span] = [(f"{picture.field} ", "strong")]
    if picture.is_even:
        spans.append((f"even at {field_value(picture.field, 0.5 * (picture.low + picture.high), unit)}", ""))
    else:
        table = colours(MAP_OF_FIELD.get(picture.field, "viridis"), is_grey=is_grey)
        spans += [(f"{low} ", ""), ("▕", "dim")]
        spans += [("█", f"#{table[at * (STEPS - 1) // (BAR - 1)]}") for at in range(BAR)]
        spans += [("▏", "dim"), (high, "")]
    return tuple(spans)


def worst_line(picture: Picture, run: Run) -> Line:
    """The worst value and the one at the cursor, with their places along the axes of more than one cell."""

    def tell(mark: int, value: float, place: Sequence[float]) -> str:
        where = place_text(find_shown(place, run.cells), is_known=bool(run.size))
        return f"{MARKS[mark]} {field_value(picture.field, value, run.unit)} @ {where}"

    spans: list[Span] = []
    if picture.worst is not None and not picture.is_even:
        spans.append((tell(WORST, *picture.worst), ""))
    if picture.probed is not None:
        text = tell(CURSOR, *picture.probed)
        spans += [GAP, (text, "accent")] if spans else [(text, "accent")]
    if picture.note:
        spans += [GAP, (picture.note, "dim")]
    return tuple(spans)


def find_shown(place: Sequence[float], cells: Sequence[int]) -> tuple[float, ...]:
    """A place along the axes that have more than one cell; all of it where the cells are not known."""
    if len(cells) < len(place):
        return tuple(place)
    return tuple(part for part, count in zip(place, cells, strict=False) if count > 1) or tuple(place)


def trends(state: MonitorState, width: int) -> Line:
    """The four curves beside each other."""
    each = width // len(TRENDS)
    spans: list[Span] = []
    for trend in TRENDS:
        spans += trend_spans(state, trend, each)
    return tuple(spans)


def trend_spans(state: MonitorState, trend: Trend, width: int) -> list[Span]:
    """One curve with its name and its newest value."""
    values = list(state.trends[trend.metric])
    unit = (state.run.unit if state.run is not None else "") if trend.unit == "temperature" else trend.unit
    newest = f"{number(values[-1])} {unit}".rstrip() if values else NOTHING
    curve = sparkline(values, max(1, width - LABEL - VALUE - 2))
    return [(f" {trend.label:<{LABEL}}", "dim"), (curve, "accent"), (f" {newest:<{VALUE}}", "")]


def alerts(state: MonitorState) -> list[Line]:
    """The alerts, the worst first."""
    lines: list[Line] = []
    for one in state.alerts:
        style = one.severity if one.is_firing and not one.hidden else "stale"
        lines.append(((f"{alert_mark(one):<2} ", style), (alert_text(one, state.find_value(one)), style)))
    return lines or [(("none", "dim"),)]


def alert_counts(state: MonitorState) -> str:
    """How many alerts are hidden, always told."""
    counts = [
        f"{sum(one.hidden == word for one in state.alerts)} {word}"
        for word in ("silenced", "inhibited")
        if any(one.hidden == word for one in state.alerts)
    ]
    return ", ".join(counts)


def timeline(state: MonitorState, most: int) -> list[Line]:
    """The newest events first."""
    lines: list[Line] = []
    for one in list(state.timeline)[:most]:
        style = "bad" if one.kind in ALARMS else STYLE_OF_KIND.get(one.kind, "")
        if one.kind == "alert":
            style = "high" if one.payload.get("to") == "firing" else "dim"
        mark = "!" if one.kind in ALARMS else " "
        lines.append(((f"{one.tick:>7,} ", "dim"), (f"{mark}{happening_text(one)}", style)))
    return lines


def keys(width: int) -> Line:
    """The keys, without their words where there is no room for these."""
    if width < sum(len(key) + len(text) + 3 for key, text in KEYS):
        return ((" keys: ", "dim"), (" ".join(key for key, _ in KEYS), "accent"), ("; ? says what they do", "dim"))
    spans: list[Span] = []
    for key, text in KEYS:
        spans += [(" [", "dim"), (key, "accent"), ("]" + text, "dim")]
    return tuple(spans)


def compact(state: MonitorState, now: float, width: int, height: int) -> list[Line]:
    """Everything as a list, for a small terminal."""
    head = header(state, now)
    lines: list[Line] = [(*head[:3], GAP, head[-1])]
    lines.append(((f" t {number(state.time_s)} s, tick {state.tick:,}, {ratio_text(state)}", ""),))
    lines.append(((f" {model_text(state)}, MODE {mode_text(state.status.mode) or 'full'}", ""),))
    lines += [tuple(trend_spans(state, trend, max(LABEL + VALUE + 4, min(width, COMPACT)))) for trend in TRENDS]
    lines += [((" ", ""), *line) for line in alerts(state)]
    lines += timeline(state, max(0, height - len(lines)))
    return lines
