"""Exact modes with the source integrated by quadrature as a method: `forced`, for sources of place and time."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from grid.engine.methods.inputs import MethodInputs
from grid.engine.methods.method import Cost
from grid.engine.methods.spectral.method import find_variation
from grid.engine.problem.domain import AXES
from grid.engine.values.expression import Expression

if TYPE_CHECKING:
    from grid.engine.methods.state import Stepper
    from grid.engine.space.space import Space

LEAST_TOLERANCE = 1e-9  # [-] least tolerance that the method accepts
FIELDS = 8.0  # [-] fields of working memory
MOST_TIMES, BLOCK = 1024, 1 << 22  # [-] as in grid.engine.methods.forced.stepper


@dataclass(frozen=True)
class ForcedMethod:
    """Modes of a homogeneous box under a source that moves; see `grid.engine.methods.forced.stepper`."""

    name: str = "forced"

    def find_obstacle(self, inputs: MethodInputs) -> str | None:
        """Give the reason why the method cannot solve a problem, in words; None if it can."""
        problem = inputs.problem
        source = problem.source_term
        if not inputs.is_linear or not isinstance(source, Expression) or "T" in source.variables:
            return "the problem is not linear with a source of place and time"
        if "t" not in source.variables:
            return "the source does not change in time"
        if any("t" in value.variables for law in problem.boundaries.values() for value in law.values.values()):
            return "the values of a boundary change in time"
        from grid.engine.values.planes import find_surfaces

        if any("t" in one.variables and one.variables & set(AXES) for one in find_surfaces(source.code)):
            return "the source jumps on a border that moves, which quadrature in time follows slowly"
        if inputs.tolerance < LEAST_TOLERANCE:
            return f"it keeps tolerances from {LEAST_TOLERANCE:g} on"
        return find_variation(problem)

    def estimate(self, inputs: MethodInputs) -> Cost:
        """Estimate steps, work and memory of a run."""
        from grid.engine.methods.forced.loads import count_means
        from grid.engine.methods.forced.times import count_times
        from grid.engine.methods.inputs import analyse_inputs
        from grid.engine.values.axis_factors import find_axis_factors

        problem, cells, limits = inputs.problem, inputs.cells, analyse_inputs(inputs).coarse_limits
        stop_times = inputs.times or (inputs.duration,)
        times, before = 0.0, 0.0
        for stop_time in stop_times:
            times += count_times(before, stop_time, limits, inputs.stiffness)
            before = stop_time
        source, axes = problem.source_term, problem.domain.cells
        products = find_axis_factors(source.code) if isinstance(source, Expression) else None
        transform = sum(axes) * cells
        work = {
            "forced": 1.0,
            "forced_cell": cells,
            "forced_time": times,
            "forced_landing": len(stop_times),
            "forced_landing_cell": len(stop_times) * cells,
            "forced_transform": len(stop_times) * transform,
        }
        if products is not None:
            work["forced_time_axis"] = times * sum(count**2 for count in axes)
            work["forced_time_cell"] = times * cells
            work["forced_mean"] = times * count_means(products, problem.domain, inputs.duration)
        else:
            work |= {"forced_whole_cell": times * cells, "forced_whole_transform": times * transform}
        block = min(BLOCK, MOST_TIMES * cells // axes[0]) if products is not None else 0
        memory = int(8 * (cells * (2 * (len(stop_times) + 1) + FIELDS) + 2 * block)) + 2_000_000
        return Cost(len(stop_times), work, memory)

    def make_stepper(self, space: "Space", inputs: MethodInputs) -> "Stepper":
        """Make the stepper for a discretised problem."""
        from grid.engine.methods.forced.stepper import ForcedStepper
        from grid.engine.methods.inputs import analyse_inputs

        limits = analyse_inputs(inputs).coarse_limits
        return ForcedStepper(space, inputs.times or (inputs.duration,), inputs.stop_times, limits, inputs.tolerance)
