"""Rules as people write them: thresholds and times may have a unit, as `raise: 247 degC` and `for: 2 s`.

Everything ends as `grid.engine.live.rule_definition.Rule` reads it: thresholds in the unit of the metric, times in
seconds. Temperatures of a run are in the unit of its scene: a threshold with a unit is converted to it, a plain number
is in it already. So a rule is kept as it was written, and read for each run.
"""

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from grid.core.errors import FieldError
from grid.core.strict_yaml import read_yaml
from grid.schemas.jobs import JsonObject
from grid.schemas.live import PACE_METRICS, SAMPLE_METRICS, TICK_METRICS
from grid.services.alerts.builtin_rules import DERIVED_METRICS, SERVICE_METRICS

MOST_RULES: Final = 50  # of a file, an owner and a run
WALL_METRICS: Final = (*SAMPLE_METRICS, *SERVICE_METRICS, *DERIVED_METRICS)
METRIC_UNITS: Final[dict[str, str]] = {
    **dict.fromkeys(("lowest", "highest", "mean"), "temperature"),
    "time_error": "difference",
    "gradient": "K/m",
    "stored_heat": "J",
    "shed_w": "W",
    **dict.fromkeys(("peak_stress", "peak_by_potential"), "Pa"),
    **dict.fromkeys(("data_age_s", "processor_s", "slipped_s"), "s"),
}  # all others are plain numbers
# Unit: its dimension, the factor to the unit of the metric, and what is added before (degrees).
_UNITS: Final[dict[str, dict[str, tuple[float, float]]]] = {
    "temperature": {"K": (1.0, 0.0), "degC": (1.0, 273.15), "degF": (5.0 / 9.0, 459.67)},
    "difference": {"K": (1.0, 0.0), "degC": (1.0, 0.0), "degF": (5.0 / 9.0, 0.0), "mK": (1e-3, 0.0)},
    "K/m": {"K/m": (1.0, 0.0), "K/cm": (100.0, 0.0), "K/mm": (1000.0, 0.0)},
    "J": {"J": (1.0, 0.0), "kJ": (1e3, 0.0), "MJ": (1e6, 0.0)},
    "W": {"W": (1.0, 0.0), "kW": (1e3, 0.0), "MW": (1e6, 0.0)},
    "Pa": {"Pa": (1.0, 0.0), "kPa": (1e3, 0.0), "MPa": (1e6, 0.0), "GPa": (1e9, 0.0)},
    "s": {"s": (1.0, 0.0), "ms": (1e-3, 0.0), "min": (60.0, 0.0), "h": (3600.0, 0.0)},
    "1": {"1": (1.0, 0.0), "%": (0.01, 0.0)},
}
_QUANTITY: Final = re.compile(
    r"\s*([+-]?(?:\d{1,30}\.?\d{0,30}|\.\d{1,30})(?:[eE][+-]?\d{1,4})?)\s*([A-Za-z%/1]{0,8})\s*"
)
_TIMES: Final = {"for": "for_s", "keep_firing_for": "keep_firing_for_s"}


def read_quantity(field: str, raw: object, dimension: str, temperature_unit: str = "K") -> float:
    """Return a number in the unit of a dimension; a plain one is in that unit already.

    Args:
        field: Named by an error.
        raw: A number, or a text such as `247 degC`.
        dimension: One of `temperature`, `difference`, `K/m`, `J`, `W`, `Pa`, `s` and `1`.
        temperature_unit: Unit in which temperatures are kept: `K`, `degC`, or `relative`, which has none.

    Raises:
        FieldError: It is no number, or has a unit that the dimension does not have.
    """
    if isinstance(raw, int | float) and not isinstance(raw, bool):
        value, unit = float(raw), ""
    else:
        match = _QUANTITY.fullmatch(raw) if isinstance(raw, str) and len(raw) <= 100 else None
        if match is None:
            raise FieldError(field, "must be a number, with a unit where it has one, such as 247 degC")
        value, unit = float(match[1]), match[2]
    if not math.isfinite(value):
        raise FieldError(field, "must be finite")
    if not unit:
        return value
    units = _UNITS[dimension]
    if unit not in units or (dimension == "temperature" and temperature_unit == "relative"):
        known = "no unit, as the scene has none" if temperature_unit == "relative" else " or ".join(units)
        raise FieldError(field, f"must be in {known}")
    if dimension == "temperature" and unit == temperature_unit:
        return value
    factor, offset = units[unit]
    kelvin = (value + offset) * factor
    return kelvin - 273.15 if dimension == "temperature" and temperature_unit == "degC" else kelvin


def read_rule(raw: object, *, where: str = "rule", temperature_unit: str = "K") -> JsonObject:
    """Return a rule as it is kept.

    Raises:
        FieldError: A field is unknown, missing or outside its limits, or the rule's metric is none.
    """
    from grid.engine.live.rule_definition import Rule

    if not isinstance(raw, Mapping):
        raise FieldError(where, "must be an object")
    rule = dict(raw)
    for name, plain in _TIMES.items():
        if name in rule:
            rule[plain] = read_quantity(f"{where}.{name}", rule.pop(name), "s")
    _read_stale(rule, where)
    metric, clock = rule.get("metric"), rule.get("clock", "sim")
    known = WALL_METRICS if clock == "wall" else TICK_METRICS
    if metric not in known:
        instead = "; with clock: wall also those of the service" if clock != "wall" else ""
        raise FieldError(f"{where}.metric", f"must be one of {', '.join(known)}{instead}")
    for name in ("raise", "clear"):
        if name in rule:
            dimension = METRIC_UNITS.get(str(metric), "1")
            rule[name] = read_quantity(f"{where}.{name}", rule[name], dimension, temperature_unit)
    try:
        return Rule.from_json(rule).to_json()
    except FieldError as error:
        raise FieldError(f"{where}.{error.field}", error.limit) from error


def resolve_rule(raw: JsonObject, temperature_unit: str) -> JsonObject | None:
    """Return a kept rule as a run of a unit has it; None where a threshold has a unit that the run's scene has not."""
    try:
        return read_rule(raw, temperature_unit=temperature_unit)
    except FieldError:
        return None


def read_rules(raw: object, *, temperature_unit: str = "K") -> list[JsonObject]:
    """Return the rules of a list, or of an object with `rules`.

    Raises:
        FieldError: There are too many, two of one name, or one that is none; names the place.
    """
    listed = raw.get("rules") if isinstance(raw, Mapping) else raw
    if not isinstance(listed, Sequence) or isinstance(listed, str) or not 1 <= len(listed) <= MOST_RULES:
        raise FieldError("rules", f"must be a list of 1 to {MOST_RULES}")
    rules = [
        read_rule(one, where=f"rules[{index}]", temperature_unit=temperature_unit) for index, one in enumerate(listed)
    ]
    names = [str(rule["name"]) for rule in rules]
    for index, name in enumerate(names):
        if name in names[:index]:
            raise FieldError(f"rules[{index}].name", "must be a name of its own")
    return rules


def read_rule_file(text: str, *, temperature_unit: str = "K") -> list[JsonObject]:
    """Return the rules of a YAML text; JSON is YAML as well.

    Raises:
        FieldError, InvalidYamlError: It is malformed, or a rule is none.
    """
    return read_rules(read_yaml(text), temperature_unit=temperature_unit)


def find_temperature_unit(scene: Mapping[str, Any]) -> str:
    """Return the unit in which the temperatures of a scene are."""
    case = scene.get("case")
    unit = case.get("temperature_unit", "relative") if isinstance(case, Mapping) else "relative"
    return unit if unit in ("K", "degC") else "relative"


def is_pace_metric(metric: str) -> bool:
    """True for what follows from the wall clock alone."""
    return metric in PACE_METRICS or metric in SERVICE_METRICS or metric == "rate_ratio"


def _read_stale(rule: dict[str, Any], where: str) -> None:
    """Read `stale: {after: 3 s}` and `no_data: {after: 30 s, then: fire}`."""
    for name, plain in (("stale", "stale_after_s"), ("no_data", "no_data_after_s")):
        raw = rule.get(name)
        if not isinstance(raw, Mapping):
            continue
        allowed = {"after"} if name == "stale" else {"after", "then"}
        if not set(raw) <= allowed:
            raise FieldError(f"{where}.{name}", f"may have {' and '.join(sorted(allowed))}")
        del rule[name]
        if "after" in raw:
            rule[plain] = read_quantity(f"{where}.{name}.after", raw["after"], "s")
        if "then" in raw:
            rule["no_data"] = raw["then"]
