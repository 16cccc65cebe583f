"""Audit of the loads: the heat or level that a method applied of each against its integral.

A method samples its loads at points of its steps. The weighted sum of these samples, as the scheme used them, is kept
in the heat balance (`HeatBalance.prescribed`); here it is compared with the integral of the load over each interval
between two output times, by Gauss's rule on stretches on which the load is smooth (`grid.engine.loads.course`). The
scale is the largest integral of the load's size over one of these intervals, of a temperature that of its distance to
its mean: a body with many output times keeps the heat of one interval, not of the whole run. Loads that depend on the
temperature of the body have no integral that is known; neither has a source of place and time, nor a flux whose means
over faces need other points at every moment. Their heat is in the balance.
"""

from typing import TYPE_CHECKING

import numpy as np

from grid.engine.methods.inputs import analyse_inputs
from grid.engine.results.audits import NO_TIMED_LOADS, Audit
from grid.engine.space.prescribed import PrescribedLoad
from grid.engine.values.operations import FloatArray
from grid.engine.values.value import Table

if TYPE_CHECKING:
    from grid.engine.methods.inputs import MethodInputs
    from grid.engine.space.space import Space

NAME = NO_TIMED_LOADS.name
NOT_KNOWN = Audit(
    NAME, "not_applicable", None, None, "the loads that depend on time depend on temperature, or on the place, as well"
)
NOT_SAMPLED = Audit(NAME, "not_applicable", None, None, "the method integrates its loads itself")
LIMIT_FACTOR = 2.0  # [-] largest error over the tolerance
LIMIT_EQUAL_STEPS = 0.05  # [-] largest error where the steps were prescribed
RULE = np.polynomial.legendre.leggauss(8)  # [-] Gauss's rule for any load
# [-] Gauss's rule that is exact for the straight lines of which tables are made
LINEAR_RULE = np.polynomial.legendre.leggauss(2)
BLOCK = 1_000_000  # [-] values evaluated at once


def audit_loads(
    space: "Space",
    inputs: "MethodInputs",
    times: tuple[float, ...],
    sums: list[tuple[float, ...]],
    tolerance: float | None,
) -> Audit:
    """The verdict on the loads of a run.

    Args:
        space: What was solved.
        inputs: Of the plan.
        times: Output times, with 0 first where the start is stored [s].
        sums: `HeatBalance.prescribed` at each of them.
        tolerance: That the steps were chosen for; None where they were given.
    """
    if not inputs.problem.has_timed_values:
        return NO_TIMED_LOADS
    loads = space.prescribed_loads
    if not loads:
        return NOT_KNOWN
    if not any(sums):
        return NOT_SAMPLED
    limit = LIMIT_EQUAL_STEPS if tolerance is None else LIMIT_FACTOR * tolerance
    found = []
    for index, load in enumerate(loads):
        applied = np.array([row[index] if row else 0.0 for row in sums])
        found.append((_compare(load, inputs, np.array(times), applied), load.path))
    value, path = max(found)
    detail = (
        f"what was applied of {path} against its integral between output times, over the largest integral of its size"
    )
    return Audit(NAME, "passed" if value <= limit else "failed", value, limit, detail)


def _compare(load: PrescribedLoad, inputs: "MethodInputs", times: FloatArray, applied: FloatArray) -> float:
    """The largest difference between two output times, over the largest integral of the size between two."""
    ends = analyse_inputs(inputs).find_ends(load.path)
    ends = np.union1d(ends[ends <= inputs.duration], np.append(times, [0.0, inputs.duration]))
    half, middle = 0.5 * np.diff(ends), 0.5 * (ends[:-1] + ends[1:])
    nodes, weights = LINEAR_RULE if isinstance(load.value, Table) else RULE
    values = load.sample((middle[:, None] + half[:, None] * nodes).reshape(-1)).reshape(half.size, -1)
    parts = (values @ weights) * half
    mean = 0.0 if load.is_absolute else float(parts.sum()) / inputs.duration
    asked = np.searchsorted(ends, times)
    sizes = np.concatenate([[0.0], np.cumsum((np.abs(values - mean) @ weights) * half)])
    size = float(np.diff(sizes[asked]).max(initial=0.0))
    exact = np.concatenate([[0.0], np.cumsum(parts)])[asked]
    difference = float(np.abs(np.diff(applied) - np.diff(exact)).max(initial=0.0))
    rounding = 1e-12 * float(np.abs(parts).sum())
    return difference / max(size, rounding) if difference > rounding else 0.0
