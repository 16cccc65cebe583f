"""The loads and properties of a problem that depend on time."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from grid.engine.problem.domain import AXES
from grid.engine.problem.fields import ProblemFields
from grid.engine.values.expression import Expression
from grid.engine.values.value import Constant, Gridded, Table, Value

# [-] times the span of the temperatures that data name: range beyond them in which a load's rise with T is examined
FAR = 10.0


@dataclass(frozen=True)
class TimedLoad:
    """A value of a problem that depends on time.

    Args:
        path: Name of the field.
        value: Value of the load.
        is_absolute: True where the value zero is the absence of a load: heats, films and properties, not temperatures.
        coordinates: Least and greatest value of each other variable.
        patch: Name of the face; empty for sources and properties.
        is_driving: True where it moves temperatures only: values other than films, emissivities and properties.
    """

    path: str
    value: Value
    is_absolute: bool
    coordinates: dict[str, tuple[float, float]]
    patch: str = ""
    is_driving: bool = False

    @property
    def is_common(self) -> bool:
        """True where the load depends on nothing but time."""
        return self.value.variables == frozenset("t")


def find_timed_loads(problem: ProblemFields) -> Iterator[TimedLoad]:
    """Find all values of a problem that depend on time."""
    box = _find_box(problem)
    if "t" in problem.source_term.variables:
        is_driving = "T" not in problem.source_term.variables
        yield _make(problem, "source_term", problem.source_term, True, box, is_driving=is_driving)
    for face, law in problem.boundaries.items():
        for name, value in law.values.items():
            if "t" in value.variables:
                is_absolute = name not in law.temperatures
                path = f"boundaries.{face}.{name}"
                is_driving = name in (*law.temperatures, *law.fluxes) and "T" not in value.variables
                yield _make(problem, path, value, is_absolute, box | _side(face, box), face, is_driving=is_driving)
    for index, material in enumerate(problem.materials):
        path = "material" if len(problem.materials) == 1 else f"material[{index}]"
        for value in material.values:
            if "t" in value.variables:
                yield _make(problem, path, value, True, box)


def _find_box(problem: ProblemFields) -> dict[str, tuple[float, float]]:
    """Ends of the body along each axis [m]."""
    domain = problem.domain
    sides = zip(AXES, domain.origin, domain.size, strict=False)
    return {axis: (low, low + size) for axis, low, size in sides}


def _make(
    problem: ProblemFields,
    path: str,
    value: Value,
    is_absolute: bool,
    box: dict[str, tuple[float, float]],
    face: str = "",
    *,
    is_driving: bool = False,
) -> TimedLoad:
    coordinates = {name: box.get(name, (0.0, 0.0)) for name in value.variables - {"t", "T"}}
    if "T" in value.variables:
        coordinates["T"] = find_temperatures(problem)
    return TimedLoad(path, value, is_absolute, coordinates, face, is_driving)


def _side(face: str, box: dict[str, tuple[float, float]]) -> dict[str, tuple[float, float]]:
    axis, _, side = face.partition("_")
    if axis not in box:
        return {}
    end = box[axis][side == "max"]
    return {axis: (end, end)}


def find_temperatures(problem: ProblemFields) -> tuple[float, float]:
    """Bounds of the temperatures that the data of a problem name, without a field."""
    box = _find_box(problem)
    named = [] if problem.initial is None else [problem.initial]
    for law in problem.boundaries.values():
        named += law.temperature_values
    bounds = [found for value in named if (found := _find_bounds(value, box)) is not None]
    low, high = min((low for low, _ in bounds), default=0.0), max((high for _, high in bounds), default=0.0)
    return (low, high) if high > low else (low - 1.0, high + 1.0)


def has_growing_loads(problem: ProblemFields) -> bool:
    """Tell whether a source or a flux may rise with temperature, as far as its bounds show."""
    from grid.engine.values.enclosures import enclose

    box, (least, most) = _find_box(problem), find_temperatures(problem)
    low, high = np.array([least - FAR * (most - least)]), np.array([most + FAR * (most - least)])
    for name, law in (("source_term", None), *problem.boundaries.items()):
        value = problem.source_term if law is None else law.values.get("value")
        if value is None or "T" not in value.variables:
            continue
        if not isinstance(value, Expression):
            return True
        coordinates = {**box, **_side(name, box), "t": (0.0, problem.end_time or 0.0)}
        if not bool(np.all(enclose(value.code, "T", low, high, coordinates, has_switches=True).slope.high <= 0.0)):
            return True
    return False


def _find_bounds(value: Value, box: dict[str, tuple[float, float]]) -> tuple[float, float] | None:
    """Least and greatest value of a value of place; None where it depends on more, or is infinite."""
    if isinstance(value, Constant):
        return value.value, value.value
    if isinstance(value, Table):
        return float(value.arrays[1].min()), float(value.arrays[1].max())
    if isinstance(value, Gridded):
        return float(value.cells.min()), float(value.cells.max())
    if isinstance(value, Expression) and value.variables <= set(box):
        from grid.engine.values.enclosures import enclose

        low, high = enclose(value.code, "t", np.zeros(1), np.zeros(1), box).value
        if np.isfinite(low).all() and np.isfinite(high).all():
            return float(np.min(low)), float(np.max(high))
    return None
