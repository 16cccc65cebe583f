r"""Cholesky factors of sparse symmetric matrices over the cells of a grid.

Cells are eliminated by nested dissection along the axes of the grid, in blocks that are dense (J. A. George, J. W. Liu,
Computer Solution of Large Sparse Positive Definite Systems, 1981, chapters 5 and 8): the cells of a small part, or some
of those of a plane that separates two others. The order of elimination and the places of entries depend on the
pattern of the matrix alone, so one `Elimination` serves all matrices of a body.

For each block with the factor L and the rows B below it the products :math:`L^{-1}` and :math:`B L^{-1}` are stored,
which makes both passes of a solution products with small dense matrices (F. L. Alvarado, R. Schreiber, SIAM J. Sci.
Comput. 14, 1993). A solution takes a third of the time of SuperLU's for some thousand cells, and a factorisation a
fourth.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from grid.engine.errors import SingularError
from grid.engine.linear import cholesky_kernels as kernels
from grid.engine.values.operations import FloatArray

if TYPE_CHECKING:
    from grid.engine.space.space import Space

Indices = NDArray[Any]
LEAST_SIZE = float(np.finfo(np.float64).tiny)  # [-] least number whose inverse is finite


@dataclass(frozen=True, eq=False)
class Elimination:
    """Order and blocks of an elimination, see `grid.engine.linear.cholesky_kernels`.

    Args:
        order, inverse: Cell at each place, and place of each cell.
        firsts, owners: First place of each block, and one more; block of each place.
        row_starts, row_counts, rows: Rows below each block.
        panel_starts: First number of the panel of each block, and one more.
        highest: Numbers of the longest column of a panel.
    """

    order: Indices
    inverse: Indices
    firsts: Indices
    owners: Indices
    row_starts: Indices
    row_counts: Indices
    rows: Indices
    panel_starts: Indices
    highest: int

    @classmethod
    def of(cls, matrix: Any, coordinates: Indices) -> "Elimination":
        """Make the elimination of matrices of a pattern.

        Args:
            matrix: Square, with a symmetric pattern, CSC.
            coordinates: Places of its cells on the grid, shape (cells, axes).
        """
        size = len(coordinates)
        order, is_first = np.empty(size, np.int32), np.empty(size, np.bool_)
        kernels.dissect(np.ascontiguousarray(coordinates, np.int32), order, is_first)
        inverse = np.empty_like(order)
        inverse[order] = np.arange(size, dtype=np.int32)
        firsts = np.append(np.flatnonzero(is_first), size).astype(np.int64)
        owners = (np.cumsum(is_first) - 1).astype(np.int32)
        row_starts, row_counts = np.empty(firsts.size, np.int64), np.empty(firsts.size - 1, np.int64)
        rows = kernels.find_rows(
            firsts, owners, order, inverse, matrix.indptr, matrix.indices, row_starts, row_counts
        )  # fmt: skip
        own = np.diff(firsts)
        heights = own + np.diff(row_starts)
        panel_starts = np.concatenate([[0], np.cumsum(own * heights)])
        return cls(
            order, inverse, firsts, owners, row_starts, row_counts, rows, panel_starts, int(heights.max(initial=0))
        )


def find_places(space: "Space") -> Indices:
    """Find the places on the grid of the cells of a body, shape (cells, axes)."""
    return np.stack(np.unravel_index(space.body_cells, space.shape), axis=1)


class Cholesky:
    """Factors of a symmetric positive definite matrix.

    Args:
        matrix: CSC; of its two triangles one is read.
        elimination: Elimination of its pattern.
        dtype: Type of the stored factors; single precision halves the memory that a solution reads.

    Raises:
        SingularError: The matrix is not positive definite.
    """

    def __init__(self, matrix: Any, elimination: Elimination, dtype: type[np.floating[Any]] = np.float64) -> None:
        own = self._elimination = elimination
        largest = float(np.abs(matrix.diagonal()).max(initial=0.0))
        if not 0.0 < largest < np.inf:
            raise SingularError("the body exchanges heat with nothing that has a temperature")
        self._scale = 1.0 / largest  # far from the ends of single precision
        panels = np.zeros(int(own.panel_starts[-1]))
        failed = kernels.factorise(
            own.firsts, own.owners, own.order, own.inverse, matrix.indptr, matrix.indices, matrix.data * self._scale,
            own.row_starts, own.row_counts, own.rows, own.panel_starts, panels,
        )  # fmt: skip
        if failed >= 0:
            raise SingularError("the body exchanges heat with nothing that has a temperature")
        self._panels = panels.astype(dtype, copy=False)

    @property
    def entries(self) -> int:
        """Count of the stored numbers."""
        return int(self._panels.size)

    def solve(self, right: FloatArray) -> FloatArray:
        """Solve for one right-hand side, shape (cells,)."""
        own, out, dtype = self._elimination, np.empty(right.size), self._panels.dtype
        size = float(np.abs(right).max(initial=0.0)) if dtype == np.float32 else 1.0
        if not size > 0.0:
            return np.zeros_like(out) if size == 0.0 else np.full_like(out, np.nan)
        size = max(size, LEAST_SIZE)
        kernels.solve(
            right, out, 1.0 / size, size * self._scale, own.firsts, own.order, own.row_starts, own.rows,
            own.panel_starts, self._panels, np.empty(right.size + 1, dtype), np.empty(own.highest, dtype),
        )  # fmt: skip
        return out
