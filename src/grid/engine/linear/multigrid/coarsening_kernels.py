"""Compiled joining of cells into the next level of a multigrid hierarchy. Importing this module loads Numba.

Arrays are of three axes, in single precision; those of faces have one more entry along their axis. `joins` has the axes
along which two cells become one; a last cell that has no partner stays alone.
"""

from typing import Any

import numpy as np

from grid.engine.kernel_cache import njit

Array = Any  # Numba sees the real types; mypy has no stubs for compiled functions


@njit(cache=True, nogil=True)
def _add_row(coarse: Array, fine: Array, is_joined: bool, weight: Any) -> None:
    """Add a row to that of its parents."""
    n = fine.shape[0]
    if not is_joined:
        for k in range(n):
            coarse[k] += weight * fine[k]
        return
    for k in range(n // 2):
        coarse[k] += weight * (fine[2 * k] + fine[2 * k + 1])
    if n % 2:
        coarse[n // 2] += weight * fine[n - 1]


@njit(cache=True, nogil=True)
def join_cells(coarse: Array, fine: Array, joins: Array) -> None:
    """Add values of cells to those of their parents."""
    for i in range(fine.shape[0]):
        for j in range(fine.shape[1]):
            big_i, big_j = i // 2 if joins[0] else i, j // 2 if joins[1] else j
            _add_row(coarse[big_i, big_j], fine[i, j], joins[2], np.float32(1.0))


@njit(cache=True, nogil=True)
def _find_face(face: int, last: int, is_joined: bool) -> int:
    """Index of a face along its own axis on the next level; -1 for one inside a joined pair."""
    if not is_joined:
        return face
    return -1 if face % 2 == 1 and face != last else (face + 1) // 2


@njit(cache=True, nogil=True)
def join_faces(coarse: Array, fine: Array, axis: int, joins: Array, share: Array) -> None:
    """Add the conductances of faces normal to an axis to those that they are part of, times a share along the axis."""
    fx, fy, fz = fine.shape
    for i in range(fx):
        big_i = _find_face(i, fx - 1, joins[0]) if axis == 0 else (i // 2 if joins[0] else i)
        for j in range(fy):
            big_j = _find_face(j, fy - 1, joins[1]) if axis == 1 else (j // 2 if joins[1] else j)
            if big_i < 0 or big_j < 0:
                continue
            if axis == 2 and joins[2]:
                out, row = coarse[big_i, big_j], fine[i, j]
                for k in range(out.shape[0]):
                    out[k] += share[k] * row[min(2 * k, fz - 1)]
            else:
                weight = share[big_i] if axis == 0 else share[big_j] if axis == 1 else np.float32(1.0)
                _add_row(coarse[big_i, big_j], fine[i, j], joins[2] and axis != 2, weight)


@njit(cache=True, nogil=True)
def invert_diagonal(
    inverse: Array, alone: Array, rest: Array, gx: Array, gy: Array, gz: Array, loose: float
) -> float:  # fmt: skip
    """Invert the diagonal, 1 where it is 0; return the largest of couplings less `loose` times the rest.

    The result is 0 where all cells are loose. `alone` is set to True in cells without couplings.
    """
    nx, ny, nz = rest.shape
    largest, share = np.float32(0.0), np.float32(loose)
    for i in range(nx):
        for j in range(ny):
            out, own, g = inverse[i, j], rest[i, j], gz[i, j]
            a, b, is_alone = gy[i, j], gy[i, j + 1], alone[i, j]
            for k in range(nz):
                out[k] = a[k] + b[k] + g[k] + g[k + 1]
            if nx > 1:
                a, b = gx[i, j], gx[i + 1, j]
                for k in range(nz):
                    out[k] += a[k] + b[k]
            for k in range(nz):
                largest = max(largest, out[k] - share * own[k])
                is_alone[k] = out[k] == np.float32(0.0)
                total = out[k] + own[k]
                out[k] = np.float32(1.0) / (total if total > np.float32(0.0) else np.float32(1.0))
    return float(largest)
