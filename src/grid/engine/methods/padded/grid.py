"""Padded grids: fields and conductances laid out for vectors, with ghosts around them.

A flat array holds planes (in 3D) of rows of `stride` numbers: a vector of padding, the cells of the row, and padding
up to a whole vector and one more. There is a ghost row or plane on either side of an axis across rows. Everything
outside the cells is zero, so a face of conductance G towards a ghost draws G T from its cell: the half cells and films
of the boundary are such faces, with the rest of their law in the rate of change at the start.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from grid.engine.space.laws import Loads
from grid.engine.space.space import Space
from grid.engine.values.operations import FloatArray

VECTOR_BYTES = 64  # [B] vector of AVX-512
PAGE_BYTES = 4096  # [B] page of memory
SLOTS = 8  # [-] offsets within a page at which arrays begin, so that they do not share cache sets
CACHE_BYTES = 14_000_000  # [B] last-level cache for the rows or planes that a wave of levels uses, in each thread
LEVELS = 12  # [-] levels in a wave at most


@dataclass(frozen=True)
class Layout:
    """Positions of the cells of a grid in a flat padded array.

    Args:
        cells: The grid.
        periodic: For each axis, whether its ends are joined.
        bytes: Of one number.
    """

    cells: tuple[int, ...]
    periodic: tuple[bool, ...]
    bytes: int = 8

    @property
    def full(self) -> tuple[int, int, int]:
        """Planes, rows and columns; one row in 1D, one plane in 1D and 2D."""
        planes, rows, columns = (1, 1, *self.cells)[-3:]
        return planes, rows, columns

    @property
    def lanes(self) -> int:
        """Numbers in a vector."""
        return VECTOR_BYTES // self.bytes

    @property
    def vectors(self) -> int:
        """Number of vectors in a row."""
        return -(-self.full[2] // self.lanes)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of a padded array; planes only in 3D."""
        ghosts = tuple(count + 2 for count in ((1, *self.cells)[-2:-1] if self.dimension < 3 else self.cells[:2]))
        return (*ghosts, (self.vectors + 2) * self.lanes)

    @property
    def dimension(self) -> int:
        """Number of axes."""
        return len(self.cells)

    @property
    def inside(self) -> tuple[slice, ...]:
        """The cells of a padded array."""
        across = tuple(slice(1, count - 1) for count in self.shape[:-1])
        return (*across, slice(self.lanes, self.lanes + self.full[2]))

    @property
    def units(self) -> int:
        """Rows, or planes in 3D."""
        return self.shape[0] - 2

    @cached_property
    def sizes(self) -> NDArray[np.int64]:
        """Units, rows, columns, stride, plane, vectors, first cell, padding, and which axes are joined, for kernels."""
        stride, plane = self.shape[-1], self.shape[-1] * self.shape[-2]
        first = (plane if self.dimension == 3 else 0) + stride + self.lanes
        joined = (False, False, *self.periodic)[-3:]
        first_axis = joined[0] if self.dimension == 3 else joined[1]
        _, rows, columns = self.full
        numbers = (self.units, rows, columns, stride, plane, self.vectors, first, self.lanes, joined[2], joined[1])
        return np.array([*numbers, first_axis], np.int64)

    @property
    def levels_at_once(self) -> int:
        """Number of levels of a recurrence in one wave, by the size of the cache; one where rows are joined."""
        if self.sizes[10]:
            return 1
        arrays, ahead = (7, 2) if self.dimension == 3 else (6, 4)  # a wave advances by four rows, or by one plane
        unit = self.bytes * int(np.prod(self.shape[1:])) * arrays
        return max(1, min(LEVELS, CACHE_BYTES // unit - ahead))

    def zeros(self, slot: int, dtype: type | None = None) -> NDArray[np.floating]:
        """A flat padded array of zeros whose vectors begin at lines of the cache.

        Arrays that are worked on together stand in slots of their own: where all began at the same place of a page,
        the first cache took them for each other, and products lasted 1.6 times as long (512 x 512).
        """
        kind = np.dtype(dtype or (np.float64 if self.bytes == 8 else np.float32))
        size = int(np.prod(self.shape)) * kind.itemsize
        block = np.zeros(size + PAGE_BYTES, np.uint8)
        begin = (slot * (PAGE_BYTES // SLOTS) - block.ctypes.data) % PAGE_BYTES
        return block[begin : begin + size].view(kind)

    def place(self, values: FloatArray, axis: int | None = None, slot: int = 0) -> NDArray[np.floating]:
        """A padded copy of a field, or of the conductances of the faces normal to an axis, each at the cell behind it.

        The face beyond the last cell stands at the ghost there.
        """
        flat = self.zeros(slot)
        out = flat.reshape(self.shape)
        part = list(self.inside)
        if axis is not None:
            at = axis + len(part) - self.dimension
            part[at] = slice(part[at].start, part[at].stop + 1)
        source = values if self.dimension > 1 else values.reshape(1, -1)
        out[tuple(part)] = source
        return flat

    def take(self, padded: NDArray[np.floating]) -> NDArray[np.floating]:
        """The cells of a padded array, flat."""
        cells: NDArray[np.floating] = padded.reshape(self.shape)[self.inside]
        return cells.reshape(-1)

    def coordinates(self, cells: NDArray[np.intp]) -> NDArray[np.int64]:
        """Flat padded indices of flat indices of cells."""
        plane, row, column = np.unravel_index(cells, self.full)
        _, _, _, stride, depth, _, first = self.sizes[:7]
        across = row * stride + column + first
        return np.asarray(across + plane * depth if self.dimension == 3 else across, np.int64)

    def starts(self, cells: NDArray[np.intp]) -> NDArray[np.int64]:
        """Index at which the cells of each unit begin in a sorted list of flat indices, and at the end their number."""
        per_unit = int(np.prod(self.full)) // self.units
        return np.searchsorted(cells, np.arange(self.units + 1) * per_unit).astype(np.int64)


def closed_conductances(space: Space, loads: Loads) -> tuple[FloatArray, ...]:
    """G [W/K] of all faces, with U A of the boundary on the outer faces and on those of a masked body."""
    found = [conductance.copy() for conductance in space.conductances]
    for patch, face_law in zip(space.patches, loads.face_laws, strict=True):
        if np.any(face_law.transmittance):
            faces = list(np.unravel_index(patch.cells, space.shape))
            faces[patch.axis] = faces[patch.axis] + patch.side
            found[patch.axis][tuple(faces)] = face_law.transmittance * patch.area
    return tuple(found)
