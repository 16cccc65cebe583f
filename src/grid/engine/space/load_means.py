"""Loads of a problem that are integrated over cells or faces, see `grid.engine.space.cell_means`."""

import numpy as np
from numpy.typing import NDArray

from grid.engine.problem.domain import AXES
from grid.engine.problem.fields import ProblemFields
from grid.engine.space.cell_means import LOCAL, WHOLE, CellMeans
from grid.engine.space.factored_means import are_centres_enough, find_lines
from grid.engine.space.load_shapes import CellShapes, FaceShapes
from grid.engine.space.mesh import Patch
from grid.engine.values.expression import Expression
from grid.engine.values.operations import FloatArray
from grid.engine.values.value import Value

# [-] times at which a load is examined before a run, on few and on many cells, and cells that count as many
SAMPLES, FEW_SAMPLES, MANY_CELLS = 17, 7, 100_000


def find_times(problem: ProblemFields) -> list[float]:
    """Choose times at which loads are examined before a run [s]."""
    if problem.steady or problem.end_time is None:
        return [0.0]
    count = FEW_SAMPLES if problem.domain.cell_count > MANY_CELLS else SAMPLES
    even = np.linspace(0.0, problem.end_time, count).tolist()
    between = [0.5 * (a + b) for a, b in zip(problem.breakpoints, problem.breakpoints[1:], strict=False)]
    return sorted({*even, *between[:SAMPLES], 0.381966 * problem.end_time})


def is_patterned(value: object) -> bool:
    """Tell whether a load is an expression that differs from place to place."""
    return isinstance(value, Expression) and bool(value.variables & set(AXES))


def make_source_means(problem: ProblemFields, start: FloatArray, used: NDArray[np.bool_] | None) -> CellMeans | None:
    """Make the means of the source of a problem; None where the centres are enough.

    Args:
        problem: Problem of the source.
        start: Initial temperature, flat.
        used: Cells of a masked body, flat.

    Raises:
        FieldError: The source is too rough or too narrow to be integrated.
    """
    if not isinstance(problem.source_term, Expression) or not is_patterned(problem.source_term):
        return None
    code = problem.source_term.code
    at = start if ("variable", "T") in code else None
    means = CellMeans("source_term", code, CellShapes(problem.domain), at, used)
    _decide(means, find_times(problem))
    return means if means.is_needed else None


def make_face_means(problem: ProblemFields, patch: Patch, value: Value) -> CellMeans | None:
    """Make the means of a flux over the faces of a patch; None where their centres are enough.

    Raises:
        FieldError: The flux is too rough or too narrow to be integrated.
    """
    if problem.dimension == 1 or not isinstance(value, Expression) or not is_patterned(value):
        return None
    start = np.zeros(patch.cells.size) if ("variable", "T") in value.code else None
    path = f"boundaries.{patch.name}.value"
    means = CellMeans(path, value.code, FaceShapes(problem.domain, patch), start)
    _decide(means, find_times(problem))
    return means if means.is_needed else None


def _decide(means: CellMeans, times: list[float]) -> None:
    """Decide whether means are needed, from the centres at some times; by the factors of a product if it is one.

    Raises:
        FieldError: The load is too rough to be integrated.
    """
    lines = find_lines(means)
    if lines is None:
        means.decide(times)
        return
    some = times[::2] if means.has_moving_points else [0.0]
    means.is_needed = not are_centres_enough(lines, some, LOCAL, WHOLE)  # on all cells, not on a sample
