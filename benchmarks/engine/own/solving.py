"""P3, P3N, P4 by `solve`, all of it measured: discretisation, choice of the method, run, audits.

The tolerance is the first of a ladder, loosest first, whose answer meets the error: what the peers are given too.
"""

import sys
from collections.abc import Callable

from benchmarks.engine import problems, radiating
from benchmarks.engine.measuring import REPEATS, repeat, report
from benchmarks.engine.own import building
from benchmarks.engine.problems import FloatArray, relative_error
from benchmarks.engine.references import load_reference
from grid.engine import HeatProblem, Solution, solve
from grid.engine.methods.inputs import Precision

LADDER = (3e-2, 2e-2, 1e-2, 3e-3, 1e-3, 3e-4, 1e-4, 3e-5)
CASES: dict[str, tuple[Callable[[], HeatProblem], Callable[[FloatArray], FloatArray], float]] = {
    "P3": (building.stiff, lambda field: field, problems.STIFF_TOLERANCE),
    "P3N": (building.radiating_plate, building.rise, radiating.TOLERANCE),
    "P4": (building.box, lambda field: field, problems.BOX_TOLERANCE),
}


def main(name: str, precision: Precision) -> None:
    make, convert, allowed = CASES[name]
    problem, reference = make(), load_reference(name)

    for tolerance in LADDER:

        def run(tolerance: float = tolerance) -> Solution:
            return solve(problem, tolerance=tolerance, precision=precision)

        solution = run()
        error = relative_error(convert(solution.final), reference)
        if error > allowed:
            continue
        first, seconds, solution = repeat(run, 8 * REPEATS if name == "P4" else REPEATS)  # milliseconds: as its peer
        error = relative_error(convert(solution.final), reference)
        steps = solution.metrics["steps"]
        settings = f"solve(tolerance={tolerance:g}): {solution.plan.method}, {steps:g} steps"
        settings += "" if solution.is_accepted else "; REJECTED by its audits"
        label = None if precision == "double" else precision
        report("Grid", name, seconds, error=error, first=first, precision=label, settings=settings)
        return
    raise SystemExit("no tolerance of the ladder met the error")


main(sys.argv[1], "mixed" if sys.argv[2:] == ["mixed"] else "double")
