"""Temperatures between the cells of a masked body, by moving least squares over centres and surface points nearby.

A linear field is met exactly, a smooth one to third order where there are enough neighbours for a parabola.
Neighbours are taken from the material of the nearest one, so a fit does not extend across an interface.
"""

import numpy as np

from grid.core.errors import FieldError
from grid.engine.problem.domain import AXES
from grid.engine.space.interpolation import surface_temperature
from grid.engine.space.laws import FaceLaw
from grid.engine.space.mesh import open_coordinates
from grid.engine.space.space import Space
from grid.engine.values.operations import FloatArray

# [-] relative to the range of the neighbours: height by which a smooth maximum between them may exceed them
HILL = 0.125
RADIUS = 2.3  # [-] cells to the farthest neighbour; enough for a parabola on the edge of a body


def scatter(space: Space, temperature: FloatArray, face_laws: tuple[FaceLaw, ...]) -> tuple[FloatArray, FloatArray]:
    """Collect points with a known temperature: positions and material, shape (n, dimension + 1), and values."""
    domain = space.problem.domain
    inside = np.ones(temperature.size, bool) if space.active is None else space.active
    region = np.zeros(temperature.size) if space.region is None else space.region.reshape(-1).astype(np.float64)
    centre = open_coordinates(domain)
    columns = [np.broadcast_to(centre[axis], domain.cells).reshape(-1)[inside] for axis in AXES[: domain.dimension]]
    positions, values = [np.stack([*columns, region[inside]], axis=1)], [temperature[inside]]
    for patch in space.patches:
        rows = [np.broadcast_to(patch.coordinates[axis], patch.cells.shape) for axis in AXES[: domain.dimension]]
        positions.append(np.stack([*rows, region[patch.cells]], axis=1))
    return np.concatenate(positions), np.concatenate([*values, scatter_surfaces(space, temperature, face_laws)])


def scatter_surfaces(space: Space, temperature: FloatArray, face_laws: tuple[FaceLaw, ...]) -> FloatArray:
    """Compute the temperatures of all surface points, in the order of `scatter`."""
    found = [surface_temperature(space, temperature, index, face_law) for index, face_law in enumerate(face_laws)]
    return np.concatenate(found) if found else np.zeros(0)


def moving_least_squares(
    positions: FloatArray, values: FloatArray, point: tuple[float, ...], spacing: tuple[float, ...]
) -> float:
    """Fit a polynomial to the neighbours of a point, nearer ones with more weight, and return its value there.

    Raises:
        FieldError: The point is farther than a cell from every point of the body.
    """
    offset = (positions[:, :-1] - np.array(point)) / np.array(spacing)
    distance = np.sqrt((offset**2).sum(axis=1))
    nearest = int(np.argmin(distance))
    if np.abs(offset[nearest]).max() > 0.5 + 1e-6:
        raise FieldError("at", "a point of the body [m]")
    if distance[nearest] < 1e-9:
        return float(values[distance < 1e-9].mean())  # several faces may meet in a point
    near = (distance <= RADIUS) & (positions[:, -1] == positions[nearest, -1])
    x, weight = offset[near], 1.0 / (distance[near] ** 2 + 0.01)
    columns = [np.ones(len(x)), *x.T]
    if near.sum() >= (x.shape[1] + 1) * (x.shape[1] + 2):
        columns += [x[:, i] * x[:, j] for i in range(x.shape[1]) for j in range(i, x.shape[1])]
    scale = np.sqrt(weight)
    solution = np.linalg.lstsq(np.stack(columns, axis=1) * scale[:, None], values[near] * scale, rcond=None)[0]
    low, high = float(values[near].min()), float(values[near].max())
    hill = HILL * (high - low)
    return min(max(float(solution[0]), low - hill), high + hill)
