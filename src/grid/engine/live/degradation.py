"""Simpler physics of a run that cannot keep its pace: what it leaves out, as a command says.

A run goes simpler, and back, by commands `mode` alone, so a replay is as degraded as the run was. Each choice leaves
out what those before it do:

- `full`: nothing;
- `no-stress`: no stress by potential is found, and while it is so no cell fails by stress; cycles, damage and limits of
  temperature go by the plate's estimate as ever;
- `lumped`: the lumped model is taken up though it is above its limits. The policy of the run stays beneath, and chooses
  again afterwards.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Literal

from grid.core.errors import FieldError
from grid.engine.arguments import require_choice
from grid.engine.live.errors import RefusedChangeError
from grid.engine.live.fidelity import ModelState
from grid.engine.live.needs import find_lumped_obstacle
from grid.engine.live.plan import LivePlan
from grid.engine.live.state import LiveState
from grid.engine.live.structure_body import StructureBody

Physics = Literal["full", "no-stress", "lumped"]
PHYSICS: tuple[Physics, ...] = ("full", "no-stress", "lumped")


def degrade(payload: Mapping[str, Any], plan: LivePlan, body: StructureBody | None, state: LiveState) -> LiveState:
    """The state of a run with other physics from the next tick on.

    Args:
        payload: Of a command `mode`: `{"physics": ...}`.
        plan: In force at the tick (`LivePlan.at`).
        body: Of the structure; None without one.
        state: At the tick.

    Raises:
        FieldError: Another word, or another field.
        RefusedChangeError: There is no stress by potential to leave out, or the body has no common temperature.
    """
    unknown = sorted(payload.keys() - {"physics"})
    if unknown:
        raise FieldError(f"payload.{unknown[0]}", "left out")
    word = require_choice("payload.physics", payload.get("physics"), PHYSICS)
    physics = next(name for name in PHYSICS if name == word)
    if physics == "no-stress" and (body is None or body.potential is None):
        raise RefusedChangeError("there is no stress by potential to leave out")
    if physics == "lumped":
        require_common_temperature(plan, state.tick)
    model = state.model
    if physics != "lumped" and model.policy == "diffusive":
        model = replace(model, requested=())  # shapes that nobody needs any more
    if physics == "full":
        return replace(state, physics=physics, model=model)
    shown = {**state.shown, "peak_by_potential": None} if "peak_by_potential" in state.shown else state.shown
    return replace(state, physics=physics, model=model, potential=None, shown=shown)


def require_common_temperature(plan: LivePlan, tick: int) -> None:
    """Refuse the lumped model where the body has no common temperature, or its loads follow the temperatures.

    Args:
        plan: In force at the tick.
        tick: The tick that comes next.

    Raises:
        RefusedChangeError: A face is held or radiates, a source moves, or the scene has no lumped model.
    """
    obstacle = find_lumped_obstacle(plan.scene)
    if obstacle is not None:
        raise RefusedChangeError(obstacle)
    if plan.scene.problem.domain.cell_count <= 1:
        return
    if any(plan.boundary(tick, patch.name).holds_temperature for patch in plan.space.patches):
        raise RefusedChangeError("a face is held at a temperature, so the body has no common one")
    if plan.key(tick) is None:
        raise RefusedChangeError("a face radiates or a source moves, which the lumped model does not follow")


def force(state: LiveState) -> ModelState:
    """The models as they are asked to choose: forced to the lumped one where the physics is."""
    return replace(state.model, policy="lumped") if state.physics == "lumped" else state.model


def release(found: ModelState, before: ModelState) -> ModelState:
    """The models after a choice, with the policy that lies beneath; a switch says that an overload has forced it."""
    if found.policy == before.policy:
        return found
    switches = found.switches
    if switches and switches is not before.switches and switches[-1].reason == "forced":
        switches = (*switches[:-1], replace(switches[-1], reason="overload"))
    return replace(found, policy=before.policy, switches=switches)
