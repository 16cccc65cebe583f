"""Structure of a scene as JSON: types are checked and errors collected with their paths.

    {"reference_temperature": 20, "life": {"coefficient_pa": 9e8, "exponent": -0.09}, "temperature_limit": 450,
     "regions": {"tiles": [4, 4], "load_w": 100}, "capacity": {"mean_temperature": 80}, "sharing": "local"}

Temperatures are in the unit of the problem. `regions` may be a list of `{"name", "region", "load_w"}`;
`ultimate_ratio`, `life` and `creep` lists with an entry for each material.
"""

from collections.abc import Callable
from dataclasses import MISSING, fields
from functools import partial
from typing import Any, TypeVar

from grid.core.errors import FieldError
from grid.engine.live.creep import MAX_ENTRIES, LarsonMiller
from grid.engine.live.regions import read_region
from grid.engine.live.structure import (
    MAX_REGIONS,
    LoadedRegion,
    LoadedRegions,
    Measure,
    RegionCapacity,
    Regions,
    Structure,
    Tiles,
)
from grid.engine.problem.reader import CaseReader
from grid.engine.structural.fatigue.laws import PowerLaw

MAX_MATERIALS = 1000  # [-] entries of a list that has one for each material
Read = TypeVar("Read")


def read_structure(reader: CaseReader, path: str, raw: object, dimension: int) -> Structure | None:
    """Read a structure; errors are noted with the reader.

    Args:
        reader: Collects the errors.
        path: Of the structure in the scene.
        raw: JSON.
        dimension: Of the problem.
    """
    before = len(reader.errors)
    known = {field.name: field for field in fields(Structure)}
    required = [name for name, field in known.items() if field.default is MISSING]
    found = reader.read_mapping(path, raw, allowed=known, required=required)
    readers: dict[str, Callable[[str, Any], Any]] = {
        "reference_temperature": reader.read_number,
        "support": lambda at, value: reader.read_choice(at, value, ("free", "held")),
        "stress_level": lambda at, value: reader.read_choice(at, value, ("plate", "potential")),
        "stress_ticks": reader.read_integer,
        "ultimate_ratio": lambda at, value: _read_each(reader, at, value, reader.read_number),
        "temperature_limit": reader.read_number,
        "life": lambda at, value: _read_each(reader, at, value, lambda *each: _read_life(reader, *each)),
        "creep": lambda at, value: _read_each(reader, at, value, lambda *each: _read_creep(reader, *each)),
        "conductivity_factor": reader.read_number,
        "regions": lambda at, value: _read_regions(reader, at, value, dimension),
        "capacity": lambda at, value: _read_capacity(reader, at, value),
        "sharing": lambda at, value: reader.read_choice(at, value, ("local", "equal")),
    }
    values = {name: readers[name](f"{path}.{name}", value) for name, value in found.items() if value is not None}
    return None if len(reader.errors) > before else _make(reader, path, "structure", lambda: Structure(**values))


def _make(reader: CaseReader, path: str, prefix: str, make: Callable[[], Read]) -> Read | None:
    """Make a value, or note why it cannot be made: `prefix` stands for its path in the names of errors."""
    try:
        return make()
    except FieldError as error:
        reader.refuse(path + error.field.removeprefix(prefix), error.limit)
        return None


def _read_each(reader: CaseReader, path: str, raw: object, read: Callable[[str, Any], Any]) -> Any:
    """Read one value for all materials, or a list with an entry for each."""
    if not isinstance(raw, (list, tuple)):
        return read(path, raw)
    entries = reader.read_list(path, raw, longest=MAX_MATERIALS) or []
    return tuple(None if entry is None else read(f"{path}[{index}]", entry) for index, entry in enumerate(entries))


def _read_life(reader: CaseReader, path: str, raw: object) -> PowerLaw | None:
    names = ("coefficient_pa", "exponent")
    found = reader.read_mapping(path, raw, allowed=names, required=names)
    values = [reader.read_number(f"{path}.{name}", value) for name, value in found.items()]
    if len(values) < len(names) or None in values:
        return None
    return PowerLaw(float(found["coefficient_pa"]), float(found["exponent"]))


def _read_creep(reader: CaseReader, path: str, raw: object) -> LarsonMiller | None:
    names = ("larson_miller", "load_pa", "constant")
    found = reader.read_mapping(path, raw, allowed=names, required=names[:2])
    entries = reader.read_list(f"{path}.larson_miller", found.get("larson_miller"), longest=MAX_ENTRIES) or []
    pairs = [reader.read_numbers(f"{path}.larson_miller[{index}]", entry) for index, entry in enumerate(entries)]
    load = reader.read_number(f"{path}.load_pa", found.get("load_pa"))
    constant = reader.read_number(f"{path}.constant", found.get("constant", 20.0))
    if load is None or constant is None or not pairs or None in pairs:
        return None
    table: Any = tuple(pairs)
    return _make(reader, path, "creep", partial(LarsonMiller, table, load, constant))


def _read_regions(reader: CaseReader, path: str, raw: object, dimension: int) -> Regions | None:
    if not isinstance(raw, (list, tuple)):
        return _read_tiles(reader, path, raw)
    parts = []
    for index, entry in enumerate(reader.read_list(path, raw, longest=MAX_REGIONS) or []):
        at = f"{path}[{index}]"
        found = reader.read_mapping(at, entry, allowed=("name", "region", "load_w"), required=("name", "region"))
        region = read_region(reader, f"{at}.region", found.get("region"), dimension) if "region" in found else None
        load = reader.read_number(f"{at}.load_w", found.get("load_w", 0.0))
        if region is not None and load is not None and "name" in found:
            known = found["name"], region, load
            parts.append(_make(reader, at, "structure.regions", partial(LoadedRegion, *known)))
    if not parts or None in parts:
        return None
    whole = tuple(part for part in parts if part is not None)
    return _make(reader, path, "structure.regions", lambda: LoadedRegions(whole))


def _read_tiles(reader: CaseReader, path: str, raw: object) -> Tiles | None:
    found = reader.read_mapping(path, raw, allowed=("tiles", "load_w"), required=("tiles",))
    entries = reader.read_list(f"{path}.tiles", found.get("tiles")) or []
    counts = [reader.read_integer(f"{path}.tiles[{index}]", entry) for index, entry in enumerate(entries)]
    raw_load = found.get("load_w", 0.0)
    load: float | tuple[float, ...] | None
    if isinstance(raw_load, (list, tuple)):
        load = reader.read_numbers(f"{path}.load_w", raw_load, longest=MAX_REGIONS)
    else:
        load = reader.read_number(f"{path}.load_w", raw_load)
    whole = tuple(count for count in counts if count is not None)
    if load is None or not whole or len(whole) < len(counts):
        return None
    known = load
    return _make(reader, path, "structure.regions", lambda: Tiles(whole, known))


def _read_capacity(reader: CaseReader, path: str, raw: object) -> RegionCapacity | None:
    found = reader.read_mapping(path, raw, allowed=("failed_share", "mean_temperature"))
    if len(found) != 1:
        reader.refuse(path, 'one of {"failed_share": ...} and {"mean_temperature": ...}')
        return None
    measure, given = next(iter(found.items()))
    value: float | tuple[float, ...] | None
    if isinstance(given, (list, tuple)):
        value = reader.read_numbers(f"{path}.{measure}", given, longest=MAX_REGIONS)
    else:
        value = reader.read_number(f"{path}.{measure}", given)
    if value is None:
        return None
    known = value
    kind: Measure = "failed_share" if measure == "failed_share" else "mean_temperature"
    return _make(reader, path, "structure.capacity", lambda: RegionCapacity(kind, known))
