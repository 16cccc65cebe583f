"""Temperatures of a `heat` problem over its output times, as its record has them."""

from grid.plugins.builtin.heat_params import HeatParams
from grid.plugins.builtin.heat_problem import read_problem
from grid.schemas.fields import StoredRecord
from grid.schemas.results import SeriesColumn

_UNITS = {"K": "K", "degC": "degC", "relative": "K"}
_TITLES = {"mean": "Mean temperature", "max": "Largest temperature", "min": "Least temperature"}


def describe_series(heat: HeatParams, record: StoredRecord) -> list[SeriesColumn]:
    """Return mean and extremes; a steady state has one row."""
    unit = _UNITS[read_problem(heat).temperature_unit]
    time, *others = record.read("series").tolist()
    columns = zip(_TITLES.items(), others, strict=True)
    found = [SeriesColumn(name, title, unit, values) for (name, title), values in columns]
    return [SeriesColumn("time", "Time", "s", time), *found]
