"""The first check of a problem: every part is of the Python type that it is declared to be.

Python checks no annotation. The later checks (`grid.engine.problem.limit_checks`) may then compare, count and evaluate
without meeting a text where a number belongs.
"""

from collections.abc import Iterator, Mapping
from numbers import Integral
from typing import Any

import numpy as np

from grid.core.errors import FieldError
from grid.engine.limits import is_number
from grid.engine.problem.boundaries import Boundary
from grid.engine.values.expression import Expression
from grid.engine.values.phase_change import Enthalpy
from grid.engine.values.read import NO_VALUE, is_value
from grid.engine.values.value import ARGUMENTS, Constant, Table

UNITS = ("K", "degC", "relative")
ELASTIC = ("young_modulus", "poisson_ratio", "thermal_expansion", "yield_stress")


def is_count(value: object) -> bool:
    """Tell whether an object is an integer, of Python or NumPy."""
    return isinstance(value, Integral) and not isinstance(value, bool)


def find_wrong_kinds(problem: Any) -> Iterator[FieldError]:
    """Find parts of the wrong type, by the path in the case format; the inside of such a part is not examined."""
    from grid.engine.problem.domain import Domain
    from grid.engine.problem.material import Adaptive, Contact, Material, Pin

    if not isinstance(problem.domain, Domain):
        yield FieldError("domain", "a Domain")
    else:
        yield from _domain(problem.domain)
    if not isinstance(problem.materials, tuple) or not all(isinstance(part, Material) for part in problem.materials):
        yield FieldError("material", "a tuple of Material")
    else:
        for index, material in enumerate(problem.materials):
            yield from _material(f"material[{index}]" if len(problem.materials) > 1 else "material", material)
    yield from _boundaries(problem.boundaries)
    yield from _loads(problem)
    if not isinstance(problem.contacts, tuple) or not all(isinstance(part, Contact) for part in problem.contacts):
        yield FieldError("contacts", "a tuple of Contact")
    else:
        for index, contact in enumerate(problem.contacts):
            path = f"contacts[{index}]"
            yield from _word(f"{path}.axis", contact.axis, tuple("xyz"))
            yield from _numbers({f"{path}.position": contact.position, f"{path}.conductance": contact.conductance})
    if not isinstance(problem.pins, tuple) or not all(isinstance(part, Pin) for part in problem.pins):
        yield FieldError("pin", "a tuple of Pin")
    else:
        for index, pin in enumerate(problem.pins):
            yield from _pin(f"pin[{index}]" if len(problem.pins) > 1 else "pin", pin)
    rule = problem.adaptive
    if isinstance(rule, Adaptive):
        yield from _word("adaptive.measure", rule.measure, ("surface_stress", "hottest_above_mean"))
        numbers = {name: getattr(rule, name) for name in ("threshold", "return_fraction", "dwell")}
        yield from _numbers({f"adaptive.{name}": number for name, number in numbers.items()})
        face: Any = rule.face
        if not isinstance(face, str):
            yield FieldError("adaptive.face", "a text")
    elif rule is not None:
        yield FieldError("adaptive", "an Adaptive")


def _pin(path: str, pin: Any) -> Iterator[FieldError]:
    for name in ("temperature", "mean_temperature"):
        if (number := getattr(pin, name)) is not None:
            yield from _numbers({f"{path}.{name}": number})
    if not isinstance(pin.at, tuple) or not all(map(is_number, pin.at)):
        yield FieldError(f"{path}.at", "a tuple of numbers [m]")


def _domain(domain: Any) -> Iterator[FieldError]:
    for name, path in (("size", "domain.size"), ("origin", "domain.origin")):
        numbers = getattr(domain, name)
        if not isinstance(numbers, tuple) or not all(map(is_number, numbers)):
            yield FieldError(path, "a tuple of numbers [m]")
    if not isinstance(domain.cells, tuple) or not all(is_count(count) for count in domain.cells):
        yield FieldError("resolution.cells", "a tuple of integers")
    yield from _numbers({"domain.section": domain.section})
    if domain.active is not None and not isinstance(domain.active, Expression):
        yield FieldError("domain.active", "an expression that is true or false")


def _material(path: str, material: Any) -> Iterator[FieldError]:
    for index, value in enumerate(material.conductivity):
        suffix = f"[{index}]" if len(material.conductivity) > 1 else ""
        yield from _value(f"{path}.conductivity{suffix}", value)
    for name in ("volumetric_heat_capacity", "density", "specific_heat"):
        if (value := getattr(material, name)) is not None:
            yield from _value(f"{path}.{name}", value)
    yield from _numbers(
        {f"{path}.{name}": number for name in ELASTIC if (number := getattr(material, name)) is not None}
    )
    if material.where is not None and not isinstance(material.where, Expression):
        yield FieldError(f"{path}.where", "an expression that is true or false")
    if material.enthalpy is not None and not isinstance(material.enthalpy, Enthalpy):
        yield FieldError(f"{path}.enthalpy", "an Enthalpy")


def _boundaries(boundaries: object) -> Iterator[FieldError]:
    if not isinstance(boundaries, Mapping) or not all(isinstance(face, str) for face in boundaries):
        yield FieldError("boundaries", "conditions by the name of a face")
        return
    for face, law in boundaries.items():
        if not isinstance(law, Boundary):
            yield FieldError(f"boundaries.{face}", "a boundary condition, such as Temperature or Convection")
            continue
        for name, value in law.values.items():
            yield from _value(f"boundaries.{face}.{name}", value)


def _loads(problem: Any) -> Iterator[FieldError]:
    for name in ("source_term", "guess", *(() if problem.initial is None else ("initial",))):
        yield from _value(name, getattr(problem, name))
    if problem.exact is not None and not isinstance(problem.exact, Expression):
        yield FieldError("exact", "an expression")
    for name in ("velocity", "breakpoints"):
        numbers = getattr(problem, name)
        if not isinstance(numbers, tuple) or not all(map(is_number, numbers)):
            yield FieldError(name, "a tuple of numbers")
    if not isinstance(problem.steady, (bool, np.bool_)):
        yield FieldError("steady", "true or false")
    if problem.end_time is not None:
        yield from _numbers({"resolution.end_time": problem.end_time})
    if problem.steps is not None and not is_count(problem.steps):
        yield FieldError("resolution.steps", "an integer")
    yield from _word("temperature_unit", problem.temperature_unit, UNITS)
    yield from _word("initial_phase", problem.initial_phase, ("liquid", "solid"))


def _numbers(numbers: Mapping[str, object]) -> Iterator[FieldError]:
    for path, number in numbers.items():
        if not is_number(number):
            yield FieldError(path, "a number")


def _word(path: str, word: object, known: tuple[str, ...]) -> Iterator[FieldError]:
    if not isinstance(word, str) or word not in known:
        yield FieldError(path, f"one of {', '.join(known)}")


def _value(path: str, value: Any) -> Iterator[FieldError]:
    if not is_value(value):
        yield FieldError(path, NO_VALUE)
    elif isinstance(value, Constant):
        yield from _numbers({path: value.value})
    elif isinstance(value, Table):
        numbers = (value.times, value.values)
        if not all(isinstance(part, tuple) and _are_numbers(part) for part in numbers):
            yield FieldError(f"{path}.table", "pairs of numbers, argument and value")
        yield from _word(f"{path}.interpolation", value.interpolation, ("linear", "previous"))
        yield from _word(f"{path}.of", value.of, ARGUMENTS)


def _are_numbers(parts: tuple[Any, ...]) -> bool:
    """Tell whether all are numbers; a shortcut serves floats alone, the usual case."""
    return set(map(type, parts)) == {float} or all(map(is_number, parts))
