"""The problem: what is to be solved, frozen, in SI units. Nothing here says how.

    rho c dT/dt = div(K grad T) + q

Field names are those of the case format (docs/case-format.md). A `HeatProblem` that exists has passed every check that
needs no field; what must be evaluated on the grid (a conductivity that is an expression, say) is checked by `prepare`.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, Self

from grid.engine.arguments import as_tuple
from grid.engine.boundaries import INSULATED, Boundary
from grid.engine.phases import Enthalpy
from grid.engine.values import Constant, Expression, Value, as_expression, as_value

if TYPE_CHECKING:
    from grid.engine.cell_means import CellMeans
    from grid.engine.coverage import Coverage
    from grid.engine.cuts import Cuts

AXES = "xyz"
FACES = tuple(f"{axis}_{end}" for axis in AXES for end in ("min", "max"))
INTERNAL = "internal"  # faces between a cell of a masked body and a cell outside it
TemperatureUnit = Literal["K", "degC", "relative"]


@dataclass(frozen=True)
class Domain:
    """A box with a uniform grid of cells.

    Args:
        size: Lengths along x, y, z [m]; as many as the problem has dimensions.
        cells: Cells along each axis.
        origin: The low corner [m]; default 0.
        section: Cross-section [m2] in 1D, depth [m] in 2D; multiplies heat rates and nothing else.
        active: Truth expression of place: a cell belongs to the body where it is true at its centre.
    """

    size: tuple[float, ...]
    cells: tuple[int, ...]
    origin: tuple[float, ...] = ()
    section: float = 1.0
    active: Expression | None = None

    def __post_init__(self) -> None:
        for name in ("size", "cells", "origin"):
            object.__setattr__(self, name, as_tuple(getattr(self, name)))
        if isinstance(self.origin, tuple) and not self.origin and isinstance(self.size, tuple):
            object.__setattr__(self, "origin", (0.0,) * len(self.size))
        object.__setattr__(self, "active", as_expression(self.active))

    @property
    def dimension(self) -> int:
        return len(self.size)

    @cached_property
    def spacing(self) -> tuple[float, ...]:
        """Cell sizes [m]."""
        return tuple(length / count for length, count in zip(self.size, self.cells, strict=True))

    def face_index(self, axis: str, position: float) -> int | None:
        """Number of cells below a plane that falls on a face inside the box; None if it does not."""
        index = AXES.index(axis)
        local = (position - self.origin[index]) / self.spacing[index]
        nearest = round(local) if math.isfinite(local) else 0
        return nearest if 0 < nearest < self.cells[index] and abs(local - nearest) < 1e-6 * max(nearest, 1) else None

    @property
    def cell_count(self) -> int:
        return math.prod(self.cells)


@dataclass(frozen=True)
class Material:
    """Properties of the body, or of the region where `where` is true.

    Args:
        conductivity: One value, one for each axis, or a full tensor row by row (4 or 9 values) [W/(m K)].
        volumetric_heat_capacity: rho c [J/(m3 K)]; or give `density` and `specific_heat`.
        density: [kg/m3].
        specific_heat: [J/(kg K)].
        where: Truth expression of place; needed as soon as there are two materials.
        enthalpy: Of a material that melts; its slope is then the heat capacity.
        young_modulus, poisson_ratio, thermal_expansion, yield_stress: For stresses [Pa, 1, 1/K, Pa]; not used by heat.
    """

    conductivity: tuple[Value, ...]
    volumetric_heat_capacity: Value | None = None
    density: Value | None = None
    specific_heat: Value | None = None
    where: Expression | None = None
    young_modulus: float | None = None
    poisson_ratio: float | None = None
    thermal_expansion: float | None = None
    yield_stress: float | None = None
    enthalpy: Enthalpy | None = None

    def __post_init__(self) -> None:
        given = as_tuple(self.conductivity)
        given = given if isinstance(given, tuple) else (given,)
        object.__setattr__(self, "conductivity", tuple(as_value(value) for value in given))
        for name in ("volumetric_heat_capacity", "density", "specific_heat"):
            object.__setattr__(self, name, as_value(getattr(self, name)))
        object.__setattr__(self, "where", as_expression(self.where))

    @property
    def values(self) -> tuple[Value, ...]:
        """All properties of heat that are given."""
        capacity = (self.volumetric_heat_capacity, self.density, self.specific_heat)
        return (*self.conductivity, *(value for value in capacity if value is not None))

    def conductivity_entry(self, row: int, column: int, dimension: int) -> Value:
        """One entry of the conductivity tensor."""
        if len(self.conductivity) > dimension:
            return self.conductivity[row * dimension + column]
        if row != column:
            return Constant(0.0)
        return self.conductivity[row if len(self.conductivity) > 1 else 0]

    @property
    def is_elastic(self) -> bool:
        """Whether a thermal stress can be told."""
        return self.young_modulus is not None and self.thermal_expansion is not None

    @property
    def has_capacity(self) -> bool:
        return self.volumetric_heat_capacity is not None or (
            self.density is not None and self.specific_heat is not None
        )


@dataclass(frozen=True)
class Contact:
    """A plane across the whole body where heat flux = conductance times the jump of temperature.

    Args:
        axis: `x`, `y` or `z`, normal to the plane.
        position: Coordinate of the plane along the axis [m]; on a cell face.
        conductance: [W/(m2 K)].
    """

    axis: str
    position: float
    conductance: float


@dataclass(frozen=True)
class Adaptive:
    """Automatic choice between the lumped and the diffusive model, see `grid.engine.lumped.fidelity`.

    Args:
        measure: `surface_stress` on `face` [Pa], or `hottest_above_mean` [K].
        threshold: The lumped model is left where the measure predicted for the next step exceeds it.
        face: `x_min` ... `z_max`, of `surface_stress`.
        return_fraction: Share of the threshold below which the lumped model is taken up again.
        dwell: Least time between a switch and the return to the lumped model [s].
    """

    measure: Literal["surface_stress", "hottest_above_mean"]
    threshold: float
    face: str = ""
    return_fraction: float = 0.5
    dwell: float = 0.0


@dataclass(frozen=True)
class Pin:
    """The level of a part of a steady body that no face and no load ties to a temperature.

    Args:
        temperature: At the point `at`; or give `mean_temperature`.
        mean_temperature: Heat-weighted mean of the part.
        at: A point of the part, one coordinate for each axis [m]; not needed for the mean of the only such part.
    """

    temperature: float | None = None
    mean_temperature: float | None = None
    at: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "at", as_tuple(self.at))


@dataclass(frozen=True)
class HeatProblem:
    """A heat problem on a box; see `from_case` for the JSON form.

    Args:
        domain: The box and its grid.
        materials: One, or several with `where`.
        initial: Temperature at t = 0, value of place; needed unless `steady`.
        boundaries: Conditions by face name (`x_min` ... `z_max`); a face not named is insulated.
        source_term: q [W/m3], value of place and time.
        steady: Ask for the steady state instead of a transient.
        end_time: Length of a transient [s].
        steps: Equal steps from 0 to `end_time` at which an implicit method is meant to meet its tolerance.
        velocity: Constant velocity of the medium along each axis [m/s], carrying rho c T; empty for none.
        contacts: Planes of imperfect contact.
        breakpoints: Times at which a load jumps; a step ends exactly there [s].
        temperature_unit: Unit of all temperatures of the problem.
        exact: The exact field, where it is known; for measuring errors.
        guess: Start of an iteration for a steady problem.
        initial_phase: `liquid` or `solid`: a body that starts exactly at its melting temperature has all its latent
            heat, or none.
        adaptive: Automatic choice of model, from this measure.
        pins: Levels of the parts of a steady body whose heat balances, and which exchange heat with nothing that has a
            temperature.

    Raises:
        FieldError, InvalidFieldsError: A field is outside its limits.
        UnsupportedError: A valid feature that this version does not have.
    """

    domain: Domain
    materials: tuple[Material, ...]
    initial: Value | None = None
    boundaries: Mapping[str, Boundary] = field(default_factory=dict)
    source_term: Value = field(default_factory=lambda: Constant(0.0))
    steady: bool = False
    end_time: float | None = None
    steps: int | None = None
    velocity: tuple[float, ...] = ()
    contacts: tuple[Contact, ...] = ()
    breakpoints: tuple[float, ...] = ()
    temperature_unit: TemperatureUnit = "relative"
    exact: Expression | None = None
    guess: Value = field(default_factory=lambda: Constant(0.0))
    initial_phase: Literal["liquid", "solid"] = "liquid"
    adaptive: Adaptive | None = None
    pins: tuple[Pin, ...] = ()

    def __post_init__(self) -> None:
        from grid.engine.validation import require_valid

        for name in ("initial", "source_term", "guess"):
            object.__setattr__(self, name, as_value(getattr(self, name)))
        for name in ("materials", "velocity", "contacts", "breakpoints", "pins"):
            object.__setattr__(self, name, as_tuple(getattr(self, name)))
        object.__setattr__(self, "exact", as_expression(self.exact))
        if isinstance(self.boundaries, Mapping):
            object.__setattr__(self, "boundaries", dict(self.boundaries))
        require_valid(self)

    @classmethod
    def from_case(cls, case: Mapping[str, Any]) -> Self:
        """Read a case of the format; `expected` and prose are ignored, other unknown fields are refused.

        Raises:
            FieldError, InvalidFieldsError: Fields are missing, unknown, of the wrong type or outside their limits.
            UnsupportedError: The case is valid, and this version cannot do it; names the feature.
        """
        from grid.engine.case import read_problem

        return cls(**read_problem(case))

    @property
    def dimension(self) -> int:
        return self.domain.dimension

    @cached_property
    def coupled_axes(self) -> tuple[tuple[int, int], ...]:
        """Pairs of axes between which some material has an off-diagonal conductivity."""
        d, none = self.dimension, Constant(0.0)
        pairs = [(a, b) for a in range(d) for b in range(a + 1, d)]
        return tuple(
            (a, b)
            for a, b in pairs
            if any({m.conductivity_entry(a, b, d), m.conductivity_entry(b, a, d)} != {none} for m in self.materials)
        )

    @cached_property
    def has_phase_change(self) -> bool:
        return any(material.enthalpy is not None for material in self.materials)

    @cached_property
    def cuts(self) -> "Cuts | None":
        """Cells that the border of two regions cuts; None where there are none, or where cells count by their centre.

        That they do where a material melts or a conductivity is a full tensor.
        """
        if len(self.materials) < 2 or self.has_phase_change or self.coupled_axes:
            return None
        from grid.engine.cuts import find_cuts
        from grid.engine.materials import find_regions

        truths = [material.where for material in self.materials if material.where is not None]
        return find_cuts(self.domain, truths, "material", lambda: find_regions(self))

    @cached_property
    def coverage(self) -> "Coverage | None":
        """What the grid misses of masks and regions; None of a box of one material."""
        if self.domain.active is None and len(self.materials) < 2:
            return None
        from grid.engine.coverage import find_coverage

        return find_coverage(self)

    @cached_property
    def load_means(self) -> "dict[str, CellMeans | None]":
        """Means of loads over cells and faces by their paths, as far as they were asked for."""
        return {}

    @property
    def has_flow(self) -> bool:
        return any(self.velocity)

    def carried(self, axis: int) -> float:
        """rho c v along an axis [W/(m2 K)]: heat that the flow carries for each kelvin."""
        if not self.has_flow:
            return 0.0
        material = self.materials[0]
        if isinstance(material.volumetric_heat_capacity, Constant):
            return material.volumetric_heat_capacity.value * self.velocity[axis]
        values = (material.density, material.specific_heat)
        return self.velocity[axis] * math.prod(value.value for value in values if isinstance(value, Constant))

    @cached_property
    def is_linear(self) -> bool:
        """Whether all coefficients are constant in time and free of temperature."""
        materials = [value for material in self.materials for value in material.values]
        loads = [self.source_term, *(v for law in self.boundaries.values() for v in law.values.values())]
        return (
            not any(value.variables & {"t", "T"} for value in materials)
            and not any("T" in value.variables for value in loads)
            and all(law.is_linear for law in self.boundaries.values())
        )

    @cached_property
    def has_timed_values(self) -> bool:
        """Whether a load or a property depends on time."""
        loads = [self.source_term, *(v for law in self.boundaries.values() for v in law.values.values())]
        properties = (value for material in self.materials for value in material.values)
        return any("t" in value.variables for value in (*loads, *properties))

    def boundary(self, face: str) -> Boundary:
        """The condition of a face; insulated if none was given."""
        return self.boundaries.get(face, INSULATED)

    @cached_property
    def is_periodic(self) -> tuple[bool, ...]:
        """For each axis, whether its two faces are joined."""
        return tuple(self.boundary(f"{axis}_min").type == "periodic" for axis in AXES[: self.dimension])
