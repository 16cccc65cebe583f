"""`batch_kernels` with the columns shared among threads; the same bytes. Apart, so that one thread loads none of it."""

from typing import Any

import numpy as np
from numba import prange

from grid.engine.kernel_cache import njit
from grid.engine.methods.explicit.column_kernels import run_blocks

Array = Any


@njit(cache=True, nogil=True, parallel=True)
def run_parts(
    law: Array, stop_times: Array, asked: Array, counts: Array, chunk: int, fields: Array, rows: Array, totals: Array,
    parts: int,
) -> None:  # fmt: skip
    """All blocks, in `parts` parts."""
    blocks = law.shape[0]
    for p in prange(parts):
        part = np.int64(p)  # a parallel index is unsigned, and unsigned with signed would make a float
        begin, end = blocks * part // parts, blocks * (part + 1) // parts
        run_blocks(law, stop_times, asked, counts, chunk, fields, rows, totals, begin, end)
