r"""The shape of a body that changes slowly: the same rate everywhere.

With C the capacities, A the matrix of conduction and boundaries and r(T) = b - A T the heat into the cells, a field
T = Tbar + s of mean zero s that rises everywhere at the rate rho satisfies

.. math:: r(\bar T + s) = C \rho, \qquad C \cdot s = 0 .

Both are affine in Tbar: with y = A^-1 r(T_ref) and z = A^-1 C, tau' = C.z / C.1 and u = Tbar - T_ref,

.. math:: \rho = (\bar y - u)/\tau', \qquad s = y - \bar y z/\tau' + u (z/\tau' - 1).

tau' is the time constant of the corrected lumped model, tau (1 + phi) for a surface that is uniform (R. M. Cotta, M. D.
Mikhailov, Heat Conduction, 1997; Y. Kaneko, C. Le Bris, A. T. Patera, arXiv:2406.12047); s is w (Tbar - ambient) and
the shape xi_j of every load at once. Where nothing is exchanged, rho is the mean of the heat that enters; where next to
nothing is, A has no inverse but to a few digits, and the films are added to the inverse of conduction by iteration.
"""

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from grid.engine.space.laws import FaceLaw, Loads
from grid.engine.space.space import Space
from grid.engine.values.operations import FloatArray

if TYPE_CHECKING:
    from grid.engine.linear.systems import LinearSolver

Kept = TypeVar("Kept")
KEPT, KEPT_UNITS = 4, 16  # [-] operators and responses stored at once; responses to a unit of one load
# [-] shift over the fastest rate, which makes a body without exchange solvable; refinements that remove it
SHIFT, REFINEMENTS = 1e-9, 3
# [-] exchange over the fastest rate, up to which a body is solved as if it had none; corrections for it
FAINT, FAINT_TURNS = 1e-9, 3
REFINED = 1e-11  # [-] change by the last refinement over the field


@dataclass(frozen=True)
class Response:
    """rate = rate_0 - decay u, shape = shape_0 + u shape_1, with u = Tbar - reference.

    Args:
        reference: Temperature from which Tbar is counted.
        rate_0: [K/s].
        decay: 1/tau' [1/s]; 0 where nothing is exchanged.
        shape_0, shape_1: Flat, of heat-weighted mean zero [K], [1].
    """

    reference: float
    rate_0: float
    decay: float
    shape_0: FloatArray
    shape_1: FloatArray

    def shape(self, mean: float) -> FloatArray:
        """Shape s of the field at a mean temperature [K], flat."""
        out: FloatArray = self.shape_0 + (mean - self.reference) * self.shape_1
        return out


@dataclass
class QuasiSteady:
    """Responses of one body; stores those that follow from its coefficients.

    Args:
        space: The body on its grid.
        reference: Temperature from which means are counted.
    """

    space: Space
    reference: float
    _operators: OrderedDict[bytes, "tuple[LinearSolver, FloatArray]"] = field(default_factory=OrderedDict, repr=False)
    _responses: OrderedDict[bytes, Response] = field(default_factory=OrderedDict, repr=False)
    _units: OrderedDict[bytes, FloatArray] = field(default_factory=OrderedDict, repr=False)
    _conduction: "Conduction | None" = field(default=None, init=False, repr=False)

    def respond(self, frozen: Space, loads: Loads) -> Response:
        """The response with the coefficients of `frozen`, which is `space` where they do not vary."""
        if not frozen.problem.is_linear:
            return self._solve(frozen, loads)
        key = _key(loads)
        if key not in self._responses:
            self._responses[key] = self._solve(frozen, loads)
            _forget(self._responses)
        return self._responses[key]

    def _solve(self, frozen: Space, loads: Loads) -> Response:
        capacity, total = frozen.capacity, float(frozen.capacity.sum())
        films = sum_films(frozen, loads)
        if not float(films.sum()) / total > FAINT * fastest_rate(frozen, loads):
            return self._solve_faint(frozen, loads, films)
        steady = self._steady(frozen, loads)
        _, answer = self._operator(frozen, loads)
        slowness = inner_product(capacity, answer) / total
        ahead = inner_product(capacity, steady) / total
        shape_0 = centre(capacity, steady - ahead / slowness * answer)
        shape_1 = centre(capacity, answer / slowness - 1.0)
        return Response(self.reference, ahead / slowness, 1.0 / slowness, shape_0, shape_1)

    def _solve_faint(self, frozen: Space, loads: Loads, films: FloatArray) -> Response:
        """The response where faces exchange so little, or nothing, that A is singular to rounding.

        Conduction alone is inverted, and what the films exchange with the shape is found by iteration, of which each
        turn is a Biot number smaller than the last.
        """
        capacity, total = frozen.capacity, float(frozen.capacity.sum())
        conduction, driven = self._conduct(frozen), self._heat(frozen, loads)
        shape_0 = shape_1 = np.zeros_like(capacity)
        for _ in range(FAINT_TURNS if np.any(films) else 1):
            heat, exchanged = driven - films * shape_0, films * (1.0 + shape_1)
            rate, decay = float(heat.sum()) / total, float(exchanged.sum()) / total
            shape_0 = conduction.spread(heat - capacity * rate)
            shape_1 = conduction.spread(capacity * decay - exchanged) if decay else shape_1
        return Response(self.reference, rate, decay, shape_0, shape_1)

    def _heat(self, frozen: Space, loads: Loads) -> FloatArray:
        """Heat into the cells of a body that is uniform at the reference [W], flat."""
        heat = frozen.heat_flow(np.full(frozen.capacity.size, self.reference), loads).net
        return heat if frozen.active is None else np.where(frozen.active, heat, 0.0)

    def _steady(self, frozen: Space, loads: Loads) -> FloatArray:
        """Steady state above the reference, A^-1 heat [K].

        Loads that change as a whole, an ambient or a flux that is the same all over its face, take no solve once the
        response to a unit of each is known.
        """
        parts = split_loads(frozen, loads, self.reference) if has_constant_films(frozen) else None
        solver, _ = self._operator(frozen, loads)
        if parts is None:
            return solver.solve(self._heat(frozen, loads))
        total = np.zeros(frozen.capacity.size)
        for name, strength, unit in parts:
            key = loads.operator_key + name
            if key not in self._units:
                self._units[key] = solver.solve(unit)
                _forget(self._units, KEPT_UNITS)
            total += strength * self._units[key]
        return total

    def _operator(self, frozen: Space, loads: Loads) -> "tuple[LinearSolver, FloatArray]":
        from grid.engine.linear.systems import make_solver  # loads SciPy

        if not frozen.problem.is_linear:
            solver = make_solver(frozen, loads, shift=0.0, tau=1.0)
            return solver, solver.solve(np.array(frozen.capacity))
        key = loads.operator_key
        if key not in self._operators:
            solver = make_solver(frozen, loads, shift=0.0, tau=1.0)
            self._operators[key] = (solver, solver.solve(np.array(frozen.capacity)))
            _forget(self._operators)
        return self._operators[key]

    def _conduct(self, frozen: Space) -> "Conduction":
        if not frozen.problem.is_linear:
            return Conduction(frozen)
        if self._conduction is None:
            self._conduction = Conduction(frozen)
        return self._conduction


def has_constant_films(space: Space) -> bool:
    """True where the matrix of conduction and boundaries is the same throughout a run."""
    films = [film for law in space.boundaries for film in law.film_values]
    return space.problem.is_linear and not any("t" in film.variables for film in films)


def split_loads(space: Space, loads: Loads, reference: float) -> list[tuple[bytes, float, FloatArray]] | None:
    """The heat into a uniform body as strengths times unit heats, each with a name; None where a face is uneven."""
    if space.couplings:
        return None
    parts: list[tuple[bytes, float, FloatArray]] = []
    for index, (patch, face_law) in enumerate(zip(space.patches, loads.face_laws, strict=True)):
        imposed = np.asarray(face_law.imposed, np.float64)
        if np.ndim(face_law.reference) or (imposed.size and float(np.ptp(imposed)) > 0.0):
            return None
        strengths = (float(face_law.reference) - reference, float(imposed.flat[0]) if imposed.size else 0.0)
        for kind, strength, weight in zip((b"R", b"F"), strengths, (face_law.transmittance, 1.0), strict=True):
            if strength != 0.0 and np.any(weight):
                unit = np.zeros(space.capacity.size)
                unit[patch.cells] = weight * patch.area
                parts.append((kind + bytes([index]), strength, unit))
    if loads.source is not None:
        source = loads.source if space.active is None else np.where(space.active, loads.source, 0.0)
        parts.append((b"S" + source.tobytes(), 1.0, source))
    return parts


class Conduction:
    """The inverse of conduction alone, K x = heat, among fields of mean zero; K is that of a space.

    K is singular: it is factorised with a small shift, which refinement takes away again.
    """

    def __init__(self, space: Space) -> None:
        loads = Loads(tuple(FaceLaw(0.0, 0.0, 0.0) for _ in space.patches), None, b"")
        from grid.engine.linear.systems import make_solver  # loads SciPy

        self._space = space
        fastest = fastest_rate(space, loads)
        self._solver = make_solver(space, loads, shift=SHIFT * fastest, tau=1.0) if fastest > 0.0 else None

    def spread(self, heat: FloatArray) -> FloatArray:
        """The field whose conduction carries a heat that adds up to nothing [K], flat."""
        space = self._space
        if self._solver is None:  # a single cell
            return np.zeros_like(heat)
        out = centre(space.capacity, self._solver.solve(heat))
        for _ in range(REFINEMENTS):
            change = self._solver.solve(heat + space.conduct(out))
            out = centre(space.capacity, out + change)
            if float(np.abs(centre(space.capacity, change)).max()) <= REFINED * float(np.abs(out).max()):
                break
        return out


def sum_films(space: Space, loads: Loads) -> FloatArray:
    """The conductance of each cell to what its faces exchange heat with [W/K], flat."""
    films = np.zeros_like(space.capacity)
    for patch, face_law in zip(space.patches, loads.face_laws, strict=True):
        films[patch.cells] += face_law.transmittance * patch.area
    return films


def fastest_rate(space: Space, loads: Loads) -> float:
    """Largest sum of conductances of a cell over its capacity [1/s]."""
    inside = space.capacity > 0.0
    return float((space.diagonal(loads)[inside] / space.capacity[inside]).max())


def inner_product(one: FloatArray, other: FloatArray) -> float:
    """Sum of the products, in an order that no number of threads changes."""
    return float((one * other).sum())


def centre(capacity: FloatArray, shape: FloatArray) -> FloatArray:
    """A field without its heat-weighted mean, which is rounding; nothing where there is no body."""
    out: FloatArray = np.where(capacity > 0.0, shape - inner_product(capacity, shape) / capacity.sum(), 0.0)
    return out


def _key(loads: Loads) -> bytes:
    """Key of loads; equal for equal loads."""
    parts = [
        np.asarray(part, np.float64) for face_law in loads.face_laws for part in (face_law.reference, face_law.imposed)
    ]
    if loads.source is not None:
        parts.append(loads.source)
    return loads.operator_key + b"".join(part.tobytes() for part in parts)


def _forget(kept: OrderedDict[bytes, Kept], count: int = KEPT) -> None:
    while len(kept) > count:
        kept.popitem(last=False)
