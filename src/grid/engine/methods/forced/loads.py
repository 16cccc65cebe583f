"""A source of place and time at the times of a quadrature: by its factors along the axes, or cell by cell."""

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from grid.engine import limits
from grid.engine.problem.domain import AXES, Domain
from grid.engine.space.mesh import cell_volume, centres
from grid.engine.values.axis_factors import ONE, Factors, find_axis_factors
from grid.engine.values.expression import Expression, run_code
from grid.engine.values.operations import FloatArray

if TYPE_CHECKING:
    from grid.engine.space.cell_means import CellMeans
    from grid.engine.space.space import Space

# [-] difference of a factor between neighbouring cells over its largest value, from which on means are used
ROUGH = 0.6
GUESS_TIMES = (0.1, 0.3, 0.5, 0.7, 0.9)  # [-] times at which loads are sampled, over the end of the run
LARGEST = 1e100  # [-] largest value of a factor; beyond it another one might underflow where their product does not


@dataclass(frozen=True)
class FactoredSource:
    """A source that is a sum of products of functions of one coordinate and time.

    Args:
        space: The discretised problem.
        products: From `find_axis_factors`.
    """

    space: "Space"
    products: tuple[Factors, ...]

    def sample(self, times: FloatArray) -> list[tuple[FloatArray, ...]] | None:
        """Factors of each product along each axis, shape (times or 1, cells); the first in watts.

        None where a factor is not finite, or so large that the product may not be what the source is.

        Raises:
            FieldError: A factor is too rough to be integrated over cells.
        """
        found = []
        for number, product in enumerate(self.products):
            factors = [self._sample_factor(number, axis, times) for axis in range(self.space.problem.dimension)]
            if "" in product:
                factors[0] = factors[0] * run_code(product[""], {"t": times[:, None]})
            largest = [float(np.abs(factor).max()) for factor in factors]
            if not max(largest) <= LARGEST or not limits.HEAT_SOURCE.allows(math.prod(largest)):
                return None
            factors[0] = factors[0] * cell_volume(self.space.problem.domain)
            found.append(tuple(factors))
        return found

    def _sample_factor(self, number: int, axis: int, times: FloatArray) -> FloatArray:
        """The factor of a product along an axis: at the centres of cells, or its means over them."""
        domain, name = self.space.problem.domain, AXES[axis]
        code = self.products[number].get(name, ONE)
        if ("variable", "t") not in code:
            times = times[:1]
        coordinates = {"t": times[:, None], name: centres(domain, axis)[None, :]}
        values = np.broadcast_to(run_code(code, coordinates), (times.size, domain.cells[axis]))
        if not self._lines:
            return values
        line = self._lines[number][axis]
        return np.stack([line.correct(row, float(time), None) for row, time in zip(values, times, strict=True)])

    @cached_property
    def _lines(self) -> "list[list[CellMeans]]":
        """Evaluators of the means of each factor over cells, where values at cell centres are not accurate enough."""
        if not self.space.has_source_means:
            return []
        from grid.engine.space.factored_means import make_lines

        return [make_lines("source_term", product, self.space.problem.domain) for product in self.products]


def make_factored(space: "Space") -> FactoredSource | None:
    """The source by its factors; None where it has none."""
    source = space.problem.source_term
    products = find_axis_factors(source.code) if isinstance(source, Expression) else None
    return None if products is None else FactoredSource(space, products)


def count_means(products: tuple[Factors, ...], domain: Domain, end: float) -> int:
    """Count the factors that need means over cells at each time, guessed from a few times of a run; needs no field.

    Those that change in time, if any factor differs between neighbouring cells by more than `ROUGH`.
    """
    times, is_rough, changing = end * np.array(GUESS_TIMES)[:, None], False, 0
    for product in products:
        for axis in range(domain.dimension):
            code = product.get(AXES[axis], ONE)
            values = np.atleast_2d(run_code(code, {"t": times, AXES[axis]: centres(domain, axis)[None, :]}))
            largest = np.abs(values).max(axis=1, initial=0.0)
            changing += ("variable", "t") in code
            with np.errstate(invalid="ignore"):  # an infinite value is refused when it is evaluated on the grid
                jumps = np.abs(np.diff(values)).max(axis=1, initial=0.0)
            is_rough = is_rough or bool(np.any(jumps > ROUGH * largest))
    return changing if is_rough else 0
