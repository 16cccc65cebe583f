"""Linear problems whose loads are linear in time between knots, solved exactly in time mode by mode.

One step from output time to output time; knots of the loads are no stop times. Every field is found from the start of
the run, as in `grid.engine.methods.krylov.stepper`, by modes that follow from the plan alone.
"""

from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from grid.core.errors import FieldError
from grid.engine import limits
from grid.engine.loads.signals import SOURCE, Load, Signals
from grid.engine.methods.bounds import keep_bounds, reason_without_bounds
from grid.engine.methods.driven.applied_loads import integrate_loads
from grid.engine.methods.driven.course import Course, Modes
from grid.engine.methods.driven.response import Motion
from grid.engine.methods.run_marks import RunMarks
from grid.engine.methods.state import HeatBalance, Segment, State
from grid.engine.space.laws import Loads
from grid.engine.space.measure import Measure
from grid.engine.space.mesh import cell_volume
from grid.engine.space.space import Space
from grid.engine.values.operations import FloatArray
from grid.engine.values.value import Table, Value

LOOKS = 17  # [-] times of a run at which its loads are evaluated in full
BLOCK = 1 << 20  # [-] faces of several stretches, or cells of several fields, that are evaluated together
FEW_CELLS = 2_048  # [-] cells of a field up to which several are measured together; larger ones are worth a call each

MakeModes = Callable[[Space, Loads, FloatArray, Signals, Course], Modes]


@dataclass
class Run:
    """A run from a start: its modes, and at each stop time their amplitudes and what moved until then."""

    modes: Modes
    cells: int
    stop_times: tuple[float, ...]
    amplitudes: FloatArray  # shape (stop times, modes)
    heat_balances: tuple[HeatBalance, ...]
    references: tuple[tuple[float, float], ...]  # extremes of what faces exchange heat with until then
    _fields: tuple[int, FloatArray] | None = field(default=None, repr=False)  # of some stop times, and the first
    _measures: list[Measure] = field(default_factory=list, repr=False)  # of these fields, where they are small

    def find(self, time: float) -> int | None:
        """The number of a stop time; None if the run has no such time."""
        at = bisect_left(self.stop_times, time)
        return at if at < len(self.stop_times) and self.stop_times[at] == time else None

    def find_field(self, at: int) -> FloatArray:
        """The flat field at a stop time; those of several are made together."""
        if self._fields is None or not 0 <= at - self._fields[0] < len(self._fields[1]):
            many = max(1, BLOCK // self.cells)
            self._fields = at, self.modes.find_fields(self.amplitudes[at : at + many])
            self._measures = []
        first, fields = self._fields
        found: FloatArray = fields[at - first]
        return found

    def measure(self, at: int, temperature: FloatArray, space: Space) -> Measure:
        """Extremes and mean of the given field at a stop time; those of several small ones are found together.

        Of these the space knows them as well, as its `remember` says.
        """
        if self.cells > FEW_CELLS or self._fields is None:
            return space.measure(temperature)
        first, fields = self._fields
        self._measures = self._measures or space.measure_all(fields)
        space.keep_measure(temperature, found := self._measures[at - first])
        return found


@dataclass
class DrivenStepper:
    """One step from stop time to stop time, each found from the start of the run.

    Args:
        space: The discretised problem, linear, with films that are constant in time.
        stop_times: Times at which steps will end, increasing [s].
        loads: Those that change in time.
        make_modes: Makes the modes of a start.
        name: Of the method.
    """

    space: Space
    stop_times: tuple[float, ...]
    loads: tuple[Load, ...]
    make_modes: MakeModes
    name: str
    _known: Run | None = field(default=None, repr=False)

    lands_on_knots, fills_outside = False, True

    @property
    def stops(self) -> tuple[float, ...]:
        """Times at which segments end: knots of the loads are none."""
        return self.stop_times

    def make_segment(self, start: float, end: float) -> Segment:
        """Make a segment of one step."""
        return Segment(start, end, 1)

    def advance(self, state: State, segment: Segment, first: int, count: int) -> State:
        """Take steps of a segment, each from the solution of the whole run."""
        for number in range(first, first + count):
            state = self._step(state, segment.time(number), segment.time(number + 1))
        return state

    def estimate_error(self, state: State) -> FloatArray:
        """The error of the modes, the same for all cells."""
        return np.zeros(1) if state.error is None else state.error

    def _step(self, state: State, start: float, end: float) -> State:
        at = self._run.find(end) if self._marks.is_known(state) else None
        is_known = at is not None
        run = self._run if at is not None else self._make_run(state.temperature, start, (end,))
        at = at or 0
        temperature = run.find_field(at)
        heat_balance, before = run.heat_balances[at], 0.0
        if not is_known:
            heat_balance, before = _add(state.heat_balance, heat_balance), float(self.estimate_error(state)[0])
        bounds = state.bounds.widen(*run.references[at])
        if self._is_bounded:
            seen = run.measure(at, temperature, self.space)
            if not (bounds.lowest <= seen.lowest and seen.highest <= bounds.highest):
                temperature, heat_balance = keep_bounds(temperature, self.space, bounds, heat_balance)
        return State(  # in full, as `replace` takes three times as long and there may be thousands of stop times
            time=end,
            step=state.step + 1,
            temperature=temperature,
            heat_balance=heat_balance,
            bounds=bounds,
            error=np.array([before + run.modes.estimate_error()]),
            damped_steps=state.damped_steps,
            content=state.content,
            rejected_steps=state.rejected_steps,
            iterations=state.iterations,
            controller=self._marks.make(temperature, end) if is_known else (),
        )

    @cached_property
    def _marks(self) -> RunMarks:
        return RunMarks(self.space, self.stop_times[-1])

    @property
    def _run(self) -> Run:
        if self._known is None:
            self._known = self._make_run(self.space.initial_temperature(), 0.0, self.stop_times)
        return self._known

    def _make_run(self, start: FloatArray, begin: float, stop_times: Sequence[float]) -> Run:
        """Carry the modes of a start through all stretches."""
        course = Course.of(self._signals, stop_times, begin)
        self._require_physical(course.times + begin)
        loads = self._loads if begin == 0.0 else self._signals.begin(begin)
        modes = self.make_modes(self.space, loads, start, self._signals, course)
        motion = course.march(modes)
        given = _integrate(course)[course.asked - 1]
        amplitudes = modes.close(motion.ends, motion.sums, given)
        booking = _Booking(self.space, loads, self._signals, course, modes, start)
        heat_balances, references = booking.book(motion)
        if self.space.prescribed_loads:
            sums = integrate_loads(self.space, self._signals, begin, given)
            heat_balances = tuple(
                HeatBalance(one.boundary_in, one.boundary_out, one.generated, one.generated_absolute, tuple(row))
                for one, row in zip(heat_balances, sums.tolist(), strict=True)
            )
        return Run(modes, start.size, tuple(stop_times), amplitudes, heat_balances, references)

    def _require_physical(self, times: FloatArray) -> None:
        """Evaluate the loads in full at some times of a run, in which only their functions of time are evaluated.

        Raises:
            FieldError: One is not finite, or outside its limits.
        """
        space, middle = self.space, 0.5 * (times[:-1] + times[1:])
        patches = [
            number for number, law in enumerate(space.boundaries) if any(map(_is_looked_at, law.values.values()))
        ]
        has_source = "t" in space.problem.source_term.variables and not self._has_limited_source
        count = len(middle) if patches or has_source else 0
        some = range(count) if count <= LOOKS else np.linspace(0, count - 1, LOOKS).astype(int)
        for time in middle[list(some)].tolist():
            for number in patches:
                space.face_law(number, time)
            if has_source:
                space.source_heat(time)
        for face, law in self.space.problem.boundaries.items():
            for name, value in law.values.items():
                if isinstance(value, Table):
                    limit = law.limits[name]
                    if limit == limits.TEMPERATURE:
                        limit = limits.temperature_limit(self.space.problem.temperature_unit)
                    found = value.arrays[1]
                    if not (limit.allows(float(found.min())) and limit.allows(float(found.max()))):
                        raise FieldError(f"boundaries.{face}.{name}", f"everywhere {limit}")

    @cached_property
    def _has_limited_source(self) -> bool:
        """Tell whether the products of the source stay within its limits wherever they are summed."""
        volume = cell_volume(self.space.problem.domain)
        sizes = [
            float(np.abs(pattern.heat).max(initial=0.0)) / volume * pattern.load.signal.largest
            for pattern in self._signals.patterns
            if pattern.load.face == SOURCE
        ]
        source = self._loads.source
        start = 0.0 if source is None else float(np.abs(source).max(initial=0.0)) / volume
        return bool(start + 2.0 * sum(sizes) < limits.HEAT_SOURCE.maximum)  # false where one is not a number

    @cached_property
    def _signals(self) -> Signals:
        return Signals(self.space, self.loads, self.stop_times[-1])

    @cached_property
    def _loads(self) -> Loads:
        return self._signals.begin(0.0)

    @cached_property
    def _is_bounded(self) -> bool:
        return reason_without_bounds(self.space.problem) is None


def _is_looked_at(value: Value) -> bool:
    """Tell whether a value changes in time and is not a table, whose numbers alone define its course."""
    return "t" in value.variables and not isinstance(value, Table)


def _integrate(course: Course) -> FloatArray:
    """Integrals since the start of 1 and of each load [s], at the end of each stretch."""
    parts = 0.5 * (course.low + course.high) * course.lengths[:, None]
    return np.column_stack([course.times[1:], parts.cumsum(axis=0)])


def _add(one: HeatBalance, other: HeatBalance) -> HeatBalance:
    sums = one.add(other.boundary_in, other.boundary_out, other.generated, other.prescribed)
    return replace(sums, generated_absolute=one.generated_absolute + other.generated_absolute)


@dataclass
class _Booking:
    """The heat that moves through each face and from sources until each stop time."""

    space: Space
    loads: Loads
    signals: Signals
    course: Course
    modes: Modes
    start: FloatArray

    def book(self, motion: Motion) -> tuple[tuple[HeatBalance, ...], tuple[tuple[float, float], ...]]:
        """The heat balance and the extremes of references at each stop time."""
        course = self.course
        totals = np.zeros((4, course.lengths.size))
        extremes = np.full((2, course.lengths.size), [[np.inf], [-np.inf]])
        for index in range(len(self.space.patches)):
            into, out = self._pass(index, motion.integrals, extremes)
            totals[0] += into
            totals[1] += out
        totals[2:] = self._generate()
        begins = np.concatenate([[0], course.asked[:-1]])
        sums = np.add.reduceat(totals, begins, axis=1).cumsum(axis=1)
        low = np.minimum.accumulate(np.minimum.reduceat(extremes[0], begins))
        high = np.maximum.accumulate(np.maximum.reduceat(extremes[1], begins))
        heat_balances = tuple(HeatBalance(*column) for column in sums.T.tolist())
        return heat_balances, tuple(zip(low.tolist(), high.tolist(), strict=True))

    def _pass(self, index: int, integrals: FloatArray, extremes: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Heat in and out through a patch over each stretch [J], by the signs of its mean in each face.

        Args:
            integrals: Of the modes over each stretch [K s].
            extremes: Lowest and highest reference of each stretch, widened here.
        """
        patch, face_law, lengths = self.space.patches[index], self.loads.face_laws[index], self.course.lengths
        exchanges, count = bool(np.any(face_law.transmittance)), patch.cells.size
        reference, imposed = self._follow(index, extremes)
        into, out = np.zeros(lengths.size), np.zeros(lengths.size)
        if not exchanges and not np.any(imposed):
            return into, out
        size = max(1, BLOCK // count)
        for low in range(0, lengths.size, size):
            part = slice(low, low + size)
            flux: FloatArray = np.broadcast_to(_cut(imposed, part), (lengths[part].size, count))
            if exchanges:  # in one array, as several of them would not stay in the cache
                near = self.modes.look(integrals[part], patch.cells)
                near /= lengths[part, None]
                near += self.start[patch.cells]
                np.subtract(_cut(reference, part), near, out=near)
                near *= face_law.transmittance
                near += flux
                flux = near
            heat = flux * (lengths[part, None] * patch.area)
            both = heat.sum(axis=1)
            into[part] = np.maximum(heat, 0.0, out=heat).sum(axis=1)
            out[part] = into[part] - both
        return into, out

    def _follow(self, index: int, extremes: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Mean reference and mean imposed heat of a patch in each stretch, shape (1 or stretches, 1 or faces)."""
        face_law, patch, course = self.loads.face_laws[index], self.space.patches[index], self.course
        reference, imposed = (
            np.atleast_1d(np.asarray(part, np.float64))[None] for part in (face_law.reference, face_law.imposed)
        )
        low = high = reference
        for number, pattern in enumerate(self.signals.patterns):
            if pattern.patch != index:
                continue
            ends = course.low[:, number, None], course.high[:, number, None]
            if pattern.reference is None:
                imposed = imposed + 0.5 * (ends[0] + ends[1]) * (pattern.heat / patch.area)
            else:
                weight = pattern.reference if np.ptp(pattern.reference) else pattern.reference[:1]
                low, high = low + ends[0] * weight, high + ends[1] * weight
        if np.any(face_law.transmittance):
            extremes[0] = np.minimum(extremes[0], np.minimum(low, high).min(axis=1))
            extremes[1] = np.maximum(extremes[1], np.maximum(low, high).max(axis=1))
        return 0.5 * (low + high), imposed

    def _generate(self) -> FloatArray:
        """Heat of sources over each stretch [J], with and without its sign."""
        lengths = self.course.lengths
        if self.loads.source is None:
            return np.zeros((2, lengths.size))
        source = self.loads.source[self.space.body_cells]
        changing = [number for number, pattern in enumerate(self.signals.patterns) if pattern.patch is None]
        if not changing:
            return np.stack([float(source.sum()) * lengths, float(np.abs(source).sum()) * lengths])
        mean = 0.5 * (self.course.low[:, changing] + self.course.high[:, changing])
        own = mean @ np.array([float(self.signals.patterns[number].heat.sum()) for number in changing]) + source.sum()
        return np.stack([own * lengths, np.abs(own) * lengths])


def _cut(values: FloatArray, part: slice) -> FloatArray:
    """Rows of some stretches, or the one row that holds for all."""
    return values if len(values) == 1 else values[part]
