"""P5 with JAX: one rod by jit, 1,000 by vmap."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.engine.measuring import REPEATS, repeat, report
from benchmarks.engine.problems import ROD_STEPS, make_rods, rod_end, rod_start


def run(field: Any, fourier: Any) -> Any:
    def step(_: int, now: Any) -> Any:
        return now.at[1:-1].add(fourier * (now[2:] - 2 * now[1:-1] + now[:-2]))

    return jax.lax.fori_loop(0, ROD_STEPS, step, field)


def main() -> None:
    jax.config.update("jax_enable_x64", True)
    rods = make_rods()
    reference = rod_end(rods)
    start, fourier = jnp.asarray(rod_start(rods)), jnp.asarray(rods.mesh_fourier)
    alone, at_once = jax.jit(run), jax.jit(jax.vmap(run))
    field, number = start[0], fourier[0]
    first, seconds, end = repeat(lambda: alone(field, number).block_until_ready(), repeats=40 * REPEATS)
    report("JAX jit", "P5", seconds, error=float(np.abs(np.asarray(end) - reference[0]).max()), first=first,
           settings="one rod", version=jax.__version__)  # fmt: skip
    first, seconds, end = repeat(lambda: np.asarray(at_once(start, fourier)), repeats=4 * REPEATS)
    report("JAX vmap", "P5S", seconds, error=float(np.abs(end - reference).max()), first=first,
           settings=f"{len(reference)} rods", version=jax.__version__)  # fmt: skip


main()
