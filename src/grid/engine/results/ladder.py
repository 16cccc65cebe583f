r"""Richardson's extrapolation in space: estimate of the limit from the same problem on half the cells.

The scheme is of second order, so with a value f on the grid itself and c on cells twice as large along every axis

.. math:: f^* = f + \frac{f - c}{3}, \qquad f - f^* \approx \frac{c - f}{3}

(P. J. Roache, Verification and Validation in Computational Science and Engineering, 1998, ch. 5). The errors of fronts,
of layers that the grid hardly resolves and of jumps of the start fall more slowly: with a third value e the observed
order p = log2((c - e)/(f - c)) takes the place of 2 where it is less, and what does not shrink at all counts in full.
An order above 2 is no better scheme: the error a h^2 + b h^3 + ... has terms that cancel each other in part on one of
the grids, as those of a front do on cells of about its width. Of both terms

.. math:: f - f^* \approx \frac{c - f}{3} - \frac{(e - c) - 4 (c - f)}{21},

and from an observed order of 2.2 on the stated error includes the magnitude of the second part. Differences of fields
are known up to the errors in time of both runs, which are added to them.
Where two grids are all, a flow beyond a cell Peclet number of 2 is taken to be of first order, and so is on any number
of grids a border of regions that cuts cells, at another place within them on each. Extrapolation holds where the coarse
grid has the same body: regions, masks and contacts must fall on its faces. Where a third grid fits, the ratio of the
differences must be that of an error that shrinks as a power of the cell; where it is not, the value of the grid itself
stands. Where half of the cells do not fit, the grid with twice as many takes the part of the fine one.
"""

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Generic, TypeVar

import numpy as np

from grid.core.errors import GridError
from grid.engine.problem.domain import Domain
from grid.engine.problem.problem import HeatProblem
from grid.engine.results.fields import SolutionFields
from grid.engine.space.coverage import find_coverage
from grid.engine.space.mesh import open_coordinates
from grid.engine.space.peclet import RESOLVED, find_cell_peclet
from grid.engine.space.regions import material_cuts
from grid.engine.values.operations import FloatArray

Solved = TypeVar("Solved", bound=SolutionFields)
ORDER = 2.0  # [-] order of the scheme in space
LEAST_ORDER = 0.5  # [-] order that is assumed where differences hardly fall
# [-] observed order from which on it counts as that of the scheme; factor on the estimate where it does not
SMOOTH, SAFETY = 1.7, 1.5
# [-] observed order above which a term of third order counts, and its share in the second difference less four times
# the first
FASTER, THIRD = 2.2, 1.0 / 21.0
RATIOS = (2.2, 9.0)  # [-] ratio of two consecutive differences: orders 1.1 to 3.2
ALIKE = 0.5  # [-] error of the initial heat after extrapolation over that on the fine grid
MOST_SAMPLES = 2**24  # [-] cells of a grid for the mean of the initial field at most
ROUNDING = 1e-11  # [-] difference over the largest value, below which it is rounding


@dataclass(frozen=True)
class Extrapolated:
    """A value in the limit of small cells.

    Args:
        value: Extrapolated where the grids agree on an error of second order, else that of the grid itself.
        error: Estimate of the error of the grid itself.
        order: Observed from three grids; None where there are two, or where their differences do not shrink.
        is_consistent: Whether `value` was extrapolated.
    """

    value: float
    error: float
    order: float | None
    is_consistent: bool


@dataclass(frozen=True)
class Ladder(Generic[Solved]):
    """Solutions of one problem on grids whose cells are twice as large each.

    Args:
        solution: On the grid of the problem.
        levels: All grids, from fine to coarse, that of the problem among them.
    """

    solution: Solved
    levels: tuple[Solved, ...]

    def extrapolate(self, measure: Callable[[Solved], float]) -> Extrapolated:
        """A measure of a solution in the limit of small cells.

        Args:
            measure: Returns one number, such as `lambda s: s.temperature_at((0.5,))`.
        """
        values = []
        for level in self.levels:
            try:
                values.append(float(measure(level)))
            except GridError:
                if level is self.solution:
                    raise
                break
        own = values[self.levels.index(self.solution)]
        if len(values) < 2 or not self.is_alike:
            return Extrapolated(own, math.inf, None, is_consistent=False)
        if self._is_cut:
            return judge(values[:2], own, 1.0)
        return judge(values, own, 1.0 if self._is_fast else ORDER)

    @cached_property
    def is_alike(self) -> bool:
        """True where the grids start from the same field, up to an error of second order.

        A jump or a kink of the initial field that falls elsewhere in the cells of each grid gives each another heat.
        """
        problem = self.levels[0].problem
        if problem.initial is None or problem.steady:
            return True
        fine, coarse = (mean_initial(level.problem, 1) for level in self.levels[:2])
        exact, rounding = mean_initial(problem, 4), ROUNDING * max(abs(fine), abs(coarse))
        limit = fine + (fine - coarse) / (2.0**ORDER - 1.0)
        return bool(abs(limit - exact) <= ALIKE * abs(fine - exact) + rounding)

    @cached_property
    def error(self) -> float:
        """Largest estimated error of space of the last field over the span of temperatures; NaN with one grid.

        At least the result of the checks in `UNSEEN` on the grid of the solution, which no comparison of grids shows.
        """
        if len(self.levels) < 2:
            return math.nan
        unseen = max((check(self) for check in UNSEEN), default=0.0)
        fine, coarse = self.levels[0], self.levels[1]
        span = max(float(level.fields.max() - level.fields.min()) for level in (fine, coarse))
        if span == 0.0:
            return unseen
        pairs = itertools.pairwise(self.levels)
        differences = [float(np.abs(restrict(level) - beyond.final).max()) / span for level, beyond in pairs]
        noise = sum(_time_error(level) for level in (fine, coarse))
        order = self._find_order(differences, noise)
        factor = SAFETY if order < ORDER else 1.0
        ratio = math.pow(2.0, order)
        share = 1.0 if self.solution is fine else ratio
        error = factor * share * (differences[0] + noise) / (ratio - 1.0)
        if len(differences) > 1 and differences[1] > 2.0**FASTER * max(differences[0], noise, ROUNDING):
            error += self._find_third() / span
        return max(error, unseen)

    def _find_third(self) -> float:
        """Largest term of third order in the error of the finest of three grids."""
        fine, coarse, coarsest = self.levels[:3]
        near, far = restrict(fine) - coarse.final, restrict(coarse) - coarsest.final
        return THIRD * float(np.abs(far - 2.0**ORDER * _restrict_field(coarse, near)).max())

    def _find_order(self, differences: list[float], noise: float) -> float:
        """The order with which the differences fall, at least `LEAST_ORDER`; that of the scheme where it is near."""
        if len(differences) < 2:
            return 1.0 if self._is_fast or self._is_cut else ORDER
        if differences[0] <= max(noise, ROUNDING):
            return ORDER
        order: float = math.log2(max(differences[1] / differences[0], 1.0))
        if self._is_cut:
            return min(max(float(order), LEAST_ORDER), 1.0)
        return ORDER if order >= SMOOTH else max(float(order), LEAST_ORDER)

    @cached_property
    def _is_cut(self) -> bool:
        """True where a border of regions lies within cells of a grid, at another share of them in each."""
        return any(material_cuts(level.problem) is not None for level in self.levels)

    @property
    def _is_fast(self) -> bool:
        """True where a flow is too fast for the grids to resolve the field that it transports."""
        space = self.levels[0]._spaces[0]  # noqa: SLF001 of the same package
        return any(find_cell_peclet(space, axis) > RESOLVED for axis in range(space.problem.dimension))


def mean_initial(problem: HeatProblem, parts: int) -> float:
    """Mean over the box of the initial field, taken at the centres of the cells cut in parts along every axis."""
    finer = with_cells(problem, float(parts)).domain
    while parts > 1 and finer.cell_count > MOST_SAMPLES:
        parts //= 2
        finer = with_cells(problem, float(parts)).domain
    values = np.broadcast_to(problem.initial.evaluate(open_coordinates(finer)), finer.cells) if problem.initial else 0.0
    return float(np.mean(values))


def miss_of_start(ladder: "Ladder[Any]") -> float:
    """Mean temperature of the start that cells miss otherwise than to second order, over the span."""
    solution = ladder.solution
    if solution.problem.initial is None or solution.problem.steady or ladder.is_alike:
        return 0.0
    missed = abs(mean_initial(solution.problem, 1) - mean_initial(solution.problem, 4))
    span = float(solution.fields.max() - solution.fields.min())
    return missed / span if span > 0.0 else math.inf if missed > 0.0 else 0.0


def miss_of_geometry(ladder: "Ladder[Any]") -> float:
    """The largest share of the volume of a body or a region that its cells miss or have elsewhere.

    A wall whose thickness or place is off by a share has its resistance, its heat and its drop of temperature off by as
    much, so that of the span of temperatures this is what may be wrong at most, in order of magnitude. Grids whose
    cells miss the same agree well and do not show it.
    """
    coverage = find_coverage(ladder.solution.problem)
    return 0.0 if coverage is None else min(coverage.volume_astray, 1.0)


UNSEEN: tuple[Callable[[Ladder[Any]], float], ...] = (
    miss_of_start,
    miss_of_geometry,
)  # errors that a comparison of grids cannot show


def _time_error(solution: Solved) -> float:
    """Estimate of the time error of a run, over its span."""
    return sum(audit.value or 0.0 for audit in solution.audits if audit.name == "step_error")


def judge(values: list[float], own: float, order: float = ORDER) -> Extrapolated:
    """Estimate the limit from values on two or three grids, from fine to coarse.

    Args:
        order: Of the error, where two grids do not define it.
    """
    fine, coarse = values[0], values[1]
    if len(values) < 3 and order < ORDER:
        error = SAFETY * abs(fine - coarse) * (1.0 if own == fine else 2.0)
        return Extrapolated(own, error, None, is_consistent=False)
    limit = fine + (fine - coarse) / (2.0**ORDER - 1.0)
    error, rounding = abs(limit - own), ROUNDING * max(map(abs, values))
    if len(values) > 2 and abs(coarse - values[2]) > 2.0**FASTER * max(abs(fine - coarse), rounding):
        error += THIRD * abs((coarse - values[2]) - 2.0**ORDER * (fine - coarse))
    if abs(fine - coarse) <= rounding:
        return Extrapolated(own, error, None, is_consistent=False)
    if len(values) < 3:
        return Extrapolated(limit, error, None, is_consistent=True)
    ratio = (coarse - values[2]) / (fine - coarse)
    seen = math.log2(ratio) if ratio > 1.0 else None
    if RATIOS[0] <= ratio <= RATIOS[1]:
        error = error if math.log2(ratio) >= SMOOTH else SAFETY * abs(fine - coarse) / (ratio - 1.0)
        return Extrapolated(limit, error, seen, is_consistent=True)
    slow = 2.0 ** min(max(math.log2(abs(ratio)) if ratio else 0.0, LEAST_ORDER), ORDER)
    slow_error = SAFETY * max(abs(fine - coarse) / (slow - 1.0), 0.0 if seen else abs(coarse - values[2]) / slow)
    return Extrapolated(own, max(slow_error, error if ratio > RATIOS[1] else 0.0), seen, is_consistent=False)


def with_cells(problem: HeatProblem, factor: float) -> HeatProblem:
    """Return a problem with the number of cells along each axis multiplied by a factor."""
    domain: Domain = problem.domain
    return replace(problem, domain=replace(domain, cells=tuple(round(count * factor) for count in domain.cells)))


def restrict(solution: SolutionFields) -> FloatArray:
    """The last field at the centres of cells twice as large.

    Cubic along each axis, through the two cells on either side; the mean of the two middle ones at the ends of the box
    and across a border of regions, where a cubic would be wrong by more.
    """
    return _restrict_field(solution, solution.final)


def _restrict_field(solution: SolutionFields, field: FloatArray) -> FloatArray:
    """Restrict a field on the grid of a solution in the same way."""
    space = solution._spaces[-1]  # noqa: SLF001 of the same package
    region = space.region
    for axis in range(field.ndim):
        lines = np.moveaxis(field, axis, 0)
        middle = 0.5 * (lines[::2] + lines[1::2])
        wide = np.zeros_like(middle)
        wide[1:-1] = 0.5 * (lines[1:-3:2] + lines[4::2])
        is_inner = np.zeros(middle.shape, bool)
        is_inner[1:-1] = True
        if region is not None:
            marks = np.moveaxis(region, axis, 0)
            is_inner[1:-1] &= (marks[1:-3:2] == marks[2:-2:2]) & (marks[3:-1:2] == marks[4::2])
            region = np.moveaxis(marks[::2], 0, axis)
        if space.active is not None:
            is_inner[:] = False
        field = np.moveaxis(np.where(is_inner, 1.125 * middle - 0.125 * wide, middle), 0, axis)
    return field
