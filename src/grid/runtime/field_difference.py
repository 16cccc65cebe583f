"""Difference of two fields of one body on the coarser of their grids, by conservative restriction. Loads NumPy.

A value is the mean of its cell; a node's cell reaches half way to its neighbours, and no further than the body. A mean
on a coarser grid is weighted with the lengths that cells share along each axis, so that integrals over the body stay.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from grid.core.errors import AdmissionError, FieldError
from grid.runtime.records import RecordReader
from grid.schemas.fields import MOST_CELLS, FieldAxis, FieldPart, RecordField

FloatArray = NDArray[np.float64]
SAME = 1e-9  # [-] of a length: two ends that are closer are one
ZERO_OF = {"K": 0.0, "degC": 273.15}  # [K]


class IncomparableError(Exception):
    """Two fields whose difference has no meaning; the argument says why, in a sentence."""


@dataclass(frozen=True)
class Sampled:
    """A field at one time, in memory.

    Args:
        field: What it is of.
        time_s: Simulated [s].
        values: NaN where there is no value; an axis for each of the field's.
    """

    field: RecordField
    time_s: float
    values: FloatArray


@dataclass(frozen=True)
class FieldDifference:
    """The second field less the first.

    Args:
        values: NaN where one of them has no value.
        axes: Of the grid: along each axis those of the coarser field.
        unit: Of the values.
        first, second: Both fields on this grid.
        weights: Length, area or volume of the cells, shape of the values.
    """

    values: FloatArray
    axes: tuple[FieldAxis, ...]
    unit: str
    first: FloatArray
    second: FloatArray
    weights: FloatArray

    @property
    def largest(self) -> tuple[int, ...] | None:
        """Place of the value that is furthest from 0; None where no cell has one."""
        size = np.abs(self.values)
        if np.isnan(size).all():
            return None
        return tuple(int(place) for place in np.unravel_index(int(np.nanargmax(size)), size.shape))

    @property
    def root_mean_square(self) -> float | None:
        """Root of the mean square over the body."""
        known = ~np.isnan(self.values)
        total = float(self.weights[known].sum())
        if total <= 0.0:
            return None
        return math.sqrt(float((self.weights[known] * self.values[known] ** 2).sum()) / total)

    def position(self, place: tuple[int, ...]) -> dict[str, float]:
        """Return where a value lies, by the names of the axes [m]."""
        return {axis.name: float(_centres(axis)[at]) for axis, at in zip(self.axes, place, strict=True)}


def choose_part(field: RecordField, time: str | int, near_s: float | None = None) -> FieldPart:
    """Return the values of a field at a time.

    Args:
        field: The field.
        time: `last`, or a place in the list of its times.
        near_s: In place of these, the kept time that is nearest [s].

    Raises:
        FieldError: There is no such time.
    """
    if near_s is not None:
        return min(field.parts, key=lambda part: abs(part.time_s - near_s))
    last = len(field.parts) - 1
    place = last if time == "last" else int(time)
    if place > last:
        raise FieldError("time", f"last, or 0 to {last}")
    return field.parts[place]


def sample(record: RecordReader, field: RecordField, part: FieldPart) -> Sampled:
    """Read a field at one time.

    Raises:
        AdmissionError: It has more than 4,194,304 values.
    """
    cells = math.prod(field.shape)
    if cells > MOST_CELLS:
        raise AdmissionError("cells of a field to compare", cells, MOST_CELLS, "cells")
    values = record.rows(part, 0, field.shape[0]).astype(np.float64)
    if field.body is not None:
        values[~field.body(0, field.shape[0])] = np.nan
    return Sampled(field, part.time_s, values)


def subtract(first: Sampled, second: Sampled) -> FieldDifference:
    """Subtract the first field from the second, on the coarser of both grids along each axis.

    Raises:
        IncomparableError: They differ in axes, size or meaning.
    """
    shift = _find_shift(first.field, second.field)
    pairs = list(zip(first.field.axes, second.field.axes, strict=True))
    axes = tuple(min(pair, key=lambda axis: axis.count) for pair in pairs)
    a, b = (_restrict(one.values, one.field.axes, axes) for one in (first, second))
    b = b + shift
    weights = np.ones(())
    for axis in axes:
        weights = np.multiply.outer(weights, np.diff(_edges(axis)))
    unit = "K" if first.field.unit in ZERO_OF else first.field.unit
    return FieldDifference(b - a, axes, unit, a, b, weights)


def _find_shift(first: RecordField, second: RecordField) -> float:
    """Return what is added to the second field for the unit of the first."""
    if len(first.axes) != len(second.axes):
        raise IncomparableError(f"One field has {len(first.axes)} axes, the other {len(second.axes)}.")
    for one, other in zip(first.axes, second.axes, strict=True):
        ends, others = _edges(one)[[0, -1]], _edges(other)[[0, -1]]
        if np.abs(ends - others).max() > SAME * float(np.ptp(ends)):
            lengths = " and ".join(f"{low:g} to {high:g} {one.unit}" for low, high in (ends, others))
            raise IncomparableError(f"The bodies differ along {one.name}: {lengths}.")
    if first.title != second.title:
        raise IncomparableError(f"One field is {first.title.lower()}, the other {second.title.lower()}.")
    if first.unit == second.unit:
        return 0.0
    if not {first.unit, second.unit} <= ZERO_OF.keys():
        raise IncomparableError(f"One field is in {first.unit}, the other in {second.unit}.")
    return ZERO_OF[second.unit] - ZERO_OF[first.unit]


def _edges(axis: FieldAxis) -> FloatArray:
    """Return the ends of the cells along an axis, ascending."""
    if axis.at == "cell" and axis.values is None:
        return np.asarray((axis.origin or 0.0) + np.arange(axis.count + 1) * (axis.spacing or 0.0))
    nodes = _centres(axis)
    return np.concatenate([nodes[:1], (nodes[1:] + nodes[:-1]) / 2, nodes[-1:]])


def _centres(axis: FieldAxis) -> FloatArray:
    """Return the positions of the values along an axis."""
    if axis.values is not None:
        return np.asarray(axis.values, dtype=np.float64)
    shift = 0.5 if axis.at == "cell" else 0.0
    return np.asarray((axis.origin or 0.0) + (np.arange(axis.count) + shift) * (axis.spacing or 0.0))


def _restrict(values: FloatArray, axes: tuple[FieldAxis, ...], coarse: tuple[FieldAxis, ...]) -> FloatArray:
    """Return conservative means on a coarser grid, NaN where no cell below has a value."""
    if axes == coarse:
        return values
    known = ~np.isnan(values)
    sums, weights = np.where(known, values, 0.0), known.astype(np.float64)
    for number, (fine, target) in enumerate(zip(axes, coarse, strict=True)):
        if fine != target:
            sums, weights = (_sum_along(array, number, _edges(fine), _edges(target)) for array in (sums, weights))
    weights[weights <= 0.0] = np.nan
    means: FloatArray = sums / weights
    return means


def _sum_along(values: FloatArray, axis: int, fine: FloatArray, coarse: FloatArray) -> FloatArray:
    """Integrate piecewise constant values over the cells of another grid with the same ends, along one axis."""
    inner = coarse[1:-1]
    edges = np.unique(np.concatenate([fine, inner[(inner > fine[0]) & (inner < fine[-1])]]))
    middle = (edges[1:] + edges[:-1]) / 2
    source = np.clip(np.searchsorted(fine, middle) - 1, 0, len(fine) - 2)
    target = np.clip(np.searchsorted(coarse, middle) - 1, 0, len(coarse) - 2)
    lengths = np.diff(edges).reshape([-1 if number == axis else 1 for number in range(values.ndim)])
    starts = np.searchsorted(target, np.arange(len(coarse) - 1))
    pieces = np.take(values, source, axis=axis) * lengths
    return np.asarray(np.add.reduceat(pieces, starts, axis=axis))
