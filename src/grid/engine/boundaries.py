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
from grid.engine.values import Constant, Operand, Value, as_value

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

    The last two arguments of `robin` matter to laws that are not linear: the surface temperature at which they are
    taken, and what makes it absolute.
    """

    type: ClassVar[str]
    limits: ClassVar[dict[str, Limit]] = {}  # fields that are numbers or values, with what they may be
    is_linear: ClassVar[bool] = True  # as long as its fields do not depend on T
    is_bounded: ClassVar[bool] = (
        True  # whether temperatures stay between `reference` and the body's own (maximum principle)
    )

    def __post_init__(self) -> None:
        for item in fields(self):  # numbers and texts stand for the values they mean
            object.__setattr__(self, item.name, as_value(getattr(self, item.name)))

    @cached_property
    def values(self) -> dict[str, Value]:
        """The fields that are values, by name; not to be written to."""
        return {item.name: getattr(self, item.name) for item in fields(self)}

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
    is_linear: ClassVar[bool] = False
    emissivity: Value
    surroundings: Value
    stefan_boltzmann: Value = STEFAN_BOLTZMANN

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
    is_linear: ClassVar[bool] = False
    is_bounded: ClassVar[bool] = False
    coefficient: Value
    ambient: Value
    emissivity: Value
    surroundings: Value
    stefan_boltzmann: Value = STEFAN_BOLTZMANN

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
