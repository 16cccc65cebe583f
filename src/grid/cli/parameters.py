"""Parameters as people type them: `--param length=0.5`, `--sweep "diffusivity=0.005:0.02:4"`, `--params-file FILE`."""

import itertools
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from grid.core.errors import FieldError, InputError

LARGEST_SWEEP = 10_000  # points, as the service accepts them


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


def parse_value(text: str) -> Any:
    """Read a value as JSON where it is JSON (numbers, true, null, lists, objects), else as the text itself."""
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except json.JSONDecodeError:
        return text


def _refuse_constant(name: str) -> float:
    raise FieldError("--param", f"is a finite number, not {name}")


def read_params(assignments: Sequence[str], file: Path | None) -> dict[str, Any]:
    """Merge a JSON file of parameters with single assignments; the assignments win.

    Raises:
        InputError: The file is not a JSON object, or an assignment is malformed.
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
        params[name] = parse_value(value)
    return params


def parse_axis(text: str) -> tuple[str, list[Any]]:
    """Read one axis of a sweep.

    `a=1:2:5` is five values from 1 to 2, both ends included; `a=1e-3:1:4:log` spaces them by equal ratios;
    `a=1,2,5` lists them.

    Raises:
        FieldError: The axis has another form, or more points than a sweep may have.
    """
    name, value = parse_assignment(text, "--sweep")
    if ":" not in value:
        return name, [parse_value(part.strip()) for part in value.split(",")]
    parts = [part.strip() for part in value.split(":")]
    if len(parts) not in {3, 4} or (len(parts) == 4 and parts[3] not in {"lin", "log"}):
        raise FieldError("--sweep", f"{name} has the form start:stop:count, start:stop:count:log, or a,b,c")
    try:
        start, stop, count = float(parts[0]), float(parts[1]), int(parts[2])
    except ValueError as error:
        raise FieldError("--sweep", f"{name} has two numbers and a whole count: start:stop:count") from error
    if not (math.isfinite(start) and math.isfinite(stop)) or not 1 <= count <= LARGEST_SWEEP:
        raise FieldError("--sweep", f"{name} has finite ends and 1 to {LARGEST_SWEEP} points")
    return name, _space_values(name, start, stop, count, is_logarithmic=parts[-1] == "log")


def _space_values(name: str, start: float, stop: float, count: int, *, is_logarithmic: bool) -> list[Any]:
    if count == 1:
        return [start]
    if not is_logarithmic:
        values = [start + (stop - start) * i / (count - 1) for i in range(count)]
    elif start <= 0 or stop <= 0:
        raise FieldError("--sweep", f"{name} is spaced by ratios, so both ends are positive")
    else:
        values = [start * (stop / start) ** (i / (count - 1)) for i in range(count)]
    values[-1] = stop  # exactly, whatever the rounding
    return [int(v) for v in values] if all(v.is_integer() for v in values) else values


def expand_sweep(axes: Sequence[str], base: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return every combination of the axes on top of `base`; the last axis varies fastest.

    Raises:
        FieldError: An axis is malformed, named twice, or the product is larger than a sweep may be.
    """
    parsed = [parse_axis(axis) for axis in axes]
    names = [name for name, _ in parsed]
    if len(set(names)) != len(names):
        raise FieldError("--sweep", "names each parameter once")
    total = math.prod(len(values) for _, values in parsed)
    if total > LARGEST_SWEEP:
        raise FieldError("--sweep", f"has at most {LARGEST_SWEEP} points; these axes make {total}")
    return [{**base, **dict(zip(names, point, strict=True))} for point in itertools.product(*(v for _, v in parsed))]
