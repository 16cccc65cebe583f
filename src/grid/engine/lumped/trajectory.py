"""Small system of ordinary differential equations over time, with its solution as a continuous function.

Radau IIA of order five (E. Hairer, G. Wanner, Solving Ordinary Differential Equations II, 2nd ed., IV.8): stiff bodies
next to slow ones cost no more, and every step brings a cubic that is as accurate as the step, on which events are
located.
"""

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from grid.core.errors import DivergedError
from grid.engine.loads.analysis import StepLimits
from grid.engine.values.operations import FloatArray

RELATIVE_TOLERANCE = 1e-10  # [-] relative error of a step
MAX_STEPS = 200_000  # [-] steps of one run at most; beyond them the equation does not settle
LEAST_PARTS = 16  # [-] steps of a stretch at least
LEAST_STRETCH = 1e-100  # [s] shortest stretch; below it the factors of the integrator overflow, and a tangent is exact
SAMPLES = 8  # [-] samples of each step, between which a crossing is searched for

Rate = Callable[[float, FloatArray], FloatArray]
Level = Callable[[float, FloatArray], float]  # changes sign at an event


@dataclass(frozen=True)
class Piece:
    """The solution over one step."""

    start: float
    end: float
    values: Callable[[float], FloatArray]


@dataclass
class Trajectory:
    """Solution computed so far, from `start` on.

    Args:
        start: Time of the beginning [s].
        initial: Values there.
    """

    start: float
    initial: FloatArray
    pieces: list[Piece] = field(default_factory=list)

    @property
    def end(self) -> float:
        """Time up to which the solution is known [s]."""
        return self.pieces[-1].end if self.pieces else self.start

    @property
    def last(self) -> FloatArray:
        """Values at `end`."""
        return self.pieces[-1].values(self.pieces[-1].end) if self.pieces else self.initial

    def at(self, time: float) -> FloatArray:
        """The values at a time between `start` and `end`."""
        if not self.pieces or time <= self.start:
            return self.initial
        index = int(np.searchsorted([piece.end for piece in self.pieces], time))
        return self.pieces[min(index, len(self.pieces) - 1)].values(time)

    def extend(
        self, rate: Rate, end: float, scale: float, knots: Iterable[float] = (), limits: StepLimits | None = None
    ) -> Iterator[Piece]:
        """Continue to a time, yielding each step once it is appended; the caller may stop between two.

        Args:
            rate: Time derivative of the values; at a knot it is evaluated inside the stretch only.
            end: [s].
            scale: Size of the values whose `RELATIVE_TOLERANCE` is the absolute tolerance.
            knots: Times at which `rate` jumps or bends.
            limits: Longest steps with which loads that change in time are followed.

        Raises:
            DivergedError: The values leave the finite numbers, or the step underflows.
        """
        marks = [*sorted({knot for knot in knots if self.end < knot < end}), end]
        for mark in marks:
            if mark > self.end:
                yield from self._stretch(rate, mark, scale, math.inf if limits is None else limits.find(self.end))

    def _stretch(self, rate: Rate, end: float, scale: float, longest: float) -> Iterator[Piece]:
        from scipy.integrate import Radau

        start, nudge = self.end, 4.0 * float(np.spacing(max(abs(self.end), abs(end))))

        def inside(time: float, values: FloatArray) -> FloatArray:
            return rate(min(max(time, start + nudge), max(end - nudge, start + nudge)), values)

        if end - start < LEAST_STRETCH:
            first, slope = self.last, inside(start, self.last)
            self.pieces.append(Piece(start, end, lambda time: first + (time - start) * slope))
            yield self.pieces[-1]
            return
        with np.errstate(all="ignore"):  # a step that fails is detected below
            solver: Any = Radau(
                inside, start, np.array(self.last), end, rtol=RELATIVE_TOLERANCE, atol=RELATIVE_TOLERANCE * scale,
                max_step=min((end - start) / LEAST_PARTS, longest),
            )  # fmt: skip
        while solver.status == "running":
            with np.errstate(all="ignore"):
                solver.step()
            if solver.status == "failed" or not np.isfinite(solver.y).all() or len(self.pieces) >= MAX_STEPS:
                reason = "a lumped temperature runs away; check the loads, or end earlier"
                raise DivergedError(len(self.pieces), float(solver.t), reason)
            piece = Piece(float(solver.t_old), float(solver.t), solver.dense_output())
            self.pieces.append(piece)
            yield piece

    def cut(self, time: float) -> None:
        """Remove everything after a time."""
        while self.pieces and self.pieces[-1].start >= time:
            self.pieces.pop()
        if self.pieces and self.pieces[-1].end > time:
            self.pieces[-1] = Piece(self.pieces[-1].start, time, self.pieces[-1].values)

    def find(self, level: Level, start: float, end: float = math.inf) -> float | None:
        """The first time in [start, end] at which `level` is or passes zero; None if there is none."""
        if start <= self.start and level(self.start, self.initial) == 0.0:
            return self.start
        for piece in self.pieces:
            if piece.end >= start and piece.start <= end:
                found = find_crossing(level, piece, max(piece.start, start), min(piece.end, end))
                if found is not None:
                    return found
        return None


def find_crossing(level: Level, piece: Piece, start: float, end: float, *, direction: int = 0) -> float | None:
    """The first time of a step, between two times, at which `level` becomes zero.

    Args:
        direction: 1 for rising only, -1 for falling only, 0 for both.
    """
    from scipy.optimize import brentq

    def at(time: float) -> float:
        return level(time, piece.values(time))

    times = np.linspace(start, end, SAMPLES + 1)
    heights = [at(float(time)) for time in times]
    if heights[0] == 0.0 and direction == 0:
        return start
    for index in range(SAMPLES):
        low, high = heights[index], heights[index + 1]
        crosses = (direction >= 0 and low < 0.0 <= high) or (direction <= 0 and low > 0.0 >= high)
        if crosses:
            left, right = float(times[index]), float(times[index + 1])
            return right if high == 0.0 else float(brentq(at, left, right, xtol=1e-14 * max(abs(right), 1e-300)))
    return None
