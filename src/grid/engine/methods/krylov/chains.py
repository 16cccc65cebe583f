"""First directions of a Krylov space: the heat flows that drive a body, without linear combinations of each other."""

from collections.abc import Sequence

import numpy as np

from grid.engine.methods.driven.course import Course
from grid.engine.values.operations import FloatArray

MADE_UP = 1e-9  # [-] heat in a cell that other patterns leave, over its heat; less means that they make it up
TOGETHER = 1e-10  # [-] strength of a combination of loads over that of the strongest; a weaker one is left out


def find_chains(drives: Sequence[FloatArray], course: Course, capacity: FloatArray, noise: FloatArray) -> FloatArray:
    """Combinations of the drives from which chains of directions start, shape (chains, drives).

    Loads that change together, as chips that are switched at the same few times, make fewer combinations than they
    are. The heat flow at the start needs no chain of its own where the loads make it up, cell by cell, as a little heat
    in a body that conducts badly does more than much of it at a held face.

    Args:
        drives: The heat flow at the start and each load [W], shape (cells,).
        course: The loads.
        capacity: Of the cells [J/K].
        noise: Heat of each cell that is rounding [W].
    """
    largest = np.maximum(np.abs(course.low), np.abs(course.high)).max(axis=0, initial=0.0)
    live = [index for index, size in enumerate(largest.tolist()) if size > 0.0 and np.any(drives[index + 1])]
    touched = np.abs(drives[0]) > noise
    flows = bool(touched.any())
    for index in live:
        touched |= drives[index + 1] != 0.0
    cells = np.flatnonzero(touched)
    weight = np.sqrt(np.divide(1.0, capacity[cells], out=np.zeros(cells.size), where=capacity[cells] > 0.0))
    patterns = np.array([drives[index + 1][cells] for index in live]).reshape(len(live), cells.size)
    sizes = np.sqrt(np.einsum("ij,ij->i", patterns * weight, patterns * weight))
    start, left = drives[0][cells], noise[cells]
    found = []
    for parts in (np.eye(len(live)), _combine_loads(course, live, sizes)):
        own = flows and not _is_made_up(start, np.einsum("ij,jk->ik", parts, patterns), weight, left)
        chains = np.zeros((own + len(parts), len(drives)))
        chains[:own, 0] = 1.0
        chains[own:, [1 + index for index in live]] = parts
        found.append(chains)
    return min(found, key=len)


def _combine_loads(course: Course, live: list[int], sizes: FloatArray) -> FloatArray:
    """Combinations of loads over a course, by decreasing strength; shape (combinations, loads)."""
    if len(live) < 2:
        return np.eye(len(live))
    values = np.unique(np.concatenate([course.low[:, live], course.high[:, live]]), axis=0) * sizes
    _, strengths, turned = np.linalg.svd(values, full_matrices=False)
    combined: FloatArray = turned[strengths > TOGETHER * strengths[0]] / sizes
    return combined


def _is_made_up(start: FloatArray, patterns: FloatArray, weight: FloatArray, noise: FloatArray) -> bool:
    """Tell whether a heat flow is a combination of patterns, within their rounding or its own."""
    if not len(patterns):
        return False
    weighted = patterns * weight
    scale = np.sqrt(np.einsum("ij,ij->i", weighted, weighted))
    weighted /= scale[:, None]
    gram = np.einsum("ij,kj->ik", weighted, weighted)
    found = np.linalg.lstsq(gram, np.einsum("ij,j->i", weighted, start * weight))[0] / scale
    left = np.abs(start - np.einsum("i,ij->j", found, patterns))
    shares = np.einsum("i,ij->j", np.abs(found), np.abs(patterns))
    return bool(np.all(left <= MADE_UP * shares + noise))
