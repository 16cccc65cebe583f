"""The only loop in time: stopping at the output times, recording, reporting, watching.

A stepper is independent of the outputs. A run may begin at any state of the same plan; cut anywhere and continued, it
gives the same bytes. Where a stepper chooses its steps by their error and finds at an output time that the errors have
added up to more than the tolerance, the run begins again with the controller that the stepper returns.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from grid.core.errors import DivergedError, FieldError, GridError
from grid.engine.errors import CancelledError, RunError, StepUnderflowError
from grid.engine.methods.state import Bounds, ErrorControlled, HeatBalance, Segment, State, Stepper
from grid.engine.progress import find_watch
from grid.engine.results.snapshots import Kept, Snapshots
from grid.engine.run.spec import OnStep, RunSpec
from grid.engine.space.laws import Loads
from grid.engine.space.measure import Measure
from grid.engine.space.space import Space
from grid.engine.values.operations import FloatArray

REPORTS = 50  # [-] approximate number of calls of on_step in a run
STRIDE = 16  # [-] steps after which a run that chooses its steps reports at the latest, at first
RETRIES = 3  # [-] repetitions of a run at most
EQUAL = 2.0  # [-] prescribed equal steps over the longest step that resolves the loads


@dataclass
class Recorder:
    """Record of a run: fields at output times, contents, errors, and the history."""

    space: Space
    fields: list[FloatArray] = field(default_factory=list)
    snapshots: Snapshots = field(init=False)
    spaces: Sequence[Space] = field(init=False)
    loads: Sequence[Loads] = field(init=False)
    contents: list[FloatArray | None] = field(default_factory=list)
    errors: list[float] = field(default_factory=list)
    rows: list[tuple[float, float, float, float]] = field(default_factory=list)
    extremes: list[tuple[float, float]] = field(default_factory=list)  # of each snapshot
    means: list[float] = field(default_factory=list)
    rises: list[float | None] = field(default_factory=list)  # their heat, see `Measure`
    prescribed: list[tuple[float, ...]] = field(default_factory=list)  # of the heat balance, see `HeatBalance`
    _measured: tuple[FloatArray, Measure] | None = None

    def __post_init__(self) -> None:
        self.snapshots = Snapshots(self.space)
        self.spaces = Kept[Space](self.snapshots, self.snapshots.find_space)
        self.loads = Kept[Loads](self.snapshots, self.snapshots.find_loads)

    def save(self, state: State, time: float, error: float) -> None:
        """A snapshot, for which coefficients and loads are known at its field and the given time."""
        self.snapshots.add(state.temperature, time)
        self.fields.append(state.temperature.reshape(self.space.shape))
        self.contents.append(state.content)
        self.errors.append(error)
        self.prescribed.append(state.heat_balance.prescribed)
        found = self._measure(state)
        self.extremes.append((found.lowest, found.highest))
        self.means.append(found.mean)
        self.rises.append(found.rise)

    def _measure(self, state: State) -> Measure:
        """Extremes and mean; the last one is stored, as a state is mostly noted and recorded in turn."""
        if self._measured is None or self._measured[0] is not state.temperature:
            is_start = state.temperature is self.space.initial_temperature()
            found = self.space.initial_measure if is_start else self.space.measure(state.temperature)
            self._measured = state.temperature, found
        return self._measured[1]

    def record(self, state: State) -> None:
        """A row of the history; the check that every temperature is finite comes with it.

        Raises:
            DivergedError: It is not.
        """
        temperature = state.temperature
        low, high, mean, _ = self._measure(state)
        if not math.isfinite(low) or not math.isfinite(high) or not math.isfinite(mean):
            cell = int(np.argmin(np.isfinite(temperature)))
            place = tuple(int(index) for index in np.unravel_index(cell, self.space.shape))
            reason = (
                f"the temperature of cell {place} is not a finite number; shorten the steps, or check the loads there"
            )
            raise DivergedError(state.step, state.time, reason, place)
        self.rows.append((state.time, low, mean, high))


def make_stepper(plan: RunSpec) -> Stepper:
    """The stepper of a transient, as its plan has it."""
    if plan.method is None or plan.inputs is None:
        raise ValueError("a steady state takes no steps")
    return plan.method.make_stepper(plan.space, plan.inputs)


def make_segments(plan: RunSpec, stepper: Stepper) -> Iterator[Segment]:
    """The run cut at output times, and at breakpoints and knots of tables where a stepper needs to land on them."""
    if plan.inputs is None:
        return
    start, limits, factor = 0.0, None, 1.0
    if plan.problem.has_timed_values:
        from grid.engine.methods.inputs import analyse_inputs

        if plan.summary.model != "diffusive":
            limits = analyse_inputs(plan.inputs).limits
        elif getattr(stepper, "time_step", None) is not None:  # equal steps, which are independent of the loads
            limits, factor = analyse_inputs(plan.inputs).coarse_limits, EQUAL
    for stop_time in getattr(stepper, "stops", plan.inputs.stop_times):
        segment = stepper.make_segment(start, stop_time)
        if limits is not None:
            least = math.ceil((stop_time - start) / (factor * limits.find(start)) * (1.0 - 1e-9))
            segment = replace(segment, steps=max(segment.steps, least))
        yield segment
        start = stop_time


def make_start(plan: RunSpec) -> State:
    """The state at t = 0."""
    temperature = plan.space.initial_temperature()
    measure = plan.space.initial_measure
    bounds = Bounds(measure.lowest, measure.highest)
    return State(0.0, 0, temperature, HeatBalance(), bounds, content=initial_content(plan.space, temperature))


def initial_content(space: Space, temperature: FloatArray) -> FloatArray | None:
    """The enthalpies that a run starts with [J], where a material melts."""
    if not space.problem.has_phase_change:
        return None
    from grid.engine.methods.implicit.phase_change_store import EnthalpyModel

    return EnthalpyModel(space).content(temperature)


@dataclass
class TimeLoop:
    """One run of a plan.

    Args:
        plan: What is carried out.
        stepper: Of this plan.
        on_step: See `Plan.solve`.
        on_report: Called at each report with the run and its state; what a checkpoint needs.
    """

    plan: RunSpec
    stepper: Stepper
    on_step: OnStep | None = None
    on_report: "Callable[[TimeLoop, State], None] | None" = None
    recorder: Recorder = field(init=False)
    retries: int = 0
    segments: list[Segment] = field(init=False)
    _told: float = 0.0
    _asked: frozenset[float] = field(init=False)

    def __post_init__(self) -> None:
        self._asked = frozenset(self.plan.times)
        self.segments = list(make_segments(self.plan, self.stepper))
        self.recorder = Recorder(self.plan.space)

    def run(self, state: State | None = None, recorder: Recorder | None = None) -> State:
        """Run from the start, or from a state of the same plan, to the last stop time.

        Args:
            state: Where to begin; with the record up to there, if the run is to be continued.
            recorder: Of the run so far.

        Raises:
            CancelledError: `on_step` returned False.
            DivergedError: A temperature is not a finite number.
        """
        beginning = former = state if state is not None else make_start(self.plan)
        while True:
            try:
                reached, retry = self._run_once(beginning, recorder)
            except StepUnderflowError:
                if self.retries == 0 or beginning is former:
                    raise
                beginning, self.retries = former, RETRIES  # a jump allows no smaller errors; the audit judges them
                continue
            if retry is None:
                return reached
            self.retries += 1
            recorder = None
            beginning, former = replace(make_start(self.plan), controller=retry), beginning

    def _run_once(self, state: State, recorder: Recorder | None) -> tuple[State, tuple[float, ...] | None]:
        """Run to the end, or until the stepper requires a run with another controller."""
        self.recorder = Recorder(self.plan.space) if recorder is None else recorder
        if recorder is None:
            if state.time == 0.0:
                self._keep_start(state)
            self.recorder.record(state)
        progress, kept = _Progress(self, state), 1
        judge = self.stepper if isinstance(self.stepper, ErrorControlled) else None
        for segment in self.segments:
            kept += segment.end in self._asked
            is_kept = recorder is None or len(self.recorder.fields) >= kept
            if state.time > segment.end or (state.time == segment.end and is_kept):
                continue
            state = progress.cross(state, segment)
            if segment.end in self._asked:
                if judge is not None and self.retries < RETRIES:
                    retry = judge.find_retry(state)
                    if retry is not None:
                        return state, retry
                error = float(self.stepper.estimate_error(state).max())
                self.recorder.save(state, segment.inside(segment.end), error)
        return state, None

    def _keep_start(self, state: State) -> None:
        try:
            self.recorder.save(state, self.start_time, 0.0)
        except (RunError, FieldError) as error:
            cause = _explain(self.plan.space, state, error, self.segments[-1].end, is_adaptive=True)
            if cause is error:
                raise
            raise cause from error

    @property
    def start_time(self) -> float:
        """Time at which the loads of the first step begin [s]."""
        return self.segments[0].inside(0.0) if self.segments else 0.0

    def report(self, state: State, fraction: float) -> None:
        """Add a row of the history and report; after a new beginning the fraction stays at its largest so far."""
        self.recorder.record(state)
        self._told = max(self._told, fraction)
        if self.on_step is not None and self.on_step(self._told, state.step, state.time) is False:
            raise CancelledError(state.step, state.time)
        if self.on_report is not None:
            self.on_report(self, state)


class _Progress:
    """Schedule of the reports: about `REPORTS` times in a run."""

    def __init__(self, march: TimeLoop, state: State) -> None:
        self._loop, self._space = march, march.plan.space
        segments = march.segments
        self._end = segments[-1].end if segments else 0.0
        self._total = sum(segment.steps for segment in segments)
        self._is_adaptive = any(segment.is_adaptive for segment in segments)
        least = getattr(march.stepper, "stride", 1)  # steps that a method takes in one pass through memory
        self._chunk = max(least, math.ceil(self._total / REPORTS))
        self._is_filled = getattr(march.stepper, "fills_outside", False)  # cells outside a masked body
        self._since, self._reports, self._last = 0, len(march.recorder.rows) - 1, state.time
        self._watch = find_watch()

    def cross(self, state: State, segment: Segment) -> State:
        """Take the steps of a segment from a state within it."""
        if segment.is_adaptive:
            while state.time < segment.end:
                state = self._advance(state, segment, 0, 1)
                stride = STRIDE * 2 ** (self._reports // REPORTS)
                self._since += 1
                if (state.time - self._last) * REPORTS >= self._end or self._since >= stride or state.time >= self._end:
                    self._report(state, state.time / self._end)
            return state
        done = segment.find_step(state.time) if state.time > segment.start else 0
        while done < segment.steps:
            count = min(self._chunk - self._since, segment.steps - done)
            state = self._advance(state, segment, done, count)
            done, self._since = done + count, self._since + count
            is_last = segment.end == self._end and done == segment.steps
            if self._since == self._chunk or is_last:
                self._report(state, self._fraction(state, is_last=is_last))
        return state

    def _advance(self, state: State, segment: Segment, first: int, count: int) -> State:
        try:
            state = self._loop.stepper.advance(state, segment, first, count)
        except (RunError, FieldError) as error:
            cause = _explain(self._space, state, error, self._end, is_adaptive=segment.is_adaptive)
            if cause is error:
                raise
            raise cause from error
        if self._watch is not None:
            self._watch.update(state.time / self._end, state.time, state.step)
        if self._is_filled:
            return state
        filled = self._space.fill(state.temperature)
        return state if filled is state.temperature else replace(state, temperature=filled)

    def _fraction(self, state: State, *, is_last: bool) -> float:
        if is_last:
            return 1.0
        return state.time / self._end if self._is_adaptive else min(state.step / self._total, 1.0)

    def _report(self, state: State, fraction: float) -> None:
        self._since, self._last, self._reports = 0, state.time, self._reports + 1
        self._loop.report(state, fraction)


def _explain(space: Space, state: State, error: RunError | FieldError, end: float, *, is_adaptive: bool) -> GridError:
    """The error with its place and, where the field that was reached shows it, its cause."""
    if isinstance(error, RunError):
        error.place(state.step, state.time, space.shape)
    if space.problem.is_linear:
        return error
    from grid.engine.methods.growth import explain_failure

    return explain_failure(space, state, error, end, is_adaptive=is_adaptive)
