"""Linear problems whose loads are linear in time between knots, solved exactly in time mode by mode.

One step from asked time to asked time; knots of the loads are no landings. Every field is found from the start of the
run, as in `grid.engine.methods.rational_krylov`, by modes that follow from the plan alone.
"""

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from grid.engine.audits import reason_without_bounds
from grid.engine.methods.driven_modes import Course, Modes
from grid.engine.methods.keeping import keep_bounds
from grid.engine.methods.response import Motion, march
from grid.engine.methods.signals import Load, Signals
from grid.engine.space import Loads, Space
from grid.engine.state import Bounds, Ledger, Segment, State, include_references
from grid.engine.values import FloatArray

MOST_FACES = 200_000_000  # faces times modes times stretches up to which the heat of each stretch is told apart

MakeModes = Callable[[Space, Loads, FloatArray, Signals, Course], Modes]


@dataclass(frozen=True)
class Run:
    """A run from a start: its modes, and at each landing their amplitudes and what moved until then."""

    modes: Modes
    landings: tuple[float, ...]
    amplitudes: FloatArray  # shape (landings, modes)
    ledgers: tuple[Ledger, ...]
    references: tuple[tuple[float, float], ...]  # extremes of what faces exchange heat with until then

    def find(self, time: float) -> int | None:
        """The number of a landing; None if the run has no such landing."""
        at = int(np.searchsorted(self.landings, time))
        return at if at < len(self.landings) and self.landings[at] == time else None


@dataclass
class DrivenStepper:
    """One step from landing to landing, each found from the start of the run.

    Args:
        space: The discretised problem, linear, with films that are constant in time.
        landings: Times on which steps will end, increasing [s].
        loads: Those that change in time.
        make_modes: Makes the modes of a start.
        name: Of the method.
    """

    space: Space
    landings: tuple[float, ...]
    loads: tuple[Load, ...]
    make_modes: MakeModes
    name: str
    _known: Run | None = field(default=None, repr=False)

    lands_on_knots = False

    def make_segment(self, start: float, end: float) -> Segment:
        return Segment(start, end, 1)

    def advance(self, state: State, segment: Segment, first: int, count: int) -> State:
        for number in range(first, first + count):
            state = self._step(state, segment.time(number), segment.time(number + 1))
        return state

    def estimate_error(self, state: State) -> FloatArray:
        """The error of the modes, the same for all cells."""
        return np.zeros(1) if state.error is None else state.error

    def _step(self, state: State, start: float, end: float) -> State:
        is_known = self._is_known(state) and end in self.landings
        run = self._run if is_known else self._make_run(state.temperature, start, (end,))
        at = run.find(end)
        assert at is not None, "a landing of its own run"  # noqa: S101
        temperature = run.modes.field(run.amplitudes[at])
        ledger, before = run.ledgers[at], 0.0
        if not is_known:
            ledger, before = _add(state.ledger, ledger), float(self.estimate_error(state)[0])
        bounds = include_references(state.bounds, self._loads).include(run.references[at])
        if self._is_bounded:
            temperature, ledger = keep_bounds(temperature, self.space, bounds, ledger)
        return replace(
            state,
            time=end,
            step=state.step + 1,
            temperature=temperature,
            bounds=bounds,
            ledger=ledger,
            error=np.array([before + run.modes.estimate_error()]),
            controller=self._mark(temperature, end) if is_known else (),
        )

    def _is_known(self, state: State) -> bool:
        """Whether a state is one that this run reaches from its start."""
        if state.time == 0.0:
            start = self.space.initial_temperature()
            return state.temperature is start or np.array_equal(state.temperature, start)
        return bool(state.controller) and state.controller == self._mark(state.temperature, state.time)

    def _mark(self, temperature: FloatArray, time: float) -> tuple[float, ...]:
        """A mark of a field, for as long as another step may follow."""
        return (float(zlib.crc32(temperature.data)),) if time < self.landings[-1] else ()

    @property
    def _run(self) -> Run:
        if self._known is None:
            self._known = self._make_run(self.space.initial_temperature(), 0.0, self.landings)
        return self._known

    def _make_run(self, start: FloatArray, begin: float, landings: Sequence[float]) -> Run:
        """Carry the modes of a start through all stretches."""
        course = Course.of(self._signals, landings, begin)
        loads = self._loads if begin == 0.0 else self._signals.begin(begin)
        modes = self.make_modes(self.space, loads, start, self._signals, course)
        low, high = course.drive(modes)
        motion = march(modes.rates, course.lengths, low, high, np.zeros_like(modes.rates))
        integrals, given = motion.integrals.cumsum(axis=0), _integrate(course)
        last = course.asked - 1
        amplitudes = np.stack([modes.close(motion.ends[at], integrals[at], given[at]) for at in last])
        booking = _Booking(self.space, loads, self._signals, course, modes, start)
        ledgers, references = booking.book(motion)
        return Run(modes, tuple(landings), amplitudes, ledgers, references)

    @cached_property
    def _signals(self) -> Signals:
        return Signals(self.space, self.loads, self.landings[-1])

    @cached_property
    def _loads(self) -> Loads:
        return self._signals.begin(0.0)

    @cached_property
    def _is_bounded(self) -> bool:
        return reason_without_bounds(self.space.problem) is None


def _integrate(course: Course) -> FloatArray:
    """Integrals since the start of 1 and of each load [s], at the end of each stretch."""
    parts = 0.5 * (course.low + course.high) * course.lengths[:, None]
    return np.column_stack([course.times[1:], parts.cumsum(axis=0)])


def _add(one: Ledger, other: Ledger) -> Ledger:
    return Ledger(
        one.boundary_in + other.boundary_in,
        one.boundary_out + other.boundary_out,
        one.generated + other.generated,
        one.generated_absolute + other.generated_absolute,
    )


@dataclass
class _Booking:
    """The heat that moves through each face and from sources until each landing."""

    space: Space
    loads: Loads
    signals: Signals
    course: Course
    modes: Modes
    start: FloatArray

    def book(self, motion: Motion) -> tuple[tuple[Ledger, ...], tuple[tuple[float, float], ...]]:
        """The ledger and the extremes of references at each landing."""
        count = len(self.course.asked)
        totals, extremes = np.zeros((4, count)), np.stack([np.full(count, np.inf), np.full(count, -np.inf)])
        bounds, first = Bounds(np.inf, -np.inf), 0
        for at, last in enumerate(self.course.asked.tolist()):
            part = slice(first, last)
            for index in range(len(self.space.patches)):
                into, out, bounds = self._pass(index, part, motion.integrals[part], bounds)
                totals[0, at] += into
                totals[1, at] += out
            totals[2:, at] = self._generate(part)
            extremes[:, at] = bounds.lowest, bounds.highest
            first = last
        sums = totals.cumsum(axis=1)
        ledgers = tuple(Ledger(*map(float, column)) for column in sums.T)
        return ledgers, tuple((float(low), float(high)) for low, high in extremes.T)

    def _pass(self, index: int, part: slice, integrals: FloatArray, bounds: Bounds) -> tuple[float, float, Bounds]:
        """Heat in and out through a patch over some stretches [J], by the signs of the mean of each stretch."""
        patch, closure, course = self.space.patches[index], self.loads.closures[index], self.course
        reference, imposed = np.asarray(closure.reference, np.float64), np.asarray(closure.imposed, np.float64)
        exchanges, lengths = bool(np.any(closure.transmittance)), course.lengths[part, None]
        shift: FloatArray = np.zeros((1, 1))
        for number, pattern in enumerate(self.signals.patterns):
            if pattern.patch != index:
                continue
            low, high = course.low[part, number, None], course.high[part, number, None]
            if pattern.reference is None:
                imposed = imposed + 0.5 * (low + high) * (pattern.heat / patch.area)
                continue
            shift = shift + 0.5 * (low + high) * pattern.reference
            for end in (low, high):
                bounds = bounds.include(reference + end * pattern.reference)
        if not exchanges and not np.any(imposed):
            return 0.0, 0.0, bounds
        if not exchanges:
            heat = np.broadcast_to(imposed, (lengths.size, patch.cells.size)) * (lengths * patch.area)
        else:
            if lengths.size * patch.cells.size * integrals.shape[1] * len(course.asked) > MOST_FACES:
                whole = lengths.sum()
                shift = (shift * lengths).sum(axis=0, keepdims=True) / whole
                imposed = imposed if imposed.ndim < 2 else (imposed * lengths).sum(axis=0) / whole
                integrals, lengths = integrals.sum(axis=0, keepdims=True), np.array([[whole]])
            near = self.start[patch.cells] + self.modes.take(patch.cells, integrals) / lengths
            flux = closure.transmittance * (reference + shift - near) + imposed
            heat = flux * (lengths * patch.area)
        return float(np.maximum(heat, 0.0).sum()), -float(np.minimum(heat, 0.0).sum()), bounds

    def _generate(self, part: slice) -> tuple[float, float]:
        """Heat of sources over some stretches [J], with and without its sign."""
        lengths = self.course.lengths[part]
        if self.loads.source is None:
            return 0.0, 0.0
        source = self.loads.source if self.space.active is None else self.loads.source[self.space.active]
        changing = [number for number, pattern in enumerate(self.signals.patterns) if pattern.patch is None]
        if not changing:
            whole = float(lengths.sum())
            return float(source.sum()) * whole, float(np.abs(source).sum()) * whole
        mean = 0.5 * (self.course.low[part][:, changing] + self.course.high[part][:, changing])
        own = mean @ np.array([float(self.signals.patterns[number].heat.sum()) for number in changing]) + source.sum()
        return float((own * lengths).sum()), float((np.abs(own) * lengths).sum())
