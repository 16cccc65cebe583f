"""Boundary conditions: names of the types, their fields, and their laws.

Every law is written in the Robin form, with q_n the conductive heat into the body [W/m2] and T_s the surface
temperature,

    q_n = film (reference - T_s) + imposed

with an infinite film for a given temperature. The half cell between the centre T_P and the surface conducts
q_n = g (T_s - T_P), g = 2 k / cell size; eliminating T_s leaves q_n = U (reference - T_P) + F with
U = g film / (g + film), F = imposed g / (g + film). A new type is one class here: its fields, limits and law.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any, ClassVar, Protocol

import numpy as np

from grid.engine import limits
from grid.engine.limits import Limit
from grid.engine.values.operations import Operand
from grid.engine.values.read import as_value
from grid.engine.values.value import Constant, Value

RISE = 1e-6  # [-] relative to the surface temperature, at least 1 K: rise for the slope of a flux
# [-] relative to the film at the temperature of the surroundings: least film, because a surface at 0 K absorbs heat too
FAINTEST = 1e-12


class Evaluate(Protocol):
    """Evaluation of a field, at given places and time, and at the surface temperature or a rise above it."""

    def __call__(self, name: str, rise: Operand = 0.0, /) -> Operand:
        """Return the value of a field."""


STEFAN_BOLTZMANN = Constant(5.670374419e-8)  # [W/(m2 K4)] CODATA 2018


@dataclass(frozen=True)
class Robin:
    """q_n = film (reference - T_s) + imposed; scalars or one entry for each face of the patch."""

    film: Operand  # W/(m2 K), may be infinite
    reference: Operand  # temperature
    imposed: Operand  # W/m2


@dataclass(frozen=True)
class Boundary(ABC):
    """Base of all boundary conditions.

    All properties of a law that the rest of the engine uses are class attributes here, so that no code distinguishes
    laws by their name. The last two arguments of `robin` matter to laws that are not linear: the surface temperature
    at which they are linearised, and the offset to absolute temperature.

    Args:
        type: Name in the case format.
        limits: Fields that are values, with their limits.
        optional: Fields that a case may leave out.
        films: Fields that are film coefficients: part of the operator, proportional to the difference to
            `temperatures`.
        temperatures: Fields that are temperatures which the body exchanges heat with.
        fluxes: Fields that are heat fluxes into the body, whatever its temperature.
        of_surface: Fields that may depend on the surface temperature.
        is_linear: True where the law is linear, as long as its fields do not depend on T.
        is_bounded: True where temperatures stay between those of `temperatures` and the body's own (maximum principle).
        holds_temperature: True where the surface has the reference temperature.
    """

    type: ClassVar[str]
    limits: ClassVar[dict[str, Limit]] = {}
    optional: ClassVar[tuple[str, ...]] = ()
    films: ClassVar[tuple[str, ...]] = ()
    temperatures: ClassVar[tuple[str, ...]] = ()
    fluxes: ClassVar[tuple[str, ...]] = ()
    of_surface: ClassVar[tuple[str, ...]] = ()
    is_linear: ClassVar[bool] = True
    is_bounded: ClassVar[bool] = True
    holds_temperature: ClassVar[bool] = False

    def __post_init__(self) -> None:
        for item in fields(self):  # numbers and texts are read as the values that they denote
            object.__setattr__(self, item.name, as_value(getattr(self, item.name)))

    @cached_property
    def values(self) -> dict[str, Value]:
        """Fields that are values, by name; not to be written to."""
        return {item.name: getattr(self, item.name) for item in fields(self)}

    @property
    def film_values(self) -> tuple[Value, ...]:
        """Fields that are film coefficients [W/(m2 K)]."""
        return tuple(self.values[name] for name in self.films)

    @property
    def temperature_values(self) -> tuple[Value, ...]:
        """Fields that are temperatures."""
        return tuple(self.values[name] for name in self.temperatures)

    @property
    def flux_values(self) -> tuple[Value, ...]:
        """Fields that are heat fluxes [W/m2]."""
        return tuple(self.values[name] for name in self.fluxes)

    @property
    def has_fluxes(self) -> bool:
        """True where the law imposes a heat flux."""
        return bool(self.fluxes)

    @property
    def radiation(self) -> tuple[Value, ...]:
        """Factors of the radiative strength of the surface [W/(m2 K4)]; none where it does not radiate."""
        return ()

    @property
    def radiates(self) -> bool:
        """True where heat goes with the fourth power of the surface temperature."""
        return bool(self.radiation) and Constant(0.0) not in self.radiation

    @property
    def is_polynomial(self) -> bool:
        """True where the law is a film, a flux and a fourth power of temperature, as compiled loops take it.

        Of any other, nothing is known but its tangents.
        """
        return self.is_linear or bool(self.radiation)

    @abstractmethod
    def robin(self, _evaluate: Evaluate, /, _surface: Operand = 0.0, _offset: float = 0.0) -> Robin:
        """Evaluate the law with fields from `_evaluate(field name)`."""


@dataclass(frozen=True)
class Insulated(Boundary):
    """No heat flux: q_n = 0."""

    type: ClassVar[str] = "insulated"

    def robin(self, _evaluate: Evaluate, /, _surface: Operand = 0.0, _offset: float = 0.0) -> Robin:
        """Return the law without film and flux."""
        return Robin(0.0, 0.0, 0.0)


@dataclass(frozen=True)
class Periodic(Boundary):
    """Field and flux that continue on the opposite face; the mesh joins the two, so there is no law."""

    type: ClassVar[str] = "periodic"

    def robin(self, _evaluate: Evaluate, /, _surface: Operand = 0.0, _offset: float = 0.0) -> Robin:
        """Return the law without film and flux."""
        return Robin(0.0, 0.0, 0.0)


@dataclass(frozen=True)
class Temperature(Boundary):
    """Given surface temperature: T_s = value."""

    type: ClassVar[str] = "temperature"
    limits: ClassVar[dict[str, Limit]] = {"value": limits.TEMPERATURE}
    temperatures: ClassVar[tuple[str, ...]] = ("value",)
    holds_temperature: ClassVar[bool] = True
    value: Value

    def robin(self, evaluate: Evaluate, /, _surface: Operand = 0.0, _offset: float = 0.0) -> Robin:
        """Return the law with an infinite film."""
        return Robin(np.inf, evaluate("value"), 0.0)


@dataclass(frozen=True)
class Flux(Boundary):
    r"""Given heat flux: q_n = value, positive into the body.

    Where the value depends on the surface temperature it is linearised there,
    :math:`q_n(T) \approx q_n(T_s) + q_n'(T_s) (T - T_s)`, as far as the flux falls with temperature; a flux that rises
    with it has no film, and is taken as it is.
    """

    type: ClassVar[str] = "flux"
    limits: ClassVar[dict[str, Limit]] = {"value": limits.HEAT_FLUX}
    fluxes: ClassVar[tuple[str, ...]] = ("value",)
    of_surface: ClassVar[tuple[str, ...]] = ("value",)
    is_bounded: ClassVar[bool] = False
    value: Value

    def robin(self, evaluate: Evaluate, /, surface: Operand = 0.0, offset: float = 0.0) -> Robin:
        """Return the law, linearised at the surface temperature where the flux depends on it."""
        flux = evaluate("value")
        if "T" not in self.value.variables:
            return Robin(0.0, 0.0, flux)
        rise = RISE * np.maximum(np.abs(surface + offset), 1.0)
        return Robin(np.maximum((flux - evaluate("value", rise)) / rise, 0.0), surface, flux)


@dataclass(frozen=True)
class Convection(Boundary):
    """Newton's law of cooling: q_n = coefficient (ambient - T_s)."""

    type: ClassVar[str] = "convection"
    limits: ClassVar[dict[str, Limit]] = {"coefficient": limits.COEFFICIENT, "ambient": limits.TEMPERATURE}
    films: ClassVar[tuple[str, ...]] = ("coefficient",)
    temperatures: ClassVar[tuple[str, ...]] = ("ambient",)
    of_surface: ClassVar[tuple[str, ...]] = ("coefficient",)
    coefficient: Value
    ambient: Value

    def robin(self, evaluate: Evaluate, /, _surface: Operand = 0.0, _offset: float = 0.0) -> Robin:
        """Return the law, which is of Robin's form already."""
        return Robin(evaluate("coefficient"), evaluate("ambient"), 0.0)


@dataclass(frozen=True)
class Radiation(Boundary):
    """Radiation: q_n = emissivity sigma (surroundings^4 - T_s^4), in kelvin; linearised at the surface temperature."""

    type: ClassVar[str] = "radiation"
    limits: ClassVar[dict[str, Limit]] = {
        "emissivity": limits.EMISSIVITY,
        "surroundings": limits.TEMPERATURE,
        "stefan_boltzmann": limits.STEFAN_BOLTZMANN,
    }
    optional: ClassVar[tuple[str, ...]] = ("stefan_boltzmann",)
    temperatures: ClassVar[tuple[str, ...]] = ("surroundings",)
    of_surface: ClassVar[tuple[str, ...]] = ("emissivity",)
    is_linear: ClassVar[bool] = False
    emissivity: Value
    surroundings: Value
    stefan_boltzmann: Value = STEFAN_BOLTZMANN

    @property
    def radiation(self) -> tuple[Value, ...]:
        """Emissivity and Stefan-Boltzmann constant."""
        return self.emissivity, self.stefan_boltzmann

    def robin(self, evaluate: Evaluate, /, surface: Operand = 0.0, offset: float = 0.0) -> Robin:
        """Return the tangent of the law at the surface temperature."""
        strength = evaluate("emissivity") * evaluate("stefan_boltzmann")
        hot, cold = evaluate("surroundings") + offset, np.maximum(surface + offset, 0.0)
        tangent = strength * np.maximum(4.0 * cold**3, FAINTEST * hot**3)
        heat = strength * (hot**4 - cold**4)
        return Robin(tangent, hot - offset, heat - tangent * (hot - cold))


@dataclass(frozen=True)
class ConvectionRadiation(Boundary):
    """Sum of convection and radiation."""

    type: ClassVar[str] = "convection_radiation"
    limits: ClassVar[dict[str, Limit]] = {**Convection.limits, **Radiation.limits}
    optional: ClassVar[tuple[str, ...]] = Radiation.optional
    films: ClassVar[tuple[str, ...]] = Convection.films
    temperatures: ClassVar[tuple[str, ...]] = (*Convection.temperatures, *Radiation.temperatures)
    of_surface: ClassVar[tuple[str, ...]] = (*Convection.of_surface, *Radiation.of_surface)
    is_linear: ClassVar[bool] = False
    is_bounded: ClassVar[bool] = False
    coefficient: Value
    ambient: Value
    emissivity: Value
    surroundings: Value
    stefan_boltzmann: Value = STEFAN_BOLTZMANN

    @property
    def radiation(self) -> tuple[Value, ...]:
        """Emissivity and Stefan-Boltzmann constant."""
        return self.emissivity, self.stefan_boltzmann

    def robin(self, evaluate: Evaluate, /, surface: Operand = 0.0, offset: float = 0.0) -> Robin:
        """Return the sum of both laws, radiation as its tangent at the surface temperature."""
        film, ambient = evaluate("coefficient"), evaluate("ambient")
        law = Radiation.robin(self, evaluate, surface, offset)  # type: ignore[arg-type]
        return Robin(film + law.film, ambient, law.imposed + law.film * (law.reference - ambient))


INSULATED = Insulated()
BOUNDARY_TYPES: dict[str, type[Boundary]] = {
    kind.type: kind for kind in (Insulated, Periodic, Temperature, Flux, Convection, Radiation, ConvectionRadiation)
}


def make_boundary(kind: str, values: dict[str, Any]) -> Boundary:
    """Make the boundary condition of the type `kind` from its fields."""
    return BOUNDARY_TYPES[kind](**values)
