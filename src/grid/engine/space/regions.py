"""Material of each cell, and cells that the border of two regions cuts."""

import numpy as np
from numpy.typing import NDArray

from grid.core.errors import FieldError
from grid.engine.problem.fields import ProblemFields
from grid.engine.space.cuts import Cuts, find_cuts
from grid.engine.space.mesh import open_coordinates
from grid.engine.values.operations import Operand

Region = NDArray[np.int16] | None
MOST_SAMPLED = 32_768  # cell centres at which a problem is looked at before its grid is made: 0.3 ms for two regions
_ONE_EACH = "at every cell centre exactly one where is true"


def material_cuts(problem: ProblemFields) -> Cuts | None:
    """Find cells that the border of two regions cuts; None where there are none, or where cells are assigned by centre.

    Cells are assigned by centre where a material melts or a conductivity is a full tensor.
    """
    return problem.once(_find_material_cuts)


def share_cuts(known: ProblemFields, problem: ProblemFields) -> None:
    """Give a problem the cells that borders cut of one with the same domain and materials."""
    problem.take(known, _find_material_cuts)


def _find_material_cuts(problem: ProblemFields) -> Cuts | None:
    if len(problem.materials) < 2 or problem.has_phase_change or problem.coupled_axes:
        return None
    truths = [material.where for material in problem.materials if material.where is not None]
    return find_cuts(problem.domain, truths, "material", lambda: find_regions(problem))


def find_regions(problem: ProblemFields) -> Region:
    """Find the material's index of each cell, -1 outside a masked body; None where there is one material everywhere.

    Raises:
        FieldError: At some cell centre no `where` or several are true.
    """
    mask = problem.domain.active
    if mask is None and all(material.where is None for material in problem.materials):
        return None
    coordinates = open_coordinates(problem.domain)
    count, region = _assign(problem, coordinates, problem.domain.cells)
    if mask is not None:
        outside = ~np.broadcast_to(mask.evaluate(coordinates), region.shape)
        if outside.all():
            raise FieldError("domain.active", "true at one cell centre at least")
        count[outside], region[outside] = 1, -1
    if not (count == 1).all():
        raise FieldError("material", _ONE_EACH)
    return region


def _assign(
    problem: ProblemFields, coordinates: dict[str, Operand], shape: tuple[int, ...]
) -> tuple[NDArray[np.int16], NDArray[np.int16]]:
    """Count the materials at some places, and find the index of the last of them."""
    count, region = np.zeros(shape, np.int16), np.zeros(shape, np.int16)
    for index, material in enumerate(problem.materials):
        inside = np.ones((), bool) if material.where is None else material.where.evaluate(coordinates)
        count += inside
        np.copyto(region, np.int16(index), where=inside)
    return count, region


def require_covered(problem: ProblemFields, most: int = MOST_SAMPLED) -> None:
    """Refuse regions that overlap or leave cells of the body out, as far as some of the cell centres tell.

    Of a grid of more than `most` cells, every so many along each axis are looked at. What is refused here,
    `find_regions` refuses too; what is thinner than the cells between two that are looked at, it alone finds.

    Raises:
        FieldError: At one of these cell centres no `where` or several are true.
    """
    if all(material.where is None for material in problem.materials):
        return
    cells = problem.domain.cells
    along = max(1, int(most ** (1 / len(cells)) + 1e-9))  # a root of 8 may be just below 2
    coordinates: dict[str, Operand] = {}
    for axis, (name, places) in enumerate(open_coordinates(problem.domain).items()):
        stride = -(-cells[axis] // along)
        coordinates[name] = np.asarray(places)[tuple(slice(None, None, stride) for _ in cells)]
    shape = np.broadcast_shapes(*(np.shape(places) for places in coordinates.values()))
    count, _ = _assign(problem, coordinates, shape)
    if (mask := problem.domain.active) is not None:
        count[~np.broadcast_to(mask.evaluate(coordinates), shape)] = 1
    if not (count == 1).all():
        raise FieldError("material", _ONE_EACH)


def require_seen(problem: ProblemFields, region: Region) -> None:
    """Refuse a region that has no part of any cell.

    Raises:
        FieldError: Its `where` is true at no cell centre, and within no cell that its border cuts.
    """
    if region is None or len(problem.materials) < 2:
        return
    counts = np.bincount(region[region >= 0].reshape(-1), minlength=len(problem.materials))
    present = {*np.flatnonzero(counts).tolist(), *(() if (cuts := material_cuts(problem)) is None else cuts.present)}
    for index in range(len(problem.materials)):
        if index not in present:
            limit = "true at one cell centre of the body at least: refine the grid, or leave the region out"
            raise FieldError(f"material[{index}].where", limit)
