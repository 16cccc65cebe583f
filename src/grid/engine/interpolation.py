"""Temperatures and fluxes between cell centres.

A field is widened by one layer of surface values on each side (ghost cells where the axis is periodic) and interpolated
axis by axis with cubic polynomials, which never reach across an interface of materials: there the common temperature of
both sides ends one piece and begins the next.
"""

from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from grid.engine.materials import contact_resistance
from grid.engine.mesh import centres
from grid.engine.space import Closure, Space
from grid.engine.values import FloatArray

Index = tuple[slice | int, ...]

STENCIL = 4  # nodes of a cubic
REACH = 4  # nodes kept on either side of a point
SLACK = 1e-6  # of a cell: what is on an interface, where a side of it is asked for
JUMP = 1.5  # ratio of neighbouring conductivities that counts as an interface even within one material


@dataclass(frozen=True)
class Nodes:
    """Positions along one axis at which the widened field has values [m], shape (cells + 2,)."""

    position: FloatArray
    spacing: float


def make_nodes(space: Space, axis: int) -> Nodes:
    """Surfaces and centres along an axis; ghost centres instead of surfaces where it is periodic."""
    domain = space.problem.domain
    middle = centres(domain, axis)
    ends = np.array([domain.origin[axis], domain.origin[axis] + domain.size[axis]])
    if space.problem.is_periodic[axis]:
        half = 0.5 * domain.spacing[axis]
        ends = ends + np.array([-half, half])
    return Nodes(np.concatenate([ends[:1], middle, ends[1:]]), domain.spacing[axis])


def widen(space: Space, temperature: FloatArray, closures: tuple[Closure, ...]) -> FloatArray:
    """The field with one more layer on every side, shape (cells + 2 along each axis)."""
    cells = space.shape
    field = temperature.reshape(cells)
    wide = np.zeros(tuple(count + 2 for count in cells))
    core = (slice(1, -1),) * len(cells)
    wide[core] = field
    held: set[tuple[int, int]] = set()
    for index, (patch, closure) in enumerate(zip(space.patches, closures, strict=True)):
        layer: Index = (*core[: patch.axis], -patch.side, *core[patch.axis + 1 :])
        surface = surface_temperature(space, temperature, index, closure)
        wide[layer] = surface.reshape(wide[layer].shape)
        if space.boundaries[index].type == "temperature":
            held.add((patch.axis, patch.side))
    for axis, periodic in enumerate(space.problem.is_periodic):
        if periodic:
            low: Index = (*core[:axis], 0, *core[axis + 1 :])
            high: Index = (*core[:axis], -1, *core[axis + 1 :])
            wide[low], wide[high] = np.take(field, -1, axis=axis), np.take(field, 0, axis=axis)
    _fill_edges(wide, held)
    return wide


def surface_temperature(space: Space, temperature: FloatArray, index: int, closure: Closure) -> FloatArray:
    r"""Surface temperature behind each face of a patch [K], shape (faces,).

    From the flux, T_s = T_P + q_n / g; where the next cell is of the same material, a parabola through both centres
    with the slope that the flux prescribes, which is exact for a uniform source.
    """
    patch = space.patches[index]
    near = temperature[patch.cells]
    _, slope = space.boundary_flux(index, temperature, closure)  # T_s - T_P of the half cell: q_n d / (2 k)
    if space.boundaries[index].type == "temperature":
        return np.broadcast_to(np.asarray(closure.reference, np.float64), near.shape)
    stride = int(np.prod(space.shape[patch.axis + 1 :]))
    if space.shape[patch.axis] < 2:
        return near + slope
    along = np.unravel_index(patch.cells, space.shape)[patch.axis]
    exists = (along < space.shape[patch.axis] - 1) if patch.side == 0 else (along > 0)
    behind = np.where(exists, patch.cells + (stride if patch.side == 0 else -stride), patch.cells)
    k = np.broadcast_to(space.conductivity[patch.axis], space.shape).reshape(-1)
    region = None if space.region is None else space.region.reshape(-1)
    same = exists & (not space.problem.has_flow) & is_smooth(k[patch.cells], k[behind])
    if region is not None:
        same &= region[patch.cells] == region[behind]
    curvature = temperature[behind] - near + 2.0 * slope  # 2 c d2 of T = a + b s + c s2 with b d = -2 slope
    next_face = 1 if patch.side == 0 else space.shape[patch.axis] - 1
    same &= contact_resistance(space.problem, patch.axis)[next_face] == 0
    return np.where(same, near + slope - curvature / 8.0, near + slope)


def is_smooth(k_a: FloatArray, k_b: FloatArray) -> NDArray[np.bool_]:
    """Whether two neighbouring conductivities belong to one smooth material."""
    return np.maximum(k_a, k_b) <= JUMP * np.minimum(k_a, k_b)


def _fill_edges(wide: FloatArray, held: set[tuple[int, int]]) -> None:
    """Edges and corners by parabolas along the faces that meet there; faces of given temperature go first."""
    dimension = wide.ndim
    for count in range(2, dimension + 1):
        for ends in product((None, 0, 1), repeat=dimension):
            at_end = [axis for axis in range(dimension) if ends[axis] is not None]
            if len(at_end) != count:
                continue
            fixed = [a for a in at_end if any((b, ends[b]) in held for b in at_end if b != a)]
            along = fixed or at_end
            index = tuple(slice(1, -1) if end is None else -end for end in ends)
            wide[index] = sum(_extrapolate(wide, index, axis) for axis in along) / len(along)


def _extrapolate(wide: FloatArray, index: tuple[slice | int, ...], axis: int) -> FloatArray:
    """Value at the end of an axis from the (up to three) nearest centres, half, one and a half, ... cells away."""
    sign = 1 if index[axis] == 0 else -1
    start = 1 if sign == 1 else wide.shape[axis] - 2
    weights = {1: (1.0,), 2: (1.5, -0.5)}.get(wide.shape[axis] - 2, (1.875, -1.25, 0.375))
    parts = [weight * wide[(*index[:axis], start + sign * n, *index[axis + 1 :])] for n, weight in enumerate(weights)]
    total: FloatArray = np.asarray(sum(parts))
    return total


def interpolate(space: Space, wide: FloatArray, point: tuple[float, ...], side: str | None = None) -> float:
    """The widened field at a point of the box, to third order in smooth places.

    On a contact, `side` says which limit is meant: `low` or `high` along its axis.
    """
    values, materials, pieces, windows = wide, [], [], []
    for axis, coordinate in enumerate(point):
        nodes = make_nodes(space, axis)
        nearest = int(np.searchsorted(nodes.position, coordinate))
        window = slice(max(nearest - REACH, 0), min(nearest + REACH, nodes.position.size))
        values = values[(slice(None),) * axis + (window,)]
        windows.append(window)
        pieces.append((nodes.position[window], nodes.spacing))
        materials.append(np.clip(np.arange(window.start, window.stop) - 1, 0, space.shape[axis] - 1))
    cells = np.ix_(*materials)
    regions = np.zeros(values.shape, np.int16) if space.region is None else space.region[cells]
    conductivity = [np.broadcast_to(k, space.shape)[cells] for k in space.conductivity]
    for axis in reversed(range(len(point))):
        position, spacing = pieces[axis]
        own = int(np.clip(np.searchsorted(materials[axis], _cell(space, axis, point[axis])), 0, position.size - 1))
        window = slice(windows[axis].start, windows[axis].stop - 1)  # between node n and the next lies face n
        jumps = contact_resistance(space.problem, axis)[window]
        slack = {"low": -SLACK, "high": SLACK}.get(side or "", 0.0) * spacing
        values = _reduce(Line(position, spacing, jumps, slack), values, conductivity[axis], regions, point[axis])
        regions = regions[..., own]
        conductivity = [k[..., own] for k in conductivity]
    return float(values)


def _cell(space: Space, axis: int, coordinate: float) -> int:
    domain = space.problem.domain
    return min(max(int((coordinate - domain.origin[axis]) / domain.spacing[axis]), 0), domain.cells[axis] - 1)


@dataclass(frozen=True)
class Line:
    """Nodes along an axis, and the contact resistance between each and the next [m2 K/W].

    An interface no farther above a point than `slack` [m] counts as below it; where that is negative, one no farther
    below as above it.
    """

    position: FloatArray
    spacing: float
    jumps: FloatArray
    slack: float = 0.0


def _reduce(nodes: Line, values: FloatArray, k: FloatArray, regions: NDArray[np.int16], at: float) -> FloatArray:
    """Interpolate along the last axis, line by line."""
    lines = values.reshape(-1, values.shape[-1])
    k_lines, region_lines = k.reshape(lines.shape), regions.reshape(lines.shape)
    out = [_line(nodes, *line, at) for line in zip(lines, k_lines, region_lines, strict=True)]
    return np.array(out).reshape(values.shape[:-1])


def _line(line: Line, values: FloatArray, k: FloatArray, region: NDArray[np.int16], at: float) -> float:
    """One line: cut it at interfaces, take the piece that holds the point, and its nearest nodes."""
    cut = (region[1:] != region[:-1]) | ~is_smooth(k[1:], k[:-1]) | (line.jumps > 0)
    low, high = 0, values.size
    head: list[tuple[float, float]] = []
    tail: list[tuple[float, float]] = []
    for index in np.flatnonzero(cut):
        where = float(line.position[index] + 0.5 * line.spacing)
        below, above = 0.5 * line.spacing / k[index], 0.5 * line.spacing / k[index + 1]
        flux = (values[index + 1] - values[index]) / (below + above + line.jumps[index])
        if where <= at + line.slack:
            low, head = int(index) + 1, [(where, float(values[index + 1] - flux * above))]
        else:
            high, tail = int(index) + 1, [(where, float(values[index] + flux * below))]
            break
    nodes = [*head, *zip(line.position[low:high].tolist(), values[low:high].tolist(), strict=True), *tail]
    nearest = sorted(nodes, key=lambda node: abs(node[0] - at))[:STENCIL]
    return _lagrange(nearest, at)


def _lagrange(nodes: list[tuple[float, float]], at: float) -> float:
    total = 0.0
    for i, (x_i, value) in enumerate(nodes):
        weight = 1.0
        for j, (x_j, _) in enumerate(nodes):
            if i != j:
                weight *= (at - x_j) / (x_i - x_j)
        total += weight * value
    return total
