"""P3 refined, in 2D and 3D: on the path that the planner picks, and on the multigrid path.

What is asked is that the seconds for each cell hardly grow. About five minutes at most.
"""

import time

from benchmarks.engine.measuring import REPEATS, repeat, report
from benchmarks.engine.own.building import stiff
from benchmarks.engine.problems import STIFF_TOLERANCE
from grid.engine import solve

GRIDS = ((2, (512, 1024, 2048)), (3, (64, 128, 192)))
PATHS = ("auto", "krylov")  # the planner's, and multigrid's
LONG, BUDGET = 10.0, 150.0  # seconds: what takes longer is timed once, as is everything when so many are over


def main() -> None:
    started = time.monotonic()
    for path in PATHS:
        for dimension, sizes in GRIDS:
            for cells in sizes:
                problem = stiff(cells, dimension)

                def run() -> str:
                    done = solve(problem, method=path, tolerance=STIFF_TOLERANCE)  # noqa: B023 called at once
                    return done.plan.method if done.is_accepted else f"{done.plan.method}; REJECTED by its audits"

                first, seconds, chosen = repeat(run, 1)  # the first one may compile
                is_long = seconds[0] > LONG or time.monotonic() - started > BUDGET
                seconds += [] if is_long else repeat(run, min(REPEATS, 3) - 2)[1]
                name = f"{path} {dimension}D"
                report("Grid", "growth", seconds, error=None, first=first, path=name, cells=cells**dimension,
                       settings=f"{name}, {cells}^{dimension} ({chosen})")  # fmt: skip


main()
