r"""Boxes of one constant material, for the tiled kernels: Fourier numbers, ghosts, and gains from a source.

The cell beside a face exchanges heat gain - loss T with what is beyond it (grid.engine.space). Seen as one more cell of
conductance G behind the face, that is a ghost of temperature

.. math:: T_{ghost} = (1 - loss / G)\, T + gain / G

so that all cells obey one law. The heat that is booked is G (T_ghost - T), with the ghost as it was rounded. A source
gives each cell the same in every step.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from grid.core.errors import FieldError
from grid.engine.methods.explicit.limits import PARALLEL_CELLS
from grid.engine.problem.problem import HeatProblem
from grid.engine.space.laws import Loads
from grid.engine.space.mesh import cell_volume
from grid.engine.space.space import Space
from grid.engine.values.operations import FloatArray
from grid.engine.values.value import Constant

Field = npt.NDArray[Any]  # of float64 or float32
# [-] steps in one pass by dimension; that many levels of planes fit in a second-level cache of 1 MB
LEVELS = {2: 16, 3: 8}
ROW_BYTES = 40_960  # [B] size of a row of a block in 2D
PLANE_BYTES = 65_536  # [B] size of a plane of a block in 3D


def is_homogeneous(problem: HeatProblem) -> bool:
    """Tell whether the tiled kernels can solve a problem: a plain box in 2D or 3D, with a source constant in time."""
    is_steady = "t" not in problem.source_term.variables
    return problem.dimension > 1 and is_steady and problem.is_linear and is_plain_box(problem)


def is_plain_box(problem: HeatProblem) -> bool:
    """Tell whether one material of constants fills a box in which heat is conducted only; whatever acts on it."""
    return (
        len(problem.materials) == 1
        and problem.materials[0].where is None
        and all(isinstance(value, Constant) for value in problem.materials[0].values)
        and not problem.has_phase_change
        and not problem.has_flow
        and not problem.coupled_axes
        and not problem.contacts
        and problem.domain.active is None
    )


@dataclass(frozen=True)
class Tiling:
    """Division of a run into blocks and slabs; the bytes of the result do not depend on it.

    Args:
        levels: Steps in one pass.
        width: Columns (2D) or rows (3D) of a block.
        slabs: Parts along the first axis, one for each thread.
    """

    levels: int
    width: int
    slabs: int


def find_tiling(shape: Sequence[int], itemsize: int, slabs: int, *, is_periodic: bool = False) -> Tiling:
    """A tiling that fits the caches for a field of a shape, ghosts included; `slabs` at most."""
    planes = shape[0] - 2
    slabs = max(1, min(slabs, planes // 4))
    levels = 1 if is_periodic else LEVELS[len(shape)]
    if slabs > 1:
        levels = min(levels, planes // (2 * slabs))  # a slab must outlast what both neighbours take from it
    if len(shape) == 2:
        return Tiling(levels, max(64, ROW_BYTES // itemsize), slabs)
    return Tiling(levels, max(8, PLANE_BYTES // (itemsize * shape[2]) // 4 * 4), slabs)


def advance(
    field: Field,
    spare: Field,
    weights: tuple[float, ...],
    faces: tuple[FloatArray, ...] | None,
    periodic: Sequence[bool],
    steps: int,
    tiling: Tiling,
    *,
    is_parallel: bool,
    source: FloatArray | None = None,
) -> Field:
    """Advance a field with ghosts; returns the one of `field` and `spare` that holds the result.

    Args:
        field: C-contiguous, ghosts included.
        spare: Like `field`; its ghosts must equal those of `field` where `faces` is None.
        weights: Mesh Fourier number of all axes, or of each.
        faces: For each axis slope, shift and the two sums of differences of both faces, shape (2, 4, ...); None leaves
            the ghosts alone.
        periodic: For each axis, whether its faces are joined.
        steps: Number of steps.
        tiling: How to cut the run.
        is_parallel: Share the slabs among threads.
        source: What each cell gains in a step, over the last of `weights`, like `field`; None without a source.
    """
    kernels: Any
    if is_parallel:
        from grid.engine.methods.explicit import tiled_parallel as kernels
    else:
        from grid.engine.methods.explicit import tiled_kernels as kernels

    dimension = field.ndim
    joined = np.array([*periodic, False, False][:3])
    counts = np.array([*(weights * dimension)[:dimension], 0.0, 0.0][:3]) != 0.0  # neighbours of no weight have no law
    lawful = (faces is not None) & counts & ~joined
    if faces is None:
        faces = (np.zeros((2, 4) + (1,) * (dimension - 1)),) * dimension
    typed = tuple(field.dtype.type(weight) for weight in weights)
    kernel = getattr(kernels, f"advance_{dimension}d")
    kernel(field, spare, source, typed, faces, lawful, joined, steps, tiling.levels, tiling.width, tiling.slabs)
    return field if steps % 2 == 0 else spare


@dataclass
class Box:
    """Arrays of a homogeneous space for the tiled kernels; a rod is a plane of one row, without weight across it."""

    space: Space

    @property
    def shape(self) -> tuple[int, ...]:
        """Cells along each axis of the kernels."""
        shape = self.space.shape
        return (1, *shape) if len(shape) == 1 else shape

    @property
    def periodic(self) -> tuple[bool, ...]:
        """For each axis of the kernels, whether its faces are joined."""
        joined = self.space.problem.is_periodic
        return (False, *joined) if len(joined) == 1 else joined

    @cached_property
    def conductance(self) -> tuple[float, ...]:
        """G between neighbours along each axis of the kernels [W/K]."""
        domain = self.space.problem.domain
        volume = cell_volume(domain)
        # a box of one material has one conductivity along an axis, wherever it is looked up
        found = tuple(
            float(self.space.conductivity[axis].flat[0]) * volume / domain.spacing[axis] ** 2
            for axis in range(domain.dimension)
        )
        return (0.0, *found) if len(found) == 1 else found

    def mesh_fourier(self, step: float) -> tuple[float, ...]:
        """Fo of each axis, or one if they are equal but for the rounding of sizes and spacings."""
        capacity = float(self.space.capacity[0])
        numbers = tuple(step * conductance / capacity for conductance in self.conductance)
        return numbers[:1] if max(numbers) - min(numbers) <= 1e-14 * max(numbers) else numbers

    def make_field(self, temperature: FloatArray) -> FloatArray:
        """A field with ghosts, on a boundary of cache lines, rows a whole number of them."""
        padded = [count + 2 for count in self.shape]
        size = math.prod(padded)
        raw = np.empty(size + 8)
        skip = (-raw.ctypes.data // 8) % 8
        field = raw[skip : skip + size].reshape(padded)
        if len(self.space.shape) == 1:
            field[::2] = 0.0  # no law fills these ghosts
        field[(slice(1, -1),) * field.ndim] = temperature.reshape(self.shape)
        return field

    def make_gains(self, source: FloatArray) -> FloatArray:
        """Gain of each cell in a step from a source [W], over the last of `mesh_fourier`, like a field [K]."""
        # (step q / C) / (step G / C): the length of the step does not matter
        last = self.conductance[len(self.mesh_fourier(1.0)) - 1]
        return self.make_field(source / last)

    def make_faces(self, loads: Loads) -> tuple[FloatArray, ...]:
        """Slope and shift of the ghosts of every face, and zeros for the sums; insulated where there is no law."""
        shape = self.shape
        faces = []
        for axis in range(len(shape)):
            face = np.zeros((2, 4, *shape[:axis], *shape[axis + 1 :]))
            face[:, 0] = 1.0
            faces.append(face)
        self.set_loads(faces, loads)
        return tuple(faces)

    def set_loads(self, faces: Sequence[FloatArray], loads: Loads) -> None:
        """Write slope and shift for the loads at one time."""
        first = len(self.shape) - len(self.space.shape)
        for patch, face_law in zip(self.space.patches, loads.face_laws, strict=True):
            face, conductance = faces[first + patch.axis][patch.side], self.conductance[first + patch.axis]
            loss = np.broadcast_to(face_law.transmittance * patch.area, patch.cells.shape)
            gain = (face_law.transmittance * face_law.reference + face_law.imposed) * patch.area
            face[0] = (1.0 - loss / conductance).reshape(face[0].shape)
            face[1] = np.broadcast_to(gain / conductance, patch.cells.shape).reshape(face[1].shape)

    def booked(self, faces: Sequence[FloatArray], step: float) -> tuple[float, float]:
        """Heat into and out of the body through all faces [J]."""
        into = away = 0.0
        for conductance, face in zip(self.conductance, faces, strict=True):
            into += step * conductance * float(face[:, 2].sum())
            away += step * conductance * float(face[:, 3].sum())
        return into, away


def diffuse(
    field: Field,
    mesh_fourier: float | Sequence[float],
    steps: int,
    *,
    spare: Field | None = None,
    is_parallel: bool | None = None,
    tiling: Tiling | None = None,
) -> Field:
    """Advance a field of points by forward Euler; its outermost points keep their values.

    Args:
        field: C-contiguous array in 2D or 3D of float64 or float32, at least 3 points along each axis; used as
            workspace and overwritten.
        mesh_fourier: alpha time_step / spacing^2, of all axes or of each [-].
        steps: Number of steps.
        spare: Workspace like `field`, overwritten; made if not given.
        is_parallel: Share the work among threads; default for 100,000 points and more.
        tiling: How to cut the run; the result does not depend on it.

    Returns:
        `field` if `steps` is even, else `spare`.

    Raises:
        FieldError: The field has another form, or the step is not stable: the sum of the Fourier numbers must be at
            most 1/2.
    """
    weights = tuple(map(float, np.atleast_1d(mesh_fourier)))
    if field.ndim not in (2, 3) or field.dtype not in (np.float64, np.float32) or not field.flags.c_contiguous:
        raise FieldError("field", "a C-contiguous array of two or three axes of float64 or float32")
    if min(field.shape) < 3:
        raise FieldError("field", "at least 3 points along each axis")
    total = weights[0] * field.ndim if len(weights) == 1 else sum(weights)
    if len(weights) not in (1, field.ndim) or not min(weights) >= 0 or not total <= 0.5:
        raise FieldError("mesh_fourier", "one number, or one for each axis, from 0, with a sum over all axes up to 1/2")
    if steps < 0:
        raise FieldError("steps", "0 or more")
    if spare is None:
        spare = np.empty_like(field)
    if spare.shape != field.shape or spare.dtype != field.dtype or not spare.flags.c_contiguous:
        raise FieldError("spare", "an array like `field`")
    if is_parallel is None:
        is_parallel = field.size >= PARALLEL_CELLS
    _copy_edges(spare, field)
    cut = tiling or find_tiling(field.shape, field.itemsize, count_threads() if is_parallel else 1)
    return advance(field, spare, weights, None, (False,) * field.ndim, steps, cut, is_parallel=is_parallel)


def count_threads() -> int:
    """Threads that parallel kernels share."""
    from numba import get_num_threads

    return int(get_num_threads())


def _copy_edges(target: Field, source: Field) -> None:
    for axis in range(source.ndim):
        for end in (0, -1):
            place = (slice(None),) * axis + (end,)
            target[place] = source[place]
