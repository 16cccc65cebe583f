"""Properties of temperature as chains of polynomials, with their integrals, in the form that kernels need.

A polynomial of temperature is one piece, a table that is linear between its points has one for each of its stretches.
A property without such a form, or with a jump, has no curve; `make_curve` then returns None.
"""

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from grid.engine.problem.problem import HeatProblem
from grid.engine.space.property_means import Product
from grid.engine.space.regions import material_cuts
from grid.engine.values.expression import Expression
from grid.engine.values.operations import FloatArray
from grid.engine.values.temperature_integral import find_degree
from grid.engine.values.value import Table, Value

ZERO = 273.15  # [K] 0 degC
MOST_DEGREE = 5  # [-] degree of a polynomial; beyond it the coefficients lose digits far from their origin
# [-] relative to the size of the temperatures: width of the interval at which a polynomial is sampled
LEAST_EXTENT = 0.25


@dataclass(frozen=True)
class Curve:
    """Integral of a property over temperature.

    Args:
        edges: Lowest temperature of each piece, shape (pieces,); the first is -infinity.
        origins: Origin of the temperatures of each piece.
        coefficients: Coefficients of the integral, by power of `T - origin`, shape (pieces, powers).
    """

    edges: FloatArray
    origins: FloatArray
    coefficients: FloatArray


@dataclass
class Curves:
    """Curves one after the other; equal properties share one."""

    _known: dict[tuple[Value, ...], int] = field(default_factory=dict)
    _curves: list[Curve] = field(default_factory=list)

    def add(self, factors: tuple[Value, ...], around: float, offset: float) -> int | None:
        """Return the number of the curve of a product of properties; None where it has none.

        Args:
            factors: Values that depend on temperature alone, or on nothing.
            around, offset: See `make_curve`.
        """
        if factors not in self._known:
            made = make_curve(factors, around, offset)
            if made is None:
                return None
            self._known[factors] = len(self._curves)
            self._curves.append(made)
        return self._known[factors]

    def lay_out(self) -> tuple[NDArray[np.int64], FloatArray, FloatArray, FloatArray]:
        """Concatenate: first piece of each curve and one more, edges, origins and coefficients of all pieces."""
        firsts = np.cumsum([0, *(curve.edges.size for curve in self._curves)]).astype(np.int64)
        if not self._curves:
            return firsts, np.zeros(0), np.zeros(0), np.zeros((0, 1))
        powers = max(curve.coefficients.shape[1] for curve in self._curves)
        padded = [
            np.pad(curve.coefficients, ((0, 0), (0, powers - curve.coefficients.shape[1]))) for curve in self._curves
        ]
        edges, origins = (np.concatenate([getattr(c, name) for c in self._curves]) for name in ("edges", "origins"))
        return firsts, edges, origins, np.concatenate(padded)


def make_curve(factors: tuple[Value, ...], around: float, offset: float) -> Curve | None:
    """Make the integral of a product of properties of temperature; None where it is no chain of polynomials.

    Args:
        factors: Values that depend on temperature alone, or on nothing.
        around: A temperature of the problem.
        offset: Offset to absolute temperature, or a size of the temperatures.
    """
    warm = [value for value in factors if "T" in value.variables]
    if any(value.variables - {"T"} for value in factors):
        return None
    if len(warm) == 1 and isinstance(warm[0], Table):
        if warm[0].interpolation != "linear":
            return None
        share = math.prod(float(value.evaluate({})) for value in factors if value is not warm[0])
        return _of_table(warm[0], share)
    degrees = [find_degree(value) for value in factors]
    if None in degrees or not all(isinstance(value, Expression) for value in warm):
        return None
    degree = sum(part or 0 for part in degrees)
    return _of_polynomial(factors, degree, around, offset) if degree <= MOST_DEGREE else None


def _of_polynomial(factors: tuple[Value, ...], degree: int, around: float, offset: float) -> Curve | None:
    """Make one piece, from the values at Chebyshev's nodes around a temperature."""
    extent = max(LEAST_EXTENT * abs(around + offset), 1.0)
    nodes = np.cos(np.pi * (np.arange(degree + 1) + 0.5) / (degree + 1))
    values = np.broadcast_to(Product(factors).evaluate({"T": around + extent * nodes}), nodes.shape)
    if not np.isfinite(values).all():
        return None
    powers = np.linalg.solve(np.polynomial.polynomial.polyvander(nodes, degree), values)
    primitive = np.concatenate([[0.0], extent * powers / np.arange(1.0, degree + 2.0)])
    coefficients = primitive / extent ** np.arange(degree + 2)
    return Curve(np.array([-np.inf]), np.array([around]), coefficients[None, :])


def _of_table(table: Table, share: float) -> Curve:
    """Make a piece for each stretch, and one on either side, where the first and the last value hold."""
    points, values = np.array(table.points, np.float64), share * np.array(table.values, np.float64)
    slopes = np.diff(values) / np.diff(points)
    sums = np.concatenate([[0.0], np.cumsum(0.5 * (values[:-1] + values[1:]) * np.diff(points))])
    coefficients = np.zeros((points.size + 1, 3))
    coefficients[0] = (0.0, values[0], 0.0)
    coefficients[1:, 0], coefficients[1:, 1] = sums, values
    coefficients[1:-1, 2] = 0.5 * slopes
    return Curve(np.concatenate([[-np.inf], points]), np.concatenate([points[:1], points]), coefficients)


def has_compiled_flow(problem: HeatProblem) -> bool:
    """Tell whether the heat flow of a problem that is not linear can be found by compiled loops.

    Conductivities and heat capacities that depend on temperature depend on nothing else and have curves; loads may
    depend on time and place, radiation included.
    """
    if problem.is_linear or problem.has_phase_change or problem.has_flow or problem.coupled_axes:
        return False
    if not all(law.is_polynomial for law in problem.boundaries.values()):
        return False
    if material_cuts(problem) is not None or any("T" in value.variables for value in problem.loads):
        return False
    for material in problem.materials:
        if any("t" in value.variables for value in material.values):
            return False
        warm = [value for value in material.conductivity if "T" in value.variables]
        if warm and (len(material.conductivity) > 1 or warm[0].variables != {"T"}):
            return False
    return find_curves(problem, 0.0) is not None


def find_curves(problem: HeatProblem, around: float) -> tuple[Curves, list[int], list[int]] | None:
    """Find curves, and for each material those of its conductivity and heat capacity, -1 where they do not vary.

    None where a property that varies has no curve.
    """
    curves, conductivities, capacities = Curves(), list[int](), list[int]()
    offset = ZERO if problem.temperature_unit == "degC" else 0.0
    for material in problem.materials:
        heat = material.volumetric_heat_capacity
        stored = (heat,) if heat is not None else (material.density, material.specific_heat)
        pairs: list[tuple[tuple[Value | None, ...], list[int]]] = [
            (material.conductivity[:1], conductivities), (stored, capacities)
        ]  # fmt: skip
        for factors, found in pairs:
            given = tuple(value for value in factors if value is not None)
            is_warm = any("T" in value.variables for value in given)
            number = curves.add(given, around, offset) if is_warm else -1
            if number is None:
                return None
            found.append(number)
    return curves, conductivities, capacities
