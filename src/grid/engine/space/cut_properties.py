"""Properties of cells that a border of regions cuts: those of each material at centre and temperature, mixed."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from grid.engine.space.cuts import Cuts
from grid.engine.values.operations import FloatArray, Operand

Places = dict[str, Operand]
At = Callable[[int, Places, "NDArray[np.int16] | None"], FloatArray]


def mix_conductivity(cuts: Cuts, found: FloatArray, axis: int, coordinates: Places, at: At) -> FloatArray:
    """Mix the conductivity of the cut cells along an axis: in series along a column, columns in parallel.

    Args:
        found: Values at the places, in cut cells by their centre [W/(m K)].
        axis: Axis along which heat is conducted.
        coordinates: All cells (open coordinates), or those that `cells` indexes; with a `side`, that half of each cell.
        at: The property of a material by its number, at places and where a region has this number.
    """
    where, rows = _find_cut(cuts, coordinates)
    if not where.size:
        return found
    own = _own(cuts, coordinates, where, rows, at)
    columns, side = cuts.columns[axis], coordinates.get("side")
    share = 0.5 * columns.share[rows].sum(axis=2) if side is None else columns.share[rows][:, :, side]
    resistance = np.einsum("icm,im->ic", share, 1.0 / own)
    return _put(found, coordinates, cuts, where, (columns.weight[rows] / resistance).sum(axis=1))


def mix_by_volume(cuts: Cuts, found: FloatArray, coordinates: Places, at: At) -> FloatArray:
    """Mix a property per volume in the cut cells, each material by its share."""
    where, rows = _find_cut(cuts, coordinates)
    if not where.size:
        return found
    own = _own(cuts, coordinates, where, rows, at)
    return _put(found, coordinates, cuts, where, (cuts.fraction[rows] * own).sum(axis=1))


def _find_cut(cuts: Cuts, coordinates: Places) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Find the places that are in cut cells, and the cut cell of each."""
    if "cells" not in coordinates:
        return cuts.cells, np.arange(cuts.cells.size)
    rows = cuts.number[np.ravel_multi_index(coordinates["cells"], cuts.shape)]
    where = np.flatnonzero(rows >= 0)
    return where, rows[where].astype(np.intp)


def _own(cuts: Cuts, coordinates: Places, where: NDArray[np.intp], rows: NDArray[np.intp], at: At) -> FloatArray:
    """Evaluate the property of every material in the cut cells among the places, shape (places, materials)."""
    index = np.unravel_index(cuts.cells[rows], cuts.shape)
    shape = (where.size,) if "cells" in coordinates else cuts.shape
    inside: Places = {"cells": index}
    for name, value in coordinates.items():
        if name not in ("cells", "side"):
            if np.ndim(value) and "cells" in coordinates:
                inside[name] = np.asarray(value)[where]
            else:
                inside[name] = np.broadcast_to(value, shape)[index] if np.ndim(value) else value
    columns = []
    for number, material in enumerate(cuts.present):
        region = np.where(cuts.fraction[rows, number] > 0.0, material, -1).astype(np.int16)
        columns.append(np.broadcast_to(at(material, inside, region), where.shape))
    return np.stack(columns, axis=1)


def _put(found: FloatArray, coordinates: Places, cuts: Cuts, where: NDArray[np.intp], values: FloatArray) -> FloatArray:
    if "cells" in coordinates:
        out = np.broadcast_to(found, np.shape(coordinates["cells"][0])).copy()
    else:
        out = np.broadcast_to(found, cuts.shape).copy()
    out.reshape(-1)[where] = values
    return out
