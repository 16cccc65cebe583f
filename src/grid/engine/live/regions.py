"""Regions of the body that changes name: everything, a box, a disc (ball in 3D), or a region of the scene."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from grid.core.errors import FieldError
from grid.engine import limits
from grid.engine.limits import find_number
from grid.engine.problem.domain import AXES
from grid.engine.problem.problem import HeatProblem
from grid.engine.problem.reader import CaseReader
from grid.engine.space.mesh import centres

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Everything:
    """The whole body."""

    def to_json(self) -> Any:
        """The region as JSON."""
        return "all"

    def mask(self, problem: HeatProblem, _names: Mapping[str, Mask]) -> Mask:
        """True in cells whose centres belong to it, shape `cells`."""
        return np.ones(problem.domain.cells, bool)


@dataclass(frozen=True)
class Box:
    """An upright box.

    Args:
        low, high: Corners [m].
    """

    low: tuple[float, ...]
    high: tuple[float, ...]

    def to_json(self) -> Any:
        """The region as JSON."""
        return {"box": {"from_m": list(self.low), "to_m": list(self.high)}}

    def mask(self, problem: HeatProblem, _names: Mapping[str, Mask]) -> Mask:
        """True in cells whose centres belong to it, shape `cells`."""
        found = np.ones(problem.domain.cells, bool)
        for axis, (low, high) in enumerate(zip(self.low, self.high, strict=True)):
            at = centres(problem.domain, axis)
            found &= ((low <= at) & (at <= high)).reshape(along(axis, problem.dimension))
        return found


@dataclass(frozen=True)
class Disc:
    """A disc in 2D, a ball in 3D, an interval in 1D.

    Args:
        centre: [m].
        radius: [m].
    """

    centre: tuple[float, ...]
    radius: float

    def to_json(self) -> Any:
        """The region as JSON."""
        return {"disc": {"centre_m": list(self.centre), "radius_m": self.radius}}

    def mask(self, problem: HeatProblem, _names: Mapping[str, Mask]) -> Mask:
        """True in cells whose centres belong to it, shape `cells`."""
        return squared_distance(problem, self.centre) <= self.radius**2


@dataclass(frozen=True)
class Named:
    """A region of the scene's structure.

    Args:
        name: Of the region.
    """

    name: str

    def to_json(self) -> Any:
        """The region as JSON."""
        return {"name": self.name}

    def mask(self, _problem: HeatProblem, names: Mapping[str, Mask]) -> Mask:
        """True in cells that belong to it, shape `cells`."""
        if self.name not in names:
            raise FieldError("region.name", "the name of a region of the scene")
        return names[self.name]


Region = Everything | Box | Disc | Named


def squared_distance(problem: HeatProblem, centre: tuple[float, ...]) -> NDArray[np.float64]:
    """Squares of the distances of the cell centres from a point, shape `cells` [m2]."""
    total = np.zeros(problem.domain.cells)
    for axis, at in enumerate(centre):
        total += ((centres(problem.domain, axis) - at) ** 2).reshape(along(axis, problem.dimension))
    return total


def read_region(reader: CaseReader, path: str, raw: object, dimension: int) -> Region | None:
    """Read `"all"`, `{"box": ...}`, `{"disc": ...}` or `{"name": ...}`; errors are noted with the reader."""
    if raw == "all":
        return Everything()
    given = reader.read_mapping(path, raw, allowed=("box", "disc", "name"))
    if len(given) != 1:
        reader.refuse(path, 'one of "all", {"box": ...}, {"disc": ...} and {"name": ...}')
        return None
    kind, value = next(iter(given.items()))
    if kind == "name":
        if not isinstance(value, str) or not 1 <= len(value) <= 100:
            reader.refuse(f"{path}.name", "a text of 1 to 100 characters")
            return None
        return Named(value)
    names = ("from_m", "to_m") if kind == "box" else ("centre_m", "radius_m")
    fields = reader.read_mapping(f"{path}.{kind}", value, allowed=names, required=names)
    first = reader.read_numbers(f"{path}.{kind}.{names[0]}", fields.get(names[0]))
    if kind == "box":
        last = reader.read_numbers(f"{path}.box.to_m", fields.get("to_m"))
        if first is None or last is None or not _are_places(reader, f"{path}.box", (*first, *last)):
            return None
        if not len(first) == len(last) == dimension or not all(a < b for a, b in zip(first, last, strict=True)):
            reader.refuse(f"{path}.box", f"two corners of {dimension} numbers, each of to_m above that of from_m")
            return None
        return Box(first, last)
    radius = reader.read_number(f"{path}.disc.radius_m", fields.get("radius_m"))
    if first is None or radius is None or not _are_places(reader, f"{path}.disc", (*first, radius)):
        return None
    if len(first) != dimension or not radius > 0.0:
        reader.refuse(f"{path}.disc", f"a centre of {dimension} numbers, and a radius above 0")
        return None
    return Disc(first, radius)


def _are_places(reader: CaseReader, path: str, numbers: tuple[float, ...]) -> bool:
    """Tell whether numbers are within the limits of places, whose squares are finite; else that is noted."""
    if all(map(limits.POSITION.allows, numbers)):
        return True
    reader.refuse(path, f"numbers, each of them {limits.POSITION}")
    return False


def require_inside(path: str, position: tuple[float, ...], problem: HeatProblem) -> None:
    """Refuse a point outside the box of a problem.

    Raises:
        FieldError: It has another number of coordinates, or one that is not finite or not within the box.
    """
    domain = problem.domain
    if not isinstance(position, tuple):
        raise FieldError(path, f"{domain.dimension} numbers, one for each axis")
    bounds = [(low, low + size) for low, size in zip(domain.origin, domain.size, strict=True)]
    if len(position) != len(bounds):
        raise FieldError(path, f"{len(bounds)} numbers, one for each axis")
    for axis, (at, (low, high)) in enumerate(zip(position, bounds, strict=True)):
        number = find_number(at)
        if number is None or not low <= number <= high:
            raise FieldError(f"{path}[{axis}]", f"within the box along {AXES[axis]}: {low:g} to {high:g} m")


def complete(numbers: tuple[float, ...], rest: tuple[float, ...], problem: HeatProblem) -> tuple[float, ...]:
    """Numbers along all axes, from those along the axes of more than one cell; others are returned as they are.

    So a place in a plate of one cell through its thickness needs two numbers.

    Args:
        numbers: Along each axis, or along those of more than one cell.
        rest: Along each axis, for those that are left out.
        problem: With the grid.
    """
    wide = [axis for axis, count in enumerate(problem.domain.cells) if count > 1]
    if not len(numbers) == len(wide) < problem.dimension:
        return numbers
    found = list(rest)
    for axis, number in zip(wide, numbers, strict=True):
        found[axis] = number
    return tuple(found)


def along(axis: int, dimension: int) -> tuple[int, ...]:
    """Shape that lays a list out along one axis of a box."""
    return tuple(-1 if other == axis else 1 for other in range(dimension))
