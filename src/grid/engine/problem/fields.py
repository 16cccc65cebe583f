"""The fields of a heat problem, and properties that follow from them alone."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal, Self, TypeVar

from grid.engine.problem.boundaries import INSULATED, Boundary
from grid.engine.problem.domain import AXES, Domain
from grid.engine.problem.material import Adaptive, Contact, Material, Pin
from grid.engine.values.expression import Expression
from grid.engine.values.value import Constant, Value

TemperatureUnit = Literal["K", "degC", "relative"]
Found = TypeVar("Found")


@dataclass(frozen=True)
class ProblemFields:
    """A heat problem before its checks; `HeatProblem` describes each field."""

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

    @property
    def dimension(self) -> int:
        """Number of space dimensions."""
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
        """True where a material melts."""
        return any(material.enthalpy is not None for material in self.materials)

    @cached_property
    def _found(self) -> "dict[Callable[[Any], Any], Any]":
        return {}

    def once(self, find: "Callable[[Self], Found]") -> "Found":
        """Call a function with this problem the first time, and return the same result later."""
        known = self._found
        if find not in known:
            known[find] = find(self)
        found: Found = known[find]
        return found

    def take(self, other: Self, find: "Callable[[Any], Any]") -> None:
        """Take the result of a function from another problem that has it, for which it is the same."""
        if find in other._found:
            self._found[find] = other._found[find]

    def __getstate__(self) -> dict[str, Any]:
        """Return all but the results of `once`, for a pickle or a copy: they are large, and named by functions."""
        return {name: value for name, value in self.__dict__.items() if name != "_found"}

    @property
    def has_flow(self) -> bool:
        """True where the medium moves."""
        return any(self.velocity)

    def carried(self, axis: int) -> float:
        """Heat that the flow carries along an axis for each kelvin, rho c v [W/(m2 K)]."""
        if not self.has_flow:
            return 0.0
        material = self.materials[0]
        if isinstance(material.volumetric_heat_capacity, Constant):
            return material.volumetric_heat_capacity.value * self.velocity[axis]
        values = (material.density, material.specific_heat)
        return self.velocity[axis] * math.prod(value.value for value in values if isinstance(value, Constant))

    @cached_property
    def loads(self) -> tuple[Value, ...]:
        """The source, and all values of the conditions of the faces."""
        return (self.source_term, *(value for law in self.boundaries.values() for value in law.values.values()))

    @cached_property
    def has_constant_loads(self) -> bool:
        """True where no load depends on time; one may depend on temperature."""
        return not any("t" in value.variables for value in self.loads)

    @cached_property
    def is_linear(self) -> bool:
        """True where all coefficients are constant in time and independent of temperature."""
        materials = [value for material in self.materials for value in material.values]
        return (
            not any(value.variables & {"t", "T"} for value in materials)
            and not any("T" in value.variables for value in self.loads)
            and all(law.is_linear for law in self.boundaries.values())
        )

    @cached_property
    def has_timed_values(self) -> bool:
        """True where a load or a property depends on time."""
        properties = (value for material in self.materials for value in material.values)
        return any("t" in value.variables for value in (*self.loads, *properties))

    def boundary(self, face: str) -> Boundary:
        """Return the condition of a face; insulated if none was given."""
        return self.boundaries.get(face, INSULATED)

    @cached_property
    def is_periodic(self) -> tuple[bool, ...]:
        """For each axis, True where its two faces are joined."""
        return tuple(self.boundary(f"{axis}_min").type == "periodic" for axis in AXES[: self.dimension])
