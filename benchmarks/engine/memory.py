"""What memory gives in the same run: elements a second for the traffic of one explicit step that blocks nothing.

`write_allocate` reads one array and writes another with ordinary stores: a processor first reads the line that it
writes, so an element moves 24 bytes in float64. No explicit kernel that passes over memory once a step, and stores as
usual, is faster. `in_place` reads and writes one array, 16 bytes: what a kernel could reach whose stores allocate
nothing.

The factor keeps compilers from recognising a plain copy, which they would hand to stores that bypass the caches.
"""

from typing import Any

import numpy as np
from numba import njit, prange

from benchmarks.engine.measuring import REPEATS, repeat, report

ELEMENTS = 40 << 20  # 335 MB in float64: ten times the largest cache here


@njit(cache=True, parallel=True)
def _write(out: Any, source: Any, factor: Any) -> None:
    for index in prange(out.shape[0]):
        out[index] = source[index] * factor


@njit(cache=True, parallel=True)
def _rewrite(out: Any, factor: Any) -> None:
    for index in prange(out.shape[0]):
        out[index] *= factor


def main() -> None:
    for precision, dtype in (("f64", np.float64), ("f32", np.float32)):
        source, out, factor = np.ones(ELEMENTS, dtype), np.ones(ELEMENTS, dtype), dtype(1.0000001)
        _, seconds, _ = repeat(lambda: _write(out, source, factor), 2 * REPEATS + 1)  # noqa: B023 called at once
        report("write_allocate", "DRAM", seconds, error=None, precision=precision, updates=ELEMENTS)
        _, seconds, _ = repeat(lambda: _rewrite(out, factor), 2 * REPEATS + 1)  # noqa: B023
        report("in_place", "DRAM", seconds, error=None, precision=precision, updates=ELEMENTS)


main()
