"""A run that chooses its model step by step: the lumped one, or a diffusive method within it.

One step here is one decision. A state is an ordinary state; what is remembered of the models is in its controller.
"""

import math
from dataclasses import dataclass, field, replace

import numpy as np

from grid.engine.errors import SingularError, StepUnderflowError
from grid.engine.lumped.fidelity import Log, Model, Rule, compute_certificate, mean_temperature
from grid.engine.lumped.grid_certificates import BodyShape
from grid.engine.lumped.quasi_steady import Conduction
from grid.engine.lumped.step import LumpedAdvance
from grid.engine.methods.bounds import tolerance_scale
from grid.engine.methods.inputs import DEFAULT_TOLERANCE
from grid.engine.methods.state import Segment, State, Stepper, include_references
from grid.engine.problem.timed_loads import has_growing_loads
from grid.engine.space.laws import Loads
from grid.engine.space.space import Space
from grid.engine.values.operations import FloatArray

OF_TOLERANCE = 0.5  # [-] sum of the errors of all steps over the tolerance
MOST_HALVINGS = 30  # [-] halvings of a decision at most
ENERGY_CELLS = 5_000  # [-] cells up to which certificate C4 is advanced with every step; it takes solves of its own


@dataclass
class FidelityStepper:
    """Steps of the simplest model that is accurate enough.

    Args:
        space: The body on its grid.
        inner: The diffusive method; None where the lumped model is used throughout.
        rule: When to change.
        time_step: Upper limit of a step, that is of the time between two decisions [s].
        is_plain: Newton's law of cooling in place of the corrected lumped model.
        tolerance: Of the error in time of the lumped model, over the span of temperatures, where the step is not exact.
        end: Of the run [s].
    """

    space: Space
    inner: Stepper | None
    rule: Rule
    time_step: float
    is_plain: bool = False
    name: str = "auto"
    tolerance: float = DEFAULT_TOLERANCE
    end: float = math.inf
    _lumped: LumpedAdvance = field(init=False, repr=False)
    _shaped: LumpedAdvance = field(init=False, repr=False)  # the field that the certificate is taken of
    _conduction: Conduction | None = field(default=None, init=False, repr=False)
    _decays: dict[bytes, float] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        start = mean_temperature(self.space, self.space.initial_temperature())
        self._shaped = LumpedAdvance(self.space, start)
        self._lumped = LumpedAdvance(self.space, start, is_plain=True) if self.is_plain else self._shaped

    def make_segment(self, start: float, end: float) -> Segment:
        """Equal decisions; called adaptive because the diffusive method chooses its steps between two."""
        return Segment(start, end, max(1, math.ceil((end - start) / self.time_step * (1 - 1e-9))), is_adaptive=True)

    def advance(self, state: State, segment: Segment, first: int, count: int) -> State:  # noqa: ARG002 state has it
        """Take up to `count` decisions from a state on, none beyond the end of the segment."""
        for _ in range(count):
            if state.time >= segment.end:
                break
            number = segment.find_step(state.time) if state.time > segment.start else 0
            state = self._step(state, segment, number)
        return state

    def estimate_error(self, state: State) -> FloatArray:
        """Error of the diffusive method; that of the lumped model is in its certificate."""
        if self.inner is None or Log.unpack(state.controller).model == "lumped":
            return np.zeros_like(state.temperature)
        return self.inner.estimate_error(state)

    def _step(self, state: State, segment: Segment, number: int) -> State:
        start, end = segment.time(number), segment.time(number + 1)
        inside = (segment.inside(start), segment.inside(end))
        log, certificate = self._decide(state, *inside, end - start)
        if log.model == "diffusive" and self.inner is not None:
            done = self._diffuse(self.inner, replace(state, controller=log.inner), start, end)
            return replace(done, controller=replace(log, inner=done.controller).pack())
        done = replace(self._follow(state, *inside, end - start), time=end)
        energy = self._grow_energy(log.energy, (state, done), inside, end - start)
        log = replace(
            log,
            lumped_time=log.lumped_time + end - start,
            certificate=max(log.certificate, certificate),
            energy=energy,
            worst_energy=max(log.worst_energy, energy),
            inner=(),
        )
        return replace(done, controller=log.pack())

    def _follow(
        self, state: State, start: float, end: float, duration: float, whole: State | None = None, halvings: int = 0
    ) -> State:
        """The lumped model over a step; in halves of halves where two of them differ from the whole by too much.

        A step takes the coefficients at its middle, so the distance of two halves is three times their error. Of the
        tolerance it may take as much as it is of the run, or of the time for which the body remembers an error.

        Args:
            whole: The state after one step, if it is known.

        Raises:
            StepUnderflowError: No step is short enough.
        """
        whole = self._lumped.step(state, start, end, duration) if whole is None else whole
        if not self._lumped.is_approximate:
            return whole
        middle = start + 0.5 * (end - start)
        half = self._lumped.step(state, start, middle, 0.5 * duration)
        both = self._lumped.step(half, middle, end, 0.5 * duration)
        before, coarse, fine = (mean_temperature(self.space, one.temperature) for one in (state, whole, both))
        reached = (before, fine, self._lumped.reference)
        low, high = min(both.bounds.lowest, *reached), max(both.bounds.highest, *reached)
        allowed = 3.0 * OF_TOLERANCE * self.tolerance * tolerance_scale(low, high, self.tolerance)
        share = min(duration / self.end, 1.0)
        if abs(coarse - fine) > share * allowed and not has_growing_loads(self.space.problem):
            share = max(share, min(self._lumped.look(state.temperature, start).response.decay * duration, 1.0))
        if abs(coarse - fine) <= share * allowed:
            return replace(both, step=state.step + 1)
        if halvings >= MOST_HALVINGS:
            raise StepUnderflowError(0.5 * duration, step=state.step, time_s=state.time)
        done = self._follow(state, start, middle, 0.5 * duration, half, halvings + 1)
        return self._follow(done, middle, end, 0.5 * duration, None, halvings + 1)

    def _grow_energy(
        self, energy: float, states: tuple[State, State], times: tuple[float, float], duration: float
    ) -> float:
        """Certificate C4 after a step of Newton's law: e' <= -e/(kappa tau) + G, G at most what it is at the ends."""
        if not self.is_plain or not self.space.problem.is_linear or self.space.capacity.size > ENERGY_CELLS:
            return math.inf
        if self._conduction is None:
            self._conduction = Conduction(self.space)
        decays, rates = [], []
        for state, time in zip(states, times, strict=True):
            mean = mean_temperature(self.space, state.temperature)
            shape = BodyShape.at(self.space, time, mean, self._conduction)
            if shape is None or not math.isfinite(energy):
                return math.inf
            decays.append(self._decay(shape, self.space.loads(time)))
            rates.append(shape.energy_rate(time, mean))
        slow = min(decays)
        lasting = -math.expm1(-slow * duration) / slow if slow * duration > 1e-300 else duration
        return energy * math.exp(-slow * duration) + max(rates) * lasting

    def _decay(self, shape: BodyShape, loads: Loads) -> float:
        """Decay rate 1 / (kappa tau), stored for each set of films [1/s]."""
        if loads.operator_key not in self._decays:
            self._decays[loads.operator_key] = 1.0 / (shape.slowness() * shape.time_constant)
        return self._decays[loads.operator_key]

    def _diffuse(self, inner: Stepper, state: State, start: float, end: float) -> State:
        way = inner.make_segment(start, end)
        if not way.is_adaptive:
            return inner.advance(state, way, 0, way.steps)
        while state.time < end:
            state = inner.advance(state, way, 0, 1)
        return state

    def _decide(self, state: State, start: float, end: float, duration: float) -> tuple[Log, float]:
        """The log with the model of the step about to be taken, and the certificate of the lumped one."""
        if self.inner is None:
            log = Log.unpack(state.controller) if state.controller else self._begin(state)
            return log, self._certificate(state, start)
        try:
            predicted, cause, certificate = self._predict(state, start, end, duration)
        except SingularError:  # a part of the body exchanges heat with nothing, so no shape settles
            return (Log.unpack(state.controller) if state.controller else Log("diffusive")), 0.0
        if not state.controller:
            measured, _ = self._measure(state, start)
            begins: Model = "lumped" if max(predicted, measured) <= 1.0 else "diffusive"
            return Log(begins), certificate
        log = Log.unpack(state.controller)
        if log.model == "lumped":
            return (log if predicted <= 1.0 else log.change(state.time, "diffusive", cause, predicted)), certificate
        if state.time - log.switched < self.rule.dwell * (1.0 - 1e-9):
            return log, certificate
        measured, _ = self._measure(state, start)
        bound = max(predicted, measured)
        if bound < self.rule.return_fraction:
            log = log.change(state.time, "lumped", 2, bound)
        return log, certificate

    def _begin(self, state: State) -> Log:
        """The log of a run that is lumped throughout; a start that is not uniform counts as an error."""
        off = state.temperature - mean_temperature(self.space, state.temperature)
        return Log("lumped", energy=float((self.space.capacity * off**2).sum()))

    def _measure(self, state: State, time: float) -> tuple[float, int]:
        """Largest share of a limit that the field itself reaches at the beginning of a step, and its cause."""
        moment = self._lumped.look(state.temperature, time)
        bounds = include_references(state.bounds, moment.loads)
        return self.rule.weigh(moment.space, moment.loads, state.temperature, bounds)

    def _predict(self, state: State, start: float, end: float, duration: float) -> tuple[float, int, float]:
        """The largest share of a limit at either end of the step once the shape has settled, its cause, and C3."""
        mean, worst, cause, certificate = mean_temperature(self.space, state.temperature), 0.0, 0, 0.0
        for time in (start, end):
            moment = self._shaped.look(state.temperature, time)
            if time == end:
                response = moment.response
                rate = response.rate_0 - response.decay * (mean - response.reference)
                x = response.decay * duration
                mean += rate * duration * (-math.expm1(-x) / x if x > 0.0 else 1.0)
            field_ = self.space.fill(self._shaped.predict(moment, mean))
            bounds = include_references(state.bounds, moment.loads)
            share, which = self.rule.weigh(moment.space, moment.loads, field_, bounds)
            certificate = max(certificate, compute_certificate(moment.space, moment.loads, field_, bounds))
            if share > worst:
                worst, cause = share, which
        return worst, cause, certificate

    def _certificate(self, state: State, time: float) -> float:
        moment = self._shaped.look(state.temperature, time)
        bounds = include_references(state.bounds, moment.loads)
        field_ = self.space.fill(self._shaped.predict(moment, mean_temperature(moment.space, state.temperature)))
        return compute_certificate(moment.space, moment.loads, field_, bounds)
