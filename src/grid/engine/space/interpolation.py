"""Temperatures and fluxes between cell centres.

A field is widened by one layer of surface values on each side (ghost cells where the axis is periodic) and interpolated
axis by axis with cubic polynomials, which never reach across an interface of materials: there the common temperature of
both sides ends one piece and begins the next.
"""

import math
from bisect import bisect_left
from dataclasses import dataclass
from itertools import pairwise, product

import numpy as np
from numpy.typing import NDArray

from grid.engine.space.discretise import contact_resistance
from grid.engine.space.laws import FaceLaw
from grid.engine.space.mesh import centres
from grid.engine.space.space import Space
from grid.engine.values.operations import FloatArray

Index = tuple[slice | int, ...]

STENCIL = 4  # [-] nodes of a cubic
REACH = 4  # [-] nodes on either side of a point that are considered
HILL = 2.0  # [-] multiple of a parabola's height between two points by which a value may exceed both
SMOOTH = 2.0  # [-] ratio of the curvatures of neighbouring cells up to which a field counts as smooth
SLACK = 1e-6  # [-] relative to a cell: distance of a point on an interface, where one side of it is specified
JUMP = 1.5  # [-] ratio of neighbouring conductivities that counts as an interface even within one material


@dataclass(frozen=True)
class Nodes:
    """Positions along one axis at which the widened field has values [m], shape (cells + 2,)."""

    position: FloatArray
    spacing: float


def make_nodes(space: Space, axis: int) -> Nodes:
    """Make surfaces and centres along an axis; ghost centres instead of surfaces where it is periodic."""
    domain = space.problem.domain
    middle = centres(domain, axis)
    ends = np.array([domain.origin[axis], domain.origin[axis] + domain.size[axis]])
    if space.problem.is_periodic[axis]:
        half = 0.5 * domain.spacing[axis]
        ends = ends + np.array([-half, half])
    return Nodes(np.concatenate([ends[:1], middle, ends[1:]]), domain.spacing[axis])


def widen(space: Space, temperature: FloatArray, face_laws: tuple[FaceLaw, ...]) -> FloatArray:
    """Extend the field by one layer on every side, shape (cells + 2 along each axis)."""
    cells = space.shape
    field = temperature.reshape(cells)
    wide = np.zeros(tuple(count + 2 for count in cells))
    core = (slice(1, -1),) * len(cells)
    wide[core] = field
    laws: dict[tuple[int, int], Law] = {}
    for index, (patch, face_law) in enumerate(zip(space.patches, face_laws, strict=True)):
        layer: Index = (*core[: patch.axis], -patch.side, *core[patch.axis + 1 :])
        surface = surface_temperature(space, temperature, index, face_law)
        wide[layer] = surface.reshape(wide[layer].shape)
        laws[patch.axis, patch.side] = _make_law(space, temperature, index, face_law)
    for axis, periodic in enumerate(space.problem.is_periodic):
        if periodic:
            low: Index = (*core[:axis], 0, *core[axis + 1 :])
            high: Index = (*core[:axis], -1, *core[axis + 1 :])
            wide[low], wide[high] = np.take(field, -1, axis=axis), np.take(field, 0, axis=axis)
    _fill_edges(wide, laws)
    return wide


def surface_temperature(space: Space, temperature: FloatArray, index: int, face_law: FaceLaw) -> FloatArray:
    r"""Compute the surface temperature behind each face of a patch [K], shape (faces,).

    From the flux, T_s = T_P + q_n / g; where the next cell is of the same material, a parabola through both centres
    with the slope that the flux prescribes, which is exact for a uniform source. Where the curvature grows inwards, as
    ahead of a front that the cells do not resolve, its weight is reduced, see `weigh_curvature`.
    """
    patch = space.patches[index]
    near = temperature[patch.cells]
    if space.boundaries[index].holds_temperature:
        return np.broadcast_to(np.asarray(face_law.reference, np.float64), near.shape)
    _, slope = space.boundary_flux(index, temperature, face_law)  # T_s - T_P of the half cell: q_n d / (2 k)
    same, farther = _inward(space, index)
    stride = int(np.prod(space.shape[patch.axis + 1 :])) * (1 if patch.side == 0 else -1)
    one = temperature[np.where(same, patch.cells + stride, patch.cells)]
    two = temperature[np.where(farther, patch.cells + 2 * stride, patch.cells)]
    curvature = one - near + 2.0 * slope  # 2 c d2 of T = a + b s + c s2 with b d = -2 slope
    inside = np.where(farther, two - 2.0 * one + near, curvature)
    return np.where(same, near + slope - weigh_curvature(curvature, inside, slope) * curvature / 8.0, near + slope)


def _inward(space: Space, index: int) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Tell for each face of a patch whether two, and three, cells behind are of one smooth material without contact."""
    if not space.problem.is_linear:
        return _find_inward(space, index)
    key = _find_inward, index
    if key not in space.shared:
        space.shared[key] = _find_inward(space, index)
    found: tuple[NDArray[np.bool_], NDArray[np.bool_]] = space.shared[key]
    return found


def _find_inward(space: Space, index: int) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    patch, count = space.patches[index], space.shape[space.patches[index].axis]
    stride = int(np.prod(space.shape[patch.axis + 1 :])) * (1 if patch.side == 0 else -1)
    along = np.unravel_index(patch.cells, space.shape)[patch.axis]
    left = count - 1 - along if patch.side == 0 else along  # number of cells farther in
    k = np.broadcast_to(space.conductivity[patch.axis], space.shape).reshape(-1)
    region = None if space.region is None else space.region.reshape(-1)
    resistance = contact_resistance(space.problem, patch.axis)
    found = [np.full(patch.cells.shape, not space.problem.has_flow)]
    for step in (0, 1):
        exists = left > step
        low = np.where(exists, patch.cells + step * stride, patch.cells)
        high = np.where(exists, low + stride, low)
        face = np.clip(along + (step + 1 if patch.side == 0 else -step), 0, count)
        joined = found[-1] & exists & is_smooth(k[low], k[high]) & (resistance[face] == 0.0)
        found.append(joined if region is None else joined & (region[low] == region[high]))
    return found[1], found[2]


def weigh_curvature(curvature: FloatArray, inside: FloatArray, slope: FloatArray) -> FloatArray:
    r"""Weight of the curvature beside a surface, 1 or less, from its ratio r to that of the cells behind.

    The parabola through an even field cosh(s/L) goes below its least value where cells are longer than 2.3 L; with the
    weight :math:`2 / (c (1 + c)), 4 c^2 = r + 3`, it meets cosh exactly at any L, so the tail ahead of a front stays
    above the field ahead of it. r is 1 up to the order of a cell where a field is smooth: up to `SMOOTH` the parabola
    has full weight, and from twice that the weight above. It has full weight as well where it is a small part of the
    rise that the law of the face prescribes.

    Args:
        curvature: Second difference beside the surface [K].
        inside: That of the three cells behind it [K].
        slope: Rise over the half cell [K].
    """
    with np.errstate(all="ignore"):
        ratio = np.where(curvature * inside > 0.0, inside / curvature, 1.0)
        steep = np.where(slope == 0.0, np.inf, np.abs(curvature / slope))
    c = 0.5 * np.sqrt(np.maximum(ratio, 1.0) + 3.0)
    share = 2.0 / (c * (1.0 + c))
    smooth = np.clip(2.0 - np.minimum(ratio / SMOOTH, steep), 0.0, 1.0)
    out: FloatArray = share + (1.0 - share) * smooth
    return out


def is_smooth(k_a: FloatArray, k_b: FloatArray) -> NDArray[np.bool_]:
    """Tell whether two neighbouring conductivities belong to one smooth material."""
    return np.maximum(k_a, k_b) <= JUMP * np.minimum(k_a, k_b)


@dataclass(frozen=True)
class Law:
    """A face in the form that its edges need: arrays over the other axes, each with one more entry at both ends.

    Args:
        is_held: True where the face has a given temperature.
        near: Temperatures of the cells behind the face.
        slope: T_s - T_P of the half cells [K].
        gain: Decrease of the slope for each kelvin of T_P.
        is_joined: True where the two cells behind are of one smooth material.
    """

    is_held: bool
    near: FloatArray
    slope: FloatArray
    gain: FloatArray
    is_joined: NDArray[np.bool_]


def _make_law(space: Space, temperature: FloatArray, index: int, face_law: FaceLaw) -> Law:
    patch = space.patches[index]
    shape = (*space.shape[: patch.axis], *space.shape[patch.axis + 1 :])
    near = temperature[patch.cells]
    gain = np.broadcast_to(face_law.transmittance / space.half_conductance[index], near.shape)
    _, slope = space.boundary_flux(index, temperature, face_law)
    is_held = space.boundaries[index].holds_temperature
    return Law(
        is_held, _continue_all(near.reshape(shape)), _continue_all(slope.reshape(shape)),
        np.pad(gain.reshape(shape), 1, mode="edge"), np.pad(_inward(space, index)[0].reshape(shape), 1, mode="edge"),
    )  # fmt: skip


def _continue_all(values: FloatArray) -> FloatArray:
    """Extend values by one entry at both ends of each axis, half a cell away: linearly, constant where not smooth."""
    out = np.pad(values, 1, mode="edge")
    for axis in range(out.ndim):
        lines = np.moveaxis(out, axis, 0)
        for line in (lines, lines[::-1]):
            if len(line) > 3:
                fall = line[1] - line[2]
                line[0] = line[1] + 0.5 * _least(fall, 2.0 * (line[2] - line[3] if len(line) > 4 else fall))
    return out


def _fill_edges(wide: FloatArray, laws: dict[tuple[int, int], Law]) -> None:
    """Fill edges and corners from the faces that meet there.

    On an edge of two faces the values on one continue to the other by its law, as the field itself does; the mean of
    both results. Given temperatures have priority, and are continued along their own face.
    """
    dimension = wide.ndim
    for count in range(2, dimension + 1):
        for ends in product((None, 0, 1), repeat=dimension):
            at_end = {axis: end for axis, end in enumerate(ends) if end is not None}
            if len(at_end) != count:
                continue
            held = {axis for axis, end in at_end.items() if (axis, end) in laws and laws[axis, end].is_held}
            joined = [axis for axis, end in at_end.items() if (axis, end) not in laws]
            along = joined or [axis for axis in at_end if held - {axis}] or list(at_end)
            index = tuple(slice(1, -1) if end is None else -end for end in ends)
            parts = [
                _wrap(wide, index, axis) if axis in joined
                else _continue(wide, index, axis) if held - {axis}
                else _meet(wide, index, axis, laws[axis, at_end[axis]])
                for axis in along
            ]  # fmt: skip
            wide[index] = sum(parts) / len(parts)


def _inner_line(wide: FloatArray, index: Index, axis: int, count: int) -> list[FloatArray]:
    """Values of the nearest centres behind the end of an axis, half, one and a half, ... cells away."""
    sign, last = (1, 1) if index[axis] == 0 else (-1, wide.shape[axis] - 2)
    count = min(count, wide.shape[axis] - 2)
    return [np.asarray(wide[(*index[:axis], last + sign * n, *index[axis + 1 :])]) for n in range(count)]


def _wrap(wide: FloatArray, index: Index, axis: int) -> FloatArray:
    """Value beyond the end of a periodic axis: that of its other end."""
    other = wide.shape[axis] - 2 if index[axis] == 0 else 1
    return np.asarray(wide[(*index[:axis], other, *index[axis + 1 :])])


def _meet(wide: FloatArray, index: Index, axis: int, law: Law) -> FloatArray:
    """Value where a line of values meets a face, by the law of the face, as `surface_temperature`."""
    line, rest = _inner_line(wide, index, axis, 3), (*index[:axis], *index[axis + 1 :])
    slope = law.slope[rest] - law.gain[rest] * (line[0] - law.near[rest])
    if len(line) < 2:
        return line[0] + slope
    curvature = line[1] - line[0] + 2.0 * slope
    inside = line[2] - 2.0 * line[1] + line[0] if len(line) > 2 else curvature
    bend = np.where(law.is_joined[rest], weigh_curvature(curvature, inside, slope) * curvature / 8.0, 0.0)
    return line[0] + slope - bend


def _continue(wide: FloatArray, index: Index, axis: int) -> FloatArray:
    """Value half a cell beyond a line of given values: a parabola, linear or constant where they are not smooth."""
    line = _inner_line(wide, index, axis, 4)
    falls = [a - b for a, b in pairwise(line)]
    bends = [a - b for a, b in pairwise(falls)]
    total: FloatArray = line[0].copy()
    for weight, changes in ((0.5, falls), (0.375, bends)):
        if changes:
            total = total + weight * _least(changes[0], 2.0 * changes[min(1, len(changes) - 1)])
    return total


def _least(a: FloatArray, b: FloatArray) -> FloatArray:
    """Smaller of two changes of one sign, else 0 (minmod)."""
    return np.where(a * b > 0.0, np.where(np.abs(a) < np.abs(b), a, b), 0.0)


def interpolate(space: Space, wide: FloatArray, point: tuple[float, ...], side: str | None = None) -> float:
    """Interpolate the extended field at a point of the box, to third order in smooth places.

    On a contact, `side` selects the limit: `low` or `high` along its axis.
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
    """Interpolate on one line: cut it at interfaces, take the piece that holds the point, and its nearest nodes."""
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
    low_bound, high_bound = _allowed(sorted(nodes), at)
    return min(max(_lagrange(nearest, at), low_bound), high_bound)


def _allowed(nodes: list[tuple[float, float]], at: float) -> tuple[float, float]:
    """Range of the values beside a point, extended by twice the height of the parabola with the lesser curvature."""
    right = min(max(bisect_left(nodes, (at, -math.inf)), 1), len(nodes) - 1)
    if len(nodes) == 1:
        return nodes[0][1], nodes[0][1]
    (x_low, low), (x_high, high) = nodes[right - 1], nodes[right]
    ends = [nodes[end] for end in (right - 2, right + 1) if 0 <= end < len(nodes)]
    slope = (high - low) / (x_high - x_low)
    bends = [((value - high) / (x - x_high) - slope) / (x - x_low) for x, value in ends]  # half the second derivative
    hill = 0.0
    if bends and min(bends) * max(bends) > 0.0:
        hill = HILL * 0.25 * (x_high - x_low) ** 2 * min(map(abs, bends))
    return min(low, high) - hill, max(low, high) + hill


def _lagrange(nodes: list[tuple[float, float]], at: float) -> float:
    total = 0.0
    for i, (x_i, value) in enumerate(nodes):
        weight = 1.0
        for j, (x_j, _) in enumerate(nodes):
            if i != j:
                weight *= (at - x_j) / (x_i - x_j)
        total += weight * value
    return total
