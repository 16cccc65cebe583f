"""`heat-rod`: the 1D heat equation in a rod, the same parameters and numbers as the program `sim/run_sim.py`."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, cast

from pydantic import BaseModel

from grid.plugins.builtin.parameters import Parameters, Whole, quantity
from grid.plugins.numerics import numerics_version
from grid.schemas.jobs import Audit, JsonObject, Reason
from grid.schemas.simulations import BatchResult, Estimate, PointOutcome, Progress

if TYPE_CHECKING:
    import numpy as np

    from grid.engine.rod import Rod

_SNAPSHOTS = 16
# Measured on one core of an EPYC server, rounded down; a claim is sized by them, nothing else depends on them.
_CELL_STEPS_PER_S = 2e9
_HASHED_BYTES_PER_S = 1.5e9
_STORED_BYTES_PER_S = 1.5e8
_POINT_S = 3e-5


class RodParams(Parameters):
    """Parameters of `heat-rod`; names and defaults are those of `sim/run_sim.py`."""

    length: float = quantity(1.0, unit="m", low=1e-6, high=1e6, description="Length of the rod")
    time_steps: Whole = quantity(
        100,
        unit="1",
        low=1,
        high=1_000_000,
        description="Equal intervals between results; sub-steps are made as needed",
    )
    spatial_steps: Whole = quantity(
        101, unit="1", low=3, high=1_000_000, description="Nodes along the rod, both ends included"
    )
    diffusivity: float = quantity(0.01, unit="m2/s", low=1e-12, high=1e3, description="Thermal diffusivity")
    initial_temp: float = quantity(
        100.0, unit="degC", low=-273.15, high=1e6, description="Temperature at the centre at the start"
    )
    boundary_temp: float = quantity(
        0.0, unit="degC", low=-273.15, high=1e6, description="Temperature of both ends, at all times"
    )
    end_time: float = quantity(1.0, unit="s", low=1e-9, high=1e12, description="Simulated time")


class HeatRod:
    """The simulation `heat-rod`."""

    name = "heat-rod"
    title = "Heat conduction in a rod"
    description = (
        "Solves dT/dt = diffusivity d2T/dx2 on a rod whose ends are held at boundary_temp, from the start "
        "boundary_temp + (initial_temp - boundary_temp) sin(pi x / length), by explicit finite differences (first "
        "order in time, second in space). Each interval between results is cut into sub-steps that keep the mesh "
        "Fourier number at or below 1/2."
    )
    params_model: type[BaseModel] = RodParams
    numerics_version = numerics_version(
        (
            "engine/rod.py",
            "engine/rod_kernels.py",
            "plugins/builtin/rod.py",
            "plugins/builtin/rod_batch.py",
            "plugins/builtin/rod_files.py",
        )
    )
    files: tuple[str, ...] = ("result.csv", "meta.json", "simulation_results.png", "temperature_field.npy")

    def estimate(self, params: BaseModel) -> Estimate:
        """Price one point; the field is never held in memory, but it is an output."""
        rod = cast("RodParams", params)
        nodes, results = rod.spatial_steps, rod.time_steps + 1
        cell_steps = float(nodes) * rod.time_steps * count_sub_steps(rod)
        field_bytes, record_bytes = 8 * nodes * results, _SNAPSHOTS * (4 * nodes + 8) + 8 * nodes
        return Estimate(
            memory_bytes=4_000_000 + 3 * record_bytes + 100 * results,
            cell_steps=cell_steps,
            output_bytes=field_bytes + 110 * results + 500_000,
            work_s=_POINT_S
            + cell_steps / _CELL_STEPS_PER_S
            + field_bytes / _HASHED_BYTES_PER_S
            + record_bytes / _STORED_BYTES_PER_S,
        )

    def batch_key(self, params: BaseModel) -> str:  # noqa: ARG002 - the protocol's
        """All rods go together, whatever varies: each is stepped on its own."""
        return "heat-rod"

    def solve(self, points: Sequence[BaseModel], progress: Progress) -> BatchResult:
        """Solve rods of any shapes; those of one shape in one call."""
        from grid.plugins.builtin.rod_batch import solve_batch

        return solve_batch([cast("RodParams", point) for point in points], progress)

    def render(self, names: Sequence[str], params: BaseModel, record: "np.void", folder: Path) -> str | None:
        """Write files of one rod; all but `meta.json` solve it again, row by row."""
        from grid.plugins.builtin import rod_files

        return rod_files.render(names, cast("RodParams", params), record, folder, self.numerics_version)


def count_sub_steps(rod: RodParams) -> int:
    """Count the sub-steps of one interval, as `grid.engine.rod.find_sub_steps` does, without NumPy."""
    spacing = rod.length / (rod.spatial_steps - 1)
    return max(1, math.ceil(rod.diffusivity * (rod.end_time / rod.time_steps) / (spacing * spacing) / 0.5))


def compute_metrics(
    rods: Sequence[RodParams], final: "np.ndarray[tuple[int, ...], np.dtype[np.float64]]"
) -> list[JsonObject]:
    """Return what tables show of each rod; `final` has the shape ``(rods, nodes)``.

    `largest_error` is the largest difference from the equation's exact solution at the end, as a fraction of the span.
    """
    import numpy as np

    from grid.engine.rod import start_shape

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


def compute_mean(
    rows: "np.ndarray[tuple[int, ...], np.dtype[np.float64]]",
) -> "np.ndarray[tuple[int, ...], np.dtype[np.float64]]":
    """Return the mean along the rod by the trapezoidal rule, rows of shape ``(m, nodes)``."""
    mean: np.ndarray[tuple[int, ...], np.dtype[np.float64]]
    mean = (rows.sum(axis=1) - 0.5 * (rows[:, 0] + rows[:, -1])) / (rows.shape[1] - 1)
    return mean


def rod_columns(rods: Sequence[RodParams]) -> list[list[float]]:
    names = ("length", "diffusivity", "initial_temp", "boundary_temp", "end_time")
    return [[float(getattr(rod, name)) for rod in rods] for name in names]


def judge_rod(point: RodParams, rod: "Rod", metrics: JsonObject) -> PointOutcome:
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


def _audits(rod: "Rod") -> list[Audit]:
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
