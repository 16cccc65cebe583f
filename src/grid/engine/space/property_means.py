"""Properties as their means between two temperatures, for heat contents and for Kirchhoff's transformation.

Where a property is a polynomial of temperature, Gauss's rule is exact; the mean of a linear one is the value at the
mean temperature. Other properties of temperature alone are integrated by their antiderivative, and those that depend on
the place as well by adaptive quadrature for each cell (`grid.engine.values.temperature_integral`).
"""

import math
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import Any, cast

import numpy as np

from grid.engine import limits
from grid.engine.limits import Limit
from grid.engine.problem.material import Material
from grid.engine.problem.problem import HeatProblem
from grid.engine.space.fields import SpaceFields
from grid.engine.values.operations import FloatArray, Operand
from grid.engine.values.phase_change import ByPhase
from grid.engine.values.table_integral import TableIntegral
from grid.engine.values.temperature_integral import TemperatureIntegral
from grid.engine.values.value import Constant, Table, Value

MOST_NODES = 8  # [-] nodes of Gauss's rule: polynomials up to the 15th degree
# [-], [K] least extent of the temperatures: relative to their size, and absolute
LEAST_SHARE, LEAST_EXTENT = 2.0**-6, 2.0**-10
UNDERSHOOT = 1e-4  # [-] share of the largest value by which a property may be below zero and count as zero
LEAST_VALUE = 1e-30  # [SI unit of the property] stands for zero, as in `grid.engine.space.discretise`


@dataclass(frozen=True)
class Product:
    """Product of properties that depend on temperature."""

    factors: tuple[Value, ...]

    @property
    def variables(self) -> frozenset[str]:
        """Variables of all factors."""
        return frozenset().union(*(factor.variables for factor in self.factors))

    def evaluate(self, coordinates: dict[str, Operand], /) -> Operand:
        """Evaluate the product at the places."""
        return math.prod(factor.evaluate(coordinates) for factor in self.factors)


@dataclass(frozen=True)
class MeanValue:
    """A property as its mean between the temperatures `T_low` and `T_high` of the places; these may be in any order.

    Args:
        factors: Factors that depend on temperature.
        others: Factors that do not.
        nodes, weights: Nodes and weights of Gauss's rule on [-1, 1], for a polynomial.
        integral: Antiderivative of a property of temperature alone that is no polynomial.
    """

    factors: tuple[Value, ...]
    others: tuple[Value, ...] = ()
    nodes: tuple[float, ...] = ()
    weights: tuple[float, ...] = ()
    integral: TemperatureIntegral | TableIntegral | None = None

    @property
    def variables(self) -> frozenset[str]:
        """Variables of all factors."""
        return frozenset().union(*(value.variables for value in (*self.factors, *self.others)))

    @property
    def breakpoints(self) -> tuple[float, ...]:
        """Empty: no times are listed."""
        return ()

    def evaluate(self, coordinates: dict[str, Operand], /) -> Operand:
        """Evaluate the mean between `T_low` and `T_high`, times the other factors."""
        low, high = (np.asarray(coordinates[name], np.float64) for name in ("T_low", "T_high"))
        mean = self._mean(coordinates, low, high)
        return math.prod((mean, *(value.evaluate(coordinates) for value in self.others)))

    def _mean(self, coordinates: dict[str, Operand], low: FloatArray, high: FloatArray) -> Operand:
        product = Product(self.factors)
        if self.nodes:
            parts = [
                weight * product.evaluate({**coordinates, "T": 0.5 * ((1.0 - node) * low + (1.0 + node) * high)})
                for node, weight in zip(self.nodes, self.weights, strict=True)
            ]
            return 0.5 * np.sum(parts, axis=0)
        if self.integral is not None:
            return self.integral.mean(low, high)
        return _integrate_by_place(product, coordinates, low, high)


def _integrate_by_place(
    product: Product, coordinates: dict[str, Operand], low: FloatArray, high: FloatArray
) -> FloatArray:
    """Compute the mean of a property of place and temperature, by adaptive quadrature for each cell."""
    from grid.engine.values.temperature_integral import integrate_adaptively

    names = sorted(product.variables - {"T"})
    shape = np.broadcast_shapes(low.shape, high.shape, *(np.shape(coordinates[name]) for name in names))
    flat = {name: np.broadcast_to(coordinates[name], shape).reshape(-1) for name in names}
    start, end = (np.broadcast_to(ends, shape).reshape(-1) for ends in (low, high))

    def evaluate(temperature: FloatArray, number: Any) -> FloatArray:
        at = {name: values[number] for name, values in flat.items()}
        found: FloatArray = np.broadcast_to(product.evaluate({**at, "T": temperature}), temperature.shape)
        return found

    span = end - start
    is_near = span == 0.0
    reach = 2.0 ** math.ceil(math.log2(max(float(np.abs(start).max()), float(np.abs(end).max()), 1.0)))
    total = integrate_adaptively(evaluate, start, end, _find_switches(product, reach) if np.isfinite(reach) else None)
    middle = evaluate(start, np.arange(start.size))
    mean: FloatArray = np.where(is_near, middle, total / np.where(is_near, 1.0, span))
    return mean.reshape(shape)


@lru_cache(maxsize=64)
def _find_switches(product: Product, reach: float) -> FloatArray:
    """Find temperatures up to a size at which properties jump or bend everywhere alike."""
    from grid.engine.values.switches import find_switches

    return np.unique([at for factor in product.factors for at in find_switches(factor, "T", -reach, reach)])


@dataclass(frozen=True)
class Means:
    """Materials of a problem with their properties as means, made once for a problem.

    Args:
        problem: Problem of the materials.
        anchor, extent: A temperature of the problem, and the spread of its temperatures [K].
    """

    problem: HeatProblem
    anchor: float
    extent: float

    @cached_property
    def materials(self) -> tuple[Material, ...]:
        """Materials with each property that depends on temperature as a `MeanValue`."""
        return tuple(self._wrap(material) for material in self.problem.materials)

    @cached_property
    def is_steep(self) -> bool:
        """True where a property is not a polynomial of temperature, so that it may jump or peak between two."""
        values = [value for material in self.materials for value in material.values]
        return any(isinstance(value, MeanValue) and not value.nodes for value in values)

    @cached_property
    def is_curved(self) -> bool:
        """True where a property is not linear in temperature, so that a large correction may diverge."""
        return any(isinstance(value, MeanValue) for material in self.materials for value in material.values)

    def _wrap(self, material: Material) -> Material:
        conductivity = tuple(
            self._make_mean((value,), limits.CONDUCTIVITY if index == 0 else None)
            for index, value in enumerate(material.conductivity)
        )
        given = (material.volumetric_heat_capacity,)
        if given[0] is None:
            given = (material.density, material.specific_heat)  # type: ignore[assignment]
        factors = tuple(value for value in given if value is not None)
        capacity = self._make_mean(factors, limits.VOLUMETRIC_HEAT_CAPACITY) if factors else None
        return replace(
            material, conductivity=conductivity, volumetric_heat_capacity=capacity, density=None, specific_heat=None
        )

    def _make_mean(self, factors: tuple[Value, ...], limit: Limit | None) -> Value:
        """Make the mean of a property; itself where that is its value at the mean temperature, or its own result."""
        from grid.engine.values.temperature_integral import find_degree

        warm = tuple(factor for factor in factors if "T" in factor.variables)
        others = tuple(factor for factor in factors if "T" not in factor.variables)
        if len(factors) == 1 and (not warm or _knows_its_mean(factors[0])):
            return factors[0]
        degrees = [find_degree(factor) for factor in warm]
        degree = None if None in degrees else sum(part or 0 for part in degrees)
        if degree is not None and degree <= 1 and len(factors) == 1:
            return factors[0]
        made = MeanValue(warm, others)
        if degree is not None and degree < 2 * MOST_NODES:
            nodes, weights = np.polynomial.legendre.leggauss(degree // 2 + 1)
            made = replace(made, nodes=tuple(nodes.tolist()), weights=tuple(weights.tolist()))
        elif all(factor.variables == {"T"} for factor in warm):
            made = replace(made, integral=self._make_integral(warm, limit))
        return cast("Value", made)

    def _make_integral(self, factors: tuple[Value, ...], limit: Limit | None) -> TemperatureIntegral | TableIntegral:
        if len(factors) == 1 and isinstance(factors[0], Table) and _is_physical(factors[0], limit):
            return TableIntegral(factors[0])
        product = Product(factors)

        def evaluate(temperature: FloatArray) -> FloatArray:
            found = np.array(np.broadcast_to(product.evaluate({"T": temperature}), temperature.shape), np.float64)
            if limit is None:
                return found
            with np.errstate(invalid="ignore"):
                least = -UNDERSHOOT * np.nanmax(found, initial=0.0)
                found = np.where((found >= least) & (found <= limit.minimum), LEAST_VALUE, found)
                found[~((found > 0.0) & (found <= limit.maximum))] = np.nan
            return found

        return TemperatureIntegral(factors, evaluate, self.anchor, self.extent)


def _is_physical(table: Table, limit: Limit | None) -> bool:
    """Tell whether all values of a table are physical, and with them those between."""
    return limit is None or (min(table.values) > limit.minimum and max(table.values) <= limit.maximum)


def _knows_its_mean(value: Value) -> bool:
    """Tell whether a value computes its own mean between `T_low` and `T_high`."""
    return isinstance(value, ByPhase) and "T" not in value.solid.variables | value.liquid.variables


def make_means(space: SpaceFields) -> Means:
    """Make the means of a problem, around the temperatures of its start and of its faces."""
    start = space.initial_temperature()
    known = [float(start.min()), float(start.max())]
    for law in space.problem.boundaries.values():
        known += [value.value for value in law.temperature_values if isinstance(value, Constant)]
    low, high = min(known), max(known)
    anchor = 0.5 * (low + high)
    return Means(space.problem, anchor, max(high - low, LEAST_SHARE * abs(anchor), LEAST_EXTENT))
