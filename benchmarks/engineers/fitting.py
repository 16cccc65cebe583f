"""The constants of the cost model (`grid.engine.costs.table`), fitted to measured runs of random problems.

Each run is a work, so many of each operation, and a time. The constants are those with the least logarithms of time
over price, of which large ones count less than by their squares (Huber); a small weight holds each of them near what it
was, so that what no run tells does not wander. All methods are fitted together, as they share operations.
"""

import math
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import least_squares

from grid.engine.costs.table import TABLE, Work

HELD = 0.3  # weight of the logarithm of a constant over what it was, beside that of one run
# of kernels that were timed alone, or on which methods decide: held as they are
MEASURED = (
    "factor", "cholesky", "solve_entry", "solve_cell", "product", "tiled", "cycle", "multigrid", "krylov_cell",
    "output", "orthogonal", "field_cell", "landing_cell",
)  # fmt: skip
HELD_MEASURED = 10.0
BEND = 0.4  # logarithm of time over price beyond which a run counts less
RANGE = math.log(100.0)  # of a constant to either side


FIRST = 1000  # problem that is fitted to; those below are judged
OTHERS = 3  # of so many problems one is solved by the other methods too
LONGEST, LONGEST_OTHER = 15.0, 3.0  # s of estimate from which a run is left out
LIMIT = 30.0  # s at which it is stopped


PLAN = "plan"  # name of what is done before a run, which is timed by itself as well
PLANNED = ("plan", "source_")  # operations of it


@dataclass(frozen=True)
class Run:
    """What a run did, and how long it took [s]."""

    number: int
    method: str
    work: Work
    seconds: float


def measure(count: int) -> Iterator[Run]:
    """Runs of so many problems; a line for each on the way."""
    from grid.engine.methods import METHODS

    for number in range(FIRST, FIRST + count):
        runs = _solve(number, "auto", LONGEST)
        yield from runs
        if runs and number % OTHERS == 0 and runs[0].method != "steady":
            for method in METHODS:
                if method.name != runs[0].method:
                    yield from _solve(number, method.name, LONGEST_OTHER)[:1]


def _solve(number: int, method: str, longest: float) -> list[Run]:
    """The least processor time of a problem after a first run, and that of its plan; none where it takes too long."""
    from benchmarks.engineers.estimates import LONG, SHORT
    from benchmarks.engineers.random_problems import make
    from grid.core.errors import GridError
    from grid.engine import HeatProblem, prepare

    made, least, before = make(number), math.inf, math.inf
    tolerance = made.tolerance if method == "auto" else made.tolerance or 1e-4
    settings = {"tolerance": tolerance} | ({"times": made.times} if made.times else {})
    try:
        for turn in range(4):
            started = time.process_time()
            plan = prepare(HeatProblem.from_case(made.case), method=method, **settings)
            planned = time.process_time() - started
            if plan.summary.estimate.work_s > longest:
                return []
            plan.solve(lambda *_: time.process_time() - started < LIMIT)  # noqa: B023 - called within this turn
            seconds = time.process_time() - started
            if turn > 0 or seconds > LONG:  # the first one compiles
                least, before = min(least, seconds), min(before, planned)
            if seconds > LONG or (turn > 0 and seconds > SHORT):
                break
    except GridError:
        return []
    name = plan.summary.method
    print(f"{number} {name} {least:.4g} s, estimate {plan.summary.estimate.work_s:.4g} s", file=sys.stderr, flush=True)
    work = find_work(number, name)
    own = {operation: count for operation, count in work.items() if operation.startswith(PLANNED)}
    return [Run(number, name, work, least), Run(number, PLAN, own, before)]


def find_work(number: int, method: str) -> Work:
    """What the planner thinks that a method does of a random problem, without a field."""
    from benchmarks.engineers.random_problems import make
    from grid.engine import HeatProblem
    from grid.engine.costs.runs import plan_work, steady_work
    from grid.engine.costs.table import add
    from grid.engine.methods import METHODS
    from grid.engine.run.choosing import estimate_cost, find_stop_times, make_inputs

    made = make(number)
    problem = HeatProblem.from_case(made.case)
    if problem.steady:
        return add(plan_work(problem, 1), steady_work(problem))
    outputs = (0.0, *made.times) if made.times else (0.0, problem.end_time or 0.0)
    stop_times = find_stop_times(problem, outputs, made.tolerance)
    inputs = make_inputs(problem, outputs, stop_times, None, made.tolerance, "double")
    [chosen] = [one for one in METHODS if one.name == method]
    return estimate_cost(chosen, inputs).work


def fit(runs: Sequence[Run]) -> dict[str, float]:
    """Seconds of each operation of the table; those that no run has stay as they are."""
    names = sorted({name for run in runs for name, count in run.work.items() if count > 0.0})
    before = np.array([TABLE[name].seconds for name in names])
    counts = np.array([[run.work.get(name, 0.0) for name in names] for run in runs])
    seconds = np.log([run.seconds for run in runs])
    held = np.array([HELD_MEASURED if name.startswith(MEASURED) else HELD for name in names])

    def miss(changes: np.ndarray) -> np.ndarray:
        return np.log(counts @ (before * np.exp(changes))) - seconds

    def residuals(changes: np.ndarray) -> np.ndarray:
        off = miss(changes)
        bent = np.sign(off) * np.sqrt(np.where(np.abs(off) <= BEND, off**2, 2.0 * BEND * np.abs(off) - BEND**2))
        return np.concatenate([bent, held * changes])

    def slopes(changes: np.ndarray) -> np.ndarray:
        now = before * np.exp(changes)
        shares = counts * now / (counts @ now)[:, None]
        off = np.abs(miss(changes))
        scale = np.where(off <= BEND, 1.0, BEND / np.sqrt(np.maximum(2.0 * BEND * off - BEND**2, BEND**2)))
        return np.vstack([shares * scale[:, None], np.diag(held)])

    found = least_squares(residuals, np.zeros(len(names)), slopes, bounds=(-RANGE, RANGE)).x
    return dict(zip(names, (before * np.exp(found)).tolist(), strict=True))


def price(work: Work, constants: Mapping[str, float]) -> float:
    """Seconds of a work by other constants than those of the table."""
    return sum(count * constants.get(name, TABLE[name].seconds) for name, count in work.items())


def describe(runs: Iterable[Run], constants: Mapping[str, float]) -> str:
    """Shares within factors of 2 and 4 before and after for each method, and the constants by their groups."""
    kept = list(runs)
    lines = ["| method | runs | within 2 x, 4 x before | after | median of time over price |", "|---|---|---|---|---|"]
    for method in [*sorted({run.method for run in kept}), "all"]:
        own = [run for run in kept if method in (run.method, "all")]
        old = [run.seconds / price(run.work, {}) for run in own]
        new = [run.seconds / price(run.work, constants) for run in own]
        lines.append(f"| {method} | {len(own)} | {_share(old)} | {_share(new)} | {np.median(new):.2f} |")
    lines += ["", "Lines of `grid.engine.costs.table.TABLE`, with the ratio to what was:"]
    lines += [
        f'"{name}": Operation({value:.2g}, "{TABLE[name].group}"),  # {value / TABLE[name].seconds:.2f}'
        for name, value in constants.items()
    ]
    return "\n".join(lines)


def _share(ratios: Sequence[float]) -> str:
    inside = [sum(1.0 / factor <= ratio <= factor for ratio in ratios) / len(ratios) for factor in (2.0, 4.0)]
    return f"{inside[0]:.0%}, {inside[1]:.0%}"
