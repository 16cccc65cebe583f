"""Compiled parts of a phase change whose conductances are constant: enthalpies of a stage of TR-BDF2.

All arrays run over the cells of the body in the order in which they are eliminated. `starts` and `cells` list the
neighbours of each cell, `faces` the conductances to them [W/K], `films` and `given` the heat of boundaries and sources,
`given - films T` [W]. The laws of the materials stand one after the other in `nodes` [K] and `contents` [J]. Where the
phases conduct unlike each other, the potential of `grid.engine.methods.implicit.phase_conduction` stands for the
temperature.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from grid.engine.kernel_cache import njit
from grid.engine.values.operations import FloatArray

Indices = NDArray[Any]
Surfaces = tuple[Indices, FloatArray, FloatArray, FloatArray, FloatArray, FloatArray, FloatArray]
HOP = 1e-12  # [-] enthalpy below a corner at which a cell that cools ends, over the latent heat
STIFF = 1e12  # [-] capacity of a cell that melts at one temperature, over the sum of its conductances times the step
ROUNDINGS = 64.0 * 2.220446049250313e-16  # [-] rounding of a residual, over its largest term
OFTEN = 3  # [-] turns of conjugate gradients beyond which the next correction has a factor of its own
MOST_TURNS = 200  # [-] turns of conjugate gradients at most
LEAST_PIVOT = 1e-3  # [-] least pivot over the diagonal, where dropped entries would leave less


@njit(cache=True, nogil=True)
def find_temperatures(
    content: FloatArray, firsts: Indices, lasts: Indices, nodes: FloatArray, contents: FloatArray,
    temperature: FloatArray, slope: FloatArray, piece: Indices,
) -> None:  # fmt: skip
    """T [K], dT/dH [K/J] and the piece of the law for each enthalpy; `firsts` and `lasts` bound the law of a cell."""
    for cell in range(content.size):
        at, last = firsts[cell], lasts[cell] - 2
        while at < last and content[cell] >= contents[at + 1]:
            at += 1
        slope[cell] = (nodes[at + 1] - nodes[at]) / (contents[at + 1] - contents[at])
        temperature[cell] = nodes[at] + slope[cell] * (content[cell] - contents[at])
        piece[cell] = at


@njit(cache=True, nogil=True, fastmath={"reassoc", "contract", "nsz"})
def find_flow(
    temperature: FloatArray, starts: Indices, cells: Indices, faces: FloatArray, films: FloatArray,
    given: FloatArray, out: FloatArray,
) -> None:  # fmt: skip
    """Net heat into each cell [W]."""
    for cell in range(temperature.size):
        own = temperature[cell]
        heat = given[cell] - films[cell] * own
        for entry in range(starts[cell], starts[cell + 1]):
            heat += faces[entry] * (temperature[cells[entry]] - own)
        out[cell] = heat


@njit(cache=True, nogil=True, fastmath={"reassoc", "contract", "nsz"})
def factorise(
    diagonal: FloatArray, tau: float, starts: Indices, cells: Indices, faces: FloatArray, rows: Indices,
    columns: Indices, lower: FloatArray, pivots: FloatArray, work: FloatArray,
) -> None:  # fmt: skip
    """L D L^T of a symmetric M-matrix on a pattern that holds its own; entries elsewhere are dropped.

    It exists for every such pattern (J. A. Meijerink, H. A. van der Vorst, Math. Comp. 31, 1977).

    Args:
        diagonal: Of the matrix; beside it are -tau times `faces`.
        rows, columns: The pattern by rows without the diagonal, columns increasing.
        work: Zeros, and zeros again afterwards.
    """
    for row in range(diagonal.size):
        for entry in range(starts[row], starts[row + 1]):
            if cells[entry] < row:
                work[cells[entry]] = -tau * faces[entry]
        pivot = diagonal[row]
        for entry in range(rows[row], rows[row + 1]):
            column = columns[entry]
            value = work[column]
            for other in range(rows[column], rows[column + 1]):
                value -= work[columns[other]] * lower[other]
            work[column] = value
            lower[entry] = value / pivots[column]
            pivot -= value * lower[entry]
        pivots[row] = max(pivot, LEAST_PIVOT * diagonal[row])
        for entry in range(rows[row], rows[row + 1]):
            work[columns[entry]] = 0.0


@njit(cache=True, nogil=True, fastmath={"reassoc", "contract", "nsz"})
def apply_factor(rows: Indices, columns: Indices, lower: FloatArray, pivots: FloatArray, x: FloatArray) -> None:
    """Solve L D L^T x = right in place."""
    for row in range(x.size):
        value = x[row]
        for entry in range(rows[row], rows[row + 1]):
            value -= lower[entry] * x[columns[entry]]
        x[row] = value
    for row in range(x.size - 1, -1, -1):
        value = x[row]
        scaled = value / pivots[row]
        x[row] = scaled
    for row in range(x.size - 1, -1, -1):
        value = x[row]
        for entry in range(rows[row], rows[row + 1]):
            x[columns[entry]] -= lower[entry] * value


@njit(cache=True, nogil=True, fastmath={"reassoc", "contract", "nsz"})
def correct(
    residual: FloatArray, diagonal: FloatArray, tau: float, aim: float, most: int, starts: Indices,
    cells: Indices, faces: FloatArray, rows: Indices, columns: Indices, lower: FloatArray,
    pivots: FloatArray, out: FloatArray,
) -> int:  # fmt: skip
    """Conjugate gradients for the temperatures, until no residual is above `aim`; the turns, or -1 after `most`."""
    count = residual.size
    left, image = residual.copy(), np.empty(count)
    z = left.copy()
    apply_factor(rows, columns, lower, pivots, z)
    direction, product = z.copy(), 0.0
    for cell in range(count):
        out[cell] = 0.0
        product += left[cell] * z[cell]
    for turn in range(most):
        length = 0.0
        for cell in range(count):
            heat = diagonal[cell] * direction[cell]
            for entry in range(starts[cell], starts[cell + 1]):
                heat -= tau * faces[entry] * direction[cells[entry]]
            image[cell] = heat
            length += heat * direction[cell]
        if not length > 0.0:
            return turn if product == 0.0 else -1
        share, size = product / length, 0.0
        for cell in range(count):
            out[cell] += share * direction[cell]
            left[cell] -= share * image[cell]
            size = max(size, abs(left[cell]))
            z[cell] = left[cell]
        if size <= aim:
            return turn + 1
        apply_factor(rows, columns, lower, pivots, z)
        following = 0.0
        for cell in range(count):
            following += left[cell] * z[cell]
        for cell in range(count):
            direction[cell] = z[cell] + following / product * direction[cell]
        product = following
    return -1


@njit(cache=True, nogil=True)
def find_diagonal(
    slope: FloatArray, tau: float, starts: Indices, faces: FloatArray, films: FloatArray, out: FloatArray
) -> None:
    """Diagonal of dH/dT + tau L; a cell that melts at one temperature has next to infinite capacity.

    One that melts by itself alone, without a neighbour or a film, keeps its temperature: its entry has no effect.
    """
    for cell in range(slope.size):
        heat = films[cell]
        for entry in range(starts[cell], starts[cell + 1]):
            heat += faces[entry]
        heat *= tau
        own = 1.0 / slope[cell] if slope[cell] > 0.0 else STIFF * heat
        out[cell] = heat + own if heat + own > 0.0 else 1.0


@njit(cache=True, nogil=True)
def advance(
    content: FloatArray, residual: FloatArray, theta: FloatArray, tau: float, firsts: Indices, lasts: Indices,
    contents: FloatArray, starts: Indices, cells: Indices, faces: FloatArray, films: FloatArray, slope: FloatArray,
    piece: Indices,
) -> None:  # fmt: skip
    """Correct the enthalpies by changes of temperature, each as far as the slope of its law goes."""
    for cell in range(content.size):
        first, end, at = firsts[cell], lasts[cell], piece[cell]
        if slope[cell] > 0.0:
            target = content[cell] + theta[cell] / slope[cell]
        else:
            heat = -films[cell] * theta[cell]
            for entry in range(starts[cell], starts[cell + 1]):
                heat += faces[entry] * (theta[cells[entry]] - theta[cell])
            target = content[cell] + residual[cell] + tau * heat
        if at > first:
            target = max(target, contents[at] - HOP * (contents[end - 2] - contents[first + 1]))
        if at < end - 2:
            target = min(target, contents[at + 1])
        content[cell] = target


@njit(cache=True, nogil=True)
def choose_films(
    potential: FloatArray, behind: Indices, thresholds: FloatArray, films: FloatArray, heats: FloatArray,
    liquid_films: FloatArray, liquid_heats: FloatArray, sources: FloatArray, own: FloatArray, given: FloatArray,
) -> None:  # fmt: skip
    """Sum the films of the faces of each cell, by the phase of their surfaces; nothing to do without faces.

    Args:
        behind: Cells behind the faces.
        sources: Heat into each cell beside that of faces [W].
        own, given: Filled; those of solid surfaces where both phases conduct alike.
    """
    if behind.size == 0:
        return
    for cell in range(own.size):
        own[cell], given[cell] = 0.0, sources[cell]
    for face in range(behind.size):
        cell = behind[face]
        is_liquid = potential[cell] >= thresholds[face]
        own[cell] += liquid_films[face] if is_liquid else films[face]
        given[cell] += liquid_heats[face] if is_liquid else heats[face]


@njit(cache=True, nogil=True)
def settle(
    content: FloatArray, base: FloatArray, known: FloatArray, tau: float, aim: float, forcing: float, most: int,
    firsts: Indices, lasts: Indices, nodes: FloatArray, contents: FloatArray, starts: Indices,
    cells: Indices, faces: FloatArray, surfaces: Surfaces, films: FloatArray, given: FloatArray, rows: Indices,
    columns: Indices, lower: FloatArray, pivots: FloatArray, temperature: FloatArray, slope: FloatArray,
    flow: FloatArray,
) -> int:  # fmt: skip
    """Newton's method for H - base = known + tau f(T(H)), from and into `content`; the turns, or -1 if it stalls.

    A correction ends where the slope of a cell's temperature changes. What is left in the end goes into the enthalpies,
    so that they hold exactly the heat of `flow`; that and `temperature` are those before.

    Args:
        aim: Share of the largest change that the residuals of the end may be.
        forcing: Share of the residual that a correction may leave (R. S. Dembo, S. C. Eisenstat, T. Steihaug, SIAM J.
            Numer. Anal. 19, 1982).
        surfaces: Arguments of `choose_films`.
    """
    count = content.size
    piece = np.empty(count, np.int64)
    residual, theta, diagonal, work = np.empty(count), np.empty(count), np.empty(count), np.zeros(count)
    solves = OFTEN + 1
    for turn in range(most):
        find_temperatures(content, firsts, lasts, nodes, contents, temperature, slope, piece)
        choose_films(temperature, *surfaces, films, given)
        find_flow(temperature, starts, cells, faces, films, given, flow)
        size = change = forced = rounding = 0.0
        for cell in range(count):
            residual[cell] = known[cell] + tau * flow[cell] - (content[cell] - base[cell])
            size = max(size, abs(residual[cell]))
            change = max(change, abs(content[cell] - base[cell]))
            forced = max(forced, abs(known[cell]))
        find_diagonal(slope, tau, starts, faces, films, diagonal)
        allowed = aim * (change + forced)
        if not size <= 1e300:
            return -1
        for cell in range(count):
            rounding = max(rounding, abs(content[cell]))
            if slope[cell] > 0.0:
                rounding = max(rounding, diagonal[cell] * (abs(temperature[cell]) + slope[cell] * abs(content[cell])))
        allowed = max(allowed, ROUNDINGS * rounding)
        if turn > 0 and size <= allowed:
            for cell in range(count):
                content[cell] += residual[cell]
            return turn
        left, is_own = max(forcing * size, 0.3 * allowed), solves > OFTEN
        if not is_own:
            solves = correct(
                residual, diagonal, tau, left, 2 * OFTEN, starts, cells, faces, rows, columns, lower, pivots, theta
            )
        if is_own or solves < 0:
            factorise(diagonal, tau, starts, cells, faces, rows, columns, lower, pivots, work)
            solves = correct(
                residual, diagonal, tau, left, MOST_TURNS, starts, cells, faces, rows, columns, lower, pivots, theta
            )
        if solves < 0:
            return -1
        advance(
            content, residual, theta, tau, firsts, lasts, contents, starts, cells, faces, films, slope, piece
        )  # fmt: skip
    return -1
