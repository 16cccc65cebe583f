"""A batch of `heat-rod` whose points may differ in everything, their numbers of nodes and of results included.

Rods of one shape go into one call of the engine. Tables of metrics are made for all rods with as many nodes at once:
where every rod has a shape of its own, what a call costs beside the stepping would else be most of the time.
"""

import time
from collections.abc import Sequence
from functools import lru_cache
from itertools import groupby
from typing import Any

import numpy as np

from grid.engine.rods.rods import SNAPSHOTS, snapshot_rows, solve_rods
from grid.plugins.builtin.rod_params import RodParams, rod_columns
from grid.plugins.builtin.rod_results import compute_metrics, judge_rod
from grid.schemas.jobs import Reason
from grid.schemas.simulations import BatchResult, PointOutcome, Progress

TELL_S = 0.02  # between two words about progress, each of which costs as much as a small rod

Records = np.ndarray[Any, Any]


def solve_batch(rods: Sequence[RodParams], progress: Progress) -> BatchResult:
    """Solve rods; return their outcomes and records in their order, as one array where all have as many nodes."""
    batch = _Batch(rods, progress)
    order = sorted(range(len(rods)), key=lambda place: (rods[place].spatial_steps, rods[place].time_steps))
    for nodes, same_nodes in groupby(order, key=lambda place: rods[place].spatial_steps):
        batch.solve_nodes(nodes, list(same_nodes))
    progress(1.0)
    return batch.result()


class _Batch:
    """Outcomes and records so far, by the place in the batch."""

    def __init__(self, rods: Sequence[RodParams], progress: Progress) -> None:
        self._rods, self._progress = rods, progress
        self._outcomes: dict[int, PointOutcome] = {}
        self._rows: dict[int, np.void] = {}
        self._left_out: frozenset[int] = frozenset()
        self._told_at = float("-inf")
        self._done = 0

    def solve_nodes(self, nodes: int, coordinates: Sequence[int]) -> None:
        """Solve rods with as many nodes; they come in the order of their numbers of results."""
        records = np.zeros(len(coordinates), dtype=record_dtype(nodes))
        solved: list[Any] = []
        for time_steps, same_shape in groupby(coordinates, key=lambda place: self._rods[place].time_steps):
            shape = list(same_shape)
            solved += self._solve_shape(nodes, time_steps, shape, records[len(solved) : len(solved) + len(shape)])
        metrics = compute_metrics([self._rods[place] for place in coordinates], records["final"])
        for row, (place, rod) in enumerate(zip(coordinates, solved, strict=True)):
            if rod is None:
                outcome = PointOutcome(Reason.CANCELLED_BY_USER)
            elif isinstance(rod, Exception):
                outcome = PointOutcome(Reason.NONZERO_EXIT, f"The rod was not solved: {rod}")
            else:
                outcome = judge_rod(self._rods[place], rod, metrics[row])
            if outcome.reason is not Reason.OK:
                records[row] = np.zeros((), dtype=records.dtype)
            self._outcomes[place], self._rows[place] = outcome, records[row]

    def _solve_shape(self, nodes: int, time_steps: int, coordinates: Sequence[int], records: Records) -> list[Any]:
        """Solve rods of one shape; records of those that are left out stay zero."""
        self._tell(0.0, coordinates)
        if self._left_out.issuperset(coordinates):
            return [None] * len(coordinates)
        solved = solve_rods(
            *rod_columns([self._rods[place] for place in coordinates]),
            time_steps=time_steps,
            spatial_steps=nodes,
            on_progress=lambda fraction: self._tell(fraction, coordinates),
            out_final=records["final"],
            out_snapshots=records["snapshots"],
        )
        records["snapshot_index"] = snapshot_rows(time_steps)
        self._done += len(coordinates)
        return list(solved)

    def _tell(self, fraction: float, coordinates: Sequence[int]) -> frozenset[int]:
        """Pass progress on, not too often; return which of these rods to leave out from now on."""
        now = time.monotonic()
        if now - self._told_at >= TELL_S:
            self._told_at = now
            self._left_out |= self._progress((self._done + fraction * len(coordinates)) / len(self._rods))
        if not self._left_out:
            return self._left_out
        return frozenset(row for row, place in enumerate(coordinates) if place in self._left_out)

    def result(self) -> BatchResult:
        """Return everything in the order of the batch."""
        coordinates = range(len(self._rods))
        outcomes, rows = [self._outcomes[place] for place in coordinates], [self._rows[place] for place in coordinates]
        if len({rod.spatial_steps for rod in self._rods}) > 1:
            return BatchResult(outcomes, rows)
        records = np.empty(len(rows), dtype=rows[0].dtype)
        for place, row in enumerate(rows):
            records[place] = row
        return BatchResult(outcomes, records)


@lru_cache(maxsize=1024)
def record_dtype(nodes: int) -> "np.dtype[np.void]":
    """Return what is kept of a rod: the final profile, 16 snapshots, and the results that they are."""
    return np.dtype(
        [
            ("final", "<f8", (nodes,)),
            ("snapshots", "<f4", (SNAPSHOTS, nodes)),
            ("snapshot_index", "<i8", (SNAPSHOTS,)),
        ]
    )
