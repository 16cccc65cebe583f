"""Data of a discretised problem: capacities, conductances, faces, and the initial field."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Self, TypeVar
from weakref import ref

import numpy as np
from numpy.typing import NDArray

from grid.engine import limits
from grid.engine.problem.boundaries import Boundary
from grid.engine.problem.fields import ProblemFields
from grid.engine.problem.problem import HeatProblem
from grid.engine.space.cell_means import CellMeans
from grid.engine.space.laws import Correction, Coupling, FaceMeans, Loads, Overlay, evaluate_checked
from grid.engine.space.load_means import is_patterned, make_face_means, make_source_means
from grid.engine.space.measure import Measure, is_large, measure_field, measure_large_field, weighted_sum
from grid.engine.space.mesh import Patch, cell_volume, open_coordinates
from grid.engine.values.operations import FloatArray
from grid.engine.values.value import Constant, Gridded

Found = TypeVar("Found")


def _load_means(_problem: ProblemFields) -> dict[str, CellMeans | None]:
    """Store of the means of loads over cells and faces by their paths, filled on demand."""
    return {}


@dataclass
class SpaceFields:
    """Data of a problem on its grid, and properties that follow from them without a law of the boundary.

    Args:
        problem: Problem that is discretised.
        capacity: rho c V [J/K], shape (cells in all,).
        conductivity: For each axis, k [W/(m K)], broadcastable to `cells`.
        region: Index of the material of each cell, shape `cells`; None for one material.
        conductances: For each axis, G [W/K] between neighbours, shape `cells` with one more along the axis; zero on the
            two outer faces unless the axis is periodic, where both hold the face that joins them.
        patches: Boundary faces with a law, in the order x_min, x_max, y_min, ...
        half_conductance: For each patch 2 k / d [W/(m2 K)], shape (faces,).
        active: True in cells of a masked body, flat; None if all belong to it. The others have no capacity and no
            conductance.
        couplings: Off-diagonal entries of the conductivity tensor, see `grid.engine.space.tensor`.
        face_means: For each axis the mean conductivities beside its faces; empty where no conductivity varies.
        correction: Part of a transient's flow outside the matrix, see `grid.engine.space.carrying`; None without one.
        overlay: What acts beside the problem; None outside live runs.
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
    face_means: tuple[FaceMeans, ...] = ()
    correction: Correction | None = None
    overlay: Overlay | None = None
    _constant_loads: Loads | None = field(default=None, repr=False)
    _measured: tuple[ref[FloatArray], Measure] | None = field(default=None, repr=False)
    matrices: dict[bytes, Any] = field(default_factory=dict, repr=False)  # matrices of a constant tensor, by films
    found: dict[Callable[..., Any], Any] = field(default_factory=dict, repr=False)  # results of `once`
    # results that follow from the body alone, and whether runs of a batch share them: see
    # `grid.engine.space.body_sharing`
    shared: dict[Any, Any] = field(default_factory=dict, repr=False)
    is_shared: bool = field(default=False, repr=False)

    @property
    def shape(self) -> tuple[int, ...]:
        """Cells along each axis."""
        return self.problem.domain.cells

    @cached_property
    def boundaries(self) -> tuple[Boundary, ...]:
        """Condition of each patch."""
        return tuple(self.problem.boundary(patch.name) for patch in self.patches)

    def once(self, find: Callable[[Self], Found]) -> Found:
        """Call a function with this space the first time, and return the same result for all copies by `replace`."""
        if find not in self.found:
            self.found[find] = find(self)
        found: Found = self.found[find]
        return found

    @property
    def has_source(self) -> bool:
        """True where there is a source."""
        is_added = self.overlay is not None and self.overlay.source is not None
        return is_added or self.problem.source_term != Constant(0.0)

    @cached_property
    def body_cells(self) -> NDArray[np.intp]:
        """Flat indices of the cells of the body, increasing."""
        return np.arange(self.capacity.size) if self.active is None else np.flatnonzero(self.active)

    @property
    def body_count(self) -> int:
        """Number of `body_cells`, without a list of them."""
        return self.capacity.size if self.active is None else int(np.count_nonzero(self.active))

    @cached_property
    def parts(self) -> dict[float, NDArray[np.int32]]:
        """Numbers of the parts of the body, by the conductance that joins them; filled on demand."""
        return {}

    @cached_property
    def common_capacity(self) -> float | None:
        """C of a cell [J/K] where one number in memory serves all of them, else None."""
        return float(self.capacity[0]) if not any(self.capacity.strides) and self.capacity.size else None

    @cached_property
    def total_capacity(self) -> float:
        """Sum of C [J/K]."""
        common = self.common_capacity
        return float(self.capacity.sum()) if common is None else common * self.capacity.size

    def measure(self, temperature: FloatArray) -> Measure:
        """Measure a flat field: extremes, heat-weighted mean and heat; NaN spreads to all."""
        measured = self._measured  # another thread may store that of another field meanwhile
        if measured is not None and measured[0]() is temperature:
            return measured[1]
        common = self.common_capacity
        if common is None or not is_large(temperature):
            low, high, heat = measure_field(temperature, None if common is not None else self.capacity)
            return Measure(low, high, (heat if common is None else common * heat) / self.total_capacity)
        return self._measure_found(*measure_large_field(temperature, self.pivot))

    @cached_property
    def pivot(self) -> float:
        """Temperature above which the heat of a large field is summed, which reduces rounding."""
        return float(self.initial_temperature()[0])

    def _measure_found(self, low: float, high: float, rise: float) -> Measure:
        common = self.total_capacity / self.capacity.size
        return Measure(low, high, self.pivot + rise / self.capacity.size, common * rise)

    def remember(self, temperature: FloatArray, low: float, high: float, rise: float) -> None:
        """Store results of a method for a large field: extremes, and the sum of its cells above `pivot`.

        Valid as long as the array is the last one remembered, and exists.
        """
        self.keep_measure(temperature, self._measure_found(low, high, rise))

    def keep_measure(self, temperature: FloatArray, measure: Measure) -> None:
        """Store the measure of a field; valid as long as its array exists and is the last one stored."""
        self._measured = ref(temperature), measure

    def measure_all(self, fields: FloatArray) -> list[Measure]:
        """Measure several small fields, shape (fields, cells), to the same bytes as one by one."""
        common = self.common_capacity
        heat = fields.sum(axis=1) if common is not None else (fields * self.capacity).sum(axis=1)
        mean = (heat if common is None else common * heat) / self.total_capacity
        columns = fields.min(axis=1), fields.max(axis=1), mean
        return list(map(Measure, *(column.tolist() for column in columns)))

    def heat_content(self, temperature: FloatArray, beside: FloatArray | None = None) -> float:
        """Sum C T of a flat field [J], or of its difference to another; by blocks, without intermediate fields."""
        common = self.common_capacity
        total = weighted_sum(temperature, beside, None if common is not None else self.capacity)
        return total if common is None else common * total

    def face_means_of(self, index: int) -> CellMeans | None:
        """Find the means of a flux over the faces of a patch, once for a problem; None where centres are enough."""
        known, key = self.problem.once(_load_means), f"patch {index}"
        if key not in known:
            known[key] = make_face_means(self.problem, self.patches[index], self.boundaries[index].flux_values[0])
        return known[key]

    @property
    def has_source_means(self) -> bool:
        """True where the source is integrated over cells, because its values at their centres are not enough."""
        return self.source_means() is not None

    def source_means(self) -> CellMeans | None:
        """Find the means of the source over cells, once for a problem; None where the centres are enough."""
        known = self.problem.once(_load_means)
        if "source_term" not in known:
            is_plain = not is_patterned(self.problem.source_term)
            known["source_term"] = (
                None if is_plain else make_source_means(self.problem, self.initial_temperature(), self.active)
            )
        return known["source_term"]

    def carried(self, axis: int) -> float:
        """Heat that the flow carries through one face for each kelvin, rho c v A [W/K] along an axis."""
        return self.problem.carried(axis) * cell_volume(self.problem.domain) / self.problem.domain.spacing[axis]

    def inflow(self, patch: Patch) -> float:
        """Heat capacity flow rho c v into the body [W/(m2 K)]."""
        return self.problem.carried(patch.axis) * (1.0 if patch.side == 0 else -1.0)

    @cached_property
    def initial_measure(self) -> Measure:
        """Extremes and mean of the field at t = 0."""
        return self.measure(self.initial_temperature())

    def initial_temperature(self) -> FloatArray:
        """Evaluate the field at t = 0, or the guess of a steady state; flat, and evaluated once.

        Raises:
            FieldError: Not finite, or below absolute zero, somewhere.
        """
        return self._initial_temperature

    @cached_property
    def _initial_temperature(self) -> FloatArray:
        start = None if self.problem.steady else self.problem.initial
        value, name = (start, "initial") if start is not None else (self.problem.guess, "guess")
        limit = limits.temperature_limit(self.problem.temperature_unit)
        coordinates = open_coordinates(self.problem.domain)
        if isinstance(value, Gridded) and self.active is None:
            field_ = value.evaluate(coordinates)  # its cells were checked when the problem was made
        else:
            field_ = evaluate_checked(name, value, coordinates, limit, self.inside)
        return self.fill(np.ascontiguousarray(np.broadcast_to(field_, self.shape), np.float64).reshape(-1))

    @property
    def inside(self) -> NDArray[np.bool_] | None:
        """The cells of a masked body, shape `cells`; None if all belong to it."""
        return None if self.active is None else self.active.reshape(self.shape)

    def fill(self, temperature: FloatArray) -> FloatArray:
        """Set the cells outside a masked body to its mean, which is never an extreme and is finite."""
        if self.active is None:
            return temperature
        inside = temperature[self.active]
        return np.where(self.active, temperature, np.mean(inside))

    def spread(self, fields: FloatArray) -> FloatArray:
        """Extend fields of the cells of the body, shape (fields, body cells), to all cells, filled outside."""
        if self.active is None:
            return fields
        out = np.empty((len(fields), self.capacity.size))
        out[:] = fields.mean(axis=1)[:, None]
        out[:, self.body_cells] = fields
        return out

    @cached_property
    def rate(self) -> FloatArray:
        """Inverse of C [K/J], flat; 0 outside a masked body."""
        if self.active is None:
            return 1.0 / self.capacity
        return np.where(self.active, 1.0 / np.where(self.active, self.capacity, 1.0), 0.0)
