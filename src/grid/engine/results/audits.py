"""Audits of a run: a run that ended can still be rejected."""

import math
from typing import Literal, NamedTuple, TypeVar

import numpy as np

from grid.engine.methods.bounds import TENSOR, reason_without_bounds, tolerance_scale
from grid.engine.methods.state import Bounds, HeatBalance
from grid.engine.problem.problem import HeatProblem
from grid.engine.values.operations import FloatArray

Amount = TypeVar("Amount", float, FloatArray)
Verdict = Literal["passed", "failed", "not_applicable"]

# [-] error of a heat balance over the heat moved, of linear and of other problems
ENERGY_LIMIT, ENERGY_LIMIT_NONLINEAR = 1e-10, 1e-8
# [-] excess over the span: twice the overshoot of a step that the implicit method accepts without damping
EXTREME_LIMIT = 2e-6
STEP_ERROR_LIMIT = 0.01  # [-] time error over the span, where the number of steps was prescribed
ESTIMATE_SLACK = 2.0  # [-] largest estimate over the tolerance, in a run whose steps were chosen for it
LEAST_SCALE = 1e-3  # [-] least scale of a balance over the heat of the body
UNIT_ROUNDING = 0.5 * math.ulp(1.0)  # [-] relative error of a number that is stored
EXCHANGES = 64.0  # [-] roundings of the heat that cells exchange, which a run may leave in its balance


class Audit(NamedTuple):
    """One check of a result.

    Args:
        name: `finite`, `energy_balance`, `maximum_principle`, `step_error`, `load_integral`.
        verdict: `passed`, `failed` or `not_applicable`.
        value: What was measured; NaN is never here, None where nothing was measured.
        limit: What it may be at most.
        detail: One sentence.
    """

    name: str
    verdict: Verdict
    value: float | None
    limit: float | None
    detail: str


NO_TIMED_LOADS = Audit("load_integral", "not_applicable", None, None, "no load depends on time")


def _judge(name: str, value: float, limit: float, detail: str) -> Audit:
    return Audit(name, "passed" if value <= limit else "failed", value, limit, detail)


def audit_finite(fields: list[FloatArray], extremes: list[tuple[float, float]]) -> Audit:
    """Every temperature of every snapshot is a finite number; NaN spreads to its extremes."""
    wrong = 0
    for field, (low, high) in zip(fields, extremes, strict=True):
        if not (math.isfinite(low) and math.isfinite(high)):
            wrong += int(field.size - np.isfinite(field).sum())
    return _judge("finite", float(wrong), 0.0, "temperatures that are not finite numbers")


def allow_energy(limit: float, scale: Amount, steps: int, content: Amount, exchanged: float = 0.0) -> Amount:
    """Allowed error of a heat balance [J], of one run or of many columns; see `audit_energy`."""
    return limit * scale + UNIT_ROUNDING * (steps * content + EXCHANGES * exchanged)


def audit_energy(
    stored: float,
    heat_balance: HeatBalance,
    content: float,
    *,
    is_linear: bool = True,
    steps: int = 0,
    exchanged: float = 0.0,
) -> Audit:
    """Stored heat against heat moved.

    A temperature is stored to half a unit in its last place, u of it, so every step may leave u C |T| in each cell: in
    a run of 100,000 steps that moves little of its heat this is what limits. And a cell whose conductances add up to D
    exchanges D (T_j - T) with what is around it, of which the last place of T alone makes u D |T|; a solve of
    (C + dt D) T = r that is as exact as it can be leaves no less (N. J. Higham, Accuracy and Stability of Numerical
    Algorithms, 2002, section 7.1). Over a run that is u C |T| for each step and u D |T| for each second. Modes and
    polynomials of the whole matrix are exact for one that is off by p u of its largest entries, p a modest multiple of
    its size or degree (G. H. Golub, C. F. Van Loan, Matrix Computations, 2013, section 8.1): `EXCHANGES` times as much.

    Args:
        stored: Heat at the end minus heat at the start [J].
        heat_balance: Heat moved through boundaries and by sources.
        content: Sum of |heat| of all cells [J]; a thousandth of it is the least scale, below which rounding rules.
        is_linear: Whether no iteration was needed.
        steps: How often the temperatures were stored.
        exchanged: Sum of D |T| of all cells, in all of the run [J].
    """
    scale = max(
        heat_balance.boundary_in, heat_balance.boundary_out, heat_balance.generated_absolute, LEAST_SCALE * content
    )
    residual = abs(stored - heat_balance.net) / scale if scale > 0 else 0.0
    limit = ENERGY_LIMIT if is_linear else ENERGY_LIMIT_NONLINEAR
    limit = allow_energy(limit, scale, steps, content, exchanged) / scale if scale > 0 else limit
    return _judge("energy_balance", residual, limit, "|stored - in + out - generated| over the heat moved")


def audit_extremes(problem: HeatProblem, bounds: Bounds, extremes: list[tuple[float, float]]) -> Audit:
    """Temperatures stay between the extremes of the initial and the boundary temperatures."""
    return judge_extremes(reason_without_bounds(problem), bounds, extremes)


def judge_extremes(reason: str | None, bounds: Bounds, extremes: list[tuple[float, float]]) -> Audit:
    """`audit_extremes` where it is known why nothing bounds the temperatures, or that something does."""
    if reason is not None and reason != TENSOR:
        return Audit("maximum_principle", "not_applicable", None, None, reason)
    low, high = extremes[0] if len(extremes) == 1 else (min(e[0] for e in extremes), max(e[1] for e in extremes))
    span = bounds.highest - bounds.lowest
    excess = max(bounds.lowest - low, high - bounds.highest, 0.0)
    rounding = 1e-12 * max(abs(bounds.lowest), abs(bounds.highest))
    relative = 0.0 if excess <= rounding else excess / max(span, rounding)
    if reason is not None:
        return Audit("maximum_principle", "not_applicable", relative, None, reason)
    return _judge("maximum_principle", relative, EXTREME_LIMIT, "excess over the extremes of the data, over their span")


def audit_iteration(error: float | None, extremes: tuple[float, float], tolerance: float | None) -> Audit:
    """The largest estimated error of a steady field, against the tolerance that its iteration went to."""
    if error is None or tolerance is None:
        return Audit("step_error", "not_applicable", None, None, "a steady state has no time steps")
    relative = error / tolerance_scale(*extremes, tolerance)
    detail = "largest estimated error of the iteration for the steady state, over the span"
    return _judge("step_error", relative, ESTIMATE_SLACK * tolerance, detail)


def audit_step_error(error: float | None, span: float, tolerance: float | None = None) -> Audit:
    """The largest estimated time error at the output times, against the tolerance that the steps were chosen for."""
    if error is None:
        return Audit("step_error", "not_applicable", None, None, "a steady state has no time steps")
    relative = error / span if span > 0 else 0.0
    limit = STEP_ERROR_LIMIT if tolerance is None else ESTIMATE_SLACK * tolerance
    return _judge("step_error", relative, limit, "largest estimated time error at the output times, over the span")
