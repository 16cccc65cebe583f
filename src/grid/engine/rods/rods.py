r"""Rods: the 1D heat equation between two ends of one fixed temperature, for many rods of equal shape.

.. math:: \partial T / \partial t = \alpha\, \partial^2 T / \partial x^2,\quad T(0, t) = T(L, t) = T_b,\quad
          T(x, 0) = T_b + (T_i - T_b) \sin(\pi x / L)

The nodes :math:`x_i = i L / (n - 1)` include both ends. What is stepped is the excess
:math:`\theta = (T - T_b) / (T_i - T_b)`, in [0, 1], so that a small span on a high temperature loses no digits:

.. math:: \theta'_i = \theta_i + Fo\,(\theta_{i-1} - 2 \theta_i + \theta_{i+1}),\quad
          Fo = \alpha\,\Delta t / \Delta x^2 \le 1/2

First order in time, second in space, and monotone at Fo <= 1/2. Results are kept at ``time_steps + 1`` equal times;
each interval is cut into the smallest number of equal sub-steps that keeps Fo at or below 1/2.

Two laws to test by. The start is an eigenvector of the scheme, so after k sub-steps the field is exactly

.. math:: \theta_i = \bigl(1 - 4 Fo \sin^2(\pi / (2 (n - 1)))\bigr)^k \sin(\pi i / (n - 1))

and the equation's own solution is :math:`\exp(-\alpha \pi^2 t / L^2) \sin(\pi x / L)`.

Every rod is stepped on its own, through the same instructions whatever the number of its neighbours: equal rods give
equal bytes. `sim/run_sim.py` does the same arithmetic in the same order with NumPy.

References:
    R. J. LeVeque, Finite Difference Methods for Ordinary and Partial Differential Equations (SIAM, 2007), ch. 9.
"""

import hashlib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from grid.core.errors import AdmissionError

FloatArray = npt.NDArray[np.float64]
# Given the fraction done of all rods; returns the columns to leave out from now on.
OnProgress = Callable[[float], frozenset[int]]
# Given the column, the index of the first row, and rows of temperatures, shape (rows, nodes), valid during the call.
OnRows = Callable[[int, int, FloatArray], None]

FOURIER_LIMIT = 0.5  # [-] von Neumann's limit in 1D, and that of the maximum principle
SNAPSHOTS = 16  # [-] stored rows of a rod
CELL_STEPS_LIMIT = 1e13  # [-] cells times steps at most: hours of one core; more is an error in the input
_ROWS_BYTES = 1 << 18  # [B] rows between two updates of the hash; they stay in the second-level cache
_CALL_CELL_STEPS = 1 << 27  # [-] cells times steps of one call of the kernel, about 0.05 s: the delay of a cancellation


@dataclass(frozen=True)
class SubSteps:
    """Division of one interval between results: `mesh_fourier` is that of a sub-step, at or below 1/2."""

    count: int
    mesh_fourier: float


def find_sub_steps(
    length: float, diffusivity: float, end_time: float, *, time_steps: int, spatial_steps: int
) -> SubSteps:
    """Return the smallest number of equal sub-steps of one interval that keeps Fo at or below 1/2."""
    spacing = length / (spatial_steps - 1)
    whole = diffusivity * (end_time / time_steps) / (spacing * spacing)
    count = max(1, math.ceil(whole / FOURIER_LIMIT))
    return SubSteps(count, whole / count)


@lru_cache(maxsize=64)
def start_shape(spatial_steps: int) -> FloatArray:
    """Return sin(pi i / (n - 1)), exactly symmetric and exactly zero at both ends, shape ``(spatial_steps,)``.

    It is remembered, and cannot be written to: a sweep over the number of nodes uses each many times.
    """
    half = [math.sin(math.pi * i / (spatial_steps - 1)) for i in range((spatial_steps + 1) // 2)]
    shape = np.array(half + half[: spatial_steps // 2][::-1])
    shape.flags.writeable = False
    return shape


@lru_cache(maxsize=1024)
def snapshot_rows(time_steps: int) -> npt.NDArray[np.int64]:
    """Return the indices of the 16 stored results, first and last among them; repeated where there are fewer.

    The array is remembered, and cannot be written to.
    """
    rows = np.round(np.linspace(0, time_steps, SNAPSHOTS)).astype(np.int64)
    rows.flags.writeable = False
    return rows


@dataclass(frozen=True)
class Rod:
    """One solved rod. Temperatures have the unit of the input; n is `spatial_steps`."""

    final: FloatArray  # shape (n,); a view, as `snapshots` is
    snapshots: npt.NDArray[np.float32]  # shape (16, n), at `snapshot_rows`
    sub_steps: SubSteps
    field_sha256: str  # of the C-ordered float64 bytes of the whole field, shape (time_steps + 1, n)
    is_finite: bool
    energy_residual: (
        float  # |stored change + heat lost through the ends| / the largest of the heats, as the scheme applied it
    )
    energy_limit: float
    bounds_excess: float  # how far the excess left [0, 1], as a fraction of the span
    bounds_limit: float

    @property
    def is_accepted(self) -> bool:
        """True where every audit passed."""
        return self.is_finite and self.energy_residual <= self.energy_limit and self.bounds_excess <= self.bounds_limit


def solve_rods(
    length: Sequence[float] | FloatArray,
    diffusivity: Sequence[float] | FloatArray,
    initial_temp: Sequence[float] | FloatArray,
    boundary_temp: Sequence[float] | FloatArray,
    end_time: Sequence[float] | FloatArray,
    *,
    time_steps: int,
    spatial_steps: int,
    on_progress: OnProgress | None = None,
    on_rows: OnRows | None = None,
    out_final: FloatArray | None = None,
    out_snapshots: npt.NDArray[np.float32] | None = None,
) -> list["Rod | AdmissionError | None"]:
    """Solve rods of equal shape; each takes memory for a few rows, never for its whole field.

    Args:
        length: Of each rod, shape ``(columns,)`` [m].
        diffusivity: alpha [m2/s].
        initial_temp: Temperature at the centre at t = 0.
        boundary_temp: Temperature of both ends, in the same unit.
        end_time: Time of the last result [s].
        time_steps: Intervals between results, the same for all.
        spatial_steps: Nodes with the ends, the same for all; 3 or more.
        on_progress: Called now and then, at least every 0.1 s or so.
        on_rows: Called with all rows of each field, in order, as they are made.
        out_final: Where the final profiles go, shape ``(columns, n)``; made when not given.
        out_snapshots: Where the snapshots go, shape ``(columns, 16, n)``; made when not given.

    Returns:
        For each column a `Rod`; None where `on_progress` left it out; an error, returned and not raised,
        where it needs more than `CELL_STEPS_LIMIT`, so that its neighbours are solved all the same.
    """
    columns = list(zip(length, diffusivity, initial_temp, boundary_temp, end_time, strict=True))
    watch = _Watch(on_progress, len(columns))
    room = _Room.of(time_steps, spatial_steps)
    if out_final is None:
        out_final = np.empty((len(columns), spatial_steps))
    if out_snapshots is None:
        out_snapshots = np.empty((len(columns), SNAPSHOTS, spatial_steps), dtype=np.float32)
    outcomes: list[Rod | AdmissionError | None] = []
    for column, (rod_length, alpha, centre, ends, duration) in enumerate(columns):
        cut = find_sub_steps(
            float(rod_length), float(alpha), float(duration), time_steps=time_steps, spatial_steps=spatial_steps
        )
        cell_steps = float(spatial_steps) * time_steps * cut.count
        if cell_steps > CELL_STEPS_LIMIT:
            outcomes.append(AdmissionError("work", cell_steps, CELL_STEPS_LIMIT, "cell steps"))
            continue
        run = _Run(room, cut, float(ends), float(centre) - float(ends), out_final[column], out_snapshots[column])
        outcomes.append(run.solve(column, watch, on_rows))
    watch.update(len(columns), 1.0)
    return outcomes


class _Watch:
    """Passes progress on at most every 50 ms or so of work, and remembers which columns to leave out."""

    def __init__(self, on_progress: OnProgress | None, columns: int) -> None:
        self._on_progress, self._columns = on_progress, max(columns, 1)
        self._left_out: frozenset[int] = frozenset()
        self._cell_steps = 0.0

    def is_left_out(self, column: int) -> bool:
        return column in self._left_out

    def worked(self, column: int, fraction: float, cell_steps: float) -> None:
        self._cell_steps += cell_steps
        if self._cell_steps >= _CALL_CELL_STEPS / 4:
            self._cell_steps = 0.0
            self.update(column, fraction)

    def update(self, column: int, fraction: float) -> None:
        if self._on_progress is not None:
            self._left_out |= self._on_progress(min(1.0, (column + fraction) / self._columns))


@dataclass(frozen=True)
class _Room:
    """Working arrays that rods of one shape use one after the other."""

    time_steps: int
    shape: FloatArray
    kept_rows: npt.NDArray[np.int64]
    buffer: FloatArray
    kernels: "_Kernels"

    @classmethod
    def of(cls, time_steps: int, spatial_steps: int) -> "_Room":
        rows = max(1, min(_ROWS_BYTES // (8 * spatial_steps), time_steps))
        buffer = np.empty((rows, spatial_steps))
        return cls(time_steps, start_shape(spatial_steps), snapshot_rows(time_steps), buffer, _kernels())


class _Run:
    """One rod during its run: state, plan and running totals."""

    def __init__(
        self,
        room: _Room,
        cut: SubSteps,
        boundary: float,
        span: float,
        final: FloatArray,
        kept: npt.NDArray[np.float32],
    ) -> None:
        self.cut, self.boundary, self.span, self.time_steps = cut, boundary, span, room.time_steps
        shape = room.shape
        self.nodes = len(shape)
        self.state = np.empty((2, self.nodes))
        self.state[:] = shape
        self.stored = float(shape.sum())
        self.current = 0
        self.lowest, self.highest = shape.copy(), shape.copy()
        self.lost = np.zeros(1)  # heat through both ends so far, in units of span times spacing
        self.hash = hashlib.sha256()
        self.kept_rows, self.buffer, self.kernels = room.kept_rows, room.buffer, room.kernels
        self.final, self.kept = final, kept

    def solve(self, column: int, watch: _Watch, on_rows: OnRows | None) -> Rod | None:
        per_row = self.cut.count * self.nodes
        rows_at_once = max(1, min(len(self.buffer), _CALL_CELL_STEPS // per_row))
        buffer = self.buffer
        buffer[0] = self.boundary + self.span * self.state[0]
        self._take(0, buffer[:1], column, on_rows)
        for first in range(1, self.time_steps + 1, rows_at_once):
            rows = buffer[: min(rows_at_once, self.time_steps + 1 - first)]
            if watch.is_left_out(column) or not self._advance(rows, first, column, watch):
                return None
            self._take(first, rows, column, on_rows)
            watch.worked(column, (first + len(rows) - 1) / self.time_steps, per_row * len(rows))
        self.final[:] = rows[-1]
        return self._finish()

    def _advance(self, rows: FloatArray, first: int, column: int, watch: _Watch) -> bool:
        """Fill `rows`; False where the column was left out during the run."""
        kernels = self.kernels
        limit = max(1, _CALL_CELL_STEPS // self.nodes)  # sub-steps of one call
        ahead = 0
        if self.cut.count > limit:  # then there is one row at once
            while self.cut.count - ahead > limit:
                self.current = kernels.advance(self.state, self.current, self.cut.mesh_fourier, limit, self.lost)
                ahead += limit
                watch.worked(column, (first - 1 + ahead / self.cut.count) / self.time_steps, limit * self.nodes)
                if watch.is_left_out(column):
                    return False
        self.current = kernels.advance_rows(
            self.state, self.current, self.cut.mesh_fourier, self.cut.count - ahead, self.lost,
            self.boundary, self.span, rows, self.lowest, self.highest,
        )  # fmt: skip
        return True

    def _take(self, first: int, rows: FloatArray, column: int, on_rows: OnRows | None) -> None:
        self.hash.update(rows.data)
        low, high = np.searchsorted(self.kept_rows, (first, first + len(rows)))
        if low < high:
            self.kept[low:high] = rows[self.kept_rows[low:high] - first]
        if on_rows is not None:
            on_rows(column, first, rows)

    def _finish(self) -> Rod:
        theta = self.state[self.current]
        lost = float(self.lost[0])
        total = self.cut.count * self.time_steps
        # Both limits: 1e-10 or 1e-12 of the scale, and one rounding of it in each sub-step.
        roundings = total * float(np.finfo(np.float64).eps)
        residual = abs(float(theta.sum()) - self.stored + lost) / max(self.stored, lost)
        excess = max(float(self.highest.max()) - 1.0, -float(self.lowest.min()), 0.0)
        return Rod(
            final=self.final,
            snapshots=self.kept,
            sub_steps=self.cut,
            field_sha256=self.hash.hexdigest(),
            is_finite=bool(np.isfinite(self.final).all()),
            energy_residual=residual,
            energy_limit=1e-10 + roundings,
            bounds_excess=excess,
            bounds_limit=1e-12 + roundings,
        )


class _Kernels(NamedTuple):
    advance: Callable[..., Any]
    advance_rows: Callable[..., Any]


def _kernels() -> _Kernels:
    from grid.engine.rods import kernels as rod_kernels

    return _Kernels(rod_kernels.advance, rod_kernels.advance_rows)
