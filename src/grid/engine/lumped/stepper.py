"""A run that chooses its model step by step: the lumped one, or a diffusive method within it.

One step here is one decision. A state is an ordinary state; what is remembered of the models is in its controller.
"""

import math
from dataclasses import dataclass, field, replace

import numpy as np

from grid.engine.lumped.advancing import LumpedAdvance
from grid.engine.lumped.fidelity import Log, Model, Rule, compute_certificate, mean_temperature
from grid.engine.space import Space
from grid.engine.state import Segment, State, Stepper, include_references
from grid.engine.values import FloatArray


@dataclass
class FidelityStepper:
    """Steps of the model that will do.

    Args:
        space: The body on its grid.
        inner: The diffusive method; None where the lumped model is used throughout.
        rule: When to change.
        time_step: Upper limit of a step, that is of the time between two decisions [s].
        is_plain: Newton's law of cooling in place of the corrected lumped model.
    """

    space: Space
    inner: Stepper | None
    rule: Rule
    time_step: float
    is_plain: bool = False
    name: str = "auto"
    _lumped: LumpedAdvance = field(init=False, repr=False)

    def __post_init__(self) -> None:
        start = mean_temperature(self.space, self.space.initial_temperature())
        self._lumped = LumpedAdvance(self.space, start, self.is_plain)

    def make_segment(self, start: float, end: float) -> Segment:
        return Segment(start, end, max(1, math.ceil((end - start) / self.time_step * (1 - 1e-9))))

    def advance(self, state: State, segment: Segment, first: int, count: int) -> State:
        for number in range(first, first + count):
            state = self._step(state, segment, number)
        return state

    def estimate_error(self, state: State) -> FloatArray:
        """Of the diffusive method; the error of the lumped model is in its certificate."""
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
        done = replace(self._lumped.step(state, *inside, end - start), time=end)
        log = replace(
            log, lumped_time=log.lumped_time + end - start, certificate=max(log.certificate, certificate), inner=()
        )
        return replace(done, controller=log.pack())

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
            log = Log.unpack(state.controller) if state.controller else Log("lumped")
            return log, self._certificate(state, start)
        predicted, cause, certificate = self._predict(state, start, end, duration)
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

    def _measure(self, state: State, time: float) -> tuple[float, int]:
        """What the field itself shows at the beginning of a step."""
        moment = self._lumped.look(state.temperature, time)
        bounds = include_references(state.bounds, moment.loads)
        return self.rule.weigh(moment.space, moment.loads, state.temperature, bounds)

    def _predict(self, state: State, start: float, end: float, duration: float) -> tuple[float, int, float]:
        """The largest share of a limit at either end of the step once the shape has settled, its cause, and C3."""
        mean, worst, cause, certificate = mean_temperature(self.space, state.temperature), 0.0, 0, 0.0
        for time in (start, end):
            moment = self._lumped.look(state.temperature, time)
            if time == end:
                response = moment.response
                rate = response.rate_0 - response.decay * (mean - response.reference)
                x = response.decay * duration
                mean += rate * duration * (-math.expm1(-x) / x if x > 0.0 else 1.0)
            field_ = self.space.fill(self._lumped.predict(moment, mean))
            bounds = include_references(state.bounds, moment.loads)
            share, which = self.rule.weigh(moment.space, moment.loads, field_, bounds)
            certificate = max(certificate, compute_certificate(moment.space, moment.loads, field_, bounds))
            if share > worst:
                worst, cause = share, which
        return worst, cause, certificate

    def _certificate(self, state: State, time: float) -> float:
        moment = self._lumped.look(state.temperature, time)
        bounds = include_references(state.bounds, moment.loads)
        field_ = self.space.fill(self._lumped.predict(moment, mean_temperature(moment.space, state.temperature)))
        return compute_certificate(moment.space, moment.loads, field_, bounds)
