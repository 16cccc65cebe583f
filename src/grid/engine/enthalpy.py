r"""The implicit method for phase change: TR-BDF2 for the enthalpy of each cell, from which its temperature follows.

Each stage solves :math:`H - H_n = R + \tau f(T(H))` for the enthalpies H [J] by Newton's method; with L the matrix of
heat flow and :math:`D = dT/dH`, which is zero in a cell that melts,

.. math:: (I + \tau L D)\,\delta = R + \tau f(T(H)) - (H - H_n).

Enthalpy is the conserved quantity, so heat closes whatever melts (V. R. Voller, C. R. Swaminathan, Numer. Heat Transfer
B 19, 1991). A step that makes a new extreme is redone as two steps of backward Euler, see `grid.engine.implicit`.
"""

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy import sparse
from scipy.linalg import solve_banded
from scipy.sparse import linalg

from grid.engine.adaptive import CARRY, CARRY_DAMPED, Attempt
from grid.engine.errors import NotConvergedError, RunError
from grid.engine.implicit import EMBEDDED, GAMMA, D, W, book
from grid.engine.linear import assemble
from grid.engine.mesh import cell_volume
from grid.engine.phases import Enthalpy
from grid.engine.space import HeatFlow, Loads, Space
from grid.engine.state import Segment, State, include_references
from grid.engine.values import Constant, FloatArray
from grid.engine.varying import freeze

ITERATIONS = 100
HALVINGS = 8
ROUNDINGS = 32.0  # of the largest term of a residual
TOLERANCE = 1e-11  # of the largest change of enthalpy that a cell could see
ACCEPTED = 1e-10  # where cells at the edge of a phase keep Newton from more; the heat balance is held to 1e-8
OVERSHOOT = 1e-6  # of the span of the bounds, as in the implicit method


@dataclass(frozen=True)
class Store:
    """The enthalpies of the cells and the temperatures that belong to them."""

    space: Space

    def parts(self) -> list[tuple[Enthalpy, FloatArray]]:
        """For each material its law and which cells have it, as flat truth values."""
        region = self.space.region
        flat = np.zeros(self.space.capacity.size, np.int16) if region is None else region.reshape(-1)
        return [(_law(self.space, index), flat == index) for index in range(len(self.space.problem.materials))]

    def content(self, temperature: FloatArray) -> FloatArray:
        """H V [J] of cells that have never melted or frozen, flat."""
        is_liquid = self.space.problem.initial_phase == "liquid"
        out = np.zeros_like(temperature)
        for law, inside in self.parts():
            out[inside] = law.content_at(temperature[inside], is_liquid=is_liquid)
        return out * cell_volume(self.space.problem.domain)

    def temperature(self, content: FloatArray) -> tuple[FloatArray, FloatArray]:
        """T, and dT/d(H V) [K/J], flat."""
        volume = cell_volume(self.space.problem.domain)
        out, slope = np.zeros_like(content), np.zeros_like(content)
        for law, inside in self.parts():
            out[inside], slope[inside] = law.temperature_at(content[inside] / volume)
        return out, slope / volume


def _law(space: Space, index: int) -> Enthalpy:
    """The enthalpy of a material; of one that does not melt, its constant heat capacity times the temperature."""
    material = space.problem.materials[index]
    if material.enthalpy is not None:
        return material.enthalpy
    values = [v.value for v in material.values[len(material.conductivity) :] if isinstance(v, Constant)]
    return Enthalpy((0.0, 1.0), (0.0, math.prod(values)))


@dataclass(frozen=True)
class Moment:
    """Enthalpies at one time with everything that follows from them."""

    content: FloatArray
    temperature: FloatArray
    slope: FloatArray  # dT/d(H V)
    space: Space
    loads: Loads
    flow: HeatFlow


@dataclass
class EnthalpyStepper:
    """TR-BDF2 in equal steps between landing times, with the enthalpy as unknown.

    Args:
        space: The discretised problem.
        time_step: Upper limit of the step [s].
        keeps_bounds: Whether the maximum principle holds, so that a step may be judged by it.
    """

    space: Space
    time_step: float
    keeps_bounds: bool = False
    name: str = "implicit"

    def make_segment(self, start: float, end: float) -> Segment:
        return Segment(start, end, max(1, math.ceil((end - start) / self.time_step * (1 - 1e-9))))

    def advance(self, state: State, segment: Segment, first: int, count: int) -> State:
        for number in range(first, first + count):
            try:
                attempt = self._try_step(state, segment, number)
                if self.breaks_bounds(attempt):
                    attempt = self._damped_step(state, attempt, segment, number)
            except RunError as error:
                error.place(state.step, state.time, self.space.shape)
                raise
            state = replace(attempt, step=state.step + 1)
        return state

    def _at(self, content: FloatArray, time: float) -> Moment:
        temperature, slope = Store(self.space).temperature(content)
        space, loads = freeze(self.space, temperature, time)
        return Moment(content, temperature, slope, space, loads, space.heat_flow(temperature, loads))

    def _stage(self, base: FloatArray, known: FloatArray, guess: FloatArray, tau: float, time: float) -> Moment:
        """The enthalpies with H - base = known + tau f(T(H)).

        Raises:
            NotConvergedError: Newton's method stalls.
        """
        moment = self._at(guess, time)
        residual = known + tau * moment.flow.net - (moment.content - base)
        for _ in range(ITERATIONS):
            correction = solve_newton(moment, residual, tau)
            moment, residual = self._search(moment, residual, correction, (base, known, tau, time))
            size = float(np.abs(residual).max())
            scale = float(np.abs(moment.content - base).max()) + float(np.abs(known).max())
            if size <= TOLERANCE * scale + ROUNDINGS * _rounding(moment, tau):
                return moment
        if size <= ACCEPTED * scale:
            return moment
        cell = int(np.abs(residual).argmax())
        raise NotConvergedError("enthalpies of a phase change", ITERATIONS, size / scale, ACCEPTED, cell=cell)

    def _search(
        self, moment: Moment, residual: FloatArray, correction: FloatArray, stage: tuple[Any, ...]
    ) -> tuple[Moment, FloatArray]:
        """Go along a correction as far as the sum of the residuals shrinks.

        That sum bounds the error of the enthalpies, because heat flows from the warmer to the colder cell only.
        """
        base, known, tau, time = stage
        share, found = 1.0, []
        for _ in range(HALVINGS):
            trial = self._at(moment.content + share * correction, time)
            left = known + tau * trial.flow.net - (trial.content - base)
            found.append((float(np.abs(left).sum()), trial, left))
            if found[-1][0] <= (1.0 - 0.1 * share) * float(np.abs(residual).sum()):
                break
            share *= 0.5
        _, trial, left = min(found, key=lambda entry: entry[0])
        return trial, left

    def _try_step(self, state: State, segment: Segment, number: int) -> State:
        """One step of TR-BDF2, whatever it gives."""
        done, local, last = self._take(state, segment, number)
        return replace(done, error=_carry(state, local, last, D * segment.time_step))

    def try_step(self, state: State, segment: Segment, step: float) -> Attempt:
        """One step of TR-BDF2 over the whole of a segment, for a controller to judge."""
        done, local, last = self._take(state, segment, 0)
        return _attempt(done, local, last, D * step, CARRY)

    def _take(self, state: State, segment: Segment, number: int) -> tuple[State, FloatArray, Moment]:
        """A step with its local error [J], not filtered, and its last stage."""
        start, end = segment.time(number), segment.time(number + 1)
        old, step = _content(state), segment.time_step
        first = self._at(old, segment.inside(start))
        at = segment.inside(start + GAMMA * (end - start))
        middle = self._stage(old, step * D * first.flow.net, old, D * step, at)
        known = step * W * (first.flow.net + middle.flow.net)
        last = self._stage(old, known, middle.content, D * step, segment.inside(end))
        moments, weights = (first, middle, last), (W, W, D)
        pairs = zip(moments, weights, EMBEDDED, strict=True)
        local = step * np.sum([(w - e) * moment.flow.net for moment, w, e in pairs], axis=0)
        bounds = state.bounds
        for moment in moments:
            bounds = include_references(bounds, moment.loads)
        ledger = book(state.ledger, step, (first.flow, middle.flow, last.flow), weights)
        done = replace(
            state, time=end, temperature=last.temperature, content=last.content, ledger=ledger, bounds=bounds
        )
        return done, local, last

    def damp_step(self, state: State, segment: Segment, step: float) -> Attempt:
        """Two steps of backward Euler of d h; their error is half of h^2 H_tt each."""
        size, ledger, bounds, content = D * step, state.ledger, state.bounds, _content(state)
        before = self._at(content, segment.inside(segment.start)).flow.net
        none = np.zeros_like(content)
        for part in (1, 2):
            done = self._stage(content, none, content, size, segment.inside(segment.start + part * size))
            content, ledger = done.content, book(ledger, size, (done.flow,), (1.0,))
            bounds = include_references(bounds, done.loads)
        damped = replace(
            state,
            time=segment.start + 2.0 * size,
            temperature=done.temperature,
            content=content,
            ledger=ledger,
            bounds=bounds,
            damped_steps=state.damped_steps + 1,
        )
        return _attempt(damped, 0.5 * size * (done.flow.net - before), done, size, CARRY_DAMPED)

    def to_kelvin(self, state: State, heat: FloatArray) -> FloatArray:
        """Errors of temperature that belong to errors of enthalpy; none in a cell that melts."""
        return heat * Store(self.space).temperature(_content(state))[1]

    def breaks_bounds(self, state: State) -> bool:
        """Whether a state has an extreme that the maximum principle forbids."""
        bounds, temperature = state.bounds, state.temperature
        slack = OVERSHOOT * (bounds.highest - bounds.lowest)
        inside = bounds.lowest - slack <= temperature.min() and temperature.max() <= bounds.highest + slack
        return self.keeps_bounds and not inside

    def _damped_step(self, state: State, attempt: State, segment: Segment, number: int) -> State:
        """Two steps of backward Euler, which make no new extreme; their distance to `attempt` counts as error."""
        half = 0.5 * segment.time_step
        start, end = segment.time(number), segment.time(number + 1)
        content, ledger, none = _content(state), state.ledger, np.zeros_like(state.temperature)
        for time in (0.5 * (start + end), end):
            done = self._stage(content, none, content, half, segment.inside(time))
            content, ledger = done.content, book(ledger, half, (done.flow,), (1.0,))
        error = _carry(state, content - _content(attempt), done, half)
        damped = state.damped_steps + 1
        return replace(
            attempt, temperature=done.temperature, content=content, ledger=ledger, error=error, damped_steps=damped
        )

    def estimate_error(self, state: State) -> FloatArray:
        if state.error is None:
            return np.zeros_like(state.temperature)
        return np.abs(state.error * Store(self.space).temperature(_content(state))[1])


def _rounding(moment: Moment, tau: float) -> float:
    """One rounding of the largest term of a residual [J]."""
    conducted = tau * float(moment.space.diagonal(moment.loads).max()) * float(np.abs(moment.temperature).max())
    return float(np.spacing(max(float(np.abs(moment.content).max()), conducted)))


def _content(state: State) -> FloatArray:
    if state.content is None:
        raise ValueError("a state of a phase change holds enthalpies")
    return state.content


def _attempt(state: State, local: FloatArray, done: Moment, tau: float, powers: tuple[float, float]) -> Attempt:
    slope = done.slope
    return Attempt(state, local, lambda heat: solve_newton(done, heat, tau), lambda heat: slope * heat, powers)


def _carry(state: State, local: FloatArray, done: Moment, tau: float) -> FloatArray:
    """The error of the enthalpies [J] with that of one more step: backward Euler of the linearised equation."""
    return solve_newton(done, local if state.error is None else local + state.error, tau)


def solve_newton(moment: Moment, right: FloatArray, tau: float) -> FloatArray:
    """Solve (I + tau L D) x = right; tridiagonal in 1D, sparse LU otherwise."""
    space = moment.space
    if len(space.shape) == 1 and not space.problem.is_periodic[0]:
        beside = space.conductances[0][1:-1]
        bands = np.zeros((3, right.size))
        bands[0, 1:] = -tau * beside * moment.slope[1:]
        bands[1] = 1.0 + tau * space.diagonal(moment.loads) * moment.slope
        bands[2, :-1] = -tau * beside * moment.slope[:-1]
        solution: FloatArray = solve_banded((1, 1), bands, right, check_finite=False)
        return solution
    scaled = assemble(space, moment.loads) @ sparse.diags(tau * moment.slope)
    out: FloatArray = linalg.splu((sparse.identity(right.size, format="csc") + scaled).tocsc()).solve(right)
    return out
