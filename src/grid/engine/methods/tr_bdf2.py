"""TR-BDF2 as a method: `implicit`, the one that can solve everything."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from grid.engine.audits import reason_without_bounds
from grid.engine.costs import implicit_seconds, memory_bytes
from grid.engine.methods.method import Cost, Facts

if TYPE_CHECKING:
    from grid.engine.space import Space
    from grid.engine.state import Stepper

DEFAULT_STEPS = 200  # where the error is not controlled and nobody asked for a number


@dataclass(frozen=True)
class ImplicitMethod:
    """TR-BDF2 in equal steps; see `grid.engine.implicit` and, where a material melts, `grid.engine.enthalpy`."""

    name: str = "implicit"

    def find_obstacle(self, facts: Facts) -> str | None:
        return None if facts.precision == "double" else "it works in double precision only"

    def estimate(self, facts: Facts) -> Cost:
        steps = (facts.steps or facts.problem.steps or DEFAULT_STEPS) + len(facts.landings)
        seconds = implicit_seconds(facts.problem, steps)
        memory = memory_bytes(facts.problem, "implicit", len(facts.times) + 1)
        return Cost(steps, seconds, memory, _find_step(facts))

    def make_stepper(self, space: "Space", facts: Facts) -> "Stepper":
        step = _find_step(facts)
        keeps_bounds = reason_without_bounds(facts.problem) is None
        if facts.problem.has_phase_change:
            from grid.engine.enthalpy import EnthalpyStepper

            return EnthalpyStepper(space, step, keeps_bounds=keeps_bounds)
        from grid.engine.implicit import ImplicitStepper

        return ImplicitStepper(space, step, keeps_bounds=keeps_bounds)


def _find_step(facts: Facts) -> float:
    end = facts.problem.end_time or facts.duration
    return end / (facts.steps or facts.problem.steps or DEFAULT_STEPS)
