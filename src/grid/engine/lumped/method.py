"""Interface of the models for the planner: choice of the model, obstacles, and the stepper."""

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from grid.core.errors import FieldError, UnsupportedError
from grid.engine.costs.table import add
from grid.engine.limits import MAX_STEPS
from grid.engine.methods.inputs import MethodInputs
from grid.engine.methods.method import Cost, Method
from grid.engine.problem.problem import HeatProblem

if TYPE_CHECKING:
    from grid.engine.methods.state import Stepper
    from grid.engine.space.space import Space

MODELS = ("diffusive", "lumped", "corrected", "auto")
REASONS = {
    "lumped": "asked for: one temperature for the body, Newton's law of cooling",
    "corrected": "asked for: one temperature for the body, with its internal resistance",
}
DECISIONS = 200  # [-] decisions in a run without a prescribed number of steps
MODEL_TOLERANCE = 0.05  # [-] largest certificate over the span of temperatures
INNER_SHARE = 0.1  # [-] share of the tolerance in time for the stretches of the diffusive model


def find_model(problem: HeatProblem, model: str | None) -> str:
    """The model of a run: the one requested; else `auto` where the problem has a rule of choice, else `diffusive`.

    Raises:
        FieldError: There is no such model.
        UnsupportedError: The lumped model cannot do the problem.
    """
    if model is None:
        model = "diffusive" if problem.adaptive is None else "auto"
    if model not in MODELS:
        raise FieldError("model", f"one of {', '.join(MODELS)}")
    if model == "diffusive" or problem.steady:
        return "diffusive"
    obstacle = find_obstacle(problem, model)
    if obstacle is None:
        return model
    if model == "auto":
        return "diffusive"
    raise UnsupportedError(f"the {model} model with {obstacle}")


def find_method(problem: HeatProblem, model: str | None, method: str) -> str:
    """The diffusive method of a run: one that takes short steps, where stretches may begin at any time."""
    return "implicit" if method == "auto" and find_model(problem, model) != "diffusive" else method


def find_obstacle(problem: HeatProblem, model: str) -> str | None:
    """Give the reason why the lumped model cannot solve a problem; None if it can."""
    if problem.has_flow:
        return "a flow"
    if problem.has_phase_change:
        return "a phase change"
    if model == "lumped" and any(law.holds_temperature for law in problem.boundaries.values()):
        return "a face of given temperature"
    return None


@dataclass(frozen=True)
class ModelMethod:
    """Method of a run with the lumped model, alone or in turn with a diffusive method.

    Args:
        model: `lumped`, `corrected` or `auto`.
        inner: The diffusive method of `auto`.
        tolerance: Of the certificate over the span of temperatures; for `auto`.
    """

    model: str
    inner: Method
    tolerance: float = MODEL_TOLERANCE

    @property
    def name(self) -> str:
        """Name of the model, or of the inner method where the model is chosen by the run."""
        return self.inner.name if self.model == "auto" else self.model

    @property
    def reason(self) -> str:
        """Reason for the choice, as the plan states it."""
        return REASONS.get(self.model, f"the lumped model as long as its limits allow, else {self.inner.name}")

    def find_obstacle(self, inputs: MethodInputs) -> str | None:
        """Give the reason why the model cannot solve a problem; None if it can."""
        return self.inner.find_obstacle(inputs) if self.model == "auto" else find_obstacle(inputs.problem, self.model)

    def estimate(self, inputs: MethodInputs) -> Cost:
        """Estimate the cost of the diffusive method, which a run without a switch needs, and of all decisions."""
        cost, step = self.inner.estimate(inputs), decision_step(inputs)
        decisions = inputs.duration / step
        return replace(
            cost,
            steps=max(cost.steps, math.ceil(decisions)),
            work=add(cost.work, {"decision": decisions}),
            time_step=step,
        )

    def make_stepper(self, space: "Space", inputs: MethodInputs) -> "Stepper":
        """Make the stepper of the model, with that of the inner method where the run may leave the lumped model."""
        from grid.engine.lumped.fidelity import Rule
        from grid.engine.lumped.stepper import FidelityStepper

        step, adaptive = decision_step(inputs), inputs.problem.adaptive
        if self.model != "auto":
            return FidelityStepper(
                space,
                None,
                Rule(None, None),
                step,
                self.model == "lumped",
                self.model,
                inputs.tolerance,
                inputs.duration,
            )
        # a number of steps is that of the decisions: loads jump where the lumped model is left, so the error chooses
        inner = self.inner.make_stepper(space, replace(inputs, steps=None, tolerance=INNER_SHARE * inputs.tolerance))
        if adaptive is not None:
            rule = Rule(adaptive, None, adaptive.return_fraction, adaptive.dwell)
        else:
            rule = Rule(None, self.tolerance, dwell=diffusion_time(space))
        return FidelityStepper(space, inner, rule, step, tolerance=inputs.tolerance, end=inputs.duration)


def decision_step(inputs: MethodInputs) -> float:
    """Time between two decisions [s]: from the steps of the problem, or from `DECISIONS`."""
    steps = inputs.steps or inputs.problem.steps or DECISIONS
    return (inputs.problem.end_time or inputs.duration) / min(steps, MAX_STEPS)


def diffusion_time(space: "Space") -> float:
    """Diffusion time L^2 / diffusivity [s], the longest over the axes; L is half where both sides exchange heat."""
    problem, found = space.problem, 0.0
    capacity = float(space.capacity.sum()) / (problem.domain.cell_count * float(_volume(space)))
    for axis, size in enumerate(problem.domain.size):
        ends = {patch.side for patch in space.patches if patch.axis == axis and problem.boundary(patch.name).values}
        length = size if len(ends) < 2 else 0.5 * size
        found = max(found, length**2 * capacity / float(space.conductivity[axis].mean()))
    return found


def _volume(space: "Space") -> float:
    from grid.engine.space.mesh import cell_volume

    return cell_volume(space.problem.domain)
