"""Parts of a body in a steady state: those without a conductance to any temperature, and their levels.

Cells are joined by the conductances between them. A part that no face ties to a temperature, and no load that falls as
it warms, has a steady state only if its heat balances, and then one for every level of its temperature; `pin` chooses
it. Importing this module loads SciPy.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from grid.core.errors import FieldError
from grid.engine.errors import SingularError
from grid.engine.problem.domain import AXES
from grid.engine.space.laws import Loads
from grid.engine.space.mesh import after_first, before_last, centres, first, inner, last
from grid.engine.space.space import Space
from grid.engine.steady import part_kernels as kernels
from grid.engine.values.operations import FloatArray

NOTHING = 1e-20  # [-] conductance over the largest, up to which it carries no heat in double precision
# [-] conductance over the largest sum of those of a cell, up to which it separates parts; their levels are checked
WEAK = 1e-9
ENDLESS = 1e9  # [K] level of a weakly joined part from which on it is refused
BALANCED = 1e-11  # [-] rounding of a balance over the heat that flows
UNKNOWN = 1e-6  # [-] error of a level by rounding, over the span of temperatures
COARSE_TURNS = 4  # [-] refinements of the levels of the parts


@dataclass(frozen=True)
class Part:
    """Cells that conduct to each other and to no others.

    Args:
        cells: Flat indices.
        heat: What sources and given fluxes put in, net [W].
        moved: The same without signs.
    """

    cells: NDArray[np.intp]
    heat: float
    moved: float

    @property
    def is_balanced(self) -> bool:
        """True where the heat into the part is zero within rounding."""
        return abs(self.heat) <= BALANCED * self.moved


def label_parts(space: Space, least: float) -> NDArray[np.int32]:
    """Number of the part of each cell, flat; faces that conduct less than `least` [W/K] separate parts."""
    if least not in space.parts:
        space.parts[least] = _label_parts(space, least)
    return space.parts[least]


def _label_parts(space: Space, least: float) -> NDArray[np.int32]:
    above, labels = np.arange(space.capacity.size), np.empty(space.capacity.size, np.int32)
    for axis, conductance in enumerate(space.conductances):
        before, after = math.prod(space.shape[:axis]), math.prod(space.shape[axis + 1 :])
        g, is_ring = np.ascontiguousarray(conductance).reshape(-1), space.problem.is_periodic[axis]
        kernels.join_axis(above, g, before, space.shape[axis], after, least, is_ring)
    kernels.number_parts(labels, above)
    return labels


def find_loose_parts(space: Space, loads: Loads) -> list[Part]:
    """Parts of a body without a conductance to any temperature, at the coefficients and loads given."""
    source = space.problem.source_term
    if "T" in source.variables:
        return []
    tied, largest = _find_ties(space, loads), _largest(space, loads)
    inside = np.ones(space.capacity.size, bool) if space.active is None else space.active
    if not _is_parted(space, NOTHING * largest) or _is_whole(space, WEAK * largest):
        return [] if (tied & inside).any() else [make_part(space, loads, np.flatnonzero(inside))]
    labels = label_parts(space, NOTHING * largest)
    held = np.bincount(labels, weights=tied & inside) > 0
    loose = inside & ~held[labels]
    order = np.flatnonzero(loose)
    order = order[np.argsort(labels[order], kind="stable")]
    groups = np.split(order, np.flatnonzero(np.diff(labels[order])) + 1) if order.size else []
    return [make_part(space, loads, cells) for cells in groups]


def _is_parted(space: Space, least: float) -> bool:
    if space.problem.has_flow:  # which joins what it goes through, however little that conducts
        return False
    if space.active is not None:
        return True
    return any(bool((g[inner(axis)] <= least).any()) for axis, g in enumerate(space.conductances))


def _is_whole(space: Space, least: float) -> bool:
    """Whether a masked body is one part."""
    if space.active is None:
        return False
    labels = label_parts(space, least)[space.body_cells]
    return bool((labels == labels[0]).all())


def _largest(space: Space, loads: Loads) -> float:
    """The largest sum of conductances of a cell [W/K]."""
    return float(space.diagonal(loads).max(initial=0.0))


def _find_ties(space: Space, loads: Loads) -> NDArray[np.bool_]:
    """Mask of the cells behind faces whose law contains a temperature, of a non-linear law anywhere in it; flat."""
    tied = np.zeros(space.capacity.size, bool)
    for patch, law, face_law in zip(space.patches, space.boundaries, loads.face_laws, strict=True):
        holds = np.broadcast_to(np.asarray(face_law.transmittance) > 0.0, patch.cells.shape)
        depends = any("T" in value.variables for value in law.values.values())
        is_bent = law.radiates or not law.is_polynomial  # its tangent may be level at this field alone
        tied[patch.cells[holds | depends | is_bent]] = True
    return tied


def make_part(space: Space, loads: Loads, cells: NDArray[np.intp]) -> Part:
    """A part and the heat that is put into it, per unit of section."""
    heat = np.zeros(space.capacity.size) if loads.source is None else loads.source.copy()
    moved = np.abs(heat)
    for patch, face_law in zip(space.patches, loads.face_laws, strict=True):
        flux = np.broadcast_to(np.asarray(face_law.imposed, np.float64), patch.cells.shape) * patch.area
        np.add.at(heat, patch.cells, flux)
        np.add.at(moved, patch.cells, np.abs(flux))
    return Part(cells, math.fsum(heat[cells].tolist()), float(moved[cells].sum()))


def describe_part(space: Space, cells: NDArray[np.intp]) -> str:
    """Describe a part in words: `the part of 96 cells at x = 0.6 to 1 m`, or `the body`."""
    inside = space.capacity.size if space.active is None else int(space.active.sum())
    if cells.size == inside:
        return "the body"
    domain, index = space.problem.domain, np.unravel_index(cells, space.shape)
    ranges = []
    for axis, along in enumerate(index):
        middle, half = centres(domain, axis), 0.5 * domain.spacing[axis]
        ranges.append(f"{AXES[axis]} = {middle[along.min()] - half:.6g} to {middle[along.max()] + half:.6g}")
    return f"the part of {cells.size} cell{'s' if cells.size > 1 else ''} at {', '.join(ranges)} m"


def refuse_part(space: Space, part: Part) -> SingularError:
    """Error for a part without a conductance to any temperature and without a pin."""
    name, unit = describe_part(space, part.cells), ("W/m2", "W/m", "W")[space.problem.dimension - 1]
    reason = f"{name} exchanges heat with nothing that has a temperature"
    cell = int(part.cells[0])
    if part.is_balanced:
        reason += ", and no steady state is unique: the level of its temperature is free"
        remedy = "let a face of it hold or exchange a temperature, or fix the level by `pin`"
        return SingularError(reason, remedy, cell=cell)
    way = "takes up" if part.heat > 0.0 else "loses"
    reason += f" and {way} {abs(part.heat):.6g} {unit}: no steady state exists, the heat has nowhere to go"
    remedy = "let a face of it hold or exchange a temperature, balance its heat, leave it out, or ask for a transient"
    return SingularError(reason, remedy, cell=cell)


@dataclass(frozen=True)
class Pinned:
    """A part whose level a pin fixes.

    Args:
        part: Of the body.
        cell: Flat index of the cell that holds the point of the pin, or of any cell for a mean.
        value: Prescribed temperature.
        point: At which it is prescribed; None for the mean of the part.
    """

    part: Part
    cell: int
    value: float
    point: tuple[float, ...] | None


def match_pins(space: Space, parts: list[Part]) -> list[Pinned]:
    """Match each loose part with its pin.

    Raises:
        SingularError: A part has no pin, or its heat does not balance.
        FieldError: A pin is not in a loose part, or the second one there.
    """
    found: dict[int, Pinned] = {}
    if not parts:
        raise FieldError("pin", "only where the level of a part of the body is free: here faces or loads fix them all")
    for number, pin in enumerate(space.problem.pins):
        path = f"pin[{number}]" if len(space.problem.pins) > 1 else "pin"
        cell = _find_cell(space, pin.at) if pin.at else int(parts[0].cells[0]) if len(parts) == 1 else -1
        if cell < 0:
            raise FieldError(f"{path}.at", "required unless the level of one part alone is free")
        owners = [n for n, part in enumerate(parts) if bool((part.cells == cell).any())]
        if not owners:
            raise FieldError(f"{path}.at", "in a part of the body whose level is free: here faces or loads fix it")
        if owners[0] in found:
            raise FieldError(f"{path}.at", "one pin for each part of the body")
        point = pin.at if pin.temperature is not None else None
        value = pin.temperature if pin.temperature is not None else pin.mean_temperature
        found[owners[0]] = Pinned(parts[owners[0]], cell, float(value or 0.0), point or None)
    for number, part in enumerate(parts):
        if number not in found or not part.is_balanced:
            raise refuse_part(space, part)
    return [found[number] for number in range(len(parts))]


def _find_cell(space: Space, point: tuple[float, ...]) -> int:
    """Cell of the body that contains a point; on a face either of both."""
    domain = space.problem.domain
    local = [(at - low) / spacing for at, low, spacing in zip(point, domain.origin, domain.spacing, strict=True)]
    for nudge in (0.0, -1e-6, 1e-6):
        index = tuple(
            min(max(math.floor(at + nudge), 0), count - 1) for at, count in zip(local, domain.cells, strict=True)
        )
        cell = int(np.ravel_multi_index(index, domain.cells))
        if space.active is None or space.active[cell]:
            return cell
    return -1


def correct_levels(space: Space, loads: Loads, temperature: FloatArray) -> FloatArray:
    """Field with the levels of weakly joined parts corrected, so that the heat of each of them balances.

    A direct solve finds such a level to the rounding of the whole matrix over the conductance that ties it; the sums
    over the parts give it to the rounding of that conductance itself.

    Raises:
        SingularError: A level cannot be known, or is beyond anything that a body reaches.
    """
    labels = _label_weak_parts(space, loads)
    if labels is None:
        return temperature
    matrix, error = _join_parts(space, loads, labels), np.zeros(int(labels.max()) + 1)
    for _ in range(COARSE_TURNS):
        error = _find_levels(matrix, labels, space.heat_flow(temperature, loads).net)
        if not np.isfinite(error).all():
            break
        temperature = temperature + error[labels]
    _require_reached(space, loads, temperature, labels)
    inside = np.ones(temperature.size, bool) if space.active is None else space.active
    rounding = float(np.spacing(np.abs(temperature[inside]).max()))
    unknown = np.where(inside, np.abs(error[labels]), 0.0)
    if not unknown.max() <= max(UNKNOWN * float(np.ptp(temperature[inside])), rounding):
        raise _refuse_weak(space, np.flatnonzero(labels == labels[int(unknown.argmax())]), temperature)
    return temperature


def require_levels(space: Space, loads: Loads, temperature: FloatArray) -> None:
    """Refuse a body with a part whose level is nearly undefined, at the coefficients of a field.

    Raises:
        SingularError: The heat of a part would take it beyond anything that a body reaches.
    """
    labels = _label_weak_parts(space, loads)
    if labels is None:
        return
    rise = _find_levels(_join_parts(space, loads, labels), labels, space.heat_flow(temperature, loads).net)
    _require_reached(space, loads, temperature + rise[labels], labels)


def _find_levels(matrix: sparse.csc_matrix, labels: NDArray[np.int32], net: FloatArray) -> FloatArray:
    """Rise of each part for which its heat balances [K]."""
    return np.atleast_1d(np.asarray(sparse.linalg.spsolve(matrix, np.bincount(labels, weights=net))))


def _require_reached(space: Space, loads: Loads, temperature: FloatArray, labels: NDArray[np.int32]) -> None:
    """Refuse a level beyond `ENDLESS` of a part joined by less than `WEAK` of the conductances of its cells."""
    tie = _join_parts(space, loads, labels).diagonal() / np.bincount(labels)
    is_weak = (tie <= WEAK * _largest(space, loads))[labels]
    if space.active is not None:
        is_weak &= space.active
    beyond = np.where(is_weak, np.abs(temperature), 0.0)
    worst = int(beyond.argmax())
    if not beyond[worst] <= ENDLESS:
        raise _refuse_weak(space, np.flatnonzero(labels == labels[worst]), temperature)


def _label_weak_parts(space: Space, loads: Loads) -> NDArray[np.int32] | None:
    """Numbers of the weakly joined parts, flat; all cells outside the body are one more.

    None where the body is one part, and tied well.
    """
    if space.problem.has_flow:
        return None
    least = WEAK * _largest(space, loads)
    total = sum(
        float(np.broadcast_to(face_law.transmittance, patch.cells.shape).sum()) * patch.area
        for patch, face_law in zip(space.patches, loads.face_laws, strict=True)
    )
    is_weak = total <= least * space.capacity.size
    if not is_weak and not _is_parted(space, least):
        return None
    body = space.body_cells
    own = label_parts(space, least)[body]
    is_there = np.bincount(own) > 0
    count = np.count_nonzero(is_there)
    if count == 1 and not is_weak:
        return None
    labels = np.full(space.capacity.size, count, np.int32)
    labels[body] = (np.cumsum(is_there) - 1)[own]
    return labels


def _join_parts(space: Space, loads: Loads, labels: NDArray[np.int32]) -> sparse.csc_matrix:
    """Conductances of parts to each other and to temperatures outside [W/K]; parts joined to nothing have a 1."""
    count = int(labels.max()) + 1
    shaped = labels.reshape(space.shape)
    diagonal = np.zeros(count)
    rows, columns, values = [], [], []
    for axis, conductance in enumerate(space.conductances):
        pairs = [(shaped[before_last(axis)], shaped[after_first(axis)], conductance[inner(axis)])]
        if space.problem.is_periodic[axis]:
            pairs.append((shaped[last(axis)], shaped[first(axis)], conductance[first(axis)]))
        for one, other, g in pairs:
            between = one != other
            low, high, part = one[between], other[between], g[between]
            rows += [low, high]
            columns += [high, low]
            values += [-part, -part]
            np.add.at(diagonal, low, part)
            np.add.at(diagonal, high, part)
    for patch, face_law in zip(space.patches, loads.face_laws, strict=True):
        held = np.broadcast_to(np.asarray(face_law.transmittance, np.float64), patch.cells.shape) * patch.area
        np.add.at(diagonal, labels[patch.cells], held)
    everything = np.arange(count)
    entries = np.concatenate([np.where(diagonal > 0.0, diagonal, 1.0), *values])
    coordinates = np.concatenate([everything, *rows]), np.concatenate([everything, *columns])
    return sparse.coo_matrix((entries, coordinates), shape=(count, count)).tocsc()


def _refuse_weak(space: Space, cells: NDArray[np.intp], temperature: FloatArray) -> SingularError:
    """Error for a part that is joined to temperatures by a negligible conductance."""
    level = float(np.mean(temperature[cells]))
    reason = (
        f"{describe_part(space, cells)} is joined to what has a temperature by a conductance of nearly nothing: "
        f"its level would be {level:.3g}, beyond any bound that the data allow"
    )
    remedy = "raise the contact, film or conductivity that ties it, leave it out, or ask for a transient"
    return SingularError(reason, remedy, cell=int(cells[0]))
