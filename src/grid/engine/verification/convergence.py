r"""Convergence studies: how a quantity changes as the grid or the step is halved, and how far it still may be off.

With values phi_1 (fine), phi_2, phi_3 on grids whose cells grow by r = 2, e_21 = phi_2 - phi_1, e_32 = phi_3 - phi_2:

.. math:: p = \ln|e_{32}/e_{21}| / \ln r, \quad \phi_{ext} = \phi_1 - e_{21} / (r^p - 1), \quad
          GCI = F_s |e_{21} / \phi_1| / (r^p - 1)

The cells are refined at a fixed number of steps and the steps on a fixed grid, so that each study shows one error
alone.

References:
    P. J. Roache, Verification and Validation in Computational Science and Engineering (Hermosa, 1998), ch. 5.
    I. B. Celik et al., Procedure for estimation and reporting of uncertainty due to discretization in CFD
    applications, J. Fluids Eng. 130 (2008) 078001, eqs. (3) to (7).
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from grid.core.errors import FieldError, UnsupportedError
from grid.engine import limits
from grid.engine.problem.case import KINDS, OTHER_KINDS
from grid.engine.problem.domain import AXES
from grid.engine.problem.problem import HeatProblem
from grid.engine.run.planning import estimate
from grid.engine.run.solve import solve
from grid.engine.verification.quantities import compute_quantity

Direction = Literal["space", "time"]
Behaviour = Literal["monotonic", "oscillating", "diverging", "settled"]
Entry = Mapping[str, Any]

RATIO = 2  # [-] ratio of the cells or the steps from one level to the next
FORMAL_ORDER = 2.0  # [-] order of the scheme, in space and in time
# [-] Roache's factors for three grids that converge as they should, and for others
SAFETY, SAFETY_IRREGULAR = 1.25, 3.0
MIN_LEVELS, MAX_LEVELS = 3, 7  # [-] levels of a study
MAX_WORK_S = 1800.0  # [s] estimated time of a study at most
DEFAULT_STEPS = 50  # [-] steps of the coarsest level, where a case names none
ROUNDING = 1e-11  # [-] difference over the value, below which it is not of the discretisation


@dataclass(frozen=True)
class Study:
    """One quantity over the levels of one direction.

    Args:
        quantity: The entry that was computed, with its place and time.
        direction: What was refined.
        sizes: Number of cells along x, or of steps, from coarse to fine.
        values: The quantity at each level.
        behaviour: `monotonic`; `oscillating` or `diverging` where the levels do not yet follow a power of the cell;
            `settled` where they differ by rounding alone.
        observed_order: p from the three finest levels; None unless monotonic.
        extrapolated: Richardson's value for cells or steps of size zero, or the value that all share; else None.
        uncertainty: Band about the finest value that should hold it, in the unit of the quantity; None if diverging.
        gci: The same as a share of the finest value; None where that is zero.
    """

    quantity: Entry
    direction: Direction
    sizes: tuple[int, ...]
    values: tuple[float, ...]
    behaviour: Behaviour
    observed_order: float | None
    extrapolated: float | None
    uncertainty: float | None
    gci: float | None


def study_case(case: Entry, *, levels: int = MIN_LEVELS, directions: Sequence[Direction] | None = None) -> list[Study]:
    """Study a case of the format, on its own grid and finer ones.

    Args:
        case: Heat on a grid; its `expected` entries name the quantities, else the mean and the middle.
        levels: Grids in all, each with twice the cells along every axis (or twice the steps) of the one before.
        directions: `space`, `time` or both; default all that the case has.

    Raises:
        UnsupportedError: A kind of case without a grid, or a run that changes its model.
        FieldError, InvalidFieldsError: The case is not valid, or cannot be refined as requested.
    """
    kind = case.get("kind", "diffusion")
    if kind in OTHER_KINDS and kind not in KINDS:
        raise UnsupportedError(f"a convergence study of {OTHER_KINDS[kind]}, which has no grid to refine,")
    if "adaptive" in case:
        raise UnsupportedError("a convergence study of a run that changes its model")
    problem = HeatProblem.from_case(case)
    return study(problem, find_quantities(case, problem), levels=levels, directions=directions)


def find_quantities(case: Entry, problem: HeatProblem) -> list[Entry]:
    """Quantities of a case that are one number on one grid; by default the mean and the middle of the box."""
    asked: list[Entry] = [
        {
            name: part
            for name, part in entry.items()
            if name not in ("value", "tolerance", "unit", "compare", "published")
        }
        for entry in case.get("expected", ())
        if isinstance(entry, Mapping) and entry.get("quantity") != "observed_order"
    ]
    if asked:
        return asked
    domain, mean = problem.domain, {"quantity": "mean_temperature"}
    middle = [low + 0.5 * length for low, length in zip(domain.origin, domain.size, strict=True)]
    centre = {"quantity": "temperature", "at": dict(zip(AXES, middle, strict=False))}
    return [mean] if domain.active is not None else [mean, centre]


def study(
    problem: HeatProblem,
    quantities: Sequence[Entry],
    *,
    levels: int = MIN_LEVELS,
    directions: Sequence[Direction] | None = None,
) -> list[Study]:
    """Study quantities of a problem; see `study_case`."""
    if not MIN_LEVELS <= levels <= MAX_LEVELS:
        raise FieldError("levels", f"{MIN_LEVELS} to {MAX_LEVELS}")
    possible: tuple[Direction, ...] = ("space",) if problem.steady else ("space", "time")
    chosen = possible if directions is None else tuple(directions)
    if "time" in chosen and problem.steady:
        raise FieldError("direction", "space alone where the steady state is asked for: it has no time steps")
    times = sorted({float(entry["time"]) for entry in quantities if entry.get("time") is not None})
    base = _with_all_times(problem, times)
    families = {direction: _family(base, direction, levels) for direction in chosen}
    _require_affordable([member for family in families.values() for member in family], times)
    found = []
    for direction, family in families.items():
        rows = [_compute(member, quantities, times) for member in family]
        sizes = tuple(member.domain.cells[0] if direction == "space" else member.steps or 0 for member in family)
        for number, entry in enumerate(quantities):
            found.append(judge(entry, direction, sizes, tuple(row[number] for row in rows)))
    return found


def _with_all_times(problem: HeatProblem, times: Sequence[float]) -> HeatProblem:
    """The problem as long as its last output time, at the same step."""
    if problem.steady or problem.end_time is None:
        return problem
    steps, end = problem.steps or DEFAULT_STEPS, max(problem.end_time, *times, 0.0)
    return replace(problem, end_time=end, steps=limits.scale_steps(steps, end / problem.end_time))


def _family(problem: HeatProblem, direction: Direction, levels: int) -> list[HeatProblem]:
    """The problem on ever finer grids or steps, itself first.

    Raises:
        FieldError: More cells or steps than the engine takes.
    """
    found = [problem]
    for level in range(1, levels):
        factor = RATIO**level
        try:
            if direction == "space":
                cells = tuple(factor * count for count in problem.domain.cells)
                found.append(replace(problem, domain=replace(problem.domain, cells=cells)))
            else:
                found.append(replace(problem, steps=factor * (problem.steps or DEFAULT_STEPS)))
        except FieldError as error:
            raise FieldError("levels", f"fewer, or a coarser {error.field}: {error.limit}") from error
    return found


def _require_affordable(problems: Sequence[HeatProblem], times: Sequence[float]) -> None:
    """Refuse a study that would take too long, before anything is solved."""
    total = sum(estimate(problem, method=_method(problem), times=times or None).work_s for problem in problems)
    if total > MAX_WORK_S:
        raise FieldError("levels", f"fewer, or a coarser grid: at most {MAX_WORK_S:g} s in all by the cost model")


def _method(problem: HeatProblem) -> str:
    """The second-order method with a fixed number of steps, so that only what is refined changes."""
    return "auto" if problem.steady else "implicit"


def _compute(problem: HeatProblem, quantities: Sequence[Entry], times: Sequence[float]) -> list[float]:
    solution = solve(problem, method=_method(problem), times=times or None)
    values = [compute_quantity(solution, entry) for entry in quantities]
    if not all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in values):
        raise FieldError("quantity", "quantities that are one number")
    return [float(value) for value in values]


def judge(quantity: Entry, direction: Direction, sizes: tuple[int, ...], values: tuple[float, ...]) -> Study:
    """Estimate the limit from the values of ever finer levels."""
    third, second, first = values[-3:]
    e_21, e_32 = second - first, third - second
    largest = max(abs(e_21), abs(e_32))
    if largest <= ROUNDING * max(map(abs, values)):
        return _make(quantity, direction, sizes, values, "settled", None, first, largest)
    if e_21 == 0.0 or abs(e_21) >= abs(e_32):
        return _make(quantity, direction, sizes, values, "diverging", None, None, None)
    if e_32 / e_21 < 0.0:
        uncertainty = SAFETY_IRREGULAR * largest
        return _make(quantity, direction, sizes, values, "oscillating", None, None, uncertainty)
    order = math.log(abs(e_32 / e_21)) / math.log(RATIO)
    # an order above the scheme's is luck of the coarser grids, on which the band must not rest
    trusted = min(order, FORMAL_ORDER)
    factor = SAFETY if abs(order - FORMAL_ORDER) <= 0.5 * FORMAL_ORDER else SAFETY_IRREGULAR
    uncertainty = factor * abs(e_21) / (RATIO**trusted - 1.0)
    extrapolated = first - e_21 / (RATIO**order - 1.0)
    return _make(quantity, direction, sizes, values, "monotonic", order, extrapolated, uncertainty)


def _make(
    quantity: Entry,
    direction: Direction,
    sizes: tuple[int, ...],
    values: tuple[float, ...],
    behaviour: Behaviour,
    order: float | None,
    extrapolated: float | None,
    uncertainty: float | None,
) -> Study:
    last = values[-1]
    gci = uncertainty / abs(last) if uncertainty is not None and last != 0.0 else None
    return Study(quantity, direction, sizes, values, behaviour, order, extrapolated, uncertainty, gci)
