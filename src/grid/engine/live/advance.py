"""One tick of a live run: model, loads, physics, look, structure, audit."""

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from grid.engine.errors import DivergedError
from grid.engine.live.degradation import force, release
from grid.engine.live.errors import UnsettledTickError
from grid.engine.live.fidelity import (
    LEAST_DWELL,
    Facts,
    FidelityController,
    ModelState,
    decide,
)
from grid.engine.live.fidelity_limits import Fidelity
from grid.engine.live.integrity import StructureLook, make_state, observe
from grid.engine.live.look import FieldLook, look_at
from grid.engine.live.lumped_model import Lumped, advance_lumped, lumped_field
from grid.engine.live.lumped_shapes import Shapes
from grid.engine.live.needs import find_lumped_obstacle
from grid.engine.live.plan import LivePlan
from grid.engine.live.potential import PotentialStress
from grid.engine.live.potential_task import PotentialTask
from grid.engine.live.state import LiveState
from grid.engine.live.stepping import TickField, TickHeat, Window
from grid.engine.live.structure_body import StructureBody, make_body
from grid.engine.live.summary import TickSummary
from grid.engine.live.sums import LiveHeat
from grid.engine.lumped.fidelity import stress_factor
from grid.engine.results.audits import LEAST_SCALE
from grid.engine.values.operations import FloatArray

MOST_SUBSTEPS = 4  # [-] super-steps of a tick
CALM = 0.1  # [-] share of the tolerance below which a tick takes fewer super-steps again
FADED = 0.05  # [-] change of what is left of the past after which the field of a lumped model is looked at again
LUMPED_LOOK = 16  # [-] ticks between two looks at the field of a lumped model


@dataclass(frozen=True)
class Parts:
    """What a run needs beside plan and state, and what follows from its scene.

    Args:
        body: Of the structure; None for heat alone.
        controller: Of the models.
        dwell: Ticks between a switch and the return to the lumped model.
        window: Of flat fields.
    """

    body: StructureBody | None
    controller: FidelityController
    dwell: int
    window: Window

    @classmethod
    def make(cls, plan: LivePlan) -> "Parts":
        """The parts of a scene."""
        scene, space = plan.scene, plan.space
        body = None if scene.structure is None else make_body(space, scene.structure)
        fidelity = scene.fidelity
        if fidelity is None or find_lumped_obstacle(scene) is not None:
            fidelity = Fidelity(policy="diffusive")
        reference = space.initial_measure.mean
        controller = FidelityController(fidelity, stress_factor(scene.problem), Shapes(reference))
        return cls(body, controller, find_dwell(plan), Window.of_padded(space.shape))

    def fork(self) -> "Parts":
        """Parts for a run that goes on alone: those without a memory are shared."""
        controller = self.controller
        shapes = controller.shapes.fork()
        return replace(self, controller=FidelityController(controller.fidelity, controller.stress_factor, shapes))

    def begin_potential(self, plan: LivePlan, state: LiveState) -> LiveState:
        """The state with the stress by potential begun, at ticks at which one is."""
        body = self.body
        if body is None or body.potential is None or state.tick % body.structure.stress_ticks:
            return state
        task = PotentialTask(body.potential, self.window, find_field(plan, state), state.tick)
        return replace(state, potential=task)

    def restore_potential(self, begun: int | None, field: FloatArray | None) -> PotentialTask | None:
        """A stress by potential that was begun before a run was saved."""
        if begun is None or field is None or self.body is None or self.body.potential is None:
            return None
        return PotentialTask(self.body.potential, self.window, field, begun)


def find_dwell(plan: LivePlan) -> int:
    """Ticks for the diffusion time of the shortest side of the box, L^2 / alpha."""
    space = plan.space
    times = []
    for axis, length in enumerate(space.problem.domain.size):
        k = float(np.min(space.conductivity[axis]))
        volume = math.prod(space.problem.domain.spacing)
        times.append(length**2 * float(np.max(space.capacity)) / volume / k)
    return max(LEAST_DWELL, math.ceil(min(times) / plan.clock.tick))


def start_state(plan: LivePlan, parts: Parts) -> tuple[LiveState, TickSummary, StructureLook | None]:
    """The state at tick 0, what it shows, and what the structure does at the initial field; None without one.

    Raises:
        FieldError: The initial field is outside its limits somewhere.
    """
    temperature = plan.space.initial_temperature()
    field = plan.stepper.wrap(temperature)
    look = look_at(plan.space, plan.stepper.window, field.values, plan.space.pivot)
    look = _measure_heat(plan, field, look)
    structure = None if parts.body is None else make_state(parts.body)
    policy = parts.controller.fidelity.policy
    state = LiveState(
        0, field, LiveHeat(), look.lowest, look.highest, structure=structure, start_rise=look.rise,
        model=ModelState(policy=policy), look=look,
    )  # fmt: skip
    seen = None
    if parts.body is not None and structure is not None:
        seen = observe(parts.body, structure, plan.stepper.window, field.values, look, 0.0)
    state = _keep_shown(state, seen, plan.space.shape)
    return state, _summarise(plan, state, look, TickHeat(0.0, 0.0, 0.0, 0.0)), seen


def advance_tick(
    plan: LivePlan, state: LiveState, parts: Parts, ahead: LivePlan | None = None
) -> tuple[LiveState, TickSummary, StructureLook | None]:
    """Advance a run by one tick.

    The field of `state` is left as it was. Its structure is not: the new state takes over its arrays, so keep a copy
    (`StructureState.copy`) of a state that is to be used again.

    Args:
        plan: In force at the tick (`LivePlan.at`).
        state: At its beginning.
        parts: Of the run.
        ahead: The plan with what is scheduled, for shapes that will be needed.

    Returns:
        The state at its end, what it shows, and what the structure did, whose failures take effect at the next tick;
        None where the structure was not looked at.

    Raises:
        DivergedError: A temperature is no finite number.
    """
    state = _choose_model(plan, state, parts, ahead or plan)
    if state.model.lumped is not None:
        return _advance_lumped(plan, replace(state, potential=None), parts)
    if state.potential is None and state.physics == "full":
        state = parts.begin_potential(plan, state)
    clock, stepper = plan.clock, plan.stepper
    known = stepper.unwrap(state.temperatures) if plan.needs_field(state.tick) else None
    loads = plan.loads(state.tick, known)
    after = state.tick + 1
    try:
        field, heat = stepper.advance(state.temperatures, loads, clock.tick, state.substeps)
    except UnsettledTickError as error:
        error.place(after * clock.steps, clock.time(after), plan.space.shape)
        raise
    look = _measure_heat(plan, field, look_at(plan.space, stepper.window, field.values, plan.space.pivot))
    if not look.is_finite or not math.isfinite(heat.error):
        raise _diverged(plan, after, look.hottest)
    low, high = min(state.lowest, look.lowest), max(state.highest, look.highest)
    new = replace(
        state, tick=after, temperatures=field, heat=state.heat.add(heat.boundary_in, heat.boundary_out, heat.generated),
        lowest=low, highest=high, substeps=_next_substeps(plan, heat.error, high - low, state.substeps),
        look=look, looked=after, observed=after,
    )  # fmt: skip
    task, potential = state.potential, None
    if task is not None and parts.body is not None and after - task.begun >= parts.body.structure.stress_ticks:
        potential, new = task.solve(), replace(new, potential=None)
    seen = _observe(plan, new, parts, field.values, look, after - state.observed, potential)
    new = _keep_shown(new, seen, plan.space.shape, potential)
    return new, _summarise(plan, new, look, heat), seen


def _measure_heat(plan: LivePlan, field: TickField, look: FieldLook) -> FieldLook:
    """The look with the heat of a body whose heat capacities depend on temperature."""
    rise = plan.stepper.find_rise(field, plan.space.pivot) if look.is_finite else None
    return look if rise is None else look._replace(rise=rise)


def find_field(plan: LivePlan, state: LiveState) -> FloatArray:
    """The flat field of a state, whatever the model."""
    if state.model.lumped is None:
        return plan.stepper.unwrap(state.temperatures)
    return lumped_field(plan.space, state.model.lumped)


def _choose_model(plan: LivePlan, state: LiveState, parts: Parts, ahead: LivePlan) -> LiveState:
    """The state with the model of the tick that begins."""
    own = state.model
    state = replace(state, model=force(state))
    look = state.look
    spread = math.inf if look is None else max(look.highest - look.mean, look.mean - look.lowest)
    low, high = _include_references(plan, state)
    facts = Facts(high - low, spread, lambda: find_field(plan, state), parts.dwell)
    asked = parts.controller.request(ahead, state.model, state.tick)
    decision = decide(parts.controller, plan, asked, state.tick, facts)
    model = release(decision.model, own)
    if decision.temperature is None:
        return replace(state, model=model)
    return replace(state, model=model, temperatures=plan.stepper.wrap(decision.temperature), substeps=1)


def _include_references(plan: LivePlan, state: LiveState) -> tuple[float, float]:
    """Extremes of the temperatures so far and of those that faces exchange heat with now."""
    low, high = state.lowest, state.highest
    if state.model.policy == "diffusive":
        return low, high
    for law in plan.loads(state.tick).face_laws if plan.key(state.tick) is not None else ():
        if np.any(law.transmittance):
            low, high = min(low, float(np.min(law.reference))), max(high, float(np.max(law.reference)))
    return low, high


def _advance_lumped(
    plan: LivePlan, state: LiveState, parts: Parts
) -> tuple[LiveState, TickSummary, StructureLook | None]:
    """A tick of the lumped model: scalars, and at some ticks a look at the field that belongs to them."""
    before, look, after = state.model.lumped, state.look, state.tick + 1
    assert before is not None  # noqa: S101 - the caller has looked
    assert look is not None  # noqa: S101 - set at the start
    lumped = advance_lumped(before, plan.clock.tick)
    if not math.isfinite(lumped.mean):
        raise _diverged(plan, after, look.hottest)
    generated = before.shape.generated * plan.clock.tick
    net = plan.space.total_capacity * (lumped.mean - before.mean) - generated
    heat = TickHeat(max(net, 0.0), max(-net, 0.0), generated, 0.0)
    model = replace(state.model, lumped=lumped, lumped_ticks=state.model.lumped_ticks + 1)
    new = replace(
        state, tick=after, model=model, heat=state.heat.add(heat.boundary_in, heat.boundary_out, heat.generated)
    )
    seen = None
    if after % LUMPED_LOOK == 0 or abs(lumped.amplitude - lumped.seen) > FADED:
        field = plan.stepper.wrap(find_field(plan, new))
        found = look_at(plan.space, plan.stepper.window, field.values, plan.space.pivot)
        if not found.is_finite:
            raise _diverged(plan, after, found.hottest)
        seen = _observe(plan, new, parts, field.values, found, after - state.observed)
        plan.stepper.release(field)
        model = replace(model, lumped=replace(lumped, bounds=lumped.find_bounds(), seen=lumped.amplitude))
        new = replace(new, model=model, look=found, looked=after, observed=after)
        new = _keep_shown(new, seen, plan.space.shape)
        shown = found
    else:
        shown = _follow_look(look, lumped, plan.space.total_capacity)
    new = replace(new, lowest=min(state.lowest, shown.lowest), highest=max(state.highest, shown.highest))
    return new, _summarise(plan, new, shown, heat), seen


def _follow_look(look: FieldLook, lumped: Lumped, capacity: float) -> FieldLook:
    """What a look at the field of a lumped model would show, from an earlier one.

    Distances from the mean change as their bounds do; exact where one of the shapes outweighs the others.
    """
    low, high = lumped.find_bounds()
    low_before, high_before = lumped.bounds
    above, below = look.highest - look.mean, look.lowest - look.mean
    above *= high / high_before if high > 0.0 and high_before > 0.0 else 1.0
    below *= low / low_before if low < 0.0 and low_before < 0.0 else 1.0
    return look._replace(
        lowest=lumped.mean + below, highest=lumped.mean + above, mean=lumped.mean,
        rise=look.rise + capacity * (lumped.mean - look.mean),
    )  # fmt: skip


def _observe(
    plan: LivePlan,
    state: LiveState,
    parts: Parts,
    values: FloatArray,
    look: FieldLook,
    ticks: int,
    potential: PotentialStress | None = None,
) -> StructureLook | None:
    """What the structure does after so many ticks since it was looked at."""
    if parts.body is None or state.structure is None:
        return None
    von_mises = None if potential is None else potential.von_mises
    window = plan.stepper.window
    return observe(parts.body, state.structure, window, values, look, ticks * plan.clock.tick, von_mises)


def _diverged(plan: LivePlan, tick: int, cell: int) -> DivergedError:
    error = DivergedError(step=tick * plan.clock.steps, time_s=plan.clock.time(tick), cell=cell)
    error.place(None, None, plan.space.shape)
    return error


def _next_substeps(plan: LivePlan, error: float, span: float, substeps: int) -> int:
    """Super-steps of the next tick: a function of the error of this one, so that a replay takes the same."""
    if plan.stepper.name == "explicit":
        return 1
    allowed = plan.clock.tolerance * span
    if error > allowed:
        return min(2 * substeps, MOST_SUBSTEPS)
    return max(1, substeps // 2) if error < CALM * allowed else substeps


def _summarise(plan: LivePlan, state: LiveState, look: FieldLook, heat: TickHeat) -> TickSummary:
    section, shape, model = plan.scene.section, plan.space.shape, state.model
    stored = look.rise - state.start_rise
    content = plan.space.total_capacity * max(abs(state.lowest), abs(state.highest))
    scale = max(state.heat.moved, LEAST_SCALE * content)
    return TickSummary(
        tick=state.tick, time=plan.clock.time(state.tick), lowest=look.lowest, highest=look.highest,
        hottest=_place(look.hottest, shape), mean=look.mean, gradient=look.gradient, stored_heat=stored * section,
        balance_residual=abs(stored - state.heat.net) / scale if scale > 0.0 else 0.0, time_error=heat.error,
        substeps=heat.substeps, model=model.model, certificate=model.certificate, share=model.share,
        physics=state.physics, **state.shown,
    )  # fmt: skip


def _keep_shown(
    state: LiveState, seen: StructureLook | None, shape: tuple[int, ...], potential: PotentialStress | None = None
) -> LiveState:
    """The state with what a look at the structure showed; the same where nobody looked."""
    if seen is None:
        return state
    peak = state.shown.get("peak_by_potential") if potential is None else potential.peak
    shown = show_structure(seen, shape) | {"peak_by_potential": peak}
    return replace(state, shown=shown, has_yielded=state.has_yielded or seen.yielding_cells > 0)


def show_structure(seen: StructureLook, shape: tuple[int, ...]) -> dict[str, Any]:
    """The numbers of a summary that are of the structure."""
    return {
        "peak_stress": seen.peak_stress,
        "utilisation": seen.utilisation,
        "weakest": _place(seen.weakest, shape),
        "damage": seen.damage,
        "failed_cells": seen.failed_cells,
        "failed_regions": seen.failed_regions,
        "shed_w": seen.shed,
    }


def _place(cell: int, shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(int(part) for part in np.unravel_index(cell, shape))
