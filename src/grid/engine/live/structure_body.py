"""Structure of a live run on its grid: numbers of its materials, laws and regions that no tick changes."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from grid.engine.live.cascade import RegionGraph
from grid.engine.live.creep import ENTRIES
from grid.engine.live.potential import PotentialPlan, make_potential_plan
from grid.engine.live.structure import Structure, as_many
from grid.engine.problem.problem import HeatProblem
from grid.engine.space.regions import find_regions
from grid.engine.space.space import CELSIUS_ZERO, Space
from grid.engine.values.operations import FloatArray

NOISE = 0.01  # [-] share of the yield stress up to which a change of direction is noise
Cells = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class RegionBody:
    """Regions of a body.

    Args:
        names: Of the regions.
        owner: Number of the region of each cell, -1 for none, flat.
        counts: Cells of the body in each region.
        graph: Neighbours of the regions.
        capacity: Of each region, see `RegionCapacity`; infinite for regions that never fail.
    """

    names: tuple[str, ...]
    owner: NDArray[np.int32]
    counts: Cells
    graph: RegionGraph
    capacity: FloatArray


@dataclass(frozen=True, eq=False)
class StructureBody:
    """Numbers of a structure that no tick changes.

    Args:
        structure: The structure.
        region: Material of each cell, -1 outside the body, flat.
        laws: A row for each material and one for cells outside, see `grid.engine.live.structure_kernels`.
        rates: Shares of life a second over absolute temperature, shape (materials, entries) [1/s].
        rate_starts, rate_steps: First temperature and step of each material's rates [K]; a step of 0 for no law.
        kelvin: Absolute temperature of 0 in the unit of the problem [K].
        regions: None without regions.
        potential: None where the level of stress is the plate.
        is_uniform: True for one material that fills its box.
    """

    structure: Structure
    region: NDArray[np.int16]
    laws: FloatArray
    rates: FloatArray
    rate_starts: FloatArray
    rate_steps: FloatArray
    kelvin: float
    regions: RegionBody | None
    potential: PotentialPlan | None
    is_uniform: bool

    @property
    def has_life(self) -> bool:
        """True where cycles use up the life of a material."""
        return any(law is not None for law in as_many(self.structure.life, 1))

    @property
    def has_creep(self) -> bool:
        """True where high temperature uses up the life of a material."""
        return any(law is not None for law in as_many(self.structure.creep, 1))


def make_body(space: Space, structure: Structure) -> StructureBody:
    """Prepare a structure.

    Raises:
        FieldError: The structure does not fit the problem, see `Structure.require_fit`.
    """
    problem = space.problem
    assert isinstance(problem, HeatProblem)  # noqa: S101 - for mypy
    structure.require_fit(problem)
    found = find_regions(problem)
    region = np.zeros(problem.domain.cell_count, np.int16) if found is None else found.reshape(-1).astype(np.int16)
    rates, starts, steps = _tabulate(structure, len(problem.materials))
    return StructureBody(
        structure,
        region,
        _gather_laws(problem, structure),
        rates,
        starts,
        steps,
        CELSIUS_ZERO if problem.temperature_unit == "degC" else 0.0,
        _make_regions(problem, structure, region),
        make_potential_plan(problem) if structure.stress_level == "potential" else None,
        found is None,
    )


def _gather_laws(problem: HeatProblem, structure: Structure) -> FloatArray:
    """A row for each material, in the order of the columns of the kernels; the last one for cells outside the body."""
    from grid.engine.live import structure_kernels as kernels

    count = len(problem.materials)
    laws = np.zeros((count + 1, kernels.LAWS))
    laws[:, [kernels.ULTIMATE, kernels.LIMIT]] = np.inf
    ratios, lives = as_many(structure.ultimate_ratio, count), as_many(structure.life, count)
    for index, material in enumerate(problem.materials):
        modulus, ratio, expansion, limit = (
            float(getattr(material, name) or 0.0)
            for name in ("young_modulus", "poisson_ratio", "thermal_expansion", "yield_stress")
        )
        row = laws[index]
        row[kernels.MODULUS], row[kernels.EXPANSION] = modulus / (1.0 - ratio), expansion
        row[kernels.INVERSE_YIELD], row[kernels.GATE] = 1.0 / limit, NOISE * limit
        if structure.stress_level == "plate":
            row[kernels.ULTIMATE] = ratios[index]
        if structure.temperature_limit is not None:
            row[kernels.LIMIT] = structure.temperature_limit
        life = lives[index]
        row[kernels.POWER] = 1.0
        if life is not None:
            row[kernels.SCALE], row[kernels.POWER] = 0.5 / life.coefficient, -1.0 / life.exponent
    return laws


def _tabulate(structure: Structure, count: int) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Rates of creep of each material, their first temperatures and steps."""
    rates, starts, steps = np.zeros((count, ENTRIES)), np.zeros(count), np.zeros(count)
    for index, law in enumerate(as_many(structure.creep, count)):
        if law is not None:
            starts[index], steps[index], rates[index] = law.make_rates()
    return rates, starts, steps


def _make_regions(problem: HeatProblem, structure: Structure, region: NDArray[np.int16]) -> RegionBody | None:
    regions, capacity = structure.regions, structure.capacity
    if regions is None:
        return None
    owner = regions.find_owner(problem)
    owner[region.reshape(owner.shape) < 0] = -1  # cells outside the body bear nothing
    flat, count = owner.reshape(-1), len(regions)
    return RegionBody(
        regions.names,
        flat,
        np.bincount(flat[flat >= 0], minlength=count).astype(np.int64),
        RegionGraph.of_cells(owner, count),
        np.full(count, np.inf) if capacity is None else np.array(as_many(capacity.value, count), np.float64),
    )
