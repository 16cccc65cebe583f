"""Figures and verdicts of solved rods."""

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from grid.engine.rods.rods import Rod, start_shape
from grid.plugins.builtin.rod_params import RodParams, rod_columns
from grid.schemas.jobs import Audit, JsonObject, Reason
from grid.schemas.simulations import PointOutcome

FloatArray = npt.NDArray[np.float64]


def compute_metrics(rods: Sequence[RodParams], final: FloatArray) -> list[JsonObject]:
    """Return what tables show of each rod; `final` has the shape ``(rods, nodes)``.

    `largest_error` is the largest difference from the equation's exact solution at the end, as a fraction of the span.
    """
    nodes = final.shape[1]
    length, diffusivity, initial, boundary, end_time = (np.array(column) for column in rod_columns(rods))
    fourier = diffusivity * end_time / length**2
    span = initial - boundary
    # One by one: a vectorised exp may round differently at the ends of an array, that is with the width of the batch.
    decay = np.array([math.exp(-(math.pi**2) * number) for number in fourier.tolist()])
    exact = boundary[:, None] + (span * decay)[:, None] * start_shape(nodes)
    error = np.abs(final - exact).max(axis=1) / np.where(span == 0, 1.0, np.abs(span))
    table = {
        "centre_temperature_degC": (final[:, (nodes - 1) // 2] + final[:, nodes // 2]) / 2,
        "mean_temperature_degC": compute_mean(final),
        "max_temperature_degC": final.max(axis=1),
        "min_temperature_degC": final.min(axis=1),
        "fourier_number": fourier,
        "largest_error": error,
    }
    values = [column.tolist() for column in table.values()]
    return [dict(zip(table, row, strict=True)) for row in zip(*values, strict=True)]


def compute_mean(rows: FloatArray) -> FloatArray:
    """Return the mean along the rod by the trapezoidal rule, rows of shape ``(m, nodes)``."""
    mean: FloatArray
    mean = (rows.sum(axis=1) - 0.5 * (rows[:, 0] + rows[:, -1])) / (rows.shape[1] - 1)
    return mean


def judge_rod(point: RodParams, rod: Rod, metrics: JsonObject) -> PointOutcome:
    """Return the outcome of one rod: its audits, and the metrics where none of them failed."""
    audits = _audits(rod)
    count, fourier = rod.sub_steps.count, rod.sub_steps.mesh_fourier
    log = f"heat-rod: {point.time_steps} intervals, sub-steps in each: {count}, mesh Fourier number {fourier:.4g}\n"
    failed = [audit for audit in audits if audit["verdict"] == "failed"]
    if failed:
        return PointOutcome(
            Reason.DIVERGED, f"The audit {failed[0]['name']} failed: {failed[0]['detail']}.", audits=audits, log=log
        )
    return PointOutcome(
        Reason.OK,
        metrics={**metrics, "sub_steps": count, "mesh_fourier": fourier},
        audits=audits,
        field_sha256=rod.field_sha256,
        log=log,
    )


def _audits(rod: Rod) -> list[Audit]:
    return [
        Audit(
            name="finite",
            verdict="passed" if rod.is_finite else "failed",
            value=None,
            limit=None,
            detail="every temperature is a finite number",
        ),
        _bounded(
            "energy_balance",
            rod.energy_residual,
            rod.energy_limit,
            "heat lost through the ends against heat no longer stored, relative",
        ),
        _bounded(
            "maximum_principle",
            rod.bounds_excess,
            rod.bounds_limit,
            "how far temperatures left the range of start and ends, as a fraction of it",
        ),
    ]


def _bounded(name: str, value: float, limit: float, detail: str) -> Audit:
    passed = value <= limit  # not a number fails
    return Audit(
        name=name,
        verdict="passed" if passed else "failed",
        value=value if math.isfinite(value) else None,
        limit=limit,
        detail=detail,
    )
