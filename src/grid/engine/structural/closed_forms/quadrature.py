"""Integrals, extremes and sign changes of functions of one coordinate that may jump, as one with `where` may."""

from collections.abc import Callable

import numpy as np

from grid.engine.values.operations import FloatArray

Function = Callable[[FloatArray], FloatArray]

PANELS = 64  # [-] panels at first
LEVELS = 48  # [-] halvings of a panel with a jump: its width ends near a rounding of the whole
TOLERANCE = 1e-13  # [-] error over the integral of the absolute value
SAMPLES = 4097  # [-] samples of a first search for a peak or a change of sign
ZOOM = 65  # [-] samples of each refined search
LOOKS = 10  # [-] refined searches


def integrate(function: Function, low: float, high: float) -> float:
    """Integral from `low` to `high`: eight-point Lobatto on panels that are halved until the halves agree.

    Exact for polynomials up to degree 13; a jump or a kink is halved down to the rounding of the interval. The ends of
    a panel are among its points, so that no jump hides beside them.
    """
    nodes, weights = _lobatto(8)
    edges = np.linspace(low, high, PANELS + 1)
    left, right = edges[:-1], edges[1:]
    whole = _panel(function, left, right, nodes, weights)
    scale = float(np.abs(whole).sum())
    total = 0.0
    for _ in range(LEVELS):
        middle = 0.5 * (left + right)
        first, second = (_panel(function, a, b, nodes, weights) for a, b in ((left, middle), (middle, right)))
        halves = first + second
        scale = max(scale, float(np.abs(halves).sum()))
        settled = np.abs(halves - whole) <= TOLERANCE * scale
        total += float(halves[settled].sum())
        if settled.all():
            return total
        open_ = ~settled
        left, right = (
            np.concatenate([left[open_], middle[open_]]),
            np.concatenate([middle[open_], right[open_]]),
        )
        whole = np.concatenate([first[open_], second[open_]])
    return total + float(whole.sum())


def _lobatto(count: int) -> tuple[FloatArray, FloatArray]:
    """Nodes and weights on [-1, 1] (Abramowitz and Stegun 1964, 25.4.32)."""
    legendre = np.polynomial.Legendre.basis(count - 1)
    nodes = np.concatenate([[-1.0], np.sort(legendre.deriv().roots().real), [1.0]])
    return nodes, 2.0 / (count * (count - 1) * legendre(nodes) ** 2)


def _panel(
    function: Function, left: FloatArray, right: FloatArray, nodes: FloatArray, weights: FloatArray
) -> FloatArray:
    half, middle = 0.5 * (right - left), 0.5 * (right + left)
    values = function((middle[:, None] + half[:, None] * nodes).reshape(-1)).reshape(left.size, nodes.size)
    out: FloatArray = half * (values @ weights)
    return out


def find_largest(function: Function, low: float, high: float) -> float:
    """Largest value on the closed interval: a scan, then refined scans around its highest sample.

    A peak narrower than 1/4096 of the interval may be missed.
    """
    coordinates = np.linspace(low, high, SAMPLES)
    values = function(coordinates)
    largest = float(values.max())
    for peak in np.argsort(values)[-3:]:  # rivals at the same height lie at different places
        left, right = coordinates[max(int(peak) - 1, 0)], coordinates[min(int(peak) + 1, SAMPLES - 1)]
        for _ in range(LOOKS):
            closer = np.linspace(left, right, ZOOM)
            heights = function(closer)
            top = int(np.argmax(heights))
            largest = max(largest, float(heights[top]))
            left, right = closer[max(top - 1, 0)], closer[min(top + 1, ZOOM - 1)]
    return largest


def find_sign_changes(function: Function, low: float, high: float) -> list[float]:
    """Coordinates at which the function changes sign, rising; a value that is zero to rounding has no sign."""
    coordinates = np.linspace(low, high, SAMPLES)
    values = function(coordinates)
    noise = 1e-13 * float(np.abs(values).max())
    signed = np.flatnonzero(np.abs(values) > noise)
    changes = np.flatnonzero(np.sign(values[signed][1:]) != np.sign(values[signed][:-1]))
    return [
        _bisect(
            function,
            float(coordinates[signed[k]]),
            float(coordinates[signed[k + 1]]),
            float(np.sign(values[signed[k]])),
        )
        for k in changes
    ]


def _bisect(function: Function, low: float, high: float, sign: float) -> float:
    """Place between `low` and `high` at which a function loses the sign that it has at `low`."""
    for _ in range(80):
        middle = 0.5 * (low + high)
        value = sign * float(function(np.array([middle]))[0])
        if value == 0.0:
            return middle
        low, high = (middle, high) if value > 0.0 else (low, middle)
    return 0.5 * (low + high)
