"""Boundary conditions: what each type is called, which fields it has, and its law.

Every law is written in the Robin form, with q_n the conductive heat into the body [W/m2] and T_s the surface
temperature,

    q_n = film (reference - T_s) + imposed

with an endless film for a given temperature. The half cell between the centre T_P and the surface conducts
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

RISE = 1e-6  # of the surface temperature [K]: for the slope of a flux
FAINTEST = 1e-12  # of the film of the surroundings: a surface at 0 K exchanges heat with them as well


class Evaluate(Protocol):
    """The value of a field, at the places and time in question, and at the surface temperature or a rise above it."""

    def __call__(self, name: str, rise: Operand = 0.0, /) -> Operand: ...


STEFAN_BOLTZMANN = Constant(5.670374419e-8)  # W/(m2 K4), CODATA 2018


@dataclass(frozen=True)
class Robin:
    """q_n = film (reference - T_s) + imposed; scalars or one entry for each face of the patch."""

    film: Operand  # W/(m2 K), may be infinite
    reference: Operand  # temperature
    imposed: Operand  # W/m2


@dataclass(frozen=True)
class Boundary(ABC):
    """Base of all boundary conditions.

    What the rest of the engine asks of a law is a class attribute here, so that no code tells laws apart by their name.
    The last two arguments of `robin` matter to laws that are not linear: the surface temperature at which they are
    taken, and what makes it absolute.

    Args:
        type: Name in the case format.
        limits: Fields that are values, with what they may be.
        optional: Fields that a case may leave out.
        films: Fields that are film coefficients: part of the operator, proportional to the difference to
            `temperatures`.
        temperatures: Fields that are temperatures which the body exchanges heat with.
        fluxes: Fields that are heat fluxes into the body, whatever its temperature.
        of_surface: Fields that may depend on the surface temperature.
        is_linear: Whether the law is, as long as its fields do not depend on T.
        is_bounded: Whether temperatures stay between those of `temperatures` and the body's own (maximum principle).
        holds_temperature: Whether the surface has the reference temperature.
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
        for item in fields(self):  # numbers and texts stand for the values they mean
            object.__setattr__(self, item.name, as_value(getattr(self, item.name)))

    @cached_property
    def values(self) -> dict[str, Value]:
        """The fields that are values, by name; not to be written to."""
        return {item.name: getattr(self, item.name) for item in fields(self)}

    @property
    def film_values(self) -> tuple[Value, ...]:
        """The fields that are film coefficients [W/(m2 K)]."""
        return tuple(self.values[name] for name in self.films)

    @property
    def temperature_values(self) -> tuple[Value, ...]:
        """The fields that are temperatures."""
        return tuple(self.values[name] for name in self.temperatures)

    @property
    def flux_values(self) -> tuple[Value, ...]:
        """The fields that are heat fluxes [W/m2]."""
        return tuple(self.values[name] for name in self.fluxes)

    @property
    def has_fluxes(self) -> bool:
        """Whether it imposes a heat flux."""
        return bool(self.fluxes)

    @property
    def radiation(self) -> tuple[Value, ...]:
        """Factors of the strength with which the surface radiates [W/(m2 K4)]; none where it does not."""
        return ()

    @property
    def radiates(self) -> bool:
        """Whether heat goes with the fourth power of the surface temperature."""
        return bool(self.radiation) and Constant(0.0) not in self.radiation

    @property
    def is_polynomial(self) -> bool:
        """True where the law is a film, a flux and a fourth power of temperature, as compiled loops take it.

        Of any other, nothing is known but its tangents.
        """
        return self.is_linear or bool(self.radiation)

    @abstractmethod
    def robin(self, _evaluate: Evaluate, /, _surface: Operand = 0.0, _offset: float = 0.0) -> Robin:
        """The law, with its fields evaluated by `_evaluate(field name)`."""


@dataclass(frozen=True)
class Insulated(Boundary):
    """q_n = 0."""

    type: ClassVar[str] = "insulated"

    def robin(self, _evaluate: Evaluate, /, _surface: Operand = 0.0, _offset: float = 0.0) -> Robin:
        return Robin(0.0, 0.0, 0.0)


@dataclass(frozen=True)
class Periodic(Boundary):
    """Field and flux continue on the opposite face; the mesh joins the two, so there is no law of its own."""

    type: ClassVar[str] = "periodic"

    def robin(self, _evaluate: Evaluate, /, _surface: Operand = 0.0, _offset: float = 0.0) -> Robin:
        return Robin(0.0, 0.0, 0.0)


@dataclass(frozen=True)
class Temperature(Boundary):
    """T_s = value."""

    type: ClassVar[str] = "temperature"
    limits: ClassVar[dict[str, Limit]] = {"value": limits.TEMPERATURE}
    temperatures: ClassVar[tuple[str, ...]] = ("value",)
    holds_temperature: ClassVar[bool] = True
    value: Value

    def robin(self, evaluate: Evaluate, /, _surface: Operand = 0.0, _offset: float = 0.0) -> Robin:
        return Robin(np.inf, evaluate("value"), 0.0)


@dataclass(frozen=True)
class Flux(Boundary):
    r"""q_n = value, positive into the body.

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
        flux = evaluate("value")
        if "T" not in self.value.variables:
            return Robin(0.0, 0.0, flux)
        rise = RISE * np.maximum(np.abs(surface + offset), 1.0)
        return Robin(np.maximum((flux - evaluate("value", rise)) / rise, 0.0), surface, flux)


@dataclass(frozen=True)
class Convection(Boundary):
    """q_n = coefficient (ambient - T_s), Newton's law of cooling."""

    type: ClassVar[str] = "convection"
    limits: ClassVar[dict[str, Limit]] = {"coefficient": limits.COEFFICIENT, "ambient": limits.TEMPERATURE}
    films: ClassVar[tuple[str, ...]] = ("coefficient",)
    temperatures: ClassVar[tuple[str, ...]] = ("ambient",)
    of_surface: ClassVar[tuple[str, ...]] = ("coefficient",)
    coefficient: Value
    ambient: Value

    def robin(self, evaluate: Evaluate, /, _surface: Operand = 0.0, _offset: float = 0.0) -> Robin:
        return Robin(evaluate("coefficient"), evaluate("ambient"), 0.0)


@dataclass(frozen=True)
class Radiation(Boundary):
    """q_n = emissivity sigma (surroundings^4 - T_s^4), in kelvin; linearised about the surface temperature."""

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
        return self.emissivity, self.stefan_boltzmann

    def robin(self, evaluate: Evaluate, /, surface: Operand = 0.0, offset: float = 0.0) -> Robin:
        strength = evaluate("emissivity") * evaluate("stefan_boltzmann")
        hot, cold = evaluate("surroundings") + offset, np.maximum(surface + offset, 0.0)
        tangent = strength * np.maximum(4.0 * cold**3, FAINTEST * hot**3)
        heat = strength * (hot**4 - cold**4)
        return Robin(tangent, hot - offset, heat - tangent * (hot - cold))


@dataclass(frozen=True)
class ConvectionRadiation(Boundary):
    """The sum of convection and radiation."""

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
        return self.emissivity, self.stefan_boltzmann

    def robin(self, evaluate: Evaluate, /, surface: Operand = 0.0, offset: float = 0.0) -> Robin:
        film, ambient = evaluate("coefficient"), evaluate("ambient")
        law = Radiation.robin(self, evaluate, surface, offset)  # type: ignore[arg-type]
        return Robin(film + law.film, ambient, law.imposed + law.film * (law.reference - ambient))


INSULATED = Insulated()
BOUNDARY_TYPES: dict[str, type[Boundary]] = {
    kind.type: kind for kind in (Insulated, Periodic, Temperature, Flux, Convection, Radiation, ConvectionRadiation)
}


def make_boundary(kind: str, values: dict[str, Any]) -> Boundary:
    """Build the boundary condition called `kind` from its fields."""
    return BOUNDARY_TYPES[kind](**values)
