"""The exponential method: `exponential`, for linear problems whose coefficients and loads are constant in time."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from grid.engine.methods.method import Cost, Facts, find_change

if TYPE_CHECKING:
    from grid.engine.space import Space
    from grid.engine.state import Stepper

PARALLEL_CELLS = 100_000  # below this two threads cost more than they bring
SINGLE_TOLERANCE = 2e-4  # below this single precision would show
# seconds for each cell and product, in 1D and 2D, in 3D; what two threads and single precision leave of it
PRODUCT_CELL, PRODUCT_CELL_3D = 5e-10, 9e-10
THREADED, SINGLE = 0.55, 0.6
CACHED_CELLS, SPILLED, SPILLED_3D = 1_500_000, 1.45, 2.1  # times as much beyond so many cells, in 2D and 3D
ROW, PRODUCT = 2e-8, 3e-7  # s for each row of a product, and for each product
CALL, LANDING_CELL = 4e-4, 4e-8  # s of fixed cost of a landing, and for each cell
FIELDS = 16.0  # of working memory


@dataclass(frozen=True)
class ExponentialMethod:
    """One Chebyshev step between landing times; see `grid.engine.methods.exponential`."""

    name: str = "exponential"

    def find_obstacle(self, facts: Facts) -> str | None:
        if facts.stiffness == 0.0 and find_change(facts) is None:
            return "nothing conducts, so there is no series to sum"
        return find_change(facts)

    def estimate(self, facts: Facts) -> Cost:
        dimension, cells, columns = facts.dimension, facts.cells, facts.problem.domain.cells[-1]
        product = cells * (PRODUCT_CELL_3D if dimension == 3 else PRODUCT_CELL)
        if cells > CACHED_CELLS:
            product *= SPILLED_3D if dimension == 3 else SPILLED
        product *= (SINGLE if _is_single(facts) else 1.0) * (THREADED if _is_large(facts) else 1.0)
        product += PRODUCT + ROW * cells / columns
        seconds, before = 0.0, 0.0
        for landing in facts.landings:
            z = facts.stiffness * (landing - before)
            seconds += CALL + LANDING_CELL * cells + product * _count_products(z, facts.tolerance)
            before = landing
        memory = int(8 * cells * (2 * (len(facts.times) + 1) + FIELDS)) + 2_000_000
        return Cost(len(facts.landings), seconds, memory)

    def make_stepper(self, space: "Space", facts: Facts) -> "Stepper":
        from grid.engine.methods.exponential import ExponentialStepper

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
