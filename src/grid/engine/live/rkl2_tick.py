r"""Ticks of RKL2: one super-step of a fixed number of stages, for every linear problem without a flow.

A tick of S explicit steps' worth takes about :math:`\sqrt{2 z}` stages, z = tick times stiffness
(`grid.engine.methods.rkl2.stepper`), all of them in one wave through memory
(`grid.engine.methods.rkl2.tick_kernels`). The heat through a face is that which the scheme's mean of the temperature
behind it drives, and its sign is that of the whole super-step; so the balance closes to rounding.
"""

from collections import deque
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from grid.core.errors import FieldError
from grid.engine.live.stepping import TickField, TickHeat, Window
from grid.engine.methods.padded.grid import Layout
from grid.engine.methods.rkl2.stages import count_stages, make_weights
from grid.engine.space.laws import Loads
from grid.engine.space.space import Space
from grid.engine.values.operations import FloatArray

POOL = 6  # [-] arrays of temperatures, and of rates, kept for later ticks
SLOTS = 8  # [-] places within a page at which arrays begin, see `Layout.zeros`


@dataclass(frozen=True)
class _Faces:
    """Faces of the boundary that change anything under some loads, in the order of rows (2D) or planes (3D).

    Args:
        begin: For each row or plane where its faces begin, and at the end their number.
        places: Padded places of the cells behind.
        closing: Factor of a difference there in its rate of change [1/s].
        rate: 1/C of the cells [K/J].
        loss: U A [W/K].
        reference: Temperature that is exchanged with [K].
        imposed: Heat [W].
    """

    begin: NDArray[np.int64]
    places: NDArray[np.int64]
    closing: FloatArray
    rate: FloatArray
    loss: FloatArray
    reference: FloatArray
    imposed: FloatArray

    def pack(self, means: FloatArray) -> tuple[Any, ...]:
        """Arrays for the kernels."""
        return (
            self.begin, self.places, self.closing, means, self.rate, self.loss, self.reference, self.imposed
        )  # fmt: skip


@dataclass(frozen=True)
class _Prepared:
    """Loads in the form of the kernels: source over capacity [K/s], its power [W], and faces."""

    loads: Loads
    source: FloatArray
    power: float
    faces: _Faces


@dataclass(frozen=True)
class _Series:
    """Numbers of the stages of a super-step [s], for the kernels."""

    step: float
    table: FloatArray


class Rkl2Tick:
    """One super-step a tick.

    Args:
        space: The discretised problem, or the same with lower conductances.
        tick: Length [s].
        stiffness: Bound of the spectral radius of C^-1 L [1/s] for all loads that may come.
        threads: Slabs that are worked through at the same time.

    Raises:
        FieldError: A property depends on temperature or time, or heat moves otherwise than by conduction along axes.
    """

    name = "rkl2"

    def __init__(self, space: Space, tick: float, stiffness: float, threads: int = 1) -> None:
        problem = space.problem
        values = [value for material in problem.materials for value in material.values]
        if problem.has_phase_change or problem.has_flow or problem.coupled_axes or any(
            {"t", "T"} & value.variables for value in values
        ):  # fmt: skip
            raise FieldError("method", "implicit: super-steps need constant properties, no flow, tensor or melting")
        self.space, self.tick, self.stiffness, self.threads = space, tick, stiffness, threads
        self._fields: deque[FloatArray] = deque(maxlen=POOL)
        self._rates: deque[FloatArray] = deque(maxlen=POOL)
        self._prepared: _Prepared | None = None
        self._made = 0
        self._layout = Layout(space.shape, problem.is_periodic)
        _, _, _, stride, plane, _, first = (int(number) for number in self._layout.sizes[:7])
        self.window = Window(*self._layout.full, plane, stride, first)

    def count_stages(self, substeps: int = 1) -> int:
        """Stages of each super-step of a tick."""
        return count_stages(self.tick / substeps * self.stiffness)

    def wrap(self, temperature: FloatArray, content: FloatArray | None = None) -> TickField:  # noqa: ARG002
        """A flat field in padded rows."""
        from grid.engine.methods.rkl2 import tick_kernels

        values = self._take(self._fields)
        values.reshape(self._layout.shape)[self._layout.inside] = temperature.reshape(self._rows)
        tick_kernels.close(values, self._grid, self._layout.sizes)
        return TickField(values)

    def unwrap(self, field: TickField) -> FloatArray:
        """The flat field, C order, copied."""
        return np.asarray(self._layout.take(field.values), np.float64).copy()

    def advance(self, field: TickField, loads: Loads, tick: float, substeps: int = 1) -> tuple[TickField, TickHeat]:
        """Advance by a tick [s] in `substeps` super-steps.

        The error is the sum over the super-steps of the largest local error of a cell, by the estimate of Rkl2Stepper.
        """
        prepared = self._prepare(loads)
        series = _make_series(count_stages(tick / substeps * self.stiffness), tick / substeps)
        heat = np.zeros(3)
        now = field
        for _ in range(substeps):
            following, moved = self._super_step(now, prepared, series)
            if now is not field:
                self.release(now)
            now, heat = following, heat + moved
        into, away, error = heat.tolist()
        return now, TickHeat(into, away, prepared.power * tick, error, substeps)

    def release(self, field: TickField) -> None:
        """Keep the arrays of a field for later ticks."""
        if field.values.size == int(np.prod(self._layout.shape)):
            self._fields.append(field.values)
            if field.rate is not None:
                self._rates.append(field.rate)

    def find_rise(self, field: TickField, pivot: float) -> float | None:  # noqa: ARG002
        """Return None: capacities are constant."""
        return None

    def _super_step(self, field: TickField, prepared: _Prepared, series: _Series) -> tuple[TickField, FloatArray]:
        """The field after a super-step, and the heat into and out of the body [J] and the error [K]."""
        from grid.engine.methods.rkl2 import tick_kernels

        layout, faces, start = self._layout, prepared.faces, field.values
        owner, loads = field.rate_of or (None, None)
        rate = field.rate if owner is self and loads is prepared.loads else None
        found = self._find_rate(start, prepared) if rate is None else rate
        one, other, after = self._take(self._rates), self._take(self._rates), self._take(self._rates)
        new, means = self._take(self._fields), np.zeros(faces.places.size)
        errors = np.zeros(layout.units, np.int64)
        levels = layout.levels_at_once
        parts = max(1, min(self.threads, layout.units // (2 * levels + 2)))
        run = tick_kernels.advance if parts == 1 else tick_kernels.advance_parallel
        run(
            (found, one, other, start, new, after, prepared.source), self._grid, layout.sizes, series.table,
            self._scale, faces.pack(means), errors, 0.4 * series.step, levels, parts,
        )  # fmt: skip
        self._rates.extend((one, other) if rate is not None else (one, other, found))
        flow = faces.loss * (faces.reference - start[faces.places]) + faces.imposed
        heat = series.step * (flow - faces.loss * means)
        moved = (np.maximum(heat, 0.0).sum(), -np.minimum(heat, 0.0).sum(), errors.max().view(np.float64))
        return TickField(new, rate=after, rate_of=(self, prepared.loads)), np.array(moved)

    def _find_rate(self, field: FloatArray, prepared: _Prepared) -> FloatArray:
        from grid.engine.methods.rkl2 import tick_kernels

        out, unused = self._take(self._rates), np.zeros(prepared.faces.places.size)
        edge = prepared.faces.pack(unused)
        tick_kernels.find_rate(field, prepared.source, out, self._grid, self._layout.sizes, self._scale, edge)
        return out

    def _take(self, pool: deque[FloatArray]) -> FloatArray:
        """An array of a pool, or a new one; ghosts of those for rates are as at first, cells are what they were."""
        try:
            return pool.pop()  # one call, so that two threads never take the same
        except IndexError:
            self._made = (self._made + 1) % SLOTS
            return np.asarray(self._layout.zeros(self._made), np.float64)

    @cached_property
    def _rows(self) -> tuple[int, ...]:
        return (1, *self.space.shape) if len(self.space.shape) == 1 else self.space.shape

    @cached_property
    def _constants(self) -> tuple[float, ...] | None:
        """G of each axis [W/K] where it is one number, in a box of one capacity; else None."""
        space, found = self.space, list[float]()
        if space.active is not None or np.ptp(space.capacity) > 0.0:
            return None
        for axis, conductance in enumerate(space.conductances):
            is_joined = space.problem.is_periodic[axis]
            inner = conductance if is_joined else np.delete(conductance, (0, -1), axis)
            if inner.size and np.ptp(inner) > 0.0:
                return None
            found.append(float(inner.flat[0]) if inner.size else 0.0)
        return tuple(found)

    @cached_property
    def _scale(self) -> tuple[float, float, float]:
        if self._constants is None:
            return (1.0, 0.0, 0.0)
        along, across, depth = (*self._constants[::-1], 0.0, 0.0)[:3]
        rate = float(self.space.rate.flat[0])
        return along * rate, across * rate, depth * rate

    @cached_property
    def _grid(self) -> tuple[Any, ...]:
        layout, is_body = self._layout, len(self.space.shape) == 3
        if self._constants is not None:
            return (np.zeros(1) if is_body else None, None, None, None)
        placed = [layout.place(values, axis, slot=axis) for axis, values in enumerate(self.space.conductances)]
        if len(placed) == 1:
            placed.insert(0, layout.zeros(1))
        rate = layout.place(np.broadcast_to(self.space.rate, self.space.capacity.shape).reshape(self._rows), slot=3)
        return (placed[0] if is_body else None, placed[-2], placed[-1], rate)

    def _prepare(self, loads: Loads) -> _Prepared:
        """The form of loads for the kernels, kept as long as the same object comes."""
        known = self._prepared
        if known is None or known.loads is not loads:
            known = self._prepared = _Prepared(loads, *self._place_source(loads), self._find_faces(loads))
        return known

    def _place_source(self, loads: Loads) -> tuple[FloatArray, float]:
        """The source over the capacity, and its power in the body [W]."""
        if loads.source is None:
            return self._nothing, 0.0
        inside = loads.source if self.space.active is None else loads.source[self.space.active]
        placed = self._layout.place((loads.source * self.space.rate).reshape(self._rows), slot=7)
        return np.asarray(placed, np.float64), float(inside.sum())

    @cached_property
    def _nothing(self) -> FloatArray:
        return np.asarray(self._layout.zeros(7), np.float64)

    def _find_faces(self, loads: Loads) -> _Faces:
        cells = np.concatenate([np.zeros(0, np.intp), *(patch.cells for patch in self.space.patches)])
        numbers = np.zeros((4, cells.size))  # loss, reference, imposed, conductance towards the ghost
        end = 0
        for patch, law in zip(self.space.patches, loads.face_laws, strict=True):
            begin, end = end, end + patch.cells.size
            numbers[0, begin:end], numbers[1, begin:end] = law.transmittance * patch.area, law.reference
            numbers[2, begin:end] = law.imposed * patch.area
            numbers[3, begin:end] = 0.0 if self._constants is None else self._constants[patch.axis]
        per_unit = cells // (self.space.capacity.size // self._layout.units)
        keep = np.flatnonzero((numbers[0] != numbers[3]) | (numbers[0] != 0.0) | (numbers[2] != 0.0))
        order = keep[np.argsort(per_unit[keep], kind="stable")]
        loss, reference, imposed, ghost = np.take(numbers, order, axis=1)  # each contiguous, as the kernels read them
        rate = np.broadcast_to(self.space.rate, self.space.capacity.shape)[cells[order]]
        begin_of = np.searchsorted(per_unit[order], np.arange(self._layout.units + 1)).astype(np.int64)
        places = self._layout.coordinates(cells[order])
        return _Faces(begin_of, places, rate * (ghost - loss), rate, loss, reference, imposed)


@lru_cache(maxsize=64)
def _make_series(stages: int, step: float) -> _Series:
    """Numbers of a super-step: the first difference is a multiple of the rate of change, and not stored."""
    weights = make_weights(stages)
    first = weights[0][3] * step
    heat = _find_heat_weights(stages)
    rows = []
    for level, (mu, nu, _, ahead, back) in enumerate(weights[1:], start=2):
        change = (ahead + back) * step
        if level == 2:
            row = (mu * first + change, 0.0, 0.0, ahead * step * first, heat[1] * first)
        else:
            begun = nu * first if level == 3 else nu
            row = (mu, begun, change, ahead * step, heat[level - 1])
        rows.append(row)
    return _Series(step, np.array(rows).reshape(-1))


@lru_cache(maxsize=64)
def _find_heat_weights(stages: int) -> FloatArray:
    """Shares of the rates of change at stages 0, 1, ... in that of a super-step; their sum is 1."""
    before, last = np.zeros(stages), np.zeros(stages)
    for level, (mu, nu, _, ahead, back) in enumerate(make_weights(stages), start=1):
        following = mu * last + nu * before if level > 1 else np.zeros(stages)
        following[level - 1] += ahead
        following[0] += back
        before, last = last, following
    return last
