"""Dotted names of parameters: `problem.material.conductivity`, `problem.sources[0].power`."""

import re
from collections.abc import Iterator
from typing import Any

from grid.core.errors import FieldError

MAX_STEPS = 20  # as deep as JSON may be that Grid reads
_STEP = re.compile(r"(?:\.|^)([^.\[\]]+)|\[(\d{1,6})\]")


def is_path(name: str) -> bool:
    """Tell whether a name leads into something: it has a dot or a place of a list."""
    return "." in name or "[" in name


def split_path(name: str) -> list[str | int]:
    """Return the steps of a dotted name: names of members, and places of lists, which count from 0.

    Raises:
        FieldError: The name is none: an empty step, or more than 20 of them.
    """
    steps, end = [], 0
    for step in _STEP.finditer(name):
        if step.start() != end:
            break
        steps.append(int(step[2]) if step[2] is not None else step[1])
        end = step.end()
    if end != len(name) or not steps or name[0] in ".[" or len(steps) > MAX_STEPS:
        raise FieldError(
            _shown(name), "must be a name, or a path as in problem.material.conductivity or sources[0].power"
        )
    return steps


def set_path(params: dict[str, Any], name: str, value: Any) -> dict[str, Any]:
    """Return a copy of `params` with the value at a dotted name; what is not on the path is shared with the original.

    A member that is not there is made, a place of a list has to be there.

    Raises:
        FieldError: The path goes through something that has no members, or behind the end of a list.
    """
    if not is_path(name):
        return {**params, name: value}
    copy = dict(params)
    place: Any = copy
    *way, last = split_path(name)
    for step, following in zip(way, [*way[1:], last], strict=True):
        place = _enter(place, step, following, name)
    _require_place(place, last, name)
    place[last] = value
    return copy


def _enter(place: Any, step: str | int, following: str | int, name: str) -> Any:
    """Go one step along the path, and put a copy of what is there into its place."""
    _require_place(place, step, name)
    inner = place[step] if isinstance(step, int) else place.get(step)
    if inner is None and isinstance(following, str):
        inner = {}
    if not isinstance(inner, dict | list):
        raise FieldError(_shown(name), "leads through a value that has no members")
    place[step] = inner.copy()
    return place[step]


def _require_place(place: Any, step: str | int, name: str) -> None:
    if isinstance(step, str) and not isinstance(place, dict):
        raise FieldError(_shown(name), "leads into a list: name a place of it, as in sources[0].power")
    if isinstance(step, int) and not (isinstance(place, list) and step < len(place)):
        raise FieldError(_shown(name), "leads to a place that its list does not have")


def merge_point(common: dict[str, Any], point: dict[str, Any]) -> dict[str, Any]:
    """Return the parameters of one point: those that all points share, then its own, whose dotted names go into them.

    Raises:
        FieldError: A dotted name leads nowhere.
    """
    merged = {**common, **{name: value for name, value in point.items() if not is_path(name)}}
    for name, value in _paths(point):
        merged = set_path(merged, name, value)
    return merged


def _paths(point: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield the dotted names of a point, shorter ones first: `a.b` sets the whole before `a.b.c` changes a part."""
    yield from sorted(((name, value) for name, value in point.items() if is_path(name)), key=lambda one: len(one[0]))


def _shown(name: str) -> str:
    """Return a name as an error may repeat it: no more of it than a real path has."""
    return name if re.fullmatch(r"[A-Za-z0-9_.\[\]\-]{1,200}", name) else "(unusual name)"


def flatten(params: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield every value by its dotted name; lists are values."""
    for name, value in params.items():
        if isinstance(value, dict) and value:
            yield from flatten(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value
