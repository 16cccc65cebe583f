"""Structure of a live run: its support, what its material bears, and regions with loads. Values only, read from JSON.

    Structure(reference_temperature=20.0, life=PowerLaw(9e8, -0.09), temperature_limit=450.0,
              regions=Tiles((4, 4), 100.0), capacity=RegionCapacity("mean_temperature", 80.0))

Young's modulus, Poisson's ratio, thermal expansion and yield stress are those of the materials of the problem;
temperatures are in its unit. The equations are in `grid.engine.live.structure_kernels` and `grid.engine.live.cascade`.
"""

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from grid.core.errors import FieldError
from grid.engine.arguments import as_tuple, require_choice, require_kind, require_number
from grid.engine.limits import TEMPERATURE, YIELD_STRESS, Limit, temperature_limit
from grid.engine.live.cascade import Sharing
from grid.engine.live.creep import LarsonMiller
from grid.engine.live.potential import find_obstacle
from grid.engine.live.regions import Box, Disc, Everything, Mask, Region
from grid.engine.problem.problem import HeatProblem
from grid.engine.structural.fatigue.laws import PowerLaw
from grid.engine.structural.limits import EXPONENT

FACTOR = Limit(0.05, 1.0, "1")
RATIO = Limit(1.0, 1e6, "1")
SHARE = Limit(0.0, 1.0, "1", exclusive_minimum=True)
LOAD = Limit(0.0, 1e18, "W")
TICKS = Limit(1.0, 1e6, "ticks")
MAX_REGIONS = 4096  # [-] regions of a structure
ELASTIC = ("young_modulus", "poisson_ratio", "thermal_expansion", "yield_stress")
Support = Literal["free", "held"]
StressLevel = Literal["plate", "potential"]
Measure = Literal["failed_share", "mean_temperature"]
Kind = TypeVar("Kind")


@dataclass(frozen=True)
class Tiles:
    """Regions that cut the box into equal tiles, named `tile-0-0` and so on.

    Args:
        counts: Tiles along each axis.
        load: Of each tile [W]: a number, or one for each tile, the last axis fastest.
    """

    counts: tuple[int, ...]
    load: float | tuple[float, ...] = 0.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "counts", as_tuple(self.counts))
        object.__setattr__(self, "load", as_tuple(self.load))
        counts = self.counts if isinstance(self.counts, tuple) else ()
        if not 1 <= len(counts) <= 3 or any(type(count) is not int or count < 1 for count in counts):
            raise FieldError("structure.regions.tiles", "an integer of 1 at least for each axis")
        if len(self) > MAX_REGIONS:
            raise FieldError("structure.regions.tiles", f"at most {MAX_REGIONS} tiles")
        loads = self.load if isinstance(self.load, tuple) else (self.load,)
        if isinstance(self.load, tuple) and len(loads) != len(self):
            raise FieldError("structure.regions.load_w", f"a number, or {len(self)} numbers, one for each tile")
        for load in loads:
            require_number("structure.regions.load_w", load, LOAD)

    def __len__(self) -> int:
        return int(np.prod(self.counts, dtype=np.int64))

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the tiles."""
        places = itertools.product(*(range(count) for count in self.counts))
        return tuple("-".join(("tile", *map(str, place))) for place in places)

    @property
    def loads(self) -> tuple[float, ...]:
        """Load of each tile [W]."""
        return self.load if isinstance(self.load, tuple) else (self.load,) * len(self)

    def to_json(self) -> dict[str, Any]:
        """The tiles as JSON."""
        return {"tiles": list(self.counts), "load_w": as_json(self.load)}

    def find_owner(self, problem: HeatProblem) -> NDArray[np.int32]:
        """Number of the tile of each cell, shape `cells`.

        Raises:
            FieldError: There are not as many counts as axes, or more tiles than cells along one.
        """
        cells = problem.domain.cells
        if len(cells) != len(self.counts) or any(a > b for a, b in zip(self.counts, cells, strict=True)):
            limit = "an integer for each axis, at most the number of its cells"
            raise FieldError("structure.regions.tiles", limit)
        axes = [np.arange(size) * count // size for size, count in zip(cells, self.counts, strict=True)]
        number = np.ravel_multi_index(tuple(np.meshgrid(*axes, indexing="ij")), self.counts)
        return number.astype(np.int32)


@dataclass(frozen=True)
class LoadedRegion:
    """A region with a name and a load.

    Args:
        name: 1 to 100 characters.
        region: The whole body, a box or a disc.
        load: [W].
    """

    name: str
    region: Region
    load: float = 0.0

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not 1 <= len(self.name) <= 100:
            raise FieldError("structure.regions.name", "a text of 1 to 100 characters")
        if not isinstance(self.region, (Everything, Box, Disc)):
            raise FieldError("structure.regions.region", "all, a box or a disc")
        require_number("structure.regions.load_w", self.load, LOAD)


@dataclass(frozen=True)
class LoadedRegions:
    """Regions with names, which have no cell in common.

    Args:
        parts: The regions.
    """

    parts: tuple[LoadedRegion, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "parts", as_tuple(self.parts))
        parts = self.parts if isinstance(self.parts, tuple) else ()
        if not 1 <= len(parts) <= MAX_REGIONS or not all(isinstance(part, LoadedRegion) for part in parts):
            raise FieldError("structure.regions", f"1 to {MAX_REGIONS} regions, each a LoadedRegion")
        if len(set(self.names)) < len(self.parts):
            raise FieldError("structure.regions", "names that differ")

    def __len__(self) -> int:
        return len(self.parts)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the regions."""
        return tuple(part.name for part in self.parts)

    @property
    def loads(self) -> tuple[float, ...]:
        """Load of each region [W]."""
        return tuple(part.load for part in self.parts)

    def to_json(self) -> list[dict[str, Any]]:
        """The regions as JSON."""
        return [{"name": part.name, "region": part.region.to_json(), "load_w": part.load} for part in self.parts]

    def find_owner(self, problem: HeatProblem) -> NDArray[np.int32]:
        """Number of the region of each cell, -1 for none, shape `cells`.

        Raises:
            FieldError: A region has no cell, or two have one in common.
        """
        owner = np.full(problem.domain.cells, -1, np.int32)
        for number, part in enumerate(self.parts):
            mask = part.region.mask(problem, {})
            if not mask.any() or (owner[mask] >= 0).any():
                limit = "cells of its own: the centre of one at least, and of none of another region"
                raise FieldError(f"structure.regions[{number}].region", limit)
            owner[mask] = number
        return owner


Regions = Tiles | LoadedRegions


class RegionMasks(Mapping[str, Mask]):
    """Cells of regions by their names, each made when it is asked for: thousands of masks would fill the memory.

    Args:
        names: Of the regions.
        owner: Number of the region of each cell, shape `cells`.
    """

    def __init__(self, names: tuple[str, ...], owner: NDArray[np.int32]) -> None:
        self._numbers, self._owner = {name: number for number, name in enumerate(names)}, owner

    def __getitem__(self, name: str) -> Mask:
        mask: Mask = self._owner == self._numbers[name]
        return mask

    def __iter__(self) -> Iterator[str]:
        return iter(self._numbers)

    def __len__(self) -> int:
        return len(self._numbers)


@dataclass(frozen=True)
class RegionCapacity:
    """The state in which a region fails.

    Args:
        measure: `failed_share` of its cells, or their `mean_temperature`.
        value: Share, or temperature, at which it fails: a number, or one for each region.
    """

    measure: Measure
    value: float | tuple[float, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "value", as_tuple(self.value))
        require_choice("structure.capacity", self.measure, ("failed_share", "mean_temperature"))
        for value in self.value if isinstance(self.value, tuple) else (self.value,):
            require_number("structure.capacity", value, SHARE if self.measure == "failed_share" else TEMPERATURE)

    def to_json(self) -> dict[str, Any]:
        """The capacity as JSON."""
        return {self.measure: as_json(self.value)}


@dataclass(frozen=True)
class Structure:
    """What a live run knows of its structure.

    Args:
        reference_temperature: Where there is no stress.
        support: `free` to stretch, or `held`.
        stress_level: `plate`, the estimate of every tick; `potential`, by which cells of a free plate of one material
            fail, found every `stress_ticks`.
        stress_ticks: Ticks from one potential to the next.
        ultimate_ratio: Ultimate over yield stress, for all materials or one for each: a cell fails there.
        temperature_limit: A cell fails there.
        life: Cycles to failure for ranges of stress, for all materials or one for each.
        creep: Life at high temperature, for all materials or one for each.
        conductivity_factor: Of cells that failed.
        regions: With loads.
        capacity: Of regions; None: they never fail.
        sharing: Where the load of a failed region goes: to its neighbours, or to all others.

    Raises:
        FieldError: A field is outside its limits.
    """

    reference_temperature: float
    support: Support = "free"
    stress_level: StressLevel = "plate"
    stress_ticks: int = 8
    ultimate_ratio: float | tuple[float, ...] = 1.5
    temperature_limit: float | None = None
    life: PowerLaw | tuple[PowerLaw | None, ...] | None = None
    creep: LarsonMiller | tuple[LarsonMiller | None, ...] | None = None
    conductivity_factor: float = 1.0
    regions: Regions | None = None
    capacity: RegionCapacity | None = None
    sharing: Sharing = "local"

    def __post_init__(self) -> None:
        for name in ("ultimate_ratio", "life", "creep"):
            object.__setattr__(self, name, as_tuple(getattr(self, name)))
        require_number("structure.reference_temperature", self.reference_temperature, TEMPERATURE)
        require_choice("structure.support", self.support, ("free", "held"))
        require_choice("structure.stress_level", self.stress_level, ("plate", "potential"))
        require_choice("structure.sharing", self.sharing, ("local", "equal"))
        if type(self.stress_ticks) is not int or not TICKS.allows(self.stress_ticks):
            raise FieldError("structure.stress_ticks", "an integer from 1 to 1000000")
        for ratio in as_many(self.ultimate_ratio, 1):
            require_number("structure.ultimate_ratio", ratio, RATIO)
        if self.temperature_limit is not None:
            require_number("structure.temperature_limit", self.temperature_limit, TEMPERATURE)
        require_number("structure.conductivity_factor", self.conductivity_factor, FACTOR)
        self._require_laws()
        if self.regions is not None:
            require_kind("structure.regions", self.regions, (Tiles, LoadedRegions), "Tiles or LoadedRegions")
        if self.capacity is not None:
            require_kind("structure.capacity", self.capacity, RegionCapacity, "a RegionCapacity")
            if self.regions is None:
                raise FieldError("structure.capacity", "regions beside it")

    def _require_laws(self) -> None:
        for law in as_many(self.life, 1):
            require_kind("structure.life", law, (PowerLaw, type(None)), "a PowerLaw or none")
            if law is not None:
                require_number("structure.life.coefficient_pa", law.coefficient, YIELD_STRESS)
                require_number("structure.life.exponent", law.exponent, EXPONENT)
        for table in as_many(self.creep, 1):
            require_kind("structure.creep", table, (LarsonMiller, type(None)), "a LarsonMiller or none")

    def require_fit(self, problem: HeatProblem) -> None:
        """Refuse a structure that a problem cannot have; needs no field.

        Raises:
            FieldError: A material lacks a property, a list has not an entry for each material or region, temperatures
                of a law of creep are relative, or the stress level is not to be had.
        """
        count, limit = len(problem.materials), temperature_limit(problem.temperature_unit)
        require_number("structure.reference_temperature", self.reference_temperature, limit)
        for index, material in enumerate(problem.materials):
            for name in ELASTIC:
                if getattr(material, name) is None:
                    path = "material" if count == 1 else f"material[{index}]"
                    raise FieldError(f"{path}.{name}", "required for a structure")
        for name in ("ultimate_ratio", "life", "creep"):
            value = getattr(self, name)
            if isinstance(value, tuple) and len(value) != count:
                raise FieldError(f"structure.{name}", f"one for all, or {count}, one for each material")
        if any(law is not None for law in as_many(self.creep, count)) and problem.temperature_unit == "relative":
            raise FieldError("structure.creep", "absolute temperatures: K or degC as the unit of the problem")
        if self.stress_level == "potential" and (reason := find_obstacle(problem, self.support)) is not None:
            raise FieldError("structure.stress_level", f"plate, since {reason}")
        value = None if self.capacity is None else self.capacity.value
        if isinstance(value, tuple) and self.regions is not None and len(value) != len(self.regions):
            raise FieldError("structure.capacity", f"a number, or {len(self.regions)}, one for each region")
        if self.regions is not None:
            self.regions.find_owner(problem)

    def masks(self, problem: HeatProblem) -> Mapping[str, Mask]:
        """Cells of each region by its name, for regions of changes; none without regions."""
        if self.regions is None:
            return {}
        return RegionMasks(self.regions.names, self.regions.find_owner(problem))

    def to_json(self) -> dict[str, Any]:
        """The structure as JSON, from which `grid.engine.live.structure_case.read_structure` makes the same."""
        life, creep = self.life, self.creep
        optional = {
            "temperature_limit": self.temperature_limit,
            "life": [_write_life(law) for law in life] if isinstance(life, tuple) else _write_life(life),
            "creep": [_write_creep(law) for law in creep] if isinstance(creep, tuple) else _write_creep(creep),
            "regions": None if self.regions is None else self.regions.to_json(),
            "capacity": None if self.capacity is None else self.capacity.to_json(),
        }
        return {
            "reference_temperature": self.reference_temperature,
            "support": self.support,
            "stress_level": self.stress_level,
            "stress_ticks": self.stress_ticks,
            "ultimate_ratio": as_json(self.ultimate_ratio),
            "conductivity_factor": self.conductivity_factor,
            "sharing": self.sharing,
            **{name: value for name, value in optional.items() if value is not None},
        }


def as_many(value: Kind | tuple[Kind, ...], count: int) -> tuple[Kind, ...]:
    """One value for each material, from one for all or a tuple of them."""
    return value if isinstance(value, tuple) else (value,) * count


def as_json(value: float | tuple[float, ...]) -> float | list[float]:
    """A number, or several, as JSON."""
    return list(value) if isinstance(value, tuple) else value


def _write_life(law: PowerLaw | None) -> dict[str, float] | None:
    return None if law is None else {"coefficient_pa": law.coefficient, "exponent": law.exponent}


def _write_creep(law: LarsonMiller | None) -> dict[str, Any] | None:
    return None if law is None else law.to_json()
