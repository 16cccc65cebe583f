"""The two products of a large field with its modes, together with a survey of all its cells, in parts for threads.

On a large field most of the time goes into memory: cells are surveyed while they are in the cache. The parts depend on
the size alone.
"""

from typing import NamedTuple

import numpy as np

from grid.engine.methods.spectral.modes import FULL_PRODUCT, AxisModes
from grid.engine.space.measure import finish, is_large, make_table
from grid.engine.threads import parallel_for
from grid.engine.values.expression import MANY_CELLS
from grid.engine.values.operations import FloatArray

PARTS = 8  # [-] parts of the work that threads share


class Seen(NamedTuple):
    """Summary of a field: extremes, and the sum of its cells, each less the pivot."""

    lowest: float
    highest: float
    rise: float


def can_project(field: FloatArray, modes: AxisModes, many: int) -> bool:
    """Tell whether `project` can find the first modes along the last axis of a field."""
    return is_large(field) and modes.has_parity and many <= FULL_PRODUCT


def project(field: FloatArray, modes: AxisModes, many: int, pivot: float) -> tuple[FloatArray, Seen]:
    """Coefficients of the first modes along the last axis, and the summary of the field."""
    from grid.engine.methods.spectral.kernels import project_rows
    from grid.engine.space.measure_kernels import measure_blocks

    rows = np.ascontiguousarray(field).reshape(-1, modes.count)
    flat, halves, out = rows.reshape(-1), modes.halves(many), np.empty((len(rows), many))
    found = make_table(flat.size)
    blocks = _cut(found.shape[1])
    groups = _cut(-(-len(rows) // 4))

    def do(part: int) -> None:
        measure_blocks(flat, pivot, blocks[part], blocks[part + 1], found)
        project_rows(rows, halves, out, 4 * groups[part], min(4 * groups[part + 1], len(rows)))

    parallel_for(do, PARTS)
    return out.reshape(*field.shape[:-1], many), Seen(*finish(flat, found))


def can_expand(modes: AxisModes, size: int, many: int) -> bool:
    """Tell whether `expand` can make a field of so many cells from the first modes along its first axis."""
    if size < MANY_CELLS or not modes.has_parity:
        return False  # before Numba is loaded for nothing
    from grid.engine.methods.spectral.kernels import MODES

    return many <= MODES


def expand(coefficients: FloatArray, modes: AxisModes, shift: float, pivot: float) -> tuple[FloatArray, Seen]:
    """Field from the coefficients of its first modes along the first axis and a shift, and its summary."""
    from grid.engine.methods.spectral.kernels import MODES, expand_and_survey, survey_unseen

    many, rest = coefficients.shape[0], coefficients.shape[1:]
    thin = np.ascontiguousarray(coefficients).reshape(many, -1)
    out = np.empty((modes.count, thin.shape[1]))
    pairs = (modes.count + 1) // 2
    weights = np.zeros((pairs, MODES))
    weights[:, :many] = modes.halves(many).T
    found = make_table(out.size)
    is_seen = np.zeros(found.shape[1], np.bool_)
    cut = _cut(pairs)

    def do(part: int) -> None:
        expand_and_survey(weights, thin, out, shift, cut[part], cut[part + 1], pivot, found, is_seen)

    parallel_for(do, PARTS)
    survey_unseen(out, pivot, found, is_seen)
    return out.reshape(modes.count, *rest), Seen(*finish(out.reshape(-1), found))


def _cut(count: int) -> list[int]:
    """Boundaries of the parts."""
    return [count * part // PARTS for part in range(PARTS + 1)]
