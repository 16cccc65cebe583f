"""Reading the parts that cases of structures share; everything wrong is collected with path and limit."""

from collections.abc import Iterable, Mapping
from typing import Any

from grid.core.errors import FieldError
from grid.engine.limits import Limit
from grid.engine.problem.case import PROSE
from grid.engine.problem.reader import CaseReader
from grid.engine.structural.limits import MATERIAL_LIMITS
from grid.engine.values.expression import Expression
from grid.engine.values.value import Constant

Entry = Mapping[str, Any]
SMALLEST_SHARE = 1e-15  # [-] stress over the yield stress, below which it is rounding of none
COMMON = (*PROSE, "kind", "model", "schema_version", "temperature_unit")


def read_case(reader: CaseReader, case: object, *, allowed: Iterable[str] = (), required: Iterable[str] = ()) -> Entry:
    """The fields of a case; prose and those of every case are allowed."""
    required = tuple(required)
    return reader.read_mapping("", case, allowed=(*COMMON, *allowed, *required), required=required)


def read_limited(reader: CaseReader, path: str, raw: object, limit: Limit) -> float:
    """A number within its limit; a stand-in within it where it is refused."""
    number = reader.read_number(path, raw)
    if number is not None and not limit.allows(number):
        reader.refuse(path, str(limit))
        number = None
    return limit.maximum if number is None else number


def read_material(
    reader: CaseReader, raw: object, *, required: Iterable[str], optional: Iterable[str] = (), path: str = "material"
) -> dict[str, float]:
    """Properties by name; those of a heat case beside them are let through, checked and not used."""
    required = tuple(required)
    fields = reader.read_mapping(path, raw, allowed=(*required, *optional), required=required)
    return {
        name: read_limited(reader, f"{path}.{name}", value, MATERIAL_LIMITS[name]) for name, value in fields.items()
    }


def read_choices(reader: CaseReader, path: str, raw: object, choices: Mapping[str, tuple[str, ...]]) -> dict[str, str]:
    """An object in which every field of `choices` is one of its words."""
    fields = reader.read_mapping(path, raw, allowed=choices, required=choices)
    found = {name: reader.read_choice(f"{path}.{name}", fields.get(name), words) for name, words in choices.items()}
    return {name: word if word is not None else choices[name][0] for name, word in found.items()}


def read_profile(reader: CaseReader, path: str, raw: object, coordinate: str) -> Constant | Expression:
    """A value that may use one coordinate and nothing else."""
    value = reader.read_value(path, raw)
    if isinstance(value, Expression):
        if value.kind != "number" or not value.variables <= {coordinate}:
            reader.refuse(path, f"a number, or an expression with a number as its value that uses {coordinate} alone")
    elif value is not None and not isinstance(value, Constant):
        reader.refuse(path, f"a number or an expression in {coordinate}, not a table")
    return value if isinstance(value, (Constant, Expression)) else Constant(0.0)


def ask_number(entry: Entry, name: str, limit: Limit) -> float:
    """A qualifier of an expected value.

    Raises:
        FieldError: It is missing or outside its limit.
    """
    raw = entry.get(name)
    reader = CaseReader()
    number = reader.read_number(name, raw)
    reader.finish()
    if number is None or not limit.allows(number):
        raise FieldError(name, str(limit))
    return number


def ask_place(entry: Entry, coordinate: str, low: float, high: float) -> float:
    """The one coordinate of `at`, within a body that goes from `low` to `high` [m].

    Raises:
        FieldError: `at` is missing, names something else, or is outside the body.
    """
    reader = CaseReader()
    at = reader.read_mapping("at", entry.get("at"), allowed=(coordinate,), required=(coordinate,))
    place = reader.read_number(f"at.{coordinate}", at.get(coordinate)) if at else None
    reader.finish()
    slack = 1e-9 * (high - low)
    if place is None or not low - slack <= place <= high + slack:
        raise FieldError(f"at.{coordinate}", "a place in the body [m]")
    return min(max(place, low), high)


def ask_component(entry: Entry, components: tuple[str, ...]) -> str:
    """The stress component of an expected value.

    Raises:
        FieldError: It is not one of `components`.
    """
    component = entry.get("component")
    if component not in components:
        raise FieldError("component", f"one of {', '.join(components)}")
    return str(component)


def choose_quantity(entry: Entry, known: Iterable[str]) -> str:
    """The requested quantity.

    Raises:
        FieldError: The model has no such quantity.
    """
    known = tuple(known)
    if entry.get("quantity") not in known:
        raise FieldError("quantity", f"one of {', '.join(known)}")
    return str(entry["quantity"])


def require_property(material: Mapping[str, float], name: str) -> float:
    """A property that a quantity needs.

    Raises:
        FieldError: It is not given.
    """
    if name not in material:
        raise FieldError(f"material.{name}", "required by this quantity")
    return material[name]


def ask_safety_factor(von_mises: float, material: Mapping[str, float]) -> float:
    """Yield stress over the largest von Mises stress.

    Raises:
        FieldError: There is no yield stress, or no stress and so no number.
    """
    limit = require_property(material, "yield_stress")
    if not von_mises > limit * SMALLEST_SHARE:
        raise FieldError("quantity", "a load that stresses the body; the safety factor of this one is endless")
    return limit / von_mises


def require_expansion(material: Mapping[str, float]) -> float:
    """The size of a thermal expansion that must not be 0.

    Raises:
        FieldError: It is 0, so that no temperature has this effect.
    """
    if material["thermal_expansion"] == 0.0:
        raise FieldError("material.thermal_expansion", "a number other than 0 [1/K] for this quantity")
    return abs(material["thermal_expansion"])
