r"""Choice between the lumped and the diffusive model of a live run, tick by tick.

For one set of loads the field of the lumped model is

.. math:: T = \bar T + s_0 + u\,s_1 + a\,d, \qquad u = \bar T - T_{ref}, \quad a = e^{-\lambda t}

with fixed shapes s_0 and s_1 (`grid.engine.lumped.quasi_steady`) and d, what is left of the past. So a tick costs a few
scalars: the mean, u and a. Extremes are bounded by those of the three shapes, and the certificate C3 is affine in u and
a. A field is made only when somebody reads it.

The rule is that of `grid.engine.lumped.fidelity`: leave above a limit, return below half of it and not before a dwell
time. Loads whose shapes are not known make the run diffusive at the boundary at which they begin, so a burst is never
applied to the lumped model. Shapes take a solve, which is never made within a tick: it is asked for at one tick and
takes effect a fixed number of ticks later, whatever it took, so that a replay does the same.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import Any, Literal

import numpy as np

from grid.engine.live.fidelity_limits import Fidelity, Policy
from grid.engine.live.lumped_model import Lumped, begin_lumped, scale_past
from grid.engine.live.lumped_shapes import Key, Shape, Shapes
from grid.engine.live.plan import LivePlan
from grid.engine.lumped.quasi_steady import Response
from grid.engine.lumped.step import Fading
from grid.engine.space.laws import Loads
from grid.engine.space.space import Space
from grid.engine.values.operations import FloatArray

Model = Literal["lumped", "diffusive"]
SHAPE_TICKS = 32  # [-] ticks after which a shape that was asked for takes effect
LOOK_AHEAD = 64  # [-] ticks ahead for which shapes of scheduled loads are asked for
RETURN = 0.5  # [-] share of the limits below which the lumped model is taken up again
RETURN_TICKS = 8  # [-] ticks between two looks at whether to return, which read the whole field
LEAST_DWELL = 8  # [-] ticks between a switch and the return to the lumped model at least
MOST_SWITCHES = 200  # [-] switches that a state holds; older ones are in the events of the run
PLAIN = ("model", "policy", "switched", "lumped_ticks", "certificate", "share")  # fields of a state that JSON holds
FindLoads = Callable[[tuple[int, ...]], Loads]
REASONS = {
    "loads": "loads begin whose shape is not known",
    "measure": "the predicted non-uniformity exceeds its limit",
    "certificate": "the certificate exceeds its limit",
    "below": "measure and certificate are both far enough below their limits",
    "forced": "requested",
    "overload": "the run cannot keep its pace, and may go simpler",
    "law": "a face radiates or a source moves, which the lumped model does not follow",
}


@dataclass(frozen=True)
class Switch:
    """A change of model.

    Args:
        tick: The first with the new model.
        model: The new one.
        reason: One of `REASONS`.
        bound: What was compared, over its limit; infinite where nothing bounds it.
        energy_change: Heat after less heat before, over the heat of the body [-].
    """

    tick: int
    model: Model
    reason: str
    bound: float
    energy_change: float

    @property
    def text(self) -> str:
        """The reason in words."""
        return REASONS[self.reason]

    def to_json(self) -> dict[str, Any]:
        """The switch as an event tells it, with the reason in words; the bound, which may be infinite, is text."""
        return asdict(self) | {"bound": str(self.bound), "text": self.text}


@dataclass(frozen=True)
class ModelState:
    """The model of a run at a tick.

    Args:
        model, policy: Now.
        switched: Tick of the last switch.
        lumped: Of the lumped model; None while diffusive.
        requested: Shapes that were asked for: their keys, and the ticks from which on they are known.
        switches: The latest.
        lumped_ticks: Ticks with the lumped model so far.
        certificate: Certificate C3 of the lumped model over the span; None where it is not known.
        share: The largest of measure and certificate, over its limit; None where it is not known.
    """

    model: Model = "diffusive"
    policy: Policy = "diffusive"
    switched: int = 0
    lumped: Lumped | None = None
    requested: tuple[tuple[Key, int], ...] = ()
    switches: tuple[Switch, ...] = ()
    lumped_ticks: int = 0
    certificate: float | None = None
    share: float | None = None


def pack_model(state: ModelState) -> dict[str, Any]:
    """The state of the models as JSON, but for the past of the lumped one."""
    lumped = state.lumped
    kept = None
    if lumped is not None:
        fading = [lumped.fading.rate, lumped.fading.drive]
        kept = {"mean": lumped.mean, "amplitude": lumped.amplitude, "fading": fading, "key": lumped.key}
        kept["measured"], kept["bounds"], kept["seen"] = lumped.measured, lumped.bounds, lumped.seen
        response = lumped.shape.response
        kept["response"] = [response.reference, response.rate_0, response.decay]
    switches = [asdict(switch) | {"bound": float(switch.bound).hex()} for switch in state.switches]
    plain = {name: getattr(state, name) for name in PLAIN}
    return {**plain, "lumped": kept, "requested": state.requested, "switches": switches}


def model_arrays(state: ModelState) -> dict[str, FloatArray]:
    """Arrays of the lumped model, flat."""
    if state.lumped is None:
        return {}
    response = state.lumped.shape.response
    return {"past": state.lumped.fading.past, "shape_0": response.shape_0, "shape_1": response.shape_1}


def unpack_model(raw: dict[str, Any], arrays: Mapping[str, FloatArray], space: Space, find: FindLoads) -> ModelState:
    """The state of the models from JSON and arrays.

    Args:
        raw: From `pack_model`.
        arrays: From `model_arrays`.
        space: The body.
        find: Gives the loads of a key.
    """
    lumped, kept = None, raw["lumped"]
    if kept is not None:
        key, (rate, drive) = tuple(kept["key"]), kept["fading"]
        reference, rate_0, decay = kept["response"]
        response = Response(reference, rate_0, decay, arrays["shape_0"], arrays["shape_1"])
        shape = Shape(space, find(key), response)
        fading = Fading(arrays["past"], rate, drive)
        measured, bounds = tuple(kept["measured"]), tuple(kept["bounds"])
        lumped = Lumped(kept["mean"], kept["amplitude"], fading, key, shape, measured, bounds, kept["seen"])
    requested = tuple((tuple(key), int(ready)) for key, ready in raw["requested"])
    switches = tuple(Switch(**{**switch, "bound": float.fromhex(switch["bound"])}) for switch in raw["switches"])
    return ModelState(**{name: raw[name] for name in PLAIN}, lumped=lumped, requested=requested, switches=switches)


@dataclass
class FidelityController:
    """Decides the model of each tick.

    Args:
        fidelity: The limits.
        stress_factor: E alpha / (1 - nu) [Pa/K]; 0 without elastic properties.
        shapes: What is known.
    """

    fidelity: Fidelity
    stress_factor: float
    shapes: Shapes

    @cached_property
    def deviation(self) -> float:
        """Largest distance of a temperature from the mean [K]."""
        return self.fidelity.allow(self.stress_factor)

    def request(self, plan: LivePlan, state: ModelState, tick: int) -> ModelState:
        """Ask for the shapes of the loads in force and of those that are scheduled, where they are not known yet."""
        if state.policy == "diffusive":
            return state
        requested = dict(state.requested)
        for at in plan.boundaries(tick, tick + LOOK_AHEAD):
            key = plan.key(at)
            if key is not None and key not in requested:
                requested[key] = tick if tick == 0 else tick + SHAPE_TICKS
        current = {plan.key(at) for at in plan.boundaries(tick, tick + LOOK_AHEAD)}
        kept = tuple((key, ready) for key, ready in requested.items() if key in current)
        return state if kept == state.requested else replace(state, requested=kept)

    def pending(self, plan: LivePlan, state: ModelState, tick: int) -> list[Callable[[], object]]:
        """Work for another thread: shapes that will be needed and are not solved yet."""
        found: list[Callable[[], object]] = []
        for at in plan.boundaries(tick, tick + LOOK_AHEAD):
            key = plan.key(at)
            if key is not None and key in dict(state.requested) and key not in self.shapes.known:
                loads = plan.loads(at)
                found.append(lambda key=key, loads=loads: self.shapes.find(key, plan, loads))  # type: ignore[misc]
        return found

    def shape_at(self, plan: LivePlan, state: ModelState, tick: int) -> Shape | None:
        """The shape of the loads of a tick, where it is known by then; None else.

        It follows from plan and state alone: what is in force, what was asked for in time, or what differs from the
        one in force by an even source.
        """
        key, lumped = plan.key(tick), state.lumped
        if key is None:
            return None
        if lumped is not None and lumped.key == key:
            return lumped.shape
        ready = dict(state.requested).get(key)
        if ready is not None and ready <= tick:
            return self.shapes.find(key, plan, plan.loads(tick))
        return None if lumped is None else self.shapes.derive(plan, plan.loads(tick), lumped.shape)

    def weigh(
        self, shape: Shape, mean: float, past: tuple[float, float, float], span: float
    ) -> tuple[float, str, float]:
        """The largest of measure and certificate over their limits, which of them it is, and the certificate.

        Args:
            shape: Of the loads.
            mean: Temperature.
            past: Extremes and exchange-weighted mean of what is left of the past [K].
            span: Of temperatures [K].
        """
        u = mean - shape.response.reference  # what is left of the past only fades, so its whole way is looked at
        low, high = shape.bound(u, (min(past[0], 0.0), max(past[1], 0.0)))
        measure = max(-low, high, 0.0) / self.deviation
        delta = max(abs(shape.delta(u, 0.0)), abs(shape.delta(u, past[2])))
        certificate = delta / span if span > 0.0 else 0.0
        share = certificate / self.fidelity.tolerance
        return (measure, "measure", certificate) if measure >= share else (share, "certificate", certificate)


@dataclass(frozen=True)
class Decision:
    """Model of a tick, and the field at its beginning where it has changed.

    Args:
        model: The state of the models, with a switch noted.
        temperature: Flat field at a switch to the diffusive model, which continues from it; None else.
    """

    model: ModelState
    temperature: FloatArray | None = None


def decide(controller: FidelityController, plan: LivePlan, state: ModelState, tick: int, facts: "Facts") -> Decision:
    """The model of the tick that begins, by the loads that are known for it.

    Args:
        controller: With the limits and shapes.
        plan: In force at the tick.
        state: The models so far, with the shapes that were asked for.
        tick: Its number.
        facts: What the field is like.
    """
    if state.policy == "diffusive" and state.lumped is None:
        return Decision(state)
    shape = controller.shape_at(plan, state, tick)
    if state.lumped is not None:
        return _stay_or_leave(controller, plan, state, tick, facts, shape)
    if shape is None:
        return Decision(replace(state, certificate=None, share=None))
    return _stay_or_return(controller, plan, state, tick, facts, shape)


@dataclass(frozen=True)
class Facts:
    """What a decision needs of the field at a boundary.

    Args:
        span: Of the temperatures so far, with those that faces exchange heat with [K].
        spread: Largest distance of a temperature from the mean [K]; of a diffusive field.
        read: Gives the flat field.
        dwell: Ticks between a switch and the return.
    """

    span: float
    spread: float
    read: Callable[[], FloatArray]
    dwell: int


def _stay_or_leave(
    controller: FidelityController, plan: LivePlan, state: ModelState, tick: int, facts: Facts, shape: Shape | None
) -> Decision:
    lumped = state.lumped
    assert lumped is not None  # noqa: S101 - the caller has looked
    if shape is None or state.policy == "diffusive":
        why = "forced" if state.policy == "diffusive" else "law" if plan.key(tick) is None else "loads"
        return _leave(plan, state, tick, facts, why, math.inf)
    key = plan.key(tick)
    if key != lumped.key and key is not None:  # other loads: what differs becomes the past
        lumped = begin_lumped(plan.space, shape, facts.read(), key)
    past = scale_past(lumped)
    share, cause, certificate = controller.weigh(shape, lumped.mean, past, facts.span)
    if share > 1.0 and state.policy != "lumped":
        return _leave(plan, state, tick, facts, cause, share)
    return Decision(replace(state, lumped=lumped, certificate=certificate, share=share))


def _leave(plan: LivePlan, state: ModelState, tick: int, facts: Facts, reason: str, bound: float) -> Decision:
    lumped, temperature = state.lumped, facts.read()
    assert lumped is not None  # noqa: S101 - as above
    heat = float(np.einsum("i,i->", plan.space.capacity, temperature))
    content = plan.space.total_capacity * lumped.mean
    change = abs(heat - content) / abs(content) if content else 0.0
    switch = Switch(tick, "diffusive", reason, bound, change)
    state = replace(
        state, model="diffusive", switched=tick, lumped=None, switches=(*state.switches, switch)[-MOST_SWITCHES:]
    )
    return Decision(state, temperature)


def _stay_or_return(
    controller: FidelityController, plan: LivePlan, state: ModelState, tick: int, facts: Facts, shape: Shape
) -> Decision:
    waits = (state.switches and tick - state.switched < facts.dwell) or tick % RETURN_TICKS
    if state.policy == "auto" and (waits or not facts.spread < RETURN * controller.deviation):
        return Decision(replace(state, share=facts.spread / controller.deviation))
    key = plan.key(tick)
    assert key is not None  # noqa: S101 - a shape has one
    lumped = begin_lumped(plan.space, shape, facts.read(), key)
    past = scale_past(lumped)
    share, _, certificate = controller.weigh(shape, lumped.mean, past, facts.span)
    share = max(share, facts.spread / controller.deviation)
    limit = 1.0 if not state.switches and tick == 0 else RETURN
    if state.policy == "auto" and not share < limit:
        return Decision(replace(state, certificate=certificate, share=share))
    reason = "forced" if state.policy == "lumped" else "below"
    switch = Switch(tick, "lumped", reason, share, 0.0)  # temperatures stay what they are
    switches = state.switches if tick == 0 else (*state.switches, switch)[-MOST_SWITCHES:]
    return Decision(
        replace(
            state, model="lumped", switched=tick, lumped=lumped, switches=switches, certificate=certificate, share=share
        )
    )
