"""Events as JSON: `{"kind": "burst", "position_m": [0.4, 0.5], ...}`, read with types, names and units checked.

A position has a number for each axis, or for each of more than one cell: two in a plate, whatever its thickness.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from grid.core.errors import FieldError
from grid.engine.live.event import Event
from grid.engine.live.events import BoundaryChange, Burst, CoolingLoss, Damage, Flow, Overload
from grid.engine.live.regions import Everything, complete, read_region
from grid.engine.live.scene import Scene
from grid.engine.problem.case import read_boundary
from grid.engine.problem.reader import CaseReader

MAX_FACES = 7  # [-] names of faces in a list


def read_event(raw: object, scene: Scene) -> Event:
    """Read an event and check it against a scene.

    Raises:
        FieldError, InvalidFieldsError: Fields are missing, unknown, of the wrong type or outside their limits.
    """
    kind = raw.get("kind") if isinstance(raw, Mapping) else None
    if not isinstance(raw, Mapping) or not isinstance(kind, str) or kind not in READERS:
        raise FieldError("kind", f"one of {', '.join(READERS)}")
    reader = CaseReader("event")
    fields = {name: value for name, value in raw.items() if name != "kind"}
    event = READERS[kind](reader, fields, scene.problem.dimension)
    reader.finish()
    if event is None:
        raise FieldError("kind", "an event whose fields can be read")
    if isinstance(event, Burst):
        event = complete_burst(event, scene)
    event.check(scene)
    return event


def complete_burst(burst: Burst, scene: Scene) -> Burst:
    """A burst whose centre lies in the middle of the axes that its position leaves out, and does not move along them.

    Axes may be left out along which the body has one cell.
    """
    problem = scene.problem
    middle = tuple(low + 0.5 * size for low, size in zip(problem.domain.origin, problem.domain.size, strict=True))
    still = (0.0,) * problem.dimension
    position = complete(burst.position, middle, problem)
    velocity = complete(burst.velocity, still, problem) if burst.velocity else ()
    return replace(burst, position=position, velocity=velocity)


def event_json(event: Event) -> dict[str, Any]:
    """The event as JSON, from which `read_event` makes it again."""
    return {"kind": event.kind, **event.to_json()}


def _number(reader: CaseReader, fields: Mapping[str, Any], name: str) -> float | None:
    return reader.read_number(name, fields[name]) if name in fields else None


def _read_burst(reader: CaseReader, raw: Mapping[str, Any], _dimension: int) -> Event | None:
    required = ("position_m", "radius_m", "duration_s")
    allowed = (*required, "power_w", "energy_j", "shape", "velocity_m_s")
    fields = reader.read_mapping("", raw, allowed=allowed, required=required)
    position = reader.read_numbers("position_m", fields.get("position_m"))
    velocity = reader.read_numbers("velocity_m_s", fields["velocity_m_s"]) if "velocity_m_s" in fields else ()
    shape = reader.read_choice("shape", fields.get("shape", "gauss"), ("gauss", "disc"))
    radius, duration = _number(reader, fields, "radius_m"), _number(reader, fields, "duration_s")
    power, energy = _number(reader, fields, "power_w"), _number(reader, fields, "energy_j")
    if reader.errors or position is None or radius is None or duration is None:
        return None
    return Burst(position, radius, duration, power, energy, "disc" if shape == "disc" else "gauss", velocity or ())


def _read_flow(reader: CaseReader, raw: Mapping[str, Any], _dimension: int) -> Event | None:
    required = ("face", "heat_flux_w_m2", "duration_s")
    fields = reader.read_mapping("", raw, allowed=(*required, "from_m", "to_m"), required=required)
    flux, duration = _number(reader, fields, "heat_flux_w_m2"), _number(reader, fields, "duration_s")
    corners = [reader.read_numbers(name, fields[name]) if name in fields else () for name in ("from_m", "to_m")]
    if reader.errors or flux is None or duration is None:
        return None
    return Flow(fields["face"], flux, duration, corners[0] or (), corners[1] or ())


def _read_overload(reader: CaseReader, raw: Mapping[str, Any], dimension: int) -> Event | None:
    fields = reader.read_mapping("", raw, allowed=("power_w", "region", "duration_s"), required=("power_w",))
    power, duration = _number(reader, fields, "power_w"), _number(reader, fields, "duration_s")
    region = read_region(reader, "region", fields["region"], dimension) if "region" in fields else Everything()
    return None if reader.errors or power is None or region is None else Overload(power, region, duration)


def _read_boundary(reader: CaseReader, raw: Mapping[str, Any], _dimension: int) -> Event | None:
    fields = reader.read_mapping("", raw, allowed=("face", "law", "duration_s"), required=("face", "law"))
    duration = _number(reader, fields, "duration_s")
    law = read_boundary(reader, "law", fields.get("law"))
    return None if reader.errors or law is None else BoundaryChange(fields["face"], law, duration)


def _read_cooling_loss(reader: CaseReader, raw: Mapping[str, Any], _dimension: int) -> Event | None:
    fields = reader.read_mapping("", raw, allowed=("faces", "remaining", "duration_s"), required=("faces", "remaining"))
    faces = reader.read_list("faces", fields.get("faces"), longest=MAX_FACES)
    remaining, duration = _number(reader, fields, "remaining"), _number(reader, fields, "duration_s")
    if reader.errors or faces is None or remaining is None:
        return None
    return CoolingLoss(tuple(faces), remaining, duration)


def _read_damage(reader: CaseReader, raw: Mapping[str, Any], dimension: int) -> Event | None:
    names = ("conductivity_factor", "stiffness_factor", "damage")
    fields = reader.read_mapping("", raw, allowed=("region", *names), required=("region",))
    region = read_region(reader, "region", fields.get("region"), dimension)
    numbers = [_number(reader, fields, name) for name in names]
    if reader.errors or region is None:
        return None
    given = [default if number is None else number for number, default in zip(numbers, (1.0, 1.0, 0.0), strict=True)]
    return Damage(region, *given)


READERS: dict[str, Callable[[CaseReader, Mapping[str, Any], int], Event | None]] = {
    Burst.kind: _read_burst,
    Flow.kind: _read_flow,
    Overload.kind: _read_overload,
    BoundaryChange.kind: _read_boundary,
    CoolingLoss.kind: _read_cooling_loss,
    Damage.kind: _read_damage,
}
