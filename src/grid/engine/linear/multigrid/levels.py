"""The levels of a multigrid hierarchy: boxes with conductances on their faces, each joined from the one before.

The matrix of the next level is the Galerkin product with constant interpolation, with each conductance times the
distance of the old centres over that of the new ones: the product is too stiff by just that (W. L. Briggs, V. E.
Henson, S. F. McCormick, A Multigrid Tutorial, 2000, ch. 10; U. Trottenberg, C. Oosterlee, A. Schueller, Multigrid,
2001, 8.1.3 and appendix A). All in single precision: a hierarchy is a preconditioner.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from grid.engine.linear.multigrid import coarsening_kernels as kernels
from grid.engine.space.mesh import first, last
from grid.engine.values.operations import FloatArray

STRONG = 0.25  # [-] share of the coupling of the strongest axis from which an axis is coarsened
LOOSE = 0.1  # [-] couplings relative to the rest of the diagonal below which no coarser level is needed
Single = NDArray[np.float32]


@dataclass(frozen=True)
class Level:
    """One grid: conductances of faces, the rest of the diagonal, and the widths of cells, per axis.

    There are no conductances, shape (0, y, z), along an axis x of one cell.
    """

    conductances: tuple[Single, ...]
    rest: Single
    widths: tuple[FloatArray, ...]

    @cached_property
    def _inverted(self) -> tuple[Single, NDArray[np.bool_], float]:
        inverse, alone = np.empty_like(self.rest), np.empty(self.rest.shape, np.bool_)
        gx, gy, gz = self.conductances
        largest = kernels.invert_diagonal(inverse, alone, self.rest, gx, gy, gz, LOOSE)
        return inverse, alone, float(largest)

    @property
    def inverse(self) -> Single:
        """Inverse of the diagonal of the matrix; 1 where that is empty."""
        return self._inverted[0]

    def _share(self, axis: int) -> float:
        """Mean share of the couplings along an axis in the diagonal, over the cells that have any along it."""
        g = self.conductances[axis]
        own = g[(slice(None),) * axis + (slice(None, -1),)] + g[(slice(None),) * axis + (slice(1, None),)]
        count = int(np.count_nonzero(own))
        return float((own * self.inverse).sum(dtype=np.float64)) / count if count else 0.0

    @property
    def is_alone(self) -> NDArray[np.bool_]:
        """True in cells that exchange heat with no other one, as those outside a masked body; 1/d solves them."""
        return self._inverted[1]

    def find_spans(self) -> NDArray[np.uint64]:
        """Find for each row along the last axis the first cell that is swept, an even one, and the number of them.

        Shape (rows, 2).
        """
        swept = ~self.is_alone.reshape(-1, self.rest.shape[2])
        begins, ends = swept.argmax(axis=1) // 2 * 2, swept.shape[1] - swept[:, ::-1].argmax(axis=1)
        counts = np.where(swept.any(axis=1), ends - begins, 0)
        return np.stack([begins, counts], axis=1).astype(np.uint64)

    @property
    def is_loose(self) -> bool:
        """True where cells are hardly coupled, so that sweeps alone solve the system."""
        return self._inverted[2] <= 0.0

    def find_strong_axes(self) -> tuple[int, ...]:
        """Find the axes along which cells are joined: those of more than one cell that couple about as the strongest.

        The measure is the share of a cell's couplings that an axis has, as a mean over the cells that are coupled along
        it; a mean of conductances would be dominated by the best conductor.
        """
        means = [self._share(axis) if count > 1 else 0.0 for axis, count in enumerate(self.rest.shape)]
        return tuple(axis for axis, mean in enumerate(means) if mean > 0.0 and mean >= STRONG * max(means))

    def coarsen(self, axes: tuple[int, ...]) -> "Level":
        """Make the next level, with cells joined in pairs along some axes.

        A cell that exchanges heat with no other one, as those outside a masked body, is solved by every sweep. Its
        diagonal is left out of the next level, where it would add to that of the cells that it is joined with.
        """
        joins = np.array([axis in axes for axis in range(3)])
        shape = tuple(-(-count // 2) if axis in axes else count for axis, count in enumerate(self.rest.shape))
        rest = np.zeros(shape, np.float32)
        kernels.join_cells(rest, np.where(self.is_alone, 0, self.rest), joins)
        conductances, widths = [], list(self.widths)
        for axis, g in enumerate(self.conductances):
            share = np.ones(shape[axis] + 1)
            if axis in axes:
                count = self.rest.shape[axis]
                before, faces = _distances(widths[axis]), np.append(np.arange(0, count, 2), count)
                widths[axis] = np.add.reduceat(widths[axis], faces[:-1])
                share = before[faces] / _distances(widths[axis])
            faces_shape = tuple(count + (other == axis) for other, count in enumerate(shape))
            joined = np.zeros(faces_shape if g.size else (0, *shape[1:]), np.float32)
            if g.size:
                kernels.join_faces(joined, g, axis, joins, share.astype(np.float32))
                open_ring(joined, axis)
            conductances.append(joined)
        return Level(tuple(conductances), rest, tuple(widths))

    def assemble(self) -> FloatArray:
        """Assemble the matrix, dense."""
        count = self.rest.size
        diagonal = self.rest.astype(np.float64)
        for axis, g in enumerate(self.conductances):
            if g.size:
                diagonal += np.delete(g, -1, axis).astype(np.float64) + np.delete(g, 0, axis)
        matrix = np.diag(diagonal.ravel())
        index = np.arange(count).reshape(self.rest.shape)
        for axis, g in enumerate(self.conductances):
            for face in range(g.shape[axis] - 1):
                low, high = np.take(index, face - 1, axis).ravel(), np.take(index, face, axis).ravel()
                np.subtract.at(matrix, (low, high), np.take(g, face, axis).ravel())
                np.subtract.at(matrix, (high, low), np.take(g, face, axis).ravel())
        return matrix


def make_finest(conductances: tuple[FloatArray, ...], rest: FloatArray, factor: float) -> tuple[Level, float, bool]:
    """Make the first level, its matrix scaled to about one.

    Args:
        conductances: Conductances of faces along three axes, one more than cells along each; shape (0, y, z) along an
            axis x of one cell. Those of a ring hold the joining face twice.
        rest: Diagonal without the conductances, shape of the cells.
        factor: Factor of the conductances in the matrix.

    Returns:
        The level, the scale of its matrix, and True where a ring had to be opened.
    """
    most = float(rest.max()) + factor * sum(2.0 * float(g.max()) for g in conductances if g.size)
    scale, was_opened, faces = 1.0 / most, False, []
    for axis, g in enumerate(conductances):
        is_none = axis == 0 and rest.shape[0] == 1
        single = np.empty((0, *rest.shape[1:]) if is_none else g.shape, np.float32)
        if not is_none:
            np.multiply(g, scale * factor, out=single, casting="same_kind")
        was_opened |= open_ring(single, axis)
        faces.append(single)
    widths = tuple(np.ones(count) for count in rest.shape)
    return Level(tuple(faces), (rest * scale).astype(np.float32), widths), scale, was_opened


def refine(level: Level, visited_twice: int, smallest: int) -> Iterator[tuple[Level, int]]:
    """Make a level and those after it down to `smallest` cells, each with the number of visits of the next one."""
    number = 0
    while True:
        axes = level.find_strong_axes() if level.rest.size > smallest and not level.is_loose else ()
        if not axes:
            yield level, 0
            return
        following = level.coarsen(axes)
        yield level, 2 if len(axes) > 1 and number < visited_twice else 1
        level, number = following, number + 1


def open_ring(g: Single, axis: int) -> bool:
    """Remove the face that closes a ring of an odd number of cells, or of one, which cannot be coloured."""
    count = g.shape[axis] - 1
    if count % 2 == 0 or count < 1 or not np.any(g[first(axis)]):
        return False
    g[first(axis)] = g[last(axis)] = 0.0
    return True


def _distances(widths: FloatArray) -> FloatArray:
    """Distances of centres across each face; of a ring across the first and the last."""
    inner = 0.5 * (widths[:-1] + widths[1:])
    around = 0.5 * (widths[0] + widths[-1])
    return np.concatenate([[around], inner, [around]])


@dataclass(frozen=True)
class Packed:
    """All levels one after the other, in the form of `cycle_kernels.cycle`."""

    conductances: tuple[Single, ...]
    inverse: Single
    spans: NDArray[np.uint64]
    table: NDArray[np.uint64]


def pack(levels: Sequence[Level], visits: Sequence[int]) -> Packed:
    """Store all levels one after the other, each with the number of visits of the next one."""
    rows, at, starts, row = [], 0, [0, 0, 0], 0
    for level, many in zip(levels, visits, strict=True):
        rows.append([*level.rest.shape, at, *starts, many, row])
        at, row = at + level.rest.size, row + 2 * level.rest.shape[0] * level.rest.shape[1]
        starts = [begin + g.size for begin, g in zip(starts, level.conductances, strict=True)]
    inverse = np.concatenate([level.inverse.ravel() for level in levels])
    faces = tuple(np.concatenate([level.conductances[axis].ravel() for level in levels]) for axis in range(3))
    spans = np.concatenate([level.find_spans().ravel() for level in levels])
    return Packed(faces, inverse, spans, np.array(rows, np.uint64))
