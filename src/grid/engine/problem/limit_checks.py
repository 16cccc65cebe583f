"""The checks of a problem that need no field: structure, limits of constants and tables, variables of expressions.

Each refusal names the field by its path in the case format and the limit with its unit, never the value.
"""

from collections.abc import Iterator

import numpy as np

from grid.core.errors import FieldError, UnsupportedError
from grid.engine import limits
from grid.engine.limits import LU_CELLS_3D, MAX_POINTS, Limit, raise_errors
from grid.engine.problem.boundaries import Boundary
from grid.engine.problem.domain import AXES, FACES, INTERNAL
from grid.engine.problem.fields import ProblemFields
from grid.engine.problem.material import Material
from grid.engine.problem.type_checks import find_wrong_kinds, is_count
from grid.engine.values.expression import Expression
from grid.engine.values.phase_change import ByPhase
from grid.engine.values.value import Constant, Gridded, Table, Value

CAPACITY_LIMITS = {
    "volumetric_heat_capacity": limits.VOLUMETRIC_HEAT_CAPACITY,
    "density": limits.DENSITY,
    "specific_heat": limits.SPECIFIC_HEAT,
}
ELASTIC_LIMITS = {
    "young_modulus": limits.YOUNG_MODULUS,
    "poisson_ratio": limits.POISSON_RATIO,
    "thermal_expansion": limits.THERMAL_EXPANSION,
    "yield_stress": limits.YIELD_STRESS,
}


def require_valid(problem: ProblemFields) -> None:
    """Raise for the first features or fields of a problem that cannot be accepted.

    Raises:
        FieldError, InvalidFieldsError: Outside the limits, or not of the Python type that belongs there.
        UnsupportedError: Valid, but not supported by this version.
    """
    raise_errors(find_wrong_kinds(problem))
    raise_errors(_domain_errors(problem))
    raise_errors(_errors(problem))
    if problem.has_phase_change:
        _require_phase_change_supported(problem)
    if problem.has_flow:
        _require_flow_supported(problem)
    if problem.coupled_axes:
        _require_tensor_supported(problem)
    if problem.contacts and problem.domain.active is not None:
        raise UnsupportedError("contacts in a masked body")


def _require_flow_supported(problem: ProblemFields) -> None:
    capacities = {material.capacity_values for material in problem.materials}
    if len(capacities) > 1 or any(not isinstance(value, Constant) for values in capacities for value in values):
        raise UnsupportedError("a flow through a body whose heat capacity varies")
    if problem.domain.active is not None or problem.contacts:
        raise UnsupportedError("a flow through a masked body or contacts")


def _require_tensor_supported(problem: ProblemFields) -> None:
    if problem.domain.active is not None or problem.contacts:
        raise UnsupportedError("a full conductivity tensor in a masked body or with contacts")


def _require_phase_change_supported(problem: ProblemFields) -> None:
    if problem.has_flow or problem.coupled_axes:
        raise UnsupportedError("a phase change with a flow or a full conductivity tensor")
    others = [material for material in problem.materials if material.enthalpy is None]
    if any(not isinstance(v, Constant) for m in others for v in m.capacity_values):
        raise UnsupportedError("a phase change beside a heat capacity that varies")
    if problem.dimension == 3 and problem.domain.cell_count > LU_CELLS_3D:
        raise UnsupportedError(f"a phase change in a 3D body of more than {LU_CELLS_3D} cells")


def _domain_errors(problem: ProblemFields) -> Iterator[FieldError]:
    domain = problem.domain
    if not 1 <= domain.dimension <= 3:
        yield FieldError("domain.size", "one to three lengths, one for each axis")
        return
    if len(domain.cells) != domain.dimension:
        yield FieldError("resolution.cells", f"{domain.dimension} integers, one for each axis")
    if len(domain.origin) != domain.dimension:
        yield FieldError("domain.origin", f"{domain.dimension} numbers, one for each axis")
    for index, length in enumerate(domain.size):
        yield from _number(f"domain.size[{index}]", length, limits.LENGTH)
    for index, position in enumerate(domain.origin):
        yield from _number(f"domain.origin[{index}]", position, limits.POSITION)
    yield from _number("domain.section", domain.section, limits.SECTION)
    if any(count < 1 for count in domain.cells):
        yield FieldError("resolution.cells", "at least 1 cell along each axis")
    elif domain.cell_count > limits.MAX_CELLS:
        yield FieldError("resolution.cells", f"at most {limits.MAX_CELLS} cells in all")
    for length, count, position in zip(domain.size, domain.cells, domain.origin, strict=False):
        if 1 <= count <= limits.MAX_CELLS and length > 0 and length / count < 1e-9 * abs(position):
            yield FieldError("domain.origin", "at most 1e9 cell sizes away from zero")


def _errors(problem: ProblemFields) -> Iterator[FieldError]:
    temperature = limits.temperature_limit(problem.temperature_unit)
    place = frozenset(AXES[: problem.dimension])
    time = _time(problem)
    if not problem.materials:
        yield FieldError("material", "at least one material")
    many = len(problem.materials) > 1
    for index, material in enumerate(problem.materials):
        path = f"material[{index}]" if many else "material"
        yield from _material(path, material, problem, needs_where=many)
    if problem.initial is not None:
        yield from _value("initial", problem.initial, temperature, place)
    elif not problem.steady:
        yield FieldError("initial", "required unless the case is steady")
    yield from _value("source_term", problem.source_term, limits.HEAT_SOURCE, place | time | {"T"})
    yield from _value("guess", problem.guess, temperature, place)
    if problem.exact is not None:
        yield from _value("exact", problem.exact, temperature, place | time)
    yield from _boundaries(problem, place, temperature)
    yield from _gridded(problem)
    if problem.velocity and len(problem.velocity) != problem.dimension:
        yield FieldError("velocity", f"{problem.dimension} numbers, one for each axis")
    for index, speed in enumerate(problem.velocity):
        yield from _number(f"velocity[{index}]", speed, limits.SPEED)
    if problem.domain.active is not None:
        yield from _truth("domain.active", problem.domain.active, place)
    yield from _contacts(problem)
    yield from _pins(problem)
    yield from _adaptive(problem)
    yield from _times(problem)


def _material(path: str, material: Material, problem: ProblemFields, *, needs_where: bool) -> Iterator[FieldError]:
    place = frozenset(AXES[: problem.dimension])
    anywhere = place | _time(problem) | {"T"}
    if needs_where and material.where is None:
        yield FieldError(f"{path}.where", "required where there are several materials")
    if material.where is not None:
        yield from _truth(f"{path}.where", material.where, place)
    if len(material.conductivity) not in (1, problem.dimension, problem.dimension**2):
        yield FieldError(f"{path}.conductivity", f"one value, {problem.dimension}, one for each axis, or a full tensor")
    for index, value in enumerate(material.conductivity):
        suffix = f"[{index}]" if len(material.conductivity) > 1 else ""
        is_off = len(material.conductivity) > problem.dimension and index % (problem.dimension + 1) != 0
        limit = limits.OFF_DIAGONAL if is_off else limits.CONDUCTIVITY
        yield from _value(f"{path}.conductivity{suffix}", value, limit, anywhere)
    for name, limit in CAPACITY_LIMITS.items():
        if (value := getattr(material, name)) is not None:
            yield from _value(f"{path}.{name}", value, limit, place | {"T"})
    for name, limit in ELASTIC_LIMITS.items():
        if (number := getattr(material, name)) is not None:
            yield from _number(f"{path}.{name}", number, limit)
    if (problem.has_flow or not problem.steady) and not material.has_capacity:
        yield FieldError(
            f"{path}.volumetric_heat_capacity", "required (or density and specific_heat) unless steady and without flow"
        )
    melting = material.enthalpy.melting_temperature if material.enthalpy is not None else None
    if melting is not None:
        limit = limits.temperature_limit(problem.temperature_unit)
        yield from _number(f"{path}.melting_temperature", melting, limit)
    if material.volumetric_heat_capacity is not None and material.specific_heat is not None:
        yield FieldError(f"{path}.specific_heat", "not together with volumetric_heat_capacity")


def _boundaries(problem: ProblemFields, place: frozenset[str], temperature: Limit) -> Iterator[FieldError]:
    faces = FACES[: 2 * problem.dimension]
    for face, boundary in problem.boundaries.items():
        if face == INTERNAL and (problem.domain.active is None or boundary.type == "periodic"):
            yield FieldError("boundaries.internal", "only where domain.active masks the body, and not periodic")
        if face not in (*faces, INTERNAL):
            yield FieldError("boundaries", f"only the faces {', '.join(faces)}")
            continue
        for name, value in boundary.values.items():
            limit = boundary.limits[name]
            limit = temperature if limit == limits.TEMPERATURE else limit
            depends = place | _time(problem) | ({"T"} if name in boundary.of_surface else frozenset())
            yield from _value(f"boundaries.{face}.{name}", value, limit, depends)
    if problem.temperature_unit == "relative" and any(law.radiation for law in problem.boundaries.values()):
        yield FieldError("temperature_unit", "K or degC where there is radiation")
    for axis in AXES[: problem.dimension]:
        if _is_periodic(problem.boundary(f"{axis}_min")) != _is_periodic(problem.boundary(f"{axis}_max")):
            yield FieldError(f"boundaries.{axis}_min", "periodic on both faces of an axis, or on neither")


def _gridded(problem: ProblemFields) -> Iterator[FieldError]:
    """Errors of values known on the grid alone: they need a number for every cell, and do not belong on faces."""
    values: list[tuple[str, object]] = [
        (f"material[{n}]", value) for n, material in enumerate(problem.materials) for value in material.values
    ]
    values += [("initial", problem.initial), ("guess", problem.guess), ("source_term", problem.source_term)]
    for path, value in values:
        if isinstance(value, Gridded) and value.cells.shape != tuple(problem.domain.cells):
            yield FieldError(path, f"an array of the shape of the grid, {tuple(problem.domain.cells)}")
    for face, law in problem.boundaries.items():
        if any(isinstance(value, Gridded) for value in law.values.values()):
            yield FieldError(f"boundaries.{face}", "numbers, expressions or tables, not a value for each cell")


def _contacts(problem: ProblemFields) -> Iterator[FieldError]:
    domain = problem.domain
    for index, contact in enumerate(problem.contacts):
        path = f"contacts[{index}]"
        yield from _number(f"{path}.conductance", contact.conductance, limits.CONDUCTANCE)
        if contact.axis not in AXES[: domain.dimension]:
            yield FieldError(f"{path}.axis", f"one of {', '.join(AXES[: domain.dimension])}")
        elif domain.face_index(contact.axis, contact.position) is None:
            yield FieldError(f"{path}.position", "on a face between two cells of the grid [m]")


def _pins(problem: ProblemFields) -> Iterator[FieldError]:
    domain, temperature = problem.domain, limits.temperature_limit(problem.temperature_unit)
    if problem.pins and not problem.steady:
        yield FieldError("pin", "only where the case is steady; the level of a transient is that of its start")
    for index, pin in enumerate(problem.pins):
        path = f"pin[{index}]" if len(problem.pins) > 1 else "pin"
        given = [name for name in ("temperature", "mean_temperature") if getattr(pin, name) is not None]
        if len(given) != 1:
            yield FieldError(path, "either temperature or mean_temperature")
            continue
        yield from _number(f"{path}.{given[0]}", getattr(pin, given[0]), temperature)
        if given == ["temperature"] and not pin.at:
            yield FieldError(f"{path}.at", "required with temperature: the point that has it [m]")
        if pin.at and (len(pin.at) != domain.dimension or not _is_inside(problem, pin.at)):
            yield FieldError(f"{path}.at", "a point of the body [m]")


def _is_inside(problem: ProblemFields, point: tuple[float, ...]) -> bool:
    domain = problem.domain
    bounds = zip(point, domain.origin, domain.size, strict=True)
    return all(low - 1e-9 * length <= at <= low + length * (1 + 1e-9) for at, low, length in bounds)


def _adaptive(problem: ProblemFields) -> Iterator[FieldError]:
    rule = problem.adaptive
    if rule is None:
        return
    if problem.steady:
        yield FieldError("adaptive", "only where the case is not steady")
    yield from _number("adaptive.threshold", rule.threshold, limits.THRESHOLD)
    yield from _number("adaptive.return_fraction", rule.return_fraction, limits.FRACTION)
    yield from _number("adaptive.dwell", rule.dwell, limits.TIME)
    if rule.measure == "surface_stress":
        if rule.face not in FACES[: 2 * problem.dimension] or _is_periodic(problem.boundary(rule.face)):
            yield FieldError("adaptive.face", "a face of the body that is not periodic, for surface_stress")
        if not any(material.is_elastic for material in problem.materials):
            yield FieldError("material.young_modulus", "required with thermal_expansion for surface_stress")


def _is_periodic(boundary: Boundary) -> bool:
    return boundary.type == "periodic"


def _times(problem: ProblemFields) -> Iterator[FieldError]:
    for index, time in enumerate(problem.breakpoints):
        yield from _number(f"breakpoints[{index}]", time, limits.TIME)
    if len(problem.breakpoints) > 10_000:
        yield FieldError("breakpoints", "at most 10000 times")
    if problem.end_time is not None:
        yield from _number("resolution.end_time", problem.end_time, limits.DURATION)
    elif not problem.steady:
        yield FieldError("resolution.end_time", "required unless the case is steady")
    if problem.steps is not None and not (is_count(problem.steps) and 1 <= problem.steps <= limits.MAX_STEPS):
        yield FieldError("resolution.steps", f"an integer from 1 to {limits.MAX_STEPS}")


def _number(path: str, value: float, limit: Limit) -> Iterator[FieldError]:
    if not limit.allows(value):
        yield FieldError(path, str(limit))


def _truth(path: str, value: Expression, allowed: frozenset[str]) -> Iterator[FieldError]:
    if value.kind != "truth":
        yield FieldError(path, "an expression that is true or false")
    elif value.variables - allowed:
        yield FieldError(path, _no_meaning(value, allowed))


def value_errors(path: str, value: Value, limit: Limit, allowed: frozenset[str]) -> Iterator[FieldError]:
    """Find the errors of a value: numbers outside the limit, or variables that have no meaning there."""
    yield from _value(path, value, limit, allowed)


def _value(path: str, value: Value, limit: Limit, allowed: frozenset[str]) -> Iterator[FieldError]:
    if isinstance(value, Constant):
        yield from _number(path, value.value, limit)
    elif value.variables - allowed:
        yield FieldError(path, _no_meaning(value, allowed))
    elif isinstance(value, Expression):
        if value.kind != "number":
            yield FieldError(path, "an expression that is a number")
    elif isinstance(value, Gridded):
        if value.cells.size and not (limit.allows(float(value.cells.min())) and limit.allows(float(value.cells.max()))):
            yield FieldError(path, f"everywhere {limit}")
    elif isinstance(value, ByPhase):
        for part in (value.solid, value.liquid):
            yield from _value(path, part, limit, allowed)
    elif isinstance(value, Table):
        yield from _table(path, value, limit)


def _table(path: str, table: Table, limit: Limit) -> Iterator[FieldError]:
    points, values = table.arrays
    if not 1 <= points.size <= MAX_POINTS or points.size != values.size:
        yield FieldError(f"{path}.table", f"1 to {MAX_POINTS} pairs of {table.of} and value")
    elif not np.all(np.isfinite(points)) or not np.all(np.diff(points) > 0.0):
        yield FieldError(f"{path}.table", f"finite {'times' if table.of == 't' else table.of} that increase, each once")
    elif not (limit.allows(float(values.min())) and limit.allows(float(values.max()))):  # NaN spreads to both
        yield FieldError(f"{path}.table", f"every value {limit}")


def _time(problem: ProblemFields) -> frozenset[str]:
    """The variable of time, empty for a steady problem."""
    return frozenset() if problem.steady else frozenset("t")


def _no_meaning(value: Value, allowed: frozenset[str]) -> str:
    if not allowed:
        return "a number; a steady case has no time, and nothing else may vary here"
    message = f"only the variables {', '.join(sorted(allowed, key='xyztT'.index))} have a meaning here"
    if not isinstance(value, Table):
        return message
    instead = " or ".join(f'"of": "{name}"' for name in sorted(allowed, key="Txyzt".index))
    return f"{message}, and the table is one of {value.of}; say of what it is, {instead}"
