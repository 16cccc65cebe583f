"""State and stepper: the data of a run that are passed from step to step, and the interface that advances them.

A stepper is pure: it takes a state and returns a new one, and keeps nothing but caches that follow from the plan. So
a run may be cut anywhere, and a state is all that a checkpoint needs.
"""

import math
from dataclasses import dataclass, field, replace
from typing import Protocol, Self, runtime_checkable

import numpy as np

from grid.engine.space.laws import Loads
from grid.engine.values.operations import FloatArray


@dataclass(frozen=True)
class HeatBalance:
    """Heat moved since the start, as the scheme applied it [J per unit of section].

    Args:
        prescribed: Sum over the steps of each load that is given as a function of time, with the weights that the
            scheme gave its samples [unit of the load times s], see `grid.engine.results.load_audit`.
    """

    boundary_in: float = 0.0
    boundary_out: float = 0.0
    generated: float = 0.0
    generated_absolute: float = 0.0
    prescribed: tuple[float, ...] = ()

    def add(
        self, boundary_in: float, boundary_out: float, generated: float, prescribed: tuple[float, ...] = ()
    ) -> Self:
        """Return the heat balance with the heat of a step added [J]."""
        if prescribed:
            before = self.prescribed or (0.0,) * len(prescribed)
            prescribed = tuple(one + other for one, other in zip(before, prescribed, strict=True))
        return replace(
            self,
            prescribed=prescribed or self.prescribed,
            boundary_in=self.boundary_in + boundary_in,
            boundary_out=self.boundary_out + boundary_out,
            generated=self.generated + generated,
            generated_absolute=self.generated_absolute + abs(generated),
        )

    @property
    def net(self) -> float:
        """Net heat into the body [J]."""
        return self.boundary_in - self.boundary_out + self.generated


@dataclass(frozen=True)
class Bounds:
    """Extremes of everything that the maximum principle lets a temperature take so far."""

    lowest: float
    highest: float

    def include(self, values: object) -> "Bounds":
        """Widen the bounds by the extremes of some values."""
        return self.widen(float(np.min(values)), float(np.max(values)))  # type: ignore[call-overload]

    def widen(self, low: float, high: float) -> "Bounds":
        """The bounds with the ends of another interval within them."""
        if self.lowest <= low and high <= self.highest:
            return self
        return Bounds(min(self.lowest, low), max(self.highest, high))


def include_references(bounds: Bounds, loads: Loads) -> Bounds:
    """Widen the bounds of the maximum principle by the reference temperatures of faces that exchange heat with them."""
    for face_law in loads.face_laws:
        if np.any(face_law.transmittance):
            bounds = bounds.include(face_law.reference)
    return bounds


@dataclass(frozen=True)
class Segment:
    """Interval between two times at which a step must end: equal steps, or steps that the stepper chooses.

    Args:
        start, end: [s].
        steps: Number of steps; a guess where they are chosen.
        is_adaptive: The stepper chooses its steps during the run, from what the state holds.
    """

    start: float
    end: float
    steps: int
    is_adaptive: bool = False

    @property
    def time_step(self) -> float:
        """Length of the equal steps [s]."""
        return (self.end - self.start) / self.steps

    def time(self, step: int) -> float:
        """The time after `step` steps; the last one is `end` exactly."""
        return self.end if step == self.steps else self.start + step * self.time_step

    def find_step(self, time: float) -> int:
        """Count the equal steps that end at or before a time."""
        return min(max(round((time - self.start) / self.time_step), 0), self.steps)

    def inside(self, time: float) -> float:
        """The time, moved off the ends by a few roundings, so that a load that jumps there has its value inside."""
        nudge = max(1e-12 * self.time_step, 4.0 * math.ulp(max(abs(self.start), abs(self.end))))
        return min(max(time, self.start + nudge), self.end - nudge)


@dataclass(frozen=True)
class State:
    """A run at one time. The arrays are not to be written to.

    Args:
        time: [s].
        step: Steps taken since the start.
        temperature: Flat field, C order.
        heat_balance: Heat moved so far.
        bounds: Extremes of initial and boundary temperatures so far.
        content: Enthalpy of each cell [J], flat, where a material melts.
        error: Estimate of the time error of each cell, flat, carried along by methods that have one; of its enthalpy
            where a material melts.
        damped_steps: Steps that were redone with damping, to keep the maximum principle.
        rejected_steps: Steps that were redone because their error was too large or an iteration stalled.
        iterations: Turns of the iterations that coefficients depending on temperature need, in all.
        controller: What a stepper that chooses its steps carries from one to the next.
    """

    time: float
    step: int
    temperature: FloatArray
    heat_balance: HeatBalance
    bounds: Bounds
    error: FloatArray | None = field(default=None, repr=False)
    damped_steps: int = 0
    content: FloatArray | None = field(default=None, repr=False)
    rejected_steps: int = 0
    iterations: int = 0
    controller: tuple[float, ...] = ()


class Stepper(Protocol):
    """One method of advancing in time."""

    name: str

    def make_segment(self, start: float, end: float) -> Segment:
        """Cut the interval between two stop times into steps that the method can take."""

    def advance(self, state: State, segment: Segment, first: int, count: int) -> State:
        """Take steps number `first` to `first + count - 1` of a segment.

        Where the segment is adaptive: take up to `count` steps from the state on, and none beyond the end.
        """

    def estimate_error(self, state: State) -> FloatArray:
        """Estimate of the time error of each cell at a state, flat [K]."""


@runtime_checkable
class ErrorControlled(Protocol):
    """A stepper that chooses its steps by their error and can judge the sum of them."""

    def find_retry(self, state: State) -> tuple[float, ...] | None:
        """The controller with which the run is to start again, because the error at an output time is too large.

        None if it is not, or if starting again would not help.
        """
