"""The exponential method: `exponential`, for linear problems whose coefficients and loads are constant in time."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from grid.engine.methods.facts import Facts
from grid.engine.methods.method import Cost, find_change

if TYPE_CHECKING:
    from grid.engine.methods.state import Stepper
    from grid.engine.space.space import Space

PARALLEL_CELLS = 100_000  # [-] cells below which two threads cost more time than they save
SINGLE_TOLERANCE = 2e-4  # [-] tolerance below which the error of single precision would show
THREADED, SINGLE = 0.55, 0.6  # [-] time of a product with two threads, and with single precision, over that without
CACHED_CELLS = 1_500_000  # [-] cells beyond which the speed of memory limits a product
FIELDS = 16.0  # [-] fields of working memory


@dataclass(frozen=True)
class ExponentialMethod:
    """One Chebyshev step between landing times; see `grid.engine.methods.exponential.stepper`."""

    name: str = "exponential"

    def find_obstacle(self, facts: Facts) -> str | None:
        """Give the reason why the method cannot solve a problem, in words; None if it can."""
        if facts.stiffness == 0.0 and find_change(facts) is None:
            return "nothing conducts, so there is no series to sum"
        return find_change(facts)

    def estimate(self, facts: Facts) -> Cost:
        """Estimate steps, work and memory of a run."""
        dimension, cells, columns = facts.dimension, facts.cells, facts.problem.domain.cells[-1]
        kind = f"product_{'cached' if cells <= CACHED_CELLS else 'spilled'}_{'3d' if dimension == 3 else '2d'}"
        part = (SINGLE if _is_single(facts) else 1.0) * (THREADED if _is_large(facts) else 1.0)
        products, before, landings = 0.0, 0.0, len(facts.landings)
        for landing in facts.landings:
            products += _count_products(facts.stiffness * (landing - before), facts.tolerance)
            before = landing
        work = {
            "exponential": landings,
            "exponential_cell": landings * cells,
            "product": products,
            "product_row": products * cells / columns,
            kind: products * cells * part,
        }
        memory = int(8 * cells * (2 * (len(facts.times) + 1) + FIELDS)) + 2_000_000
        return Cost(len(facts.landings), work, memory)

    def make_stepper(self, space: "Space", facts: Facts) -> "Stepper":
        """Make the stepper for a discretised problem."""
        from grid.engine.methods.exponential.stepper import ExponentialStepper

        threads = 1
        if _is_large(facts):
            import numba

            threads = numba.get_num_threads()
        budget = facts.tolerance / len(facts.landings)
        return ExponentialStepper(space, facts.stiffness, budget, is_single=_is_single(facts), threads=threads)


def _is_single(facts: Facts) -> bool:
    return facts.precision == "mixed" and facts.tolerance >= SINGLE_TOLERANCE


def _is_large(facts: Facts) -> bool:
    return facts.dimension > 1 and facts.cells >= PARALLEL_CELLS


def _count_products(z: float, tolerance: float) -> float:
    """About as many as `series.count_products` finds for a start with a jump at the boundary."""
    return 8.0 + math.sqrt(z * math.log(10.0 / tolerance)) if z > 1.0 else 8.0
