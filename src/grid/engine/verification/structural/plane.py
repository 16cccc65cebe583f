"""Cases of the model `plane`: two-dimensional bodies under eigenstrains (docs/case-format.md, section 6)."""

from collections.abc import Callable, Mapping
from typing import Any, cast

import numpy as np

from grid.core.errors import FieldError
from grid.engine.limits import LENGTH, MAX_CELLS, POSITION
from grid.engine.problem.domain import Domain
from grid.engine.problem.reader import CaseReader
from grid.engine.space.mesh import open_coordinates
from grid.engine.structural.elasticity.body import SUPPORTS, ElasticBody, Plane
from grid.engine.structural.elasticity.elasticity import solve_elasticity
from grid.engine.structural.elasticity.free_strain import MAX_STRAIN, RegionStrain
from grid.engine.values.expression import Expression
from grid.engine.values.value import Constant
from grid.engine.verification.structural.fields import (
    Entry,
    ask_component,
    choose_quantity,
    read_case,
    read_choices,
    read_limited,
    read_material,
)

FACES = ("x_min", "x_max", "y_min", "y_max")
DEFAULT_CELLS = 100  # [-] cells along the longer side, where a case names no grid
MAX_PIECES = 256  # [-] pieces of a free strain at most
Piece = tuple[Constant | Expression, Expression | None]


def prepare_plane(case: Mapping[str, Any]) -> Callable[[Entry], Any]:
    """A plane body, solved once; entries are probes."""
    reader = CaseReader()
    names = ("dimension", "domain", "plane", "material", "supports", "eigenstrain")
    raw = read_case(reader, case, required=names, allowed=("resolution",))
    if raw.get("dimension") != 2:
        reader.refuse("dimension", "2")
    domain = _domain(reader, raw.get("domain"), raw.get("resolution"))
    plane = reader.read_choice("plane", raw.get("plane"), ("stress", "strain"))
    optional = ("yield_stress", "thermal_expansion")
    material = read_material(
        reader, raw.get("material"), required=("young_modulus", "poisson_ratio"), optional=optional
    )
    supports = read_choices(reader, "supports", raw.get("supports"), dict.fromkeys(FACES, SUPPORTS))
    entries = reader.read_list("eigenstrain", raw.get("eigenstrain"), longest=MAX_PIECES) or []
    pieces = tuple(_piece(reader, f"eigenstrain[{index}]", entry) for index, entry in enumerate(entries))
    reader.finish()
    body = ElasticBody(
        domain,
        _material_numbers(domain),
        (material["young_modulus"],),
        (material["poisson_ratio"],),
        supports,
        cast("Plane", plane),
    )
    solution = solve_elasticity(body, RegionStrain(domain, np.flatnonzero(body.material.reshape(-1) >= 0), pieces))

    def answer(entry: Entry) -> float:
        quantity = choose_quantity(entry, ("stress", "von_mises"))
        component = ask_component(entry, ("xx", "yy", "zz", "xy")) if quantity == "stress" else "von_mises"
        at = entry.get("at")
        if not isinstance(at, Mapping):
            raise FieldError("at", "required: a point of the body [m]")
        return solution.stress_at(at, component, entry.get("side"))

    return answer


def _domain(reader: CaseReader, raw: object, resolution: object) -> Domain:
    """The box and its grid; the grid is near square cells, 100 along the longer side, unless the case names one."""
    known = ("coordinates", "size", "origin", "section", "active")
    fields = reader.read_mapping("domain", raw, allowed=known, required=("coordinates", "size"))
    reader.read_choice("domain.coordinates", fields.get("coordinates", "cartesian"), ("cartesian",))
    size = _pair(reader, "domain.size", fields.get("size", (1.0, 1.0)), LENGTH)
    origin = _pair(reader, "domain.origin", fields.get("origin", (0.0, 0.0)), POSITION)
    active = reader.read_expression("domain.active", fields["active"]) if "active" in fields else None
    if active is not None and (active.kind != "truth" or not active.variables <= {"x", "y"}):
        reader.refuse("domain.active", "an expression that is true or false and uses x and y alone")
        active = None
    cells = tuple(max(8, round(DEFAULT_CELLS * length / max(size))) for length in size)
    if resolution is not None:
        known = ("cells", "plain_second_order_error", "plain_second_order_error_half_grid", "steps", "end_time")
        given = reader.read_mapping("resolution", resolution, allowed=known, required=("cells",))
        entries = reader.read_list("resolution.cells", given.get("cells"), longest=2) or []
        counts = [reader.read_integer("resolution.cells", entry) for entry in entries]
        if len(counts) == 2 and all(count is not None and count >= 1 for count in counts):
            cells = tuple(count for count in counts if count is not None)
        else:
            reader.refuse("resolution.cells", "two integers of at least 1")
        if cells[0] * cells[1] > MAX_CELLS:
            reader.refuse("resolution.cells", f"at most {MAX_CELLS} cells")
    return Domain(size, cells, origin, 1.0, active)


def _pair(reader: CaseReader, path: str, raw: object, limit: Any) -> tuple[float, float]:
    entries = reader.read_list(path, raw, longest=2) or []
    if len(entries) != 2:
        reader.refuse(path, "two lengths, along x and y [m]")
        return (1.0, 1.0)
    first, second = (read_limited(reader, f"{path}[{axis}]", entry, limit) for axis, entry in enumerate(entries))
    return first, second


def _material_numbers(domain: Domain) -> Any:
    """0 in the body, -1 outside it."""
    if domain.active is None:
        return np.zeros(domain.cells, dtype=np.intp)
    inside = np.asarray(domain.active.evaluate(dict(open_coordinates(domain))), dtype=bool)
    return np.where(np.broadcast_to(inside, domain.cells), 0, -1).astype(np.intp)


def _piece(reader: CaseReader, path: str, raw: object) -> Piece:
    fields = reader.read_mapping(path, raw, allowed=("where", "strain"), required=("strain",))
    strain = reader.read_value(f"{path}.strain", fields.get("strain", 0.0))
    if isinstance(strain, Expression) and (strain.kind != "number" or not strain.variables <= {"x", "y"}):
        reader.refuse(f"{path}.strain", "an expression with a number as its value that uses x and y alone")
    elif isinstance(strain, Constant) and not abs(strain.value) <= MAX_STRAIN:
        reader.refuse(f"{path}.strain", f"a number of at most {MAX_STRAIN:g} in size")
    elif not isinstance(strain, (Constant, Expression)):
        reader.refuse(f"{path}.strain", "a number or an expression in x and y")
        strain = Constant(0.0)
    where = reader.read_expression(f"{path}.where", fields["where"]) if "where" in fields else None
    if where is not None and (where.kind != "truth" or not where.variables <= {"x", "y"}):
        reader.refuse(f"{path}.where", "an expression that is true or false and uses x and y alone")
    return strain, where
