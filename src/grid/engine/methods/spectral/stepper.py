r"""Homogeneous boxes: the finite-volume equations solved exactly in time, mode by mode.

Where one conductivity for each axis, one heat capacity and one film for each face hold everywhere, the operator of the
balance is a sum of one-dimensional ones, so products of their eigenmodes decay by themselves (R. E. Lynch, J. R.
Rice, D. H. Thomas, Numer. Math. 6, 1964):

.. math:: T(t) = T_s + \sum_j e^{-\Lambda_j t}\,(\hat T_0 - \hat T_s)_j\,v_j, \qquad \hat T_s = \hat b / (C \Lambda),

with b all that acts on the body (loads that are constant in time) and :math:`\Lambda_j` the sum of the rates of the
axes. A body that exchanges heat with nothing has one mode that does not decay: its mean grows by :math:`\bar b t/C`.
Modes that have decayed below rounding are left out, so that mostly a few products of thin matrices remain.

Over a step that is short beside the slowest mode T_s may be many times the result, which would be a small difference of
large numbers. There the change follows from its rate g at the start, in which nothing cancels,

.. math:: \hat T(t) - \hat T_0 = t\,\varphi_1(-\Lambda_j t)\,\hat g_j, \qquad
          \int_0^t \hat T = t\,\hat T_0 + t^2\,\varphi_2(-\Lambda_j t)\,\hat g_j,

with :math:`\varphi_1(z) = (e^z - 1)/z` and :math:`\varphi_2(z) = (\varphi_1(z) - 1)/z`.
"""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from grid.engine.methods.spectral.modes import AxisModes, make_modes
from grid.engine.methods.state import Segment, State, include_references
from grid.engine.space.laws import Loads
from grid.engine.space.mesh import Patch
from grid.engine.space.space import Space
from grid.engine.values.operations import FloatArray, Operand

ROUNDED = 37.0  # [-] decay exponent beyond which a mode is zero: exp(-37) is below the rounding of a double
# [-] step over the time constant of the slowest mode, below which the change is evolved: with loads, without
SHORT, BARE = 0.05, 1e-6


@dataclass
class SpectralStepper:
    """Exact in time; one step from each stop time to the next.

    Args:
        space: The discretised problem, homogeneous and with loads that are constant in time.
    """

    space: Space
    name: str = "spectral"
    _begun: tuple[FloatArray, FloatArray] | None = None

    def begin(self, duration: float) -> None:
        """Survey a large initial field and find its modes in the same pass; `duration` is that of the first step."""
        from grid.engine.methods.spectral.large import can_project, project

        start, last = self.space.initial_temperature(), self.axes[-1]
        many = self._count_surviving(duration)[-1]
        if last.is_closed and can_project(start, last, many):
            part, seen = project(start.reshape(self.space.shape), last, many, self.space.pivot)
            self.space.remember(start, *seen)
            self._begun = start, part

    def make_segment(self, start: float, end: float) -> Segment:
        """Make a segment of one step."""
        return Segment(start, end, 1)

    def estimate_error(self, state: State) -> FloatArray:  # noqa: ARG002 - the same at every state
        """Zero: the remaining error is rounding, which is not an error of time."""
        return np.zeros(1)

    def advance(self, state: State, segment: Segment, first: int, count: int) -> State:
        """Advance a state over several steps of a segment at once."""
        duration = segment.time(first + count) - segment.time(first)
        temperature, through = self.evolve(state.temperature, duration)
        generated = 0.0 if self.loads.source is None else float(self.loads.source.sum()) * duration
        into, out = sum(heat for heat in through if heat > 0.0), -sum(heat for heat in through if heat < 0.0)
        return replace(
            state,
            time=segment.time(first + count),
            step=state.step + count,
            temperature=temperature,
            heat_balance=state.heat_balance.add(into, out, generated),
            bounds=include_references(state.bounds, self.loads),
        )

    @cached_property
    def loads(self) -> Loads:
        """Loads at any time."""
        return self.space.loads(0.0)

    @cached_property
    def _capacity(self) -> float:
        """C of one cell [J/K]."""
        return float(self.space.capacity[0])

    @cached_property
    def axes(self) -> tuple[AxisModes, ...]:
        """The modes along each axis."""
        domain, ends = self.space.problem.domain, self._ends
        modes = []
        for axis, spacing in enumerate(domain.spacing):
            k = float(np.asarray(self.space.conductivity[axis]).flat[0])
            g = k * float(np.prod(domain.spacing)) / spacing**2
            modes.append(
                make_modes(
                    domain.cells[axis],
                    g / self._capacity,
                    (ends[axis, 0] / g, ends[axis, 1] / g),
                    is_periodic=self.space.problem.is_periodic[axis],
                )
            )
        return tuple(modes)

    @cached_property
    def _ends(self) -> FloatArray:
        """U A [W/K] of one face of each side of the box, shape (axes, 2)."""
        ends = np.zeros((len(self.space.shape), 2))
        for patch, face_law in zip(self.space.patches, self.loads.face_laws, strict=True):
            ends[patch.axis, patch.side] = float(np.asarray(face_law.transmittance).flat[0]) * patch.area
        return ends

    @cached_property
    def _reference(self) -> float:
        """A temperature near those that the faces exchange heat with; where it is all of them nothing else acts."""
        found = [
            np.mean(face_law.reference)
            for face_law, patch in zip(self.loads.face_laws, self.space.patches, strict=True)
            if self._ends[patch.axis, patch.side] > 0.0
        ]
        return float(found[0]) if found else 0.0

    @cached_property
    def _known(self) -> FloatArray | None:
        """Vector b [W] of a body at the reference; one entry along closed axes on which it does not depend.

        None where it is zero.
        """
        shape, acts = list(self.space.shape), False
        parts: list[tuple[tuple[slice, ...], FloatArray]] = []
        whole = (slice(None),) * len(shape)
        if self.loads.source is not None:
            parts.append((whole, self.loads.source.reshape(shape)))
        for patch, face_law in zip(self.space.patches, self.loads.face_laws, strict=True):
            flux = face_law.transmittance * (face_law.reference - self._reference) + face_law.imposed
            if np.any(flux):
                edge = list(whole)
                edge[patch.axis] = slice(0, 1) if patch.side == 0 else slice(-1, None)
                parts.append((tuple(edge), self._on_face(flux * patch.area, patch.axis)))
        for axis, modes in enumerate(self.axes):
            if modes.is_closed and not any(_varies(layer, part, axis) for layer, part in parts):
                shape[axis] = 1
        known = np.zeros(shape)
        for layer, part in parts:
            thin = tuple(slice(0, 1) if known.shape[axis] == 1 else slice(None) for axis in range(part.ndim))
            known[layer] += part[thin] if part.shape != (1,) * part.ndim else part
            acts = acts or bool(np.any(part))
        return known if acts else None

    def _on_face(self, values: Operand, axis: int) -> FloatArray:
        """Values of one side of the box, one entry along its axis."""
        array = np.asarray(values, np.float64)
        if array.size == 1:
            return array.reshape((1,) * len(self.space.shape))
        return array.reshape([1 if other == axis else count for other, count in enumerate(self.space.shape)])

    def _rates(self, counts: tuple[int, ...]) -> FloatArray:
        """The sum of the rates of the first modes along each axis [1/s]."""
        total = np.zeros(counts)
        for axis, many in enumerate(counts):
            shape = [1] * len(counts)
            shape[axis] = -1
            total += self.axes[axis].rates[:many].reshape(shape)
        return total

    @cached_property
    def _steady(self) -> FloatArray | None:
        """Coefficients of T_s less the reference; the growing mean of a closed body left out."""
        if self._known is None:
            return None
        coefficients = self._known
        for axis, count in enumerate(self._known.shape):
            coefficients = self._whole(coefficients, axis, count)
        rates = self._rates(coefficients.shape)
        steady: FloatArray = np.zeros_like(rates)
        return np.divide(coefficients, self._capacity * rates, out=steady, where=rates > 0.0)

    def _is_short(self, duration: float) -> bool:
        """Tell whether a time is short beside the slowest mode that decays."""
        slowest = sum(float(modes.rates[0]) for modes in self.axes)
        if slowest == 0.0:
            slowest = min((float(modes.rates[1]) for modes in self.axes if modes.count > 1), default=0.0)
        return slowest * duration < (BARE if self._known is None else SHORT)

    def _whole(self, values: FloatArray, axis: int, count: int) -> FloatArray:
        """All coefficients along an axis; for one entry of a closed axis, its constant mode alone."""
        if count < self.axes[axis].count:
            return values * float(np.sqrt(self.axes[axis].count))
        return self.axes[axis].forward(values, axis)

    @cached_property
    def _steady_field(self) -> FloatArray:
        """T_s, one entry along the axes on which it does not depend."""
        if self._steady is None:
            return np.full((1,) * len(self.axes), self._reference)
        field = self._steady
        for axis, modes in enumerate(self.axes):
            is_thin = field.shape[axis] < modes.count
            field = field / np.sqrt(modes.count) if is_thin else modes.backward(field, axis)
        return field + self._reference

    def _subtract_steady(self, coefficients: FloatArray) -> None:
        """Take T_s from coefficients of the first modes, in place."""
        counts = coefficients.shape
        if self._reference != 0.0:
            constant: FloatArray = np.full((1,) * len(counts), self._reference)
            for axis, many in enumerate(counts):
                shape = [1] * len(counts)
                shape[axis] = -1
                constant = constant * self.axes[axis].sums[:many].reshape(shape)
            coefficients -= constant
        if self._steady is not None:
            part = self._steady[tuple(slice(many) for many in counts)]
            coefficients[tuple(slice(many) for many in part.shape)] -= part

    def evolve(self, temperature: FloatArray, duration: float) -> tuple[FloatArray, list[float]]:
        """The flat field after a time, and the heat into the body through each patch meanwhile [J]."""
        if self._is_short(duration):
            return self._change(temperature, duration)
        counts, field = self._count_surviving(duration), temperature.reshape(self.space.shape)
        closed = [axis for axis, modes in enumerate(self.axes) if modes.is_closed]
        part = field
        for axis in reversed(closed):
            part = self._project(temperature, part, axis, counts[axis])
        constant = part[tuple(slice(0, 1) if axis in closed else slice(None) for axis in range(field.ndim))]
        for axis, modes in enumerate(self.axes):
            if axis not in closed:
                constant = modes.forward(constant, axis)
                part = part if len(closed) == 0 else modes.forward(part, axis, counts[axis])
        if not closed:
            part = constant[tuple(slice(many) for many in counts)]
        coefficients = np.array(part)
        self._subtract_steady(coefficients)
        coefficients *= np.exp(-duration * self._rates(counts))
        if len(closed) == len(counts) and self._known is not None:  # nothing holds the mean
            mean = self._known.mean() * duration / self._capacity
            coefficients[(0,) * len(counts)] += mean * np.sqrt(field.size)
        return self._put_together(coefficients), self._heat_through(np.array(constant), duration)

    def _project(self, temperature: FloatArray, part: FloatArray, axis: int, many: int) -> FloatArray:
        """Coefficients of the first modes along a closed axis."""
        from grid.engine.methods.spectral.large import can_project, project

        modes, is_whole = self.axes[axis], part.size == temperature.size
        if not is_whole or axis != part.ndim - 1 or not can_project(part, modes, many):
            return modes.forward(part, axis, many)
        if self._begun is not None and self._begun[0] is temperature and self._begun[1].shape[-1] == many:
            return self._begun[1]
        return project(part, modes, many, self.space.pivot)[0]

    def _put_together(self, coefficients: FloatArray) -> FloatArray:
        """The flat field from the coefficients of the modes that survive."""
        from grid.engine.methods.spectral.large import can_expand, expand

        counts, first = coefficients.shape, self.axes[0]
        order = sorted(range(len(counts)), key=lambda axis: counts[axis] / self.axes[axis].count, reverse=True)
        is_fast = self._steady is None and can_expand(first, len(self.space.capacity), counts[0])
        for axis in order:
            if axis > 0 or not is_fast:
                coefficients = self.axes[axis].backward(coefficients, axis)
        if is_fast:
            field, seen = expand(coefficients, first, self._reference, self.space.pivot)
            temperature = field.reshape(-1)
            self.space.remember(temperature, *seen)
            return temperature
        if self._steady is not None or self._reference != 0.0:
            coefficients += self._steady_field
        return np.ascontiguousarray(coefficients).reshape(-1)

    def _count_surviving(self, duration: float) -> tuple[int, ...]:
        """Count the modes along each axis that have not decayed below rounding."""
        slowest = sum(float(modes.rates[0]) for modes in self.axes) * duration
        return tuple(modes.surviving(ROUNDED - slowest + modes.rates[0] * duration, duration) for modes in self.axes)

    def _heat_through(self, constant: FloatArray, duration: float) -> list[float]:
        """The heat through each patch [J]: that of the steady part, and the integrals of all modes.

        Args:
            constant: Coefficients of the field; along closed axes that of the constant mode alone, which is the only
                one with a mean.
        """
        self._subtract_steady(constant)
        rates = self._rates(constant.shape)
        integrals = constant * np.divide(-np.expm1(-rates * duration), rates, where=rates > 0.0, out=rates)
        found = []
        for patch, face_law in zip(self.space.patches, self.loads.face_laws, strict=True):
            edge = list((slice(None),) * constant.ndim)
            edge[patch.axis] = slice(0, 1) if patch.side == 0 else slice(-1, None)
            flux = face_law.transmittance * (face_law.reference - self._wide_steady(tuple(edge), patch.axis))
            heat = float(np.sum((flux + face_law.imposed) * np.ones(patch.cells.shape))) * patch.area * duration
            found.append(heat - self.sum_behind(patch, integrals))
        return found

    def _change(self, temperature: FloatArray, duration: float) -> tuple[FloatArray, list[float]]:
        """`evolve` over a short time, from the rate of change at its start."""
        rate = (self.space.heat_flow(temperature, self.loads).net / self._capacity).reshape(self.space.shape)
        for axis, modes in enumerate(self.axes):
            rate = modes.forward(rate, axis)
        exponents = duration * self._rates(self.space.shape)
        change, integrals = rate * (duration * phi_1(exponents)), rate * (duration**2 * phi_2(exponents))
        for axis, modes in enumerate(self.axes):
            change = modes.backward(change, axis)
        found = []
        for patch, face_law in zip(self.space.patches, self.loads.face_laws, strict=True):
            flux = np.broadcast_to(face_law.heat_flux(temperature[patch.cells]), patch.cells.shape)
            found.append(float(np.sum(flux)) * patch.area * duration - self.sum_behind(patch, integrals))
        return temperature + change.reshape(-1), found

    def sum_behind(self, patch: Patch, integrals: FloatArray) -> float:
        """U A times the sum over the cells behind a patch of the integrals of modes [J]."""
        if not self._ends[patch.axis, patch.side] > 0.0:
            return 0.0
        summed = integrals
        for axis, modes in enumerate(self.axes):
            weights = modes.end_values[patch.side] if axis == patch.axis else modes.sums
            summed = np.tensordot(weights[: summed.shape[0]], summed, axes=(0, 0))
        return float(self._ends[patch.axis, patch.side] * summed)

    def _wide_steady(self, edge: tuple[slice, ...], axis: int) -> FloatArray:
        """T_s behind the faces of one side of the box, flat."""
        shape = [1 if other == axis else count for other, count in enumerate(self.space.shape)]
        layer = self._steady_field[edge]
        return np.broadcast_to(layer, shape).reshape(-1) if layer.size > 1 else layer.reshape(-1)


def phi_1(exponents: FloatArray) -> FloatArray:
    """(1 - exp(-z)) / z of numbers from 0."""
    is_zero = exponents == 0.0
    out: FloatArray = np.where(is_zero, 1.0, -np.expm1(-exponents) / np.where(is_zero, 1.0, exponents))
    return out


def phi_2(exponents: FloatArray) -> FloatArray:
    """(1 - phi_1(-z)) / z of numbers from 0, by its series where the difference would cancel."""
    small = np.minimum(exponents, 0.5)
    series, term = np.zeros_like(small), np.full_like(small, 0.5)
    for number in range(3, 18):
        series += term
        term = term * (-small / number)
    far = np.maximum(exponents, 0.5)
    out: FloatArray = np.where(exponents < 0.5, series, (1.0 - phi_1(far)) / far)
    return out


def _varies(layer: tuple[slice, ...], part: FloatArray, axis: int) -> bool:
    """Tell whether a load depends on the place along an axis."""
    if layer[axis] != slice(None):
        return True
    return part.shape[axis] > 1 and bool(np.any(np.diff(part, axis=axis)))
