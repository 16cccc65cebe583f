"""Matrix of a full conductivity tensor, found by applying the scheme of `grid.engine.space.tensor` to a few fields.

The balance of a cell depends on cells up to `REACH` away along each axis (that far only beside a corner, where
surfaces are extrapolated), so fields that are one on cells far enough apart give all their columns at once (A. R.
Curtis, M. J. D. Powell, J. K. Reid, On the estimation of sparse Jacobian matrices, J. Inst. Maths Applics 13, 1974).
The matrix is that of the scheme to the last rounding, whatever the boundaries are.
"""

from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from grid.engine.space.laws import FaceLaw, Loads
from grid.engine.space.space import Space
from grid.engine.values.operations import FloatArray

REACH = 3  # [-] cells along an axis to the farthest that a cell depends on, see above
PERIOD = 2 * REACH + 1  # [-] distance of probed cells along an axis, so that no cell depends on two
Index = NDArray[np.intp]


def without_loads(loads: Loads) -> Loads:
    """Make the same films with nothing that drives heat through them, which makes the scheme linear."""
    face_laws = tuple(FaceLaw(face_law.transmittance, 0.0, 0.0) for face_law in loads.face_laws)
    return Loads(face_laws, None, loads.operator_key)


def assemble_coupled(space: Space, loads: Loads) -> Any:
    """Assemble L [W/K] with heat flow = known part - L T; CSR. Computed once for the films of a constant operator."""
    key = b"".join(np.asarray(face_law.transmittance, np.float64).tobytes() for face_law in loads.face_laws)
    if key not in space.matrices:
        space.matrices[key] = probe(space, without_loads(loads))
    return space.matrices[key]


def probe(space: Space, homogeneous: Loads) -> Any:
    """Compute L [W/K] of a space as it is, whatever it was made for, without the correction of a flow; CSR."""
    space = replace(space, correction=None)  # the correction is not linear
    shape, count = space.shape, space.capacity.size
    lines = [list(_colours(n, space.problem.is_periodic[axis])) for axis, n in enumerate(shape)]
    rows, columns, values = [], [], []
    for combination in product(*lines):
        field = np.zeros(shape)
        field[np.ix_(*(cells for cells, _ in combination))] = 1.0
        answer = -space.heat_flow(field.reshape(-1), homogeneous).net
        seen = np.meshgrid(*(nearest for _, nearest in combination), indexing="ij")
        column = np.ravel_multi_index([np.maximum(part, 0) for part in seen], shape).reshape(-1)
        is_entry = np.logical_and.reduce([part >= 0 for part in seen]).reshape(-1) & (answer != 0.0)
        rows.append(np.flatnonzero(is_entry))
        columns.append(column[is_entry])
        values.append(answer[is_entry])
    entries: tuple[FloatArray, tuple[Index, Index]] = (
        np.concatenate(values),
        (np.concatenate(rows), np.concatenate(columns)),
    )
    return sparse.coo_matrix(entries, shape=(count, count)).tocsr()


def _colours(count: int, is_periodic: bool) -> Iterator[tuple[Index, Index]]:
    """Groups of places along an axis of which no place depends on two, and for each place the one it uses, or -1."""
    main = count - count % PERIOD if is_periodic else count
    groups = [np.arange(start, main, PERIOD) for start in range(min(PERIOD, main))]
    groups += [np.array([alone]) for alone in range(main, count)]  # around the closure of a ring
    for cells in groups:
        nearest = np.full(count, -1)
        for offset in range(-REACH, REACH + 1):
            reached = cells + offset
            inside = np.ones(cells.size, bool) if is_periodic else (reached >= 0) & (reached < count)
            nearest[reached[inside] % count] = cells[inside]
        yield cells, nearest
