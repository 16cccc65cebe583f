"""Coefficients that depend on temperature or time: frozen at one field and moment, for one turn of an iteration.

Between two cells the conductivity is taken at the mean of their temperatures, which is exact for a conductivity
linear in T (Kirchhoff's transformation) and lets heat into a cell that does not conduct yet. In a half cell at the
boundary it is taken at the mean of cell and surface; the surface temperature is that at which the half cell and the
law of the boundary agree.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from grid.engine.errors import NotConvergedError
from grid.engine.materials import (
    bernoulli,
    capacity_at,
    conductance,
    conductivity_at,
    couplings_at,
    inflow,
    patch_places,
)
from grid.engine.mesh import after_first, before_last, first, last, open_places
from grid.engine.space import Closure, Loads, Space, close
from grid.engine.tensor import along_surface
from grid.engine.values import FloatArray, Operand

SURFACE_ITERATIONS = 200
SURFACE_TOLERANCE = 1e-13  # of the temperature
SECANT_REACH = 100.0  # how far beyond the next value of a plain iteration a secant may point
QUADRATURE = np.polynomial.legendre.leggauss(8)  # exact for heat capacities up to the 15th power of T


@dataclass(frozen=True)
class Variation:
    """What of a problem depends on temperature or time, and the places at which that is asked; found once.

    Args:
        capacity, conductivity: Whether they depend on temperature or time.
        capacity_of_temperature, conductivity_of_temperature: Whether on temperature.
        loads_of_temperature: Whether a source or a number in the law of a boundary does.
        places: Open coordinates of the cell centres.
        behind: For each patch the centres of the cells behind its faces.
        surfaces: For each patch what its surface temperatures follow from: `given` by the law, `plain` where neither
            law nor half cell depends on them, else `sought`.
    """

    capacity: bool
    conductivity: bool
    capacity_of_temperature: bool
    conductivity_of_temperature: bool
    loads_of_temperature: bool
    places: dict[str, Operand]
    behind: tuple[dict[str, Operand], ...]
    surfaces: tuple[str, ...]


def find_variation(space: Space) -> Variation:
    """What varies in the problem of a space."""
    if space.variation is None:
        space.variation = _find_variation(space)
    return space.variation


def _find_variation(space: Space) -> Variation:
    problem = space.problem
    conductivity: set[str] = set().union(*(v.variables for m in problem.materials for v in m.conductivity))
    capacity: set[str] = set().union(*(v.variables for m in problem.materials for v in m.values[len(m.conductivity) :]))
    loads = [problem.source_term, *(value for law in space.boundaries for value in law.values.values())]
    surfaces = []
    for law in space.boundaries:
        is_fixed = not any("T" in value.variables for value in law.values.values())
        is_plain = (
            is_fixed
            and law.is_linear
            and ("T" not in conductivity or (law.type == "insulated" and not problem.coupled_axes))
        )
        surfaces.append("given" if is_fixed and law.type == "temperature" else "plain" if is_plain else "sought")
    return Variation(
        bool(capacity & {"t", "T"}),
        bool(conductivity & {"t", "T"}),
        "T" in capacity,
        "T" in conductivity,
        any("T" in value.variables for value in loads),
        open_places(problem.domain),
        tuple(patch_places(problem, patch) for patch in space.patches),
        tuple(surfaces),
    )


def freeze(space: Space, temperature: FloatArray, time: float) -> tuple[Space, Loads]:
    """The space and its loads with every coefficient taken at a flat field of temperatures and a time [s].

    Raises:
        NotConvergedError: A surface temperature is not found.
        FieldError: A coefficient is not physical there.
    """
    if space.problem.is_linear:
        return space, space.loads(time)
    varies = find_variation(space)
    field = temperature.reshape(space.shape)
    places = {**varies.places, "t": np.float64(time), "T": field}
    problem, changes = space.problem, dict[str, Any]()
    if varies.capacity:
        changes["capacity"] = capacity_at(problem, places, space.region)
    if varies.conductivity:
        axes = range(problem.dimension)
        conductivity = tuple(conductivity_at(problem, axis, places, space.region) for axis in axes)
        changes["conductivity"] = conductivity
        changes["couplings"] = couplings_at(problem, conductivity, places, space.region)
        changes["conductances"] = tuple(_conductance(space, field, places, axis) for axis in axes)
    if changes:
        space = replace(space, **changes, _constant_loads=None)
    solved = [_surface(space, temperature, index, time) for index in range(len(space.patches))]
    if varies.conductivity:
        space = replace(space, half_conductance=tuple(half for _, half in solved), _constant_loads=None)
    closures = tuple(closure for closure, _ in solved)
    return space, Loads(closures, space.source_heat(time, field), b"")


def _conductance(space: Space, field: FloatArray, places: dict[str, Operand], axis: int) -> FloatArray:
    """G [W/K] with the conductivity of both cells at the mean temperature of a face."""
    mean = 0.5 * (field[before_last(axis)] + field[after_first(axis)])
    high, low = field.copy(), field.copy()
    high[before_last(axis)], low[after_first(axis)] = mean, mean
    if space.problem.is_periodic[axis]:
        high[last(axis)] = low[first(axis)] = 0.5 * (field[last(axis)] + field[first(axis)])
    after, before = field.copy(), field.copy()  # the temperature beyond the high and the low face of each cell
    after[before_last(axis)], before[after_first(axis)] = field[after_first(axis)], field[before_last(axis)]
    if space.problem.is_periodic[axis]:
        after[last(axis)], before[first(axis)] = field[first(axis)], field[last(axis)]
    k_high, k_low = (
        np.broadcast_to(
            conductivity_at(space.problem, axis, {**places, **seen, "T": at, **_stretch(field, beyond)}, space.region),
            space.shape,
        )
        for at, beyond, seen in ((high, after, {"side": 1}), (low, before, {"side": 0}))
    )
    return conductance(space.problem, axis, k_high, k_low, space.region)


def _stretch(one: FloatArray, other: FloatArray) -> dict[str, Operand]:
    """The temperatures that a stretch of material spans, for properties that jump at one."""
    return {"T_low": np.minimum(one, other), "T_high": np.maximum(one, other)}


def _surface(space: Space, temperature: FloatArray, index: int, time: float) -> tuple[Closure, FloatArray]:
    """Closure and half conductance of a patch, at the surface temperatures that satisfy both.

    Raises:
        NotConvergedError: They are not found.
    """
    near = temperature[space.patches[index].cells]
    law, half_at, kind = space.law(index, time), _half_conductance(space, index, time), find_surface_kind(space, index)
    if kind != "sought":
        known = law(near)
        half = half_at(near, np.broadcast_to(known.reference, near.shape) if kind == "given" else near)
        return close(known, half), half
    along = along_surface(space, index, temperature) if space.couplings else 0.0
    is_given = space.boundaries[index].type == "temperature"
    search = _Search(near)
    for _ in range(SURFACE_ITERATIONS):
        half, at = half_at(near, search.at), law(search.at)
        closure = close(at, half)
        held_back = 0.0 if is_given else along * (1.0 - closure.transmittance / half)
        stiffness = half if is_given else half + at.film
        if search.is_settled(near + (closure.heat_flux(near) - held_back) / half, stiffness):
            return closure, half
    name = f"surface temperature of {space.patches[index].name}"
    cell = np.unravel_index(int(space.patches[index].cells.reshape(-1)[search.worst]), space.shape)
    raise NotConvergedError(name, SURFACE_ITERATIONS, search.step, search.tolerance, cell=tuple(map(int, cell)))


def find_surface_kind(space: Space, index: int) -> str:
    """What the surface temperatures of a patch follow from, see `Variation.surfaces`."""
    return find_variation(space).surfaces[index]


class _Search:
    """Fixed points s = F(s), one for each face: secants between bounds, and halving where these leave them or creep.

    F is the surface temperature that a law, linear about s, and the half cell at s ask for, so its own value is the
    first step. F(s) - s changes sign between the bounds; where F jumps, they close on the jump. The secant is that of
    the heat that is missing, (F(s) - s) times what conducts it, which is a straight line in s for each phase of a
    body that melts, where F itself is not.
    """

    def __init__(self, start: FloatArray) -> None:
        self.at = start
        self.step = self.tolerance = np.inf
        self._rounding = max(4.0 * float(np.spacing(np.abs(start).max(initial=0.0))), 1e-300)  # F is known to no more
        self.worst = 0  # face
        self._low = np.full(start.shape, -np.inf)
        self._high = np.full(start.shape, np.inf)
        self._last: tuple[FloatArray, FloatArray] | None = None
        self._sizes = np.full((2, *start.shape), np.inf)  # of the missing heat one and two turns ago

    def is_settled(self, answer: FloatArray, stiffness: FloatArray) -> bool:
        """Take F(at) and move on, unless every face is at its fixed point to rounding.

        Args:
            answer: F(at).
            stiffness: Heat that is missing for each kelvin of F(at) - at [W/(m2 K)].
        """
        at, gap = self.at, answer - self.at
        self._low = np.where(gap > 0.0, np.maximum(self._low, at), self._low)
        self._high = np.where(gap < 0.0, np.minimum(self._high, at), self._high)
        following, heat = answer, gap * stiffness
        if self._last is not None:
            before, heat_before = self._last
            way, rise = at - before, heat - heat_before
            falls = way * rise < 0.0  # else the secant leads away from the fixed point
            reach = SECANT_REACH * np.abs(gap)
            secant = -heat * np.divide(way, rise, out=np.zeros_like(way), where=falls)
            following = np.where(falls, at + np.clip(secant, -reach, reach), answer)
        self.tolerance = max(SURFACE_TOLERANCE * float(np.abs(at).max(initial=0.0)), self._rounding)
        is_outside = (following < self._low) | (following > self._high)
        creeps = (np.abs(heat) > 0.5 * self._sizes[1]) & (np.abs(following - at) > self.tolerance)
        is_held = (is_outside | creeps) & np.isfinite(self._low) & np.isfinite(self._high)
        middle = 0.5 * (np.where(is_held, self._low, 0.0) + np.where(is_held, self._high, 0.0))
        following = np.where(is_held, middle, following)
        steps = np.abs(np.where(gap == 0.0, 0.0, following - at))
        self.step = float(steps.max(initial=0.0))
        self.worst = int(steps.argmax()) if self.step > 0.0 else 0
        self._last, self._sizes = (at, heat), np.stack([np.abs(heat), self._sizes[0]])
        if self.step <= self.tolerance:
            return True
        self.at = following
        return False


def _half_conductance(space: Space, index: int, time: float) -> Callable[[FloatArray, FloatArray], FloatArray]:
    """2 k / d [W/(m2 K)] behind each face of a patch, of the temperatures of its cells and surfaces."""
    problem, patch, varies = space.problem, space.patches[index], find_variation(space)
    if not varies.conductivity:
        return lambda _near, _surface: space.half_conductance[index]
    region = None if space.region is None else space.region.reshape(-1)[patch.cells]
    spacing, carried = problem.domain.spacing[patch.axis], inflow(problem, patch) if problem.has_flow else 0.0
    fixed = {**varies.behind[index], "t": np.float64(time)}

    def find(near: FloatArray, surface: FloatArray) -> FloatArray:
        places = {**fixed, "T": 0.5 * (near + surface), **_stretch(near, surface)}
        k = np.broadcast_to(conductivity_at(problem, patch.axis, places, region), near.shape)
        half: FloatArray = 2.0 * k / spacing
        return half * bernoulli(carried / half) if carried else half

    return find


def stored_between(space: Space, start: FloatArray, end: FloatArray, time: float = 0.0) -> FloatArray:
    """Heat that takes each cell from one temperature to another [J], flat: the integral of rho c V dT."""
    if not find_variation(space).capacity_of_temperature:
        heat: FloatArray = space.capacity * (end - start)
        return heat
    total = np.zeros_like(start)
    for node, weight in zip(*QUADRATURE, strict=True):
        at: Operand = (start + 0.5 * (1.0 + node) * (end - start)).reshape(space.shape)
        places = {**find_variation(space).places, "t": np.float64(time), "T": at}
        total += 0.5 * weight * capacity_at(space.problem, places, space.region)
    return total * (end - start)
