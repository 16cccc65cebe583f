"""Words and numbers of the monitor, as plain text."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from grid.cli.monitor.source import Alert, Happening, Json

NOTHING: Final = "\u2013"  # a dash, where there is no value
SPARKS: Final = "▁▂▃▄▅▆▇█"
SEVERITY_MARKS: Final = {"critical": "■!", "high": "▲", "medium": "◆", "low": "●"}
UNIT_OF_FIELD: Final = {"stress": "MPa", "utilisation": "", "damage": "", "state": ""}
SCALE_OF_FIELD: Final = {"stress": 1e-6}
PREFIXES: Final = ((1e9, "G"), (1e6, "M"), (1e3, "k"))
UNITS: Final = {
    "_w_m2": "W/m²", "_m_s": "m/s", "_w": "W", "_j": "J", "_pa": "Pa", "_m": "m", "_s": "s", "_k": "K",
}  # fmt: skip
LEAST_CURVE: Final = 1e-9  # of the magnitude: a curve that spans less is level
MOST_LINE: Final = 400  # characters of a text that came from elsewhere


def number(value: float | None, digits: int = 4) -> str:
    """A number with so many significant digits; a dash for none."""
    if value is None or not math.isfinite(value):
        return NOTHING
    if value == 0.0:
        return "0"
    if abs(value) >= 1e6 or abs(value) < 1e-3:
        return f"{value:.{digits - 1}e}".replace("e+0", "e").replace("e-0", "e-").replace("e+", "e")
    return f"{value:.{max(0, digits - 1 - math.floor(math.log10(abs(value))))}f}"


def quantity(value: float, unit: str) -> str:
    """A number with unit and prefix, as 20 kW."""
    for size, prefix in PREFIXES:
        if abs(value) >= size and unit not in ("", "s", "m"):
            return f"{short(value / size)} {prefix}{unit}"
    return f"{short(value)} {unit}".rstrip()


def short(value: float) -> str:
    """A number as people write it: six digits at most, no zeros at the end."""
    return f"{value:.6g}"


def age_text(seconds: float | None) -> str:
    """A length of time: 40 ms, 2.3 s, 4 min 12 s, 3 h 5 min."""
    if seconds is None:
        return NOTHING
    if seconds < 0.9995:
        return f"{seconds * 1000.0:.0f} ms"
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def place_text(place: Sequence[float], *, is_known: bool = True) -> str:
    """A place in metres, or in cells where sizes are not known."""
    inside = ", ".join(short(round(part, 4)) for part in place)
    return f"({inside}) m" if is_known else f"({inside}) cells"


def sparkline(values: Sequence[float], width: int) -> str:
    """A curve of so many characters: the newest values, each character the largest of its share; level where even."""
    if not values or width < 1:
        return " " * max(0, width)
    share = max(1, math.ceil(len(values) / width))
    first = len(values) % share  # whole shares at the end, so that the newest stands alone
    groups = ([values[:first]] if first else []) + [values[at : at + share] for at in range(first, len(values), share)]
    shown = [max(group) for group in groups][-width:]
    low, high = min(shown), max(shown)
    if high - low <= LEAST_CURVE * max(abs(low), abs(high)):
        return (SPARKS[0] * len(shown)).rjust(width)
    scale = (len(SPARKS) - 1) / (high - low)
    return "".join(SPARKS[round((value - low) * scale)] for value in shown).rjust(width)


def field_value(field: str, value: float, unit: str) -> str:
    """A value of a field with its unit."""
    scaled = value * SCALE_OF_FIELD.get(field, 1.0)
    return f"{number(scaled)} {UNIT_OF_FIELD.get(field, unit)}".rstrip()


def event_text(payload: Json) -> str:
    """An event on the scene in one line: `burst 20 kW for 2 s at (0.4, 0.5) m`."""
    kind = str(payload.get("kind", "event"))
    parts = [kind]
    for name in ("power_w", "energy_j", "heat_flux_w_m2", "remaining", "law"):
        parts += [_named(name, payload[name])] if name in payload else []
    parts += [_words(payload[name]) for name in ("face", "faces", "region") if name in payload]
    if isinstance(payload.get("duration_s"), (int, float)):
        parts.append(f"for {short(payload['duration_s'])} s")
    if isinstance(payload.get("position_m"), (list, tuple)):
        parts.append(f"at {place_text(payload['position_m'])}")
    return clean(" ".join(part for part in parts if part))


def command_text(command: Json | None) -> str:
    """What a command asks for."""
    if command is None:
        return "a command"
    kind, payload = str(command.get("kind", "")), command.get("payload") or {}
    if kind == "event":
        return event_text(payload)
    if kind == "model":
        return f"model {payload.get('model', '')}"
    if kind == "mode":
        return f"physics {payload.get('physics', '')}"
    if kind == "end-event":
        return f"end of event #{payload.get('seq', '')}"
    if kind == "speed":
        speed = payload.get("speed")
        return f"speed {short(speed)}x" if isinstance(speed, (int, float)) else "speed max"
    if kind == "step":
        return f"step of {payload.get('ticks', 1)} ticks"
    return clean(kind)


def happening_text(happening: Happening) -> str:
    """An event of a run in one line, without its tick."""
    payload = happening.payload
    teller = _TELLERS.get(happening.kind)
    return clean(teller(happening) if teller is not None else f"{happening.kind} {_rest(payload)}".rstrip())


def alert_mark(alert: Alert) -> str:
    """The mark of an alert, whose form tells the severity without colour."""
    if alert.hidden:
        return "~"
    return SEVERITY_MARKS.get(alert.severity, "?") if alert.is_firing else "◌"


def alert_text(alert: Alert, value: float | None) -> str:
    """An alert in one line, without its mark."""
    word = alert.severity.upper() if alert.is_firing and not alert.hidden else alert.state
    notes = [note for note in (alert.hidden, "seen" if alert.is_acknowledged else "") if note]
    if alert.state == "holding":
        notes.insert(0, "holding")
    scale, unit = (1e-6, " MPa") if alert.metric in ("peak_stress", "peak_by_potential") else (1.0, "")
    shown = NOTHING if value is None else number(value * scale)
    is_beyond = value is not None and (value > alert.threshold if alert.op == ">" else value < alert.threshold)
    was = "" if is_beyond or value is None else ", was"  # it fires until it is back at the other threshold
    limit = f"{shown}{was} {alert.op} {number(alert.threshold * scale)}{unit}"
    return clean(f"{word} {alert.rule} {limit}" + (f" ({', '.join(notes)})" if notes else ""))


def clean(text: str) -> str:
    """A text on one line, of bounded length, without what a terminal would obey."""
    return "".join(sign if sign.isprintable() else " " for sign in text[:MOST_LINE])


def _applied(one: Happening) -> str:
    return f"#{one.payload.get('seq', '')} {command_text(one.command)}"


def _refused(one: Happening) -> str:
    return f"#{one.payload.get('seq', '')} REFUSED {command_text(one.command)}: {one.payload.get('reason', '')}"


def _switch(one: Happening) -> str:
    bound = one.payload.get("bound")
    text = str(one.payload.get("text") or one.payload.get("reason") or "")
    try:
        share = f" at {number(float(bound), 3)} of its limit" if bound is not None else ""
    except (TypeError, ValueError):
        share = ""
    return f"switch → {one.payload.get('model', '')}{'' if 'inf' in str(bound) else share}{': ' + text if text else ''}"


def _alert(one: Happening) -> str:
    if one.payload.get("part") == "cover":
        told = _COVERS.get(str(one.payload.get("to")), "is judged by its samples again")
        return f"alert {one.payload.get('rule', '')} {told}"
    value = one.payload.get("value")
    shown = f" at {number(value)}" if isinstance(value, (int, float)) else ""
    after = one.payload.get("to")
    return f"alert {one.payload.get('rule', '')} {'resolved' if after == 'ok' else after}{shown}"


def _state(one: Happening) -> str:
    if "state" in one.payload:
        reason = one.payload.get("reason")
        return f"{one.payload['state']}" + (f": {reason}" if reason else "")
    kind = str(one.payload.get("kind") or "")
    word = "paused" if one.payload.get("paused") else "running"
    asked = command_text(one.command) if one.command is not None else kind
    return f"#{one.payload['seq']} {asked}: {word}" if "seq" in one.payload else f"{asked} {word}".strip()


def _failed_cell(one: Happening) -> str:
    if "cells" in one.payload:
        return f"FAILED {one.payload['cells']} more cells"
    return f"FAILED cell {_words(one.payload.get('cell', ''))} {one.payload.get('reason', '')}".rstrip()


def _yield(one: Happening) -> str:
    value = one.payload.get("utilisation")
    shown = f", utilisation {number(value)}" if isinstance(value, (int, float)) else ""
    return f"first yield at cell {_words(one.payload.get('cell', ''))}{shown}"


def _slip(one: Happening) -> str:
    seconds = one.payload.get("slipped_s")
    why = ", kernels were compiled" if one.payload.get("cause") == "compiling" else ""
    return f"slip: {age_text(seconds if isinstance(seconds, (int, float)) else None)} of wall time dropped{why}"


def _behind(one: Happening) -> str:
    ratio = one.payload.get("ratio")
    return f"BEHIND, ratio {number(ratio, 3) if isinstance(ratio, (int, float)) else NOTHING}"


def _mode(one: Happening) -> str:
    part, rung, reason = (one.payload.get(name) for name in ("part", "rung", "reason"))
    return f"mode {part} full again" if rung == 0 else f"MODE {part} {rung}" + (f": {reason}" if reason else "")


def _resumed(one: Happening) -> str:
    first, last = (one.payload.get(name, NOTHING) for name in ("from_tick", "to_tick"))
    return f"resumed: ticks {first} to {last} computed again"


_COVERS: Final = {"stale": "is stale", "no_data": "has no data", "suspended": "waits", "closed": "is closed"}
_TELLERS: Final[dict[str, Callable[[Happening], str]]] = {
    "applied": _applied,
    "refused": _refused,
    "switch": _switch,
    "alert": _alert,
    "state": _state,
    "failed-cell": _failed_cell,
    "failed-region": lambda one: f"FAILED region {one.payload.get('region', '')}",
    "yield": _yield,
    "slip": _slip,
    "behind": _behind,
    "slow": lambda one: f"slow link: level {one.payload.get('level')}, {one.payload.get('max_hz')} pictures a second",
    "not-shown": lambda one: f"NOT SHOWN: {one.payload.get('reason', '')}",
    "on-time": lambda _one: "on time again",
    "resumed": _resumed,
    "mode": _mode,
    "gap": lambda one: f"GAP: {one.payload.get('events', 'some')} events are not shown here",
}


def _named(name: str, value: Any) -> str:
    if isinstance(value, (int, float)):
        unit = next((unit for end, unit in UNITS.items() if name.endswith(end)), "")
        return quantity(value, unit) if unit else f"{name} {short(value)}"
    return _words(value)


def _words(value: Any) -> str:
    if isinstance(value, Mapping):
        return " ".join(f"{_words(part)}" for part in value.values())
    if isinstance(value, (list, tuple)):
        return ",".join(_words(part) for part in value)
    return short(value) if isinstance(value, float) else str(value)


def _rest(payload: Json) -> str:
    return " ".join(f"{name} {_words(value)}" for name, value in payload.items())
