"""Accuracy of values at the centres of cells for a load that is a product of functions of one coordinate each.

The mean over a cell of such a product is the product of the means along the axes. So a few hundred cells in a row
decide what would otherwise need a sample of all cells, see `grid.engine.space.cell_means`.
"""

from collections.abc import Sequence
from functools import reduce

import numpy as np

from grid.engine.problem.domain import AXES, Domain
from grid.engine.space.cell_means import CellMeans, Code
from grid.engine.space.load_shapes import CellShapes
from grid.engine.values.axis_factors import Factors, find_axis_factors
from grid.engine.values.operations import FloatArray
from grid.engine.values.planes import find_surfaces

Line = tuple[FloatArray, FloatArray]  # values at the centres of the cells along an axis, and means over them


def find_lines(means: CellMeans) -> list[CellMeans] | None:
    """Find the factors of a load along each axis, as loads of bodies of one dimension.

    None where it is no such product, jumps somewhere, or acts on part of a box alone.
    """
    shapes = means.shapes
    if not isinstance(shapes, CellShapes) or shapes.domain.dimension == 1:
        return None
    if means.start is not None or means.used is not None:
        return None
    if any(surface.variables & set(AXES) for surface in find_surfaces(means.pattern)):
        return None
    products = find_axis_factors(means.pattern)
    if products is None or len(products) != 1:
        return None
    return make_lines(means.path, products[0], shapes.domain)


def make_lines(path: str, product: Factors, domain: Domain) -> list[CellMeans]:
    """Make the factors of a product along each axis, as loads of bodies of one dimension."""
    found = []
    for axis in range(domain.dimension):
        code = _rename(product.get(AXES[axis], (("constant", 1.0),)), AXES[axis])
        line = Domain((domain.size[axis],), (domain.cells[axis],), origin=(domain.origin[axis],))
        found.append(CellMeans(path, code, CellShapes(line), is_needed=True))
    return found


def _rename(code: Code, axis: str) -> Code:
    """Rename the axis to x in the code of a function."""
    return tuple(("variable", "x") if step == ("variable", axis) else step for step in code)


def are_centres_enough(lines: Sequence[CellMeans], times: Sequence[float], local: float, whole: float) -> bool:
    """Tell whether the values at the centres give the heat of a product accurately enough at some times.

    Args:
        lines: From `find_lines`.
        times: Times [s].
        local, whole: Allowed errors of the centres, cell by cell and in sum, relative to the heat [-].

    Raises:
        FieldError: A factor is too rough to be integrated.
    """
    known: dict[int, Line] = {}
    for time in times:
        for index, line in enumerate(lines):
            if index not in known or ("variable", "t") in line.pattern:
                known[index] = line.find_line(time)
        centre, mean = (reduce(np.multiply.outer, [known[i][side] for i in range(len(lines))]) for side in (0, 1))
        away, heat = mean - centre, float(np.abs(mean).sum())
        if not (np.abs(away).sum() <= local * heat and abs(away.sum()) <= whole * heat):
            return False
    return True
