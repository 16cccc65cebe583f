"""State and stepper: what a run carries from step to step, and what advances it.

A stepper is pure: it takes a state and returns a new one, and keeps nothing but caches that follow from the plan. So
a run may be cut anywhere, and a state is all that a checkpoint needs.
"""

from dataclasses import dataclass, field, replace
from typing import Protocol, Self

import numpy as np

from grid.engine.space import Loads
from grid.engine.values import FloatArray

SAFETY = 0.4  # share of the stability limit that an explicit step takes, see grid.engine.explicit


@dataclass(frozen=True)
class Ledger:
    """Heat moved since the start, as the scheme applied it [J per unit of section]."""

    boundary_in: float = 0.0
    boundary_out: float = 0.0
    generated: float = 0.0
    generated_absolute: float = 0.0

    def add(self, boundary_in: float, boundary_out: float, generated: float) -> Self:
        return replace(
            self,
            boundary_in=self.boundary_in + boundary_in,
            boundary_out=self.boundary_out + boundary_out,
            generated=self.generated + generated,
            generated_absolute=self.generated_absolute + abs(generated),
        )

    @property
    def net(self) -> float:
        return self.boundary_in - self.boundary_out + self.generated


@dataclass(frozen=True)
class Bounds:
    """Extremes of everything that the maximum principle lets a temperature take so far."""

    lowest: float
    highest: float

    def include(self, values: object) -> "Bounds":
        low, high = float(np.min(values)), float(np.max(values))  # type: ignore[call-overload]
        if self.lowest <= low and high <= self.highest:
            return self
        return Bounds(min(self.lowest, low), max(self.highest, high))


def include_references(bounds: Bounds, loads: Loads) -> Bounds:
    """Widen the bounds of the maximum principle by the reference temperatures of faces that exchange heat with them."""
    for closure in loads.closures:
        if np.any(closure.transmittance):
            bounds = bounds.include(closure.reference)
    return bounds


@dataclass(frozen=True)
class Segment:
    """Equal steps between two times on which a step must land."""

    start: float
    end: float
    steps: int

    @property
    def time_step(self) -> float:
        return (self.end - self.start) / self.steps

    def time(self, step: int) -> float:
        """The time after `step` steps; the last one is `end` exactly."""
        return self.end if step == self.steps else self.start + step * self.time_step

    def inside(self, time: float) -> float:
        """The time, moved off the ends by a few roundings, so that a load that jumps there is seen from inside."""
        nudge = max(1e-12 * self.time_step, 4.0 * float(np.spacing(max(abs(self.start), abs(self.end)))))
        return min(max(time, self.start + nudge), self.end - nudge)


@dataclass(frozen=True)
class State:
    """A run at one time. The arrays are not to be written to.

    Args:
        time: [s].
        step: Steps taken since the start.
        temperature: Flat field, C order.
        ledger: Heat moved so far.
        bounds: Extremes of initial and boundary temperatures so far.
        content: Enthalpy of each cell [J], flat, where a material melts.
        error: Estimate of the time error of each cell, flat, carried along by methods that have one; of its enthalpy
            where a material melts.
        damped_steps: Steps that were redone with damping, to keep the maximum principle.
    """

    time: float
    step: int
    temperature: FloatArray
    ledger: Ledger
    bounds: Bounds
    error: FloatArray | None = field(default=None, repr=False)
    damped_steps: int = 0
    content: FloatArray | None = field(default=None, repr=False)


class Stepper(Protocol):
    """One method of advancing in time."""

    name: str

    def make_segment(self, start: float, end: float) -> Segment:
        """Cut the way between two landing times into steps that the method can take."""

    def advance(self, state: State, segment: Segment, first: int, count: int) -> State:
        """Take steps number `first` to `first + count - 1` of a segment."""

    def estimate_error(self, state: State) -> FloatArray:
        """Estimate of the time error of each cell at a state, flat [K]."""
