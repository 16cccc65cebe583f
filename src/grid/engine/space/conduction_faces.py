"""Problems with a compiled heat flow, and their cells, neighbours and faces in the form of the kernels.

See `grid.engine.space.conduction_kernels` for the potential and the arrays.
"""

import itertools
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from grid.engine.space.mesh import after_first, before_last, cell_volume, first, inner, last
from grid.engine.space.nonlinear import find_variation
from grid.engine.space.property_curves import Curves, find_curves, has_compiled_flow
from grid.engine.space.space import Space
from grid.engine.values.operations import FloatArray

Indices = NDArray[Any]


@dataclass(frozen=True)
class Joined:
    """Faces at which materials or contacts meet, see `conduction_kernels.cross_joints`."""

    low: Indices
    high: Indices
    factors: FloatArray
    areas: FloatArray
    resistances: FloatArray
    curves: Indices
    constants: FloatArray


@dataclass(frozen=True)
class Behind:
    """Faces of the boundary, see `conduction_kernels.cross_faces`; faces of a cell under one law are one.

    Args:
        groups: For each face of the patches, one patch after the other, the face here that it is part of.
        firsts: For each face here the first of the patches' that is part of it.
        pieces: Range of the faces of each patch among those of all patches.
    """

    cells: Indices
    factors: FloatArray
    areas: FloatArray
    curves: Indices
    constants: FloatArray
    groups: Indices
    firsts: Indices
    pieces: tuple[slice, ...]


def is_compiled(space: Space) -> bool:
    """Tell whether the heat flow of a problem that is not linear can be found by the compiled loops."""
    return has_compiled_flow(space.problem)


def find_space_curves(space: Space) -> tuple[Curves, list[int], list[int]] | None:
    """Find curves around the initial temperatures, see `find_curves`."""
    around = float(np.mean(space.initial_temperature()[space.body_cells]))
    return find_curves(space.problem, around)


def find_area(space: Space, axis: int) -> float:
    """Compute the area of a face normal to an axis [m2 per unit of section]."""
    return cell_volume(space.problem.domain) / space.problem.domain.spacing[axis]


def find_numbers(space: Space) -> Indices:
    """Number each cell of the grid among the cells of the body; -1 outside."""
    out = np.full(space.capacity.size, -1, np.int32)
    out[space.body_cells] = np.arange(space.body_cells.size, dtype=np.int32)
    return out


def find_neighbours(space: Space, curves: Indices) -> tuple[Indices, Indices, FloatArray]:
    """Find starts, cells and weights of the neighbours to which a cell conducts by the difference of potentials.

    Args:
        curves: Curve of the conductivity of each cell of the body.
    """
    from scipy import sparse

    index = find_numbers(space).reshape(space.shape)
    rows, columns, values = list[Indices](), list[Indices](), list[FloatArray]()
    for axis, conductance in enumerate(space.conductances):
        weight = find_area(space, axis) / space.problem.domain.spacing[axis]
        is_joint = np.zeros(space.capacity.size, bool)  # True for a joint at the high face of a cell
        joints = find_variation(space).joints[axis]
        if joints is not None:
            is_joint[joints.low] = True
        beside = is_joint.reshape(space.shape)
        pairs = [(before_last(axis), after_first(axis), inner(axis))]
        if space.problem.is_periodic[axis]:
            pairs.append((last(axis), first(axis), first(axis)))
        for one, other, face in pairs:
            chosen = (index[one] >= 0) & (index[other] >= 0) & ~beside[one]
            low, high, g = index[one][chosen], index[other][chosen], conductance[face][chosen]
            g = np.where(curves[low] >= 0, weight, g)
            rows += [low, high]
            columns += [high, low]
            values += [g, g]
    entries = np.concatenate(values), (np.concatenate(rows), np.concatenate(columns))
    matrix = sparse.coo_matrix(entries, shape=(curves.size, curves.size)).tocsr()
    matrix.sort_indices()
    return matrix.indptr.astype(np.int32), matrix.indices.astype(np.int32), matrix.data


def find_joined(space: Space, curves: Indices) -> Joined:
    """Find the faces of all axes at which materials or contacts meet and a conductivity depends on temperature."""
    none, nothing, number = np.zeros(0, np.int32), np.zeros(0), find_numbers(space)
    pairs = np.zeros((2, 0))
    parts: list[tuple[Any, ...]] = [(none, none, nothing, nothing, nothing, pairs.astype(curves.dtype), pairs)]
    for axis, joints in enumerate(find_variation(space).joints):
        if joints is None:
            continue
        low, high, count = number[joints.low], number[joints.high], joints.low.size
        k = np.broadcast_to(space.conductivity[axis], space.shape).reshape(-1)
        factor, area = 2.0 / space.problem.domain.spacing[axis], find_area(space, axis)
        both, constants = np.stack([curves[low], curves[high]]), np.stack([k[joints.low], k[joints.high]])
        parts.append((low, high, np.full(count, factor), np.full(count, area), joints.resistance, both, constants))
    return Joined(*(np.concatenate(part, axis=-1) for part in zip(*parts, strict=True)))


def find_behind(space: Space, curves: Indices) -> Behind:
    """Find the faces of all patches."""
    number, counts = find_numbers(space), [patch.cells.size for patch in space.patches]
    pieces = tuple(slice(int(a), int(b)) for a, b in itertools.pairwise(np.cumsum([0, *counts])))
    cells = np.concatenate([np.zeros(0, np.int32), *(number[patch.cells.ravel()] for patch in space.patches)])
    lengths = [space.problem.domain.spacing[patch.axis] for patch in space.patches]
    factors = np.repeat(2.0 / np.array(lengths), counts)
    areas = np.repeat(np.array([patch.area for patch in space.patches]), counts)
    halves = np.concatenate([np.zeros(0), *(np.ravel(half) for half in space.half_conductance)])
    kinds = np.repeat(_find_kinds(space), counts).astype(np.int64)
    _, firsts, groups = np.unique(kinds * curves.size + cells, return_index=True, return_inverse=True)
    whole, chosen = np.bincount(groups, areas, firsts.size), cells[firsts]
    return Behind(
        chosen, factors[firsts], whole.astype(np.float64), curves[chosen], (halves / factors)[firsts],
        groups, firsts, pieces,
    )  # fmt: skip


def _find_kinds(space: Space) -> list[int]:
    """A number for each patch, the same where faces of a cell are alike: one law, one length and conductivity."""
    known = list[tuple[Any, ...]]()
    for index, (patch, law) in enumerate(zip(space.patches, space.boundaries, strict=True)):
        is_alike = not any(value.variables & set("xyz") for value in law.values.values())
        axis = None if find_variation(space).is_isotropic else patch.axis
        known.append((law if is_alike else index, space.problem.domain.spacing[patch.axis], axis))
    return [known.index(key) for key in known]
