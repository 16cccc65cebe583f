r"""Validity of the lumped model: the measured quantities, the rule, and the log of a run.

A run leaves the lumped model when what the model predicts for the step about to be taken, with the loads of that step,
exceeds a threshold, or when its certificate exceeds the tolerance. It returns when what is measured and what is
predicted are both below `return_fraction` of the same limits, and `dwell` seconds have passed since the last switch:
hysteresis and a dwell time leave at most one return in each dwell (J. P. Hespanha, A. S. Morse, Stability of switched
systems with average dwell-time, CDC 1999).

The certificate of a step is delta / span, delta the exchange-weighted mean of the surface less the mean of the body:
C dE/dt + H E = -H delta for the error E of Newton's law, so |E| <= max |delta| for every load (C3 in
`grid.engine.lumped.certificates`); the corrected model does better by a factor of the order of phi.
"""

from dataclasses import dataclass, replace
from typing import Literal, Self

import numpy as np

from grid.engine.methods.state import Bounds
from grid.engine.problem.material import Adaptive
from grid.engine.problem.problem import HeatProblem
from grid.engine.space.interpolation import surface_temperature
from grid.engine.space.laws import Loads
from grid.engine.space.space import Space
from grid.engine.values.operations import FloatArray

Model = Literal["lumped", "diffusive"]
REASONS = (
    "the predicted measure exceeds its threshold",
    "the certificate exceeds the tolerance",
    "measure and certificate are both far enough below their limits",
)
HEAD, ROW = 7, 4  # [-] numbers of a packed log, and of one switch in it


@dataclass(frozen=True)
class Switch:
    """A change of model.

    Args:
        time: At the beginning of the first step with the new model [s].
        model: The new one.
        reason: One of `REASONS`.
        bound: What was compared, over its limit: above 1 where the lumped model was left.
    """

    time: float
    model: Model
    reason: str
    bound: float


@dataclass(frozen=True)
class Log:
    """Record of the models of a run; it is part of `State.controller`, so that a checkpoint holds it.

    Args:
        model: Of the last step.
        switched: Time of the last switch [s].
        lumped_time: Time spent with the lumped model so far [s].
        certificate: Largest certificate C3 of a step with it so far [1].
        energy: Certificate C4 of Newton's law now: bound of the integral of rho c times the square of the error [J K];
            infinite where there is none.
        worst_energy: The largest of it so far [J K].
        switches: All of them.
        inner: What the diffusive method carries.
    """

    model: Model
    switched: float = -np.inf
    lumped_time: float = 0.0
    certificate: float = 0.0
    energy: float = 0.0
    worst_energy: float = 0.0
    switches: tuple[Switch, ...] = ()
    inner: tuple[float, ...] = ()

    def pack(self) -> tuple[float, ...]:
        """Pack the log as numbers."""
        head = (
            float(self.model == "lumped"),
            self.switched,
            self.lumped_time,
            self.certificate,
            self.energy,
            self.worst_energy,
            float(len(self.switches)),
        )
        rows = [(s.time, float(s.model == "lumped"), float(REASONS.index(s.reason)), s.bound) for s in self.switches]
        return (*head, *(number for row in rows for number in row), *self.inner)

    @classmethod
    def unpack(cls, numbers: tuple[float, ...]) -> Self:
        """Make a log from packed numbers."""
        model, switched, lumped_time, certificate, energy, worst_energy, count = numbers[:HEAD]
        rows = [numbers[HEAD + ROW * index : HEAD + ROW * (index + 1)] for index in range(int(count))]
        switches = tuple(Switch(time, _model(flag), REASONS[int(reason)], bound) for time, flag, reason, bound in rows)
        inner = tuple(numbers[HEAD + ROW * int(count) :])
        return cls(_model(model), switched, lumped_time, certificate, energy, worst_energy, switches, inner)

    def change(self, time: float, model: Model, reason: int, bound: float) -> Self:
        """The log after a switch."""
        switch = Switch(time, model, REASONS[reason], bound)
        return replace(self, model=model, switched=time, switches=(*self.switches, switch), inner=())


@dataclass(frozen=True)
class Rule:
    """The limits of a run.

    Args:
        measure: What is compared with `threshold`; None to go by the certificate alone.
        tolerance: Of the certificate, over the span of temperatures; None to go by the measure alone.
        return_fraction: Share of the limits below which the lumped model is taken up again.
        dwell: Least time between a switch and the return to the lumped model [s].
    """

    measure: Adaptive | None
    tolerance: float | None
    return_fraction: float = 0.5
    dwell: float = 0.0

    def weigh(self, space: Space, loads: Loads, temperature: FloatArray, bounds: Bounds) -> tuple[float, int]:
        """The largest of measure and certificate over their limits, and which of the two it is (0, 1)."""
        rule, shares = self.measure, [0.0, 0.0]
        if rule is not None:
            shares[0] = compute_measure(space, loads, temperature, rule) / rule.threshold
        if self.tolerance is not None:
            shares[1] = compute_certificate(space, loads, temperature, bounds) / self.tolerance
        return max(shares), int(np.argmax(shares))


def compute_measure(space: Space, loads: Loads, temperature: FloatArray, adaptive: Adaptive) -> float:
    """|surface stress| of the face [Pa], or the hottest place above the mean [K], of a flat field."""
    mean = mean_temperature(space, temperature)
    surfaces = find_surfaces(space, loads, temperature)
    if adaptive.measure == "surface_stress":
        found = [s for patch, s in zip(space.patches, surfaces, strict=True) if patch.name == adaptive.face]
        return abs(stress_factor(space.problem) * (mean - float(np.mean(found[0])))) if found else 0.0
    inside = temperature if space.active is None else temperature[space.active]
    return max(float(inside.max()), *(float(surface.max()) for surface in surfaces), mean) - mean


def mean_temperature(space: Space, temperature: FloatArray) -> float:
    """Heat-weighted mean."""
    return float((space.capacity * temperature).sum() / space.capacity.sum())


def find_surfaces(space: Space, loads: Loads, temperature: FloatArray) -> list[FloatArray]:
    """Surface temperatures of each patch."""
    found = []
    for index, (patch, face_law) in enumerate(zip(space.patches, loads.face_laws, strict=True)):
        if space.active is None:
            found.append(surface_temperature(space, temperature, index, face_law))
        else:
            found.append(temperature[patch.cells] + space.boundary_flux(index, temperature, face_law)[1])
    return found


def stress_factor(problem: HeatProblem) -> float:
    """E alpha / (1 - nu) of the first material that has all three [Pa/K]; 0 without one."""
    for material in problem.materials:
        if material.is_elastic and material.young_modulus is not None and material.thermal_expansion is not None:
            return material.young_modulus * material.thermal_expansion / (1.0 - (material.poisson_ratio or 0.0))
    return 0.0


def compute_certificate(space: Space, loads: Loads, temperature: FloatArray, bounds: Bounds) -> float:
    """|delta| over the span of temperatures: distance of the surface from the mean, weighted by exchange."""
    span = bounds.highest - bounds.lowest
    weights = total = 0.0
    for patch, face_law in zip(space.patches, loads.face_laws, strict=True):
        exchange = face_law.transmittance * np.ones(patch.cells.shape) * patch.area
        weights += float(exchange.sum())
        total += float((exchange * temperature[patch.cells]).sum())
    if not weights > 0.0 or not span > 0.0:
        return 0.0
    return abs(total / weights - mean_temperature(space, temperature)) / span


def _model(flag: float) -> Model:
    return "lumped" if flag == 1.0 else "diffusive"
