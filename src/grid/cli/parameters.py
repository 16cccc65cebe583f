"""Parameters as people type them: `--param length=0.5`, `--sweep "diffusivity=0.005:0.02:4"`, `--params-file FILE`.

What a text means follows the simulation's schema where it is known: `--param name=007` is the text `007` where the
parameter is a string, and 7 where it is a number. A dotted name goes into a nested problem:
`problem.material.conductivity=50`.
"""

import itertools
import json
import math
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from grid.core.errors import FieldError, InputError
from grid.schemas.paths import set_path

LARGEST_SWEEP = 10_000  # points, as the service accepts them
ROUNDING = 1e-12  # relative: a range by ratio is that near to a whole number where it means one

Schema = Mapping[str, Any]  # a JSON Schema, as `GET /simulations/{name}` tells it


def parse_assignment(text: str, option: str) -> tuple[str, str]:
    """Split `name=value`.

    Raises:
        FieldError: There is no `=`, or no name before it.
    """
    name, sign, value = text.partition("=")
    if not sign or not name.strip():
        raise FieldError(option, "has the form name=value")
    return name.strip(), value.strip()


def read_labels(assignments: Sequence[str], option: str = "--meta") -> dict[str, str]:
    """Return labels as they were typed: `run=007` is the text `007`, blanks and all.

    Raises:
        FieldError: There is no `=`, no name before it, or one name twice.
    """
    labels: dict[str, str] = {}
    for text in assignments:
        name, sign, value = text.partition("=")
        if not sign or not name:
            raise FieldError(option, "has the form name=value")
        if name in labels:
            raise FieldError(option, "names each label once")
        labels[name] = value
    return labels


def read_moment(text: str | None, option: str) -> datetime | None:
    """Read a date or a time in ISO 8601; without a zone it is one of this machine's.

    Raises:
        FieldError: It is neither.
    """
    if text is None:
        return None
    try:
        return datetime.fromisoformat(text).astimezone()
    except (ValueError, OverflowError) as error:
        raise FieldError(option, "is a date or a time, as 2026-01-31 or 2026-01-31T08:00") from error


def parse_value(text: str, kinds: frozenset[str] | None = None) -> Any:
    """Read a value as JSON where it is JSON of a kind that fits, else as the text itself.

    Args:
        text: As it was typed.
        kinds: JSON types that the parameter takes, as `find_kinds` returns them; None: any.
    """
    if kinds is not None and kinds == frozenset({"string"}):
        return text
    try:
        value = json.loads(text, parse_constant=_refuse_constant)
    except (json.JSONDecodeError, RecursionError):
        return text
    if kinds is None:
        return value
    if isinstance(value, float) and value.is_integer() and "integer" in kinds and "number" not in kinds:
        return int(value)  # 1e3 is a whole number
    return text if "string" in kinds and not _is_of(value, kinds) else value


def _refuse_constant(name: str) -> float:
    raise FieldError("--param", f"is a finite number, not {name}")


def _is_of(value: Any, kinds: frozenset[str]) -> bool:
    names = {bool: "boolean", int: "integer", float: "number", str: "string", list: "array", dict: "object"}
    kind = names.get(type(value), "null")
    return kind in kinds or (kind == "integer" and "number" in kinds)


def find_kinds(schema: Schema | None, name: str) -> frozenset[str] | None:
    """Return the JSON types that the parameter at a dotted name takes; None where the schema does not say."""
    if schema is None:
        return None
    member: Any = schema
    for part in name.split("."):
        member = _resolve(member, schema)
        member = member.get("properties", {}).get(part)
        if not isinstance(member, Mapping):
            return None
    return _kinds(member, schema)


def _resolve(member: Any, schema: Schema) -> Any:
    reference = member.get("$ref", "")
    return schema.get("$defs", {}).get(reference.rpartition("/")[2], {}) if reference else member


def _kinds(member: Any, schema: Schema) -> frozenset[str] | None:
    member = _resolve(member, schema)
    if "anyOf" in member:
        found = [_kinds(one, schema) for one in member["anyOf"]]
        return None if None in found else frozenset().union(*(kinds for kinds in found if kinds))
    kind = member.get("type")
    if kind is None:
        return None
    return frozenset([kind] if isinstance(kind, str) else kind)


def read_params(assignments: Sequence[str], file: Path | None, schema: Schema | None = None) -> dict[str, Any]:
    """Merge a JSON file of parameters with single assignments; the assignments win, also those into a nested problem.

    Args:
        assignments: Each `name=value`, where the name may be dotted.
        file: A JSON object of parameters.
        schema: The simulation's parameters, which say what a text means.

    Raises:
        InputError: The file is not a JSON object, an assignment is malformed, or its path leads nowhere.
    """
    params: dict[str, Any] = {}
    if file is not None:
        try:
            content = json.loads(file.read_text(encoding="utf-8"), parse_constant=_refuse_constant)
        except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
            raise InputError(f"{file}: not a readable JSON file ({error})") from error
        if not isinstance(content, dict):
            raise InputError(f"{file}: holds a JSON {type(content).__name__}, not an object of parameters")
        params.update(content)
    for text in assignments:
        name, value = parse_assignment(text, "--param")
        params = set_path(params, name, parse_value(value, find_kinds(schema, name)))
    return params


def parse_axis(text: str, schema: Schema | None = None) -> tuple[str, list[Any]]:
    """Read one axis of a sweep.

    `a=1:2:5` is five values from 1 to 2, both ends included; `a=1e-3:1:4:log` spaces them by equal ratios;
    `a=1,2,5` lists them. Where the schema asks for whole numbers, a range gives the nearest ones.

    Raises:
        FieldError: The axis has another form, more points than a sweep may have, or fewer whole numbers than points.
    """
    name, value = parse_assignment(text, "--sweep")
    kinds = find_kinds(schema, name)
    if ":" not in value:
        return name, [parse_value(part.strip(), kinds) for part in value.split(",")]
    parts = [part.strip() for part in value.split(":")]
    if len(parts) not in {3, 4} or (len(parts) == 4 and parts[3] not in {"lin", "log"}):
        raise FieldError("--sweep", f"{name} has the form start:stop:count, start:stop:count:log, or a,b,c")
    try:
        start, stop, count = float(parts[0]), float(parts[1]), int(parts[2])
    except ValueError as error:
        raise FieldError("--sweep", f"{name} has two numbers and a whole count: start:stop:count") from error
    if not (math.isfinite(start) and math.isfinite(stop)) or not 1 <= count <= LARGEST_SWEEP:
        raise FieldError("--sweep", f"{name} has finite ends and 1 to {LARGEST_SWEEP} points")
    values = _space_values(name, start, stop, count, is_logarithmic=parts[-1] == "log")
    takes_whole = kinds is not None and "integer" in kinds and "number" not in kinds
    return name, _round_values(name, values) if takes_whole else _tidy_values(values)


def _space_values(name: str, start: float, stop: float, count: int, *, is_logarithmic: bool) -> list[float]:
    if is_logarithmic and (start <= 0 or stop <= 0):
        raise FieldError("--sweep", f"{name} is spaced by ratios, so both ends are positive")
    if count == 1:
        return [start]
    if is_logarithmic:
        values = [start * (stop / start) ** (i / (count - 1)) for i in range(count)]
    else:
        values = [start + (stop - start) * i / (count - 1) for i in range(count)]
    values[-1] = stop  # exactly, whatever the rounding
    return values


def _tidy_values(values: list[float]) -> list[Any]:
    """Return whole numbers where all values are, but for rounding: 100, 200, 400 by ratio, not 199.99999999999997."""
    is_whole = all(abs(value - round(value)) <= ROUNDING * abs(value) < 1 for value in values)
    return [round(value) for value in values] if is_whole else values


def _round_values(name: str, values: list[float]) -> list[Any]:
    whole = [round(value) for value in values]
    if len(set(whole)) < len(whole):
        raise FieldError("--sweep", f"{name} takes whole numbers, and the range holds {len(set(whole))} at that count")
    return whole


def expand_sweep(axes: Sequence[str], schema: Schema | None = None) -> list[dict[str, Any]]:
    """Return every combination of the axes, as points of a sweep; the last axis varies fastest.

    Raises:
        FieldError: An axis is malformed, named twice, or the product is larger than a sweep may be.
    """
    parsed = [parse_axis(axis, schema) for axis in axes]
    names = [name for name, _ in parsed]
    if len(set(names)) != len(names):
        raise FieldError("--sweep", "names each parameter once")
    total = math.prod(len(values) for _, values in parsed)
    if total > LARGEST_SWEEP:
        raise FieldError("--sweep", f"has at most {LARGEST_SWEEP} points; these axes make {total}")
    return [dict(zip(names, point, strict=True)) for point in itertools.product(*(values for _, values in parsed))]
