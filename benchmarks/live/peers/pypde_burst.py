"""The burst of `benchmarks.live.tick` in py-pde with its Numba back end: forward Euler, as many steps a tick.

Run by the Python of an environment of its own, with the burst as JSON; prints the seconds of each tick and the field.
"""

import json
import sys
import time

import numpy as np
import pde


def main() -> None:
    burst = json.loads(sys.argv[1])
    n, steps, tick = burst["cells"], burst["steps"], burst["tick"]
    grid = pde.CartesianGrid([[0.0, 1.0]] * 2, [n, n])
    source = pde.ScalarField(grid, np.load(burst["source"]))
    field = pde.ScalarField(grid, burst["initial"])
    equation = pde.PDE(
        {"T": "D * laplace(T) + s"}, bc={"*": {"derivative": 0}}, consts={"D": burst["diffusivity"], "s": source}
    )
    solver = pde.EulerSolver(equation, adaptive=False, backend="numba")
    advance = solver.make_stepper(field, dt=tick / steps)
    processor, wall = [], []
    for number in range(burst["ticks"] + 1):  # the first one compiles
        started, begun = time.process_time(), time.perf_counter()
        advance(field, number * tick, (number + 1) * tick)
        processor.append(time.process_time() - started)
        wall.append(time.perf_counter() - begun)
    np.save(burst["field"], field.data)
    print(json.dumps({"processor": processor[1:], "wall": wall[1:], "version": pde.__version__}))


main()
