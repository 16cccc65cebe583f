"""Read a case of the format (docs/case-format.md) as the arguments of `HeatProblem`.

Only JSON types are checked here; `grid.engine.problem.limit_checks` has the allowed values, so that problems made in
Python pass the same checks.
"""

from collections.abc import Mapping
from typing import Any

from grid.core.errors import UnsupportedError
from grid.engine.problem.boundaries import BOUNDARY_TYPES, Boundary, make_boundary
from grid.engine.problem.case_phase_change import PHASE_FIELDS, phase_fields, read_enthalpy, read_melting
from grid.engine.problem.domain import AXES, FACES, Domain
from grid.engine.problem.limit_checks import CAPACITY_LIMITS, ELASTIC_LIMITS
from grid.engine.problem.material import Adaptive, Contact, Material, Pin
from grid.engine.problem.reader import CaseReader
from grid.engine.values.value import Value

PROSE = frozenset(("id", "title", "source", "checked", "note", "other_codes", "expected", "level", "features"))
KINDS = ("diffusion", "extension")
OTHER_KINDS = {
    "lumped": "a lumped model",
    "certificate": "an error certificate",
    "stress": "thermal stress",
    "integrity": "structural integrity",
    "fatigue": "fatigue",
}
# Fields of the format that this version knows and does not support, with the name of the feature.
UNSUPPORTED_FIELDS = {
    "lumped": "a lumped model",
    "supports": "thermal stress",
    "load": "thermal stress",
    "model": "a model other than heat on a grid",
}
FIELDS = (
    "kind",
    "dimension",
    "steady",
    "domain",
    "material",
    "initial",
    "boundaries",
    "source_term",
    "breakpoints",
    "guess",
    "contacts",
    "velocity",
    "initial_phase",
    "adaptive",
    "pin",
)
OTHER_FIELDS = ("exact", "resolution", "temperature_unit", "schema_version")
MAX_MATERIALS = 256  # [-] materials of a case
MAX_CONTACTS = 256  # [-] contacts of a case
MAX_PINS = 256  # [-] pins of a case
MAX_BREAKPOINTS = 10_000  # [-] breakpoints of a case


def read_problem(case: Mapping[str, Any]) -> dict[str, Any]:
    """Return the keyword arguments of `HeatProblem` for a case.

    Raises:
        FieldError, InvalidFieldsError: Missing, unknown or badly typed fields.
        UnsupportedError: A kind or a field that this version does not support.
    """
    reader = CaseReader()
    _require_known_kind(reader, case)
    raw = reader.read_mapping(
        "",
        case,
        allowed=(*PROSE, *FIELDS, *OTHER_FIELDS, *UNSUPPORTED_FIELDS),
        required=("domain", "material", "resolution"),
    )
    features = [feature for name, feature in UNSUPPORTED_FIELDS.items() if name in raw]
    arguments: dict[str, Any] = {"domain": _domain(reader, raw), "steady": False}
    arguments |= _resolution(reader, raw)
    arguments["materials"] = _materials(reader, raw.get("material"))
    arguments["boundaries"] = _boundaries(reader, raw.get("boundaries", {}))
    for name in ("initial", "source_term", "guess"):
        if name in raw:
            arguments[name] = reader.read_value(name, raw[name])
    if "exact" in raw:
        arguments["exact"] = reader.read_expression("exact", raw["exact"])
    if "steady" in raw:
        arguments["steady"] = reader.read_bool("steady", raw["steady"])
    if "breakpoints" in raw:
        arguments["breakpoints"] = reader.read_numbers("breakpoints", raw["breakpoints"], longest=MAX_BREAKPOINTS)
    if "velocity" in raw:
        arguments["velocity"] = reader.read_numbers("velocity", raw["velocity"])
    if "initial_phase" in raw:
        arguments["initial_phase"] = reader.read_choice("initial_phase", raw["initial_phase"], ("liquid", "solid"))
    if "adaptive" in raw:
        arguments["adaptive"] = _adaptive(reader, raw["adaptive"])
    if "pin" in raw:
        arguments["pins"] = _pins(reader, raw["pin"])
    if "contacts" in raw:
        arguments["contacts"] = _contacts(reader, raw["contacts"])
    unit = raw.get("temperature_unit", "relative")
    arguments["temperature_unit"] = reader.read_choice("temperature_unit", unit, ("K", "degC", "relative"))
    _require_dimension(reader, raw)
    reader.finish()
    if features:
        raise UnsupportedError(features[0])
    return arguments


def _require_known_kind(reader: CaseReader, case: object) -> None:
    kind = case.get("kind", "diffusion") if isinstance(case, Mapping) else "diffusion"
    if isinstance(kind, str) and kind in OTHER_KINDS:
        raise UnsupportedError(OTHER_KINDS[kind])
    reader.read_choice("kind", kind, (*KINDS, *OTHER_KINDS))


def _require_dimension(reader: CaseReader, raw: Mapping[str, Any]) -> None:
    if "dimension" not in raw:
        return
    dimension = reader.read_integer("dimension", raw["dimension"])
    size = raw.get("domain", {}).get("size") if isinstance(raw.get("domain"), Mapping) else None
    if dimension is not None and isinstance(size, (list, tuple)) and dimension != len(size):
        reader.refuse("dimension", "the number of lengths in domain.size")


def _domain(reader: CaseReader, raw: Mapping[str, Any]) -> Domain:
    fields = reader.read_mapping(
        "domain",
        raw.get("domain"),
        allowed=("coordinates", "size", "origin", "section", "active"),
        required=("size",),
    )
    active = reader.read_expression("domain.active", fields["active"]) if "active" in fields else None
    reader.read_choice("domain.coordinates", fields.get("coordinates", "cartesian"), ("cartesian",))
    size = reader.read_numbers("domain.size", fields["size"]) if "size" in fields else None
    origin = reader.read_numbers("domain.origin", fields["origin"]) if "origin" in fields else ()
    section = reader.read_number("domain.section", fields.get("section", 1.0))
    return Domain(size or (1.0,), _cells(reader, raw.get("resolution")), origin or (), section or 0.0, active)


def _cells(reader: CaseReader, resolution: object) -> tuple[int, ...]:
    raw = resolution.get("cells") if isinstance(resolution, Mapping) else None
    entries = reader.read_list("resolution.cells", raw)
    counts = [reader.read_integer("resolution.cells", entry) for entry in entries or ()]
    return tuple(count for count in counts if count is not None)


def _resolution(reader: CaseReader, raw: Mapping[str, Any]) -> dict[str, Any]:
    """Read `steps` and `end_time`; the other fields describe errors of the plain scheme and are ignored."""
    fields = reader.read_mapping(
        "resolution",
        raw.get("resolution"),
        allowed=("cells", "steps", "end_time", "plain_second_order_error", "plain_second_order_error_half_grid"),
        required=("cells",),
    )
    found: dict[str, Any] = {}
    if "steps" in fields:
        found["steps"] = reader.read_integer("resolution.steps", fields["steps"])
    if "end_time" in fields:
        found["end_time"] = reader.read_number("resolution.end_time", fields["end_time"])
    return found


def _materials(reader: CaseReader, raw: object) -> tuple[Material, ...]:
    if isinstance(raw, Mapping):
        return (_material(reader, "material", raw),)
    entries = reader.read_list("material", raw, longest=MAX_MATERIALS)
    single = len(entries or ()) == 1
    return tuple(
        _material(reader, "material" if single else f"material[{index}]", entry)
        for index, entry in enumerate(entries or ())
    )


def _material(reader: CaseReader, path: str, raw: object) -> Material:
    fields = reader.read_mapping(
        path, raw, allowed=("where", "conductivity", *CAPACITY_LIMITS, *ELASTIC_LIMITS, *PHASE_FIELDS)
    )
    values: dict[str, Any] = {
        name: reader.read_value(f"{path}.{name}", fields[name]) for name in CAPACITY_LIMITS if name in fields
    }
    numbers: dict[str, Any] = {
        name: reader.read_number(f"{path}.{name}", fields[name]) for name in ELASTIC_LIMITS if name in fields
    }
    where = reader.read_expression(f"{path}.where", fields["where"]) if "where" in fields else None
    if "volumetric_enthalpy" in fields:
        values = read_enthalpy(reader, path, fields)
    elif any(name in fields for name in PHASE_FIELDS):
        solid, liquid = (
            _conductivity(reader, f"{path}.{phase}", phase_fields(reader, path, fields, phase))
            for phase in ("solid", "liquid")
        )
        values = read_melting(reader, path, fields, (solid, liquid))
        if "conductivity" in fields:
            _conductivity(reader, path, fields)  # refused where it is wrong, even if both phases have their own
    if "conductivity" not in values:
        values["conductivity"] = _conductivity(reader, path, fields)
    return Material(where=where, **values, **numbers)


def _conductivity(reader: CaseReader, path: str, fields: Mapping[str, Any]) -> tuple[Value, ...]:
    """Read the conductivity of a material or a phase: a value, one for each axis, or a tensor."""
    path = f"{path}.conductivity"
    if "conductivity" not in fields:
        reader.refuse(path, "required")
        return ()
    raw = fields["conductivity"]
    if not isinstance(raw, (list, tuple)):
        value = reader.read_value(path, raw)
        return (value,) if value is not None else ()
    entries = reader.read_list(path, raw) or []
    if any(isinstance(entry, (list, tuple)) for entry in entries):
        return _tensor(reader, path, entries)
    values = [reader.read_value(f"{path}[{index}]", entry) for index, entry in enumerate(entries)]
    return tuple(value for value in values if value is not None)


def _tensor(reader: CaseReader, path: str, rows: list[Any]) -> tuple[Value, ...]:
    """Read a full tensor, row by row."""
    found: list[Value | None] = []
    for i, row in enumerate(rows):
        entries = reader.read_list(f"{path}[{i}]", row) or []
        if len(entries) != len(rows):
            reader.refuse(f"{path}[{i}]", "as many entries as the tensor has rows")
            return ()
        found += [reader.read_value(f"{path}[{i}][{j}]", entry) for j, entry in enumerate(entries)]
    return tuple(value for value in found if value is not None)


def _adaptive(reader: CaseReader, raw: object) -> Adaptive | None:
    path, measures = "adaptive", ("surface_stress", "hottest_above_mean")
    names = ("measure", "face", "threshold", "return_fraction", "dwell")
    fields = reader.read_mapping(path, raw, allowed=names, required=("measure", "threshold"))
    measure = reader.read_choice(f"{path}.measure", fields.get("measure"), measures)
    numbers = {
        name: reader.read_number(f"{path}.{name}", fields[name])
        for name in ("threshold", "return_fraction", "dwell")
        if name in fields
    }
    face = reader.read_choice(f"{path}.face", fields["face"], FACES) if "face" in fields else ""
    if measure is None or None in numbers.values() or "threshold" not in numbers:
        return None
    known = {name: number for name, number in numbers.items() if number is not None}
    return Adaptive(
        measure="surface_stress" if measure == measures[0] else "hottest_above_mean", face=face or "", **known
    )


def _contacts(reader: CaseReader, raw: object) -> tuple[Contact, ...]:
    found = []
    for index, entry in enumerate(reader.read_list("contacts", raw, longest=MAX_CONTACTS) or ()):
        path, names = f"contacts[{index}]", ("axis", "position", "conductance")
        fields = reader.read_mapping(path, entry, allowed=names, required=names)
        axis = reader.read_choice(f"{path}.axis", fields.get("axis", "x"), AXES)
        position = reader.read_number(f"{path}.position", fields.get("position", 0.0))
        conductance = reader.read_number(f"{path}.conductance", fields.get("conductance", 1.0))
        if axis is not None and position is not None and conductance is not None:
            found.append(Contact(axis, position, conductance))
    return tuple(found)


def _pins(reader: CaseReader, raw: object) -> tuple[Pin, ...]:
    """Read one pin, or a list of them."""
    if isinstance(raw, Mapping):
        return (_pin(reader, "pin", raw),)
    entries = reader.read_list("pin", raw, longest=MAX_PINS) or []
    return tuple(_pin(reader, f"pin[{n}]" if len(entries) > 1 else "pin", entry) for n, entry in enumerate(entries))


def _pin(reader: CaseReader, path: str, raw: object) -> Pin:
    names = ("temperature", "mean_temperature")
    fields = reader.read_mapping(path, raw, allowed=("at", *names))
    numbers = {name: reader.read_number(f"{path}.{name}", fields[name]) for name in names if name in fields}
    place: dict[str, Any] = {}
    if "at" in fields:
        place = reader.read_mapping(f"{path}.at", fields["at"], allowed=AXES)
        place = {axis: reader.read_number(f"{path}.at.{axis}", place[axis]) for axis in AXES if axis in place}
    if list(place) != list(AXES[: len(place)]):
        reader.refuse(f"{path}.at", "a coordinate for each axis of the problem")
    return Pin(**numbers, at=tuple(place.values()))


def _boundaries(reader: CaseReader, raw: object) -> dict[str, Boundary]:
    fields = reader.read_mapping("boundaries", raw, allowed=(*FACES, "internal"))
    found: dict[str, Boundary] = {}
    for face, entry in fields.items():
        boundary = read_boundary(reader, f"boundaries.{face}", entry)
        if boundary is not None:
            found[face] = boundary
    return found


def read_boundary(reader: CaseReader, path: str, raw: object) -> Boundary | None:
    """Read the condition of a face, an object with its type; errors are noted with the reader."""
    if not isinstance(raw, Mapping):
        reader.refuse(path, "an object with a type")
        return None
    kind = reader.read_choice(f"{path}.type", raw.get("type"), BOUNDARY_TYPES)
    if kind is None:
        return None
    names = tuple(BOUNDARY_TYPES[kind].limits)
    required = tuple(name for name in names if name not in BOUNDARY_TYPES[kind].optional)
    fields = reader.read_mapping(path, raw, allowed=("type", *names), required=required)
    values = {name: reader.read_value(f"{path}.{name}", fields[name]) for name in names if name in fields}
    if any(name not in values for name in required) or None in values.values():
        return None
    return make_boundary(kind, values)
