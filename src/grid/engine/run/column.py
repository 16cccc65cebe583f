"""One column by its plan, without the general code: the cost of a repeated `plan.solve()` of a rod is its steps."""

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from grid.core.errors import DivergedError
from grid.engine.methods.bounds import reason_without_bounds
from grid.engine.methods.explicit.columns import (
    ColumnCoefficients,
    Schedule,
    base_numbers,
    count_steps,
    is_column,
    make_coefficients,
)
from grid.engine.methods.explicit.method import ExplicitMethod
from grid.engine.methods.state import Bounds, HeatBalance
from grid.engine.results.audits import (
    NO_TIMED_LOADS,
    Audit,
    audit_energy,
    audit_finite,
    audit_step_error,
    judge_extremes,
)
from grid.engine.results.fields import History
from grid.engine.results.metrics import make_metrics
from grid.engine.results.model_report import ModelReport
from grid.engine.results.solution import Solution
from grid.engine.values.operations import FloatArray

if TYPE_CHECKING:
    from grid.engine.run.spec import RunSpec

TOTALS = 5  # [-] numbers of a column besides its fields, see `grid.engine.methods.explicit.columns.ColumnRun`


@dataclass
class ColumnPlan:
    """Plan of one column, with everything that does not change from run to run."""

    plan: "RunSpec"
    laws: ColumnCoefficients
    start: FloatArray
    schedule: Schedule
    bounds: Bounds
    row_times: FloatArray = field(init=False)

    def __post_init__(self) -> None:
        from grid.engine.methods.explicit.column_kernels import run_column

        self._run = run_column
        self.row_times = self.schedule.row_times
        schedule, start = self.schedule, np.ascontiguousarray(self.start[0])
        kept, rows = 1 + int(schedule.asked.sum()), self.row_times.size
        self._shape, self._kept = (kept, start.size), kept * start.size
        self._history = tuple(
            slice(self._kept + figure * rows, self._kept + figure * rows + rows) for figure in range(3)
        )
        self._before_totals = self._kept + 3 * rows
        self._arguments = (
            np.ascontiguousarray(self.laws.law), schedule.stop_times, schedule.asked, schedule.counts, schedule.chunk,
            start, kept, rows,
        )  # fmt: skip
        self._steps = int(schedule.counts.sum())
        self._reason = reason_without_bounds(self.plan.problem)
        plan, times = self.plan, self.plan.times
        self._same = {  # of all solutions
            "problem": plan.problem, "plan": plan.summary, "times": times, "models": ModelReport(), "ladder": None,
            "_spaces": (plan.space,) * len(times), "_loads": (plan.space.loads(0.0),) * len(times),
            "_contents": (None,) * len(times), "run_warnings": (),
        }  # fmt: skip

    def solve(self) -> Solution:
        """Execute the plan.

        Raises:
            DivergedError: A temperature is not a finite number.
        """
        numbers = np.empty(self._before_totals + TOTALS)
        self._run(*self._arguments, numbers)
        found, totals = [numbers[part] for part in self._history], numbers[self._before_totals :]
        fields = numbers[: self._kept].reshape(self._shape)
        return self._conclude(fields, found, [part.tolist() for part in found], totals.tolist())

    def _conclude(
        self, fields: FloatArray, history: list[FloatArray], found: list[list[float]], totals: list[float]
    ) -> Solution:
        require_finite(found[1][-1], self._steps, self.plan.times[-1])
        heat_balance = HeatBalance(totals[0], totals[1])
        solution = Solution.__new__(Solution)
        # a frozen dataclass sets its fields one by one, which takes as long as a tenth of the steps
        solution.__dict__.update(
            self._same,
            snapshots=fields,
            metrics=make_metrics(
                found[0][-1], found[1][-1], found[2][-1], totals[2], totals[0], totals[1], 0.0, self._steps
            ),
            audits=make_audits(self.plan, self._reason, self.bounds, fields, found, totals, self._steps, heat_balance),
            history=History(self.row_times, *history),
            heat_balance=heat_balance,
        )
        return solution


def require_finite(mean: float, steps: int, time: float) -> None:
    """Refuse a run with a temperature that is not finite, which makes its mean not finite.

    Raises:
        DivergedError: It did.
    """
    if not math.isfinite(mean):
        raise DivergedError(steps, time, "a temperature is not a finite number; check the loads")


def make_audits(
    plan: "RunSpec",
    reason: str | None,
    bounds: Bounds,
    fields: FloatArray,
    rows: list[list[float]],
    totals: list[float],
    steps: int,
    heat_balance: HeatBalance,
) -> tuple[Audit, ...]:
    """The verdicts on a run; `reason` is that of `reason_without_bounds`, `rows` are those of the history."""
    lowest, _, highest = rows
    span = max(highest) - min(lowest)
    if len(fields) == 2:  # the first and the last row of the history are of these two
        ends = [(min(lowest[0], lowest[-1]), max(highest[0], highest[-1]))]
    else:
        ends = [(float(fields.min()), float(fields.max()))]
    return (
        audit_finite([fields], ends),
        audit_energy(totals[2], heat_balance, totals[3], steps=steps),
        judge_extremes(reason, bounds, ends),
        audit_step_error(totals[4], span, plan.summary.tolerance),
        NO_TIMED_LOADS,
    )


def find_column(plan: "RunSpec") -> ColumnPlan | None:
    """The plan as one column, if it is one."""
    inputs = plan.inputs
    if not isinstance(plan.method, ExplicitMethod) or inputs is None or not is_column(plan.problem):
        return None
    if plan.summary.model != "diffusive" or inputs.stop_times[-1] not in plan.times:
        return None
    laws = make_coefficients(plan.problem, base_numbers(plan.problem), 1)
    start = plan.space.initial_temperature()
    schedule = make_schedule(plan, count_steps(inputs, laws.stable)[0])
    low = min(float(start.min()), float(laws.lowest[0]))
    high = max(float(start.max()), float(laws.highest[0]))
    return ColumnPlan(plan, laws, start[None], schedule, Bounds(low, high))


def make_schedule(plan: "RunSpec", counts: FloatArray) -> Schedule:
    """The schedule of a plan whose columns take `counts` steps between stop times."""
    stop_times = plan.inputs.stop_times if plan.inputs is not None else ()
    asked = np.array([stop_time in plan.times for stop_time in stop_times])
    return Schedule(np.array(stop_times), asked, np.asarray(counts, np.int64))
