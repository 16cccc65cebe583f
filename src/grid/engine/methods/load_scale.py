r"""The span of temperatures that the loads of a run will make, estimated before the run.

A tolerance is a share of a span of temperatures. A body that starts uniform has none; the change by its loads has one.
The heat into each cell at the initial field, as all loads apply it, is added up over blocks of 1, 2, 4, ... cells along
each axis up to the whole body. A block of size l keeps its heat for about :math:`t_l = l^2 / \alpha`, so its
temperature rises by

.. math:: \Delta T_l = \max_t \left| \int_{t - t_l}^{t} \frac{\sum P}{\sum C}\, d\tau \right| ,

and the largest over all sizes counts. For a thin body that is Q / C, for a thick one under a flux
:math:`q \sqrt{t / (k \rho c)}` (0.89 of Carslaw and Jaeger, Conduction of Heat in Solids, 1959, 2.9 eq. 7), and for a
spot of size a in a large body :math:`q a^2 / k`, each within a factor of about two of the rise. The whole body keeps
its heat until it is exchanged. What faces exchange raises no temperature beyond theirs.

An estimate that is too large would loosen the tolerance, so it only stands in for the span that a run has not shown
yet, and the end of a run is judged by what it showed.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from grid.engine.errors import NotConvergedError
from grid.engine.methods.inputs import analyse_inputs
from grid.engine.space.nonlinear import freeze, freeze_start
from grid.engine.values.operations import FloatArray

if TYPE_CHECKING:
    from grid.engine.methods.inputs import MethodInputs
    from grid.engine.space.laws import FaceLaw, Loads
    from grid.engine.space.space import Space

SAMPLES = 96  # [-] samples of the loads over a run at most
SAMPLED_CELLS = 4_000_000  # [-] cells of all samples together at most
ZONE_SAMPLES = 12  # [-] samples at most in a zone that changes more often than that
SLAB = 2.0  # [-] divisor in the rise q L^2 / 2 k of a slab of length L with one face at a fixed temperature


@dataclass(frozen=True)
class _Sample:
    """A time, the duration that it represents [s], and that of a fluctuation about the mean of its zone [s]."""

    time: float
    duration: float
    zone: int
    lasting: float


def estimate_span(space: "Space", inputs: "MethodInputs") -> float:
    """Span that the loads of a run will make [K]; 0 where they have no effect, or it is not known."""
    samples = list(_make_samples(inputs))
    room = min(SAMPLES, max(4, SAMPLED_CELLS // max(space.capacity.size, 1)))
    if len(samples) > room:
        samples = _thin(samples, room)
    try:
        return _estimate(space, samples)
    except NotConvergedError:  # a surface that the run itself will find, or name
        return 0.0


def _make_samples(inputs: "MethodInputs") -> Iterator[_Sample]:
    """Times of the run: thirds of each interval between stop times, more where a load changes within it."""
    loads = analyse_inputs(inputs)
    if not loads.switches and not loads.zones:
        if inputs.problem.has_timed_values or inputs.problem.breakpoints:
            yield from _divide(0, 0.0, inputs.duration, 3, math.inf)
        else:
            yield _Sample(0.5 * inputs.duration, inputs.duration, 0, math.inf)
        return
    marks = np.unique([0.0, *inputs.problem.breakpoints, *loads.switches, *loads.marks, inputs.duration])
    marks = marks[marks <= inputs.duration]
    starts = np.array([zone.start for zone in loads.zones])
    least = 3 if marks.size <= SAMPLES // 3 else 1
    for index, (start, end) in enumerate(zip(marks[:-1].tolist(), marks[1:].tolist(), strict=True)):
        coarse = math.inf
        if starts.size:
            coarse = loads.zones[max(int(np.searchsorted(starts, start, side="right")) - 1, 0)].coarse
        count = least if math.isinf(coarse) else max(least, min(ZONE_SAMPLES, math.ceil((end - start) / coarse)))
        yield from _divide(index, start, end, count, coarse if (end - start) > count * coarse else math.inf)


def _divide(zone: int, start: float, end: float, count: int, lasting: float) -> Iterator[_Sample]:
    """Times within an interval; not at equal distances, at which a wave could have equal values."""
    part = (end - start) / count
    for number in range(count):
        share = 0.5 if math.isinf(lasting) else (0.5 + number * 0.6180339887498949) % 1.0
        yield _Sample(start + (number + share) * part, part, zone, lasting)


def _thin(samples: list[_Sample], room: int) -> list[_Sample]:
    """Some of the samples, each standing for its neighbours as well, and fluctuating as fast as before."""
    chosen = []
    for group in np.array_split(np.arange(len(samples)), room):
        one = samples[int(group[group.size // 2])]
        duration = sum(samples[int(i)].duration for i in group)
        chosen.append(_Sample(one.time, duration, -1, min(one.lasting, one.duration)))
    return chosen


def _estimate(space: "Space", samples: list[_Sample]) -> float:
    start = space.initial_temperature()
    imposed, exchanged, reach, settling = list[FloatArray](), list[FloatArray](), 0.0, math.inf
    times = _keeping_times(space)
    (frozen, loads), known = freeze_start(space), _Known()
    blocks = _Blocks(len(times)), _Blocks(len(times))
    for sample in samples:
        frozen, loads = _follow(frozen, loads, sample.time)
        given, taken, difference, lost = _heats(frozen, loads, start, sample.time, known)
        imposed.append(blocks[0].find_largest_rates(frozen, given))
        exchanged.append(blocks[1].find_largest_rates(frozen, taken))
        reach = max(reach, difference)
        settling = min(settling, lost)
    times = [min(time, settling) for time in times]
    rise = _largest_rise(np.array(imposed), times, samples)
    return max(rise, min(reach, _largest_rise(np.array(exchanged), times, samples)))


def _follow(frozen: "Space", loads: "Loads", time: float) -> tuple["Space", "Loads"]:
    """Coefficients and loads of the start at another time; half cells stay, where laws do not depend on them."""
    problem = frozen.problem
    if problem.is_linear:
        return frozen, frozen.loads(time)
    properties = [value for material in problem.materials for value in material.values]
    timed = [any("t" in value.variables for value in (*law.values.values(), *properties)) for law in frozen.boundaries]
    bent = [not law.is_linear or any("T" in v.variables for v in law.values.values()) for law in frozen.boundaries]
    is_bent_in_time = any(one and other for one, other in zip(timed, bent, strict=True))
    if is_bent_in_time or any("t" in value.variables for value in properties):
        return freeze(frozen, frozen.initial_temperature(), time)
    face_laws = [
        frozen.face_law(index, time) if is_timed else loads.face_laws[index] for index, is_timed in enumerate(timed)
    ]
    source, given = loads.source, problem.source_term
    if "t" in given.variables:
        source = frozen.source_heat(time, frozen.initial_temperature().reshape(frozen.shape))
    return frozen, replace(loads, face_laws=tuple(face_laws), source=source)


_Known = dict[int, tuple["FaceLaw", FloatArray, float, float]]


def _heats(
    space: "Space", loads: "Loads", start: FloatArray, time: float, known: _Known
) -> tuple[FloatArray, FloatArray, float, float]:
    """Heat flows of each cell at the start, and the scales of the response.

    Args:
        known: Stores the results of closures between calls.

    Returns:
        Heat given and heat exchanged with each cell [W], the largest difference of temperatures that drives the latter
        [K], and the time in which the whole body loses the memory of its start [s].
    """
    given, taken = np.zeros_like(start), np.zeros_like(start)
    if loads.source is not None:
        given += loads.source
    difference, exchange, sides = 0.0, 0.0, [0] * len(space.shape)
    for index, (patch, face_law) in enumerate(zip(space.patches, loads.face_laws, strict=True)):
        if index not in known or known[index][0] is not face_law:
            near, held = start[patch.cells], 0.0
            is_exchanged = bool(np.any(face_law.transmittance))
            if is_exchanged:
                held = float(np.sum(face_law.transmittance * np.ones(patch.cells.shape)) * patch.area)
            reach = _find_reach(space, index, face_law, near, time) if is_exchanged else 0.0
            known[index] = face_law, face_law.heat_flux(near) * patch.area, reach, held
        _, heat, reach, held = known[index]
        (taken if held else given)[patch.cells] += heat
        if held:
            difference, exchange = max(difference, reach), exchange + held
            sides[patch.axis] += 1
    if not exchange > 0.0:
        return given, taken, difference, math.inf
    inside = float(space.capacity.sum()) / exchange
    slabs = [
        (size / count) ** 2 / (SLAB * diffusivity)
        for size, count, diffusivity in zip(space.problem.domain.size, sides, _diffusivities(space), strict=True)
        if count
    ]
    return given, taken, difference, inside + min(slabs)


def _find_reach(space: "Space", index: int, face_law: "FaceLaw", start: FloatArray, time: float) -> float:
    """Largest change of the cells behind a face from their temperature at the start that the face could cause [K]."""
    values, patch = space.boundaries[index].values, space.patches[index]
    around = values.get("surroundings")
    if around is None or "T" in around.variables:
        share = np.where(face_law.transmittance > 0.0, face_law.transmittance, 1.0)
        ends = [face_law.reference + face_law.imposed / share]
    else:
        ends = [around.evaluate({**patch.coordinates, "t": np.float64(time)})]
        ends += [face_law.reference] if "ambient" in values else []
    return max(float(np.abs(end - start).max(initial=0.0)) for end in ends)


def _diffusivities(space: "Space") -> list[float]:
    """Mean conductivity over mean heat capacity along each axis [m2/s]."""
    volume = math.prod(space.problem.domain.spacing) * space.problem.domain.section
    inside = space.capacity if space.active is None else space.capacity[space.active]
    stored = float(inside.mean()) / volume
    return [max(float(np.mean(k)), 1e-300) / stored for k in space.conductivity]


def _keeping_times(space: "Space") -> list[float]:
    """l^2 / alpha for blocks of 1, 2, 4, ... cells along each axis [s]; infinite for the whole body."""
    shape, spacing, found = space.shape, space.problem.domain.spacing, list[float]()
    size = 1
    while size < max(shape):
        along = [
            (size * step) ** 2 / diffusivity
            for count, step, diffusivity in zip(shape, spacing, _diffusivities(space), strict=True)
            if size < count
        ]
        found.append(min(along))
        size *= 2
    return [*found, math.inf]


@dataclass
class _Blocks:
    """Blocks of 1, 2, 4, ... cells along each axis, with what is known of the last heat: many loads stay as they are.

    Args:
        levels: Sizes of blocks.
    """

    levels: int
    _capacities: tuple[FloatArray, list[FloatArray]] | None = None
    _last: tuple[FloatArray, FloatArray] | None = None

    def find_largest_rates(self, space: "Space", heat: FloatArray) -> FloatArray:
        """The largest rate of change among the blocks of each size, with its sign [K/s], shape (levels,)."""
        if not heat.any():
            return np.zeros(self.levels)
        capacities = self._find_capacities(space)
        if self._last is not None and np.array_equal(self._last[0], heat):
            return self._last[1]
        power, found = heat.reshape(space.shape), list[float]()
        for level, capacity in enumerate(capacities):
            power = _pair(power) if level else power
            rates = np.divide(power, capacity, out=np.zeros_like(power), where=capacity > 0.0)
            found.append(float(rates.flat[int(np.abs(rates).argmax())]))
        self._last = heat, np.array(found)
        return self._last[1]

    def _find_capacities(self, space: "Space") -> list[FloatArray]:
        """Heat capacities of the blocks of each size [J/K]."""
        if self._capacities is None or self._capacities[0] is not space.capacity:
            own = [space.capacity.reshape(space.shape)]
            for _ in range(self.levels - 1):
                own.append(_pair(own[-1]))
            self._capacities, self._last = (space.capacity, own), None
        return self._capacities[1]


def _pair(field: FloatArray) -> FloatArray:
    """Sums of neighbours along every axis; a last one without neighbour stands alone."""
    for axis in range(field.ndim):
        lines = np.moveaxis(field, axis, 0)
        sums = lines[::2].copy()
        sums[: len(lines) // 2] += lines[1::2]
        field = np.moveaxis(sums, 0, axis)
    return field


def _largest_rise(rates: FloatArray, times: list[float], samples: list[_Sample]) -> float:
    """The largest change of any block within the time in which it keeps its heat [K]."""
    durations = np.array([sample.duration for sample in samples])
    lasting = np.array([sample.lasting for sample in samples])
    zones = np.array([sample.zone for sample in samples])
    clock, largest = np.concatenate([[0.0], np.cumsum(durations)]), 0.0
    for level, keeping in enumerate(times):
        rate = rates[:, level].copy()
        for zone in np.unique(zones[np.isfinite(lasting)]):  # more changes than samples: their mean, and one change
            own = zones == zone
            mean = float(rate[own].mean())
            largest = max(largest, float((np.abs(rate[own] - mean) * np.minimum(keeping, 4.0 * lasting[own])).max()))
            rate[own] = mean
        total = np.concatenate([[0.0], np.cumsum(rate * durations)])
        begin = np.interp(np.maximum(clock - keeping, 0.0), clock, total) if math.isfinite(keeping) else total[:1]
        largest = max(largest, float(np.abs(total - begin).max()))
    return largest
