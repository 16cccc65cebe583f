"""P1, P1L, P2 with JAX: the whole loop in one compiled call; two ways of writing the edge, the faster one counts."""

import statistics
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.engine.measuring import repeat, report
from benchmarks.engine.problems import EXPLICIT, Explicit, explicit_error, explicit_start


def relax(field: Any, case: Explicit) -> Any:
    """The interior after one step."""
    dimension, inside = field.ndim, (slice(1, -1),) * field.ndim
    out = (1 - 2 * dimension * case.mesh_fourier) * field[inside]
    for axis in range(dimension):
        for side in (slice(2, None), slice(None, -2)):
            out = out + case.mesh_fourier * field[(*inside[:axis], side, *inside[axis + 1 :])]
    return out


WRITERS: dict[str, Callable[[Any, Any], Any]] = {
    "pad": lambda _, inner: jnp.pad(inner, 1),
    "at.set": lambda field, inner: field.at[(slice(1, -1),) * field.ndim].set(inner),
}


def main(problem: str, precision: str) -> None:
    jax.config.update("jax_enable_x64", True)
    case = EXPLICIT[problem]
    start = jnp.asarray(explicit_start(case), dtype=jnp.float32 if precision == "f32" else jnp.float64)
    best: tuple[float, list[float], Any, str] | None = None
    for name, write in WRITERS.items():

        @partial(jax.jit, static_argnames="write")
        def run(field: Any, write: Callable[[Any, Any], Any]) -> Any:
            return jax.lax.fori_loop(0, case.steps, lambda _, now: write(now, relax(now, case)), field)

        first, seconds, field = repeat(lambda: run(start, write).block_until_ready())  # noqa: B023 called at once
        if best is None or statistics.median(seconds) < statistics.median(best[1]):
            best = first, seconds, field, name
    assert best is not None
    first, seconds, field, name = best
    error = explicit_error(case, np.asarray(field))
    settings = f"jit, fori_loop, edges by {name}"
    report("JAX", problem, seconds, error=error, precision=precision, updates=case.updates, first=first,
           settings=settings, version=jax.__version__)  # fmt: skip


main(*sys.argv[1:3])
