"""The finite-volume form of a problem: capacities, conductances, boundary closures and sources.

For a cell i with capacity C_i = rho c V [J/K], neighbours j over faces of conductance G_ij [W/K] and boundary faces
of area A, the balance that every method advances is

    C_i dT_i/dt = sum_j G_ij (T_j - T_i) + sum_faces A (U (R - T_i) + F) + V q_i

G_ij is the series of two half cells, A / (d/(2 k_i) + d/(2 k_j)): the harmonic mean, exact for layers in 1D (S. V.
Patankar, Numerical Heat Transfer and Fluid Flow, 1980, section 4.2-3). What leaves one cell enters the next to the
last bit, so heat is conserved to rounding. U, R and F are the boundary law with the surface temperature eliminated
(grid.engine.boundaries).
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any
from weakref import ref

import numpy as np
from numpy.typing import NDArray

from grid.core.errors import FieldError
from grid.engine import limits
from grid.engine.boundaries import Boundary, Robin
from grid.engine.carrying import Correction
from grid.engine.limits import Limit
from grid.engine.mesh import Patch, after_first, before_last, cell_volume, first, inner, last, open_places
from grid.engine.problem import HeatProblem
from grid.engine.survey import Measure, is_large, sum_up, survey, survey_large
from grid.engine.tensor import Coupling, along_surface, cross_flux
from grid.engine.values import Constant, FloatArray, Gridded, Operand, Value

if TYPE_CHECKING:
    from grid.engine.cell_means import CellMeans
    from grid.engine.joints import FaceMeans
    from grid.engine.load_audit import PrescribedLoad
    from grid.engine.varying import Variation

CELSIUS_ZERO = 273.15  # K


@dataclass(frozen=True)
class Closure:
    """q_n = transmittance (reference - T_P) + imposed, for each face of a patch; each a scalar or shape (faces,)."""

    transmittance: Operand  # U, W/(m2 K)
    reference: Operand  # R
    imposed: Operand  # F, W/m2

    def heat_flux(self, temperature: FloatArray) -> FloatArray:
        """q_n [W/m2] into the body, from the temperatures of the cells behind the faces."""
        flux: FloatArray = self.transmittance * (self.reference - temperature) + self.imposed
        return flux


@dataclass(frozen=True)
class Loads:
    """Everything that acts on the body at one time."""

    closures: tuple[Closure, ...]  # one for each patch
    source: FloatArray | None  # V q [W], shape (cells in all,)
    operator_key: bytes  # equal keys mean equal transmittances, hence equal matrices
    prescribed: tuple[float, ...] = ()  # what loads that are given over time are, see `grid.engine.load_audit`


@dataclass(frozen=True)
class HeatFlow:
    """Net heat into each cell, and its totals by origin [W]."""

    net: FloatArray  # shape (cells in all,)
    boundary_in: float
    boundary_out: float
    generated: float
    faces: tuple[FloatArray, ...] = ()  # into the cells behind each patch, shape (faces,) each
    prescribed: tuple[float, ...] = ()  # of the loads


@dataclass
class Space:
    """A problem on its grid. Made by `discretise`; nothing in it changes afterwards but caches.

    Args:
        problem: What is discretised.
        capacity: rho c V [J/K], shape (cells in all,).
        conductivity: For each axis, k [W/(m K)], broadcastable to `cells`.
        region: Index of the material of each cell, shape `cells`; None for one material.
        conductances: For each axis, G [W/K] between neighbours, shape `cells` with one more along the axis; zero on the
            two outer faces unless the axis is periodic, where both hold the face that joins them.
        patches: Boundary faces with a law, in the order x_min, x_max, y_min, ...
        half_conductance: For each patch 2 k / d [W/(m2 K)], shape (faces,).
        active: Which cells belong to a masked body, flat; None if all do. The others have no capacity and no
            conductance.
        couplings: Off-diagonal entries of the conductivity tensor, see `grid.engine.tensor`.
        face_means: For each axis the mean conductivities beside its faces; empty where no conductivity varies.
        correction: What the flow of a transient adds to the matrix, see `grid.engine.carrying`; None without one.
    """

    problem: HeatProblem
    capacity: FloatArray
    conductivity: tuple[FloatArray, ...]
    region: NDArray[np.int16] | None
    conductances: tuple[FloatArray, ...]
    patches: tuple[Patch, ...]
    half_conductance: tuple[FloatArray, ...]
    active: NDArray[np.bool_] | None = None
    couplings: tuple[Coupling, ...] = ()
    face_means: "tuple[FaceMeans, ...]" = ()
    correction: Correction | None = None
    _constant_loads: Loads | None = field(default=None, repr=False)
    _measured: tuple[ref[FloatArray], Measure] | None = field(default=None, repr=False)
    matrices: dict[bytes, Any] = field(default_factory=dict, repr=False)  # of a tensor that is constant, by films
    variation: "Variation | None" = field(default=None, repr=False)  # what varies, once it was asked for

    @property
    def shape(self) -> tuple[int, ...]:
        return self.problem.domain.cells

    @cached_property
    def boundaries(self) -> tuple[Boundary, ...]:
        return tuple(self.problem.boundary(patch.name) for patch in self.patches)

    @cached_property
    def has_constant_loads(self) -> bool:
        values = [self.problem.source_term, *(v for b in self.boundaries for v in b.values.values())]
        return not any("t" in value.variables for value in values)

    @property
    def has_source(self) -> bool:
        return self.problem.source_term != Constant(0.0)

    @cached_property
    def body_cells(self) -> NDArray[np.intp]:
        """Flat indices of the cells of the body, increasing."""
        return np.arange(self.capacity.size) if self.active is None else np.flatnonzero(self.active)

    @property
    def body_count(self) -> int:
        """How many `body_cells` there are, without a list of them."""
        return self.capacity.size if self.active is None else int(np.count_nonzero(self.active))

    @cached_property
    def common_capacity(self) -> float | None:
        """C of a cell [J/K] where it is the same number for all of them in memory, else None."""
        return float(self.capacity[0]) if not any(self.capacity.strides) and self.capacity.size else None

    @cached_property
    def total_capacity(self) -> float:
        """Sum of C [J/K]."""
        common = self.common_capacity
        return float(self.capacity.sum()) if common is None else common * self.capacity.size

    def measure(self, temperature: FloatArray) -> Measure:
        """Extremes, heat-weighted mean and heat of a flat field; NaN spreads to all."""
        if self._measured is not None and self._measured[0]() is temperature:
            return self._measured[1]
        common = self.common_capacity
        if common is None or not is_large(temperature):
            low, high, heat = survey(temperature, None if common is not None else self.capacity)
            return Measure(low, high, (heat if common is None else common * heat) / self.total_capacity)
        return self._measure_found(*survey_large(temperature, self.pivot))

    @cached_property
    def pivot(self) -> float:
        """The temperature above which the heat of a large field is summed, so that little is lost to rounding."""
        return float(self.initial_temperature()[0])

    def _measure_found(self, low: float, high: float, rise: float) -> Measure:
        common = self.total_capacity / self.capacity.size
        return Measure(low, high, self.pivot + rise / self.capacity.size, common * rise)

    def remember(self, temperature: FloatArray, low: float, high: float, rise: float) -> None:
        """Keep what a method found of a large field while it made it: extremes, and the sum of its cells above `pivot`.

        Good for as long as the array is the last one remembered, and lives.
        """
        self._measured = ref(temperature), self._measure_found(low, high, rise)

    def heat_content(self, temperature: FloatArray, beside: FloatArray | None = None) -> float:
        """Sum of C T of a flat field [J], or of its difference to another; by blocks, without fields in between."""
        common = self.common_capacity
        total = sum_up(temperature, beside, None if common is not None else self.capacity)
        return total if common is None else common * total

    def loads(self, time: float) -> Loads:
        """The boundary closures and the source at a time [s].

        Raises:
            FieldError: A value that is used there is not finite or outside its limits.
        """
        if self._constant_loads is not None:
            return self._constant_loads
        closures = tuple(self.closure(index, time) for index in range(len(self.patches)))
        key = b"".join(np.asarray(closure.transmittance, np.float64).tobytes() for closure in closures)
        loads = Loads(closures, self.source_heat(time), key, self.prescribed(time))
        if self.has_constant_loads:
            self._constant_loads = loads
        return loads

    def prescribed(self, time: float) -> tuple[float, ...]:
        """Each load that is given as a function of time, as it is at a time; its mean over the faces of a patch."""
        if not self.problem.has_timed_values:
            return ()
        return tuple(load.at(time) for load in self.prescribed_loads)

    @cached_property
    def prescribed_loads(self) -> "tuple[PrescribedLoad, ...]":
        """The loads of `prescribed`."""
        from grid.engine.load_audit import find_prescribed

        return find_prescribed(self)

    def closure(self, index: int, time: float) -> Closure:
        """The closure of a patch at a time [s], of a law that does not depend on the surface temperature."""
        law = self.robin(index, time, 0.0)
        return close(law, self.half_conductance[index])

    def robin(self, index: int, time: float, surface: Operand) -> Robin:
        """The law of a patch at a time [s]; one that is not linear is taken at the surface temperatures given."""
        return self.law(index, time)(surface)

    def law(self, index: int, time: float) -> Callable[[Operand], Robin]:
        """The law of a patch at a time [s] as a function of its surface temperatures.

        Of its values only those that depend on temperature are evaluated again.
        """
        patch, boundary = self.patches[index], self.boundaries[index]
        places = {**patch.places, "t": np.float64(time)}
        offset = CELSIUS_ZERO if self.problem.temperature_unit == "degC" else 0.0
        values, known = boundary.values, dict[str, Operand]()

        def evaluate(name: str, surface: Operand) -> Operand:
            if name in known:
                return known[name]
            limit = boundary.limits[name]
            if limit == limits.TEMPERATURE:
                limit = limits.temperature_limit(self.problem.temperature_unit)
            path = f"boundaries.{patch.name}.{name}"
            found = evaluate_checked(path, values[name], {**places, "T": surface}, limit)
            if boundary.type == "flux" and (means := self.face_means_of(index)) is not None:
                faces = patch.cells.shape
                found = means.correct(np.broadcast_to(found, faces), time, np.broadcast_to(surface, faces))
            if "T" not in values[name].variables:
                known[name] = found
            return found

        def robin(surface: Operand) -> Robin:
            def at(name: str, rise: Operand = 0.0, /) -> Operand:
                return evaluate(name, surface + rise)

            return boundary.robin(at, surface, offset)

        return robin

    def source_heat(self, time: float, temperature: Operand = 0.0) -> FloatArray | None:
        """V q [W] at a time, flat; None where there is no source."""
        if not self.has_source:
            return None
        places = {**open_places(self.problem.domain), "t": np.float64(time), "T": temperature}
        density = evaluate_checked("source_term", self.problem.source_term, places, limits.HEAT_SOURCE, self._inside)
        if (means := self._source_means()) is not None:
            centre = np.broadcast_to(density, self.shape).reshape(-1)
            at = np.broadcast_to(np.asarray(temperature, np.float64), self.shape).reshape(-1)
            density = means.correct(centre, time, at).reshape(self.shape)
        full = np.broadcast_to(density * cell_volume(self.problem.domain), self.shape)
        if self._inside is not None:
            full = np.where(self._inside, full, 0.0)
        return np.ascontiguousarray(full).reshape(-1)

    def face_means_of(self, index: int) -> "CellMeans | None":
        """The means of a flux over the faces of a patch, found once for a problem; None where centres are enough."""
        known, key = self.problem.load_means, f"patch {index}"
        if key not in known:
            from grid.engine.cell_means import make_face_means

            known[key] = make_face_means(self.problem, self.patches[index], self.boundaries[index].values["value"])
        return known[key]

    @property
    def has_source_means(self) -> bool:
        """Whether the source is integrated over cells, because its values at their centres are not enough."""
        return self._source_means() is not None

    def _source_means(self) -> "CellMeans | None":
        """The means of the source over cells, found once for a problem; None where the centres are enough."""
        known = self.problem.load_means
        if "source_term" not in known:
            from grid.engine.cell_means import is_patterned, make_source_means

            is_plain = not is_patterned(self.problem.source_term)
            known["source_term"] = (
                None if is_plain else make_source_means(self.problem, self.initial_temperature(), self.active)
            )
        return known["source_term"]

    def heat_flow(self, temperature: FloatArray, loads: Loads) -> HeatFlow:
        """The right-hand side of the balance for a flat field of temperatures."""
        net = self.conduct(temperature)
        total_in = total_out = 0.0
        surfaces: list[FloatArray] = []
        faces: list[FloatArray] = []
        for index, (patch, closure) in enumerate(zip(self.patches, loads.closures, strict=True)):
            conducted, rise = self.boundary_flux(index, temperature, closure)
            surface = temperature[patch.cells] + rise
            surfaces.append(surface)
            heat = (conducted + self._inflow(patch) * surface) * patch.area
            net[patch.cells] += heat
            faces.append(heat)
            into, out = split_signs(heat)
            total_in, total_out = total_in + into, total_out + out
        if self.couplings:
            net += self._cross_heat(temperature, surfaces)
        if self.correction is not None:
            from grid.engine.limiting import add_correction

            net += add_correction(self, self.correction, temperature, surfaces)
        generated = 0.0
        if loads.source is not None:
            net += loads.source
            generated = float(loads.source.sum())
        return HeatFlow(net, total_in, total_out, generated, tuple(faces), loads.prescribed)

    def boundary_flux(self, index: int, temperature: FloatArray, closure: Closure) -> tuple[FloatArray, FloatArray]:
        """q_n [W/m2] into the body through each face of a patch, and T_s - T_P of the half cell behind it [K]."""
        half = self.half_conductance[index]
        conducted = closure.heat_flux(temperature[self.patches[index].cells])
        if not self.couplings:
            return conducted, conducted / half
        along = along_surface(self, index, temperature, closure)
        conducted = conducted + closure.transmittance / half * along
        return conducted, (conducted - along) / half

    def _cross_heat(self, temperature: FloatArray, surfaces: list[FloatArray]) -> FloatArray:
        """Net heat into each cell that gradients along the faces drive [W], flat."""
        net = np.zeros(self.shape)
        for axis, flux in enumerate(cross_flux(self, temperature, surfaces)):
            net -= np.diff(flux, axis=axis) * cell_volume(self.problem.domain) / self.problem.domain.spacing[axis]
        return net.reshape(-1)

    def conduct(self, temperature: FloatArray) -> FloatArray:
        """Net conducted heat into each cell from its neighbours [W], flat."""
        field_ = temperature.reshape(self.shape)
        net = np.zeros(self.shape)
        for axis, conductance in enumerate(self.conductances):
            carried = self.carried(axis)
            flow = conductance[inner(axis)] * np.diff(field_, axis=axis)
            if carried:
                flow -= carried * field_[before_last(axis)]
            net[before_last(axis)] += flow
            net[after_first(axis)] -= flow
            if self.problem.is_periodic[axis]:
                joint = (
                    conductance[first(axis)] * (field_[last(axis)] - field_[first(axis)]) + carried * field_[last(axis)]
                )
                net[first(axis)] += joint
                net[last(axis)] -= joint
        return net.reshape(-1)

    def diagonal(self, loads: Loads) -> FloatArray:
        """Sum of all conductances of each cell [W/K], flat: what limits an explicit step."""
        total = np.zeros(self.shape)
        for axis, conductance in enumerate(self.conductances):
            total += conductance[before_last(axis)]
            total += conductance[after_first(axis)]
            leaving = slice(None) if self.problem.is_periodic[axis] else before_last(axis)
            total[leaving] += self.carried(axis)
        flat = total.reshape(-1)
        for index, (patch, closure) in enumerate(zip(self.patches, loads.closures, strict=True)):
            inflow = self._inflow(patch)
            share = 1.0 + inflow / self.half_conductance[index]
            flat[patch.cells] += (closure.transmittance * share - inflow) * patch.area
        return flat

    def carried(self, axis: int) -> float:
        """rho c v A [W/K] along an axis: what the flow carries through one face for each kelvin."""
        return self.problem.carried(axis) * cell_volume(self.problem.domain) / self.problem.domain.spacing[axis]

    def _inflow(self, patch: Patch) -> float:
        """rho c v into the body [W/(m2 K)]."""
        return self.problem.carried(patch.axis) * (1.0 if patch.side == 0 else -1.0)

    @cached_property
    def initial_measure(self) -> Measure:
        """Extremes and mean of the field at t = 0."""
        return self.measure(self.initial_temperature())

    def initial_temperature(self) -> FloatArray:
        """The field at t = 0, or from which a steady state is sought; flat, and evaluated once.

        Raises:
            FieldError: Not finite, or below absolute zero, somewhere.
        """
        return self._initial_temperature

    @cached_property
    def _initial_temperature(self) -> FloatArray:
        start = None if self.problem.steady else self.problem.initial
        value, name = (start, "initial") if start is not None else (self.problem.guess, "guess")
        limit = limits.temperature_limit(self.problem.temperature_unit)
        places = open_places(self.problem.domain)
        if isinstance(value, Gridded) and self.active is None:
            field_ = value.evaluate(places)  # its cells were looked at when the problem was made
        else:
            field_ = evaluate_checked(name, value, places, limit, self._inside)
        return self.fill(np.ascontiguousarray(np.broadcast_to(field_, self.shape), np.float64).reshape(-1))

    @property
    def _inside(self) -> NDArray[np.bool_] | None:
        return None if self.active is None else self.active.reshape(self.shape)

    def fill(self, temperature: FloatArray) -> FloatArray:
        """Give the cells outside a masked body its mean, which is never an extreme and keeps the field finite."""
        if self.active is None:
            return temperature
        inside = temperature[self.active]
        return np.where(self.active, temperature, np.mean(inside))

    def spread(self, fields: FloatArray) -> FloatArray:
        """Fields of the cells of the body, shape (fields, body cells), as fields of all cells, filled outside."""
        if self.active is None:
            return fields
        out = np.empty((len(fields), self.capacity.size))
        out[:] = fields.mean(axis=1)[:, None]
        out[:, self.body_cells] = fields
        return out

    @cached_property
    def rate(self) -> FloatArray:
        """1 / C [K/J], flat; 0 outside a masked body."""
        if self.active is None:
            return 1.0 / self.capacity
        return np.where(self.active, 1.0 / np.where(self.active, self.capacity, 1.0), 0.0)


def add_prescribed(before: tuple[float, ...], loads: Loads, step: float) -> tuple[float, ...]:
    """Sums of the prescribed loads with one more step at which they were as they are [unit of the load times s]."""
    if not loads.prescribed:
        return ()
    return tuple(
        one + step * value
        for one, value in zip(before or (0.0,) * len(loads.prescribed), loads.prescribed, strict=True)
    )


def close(law: Robin, half: FloatArray) -> Closure:
    """Eliminate the surface temperature between a law and the half cell behind it."""
    film = np.asarray(law.film, np.float64)
    endless = np.isinf(film)
    finite = np.where(endless, 0.0, film)
    total = np.where(endless | (half + finite == 0.0), 1.0, half + finite)  # a strong inflow leaves no half cell
    share = np.where(endless, 1.0, finite / total)
    return Closure(half * share, law.reference, law.imposed * (1.0 - share))


def split_signs(heat: FloatArray) -> tuple[float, float]:
    """Sum of what is positive, and minus the sum of what is negative."""
    into = float(np.maximum(heat, 0.0).sum())
    return into, into - float(heat.sum())


def evaluate_checked(
    path: str, value: Value, places: dict[str, Operand], limit: Limit, used: NDArray[np.bool_] | None = None
) -> Operand:
    """Evaluate a value where it is used; what is not finite or outside the limit is refused by name."""
    result = np.asarray(value.evaluate(places), dtype=np.float64)
    if used is not None and result.ndim:
        result = np.where(used, result, np.broadcast_to(result, used.shape)[used][0])  # elsewhere nobody asks
    low, high = (result.min(), result.max()) if result.size else (0.0, 0.0)  # NaN spreads to both
    if not (limit.allows(float(low)) and limit.allows(float(high))):
        raise FieldError(path, f"everywhere {limit}")
    return result if result.ndim else np.float64(result)


def stable_time_step(space: Space, loads: Loads) -> float:
    """The largest step that keeps the maximum principle [s]; infinite where nothing conducts."""
    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
        limit = np.divide(space.capacity, space.diagonal(loads))
    return float(np.min(limit if space.active is None else limit[space.active]))


def box_bounds(space: Space, loads: Loads) -> tuple[float, float] | None:
    """Of a homogeneous box, without making a field: the stable step [s] and Gershgorin's bound of C^-1 L [1/s].

    The largest diagonal entry is at most the sum of the largest of each axis, and just that where films are uniform.
    """
    common, axes = space.common_capacity, range(len(space.shape))
    is_open = all(not stride for axis in axes for stride in np.delete(space.conductances[axis].strides, axis))
    if common is None or not is_open or space.couplings or space.problem.has_flow:
        return None
    whole = conducted = 0.0
    for axis in axes:
        line = space.conductances[axis][tuple(slice(None) if other == axis else 0 for other in axes)]
        inner_sum = line[:-1] + line[1:]
        total = inner_sum.copy()
        for patch, closure in zip(space.patches, loads.closures, strict=True):
            if patch.axis == axis:
                total[0 if patch.side == 0 else -1] += float(np.max(closure.transmittance)) * patch.area
        whole, conducted = whole + float(total.max()), conducted + float(inner_sum.max())
    return common / whole if whole > 0.0 else math.inf, (whole + conducted) / common
