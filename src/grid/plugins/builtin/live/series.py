"""Metrics of a point of `live` over its ticks, as its record has them. Loads NumPy."""

import json
import zlib

import numpy as np

from grid.plugins.builtin.guides import TICK_GUIDES
from grid.schemas.fields import StoredRecord
from grid.schemas.live import TICK_METRICS
from grid.schemas.results import SeriesColumn

_UNITS = {"K": "K", "degC": "degC", "relative": "K"}
_TEMPERATURES = frozenset({"lowest", "highest", "mean", "time_error"})
_SIDES = {"lowest": 0, "highest": 1, "safety_factor": 0}  # of a row of several ticks: its least, its largest
_MEAN = 2


def describe_series(record: StoredRecord) -> list[SeriesColumn]:
    """Return the metrics that have values: of each tick, or of 2^level ticks their mean, extremes where those matter.

    The time of a row is that of its first boundary.
    """
    document = json.loads(zlib.decompress(record.read("document").tobytes()))
    place, level = (int(value) for value in record.read("place"))
    history = np.asarray(record.read("history"), dtype=np.float64)
    times = (place + np.arange(len(history))) * (1 << level) * document["tick_s"]
    found = [SeriesColumn("time", "Time", "s", times.tolist())]
    for number, name in enumerate(TICK_METRICS):
        values = history[:, number, _SIDES.get(name, _MEAN) if history.shape[2] > 1 else 0]
        if np.isfinite(values).any():
            guide = TICK_GUIDES[name]
            found.append(SeriesColumn(name, guide.title, _find_unit(name, document), _known(values.tolist())))
    return found


def _find_unit(name: str, document: dict[str, object]) -> str:
    if name in _TEMPERATURES:
        return _UNITS[str(document["unit"])]
    if name == "stored_heat":
        axes = len(document["log"]["header"]["scene"]["case"]["domain"]["size"])  # type: ignore[index]
        return ("J/m2", "J/m", "J")[axes - 1]
    return TICK_GUIDES[name].unit or "1"


def _known(values: list[float]) -> list[float | None]:
    return [value if value == value else None for value in values]
