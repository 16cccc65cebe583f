"""Coefficients that depend on temperature or time: frozen at one field and moment, for one turn of an iteration.

Between two cells the conductivity is taken at the mean of their temperatures, which is exact for a conductivity
linear in T (Kirchhoff's transformation) and lets heat into a cell that does not conduct yet. In a half cell at the
boundary it is taken at the mean of cell and surface; the surface temperature is that at which the half cell and the
law of the boundary agree.
"""

from dataclasses import replace

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


def freeze(space: Space, temperature: FloatArray, time: float) -> tuple[Space, Loads]:
    """The space and its loads with every coefficient taken at a flat field of temperatures and a time [s].

    Raises:
        NotConvergedError: A surface temperature is not found.
        FieldError: A coefficient is not physical there.
    """
    if space.problem.is_linear:
        return space, space.loads(time)
    field = temperature.reshape(space.shape)
    if any(value.variables & {"t", "T"} for material in space.problem.materials for value in material.values):
        places = {**open_places(space.problem.domain), "t": np.float64(time), "T": field}
        dimension = space.problem.dimension
        conductivity = tuple(conductivity_at(space.problem, axis, places, space.region) for axis in range(dimension))
        space = replace(
            space,
            capacity=capacity_at(space.problem, places, space.region),
            conductivity=conductivity,
            couplings=couplings_at(space.problem, conductivity, places, space.region),
            conductances=tuple(_conductance(space, field, time, axis) for axis in range(dimension)),
            _constant_loads=None,
        )
    solved = [_surface(space, temperature, index, time) for index in range(len(space.patches))]
    space = replace(space, half_conductance=tuple(half for _, half in solved), _constant_loads=None)
    closures = tuple(closure for closure, _ in solved)
    return space, Loads(closures, space.source_heat(time, field), b"")


def _conductance(space: Space, field: FloatArray, time: float, axis: int) -> FloatArray:
    """G [W/K] with the conductivity of both cells at the mean temperature of a face."""
    mean = 0.5 * (field[before_last(axis)] + field[after_first(axis)])
    high, low = field.copy(), field.copy()
    high[before_last(axis)], low[after_first(axis)] = mean, mean
    if space.problem.is_periodic[axis]:
        high[last(axis)] = low[first(axis)] = 0.5 * (field[last(axis)] + field[first(axis)])
    places = {**open_places(space.problem.domain), "t": np.float64(time)}
    after, before = field.copy(), field.copy()  # the temperature beyond the high and the low face of each cell
    after[before_last(axis)], before[after_first(axis)] = field[after_first(axis)], field[before_last(axis)]
    if space.problem.is_periodic[axis]:
        after[last(axis)], before[first(axis)] = field[first(axis)], field[last(axis)]
    k_high, k_low = (
        np.broadcast_to(
            conductivity_at(space.problem, axis, {**places, "T": at, **_stretch(field, beyond)}, space.region),
            space.shape,
        )
        for at, beyond in ((high, after), (low, before))
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
    along = along_surface(space, index, temperature) if space.couplings else 0.0
    is_given = space.boundaries[index].type == "temperature"
    search = _Search(near)
    for _ in range(SURFACE_ITERATIONS):
        half = _half_conductance(space, index, near, search.at, time)
        closure = close(space.robin(index, time, search.at), half)
        held_back = 0.0 if is_given else along * (1.0 - closure.transmittance / half)
        if search.is_settled(near + (closure.heat_flux(near) - held_back) / half):
            return closure, half
    name = f"surface temperature of {space.patches[index].name}"
    cell = np.unravel_index(int(space.patches[index].cells.reshape(-1)[search.worst]), space.shape)
    raise NotConvergedError(name, SURFACE_ITERATIONS, search.step, search.tolerance, cell=tuple(map(int, cell)))


class _Search:
    """Fixed points s = F(s), one for each face: secants between bounds, and halving where these leave them.

    F is the surface temperature that a law, linear about s, and the half cell at s ask for, so its own value is the
    first step. F(s) - s changes sign between the bounds; where F jumps, they close on the jump.
    """

    def __init__(self, start: FloatArray) -> None:
        self.at = start
        self.step = self.tolerance = np.inf
        self.worst = 0  # face
        self._low = np.full(start.shape, -np.inf)
        self._high = np.full(start.shape, np.inf)
        self._last: tuple[FloatArray, FloatArray] | None = None

    def is_settled(self, answer: FloatArray) -> bool:
        """Take F(at) and move on, unless every face is at its fixed point to rounding."""
        at, gap = self.at, answer - self.at
        self._low = np.where(gap > 0.0, np.maximum(self._low, at), self._low)
        self._high = np.where(gap < 0.0, np.minimum(self._high, at), self._high)
        following = answer
        if self._last is not None:
            before, gap_before = self._last
            way, rise = at - before, gap - gap_before
            falls = way * rise < 0.0  # else the secant leads away from the fixed point
            reach = SECANT_REACH * np.abs(gap)
            secant = -gap * np.divide(way, rise, out=np.zeros_like(way), where=falls)
            following = np.where(falls, at + np.clip(secant, -reach, reach), answer)
        is_outside = (following < self._low) | (following > self._high)
        is_held = is_outside & np.isfinite(self._low) & np.isfinite(self._high)
        middle = 0.5 * (np.where(is_held, self._low, 0.0) + np.where(is_held, self._high, 0.0))
        following = np.where(is_held, middle, following)
        steps = np.abs(np.where(gap == 0.0, 0.0, following - at))
        self.step = float(steps.max(initial=0.0))
        self.worst = int(steps.argmax()) if self.step > 0.0 else 0
        self.tolerance = max(SURFACE_TOLERANCE * float(np.abs(at).max(initial=0.0)), 1e-300)
        self._last = (at, gap)
        if self.step <= self.tolerance:
            return True
        self.at = following
        return False


def _half_conductance(space: Space, index: int, near: FloatArray, surface: FloatArray, time: float) -> FloatArray:
    problem, patch = space.problem, space.patches[index]
    if not any(value.variables & {"t", "T"} for material in problem.materials for value in material.conductivity):
        return space.half_conductance[index]
    places = {**patch_places(problem, patch), "t": np.float64(time), "T": 0.5 * (near + surface)}
    places |= _stretch(near, surface)
    region = None if space.region is None else space.region.reshape(-1)[patch.cells]
    k = np.broadcast_to(conductivity_at(problem, patch.axis, places, region), near.shape)
    half: FloatArray = 2.0 * k / problem.domain.spacing[patch.axis]
    return half * bernoulli(inflow(problem, patch) / half) if problem.has_flow else half


def stored_between(space: Space, start: FloatArray, end: FloatArray, time: float = 0.0) -> FloatArray:
    """Heat that takes each cell from one temperature to another [J], flat: the integral of rho c V dT."""
    if not any("T" in v.variables for m in space.problem.materials for v in m.values[len(m.conductivity) :]):
        heat: FloatArray = space.capacity * (end - start)
        return heat
    total = np.zeros_like(start)
    for node, weight in zip(*QUADRATURE, strict=True):
        at: Operand = (start + 0.5 * (1.0 + node) * (end - start)).reshape(space.shape)
        places = {**open_places(space.problem.domain), "t": np.float64(time), "T": at}
        total += 0.5 * weight * capacity_at(space.problem, places, space.region)
    return total * (end - start)
