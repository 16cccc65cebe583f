"""Material properties on the grid, and from them the `Space` of a problem.

A property may depend on place, time and temperature. Regions are given by `where`; at every cell centre exactly one
is true.
"""

import numpy as np

from grid.core.errors import FieldError
from grid.engine import limits
from grid.engine.limits import Limit
from grid.engine.problem.domain import AXES
from grid.engine.problem.material import Material
from grid.engine.problem.problem import HeatProblem
from grid.engine.space.body_sharing import share_body
from grid.engine.space.carrying import carry, carry_half, make_correction
from grid.engine.space.cut_properties import mix_by_volume, mix_conductivity
from grid.engine.space.laws import Coupling
from grid.engine.space.mesh import (
    Patch,
    after_first,
    before_last,
    cell_volume,
    first,
    inner,
    last,
    make_inner_patch,
    make_patch,
    open_coordinates,
)
from grid.engine.space.regions import Region, find_regions, material_cuts, require_seen
from grid.engine.space.space import Space
from grid.engine.values.operations import FloatArray, Operand
from grid.engine.values.value import Value

Places = dict[str, Operand]
LEAST_CONDUCTIVITY = 1e-30  # [W/(m K)] stands for zero where a conductivity falls to zero with temperature
UNDERSHOOT = 1e-4  # [-] share of the largest conductivity by which an iterate may be below zero and count as zero


def discretise(problem: HeatProblem) -> Space:
    """Evaluate the materials of a problem on its grid, those that vary at the initial temperature.

    Raises:
        FieldError: A property is not physical somewhere, or regions overlap or leave a cell out.
    """
    return share_body(problem, _discretise)


def _discretise(problem: HeatProblem) -> Space:
    region = find_regions(problem)
    active = None if problem.domain.active is None or region is None else (region >= 0).reshape(-1)
    coordinates = start_coordinates(problem)
    require_seen(problem, region)
    conductivity = tuple(conductivity_at(problem, axis, coordinates, region) for axis in range(problem.dimension))
    patches = tuple(
        make_patch(problem.domain, axis, side, active)
        for axis in range(problem.dimension)
        if not problem.is_periodic[axis]
        for side in (0, 1)
    )
    if active is not None:
        patches += tuple(
            make_inner_patch(problem.domain, axis, side, active, problem.is_periodic[axis])
            for axis in range(problem.dimension)
            for side in (0, 1)
        )
    patches = tuple(patch for patch in patches if patch.cells.size)
    cells = problem.domain.cells
    sides = [(k, k) for k in conductivity]
    if material_cuts(problem) is not None:  # the two halves of a cell differ then
        sides = [
            (conductivity_at(problem, axis, {**coordinates, "side": 0}, region),
             conductivity_at(problem, axis, {**coordinates, "side": 1}, region))
            for axis in range(problem.dimension)
        ]  # fmt: skip
    half = tuple(
        half_conductance(problem, patch, np.broadcast_to(sides[patch.axis][patch.side], cells)) for patch in patches
    )
    faces = [_unvaried_conductance(problem, axis, *k, region) for axis, k in enumerate(sides)]
    couplings = couplings_at(problem, conductivity, coordinates, region)
    return Space(
        problem, capacity_at(problem, coordinates, region), conductivity, region, tuple(g for g, _ in faces), patches,
        half, active, couplings, correction=make_correction(tuple(drawn for _, drawn in faces)),
    )  # fmt: skip


def _unvaried_conductance(
    problem: HeatProblem, axis: int, k_low: FloatArray, k_high: FloatArray, region: Region
) -> tuple[FloatArray, FloatArray | None]:
    """Compute G of all faces and the part that a flow has drawn; where k does not vary, one number serves all."""
    cells = problem.domain.cells
    open_shape = (1,) * (len(cells) - k_low.ndim) + k_low.shape
    thin_shape = tuple(count if other == axis else open_shape[other] for other, count in enumerate(cells))
    low, high = (np.broadcast_to(k, cells if region is not None else thin_shape) for k in (k_low, k_high))
    faces = tuple(count + (other == axis) for other, count in enumerate(cells))
    g, drawn = carry_through(problem, axis, conductance(problem, axis, high, low, region))
    return np.broadcast_to(g, faces), None if drawn is None else np.broadcast_to(drawn, faces)


def carry_through(problem: HeatProblem, axis: int, conductance: FloatArray) -> tuple[FloatArray, FloatArray | None]:
    """Reduce conductances to their part in the matrix beside a flow, see `grid.engine.space.carrying.carry`."""
    return carry(problem, axis, conductance, cell_volume(problem.domain) / problem.domain.spacing[axis])


def start_coordinates(problem: HeatProblem) -> Places:
    """Cell centres, with t = 0 and the initial temperature where a material depends on it."""
    coordinates = {**open_coordinates(problem.domain), "t": np.float64(0.0)}
    if any("T" in value.variables for material in problem.materials for value in material.values):
        start = problem.initial if problem.initial is not None and not problem.steady else problem.guess
        coordinates["T"] = np.asarray(start.evaluate(coordinates), np.float64)
    return coordinates


def _property(
    problem: HeatProblem, index: int, name: str, value: Value, limit: Limit, coordinates: Places, region: Region,
    largest: float = 0.0,
) -> FloatArray:  # fmt: skip
    """Evaluate a property at the places of its region; elsewhere it is 1.

    Beside the `largest` value elsewhere, where that is larger than all of these, an undershoot below zero is measured.
    """
    path = f"material[{index}].{name}" if len(problem.materials) > 1 else f"material.{name}"
    result = np.asarray(value.evaluate(coordinates), dtype=np.float64)
    if region is not None and result.ndim:
        result = np.where(region == index, result, 1.0)
    may_vanish = "T" in value.variables and result.size
    if may_vanish and -UNDERSHOOT * max(float(result.max()), largest) <= result.min() <= limit.minimum:
        result = np.maximum(result, LEAST_CONDUCTIVITY)  # it vanishes with temperature, as a conductivity may
        limit = Limit(0.0, limit.maximum, limit.unit)
    if not (limit.allows(float(result.min())) and limit.allows(float(result.max()))):
        raise FieldError(path, f"everywhere {limit}")
    return result


def _by_region(region: Region, parts: list[FloatArray]) -> FloatArray:
    if region is None:
        return parts[0]
    if all(part.ndim == 0 for part in parts):
        return np.array([*parts, 1.0])[region]  # -1, outside of the body, indexes the last one
    out = np.ones(region.shape)
    for index, part in enumerate(parts):
        inside = region == index
        out[inside] = np.broadcast_to(part, out.shape)[inside]
    return out


def conductivity_at(
    problem: HeatProblem,
    axis: int,
    coordinates: Places,
    region: Region,
    materials: tuple[Material, ...] | None = None,
    largest: float = 0.0,
) -> FloatArray:
    """Compute k along an axis [W/(m K)] at the given places, times and temperatures, of other `materials` if given.

    The places may be a few of a body whose conductivities elsewhere are up to `largest`: beside that an iterate's
    undershoot below zero is measured.

    In cells that a border of regions cuts it is that of the whole cell, or of the half on the `side` (0 low, 1 high)
    that the places name.
    """
    known = problem.materials if materials is None else materials

    def at(index: int, coordinates: Places, region: Region) -> FloatArray:
        value = known[index].conductivity_entry(axis, axis, problem.dimension)
        return _property(problem, index, "conductivity", value, limits.CONDUCTIVITY, coordinates, region, largest)

    found = _by_region(region, [at(index, coordinates, region) for index in range(len(known))])
    if (cuts := material_cuts(problem)) is None:
        return found
    return mix_conductivity(cuts, found, axis, coordinates, at)


def couplings_at(
    problem: HeatProblem, conductivity: tuple[FloatArray, ...], coordinates: Places, region: Region
) -> tuple[Coupling, ...]:
    """Compute the off-diagonal conductivities of all cells, beside those along the axes.

    Raises:
        FieldError: Somewhere the tensor is not symmetric, or not positive definite (by its principal minors).
    """
    found = []
    for a, b in problem.coupled_axes:
        upper, lower = (_off_diagonal(problem, row, column, coordinates, region) for row, column in ((a, b), (b, a)))
        if np.any(np.abs(upper - lower) > 1e-12 * np.abs(upper)):
            raise FieldError("material.conductivity", "a symmetric tensor everywhere")
        found.append(Coupling(a, b, np.broadcast_to(upper, problem.domain.cells)))
    product: Operand = 1.0
    for coupling in found:
        minor = conductivity[coupling.first] * conductivity[coupling.second] - coupling.conductivity**2
        if not np.all(minor > 0):
            raise FieldError("material.conductivity", "a positive definite tensor everywhere")
    if problem.dimension == 3 and found:
        entry = {(item.first, item.second): item.conductivity for item in found}
        xy, xz, yz = (entry.get(pair, 0.0) for pair in ((0, 1), (0, 2), (1, 2)))
        x, y, z = conductivity
        product = x * (y * z - yz**2) - xy * (xy * z - yz * xz) + xz * (xy * yz - y * xz)
    if not np.all(product > 0):
        raise FieldError("material.conductivity", "a positive definite tensor everywhere")
    return tuple(found)


def _off_diagonal(problem: HeatProblem, row: int, column: int, coordinates: Places, region: Region) -> FloatArray:
    parts = []
    for index, material in enumerate(problem.materials):
        value = material.conductivity_entry(row, column, problem.dimension)
        parts.append(_property(problem, index, "conductivity", value, limits.OFF_DIAGONAL, coordinates, region))
    return _by_region(region, parts)


def capacity_at(
    problem: HeatProblem, coordinates: Places, region: Region, materials: tuple[Material, ...] | None = None
) -> FloatArray:
    """Compute rho c V [J/K] of every cell, flat, of other `materials` if given; V where a steady problem gives none."""
    known = problem.materials if materials is None else materials

    def at(index: int, coordinates: Places, region: Region) -> FloatArray:
        material = known[index]
        if (value := material.volumetric_heat_capacity) is not None:
            limit = limits.VOLUMETRIC_HEAT_CAPACITY
            return _property(problem, index, "volumetric_heat_capacity", value, limit, coordinates, region)
        if material.density is None or material.specific_heat is None:
            return np.ones(())
        density = _property(problem, index, "density", material.density, limits.DENSITY, coordinates, region)
        return density * _property(
            problem, index, "specific_heat", material.specific_heat, limits.SPECIFIC_HEAT, coordinates, region
        )

    found = _by_region(region, [at(index, coordinates, region) for index in range(len(known))])
    if (cuts := material_cuts(problem)) is not None:
        found = mix_by_volume(cuts, found, coordinates, at)
    values = found * cell_volume(problem.domain)
    full = np.broadcast_to(values, problem.domain.cells)
    if values.size == 1 and problem.domain.active is None:
        return full.reshape(-1)  # one number in memory serves all cells
    if problem.domain.active is not None and region is not None:
        full = np.where(region >= 0, full, 0.0)
    return np.ascontiguousarray(full).reshape(-1)


def half_conductance(problem: HeatProblem, patch: Patch, conductivity: FloatArray) -> FloatArray:
    """Compute 2 k / d [W/(m2 K)] behind each face of a patch, from the conductivities of all cells."""
    half: FloatArray = 2.0 * conductivity.reshape(-1)[patch.cells] / problem.domain.spacing[patch.axis]
    return carry_half(problem, patch, half)


def patch_coordinates(problem: HeatProblem, patch: Patch) -> Places:
    """Centres of the cells behind the faces of a patch."""
    index = np.unravel_index(patch.cells, problem.domain.cells)
    centre = open_coordinates(problem.domain)
    coordinates: Places = {AXES[axis]: centre[AXES[axis]].reshape(-1)[part] for axis, part in enumerate(index)}
    return coordinates | {"cells": index, "side": patch.side}


def conductance(problem: HeatProblem, axis: int, k_high: FloatArray, k_low: FloatArray, region: Region) -> FloatArray:
    """Compute G [W/K] of all faces normal to an axis, one more than cells along it.

    Args:
        k_high: Conductivity of each cell at its high face, shape `cells` or open along other axes [W/(m K)].
        k_low: The same for its low face; different only where it depends on temperature.
        region: Material of each cell; a cell outside the body (-1) conducts nothing.
    """
    cells, spacing = problem.domain.cells, problem.domain.spacing[axis]
    shape = list(k_high.shape)
    shape[axis] += 1
    out = np.zeros(shape)
    area = cell_volume(problem.domain) / spacing
    if problem.is_periodic[axis]:
        out[first(axis)] = out[last(axis)] = _series(k_high[last(axis)], k_low[first(axis)], area, spacing)
    out[inner(axis)] = _series(k_high[before_last(axis)], k_low[after_first(axis)], area, spacing)
    if problem.domain.active is not None and region is not None:
        out[inner(axis)] *= (region[before_last(axis)] >= 0) & (region[after_first(axis)] >= 0)
        out[first(axis)] *= (region[first(axis)] >= 0) & (region[last(axis)] >= 0)  # joined where both ends are body
        out[last(axis)] = out[first(axis)]
    resistance = contact_resistance(problem, axis)
    if resistance.any():
        shape = [1] * len(cells)
        shape[axis] = -1
        out = out / (1.0 + out * (resistance / area).reshape(shape))
    return out


def contact_resistance(problem: HeatProblem, axis: int) -> FloatArray:
    """Resistance of the contacts at each plane of faces along an axis [m2 K/W], shape (cells + 1,)."""
    out = np.zeros(problem.domain.cells[axis] + 1)
    for contact in problem.contacts:
        face = problem.domain.face_index(contact.axis, contact.position)
        if AXES.index(contact.axis) == axis and face is not None:
            out[face] += 1.0 / contact.conductance
    return out


def _series(k_a: FloatArray, k_b: FloatArray, area: float, spacing: float) -> FloatArray:
    r"""Conductance of two half cells in series, :math:`A / (d/(2 k_a) + d/(2 k_b))` [W/K]."""
    out: FloatArray = (2.0 * area / spacing) / (1.0 / k_a + 1.0 / k_b)
    return out
