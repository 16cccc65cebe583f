r"""Cells that the border of a region cuts: share of each material in each half cell, along every axis.

A half cell is what lies between the centre of a cell and one of its faces. Along an axis it is a bundle of columns;
in a column the materials follow each other, and columns conduct side by side. With s the share of the length of
column c that is of material m and w the share of the face that is the column's,

.. math:: k = \sum_c w_c \Big/ \sum_m s_{cm} / k_m

which is exact for layers across the axis, and for layers along it (H. C. Carslaw, J. C. Jaeger, Conduction of Heat in
Solids, 1959, section 3.2: resistances in series and in parallel). Planes across the axes are found to rounding and
bound the columns; on other surfaces the columns are samples, cut where they meet the surface.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from grid.core.errors import FieldError
from grid.engine.problem.domain import AXES, Domain
from grid.engine.problem.face_switches import ON_FACE
from grid.engine.values.box_bounds import bound
from grid.engine.values.expression import Expression, run_code
from grid.engine.values.operations import FloatArray
from grid.engine.values.planes import Surface, find_surfaces, find_zeros

PARTS = {1: 1, 2: 8, 3: 4}  # [-] columns along each other axis where a surface is curved or slanted, by dimension
FEWER_CELLS = 20_000  # [-] cut cells in 3D beyond which half as many columns are made
NOTHING = 1e-6  # [-] relative to a cell: part that no region or two of them may cover by rounding
CHUNK = 1 << 19  # [-] pieces of columns that are processed at one time
MOST_SURFACES = 64  # [-] surfaces on which columns are cut; more are represented by the pieces between samples
TURNS = 4  # [-] iterations of regula falsi; the surfaces are nearly straight within a piece of a column
Region = NDArray[np.int16]


@dataclass(frozen=True)
class Columns:
    """Columns of the cut cells along one axis.

    Args:
        weight: Share of the face that each column has, shape (cells, columns).
        share: Share of the length of each half cell, shape (cells, columns, 2, materials); low half first.
    """

    weight: FloatArray
    share: FloatArray


@dataclass(frozen=True)
class Cuts:
    """Cut cells of a grid.

    Args:
        cells: Their flat indices, rising.
        present: Numbers of the regions found in them; the last axis of `Columns.share` follows it.
        columns: For each axis.
        shape: Cells of the grid along each axis.
    """

    cells: NDArray[np.intp]
    present: tuple[int, ...]
    columns: tuple[Columns, ...]
    shape: tuple[int, ...]

    @cached_property
    def fraction(self) -> FloatArray:
        """Share of the volume of each cut cell, shape (cells, materials).

        Taken from the columns of the axis along which they differ least relative to their mean, which is the nearest
        one to the normal of the surface.
        """
        columns = [0.5 * along.share.sum(axis=2) for along in self.columns]
        means = np.stack(
            [np.einsum("ic,icm->im", along.weight, c) for along, c in zip(self.columns, columns, strict=True)]
        )
        squares = np.stack(
            [np.einsum("ic,icm->im", along.weight, c**2) for along, c in zip(self.columns, columns, strict=True)]
        )
        is_missed = means <= 0.0
        spread = np.where(is_missed, np.inf, squares / np.where(is_missed, 1.0, means) ** 2)
        spread[:, is_missed.all(axis=0)] = 0.0  # materials that the cell does not have
        best = np.argmin(spread.max(axis=2), axis=0)
        found: FloatArray = means[best, np.arange(self.cells.size)]
        return found

    @cached_property
    def number(self) -> NDArray[np.int32]:
        """Position of each cell of the grid in `cells`, flat; -1 for those that nothing cuts."""
        out = np.full(math.prod(self.shape), -1, np.int32)
        out[self.cells] = np.arange(self.cells.size)
        return out

    def volume(self, region: Region, material: int) -> float:
        """Volume that a region fills, in cells, cut ones by their share."""
        flat = region.reshape(-1)
        whole = float(np.count_nonzero(flat == material) - np.count_nonzero(flat[self.cells] == material))
        return whole + (float(self.fraction[:, self.present.index(material)].sum()) if material in self.present else 0)

    def displaced(self, region: Region, material: int) -> float:
        """Volume of a region that lies elsewhere, in cells, if each cut cell is wholly of its region.

        Half of the sum of surplus and deficit, so that a shift counts once.
        """
        share = self.fraction[:, self.present.index(material)] if material in self.present else 0.0
        return 0.5 * float(np.abs((region.reshape(-1)[self.cells] == material) - share).sum())


def find_cuts(
    domain: Domain,
    truths: list[Expression],
    path: str,
    find_wanted: Callable[[], Region | None] = lambda: None,
    *,
    axes: int | None = None,
) -> Cuts | None:
    """Find the cells that hold more than one region; None where all borders lie on faces.

    Args:
        truths: The expression of place that is true in each region; where none is, region -1.
        path: Name of the field, for a refusal.
        find_wanted: Returns the region of each cell by its centre, to fill the parts of a cut cell that no expression
            covers; cells with -1 are then left out. Called only where a cell may be cut.
        axes: Number of axes along which columns are made; one is enough for volumes. Default all.

    Raises:
        FieldError: Two regions overlap within a cell.
    """
    surfaces = {surface.code: surface for truth in truths for surface in find_surfaces(truth.code)}.values()
    planes, curved = _sort(domain, list(surfaces))
    may = np.zeros(domain.cells, bool)
    for axis, positions in enumerate(planes):
        may[(slice(None),) * axis + (sorted({index for index, _ in positions}),)] = True
    if curved:
        may |= _undecided(domain, [truth for truth in truths if _holds(truth, curved)])
    if not may.any():
        return None
    wanted = find_wanted()
    if wanted is not None:
        may &= wanted >= 0
    cells = np.flatnonzero(may)
    if not cells.size:
        return None
    return _look(_Search(domain, truths, planes, curved, wanted, path, axes or domain.dimension), cells)


def _sort(domain: Domain, surfaces: list[Surface]) -> tuple[list[list[tuple[int, float]]], list[Surface]]:
    """Sort surfaces: planes inside of cells by axis, each with the number of its layer of cells, and other surfaces."""
    planes: list[list[tuple[int, float]]] = [[] for _ in domain.cells]
    curved = []
    for surface in surfaces:
        if len(surface.variables) != 1:
            curved += [surface] if surface.variables else []
            continue
        [name] = surface.variables
        axis = AXES.index(name)
        low, spacing = domain.origin[axis], domain.spacing[axis]
        found = find_zeros(surface.code, name, low, low + domain.size[axis])
        if found is None:
            curved.append(surface)
            continue
        for position in found:
            local = (position - low) / spacing
            if abs(local - round(local)) > ON_FACE and 0.0 < local < domain.cells[axis]:
                planes[axis].append((int(local), position))
    return planes, curved


def _holds(truth: Expression, curved: list[Surface]) -> bool:
    codes = {surface.code for surface in curved}
    return any(surface.code in codes for surface in find_surfaces(truth.code))


def _undecided(domain: Domain, truths: list[Expression]) -> NDArray[np.bool_]:
    """Find the cells in which an expression may be both true and false."""
    boxes = {}
    for axis, count in enumerate(domain.cells):
        shape = [1] * domain.dimension
        shape[axis] = count
        edges = domain.origin[axis] + np.arange(count + 1) * domain.spacing[axis]
        boxes[AXES[axis]] = edges[:-1].reshape(shape), edges[1:].reshape(shape)
    out = np.zeros(domain.cells, bool)
    for truth in truths:
        certain, possible = bound(truth.code, boxes)
        out |= np.logical_and(possible, np.logical_not(certain))
    return out


@dataclass(frozen=True)
class _Search:
    domain: Domain
    truths: list[Expression]
    planes: list[list[tuple[int, float]]]
    curved: list[Surface]
    wanted: Region | None
    path: str
    axes: int


def _look(search: _Search, cells: NDArray[np.intp]) -> Cuts | None:
    """Cut the cells into columns, and leave out those that turn out to be of one region."""
    domain, dimension = search.domain, search.domain.dimension
    parts = PARTS[dimension] if search.curved else 1
    parts = max(parts // 2, 1) if dimension == 3 and (cells.size > FEWER_CELLS or search.axes == 1) else parts
    regions = len(search.truths) + 1
    most = max((len(found) for found in search.planes), default=0) + 2 + max(parts, 1)
    size = max(1, CHUNK // (parts ** (dimension - 1) * most * regions * (1 + min(len(search.curved), MOST_SURFACES))))
    chunks = [cells[start : start + size] for start in range(0, cells.size, size)]
    found = [[_columns(search, axis, chunk, parts) for chunk in chunks] for axis in range(search.axes)]
    columns = [
        Columns(np.concatenate([c.weight for c in along]), np.concatenate([c.share for c in along])) for along in found
    ]
    whole = Cuts(cells, tuple(range(regions)), tuple(columns), domain.cells)
    is_cut = np.any([_is_mixed(along) for along in columns], axis=0)
    if not is_cut.any():
        return None
    present = np.flatnonzero((whole.fraction[is_cut] > 0.0).any(axis=0))
    kept = tuple(Columns(along.weight[is_cut], along.share[is_cut][..., present]) for along in columns)
    names = tuple(int(number) if number < regions - 1 else -1 for number in present)
    return Cuts(cells[is_cut], names, kept, domain.cells)


def _is_mixed(along: Columns) -> NDArray[np.bool_]:
    """Tell for each cell whether it holds more of a second region than rounding makes."""
    total = np.einsum("ic,ichm->im", along.weight, along.share)
    mixed: NDArray[np.bool_] = total.max(axis=1) < (1.0 - 1e-9) * total.sum(axis=1)
    return mixed


def _columns(search: _Search, axis: int, cells: NDArray[np.intp], parts: int) -> Columns:
    """Make the columns of some cells along an axis."""
    domain = search.domain
    index = np.unravel_index(cells, domain.cells)
    others = [other for other in range(domain.dimension) if other != axis]
    coordinates: dict[str, FloatArray] = {}
    weight = np.ones((cells.size, 1))
    sides = {other: _edges(search, other, index[other], parts) for other in others}
    counts = [sides[other].shape[1] - 1 for other in others]
    for number, other in enumerate(others):
        edges = sides[other]
        shape = (cells.size, *(counts[k] if k == number else 1 for k in range(len(others))))
        middle, width = 0.5 * (edges[:, 1:] + edges[:, :-1]), np.diff(edges, axis=1) / domain.spacing[other]
        full = (cells.size, *counts)
        coordinates[AXES[other]] = np.broadcast_to(middle.reshape(shape), full).reshape(cells.size, -1, 1)
        one = np.broadcast_to(width.reshape(shape), full).reshape(cells.size, -1)
        weight = weight * one
    centre = domain.origin[axis] + (index[axis] + 0.5) * domain.spacing[axis]
    nodes = np.sort(np.concatenate([_edges(search, axis, index[axis], parts), centre[:, None]], axis=1), axis=1)
    nodes = np.broadcast_to(nodes[:, None, :], (cells.size, weight.shape[1], nodes.shape[1]))
    nodes = _cut_columns(search.curved[:MOST_SURFACES], AXES[axis], coordinates, nodes)
    middle, length = 0.5 * (nodes[..., 1:] + nodes[..., :-1]), np.diff(nodes, axis=-1) / domain.spacing[axis]
    region = _region_at(search, {**coordinates, AXES[axis]: middle}, cells, length * weight[..., None])
    share = np.zeros((cells.size, weight.shape[1], 2, len(search.truths) + 1))
    is_high = middle > centre[:, None, None]
    for number in range(share.shape[-1]):
        own = np.where(region == (number if number < len(search.truths) else -1), 2.0 * length, 0.0)
        share[..., 0, number] = np.where(is_high, 0.0, own).sum(axis=-1)
        share[..., 1, number] = np.where(is_high, own, 0.0).sum(axis=-1)
    return Columns(weight, share)


def _edges(search: _Search, axis: int, layer: NDArray[np.intp], parts: int) -> FloatArray:
    """Cuts of the cells of some layers along an axis [m], their two faces included, shape (cells, cuts)."""
    domain = search.domain
    low, spacing = domain.origin[axis] + layer * domain.spacing[axis], domain.spacing[axis]
    by_layer: dict[int, list[float]] = {}
    for number, position in search.planes[axis]:
        by_layer.setdefault(number, []).append(position)
    most = max(map(len, by_layer.values()), default=0)
    table = np.full((domain.cells[axis], most), np.nan)
    for number, positions in by_layer.items():
        table[number, : len(positions)] = positions
    uniform = low[:, None] + spacing * np.arange(parts + 1) / parts
    found = table[layer]
    return np.sort(np.concatenate([uniform, np.where(np.isnan(found), low[:, None], found)], axis=1), axis=1)


def _cut_columns(
    surfaces: list[Surface], name: str, coordinates: dict[str, FloatArray], nodes: FloatArray
) -> FloatArray:
    """Nodes of columns and their crossings with surfaces."""
    found = [zeros for surface in surfaces if (zeros := _find_crossings(surface, name, coordinates, nodes)) is not None]
    if not found:
        return nodes
    zeros = np.sort(np.concatenate(found, axis=-1), axis=-1)  # infinite where there is none
    most = int(np.isfinite(zeros).sum(axis=-1).max())
    zeros = np.minimum(zeros[..., :most], nodes[..., -1:])
    return np.sort(np.concatenate([nodes, zeros], axis=-1), axis=-1)


def _find_crossings(
    surface: Surface, name: str, coordinates: dict[str, FloatArray], nodes: FloatArray
) -> FloatArray | None:
    """Find where a surface crosses each piece between two nodes, by regula falsi (Illinois rule); infinite if nowhere.

    None where it crosses none.
    """
    function = _Difference(surface, name, coordinates)
    values = function(nodes)
    low, high = nodes[..., :-1], nodes[..., 1:]
    a, b, at_a, at_b = low, high, values[..., :-1], values[..., 1:]
    crosses = np.isfinite(at_a) & np.isfinite(at_b) & ((at_a < 0.0) != (at_b < 0.0))
    if not crosses.any():
        return None
    zero = 0.5 * (a + b)
    with np.errstate(all="ignore"):
        for _ in range(TURNS):
            straight = (a * at_b - b * at_a) / (at_b - at_a)
            zero = np.where(np.isfinite(straight), straight, zero)
            at = function(zero)
            same = (at < 0.0) == (at_a < 0.0)
            a, at_a, b, at_b = (
                np.where(same, zero, a), np.where(same, at, 0.5 * at_a),
                np.where(same, b, zero), np.where(same, 0.5 * at_b, at),
            )  # fmt: skip
    return np.where(crosses, np.clip(zero, low, high), np.inf)


@dataclass(frozen=True)
class _Difference:
    """Difference of the two sides of a comparison along columns."""

    surface: Surface
    name: str
    coordinates: dict[str, FloatArray]

    def __call__(self, along: FloatArray) -> FloatArray:
        return np.broadcast_to(run_code(self.surface.code, {**self.coordinates, self.name: along}), along.shape)


def _region_at(
    search: _Search, coordinates: dict[str, FloatArray], cells: NDArray[np.intp], volume: FloatArray
) -> NDArray[np.int16]:
    """Find the region of each piece of a column; pieces without length are ignored."""
    count = np.zeros(volume.shape, np.int16)
    region = np.full(volume.shape, -1, np.int16)
    for number, truth in enumerate(search.truths):
        inside = np.broadcast_to(truth.evaluate(dict(coordinates)), volume.shape)
        count += inside
        region[inside] = number
    if search.wanted is None:
        return region
    wrong = count != 1
    if not wrong.any():
        return region
    is_masked = bool((search.wanted < 0).any())  # outside of a body no region is required
    by_cell = np.where(count > 1 if is_masked else wrong, volume, 0.0).sum(axis=(1, 2))
    if (by_cell > NOTHING).any():
        worst = int(cells[int(by_cell.argmax())])
        place = ", ".join(f"{name} = {value:.6g}" for name, value in _centre(search.domain, worst).items())
        raise FieldError(search.path, f"everywhere exactly one where is true, also within the cell at {place}")
    return np.where(wrong, search.wanted.reshape(-1)[cells][:, None, None], region)


def _centre(domain: Domain, cell: int) -> dict[str, float]:
    index = np.unravel_index(cell, domain.cells)
    return {
        AXES[axis]: domain.origin[axis] + (int(number) + 0.5) * domain.spacing[axis]
        for axis, number in enumerate(index)
    }
