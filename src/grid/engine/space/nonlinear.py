"""Coefficients that depend on temperature or time: frozen at one field and moment, for one turn of an iteration.

Between two cells the conductivity is its mean over the temperatures between theirs, which is exact in steady 1D
(Kirchhoff's transformation) and lets heat into a cell that does not conduct yet. Where two materials or a contact meet,
the temperatures at the face are those at which both half cells carry the same heat (`grid.engine.space.joints`). In a
half cell at the boundary the mean is that between cell and surface; the surface temperature is that at which the half
cell and the law of the boundary agree.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from grid.core.errors import FieldError
from grid.engine import limits
from grid.engine.errors import NotConvergedError
from grid.engine.problem.boundaries import Robin
from grid.engine.space.carrying import carry_half, make_correction
from grid.engine.space.discretise import (
    capacity_at,
    carry_through,
    conductance,
    conductivity_at,
    couplings_at,
    patch_coordinates,
)
from grid.engine.space.joints import find_joints, solve_joints
from grid.engine.space.laws import Coupling, FaceLaw, FaceMeans, Joints, Loads, eliminate_surface
from grid.engine.space.mesh import after_first, before_last, first, last, open_coordinates
from grid.engine.space.property_means import Means, make_means
from grid.engine.space.regions import material_cuts
from grid.engine.space.space import Space
from grid.engine.space.surface_search import SurfaceSearch
from grid.engine.space.tensor import along_surface
from grid.engine.values.operations import FloatArray, Operand

SURFACE_ITERATIONS = 200  # [-] most iterations for surface temperatures
VANISHING = 1e-2  # [-] share of the largest conductivity below which a surface that is not found lets no heat pass


@dataclass(frozen=True)
class Variation:
    """Parts of a problem that depend on temperature or time, and the places of their evaluation; found once.

    Args:
        capacity, conductivity: True where they depend on temperature or time.
        capacity_of_temperature, conductivity_of_temperature: True where they depend on temperature.
        loads_of_temperature: True where a source or a number in the law of a boundary depends on temperature.
        conductivity_places: True where the conductivity depends on the place within a material.
        coordinates: Open coordinates of the cell centres.
        behind: For each patch the centres of the cells behind its faces.
        surfaces: For each patch the origin of its surface temperatures: `given` by the law, `plain` where neither law
            nor half cell depends on them, else `sought` by iteration.
        is_steep: True where a property may jump or peak within a difference of temperatures.
        group: Patches whose surface temperatures are sought together.
        all_conductivities_of_temperature: True where the conductivity of every material depends on temperature.
        is_isotropic: True where every material has one conductivity for all axes, the same in both halves of a cell.
        at_start: Result of `freeze_start`.
        means: The materials with their properties as means between two temperatures.
        joints: For each axis the faces between two materials, and those of contacts, across which a conductivity
            depends on temperature.
    """

    capacity: bool
    conductivity: bool
    capacity_of_temperature: bool
    conductivity_of_temperature: bool
    loads_of_temperature: bool
    conductivity_places: bool
    coordinates: dict[str, Operand]
    behind: tuple[dict[str, Operand], ...]
    surfaces: tuple[str, ...]
    is_steep: bool
    means: Means
    joints: tuple[Joints | None, ...]
    group: "Group | None"
    all_conductivities_of_temperature: bool
    is_isotropic: bool
    at_start: list[tuple[Space, Loads]] = field(default_factory=list)


@dataclass(frozen=True)
class Group:
    """Patches whose surface temperatures are sought together: laws that do not depend on them, one k for all axes.

    Args:
        patches: Their indices.
        cells: Cells behind all faces, one patch after the other, flat.
        ends: End of each patch but the last in these cells.
        spacing: Cell size along the normal of each face [m].
        region: Material behind each face; None where there is one.
        coordinates: Centres of the cells.
        known: Laws of all faces, once they were evaluated; they are the same at all times.
    """

    patches: tuple[int, ...]
    cells: NDArray[np.intp]
    ends: NDArray[np.intp]
    spacing: FloatArray
    region: NDArray[np.int16] | None
    coordinates: dict[str, Operand]
    known: list[Robin] = field(default_factory=list)


def find_variation(space: Space) -> Variation:
    """Find the parts of the problem of a space that vary."""
    return space.once(_find_variation)


def with_variation(space: Space, variation: Variation) -> Space:
    """Make a space with another variation, such as one whose capacity represents a tie."""
    return replace(space, found={**space.found, _find_variation: variation})


def _find_variation(space: Space) -> Variation:
    problem = space.problem
    conductivity: set[str] = set().union(*(v.variables for m in problem.materials for v in m.conductivity))
    capacity: set[str] = set().union(*(v.variables for m in problem.materials for v in m.capacity_values))
    surfaces, means = [], make_means(space)
    for law in space.boundaries:
        is_fixed = not any("T" in value.variables for value in law.values.values())
        is_plain = (
            is_fixed and law.is_linear and ("T" not in conductivity or (not law.values and not problem.coupled_axes))
        )
        surfaces.append("given" if is_fixed and law.holds_temperature else "plain" if is_plain else "sought")
    return Variation(
        bool(capacity & {"t", "T"}),
        bool(conductivity & {"t", "T"}),
        "T" in capacity,
        "T" in conductivity,
        any("T" in value.variables for value in problem.loads),
        bool(conductivity & set("xyz")),
        open_coordinates(problem.domain),
        tuple(patch_coordinates(problem, patch) for patch in space.patches),
        tuple(surfaces),
        means.is_steep,
        means,
        tuple(find_joints(space, axis) for axis in range(problem.dimension)),
        _find_group(space, surfaces) if "T" in conductivity else None,
        all(any("T" in value.variables for value in m.conductivity) for m in problem.materials),
        all(len(m.conductivity) == 1 for m in problem.materials) and material_cuts(problem) is None,
    )


def freeze(space: Space, temperature: FloatArray, time: float) -> tuple[Space, Loads]:
    """Evaluate every coefficient and the loads at a flat field of temperatures and a time [s].

    Raises:
        NotConvergedError: A surface temperature is not found.
        FieldError: A coefficient is not physical there.
    """
    if space.problem.is_linear:
        return space, space.loads(time)
    varies = find_variation(space)
    field = temperature.reshape(space.shape)
    coordinates = {**varies.coordinates, "t": np.float64(time), "T": field}
    problem, changes = space.problem, dict[str, Any]()
    if varies.capacity:
        changes["capacity"] = capacity_at(problem, coordinates, space.region)
    if varies.conductivity:
        axes = range(problem.dimension)
        k = conductivity_at(problem, 0, coordinates, space.region)
        others = axes[1:]
        conductivity = (
            k,
            *(k if varies.is_isotropic else conductivity_at(problem, a, coordinates, space.region) for a in others),
        )
        couplings = couplings_at(problem, conductivity, coordinates, space.region)
        changes["conductivity"], changes["couplings"] = _lower(space, conductivity, couplings)
        found = tuple(_conductance(space, field, coordinates, axis) for axis in axes)
        faces = [carry_through(problem, axis, g) for axis, (g, _) in enumerate(found)]
        changes["conductances"] = tuple(conductance for conductance, _ in faces)
        changes["face_means"] = tuple(means for _, means in found)
        if problem.has_flow:
            is_strict = space.correction is not None and space.correction.is_strict
            changes["correction"] = make_correction(tuple(drawn for _, drawn in faces), is_strict=is_strict)
    if changes:
        space = replace(space, **changes, _constant_loads=None)
    return freeze_loads(space, temperature, time)


def _lower(
    space: Space, conductivity: tuple[FloatArray, ...], couplings: tuple[Coupling, ...]
) -> tuple[tuple[FloatArray, ...], tuple[Coupling, ...]]:
    """Conductivities of the cells, with the share of them that damage has left."""
    if (left := _find_left(space)) is None:
        return conductivity, couplings
    share = left.reshape(space.shape)
    lowered = tuple(replace(one, conductivity=one.conductivity * share) for one in couplings)
    return tuple(k * share for k in conductivity), lowered


def freeze_loads(space: Space, temperature: FloatArray, time: float) -> tuple[Space, Loads]:
    """Evaluate half cells and loads at a flat field and a time [s], with the other coefficients of a space unchanged.

    Raises:
        NotConvergedError: A surface temperature is not found.
        FieldError: A coefficient is not physical there.
    """
    group = find_variation(space).group
    solved = {} if group is None else _solve_group(space, group, temperature, time)
    for index in range(len(space.patches)):
        if index not in solved:
            solved[index] = _surface(space, temperature, index, time)
    if find_variation(space).conductivity:
        halves = tuple(solved[index][1] for index in range(len(space.patches)))
        space = replace(space, half_conductance=halves, _constant_loads=None)
    face_laws = tuple(solved[index][0] for index in range(len(space.patches)))
    return space, Loads(
        face_laws, space.source_heat(time, temperature.reshape(space.shape)), b"", space.prescribed(time)
    )


def freeze_start(space: Space) -> tuple[Space, Loads]:
    """Evaluate `freeze` at the initial field and t = 0, once for a space.

    Raises:
        NotConvergedError: A surface temperature is not found.
        FieldError: A coefficient is not physical there.
    """
    known = find_variation(space).at_start
    if not known:
        known.append(freeze(space, space.initial_temperature(), 0.0))
    return known[0]


def _conductance(
    space: Space, field: FloatArray, coordinates: dict[str, Operand], axis: int
) -> tuple[FloatArray, FaceMeans]:
    """Compute G [W/K] of all faces normal to an axis, and the mean conductivities beside them."""
    varies = find_variation(space)
    beyond_high, beyond_low = (
        field.copy(),
        field.copy(),
    )  # the temperature beyond the high and the low face of each cell
    beyond_high[before_last(axis)], beyond_low[after_first(axis)] = field[after_first(axis)], field[before_last(axis)]
    if space.problem.is_periodic[axis]:
        beyond_high[last(axis)], beyond_low[first(axis)] = field[first(axis)], field[last(axis)]
    k_high = _mean_conductivity(space, axis, {**coordinates, **stretch(field, beyond_high), "side": 1})
    is_shared = space.region is None or (varies.all_conductivities_of_temperature and varies.joints[axis] is not None)
    if is_shared and not varies.conductivity_places and material_cuts(space.problem) is None:
        # both cells of a face have the same mean, or it is that of a joint
        k_low = np.empty(space.shape)
        k_low[after_first(axis)], k_low[first(axis)] = k_high[before_last(axis)], k_high[last(axis)]
    else:
        k_low = _mean_conductivity(space, axis, {**coordinates, **stretch(field, beyond_low), "side": 0})
    joints, slopes = varies.joints[axis], None
    if joints is not None:
        k_high, k_low = np.array(k_high), np.array(k_low)
        slopes = solve_joints(space, joints, field.reshape(-1), coordinates["t"], varies.means.materials)
        k_high.reshape(-1)[joints.low], k_low.reshape(-1)[joints.high] = slopes.k_low, slopes.k_high
    if (left := _find_left(space)) is not None:
        k_high, k_low = k_high * left.reshape(space.shape), k_low * left.reshape(space.shape)
    return conductance(space.problem, axis, k_high, k_low, space.region), FaceMeans(k_high, k_low, slopes)


def _find_left(space: Space) -> FloatArray | None:
    """Share of its conductivity that each cell has left, flat; None where all have theirs."""
    return None if space.overlay is None else space.overlay.left


def _mean_conductivity(space: Space, axis: int, coordinates: dict[str, Operand]) -> FloatArray:
    """Compute k of each cell, as its mean over a stretch of temperatures [W/(m K)]."""
    materials = find_variation(space).means.materials
    return np.broadcast_to(conductivity_at(space.problem, axis, coordinates, space.region, materials), space.shape)


def stretch(one: FloatArray, other: FloatArray) -> dict[str, Operand]:
    """Places of a stretch of material: both temperatures, and their mean."""
    return {"T": 0.5 * (one + other), "T_low": np.minimum(one, other), "T_high": np.maximum(one, other)}


def _find_group(space: Space, surfaces: list[str]) -> Group | None:
    """Find the patches whose surface temperatures can be sought together; None where there are not several."""
    problem = space.problem
    if problem.coupled_axes or problem.has_flow or material_cuts(problem) is not None:
        return None
    if any(len(material.conductivity) > 1 for material in problem.materials):
        return None
    chosen = tuple(
        index
        for index, (law, kind) in enumerate(zip(space.boundaries, surfaces, strict=True))
        if kind == "sought" and law.is_linear and not any({"t", "T"} & value.variables for value in law.values.values())
    )
    if len(chosen) < 2 or any(space.boundaries[index].holds_temperature for index in chosen):
        return None
    patches = [space.patches[index] for index in chosen]
    cells = np.concatenate([patch.cells for patch in patches])
    coordinates = patch_coordinates(problem, replace(patches[0], cells=cells))
    counts = [patch.cells.size for patch in patches]
    return Group(
        chosen,
        cells,
        np.cumsum(counts)[:-1],
        np.repeat([problem.domain.spacing[patch.axis] for patch in patches], counts),
        None if space.region is None else space.region.reshape(-1)[cells],
        {name: place for name, place in coordinates.items() if name != "side"},
    )


def _solve_group(
    space: Space, group: Group, temperature: FloatArray, time: float
) -> dict[int, tuple[FaceLaw, FloatArray]]:
    """Find closures and half conductances of the patches of a group, see `_surface`.

    Raises:
        NotConvergedError: A surface temperature is not found.
    """
    problem, near, means = space.problem, temperature[group.cells], find_variation(space).means.materials
    if not group.known:
        group.known.append(_read_laws(space, group, time))
    law, left = group.known[0], _find_left(space)
    search, coordinates = SurfaceSearch(near), {**group.coordinates, "t": np.float64(time)}
    largest = float(space.conductivity[0].max())
    for _ in range(SURFACE_ITERATIONS):
        k = conductivity_at(problem, 0, {**coordinates, **stretch(near, search.at)}, group.region, means, largest)
        half: FloatArray = 2.0 * np.broadcast_to(k, near.shape) / group.spacing
        half = half if left is None else half * left[group.cells]
        face_law = eliminate_surface(law, half)
        if search.is_settled(near + face_law.heat_flux(near) / half, half + law.film):
            return _split_group(group, face_law, half)
    at = {**coordinates, **stretch(search.at, search.at)}
    _require_conducting(conductivity_at(problem, 0, at, group.region, means, largest), largest, search)
    name = f"surface temperature of {space.patches[group.patches[0]].name}"
    cell = np.unravel_index(int(group.cells[search.worst]), space.shape)
    raise NotConvergedError(name, SURFACE_ITERATIONS, search.step, search.tolerance, cell=tuple(map(int, cell)))


def _read_laws(space: Space, group: Group, time: float) -> Robin:
    """Evaluate the laws of all faces of a group."""
    laws = [space.law(index, time)(0.0) for index in group.patches]
    sizes = [space.patches[index].cells.size for index in group.patches]
    film, reference, imposed = (
        np.concatenate(
            [np.broadcast_to(np.asarray(part, np.float64), size) for part, size in zip(parts, sizes, strict=True)]
        )
        for parts in zip(*((law.film, law.reference, law.imposed) for law in laws), strict=True)
    )
    return Robin(film, reference, imposed)


def _split_group(group: Group, face_law: FaceLaw, half: FloatArray) -> dict[int, tuple[FaceLaw, FloatArray]]:
    parts = [
        np.split(part, group.ends) for part in (face_law.transmittance, face_law.reference, face_law.imposed, half)
    ]
    return {
        index: (FaceLaw(transmittance, reference, imposed), own)
        for index, transmittance, reference, imposed, own in zip(group.patches, *parts, strict=True)
    }


def _surface(space: Space, temperature: FloatArray, index: int, time: float) -> tuple[FaceLaw, FloatArray]:
    """Find closure and half conductance of a patch, at the surface temperatures that satisfy both.

    Raises:
        NotConvergedError: They are not found.
    """
    near = temperature[space.patches[index].cells]
    law, half_at, kind = space.law(index, time), _half_conductance(space, index, time), find_surface_kind(space, index)
    if kind != "sought":
        known = law(near)
        half = half_at(near, np.broadcast_to(known.reference, near.shape) if kind == "given" else near)
        return eliminate_surface(known, half), half
    along = along_surface(space, index, temperature) if space.couplings else 0.0
    is_given = space.boundaries[index].holds_temperature
    search = SurfaceSearch(near)
    for _ in range(SURFACE_ITERATIONS):
        half, at = half_at(near, search.at), law(search.at)
        face_law = eliminate_surface(at, half)
        held_back = 0.0 if is_given else along * (1.0 - face_law.transmittance / half)
        stiffness = half if is_given else half + at.film
        if search.is_settled(near + (face_law.heat_flux(near) - held_back) / half, stiffness):
            return face_law, half
    patch = space.patches[index]
    spacing = space.problem.domain.spacing[patch.axis]
    largest = float(space.conductivity[patch.axis].max())
    _require_conducting(half_at(search.at, search.at), 2.0 * largest / spacing, search)
    name = f"surface temperature of {space.patches[index].name}"
    cell = np.unravel_index(int(space.patches[index].cells.reshape(-1)[search.worst]), space.shape)
    raise NotConvergedError(name, SURFACE_ITERATIONS, search.step, search.tolerance, cell=tuple(map(int, cell)))


def _require_conducting(found: FloatArray, largest: float, search: SurfaceSearch) -> None:
    """Refuse a surface that is sought where the conductivity has fallen to nothing beside the largest of the body.

    Raises:
        FieldError: No temperature of the surface lets the heat pass: the conductivity vanishes before.
    """
    if np.broadcast_to(found, search.at.shape).reshape(-1)[search.worst] < VANISHING * largest:
        raise FieldError("material.conductivity", f"everywhere {limits.CONDUCTIVITY}")


def find_surface_kind(space: Space, index: int) -> str:
    """Tell how the surface temperatures of a patch are found, see `Variation.surfaces`."""
    return find_variation(space).surfaces[index]


def _half_conductance(space: Space, index: int, time: float) -> Callable[[FloatArray, FloatArray], FloatArray]:
    """Make the function 2 k / d [W/(m2 K)] behind each face of a patch, of temperatures of cells and surfaces."""
    problem, patch, varies = space.problem, space.patches[index], find_variation(space)
    if not varies.conductivity:
        return lambda _near, _surface: space.half_conductance[index]
    region = None if space.region is None else space.region.reshape(-1)[patch.cells]
    spacing = problem.domain.spacing[patch.axis]
    fixed, left = {**varies.behind[index], "t": np.float64(time)}, _find_left(space)
    largest = float(space.conductivity[patch.axis].max())

    def find(near: FloatArray, surface: FloatArray) -> FloatArray:
        coordinates = {**fixed, **stretch(near, surface)}
        k = np.broadcast_to(
            conductivity_at(problem, patch.axis, coordinates, region, varies.means.materials, largest), near.shape
        )
        half: FloatArray = 2.0 * k / spacing
        half = half if left is None else half * left[patch.cells]
        return carry_half(problem, patch, half)

    return find


def stored_between(space: Space, start: FloatArray, end: FloatArray, time: float = 0.0) -> FloatArray:
    """Integrate the heat that takes each cell from one temperature to another, rho c V dT [J], flat."""
    varies = find_variation(space)
    heat: FloatArray
    if not varies.capacity_of_temperature:
        heat = space.capacity * (end - start)
        return heat
    coordinates = {
        **varies.coordinates,
        "t": np.float64(time),
        **stretch(start.reshape(space.shape), end.reshape(space.shape)),
    }
    heat = capacity_at(space.problem, coordinates, space.region, varies.means.materials) * (end - start)
    return heat
