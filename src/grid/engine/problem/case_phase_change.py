"""Read the phase change of a material: an enthalpy table, or a melting temperature with latent heat."""

import itertools
from collections.abc import Mapping
from typing import Any

from grid.core.errors import UnsupportedError
from grid.engine.limits import VOLUMETRIC_HEAT_CAPACITY, Limit
from grid.engine.problem.reader import CaseReader
from grid.engine.values.phase_change import ByPhase, Enthalpy, HeatCapacity
from grid.engine.values.value import Constant, Table, Value

PHASE_FIELDS = (
    "melting_temperature",
    "latent_heat",
    "volumetric_latent_heat",
    "solid",
    "liquid",
    "volumetric_enthalpy",
)
CAPACITIES = ("volumetric_heat_capacity", "density", "specific_heat")
# [J/m3] limits far beyond any material, as in `grid.engine.limits`
LATENT_HEAT = Limit(0.0, 1e18, "J/m3", exclusive_minimum=True)
Conductivity = tuple[Value, ...]


def read_enthalpy(reader: CaseReader, path: str, fields: Mapping[str, Any]) -> dict[str, Any]:
    """Read the arguments of `Material` that follow from an enthalpy table."""
    if any(name in fields for name in (*CAPACITIES, *PHASE_FIELDS[:5])):
        reader.refuse(f"{path}.volumetric_enthalpy", "without another heat capacity or a melting temperature")
    table = reader.read_value(f"{path}.volumetric_enthalpy", fields["volumetric_enthalpy"], of="T")
    if isinstance(table, Table) and (table.of, table.interpolation) != ("T", "linear"):
        reader.refuse(f"{path}.volumetric_enthalpy", 'a table with "of": "T", linear between its points')
    temperatures, contents = getattr(table, "times", ()), getattr(table, "values", ())
    rises = [all(low < high for low, high in itertools.pairwise(part)) for part in (temperatures, contents)]
    if len(temperatures) < 2 or not all(rises):
        reader.refuse(
            f"{path}.volumetric_enthalpy.table", "two or more pairs of temperature and enthalpy that both rise"
        )
        return {}
    return _capacity(reader, f"{path}.volumetric_enthalpy.table", Enthalpy(temperatures, contents))


def read_melting(
    reader: CaseReader, path: str, fields: Mapping[str, Any], conductivities: tuple[Conductivity, Conductivity]
) -> dict[str, Any]:
    """Read the arguments of `Material` that follow from a melting temperature.

    Args:
        conductivities: Conductivities of solid and liquid.

    Raises:
        UnsupportedError: A heat capacity of a phase that varies.
    """
    melting = reader.read_number(f"{path}.melting_temperature", fields.get("melting_temperature"))
    latent = _latent_heat(reader, path, fields)
    capacities = [_capacity_of(reader, path, fields, phase) for phase in ("solid", "liquid")]
    if len(conductivities[0]) != len(conductivities[1]):
        reader.refuse(f"{path}.liquid.conductivity", "of the same form as that of the solid")
    if melting is None or latent is None or None in capacities:
        return {}
    pairs = zip(*conductivities, strict=False)
    conductivity = tuple(low if low == high else ByPhase(melting, low, high) for low, high in pairs)
    enthalpy = Enthalpy.melting(melting, latent, *(part for part in capacities if part is not None))
    return {"conductivity": conductivity, **_capacity(reader, path, enthalpy)}


def phase_fields(reader: CaseReader, path: str, fields: Mapping[str, Any], phase: str) -> dict[str, Any]:
    """Read the properties of a phase; those that it lacks come from the material."""
    allowed = ("conductivity", *CAPACITIES)
    own = reader.read_mapping(f"{path}.{phase}", fields.get(phase, {}), allowed=allowed)
    common = {name: fields[name] for name in allowed if name in fields}
    if "specific_heat" in own:
        common.pop("volumetric_heat_capacity", None)
    return {**common, **own}


def _capacity(reader: CaseReader, path: str, enthalpy: Enthalpy) -> dict[str, Any]:
    pairs = list(zip(enthalpy.temperatures, enthalpy.contents, strict=True))
    slopes = [(h - g) / (t - s) for (s, g), (t, h) in itertools.pairwise(pairs) if t > s]
    if not all(VOLUMETRIC_HEAT_CAPACITY.allows(slope) for slope in slopes):
        reader.refuse(path, f"everywhere a heat capacity, {VOLUMETRIC_HEAT_CAPACITY}")
    return {"enthalpy": enthalpy, "volumetric_heat_capacity": HeatCapacity(enthalpy)}


def _latent_heat(reader: CaseReader, path: str, fields: Mapping[str, Any]) -> float | None:
    """Read the latent heat [J/m3], given by volume or by mass."""
    if ("latent_heat" in fields) == ("volumetric_latent_heat" in fields):
        reader.refuse(f"{path}.latent_heat", "either this (with density) or volumetric_latent_heat")
        return None
    name = "latent_heat" if "latent_heat" in fields else "volumetric_latent_heat"
    latent = reader.read_number(f"{path}.{name}", fields[name])
    factor = 1.0 if name == "volumetric_latent_heat" else _constant(reader, path, fields, "density")
    if latent is None or factor is None:
        return None
    if not LATENT_HEAT.allows(latent * factor):
        reader.refuse(f"{path}.{name}", str(LATENT_HEAT))
        return None
    return latent * factor


def _capacity_of(reader: CaseReader, path: str, fields: Mapping[str, Any], phase: str) -> float | None:
    """Read the volumetric heat capacity rho c of a phase [J/(m3 K)]."""
    known = phase_fields(CaseReader(), path, fields, phase)
    if "volumetric_heat_capacity" in known:
        return _constant(reader, path, known, "volumetric_heat_capacity")
    density, heat = (_constant(reader, path, known, name) for name in ("density", "specific_heat"))
    return None if density is None or heat is None else density * heat


def _constant(reader: CaseReader, path: str, fields: Mapping[str, Any], name: str) -> float | None:
    if name not in fields:
        reader.refuse(f"{path}.{name}", "required with a melting temperature")
        return None
    value = reader.read_value(f"{path}.{name}", fields[name])
    if value is not None and not isinstance(value, Constant):
        raise UnsupportedError("a phase change with a heat capacity that varies")
    return None if value is None else value.value
