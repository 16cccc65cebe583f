"""Loads that are given as functions of time, as a method applies them, for the audit of the loads."""

from dataclasses import dataclass

import numpy as np

from grid.engine.problem.timed_loads import find_timed_loads
from grid.engine.space.fields import SpaceFields
from grid.engine.values.operations import FloatArray, Operand
from grid.engine.values.value import Table, Value

BLOCK = 1_000_000  # [-] values that are computed at one time


@dataclass(frozen=True)
class PrescribedLoad:
    """A load that is given as a function of time, and of place on a face.

    Args:
        path: Name of the field.
        value: Value of the load.
        coordinates: Those of the faces that it acts on, or of points within them; empty where it is the same
            everywhere.
        is_absolute: True where the value zero is the absence of the load.
        weights: Shares of the points, which add up to 1; None where all are alike.
    """

    path: str
    value: Value
    coordinates: dict[str, Operand]
    is_absolute: bool
    weights: FloatArray | None = None

    def at(self, time: float) -> float:
        """Compute the mean over the faces at a time [s]."""
        if isinstance(self.value, Table):
            return float(self.sample(np.array([time]))[0])
        values = np.asarray(self.value.evaluate({**self.coordinates, "t": np.float64(time)}), np.float64)
        return float(values.mean()) if self.weights is None else float(values @ self.weights)

    def sample(self, times: FloatArray) -> FloatArray:
        """Compute the mean over the faces at many times, shape (times,)."""
        if isinstance(self.value, Table):
            knots, values = self.value.arrays
            if self.value.interpolation == "linear":
                return np.asarray(np.interp(times, knots, values))
            return np.asarray(values[np.maximum(np.searchsorted(knots, times, side="right") - 1, 0)])
        count = max((int(np.size(place)) for place in self.coordinates.values()), default=1)
        block, found = max(1, BLOCK // count), list[FloatArray]()
        for first in range(0, times.size, block):
            part = times[first : first + block].reshape(-1, 1)
            values = np.asarray(self.value.evaluate({**self.coordinates, "t": part}), np.float64)
            values = np.broadcast_to(values, (part.size, max(values.shape[-1], 1)))
            found.append(values.mean(axis=1) if self.weights is None else values @ self.weights)
        return np.concatenate(found) if found else np.zeros(0)


def find_prescribed(space: SpaceFields) -> tuple[PrescribedLoad, ...]:
    """Find the loads of a space that are given as functions of time."""
    found = []
    for load in find_timed_loads(space.problem):
        names = load.value.variables
        patches = [index for index, patch in enumerate(space.patches) if patch.name == load.patch]
        if "T" in names or not (patches or load.path == "source_term"):
            continue
        if load.is_common:
            found.append(PrescribedLoad(load.path, load.value, {}, load.is_absolute))
        elif patches and (points := _find_points(space, patches[0])) is not None:
            coordinates = {name: place for name, place in points[0].items() if name in names}
            found.append(PrescribedLoad(load.path, load.value, coordinates, load.is_absolute, points[1]))
    return tuple(found)


def _find_points(space: SpaceFields, index: int) -> tuple[dict[str, Operand], FloatArray | None] | None:
    """Find the points at which the scheme takes a load of a patch, and their shares; None where they move."""
    patch = space.patches[index]
    coordinates = {name: np.broadcast_to(place, patch.cells.shape) for name, place in patch.coordinates.items()}
    means = space.face_means_of(index) if space.boundaries[index].has_fluxes else None
    if means is None:
        return {**coordinates}, None
    if means.has_moving_points:
        return None
    rule = means.find_rule(0.0)
    if rule is None:
        return {**coordinates}, None
    alone = np.ones(patch.cells.size, bool)
    alone[rule.cells] = False
    joined: dict[str, Operand] = {
        name: np.concatenate([place[alone], rule.coordinates[name]]) for name, place in coordinates.items()
    }
    return joined, np.concatenate([np.ones(int(alone.sum())), rule.weight]) / alone.size
