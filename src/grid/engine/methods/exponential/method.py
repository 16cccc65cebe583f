"""The exponential method: `exponential`, for linear problems whose coefficients and loads are constant in time."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from grid.engine.methods.inputs import MethodInputs
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
    """One Chebyshev step between stop times; see `grid.engine.methods.exponential.stepper`."""

    name: str = "exponential"

    def find_obstacle(self, inputs: MethodInputs) -> str | None:
        """Give the reason why the method cannot solve a problem, in words; None if it can."""
        if inputs.stiffness == 0.0 and find_change(inputs) is None:
            return "nothing conducts, so there is no series to sum"
        return find_change(inputs)

    def estimate(self, inputs: MethodInputs) -> Cost:
        """Estimate steps, work and memory of a run."""
        dimension, cells, columns = inputs.dimension, inputs.cells, inputs.problem.domain.cells[-1]
        kind = f"product_{'cached' if cells <= CACHED_CELLS else 'spilled'}_{'3d' if dimension == 3 else '2d'}"
        part = (SINGLE if _is_single(inputs) else 1.0) * (THREADED if _is_large(inputs) else 1.0)
        products, before, stop_times = 0.0, 0.0, len(inputs.stop_times)
        for stop_time in inputs.stop_times:
            products += _count_products(inputs.stiffness * (stop_time - before), inputs.tolerance)
            before = stop_time
        work = {
            "exponential": stop_times,
            "exponential_cell": stop_times * cells,
            "product": products,
            "product_row": products * cells / columns,
            kind: products * cells * part,
        }
        memory = int(8 * cells * (2 * (len(inputs.times) + 1) + FIELDS)) + 2_000_000
        return Cost(len(inputs.stop_times), work, memory)

    def make_stepper(self, space: "Space", inputs: MethodInputs) -> "Stepper":
        """Make the stepper for a discretised problem."""
        from grid.engine.methods.exponential.stepper import ExponentialStepper

        threads = 1
        if _is_large(inputs):
            import numba

            threads = numba.get_num_threads()
        budget = inputs.tolerance / len(inputs.stop_times)
        return ExponentialStepper(space, inputs.stiffness, budget, is_single=_is_single(inputs), threads=threads)


def _is_single(inputs: MethodInputs) -> bool:
    return inputs.precision == "mixed" and inputs.tolerance >= SINGLE_TOLERANCE


def _is_large(inputs: MethodInputs) -> bool:
    return inputs.dimension > 1 and inputs.cells >= PARALLEL_CELLS


def _count_products(z: float, tolerance: float) -> float:
    """About as many as `series.count_products` finds for a start with a jump at the boundary."""
    return 8.0 + math.sqrt(z * math.log(10.0 / tolerance)) if z > 1.0 else 8.0
