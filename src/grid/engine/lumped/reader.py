"""Reader of bodies and networks in cases of kind `lumped` (docs/case-format.md, section 4); it names all errors."""

import math
from collections.abc import Mapping
from typing import Any

from grid.engine import limits
from grid.engine.limits import Limit
from grid.engine.lumped.body import LOAD_NAMES, Geometry, Loads, LumpedBody, Phase, Until, with_loads
from grid.engine.lumped.network import Control, Link, LumpedNetwork, Node, Source
from grid.engine.problem.limit_checks import value_errors
from grid.engine.problem.reader import CaseReader
from grid.engine.space.space import CELSIUS_ZERO
from grid.engine.values.value import Constant, Value

PROSE = ("id", "title", "source", "checked", "note", "other_codes", "expected", "level", "features", "kind", "model")
HEAT_CAPACITY = Limit(1e-24, 1e24, "J/K")
AREA = Limit(1e-24, 1e24, "m2")
POWER = Limit(-1e24, 1e24, "W")
HEAT_CONDUCTANCE = Limit(0.0, 1e24, "W/K", exclusive_minimum=True)
OFFSET = Limit(0.0, 1e6, "K")
LONGEST = 10_000  # [-] entries of a list at most
NUMBERS = {
    "heat_capacity": HEAT_CAPACITY,
    "area": AREA,
    "density": limits.DENSITY,
    "specific_heat": limits.SPECIFIC_HEAT,
    "conductivity": limits.CONDUCTIVITY,
    "stefan_boltzmann": limits.STEFAN_BOLTZMANN,
    "absolute_offset": OFFSET,
}
SHAPES = {
    "sphere": ("diameter",),
    "cylinder": ("diameter", "length"),
    "plate": ("thickness", "exposed_faces"),
    "box": ("size",),
}
SHAPE_NUMBERS = ("diameter", "length", "thickness")


class LumpedReader(CaseReader):
    """Reader with the unit of temperatures, which checks numbers against limits."""

    def __init__(self, unit: str) -> None:
        super().__init__()
        self.unit = unit
        self.is_steady = False  # then nothing may depend on time
        self.temperatures = limits.temperature_limit(unit)

    def read_limited(self, path: str, fields: Mapping[str, Any], name: str, limit: Limit) -> float | None:
        """A number within its limit, None where it is missing or wrong."""
        if name not in fields:
            return None
        path = f"{path}.{name}" if path else name
        number = self.read_number(path, fields[name])
        if number is not None and not limit.allows(number):
            self.refuse(path, str(limit))
            return None
        return number

    def read_limited_value(
        self, path: str, fields: Mapping[str, Any], name: str, limit: Limit, variables: str
    ) -> Value | None:
        """A value within its limit, of some of the variables `t` and `T`; None where it is missing or wrong."""
        if name not in fields:
            return None
        value = self.read_value(f"{path}.{name}", fields[name])
        if value is None:
            return None
        allowed = frozenset(variables) - (frozenset("t") if self.is_steady else frozenset())
        found = list(value_errors(f"{path}.{name}", value, limit, allowed))
        self.errors += found
        return None if found else value

    def read_text(self, path: str, fields: Mapping[str, Any], name: str) -> str:
        """A name, empty where it is missing."""
        raw = fields.get(name, "")
        if name in fields and (not isinstance(raw, str) or not raw):
            self.refuse(f"{path}.{name}", "a text that is not empty")
            return ""
        return str(raw)


def open_case(case: Mapping[str, Any], fields: tuple[str, ...]) -> tuple[LumpedReader, dict[str, Any]]:
    """A reader in the unit of a case, and its fields."""
    unit = case.get("temperature_unit", "relative")
    reader = LumpedReader(unit if unit in ("K", "degC") else "relative")
    reader.read_choice("temperature_unit", unit, ("K", "degC", "relative"))
    raw = reader.read_mapping("", case, allowed=(*PROSE, "temperature_unit", "schema_version", *fields))
    return reader, raw


def read_body(case: Mapping[str, Any]) -> tuple[LumpedBody, bool]:
    """The body of a case, and whether only its steady state is requested.

    Raises:
        FieldError, InvalidFieldsError: A field is missing, unknown, of the wrong type or outside its limit.
    """
    reader, raw = open_case(case, ("steady", "lumped"))
    steady = reader.is_steady = reader.read_bool("steady", raw.get("steady", False)) or False
    fields = reader.read_mapping(
        "lumped", raw.get("lumped"), allowed=("geometry", "initial", "phases", *NUMBERS, *LOAD_NAMES)
    )
    numbers = {name: reader.read_limited("lumped", fields, name, limit) for name, limit in NUMBERS.items()}
    geometry = _geometry(reader, fields["geometry"]) if "geometry" in fields else None
    loads = with_loads(Loads(), _loads(reader, "lumped", fields))
    phases = _phases(reader, fields, loads)
    initial = reader.read_limited("lumped", fields, "initial", reader.temperatures)
    if initial is None and not steady and "initial" not in fields:
        reader.refuse("lumped.initial", "required unless the case is steady")
    capacity, area = numbers["heat_capacity"], numbers["area"]
    if geometry is not None:
        area = geometry.area if area is None else area
        if capacity is None and numbers["density"] is not None and numbers["specific_heat"] is not None:
            capacity = numbers["density"] * numbers["specific_heat"] * geometry.volume
    if capacity is None and not steady and not reader.errors:
        reader.refuse("lumped.heat_capacity", "required (or geometry, density and specific_heat) unless steady")
    acting = [(f"lumped.phases[{index}]", phase.loads) for index, phase in enumerate(phases)]
    for name, part in acting or [("lumped", loads)]:
        _require_pairs(reader, name, part, has_offset="absolute_offset" in fields)
    reader.finish()
    zero = CELSIUS_ZERO if reader.unit == "degC" else 0.0
    return (
        LumpedBody(
            loads, capacity, 1.0 if area is None else area, initial, phases,
            zero if numbers["absolute_offset"] is None else numbers["absolute_offset"],
            numbers["stefan_boltzmann"] or LumpedBody.stefan_boltzmann, geometry,
            numbers["density"], numbers["specific_heat"], numbers["conductivity"],
        ),
        steady,
    )  # fmt: skip


def _loads(reader: LumpedReader, path: str, fields: Mapping[str, Any]) -> dict[str, Value]:
    wanted = {
        "coefficient": (limits.COEFFICIENT, "tT"),
        "ambient": (reader.temperatures, "t"),
        "emissivity": (limits.EMISSIVITY, "tT"),
        "surroundings": (reader.temperatures, "t"),
        "source": (POWER, "tT"),
    }
    found = {
        name: reader.read_limited_value(path, fields, name, limit, variables)
        for name, (limit, variables) in wanted.items()
    }
    return {name: value for name, value in found.items() if value is not None}


def _require_pairs(reader: LumpedReader, path: str, loads: Loads, *, has_offset: bool) -> None:
    """Require the ambient of convection, and the surroundings and an absolute temperature of radiation."""
    for name, partner in (("coefficient", "ambient"), ("emissivity", "surroundings")):
        value = getattr(loads, name)
        if value is not None and value != Constant(0.0) and getattr(loads, partner) is None:
            reader.refuse(f"{path}.{partner}", f"required beside {name}")
    is_radiating = loads.emissivity is not None and loads.surroundings is not None
    if is_radiating and reader.unit == "relative" and not has_offset:
        reader.refuse("temperature_unit", "K or degC where there is radiation")


def _geometry(reader: LumpedReader, raw: object) -> Geometry | None:
    path = "lumped.geometry"
    shape = reader.read_choice(f"{path}.shape", raw.get("shape") if isinstance(raw, Mapping) else None, SHAPES)
    if shape is None:
        return None
    fields = reader.read_mapping(path, raw, allowed=("shape", *SHAPES[shape]), required=SHAPES[shape])
    sizes = {name: reader.read_limited(path, fields, name, limits.LENGTH) for name in SHAPE_NUMBERS}
    if shape == "box":
        edges = reader.read_numbers(f"{path}.size", fields.get("size", ()))
        if edges is None or len(edges) != 3 or not all(limits.LENGTH.allows(edge) for edge in edges):
            reader.refuse(f"{path}.size", f"three lengths, each {limits.LENGTH}")
            return None
        a, b, c = edges
        return Geometry(a * b * c, 2.0 * (a * b + b * c + c * a))
    diameter, length, thickness = (sizes[name] for name in SHAPE_NUMBERS)
    if shape == "plate":
        faces = reader.read_integer(f"{path}.exposed_faces", fields.get("exposed_faces"))
        if faces is not None and faces not in (1, 2):
            reader.refuse(f"{path}.exposed_faces", "1 or 2")
            return None
        return Geometry(thickness, float(faces)) if thickness and faces else None
    if shape == "sphere":
        return Geometry(math.pi / 6.0 * diameter**3, math.pi * diameter**2) if diameter else None
    if not diameter or not length:
        return None
    return Geometry(math.pi / 4.0 * diameter**2 * length, math.pi * diameter * (0.5 * diameter + length))


def _phases(reader: LumpedReader, fields: Mapping[str, Any], loads: Loads) -> tuple[Phase, ...]:
    if "phases" not in fields:
        return ()
    found: list[Phase] = []
    for index, raw in enumerate(reader.read_list("lumped.phases", fields["phases"], longest=LONGEST) or ()):
        path = f"lumped.phases[{index}]"
        part = reader.read_mapping(path, raw, allowed=("name", "until", *LOAD_NAMES), required=("name", "until"))
        name = reader.read_text(path, part, "name")
        if name and name in {phase.name for phase in found}:
            reader.refuse(f"{path}.name", "a name that no other phase has")
        until = _until(reader, f"{path}.until", part.get("until"))
        found.append(Phase(name, with_loads(loads, _loads(reader, path, part)), until))
    return tuple(found)


def _until(reader: LumpedReader, path: str, raw: object) -> Until:
    part = reader.read_mapping(path, raw, allowed=("time", "duration", "temperature", "hold"))
    if len(part.keys() & {"time", "duration", "temperature"}) != 1 or ("hold" in part and "temperature" not in part):
        reader.refuse(path, "one of time, duration, or temperature with or without hold")
        return Until(time=0.0)
    hold = reader.read_limited(path, part, "hold", limits.TIME) or 0.0
    return Until(
        reader.read_limited(path, part, "time", limits.TIME),
        reader.read_limited(path, part, "duration", limits.DURATION),
        reader.read_limited(path, part, "temperature", reader.temperatures),
        hold,
    )


def read_network(case: Mapping[str, Any]) -> LumpedNetwork:
    """The network of a case.

    Raises:
        FieldError, InvalidFieldsError: A field is missing, unknown, of the wrong type or outside its limit, or names
            something that is not there.
    """
    reader, raw = open_case(case, ("lumped",))
    fields = reader.read_mapping(
        "lumped", raw.get("lumped"), allowed=("nodes", "links", "sources", "controls"), required=("nodes", "links")
    )
    entries = {
        name: reader.read_list(f"lumped.{name}", fields[name], longest=LONGEST) or []
        for name in ("nodes", "links", "sources", "controls")
        if name in fields
    }
    nodes = [_node(reader, f"lumped.nodes[{i}]", entry) for i, entry in enumerate(entries.get("nodes", ()))]
    names = [node.name for node in nodes]
    controls = [
        _control(reader, f"lumped.controls[{i}]", entry, names) for i, entry in enumerate(entries.get("controls", ()))
    ]
    control_names = [control.name for control in controls]
    _require_unique(reader, "lumped.nodes", names)
    _require_unique(reader, "lumped.controls", control_names)
    links = [_link(reader, f"lumped.links[{i}]", entry, names) for i, entry in enumerate(entries.get("links", ()))]
    sources = [
        _source(reader, f"lumped.sources[{i}]", entry, names, control_names)
        for i, entry in enumerate(entries.get("sources", ()))
    ]
    if nodes and all(node.temperature is not None for node in nodes):
        reader.refuse("lumped.nodes", "at least one node with a heat_capacity")
    reader.finish()
    return LumpedNetwork(tuple(nodes), tuple(links), tuple(sources), tuple(controls))


def _node(reader: LumpedReader, path: str, raw: object) -> Node:
    is_held = isinstance(raw, Mapping) and "temperature" in raw
    names = ("name", "temperature") if is_held else ("name", "heat_capacity", "initial")
    part = reader.read_mapping(path, raw, allowed=names, required=names)
    name = reader.read_text(path, part, "name")
    if is_held:
        value = reader.read_limited_value(path, part, "temperature", reader.temperatures, "t")
        return Node(name, temperature=value if value is not None else Constant(0.0))
    capacity = reader.read_limited(path, part, "heat_capacity", HEAT_CAPACITY) or 1.0
    return Node(name, capacity, reader.read_limited(path, part, "initial", reader.temperatures) or 0.0)


def _control(reader: LumpedReader, path: str, raw: object, nodes: list[str]) -> Control:
    names = ("name", "sensor", "on_below", "off_above", "initially")
    part = reader.read_mapping(path, raw, allowed=names, required=names)
    sensor = _known(reader, f"{path}.sensor", part.get("sensor"), nodes)
    on_below = reader.read_limited(path, part, "on_below", reader.temperatures)
    off_above = reader.read_limited(path, part, "off_above", reader.temperatures)
    if on_below is not None and off_above is not None and not on_below < off_above:
        reader.refuse(f"{path}.on_below", "less than off_above")
    state = reader.read_choice(f"{path}.initially", part.get("initially"), ("on", "off"))
    return Control(reader.read_text(path, part, "name"), sensor, on_below or 0.0, off_above or 0.0, state == "on")


def _link(reader: LumpedReader, path: str, raw: object, nodes: list[str]) -> Link:
    part = reader.read_mapping(path, raw, allowed=("between", "conductance"), required=("between", "conductance"))
    ends = part.get("between")
    if not isinstance(ends, (list, tuple)) or len(ends) != 2 or ends[0] == ends[1]:
        reader.refuse(f"{path}.between", "two different nodes")
        return Link(0, 0, 0.0)
    first, second = (_known(reader, f"{path}.between[{i}]", end, nodes) for i, end in enumerate(ends))
    return Link(first, second, reader.read_limited(path, part, "conductance", HEAT_CONDUCTANCE) or 0.0)


def _source(reader: LumpedReader, path: str, raw: object, nodes: list[str], controls: list[str]) -> Source:
    part = reader.read_mapping(path, raw, allowed=("node", "power", "control"), required=("node", "power"))
    node = _known(reader, f"{path}.node", part.get("node"), nodes)
    power = reader.read_limited_value(path, part, "power", POWER, "tT") or Constant(0.0)
    control = _known(reader, f"{path}.control", part["control"], controls) if "control" in part else None
    return Source(node, power, control)


def _known(reader: LumpedReader, path: str, name: object, names: list[str]) -> int:
    if not isinstance(name, str) or name not in names:
        reader.refuse(path, "the name of one that is listed")
        return 0
    return names.index(name)


def _require_unique(reader: LumpedReader, path: str, names: list[str]) -> None:
    if len(set(names)) < len(names):
        reader.refuse(f"{path}.name", "a name that no other has")
