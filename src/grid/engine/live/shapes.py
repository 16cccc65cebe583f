r"""Shares of a heat source in the cells of a body: sums of 1, so that a burst of 10 kJ puts in 10 kJ on any grid.

The share of a cell is the integral of the shape over the cell, not its value at the centre, so a source narrower than a
cell keeps its place and its heat. A Gaussian is a product of one for each axis,

.. math:: \int_a^b e^{-(x-c)^2/2s^2} dx \propto \mathrm{erf}\frac{b-c}{\sqrt2 s} - \mathrm{erf}\frac{a-c}{\sqrt2 s}.
"""

import math

import numpy as np

from grid.engine.live.regions import Mask, along, squared_distance
from grid.engine.problem.domain import Domain
from grid.engine.problem.problem import HeatProblem
from grid.engine.space.mesh import open_coordinates
from grid.engine.values.operations import FloatArray

SAMPLES = 4  # [-] points of a cell along each axis at which a disc is sampled near its edge


def gauss_shares(problem: HeatProblem, centre: tuple[float, ...], deviation: float) -> FloatArray:
    """Integral of a Gaussian over each cell, shape `cells`; not normalised."""
    total = np.ones(problem.domain.cells)
    for axis, at in enumerate(centre):
        edges = _edges(problem.domain, axis)
        scaled: list[float] = ((edges - at) / (math.sqrt(2.0) * deviation)).tolist()
        part = np.diff(np.array([math.erf(edge) for edge in scaled]))
        total *= part.reshape(along(axis, problem.dimension))
    return total


def disc_shares(problem: HeatProblem, centre: tuple[float, ...], radius: float) -> FloatArray:
    """Part of each cell that lies within a distance of a point, shape `cells`, by sampling cells on the edge."""
    domain = problem.domain
    distance = np.sqrt(squared_distance(problem, centre))
    reach = 0.5 * math.sqrt(sum(size * size for size in domain.spacing))
    shares = (distance + reach <= radius).astype(np.float64)
    edge = np.flatnonzero(np.abs(distance - radius) <= reach)
    if not edge.size:
        edge = np.array([int(distance.argmin())])  # a disc within one cell
    index = np.unravel_index(edge, domain.cells)
    inside = np.zeros(edge.size)
    offsets = (np.arange(SAMPLES) + 0.5) / SAMPLES - 0.5
    for point in np.ndindex(*(SAMPLES,) * problem.dimension):
        squared = np.zeros(edge.size)
        for axis, at in enumerate(centre):
            middle = domain.origin[axis] + (index[axis] + 0.5 + offsets[point[axis]]) * domain.spacing[axis]
            squared += (middle - at) ** 2
        inside += squared <= radius * radius
    shares.reshape(-1)[edge] = inside / SAMPLES**problem.dimension
    return shares


def region_shares(mask: Mask) -> FloatArray:
    """The same share in each cell of a region, shape `cells`; not normalised."""
    return mask.astype(np.float64)


def normalise(shares: FloatArray, active: Mask | None) -> FloatArray | None:
    """Flat shares with a sum of 1 over the body; None where no cell of the body has a part."""
    inside: FloatArray = shares if active is None else np.where(active.reshape(shares.shape), shares, 0.0)
    total = float(inside.sum())
    if not total > 0.0:
        return None
    return np.ascontiguousarray(inside / total).reshape(-1)


def nearest_cell(problem: HeatProblem, point: tuple[float, ...]) -> FloatArray:
    """A share of 1 in the cell that holds a point, shape `cells`: a source too narrow for its integral to be told."""
    shares: FloatArray = np.ones(problem.domain.cells)
    for axis, place in enumerate(open_coordinates(problem.domain).values()):
        distance = np.abs(np.asarray(place) - point[axis])
        shares *= distance == distance.min()
    return shares


def _edges(domain: Domain, axis: int) -> FloatArray:
    edges: FloatArray = domain.origin[axis] + np.arange(domain.cells[axis] + 1, dtype=np.float64) * domain.spacing[axis]
    return edges
