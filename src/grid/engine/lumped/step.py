r"""One step of the lumped model of a body on a grid: its mean temperature, and the field that belongs to it.

The field is T = Tbar + s + d: the quasi-steady shape s of the loads, and d, what is left of the past, which decays at
the rate of its Rayleigh quotient lambda = d.A d / d.C d (certificate C5: at least the first insulated eigenvalue). All
three follow from the field and the loads, so a state of the lumped model is an ordinary state, and changing model
changes no temperature and no heat. The mean obeys

.. math:: \dot{\bar T} = \rho_0 - \beta (\bar T - T_{ref}) + q e^{-\lambda t}, \qquad q = -\sum U A\, d / \sum C,

which is integrated exactly for loads linear in time over the step; coefficients that vary are taken at its middle.
Newton's law of cooling (`is_plain`) has s = d = 0, a uniform field, and the films of the faces themselves.
"""

import math
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from grid.engine.lumped.fidelity import mean_temperature
from grid.engine.lumped.heat_content import find_mean_capacity, level, scale_rates
from grid.engine.lumped.quasi_steady import QuasiSteady, Response, inner_product
from grid.engine.methods.bounds import reason_without_bounds
from grid.engine.methods.state import Bounds, HeatBalance, State, include_references
from grid.engine.problem.timed_loads import find_timed_loads
from grid.engine.space.laws import Loads, add_prescribed
from grid.engine.space.nonlinear import find_variation, freeze, stored_between
from grid.engine.space.space import Space
from grid.engine.values.operations import FloatArray

LEVELLINGS = 6  # [-] Newton steps for equal heat; one is exact where the capacity is constant


@dataclass(frozen=True)
class Moment:
    """The model at one field and time."""

    space: Space
    loads: Loads
    response: Response


@dataclass
class LumpedAdvance:
    """Steps of the lumped model.

    Args:
        space: The body on its grid.
        reference: Temperature from which means are counted.
        is_plain: Newton's law, with a uniform field, in place of the corrected model.
    """

    space: Space
    reference: float
    is_plain: bool = False
    _quasi: QuasiSteady = field(init=False, repr=False)
    _keeps_bounds: bool = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._quasi = QuasiSteady(self.space, self.reference)
        self._keeps_bounds = reason_without_bounds(self.space.problem) is None

    @cached_property
    def is_approximate(self) -> bool:
        """True where a step takes values at its middle: those of temperature, or a film that varies in time."""
        problem = self.space.problem
        return not problem.is_linear or any(not load.is_driving for load in find_timed_loads(problem))

    def look(self, temperature: FloatArray, time: float) -> Moment:
        """The model with the coefficients at a field and the loads at a time [s]."""
        frozen, loads = freeze(self.space, temperature, time)
        if self.is_plain:
            return Moment(frozen, loads, self._newton(frozen, temperature, time))
        return Moment(frozen, loads, self._quasi.respond(frozen, loads))

    def _newton(self, frozen: Space, temperature: FloatArray, time: float) -> Response:
        """Newton's law: the heat through the films of all faces of a uniform body, linearised at its temperature."""
        mean, capacity = mean_temperature(frozen, temperature), float(frozen.capacity.sum())
        heat = slope = 0.0
        for index, patch in enumerate(frozen.patches):
            law = frozen.robin(index, time, np.full(patch.cells.shape, mean))
            film = np.broadcast_to(law.film, patch.cells.shape)
            flux = film * (law.reference - self.reference) + law.imposed
            heat += float(np.sum(flux)) * patch.area
            slope += float(np.sum(film)) * patch.area
        source = frozen.source_heat(time, temperature.reshape(frozen.shape))
        heat += 0.0 if source is None else float(source.sum())
        flat = np.zeros_like(temperature)
        return Response(self.reference, heat / capacity, slope / capacity, flat, flat)

    def predict(self, moment: Moment, mean: float) -> FloatArray:
        """Field that belongs to a mean once the influence of the start has decayed, flat."""
        out: FloatArray = mean + moment.response.shape(mean)
        return out

    def step(self, state: State, start: float, end: float, duration: float) -> State:
        """Advance by `duration`, with the loads from `start` to `end`, both ends moved inside the step [s]."""
        old = self.look(state.temperature, start)
        mean = mean_temperature(old.space, state.temperature)
        past = state.temperature - self.predict(old, mean)
        past = np.zeros_like(past) if self.is_plain else np.where(self.space.capacity > 0.0, past, 0.0)
        fading = Fading.of(old.space, old.loads, past)
        following, heat = self._follow(state.temperature, old, mean, fading, (start, end), duration)
        new = self.look(state.temperature + (following - mean), end)
        left = past * math.exp(-fading.rate * duration)
        temperature = self._limit(following, new.response.shape(following) + left, state.bounds, new.loads)
        temperature = self._level(state.temperature, temperature, heat, end)
        bounds = include_references(include_references(state.bounds, old.loads), new.loads)
        heat_balance = _book(state, (old, new), (state.temperature, temperature), heat, duration)
        return replace(
            state,
            time=state.time + duration,
            step=state.step + 1,
            temperature=self.space.fill(temperature),
            bounds=bounds,
            heat_balance=heat_balance,
            error=None,
        )

    def _follow(
        self,
        field_: FloatArray,
        old: Moment,
        mean: float,
        fading: "Fading",
        times: tuple[float, float],
        duration: float,
    ) -> tuple[float, float]:
        """The mean after the step, and the heat that it takes up [J]."""
        start, end = times
        if self.space.problem.is_linear:
            new = self.look(old.space.capacity * 0.0 + mean, end)
            if new.loads.operator_key == old.loads.operator_key:
                following = integrate_mean(old.response, new.response, mean, fading, duration)
                return following, float(old.space.capacity.sum()) * (following - mean)
        half, _ = self._follow_one(field_, old, mean, fading, start, 0.5 * duration)
        between = half + old.response.shape(half) + fading.past * math.exp(-0.5 * fading.rate * duration)
        middle = self.look(self.space.fill(between), 0.5 * (start + end))
        return self._follow_one(field_, middle, mean, fading, 0.5 * (start + end), duration)

    def _follow_one(
        self, field_: FloatArray, moment: Moment, mean: float, fading: "Fading", time: float, duration: float
    ) -> tuple[float, float]:
        """The mean after `duration` with the response of one moment, and the heat that it takes up [J]."""
        capacity = float(moment.space.capacity.sum())

        def find_rise(other: float) -> float:
            response, slower = scale_rates(moment.response, capacity / other), fading.scale(capacity / other)
            return integrate_mean(response, response, mean, slower, duration) - mean

        if find_variation(self.space).capacity_of_temperature:
            found = find_mean_capacity(self.space, field_, capacity, find_rise, time)
            rise = find_rise(found)
            return mean + rise, found * rise
        following = integrate_mean(moment.response, moment.response, mean, fading, duration)
        return following, capacity * (following - mean)

    def _limit(self, mean: float, shape: FloatArray, bounds: Bounds, loads: Loads) -> FloatArray:
        """Tbar + s + d, its deviation reduced as a whole where the maximum principle forbids an extreme."""
        share = 1.0
        if self._keeps_bounds:
            limits = include_references(bounds, loads)
            for deviation, room in (
                (float(shape.max()), limits.highest - mean),
                (-float(shape.min()), mean - limits.lowest),
            ):
                if deviation > max(room, 0.0):
                    share = min(share, max(room, 0.0) / deviation)
        return mean + share * shape

    def _level(self, before: FloatArray, after: FloatArray, heat: float, time: float) -> FloatArray:
        """Raise or lower a field as a whole until it holds the heat that it was given."""
        if find_variation(self.space).capacity_of_temperature:
            return level(self.space, before, after, heat, time)
        capacity = self.space.capacity
        inside = capacity > 0.0
        for _ in range(LEVELLINGS):
            missing = heat - float(stored_between(self.space, before, after, time).sum())
            lift = missing / float(capacity.sum())
            after = np.where(inside, after + lift, after)
            if abs(lift) <= 2.0 * float(np.spacing(np.abs(after).max())):
                break
        return after


@dataclass(frozen=True)
class Fading:
    """Decaying part of the shape: d, its rate of decay [1/s] and the rate at which it changes the mean [K/s]."""

    past: FloatArray
    rate: float
    drive: float

    def scale(self, share: float) -> "Fading":
        """Scale the drive for another heat capacity of the body, whose mean changes at `share` of the rate."""
        return replace(self, drive=share * self.drive)

    @classmethod
    def of(cls, space: Space, loads: Loads, past: FloatArray) -> "Fading":
        """What is left of the past, with the rate of its Rayleigh quotient under the films of some loads."""
        weight = inner_product(space.capacity, past**2)
        if not weight > 0.0:
            return cls(past, 0.0, 0.0)
        conducted = -space.conduct(past)
        exchanged = 0.0
        for patch, face_law in zip(space.patches, loads.face_laws, strict=True):
            heat = face_law.transmittance * past[patch.cells] * patch.area
            conducted[patch.cells] += heat
            exchanged += float(np.sum(heat))
        rate = max(inner_product(past, conducted) / weight, 0.0)
        return cls(past, rate, -exchanged / float(space.capacity.sum()))


def integrate_mean(old: Response, new: Response, mean: float, fading: Fading, duration: float) -> float:
    """The mean after `duration`, exact for a rate that changes linearly from one response to the other."""
    decay, u = old.decay, mean - old.reference
    x = decay * duration
    driven = old.rate_0 * _phi_1(x) + (new.rate_0 - old.rate_0) * _phi_2(x)
    slow, fast = sorted((decay, fading.rate))
    past = fading.drive * math.exp(-slow * duration) * _phi_1((fast - slow) * duration)
    # u exp(-x) + ... = u + duration (rate at the start) phi_1(x) + ..., which loses no digits in small steps
    return mean + duration * (driven - decay * u * _phi_1(x) + past)


def _phi_1(x: float) -> float:
    """Function (1 - exp(-x)) / x."""
    return -math.expm1(-x) / x if x > 1e-12 else 1.0 - 0.5 * x


def _phi_2(x: float) -> float:
    """Function (1 - phi_1(x)) / x."""
    return (1.0 - _phi_1(x)) / x if x > 1e-4 else 0.5 - x / 6.0


def _book(
    state: State, moments: tuple[Moment, Moment], fields: tuple[FloatArray, FloatArray], heat: float, duration: float
) -> HeatBalance:
    """Enter the heat of a step: sources as they are, the rest through the boundary, in and out as at both ends."""
    flows = [moment.space.heat_flow(field_, moment.loads) for moment, field_ in zip(moments, fields, strict=True)]
    generated = 0.5 * duration * sum(flow.generated for flow in flows)
    into = 0.5 * duration * sum(flow.boundary_in for flow in flows)
    out = 0.5 * duration * sum(flow.boundary_out for flow in flows)
    net, prescribed = heat - generated, tuple[float, ...]()
    for moment in moments:
        prescribed = add_prescribed(prescribed, moment.loads, 0.5 * duration)
    if net >= 0.0:
        into = max(into, net)
        return state.heat_balance.add(into, into - net, generated, prescribed)
    out = max(out, -net)
    return state.heat_balance.add(out + net, out, generated, prescribed)
