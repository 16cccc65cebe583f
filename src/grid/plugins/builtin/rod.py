"""`heat-rod`: the 1D heat equation in a rod, the same parameters and numbers as the program `sim/run_sim.py`."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, cast

from pydantic import BaseModel

from grid.plugins.builtin.guides import ROD
from grid.plugins.builtin.rod_params import RodParams, count_sub_steps
from grid.plugins.numerics import numerics_version
from grid.schemas.results import ResultsGuide
from grid.schemas.simulations import BatchResult, Estimate, Progress

if TYPE_CHECKING:
    import numpy as np

    from grid.schemas.fields import RecordField, StoredRecord
    from grid.schemas.results import SeriesColumn

_SNAPSHOTS = 16  # of the profile, that a record keeps: as `grid.engine.rods.rods.SNAPSHOTS`, without NumPy
# Measured on one core of an EPYC server, rounded down; a claim is sized by them, nothing else depends on them.
_CELL_STEPS_PER_S = 2e9  # [1/s] of the explicit kernel
_HASHED_BYTES_PER_S = 1.5e9  # [B/s] of sha256 over the whole field
_STORED_BYTES_PER_S = 1.5e8  # [B/s] of records, to the disk
_POINT_S = 3e-5  # [s] of a rod beside its steps: metrics, audits, outcome


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
            "engine/rods/rods.py",
            "engine/rods/kernels.py",
            "plugins/builtin/rod.py",
            "plugins/builtin/rod_batch.py",
            "plugins/builtin/rod_files.py",
            "plugins/builtin/rod_params.py",
            "plugins/builtin/rod_results.py",
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

    def describe_fields(self, params: BaseModel, record: "StoredRecord") -> "Sequence[RecordField]":
        """Return the temperature of the rod."""
        from grid.plugins.builtin.rod_fields import describe_fields

        return describe_fields(cast("RodParams", params), record)

    def describe_results(self) -> ResultsGuide:
        """Return metrics, the field and examples."""
        return ROD

    def describe_series(self, params: BaseModel, record: "StoredRecord") -> "Sequence[SeriesColumn]":
        """Return the course that the record holds."""
        from grid.plugins.builtin.rod_series import describe_series

        return describe_series(cast("RodParams", params), record)
