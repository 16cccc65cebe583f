r"""The implicit method: TR-BDF2, one-step, L-stable, second order, with an embedded error estimate.

With f the heat flow into the cells, :math:`\gamma = 2 - \sqrt 2`, d = gamma/2, w = sqrt(2)/4,

.. math::
    C (T_2 - T_n) &= \Delta t\, d\, (f_1 + f_2), \qquad t_2 = t_n + \gamma \Delta t \\
    C (T_{n+1} - T_n) &= \Delta t\, (w f_1 + w f_2 + d f_3)

Both stages have the matrix C + d dt L, factorised once for a step size. The difference to the embedded third-order
weights ((1-w)/3, (3w+1)/3, d/3) is the local error (M. E. Hosea, L. F. Shampine, Appl. Numer. Math. 20, 1996). The
ledger books the stage flows with the same weights, so the heat balance closes to the rounding of the solves.

TR-BDF2 is not positive for every step, as no method of second order is. A step that makes a new extreme where the
maximum principle forbids one is redone in eight parts, and a part that still does as two steps of backward Euler,
which never do: the damping of R. Rannacher (Numer. Math. 43, 1984), applied only where it is needed.
"""

import math
from collections import OrderedDict
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import TYPE_CHECKING

import numpy as np

from grid.engine.costs.runs import COMPILED_CELLS, COMPILED_FACTOR_SECONDS, LARGE_CELLS, factor_seconds
from grid.engine.errors import NotConvergedError
from grid.engine.linear.balance import BalanceSolution
from grid.engine.linear.iteration import TOLERANCE, solve_balance
from grid.engine.linear.newton import can_differentiate, make_newton_solver
from grid.engine.linear.systems import LinearSolver, make_solver
from grid.engine.methods.implicit.adaptive import CARRY, CARRY_DAMPED, TrialStep
from grid.engine.methods.implicit.scheme import GAMMA, LOCAL, WEIGHTS, D, EqualSteps, W, add_step_heat, combine
from grid.engine.methods.state import Segment, State, include_references
from grid.engine.space.carrying import make_strict
from grid.engine.space.laws import HeatFlow, Loads
from grid.engine.space.nonlinear import find_variation, freeze, freeze_start
from grid.engine.space.space import Space
from grid.engine.values.operations import FloatArray

if TYPE_CHECKING:
    from grid.engine.methods.implicit.conduction_body import ConductionBody

# [-] stored matrices of the start, and cells up to which it is not worth storing one
KEPT_REFERENCES, FEW_CELLS = 8, 1_000
KEPT_SOLVERS, KEPT_SOLVERS_LARGE = 4, 2  # [-] stored factorisations for different steps, on small and on large grids
REUSE = 1e-10  # [-] relative difference of two steps that counts as rounding
CAREFUL_PARTS = 8  # [-] parts of a step that is redone because it breaks the bounds
SHIFTED = 0.5  # [-] power of time with which the error of a front in the wrong place decays, as its slope does


@dataclass(frozen=True)
class Stage:
    """One implicit stage: the size of the step [s], the weight of the stage in it, and its time [s]."""

    step: float
    weight: float
    time: float


@dataclass
class ImplicitStepper(EqualSteps):
    """TR-BDF2 in equal steps between stop times; `grid.engine.methods.implicit.adaptive` takes its steps one by one.

    Args:
        accuracy: What an iteration may leave of a stage, over the span of temperatures.
        rough: The same where a bound tells how much it leaves, see `grid.engine.methods.implicit.conduction_body`.
        anchor: A step [s]; where few matrices are stored, they belong to it times powers of two. 0: each to the step
            that it was made for.
    """

    accuracy: float = TOLERANCE
    rough: float = TOLERANCE
    anchor: float = 0.0
    _references: OrderedDict[float, LinearSolver] = field(default_factory=OrderedDict, repr=False)
    _steps: list[float] = field(default_factory=list, repr=False)
    _solvers: OrderedDict[tuple[float, bytes], LinearSolver] = field(default_factory=OrderedDict, repr=False)

    def make_segment(self, start: float, end: float) -> Segment:
        """Cut the time between two stop times into equal steps, and record their length."""
        segment = super().make_segment(start, end)
        if not any(abs(known - segment.time_step) <= REUSE * known for known in self._steps):
            self._steps.append(segment.time_step)
        return segment

    def _equal_step(self, state: State, segment: Segment, number: int) -> State:
        step = self._same_step(segment.time_step)
        try:
            attempt = self._try_step(state, segment, number, step)
        except NotConvergedError:
            if self.space.correction is None:
                raise
            return self._careful_step(state, segment, number, step)  # a limited flow over many cells in one step
        return self._careful_step(state, segment, number, step) if self.breaks_bounds(attempt) else attempt

    def _same_step(self, step: float) -> float:
        """A step that differs by rounding alone from one of an earlier segment becomes that one."""
        return next((known for known in self._steps if abs(known - step) <= REUSE * step), step)

    def _solver(self, step: float, weight: float, loads: Loads) -> LinearSolver:
        """The factorised matrix C + weight step L."""
        key = (step if weight == D else -weight * step, loads.operator_key)
        if key not in self._solvers:
            kept = KEPT_SOLVERS if self.space.capacity.size <= LARGE_CELLS else KEPT_SOLVERS_LARGE
            while len(self._solvers) >= kept:
                self._solvers.popitem(last=False)  # before the new one, so that no more are ever held
            self._solvers[key] = make_solver(self.space, loads, shift=1.0, tau=weight * step)
        self._solvers.move_to_end(key)
        return self._solvers[key]

    def _stage(
        self,
        base: FloatArray,
        known: FloatArray,
        guess: FloatArray,
        stage: Stage,
        before: BalanceSolution | None = None,
        *,
        is_strict: bool = False,
    ) -> BalanceSolution:
        """The field T with C (T - base) = known + weight step f(T) at the time of a stage.

        Args:
            before: A stage of the same step and weight, whose matrix may serve again.
            is_strict: Let no local extreme grow by a limited flow.
        """
        tau, space = stage.weight * stage.step, self.space if not is_strict else self._strict_space
        if self.body is not None:
            reference = self._find_reference_nearby(tau)
            if before is not None and before.solver not in self._references.values():
                reference = before.solver, tau
            done = self.body.settle(
                (base, known, guess), tau, stage.time, reference,
                partial(self._make_solver_at, stage.time, tau), self.rough,
            )  # fmt: skip
            if done is not None:
                return done
        if not space.problem.is_linear:
            is_kept = before is not None and before.is_steady and self.body is None
            solver = before.solver if before is not None and is_kept else self._find_reference(tau)
            done = solve_balance(
                space, base, known, guess, shift=1.0, tau=tau, time=stage.time, solver=solver, tolerance=self.accuracy
            )
            return done if self.body is None else replace(done, flow=self.body.join(done.flow))
        loads = self.space.loads(stage.time)
        solver = self._solver(stage.step, stage.weight, loads)
        if space.correction is not None:
            from grid.engine.linear.accelerated import TOLERANCE as TOLERANCE_LIMITED
            from grid.engine.linear.accelerated import solve_limited_balance

            accuracy = max(TOLERANCE_LIMITED, self.accuracy)
            return solve_limited_balance(
                space, base, known, guess, shift=1.0, tau=tau, time=stage.time, solver=solver, tolerance=accuracy
            )
        temperature = base + solver.solve(known + tau * self.space.heat_flow(base, loads).net)
        return BalanceSolution(temperature, self.space.heat_flow(temperature, loads), loads, self.space, solver, 1)

    def _guess_last(self, old: FloatArray, middle: BalanceSolution) -> FloatArray:
        """First guess of the last stage: the middle stage extrapolated to the end of the step.

        Within the extremes of both fields, for which properties are known to be physical.
        """
        if self.space.problem.is_linear or self.accuracy <= TOLERANCE:
            return middle.temperature
        low, high = min(old.min(), middle.temperature.min()), max(old.max(), middle.temperature.max())
        return np.clip(old + (middle.temperature - old) / GAMMA, low, high)

    @cached_property
    def body(self) -> "ConductionBody | None":
        """The cells of a body whose heat flow is compiled."""
        if self.space.problem.is_linear or not self._is_factorable:
            return None
        from grid.engine.methods.implicit.conduction_body import ConductionBody
        from grid.engine.space.conduction_faces import is_compiled

        return ConductionBody(self.space) if is_compiled(self.space) else None

    @property
    def _is_factorable(self) -> bool:
        """True where Newton's matrix is factorised, or would be in less time than uncompiled turns take."""
        space, cells = self.space, self.space.body_count
        if can_differentiate(space):
            return True
        is_cheap = cells <= COMPILED_CELLS and factor_seconds(space.shape, cells) <= COMPILED_FACTOR_SECONDS
        return is_cheap and not space.couplings

    @property
    def has_few_matrices(self) -> bool:
        """True where stages are corrected with matrices of few steps, as a factorisation costs more than turns."""
        return self.body is not None and len(self.space.shape) > 1 and self.space.body_cells.size > FEW_CELLS

    def _find_flow(self, space: Space, temperature: FloatArray, time: float) -> tuple[HeatFlow, Loads]:
        """The heat flow of a flat field at a time, and the loads then."""
        moment = None if self.body is None else self.body.find_flow(temperature, time)
        if moment is not None:
            return moment.flow, moment.around.loads
        frozen, loads = freeze(space, temperature, time)
        flow = frozen.heat_flow(temperature, loads)
        return flow if self.body is None else self.body.join(flow), loads

    def _find_reference_nearby(self, tau: float) -> tuple[LinearSolver, float]:
        """Newton's matrix at the start of the run for a step nearby, and the weight of the stage that it is for [s]."""
        nearby = tau
        if self.anchor > 0.0 and self.has_few_matrices:
            nearby = D * self.anchor * 2.0 ** round(math.log2(tau / (D * self.anchor)))
            nearby = tau if abs(nearby - tau) <= REUSE * tau else nearby
        return self._make_reference(nearby), nearby

    def _make_solver_at(self, time: float, tau: float, temperature: FloatArray) -> LinearSolver:
        """Newton's matrix at a field."""
        if self.body is not None and not can_differentiate(self.space):
            return self.body.make_solver(temperature, time, tau)
        frozen, loads = freeze(self.space, temperature, time)
        return make_newton_solver(frozen, loads, temperature, time, shift=1.0, tau=tau)

    def _find_reference(self, tau: float) -> LinearSolver | None:
        """Newton's matrix at the start of the run, where a factorisation costs more than a turn or two with an old one.

        It follows from the plan alone, so a run that is resumed has the same.
        """
        return self._make_reference(tau) if self._keeps_references else None

    def _make_reference(self, tau: float) -> LinearSolver:
        if tau not in self._references:
            while len(self._references) >= KEPT_REFERENCES:
                self._references.popitem(last=False)
            self._references[tau] = (
                self._make_solver_at(0.0, tau, self.space.initial_temperature())
                if self.body is None
                else self.body.make_reference(tau)
            )
        self._references.move_to_end(tau)
        return self._references[tau]

    @cached_property
    def _keeps_references(self) -> bool:
        space = self.space
        is_direct = can_differentiate(space) and len(space.shape) > 1 and space.body_count > FEW_CELLS
        return is_direct and not find_variation(space).is_steep

    @cached_property
    def _strict_space(self) -> Space:
        return make_strict(self.space)

    def _try_step(self, state: State, segment: Segment, number: int, step: float) -> State:
        """One step of TR-BDF2, accepted or not."""
        done, local, last = self._take_within(state, segment, number, step)
        return replace(done, error=self._carry(state, local, last))

    def try_step(self, state: State, segment: Segment, step: float) -> TrialStep:
        """One step of TR-BDF2 over the whole of a segment, for a controller to judge."""
        done, local, last = self._take_within(state, segment, 0, step)
        return self._attempt(done, local, last, CARRY)

    def _take_within(
        self, state: State, segment: Segment, number: int, step: float
    ) -> tuple[State, FloatArray, BalanceSolution]:
        """A step; of a limited flow that makes a new extreme the strict one, which lets the extremes of cells not grow.

        A smooth extreme between two cells is larger than both and would show when it reaches the next.
        """
        taken = self._take(state, segment, number, step)
        if taken[2].space.correction is None or not self.breaks_bounds(taken[0]):
            return taken
        return self._take(state, segment, number, step, is_strict=True)

    def _take(
        self, state: State, segment: Segment, number: int, step: float, *, is_strict: bool = False
    ) -> tuple[State, FloatArray, BalanceSolution]:
        """A step with its local error [J], not filtered, and its last stage."""
        space = self._strict_space if is_strict else self.space
        start, end = segment.time(number), segment.time(number + 1)
        old = state.temperature
        first, loads = self._find_flow(space, old, segment.inside(start))
        at = segment.inside(start + GAMMA * (end - start))
        middle = self._stage(old, step * D * first.net, old, Stage(step, D, at), is_strict=is_strict)
        known = step * W * (first.net + middle.flow.net)
        at = segment.inside(end)
        guess = self._guess_last(old, middle)
        last = self._stage(old, known, guess, Stage(step, D, at), middle, is_strict=is_strict)
        flows = (first, middle.flow, last.flow)
        local = step * combine(flows, LOCAL)
        bounds = state.bounds
        for load in (loads, middle.loads, last.loads):
            bounds = include_references(bounds, load)
        heat_balance = add_step_heat(state.heat_balance, step, flows, WEIGHTS)
        turns = state.iterations + middle.iterations + last.iterations
        done = replace(
            state, time=end, temperature=last.temperature, heat_balance=heat_balance, bounds=bounds, iterations=turns
        )
        return done, local, last

    def damp_step(self, state: State, segment: Segment, step: float) -> TrialStep:
        """Two steps of backward Euler of d h, with the matrix of a step h; their error is half of h^2 T_tt each."""
        size, heat_balance, bounds, temperature = D * step, state.heat_balance, state.bounds, state.temperature
        before, _ = self._find_flow(self.space, temperature, segment.inside(segment.start))
        none = np.zeros_like(temperature)
        turns = state.iterations
        for part in (1, 2):
            at = segment.inside(segment.start + part * size)
            done = self._stage(temperature, none, temperature, Stage(step, D, at), is_strict=True)
            temperature, heat_balance = done.temperature, add_step_heat(heat_balance, size, (done.flow,), (1.0,))
            bounds, turns = include_references(bounds, done.loads), turns + done.iterations
        damped = replace(
            state,
            time=segment.start + 2.0 * size,
            temperature=temperature,
            heat_balance=heat_balance,
            bounds=bounds,
            damped_steps=state.damped_steps + 1,
            iterations=turns,
        )
        return self._attempt(damped, 0.5 * size * (done.flow.net - before.net), done, CARRY_DAMPED)

    def to_kelvin(self, state: State, heat: FloatArray) -> FloatArray:
        """Errors of temperature that belong to errors of heat."""
        if not find_variation(self.space).capacity:
            return heat * self.space.rate
        return heat * freeze(self.space, state.temperature, state.time)[0].rate

    def find_corner(self, before: State, after: State) -> float | None:  # noqa: ARG002 smooth coefficients have none
        """Return None: smooth coefficients have no corner."""
        return None

    def _careful_step(self, state: State, segment: Segment, number: int, step: float) -> State:
        """The step in `CAREFUL_PARTS` parts, each damped if even it breaks the bounds."""
        parts = Segment(segment.time(number), segment.time(number + 1), CAREFUL_PARTS)
        for part in range(CAREFUL_PARTS):
            attempt = self._try_step(state, parts, part, step / CAREFUL_PARTS)
            if self.breaks_bounds(attempt):
                attempt = self._damped_step(state, attempt, parts, part, step / CAREFUL_PARTS)
            state = attempt
        return replace(state, damped_steps=state.damped_steps + 1)

    def _damped_step(self, state: State, attempt: State, segment: Segment, number: int, step: float) -> State:
        """Two steps of backward Euler, which make no new extreme; their distance to `attempt` counts as error."""
        start, end = segment.time(number), segment.time(number + 1)
        temperature, heat_balance, none = state.temperature, state.heat_balance, np.zeros_like(state.temperature)
        for time in (0.5 * (start + end), end):
            done = self._stage(temperature, none, temperature, Stage(step, 0.5, segment.inside(time)), is_strict=True)
            temperature, heat_balance = done.temperature, add_step_heat(heat_balance, 0.5 * step, (done.flow,), (1.0,))
        local = done.space.capacity * (temperature - attempt.temperature)
        return replace(
            attempt, temperature=temperature, heat_balance=heat_balance, error=self._carry(state, local, done)
        )

    def estimate_error(self, state: State) -> FloatArray:
        """Estimate of the time error of each cell, flat [K]."""
        return np.abs(state.error) if state.error is not None else np.zeros_like(state.temperature)

    def _capacity_of(self, done: BalanceSolution) -> FloatArray:
        """Heat capacities in the matrix of a stage, with which its filter never makes an error grow [J/K]."""
        is_kept = any(done.solver is known for known in self._references.values())
        return freeze_start(self.space)[0].capacity if is_kept else done.space.capacity

    def _attempt(
        self, state: State, local: FloatArray, done: BalanceSolution, powers: tuple[float, float]
    ) -> TrialStep:
        capacity, rate, solver = self._capacity_of(done), done.space.rate, done.solver
        slowest = math.inf if done.space.correction is None else SHIFTED
        return TrialStep(
            state,
            local,
            lambda heat: capacity * solver.solve(heat),
            lambda heat: rate * heat,
            powers,
            slowest_power=slowest,
        )

    def _carry(self, state: State, local: FloatArray, done: BalanceSolution) -> FloatArray:
        """Filter the local error [J] and carry the one so far along.

        One solve, backward Euler over the weight of the stage, which damps less than the equation does.
        """
        return done.solver.solve(local if state.error is None else local + self._capacity_of(done) * state.error)
