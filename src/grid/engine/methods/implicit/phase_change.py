r"""The implicit method for phase change: TR-BDF2 for the enthalpy of each cell, from which its temperature follows.

Each stage solves :math:`H - H_n = R + \tau f(T(H))` for the enthalpies H [J] by Newton's method; with L the matrix of
heat flow and :math:`D = dT/dH`, which is zero in a cell that melts,

.. math:: (I + \tau L D)\,\delta = R + \tau f(T(H)) - (H - H_n).

T(H) is a chain of straight pieces, so a correction holds up to the next corner of a cell only: there it ends, and the
next turn uses the slope beyond. Where the conductivity depends on temperature, turns after the first two have its
derivative too (`grid.engine.linear.newton`). Where this does not converge either, corrections are shortened.

Enthalpy is the conserved quantity, so heat closes whatever melts (V. R. Voller, C. R. Swaminathan, Numer. Heat Transfer
B 19, 1991). A step that makes a new extreme is redone as two steps of backward Euler, see
`grid.engine.methods.implicit.stepper`.
"""

import math
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Union

import numpy as np
from numpy.typing import NDArray

from grid.engine.errors import NotConvergedError
from grid.engine.linear.newton import (
    RISE,
    chequer,
    differentiate,
    factorise,
    find_frozen_slopes,
    find_scale,
    must_differentiate,
)
from grid.engine.linear.systems import LinearSolver
from grid.engine.methods.implicit.adaptive import CARRY, CARRY_DAMPED, TrialStep
from grid.engine.methods.implicit.phase_change_store import EnthalpyModel
from grid.engine.methods.implicit.phase_conduction import find_conduction
from grid.engine.methods.implicit.scheme import GAMMA, LOCAL, WEIGHTS, D, EqualSteps, W, add_step_heat, combine
from grid.engine.methods.state import Bounds, Segment, State, include_references
from grid.engine.space.laws import HeatFlow, Loads
from grid.engine.space.mesh import cell_volume
from grid.engine.space.nonlinear import freeze
from grid.engine.space.space import Space
from grid.engine.values.operations import FloatArray

if TYPE_CHECKING:
    from grid.engine.methods.implicit.phase_change_body import ConstantBody, ConstantMoment

ITERATIONS = 100  # [-] turns of Newton's method at most
FROZEN_TURNS = 2  # [-] turns without the derivative of the conductivity, which most stages do not need
WHOLE_TURNS = 40  # [-] turns after which corrections are shortened
HALVINGS = 8  # [-] halvings of a correction at most
PARTS, SHORTEST = 4, 1e-4  # [-] parts of an equal step whose iteration stalls, and the least share of it that is tried
# [-] corners in a step for which it may be cut, the least share of it that is worth a cut, and the bisections to find
# that
FEW, NEAR, BISECTIONS = 2, 0.05, 40
SHARE_PLANE = 0.5  # [-] share of the tolerance for the error of a step in 2D and 3D, where that of one cell soon decays
SINGLE = 0.1  # [-] share of the largest error of a cell that melts, which counts in the size of an error
# [-] largest factor by which an error of heat counts less than its error of temperature in a cell of one phase
LENIENT = 4.0
EXTREMES = slice(4, 6)  # [-] places of the extremes of temperature so far in a packed controller
# [-] share of a step that counts as no time: a cell starts at its corner, or reaches it together with another
AT_ONCE = 1e-3
ROUNDINGS = 32.0  # [-] rounding of a residual, over that of its largest term
TOLERANCE = 1e-11  # [-] residual over the largest change of enthalpy that a cell could have
# [-] the same where cells at the edge of a phase stop Newton's method; the heat balance is held to 1e-8
ACCEPTED = 1e-10
STEPS_REMEDY = "take more steps (`steps=`), or leave their number to the method"
MELTING_REMEDY = f"let it melt over a range of temperatures, as a `volumetric_enthalpy` table, {STEPS_REMEDY}"
TABLE_REMEDY = f"give the steepest piece of `volumetric_enthalpy` more kelvins, {STEPS_REMEDY}"


@dataclass(frozen=True)
class Moment:
    """Enthalpies at one time with everything that follows from them."""

    content: FloatArray
    temperature: FloatArray
    slope: FloatArray  # dT/d(H V)
    space: Space
    loads: Loads
    flow: HeatFlow
    store: EnthalpyModel
    time: float

    def make_solver(self, tau: float, *, is_frozen: bool = False) -> LinearSolver:
        """Prepare the system (I + tau L D) x = right, L with the derivatives of conductivities and loads or without."""
        space, temperature = self.space, self.temperature
        if must_differentiate(space) and not is_frozen:
            # away from the melting temperature, beyond which another conductivity holds
            rises = RISE * find_scale(space, self.loads, temperature) * self.store.find_sides(temperature)
            slopes = differentiate(space, self.loads, temperature, self.time, rises, chequer(space.shape))
        else:
            slopes = find_frozen_slopes(space, self.loads)
        return factorise(space, slopes, np.ones_like(temperature), tau * self.slope)

    def include(self, bounds: Bounds) -> Bounds:
        """The bounds of the maximum principle with what is around the body."""
        return include_references(bounds, self.loads)

    def surfaces(self) -> tuple[float, float]:
        """Extremes of the surface temperatures of all faces."""
        low, high = math.inf, -math.inf
        for index, (patch, face_law) in enumerate(zip(self.space.patches, self.loads.face_laws, strict=True)):
            rise = self.space.boundary_flux(index, self.temperature, face_law)[1]
            surface = self.temperature[patch.cells] + rise
            low, high = min(low, float(surface.min())), max(high, float(surface.max()))
        return low, high


AnyMoment = Union[Moment, "ConstantMoment"]


@dataclass
class EnthalpyStepper(EqualSteps):
    """TR-BDF2 in equal steps between stop times, with the enthalpy as unknown.

    Args:
        tolerance: Of the run; stages of a body that one potential conducts are solved to a share of it.
    """

    tolerance: float = 0.0
    store: EnthalpyModel = field(init=False, repr=False)
    body: "ConstantBody | None" = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self.store = EnthalpyModel(self.space)
        self.body = None
        if len(self.space.shape) > 1:
            self.share = SHARE_PLANE
        if (conduction := find_conduction(self.space)) is not None:
            from grid.engine.methods.implicit.phase_change_body import ConstantBody

            self.body = ConstantBody(self.store, conduction, self.tolerance)

    def _equal_step(self, state: State, segment: Segment, number: int) -> State:
        """One step of equal length, damped where it makes a new extreme; in parts where an iteration stalls."""
        try:
            attempt = self._try_step(state, segment, number)
            return self._damped_step(state, attempt, segment, number) if self.breaks_bounds(attempt) else attempt
        except NotConvergedError:
            parts = Segment(segment.time(number), segment.time(number + 1), PARTS)
            if not parts.time_step > SHORTEST * self.time_step:
                raise
        for part in range(PARTS):
            state = self._equal_step(state, parts, part)
        return replace(state, rejected_steps=state.rejected_steps + 1)

    def _begin(self, content: FloatArray, time: float) -> AnyMoment:
        """Temperatures and heat flows of the enthalpies that a step starts with."""
        return self._at(content, time) if self.body is None else self.body.at(content, time)

    def _stage(self, base: FloatArray, known: FloatArray, guess: FloatArray, tau: float, time: float) -> AnyMoment:
        """The enthalpies with H - base = known + tau f(T(H)).

        Raises:
            NotConvergedError: Newton's method stalls.
        """
        if self.body is None:
            return self._general_stage(base, known, guess, tau, time)
        found = self.body.solve_stage(base, known, guess, tau, time)
        return (
            self.body.at(self._general_stage(base, known, guess, tau, time).content, time) if found is None else found
        )

    def _at(self, content: FloatArray, time: float) -> Moment:
        temperature, slope = self.store.temperature(content)
        space, loads = freeze(self.space, temperature, time)
        flow = space.heat_flow(temperature, loads)
        return Moment(content, temperature, slope, space, loads, flow, self.store, time)

    def _general_stage(self, base: FloatArray, known: FloatArray, guess: FloatArray, tau: float, time: float) -> Moment:
        """The same where conductances or loads depend on temperature, or where the compiled turns stall.

        Raises:
            NotConvergedError: Newton's method stalls.
        """
        moment = self._at(guess, time)
        residual = known + tau * moment.flow.net - (moment.content - base)
        for turn in range(ITERATIONS):
            correction = moment.make_solver(tau, is_frozen=turn < FROZEN_TURNS).solve(residual)
            if turn < WHOLE_TURNS:
                target = self.store.stop_at_corners(moment.content, moment.content + correction)
                moment = self._at(target, time)
                residual = known + tau * moment.flow.net - (moment.content - base)
            else:
                moment, residual = self._search(moment, residual, correction, (base, known, tau, time))
            size = float(np.abs(residual).max())
            scale = float(np.abs(moment.content - base).max()) + float(np.abs(known).max())
            if size <= TOLERANCE * scale + ROUNDINGS * _rounding(moment, tau):
                return moment
        if size <= ACCEPTED * scale:
            return moment
        cell = int(np.abs(residual).argmax())
        left = size / max(scale, 1e-300)  # of a body at rest nothing moves
        is_sharp = any(law.melting_temperature is not None for law, _ in self.store.parts)
        remedy = MELTING_REMEDY if is_sharp else TABLE_REMEDY
        raise NotConvergedError("enthalpies of a phase change", ITERATIONS, left, ACCEPTED, remedy, cell=cell)

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
        """One step of TR-BDF2, accepted or not."""
        done, local, last = self._take(state, segment, number)
        return replace(done, error=_carry(state, local, last, D * segment.time_step))

    def try_step(self, state: State, segment: Segment, step: float) -> TrialStep:
        """One step of TR-BDF2 over the whole of a segment, for a controller to judge."""
        done, local, last = self._take(state, segment, 0)
        return self._attempt(done, local, last, D * step, CARRY)

    def _take(self, state: State, segment: Segment, number: int) -> tuple[State, FloatArray, AnyMoment]:
        """A step with its local error [J], not filtered, and its last stage."""
        start, end = segment.time(number), segment.time(number + 1)
        old, step = _content(state), segment.time_step
        first = self._begin(old, segment.inside(start))
        at = segment.inside(start + GAMMA * (end - start))
        pushed = self.store.stop_at_corners(old, old + GAMMA * step * first.flow.net)
        middle = self._stage(old, step * D * first.flow.net, pushed, D * step, at)
        known = step * W * (first.flow.net + middle.flow.net)
        guess = middle.content + (1.0 / GAMMA - 1.0) * (middle.content - old)
        last = self._stage(old, known, guess, D * step, segment.inside(end))
        flows = (first.flow, middle.flow, last.flow)
        local, heat_balance = step * combine(flows, LOCAL), add_step_heat(state.heat_balance, step, flows, WEIGHTS)
        bounds = state.bounds
        for moment in (first, middle, last):
            bounds = moment.include(bounds)
        done = replace(
            state,
            time=end,
            temperature=last.temperature,
            content=last.content,
            heat_balance=heat_balance,
            bounds=bounds,
        )
        return done, local, last

    def damp_step(self, state: State, segment: Segment, step: float) -> TrialStep:
        """Two steps of backward Euler of d h; their error is half of h^2 H_tt each."""
        size, heat_balance, bounds, content = D * step, state.heat_balance, state.bounds, _content(state)
        before = self._begin(content, segment.inside(segment.start)).flow.net
        none = np.zeros_like(content)
        for part in (1, 2):
            done = self._stage(content, none, content, size, segment.inside(segment.start + part * size))
            content, heat_balance = done.content, add_step_heat(heat_balance, size, (done.flow,), (1.0,))
            bounds = done.include(bounds)
        damped = replace(
            state,
            time=segment.start + 2.0 * size,
            temperature=done.temperature,
            content=content,
            heat_balance=heat_balance,
            bounds=bounds,
            damped_steps=state.damped_steps + 1,
        )
        return self._attempt(damped, 0.5 * size * (done.flow.net - before), done, size, CARRY_DAMPED)

    def measure(self, errors: FloatArray) -> float:
        """The size of errors of temperature: of cells that never melt the largest, of others their root mean square.

        A cell at the edge of its melting range stays at one temperature and then jumps, so that its own error depends
        on the time of sampling, and a front passes such a cell in every step; a share of the largest counts still. In
        1D, where steps can end as a cell comes to a corner, temperatures count as they are, and that share of the heat
        of a cell that melts.
        """
        largest = float(np.abs(errors).max())
        cells = self._melting_cells
        if len(self.space.shape) == 1 or not cells.size:
            return largest
        melting = errors[cells]
        spread = math.sqrt(float(np.einsum("i,i->", melting, melting)) / cells.size)  # not by the threads of a BLAS
        lasting = float(np.abs(errors[self._lasting_cells]).max(initial=0.0))
        return max(spread, lasting, SINGLE * largest)

    @cached_property
    def _melting_cells(self) -> NDArray[np.intp]:
        """Cells of the body whose law has corners, flat."""
        has_corners = np.zeros(self.space.capacity.size, bool)
        for law, inside in self.store.parts:
            has_corners |= inside & (len(law.contents) > 2)
        body = self.space.body_cells
        return body[has_corners[body]]

    @cached_property
    def _lasting_cells(self) -> NDArray[np.intp]:
        """The other cells of the body, flat."""
        return np.setdiff1d(self.space.body_cells, self._melting_cells)

    def _attempt(
        self, state: State, local: FloatArray, done: AnyMoment, tau: float, powers: tuple[float, float]
    ) -> TrialStep:
        slope = self._weigh(state, done.slope)
        return TrialStep(state, local, done.make_solver(tau).solve, lambda heat: slope * heat, powers, done.surfaces())

    def to_kelvin(self, state: State, heat: FloatArray) -> FloatArray:
        """Errors of enthalpy as temperatures, by what the body makes of enthalpy between the extremes of the run.

        A cell that melts has no error of temperature, and what it has of heat becomes one at once when it has melted.
        So the heat counts all the time, as a share of what takes a cell from the lowest temperature to the highest.
        """
        return heat * self._weigh(state, self._slope(state))

    def _weigh(self, state: State, slope: FloatArray) -> FloatArray:
        """The temperature that an error of enthalpy counts as, for each cell [K/J]."""
        out, so_far = slope.copy(), state.controller[EXTREMES]
        low = min([float(state.temperature.min()), *so_far[:1]])
        high = max([float(state.temperature.max()), *so_far[1:]])
        volume = cell_volume(self.space.problem.domain)
        lenient, weight = (LENIENT, 1.0) if len(self.space.shape) > 1 else (1.0, SINGLE)
        for law, inside in self.store.parts:
            if len(law.contents) > 2:
                solid, liquid = (law.content_at(np.array([low, high]), is_liquid=phase) for phase in (False, True))
                heat = float(liquid[1] - solid[0]) * volume
                out[inside] = np.maximum(weight * (high - low) / heat if heat > 0.0 else 0.0, out[inside] / lenient)
        return out

    def _slope(self, state: State) -> FloatArray:
        return self.store.temperature(_content(state))[1]

    def find_corner(self, before: State, after: State) -> float | None:
        """The share of a step at which the first cells come to a corner; None if at once, or at more than `FEW` times.

        The content of such a cell is a parabola in time, from its flow at the start.
        """
        old, new = _content(before), _content(after)
        cells, corners = self.store.find_corners(old, new)
        if cells.size == 0:
            return None
        step = after.time - before.time
        rise = step * self._begin(old, before.time).flow.net[cells]
        bend = new[cells] - old[cells] - rise
        low, high = np.zeros(cells.size), np.ones(cells.size)
        for _ in range(BISECTIONS):
            middle = 0.5 * (low + high)
            is_before = (old[cells] + middle * (rise + middle * bend) - corners) * (old[cells] - corners) > 0.0
            low, high = np.where(is_before, middle, low), np.where(is_before, high, middle)
        shares = np.sort(high[high > AT_ONCE])
        moments = int((np.diff(shares) > AT_ONCE).sum())  # besides the first: cells of a plane front melt at one time
        return float(shares[0]) if shares.size and moments < FEW and NEAR < shares[0] < 1.0 else None

    def _damped_step(self, state: State, attempt: State, segment: Segment, number: int) -> State:
        """Two steps of backward Euler, which make no new extreme; their distance to `attempt` counts as error."""
        half = 0.5 * segment.time_step
        start, end = segment.time(number), segment.time(number + 1)
        content, heat_balance, none = _content(state), state.heat_balance, np.zeros_like(state.temperature)
        for time in (0.5 * (start + end), end):
            done = self._stage(content, none, content, half, segment.inside(time))
            content, heat_balance = done.content, add_step_heat(heat_balance, half, (done.flow,), (1.0,))
        error = _carry(state, content - _content(attempt), done, half)
        damped = state.damped_steps + 1
        return replace(
            attempt,
            temperature=done.temperature,
            content=content,
            heat_balance=heat_balance,
            error=error,
            damped_steps=damped,
        )

    def estimate_error(self, state: State) -> FloatArray:
        """Estimate of the time error of each cell, flat [K]."""
        if state.error is None:
            return np.zeros_like(state.temperature)
        return np.abs(state.error * self._slope(state))


def _rounding(moment: Moment, tau: float) -> float:
    """One rounding of the largest term of a residual [J]; a temperature has those of its enthalpy too."""
    content = float(np.abs(moment.content).max())
    temperature = float(np.spacing(np.abs(moment.temperature).max()))
    temperature += float((np.spacing(np.abs(moment.content)) * moment.slope).max())
    return float(np.spacing(content)) + tau * float(moment.space.diagonal(moment.loads).max()) * temperature


def _content(state: State) -> FloatArray:
    if state.content is None:
        raise ValueError("a state of a phase change holds enthalpies")
    return state.content


def _carry(state: State, local: FloatArray, done: AnyMoment, tau: float) -> FloatArray:
    """The error of the enthalpies [J] with that of one more step: backward Euler of the linearised equation."""
    return done.make_solver(tau).solve(local if state.error is None else local + state.error)
