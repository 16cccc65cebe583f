"""P5: one rod by a prepared plan, 1,000 by `solve_batch`; the serial and the parallel batch, the faster one counts.

The engine's rods have 101 cells, whose ends lie half a cell beyond the outer centres, and make the same 200 steps at
the same mesh Fourier numbers; the error is against those steps with NumPy.
"""

import statistics

import numpy as np

from benchmarks.engine.measuring import REPEATS, repeat, report
from benchmarks.engine.problems import ROD_POINTS, ROD_STEPS, FloatArray, Rods, make_rods
from grid.engine import Constant, Domain, Gridded, HeatProblem, Material, Temperature, prepare, solve_batch


def cell_start(rods: Rods) -> FloatArray:
    """Half sines at the centres of the cells, shape (rods, 101)."""
    centres = (np.arange(ROD_POINTS) + 0.5) / ROD_POINTS
    out: FloatArray = rods.amplitude[:, None] * np.sin(np.pi * centres)
    return out


def cell_end(rods: Rods) -> FloatArray:
    """Fields after 200 steps, with NumPy; a ghost mirrors the cell beside it at the temperature of the end."""
    field = np.pad(cell_start(rods), ((0, 0), (1, 1)))
    for _ in range(ROD_STEPS):
        field[:, 0], field[:, -1] = 2.0 * rods.left - field[:, 1], 2.0 * rods.right - field[:, -2]
        field[:, 1:-1] += rods.mesh_fourier[:, None] * (field[:, 2:] - 2.0 * field[:, 1:-1] + field[:, :-2])
    return field[:, 1:-1]


def main() -> None:
    rods = make_rods()
    starts, reference = cell_start(rods), cell_end(rods)
    diffusivity = rods.mesh_fourier * ROD_STEPS / ROD_POINTS**2  # in 1 s
    problem = HeatProblem(
        domain=Domain((1.0,), (ROD_POINTS,)),
        materials=(Material((Constant(float(diffusivity[0])),), Constant(1.0)),),
        initial=Gridded(starts[0]),
        boundaries={
            "x_min": Temperature(Constant(float(rods.left[0]))),
            "x_max": Temperature(Constant(float(rods.right[0]))),
        },
        end_time=1.0,
    )
    plan = prepare(problem, method="explicit", steps=ROD_STEPS)
    first, seconds, solution = repeat(plan.solve, 40 * REPEATS)
    steps = solution.metrics["steps"]
    error = float(np.abs(solution.final - reference[0]).max())
    report("Grid", "P5", seconds, error=error, first=first, precision=None, settings=f"plan.solve(), {steps:g} steps")

    vary = {
        "diffusivity": diffusivity, "initial": starts, "boundaries.x_min.value": rods.left,
        "boundaries.x_max.value": rods.right,
    }  # fmt: skip
    runs = []
    for is_parallel in (False, True):
        first, seconds, batch = repeat(
            lambda: solve_batch(problem, vary, method="explicit", steps=ROD_STEPS, is_parallel=is_parallel),  # noqa: B023
            4 * REPEATS,
        )
        runs.append((statistics.median(seconds), first, seconds, batch, is_parallel))
    _, first, seconds, batch, is_parallel = min(runs, key=lambda run: run[0])
    error = float(np.abs(batch.fields[:, -1] - reference).max())
    accepted = int(batch.is_accepted.sum())
    settings = f"solve_batch(is_parallel={is_parallel}), fields, metrics and audits; {accepted} accepted"
    report("Grid", "P5S", seconds, error=error, first=first, precision=None, settings=settings)


main()
