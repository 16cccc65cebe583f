r"""Time steps of :math:`C \dot T = q(t) - K T`, for peers and for references.

Times are cut at knots, where a load bends or jumps, and at the times that are asked for; between two of them all steps
are equal, and what was factored for a step serves again wherever its length does.
"""

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from benchmarks.engineers.finite_volumes import FloatArray
from benchmarks.engineers.solvers import MakeSolver, Solve

Load = Callable[[float], FloatArray]  # heat into each cell at a time [W]
GAMMA = 2.0 - math.sqrt(2.0)  # TR-BDF2: its two stages share a matrix
NUDGE = 1e-9  # share of an interval by which its ends are moved inside, where a load that jumps has a value


@dataclass(frozen=True)
class System:
    """A linear body.

    Args:
        capacity: C, shape (cells,) [J/K].
        conduction: K, symmetric [W/K].
        load: Heat into each cell [W].
        start: Temperatures at t = 0.
        knots: Times at which the load bends or jumps [s].
    """

    capacity: FloatArray
    conduction: sparse.csc_matrix
    load: Load
    start: FloatArray
    knots: Sequence[float]


@dataclass(frozen=True)
class Answer:
    """Temperatures at the output times, shape (times, cells), and in how many steps."""

    fields: FloatArray
    steps: int
    settings: str = ""


@dataclass(frozen=True)
class Interval:
    """Time between two landings, of which `count` steps are equal."""

    start: float
    end: float
    count: int

    @property
    def step(self) -> float:
        return (self.end - self.start) / self.count

    def time(self, number: float) -> float:
        """Of a (part of a) step, inside the interval."""
        share = min(max(number / self.count, NUDGE), 1.0 - NUDGE)
        return self.start + share * (self.end - self.start)


def make_intervals(knots: Sequence[float], times: Sequence[float], step: float) -> list[Interval]:
    """Intervals from 0 to the last output time, with steps of at most `step`."""
    inside = [knot for knot in knots if 0.0 < knot < times[-1]]
    stop_times = np.unique(np.round([0.0, *inside, *times], 9))
    spans = itertools.pairwise(stop_times)
    return [Interval(float(a), float(b), max(1, math.ceil((b - a) / step - 1e-9))) for a, b in spans]


class Solvers:
    """What was prepared for each length of step, kept."""

    def __init__(self, system: System, make: MakeSolver) -> None:
        self._system, self._make, self._kept = system, make, dict[float, Solve]()

    def find(self, tau: float) -> Solve:
        """Solve (C + tau K) x = right."""
        key = float(f"{tau:.9g}")
        if key not in self._kept:
            self._kept[key] = self._make(
                sparse.diags(self._system.capacity, format="csc") + tau * self._system.conduction
            )
        return self._kept[key]


def march(
    system: System, times: Sequence[float], step: float, make: MakeSolver, take: "Callable[..., FloatArray]"
) -> Answer:
    """Take steps of one scheme, `tr_bdf2`, `crank_nicolson` or `sdirk4`, up to the last output time."""
    solvers, asked = Solvers(system, make), {round(time, 9): index for index, time in enumerate(times)}
    temperature, steps = system.start, 0
    fields = np.empty((len(times), len(temperature)))
    for interval in make_intervals(system.knots, times, step):
        for number in range(interval.count):
            temperature = take(system, solvers, temperature, interval, number)
        steps += interval.count
        if round(interval.end, 9) in asked:
            fields[asked[round(interval.end, 9)]] = temperature
    return Answer(fields, steps)


def crank_nicolson(
    system: System, solvers: Solvers, temperature: FloatArray, interval: Interval, number: int
) -> FloatArray:
    """Advance one step by the trapezoidal rule, by way of the middle of the step, which spares a product with K."""
    half = 0.5 * interval.step
    heat = 0.5 * (system.load(interval.time(number)) + system.load(interval.time(number + 1)))
    middle = solvers.find(half)(system.capacity * temperature + half * heat, temperature)
    return 2.0 * middle - temperature


def tr_bdf2(system: System, solvers: Solvers, temperature: FloatArray, interval: Interval, number: int) -> FloatArray:
    """Advance one step: the trapezoidal rule over 2 - sqrt(2) of it, then the second backward difference; L-stable.

    References:
        R. E. Bank et al., IEEE Trans. Computer-Aided Design 4, 1985.
    """
    tau = 0.5 * GAMMA * interval.step
    solve, stored = solvers.find(tau), system.capacity * temperature
    heat = system.load(interval.time(number)) + system.load(interval.time(number + GAMMA))
    middle = solve(stored + tau * (heat - system.conduction @ temperature), temperature)
    known = (system.capacity * middle - (1.0 - GAMMA) ** 2 * stored) / (GAMMA * (2.0 - GAMMA))
    guess = temperature + (middle - temperature) / GAMMA
    return solve(known + tau * system.load(interval.time(number + 1)), guess)


SDIRK_NODES = (1 / 4, 3 / 4, 11 / 20, 1 / 2, 1.0)
SDIRK_WEIGHTS = (
    (),
    (1 / 2,),
    (17 / 50, -1 / 25),
    (371 / 1360, -137 / 2720, 15 / 544),
    (25 / 24, -49 / 48, 125 / 16, -85 / 12),
)
SDIRK_GAMMA = 1 / 4


def sdirk4(system: System, solvers: Solvers, temperature: FloatArray, interval: Interval, number: int) -> FloatArray:
    """Advance one step at fourth order, L-stable; for references.

    References:
        E. Hairer, G. Wanner, Solving Ordinary Differential Equations II (Springer, 1996), (IV.6.16).
    """
    step, stored = interval.step, system.capacity * temperature
    tau = SDIRK_GAMMA * step
    solve, flows, stage = solvers.find(tau), list[FloatArray](), temperature
    for node, weights in zip(SDIRK_NODES, SDIRK_WEIGHTS, strict=True):
        known = stored + step * sum((w * flow for w, flow in zip(weights, flows, strict=True)), np.zeros(1))
        load = system.load(interval.time(number + node))
        stage = solve(known + tau * load, stage)
        flows.append(load - system.conduction @ stage)
    return stage
