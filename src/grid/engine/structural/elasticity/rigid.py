"""Rigid motions of a body's parts, and those that its supports allow."""

import numpy as np
from numpy.typing import NDArray

from grid.engine.errors import SingularError
from grid.engine.values.operations import FloatArray

NEGLIGIBLE = 1e-9  # [-] motion of a support over the largest, under a rigid motion of unit size


def find_parts(active: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Number of the connected part of each cell, from 0; -1 outside the body.

    Raises:
        SingularError: Two parts meet in a corner or an edge alone, which is a hinge.
    """
    from scipy import ndimage

    parts, count = ndimage.label(active)
    _, touching = ndimage.label(active, structure=np.ones((3,) * active.ndim))
    if touching != count:
        raise SingularError("two parts of the body meet in a corner or an edge alone", "join or part them")
    return np.asarray(parts, dtype=np.intp) - 1


def make_rigid_modes(coordinates: FloatArray, part: NDArray[np.intp]) -> FloatArray:
    """Translations and rotations of each part, orthonormal, shape (nodes d, parts d (d + 1) / 2).

    Args:
        coordinates: Nodes, shape (nodes, d) [m].
        part: Part of each node.
    """
    nodes, d = coordinates.shape
    columns = []
    for number in range(int(part.max()) + 1):
        mine = (part == number).astype(np.float64)
        local = (coordinates - coordinates[part == number].mean(axis=0)) * mine[:, None]
        for axis in range(d):
            motion = np.zeros((nodes, d))
            motion[:, axis] = mine
            columns.append(motion.reshape(-1))
        for a in range(d):
            for b in range(a + 1, d):
                motion = np.zeros((nodes, d))
                motion[:, a], motion[:, b] = -local[:, b], local[:, a]
                columns.append(motion.reshape(-1))
    modes = np.stack(columns, axis=1)
    out: FloatArray = np.linalg.qr(modes / np.linalg.norm(modes, axis=0))[0]
    return out


def find_free_motions(modes: FloatArray, is_held: NDArray[np.bool_]) -> FloatArray:
    """Orthonormal rigid motions that move no held freedom, shape (freedoms, motions left)."""
    held = modes[is_held]
    if held.size == 0:
        return modes
    _, sizes, combinations = np.linalg.svd(held.T @ held)
    left = combinations[sizes <= NEGLIGIBLE * held.shape[0] * np.abs(modes).max() ** 2]
    out: FloatArray = modes @ left.T
    return out


def choose_pins(motions: FloatArray) -> NDArray[np.intp]:
    """Choose as many freedoms as there are motions, whose holding stops them all, far from singular."""
    from scipy.linalg import qr

    _, _, order = qr(motions.T, mode="economic", pivoting=True)
    return np.asarray(order[: motions.shape[1]], dtype=np.intp)
