"""P3 refined, in 2D and 3D: on the path that the planner picks, and on the multigrid path."""

import statistics

from benchmarks.engine.measuring import REPEATS, repeat, report
from benchmarks.engine.own.building import stiff
from benchmarks.engine.problems import STIFF_TOLERANCE
from grid.engine import solve

GRIDS = ((2, (512, 1024, 2048)), (3, (128, 192)))
LONG = 20.0  # seconds; what takes longer is run twice


def main() -> None:
    for method in ("auto", "implicit"):
        for dimension, sizes in GRIDS:
            for cells in sizes:
                problem = stiff(cells, dimension)

                def run() -> str:
                    done = solve(problem, method=method, tolerance=STIFF_TOLERANCE)  # noqa: B023 called at once
                    return f"{done.plan.method}, {done.metrics['steps']:g} steps"

                first, seconds, chosen = repeat(run, 1)
                if statistics.median(seconds) < LONG:
                    first, seconds, chosen = repeat(run, min(REPEATS, 3))
                path = f"{method} {dimension}D"
                report("Grid", "growth", seconds, error=None, first=first, path=path, cells=cells**dimension,
                       settings=f"{path}, {cells}^{dimension} ({chosen})")  # fmt: skip


main()
