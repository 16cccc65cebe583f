r"""A network of lumps: bodies of one temperature each, joined by conductances, with sources and thermostats.

.. math::  C_i \frac{dT_i}{dt} = \sum_j G_{ij} (T_j - T_i) + P_i

Nodes without a capacity are held at a given temperature. A control switches its sources on and off with hysteresis;
every switch is located in time and the integration starts anew there.
"""

import math
from dataclasses import dataclass, field

import numpy as np

from grid.core.errors import DivergedError, FieldError
from grid.engine.loads.analysis import LoadAnalysis, analyse_values
from grid.engine.lumped.trajectory import Level, Piece, Trajectory, find_crossing
from grid.engine.problem.timed_loads import TimedLoad
from grid.engine.values.operations import FloatArray, Operand
from grid.engine.values.value import Value

MAX_SWITCHES = 10_000  # [-] switches of controls in a run at most
TOLERANCE = 1e-6  # [-] relative error of the course of a load; that of the integrator is far smaller
HORIZON_GROWTH = 4.0  # [-] ratio of a stretch that is searched for a switch to the one before
MAX_STRETCHES = 24  # [-] stretches searched for a switch; beyond them there is none


@dataclass(frozen=True)
class Node:
    """Lump with a heat capacity [J/K] and an initial temperature, or with a given `temperature`, a value of time."""

    name: str
    heat_capacity: float = 0.0
    initial: float = 0.0
    temperature: Value | None = None


@dataclass(frozen=True)
class Link:
    """Heat flow G (T_b - T_a) into the first of two nodes [W/K]."""

    first: int
    second: int
    conductance: float


@dataclass(frozen=True)
class Source:
    """Heat into a node [W], a value of time and of the node's temperature; with `control` only while that is on."""

    node: int
    power: Value
    control: int | None = None


@dataclass(frozen=True)
class Control:
    """Thermostat: off when its sensor rises to `off_above`, on when it falls to `on_below`, else as before."""

    name: str
    sensor: int
    on_below: float
    off_above: float
    is_on: bool


@dataclass(frozen=True)
class LumpedNetwork:
    """Nodes, links, sources and controls; `run` computes their temperatures."""

    nodes: tuple[Node, ...]
    links: tuple[Link, ...]
    sources: tuple[Source, ...] = ()
    controls: tuple[Control, ...] = ()

    def run(self) -> "NetworkRun":
        """Make a run of the network."""
        return NetworkRun(self)


@dataclass(frozen=True)
class Switch:
    """A change of a control."""

    time: float
    control: int
    is_on: bool  # afterwards


@dataclass
class NetworkRun:
    """A run of a network, computed as far as results were requested."""

    network: LumpedNetwork
    switches: list[Switch] = field(default_factory=list)

    def __post_init__(self) -> None:
        nodes = self.network.nodes
        self._free = [index for index, node in enumerate(nodes) if node.temperature is None]
        self._held = [index for index, node in enumerate(nodes) if node.temperature is not None]
        self._capacity = np.array([nodes[index].heat_capacity for index in self._free])
        self._matrix = np.zeros((len(nodes), len(nodes)))
        for link in self.network.links:
            a, b, g = link.first, link.second, link.conductance
            self._matrix[a, a] += g
            self._matrix[b, b] += g
            self._matrix[a, b] -= g
            self._matrix[b, a] -= g
        self._on = [control.is_on for control in self.network.controls]
        self._path = Trajectory(0.0, np.array([nodes[index].initial for index in self._free]))
        held = [nodes[index].temperature for index in self._held]
        powers = [source.power for source in self.network.sources]
        self._timed = [("nodes.temperature", value) for value in held if value is not None and "t" in value.variables]
        self._timed += [("sources.power", value) for value in powers if "t" in value.variables]
        self._settle(0.0, 0.0)

    def temperature(self, node: str, time: float) -> float:
        """Temperature of a node [in the unit of the network] at a time [s].

        Raises:
            FieldError: There is no such node.
        """
        index = self._index(node)
        self._go(time)
        return float(self._temperatures(time, self._path.at(time))[index])

    def switch_times(self, control: str, time: float) -> list[float]:
        """All times in (0, `time`] at which a control changes [s]."""
        index = self._control(control)
        self._go(time)
        return [switch.time for switch in self.switches if switch.control == index and 0.0 < switch.time <= time]

    def temperature_at_switch(self, node: str, control: str, number: int) -> float:
        """Temperature of a node at change `number` of a control, the first of which is 1.

        Raises:
            FieldError: There are not so many.
        """
        index, place = self._control(control), self._index(node)
        stretch, end = self._slowest(), self._path.end
        for _ in range(MAX_STRETCHES):
            found = [switch for switch in self.switches if switch.control == index and switch.time > 0.0]
            if len(found) >= number:
                time = found[number - 1].time
                return float(self._temperatures(time, self._path.at(time))[place])
            end += stretch
            self._go(end)
            stretch *= HORIZON_GROWTH if not found else 1.0
        raise FieldError("switch", "at most the number of times that the control changes")

    def _go(self, end: float) -> None:
        if not self._path.end < end:
            return
        changes = self._find_changes(end)
        knots = (*changes.switches, *changes.marks)
        while self._path.end < end:
            steps = self._path.extend(self._rate, end, self._scale(), knots, changes.coarse_limits)
            for piece in steps:
                first = self._first_event(piece)
                if first is not None:
                    self._path.cut(first)
                    self._settle(first, 1e-9 * self._scale())
                    break

    def _find_changes(self, end: float) -> LoadAnalysis:
        """Switches and zones of equal steps of everything that depends on time, from here to a time [s]."""
        scale = self._scale()
        loads = (
            TimedLoad(f"lumped.{name}", value, name == "sources.power", {"T": (-scale, scale)})
            for name, value in self._timed
        )
        return analyse_values(loads, self._path.end, end, TOLERANCE)

    def _first_event(self, piece: Piece) -> float | None:
        found = [
            time
            for index in range(len(self._on))
            if (time := find_crossing(self._level(index), piece, piece.start, piece.end, direction=self._way(index)))
            is not None
        ]
        return min(found, default=None)

    def _way(self, index: int) -> int:
        return 1 if self._on[index] else -1

    def _level(self, index: int) -> Level:
        control = self.network.controls[index]
        bound = control.off_above if self._on[index] else control.on_below
        return lambda time, values: float(self._temperatures(time, values)[control.sensor]) - bound

    def _settle(self, time: float, slack: float) -> None:
        """Switch every control whose sensor is at or beyond its bound."""
        values = self._path.last
        for index in range(len(self._on)):
            if self._level(index)(time, values) * self._way(index) >= -slack:
                self._on[index] = not self._on[index]
                self.switches.append(Switch(time, index, self._on[index]))
        if len(self.switches) > MAX_SWITCHES:
            reason = "a control switches without end; set its two temperatures further apart"
            raise DivergedError(len(self.switches), time, reason)

    def _temperatures(self, time: float, values: FloatArray) -> FloatArray:
        """Temperatures of all nodes, the given ones among them."""
        out = np.empty(len(self.network.nodes))
        out[self._free] = values
        for index in self._held:
            out[index] = _finite("nodes.temperature", self.network.nodes[index].temperature, {"t": np.float64(time)})
        return out

    def _rate(self, time: float, values: FloatArray) -> FloatArray:
        temperatures = self._temperatures(time, values)
        heat = -(self._matrix @ temperatures)
        for source in self.network.sources:
            if source.control is None or self._on[source.control]:
                coordinates: dict[str, Operand] = {"t": np.float64(time), "T": np.float64(temperatures[source.node])}
                heat[source.node] += _finite("sources.power", source.power, coordinates)
        rates: FloatArray = heat[self._free] / self._capacity
        return rates

    def _slowest(self) -> float:
        """Upper estimate of the response time [s]: the whole capacity over the least conductance."""
        least = min((link.conductance for link in self.network.links), default=1.0)
        return float(self._capacity.sum()) / least if self._capacity.size else 1.0

    def _scale(self) -> float:
        bounds = [abs(bound) for control in self.network.controls for bound in (control.on_below, control.off_above)]
        return max(1.0, float(np.abs(self._path.last).max(initial=0.0)), *bounds)

    def _index(self, name: str) -> int:
        return _position("node", name, [node.name for node in self.network.nodes])

    def _control(self, name: str) -> int:
        return _position("control", name, [control.name for control in self.network.controls])


def _position(kind: str, name: str, names: list[str]) -> int:
    if name not in names:
        raise FieldError(kind, f"the name of a {kind} of the case")
    return names.index(name)


def _finite(name: str, value: Value | None, coordinates: dict[str, Operand]) -> float:
    number = float(value.evaluate(coordinates)) if value is not None else math.nan
    if not math.isfinite(number):
        raise FieldError(f"lumped.{name}", "a finite number throughout the run")
    return number
