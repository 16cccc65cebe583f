r"""One body, one temperature: Newton's law of cooling with radiation, sources and phases.

.. math::
    C \frac{dT}{dt} = h A (T_\infty - T) + \varepsilon \sigma A ((T_s + o)^4 - (T + o)^4) + P

(F. P. Incropera, D. P. DeWitt, Fundamentals of Heat and Mass Transfer, 4th ed., section 5.3.) It holds as long as the
body is nearly uniform: `grid.engine.lumped.certificates` bounds the error.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from grid.core.errors import FieldError
from grid.engine.errors import SingularError
from grid.engine.loads.analysis import LoadAnalysis, analyse_values
from grid.engine.lumped.trajectory import Trajectory
from grid.engine.problem.boundaries import STEFAN_BOLTZMANN
from grid.engine.problem.timed_loads import TimedLoad
from grid.engine.values.operations import FloatArray, Operand
from grid.engine.values.value import Constant, Value

LOAD_NAMES = ("coefficient", "ambient", "emissivity", "surroundings", "source")
MAX_DOUBLINGS = 60  # [-] doublings of the stretch that is searched for an event
TOLERANCE = 1e-6  # [-] relative error of the course of a load; that of the integrator is far smaller
# [-] change of the temperature over a whole stretch, over the temperature, below which it will not reach an event
SETTLED = 1e-12


@dataclass(frozen=True)
class Loads:
    """Loads on the body; each a value of time, `coefficient` and `source` of the temperature `T` too."""

    coefficient: Value | None = None  # W/(m2 K)
    ambient: Value | None = None
    emissivity: Value | None = None
    surroundings: Value | None = None
    source: Value = field(default_factory=lambda: Constant(0.0))  # W

    @property
    def given(self) -> tuple[Value, ...]:
        """Values of the loads that are set."""
        return tuple(value for name in LOAD_NAMES if (value := getattr(self, name)) is not None)

    @property
    def knots(self) -> tuple[float, ...]:
        """Times at which a table jumps or bends [s]."""
        return tuple(sorted({time for value in self.given for time in value.breakpoints}))

    def find_changes(self, start: float, end: float, temperatures: tuple[float, float]) -> LoadAnalysis:
        """Switches and zones of equal steps of everything that depends on time, at temperatures that may occur."""
        timed = (
            TimedLoad(f"lumped.{name}", value, name not in ("ambient", "surroundings"), _places(value, temperatures))
            for name in LOAD_NAMES
            if (value := getattr(self, name)) is not None and "t" in value.variables
        )
        return analyse_values(timed, start, end, TOLERANCE)

    @property
    def varies(self) -> bool:
        """Tell whether something depends on time other than through a table, which is constant beyond its last knot."""
        return any("t" in value.variables and not value.breakpoints for value in self.given)


@dataclass(frozen=True)
class Until:
    """The end of a phase: at `time`, after `duration`, or `hold` seconds after the body reaches `temperature`."""

    time: float | None = None
    duration: float | None = None
    temperature: float | None = None
    hold: float = 0.0


@dataclass(frozen=True)
class Phase:
    """A stretch of a run with loads of its own."""

    name: str
    loads: Loads
    until: Until


@dataclass(frozen=True)
class Geometry:
    """Volume [m3] and exposed area [m2] of the same piece of body."""

    volume: float
    area: float


@dataclass(frozen=True)
class LumpedBody:
    """Body of uniform temperature; `run` computes its course, `steady` its final state.

    Args:
        loads: Loads on it, where a phase has none of its own.
        heat_capacity: C [J/K]; may be missing where only the steady temperature is used.
        area: A [m2].
        initial: Temperature at t = 0.
        phases: In order; empty for one phase without end.
        offset: Added to a temperature to make it absolute [K].
        stefan_boltzmann: [W/(m2 K4)].
        geometry, density, specific_heat, conductivity: For the quantities that need them.
    """

    loads: Loads
    heat_capacity: float | None = None
    area: float = 1.0
    initial: float | None = None
    phases: tuple[Phase, ...] = ()
    offset: float = 0.0
    stefan_boltzmann: float = STEFAN_BOLTZMANN.value
    geometry: Geometry | None = None
    density: float | None = None
    specific_heat: float | None = None
    conductivity: float | None = None

    def heat_rate(self, loads: Loads, time: float, temperature: float) -> float:
        """Heat into the body [W]: the right-hand side of the law.

        Raises:
            FieldError: A load is not finite there.
        """
        coordinates: dict[str, Operand] = {"t": np.float64(time), "T": np.float64(temperature)}
        heat = _finite("source", loads.source, coordinates)
        if loads.coefficient is not None and loads.ambient is not None:
            film = _finite("coefficient", loads.coefficient, coordinates)
            heat += film * self.area * (_finite("ambient", loads.ambient, coordinates) - temperature)
        if loads.emissivity is not None and loads.surroundings is not None:
            strength = _finite("emissivity", loads.emissivity, coordinates) * self.stefan_boltzmann * self.area
            hot = _finite("surroundings", loads.surroundings, coordinates) + self.offset
            heat += strength * (hot**4 - max(temperature + self.offset, 0.0) ** 4)
        return heat

    def run(self) -> "BodyRun":
        """Solve all phases; without phases, the solution is extended as results are requested.

        Raises:
            FieldError: A phase waits for a temperature that the body does not reach.
            DivergedError: The temperature runs away.
        """
        if self.heat_capacity is None:
            raise FieldError("lumped.heat_capacity", "required (or geometry, density and specific_heat)")
        if self.initial is None:
            raise FieldError("lumped.initial", "required unless the case is steady")
        run = BodyRun(self, Trajectory(0.0, np.array([self.initial])))
        for phase in self.phases:
            run.pass_phase(phase)
        return run

    def steady(self) -> float:
        """The temperature at which the heat rate vanishes and to which the body returns; loads taken at t = 0.

        Where there are several, the one to which it settles from `initial`, or from between its surroundings.

        Raises:
            SingularError: There is none.
        """
        from scipy.optimize import brentq

        def heat(temperature: float) -> float:
            return self.heat_rate(self.loads, 0.0, temperature)

        coordinates: dict[str, Operand] = {"t": np.float64(0.0), "T": np.float64(0.0)}
        around = [
            float(value.evaluate(coordinates))
            for value in (self.loads.ambient, self.loads.surroundings)
            if value is not None
        ]
        start = self.initial if self.initial is not None else (sum(around) / len(around) if around else 0.0)
        upwards = heat(start)
        if upwards == 0.0:
            return start
        reach = 1e-3 * max(abs(start + self.offset), 1.0)
        before = start
        for _ in range(200):
            following = before + math.copysign(reach, upwards)
            if upwards < 0.0 and self.loads.emissivity is not None:
                following = max(following, -self.offset)  # not below absolute zero
            if following == before:
                break
            if heat(following) * upwards <= 0.0:
                low, high = sorted((before, following))
                return float(brentq(heat, low, high, xtol=1e-13 * max(abs(low), abs(high), 1e-300), rtol=1e-14))
            before, reach = following, 1.25 * reach
        raise SingularError("the heat into the body vanishes at no temperature")

    @property
    def biot_number(self) -> float:
        """Biot number h (V/A) / k [-]."""
        if self.conductivity is None:
            raise FieldError("lumped.conductivity", "required for biot_number")
        volume = self.geometry.volume if self.geometry is not None else None
        if volume is None and None not in (self.heat_capacity, self.density, self.specific_heat):
            volume = float(self.heat_capacity / (self.density * self.specific_heat))  # type: ignore[operator]
        if volume is None:
            raise FieldError("lumped.geometry", "required for biot_number")
        return self.film * (volume / self.area) / self.conductivity

    @property
    def time_constant(self) -> float:
        """Time constant C / (h A) [s]."""
        if self.heat_capacity is None:
            raise FieldError("lumped.heat_capacity", "required (or geometry, density and specific_heat)")
        return self.heat_capacity / (self.film * self.area)

    def diameter_for_time_constant(self, target: float) -> float:
        """Diameter [m] of a sphere of this material whose time constant is `target`: rho c D / (6 h) = target."""
        if self.density is None or self.specific_heat is None:
            raise FieldError("lumped.density", "required with specific_heat for diameter_for_time_constant")
        return 6.0 * self.film * target / (self.density * self.specific_heat)

    @property
    def film(self) -> float:
        """Heat transfer coefficient h at the start [W/(m2 K)]."""
        loads = self.loads if self.loads.coefficient is not None or not self.phases else self.phases[0].loads
        if loads.coefficient is None:
            raise FieldError("lumped.coefficient", "required for a time constant or a Biot number")
        coordinates: dict[str, Operand] = {"t": np.float64(0.0), "T": np.float64(self.initial or 0.0)}
        film = _finite("coefficient", loads.coefficient, coordinates)
        if not film > 0.0:
            raise FieldError("lumped.coefficient", "greater than 0 at the start for a time constant or a Biot number")
        return film


@dataclass
class BodyRun:
    """A run: what has been computed, and when its phases began and ended."""

    body: LumpedBody
    path: Trajectory
    spans: dict[str, tuple[float, float]] = field(default_factory=dict)

    def temperature(self, time: float) -> float:
        """The temperature at a time of the run [s].

        Raises:
            FieldError: The run ended before.
        """
        if time > self.path.end:
            if self.body.phases:
                if time - self.path.end > 1e-9 * time:
                    raise FieldError("time", "a time before the end of the last phase [s]")
                time = self.path.end
            else:
                self._go(self.body.loads, time)
        return float(self.path.at(time)[0])

    def time_to_temperature(self, target: float, phase: str | None = None) -> float:
        """Find the first time at which the temperature equals a target, in a phase or at all [s].

        Raises:
            FieldError: It never does, or there is no such phase.
        """
        if phase is None and not self.body.phases:
            found = self._search(self.body.loads, target, self.path.start)
        else:
            start, end = self.span(phase) if phase is not None else (self.path.start, self.path.end)
            found = self.path.find(_distance(target), start, end)
            if found is None and abs(float(self.path.at(end)[0]) - target) <= 1e-9 * self._scale(target):
                found = end  # the phase ends as the body reaches it
        if found is None:
            raise FieldError("target", "a temperature that the body reaches")
        return found

    def temperature_at_phase_end(self, phase: str) -> float:
        """Temperature at the end of a phase."""
        return float(self.path.at(self.span(phase)[1])[0])

    def span(self, phase: str) -> tuple[float, float]:
        """Start and end of a phase [s].

        Raises:
            FieldError: There is no such phase.
        """
        if phase not in self.spans:
            raise FieldError("phase", "the name of a phase of the case")
        return self.spans[phase]

    def pass_phase(self, phase: Phase) -> None:
        """Run to the end of a phase."""
        start, until = self.path.end, phase.until
        if until.temperature is None:
            end = start + until.duration if until.duration is not None else until.time or 0.0
            if end < start:
                raise FieldError(f"lumped.phases.{phase.name}.until.time", "not before the phase begins [s]")
        else:
            reached = self._search(phase.loads, until.temperature, start)
            if reached is None:
                raise FieldError(f"lumped.phases.{phase.name}.until.temperature", "a temperature that the body reaches")
            self.path.cut(reached)
            end = reached + until.hold
        self._go(phase.loads, end)
        self.spans[phase.name] = (start, end)

    def _go(self, loads: Loads, end: float) -> None:
        scale, last = self._scale(), float(self.path.last[0])
        changes = loads.find_changes(self.path.end, end, (last - scale, last + scale))
        knots = (*changes.switches, *changes.marks)
        for _ in self.path.extend(self._rate(loads), end, scale, knots, changes.coarse_limits):
            pass

    def _search(self, loads: Loads, target: float, start: float) -> float | None:
        """The first time from `start` on at which a target is reached, going on until it is or cannot be any more."""
        level, scale = _distance(target), self._scale(target)
        found = self.path.find(level, start)
        if found is not None or abs(float(self.path.last[0]) - target) <= 1e-15 * scale:
            return found if found is not None else self.path.end
        stretch = self._first_stretch(loads, target)
        for _ in range(MAX_DOUBLINGS):
            begin, before = self.path.end, float(self.path.last[0])
            self._go(loads, begin + stretch)
            found = self.path.find(level, begin)
            if found is not None:
                return found
            moved = abs(float(self.path.last[0]) - before)
            is_over = not loads.varies and all(knot <= begin for knot in loads.knots)
            if is_over and moved <= SETTLED * scale:
                return None
            stretch *= 2.0
        return None

    def _first_stretch(self, loads: Loads, target: float) -> float:
        """Length of the first stretch [s]: the time to the target at the rate of the start, or to a knot."""
        time, temperature = self.path.end, float(self.path.last[0])
        speed = abs(float(self._rate(loads)(time, self.path.last)[0]))
        later = [knot - time for knot in loads.knots if knot > time]
        if speed > 0.0:
            return max(abs(target - temperature), 1e-6 * self._scale(target)) / speed
        return later[0] if later else 1.0

    def _rate(self, loads: Loads) -> Any:
        body, capacity = self.body, self.body.heat_capacity or 1.0

        def rate(time: float, values: FloatArray) -> FloatArray:
            return np.array([body.heat_rate(loads, time, float(values[0])) / capacity])

        return rate

    def _scale(self, target: float = 0.0) -> float:
        return max(abs(self.body.initial or 0.0), abs(target), abs(float(self.path.last[0])), 1.0)


def _places(value: Value, temperatures: tuple[float, float]) -> dict[str, tuple[float, float]]:
    return {"T": temperatures} if "T" in value.variables else {}


def with_loads(loads: Loads, changes: Mapping[str, Value]) -> Loads:
    """The loads of a phase: those of the body where it sets none."""
    return replace(loads, **dict(changes))


def _distance(target: float) -> Any:
    return lambda _time, values: float(values[0]) - target


def _finite(name: str, value: Value, coordinates: dict[str, Operand]) -> float:
    number = float(value.evaluate(coordinates))
    if not math.isfinite(number):
        raise FieldError(f"lumped.{name}", "a finite number throughout the run")
    return number
