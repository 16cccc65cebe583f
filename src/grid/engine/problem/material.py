"""Parts of a problem beside its box and its faces: materials, contacts, choice of model, pins."""

from dataclasses import dataclass
from typing import Literal

from grid.engine.arguments import as_tuple
from grid.engine.values.expression import Expression
from grid.engine.values.phase_change import Enthalpy
from grid.engine.values.read import as_expression, as_value
from grid.engine.values.value import Constant, Value


@dataclass(frozen=True)
class Material:
    """Properties of the body, or of the region where `where` is true.

    Args:
        conductivity: One value, one for each axis, or a full tensor row by row (4 or 9 values) [W/(m K)].
        volumetric_heat_capacity: rho c [J/(m3 K)]; or give `density` and `specific_heat`.
        density: [kg/m3].
        specific_heat: [J/(kg K)].
        where: Truth expression of place; required where there are two materials or more.
        enthalpy: Enthalpy of a material that melts; its slope is then the heat capacity.
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
        """All thermal properties that are given."""
        capacity = (self.volumetric_heat_capacity, self.density, self.specific_heat)
        return (*self.conductivity, *(value for value in capacity if value is not None))

    @property
    def capacity_values(self) -> tuple[Value, ...]:
        """Properties that determine the heat capacity, as far as they are given."""
        return self.values[len(self.conductivity) :]

    def conductivity_entry(self, row: int, column: int, dimension: int) -> Value:
        """Return one entry of the conductivity tensor."""
        if len(self.conductivity) > dimension:
            return self.conductivity[row * dimension + column]
        if row != column:
            return Constant(0.0)
        return self.conductivity[row if len(self.conductivity) > 1 else 0]

    @property
    def is_elastic(self) -> bool:
        """True where a thermal stress can be computed."""
        return self.young_modulus is not None and self.thermal_expansion is not None

    @property
    def has_capacity(self) -> bool:
        """True where a heat capacity is given."""
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
        threshold: Largest measure, predicted for the next step, up to which the lumped model is used.
        face: `x_min` ... `z_max`, of `surface_stress`.
        return_fraction: Share of the threshold below which the lumped model is used again.
        dwell: Least time between a switch and the return to the lumped model [s].
    """

    measure: Literal["surface_stress", "hottest_above_mean"]
    threshold: float
    face: str = ""
    return_fraction: float = 0.5
    dwell: float = 0.0


@dataclass(frozen=True)
class Pin:
    """Level of a part of a steady body whose temperature no face and no load determines.

    Args:
        temperature: Temperature at the point `at`; or give `mean_temperature`.
        mean_temperature: Heat-weighted mean of the part.
        at: A point of the part, one coordinate for each axis [m]; not needed for the mean of the only such part.
    """

    temperature: float | None = None
    mean_temperature: float | None = None
    at: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "at", as_tuple(self.at))
