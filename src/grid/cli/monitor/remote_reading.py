"""What the service tells of a run, as the monitor has it."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final, NamedTuple

from grid.cli.monitor.source import Alert, Happening, Json, Reading, Run
from grid.schemas.wire.alerts import AlertOut
from grid.schemas.wire.live import LiveRunOut
from grid.schemas.wire.live_metrics import MetricsOut

FIELDS: Final = ("temperature", "stress", "utilisation", "damage", "state")
UNITS: Final = {"degC": "°C", "K": "K"}  # signs of units of temperature; relative ones have none
LEVELS: Final = (1, 2, 4)  # cells of the full grid along an axis for one at each level
NAME: Final = 8  # characters of an id that stand for a run without a name


class Grid(NamedTuple):
    """Cells of a body along each axis, its origin and its size [m]."""

    cells: tuple[int, ...]
    origin: tuple[float, ...]
    size: tuple[float, ...]


def read_grid(document: Mapping[str, Any]) -> Grid:
    """The grid of a picture. From a reduced one it is known to a block; one block across counts as a plate's one cell.

    Raises:
        KeyError, TypeError, ValueError: The document is none.
    """
    factor = LEVELS[int(document["level"])]
    origin = tuple(float(part) for part in document["origin_m"])
    spacing = tuple(float(part) / factor for part in document["spacing_m"])
    shape = [int(part) for part in document["shape"]]
    shape += [1] * (len(spacing) - len(shape))  # trailing axes of one cell are left out
    cells = tuple(1 if blocks == 1 else blocks * factor for blocks in shape)
    return Grid(cells, origin, tuple(step * count for step, count in zip(spacing, cells, strict=True)))


def read_run(row: LiveRunOut, rules: Sequence[Mapping[str, Any]]) -> Run:
    """What does not change of a run, and the thresholds of its rules."""
    thresholds: dict[str, float] = {}
    for rule in rules:
        metric, at = str(rule.get("metric")), rule.get("raise")
        if isinstance(at, (int, float)):
            thresholds[metric] = min(float(at), thresholds.get(metric, float(at)))
    name = row.name or f"{row.scenario or 'run'}-{str(row.id)[:NAME]}"
    return Run(
        str(row.id), name, row.scenario, float(row.tick_s), row.rate, row.method,
        UNITS.get(row.temperature_unit or "", ""), tuple(row.cells or ()),
        fields=FIELDS if row.has_structure else FIELDS[:1], thresholds=thresholds,
    )  # fmt: skip


def find_place(commands: Collection[Json]) -> tuple[float, ...]:
    """Position of the newest burst of a log [m]; empty without one."""
    for command in reversed(list(commands)):
        position = command["payload"].get("position_m") if command["kind"] == "event" else None
        if isinstance(position, (list, tuple)):
            return tuple(float(part) for part in position)
    return ()


def read_sample(data: Mapping[str, Any], taken_s: float) -> Reading:
    """A sample: least, largest, mean and last value of each metric."""
    spans = {str(name): span for name, span in data["metrics"].items()}
    last = {name: None if span is None else float(span[3]) for name, span in spans.items()}
    most = {name: None if span is None else float(span[1]) for name, span in spans.items()}
    return Reading(int(data["end_tick"]), float(data["time_s"]), last, most, taken_s)


def read_newest(row: MetricsOut, now: float) -> Reading | None:
    """The stored sample of a run that is looked at, which may be paused or over; None before the first.

    Args:
        row: As the service tells it.
        now: Unix time by the clock of the run's machine [s].
    """
    if row.end_tick is None or row.time_s is None:
        return None
    return Reading(row.end_tick, row.time_s, row.metrics, row.metrics, now - (row.age_s or 0.0))


def read_happening(data: Mapping[str, Any], commands: Mapping[int, Json]) -> Happening:
    """An event of a run, with the command that it is about where that is known."""
    payload = data.get("payload")
    known = payload if isinstance(payload, Mapping) else {}
    seq = known.get("seq")
    return Happening(int(data["tick"]), str(data["kind"]), known, commands.get(seq) if isinstance(seq, int) else None)


def read_alert(row: AlertOut, rules: Mapping[str, Mapping[str, Any]]) -> Alert:
    """An alert of the list, with the rule of its name where the run has one."""
    hidden = "silenced" if row.silence is not None else "inhibited" if row.inhibited_by is not None else ""
    rule = rules.get(row.rule, {})
    threshold = rule.get("raise") if row.threshold is None else row.threshold
    return Alert(
        str(row.id),
        row.rule,
        row.severity or "medium",
        row.cover or str(row.state),
        row.metric,
        str(rule.get("op", ">")),
        row.value,
        float("nan") if threshold is None else float(threshold),
        row.fired_tick,
        row.acknowledged_at is not None,
        hidden,
    )
