r"""Compiled solution of a system on a box whose matrix has one entry for each neighbour and need not be symmetric.

BiCGStab (H. A. van der Vorst, SIAM J. Sci. Stat. Comput. 13, 1992), preconditioned by an incomplete factorisation that
keeps the entries of the matrix and changes its diagonal alone (DILU: C. Pommerell, Solution of Large Unsymmetric
Systems of Linear Equations, 1992). On one thread, and all sums in the order of the cells, so that nothing but matrix
and right-hand side decides the bytes. Importing loads Numba.

Cells are flat in C order. `near` has the entries of the neighbours below and above along each axis, shape (axes, 2,
cells), zero where there is none; those that close a ring are apart from the factorisation. `strides` and `counts` are
the distances of neighbours in the flat order, and the numbers of cells along each axis.
"""

from typing import Any

import numpy as np

from grid.engine.kernel_cache import njit

Array = Any  # Numba sees the real types; mypy has no stubs for compiled functions


@njit(cache=True, nogil=True)
def factorise(own: Array, near: Array, strides: Array, counts: Array, out: Array) -> None:
    """Write the inverses of the diagonal of the incomplete factorisation into `out`."""
    for i in range(own.shape[0]):
        pivot = own[i]
        for axis in range(strides.shape[0]):
            stride = strides[axis]
            if (i // stride) % counts[axis] > 0:
                pivot -= near[axis, 0, i] * out[i - stride] * near[axis, 1, i - stride]
        out[i] = 1.0 / pivot if abs(pivot) > 1e-3 * abs(own[i]) else 1.0 / own[i]


@njit(cache=True, nogil=True)
def apply(own: Array, near: Array, strides: Array, counts: Array, x: Array, out: Array) -> None:
    """Multiply by the matrix."""
    for i in range(own.shape[0]):
        total = own[i] * x[i]
        for axis in range(strides.shape[0]):
            stride, count = strides[axis], counts[axis]
            place = (i // stride) % count
            below = i - stride if place > 0 else i + (count - 1) * stride
            above = i + stride if place < count - 1 else i - (count - 1) * stride
            total += near[axis, 0, i] * x[below] + near[axis, 1, i] * x[above]
        out[i] = total


@njit(cache=True, nogil=True)
def precondition(inverse: Array, near: Array, strides: Array, counts: Array, right: Array, out: Array) -> None:
    """Solve with the incomplete factors."""
    cells = inverse.shape[0]
    for i in range(cells):
        total = right[i]
        for axis in range(strides.shape[0]):
            if (i // strides[axis]) % counts[axis] > 0:
                total -= near[axis, 0, i] * out[i - strides[axis]]
        out[i] = total * inverse[i]
    for step in range(cells):
        i = cells - 1 - step
        total = 0.0
        for axis in range(strides.shape[0]):
            if (i // strides[axis]) % counts[axis] < counts[axis] - 1:
                total += near[axis, 1, i] * out[i + strides[axis]]
        out[i] -= total * inverse[i]


@njit(cache=True, nogil=True)
def _product(a: Array, b: Array) -> float:
    total = 0.0
    for i in range(a.shape[0]):
        total += a[i] * b[i]
    return total


@njit(cache=True, nogil=True)
def solve(
    own: Array, near: Array, strides: Array, counts: Array, inverse: Array, right: Array, aim: float, most: int,
    x: Array,
) -> int:  # fmt: skip
    """Solve into `x` from zero, to a residual of `aim` times the right-hand side.

    Returns:
        Turns taken; -1 where `most` were not enough, with the best that was found in `x`.
    """
    cells = right.shape[0]
    x[:] = 0.0
    residual, shadow = right.copy(), right.copy()
    direction, image, ahead = np.zeros(cells), np.zeros(cells), np.empty(cells)
    half, back, done = np.empty(cells), np.empty(cells), np.empty(cells)
    scale = _product(right, right)
    rho, length, omega = 1.0, 1.0, 1.0
    if scale == 0.0:
        return 0
    for turn in range(1, most + 1):
        following = _product(shadow, residual)
        if following == 0.0 or omega == 0.0:
            return -1
        beta = following / rho * (length / omega)
        rho = following
        for i in range(cells):
            direction[i] = residual[i] + beta * (direction[i] - omega * image[i])
        precondition(inverse, near, strides, counts, direction, ahead)
        apply(own, near, strides, counts, ahead, image)
        curvature = _product(shadow, image)
        if curvature == 0.0:
            return -1
        length = rho / curvature
        for i in range(cells):
            half[i] = residual[i] - length * image[i]
        precondition(inverse, near, strides, counts, half, back)
        apply(own, near, strides, counts, back, done)
        size = _product(done, done)
        omega = _product(done, half) / size if size > 0.0 else 0.0
        for i in range(cells):
            x[i] += length * ahead[i] + omega * back[i]
            residual[i] = half[i] - omega * done[i]
        if _product(residual, residual) <= aim * aim * scale:
            return turn
    return -1
