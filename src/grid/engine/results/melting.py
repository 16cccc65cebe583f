"""Readings of a body that melts: the share of its cells that is liquid, and where the phases meet."""

import numpy as np

from grid.core.errors import FieldError
from grid.engine.problem.domain import Domain
from grid.engine.space.mesh import cell_volume
from grid.engine.space.space import Space
from grid.engine.values.operations import FloatArray

MELTED = 1e-6  # [-] share of the latent heat that a melted cell may lack


def find_liquid_fraction(space: Space, content: FloatArray | None) -> FloatArray:
    """Share of the latent heat that each cell holds, shape `cells`; NaN where nothing melts.

    Args:
        content: H V [J], flat; None where no material melts.

    Raises:
        FieldError: The materials that melt have no common law with one melting temperature.
    """
    problem = space.problem
    laws = {material.enthalpy for material in problem.materials if material.enthalpy is not None}
    [law] = laws if len(laws) == 1 else [None]
    if content is None or law is None or law.melting_temperature is None:
        raise FieldError("level", "required unless the body has one melting temperature")
    fraction: FloatArray = np.clip(content / cell_volume(problem.domain) / law.latent_heat, 0.0, 1.0)
    fraction = fraction.reshape(space.shape)
    if space.region is None:
        return fraction
    melting = [index for index, material in enumerate(problem.materials) if material.enthalpy is not None]
    return np.where(np.isin(space.region, melting), fraction, np.nan)


def find_front(domain: Domain, fraction: FloatArray, axis: int, sign: int) -> float:
    """Coordinate of the farthest place along an axis where solid and liquid meet [m].

    Args:
        fraction: Liquid share of each cell, NaN where nothing melts; a front lies in a row of cells that melt.
        sign: 1 or -1, the direction.

    Raises:
        FieldError: There is one phase along every row.
    """
    lines = np.moveaxis(fraction, axis, -1)[..., ::sign].reshape(-1, domain.cells[axis])
    found = [start + front for line in lines for start, row in _split(line) if (front := _front_of(row)) is not None]
    if not found:
        raise FieldError("direction", "a direction in which two phases meet")
    far = max(found) * domain.spacing[axis]
    return domain.origin[axis] + (far if sign == 1 else domain.size[axis] - far)


def _split(line: FloatArray) -> list[tuple[int, FloatArray]]:
    """The unbroken rows of cells that melt, with their first cells."""
    is_melting = ~np.isnan(line)
    if is_melting.all():
        return [(0, line)]
    padded = np.concatenate([[False], is_melting, [False]])
    starts, ends = np.flatnonzero(padded[1:] & ~padded[:-1]), np.flatnonzero(~padded[1:] & padded[:-1])
    return [(int(start), line[start:end]) for start, end in zip(starts, ends, strict=True)]


def _front_of(row: FloatArray) -> float | None:
    """Cells from the start of a row to its last front; None where there is one phase."""
    beyond = row if row[-1] >= 0.5 else 1.0 - row  # share of the phase at the far end
    near = np.flatnonzero(beyond < 1.0 - MELTED)
    if not near.size:
        return None
    start = end = int(near[-1])  # of the cells that change phase, mostly one
    while start > 0 and MELTED < beyond[start - 1] < 1.0 - MELTED:
        start -= 1
    return start + float((1.0 - beyond[start : end + 1]).sum())
