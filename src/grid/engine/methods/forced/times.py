r"""Times at which a load is sampled so that what it does to every mode until a later time is integrated.

.. math:: \int_a^b e^{-\lambda (b - s)} f(s)\,ds

The exponential of a fast mode is all at the end, so Gauss's panels get shorter towards it: the last as long as a few
time constants of the fastest mode, each before it at most `GROWTH` times as long as it lies away from the end. All
panels are short enough for the load, too: no two neighbouring times are further apart than what the analysis of the
loads allows. A rule that leaves out the middle time of each panel gives the error.
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from grid.engine.loads.analysis import StepLimits
from grid.engine.values.operations import FloatArray

NODES, WEIGHTS = np.polynomial.legendre.leggauss(9)  # [-] Gauss's rule with nine times on a panel
REACH = 4.0  # [-] longest panel over the longest step that resolves a load; its times are 0.18 of it apart
# [-] last panel over the time constant of the fastest mode; any other panel over its distance to the end
LIVES, GROWTH = 8.0, 2.0
LEAST_SHARE = 0.3  # [-] rest over a panel, below which it is joined with the panel


def _omit_middle() -> FloatArray:
    """Weights of the rule through all times but the middle one."""
    middle = NODES.size // 2
    rest = np.delete(NODES, middle)
    moments = np.zeros(rest.size)
    moments[0] = 2.0
    return np.insert(np.linalg.solve(np.polynomial.legendre.legvander(rest, rest.size - 1).T, moments), middle, 0.0)


CHECK_WEIGHTS = _omit_middle()


@dataclass(frozen=True)
class Panels:
    """Times with the weights of both rules, increasing, shape (times,)."""

    times: FloatArray
    weights: FloatArray
    checks: FloatArray


def make_panels(
    start: float, end: float, marks: Sequence[float], limits: StepLimits | None, fastest: float, refinement: int
) -> Panels:
    """Panels between two times [s].

    Args:
        start, end: [s].
        marks: Times at which a load may jump or bend; no panel reaches over one.
        limits: Longest steps with which the loads are followed.
        fastest: Largest rate of a mode [1/s].
        refinement: Into how many parts each panel is cut.
    """
    cuts = [start, *(mark for mark in marks if start < mark < end), end]
    ends = [end]
    for low, high in zip(cuts[-2::-1], cuts[:0:-1], strict=True):
        longest = REACH * _find(limits, 0.5 * (low + high)) if limits is not None else np.inf
        at = high
        while at > low:
            length = min(longest, max(LIVES / fastest, GROWTH * (end - at)))
            at = low if at - low <= (1.0 + LEAST_SHARE) * length else at - length
            ends.append(at)
    edges = np.array(ends[::-1])
    shares = np.arange(refinement) / refinement
    edges = np.append((edges[:-1, None] + np.diff(edges)[:, None] * shares).reshape(-1), end)
    half = 0.5 * np.diff(edges)
    times = (edges[:-1] + half)[:, None] + half[:, None] * NODES
    return Panels(times.reshape(-1), np.outer(half, WEIGHTS).reshape(-1), np.outer(half, CHECK_WEIGHTS).reshape(-1))


def _find(limits: StepLimits, time: float) -> float:
    return limits.steps[max(bisect_right(limits.starts, time) - 1, 0)]


def count_times(start: float, end: float, limits: StepLimits | None, fastest: float) -> float:
    """About how many times `make_panels` takes."""
    panels = np.log(max(fastest * (end - start), 1.0)) / np.log(1.0 + GROWTH) + 2.0
    if limits is not None:
        ends = (*limits.starts[1:], np.inf)
        for low, high, step in zip(limits.starts, ends, limits.steps, strict=True):
            panels += max(min(high, end) - max(low, start), 0.0) / (REACH * step)
    return float(NODES.size * panels)
