"""Figures and verdicts of columns that ran together: numbers for all at once, audits in words on request."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from grid.engine.methods.bounds import reason_without_bounds
from grid.engine.methods.explicit.columns import ColumnRun
from grid.engine.methods.state import Bounds, HeatBalance
from grid.engine.results.audits import (
    ENERGY_LIMIT,
    ESTIMATE_SLACK,
    EXTREME_LIMIT,
    LEAST_SCALE,
    STEP_ERROR_LIMIT,
    allow_energy,
)
from grid.engine.results.metrics import make_metrics
from grid.engine.run.column import make_audits
from grid.engine.values.operations import FloatArray

if TYPE_CHECKING:
    from grid.engine.results.audits import Audit
    from grid.engine.run.plan import Plan


@dataclass(frozen=True)
class Group:
    """Columns that ran together.

    Args:
        plan: Of the batch.
        ran: What the kernels left of them.
        steps: Steps of each.
        lowest, highest: Extremes of initial and boundary temperatures, shape (columns,).
    """

    plan: "Plan"
    ran: ColumnRun
    steps: int
    lowest: FloatArray
    highest: FloatArray

    def audits(self, index: int) -> "tuple[Audit, ...]":
        """The verdicts on one of them."""
        bounds = Bounds(float(self.lowest[index]), float(self.highest[index]))
        totals = self.ran.totals[index].tolist()
        reason = reason_without_bounds(self.plan.problem)
        fields, rows = self.ran.fields[index], self.ran.rows[index].tolist()
        return make_audits(
            self.plan, reason, bounds, fields, rows, totals, self.steps, HeatBalance(totals[0], totals[1])
        )

    def is_accepted(self) -> npt.NDArray[np.bool_]:
        """True where no audit failed, by the limits of `grid.engine.results.audits`."""
        into, out, stored, content, error = self.ran.totals.T
        scale = np.maximum(np.maximum(into, out), LEAST_SCALE * content)
        accepted = np.abs(stored - (into - out)) <= allow_energy(ENERGY_LIMIT, scale, self.steps, content)
        low, high = self._find_extremes()
        accepted &= np.isfinite(low) & np.isfinite(high)
        if reason_without_bounds(self.plan.problem) is None:
            excess = np.maximum(self.lowest - low, high - self.highest)
            rounding = 1e-12 * np.maximum(np.abs(self.lowest), np.abs(self.highest))
            span = np.maximum(self.highest - self.lowest, rounding)
            accepted &= (excess <= rounding) | (excess <= EXTREME_LIMIT * span)
        tolerance = self.plan.summary.tolerance
        limit = STEP_ERROR_LIMIT if tolerance is None else ESTIMATE_SLACK * tolerance
        span = self.ran.rows[:, 2].max(axis=1) - self.ran.rows[:, 0].min(axis=1)
        result: npt.NDArray[np.bool_] = accepted & ((span <= 0.0) | (error <= limit * span))
        return result

    def _find_extremes(self) -> tuple[FloatArray, FloatArray]:
        """Extremes of all stored fields of each column; not finite where a temperature or the mean is not."""
        fields, rows = self.ran.fields, self.ran.rows
        if fields.shape[1] != 2:
            flat = fields.reshape(fields.shape[0], -1)
            return flat.min(axis=1), flat.max(axis=1)
        ends = rows[:, :, [0, -1]]  # the first and the last row of the history are of the two fields
        is_sure = np.isfinite(ends[:, 1]).all(axis=1)
        return np.where(is_sure, ends[:, 0].min(axis=1), np.nan), np.where(is_sure, ends[:, 2].max(axis=1), np.nan)

    def metrics(self) -> dict[str, Any]:
        """The figures of all, by the names of `Solution.metrics`."""
        low, mean, high = self.ran.rows[:, :, -1].T
        into, out, stored = self.ran.totals.T[:3]
        return make_metrics(low, mean, high, stored, into, out, 0.0, self.steps)
