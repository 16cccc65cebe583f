"""Verification of the kind `certificate` (docs/case-format.md, section 5), by `quantity`."""

from collections.abc import Callable, Mapping
from typing import Any

from grid.core.errors import FieldError
from grid.engine import limits
from grid.engine.limits import Limit
from grid.engine.lumped.certificates import NAMES, compute_worst_mean_error, covers
from grid.engine.lumped.exact_cooling import ConvectiveBody, Layer
from grid.engine.lumped.reader import LONGEST, LumpedReader, open_case

Entry = Mapping[str, Any]
COEFFICIENT = Limit(0.0, limits.COEFFICIENT.maximum, "W/(m2 K)", exclusive_minimum=True)
PROPERTIES = ("thickness", "conductivity", "volumetric_heat_capacity")
PROPERTY_LIMITS = (limits.LENGTH, limits.CONDUCTIVITY, limits.VOLUMETRIC_HEAT_CAPACITY)
SHAPES = {
    "wall": "half_thickness",
    "box": "half_sizes",
    "cylinder": "radius",
    "sphere": "radius",
    "layers": "layers",
}


def prepare_case(case: Mapping[str, Any]) -> Callable[[Entry], Any]:
    """Read a case and return what computes its entries.

    Raises:
        FieldError, InvalidFieldsError: The case is not valid.
    """
    if case.get("model") != "convective_body":
        raise FieldError("model", "convective_body")
    bodies = read_bodies(case)
    by_name = {body.name: body for body in bodies}
    answers: dict[str, Callable[[ConvectiveBody], float]] = {
        "internal_resistance_phi": lambda body: body.internal_resistance_phi,
        "worst_mean_error": compute_worst_mean_error,
        "worst_mean_error_improved": lambda body: compute_worst_mean_error(body, is_corrected=True),
        "centre_to_surface_spread": lambda body: body.centre_to_surface_spread,
    }

    def compute(entry: Entry) -> Any:
        quantity = entry.get("quantity")
        if quantity == "certificate_covers":
            return _covers(bodies, entry)
        if not isinstance(quantity, str) or quantity not in answers:
            raise FieldError("quantity", f"one of {', '.join(sorted(answers))}, certificate_covers")
        name = entry.get("body")
        if not isinstance(name, str) or name not in by_name:
            raise FieldError("body", "the name of a body of the case")
        return answers[quantity](by_name[name])

    return compute


def _covers(bodies: tuple[ConvectiveBody, ...], entry: Entry) -> bool:
    name, ratio = entry.get("certificate"), entry.get("largest_ratio")
    if name not in NAMES:
        raise FieldError("certificate", f"one of {', '.join(NAMES)}")
    if ratio is not None and (isinstance(ratio, bool) or not isinstance(ratio, (int, float)) or not ratio > 0):
        raise FieldError("largest_ratio", "a number greater than 0")
    return all(covers(body, str(name), ratio) for body in bodies)


def read_bodies(case: Mapping[str, Any]) -> tuple[ConvectiveBody, ...]:
    """The bodies of a case.

    Raises:
        FieldError, InvalidFieldsError: A field is missing, unknown, of the wrong type or outside its limit.
    """
    reader, raw = open_case(case, ("bodies",))
    entries = reader.read_list("bodies", raw.get("bodies"), longest=LONGEST) or []
    found = [_body(reader, f"bodies[{index}]", entry) for index, entry in enumerate(entries)]
    if len({body.name for body in found if body is not None}) < len(found) and not reader.errors:
        reader.refuse("bodies.name", "a name that no other has")
    reader.finish()
    return tuple(body for body in found if body is not None)


def _body(reader: LumpedReader, path: str, raw: object) -> ConvectiveBody | None:
    geometry = raw.get("geometry") if isinstance(raw, Mapping) else None
    kind = geometry.get("shape") if isinstance(geometry, Mapping) else None
    shape = reader.read_choice(f"{path}.geometry.shape", kind, SHAPES)
    if shape is None:
        return None
    properties = () if shape == "layers" else ("conductivity", "volumetric_heat_capacity")
    names = ("name", "geometry", "coefficient", *properties)
    fields = reader.read_mapping(path, raw, allowed=names, required=names)
    name = reader.read_text(path, fields, "name")
    coefficient = reader.read_limited(path, fields, "coefficient", COEFFICIENT)
    size = SHAPES[shape]
    part = reader.read_mapping(f"{path}.geometry", geometry, allowed=("shape", size), required=(size,))
    if shape == "layers":
        layers = _layers(reader, f"{path}.geometry.layers", part.get("layers"))
        return ConvectiveBody(name, shape, coefficient or 1.0, layers=layers)
    sizes = _numbers(reader, f"{path}.geometry.{size}", part.get(size), limits.LENGTH, shape == "box")
    k = _numbers(reader, f"{path}.conductivity", fields.get("conductivity"), limits.CONDUCTIVITY, shape == "box")
    capacity = reader.read_limited(path, fields, "volumetric_heat_capacity", limits.VOLUMETRIC_HEAT_CAPACITY)
    k = k * len(sizes) if len(k) == 1 else k
    if len(k) != len(sizes):
        reader.refuse(f"{path}.conductivity", "a number, or one for each half size")
    return ConvectiveBody(name, shape, coefficient or 1.0, sizes, k, capacity or 1.0)


def _numbers(reader: LumpedReader, path: str, raw: object, limit: Limit, may_be_list: bool) -> tuple[float, ...]:
    """One number, or a list of up to three where that is allowed."""
    entries = reader.read_list(path, raw) if may_be_list and isinstance(raw, (list, tuple)) else [raw]
    found = [number for entry in entries or () if (number := reader.read_number(path, entry)) is not None]
    if not all(limit.allows(number) for number in found):
        reader.refuse(path, f"everywhere {limit}")
    return tuple(found)


def _layers(reader: LumpedReader, path: str, raw: object) -> tuple[Layer, ...]:
    found = []
    for index, entry in enumerate(reader.read_list(path, raw, longest=256) or ()):
        fields = reader.read_mapping(f"{path}[{index}]", entry, allowed=PROPERTIES, required=PROPERTIES)
        values = [
            reader.read_limited(f"{path}[{index}]", fields, name, limit)
            for name, limit in zip(PROPERTIES, PROPERTY_LIMITS, strict=True)
        ]
        found.append(Layer(*(1.0 if value is None else value for value in values)))
    return tuple(found)
